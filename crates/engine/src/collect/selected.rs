//! Reads what a selection asks for and what that refers to, and no more.
//!
//! The lists of the selected kinds say which objects are meant. From there the road goes along the
//! references: an object is asked for by its id, or, where many of a kind are needed, found in the
//! kind's list. So the cost follows what is selected, not the size of the org.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt, stream};
use orgsmith_core::catalogue::{Catalogue, ClonePhase, Descriptor};
use orgsmith_core::document::{Captured, Stored};
use orgsmith_core::id::{Kind, ObjectRef, SourceId, own_id};
use orgsmith_core::select::{Dependencies, Selection, without_members};
use orgsmith_core::snapshot::{Names, Snapshot, portable};
use orgsmith_store::checkpoint::Checkpoint;
use serde_json::Value;

use super::details::{Inverse, fill, with_ids, without};
use super::gather::{Gathering, Items};
use super::lists::{self, Listed};
use super::members::memberships;
use super::seen::Seen;
use super::{CONCURRENCY, CollectError, Collector, invert, list_once};
use crate::events::{Event, Events};
use crate::org::Org;

/// Up to this many objects of a kind are asked for one by one; for more, the kind is listed.
const ONE_BY_ONE: usize = 8;
/// As many where it is known which: a kind may have thousands more.
const KNOWN: usize = 50;

/// Reads an org as far as a selection asks; a checkpoint has what an earlier try has learned.
///
/// # Errors
/// The org cannot be reached or refuses the credential. Anything else becomes a gap.
pub async fn collect_selected(
    org: &Org,
    catalogue: &Catalogue,
    selection: &Selection,
    pins: &BTreeMap<ObjectRef, String>,
    events: &Events,
    checkpoint: Option<&Checkpoint>,
) -> Result<Snapshot, CollectError> {
    let kinds: Vec<&Descriptor> = selection
        .selected_kinds(catalogue)
        .filter_map(|kind| catalogue.get(kind.as_str()).ok())
        .collect();
    events.tell(Event::CollectStarted {
        org: org.name.clone(),
        kinds: kinds.len(),
    });
    let mut reader = Reader::new(org, catalogue, selection, pins, events);
    reader.collector.seen = Seen(checkpoint);
    for descriptor in &kinds {
        match selection.exact_names(&descriptor.kind) {
            Some(names) => {
                reader.search(descriptor, names).await?;
                let found = reader.snapshot.objects.get(&descriptor.kind);
                if found.is_none_or(Vec::is_empty) {
                    // The list tells what may have been meant.
                    reader.list(descriptor).await?;
                }
            }
            None => reader.list(descriptor).await?,
        }
    }
    while reader.step(&kinds).await? {}
    Ok(reader.collector.finish(reader.snapshot))
}

/// Reads objects whose ids are known, and what their keys are made of.
///
/// What is not there any more is not in the snapshot, and is no gap. Of an object that lives in
/// another, its own id is enough: its kind is listed.
///
/// # Errors
/// The org cannot be reached or refuses the credential. Anything else becomes a gap.
pub(crate) async fn collect_known(
    org: &Org,
    catalogue: &Catalogue,
    wanted: BTreeSet<(Kind, String)>,
    pins: &BTreeMap<ObjectRef, String>,
    events: &Events,
) -> Result<Snapshot, CollectError> {
    let nothing = Selection::default();
    let mut reader = Reader::new(org, catalogue, &nothing, pins, events);
    reader.one_by_one = KNOWN;
    reader.fetch(wanted.clone()).await?;
    reader.meant = wanted;
    while reader.step(&[]).await? {}
    Ok(reader.collector.finish(reader.snapshot))
}

type Id = (Kind, String);

struct Reader<'r> {
    org: &'r Org,
    catalogue: &'r Catalogue,
    selection: &'r Selection,
    pins: &'r BTreeMap<ObjectRef, String>,
    collector: Collector<'r>,
    gathering: Gathering,
    snapshot: Snapshot,
    /// Kinds whose lists were read.
    listed: BTreeSet<Kind>,
    /// Objects that were asked for, whether or not they are there.
    asked: BTreeSet<Id>,
    /// Names that were searched for.
    searched: BTreeSet<(Kind, String)>,
    /// Objects that were read whole.
    whole: BTreeSet<Id>,
    /// Those of them that the selection names; the others are taken along.
    chosen: BTreeSet<Id>,
    /// Objects that are wanted by their ids.
    meant: BTreeSet<Id>,
    /// Up to how many objects of a kind are asked for one by one.
    one_by_one: usize,
}

