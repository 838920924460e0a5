//! Skills, languages, wrap-up codes, skill groups and utilization.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::audit;
use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Deletion, Division, Filter, Kind, Style, Version};
use crate::refs::{Ref, id_of};
use crate::routes::{Registry, Req};
use crate::store::{Fields, Object, text};
use crate::world::Org;

const SOFT: Deletion = Deletion {
    soft: true,
    ..Deletion::PLAIN
};

const KINDS: &[Kind] = &[
    Kind {
        name: "skill",
        path: "/api/v2/routing/skills",
        audit: ("Routing", "RoutingSkill"),
        duplicate: (409, "general.conflict"),
        version: Version::Text,
        division: Division::Movable,
        state: true,
        lists_deleted: true,
        deletion: SOFT,
        max_page: 500,
        fixed: &["name"],
        prepare: Some(prepare_skill),
        deleted: Some(unlearn),
        ..Kind::PLAIN
    },
    Kind {
        name: "language",
        path: "/api/v2/routing/languages",
        audit: ("Routing", "RoutingLanguage"),
        duplicate: (409, "general.conflict"),
        version: Version::Text,
        state: true,
        lists_deleted: true,
        deletion: SOFT,
        deleted: Some(unlearn),
        ..Kind::PLAIN
    },
    Kind {
        name: "wrapup_code",
        path: "/api/v2/routing/wrapupcodes",
        audit: ("ContactCenter", "WrapupCode"),
        division: Division::Starrable,
        deleted: Some(leave_queues),
        ..Kind::PLAIN
    },
    Kind {
        name: "skill_group",
        path: "/api/v2/routing/skillgroups",
        audit: ("Groups", "SkillGroup"),
        duplicate: (409, "general.conflict"),
        division: Division::Movable,
        style: Style::Cursor,
        refs: &[
            Ref::to(
                "skillConditions[].routingSkillConditions[].routingSkill",
                "skill",
            ),
            Ref::to(
                "skillConditions[].languageSkillConditions[].languageSkill",
                "language",
            ),
            Ref::to("$memberDivisions[]", "division").starrable(),
        ],
        server: &["memberCount", "status"],
        prepare: Some(prepare_skill_group),
        check: Some(check_skill_group),
        view: Some(view_skill_group),
        ..Kind::PLAIN
    },
    Kind {
        name: "utilization_label",
        path: "/api/v2/routing/utilization/labels",
        audit: ("ContactCenter", "RoutingUtilizationTag"),
        duplicate: (409, "general.conflict"),
        filters: &[("name", Filter::Wildcard("name"))],
        deletion: Deletion {
            force: Some("forceDelete"),
            ..Deletion::PLAIN
        },
        prepare: Some(prepare_label),
        may_delete: Some(is_label_unused),
        deleted: Some(forget_label),
        ..Kind::PLAIN
    },
];

const UTILIZATION: &str = "/api/v2/routing/utilization";

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("GET", UTILIZATION, utilization);
    registry.on("PUT", UTILIZATION, set_utilization);
    registry.on("DELETE", UTILIZATION, reset_utilization);
    let own = "/api/v2/routing/users/{userId}/utilization";
    registry.on("GET", own, user_utilization);
    registry.on("PUT", own, set_user_utilization);
    registry.on("DELETE", own, reset_user_utilization);
    let divisions = "/api/v2/routing/skillgroups/{skillGroupId}/members/divisions";
    registry.on("GET", divisions, member_divisions);
    registry.on("POST", divisions, set_member_divisions);
}

fn prepare_skill(fields: &mut Fields) {
    crud::reference_from(fields, "divisionId", "division");
}

/// Takes a skill or language that is gone from the users who had it.
fn unlearn(org: &mut Org, id: &str) {
    let users: Vec<String> = org.store.all("user").map(|user| user.id.clone()).collect();
    for user in users {
        let Some(fields) = org.store.fields_mut("user", &user) else {
            continue;
        };
        for held in ["$skills", "$languages"] {
            if let Some(Value::Object(held)) = fields.get_mut(held) {
                held.remove(id);
            }
        }
    }
}

fn leave_queues(org: &mut Org, id: &str) {
    let queues: Vec<String> = org
        .store
        .all("queue")
        .map(|queue| queue.id.clone())
        .collect();
    for queue in queues {
        let fields = org.store.fields_mut("queue", &queue);
        if let Some(Value::Array(codes)) = fields.and_then(|fields| fields.get_mut("$wrapups")) {
            codes.retain(|code| code.as_str() != Some(id));
        }
    }
}

