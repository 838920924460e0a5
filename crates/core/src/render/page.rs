//! The result of `compare` as one page that needs nothing but a browser.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Detail;
use super::html::escaped;
use super::matrix::{Rows, held_by, labels, mark};
use super::plan::{number, place, readable};
use super::text::{Style, Text};
use super::value::change;
use crate::catalogue::Catalogue;
use crate::id::Kind;
use crate::matrix::{Cell, Group, Matrix, Row, State, letter};
use crate::select::term_name;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Groups that have a colour of their own; later ones share the last.
const COLOURS: usize = 5;

/// Writes a comparison as a page. Every row is in it; `rows` says which are shown at first.
pub fn matrix_page(catalogue: &Catalogue, matrix: &Matrix, rows: Rows, detail: Detail) -> String {
    let labels = labels(&matrix.columns);
    let title = format!("Comparison of {}", labels.join(", "));
    let mut page = String::new();
    push(
        &mut page,
        format_args!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n\
             <h1>{title}</h1>\n",
            title = escaped(&title),
        ),
    );
    sources(&mut page, matrix, &labels);
    filters(&mut page, matrix, rows);
    page.push_str("</header>\n<main>\n");
    table(&mut page, catalogue, matrix, &labels, rows, detail);
    counts(&mut page, matrix);
    gaps(&mut page, matrix, &labels);
    page.push_str("</main>\n");
    bar(&mut page, matrix, &labels);
    push(
        &mut page,
        format_args!("<script>\n{SCRIPT}</script>\n</body>\n</html>\n"),
    );
    page
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a String takes any text");
}

fn sources(page: &mut String, matrix: &Matrix, labels: &[String]) {
    page.push_str("<ul class=\"sources\">\n");
    for (column, label) in matrix.columns.iter().zip(labels) {
        let what = if column.is_org { "org" } else { "bundle" };
        let place = place(&column.origin);
        let from = if place == column.name {
            String::new()
        } else {
            format!(" of {place}")
        };
        push(
            page,
            format_args!(
                "<li><b>{}</b> — {what} {}</li>\n",
                escaped(label),
                escaped(&format!("{}{from}", column.name))
            ),
        );
    }
    page.push_str(
        "</ul>\n<p class=\"legend\">Equal letters in a row are equal contents. \
         <span class=\"none\">–</span> is not there; <span class=\"unknown\">?</span> was not read, \
         so nobody knows.</p>\n",
    );
}

fn filters(page: &mut String, matrix: &Matrix, rows: Rows) {
    page.push_str(
        "<div class=\"filters needs-script\" role=\"search\" hidden>\n\
         <input type=\"search\" id=\"text\" placeholder=\"Find a name\" aria-label=\"Find a name\">\n\
         <select id=\"kind\" aria-label=\"Kind\"><option value=\"\">All kinds</option>",
    );
    for kind in matrix.counts().keys() {
        let kind = escaped(kind.as_str());
        push(page, format_args!("<option>{kind}</option>"));
    }
    page.push_str("</select>\n");
    for state in State::ALL {
        let count = matrix.rows.iter().filter(|row| row.state == state).count();
        let checked = match state {
            State::Same if rows == Rows::NotSame => "",
            _ => " checked",
        };
        push(
            page,
            format_args!(
                "<label class=\"state\"><input type=\"checkbox\" value=\"{name}\"{checked}> {name} \
                 <span class=\"dim\">{count}</span></label>\n",
                name = state.name(),
                count = number(count),
            ),
        );
    }
    page.push_str(
        "<button type=\"button\" id=\"tick\">Tick all shown</button>\n\
         <button type=\"button\" id=\"unfold\">Unfold all shown</button>\n\
         <span class=\"dim\" id=\"shown\" role=\"status\"></span>\n</div>\n",
    );
}

