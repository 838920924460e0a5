//! From decided items to steps: which requests, in which order, after which others.

mod files;
mod flows;
mod functions;
mod more;
mod moves;
mod parts;
mod prune;
mod publish;
mod scim;
mod secrets;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::images::{self, Parts};
use super::planner::{Cuts, Item, Notes, Open, Options, Presence, Target, count};
use super::wire;
use super::{Action, Blob, Counts, Expected, Request, Step, Write, digest_of};
use crate::catalogue::{Catalogue, Descriptor, Driver, Part, WriteSpec};
use crate::diff::{Change, changes};
use crate::document::{Captured, Portable, Slot, Template, for_each_object_at, for_each_slot_in};
use crate::id::{Kind, ObjectRef, StepId};
use crate::snapshot::{builtin_rule, drop_nulls_in, portable};

pub use more::MORE;
pub(super) use moves::move_people;
pub(super) use publish::publish;

/// Calls `visit` with every template of a step.
pub(super) fn for_each_template(step: &Step, visit: &mut dyn FnMut(&Template)) {
    step.scim.iter().for_each(|scim| visit(&scim.body));
    match &step.write {
        Write::Request(Request {
            params,
            query,
            body,
            ..
        }) => {
            params
                .iter()
                .chain(query.values())
                .chain(body)
                .for_each(visit);
        }
        Write::ActionDraft {
            body,
            function,
            creates: _,
        } => {
            let settings = function.iter().map(|function| &function.settings);
            std::iter::once(body).chain(settings).for_each(visit);
        }
        Write::FileImport {
            file: _,
            body,
            slots,
        } => std::iter::once(body).chain(slots.values()).for_each(visit),
        Write::FlowImport { .. } | Write::Upload { .. } | Write::RowsImport { .. } => {}
    }
}

/// The objects that steps will bring.
pub(super) struct Coming<'m> {
    catalogue: &'m Catalogue,
    by: HashMap<&'m ObjectRef, StepId>,
}

impl Coming<'_> {
    /// Returns the step after which an object can be referred to: the one that creates it, or what it
    /// comes with.
    fn step(&self, object: &ObjectRef) -> Option<&StepId> {
        self.by
            .get(object)
            .or_else(|| self.by.get(&self.catalogue.bringer(object)?))
    }
}

/// Returns the objects that steps will bring.
pub(super) fn coming<'m>(catalogue: &'m Catalogue, items: &'m [Item<'_>]) -> Coming<'m> {
    let by = items
        .iter()
        .filter_map(|item| {
            let suffix = match item.state {
                Presence::Missing
                    if item.descriptor.create.is_none() && item.descriptor.singleton =>
                {
                    return None;
                }
                Presence::Missing if item.descriptor.go_live.is_some() => "live",
                Presence::Missing => "create",
                Presence::Deleted(_) => "adopt",
                Presence::Live(_) => return None,
            };
            Some((&item.object, step_id(&item.object, suffix)))
        })
        .collect();
    Coming { catalogue, by }
}

/// What a maker of steps made.
#[derive(Default)]
pub(super) struct Made {
    pub(super) steps: Vec<Step>,
    pub(super) blobs: BTreeMap<String, Blob>,
    pub(super) counts: BTreeMap<Kind, Counts>,
    pub(super) notes: Notes,
    /// What objects that have steps are before and after, each as a line of [`super::Images`].
    pub(super) images: BTreeMap<ObjectRef, String>,
}

impl Made {
    /// Puts together what several made, in their order.
    pub(super) fn joined(several: Vec<Self>) -> Self {
        let mut all = Self::default();
        let steps = several.iter().map(|made| made.steps.len());
        all.steps.reserve_exact(steps.sum());
        for made in several {
            let Self {
                steps,
                blobs,
                counts,
                notes,
                images,
            } = made;
            all.images.extend(images);
            all.steps.extend(steps);
            all.blobs.extend(blobs);
            all.notes.add(notes);
            for (kind, more) in counts {
                let Counts {
                    existing,
                    create,
                    adopt,
                    update,
                    delete,
                    same,
                } = more;
                let sum = count(&mut all.counts, &kind);
                sum.existing += existing;
                sum.create += create;
                sum.adopt += adopt;
                sum.update += update;
                sum.delete += delete;
                sum.same += same;
            }
        }
        all
    }
}

