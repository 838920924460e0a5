//! People as they are asked for: bound to a profile, like somebody else, and members of something.
//!
//! A document of a user may say more than the API keeps there: the routing profile that it is bound
//! to, the user that it is like, and the queues, groups and teams that it belongs to. Before
//! anything is planned, [`expand`] turns all that into what the API knows: skills, languages, roles
//! and settings of the user, and members of the others.

mod brought;
mod list;
mod memberships;
mod rewrite;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use brought::Brought;
pub use list::{BadList, Person, add_people, read_list, user};
use memberships::Memberships;
pub use rewrite::{BadRule, EmailRule, NameRule, Rewrites, Rewritten};
pub use stage::{Progress, Stage, progress};

use crate::bundle::Bundle;
use crate::catalogue::{Catalogue, Descriptor, MEMBER_OF, Part, nearest};
use crate::document::{Packed, Portable, Slot};
use crate::id::{Key, Kind, ObjectRef};
use crate::path::Items;
use crate::plan::Conflict;
use crate::snapshot::item_identity;

/// The kind of orgsmith's own object: what people of one sort have in common.
pub const PROFILE: &str = "routing_profile";

/// The field of a user that names its profile.
pub(crate) const BOUND_TO: &str = "profile";

/// The field of a user that names another: it gets what that one has.
pub(crate) const LIKE: &str = "like";

/// What is a person's own and never taken from somebody else.
const PERSONAL: [&str; 10] = [
    "name",
    "email",
    "preferredName",
    "addresses",
    "employerInfo",
    "certifications",
    "externalIds",
    "station",
    BOUND_TO,
    LIKE,
];

/// Tells whether there is anything to expand.
pub fn needs_expansion(bundle: &Bundle) -> bool {
    bundle
        .documents
        .iter()
        .any(|(object, document)| match object.kind.as_str() {
            PROFILE => true,
            "user" => says_more(document),
            _ => false,
        })
}

/// Tells whether a document says more of a user than the API keeps there.
fn says_more(document: &Packed) -> bool {
    let fields = [BOUND_TO, LIKE, MEMBER_OF];
    document
        .names()
        .any(|field| fields.contains(&field.as_str()))
}

/// Turns profiles, likenesses and memberships into what the API knows.
///
/// Who cannot be expanded is left out of the bundle and told of; everybody else goes on. `models`
/// are users who are there only because somebody is to be like them: they go.
pub fn expand(
    catalogue: &Catalogue,
    bundle: &mut Bundle,
    models: &BTreeSet<ObjectRef>,
) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    let profiles = take_profiles(catalogue, bundle);
    let people: Vec<ObjectRef> = bundle
        .documents
        .iter()
        .filter(|(object, document)| object.kind.as_str() == "user" && says_more(document))
        .map(|(object, _)| object.clone())
        .collect();
    let mut members = Members::default();
    let mut brought = Brought::new(catalogue, bundle);
    let memberships = Memberships::of(catalogue, bundle, &liked(bundle));
    let others = (&profiles, &memberships);
    let mut expanded = Vec::new();
    for object in people {
        let Ok(descriptor) = catalogue.get(object.kind.as_str()) else {
            continue;
        };
        match expand_one(catalogue, descriptor, bundle, &object, others, &mut brought) {
            Ok((document, belongs)) => {
                if !models.contains(&object) {
                    members.add(belongs);
                }
                expanded.push(document);
            }
            Err(reason) => conflicts.push(Conflict { object, reason }),
        }
    }
    for Conflict { object, .. } in &conflicts {
        bundle.documents.remove(object);
    }
    let (made, of_models) = brought.finish(models);
    for object in of_models {
        bundle.documents.remove(&object);
    }
    for document in expanded.into_iter().chain(made) {
        bundle.insert(document);
    }
    memberships::forget(catalogue, bundle, models);
    drop_models(bundle, models);
    members.write(catalogue, bundle);
    conflicts
}

