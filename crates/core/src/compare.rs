//! What differs between two bundles, object by object.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::bundle::{Bundle, Origin};
use crate::catalogue::{Catalogue, Descriptor, Driver};
use crate::diff::{Change, ItemChanges, changes, more};
use crate::document::{Files, Portable};
use crate::flow::{self, i3};
use crate::id::ObjectRef;
use crate::plan::{FLOW_SOURCE, digest_of};

/// What differs between two bundles.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Where the first came from.
    pub from: Origin,
    /// Where the second came from.
    pub to: Origin,
    /// Objects that only the second has.
    pub added: Vec<ObjectRef>,
    /// Objects that only the first has.
    pub removed: Vec<ObjectRef>,
    /// Objects that both have, with what differs.
    pub changed: BTreeMap<ObjectRef, Vec<Change>>,
    /// How many objects are equal.
    pub same: usize,
}

impl Comparison {
    /// Compares two bundles; a field that the second leaves out is no difference, unless it was read from
    /// an org: then that org has it not.
    pub fn new(catalogue: &Catalogue, from: &Bundle, to: &Bundle) -> Self {
        let only = |one: &Bundle, other: &Bundle| {
            let objects = one.documents.keys();
            objects
                .filter(|object| !other.documents.contains_key(*object))
                .cloned()
                .collect()
        };
        let mut found = Self {
            from: from.source.clone(),
            to: to.source.clone(),
            added: only(to, from),
            removed: only(from, to),
            changed: BTreeMap::new(),
            same: 0,
        };
        for (object, new) in &to.documents {
            let Some(old) = from.documents.get(object) else {
                continue;
            };
            let descriptor = catalogue.get(object.kind.as_str()).ok();
            let differences = match old == new {
                true => Vec::new(),
                false => {
                    let (old, new) = (old.open(), new.open());
                    let mut found = document_changes(descriptor, &old, &new);
                    if let Some(descriptor) = descriptor.filter(|_| to.was_read(object)) {
                        let new = (&new.body, &new.files);
                        found.extend(more(descriptor, new, (&old.body, &old.files)));
                    }
                    found
                }
            };
            if differences.is_empty() {
                found.same += 1;
            } else {
                found.changed.insert(object.clone(), differences);
            }
        }
        found
    }

    /// Tells whether nothing differs.
    pub fn is_empty(&self) -> bool {
        let Self {
            from: _,
            to: _,
            added,
            removed,
            changed,
            same: _,
        } = self;
        added.is_empty() && removed.is_empty() && changed.is_empty()
    }
}

/// Returns what one document has that differs from another; what it leaves out is no difference.
pub(crate) fn document_changes(
    descriptor: Option<&Descriptor>,
    old: &Portable,
    new: &Portable,
) -> Vec<Change> {
    let Some(descriptor) = descriptor else {
        return changes(&new.body, &old.body, &|_| false);
    };
    let lists = || descriptor.parts.iter().filter(|part| !part.single);
    let mut found = changes(&new.body, &old.body, &|field| {
        lists().any(|part| part.field == field)
    });
    for part in lists().filter(|part| new.body.contains_key(&part.field)) {
        let (wanted, have) = (new.body.get(&part.field), old.body.get(&part.field));
        let items = ItemChanges::between(part, wanted, have);
        found.extend(items.to_changes(part));
    }
    file_changes(descriptor, &old.files, &new.files, &mut found);
    found
}

fn file_changes(descriptor: &Descriptor, old: &Files, new: &Files, found: &mut Vec<Change>) {
    for (name, bytes) in new {
        let before = old.get(name);
        if before == Some(bytes) {
            continue;
        }
        // An `.i3*` file is text that nobody can read.
        let text = |bytes: &[u8]| match name == i3::FILE {
            true => None,
            false => std::str::from_utf8(bytes).ok().map(str::to_owned),
        };
        let texts = before.and_then(|before| text(before)).zip(text(bytes));
        if descriptor.driver == Driver::Flow
            && name == FLOW_SOURCE
            && let Some((before, after)) = &texts
            && let (Ok(before), Ok(after)) = (flow::canonical(before), flow::canonical(after))
            && before == after
        {
            continue;
        }
        let (before, after) = match texts {
            Some((before, after)) => (Some(before), after),
            None => (before.map(|bytes| digest_of(bytes)), digest_of(bytes)),
        };
        found.push(Change {
            path: name.clone(),
            old: before.map(Value::String),
            new: Some(Value::String(after)),
        });
    }
}
