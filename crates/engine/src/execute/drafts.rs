//! Data actions that change through a draft, which is then published; with the code of a function.
//!
//! Every call but the last leaves what is published as it is, and a draft that an earlier try left
//! behind is taken up again: done twice, it is done once.

use orgsmith_client::{Call, Client, Error, Listing, PageStyle, Replay, path_segment};
use orgsmith_core::catalogue::Descriptor;
use orgsmith_core::document::Template;
use orgsmith_core::id::TargetId;
use orgsmith_core::plan::{Code, Function, Step, Write};
use serde_json::{Value, json};

use super::recover::shows;
use super::send::{Failure, Sent, blob, failure, own_id};
use super::worker::{Worker, version_of};
use crate::jobs::{end_of, headers};

const ACTIONS: &str = "/api/v2/integrations/actions";

fn path_of(id: &str) -> String {
    format!("{ACTIONS}/{}", path_segment(id))
}

/// Writes a draft and publishes it.
pub(super) async fn send(
    worker: &Worker<'_>,
    step: &Step,
    descriptor: &Descriptor,
    (body, function): (&Template, Option<&Function>),
    version: Option<u64>,
) -> Result<Sent, Failure> {
    let client = &worker.execution.org.client;
    let failed = |error| failure(error, true);
    let mut change = body.bind(worker)?.into_value();
    let creates = matches!(step.write, Write::ActionDraft { creates: true, .. });
    let (id, draft, whole) = match creates {
        true => begin(client, &change).await?,
        false => {
            let id = own_id(worker, step)?;
            let draft = open(client, &id).await?;
            (id, draft, false)
        }
    };
    let path = path_of(id.as_str()) + "/draft";
    let mut written = draft;
    if !whole {
        if let Value::Object(fields) = &mut change {
            fields.retain(|name, _| is_draft_field(name, descriptor));
        }
        change["version"] = version_of(&written).or(version).unwrap_or(1).into();
        let call = Call::patch(&path).json(change).replay(Replay::Never);
        written = client.send(call).await.map_err(failed)?.body;
    }
    if let Some(function) = function {
        if let Some(code) = &function.code {
            upload(worker, &path, code).await?;
        }
        let settings = function.settings.bind(worker)?.into_value();
        let call = Call::put(format!("{path}/function")).json(settings);
        client.send(call).await.map_err(failed)?;
        // What was said of the function counts as a change of the draft.
        written = client.send(Call::get(&path)).await.map_err(failed)?.body;
    }
    let publish = json!({ "version": version_of(&written).unwrap_or(1) });
    let call = Call::post(format!("{path}/publish")).json(publish);
    let published = client.send(call).await.map_err(failed)?.body;
    Ok(Sent {
        id: Some(id),
        version: version_of(&published),
    })
}

fn is_draft_field(name: &str, descriptor: &Descriptor) -> bool {
    matches!(name, "category" | "name" | "config" | "contract" | "secure")
        && descriptor.fields.iter().any(|field| field == name)
}

