//! Whether a saved plan still fits its target.

use std::collections::{BTreeMap, BTreeSet};

use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::document::Stored;
use orgsmith_core::id::{Kind, ObjectRef};
use orgsmith_core::plan::{Action, Expected, Plan, pre_image};
use orgsmith_core::snapshot::{Names, Snapshot};
use orgsmith_engine::Scope;

/// Returns what of a target a plan depends on.
pub(crate) fn scope(plan: &Plan, pins: &BTreeMap<ObjectRef, String>) -> Scope {
    let steps = plan.steps.iter().map(|step| &step.object);
    let kinds: BTreeSet<Kind> = steps
        .clone()
        .chain(plan.bindings.keys())
        .map(|object| object.kind.clone())
        .collect();
    Scope {
        kinds,
        in_full: Some(steps.cloned().collect()),
        deleted: true,
        pins: pins.clone(),
        ..Scope::default()
    }
}

/// Finds what has changed in the target since a plan was made, as far as it matters to the plan.
///
/// A change elsewhere in the org is none: agents log in and out all day.
pub(crate) fn changes(
    catalogue: &Catalogue,
    plan: &Plan,
    snapshot: &Snapshot,
    pins: &BTreeMap<ObjectRef, String>,
) -> Vec<String> {
    let names = Names::new(catalogue, snapshot, pins);
    let live: BTreeMap<&ObjectRef, &Stored> = snapshot
        .objects
        .iter()
        .flat_map(|(kind, objects)| objects.iter().map(move |captured| (kind, captured)))
        .filter_map(|(kind, captured)| Some((names.object(kind, captured.id.as_str())?, captured)))
        .collect();
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for step in &plan.steps {
        // Later steps of an object build on what its first one leaves behind.
        if !seen.insert(&step.object) {
            continue;
        }
        let object = &step.object;
        let captured = live.get(object);
        match (step.action, captured) {
            (Action::Create | Action::Adopt, Some(_)) => found.push(format!("{object} exists now")),
            (Action::Create | Action::Adopt, None) => {}
            (Action::Update | Action::Link | Action::Delete, None) => {
                found.push(format!("{object} is gone"));
            }
            (Action::Update | Action::Link | Action::Delete, Some(captured)) => {
                if moved(catalogue, object, step.expected.as_ref(), captured) {
                    found.push(format!("{object} changed"));
                }
            }
        }
    }
    for (object, id) in &plan.bindings {
        let same = live
            .get(object)
            .is_some_and(|captured| captured.id.as_str() == id.as_str());
        if !same && !seen.contains(object) {
            found.push(format!("{object}, which is referred to, is gone"));
        }
    }
    found
}

fn moved(
    catalogue: &Catalogue,
    object: &ObjectRef,
    expected: Option<&Expected>,
    captured: &Stored,
) -> bool {
    match expected {
        None => false,
        Some(Expected::Version(version)) => {
            let now = captured.field("version").and_then(|now| now.as_u64());
            now.is_some_and(|now| now != *version)
        }
        Some(Expected::PreImage(digest)) => match catalogue.get(object.kind.as_str()) {
            Ok(descriptor) => pre_image(descriptor, &captured.body()) != *digest,
            Err(_) => false,
        },
    }
}
