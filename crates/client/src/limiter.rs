//! The pace of one token: as many requests as the quota allows, and never one more.
//!
//! Genesys Cloud counts requests per token in fixed windows of a minute. Where a window begins is
//! not known, and a request is counted at some moment between being sent and being answered. So
//! a request occupies one place of the quota from the moment it is sent until a whole window after
//! its *answer*: two requests that use the same place are then counted more than a window apart,
//! whatever the latency and wherever the windows begin, and no window sees more than the quota.
//! The price is the latency of one request per window. (Counting from the moment of sending, the
//! obvious way, sends too many as soon as latency varies.)
//!
//! Bursts are allowed on purpose: a run of fewer calls than the quota need not wait at all.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How many requests one token may make in a window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The most requests in one window; at least 1.
    pub requests: u32,
    /// The length of a window.
    pub window: Duration,
}

impl Default for Quota {
    /// The default of `token.rate.per.minute`.
    fn default() -> Self {
        Self {
            requests: 300,
            window: Duration::from_secs(60),
        }
    }
}

/// Says when a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// Now, and this many before the quota is used up.
    Now { headroom: u32 },
    /// Not before this moment.
    At(Instant),
    /// When a request that is under way is answered.
    OnAnswer,
}

/// Says what a 429 was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The token's own quota.
    Token,
    /// A limit that one service has besides the token's.
    Route,
}

/// What an answer tells about the quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refused {
    /// What the server asked to wait.
    pub(crate) retry_after: Option<Duration>,
    /// What the body says the limit is about, if it names one.
    pub(crate) named: Option<Scope>,
}

#[derive(Debug)]
pub(crate) struct Limiter {
    quota: Quota,
    margin: Duration,
    /// The quota in force when it is smaller than the configured one, and until when.
    learned: Option<(u32, Instant)>,
    under_way: u32,
    /// When the places of answered requests are free again, in ascending order.
    cooling: VecDeque<Instant>,
    blocked_until: Option<Instant>,
    /// The route of the last 429 that looked like a service's own limit.
    last_refused: Option<(String, Instant)>,
}

impl Limiter {
    pub(crate) fn new(quota: Quota) -> Self {
        Self {
            quota,
            margin: margin(quota.window),
            learned: None,
            under_way: 0,
            cooling: VecDeque::new(),
            blocked_until: None,
            last_refused: None,
        }
    }

    pub(crate) fn ready(&mut self, now: Instant) -> Ready {
        self.cool(now);
        self.blocked_until = self.blocked_until.filter(|&until| until > now);
        self.learned = self.learned.filter(|&(_, until)| until > now);
        if let Some(until) = self.blocked_until {
            return Ready::At(until);
        }
        let used = self.used();
        let quota = self.allowed();
        if used < quota {
            return Ready::Now {
                headroom: quota - used,
            };
        }
        // More than one place must become free when the quota has just been lowered.
        let excess = (used - quota) as usize;
        match self.cooling.get(excess) {
            Some(&free) => Ready::At(free),
            None => Ready::OnAnswer,
        }
    }

    /// Occupies a place; [`Self::ready`] has just said `Now`.
    pub(crate) fn take(&mut self) {
        self.under_way += 1;
    }

    /// Gives a place back whose request never left.
    pub(crate) fn untake(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Starts to cool the place of a request that was answered, or whose answer is given up on.
    pub(crate) fn answered(&mut self, now: Instant) {
        self.under_way = self.under_way.saturating_sub(1);
        self.cooling
            .push_back(now + self.quota.window + self.margin);
    }

    /// Takes note of a 429 and says what it was about.
    ///
    /// Services have limits of their own that are not announced, and their 429 must not stop the
    /// whole token: a wait longer than a window cannot be about the token, and a 429 while the
    /// token is far from its quota is about the route, unless a second route is refused as well.
    pub(crate) fn refused(&mut self, now: Instant, route: &str, refused: Refused) -> Scope {
        let Refused { retry_after, named } = refused;
        let wait = retry_after.unwrap_or(self.margin);
        let another_route = self
            .last_refused
            .as_ref()
            .is_some_and(|(last, until)| last != route && *until > now);
        let near = self.used().saturating_mul(2) >= self.allowed();
        let scope = named.unwrap_or_else(|| {
            if wait > self.quota.window {
                Scope::Route
            } else if near || another_route {
                Scope::Token
            } else {
                Scope::Route
            }
        });
        match scope {
            Scope::Route => {
                self.last_refused = Some((route.to_owned(), now + self.quota.window));
            }
            Scope::Token => {
                let until = now + wait.min(self.quota.window) + self.margin;
                self.blocked_until = self.blocked_until.max(Some(until));
                // The server allows less than was configured. Keep to what it let through (the
                // refused one is still among the used) for a while, then try the whole again.
                // A 429 far below the quota teaches nothing: that would be a crawl.
                if near {
                    let accepted = self.used().saturating_sub(1);
                    self.learn(now, accepted);
                }
            }
        }
        scope
    }

    /// Keeps to a quota smaller than the configured one for some windows.
    pub(crate) fn learn(&mut self, now: Instant, requests: u32) {
        let requests = requests.max(1);
        if requests < self.quota.requests {
            self.learned = Some((requests, now + self.quota.window * 3));
        }
    }

    fn allowed(&self) -> u32 {
        match self.learned {
            Some((requests, _)) => requests.min(self.quota.requests),
            None => self.quota.requests,
        }
    }

    /// Returns how many places are occupied at a moment.
    pub(crate) fn used_at(&mut self, now: Instant) -> u32 {
        self.cool(now);
        self.used()
    }

    fn cool(&mut self, now: Instant) {
        while self.cooling.front().is_some_and(|&free| free <= now) {
            self.cooling.pop_front();
        }
    }

    fn used(&self) -> u32 {
        let cooling = u32::try_from(self.cooling.len()).unwrap_or(u32::MAX);
        self.under_way.saturating_add(cooling)
    }
}

/// Allows for two clocks that do not run equally fast.
fn margin(window: Duration) -> Duration {
    (window / 500).clamp(Duration::from_millis(1), Duration::from_millis(100))
}

#[cfg(test)]
#[path = "limiter_tests.rs"]
mod tests;
