//! The simulator's only source of time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Says how time passes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum ClockMode {
    /// With the runtime's clock, which a test may have paused.
    #[default]
    Real,
    /// Only when it is advanced, starting here.
    Manual(Timestamp),
}

/// Represents the time of the simulated world.
#[derive(Debug)]
pub(crate) struct Clock {
    base: Timestamp,
    /// `None` when time is manual.
    started: Option<Instant>,
    advanced: SignedDuration,
}

impl Clock {
    pub(crate) fn new(mode: ClockMode) -> Self {
        let (base, started) = match mode {
            ClockMode::Real => (Timestamp::now(), Some(Instant::now())),
            ClockMode::Manual(start) => (start, None),
        };
        Self {
            base,
            started,
            advanced: SignedDuration::ZERO,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let elapsed = self
            .started
            .map(|start| start.elapsed())
            .unwrap_or_default();
        let elapsed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::ZERO);
        let passed = self.advanced.saturating_add(elapsed);
        self.base.saturating_add(passed).unwrap_or(self.base)
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.advanced = self.advanced.saturating_add(by);
    }
}

/// Spells a time as the API does: UTC with milliseconds.
pub(crate) fn spell(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Gives the milliseconds from one time to another; zero when they are the other way round.
pub(crate) fn millis(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

/// Gives the time some milliseconds later.
pub(crate) fn later(at: Timestamp, ms: u64) -> Timestamp {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    at.saturating_add(SignedDuration::from_millis(ms))
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_time_stands_until_it_is_advanced() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut clock = Clock::new(ClockMode::Manual(start));
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_millis(1500));
        assert_eq!(spell(clock.now()), "2026-01-01T00:00:01.500Z");
        assert_eq!(millis(start, clock.now()), 1500);
        assert_eq!(millis(clock.now(), start), 0);
    }
}
