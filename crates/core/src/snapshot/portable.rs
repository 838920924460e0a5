//! From an org's answer to a document that any org could have.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Names, conceal, undeclared};
use crate::bundle::Gap;
use crate::catalogue::{Descriptor, Driver, LeaveOut, MEMBER_OF, Part, Reference};
use crate::document::{Captured, Files, Portable, Slot};
use crate::file_refs;
use crate::id::{Kind, ObjectRef};
use crate::path::{FieldPath, Items};

/// A reference that leads nowhere: it is left out of the document, never carried over as an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// The object that refers.
    pub object: ObjectRef,
    /// The place.
    pub path: String,
    /// What it should point to, if the place tells.
    pub kind: Option<Kind>,
    /// The id that stands there.
    pub id: String,
    /// Why it leads nowhere.
    pub why: Why,
}

/// Why a reference leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The org does not have the object.
    Missing,
    /// Objects of its kind were not read, or not all of them.
    NotRead,
    /// It is the object's own id, in a place that nobody declared.
    Itself,
}

impl Unresolved {
    /// Says it as a gap.
    pub fn into_gap(self) -> Gap {
        let kind = self.kind.as_ref().map_or("an unknown kind", Kind::as_str);
        let why = match self.why {
            Why::NotRead => {
                "whose kind was not read, or not all of it; the reference is left out, and a list with it"
            }
            Why::Missing => "which the org does not have (any more); the reference is left out",
            Why::Itself => {
                "which is the object itself: its own id means nothing elsewhere and is left out"
            }
        };
        Gap {
            kind: self.object.kind,
            object: Some(self.object.key.as_str().to_owned()),
            reason: format!("{} refers to {kind} {}, {why}", self.path, self.id),
        }
    }
}

/// Makes an object portable; references that lead nowhere are left out and reported.
pub fn portable(
    descriptor: &Descriptor,
    object: ObjectRef,
    captured: &Captured,
    names: &Names,
    unresolved: &mut Vec<Unresolved>,
) -> Portable {
    let mut body = managed(descriptor, &captured.body);
    // Should an org ever answer a secret, it goes no further than here.
    for path in &descriptor.secrets {
        path.retain(&mut body, &mut |value| {
            matches!(Slot::of(value), Some(Slot::Secret(_)))
        });
    }
    for (path, text) in names.spelled(&descriptor.kind, captured.id.as_str()) {
        rename(descriptor, path, text, &mut body);
    }
    open_json(descriptor, &mut body);
    conceal(descriptor, &object, &mut body);
    let mut short = Vec::new();
    for reference in &descriptor.references {
        let mut target = |kind: Option<Kind>, id: String| {
            let by_name = |kind| reference.or_name.then(|| names.named(kind, &id)).flatten();
            let found = kind
                .as_ref()
                .and_then(|kind| names.object(kind, &id).or_else(|| by_name(kind)));
            if found.is_none() {
                let list = reference.path.outermost_list();
                let unread = kind.as_ref().is_some_and(|kind| names.may_lack(kind));
                if let Some(list) = list.filter(|_| unread) {
                    if short.contains(&list) {
                        return None;
                    }
                    short.push(list);
                }
                unresolved.push(Unresolved {
                    object: object.clone(),
                    path: reference.path.to_string(),
                    why: match kind.as_ref().is_some_and(|kind| !names.knows(kind)) {
                        true => Why::NotRead,
                        false => Why::Missing,
                    },
                    kind,
                    id,
                });
            }
            found
        };
        if reference.keys {
            reference.path.rename_keys(&mut body, &mut |key| {
                if reference.is_literal(key) {
                    return Some(key.to_owned());
                }
                target(reference.kind.clone(), key.to_owned()).map(Slot::to_key)
            });
            continue;
        }
        let mut resolve =
            |value: &mut Value, beside: Option<&str>| match target_of(reference, value, beside) {
                Place::Literal => {
                    if let Value::Object(map) = value {
                        map.retain(|field, _| field == "id");
                    }
                    true
                }
                Place::Empty => false,
                Place::Points { kind, id } => match target(kind, id) {
                    Some(target) => {
                        *value = Slot::Ref(target.clone()).to_value();
                        true
                    }
                    None => false,
                },
            };
        retain_reference(reference, &mut body, &mut resolve);
    }
    // A list without what nobody could look up would say that it is not wanted.
    for list in short {
        list.retain(&mut body, &mut |_| false);
    }
    for path in undeclared::resolve(descriptor, &object, &mut body, names) {
        unresolved.push(Unresolved {
            object: object.clone(),
            path,
            kind: Some(object.kind.clone()),
            id: captured.id.as_str().to_owned(),
            why: Why::Itself,
        });
    }
    normalise(descriptor, &mut body);
    let Value::Object(body) = body else {
        unreachable!("managed() returns an object")
    };
    let files = match descriptor.driver {
        Driver::Script => portable_files(captured, names),
        _ => captured.files.clone(),
    };
    Portable {
        object,
        body,
        files,
    }
}

