//! JUnit XML, which continuous integration shows as tests.

use std::fmt::Write as _;

use super::html::escaped;
use crate::plan::Severity;
use crate::validate::Problem;

/// One test case.
pub(super) struct Case {
    pub(super) class: String,
    pub(super) name: String,
    pub(super) outcome: Outcome,
}

/// How a case ended.
pub(super) enum Outcome {
    Passed,
    /// It passed, and there is something to say.
    Noted(String),
    Skipped(String),
    Failed(String),
}

/// Writes a suite.
pub(super) fn junit(suite: &str, cases: impl IntoIterator<Item = Case>) -> String {
    let (mut body, mut tests, mut failures, mut skipped) = (String::new(), 0, 0, 0);
    for Case {
        class,
        name,
        outcome,
    } in cases
    {
        tests += 1;
        let _ = write!(
            body,
            "    <testcase classname=\"{}\" name=\"{}\"",
            escaped(&class),
            escaped(&name)
        );
        let _ = match outcome {
            Outcome::Passed => writeln!(body, "/>"),
            Outcome::Noted(note) => {
                writeln!(
                    body,
                    "><system-out>{}</system-out></testcase>",
                    escaped(&note)
                )
            }
            Outcome::Skipped(why) => {
                skipped += 1;
                writeln!(body, "><skipped message=\"{}\"/></testcase>", escaped(&why))
            }
            Outcome::Failed(why) => {
                failures += 1;
                writeln!(body, "><failure message=\"{}\"/></testcase>", escaped(&why))
            }
        };
    }
    let suite = escaped(suite);
    let counts =
        format!("tests=\"{tests}\" failures=\"{failures}\" skipped=\"{skipped}\" errors=\"0\"");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  \
         <testsuite name=\"{suite}\" {counts}>\n{body}  </testsuite>\n</testsuites>"
    )
}

/// Writes problems as JUnit XML, a case for each; a source without any is one case that passes.
pub fn problems_junit(command: &str, source: &str, problems: &[Problem]) -> String {
    let whole = problems.is_empty().then(|| Case {
        class: command.to_owned(),
        name: source.to_owned(),
        outcome: Outcome::Passed,
    });
    let cases = problems.iter().map(|problem| {
        let told = format!("{}{}", place(problem), problem);
        Case {
            class: problem.rule.to_owned(),
            name: problem.object.to_string(),
            outcome: match problem.severity {
                Severity::Note => Outcome::Noted(told),
                Severity::Warning | Severity::Error => Outcome::Failed(told),
            },
        }
    });
    junit(
        &format!("{command} {source}"),
        whole.into_iter().chain(cases),
    )
}

fn place(problem: &Problem) -> String {
    match (&problem.file, problem.line) {
        (Some(file), Some(line)) => format!("{file}:{line}: "),
        _ if problem.pointer.is_empty() => String::new(),
        _ => format!("{}: ", problem.pointer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_the_xml() {
        let case = Case {
            class: "a".to_owned(),
            name: "x\" <y> & \u{1}\u{ffff}".to_owned(),
            outcome: Outcome::Failed("it's \"so\"".to_owned()),
        };
        let xml = junit("s", [case]);
        assert!(
            xml.contains("name=\"x&quot; &lt;y&gt; &amp; \\u{1}\u{fffd}\""),
            "{xml}"
        );
        assert!(
            xml.contains("tests=\"1\" failures=\"1\" skipped=\"0\""),
            "{xml}"
        );
    }
}
