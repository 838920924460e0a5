//! Objects as no client could write them, though every old org has some: half-deleted, from a
//! newer release, migrated, or typed by somebody with a sense of humour.
//!
//! Objects are bent where they lie, past every check, over whatever kinds are in the org.

use std::collections::{BTreeMap, BTreeSet};

use orgsmith_contract::{Model, Type, contract};
use serde::Serialize;
use serde_json::Value;

use super::random::Random;
use crate::cx::Cx;
use crate::kind::{AT, Kind};
use crate::routes::registry;
use crate::store::{Fields, Sight, text};

/// Names an object that was bent, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Oddity {
    /// The simulator's kind.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// What was done, with the place.
    pub how: String,
}

/// How many items a list has that is very long.
const LONG: usize = 1000;
/// What no release of the contract has.
const UNKNOWN: &str = "VALUE_OF_A_LATER_RELEASE";

/// The ways to bend an object; each has its turn.
const WAYS: [Way; 10] = [
    null,
    unknown_value,
    dangling,
    deleted,
    |bends, object| bends.renamed(object, "slashes", |name, _| format!("../{name}/a\\b/.")),
    |bends, object| bends.renamed(object, "emoji", |name, _| format!("{name} 🧑‍🚒 \u{301}🇪🇺")),
    |bends, object| {
        let long = |name: &str, _: &str| name.chars().chain(['x'; 500]).take(500).collect();
        bends.renamed(object, "500 characters", long)
    },
    |bends, object| bends.renamed(object, "case of another", |_, other| swapped(other)),
    |bends, object| {
        let control = |name: &str, _: &str| format!("{name}\n\t\u{0}\u{7f}\u{85}\u{202e}\u{feff} ");
        bends.renamed(object, "control characters", control)
    },
    long_list,
];

type Way = fn(&mut Bends<'_, '_>, &mut Bent) -> Option<String>;

/// An object on its way to be bent.
struct Bent {
    kind: &'static Kind,
    id: String,
    fields: Fields,
}

struct Bends<'a, 'b> {
    cx: &'a mut Cx<'b>,
    random: Random,
    /// The kind of every object, by id.
    known: BTreeMap<String, &'static str>,
    /// What must stay: what is bent, and what others live in.
    kept: BTreeSet<String>,
}

/// Bends so many objects in a hundred; remembers which.
pub(super) fn bend(cx: &mut Cx<'_>, seed: u64, percent: usize) {
    if percent == 0 {
        return;
    }
    let mut random = Random::new(seed ^ 0x0dd);
    let mut all = Vec::new();
    let mut known = BTreeMap::new();
    for name in cx.org.store.kinds() {
        let Some(kind) = registry().kind(name) else {
            continue;
        };
        for object in cx.org.store.all(name) {
            known.insert(object.id.clone(), name);
            let home = object.fields.get("homeDivision") == Some(&Value::Bool(true));
            if !home && object.text("state") != "deleted" {
                all.push((kind, object.id.clone()));
            }
        }
    }
    all.retain(|_| random.below(100) < percent);
    let home = cx.org.home_division().to_owned();
    let kept = all.iter().map(|(_, id)| id.clone()).chain([home]).collect();
    let mut bends = Bends {
        cx,
        random,
        known,
        kept,
    };
    for (turn, (kind, id)) in all.into_iter().enumerate() {
        let Some(object) = bends.cx.org.store.get(kind.name, &id) else {
            continue;
        };
        let fields = object.fields.clone();
        let mut bent = Bent { kind, id, fields };
        let how = (0..WAYS.len())
            .find_map(|next| WAYS[(turn + next) % WAYS.len()](&mut bends, &mut bent));
        let Some(how) = how else { continue };
        bends.put(kind, &bent.id, bent.fields);
        bends.cx.org.oddities.push(Oddity {
            kind: kind.name,
            id: bent.id,
            how,
        });
    }
}

/// Puts `null` where an object is usual.
fn null(bends: &mut Bends<'_, '_>, object: &mut Bent) -> Option<String> {
    bends
        .at(object, |value, _| {
            value.as_object().is_some_and(|inner| !inner.is_empty())
        })
        .map(|(place, value)| {
            *value = Value::Null;
            format!("null at {place}")
        })
}

/// Puts a value where the contract lists values, and it is none of them.
fn unknown_value(bends: &mut Bends<'_, '_>, object: &mut Bent) -> Option<String> {
    bends
        .at(object, |value, listed| listed && value.is_string())
        .map(|(place, value)| {
            *value = UNKNOWN.into();
            format!("unknown value at {place}")
        })
}

/// Lets a reference point to what never was.
fn dangling(bends: &mut Bends<'_, '_>, object: &mut Bent) -> Option<String> {
    let (place, old) = bends.reference(object)?;
    let new = bends.cx.org.new_id();
    for (name, value) in &mut object.fields {
        if name != AT {
            replace(value, &old, &new);
        }
    }
    Some(format!("dangling id at {place}"))
}

/// Deletes what a reference points to, without telling anybody.
fn deleted(bends: &mut Bends<'_, '_>, object: &mut Bent) -> Option<String> {
    let (place, id) = bends.reference(object)?;
    let kind = registry().kind(bends.known.get(&id)?)?;
    let holds = registry().kinds().any(|k| k.parent == Some(kind.name));
    if bends.kept.contains(&id) || holds {
        return None;
    }
    if kind.deletion.soft {
        let mut gone = bends.cx.org.store.get(kind.name, &id)?.fields.clone();
        gone.insert("state".into(), "deleted".into());
        bends.put(kind, &id, gone);
    } else {
        let now = bends.cx.now;
        bends.cx.org.store.remove(kind, &id, now, now);
    }
    Some(format!("deleted {} at {place}", kind.name))
}

