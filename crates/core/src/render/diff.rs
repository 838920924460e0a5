//! The screen of `diff A B`.

use super::Detail;
use super::plan::{number, place, readable};
use super::text::{Style, Text, plain, span};
use super::value::change;
use crate::compare::Comparison;
use crate::id::ObjectRef;

/// Writes what differs between two bundles as a person reads it.
pub fn diff_screen(comparison: &Comparison, detail: Detail) -> Text {
    let Comparison {
        from,
        to,
        added,
        removed,
        changed,
        same,
    } = comparison;
    let mut text = Text::default();
    text.line([span(
        Style::Heading,
        format!("From {} to {}", place(from), place(to)),
    )]);
    let mut rows: Vec<(&ObjectRef, Style, &str)> = Vec::new();
    rows.extend(added.iter().map(|object| (object, Style::Create, "+")));
    rows.extend(removed.iter().map(|object| (object, Style::Delete, "-")));
    rows.extend(changed.keys().map(|object| (object, Style::Update, "~")));
    rows.sort_by_key(|(object, _, _)| *object);
    let mut kind = None;
    for (object, style, mark) in rows {
        if kind != Some(&object.kind) {
            kind = Some(&object.kind);
            text.gap();
            text.line([span(Style::Heading, object.kind.as_str())]);
        }
        text.line([
            plain("  "),
            span(style, format!("{mark} {}", readable(&object.key))),
        ]);
        for found in changed
            .get(object)
            .into_iter()
            .flatten()
            .filter(|_| detail >= Detail::Fields)
        {
            change(&mut text, "      ", found, detail);
        }
    }
    text.gap();
    text.line([plain(format!(
        "{} added, {} removed, {} changed, {} equal",
        number(added.len()),
        number(removed.len()),
        number(changed.len()),
        number(*same)
    ))]);
    text
}
