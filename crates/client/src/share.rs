//! A quota that several processes share.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::limiter::{Limiter, Quota};

/// Where processes agree on who may send how much.
pub trait Share: Send + Sync {
    /// Says how many of the places of the whole quota this process may occupy, until it asks again;
    /// nothing where nobody else is to be minded. `used` are occupied, and it would like `wanted`.
    fn claim(&self, used: u32, wanted: u32) -> BoxFuture<'_, Option<u32>>;
}

impl fmt::Debug for dyn Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share")
    }
}

/// What this process occupies of a shared quota, over all of its tokens, and how much it may.
///
/// It asks for a little more than it occupies: what it holds and does not use, nobody can use.
pub(crate) struct Whole {
    limiter: Limiter,
    total: u32,
    beat: Duration,
    held: u32,
    asked: Option<Instant>,
    /// The last answer was that there is no more.
    refused: bool,
}

/// What to do before a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Go,
    Wait(Instant),
    Ask { used: u32, wanted: u32 },
}

impl Whole {
    pub(crate) fn new(quota: Quota, tokens: usize) -> Self {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        let total = quota.requests.saturating_mul(tokens);
        Self {
            limiter: Limiter::new(Quota {
                requests: total,
                ..quota
            }),
            total,
            beat: quota.window / 30,
            held: 0,
            asked: None,
            refused: false,
        }
    }

    pub(crate) fn limiter(&mut self) -> &mut Limiter {
        &mut self.limiter
    }

    pub(crate) fn next(&mut self, now: Instant) -> Step {
        let used = self.limiter.used_at(now);
        let due = self.asked.map(|asked| asked + self.beat);
        match due.filter(|due| now < *due) {
            Some(_) if used < self.held => Step::Go,
            Some(due) if self.refused => Step::Wait(due),
            _ => Step::Ask {
                used,
                wanted: used
                    .saturating_add((self.total / 16).max(1))
                    .min(self.total),
            },
        }
    }

    /// Takes note of an answer to a question about so many places in use.
    pub(crate) fn told(&mut self, now: Instant, used: u32, held: Option<u32>) {
        self.held = held.unwrap_or(u32::MAX);
        self.asked = Some(now);
        self.refused = self.held <= used;
    }
}
