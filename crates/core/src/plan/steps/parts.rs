//! Steps of parts: what belongs to an object and has calls of its own.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Draft, StepMaker, own_params, plural, root};
use crate::catalogue::{Descriptor, Driver, ItemBody, ItemWrite, Part};
use crate::diff::{Change, ItemChanges, changes, items_of};
use crate::document::{Portable, Slot, Template, for_each_slot};
use crate::id::ObjectRef;
use crate::path::Items;
use crate::plan::planner::Open;
use crate::plan::{Action, Request, Write, digest_of, wire};
use crate::rows::to_csv;
use crate::snapshot::{drop_nulls_in, item_identity, reduced_part};

/// Up to this many new rows, a call per row is cheaper than a job for all.
const ROWS_BY_CALL: usize = 2;

impl StepMaker<'_, '_> {
    /// Returns the objects that a new object names and that have items of its own: they are named
    /// once the items are there.
    pub(super) fn sharing(&self, item: &Open<'_>) -> BTreeSet<ObjectRef> {
        let mut found = BTreeSet::new();
        for part in &item.descriptor.parts {
            let Some(names) = part.before.as_ref().and_then(|field| item.body.get(field)) else {
                continue;
            };
            let own = referred(item.body.get(&part.field));
            for other in referred(Some(names)) {
                // Items come in the order of the bundle.
                let place = self.items.binary_search_by(|held| held.object.cmp(&other));
                let Some(held) = place.ok().map(|place| &self.items[place]) else {
                    continue;
                };
                let mut theirs = held
                    .descriptor
                    .parts
                    .iter()
                    .flat_map(|part| referred(held.body.field(&part.field).as_ref()));
                if theirs.any(|held| own.contains(&held)) {
                    found.insert(other);
                }
            }
        }
        found
    }

    pub(super) fn new_parts(&mut self, item: &Open<'_>) {
        let descriptor = item.descriptor;
        for part in descriptor.parts.iter().filter(|part| !part.at_creation) {
            if let Some(desired) = item.body.get(&part.field) {
                self.part(item, part, desired, None, None, true);
            }
        }
        self.uploads(item, None, true);
    }

