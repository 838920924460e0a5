//! The result of `compare`: on a screen, as Markdown and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Detail;
use super::markdown::{code, escaped};
use super::plan::{number, place, readable};
use super::shell::plan_commands;
use super::text::{Line, Style, Text, plain, span};
use super::value::{change, shortened};
use crate::matrix::{Cell, Column, Group, Matrix, Row, State, letter};

/// Which rows are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rows {
    /// Those that are not the same everywhere.
    #[default]
    NotSame,
    /// Every one.
    All,
}

impl Rows {
    pub(super) fn of(self, matrix: &Matrix) -> impl Iterator<Item = &Row> {
        let rows = matrix.rows.iter();
        rows.filter(move |row| self == Self::All || row.state != State::Same)
    }
}

/// Returns short names for columns: the last part of a path, where that tells them apart.
pub(super) fn labels(columns: &[Column]) -> Vec<String> {
    let short = |column: &Column| {
        let name = column.name.trim_end_matches(['/', '\\']);
        let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
        if last.is_empty() {
            name.to_owned()
        } else {
            last.to_owned()
        }
    };
    let names: Vec<String> = columns.iter().map(short).collect();
    let pairs = names.iter().zip(columns);
    pairs
        .map(|(short, column)| {
            let same = names.iter().filter(|name| *name == short).count();
            if same > 1 {
                column.name.clone()
            } else {
                short.clone()
            }
        })
        .collect()
}

pub(super) fn mark(state: State) -> (&'static str, Style) {
    match state {
        State::Differs => ("~", Style::Update),
        State::Missing => ("-", Style::Delete),
        State::Unread => ("?", Style::Warning),
        State::Same => ("=", Style::Dim),
    }
}

/// Returns what a cell shows in few characters.
pub(super) fn cell(cell: &Cell) -> (String, Style) {
    match cell {
        Cell::Has { group, gap } => {
            let partly = if gap.is_some() { "?" } else { "" };
            let style = if *group == 0 {
                Style::Plain
            } else {
                Style::Update
            };
            (format!("{}{partly}", letter(*group)), style)
        }
        Cell::Missing => ("–".to_owned(), Style::Delete),
        Cell::Unread(_) => ("?".to_owned(), Style::Warning),
    }
}

/// Names the columns of a group: `tenant, emea`.
pub(super) fn held_by(group: &Group, labels: &[String]) -> String {
    let names: Vec<&str> = group
        .columns
        .iter()
        .filter_map(|column| labels.get(*column))
        .map(String::as_str)
        .collect();
    names.join(", ")
}

