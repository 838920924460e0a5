//! Orgs that are kept in step with their sources: the decisions are core's, here they are carried out.
//!
//! What happened to each org is in the desk, so any process may go on where another was. Two that decide the
//! same at the same time ask for the same job: its caller's id is made of what was decided from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use orgsmith_core::drift::{Drifted, Resolution, What};
use orgsmith_core::id::ObjectRef;
use orgsmith_core::reconcile::{
    Act, Decision, Extent, Found, History, Mode, Pause, Settings, decide, doubled,
};
use orgsmith_core::select::term_name;
use orgsmith_engine::Stop;
use orgsmith_store::desk::{Job, JobState};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::problem::Problem;
use crate::service::Service;
use crate::task::{Carry, Selected, Task};
use crate::told::Told;
use crate::watch::later;

/// How often it is looked whether there is something to do.
const LOOK: Duration = Duration::from_secs(2);
/// Who asks for the jobs.
pub(crate) const ACTOR: &str = "reconciliation";

/// After a job that failed, nothing is asked for so long; each further time it is twice as long.
const FAILED: SignedDuration = SignedDuration::from_mins(1);
/// The longest.
const FAILED_LONG: SignedDuration = SignedDuration::from_hours(1);

/// What is known of an org that is kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Kept {
    pub(crate) history: History,
    /// What was told of and not yet looked at.
    told: BTreeSet<Told>,
    /// What was told of and is looked at by the job that is waited for.
    looking: BTreeSet<Told>,
    /// When it was looked before the job that is waited for: at anything, at all of which nobody tells, and
    /// at everything.
    looked: Option<[Option<Timestamp>; 3]>,
    /// The job that is waited for.
    pub(crate) job: Option<String>,
    /// So many jobs failed, one after another.
    failed: u32,
    /// Because of them nothing is asked for until then.
    wait: Option<Timestamp>,
    /// Nothing is done for now, because somebody said so.
    pub(crate) pause: Option<Pause>,
    /// What was decided last, in words.
    pub(crate) reason: String,
    /// When it is decided again at the latest.
    pub(crate) next: Option<Timestamp>,
}

/// How a job ended that was waited for.
enum Ended {
    Looked(Found),
    Healed,
    Planned,
    Failed(String),
}

impl Kept {
    fn tell(&mut self, told: &BTreeSet<Told>, at: Timestamp) {
        self.told.extend(told.iter().cloned());
        Told::few(&mut self.told);
        self.history.told = self.history.told.max(Some(at));
    }

    /// Notes that a job was asked for.
    fn begin(&mut self, act: &Act, job: &str, told: &BTreeSet<Told>, now: Timestamp) {
        self.job = Some(job.to_owned());
        self.history.busy = true;
        match act {
            Act::Scan(extent) => {
                let history = &mut self.history;
                self.looked = Some([history.scanned, history.scanned_untold, history.scanned_all]);
                history.scan(*extent, now);
                self.told.retain(|one| !told.contains(one));
                self.looking.clone_from(told);
            }
            Act::Propose(objects) => self.history.proposed.clone_from(objects),
            Act::Apply(_) | Act::Nothing => {}
        }
    }

    /// Notes how it ended.
    fn end(&mut self, ended: &Ended, now: Timestamp) {
        let history = &mut self.history;
        self.job = None;
        history.busy = false;
        let (looking, looked) = (std::mem::take(&mut self.looking), self.looked.take());
        if let Ended::Failed(why) = ended {
            // It is as if it had not been looked.
            self.told.extend(looking);
            if let Some(looked) = looked {
                [history.scanned, history.scanned_untold, history.scanned_all] = looked;
            }
            history.proposed.clear();
            self.wait = Some(later(now, doubled(FAILED, FAILED_LONG, self.failed)));
            self.failed += 1;
            self.next = self.wait;
            self.reason = format!("{why}; it is tried again");
            return;
        }
        (self.failed, self.wait) = (0, None);
        match ended {
            Ended::Looked(found) => {
                history.found.clone_from(found);
                let lost = history.source_was.is_some_and(|was| found.source < was);
                if !lost || found.open.is_empty() {
                    history.source_was = Some(found.source);
                }
            }
            Ended::Healed => {
                for object in std::mem::take(&mut history.found.open) {
                    history.healed.entry(object).or_default().push(now);
                }
                // What came of it is seen, not believed.
                history.told = Some(now);
            }
            Ended::Planned | Ended::Failed(_) => {}
        }
    }
}

fn name_of(org: &str) -> String {
    format!("kept/{org}")
}

