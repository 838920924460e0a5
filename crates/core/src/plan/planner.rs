//! Decides: desired documents and a live org in, a plan out.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::panic::resume_unwind;
use std::thread;

use serde_json::{Map, Value};

use super::cut::{Edge, cut_cycles};
use super::flows::take_flow_sources;
use super::kept::{ignored_fields, spare, without_ignored};
use super::loose::{UNKNOWN_ID, tell_of_ids};
use super::managers::part_circles;
use super::numbers::keep_numbers_of_target;
use super::one_place::part_places;
use super::order::order;
use super::parallel::in_chunks;
use super::steps::{Made, StepMaker, coming, move_people, publish};
use super::{
    Conflict, Counts, Digest, Estimate, FORMAT, Finding, Images, Plan, Rate, Severity, Side,
    digest_of,
};
use crate::bundle::Bundle;
use crate::catalogue::{Brings, Catalogue, ClonePhase, Descriptor, Driver};
use crate::checks::Policy;
use crate::document::{Files, Json, Packed, Slot, Stored, for_each_object_at, for_each_slot};
use crate::file_refs;
use crate::id::{Kind, ObjectRef};
use crate::overlay::Ignored;
use crate::path::FieldPath;
use crate::people;
use crate::select::Selection;
use crate::snapshot::{Names, Snapshot, conceal};

/// The name under which a flow's source is kept beside its document.
pub const FLOW_SOURCE: &str = "flow.yaml";

/// What a user may choose for a plan.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How fast calls may be sent; for the estimate.
    pub rate: Rate,
    /// Objects of the source's kinds that only the target has are deleted.
    pub prune: bool,
    /// Objects of the target that are deleted, whatever the source says.
    pub delete: BTreeSet<ObjectRef>,
    /// Which of several objects with one key is meant, by its id in the target.
    pub pins: BTreeMap<ObjectRef, String>,
    /// Fields of objects that the target has which are left as they are there.
    pub ignored: Vec<Ignored>,
    /// Objects that are left as they are where the target has them.
    pub protected: Option<Selection>,
    /// Flows that somebody has locked in the target are unlocked, and written.
    pub unlock: bool,
    /// What is done about ids that belong to nothing that was read.
    pub leaks: Policy,
    /// Secrets whose values objects are given again, though the target has some there.
    pub resend: Resend,
    /// Users are created by SCIM where that saves calls and the target takes it.
    pub scim: bool,
    /// Objects that are wanted and were set aside before the plan, each told of as a conflict: nothing is done
    /// about them.
    pub set_aside: BTreeSet<ObjectRef>,
    /// Objects that are left alone, and why: the target cannot have them as they are wanted.
    pub barred: BTreeMap<ObjectRef, String>,
    /// A state of the past is wanted: what a person refers to and nobody has any more is left out.
    pub past: bool,
}

/// Secrets of objects whose values are sent again, by name, and why.
pub type Resend = BTreeMap<ObjectRef, BTreeMap<String, Why>>;

/// Why the value of a secret is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It is another than the one that was sent last.
    Changed,
    /// Somebody asked for it.
    Asked,
}

/// Makes plans.
#[derive(Debug)]
pub struct Planner<'c> {
    catalogue: &'c Catalogue,
    options: Options,
}

/// A desired document on its way to becoming steps.
///
/// All items are there at once, so their bodies are text.
pub(super) struct Item<'p, B = Cow<'p, Json>> {
    pub(super) object: ObjectRef,
    pub(super) descriptor: &'p Descriptor,
    pub(super) body: B,
    pub(super) files: Files,
    pub(super) state: Presence<'p>,
    /// Secrets that it is given again.
    pub(super) resend: Option<&'p BTreeMap<String, Why>>,
    /// Objects that its source names; for flows.
    pub(super) source_refs: BTreeSet<ObjectRef>,
    /// What it leaves out the source does not have.
    pub(super) was_read: bool,
    /// Somebody wrote what this person is to have: what nobody has is a slip, and not left out.
    pub(super) strict: bool,
    /// What stays as the target has it.
    pub(super) ignored: Vec<&'p FieldPath>,
}

