//! Finds the object that a flow names.
//!
//! A flow gives names, and of an action the category: the last parts of a key.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::flow::{FlowTarget, ObjectKind};
use crate::id::{Key, Kind, ObjectRef};

/// Knows the objects of a bundle, and perhaps of a target, by the names that flows use.
pub(crate) struct FlowNames<'o> {
    catalogue: &'o Catalogue,
    by_name: HashMap<&'o str, HashMap<String, &'o ObjectRef>>,
    actions: HashMap<(String, String), &'o ObjectRef>,
    users: HashMap<Cow<'o, str>, &'o ObjectRef>,
}

/// Returns the kinds whose objects flows name.
pub(crate) fn kinds() -> impl Iterator<Item = &'static str> {
    let kinds = ObjectKind::ALL.iter().map(|kind| kind.kind());
    kinds.chain(["integration_action", "flow"])
}

/// Returns the objects of a bundle that flows may name, with what stands in their field `name`.
pub(crate) fn of_bundle(bundle: &Bundle) -> impl Iterator<Item = (&ObjectRef, Option<Value>)> {
    let kinds: HashSet<&str> = kinds().collect();
    let documents = bundle.documents.iter();
    documents
        .filter(move |(object, _)| kinds.contains(object.kind.as_str()))
        .map(|(object, document)| (object, document.field("name")))
}

impl<'o> FlowNames<'o> {
    /// Takes objects with what stands in their field `name`; a later one wins over an earlier one.
    pub(crate) fn new(
        catalogue: &'o Catalogue,
        objects: impl Iterator<Item = (&'o ObjectRef, Option<Value>)>,
    ) -> Self {
        let mut names = Self {
            catalogue,
            by_name: HashMap::new(),
            actions: HashMap::new(),
            users: HashMap::new(),
        };
        for (object, name) in objects {
            match name {
                Some(Value::String(name)) => names.add(object, Some(name)),
                _ => names.add(object, None),
            }
        }
        names
    }

    fn add(&mut self, object: &'o ObjectRef, name: Option<String>) {
        let kind = object.kind.as_str();
        if kind == "integration_action" {
            let parts = object.key.parts();
            if let [.., category, name] = &parts[..] {
                self.actions
                    .insert((category.clone(), name.clone()), object);
            }
        } else if kind == "user" {
            self.users.insert(object.key.as_str().into(), object);
            if let Some(name) = name {
                self.users.insert(name.into(), object);
            }
        } else if let Some(name) = name {
            self.by_name.entry(kind).or_default().insert(name, object);
        }
    }

    /// Tells whether objects of the kind that is named are carried.
    pub(crate) fn carries(&self, target: &FlowTarget) -> bool {
        self.catalogue.get(target.kind()).is_ok()
    }

    /// Returns the object that is named, whether it is known or not; nothing where the kind is not
    /// carried, of which Architect says whether the object is there.
    pub(crate) fn find(&self, target: &FlowTarget) -> Option<ObjectRef> {
        match target {
            FlowTarget::Object {
                kind: ObjectKind::User,
                name,
            } => {
                let by_mail = self.users.get(name.to_lowercase().as_str());
                let found = by_mail.or_else(|| self.users.get(name.as_str()));
                found.map(|object| (*object).clone())
            }
            FlowTarget::Object { kind, name } => {
                let kind = kind.kind();
                self.catalogue.get(kind).ok()?;
                Some(
                    self.named(kind, name)
                        .unwrap_or_else(|| missing(kind, &[name])),
                )
            }
            FlowTarget::DataAction { category, name } if category.is_empty() => {
                let same = self.actions.iter().filter(|((_, known), _)| known == name);
                // Of several, the first: Architect says whether it can tell them apart.
                let found = same.map(|(_, object)| *object).min();
                Some(found.map_or_else(|| missing("integration_action", &[name]), Clone::clone))
            }
            FlowTarget::DataAction { category, name } => {
                let found = self.actions.get(&(category.clone(), name.clone()));
                Some(found.map_or_else(
                    || missing("integration_action", &[category, name]),
                    |object| (*object).clone(),
                ))
            }
            FlowTarget::Flow {
                flow_type: Some(flow_type),
                name,
            } => Some(missing("flow", &[flow_type.folder(), name])),
            FlowTarget::Flow {
                flow_type: None,
                name,
            } => self.named("flow", name),
        }
    }

    fn named(&self, kind: &str, name: &str) -> Option<ObjectRef> {
        let named = self.by_name.get(kind)?.get(name)?;
        Some((*named).clone())
    }
}

fn missing(kind: &str, parts: &[&str]) -> ObjectRef {
    ObjectRef::new(Kind::new(kind), Key::from_parts(parts))
}
