//! Whoever can be in one place only: a user is in one team at most.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::planner::{Item, Notes, Target};
use crate::catalogue::{Catalogue, Descriptor, MemberOf, Part};
use crate::diff::items_of;
use crate::document::Json;
use crate::id::ObjectRef;
use crate::path::Items;
use crate::people::member;
use crate::select::member_of_item;

/// A kind whose objects belong to one object of another kind at most.
pub(super) struct OnePlace<'c> {
    /// The kind of those who belong.
    pub(super) who: &'c Descriptor,
    said: &'c MemberOf,
    /// The kind of what they belong to.
    pub(super) place: &'c Descriptor,
    /// Its part that lists them.
    pub(super) part: &'c Part,
}

/// Lists the kinds whose objects belong to one object at most.
pub(super) fn one_places(catalogue: &Catalogue) -> impl Iterator<Item = OnePlace<'_>> {
    let said = catalogue.iter().flat_map(|who| {
        let said = who.member_of.values().filter(|said| said.one);
        said.map(move |said| (who, said))
    });
    said.filter_map(|(who, said)| {
        let place = catalogue.get(said.kind.as_str()).ok()?;
        let part = place.parts.iter().find(|part| part.field == said.part)?;
        Some(OnePlace {
            who,
            said,
            place,
            part,
        })
    })
}

impl OnePlace<'_> {
    /// Returns where somebody is in the target, as far as that is known.
    pub(super) fn now<'t>(&self, who: &ObjectRef, target: &'t Target<'_>) -> Option<&'t ObjectRef> {
        let said = target.live.get(who)?.field(self.said.field.as_deref()?)?;
        let id = said.get("id").and_then(Value::as_str)?;
        target.names.object(&self.place.kind, id)
    }

    /// Returns whom an item of the part names.
    fn named(&self, item: &Value) -> Option<ObjectRef> {
        member_of_item(self.part, item).filter(|object| object.kind == self.who.kind)
    }

    /// Makes the item that says that somebody is there.
    pub(super) fn item(&self, who: &ObjectRef) -> Value {
        member(self.part, who, &Value::Null)
    }

    /// Leaves some people where they are in the target, whatever is said of a place.
    fn leave(&self, people: &BTreeSet<&ObjectRef>, item: &mut Item<'_>, target: &Target<'_>) {
        let mut body = item.body.map();
        let Some(list) = body.get_mut(&self.part.field).and_then(Items::list_mut) else {
            return;
        };
        list.retain(|said| !self.named(said).is_some_and(|who| people.contains(&who)));
        let here = people
            .iter()
            .filter(|who| self.now(who, target) == Some(&item.object));
        list.extend(here.map(|who| self.item(who)));
        item.body = Cow::Owned(Json::from(&Value::Object(body)));
    }
}

/// Sets aside whoever is to be in several places of which one is all that there can be.
pub(super) fn part_places(
    catalogue: &Catalogue,
    items: &mut Vec<Item<'_>>,
    target: &Target<'_>,
    notes: &mut Notes,
) {
    for place in one_places(catalogue) {
        let mut wanted: BTreeMap<ObjectRef, BTreeSet<ObjectRef>> = BTreeMap::new();
        for item in items
            .iter()
            .filter(|item| item.object.kind == place.place.kind)
        {
            let said = item.body.field(&place.part.field);
            for who in items_of(said.as_ref())
                .iter()
                .filter_map(|said| place.named(said))
            {
                wanted.entry(who).or_default().insert(item.object.clone());
            }
        }
        wanted.retain(|_, places| places.len() > 1);
        if wanted.is_empty() {
            continue;
        }
        let title = &place.place.title;
        for (who, places) in &wanted {
            let places: Vec<String> = places.iter().map(ToString::to_string).collect();
            let reason = format!(
                "it is in {}, and nobody is in more than one {title}; take it out of all but one",
                places.join(" and ")
            );
            notes.conflict(who, reason);
        }
        let people = wanted.keys().collect();
        items.retain(|item| !wanted.contains_key(&item.object));
        let places = items.iter_mut();
        for item in places.filter(|item| item.object.kind == place.place.kind) {
            place.leave(&people, item, target);
        }
    }
}
