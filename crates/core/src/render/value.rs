//! Values and changes of fields.

use serde_json::Value;

use super::Detail;
use super::hunk::{Edit, edits};
use super::text::{Line, Style, Text, plain, span};
use crate::diff::Change;
use crate::document::Slot;

/// Characters of a value that are shown where not everything is.
const SHORT: usize = 60;

/// Writes a value on one line: JSON, but a reference as what it names.
pub(super) fn inline(value: &Value, detail: Detail) -> String {
    let mut text = String::new();
    write(value, &mut text);
    if detail == Detail::Full {
        text
    } else {
        shortened(&text, SHORT)
    }
}

fn write(value: &Value, out: &mut String) {
    // On the wire a reference stands in the place of the id.
    let id = value
        .get("id")
        .filter(|_| value.as_object().is_some_and(|map| map.len() == 1));
    match (Slot::of(id.unwrap_or(value)), value) {
        (Some(Slot::Ref(object)), _) => out.push_str(&format!("→ {object}")),
        (Some(Slot::Secret(name)), _) => out.push_str(&format!("secret {name:?}")),
        (Some(Slot::Var(name)), _) => out.push_str(&format!("variable {name:?}")),
        (None, Value::Array(items)) => {
            let mut separator = "[";
            for item in items {
                out.push_str(separator);
                write(item, out);
                separator = ", ";
            }
            out.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        (None, Value::Object(map)) => {
            let mut separator = "{";
            for (name, inner) in map {
                out.push_str(&format!("{separator}{name}: "));
                write(inner, out);
                separator = ", ";
            }
            out.push_str(if map.is_empty() { "{}" } else { "}" });
        }
        (None, other) => out.push_str(&other.to_string()),
    }
}

/// Cuts a text in the middle, where it is too long.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let end = most / 3;
    let start: String = text.chars().take(most - end - 1).collect();
    let rest: String = text.chars().skip(length - end).collect();
    format!("{start}…{rest}")
}

/// Adds the lines that show how a field changes.
pub(super) fn change(text: &mut Text, indent: &str, change: &Change, detail: Detail) {
    let Change { path, old, new } = change;
    if let (Some(Value::String(old)), Some(Value::String(new))) = (old, new)
        && (old.contains('\n') || new.contains('\n'))
    {
        return hunk(text, indent, path, old, new, detail);
    }
    let mut line: Line = match (old, new) {
        (None, _) => vec![plain(indent), span(Style::Create, "+ ")],
        (Some(_), None) => vec![plain(indent), span(Style::Delete, "- ")],
        (Some(_), Some(_)) => vec![plain(indent), span(Style::Update, "~ ")],
    };
    line.push(plain(format!("{path}: ")));
    match (old, new) {
        (Some(_), Some(new)) if change.same_secret().is_some() => {
            let said = format!("{}, its value", inline(new, detail));
            line.push(span(Style::New, said));
        }
        (Some(old), Some(new)) => {
            line.push(span(Style::Old, inline(old, detail)));
            line.push(plain(" → "));
            line.push(span(Style::New, inline(new, detail)));
        }
        (Some(old), None) => line.push(span(Style::Old, inline(old, detail))),
        (None, Some(new)) => line.push(span(Style::New, inline(new, detail))),
        (None, None) => {}
    }
    text.line(line);
}

/// Lines of a long text that are shown where not everything is.
const FEW_LINES: usize = 12;

fn hunk(text: &mut Text, indent: &str, path: &str, old: &str, new: &str, detail: Detail) {
    let found = edits(old, new);
    let added = found
        .iter()
        .filter(|edit| matches!(edit, Edit::New(_)))
        .count();
    let removed = found
        .iter()
        .filter(|edit| matches!(edit, Edit::Old(_)))
        .count();
    text.line([
        plain(indent),
        span(Style::Update, "~ "),
        plain(format!("{path}: ")),
        span(Style::New, format!("+{added}")),
        plain(" "),
        span(Style::Old, format!("-{removed}")),
        plain(" lines"),
    ]);
    let most = if detail == Detail::Full {
        usize::MAX
    } else {
        FEW_LINES
    };
    let show = |line: &str| {
        if detail == Detail::Full {
            line.to_owned()
        } else {
            shortened(line, 2 * SHORT)
        }
    };
    for edit in found.iter().take(most) {
        let (style, mark, line) = match edit {
            Edit::Same(line) => (Style::Dim, "  ", show(line)),
            Edit::Old(line) => (Style::Old, "- ", show(line)),
            Edit::New(line) => (Style::New, "+ ", show(line)),
            Edit::Skipped(n) => (Style::Dim, "… ", format!("{n} equal lines")),
        };
        text.line([
            plain(format!("{indent}    ")),
            span(style, format!("{mark}{line}")),
        ]);
    }
    if found.len() > most {
        let rest = found.len() - most;
        text.line([
            plain(format!("{indent}    ")),
            span(Style::Dim, format!("… {rest} more lines")),
        ]);
    }
}
