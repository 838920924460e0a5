//! What all parts of the service share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::id::{OrgName, RunId};
use orgsmith_core::select::Selection;
use orgsmith_engine::{Stop, now_ms};
use orgsmith_store::desk::{Desk, Ending, File, Filter, Job, JobState};
use orgsmith_store::state::{Error, State};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tracing::warn;
use uuid::Uuid;

use crate::alerts::{Lookout, Thresholds};
use crate::api::{Hook, Hooks, Tails};
use crate::dispatch::Dispatcher;
use crate::limits::Limits;
use crate::metrics;
use crate::problem::Problem;
use crate::reconcile::Keep;
use crate::refusals::Refusals;
use crate::retention::Retention;
use crate::sign_in::{Issuer, SignIn};
use crate::task::{Selected, Task};
use crate::work::{Org, Work};
use crate::worker::run_of;

/// The service: the desk, the state, the queue, and who does the work.
#[derive(Clone)]
pub struct Service {
    parts: Arc<Parts>,
    limits: Arc<Limits>,
    refusals: Arc<Refusals>,
    issuer: Arc<Issuer>,
    lookout: Arc<Lookout>,
    hooks: Arc<Hooks>,
    told: Arc<Notify>,
    tails: Arc<Tails>,
    closing: Stop,
}

/// What a service is made of.
pub struct Parts {
    /// Jobs, tokens, approvals.
    pub desk: Desk,
    /// Runs, ids, locks.
    pub state: Arc<dyn State>,
    /// Hands jobs out.
    pub dispatcher: Arc<dyn Dispatcher>,
    /// Does them.
    pub work: Arc<dyn Work>,
    /// Who this process is to others.
    pub owner: String,
    /// What is allowed.
    pub settings: Settings,
}

/// What is allowed.
#[derive(Clone, Default)]
pub struct Settings {
    /// How many people other than who asked for it have to approve a plan before it is carried out. With
    /// any, nothing is written to an org but by a plan that was approved.
    pub approvals: usize,
    /// Cookies are sent over TLS only.
    pub secure_cookies: bool,
    /// Orgs that are kept in step with their sources.
    pub keep: Keep,
    /// How often the audits of these orgs and of their sources are asked what changed; nothing for never.
    pub watch: Option<SignedDuration>,
    /// Whether they are listened to as well.
    pub notifications: bool,
    /// Systems that may tell of changes, by their names.
    pub hooks: BTreeMap<String, Hook>,
    /// How long what is over is kept.
    pub retention: Retention,
    /// When somebody is alerted.
    pub alert_on: Thresholds,
    /// Where people sign in, besides by a token.
    pub sign_in: Option<SignIn>,
}

