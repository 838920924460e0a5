//! The states a configuration object passes through on its way from one org to another.
//!
//! [`Captured`] is what an org answered: its references are ids of that org. [`Portable`] is the
//! same object for any org: its references are `{"$ref": "kind/key"}`, its secrets
//! `{"$secret": "name"}`. [`Bound`] is what may be sent to the target: every reference is an id of
//! the target. Only [`Template::bind`] makes a `Bound`, and it takes only target ids, so an id of
//! the source org cannot get into a request.
//!
//! Where all objects of an org are held at once, their bodies are [`Json`] text: [`Stored`] is a
//! `Captured` in that form, [`Packed`] a `Portable`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::catalogue::Reference;
use crate::id::{ObjectRef, SourceId, TargetId, own_id};
use crate::secret::Secret;

/// Content that is kept beside a document, by the end of its file name: `flow.yaml`, `en-us.wav`.
pub type Files = BTreeMap<String, Arc<[u8]>>;

/// An object as an org answered it.
#[derive(Clone, Debug)]
pub struct Captured {
    /// Its id in the org it was read from.
    pub id: SourceId,
    /// Its body, with its parts put in.
    pub body: Value,
    /// Its files.
    pub files: Files,
}

/// A value as compact JSON text.
///
/// A large org has hundreds of thousands of bodies, and as trees they would take ten times the
/// memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Json(Box<str>);

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        Self::write(value)
    }
}

impl From<&Map<String, Value>> for Json {
    fn from(fields: &Map<String, Value>) -> Self {
        Self::write(fields)
    }
}

impl Json {
    fn write<T: Serialize>(value: &T) -> Self {
        let text = serde_json::to_string(value).expect("a value has text keys only");
        Self(text.into())
    }

    fn read<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.0).expect("it was written from a value of this form")
    }

    /// Returns the value as a tree.
    pub fn value(&self) -> Value {
        self.read()
    }

    /// Returns the fields of an object as a tree.
    pub(crate) fn map(&self) -> Map<String, Value> {
        self.read()
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns some fields; the others are passed over without a tree.
    pub fn fields(&self, wanted: &dyn Fn(&str) -> bool) -> Value {
        let mut reader = serde_json::Deserializer::from_str(&self.0);
        let seed = Fields { wanted };
        serde::de::DeserializeSeed::deserialize(seed, &mut reader).unwrap_or_default()
    }

    /// Returns one field.
    pub fn field(&self, name: &str) -> Option<Value> {
        match self.fields(&|field| field == name) {
            Value::Object(mut fields) => fields.remove(name),
            _ => None,
        }
    }

    /// Calls `visit` with every slot, in the order of the text.
    pub fn for_each_slot(&self, visit: &mut dyn FnMut(Slot)) {
        // Inside a string of JSON the quotes would be escaped: what looks like a slot is one.
        let mut inside = Vec::new();
        for (at, _) in self.0.match_indices(TEXT_REF) {
            // What stands inside a string may be escaped.
            let escaped = self.0[at..].find('}').map(|to| &self.0[at..=at + to]);
            let plain = escaped
                .and_then(|text| serde_json::from_str::<String>(&format!("\"{text}\"")).ok());
            let object = plain.and_then(|text| Some(text_refs(&text).next()?.1));
            inside.extend(object.map(|object| (at, Slot::Ref(object))));
        }
        let mut inside = inside.into_iter().peekable();
        for (at, _) in self.0.match_indices("\"$") {
            while let Some((_, slot)) = inside.next_if(|(inner, _)| *inner < at) {
                visit(slot);
            }
            let before = at.checked_sub(1).map(|before| self.0.as_bytes()[before]);
            let slot = match before {
                Some(b'{') => {
                    slot_of_json(&self.0[at - 1..]).or_else(|| key_of_json(&self.0[at..]))
                }
                Some(b',') => key_of_json(&self.0[at..]),
                _ => None,
            };
            if let Some(slot) = slot {
                visit(slot);
            }
        }
        inside.for_each(|(_, slot)| visit(slot));
    }
}

