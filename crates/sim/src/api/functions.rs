//! Data actions that run code of the org's own: settings, code, and what keeps one from being published.
//!
//! Code goes up to the draft, is looked at for a while, and is never given back.

use std::io::Cursor;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::api::actions::{ACTIONS, draft, keep_draft, published};
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::jobs::{self, Phase, Work};
use crate::refs::id_of;
use crate::routes::{Registry, Req};
use crate::store::{Fields, text};

/// The field of an action, or of its draft, that holds its function.
pub(super) const FUNCTION: &str = "$function";
/// Looking at code that was uploaded.
const CODE: &str = "function code";
/// The type of the integrations whose actions are functions.
const TYPE: &str = "function-data-actions";

/// What code may run in, and whether it still may.
const RUNTIMES: [(&str, &str, Option<&str>); 4] = [
    ("nodejs22.x", "Available", None),
    ("nodejs20.x", "Available", Some("2027-04-30")),
    ("nodejs18.x", "Deprecated", Some("2025-09-01")),
    ("nodejs16.x", "Unavailable", Some("2024-06-12")),
];

pub(crate) fn register(registry: &mut Registry) {
    let one = format!("{ACTIONS}/{{actionId}}");
    registry.on("GET", &format!("{ACTIONS}/functions/runtimes"), runtimes);
    registry.on("GET", &format!("{one}/function"), read);
    registry.on("GET", &format!("{one}/draft/function"), read_draft);
    registry.on("PUT", &format!("{one}/draft/function"), set);
    registry.on("POST", &format!("{one}/draft/function/upload"), offer);
}

/// Tells whether an action runs a function, by the type of its integration.
fn is_function(cx: &Cx<'_>, action: &Fields) -> bool {
    let integration = cx
        .org
        .store
        .get("integration", text(action, "integrationId"));
    let sort =
        integration.and_then(|integration| id_of(integration.fields.get("integrationType")?));
    sort == Some(TYPE)
}

/// Tells what keeps an action that runs a function from being published.
pub(super) fn problem_of(cx: &Cx<'_>, action: &Fields) -> Option<String> {
    if !is_function(cx, action) {
        return None;
    }
    let function = action.get(FUNCTION).unwrap_or(&Value::Null);
    if !function["settings"].is_object() {
        return Some("The function has no settings.".to_owned());
    }
    match function["zip"]["status"].as_str() {
        Some("Available") => None,
        Some("Pending" | "Transferring") => {
            Some("The function's zipfile has not been applied.".to_owned())
        }
        Some(_) => Some("The function's zipfile is not valid.".to_owned()),
        None => Some("The function has no zipfile.".to_owned()),
    }
}

fn runtimes(_: &mut Cx<'_>, _: &Req) -> Answer {
    let shown = RUNTIMES.map(|(name, status, end)| {
        let mut shown = json!({"name": name, "description": name, "status": status});
        if let Some(end) = end {
            shown["dateEndOfLife"] = end.into();
        }
        shown
    });
    Ok(Reply::ok(shown.to_vec().into()))
}

fn show(id: &str, function: Option<&Value>) -> Answer {
    let Some(Value::Object(function)) = function else {
        return Err(Refusal::not_found("function of the action", id));
    };
    let mut zip = function.get("zip").cloned().unwrap_or(Value::Null);
    let mut shown = json!({
        "id": id,
        "selfUri": format!("{ACTIONS}/{id}/function"),
        "uploadExceptionHistory": function.get("history").cloned().unwrap_or_else(|| json!([])),
    });
    if let Some(settings) = function.get("settings") {
        shown["function"] = settings.clone();
        shown["function"]["id"] = id.into();
        if let Some(zip) = zip.get("id") {
            shown["function"]["zipId"] = zip.clone();
        }
    }
    if let Value::Object(fields) = &mut zip {
        fields.remove("$job");
        shown["zip"] = zip;
    }
    Ok(Reply::ok(shown))
}

fn read(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("actionId");
    show(id, published(cx, id)?.fields.get(FUNCTION))
}

fn read_draft(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("actionId");
    let draft = of_function(cx, id)?;
    let function = caught_up(cx, id, &draft);
    show(id, function.as_ref())
}

/// Finds the draft of an action that runs a function.
fn of_function(cx: &Cx<'_>, id: &str) -> Result<Fields, Refusal> {
    let draft = draft(cx, id)?;
    let action = cx.find("action", id)?;
    match is_function(cx, &action.fields) {
        true => Ok(draft),
        false => Err(Refusal::bad_request("The action runs no function.")),
    }
}