/// Makes the steps of some items of a plan.
pub(super) struct StepMaker<'m, 'p> {
    options: &'m Options,
    items: &'m [Item<'p>],
    target: &'m Target<'p>,
    cuts: &'m Cuts,
    notes: Notes,
    coming: &'m Coming<'m>,
    steps: Vec<Step>,
    blobs: BTreeMap<String, Blob>,
    counts: BTreeMap<Kind, Counts>,
    images: BTreeMap<ObjectRef, String>,
}

/// One step before it has an id and prerequisites.
struct Draft {
    suffix: String,
    action: Action,
    changes: Vec<Change>,
    reason: String,
    expected: Option<Expected>,
    write: Write,
}

impl<'m, 'p> StepMaker<'m, 'p> {
    pub(super) fn new(
        options: &'m Options,
        items: &'m [Item<'p>],
        target: &'m Target<'p>,
        cuts: &'m Cuts,
        coming: &'m Coming<'m>,
    ) -> Self {
        Self {
            options,
            items,
            target,
            cuts,
            notes: Notes::default(),
            coming,
            steps: Vec::new(),
            blobs: BTreeMap::new(),
            counts: BTreeMap::new(),
            images: BTreeMap::new(),
        }
    }

    pub(super) fn finish(self) -> Made {
        Made {
            images: self.images,
            steps: self.steps,
            blobs: self.blobs,
            counts: self.counts,
            notes: self.notes,
        }
    }

    /// Makes the steps of one item.
    pub(super) fn make(&mut self, index: usize) {
        let item = &self.items[index].open();
        let first = self.steps.len();
        let before = self.notes.conflicts.len();
        let mut was = None;
        match item.state {
            Presence::Missing if item.descriptor.singleton && item.descriptor.create.is_none() => {
                let reason = "the target was read without it".to_owned();
                self.notes.conflict(&item.object, reason);
            }
            Presence::Missing => self.create(item, index),
            Presence::Deleted(deleted) => {
                let deleted = deleted.open();
                let mut portable = self.portable(item, &deleted);
                // Nobody tells of the parts of a deleted object: all that is wanted is added to what it
                // may have kept.
                for part in item.descriptor.parts.iter().filter(|part| has_a_list(part)) {
                    let items = portable.body.entry(part.field.clone());
                    items.or_insert_with(|| Value::Array(Vec::new()));
                }
                self.adopt(item, &deleted);
                self.update(item, &deleted, &portable, true);
            }
            Presence::Live(live) => {
                let live = live.open();
                let portable = self.portable(item, &live);
                self.tell_of_more(item, &live, &portable);
                self.update(item, &live, &portable, false);
                was = Some(portable);
            }
        }
        let planned = self.steps.len() > first;
        if planned {
            self.note_image(&item.object, was.as_ref(), Some((&item.body, &item.files)));
        }
        let conflict = self.notes.conflicts.len() > before;
        let counts = count(&mut self.counts, &item.object.kind);
        match item.state {
            _ if conflict && !planned => {}
            Presence::Missing => counts.create += 1,
            Presence::Deleted(_) => counts.adopt += 1,
            Presence::Live(_) if planned => counts.update += 1,
            Presence::Live(_) => counts.same += 1,
        }
    }

    fn portable(&self, item: &Open<'_>, live: &Captured) -> Portable {
        let (descriptor, names) = (item.descriptor, &self.target.names);
        portable(
            descriptor,
            item.object.clone(),
            live,
            names,
            &mut Vec::new(),
        )
    }

    /// Notes what an object is before and after its steps.
    fn note_image(&mut self, object: &ObjectRef, was: Option<&Portable>, is: Option<Parts<'_>>) {
        // What is written over must be kept; what is written is kept already.
        let files = was.into_iter().flat_map(|was| was.files.values());
        for bytes in files {
            self.blob(bytes);
        }
        let was = was.map(|was| (&was.body, &was.files));
        let line = images::line(object, was, is);
        self.images.insert(object.clone(), line);
    }

    /// Adds the step that creates an object.
    fn push_create(&mut self, item: &Open<'_>, write: Write) {
        self.push(
            item,
            Draft {
                suffix: "create".into(),
                action: Action::Create,
                changes: Vec::new(),
                reason: "the target lacks it".into(),
                expected: None,
                write,
            },
        );
    }

    fn create(&mut self, item: &Open<'_>, index: usize) {
        let descriptor = item.descriptor;
        let none = BTreeSet::new();
        let cuts = self.cuts.get(&index).unwrap_or(&none);
        let sharing = self.sharing(item);
        if descriptor.driver == Driver::Flow {
            return self.create_flow(item, cuts);
        }
        if descriptor.driver == Driver::Script {
            return self.create_script(item);
        }
        let Some(call) = &descriptor.create else {
            let reason = "the target lacks it, and the API cannot create it".to_owned();
            return self.notes.conflict(&item.object, reason);
        };
        if let Some(parent) = &descriptor.parent
            && call.path.contains('{')
            && item.body.get(&parent.field).is_none_or(Value::is_null)
        {
            let (field, kind) = (&parent.field, &parent.kind);
            let reason = format!("it does not say in its {field} which {kind} it lives in");
            return self.notes.conflict(&item.object, reason);
        }
        if let Some(reason) = functions::stray(item) {
            return self.notes.conflict(&item.object, reason);
        }
        if functions::is_function(item) {
            return self.create_function(item, call);
        }
        let own = without_parts(descriptor, &item.body);
        let waiting: BTreeSet<ObjectRef> = cuts.union(&sharing).cloned().collect();
        let (now, later) = defer(descriptor, call, own.clone(), &waiting);
        let parts_first = descriptor.update_last || !sharing.is_empty();
        let mut fields = now;
        fields.extend(at_creation(descriptor, &item.body));
        fields.extend(descriptor.create_with.clone());
        let body = wire::body(descriptor, call, fields);
        let write = match descriptor.driver == Driver::Asset {
            true => match self.upload(item, body) {
                Ok(write) => write,
                Err(reason) => return self.notes.conflict(&item.object, reason),
            },
            false => write_new(item, call, body),
        };
        let first = self.steps.len();
        self.push_create(item, write);
        if parts_first {
            self.new_parts(item);
        }
        if !later.is_empty() {
            let reason = match (cuts.iter().next(), sharing.iter().next()) {
                (Some(other), _) => format!("it refers to {other}, which refers back to it"),
                (None, Some(other)) => format!("{other} brings some of its items along"),
                (None, None) => "its creation does not take these fields".into(),
            };
            self.complete(item, &own, later, reason);
        }
        if !parts_first {
            self.new_parts(item);
        }
        self.by_scim(item, first);
        self.go_live(item, Action::Link);
    }

    /// Puts into force what the steps of an object have written.
    fn go_live(&mut self, item: &Open<'_>, action: Action) {
        let Some(path) = &item.descriptor.go_live else {
            return;
        };
        let write = Write::Request(Request {
            method: "POST".into(),
            path: path.clone(),
            params: vec![own_id(item)],
            query: BTreeMap::new(),
            body: None,
            creates: false,
            versioned: false,
            job: None,
        });
        self.push(
            item,
            Draft {
                suffix: "live".into(),
                action,
                changes: Vec::new(),
                reason: "what was written is a draft".into(),
                expected: None,
                write,
            },
        );
    }

    /// Sends what a new object was created without.
    fn complete(
        &mut self,
        item: &Open<'_>,
        own: &Map<String, Value>,
        later: BTreeSet<String>,
        reason: String,
    ) {
        let descriptor = item.descriptor;
        let Some(call) = &descriptor.update else {
            let fields = later.into_iter().collect::<Vec<_>>().join(", ");
            let message =
                format!("{fields} cannot be set: the API neither takes it on creation nor later");
            return self.notes.warn("not-settable", &item.object, message);
        };
        let fields: Map<String, Value> = own
            .iter()
            .filter(|(field, _)| {
                call.method != "PATCH" || later.contains(*field) || call.always.contains(*field)
            })
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect();
        let changes = later
            .iter()
            .filter_map(|field| {
                Some(Change {
                    path: field.clone(),
                    old: None,
                    new: Some(own.get(field)?.clone()),
                })
            })
            .collect();
        let body = wire::body(descriptor, call, fields);
        self.push(
            item,
            Draft {
                suffix: "link".into(),
                action: Action::Link,
                changes,
                reason,
                expected: None,
                write: write_object(item, call, body),
            },
        );
    }

    fn blob(&mut self, bytes: &[u8]) -> String {
        let digest = digest_of(bytes);
        self.blobs
            .entry(digest.clone())
            .or_insert_with(|| Blob::new(bytes));
        digest
    }

    fn adopt(&mut self, item: &Open<'_>, deleted: &Captured) {
        let Some(call) = &item.descriptor.restore else {
            let reason = "it was deleted in the target and the API cannot restore it".to_owned();
            return self.notes.conflict(&item.object, reason);
        };
        let body = wire::body(item.descriptor, call, Map::new());
        self.push(
            item,
            Draft {
                suffix: "adopt".into(),
                action: Action::Adopt,
                changes: Vec::new(),
                reason: "it was deleted in the target".into(),
                expected: expected(item.descriptor, deleted)
                    .filter(|expected| matches!(expected, Expected::Version(_))),
                write: write_object(item, call, body),
            },
        );
    }

    /// Makes the steps that bring an object that exists to what is desired.
    fn update(&mut self, item: &Open<'_>, live: &Captured, portable: &Portable, adopted: bool) {
        let descriptor = item.descriptor;
        let rule = builtin_rule(descriptor, &live.body);
        if rule.is_some_and(|rule| rule.fixed) {
            return;
        }
        if descriptor.driver == Driver::Flow {
            return self.update_flow(item, live, portable);
        }
        if descriptor.driver == Driver::Asset && !self.file(item, portable) {
            return;
        }
        if let Some(reason) = functions::stray(item) {
            return self.notes.conflict(&item.object, reason);
        }
        let unread = |part: &&Part| {
            has_a_list(part)
                && item.body.contains_key(&part.field)
                && !portable.body.contains_key(&part.field)
        };
        if let Some(part) = descriptor.parts.iter().find(unread) {
            let reason = format!("its {} could not be read in the target", part.field);
            return self.notes.conflict(&item.object, reason);
        }
        let unmanaged = rule.map(|rule| &rule.unmanaged[..]).unwrap_or_default();
        let skip = |field: &str| {
            unmanaged.iter().any(|unmanaged| unmanaged == field)
                || descriptor.parts.iter().any(|part| part.field == field)
        };
        let mut found = changes(&item.body, &portable.body, &skip);
        // Whether a secret that is there is the wanted one, nobody can tell; nor, where an answer has
        // no word of secrets, whether there is one.
        let silent = |path: &str| {
            let told = portable.body.get(root(path));
            told.is_none_or(|told| told.as_object().is_some_and(Map::is_empty))
        };
        found.retain(|change| {
            let wanted = change.new.as_ref().and_then(Slot::of);
            let is_secret = |slot: Option<Slot>| matches!(slot, Some(Slot::Secret(_)));
            let seen = change.old.as_ref().map(|old| !is_secret(Slot::of(old)));
            !is_secret(wanted) || seen.unwrap_or_else(|| !silent(&change.path))
        });
        secrets::resend(item, &mut found);
        // Publishing is a step of its own, behind all others.
        let publish = descriptor.publish.as_ref();
        found.retain(|change| publish.is_none_or(|publish| change.path != publish.field));
        // An answer may leave out what is as it always is.
        found.retain(|change| {
            change.old.is_some() || descriptor.defaults.get(&change.path) != change.new.as_ref()
        });
        if let Some(restore) = descriptor.restore.as_ref().filter(|_| adopted) {
            // Bringing an object back has set these already.
            found.retain(|change| restore.with.get(&change.path) != change.new.as_ref());
        }
        if functions::is_function(item) {
            match self.function_changes(item, live, portable) {
                Ok(changes) => found.extend(changes),
                Err(reason) => return self.notes.conflict(&item.object, reason),
            }
        }
        let division = descriptor.move_as.as_ref().and_then(|name| {
            let at = found
                .iter()
                .position(|change| root(&change.path) == "division")?;
            Some((name, found.remove(at)))
        });
        if let Some(fixed) = found
            .iter()
            .find(|change| is_within(&descriptor.immutable, &change.path))
        {
            let reason = format!("{} differs, and the API cannot change it", fixed.path);
            return self.notes.conflict(&item.object, reason);
        }
        // Once a step has changed the object, it is no longer what was read.
        let changed = adopted || division.is_some();
        if descriptor.driver == Driver::Script && !self.file(item, portable) {
            return;
        }
        if let Some((name, change)) = division {
            let expected = expected(descriptor, live).filter(|_| !adopted);
            self.move_to_division(item, name, change, expected);
        }
        if !found.is_empty() && !descriptor.update_last {
            self.update_body(item, live, &found, changed);
        }
        // A function is written with the draft of its action.
        for part in descriptor.parts.iter().filter(|part| part.having.is_none()) {
            let there = portable.body.get(&part.field);
            if let Some(desired) = item.body.get(&part.field) {
                let raw = live.body.get(&part.field);
                self.part(item, part, desired, there, raw, false);
            }
        }
        self.uploads(item, Some(portable), false);
        if !found.is_empty() && descriptor.update_last {
            self.update_body(item, live, &found, changed);
        }
        if !found.is_empty() {
            self.go_live(item, Action::Update);
        }
    }

    /// Moves an object to another division, which no update can.
    fn move_to_division(
        &mut self,
        item: &Open<'_>,
        name: &str,
        change: Change,
        expected: Option<Expected>,
    ) {
        let Some(division) = change.new.clone() else {
            return;
        };
        let own_id = own_id(item).value();
        let write = Write::Request(Request {
            method: "POST".into(),
            path: "/api/v2/authorization/divisions/{divisionId}/objects/{objectType}".into(),
            params: vec![
                Template::new(division),
                Template::new(Value::String(name.to_owned())),
            ],
            query: BTreeMap::new(),
            body: Some(Template::new(Value::Array(vec![own_id]))),
            creates: false,
            versioned: false,
            job: None,
        });
        self.push(
            item,
            Draft {
                suffix: "move".into(),
                action: Action::Update,
                changes: vec![change],
                reason: "it is in another division".into(),
                expected,
                write,
            },
        );
    }

    /// Makes one update, or two where some fields must be sent without others.
    fn update_body(&mut self, item: &Open<'_>, live: &Captured, found: &[Change], changed: bool) {
        let is_alone = |change: &&Change| {
            let call = item.descriptor.update.as_ref();
            call.is_some_and(|call| call.alone.iter().any(|field| field == root(&change.path)))
        };
        let (alone, rest): (Vec<_>, Vec<_>) =
            found.iter().cloned().partition(|change| is_alone(&change));
        if !alone.is_empty() {
            self.update_fields(item, live, &alone, changed, "update-alone");
        }
        if !rest.is_empty() {
            self.update_fields(item, live, &rest, changed || !alone.is_empty(), "update");
        }
    }

    fn update_fields(
        &mut self,
        item: &Open<'_>,
        live: &Captured,
        found: &[Change],
        moved: bool,
        suffix: &str,
    ) {
        let descriptor = item.descriptor;
        let paths: Vec<&str> = found.iter().map(|change| &*change.path).collect();
        let Some(call) = &descriptor.update else {
            let reason = format!("{} differs, and the API cannot change it", paths.join(", "));
            return self.notes.conflict(&item.object, reason);
        };
        let changed = |field: &str| paths.iter().any(|path| root(path) == field);
        let secret = |field: &str| descriptor.secrets.iter().any(|path| path.root() == field);
        // What is equal is sent as it is there: the document may not know all of it.
        let mut own = without_parts(descriptor, &item.body);
        // Its division is equal, or an earlier step has moved it there.
        own.retain(|field, _| {
            changed(field) || secret(field) || field == "division" || live.body.get(field).is_none()
        });
        let mut fields = wire::overlaid(descriptor, &item.object, &live.body, &own);
        let code = functions::changes_code(found);
        let function = changed(functions::FIELD).then(|| self.function(item, Some(live), code));
        let drafted = changed("contract") || function.is_some();
        let write = if descriptor.driver == Driver::Action && drafted {
            Write::ActionDraft {
                body: Template::new(Value::Object(fields)),
                function,
                creates: false,
            }
        } else {
            match call.method == "PATCH" {
                true => fields.retain(|field, _| changed(field) || call.always.contains(field)),
                // What a PUT leaves out has no value.
                false => drop_nulls_in(&mut fields),
            }
            write_object(item, call, wire::body(descriptor, call, fields))
        };
        self.push(
            item,
            Draft {
                suffix: suffix.to_owned(),
                action: Action::Update,
                changes: found.to_vec(),
                reason: secrets::why(item, found),
                expected: if moved {
                    None
                } else {
                    expected(descriptor, live)
                },
                write,
            },
        );
    }

    /// Adds a step behind the object's earlier ones and behind the creation of what it refers to.
    fn push(&mut self, item: &Open<'_>, draft: Draft) {
        let Draft {
            suffix,
            action,
            mut changes,
            reason,
            expected,
            write,
        } = draft;
        // Of the few changes of many steps the room for more would be most.
        changes.shrink_to_fit();
        let mut step = Step {
            id: step_id(&item.object, &suffix),
            object: item.object.clone(),
            action,
            phase: item.descriptor.clone.phase(),
            changes,
            reason,
            after: Vec::new(),
            expected,
            write,
            scim: None,
        };
        let mut after = BTreeSet::new();
        if let Some(earlier) = self
            .steps
            .last()
            .filter(|earlier| earlier.object == item.object)
        {
            after.insert(earlier.id.clone());
        }
        let mut need = |object: &ObjectRef| {
            if let Some(created) = self.coming.step(object).filter(|_| *object != item.object) {
                after.insert(created.clone());
            }
        };
        for_each_template(&step, &mut |template| {
            template.for_each_slot(&mut |slot| {
                if let Slot::Ref(object) = slot {
                    need(&object);
                }
            });
        });
        if matches!(step.write, Write::FlowImport { .. }) {
            item.source_refs.iter().for_each(&mut need);
            for_each_slot_in(&item.body, &mut |slot| {
                if let Slot::Ref(object) = slot {
                    need(&object);
                }
            });
        }
        step.after = after.into_iter().collect();
        self.steps.push(step);
    }
}