impl<'r> Reader<'r> {
    fn new(
        org: &'r Org,
        catalogue: &'r Catalogue,
        selection: &'r Selection,
        pins: &'r BTreeMap<ObjectRef, String>,
        events: &'r Events,
    ) -> Self {
        Self {
            org,
            catalogue,
            selection,
            pins,
            collector: Collector::new(org, catalogue, events, Seen::default()),
            gathering: Gathering::default(),
            snapshot: Snapshot {
                org: org.origin(),
                ..Snapshot::default()
            },
            listed: BTreeSet::new(),
            asked: BTreeSet::new(),
            searched: BTreeSet::new(),
            whole: BTreeSet::new(),
            chosen: BTreeSet::new(),
            meant: BTreeSet::new(),
            one_by_one: ONE_BY_ONE,
        }
    }

    /// Returns those rows of a kind that are wanted by their ids.
    fn of_meant(&self) -> BTreeSet<Id> {
        let mut found = BTreeSet::new();
        for (kind, id) in &self.meant {
            let rows = self.snapshot.objects.get(kind).into_iter().flatten();
            let descriptor = self.catalogue.get(kind.as_str());
            let only = descriptor.is_ok_and(|descriptor| descriptor.singleton);
            let own = rows.filter(|row| only || own_id(row.id.as_str()) == own_id(id));
            found.extend(own.map(|row| (kind.clone(), row.id.as_str().to_owned())));
        }
        found
    }

    /// Goes one step further along the references; false where everything is read.
    async fn step(&mut self, selected: &[&Descriptor]) -> Result<bool, CollectError> {
        // First what keys are made of: only then it is known what an object is called.
        let missing = self.key_parts();
        if !missing.is_empty() {
            self.fetch(missing).await?;
            return Ok(true);
        }
        let read = self.snapshot.objects.keys();
        let read = read.filter_map(|kind| self.catalogue.get(kind.as_str()).ok());
        let named: BTreeSet<Kind> = read
            .filter_map(|descriptor| descriptor.key.names.clone())
            .filter(|kind| !self.listed.contains(kind))
            .collect();
        for kind in &named {
            self.list_kind(kind).await?;
        }
        let names = Names::new(self.catalogue, &self.snapshot, self.pins);
        let rows = self.rows();
        let ids: HashMap<&ObjectRef, &str> = names.iter().map(|(id, o)| (o, id)).collect();
        let named = names.iter().filter_map(|(id, object)| {
            let row = rows.get(&(&object.kind, id))?;
            Some((object, row.field("name")))
        });
        let dependencies = Dependencies::new(self.catalogue, named);
        let (mut wanted, mut missing, mut called) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (id, object) in names.iter() {
            let row = rows.get(&(&object.kind, id));
            let of_selected_kind = selected.iter().any(|kind| kind.kind == object.kind);
            if of_selected_kind
                && self
                    .selection
                    .matches(object, row.and_then(|row| division(row)).as_deref())
            {
                wanted.insert((object.kind.clone(), id.to_owned()));
            }
        }
        wanted.extend(self.of_meant());
        let chosen: BTreeSet<Id> = self.chosen.union(&wanted).cloned().collect();
        for (kind, id) in &self.whole {
            let Ok(descriptor) = self.catalogue.get(kind.as_str()) else {
                continue;
            };
            let Some((row, object)) = rows.get(&(kind, id.as_str())).zip(names.object(kind, id))
            else {
                continue;
            };
            let mut lost = Vec::new();
            let row = row.open();
            let mut document = portable(descriptor, object.clone(), &row, &names, &mut lost);
            if !chosen.contains(&(kind.clone(), id.clone())) {
                without_members(self.catalogue, &mut document);
            }
            missing.extend(
                lost.into_iter()
                    .filter_map(|lost| Some((lost.kind?, lost.id))),
            );
            if self.selection.takes_dependencies() {
                called.extend(Dependencies::names_in_source(&document));
                let others = dependencies.of(&document);
                let known = others.iter().filter_map(|other| {
                    let id = ids.get(other)?;
                    Some((other, rows.get(&(&other.kind, *id))?, *id))
                });
                wanted.extend(
                    known
                        .filter(|(other, row, _)| {
                            self.is_taken_along(other, division(row).as_deref())
                        })
                        .map(|(other, _, id)| (other.kind.clone(), id.to_owned())),
                );
            }
        }
        missing.retain(|id| !self.listed.contains(&id.0) && !self.asked.contains(id));
        drop((names, rows));
        wanted.extend(self.brought(&chosen).await?);
        self.chosen = chosen;
        let wanted: BTreeSet<Id> = wanted.difference(&self.whole).cloned().collect();
        called.retain(|name| !self.listed.contains(&name.0) && !self.searched.contains(name));
        let goes_on = !(missing.is_empty() && called.is_empty() && wanted.is_empty());
        let mut by_kind: BTreeMap<Kind, BTreeSet<String>> = BTreeMap::new();
        for (kind, name) in called {
            self.searched.insert((kind.clone(), name.clone()));
            by_kind.entry(kind).or_default().insert(name);
        }
        for (kind, names) in by_kind {
            if let Ok(descriptor) = self.catalogue.get(kind.as_str()) {
                self.search(descriptor, names).await?;
            }
        }
        self.fetch(missing).await?;
        self.read_whole(wanted).await?;
        Ok(goes_on)
    }

