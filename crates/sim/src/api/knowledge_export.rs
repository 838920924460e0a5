//! Knowledge bases as one file: export jobs.

use serde_json::{Value, json};

use crate::api::knowledge::{BASES, PUBLISHED, version_of};
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::jobs::{self, Phase, Work};
use crate::kind::AT;
use crate::routes::{Registry, Req};

const EXPORT: &str = "knowledge export";
/// The only form of the file that is simulated.
const FORM: i64 = 3;

pub(crate) fn register(registry: &mut Registry) {
    let jobs = format!("{BASES}/{{knowledgeBaseId}}/export/jobs");
    registry.on("POST", &jobs, start);
    registry.on("GET", &format!("{jobs}/{{exportJobId}}"), show);
}

pub(super) fn work_of(family: &str) -> Option<Work> {
    (family == EXPORT).then_some(export)
}

fn start(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let base = req.param("knowledgeBaseId");
    cx.find_live("knowledge_base", base)?;
    let body = &req.body;
    if body["fileType"] != "Json" || body["jsonFileVersion"].as_i64() != Some(FORM) {
        let message = format!("Only files of the type Json in version {FORM} are simulated.");
        return Err(Refusal::bad_request(message));
    }
    if body["exportFilter"]["versionFilter"] != "Latest" {
        return Err(Refusal::bad_request(
            "Only the latest versions are simulated.",
        ));
    }
    let details = json!({
        "base": base,
        "filter": body["exportFilter"],
    });
    let job = jobs::register(cx, EXPORT, details);
    jobs::start(cx, &job, String::new());
    let mut shown = described(cx, &job);
    shown["status"] = "Created".into();
    Ok(Reply::ok(shown))
}

fn show(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.id();
    let of_base = cx.org.jobs.get(id).map(|job| &job["details"]["base"]);
    if of_base.is_none_or(|base| base != req.param("knowledgeBaseId")) {
        return Err(Refusal::not_found("job", id));
    }
    let phase = jobs::poll(cx, EXPORT, id)?;
    let mut shown = described(cx, id);
    match phase {
        Phase::Waiting | Phase::Running => shown["status"] = "InProgress".into(),
        Phase::Ended(Value::Object(outcome)) => {
            if let Value::Object(fields) = &mut shown {
                fields.extend(outcome);
            }
        }
        Phase::Ended(_) => shown["status"] = "Failed".into(),
    }
    Ok(Reply::ok(shown))
}

fn described(cx: &Cx<'_>, id: &str) -> Value {
    let job = cx.org.jobs.get(id).unwrap_or(&Value::Null);
    let base = job["details"]["base"].as_str().unwrap_or_default();
    json!({
        "id": id,
        "fileType": "Json",
        "jsonFileVersion": FORM,
        "exportFilter": job["details"]["filter"],
        "knowledgeBase": {"id": base},
        "dateCreated": job["created"],
        "selfUri": format!("{BASES}/{base}/export/jobs/{id}"),
    })
}

/// Writes what a base has into a file: of each document what is published, and what is a draft.
fn export(cx: &mut Cx<'_>, details: &Value, _: &str) -> Value {
    let base = details["base"].as_str().unwrap_or_default();
    let left_out: Vec<&str> = details["filter"]["exclude"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let without = |name: &str| left_out.contains(&name);
    let in_base = |kind: &'static str| {
        let all = cx.org.store.all(kind);
        all.filter(move |object| object.text(AT) == base)
    };
    let plain = |kind: &'static str, fields: &[&str]| -> Vec<Value> {
        let shown = in_base(kind).map(|object| {
            let mut shown = json!({ "id": object.id });
            for field in fields {
                shown[*field] = object.fields.get(*field).cloned().unwrap_or(Value::Null);
            }
            shown
        });
        shown.collect()
    };
    let version = |mut version: Value| {
        if let (true, Value::Object(fields)) = (without("Variations"), &mut version) {
            fields.remove("variations");
        }
        version
    };
    let documents: Vec<Value> = in_base("knowledge_document")
        .map(|document| {
            let fields = &document.fields;
            let is_draft = fields.get("state") == Some(&json!("Draft"));
            let published = fields.get(PUBLISHED).cloned();
            json!({
                "id": document.id,
                "externalId": fields.get("externalId"),
                "externalUrl": fields.get("externalUrl"),
                "published": published.map(version),
                "draft": is_draft.then(|| version(version_of(cx, &document.id))),
            })
        })
        .collect();
    let count = documents.len();
    let mut file = json!({
        "version": FORM,
        "importAction": {"knowledgeBase": {"id": base}, "documents": documents},
    });
    if !without("Categories") {
        let fields = ["name", "description", "externalId", "parentCategory"];
        file["importAction"]["categories"] = plain("knowledge_category", &fields).into();
    }
    if !without("Labels") {
        let fields = ["name", "color", "externalId"];
        file["importAction"]["labels"] = plain("knowledge_label", &fields).into();
    }
    let url = cx.download(file.to_string().into(), "application/json");
    json!({"status": "Completed", "downloadURL": url, "countDocumentProcessed": count})
}
