//! Rules of queues, names, users and schedules.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Found, Image};
use crate::document::{Portable, Slot};
use crate::id::ObjectRef;
use crate::path::Items;

/// Tells whether a document has something at a field.
fn has(document: &Portable, field: &str) -> bool {
    match document.body.get(field) {
        None | Some(Value::Null) => false,
        Some(value) => match Items::of(value) {
            Some(items) => !items.list.is_empty(),
            None => value.as_object().is_none_or(|map| !map.is_empty()),
        },
    }
}

/// Tells whether a document says that it has nothing at a field; where it says nothing of it, the
/// field is not managed, and the org may have something there.
fn is_empty(document: &Portable, field: &str) -> bool {
    document.body.contains_key(field) && !has(document, field)
}

/// Returns the queues of which more is said than who belongs there.
fn queues<'b>(image: &Image<'b>) -> Vec<(&'b ObjectRef, Portable)> {
    let queues = image.of("routing_queue");
    queues
        .filter(|(_, queue)| queue.body.contains_key("name"))
        .collect()
}

pub(super) fn wrapup(image: &Image<'_>, found: &mut Found<'_>) {
    for (object, queue) in queues(image) {
        if is_empty(&queue, "wrapUpCodes") {
            found.at(object, "", "has no wrap-up codes".to_owned());
        }
    }
}

pub(super) fn in_queue_flow(image: &Image<'_>, found: &mut Found<'_>) {
    for (object, queue) in queues(image) {
        if !has(&queue, "queueFlow") {
            found.at(object, "", "has no in-queue flow for calls".to_owned());
        }
    }
}

pub(super) fn overflow(image: &Image<'_>, found: &mut Found<'_>) {
    let ways = [
        "bullseye",
        "conditionalGroupRouting",
        "conditionalGroupActivation",
    ];
    for (object, queue) in queues(image) {
        if !ways.iter().any(|way| has(&queue, way)) {
            let message =
                "has no overflow: neither bullseye rings nor conditional groups".to_owned();
            found.at(object, "", message);
        }
    }
}

pub(super) fn case(image: &Image<'_>, found: &mut Found<'_>) {
    let mut seen: BTreeMap<(&str, String), &ObjectRef> = BTreeMap::new();
    for object in image.bundle.documents.keys() {
        let name = (object.kind.as_str(), object.key.as_str().to_lowercase());
        if let Some(other) = seen.insert(name, object) {
            found.at(
                object,
                "",
                format!("differs from {other} only in upper and lower case"),
            );
        }
    }
}

pub(super) fn roles(image: &Image<'_>, found: &mut Found<'_>) {
    let mut by_group: BTreeSet<ObjectRef> = BTreeSet::new();
    for (_, group) in image.of("group").filter(|(_, group)| has(group, "grants")) {
        let members = group.body.get("members").and_then(Items::of);
        let members = members.map_or(&[][..], |items| items.list);
        by_group.extend(members.iter().filter_map(|member| match Slot::of(member) {
            Some(Slot::Ref(user)) => Some(user),
            _ => None,
        }));
    }
    for (object, user) in image.of("user") {
        let active = user.body.get("state").is_none_or(|state| state == "active");
        if active && is_empty(&user, "grants") && !by_group.contains(object) {
            found.at(object, "", "has no role".to_owned());
        }
    }
}

pub(super) fn schedules(image: &Image<'_>, found: &mut Found<'_>) {
    for (object, schedule) in image.of("architect_schedules") {
        let text = |field: &str| {
            schedule
                .body
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let last = match text("rrule") {
            "" => day(text("end")),
            rule => until(rule),
        };
        if let Some(last) = last.filter(|last| last.as_str() < image.today) {
            let field = if text("rrule").is_empty() {
                "/end"
            } else {
                "/rrule"
            };
            found.at(object, field, format!("is over since {last}"));
        }
    }
}

/// Returns the day of a time: `2026-01-31T08:00:00` or `20260131T080000Z`.
fn day(time: &str) -> Option<String> {
    let digits: String = time
        .chars()
        .take_while(|c| *c != 'T')
        .filter(char::is_ascii_digit)
        .collect();
    (digits.len() == 8).then(|| format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]))
}

/// Returns the day after which a rule of RFC 5545 does not come again.
fn until(rule: &str) -> Option<String> {
    let rule = rule.strip_prefix("RRULE:").unwrap_or(rule);
    rule.split(';')
        .find_map(|part| day(part.trim().strip_prefix("UNTIL=")?))
}