/// An item with its body as a tree, for as long as its steps are made.
pub(super) type Open<'p> = Item<'p, Map<String, Value>>;

impl<'p> Item<'p> {
    pub(super) fn open(&self) -> Open<'p> {
        // Who writes a bundle by hand may have written a credential in clear.
        let mut body = Value::Object(self.body.map());
        conceal(self.descriptor, &self.object, &mut body);
        let Value::Object(body) = body else {
            unreachable!("it stays the object that it is")
        };
        Item {
            object: self.object.clone(),
            descriptor: self.descriptor,
            body,
            files: self.files.clone(),
            state: self.state,
            resend: self.resend,
            source_refs: self.source_refs.clone(),
            was_read: self.was_read,
            strict: self.strict,
            ignored: self.ignored.clone(),
        }
    }
}

/// Whether the target has an object.
#[derive(Clone, Copy)]
pub(super) enum Presence<'p> {
    Missing,
    Deleted(&'p Stored),
    Live(&'p Stored),
}

impl Presence<'_> {
    pub(super) fn is_live(&self) -> bool {
        matches!(self, Self::Live(_))
    }
}

/// The target, indexed by what people call its objects.
pub(super) struct Target<'p> {
    pub(super) names: Names,
    pub(super) live: HashMap<ObjectRef, &'p Stored>,
    deleted: HashMap<ObjectRef, &'p Stored>,
    ambiguous: BTreeSet<ObjectRef>,
    unread: BTreeSet<ObjectRef>,
    looked_for: &'p BTreeSet<ObjectRef>,
}

impl<'p> Target<'p> {
    fn new(
        catalogue: &Catalogue,
        snapshot: &'p Snapshot,
        pins: &BTreeMap<ObjectRef, String>,
    ) -> Self {
        let names = Names::new(catalogue, snapshot, pins);
        let index = |objects: &'p BTreeMap<Kind, Vec<Stored>>| {
            let mut found = HashMap::new();
            for (kind, captured) in objects {
                for captured in captured {
                    if let Some(object) = names.object(kind, captured.id.as_str()) {
                        found.insert(object.clone(), captured);
                    }
                }
            }
            found
        };
        let ambiguous = names
            .ambiguous()
            .iter()
            .map(|several| several.object.clone())
            .collect();
        let unread = snapshot.unread.iter();
        let unread = unread.filter_map(|(kind, id)| names.object(kind, id.as_str()));
        let unread = unread.cloned().collect();
        let (live, deleted) = (index(&snapshot.objects), index(&snapshot.deleted));
        Self {
            live,
            deleted,
            ambiguous,
            unread,
            looked_for: &snapshot.looked_for,
            names,
        }
    }

    /// Tells whether the target may have an object though it is not known there.
    fn is_uncertain(&self, object: &ObjectRef) -> bool {
        let unread = self.names.may_lack(&object.kind) && !self.looked_for.contains(object);
        unread || self.ambiguous.contains(object)
    }

    fn presence(&self, object: &ObjectRef) -> Presence<'p> {
        match (self.live.get(object), self.deleted.get(object)) {
            (Some(captured), _) => Presence::Live(captured),
            (None, Some(captured)) => Presence::Deleted(captured),
            (None, None) => Presence::Missing,
        }
    }
}

/// What is gathered while deciding.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) conflicts: Vec<Conflict>,
    pub(super) findings: Vec<Finding>,
}

impl Notes {
    pub(super) fn conflict(&mut self, object: &ObjectRef, reason: String) {
        self.conflicts.push(Conflict {
            object: object.clone(),
            reason,
        });
    }

    pub(super) fn add(&mut self, more: Self) {
        let Self {
            conflicts,
            findings,
        } = more;
        self.conflicts.extend(conflicts);
        self.findings.extend(findings);
    }

    pub(super) fn warn(&mut self, rule: &str, object: &ObjectRef, message: String) {
        self.findings.push(Finding {
            severity: Severity::Warning,
            rule: rule.to_owned(),
            object: Some(object.clone()),
            message,
        });
    }
}

