//! Finds out what became of a request whose answer never came.
//!
//! Genesys Cloud knows no idempotency keys. A creation is looked up by natural key, after the time
//! in which a new object may be invisible; a change is looked up in the object. Only what is known
//! not to have happened is sent again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use orgsmith_client::Error;
use orgsmith_core::catalogue::{Catalogue, Descriptor, Part};
use orgsmith_core::document::{Bindings, Captured, Files, Stored, Template};
use orgsmith_core::flow;
use orgsmith_core::id::{ObjectRef, SourceId, TargetId};
use orgsmith_core::plan::{Action, Expected, Step, Write, pre_image};
use orgsmith_core::snapshot::{Names, Snapshot};
use serde_json::Value;

use super::drafts;
use super::worker::{Worker, version_of};
use crate::collect::details::{read_one, read_part};
use crate::collect::lists::{Failure, list};
use crate::jobs::{JobError, export_flows};

/// What the target shows of a step.
pub(super) enum Probe {
    /// It was done.
    Done {
        id: Option<TargetId>,
        version: Option<u64>,
    },
    /// It was not, and may be sent again.
    NotDone,
    /// A person must look.
    Undecided(String),
    /// The target cannot be asked.
    Failed(Error),
}

/// Asks the target whether a step was done.
pub(super) async fn probe(worker: &Worker<'_>, step: &Step, descriptor: &Descriptor) -> Probe {
    match &step.write {
        Write::Request(request) if request.creates => {
            return look_up(worker, step, descriptor).await;
        }
        Write::FlowImport { source } => return imported(worker, step, descriptor, source).await,
        Write::FileImport { .. } if step.action == Action::Create => {
            return look_up(worker, step, descriptor).await;
        }
        // A draft that was left behind is none of the objects, and is taken up again.
        Write::ActionDraft { creates: true, .. } => {
            return look_up(worker, step, descriptor).await;
        }
        // Importing a file again makes what it says once more, and nothing twice.
        Write::Upload { .. } | Write::FileImport { .. } | Write::RowsImport { .. } => {
            return Probe::NotDone;
        }
        Write::Request(_) | Write::ActionDraft { .. } => {}
    }
    match step.action {
        Action::Delete => deleted(worker, step, descriptor).await,
        _ => changed(worker, step, descriptor).await,
    }
}

/// Looks a created object up by its natural key until it shows, or must have shown by now.
async fn look_up(worker: &Worker<'_>, step: &Step, descriptor: &Descriptor) -> Probe {
    let began = Instant::now();
    let mut wait = Duration::from_millis(200);
    loop {
        match find(worker, &step.object, descriptor).await {
            Ok(found) if found.is_empty() => {}
            Ok(found) => {
                // A new version is known by the key of the old one.
                let old = worker
                    .id(&step.object)
                    .filter(|_| step.action != Action::Create);
                if old.is_some_and(|old| found.iter().all(|f| f.id.as_str() == old.as_str())) {
                    return Probe::NotDone;
                }
                let [captured] = &found[..] else {
                    let ids: Vec<_> = found.iter().map(|captured| captured.id.as_str()).collect();
                    return Probe::Undecided(format!(
                        "{} objects have its key ({}); choose one with `orgsmith map pin` and delete the others",
                        found.len(),
                        ids.join(", ")
                    ));
                };
                return Probe::Done {
                    id: Some(TargetId::new(captured.id.as_str())),
                    version: version_of(&captured.body()),
                };
            }
            Err(Failure::Call(error)) => return Probe::Failed(error),
            Err(Failure::Answer(reason)) => return Probe::Undecided(reason),
        }
        if began.elapsed() >= worker.lag(descriptor) {
            return Probe::NotDone;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(5));
    }
}

/// Tells whether what a step is to create is there, of somebody else.
pub(super) async fn is_taken(worker: &Worker<'_>, step: &Step, descriptor: &Descriptor) -> bool {
    let found = find(worker, &step.object, descriptor).await;
    found.is_ok_and(|found| !found.is_empty())
}

