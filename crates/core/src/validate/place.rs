//! References: only where the kind has one, to a kind that fits, to an object that is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::body::is_json_schema;
use super::normalise::normal;
use super::types::found;
use super::{Report, step};
use crate::bundle::Bundle;
use crate::catalogue::{Catalogue, ClonePhase, Descriptor, Reference, nearest};
use crate::document::{Portable, Slot};
use crate::id::{Key, Kind, ObjectRef};
use crate::path::{FieldPath, HAS};
use crate::plan::Severity;

/// What references may lead to.
pub(super) struct Known<'b> {
    catalogue: &'b Catalogue,
    keys: BTreeMap<&'b Kind, BTreeSet<&'b Key>>,
    /// The keys of kinds of which case does not count, as they are compared.
    folded: BTreeSet<ObjectRef>,
    /// Kinds and objects that could not be read.
    gaps: BTreeSet<(&'b str, Option<&'b str>)>,
    /// The bundle holds what somebody selected, not everything.
    partial: bool,
}

impl<'b> Known<'b> {
    pub(super) fn new(catalogue: &'b Catalogue, bundle: &'b Bundle) -> Self {
        let mut keys: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let mut folded = BTreeSet::new();
        for object in bundle.documents.keys() {
            keys.entry(&object.kind).or_default().insert(&object.key);
            let descriptor = catalogue.get(object.kind.as_str());
            if descriptor.is_ok_and(|descriptor| descriptor.key.ignore_case) {
                folded.insert(normal(catalogue, object));
            }
        }
        let gaps = bundle
            .gaps
            .iter()
            .map(|gap| (gap.kind.as_str(), gap.object.as_deref()));
        Self {
            catalogue,
            keys,
            folded,
            gaps: gaps.collect(),
            partial: !bundle.selection.is_empty(),
        }
    }

    fn has(&self, object: &ObjectRef) -> bool {
        let keys = self.keys.get(&object.kind);
        keys.is_some_and(|keys| keys.contains(&object.key))
            || self.folded.contains(&normal(self.catalogue, object))
    }

    /// Judges a reference to an object that the bundle does not hold.
    fn judge_absent(&self, object: &ObjectRef, pointer: &str, report: &mut Report<'_>) {
        let Ok(descriptor) = self.catalogue.get(object.kind.as_str()) else {
            let message = format!(
                "refers to {object}, but {} is no kind that is carried; the reference will be left out",
                object.kind
            );
            report.add(Severity::Warning, "kind-not-carried", pointer, message);
            return;
        };
        if object.key.is_builtin() {
            return check_builtin(descriptor, object, pointer, report);
        }
        let kind = object.kind.as_str();
        let unread = self.gaps.contains(&(kind, None))
            || self.gaps.contains(&(kind, Some(object.key.as_str())));
        let elsewhere = unread
            || self.partial
            || descriptor.clone == ClonePhase::Mapped
            || !self.keys.contains_key(&object.kind);
        if elsewhere {
            let message =
                format!("refers to {object}, which is not in the bundle; the target must have it");
            report.add(Severity::Note, "reference-not-in-bundle", pointer, message);
            return;
        }
        let message = format!("refers to {object}, which is not in the bundle");
        let keys = self.keys[&object.kind].iter().map(|key| key.as_str());
        let near = nearest(object.key.as_str(), keys).map(|key| format!("{kind}/{key}"));
        report
            .error("reference-to-nothing", pointer, message)
            .suggestion = near;
    }
}

/// Checks that some org could have a built-in object of that name.
fn check_builtin(
    descriptor: &Descriptor,
    object: &ObjectRef,
    pointer: &str,
    report: &mut Report<'_>,
) {
    let names: Vec<String> = descriptor
        .builtins
        .iter()
        .filter_map(|builtin| Some(Key::builtin(builtin.key.as_deref()?).as_str().to_owned()))
        .chain(descriptor.singleton.then(|| "~settings".to_owned()))
        .collect();
    let open = descriptor
        .builtins
        .iter()
        .any(|builtin| builtin.key_field.is_some());
    if open || names.iter().any(|name| name == object.key.as_str()) {
        return;
    }
    let message = format!(
        "refers to {object}, and no org has such a built-in {}",
        descriptor.title
    );
    let near = nearest(object.key.as_str(), names.iter().map(String::as_str));
    report
        .error("reference-to-nothing", pointer, message)
        .suggestion = near.map(|key| format!("{}/{key}", object.kind));
}

pub(super) fn check(
    descriptor: &Descriptor,
    document: &Portable,
    known: &Known<'_>,
    report: &mut Report<'_>,
) {
    let body = Value::Object(document.body.clone());
    let mut places = BTreeSet::new();
    for reference in &descriptor.references {
        visit(&reference.path, &body, &mut |pointer, value, parent| {
            if reference.keys {
                return check_keys(reference, pointer, value, known, report);
            }
            places.insert(pointer.to_owned());
            check_place(reference, pointer, value, parent, known, report);
        });
    }
    stray(&body, "", &places, report);
}

