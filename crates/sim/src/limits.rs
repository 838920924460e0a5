//! Rates: fixed windows of requests and a bucket of mints.

use jiff::Timestamp;

use crate::clock::{later, millis};

/// Counts requests in a fixed window that starts with the first of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Window {
    started: Option<Timestamp>,
    pub(crate) used: u32,
}

impl Window {
    /// Counts one more request, or gives the seconds after which it may be tried again.
    pub(crate) fn take(&mut self, now: Timestamp, limit: u32, length_s: u32) -> Result<(), u64> {
        let length_ms = u64::from(length_s) * 1000;
        let started = match self.started {
            Some(started) if millis(started, now) < length_ms => started,
            _ => {
                self.used = 0;
                *self.started.insert(now)
            }
        };
        if self.used < limit {
            self.used += 1;
            return Ok(());
        }
        let left_ms = millis(now, later(started, length_ms));
        Err(left_ms.div_ceil(1000).max(1))
    }
}

/// Holds the tokens that a client may still mint.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mint {
    spent: u32,
    since: Option<Timestamp>,
}

impl Mint {
    /// Spends one mint, unless none is left.
    pub(crate) fn take(&mut self, now: Timestamp, burst: u32, every_ms: u32) -> bool {
        let since = *self.since.get_or_insert(now);
        let regained = millis(since, now)
            .checked_div(every_ms.into())
            .unwrap_or(u64::from(self.spent));
        if regained > 0 {
            self.spent = self
                .spent
                .saturating_sub(u32::try_from(regained).unwrap_or(u32::MAX));
            self.since = Some(later(since, regained * u64::from(every_ms)));
        }
        if self.spent == 0 {
            self.since = Some(now);
        }
        let may = self.spent < burst;
        if may {
            self.spent += 1;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_window_refuses_until_it_ends_and_says_when() {
        let mut window = Window::default();
        assert_eq!(window.take(START, 2, 60), Ok(()));
        assert_eq!(window.take(later(START, 10_000), 2, 60), Ok(()));
        assert_eq!(window.take(later(START, 20_500), 2, 60), Err(40));
        assert_eq!(window.take(later(START, 59_999), 2, 60), Err(1));
        assert_eq!(window.take(later(START, 60_000), 2, 60), Ok(()));
    }

    #[test]
    fn mints_come_back_one_by_one() {
        let mut mint = Mint::default();
        assert!(mint.take(START, 2, 1000) && mint.take(START, 2, 1000));
        assert!(!mint.take(later(START, 900), 2, 1000));
        assert!(mint.take(later(START, 1100), 2, 1000));
        assert!(!mint.take(later(START, 1200), 2, 1000));
    }
}
