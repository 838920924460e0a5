//! What a person has besides a profile: a voicemail policy, and names in other systems.

use serde_json::{Value, json};

use crate::audit;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::routes::{Registry, Req};
use crate::store::Object;

const EXTERNAL: &str = "$externalIds";
const VOICEMAIL: &str = "$voicemail";
/// The authority of the name by which SCIM knows a user; nobody else writes it.
pub(crate) const IMMUTABLE: &str = "x-pc:scimv2:v1";

pub(crate) fn register(registry: &mut Registry) {
    let policy = "/api/v2/voicemail/userpolicies/{userId}";
    registry.on("GET", policy, policy_of);
    registry.on("PATCH", policy, change_policy);
    registry.on("PUT", policy, change_policy);
    let ids = "/api/v2/users/{userId}/externalid";
    registry.on("GET", ids, external_ids);
    registry.on("POST", ids, add_external_id);
    let of_authority = format!("{ids}/{{authorityName}}");
    registry.on("GET", &of_authority, external_id);
    let one = format!("{of_authority}/{{externalKey}}");
    registry.on("DELETE", &one, remove_external_id);
    let holder = "/api/v2/users/externalid/{authorityName}/{externalKey}";
    registry.on("GET", holder, holder_of);
}

fn noted(cx: &mut Cx<'_>, id: &str) {
    cx.touched = Some(id.to_owned());
    audit::note(cx, ("Directory", "User"), "Update", id, "", Vec::new());
}

// Voicemail

fn policy_of(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let user = cx.find_live("user", req.param("userId"))?;
    let mut policy =
        json!({"enabled": false, "alertTimeoutSeconds": 20, "sendEmailNotifications": true});
    if let (Value::Object(shown), Some(Value::Object(own))) =
        (&mut policy, user.fields.get(VOICEMAIL))
    {
        shown.extend(own.clone());
    }
    Ok(Reply::ok(policy))
}

fn change_policy(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("userId").to_owned();
    let user = cx.find_live("user", &id)?;
    let mut own = match user.fields.get(VOICEMAIL) {
        Some(Value::Object(own)) => own.clone(),
        _ => serde_json::Map::new(),
    };
    if let Some(seconds) = req.body["alertTimeoutSeconds"].as_i64()
        && !(1..=600).contains(&seconds)
    {
        return Err(Refusal::invalid(
            "alertTimeoutSeconds",
            "A voicemail is offered after 1 to 600 seconds.",
        ));
    }
    if let Some(pin) = req.body["pin"].as_str()
        && (pin.is_empty() || !pin.bytes().all(|digit| digit.is_ascii_digit()))
    {
        return Err(Refusal::invalid("pin", "A PIN has digits only."));
    }
    // The PIN is never shown again.
    for field in ["alertTimeoutSeconds", "sendEmailNotifications"] {
        if let Some(value) = req.body.get(field).filter(|value| !value.is_null()) {
            own.insert(field.to_owned(), value.clone());
        }
    }
    if let Some(fields) = cx.org.store.fields_mut("user", &id) {
        fields.insert(VOICEMAIL.into(), own.into());
    }
    noted(cx, &id);
    policy_of(cx, req)
}

// Names in other systems

/// Returns the names of a user elsewhere: authority and key.
pub(crate) fn names(user: &Object) -> Vec<(String, String)> {
    let list = user.fields.get(EXTERNAL).and_then(Value::as_array);
    let pair = |entry: &Value| {
        let text = |at: usize| entry[at].as_str().unwrap_or_default().to_owned();
        (text(0), text(1))
    };
    list.into_iter().flatten().map(pair).collect()
}

fn shown(id: &str, (authority, key): &(String, String)) -> Value {
    json!({
        "authorityName": authority,
        "externalKey": key,
        "selfUri": format!("/api/v2/users/{id}/externalid/{authority}"),
    })
}

fn external_ids(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let user = cx.find_live("user", req.param("userId"))?;
    let list: Vec<Value> = names(user)
        .iter()
        .map(|name| shown(&user.id, name))
        .collect();
    Ok(Reply::ok(list.into()))
}

fn external_id(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let user = cx.find_live("user", req.param("userId"))?;
    let authority = req.param("authorityName");
    match names(user).iter().find(|(own, _)| own == authority) {
        Some(name) => Ok(Reply::ok(shown(&user.id, name))),
        None => Err(Refusal::not_found("external id", authority)),
    }
}

fn add_external_id(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("userId").to_owned();
    let mut own = names(cx.find_live("user", &id)?);
    let text = |field: &str| req.body[field].as_str().unwrap_or_default().to_owned();
    let name = (text("authorityName"), text("externalKey"));
    check_name(&name)?;
    check_free(cx, &name, Some(&id))?;
    // A person has one name with an authority.
    own.retain(|(authority, _)| *authority != name.0);
    own.push(name);
    keep(cx, &id, &own);
    external_ids(cx, req)
}

/// Refuses a name that is empty, or that only SCIM gives.
pub(crate) fn check_name((authority, key): &(String, String)) -> Result<(), Refusal> {
    if authority.trim().is_empty() || key.trim().is_empty() {
        return Err(Refusal::bad_request(
            "The authority and the key must not be empty.",
        ));
    }
    check_mutable(authority)
}

fn check_mutable(authority: &str) -> Result<(), Refusal> {
    match authority.starts_with(IMMUTABLE) {
        true => Err(Refusal::bad_request(format!(
            "The authority {authority} is immutable."
        ))),
        false => Ok(()),
    }
}

/// Refuses a name that another user has.
pub(crate) fn check_free(
    cx: &Cx<'_>,
    name: &(String, String),
    own: Option<&str>,
) -> Result<(), Refusal> {
    let holds = |user: &&Object| Some(user.id.as_str()) != own && names(user).contains(name);
    match cx.org.store.all("user").find(holds) {
        Some(holder) => {
            let message = format!("{}/{} is the user {}.", name.0, name.1, holder.id);
            Err(Refusal::new(409, "general.conflict", message))
        }
        None => Ok(()),
    }
}

fn remove_external_id(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("userId").to_owned();
    let mut own = names(cx.find_live("user", &id)?);
    let name = (
        req.param("authorityName").to_owned(),
        req.param("externalKey").to_owned(),
    );
    if !own.contains(&name) {
        return Err(Refusal::not_found("external id", &name.1));
    }
    check_mutable(&name.0)?;
    own.retain(|kept| *kept != name);
    keep(cx, &id, &own);
    Ok(Reply::empty(204))
}

fn holder_of(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let name = (
        req.param("authorityName").to_owned(),
        req.param("externalKey").to_owned(),
    );
    let is_it = |user: &&Object| user.text("state") != "deleted" && names(user).contains(&name);
    let holder = cx
        .org
        .store
        .all("user")
        .find(is_it)
        .map(|user| user.id.clone());
    match holder {
        Some(id) => Ok(Reply::ok(cx.show("user", &id))),
        None => Err(Refusal::not_found("user", &name.1)),
    }
}

pub(crate) fn keep(cx: &mut Cx<'_>, id: &str, names: &[(String, String)]) {
    if let Some(fields) = cx.org.store.fields_mut("user", id) {
        fields.insert(EXTERNAL.into(), json!(names));
    }
    noted(cx, id);
}
