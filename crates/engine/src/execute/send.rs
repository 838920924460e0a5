//! Turns a step into calls.

use std::collections::BTreeMap;
use std::fmt;

use orgsmith_client::{Call, Error, Listing, Method, PageStyle, Replay, path_segment};
use orgsmith_core::catalogue::{Descriptor, DraftSpec, Driver};
use orgsmith_core::document::{Bindings, Slot, Template, Unbound, for_each_slot};
use orgsmith_core::file_refs::SELF;
use orgsmith_core::id::TargetId;
use orgsmith_core::path::FieldPath;
use orgsmith_core::plan::{Action, Request, Step, Write};
use serde_json::{Value, json};
use std::time::Duration;

use super::Cause;
use super::brought::learn_brought;
use super::drafts;
use super::worker::{Worker, is_fatal, version_of};
use crate::chain::chain;
use crate::collect::details::{with_id, with_ids};
use crate::files;
use crate::jobs::{self, JobError, headers};

/// Waits between looks at a prompt whose audio is being transcoded.
const TRANSCODING: [u64; 8] = [200, 500, 1000, 2000, 4000, 8000, 15_000, 30_000];

/// What the target answered.
pub(super) struct Sent {
    pub(super) id: Option<TargetId>,
    pub(super) version: Option<u64>,
}

/// Why a step is not done.
pub(super) enum Failure {
    /// The target said no.
    Refused {
        reason: Refusal,
        cause: Option<Cause>,
    },
    /// No answer came.
    Unknown(String),
    /// The request never left.
    NotSent {
        reason: String,
        fatal: Option<Error>,
    },
}

/// What the target said, with the status it said it with.
pub(super) struct Refusal {
    status: Option<u16>,
    text: String,
}

impl Refusal {
    pub(super) fn status(&self) -> Option<u16> {
        self.status
    }

    /// Tells whether it may be about another object of the same name.
    pub(super) fn may_be_a_duplicate(&self) -> bool {
        let says = |word: &str| self.text.to_ascii_lowercase().contains(word);
        self.status == Some(409) || self.status == Some(400) && (says("duplicate") || says("exist"))
    }
}

impl From<Refusal> for String {
    fn from(refusal: Refusal) -> Self {
        refusal.text
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Failure {
    /// The target said no, without a status.
    pub(super) fn said(text: String) -> Self {
        Self::Refused {
            reason: Refusal { status: None, text },
            cause: None,
        }
    }
}

impl From<Unbound> for Failure {
    fn from(unbound: Unbound) -> Self {
        Self::NotSent {
            reason: unbound.to_string(),
            fatal: None,
        }
    }
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Call(error) => failure(error, false),
            JobError::Failed(_) => Self::said(error.to_string()),
            // The import may still end well; looking again tells.
            JobError::Endless(_) | JobError::Nonsense(_) => Self::Unknown(error.to_string()),
        }
    }
}

/// Sends a step.
pub(super) async fn send(
    worker: &Worker<'_>,
    step: &Step,
    descriptor: &Descriptor,
    version: Option<u64>,
) -> Result<Sent, Failure> {
    learn_brought(worker, step).await?;
    match &step.write {
        Write::Request(request) => match &descriptor.draft {
            Some(draft) if step.action != Action::Delete => {
                send_published(worker, step, draft, request).await
            }
            _ => send_request(worker, step, descriptor, request, version).await,
        },
        Write::FlowImport { source } => {
            let id = jobs::import_flow(worker.execution.org, &blob(worker, source)?).await?;
            Ok(Sent {
                id: Some(TargetId::new(&id)),
                version: None,
            })
        }
        Write::Upload { name, file } => {
            let id = own_id(worker, step)?;
            let bytes = blob(worker, file)?;
            let (place, end) = name.rsplit_once('.').unwrap_or((name, ""));
            if descriptor.driver == Driver::Grammar {
                upload_grammar(worker, id.as_str(), place, end, bytes).await?;
            } else {
                upload_audio(worker, id.as_str(), place, bytes).await?;
            }
            Ok(Sent {
                id: Some(id),
                version: None,
            })
        }
        Write::RowsImport { rows } => {
            let id = own_id(worker, step)?;
            let rows = blob(worker, rows)?;
            jobs::import_rows(worker.execution.org, id.as_str(), rows).await?;
            Ok(Sent {
                id: Some(id),
                version: None,
            })
        }
        Write::FileImport { file, body, slots } => {
            let file = filled(worker, step, blob(worker, file)?, slots)?;
            let body = body.bind(worker)?.into_value();
            let own = worker.id(&step.object);
            let id =
                files::upload(worker.execution.org, descriptor, own.as_ref(), body, file).await?;
            Ok(Sent {
                id: Some(id),
                version: None,
            })
        }
        Write::ActionDraft {
            body,
            function,
            creates: _,
        } => drafts::send(worker, step, descriptor, (body, function.as_ref()), version).await,
    }
}

