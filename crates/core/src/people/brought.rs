//! What people bring along: the phones in their browsers.
//!
//! Who is to be like somebody gets phones as they have, called after the person.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::document::{Portable, Slot};
use crate::id::{Key, Kind, ObjectRef};
use crate::select;

/// The part of a user that says which station is theirs, and the field of it.
const STATION: (&str, &str) = ("station", "defaultStation");

/// What people bring along, and what they will.
pub(super) struct Brought<'c> {
    catalogue: &'c Catalogue,
    of: BTreeMap<ObjectRef, Vec<Portable>>,
    made: Vec<Portable>,
    /// The names of all, which no two have.
    taken: BTreeSet<ObjectRef>,
}

impl<'c> Brought<'c> {
    pub(super) fn new(catalogue: &'c Catalogue, bundle: &Bundle) -> Self {
        let mut of: BTreeMap<ObjectRef, Vec<Portable>> = BTreeMap::new();
        let mut kinds: BTreeSet<Kind> = BTreeSet::new();
        for (owner, document) in select::brought(catalogue, bundle) {
            kinds.insert(document.object.kind.clone());
            of.entry(owner).or_default().push(document.open());
        }
        let documents = bundle.documents.keys();
        let taken = documents.filter(|object| kinds.contains(&object.kind));
        Self {
            catalogue,
            of,
            made: Vec::new(),
            taken: taken.cloned().collect(),
        }
    }

    /// Makes for a person what another brings along, and gives them the station that comes with it
    /// where the other has that by default. Who brings something already keeps that alone.
    pub(super) fn like(&mut self, other: &Portable, person: &mut Portable) {
        if self.of.contains_key(&person.object) {
            return;
        }
        let station = default_station(other);
        let theirs = self.of.get(&other.object).cloned();
        for twin in theirs.into_iter().flatten() {
            let Some(own) = self.twin(&twin, other, person) else {
                continue;
            };
            let comes_with = |station: &ObjectRef| self.catalogue.bringer(station);
            if let Some(station) = &station
                && comes_with(station).as_ref() == Some(&twin.object)
            {
                let own = ObjectRef::new(station.kind.clone(), own.object.key.clone());
                let own = Map::from_iter([(STATION.1.to_owned(), Slot::Ref(own).to_value())]);
                let part = person.body.entry(STATION.0);
                part.or_insert(Value::Object(own));
            }
            self.taken.insert(own.object.clone());
            self.made.push(own);
        }
    }

    /// Returns an object as another person brings it along, with this person in their place.
    fn twin(&self, twin: &Portable, other: &Portable, person: &Portable) -> Option<Portable> {
        let (old, new) = (text(other, "name"), text(person, "name"));
        let mut body = Value::Object(twin.body.clone());
        for field in ["name", "description"] {
            if let Some(Value::String(text)) = body.get_mut(field).filter(|_| !old.is_empty()) {
                *text = renamed(text, old, new);
            }
        }
        replace(&mut body, &other.object, &person.object);
        let called = body.get("name")?.as_str()?.to_owned();
        let object =
            |name: &str| ObjectRef::new(twin.object.kind.clone(), Key::from_parts(&[name]));
        let longer = format!("{new} ({})", text(person, "email"));
        let mut names = [called.as_str(), new, longer.as_str()].into_iter();
        let name = names.find(|name| !self.taken.contains(&object(name)))?;
        body["name"] = name.into();
        let Value::Object(body) = body else {
            return None;
        };
        Some(Portable {
            object: object(name),
            body,
            files: twin.files.clone(),
        })
    }

    /// Returns what was made, and the names of what some people bring along.
    pub(super) fn finish(self, people: &BTreeSet<ObjectRef>) -> (Vec<Portable>, Vec<ObjectRef>) {
        let theirs = people.iter().filter_map(|person| self.of.get(person));
        let theirs = theirs.flatten().map(|document| document.object.clone());
        (self.made, theirs.collect())
    }
}

fn text<'p>(document: &'p Portable, field: &str) -> &'p str {
    let text = document.body.get(field).and_then(Value::as_str);
    text.unwrap_or_default()
}

fn default_station(user: &Portable) -> Option<ObjectRef> {
    match Slot::of(user.body.get(STATION.0)?.get(STATION.1)?)? {
        Slot::Ref(station) => Some(station),
        _ => None,
    }
}

/// Puts the name of a person in the place of another's, where it stands as words of its own.
fn renamed(text: &str, from: &str, to: &str) -> String {
    let mut new = String::new();
    let mut rest = 0;
    for (at, _) in text.match_indices(from) {
        let (before, after) = (&text[..at], &text[at + from.len()..]);
        let in_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        if !in_word(before.chars().next_back()) && !in_word(after.chars().next()) {
            new.push_str(&text[rest..at]);
            new.push_str(to);
            rest = at + from.len();
        }
    }
    new.push_str(&text[rest..]);
    new
}

/// Puts a person in the place of another, wherever a document refers to them.
fn replace(value: &mut Value, from: &ObjectRef, to: &ObjectRef) {
    if let Some(Slot::Ref(object)) = Slot::of(value) {
        if object == *from {
            *value = Slot::Ref(to.clone()).to_value();
        }
        return;
    }
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| replace(value, from, to)),
        Value::Object(map) => map.values_mut().for_each(|value| replace(value, from, to)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::renamed;

    #[test]
    fn a_name_is_found_as_words_of_its_own() {
        assert_eq!(renamed("Li at home (Li)", "Li", "Bo"), "Bo at home (Bo)");
        assert_eq!(renamed("Line of Li", "Li", "Bo"), "Line of Bo");
        assert_eq!(renamed("WebRTC Zoé", "Zoé", "Ana"), "WebRTC Ana");
        assert_eq!(renamed("WebRTC", "e", "Quux"), "WebRTC");
    }
}
