//! Queries over the audits: at once for the last fourteen days, or as a job.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::clock::spell;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Oversize, Style};
use crate::page::cut;
use crate::routes::{Registry, Req, registry};

/// How far back the realtime query sees.
const REALTIME: SignedDuration = SignedDuration::from_hours(14 * 24);
const MAX_PAGE: u64 = 500;

pub(crate) fn register(registry: &mut Registry) {
    let query = "/api/v2/audits/query";
    registry.on("POST", &format!("{query}/realtime"), realtime);
    registry.on("GET", &format!("{query}/realtime/servicemapping"), mapping);
    registry.on("GET", &format!("{query}/servicemapping"), mapping);
    registry.on("POST", query, start);
    registry.on("GET", &format!("{query}/{{transactionId}}"), status);
    registry.on(
        "GET",
        &format!("{query}/{{transactionId}}/results"),
        results,
    );
}

/// Lists the services and entity types that are audited.
fn services() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut services: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for kind in registry().kinds() {
        let (service, entity) = kind.audit;
        if !service.is_empty() {
            services.entry(service).or_default().insert(entity);
        }
    }
    for (service, entity) in [
        ("PeoplePermissions", "AuthUser"),
        ("PeoplePermissions", "AuthOrganization"),
        ("PeoplePermissions", "IdentityProvider"),
        ("ContactCenter", "AgentRoutingInfo"),
        ("ContactCenter", "MaxOrgRoutingUtilizationCapacity"),
        ("Conversations", "Settings"),
        ("Datatables", "Row"),
        ("Datatables", "Bulk"),
        ("Integrations", "ActionDraft"),
        ("Messaging", "ConversationDefaultSupportedContent"),
        ("Outbound", "OrganizationSettings"),
        ("Outbound", "WrapUpCodeMapping"),
        ("SpeechAndTextAnalytics", "TranscriptionSettings"),
        ("Telephony", "NumberPlan"),
    ] {
        services.entry(service).or_default().insert(entity);
    }
    services
}

fn mapping(_: &mut Cx<'_>, _: &Req) -> Answer {
    let services: Vec<Value> = services()
        .into_iter()
        .map(|(name, entities)| {
            let entities: Vec<Value> = entities
                .into_iter()
                .map(|entity| json!({"name": entity, "actions": ["Create", "Update", "Delete"]}))
                .collect();
            json!({"name": name, "entities": entities})
        })
        .collect();
    Ok(Reply::ok(json!({ "services": services })))
}

/// Reads `start/end`.
fn interval(body: &Value) -> Result<(Timestamp, Timestamp), Refusal> {
    let text = body["interval"].as_str().unwrap_or("");
    let refuse = || {
        Refusal::invalid(
            "interval",
            format!("[{text}] is not an interval of two times"),
        )
    };
    let (start, end) = text.split_once('/').ok_or_else(refuse)?;
    let start: Timestamp = start.parse().map_err(|_| refuse())?;
    let end: Timestamp = end.parse().map_err(|_| refuse())?;
    match start <= end {
        true => Ok((start, end)),
        false => Err(refuse()),
    }
}

