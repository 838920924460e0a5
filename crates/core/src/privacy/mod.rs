//! People of a bundle, made unknown: what is said of them is dropped, or put in other words.
//!
//! Where a kind's file says that a field is of a person (`pii`), the field goes or gets a pseudonym. A
//! pseudonym is made of the value by a key: the same person has the same one in every object, and in
//! every export with that key, and nobody without the key can tell who it is. Addresses, full names
//! and telephone numbers of those people are then looked for everywhere else (`mentions`), and what
//! is known by another name afterwards is renamed as an overlay renames it.

mod mentions;
mod pseudonym;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::bundle::Bundle;
use crate::catalogue::{Catalogue, Descriptor};
use crate::document::{Portable, Slot};
use crate::file_refs;
use crate::flow::i3;
use crate::id::{Key, Kind, ObjectRef};
use crate::models::Models;
use crate::overlay::{Moved, misplaced, rename, text_of};
use crate::path::FieldPath;
use crate::plan::Conflict;
use crate::secret::Secret;
use crate::select::NUMBERS;

use mentions::Mentions;
use pseudonym::Pseudonyms;

/// What becomes of what is said of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// It stays.
    #[default]
    Keep,
    /// It goes; what an object cannot be without gets a pseudonym.
    Drop,
    /// It becomes a keyed hash: equal texts stay equal.
    Hash,
    /// It becomes a name, an address and a number that are nobody's.
    Pseudonymise,
}

/// Makes people unknown.
pub struct Privacy {
    policy: Policy,
    kinds: BTreeMap<Kind, Policy>,
    key: [u8; 32],
    domain: String,
}

/// What was done about people.
#[derive(Debug, Default)]
pub struct Report {
    /// How many objects are of people, and say nothing of them any more.
    pub people: usize,
    /// How many other objects spoke of them.
    pub mentioned: usize,
    /// Fields that should have been dropped, and that no object can be without: they have pseudonyms.
    pub kept: BTreeSet<String>,
    /// Objects that hold an e-mail address of somebody who is not known.
    pub addresses: BTreeSet<ObjectRef>,
    /// Flows whose source nobody can look into.
    pub closed: BTreeSet<ObjectRef>,
    /// Objects that are left out, as they would have become one with another.
    pub conflicts: Vec<Conflict>,
}

impl Privacy {
    /// Takes what holds for every kind and what holds for single ones, and what pseudonyms are made
    /// with: a key, and the domain of addresses.
    pub fn new(policy: Policy, kinds: BTreeMap<Kind, Policy>, key: &Secret, domain: &str) -> Self {
        Self {
            policy,
            kinds,
            key: blake3::derive_key("orgsmith 2026-11 pseudonyms", key.expose().as_bytes()),
            domain: domain.to_lowercase(),
        }
    }

