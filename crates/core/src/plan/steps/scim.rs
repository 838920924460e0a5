//! Creating a user by SCIM: one call that also does what takes several plain ones.
//!
//! The plain steps stay in the plan, each with its own place in the journal. The creation says
//! besides which of them one call does, and what that call sends; where an org refuses it, or it
//! does not hold all that is wanted, the steps go as they are.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::StepMaker;
use crate::document::{Slot, Template};
use crate::id::StepId;
use crate::plan::planner::Open;
use crate::plan::{Does, Request, Scim, Step, Write};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const GENESYS: &str = "urn:ietf:params:scim:schemas:extension:genesys:purecloud:2.0:User";

/// Skills, or languages, that the call takes.
const MOST: usize = 50;

/// What only SCIM itself gives a user.
const IMMUTABLE: &str = "x-pc:scimv2:v1";

/// Types of telephone numbers, as the directory and as SCIM spell them.
const PHONES: [(&str, &str); 7] = [
    ("WORK", "work"),
    ("WORK2", "work2"),
    ("WORK3", "work3"),
    ("WORK4", "work4"),
    ("HOME", "home"),
    ("MOBILE", "mobile"),
    ("OTHER", "other"),
];

/// The fields of a user and of the extensions, as they are filled.
#[derive(Default)]
struct Body {
    user: Map<String, Value>,
    enterprise: Map<String, Value>,
    genesys: Map<String, Value>,
    does: Vec<Does>,
}

impl StepMaker<'_, '_> {
    /// Says how one call creates a user together with what its next steps do; `first` is the place
    /// of the creation.
    pub(super) fn by_scim(&mut self, item: &Open<'_>, first: usize) {
        let Some(path) = item.descriptor.scim.as_ref().filter(|_| self.options.scim) else {
            return;
        };
        let scim = self.scim(path, item, first).map(Box::new);
        if let Some(creation) = self.steps.get_mut(first) {
            creation.scim = scim;
        }
    }

    fn scim(&self, path: &str, item: &Open<'_>, first: usize) -> Option<Scim> {
        let (creation, others) = self.steps.get(first..)?.split_first()?;
        let mut body = self.profile(item, creation)?;
        for step in others {
            self.take(step, &mut body);
        }
        let Body {
            mut user,
            enterprise,
            genesys,
            does,
        } = body;
        // It would be one call for one.
        if does.is_empty() {
            return None;
        }
        for (name, extension) in [(ENTERPRISE, enterprise), (GENESYS, genesys)] {
            if !extension.is_empty() {
                user.insert(name.to_owned(), extension.into());
            }
        }
        let own: BTreeSet<&StepId> = self.steps[first..].iter().map(|step| &step.id).collect();
        let done = |step: &&Step| does.iter().any(|does| does.step == step.id);
        let after: BTreeSet<StepId> = others
            .iter()
            .filter(done)
            .flat_map(|step| &step.after)
            .filter(|id| !own.contains(id) && !creation.after.contains(id))
            .cloned()
            .collect();
        Some(Scim {
            path: path.to_owned(),
            body: Template::new(user.into()),
            does,
            after: after.into_iter().collect(),
        })
    }

    /// Says what the creation itself sends; nothing where SCIM has no word for some of it.
    fn profile(&self, item: &Open<'_>, creation: &Step) -> Option<Body> {
        let Write::Request(Request {
            body: Some(sent), ..
        }) = &creation.write
        else {
            return None;
        };
        let mut body = Body::default();
        for (field, value) in sent.value().as_object()? {
            let text = || value.as_str().map(Value::from);
            match field.as_str() {
                "email" => body.user.insert("userName".into(), text()?),
                "name" => body.user.insert("displayName".into(), text()?),
                "title" => body.user.insert("title".into(), text()?),
                "department" => body.enterprise.insert("department".into(), text()?),
                "divisionId" => {
                    let name = self.name_of(value)?;
                    body.enterprise.insert("division".into(), name.into())
                }
                "state" => {
                    let active = match value.as_str()? {
                        "active" => true,
                        "inactive" => false,
                        _ => return None,
                    };
                    body.user.insert("active".into(), active.into())
                }
                "addresses" => {
                    contacts(value, &mut body.user)?;
                    None
                }
                _ => return None,
            };
        }
        // What is not said is chosen by whoever creates, and SCIM may choose otherwise.
        let says = |field: &str| item.body.contains_key(field);
        (says("state") && says("division") && body.user.contains_key("displayName")).then_some(body)
    }

