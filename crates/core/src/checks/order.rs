//! Steps: unique, each behind those it needs.

use std::collections::HashMap;

use super::error;
use crate::id::StepId;
use crate::plan::{Finding, Plan};

pub(super) fn check(plan: &Plan, findings: &mut Vec<Finding>) {
    let mut place: HashMap<&StepId, usize> = HashMap::new();
    for (index, step) in plan.steps.iter().enumerate() {
        if place.insert(&step.id, index).is_some() {
            findings.push(error(
                "duplicate-step",
                Some(step),
                "the plan has this step twice".into(),
            ));
        }
    }
    for (index, step) in plan.steps.iter().enumerate() {
        let by_scim = step.scim.iter().flat_map(|scim| &scim.after);
        for before in step.after.iter().chain(by_scim) {
            // A step that needs only earlier ones is in no circle.
            let message = match place.get(before) {
                None => format!("it needs {before}, which is not in the plan"),
                Some(at) if *at >= index => {
                    format!("it needs {before}, which does not come before it")
                }
                Some(at) if plan.steps[*at].phase > step.phase => {
                    format!("it needs {before}, which is of a later phase")
                }
                Some(_) => continue,
            };
            findings.push(error("prerequisite", Some(step), message));
        }
    }
}
