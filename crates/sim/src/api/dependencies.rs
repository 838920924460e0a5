//! Dependency tracking: who uses whom, from published flows and from the references of objects.

use std::collections::BTreeMap;

use orgsmith_contract::contract;
use serde_json::{Value, json};

use super::flows::version_of;
use crate::clock::spell;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::flowyaml::{by_api, by_dependency};
use crate::kind::Kind;
use crate::page::hundreds;
use crate::routes::{Registry, Req, registry};
use crate::store::{Fields, Object, text};

const ROOT: &str = "/api/v2/architect/dependencytracking";

/// What dependency tracking calls the kinds with these paths.
const TYPES: [(&str, &str); 16] = [
    ("/api/v2/routing/queues", "QUEUE"),
    ("/api/v2/routing/skills", "ACDSKILL"),
    ("/api/v2/routing/languages", "ACDLANGUAGE"),
    ("/api/v2/routing/wrapupcodes", "ACDWRAPUPCODE"),
    ("/api/v2/flows/datatables", "DATATABLE"),
    ("/api/v2/architect/prompts", "USERPROMPT"),
    ("/api/v2/architect/schedules", "SCHEDULE"),
    ("/api/v2/architect/schedulegroups", "SCHEDULEGROUP"),
    ("/api/v2/architect/emergencygroups", "EMERGENCYGROUP"),
    ("/api/v2/architect/ivrs", "IVRCONFIGURATION"),
    ("/api/v2/integrations/actions", "DATAACTION"),
    ("/api/v2/groups", "GROUP"),
    ("/api/v2/users", "USER"),
    ("/api/v2/scripts", "COMPOSERSCRIPT"),
    ("/api/v2/outbound/contactlists", "CONTACTLIST"),
    ("/api/v2/oauth/clients", "OAUTHCLIENT"),
];

pub(crate) fn register(registry: &mut Registry) {
    registry.on("GET", &format!("{ROOT}/build"), build);
    registry.on("POST", &format!("{ROOT}/build"), rebuild);
    registry.on("GET", &format!("{ROOT}/types"), types);
    registry.on("GET", &format!("{ROOT}/types/{{typeId}}"), one_type);
    registry.on("GET", &format!("{ROOT}/object"), object);
    registry.on("GET", &format!("{ROOT}/consumedresources"), consumed);
    registry.on("GET", &format!("{ROOT}/consumingresources"), consuming);
}

/// Gives what dependency tracking calls an object; nothing when it does not track it.
pub(crate) fn type_of(kind: &Kind, fields: &Fields) -> Option<&'static str> {
    if kind.name == "flow" {
        return by_api(text(fields, "type"))?.dependency;
    }
    let found = TYPES.iter().find(|(path, _)| *path == kind.path);
    found.map(|(_, word)| *word)
}

fn kind_of(word: &str) -> Option<&'static Kind> {
    if by_dependency(word).is_some() {
        return registry().kind("flow");
    }
    let (path, _) = TYPES.iter().find(|(_, known)| *known == word)?;
    registry().kinds().find(|kind| kind.path == *path)
}

fn build(cx: &mut Cx<'_>, _: &Req) -> Answer {
    Ok(Reply::ok(json!({
        "id": cx.org.id,
        "status": "OPERATIONAL",
        "dateStarted": spell(cx.now),
        "dateCompleted": spell(cx.now),
        "failedObjects": [],
    })))
}

fn rebuild(_: &mut Cx<'_>, _: &Req) -> Answer {
    Ok(Reply::empty(202))
}

/// Lists the types as the contract knows them.
fn known_types() -> Vec<Value> {
    let words = contract()
        .model("Dependency")
        .and_then(|model| model.field("type"))
        .map(|field| field.enum_values.as_slice())
        .unwrap_or_default();
    words
        .iter()
        .map(|word| {
            json!({
                "id": word,
                "name": word,
                "versioned": by_dependency(word).is_some(),
                "selfUri": format!("{ROOT}/types/{word}"),
            })
        })
        .collect()
}

fn types(_: &mut Cx<'_>, req: &Req) -> Answer {
    let types = known_types();
    hundreds(req, &types, Value::clone)
}

fn one_type(_: &mut Cx<'_>, req: &Req) -> Answer {
    known_types()
        .into_iter()
        .find(|found| found["id"] == req.id())
        .map(Reply::ok)
        .ok_or_else(|| Refusal::not_found("type", req.id()))
}

