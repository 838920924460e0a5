//! Architect's jobs: flow sources and table rows come down and go up as files.

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use orgsmith_client::{Call, Error, Replay, path_segment};
use orgsmith_core::catalogue::JobSpec;
use orgsmith_core::flow::i3;
use orgsmith_core::plan::FLOW_SOURCE;
use serde_json::{Value, json};

use crate::org::Org;

/// Flows in one export job; the API documents no limit.
const BATCH: usize = 50;
/// Export jobs and their downloads under way at once; as many again for each batch that fails.
const JOBS: usize = 4;
/// The first wait between two polls; each is twice as long, up to the last.
const FIRST_POLL: Duration = Duration::from_millis(200);
const LAST_POLL: Duration = Duration::from_secs(5);
/// The longest a job may take; Architect gives up after as long.
const PATIENCE: Duration = Duration::from_secs(16 * 60);
/// The largest source of one flow that is unpacked.
const MAX_SOURCE: u64 = 16 << 20;

/// Says why a job did not do its work.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error(transparent)]
    Call(#[from] Error),
    #[error("the service says: {0}")]
    Failed(String),
    #[error("the job {0} did not end within {minutes} minutes", minutes = PATIENCE.as_secs() / 60)]
    Endless(String),
    #[error("the answer makes no sense: {0}")]
    Nonsense(String),
}

/// What came of each flow, by id.
type Exported<T> = HashMap<String, Result<T, JobError>>;

/// How Architect writes a flow.
#[derive(Clone, Copy)]
enum Form {
    Yaml,
    /// An `.i3*` file; it holds ids, but there is no flow that Architect cannot write so.
    Architect,
}

impl Form {
    /// The spelling of the API.
    fn word(self) -> &'static str {
        match self {
            Self::Yaml => "Yaml",
            Self::Architect => "Architect",
        }
    }

    /// The name under which the source is kept.
    fn file(self) -> &'static str {
        match self {
            Self::Yaml => FLOW_SOURCE,
            Self::Architect => i3::FILE,
        }
    }
}

/// Exports the published sources of flows, by id; each with the name of its file.
pub(crate) async fn export_flows(org: &Org, ids: &[String]) -> Exported<(&'static str, Arc<[u8]>)> {
    let mut found: Exported<_> = HashMap::new();
    let mut refused = Vec::new();
    for (id, source) in export_as(org, ids, Form::Yaml).await {
        if matches!(source, Err(JobError::Failed(_))) {
            refused.push(id.clone());
        }
        found.insert(id, source.map(|bytes| (Form::Yaml.file(), bytes)));
    }
    // In a stable order: equal orgs are read by equal calls.
    refused.sort();
    for (id, source) in export_as(org, &refused, Form::Architect).await {
        if let Ok(bytes) = source {
            found.insert(id, Ok((Form::Architect.file(), bytes)));
        }
    }
    found
}

async fn export_as(org: &Org, ids: &[String], form: Form) -> Exported<Arc<[u8]>> {
    let batches: Vec<Vec<String>> = ids.chunks(BATCH).map(<[String]>::to_vec).collect();
    let results: Vec<Exported<_>> = stream::iter(batches)
        .map(|batch| async move {
            match export_batch(org, &batch, form).await {
                Ok(found) => found,
                Err(JobError::Failed(_)) if batch.len() > 1 => one_by_one(org, &batch, form).await,
                Err(error) => batch
                    .into_iter()
                    .map(|id| (id, Err(error.clone())))
                    .collect(),
            }
        })
        .buffer_unordered(JOBS)
        .collect()
        .await;
    results.into_iter().flatten().collect()
}

/// Finds out which flow of a batch makes the job fail, and exports the others.
async fn one_by_one(org: &Org, batch: &[String], form: Form) -> Exported<Arc<[u8]>> {
    let results: Vec<_> = stream::iter(batch.to_vec())
        .map(|id| async move {
            match export_batch(org, std::slice::from_ref(&id), form).await {
                Ok(one) => one,
                Err(error) => HashMap::from([(id, Err(error))]),
            }
        })
        .buffer_unordered(JOBS)
        .collect()
        .await;
    results.into_iter().flatten().collect()
}

