//! A run: a plan carried out under the org's lock, with its journal in the state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::FutureExt;
use futures::future::BoxFuture;
use orgsmith_client::Gate;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::checks::{Approval, CheckedPlan, NotApproved};
use orgsmith_core::id::{ObjectRef, OrgName, RunId, SourceId, StepId, TargetId};
use orgsmith_core::journal::{Entry, Record, StepState};
use orgsmith_core::onboard::{Job, newcomers};
use orgsmith_core::plan::{Action, FORMAT, Plan};
use orgsmith_store::state::{
    Acquired, Error as StateError, Illegal, Lease, Mapping, Owner, Run, RunStatus, State, replay,
};
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use crate::chain::chain;
use crate::events::{Event, Events};
use crate::execute::{Execution, Journal, JournalError, Limits, Outcome, Secrets, Stop, execute};
use crate::fingerprints::Fingerprints;
use crate::org::Org;

/// How long a lock is good for without a sign of life.
const LEASE: Duration = Duration::from_secs(60);
/// How often a sign of life is given.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How much earlier than others the holder itself takes the lock for lost, as clocks differ.
const DOUBT: Duration = Duration::from_secs(15);

/// Says why a run could not begin, or be taken up again.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another process writes to the org.
    #[error("{org} is locked by {owner}, until {seconds} s from now at the earliest")]
    Locked {
        /// The org.
        org: OrgName,
        /// Who holds the lock.
        owner: Owner,
        /// Seconds until the lock ends without a sign of life.
        seconds: u64,
    },
    /// There is no such run.
    #[error("there is no run {0}; `orgsmith runs` lists them")]
    NoSuchRun(RunId),
    /// The run was of another org.
    #[error("the run {run} wrote to {org}")]
    OtherOrg {
        /// The run.
        run: RunId,
        /// Its org.
        org: OrgName,
    },
    /// The approval is of another plan.
    #[error(transparent)]
    NotApproved(#[from] NotApproved),
    /// The plan in the state cannot be read.
    #[error("the plan of the run cannot be read: {0}")]
    BadPlan(String),
    /// The journal in the state contradicts itself.
    #[error("the journal of the run cannot be followed")]
    BadJournal(#[from] Illegal),
    /// The state failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// This machine's network settings cannot be used.
    #[error("{0}")]
    Other(String),
}

/// Carries out plans in one org.
pub struct Runner<'r> {
    /// The org that is written to.
    pub org: &'r Org,
    /// Knows the kinds.
    pub catalogue: &'r Catalogue,
    /// Keeps the journal, the lock and the ids.
    pub state: Arc<dyn State>,
    /// Who we are, for others who want the lock.
    pub owner: Owner,
    /// Tells whether the holder of a lock is known to have died; its lock need not be waited for.
    pub abandoned: fn(&Owner) -> bool,
    /// How much at once.
    pub limits: Limits,
    /// Ends a run early.
    pub stop: Stop,
    /// Told what happens.
    pub events: &'r Events,
    /// Users that the run creates or activates are to be onboarded.
    pub onboards: bool,
    /// The id of a run that is started, where whoever may have to take it up has to know it before.
    pub run: Option<RunId>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    /// The run.
    pub run: RunId,
    /// How it ended.
    pub status: RunStatus,
    /// What came of its steps.
    pub outcome: Outcome,
}

/// Does the work of a run within its span.
async fn traced(
    run: &RunId,
    org: &OrgName,
    work: impl Future<Output = Result<Finished, RunError>>,
) -> Result<Finished, RunError> {
    let span = info_span!("run", %run, %org, status = Empty, otel.status_code = Empty);
    let result = work.instrument(span.clone()).await;
    let status = result.as_ref().map_or("failed", |run| run.status.as_str());
    span.record("status", status);
    if status != RunStatus::Done.as_str() {
        span.record("otel.status_code", "ERROR");
    }
    result
}

