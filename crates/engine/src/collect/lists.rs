//! Lists: every object of a kind, as far as a row tells.

use std::collections::BTreeMap;

use orgsmith_client::{Call, Error, ListError, Listing, PageStyle};
use orgsmith_core::catalogue::{Descriptor, ListSpec, Paging};
use orgsmith_core::document::Captured;
use orgsmith_core::id::SourceId;
use serde_json::Value;

use super::call_error;
use crate::org::Org;

/// What the lists of a kind returned.
#[derive(Default)]
pub(crate) struct Listed {
    pub(crate) objects: Vec<Captured>,
    pub(crate) deleted: Vec<Captured>,
    pub(crate) failures: Vec<Failure>,
}

/// A listing that failed: a call, or an answer that makes no sense.
pub(crate) enum Failure {
    Call(Error),
    Answer(String),
}

impl From<ListError> for Failure {
    fn from(error: ListError) -> Self {
        match call_error(error) {
            Ok(error) => Self::Call(error),
            Err(answer) => Self::Answer(answer),
        }
    }
}

/// Lists the objects of a kind.
pub(crate) async fn list(org: &Org, descriptor: &Descriptor, deleted_too: bool) -> Listed {
    let mut listed = Listed::default();
    if descriptor.singleton {
        match singleton(org, descriptor).await {
            Ok(captured) => listed.objects.extend(captured),
            Err(failure) => listed.failures.push(failure),
        }
        return listed;
    }
    for spec in &descriptor.list {
        if spec.deleted && !deleted_too {
            continue;
        }
        match org.client.list(&listing(spec, &spec.path)).await {
            Ok(rows) => {
                let (rows, nameless): (Vec<_>, Vec<_>) = rows
                    .into_iter()
                    .filter(|row| is_kept(spec, row))
                    .map(captured)
                    .partition(Option::is_some);
                if !nameless.is_empty() {
                    let reason = format!("{} rows of {} have no id", nameless.len(), spec.path);
                    listed.failures.push(Failure::Answer(reason));
                }
                let rows = rows.into_iter().flatten();
                if spec.deleted {
                    &mut listed.deleted
                } else {
                    &mut listed.objects
                }
                .extend(rows);
            }
            Err(error) => listed.failures.push(error.into()),
        }
    }
    // A list that changes while it is read may return a row twice.
    listed.objects.sort_by(|a, b| a.id.cmp(&b.id));
    listed.objects.dedup_by(|a, b| a.id == b.id);
    listed
}

async fn singleton(org: &Org, descriptor: &Descriptor) -> Result<Option<Captured>, Failure> {
    let Some(read) = &descriptor.read else {
        return Ok(None);
    };
    let call = query_of(&read.query).fold(Call::get(&read.path), |call, (k, v)| call.query(k, v));
    let reply = org.client.send(call).await.map_err(Failure::Call)?;
    if !reply.body.is_object() {
        return Err(Failure::Answer("the answer is no object".to_owned()));
    }
    let id = SourceId::new(descriptor.kind.as_str());
    Ok(Some(Captured {
        id,
        body: reply.body,
        files: Default::default(),
    }))
}

/// Returns the parameters of a query; several values of one parameter are sent one by one.
pub(crate) fn query_of(query: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    query
        .iter()
        .flat_map(|(name, values)| values.split(',').map(move |value| (name.as_str(), value)))
}

/// Describes a listing to the client.
pub(super) fn listing(spec: &ListSpec, path: &str) -> Listing {
    let style = match spec.paging {
        Paging::Offset => PageStyle::Offset,
        Paging::Cursor => PageStyle::cursor(),
        Paging::Unpaged => PageStyle::Unpaged,
    };
    let mut listing = Listing::new(path, style);
    if spec.page_size > 0 {
        listing = listing.page_size(spec.page_size);
    }
    query_of(&spec.query).fold(listing, |listing, (name, value)| listing.query(name, value))
}

fn is_kept(spec: &ListSpec, row: &Value) -> bool {
    spec.only
        .iter()
        .all(|(field, wanted)| row.get(field).is_none_or(|found| found == wanted))
}

/// Takes a row as an object; a row without an id is none.
fn captured(row: Value) -> Option<Captured> {
    let id = SourceId::new(row.get("id")?.as_str()?);
    Some(Captured {
        id,
        body: row,
        files: Default::default(),
    })
}