impl Service {
    /// Keeps orgs in step until asked to stop.
    pub async fn reconcile(&self, stop: Stop) {
        if self.settings().keep.is_empty() {
            return;
        }
        loop {
            for (org, settings) in &self.settings().keep {
                if let Err(problem) = self.keep(org, settings).await {
                    warn!(
                        org,
                        problem = problem.detail,
                        "the org cannot be kept in step"
                    );
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.told().notified() => {}
                () = stop.asked() => return,
            }
        }
    }

    /// Returns what is known of an org that is kept.
    pub(crate) async fn kept(&self, org: &str) -> Result<Kept, Problem> {
        Ok(self.read_note(&name_of(org)).await?.0)
    }

    /// Changes what is known of an org that is kept, whoever else does so at the same time.
    pub(crate) async fn change_kept(
        &self,
        org: &str,
        change: impl Fn(&mut Kept),
    ) -> Result<(), Problem> {
        let name = name_of(org);
        loop {
            let (mut kept, was): (Kept, String) = self.read_note(&name).await?;
            change(&mut kept);
            if self.swap_note(&name, &was, &kept).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Takes note that somebody told of changes in an org.
    pub(crate) async fn told_of(
        &self,
        org: &str,
        told: &BTreeSet<Told>,
        at: Timestamp,
    ) -> Result<(), Problem> {
        if told.is_empty() {
            return Ok(());
        }
        for target in self.settings().keep.keys() {
            // A change in the source matters as well as one in the org.
            if target == org || self.worker().against(target).as_deref() == Some(org) {
                self.change_kept(target, |kept| kept.tell(told, at)).await?;
            }
        }
        self.told().notify_one();
        Ok(())
    }

    /// Decides about an org, and does what was decided.
    async fn keep(&self, org: &str, settings: &Settings) -> Result<(), Problem> {
        let mut kept = self.kept(org).await?;
        let now = Timestamp::now();
        let ended = match kept.job.clone() {
            None => None,
            Some(job) => match self.ending(&job).await? {
                None => return Ok(()),
                Some(ended) => Some((job, ended)),
            },
        };
        // Meanwhile another process may have done the same.
        let end = |kept: &mut Kept| match &ended {
            Some((job, ended)) if kept.job.as_ref() == Some(job) => kept.end(ended, now),
            _ => {}
        };
        end(&mut kept);
        if kept.wait.is_some_and(|wait| now < wait) && kept.pause.is_none() {
            return self.change_kept(org, end).await;
        }
        let settings = Settings {
            // Where plans are approved, nothing is written without.
            mode: match settings.mode {
                Mode::Enforce if self.settings().approvals > 0 => Mode::Propose,
                mode => mode,
            },
            pause: kept.pause.clone(),
            ..settings.clone()
        };
        let Decision {
            act, reason, next, ..
        } = decide(&settings, &kept.history, now);
        let job = match self.task(org, &act, &kept).await? {
            None if reason == kept.reason && next == kept.next && ended.is_none() => {
                return Ok(());
            }
            None => None,
            Some(task) => {
                let Kept {
                    history,
                    told,
                    failed,
                    ..
                } = &kept;
                let known = format!("{history:?} {told:?} {failed}");
                let once = orgsmith_core::plan::digest_of(known.as_bytes());
                let caller = Some(format!("keep {once}"));
                Some(self.submit(&task, ACTOR, caller, &[]).await?.id)
            }
        };
        info!(org, reason, "decided");
        // And more may have been told of.
        self.change_kept(org, |latest| {
            end(latest);
            latest.reason.clone_from(&reason);
            latest.next = next;
            if let (Some(job), None) = (&job, &latest.job) {
                latest.begin(&act, job, &kept.told, now);
            }
        })
        .await
    }

    /// Turns what was decided into a task.
    async fn task(&self, org: &str, act: &Act, kept: &Kept) -> Result<Option<Task>, Problem> {
        let these = |objects: &BTreeSet<ObjectRef>| Selected {
            select: objects.iter().map(term).collect(),
            ..Selected::default()
        };
        let task = match act {
            Act::Nothing => return Ok(None),
            Act::Scan(extent) => Task::Drift {
                selected: self.scope(org, *extent, kept).await?,
                against: None,
                org: org.to_owned(),
            },
            // Of what the last run was made of, the drift itself is what a person looks at.
            Act::Propose(_) if self.worker().against(org).is_none() => return Ok(None),
            Act::Propose(objects) => Task::Plan {
                source: None,
                org: org.to_owned(),
                prune: false,
                selected: these(objects),
                force: false,
            },
            Act::Apply(objects) => Task::Revert {
                against: None,
                selected: these(objects),
                fields: Vec::new(),
                carry: Carry {
                    confirm: Some(org.to_owned()),
                    ..Carry::default()
                },
                org: org.to_owned(),
            },
        };
        Ok(Some(task))
    }

    /// Says what is looked at; nothing means everything.
    async fn scope(&self, org: &str, extent: Extent, kept: &Kept) -> Result<Selected, Problem> {
        let mut select: BTreeSet<String> = BTreeSet::new();
        match extent {
            Extent::Everything => return Ok(Selected::default()),
            Extent::Told => {}
            Extent::Found => select.extend(kept.history.found.open.iter().map(term)),
            Extent::Untold => match self.untold(org).await? {
                Some(kinds) => select.extend(kinds.iter().map(|kind| format!("kind={kind}"))),
                None => return Ok(Selected::default()),
            },
        }
        for told in &kept.told {
            select.extend(told.terms(org, self.state()).await?);
        }
        if extent == Extent::Told {
            // What was healed is told of by nobody.
            let healed = kept.history.healed.iter();
            let since = kept.history.scanned;
            let healed = healed.filter(|(_, times)| times.last().copied() > since);
            select.extend(healed.map(|(object, _)| term(object)));
        }
        Ok(Selected {
            select: select.into_iter().collect(),
            ..Selected::default()
        })
    }

    /// Returns how a job ended, if it did.
    async fn ending(&self, id: &str) -> Result<Option<Ended>, Problem> {
        let Some(job) = self.desk().job(id).await? else {
            return Ok(Some(Ended::Failed(format!("job {id} is gone"))));
        };
        Ok(match job.state {
            JobState::Queued | JobState::Running => None,
            JobState::Failed => {
                let why = job.message.unwrap_or_default();
                Some(Ended::Failed(format!("{} failed: {why}", job.kind)))
            }
            JobState::Cancelled => Some(Ended::Failed(format!("{} was cancelled", job.kind))),
            JobState::Completed => Some(match job.kind.as_str() {
                "drift" => Ended::Looked(self.found(&job).await?),
                "revert" => Ended::Healed,
                _ => Ended::Planned,
            }),
        })
    }

    /// Sums up what a look has found.
    async fn found(&self, job: &Job) -> Result<Found, Problem> {
        let Some(drift) = self.drift_of(job).await? else {
            return Ok(Found::default());
        };
        let in_source = drift.objects.iter().filter(|drifted| {
            !matches!(drifted.what, What::CreatedInTarget | What::DeletedInSource)
        });
        let follows = |drifted: &&Drifted| {
            let mut fields = drifted.fields.iter();
            fields.any(|field| field.resolution == Resolution::Apply && field.counts())
        };
        Ok(Found {
            source: drift.same + in_source.count(),
            kinds: drift.kinds,
            open: drift
                .objects
                .iter()
                .filter(follows)
                .map(|drifted| drifted.object.clone())
                .collect(),
        })
    }
}

/// Returns the term that selects an object.
pub(crate) fn term(object: &ObjectRef) -> String {
    format!("kind={},name={}", object.kind, term_name(object))
}

/// The modes by their words.
pub(crate) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::Propose => "propose",
        Mode::Enforce => "enforce",
    }
}

/// The settings of orgs that are kept, by their names.
pub type Keep = BTreeMap<String, Settings>;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    fn told(name: &str) -> BTreeSet<Told> {
        let said = format!(
            r#"[{{"org": "prod", "kind": "routing_queue", "id": null, "name": "{name}"}}]"#
        );
        serde_json::from_str(&said).expect("an object")
    }