impl Runner<'_> {
    /// Carries out a plan that was checked, and approved by somebody.
    ///
    /// `source_ids` are the ids the objects have in the source, where it is an org.
    ///
    /// # Errors
    /// The org is locked, or the state failed. What goes wrong with a step is in the outcome.
    pub async fn start(
        &self,
        checked: &CheckedPlan,
        approval: &Approval,
        secrets: &Secrets,
        source_ids: &BTreeMap<ObjectRef, SourceId>,
    ) -> Result<Finished, RunError> {
        checked.approve(approval)?;
        let plan = checked.plan();
        let guard = self.lock().await?;
        let random = || RunId::new(&uuid::Uuid::new_v4().to_string());
        let id = self.run.clone().unwrap_or_else(random);
        let now = now_ms();
        let run = Run {
            id: id.clone(),
            org: self.org.name.clone(),
            source: match &plan.undoes {
                Some(undone) => format!("rollback of {undone}"),
                None => plan.source.org.org_name.clone(),
            },
            plan_digest: checked.digest().to_owned(),
            created_ms: now,
            updated_ms: now,
            status: RunStatus::Running,
        };
        let result = traced(&run.id, &run.org, async {
            self.create(&guard, &run, plan, source_ids).await?;
            self.carry_out(&guard, id, plan, BTreeMap::new(), secrets, source_ids)
                .await
        })
        .await;
        guard.release().await;
        result
    }

    /// Takes a run up again where it ended.
    ///
    /// # Errors
    /// There is no such run, the org is locked, or the state failed.
    pub async fn resume(&self, run: &RunId, secrets: &Secrets) -> Result<Finished, RunError> {
        let plan = load_plan(&*self.state, run, &self.org.name).await?;
        let guard = self.lock().await?;
        let result = traced(run, &self.org.name, async {
            let states = replay(&self.state.journal(run).await?)?;
            let now = now_ms();
            self.state
                .set_status(guard.lease(), run, RunStatus::Running, now)
                .await?;
            let ids = self.state.setting(&source_ids_of(run)).await?;
            let ids = ids
                .and_then(|ids| serde_json::from_str(&ids).ok())
                .unwrap_or_default();
            self.carry_out(&guard, run.clone(), &plan, states, secrets, &ids)
                .await
        })
        .await;
        guard.release().await;
        result
    }

    /// Writes a run down with its plan; the text of a large one is gone before its steps begin.
    async fn create(
        &self,
        guard: &Guard,
        run: &Run,
        plan: &Plan,
        source_ids: &BTreeMap<ObjectRef, SourceId>,
    ) -> Result<(), RunError> {
        let text = plan.pack();
        self.state.create_run(guard.lease(), run, &text).await?;
        drop(text);
        // A run that is killed still has to say which object became which.
        let ids = serde_json::to_string(source_ids).unwrap_or_default();
        let name = source_ids_of(&run.id);
        self.state.put_setting(&name, Some(&ids)).await?;
        Ok(())
    }

    async fn carry_out(
        &self,
        guard: &Guard,
        run: RunId,
        plan: &Plan,
        states: BTreeMap<StepId, StepState>,
        secrets: &Secrets,
        source_ids: &BTreeMap<ObjectRef, SourceId>,
    ) -> Result<Finished, RunError> {
        let done = states.values().filter(|state| state.is_done()).count();
        self.events.tell(Event::RunStarted {
            run: run.as_str().to_owned(),
            org: self.org.name.clone(),
            steps: plan.steps.len() - done,
        });
        let senders = plan
            .steps
            .iter()
            .map(|step| (&step.id, (&step.object, step.secrets())))
            .filter(|(_, (_, names))| !names.is_empty())
            .collect::<BTreeMap<_, _>>();
        let fingerprints = match senders.is_empty() {
            true => Fingerprints::of(&*self.state, &self.org.name).await?,
            false => Some(Fingerprints::open(&*self.state, &self.org.name).await?),
        };
        let journal = Journalist {
            state: &*self.state,
            lease: guard.lease(),
            run: run.clone(),
            senders,
            announced: Mutex::default(),
            values: secrets,
            fingerprints: fingerprints.as_ref(),
        };
        let org = Org {
            client: self.org.client.behind(guard.hold.clone()),
            ..self.org.clone()
        };
        let outcome = execute(Execution {
            org: &org,
            catalogue: self.catalogue,
            plan,
            journal: &journal,
            states,
            secrets,
            limits: self.limits.clone(),
            stop: self.stop.clone(),
            events: self.events,
        })
        .await;
        let status = status_of(plan, &outcome);
        let mappings = self.mappings(plan, &run, &outcome, source_ids);
        self.state.put_mappings(guard.lease(), &mappings).await?;
        for step in plan
            .steps
            .iter()
            .filter(|step| step.action == Action::Delete)
        {
            if outcome.states.get(&step.id).is_some_and(StepState::is_done) {
                self.state
                    .forget_mapping(guard.lease(), &step.object)
                    .await?;
                if let Some(fingerprints) = &fingerprints {
                    fingerprints.forget(&step.object).await?;
                }
            }
        }
        if self.onboards {
            let jobs: Vec<Job> = newcomers(plan, &outcome.states, &outcome.ids)
                .into_iter()
                .map(|(user, id)| Job::new(&self.org.name, user, id, &run, now_ms()))
                .collect();
            if !jobs.is_empty() {
                self.state.ask_jobs(guard.lease(), &jobs).await?;
            }
        }
        self.state
            .set_status(guard.lease(), &run, status, now_ms())
            .await?;
        if status == RunStatus::Done {
            self.state.put_setting(&source_ids_of(&run), None).await?;
        }
        self.events.tell(Event::RunEnded {
            run: run.as_str().to_owned(),
            org: self.org.name.clone(),
            done: outcome.done(),
            open: plan.steps.len() - outcome.done(),
            calls: self.org.client.stats().sent,
        });
        Ok(Finished {
            run,
            status,
            outcome,
        })
    }

    /// Returns the ids of everything the plan speaks of, as far as they are known.
    fn mappings(
        &self,
        plan: &Plan,
        run: &RunId,
        outcome: &Outcome,
        source_ids: &BTreeMap<ObjectRef, SourceId>,
    ) -> Vec<Mapping> {
        let mut ids: BTreeMap<&ObjectRef, &TargetId> = plan.bindings.iter().collect();
        ids.extend(&outcome.ids);
        let at_ms = now_ms();
        ids.into_iter()
            .map(|(object, target_id)| Mapping {
                source_org: OrgName::new(&plan.source.org.org_name),
                target_org: self.org.name.clone(),
                object: object.clone(),
                source_id: source_ids.get(object).cloned(),
                target_id: target_id.clone(),
                run: run.clone(),
                at_ms,
            })
            .collect()
    }

    async fn lock(&self) -> Result<Guard, RunError> {
        lock(&self.state, &self.org.name, &self.owner, self.abandoned).await
    }
}

