//! How an org was called in the last hour, minute by minute, as far as this process knows.

use std::collections::VecDeque;

use crate::work::Calls;

const MINUTE_MS: u64 = 60_000;
/// Minutes that are kept.
pub(crate) const MINUTES: usize = 60;

/// The calls of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Minute {
    /// Calls that were sent.
    pub(crate) sent: u64,
    /// Answers that said there were too many.
    pub(crate) throttled: u64,
}

/// The calls of an hour. A minute without any is not held.
#[derive(Debug, Default)]
pub(crate) struct Hour {
    /// What was counted up to now.
    last: Calls,
    minutes: VecDeque<(u64, Minute)>,
}

impl Hour {
    /// Takes note of what was counted up to now.
    pub(crate) fn see(&mut self, now_ms: u64, calls: Calls) {
        let before = match calls.sent < self.last.sent {
            // A client that was made anew counts from 0.
            true => Calls::default(),
            false => self.last,
        };
        self.last = calls;
        let sent = calls.sent.saturating_sub(before.sent);
        let throttled = calls.throttled.saturating_sub(before.throttled);
        let now = now_ms / MINUTE_MS;
        while let Some((at, _)) = self.minutes.front()
            && at + (MINUTES as u64) <= now
        {
            self.minutes.pop_front();
        }
        if sent == 0 && throttled == 0 {
            return;
        }
        match self.minutes.back_mut() {
            Some((at, minute)) if *at == now => {
                minute.sent += sent;
                minute.throttled += throttled;
            }
            _ => self.minutes.push_back((now, Minute { sent, throttled })),
        }
    }

    /// Returns the minutes; the last is the one that is not over yet.
    pub(crate) fn minutes(&self, now_ms: u64) -> [Minute; MINUTES] {
        let now = now_ms / MINUTE_MS;
        let mut minutes = [Minute::default(); MINUTES];
        for (at, minute) in &self.minutes {
            let ago = usize::try_from(now.saturating_sub(*at)).unwrap_or(MINUTES);
            if let Some(place) = MINUTES.checked_sub(ago + 1) {
                minutes[place] = *minute;
            }
        }
        minutes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(sent: u64, throttled: u64) -> Calls {
        Calls {
            sent,
            throttled,
            quota_per_minute: 300,
        }
    }

    #[test]
    fn calls_are_those_of_the_minute_in_which_they_were_seen() {
        let mut hour = Hour::default();
        hour.see(0, calls(5, 0));
        hour.see(59_999, calls(9, 1));
        hour.see(60_000, calls(9, 1));
        hour.see(180_000, calls(20, 1));
        let minute = |sent, throttled| Minute { sent, throttled };
        let seen = hour.minutes(180_000);
        assert_eq!(
            seen[56..],
            [minute(9, 1), minute(0, 0), minute(0, 0), minute(11, 0)]
        );
        assert_eq!(seen[..56], [Minute::default(); 56]);
        // They move on, and go.
        assert_eq!(hour.minutes(59 * 60_000)[0], minute(9, 1));
        let later = hour.minutes(60 * 60_000);
        assert_eq!((later[0], later[2]), (minute(0, 0), minute(11, 0)));
        hour.see(300 * 60_000, calls(20, 1));
        assert!(hour.minutes.is_empty());
    }

    #[test]
    fn a_client_that_was_made_anew_counts_from_nothing() {
        let mut hour = Hour::default();
        hour.see(0, calls(100, 7));
        hour.see(1, calls(3, 1));
        let seen = hour.minutes(1);
        assert_eq!(
            seen[59],
            Minute {
                sent: 103,
                throttled: 8
            }
        );
    }
}
