//! Lists: every object of a kind, as far as a row tells.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use orgsmith_client::{Call, Error, ListError, Listing, PageStyle};
use orgsmith_core::catalogue::{Descriptor, ListSpec, Paging};
use orgsmith_core::document::Captured;
use orgsmith_core::id::{Kind, SourceId, own_id};
use serde_json::Value;

use super::details::{in_parent, label, with_ids};
use super::{CONCURRENCY, call_error};
use crate::org::Org;

/// What the lists of a kind returned.
#[derive(Default)]
pub(crate) struct Listed {
    pub(crate) objects: Vec<Captured>,
    pub(crate) deleted: Vec<Captured>,
    /// What failed, and for which object's list.
    pub(crate) failures: Vec<(Option<String>, Failure)>,
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

/// Lists the objects of a kind; where a list is read once for each object of another kind, `owners`
/// has those.
pub(crate) async fn list(
    org: &Org,
    descriptor: &Descriptor,
    owners: &BTreeMap<Kind, Vec<Captured>>,
    deleted_too: bool,
) -> Listed {
    let mut listed = Listed::default();
    if descriptor.singleton {
        match singleton(org, descriptor).await {
            Ok(captured) => listed.objects.extend(captured),
            Err(failure) => listed.failures.push((None, failure)),
        }
        return listed;
    }
    for spec in descriptor
        .list
        .iter()
        .filter(|spec| deleted_too || !spec.deleted)
    {
        match &spec.each {
            None => {
                let rows = org.client.list(&listing(spec, &spec.path, "")).await;
                listed.take(descriptor, spec, None, rows);
            }
            Some(kind) => {
                let owners: Vec<&Captured> = owners.get(kind).into_iter().flatten().collect();
                let mut answers = stream::iter(owners)
                    .map(|owner| async move {
                        let ids = owner.id.as_str();
                        let listing = listing(spec, &with_ids(&spec.path, ids), own_id(ids));
                        (owner, org.client.list(&listing).await)
                    })
                    .buffered(CONCURRENCY);
                while let Some((owner, rows)) = answers.next().await {
                    listed.take(descriptor, spec, Some(owner), rows);
                }
            }
        }
    }
    // A list that changes while it is read may return a row twice, and so may the lists of two
    // objects that share one.
    listed.objects.sort_by(|a, b| a.id.cmp(&b.id));
    listed.objects.dedup_by(|a, b| a.id == b.id);
    listed
}

/// Lists the objects of a kind that have a name; nothing where the kind has no such list.
pub(crate) async fn list_named(org: &Org, descriptor: &Descriptor, name: &str) -> Option<Listed> {
    let [spec] = &descriptor.list[..] else {
        return None;
    };
    let by_name = spec.by_name.as_ref().filter(|_| spec.each.is_none())?;
    let mut listed = Listed::default();
    let listing = listing(spec, &spec.path, "").query(by_name, name);
    let rows = org.client.list(&listing).await;
    listed.take(descriptor, spec, None, rows);
    Some(listed)
}

impl Listed {
    /// Takes the answer of one list.
    fn take(
        &mut self,
        descriptor: &Descriptor,
        spec: &ListSpec,
        owner: Option<&Captured>,
        rows: Result<Vec<Value>, ListError>,
    ) {
        let told = || owner.map(label);
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => return self.failures.push((told(), error.into())),
        };
        let (rows, nameless): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .filter(|row| is_kept(spec, row))
            .map(|row| captured(descriptor, owner, row))
            .partition(Option::is_some);
        if !nameless.is_empty() {
            let reason = format!("{} rows of {} have no id", nameless.len(), spec.path);
            self.failures.push((told(), Failure::Answer(reason)));
        }
        let list = if spec.deleted {
            &mut self.deleted
        } else {
            &mut self.objects
        };
        list.extend(rows.into_iter().flatten());
    }
}

async fn singleton(org: &Org, descriptor: &Descriptor) -> Result<Option<Captured>, Failure> {
    let Some(read) = &descriptor.read else {
        return Ok(None);
    };
    let call = query_of(&read.query).fold(Call::get(&read.path), |call, (k, v)| call.query(k, v));
    let reply = match org.client.send(call).await {
        Ok(reply) => reply,
        // One that may be created may also not be there.
        Err(error) if descriptor.create.is_some() && error.status() == Some(404) => {
            return Ok(None);
        }
        Err(error) => return Err(Failure::Call(error)),
    };
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

/// Describes a listing to the client; `owner` is the id that stands in the query as `{id}`.
pub(super) fn listing(spec: &ListSpec, path: &str, owner: &str) -> Listing {
    let style = match spec.paging {
        Paging::Offset => PageStyle::Offset,
        Paging::Cursor => PageStyle::cursor(),
        Paging::Unpaged => PageStyle::Unpaged,
    };
    let mut listing = Listing::new(path, style);
    if spec.page_size > 0 {
        listing = listing.page_size(spec.page_size);
    }
    query_of(&spec.query).fold(listing, |listing, (name, value)| match value {
        "{id}" => listing.query(name, owner),
        value => listing.query(name, value),
    })
}

fn is_kept(spec: &ListSpec, row: &Value) -> bool {
    spec.only
        .iter()
        .all(|(field, wanted)| row.get(field).is_none_or(|found| found == wanted))
}

/// Takes a row as an object; a row without an id is none.
fn captured(descriptor: &Descriptor, owner: Option<&Captured>, row: Value) -> Option<Captured> {
    let own = row.get(&descriptor.id)?.as_str()?;
    let id = match owner.filter(|_| descriptor.parent.is_some()) {
        Some(owner) => SourceId::new(&format!("{}/{own}", owner.id)),
        None => SourceId::new(own),
    };
    Some(Captured {
        body: in_parent(descriptor, row, id.as_str()),
        id,
        files: Default::default(),
    })
}
