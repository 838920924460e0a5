//! Undoing a run: what its objects were becomes what is wanted, and the planner does the rest.
//!
//! An object that the run created is deleted, one that it changed gets back the fields that the run
//! changed, one that it deleted is created again or restored. References are by key, so what refers
//! to an object that comes back with another id follows by itself. Whether somebody changed an
//! object since is asked of the planner, too: it would have nothing to do where the object is as the
//! run left it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use crate::bundle::Bundle;
use crate::catalogue::{Catalogue, Descriptor};
use crate::diff::Change;
use crate::document::Portable;
use crate::id::{ObjectRef, RunId, StepId};
use crate::journal::StepState;
use crate::plan::{
    Action, BadImages, CODE_CHANGE, Conflict, FUNCTION_CODE, Finding, Image, Options, Plan,
    Planner, Severity, Step,
};
use crate::select::Selection;
use crate::snapshot::Snapshot;

/// A run that is to be undone, as far as it went.
#[derive(Debug)]
pub struct Undo<'p> {
    run: RunId,
    plan: &'p Plan,
    touched: BTreeMap<ObjectRef, Touched<'p>>,
}

/// What a run did to an object.
#[derive(Debug)]
struct Touched<'p> {
    image: Image,
    /// The steps that were done, or may have been.
    done: Vec<&'p Step>,
    /// Nothing is left to do for it.
    whole: bool,
}

impl<'p> Undo<'p> {
    /// Finds what a run did; of that, `selection` is undone.
    ///
    /// # Errors
    /// The plan of the run is damaged.
    pub fn new(
        run: RunId,
        plan: &'p Plan,
        states: &BTreeMap<StepId, StepState>,
        selection: &Selection,
    ) -> Result<Self, BadImages> {
        let mut images = plan.images.open(&plan.blobs)?;
        let mut touched: BTreeMap<ObjectRef, Touched<'p>> = BTreeMap::new();
        for step in &plan.steps {
            if !selection.matches(&step.object, None) {
                continue;
            }
            let state = states.get(&step.id);
            let done = matches!(
                state,
                Some(StepState::Done { .. } | StepState::Unknown { .. } | StepState::Intent { .. })
            );
            if !touched.contains_key(&step.object) {
                let image = images.remove(&step.object).unwrap_or(Image {
                    before: None,
                    after: None,
                });
                let none = Touched {
                    image,
                    done: Vec::new(),
                    whole: true,
                };
                touched.insert(step.object.clone(), none);
            }
            if let Some(touched) = touched.get_mut(&step.object) {
                touched.whole &= done;
                if done {
                    touched.done.push(step);
                }
            }
        }
        touched.retain(|_, touched| !touched.done.is_empty());
        Ok(Self { run, plan, touched })
    }

    /// Tells whether the run did nothing that is to be undone.
    pub fn is_empty(&self) -> bool {
        self.touched.is_empty()
    }

    /// Returns everything that must be known of the target, on both sides of the run.
    pub fn both_sides(&self) -> Bundle {
        let mut bundle = self.bundle();
        for touched in self.touched.values() {
            let Image { before, after } = &touched.image;
            // Both may refer to what the other does not.
            for document in before.iter().chain(after) {
                bundle.insert(document.clone());
            }
        }
        bundle
    }

    /// Plans what undoes the run in a target.
    ///
    /// What somebody changed since is left alone and told of, or overwritten with `force`.
    pub fn plan(
        &self,
        catalogue: &Catalogue,
        snapshot: &Snapshot,
        options: &Options,
        force: bool,
    ) -> Plan {
        let mut conflicts = Vec::new();
        let mut plan = self.plan_without(catalogue, snapshot, options, &conflicts);
        if !force {
            // Where nothing is left to undo, it does not matter who did it.
            let open: BTreeSet<&ObjectRef> = plan.steps.iter().map(|step| &step.object).collect();
            let since = self.changed_since(catalogue, snapshot, options);
            let since = since
                .into_iter()
                .filter(|(object, _)| open.contains(object));
            conflicts.extend(since.map(|(object, how)| Conflict {
                object,
                reason: format!("{how}; --force undoes it all the same"),
            }));
            if !conflicts.is_empty() {
                plan = self.plan_without(catalogue, snapshot, options, &conflicts);
            }
        }
        plan.undoes = Some(self.run.clone());
        for step in &mut plan.steps {
            step.reason = match step.action {
                Action::Delete => "the run created it".to_owned(),
                Action::Create | Action::Adopt => "the run deleted it".to_owned(),
                Action::Update | Action::Link => format!("the run changed it: {}", step.reason),
            };
        }
        plan.conflicts.extend(conflicts);
        plan.conflicts.sort();
        plan
    }