impl<'c> Planner<'c> {
    /// Takes the catalogue and what the user chose.
    pub fn new(catalogue: &'c Catalogue, options: Options) -> Self {
        Self { catalogue, options }
    }

    /// Decides every write that makes the target have what the bundle says.
    pub fn plan(&self, desired: &Bundle, snapshot: &Snapshot) -> Plan {
        thread::scope(|scope| {
            let digests =
                scope.spawn(|| (digest_of_documents(desired), digest_of_snapshot(snapshot)));
            let mut plan = self.decide(desired, snapshot);
            let digests = digests.join().unwrap_or_else(|panic| resume_unwind(panic));
            (plan.source.digest, plan.target.digest) = digests;
            plan
        })
    }

    /// Makes the plan but for the digests of its sides.
    fn decide(&self, desired: &Bundle, snapshot: &Snapshot) -> Plan {
        let target = Target::new(self.catalogue, snapshot, &self.options.pins);
        let mut notes = Notes::default();
        let mut items = self.items(desired, &target, &mut notes);
        keep_numbers_of_target(&mut items, &target, &mut notes);
        part_circles(&mut items, &target, &mut notes);
        part_places(self.catalogue, &mut items, &target, &mut notes);
        let set_aside = &self.options.set_aside;
        let named = |object: &ObjectRef| {
            desired.documents.contains_key(object) || set_aside.contains(object)
        };
        settle_references(self.catalogue, &mut items, &target, &named, &mut notes);
        let cuts = cut(&mut items, &mut notes);

        let coming = coming(self.catalogue, &items);
        let maker = || StepMaker::new(&self.options, &items, &target, &cuts, &coming);
        let mut indexes: Vec<usize> = (0..items.len()).collect();
        let mut made = in_chunks(&mut indexes, |chunk| {
            let mut maker = maker();
            chunk.iter().for_each(|index| maker.make(*index));
            maker.finish()
        });
        let mut maker = maker();
        maker.delete(self.catalogue, desired, snapshot);
        made.push(maker.finish());
        let mut made = Made::joined(made);
        publish(self.catalogue, &items, &target, &mut made);
        move_people(self.catalogue, &items, &target, &mut made);
        if let Some(protected) = &self.options.protected {
            spare(protected, desired, &target, &mut made);
        }
        let Made {
            mut steps,
            blobs,
            mut counts,
            notes: more,
            images,
        } = made;
        notes.add(more);
        let changed: HashSet<&ObjectRef> = steps.iter().map(|step| &step.object).collect();
        // What is equal is not sent.
        notes.findings.retain(|finding| {
            let object = finding.object.as_ref();
            finding.rule != UNKNOWN_ID || object.is_some_and(|object| changed.contains(object))
        });
        let lines = images.iter().filter(|(object, _)| changed.contains(object));
        let packed = Images::pack(lines.map(|(_, line)| line));
        drop((changed, images));
        order(&mut steps);
        for (kind, captured) in &snapshot.objects {
            if let Some(counts) = counts.get_mut(kind) {
                counts.existing = captured.len();
            }
        }

        let bindings = bindings(&steps, &target);
        notes.conflicts.sort();
        notes.conflicts.dedup();
        notes.findings.sort();
        notes.findings.dedup();
        let mut gaps = desired.gaps.clone();
        gaps.extend(snapshot.gaps.iter().cloned());
        gaps.sort();
        gaps.dedup();
        Plan {
            format: FORMAT,
            source: Side {
                org: desired.source.clone(),
                digest: String::new(),
            },
            target: Side {
                org: snapshot.org.clone(),
                digest: String::new(),
            },
            estimate: Estimate::of(&steps, self.options.rate),
            steps,
            bindings,
            blobs,
            counts,
            conflicts: notes.conflicts,
            gaps,
            findings: notes.findings,
            decisions: Vec::new(),
            images: packed,
            undoes: None,
        }
    }