/// Takes a lock, and gives signs of life until it is released.
pub(crate) async fn lock(
    state: &Arc<dyn State>,
    name: &OrgName,
    owner: &Owner,
    abandoned: fn(&Owner) -> bool,
) -> Result<Guard, RunError> {
    let ttl = millis(LEASE);
    let asked_ms = now_ms();
    let mut at_ms = asked_ms;
    loop {
        match state.acquire(name, owner, ttl, at_ms).await? {
            Acquired::Lease(lease) => return Ok(Guard::new(state.clone(), lease, asked_ms)),
            // A dead holder cannot renew: its lock is taken as if it had run out. Should it be
            // alive after all, its fence keeps it from writing.
            Acquired::Held { owner, expires_ms } if abandoned(&owner) && at_ms < expires_ms => {
                at_ms = expires_ms;
            }
            Acquired::Held { owner, expires_ms } => {
                return Err(RunError::Locked {
                    org: name.clone(),
                    owner,
                    seconds: expires_ms.saturating_sub(now_ms()).div_ceil(1000),
                });
            }
        }
    }
}

/// Returns the plan of a run.
///
/// # Errors
/// There is no such run in the org, or its plan is of a newer format.
pub async fn load_plan(state: &dyn State, run: &RunId, org: &OrgName) -> Result<Plan, RunError> {
    let known = state
        .run(run)
        .await?
        .ok_or_else(|| RunError::NoSuchRun(run.clone()))?;
    if known.org != *org {
        return Err(RunError::OtherOrg {
            run: run.clone(),
            org: known.org,
        });
    }
    let text = state
        .plan(run)
        .await?
        .ok_or_else(|| RunError::NoSuchRun(run.clone()))?;
    let plan = Plan::unpack(&text).map_err(|error| RunError::BadPlan(error.to_string()))?;
    if plan.format > FORMAT {
        return Err(RunError::BadPlan(format!(
            "made by a newer orgsmith: format {}",
            plan.format
        )));
    }
    Ok(plan)
}

/// Names the setting that holds the ids that a run's objects have in the source.
fn source_ids_of(run: &RunId) -> String {
    format!("run/{run}/source-ids")
}

fn status_of(plan: &Plan, outcome: &Outcome) -> RunStatus {
    let done = outcome.done();
    if done == plan.steps.len() {
        RunStatus::Done
    } else if outcome.is_cut_short() || outcome.error.is_some() {
        RunStatus::Interrupted
    } else if done > 0 {
        RunStatus::Partial
    } else {
        RunStatus::Failed
    }
}

