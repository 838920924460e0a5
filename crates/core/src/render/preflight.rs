//! What came of a pre-flight: on a screen, as Markdown and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::markdown::escaped;
use super::plan::number;
use super::text::{Line, Style, Text, plain, span};
use crate::preflight::{Row, Table, Verdict};

/// Which rows of a pre-flight are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Every one.
    All,
    /// Those that are not ok.
    NotOk,
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Ok => Style::Create,
        Verdict::Unknown => Style::Warning,
        Verdict::Short => Style::Error,
    }
}

fn amount(amount: Option<u64>) -> String {
    match amount {
        Some(amount) => number(usize::try_from(amount).unwrap_or(usize::MAX)),
        None => "?".to_owned(),
    }
}

/// Returns what is shown of a row's two amounts; nothing is counted where neither is known.
fn amounts(row: &Row) -> [String; 2] {
    match (row.required, row.available) {
        (None, None) => ["–".to_owned(), "–".to_owned()],
        (required, available) => [amount(required), amount(available)],
    }
}

/// Says in a line what came of it.
fn summary(table: &Table) -> String {
    let count = |verdict| number(table.of(verdict).count());
    let s = if table.calls == 1 { "" } else { "s" };
    format!(
        "{} ok, {} short, {} unknown, in {} API call{s}.",
        count(Verdict::Ok),
        count(Verdict::Short),
        count(Verdict::Unknown),
        number(usize::try_from(table.calls).unwrap_or(usize::MAX)),
    )
}

/// Writes a pre-flight as a person reads it.
pub fn preflight_screen(table: &Table, rows: Checked) -> Text {
    let mut text = Text::default();
    let title = format!("Pre-flight of {} for {}", table.source, table.org);
    text.line([span(Style::Heading, title)]);
    let shown = table.rows.iter();
    let shown: Vec<&Row> = shown
        .filter(|row| rows == Checked::All || row.verdict != Verdict::Ok)
        .collect();
    let mut cells = vec![["WHAT", "REQUIRED", "AVAILABLE", "VERDICT"].map(str::to_owned)];
    for row in &shown {
        let [required, available] = amounts(row);
        let verdict = row.verdict.as_str().to_owned();
        cells.push([row.check.title(), required, available, verdict]);
    }
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max();
    let widths = [0, 1, 2, 3].map(|column| width(column).unwrap_or(0));
    let pad =
        |text: &str, column: usize| " ".repeat(widths[column].saturating_sub(text.chars().count()));
    for (index, [what, required, available, verdict]) in cells.iter().enumerate() {
        let row = index.checked_sub(1).and_then(|index| shown.get(index));
        let (head, reason) = match row {
            Some(row) => (style(row.verdict), row.reason.as_str()),
            None if shown.is_empty() => break,
            None => (Style::Dim, "WHY"),
        };
        let body = if row.is_some() {
            Style::Plain
        } else {
            Style::Dim
        };
        let line: Line = vec![
            plain("  "),
            span(body, format!("{what}{}  ", pad(what, 0))),
            span(body, format!("{}{required}  ", pad(required, 1))),
            span(body, format!("{}{available}  ", pad(available, 2))),
            span(head, format!("{verdict}{}  ", pad(verdict, 3))),
            span(Style::Dim, reason),
        ];
        text.line(line);
        if let Some(row) = row.filter(|row| !row.advice.is_empty()) {
            text.line([
                plain("      "),
                span(Style::Command, "do: "),
                plain(&row.advice),
            ]);
        }
    }
    text.line([plain(summary(table))]);
    text
}

/// Writes a pre-flight as Markdown.
pub fn preflight_markdown(table: &Table) -> String {
    let mut out = String::new();
    let title = format!("Pre-flight of {} for {}", table.source, table.org);
    let _ = writeln!(out, "### {}\n", escaped(&title));
    let _ = writeln!(out, "**{}**\n", summary(table));
    out.push_str("| what | required | available | verdict | why | what to do |\n");
    out.push_str("| --- | ---: | ---: | --- | --- | --- |\n");
    for row in &table.rows {
        let [required, available] = amounts(row);
        let verdict = match row.verdict {
            Verdict::Short => "**short**",
            other => other.as_str(),
        };
        let _ = writeln!(
            out,
            "| {} | {required} | {available} | {verdict} | {} | {} |",
            escaped(&row.check.title()),
            escaped(&row.reason),
            escaped(&row.advice),
        );
    }
    out
}

/// Writes a pre-flight for programs.
pub fn preflight_json(table: &Table) -> Value {
    let Table {
        org,
        source,
        rows,
        calls,
    } = table;
    let rows = rows.iter().map(|row| {
        let Row {
            check,
            required,
            available,
            verdict,
            reason,
            advice,
        } = row;
        json!({
            "check": check.id(), "required": required, "available": available,
            "verdict": verdict, "reason": reason, "advice": advice,
        })
    });
    json!({
        "source": source, "org": org, "verdict": table.verdict(), "calls": calls,
        "rows": rows.collect::<Vec<_>>(),
    })
}
