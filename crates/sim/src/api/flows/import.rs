//! `/flows/jobs`: a source is uploaded, checked against the org, and published; and
//! `/flows/validate/jobs`, which checks what is published.

use bytes::Bytes;
use serde_json::{Value, json};

use super::resolve::{no_flow, resolve};
use super::{KEPT, check_name, kind, lock_of, message, version_of};
use crate::clock::spell;
use crate::crud;
use crate::cx::{Caller, Cx};
use crate::error::{Answer, Refusal, Reply};
use crate::flowyaml::{self, FlowType, Source};
use crate::jobs::{self, Phase};
use crate::refs::id_of;
use crate::routes::{Registry, Req};
use crate::store::{Fields, text};

pub(super) const IMPORT: &str = "flow import";
pub(super) const VALIDATE: &str = "flow validation";

pub(super) fn register(registry: &mut Registry) {
    let jobs = "/api/v2/flows/jobs";
    registry.on("POST", jobs, register_job);
    registry.on("GET", &format!("{jobs}/{{jobId}}"), job);
    let jobs = "/api/v2/flows/validate/jobs";
    registry.on("POST", jobs, register_validation);
    registry.on("GET", &format!("{jobs}/{{jobId}}"), validation);
}

fn register_job(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let stubs = req.body.get("createStubs") == Some(&Value::Bool(true));
    let id = jobs::register(cx, IMPORT, json!({ "stubs": stubs }));
    let headers = vec![
        ("x-amz-meta-jobid", id.clone()),
        ("x-amz-server-side-encryption", "AES256".to_owned()),
    ];
    let shown: Value = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::String(value.clone())))
        .collect();
    let url = cx.upload_with(&id, headers, uploaded);
    Ok(Reply::ok(json!({
        "id": id,
        "presignedUrl": url,
        "headers": shown,
        "selfUri": format!("/api/v2/flows/jobs/{id}"),
    })))
}

fn uploaded(cx: &mut Cx<'_>, job: &str, content: &Bytes) -> Result<(), Refusal> {
    // What is not text is no source either; the job will say so.
    let content = String::from_utf8_lossy(content).into_owned();
    jobs::start(cx, job, content);
    Ok(())
}

fn job(cx: &mut Cx<'_>, req: &Req) -> Answer {
    show_job(cx, req, IMPORT)
}

fn validation(cx: &mut Cx<'_>, req: &Req) -> Answer {
    show_job(cx, req, VALIDATE)
}

/// Answers a poll of a job of flows; messages only when they are asked for.
pub(super) fn show_job(cx: &mut Cx<'_>, req: &Req, family: &str) -> Answer {
    let id = req.id();
    let mut shown = match jobs::poll(cx, family, id)? {
        Phase::Waiting => json!({"status": "Registered"}),
        Phase::Running => json!({"status": "Started"}),
        Phase::Ended(outcome) => outcome,
    };
    if !req.expands("messages")
        && let Value::Object(fields) = &mut shown
    {
        fields.remove("messages");
    }
    shown["id"] = id.into();
    shown["selfUri"] = req.path.clone().into();
    Ok(Reply::ok(shown))
}

fn failure(cx: &Cx<'_>, command: &str, problems: Vec<String>) -> Value {
    let messages: Vec<Value> = problems
        .into_iter()
        .map(|problem| message(cx, "Error", problem))
        .collect();
    json!({"status": "Failure", "command": command, "messages": messages})
}

/// Publishes an uploaded source, or says why not.
pub(super) fn work(cx: &mut Cx<'_>, details: &Value, content: &str) -> Value {
    let stubs = details["stubs"] == Value::Bool(true);
    match publish(cx, content, stubs) {
        Ok(Published { id, is_new, notes }) => {
            let messages: Vec<Value> = notes
                .into_iter()
                .map(|note| message(cx, "Warning", note))
                .collect();
            json!({
                "status": "Success",
                "command": if is_new { "Create" } else { "Publish" },
                "flow": {"id": id, "selfUri": kind().uri(&id)},
                "messages": messages,
            })
        }
        Err(problems) => failure(cx, "Publish", problems),
    }
}

