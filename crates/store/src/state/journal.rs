//! From a journal to where its steps stand.

use std::collections::BTreeMap;

use orgsmith_core::id::{RunId, StepId};
use orgsmith_core::journal::{IllegalTransition, Record, StepState};

/// Says that a journal holds what cannot have happened.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the journal of run {run} is wrong at entry {entry}, step {step}")]
pub struct Illegal {
    /// The run.
    pub run: RunId,
    /// Which entry, counted from 1.
    pub entry: usize,
    /// The step.
    pub step: StepId,
    /// What cannot be.
    #[source]
    pub source: IllegalTransition,
}

/// Tells where every step of a journal stands; steps that were never tried are not in it.
///
/// # Errors
/// The first entry that cannot follow what was before it.
pub fn replay(journal: &[Record]) -> Result<BTreeMap<StepId, StepState>, Illegal> {
    let mut states = BTreeMap::<StepId, StepState>::new();
    for (index, Record { run, step, entry }) in journal.iter().enumerate() {
        let before = states.remove(step).unwrap_or_default();
        let after = before.apply(entry.clone()).map_err(|source| Illegal {
            run: run.clone(),
            entry: index + 1,
            step: step.clone(),
            source,
        })?;
        states.insert(step.clone(), after);
    }
    Ok(states)
}
