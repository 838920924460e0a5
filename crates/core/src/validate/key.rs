//! Keys: where a document lies says which object it is, and its fields must say the same.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Report, step};
use crate::bundle::Bundle;
use crate::catalogue::{Catalogue, Descriptor};
use crate::document::{Portable, Slot};
use crate::id::{Key, ObjectRef};
use crate::path::FieldPath;
use crate::people::is_members_only;
use crate::plan::Conflict;

pub(super) fn check(descriptor: &Descriptor, document: &Portable, report: &mut Report<'_>) {
    let key = &document.object.key;
    if descriptor.singleton {
        if key.as_str() != "~settings" {
            let message = format!(
                "an org has one {}, and its key is ~settings",
                descriptor.title
            );
            report.error("key-mismatch", "", message);
        }
        return;
    }
    if key.is_builtin() || is_members_only(descriptor, document.body.keys()) {
        return;
    }
    let body = Value::Object(document.body.clone());
    let mut parts = Vec::new();
    let mut missing = Vec::new();
    for path in &descriptor.key.fields {
        match part(descriptor, path, &body) {
            Some(found) => parts.extend(found),
            // A data action of Genesys' own has no integration; its key says so with an empty part.
            None => {
                missing.push(path);
                parts.push(String::new());
            }
        }
    }
    let computed = in_case(descriptor, Key::from_parts(&parts).as_str());
    if computed == in_case(descriptor, key.as_str()) {
        return;
    }
    for path in &missing {
        let message = format!(
            "a {} is known by its {path}, which is missing",
            descriptor.title
        );
        report.error("missing-key-field", "", message);
    }
    if missing.is_empty() {
        let pointer = match &descriptor.key.fields[..] {
            [path] => path
                .segments()
                .fold(String::new(), |pointer, name| step(&pointer, name)),
            _ => String::new(),
        };
        let message = format!(
            "the file's place says {:?} and its fields say {computed:?}; move the file or change the fields",
            key.as_str()
        );
        report.error("key-mismatch", &pointer, message);
    }
}

/// Returns the key that the fields of a document say, where they say a whole one.
pub(crate) fn said(descriptor: &Descriptor, document: &Portable) -> Option<Key> {
    let known =
        document.object.key.is_builtin() || is_members_only(descriptor, document.body.keys());
    if descriptor.singleton || known {
        return None;
    }
    let body = Value::Object(document.body.clone());
    let mut parts = Vec::new();
    for path in &descriptor.key.fields {
        parts.extend(part(descriptor, path, &body)?);
    }
    Some(Key::from_parts(&parts))
}

/// Returns what a field contributes to a key; a reference contributes the key it leads to.
fn part(descriptor: &Descriptor, path: &FieldPath, body: &Value) -> Option<Vec<String>> {
    let value = path.get(body)?;
    if let Some(Slot::Ref(object)) = Slot::of(value) {
        return Some(object.key.parts());
    }
    let text = match value {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(vec![if descriptor.key.lower_case.contains(path) {
        text.to_lowercase()
    } else {
        text
    }])
}

/// Returns a key as it is compared.
pub(crate) fn in_case(descriptor: &Descriptor, key: &str) -> String {
    if descriptor.key.ignore_case {
        key.to_lowercase()
    } else {
        key.to_owned()
    }
}

/// Looks for documents that are one object, as the API sees it.
pub(super) fn check_case<'b>(catalogue: &Catalogue, bundle: &'b Bundle, report: &mut Report<'b>) {
    for several in same(catalogue, bundle) {
        for (object, message) in told(catalogue, &several).skip(1) {
            report.object = Some(object);
            report.error("duplicate-key", "", message);
        }
    }
}

/// Finds the documents that are one object as the API sees it, and says so of each: which of them is meant
/// only a person knows.
pub(super) fn twins(catalogue: &Catalogue, bundle: &Bundle) -> Vec<Conflict> {
    let several = same(catalogue, bundle).into_iter();
    let conflicts = several.flat_map(|several| {
        let told = told(catalogue, &several).map(|(object, message)| Conflict {
            object: object.clone(),
            reason: format!("{message}; keep one of the documents"),
        });
        told.collect::<Vec<_>>()
    });
    conflicts.collect()
}

/// Returns the objects whose keys differ in case only, where that does not count; two or more each.
fn same<'b>(catalogue: &Catalogue, bundle: &'b Bundle) -> Vec<Vec<&'b ObjectRef>> {
    let mut found: BTreeMap<(&str, String), Vec<&ObjectRef>> = BTreeMap::new();
    for object in bundle.documents.keys() {
        let kind = object.kind.as_str();
        if let Ok(descriptor) = catalogue.get(kind)
            && descriptor.key.ignore_case
        {
            let key = in_case(descriptor, object.key.as_str());
            found.entry((kind, key)).or_default().push(object);
        }
    }
    found.retain(|_, several| several.len() > 1);
    found.into_values().collect()
}

/// Says of each of several documents that another is the same object.
fn told<'b>(
    catalogue: &Catalogue,
    several: &[&'b ObjectRef],
) -> impl Iterator<Item = (&'b ObjectRef, String)> {
    several.iter().enumerate().map(|(index, object)| {
        let other = several[if index == 0 { 1 } else { index - 1 }];
        let title = catalogue
            .get(object.kind.as_str())
            .map_or("object", |kind| &kind.title);
        let message = format!("{other} is the same {title}: case does not count");
        (*object, message)
    })
}
