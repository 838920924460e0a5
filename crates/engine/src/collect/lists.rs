//! Lists: every object of a kind, as far as a row tells.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use orgsmith_client::{Call, Error, ListError, Listing, PageStyle};
use orgsmith_core::catalogue::{Descriptor, Driver, ListSpec, Paging, Part, ReadSpec, Reference};
use orgsmith_core::document::{Captured, Stored};
use orgsmith_core::id::{Kind, SourceId, own_id};
use serde_json::Value;

use super::details::{in_parent, label, versioned, with_ids};
use super::{CONCURRENCY, call_error, knowledge};
use crate::org::Org;

/// What the lists of a kind returned.
#[derive(Default)]
pub(crate) struct Listed {
    pub(crate) objects: Vec<Stored>,
    pub(crate) deleted: Vec<Stored>,
    /// What failed, and for which object's list.
    pub(crate) failures: Vec<(Option<String>, Failure)>,
    /// Rows that were left out though nothing failed: which, and why.
    pub(crate) left_out: Vec<(String, String)>,
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
    owners: &BTreeMap<Kind, Vec<Stored>>,
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
                let listing = listing(spec, &spec.path, "");
                listed.take(
                    rows(org, descriptor, spec, None, &listing).await,
                    spec,
                    None,
                );
            }
            Some(kind) if spec.inside.is_some() => {
                let field = spec.inside.as_deref().unwrap_or_default();
                for owner in owners.get(kind).into_iter().flatten() {
                    let found = match owner.field(field) {
                        Some(Value::Array(rows)) => rows,
                        Some(row @ Value::Object(_)) => vec![row],
                        _ => Vec::new(),
                    };
                    listed.add(descriptor, spec, owner, found);
                }
            }
            Some(kind) => {
                let owners: Vec<&Stored> = owners.get(kind).into_iter().flatten().collect();
                let mut answers = stream::iter(owners)
                    .map(|owner| async move {
                        let ids = owner.id.as_str();
                        let path = versioned(spec, with_ids(&spec.path, ids), &owner.open());
                        let listing = listing(spec, &path, own_id(ids));
                        (
                            owner,
                            rows(org, descriptor, spec, Some(owner), &listing).await,
                        )
                    })
                    .buffered(CONCURRENCY);
                while let Some((owner, rows)) = answers.next().await {
                    listed.take(rows, spec, Some(owner));
                }
            }
        }
    }
    // A list that changes while it is read may return a row twice, and so may the lists of two
    // objects that share one.
    listed.objects.sort_by(|a, b| a.id.cmp(&b.id));
    listed.objects.dedup_by(|a, b| a.id == b.id);
    if let Some(read) = descriptor.read.as_ref().filter(|read| read.with_list) {
        whole(org, descriptor, read, &mut listed).await;
    }
    listed
}

/// Lists the objects of a kind to read them only, which may cost less.
pub(super) async fn list_to_read(
    org: &Org,
    descriptor: &Descriptor,
    owners: &BTreeMap<Kind, Vec<Stored>>,
) -> Listed {
    match descriptor.driver {
        Driver::Variation => knowledge::list(org, descriptor, owners).await,
        _ => list(org, descriptor, owners, false).await,
    }
}

/// Lists the objects of a kind that have a name; nothing where the kind has no such list.
pub(crate) async fn list_named(org: &Org, descriptor: &Descriptor, name: &str) -> Option<Listed> {
    let mut listed = Listed::default();
    let (spec, listing) = match (&descriptor.search, &descriptor.list[..]) {
        (Some(search), _) => (search, listing(search, &search.path, name)),
        (None, [spec]) => {
            let by_name = spec.by_name.as_ref().filter(|_| spec.each.is_none())?;
            (spec, listing(spec, &spec.path, "").query(by_name, name))
        }
        (None, _) => return None,
    };
    listed.take(
        rows(org, descriptor, spec, None, &listing).await,
        spec,
        None,
    );
    // A search may ask for more permissions than the lists.
    let refused = descriptor.search.is_some() && !listed.failures.is_empty();
    (!refused).then_some(listed)
}

/// Lists the objects of a kind that have one owner.
pub(super) async fn list_of(
    org: &Org,
    descriptor: &Descriptor,
    spec: &ListSpec,
    owner: &str,
) -> Listed {
    let mut listed = Listed::default();
    let listing = listing(spec, &spec.path, owner);
    let rows = rows(org, descriptor, spec, None, &listing).await;
    listed.take(rows, spec, None);
    listed
}