    /// Lists what chosen objects bring along: the phones of a user.
    async fn brought(&mut self, chosen: &BTreeSet<Id>) -> Result<BTreeSet<Id>, CollectError> {
        let mut found = BTreeSet::new();
        if !self.selection.takes_dependencies() {
            return Ok(found);
        }
        let (org, catalogue) = (self.org, self.catalogue);
        let mut asked = Vec::new();
        let new: Vec<&Id> = chosen
            .iter()
            .filter(|id| !self.chosen.contains(*id))
            .collect();
        for (kind, id) in new {
            let owner = catalogue.get(kind.as_str()).ok();
            for brings in owner.iter().flat_map(|owner| &owner.brings) {
                if let Ok(brought) = catalogue.get(brings.kind.as_str()) {
                    asked.push((brought, &brings.list, id));
                }
            }
        }
        let mut answers = stream::iter(asked)
            .map(|(brought, list, id)| async move {
                (brought, lists::list_of(org, brought, list, id).await)
            })
            .buffered(CONCURRENCY);
        while let Some((brought, listed)) = answers.next().await {
            let ids = listed.objects.iter();
            found.extend(ids.map(|row| (brought.kind.clone(), row.id.as_str().to_owned())));
            self.take(brought, listed)?;
        }
        drop(answers);
        if !found.is_empty() {
            let names = Names::new(catalogue, &self.snapshot, self.pins);
            found.retain(|(kind, id)| {
                let object = names.object(kind, id);
                !object.is_some_and(|object| self.selection.excludes(object, None))
            });
        }
        Ok(found)
    }

    fn rows(&self) -> HashMap<(&Kind, &str), &Stored> {
        let kinds = self.snapshot.objects.iter();
        kinds
            .flat_map(|(kind, rows)| rows.iter().map(move |row| ((kind, row.id.as_str()), row)))
            .collect()
    }

    /// Tells whether an object that something selected refers to is read whole, too.
    fn is_taken_along(&self, object: &ObjectRef, division: Option<&str>) -> bool {
        let descriptor = self.catalogue.get(object.kind.as_str());
        descriptor.is_ok_and(|descriptor| descriptor.clone != ClonePhase::Mapped)
            && !self.selection.excludes(object, division)
    }

