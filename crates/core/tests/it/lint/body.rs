//! Whether the bodies of create, update and restore are what the API takes.

use std::collections::{BTreeMap, BTreeSet};

use orgsmith_contract::{Field, Model, Type};
use orgsmith_core::catalogue::{ClonePhase, Descriptor, Driver, ReadSpec, WriteSpec};

use super::place::{DEPTH, is_volatile, reference_at, spell};
use super::{Lint, facts};

/// Top-level fields that every body has and nobody sets.
const ENVELOPE: [&str; 2] = ["id", "selfUri"];

pub fn check(lint: &mut Lint<'_>) {
    let kind = lint.kind;
    rows_hold_the_fields(lint);
    let create = kind.create.as_ref();
    let update = kind.update.as_ref();
    for (place, write) in [("create", create), ("update", update)] {
        if let Some(write) = write {
            check_write(lint, place, write);
        }
    }
    if let Some(restore) = &kind.restore {
        check_constants(lint, "restore.with", restore, &restore.with);
        check_required(lint, "restore", restore, BTreeSet::new());
    }
    if let Some(create) = create {
        check_constants(lint, "create_with", create, &kind.create_with);
    }
    version(lint);
    coverage(lint);
    unmanaged(lint);
}

/// Returns the model of a call's body.
pub fn body_model(lint: &Lint<'_>, method: &str, path: &str) -> Option<&'static Model> {
    match lint.contract.operation(method, path)?.body.as_ref()? {
        Type::Model(name) => lint.contract.model(name),
        _ => None,
    }
}

fn rows_hold_the_fields(lint: &mut Lint<'_>) {
    let kind = lint.kind;
    let whole = |read: &ReadSpec| read.each || read.with_list;
    if kind.read.as_ref().is_some_and(whole) {
        return;
    }
    for (index, list) in kind.list.iter().enumerate() {
        let row = lint
            .contract
            .operation(list.method(), &list.path)
            .and_then(|operation| super::calls::rows(lint.contract, operation.response.as_ref()?))
            .and_then(|row| lint.contract.model(row.model_name()?));
        let Some(row) = row else { continue };
        let secret = |field: &str| kind.secrets.iter().any(|path| path.root() == field);
        for field in own_fields(kind).filter(|field| !secret(field)) {
            if row.field(field).is_none() {
                lint.find(
                    format!("list[{index}]"),
                    format!("a row has no {field}, and read.each is not set"),
                );
            }
        }
    }
}

/// Returns the managed fields but for the one that says what an object lives in, which the path says.
fn own_fields(kind: &Descriptor) -> impl Iterator<Item = &String> {
    let parent = kind.parent.as_ref().map(|parent| &parent.field);
    kind.fields
        .iter()
        .filter(move |field| Some(*field) != parent)
}

fn wire<'a>(write: &'a WriteSpec, field: &'a str) -> &'a str {
    let renamed = write.rename.get(field);
    renamed
        .and_then(|wire| wire.name.as_deref())
        .unwrap_or(field)
}

fn settable(field: Option<&Field>) -> bool {
    field.is_some_and(|field| !field.read_only)
}

fn check_write(lint: &mut Lint<'_>, place: &str, write: &WriteSpec) {
    let kind = lint.kind;
    let Some(body) = body_model(lint, &write.method, &write.path) else {
        return lint.find(place, "the contract has no body for it");
    };
    for (list, names) in [
        ("omit", write.omit.iter().collect::<Vec<_>>()),
        ("always", write.always.iter().collect()),
        ("alone", write.alone.iter().collect()),
        ("needs", write.needs.iter().collect()),
        ("rename", write.rename.keys().collect()),
    ] {
        for name in names {
            let takes = if list == "omit" || list == "always" {
                kind.fields.contains(name) || kind.unmanaged.contains_key(name)
            } else {
                let name = name.split('.').next().unwrap_or(name);
                let is = |field: &String| field == name;
                let mut parts = kind.parts.iter().filter(|part| part.at_creation);
                kind.fields.iter().any(is) && !write.omit.iter().any(is)
                    || place == "create" && parts.any(|part| part.field == name)
            };
            if !takes {
                lint.find(
                    format!("{place}.{list} {name}"),
                    "is not a field that the call takes",
                );
            }
        }
    }
    if write.method != "PATCH" && !(write.always.is_empty() && write.alone.is_empty()) {
        lint.find(place, "always and alone are for a PATCH");
    }
    check_constants(lint, &format!("{place}.with"), write, &write.with);
    // A PATCH never sends what it may not change.
    let never = |field: &String| write.method == "PATCH" && kind.immutable.contains(field);
    let sent = |field: &&String| !write.omit.contains(field) && !never(field);
    // A PUT sends back what is left alone, as it was read; a PATCH, what the API always asks for.
    let returned = kind.unmanaged.keys().filter(|field| {
        place == "update" && (write.method == "PUT" || write.always.contains(field))
    });
    let model = lint.contract.model(&kind.model);
    for field in own_fields(kind).chain(returned).filter(sent) {
        let managed = kind.fields.contains(field);
        let source = model.and_then(|model| model.field(field));
        if source.is_none() && !managed {
            continue;
        }
        let name = wire(write, field);
        let place = format!("{place} {field}");
        match body.field(name) {
            None => lint.find(&place, format!("the body has no {name}")),
            Some(target) if target.read_only => {
                lint.find(&place, format!("{name} is read-only in the body"));
            }
            Some(target) => {
                let Some(source) = source else { continue };
                let mut walk = Compare {
                    lint,
                    place: &place,
                    write,
                    stack: Vec::new(),
                };
                walk.types(field, &source.ty, &target.ty);
            }
        }
    }
    let names: BTreeSet<&str> = if write.method == "PATCH" {
        write
            .always
            .iter()
            .map(|field| wire(write, field))
            .collect()
    } else {
        kind.fields
            .iter()
            .filter(sent)
            .map(|field| wire(write, field))
            .chain(kind.create_with.keys().map(String::as_str))
            .collect()
    };
    check_required(lint, place, write, names);
}

fn check_required(lint: &mut Lint<'_>, place: &str, write: &WriteSpec, sent: BTreeSet<&str>) {
    let Some(body) = body_model(lint, &write.method, &write.path) else {
        return;
    };
    for (name, field) in &body.fields {
        let given = sent.contains(name.as_str())
            || write.with.contains_key(name)
            || (name == "version" && lint.kind.version);
        let asked = field.required && !facts::is_optional(&write.path, name);
        if asked && !field.read_only && !given {
            lint.find(place, format!("the body needs {name}"));
        }
    }
}

fn check_constants(
    lint: &mut Lint<'_>,
    place: &str,
    write: &WriteSpec,
    constants: &BTreeMap<String, serde_json::Value>,
) {
    let Some(body) = body_model(lint, &write.method, &write.path) else {
        return;
    };
    for (name, value) in constants {
        let place = format!("{place}.{name}");
        match body.field(name).filter(|field| !field.read_only) {
            None => lint.find(place, "the body takes no such field"),
            Some(field) => {
                let known = &field.enum_values;
                if !known.is_empty() && value.as_str().is_none_or(|v| !known.iter().any(|k| k == v))
                {
                    lint.find(place, format!("is not one of {}", known.join(", ")));
                }
            }
        }
    }
}

/// Compares a field as it is read with the field as it is written.
struct Compare<'l, 'a> {
    lint: &'l mut Lint<'a>,
    place: &'l str,
    write: &'l WriteSpec,
    stack: Vec<String>,
}

impl Compare<'_, '_> {
    fn types(&mut self, path: &str, read: &Type, write: &Type) {
        if is_volatile(self.lint, path) {
            return;
        }
        if let Some(reference) = reference_at(self.lint, path).filter(|r| !r.bare && !r.keys) {
            let target = match write {
                Type::Model(name) => self.lint.contract.model(name),
                _ => None,
            };
            let renamed = self.write.rename.get(path.trim_end_matches("[]"));
            let bare = renamed.is_some_and(|wire| wire.bare_ids);
            let takes = |name: &str| target.is_some_and(|model| model.field(name).is_some());
            let fits = match write {
                Type::String => bare,
                Type::Object => true,
                _ => !bare && takes("id") && reference.by.as_deref().is_none_or(takes),
            };
            if !fits {
                self.report(path, format!("the call takes {} here", spell(write)));
            }
            return;
        }
        match (read, write) {
            (Type::Object, _) | (_, Type::Object) => {}
            (Type::Array(read), Type::Array(write)) => {
                self.types(&format!("{path}[]"), read, write);
            }
            (Type::Map(read), Type::Map(write)) => {
                self.types(&format!("{path}{{}}"), read, write);
            }
            (Type::Model(read), Type::Model(write)) => self.models(path, read, write),
            (read, write) if spell(read) == spell(write) => {}
            (read, write) => self.report(
                path,
                format!("is read as {} and written as {}", spell(read), spell(write)),
            ),
        }
    }

    fn models(&mut self, path: &str, read: &str, write: &str) {
        let contract = self.lint.contract;
        let (Some(from), Some(to)) = (contract.model(read), contract.model(write)) else {
            return;
        };
        if self.stack.iter().filter(|seen| *seen == read).count() >= DEPTH {
            return;
        }
        self.stack.push(read.to_owned());
        for (name, field) in &from.fields {
            let path = format!("{path}.{name}");
            if is_volatile(self.lint, &path) {
                continue;
            }
            match to.field(wire(self.write, &path).rsplit('.').next().unwrap_or(name)) {
                None => self.report(&path, format!("{write} has no {name}")),
                Some(target) if target.read_only => {
                    self.report(&path, format!("{name} is read-only in {write}"));
                }
                Some(target) => self.types(&path, &field.ty, &target.ty),
            }
        }
        self.stack.pop();
    }

    fn report(&mut self, path: &str, message: String) {
        self.lint.find(format!("{} at {path}", self.place), message);
    }
}

fn version(lint: &mut Lint<'_>) {
    let kind = lint.kind;
    let asked = kind
        .update
        .as_ref()
        .and_then(|update| body_model(lint, &update.method, &update.path))
        .is_some_and(|body| settable(body.field("version")));
    let returned = lint
        .contract
        .model(&kind.model)
        .is_some_and(|model| model.field("version").is_some());
    if kind.version && !returned {
        lint.find("version", format!("{} has no version", kind.model));
    }
    if kind.version != asked {
        let asks = if asked { "asks" } else { "does not ask" };
        lint.find("version", format!("the body of update {asks} for it"));
    }
}

/// Every managed field can be set, and changed unless it never is.
fn coverage(lint: &mut Lint<'_>) {
    let kind = lint.kind;
    if kind.clone == ClonePhase::Mapped {
        return;
    }
    let takes = |write: &Option<WriteSpec>, field: &String| {
        write.as_ref().is_some_and(|write| {
            !write.omit.contains(field)
                && body_model(lint, &write.method, &write.path)
                    .is_some_and(|body| settable(body.field(wire(write, field))))
        })
    };
    let mut found = Vec::new();
    let publishes = |field: &String| {
        let publish = kind.publish.as_ref();
        publish.is_some_and(|publish| publish.field == *field)
    };
    for field in own_fields(kind).filter(|field| !publishes(field)) {
        let in_key = kind.key.fields.iter().any(|path| path.root() == field);
        let created = takes(&kind.create, field);
        let updated = takes(&kind.update, field);
        let by_file = matches!(kind.driver, Driver::Flow | Driver::Script);
        if !created && !updated && !by_file {
            found.push((field, "no call sets it"));
        } else if !updated
            && !in_key
            && !kind.immutable.contains(field)
            && kind.driver == Driver::Crud
        {
            found.push((field, "no call changes it, and it is not immutable"));
        }
    }
    for (field, message) in found {
        lint.find(format!("fields {field}"), message);
    }
}

fn unmanaged(lint: &mut Lint<'_>) {
    let kind = lint.kind;
    // A flow is written as a source; its body only makes an empty one.
    if kind.driver == Driver::Flow {
        return;
    }
    let mut accepted = BTreeSet::new();
    let mut covered: BTreeSet<&str> = kind.fields.iter().map(String::as_str).collect();
    covered.extend(ENVELOPE);
    covered.extend(kind.parts.iter().map(|part| part.field.as_str()));
    if kind.version {
        covered.insert("version");
    }
    for write in kind.create.iter().chain(&kind.update) {
        covered.extend(kind.fields.iter().map(|field| wire(write, field)));
        if let Some(body) = body_model(lint, &write.method, &write.path) {
            let fields = body.fields.iter().filter(|(_, field)| !field.read_only);
            accepted.extend(fields.map(|(name, _)| name.as_str()));
        }
    }
    for name in &accepted {
        if !covered.contains(name) && !kind.unmanaged.contains_key(*name) {
            lint.find(
                format!("unmanaged {name}"),
                "the API takes it, and the kind file does not say why it is left alone",
            );
        }
    }
    for (name, reason) in &kind.unmanaged {
        let place = format!("unmanaged {name}");
        if reason.trim().is_empty() {
            lint.find(&place, "has no reason");
        }
        if kind.fields.contains(name) {
            lint.find(&place, "is among the fields");
        } else if !accepted.contains(name.as_str()) {
            lint.find(&place, "no call takes it");
        }
    }
}
