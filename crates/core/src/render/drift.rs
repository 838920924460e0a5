//! Drift: on a screen, as Markdown, and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Detail;
use super::markdown::escaped;
use super::plan::{number, place, readable};
use super::text::{Style, Text, plain, span};
use super::value::{change, inline};
use crate::drift::{Drift, Drifted, Field, Resolution, Side, What};
use crate::id::Kind;

fn mark(found: &Drifted) -> (Style, &'static str) {
    match found.what {
        What::Changed if found.side() == Side::Conflict => (Style::Conflict, "!"),
        What::Changed => (Style::Update, "~"),
        What::CreatedInTarget | What::CreatedInSource => (Style::Create, "+"),
        What::DeletedInTarget | What::DeletedInSource => (Style::Delete, "-"),
    }
}

/// Says which side moved, with its name.
fn side(drift: &Drift, found: &Drifted, field: &Field) -> String {
    let (source, target) = (&drift.source.org_name, &drift.target.org_name);
    let conflict = field.side == Side::Conflict;
    match found.what {
        What::CreatedInTarget => format!("created in {target}"),
        What::CreatedInSource => format!("new in {source}"),
        What::DeletedInTarget if conflict => format!("deleted in {target}, changed in {source}"),
        What::DeletedInTarget => format!("deleted in {target}"),
        What::DeletedInSource if conflict => format!("gone from {source}, changed in {target}"),
        What::DeletedInSource => format!("gone from {source}"),
        What::Changed => match field.side {
            Side::Same => "changed alike in both".to_owned(),
            Side::Source => format!("changed in {source}"),
            Side::Target => format!("changed in {target}"),
            Side::Conflict if field.has_base => "changed in both".to_owned(),
            Side::Conflict => "differs, and nobody knows since when".to_owned(),
        },
    }
}

fn outcome(drift: &Drift, field: &Field) -> Option<String> {
    if let Some(entry) = field.ignored {
        return Some(format!("ignored by entry {entry}"));
    }
    match field.resolution {
        Resolution::Apply => Some(format!("{} is to follow", drift.target.org_name)),
        Resolution::Absorb => Some(format!("{} is to follow", drift.source.org_name)),
        Resolution::Nothing | Resolution::Ask => None,
    }
}

/// Says in a line what there is.
fn summary(drift: &Drift) -> String {
    let count = |wanted: Side| {
        let found = drift.open().filter(|(_, field)| field.side == wanted);
        number(found.count())
    };
    let fields = drift.objects.iter().flat_map(|found| &found.fields);
    let ignored = fields.filter(|field| field.ignored.is_some()).count();
    let mut line = format!(
        "{} changed in {}, {} in {}, {} at odds, {} equal",
        count(Side::Target),
        drift.target.org_name,
        count(Side::Source),
        drift.source.org_name,
        count(Side::Conflict),
        number(drift.same)
    );
    for (number_of, word) in [(ignored, "ignored"), (drift.unclear.len(), "unclear")] {
        if number_of > 0 {
            let _ = write!(line, ", {} {word}", number(number_of));
        }
    }
    line
}

