//! From portable documents to the bodies that the API takes.
//!
//! In a document a reference stands in place of the whole `{id, name, …}`; on the wire it stands in
//! place of the id. Some calls want another field name, or bare ids.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::digest_of;
use crate::catalogue::{
    Descriptor, ItemBody, ItemWrite, Parent, Part, Reference, WireField, WriteSpec,
};
use crate::document::{Slot, Template};
use crate::id::{Kind, ObjectRef};
use crate::snapshot::{conceal, normalise, reduced};

/// Returns the body with which a call sends `fields` of a document.
pub(super) fn body(
    descriptor: &Descriptor,
    call: &WriteSpec,
    fields: Map<String, Value>,
) -> Map<String, Value> {
    let mut body = Value::Object(fields);
    expand_references(&descriptor.references, &mut body);
    for path in &descriptor.json {
        path.retain(&mut body, &mut |value| {
            if value.is_array() || value.is_object() && Slot::of(value).is_none() {
                *value = Slot::as_text(value.take());
            }
            true
        });
    }
    let mut sent = Map::new();
    if let Value::Object(body) = body {
        for (field, value) in body {
            let lives_in = |parent: &Parent| parent.field == field;
            if call.omit.contains(&field) || descriptor.parent.as_ref().is_some_and(lives_in) {
                continue;
            }
            let (name, value) = renamed(&call.rename, field, value);
            sent.insert(name, value);
        }
    }
    for (path, wire) in &call.rename {
        rename_inside(&mut sent, path, wire);
    }
    sent.extend(
        call.with
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    sent
}

/// Gives a field the name and the form that a call wants.
fn wired(wire: &WireField, name: String, value: Value) -> (String, Value) {
    let value = if wire.bare_ids { bare(value) } else { value };
    (wire.name.clone().unwrap_or(name), value)
}

fn renamed(rename: &BTreeMap<String, WireField>, name: String, value: Value) -> (String, Value) {
    match rename.get(&name) {
        Some(wire) => wired(wire, name, value),
        None => (name, value),
    }
}

/// Renames a field of an object inside a body: `autoAssign.rule` to `autoAssign.ruleId`.
fn rename_inside(fields: &mut Map<String, Value>, path: &str, wire: &WireField) {
    let Some((first, rest)) = path.split_once('.') else {
        return;
    };
    let Some(Value::Object(inner)) = fields.get_mut(first) else {
        return;
    };
    if rest.contains('.') {
        return rename_inside(inner, rest, wire);
    }
    if let Some(value) = inner.remove(rest) {
        let (name, value) = wired(wire, rest.to_owned(), value);
        inner.insert(name, value);
    }
}

/// Lays the desired fields over those of the live object, so that a call which replaces the whole
/// object changes nothing else.
pub(super) fn overlaid(
    descriptor: &Descriptor,
    object: &ObjectRef,
    live: &Value,
    desired: &Map<String, Value>,
) -> Map<String, Value> {
    let mut live = live.clone();
    conceal(descriptor, object, &mut live);
    let mut base = reduced(descriptor, &live);
    overlay(&mut base, desired);
    give_back(descriptor, &live, &mut base);
    base
}

/// Puts into the elements of lists what a call must send back for those that are there already: the
/// ids of a phone's lines. An element is told by its name, else by its place.
fn give_back(descriptor: &Descriptor, live: &Value, fields: &mut Map<String, Value>) {
    for path in &descriptor.returned {
        let Some((list, inside)) = path.split_at_element() else {
            continue;
        };
        let mut there = Vec::new();
        list.for_each(live, &mut |element| there.push(element));
        let mut wanted = Vec::new();
        list.for_each_in(fields, &mut |element| {
            wanted.push(element.get("name").cloned())
        });
        let mut free: Vec<bool> = vec![true; there.len()];
        let twins = wanted.iter().enumerate().map(|(at, name)| {
            let called = |held: usize| there[held].get("name");
            let mut same = (0..there.len()).filter(|held| free[*held]);
            let twin = same.find(|held| name.is_some() && called(*held) == name.as_ref());
            let in_place = || {
                let is_another = || wanted.iter().any(|wanted| wanted.as_ref() == called(at));
                (at < there.len() && free[at] && !is_another()).then_some(at)
            };
            let twin = twin.or_else(in_place)?;
            free[twin] = false;
            Some(twin)
        });
        let twins: Vec<Option<usize>> = twins.collect();
        let mut at = 0;
        let mut body = Value::Object(std::mem::take(fields));
        list.retain(&mut body, &mut |element| {
            let twin = twins.get(at).copied().flatten();
            let told = twin.and_then(|twin| inside.get(there[twin]));
            at += 1;
            if let (Some(told), Value::Object(element)) = (told, element) {
                let own = element.entry(inside.root().to_owned());
                own.or_insert_with(|| told.clone());
            }
            true
        });
        if let Value::Object(body) = body {
            *fields = body;
        }
    }
}

pub(super) fn overlay(base: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (field, value) in over {
        // A map that is keyed by ids is one value: the keys below it are ids, those above are not.
        let keyed = |over: &Map<String, Value>| over.keys().any(|key| Slot::of_key(key).is_some());
        match (base.get_mut(field), value) {
            (Some(Value::Object(base)), Value::Object(over))
                if Slot::of(value).is_none() && !keyed(over) =>
            {
                overlay(base, over);
            }
            _ => {
                base.insert(field.clone(), value.clone());
            }
        }
    }
}

/// Names the state of an object, so that a change by somebody else is noticed before a write.
pub fn pre_image(descriptor: &Descriptor, live: &Value) -> String {
    let mut state = reduced(descriptor, live);
    // A place of a secret is put in when an org is read whole; no answer has it.
    state.retain(|field, _| !descriptor.secrets.iter().any(|path| path.root() == field));
    // Nor has it what the object lives in.
    if let Some(parent) = &descriptor.parent {
        state.remove(&parent.field);
    }
    // Whether it is published changes with every step of the object and of what lives in it.
    if let Some(publish) = &descriptor.publish {
        state.remove(&publish.field);
    }
    if let Some(stamp) = descriptor.stamp.as_ref().and_then(|path| path.get(live)) {
        state.insert("~stamp".to_owned(), stamp.clone());
    }
    // Two answers of one state may have an unordered list in two orders.
    let mut state = Value::Object(state);
    normalise(descriptor, &mut state);
    digest_of(state.to_string().as_bytes())
}

/// Puts `{id}` around each reference that the API wants as an object.
fn expand_references(references: &[Reference], body: &mut Value) {
    for reference in references
        .iter()
        .filter(|reference| !reference.bare && !reference.keys)
    {
        reference.path.retain(body, &mut |value| {
            let id = match Slot::of(value) {
                Some(Slot::Ref(object)) => {
                    let mut wrapped = Map::new();
                    if let Some(by) = &reference.by
                        && let Some(name) = union_name(reference, &object.kind)
                    {
                        wrapped.insert(by.clone(), Value::String(name.to_owned()));
                    }
                    wrapped.insert("id".to_owned(), value.clone());
                    Value::Object(wrapped)
                }
                None if value.is_string() => {
                    Value::Object(Map::from_iter([("id".to_owned(), value.clone())]))
                }
                _ => return true,
            };
            *value = id;
            true
        });
    }
}

fn union_name<'r>(reference: &'r Reference, kind: &Kind) -> Option<&'r str> {
    reference
        .kinds
        .iter()
        .find(|(_, of)| *of == kind)
        .map(|(name, _)| name.as_str())
}

