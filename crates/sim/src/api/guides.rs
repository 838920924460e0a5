//! Guides and their versions.

use serde_json::{Value, json};

use crate::clock::spell;
use crate::crud::body_fields;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::jobs::{self, Phase, Work};
use crate::kind::{Filter, Kind};
use crate::refs::Ref;
use crate::routes::{Registry, Req, the_kind};
use crate::store::Fields;
use crate::world::Org;

const GUIDES: &str = "/api/v2/guides";
const PUBLISH: &str = "guide.publish";

const KINDS: &[Kind] = &[Kind {
    name: "guide",
    path: GUIDES,
    audit: ("", ""),
    duplicate: (409, "general.conflict"),
    filters: &[
        ("nameContains", Filter::Contains("name")),
        ("status", Filter::Exact("status")),
    ],
    fixed: &["source"],
    defaults: r#"{"status": "Draft", "$versions": []}"#,
    view: Some(view_guide),
    ..Kind::PLAIN
}];

/// What a version refers to.
const REFS: &[Ref] = &[
    Ref::to("resources.dataActions[].id", "action"),
    Ref::to("knowledgeSettings.knowledgeId", "knowledge_base"),
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("DELETE", &format!("{GUIDES}/{{guideId}}/jobs"), delete);
    let versions = format!("{GUIDES}/{{guideId}}/versions");
    registry.on("POST", &versions, new_version);
    let version = format!("{versions}/{{versionId}}");
    registry.on("GET", &version, get_version);
    registry.on("PATCH", &version, change_version);
    registry.on("POST", &format!("{version}/jobs"), publish);
    registry.on("GET", &format!("{version}/jobs/{{jobId}}"), publishing);
}

pub(crate) fn work_of(family: &str) -> Option<Work> {
    (family == PUBLISH).then_some(publish_version as Work)
}

fn versions(fields: &Fields) -> &[Value] {
    fields["$versions"].as_array().map_or(&[], Vec::as_slice)
}

fn view_guide(org: &Org, id: &str, shown: &mut Fields) {
    let guide = org.store.get("guide", id);
    let versions = guide
        .map(|guide| versions(&guide.fields))
        .unwrap_or_default();
    let reference =
        |version: &Value| json!({"version": version["version"], "selfUri": version["selfUri"]});
    if let Some(last) = versions.last() {
        shown.insert("latestSavedVersion".into(), reference(last));
    }
    let ready = |version: &&Value| version["state"] == "ProductionReady";
    if let Some(last) = versions.iter().rfind(ready) {
        shown.insert("latestProductionReadyVersion".into(), reference(last));
    }
    shown.remove("createdBy");
    shown.remove("modifiedBy");
}

fn delete(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("guideId").to_owned();
    cx.find_live("guide", &id)?;
    cx.remove(the_kind("guide"), &id);
    let job = cx.org.new_id();
    Ok(Reply::ok(
        json!({"id": job, "status": "Succeeded", "guide": {"id": id}}),
    ))
}

/// While the newest version is a draft it is the one to work on.
fn new_version(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("guideId").to_owned();
    let guide = cx.find_live("guide", &id)?;
    let number = (versions(&guide.fields).len() + 1).to_string();
    let mut fields = body_fields(&req.body);
    cx.org.check_references(REFS, &fields)?;
    for (name, none) in [
        ("variables", json!([])),
        ("resources", json!({"dataActions": []})),
    ] {
        fields.entry(name).or_insert(none);
    }
    fields.insert("version".into(), json!(number));
    fields.insert("state".into(), json!("Draft"));
    fields.insert("guide".into(), json!({"id": id}));
    fields.insert("dateCreated".into(), json!(spell(cx.now)));
    fields.insert(
        "selfUri".into(),
        json!(format!("{GUIDES}/{id}/versions/{number}")),
    );
    let version = Value::Object(fields);
    if let Some(Value::Array(versions)) = stored(cx, &id) {
        versions.push(version.clone());
    }
    cx.touched = Some(id);
    Ok(Reply::ok(version))
}

fn stored<'c>(cx: &'c mut Cx<'_>, guide: &str) -> Option<&'c mut Value> {
    cx.org
        .store
        .fields_mut("guide", guide)?
        .get_mut("$versions")
}

fn find(cx: &Cx<'_>, guide: &str, version: &str) -> Result<Value, Refusal> {
    let guide = cx.find_live("guide", guide)?;
    let mut versions = versions(&guide.fields).iter();
    let found = versions.find(|v| v["version"] == version).cloned();
    found.ok_or_else(|| Refusal::not_found("guide version", version))
}

fn set(cx: &mut Cx<'_>, guide: &str, version: &str, new: Value) {
    if let Some(Value::Array(versions)) = stored(cx, guide)
        && let Some(old) = versions.iter_mut().find(|v| v["version"] == version)
    {
        *old = new;
    }
}

fn get_version(cx: &mut Cx<'_>, req: &Req) -> Answer {
    find(cx, req.param("guideId"), req.param("versionId")).map(Reply::ok)
}

/// A version that is ready stays as it is.
fn change_version(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let (guide, number) = (req.param("guideId").to_owned(), req.param("versionId"));
    let mut version = find(cx, &guide, number)?;
    if version["state"] != "Draft" {
        let text = "Only a draft can be changed.";
        return Err(Refusal::new(409, "general.conflict", text));
    }
    let given = body_fields(&req.body);
    cx.org.check_references(REFS, &given)?;
    if let Value::Object(fields) = &mut version {
        fields.extend(given);
    }
    set(cx, &guide, number, version.clone());
    Ok(Reply::ok(version))
}

fn publish(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let (guide, version) = (req.param("guideId"), req.param("versionId"));
    find(cx, guide, version)?;
    let state = &req.body["guideVersion"]["state"];
    let details = json!({"guide": guide, "version": version, "state": state});
    let job = jobs::register(cx, PUBLISH, details);
    jobs::start(cx, &job, String::new());
    Ok(Reply::ok(json!({"id": job, "status": "InProgress"})))
}

fn publish_version(cx: &mut Cx<'_>, details: &Value, _: &str) -> Value {
    let word = |name: &str| details[name].as_str().unwrap_or_default().to_owned();
    let (guide, number) = (word("guide"), word("version"));
    let Ok(mut version) = find(cx, &guide, &number) else {
        return json!({"status": "Failed", "errors": [{"message": "The version is gone."}]});
    };
    version["state"] = details["state"].clone();
    set(cx, &guide, &number, version);
    if details["state"] == "ProductionReady"
        && let Some(fields) = cx.org.store.fields_mut("guide", &guide)
    {
        fields.insert("status".into(), json!("Published"));
    }
    json!({"status": "Succeeded"})
}

fn publishing(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("jobId").to_owned();
    let mut job = match jobs::poll(cx, PUBLISH, &id)? {
        Phase::Waiting | Phase::Running => json!({"status": "InProgress"}),
        Phase::Ended(outcome) => outcome,
    };
    job["id"] = json!(id);
    Ok(Reply::ok(job))
}
