//! Objects that are called otherwise in the target: their keys, and whatever refers to them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bundle::Bundle;
use crate::catalogue::{Catalogue, Driver};
use crate::document::{Json, Packed, rename_refs};
use crate::file_refs;
use crate::flow::{self, FlowTarget, ObjectKind, Rename};
use crate::flow_names::FlowNames;
use crate::id::{Key, ObjectRef};
use crate::plan::{Conflict, FLOW_SOURCE};
use crate::validate::key;

/// What objects were called, and are called now.
pub type Moved = BTreeMap<ObjectRef, ObjectRef>;

/// Puts objects where their fields say, and lets everything else refer to them there.
///
/// `moved` are the objects whose own fields say another key; those that live in them follow. Objects
/// that would become one are left out and told of, but for divisions: one may take in another.
pub(crate) fn rename(
    catalogue: &Catalogue,
    bundle: &mut Bundle,
    mut moved: Moved,
    conflicts: &mut Vec<Conflict>,
) -> Moved {
    let mut all = Moved::new();
    // What was at odds with its place before is not for an overlay to mend.
    let mut odd = Moved::new();
    if !moved.is_empty() {
        odd = misplaced(catalogue, bundle.documents.values());
        odd.retain(|object, _| !moved.contains_key(object));
    }
    while !moved.is_empty() {
        rename_in_flows(catalogue, bundle, &moved, conflicts);
        let new = |object: &ObjectRef| {
            let own = moved.get(object).cloned();
            own.or_else(|| brought_by(catalogue, &moved, object))
        };
        for document in bundle.documents.values_mut() {
            let mut body = document.body.value();
            rename_refs(&mut body, &new);
            document.body = Json::from(&body);
            file_refs::rename_in(&mut document.files, &new);
        }
        put(bundle, &moved, conflicts);
        for place in all.values_mut() {
            if let Some(further) = moved.get(place) {
                *place = further.clone();
            }
        }
        all.extend(moved);
        // What lives in a renamed object has its name in its own key.
        moved = misplaced(catalogue, bundle.documents.values());
        moved.retain(|object, _| !odd.contains_key(object));
    }
    all
}

/// Returns what an object is called that comes with one that is called otherwise.
fn brought_by(catalogue: &Catalogue, moved: &Moved, object: &ObjectRef) -> Option<ObjectRef> {
    let old = catalogue.bringer(object)?;
    let mut parts = moved.get(&old)?.key.parts();
    parts.extend(object.key.parts().split_off(old.key.parts().len()));
    Some(ObjectRef::new(object.kind.clone(), Key::from_parts(&parts)))
}

/// Returns the objects whose fields say another key than they have, with that.
pub(crate) fn misplaced<'d>(
    catalogue: &Catalogue,
    documents: impl IntoIterator<Item = &'d Packed>,
) -> Moved {
    let documents = documents.into_iter();
    let moved = documents.filter_map(|document| {
        let object = &document.object;
        let descriptor = catalogue.get(object.kind.as_str()).ok()?;
        let said = key::said(descriptor, &document.open())?;
        let same = key::in_case(descriptor, said.as_str())
            == key::in_case(descriptor, object.key.as_str());
        (!same).then(|| (object.clone(), ObjectRef::new(object.kind.clone(), said)))
    });
    moved.collect()
}

/// Puts the documents in their new places.
fn put(bundle: &mut Bundle, moved: &Moved, conflicts: &mut Vec<Conflict>) {
    let leaving = moved.keys().filter_map(|old| {
        let document = bundle.documents.remove(old)?;
        Some((old.clone(), document))
    });
    let leaving: Vec<(ObjectRef, Packed)> = leaving.collect();
    let mut claims: BTreeMap<ObjectRef, Vec<(ObjectRef, Packed)>> = BTreeMap::new();
    for (old, mut document) in leaving {
        let new = moved[&old].clone();
        document.object = new.clone();
        claims.entry(new).or_default().push((old, document));
    }
    for (new, mut claimants) in claims {
        let there = bundle.documents.contains_key(&new);
        if new.kind.as_str() == "auth_division" {
            if !there && let Some((_, document)) = claimants.pop() {
                bundle.documents.insert(new, document);
            }
            continue;
        }
        if claimants.len() == 1 && !there {
            bundle
                .documents
                .extend(claimants.pop().map(|(_, document)| (new, document)));
            continue;
        }
        let names: Vec<String> = claimants.iter().map(|(old, _)| old.to_string()).collect();
        let also = if there {
            " beside the one there is"
        } else {
            ""
        };
        for (object, _) in claimants {
            let reason = format!(
                "{new} would be made of {}{also}; give each a name of its own",
                names.join(" and of ")
            );
            conflicts.push(Conflict { object, reason });
        }
    }
}