/// Writes the journal of one run.
struct Journalist<'j> {
    state: &'j dyn State,
    lease: &'j Lease,
    run: RunId,
    /// The steps that send secrets, with their object and the names.
    senders: BTreeMap<&'j StepId, (&'j ObjectRef, BTreeSet<String>)>,
    /// Those of them that were announced here, and not by a run that was taken up again.
    announced: Mutex<BTreeSet<StepId>>,
    values: &'j Secrets,
    fingerprints: Option<&'j Fingerprints<'j>>,
}

impl Journalist<'_> {
    /// Notes which secrets an object has: from the intention to the answer nobody knows.
    async fn note_secrets(&self, step: &StepId, entry: &Entry) -> Result<(), StateError> {
        let (Some((object, names)), Some(fingerprints)) =
            (self.senders.get(step), self.fingerprints)
        else {
            return Ok(());
        };
        let announced = || self.announced.lock().expect("nobody panics with it");
        match entry {
            Entry::Intent { .. } => {
                announced().insert(step.clone());
                fingerprints.doubt(object, names).await
            }
            Entry::Done { .. } if announced().contains(step) => {
                fingerprints.note(object, names, self.values).await
            }
            _ => Ok(()),
        }
    }
}

impl Journal for Journalist<'_> {
    fn append(&self, step: StepId, entry: Entry) -> BoxFuture<'_, Result<(), JournalError>> {
        async move {
            let record = Record {
                run: self.run.clone(),
                step,
                entry,
            };
            let records = std::slice::from_ref(&record);
            self.state
                .append(self.lease, records)
                .await
                .map_err(broken)?;
            self.note_secrets(&record.step, &record.entry)
                .await
                .map_err(broken)
        }
        .boxed()
    }
}

fn broken(error: StateError) -> JournalError {
    match error {
        StateError::Fenced { holder, .. } => JournalError::Fenced {
            holder: holder.map_or_else(|| "nobody".to_owned(), |owner| owner.to_string()),
        },
        error => JournalError::Broken(chain(&error)),
    }
}

/// A lock, and until when it is certainly ours.
struct Hold {
    state: Arc<dyn State>,
    lease: Lease,
    certain_until_ms: AtomicU64,
}

impl Hold {
    /// Gives a sign of life.
    async fn renew(&self) -> Result<(), StateError> {
        let now = now_ms();
        self.state.renew(&self.lease, millis(LEASE), now).await?;
        self.certain_until_ms
            .store(now + millis(LEASE - DOUBT), Ordering::Relaxed);
        Ok(())
    }
}

/// Who slept for longer than the lock is good for, as a machine that was suspended, may be awake again
/// with a request in his hand.
impl Gate for Hold {
    fn pass(&self) -> BoxFuture<'_, Result<(), String>> {
        async {
            if now_ms() < self.certain_until_ms.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.renew().await.map_err(|error| chain(&error))
        }
        .boxed()
    }
}

/// Holds the lock and gives signs of life.
pub(crate) struct Guard {
    hold: Arc<Hold>,
    over: Arc<AtomicBool>,
    heart: tokio::task::JoinHandle<()>,
}

impl Guard {
    /// Holds a lock that was taken at a moment.
    fn new(state: Arc<dyn State>, lease: Lease, taken_ms: u64) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let hold = Arc::new(Hold {
            state,
            lease,
            certain_until_ms: AtomicU64::new(taken_ms + millis(LEASE - DOUBT)),
        });
        let heart = tokio::spawn({
            let (hold, over) = (hold.clone(), over.clone());
            async move {
                while !over.load(Ordering::Relaxed) {
                    tokio::time::sleep(HEARTBEAT).await;
                    // A lock that was lost shows at the next write, which is refused.
                    if let Err(error) = hold.renew().await {
                        tracing::warn!(org = %hold.lease.org(), %error, "the lock could not be renewed");
                    }
                }
            }
        });
        Self { hold, over, heart }
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.hold.lease
    }

    pub(crate) async fn release(self) {
        self.over.store(true, Ordering::Relaxed);
        self.heart.abort();
        let Hold { state, lease, .. } = &*self.hold;
        if let Err(error) = state.release(lease).await {
            tracing::warn!(org = %lease.org(), %error, "the lock could not be released");
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the time in milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(millis)
        .unwrap_or_default()
}