// Skill groups

fn prepare_skill_group(fields: &mut Fields) {
    if let Some(divisions) = fields.remove("memberDivisions") {
        fields.insert("$memberDivisions".into(), divisions);
    }
}

fn check_skill_group(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    if old.is_none() && !fields.contains_key("$memberDivisions") {
        let own = fields.get("division").and_then(id_of).map(str::to_owned);
        fields.insert(
            "$memberDivisions".into(),
            json!(own.into_iter().collect::<Vec<_>>()),
        );
    }
    Ok(())
}

fn view_skill_group(org: &Org, id: &str, shown: &mut Fields) {
    let count = org.store.get("skill_group", id).map_or(0, |group| {
        org.store
            .all("user")
            .filter(|user| belongs(group, user))
            .count()
    });
    shown.insert("memberCount".into(), count.into());
    shown.insert("status".into(), "Complete".into());
}

/// Tells whether a user meets the conditions of a skill group.
pub(crate) fn belongs(group: &Object, user: &Object) -> bool {
    let division = user.fields.get("division").and_then(id_of);
    let of_division = group
        .fields
        .get("$memberDivisions")
        .and_then(Value::as_array)
        .is_some_and(|divisions| divisions.iter().any(|d| d.as_str() == division || d == "*"));
    user.text("state") == "active"
        && of_division
        && meets(group.fields.get("skillConditions"), user)
}

fn meets(conditions: Option<&Value>, user: &Object) -> bool {
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let conditions = conditions
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    conditions.iter().all(|condition| {
        let mut results = Vec::new();
        for (kinds, id, held) in [
            ("routingSkillConditions", "routingSkill", "$skills"),
            ("languageSkillConditions", "languageSkill", "$languages"),
        ] {
            for one in list(condition, kinds) {
                let id = one[id].as_str().unwrap_or("");
                let has = user
                    .fields
                    .get(held)
                    .and_then(|held| held.get(id))
                    .and_then(Value::as_f64);
                let wants = one["proficiency"].as_f64().unwrap_or(0.0);
                let hit = has.is_some_and(|has| match one["comparator"].as_str().unwrap_or("") {
                    "EqualTo" => has == wants,
                    "NotEqualTo" => has != wants,
                    "LessThan" => has < wants,
                    "GreaterThan" => has > wants,
                    "GreaterThanOrEqualTo" => has >= wants,
                    _ => has <= wants,
                });
                results.push(hit && meets(one.get("childConditions"), user));
            }
        }
        match condition["operation"].as_str().unwrap_or("") {
            "Or" => results.iter().any(|hit| *hit),
            "Not" => !results.iter().any(|hit| *hit),
            _ => results.iter().all(|hit| *hit),
        }
    })
}

fn member_divisions(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let group = cx.find("skill_group", req.param("skillGroupId"))?;
    let ids = group
        .fields
        .get("$memberDivisions")
        .and_then(Value::as_array);
    let entities: Vec<Value> = ids
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|id| cx.org.reference("division", id))
        .collect();
    Ok(Reply::ok(json!({ "entities": entities })))
}