/// What came of a source.
pub(crate) struct Published {
    pub(crate) id: String,
    is_new: bool,
    notes: Vec<String>,
}

/// Publishes a source as a flow of this org, new or found by type and name.
pub(crate) fn publish(
    cx: &mut Cx<'_>,
    content: &str,
    stubs: bool,
) -> Result<Published, Vec<String>> {
    let source = flowyaml::read(content)?;
    let mut problems = Vec::new();
    if let Err(refusal) = check_name(&source.name) {
        problems.push(refusal.message);
    }
    let division = match &source.division {
        None => None,
        Some(name) => {
            let mut divisions = cx.org.store.all("division");
            let id = divisions
                .find(|division| division.text("name") == name)
                .map(|division| division.id.clone());
            if id.is_none() {
                problems.push(format!("Could not find the division '{name}'."));
            }
            id
        }
    };
    let key = [source.flow_type.api, &source.name]
        .map(str::to_lowercase)
        .join("\u{1f}");
    let existing = cx
        .org
        .store
        .with_key("flow", &key)
        .next()
        .map(str::to_owned);
    if let Some(id) = &existing
        && let Some(flow) = cx.org.store.get("flow", id)
    {
        if let Some(owner) = lock_of(&flow.fields) {
            problems.push(format!("The flow '{}' is locked by {owner}.", source.name));
        }
        if let Err(refusal) = cx.check_division(&flow.fields) {
            problems.push(refusal.message);
        }
    }
    let resolved = resolve(cx, &source);
    problems.extend(resolved.problems);
    if !stubs {
        let missing = resolved.missing_flows.iter();
        problems.extend(missing.map(|(flow_type, name)| no_flow(flow_type, name)));
    }
    let mut fields = match existing
        .as_ref()
        .and_then(|id| cx.org.store.get("flow", id))
    {
        Some(flow) => flow.fields.clone(),
        None => {
            let mut fields = Fields::new();
            fields.insert("name".into(), source.name.clone().into());
            fields.insert("type".into(), source.flow_type.api.into());
            if let Some(division) = &division {
                fields.insert("division".into(), json!({"id": division}));
            }
            if let Err(refusal) = crud::settle_division(cx, kind(), &mut fields) {
                problems.push(refusal.message);
            }
            crud::complete(kind(), &mut fields);
            fields
        }
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut notes = resolved.unknown;
    for (flow_type, name) in resolved.missing_flows {
        if let Some(flow_type) = flowyaml::by_api(flow_type) {
            let id = stub(cx, flow_type, &name, &source);
            notes.push(format!("Created the stub flow '{name}' ({id})."));
        }
    }
    // Only now that the stubs are there everything is found.
    let uses = resolve(cx, &source).uses;
    match source.description {
        Some(description) => fields.insert("description".into(), description.into()),
        None => fields.remove("description"),
    };
    let version = json!({"content": content, "uses": uses});
    add_version(cx, &mut fields, &version);
    let is_new = existing.is_none();
    let id = match existing {
        Some(id) => {
            cx.replace(kind(), &id, fields);
            id
        }
        None => {
            let id = cx.org.new_id();
            cx.insert(kind(), &id, fields);
            id
        }
    };
    Ok(Published { id, is_new, notes })
}

/// Makes the flow that stands in for one that is still to come.
fn stub(cx: &mut Cx<'_>, flow_type: &'static FlowType, name: &str, for_source: &Source) -> String {
    let division = cx.org.home_division().to_owned();
    let mut fields = Fields::new();
    fields.insert("name".into(), name.into());
    fields.insert("type".into(), flow_type.api.into());
    let description = format!("A stub for the flow {}.", for_source.name);
    fields.insert("description".into(), description.into());
    fields.insert("division".into(), json!({ "id": division }));
    crud::complete(kind(), &mut fields);
    let quoted = Value::String(name.to_owned());
    let content = format!("{}:\n  name: {quoted}\n", flow_type.root);
    add_version(cx, &mut fields, &json!({"content": content, "uses": []}));
    let id = cx.org.new_id();
    cx.insert(kind(), &id, fields);
    id
}

/// Adds a version of this source to a flow and puts it in force.
pub(super) fn add_version(cx: &Cx<'_>, fields: &mut Fields, version: &Value) {
    let last = super::versions_of(fields)
        .filter_map(|version| {
            version["shown"]["id"]
                .as_str()?
                .split('.')
                .next()?
                .parse()
                .ok()
        })
        .max()
        .unwrap_or(0u64);
    let number = format!("{}.0", last + 1);
    let at = cx.now.as_millisecond();
    let mut shown = json!({
        "id": number,
        "commitVersion": number,
        "configurationVersion": number,
        "type": "PUBLISH",
        "secure": false,
        "debug": false,
        "dateCreated": at,
        "dateCheckedIn": at,
        "dateSaved": at,
        "datePublished": spell(cx.now),
    });
    if let Caller::Client { id, .. } = &cx.caller {
        shown["createdByClient"] = json!({ "id": id });
    }
    let uses = version["uses"].clone();
    let holds: Vec<Value> = uses
        .as_array()
        .into_iter()
        .flatten()
        .filter(|used| KEPT.iter().any(|(word, _)| used["kind"] == *word))
        .map(|used| json!({"kind": used["kind"], "id": used["id"]}))
        .collect();
    for slot in ["publishedVersion", "checkedInVersion", "savedVersion"] {
        fields.insert(slot.into(), shown.clone());
    }
    fields.insert("active".into(), true.into());
    fields.insert("$holds".into(), holds.into());
    let version = json!({"shown": shown, "content": version["content"], "uses": uses});
    if let Value::Array(versions) = fields
        .entry("$versions")
        .or_insert_with(|| Value::Array(Vec::new()))
    {
        versions.push(version);
    }
}

fn register_validation(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let flows = req.body["flows"].clone();
    let total = flows.as_array().map_or(0, Vec::len);
    if total == 0 {
        return Err(Refusal::invalid(
            "flows",
            "There must be a flow to validate.",
        ));
    }
    let id = jobs::register(cx, VALIDATE, json!({ "flows": flows }));
    jobs::start(cx, &id, String::new());
    Ok(Reply::ok(json!({
        "id": id,
        "status": "Registered",
        "totalFlows": total,
        "selfUri": format!("/api/v2/flows/validate/jobs/{id}"),
    })))
}

/// Checks published versions against the org as it is now.
pub(super) fn validate(cx: &mut Cx<'_>, details: &Value, _: &str) -> Value {
    let mut problems = Vec::new();
    for asked in details["flows"].as_array().into_iter().flatten() {
        let id = asked.get("flow").and_then(id_of).unwrap_or_default();
        let number = asked["flow"]["version"].as_str();
        let Ok(flow) = cx.find_live("flow", id) else {
            problems.push(format!("Could not find the flow {id}."));
            continue;
        };
        let name = text(&flow.fields, "name");
        let Some(version) = version_of(&flow.fields, number) else {
            problems.push(format!("The flow '{name}' has no such published version."));
            continue;
        };
        match flowyaml::read(version["content"].as_str().unwrap_or_default()) {
            Err(found) => problems.extend(found),
            Ok(source) => {
                let resolved = resolve(cx, &source);
                problems.extend(resolved.problems);
                let missing = resolved.missing_flows.iter();
                problems.extend(missing.map(|(flow_type, name)| no_flow(flow_type, name)));
            }
        }
    }
    match problems.is_empty() {
        true => json!({"status": "Success", "command": "Validate", "messages": []}),
        false => failure(cx, "Validate", problems),
    }
}
