//! Steps that delete what only the target has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::flows::{flow_action, is_locked, is_unlocked};
use super::{StepMaker, expected, step_id};
use crate::bundle::{Bundle, Gap};
use crate::catalogue::{Catalogue, ClonePhase, Descriptor, Driver, WriteSpec};
use crate::document::{Captured, Portable, Slot, Template, for_each_slot};
use crate::flow::locked_by;
use crate::id::{Kind, ObjectRef, StepId};
use crate::people::is_members_only;
use crate::plan::cut::{Edge, cut_cycles};
use crate::plan::flows::NamedByFlows;
use crate::plan::planner::{FLOW_SOURCE, count};
use crate::plan::{Action, Finding, Request, Severity, Step, Write, wire};
use crate::select::Selection;
use crate::snapshot::{Snapshot, builtin_rule, portable};

/// Deletes come when everything else is done.
const DELETE_PHASE: u8 = ClonePhase::DELETING;

/// Objects that are deleted.
type Doomed<'d> = BTreeMap<ObjectRef, (&'d Descriptor, Captured)>;

impl StepMaker<'_, '_> {
    /// Finds what only the target has, of the kinds that the bundle holds whole.
    ///
    /// A selection limits what is deleted as it limits what is written. A kind of which the source
    /// has an object that could not be exported is left alone: it may be the very object.
    fn prune<'d>(
        &mut self,
        catalogue: &'d Catalogue,
        desired: &Bundle,
        snapshot: &Snapshot,
        doomed: &mut Doomed<'d>,
    ) {
        let held = desired.documents.iter();
        // Of what says no more than who belongs to it, the bundle holds no kind.
        let held = held.filter(|(object, document)| {
            let descriptor = catalogue.get(object.kind.as_str());
            !descriptor.is_ok_and(|descriptor| is_members_only(descriptor, document.names()))
        });
        let kinds: BTreeSet<&Kind> = held.map(|(object, _)| &object.kind).collect();
        let Ok(selection) = Selection::from_texts(catalogue, &desired.selection) else {
            return;
        };
        for kind in kinds {
            let Ok(descriptor) = catalogue.get(kind.as_str()) else {
                continue;
            };
            if descriptor.singleton || descriptor.clone == ClonePhase::Mapped {
                continue;
            }
            if let Some(gap) = desired
                .gaps
                .iter()
                .find(|gap| lacks_an_object(desired, kind, gap))
            {
                self.notes.findings.push(Finding {
                    severity: Severity::Warning,
                    rule: "not-pruned".to_owned(),
                    object: None,
                    message: format!("no {kind} is deleted, as the source has a gap: {gap}"),
                });
                continue;
            }
            for live in snapshot.objects.get(kind).into_iter().flatten() {
                let Some(object) = self.target.names.object(kind, live.id.as_str()) else {
                    continue;
                };
                // Nearly all are wanted: only the others are opened.
                let is_wanted = desired.documents.contains_key(object)
                    || self.options.set_aside.contains(object);
                if is_wanted || object.key.is_builtin() {
                    continue;
                }
                let live = live.open();
                let division = live.body.pointer("/division/name").and_then(Value::as_str);
                if selection.matches(object, division)
                    && builtin_rule(descriptor, &live.body).is_none()
                {
                    doomed.insert(object.clone(), (descriptor, live));
                }
            }
        }
    }

    /// Deletes what the options name, and with `prune` what only the target has.
    pub(in crate::plan) fn delete(
        &mut self,
        catalogue: &Catalogue,
        desired: &Bundle,
        snapshot: &Snapshot,
    ) {
        let mut doomed = Doomed::new();
        if self.options.prune {
            self.prune(catalogue, desired, snapshot, &mut doomed);
        }
        for object in self.options.delete.difference(&self.options.set_aside) {
            let live = self.target.live.get(object);
            let descriptor = catalogue.get(object.kind.as_str());
            let Some((live, descriptor)) = live.zip(descriptor.ok()) else {
                continue;
            };
            if descriptor.delete.is_none() {
                let reason = format!("no call deletes a {}", descriptor.title);
                self.notes.conflict(object, reason);
                continue;
            }
            doomed.insert(object.clone(), (descriptor, live.open()));
        }
        let names = &self.target.names;
        let doomed: Vec<Doom<'_>> = doomed
            .into_iter()
            .filter(|(object, (descriptor, live))| self.deletable(object, descriptor, live))
            .map(|(object, (descriptor, live))| {
                let document = portable(descriptor, object, &live, names, &mut Vec::new());
                Doom {
                    descriptor,
                    live,
                    document,
                }
            })
            .collect();
        let mut after = self.take_apart(catalogue, &doomed);
        for (index, doom) in doomed.iter().enumerate() {
            let object = &doom.document.object;
            self.note_image(object, Some(&doom.document), None);
            self.delete_one(doom, after.remove(&index).unwrap_or_default());
        }
    }

    /// Tells whether an object can be deleted; where not, the plan says why.
    fn deletable(&mut self, object: &ObjectRef, descriptor: &Descriptor, live: &Captured) -> bool {
        let owner = locked_by(&live.body).filter(|_| descriptor.driver == Driver::Flow);
        if let Some(owner) = owner.filter(|_| !self.options.unlock) {
            self.notes.conflict(object, is_locked(owner));
            return false;
        }
        descriptor.delete.is_some()
    }

    /// Finds what must be done before each object is deleted, by its place: what refers to it goes
    /// first. Of those that refer to each other in a circle, some stop doing so first.
    fn take_apart(
        &mut self,
        catalogue: &Catalogue,
        doomed: &[Doom<'_>],
    ) -> BTreeMap<usize, Vec<StepId>> {
        let place: HashMap<&ObjectRef, usize> = doomed
            .iter()
            .enumerate()
            .map(|(index, doom)| (&doom.document.object, index))
            .collect();
        let flows = doomed.iter().any(Doom::is_flow);
        let flows = flows.then(|| NamedByFlows::new(catalogue, self.target));
        let mut fields: BTreeMap<(usize, usize), BTreeSet<&str>> = BTreeMap::new();
        for (from, doom) in doomed.iter().enumerate() {
            let mut refers = |field, other: &ObjectRef| {
                if let Some(to) = place.get(other).filter(|to| **to != from) {
                    fields.entry((from, *to)).or_default().insert(field);
                }
            };
            for (field, value) in &doom.document.body {
                for_each_slot(value, &mut |slot| {
                    if let Slot::Ref(other) = slot {
                        refers(field.as_str(), &other);
                    }
                });
            }
            let named = flows.as_ref().filter(|_| doom.is_flow());
            let named = named.map(|flows| flows.by(&doom.document.files));
            for other in named.into_iter().flatten() {
                refers(FLOW_SOURCE, &other);
            }
        }
        let edges: Vec<Edge> = fields
            .iter()
            .map(|((from, to), fields)| {
                let loose = fields.iter().all(|field| doomed[*from].can_lack(field));
                // Where a reference stays, the API may let its object go all the same.
                let cost = Some(if loose { 1 } else { 100 });
                let (from, to) = (*from, *to);
                Edge { from, to, cost }
            })
            .collect();
        let cut = cut_cycles(doomed.len(), &edges).unwrap_or_default();
        let mut loose: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
        for ((from, to), fields) in &fields {
            if cut.contains(&(*from, *to)) && fields.iter().all(|f| doomed[*from].can_lack(f)) {
                loose.entry(*from).or_default().extend(fields);
            }
        }
        for (from, fields) in &loose {
            self.unlink(&doomed[*from], fields);
        }
        let mut after: BTreeMap<usize, Vec<StepId>> = BTreeMap::new();
        for (from, to) in fields.keys() {
            let object = &doomed[*from].document.object;
            if !cut.contains(&(*from, *to)) {
                after
                    .entry(*to)
                    .or_default()
                    .push(step_id(object, "delete"));
            } else if loose.contains_key(from) {
                after
                    .entry(*to)
                    .or_default()
                    .push(step_id(object, "unlink"));
            }
        }
        for from in loose.keys() {
            let own = step_id(&doomed[*from].document.object, "unlink");
            after.entry(*from).or_default().push(own);
        }
        after
    }

    /// Makes an object that is to be deleted refer to others no more.
    fn unlink(&mut self, doom: &Doom<'_>, fields: &BTreeSet<&str>) {
        let object = &doom.document.object;
        let write = match &doom.descriptor.update {
            _ if doom.is_flow() => flow_action("deactivate", object),
            Some(call) => doom.without(call, fields),
            None => return,
        };
        self.steps.push(Step {
            reason: "what it refers to refers back to it".into(),
            expected: expected(doom.descriptor, &doom.live),
            ..last(object, "unlink", Action::Update, write)
        });
    }

    fn delete_one(&mut self, doom: &Doom<'_>, mut after: Vec<StepId>) {
        let Doom {
            descriptor,
            live,
            document,
        } = doom;
        let object = &document.object;
        let Some(call) = &descriptor.delete else {
            return;
        };
        let unlinked = after.contains(&step_id(object, "unlink"));
        let expected = expected(descriptor, live).filter(|_| !unlinked);
        if let Some(owner) = locked_by(&live.body).filter(|_| descriptor.driver == Driver::Flow) {
            let unlock = Step {
                reason: is_unlocked(owner),
                expected: expected.clone(),
                ..last(
                    object,
                    "unlock",
                    Action::Update,
                    flow_action("unlock", object),
                )
            };
            after.push(unlock.id.clone());
            self.steps.push(unlock);
        }
        let query = call.query.iter();
        let query = query.map(|(name, value)| (name.clone(), Template::new(value.clone().into())));
        count(&mut self.counts, &object.kind).delete += 1;
        // Of what there is one in an org, the path says no id.
        let id = || Template::new(Slot::Ref(object.clone()).to_value());
        let params = call.path.contains('{').then(id);
        let write = Write::Request(Request {
            method: "DELETE".into(),
            path: call.path.clone(),
            params: params.into_iter().collect(),
            query: query.collect(),
            body: None,
            creates: false,
            versioned: false,
            job: None,
        });
        self.steps.push(Step {
            reason: "the source lacks it".into(),
            after,
            expected,
            ..last(object, "delete", Action::Delete, write)
        });
    }
}

