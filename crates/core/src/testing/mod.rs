//! Example orgs for tests: objects as the API answers them, with ids from a seed.
//!
//! A body is written as in a bundle, with `{"$ref": "kind/key"}` in place of references; an [`Org`]
//! puts ids of its own there. Two orgs of different seeds share no id, so a test that finds one
//! org's id in what is meant for the other has found a leak.

mod example;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

pub use example::example;

use crate::bundle::Origin;
use crate::catalogue::{Catalogue, Descriptor, Part, Reference};
use crate::document::{Captured, Files, Slot};
use crate::flow::FlowType;
use crate::id::{Key, ObjectRef, SourceId};
use crate::plan::FLOW_SOURCE;
use crate::snapshot::Snapshot;

/// An org that grows object by object.
#[derive(Clone, Debug)]
pub struct Org {
    seed: String,
    objects: BTreeMap<ObjectRef, (Value, Files)>,
    deleted: BTreeMap<ObjectRef, Value>,
}

impl Org {
    /// Makes an org with what every org has; `home` is what its home division is called.
    pub fn new(seed: &str, home: &str) -> Self {
        let mut org = Self {
            seed: seed.to_owned(),
            objects: BTreeMap::new(),
            deleted: BTreeMap::new(),
        };
        let division =
            json!({"name": home, "description": format!("Home of {home}"), "homeDivision": true});
        org.add("auth_division/~home", division);
        let role = json!({"name": "employee", "default": true, "defaultRoleId": "employee", "permissions": []});
        org.add("auth_role/~employee", role);
        let media = |capacity: u32| json!({"maximumCapacity": capacity, "interruptableMediaTypes": ["call"]});
        org.add(
            "routing_utilization/~settings",
            json!({"utilization": {"call": media(1), "chat": media(4)}}),
        );
        org
    }

    /// Returns the id of an object, whether the org has it or not.
    ///
    /// # Panics
    /// `object` is not of the form `kind/key`.
    pub fn id(&self, object: &str) -> String {
        id_of(&self.seed, &reference(object))
    }

    /// Adds an object, or replaces it.
    ///
    /// # Panics
    /// `object` is not of the form `kind/key`, or `body` is no object.
    pub fn add(&mut self, object: &str, body: Value) -> &mut Self {
        self.add_with_files(object, body, Files::new())
    }

    /// Adds an object with the files beside it.
    ///
    /// # Panics
    /// As [`Org::add`].
    pub fn add_with_files(&mut self, object: &str, body: Value, files: Files) -> &mut Self {
        let object = reference(object);
        let body = named(&object, body);
        self.objects.insert(object, (body, files));
        self
    }

    /// Adds a flow with its source; `key` is its type and name.
    ///
    /// # Panics
    /// `key` is not of the form `type/name`, with a type that Architect knows.
    pub fn add_flow(&mut self, key: &str, source: &str) -> &mut Self {
        let object = reference(&format!("flow/{key}"));
        let parts = object.key.parts();
        let flow_type = FlowType::parse(&parts[0]).expect("a type of flow");
        let files = Files::from([(FLOW_SOURCE.to_owned(), source.as_bytes().into())]);
        let body = json!({
            "name": parts[1],
            "type": flow_type.api(),
            "division": {"$ref": "auth_division/~home"},
            "publishedVersion": {"id": "1.0"},
        });
        self.objects.insert(object, (body, files));
        self
    }

    /// Adds an object that was deleted and can be restored.
    ///
    /// # Panics
    /// As [`Org::add`].
    pub fn add_deleted(&mut self, object: &str, body: Value) -> &mut Self {
        let object = reference(object);
        let body = named(&object, body);
        self.deleted.insert(object, body);
        self
    }

    /// Changes the body of an object.
    ///
    /// # Panics
    /// The org has no such object.
    pub fn change(&mut self, object: &str, change: impl FnOnce(&mut Value)) -> &mut Self {
        let found = self.objects.get_mut(&reference(object));
        let (body, _) = found.unwrap_or_else(|| panic!("the org has no {object}"));
        change(body);
        self
    }

    /// Takes an object out.
    ///
    /// # Panics
    /// The org has no such object.
    pub fn remove(&mut self, object: &str) -> &mut Self {
        assert!(
            self.objects.remove(&reference(object)).is_some(),
            "the org has no {object}"
        );
        self
    }

