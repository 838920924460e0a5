//! What the service keeps, and for how long.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use orgsmith_store::desk::Job;
use tracing::info;

use crate::api::digest;
use crate::service::Service;

/// Jobs that are looked at together.
const AT_ONCE: u32 = 50;
/// Jobs that are deleted at most each time; the others follow with the next.
const MOST: usize = 2_000;

/// How long what is over is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Jobs with their files and events, from their end on.
    pub jobs: Span,
    /// Who did what, and who approved it.
    pub audit: Span,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            jobs: 90.days(),
            audit: 2.years(),
        }
    }
}

/// Returns the time that is so long ago, in milliseconds since 1970; longer ago than that is 0.
fn before(now: Timestamp, span: Span) -> u64 {
    let then = now.to_zoned_datetime(TimeZone::UTC).checked_sub(span);
    let then = then.map_or(0, |then| then.timestamp().as_millisecond());
    u64::try_from(then).unwrap_or_default()
}

impl Service {
    /// Deletes what was kept long enough. That several do so at the same time harms nothing.
    pub(crate) async fn forget(&self, now: Timestamp) -> Result<(), orgsmith_store::state::Error> {
        let Retention { jobs, audit } = self.settings().retention;
        let term = before(now, jobs);
        let (mut last, mut forgotten) = (None, 0);
        // The last first: what carries a plan out goes before the plan.
        while forgotten < MOST {
            let old = self.desk().old_jobs(term, last.as_ref(), AT_ONCE).await?;
            for job in &old {
                if !self.awaits(job, term).await? && self.desk().forget_job(&job.id, term).await? {
                    forgotten += 1;
                }
            }
            last = old.into_iter().last();
            if last.is_none() {
                break;
            }
        }
        let acts = self.desk().forget_acts(before(now, audit)).await?;
        if forgotten > 0 || acts > 0 {
            info!(jobs = forgotten, acts, "what is old was deleted");
        }
        Ok(())
    }

    /// Tells whether a job has made a plan that somebody has approved since, so that it may yet be carried
    /// out. One that was carried out is spoken of by the job that did so.
    async fn awaits(&self, job: &Job, term: u64) -> Result<bool, orgsmith_store::state::Error> {
        let Ok(digest) = digest(job) else {
            return Ok(false);
        };
        let approvals = self.desk().approvals(&digest).await?;
        Ok(approvals.iter().any(|(_, at_ms)| *at_ms >= term))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_counted_by_the_calendar() {
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().expect("a time");
        let time = |text: &str| {
            let time: Timestamp = text.parse().expect("a time");
            u64::try_from(time.as_millisecond()).expect("after 1970")
        };
        assert_eq!(before(now, 90.days()), time("2026-08-30T12:00:00Z"));
        assert_eq!(before(now, 2.years()), time("2024-11-28T12:00:00Z"));
        assert_eq!(before(now, 9_000.years()), 0);
    }
}
