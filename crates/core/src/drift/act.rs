//! What is done about drift: the target is made right, or the source is.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::three_way::Field;
use super::{Drift, Drifted, What};
use crate::bundle::Bundle;
use crate::catalogue::{Catalogue, Descriptor, Driver, Part};
use crate::document::Portable;
use crate::id::ObjectRef;
use crate::path::Items;
use crate::plan::{CODE_CHANGE, FUNCTION_CODE};
use crate::snapshot::item_identity;

/// What is wanted of a target for some of its drift to go.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Objects as the target is to have them; what was not chosen is as it is there.
    pub bundle: Bundle,
    /// Objects that are to be deleted in it.
    pub delete: BTreeSet<ObjectRef>,
    /// Every object of which something was chosen.
    pub objects: BTreeSet<ObjectRef>,
}

/// What a source is to say for some drift to go, in the words of the target.
#[derive(Clone, Debug, Default)]
pub struct Absorbed {
    /// Objects as the source is to have them; what was not chosen is as it is there.
    pub bundle: Bundle,
    /// Objects that go from it.
    pub removed: BTreeSet<ObjectRef>,
}

/// Chooses among what differs.
type Chosen<'c> = &'c dyn Fn(&Drifted, &Field) -> bool;

impl Drift {
    /// Returns what the target is to become for what was chosen to be as the source says.
    ///
    /// `target` is what the target has. What does not differ is in it as well, as the source of a flow
    /// may name it; of that no plan has a step.
    pub fn wanted(
        &self,
        catalogue: &Catalogue,
        source: &Bundle,
        target: &Bundle,
        chosen: Chosen<'_>,
    ) -> Wanted {
        // Not all the others: of what a selection leaves out, some may differ.
        let equal = source.documents.iter();
        let equal = equal.filter(|(object, _)| self.agreed.contains(*object));
        let mut wanted = Wanted {
            bundle: Bundle {
                source: source.source.clone(),
                documents: equal
                    .map(|(object, document)| (object.clone(), document.clone()))
                    .collect(),
                ..Bundle::default()
            },
            ..Wanted::default()
        };
        for drifted in self.chosen(chosen) {
            let object = &drifted.object;
            match (drifted.what, source.documents.get(object)) {
                (What::CreatedInTarget | What::DeletedInSource, _) => {
                    wanted.delete.insert(object.clone());
                }
                (_, None) => continue,
                (What::CreatedInSource | What::DeletedInTarget, Some(document)) => {
                    wanted.bundle.insert(document.open());
                }
                (What::Changed, Some(document)) => {
                    let mut document = document.open();
                    let others = drifted
                        .fields
                        .iter()
                        .filter(|field| !chosen(drifted, field));
                    take_from_target(catalogue, &mut document, others, target);
                    wanted.bundle.insert(document);
                }
            }
            wanted.objects.insert(object.clone());
        }
        wanted
    }

    /// Returns what the source is to become for what was chosen to be as the target has it.
    ///
    /// `source` and `target` are in the words of the target.
    pub fn absorbed(
        &self,
        catalogue: &Catalogue,
        source: &Bundle,
        target: &Bundle,
        chosen: Chosen<'_>,
    ) -> Absorbed {
        let mut absorbed = Absorbed::default();
        for drifted in self.chosen(chosen) {
            let object = &drifted.object;
            match drifted.what {
                What::CreatedInSource | What::DeletedInTarget => {
                    absorbed.removed.insert(object.clone());
                }
                What::CreatedInTarget | What::DeletedInSource => {
                    if let Some(document) = target.documents.get(object) {
                        absorbed.bundle.insert(document.open());
                    }
                }
                What::Changed => {
                    let Some(document) = source.documents.get(object) else {
                        continue;
                    };
                    let mut document = document.open();
                    let fields = drifted.fields.iter().filter(|field| chosen(drifted, field));
                    take_from_target(catalogue, &mut document, fields, target);
                    absorbed.bundle.insert(document);
                }
            }
        }
        absorbed
    }

    fn chosen<'d>(&'d self, chosen: Chosen<'d>) -> impl Iterator<Item = &'d Drifted> {
        self.objects
            .iter()
            .filter(|found| found.fields.iter().any(|field| chosen(found, field)))
    }
}

/// Makes places of a document what the target has there.
fn take_from_target<'f>(
    catalogue: &Catalogue,
    document: &mut Portable,
    fields: impl Iterator<Item = &'f Field>,
    target: &Bundle,
) {
    let descriptor = catalogue.get(document.object.kind.as_str()).ok();
    let live = target.documents.get(&document.object);
    for field in fields {
        if take_file(descriptor, document, field, live.map(|live| &live.files)) {
            continue;
        }
        let parts = descriptor
            .into_iter()
            .flat_map(|descriptor| &descriptor.parts);
        let mut lists = parts.filter(|part| !part.single && part.field == field.root());
        match lists.next() {
            Some(part) if field.path.starts_with(&format!("{}[", part.field)) => {
                set_item(part, document, field);
            }
            _ => set(&mut document.body, &field.path, field.target.as_ref()),
        }
    }
}

/// Takes a file of the target; tells whether the place is one.
fn take_file(
    descriptor: Option<&Descriptor>,
    document: &mut Portable,
    field: &Field,
    live: Option<&crate::document::Files>,
) -> bool {
    let path = field.path.as_str();
    if path == CODE_CHANGE {
        // No org gives the code of a function back.
        document.files.remove(FUNCTION_CODE);
        return true;
    }
    let has_source = descriptor
        .is_some_and(|d| matches!(d.driver, Driver::Flow | Driver::Script | Driver::Asset));
    if path == "source" && has_source {
        document.files = live.cloned().unwrap_or_default();
        return true;
    }
    let theirs = live.and_then(|live| live.get(path));
    if theirs.is_none() && !document.files.contains_key(path) {
        return false;
    }
    match theirs {
        Some(bytes) => document.files.insert(path.to_owned(), bytes.clone()),
        None => document.files.remove(path),
    };
    true
}

/// Makes an item of a list what the target has.
fn set_item(part: &Part, document: &mut Portable, field: &Field) {
    let Some(item) = field.source.as_ref().or(field.target.as_ref()) else {
        return;
    };
    let identity = item_identity(part, item);
    let list = document
        .body
        .entry(part.field.clone())
        .or_insert_with(|| Value::Array(Vec::new()));
    let Some(list) = Items::list_mut(list) else {
        return;
    };
    let at = list
        .iter()
        .position(|item| item_identity(part, item) == identity);
    match (at, &field.target) {
        (Some(at), Some(theirs)) => list[at] = theirs.clone(),
        (Some(at), None) => {
            list.remove(at);
        }
        (None, Some(theirs)) => list.push(theirs.clone()),
        (None, None) => {}
    }
}

/// Sets the value at a path of a difference, or takes it away; a field may have dots in its name.
fn set(body: &mut Map<String, Value>, path: &str, value: Option<&Value>) {
    let within = |name: &String| {
        let rest = path.strip_prefix(name.as_str());
        rest.is_some_and(|rest| rest.starts_with('.')) && matches!(body[name], Value::Object(_))
    };
    let inner = body
        .keys()
        .filter(|name| within(name))
        .max_by_key(|name| name.len())
        .cloned();
    if let Some(name) = inner.filter(|_| !body.contains_key(path))
        && let Some(Value::Object(inner)) = body.get_mut(&name)
    {
        return set(inner, &path[name.len() + 1..], value);
    }
    match value {
        Some(value) => {
            body.insert(path.to_owned(), value.clone());
        }
        None => {
            body.remove(path);
        }
    }
}
