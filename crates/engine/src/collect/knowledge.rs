//! Variations of knowledge documents: from one file of a whole base, or by a list for each document.
//!
//! The file has no contexts of variations, which a change of one sends back as they are in the target:
//! where an org may be written to, the lists are asked.

use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, stream};
use orgsmith_client::{Call, Replay, path_segment};
use orgsmith_core::catalogue::Descriptor;
use orgsmith_core::document::Stored;
use orgsmith_core::id::{Kind, own_id};
use serde_json::{Value, json};

use super::lists::{self, Listed};
use crate::jobs::{JobError, end_of, text};
use crate::org::Org;

/// Up to so many documents of a base are asked one by one: a job takes some calls, too, and some
/// seconds.
const BY_LISTS: usize = 10;
/// Bases whose files are under way at once.
const JOBS: usize = 4;
/// The form of the file that is understood.
const FORM: u64 = 3;

/// Variations by the id of their document.
type Variations = HashMap<String, Vec<Value>>;

/// Lists the variations of all documents.
pub(super) async fn list(
    org: &Org,
    descriptor: &Descriptor,
    owners: &BTreeMap<Kind, Vec<Stored>>,
) -> Listed {
    let spec = descriptor.list.first();
    let Some((spec, kind)) = spec.and_then(|spec| Some((spec, spec.each.as_ref()?))) else {
        return lists::list(org, descriptor, owners, false).await;
    };
    let mut bases: BTreeMap<&str, Vec<&Stored>> = BTreeMap::new();
    for document in owners.get(kind).into_iter().flatten() {
        let id = document.id.as_str();
        let base = id.split_once('/').map_or(id, |(base, _)| base);
        bases.entry(base).or_default().push(document);
    }
    let large = bases.iter().filter(|(_, own)| own.len() > BY_LISTS);
    let mut files = stream::iter(large.map(|(base, _)| *base).collect::<Vec<_>>())
        .map(|base| async move { (base, export(org, base).await) })
        .buffered(JOBS);
    let mut known = Variations::new();
    while let Some((base, file)) = files.next().await {
        match file {
            Ok(variations) => known.extend(variations),
            Err(error) => {
                tracing::info!(org = %org.name, base, %error, "its documents are asked one by one, as no file has them");
            }
        }
    }
    drop(files);
    let documents = owners.get(kind).into_iter().flatten();
    let (told, rest): (Vec<&Stored>, Vec<&Stored>) =
        documents.partition(|document| known.contains_key(own_id(document.id.as_str())));
    let rest = BTreeMap::from([(kind.clone(), rest.into_iter().cloned().collect())]);
    let mut listed = lists::list(org, descriptor, &rest, false).await;
    for document in told {
        let rows = known.remove(own_id(document.id.as_str()));
        listed.add(descriptor, spec, document, rows.unwrap_or_default());
    }
    listed.objects.sort_by(|a, b| a.id.cmp(&b.id));
    listed
}

/// Lets the org write a base into a file, and takes the variations out of it.
async fn export(org: &Org, base: &str) -> Result<Variations, JobError> {
    let jobs = format!(
        "/api/v2/knowledge/knowledgebases/{}/export/jobs",
        path_segment(base)
    );
    let wanted = json!({
        "exportFilter": {"versionFilter": "Latest", "exclude": ["Categories", "Labels"]},
        "fileType": "Json",
        "jsonFileVersion": FORM,
    });
    // The job changes nothing, so it may be registered twice.
    let call = Call::post(&jobs).json(wanted).replay(Replay::Safe);
    let job = text(&org.client.send(call).await?.body, "id")?;
    let ended = |state: &Value| match state.get("status")?.as_str()? {
        "Completed" => Some(Ok(())),
        status @ ("PartialCompleted" | "Failed" | "ValidationFailed" | "Aborted") => {
            let message = state.pointer("/errorInformation/message");
            let message = message.and_then(Value::as_str).unwrap_or("no reason given");
            Some(Err(format!("{status}: {message}")))
        }
        _ => None,
    };
    let call = Call::get(format!("{jobs}/{}", path_segment(&job)));
    let state = end_of(org, &call, &job, ended).await?;
    let file = org.client.download(&text(&state, "downloadURL")?).await?;
    let file: Value =
        serde_json::from_slice(&file).map_err(|error| JobError::Nonsense(error.to_string()))?;
    variations(&file)
}

/// Takes the variations of documents out of a file; what they are as a draft counts, where there is
/// one. A document whose variations the file does not say as a list would is left out.
fn variations(file: &Value) -> Result<Variations, JobError> {
    if file.get("version").and_then(Value::as_u64) != Some(FORM) {
        return Err(JobError::Nonsense(format!(
            "the file is not of version {FORM}"
        )));
    }
    let documents = file.pointer("/importAction/documents");
    let documents = documents.and_then(Value::as_array);
    let documents =
        documents.ok_or_else(|| JobError::Nonsense("the file has no documents".to_owned()))?;
    let whole = |variation: &Value| {
        variation.get("id").is_some_and(Value::is_string)
            && variation.get("body").is_some_and(Value::is_object)
    };
    let of = |document: &Value| {
        let version = ["draft", "published"].map(|field| document.get(field));
        let version = version.into_iter().flatten().find(|v| v.is_object())?;
        let variations = version.get("variations")?.as_array()?;
        let id = document.get("id")?.as_str()?;
        variations
            .iter()
            .all(whole)
            .then(|| (id.to_owned(), variations.clone()))
    };
    Ok(documents.iter().filter_map(of).collect())
}
