//! The plan screen: conflicts, then what happens to which object, then what it costs.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Detail;
use super::text::{Style, Text, plain, span};
use super::value::{change, inline, shortened};
use crate::bundle::Origin;
use crate::id::{Key, Kind, ObjectRef};
use crate::plan::{Action, Estimate, Finding, Plan, Rate, Request, Scim, Severity, Step, Write};

/// What the screen shows besides the plan.
#[derive(Clone, Copy, Debug)]
pub struct Screen<'s> {
    /// How much is shown of an object.
    pub detail: Detail,
    /// How fast calls are sent.
    pub rate: Rate,
    /// The command line that comes next; nothing where there is none to advise.
    pub next: Option<&'s str>,
}

/// Writes a plan as JSON: the form that is saved.
pub fn plan_json(plan: &Plan) -> String {
    serde_json::to_string_pretty(plan).expect("a plan has text keys only")
}

/// Writes a plan as a person reads it.
pub fn plan_screen(plan: &Plan, screen: &Screen<'_>) -> Text {
    let mut text = Text::default();
    header(&mut text, plan, screen.rate);
    conflicts(&mut text, plan);
    for (action, objects) in buckets(plan) {
        bucket(&mut text, action, &objects, screen.detail);
    }
    findings(&mut text, plan);
    totals(&mut text, plan, screen);
    text
}

/// Says where what a plan wants comes from.
pub(super) fn whence(plan: &Plan) -> String {
    match &plan.undoes {
        Some(run) => format!("undoing the run {run}"),
        None => format!("from {}", place(&plan.source.org)),
    }
}

fn header(text: &mut Text, plan: &Plan, rate: Rate) {
    text.line([
        span(
            Style::Heading,
            format!("Plan for {}", place(&plan.target.org)),
        ),
        plain(format!(" {}", whence(plan))),
    ]);
    for (what, digest) in [
        ("source", &plan.source.digest),
        ("target", &plan.target.digest),
        ("plan", &plan.digest()),
    ] {
        text.line([span(Style::Dim, format!("  {what:<7}{digest}"))]);
    }
    let rate = format!(
        "  rate   {} tokens of {} calls a minute",
        rate.tokens, rate.per_minute
    );
    text.line([span(Style::Dim, rate)]);
}

pub(super) fn place(origin: &Origin) -> String {
    let Origin { org_name, region } = origin;
    match region {
        Some(region) => format!("{org_name} ({region})"),
        None => org_name.clone(),
    }
}

/// Returns a key as people read it.
pub(super) fn readable(key: &Key) -> String {
    key.parts().join("/")
}

fn conflicts(text: &mut Text, plan: &Plan) {
    if plan.conflicts.is_empty() {
        return;
    }
    text.gap();
    text.line([
        span(Style::Conflict, "! Conflicts"),
        plain(format!(" {}, left alone", number(plan.conflicts.len()))),
    ]);
    for conflict in &plan.conflicts {
        let ObjectRef { kind, key } = &conflict.object;
        text.line([
            plain(format!("    {kind} {}", readable(key))),
            span(Style::Dim, format!("  {}", conflict.reason)),
        ]);
    }
}

/// The steps of each object, by kind and key.
pub(super) type Objects<'p> = BTreeMap<&'p Kind, BTreeMap<&'p Key, Vec<&'p Step>>>;

/// Sorts the steps into what happens, in the order in which it is shown.
pub(super) fn buckets(plan: &Plan) -> Vec<(Action, Objects<'_>)> {
    let mut found: BTreeMap<Action, Objects<'_>> = BTreeMap::new();
    for step in &plan.steps {
        let of_kind = found
            .entry(step.action)
            .or_default()
            .entry(&step.object.kind)
            .or_default();
        of_kind.entry(&step.object.key).or_default().push(step);
    }
    found.into_iter().collect()
}

pub(super) fn title(action: Action) -> (&'static str, &'static str, Style) {
    match action {
        Action::Create => ("+", "Create", Style::Create),
        Action::Adopt => ("^", "Adopt", Style::Adopt),
        Action::Update => ("~", "Update", Style::Update),
        Action::Link => ("&", "Link", Style::Link),
        Action::Delete => ("-", "Delete", Style::Delete),
    }
}

