//! Performs one step: announces it, sends it, and writes down what came of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use orgsmith_client::Error;
use orgsmith_core::catalogue::Descriptor;
use orgsmith_core::document::Bindings;
use orgsmith_core::id::{ObjectRef, StepId, TargetId};
use orgsmith_core::journal::{Entry, StepState};
use orgsmith_core::plan::{Action, Expected, Step, pre_image};
use orgsmith_core::secret::Secret;
use tracing::field::Empty;
use tracing::{Instrument, debug_span};

use super::dispatcher::reopening;
use super::recover::{Probe, is_taken, probe};
use super::scim::Gate;
use super::send::{Failure, Sent, send};
use super::{Cause, ExecuteError, Execution};
use crate::collect::details::read_one;
use crate::events::Event;

/// How often a step whose answer was lost is sent again, each time after a probe.
const RESENDS: u32 = 5;
/// How long a 400 may be blamed on an object that other services do not see yet.
const SETTLING: Duration = Duration::from_secs(3);

/// How a step ended.
pub(super) struct Ended {
    pub(super) state: StepState,
    pub(super) cause: Option<Cause>,
    pub(super) error: Option<ExecuteError>,
    /// It is not over: the step goes on by itself, from where it stands.
    pub(super) open: bool,
}

impl Ended {
    pub(super) fn at(state: StepState) -> Self {
        Self {
            state,
            cause: None,
            error: None,
            open: false,
        }
    }
}

/// Returns the word for how a step stands, and why.
fn outcome(state: &StepState) -> (&'static str, Option<&str>) {
    match state {
        StepState::Done { .. } => ("done", None),
        StepState::Refused { reason } => ("refused", Some(reason)),
        StepState::Unknown { reason } => ("unknown", Some(reason)),
        StepState::Skipped { reason } => ("skipped", Some(reason)),
        StepState::Planned => ("open", Some("nothing was sent")),
        StepState::Intent { .. } => ("open", Some("whether it was done is not known")),
    }
}

/// Performs steps; shared by all that are under way.
pub(super) struct Worker<'e> {
    pub(super) execution: &'e Execution<'e>,
    /// Whether users are created by SCIM.
    pub(super) scim: Gate,
    known: Mutex<Known>,
}

/// What is learned while the run goes on.
#[derive(Default)]
struct Known {
    ids: HashMap<ObjectRef, TargetId>,
    /// The version each object has now; nothing where it must be read first.
    versions: HashMap<ObjectRef, u64>,
    /// Objects that this run made.
    fresh: HashSet<ObjectRef>,
}

