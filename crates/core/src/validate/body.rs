//! The fields of a document: known ones only, no nulls, no secrets in clear, nothing left open.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::types::found;
use super::{Report, place, step};
use crate::catalogue::{Descriptor, Part, nearest};
use crate::document::{Portable, Slot};
use crate::endpoints::texts;
use crate::flow;
use crate::overlay::open_variable;
use crate::path::{HAS, Items};
use crate::plan::Severity;
use crate::snapshot::{has_password, is_header, item_identity};

/// Names that a slot may have.
const SLOTS: [&str; 3] = ["$ref", "$secret", "$var"];

pub(super) fn check(descriptor: &Descriptor, document: &Portable, report: &mut Report<'_>) {
    for (field, value) in &document.body {
        let pointer = step("", field);
        if let Some(part) = descriptor.parts.iter().find(|part| part.field == *field) {
            let (pointer, value) = match value.get(HAS) {
                Some(list) if !part.single && Items::of(value).is_some() => {
                    (step(&pointer, HAS), list)
                }
                _ => (pointer, value),
            };
            check_part(part, value, &pointer, report);
            check_value(value, &pointer, report);
            continue;
        }
        if let Some(reason) = descriptor.unmanaged.get(field) {
            let message = format!("{field} is not carried: {reason}; take it out");
            report.error("unmanaged-field", &pointer, message);
        } else if !descriptor.fields.contains(field) {
            let message = format!("a {} has no field {field:?}", descriptor.title);
            let parts = descriptor.parts.iter().map(|part| part.field.as_str());
            let fields = descriptor.fields.iter().map(String::as_str).chain(parts);
            report.error("unknown-field", &pointer, message).suggestion = nearest(field, fields);
        }
        check_value(value, &pointer, report);
    }
    let body = Value::Object(document.body.clone());
    let mut clear = BTreeSet::new();
    secrets_in_clear(descriptor, &body, &mut |pointer| {
        let message =
            "a secret stands in clear; write {\"$secret\": \"name\"}, and give its value when the plan is applied"
                .to_owned();
        report.error("secret-in-clear", pointer, message);
        clear.insert(pointer.to_owned());
    });
    check_placeholders(&body, "", &clear, report);
}

/// Calls `visit` with the pointer of every secret that stands in clear.
fn secrets_in_clear(descriptor: &Descriptor, body: &Value, visit: &mut dyn FnMut(&str)) {
    for path in &descriptor.secrets {
        place::visit(path, body, &mut |pointer, value, _| {
            if !matches!(Slot::of(value), Some(Slot::Secret(_) | Slot::Var(_))) {
                visit(pointer);
            }
        });
    }
    for path in &descriptor.headers {
        place::visit(path, body, &mut |pointer, headers, _| {
            for (name, value) in headers.as_object().into_iter().flatten() {
                if is_header(name, value) {
                    visit(&step(pointer, name));
                }
            }
        });
    }
    for endpoint in &descriptor.endpoints {
        place::visit(&endpoint.path, body, &mut |pointer, value, _| {
            texts(value, pointer, &mut |pointer, text| {
                if has_password(text) {
                    visit(pointer);
                }
            });
        });
    }
}

fn check_part(part: &Part, value: &Value, pointer: &str, report: &mut Report<'_>) {
    match value {
        Value::Object(map) if part.single => check_item(part, map, pointer, report),
        Value::Array(items) if !part.single => {
            let mut seen = BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                let pointer = step(pointer, &index.to_string());
                match item {
                    Value::Object(map) if Slot::of(item).is_none() => {
                        check_item(part, map, &pointer, report);
                    }
                    _ if part.identity.is_empty() => {}
                    _ => {
                        let message = format!(
                            "expected a mapping with {}, found {}",
                            told(part),
                            found(item)
                        );
                        report.error("wrong-type", &pointer, message);
                        continue;
                    }
                }
                if !seen.insert(item_identity(part, item)) {
                    let message = format!("{} names this one twice", part.field);
                    report.error("duplicate-item", &pointer, message);
                }
            }
        }
        _ => {
            let wanted = if part.single { "a mapping" } else { "a list" };
            let message = format!("expected {wanted}, found {}", found(value));
            report.error("wrong-type", pointer, message);
        }
    }
}

