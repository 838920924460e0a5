//! Ids in places that no kind file declares: free-form settings, JSON kept in a string, rows of a
//! table, a URL.
//!
//! An id of an object that was read means that object wherever it stands, so it travels as a
//! reference like any other. A kind file that does not know the place is told of in the plan.

use serde_json::{Map, Value};

use super::Names;
use crate::catalogue::Descriptor;
use crate::document::{Slot, for_each_object_at, for_each_slot_in, text_ref, text_refs};
use crate::guid::{guid, guids_in};
use crate::id::ObjectRef;

/// Turns the ids that are left in a document into references.
///
/// An object that holds its own id there cannot be made with it anywhere else: the place is left
/// out, and its path returned.
pub(super) fn resolve(
    descriptor: &Descriptor,
    own: &ObjectRef,
    body: &mut Value,
    names: &Names,
) -> Vec<String> {
    let mut resolver = Resolver {
        own,
        names,
        left_out: Vec::new(),
    };
    if let Value::Object(fields) = body {
        // A key says what people call the object; it is compared as it is.
        let in_key = |field: &str| {
            descriptor
                .key
                .fields
                .iter()
                .any(|path| path.root() == field)
        };
        fields.retain(|field, value| in_key(field) || resolver.keeps(value, &mut field.clone()));
    }
    resolver.left_out
}

struct Resolver<'n> {
    own: &'n ObjectRef,
    names: &'n Names,
    left_out: Vec<String>,
}

impl<'n> Resolver<'n> {
    fn known(&self, number: u128) -> Option<&'n ObjectRef> {
        let found = self.names.by_guid(number);
        found.filter(|object| *object != self.own)
    }

    /// Resolves what stands at a place; tells whether it stays.
    fn keeps(&mut self, value: &mut Value, path: &mut String) -> bool {
        let length = path.len();
        if Slot::of(value).is_some() {
            return true;
        }
        match value {
            Value::String(text) => match guid(text) {
                Some(number) => match self.names.by_guid(number) {
                    Some(object) if object == self.own => {
                        self.left_out.push(path.clone());
                        return false;
                    }
                    Some(object) => *value = Slot::Ref(object.clone()).to_value(),
                    None => {}
                },
                None => {
                    if let Some(replaced) = with_text_refs(text, &|number| self.known(number)) {
                        *text = replaced;
                    }
                }
            },
            Value::Array(list) => {
                path.push_str("[]");
                list.retain_mut(|value| self.keeps(value, path));
                path.truncate(length);
            }
            Value::Object(map) => {
                let is_id = |key: &String| guid(key).is_some_and(|n| self.known(n).is_some());
                if map.keys().any(is_id) {
                    let keyed = std::mem::take(map).into_iter().map(|(key, value)| {
                        let object = guid(&key).and_then(|number| self.known(number));
                        (object.map_or(key, Slot::to_key), value)
                    });
                    *map = keyed.collect();
                }
                map.retain(|name, value| {
                    path.push('.');
                    path.push_str(name);
                    let keeps = self.keeps(value, path);
                    path.truncate(length);
                    keeps
                });
            }
            _ => {}
        }
        true
    }
}

fn with_text_refs<'n>(text: &str, known: &dyn Fn(u128) -> Option<&'n ObjectRef>) -> Option<String> {
    let mut out = String::new();
    let mut done = 0;
    for (range, number) in guids_in(text) {
        if let Some(object) = known(number) {
            out.push_str(&text[done..range.start]);
            out.push_str(&text_ref(object));
            done = range.end;
        }
    }
    (done > 0).then(|| out + &text[done..])
}

/// Returns what looks like an id in a document and means no object that was read, with the places: a
/// whole value, a part of a longer text, or the key of a map.
///
/// What people call the object is left out, and so are ids that whoever writes the object makes up.
pub fn loose_ids(descriptor: &Descriptor, body: &Map<String, Value>) -> Vec<(String, String)> {
    fn note(text: &str, path: &str, found: &mut Vec<(String, String)>) {
        let mut slots = text_refs(text).map(|(range, _)| range).peekable();
        for (range, _) in guids_in(text) {
            // An object may be called by an id.
            while slots.next_if(|slot| slot.end <= range.start).is_some() {}
            if slots.peek().is_none_or(|slot| range.end <= slot.start) {
                found.push((path.to_owned(), text[range].to_owned()));
            }
        }
    }
    fn walk(value: &Value, path: &mut String, found: &mut Vec<(String, String)>) {
        let length = path.len();
        match value {
            value if Slot::of(value).is_some() => {}
            Value::String(text) => note(text, path, found),
            Value::Array(list) => {
                path.push_str("[]");
                list.iter().for_each(|value| walk(value, path, found));
            }
            Value::Object(map) => {
                for (name, value) in map {
                    if Slot::of_key(name).is_none() {
                        note(name, path, found);
                    }
                    path.push('.');
                    path.push_str(name);
                    walk(value, path, found);
                    path.truncate(length);
                }
            }
            _ => {}
        }
        path.truncate(length);
    }
    let mut found = Vec::new();
    for (name, value) in body {
        if descriptor.key.fields.iter().any(|path| path.root() == name) {
            continue;
        }
        let mut path = name.clone();
        if descriptor.own_ids.iter().any(|own| own.root() == name) {
            let mut body = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
            for own in &descriptor.own_ids {
                own.retain(&mut body, &mut |_| false);
            }
            if let Some(value) = body.get(name) {
                walk(value, &mut path, &mut found);
            }
        } else {
            walk(value, &mut path, &mut found);
        }
    }
    found
}

/// Returns the references of a document that its kind file does not declare, with their places.
pub fn undeclared(descriptor: &Descriptor, body: &Map<String, Value>) -> Vec<(String, ObjectRef)> {
    let mut all = 0;
    for_each_slot_in(body, &mut |slot| {
        all += usize::from(matches!(slot, Slot::Ref(_)))
    });
    let mut declared = 0;
    for reference in &descriptor.references {
        for_each_object_at(reference, body, &mut |_| declared += 1);
    }
    if all <= declared {
        return Vec::new();
    }
    let mut body = Value::Object(body.clone());
    for reference in &descriptor.references {
        if reference.keys {
            let plain = |key: &str| Slot::of_key(key).is_none().then(|| key.to_owned());
            reference.path.rename_keys(&mut body, &mut |key| {
                Some(plain(key).unwrap_or_else(|| key.replacen("$ref:", "", 1)))
            });
        } else {
            reference.path.retain(&mut body, &mut |value| {
                if Slot::of(value).is_some() {
                    *value = Value::Null;
                }
                true
            });
        }
    }
    let mut found = Vec::new();
    walk(&body, String::new(), &mut found);
    found
}

fn walk(value: &Value, path: String, found: &mut Vec<(String, ObjectRef)>) {
    if let Some(slot) = Slot::of(value) {
        if let Slot::Ref(object) = slot {
            found.push((path, object));
        }
        return;
    }
    match value {
        Value::String(text) => {
            let refs = text_refs(text);
            found.extend(refs.map(|(_, object)| (path.clone(), object)));
        }
        Value::Array(list) => {
            for value in list {
                walk(value, format!("{path}[]"), found);
            }
        }
        Value::Object(map) => {
            for (name, value) in map {
                let place = match path.as_str() {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                if let Some(object) = Slot::of_key(name) {
                    found.push((path.clone(), object));
                }
                walk(value, place, found);
            }
        }
        _ => {}
    }
}
