//! Objects that are a file: response assets and scripts.

use std::sync::Arc;
use std::time::Duration;

use orgsmith_client::{Call, Host, Part, Replay, path_segment};
use orgsmith_core::catalogue::{Descriptor, Driver};
use orgsmith_core::document::Captured;
use orgsmith_core::file_refs::SCRIPT;
use orgsmith_core::id::TargetId;
use serde_json::{Value, json};

use crate::collect::lists::Failure;
use crate::jobs::{JobError, headers};
use crate::org::Org;

/// The names of the files beside the documents.
const ASSET: &str = "content.bin";
/// Waits between looks at an upload, in milliseconds.
const WAITS: [u64; 8] = [200, 500, 1000, 2000, 4000, 8000, 15_000, 30_000];
const SCRIPTS: &str = "/api/v2/scripts";
const ASSETS: &str = "/api/v2/responsemanagement/responseassets";

/// Fetches the file of an object; gives its name beside the document, too.
pub(crate) async fn download(
    org: &Org,
    descriptor: &Descriptor,
    captured: &Captured,
) -> Result<(String, Arc<[u8]>), Failure> {
    let text =
        |body: &Value, field: &str| body.get(field).and_then(Value::as_str).map(str::to_owned);
    let (name, url) = if descriptor.driver == Driver::Script {
        let id = path_segment(captured.id.as_str());
        let mut wanted = json!({});
        if let Some(version) = text(&captured.body, "versionId") {
            wanted["versionId"] = version.into();
        }
        let call = Call::post(format!("{SCRIPTS}/{id}/export"));
        let call = call.json(wanted).replay(Replay::Safe);
        let reply = org.client.send(call).await.map_err(Failure::Call)?;
        (SCRIPT, text(&reply.body, "url"))
    } else {
        (ASSET, text(&captured.body, "contentLocation"))
    };
    let url =
        url.ok_or_else(|| Failure::Answer("the org does not say where its file is".into()))?;
    let bytes = org.client.download(&url).await.map_err(Failure::Call)?;
    Ok((name.to_owned(), Arc::from(&bytes[..])))
}

/// Uploads the file of an object, which may exist already, and waits until it can be used.
pub(crate) async fn upload(
    org: &Org,
    descriptor: &Descriptor,
    own: Option<&TargetId>,
    body: Value,
    file: Vec<u8>,
) -> Result<TargetId, JobError> {
    match descriptor.driver {
        Driver::Script => script(org, own, &body, file).await,
        _ => asset(org, body, file).await,
    }
}

async fn asset(org: &Org, body: Value, file: Vec<u8>) -> Result<TargetId, JobError> {
    let call = Call::post(format!("{ASSETS}/uploads")).json(body);
    let upload = org.client.send(call).await.map_err(JobError::Call)?.body;
    let text = |field: &str| upload.get(field).and_then(Value::as_str);
    let (Some(id), Some(url)) = (text("id"), text("url")) else {
        return Err(JobError::Nonsense("the upload has no id or no url".into()));
    };
    let sent = headers(&upload, "headers");
    let uploaded = org
        .client
        .upload(url, &sent, "application/octet-stream", file);
    uploaded.await.map_err(JobError::Call)?;
    let status = format!("{ASSETS}/status/{}", path_segment(id));
    let ended = |state: &Value| match state.get("status")?.as_str()? {
        "Uploaded" => Some(Ok(())),
        "Failed" => Some(Err(said(state, "errorMessage"))),
        _ => None,
    };
    end_of(org, "upload", &status, ended).await?;
    Ok(TargetId::new(id))
}

async fn script(
    org: &Org,
    own: Option<&TargetId>,
    body: &Value,
    file: Vec<u8>,
) -> Result<TargetId, JobError> {
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
    let mut parts = vec![
        Part::file("file", SCRIPT, "application/json", file),
        Part::text("scriptName", name),
    ];
    if let Some(own) = own {
        parts.push(Part::text("scriptIdToReplace", own.as_str()));
    }
    let call = Call::post("/uploads/v2/scripter").on(Host::Apps);
    let answer = org.client.send(call.multipart(&parts)).await;
    let answer = answer.map_err(JobError::Call)?.body;
    let Some(upload) = answer.get("correlationId").and_then(Value::as_str) else {
        return Err(JobError::Nonsense("the upload has no id".into()));
    };
    let status = format!("{SCRIPTS}/uploads/{}/status", path_segment(upload));
    let ended = |state: &Value| match state.get("succeeded")?.as_bool()? {
        true => Some(Ok(())),
        false => Some(Err(said(state, "message"))),
    };
    end_of(org, "import", &status, ended).await?;
    let id = match own {
        Some(own) => own.as_str().to_owned(),
        None => by_name(org, name).await?,
    };
    let call = Call::post(format!("{SCRIPTS}/published")).json(json!({ "scriptId": id }));
    let call = call.replay(Replay::Safe);
    org.client.send(call).await.map_err(JobError::Call)?;
    Ok(TargetId::new(&id))
}

/// Waits until a state says how an upload ended.
async fn end_of(
    org: &Org,
    what: &str,
    status: &str,
    ended: impl Fn(&Value) -> Option<Result<(), String>>,
) -> Result<(), JobError> {
    for wait in WAITS {
        let state = org.client.send(Call::get(status)).await;
        let state = state.map_err(JobError::Call)?.body;
        if let Some(end) = ended(&state) {
            return end.map_err(JobError::Failed);
        }
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    Err(JobError::Nonsense(format!("the {what} does not end")))
}

/// Finds a script that was just imported: the import does not say its id.
async fn by_name(org: &Org, name: &str) -> Result<String, JobError> {
    let call = Call::get(SCRIPTS)
        .query("name", name)
        .query("pageSize", 100);
    let found = org.client.send(call).await.map_err(JobError::Call)?.body;
    let rows = found.get("entities").and_then(Value::as_array);
    let ids: Vec<&str> = rows
        .into_iter()
        .flatten()
        .filter(|row| row.get("name").and_then(Value::as_str) == Some(name))
        .filter_map(|row| row.get("id")?.as_str())
        .collect();
    match ids[..] {
        [id] => Ok(id.to_owned()),
        [] => Err(JobError::Nonsense(format!(
            "no script {name:?} shows after its import"
        ))),
        _ => Err(JobError::Failed(format!(
            "several scripts are called {name:?}"
        ))),
    }
}

fn said(state: &Value, field: &str) -> String {
    let message = state.get(field).and_then(Value::as_str);
    message.unwrap_or("the service does not say why").to_owned()
}
