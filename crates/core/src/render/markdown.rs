//! A plan as Markdown, for a comment of limited size.

use std::fmt::Write as _;

use super::Detail;
use super::plan::{brief, buckets, cost, number, place, readable, summary, title, total, whence};
use super::text::visible;
use super::value::inline;
use crate::plan::Plan;

/// What is told of each object, from most to least.
const TIERS: [Tier; 3] = [Tier::Fields, Tier::Objects, Tier::Counts];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tier {
    Fields,
    Objects,
    Counts,
}

/// Writes a plan as Markdown of at most `limit` bytes, with as much detail as fits.
pub fn plan_markdown(plan: &Plan, limit: usize) -> String {
    let mut text = String::new();
    for tier in TIERS {
        text = written(plan, tier);
        if text.len() <= limit {
            return text;
        }
    }
    let note = "\n\n*The rest does not fit.*\n";
    let mut end = limit.saturating_sub(note.len()).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    // A line that is cut could leave a tag or a code span open.
    text.truncate(text[..end].rfind('\n').unwrap_or(0));
    if limit >= note.len() {
        text.push_str(note);
    }
    text
}

fn written(plan: &Plan, tier: Tier) -> String {
    let mut out = String::new();
    let heading = format!("Plan for {} {}", place(&plan.target.org), whence(plan));
    line(&mut out, &format!("### {}", escaped(&heading)));
    line(&mut out, "");
    line(
        &mut out,
        &format!(
            "**{}** · {} · `{}`",
            total(plan),
            cost(plan.estimate),
            plan.digest()
        ),
    );
    let conflicts = plan.conflicts.iter().map(|conflict| {
        format!(
            "- `!` {} {}: {}",
            conflict.object.kind,
            code(&readable(&conflict.object.key)),
            escaped(&conflict.reason)
        )
    });
    section(&mut out, "Conflicts", plan.conflicts.len(), tier, conflicts);
    let findings = plan.findings.iter().map(|finding| {
        let object = finding.object.as_ref();
        let object = object.map_or(String::new(), |o| {
            format!("{} {}: ", o.kind, code(&readable(&o.key)))
        });
        format!("- {object}{} `{}`", escaped(&finding.message), finding.rule)
    });
    section(&mut out, "Findings", plan.findings.len(), tier, findings);
    for (action, objects) in buckets(plan) {
        let (mark, name, _) = title(action);
        let count = objects.values().map(|keys| keys.len()).sum();
        let mut lines = Vec::new();
        for (kind, keys) in objects {
            for (key, steps) in keys {
                let said = summary(action, &steps);
                let said = if said.is_empty() {
                    said
                } else {
                    format!(" — {}", escaped(&said))
                };
                lines.push(format!("- `{mark}` {kind} {}{said}", code(&readable(key))));
                if tier == Tier::Fields {
                    lines.extend(steps.iter().flat_map(|step| &step.changes).map(change));
                }
            }
        }
        section(&mut out, name, count, tier, lines.into_iter());
    }
    let gaps = plan
        .gaps
        .iter()
        .map(|gap| format!("- {}", escaped(&gap.to_string())));
    section(&mut out, "Not read", plan.gaps.len(), tier, gaps);
    out
}

fn change(change: &crate::diff::Change) -> String {
    let value = |value: &Option<serde_json::Value>| match value {
        Some(value) => code(&inline(value, Detail::Fields)),
        None => "nothing".to_owned(),
    };
    if change.same_secret().is_some() {
        return format!(
            "  - {}: the value of {}",
            code(&change.path),
            value(&change.new)
        );
    }
    format!(
        "  - {}: {} → {}",
        code(&change.path),
        value(&change.old),
        value(&change.new)
    )
}

fn section(
    out: &mut String,
    name: &str,
    count: usize,
    tier: Tier,
    lines: impl Iterator<Item = String>,
) {
    if count == 0 {
        return;
    }
    line(out, "");
    if tier == Tier::Counts {
        return line(out, &format!("{name}: {}", number(count)));
    }
    line(
        out,
        &format!("<details><summary>{name} {}</summary>", number(count)),
    );
    line(out, "");
    lines.for_each(|text| line(out, &text));
    line(out, "");
    line(out, "</details>");
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a String takes any text");
}

/// Writes a text as code, whatever backticks it holds.
pub(super) fn code(text: &str) -> String {
    let text = visible(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Writes a text so that nothing in it is markup.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in visible(&brief(text)).chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '@' | '&'
        ) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
