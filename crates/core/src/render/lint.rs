//! What an audit found: on a screen, as Markdown, for programs, and as SARIF.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::markdown::escaped;
use crate::lint::{Lint, RULES};
use crate::plan::Severity;
use crate::validate::Problem;

/// Where a finding stands: the file as the reader has it, line and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, with `/` between its parts.
    pub file: String,
    /// Line and column, counted from 1.
    pub position: Option<(usize, usize)>,
}

/// Tells the place of a finding, where its source has files.
pub type Places<'p> = &'p dyn Fn(&Problem) -> Option<Place>;

/// Returns the word for a severity.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// Says in a line what was found.
pub fn lint_summary(lint: &Lint) -> String {
    let counts = [Severity::Error, Severity::Warning, Severity::Note].map(|one| {
        let number = lint.count(one);
        let s = if number == 1 { "" } else { "s" };
        format!("{number} {}{s}", severity(one))
    });
    let disabled = match lint.disabled.len() {
        0 => String::new(),
        number => format!(", {number} disabled"),
    };
    format!("{}{disabled}", counts.join(", "))
}

/// Returns something that was found in a bundle, for programs.
pub fn problem_json(problem: &Problem, places: Places<'_>) -> Value {
    let mut value = json!({
        "rule": problem.rule,
        "severity": severity(problem.severity),
        "object": problem.object.to_string(),
        "pointer": problem.pointer,
        "message": problem.message,
    });
    if let Some(suggestion) = &problem.suggestion {
        value["suggestion"] = suggestion.as_str().into();
    }
    if let Some(place) = places(problem) {
        value["file"] = place.file.into();
        if let Some((line, column)) = place.position {
            value["line"] = line.into();
            value["column"] = column.into();
        }
    }
    value
}

/// Returns what an audit found, for programs.
pub fn lint_json(lint: &Lint, source: &str, places: Places<'_>) -> Value {
    let finding = |problem: &Problem| problem_json(problem, places);
    let disabled = lint.disabled.iter().map(|(problem, reason)| {
        let mut value = finding(problem);
        value["reason"] = reason.as_str().into();
        value
    });
    json!({
        "source": source,
        "findings": lint.findings.iter().map(finding).collect::<Vec<_>>(),
        "disabled": disabled.collect::<Vec<_>>(),
        "unused": lint.unused,
    })
}

/// Writes what an audit found for a pull request.
pub fn lint_markdown(lint: &Lint, source: &str, places: Places<'_>) -> String {
    let mut text = format!(
        "### Audit of {}\n\n{}.\n",
        escaped(source),
        lint_summary(lint)
    );
    if !lint.findings.is_empty() {
        text.push_str("\n| | rule | object | finding |\n| --- | --- | --- | --- |\n");
    }
    for problem in &lint.findings {
        let place = match places(problem) {
            Some(Place { file, position }) => {
                let line = position
                    .map(|(line, _)| format!(":{line}"))
                    .unwrap_or_default();
                format!("{file}{line}")
            }
            None => problem.object.to_string(),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            severity(problem.severity),
            problem.rule,
            escaped(&place),
            escaped(&problem.message)
        );
    }
    text
}

/// Writes what an audit found as SARIF 2.1.0, which code hosts show beside the lines.
///
/// What is disabled is in it, as suppressed.
pub fn lint_sarif(lint: &Lint, version: &str, places: Places<'_>) -> Value {
    let rules = RULES.iter().map(|rule| {
        json!({
            "id": rule.id,
            "shortDescription": {"text": rule.about},
            "help": {"text": rule.advice},
            "defaultConfiguration": {"level": severity(rule.severity)},
        })
    });
    let result = |problem: &Problem| {
        let mut location = json!({"logicalLocations": [{
            "fullyQualifiedName": format!("{}{}", problem.object, problem.pointer),
            "kind": "object",
        }]});
        if let Some(place) = places(problem) {
            location["physicalLocation"]["artifactLocation"]["uri"] = uri(&place.file).into();
            if let Some((line, column)) = place.position {
                let region = json!({"startLine": line, "startColumn": column});
                location["physicalLocation"]["region"] = region;
            }
        }
        json!({
            "ruleId": problem.rule,
            "ruleIndex": RULES.iter().position(|rule| rule.id == problem.rule),
            "level": severity(problem.severity),
            "message": {"text": format!("{} {}", problem.object, problem.message)},
            "locations": [location],
        })
    };
    let mut results: Vec<Value> = lint.findings.iter().map(result).collect();
    results.extend(lint.disabled.iter().map(|(problem, reason)| {
        let mut result = result(problem);
        result["suppressions"] = json!([{"kind": "external", "justification": reason}]);
        result
    }));
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "orgsmith",
                "version": version,
                "rules": rules.collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// Writes a path as a relative reference of RFC 3986.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(byte))
            }
            byte => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}
