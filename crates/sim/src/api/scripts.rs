//! Scripts, which go up and come down as files.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::audit;
use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Division, Filter, Kind};
use crate::page;
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, text};
use crate::world::Org;

/// Where the other host takes scripts.
pub(crate) const UPLOAD: &str = "/uploads/v2/scripter";

const KINDS: &[Kind] = &[Kind {
    name: "script",
    path: "/api/v2/scripts",
    audit: ("Scripter", "ComposerScript"),
    key: &[],
    division: Division::Object,
    max_page: 500,
    filters: &[
        ("scriptDataVersion", Filter::Ignored),
        ("feature", Filter::Ignored),
        ("flowId", Filter::Ignored),
    ],
    ..Kind::PLAIN
}];

/// The scripts that every org has, by ids that are the same everywhere.
const EVERYWHERE: [(&str, &str); 3] = [
    (
        "153fcff5-597e-4f17-94e5-17eac456a0b2",
        "Default Outbound Script",
    ),
    (
        "476c2b71-7429-11e4-9a5b-3f91746bffa3",
        "Default Callback Script",
    ),
    (
        "766f1221-047a-11e5-bba2-db8c0964d007",
        "Default Inbound Script",
    ),
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("GET", "/api/v2/scripts/published", published);
    registry.on("GET", "/api/v2/scripts/published/{scriptId}", published_one);
    registry.on("POST", "/api/v2/scripts/published", publish);
    registry.on("POST", "/api/v2/scripts/{scriptId}/export", export);
    registry.on("GET", "/api/v2/scripts/uploads/{uploadId}/status", status);
}

/// Gives a new org the scripts that every org has.
pub(crate) fn furnish(org: &mut Org, now: Timestamp) {
    let kind = the_kind("script");
    for (id, name) in EVERYWHERE {
        let mut fields = Fields::new();
        fields.insert("name".into(), name.into());
        fields.insert("division".into(), json!({"id": org.home_division()}));
        let version = org.new_id();
        fields.insert("versionId".into(), version.into());
        fields.insert("publishedDate".into(), now.to_string().into());
        fields.insert(
            "$file".into(),
            json!({"id": id, "name": name}).to_string().into(),
        );
        let sight = org.sight(kind, now);
        org.store.insert(kind, id, fields, sight);
    }
}

fn published(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let kind = the_kind("script");
    let mut found = page::select(cx, req, kind)?;
    found.retain(|(_, fields)| fields.contains_key("publishedDate"));
    page::list_found(cx, req, kind, &found)
}

fn published_one(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let found = cx.find("script", req.id())?;
    match found.fields.contains_key("publishedDate") {
        true => Ok(Reply::ok(cx.show("script", req.id()))),
        false => Err(Refusal::not_found("script", req.id())),
    }
}

fn publish(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.body["scriptId"].as_str().unwrap_or_default().to_owned();
    cx.find("script", &id)?;
    let now = cx.now.to_string();
    if let Some(fields) = cx.org.store.fields_mut("script", &id) {
        fields.insert("publishedDate".into(), now.into());
    }
    audit::note(
        cx,
        ("Scripter", "ComposerScript"),
        "Publish",
        &id,
        "",
        Vec::new(),
    );
    Ok(Reply::ok(cx.show("script", &id)))
}

fn export(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let file = cx
        .find("script", req.param("scriptId"))?
        .text("$file")
        .to_owned();
    let url = cx.download(Bytes::from(file), "application/json");
    Ok(Reply::ok(json!({"url": url})))
}

fn status(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let upload = cx.org.uploads.get(req.id()).cloned();
    upload
        .map(Reply::ok)
        .ok_or_else(|| Refusal::not_found("upload", req.id()))
}

/// Takes a script from a form: the file, its name, and perhaps the script that it replaces.
pub(crate) fn upload(cx: &mut Cx<'_>, content_type: &str, form: &[u8]) -> Answer {
    let Some(boundary) = content_type
        .strip_prefix("multipart/form-data")
        .and_then(|rest| rest.split("boundary=").nth(1))
    else {
        return Err(Refusal::new(
            415,
            "unsupported.media.type",
            "The body must be a form.",
        ));
    };
    let form = String::from_utf8_lossy(form);
    let (mut file, mut name, mut replaced) = (None, None, None);
    for part in form.split(&format!("--{boundary}")) {
        let Some((head, content)) = part.split_once("\r\n\r\n") else {
            continue;
        };
        let content = content.strip_suffix("\r\n").unwrap_or(content);
        let is = |field: &str| head.contains(&format!("name=\"{field}\""));
        match () {
            () if is("file") => file = Some(content.to_owned()),
            () if is("scriptName") => name = Some(content.to_owned()),
            () if is("scriptIdToReplace") => replaced = Some(content.to_owned()),
            () => {}
        }
    }
    let (Some(file), Some(name)) = (file, name) else {
        return Err(Refusal::bad_request("file and scriptName are required."));
    };
    let id = cx.org.new_id();
    let outcome = match take(cx, &file, &name, replaced.as_deref()) {
        Ok(()) => json!({"succeeded": true}),
        Err(message) => json!({"succeeded": false, "message": message}),
    };
    cx.org.uploads.insert(id.clone(), outcome);
    Ok(Reply::ok(json!({"correlationId": id})))
}

fn take(cx: &mut Cx<'_>, file: &str, name: &str, replaced: Option<&str>) -> Result<(), String> {
    let mut script: Value =
        serde_json::from_str(file).map_err(|error| format!("The file is no script: {error}"))?;
    check_named(cx, &script)?;
    let same: Vec<String> = cx
        .org
        .store
        .all("script")
        .filter(|script| script.text("name") == name)
        .map(|script| script.id.clone())
        .collect();
    let kind = the_kind("script");
    let id = match replaced {
        Some(id) if cx.org.store.get("script", id).is_some() => id.to_owned(),
        Some(id) => return Err(format!("There is no script with id {id}.")),
        None if !same.is_empty() => return Err(format!("There is a script {name} already.")),
        None => cx.org.new_id(),
    };
    script["id"] = id.clone().into();
    script["name"] = name.into();
    let mut fields = match cx.org.store.get("script", &id) {
        Some(old) => old.fields.clone(),
        None => Fields::new(),
    };
    fields.insert("name".into(), name.into());
    fields.insert("$file".into(), format!("{script:#}").into());
    let version = cx.org.new_id();
    fields.insert("versionId".into(), version.into());
    match replaced {
        Some(_) => cx.replace(kind, &id, fields),
        None => {
            crud::settle_division(cx, kind, &mut fields).map_err(|refusal| refusal.message)?;
            cx.insert(kind, &id, fields);
        }
    }
    Ok(())
}

/// Refuses a script that names a queue which is not there.
fn check_named(cx: &Cx<'_>, value: &Value) -> Result<(), String> {
    match value {
        Value::Object(fields) => {
            let queue = text(fields, "queueId");
            if !queue.is_empty() && cx.org.store.get("queue", queue).is_none() {
                return Err(format!("There is no queue with id {queue}."));
            }
            fields.values().try_for_each(|value| check_named(cx, value))
        }
        Value::Array(items) => items.iter().try_for_each(|value| check_named(cx, value)),
        _ => Ok(()),
    }
}