/// Finds the audits that a query asks for, in its order.
fn matching(cx: &Cx<'_>, body: &Value) -> Result<Vec<Value>, Refusal> {
    let (start, end) = interval(body)?;
    // The contract requires no service; what an org answers without one is not known.
    let Some(service) = body["serviceName"].as_str() else {
        return Err(Refusal::invalid(
            "serviceName",
            "One service must be named.",
        ));
    };
    if !services().contains_key(service) {
        return Err(Refusal::invalid(
            "serviceName",
            format!("There is no service {service}."),
        ));
    }
    let filters = body["filters"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut found: Vec<Value> = cx
        .org
        .audits
        .iter()
        .filter(|audit| {
            let at: Option<Timestamp> = audit["eventDate"].as_str().and_then(|at| at.parse().ok());
            let passes = |filter: &Value| {
                let held = match filter["property"].as_str().unwrap_or("") {
                    "UserId" => &audit["user"]["id"],
                    "ClientId" => &audit["client"]["id"],
                    "Action" => &audit["action"],
                    "EntityType" => &audit["entityType"],
                    "EntityId" => &audit["entity"]["id"],
                    _ => &Value::Null,
                };
                *held == filter["value"]
            };
            at.is_some_and(|at| start <= at && at <= end)
                && audit["serviceName"] == service
                && filters.iter().all(passes)
        })
        .cloned()
        .collect();
    let ascending = body["sort"][0]["sortOrder"] == "ascending";
    if !ascending {
        found.reverse();
    }
    Ok(found)
}

/// Names the user where the request asks for it.
fn shown(cx: &Cx<'_>, req: &Req, mut audit: Value) -> Value {
    if req.query("expand").as_deref() == Some("user")
        && let Some(id) = audit["user"]["id"].as_str()
    {
        audit["user"] = cx.org.reference("user", id);
    }
    audit
}

fn realtime(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let (start, _) = interval(&req.body)?;
    if cx.now.duration_since(start) > REALTIME {
        return Err(Refusal::invalid(
            "interval",
            "The interval begins more than 14 days ago.",
        ));
    }
    let size = req.body["pageSize"].as_u64().unwrap_or(25);
    let number = req.body["pageNumber"].as_u64().unwrap_or(1);
    if !(1..=MAX_PAGE).contains(&size) || number == 0 {
        return Err(Refusal::invalid(
            "pageSize",
            format!("pageSize must be from 1 to {MAX_PAGE}."),
        ));
    }
    let found = matching(cx, &req.body)?;
    let total = found.len() as u64;
    let page: Vec<Value> = found
        .into_iter()
        .skip(usize::try_from((number - 1) * size).unwrap_or(usize::MAX))
        .take(usize::try_from(size).unwrap_or(usize::MAX))
        .map(|audit| shown(cx, req, audit))
        .collect();
    Ok(Reply::ok(json!({
        "entities": page,
        "pageSize": size,
        "pageNumber": number,
        "total": total,
        "pageCount": total.div_ceil(size),
    })))
}

fn start(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let found = matching(cx, &req.body)?;
    let id = cx.org.new_id();
    let job = json!({
        "status": {
            "id": id,
            "state": "Queued",
            "startDate": spell(cx.now),
            "interval": req.body["interval"],
            "serviceName": req.body["serviceName"],
            "filters": req.body["filters"],
            "sort": req.body["sort"],
        },
        "audits": found,
    });
    let status = without_nulls(&job["status"]);
    cx.org.jobs.insert(id, job);
    Ok(Reply::ok(status))
}

fn without_nulls(status: &Value) -> Value {
    crate::crud::body_fields(status).into()
}

/// Every look at a job moves it one state on.
fn status(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("transactionId");
    let job = cx
        .org
        .jobs
        .get_mut(id)
        .ok_or_else(|| Refusal::not_found("audit query", id))?;
    let next = match job["status"]["state"].as_str() {
        Some("Queued") => "Running",
        _ => "Succeeded",
    };
    job["status"]["state"] = next.into();
    Ok(Reply::ok(without_nulls(&job["status"])))
}

fn results(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("transactionId");
    let job = cx
        .org
        .jobs
        .get(id)
        .ok_or_else(|| Refusal::not_found("audit query", id))?;
    if job["status"]["state"] != "Succeeded" {
        return Err(Refusal::bad_request("The query has not succeeded yet."));
    }
    let audits = job["audits"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let page = cut(req, Style::Cursor, 500, Oversize::Refuse, audits, |audit| {
        shown(cx, req, audit.clone())
    })?;
    let mut shown = json!({
        "id": id,
        "entities": page["entities"],
        "pageSize": req.query("pageSize").and_then(|size| size.parse::<u64>().ok()).unwrap_or(25),
    });
    if let Some(next) = page["cursors"].get("after") {
        shown["cursor"] = next.clone();
    }
    Ok(Reply::ok(shown))
}
