//! Managers who manage each other in a circle: who is whose manager nobody can say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::planner::{Item, Notes, Presence, Target};
use crate::document::Slot;
use crate::id::ObjectRef;

/// Sets aside the users of every circle of managers, unless the target has it just so.
pub(super) fn part_circles(items: &mut Vec<Item<'_>>, target: &Target<'_>, notes: &mut Notes) {
    let mut managers: BTreeMap<ObjectRef, ObjectRef> = BTreeMap::new();
    let mut written: BTreeSet<ObjectRef> = BTreeSet::new();
    for item in items.iter().filter(|item| is_user(&item.object)) {
        let manager = item.body.field("manager");
        let Some(Slot::Ref(manager)) = manager.as_ref().and_then(Slot::of) else {
            continue;
        };
        if live_manager(item, target) != Some(&manager) {
            written.insert(item.object.clone());
        }
        managers.insert(item.object.clone(), manager);
    }
    let mut gone = BTreeSet::new();
    for circle in circles(&managers) {
        if !circle.iter().any(|user| written.contains(*user)) {
            continue;
        }
        for (at, user) in circle.iter().enumerate() {
            let (before, from) = circle.split_at(at);
            let around = from.iter().chain(before).chain([user]);
            let around: Vec<String> = around.map(ToString::to_string).collect();
            let reason = match circle.len() {
                1 => "it is its own manager; name another, or none".to_owned(),
                _ => format!(
                    "it is in a circle of managers, {}; name another manager of one of them",
                    around.join(" → ")
                ),
            };
            notes.conflict(user, reason);
            gone.insert((*user).clone());
        }
    }
    items.retain(|item| !gone.contains(&item.object));
}

fn is_user(object: &ObjectRef) -> bool {
    object.kind.as_str() == "user"
}

/// Returns the manager that a user has in the target.
fn live_manager<'t>(item: &Item<'_>, target: &'t Target<'_>) -> Option<&'t ObjectRef> {
    let Presence::Live(live) = item.state else {
        return None;
    };
    let manager = live.field("manager")?;
    let id = manager.get("id").and_then(Value::as_str)?;
    target.names.object(&item.object.kind, id)
}

/// Returns the circles, each from its first member on.
fn circles(managers: &BTreeMap<ObjectRef, ObjectRef>) -> Vec<Vec<&ObjectRef>> {
    let mut seen: BTreeSet<&ObjectRef> = BTreeSet::new();
    let mut found = Vec::new();
    for first in managers.keys() {
        let mut way = Vec::new();
        let mut next = first;
        // Everybody has one manager at most, so whoever was seen leads nowhere new.
        while seen.insert(next) {
            way.push(next);
            let Some(manager) = managers.get(next) else {
                break;
            };
            next = manager;
        }
        if let Some(at) = way.iter().position(|user| *user == next) {
            let circle = way.split_off(at);
            if managers.contains_key(next) {
                found.push(circle);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pairs: &[(&str, &str)]) -> Vec<String> {
        let user = |name: &str| format!("user/{name}").parse().expect("kind/key");
        let managers: BTreeMap<ObjectRef, ObjectRef> =
            pairs.iter().map(|(of, is)| (user(of), user(is))).collect();
        let told = circles(&managers).into_iter().map(|circle| {
            let names = circle.iter().map(|user| user.key.to_string());
            names.collect::<Vec<_>>().join("")
        });
        told.collect()
    }

    #[test]
    fn a_circle_is_found_once_and_who_leads_into_it_is_not_in_it() {
        assert_eq!(found(&[]), [""; 0]);
        assert_eq!(found(&[("a", "b"), ("b", "c")]), [""; 0]);
        assert_eq!(found(&[("a", "a")]), ["a"]);
        assert_eq!(
            found(&[
                ("a", "b"),
                ("b", "c"),
                ("c", "b"),
                ("d", "c"),
                ("e", "f"),
                ("f", "e")
            ]),
            ["bc", "ef"]
        );
    }
}
