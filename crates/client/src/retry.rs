//! The retry rule: one pure function from what happened to what to do next.

use std::time::Duration;

use crate::call::Replay;

/// Bounds the retries of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The most times one call is sent, the first included.
    pub max_attempts: u32,
    /// The most time one call may spend in flight and waiting to be retried.
    ///
    /// Waiting for its turn in the quota is not counted: a long queue is not a failure.
    pub max_elapsed: Duration,
    /// The upper bound of the first wait; it doubles with each attempt.
    pub base: Duration,
    /// The upper bound of any wait that the server did not ask for.
    pub cap: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_attempts: 10,
            max_elapsed: Duration::from_secs(300),
            base: Duration::from_millis(500),
            cap: Duration::from_secs(30),
        }
    }
}

/// Says how one attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer that repeating would not change.
    Final,
    /// 429: not acted on.
    RateLimited {
        /// What the server asked for.
        retry_after: Option<Duration>,
    },
    /// The connection was never made: not acted on.
    NotSent,
    /// No usable answer (reset, timeout, 408, 5xx): it may have been acted on.
    Lost {
        /// What the server asked for, if it said anything.
        retry_after: Option<Duration>,
    },
}

/// Says what to do after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Send it again after this time.
    Retry {
        /// The time to wait first.
        after: Duration,
    },
    /// Return what there is.
    Stop(Stop),
}

/// Says why a call is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The answer is final, or the request must not be repeated.
    Final,
    /// The tries or the time are used up.
    Exhausted,
}

/// Decides what to do after attempt number `attempt` (from 1).
///
/// `elapsed` is what the call has spent so far; `random` is uniform in `0.0..1.0`.
pub fn decide(
    policy: &Policy,
    attempt: u32,
    replay: Replay,
    outcome: Outcome,
    elapsed: Duration,
    random: f64,
) -> Decision {
    let asked = match (outcome, replay) {
        (Outcome::Final, _) | (Outcome::Lost { .. }, Replay::Never) => {
            return Decision::Stop(Stop::Final);
        }
        (Outcome::RateLimited { retry_after }, _)
        | (Outcome::Lost { retry_after }, Replay::Safe) => retry_after,
        (Outcome::NotSent, _) => None,
    };
    if attempt >= policy.max_attempts {
        return Decision::Stop(Stop::Exhausted);
    }
    let after = asked.unwrap_or_else(|| backoff(policy, attempt, random));
    // Some daily quotas answer 429 with a Retry-After that reaches to midnight: giving up at once
    // tells the caller more than sleeping until the budget is gone.
    match elapsed.checked_add(after) {
        Some(total) if total <= policy.max_elapsed => Decision::Retry { after },
        _ => Decision::Stop(Stop::Exhausted),
    }
}

/// Exponential back-off with full jitter.
pub(crate) fn backoff(policy: &Policy, attempt: u32, random: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(30);
    let ceiling = policy
        .base
        .saturating_mul(1_u32 << doublings)
        .min(policy.cap);
    ceiling.mul_f64(random.clamp(0.0, 1.0))
}

/// Reads `Retry-After` as whole seconds, the only form Genesys Cloud sends.
pub(crate) fn retry_after(header: &str) -> Option<Duration> {
    header.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOST: Outcome = Outcome::Lost { retry_after: None };
    const LIMITED: Outcome = Outcome::RateLimited { retry_after: None };

    fn first(replay: Replay, outcome: Outcome) -> Decision {
        decide(&Policy::default(), 1, replay, outcome, Duration::ZERO, 1.0)
    }

    #[test]
    fn what_may_have_been_acted_on_is_retried_only_when_replay_is_safe() {
        assert_eq!(first(Replay::Never, LOST), Decision::Stop(Stop::Final));
        let after = Duration::from_millis(500);
        assert_eq!(first(Replay::Safe, LOST), Decision::Retry { after });
    }

    #[test]
    fn what_was_not_acted_on_is_retried_whatever_the_replay() {
        let after = Duration::from_millis(500);
        for outcome in [LIMITED, Outcome::NotSent] {
            assert_eq!(first(Replay::Never, outcome), Decision::Retry { after });
            assert_eq!(first(Replay::Safe, outcome), Decision::Retry { after });
        }
    }

    #[test]
    fn a_wait_the_server_asks_for_is_taken_whole_or_not_at_all() {
        let limited = |seconds| Outcome::RateLimited {
            retry_after: Some(Duration::from_secs(seconds)),
        };
        let after = Duration::from_secs(42);
        assert_eq!(first(Replay::Never, limited(42)), Decision::Retry { after });
        assert_eq!(
            first(Replay::Never, limited(36_000)),
            Decision::Stop(Stop::Exhausted)
        );
        assert_eq!(
            first(Replay::Never, limited(u64::MAX)),
            Decision::Stop(Stop::Exhausted)
        );
    }

    #[test]
    fn only_whole_seconds_are_read() {
        assert_eq!(retry_after(" 42 "), Some(Duration::from_secs(42)));
        assert_eq!(retry_after("-1"), None);
        assert_eq!(retry_after("1.5"), None);
        assert_eq!(retry_after("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }

    proptest! {
        #[test]
        fn tries_and_time_are_bounded_for_any_run_of_outcomes(
            kinds in proptest::collection::vec((0..4_u8, 0..200_u64, 0.0..1.0_f64), 1..60),
            safe in any::<bool>(),
            max_attempts in 1..20_u32,
        ) {
            let policy = Policy { max_attempts, ..Policy::default() };
            let replay = if safe { Replay::Safe } else { Replay::Never };
            let mut elapsed = Duration::ZERO;
            let mut attempt = 0;
            for (kind, seconds, random) in kinds.into_iter().cycle() {
                attempt += 1;
                let outcome = match kind {
                    0 => LOST,
                    1 => Outcome::NotSent,
                    2 => LIMITED,
                    _ => Outcome::RateLimited { retry_after: Some(Duration::from_secs(seconds)) },
                };
                match decide(&policy, attempt, replay, outcome, elapsed, random) {
                    Decision::Retry { after } => elapsed += after,
                    Decision::Stop(_) => break,
                }
            }
            prop_assert!(attempt <= max_attempts);
            prop_assert!(elapsed <= policy.max_elapsed);
        }
    }
}