/// Repeats the items of a list.
fn long_list(bends: &mut Bends<'_, '_>, object: &mut Bent) -> Option<String> {
    bends
        .at(object, |value, _| {
            value.as_array().is_some_and(|items| !items.is_empty())
        })
        .map(|(place, value)| {
            if let Value::Array(items) = value {
                let all = items.clone();
                *items = all.into_iter().cycle().take(LONG).collect();
            }
            format!("{LONG} items at {place}")
        })
}

impl Bends<'_, '_> {
    fn put(&mut self, kind: &'static Kind, id: &str, fields: Fields) {
        let now = self.cx.now;
        let sight = Sight {
            readable_at: now,
            listed_at: now,
        };
        self.cx.org.store.replace(kind, id, fields, sight);
    }

    /// Gives another text to the name, or to what the kind is known by.
    fn renamed(
        &mut self,
        object: &mut Bent,
        how: &str,
        make: fn(&str, &str) -> String,
    ) -> Option<String> {
        let model = registry().shown(object.kind.name);
        let is_free = |field: &&str| {
            let listed = model
                .and_then(|model| model.field(field))
                .is_some_and(|field| !field.enum_values.is_empty());
            let value = text(&object.fields, field);
            !listed && !value.is_empty() && !self.known.contains_key(value)
        };
        let fields: Vec<&str> = object
            .kind
            .key
            .iter()
            .copied()
            .chain(["name"])
            .filter(is_free)
            .collect();
        let field = *self.random.pick(&fields)?;
        let store = &self.cx.org.store;
        let others: Vec<&str> = store
            .all(object.kind.name)
            .filter(|other| other.id != object.id)
            .map(|other| other.text(field))
            .collect();
        let name = text(&object.fields, field);
        let other = self.random.pick(&others).copied().unwrap_or(name);
        let new = make(name, other);
        object.fields.insert(field.to_owned(), new.into());
        Some(format!("{how} in {field}"))
    }

    /// Picks a visible place of an object; the flag says whether the contract lists its values.
    fn at<'o>(
        &mut self,
        object: &'o mut Bent,
        wanted: fn(&Value, bool) -> bool,
    ) -> Option<(String, &'o mut Value)> {
        let mut places = Vec::new();
        let model = registry().shown(object.kind.name);
        visit_fields(&object.fields, model, "", &mut |place, value, listed| {
            if wanted(value, listed) {
                places.push(place.to_owned());
            }
        });
        let place = self.random.pick(&places)?.clone();
        let (first, rest) = match place[1..].split_once('/') {
            Some((first, rest)) => (first, format!("/{rest}")),
            None => (&place[1..], String::new()),
        };
        let value = object.fields.get_mut(&plain(first))?.pointer_mut(&rest)?;
        Some((place, value))
    }

    /// Picks a reference of an object, hidden ones included: its place and the id.
    fn reference(&mut self, object: &Bent) -> Option<(String, String)> {
        let mut found = Vec::new();
        for (name, value) in object.fields.iter().filter(|(name, _)| *name != AT) {
            ids(value, &self.known, &mut |id| {
                if id != object.id {
                    found.push((name.clone(), id.to_owned()));
                }
            });
        }
        self.random.pick(&found).cloned()
    }
}

/// Visits the places of an object, those of the simulator itself left out.
fn visit_fields(
    fields: &Fields,
    model: Option<&Model>,
    at: &str,
    see: &mut dyn FnMut(&str, &Value, bool),
) {
    for (name, value) in fields {
        if name.starts_with('$') || name == "id" {
            continue;
        }
        let field = model.and_then(|model| model.field(name));
        let listed = field.is_some_and(|field| !field.enum_values.is_empty());
        let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        visit(value, field.map(|field| &field.ty), listed, &place, see);
    }
}

fn visit(
    value: &Value,
    ty: Option<&Type>,
    listed: bool,
    at: &str,
    see: &mut dyn FnMut(&str, &Value, bool),
) {
    see(at, value, listed);
    match (value, ty) {
        (Value::Array(items), _) => {
            let ty = match ty {
                Some(Type::Array(inner)) => Some(&**inner),
                _ => None,
            };
            for (index, item) in items.iter().enumerate() {
                visit(item, ty, listed, &format!("{at}/{index}"), see);
            }
        }
        (Value::Object(fields), ty) => {
            let model = ty.and_then(Type::model_name);
            let model = model.and_then(|name| contract().model(name));
            visit_fields(fields, model, at, see);
        }
        _ => {}
    }
}

/// Visits the ids of objects inside a value, as values and as keys.
fn ids(value: &Value, known: &BTreeMap<String, &'static str>, see: &mut dyn FnMut(&str)) {
    match value {
        Value::String(id) if known.contains_key(id) => see(id),
        Value::Array(items) => items.iter().for_each(|item| ids(item, known, see)),
        Value::Object(fields) => {
            for (name, value) in fields {
                if known.contains_key(name) {
                    see(name);
                }
                ids(value, known, see);
            }
        }
        _ => {}
    }
}

fn replace(value: &mut Value, old: &str, new: &str) {
    match value {
        Value::String(id) if id == old => new.clone_into(id),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, old, new)),
        Value::Object(fields) => {
            if let Some(held) = fields.remove(old) {
                fields.insert(new.to_owned(), held);
            }
            fields
                .values_mut()
                .for_each(|value| replace(value, old, new));
        }
        _ => {}
    }
}

fn swapped(name: &str) -> String {
    let upper = name.to_uppercase();
    match upper == name {
        true => name.to_lowercase(),
        false => upper,
    }
}

fn plain(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}