/// Returns the objects of the target that have a key.
pub(super) async fn find(
    worker: &Worker<'_>,
    object: &ObjectRef,
    descriptor: &Descriptor,
) -> Result<Vec<Stored>, Failure> {
    let org = worker.execution.org;
    let mut snapshot = Snapshot::default();
    for descriptor in key_kinds(worker.execution.catalogue, descriptor) {
        let listed = list(org, descriptor, &snapshot.objects, false).await;
        if let Some((_, failure)) = listed.failures.into_iter().next() {
            return Err(failure);
        }
        snapshot
            .objects
            .insert(descriptor.kind.clone(), listed.objects);
    }
    Ok(of_key(worker, object, snapshot))
}

/// Takes out of what was listed the objects that have a key.
pub(super) fn of_key(
    worker: &Worker<'_>,
    object: &ObjectRef,
    mut snapshot: Snapshot,
) -> Vec<Stored> {
    let names = Names::new(worker.execution.catalogue, &snapshot, &BTreeMap::new());
    let mut shared = names.ambiguous().iter();
    let ids: Vec<String> = match shared.find(|several| several.object == *object) {
        Some(several) => several.ids.clone(),
        None => names
            .iter()
            .filter(|(_, named)| *named == object)
            .map(|(id, _)| id.to_owned())
            .collect(),
    };
    let objects = snapshot.objects.remove(&object.kind).unwrap_or_default();
    let is_meant = |captured: &Stored| ids.iter().any(|id| id == captured.id.as_str());
    objects.into_iter().filter(is_meant).collect()
}

/// Returns the kinds that must be listed to know a kind's keys, its own last: those that its keys
/// lean on, and those for whose objects its lists are read.
fn key_kinds<'c>(catalogue: &'c Catalogue, descriptor: &'c Descriptor) -> Vec<&'c Descriptor> {
    let leans_on = descriptor.key_references().map(|(kind, _)| kind);
    let owners = descriptor.list.iter().filter_map(|list| list.each.as_ref());
    let mut found: Vec<&Descriptor> = Vec::new();
    let others = leans_on
        .chain(owners)
        .chain(&descriptor.key.names)
        .filter(|kind| **kind != descriptor.kind);
    for other in others.filter_map(|kind| catalogue.get(kind.as_str()).ok()) {
        for kind in key_kinds(catalogue, other) {
            if !found.iter().any(|known| known.kind == kind.kind) {
                found.push(kind);
            }
        }
    }
    found.push(descriptor);
    found
}

/// Finds out whether a change was made.
///
/// Without a version the change may simply be made again: it says what the object is to be, not
/// what is to be done to it. With one, the object tells by its version.
async fn changed(worker: &Worker<'_>, step: &Step, descriptor: &Descriptor) -> Probe {
    let versioned = step.write.is_versioned();
    let Some(id) = worker.id(&step.object) else {
        return Probe::Undecided("it has no id in the target".into());
    };
    if !versioned {
        return match &step.expected {
            Some(Expected::PreImage(before)) => {
                replaced(worker, step, descriptor, id, before).await
            }
            Some(Expected::Version(_)) | None => part_written(worker, step, descriptor, id).await,
        };
    }
    let live = match read_one(worker.execution.org, descriptor, id.as_str()).await {
        Ok(Some(live)) => live,
        Ok(None) => return Probe::Undecided("the API cannot show it".into()),
        Err(error) => return Probe::Failed(error),
    };
    let version = version_of(&live);
    let wanted = match &step.write {
        Write::Request(request) => request.body.as_ref(),
        Write::ActionDraft { body, .. } => Some(body),
        Write::FlowImport { .. }
        | Write::FileImport { .. }
        | Write::Upload { .. }
        | Write::RowsImport { .. } => None,
    };
    let mut holds = wanted
        .and_then(|wanted| wanted.bind(worker).ok())
        .is_some_and(|wanted| shows(&wanted.into_value(), &live));
    if let Write::ActionDraft {
        function: Some(function),
        ..
    } = &step.write
        && holds
    {
        holds = match drafts::runs(worker, function, &id).await {
            Ok(runs) => runs,
            Err(error) => return Probe::Failed(error),
        };
    }
    match (&step.expected, version) {
        _ if holds => Probe::Done {
            id: Some(id),
            version,
        },
        (Some(Expected::Version(before)), Some(now)) if now != *before => {
            Probe::Undecided("somebody else changed it at the same time; plan again".into())
        }
        _ => Probe::NotDone,
    }
}

