//! Paths into JSON bodies, as kind files write them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A place in a body: `division`, `rings[].memberGroups[]`, `defaultScripts{}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Field(Box<str>),
    Elements,
    Values,
}

/// Says why a text is not a path.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a field path (write a.b, a[].b or a{{}}.b)")]
pub struct BadPath(String);

impl FieldPath {
    /// Reads a path as kind files write it.
    ///
    /// # Errors
    /// An empty field name, or `[]` and `{}` in a wrong place.
    pub fn parse(text: &str) -> Result<Self, BadPath> {
        let mut segments = Vec::new();
        for piece in text.split('.') {
            let name_end = piece.find(['[', '{']).unwrap_or(piece.len());
            let (name, mut rest) = piece.split_at(name_end);
            if name.is_empty() {
                return Err(BadPath(text.to_owned()));
            }
            segments.push(Segment::Field(name.into()));
            while !rest.is_empty() {
                rest = if let Some(rest) = rest.strip_prefix("[]") {
                    segments.push(Segment::Elements);
                    rest
                } else if let Some(rest) = rest.strip_prefix("{}") {
                    segments.push(Segment::Values);
                    rest
                } else {
                    return Err(BadPath(text.to_owned()));
                };
            }
        }
        Ok(Self(segments))
    }

    /// Returns the first field: the top-level field that holds the place.
    pub fn root(&self) -> &str {
        match self.0.first() {
            Some(Segment::Field(name)) => name,
            _ => "",
        }
    }

    /// Tells whether the path is one top-level field and nothing more.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// Tells whether this is a place, or the `id` of what stands there.
    pub(crate) fn is_at(&self, place: &Self) -> bool {
        match self.0.strip_prefix(place.0.as_slice()) {
            Some([]) => true,
            Some([Segment::Field(name)]) => &**name == "id",
            _ => false,
        }
    }

    /// Tells whether the place is inside a list.
    pub fn in_list(&self) -> bool {
        self.0.contains(&Segment::Elements)
    }

    /// Splits the path behind its last `[]`: the list's elements, and the place inside one.
    pub fn split_at_element(&self) -> Option<(Self, Self)> {
        let at = self
            .0
            .iter()
            .rposition(|segment| *segment == Segment::Elements)?
            + 1;
        Some((Self(self.0[..at].to_vec()), Self(self.0[at..].to_vec())))
    }

    /// Returns the place of the list that holds all lists on the way, if there is one.
    pub fn outermost_list(&self) -> Option<Self> {
        let is_list = |segment: &Segment| *segment == Segment::Elements;
        let at = self.0.iter().position(is_list)?;
        Some(Self(self.0[..at].to_vec()))
    }

    /// Returns the steps as field names, `[]` and `{}`.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|segment| match segment {
            Segment::Field(name) => &**name,
            Segment::Elements => "[]",
            Segment::Values => "{}",
        })
    }

    /// Returns the first value at the place.
    pub fn get<'v>(&self, body: &'v Value) -> Option<&'v Value> {
        let mut found = None;
        walk(body, &self.0, &mut |value| {
            if found.is_none() {
                found = Some(value);
            }
        });
        found
    }

    /// Calls `visit` with every value at the place, in a body that is given by its fields.
    pub fn for_each_in<'v>(
        &self,
        fields: &'v serde_json::Map<String, Value>,
        visit: &mut dyn FnMut(&'v Value),
    ) {
        if let Some((Segment::Field(name), rest)) = self.0.split_first()
            && let Some(value) = fields.get(&**name)
        {
            walk(value, rest, visit);
        }
    }

    /// Calls `visit` with every value at the place.
    pub fn for_each<'v>(&self, body: &'v Value, visit: &mut dyn FnMut(&'v Value)) {
        walk(body, &self.0, visit);
    }

    /// Splits off the last field, where the path ends with one.
    pub fn split_last_field(&self) -> Option<(Self, &str)> {
        let (Segment::Field(name), holder) = self.0.split_last()? else {
            return None;
        };
        Some((Self(holder.to_vec()), name))
    }

    /// Puts a value at the place, wherever it is; fields on the way to it are made, items of lists are
    /// not. Returns whether there was such a place.
    pub fn set(&self, body: &mut Value, new: &Value) -> bool {
        set(body, &self.0, new)
    }

    /// Renames the keys of the maps at the place; an entry whose key becomes nothing is removed.
    pub fn rename_keys(&self, body: &mut Value, rename: &mut dyn FnMut(&str) -> Option<String>) {
        retain(body, &self.0, &mut |value| {
            if let Value::Object(map) = value {
                *map = std::mem::take(map)
                    .into_iter()
                    .filter_map(|(key, value)| Some((rename(&key)?, value)))
                    .collect();
            }
            true
        });
    }

    /// Calls `visit` with every value at the place; a place for which it returns false is removed
    /// from its list or object.
    pub fn retain(&self, body: &mut Value, visit: &mut dyn FnMut(&mut Value) -> bool) {
        retain(body, &self.0, visit);
    }
}