/// Renames what flows name, and flows that are called otherwise.
fn rename_in_flows(
    catalogue: &Catalogue,
    bundle: &mut Bundle,
    moved: &Moved,
    conflicts: &mut Vec<Conflict>,
) {
    let is_flow = |document: &Packed| {
        let descriptor = catalogue.get(document.object.kind.as_str());
        descriptor.is_ok_and(|descriptor| descriptor.driver == Driver::Flow)
    };
    if !bundle.documents.values().any(is_flow) {
        return;
    }
    // The keys are still the old ones; where a name was changed, flows know the old one.
    let names: Vec<(ObjectRef, Option<Value>)> = bundle
        .documents
        .iter()
        .map(|(object, document)| {
            let old = moved.contains_key(object).then(|| old_name(object));
            let name = old.or_else(|| document.field("name"));
            (object.clone(), name)
        })
        .collect();
    let names = names.iter().map(|(object, name)| (object, name.clone()));
    let resolver = FlowNames::new(catalogue, names);
    let mut failed = Vec::new();
    for (object, document) in &mut bundle.documents {
        if !is_flow(document) {
            continue;
        }
        let Some(text) = document.files.get(FLOW_SOURCE) else {
            continue;
        };
        let Ok(text) = std::str::from_utf8(text) else {
            continue;
        };
        match renamed_flow(text, object, moved, &resolver) {
            Ok(None) => {}
            Ok(Some(text)) => {
                document
                    .files
                    .insert(FLOW_SOURCE.to_owned(), text.into_bytes().into());
            }
            Err(error) => failed.push((object.clone(), error)),
        }
    }
    for (object, error) in failed {
        bundle.documents.remove(&object);
        let reason = format!("the names in its source cannot be changed: {error}");
        conflicts.push(Conflict { object, reason });
    }
}

fn old_name(object: &ObjectRef) -> Value {
    Value::String(object.key.parts().pop().unwrap_or_default())
}

fn renamed_flow(
    text: &str,
    object: &ObjectRef,
    moved: &Moved,
    resolver: &FlowNames<'_>,
) -> Result<Option<String>, flow::FlowError> {
    let scan = flow::scan(text)?;
    let mut edits = BTreeMap::new();
    for reference in &scan.references {
        let new = resolver
            .find(&reference.target)
            .and_then(|old| moved.get(&old));
        if let Some(new) = new {
            let from = reference.target.clone();
            let to = called(&from, new);
            edits.insert(from, to);
        }
    }
    if let Some(new) = moved.get(object) {
        let own = FlowTarget::flow(scan.flow_type, scan.name.clone());
        let to = called(&own, new);
        edits.insert(own, to);
    }
    if edits.is_empty() {
        return Ok(None);
    }
    let edits: Vec<Rename> = edits
        .into_iter()
        .map(|(from, to)| Rename { from, to })
        .collect();
    Ok(Some(flow::rename(text, &edits)?.text))
}

/// Returns how a flow names an object under its new key.
fn called(old: &FlowTarget, new: &ObjectRef) -> FlowTarget {
    let mut parts = new.key.parts();
    let name = parts.pop().unwrap_or_default();
    match old {
        FlowTarget::DataAction { category, .. } if !category.is_empty() => {
            FlowTarget::data_action(parts.pop().unwrap_or_default(), name)
        }
        // A flow may name a user by name, which is no part of the key and stays.
        FlowTarget::Object {
            kind: ObjectKind::User,
            name: old,
        } if !old.contains('@') => FlowTarget::object(ObjectKind::User, old.clone()),
        other => other.renamed(name),
    }
}