    /// Returns the objects that keys are made of and that are not known yet.
    fn key_parts(&self) -> BTreeSet<Id> {
        let mut missing = BTreeSet::new();
        for (kind, objects) in &self.snapshot.objects {
            let Ok(descriptor) = self.catalogue.get(kind.as_str()) else {
                continue;
            };
            for (other, path) in descriptor.key_references() {
                if self.listed.contains(other) {
                    continue;
                }
                let ids = objects.iter().filter_map(|object| {
                    let body = object.fields(&|field| field == path.root());
                    let value = path.get(&body)?;
                    let id = value.get("id").unwrap_or(value).as_str()?;
                    Some((other.clone(), id.to_owned()))
                });
                missing.extend(ids.filter(|id| !self.asked.contains(id)));
            }
        }
        missing
    }

    async fn list_kind(&mut self, kind: &Kind) -> Result<(), CollectError> {
        match self.catalogue.get(kind.as_str()) {
            Ok(descriptor) => self.list(descriptor).await,
            Err(_) => Ok(()),
        }
    }

    /// Searches for objects by their names; a kind that cannot be searched, or not for so many, is
    /// listed.
    async fn search(
        &mut self,
        descriptor: &Descriptor,
        names: BTreeSet<String>,
    ) -> Result<(), CollectError> {
        if names.len() > ONE_BY_ONE || self.listed.contains(&descriptor.kind) {
            return self.list(descriptor).await;
        }
        for name in names {
            match lists::list_named(self.org, descriptor, &name).await {
                Some(listed) => self.take(descriptor, listed)?,
                None => return self.list(descriptor).await,
            }
        }
        Ok(())
    }

    /// Lists a kind, and first those for whose objects its lists are read.
    async fn list(&mut self, descriptor: &Descriptor) -> Result<(), CollectError> {
        if !self.listed.insert(descriptor.kind.clone()) {
            return Ok(());
        }
        for owner in descriptor.list.iter().filter_map(|list| list.each.as_ref()) {
            Box::pin(self.list_kind(owner)).await?;
            if self.snapshot.incomplete.contains(owner) {
                self.snapshot.incomplete.insert(descriptor.kind.clone());
            }
        }
        let (seen, owners) = (self.collector.seen, &self.snapshot.objects);
        let listed = list_once(self.org, descriptor, owners, seen).await;
        self.take(descriptor, listed)
    }

    /// Takes what a list answered.
    fn take(&mut self, descriptor: &Descriptor, listed: Listed) -> Result<(), CollectError> {
        if !listed.failures.is_empty() {
            self.snapshot.incomplete.insert(descriptor.kind.clone());
        }
        for (of, failure) in listed.failures {
            self.collector.failed(&descriptor.kind, of, failure);
        }
        self.collector.left_out(&descriptor.kind, listed.left_out);
        self.collector.events.tell(Event::KindRead {
            org: self.org.name.clone(),
            kind: descriptor.kind.clone(),
            objects: listed.objects.len(),
        });
        self.keep(&descriptor.kind, listed.objects);
        self.collector.check()
    }

    /// Adds rows to what is known; what is known already may be known whole.
    fn keep(&mut self, kind: &Kind, rows: Vec<Stored>) {
        let known = self.snapshot.objects.entry(kind.clone()).or_default();
        let ids: BTreeSet<SourceId> = known.iter().map(|row| row.id.clone()).collect();
        known.extend(rows.into_iter().filter(|row| !ids.contains(&row.id)));
    }