/// Puts ids of the target into a file in place of its slots.
fn filled(
    worker: &Worker<'_>,
    step: &Step,
    bytes: Vec<u8>,
    slots: &BTreeMap<String, Template>,
) -> Result<Vec<u8>, Failure> {
    let Ok(mut text) = String::from_utf8(bytes.clone()) else {
        return Ok(bytes);
    };
    for (slot, object) in slots {
        let id = object.bind(worker)?.into_value();
        text = text.replace(slot.as_str(), id.as_str().unwrap_or_default());
    }
    // The id of a new object is not known yet; the service gives it another in any case.
    let own = worker.id(&step.object);
    let own = own.as_ref().map_or(NO_ID, TargetId::as_str);
    Ok(text.replace(SELF, own).into_bytes())
}

/// The id that is nobody's.
const NO_ID: &str = "00000000-0000-0000-0000-000000000000";

async fn send_request(
    worker: &Worker<'_>,
    step: &Step,
    descriptor: &Descriptor,
    request: &Request,
    version: Option<u64>,
) -> Result<Sent, Failure> {
    let newest = newest_versions(worker, descriptor, request).await?;
    let call = request_call(worker, request, version, &newest)?;
    let result = worker.execution.org.client.send(call).await;
    match result {
        Ok(reply) => {
            if let Some(reason) = refused_in_part(&reply.body) {
                return Err(Failure::Refused {
                    reason,
                    cause: None,
                });
            }
            let id = new_id(worker, request, descriptor, &reply.body);
            let id = id.filter(|_| request.creates);
            if request.creates && id.is_none() {
                return Err(Failure::Unknown(
                    "the answer to the creation has no id".into(),
                ));
            }
            if let Some(job) = &request.job {
                let started = reply.body.get("id").and_then(Value::as_str);
                let Some(started) = started else {
                    return Err(Failure::Unknown("the answer names no job".into()));
                };
                let path = bound_path(worker, &job.path, &request.params)?;
                let path = with_id(&path, started);
                jobs::wait(worker.execution.org, &path, job).await?;
            }
            let id = id.or_else(|| worker.id(&step.object));
            Ok(Sent {
                id,
                version: version_of(&reply.body),
            })
        }
        Err(error) if step.action == Action::Delete && error.status() == Some(404) => Ok(Sent {
            id: worker.id(&step.object),
            version: None,
        }),
        Err(error) => Err(failure(error, carries_version(request))),
    }
}

/// Says what a call for many did not do, which some answer with a success: who is in another team.
fn refused_in_part(answer: &Value) -> Option<Refusal> {
    let failures = answer
        .get("failures")?
        .as_array()
        .filter(|list| !list.is_empty())?;
    let told = failures.iter().map(|failure| {
        let text = |field: &str| failure.get(field).and_then(Value::as_str).unwrap_or("?");
        format!("{}: {}", text("id"), text("reason"))
    });
    Some(Refusal {
        status: None,
        text: format!("not done for {}", told.collect::<Vec<_>>().join(", ")),
    })
}

/// Writes the draft of an object and publishes it; the published version has an id of its own.
async fn send_published(
    worker: &Worker<'_>,
    step: &Step,
    spec: &DraftSpec,
    request: &Request,
) -> Result<Sent, Failure> {
    let client = &worker.execution.org.client;
    let failed = |error| failure(error, false);
    let mut request = request.clone();
    if !request.creates {
        let id = own_id(worker, step)?;
        let listing = Listing::new(with_ids(&spec.versions, id.as_str()), PageStyle::Offset);
        let versions = client
            .list(&listing)
            .await
            .map_err(|error| Failure::NotSent {
                reason: format!("its versions cannot be read: {error}"),
                fatal: None,
            })?;
        let draft = versions
            .iter()
            .find(|version| version.get("published") == Some(&Value::Bool(false)))
            .and_then(|version| version.get("id")?.as_str());
        // Where there is no draft, changing the published version makes one.
        request.path = with_ids(&request.path, draft.unwrap_or(id.as_str()));
        request.params.clear();
    }
    let call = request_call(worker, &request, None, &[])?;
    let written = client.send(call).await.map_err(failed)?.body;
    let draft = written.get("id").and_then(Value::as_str);
    let draft = draft.ok_or_else(|| Failure::Unknown("the answer has no id".into()))?;
    let call = Call::post(&spec.path).json(json!({ "id": draft, "published": true }));
    let published = client.send(call).await.map_err(failed)?.body;
    let id = published.get("id").and_then(Value::as_str).unwrap_or(draft);
    Ok(Sent {
        id: Some(TargetId::new(id)),
        version: None,
    })
}