/// Finds the object that a query names, with its kind.
fn asked<'c>(cx: &'c Cx<'_>, req: &Req) -> Result<(&'static Kind, &'c Object), Refusal> {
    let id = req.query("id").unwrap_or_default();
    let word = req.query("objectType").unwrap_or_default();
    let kind = kind_of(&word).ok_or_else(|| {
        Refusal::not_simulated(format!(
            "The simulator does not track objects of type {word}."
        ))
    })?;
    let object = cx.find(kind.name, &id)?;
    match type_of(kind, &object.fields) == Some(word.as_str()) {
        true => Ok((kind, object)),
        false => Err(Refusal::not_found(&word.to_lowercase(), &id)),
    }
}

fn dependency(kind: &Kind, object: &Object) -> Option<Value> {
    let mut shown = json!({
        "id": object.id,
        "name": object.text("name"),
        "type": type_of(kind, &object.fields)?,
        "deleted": object.text("state") == "deleted",
        "updated": false,
        "selfUri": kind.uri(&object.id),
    });
    if let Some(number) = current(&object.fields) {
        shown["version"] = number.into();
    }
    Some(shown)
}

fn current(fields: &Fields) -> Option<&str> {
    fields.get("publishedVersion")?.get("id")?.as_str()
}

/// Lists the kinds and ids that an object uses; a flow in one of its versions.
fn uses(kind: &Kind, fields: &Fields, version: Option<&str>) -> Vec<(String, String)> {
    let mut found = BTreeMap::new();
    if kind.name == "flow" {
        let version = version_of(fields, version);
        let used = version.and_then(|version| version["uses"].as_array());
        for used in used.into_iter().flatten() {
            let words = (used["kind"].as_str(), used["id"].as_str());
            if let (Some(kind), Some(id)) = words {
                found.insert((kind.to_owned(), id.to_owned()), ());
            }
        }
    } else {
        for reference in kind.refs {
            for (to, id) in reference.find(fields) {
                if let Some(to) = to {
                    found.insert((to.to_owned(), id.to_owned()), ());
                }
            }
        }
    }
    found.into_keys().collect()
}

fn wanted(req: &Req, found: &Value) -> bool {
    let mut types = req.queries("resourceType").peekable();
    types.peek().is_none() || types.any(|word| found["type"] == word)
}

fn consumed(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let (kind, object) = asked(cx, req)?;
    let found = consumed_by(cx, kind, object, req.query("version").as_deref());
    let found: Vec<Value> = found.into_iter().filter(|f| wanted(req, f)).collect();
    hundreds(req, &found, Value::clone)
}

fn consuming(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let (kind, object) = asked(cx, req)?;
    let found = consumers_of(cx, kind, &object.id);
    let found: Vec<Value> = found.into_iter().filter(|f| wanted(req, f)).collect();
    hundreds(req, &found, Value::clone)
}

fn consumed_by(cx: &Cx<'_>, kind: &Kind, object: &Object, version: Option<&str>) -> Vec<Value> {
    uses(kind, &object.fields, version)
        .into_iter()
        .filter_map(|(kind, id)| {
            let object = cx.org.store.get(&kind, &id)?;
            dependency(registry().kind(&kind)?, object)
        })
        .collect()
}

fn consumers_of(cx: &Cx<'_>, kind: &Kind, id: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let tracked = registry()
        .kinds()
        .filter(|kind| kind.name == "flow" || TYPES.iter().any(|(path, _)| *path == kind.path));
    for holder in tracked {
        let all = cx.org.store.all(holder.name);
        for object in all.filter(|object| object.text("state") != "deleted") {
            let used = uses(holder, &object.fields, None);
            if used.iter().any(|(k, i)| k == kind.name && i == id) {
                found.extend(dependency(holder, object));
            }
        }
    }
    found
}

fn object(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let (kind, object) = asked(cx, req)?;
    let mut shown = dependency(kind, object).unwrap_or_default();
    if req.flag("consumedResources") {
        shown["consumedResources"] =
            consumed_by(cx, kind, object, req.query("version").as_deref()).into();
    }
    if req.flag("consumingResources") {
        shown["consumingResources"] = consumers_of(cx, kind, &object.id).into();
    }
    Ok(Reply::ok(shown))
}