/// Returns a step of an object that goes; why, and after what, is for the caller to say.
fn last(object: &ObjectRef, suffix: &str, action: Action, write: Write) -> Step {
    Step {
        id: step_id(object, suffix),
        object: object.clone(),
        action,
        phase: DELETE_PHASE,
        changes: Vec::new(),
        reason: String::new(),
        after: Vec::new(),
        expected: None,
        write,
        scim: None,
    }
}

/// An object that is deleted, and what is known of it.
struct Doom<'d> {
    descriptor: &'d Descriptor,
    live: Captured,
    document: Portable,
}

impl Doom<'_> {
    fn is_flow(&self) -> bool {
        self.descriptor.driver == Driver::Flow
    }

    /// Returns the update that leaves fields out.
    fn without(&self, call: &WriteSpec, fields: &BTreeSet<&str>) -> Write {
        let mut live = self.live.body.clone();
        if let Value::Object(live) = &mut live {
            live.retain(|field, _| !fields.contains(field.as_str()));
        }
        let whole = wire::overlaid(self.descriptor, &self.document.object, &live, &Map::new());
        let body = wire::body(self.descriptor, call, whole);
        Write::Request(Request {
            method: call.method.clone(),
            path: call.path.clone(),
            params: vec![Template::new(
                Slot::Ref(self.document.object.clone()).to_value(),
            )],
            query: BTreeMap::new(),
            body: Some(Template::new(Value::Object(body))),
            creates: false,
            versioned: self.descriptor.version,
            job: None,
        })
    }

    /// Tells whether references can be taken away: by an update that leaves the field out, or by
    /// putting a flow out of force.
    fn can_lack(&self, field: &str) -> bool {
        if field == FLOW_SOURCE {
            return true;
        }
        let update = self.descriptor.update.as_ref();
        let mut references = self.descriptor.references.iter();
        update.is_some_and(|update| update.method == "PUT" && !update.anew)
            && references.any(|reference| reference.path.root() == field && reference.deferrable)
            && !self.descriptor.parts.iter().any(|part| part.field == field)
    }
}

/// Tells whether a gap stands for an object, or objects, of the kind that the bundle does not hold.
fn lacks_an_object(desired: &Bundle, kind: &Kind, gap: &Gap) -> bool {
    let held = |object| desired.documents.contains_key(&object);
    gap.kind == *kind && !gap.object_ref().is_some_and(held)
}