impl<'e> Worker<'e> {
    pub(super) fn new(execution: &'e Execution<'e>) -> Self {
        let mut known = Known::default();
        known.ids.extend(execution.plan.bindings.clone());
        let worker = Self {
            execution,
            scim: Gate::default(),
            known: Mutex::new(known),
        };
        for step in &execution.plan.steps {
            match execution.states.get(&step.id) {
                Some(StepState::Done { id, version }) => worker.learn(step, id.clone(), *version),
                _ => {
                    if let Some(Expected::Version(version)) = step.expected {
                        let mut known = worker.lock();
                        known.versions.entry(step.object.clone()).or_insert(version);
                    }
                }
            }
        }
        worker
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn into_ids(self) -> BTreeMap<ObjectRef, TargetId> {
        let known = self
            .known
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let Known { mut ids, fresh, .. } = known;
        ids.retain(|object, _| fresh.contains(object));
        ids.into_iter().collect()
    }

    /// Brings the steps of an earlier try back to where work can go on.
    pub(super) async fn take_up(
        &self,
        states: &mut BTreeMap<StepId, StepState>,
    ) -> Result<(), ExecuteError> {
        for (step, state) in states.iter_mut() {
            if let Some(entry) = reopening(state) {
                *state = self.write(step, std::mem::take(state), entry).await?;
            }
        }
        Ok(())
    }

    /// Writes an entry down; only then it is true.
    pub(super) async fn write(
        &self,
        step: &StepId,
        state: StepState,
        entry: Entry,
    ) -> Result<StepState, ExecuteError> {
        let after = state.apply(entry.clone())?;
        self.execution.journal.append(step.clone(), entry).await?;
        Ok(after)
    }

    pub(super) async fn skip(
        &self,
        step: &Step,
        state: StepState,
        reason: String,
    ) -> Result<StepState, ExecuteError> {
        self.write(&step.id, state, Entry::Skipped { reason }).await
    }

    pub(super) fn tell_start(&self, step: &Step) {
        self.execution.events.tell(Event::StepStarted {
            org: self.execution.org.name.clone(),
            step: step.id.clone(),
            object: step.object.clone(),
            action: step.action,
        });
    }

    pub(super) fn tell_end(&self, step: &Step, state: &StepState) {
        let (outcome, reason) = outcome(state);
        self.execution.events.tell(Event::StepEnded {
            org: self.execution.org.name.clone(),
            step: step.id.clone(),
            object: step.object.clone(),
            action: step.action,
            outcome,
            reason: reason.map(str::to_owned),
        });
    }

    pub(super) fn learn(&self, step: &Step, id: Option<TargetId>, version: Option<u64>) {
        let mut known = self.lock();
        // A new version is an object of its own, though its step is an update.
        if let Some(id) = id {
            known.ids.insert(step.object.clone(), id);
            if matches!(step.action, Action::Create | Action::Adopt) {
                known.fresh.insert(step.object.clone());
            }
        }
        match version {
            Some(version) => known.versions.insert(step.object.clone(), version),
            None => known.versions.remove(&step.object),
        };
    }

    /// Takes the id of an object that no step made.
    pub(super) fn know(&self, object: &ObjectRef, id: TargetId) {
        self.lock().ids.insert(object.clone(), id);
    }

    pub(super) fn descriptor(&self, step: &Step) -> Result<&'e Descriptor, String> {
        let kind = step.object.kind.as_str();
        self.execution
            .catalogue
            .get(kind)
            .map_err(|unknown| unknown.to_string())
    }

    /// Returns how long a new object of the kind may be invisible.
    pub(super) fn lag(&self, descriptor: &Descriptor) -> Duration {
        let says = Duration::from_secs(u64::from(descriptor.visible_after_s));
        self.execution
            .limits
            .visibility
            .map_or(says, |most| most.min(says))
    }

    /// Announces a step that is sent with others.
    pub(super) async fn announce(
        &self,
        step: &Step,
        state: StepState,
        intent: Entry,
    ) -> Result<StepState, Ended> {
        self.tell_start(step);
        let before = state.clone();
        let announced = self.write(&step.id, state, intent).await;
        announced.map_err(|error| Ended {
            error: Some(error),
            ..Ended::at(before)
        })
    }

    /// Notes that a step was done with others.
    pub(super) async fn end(&self, step: &Step, state: StepState) -> Ended {
        let id = self.id(&step.object);
        self.learn(step, id.clone(), None);
        let before = state.clone();
        match self
            .write(&step.id, state, Entry::Done { id, version: None })
            .await
        {
            Ok(state) => Ended::at(state),
            Err(error) => Ended {
                error: Some(error),
                ..Ended::at(before)
            },
        }
    }

    /// Goes on with a step alone, whose sending with others did not end well.
    pub(super) async fn go_on_alone(&self, step: &Step, state: StepState, reason: String) -> Ended {
        let before = state.clone();
        match self.write(&step.id, state, Entry::Unknown { reason }).await {
            Ok(state) => self.perform(step, state).await,
            Err(error) => Ended {
                error: Some(error),
                ..Ended::at(before)
            },
        }
    }