fn check_item(part: &Part, item: &Map<String, Value>, pointer: &str, report: &mut Report<'_>) {
    for field in part
        .identity
        .iter()
        .filter(|field| !item.contains_key(*field))
    {
        let message = format!("an item of {} needs {field:?}", part.field);
        report.error("missing-key-field", pointer, message);
    }
    if part.fields.is_empty() {
        return;
    }
    let known = || part.fields.iter().chain(&part.identity).map(String::as_str);
    for field in item
        .keys()
        .filter(|field| !known().any(|known| known == *field))
    {
        let message = format!("an item of {} has no field {field:?}", part.field);
        let found = report.error("unknown-field", &step(pointer, field), message);
        found.suggestion = nearest(field, known());
    }
}

fn told(part: &Part) -> String {
    part.identity.join(" and ")
}

/// Looks for what may stand nowhere.
fn check_value(value: &Value, pointer: &str, report: &mut Report<'_>) {
    match value {
        Value::Null => {
            let message =
                "null says nothing: leave the field out where it is not managed, write [] \
                           where none is wanted"
                    .to_owned();
            report.error("null", pointer, message);
        }
        Value::String(text) => {
            if let Some(name) = open_variable(text) {
                variable(name, pointer, report);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_value(item, &step(pointer, &index.to_string()), report);
            }
        }
        Value::Object(map) => match Slot::of(value) {
            Some(Slot::Var(name)) => variable(&name, pointer, report),
            Some(Slot::Ref(_) | Slot::Secret(_)) => {}
            None if map.contains_key(HAS) => {
                let message = format!(
                    "{HAS} says what a list has besides others; it stands alone, in place of the list of \
                     a part that has calls of its own"
                );
                report.error("malformed-slot", pointer, message);
            }
            None => {
                if let Some(name) = SLOTS.into_iter().find(|name| map.contains_key(*name))
                    && !is_json_schema(map)
                {
                    malformed(name, map, pointer, report);
                    return;
                }
                for (field, value) in map {
                    check_value(value, &step(pointer, field), report);
                }
            }
        },
        Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Looks for values that are a placeholder of a template; a secret may look like one.
fn check_placeholders(
    value: &Value,
    pointer: &str,
    secrets: &BTreeSet<String>,
    report: &mut Report<'_>,
) {
    match value {
        Value::String(text) => {
            if let Some(placeholder) = flow::placeholder_alone(text)
                && !secrets.contains(pointer)
            {
                let message = format!("the placeholder {placeholder} is not filled in");
                report.add(Severity::Warning, "placeholder", pointer, message);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_placeholders(item, &step(pointer, &index.to_string()), secrets, report);
            }
        }
        Value::Object(map) => {
            for (field, value) in map {
                check_placeholders(value, &step(pointer, field), secrets, report);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Tells whether a `$ref` is one of JSON Schema, which points into its own document.
pub(super) fn is_json_schema(map: &Map<String, Value>) -> bool {
    map.get("$ref")
        .and_then(Value::as_str)
        .is_some_and(|text| text.starts_with('#'))
}

fn malformed(name: &str, map: &Map<String, Value>, pointer: &str, report: &mut Report<'_>) {
    let message = if map.len() > 1 {
        format!("{name} stands alone in its object; take the other fields out")
    } else {
        let wanted = match name {
            "$ref" => "\"kind/key\"",
            _ => "\"name\"",
        };
        format!(
            "{name} is written {{\"{name}\": {wanted}}}, but it is {}",
            map[name]
        )
    };
    report.error("malformed-slot", pointer, message);
}

fn variable(name: &str, pointer: &str, report: &mut Report<'_>) {
    let message = format!("the variable {name:?} is for each target to set");
    report.add(Severity::Note, "variable", pointer, message);
}
