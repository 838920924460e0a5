//! Organisations and what they hold.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use orgsmith_contract::Type;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::clock::{later, spell};
use crate::config::{Lag, Limits, OrgSpec};
use crate::error::Refusal;
use crate::events::Events;
use crate::generate::Oddity;
use crate::kind::Kind;
use crate::limits::Window;
use crate::refs::{Ref, id_of};
use crate::routes::{registry, the_kind};
use crate::storage::Storage;
use crate::store::{Fields, Sight, Store};

/// Represents one organisation.
#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) id: String,
    pub(crate) spec: OrgSpec,
    pub(crate) limits: Limits,
    pub(crate) lags: Vec<Lag>,
    pub(crate) store: Store,
    /// Documents of which there is one per org, by path.
    pub(crate) singles: BTreeMap<&'static str, Value>,
    /// What came of uploads to the other host, by their ids.
    pub(crate) uploads: BTreeMap<String, Value>,
    /// Audits, oldest first.
    pub(crate) audits: Vec<Value>,
    /// Those who listen to what is audited.
    pub(crate) events: Events,
    /// Asynchronous jobs, by id.
    pub(crate) jobs: BTreeMap<String, Value>,
    /// The ids of those that have work before them, oldest start first.
    pub(crate) running: Vec<String>,
    pub(crate) storage: Storage,
    /// Who holds which role in which division.
    pub(crate) grants: BTreeMap<Grant, Timestamp>,
    /// How full the windows of the single services are, by path prefix.
    pub(crate) services: BTreeMap<String, Window>,
    /// The objects that were bent, and how.
    pub(crate) oddities: Vec<Oddity>,
    ids: Ids,
}

impl Org {
    pub(crate) fn new(
        spec: &OrgSpec,
        limits: &Limits,
        lags: &[Lag],
        seed: u64,
        now: Timestamp,
    ) -> Self {
        let mut ids = Ids {
            seed: format!("{seed}/{}", spec.name),
            next: 0,
        };
        let id = ids.next();
        let mut org = Self {
            id: spec.id.clone().unwrap_or(id),
            limits: spec.limits.clone().unwrap_or_else(|| limits.clone()),
            lags: lags.to_vec(),
            spec: spec.clone(),
            store: Store::default(),
            singles: BTreeMap::new(),
            uploads: BTreeMap::new(),
            audits: Vec::new(),
            events: Events::default(),
            jobs: BTreeMap::new(),
            running: Vec::new(),
            storage: Storage::default(),
            grants: BTreeMap::new(),
            services: BTreeMap::new(),
            oddities: Vec::new(),
            ids,
        };
        crate::api::furnish(&mut org, now);
        org
    }

    /// Makes a new id, different in every org.
    pub(crate) fn new_id(&mut self) -> String {
        self.ids.next()
    }

    /// Puts an object in place as it is, without any check.
    pub(crate) fn place(&mut self, kind: &str, id: &str, fields: Value, now: Timestamp) {
        let kind = the_kind(kind);
        let Value::Object(mut fields) = fields else {
            return;
        };
        fields.insert("id".into(), id.into());
        let sight = Sight {
            readable_at: now,
            listed_at: now,
        };
        self.store.insert(kind, id, fields, sight);
    }

    /// Tells when a write to a kind can be seen.
    pub(crate) fn sight(&self, kind: &Kind, now: Timestamp) -> Sight {
        let lag = self
            .lags
            .iter()
            .filter(|lag| kind.path.starts_with(&lag.path_prefix))
            .max_by_key(|lag| lag.path_prefix.len());
        Sight {
            readable_at: later(now, lag.map_or(0, |lag| lag.read_ms)),
            listed_at: later(now, lag.map_or(0, |lag| lag.list_ms)),
        }
    }

    /// Gives the id of the person that a client is signed in as.
    pub(crate) fn user_of(&self, client: &str) -> Option<&str> {
        let mut clients = self.spec.clients.iter();
        let email = clients.find(|spec| spec.id == client)?.user.as_deref()?;
        let mut users = self.store.all("user");
        let user = users.find(|user| user.text("email").eq_ignore_ascii_case(email))?;
        Some(&user.id)
    }

    /// Gives the id of the home division.
    pub(crate) fn home_division(&self) -> &str {
        self.store
            .all("division")
            .find(|division| division.fields.get("homeDivision") == Some(&Value::Bool(true)))
            .map_or("", |division| &division.id)
    }

    /// Gives a reference as the API shows it: id, name and link.
    pub(crate) fn reference(&self, kind: &str, id: &str) -> Value {
        let object = self.store.get(kind, id);
        let none = Fields::new();
        let fields = object.map_or(&none, |object| &object.fields);
        let uri = registry().kind(kind).map(|kind| kind.uri_of(id, fields));
        let name = object.map(|object| object.text("name"));
        let mut reference = serde_json::Map::new();
        reference.insert("id".into(), id.into());
        if let Some(name) = name {
            reference.insert("name".into(), name.into());
        }
        if let Some(uri) = uri {
            reference.insert("selfUri".into(), uri.into());
        }
        reference.into()
    }

    /// Tells who refers to an object and thereby keeps it: kind and id of the first that is found.
    pub(crate) fn holder_of(&self, kind: &str, id: &str) -> Option<(&'static str, String)> {
        for holder in registry().kinds() {
            for reference in holder.refs.iter().filter(|r| r.holds && r.can_be(kind)) {
                let held = self.store.all(holder.name).find(|object| {
                    object.text("state") != "deleted"
                        && reference
                            .find(&object.fields)
                            .into_iter()
                            .any(|(to, target)| to == Some(kind) && target == id)
                });
                if let Some(object) = held {
                    return Some((holder.name, object.id.clone()));
                }
            }
            if kind == "division" && holder.division != crate::kind::Division::None {
                let inside = self.store.all(holder.name).find(|object| {
                    object.text("state") != "deleted"
                        && object.fields.get("division").and_then(id_of) == Some(id)
                });
                if let Some(object) = inside {
                    return Some((holder.name, object.id.clone()));
                }
            }
        }
        None
    }