    /// Looks each document up in the target and sets aside what cannot be planned.
    fn items<'p>(
        &'p self,
        desired: &'p Bundle,
        target: &Target<'p>,
        notes: &mut Notes,
    ) -> Vec<Item<'p>>
    where
        'c: 'p,
    {
        let mut items = Vec::new();
        let owners = self.catalogue.iter();
        let brings =
            owners.flat_map(|owner| owner.brings.iter().map(|brings| (&owner.kind, brings)));
        let brings: Vec<(&Kind, &Brings)> = brings.collect();
        for (object, document) in &desired.documents {
            let descriptor = match self.catalogue.get(object.kind.as_str()) {
                Ok(descriptor) => descriptor,
                Err(unknown) => {
                    notes.conflict(object, unknown.to_string());
                    continue;
                }
            };
            if let Some(reason) = self.options.barred.get(object) {
                notes.conflict(object, reason.clone());
                continue;
            }
            if target.ambiguous.contains(object) {
                let several = target
                    .names
                    .ambiguous()
                    .iter()
                    .find(|several| several.object == *object);
                let reason = several.map_or_else(String::new, |several| several.to_gap().reason);
                notes.conflict(object, format!("in the target, {reason}"));
                continue;
            }
            let state = target.presence(object);
            if !matches!(state, Presence::Live(_))
                && people::is_members_only(descriptor, document.names())
            {
                let reason = format!(
                    "the target lacks it, and the source says no more of it than who belongs to it; take the {} along",
                    descriptor.title
                );
                notes.conflict(object, reason);
                continue;
            }
            if matches!(state, Presence::Missing) && target.is_uncertain(object) {
                notes.conflict(object, unread(&object.kind));
                continue;
            }
            if let Presence::Live(live) = state
                && target.unread.contains(object)
                && !is_unpublished(descriptor, live)
            {
                let reason = "it could not be read whole in the target; see the gaps";
                notes.conflict(object, reason.to_owned());
                continue;
            }
            let mapped = descriptor.clone == ClonePhase::Mapped;
            if descriptor.comes_with.is_some() {
                continue;
            }
            if !state.is_live() && mapped {
                notes.warn(
                    "no-twin",
                    object,
                    format!(
                        "the target has no such {}, and orgsmith never creates one",
                        descriptor.title
                    ),
                );
                continue;
            }
            if mapped {
                continue;
            }
            if !state.is_live() && desired.built_in.contains(object) {
                notes.warn(
                    "no-twin",
                    object,
                    format!(
                        "it is built in, and the target has no {} of this name; nobody can create it",
                        descriptor.title
                    ),
                );
                continue;
            }
            if matches!(state, Presence::Missing)
                && object.key.is_builtin()
                && !descriptor.singleton
            {
                let reason =
                    "it is built in, but the target was read without it, and nobody can create it";
                notes.conflict(object, reason.to_owned());
                continue;
            }
            let was_read = desired.was_read(object);
            if matches!(state, Presence::Missing)
                && !was_read
                && let Some(field) = lacks(descriptor, document)
            {
                let reason = format!(
                    "the target lacks it, and a new {} needs a {field}: say it in the document",
                    descriptor.title
                );
                notes.conflict(object, reason);
                continue;
            }
            if let Presence::Live(live) = state
                && !self.options.past
                && let Some(other) = owner_instead(&brings, document, live, target)
            {
                let reason = format!(
                    "in the target it is of {other}, from whom nothing is taken; call one of the two {title}s \
                     otherwise, or delete that one",
                    title = descriptor.title
                );
                notes.conflict(object, reason);
                continue;
            }
            let members_only = people::is_members_only(descriptor, document.names());
            let ignored = match state {
                Presence::Live(_) => ignored_fields(&self.options.ignored, document, desired),
                Presence::Missing | Presence::Deleted(_) => Vec::new(),
            };
            items.push(Item {
                object: object.clone(),
                descriptor,
                body: without_ignored(&ignored, document),
                files: document.files.clone(),
                state,
                resend: self.options.resend.get(object),
                source_refs: named_in_files(descriptor, document),
                was_read: was_read && !members_only,
                strict: !was_read && !self.options.past && !descriptor.member_of.is_empty(),
                ignored,
            });
        }
        let told = in_chunks(&mut items, |items| {
            let mut notes = Notes::default();
            let leaks = &self.options.leaks;
            items
                .iter()
                .for_each(|item| tell_of_ids(item, leaks, &mut notes));
            notes
        });
        told.into_iter().for_each(|more| notes.add(more));
        take_flow_sources(self.catalogue, desired, target, &mut items, notes);
        items
    }
}

