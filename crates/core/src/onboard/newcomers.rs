//! Which users a run created or activated.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::id::{ObjectRef, StepId, TargetId};
use crate::journal::StepState;
use crate::plan::{Action, Plan, Step, Write};

const KIND: &str = "user";

/// Returns the users that steps which are done created as active, brought back or activated.
///
/// `ids` are those of objects that steps created; of others the plan knows them.
pub fn newcomers(
    plan: &Plan,
    states: &BTreeMap<StepId, StepState>,
    ids: &BTreeMap<ObjectRef, TargetId>,
) -> BTreeMap<ObjectRef, TargetId> {
    let is_done = |step: &&Step| states.get(&step.id).is_some_and(StepState::is_done);
    let steps = plan.steps.iter();
    let users = steps.filter(|step| step.object.kind.as_str() == KIND);
    let mut active = BTreeSet::new();
    // In the order of the plan: what comes last stands.
    for step in users.filter(is_done) {
        match (step.action, state_of(step)) {
            (Action::Delete, _) => {
                active.remove(&step.object);
            }
            (_, Some(state)) if state != "active" => {
                active.remove(&step.object);
            }
            (Action::Create | Action::Adopt, _) | (_, Some(_)) => {
                active.insert(&step.object);
            }
            (Action::Update | Action::Link, None) => {}
        }
    }
    let id_of = |user: &ObjectRef| ids.get(user).or_else(|| plan.bindings.get(user)).cloned();
    let users = active.into_iter();
    users
        .filter_map(|user| Some((user.clone(), id_of(user)?)))
        .collect()
}

/// Returns the state that a step gives its user, where it gives one.
fn state_of(step: &Step) -> Option<String> {
    let Write::Request(request) = &step.write else {
        return None;
    };
    match request.body.as_ref()?.value().get("state")? {
        Value::String(state) => Some(state.to_ascii_lowercase()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_is_active_at_the_end_is_new() {
        let step = |name: &str, action: &str, body: serde_json::Value| {
            json!({
                "id": format!("user/{name}:{action}"), "object": format!("user/{name}"), "action": action,
                "phase": 0, "reason": "",
                "write": {"by": "request", "method": "PATCH", "path": "/", "body": body},
            })
        };
        let side = json!({"org": {"org_name": "x"}, "digest": ""});
        let plan: Plan = serde_json::from_value(json!({
            "format": 1, "source": side, "target": side,
            "steps": [
                step("new", "create", json!({"name": "New"})),
                step("idle", "create", json!({"state": "inactive"})),
                step("back", "adopt", json!({"state": "active"})),
                step("gone", "adopt", json!({"state": "active"})),
                step("gone", "update", json!({"state": "inactive"})),
                step("woken", "update", json!({"state": "active"})),
                step("renamed", "update", json!({"name": "Other"})),
                step("refused", "create", json!({"state": "active"})),
            ],
            "bindings": {"user/back": "b", "user/gone": "g", "user/woken": "w", "user/renamed": "r"},
            "blobs": {}, "counts": {}, "conflicts": [], "gaps": [], "findings": [],
            "estimate": {"calls": 0, "minutes": 0.0},
        }))
        .expect("a plan");
        let done = StepState::Done {
            id: None,
            version: None,
        };
        let steps = plan
            .steps
            .iter()
            .filter(|step| !step.id.as_str().contains("refused"));
        let states = steps.map(|step| (step.id.clone(), done.clone())).collect();
        let user =
            |name: &str| -> ObjectRef { format!("user/{name}").parse().expect("a reference") };
        let ids = [
            (user("new"), TargetId::new("n")),
            (user("idle"), TargetId::new("i")),
        ]
        .into();
        let found = newcomers(&plan, &states, &ids);
        let found: Vec<(String, &str)> = found
            .iter()
            .map(|(user, id)| (user.key.as_str().to_owned(), id.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("back".to_owned(), "b"),
                ("new".to_owned(), "n"),
                ("woken".to_owned(), "w")
            ]
        );
    }
}