/// The rows of one list.
#[derive(Default)]
struct Rows {
    kept: Vec<Stored>,
    /// How many have no id.
    nameless: usize,
    /// Those that are left out for a state that nobody knows, and what it is.
    puzzling: Vec<(String, String)>,
}

impl Rows {
    /// Takes a page.
    fn take(
        &mut self,
        descriptor: &Descriptor,
        spec: &ListSpec,
        owner: Option<&Stored>,
        page: Vec<Value>,
    ) {
        for row in page {
            if !is_kept(spec, &row) {
                self.puzzling.extend(puzzling(descriptor, &row));
                continue;
            }
            match captured(descriptor, owner, row) {
                Some(row) => self.kept.push(row.into()),
                None => self.nameless += 1,
            }
        }
    }
}

/// Reads one list; of each page no more is kept than somebody looks at.
async fn rows(
    org: &Org,
    descriptor: &Descriptor,
    spec: &ListSpec,
    owner: Option<&Stored>,
    listing: &Listing,
) -> Result<Rows, ListError> {
    let mut rows = Rows::default();
    let take = |page| rows.take(descriptor, spec, owner, page);
    org.client.for_each_page(listing, take).await?;
    Ok(rows)
}

/// Reads each object of a list whose rows do not say what people call it.
async fn whole(org: &Org, descriptor: &Descriptor, read: &ReadSpec, listed: &mut Listed) {
    let rows = std::mem::take(&mut listed.objects);
    let mut answers = stream::iter(rows)
        .map(|row| async move {
            let call = get(with_ids(&read.path, row.id.as_str()), &read.query);
            (row, org.client.send(call).await)
        })
        .buffered(CONCURRENCY);
    while let Some((row, answer)) = answers.next().await {
        match answer {
            Ok(reply) => {
                let body = looked_at(descriptor, reply.body);
                let captured = Captured {
                    body: in_parent(descriptor, body, row.id.as_str()),
                    id: row.id,
                    files: row.files,
                };
                listed.objects.push(captured.into());
            }
            // It was deleted since it was listed.
            Err(error) if error.status() == Some(404) => {}
            Err(error) => listed
                .failures
                .push((Some(label(&row.open())), Failure::Call(error))),
        }
    }
}

impl Listed {
    /// Takes rows of one object's list that did not come by that list.
    pub(super) fn add(
        &mut self,
        descriptor: &Descriptor,
        spec: &ListSpec,
        owner: &Stored,
        found: Vec<Value>,
    ) {
        let mut rows = Rows::default();
        rows.take(descriptor, spec, Some(owner), found);
        self.take(Ok(rows), spec, Some(owner));
    }

    /// Takes the answer of one list.
    fn take(&mut self, rows: Result<Rows, ListError>, spec: &ListSpec, owner: Option<&Stored>) {
        let told = || owner.map(|owner| label(&owner.open()));
        let Rows {
            kept,
            nameless,
            puzzling,
        } = match rows {
            Ok(rows) => rows,
            Err(error) => return self.failures.push((told(), error.into())),
        };
        self.left_out.extend(puzzling);
        if nameless > 0 {
            let reason = format!("{nameless} rows of {} have no id", spec.path);
            self.failures.push((told(), Failure::Answer(reason)));
        }
        let list = if spec.deleted {
            &mut self.deleted
        } else {
            &mut self.objects
        };
        list.extend(kept);
    }
}