/// Replaces `{id}` by the id, also in a list.
fn bare(value: Value) -> Value {
    match value {
        Value::Array(list) => list.into_iter().map(bare).collect(),
        Value::Object(mut map) => match map.remove("id") {
            Some(id) => id,
            None => Value::Object(map),
        },
        other => other,
    }
}

/// Returns what a call says of an item: the slot of its reference, or what identifies it.
pub(super) fn item_id(part: &Part, item: &Value) -> Value {
    let identity = part
        .identity
        .first()
        .and_then(|field| item.get(field))
        .unwrap_or(item);
    match identity {
        Value::Object(map) if Slot::of(identity).is_none() => {
            map.get("id").cloned().unwrap_or_else(|| identity.clone())
        }
        other => other.clone(),
    }
}

/// Returns what names an item in the path of a call, behind the object's own id: one id, or all
/// that tells it from others.
pub(super) fn item_ids(part: &Part, call: &ItemWrite, item: &Value) -> Vec<Value> {
    let named = |field: &String| call.path.contains(&format!("{{{field}}}"));
    match part.identity.len() > 1 && part.identity.iter().all(named) {
        true => part
            .identity
            .iter()
            .map(|field| item[field.as_str()].clone())
            .collect(),
        false => vec![item_id(part, item)],
    }
}

/// Returns an item as a call sends it.
pub(super) fn item_body(
    descriptor: &Descriptor,
    part: &Part,
    call: &ItemWrite,
    item: &Value,
) -> Value {
    let wrapped = if part.single {
        item.clone()
    } else {
        Value::Array(vec![item.clone()])
    };
    let mut body = Value::Object(Map::from_iter([(part.field.clone(), wrapped)]));
    expand_references(&descriptor.references, &mut body);
    let item = match body.get_mut(&part.field).map(Value::take) {
        Some(Value::Array(mut items)) if !part.single => items.pop().unwrap_or_default(),
        Some(single) => single,
        None => Value::Null,
    };
    let Value::Object(map) = item else {
        return item;
    };
    let sent = map
        .into_iter()
        .filter(|(name, _)| call.fields.is_empty() || call.fields.contains(name));
    sent.map(|(name, value)| renamed(&call.rename, name, value))
        .collect()
}

/// Returns the body with which a call sends several items.
pub(super) fn items_body(
    descriptor: &Descriptor,
    part: &Part,
    call: &ItemWrite,
    items: &[Value],
) -> Option<Template> {
    let ids = || items.iter().map(|item| item_id(part, item));
    let value = match call.body {
        ItemBody::Item => item_body(descriptor, part, call, items.first()?),
        ItemBody::Items => items
            .iter()
            .map(|item| item_body(descriptor, part, call, item))
            .collect(),
        ItemBody::Ids => ids()
            .map(|id| Value::Object(Map::from_iter([("id".to_owned(), id)])))
            .collect(),
        ItemBody::IdList => Value::Object(Map::from_iter([(
            call.name.clone()?,
            ids().collect::<Value>(),
        )])),
        ItemBody::ItemList => {
            let items = items
                .iter()
                .map(|item| item_body(descriptor, part, call, item));
            Value::Object(Map::from_iter([(call.name.clone()?, items.collect())]))
        }
        ItemBody::Query | ItemBody::Empty => return None,
    };
    Some(Template::new(value))
}