/// An object as an org answered it, in the form in which a hundred thousand of them are kept.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its id in the org it was read from.
    pub id: SourceId,
    body: Json,
    /// Its files.
    pub files: Files,
}

impl From<Captured> for Stored {
    fn from(captured: Captured) -> Self {
        let Captured { id, body, files } = captured;
        let body = Json::from(&body);
        Self { id, body, files }
    }
}

impl Stored {
    /// Returns the object with its body as a tree.
    pub fn open(&self) -> Captured {
        Captured {
            id: self.id.clone(),
            body: self.body(),
            files: self.files.clone(),
        }
    }

    /// Returns the body as a tree.
    pub fn body(&self) -> Value {
        self.body.value()
    }

    /// Returns the body as compact JSON.
    pub fn as_json(&self) -> &str {
        self.body.as_str()
    }

    /// Returns some fields of the body; the others are passed over without a tree.
    pub fn fields(&self, wanted: &dyn Fn(&str) -> bool) -> Value {
        self.body.fields(wanted)
    }

    /// Returns one field of the body.
    pub fn field(&self, name: &str) -> Option<Value> {
        self.body.field(name)
    }
}

/// Reads the wanted fields of an object, and nothing of anything else.
struct Fields<'w> {
    wanted: &'w dyn Fn(&str) -> bool,
}

impl<'de> serde::de::DeserializeSeed<'de> for Fields<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Fields<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if (self.wanted)(&name) {
                fields.insert(name.into_owned(), map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Object(fields))
    }
}

/// An object without anything of the org it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Portable {
    /// Which object it is.
    pub object: ObjectRef,
    /// The managed fields.
    pub body: Map<String, Value>,
    /// Its files.
    pub files: Files,
}

/// A [`Portable`] in the form in which a hundred thousand of them are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// Which object it is.
    pub object: ObjectRef,
    pub(crate) body: Json,
    /// Its files.
    pub files: Files,
}

impl From<Portable> for Packed {
    fn from(document: Portable) -> Self {
        let Portable {
            object,
            body,
            files,
        } = document;
        let body = Json::from(&body);
        Self {
            object,
            body,
            files,
        }
    }
}

impl Packed {
    /// Returns the object with its body as a tree.
    pub fn open(&self) -> Portable {
        Portable {
            object: self.object.clone(),
            body: self.body.map(),
            files: self.files.clone(),
        }
    }

    /// Returns the body as compact JSON.
    pub fn as_json(&self) -> &str {
        self.body.as_str()
    }

    /// Returns one field of the body.
    pub fn field(&self, name: &str) -> Option<Value> {
        self.body.field(name)
    }

    /// Returns the names of the fields of the body; they are read when the first is asked for.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        let read = || self.body.read::<BTreeMap<String, IgnoredAny>>();
        std::iter::once_with(read).flat_map(BTreeMap::into_keys)
    }

    /// Returns one field of the body, where it is a text.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.field(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }
}

/// A place that is filled at the last moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// `{"$ref": "kind/key"}`: the id of an object.
    Ref(ObjectRef),
    /// `{"$secret": "name"}`: a secret value.
    Secret(String),
    /// `{"$var": "name"}`: a variable.
    Var(String),
}

/// The name of a value that is sent as text: `{"$json": [...]}`.
const AS_TEXT: &str = "$json";

/// How a key of a map begins that stands for the id of an object: `$ref:kind/key`.
const KEY_REF: &str = "$ref:";

impl Slot {
    /// Returns the slot that a value is, if it is one.
    pub fn of(value: &Value) -> Option<Self> {
        let Value::Object(map) = value else {
            return None;
        };
        if map.len() != 1 {
            return None;
        }
        let (name, value) = map.iter().next()?;
        let text = value.as_str()?;
        name.starts_with('$')
            .then(|| Self::named(name, text.to_owned()))?
    }

