//! Whom it matters to is told when something goes past a threshold, once, and once when that is over.
//!
//! It is over when the value is a fifth below the threshold, so that one that moves about it is no flood of
//! messages. What all processes see alike, such as drift, is written down in the desk: one of them tells of it.
//! What each sees for itself, such as its calls, each tells of for itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use orgsmith_engine::now_ms;
use orgsmith_store::desk::{Ending, Job, JobState};
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};
use tracing::warn;

use crate::hour::{Hour, MINUTES, Minute};
use crate::problem::Problem;
use crate::service::Service;
use crate::work::Calls;

/// The time over which calls are counted.
const WINDOW_MS: u64 = 300_000;
const MINUTE_MS: u64 = 60_000;
/// Of fewer calls no share is told.
const FEW: u64 = 20;
/// The part of a threshold below which it is over.
const OVER: f64 = 0.8;

/// When somebody is alerted, as the project file says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// A kind of job fails in an org.
    pub failed_jobs: bool,
    /// So many objects of an org have drifted.
    pub drift: Option<u64>,
    /// A job waits for a worker, or for its org, for so long: `10m`.
    #[serde(deserialize_with = "by_the_clock")]
    #[schemars(with = "Option<String>")]
    pub queue_wait: Option<Duration>,
    /// An org answers so many of a hundred calls of the last five minutes with 429.
    pub throttled_percent: Option<u8>,
    /// So much of a hundred of the calls that an org is allowed was sent in the last five minutes.
    pub quota_percent: Option<u8>,
}

/// Reads a length of time in which no month and no year occurs.
fn by_the_clock<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    let span = text.parse::<Span>().ok().filter(|span| span.is_positive());
    let days = SpanRelativeTo::days_are_24_hours();
    let wait = span.and_then(|span| Duration::try_from(span.to_duration(days).ok()?).ok());
    let bad = || {
        Error::custom(format!(
            "{text:?} is not minutes, hours or days, such as 10m"
        ))
    };
    wait.ok_or_else(bad).map(Some)
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            failed_jobs: true,
            drift: None,
            queue_wait: None,
            throttled_percent: None,
            quota_percent: None,
        }
    }
}

/// What this process saw lately of the calls to its orgs, and what it told of them.
#[derive(Default)]
pub(crate) struct Lookout(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    calls: BTreeMap<String, VecDeque<(u64, Calls)>>,
    hours: BTreeMap<String, Hour>,
    told: BTreeSet<String>,
}

/// How an org was called within the window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Use {
    /// Calls of a hundred that were answered with 429; nothing where there were too few.
    pub(crate) throttled: Option<f64>,
    /// Calls of a hundred that were allowed.
    pub(crate) quota: f64,
}

impl Lookout {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of how many calls an org was sent up to now, and tells of those within the window.
    pub(crate) fn see(&self, org: &str, now_ms: u64, calls: Calls) -> Use {
        let mut all = self.seen();
        let hour = all.hours.entry(org.to_owned()).or_default();
        hour.see(now_ms, calls);
        let seen = all.calls.entry(org.to_owned()).or_default();
        while let Some((at_ms, _)) = seen.front()
            && at_ms.saturating_add(WINDOW_MS) < now_ms
        {
            seen.pop_front();
        }
        seen.push_back((now_ms, calls));
        used(seen)
    }

    /// Tells how an org was called in the last hour.
    pub(crate) fn minutes(&self, org: &str, now_ms: u64) -> [Minute; MINUTES] {
        let all = self.seen();
        let hour = all.hours.get(org);
        hour.map_or_else(|| [Minute::default(); MINUTES], |hour| hour.minutes(now_ms))
    }
}

fn used(seen: &VecDeque<(u64, Calls)>) -> Use {
    let (Some((begun_ms, first)), Some((now_ms, last))) = (seen.front(), seen.back()) else {
        return Use::default();
    };
    let sent = last.sent.saturating_sub(first.sent);
    let throttled = last.throttled.saturating_sub(first.throttled);
    // What was counted for seconds only is not taken for more than it was.
    let minutes = now_ms.saturating_sub(*begun_ms).max(MINUTE_MS) as f64 / MINUTE_MS as f64;
    let allowed = last.quota_per_minute as f64 * minutes;
    Use {
        throttled: (sent >= FEW).then(|| 100.0 * throttled as f64 / sent as f64),
        quota: if allowed > 0.0 {
            100.0 * sent as f64 / allowed
        } else {
            0.0
        },
    }
}

/// How a value stands to its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Crossed,
    Near,
    Over,
}

fn stand(value: f64, threshold: f64) -> Stand {
    if value >= threshold {
        Stand::Crossed
    } else if value < threshold * OVER {
        Stand::Over
    } else {
        Stand::Near
    }
}

/// Something that may have to be told.
struct Alert {
    /// What it is about, the same each time.
    about: String,
    /// Every process sees the same.
    shared: bool,
    stand: Stand,
    /// What is said when it begins, and when it is over.
    begun: String,
    over: String,
}

