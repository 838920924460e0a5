//! What selected kinds and documents refer to, and what that refers to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::Read;
use crate::bundle::Bundle;
use crate::catalogue::{Catalogue, Descriptor, Driver, MEMBER_OF, Part};
use crate::document::{Packed, Portable, Slot, text_refs};
use crate::file_refs;
use crate::flow::{self, FlowTarget, i3};
use crate::flow_names::{self, FlowNames};
use crate::id::{Kind, ObjectRef};
use crate::path::Items;
use crate::plan::FLOW_SOURCE;

/// The kind whose objects say which telephone numbers an org has.
pub(crate) const NUMBERS: &str = "telephony_providers_edges_did_pool";

/// Returns the kinds that must be read for some to be read whole.
pub(super) fn kinds<'k>(
    catalogue: &'k Catalogue,
    selected: impl Iterator<Item = &'k Kind>,
    with_dependencies: bool,
) -> BTreeMap<Kind, Read> {
    let mut found: BTreeMap<Kind, Read> = BTreeMap::new();
    let own = if with_dependencies {
        Read::Asked
    } else {
        Read::Whole
    };
    let mut open: Vec<(Kind, Read)> = selected.map(|kind| (kind.clone(), own)).collect();
    while let Some((kind, read)) = open.pop() {
        let Ok(descriptor) = catalogue.get(kind.as_str()) else {
            continue;
        };
        if found.get(&kind).is_some_and(|known| *known >= read) {
            continue;
        }
        found.insert(kind, read);
        if read == Read::Asked {
            let belongs = descriptor.member_of.values().map(|belongs| &belongs.kind);
            let brought = descriptor.brings.iter().map(|brings| &brings.kind);
            let own = belongs.chain(brought);
            open.extend(own.map(|kind| (kind.clone(), Read::Whole)));
        }
        match read {
            Read::Names => {
                let owners = descriptor.list.iter().filter_map(|list| list.each.as_ref());
                let of_key = descriptor.key_references().map(|(kind, _)| kind);
                let needed = of_key.chain(owners).chain(&descriptor.key.names);
                open.extend(needed.map(|kind| (kind.clone(), Read::Names)));
            }
            Read::Whole | Read::Asked => {
                let of_others = if with_dependencies {
                    Read::Whole
                } else {
                    Read::Names
                };
                open.extend(referred(descriptor).map(|kind| (kind, of_others)));
                let owners = descriptor.list.iter().filter_map(|list| list.each.clone());
                open.extend(owners.map(|kind| (kind, Read::Names)));
                // A part that is read off other objects needs their rows.
                let inverse = descriptor
                    .parts
                    .iter()
                    .filter_map(|part| part.inverse.as_ref());
                open.extend(inverse.map(|inverse| (inverse.kind.clone(), Read::Names)));
                if !descriptor.numbers.is_empty() {
                    open.push((Kind::new(NUMBERS), Read::Names));
                }
            }
        }
    }
    found
}

fn referred(descriptor: &Descriptor) -> impl Iterator<Item = Kind> {
    let declared = descriptor.references.iter();
    let declared = declared.filter(|reference| reference.path.root() != MEMBER_OF);
    let declared =
        declared.flat_map(|reference| reference.kind.iter().chain(reference.kinds.values()));
    let named: Vec<Kind> = if descriptor.driver == Driver::Flow {
        flow_names::kinds().map(Kind::new).collect()
    } else if descriptor.driver == Driver::Script {
        file_refs::KINDS.iter().copied().map(Kind::new).collect()
    } else {
        Vec::new()
    };
    declared.cloned().chain(named)
}

/// Takes out of a document who belongs to the object: what is only taken along comes without.
pub fn without_members(catalogue: &Catalogue, document: &mut Portable) {
    for field in members(catalogue, &document.object.kind) {
        document.body.remove(field);
    }
}

/// Returns the fields in which objects of a kind say who belongs to them.
fn members<'c>(catalogue: &'c Catalogue, kind: &Kind) -> impl Iterator<Item = &'c String> {
    member_parts(catalogue, kind).map(|part| &part.field)
}