/// The name of a list that need not be the whole list: `{"$has": [...]}`.
pub(crate) const HAS: &str = "$has";

/// What a document says of a list of items.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Items<'v> {
    /// The items.
    pub(crate) list: &'v [Value],
    /// These and no others; else these, whatever else is there.
    pub(crate) whole: bool,
}

impl<'v> Items<'v> {
    /// Reads `[...]` or `{"$has": [...]}`.
    pub(crate) fn of(value: &'v Value) -> Option<Self> {
        let (value, whole) = match value {
            Value::Object(map) if map.len() == 1 => (map.get(HAS)?, false),
            value => (value, true),
        };
        let list = value.as_array()?;
        Some(Self { list, whole })
    }

    /// Returns the items, to change them where they are.
    pub(crate) fn list_mut(value: &mut Value) -> Option<&mut Vec<Value>> {
        match value {
            Value::Array(list) => Some(list),
            Value::Object(map) if map.len() == 1 => map.get_mut(HAS)?.as_array_mut(),
            _ => None,
        }
    }

    /// Says that a list has some items, whatever else it has.
    pub(crate) fn at_least(items: Vec<Value>) -> Value {
        Value::Object(serde_json::Map::from_iter([(
            HAS.to_owned(),
            Value::Array(items),
        )]))
    }
}

fn walk<'v>(value: &'v Value, path: &[Segment], visit: &mut dyn FnMut(&'v Value)) {
    let Some((segment, rest)) = path.split_first() else {
        return visit(value);
    };
    match (segment, value) {
        (Segment::Field(name), Value::Object(map)) => {
            if let Some(value) = map.get(&**name) {
                walk(value, rest, visit);
            }
        }
        (Segment::Elements, value) => {
            let items = Items::of(value).into_iter().flat_map(|items| items.list);
            items.for_each(|value| walk(value, rest, visit));
        }
        (Segment::Values, Value::Object(map)) => {
            map.values().for_each(|value| walk(value, rest, visit));
        }
        _ => {}
    }
}

/// Tells whether an object stands for something else, which is no place for fields.
fn is_slot(map: &serde_json::Map<String, Value>) -> bool {
    map.len() == 1 && map.keys().all(|name| name.starts_with('$') && name != HAS)
}

