//! Orgs that are kept in step with their sources: the decisions are core's, here they are carried out.
//!
//! What happened to each org is in the desk, so any process may go on where another was. Two that decide the
//! same at the same time ask for the same job: its caller's id is made of what was decided from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use orgsmith_core::id::{Key, Kind, ObjectRef};
use orgsmith_core::reconcile::{Act, Decision, Found, History, Mode, Pause, Settings, decide};
use orgsmith_core::select::term_name;
use orgsmith_engine::Stop;
use orgsmith_store::desk::{Job, JobState};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::{info, warn};

use crate::problem::Problem;
use crate::service::Service;
use crate::task::{Carry, Selected, Task};
use crate::work::DRIFT;

/// How often it is looked whether there is something to do.
const LOOK: Duration = Duration::from_secs(2);
/// Who asks for the jobs.
const ACTOR: &str = "reconciliation";

/// What is known of an org that is kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Kept {
    pub(crate) history: History,
    /// The job that is waited for.
    pub(crate) job: Option<String>,
    /// Nothing is done for now, because somebody said so.
    pub(crate) pause: Option<Pause>,
    /// What was decided last, in words.
    pub(crate) reason: String,
    /// When it is decided again at the latest.
    pub(crate) next: Option<Timestamp>,
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
                () = stop.asked() => return,
            }
        }
    }

    /// Returns what is known of an org that is kept.
    pub(crate) async fn kept(&self, org: &str) -> Result<Kept, Problem> {
        let text = self.desk().setting(&name_of(org), "{}").await?;
        serde_json::from_str(&text).map_err(Problem::internal)
    }

    /// Writes down what is known of an org that is kept.
    pub(crate) async fn keep_kept(&self, org: &str, kept: &Kept) -> Result<(), Problem> {
        let text = serde_json::to_string(kept).map_err(Problem::internal)?;
        Ok(self.desk().set(&name_of(org), &text).await?)
    }

    /// Takes note that somebody told of a change in an org.
    pub(crate) async fn told_of(&self, org: &str, at: Timestamp) -> Result<(), Problem> {
        for target in self.settings().keep.keys() {
            // A change in the source matters as well as one in the org.
            if target == org || self.worker().against(target).as_deref() == Some(org) {
                let mut kept = self.kept(target).await?;
                kept.history.told = kept.history.told.max(Some(at));
                self.keep_kept(target, &kept).await?;
            }
        }
        Ok(())
    }

    /// Decides about an org, and does what was decided.
    async fn keep(&self, org: &str, settings: &Settings) -> Result<(), Problem> {
        let mut kept = self.kept(org).await?;
        let now = Timestamp::now();
        if let Some(id) = kept.job.clone() {
            let job = self.desk().job(&id).await?;
            match job.filter(|job| !job.state.is_ended()) {
                Some(_) => return Ok(()),
                None => self.ended(&mut kept, &id, now).await?,
            }
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
        let decision = decide(&settings, &kept.history, now);
        let task = self.task(org, &decision.act);
        let Decision { reason, next, .. } = &decision;
        if task.is_none() && *reason == kept.reason && *next == kept.next && !kept.history.busy {
            return Ok(());
        }
        info!(org, reason, "decided");
        let known = format!("{:?}", kept.history);
        kept.reason.clone_from(reason);
        kept.next = *next;
        if let Some(task) = task {
            let once = orgsmith_core::plan::digest_of(known.as_bytes());
            let job = self
                .submit(&task, ACTOR, Some(format!("keep {once}")), &[])
                .await?;
            begun(&mut kept.history, &decision.act, now);
            kept.job = Some(job.id);
        }
        self.keep_kept(org, &kept).await
    }

    /// Turns what was decided into a task.
    fn task(&self, org: &str, act: &Act) -> Option<Task> {
        let selected = |objects: &BTreeSet<ObjectRef>| Selected {
            select: objects.iter().map(term).collect(),
            ..Selected::default()
        };
        let org = org.to_owned();
        Some(match act {
            Act::Nothing => return None,
            Act::Scan { .. } => Task::Drift {
                org,
                against: None,
                selected: Selected::default(),
            },
            Act::Propose(objects) => match self.worker().against(&org) {
                Some(source) if self.org(&source).is_ok() => Task::Plan {
                    source,
                    org,
                    prune: false,
                    selected: selected(objects),
                    force: false,
                },
                // Of a bundle the drift itself is what a person looks at.
                _ => return None,
            },
            Act::Apply(objects) => Task::Revert {
                against: None,
                selected: selected(objects),
                fields: Vec::new(),
                carry: Carry {
                    confirm: Some(org.clone()),
                    ..Carry::default()
                },
                org,
            },
        })
    }

    /// Takes into account how a job ended.
    async fn ended(&self, kept: &mut Kept, id: &str, now: Timestamp) -> Result<(), Problem> {
        kept.job = None;
        kept.history.busy = false;
        let Some(job) = self.desk().job(id).await? else {
            return Ok(());
        };
        match job.kind.as_str() {
            "drift" if job.state == JobState::Completed => {
                kept.history.found = self.found(&job).await?;
                let (found, was) = (&kept.history.found, kept.history.source_was);
                let lost = was.is_some_and(|was| found.source < was);
                if !lost || found.open.is_empty() {
                    kept.history.source_was = Some(found.source);
                }
            }
            "revert" if job.state == JobState::Completed => {
                let objects = std::mem::take(&mut kept.history.found.open);
                for object in objects {
                    kept.history.healed.entry(object).or_default().push(now);
                }
                // What came of it is seen, not believed.
                kept.history.told = Some(now);
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads what a look has found.
    async fn found(&self, job: &Job) -> Result<Found, Problem> {
        let file = self.desk().file(&job.id, DRIFT).await?;
        let Some(file) = file else {
            return Ok(Found::default());
        };
        let drift: Value = serde_json::from_slice(&file.content).map_err(Problem::internal)?;
        let objects = drift["objects"].as_array().cloned().unwrap_or_default();
        let same = drift["same"].as_u64().unwrap_or_default();
        let in_source = objects.iter().filter(|drifted| {
            !matches!(
                drifted["what"].as_str(),
                Some("created_in_target" | "deleted_in_source")
            )
        });
        let source = usize::try_from(same)
            .unwrap_or(usize::MAX)
            .saturating_add(in_source.count());
        let open = objects.iter().filter(|drifted| {
            let mut fields = drifted["fields"].as_array().into_iter().flatten();
            fields.any(|field| field["resolution"] == "apply" && field["ignored"].is_null())
        });
        Ok(Found {
            open: open.filter_map(object).collect(),
            source,
        })
    }
}

fn begun(history: &mut History, act: &Act, now: Timestamp) {
    history.busy = true;
    match act {
        Act::Scan { .. } => {
            history.scanned = Some(now);
            // Each look is at everything: what events tell is only when.
            history.scanned_all = Some(now);
        }
        Act::Propose(objects) => history.proposed.clone_from(objects),
        Act::Apply(_) | Act::Nothing => {}
    }
}

/// Reads an object of what a look has found.
pub(crate) fn object(drifted: &Value) -> Option<ObjectRef> {
    let (kind, key) = drifted["object"].as_str()?.split_once('/')?;
    Some(ObjectRef::new(Kind::new(kind), Key::from_encoded(key)))
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