/// Returns the parts in which objects of a kind say who belongs to them.
pub(crate) fn member_parts<'c>(
    catalogue: &'c Catalogue,
    kind: &Kind,
) -> impl Iterator<Item = &'c Part> {
    let descriptor = catalogue.get(kind.as_str()).ok();
    let parts = descriptor
        .into_iter()
        .flat_map(|descriptor| &descriptor.parts);
    parts.filter(|part| part.members)
}

/// Returns who belongs to an object by an item of such a part.
pub(crate) fn member_of_item(part: &Part, item: &Value) -> Option<ObjectRef> {
    let named = Slot::of(item).or_else(|| Slot::of(item.get(part.identity.first()?)?));
    match named {
        Some(Slot::Ref(object)) => Some(object),
        _ => None,
    }
}

/// Leaves of who belongs to an object some only, *besides* others; tells whether one of them does.
pub(super) fn keep_members(
    catalogue: &Catalogue,
    document: &mut Portable,
    kept: &BTreeSet<ObjectRef>,
) -> bool {
    let mut any = false;
    for part in member_parts(catalogue, &document.object.kind) {
        let Some(said) = document.body.remove(&part.field) else {
            continue;
        };
        let items = Items::of(&said).map_or(&[][..], |items| items.list);
        let is_kept =
            |item: &&Value| member_of_item(part, item).is_some_and(|member| kept.contains(&member));
        let items: Vec<Value> = items.iter().filter(is_kept).cloned().collect();
        if !items.is_empty() {
            any = true;
            let items = Items::at_least(items);
            document.body.insert(part.field.clone(), items);
        }
    }
    any
}

/// Returns the objects that some belong to, as these say themselves.
pub(super) fn holders<'b>(
    catalogue: &Catalogue,
    bundle: &'b Bundle,
    of: &BTreeSet<ObjectRef>,
) -> BTreeSet<&'b ObjectRef> {
    let holds = |object: &ObjectRef, document: &Packed| {
        member_parts(catalogue, &object.kind).next().is_some()
            && keep_members(catalogue, &mut document.open(), of)
    };
    let documents = bundle.documents.iter();
    let held = documents.filter(|(object, document)| holds(object, document));
    held.map(|(object, _)| object).collect()
}

/// Adds to documents what they refer to, except what is excluded; those that are not selected come without
/// who belongs to them.
pub(super) fn documents<'b>(
    catalogue: &Catalogue,
    bundle: &'b Bundle,
    selected: &BTreeSet<&'b ObjectRef>,
    kept: &mut BTreeSet<&'b ObjectRef>,
    excluded: &dyn Fn(&Packed) -> bool,
) {
    let dependencies = Dependencies::new(catalogue, flow_names::of_bundle(bundle));
    let brought = brought(catalogue, bundle).into_iter();
    kept.extend(
        brought
            .filter(|(owner, document)| selected.contains(owner) && !excluded(document))
            .map(|(_, document)| &document.object),
    );
    let mut open: Vec<&ObjectRef> = kept.iter().copied().collect();
    while let Some(object) = open.pop() {
        let Some(document) = bundle.documents.get(object) else {
            continue;
        };
        let mut document = document.open();
        if !selected.contains(object) {
            without_members(catalogue, &mut document);
        }
        for other in dependencies.of(&document) {
            if let Some((other, document)) = bundle.documents.get_key_value(&other)
                && !excluded(document)
                && kept.insert(other)
            {
                open.push(other);
            }
        }
    }
}

/// Returns the documents of objects that others bring along, with their owners: the phones of users.
pub(crate) fn brought<'b>(
    catalogue: &Catalogue,
    bundle: &'b Bundle,
) -> Vec<(ObjectRef, &'b Packed)> {
    let mut found = Vec::new();
    for brings in catalogue.iter().flat_map(|descriptor| &descriptor.brings) {
        let documents = bundle.documents.values();
        for document in documents.filter(|document| document.object.kind == brings.kind) {
            let owner = document.field(brings.by.root());
            if let Some(Slot::Ref(owner)) = owner.and_then(|owner| Slot::of(&owner)) {
                found.push((owner, document));
            }
        }
    }
    found
}

/// Finds what documents refer to: by references, and by names in a flow's source.
pub struct Dependencies<'o> {
    names: FlowNames<'o>,
}