    /// Plans what undoes the run, but for some objects.
    fn plan_without(
        &self,
        catalogue: &Catalogue,
        snapshot: &Snapshot,
        options: &Options,
        left_alone: &[Conflict],
    ) -> Plan {
        let mut wanted = self.bundle();
        let mut options = options.clone();
        let mut conflicts = Vec::new();
        let mut findings = Vec::new();
        for (object, touched) in &self.touched {
            if left_alone.iter().any(|conflict| conflict.object == *object) {
                continue;
            }
            let Ok(descriptor) = catalogue.get(object.kind.as_str()) else {
                conflicts.push(Conflict {
                    object: object.clone(),
                    reason: format!("this orgsmith does not know the kind {}", object.kind),
                });
                continue;
            };
            match touched.undone(descriptor) {
                Undone::Deleted => {
                    options.delete.insert(object.clone());
                }
                Undone::Again(document) => wanted.insert(document),
                Undone::Nothing => {}
            }
            findings.extend(touched.left(object, descriptor));
        }
        let mut plan = Planner::new(catalogue, options).plan(&wanted, snapshot);
        plan.conflicts.extend(conflicts);
        plan.findings.extend(findings);
        plan.findings.sort();
        plan
    }

    fn bundle(&self) -> Bundle {
        Bundle {
            source: self.plan.source.org.clone(),
            ..Bundle::default()
        }
    }

    /// Finds what is not as the run left it, and says so.
    fn changed_since(
        &self,
        catalogue: &Catalogue,
        snapshot: &Snapshot,
        options: &Options,
    ) -> BTreeMap<ObjectRef, String> {
        let mut left = self.bundle();
        for touched in self.touched.values() {
            if let Some(after) = &touched.image.after {
                left.insert(after.clone());
            }
        }
        let again = Planner::new(catalogue, options.clone()).plan(&left, snapshot);
        let mut steps: HashMap<&ObjectRef, Vec<&Step>> = HashMap::new();
        for step in &again.steps {
            steps.entry(&step.object).or_default().push(step);
        }
        let names = crate::snapshot::Names::new(catalogue, snapshot, &options.pins);
        // Deleted objects have names, too, until they are gone for good.
        let deleted = snapshot.deleted.values().flatten();
        let deleted: BTreeSet<&str> = deleted.map(|stored| stored.id.as_str()).collect();
        let live = names.iter().filter(|(id, _)| !deleted.contains(id));
        let live: BTreeSet<&ObjectRef> = live.map(|(_, object)| object).collect();
        let mut since = BTreeMap::new();
        for (object, touched) in &self.touched {
            if touched.image.after.is_none() {
                if live.contains(object) {
                    since.insert(
                        object.clone(),
                        "it was deleted, and exists again".to_owned(),
                    );
                }
                continue;
            }
            let steps = steps.get(object).map_or(&[][..], Vec::as_slice);
            let is_gone = steps
                .iter()
                .any(|step| matches!(step.action, Action::Create | Action::Adopt));
            if is_gone {
                if !touched.created() {
                    since.insert(object.clone(), "somebody deleted it since".to_owned());
                }
                continue;
            }
            // What the run has not come to is not somebody else's doing.
            let pending = self.plan.steps.iter().filter(|step| step.object == *object);
            let pending: Vec<&Change> = pending.flat_map(|step| &step.changes).collect();
            let changes = steps.iter().flat_map(|step| &step.changes);
            let mut paths: Vec<&str> = changes
                .filter(|change| !pending.contains(change))
                .map(|change| change.path.as_str())
                .collect();
            if paths.is_empty() && !steps.is_empty() && touched.whole {
                paths.extend(steps.iter().map(|step| step.reason.as_str()));
            }
            // What was not finished shows as changed.
            if !paths.is_empty() && (touched.whole || !touched.created()) {
                paths.dedup();
                since.insert(
                    object.clone(),
                    format!("somebody changed it since: {}", paths.join(", ")),
                );
            }
        }
        since
    }
}