/// Writes a comparison as a person reads it.
pub fn matrix_screen(matrix: &Matrix, rows: Rows, detail: Detail) -> Text {
    let mut text = Text::default();
    let labels = labels(&matrix.columns);
    text.line([span(
        Style::Heading,
        format!("Comparing {} sources", matrix.columns.len()),
    )]);
    let wide = labels.iter().map(|label| length(label)).max().unwrap_or(0);
    for (label, column) in labels.iter().zip(&matrix.columns) {
        let what = if column.is_org { "org" } else { "bundle" };
        let place = place(&column.origin);
        let from = if place == column.name {
            String::new()
        } else {
            format!(" of {place}")
        };
        text.line([
            plain(format!("  {}  ", padded(label, wide))),
            span(Style::Dim, format!("{what} {}{from}", column.name)),
        ]);
    }
    table(&mut text, matrix, &labels, rows, detail);
    text.gap();
    counts(&mut text, matrix);
    gaps(&mut text, matrix, &labels);
    commands(&mut text, matrix);
    text
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn padded(text: &str, wide: usize) -> String {
    format!("{text}{}", " ".repeat(wide.saturating_sub(length(text))))
}

/// Characters of a name before the columns begin, at most.
const WIDEST: usize = 72;

fn table(text: &mut Text, matrix: &Matrix, labels: &[String], rows: Rows, detail: Detail) {
    let shown: Vec<&Row> = rows.of(matrix).collect();
    let names = shown
        .iter()
        .map(|row| length(&readable(&row.object.key)) + 4);
    let kinds = shown.iter().map(|row| length(row.object.kind.as_str()));
    let wide = names.chain(kinds).max().unwrap_or(0).min(WIDEST);
    let mut kind = None;
    for row in &shown {
        if kind != Some(&row.object.kind) {
            kind = Some(&row.object.kind);
            text.gap();
            let mut line: Line = vec![span(Style::Heading, padded(row.object.kind.as_str(), wide))];
            line.extend(
                labels
                    .iter()
                    .map(|label| span(Style::Dim, format!("  {label}"))),
            );
            text.line(line);
        }
        let (mark, style) = mark(row.state);
        let room = wide.saturating_sub(4);
        let name = shortened(&readable(&row.object.key), room);
        let mut line: Line = vec![
            plain("  "),
            span(style, format!("{mark} ")),
            plain(padded(&name, room)),
        ];
        for (index, (found, label)) in row.cells.iter().zip(labels).enumerate() {
            let (shown, style) = cell(found);
            line.push(plain("  "));
            let last = index + 1 == labels.len();
            let room = if last { 0 } else { length(label) };
            line.push(span(style, padded(&shown, room)));
        }
        text.line(line);
        if detail >= Detail::Fields {
            details(text, row, labels, detail);
        }
    }
    if shown.is_empty() && !matrix.rows.is_empty() {
        text.gap();
        text.line([span(Style::Create, "Nothing differs.")]);
    }
}

fn details(text: &mut Text, row: &Row, labels: &[String], detail: Detail) {
    for (index, group) in row.groups.iter().enumerate().skip(1) {
        let heading = format!("      {} in {}", letter(index), held_by(group, labels));
        text.line([span(Style::Dim, heading)]);
        for found in &group.changes {
            change(text, "        ", found, detail);
        }
    }
    for (found, label) in row.cells.iter().zip(labels) {
        let reason = match found {
            Cell::Unread(reason)
            | Cell::Has {
                gap: Some(reason), ..
            } => reason,
            Cell::Has { gap: None, .. } | Cell::Missing => continue,
        };
        text.line([span(Style::Warning, format!("      ? {label}: {reason}"))]);
    }
}

fn counts(text: &mut Text, matrix: &Matrix) {
    let counts = matrix.counts();
    let wide = counts.keys().map(|kind| length(kind.as_str())).max();
    let wide = wide.unwrap_or(0).max("all kinds".len());
    let mut header: Line = vec![span(Style::Heading, padded("Objects", wide))];
    for state in State::ALL {
        header.push(span(Style::Heading, format!("  {:>7}", state.name())));
    }
    text.line(header);
    let mut all: BTreeMap<State, usize> = BTreeMap::new();
    let mut row = |name: &str, of_kind: &BTreeMap<State, usize>| {
        let mut line: Line = vec![plain(padded(name, wide))];
        for state in State::ALL {
            let count = of_kind.get(&state).copied().unwrap_or(0);
            let style = match (count, mark(state)) {
                (0, _) => Style::Dim,
                (_, (_, style)) => style,
            };
            let shown = if count == 0 {
                "·".to_owned()
            } else {
                number(count)
            };
            line.push(plain("  "));
            line.push(span(style, format!("{shown:>7}")));
        }
        text.line(line);
    };
    for (kind, of_kind) in &counts {
        row(kind.as_str(), of_kind);
        for (state, count) in of_kind {
            *all.entry(*state).or_default() += count;
        }
    }
    row("all kinds", &all);
}

fn gaps(text: &mut Text, matrix: &Matrix, labels: &[String]) {
    text.gap();
    for (column, label) in matrix.columns.iter().zip(labels) {
        for gap in &column.gaps {
            text.line([
                span(Style::Warning, "gap"),
                plain(format!(" {label}: {gap}")),
            ]);
        }
    }
}

fn commands(text: &mut Text, matrix: &Matrix) {
    let commands = plan_commands(matrix);
    if commands.is_empty() {
        return;
    }
    text.gap();
    text.line([plain("What differs can be planned:")]);
    for command in commands {
        text.line([plain("  "), span(Style::Command, command)]);
    }
}

/// Writes a comparison as Markdown of at most `limit` bytes: the rows, or where they do not fit the
/// counts alone.
pub fn matrix_markdown(matrix: &Matrix, rows: Rows, limit: usize) -> String {
    let labels = labels(&matrix.columns);
    let names: Vec<String> = labels.iter().map(|label| escaped(label)).collect();
    let head = format!("### Comparison of {}\n", names.join(", "));
    let mut table = String::new();
    let shown: Vec<&Row> = rows.of(matrix).collect();
    if shown.is_empty() {
        table.push_str("\nNothing differs.\n");
    } else {
        let dashes = " :---: |".repeat(labels.len());
        let _ = write!(table, "\n| | kind | object | {} |\n", names.join(" | "));
        let _ = writeln!(table, "| --- | --- | --- |{dashes}");
    }
    for row in shown {
        let cells: Vec<String> = row.cells.iter().map(|found| cell(found).0).collect();
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            mark(row.state).0,
            escaped(row.object.kind.as_str()),
            // Even in code a bar ends a cell.
            code(&readable(&row.object.key)).replace('|', "\\|"),
            cells.join(" | "),
        );
    }
    let mut tail = String::from("\n| kind | differs | missing | unread | same |\n");
    tail.push_str("| --- | ---: | ---: | ---: | ---: |\n");
    for (kind, of_kind) in matrix.counts() {
        let counts = State::ALL.map(|state| number(of_kind.get(&state).copied().unwrap_or(0)));
        let _ = writeln!(
            tail,
            "| {} | {} |",
            escaped(kind.as_str()),
            counts.join(" | ")
        );
    }
    for (column, name) in matrix.columns.iter().zip(&names) {
        for gap in &column.gaps {
            let _ = write!(tail, "\n- gap in {name}: {}", escaped(&gap.to_string()));
        }
    }
    let commands = plan_commands(matrix);
    if !commands.is_empty() {
        let _ = write!(tail, "\n\n```sh\n{}\n```\n", commands.join("\n"));
    }
    if head.len() + table.len() + tail.len() <= limit {
        return head + &table + &tail;
    }
    let mut short = head + "\n*The objects do not fit; these are their numbers.*\n" + &tail;
    let mut end = limit.min(short.len());
    while !short.is_char_boundary(end) {
        end -= 1;
    }
    if end < short.len() {
        short.truncate(short[..end].rfind('\n').map_or(0, |line| line + 1));
    }
    short
}

