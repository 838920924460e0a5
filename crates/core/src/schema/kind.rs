//! The schema of the documents of one kind.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::DRAFT;
use crate::catalogue::{Catalogue, Descriptor, MEMBER_OF, Reference};
use crate::models::{Place, Places, Shape};
use crate::people::{BOUND_TO, LIKE, PROFILE, shared};

/// How often a model may hold itself before anything may stand there.
const DEPTH: usize = 2;

/// Returns the schema of the documents of a kind.
pub fn kind(catalogue: &Catalogue, descriptor: &Descriptor) -> Value {
    let mut maker = Maker::new(descriptor);
    let mut properties = maker.properties();
    if let Some(parent) = &descriptor.parent {
        let refers = maker.refers([parent.kind.as_str()]);
        properties.insert(parent.field.clone(), refers);
    }
    if !descriptor.member_of.is_empty() {
        properties.extend(maker.belonging(catalogue));
    }
    let mut schema = json!({
        "title": descriptor.title,
        "description": about(descriptor),
    });
    require_key(descriptor, &mut schema);
    maker.finish(schema, properties)
}

/// Returns the schema of a routing profile, which is orgsmith's own: what people have in common.
pub fn profile(catalogue: &Catalogue) -> Option<Value> {
    let user = catalogue.get("user").ok()?;
    let mut maker = Maker::new(user);
    let common: BTreeSet<&str> = shared(user).collect();
    let mut properties = maker.properties();
    properties.extend(maker.belonging(catalogue));
    properties.retain(|name, _| common.contains(name.as_str()));
    for name in ["name", "description"] {
        properties.insert(name.to_owned(), json!({"type": "string"}));
    }
    let schema = json!({
        "title": "routing profile",
        "description": "What people of one sort have in common; a user names it as its `profile`.",
    });
    Some(maker.finish(schema, properties))
}

fn about(descriptor: &Descriptor) -> String {
    let notes = descriptor.notes.iter().map(String::as_str);
    let head = format!(
        "A {} of Genesys Cloud ({}).",
        descriptor.title, descriptor.kind
    );
    let all: Vec<&str> = std::iter::once(head.as_str()).chain(notes).collect();
    all.join("\n")
}

/// Asks for the fields that the key is made of. A document that only says who belongs to an object
/// needs none, and neither do objects that every org has.
fn require_key(descriptor: &Descriptor, schema: &mut Value) {
    let fields: BTreeSet<&str> = descriptor
        .key
        .fields
        .iter()
        .map(|path| path.root())
        .collect();
    let unnamed = descriptor.builtins.iter().any(|builtin| {
        let named = |field: &String| fields.contains(field.as_str());
        builtin.unmanaged.iter().any(named) || builtin.key.is_some() || builtin.key_field.is_some()
    });
    if descriptor.singleton || unnamed || fields.is_empty() {
        return;
    }
    let members: Vec<&str> = descriptor
        .parts
        .iter()
        .filter(|part| part.members)
        .map(|part| part.field.as_str())
        .collect();
    if members.is_empty() {
        schema["required"] = json!(fields);
    } else {
        schema["if"] = json!({"minProperties": 1, "propertyNames": {"enum": members}});
        schema["else"] = json!({"required": fields});
    }
}

struct Maker<'k> {
    descriptor: &'k Descriptor,
    places: Places<'k>,
    /// Schemas that are used in several places, by name.
    definitions: BTreeMap<String, Value>,
    stack: Vec<&'static str>,
}

impl<'k> Maker<'k> {
    fn new(descriptor: &'k Descriptor) -> Self {
        Self {
            descriptor,
            places: Places::new(descriptor),
            definitions: BTreeMap::new(),
            stack: Vec::new(),
        }
    }

    fn finish(self, mut schema: Value, properties: Map<String, Value>) -> Value {
        schema["$schema"] = DRAFT.into();
        schema["type"] = "object".into();
        schema["properties"] = properties.into();
        schema["additionalProperties"] = false.into();
        if !self.definitions.is_empty() {
            schema["definitions"] = json!(self.definitions);
        }
        schema
    }

    fn properties(&mut self) -> Map<String, Value> {
        let mut properties = Map::new();
        for place in self.places.fields() {
            let schema = self.place(&place);
            let facts = facts(self.descriptor, &place);
            properties.insert(place.name().to_owned(), described(schema, facts));
        }
        properties
    }

