//! Reads an org into a snapshot.
//!
//! First every list, all kinds at once; then, for the objects that are wanted in full, what a list
//! row does not say. What cannot be read becomes a gap with its reason and stops nothing else; only
//! an org that cannot be reached at all, or that refuses the credential, ends the collection.

pub(crate) mod details;
mod gather;
mod knowledge;
pub(crate) mod lists;
mod members;
mod seen;
mod selected;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use orgsmith_client::{Error, ListError, ListFault};
use orgsmith_core::bundle::Gap;
use orgsmith_core::catalogue::{Catalogue, Descriptor};
use orgsmith_core::document::Stored;
use orgsmith_core::id::{Kind, ObjectRef, OrgName, SourceId};
use orgsmith_core::snapshot::{Names, Snapshot};
use orgsmith_store::checkpoint::Checkpoint;

use crate::chain::chain;
use crate::events::{Event, Events};
use crate::org::Org;
use lists::{Failure, Listed};
use seen::Seen;

pub(crate) use selected::collect_known;
pub use selected::collect_selected;

/// Lists or reads that are under way at once; the client paces them to the quota.
const CONCURRENCY: usize = 16;

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The kinds; when empty all but those that are read on request.
    pub kinds: BTreeSet<Kind>,
    /// Kinds of which only the lists are read, because others refer to them by name.
    pub names: BTreeSet<Kind>,
    /// The objects to read in full; all when nothing is given.
    pub in_full: Option<BTreeSet<ObjectRef>>,
    /// The objects of which also such parts are read as are asked of few.
    pub asked: BTreeSet<ObjectRef>,
    /// Deleted objects that could be restored are read too.
    pub deleted: bool,
    /// Which of several objects with one key is meant, by its id.
    pub pins: BTreeMap<ObjectRef, String>,
    /// What an earlier try of the same read has learned, and this one learns.
    pub checkpoint: Option<Arc<Checkpoint>>,
}

/// Says why an org could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The org refuses the credential, or cannot be reached.
    #[error("reading org {org}")]
    Unreachable {
        /// The org.
        org: OrgName,
        /// What happened.
        #[source]
        source: Box<Error>,
    },
}