    #[test]
    fn what_was_told_of_is_kept_until_a_look_at_it_has_ended_well() {
        let mut kept = Kept::default();
        kept.tell(&told("Sales"), at(0));
        let look = kept.told.clone();
        kept.begin(&Act::Scan(Extent::Told), "job", &look, at(1));
        kept.tell(&told("Support"), at(2));
        assert_eq!(kept.told, told("Support"));
        kept.end(&Ended::Failed("drift failed".to_owned()), at(3));
        assert_eq!(kept.told.len(), 2);
        assert_eq!(kept.history.scanned, None, "it is due again");
        let look = kept.told.clone();
        kept.begin(&Act::Scan(Extent::Told), "job", &look, at(4));
        kept.end(&Ended::Looked(Found::default()), at(5));
        assert_eq!((kept.told.len(), kept.looking.len()), (0, 0));
    }

    #[test]
    fn after_jobs_that_failed_it_waits_ever_longer() {
        let mut kept = Kept::default();
        let mut waits = Vec::new();
        for _ in 0..9 {
            kept.end(&Ended::Failed("drift failed".to_owned()), at(0));
            let wait = kept.wait.expect("a time").duration_since(at(0));
            waits.push(wait.as_mins());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        kept.end(&Ended::Planned, at(0));
        assert_eq!((kept.wait, kept.failed), (None, 0));
    }
}