async fn singleton(org: &Org, descriptor: &Descriptor) -> Result<Option<Stored>, Failure> {
    let Some(read) = &descriptor.read else {
        return Ok(None);
    };
    let reply = match org.client.send(get(&read.path, &read.query)).await {
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
    let captured = Captured {
        id,
        body: reply.body,
        files: Default::default(),
    };
    Ok(Some(captured.into()))
}

/// Asks for one answer.
pub(crate) fn get(path: impl Into<String>, query: &BTreeMap<String, String>) -> Call {
    query_of(query).fold(Call::get(path), |call, (name, value)| {
        call.query(name, value)
    })
}

/// Returns the parameters of a query; several values of one parameter are sent one by one.
fn query_of(query: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    query
        .iter()
        .flat_map(|(name, values)| values.split(',').map(move |value| (name.as_str(), value)))
}

/// Describes a listing to the client; `owner` is the id that stands in the query as `{id}`.
pub(super) fn listing(spec: &ListSpec, path: &str, owner: &str) -> Listing {
    let body = spec.body.as_ref().map(|fields| {
        let fields = fields.iter();
        let fields = fields.map(|(name, value)| (name.clone(), with_owner(value, owner)));
        Value::Object(fields.collect())
    });
    let style = match (spec.paging, body) {
        (Paging::Cursor, Some(body)) => PageStyle::Query { body },
        (_, Some(body)) => PageStyle::Search { body },
        (Paging::Offset, None) => PageStyle::Offset,
        (Paging::Cursor, None) => PageStyle::cursor(),
        (Paging::Scan, None) => PageStyle::Cursor {
            param: "cursor".to_owned(),
        },
        (Paging::Unpaged, None) => PageStyle::Unpaged,
    };
    let mut listing = Listing::new(path, style);
    if spec.paging == Paging::Scan {
        listing.size_param = "limit".to_owned();
    }
    if spec.page_size > 0 {
        listing = listing.page_size(spec.page_size);
    }
    query_of(&spec.query).fold(listing, |listing, (name, value)| match value {
        "{id}" => listing.query(name, owner),
        value => listing.query(name, value),
    })
}

/// Puts the id of a list's owner where `{id}` stands in its body.
fn with_owner(value: &Value, owner: &str) -> Value {
    match value {
        Value::String(text) if text == "{id}" => Value::from(owner),
        Value::Array(list) => list.iter().map(|value| with_owner(value, owner)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), with_owner(value, owner)))
            .collect(),
        other => other.clone(),
    }
}

fn is_kept(spec: &ListSpec, row: &Value) -> bool {
    spec.only
        .iter()
        .all(|(field, wanted)| row.get(field).is_none_or(|found| found == wanted))
}

/// States of objects that are not there any more, or not in use: the reason for leaving rows out.
const LEFT_OUT: [&str; 2] = ["inactive", "deleted"];

/// Names a row that is left out for its state, where that is none for which rows should be.
fn puzzling(descriptor: &Descriptor, row: &Value) -> Option<(String, String)> {
    let state = row.get("state")?;
    if state
        .as_str()
        .is_some_and(|state| LEFT_OUT.contains(&state))
    {
        return None;
    }
    let id = row.get(&descriptor.id)?.as_str()?;
    let reason = format!("its state is {state}, which is not known; it is left out");
    Some((id.to_owned(), reason))
}

/// Takes a row as an object; a row without an id is none.
fn captured(descriptor: &Descriptor, owner: Option<&Stored>, row: Value) -> Option<Captured> {
    let own = row.get(&descriptor.id)?.as_str()?;
    let id = match owner.filter(|_| descriptor.parent.is_some()) {
        Some(owner) => SourceId::new(&format!("{}/{own}", owner.id)),
        None => SourceId::new(own),
    };
    Some(Captured {
        body: in_parent(descriptor, looked_at(descriptor, row), id.as_str()),
        id,
        files: Default::default(),
    })
}

/// Leaves out of an answer what nobody looks at.
pub(super) fn looked_at(descriptor: &Descriptor, mut body: Value) -> Value {
    if let Value::Object(fields) = &mut body {
        fields.retain(|field, _| descriptor.looks_at(field));
    }
    // Of a part that comes with the object the rest may change by the minute: where somebody sits.
    let comes_with = |part: &&Part| part.single && part.list.is_none() && !part.fields.is_empty();
    for part in descriptor.parts.iter().filter(comes_with) {
        let Value::Object(fields) = &mut body else {
            break;
        };
        if let Some(Value::Object(held)) = fields.get_mut(&part.field) {
            held.retain(|name, _| part.fields.contains(name));
            if held.is_empty() {
                fields.remove(&part.field);
            }
        }
    }
    let own = |reference: &&Reference| {
        !reference.bare && !reference.keys && reference.path.root() != "division"
    };
    for reference in descriptor.references.iter().filter(own) {
        reference.path.retain(&mut body, &mut |place| {
            if let Value::Object(place) = place {
                place.retain(|name, _| name == "id" || Some(name) == reference.by.as_ref());
            }
            true
        });
    }
    body
}