/// Returns the id that an answer gives an object, below the ids of what it lives in.
fn new_id(
    worker: &Worker<'_>,
    request: &Request,
    descriptor: &Descriptor,
    answer: &Value,
) -> Option<TargetId> {
    if descriptor.singleton {
        return Some(TargetId::new(descriptor.kind.as_str()));
    }
    let mut ids = match request.params.first() {
        Some(parent) => parent.bind_params(worker).ok()?,
        None => Vec::new(),
    };
    if descriptor
        .parent
        .as_ref()
        .is_some_and(|parent| parent.alone)
    {
        return Some(TargetId::new(&ids.join("/")));
    }
    ids.push(answer.get(&descriptor.id)?.as_str()?.to_owned());
    Some(TargetId::new(&ids.join("/")))
}

/// Tells whether a request says which version it changes: the object's, or that of a part.
fn carries_version(request: &Request) -> bool {
    let own = |body: &Template| body.value().get("version").is_some();
    request.versioned || request.body.as_ref().is_some_and(own)
}

/// Puts the ids that parameters stand for into a path.
fn bound_path(worker: &Worker<'_>, path: &str, params: &[Template]) -> Result<String, Failure> {
    let mut path = path.to_owned();
    for id in params {
        for id in id.bind_params(worker)? {
            path = with_id(&path, &id);
        }
    }
    Ok(path)
}

/// Fills the slots of a request.
fn request_call(
    worker: &Worker<'_>,
    request: &Request,
    version: Option<u64>,
    newest: &[(&FieldPath, String)],
) -> Result<Call, Failure> {
    let path = bound_path(worker, &request.path, &request.params)?;
    if path.contains('{') {
        return Err(Failure::NotSent {
            reason: format!("{path} lacks an id that is in it"),
            fatal: None,
        });
    }
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| Failure::NotSent {
        reason: format!("{:?} is no HTTP method", request.method),
        fatal: None,
    })?;
    let once = method == Method::POST || request.versioned || request.creates;
    let mut call = Call::new(method, path).replay(if once { Replay::Never } else { Replay::Safe });
    for (name, value) in &request.query {
        call = call.query(name, joined(value.bind(worker)?.into_value()));
    }
    if let Some(template) = &request.body {
        let mut body = template.bind(worker)?;
        if let Some(version) = version.filter(|_| request.versioned) {
            body.set("version", Value::from(version));
        }
        let mut body = body.into_value();
        for (path, version) in newest {
            path.retain(&mut body, &mut |value| {
                if let Value::Object(reference) = value {
                    reference.insert("version".to_owned(), version.clone().into());
                }
                true
            });
        }
        call = hide_secrets(worker, template, call).json(body);
    }
    Ok(call)
}

/// Finds the newest versions of what a request refers to, where it must say one.
async fn newest_versions<'d>(
    worker: &Worker<'_>,
    descriptor: &'d Descriptor,
    request: &Request,
) -> Result<Vec<(&'d FieldPath, String)>, Failure> {
    let mut found = Vec::new();
    for reference in &descriptor.references {
        let (Some(list), Some(template)) = (&reference.newest, &request.body) else {
            continue;
        };
        let body = template.bind(worker)?.into_value();
        let id = reference.path.get(&body).and_then(|value| value.get("id"));
        let Some(id) = id.and_then(Value::as_str) else {
            continue;
        };
        let listing = Listing::new(with_id(list, id), PageStyle::cursor());
        let rows = worker.execution.org.client.list(&listing).await;
        let rows = rows.map_err(|error| Failure::NotSent {
            reason: format!(
                "the versions of {} cannot be read: {}",
                reference.path,
                chain(&error)
            ),
            fatal: None,
        })?;
        let newest = rows.iter().filter_map(version_of).max();
        let newest = newest.ok_or_else(|| Failure::NotSent {
            reason: format!(
                "{} names an object without a published version",
                reference.path
            ),
            fatal: None,
        })?;
        found.push((&reference.path, newest.to_string()));
    }
    Ok(found)
}

/// Keeps secrets out of what the client says of a call; services quote what they refuse.
fn hide_secrets(worker: &Worker<'_>, template: &Template, call: Call) -> Call {
    let mut call = call;
    for_each_slot(&template.value(), &mut |slot| {
        if let Slot::Secret(name) = slot
            && let Some(secret) = worker.secret(&name)
        {
            call = call.clone().hide(secret.expose().to_owned().into());
        }
    });
    call
}