/// Returns whose an object is in the target, where it is to be somebody else's: a phone of one name.
fn owner_instead(
    brings: &[(&Kind, &Brings)],
    document: &Packed,
    live: &Stored,
    target: &Target<'_>,
) -> Option<ObjectRef> {
    let mut brings = brings.iter();
    let (owner, brings) = brings.find(|(_, brings)| brings.kind == document.object.kind)?;
    let Some(Slot::Ref(wanted)) = Slot::of(&document.field(brings.by.root())?) else {
        return None;
    };
    let now = live.field(brings.by.root())?;
    let now = target.names.object(owner, now.get("id")?.as_str()?)?;
    (*now != wanted).then(|| now.clone())
}

/// Returns a field that a new object needs and a document leaves out.
fn lacks<'d>(descriptor: &'d Descriptor, document: &Packed) -> Option<&'d str> {
    let create = descriptor.create.as_ref()?;
    let mut needs = create.needs.iter().map(String::as_str);
    needs.find(|field| !document.names().any(|name| name == *field))
}

/// Returns the objects that the file of a script names.
fn named_in_files(descriptor: &Descriptor, document: &Packed) -> BTreeSet<ObjectRef> {
    if descriptor.driver != Driver::Script {
        return BTreeSet::new();
    }
    let files = document.files.values();
    let mut named: BTreeSet<ObjectRef> = files
        .flat_map(|bytes| file_refs::slots(bytes).into_values())
        .collect();
    named.remove(&document.object);
    named
}

/// Tells whether an object is a flow without a source, which an import gives it.
fn is_unpublished(descriptor: &Descriptor, live: &Stored) -> bool {
    let stamp = descriptor.stamp.as_ref();
    descriptor.driver == Driver::Flow
        && stamp.is_some_and(|path| {
            path.get(&live.fields(&|field| field == path.root()))
                .is_none()
        })
}

/// Says why nothing is done about an object that the target may have.
fn unread(kind: &Kind) -> String {
    format!("the target may have it: not every {kind} there could be read; see the gaps")
}

/// Says why an object cannot do with a reference.
fn why_not(nowhere: &ObjectRef, target: &Target<'_>) -> String {
    if target.is_uncertain(nowhere) {
        return format!(
            "it refers to {nowhere}, of which it is not known whether the target has it"
        );
    }
    format!("it refers to {nowhere}, which neither the source nor the target has")
}

/// Drops references that lead nowhere where an object can do without, and sets aside the others.
fn settle_references(
    catalogue: &Catalogue,
    items: &mut Vec<Item<'_>>,
    target: &Target<'_>,
    named: &dyn Fn(&ObjectRef) -> bool,
    notes: &mut Notes,
) {
    let is_slip = |object: &ObjectRef| {
        let kind = catalogue.get(object.kind.as_str());
        !named(object) && kind.is_ok_and(|kind| kind.clone != ClonePhase::Mapped)
    };
    let conflicts = notes.conflicts.iter();
    let left_alone: HashSet<ObjectRef> = conflicts.map(|found| found.object.clone()).collect();
    let mut coming: HashSet<ObjectRef> = items.iter().map(|item| item.object.clone()).collect();
    loop {
        let bringer_is_left_alone = |object: &ObjectRef| {
            let bringer = catalogue.bringer(object);
            bringer.is_some_and(|bringer| left_alone.contains(&bringer))
        };
        let live =
            |object: &ObjectRef| target.live.contains_key(object) && !bringer_is_left_alone(object);
        let known = |object: &ObjectRef| {
            let bringer = || catalogue.bringer(object);
            let comes = |bringer: ObjectRef| coming.contains(&bringer) && !live(&bringer);
            coming.contains(object) || live(object) || bringer().is_some_and(comes)
        };
        let mut gone = Vec::new();
        let uncertain = |object: &ObjectRef| target.is_uncertain(object);
        items.retain_mut(
            |item| match settle(item, &known, &uncertain, &is_slip, notes) {
                Ok(()) => true,
                Err(nowhere) => {
                    notes.conflict(&item.object, why_not(&nowhere, target));
                    gone.push(item.object.clone());
                    false
                }
            },
        );
        if gone.is_empty() {
            return;
        }
        for object in gone {
            coming.remove(&object);
        }
    }
}

