//! The calls of an hour as a picture: a bar a minute, held against the quota.

use crate::hour::Minute;

/// How high the picture is, which is as much as the quota.
pub(super) const HIGH: u64 = 24;

/// A bar, in the measures of the picture.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) class: &'static str,
    pub(super) x: usize,
    pub(super) y: u64,
    pub(super) height: u64,
}

/// A picture.
#[derive(Debug)]
pub(super) struct Chart {
    /// What it shows, in words.
    pub(super) label: String,
    pub(super) bars: Vec<Bar>,
}

impl Chart {
    /// Draws the calls of minutes; nothing where there were none.
    pub(super) fn of(minutes: &[Minute], quota: u64) -> Option<Self> {
        let most = minutes.iter().map(|minute| minute.sent).max().unwrap_or(0);
        if most == 0 {
            return None;
        }
        let whole = if quota == 0 { most } else { quota };
        let high = |calls: u64| (calls.saturating_mul(HIGH).div_ceil(whole)).min(HIGH);
        let bar = |class, x, calls| {
            let height = high(calls);
            let y = HIGH - height;
            (calls > 0).then_some(Bar {
                class,
                x,
                y,
                height,
            })
        };
        let bars = minutes.iter().enumerate().flat_map(|(x, minute)| {
            let class = if minute.sent > whole { "over" } else { "sent" };
            let sent = bar(class, x, minute.sent);
            sent.into_iter()
                .chain(bar("throttled", x, minute.throttled))
        });
        let throttled: u64 = minutes.iter().map(|minute| minute.throttled).sum();
        let all: u64 = minutes.iter().map(|minute| minute.sent).sum();
        Some(Self {
            bars: bars.collect(),
            label: format!(
                "The last hour, by this process: {all} calls, at most {most} in a minute, of which the \
                 quota is {quota}; {throttled} answered with 429"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_high_as_its_part_of_the_quota() {
        let minute = |sent, throttled| Minute { sent, throttled };
        let minutes = [minute(150, 0), minute(0, 0), minute(301, 1)];
        let Chart { label, bars } = Chart::of(&minutes, 300).expect("there were calls");
        let bar = |class, x, height| Bar {
            class,
            x,
            y: HIGH - height,
            height,
        };
        // Above the quota it is as high as that, and says so by its class; one call is seen.
        assert_eq!(
            bars,
            [
                bar("sent", 0, 12),
                bar("over", 2, 24),
                bar("throttled", 2, 1)
            ]
        );
        assert!(
            label.contains("451 calls, at most 301 in a minute"),
            "{label}"
        );
        assert!(Chart::of(&[minute(0, 0)], 300).is_none());
        assert_eq!(
            Chart::of(&[minute(7, 0)], 0).expect("calls").bars,
            [bar("sent", 0, 24)]
        );
    }
}