    /// Takes over what a step does, where one call can do it as well.
    fn take(&self, step: &Step, body: &mut Body) -> Option<()> {
        let Write::Request(Request {
            body: Some(sent), ..
        }) = &step.write
        else {
            return None;
        };
        let (_, suffix) = step.id.as_str().rsplit_once(':')?;
        let sent = sent.value();
        let (extension, field) = match suffix.split('+').next()? {
            "skills" => (GENESYS, "routingSkills"),
            "languages" => (GENESYS, "routingLanguages"),
            "externalIds" => (GENESYS, "externalIds"),
            "link" => (ENTERPRISE, "manager"),
            _ => return None,
        };
        match field {
            "manager" => {
                let fields = sent.as_object().filter(|fields| fields.len() == 1)?;
                let manager = json!({ "value": fields.get("manager")? });
                body.enterprise.insert(field.to_owned(), manager);
            }
            "externalIds" => {
                let text = |name: &str| sent.get(name)?.as_str().map(str::to_owned);
                let (authority, key) = (text("authorityName")?, text("externalKey")?);
                if authority.starts_with(IMMUTABLE) {
                    return None;
                }
                let list = body.genesys.entry(field).or_insert_with(|| json!([]));
                let list = list.as_array_mut()?;
                // A user has one key for an authority.
                if list.iter().any(|one| one["authority"] == *authority) {
                    return None;
                }
                list.push(json!({ "authority": authority, "value": key }));
            }
            // The next ones of a long list are added by their own calls.
            _ if body.genesys.contains_key(field) => return None,
            _ => {
                let items = sent.as_array().filter(|items| items.len() <= MOST)?;
                let named = items.iter().map(|item| {
                    let name = self.name_of(item.get("id")?)?;
                    Some(json!({ "name": name, "proficiency": item.get("proficiency")? }))
                });
                let named: Vec<Value> = named.collect::<Option<_>>()?;
                body.genesys.insert(field.to_owned(), named.into());
            }
        }
        body.does.push(Does {
            step: step.id.clone(),
            shown: format!("/{extension}/{field}"),
        });
        Some(())
    }

    /// Returns the name that an object of the target has, or will have.
    fn name_of(&self, reference: &Value) -> Option<String> {
        let Some(Slot::Ref(object)) = Slot::of(reference) else {
            return None;
        };
        let text = |name: Option<Value>| name?.as_str().map(str::to_owned);
        let live = self.target.live.get(&object);
        let live = live.and_then(|live| text(live.field("name")));
        // Items come in the order of the bundle.
        let place = self.items.binary_search_by(|item| item.object.cmp(&object));
        let wanted = place.ok().map(|place| &self.items[place]);
        let wanted = wanted.and_then(|item| text(item.body.field("name")));
        match (live, wanted) {
            // Whether it is called otherwise by then, nobody knows.
            (Some(live), Some(wanted)) => (live == wanted).then_some(live),
            (live, wanted) => live.or(wanted),
        }
    }
}

/// Writes telephone numbers and a second address as SCIM has them.
fn contacts(addresses: &Value, user: &mut Map<String, Value>) -> Option<()> {
    let (mut phones, mut emails) = (Vec::new(), Vec::new());
    for contact in addresses.as_array()? {
        let text = |name: &str| contact.get(name).and_then(Value::as_str);
        let plain = contact
            .as_object()?
            .keys()
            .all(|name| matches!(name.as_str(), "mediaType" | "type" | "address"));
        let address = text("address").filter(|_| plain)?;
        match (text("mediaType")?, text("type")?) {
            ("PHONE", sort) => {
                let (_, sort) = PHONES.iter().find(|(of, _)| *of == sort)?;
                phones.push(json!({ "type": sort, "value": address }));
            }
            ("EMAIL", "WORK") => emails.push(json!({ "type": "work", "value": address })),
            _ => return None,
        }
    }
    for (field, list) in [("phoneNumbers", phones), ("emails", emails)] {
        if !list.is_empty() {
            user.insert(field.to_owned(), list.into());
        }
    }
    Some(())
}
