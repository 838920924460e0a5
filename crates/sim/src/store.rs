//! The objects of one org, by kind and id.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::kind::Kind;

/// The fields of an object. Names that begin with `$` are the simulator's own and never shown.
pub(crate) type Fields = Map<String, Value>;

/// Represents one object.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) id: String,
    pub(crate) fields: Fields,
    /// From when it can be read by id.
    pub(crate) readable_at: Timestamp,
    seq: u64,
    stale: Option<Stale>,
}

/// What lists still show of an object that has changed.
#[derive(Debug, Clone)]
struct Stale {
    fields: Option<Fields>,
    until: Timestamp,
}

impl Object {
    /// Gives what lists and searches show at a time; `None` is nothing.
    pub(crate) fn listed(&self, now: Timestamp) -> Option<&Fields> {
        match &self.stale {
            Some(stale) if now < stale.until => stale.fields.as_ref(),
            _ => Some(&self.fields),
        }
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        text(&self.fields, field)
    }
}

/// Gives a field that is a string, or nothing.
pub(crate) fn text<'f>(fields: &'f Fields, field: &str) -> &'f str {
    fields.get(field).and_then(Value::as_str).unwrap_or("")
}

/// When a write can be seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    pub(crate) readable_at: Timestamp,
    pub(crate) listed_at: Timestamp,
}

#[derive(Debug, Default)]
struct Collection {
    objects: BTreeMap<String, Object>,
    order: BTreeMap<u64, String>,
    keys: BTreeMap<String, BTreeSet<String>>,
    /// Removed objects that lists still show.
    ghosts: Vec<Object>,
}

/// Keeps the objects of one org.
#[derive(Debug, Default)]
pub(crate) struct Store {
    collections: BTreeMap<&'static str, Collection>,
    next_seq: u64,
}

impl Store {
    pub(crate) fn get(&self, kind: &str, id: &str) -> Option<&Object> {
        self.collections.get(kind)?.objects.get(id)
    }

    /// Gives an object's fields for changes that touch neither its key nor what lists show late.
    pub(crate) fn fields_mut(&mut self, kind: &str, id: &str) -> Option<&mut Fields> {
        let object = self.collections.get_mut(kind)?.objects.get_mut(id)?;
        Some(&mut object.fields)
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        self.collections.get(kind).map_or(0, |c| c.objects.len())
    }

    /// Lists the objects of a kind, oldest first.
    pub(crate) fn all(&self, kind: &str) -> impl DoubleEndedIterator<Item = &Object> {
        self.collections
            .get(kind)
            .into_iter()
            .flat_map(|c| c.order.values().filter_map(|id| c.objects.get(id)))
    }

    /// Lists removed objects that lists still show.
    pub(crate) fn ghosts(&self, kind: &str, now: Timestamp) -> impl Iterator<Item = &Object> {
        self.collections
            .get(kind)
            .into_iter()
            .flat_map(|c| &c.ghosts)
            .filter(move |ghost| ghost.stale.as_ref().is_some_and(|s| now < s.until))
    }

    /// Lists the ids of the objects with a key, as [`Kind::key_of`] spells it.
    pub(crate) fn with_key(&self, kind: &str, key: &str) -> impl Iterator<Item = &str> {
        self.collections
            .get(kind)
            .and_then(|c| c.keys.get(key))
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    pub(crate) fn insert(&mut self, kind: &'static Kind, id: &str, fields: Fields, sight: Sight) {
        self.next_seq += 1;
        let seq = self.next_seq;
        let collection = self.collections.entry(kind.name).or_default();
        if let Some(key) = kind.key_of(&fields) {
            collection
                .keys
                .entry(key)
                .or_default()
                .insert(id.to_owned());
        }
        collection.order.insert(seq, id.to_owned());
        let object = Object {
            id: id.to_owned(),
            fields,
            readable_at: sight.readable_at,
            seq,
            stale: Some(Stale {
                fields: None,
                until: sight.listed_at,
            }),
        };
        collection.objects.insert(id.to_owned(), object);
    }

    pub(crate) fn replace(&mut self, kind: &'static Kind, id: &str, fields: Fields, sight: Sight) {
        let Some(collection) = self.collections.get_mut(kind.name) else {
            return;
        };
        let Some(object) = collection.objects.get_mut(id) else {
            return;
        };
        let old = std::mem::replace(&mut object.fields, fields);
        let (was, is) = (kind.key_of(&old), kind.key_of(&object.fields));
        object.stale = Some(Stale {
            fields: Some(old),
            until: sight.listed_at,
        });
        if was != is {
            if let Some(ids) = was.and_then(|key| collection.keys.get_mut(&key)) {
                ids.remove(id);
            }
            if let Some(key) = is {
                collection
                    .keys
                    .entry(key)
                    .or_default()
                    .insert(id.to_owned());
            }
        }
    }

    pub(crate) fn remove(
        &mut self,
        kind: &'static Kind,
        id: &str,
        now: Timestamp,
        gone_at: Timestamp,
    ) {
        let Some(collection) = self.collections.get_mut(kind.name) else {
            return;
        };
        let Some(mut object) = collection.objects.remove(id) else {
            return;
        };
        collection.order.remove(&object.seq);
        if let Some(ids) = kind
            .key_of(&object.fields)
            .and_then(|key| collection.keys.get_mut(&key))
        {
            ids.remove(id);
        }
        if now < gone_at {
            object.stale = Some(Stale {
                fields: Some(object.fields.clone()),
                until: gone_at,
            });
            collection.ghosts.push(object);
        }
    }

    /// Names the kinds that have objects.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.collections.keys().copied()
    }
}
