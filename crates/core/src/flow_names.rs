//! Finds the object that a flow names.
//!
//! A flow gives names, and of an action the category: the last parts of a key.

use std::collections::HashMap;

use serde_json::Value;

use crate::catalogue::Catalogue;
use crate::flow::{FlowTarget, ObjectKind};
use crate::id::{Key, Kind, ObjectRef};

/// Knows the objects of a bundle, and perhaps of a target, by the names that flows use.
pub(crate) struct FlowNames<'c> {
    catalogue: &'c Catalogue,
    by_name: HashMap<(String, String), ObjectRef>,
    actions: HashMap<(String, String), ObjectRef>,
    users: HashMap<String, ObjectRef>,
}

impl<'c> FlowNames<'c> {
    /// Takes objects with what stands in their field `name`; a later one wins over an earlier one.
    pub(crate) fn new<'o>(
        catalogue: &'c Catalogue,
        objects: impl Iterator<Item = (&'o ObjectRef, Option<&'o Value>)>,
    ) -> Self {
        let mut names = Self {
            catalogue,
            by_name: HashMap::new(),
            actions: HashMap::new(),
            users: HashMap::new(),
        };
        for (object, name) in objects {
            names.add(object, name.and_then(Value::as_str));
        }
        names
    }

    fn add(&mut self, object: &ObjectRef, name: Option<&str>) {
        let kind = object.kind.as_str();
        if kind == "integration_action" {
            let parts = object.key.parts();
            if let [.., category, name] = &parts[..] {
                self.actions
                    .insert((category.clone(), name.clone()), object.clone());
            }
        } else if kind == "user" {
            self.users
                .insert(object.key.as_str().to_owned(), object.clone());
            if let Some(name) = name {
                self.users.insert(name.to_owned(), object.clone());
            }
        } else if let Some(name) = name {
            self.by_name
                .insert((kind.to_owned(), name.to_owned()), object.clone());
        }
    }

    /// Returns the object that is named, whether it is known or not; nothing where the kind is not
    /// carried, of which Architect says whether the object is there.
    pub(crate) fn find(&self, target: &FlowTarget) -> Option<ObjectRef> {
        match target {
            FlowTarget::Object {
                kind: ObjectKind::User,
                name,
            } => {
                let by_mail = self.users.get(&name.to_lowercase());
                by_mail.or_else(|| self.users.get(name)).cloned()
            }
            FlowTarget::Object { kind, name } => {
                let kind = kind.kind();
                self.catalogue.get(kind).ok()?;
                Some(
                    self.named(kind, name)
                        .unwrap_or_else(|| missing(kind, &[name])),
                )
            }
            FlowTarget::DataAction { category, name } => {
                let found = self.actions.get(&(category.clone(), name.clone())).cloned();
                Some(found.unwrap_or_else(|| missing("integration_action", &[category, name])))
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
        self.by_name
            .get(&(kind.to_owned(), name.to_owned()))
            .cloned()
    }
}

fn missing(kind: &str, parts: &[&str]) -> ObjectRef {
    ObjectRef::new(Kind::new(kind), Key::from_parts(parts))
}
