//! The journal of a run: what each step intended, and what came of it.
//!
//! An [`Entry`] is written and synced before the act it announces. [`StepState::apply`] is the only
//! way from one state to the next; it refuses what cannot follow. After a crash a step found in
//! `Intent` may have acted: recovery treats it as `Unknown`, and only a probe of the target leads
//! out of there.

use serde::{Deserialize, Serialize};

use crate::id::{RunId, StepId, TargetId};

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// A request is about to leave.
    Intent {
        /// Counts from 1.
        attempt: u32,
    },
    /// The target did it.
    Done {
        /// The id of the object that was created, or found where it was expected.
        id: Option<TargetId>,
        /// The version that the object now has, where the API says.
        version: Option<u64>,
    },
    /// The target refused; nothing changed.
    Refused {
        /// The target's answer.
        reason: String,
    },
    /// No answer came: the target may have done it.
    Unknown {
        /// What happened instead of an answer.
        reason: String,
    },
    /// A probe showed that the target has not done it.
    NotDone,
    /// The step was not tried.
    Skipped {
        /// Why: a prerequisite failed, the object moved, or the run stopped.
        reason: String,
    },
    /// A later try of the run takes the step up again.
    Reopened,
}

/// Where a step stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum StepState {
    /// Not tried.
    #[default]
    Planned,
    /// Announced; the request may have left.
    Intent {
        /// Counts from 1.
        attempt: u32,
    },
    /// Done.
    Done {
        /// The id of the object.
        id: Option<TargetId>,
        /// Its version.
        version: Option<u64>,
    },
    /// Refused by the target.
    Refused {
        /// The target's answer.
        reason: String,
    },
    /// Perhaps done.
    Unknown {
        /// What happened instead of an answer.
        reason: String,
    },
    /// Not tried, and not going to be in this try of the run.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// Says that an entry cannot follow a state: a defect of ours, never the world's fault.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{entry:?} cannot follow {state:?}")]
pub struct IllegalTransition {
    state: StepState,
    entry: Entry,
}

impl StepState {
    /// Returns the state after an entry.
    ///
    /// # Errors
    /// The entry cannot follow this state.
    pub fn apply(self, entry: Entry) -> Result<Self, IllegalTransition> {
        use Entry as E;
        use StepState as S;
        Ok(match (self, entry) {
            (S::Planned, E::Intent { attempt }) => S::Intent { attempt },
            (S::Planned, E::Skipped { reason }) => S::Skipped { reason },
            // A probe before the first request may find that nothing is left to do.
            (S::Planned | S::Intent { .. } | S::Unknown { .. }, E::Done { id, version }) => {
                S::Done { id, version }
            }
            (S::Intent { .. }, E::Refused { reason }) => S::Refused { reason },
            (S::Intent { .. }, E::Unknown { reason }) => S::Unknown { reason },
            (S::Unknown { .. }, E::NotDone) => S::Planned,
            (S::Unknown { .. }, E::Skipped { reason }) => S::Unknown { reason },
            (S::Refused { .. } | S::Skipped { .. }, E::Reopened) => S::Planned,
            (state, entry) => return Err(IllegalTransition { state, entry }),
        })
    }

    /// Tells whether the step needs nothing more.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

/// An entry with its place in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// The entry.
    pub entry: Entry,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn intent() -> Entry {
        Entry::Intent { attempt: 1 }
    }

    #[test]
    fn nothing_is_done_twice() {
        let done = StepState::Done {
            id: None,
            version: None,
        };
        for entry in [
            intent(),
            Entry::Done {
                id: None,
                version: None,
            },
            Entry::Reopened,
        ] {
            assert!(done.clone().apply(entry).is_err());
        }
    }

    #[test]
    fn an_unknown_outcome_is_left_only_by_a_probe() {
        let unknown = StepState::Unknown {
            reason: "reset".into(),
        };
        assert!(unknown.clone().apply(intent()).is_err());
        assert_eq!(
            unknown.clone().apply(Entry::NotDone),
            Ok(StepState::Planned)
        );
        assert!(unknown.apply(Entry::Reopened).is_err());
    }

    proptest! {
        #[test]
        fn a_step_is_never_sent_without_an_intent(choices in proptest::collection::vec(0..7_u8, 0..20)) {
            let mut state = StepState::Planned;
            for choice in choices {
                let entry = match choice {
                    0 => intent(),
                    1 => Entry::Done { id: None, version: None },
                    2 => Entry::Refused { reason: String::new() },
                    3 => Entry::Unknown { reason: String::new() },
                    4 => Entry::NotDone,
                    5 => Entry::Skipped { reason: String::new() },
                    _ => Entry::Reopened,
                };
                let before = state.clone();
                if let Ok(after) = state.clone().apply(entry) {
                    if matches!(after, StepState::Refused { .. } | StepState::Unknown { .. }) {
                        let sent = matches!(before, StepState::Intent { .. } | StepState::Unknown { .. });
                        prop_assert!(sent);
                    }
                    state = after;
                }
            }
        }
    }
}
