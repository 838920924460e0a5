//! Teams and their members.

use serde_json::{Value, json};

use crate::audit;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Division, Kind, Oversize, Style};
use crate::page::cut;
use crate::refs::Ref;
use crate::routes::{Registry, Req};
use crate::store::{Fields, Object};
use crate::world::Org;

const KINDS: &[Kind] = &[Kind {
    name: "team",
    path: "/api/v2/teams",
    audit: ("Groups", "Team"),
    duplicate: (409, "general.conflict"),
    division: Division::Movable,
    style: Style::Cursor,
    server: &["memberCount"],
    refs: &[Ref::to("$members[]", "user").weak()],
    view: Some(view),
    ..Kind::PLAIN
}];

/// Members that one call may add or remove.
const PER_CALL: usize = 25;

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    let members = "/api/v2/teams/{teamId}/members";
    registry.on("GET", members, list);
    registry.on("POST", members, add);
    registry.on("DELETE", members, remove);
}

fn member_ids(team: &Object) -> Vec<String> {
    let members = team.fields.get("$members").and_then(Value::as_array);
    let ids = members.into_iter().flatten().filter_map(Value::as_str);
    ids.map(str::to_owned).collect()
}

fn view(org: &Org, id: &str, shown: &mut Fields) {
    let count = org.store.get("team", id).map_or(0, |t| member_ids(t).len());
    shown.insert("memberCount".into(), count.into());
}

fn list(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let members = member_ids(cx.find_live("team", req.param("teamId"))?);
    let shown = |id: &String| cx.org.reference("user", id);
    cut(req, Style::Cursor, 100, Oversize::Refuse, &members, shown).map(Reply::ok)
}

/// Adds those who are in no team; the others are told of in the answer, which is a success.
fn add(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("teamId").to_owned();
    let mut members = member_ids(cx.find_live("team", &id)?);
    let given = req.body["memberIds"].as_array().into_iter().flatten();
    let users: Vec<&str> = given.filter_map(Value::as_str).collect();
    check_number(users.len())?;
    let (mut added, mut failures) = (Vec::new(), Vec::new());
    for user in users {
        let in_another = cx
            .org
            .store
            .all("team")
            .any(|team| team.id != id && member_ids(team).iter().any(|member| member == user));
        if cx.find_live("user", user).is_err() {
            failures.push(json!({"id": user, "reason": "UserNotFound"}));
        } else if in_another {
            failures.push(json!({"id": user, "reason": "UserGroupLimitExceeded"}));
        } else {
            if !members.iter().any(|member| member == user) {
                members.push(user.to_owned());
            }
            added.push(json!({ "id": user }));
        }
    }
    keep(cx, &id, &members, "MemberAdd");
    Ok(Reply::ok(json!({"entities": added, "failures": failures})))
}

fn remove(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("teamId").to_owned();
    let mut members = member_ids(cx.find_live("team", &id)?);
    let given = req.query("id").unwrap_or_default();
    let users: Vec<&str> = given.split(',').filter(|id| !id.is_empty()).collect();
    check_number(users.len())?;
    members.retain(|member| !users.contains(&member.as_str()));
    keep(cx, &id, &members, "MemberRemove");
    Ok(Reply::empty(204))
}

fn check_number(users: usize) -> Result<(), Refusal> {
    match users > PER_CALL {
        true => Err(Refusal::bad_request(format!(
            "At most {PER_CALL} members at a time."
        ))),
        false => Ok(()),
    }
}

fn keep(cx: &mut Cx<'_>, id: &str, members: &[String], action: &str) {
    if let Some(fields) = cx.org.store.fields_mut("team", id) {
        fields.insert("$members".into(), json!(members));
    }
    cx.touched = Some(id.to_owned());
    audit::note(cx, KINDS[0].audit, action, id, "", Vec::new());
}
