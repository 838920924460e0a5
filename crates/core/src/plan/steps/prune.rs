//! Steps that delete what only the target has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::flows::{is_locked, unlock};
use super::{StepMaker, expected, step_id};
use crate::bundle::{Bundle, Gap};
use crate::catalogue::{Catalogue, ClonePhase, Descriptor, Driver};
use crate::document::{Captured, Slot, Template, for_each_slot};
use crate::flow::locked_by;
use crate::id::{Kind, ObjectRef, StepId};
use crate::people::is_members_only;
use crate::plan::planner::count;
use crate::plan::{Action, Finding, Request, Severity, Step, Write};
use crate::select::Selection;
use crate::snapshot::{Snapshot, builtin_rule, portable};

/// Deletes come when everything else is done.
const DELETE_PHASE: u8 = 2;

impl StepMaker<'_, '_> {
    /// Deletes what only the target has, of the kinds that the bundle holds whole.
    ///
    /// A selection limits what is deleted as it limits what is written. A kind of which the source
    /// has an object that could not be exported is left alone: it may be the very object.
    pub(in crate::plan) fn prune(
        &mut self,
        catalogue: &Catalogue,
        desired: &Bundle,
        snapshot: &Snapshot,
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
        let mut doomed: BTreeMap<ObjectRef, (&Descriptor, Captured)> = BTreeMap::new();
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
                if desired.documents.contains_key(object) || object.key.is_builtin() {
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
        let mut referrers: BTreeMap<ObjectRef, Vec<StepId>> = BTreeMap::new();
        for (object, (descriptor, live)) in &doomed {
            let mut unresolved = Vec::new();
            let document = portable(
                descriptor,
                object.clone(),
                live,
                &self.target.names,
                &mut unresolved,
            );
            for_each_slot(&Value::Object(document.body), &mut |slot| {
                if let Slot::Ref(other) = slot
                    && other != *object
                {
                    referrers
                        .entry(other)
                        .or_default()
                        .push(step_id(object, "delete"));
                }
            });
        }
        for (object, (descriptor, live)) in doomed {
            let Some(call) = &descriptor.delete else {
                continue;
            };
            let query = call
                .query
                .iter()
                .map(|(name, value)| (name.clone(), Template::new(Value::String(value.clone()))));
            let mut after = referrers.remove(&object).unwrap_or_default();
            let expected = expected(descriptor, &live);
            if let Some(owner) = locked_by(&live.body).filter(|_| descriptor.driver == Driver::Flow)
            {
                if !self.options.unlock {
                    self.notes.conflict(&object, is_locked(owner));
                    continue;
                }
                let id = step_id(&object, "unlock");
                self.steps.push(Step {
                    id: id.clone(),
                    object: object.clone(),
                    action: Action::Update,
                    phase: DELETE_PHASE,
                    changes: Vec::new(),
                    reason: format!("{owner} has locked it, and --unlock was given"),
                    after: Vec::new(),
                    expected: expected.clone(),
                    write: unlock(&object),
                });
                after.push(id);
            }
            count(&mut self.counts, &object.kind).delete += 1;
            self.steps.push(Step {
                id: step_id(&object, "delete"),
                action: Action::Delete,
                phase: DELETE_PHASE,
                changes: Vec::new(),
                reason: "the source lacks it".into(),
                after,
                expected,
                write: Write::Request(Request {
                    method: "DELETE".into(),
                    path: call.path.clone(),
                    params: vec![Template::new(Slot::Ref(object.clone()).to_value())],
                    query: query.collect(),
                    body: None,
                    creates: false,
                    versioned: false,
                    job: None,
                }),
                object,
            });
        }
    }
}

/// Tells whether a gap stands for an object, or objects, of the kind that the bundle does not hold.
fn lacks_an_object(desired: &Bundle, kind: &Kind, gap: &Gap) -> bool {
    let held = |object| desired.documents.contains_key(&object);
    gap.kind == *kind && !gap.object_ref().is_some_and(held)
}