async fn export_batch(
    org: &Org,
    ids: &[String],
    form: Form,
) -> Result<Exported<Arc<[u8]>>, JobError> {
    let flows: Vec<Value> = ids
        .iter()
        .map(|id| json!({ "flow": { "id": id }, "fileName": id, "exportType": form.word() }))
        .collect();
    // The job changes nothing, so it may be registered twice.
    let call = Call::post("/api/v2/flows/export/jobs")
        .json(json!({ "flows": flows }))
        .replay(Replay::Safe);
    let job = text(&org.client.send(call).await?.body, "id")?;
    let path = format!("/api/v2/flows/export/jobs/{job}?expand=messages");
    let state = poll(org, &path, &job).await?;
    let archive = org.client.download(&text(&state, "downloadUrl")?).await?;
    let mut files = unpack(&archive)?;
    Ok(ids
        .iter()
        .map(|id| {
            let source = files
                .remove(id)
                .ok_or_else(|| JobError::Failed(messages_of(&state, id)));
            (id.clone(), source)
        })
        .collect())
}

/// Unpacks an archive of sources, by file name without its extension.
fn unpack(archive: &[u8]) -> Result<HashMap<String, Arc<[u8]>>, JobError> {
    let nonsense = |error: &dyn std::fmt::Display| JobError::Nonsense(error.to_string());
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(archive)).map_err(|e| nonsense(&e))?;
    let mut files = HashMap::new();
    for index in 0..zip.len() {
        let file = zip.by_index(index).map_err(|e| nonsense(&e))?;
        let name = file.name().map_err(|e| nonsense(&e))?.into_owned();
        let name = name.rsplit('/').next().unwrap_or_default();
        let stem = name.split('.').next().unwrap_or_default().to_owned();
        let mut bytes = Vec::new();
        file.take(MAX_SOURCE)
            .read_to_end(&mut bytes)
            .map_err(|e| nonsense(&e))?;
        // What may have been cut off is not the source.
        if (bytes.len() as u64) < MAX_SOURCE {
            files.insert(stem, Arc::from(bytes));
        }
    }
    Ok(files)
}

/// Uploads a source and waits until Architect has published it; returns the flow's id.
///
/// The job creates the flow or gives it a new version, by type and name: doing it twice is doing it
/// once.
pub(crate) async fn import_flow(org: &Org, source: &[u8]) -> Result<String, JobError> {
    let call = Call::post("/api/v2/flows/jobs")
        .json(json!({}))
        .replay(Replay::Safe);
    let job = org.client.send(call).await?.body;
    let id = text(&job, "id")?;
    let headers = headers(&job, "headers");
    let content_type = "application/octet-stream";
    let url = text(&job, "presignedUrl")?;
    org.client
        .upload(&url, &headers, content_type, source.to_vec())
        .await?;
    let state = poll(
        org,
        &format!("/api/v2/flows/jobs/{id}?expand=messages"),
        &id,
    )
    .await?;
    let flow = state.get("flow").unwrap_or(&Value::Null);
    text(flow, "id")
}

/// Adds rows to a data table by a file of comma separated values, or replaces those of the same key.
pub(crate) async fn import_rows(org: &Org, table: &str, rows: Vec<u8>) -> Result<(), JobError> {
    let jobs = format!("/api/v2/flows/datatables/{}/import", path_segment(table));
    let call = Call::post(format!("{jobs}/csv/jobs"))
        .json(json!({ "importMode": "Append" }))
        .replay(Replay::Safe);
    let job = org.client.send(call).await?.body;
    let id = text(&job, "id")?;
    let url = text(&job, "uploadURI")?;
    org.client
        .upload(&url, &headers(&job, "uploadHeaders"), "text/csv", rows)
        .await?;
    let state = poll(org, &format!("{jobs}/jobs/{}", path_segment(&id)), &id).await?;
    match state.get("countRecordsFailed").and_then(Value::as_u64) {
        Some(failed) if failed > 0 => Err(JobError::Failed(format!(
            "{failed} rows were refused: {}",
            messages(&state)
        ))),
        _ => Ok(()),
    }
}