fn step_id(object: &ObjectRef, suffix: &str) -> StepId {
    StepId::new(&format!("{object}:{suffix}"))
}

fn own_id(item: &Open<'_>) -> Template {
    id_of(&item.object)
}

fn id_of(object: &ObjectRef) -> Template {
    Template::new(Slot::Ref(object.clone()).to_value())
}

fn write_new(item: &Open<'_>, call: &WriteSpec, body: Map<String, Value>) -> Write {
    let parent = item.descriptor.parent.as_ref().map(|parent| &parent.field);
    let parent = parent.or(call.within.as_ref());
    let parent = parent.and_then(|field| item.body.get(field));
    Write::Request(Request {
        method: call.method.clone(),
        path: call.path.clone(),
        params: parent.cloned().map(Template::new).into_iter().collect(),
        query: BTreeMap::new(),
        body: Some(Template::new(Value::Object(body))),
        creates: true,
        versioned: false,
        job: None,
    })
}

/// Gives what a path names of the object: nothing, where it is the only one of its org.
fn own_params(object: &ObjectRef, path: &str) -> Vec<Template> {
    let names_it = path.contains('{');
    names_it.then(|| id_of(object)).into_iter().collect()
}

fn write_object(item: &Open<'_>, call: &WriteSpec, body: Map<String, Value>) -> Write {
    if call.anew {
        return write_new(item, call, body);
    }
    let params = own_params(&item.object, &call.path);
    Write::Request(Request {
        method: call.method.clone(),
        path: call.path.clone(),
        params,
        query: BTreeMap::new(),
        body: Some(Template::new(Value::Object(body))),
        creates: false,
        versioned: item.descriptor.version,
        job: None,
    })
}