    /// Returns what becomes of the people of a kind; nothing where it stays, or is of nobody.
    fn of<'c>(&self, catalogue: &'c Catalogue, kind: &Kind) -> Option<(&'c Descriptor, Policy)> {
        let descriptor = catalogue.get(kind.as_str()).ok()?;
        let policy = self.kinds.get(kind).copied().unwrap_or(self.policy);
        (policy != Policy::Keep && !descriptor.pii.is_empty()).then_some((descriptor, policy))
    }

    /// Makes the people of a bundle unknown. Doing it again changes nothing.
    pub fn apply(&self, catalogue: &Catalogue, bundle: &mut Bundle) -> Report {
        let mut report = Report::default();
        let mut kinds = catalogue.iter().map(|descriptor| &descriptor.kind);
        if kinds.all(|kind| self.of(catalogue, kind).is_none()) {
            return report;
        }
        let odd = misplaced(catalogue, bundle.documents.values());
        let absent = self.absent(catalogue, bundle);
        let (pseudonyms, mentions) = self.search(catalogue, bundle, &absent);
        let of_pools = mentions.without_numbers();
        for (object, packed) in &mut bundle.documents {
            let mut document = packed.open();
            let person = self.of(catalogue, &object.kind);
            let mut touched = false;
            if let Some((descriptor, policy)) = person {
                let rewrite = Rewrite {
                    descriptor,
                    policy,
                    pseudonyms: &pseudonyms,
                };
                touched = rewrite.apply(&mut document, &mut report.kept);
                report.people += usize::from(touched);
            }
            // The numbers of a pool are a range of the company's, also where somebody has its first.
            let mentions = match object.kind.as_str() {
                NUMBERS => &of_pools,
                _ => &mentions,
            };
            let spoke = replace(mentions, &mut document, &mut report);
            report.mentioned += usize::from(spoke && !touched);
            if touched || spoke {
                *packed = document.into();
            }
        }
        let mut moved = misplaced(catalogue, bundle.documents.values());
        moved.retain(|object, _| !odd.contains_key(object));
        moved.extend(absent.iter().filter_map(|object| {
            let new = self.renamed(catalogue, &pseudonyms, object)?;
            (new != *object).then(|| (object.clone(), new))
        }));
        let moved = rename(catalogue, bundle, moved, &mut report.conflicts);
        self.tell_gaps(catalogue, bundle, &pseudonyms, &mentions, &moved);
        for term in &mut bundle.selection {
            if let Some(new) = mentions.replaced(term) {
                *term = new;
            }
        }
        let now = |object: ObjectRef| moved.get(&object).cloned().unwrap_or(object);
        for objects in [&mut report.addresses, &mut report.closed] {
            *objects = std::mem::take(objects).into_iter().map(now).collect();
        }
        for conflict in &mut report.conflicts {
            if let Some(new) = mentions.replaced(&conflict.reason) {
                conflict.reason = new;
            }
            conflict.object = now(conflict.object.clone());
        }
        report
    }

    /// Returns people whom documents refer to and who are not in the bundle.
    fn absent(&self, catalogue: &Catalogue, bundle: &Bundle) -> BTreeSet<ObjectRef> {
        let mut absent = BTreeSet::new();
        let mut take = |object: ObjectRef| {
            let known = bundle.documents.contains_key(&object) || object.key.is_builtin();
            if !known && self.of(catalogue, &object.kind).is_some() {
                absent.insert(object);
            }
        };
        for document in bundle.documents.values() {
            document.body.for_each_slot(&mut |slot| {
                if let Slot::Ref(object) = slot {
                    take(object);
                }
            });
            let files = document.files.values();
            files.for_each(|bytes| file_refs::slots(bytes).into_values().for_each(&mut take));
        }
        bundle
            .gaps
            .iter()
            .filter_map(|gap| gap.object_ref())
            .for_each(take);
        absent
    }

    /// Returns the name that somebody has who is known by it alone.
    fn renamed(
        &self,
        catalogue: &Catalogue,
        pseudonyms: &Pseudonyms,
        object: &ObjectRef,
    ) -> Option<ObjectRef> {
        let (descriptor, policy) = self.of(catalogue, &object.kind)?;
        let fields = &descriptor.key.fields;
        let mut parts = object.key.parts();
        if parts.len() != fields.len() {
            return None;
        }
        for (field, part) in fields.iter().zip(&mut parts) {
            if descriptor.pii.contacts.contains(field) {
                *part = pseudonyms.contact(part)?;
            } else if descriptor.pii.names.contains(field) {
                *part = pseudonyms.name(policy, part, object.key.as_str());
            }
        }
        Some(ObjectRef::new(object.kind.clone(), Key::from_parts(&parts)))
    }

    /// Finds everybody: what is put in the place of their addresses, names and numbers.
    fn search(
        &self,
        catalogue: &Catalogue,
        bundle: &Bundle,
        absent: &BTreeSet<ObjectRef>,
    ) -> (Pseudonyms, Mentions) {
        let mut contacts: BTreeSet<String> = BTreeSet::new();
        // What everybody is called who has a name.
        let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut pseudonyms = Pseudonyms::new(self.key, &self.domain);
        for (object, packed) in &bundle.documents {
            let Some((descriptor, policy)) = self.of(catalogue, &object.kind) else {
                continue;
            };
            let document = packed.open();
            let person = person(descriptor, &document);
            for path in &descriptor.pii.contacts {
                path.for_each_in(&document.body, &mut |value| {
                    for_each_text(value, &mut |text| {
                        contacts.insert(text.to_owned());
                    });
                });
            }
            let mut parts = Vec::new();
            for path in &descriptor.pii.names {
                path.for_each_in(&document.body, &mut |value| {
                    parts.extend(value.as_str().map(str::to_owned));
                });
            }
            let whole = parts.join(" ");
            for name in parts.into_iter().chain([whole]) {
                if mentions::is_telling(&name) && !pseudonyms.is_made(&name) {
                    let new = pseudonyms.name(policy, &name, &person);
                    names.entry(name).or_default().insert(new);
                }
            }
        }
        for object in absent {
            if let Some((descriptor, _)) = self.of(catalogue, &object.kind) {
                let parts = object.key.parts();
                let parts = descriptor.key.fields.iter().zip(parts);
                let personal = parts.filter(|(field, _)| descriptor.pii.contacts.contains(field));
                contacts.extend(personal.map(|(_, part)| part));
            }
        }
        pseudonyms.number_all(contacts.iter().map(String::as_str));
        let mut words = BTreeMap::new();
        let mut numbers = BTreeMap::new();
        for text in &contacts {
            match pseudonyms.contact(text) {
                Some(new) if new == *text => {}
                Some(new) if text.contains('@') => {
                    words.insert(text.clone(), new);
                }
                Some(new) => {
                    numbers.insert(pseudonym::digits(text), new);
                }
                None => {}
            }
        }
        for (name, of_all) in names {
            // A name that several have says of none of them who it is.
            let mut of_all = of_all.into_iter();
            let new = match (of_all.next(), of_all.next()) {
                (Some(new), None) => new,
                _ => pseudonyms.name(Policy::Pseudonymise, &name, &name),
            };
            words.insert(name, new);
        }
        let mentions = Mentions::new(words, numbers, &self.domain);
        (pseudonyms, mentions)
    }

    /// Makes people unknown in what is said of objects that could not be read.
    fn tell_gaps(
        &self,
        catalogue: &Catalogue,
        bundle: &mut Bundle,
        pseudonyms: &Pseudonyms,
        mentions: &Mentions,
        moved: &Moved,
    ) {
        for gap in &mut bundle.gaps {
            if let Some(object) = gap.object_ref() {
                let new = moved.get(&object).cloned();
                let new = new.or_else(|| self.renamed(catalogue, pseudonyms, &object));
                if let Some(new) = new {
                    gap.object = Some(new.key.as_str().to_owned());
                }
            }
            if let Some(new) = mentions.replaced(&gap.reason) {
                gap.reason = new;
            }
        }
    }
}

