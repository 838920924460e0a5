//! Carries out a checked plan.
//!
//! The dispatcher owns what stands where and chooses nothing: order, payload and prerequisites are
//! in the steps. A worker performs one step: it announces the step in the journal, sends, and writes
//! down what came of it. An outcome that is not known is cleared up by asking the target, never by
//! sending again blindly.

mod brought;
mod dispatcher;
mod drafts;
mod recover;
mod scim;
mod send;
mod together;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::id::{ObjectRef, StepId, TargetId};
use orgsmith_core::journal::{Entry, IllegalTransition, StepState};
use orgsmith_core::plan::Plan;
use orgsmith_core::secret::Secret;
use tokio::sync::watch;

use crate::events::Events;
use crate::org::Org;

/// The values of the secrets that a plan names, all resolved before the first write.
pub type Secrets = BTreeMap<String, Secret>;

/// How much at once, and how patiently.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Steps under way at once.
    pub parallelism: usize,
    /// The longest wait for a new object to become visible; what the kind says when nothing is
    /// given.
    pub visibility: Option<Duration>,
    /// When to stop beginning steps.
    pub budget: Budget,
    /// Whether no step begins any more once one has failed.
    pub stop_on_error: bool,
}

/// What a run may use; steps that are under way when it is used up are finished.
#[derive(Clone, Copy, Debug, Default)]
pub struct Budget {
    /// API calls of the org's client, from its start.
    pub calls: Option<u64>,
    /// A point in time.
    pub until: Option<Instant>,
}

impl Budget {
    /// Waits until it is used up by the client of an org; for ever where there is no bound.
    pub async fn spent_by(&self, org: &Org) {
        if self.calls.is_none() && self.until.is_none() {
            std::future::pending::<()>().await;
        }
        while !self.is_spent(org.client.stats().sent) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn is_spent(&self, calls: u64) -> bool {
        let Self { calls: most, until } = self;
        most.is_some_and(|most| calls >= most) || until.is_some_and(|until| Instant::now() >= until)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parallelism: 10,
            visibility: None,
            budget: Budget::default(),
            stop_on_error: false,
        }
    }
}

/// Tells a run to end early, after the steps that are under way.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    asked: Arc<watch::Sender<bool>>,
    /// Asks all of its children with it.
    parent: Option<Arc<Stop>>,
}

impl Stop {
    /// Makes one that is asked whenever this one is, and can be asked alone.
    pub fn child(&self) -> Self {
        Self {
            asked: Arc::default(),
            parent: Some(Arc::new(self.clone())),
        }
    }

    /// Asks the run to end.
    pub fn ask(&self) {
        self.asked.send_replace(true);
    }

    /// Tells whether somebody asked.
    pub fn is_asked(&self) -> bool {
        *self.asked.borrow() || self.parent.as_ref().is_some_and(|parent| parent.is_asked())
    }

    /// Waits until somebody asks.
    pub async fn asked(&self) {
        let waits = std::iter::successors(Some(self), |stop| stop.parent.as_deref()).map(|stop| {
            let mut asked = stop.asked.subscribe();
            async move {
                // The sender lives as long as we do.
                let _ = asked.wait_for(|asked| *asked).await;
            }
            .boxed()
        });
        futures::future::select_all(waits).await;
    }
}

/// Where every intention is written down before it becomes a request.
pub(crate) trait Journal: Send + Sync {
    /// Appends an entry and returns when it is safe on disk.
    ///
    /// # Errors
    /// The entry is not safe, or this writer may not write to the org any more; nothing may be sent.
    fn append(
        &self,
        step: StepId,
        entry: Entry,
    ) -> futures::future::BoxFuture<'_, Result<(), JournalError>>;
}

/// Says why an entry is not in the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process writes to the org now.
    #[error("another process writes to the org now: {holder}")]
    Fenced {
        /// Who.
        holder: String,
    },
    /// The journal cannot be written.
    #[error("the journal cannot be written: {0}")]
    Broken(String),
}

/// Says why a run ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The journal cannot be written, so nothing more is sent.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The target refuses the credential or cannot be reached.
    #[error("writing to the target")]
    Unreachable(#[source] Box<orgsmith_client::Error>),
    /// A defect of ours.
    #[error("the journal contradicts itself")]
    Contradiction(#[from] IllegalTransition),
}

/// What is needed to carry out a plan.
pub(crate) struct Execution<'e> {
    pub(crate) org: &'e Org,
    /// Knows the kinds.
    pub(crate) catalogue: &'e Catalogue,
    /// The plan, checked and approved.
    pub(crate) plan: &'e Plan,
    /// Where intentions are written down.
    pub(crate) journal: &'e dyn Journal,
    /// Where each step stands, from an earlier try of the run.
    pub(crate) states: BTreeMap<StepId, StepState>,
    /// The values of secrets.
    pub(crate) secrets: &'e Secrets,
    /// How much at once.
    pub(crate) limits: Limits,
    /// Ends the run early.
    pub(crate) stop: Stop,
    /// Told what happens.
    pub(crate) events: &'e Events,
}

/// What was behind it that a step did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The target had changed since the plan.
    Moved,
    /// A permission is missing.
    Denied,
    /// A service takes no more for longer than a run waits.
    Throttled,
}

/// How a run ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Where each step stands now.
    pub states: BTreeMap<StepId, StepState>,
    /// The ids of the objects that steps created, or brought back.
    pub ids: BTreeMap<ObjectRef, TargetId>,
    /// Why steps did not happen, where it is more than what the target said.
    pub causes: BTreeMap<StepId, Cause>,
    /// What ended the run early.
    pub error: Option<ExecuteError>,
    /// Somebody asked the run to end.
    pub stopped: bool,
    /// The budget was used up.
    pub spent: bool,
    /// A step failed, and the first to fail was to end the run.
    pub gave_up: bool,
}

impl Outcome {
    /// Counts the steps that are done.
    pub fn done(&self) -> usize {
        self.states.values().filter(|state| state.is_done()).count()
    }

    /// Counts the steps that did not happen for a cause.
    pub fn of(&self, cause: Cause) -> usize {
        self.causes.values().filter(|of| **of == cause).count()
    }

    /// Tells whether it ended before everything was tried: `resume` goes on.
    pub fn is_cut_short(&self) -> bool {
        self.stopped || self.gave_up || self.is_out_of_calls()
    }

    /// Tells whether it ended because no more calls may be made for now.
    pub fn is_out_of_calls(&self) -> bool {
        self.spent || self.of(Cause::Throttled) > 0
    }

    /// Tells whether every step is done.
    pub fn is_complete(&self) -> bool {
        self.error.is_none() && self.states.values().all(StepState::is_done)
    }
}

/// Carries out a plan, as far as it goes.
pub(crate) async fn execute(execution: Execution<'_>) -> Outcome {
    dispatcher::run(execution).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_is_asked_with_its_parent_and_alone() {
        let parent = Stop::default();
        let (one, other) = (parent.child(), parent.child());
        one.ask();
        one.asked().await;
        assert!(one.is_asked() && !parent.is_asked() && !other.is_asked());
        parent.ask();
        other.asked().await;
        assert!(other.is_asked());
    }
}