/// Returns the users whom others are to be like.
fn liked(bundle: &Bundle) -> BTreeSet<ObjectRef> {
    let documents = bundle.documents.values();
    let likes = documents.filter_map(|document| Slot::of(&document.field(LIKE)?));
    let users = likes.filter_map(|slot| match slot {
        Slot::Ref(user) => Some(user),
        _ => None,
    });
    users.collect()
}

/// A profile, or what is wrong with it.
type Profiles = BTreeMap<ObjectRef, Result<Map<String, Value>, String>>;

fn take_profiles(catalogue: &Catalogue, bundle: &mut Bundle) -> Profiles {
    let is_profile = |object: &ObjectRef| object.kind.as_str() == PROFILE;
    let objects: Vec<ObjectRef> = bundle
        .documents
        .keys()
        .filter(|o| is_profile(o))
        .cloned()
        .collect();
    let user = catalogue.get("user").ok();
    let mut profiles = Profiles::new();
    for object in objects {
        if let Some(document) = bundle.documents.remove(&object) {
            let mut body = document.open().body;
            body.remove("name");
            body.remove("description");
            let unknown = body
                .keys()
                .find(|field| !user.is_some_and(|user| may_share(user, field)));
            let read = match unknown {
                Some(field) => {
                    let known = user.into_iter().flat_map(shared);
                    let meant = nearest(field, known)
                        .map(|meant| format!(" (did you mean {meant:?}?)"))
                        .unwrap_or_default();
                    Err(format!(
                        "{object} has a field {field:?} that is not of a routing profile{meant}"
                    ))
                }
                None => Ok(body),
            };
            profiles.insert(object, read);
        }
    }
    profiles
}

/// Returns what people of one sort may have in common.
pub(crate) fn shared(user: &Descriptor) -> impl Iterator<Item = &str> {
    let parts = user.parts.iter().map(|part| part.field.as_str());
    parts.chain([MEMBER_OF, "division", "acdAutoAnswer"])
}

fn may_share(user: &Descriptor, field: &str) -> bool {
    shared(user).any(|known| known == field)
}

/// Where somebody belongs: the object, its part, and the item that says so.
type Belongs = Vec<(ObjectRef, String, Value)>;

fn expand_one(
    catalogue: &Catalogue,
    descriptor: &Descriptor,
    bundle: &Bundle,
    object: &ObjectRef,
    (profiles, memberships): (&Profiles, &Memberships),
    brought: &mut Brought<'_>,
) -> Result<(Portable, Belongs), String> {
    let mut document = bundle.documents[object].open();
    let mut model = None;
    let bound = document.body.contains_key(LIKE) || document.body.contains_key(BOUND_TO);
    if let Some(other) = refers(&mut document.body, LIKE, "user")? {
        let twin = bundle.documents.get(&other).filter(|_| other != *object);
        let twin = twin.ok_or_else(|| {
            format!("it is to be like {other}, who is not in the source; check the address")
        })?;
        let twin = twin.open();
        if let Some(Slot::Ref(further)) = twin.body.get(LIKE).and_then(Slot::of) {
            return Err(format!(
                "it is to be like {other}, who is to be like {further}; say that it is like {further}"
            ));
        }
        let mut common = twin.body.clone();
        memberships.add_to(&other, &mut common);
        model = Some(twin);
        common.retain(|field, _| !PERSONAL.contains(&field.as_str()));
        take_over(descriptor, &mut document.body, &common);
    }
    if let Some(profile) = refers(&mut document.body, BOUND_TO, PROFILE)? {
        let common = match profiles.get(&profile) {
            Some(Ok(common)) => common,
            Some(Err(reason)) => return Err(reason.clone()),
            None => {
                let known = profiles.keys().map(|known| known.key.as_str());
                let meant = nearest(profile.key.as_str(), known)
                    .map(|meant| format!(" (did you mean {meant:?}?)"))
                    .unwrap_or_default();
                return Err(format!(
                    "it is bound to {profile}, which is not in the source{meant}"
                ));
            }
        };
        take_over(descriptor, &mut document.body, common);
    }
    if bound && !document.body.contains_key("division") {
        // Nobody is created without one.
        document
            .body
            .insert("division".to_owned(), Slot::Ref(home()).to_value());
    }
    let belongs = match document.body.remove(MEMBER_OF) {
        Some(Value::Object(places)) => belongs(catalogue, descriptor, object, &places)?,
        Some(_) => return Err(format!("{MEMBER_OF} holds lists by name, such as queues")),
        None => Belongs::new(),
    };
    if let Some(model) = model {
        brought.like(&model, &mut document);
    }
    Ok((document, belongs))
}

