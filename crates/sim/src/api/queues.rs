//! Queues, their members and their wrap-up codes.

use serde_json::{Map, Value, json};

use crate::api::groups::member_ids;
use crate::api::limits;
use crate::api::routing::belongs;
use crate::audit;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Deletion, Division, Filter, Kind, Oversize, Style};
use crate::page::{self, cut, glob};
use crate::refs::Ref;
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, Object, text};
use crate::world::Org;

const MEMBER_GROUPS: &[(&str, &str)] = &[
    ("GROUP", "group"),
    ("TEAM", "team"),
    ("SKILLGROUP", "skill_group"),
];

const KINDS: &[Kind] = &[Kind {
    name: "queue",
    path: "/api/v2/routing/queues",
    audit: ("ContactCenter", "Queue"),
    division: Division::Object,
    refs: &[
        Ref::to("queueFlow", "flow"),
        Ref::to("emailInQueueFlow", "flow"),
        Ref::to("messageInQueueFlow", "flow"),
        Ref::to("mediaSettings.callback.liveVoiceFlow", "flow"),
        Ref::to("mediaSettings.callback.answeringMachineFlow", "flow"),
        Ref::to("whisperPrompt", "user_prompt"),
        Ref::to("onHoldPrompt", "user_prompt"),
        Ref::to("defaultScripts{}", "script"),
        Ref::by_field("memberGroups[]", "type", MEMBER_GROUPS),
        Ref::by_field("bullseye.rings[].memberGroups[]", "type", MEMBER_GROUPS),
        Ref::to("bullseye.rings[].actions.skillsToRemove[]", "skill"),
        Ref::to("conditionalGroupRouting.rules[].queue", "queue"),
        Ref::by_field(
            "conditionalGroupRouting.rules[].groups[]",
            "type",
            MEMBER_GROUPS,
        ),
        Ref::to(
            "conditionalGroupActivation.pilotRule.conditions[].simpleMetric.queue",
            "queue",
        ),
        Ref::to(
            "conditionalGroupActivation.rules[].conditions[].simpleMetric.queue",
            "queue",
        ),
        Ref::by_field(
            "conditionalGroupActivation.rules[].groups[]",
            "type",
            MEMBER_GROUPS,
        ),
        Ref::to("directRouting.backupQueueId", "queue"),
        Ref::to("cannedResponseLibraries.libraryIds[]", "response_library"),
        Ref::to("outboundEmailAddress.domain", "email_domain"),
        Ref::to("outboundEmailAddress.route", "email_route"),
    ],
    deletion: Deletion {
        in_use: Some((400, "active.queue")),
        force: Some("forceDelete"),
        ..Deletion::PLAIN
    },
    defaults: r#"{
        "mediaSettings": {
            "call": {"alertingTimeoutSeconds": 8, "serviceLevel": {"percentage": 0.8, "durationMs": 20000}},
            "callback": {"alertingTimeoutSeconds": 30, "serviceLevel": {"percentage": 0.8, "durationMs": 20000}},
            "chat": {"alertingTimeoutSeconds": 30, "serviceLevel": {"percentage": 0.8, "durationMs": 20000}},
            "email": {"alertingTimeoutSeconds": 300, "serviceLevel": {"percentage": 0.8, "durationMs": 86400000}},
            "message": {"alertingTimeoutSeconds": 30, "serviceLevel": {"percentage": 0.8, "durationMs": 20000}}
        },
        "acwSettings": {"wrapupPrompt": "MANDATORY_TIMEOUT"},
        "skillEvaluationMethod": "ALL",
        "scoringMethod": "TimestampAndPriority",
        "lastAgentRoutingMode": "AnyAgent",
        "autoAnswerOnly": true,
        "suppressInQueueCallRecording": true,
        "enableTranscription": false,
        "enableAudioMonitoring": false,
        "enableManualAssignment": false,
        "memberGroups": [],
        "defaultScripts": {}
    }"#,
    max_page: 500,
    filters: &[
        (
            "cannedResponseLibraryId",
            Filter::Reference("cannedResponseLibraries.libraryIds[]"),
        ),
        ("peerId", Filter::Exact("peerId")),
    ],
    server: &["memberCount", "userMemberCount", "joinedMemberCount"],
    check: Some(check),
    view: Some(view),
    ..Kind::PLAIN
}];