fn table(
    page: &mut String,
    catalogue: &Catalogue,
    matrix: &Matrix,
    labels: &[String],
    rows: Rows,
    detail: Detail,
) {
    page.push_str(
        "<table class=\"matrix\">\n<thead><tr><th class=\"tick\"></th>\
         <th class=\"object-head\" scope=\"col\">Object</th>",
    );
    for label in labels {
        push(
            page,
            format_args!("<th scope=\"col\">{}</th>", escaped(label)),
        );
    }
    page.push_str("</tr></thead>\n");
    let mut kinds: BTreeMap<&Kind, Vec<&Row>> = BTreeMap::new();
    for row in &matrix.rows {
        kinds.entry(&row.object.kind).or_default().push(row);
    }
    for (kind, of_kind) in kinds {
        let shown = |row: &&Row| rows == Rows::All || row.state != State::Same;
        let title = catalogue
            .get(kind.as_str())
            .map_or("", |found| &found.title);
        push(
            page,
            format_args!(
                "<tbody{}>\n<tr class=\"of-kind\"><th colspan=\"{}\" scope=\"rowgroup\">\
                 <span class=\"kind\">{}</span><small>{}</small></th></tr>\n",
                if of_kind.iter().any(shown) {
                    ""
                } else {
                    " hidden"
                },
                labels.len() + 2,
                escaped(kind.as_str()),
                escaped(title),
            ),
        );
        for row in of_kind {
            object(page, row, labels, !shown(&row), detail);
        }
        page.push_str("</tbody>\n");
    }
    let nothing = Rows::NotSame.of(matrix).next().is_none() && rows == Rows::NotSame;
    push(
        page,
        format_args!(
            "</table>\n<p id=\"nothing\"{}>Nothing to show: {}</p>\n",
            if nothing { "" } else { " hidden" },
            "no object differs, or the filter leaves none.",
        ),
    );
}

fn object(page: &mut String, row: &Row, labels: &[String], hidden: bool, detail: Detail) {
    let name = readable(&row.object.key);
    let state = row.state.name();
    let has: Vec<String> = row
        .cells
        .iter()
        .enumerate()
        .filter(|(_, cell)| matches!(cell, Cell::Has { .. }))
        .map(|(column, _)| column.to_string())
        .collect();
    push(
        page,
        format_args!(
            "<tr class=\"row {state}\" data-state=\"{state}\" data-kind=\"{}\" data-name=\"{}\" \
             data-text=\"{}\" data-has=\"{}\"{}>\n<td class=\"tick\"><input type=\"checkbox\" \
             aria-label=\"{}\"></td><th class=\"object\" scope=\"row\">\
             <span class=\"state-mark\" title=\"{state}\">{}</span> {}",
            escaped(row.object.kind.as_str()),
            escaped(&term_name(&row.object)),
            escaped(&name.to_lowercase()),
            has.join(" "),
            if hidden { " hidden" } else { "" },
            escaped(&format!("Plan {name}")),
            mark(row.state).0,
            escaped(&name),
        ),
    );
    folded(page, row, labels, detail);
    page.push_str("</th>");
    for (found, label) in row.cells.iter().zip(labels) {
        push(
            page,
            format_args!("<td class=\"cell\" data-source=\"{}\">", escaped(label)),
        );
        cell(page, found);
        page.push_str("</td>");
    }
    page.push_str("</tr>\n");
}

fn cell(page: &mut String, found: &Cell) {
    match found {
        Cell::Has { group, gap } => {
            push(
                page,
                format_args!(
                    "<span class=\"has g{}\">{}</span>",
                    (*group).min(COLOURS - 1),
                    letter(*group)
                ),
            );
            if let Some(reason) = gap {
                let reason = escaped(reason);
                push(
                    page,
                    format_args!(" <span class=\"unknown\" title=\"{reason}\">?</span>"),
                );
            }
        }
        Cell::Missing => page.push_str("<span class=\"none\" title=\"not there\">–</span>"),
        Cell::Unread(reason) => push(
            page,
            format_args!(
                "<span class=\"unknown\" title=\"{}\">?</span>",
                escaped(reason)
            ),
        ),
    }
}

fn folded(page: &mut String, row: &Row, labels: &[String], detail: Detail) {
    let mut reasons = Vec::new();
    for (found, label) in row.cells.iter().zip(labels) {
        match found {
            Cell::Unread(reason)
            | Cell::Has {
                gap: Some(reason), ..
            } => {
                reasons.push(format!("{label}: {reason}"));
            }
            Cell::Has { gap: None, .. } | Cell::Missing => {}
        }
    }
    let fields: usize = row.groups.iter().map(|group| group.changes.len()).sum();
    if fields == 0 && reasons.is_empty() {
        return;
    }
    let summary = match (fields, reasons.len()) {
        (0, _) => "why it is not known".to_owned(),
        (1, _) => "1 difference".to_owned(),
        (n, _) => format!("{} differences", number(n)),
    };
    push(page, format_args!("<details><summary>{summary}</summary>"));
    for (index, group) in row.groups.iter().enumerate().skip(1) {
        let Group {
            columns: _,
            changes,
            planned: _,
        } = group;
        push(
            page,
            format_args!(
                "<h3><span class=\"has\">A</span> → <span class=\"has g{}\">{}</span> in {}</h3><pre>",
                index.min(COLOURS - 1),
                letter(index),
                escaped(&held_by(group, labels)),
            ),
        );
        let mut text = Text::default();
        for found in changes {
            change(&mut text, "", found, detail);
        }
        lines(page, &text);
        page.push_str("</pre>");
    }
    for reason in reasons {
        push(
            page,
            format_args!("<p class=\"change\">{}</p>", escaped(&reason)),
        );
    }
    page.push_str("</details>");
}