impl<'o> Dependencies<'o> {
    /// Takes the objects that may be referred to, with what stands in their field `name`.
    pub fn new(
        catalogue: &'o Catalogue,
        objects: impl Iterator<Item = (&'o ObjectRef, Option<Value>)>,
    ) -> Self {
        Self {
            names: FlowNames::new(catalogue, objects),
        }
    }

    /// Returns what a document refers to.
    pub fn of(&self, document: &Portable) -> BTreeSet<ObjectRef> {
        let mut found = BTreeSet::new();
        references(document, &self.names, &mut |object, _| {
            found.insert(object);
        });
        found
    }

    /// Returns the objects that a flow's source names, by kind and name.
    pub fn names_in_source(document: &Portable) -> BTreeSet<(Kind, String)> {
        let named = targets_in_source(document).into_iter();
        named
            .map(|target| (Kind::new(target.kind()), target.name().to_owned()))
            .collect()
    }
}

fn targets_in_source(document: &Portable) -> Vec<FlowTarget> {
    let mut found = Vec::new();
    let source = document.files.get(FLOW_SOURCE);
    let source = source.and_then(|bytes| std::str::from_utf8(bytes).ok());
    if let Some(scan) = source.and_then(|text| flow::scan(text).ok()) {
        found.extend(
            scan.references
                .into_iter()
                .map(|reference| reference.target),
        );
    }
    let export = document.files.get(i3::FILE);
    if let Some(manifest) = export.and_then(|bytes| i3::manifest(bytes).ok()) {
        found.extend(manifest.entries.iter().filter_map(|entry| entry.target()));
    }
    found
}

/// Calls `visit` with every object that a document refers to, and the place of the reference: a
/// path into the body such as `members[].user`, or a file, with the line in a flow's source.
pub(crate) fn references(
    document: &Portable,
    names: &FlowNames<'_>,
    visit: &mut dyn FnMut(ObjectRef, &str),
) {
    let mut path = String::new();
    in_fields(&document.body, &mut path, visit);
    if let Some(script) = document.files.get(file_refs::SCRIPT) {
        for object in file_refs::slots(script).into_values() {
            visit(object, file_refs::SCRIPT);
        }
    }
    let source = document.files.get(FLOW_SOURCE);
    let source = source.and_then(|bytes| std::str::from_utf8(bytes).ok());
    if let Some(scan) = source.and_then(|text| flow::scan(text).ok()) {
        for reference in &scan.references {
            if let Some(object) = names.find(&reference.target) {
                visit(object, &format!("{FLOW_SOURCE}:{}", reference.line));
            }
        }
    }
    let export = document.files.get(i3::FILE);
    if let Some(manifest) = export.and_then(|bytes| i3::manifest(bytes).ok()) {
        let targets = manifest.entries.iter().filter_map(|entry| entry.target());
        for object in targets.filter_map(|target| names.find(&target)) {
            visit(object, i3::FILE);
        }
    }
}

fn in_fields(
    fields: &Map<String, Value>,
    path: &mut String,
    visit: &mut dyn FnMut(ObjectRef, &str),
) {
    let length = path.len();
    for (field, value) in fields {
        // A map that is keyed by ids has its keys as references.
        if let Some(object) = Slot::of_key(field) {
            path.push_str("{}");
            visit(object, path);
        } else {
            if length > 0 {
                path.push('.');
            }
            path.push_str(field);
        }
        in_value(value, path, visit);
        path.truncate(length);
    }
}

fn in_value(value: &Value, path: &mut String, visit: &mut dyn FnMut(ObjectRef, &str)) {
    match (Slot::of(value), value) {
        (Some(Slot::Ref(object)), _) => visit(object, path),
        (Some(_), _) => {}
        (None, Value::Array(list)) => {
            let length = path.len();
            path.push_str("[]");
            list.iter().for_each(|value| in_value(value, path, visit));
            path.truncate(length);
        }
        (None, Value::Object(map)) => in_fields(map, path, visit),
        (None, Value::String(text)) => {
            text_refs(text).for_each(|(_, object)| visit(object, path));
        }
        (None, _) => {}
    }
}
