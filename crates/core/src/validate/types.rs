//! Types and values: what stands at each place is what the API takes there.
//!
//! A wrong type is an error. A value or a field that the contract does not know is a warning: the API
//! gets new ones every month, and an export of an org brings them along.

use serde_json::{Map, Value};

use super::{Report, step};
use crate::catalogue::nearest;
use crate::document::{Portable, Slot};
use crate::models::{Place, Places, Shape};
use crate::overlay::open_variable;
use crate::path::Items;
use crate::plan::Severity;

/// Values that a message lists.
const LISTED: usize = 12;

pub(super) fn check(places: &Places<'_>, document: &Portable, report: &mut Report<'_>) {
    for place in places.fields() {
        if let Some(value) = document.body.get(place.name()) {
            let pointer = step("", place.name());
            check_place(places, &place, value, &pointer, report);
        }
    }
}

fn check_place<'k>(
    places: &Places<'k>,
    place: &Place<'k>,
    value: &Value,
    pointer: &str,
    report: &mut Report<'_>,
) {
    let shape = places.shape(place);
    match (&shape, Slot::of(value)) {
        // Others judge references and secrets.
        (Shape::Any | Shape::Secret | Shape::Reference(_), _) => return,
        (_, Some(Slot::Var(_) | Slot::Secret(_))) | (Shape::Text, Some(Slot::Ref(_))) => return,
        _ => {}
    }
    match (shape, value) {
        (_, Value::Null) => {}
        (_, Value::String(text)) if open_variable(text).is_some() => {}
        (_, Value::Object(map)) if is_malformed(map) => {}
        (Shape::List(item), value) if Items::of(value).is_some() => {
            let (pointer, list) = match value {
                Value::Array(list) => (pointer.to_owned(), list.as_slice()),
                value => {
                    let list = Items::of(value).map_or(&[][..], |items| items.list);
                    (step(pointer, crate::path::HAS), list)
                }
            };
            for (index, value) in list.iter().enumerate() {
                let pointer = step(&pointer, &index.to_string());
                check_place(places, &item, value, &pointer, report);
            }
        }
        (Shape::Map(inner) | Shape::Keyed(_, inner), Value::Object(map)) => {
            for (name, value) in map {
                check_place(places, &inner, value, &step(pointer, name), report);
            }
        }
        (Shape::Object(fields), Value::Object(map)) => {
            check_fields(places, place, &fields, map, pointer, report);
        }
        (Shape::Text | Shape::Time | Shape::Date, Value::String(text)) => {
            check_value(place, text, pointer, report);
            check_length(place, text, pointer, report);
        }
        (Shape::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => {
            check_value(place, &number.to_string(), pointer, report);
            check_range(place, value, pointer, report);
        }
        (Shape::Number, Value::Number(number)) => {
            check_value(place, &number.to_string(), pointer, report);
            check_range(place, value, pointer, report);
        }
        (Shape::Boolean, Value::Bool(_)) => {}
        // What a part is was said with its items.
        (Shape::List(_) | Shape::Object(_), _) if place.part().is_some() => {}
        (shape, value) => {
            let (expected, found) = (expected(&shape), found(value));
            let scalar = matches!(value, Value::Number(_) | Value::Bool(_));
            let remedy = match shape {
                Shape::Text | Shape::Time | Shape::Date if scalar => "; put it in quotes",
                _ => "",
            };
            let message = format!("expected {expected}, found {found}{remedy}");
            report.error("wrong-type", pointer, message);
        }
    }
}

fn check_fields<'k>(
    places: &Places<'k>,
    place: &Place<'k>,
    fields: &[Place<'k>],
    map: &Map<String, Value>,
    pointer: &str,
    report: &mut Report<'_>,
) {
    let managed_by_part = place.part().is_some_and(|part| !part.fields.is_empty());
    for (name, value) in map {
        let pointer = step(pointer, name);
        if let Some(field) = fields.iter().find(|field| field.name() == name) {
            check_place(places, field, value, &pointer, report);
        } else if !managed_by_part && !places.is_volatile(place, name) {
            let message = format!("no field {name:?} is known here; it will be sent as it is");
            let known = fields.iter().map(Place::name);
            report
                .add(Severity::Warning, "unknown-field", &pointer, message)
                .suggestion = nearest(name, known);
        }
    }
}

/// Tells whether a slot stands there that is said to be wrong elsewhere.
fn is_malformed(map: &Map<String, Value>) -> bool {
    ["$ref", "$secret", "$var", "$has"]
        .iter()
        .any(|name| map.contains_key(*name))
        && Items::of(&Value::Object(map.clone())).is_none()
        && Slot::of(&Value::Object(map.clone())).is_none()
}

fn check_value(place: &Place<'_>, text: &str, pointer: &str, report: &mut Report<'_>) {
    let known = place.values();
    if known.is_empty() || known.contains(&text) {
        return;
    }
    let more = match known.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let listed = known[..known.len().min(LISTED)].join(", ");
    let message = format!("expected one of {listed}{more}, found {text:?}");
    let same = known.iter().find(|value| value.eq_ignore_ascii_case(text));
    let meant = same.map(|value| (*value).to_owned());
    report
        .add(Severity::Warning, "unknown-value", pointer, message)
        .suggestion = meant.or_else(|| nearest(text, known.iter().copied()));
}

fn check_length(place: &Place<'_>, text: &str, pointer: &str, report: &mut Report<'_>) {
    let limits = place.limits();
    let length = text.chars().count() as u64;
    let wanted = match (limits.min_length, limits.max_length) {
        (Some(least), _) if length < least => format!("at least {least}"),
        (_, Some(most)) if length > most => format!("at most {most}"),
        _ => return,
    };
    let message = format!("expected {wanted} characters, found {length}");
    report.add(Severity::Warning, "out-of-range", pointer, message);
}

fn check_range(place: &Place<'_>, value: &Value, pointer: &str, report: &mut Report<'_>) {
    let limits = place.limits();
    let number = value.as_f64().unwrap_or_default();
    let wanted = match (limits.minimum, limits.maximum) {
        (Some(least), _) if number < least => format!("at least {least}"),
        (_, Some(most)) if number > most => format!("at most {most}"),
        _ => return,
    };
    let message = format!("expected {wanted}, found {value}");
    report.add(Severity::Warning, "out-of-range", pointer, message);
}

fn expected(shape: &Shape<'_>) -> &'static str {
    match shape {
        Shape::Any | Shape::Secret | Shape::Reference(_) => "something else",
        Shape::Text => "a text",
        Shape::Integer => "a whole number",
        Shape::Number => "a number",
        Shape::Boolean => "true or false",
        Shape::Time => "a time such as 2026-01-31T08:00:00Z",
        Shape::Date => "a date such as 2026-01-31",
        Shape::List(_) => "a list",
        Shape::Keyed(..) | Shape::Map(_) | Shape::Object(_) => "a mapping",
    }
}

/// Says what stands somewhere.
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::String(text) if text.chars().count() > 60 => {
            let begin: String = text.chars().take(60).collect();
            format!("{begin:?}…")
        }
        Value::Array(_) => "a list".to_owned(),
        Value::Object(map) if Slot::of(value).is_some() => match map.keys().next() {
            Some(name) => format!("{{{name}: …}}"),
            None => "a mapping".to_owned(),
        },
        Value::Object(_) => "a mapping".to_owned(),
        value => value.to_string(),
    }
}