/// Finds out whether a change without a version was made: the object is what the request asked for,
/// and not what it was before.
async fn replaced(
    worker: &Worker<'_>,
    step: &Step,
    descriptor: &Descriptor,
    id: TargetId,
    before: &str,
) -> Probe {
    let Write::Request(request) = &step.write else {
        return Probe::NotDone;
    };
    let live = match read_one(worker.execution.org, descriptor, id.as_str()).await {
        Ok(Some(live)) => live,
        Ok(None) => return Probe::NotDone,
        Err(error) => return Probe::Failed(error),
    };
    if pre_image(descriptor, &live) == *before {
        return Probe::NotDone;
    }
    let bound = |template: Option<&Template>| Some(template?.bind(worker).ok()?.into_value());
    let moves = step.changes.iter().all(|change| change.path == "division");
    let holds = match bound(request.body.as_ref()) {
        // A move says the division in its path.
        Some(Value::Array(_)) if moves => {
            bound(request.params.first()).as_ref() == live.pointer("/division/id")
        }
        Some(wanted) => shows(&wanted, &live),
        None => false,
    };
    if holds {
        Probe::Done {
            id: Some(id),
            version: version_of(&live),
        }
    } else {
        Probe::NotDone
    }
}

/// Finds out whether a flow has the source that was sent. Sending it again makes nothing twice, but
/// a flow that existed would look as if somebody else had changed it.
async fn imported(
    worker: &Worker<'_>,
    step: &Step,
    descriptor: &Descriptor,
    source: &str,
) -> Probe {
    let (Some(Expected::PreImage(before)), Some(id)) = (&step.expected, worker.id(&step.object))
    else {
        return Probe::NotDone;
    };
    let org = worker.execution.org;
    match read_one(org, descriptor, id.as_str()).await {
        Ok(Some(live)) if pre_image(descriptor, &live) != *before => {}
        Ok(_) => return Probe::NotDone,
        Err(error) => return Probe::Failed(error),
    }
    let ids = [id.as_str().to_owned()];
    let live = match export_flows(org, &ids).await.remove(id.as_str()) {
        Some(Ok((_, live))) => live,
        Some(Err(JobError::Call(error))) => return Probe::Failed(error),
        Some(Err(error)) => return Probe::Undecided(error.to_string()),
        None => return Probe::NotDone,
    };
    let blob = worker.execution.plan.blobs.get(source);
    let sent = blob.and_then(|blob| blob.bytes()).unwrap_or_default();
    let meaning = |bytes: &[u8]| flow::canonical(std::str::from_utf8(bytes).ok()?).ok();
    let equal = *live == *sent || meaning(&live).is_some_and(|live| Some(live) == meaning(&sent));
    if equal {
        Probe::Done {
            id: Some(id),
            version: None,
        }
    } else {
        Probe::NotDone
    }
}