fn check_place(
    reference: &Reference,
    pointer: &str,
    value: &Value,
    parent: &Value,
    known: &Known<'_>,
    report: &mut Report<'_>,
) {
    // Beside a bare id the type field says whether it is one at all; so it is none without one.
    if let Some(by) = reference.by.as_ref().filter(|_| reference.bare) {
        match parent.get(by).and_then(Value::as_str) {
            Some(name) if !reference.kinds.contains_key(name) => return,
            None if Slot::of(value).is_none() => return,
            _ => {}
        }
    }
    let object = match (Slot::of(value), value) {
        (Some(Slot::Ref(object)), _) => object,
        (Some(Slot::Var(_)), _) | (None, Value::Null) => return,
        (None, Value::String(text)) if reference.or_name || reference.is_literal(text) => return,
        (None, Value::Object(map))
            if map
                .get("id")
                .and_then(Value::as_str)
                .is_some_and(|id| reference.is_literal(id)) =>
        {
            return;
        }
        (None, Value::Object(map)) if map.contains_key("$ref") => return, // said by the body's check
        (Some(Slot::Secret(_)) | None, _) => {
            let message = format!(
                "expected a reference, {{\"$ref\": \"{}/key\"}}, found {}",
                kinds(reference)[0],
                found(value)
            );
            report.error("not-a-reference", pointer, message);
            return;
        }
    };
    let allowed = kinds(reference);
    if !allowed.contains(&object.kind.as_str()) {
        let message = format!(
            "refers to {object}, but a {} belongs here",
            allowed.join(" or a ")
        );
        let twin = allowed
            .iter()
            .map(|kind| ObjectRef::new(Kind::new(kind), object.key.clone()));
        let twin = twin
            .into_iter()
            .find(|twin| known.has(twin))
            .map(|twin| twin.to_string());
        report.error("wrong-kind", pointer, message).suggestion =
            twin.or_else(|| nearest(object.kind.as_str(), allowed.iter().copied()));
    } else if !known.has(&object) {
        known.judge_absent(&object, pointer, report);
    }
}

/// Checks a map that is keyed by references, which are written `$ref:kind/key`.
fn check_keys(
    reference: &Reference,
    pointer: &str,
    value: &Value,
    known: &Known<'_>,
    report: &mut Report<'_>,
) {
    for key in value.as_object().into_iter().flat_map(|map| map.keys()) {
        let pointer = step(pointer, key);
        match Slot::of_key(key) {
            Some(object) => {
                let value = Slot::Ref(object).to_value();
                check_place(reference, &pointer, &value, &Value::Null, known, report);
            }
            None if reference.is_literal(key) => {}
            None => {
                let message = format!(
                    "the keys of this map are references, written \"$ref:{}/key\"",
                    kinds(reference)[0]
                );
                report.error("not-a-reference", &pointer, message);
            }
        }
    }
}

fn kinds(reference: &Reference) -> Vec<&str> {
    let mut found: Vec<_> = reference
        .kind
        .iter()
        .chain(reference.kinds.values())
        .map(Kind::as_str)
        .collect();
    found.dedup();
    if found.is_empty() {
        found.push("kind");
    }
    found
}

/// Looks for references where the kind has none.
fn stray(value: &Value, pointer: &str, places: &BTreeSet<String>, report: &mut Report<'_>) {
    match value {
        Value::Object(map) if map.contains_key("$ref") => {
            let stray = !places.contains(pointer) && !is_json_schema(map);
            if stray {
                let message =
                    "no other object is known to be referred to here; it will be sent as an id"
                        .to_owned();
                report.add(Severity::Warning, "undeclared-reference", pointer, message);
            }
        }
        Value::Object(map) => {
            for (field, value) in map {
                stray(value, &step(pointer, field), places, report);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                stray(item, &step(pointer, &index.to_string()), places, report);
            }
        }
        _ => {}
    }
}

/// Calls `visit` with every value at a place: its pointer, itself, and what holds it.
pub(super) fn visit(path: &FieldPath, body: &Value, visit: &mut dyn FnMut(&str, &Value, &Value)) {
    let segments: Vec<&str> = path.segments().collect();
    walk(body, body, "", &segments, visit);
}

fn walk(
    value: &Value,
    parent: &Value,
    pointer: &str,
    path: &[&str],
    visit: &mut dyn FnMut(&str, &Value, &Value),
) {
    let Some((segment, rest)) = path.split_first() else {
        return visit(pointer, value, parent);
    };
    match (*segment, value) {
        ("[]", Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, value, &step(pointer, &index.to_string()), rest, visit);
            }
        }
        ("[]", Value::Object(map)) if map.len() == 1 => {
            if let Some(items) = map.get(HAS) {
                walk(items, value, &step(pointer, HAS), path, visit);
            }
        }
        ("{}", Value::Object(map)) => {
            for (name, inner) in map {
                walk(inner, value, &step(pointer, name), rest, visit);
            }
        }
        (name, Value::Object(map)) => {
            if let Some(inner) = map.get(name) {
                walk(inner, value, &step(pointer, name), rest, visit);
            }
        }
        _ => {}
    }
}
