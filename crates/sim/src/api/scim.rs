//! Users as identity systems write them: one call for profile, division, manager, skills, languages
//! and external ids, all by name.
//!
//! What the documentation leaves open is refused: roles, whose division nobody knows, and types of
//! telephone numbers that need an integration.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::limits;
use super::person::{self, IMMUTABLE};
use crate::audit;
use crate::config::Scim;
use crate::crud;
use crate::cx::{Caller, Cx};
use crate::error::{Answer, Refusal, Reply};
use crate::refs::id_of;
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, Object};

/// What the documentation asks for in one role.
const PERMISSIONS: [&str; 6] = [
    "directory:user:add",
    "authorization:grant:add",
    "authorization:grant:delete",
    "routing:skill:assign",
    "routing:language:assign",
    "telephony:extension:assign",
];

const USERS: &str = "/api/v2/scim/v2/users";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const GENESYS: &str = "urn:ietf:params:scim:schemas:extension:genesys:purecloud:2.0:User";

/// Skills, languages and external ids of a user: where they are kept, the kind, and what SCIM calls
/// them.
const SKILLS: [(&str, &str, &str); 2] = [
    ("$skills", "skill", "routingSkills"),
    ("$languages", "language", "routingLanguages"),
];

const MOST_SKILLS: usize = 50;

/// Types of telephone numbers, as SCIM and as the directory spells them.
const PHONES: [(&str, &str); 7] = [
    ("work", "WORK"),
    ("work2", "WORK2"),
    ("work3", "WORK3"),
    ("work4", "WORK4"),
    ("home", "HOME"),
    ("mobile", "MOBILE"),
    ("other", "OTHER"),
];

pub(crate) fn register(registry: &mut Registry) {
    for root in ["/api/v2/scim/users", USERS] {
        registry.on("POST", root, create);
        registry.on("GET", &format!("{root}/{{userId}}"), read);
    }
}

fn check_served(cx: &Cx<'_>) -> Result<(), Refusal> {
    match cx.org.spec.scim {
        Scim::Served => Ok(()),
        Scim::Forbidden => Err(Refusal::new(
            403,
            "not.authorized",
            "SCIM is not enabled for this organization.",
        )),
        Scim::Absent => Err(Refusal::new(404, "not.found", "HTTP 404 Not Found")),
    }
}

fn create(cx: &mut Cx<'_>, req: &Req) -> Answer {
    check_served(cx)?;
    let missing: Vec<&str> = PERMISSIONS
        .into_iter()
        .filter(|permission| !cx.caller.may(permission))
        .collect();
    if !missing.is_empty() {
        let message = format!(
            "You are missing the following permission(s): {}",
            missing.join(", ")
        );
        return Err(Refusal::new(403, "missing.permissions", message));
    }
    let mut fields = profile(cx, &req.body)?;
    let extension = &req.body[GENESYS];
    for (place, kind, name) in SKILLS {
        let held = skills(cx, kind, name, &extension[name])?;
        if kind == "skill" {
            limits::check(
                cx,
                limits::USER_SKILL,
                held.len(),
                "max.entity.count.reached",
            )?;
        }
        fields.insert(place.into(), held.into());
    }
    let mut names = external_ids(cx, &extension["externalIds"])?;
    let id = crud::insert(cx, req, the_kind("user"), fields)?;
    let own = req.body["externalId"].as_str().unwrap_or(&id);
    let client = match &cx.caller {
        Caller::Client { id, .. } => id.as_str(),
        Caller::Seed => "system",
    };
    names.push((format!("{IMMUTABLE}:{client}"), own.to_owned()));
    person::keep(cx, &id, &names);
    let routing = ("ContactCenter", "AgentRoutingInfo");
    audit::note(cx, routing, "Update", &id, "", Vec::new());
    answer(cx, &id, 201)
}

fn read(cx: &mut Cx<'_>, req: &Req) -> Answer {
    check_served(cx)?;
    let id = cx.find_live("user", req.id())?.id.clone();
    cx.check_division(&cx.find_live("user", &id)?.fields)?;
    answer(cx, &id, 200)
}

/// Returns the fields of a user as the directory keeps them.
fn profile(cx: &Cx<'_>, body: &Value) -> Result<Fields, Refusal> {
    let enterprise = &body[ENTERPRISE];
    let mut fields = Fields::new();
    let mut put = |name: &str, value: &Value| {
        if !value.is_null() {
            fields.insert(name.into(), value.clone());
        }
    };
    put("email", &body["userName"]);
    put("name", &body["displayName"]);
    put("title", &body["title"]);
    put("department", &enterprise["department"]);
    let active = body["active"].as_bool().unwrap_or(true);
    put("state", &json!(if active { "active" } else { "inactive" }));
    if let Some(name) = enterprise["division"].as_str() {
        put("division", &json!({ "id": named(cx, "division", name)? }));
    }
    if let Some(id) = enterprise["manager"]["value"].as_str() {
        cx.find_live("user", id)
            .map_err(|_| invalid("manager.value", format!("There is no user with id {id}.")))?;
        put("manager", &json!({ "id": id }));
    }
    let roles = body["roles"].as_array().map(Vec::as_slice);
    if !roles.unwrap_or_default().is_empty() {
        return Err(Refusal::not_simulated(
            "The simulator does not know in which division roles by SCIM are granted.",
        ));
    }
    put("addresses", &addresses(body)?.into());
    Ok(fields)
}