    /// Refuses the first reference of a body to an object that does not exist.
    pub(crate) fn check_refs(&self, kind: &Kind, fields: &Fields) -> Result<(), Refusal> {
        self.check_references(kind.refs, fields)
    }

    /// Refuses the first reference to an object that does not exist.
    pub(crate) fn check_references(&self, refs: &[Ref], fields: &Fields) -> Result<(), Refusal> {
        for reference in refs {
            for (to, id) in reference.find(fields) {
                let exists = to.is_some_and(|to| {
                    self.store
                        .get(to, id)
                        .is_some_and(|object| object.text("state") != "deleted")
                });
                if !exists {
                    let (status, code) = reference.missing;
                    let what = to.unwrap_or("object");
                    let message = format!("{}: no {what} with id {id}", reference.path);
                    return Err(Refusal::new(status, code, message).detail(code, reference.path));
                }
            }
        }
        Ok(())
    }

    /// Gives what is shown of an object: without the simulator's own and write-only fields, with
    /// links and the names of what it refers to.
    pub(crate) fn view(&self, kind: &'static Kind, id: &str, fields: &Fields) -> Fields {
        let mut shown: Fields = fields
            .iter()
            .filter(|(name, _)| !name.starts_with('$') && !kind.write_only.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        for reference in kind.refs {
            reference.each_mut(&mut shown, &mut |to, held| {
                if let (Some(to), Some(Value::String(id))) = (to, held.get("id"))
                    && let Value::Object(full) = self.reference(to, id)
                {
                    held.extend(full);
                }
            });
        }
        if kind.division != crate::kind::Division::None
            && let Some(division) = shown.get("division").and_then(id_of)
        {
            let division = self.reference("division", division);
            shown.insert("division".into(), division);
        }
        shown.insert("id".into(), id.into());
        shown.insert("selfUri".into(), kind.uri_of(id, fields).into());
        // Most kinds show an author as an id, some as a reference.
        for name in ["createdBy", "modifiedBy"] {
            let field = registry().shown(kind.name).and_then(|m| m.field(name));
            if field.is_some_and(|field| matches!(field.ty, Type::Model(_)))
                && let Some(author @ Value::String(_)) = shown.get(name)
            {
                let author = json!({ "id": author });
                shown.insert(name.to_owned(), author);
            }
        }
        if let Some(view) = kind.view {
            view(self, id, &mut shown);
        }
        shown
    }

    /// Gives everything the org holds, by kind: each object as it is shown, and its hidden state.
    pub(crate) fn dump(&self) -> Value {
        let kinds = self.store.kinds().filter_map(|name| {
            let kind = registry().kind(name)?;
            let objects: Vec<Value> = self
                .store
                .all(name)
                .map(|object| {
                    let mut shown = self.view(kind, &object.id, &object.fields);
                    let hidden = object
                        .fields
                        .iter()
                        .filter(|(name, _)| name.starts_with('$'));
                    shown.extend(hidden.map(|(name, value)| (name.clone(), value.clone())));
                    Value::Object(shown)
                })
                .collect();
            (!objects.is_empty()).then(|| (name.to_owned(), Value::Array(objects)))
        });
        Value::Object(kinds.collect())
    }

    /// Gives the ids of divisions by their names.
    pub(crate) fn division_ids(&self, names: &[String]) -> BTreeSet<String> {
        self.store
            .all("division")
            .filter(|division| names.iter().any(|name| name == division.text("name")))
            .map(|division| division.id.clone())
            .collect()
    }

    /// Gives `GET /organizations/me`.
    pub(crate) fn about(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.spec.name,
            "defaultLanguage": "en-US",
            "defaultCountryCode": "US",
            "thirdPartyOrgName": self.spec.name.to_lowercase().replace(' ', "-"),
            "domain": self.spec.name.to_lowercase().replace(' ', "-"),
            "version": 1,
            "state": "active",
            "productPlatform": "GenesysCloud",
            "voicemailEnabled": true,
            "features": {"hipaa": false, "pci": false, "purecloud": true, "purecloudVoice": false},
            "selfUri": "/api/v2/organizations/me",
        })
    }
}

/// Represents a role held by a subject in a division.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Grant {
    /// A user, a group or an OAuth client.
    pub(crate) subject: String,
    pub(crate) role: String,
    /// A division, or `*` for all.
    pub(crate) division: String,
}

/// Makes ids that look random and are the same in every run.
#[derive(Debug)]
struct Ids {
    seed: String,
    next: u64,
}

impl Ids {
    fn next(&mut self) -> String {
        self.next += 1;
        let hash = Sha256::digest(format!("{}/{}", self.seed, self.next));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
    }
}

/// Fills the fields that nearly every kind has with times and authors.
pub(crate) fn stamp(
    fields: &mut Fields,
    model_has: impl Fn(&str) -> bool,
    now: Timestamp,
    author: &str,
    new: bool,
) {
    let mut set = |name: &str, value: Value| {
        if model_has(name) {
            fields.insert(name.to_owned(), value);
        }
    };
    if new {
        set("dateCreated", spell(now).into());
        set("createdBy", author.into());
    }
    set("dateModified", spell(now).into());
    set("modifiedBy", author.into());
}