    fn named(name: &str, text: String) -> Option<Self> {
        match name {
            "$ref" => text.parse().ok().map(Self::Ref),
            "$secret" => Some(Self::Secret(text)),
            "$var" => Some(Self::Var(text)),
            _ => None,
        }
    }

    /// Returns the object that a key of a map refers to, in a map that is keyed by ids.
    pub fn of_key(key: &str) -> Option<ObjectRef> {
        key.strip_prefix(KEY_REF)?.parse().ok()
    }

    /// Returns the key that stands for the id of an object.
    pub fn to_key(object: &ObjectRef) -> String {
        format!("{KEY_REF}{object}")
    }

    /// Wraps a value that becomes a text of JSON once its slots are filled.
    pub fn as_text(value: Value) -> Value {
        Value::Object(Map::from_iter([(AS_TEXT.to_owned(), value)]))
    }

    /// Returns the value that stands for the slot.
    pub fn to_value(&self) -> Value {
        let (name, text) = match self {
            Self::Ref(object) => ("$ref", object.to_string()),
            Self::Secret(name) => ("$secret", name.clone()),
            Self::Var(name) => ("$var", name.clone()),
        };
        Value::Object(Map::from_iter([(name.to_owned(), Value::String(text))]))
    }
}

/// Reads the slot at the beginning of compact JSON, if there is one.
fn slot_of_json(text: &str) -> Option<Slot> {
    let (name, rest) = text.strip_prefix("{\"")?.split_once("\":\"")?;
    let (text, rest) = string_of_json(rest)?;
    rest.starts_with('}').then(|| Slot::named(name, text))?
}

/// Reads the key that refers to an object at the beginning of compact JSON, if there is one.
fn key_of_json(text: &str) -> Option<Slot> {
    let (text, rest) = string_of_json(text.strip_prefix('"')?)?;
    let object = rest.starts_with(':').then(|| Slot::of_key(&text))??;
    Some(Slot::Ref(object))
}

/// Reads to the end of a string of compact JSON; returns the string, and what follows it.
fn string_of_json(text: &str) -> Option<(String, &str)> {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    let string = match &text[..end] {
        string if string.contains('\\') => serde_json::from_str(&format!("\"{string}\"")).ok()?,
        string => string.to_owned(),
    };
    Some((string, &text[end + 1..]))
}

/// How a reference inside a text begins: `${ref.kind/key}`. Nothing that Genesys writes in `${…}` is
/// called so.
const TEXT_REF: &str = "${ref.";

/// Writes a reference as it stands inside a text.
pub fn text_ref(object: &ObjectRef) -> String {
    format!("{TEXT_REF}{}}}", object.to_string().replace('}', "%7D"))
}

/// Returns the references inside a text, with the places where they stand.
pub fn text_refs(text: &str) -> impl Iterator<Item = (std::ops::Range<usize>, ObjectRef)> {
    text.match_indices(TEXT_REF).filter_map(|(at, _)| {
        let from = at + TEXT_REF.len();
        let to = from + text[from..].find('}')?;
        let object = text[from..to].replace("%7D", "}").parse().ok()?;
        Some((at..to + 1, object))
    })
}