/// Shows in a draft what has become of its upload; returns its function.
pub(super) fn caught_up(cx: &mut Cx<'_>, id: &str, draft: &Fields) -> Option<Value> {
    let mut function = draft.get(FUNCTION)?.clone();
    let job = function["zip"]["$job"].as_str().map(str::to_owned);
    let Some(Ok(Phase::Ended(Value::Object(outcome)))) = job.map(|job| jobs::poll(cx, CODE, &job))
    else {
        return Some(function);
    };
    let failed = outcome["status"] != "Available";
    if let Some(zip) = function["zip"].as_object_mut() {
        zip.remove("$job");
        zip.extend(outcome);
    }
    if failed {
        let zip = function["zip"].clone();
        if let Some(history) = function["history"].as_array_mut() {
            history.push(zip);
        }
    }
    let stored = cx.org.store.fields_mut("action", id);
    if let Some(Value::Object(draft)) = stored.and_then(|fields| fields.get_mut("$draft")) {
        draft.insert(FUNCTION.into(), function.clone());
    }
    Some(function)
}

/// Returns the function of a draft, or one that is nothing yet.
fn begun(draft: &Fields) -> Map<String, Value> {
    match draft.get(FUNCTION) {
        Some(Value::Object(function)) => function.clone(),
        _ => Map::from_iter([("history".to_owned(), json!([]))]),
    }
}

fn set(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("actionId").to_owned();
    let mut draft = of_function(cx, &id)?;
    let body = &req.body;
    for name in ["description", "handler", "runtime"] {
        if body[name]
            .as_str()
            .is_none_or(|said| said.trim().is_empty())
        {
            return Err(Refusal::invalid(name, format!("The {name} is empty.")));
        }
    }
    let wanted = body["runtime"].as_str().unwrap_or_default();
    let usable = |(name, status, _): &(&str, &str, Option<&str>)| {
        *name == wanted && *status != "Unavailable"
    };
    if !RUNTIMES.iter().any(usable) {
        let message = format!("The runtime {wanted} is not available.");
        return Err(Refusal::invalid("runtime", message));
    }
    let timeout = body
        .get("timeoutSeconds")
        .and_then(Value::as_i64)
        .unwrap_or(15);
    if !(1..=15).contains(&timeout) {
        let message = "The timeout must be 1 to 15 seconds.".to_owned();
        return Err(Refusal::invalid("timeoutSeconds", message));
    }
    let mut function = begun(&draft);
    let settings = json!({
        "description": body["description"],
        "handler": body["handler"],
        "runtime": body["runtime"],
        "timeoutSeconds": timeout,
    });
    function.insert("settings".into(), settings);
    let function = Value::Object(function);
    draft.insert(FUNCTION.into(), function.clone());
    let version = draft.get("version").and_then(Value::as_i64).unwrap_or(1);
    draft.insert("version".into(), (version + 1).into());
    keep_draft(cx, &id, Some(draft));
    show(&id, Some(&function))
}

fn offer(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("actionId").to_owned();
    of_function(cx, &id)?;
    let name = req.body["fileName"].as_str().unwrap_or_default();
    let headers = [
        ("x-amz-meta-functionid", id.clone()),
        ("x-amz-meta-filename", name.to_owned()),
    ];
    let mut asked = headers.to_vec();
    asked.push(("content-type", "application/zip".to_owned()));
    let url = cx.upload_with(&format!("{id}/{name}"), asked, uploaded);
    Ok(Reply::ok(json!({
        "url": url,
        "headers": headers.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "signedUrlTimeoutSeconds": req.body.get("signedUrlTimeoutSeconds").cloned().unwrap_or(json!(3600)),
    })))
}

fn uploaded(cx: &mut Cx<'_>, subject: &str, content: &Bytes) -> Result<(), Refusal> {
    let (id, name) = subject.split_once('/').unwrap_or((subject, ""));
    let mut draft = draft(cx, id)?;
    let whole = zip::ZipArchive::new(Cursor::new(content)).is_ok_and(|zip| !zip.is_empty());
    let job = jobs::register(cx, CODE, json!({ "whole": whole }));
    let mut function = begun(&draft);
    let zip = json!({
        "id": cx.org.new_id(),
        "name": name,
        "status": "Pending",
        "dateCreated": crate::clock::spell(cx.now),
        "$job": job,
    });
    function.insert("zip".into(), zip);
    draft.insert(FUNCTION.into(), function.into());
    keep_draft(cx, id, Some(draft));
    jobs::start(cx, &job, String::new());
    Ok(())
}

pub(super) fn work_of(family: &str) -> Option<Work> {
    (family == CODE).then_some(look)
}

/// Looks at code: only an archive with something in it can be run.
fn look(_: &mut Cx<'_>, details: &Value, _: &str) -> Value {
    match details["whole"] == true {
        true => json!({"status": "Available"}),
        false => json!({"status": "InvalidFile", "errorMessage": "The file is no zip archive."}),
    }
}