fn expected(descriptor: &Descriptor, live: &Captured) -> Option<Expected> {
    let version = live.body.get("version").filter(|_| descriptor.version);
    Some(match version.and_then(as_version) {
        Some(version) => Expected::Version(version),
        None => Expected::PreImage(wire::pre_image(descriptor, &live.body)),
    })
}

/// Reads a version; some kinds write it as text.
fn as_version(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Splits what creation takes from what an update must add.
fn defer(
    descriptor: &Descriptor,
    call: &WriteSpec,
    own: Map<String, Value>,
    cuts: &BTreeSet<ObjectRef>,
) -> (Map<String, Value>, BTreeSet<String>) {
    let is_default = |field: &String, value: &Value| match value {
        Value::Array(list) if list.is_empty() => true,
        value => descriptor.defaults.get(field) == Some(value),
    };
    let mut later: BTreeSet<String> = own
        .iter()
        .filter(|(field, value)| call.omit.contains(field) && !is_default(field, value))
        .filter(|(field, _)| {
            let publish = descriptor.publish.as_ref();
            publish.is_none_or(|publish| publish.field != **field)
        })
        .map(|(field, _)| field.clone())
        .collect();
    for reference in &descriptor.references {
        for_each_object_at(reference, &own, &mut |object| {
            // The whole field waits: without its reference the rest of it may mean something else.
            if cuts.contains(&object) {
                later.insert(reference.path.root().to_owned());
            }
        });
    }
    let mut now = own;
    now.retain(|field, _| !later.contains(field) && !call.omit.contains(field));
    (now, later)
}

/// Returns the parts that go with the creation.
fn at_creation(descriptor: &Descriptor, body: &Map<String, Value>) -> Map<String, Value> {
    let parts = descriptor.parts.iter().filter(|part| part.at_creation);
    parts
        .filter_map(|part| Some((part.field.clone(), body.get(&part.field)?.clone())))
        .collect()
}

fn without_parts(descriptor: &Descriptor, body: &Map<String, Value>) -> Map<String, Value> {
    body.iter()
        .filter(|(field, _)| !descriptor.parts.iter().any(|part| part.field == **field))
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect()
}

fn root(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
}

fn is_within(fields: &[String], path: &str) -> bool {
    fields
        .iter()
        .filter_map(|field| path.strip_prefix(field.as_str()))
        .any(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn plural(n: usize, one: &str, many: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{n} {many}")
    }
}

/// Tells whether a part is read by a list of its own, or from other objects.
fn has_a_list(part: &Part) -> bool {
    part.list.is_some() || part.inverse.is_some()
}