/// Members and wrap-up codes that one call may add or remove.
const PER_CALL: usize = 100;
/// Members of one queue.
pub(crate) const QUEUE_SIZE: usize = 5_000;

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    let queue = "/api/v2/routing/queues/{queueId}";
    registry.on("GET", &format!("{queue}/members"), list_members);
    registry.on("POST", &format!("{queue}/members"), change_members);
    registry.on("PATCH", &format!("{queue}/members"), patch_members);
    registry.on(
        "PATCH",
        &format!("{queue}/members/{{memberId}}"),
        patch_member,
    );
    registry.on(
        "DELETE",
        &format!("{queue}/members/{{memberId}}"),
        remove_member,
    );
    registry.on("GET", &format!("{queue}/wrapupcodes"), list_codes);
    registry.on("POST", &format!("{queue}/wrapupcodes"), add_codes);
    registry.on(
        "DELETE",
        &format!("{queue}/wrapupcodes/{{codeId}}"),
        remove_code,
    );
}

fn kind() -> &'static Kind {
    the_kind("queue")
}

// The queue itself

fn check(_: &mut Cx<'_>, _: &Req, fields: &mut Fields, _: Option<&Fields>) -> Result<(), Refusal> {
    if text(fields, "name").contains('*') || text(fields, "name").trim().is_empty() {
        return Err(Refusal::invalid(
            "name",
            "The name of a queue must not be empty nor contain *.",
        ));
    }
    if let Some(Value::Object(acw)) = fields.get("acwSettings") {
        let prompt = text(acw, "wrapupPrompt");
        let timed = prompt == "AGENT_REQUESTED" || prompt.ends_with("_TIMEOUT");
        match acw.get("timeoutMs").and_then(Value::as_i64) {
            Some(_) if !timed => {
                return Err(Refusal::invalid(
                    "acwSettings",
                    format!("timeoutMs does not go with {prompt}."),
                ));
            }
            Some(ms) if !(1_000..=3_600_000).contains(&ms) => {
                return Err(Refusal::invalid(
                    "acwSettings",
                    "timeoutMs must be from 1000 to 3600000.",
                ));
            }
            _ => {}
        }
    }
    let media = fields.get("mediaSettings").and_then(Value::as_object);
    for (name, settings) in media.into_iter().flatten() {
        let refuse = |what: &str| Err(Refusal::invalid("mediaSettings", format!("{name}: {what}")));
        if settings["alertingTimeoutSeconds"]
            .as_i64()
            .is_some_and(|seconds| seconds < 7)
        {
            return refuse("alertingTimeoutSeconds must be 7 or more.");
        }
        let level = &settings["serviceLevel"];
        if level["percentage"]
            .as_f64()
            .is_some_and(|share| !(0.0..=1.0).contains(&share))
        {
            return refuse("the percentage of the service level must be from 0 to 1.");
        }
        if level["durationMs"].as_i64().is_some_and(|ms| ms < 1_000) {
            return refuse("the duration of the service level must be 1000 ms or more.");
        }
    }
    if let Some(direct) = fields
        .get_mut("directRouting")
        .and_then(Value::as_object_mut)
    {
        let wait = direct.entry("agentWaitSeconds").or_insert(60.into());
        if !wait
            .as_i64()
            .is_some_and(|seconds| (60..=864_000).contains(&seconds))
        {
            return Err(Refusal::invalid(
                "directRouting",
                "agentWaitSeconds must be from 60 to 864000.",
            ));
        }
    }
    if let Some(rules) = fields
        .get_mut("conditionalGroupRouting")
        .and_then(|routing| routing.get_mut("rules"))
        .and_then(Value::as_array_mut)
    {
        if !(1..=5).contains(&rules.len()) {
            return Err(Refusal::invalid(
                "conditionalGroupRouting",
                "There must be 1 to 5 rules.",
            ));
        }
        // The first rule is always about this queue, and the API fails when it says so.
        if rules[0].get("queue").is_some_and(|queue| !queue.is_null()) {
            return Err(Refusal::invalid(
                "conditionalGroupRouting",
                "The first rule must not name a queue.",
            ));
        }
        for rule in rules.iter_mut().filter_map(Value::as_object_mut) {
            rule.entry("waitSeconds").or_insert(2.into());
        }
    }
    if let Some(rules) = fields
        .get("conditionalGroupActivation")
        .and_then(|activation| activation.get("rules"))
        .and_then(Value::as_array)
    {
        let too_many = |rule: &Value| rule["conditions"].as_array().is_some_and(|c| c.len() > 10);
        if !(1..=5).contains(&rules.len()) || rules.iter().any(too_many) {
            let message = "There must be 1 to 5 rules with at most 10 conditions.";
            return Err(Refusal::invalid("conditionalGroupActivation", message));
        }
    }
    match fields.remove("sourceQueueId") {
        Some(_) => Err(Refusal::not_simulated(
            "The simulator does not copy queues by sourceQueueId.",
        )),
        None => Ok(()),
    }
}