/// Reads an org.
///
/// # Errors
/// The org cannot be reached or refuses the credential. Anything else becomes a gap.
pub async fn collect(
    org: &Org,
    catalogue: &Catalogue,
    scope: &Scope,
    events: &Events,
) -> Result<Snapshot, CollectError> {
    let descriptors: Vec<&Descriptor> = catalogue
        .iter()
        .filter(|descriptor| match scope.kinds.is_empty() {
            true => !descriptor.on_request,
            false => scope.kinds.contains(&descriptor.kind),
        })
        .collect();
    events.tell(Event::CollectStarted {
        org: org.name.clone(),
        kinds: descriptors.len(),
    });

    let seen = Seen(scope.checkpoint.as_deref());
    let mut collector = Collector::new(org, catalogue, events, seen);
    let mut snapshot = Snapshot {
        org: org.origin(),
        ..Snapshot::default()
    };
    for wave in waves(&descriptors) {
        let listed = stream::iter(wave)
            .map(|descriptor| {
                let owners = &snapshot.objects;
                async move {
                    // Who wants to know what could be restored is going to write.
                    let listed = match scope.deleted {
                        true => lists::list(org, descriptor, owners, true).await,
                        false => list_once(org, descriptor, owners, seen).await,
                    };
                    (descriptor, listed)
                }
            })
            .buffer_unordered(CONCURRENCY);
        let listed: Vec<_> = listed
            .inspect(|(descriptor, listed)| {
                events.tell(Event::KindRead {
                    org: org.name.clone(),
                    kind: descriptor.kind.clone(),
                    objects: listed.objects.len(),
                });
            })
            .collect()
            .await;
        for (descriptor, listed) in listed {
            let lists::Listed {
                objects,
                deleted,
                failures,
                left_out,
            } = listed;
            let mut owners = descriptor.list.iter().filter_map(|list| list.each.as_ref());
            if !failures.is_empty() || owners.any(|owner| snapshot.may_lack(owner)) {
                snapshot.incomplete.insert(descriptor.kind.clone());
            }
            for (of, failure) in failures {
                collector.failed(&descriptor.kind, of, failure);
            }
            collector.left_out(&descriptor.kind, left_out);
            snapshot.objects.insert(descriptor.kind.clone(), objects);
            if !deleted.is_empty() {
                snapshot.deleted.insert(descriptor.kind.clone(), deleted);
            }
        }
        collector.check()?;
    }

    if let Some(objects) = &scope.in_full {
        for descriptor in &descriptors {
            look_for(org, catalogue, descriptor, objects, scope, &mut snapshot).await;
        }
    }
    let in_full = scope.in_full.as_ref();
    let wanted = in_full.map(|objects| ids_of(catalogue, &snapshot, scope, objects));
    let asked = ids_of(catalogue, &snapshot, scope, &scope.asked);
    let mut gathering = gather::Gathering::default();
    for descriptor in &descriptors {
        let objects = snapshot
            .objects
            .remove(&descriptor.kind)
            .unwrap_or_default();
        let only_names = scope.names.contains(&descriptor.kind);
        let is_wanted = |object: &Stored| {
            !only_names
                && wanted.as_ref().is_none_or(|wanted| {
                    wanted
                        .get(&descriptor.kind)
                        .is_some_and(|ids| ids.contains(object.id.as_str()))
                })
        };
        let (full, rows): (Vec<_>, Vec<_>) = objects.into_iter().partition(is_wanted);
        let owners = &snapshot.objects;
        let items = gathering.gather(org, descriptor, owners, full.len(), seen);
        let items = items.await;
        let inverse = details::Inverse::OfHolders;
        let (asked, full): (Vec<_>, Vec<_>) = full.into_iter().partition(|object| {
            let ids = asked.get(&descriptor.kind);
            ids.is_some_and(|ids| ids.contains(object.id.as_str()))
        });
        let lean = details::without(descriptor, |part| part.asked.is_some());
        let by = (inverse, &items);
        let mut objects = details::fill(org, &lean, full, by, owners, &mut collector).await;
        objects.extend(details::fill(org, descriptor, asked, by, owners, &mut collector).await);
        collector.check()?;
        objects.extend(rows);
        objects.sort_by(|a, b| a.id.cmp(&b.id));
        snapshot.objects.insert(descriptor.kind.clone(), objects);
    }
    invert(&descriptors, &mut snapshot);

    Ok(collector.finish(snapshot))
}

/// Lists a kind, unless an earlier try did.
async fn list_once(
    org: &Org,
    descriptor: &Descriptor,
    owners: &BTreeMap<Kind, Vec<Stored>>,
    seen: Seen<'_>,
) -> Listed {
    if let Some(listed) = seen.list(descriptor) {
        return listed;
    }
    let listed = lists::list_to_read(org, descriptor, owners).await;
    seen.note_list(descriptor, &listed);
    listed
}