/// Puts a text of the key in place of what the org has, and so in the names of secrets that begin
/// with it.
fn rename(descriptor: &Descriptor, path: &FieldPath, text: &str, body: &mut Value) {
    let old = path.get(body).and_then(Value::as_str).map(str::to_owned);
    path.retain(body, &mut |value| {
        *value = Value::String(text.to_owned());
        true
    });
    let old = format!("{}/", old.unwrap_or_default());
    for secrets in &descriptor.secrets {
        secrets.retain(body, &mut |value| {
            if let Some(Slot::Secret(name)) = Slot::of(value)
                && let Some(field) = name.strip_prefix(&old)
            {
                *value = Slot::Secret(format!("{text}/{field}")).to_value();
            }
            true
        });
    }
}

/// Takes the ids of an org out of files that are text.
fn portable_files(captured: &Captured, names: &Names) -> Files {
    let known = |number| names.by_guid(number).cloned();
    let portable = |bytes: &Arc<[u8]>| match std::str::from_utf8(bytes) {
        Ok(text) => {
            let text = file_refs::to_slots(text, captured.id.as_str(), &known);
            Arc::from(file_refs::canonical(text.as_bytes()))
        }
        Err(_) => bytes.clone(),
    };
    let files = captured.files.iter();
    files
        .map(|(name, bytes)| (name.clone(), portable(bytes)))
        .collect()
}

/// Returns what an object would send back to its own org: the managed fields and those that are
/// left alone, with references as ids of that org.
pub fn reduced(descriptor: &Descriptor, body: &Value) -> Map<String, Value> {
    let mut kept = Map::new();
    if let Value::Object(map) = body {
        for (field, value) in map {
            if descriptor.fields.contains(field) || descriptor.unmanaged.contains_key(field) {
                kept.insert(field.clone(), value.clone());
            }
        }
    }
    reduced_body(descriptor, Value::Object(kept))
}