/// Returns the headers that go with an upload.
pub(crate) fn headers(answer: &Value, field: &str) -> Vec<(String, String)> {
    let headers = answer.get(field).and_then(Value::as_object);
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    headers.into_iter().flatten().filter_map(text).collect()
}

/// Asks a job of Architect how it ended, until it has.
pub(crate) async fn poll(org: &Org, path: &str, job: &str) -> Result<Value, JobError> {
    let (path, expand) = match path.split_once("?expand=") {
        Some((path, expand)) => (path, Some(expand)),
        None => (path, None),
    };
    let call = expand
        .iter()
        .fold(Call::get(path), |call, expand| call.query("expand", expand));
    end_of(org, &call, job, |state| {
        match state.get("status")?.as_str()? {
            "Success" | "Succeeded" => Some(Ok(())),
            "Failure" | "Failed" => Some(Err(messages(state))),
            _ => None,
        }
    })
    .await
}

/// Waits until a job that a step has started ends.
pub(crate) async fn wait(org: &Org, path: &str, job: &JobSpec) -> Result<(), JobError> {
    let ended = |state: &Value| match state.get(&job.field)?.as_str()? {
        is if is == job.done => Some(Ok(())),
        is if is == job.failed => Some(Err(errors(state))),
        _ => None,
    };
    end_of(org, &Call::get(path), path, ended).await?;
    Ok(())
}

/// Asks for the state of a job until it says how it ended.
pub(crate) async fn end_of(
    org: &Org,
    call: &Call,
    job: &str,
    ended: impl Fn(&Value) -> Option<Result<(), String>>,
) -> Result<Value, JobError> {
    let mut wait = FIRST_POLL;
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        tokio::time::sleep(wait).await;
        waited += wait;
        wait = (wait * 2).min(LAST_POLL);
        let state = org.client.send(call.clone()).await?.body;
        if let Some(end) = ended(&state) {
            return end.map(|()| state).map_err(JobError::Failed);
        }
    }
    Err(JobError::Endless(job.to_owned()))
}

/// Returns why a job failed, as far as it says.
fn errors(state: &Value) -> String {
    let errors = state.get("errors").and_then(Value::as_array);
    let texts: Vec<&str> = errors
        .into_iter()
        .flatten()
        .filter_map(|error| error.get("message")?.as_str())
        .collect();
    match texts.is_empty() {
        true => "the job failed".to_owned(),
        false => texts.join("; "),
    }
}

/// Returns what is said of one flow of several, or everything where nothing names it.
fn messages_of(state: &Value, id: &str) -> String {
    let mut own = state.clone();
    if let Some(Value::Array(messages)) = own.get_mut("messages") {
        let names = |message: &Value| message["text"].as_str().is_some_and(|t| t.contains(id));
        if messages.iter().any(names) {
            messages.retain(names);
        }
    }
    messages(&own)
}

fn messages(state: &Value) -> String {
    let messages = state.get("messages").and_then(Value::as_array);
    let texts: Vec<&str> = messages
        .into_iter()
        .flatten()
        .filter(|message| message.get("type").and_then(Value::as_str) != Some("Warning"))
        .filter_map(|message| message.get("text")?.as_str())
        .collect();
    if let Some(text) = state
        .pointer("/errorInformation/message")
        .and_then(Value::as_str)
    {
        return text.to_owned();
    }
    if texts.is_empty() {
        "no reason given".to_owned()
    } else {
        texts.join("; ")
    }
}

pub(crate) fn text(body: &Value, field: &str) -> Result<String, JobError> {
    match body.get(field).and_then(Value::as_str) {
        Some(text) => Ok(text.to_owned()),
        None => Err(JobError::Nonsense(format!("{field} is missing"))),
    }
}