fn settle(
    item: &mut Item<'_>,
    known: &dyn Fn(&ObjectRef) -> bool,
    uncertain: &dyn Fn(&ObjectRef) -> bool,
    is_slip: &dyn Fn(&ObjectRef) -> bool,
    notes: &mut Notes,
) -> Result<(), ObjectRef> {
    if let Some(nowhere) = item.source_refs.iter().find(|object| !known(object)) {
        return Err(nowhere.clone());
    }
    let mut complete = true;
    let mut open = None;
    item.body.for_each_slot(&mut |slot| {
        if let Slot::Ref(other) = slot
            && !known(&other)
        {
            complete = false;
            if uncertain(&other) || (item.strict && is_slip(&other)) {
                open.get_or_insert(other);
            }
        }
    });
    // To leave out what may be there would take it from an object that has it.
    if let Some(open) = open {
        return Err(open);
    }
    if complete {
        return Ok(());
    }
    let mut body = item.body.value();
    let part = |root: &str| item.descriptor.parts.iter().any(|part| part.field == root);
    for reference in &item.descriptor.references {
        if !reference.deferrable && !part(reference.path.root()) {
            continue;
        }
        let object = &item.object;
        let mut is_there = |other: &ObjectRef| {
            let there = known(other);
            if !there {
                notes.warn(
                    "reference-left-out",
                    object,
                    format!(
                        "{} refers to {other}, which the target lacks and nothing creates; it is left out",
                        reference.path
                    ),
                );
            }
            there
        };
        if reference.keys {
            reference.path.rename_keys(&mut body, &mut |key| {
                let lost = Slot::of_key(key).is_some_and(|other| !is_there(&other));
                (!lost).then(|| key.to_owned())
            });
            continue;
        }
        let mut keep = |value: &mut Value| match Slot::of(value) {
            Some(Slot::Ref(other)) => is_there(&other),
            _ => true,
        };
        match reference.path.split_at_element() {
            Some((list, inside)) => list.retain(&mut body, &mut |element| {
                let mut kept = true;
                inside.retain(element, &mut |value| {
                    kept &= keep(value);
                    true
                });
                kept
            }),
            None => reference.path.retain(&mut body, &mut keep),
        }
    }
    let mut nowhere = None;
    for_each_slot(&body, &mut |slot| {
        if let Slot::Ref(other) = slot
            && !known(&other)
        {
            nowhere.get_or_insert(other);
        }
    });
    item.body = Cow::Owned(Json::from(&body));
    nowhere.map_or(Ok(()), Err)
}

/// The references that are cut: by object, what it is created without.
pub(super) type Cuts = BTreeMap<usize, BTreeSet<ObjectRef>>;

/// Price of importing a flow a second time, against one more request for another object.
const FLOW_COST: u32 = 2;

/// Cuts the cycles among the objects that are to be created.
fn cut(items: &mut Vec<Item<'_>>, notes: &mut Notes) -> Cuts {
    loop {
        let index: HashMap<&ObjectRef, usize> = items
            .iter()
            .enumerate()
            .filter(|(_, item)| !item.state.is_live())
            .map(|(index, item)| (&item.object, index))
            .collect();
        let mut new: Vec<usize> = index.values().copied().collect();
        new.sort_unstable();
        let found = in_chunks(&mut new, |new| {
            let mut edges: BTreeMap<(usize, usize), Option<u32>> = BTreeMap::new();
            for from in new {
                for (object, cost) in creation_references(&items[*from].open()) {
                    if let Some(to) = index.get(&object) {
                        let edge = edges.entry((*from, *to)).or_insert(cost);
                        *edge = edge.and(cost);
                    }
                }
            }
            edges
        });
        let edges: Vec<Edge> = found
            .into_iter()
            .flatten()
            .map(|((from, to), cost)| Edge { from, to, cost })
            .collect();
        match cut_cycles(items.len(), &edges) {
            Ok(cut) => {
                let mut cuts = Cuts::new();
                for (from, to) in cut {
                    cuts.entry(from)
                        .or_default()
                        .insert(items[to].object.clone());
                }
                return cuts;
            }
            Err(members) => {
                let names: Vec<_> = members
                    .iter()
                    .map(|member| items[*member].object.to_string())
                    .collect();
                let reason = format!(
                    "it is in a circle that cannot be cut: {}",
                    names.join(" → ")
                );
                for member in members.iter().rev() {
                    let item = items.remove(*member);
                    notes.conflict(&item.object, reason.clone());
                }
            }
        }
    }
}

