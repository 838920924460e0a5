//! The log levels of flows: at most one for each flow.

use serde_json::{Value, json};

use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::page::hundreds;
use crate::routes::{Registry, Req};
use crate::store::Object;

/// Where a flow keeps its level.
const KEPT: &str = "$logLevel";

pub(crate) fn register(registry: &mut Registry) {
    let settings = "instances/settings/loglevels";
    let one = format!("/api/v2/flows/{{flowId}}/{settings}");
    registry.on("GET", &format!("/api/v2/flows/{settings}"), list);
    registry.on("GET", &one, read);
    registry.on("POST", &one, create);
    registry.on("PUT", &one, replace);
    registry.on("DELETE", &one, delete);
}

fn shown(flow: &Object) -> Value {
    json!({
        "id": flow.id,
        "name": flow.text("name"),
        "type": flow.text("type").to_lowercase(),
        "logLevelCharacteristics": flow.fields.get(KEPT),
        "selfUri": format!("/api/v2/flows/{}/instances/settings/loglevels", flow.id),
    })
}

fn list(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let flows: Vec<&Object> = cx
        .org
        .store
        .all("flow")
        .filter(|flow| flow.fields.contains_key(KEPT) && flow.text("state") != "deleted")
        .collect();
    let row = |flow: &&Object| shown(flow);
    hundreds(req, &flows, row)
}

fn find<'c>(cx: &'c Cx<'_>, id: &str) -> Result<&'c Object, Refusal> {
    let flow = cx.find("flow", id)?;
    match flow.fields.contains_key(KEPT) {
        true => Ok(flow),
        false => Err(Refusal::not_found("log level of the flow", id)),
    }
}

fn read(cx: &mut Cx<'_>, req: &Req) -> Answer {
    find(cx, req.param("flowId")).map(|flow| Reply::ok(shown(flow)))
}

fn create(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("flowId");
    if find(cx, id).is_ok() {
        return Err(Refusal::new(
            409,
            "general.conflict",
            "The flow has a log level already.",
        ));
    }
    keep(cx, req)
}

fn replace(cx: &mut Cx<'_>, req: &Req) -> Answer {
    find(cx, req.param("flowId"))?;
    keep(cx, req)
}

fn keep(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("flowId").to_owned();
    cx.find("flow", &id)?;
    let mut level = req.body["logLevelCharacteristics"].clone();
    if level["level"]
        .as_str()
        .is_none_or(|level| level == "Unknown")
    {
        return Err(Refusal::invalid("level", "The log level is missing."));
    }
    // What is not said is off.
    for name in [
        "executionItems",
        "executionInputOutputs",
        "communications",
        "eventError",
        "eventWarning",
        "eventOther",
        "variables",
        "names",
    ] {
        if !level["characteristics"][name].is_boolean() {
            level["characteristics"][name] = false.into();
        }
    }
    if let Some(fields) = cx.org.store.fields_mut("flow", &id) {
        fields.insert(KEPT.into(), level);
    }
    cx.touched = Some(id.clone());
    find(cx, &id).map(|flow| Reply::ok(shown(flow)))
}

fn delete(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("flowId").to_owned();
    find(cx, &id)?;
    if let Some(fields) = cx.org.store.fields_mut("flow", &id) {
        fields.remove(KEPT);
    }
    cx.touched = Some(id);
    Ok(Reply::empty(204))
}