/// Renames the objects that a value refers to, wherever the reference stands.
pub(crate) fn rename_refs(value: &mut Value, renamed: &dyn Fn(&ObjectRef) -> Option<ObjectRef>) {
    if let Some(slot) = Slot::of(value) {
        if let Slot::Ref(object) = slot
            && let Some(new) = renamed(&object)
        {
            *value = Slot::Ref(new).to_value();
        }
        return;
    }
    match value {
        Value::String(text) if text.contains(TEXT_REF) => {
            let new = |object: ObjectRef| text_ref(&renamed(&object).unwrap_or(object));
            let Ok(replaced) = replace_text_refs(text, &mut |object| {
                Ok::<_, std::convert::Infallible>(new(object))
            });
            *text = replaced;
        }
        Value::Array(list) => list
            .iter_mut()
            .for_each(|value| rename_refs(value, renamed)),
        Value::Object(map) => {
            let key = |key: &str| Some(Slot::to_key(&renamed(&Slot::of_key(key)?)?));
            if map.keys().any(|name| key(name).is_some()) {
                let entries = std::mem::take(map).into_iter();
                *map = entries
                    .map(|(name, value)| (key(&name).unwrap_or(name), value))
                    .collect();
            }
            map.values_mut()
                .for_each(|value| rename_refs(value, renamed));
        }
        _ => {}
    }
}

/// Replaces each reference inside a text.
fn replace_text_refs<E>(
    text: &str,
    replace: &mut dyn FnMut(ObjectRef) -> Result<String, E>,
) -> Result<String, E> {
    let mut out = String::new();
    let mut done = 0;
    for (range, object) in text_refs(text) {
        out.push_str(&text[done..range.start]);
        out.push_str(&replace(object)?);
        done = range.end;
    }
    out.push_str(&text[done..]);
    Ok(out)
}

/// Calls `visit` with every slot in a value.
pub fn for_each_slot(value: &Value, visit: &mut dyn FnMut(Slot)) {
    if let Some(slot) = Slot::of(value) {
        return visit(slot);
    }
    match value {
        Value::String(text) => text_refs(text).for_each(|(_, object)| visit(Slot::Ref(object))),
        Value::Array(list) => list.iter().for_each(|value| for_each_slot(value, visit)),
        Value::Object(map) => for_each_slot_in(map, visit),
        _ => {}
    }
}

/// Calls `visit` with every slot in the fields of an object.
pub fn for_each_slot_in(fields: &Map<String, Value>, visit: &mut dyn FnMut(Slot)) {
    for (key, value) in fields {
        if let Some(object) = Slot::of_key(key) {
            visit(Slot::Ref(object));
        }
        for_each_slot(value, visit);
    }
}

/// Calls `visit` with every object that stands at the place of a reference.
pub(crate) fn for_each_object_at(
    reference: &Reference,
    fields: &Map<String, Value>,
    visit: &mut dyn FnMut(ObjectRef),
) {
    reference
        .path
        .for_each_in(fields, &mut |value| match value {
            Value::Object(map) if reference.keys => {
                let objects = map.keys().filter_map(|key| Slot::of_key(key));
                objects.for_each(&mut *visit);
            }
            value => {
                if let Some(Slot::Ref(object)) = Slot::of(value) {
                    visit(object);
                }
            }
        });
}

/// The body of a request whose slots are not filled yet; part of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(Json);

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::new)
    }
}

/// Says which slot has no value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unbound {
    /// The object is not in the target yet.
    #[error("{0} has no id in the target")]
    Ref(ObjectRef),
    /// No provider has the secret.
    #[error("the secret {0:?} has no value")]
    Secret(String),
    /// No value is set for the variable.
    #[error("the variable {0:?} is not set")]
    Var(String),
}

/// Knows the values of slots.
pub trait Bindings {
    /// Returns the target's id of an object.
    fn id(&self, object: &ObjectRef) -> Option<TargetId>;
    /// Returns the value of a secret.
    fn secret(&self, name: &str) -> Option<Secret>;
}

impl Template {
    /// Wraps a body whose references stand where ids go.
    pub fn new(body: Value) -> Self {
        Self(Json::from(&body))
    }

    /// Returns the body with its slots.
    pub fn value(&self) -> Value {
        self.0.value()
    }

    /// Returns the body with its slots, as compact JSON.
    pub fn as_json(&self) -> &str {
        self.0.as_str()
    }

    /// Calls `visit` with every slot, in the order of the text.
    pub fn for_each_slot(&self, visit: &mut dyn FnMut(Slot)) {
        self.0.for_each_slot(visit);
    }