impl Service {
    /// Puts a service together.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            limits: Arc::default(),
            refusals: Arc::default(),
            issuer: Arc::default(),
            lookout: Arc::default(),
            hooks: Arc::default(),
            told: Arc::default(),
            tails: Arc::default(),
            closing: Stop::default(),
        }
    }

    pub(crate) fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// Wakes whoever keeps orgs in step: something was told of.
    pub(crate) fn told(&self) -> &Notify {
        &self.told
    }

    pub(crate) fn tails(&self) -> &Tails {
        &self.tails
    }

    /// Asked when no more requests are taken: what would be answered for long comes to its end.
    pub(crate) fn closing(&self) -> &Stop {
        &self.closing
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn lookout(&self) -> &Lookout {
        &self.lookout
    }

    pub(crate) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    pub(crate) fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.parts.desk
    }

    pub(crate) fn state(&self) -> &dyn State {
        &*self.parts.state
    }

    pub(crate) fn dispatcher(&self) -> &dyn Dispatcher {
        &*self.parts.dispatcher
    }

    pub(crate) fn worker(&self) -> &dyn Work {
        &*self.parts.work
    }

    pub(crate) fn owner(&self) -> &str {
        &self.parts.owner
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.parts.settings
    }

    /// Reads what the service has noted in the desk, and the text by which it is noted anew.
    pub(crate) async fn read_note<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<(T, String), Problem> {
        let text = self.desk().setting(name, "{}").await?;
        let noted = serde_json::from_str(&text).map_err(Problem::internal)?;
        Ok((noted, text))
    }

    /// Notes something in the place of what was read, and returns its text; nothing where another process
    /// did so before.
    pub(crate) async fn swap_note<T: Serialize>(
        &self,
        name: &str,
        read: &str,
        value: &T,
    ) -> Result<Option<String>, Problem> {
        let text = serde_json::to_string(value).map_err(Problem::internal)?;
        let noted = text == read || self.desk().swap(name, read, &text).await?;
        Ok(noted.then_some(text))
    }

    /// Finds an org that the project names.
    pub(crate) fn org(&self, name: &str) -> Result<Org, Problem> {
        self.worker().org(name).ok_or_else(|| {
            Problem::not_found(format!(
                "no org is called {name:?}; GET /api/v2/orgs lists those of the project file"
            ))
        })
    }

    /// Writes a job down and hands it out. Asked again with the same caller's id, it is the same job.
    pub(crate) async fn submit(
        &self,
        task: &Task,
        actor: &str,
        caller: Option<String>,
        files: &[File],
    ) -> Result<Job, Problem> {
        for org in task.orgs() {
            self.org(org)?;
        }
        let org = task.org();
        if let Some(Selected {
            select, exclude, ..
        }) = task.selected()
        {
            Selection::parse(Catalogue::builtin(), select, exclude)
                .map_err(|bad| Problem::bad(bad.to_string()))?;
        }
        self.has_source(task, org.as_str())?;
        self.is_of(task, &org).await?;
        if let Some(carry) = task.carry()
            && self.org(org.as_str())?.protected
            && carry.confirm.as_deref() != Some(org.as_str())
        {
            return Err(Problem::forbidden(format!(
                "{org} is protected; repeat its name as `confirm` of `carry`"
            ))
            .about(org.as_str()));
        }
        let text = serde_json::to_string(task).map_err(Problem::internal)?;
        let job = Job {
            id: Uuid::new_v4().to_string(),
            caller,
            kind: task.kind().to_owned(),
            org: task.org(),
            task: text,
            actor: actor.to_owned(),
            state: JobState::Queued,
            created_ms: now_ms(),
            started_ms: None,
            ended_ms: None,
            attempt: 0,
            taken_over: 0,
            worker: None,
            exit: None,
            message: None,
            result: None,
            progress: None,
            cancelled: false,
        };
        let known = self.desk().add_job(&job, files).await?;
        if known.id == job.id {
            // Should this fail, the job is found by whoever sweeps.
            self.dispatcher().push(&job.id, Duration::ZERO).await?;
        } else if known.task != job.task || !self.has_files(&known, files).await? {
            return Err(Problem::conflict(format!(
                "{} was asked for before, with something else, as job {}",
                known.caller.unwrap_or_default(),
                known.id
            )));
        }
        Ok(known)
    }

    /// Tells whether a job was given these files.
    async fn has_files(&self, job: &Job, files: &[File]) -> Result<bool, Problem> {
        if files.is_empty() {
            return Ok(true);
        }
        let known = self.desk().files(&job.id).await?;
        Ok(files.iter().all(|file| known.contains(&file.head)))
    }

    /// Refuses the plan or the run of another org than the task says, of which it was asked whether somebody may
    /// write to it. A run has its whole id here.
    async fn is_of(&self, task: &Task, org: &OrgName) -> Result<(), Problem> {
        let (what, id, found) = match task {
            Task::Apply { plan, .. } => {
                let made = self.desk().job(plan).await?;
                ("plan", plan, made.map(|made| made.org))
            }
            Task::Resume { run, .. } | Task::Rollback { run, .. } => {
                let run_of = self.state().run(&RunId::new(run)).await?;
                ("run", run, run_of.map(|run| run.org))
            }
            _ => return Ok(()),
        };
        if found.as_ref() == Some(org) {
            return Ok(());
        }
        Err(Problem::not_found(format!("{org} has no {what} {id}")))
    }

    /// Refuses what needs a source that the project file does not name.
    fn has_source(&self, task: &Task, org: &str) -> Result<(), Problem> {
        let against = self.worker().against(org);
        let wanted = match (task, against) {
            (Task::Plan { source: None, .. }, None) => "a bundle or an org",
            (Task::Absorb { .. }, None) => "the directory of a bundle",
            (Task::Absorb { .. }, Some(source)) if self.org(&source).is_ok() => {
                "the directory of a bundle, not another org,"
            }
            _ => return Ok(()),
        };
        Err(Problem::bad(format!(
            "{} of {org} needs {wanted} that the project file holds it against: \
             `drift: {{against: {{{org}: …}}}}`",
            task.kind()
        )))
    }

    /// Returns the last job that looked for drift in an org, and how much it found.
    pub(crate) async fn last_drift(&self, org: &str) -> Result<Option<(String, u64)>, Error> {
        let filter = Filter {
            org: Some(OrgName::new(org)),
            kind: Some("drift".to_owned()),
            state: Some(JobState::Completed),
            limit: 1,
            ..Filter::default()
        };
        let job = self.desk().jobs(&filter).await?.into_iter().next();
        Ok(job.map(|job| {
            let result = job
                .result
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok());
            let result: serde_json::Value = result.unwrap_or_default();
            (job.id, result["drifted"].as_u64().unwrap_or_default())
        }))
    }

    /// Takes note that a job has ended, and of the run that it made, and tells whoever wants to know.
    pub(crate) async fn job_ended(&self, job: &Job, ending: &Ending) {
        metrics::job_ended(job, ending);
        for attempt in (1..=job.attempt).rev() {
            match self.state().run(&run_of(&job.id, attempt)).await {
                Ok(None) => {}
                Ok(Some(run)) => {
                    metrics::run_ended(&run);
                    break;
                }
                Err(error) => {
                    warn!(job = job.id, %error, "the run of a job could not be counted");
                    break;
                }
            }
        }
        self.alert_of(job, ending).await;
    }
}