    /// Performs a step from wherever it stands.
    pub(super) async fn perform(&self, step: &Step, state: StepState) -> Ended {
        let span = debug_span!(
            "step",
            step = %step.id,
            kind = %step.object.kind,
            org = %self.execution.org.name,
            outcome = Empty,
            otel.status_code = Empty,
        );
        let mut state = state;
        let performed = self.perform_inner(step, &mut state);
        let ended = match performed.instrument(span.clone()).await {
            Ok(ended) => ended,
            Err(error) => Ended {
                error: Some(error),
                ..Ended::at(state)
            },
        };
        span.record("outcome", outcome(&ended.state).0);
        if !ended.state.is_done() {
            span.record("otel.status_code", "ERROR");
        }
        ended
    }

    async fn perform_inner(
        &self,
        step: &Step,
        state: &mut StepState,
    ) -> Result<Ended, ExecuteError> {
        let write = async |state: &mut StepState, entry: Entry| -> Result<(), ExecuteError> {
            *state = self.write(&step.id, std::mem::take(state), entry).await?;
            Ok(())
        };
        self.tell_start(step);
        let descriptor = match self.descriptor(step) {
            Ok(descriptor) => descriptor,
            Err(reason) => {
                write(state, Entry::Skipped { reason }).await?;
                return Ok(Ended::at(state.clone()));
            }
        };
        let mut attempt = 0;
        let mut checked = false;
        loop {
            if let StepState::Unknown { reason } = &*state {
                let reason = reason.clone();
                self.execution.events.tell(Event::Probing {
                    org: self.execution.org.name.clone(),
                    step: step.id.clone(),
                    reason: reason.clone(),
                });
                match probe(self, step, descriptor).await {
                    Probe::Done { id, version } => {
                        self.learn(step, id.clone(), version);
                        write(state, Entry::Done { id, version }).await?;
                        return Ok(Ended::at(state.clone()));
                    }
                    Probe::NotDone if attempt < RESENDS => {
                        // What was read before the lost answer says nothing now.
                        checked = false;
                        self.lock().versions.remove(&step.object);
                        write(state, Entry::NotDone).await?;
                    }
                    Probe::NotDone => return Ok(Ended::at(state.clone())),
                    Probe::Undecided(why) => {
                        write(
                            state,
                            Entry::Skipped {
                                reason: format!("{reason}; {why}"),
                            },
                        )
                        .await?;
                        return Ok(Ended::at(state.clone()));
                    }
                    Probe::Failed(error) => {
                        let error = ExecuteError::Unreachable(Box::new(error));
                        return Ok(Ended {
                            error: Some(error),
                            ..Ended::at(state.clone())
                        });
                    }
                }
            }
            if !std::mem::replace(&mut checked, true)
                && let Some(reason) = self.moved(step, descriptor).await
            {
                write(state, Entry::Skipped { reason }).await?;
                return Ok(Ended {
                    cause: Some(Cause::Moved),
                    ..Ended::at(state.clone())
                });
            }
            let version = match self.version(step, descriptor).await {
                Ok(version) => version,
                Err(reason) => {
                    write(state, Entry::Skipped { reason }).await?;
                    return Ok(Ended::at(state.clone()));
                }
            };
            attempt += 1;
            write(state, Entry::Intent { attempt }).await?;
            match self.send_until_visible(step, descriptor, version).await {
                Ok(Sent { id, version }) => {
                    self.learn(step, id.clone(), version);
                    write(state, Entry::Done { id, version }).await?;
                    return Ok(Ended::at(state.clone()));
                }
                Err(Failure::Unknown(reason)) => {
                    self.lock().versions.remove(&step.object);
                    write(state, Entry::Unknown { reason }).await?;
                }
                Err(Failure::Refused { reason, .. })
                    if step.action == Action::Create
                        && reason.may_be_a_duplicate()
                        && is_taken(self, step, descriptor).await =>
                {
                    let reason = format!("somebody made it since the plan was made: {reason}");
                    write(state, Entry::Refused { reason }).await?;
                    return Ok(Ended {
                        cause: Some(Cause::Moved),
                        ..Ended::at(state.clone())
                    });
                }
                Err(Failure::Refused { reason, cause }) => {
                    write(
                        state,
                        Entry::Refused {
                            reason: reason.into(),
                        },
                    )
                    .await?;
                    // Of an object of our own nobody has expected anything: only its version was
                    // told wrong.
                    let own = step.action == Action::Link && step.expected.is_none();
                    if cause == Some(Cause::Moved) && own && attempt == 1 {
                        self.lock().versions.remove(&step.object);
                        write(state, Entry::Reopened).await?;
                        continue;
                    }
                    return Ok(Ended {
                        cause,
                        ..Ended::at(state.clone())
                    });
                }
                Err(Failure::NotSent { reason, fatal }) => {
                    write(state, Entry::Refused { reason }).await?;
                    let error = fatal.map(|error| ExecuteError::Unreachable(Box::new(error)));
                    return Ok(Ended {
                        error,
                        ..Ended::at(state.clone())
                    });
                }
            }
        }
    }