    /// Fills every slot.
    ///
    /// # Errors
    /// The first slot that has no value.
    pub fn bind(&self, bindings: &dyn Bindings) -> Result<Bound, Unbound> {
        bind(&self.value(), bindings).map(Bound)
    }

    /// Returns the parameters that this is of a path: an object that lives in another is named by
    /// the ids of both.
    ///
    /// # Errors
    /// A slot that has no value.
    pub fn bind_params(&self, bindings: &dyn Bindings) -> Result<Vec<String>, Unbound> {
        let value = self.value();
        if let Some(Slot::Ref(object)) = Slot::of(&value) {
            let id = bindings.id(&object).ok_or(Unbound::Ref(object))?;
            return Ok(id.as_str().split('/').map(str::to_owned).collect());
        }
        let bound = bind(&value, bindings)?;
        Ok(vec![bound.as_str().unwrap_or_default().to_owned()])
    }
}

fn bind(value: &Value, bindings: &dyn Bindings) -> Result<Value, Unbound> {
    let own = |object: ObjectRef| match bindings.id(&object) {
        Some(id) => Ok(own_id(id.as_str()).to_owned()),
        None => Err(Unbound::Ref(object)),
    };
    match Slot::of(value) {
        Some(Slot::Ref(object)) => own(object).map(Value::String),
        Some(Slot::Secret(name)) => match bindings.secret(&name) {
            Some(secret) => Ok(Value::String(secret.expose().to_owned())),
            None => Err(Unbound::Secret(name)),
        },
        Some(Slot::Var(name)) => Err(Unbound::Var(name)),
        None => match value {
            Value::String(text) => {
                let mut own = |object| own(object);
                replace_text_refs(text, &mut own).map(Value::String)
            }
            Value::Array(list) => list.iter().map(|value| bind(value, bindings)).collect(),
            Value::Object(map) if map.len() == 1 && map.contains_key(AS_TEXT) => {
                bind(&map[AS_TEXT], bindings).map(|value| Value::String(value.to_string()))
            }
            Value::Object(map) => map
                .iter()
                .map(|(name, value)| {
                    let name = Slot::of_key(name).map_or_else(|| Ok(name.clone()), own)?;
                    Ok((name, bind(value, bindings)?))
                })
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
            other => Ok(other.clone()),
        },
    }
}

/// A body that holds ids of the target only, and perhaps secrets: it is sent, never shown.
pub struct Bound(Value);

impl Bound {
    /// Returns the body, for the one place that sends it.
    pub fn into_value(self) -> Value {
        self.0
    }