/// Returns what an object needs to be created, and what it costs to link it later instead.
fn creation_references(item: &Open<'_>) -> Vec<(ObjectRef, Option<u32>)> {
    if item.descriptor.driver == Driver::Flow {
        let source = item
            .source_refs
            .iter()
            .map(|object| (object.clone(), Some(FLOW_COST)));
        // A flow's shell takes its division along.
        let division = item
            .body
            .get("division")
            .and_then(|division| match Slot::of(division) {
                Some(Slot::Ref(object)) => Some((object, None)),
                _ => None,
            });
        return source.chain(division).collect();
    }
    // The file of a script goes up whole.
    let named = item.source_refs.iter();
    let mut found: Vec<_> = named.map(|object| (object.clone(), None)).collect();
    let omitted = |field: &str| {
        item.descriptor
            .create
            .as_ref()
            .is_some_and(|create| create.omit.iter().any(|f| f == field))
            || item.descriptor.parts.iter().any(|part| part.field == field)
    };
    let mut deferrable = HashMap::new();
    for reference in &item.descriptor.references {
        let mut note = |object: ObjectRef| {
            let all = deferrable.entry(object).or_insert(true);
            *all &= reference.deferrable && item.descriptor.update.is_some();
        };
        for_each_object_at(reference, &item.body, &mut note);
    }
    for (field, value) in &item.body {
        if omitted(field) {
            continue;
        }
        for_each_slot(value, &mut |slot| {
            if let Slot::Ref(object) = slot {
                let cost = deferrable
                    .get(&object)
                    .copied()
                    .unwrap_or(false)
                    .then_some(1);
                found.push((object, cost));
            }
        });
    }
    found
}

/// Returns the ids of the objects that exist and that steps refer to.
fn bindings(
    steps: &[super::Step],
    target: &Target<'_>,
) -> BTreeMap<ObjectRef, crate::id::TargetId> {
    let mut found = BTreeMap::new();
    let mut bind = |object: &ObjectRef| {
        if let Some(live) = target
            .live
            .get(object)
            .or_else(|| target.deleted.get(object))
        {
            found.insert(object.clone(), crate::id::TargetId::new(live.id.as_str()));
        }
    };
    for step in steps {
        bind(&step.object);
        step.references().iter().for_each(&mut bind);
    }
    found
}

fn digest_of_documents(bundle: &Bundle) -> String {
    let mut digest = Digest::default();
    for (object, document) in &bundle.documents {
        digest.text(&format!("{object} "));
        digest.text(document.as_json());
        digest.text("\n");
        for (name, bytes) in &document.files {
            digest.text(&format!("{name} {}\n", digest_of(bytes)));
        }
    }
    digest.finish()
}

fn digest_of_snapshot(snapshot: &Snapshot) -> String {
    let mut digest = Digest::default();
    for (kind, captured) in &snapshot.objects {
        let mut rows: Vec<_> = captured.iter().collect();
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        for captured in rows {
            digest.text(&format!("{kind} {} ", captured.id));
            digest.text(captured.as_json());
            digest.text("\n");
        }
    }
    digest.finish()
}

/// Counts what happens to the objects of a kind.
pub(super) fn count<'a>(counts: &'a mut BTreeMap<Kind, Counts>, kind: &Kind) -> &'a mut Counts {
    counts.entry(kind.clone()).or_default()
}