/// Searches one by one for the objects that a list may have left out: some lists end before all
/// objects are told.
async fn look_for(
    org: &Org,
    catalogue: &Catalogue,
    descriptor: &Descriptor,
    objects: &BTreeSet<ObjectRef>,
    scope: &Scope,
    snapshot: &mut Snapshot,
) {
    if descriptor.search.is_none() || !snapshot.incomplete.contains(&descriptor.kind) {
        return;
    }
    let names = Names::new(catalogue, snapshot, &scope.pins);
    let known: BTreeSet<&ObjectRef> = names.iter().map(|(_, object)| object).collect();
    let of_kind = objects
        .iter()
        .filter(|object| object.kind == descriptor.kind);
    let missing = of_kind.filter(|object| !known.contains(object));
    let mut found = stream::iter(missing.cloned().collect::<Vec<_>>())
        .map(|object| async move {
            let name = object.key.parts().pop().unwrap_or_default();
            (object, lists::list_named(org, descriptor, &name).await)
        })
        .buffered(CONCURRENCY);
    let (mut rows, mut asked) = (Vec::new(), Vec::new());
    while let Some((object, listed)) = found.next().await {
        if let Some(listed) = listed {
            rows.extend(listed.objects);
            asked.push(object);
        }
    }
    drop(found);
    snapshot.looked_for.extend(asked);
    let known = snapshot.objects.entry(descriptor.kind.clone()).or_default();
    known.extend(rows);
    known.sort_by(|a, b| a.id.cmp(&b.id));
    known.dedup_by(|a, b| a.id == b.id);
}

/// Sorts kinds into waves: those whose lists are read once for each object of other kinds come
/// behind those.
fn waves<'d>(descriptors: &[&'d Descriptor]) -> Vec<Vec<&'d Descriptor>> {
    let mut waves: Vec<Vec<&Descriptor>> = Vec::new();
    let mut left = descriptors.to_vec();
    while !left.is_empty() {
        let waits = |descriptor: &Descriptor| {
            let mut owners = descriptor.list.iter().filter_map(|list| list.each.as_ref());
            owners.any(|owner| left.iter().any(|other| other.kind == *owner))
        };
        let (later, now): (Vec<_>, Vec<_>) = left.iter().partition(|kind| waits(kind));
        // Kinds that wait for each other are read as they are; the lint lets no such pair in.
        let stuck = now.is_empty();
        waves.push(if stuck { later.clone() } else { now });
        left = if stuck { Vec::new() } else { later };
    }
    waves
}

/// Returns the ids of some objects, by kind.
fn ids_of(
    catalogue: &Catalogue,
    snapshot: &Snapshot,
    scope: &Scope,
    objects: &BTreeSet<ObjectRef>,
) -> BTreeMap<Kind, BTreeSet<String>> {
    if objects.is_empty() {
        return BTreeMap::new();
    }
    let names = Names::new(catalogue, snapshot, &scope.pins);
    let mut wanted: BTreeMap<Kind, BTreeSet<String>> = BTreeMap::new();
    for (id, object) in names.iter() {
        if objects.contains(object) {
            wanted
                .entry(object.kind.clone())
                .or_default()
                .insert(id.to_owned());
        }
    }
    wanted
}

/// Gives each object the items that are known from other objects: a group its members.
fn invert(descriptors: &[&Descriptor], snapshot: &mut Snapshot) {
    for descriptor in descriptors {
        for part in &descriptor.parts {
            let Some(inverse) = &part.inverse else {
                continue;
            };
            // Who is not known to be a member is not known to be none.
            if snapshot.may_lack(&inverse.kind) {
                continue;
            }
            let mut holders: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
            for holder in snapshot.objects.get(&inverse.kind).into_iter().flatten() {
                let body = holder.fields(&|field| field == inverse.path.root());
                let list = inverse
                    .path
                    .get(&body)
                    .and_then(serde_json::Value::as_array);
                for entry in list.into_iter().flatten() {
                    if let Some(id) = entry.get("id").and_then(serde_json::Value::as_str) {
                        let item = serde_json::json!({ "id": holder.id });
                        holders.entry(id.to_owned()).or_default().push(item);
                    }
                }
            }
            for object in snapshot
                .objects
                .get_mut(&descriptor.kind)
                .into_iter()
                .flatten()
            {
                let items = holders.remove(object.id.as_str()).unwrap_or_default();
                let mut opened = object.open();
                if let serde_json::Value::Object(body) = &mut opened.body {
                    body.insert(part.field.clone(), serde_json::Value::Array(items));
                }
                *object = opened.into();
            }
        }
    }
}

