//! Whether an org works: on a screen, as Markdown, for programs and for test reports.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::junit::{Case, Outcome, junit};
use super::markdown::escaped;
use super::plan::number;
use super::text::{Style, Text, plain, span};
use crate::verify::{Check, Report, Row, Verdict};

/// Which rows of a report are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Every one.
    All,
    /// Those that are not ok, and how many are.
    NotOk,
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Ok => Style::Create,
        Verdict::Unknown | Verdict::Warn => Style::Warning,
        Verdict::Fail => Style::Error,
    }
}

/// Says the verdict in a line: `ok: 12 ok, 1 unknown`.
pub fn verify_summary(report: &Report) -> String {
    let counts = Verdict::ALL.into_iter().filter_map(|verdict| {
        let count = report.count(verdict);
        (count > 0).then(|| format!("{} {}", number(count), verdict.as_str()))
    });
    let counts: Vec<String> = counts.collect();
    match counts.is_empty() {
        true => "ok: there was nothing to check".to_owned(),
        false => format!("{}: {}", report.verdict().as_str(), counts.join(", ")),
    }
}

/// Writes a report as a person reads it.
pub fn verify_screen(report: &Report, rows: Verified) -> Text {
    let mut text = Text::default();
    text.line([span(
        Style::Heading,
        format!("Verification of {}", report.org),
    )]);
    let is_shown = |row: &&Row| rows == Verified::All || row.verdict != Verdict::Ok;
    let shown: Vec<&Row> = report.rows.iter().filter(is_shown).collect();
    let width = |of: fn(&Row) -> &str, head: &str| {
        let widths = shown.iter().map(|row| of(row).chars().count());
        widths.max().unwrap_or(0).max(head.len())
    };
    let check = width(|row| row.check.as_str(), "CHECK");
    let verdict = width(|row| row.verdict.as_str(), "VERDICT");
    let object = width(|row| &row.object, "OBJECT").min(60);
    if !shown.is_empty() {
        let head = format!(
            "  {:check$}  {:object$}  {:verdict$}  WHY",
            "CHECK", "OBJECT", "VERDICT"
        );
        text.line([span(Style::Dim, head)]);
    }
    for row in &shown {
        text.line([
            plain(format!(
                "  {:check$}  {:object$}  ",
                row.check.as_str(),
                row.object
            )),
            span(
                style(row.verdict),
                format!("{:verdict$}  ", row.verdict.as_str()),
            ),
            span(Style::Dim, &row.reason),
        ]);
    }
    if rows == Verified::NotOk {
        let ok = Check::ALL.into_iter().filter_map(|check| {
            let fits = |row: &&Row| row.check == check && row.verdict == Verdict::Ok;
            let count = report.rows.iter().filter(fits).count();
            (count > 0).then(|| format!("{} {}", check.as_str(), number(count)))
        });
        let ok: Vec<String> = ok.collect();
        if !ok.is_empty() {
            text.line([
                plain("  "),
                span(Style::Create, "ok"),
                plain(format!(": {}", ok.join(", "))),
            ]);
        }
    }
    let calls = usize::try_from(report.calls).unwrap_or(usize::MAX);
    let s = if calls == 1 { "" } else { "s" };
    text.line([
        span(style(report.verdict()), verify_summary(report)),
        plain(format!(", in {} API call{s}.", number(calls))),
    ]);
    text
}

/// Writes a report as Markdown; of what is ok it tells how much there is.
pub fn verify_markdown(report: &Report) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "### Verification of {}\n", escaped(&report.org));
    let _ = writeln!(out, "**{}**", verify_summary(report));
    let open = report.rows.iter().filter(|row| row.verdict != Verdict::Ok);
    for (index, row) in open.enumerate() {
        if index == 0 {
            out.push_str("\n| check | object | verdict | why |\n| --- | --- | --- | --- |\n");
        }
        let verdict = match row.verdict {
            Verdict::Fail => "**fail**",
            other => other.as_str(),
        };
        let (object, reason) = (escaped(&row.object), escaped(&row.reason));
        let _ = writeln!(
            out,
            "| {} | {object} | {verdict} | {reason} |",
            row.check.as_str()
        );
    }
    out
}

/// Writes a report for programs.
pub fn verify_json(report: &Report) -> Value {
    let Report { org, rows, calls } = report;
    let rows = rows.iter().map(|row| {
        let Row {
            check,
            object,
            verdict,
            reason,
        } = row;
        json!({ "check": check, "object": object, "verdict": verdict, "reason": reason })
    });
    json!({
        "org": org, "verdict": report.verdict(), "calls": calls,
        "rows": rows.collect::<Vec<_>>(),
    })
}

/// Writes a report as JUnit XML, a case for each row.
pub fn verify_junit(report: &Report) -> String {
    let cases = report.rows.iter().map(|row| Case {
        class: row.check.as_str().to_owned(),
        name: row.object.clone(),
        outcome: match row.verdict {
            Verdict::Ok => Outcome::Passed,
            Verdict::Warn => Outcome::Noted(row.reason.clone()),
            Verdict::Unknown => Outcome::Skipped(row.reason.clone()),
            Verdict::Fail => Outcome::Failed(row.reason.clone()),
        },
    });
    junit(&format!("verify {}", report.org), cases)
}
