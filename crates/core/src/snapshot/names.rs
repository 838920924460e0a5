//! Natural keys: how an object of an org is found again in another.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::Snapshot;
use crate::bundle::Gap;
use crate::catalogue::{Builtin, Catalogue, Descriptor};
use crate::document::Stored;
use crate::guid::guid;
use crate::id::{Key, Kind, ObjectRef, own_id};
use crate::path::FieldPath;

/// Knows the key of every object of a snapshot.
#[derive(Debug, Default)]
pub struct Names {
    objects: HashMap<Kind, HashMap<String, ObjectRef>>,
    /// Objects that live in others, by their own ids alone, as bodies name them; nothing where
    /// several have one.
    inner: HashMap<Kind, HashMap<String, Option<ObjectRef>>>,
    /// What the ids that are GUIDs mean, wherever one stands; nothing where several objects have one.
    by_guid: HashMap<u128, Option<ObjectRef>>,
    ambiguous: Vec<Ambiguous>,
    /// Texts of keys that are not as the org has them, by kind, id and field.
    spelled: HashMap<Kind, HashMap<String, Vec<(FieldPath, String)>>>,
    /// Kinds of the catalogue of which there may be objects that were not read.
    in_part: BTreeSet<Kind>,
}

/// Several objects that share a key: none of them is touched until a person pins one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguous {
    /// The key they share.
    pub object: ObjectRef,
    /// Their ids.
    pub ids: Vec<String>,
}

impl Ambiguous {
    /// Says it as a gap.
    pub fn to_gap(&self) -> Gap {
        Gap {
            kind: self.object.kind.clone(),
            object: Some(self.object.key.as_str().to_owned()),
            reason: format!(
                "{} objects share this key ({}); choose one with `orgsmith map pin`",
                self.ids.len(),
                self.ids.join(", ")
            ),
        }
    }
}

type Rows<'s> = HashMap<&'s str, HashMap<&'s str, &'s Stored>>;

impl Names {
    /// Names every object of a snapshot, the restorable ones included.
    ///
    /// `pins` gives the id that a key means where several objects share it.
    pub fn new(
        catalogue: &Catalogue,
        snapshot: &Snapshot,
        pins: &BTreeMap<ObjectRef, String>,
    ) -> Self {
        let mut rows: Rows<'_> = HashMap::new();
        for (kind, captured) in &snapshot.objects {
            let of_kind = rows.entry(kind.as_str()).or_default();
            of_kind.extend(
                captured
                    .iter()
                    .map(|captured| (captured.id.as_str(), captured)),
            );
        }
        let mut names = Self {
            in_part: catalogue
                .iter()
                .map(|descriptor| &descriptor.kind)
                .filter(|kind| snapshot.may_lack(kind))
                .cloned()
                .collect(),
            ..Self::default()
        };
        for (kind, captured) in &snapshot.objects {
            let Ok(descriptor) = catalogue.get(kind.as_str()) else {
                continue;
            };
            names.add(catalogue, descriptor, captured, &rows, pins);
        }
        for (kind, captured) in &snapshot.deleted {
            let Ok(descriptor) = catalogue.get(kind.as_str()) else {
                continue;
            };
            names.add(catalogue, descriptor, captured, &rows, pins);
        }
        for descriptor in catalogue.iter().filter(|kind| kind.parent.is_some()) {
            let objects = names.objects.get(&descriptor.kind).into_iter().flatten();
            let inner = names.inner.entry(descriptor.kind.clone()).or_default();
            for (id, object) in objects {
                inner
                    .entry(own_id(id).to_owned())
                    .and_modify(|several| *several = None)
                    .or_insert_with(|| Some(object.clone()));
            }
        }
        for (kind, objects) in &names.objects {
            // An id of such a kind is that of what it lives in, and means that.
            let parent = catalogue
                .get(kind.as_str())
                .ok()
                .and_then(|kind| kind.parent.as_ref());
            if parent.is_some_and(|parent| parent.alone) {
                continue;
            }
            for (id, object) in objects {
                if let Some(number) = guid(own_id(id)) {
                    let same = names.by_guid.entry(number);
                    same.and_modify(|several| *several = None)
                        .or_insert_with(|| Some(object.clone()));
                }
            }
        }
        names
    }

