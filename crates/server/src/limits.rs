//! How often somebody may ask.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::{Extensions, StatusCode};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::problem::Problem;

/// Requests that one token may make in a minute.
const OF_TOKEN: NonZeroU32 = NonZeroU32::new(1200).expect("not 0");
/// Tokens that are not known which may come from one address in a minute.
const OF_STRANGER: NonZeroU32 = NonZeroU32::new(30).expect("not 0");

/// Counts requests by token, and wrong tokens by the address they come from.
pub(crate) struct Limits {
    tokens: DefaultKeyedRateLimiter<String>,
    strangers: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tokens: RateLimiter::keyed(Quota::per_minute(OF_TOKEN)),
            strangers: RateLimiter::keyed(Quota::per_minute(OF_STRANGER)),
            clock: DefaultClock::default(),
        }
    }
}

impl Limits {
    /// Takes note of a request by a token.
    pub(crate) fn asked(&self, token: &str) -> Result<(), Problem> {
        // Whoever was not heard of for a minute has all requests again and need not be remembered.
        if self.tokens.len() > 10_000 {
            self.tokens.retain_recent();
        }
        self.tokens
            .check_key(&token.to_owned())
            .map_err(|until| self.later(until.wait_time_from(self.clock.now()), "with this token"))
    }

    /// Takes note of a token that is not known.
    pub(crate) fn guessed(&self, from: &Extensions) -> Result<(), Problem> {
        let Some(ConnectInfo(address)) = from.get::<ConnectInfo<SocketAddr>>() else {
            return Ok(());
        };
        if self.strangers.len() > 10_000 {
            self.strangers.retain_recent();
        }
        self.strangers.check_key(&address.ip()).map_err(|until| {
            self.later(until.wait_time_from(self.clock.now()), "with wrong tokens")
        })
    }

    fn later(&self, wait: Duration, what: &str) -> Problem {
        let seconds = wait.as_secs() + 1;
        let detail = format!("too many requests {what}; wait {seconds} s");
        Problem {
            retry_after: Some(seconds),
            ..Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_asks_so_often_and_another_still_may() {
        let limits = Limits::default();
        for _ in 0..OF_TOKEN.get() {
            limits.asked("a").expect("within the limit");
        }
        let refused = limits.asked("a").expect_err("one too many");
        assert_eq!(refused.status, 429);
        assert!(
            refused
                .retry_after
                .is_some_and(|seconds| (1..=60).contains(&seconds))
        );
        limits.asked("b").expect("somebody else");
    }

    #[test]
    fn who_guesses_is_kept_from_guessing_on() {
        let limits = Limits::default();
        let mut from = Extensions::new();
        from.insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))));
        for _ in 0..OF_STRANGER.get() {
            limits.guessed(&from).expect("within the limit");
        }
        assert_eq!(limits.guessed(&from).expect_err("one too many").status, 429);
    }
}