fn addresses(body: &Value) -> Result<Vec<Value>, Refusal> {
    let list = |name: &str| body[name].as_array().cloned().unwrap_or_default();
    let mut found = Vec::new();
    for phone in list("phoneNumbers") {
        let sort = phone["type"].as_str().unwrap_or_default();
        let Some((_, of_directory)) = PHONES.iter().find(|(scim, _)| *scim == sort) else {
            let message = format!("A number of type [{sort}] cannot be set.");
            return Err(invalid("phoneNumbers.type", message));
        };
        found.push(json!({"mediaType": "PHONE", "type": of_directory, "address": phone["value"]}));
    }
    for email in list("emails") {
        match email["type"].as_str() {
            Some("work") => {
                found.push(json!({"mediaType": "EMAIL", "type": "WORK", "address": email["value"]}))
            }
            // It mirrors the user name.
            _ if email["value"] == body["userName"] => {}
            _ => {
                let message = "Only the address of type work can be set.".to_owned();
                return Err(invalid("emails", message));
            }
        }
    }
    Ok(found)
}

fn invalid(field: &str, message: String) -> Refusal {
    Refusal::invalid(field, message)
}

/// Finds an object by its name, upper and lower case told apart.
fn named(cx: &Cx<'_>, kind: &str, name: &str) -> Result<String, Refusal> {
    let is_it = |object: &&Object| object.text("name") == name && object.text("state") != "deleted";
    let found = cx.org.store.all(kind).find(is_it);
    found
        .map(|object| object.id.clone())
        .ok_or_else(|| invalid(kind, format!("There is no {kind} with the name [{name}].")))
}

fn skills(
    cx: &Cx<'_>,
    kind: &str,
    field: &str,
    given: &Value,
) -> Result<Map<String, Value>, Refusal> {
    let given = given.as_array().map(Vec::as_slice).unwrap_or_default();
    if given.len() > MOST_SKILLS {
        let message = format!("At most {MOST_SKILLS} {field} can be set.");
        return Err(invalid(field, message));
    }
    let mut held = Map::new();
    for one in given {
        let name = one["name"].as_str().unwrap_or_default();
        let proficiency = one["proficiency"].as_f64().unwrap_or(0.0);
        if !(0.0..=5.0).contains(&proficiency) {
            let message = "The proficiency must be from 0 to 5.".to_owned();
            return Err(invalid("proficiency", message));
        }
        if held
            .insert(named(cx, kind, name)?, json!(proficiency))
            .is_some()
        {
            let message = format!("[{name}] is there twice.");
            return Err(invalid(field, message));
        }
    }
    Ok(held)
}

fn external_ids(cx: &Cx<'_>, given: &Value) -> Result<Vec<(String, String)>, Refusal> {
    let mut authorities = BTreeSet::new();
    let mut names = Vec::new();
    for one in given.as_array().into_iter().flatten() {
        let text = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
        let name = (text("authority"), text("value"));
        person::check_name(&name)?;
        if !authorities.insert(name.0.clone()) {
            let message = format!("The authority [{}] is there twice.", name.0);
            return Err(invalid("externalIds", message));
        }
        person::check_free(cx, &name, None)?;
        names.push(name);
    }
    Ok(names)
}

fn answer(cx: &Cx<'_>, id: &str, status: u16) -> Answer {
    let user = cx.find_live("user", id)?;
    let fields = &user.fields;
    let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let name_of = |kind: &str, id: &str| cx.org.reference(kind, id)["name"].clone();
    let version = format!("W/\"{}\"", text("version"));
    let contacts = fields.get("addresses").and_then(Value::as_array);
    let phones = contacts.into_iter().flatten().filter_map(|contact| {
        let (scim, _) = PHONES.iter().find(|(_, of)| contact["type"] == *of)?;
        (contact["mediaType"] == "PHONE")
            .then(|| json!({"type": scim, "value": contact["address"]}))
    });
    let work = contacts.into_iter().flatten();
    let work = work.filter(|contact| contact["mediaType"] == "EMAIL");
    let work =
        work.map(|contact| json!({"type": "work", "value": contact["address"], "primary": false}));
    let own = json!({"type": "other", "value": text("email"), "primary": true});
    let mut extension = Map::new();
    for (place, kind, field) in SKILLS {
        let held = fields.get(place).and_then(Value::as_object);
        let shown = held.into_iter().flatten().map(
            |(id, proficiency)| json!({"name": name_of(kind, id), "proficiency": proficiency}),
        );
        extension.insert(field.into(), shown.collect());
    }
    let names = person::names(user);
    let elsewhere = names
        .iter()
        .map(|(authority, key)| json!({"authority": authority, "value": key}));
    extension.insert("externalIds".into(), elsewhere.collect());
    let scim = names
        .iter()
        .find(|(authority, _)| authority.starts_with(IMMUTABLE));
    let division = fields.get("division").and_then(id_of).unwrap_or_default();
    let mut enterprise = json!({"division": name_of("division", division)});
    if let Some(department) = fields.get("department") {
        enterprise["department"] = department.clone();
    }
    if let Some(manager) = fields.get("manager").and_then(id_of) {
        enterprise["manager"] = json!({"value": manager, "$ref": format!("{USERS}/{manager}")});
    }
    let mut shown = json!({
        "id": id,
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE, GENESYS],
        "active": text("state") == "active",
        "userName": text("email"),
        "displayName": text("name"),
        "phoneNumbers": phones.collect::<Vec<_>>(),
        "emails": work.chain([own]).collect::<Vec<_>>(),
        "externalId": scim.map(|(_, key)| key),
        "groups": [],
        "roles": [],
        ENTERPRISE: enterprise,
        GENESYS: extension,
        "meta": {
            "resourceType": "User",
            "location": format!("{}{USERS}/{id}", cx.base_url),
            "version": version,
        },
    });
    if let Some(title) = fields.get("title") {
        shown["title"] = title.clone();
    }
    let mut reply = Reply::with(status, shown);
    reply.headers.push(("ETag", version));
    Ok(reply)
}