/// Replaces people whom a document speaks of; returns whether it did.
fn replace(mentions: &Mentions, document: &mut Portable, report: &mut Report) -> bool {
    let object = document.object.clone();
    let mut body = Value::Object(std::mem::take(&mut document.body));
    let mut spoke = mentions.replace_in(&mut body);
    let mut addresses = mentions.has_address_in(&body);
    if let Value::Object(body) = body {
        document.body = body;
    }
    for (name, bytes) in &mut document.files {
        if name == i3::FILE {
            report.closed.insert(object.clone());
        }
        let Some(text) = text_of(name, bytes) else {
            continue;
        };
        let new = mentions.replaced(text);
        addresses |= mentions.has_address(new.as_deref().unwrap_or(text));
        if let Some(new) = new {
            *bytes = Arc::from(new.into_bytes());
            spoke = true;
        }
    }
    if addresses {
        report.addresses.insert(object);
    }
    spoke
}

/// Says who a document is of: by the first e-mail address, else by what the document is known by.
fn person(descriptor: &Descriptor, document: &Portable) -> String {
    let mut address = None;
    for path in &descriptor.pii.contacts {
        path.for_each_in(&document.body, &mut |value| {
            for_each_text(value, &mut |text| {
                if address.is_none() && text.contains('@') {
                    address = Some(text.to_lowercase());
                }
            });
        });
    }
    address.unwrap_or_else(|| document.object.to_string())
}