    /// Makes the steps of a part: of a single object, or of a list of items.
    pub(super) fn part(
        &mut self,
        item: &Open<'_>,
        part: &Part,
        desired: &Value,
        live: Option<&Value>,
        raw: Option<&Value>,
        new: bool,
    ) {
        if part.single {
            return self.single_part(item, part, desired, live, raw, new);
        }
        let found = ItemChanges::between(part, Some(desired), live);
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
        let whole = Items::of(desired).is_some_and(|items| items.whole);
        // What else is there stays only where it is not replaced.
        if let Some(replace) = part
            .replace
            .as_ref()
            .filter(|_| whole || part.add.is_none())
        {
            let wanted = with_others(part, desired, live);
            let wanted = with_returned(part, &wanted, raw);
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
        // A file is made now, and a reference has an id only later.
        let refers = |row: &Value| !referred(Some(row)).is_empty();
        let is_table = item.descriptor.driver == Driver::Datatable;
        let split: Option<(Vec<Value>, Vec<Value>)> = is_table
            .then(|| found.add.iter().cloned().partition(refers))
            .filter(|(_, plain): &(_, Vec<Value>)| plain.len() > ROWS_BY_CALL);
        let (by_call, plain) = match &split {
            Some((by_call, plain)) => (&by_call[..], &plain[..]),
            None => (&found.add[..], &[][..]),
        };
        if !plain.is_empty() {
            let rows = self.blob(to_csv(plain).as_bytes());
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
        if let Some(add) = &part.add {
            for (number, chunk) in by_call.chunks(add.cap.max(1)).enumerate() {
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
        let changed = found.change.iter().map(|(live, wanted)| over(live, wanted));
        let completed = found.add.iter().filter(|_| bare).filter(told).cloned();
        let items: Vec<Value> = changed.chain(completed).collect();
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
        item: &Open<'_>,
        part: &Part,
        call: &ItemWrite,
        items: &[Value],
        suffix: String,
        action: Action,
        changes: Vec<Change>,
        reason: &str,
    ) {
        let write = items_request(item.descriptor, part, call, &item.object, items);
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
        item: &Open<'_>,
        part: &Part,
        desired: &Value,
        live: Option<&Value>,
        raw: Option<&Value>,
        new: bool,
    ) {
        let Value::Object(wanted) = desired else {
            // A rollback says so that there was none.
            if let Some(there) = live.filter(|_| desired.is_null()) {
                self.clear(item, part, there);
            }
            return;
        };
        let have = live.and_then(Value::as_object).cloned().unwrap_or_default();
        let found = changes(wanted, &have, &|_| false);
        let Some(replace) = part.replace.as_ref().filter(|_| !found.is_empty()) else {
            return;
        };
        // What is equal is sent as it is there: the document may not know all of it.
        let mut whole = raw.map_or(have, |raw| reduced_part(item.descriptor, part, raw));
        let mut differing = wanted.clone();
        differing.retain(|field, _| {
            found.iter().any(|change| root(&change.path) == field) || !whole.contains_key(field)
        });
        wire::overlay(&mut whole, &differing);
        drop_nulls_in(&mut whole);
        let mut params = own_params(&item.object, &replace.path);
        // What stands in the path is all that the call says.
        let in_path = replace.body == ItemBody::Empty;
        if in_path {
            let named = part.fields.iter().filter_map(|field| wanted.get(field));
            params.extend(named.cloned().map(Template::new));
        }
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
            params,
            query: BTreeMap::new(),
            body: (!in_path).then(|| Template::new(Value::Object(body))),
            creates: false,
            versioned: false,
            job: None,
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

    /// Takes a single object away.
    fn clear(&mut self, item: &Open<'_>, part: &Part, there: &Value) {
        let Some(remove) = &part.remove else {
            return;
        };
        let change = Change {
            path: part.field.clone(),
            old: Some(there.clone()),
            new: None,
        };
        let write = Write::Request(Request {
            method: remove.method.clone(),
            path: remove.path.clone(),
            params: own_params(&item.object, &remove.path),
            query: BTreeMap::new(),
            body: None,
            creates: false,
            versioned: false,
            job: None,
        });
        self.push(
            item,
            Draft {
                suffix: format!("{}-1", part.field),
                action: Action::Update,
                changes: vec![change],
                reason: "it was not there".to_owned(),
                expected: None,
                write,
            },
        );
    }

    /// Uploads the files of a prompt or a grammar where they differ.
    pub(super) fn uploads(&mut self, item: &Open<'_>, live: Option<&Portable>, new: bool) {
        let (noun, reason) = match item.descriptor.driver {
            Driver::Prompt => ("audio", "its audio differs"),
            Driver::Grammar => ("file", "its file differs"),
            _ => return,
        };
        for (name, bytes) in &item.files {
            let have = live
                .and_then(|live| live.files.get(name))
                .map(|bytes| digest_of(bytes));
            let wanted = digest_of(bytes);
            if have.as_ref() == Some(&wanted) {
                continue;
            }
            let place = name
                .rsplit_once('.')
                .map_or(name.as_str(), |(place, _)| place);
            let change = Change {
                path: format!("{noun}[{place}]"),
                old: have.map(Value::String),
                new: Some(Value::String(wanted)),
            };
            let write = Write::Upload {
                name: name.clone(),
                file: self.blob(bytes),
            };
            self.push(
                item,
                Draft {
                    suffix: format!("{noun}/{place}"),
                    action: if new { Action::Link } else { Action::Update },
                    changes: vec![change],
                    reason: reason.into(),
                    expected: None,
                    write,
                },
            );
        }
    }
}

/// Makes the request that writes some items of an object.
pub(super) fn items_request(
    descriptor: &Descriptor,
    part: &Part,
    call: &ItemWrite,
    object: &ObjectRef,
    items: &[Value],
) -> Write {
    let mut params = own_params(object, &call.path);
    if call.cap == 1 && call.path.matches('{').count() > 1 {
        let ids = items.first().map(|item| wire::item_ids(part, call, item));
        params.extend(ids.into_iter().flatten().map(Template::new));
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
    Write::Request(Request {
        method: call.method.clone(),
        path: call.path.clone(),
        params,
        query,
        body: wire::items_body(descriptor, part, call, items),
        creates: false,
        versioned: part.versioned && call.method != "DELETE",
        job: None,
    })
}

/// Returns the whole list that is wanted: with what is there, where a document does not say it all.
fn with_others<'w>(part: &Part, desired: &'w Value, live: Option<&Value>) -> Cow<'w, [Value]> {
    let Some(Items { list, whole }) = Items::of(desired) else {
        return Cow::Borrowed(&[]);
    };
    if whole {
        return Cow::Borrowed(list);
    }
    let named: BTreeSet<String> = list.iter().map(|item| item_identity(part, item)).collect();
    let others = items_of(live).iter();
    let others = others.filter(|item| !named.contains(&item_identity(part, item)));
    Cow::Owned(list.iter().chain(others).cloned().collect())
}

/// Adds to items what those of the same identity have in the target and must be sent back.
fn with_returned<'w>(part: &Part, wanted: &'w [Value], raw: Option<&Value>) -> Cow<'w, [Value]> {
    if part.returned.is_empty() {
        return Cow::Borrowed(wanted);
    }
    let there = items_of(raw);
    let same = |a: &Value, b: &Value| part.identity.iter().all(|name| a.get(name) == b.get(name));
    let mut wanted = wanted.to_vec();
    for item in &mut wanted {
        let Some(twin) = there.iter().find(|twin| same(twin, item)) else {
            continue;
        };
        for name in &part.returned {
            if let (Some(value), Value::Object(item)) = (twin.get(name), &mut *item) {
                item.insert(name.clone(), value.clone());
            }
        }
    }
    Cow::Owned(wanted)
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

/// Returns the objects that a value refers to.
fn referred(value: Option<&Value>) -> BTreeSet<ObjectRef> {
    let mut found = BTreeSet::new();
    if let Some(value) = value {
        for_each_slot(value, &mut |slot| {
            if let Slot::Ref(object) = slot {
                found.insert(object);
            }
        });
    }
    found
}

/// Lays what is wanted of an item over what the target has: a call may replace the item.
fn over(live: &Value, wanted: &Value) -> Value {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            let mut whole = live.clone();
            wire::overlay(&mut whole, wanted);
            Value::Object(whole)
        }
        _ => wanted.clone(),
    }
}
