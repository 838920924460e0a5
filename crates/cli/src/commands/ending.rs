//! How a run ended, in words, for programs and as an exit code.

use std::collections::BTreeSet;

use orgsmith_core::endpoints::holding;
use orgsmith_core::journal::StepState;
use orgsmith_core::plan::Plan;
use orgsmith_engine::{Cause, Finished, Outcome, chain};
use serde_json::{Value, json};

use crate::args::Format;
use crate::error::{Exit, count};
use crate::output::{CYAN, Out, RED, YELLOW, styled};

/// How a run ended, for programs and as an exit code.
pub(super) struct Conclusion {
    pub(super) exit: Exit,
    pub(super) result: Value,
}

/// Judges how a run ended.
pub(super) fn conclusion(plan: &Plan, finished: Option<&Finished>) -> Conclusion {
    let left_alone = if plan.conflicts.is_empty() {
        Exit::Ok
    } else {
        Exit::Partial
    };
    let Some(Finished {
        run,
        status,
        outcome,
    }) = finished
    else {
        return Conclusion {
            exit: left_alone,
            result: json!({
                "run": null, "status": "done", "steps": 0, "conflicts": plan.conflicts,
                "placeholders": holding(plan),
            }),
        };
    };
    let (total, done) = (plan.steps.len(), outcome.done());
    let open: Vec<_> = plan
        .steps
        .iter()
        .filter_map(|step| {
            let state = outcome.states.get(&step.id);
            let (how, reason) = standing(state);
            (how != "done").then(|| {
                json!({ "step": step.id, "outcome": how, "reason": reason,
                        "stale": outcome.causes.get(&step.id) == Some(&Cause::Moved) })
            })
        })
        .collect();
    Conclusion {
        exit: exit_of(finished_exit(outcome, total), left_alone),
        result: json!({
            "event": "result", "run": run, "status": status.as_str(), "steps": total, "done": done,
            "open": open, "conflicts": plan.conflicts, "placeholders": holding(plan),
        }),
    }
}

/// Says how a run ended and returns the exit code for it.
pub(crate) fn conclude(
    out: &Out,
    plan: &Plan,
    finished: Option<&Finished>,
) -> anyhow::Result<Exit> {
    let Conclusion { exit, result } = conclusion(plan, finished);
    let Some(Finished {
        run,
        status,
        outcome,
    }) = finished
    else {
        if out.format() == Format::Json {
            out.json(&result)?;
        } else {
            out.data(format!("Nothing to do{}.", pending(plan)))?;
        }
        return Ok(exit);
    };
    out.record(&result);
    if out.format() == Format::Json {
        out.json(&result)?;
    } else {
        let conflicts = plan.conflicts.len();
        let left = if conflicts > 0 {
            format!(", {} left alone", count(conflicts, "conflict"))
        } else {
            String::new()
        };
        let (total, done) = (plan.steps.len(), outcome.done());
        out.data(format!(
            "Run {run}: {status}, {done} of {total} steps{left}{}.",
            pending(plan)
        ))?;
        if done < total {
            if outcome.spent {
                let stopped = styled(YELLOW, "stopped:");
                out.say(format!("{stopped} the budget is used up"));
            }
            if outcome.of(Cause::Throttled) > 0 {
                let stopped = styled(YELLOW, "stopped:");
                out.say(format!(
                    "{stopped} the org takes no more of {} for now (429); go on when the time is over that it \
                     asked to wait",
                    throttled(plan, outcome)
                ));
            }
            let resume = styled(CYAN, format!("orgsmith resume {run}"));
            out.say(match (outcome.of(Cause::Moved), refusals(outcome)) {
                (0, 0) => format!("To go on: {resume}"),
                (0, _) => format!(
                    "To go on, once what was refused can be done: {resume}. Otherwise make a new plan."
                ),
                _ => format!(
                    "The org has moved: make a new plan. What does not depend on that goes on with {resume}"
                ),
            });
        }
    }
    tell_end(out, outcome);
    Ok(exit)
}

/// Says how many endpoints are to be given their URLs later.
fn pending(plan: &Plan) -> String {
    match holding(plan) {
        0 => String::new(),
        1 => "; 1 endpoint holds a placeholder".to_owned(),
        many => format!("; {many} endpoints hold a placeholder"),
    }
}

/// Says what ended a run before its time.
pub(super) fn tell_end(out: &Out, outcome: &Outcome) {
    if let Some(error) = &outcome.error {
        out.say(format!(
            "{} {}",
            styled(RED.bold(), "ended early:"),
            chain(error)
        ));
    }
}

fn exit_of(run: Exit, conflicts: Exit) -> Exit {
    if run == Exit::Ok { conflicts } else { run }
}

fn finished_exit(outcome: &Outcome, total: usize) -> Exit {
    let done = outcome.done();
    if let Some(error) = &outcome.error {
        return crate::error::of_run_end(error);
    }
    if done == total {
        return Exit::Ok;
    }
    // What ended it early comes first: whoever goes on, goes on with what was refused, too.
    if outcome.stopped {
        Exit::Interrupted
    } else if outcome.is_out_of_calls() {
        Exit::Budget
    } else if outcome.of(Cause::Denied) > 0 && done == 0 {
        Exit::Auth
    } else if outcome.of(Cause::Moved) > 0 && refusals(outcome) == 0 {
        Exit::Stale
    } else {
        Exit::Partial
    }
}

/// Counts what the org refused for good: neither because it has moved nor for now.
fn refusals(outcome: &Outcome) -> usize {
    let refused = outcome
        .states
        .iter()
        .filter(|(step, state)| match outcome.causes.get(*step) {
            Some(Cause::Moved | Cause::Throttled) => false,
            Some(Cause::Denied) | None => matches!(state, StepState::Refused { .. }),
        });
    refused.count()
}

/// Names the kinds of which a service takes no more.
fn throttled(plan: &Plan, outcome: &Outcome) -> String {
    let kinds: BTreeSet<&str> = plan
        .steps
        .iter()
        .filter(|step| outcome.causes.get(&step.id) == Some(&Cause::Throttled))
        .map(|step| step.object.kind.as_str())
        .collect();
    kinds.into_iter().collect::<Vec<_>>().join(", ")
}

/// Returns how a step stands, in a word, and why.
pub(crate) fn standing(state: Option<&StepState>) -> (&'static str, Option<&str>) {
    match state {
        None | Some(StepState::Planned) => ("planned", None),
        Some(StepState::Intent { .. }) => ("announced", None),
        Some(StepState::Done { .. }) => ("done", None),
        Some(StepState::Refused { reason }) => ("refused", Some(reason)),
        Some(StepState::Unknown { reason }) => ("unknown", Some(reason)),
        Some(StepState::Skipped { reason }) => ("skipped", Some(reason)),
    }
}