fn view(org: &Org, id: &str, shown: &mut Fields) {
    let Some(queue) = org.store.get("queue", id) else {
        return;
    };
    let members = members(org, queue);
    let users = members.iter().filter(|member| !member.by_group).count();
    let joined = members.iter().filter(|member| member.joined).count();
    shown.insert("memberCount".into(), members.len().into());
    shown.insert("userMemberCount".into(), users.into());
    shown.insert("joinedMemberCount".into(), joined.into());
}

// Members

/// Represents a member of a queue.
pub(crate) struct Member {
    pub(crate) user: String,
    ring: u64,
    pub(crate) joined: bool,
    by_group: bool,
}

/// Lists the members of a queue: users of its own, then those of its groups.
pub(crate) fn members(org: &Org, queue: &Object) -> Vec<Member> {
    let own = queue.fields.get("$members").and_then(Value::as_object);
    let mut members: Vec<Member> = own
        .into_iter()
        .flatten()
        .map(|(user, member)| Member {
            user: user.clone(),
            ring: member["ring"].as_u64().unwrap_or(1),
            joined: member["joined"].as_bool().unwrap_or(true),
            by_group: false,
        })
        .collect();
    for user in by_groups(org, &queue.fields) {
        if !members.iter().any(|member| member.user == user) {
            members.push(Member {
                user,
                ring: 1,
                joined: true,
                by_group: true,
            });
        }
    }
    members
}

fn by_groups(org: &Org, queue: &Fields) -> Vec<String> {
    let groups = queue.get("memberGroups").and_then(Value::as_array);
    let mut users = Vec::new();
    for group in groups.into_iter().flatten() {
        let id = group["id"].as_str().unwrap_or("");
        match group["type"].as_str() {
            Some("GROUP") => {
                users.extend(
                    org.store
                        .get("group", id)
                        .into_iter()
                        .flat_map(member_ids)
                        .map(str::to_owned),
                );
            }
            Some("SKILLGROUP") => {
                let group = org.store.get("skill_group", id);
                let all = org
                    .store
                    .all("user")
                    .filter(|user| group.is_some_and(|g| belongs(g, user)));
                users.extend(all.map(|user| user.id.clone()));
            }
            _ => {}
        }
    }
    users
}

fn show_member(cx: &Cx<'_>, req: &Req, member: &Member) -> Value {
    let user = cx.org.store.get("user", &member.user);
    json!({
        "id": member.user,
        "name": user.map_or("", |user| user.text("name")),
        "user": cx.org.reference("user", &member.user),
        "ringNumber": member.ring,
        "joined": member.joined,
        "memberBy": if member.by_group { "group" } else { "user" },
        "routingStatus": {"userId": member.user, "status": "OFF_QUEUE"},
        "selfUri": format!("/api/v2/routing/queues/{}/members/{}", req.param("queueId"), member.user),
    })
}