fn bucket(text: &mut Text, action: Action, objects: &Objects<'_>, detail: Detail) {
    let (mark, name, style) = title(action);
    let count: usize = objects.values().map(BTreeMap::len).sum();
    text.gap();
    text.line([
        span(style, format!("{mark} {name}")),
        plain(format!(" {}", number(count))),
    ]);
    for (kind, keys) in objects {
        text.line([
            span(Style::Heading, format!("  {kind}")),
            span(Style::Dim, format!(" {}", number(keys.len()))),
        ]);
        for (key, steps) in keys {
            let said = summary(action, steps);
            let said = if said.is_empty() {
                said
            } else {
                format!("  {said}")
            };
            text.line([
                plain(format!("    {mark} ")),
                span(style, readable(key)),
                span(Style::Dim, said),
            ]);
            if detail > Detail::Objects {
                steps.iter().for_each(|step| fields(text, step, detail));
            }
        }
    }
}

/// Top-level fields that are named on an object's line.
const NAMED_FIELDS: usize = 4;

/// Says in a few words what happens to an object.
pub(super) fn summary(action: Action, steps: &[&Step]) -> String {
    if matches!(action, Action::Adopt | Action::Delete) {
        return steps
            .iter()
            .map(|step| step.reason.as_str())
            .collect::<Vec<_>>()
            .join("; ");
    }
    let mut names: Vec<String> = Vec::new();
    let mut secrets = Vec::new();
    for step in steps {
        if step.changes.iter().any(|c| c.same_secret().is_some()) {
            secrets.push(step.reason.as_str());
        }
        let of_changes = step
            .changes
            .iter()
            .map(|change| change.path.split(['.', '[']).next());
        let of_step = match (&step.write, action) {
            (Write::FlowImport { .. }, Action::Link) => Some("source"),
            (_, Action::Link) if step.changes.is_empty() => Some(part_of(step)),
            _ => None,
        };
        for name in of_changes.chain([of_step]).flatten() {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    let rest = names.len().saturating_sub(NAMED_FIELDS);
    names.truncate(NAMED_FIELDS);
    let mut said = names.join(", ");
    if rest > 0 {
        said.push_str(&format!(", {rest} more"));
    }
    if !secrets.is_empty() {
        said.push_str(&format!(" ({})", secrets.join("; ")));
    }
    said
}

const INDENT: &str = "        ";

fn fields(text: &mut Text, step: &Step, detail: Detail) {
    if detail == Detail::Full {
        text.line([span(
            Style::Dim,
            format!("      {}  {}", step.id, sent(&step.write)),
        )]);
        if let Some(scim) = &step.scim {
            text.line([span(Style::Dim, format!("{INDENT}{}", by_scim(scim)))]);
        }
        text.line([span(Style::Dim, format!("{INDENT}because {}", step.reason))]);
        if !step.after.is_empty() {
            let after: Vec<&str> = step.after.iter().map(|id| id.as_str()).collect();
            text.line([span(
                Style::Dim,
                format!("{INDENT}after {}", after.join(", ")),
            )]);
        }
    }
    for found in &step.changes {
        change(text, INDENT, found, detail);
    }
    if step.changes.is_empty()
        && matches!(step.action, Action::Create | Action::Link)
        && let Write::Request(Request {
            body: Some(body), ..
        }) = &step.write
    {
        let shown = match body.value() {
            Value::Object(fields) => fields.into_iter().collect(),
            items => vec![(part_of(step).to_owned(), items)],
        };
        for (field, value) in shown {
            text.line([
                plain(INDENT),
                span(Style::Create, "+ "),
                plain(format!("{field}: ")),
                span(Style::New, inline(&value, detail)),
            ]);
        }
    }
}

/// Returns which part of an object a step writes: `members` of `routing_queue/Sales:members+1`.
fn part_of(step: &Step) -> &str {
    let suffix = step.id.as_str().rsplit(':').next().unwrap_or_default();
    suffix
        .split(['+', '~', '-', '/'])
        .next()
        .unwrap_or_default()
}

/// Says what one call does at once, where the org takes it.
fn by_scim(scim: &Scim) -> String {
    let steps: Vec<&str> = scim.does.iter().map(|does| does.step.as_str()).collect();
    format!("by POST {} together with {}", scim.path, steps.join(", "))
}

fn sent(write: &Write) -> String {
    match write {
        Write::Request(request) => format!("{} {}", request.method, request.path),
        Write::FlowImport { source } => format!("imports the flow source {source}"),
        Write::Upload { name, file } => format!("uploads the file {name}, {file}"),
        Write::RowsImport { rows } => format!("imports the rows {rows}"),
        Write::FileImport {
            file,
            body: _,
            slots: _,
        } => format!("uploads the file {file}"),
        Write::ActionDraft {
            body: _,
            function,
            creates: _,
        } => match function
            .as_ref()
            .and_then(|function| function.code.as_ref())
        {
            Some(code) => format!("uploads the code {}, publishes a draft", code.file),
            None => "publishes a draft".to_owned(),
        },
    }
}

fn findings(text: &mut Text, plan: &Plan) {
    let of = |severity: Severity| {
        plan.findings
            .iter()
            .filter(move |finding| finding.severity == severity)
    };
    for (severity, name, style) in [
        (Severity::Error, "! Errors", Style::Error),
        (Severity::Warning, "! Warnings", Style::Warning),
        (Severity::Note, "  Notes", Style::Heading),
    ] {
        let count = of(severity).count();
        if count == 0 {
            continue;
        }
        text.gap();
        text.line([span(style, name), plain(format!(" {}", number(count)))]);
        for finding in of(severity) {
            let object = finding.object.as_ref();
            let object = object.map_or(String::new(), |o| {
                format!("{} {}: ", o.kind, readable(&o.key))
            });
            text.line([
                plain(format!("    {object}{} ", finding.message)),
                span(Style::Dim, format!("[{}]", finding.rule)),
            ]);
        }
    }
    if !plan.gaps.is_empty() {
        text.gap();
        text.line([
            span(Style::Warning, "? Not read"),
            plain(format!(" {}", number(plan.gaps.len()))),
        ]);
        for gap in &plan.gaps {
            text.line([plain(format!("    {gap}"))]);
        }
    }
}

fn totals(text: &mut Text, plan: &Plan, screen: &Screen<'_>) {
    text.gap();
    text.line([
        span(Style::Heading, "Total"),
        plain(format!(" {}", total(plan))),
    ]);
    text.line([plain(format!("      {}", cost(plan.estimate)))]);
    // What may not be applied is not advised.
    let is_error = |finding: &Finding| finding.severity == Severity::Error;
    if let Some(next) = screen.next.filter(|_| !plan.findings.iter().any(is_error)) {
        text.gap();
        text.line([plain("Next: "), span(Style::Command, next)]);
    }
}

/// Says how many objects are treated how.
pub(super) fn total(plan: &Plan) -> String {
    let sum =
        |of: &dyn Fn(&crate::plan::Counts) -> usize| plan.counts.values().map(of).sum::<usize>();
    let linked = buckets(plan)
        .into_iter()
        .filter(|(action, _)| *action == Action::Link)
        .flat_map(|(_, objects)| objects.into_values())
        .map(|keys| keys.len())
        .sum();
    let parts = [
        (sum(&|counts| counts.create), "to create"),
        (sum(&|counts| counts.adopt), "to adopt"),
        (sum(&|counts| counts.update), "to update"),
        (linked, "to link"),
        (sum(&|counts| counts.delete), "to delete"),
        (plan.conflicts.len(), "in conflict"),
    ];
    let same = sum(&|counts| counts.same);
    let mut said: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{} {what}", number(*n)))
        .collect();
    if said.is_empty() {
        said.push("nothing to do".to_owned());
    }
    said.push(format!("{} equal", number(same)));
    said.join(", ")
}

/// Says what a plan costs.
pub(super) fn cost(estimate: Estimate) -> String {
    let Estimate { calls, minutes } = estimate;
    let time = if minutes < 1.0 {
        format!("{:.0} s", (minutes * 60.0).ceil())
    } else {
        format!("{minutes:.1} minutes")
    };
    format!("about {} API calls, {time}", number(calls))
}

/// Writes a number with its thousands apart.
pub(super) fn number(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Shortens a text for a table of a report.
pub(super) fn brief(text: &str) -> String {
    shortened(text, 200)
}
