//! Journey views, whose every change is a new version, and their schedules.

use serde_json::{Value, json};

use crate::clock::spell;
use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Filter, Kind};
use crate::page;
use crate::routes::{Registry, Req, the_kind};
use crate::store::Fields;
use crate::world::Org;

const VIEWS: &str = "/api/v2/journey/views";

const KINDS: &[Kind] = &[Kind {
    name: "journey_view",
    path: VIEWS,
    audit: ("JourneyAnalytics", "JourneyView"),
    duplicate: (409, "general.conflict"),
    filters: &[("nameOrCreatedBy", Filter::Contains("name"))],
    server: &["version"],
    list_omits: &["elements", "charts"],
    defaults: r#"{"elements": [], "charts": []}"#,
    check: Some(check_view),
    view: Some(view_view),
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("POST", &format!("{VIEWS}/{{viewId}}/versions"), new_version);
    registry.on("GET", &format!("{VIEWS}/schedules"), schedules);
    let own = format!("{VIEWS}/{{viewId}}/schedules");
    registry.on("GET", &own, schedule);
    registry.on("POST", &own, set_schedule);
    registry.on("PUT", &own, set_schedule);
    registry.on("DELETE", &own, drop_schedule);
}

/// What a view names of its elements has to be there.
fn check_view(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let list = |name: &str| fields.get(name).and_then(Value::as_array).cloned();
    let elements = list("elements").unwrap_or_default();
    let ids: Vec<&Value> = elements.iter().map(|element| &element["id"]).collect();
    let mut named = Vec::new();
    for element in &elements {
        let links = element["followedBy"].as_array().into_iter().flatten();
        named.extend(links.map(|link| link["id"].clone()));
    }
    for chart in list("charts").unwrap_or_default() {
        for part in ["metrics", "groupByAttributes"] {
            let parts = chart[part].as_array().into_iter().flatten();
            named.extend(parts.map(|part| part["elementId"].clone()));
        }
    }
    if let Some(id) = named.iter().find(|id| !ids.contains(id)) {
        return Err(Refusal::invalid(
            "elements",
            format!("There is no element {id}."),
        ));
    }
    let version = old.and_then(|old| old["version"].as_u64()).unwrap_or(0);
    fields.insert("version".into(), json!(version + 1));
    Ok(())
}

fn view_view(_: &Org, id: &str, shown: &mut Fields) {
    shown.remove("createdBy");
    shown.remove("modifiedBy");
    let version = shown["version"].clone();
    let charts = shown.get_mut("charts").and_then(Value::as_array_mut);
    for (n, chart) in charts.into_iter().flatten().enumerate() {
        chart["id"] = json!(format!("chart-{id}-{n}"));
        chart["version"] = version.clone();
    }
}

/// A new version replaces what was there.
fn new_version(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("viewId").to_owned();
    cx.find_live("journey_view", &id)?;
    let kind = the_kind("journey_view");
    crud::update(cx, req, kind, |old, mut new| {
        for kept in ["version", "dateCreated", "createdBy", "$schedule"] {
            if let Some(value) = old.get(kept) {
                new.insert(kept.into(), value.clone());
            }
        }
        new
    })
}

fn schedules(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let views = cx.org.store.all("journey_view");
    let found: Vec<Value> = views
        .filter_map(|view| view.fields.get("$schedule").cloned())
        .collect();
    page::hundreds(req, &found, Value::clone)
}

fn schedule(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("viewId");
    let view = cx.find_live("journey_view", id)?;
    let schedule = view.fields.get("$schedule").cloned();
    schedule
        .map(Reply::ok)
        .ok_or_else(|| Refusal::not_found("schedule", id))
}

/// Creation answers with nothing.
fn set_schedule(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("viewId").to_owned();
    let creates = req.operation.method == "POST";
    let there = cx
        .find_live("journey_view", &id)?
        .fields
        .contains_key("$schedule");
    match (creates, there) {
        (true, true) => {
            let text = "The view has a schedule already.";
            return Err(Refusal::new(409, "general.conflict", text));
        }
        (false, false) => return Err(Refusal::not_found("schedule", &id)),
        _ => {}
    }
    let schedule = json!({
        "id": id,
        "frequency": req.body["frequency"],
        "dateModified": spell(cx.now),
        "user": {"id": cx.caller.id()},
        "selfUri": format!("{VIEWS}/{id}/schedules"),
    });
    if let Some(fields) = cx.org.store.fields_mut("journey_view", &id) {
        fields.insert("$schedule".into(), schedule.clone());
    }
    cx.touched = Some(id);
    Ok(match creates {
        true => Reply::empty(201),
        false => Reply::ok(schedule),
    })
}

fn drop_schedule(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("viewId").to_owned();
    schedule(cx, req)?;
    if let Some(fields) = cx.org.store.fields_mut("journey_view", &id) {
        fields.remove("$schedule");
    }
    cx.touched = Some(id);
    Ok(Reply::empty(204))
}
