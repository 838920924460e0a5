//! What happens during a run, told as it happens.
//!
//! Progress bars, logs and reports are consumers of the one stream, so they cannot disagree. The
//! journal is none of them: it is awaited, and it comes first.

use std::sync::Arc;

use orgsmith_core::bundle::Gap;
use orgsmith_core::id::{Kind, ObjectRef, OrgName, StepId};
use orgsmith_core::plan::Action;
use serde::Serialize;

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Reading an org begins.
    CollectStarted {
        /// The org.
        org: OrgName,
        /// How many kinds are read.
        kinds: usize,
    },
    /// A kind has been read.
    KindRead {
        /// The org.
        org: OrgName,
        /// The kind.
        kind: Kind,
        /// How many objects there are.
        objects: usize,
    },
    /// Something could not be read.
    Gap {
        /// The org.
        org: OrgName,
        /// What, and why.
        gap: Gap,
    },
    /// Reading an org has ended.
    CollectEnded {
        /// The org.
        org: OrgName,
        /// How many objects were read.
        objects: usize,
        /// API calls so far.
        calls: u64,
    },
    /// Writing begins.
    RunStarted {
        /// The run.
        run: String,
        /// The org that is written to.
        org: OrgName,
        /// How many steps are left to do.
        steps: usize,
    },
    /// A step is about to be sent.
    StepStarted {
        /// The org that is written to.
        org: OrgName,
        /// The step.
        step: StepId,
        /// The object.
        object: ObjectRef,
        /// What happens to it.
        action: Action,
    },
    /// A step has ended.
    StepEnded {
        /// The org that is written to.
        org: OrgName,
        /// The step.
        step: StepId,
        /// The object.
        object: ObjectRef,
        /// What happened to it.
        action: Action,
        /// How it ended: `done`, `refused`, `skipped` or `unknown`.
        outcome: &'static str,
        /// Why, where it was not done.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A step's outcome is not known, and the target is asked.
    Probing {
        /// The org that is written to.
        org: OrgName,
        /// The step.
        step: StepId,
        /// What happened instead of an answer.
        reason: String,
    },
    /// Writing has ended.
    RunEnded {
        /// The run.
        run: String,
        /// The org that was written to.
        org: OrgName,
        /// Steps that are done.
        done: usize,
        /// Steps that are not.
        open: usize,
        /// API calls to the target so far.
        calls: u64,
    },
    /// The onboarding of users in another system begins, or goes on.
    OnboardStarted {
        /// The org of the users.
        org: OrgName,
        /// Users who are not at their end.
        users: usize,
    },
    /// The onboarding of a user has got somewhere, or met an error.
    Onboarding {
        /// The org.
        org: OrgName,
        /// The user.
        user: ObjectRef,
        /// How far it is: `pending`, `requested`, `provisioned` or `failed`.
        stage: &'static str,
        /// What went wrong.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A pass of onboarding has ended: how its users stand.
    OnboardEnded {
        /// The org.
        org: OrgName,
        /// The request is to be sent.
        pending: usize,
        /// The other system took the request.
        requested: usize,
        /// The user is there.
        provisioned: usize,
        /// It went wrong.
        failed: usize,
        /// The part of those at their end that went wrong, from 0 to 1.
        failure_rate: f64,
        /// Somebody was told of the failures.
        alerted: bool,
    },
}

/// Where events go.
#[derive(Clone)]
pub struct Events(Arc<dyn Fn(Event) + Send + Sync>);

impl Events {
    /// Sends every event to a function, which must not block.
    pub fn to(consumer: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(consumer))
    }

    /// Drops every event.
    pub fn none() -> Self {
        Self::to(|_| {})
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.0)(event);
    }
}