/// What it takes to undo what was done to an object.
enum Undone {
    /// It is deleted.
    Deleted,
    /// It is this again, as far as it says.
    Again(Portable),
    /// Nothing can be done.
    Nothing,
}

impl Touched<'_> {
    fn created(&self) -> bool {
        let first = self.done.first().map(|step| step.action);
        matches!(first, Some(Action::Create | Action::Adopt))
    }

    fn deleted(&self) -> bool {
        self.done.iter().any(|step| step.action == Action::Delete)
    }

    fn changes(&self) -> impl Iterator<Item = &Change> {
        self.done.iter().flat_map(|step| &step.changes)
    }

    fn undone(&self, descriptor: &Descriptor) -> Undone {
        if self.created() {
            return Undone::Deleted;
        }
        let Some(before) = &self.image.before else {
            return Undone::Nothing;
        };
        if self.deleted() {
            return Undone::Again(before.clone());
        }
        let roots: BTreeSet<&str> = self.changes().map(|change| root(&change.path)).collect();
        let names = |field: &str| descriptor.names_by(field) || is_parent(descriptor, field);
        let mut body: Map<String, Value> = before
            .body
            .iter()
            .filter(|(field, _)| roots.contains(field.as_str()) || names(field))
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect();
        for change in self.changes().filter(|change| change.old.is_none()) {
            let field = root(&change.path);
            let part = descriptor.parts.iter().find(|part| part.field == field);
            if part.is_some_and(|part| !part.single) {
                body.entry(field)
                    .or_insert_with(|| Value::Array(Vec::new()));
            } else if !change.path.contains('[') {
                without_value(&mut body, &change.path);
            }
        }
        Undone::Again(Portable {
            object: before.object.clone(),
            body,
            files: before.files.clone(),
        })
    }

    /// Tells what stays as the run made it.
    fn left(&self, object: &ObjectRef, descriptor: &Descriptor) -> Vec<Finding> {
        let mut left = Vec::new();
        let mut tell = |message: String| {
            left.push(Finding {
                severity: Severity::Warning,
                rule: "not-undone".to_owned(),
                object: Some(object.clone()),
                message,
            });
        };
        if self.created() || self.deleted() {
            return left;
        }
        if self.image.before.is_none() {
            tell("what it was is not known; it stays as the run made it".to_owned());
        }
        for change in self.changes() {
            let field = root(&change.path);
            let is_part = descriptor.parts.iter().any(|part| part.field == field);
            if let Some(secret) = change.same_secret() {
                tell(format!(
                    "the secret {secret} keeps the value that the run sent"
                ));
            } else if change.path == CODE_CHANGE {
                tell(format!(
                    "the code of its function stays as the run uploaded it, as no org gives the old \
                     one back; apply a bundle with the old {FUNCTION_CODE}"
                ));
            } else if change.old.is_none() && !is_part && change.path.contains('[') {
                tell(format!(
                    "{} was not there before, and no call takes it away; it stays",
                    change.path
                ));
            }
        }
        left
    }
}

/// Says in a document that a place has no value.
fn without_value(body: &mut Map<String, Value>, path: &str) {
    let (field, rest) = match path.split_once('.') {
        Some((field, rest)) => (field, Some(rest)),
        None => (path, None),
    };
    match (rest, body.entry(field).or_insert(Value::Null)) {
        (Some(rest), Value::Object(inner)) => without_value(inner, rest),
        (_, value) => *value = Value::Null,
    }
}

fn is_parent(descriptor: &Descriptor, field: &str) -> bool {
    let parent = descriptor.parent.as_ref();
    parent.is_some_and(|parent| parent.field == field)
}

/// Returns the field of a document in which a path begins.
fn root(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or(path)
}