/// Writes drift as a person reads it.
pub fn drift_screen(drift: &Drift, detail: Detail) -> Text {
    let mut text = Text::default();
    let title = format!(
        "Drift of {} from {}",
        place(&drift.target),
        place(&drift.source)
    );
    text.line([span(Style::Heading, title)]);
    let mut kind: Option<&Kind> = None;
    for found in &drift.objects {
        let shown = |field: &&Field| field.side != Side::Same || detail == Detail::Full;
        let fields: Vec<&Field> = found.fields.iter().filter(shown).collect();
        if fields.is_empty() {
            continue;
        }
        if kind != Some(&found.object.kind) {
            kind = Some(&found.object.kind);
            text.gap();
            text.line([span(Style::Heading, found.object.kind.as_str())]);
        }
        let (style, sign) = mark(found);
        let mut line = vec![
            plain("  "),
            span(style, format!("{sign} {}", readable(&found.object.key))),
        ];
        if let [only] = fields[..]
            && only.is_whole()
        {
            line.push(span(Style::Dim, format!("  {}", told(drift, found, only))));
        }
        text.line(line);
        for field in fields.into_iter().filter(|field| !field.is_whole()) {
            one(&mut text, drift, found, field, detail);
        }
        for doing in &found.who {
            text.line([
                plain("      "),
                span(Style::Dim, format!("{} {} ", doing.at, doing.what)),
                plain(format!("by {}", doing.who)),
            ]);
        }
    }
    if !drift.unclear.is_empty() {
        text.gap();
        text.line([span(Style::Conflict, "! Unclear")]);
        for conflict in &drift.unclear {
            text.line([
                plain(format!("  {}: ", conflict.object)),
                span(Style::Dim, &conflict.reason),
            ]);
        }
    }
    text.gap();
    text.line([plain(summary(drift))]);
    text
}

fn told(drift: &Drift, found: &Drifted, field: &Field) -> String {
    let side = side(drift, found, field);
    match outcome(drift, field) {
        Some(outcome) => format!("{side}; {outcome}"),
        None => side,
    }
}

fn one(text: &mut Text, drift: &Drift, found: &Drifted, field: &Field, detail: Detail) {
    let (from, to) = match field.side {
        Side::Source => (&field.base, &field.source),
        Side::Target | Side::Same => (&field.base, &field.target),
        Side::Conflict => (&field.source, &field.target),
    };
    let told = told(drift, found, field);
    if detail == Detail::Objects {
        text.line([
            plain(format!("      {}  ", field.path)),
            span(Style::Dim, told),
        ]);
        return;
    }
    change(
        text,
        "      ",
        &field.to_change(from.as_ref(), to.as_ref()),
        detail,
    );
    let was = field.base.as_ref().filter(|_| field.side == Side::Conflict);
    let was = was.map(|base| format!("; it was {}", inline(base, detail)));
    let told = format!("{told}{}", was.unwrap_or_default());
    text.line([plain("          "), span(Style::Dim, told)]);
}

/// Writes drift as Markdown of at most about `limit` bytes.
pub fn drift_markdown(drift: &Drift, limit: usize) -> String {
    let title = format!(
        "Drift of {} from {}",
        place(&drift.target),
        place(&drift.source)
    );
    let mut out = format!(
        "### {}\n\n**{}**\n",
        escaped(&title),
        escaped(&summary(drift))
    );
    if !drift.objects.is_empty() {
        out.push_str("\n| object | field | what | source | target | who |\n");
        out.push_str("| --- | --- | --- | --- | --- | --- |\n");
    }
    let value = |value: &Option<Value>| match value {
        Some(value) => escaped(&inline(value, Detail::Fields)),
        None => String::new(),
    };
    'rows: for found in &drift.objects {
        let who: Vec<String> = found
            .who
            .iter()
            .map(|doing| format!("{} {}", doing.at, doing.who))
            .collect();
        for field in found.fields.iter().filter(|field| field.side != Side::Same) {
            let row = format!(
                "| {} | {} | {} | {} | {} | {} |\n",
                escaped(&found.object.to_string()),
                escaped(&field.path),
                escaped(&told(drift, found, field)),
                value(&field.source),
                value(&field.target),
                escaped(&who.join(", ")),
            );
            if out.len() + row.len() > limit {
                out.push_str("\n*The rest does not fit.*\n");
                break 'rows;
            }
            out.push_str(&row);
        }
    }
    for conflict in &drift.unclear {
        if out.len() > limit {
            break;
        }
        let _ = writeln!(
            out,
            "\n- unclear: {}: {}",
            escaped(&conflict.object.to_string()),
            escaped(&conflict.reason)
        );
    }
    out
}

/// Returns drift for programs.
pub fn drift_json(drift: &Drift) -> Value {
    let mut value = json!(drift);
    value["drifted"] = (!drift.is_empty()).into();
    value
}