/// Makes one object of a person unknown.
struct Rewrite<'a> {
    descriptor: &'a Descriptor,
    policy: Policy,
    pseudonyms: &'a Pseudonyms,
}

impl Rewrite<'_> {
    /// Rewrites the fields of a person; returns whether there were any.
    fn apply(&self, document: &mut Portable, kept: &mut BTreeSet<String>) -> bool {
        let before = document.body.clone();
        let person = person(self.descriptor, document);
        let pii = &self.descriptor.pii;
        let mut body = Value::Object(std::mem::take(&mut document.body));
        for path in &pii.names {
            self.each(path, &mut body, kept, &|text| {
                Some(self.pseudonyms.name(self.policy, text, &person))
            });
        }
        for path in &pii.contacts {
            self.each(path, &mut body, kept, &|text| self.pseudonyms.contact(text));
        }
        for path in &pii.texts {
            self.each(path, &mut body, kept, &|text| {
                Some(self.pseudonyms.text(self.policy, text))
            });
        }
        for path in &pii.others {
            path.retain(&mut body, &mut |_| false);
        }
        for path in &pii.contacts {
            // A way to reach somebody that leads nowhere is none.
            if let Some((holder, field)) = path.split_last_field().filter(|_| !path.is_root()) {
                holder.retain(&mut body, &mut |way| way.get(field).is_some());
            }
        }
        // An empty list would say that none are wanted, and not that nothing is said.
        for (_, path) in pii.all().filter(|(_, path)| path.in_list()) {
            let list = body.get(path.root()).and_then(Value::as_array);
            if list.is_some_and(Vec::is_empty)
                && before.get(path.root()) != body.get(path.root())
                && let Some(fields) = body.as_object_mut()
            {
                fields.remove(path.root());
            }
        }
        if let Value::Object(body) = body {
            document.body = body;
        }
        before != document.body
    }

    /// Drops or rewrites the texts at a place; anything else there goes.
    fn each(
        &self,
        path: &FieldPath,
        body: &mut Value,
        kept: &mut BTreeSet<String>,
        new: &dyn Fn(&str) -> Option<String>,
    ) {
        let stays = self.needs(path);
        path.retain(body, &mut |value| {
            if self.policy == Policy::Drop && !stays {
                return false;
            }
            let Value::String(text) = value else {
                return false;
            };
            if text.is_empty() {
                return true;
            }
            if self.policy == Policy::Drop {
                kept.insert(format!("{} {path}", self.descriptor.kind));
            }
            match new(text) {
                Some(new) => *text = new,
                None => return false,
            }
            true
        });
    }

    /// Tells whether an object cannot be without a field.
    fn needs(&self, path: &FieldPath) -> bool {
        let root = path.root();
        let known_by = self.descriptor.key.fields.iter();
        let mut fields = Models::builtin().kind(self.descriptor.kind.as_str()).iter();
        known_by.into_iter().any(|field| field.root() == root)
            || fields.any(|field| field.name == root && field.required)
    }
}

fn for_each_text<'v>(value: &'v Value, visit: &mut dyn FnMut(&'v str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(list) => list.iter().for_each(|value| for_each_text(value, visit)),
        Value::Object(map) => map.values().for_each(|value| for_each_text(value, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