fn list_members(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let queue = cx.find("queue", req.param("queueId"))?;
    cx.check_division(&queue.fields)?;
    let by = req.query("memberBy");
    let joined = req.query("joined");
    let name = req.query("name").map(|name| name.to_lowercase());
    for unknown in [
        "profileSkills",
        "skills",
        "languages",
        "routingStatus",
        "presence",
    ] {
        if req.queries(unknown).next().is_some() {
            return Err(Refusal::not_simulated(format!(
                "The simulator does not filter members by {unknown}."
            )));
        }
    }
    let mut found = members(cx.org, queue);
    found.retain(|member| {
        let user = cx.org.store.get("user", &member.user);
        by.as_deref()
            .is_none_or(|by| (by == "group") == member.by_group)
            && joined
                .as_deref()
                .is_none_or(|joined| (joined == "true") == member.joined)
            && name.as_deref().is_none_or(|name| {
                user.is_some_and(|user| glob(name, &user.text("name").to_lowercase()))
            })
    });
    let shown = |member: &Member| show_member(cx, req, member);
    let mut page = cut(req, Style::Offset, 100, Oversize::Clamp, &found, shown)?;
    if let Value::Object(page) = &mut page {
        // This list tells no totals.
        for name in ["total", "pageCount", "lastUri"] {
            page.remove(name);
        }
    }
    Ok(Reply::ok(page))
}

fn own_members(cx: &Cx<'_>, queue: &str) -> Result<Map<String, Value>, Refusal> {
    let queue = cx.find("queue", queue)?;
    cx.check_division(&queue.fields)?;
    let members = queue.fields.get("$members").and_then(Value::as_object);
    Ok(members.cloned().unwrap_or_default())
}

fn keep_members(cx: &mut Cx<'_>, queue: &str, members: Map<String, Value>, action: &str) {
    if let Some(fields) = cx.org.store.fields_mut("queue", queue) {
        fields.insert("$members".into(), members.into());
    }
    cx.touched = Some(queue.to_owned());
    let name = cx
        .org
        .store
        .get("queue", queue)
        .map_or("", |q| q.text("name"))
        .to_owned();
    audit::note(cx, kind().audit, action, queue, &name, Vec::new());
}

fn change_members(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let queue = req.param("queueId").to_owned();
    let mut members = own_members(cx, &queue)?;
    let given = req.body.as_array().map(Vec::as_slice).unwrap_or_default();
    if given.len() > PER_CALL {
        return Err(Refusal::bad_request(format!(
            "At most {PER_CALL} members at a time."
        )));
    }
    let removes = req.flag("delete");
    let by_groups = match removes {
        true => Vec::new(),
        false => by_groups(cx.org, &cx.find("queue", &queue)?.fields),
    };
    for one in given {
        let user = one["id"].as_str().unwrap_or("");
        if removes {
            members.remove(user);
            continue;
        }
        if cx.find_live("user", user).is_err() {
            return Err(Refusal::bad_request(format!(
                "There is no user with id {user}."
            )));
        }
        if by_groups.iter().any(|member| member == user) {
            return Err(Refusal::bad_request(format!(
                "The user {user} is a member by a group already."
            )));
        }
        members
            .entry(user)
            .or_insert_with(|| json!({"ring": 1, "joined": true}));
    }
    if !removes {
        limits::check(cx, limits::QUEUE_MEMBER, members.len(), "queue.size.limit")?;
    }
    let action = if removes { "MemberRemove" } else { "MemberAdd" };
    keep_members(cx, &queue, members, action);
    Ok(Reply::empty(204))
}

/// Sets ring and joined of one member.
fn set_member(
    cx: &Cx<'_>,
    queue: &str,
    members: &mut Map<String, Value>,
    id: &str,
    given: &Value,
) -> Result<(), Refusal> {
    let member = members
        .get_mut(id)
        .ok_or_else(|| Refusal::not_found("queue member", id))?;
    if let Some(ring) = given["ringNumber"].as_i64() {
        let rings = cx
            .find("queue", queue)?
            .fields
            .get("bullseye")
            .and_then(|bullseye| bullseye["rings"].as_array().map(Vec::len))
            .unwrap_or(1)
            .max(1);
        if !usize::try_from(ring).is_ok_and(|ring| (1..=rings).contains(&ring)) {
            return Err(Refusal::invalid(
                "ringNumber",
                format!("The queue has no ring {ring}."),
            ));
        }
        member["ring"] = ring.into();
    }
    if let Some(joined) = given["joined"].as_bool() {
        member["joined"] = joined.into();
    }
    Ok(())
}