/// Returns what a part that is a single object would send back to its own org.
pub(crate) fn reduced_part(
    descriptor: &Descriptor,
    part: &Part,
    raw: &Value,
) -> Map<String, Value> {
    let kept = Map::from_iter([(part.field.clone(), part_fields(part, raw))]);
    match reduced_body(descriptor, Value::Object(kept)).remove(&part.field) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

fn reduced_body(descriptor: &Descriptor, mut body: Value) -> Map<String, Value> {
    drop_nulls(&mut body);
    drop_unmanaged_places(descriptor, &mut body, &descriptor.returned);
    for reference in descriptor
        .references
        .iter()
        .filter(|reference| !reference.bare && !reference.keys)
    {
        reference.path.retain(&mut body, &mut |value| {
            if let Value::Object(map) = value {
                map.retain(|name, _| name == "id" || Some(name) == reference.by.as_ref());
            }
            true
        });
    }
    match body {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

enum Place {
    /// The value means something else than an id.
    Literal,
    /// Nothing stands there.
    Empty,
    Points {
        kind: Option<Kind>,
        id: String,
    },
}

fn target_of(reference: &Reference, value: &Value, beside: Option<&str>) -> Place {
    let (id, decided_by) = match value {
        Value::String(id) => (id.clone(), beside.map(str::to_owned)),
        Value::Object(map) => {
            let text = |name: &str| map.get(name).and_then(Value::as_str).map(str::to_owned);
            let Some(id) = text("id") else {
                return Place::Empty;
            };
            (id, reference.by.as_deref().and_then(text))
        }
        _ => return Place::Empty,
    };
    if reference.is_literal(&id) {
        return Place::Literal;
    }
    if id.is_empty() {
        return Place::Empty;
    }
    let kind = match decided_by {
        Some(decided_by) => reference.kinds.get(&decided_by).cloned(),
        None => reference.kind.clone(),
    };
    if reference.bare && reference.by.is_some() && kind.is_none() {
        return Place::Literal;
    }
    Place::Points { kind, id }
}

fn retain_reference(
    reference: &Reference,
    body: &mut Value,
    resolve: &mut dyn FnMut(&mut Value, Option<&str>) -> bool,
) {
    match reference.path.split_at_element() {
        Some((list, inside)) if reference.owns_element => {
            list.retain(body, &mut |element| {
                let mut kept = true;
                retain_place(reference, &inside, element, &mut |value, beside| {
                    kept &= resolve(value, beside);
                    true
                });
                kept
            });
        }
        _ => retain_place(reference, &reference.path, body, resolve),
    }
}

/// Calls `resolve` with every value at a place, and with the type that stands beside a bare id.
fn retain_place(
    reference: &Reference,
    path: &FieldPath,
    body: &mut Value,
    resolve: &mut dyn FnMut(&mut Value, Option<&str>) -> bool,
) {
    let beside = reference.by.as_ref().filter(|_| reference.bare);
    let Some((by, (holder, field))) = beside.zip(path.split_last_field()) else {
        return path.retain(body, &mut |value| resolve(value, None));
    };
    holder.retain(body, &mut |holder| {
        if let Value::Object(map) = holder {
            let named = map.get(by).and_then(Value::as_str).map(str::to_owned);
            let kept = map
                .get_mut(field)
                .is_none_or(|value| resolve(value, Some(named.as_deref().unwrap_or_default())));
            if !kept {
                map.remove(field);
            }
        }
        true
    });
}

/// Takes the managed fields and the parts, without nulls and volatile places.
fn managed(descriptor: &Descriptor, body: &Value) -> Value {
    let mut kept = Map::new();
    if let Value::Object(map) = body {
        for field in &descriptor.fields {
            if let Some(value) = map.get(field) {
                kept.insert(field.clone(), value.clone());
            }
        }
        for part in &descriptor.parts {
            if let Some(value) = map.get(&part.field) {
                kept.insert(part.field.clone(), part_fields(part, value));
            }
        }
        if let Some(places) = map
            .get(MEMBER_OF)
            .filter(|_| !descriptor.member_of.is_empty())
        {
            kept.insert(MEMBER_OF.to_owned(), places.clone());
        }
    }
    let mut body = Value::Object(kept);
    drop_nulls(&mut body);
    drop_unmanaged_places(descriptor, &mut body, &[]);
    body
}

/// Puts what a text of JSON says in place of the text; any other text is left alone.
fn open_json(descriptor: &Descriptor, body: &mut Value) {
    for path in &descriptor.json {
        path.retain(body, &mut |value| {
            let said = value
                .as_str()
                .and_then(|text| serde_json::from_str(text).ok());
            if let Some(said @ (Value::Array(_) | Value::Object(_))) = said {
                *value = said;
            }
            true
        });
    }
}

/// Removes what the server fills in, but for some places, and list elements that nobody manages.
fn drop_unmanaged_places(descriptor: &Descriptor, body: &mut Value, but: &[FieldPath]) {
    for path in descriptor
        .volatile
        .iter()
        .filter(|path| !but.contains(path))
    {
        path.retain(body, &mut |_| false);
    }
    for LeaveOut { path, when, begins } in &descriptor.leave_out {
        let is_one = |element: &Value| {
            let text = |field: &str| element.get(field).and_then(Value::as_str);
            let mut begins = begins.iter();
            when.iter()
                .all(|(field, value)| element.get(field) == Some(value))
                && begins.all(|(field, begin)| text(field).is_some_and(|t| t.starts_with(begin)))
        };
        path.retain(body, &mut |element| !is_one(element));
    }
}

/// Keeps the managed fields of a part's items, and leaves out values that say nothing.
fn part_fields(part: &Part, value: &Value) -> Value {
    let keep = |item: &Value| match item {
        Value::Object(map) if !part.fields.is_empty() => Value::Object(
            map.iter()
                .filter(|(name, value)| {
                    (part.fields.contains(name) || part.identity.contains(name))
                        && part.defaults.get(*name) != Some(value)
                })
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        ),
        other => other.clone(),
    };
    match value {
        Value::Array(items) if !part.single => items.iter().map(keep).collect(),
        other => keep(other),
    }
}

/// Removes nulls: a field that is null is a field that is not there.
pub(super) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Array(list) => {
            list.retain(|value| !value.is_null());
            list.iter_mut().for_each(drop_nulls);
        }
        Value::Object(map) => drop_nulls_in(map),
        _ => {}
    }
}

pub(crate) fn drop_nulls_in(map: &mut Map<String, Value>) {
    map.retain(|_, value| !value.is_null());
    map.values_mut().for_each(drop_nulls);
}

/// Brings a portable body into the one form that is written and compared.
pub(crate) fn normalise(descriptor: &Descriptor, body: &mut Value) {
    plain_numbers(body);
    for reference in descriptor.references.iter().filter(|r| !r.keys) {
        if !reference.literals.is_empty() {
            reference.path.retain(body, &mut |value| {
                bare_literal(reference, value);
                true
            });
        }
    }
    for path in &descriptor.unordered {
        sort_list(path, body);
    }
    for places in body
        .get_mut(MEMBER_OF)
        .and_then(Value::as_object_mut)
        .into_iter()
    {
        for list in places.values_mut().filter_map(Value::as_array_mut) {
            list.sort_by_cached_key(Value::to_string);
        }
    }
    for part in descriptor.parts.iter().filter(|part| !part.single) {
        if let Some(items) = body.get_mut(&part.field).and_then(Items::list_mut) {
            items.sort_by_cached_key(|item| (item_identity(part, item), item.to_string()));
        }
    }
}

/// Writes what means something else than an id in one way: `*`, not `{id: "*"}`.
fn bare_literal(reference: &Reference, value: &mut Value) {
    let id = match &*value {
        Value::Object(map) if map.len() == 1 => map.get("id").and_then(Value::as_str),
        _ => None,
    };
    if let Some(id) = id.filter(|id| reference.is_literal(id)) {
        *value = Value::String(id.to_owned());
    }
}

fn sort_list(path: &FieldPath, body: &mut Value) {
    path.retain(body, &mut |value| {
        if let Value::Array(list) = value {
            list.sort_by_cached_key(Value::to_string);
            list.dedup();
        }
        true
    });
}

/// Returns what tells an item of a part from the others.
pub(crate) fn item_identity(part: &Part, item: &Value) -> String {
    if part.identity.is_empty() {
        return item.to_string();
    }
    let texts: Vec<_> = part
        .identity
        .iter()
        .map(|field| match item.get(field) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => match Slot::of(other) {
                Some(Slot::Ref(object)) => object.to_string(),
                _ => other.to_string(),
            },
            None => String::new(),
        })
        .collect();
    texts.join(" ")
}

/// Writes whole numbers without a fraction, so that 3 and 3.0 are equal.
fn plain_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|_| number.is_f64())
                && float.fract() == 0.0
                && float.abs() < 9.0e15
            {
                #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
                let whole = float as i64;
                *value = Value::from(whole);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(plain_numbers),
        Value::Object(map) => map.values_mut().for_each(plain_numbers),
        _ => {}
    }
}