fn set_member_divisions(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("skillGroupId").to_owned();
    let group = cx.find("skill_group", &id)?;
    let texts = |value: Option<&Value>| -> BTreeSet<String> {
        let items = value.and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut ids = texts(group.fields.get("$memberDivisions"));
    for division in texts(req.body.get("addDivisionIds")) {
        if division != "*" && cx.org.store.get("division", &division).is_none() {
            return Err(Refusal::bad_request(format!(
                "There is no division with id {division}."
            )));
        }
        ids.insert(division);
    }
    for division in texts(req.body.get("removeDivisionIds")) {
        ids.remove(&division);
    }
    if let Some(fields) = cx.org.store.fields_mut("skill_group", &id) {
        fields.insert("$memberDivisions".into(), json!(ids));
    }
    cx.touched = Some(id.clone());
    audit::note(cx, ("Groups", "SkillGroup"), "Update", &id, "", Vec::new());
    Ok(Reply::empty(204))
}

// Utilization

fn defaults() -> Value {
    json!({
        "utilization": {
            "call": {"maximumCapacity": 1, "interruptableMediaTypes": [], "includeNonAcd": false},
            "callback": {"maximumCapacity": 1, "interruptableMediaTypes": [], "includeNonAcd": false},
            "chat": {"maximumCapacity": 4, "interruptableMediaTypes": [], "includeNonAcd": false},
            "email": {"maximumCapacity": 1, "interruptableMediaTypes": ["call"], "includeNonAcd": false},
            "message": {"maximumCapacity": 4, "interruptableMediaTypes": [], "includeNonAcd": false},
        },
        "labelUtilizations": {},
    })
}

fn current(org: &Org) -> Value {
    org.singles
        .get(UTILIZATION)
        .cloned()
        .unwrap_or_else(defaults)
}

fn show(org: &Org, mut utilization: Value) -> Value {
    if let Some(Value::Object(labels)) = utilization.get_mut("labelUtilizations") {
        for (id, label) in labels {
            let name = org
                .store
                .get("utilization_label", id)
                .map_or("", |l| l.text("name"));
            label["labelName"] = name.into();
        }
    }
    utilization
}

fn checked(org: &Org, body: &Value) -> Result<Value, Refusal> {
    let mut whole = body.clone();
    let media = whole["utilization"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    for (name, one) in &media {
        let known = ["call", "callback", "chat", "email", "message", "workitem"];
        if !known.contains(&name.as_str()) {
            return Err(Refusal::invalid(
                "utilization",
                format!("There is no media type {name}."),
            ));
        }
        if one["maximumCapacity"].as_u64().is_none_or(|most| most > 25) {
            return Err(Refusal::invalid(
                "utilization",
                "maximumCapacity must be from 0 to 25.",
            ));
        }
    }
    let labels = whole["labelUtilizations"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    for id in labels.keys() {
        if org.store.get("utilization_label", id).is_none() {
            return Err(Refusal::bad_request(format!(
                "There is no utilization label with id {id}."
            )));
        }
    }
    if let (Value::Object(whole), Value::Object(defaults)) = (&mut whole, defaults()) {
        for (name, default) in defaults {
            whole.entry(name).or_insert(default);
        }
    }
    Ok(whole)
}

fn noted(cx: &mut Cx<'_>, id: &str) {
    cx.touched = Some(id.to_owned());
    let entity = ("ContactCenter", "MaxOrgRoutingUtilizationCapacity");
    audit::note(cx, entity, "Update", id, "", Vec::new());
}

fn utilization(cx: &mut Cx<'_>, _: &Req) -> Answer {
    Ok(Reply::ok(show(cx.org, current(cx.org))))
}

fn set_utilization(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let whole = checked(cx.org, &req.body)?;
    cx.org.singles.insert(UTILIZATION, whole);
    let id = cx.org.id.clone();
    noted(cx, &id);
    utilization(cx, req)
}

fn reset_utilization(cx: &mut Cx<'_>, _: &Req) -> Answer {
    cx.org.singles.remove(UTILIZATION);
    let id = cx.org.id.clone();
    noted(cx, &id);
    Ok(Reply::empty(204))
}

fn user_utilization(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let user = cx.find_live("user", req.param("userId"))?;
    let (mut shown, level) = match user.fields.get("$utilization") {
        Some(own) => (show(cx.org, own.clone()), "Agent"),
        None => (show(cx.org, current(cx.org)), "Organization"),
    };
    shown["level"] = level.into();
    Ok(Reply::ok(shown))
}

fn set_user_utilization(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("userId").to_owned();
    cx.find_live("user", &id)?;
    let whole = checked(cx.org, &req.body)?;
    if let Some(fields) = cx.org.store.fields_mut("user", &id) {
        fields.insert("$utilization".into(), whole);
    }
    noted(cx, &id);
    user_utilization(cx, req)
}

fn reset_user_utilization(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("userId").to_owned();
    cx.find_live("user", &id)?;
    if let Some(fields) = cx.org.store.fields_mut("user", &id) {
        fields.remove("$utilization");
    }
    noted(cx, &id);
    Ok(Reply::empty(204))
}

fn prepare_label(fields: &mut Fields) {
    fields.remove("utilization");
}

fn is_label_unused(cx: &Cx<'_>, req: &Req, fields: &Fields) -> Result<(), Refusal> {
    let used = current(cx.org)["labelUtilizations"].get(req.id()).is_some();
    match used && !req.flag("forceDelete") {
        true => Err(Refusal::new(
            409,
            "general.conflict",
            format!("The label {} is in use.", text(fields, "name")),
        )),
        false => Ok(()),
    }
}

fn forget_label(org: &mut Org, id: &str) {
    let labels = org
        .singles
        .get_mut(UTILIZATION)
        .and_then(|whole| whole.get_mut("labelUtilizations"));
    if let Some(Value::Object(labels)) = labels {
        labels.remove(id);
    }
}