/// Opens a draft of an action.
async fn open(client: &Client, id: &TargetId) -> Result<Value, Failure> {
    let path = path_of(id.as_str()) + "/draft";
    let failed = |error| failure(error, true);
    match client.send(Call::post(&path)).await {
        Ok(reply) => Ok(reply.body),
        // There is one already.
        Err(error) if matches!(error.status(), Some(400 | 409)) => {
            Ok(client.send(Call::get(&path)).await.map_err(failed)?.body)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Begins a new action with a draft, or finds the one that an earlier try began; tells whether it is
/// what it should be.
async fn begin(client: &Client, body: &Value) -> Result<(TargetId, Value, bool), Failure> {
    let failed = |error| failure(error, false);
    let unread = |reason: String| Failure::NotSent {
        reason: format!("the drafts of actions cannot be read: {reason}"),
        fatal: None,
    };
    let text = |value: &Value, field: &str| value.get(field)?.as_str().map(str::to_owned);
    let name = text(body, "name").unwrap_or_default();
    let drafts = Listing::new(format!("{ACTIONS}/drafts"), PageStyle::Offset).query("name", &name);
    let drafts = client.list(&drafts).await;
    let drafts = drafts.map_err(|error| unread(error.to_string()))?;
    let same = |draft: &&Value| {
        let mut key = ["integrationId", "category", "name"].into_iter();
        key.all(|field| draft.get(field).is_some() && draft.get(field) == body.get(field))
    };
    let mut begun = Vec::new();
    for draft in drafts.iter().filter(same) {
        let Some(id) = text(draft, "id") else {
            continue;
        };
        // The draft of a published action is somebody's change of that one.
        match client.send(Call::get(path_of(&id))).await {
            Ok(_) => {}
            Err(error) if error.status() == Some(404) => begun.push(id),
            Err(error) => return Err(failed(error)),
        }
    }
    match &begun[..] {
        [] => {
            let call = Call::post(format!("{ACTIONS}/drafts")).json(body.clone());
            let draft = client.send(call).await.map_err(failed)?.body;
            let id = text(&draft, "id");
            let id = id.ok_or_else(|| Failure::Unknown("the draft has no id".into()))?;
            Ok((TargetId::new(&id), draft, true))
        }
        [id] => {
            let call = Call::get(path_of(id) + "/draft");
            let draft = client.send(call).await.map_err(failed)?.body;
            Ok((TargetId::new(id), draft, false))
        }
        several => Err(Failure::said(format!(
            "{} drafts of a new action have its key ({}); delete all but one",
            several.len(),
            several.join(", ")
        ))),
    }
}

/// Uploads the code of a function to its draft, and waits until it can be used.
async fn upload(worker: &Worker<'_>, draft: &str, code: &Code) -> Result<(), Failure> {
    let org = worker.execution.org;
    let failed = |error| failure(error, false);
    let path = format!("{draft}/function");
    let before = match org.client.send(Call::get(&path)).await {
        Ok(reply) => reply.body,
        // A draft that is new has none.
        Err(error) if error.status() == Some(404) => Value::Null,
        Err(error) => return Err(failed(error)),
    };
    if has_code(&before, &code.name) {
        return Ok(());
    }
    let bytes = blob(worker, &code.file)?;
    // Uploading the same code twice is uploading it once.
    let call = Call::post(format!("{path}/upload"))
        .json(json!({ "fileName": code.name }))
        .replay(Replay::Safe);
    let offer = org.client.send(call).await.map_err(failed)?.body;
    let url = offer.get("url").and_then(Value::as_str);
    let url = url.ok_or_else(|| Failure::Unknown("the answer has no url".into()))?;
    let sent = headers(&offer, "headers");
    let uploaded = org.client.upload(url, &sent, "application/zip", bytes);
    uploaded.await.map_err(failed)?;
    let zip = |state: &Value| ["/zip/id", "/zip/name"].map(|field| state.pointer(field).cloned());
    let ended = |state: &Value| {
        // Until the new code is looked at, an answer may still be about the old.
        if zip(state) == zip(&before) {
            return None;
        }
        let status = state.pointer("/zip/status")?.as_str()?;
        match status {
            "Available" => Some(Ok(())),
            "Invalid" | "InvalidFormat" | "InvalidFile" => {
                let message = state.pointer("/zip/errorMessage").and_then(Value::as_str);
                let message = message.unwrap_or("no reason given");
                Some(Err(format!(
                    "the code {} is {status}: {message}",
                    code.name
                )))
            }
            _ => None,
        }
    };
    end_of(org, &Call::get(&path), &path, ended).await?;
    Ok(())
}

/// Tells whether an org has code of a name and can run it.
fn has_code(function: &Value, name: &str) -> bool {
    let is =
        |field: &str, wanted: &str| function.pointer(field).and_then(Value::as_str) == Some(wanted);
    is("/zip/name", name) && is("/zip/status", "Available")
}

/// Tells whether a published action runs what was to be published.
pub(super) async fn runs(
    worker: &Worker<'_>,
    function: &Function,
    id: &TargetId,
) -> Result<bool, Error> {
    let path = path_of(id.as_str()) + "/function";
    let live = worker
        .execution
        .org
        .client
        .send(Call::get(path))
        .await?
        .body;
    let code = function.code.as_ref();
    let bound = function.settings.bind(worker).ok();
    let settings = live.get("function").unwrap_or(&Value::Null);
    Ok(code.is_none_or(|code| has_code(&live, &code.name))
        && bound.is_some_and(|wanted| shows(&wanted.into_value(), settings)))
}
