//! How many API calls a plan takes, and how long.

use serde::{Deserialize, Serialize};

use super::{Expected, Step, Write};

/// API calls and time of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// API calls; transfers to presigned addresses are none.
    pub calls: usize,
    /// Minutes, at the configured rate.
    pub minutes: f64,
}

/// How fast calls may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens of the client.
    pub tokens: u32,
    /// Calls per minute and token.
    pub per_minute: u32,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            tokens: 4,
            per_minute: 300,
        }
    }
}

/// Polls of an Architect job until it ends, on the average.
const FLOW_POLLS: usize = 2;

/// Polls of a function's draft until its code can be used, on the average.
const CODE_POLLS: usize = 2;

/// Returns the number of calls a step takes when all goes well and it is not done with another.
pub(super) fn calls(step: &Step) -> usize {
    let check = usize::from(matches!(step.expected, Some(Expected::PreImage(_))));
    check
        + match &step.write {
            Write::Request(_) => 1,
            Write::FlowImport { .. } => 1 + FLOW_POLLS,
            Write::Upload { .. } => 2,
            Write::RowsImport { .. } => 2,
            Write::ActionDraft {
                body: _,
                function,
                creates: _,
            } => match function {
                None => 3,
                // The settings go in, and the version comes out.
                Some(function) => {
                    6 + if function.code.is_some() {
                        1 + CODE_POLLS
                    } else {
                        0
                    }
                }
            },
            Write::FileImport { .. } => 3,
        }
}

impl Estimate {
    /// Adds up the steps.
    pub fn of(steps: &[Step], rate: Rate) -> Self {
        let done: usize = steps
            .iter()
            .filter_map(|step| Some(step.scim.as_ref()?.does.len()))
            .sum();
        // What one call does together with a creation takes one call each else.
        let calls = steps.iter().map(calls).sum::<usize>().saturating_sub(done);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let minutes = calls as f64 / f64::from(rate.tokens * rate.per_minute).max(1.0);
        Self {
            calls,
            minutes: (minutes * 100.0).round() / 100.0,
        }
    }
}
