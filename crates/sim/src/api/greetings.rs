//! Greetings of the org, of its groups and of its users.

use serde_json::{Value, json};

use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal};
use crate::kind::Kind;
use crate::page::hundreds;
use crate::refs::id_of;
use crate::routes::{Registry, Req};
use crate::store::{Fields, Object, text};

const KINDS: &[Kind] = &[Kind {
    name: "greeting",
    path: "/api/v2/greetings",
    audit: ("", ""),
    key: &[],
    optional: &["owner", "owner/id"],
    fixed: &["owner", "ownerType"],
    server: &["audioFile", "createdDate", "modifiedDate"],
    check: Some(check),
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("GET", "/api/v2/greetings", of_org);
    registry.on("GET", "/api/v2/users/{userId}/greetings", of_user);
    registry.on("POST", "/api/v2/users/{userId}/greetings", add_to_user);
    registry.on("GET", "/api/v2/groups/{groupId}/greetings", of_group);
    registry.on("POST", "/api/v2/groups/{groupId}/greetings", add_to_group);
}

/// A greeting of the org belongs to the org, whoever the body says; it must have something to say.
fn check(
    cx: &mut Cx<'_>,
    req: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let mut params = req.params.iter().filter(|_| old.is_none());
    let (sort, owner) = match params.next() {
        Some((name, id)) if *name == "userId" => ("USER", id.clone()),
        Some((_, id)) => ("GROUP", id.clone()),
        None => ("ORGANIZATION", cx.org.id.clone()),
    };
    if old.is_none() {
        let named = fields.get("owner").and_then(id_of);
        if text(fields, "ownerType") != sort || named.is_some_and(|named| named != owner) {
            return Err(Refusal::invalid("owner", "The owner is another one."));
        }
        fields.insert("owner".into(), json!({ "id": owner }));
    }
    match text(fields, "audioTTS").is_empty() && old.is_none() {
        true => Err(Refusal::invalid("audioTTS", "A greeting says something.")),
        false => Ok(()),
    }
}

fn listed(cx: &Cx<'_>, req: &Req, owner: &str) -> Answer {
    let found: Vec<&Object> = cx
        .org
        .store
        .all("greeting")
        .filter(|greeting| greeting.fields.get("owner").and_then(id_of) == Some(owner))
        .collect();
    let shown = |greeting: &&Object| -> Value { cx.show("greeting", &greeting.id) };
    hundreds(req, &found, shown)
}

fn of_org(cx: &mut Cx<'_>, req: &Req) -> Answer {
    listed(cx, req, &cx.org.id)
}

fn of_user(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("userId");
    cx.find_live("user", id)?;
    listed(cx, req, id)
}

fn of_group(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("groupId");
    cx.find_live("group", id)?;
    listed(cx, req, id)
}

fn add_to_user(cx: &mut Cx<'_>, req: &Req) -> Answer {
    cx.find_live("user", req.param("userId"))?;
    crud::create(cx, req, &KINDS[0])
}

fn add_to_group(cx: &mut Cx<'_>, req: &Req) -> Answer {
    cx.find_live("group", req.param("groupId"))?;
    crud::create(cx, req, &KINDS[0])
}
