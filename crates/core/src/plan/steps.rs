//! From decided items to steps: which requests, in which order, after which others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::planner::{Cuts, FLOW_SOURCE, Item, Notes, Presence, Target, count};
use super::wire;
use super::{Action, Blob, Counts, Expected, Request, Step, Write, digest_of};
use crate::bundle::Bundle;
use crate::catalogue::{
    Catalogue, ClonePhase, Descriptor, Driver, ItemBody, ItemWrite, Part, WriteSpec,
};
use crate::diff::{Change, ItemChanges, changes};
use crate::document::{Captured, Files, Portable, Slot, Template, for_each_slot, for_each_slot_in};
use crate::flow::{self, i3};
use crate::id::{Kind, ObjectRef, StepId};
use crate::snapshot::{Snapshot, builtin_rule, portable};

/// Deletes come when everything else is done.
const DELETE_PHASE: u8 = 2;

/// Up to this many new rows, a call per row is cheaper than a job for all.
const ROWS_BY_CALL: usize = 2;

/// Calls `visit` with every template of a step.
pub(super) fn for_each_template(step: &Step, visit: &mut dyn FnMut(&Template)) {
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
        Write::ActionDraft { body } => visit(body),
        Write::FlowImport { .. } | Write::PromptAudio { .. } | Write::RowsImport { .. } => {}
    }
}

/// The step after which a new object can be referred to.
pub(super) type Coming<'m> = HashMap<&'m ObjectRef, StepId>;

