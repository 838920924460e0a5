//! Where people belong, as the queues, groups and teams of a bundle say it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::add_missing;
use crate::bundle::Bundle;
use crate::catalogue::{Catalogue, MEMBER_OF, Part};
use crate::document::Slot;
use crate::id::ObjectRef;
use crate::path::Items;
use crate::select::{member_of_item, member_parts};

/// What some people belong to, each as `memberOf` says it: a bundle of a whole org has it in the other
/// objects only.
pub(super) struct Memberships(BTreeMap<ObjectRef, Map<String, Value>>);

impl Memberships {
    pub(super) fn of(catalogue: &Catalogue, bundle: &Bundle, people: &BTreeSet<ObjectRef>) -> Self {
        let mut found: BTreeMap<ObjectRef, Map<String, Value>> = BTreeMap::new();
        if people.is_empty() {
            return Self(found);
        }
        for (place, document) in &bundle.documents {
            for part in member_parts(catalogue, &place.kind) {
                let said = document.field(&part.field).unwrap_or_default();
                for item in Items::of(&said).map_or(&[][..], |items| items.list) {
                    let who = member_of_item(part, item).filter(|who| people.contains(who));
                    let Some(who) = who else { continue };
                    let names = catalogue.get(who.kind.as_str()).ok();
                    let mut names = names.iter().flat_map(|who| &who.member_of);
                    let said_as =
                        names.find(|(_, said)| said.kind == place.kind && said.part == part.field);
                    if let Some((name, _)) = said_as {
                        let places = found.entry(who).or_default();
                        let list = places.entry(name.clone());
                        if let Value::Array(list) = list.or_insert_with(|| Value::Array(Vec::new()))
                        {
                            list.push(place_item(part, place, item));
                        }
                    }
                }
            }
        }
        Self(found)
    }

    /// Adds to the fields of a person where they belong.
    pub(super) fn add_to(&self, who: &ObjectRef, body: &mut Map<String, Value>) {
        let Some(places) = self.0.get(who) else {
            return;
        };
        let own = body.entry(MEMBER_OF);
        let Value::Object(own) = own.or_insert_with(|| Value::Object(Map::new())) else {
            return;
        };
        for (name, items) in places {
            match own.get_mut(name) {
                Some(said) => add_missing(said, items, &super::place_identity),
                None => {
                    own.insert(name.clone(), items.clone());
                }
            }
        }
    }
}

/// Turns the item that says who belongs to an object into one that says where somebody belongs.
fn place_item(part: &Part, place: &ObjectRef, item: &Value) -> Value {
    let mut said = item.as_object().cloned().unwrap_or_default();
    said.retain(|field, _| part.fields.contains(field) && !part.identity.contains(field));
    let place = Slot::Ref(place.clone()).to_value();
    if said.is_empty() {
        return place;
    }
    said.insert("id".to_owned(), place);
    Value::Object(said)
}

/// Leaves some people out of what documents say of members *besides* others.
pub(super) fn forget(catalogue: &Catalogue, bundle: &mut Bundle, people: &BTreeSet<ObjectRef>) {
    if people.is_empty() {
        return;
    }
    for (object, document) in &mut bundle.documents {
        for part in member_parts(catalogue, &object.kind) {
            let Some(said) = document.field(&part.field) else {
                continue;
            };
            let Some(Items { list, whole: false }) = Items::of(&said) else {
                continue;
            };
            let is_other =
                |item: &&Value| member_of_item(part, item).is_none_or(|who| !people.contains(&who));
            let others: Vec<Value> = list.iter().filter(is_other).cloned().collect();
            if others.len() < list.len() {
                let mut open = document.open();
                match others.is_empty() {
                    true => open.body.remove(&part.field),
                    false => open
                        .body
                        .insert(part.field.clone(), Items::at_least(others)),
                };
                *document = open.into();
            }
        }
    }
}
