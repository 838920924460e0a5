//! What differs between two portable bodies of one object.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::catalogue::{Descriptor, MEMBER_OF, Part};
use crate::document::{Files, Slot};
use crate::path::Items;
use crate::plan::digest_of;
use crate::snapshot::item_identity;

/// A managed field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The place in the portable document: `mediaSettings.call.alertingTimeoutSeconds`.
    pub path: String,
    /// What the target has; nothing where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What the source wants; nothing where it wants none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

impl Change {
    /// Returns the secret of which only the value changes, which nobody sees.
    pub fn same_secret(&self) -> Option<String> {
        match self.new.as_ref().and_then(Slot::of) {
            Some(Slot::Secret(name)) if self.old == self.new => Some(name),
            _ => None,
        }
    }
}

/// Returns the places of secrets in a body, each as a change of nothing but the value.
pub(crate) fn secrets_of(body: &Map<String, Value>) -> Vec<(String, Change)> {
    fn look(path: String, value: &Value, found: &mut Vec<(String, Change)>) {
        match (Slot::of(value), value) {
            (Some(Slot::Secret(name)), _) => {
                let value = Some(value.clone());
                let (old, new) = (value.clone(), value);
                found.push((name, Change { path, old, new }));
            }
            (None, Value::Object(map)) => {
                for (field, value) in map {
                    look(format!("{path}.{field}"), value, found);
                }
            }
            (None, Value::Array(list)) => {
                for (index, value) in list.iter().enumerate() {
                    look(format!("{path}[{index}]"), value, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for (field, value) in body {
        look(field.clone(), value, &mut found);
    }
    found
}

/// Returns what would have to change in `live` to become `desired`.
///
/// A field that `desired` leaves out is not managed and never a difference. Fields for which `skip`
/// holds are left out.
pub fn changes(
    desired: &Map<String, Value>,
    live: &Map<String, Value>,
    skip: &dyn Fn(&str) -> bool,
) -> Vec<Change> {
    let mut found = Vec::new();
    for (field, wanted) in desired {
        if !skip(field) {
            compare(field.clone(), wanted, live.get(field), &mut found);
        }
    }
    found
}

/// Returns what `live` has where the document of an org that was `read` has nothing, which is more than a
/// field that nobody manages.
pub(crate) fn more(
    descriptor: &Descriptor,
    read: (&Map<String, Value>, &Files),
    live: (&Map<String, Value>, &Files),
) -> Vec<Change> {
    let ((read, files), (live, live_files)) = (read, live);
    let mut found = Vec::new();
    if read != live {
        let lists = || descriptor.parts.iter().filter(|part| !part.single);
        // Who belongs to an object is left out where it was not selected itself, and of a person it is
        // said at the other end.
        let skip = |field: &str| field == MEMBER_OF || lists().any(|part| part.field == field);
        found = changes(live, read, &skip);
        found.retain(|change| change.old.is_none());
        for part in lists() {
            match (read.get(&part.field), live.get(&part.field)) {
                (None, Some(have)) if !part.members && !items_of(Some(have)).is_empty() => {
                    found.push(Change {
                        path: part.field.clone(),
                        old: None,
                        new: Some(have.clone()),
                    });
                }
                (Some(wanted), Some(have)) => {
                    let there = ItemChanges::between(part, Some(wanted), Some(have)).change;
                    let mut back = ItemChanges::between(part, Some(have), Some(wanted));
                    back.add.clear();
                    back.remove.clear();
                    back.change
                        .retain(|(read, live)| !there.iter().any(|(l, r)| (l, r) == (live, read)));
                    found.extend(back.to_changes(part));
                }
                (_, Some(_) | None) => {}
            }
        }
        found.retain(|change| descriptor.defaults.get(&change.path) != change.new.as_ref());
    }
    let only_live = live_files
        .iter()
        .filter(|(name, _)| !files.contains_key(*name));
    found.extend(only_live.map(|(name, bytes)| Change {
        path: name.clone(),
        old: None,
        new: Some(Value::String(digest_of(bytes))),
    }));
    let turned = found.into_iter().map(|Change { path, old, new }| Change {
        path,
        old: new,
        new: old,
    });
    turned.collect()
}

fn compare(path: String, wanted: &Value, live: Option<&Value>, found: &mut Vec<Change>) {
    match (wanted, live) {
        (Value::Object(wanted), Some(Value::Object(live))) if !is_slot(wanted) => {
            for (field, wanted) in wanted {
                compare(format!("{path}.{field}"), wanted, live.get(field), found);
            }
        }
        // The API leaves empty lists and objects out of its answers as it likes.
        (Value::Array(list), None) if list.is_empty() => {}
        (Value::Object(map), None) if map.is_empty() => {}
        // No value is wanted; what is undone may have had none.
        (Value::Null, None) => {}
        (Value::Null, Some(live)) => found.push(Change {
            path,
            old: Some(live.clone()),
            new: None,
        }),
        (wanted, live) if Some(wanted) == live => {}
        (wanted, live) => {
            found.push(Change {
                path,
                old: live.cloned(),
                new: Some(wanted.clone()),
            });
        }
    }
}

/// Tells whether an object is a slot, which is compared whole.
fn is_slot(map: &Map<String, Value>) -> bool {
    map.len() == 1 && map.keys().all(|name| name.starts_with('$'))
}

/// Returns the items of a list; of anything else none.
pub(crate) fn items_of(value: Option<&Value>) -> &[Value] {
    value.and_then(Items::of).map_or(&[], |items| items.list)
}

/// How the items of a part differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemChanges {
    /// Items that the target lacks.
    pub add: Vec<Value>,
    /// Items that the target has with other values: what it has, what is wanted; both with their
    /// defaults.
    pub change: Vec<(Value, Value)>,
    /// Items that only the target has.
    pub remove: Vec<Value>,
}

impl ItemChanges {
    /// Compares what is said of a list with the list that is there, by what identifies an item.
    pub fn between(part: &Part, desired: Option<&Value>, live: Option<&Value>) -> Self {
        let mut found = Self::default();
        let desired = desired.and_then(Items::of);
        let live = items_of(live);
        let mut wanted = std::collections::BTreeMap::new();
        for item in desired.map_or(&[][..], |desired| desired.list) {
            wanted.insert(item_identity(part, item), item);
        }
        let mut have = std::collections::BTreeMap::new();
        for item in live {
            have.insert(item_identity(part, item), item);
        }
        for (identity, item) in &wanted {
            match have.get(identity) {
                None => found.add.push((*item).clone()),
                Some(live) => {
                    // A call that changes an item must say also what is the default.
                    let (live, item) = (with_defaults(part, live), with_defaults(part, item));
                    if item_differs(part, &item, &live) {
                        found.change.push((live, item));
                    }
                }
            }
        }
        let whole = desired.is_none_or(|desired| desired.whole);
        for (identity, item) in have.iter().filter(|_| whole) {
            if !wanted.contains_key(identity) {
                found.remove.push((*item).clone());
            }
        }
        found
    }

    /// Tells whether nothing differs.
    pub fn is_empty(&self) -> bool {
        let Self {
            add,
            change,
            remove,
        } = self;
        add.is_empty() && change.is_empty() && remove.is_empty()
    }

    /// Says the differences as changes of the document.
    pub fn to_changes(&self, part: &Part) -> Vec<Change> {
        let Self {
            add,
            change,
            remove,
        } = self;
        let path = |item: &Value| format!("{}[{}]", part.field, label(part, item));
        let added = add.iter().map(|item| Change {
            path: path(item),
            old: None,
            new: Some(item.clone()),
        });
        let changed = change.iter().map(|(old, new)| Change {
            path: path(new),
            old: Some(old.clone()),
            new: Some(new.clone()),
        });
        let removed = remove.iter().map(|item| Change {
            path: path(item),
            old: Some(item.clone()),
            new: None,
        });
        added.chain(changed).chain(removed).collect()
    }
}

/// Returns an item with what it leaves out because it says nothing new.
fn with_defaults(part: &Part, item: &Value) -> Value {
    let mut full = item.clone();
    if let Value::Object(map) = &mut full
        && Slot::of(item).is_none()
    {
        for (field, value) in &part.defaults {
            map.entry(field.clone()).or_insert_with(|| value.clone());
        }
    }
    full
}

/// Compares two items; a field that is left out is not managed.
fn item_differs(part: &Part, desired: &Value, live: &Value) -> bool {
    let (Value::Object(desired), Value::Object(live)) = (desired, live) else {
        return desired != live;
    };
    let skip = |field: &str| part.at_first.iter().any(|own| own == field);
    !changes(desired, live, &skip).is_empty()
}

fn label(part: &Part, item: &Value) -> String {
    match Slot::of(item) {
        Some(Slot::Ref(object)) => object.key.as_str().to_owned(),
        _ => {
            let text = item_identity(part, item);
            match text.parse::<crate::id::ObjectRef>() {
                Ok(object) => object.key.as_str().to_owned(),
                Err(_) => text,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other} is no object"),
        }
    }

    fn paths(desired: Value, live: Value) -> Vec<String> {
        let found = changes(&map(desired), &map(live), &|_| false);
        found.into_iter().map(|change| change.path).collect()
    }

    #[test]
    fn a_field_that_is_left_out_is_not_managed() {
        assert_eq!(
            paths(json!({"a": 1}), json!({"a": 1, "b": 2})),
            Vec::<String>::new()
        );
        assert_eq!(
            paths(json!({"a": {"x": 1}}), json!({"a": {"x": 1, "y": 2}})),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_nested_difference_is_named_by_its_path() {
        assert_eq!(
            paths(
                json!({"a": {"x": 1, "z": 3}}),
                json!({"a": {"x": 2, "z": 3}})
            ),
            ["a.x"]
        );
    }

    #[test]
    fn an_empty_list_equals_none_but_not_a_full_one() {
        assert_eq!(paths(json!({"a": []}), json!({})), Vec::<String>::new());
        assert_eq!(paths(json!({"a": []}), json!({"a": [1]})), ["a"]);
    }

    #[test]
    fn a_reference_is_compared_whole() {
        let reference = |key: &str| json!({"flow": {"$ref": format!("flow/inboundcall/{key}")}});
        assert_eq!(paths(reference("A"), reference("B")), ["flow"]);
    }
}