/// Finds out whether a part was written, where doing so twice is refused: items that are there
/// already, and a single object with a version of its own. Everything else may be sent again.
async fn part_written(
    worker: &Worker<'_>,
    step: &Step,
    descriptor: &Descriptor,
    id: TargetId,
) -> Probe {
    let Write::Request(request) = &step.write else {
        return Probe::NotDone;
    };
    let part = descriptor.parts.iter().find(|part| {
        let once = if part.first_version.is_some() {
            &part.replace
        } else {
            &part.add
        };
        once.as_ref()
            .is_some_and(|call| call.path == request.path && call.method == request.method)
    });
    let body = request
        .body
        .as_ref()
        .and_then(|body| body.bind(worker).ok());
    let Some((part, wanted)) = part.filter(|_| request.query.is_empty()).zip(body) else {
        return Probe::NotDone;
    };
    let wanted = wanted.into_value();
    let live = match live_part(worker, descriptor, part, &id).await {
        Ok(live) => live,
        Err(Failure::Call(error)) => return Probe::Failed(error),
        Err(Failure::Answer(reason)) => return Probe::Undecided(reason),
    };
    let done = if part.single {
        shows(&wanted, &live)
    } else {
        let have = identities(part, &live);
        identities(part, &wanted)
            .iter()
            .all(|item| have.contains(item))
    };
    if done {
        Probe::Done {
            id: Some(id),
            version: None,
        }
    } else if part.single && version_of(&live) != version_of(&wanted) {
        Probe::Undecided("somebody else changed it at the same time; plan again".into())
    } else {
        Probe::NotDone
    }
}

async fn live_part(
    worker: &Worker<'_>,
    descriptor: &Descriptor,
    part: &Part,
    id: &TargetId,
) -> Result<Value, Failure> {
    let org = worker.execution.org;
    if part.list.is_none() {
        let live = read_one(org, descriptor, id.as_str())
            .await
            .map_err(Failure::Call)?;
        return Ok(live
            .and_then(|live| live.get(&part.field).cloned())
            .unwrap_or_default());
    }
    // A list of one version of the object needs the object.
    let needs = part
        .list
        .as_ref()
        .is_some_and(|list| list.version.is_some());
    let body = match needs {
        true => read_one(org, descriptor, id.as_str())
            .await
            .map_err(Failure::Call)?
            .unwrap_or_default(),
        false => Value::Null,
    };
    let id = SourceId::new(id.as_str());
    let captured = Captured {
        id,
        body,
        files: Files::default(),
    };
    let unconditional = Part {
        when: None,
        ..part.clone()
    };
    Ok(read_part(org, &unconditional, &captured)
        .await?
        .unwrap_or_default())
}

/// Returns what identifies the items in a body: one item, a list of them, or a list of ids.
fn identities(part: &Part, body: &Value) -> BTreeSet<String> {
    let items: Vec<&Value> = match body {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) if map.len() == 1 && map.values().all(Value::is_array) => {
            map.values().filter_map(Value::as_array).flatten().collect()
        }
        item => vec![item],
    };
    let identity = |item: &Value| {
        let field = part.identity.first().and_then(|field| item.get(field));
        let id = field.or_else(|| item.get("id")).unwrap_or(item);
        id.get("id").unwrap_or(id).as_str().map(str::to_owned)
    };
    items.into_iter().filter_map(identity).collect()
}

/// Tells whether an object has what a request asked for, as far as both speak of it.
pub(super) fn shows(wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => wanted.iter().all(|(name, wanted)| {
            name == "version"
                || match live.get(name) {
                    Some(live) => shows(wanted, live),
                    None => false,
                }
        }),
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() == live.len()
                && wanted
                    .iter()
                    .all(|wanted| live.iter().any(|live| shows(wanted, live)))
        }
        // A reference may be sent as an id and be shown as an object.
        (Value::String(id), Value::Object(live)) => {
            live.get("id").and_then(Value::as_str) == Some(id)
        }
        (wanted, live) => wanted == live,
    }
}

async fn deleted(worker: &Worker<'_>, step: &Step, descriptor: &Descriptor) -> Probe {
    let Some(id) = worker.id(&step.object) else {
        return Probe::Done {
            id: None,
            version: None,
        };
    };
    match read_one(worker.execution.org, descriptor, id.as_str()).await {
        Err(error) if error.status() == Some(404) => Probe::Done {
            id: Some(id),
            version: None,
        },
        Ok(Some(live)) if live.get("state").and_then(Value::as_str) == Some("deleted") => {
            Probe::Done {
                id: Some(id),
                version: None,
            }
        }
        Ok(_) => Probe::NotDone,
        Err(error) => Probe::Failed(error),
    }
}