/// Names the home division.
fn home() -> ObjectRef {
    ObjectRef::new(Kind::new("auth_division"), Key::builtin("home"))
}

/// Takes a reference out of a document.
fn refers(
    body: &mut Map<String, Value>,
    field: &str,
    kind: &str,
) -> Result<Option<ObjectRef>, String> {
    let Some(value) = body.remove(field) else {
        return Ok(None);
    };
    match Slot::of(&value) {
        Some(Slot::Ref(object)) if object.kind.as_str() == kind => Ok(Some(object)),
        _ => Err(format!(
            "its {field} is {value}; write {{\"$ref\": \"{kind}/…\"}}"
        )),
    }
}

/// Takes over what a person has in common with others; what the document says itself comes first.
fn take_over(descriptor: &Descriptor, body: &mut Map<String, Value>, common: &Map<String, Value>) {
    for (field, value) in common {
        let part = descriptor.parts.iter().find(|part| part.field == *field);
        match (body.get_mut(field), part) {
            (None, _) => {
                body.insert(field.clone(), value.clone());
            }
            (Some(own), Some(part)) if !part.single => {
                let identity = |item: &Value| item_identity(part, item);
                add_missing(own, value, &identity);
            }
            (Some(Value::Object(own)), None) if field == MEMBER_OF => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    let one = descriptor.member_of.get(name).is_some_and(|said| said.one);
                    match own.get_mut(name) {
                        Some(_) if one => {}
                        Some(own) => add_missing(own, value, &place_identity),
                        None => {
                            own.insert(name.clone(), value.clone());
                        }
                    }
                }
            }
            (Some(_), _) => {}
        }
    }
}

/// Adds the items of a list that another lacks.
fn add_missing(own: &mut Value, more: &Value, identity: &dyn Fn(&Value) -> String) {
    let Some((own, more)) = Items::list_mut(own).zip(Items::of(more)) else {
        return;
    };
    let known: BTreeSet<String> = own.iter().map(identity).collect();
    let new = more
        .list
        .iter()
        .filter(|item| !known.contains(&identity(item)));
    own.extend(new.cloned());
}

/// Returns the object that an item of `memberOf` names.
fn place_of(item: &Value) -> Option<ObjectRef> {
    let named = Slot::of(item).or_else(|| Slot::of(item.get("id")?));
    match named {
        Some(Slot::Ref(object)) => Some(object),
        _ => None,
    }
}

fn place_identity(item: &Value) -> String {
    place_of(item).map_or_else(|| item.to_string(), |object| object.to_string())
}