    /// Adds a field that is known only now, such as the version a previous step left behind.
    pub fn set(&mut self, field: &str, value: Value) {
        if let Value::Object(map) = &mut self.0 {
            map.insert(field.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    struct One;

    impl Bindings for One {
        fn id(&self, object: &ObjectRef) -> Option<TargetId> {
            (object.to_string() == "routing_skill/Billing").then(|| TargetId::new("t-1"))
        }

        fn secret(&self, name: &str) -> Option<Secret> {
            (name == "crm").then(|| Secret::new("s".into()))
        }
    }

    #[test]
    fn binding_fills_every_slot() {
        let body =
            json!({"a": [{"id": {"$ref": "routing_skill/Billing"}}], "k": {"$secret": "crm"}});
        let bound = Template::new(body).bind(&One).expect("all are known");
        assert_eq!(bound.into_value(), json!({"a": [{"id": "t-1"}], "k": "s"}));
    }

    #[test]
    fn references_inside_a_text_are_filled_and_nothing_else_is() {
        let body = json!("{\"q\":\"${ref.routing_skill/Billing}\"} ${input.x} ${ref.} $!{x}");
        let bound = Template::new(body).bind(&One).expect("all are known");
        assert_eq!(
            bound.into_value(),
            json!("{\"q\":\"t-1\"} ${input.x} ${ref.} $!{x}")
        );
    }

    #[test]
    fn a_stored_object_opens_as_it_was_and_shows_single_fields() {
        let body =
            json!({"id": "1", "name": "A \"quoted\" name", "deep": {"name": [1, {"x": null}]}});
        let stored = Stored::from(Captured {
            id: SourceId::new("1"),
            body: body.clone(),
            files: Files::new(),
        });
        assert_eq!(stored.open().body, body);
        assert_eq!(stored.field("name"), Some(json!("A \"quoted\" name")));
        assert_eq!(stored.field("deep"), Some(body["deep"].clone()));
        assert_eq!(stored.field("x"), None);
    }

    #[test]
    fn a_packed_document_opens_as_it_was_to_the_last_digit() {
        let body = json!({"name": "Site", "latitude": 31.245_270_191_439_438, "tiny": 1.5e-300,
            "large": u64::MAX, "list": [0.1, {"x": null}], "none": {}});
        let document = Portable {
            object: "location/Site".parse().expect("a reference"),
            body: body.as_object().cloned().expect("an object"),
            files: Files::from([("a.wav".to_owned(), Arc::from(*b"sound"))]),
        };
        let packed = Packed::from(document.clone());
        assert_eq!(packed.open(), document);
        assert_eq!(packed.as_json(), body.to_string());
        assert_eq!(packed.text("name").as_deref(), Some("Site"));
        assert_eq!(packed.text("large"), None);
        let names: Vec<String> = packed.names().collect();
        assert_eq!(names, ["large", "latitude", "list", "name", "none", "tiny"]);
    }

    #[test]
    fn a_value_that_is_sent_as_text_is_bound_first() {
        let list = Slot::as_text(json!([{"$ref": "routing_skill/Billing"}, "x"]));
        let template = Template::new(json!({"properties": {"skills": list}}));
        let mut slots = Vec::new();
        template.for_each_slot(&mut |slot| slots.push(slot));
        assert_eq!(slots.len(), 1, "{slots:?}");
        let bound = template.bind(&One).expect("it is known").into_value();
        assert_eq!(bound, json!({"properties": {"skills": "[\"t-1\",\"x\"]"}}));
    }

    #[test]
    fn a_slot_without_a_value_is_an_error() {
        let bind = |body| {
            Template::new(body)
                .bind(&One)
                .err()
                .map(|error| error.to_string())
        };
        assert_eq!(
            bind(json!({"$ref": "routing_skill/Sales"})).as_deref(),
            Some("routing_skill/Sales has no id in the target")
        );
        assert_eq!(
            bind(json!([{"$secret": "x"}])).as_deref(),
            Some("the secret \"x\" has no value")
        );
    }

    #[test]
    fn the_slots_of_a_template_are_those_of_its_value() {
        let body = json!({"a": [{"$ref": "a/\"}{"}, {"$secret": "s"}], "b": "{\"$ref\":\"a/b\"}",
            "c": {"$ref": "a/b", "x": {"$var": "v"}}, "$ref": 1,
            "m": {"$ref:a/k\"": 1, "$ref:b/l": {"$ref:c/d": 2}}, "t": "$ref:a/b",
            "u": "/x/${ref.a/b\"c}/y ${ref.a/d%7De} ${ref.nothing} ${input.x}"});
        let (mut from_text, mut from_value) = (Vec::new(), Vec::new());
        Template::new(body.clone()).for_each_slot(&mut |slot| from_text.push(slot));
        for_each_slot(&body, &mut |slot| from_value.push(slot));
        assert_eq!(from_text, from_value);
        assert_eq!(from_text.len(), 8);
    }

    #[test]
    fn text_that_genesys_writes_is_no_slot() {
        for value in [
            json!("${input.x}"),
            json!({"$ref": 1}),
            json!({"$ref": "a/b", "c": 1}),
        ] {
            assert_eq!(Slot::of(&value), None);
        }
    }
}