/// The version of the JSON form.
const VERSION: u32 = 1;

/// Writes a comparison for programs.
pub fn matrix_json(matrix: &Matrix, rows: Rows) -> Value {
    let sources: Vec<Value> = matrix
        .columns
        .iter()
        .map(|column| {
            let Column {
                name,
                is_org,
                origin,
                gaps,
            } = column;
            json!({
                "name": name, "kind": if *is_org { "org" } else { "bundle" },
                "origin": origin, "gaps": gaps,
            })
        })
        .collect();
    let counts: BTreeMap<&str, BTreeMap<&str, usize>> = matrix
        .counts()
        .into_iter()
        .map(|(kind, of_kind)| {
            let all = State::ALL.map(|s| (s.name(), of_kind.get(&s).copied().unwrap_or(0)));
            (kind.as_str(), BTreeMap::from(all))
        })
        .collect();
    let rows: Vec<Value> = rows.of(matrix).map(row_json).collect();
    json!({
        "version": VERSION, "sources": sources, "rows": rows, "counts": counts,
        "plans": plan_commands(matrix),
    })
}

fn row_json(row: &Row) -> Value {
    let Row {
        object,
        state,
        cells,
        groups,
    } = row;
    let baseline = match cells.first() {
        Some(Cell::Has { group, .. }) => Some(group),
        _ => None,
    };
    let cells: Vec<Value> = cells
        .iter()
        .map(|cell| match cell {
            Cell::Has { group, gap } => {
                let state = match baseline {
                    Some(first) if first != group => State::Differs,
                    _ => State::Same,
                };
                json!({ "state": state.name(), "group": letter(*group), "gap": gap })
            }
            Cell::Missing => json!({ "state": State::Missing.name() }),
            Cell::Unread(reason) => json!({ "state": State::Unread.name(), "reason": reason }),
        })
        .collect();
    let groups: Vec<Value> = groups
        .iter()
        .enumerate()
        .map(|(index, group)| {
            let Group {
                columns,
                changes,
                planned,
            } = group;
            json!({
                "group": letter(index), "sources": columns, "changes": changes,
                "planned": planned,
            })
        })
        .collect();
    json!({
        "object": object, "kind": object.kind, "key": object.key, "state": state.name(),
        "cells": cells, "groups": groups,
    })
}