    /// Returns what a user says besides: whom it is like, and where it belongs.
    fn belonging(&mut self, catalogue: &Catalogue) -> Map<String, Value> {
        let mut places = Map::new();
        for (name, belongs) in &self.descriptor.member_of {
            let refers = self.refers([belongs.kind.as_str()]);
            let mut items = vec![refers.clone()];
            let holder = catalogue.get(belongs.kind.as_str()).ok();
            let part = holder.and_then(|kind| kind.parts.iter().find(|p| p.field == belongs.part));
            if let Some(part) = part.filter(|part| !part.identity.is_empty()) {
                let mut fields = Map::from_iter([("id".to_owned(), refers)]);
                let other = part
                    .fields
                    .iter()
                    .filter(|field| !part.identity.contains(field));
                fields.extend(other.map(|field| (field.clone(), json!({}))));
                items.push(json!({
                    "type": "object",
                    "required": ["id"],
                    "properties": fields,
                    "additionalProperties": false,
                }));
            }
            let list = list(json!({"anyOf": items}), true);
            places.insert(name.clone(), list);
        }
        let member_of = json!({
            "description": "Short for a member in each of these.",
            "type": "object",
            "properties": places,
            "additionalProperties": false,
        });
        let like = [self.descriptor.kind.as_str()];
        Map::from_iter([
            (MEMBER_OF.to_owned(), member_of),
            (BOUND_TO.to_owned(), self.refers([PROFILE])),
            (LIKE.to_owned(), self.refers(like)),
        ])
    }

    fn place(&mut self, place: &Place<'k>) -> Value {
        let shape = self.places.shape(place);
        match shape {
            Shape::Any => json!({}),
            Shape::Text => self.text(place),
            Shape::Integer => self.or_variable(number("integer", place)),
            Shape::Number => self.or_variable(number("number", place)),
            Shape::Boolean => self.or_variable(json!({"type": "boolean"})),
            Shape::Time => self.or_variable(json!({"type": "string", "format": "date-time"})),
            Shape::Date => self.or_variable(json!({"type": "string", "format": "date"})),
            Shape::Secret => {
                let secret = self.define("secret", slot("$secret", "the name of a secret"));
                self.or_variable(secret)
            }
            Shape::Reference(reference) => self.reference(reference),
            Shape::Keyed(reference, inner) => {
                let inner = self.place(&inner);
                json!({"type": "object", "additionalProperties": inner, "propertyNames": keys(reference)})
            }
            Shape::List(item) => {
                let items = self.place(&item);
                let list = list(items, place.is_part_list());
                self.or_variable(list)
            }
            Shape::Map(inner) => {
                let inner = self.place(&inner);
                self.or_variable(json!({"type": "object", "additionalProperties": inner}))
            }
            Shape::Object(fields) => self.object(place, &fields),
        }
    }

    fn object(&mut self, place: &Place<'k>, fields: &[Place<'k>]) -> Value {
        let model = place.model().unwrap_or_default();
        if self.stack.iter().filter(|seen| **seen == model).count() >= DEPTH {
            return json!({});
        }
        self.stack.push(model);
        let mut properties = Map::new();
        for field in fields {
            properties.insert(field.name().to_owned(), self.place(field));
        }
        self.stack.pop();
        let mut object = json!({
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        if let Some(part) = place.part().filter(|part| !part.identity.is_empty()) {
            object["required"] = json!(part.identity);
        }
        self.or_variable(object)
    }

    fn text(&mut self, place: &Place<'k>) -> Value {
        let mut text = json!({"type": "string"});
        let limits = place.limits();
        for (name, limit) in [
            ("minLength", limits.min_length),
            ("maxLength", limits.max_length),
        ] {
            if let Some(limit) = limit {
                text[name] = limit.into();
            }
        }
        if !place.values().is_empty() {
            text["enum"] = json!(place.values());
        }
        let is_plain = text.as_object().is_some_and(|text| text.len() == 1);
        let mut any_of = vec![text];
        if !is_plain {
            let open = json!({"type": "string", "pattern": r"\$\{var\."});
            any_of.push(self.define("text with a variable", open));
        }
        any_of.push(self.variable());
        any_of.push(self.define("secret", slot("$secret", "the name of a secret")));
        // Free-form settings may hold what is an id elsewhere.
        any_of.push(self.refers([]));
        let text = json!({"anyOf": any_of});
        match is_plain {
            true => self.define("text", text),
            false => text,
        }
    }

    fn reference(&mut self, reference: &Reference) -> Value {
        let kinds = reference.kind.iter().chain(reference.kinds.values());
        let refers = self.refers(kinds.map(|kind| kind.as_str()));
        let mut any_of = vec![refers, self.variable()];
        if reference.or_name || reference.bare && reference.by.is_some() {
            any_of.push(json!({"type": "string"}));
        } else if !reference.literals.is_empty() {
            let literal = json!({"type": "string", "pattern": literals(reference)});
            any_of.push(json!({
                "type": "object",
                "required": ["id"],
                "properties": {"id": literal},
            }));
            any_of.push(literal);
        }
        json!({"anyOf": any_of})
    }

    /// Returns the schema of a reference to an object of one of some kinds.
    fn refers<'n>(&mut self, kinds: impl IntoIterator<Item = &'n str>) -> Value {
        let mut kinds: Vec<&str> = kinds.into_iter().collect();
        kinds.sort_unstable();
        kinds.dedup();
        if kinds.is_empty() {
            let any = slot_like("$ref", "another object: kind/key", "^.+/.+$");
            return self.define("reference", any);
        }
        let names = kinds.join(" or a ");
        let about = format!("a {names}, as kind/key");
        let pattern = format!("^({})/.+$", kinds.join("|"));
        self.define(&format!("a {names}"), slot_like("$ref", &about, &pattern))
    }

    fn variable(&mut self) -> Value {
        self.define("variable", slot("$var", "the name of a variable"))
    }

    fn or_variable(&mut self, schema: Value) -> Value {
        json!({"anyOf": [schema, self.variable()]})
    }

    /// Keeps a schema under a name and returns the way to it.
    fn define(&mut self, name: &str, schema: Value) -> Value {
        let name = name.replace(' ', "-");
        self.definitions.entry(name.clone()).or_insert(schema);
        json!({"$ref": format!("#/definitions/{name}")})
    }
}