/// Gathers what goes wrong.
struct Collector<'c> {
    org: &'c Org,
    catalogue: &'c Catalogue,
    events: &'c Events,
    seen: Seen<'c>,
    fatal: Option<Box<Error>>,
    gaps: Vec<Gap>,
    unread: BTreeSet<(Kind, SourceId)>,
}

impl<'c> Collector<'c> {
    fn new(org: &'c Org, catalogue: &'c Catalogue, events: &'c Events, seen: Seen<'c>) -> Self {
        Self {
            org,
            catalogue,
            events,
            seen,
            fatal: None,
            gaps: Vec::new(),
            unread: BTreeSet::new(),
        }
    }

    /// Puts what went wrong into the snapshot.
    fn finish(mut self, mut snapshot: Snapshot) -> Snapshot {
        self.gaps.sort();
        snapshot.gaps = self.gaps;
        snapshot.unread = self.unread;
        self.events.tell(Event::CollectEnded {
            org: self.org.name.clone(),
            objects: snapshot.objects.values().map(Vec::len).sum(),
            calls: self.org.client.stats().sent,
        });
        snapshot
    }

    /// Notes a failed call as a gap, or as the end where the whole org is out of reach.
    fn failed(&mut self, kind: &Kind, object: Option<String>, failure: Failure) {
        let error = match failure {
            Failure::Call(error) => error,
            Failure::Answer(reason) => {
                return self.gap(Gap {
                    kind: kind.clone(),
                    object,
                    reason,
                });
            }
        };
        if matches!(error, Error::Auth { .. }) || never_connected(&error) {
            self.fatal.get_or_insert_with(|| Box::new(error));
            return;
        }
        let reason = self.reason(kind, &error);
        self.gap(Gap {
            kind: kind.clone(),
            object,
            reason,
        });
    }

    /// Says what an API answered, and what to do.
    fn reason(&self, kind: &Kind, error: &Error) -> String {
        let text = chain(error);
        match error.status() {
            Some(403) => {
                let needs = self.catalogue.get(kind.as_str());
                let needs = needs
                    .map(|kind| &kind.read_permissions[..])
                    .unwrap_or_default();
                let told = needs
                    .iter()
                    .any(|permission| text.contains(permission.as_str()));
                let which = match told || needs.is_empty() {
                    true => "this permission".to_owned(),
                    // An answer that lists dozens says nothing.
                    false => needs.join(" and "),
                };
                format!("{text} (give the client's role {which}, or leave the kind out)")
            }
            Some(404) => text + " (it may have been deleted while the org was read)",
            _ => text,
        }
    }

    /// Names the rows that were left out though they can be read, with the reason.
    fn left_out(&mut self, kind: &Kind, rows: Vec<(String, String)>) {
        for (object, reason) in rows {
            self.gap(Gap {
                kind: kind.clone(),
                object: Some(object),
                reason,
            });
        }
    }

    /// Notes that no more than the list row of an object is known.
    fn unread(&mut self, kind: &Kind, id: &SourceId) {
        self.unread.insert((kind.clone(), id.clone()));
    }

    fn gap(&mut self, gap: Gap) {
        self.events.tell(Event::Gap {
            org: self.org.name.clone(),
            gap: gap.clone(),
        });
        self.gaps.push(gap);
    }

    fn check(&mut self) -> Result<(), CollectError> {
        match self.fatal.take() {
            Some(source) => Err(CollectError::Unreachable {
                org: self.org.name.clone(),
                source,
            }),
            None => Ok(()),
        }
    }
}

fn never_connected(error: &Error) -> bool {
    match error {
        Error::Connect { .. } => true,
        Error::Exhausted { last, .. } => never_connected(last),
        _ => false,
    }
}

/// Takes the failed call out of a failed listing.
fn call_error(error: ListError) -> Result<Error, String> {
    match error.fault {
        ListFault::Call(error) => Ok(error),
        _ => Err(chain(&error)),
    }
}