    /// Gets the rows of objects, so that it is known what they are called.
    async fn fetch(&mut self, ids: BTreeSet<Id>) -> Result<(), CollectError> {
        let mut by_kind: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
        for (kind, id) in ids {
            by_kind.entry(kind).or_default().push(id);
        }
        by_kind.retain(|kind, _| !self.listed.contains(kind));
        for (kind, ids) in by_kind {
            self.asked
                .extend(ids.iter().map(|id| (kind.clone(), id.clone())));
            let Ok(descriptor) = self.catalogue.get(kind.as_str()) else {
                continue;
            };
            let read = descriptor.read.as_ref().filter(|_| {
                // The id in a body does not say what the object lives in.
                let few = ids.len() <= self.one_by_one;
                descriptor.parent.is_none() && !descriptor.singleton && few
            });
            let Some(read) = read else {
                self.list(descriptor).await?;
                continue;
            };
            let org = self.org;
            let mut answers = stream::iter(ids)
                .map(|id| async move {
                    let call = lists::get(with_ids(&read.path, &id), &read.query);
                    (id, org.client.send(call).await)
                })
                .buffered(CONCURRENCY);
            let mut rows = Vec::new();
            while let Some((id, answer)) = answers.next().await {
                match answer {
                    Ok(reply) if reply.body.is_object() => {
                        let row = Captured {
                            id: SourceId::new(&id),
                            body: lists::looked_at(descriptor, reply.body),
                            files: Default::default(),
                        };
                        rows.push(row.into());
                    }
                    // What refers to it says so.
                    Err(error) if error.status() == Some(404) => {}
                    Ok(_) => {
                        let reason = "the answer is no object".to_owned();
                        let failure = lists::Failure::Answer(reason);
                        self.collector.failed(&kind, Some(id), failure);
                    }
                    Err(error) => {
                        self.snapshot.incomplete.insert(kind.clone());
                        let failure = lists::Failure::Call(error);
                        self.collector.failed(&kind, Some(id), failure);
                    }
                }
            }
            drop(answers);
            self.keep(&kind, rows);
            self.collector.check()?;
        }
        Ok(())
    }

    /// Reads what the rows of objects do not say.
    async fn read_whole(&mut self, ids: BTreeSet<Id>) -> Result<(), CollectError> {
        let mut by_kind: BTreeMap<Kind, BTreeSet<String>> = BTreeMap::new();
        for (kind, id) in &ids {
            by_kind.entry(kind.clone()).or_default().insert(id.clone());
        }
        self.whole.extend(ids);
        for (kind, ids) in by_kind {
            let Ok(descriptor) = self.catalogue.get(kind.as_str()) else {
                continue;
            };
            // The items of a few objects are asked for; those of many are read off their holders.
            let by_holders = ids.len() > ONE_BY_ONE;
            if by_holders {
                for part in &descriptor.parts {
                    let holder = part.inverse.as_ref().map(|inverse| &inverse.kind);
                    let owner = part.gathered.as_ref().map(|gathered| &gathered.each);
                    for kind in holder.into_iter().chain(owner) {
                        self.list_kind(kind).await?;
                    }
                }
            }
            // Nobody asks who belongs to what is taken along, or what few have of their own.
            let lean = without(descriptor, |part| part.members || part.asked.is_some());
            let with = self.selection.takes_dependencies();
            let own = without(descriptor, |part| part.asked.is_some() && !with);
            let objects = self.snapshot.objects.remove(&kind).unwrap_or_default();
            let (wanted, mut rest): (Vec<_>, Vec<_>) = objects
                .into_iter()
                .partition(|object| ids.contains(object.id.as_str()));
            let (inverse, items) = if by_holders {
                let owners = &self.snapshot.objects;
                let gathering = &mut self.gathering;
                let seen = self.collector.seen;
                let items = gathering.gather(self.org, descriptor, owners, wanted.len(), seen);
                (Inverse::OfHolders, items.await)
            } else {
                (Inverse::Asked, Items::default())
            };
            let (chosen, along): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|object| {
                let id = (kind.clone(), object.id.as_str().to_owned());
                self.chosen.contains(&id)
            });
            let (collector, others) = (&mut self.collector, &self.snapshot.objects);
            let by = (inverse, &items);
            rest.extend(fill(self.org, &lean, along, by, others, collector).await);
            let chosen = fill(self.org, &own, chosen, by, others, collector).await;
            rest.extend(match with {
                true => memberships(self.org, self.catalogue, descriptor, chosen, collector).await,
                false => chosen,
            });
            rest.sort_by(|a, b| a.id.cmp(&b.id));
            self.snapshot.objects.insert(kind, rest);
            if by_holders {
                invert(&[descriptor], &mut self.snapshot);
            }
            self.collector.check()?;
        }
        Ok(())
    }
}

/// Returns the name of the division that an object is in.
fn division(row: &Stored) -> Option<String> {
    let division = row.field("division")?;
    division
        .get("name")
        .and_then(Value::as_str)
        .map(str::to_owned)
}