    /// Sends a step; a refusal that a new object's invisibility explains is waited out.
    async fn send_until_visible(
        &self,
        step: &Step,
        descriptor: &Descriptor,
        version: Option<u64>,
    ) -> Result<Sent, Failure> {
        let began = Instant::now();
        let mut wait = Duration::from_millis(250);
        loop {
            let result = send(self, step, descriptor, version).await;
            let Err(Failure::Refused { reason, .. }) = &result else {
                return result;
            };
            let patience = match reason.status() {
                Some(404) => self.lag(descriptor).max(SETTLING),
                Some(400) => SETTLING,
                _ => return result,
            };
            if !self.leans_on_fresh(step) || began.elapsed() + wait > patience {
                return result;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(5));
        }
    }

    /// Tells whether a step needs an object that this run made.
    fn leans_on_fresh(&self, step: &Step) -> bool {
        let known = self.lock();
        step.action != Action::Delete
            && (known.fresh.contains(&step.object)
                || step.after.iter().any(|before| {
                    known
                        .fresh
                        .iter()
                        .any(|object| before.as_str().starts_with(&format!("{object}:")))
                }))
    }

    /// Says what has changed in the target since the plan was made, if anything.
    async fn moved(&self, step: &Step, descriptor: &Descriptor) -> Option<String> {
        let Some(Expected::PreImage(expected)) = &step.expected else {
            return None;
        };
        let id = self.id(&step.object)?;
        match read_one(self.execution.org, descriptor, id.as_str()).await {
            Ok(None) => None,
            Ok(Some(live)) if pre_image(descriptor, &live) == *expected => None,
            Ok(Some(_)) => Some("somebody changed it since the plan was made; plan again".into()),
            Err(error) => Some(format!("it cannot be read any more: {error}")),
        }
    }

    /// Returns the version that a request must carry.
    async fn version(&self, step: &Step, descriptor: &Descriptor) -> Result<Option<u64>, String> {
        if !step.write.is_versioned() {
            return Ok(None);
        }
        if let Some(version) = self.lock().versions.get(&step.object) {
            return Ok(Some(*version));
        }
        let id = self
            .id(&step.object)
            .ok_or("it has no id in the target yet")?;
        let live = read_one(self.execution.org, descriptor, id.as_str()).await;
        let live = live.map_err(|error| format!("its version cannot be read: {error}"))?;
        Ok(live.as_ref().and_then(version_of))
    }
}

/// Reads the version of an object; some kinds write it as text.
pub(super) fn version_of(body: &serde_json::Value) -> Option<u64> {
    let version = body.get("version")?;
    version.as_u64().or_else(|| version.as_str()?.parse().ok())
}

impl Bindings for Worker<'_> {
    fn id(&self, object: &ObjectRef) -> Option<TargetId> {
        self.lock().ids.get(object).cloned()
    }

    fn secret(&self, name: &str) -> Option<Secret> {
        self.execution.secrets.get(name).cloned()
    }
}

/// Says whether an error means that no step can succeed now.
pub(super) fn is_fatal(error: &Error) -> bool {
    match error {
        Error::Auth { .. } | Error::Connect { .. } => true,
        Error::Exhausted {
            last,
            possibly_acted,
            ..
        } => !possibly_acted && is_fatal(last),
        _ => false,
    }
}