/// Returns what is known of a field besides its shape.
pub(super) fn facts(descriptor: &Descriptor, place: &Place<'_>) -> Option<String> {
    let name = place.name();
    let mut facts = Vec::new();
    if descriptor.key.fields.iter().any(|path| path.root() == name) {
        facts.push("It is part of the key, and so of the name of the file.");
    } else if descriptor.immutable.iter().any(|field| field == name) {
        facts.push("It is set when the object is created.");
    }
    if descriptor.secrets.iter().any(|path| path.root() == name) {
        facts.push("It holds secrets: write {$secret: \"name\"}.");
    }
    (!facts.is_empty()).then(|| facts.join(" "))
}

fn described(schema: Value, facts: Option<String>) -> Value {
    let Some(facts) = facts else { return schema };
    // Beside a `$ref` draft 07 ignores everything.
    let mut schema = match schema.get("$ref") {
        Some(_) => json!({"allOf": [schema]}),
        None => schema,
    };
    schema["description"] = facts.into();
    schema
}

fn list(items: Value, is_part: bool) -> Value {
    let list = json!({"type": "array", "items": items});
    if !is_part {
        return list;
    }
    let has = json!({
        "type": "object",
        "description": "These, whatever else is there.",
        "required": ["$has"],
        "properties": {"$has": list},
        "additionalProperties": false,
    });
    json!({"anyOf": [list, has]})
}

fn number(ty: &str, place: &Place<'_>) -> Value {
    let mut number = json!({"type": ty});
    let limits = place.limits();
    for (name, limit) in [("minimum", limits.minimum), ("maximum", limits.maximum)] {
        if let Some(limit) = limit {
            number[name] = limit.into();
        }
    }
    let values = place.values().iter();
    let values: Vec<Value> = values
        .filter_map(|value| serde_json::from_str(value).ok())
        .collect();
    if !values.is_empty() {
        number["enum"] = values.into();
    }
    number
}

fn slot(name: &str, about: &str) -> Value {
    slot_like(name, about, "^.+$")
}

fn slot_like(name: &str, about: &str, pattern: &str) -> Value {
    let text = json!({"type": "string", "pattern": pattern, "description": about});
    let mut slot = json!({"type": "object", "required": [name], "additionalProperties": false});
    slot["properties"] = Map::from_iter([(name.to_owned(), text)]).into();
    slot
}

/// Returns a pattern of the texts that stand in the place of an id and mean something else.
fn literals(reference: &Reference) -> String {
    let each = reference.literals.iter().map(|literal| {
        match literal.strip_suffix('*').filter(|begin| !begin.is_empty()) {
            Some(begin) => format!("^{}", escaped(begin)),
            None => format!("^{}$", escaped(literal)),
        }
    });
    each.collect::<Vec<_>>().join("|")
}

fn keys(reference: &Reference) -> Value {
    let kinds = reference.kind.iter().chain(reference.kinds.values());
    let kinds: Vec<&str> = kinds.map(|kind| kind.as_str()).collect();
    let own = match kinds.is_empty() {
        true => r"^\$ref:.+/.+$".to_owned(),
        false => format!(r"^\$ref:({})/.+$", kinds.join("|")),
    };
    let pattern = match reference.literals.is_empty() {
        true => own,
        false => format!("{own}|{}", literals(reference)),
    };
    json!({"pattern": pattern})
}

fn escaped(text: &str) -> String {
    let special = |c: char| c.is_ascii_punctuation() && c != '-' && c != '_';
    text.chars()
        .flat_map(|c| special(c).then_some('\\').into_iter().chain([c]))
        .collect()
}
