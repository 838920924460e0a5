//! The change brake: a plan that changes much of what exists needs a second look.

use super::{CHANGE_BRAKE, error};
use crate::plan::{Counts, Finding, Plan};

/// Kinds with fewer objects than this are not braked.
const SMALLEST: usize = 10;

/// The largest part of the existing objects of a kind that is changed without a word, in percent.
const PERCENT: usize = 30;

/// Whether a plan may change much of what exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brake {
    /// More than 30 % of the existing objects of a kind with at least 10 stop the plan.
    On,
    /// A person said that it may.
    Forced,
}

impl Brake {
    pub(super) fn check(self, plan: &Plan, findings: &mut Vec<Finding>) {
        if self == Self::Forced {
            return;
        }
        for (kind, counts) in &plan.counts {
            let Counts {
                existing,
                update,
                delete,
                ..
            } = *counts;
            let touched = update + delete;
            if existing >= SMALLEST && touched * 100 > existing * PERCENT {
                let message = format!(
                    "{kind}: {update} updates and {delete} deletes touch {} % of {existing} existing objects, more \
                     than {PERCENT} %; look at them, then force the change",
                    touched * 100 / existing
                );
                findings.push(error(CHANGE_BRAKE, None, message));
            }
        }
    }
}