/// Returns the objects that steps will bring.
pub(super) fn coming<'m>(items: &'m [Item<'_>]) -> Coming<'m> {
    items
        .iter()
        .filter_map(|item| {
            let suffix = match item.state {
                Presence::Missing if item.descriptor.singleton => return None,
                Presence::Missing => "create",
                Presence::Deleted(_) => "adopt",
                Presence::Live(_) => return None,
            };
            Some((&item.object, step_id(&item.object, suffix)))
        })
        .collect()
}

/// What a maker of steps made.
#[derive(Default)]
pub(super) struct Made {
    pub(super) steps: Vec<Step>,
    pub(super) blobs: BTreeMap<String, Blob>,
    pub(super) counts: BTreeMap<Kind, Counts>,
    pub(super) notes: Notes,
}

impl Made {
    /// Puts together what several made, in their order.
    pub(super) fn joined(several: Vec<Self>) -> Self {
        let mut all = Self::default();
        for made in several {
            let Self {
                steps,
                blobs,
                counts,
                notes,
            } = made;
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
    items: &'m [Item<'p>],
    target: &'m Target<'p>,
    cuts: &'m Cuts,
    notes: Notes,
    coming: &'m Coming<'m>,
    steps: Vec<Step>,
    blobs: BTreeMap<String, Blob>,
    counts: BTreeMap<Kind, Counts>,
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
        items: &'m [Item<'p>],
        target: &'m Target<'p>,
        cuts: &'m Cuts,
        coming: &'m Coming<'m>,
    ) -> Self {
        Self {
            items,
            target,
            cuts,
            notes: Notes::default(),
            coming,
            steps: Vec::new(),
            blobs: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    pub(super) fn finish(self) -> Made {
        Made {
            steps: self.steps,
            blobs: self.blobs,
            counts: self.counts,
            notes: self.notes,
        }
    }

    /// Makes the steps of one item.
    pub(super) fn make(&mut self, index: usize) {
        let items = self.items;
        let item = &items[index];
        let first = self.steps.len();
        let before = self.notes.conflicts.len();
        match item.state {
            Presence::Missing if item.descriptor.singleton => {
                let reason = "the target was read without it".to_owned();
                self.notes.conflict(&item.object, reason);
            }
            Presence::Missing => self.create(item, index),
            Presence::Deleted(deleted) => {
                self.adopt(item, deleted);
                self.update(item, deleted, true);
            }
            Presence::Live(live) => self.update(item, live, false),
        }
        let planned = self.steps.len() > first;
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

    fn create(&mut self, item: &Item<'_>, index: usize) {
        let descriptor = item.descriptor;
        let none = BTreeSet::new();
        let cuts = self.cuts.get(&index).unwrap_or(&none);
        if descriptor.driver == Driver::Flow {
            return self.create_flow(item, cuts);
        }
        let Some(call) = &descriptor.create else {
            let reason = "the target lacks it, and the API cannot create it".to_owned();
            return self.notes.conflict(&item.object, reason);
        };
        let own = without_parts(descriptor, &item.body);
        let (now, later) = defer(descriptor, call, own.clone(), cuts);
        let mut fields = now;
        fields.extend(descriptor.create_with.clone());
        let body = wire::body(descriptor, call, fields);
        self.push(
            item,
            Draft {
                suffix: "create".into(),
                action: Action::Create,
                changes: Vec::new(),
                reason: "the target lacks it".into(),
                expected: None,
                write: Write::Request(Request {
                    method: call.method.clone(),
                    path: call.path.clone(),
                    params: Vec::new(),
                    query: BTreeMap::new(),
                    body: Some(Template::new(Value::Object(body))),
                    creates: true,
                    versioned: false,
                }),
            },
        );
        if descriptor.update_last {
            self.new_parts(item);
        }
        if !later.is_empty() {
            self.complete(item, &own, later, cuts);
        }
        if !descriptor.update_last {
            self.new_parts(item);
        }
    }

    /// Sends what a new object was created without.
    fn complete(
        &mut self,
        item: &Item<'_>,
        own: &Map<String, Value>,
        later: BTreeSet<String>,
        cuts: &BTreeSet<ObjectRef>,
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
                call.method == "PUT" || later.contains(*field) || call.always.contains(*field)
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
        let reason = match cuts.iter().next() {
            Some(other) => format!("it refers to {other}, which refers back to it"),
            None => "its creation does not take these fields".into(),
        };
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

    fn new_parts(&mut self, item: &Item<'_>) {
        let descriptor = item.descriptor;
        for part in &descriptor.parts {
            if let Some(desired) = item.body.get(&part.field) {
                self.part(item, part, desired, None, None, true);
            }
        }
        self.audio(item, None, true);
    }

    fn create_flow(&mut self, item: &Item<'_>, cuts: &BTreeSet<ObjectRef>) {
        let import = Write::FlowImport {
            source: self.flow_source(item),
        };
        let shell = match cuts.iter().next() {
            Some(other) => Some((
                format!("as {other} refers back to it"),
                format!("its source, now that {other} exists"),
            )),
            // An `.i3*` file does not say where it belongs; what is there already stays there.
            None if !item.files.contains_key(FLOW_SOURCE) && !is_at_home(item) => Some((
                "as its source does not name its division".to_owned(),
                "its source".to_owned(),
            )),
            None => None,
        };
        let Some(((why, then), call)) = shell.zip(item.descriptor.create.as_ref()) else {
            return self.push(
                item,
                Draft {
                    suffix: "create".into(),
                    action: Action::Create,
                    changes: Vec::new(),
                    reason: "the target lacks it".into(),
                    expected: None,
                    write: import,
                },
            );
        };
        let body = wire::body(item.descriptor, call, item.body.clone().into_owned());
        self.push(
            item,
            Draft {
                suffix: "create".into(),
                action: Action::Create,
                changes: Vec::new(),
                reason: format!("the target lacks it; empty at first, {why}"),
                expected: None,
                write: Write::Request(Request {
                    method: call.method.clone(),
                    path: call.path.clone(),
                    params: Vec::new(),
                    query: BTreeMap::new(),
                    body: Some(Template::new(Value::Object(body))),
                    creates: true,
                    versioned: false,
                }),
            },
        );
        self.push(
            item,
            Draft {
                suffix: "link".into(),
                action: Action::Link,
                changes: Vec::new(),
                reason: then,
                expected: None,
                write: import,
            },
        );
    }

    fn flow_source(&mut self, item: &Item<'_>) -> String {
        let bytes = source_of(&item.files).map(|bytes| &**bytes);
        self.blob(bytes.unwrap_or_default())
    }

    fn blob(&mut self, bytes: &[u8]) -> String {
        let digest = digest_of(bytes);
        self.blobs
            .entry(digest.clone())
            .or_insert_with(|| Blob::new(bytes));
        digest
    }

    fn adopt(&mut self, item: &Item<'_>, deleted: &Captured) {
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
    fn update(&mut self, item: &Item<'_>, live: &Captured, adopted: bool) {
        let descriptor = item.descriptor;
        let rule = builtin_rule(descriptor, &live.body);
        if rule.is_some_and(|rule| rule.fixed) {
            return;
        }
        let mut unresolved = Vec::new();
        let names = &self.target.names;
        let portable = portable(
            descriptor,
            item.object.clone(),
            live,
            names,
            &mut unresolved,
        );
        if descriptor.driver == Driver::Flow {
            return self.update_flow(item, live, &portable);
        }
        let unmanaged = rule.map(|rule| &rule.unmanaged[..]).unwrap_or_default();
        let skip = |field: &str| {
            unmanaged.iter().any(|unmanaged| unmanaged == field)
                || descriptor.parts.iter().any(|part| part.field == field)
        };
        let mut found = changes(&item.body, &portable.body, &skip);
        if let Some(restore) = descriptor.restore.as_ref().filter(|_| adopted) {
            // Bringing an object back has set these already.
            found.retain(|change| restore.with.get(&change.path) != change.new.as_ref());
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
        if let Some((name, change)) = division {
            let expected = expected(descriptor, live).filter(|_| !adopted);
            self.move_to_division(item, name, change, expected);
        }
        if !found.is_empty() && !descriptor.update_last {
            self.update_body(item, live, &found, changed);
        }
        for part in &descriptor.parts {
            if let Some(desired) = item.body.get(&part.field) {
                let raw = live.body.get(&part.field);
                self.part(
                    item,
                    part,
                    desired,
                    portable.body.get(&part.field),
                    raw,
                    false,
                );
            }
        }
        self.audio(item, Some(&portable), false);
        if !found.is_empty() && descriptor.update_last {
            self.update_body(item, live, &found, changed);
        }
    }

    /// Moves an object to another division, which no update can.
    fn move_to_division(
        &mut self,
        item: &Item<'_>,
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
    fn update_body(&mut self, item: &Item<'_>, live: &Captured, found: &[Change], changed: bool) {
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
        item: &Item<'_>,
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
        let own = without_parts(descriptor, &item.body);
        let fields = if call.method == "PUT" {
            wire::overlaid(descriptor, &live.body, &own)
        } else {
            let whole = wire::overlaid(descriptor, &live.body, &own);
            let changed = |field: &str| paths.iter().any(|path| root(path) == field);
            whole
                .into_iter()
                .filter(|(field, _)| changed(field))
                .collect()
        };
        let body = wire::body(descriptor, call, fields);
        let write =
            if descriptor.driver == Driver::Action && paths.iter().any(|p| root(p) == "contract") {
                let whole = wire::overlaid(descriptor, &live.body, &own);
                Write::ActionDraft {
                    body: Template::new(Value::Object(whole)),
                }
            } else {
                write_object(item, call, body)
            };
        self.push(
            item,
            Draft {
                suffix: suffix.to_owned(),
                action: Action::Update,
                changes: found.to_vec(),
                reason: plural(found.len(), "field differs", "fields differ"),
                expected: if moved {
                    None
                } else {
                    expected(descriptor, live)
                },
                write,
            },
        );
    }

    fn update_flow(&mut self, item: &Item<'_>, live: &Captured, portable: &Portable) {
        let source = |files: &Files| {
            files.get(FLOW_SOURCE).and_then(|bytes| {
                let text = std::str::from_utf8(bytes).ok()?;
                flow::canonical(text).ok()
            })
        };
        let equal = source_of(&item.files) == source_of(&portable.files);
        if equal
            || source(&item.files).is_some_and(|wanted| Some(wanted) == source(&portable.files))
        {
            return;
        }
        let digest = |files: &Files| {
            let bytes = source_of(files)?;
            Some(Value::String(digest_of(bytes)))
        };
        let change = Change {
            path: "source".into(),
            old: digest(&portable.files),
            new: digest(&item.files),
        };
        let write = Write::FlowImport {
            source: self.flow_source(item),
        };
        self.push(
            item,
            Draft {
                suffix: "update".into(),
                action: Action::Update,
                changes: vec![change],
                reason: "its source differs".into(),
                expected: expected(item.descriptor, live),
                write,
            },
        );
    }

    /// Makes the steps of a part: of a single object, or of a list of items.
    fn part(
        &mut self,
        item: &Item<'_>,
        part: &Part,
        desired: &Value,
        live: Option<&Value>,
        raw: Option<&Value>,
        new: bool,
    ) {
        if part.single {
            return self.single_part(item, part, desired, live, raw, new);
        }
        let (wanted, have) = (items_of(Some(desired)), items_of(live));
        let found = ItemChanges::between(part, wanted, have);
        if found.is_empty() {
            return;
        }
        let reason = item_reason(part, &found);
        let action = if new { Action::Link } else { Action::Update };
        // Of a new object everything is new: the request says it.
        let mut shown = if new {
            Vec::new()
        } else {
            found.to_changes(part)
        };
        if let Some(replace) = &part.replace {
            let mut chunks = wanted.chunks(replace.cap.max(1));
            let whole = chunks.next().unwrap_or_default();
            let suffix = part.field.clone();
            self.items_step(item, part, replace, whole, suffix, action, shown, &reason);
            for (number, chunk) in chunks.enumerate() {
                let Some(add) = &part.add else { break };
                let suffix = format!("{}+{}", part.field, number + 2);
                self.items_step(item, part, add, chunk, suffix, action, Vec::new(), &reason);
            }
            return;
        }
        if let Some(remove) = &part.remove {
            for (number, chunk) in found.remove.chunks(remove.cap.max(1)).enumerate() {
                let suffix = format!("{}-{}", part.field, number + 1);
                let changes = std::mem::take(&mut shown);
                self.items_step(item, part, remove, chunk, suffix, action, changes, &reason);
            }
        }
        let by_file = item.descriptor.driver == Driver::Datatable && found.add.len() > ROWS_BY_CALL;
        if by_file {
            let rows = self.blob(csv(&found.add).as_bytes());
            let suffix = part.field.clone();
            let changes = std::mem::take(&mut shown);
            let write = Write::RowsImport { rows };
            let reason = reason.clone();
            self.push(
                item,
                Draft {
                    suffix,
                    action,
                    changes,
                    reason,
                    expected: None,
                    write,
                },
            );
        }
        if let Some(add) = part.add.as_ref().filter(|_| !by_file) {
            for (number, chunk) in found.add.chunks(add.cap.max(1)).enumerate() {
                let suffix = format!("{}+{}", part.field, number + 1);
                let changes = std::mem::take(&mut shown);
                self.items_step(item, part, add, chunk, suffix, action, changes, &reason);
            }
        }
        // Where only ids are added, what else an item says takes a call of its own.
        let bare = part
            .add
            .as_ref()
            .is_some_and(|add| matches!(add.body, ItemBody::Ids | ItemBody::IdList));
        let told = |item: &&Value| {
            item.as_object()
                .is_some_and(|item| item.len() > part.identity.len())
        };
        let changed = found.change.iter().map(|(_, wanted)| wanted);
        let completed = found.add.iter().filter(|_| bare).filter(told);
        let items: Vec<Value> = changed.chain(completed).cloned().collect();
        if let Some(change) = &part.change {
            for (number, chunk) in items.chunks(change.cap.max(1)).enumerate() {
                let suffix = format!("{}~{}", part.field, number + 1);
                let changes = std::mem::take(&mut shown);
                self.items_step(item, part, change, chunk, suffix, action, changes, &reason);
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one call site shape, named by the variables"
    )]
    fn items_step(
        &mut self,
        item: &Item<'_>,
        part: &Part,
        call: &ItemWrite,
        items: &[Value],
        suffix: String,
        action: Action,
        changes: Vec<Change>,
        reason: &str,
    ) {
        let mut params = vec![own_id(item)];
        if call.cap == 1 && call.path.matches('{').count() > 1 {
            params.extend(
                items
                    .first()
                    .map(|item| Template::new(wire::item_id(part, item))),
            );
        }
        let mut query: BTreeMap<String, Template> = call
            .query
            .iter()
            .map(|(name, value)| (name.clone(), Template::new(Value::String(value.clone()))))
            .collect();
        if let (ItemBody::Query, Some(name)) = (call.body, &call.name) {
            let ids = items.iter().map(|item| wire::item_id(part, item)).collect();
            query.insert(name.clone(), Template::new(ids));
        }
        let write = Write::Request(Request {
            method: call.method.clone(),
            path: call.path.clone(),
            params,
            query,
            body: wire::items_body(item.descriptor, part, call, items),
            creates: false,
            versioned: part.versioned && call.method != "DELETE",
        });
        let reason = reason.to_owned();
        self.push(
            item,
            Draft {
                suffix,
                action,
                changes,
                reason,
                expected: None,
                write,
            },
        );
    }

    fn single_part(
        &mut self,
        item: &Item<'_>,
        part: &Part,
        desired: &Value,
        live: Option<&Value>,
        raw: Option<&Value>,
        new: bool,
    ) {
        let Value::Object(wanted) = desired else {
            return;
        };
        let have = live.and_then(Value::as_object).cloned().unwrap_or_default();
        let found = changes(wanted, &have, &|_| false);
        let Some(replace) = part.replace.as_ref().filter(|_| !found.is_empty()) else {
            return;
        };
        let mut whole: Map<String, Value> = have;
        wire::overlay(&mut whole, wanted);
        let body = wire::item_body(item.descriptor, part, replace, &Value::Object(whole));
        let Value::Object(mut body) = body else {
            return;
        };
        if let Some(first) = part.first_version {
            let version = raw.and_then(|raw| raw.get("version")).cloned();
            body.insert(
                "version".to_owned(),
                version.unwrap_or_else(|| Value::from(first)),
            );
        }
        let changes = found
            .into_iter()
            .map(|change| Change {
                path: format!("{}.{}", part.field, change.path),
                ..change
            })
            .collect::<Vec<_>>();
        let reason = plural(changes.len(), "field differs", "fields differ");
        let write = Write::Request(Request {
            method: replace.method.clone(),
            path: replace.path.clone(),
            params: vec![own_id(item)],
            query: BTreeMap::new(),
            body: Some(Template::new(Value::Object(body))),
            creates: false,
            versioned: false,
        });
        let action = if new { Action::Link } else { Action::Update };
        let suffix = part.field.clone();
        self.push(
            item,
            Draft {
                suffix,
                action,
                changes,
                reason,
                expected: None,
                write,
            },
        );
    }

    /// Uploads the audio of a prompt where it differs.
    fn audio(&mut self, item: &Item<'_>, live: Option<&Portable>, new: bool) {
        if item.descriptor.driver != Driver::Prompt {
            return;
        }
        for (name, bytes) in &item.files {
            let have = live
                .and_then(|live| live.files.get(name))
                .map(|bytes| digest_of(bytes));
            let wanted = digest_of(bytes);
            if have.as_ref() == Some(&wanted) {
                continue;
            }
            let language = name
                .rsplit_once('.')
                .map_or(name.as_str(), |(language, _)| language);
            let change = Change {
                path: format!("audio[{language}]"),
                old: have.map(Value::String),
                new: Some(Value::String(wanted)),
            };
            let write = Write::PromptAudio {
                language: language.to_owned(),
                audio: self.blob(bytes),
            };
            self.push(
                item,
                Draft {
                    suffix: format!("audio/{language}"),
                    action: if new { Action::Link } else { Action::Update },
                    changes: vec![change],
                    reason: "its audio differs".into(),
                    expected: None,
                    write,
                },
            );
        }
    }

    /// Deletes what only the target has, of the kinds that the bundle holds.
    pub(super) fn prune(&mut self, catalogue: &Catalogue, desired: &Bundle, snapshot: &Snapshot) {
        let kinds: BTreeSet<&Kind> = desired
            .documents
            .keys()
            .map(|object| &object.kind)
            .collect();
        let mut doomed: BTreeMap<ObjectRef, (&Descriptor, &Captured)> = BTreeMap::new();
        for kind in kinds {
            let Ok(descriptor) = catalogue.get(kind.as_str()) else {
                continue;
            };
            if descriptor.singleton || descriptor.clone == ClonePhase::Mapped {
                continue;
            }
            for live in snapshot.objects.get(kind).into_iter().flatten() {
                let Some(object) = self.target.names.object(kind, live.id.as_str()) else {
                    continue;
                };
                let wanted = desired.documents.contains_key(object);
                if !wanted
                    && !object.key.is_builtin()
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
            count(&mut self.counts, &object.kind).delete += 1;
            self.steps.push(Step {
                id: step_id(&object, "delete"),
                action: Action::Delete,
                phase: DELETE_PHASE,
                changes: Vec::new(),
                reason: "the source lacks it".into(),
                after: referrers.remove(&object).unwrap_or_default(),
                expected: expected(descriptor, live),
                write: Write::Request(Request {
                    method: "DELETE".into(),
                    path: call.path.clone(),
                    params: vec![Template::new(Slot::Ref(object.clone()).to_value())],
                    query: query.collect(),
                    body: None,
                    creates: false,
                    versioned: false,
                }),
                object,
            });
        }
    }

    /// Adds a step behind the object's earlier ones and behind the creation of what it refers to.
    fn push(&mut self, item: &Item<'_>, draft: Draft) {
        let Draft {
            suffix,
            action,
            changes,
            reason,
            expected,
            write,
        } = draft;
        let mut step = Step {
            id: step_id(&item.object, &suffix),
            object: item.object.clone(),
            action,
            phase: u8::from(item.descriptor.clone == ClonePhase::Outbound),
            changes,
            reason,
            after: Vec::new(),
            expected,
            write,
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
            if let Some(created) = self.coming.get(object).filter(|_| *object != item.object) {
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

/// Returns the source of a flow, in whichever form it came.
fn source_of(files: &Files) -> Option<&Arc<[u8]>> {
    files.get(FLOW_SOURCE).or_else(|| files.get(i3::FILE))
}

fn is_at_home(item: &Item<'_>) -> bool {
    match item.body.get("division").and_then(Slot::of) {
        Some(Slot::Ref(division)) => division.key.is_builtin(),
        _ => true,
    }
}

/// Writes rows as comma separated values: the key first, then every column that a row has.
fn csv(rows: &[Value]) -> String {
    let columns: BTreeSet<&String> = rows
        .iter()
        .filter_map(Value::as_object)
        .flat_map(|row| row.keys())
        .collect();
    let key = "key".to_owned();
    let order: Vec<&String> = std::iter::once(&key)
        .chain(columns.into_iter().filter(|column| **column != key))
        .collect();
    let cell = |text: &str| {
        let plain = !text.contains([',', '"', '\n', '\r']) && text.trim() == text;
        if plain {
            text.to_owned()
        } else {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
    };
    let mut lines = vec![
        order
            .iter()
            .map(|column| cell(column))
            .collect::<Vec<_>>()
            .join(","),
    ];
    for row in rows {
        let cells = order.iter().map(|column| match row.get(column.as_str()) {
            Some(Value::String(text)) => cell(text),
            Some(other) => cell(&other.to_string()),
            None => String::new(),
        });
        lines.push(cells.collect::<Vec<_>>().join(","));
    }
    lines.join("\r\n") + "\r\n"
}

fn items_of(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}

fn step_id(object: &ObjectRef, suffix: &str) -> StepId {
    StepId::new(&format!("{object}:{suffix}"))
}

fn own_id(item: &Item<'_>) -> Template {
    Template::new(Slot::Ref(item.object.clone()).to_value())
}

fn write_object(item: &Item<'_>, call: &WriteSpec, body: Map<String, Value>) -> Write {
    let params = if call.path.contains('{') {
        vec![own_id(item)]
    } else {
        Vec::new()
    };
    Write::Request(Request {
        method: call.method.clone(),
        path: call.path.clone(),
        params,
        query: BTreeMap::new(),
        body: Some(Template::new(Value::Object(body))),
        creates: false,
        versioned: item.descriptor.version,
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
    let mut later: BTreeSet<String> = own
        .keys()
        .filter(|field| call.omit.contains(field))
        .cloned()
        .collect();
    let body = Value::Object(own);
    for reference in &descriptor.references {
        reference.path.for_each(&body, &mut |value| {
            // The whole field waits: without its reference the rest of it may mean something else.
            if matches!(Slot::of(value), Some(Slot::Ref(object)) if cuts.contains(&object)) {
                later.insert(reference.path.root().to_owned());
            }
        });
    }
    let Value::Object(mut now) = body else {
        return (Map::new(), later);
    };
    now.retain(|field, _| !later.contains(field));
    (now, later)
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
        .any(|field| path == field || path.starts_with(&format!("{field}.")))
}

fn plural(n: usize, one: &str, many: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{n} {many}")
    }
}

fn item_reason(part: &Part, found: &ItemChanges) -> String {
    let ItemChanges {
        add,
        change,
        remove,
    } = found;
    let counts = [
        (add.len(), "to add"),
        (change.len(), "to change"),
        (remove.len(), "to remove"),
    ];
    let told: Vec<_> = counts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    format!("{}: {}", part.field, told.join(", "))
}