    fn add(
        &mut self,
        catalogue: &Catalogue,
        descriptor: &Descriptor,
        captured: &[Stored],
        rows: &Rows<'_>,
        pins: &BTreeMap<ObjectRef, String>,
    ) {
        let mut by_key: BTreeMap<Key, Vec<&Stored>> = BTreeMap::new();
        for captured in captured {
            for path in descriptor
                .key
                .fields
                .iter()
                .filter(|_| descriptor.key.names.is_some())
            {
                let body = captured.fields(&|field| field == path.root());
                let text = path.get(&body).map(plain).unwrap_or_default();
                if let Some(spelled) = with_key(catalogue, descriptor, &text, rows) {
                    let id = captured.id.as_str().to_owned();
                    let of = self.spelled.entry(descriptor.kind.clone()).or_default();
                    of.entry(id).or_default().push((path.clone(), spelled));
                }
            }
            let key = key_of(catalogue, descriptor, captured, rows);
            by_key.entry(key).or_default().push(captured);
        }
        let named = self.objects.entry(descriptor.kind.clone()).or_default();
        for (key, sharing) in by_key {
            let object = ObjectRef::new(descriptor.kind.clone(), key);
            let pinned = pins.get(&object);
            if let Some(captured) = sharing
                .iter()
                .find(|c| Some(c.id.as_str()) == pinned.map(|p| &**p))
            {
                named.insert(captured.id.as_str().to_owned(), object);
            } else if let [captured] = sharing[..] {
                named
                    .entry(captured.id.as_str().to_owned())
                    .or_insert(object);
            } else {
                let ids = sharing
                    .iter()
                    .map(|captured| captured.id.as_str().to_owned())
                    .collect();
                self.ambiguous.push(Ambiguous { object, ids });
            }
        }
    }

    /// Returns the texts of an object's key that are not as the org has them.
    pub(super) fn spelled(&self, kind: &Kind, id: &str) -> &[(FieldPath, String)] {
        let found = self.spelled.get(kind).and_then(|of| of.get(id));
        found.map_or(&[], Vec::as_slice)
    }

    /// Forgets an object, as if the org did not have it.
    pub(super) fn forget(&mut self, kind: &Kind, id: &str) {
        if let Some(objects) = self.objects.get_mut(kind) {
            objects.remove(id);
        }
        if let Some(number) = guid(own_id(id)) {
            self.by_guid.remove(&number);
        }
        if let Some(inner) = self.inner.get_mut(kind) {
            inner.remove(own_id(id));
        }
    }

    /// Returns the object that an id means.
    pub fn object(&self, kind: &Kind, id: &str) -> Option<&ObjectRef> {
        let inner = || self.inner.get(kind)?.get(id)?.as_ref();
        self.objects.get(kind)?.get(id).or_else(inner)
    }

    /// Returns the object that has this GUID for an id, of whatever kind.
    pub(super) fn by_guid(&self, number: u128) -> Option<&ObjectRef> {
        self.by_guid.get(&number)?.as_ref()
    }

    /// Returns the object of a kind that has this name for a key, where a place holds names.
    pub fn named(&self, kind: &Kind, name: &str) -> Option<&ObjectRef> {
        let key = Key::from_parts(&[name]);
        let mut objects = self.objects.get(kind)?.values();
        objects.find(|object| object.key == key)
    }

    /// Returns the objects that share their key with others.
    pub fn ambiguous(&self) -> &[Ambiguous] {
        &self.ambiguous
    }

    /// Returns the gaps that objects are which share their key with others.
    pub fn shared(&self) -> impl Iterator<Item = Gap> {
        self.ambiguous.iter().map(Ambiguous::to_gap)
    }

    /// Returns every id with the object it means.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ObjectRef)> {
        self.objects
            .values()
            .flatten()
            .map(|(id, object)| (id.as_str(), object))
    }

    /// Tells whether the objects of the kind were read, every one of them.
    pub fn knows(&self, kind: &Kind) -> bool {
        self.objects.contains_key(kind) && !self.in_part.contains(kind)
    }

    /// Tells whether there may be objects of the kind that were not read, though they can be.
    pub fn may_lack(&self, kind: &Kind) -> bool {
        self.in_part.contains(kind)
    }
}