impl Service {
    /// Takes note of a job that has ended, and tells of it if that is wanted.
    pub(crate) async fn alert_of(&self, job: &Job, ending: &Ending) {
        let Thresholds {
            failed_jobs, drift, ..
        } = self.settings().alert_on;
        if failed_jobs {
            let why = ending.message.as_deref().unwrap_or("it does not say why");
            self.tell(Alert {
                about: format!("failed/{}/{}", job.org, job.kind),
                shared: true,
                stand: match ending.state {
                    JobState::Failed => Stand::Crossed,
                    JobState::Completed => Stand::Over,
                    _ => Stand::Near,
                },
                begun: format!("{} of {} failed: {why} (job {})", job.kind, job.org, job.id),
                over: format!("{} of {} is done again (job {})", job.kind, job.org, job.id),
            })
            .await;
        }
        if let Some(threshold) = drift
            && job.kind == "drift"
            && ending.state == JobState::Completed
        {
            let result = ending.result.as_deref().unwrap_or_default();
            let result: serde_json::Value = serde_json::from_str(result).unwrap_or_default();
            let Some(found) = result["drifted"].as_u64() else {
                return;
            };
            self.tell(Alert {
                about: format!("drift/{}", job.org),
                shared: true,
                stand: stand(found as f64, threshold as f64),
                begun: format!(
                    "{found} objects of {} have drifted (job {})",
                    job.org, job.id
                ),
                over: format!(
                    "{found} objects of {} have drifted, which is no longer many (job {})",
                    job.org, job.id
                ),
            })
            .await;
        }
    }

    /// Looks at what changes without a job that ends, and tells of it if that is wanted.
    pub(crate) async fn look_out(&self) -> Result<(), Problem> {
        let now = now_ms();
        let settings = self.settings().alert_on;
        for org in self.worker().orgs() {
            let name = org.name;
            let used = self.lookout().see(&name, now, self.worker().calls(&name));
            crate::metrics::quota_used(&name, used.quota);
            if let (Some(threshold), Some(share)) = (settings.throttled_percent, used.throttled) {
                self.tell(Alert {
                    about: format!("throttled/{name}"),
                    shared: false,
                    stand: stand(share, f64::from(threshold)),
                    begun: format!("{name} answered {share:.0} % of the calls with 429"),
                    over: format!("{name} answers {share:.0} % of the calls with 429"),
                })
                .await;
            }
            if let Some(threshold) = settings.quota_percent {
                let share = used.quota;
                self.tell(Alert {
                    about: format!("quota/{name}"),
                    shared: false,
                    stand: stand(share, f64::from(threshold)),
                    begun: format!("{share:.0} % of the quota of {name} is used"),
                    over: format!("{share:.0} % of the quota of {name} is used, no longer more"),
                })
                .await;
            }
        }
        if let Some(threshold) = settings.queue_wait {
            let (count, first) = self.desk().waiting().await?;
            let waited = first.map_or(0, |first| now.saturating_sub(first) / 1000);
            self.tell(Alert {
                about: "queue".to_owned(),
                shared: true,
                stand: stand(waited as f64, threshold.as_secs_f64()),
                begun: format!("a job has waited for {waited} s; in all {count} wait"),
                over: "no job waits for long any more".to_owned(),
            })
            .await;
        }
        Ok(())
    }

    /// Tells what has begun or is over, where that was not told yet.
    async fn tell(&self, alert: Alert) {
        let news = match alert.stand {
            Stand::Crossed => self.noted(&alert, true).await,
            Stand::Over => self.noted(&alert, false).await,
            Stand::Near => Ok(false),
        };
        match news {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                warn!(about = alert.about, %error, "an alert could not be written down");
                return;
            }
        }
        let begun = alert.stand == Stand::Crossed;
        let text = if begun { &alert.begun } else { &alert.over };
        warn!(about = alert.about, begun, "{text}");
        let told = self.worker().alert(format!("orgsmith: {text}")).await;
        if !told && begun {
            // Whoever looks next tries again.
            if let Err(error) = self.noted(&alert, false).await {
                warn!(about = alert.about, %error, "an alert could not be taken back");
            }
        }
    }

    /// Writes down that something was told, or is over. False where it was so before.
    async fn noted(
        &self,
        alert: &Alert,
        begun: bool,
    ) -> Result<bool, orgsmith_store::state::Error> {
        let name = format!("alert/{}", alert.about);
        match (alert.shared, begun) {
            (true, true) => self.desk().raise(&name, "told").await,
            (true, false) => self.desk().lower(&name).await,
            (false, true) => Ok(self.lookout().seen().told.insert(name)),
            (false, false) => Ok(self.lookout().seen().told.remove(&name)),
        }
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
    fn what_moves_about_its_threshold_is_told_once() {
        let stands = [9.0, 10.0, 9.0, 11.0, 8.0, 7.9].map(|value| stand(value, 10.0));
        use Stand::{Crossed, Near, Over};
        assert_eq!(stands, [Near, Crossed, Near, Crossed, Near, Over]);
        assert_eq!(stand(0.0, 1.0), Over);
    }

    #[test]
    fn calls_are_counted_over_the_last_minutes() {
        let lookout = Lookout::default();
        assert_eq!(lookout.see("a", 0, calls(100, 5)), Use::default());
        // Within the first minute it counts as a minute.
        let used = lookout.see("a", 10_000, calls(250, 35));
        assert_eq!(used.quota, 50.0);
        assert_eq!(used.throttled, Some(20.0));
        let used = lookout.see("a", 120_000, calls(250, 35));
        assert_eq!(used.quota, 25.0);
        // The window moves on; of few calls no share is told.
        let used = lookout.see("a", 320_000, calls(260, 45));
        assert_eq!(used.throttled, None);
        assert!(used.quota < 2.0, "{used:?}");
        // A client that was made anew counts from 0.
        assert_eq!(lookout.see("a", 330_000, calls(1, 0)).quota, 0.0);
        assert_eq!(lookout.see("b", 330_000, calls(1, 0)), Use::default());
    }
}