fn set(value: &mut Value, path: &[Segment], new: &Value) -> bool {
    let Some((segment, rest)) = path.split_first() else {
        new.clone_into(value);
        return true;
    };
    match (segment, value) {
        (Segment::Field(name), Value::Object(map)) if !is_slot(map) => {
            let makes = rest.iter().all(|step| matches!(step, Segment::Field(_)));
            match map.get_mut(&**name) {
                Some(value) if !(value.is_null() && makes) => set(value, rest, new),
                _ if !makes => false,
                _ => {
                    let mut made = match rest {
                        [] => Value::Null,
                        _ => Value::Object(serde_json::Map::new()),
                    };
                    let met = set(&mut made, rest, new);
                    map.insert(name.to_string(), made);
                    met
                }
            }
        }
        (Segment::Elements, value) => {
            let items = Items::list_mut(value).into_iter().flatten();
            items.fold(false, |met, item| set(item, rest, new) | met)
        }
        (Segment::Values, Value::Object(map)) => {
            let values = map.values_mut();
            values.fold(false, |met, value| set(value, rest, new) | met)
        }
        _ => false,
    }
}

fn retain(value: &mut Value, path: &[Segment], visit: &mut dyn FnMut(&mut Value) -> bool) -> bool {
    let Some((segment, rest)) = path.split_first() else {
        return visit(value);
    };
    match (segment, value) {
        (Segment::Field(name), Value::Object(map)) => {
            if let Some(value) = map.get_mut(&**name)
                && !retain(value, rest, visit)
            {
                map.remove(&**name);
            }
        }
        (Segment::Elements, value) => {
            if let Some(list) = Items::list_mut(value) {
                list.retain_mut(|value| retain(value, rest, visit));
            }
        }
        (Segment::Values, Value::Object(map)) => {
            map.retain(|_, value| retain(value, rest, visit));
        }
        _ => {}
    }
    true
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if index == 0 => f.write_str(name)?,
                Segment::Field(name) => write!(f, ".{name}")?,
                Segment::Elements => f.write_str("[]")?,
                Segment::Values => f.write_str("{}")?,
            }
        }
        Ok(())
    }
}

impl Serialize for FieldPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FieldPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_read_back_as_written() {
        for text in [
            "division",
            "a.b",
            "rings[].memberGroups[]",
            "defaultScripts{}",
            "a{}[].b",
        ] {
            assert_eq!(FieldPath::parse(text).expect(text).to_string(), text);
        }
        for text in ["", "a..b", "[]", "a[b", "a[]x"] {
            assert!(FieldPath::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_of_a_map_are_renamed_or_removed_with_their_values() {
        let mut body = json!({"labels": {"a": 1, "b": 2}});
        FieldPath::parse("labels")
            .expect("a path")
            .rename_keys(&mut body, &mut |key| (key == "a").then(|| "A".to_owned()));
        assert_eq!(body, json!({"labels": {"A": 1}}));
    }

    #[test]
    fn set_makes_fields_and_no_items() {
        let mut body =
            json!({"a": {"b": 1}, "list": [{"x": 1}, {}], "q": {"$ref": "a/b"}, "n": null});
        for (path, met) in [
            ("a.c.d", true),
            ("list[].x", true),
            ("none[].x", false),
            ("q.id", false),
            ("a.b.c", false),
            ("n.m", true),
            ("new", true),
        ] {
            let path = FieldPath::parse(path).expect("a path");
            assert_eq!(path.set(&mut body, &json!(7)), met, "{path}");
        }
        assert_eq!(
            body,
            json!({"a": {"b": 1, "c": {"d": 7}}, "list": [{"x": 7}, {"x": 7}], "q": {"$ref": "a/b"},
                "n": {"m": 7}, "new": 7})
        );
    }

    #[test]
    fn retain_removes_list_elements_and_fields() {
        let mut body = json!({"rings": [{"groups": [1, 2, 3]}, {"groups": [2]}, {}], "one": 2});
        let odd = &mut |value: &mut Value| value.as_i64().is_some_and(|n| n % 2 == 1);
        FieldPath::parse("rings[].groups[]")
            .expect("a path")
            .retain(&mut body, odd);
        FieldPath::parse("one")
            .expect("a path")
            .retain(&mut body, odd);
        assert_eq!(
            body,
            json!({"rings": [{"groups": [1, 3]}, {"groups": []}, {}]})
        );
    }
}