/// Returns the first builtin rule that an object matches.
pub(crate) fn builtin_rule<'d>(descriptor: &'d Descriptor, body: &Value) -> Option<&'d Builtin> {
    descriptor.builtins.iter().find(|builtin| {
        builtin
            .when
            .iter()
            .all(|(path, wanted)| match (path.get(body), wanted) {
                (Some(Value::String(found)), Value::String(wanted)) => {
                    match wanted.strip_suffix('*') {
                        Some(beginning) => found.starts_with(beginning),
                        None => found == wanted,
                    }
                }
                (found, wanted) => found == Some(wanted),
            })
    })
}

/// Tells whether Genesys made an object.
pub(crate) fn is_built_in(descriptor: &Descriptor, stored: &Stored) -> bool {
    !descriptor.builtins.is_empty() && {
        let body = stored.fields(&|field| descriptor.names_by(field));
        builtin_rule(descriptor, &body).is_some()
    }
}

fn key_of(
    catalogue: &Catalogue,
    descriptor: &Descriptor,
    captured: &Stored,
    rows: &Rows<'_>,
) -> Key {
    if descriptor.singleton {
        return Key::builtin("settings");
    }
    let body = captured.fields(&|field| descriptor.names_by(field));
    if let Some(builtin) = builtin_rule(descriptor, &body) {
        if let Some(key) = &builtin.key {
            return Key::builtin(key);
        }
        let value = builtin.key_field.as_ref().and_then(|path| path.get(&body));
        if let Some(text) = value
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
        {
            return Key::builtin(text);
        }
    }
    let parts = key_parts(catalogue, descriptor, &body, rows, 0);
    Key::from_parts(&parts)
}

/// How deep a key may lean on the keys of other objects: an action on its integration, and no more.
const MAX_KEY_DEPTH: usize = 3;

fn key_parts(
    catalogue: &Catalogue,
    descriptor: &Descriptor,
    body: &Value,
    rows: &Rows<'_>,
    depth: usize,
) -> Vec<String> {
    let mut parts = Vec::new();
    for path in &descriptor.key.fields {
        let text = path.get(body).map(plain).unwrap_or_default();
        match referred(catalogue, descriptor, path, &text, rows) {
            Some((other, found)) if depth < MAX_KEY_DEPTH => {
                let body = found.fields(&|field| other.names_by(field));
                parts.extend(key_parts(catalogue, other, &body, rows, depth + 1));
            }
            _ if descriptor.key.lower_case.contains(path) => parts.push(text.to_lowercase()),
            _ => parts.push(with_key(catalogue, descriptor, &text, rows).unwrap_or(text)),
        }
    }
    if descriptor.key.ignore_case {
        parts
            .iter_mut()
            .for_each(|part| *part = part.to_lowercase());
    }
    parts
}

/// Puts the key of an object in place of its id in a text, where one stands there.
fn with_key(
    catalogue: &Catalogue,
    descriptor: &Descriptor,
    text: &str,
    rows: &Rows<'_>,
) -> Option<String> {
    let kind = descriptor.key.names.as_ref()?;
    let other = catalogue.get(kind.as_str()).ok()?;
    let rows_of = rows.get(kind.as_str())?;
    let is_part = |c: char| c.is_ascii_hexdigit() || c == '-';
    // An id has 36 characters, and may follow a dash: `Integration-<id>`.
    let starts = text.char_indices().map(|(start, _)| start);
    let mut ids = starts.filter_map(|start| text.get(start..start + 36));
    let id = ids.find(|id| id.chars().all(is_part) && rows_of.contains_key(id))?;
    let body = rows_of.get(id)?.fields(&|field| other.names_by(field));
    let parts = key_parts(catalogue, other, &body, rows, MAX_KEY_DEPTH);
    Some(text.replace(id, &parts.join(" ")))
}

/// Returns what a part of a key refers to, where it is a reference.
fn referred<'c, 's>(
    catalogue: &'c Catalogue,
    descriptor: &Descriptor,
    path: &FieldPath,
    id: &str,
    rows: &Rows<'s>,
) -> Option<(&'c Descriptor, &'s Stored)> {
    let mut references = descriptor.references.iter();
    let reference = references.find(|reference| path.is_at(&reference.path))?;
    let kind = reference.kind.as_ref()?;
    let other = catalogue.get(kind.as_str()).ok()?;
    Some((other, *rows.get(kind.as_str())?.get(id)?))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) => map.get("id").map(plain).unwrap_or_default(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