/// Reads where somebody belongs.
fn belongs(
    catalogue: &Catalogue,
    descriptor: &Descriptor,
    object: &ObjectRef,
    places: &Map<String, Value>,
) -> Result<Belongs, String> {
    let mut found = Belongs::new();
    for (name, value) in places {
        let Some(spec) = descriptor.member_of.get(name) else {
            let known = descriptor.member_of.keys().map(String::as_str);
            let known: Vec<&str> = known.collect();
            return Err(format!(
                "{MEMBER_OF} has no {name:?}; there are {}",
                known.join(", ")
            ));
        };
        let holder = catalogue
            .get(spec.kind.as_str())
            .map_err(|e| e.to_string())?;
        let part = holder.parts.iter().find(|part| part.field == spec.part);
        let part = part.ok_or_else(|| format!("{} has no {}", spec.kind, spec.part))?;
        let items = Items::of(value).map_or(&[][..], |items| items.list);
        for item in items {
            let place = place_of(item)
                .filter(|place| place.kind == spec.kind)
                .ok_or_else(|| {
                    format!(
                        "{MEMBER_OF}.{name} holds {item}; write {{\"$ref\": \"{}/…\"}}",
                        spec.kind
                    )
                })?;
            found.push((place, spec.part.clone(), member(part, object, item)));
        }
        if spec.one && items.len() > 1 {
            let several: Vec<String> = items.iter().map(place_identity).collect();
            return Err(format!(
                "it is in {}, and nobody is in more than one {}",
                several.join(" and "),
                holder.title
            ));
        }
    }
    Ok(found)
}

/// Makes the item that says that somebody belongs there.
pub(crate) fn member(part: &Part, object: &ObjectRef, item: &Value) -> Value {
    let own = Slot::Ref(object.clone()).to_value();
    let Some(identity) = part.identity.first() else {
        return own;
    };
    let mut member = Map::from_iter([(identity.clone(), own)]);
    if let (None, Value::Object(said)) = (Slot::of(item), item) {
        let told = said.iter().filter(|(field, value)| {
            part.fields.contains(field) && part.defaults.get(*field) != Some(value)
        });
        member.extend(told.map(|(field, value)| (field.clone(), value.clone())));
    }
    Value::Object(member)
}

/// Who belongs where, by object and part.
#[derive(Default)]
struct Members(BTreeMap<(ObjectRef, String), Vec<Value>>);

impl Members {
    fn add(&mut self, belongs: Belongs) {
        for (place, part, item) in belongs {
            self.0.entry((place, part)).or_default().push(item);
        }
    }

    /// Writes them into the documents of what they belong to; of an object that is not in the bundle
    /// its members are all that is said.
    fn write(self, catalogue: &Catalogue, bundle: &mut Bundle) {
        for ((object, field), items) in self.0 {
            let descriptor = catalogue.get(object.kind.as_str());
            let part = descriptor
                .ok()
                .and_then(|descriptor| descriptor.parts.iter().find(|part| part.field == field));
            let Some(part) = part else { continue };
            let mut document = match bundle.documents.get(&object) {
                Some(document) => document.open(),
                None => Portable {
                    object,
                    body: Map::new(),
                    files: BTreeMap::new(),
                },
            };
            let own = document
                .body
                .entry(field)
                .or_insert_with(|| Items::at_least(Vec::new()));
            add_missing(own, &Value::Array(items), &|item| item_identity(part, item));
            bundle.insert(document);
        }
    }
}

/// Tells whether a document with these fields says no more than who belongs to the object.
pub(crate) fn is_members_only(
    descriptor: &Descriptor,
    fields: impl Iterator<Item = impl AsRef<str>>,
) -> bool {
    let members = descriptor.parts.iter().filter(|part| part.members);
    let members: Vec<&str> = members.map(|part| part.field.as_str()).collect();
    // To most kinds nobody belongs, and their fields need not be read.
    let mut fields = fields.peekable();
    !members.is_empty()
        && fields.peek().is_some()
        && fields.all(|field| members.contains(&field.as_ref()))
}

/// Leaves out the models that nobody else refers to.
fn drop_models(bundle: &mut Bundle, models: &BTreeSet<ObjectRef>) {
    let mut needed: BTreeSet<ObjectRef> = BTreeSet::new();
    for (object, document) in &bundle.documents {
        document.body.for_each_slot(&mut |slot| {
            if let Slot::Ref(other) = slot
                && models.contains(&other)
                && !models.contains(object)
            {
                needed.insert(other);
            }
        });
    }
    let documents = &mut bundle.documents;
    documents.retain(|object, _| !models.contains(object) || needed.contains(object));
}