fn patch_members(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let queue = req.param("queueId").to_owned();
    let mut members = own_members(cx, &queue)?;
    let given = req.body.as_array().map(Vec::as_slice).unwrap_or_default();
    if given.len() > PER_CALL {
        return Err(Refusal::bad_request(format!(
            "At most {PER_CALL} members at a time."
        )));
    }
    for one in given {
        set_member(
            cx,
            &queue,
            &mut members,
            one["id"].as_str().unwrap_or(""),
            one,
        )?;
    }
    keep_members(cx, &queue, members, "MemberUpdate");
    let queue = cx.find("queue", &queue)?;
    let ids: Vec<&str> = given.iter().filter_map(|one| one["id"].as_str()).collect();
    let shown: Vec<Value> = self::members(cx.org, queue)
        .iter()
        .filter(|member| ids.contains(&member.user.as_str()))
        .map(|member| show_member(cx, req, member))
        .collect();
    Ok(Reply::ok(json!({ "entities": shown })))
}

fn patch_member(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let queue = req.param("queueId").to_owned();
    let mut members = own_members(cx, &queue)?;
    set_member(cx, &queue, &mut members, req.param("memberId"), &req.body)?;
    keep_members(cx, &queue, members, "MemberUpdate");
    // Joining is done later than it is answered.
    Ok(Reply::empty(202))
}

fn remove_member(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let queue = req.param("queueId").to_owned();
    let mut members = own_members(cx, &queue)?;
    if members.remove(req.param("memberId")).is_none() {
        return Err(Refusal::not_found("queue member", req.param("memberId")));
    }
    keep_members(cx, &queue, members, "MemberRemove");
    Ok(Reply::empty(204))
}

// Wrap-up codes

fn codes(cx: &Cx<'_>, queue: &str) -> Result<Vec<String>, Refusal> {
    let queue = cx.find("queue", queue)?;
    cx.check_division(&queue.fields)?;
    let codes = queue.fields.get("$wrapups").and_then(Value::as_array);
    Ok(codes
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect())
}

fn keep_codes(cx: &mut Cx<'_>, queue: &str, codes: &[String], action: &str) {
    if let Some(fields) = cx.org.store.fields_mut("queue", queue) {
        fields.insert("$wrapups".into(), json!(codes));
    }
    cx.touched = Some(queue.to_owned());
    audit::note(cx, kind().audit, action, queue, "", Vec::new());
}

fn list_codes(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let codes = codes(cx, req.param("queueId"))?;
    let shown = |code: &String| cx.show("wrapup_code", code);
    page::hundreds(req, &codes, shown)
}

fn add_codes(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let queue = req.param("queueId").to_owned();
    let mut codes = codes(cx, &queue)?;
    let given = req.body.as_array().map(Vec::as_slice).unwrap_or_default();
    if given.len() > PER_CALL {
        return Err(Refusal::bad_request(format!(
            "At most {PER_CALL} wrap-up codes at a time."
        )));
    }
    for one in given {
        let code = one["id"].as_str().unwrap_or("");
        if cx.find("wrapup_code", code).is_err() {
            return Err(Refusal::bad_request(format!(
                "There is no wrap-up code with id {code}."
            )));
        }
        if !codes.iter().any(|held| held == code) {
            codes.push(code.to_owned());
        }
    }
    keep_codes(cx, &queue, &codes, "WrapupCodeAdd");
    let shown: Vec<Value> = given
        .iter()
        .filter_map(|one| one["id"].as_str())
        .map(|code| cx.show("wrapup_code", code))
        .collect();
    Ok(Reply::ok(shown.into()))
}

fn remove_code(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let queue = req.param("queueId").to_owned();
    let mut codes = codes(cx, &queue)?;
    let before = codes.len();
    codes.retain(|code| code != req.param("codeId"));
    if codes.len() == before {
        return Err(Refusal::not_found(
            "wrap-up code of the queue",
            req.param("codeId"),
        ));
    }
    keep_codes(cx, &queue, &codes, "WrapupCodeRemove");
    Ok(Reply::empty(204))
}