    /// Returns what reading the org gives.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot {
            org: Origin {
                org_name: self.seed.clone(),
                region: None,
            },
            ..Snapshot::default()
        };
        for (object, (body, files)) in &self.objects {
            let captured = self.captured(object, body, files);
            snapshot
                .objects
                .entry(object.kind.clone())
                .or_default()
                .push(captured.into());
        }
        for (object, body) in &self.deleted {
            let mut captured = self.captured(object, body, &Files::new());
            captured.body["state"] = "deleted".into();
            snapshot
                .deleted
                .entry(object.kind.clone())
                .or_default()
                .push(captured.into());
        }
        // Every kind was read, also those that the org has nothing of.
        for descriptor in Catalogue::builtin().iter() {
            snapshot.objects.entry(descriptor.kind.clone()).or_default();
        }
        snapshot
    }

    fn captured(&self, object: &ObjectRef, body: &Value, files: &Files) -> Captured {
        let catalogue = Catalogue::builtin();
        let descriptor = catalogue
            .get(object.kind.as_str())
            .unwrap_or_else(|error| panic!("{error}"));
        let id = id_of(&self.seed, object);
        let mut body = body.clone();
        answer(&self.seed, descriptor, &mut body);
        if let Value::Object(map) = &mut body {
            let mut set = |field: &str, value: Value| {
                map.entry(field).or_insert(value);
            };
            if !descriptor.singleton {
                set("id", id.clone().into());
                set(
                    "selfUri",
                    format!("/api/v2/{}/{id}", descriptor.family).into(),
                );
            }
            let called = |part: &&Part| part.list.is_some() || part.inverse.is_some();
            let everybodys = |part: &&Part| part.having.is_none();
            for part in descriptor.parts.iter().filter(called).filter(everybodys) {
                set(&part.field, if part.single { json!({}) } else { json!([]) });
            }
            if descriptor.version {
                set("version", 1.into());
            }
            if descriptor
                .list
                .iter()
                .any(|list| list.only.contains_key("state"))
                || object.kind.as_str() == "user"
            {
                set("state", "active".into());
            }
        }
        let files = files.clone();
        let id = SourceId::new(if descriptor.singleton {
            "settings"
        } else {
            &id
        });
        Captured { id, body, files }
    }
}

/// Returns the id that an object has in the org of a seed.
fn id_of(seed: &str, object: &ObjectRef) -> String {
    let hex = blake3::hash(format!("{seed} {object}").as_bytes()).to_hex();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..32]
    )
}

fn reference(object: &str) -> ObjectRef {
    object.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// Gives a body its name, where its key is its name.
fn named(object: &ObjectRef, mut body: Value) -> Value {
    let map: &mut Map<String, Value> = body.as_object_mut().expect("a body is an object");
    let field = if object.kind.as_str() == "user" {
        "email"
    } else {
        "name"
    };
    if !object.key.is_builtin() {
        let name = object.key.parts().pop().unwrap_or_default();
        map.entry(field).or_insert(Value::String(name));
    }
    body
}

/// Puts ids in place of references, in the form in which the API answers them.
fn answer(seed: &str, descriptor: &Descriptor, body: &mut Value) {
    for reference in &descriptor.references {
        reference.path.retain(body, &mut |value| {
            if let Some(Slot::Ref(object)) = Slot::of(value) {
                *value = reference_value(reference, &object, &id_of(seed, &object));
            }
            true
        });
    }
}

/// Returns a reference as the API answers it.
pub fn reference_value(reference: &Reference, object: &ObjectRef, id: &str) -> Value {
    if reference.bare {
        return Value::String(id.to_owned());
    }
    let name = object.key.parts().pop().unwrap_or_default();
    let mut value = json!({"id": id, "name": name, "selfUri": format!("/api/v2/x/{id}")});
    let by = reference.by.as_ref();
    let kind = reference
        .kinds
        .iter()
        .find(|(_, kind)| **kind == object.kind);
    if let (Some(by), Some((name, _))) = (by, kind) {
        value[by] = Value::String(name.clone());
    }
    value
}

/// Writes the source of a flow that names objects.
///
/// `names` are Architect's keys with the name that each gets: `("targetQueue", "Sales")`,
/// `("targetFlow", "Main")`, `("holdMusic", "Prompt.Hold")`.
///
/// # Panics
/// `key` is not of the form `type/name`, with a type that Architect knows.
pub fn flow_source(key: &str, division: Option<&str>, names: &[(&str, &str)]) -> String {
    let parts = Key::from_encoded(key).parts();
    let flow_type = FlowType::parse(&parts[0]).expect("a type of flow");
    let mut text = format!("{}:\n  name: {:?}\n", flow_type.root_key(), parts[1]);
    if let Some(division) = division {
        text.push_str(&format!("  division: {division:?}\n"));
    }
    text.push_str("  defaultLanguage: en-us\n  actions:\n    - disconnect:\n        name: Bye\n");
    for (number, (key, name)) in names.iter().enumerate() {
        let value = if *key == "targetFlow" {
            format!("name: {name:?}")
        } else {
            format!("lit:\n            name: {name:?}")
        };
        text.push_str(&format!(
            "    - step{number}:\n        {key}:\n          {value}\n"
        ));
    }
    text
}