fn joined(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Array(list) => list.into_iter().map(joined).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// Uploads the file of a grammar's language; `place` is language and mode, such as `en-us.voice`.
async fn upload_grammar(
    worker: &Worker<'_>,
    grammar: &str,
    place: &str,
    file_type: &str,
    bytes: Vec<u8>,
) -> Result<(), Failure> {
    let client = &worker.execution.org.client;
    let failed = |error| failure(error, false);
    let (language, mode) = place.rsplit_once('.').unwrap_or((place, "voice"));
    let path = format!(
        "/api/v2/architect/grammars/{}/languages/{}/files/{}",
        path_segment(grammar),
        path_segment(language),
        path_segment(mode)
    );
    // Uploading the same file twice is uploading it once.
    let call = Call::post(path)
        .json(json!({ "fileType": file_type }))
        .replay(Replay::Safe);
    let upload = client.send(call).await.map_err(failed)?.body;
    let url = upload.get("url").and_then(Value::as_str);
    let headers = headers(&upload, "headers");
    client
        .upload(
            url.unwrap_or_default(),
            &headers,
            "application/octet-stream",
            bytes,
        )
        .await
        .map_err(failed)
}

/// Uploads audio and waits until the target can play it.
async fn upload_audio(
    worker: &Worker<'_>,
    prompt: &str,
    language: &str,
    bytes: Vec<u8>,
) -> Result<(), Failure> {
    let client = &worker.execution.org.client;
    let failed = |error| failure(error, false);
    let resource = format!(
        "/api/v2/architect/prompts/{}/resources/{}",
        path_segment(prompt),
        path_segment(language)
    );
    // Uploading the same audio twice is uploading it once.
    let call = Call::post(format!("{resource}/uploads")).replay(Replay::Safe);
    let upload = client.send(call).await.map_err(failed)?.body;
    let url = upload
        .get("url")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let headers = headers(&upload, "headers");
    client
        .upload(url, &headers, "audio/wav", bytes)
        .await
        .map_err(failed)?;
    for wait in TRANSCODING {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let state = client
            .send(Call::get(&resource))
            .await
            .map_err(failed)?
            .body;
        match state.get("uploadStatus").and_then(Value::as_str) {
            Some("transcoded") => return Ok(()),
            Some("transcodeFailed") => {
                let text = format!("the audio of {language} could not be transcoded");
                return Err(Failure::said(text));
            }
            _ => {}
        }
    }
    Err(Failure::Unknown(format!(
        "the audio of {language} is still not transcoded"
    )))
}

pub(super) fn own_id(worker: &Worker<'_>, step: &Step) -> Result<TargetId, Failure> {
    worker
        .id(&step.object)
        .ok_or_else(|| Unbound::Ref(step.object.clone()).into())
}

pub(super) fn blob(worker: &Worker<'_>, digest: &str) -> Result<Vec<u8>, Failure> {
    let blob = worker
        .execution
        .plan
        .blobs
        .get(digest)
        .and_then(|blob| blob.bytes());
    blob.ok_or_else(|| Failure::NotSent {
        reason: format!("the plan lacks the content {digest}"),
        fatal: None,
    })
}

/// Sorts a failed call: said no, said nothing, or never asked.
pub(super) fn failure(error: Error, versioned: bool) -> Failure {
    if error.may_have_been_acted_on() && !is_clear_refusal(&error) {
        return Failure::Unknown(chain(&error));
    }
    if let Error::Barred { .. } = &error {
        return Failure::NotSent {
            reason: chain(&error),
            fatal: None,
        };
    }
    if is_fatal(&error) {
        return Failure::NotSent {
            reason: chain(&error),
            fatal: Some(error),
        };
    }
    let status = error.status();
    let says = |text: &str| {
        error
            .refusal()
            .is_some_and(|refusal| refusal.message.contains(text))
    };
    let stale = versioned && (status == Some(409) || says("does not match the current version"));
    let cause = match status {
        _ if stale => Some(Cause::Moved),
        Some(403) => Some(Cause::Denied),
        Some(429) => Some(Cause::Throttled),
        _ => None,
    };
    let reason = Refusal {
        status,
        text: chain(&error),
    };
    Failure::Refused { reason, cause }
}

/// A refusal that arrived after a lost answer may be about what the lost one did.
fn is_clear_refusal(error: &Error) -> bool {
    match error {
        Error::Refused { refusal, .. } => {
            !refusal.after_lost || !matches!(refusal.status, 400 | 404 | 409)
        }
        _ => false,
    }
}
