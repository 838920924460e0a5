//! The one form of a bundle, whoever wrote it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::key::in_case;
use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::document::{Portable, rename_refs};
use crate::id::{Key, ObjectRef};

/// Brings keys, references, numbers and lists into the form in which they are compared.
///
/// Keys of kinds that do not tell case apart become lower case, in documents and in references;
/// lists without an order are sorted. Two documents that would get one key keep theirs:
/// [`validate`](super::validate) reports them.
pub fn normalise(catalogue: &Catalogue, bundle: &mut Bundle) {
    let lower = |object: &ObjectRef| lower(catalogue, object);
    let mut claims: BTreeMap<ObjectRef, usize> = BTreeMap::new();
    for object in bundle.documents.keys() {
        *claims
            .entry(lower(object).unwrap_or_else(|| object.clone()))
            .or_default() += 1;
    }
    let contested: BTreeSet<ObjectRef> = claims
        .into_iter()
        .filter(|(_, n)| *n > 1)
        .map(|(object, _)| object)
        .collect();
    let renamed = |object: &ObjectRef| lower(object).filter(|new| !contested.contains(new));

    for (object, document) in std::mem::take(&mut bundle.documents) {
        let mut document = document.open();
        document.object = renamed(&object).unwrap_or(object);
        normalise_document(catalogue, &mut document, &renamed);
        bundle.insert(document);
    }
}

/// Returns an object by the key by which it is compared.
pub fn normal(catalogue: &Catalogue, object: &ObjectRef) -> ObjectRef {
    lower(catalogue, object).unwrap_or_else(|| object.clone())
}

/// Returns an object by its key in lower case, where it has another and case does not count.
fn lower(catalogue: &Catalogue, object: &ObjectRef) -> Option<ObjectRef> {
    let descriptor = catalogue.get(object.kind.as_str()).ok()?;
    let key = in_case(descriptor, object.key.as_str());
    (key != object.key.as_str())
        .then(|| ObjectRef::new(object.kind.clone(), Key::from_encoded(&key)))
}

fn normalise_document(
    catalogue: &Catalogue,
    document: &mut Portable,
    renamed: &dyn Fn(&ObjectRef) -> Option<ObjectRef>,
) {
    let mut body = Value::Object(std::mem::take(&mut document.body));
    rename_refs(&mut body, renamed);
    if let Ok(descriptor) = catalogue.get(document.object.kind.as_str()) {
        crate::snapshot::normalise(descriptor, &mut body);
    }
    document.body = match body {
        Value::Object(map) => map,
        _ => Map::new(),
    };
}