fn lines(page: &mut String, text: &Text) {
    for line in text.lines() {
        for span in line {
            let class = match span.style {
                Style::Create | Style::Adopt | Style::New => "good",
                Style::Update | Style::Link | Style::Warning => "change",
                Style::Delete | Style::Old | Style::Conflict | Style::Error => "bad",
                Style::Dim => "dim",
                Style::Plain | Style::Heading | Style::Command => {
                    page.push_str(&escaped(&span.text));
                    continue;
                }
            };
            push(
                page,
                format_args!("<span class=\"{class}\">{}</span>", escaped(&span.text)),
            );
        }
        page.push('\n');
    }
}

fn counts(page: &mut String, matrix: &Matrix) {
    page.push_str("<table class=\"counts\">\n<thead><tr><th scope=\"col\">Kind</th>");
    for state in State::ALL {
        push(
            page,
            format_args!("<th scope=\"col\">{}</th>", state.name()),
        );
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for (kind, of_kind) in matrix.counts() {
        let kind = escaped(kind.as_str());
        push(page, format_args!("<tr><th scope=\"row\">{kind}</th>"));
        for state in State::ALL {
            let count = of_kind.get(&state).copied().unwrap_or(0);
            let class = if count == 0 { " class=\"dim\"" } else { "" };
            push(page, format_args!("<td{class}>{}</td>", number(count)));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n");
}

fn gaps(page: &mut String, matrix: &Matrix, labels: &[String]) {
    if matrix.columns.iter().all(|column| column.gaps.is_empty()) {
        return;
    }
    page.push_str("<h2>Not read</h2>\n<ul class=\"gaps\">\n");
    for (column, label) in matrix.columns.iter().zip(labels) {
        for gap in &column.gaps {
            let (label, gap) = (escaped(label), escaped(&gap.to_string()));
            push(page, format_args!("<li><b>{label}</b> {gap}</li>\n"));
        }
    }
    page.push_str("</ul>\n");
}

/// Adds the bar that makes a command of the ticked rows.
fn bar(page: &mut String, matrix: &Matrix, labels: &[String]) {
    page.push_str(
        "<section class=\"bar needs-script\" aria-label=\"Command\" hidden><div>\n\
         <label>Plan from <select id=\"from\">",
    );
    let option = |index: usize, name: &str, label: &str, selected: bool| {
        format!(
            "<option value=\"{index}\" data-name=\"{}\"{}>{}</option>",
            escaped(name),
            if selected { " selected" } else { "" },
            escaped(label)
        )
    };
    for (index, (column, label)) in matrix.columns.iter().zip(labels).enumerate() {
        page.push_str(&option(index, &column.name, label, index == 0));
    }
    page.push_str("</select></label>\n<label>to <select id=\"to\">");
    // A plan is for an org; where none is compared, its name is left to be filled in.
    let orgs = || {
        let columns = matrix.columns.iter().zip(labels).enumerate();
        columns.filter(|(_, (column, _))| column.is_org)
    };
    let preferred = orgs().map(|(index, _)| index).find(|index| *index > 0);
    for (index, (column, label)) in orgs() {
        page.push_str(&option(
            index,
            &column.name,
            label,
            Some(index) == preferred,
        ));
    }
    if orgs().next().is_none() {
        page.push_str("<option value=\"org\" data-name=\"ORG\">an org</option>");
    }
    page.push_str(
        "</select></label>\n<code id=\"command\" role=\"status\"></code>\n\
         <span class=\"change\" id=\"left\"></span>\n\
         <button type=\"button\" id=\"copy\" disabled>Copy</button>\n</div></section>\n",
    );
}
