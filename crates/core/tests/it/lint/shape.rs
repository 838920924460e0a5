//! Whether a kind file says enough, and nothing twice.

use std::collections::BTreeSet;

use orgsmith_core::catalogue::{ClonePhase, Driver, WriteSpec};

use super::Lint;

pub fn check(lint: &mut Lint<'_>) {
    let kind = lint.kind;
    for (field, text) in [("title", &kind.title), ("family", &kind.family)] {
        if text.trim().is_empty() {
            lint.find(field, "is empty");
        }
    }
    if lint.contract.model(&kind.model).is_none() {
        lint.find("model", format!("the contract has no model {}", kind.model));
    }
    if kind.fields.is_empty() {
        lint.find("fields", "nothing is managed");
    }
    twice(lint, "fields", &kind.fields);
    for field in &kind.immutable {
        if !kind.fields.contains(field) {
            lint.find(format!("immutable {field}"), "is not among the fields");
        }
    }
    key(lint);
    calls(lint);
    builtins(lint);
}

fn twice(lint: &mut Lint<'_>, place: &str, names: &[String]) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            lint.find(place, format!("{name} is there twice"));
        }
    }
}

fn key(lint: &mut Lint<'_>) {
    let kind = lint.kind;
    if kind.key.fields.is_empty() != kind.singleton {
        lint.find(
            "key.fields",
            "a kind has a key, and only a singleton has none",
        );
    }
    for path in &kind.key.lower_case {
        if !kind.key.fields.contains(path) {
            lint.find(format!("key.lower_case {path}"), "is no part of the key");
        }
    }
    for path in &kind.key.fields {
        if !kind.fields.iter().any(|field| field == path.root()) {
            lint.find(format!("key.fields {path}"), "is not among the fields");
        }
    }
}

fn calls(lint: &mut Lint<'_>) {
    let kind = lint.kind;
    if kind.list.is_empty() != kind.singleton {
        lint.find("list", "a kind has a list, and only a singleton has none");
    }
    if kind.singleton && kind.read.is_none() {
        lint.find("read", "nothing reads the singleton");
    }
    let mapped = kind.clone == ClonePhase::Mapped;
    let writes = kind.create.is_some() || kind.update.is_some() || kind.delete.is_some();
    if mapped && (writes || !kind.parts.is_empty()) {
        lint.find("clone", "a mapped kind has no writes");
    }
    let goes_up_as_a_file = matches!(kind.driver, Driver::Flow | Driver::Script);
    if !mapped && !kind.singleton && kind.create.is_none() && !goes_up_as_a_file {
        lint.find("create", "nothing creates an object of the kind");
    }
    let put = |write: &WriteSpec| write.method == "PUT" || write.method == "PATCH";
    if kind.singleton && (kind.update.is_none() || !kind.create.as_ref().is_none_or(put)) {
        lint.find(
            "update",
            "a singleton is updated, and never created by a POST",
        );
    }
    if kind.singleton && kind.parent.is_some() {
        lint.find(
            "parent",
            "a singleton lives in the org; one in an object is a part of it",
        );
    }
    parent(lint);
    if kind.list.iter().any(|list| list.deleted) != kind.restore.is_some() {
        lint.find("restore", "needs a list of deleted objects, and serves one");
    }
    if kind.update_last && (kind.update.is_none() || kind.parts.is_empty()) {
        lint.find("update_last", "there is no update or no part");
    }
}

fn parent(lint: &mut Lint<'_>) {
    let kind = lint.kind;
    let Some(parent) = &kind.parent else { return };
    if lint.catalogue.get(parent.kind.as_str()).is_err() {
        lint.find("parent.kind", format!("there is no kind {}", parent.kind));
    }
    if !kind
        .key
        .fields
        .iter()
        .any(|path| path.to_string() == parent.field)
    {
        lint.find(
            "key.fields",
            format!("{} is no part of the key", parent.field),
        );
    }
    if kind
        .list
        .iter()
        .any(|list| !parent.alone && list.each.as_ref() != Some(&parent.kind))
    {
        lint.find(
            "list",
            "is read for each object of another kind than the parent's",
        );
    }
}

fn builtins(lint: &mut Lint<'_>) {
    let kind = lint.kind;
    for (index, builtin) in kind.builtins.iter().enumerate() {
        let place = format!("builtin[{index}]");
        let ways = usize::from(builtin.key.is_some())
            + usize::from(builtin.key_field.is_some())
            + usize::from(builtin.natural_key);
        if ways != 1 {
            lint.find(&place, "has one of key, key_field and natural_key");
        }
        if builtin.when.is_empty() {
            lint.find(&place, "has nothing to tell it by");
        }
        for field in &builtin.unmanaged {
            if !kind.fields.contains(field) {
                lint.find(
                    format!("{place}.unmanaged {field}"),
                    "is not among the fields",
                );
            }
        }
    }
}
