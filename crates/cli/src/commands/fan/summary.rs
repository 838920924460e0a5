//! What came of each org, as a table, for programs, and as one exit code.

use orgsmith_core::onboard::Counts;
use orgsmith_core::verify::Verdict;
use serde::Serialize;
use serde_json::Value;

use crate::error::{Exit, Told};
use crate::output::{Align, BOLD, CYAN, DIM, GREEN, RED, Table, YELLOW, styled};

/// What came of one org.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) org: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) wave: Option<String>,
    /// Steps of the plan; nothing where none was made.
    pub(super) planned: Option<usize>,
    pub(super) done: usize,
    pub(super) failed: usize,
    /// Differences that a second plan found; nothing where none was made.
    pub(super) left: Option<usize>,
    /// What a verification found; nothing where none was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verified: Option<Verdict>,
    /// In a word or two.
    pub(super) verdict: &'static str,
    /// Nothing where the org was not touched.
    #[serde(serialize_with = "code")]
    pub(super) exit: Option<Exit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
    /// How new users stand in another system; that is no part of the exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) onboarding: Option<Counts>,
    /// The result of the run, as one target alone has it.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(super) result: Value,
}

#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn code<S: serde::Serializer>(exit: &Option<Exit>, to: S) -> Result<S::Ok, S::Error> {
    exit.map(Exit::code).serialize(to)
}

impl Report {
    pub(super) fn new(org: &str, wave: Option<&str>) -> Self {
        Self {
            org: org.to_owned(),
            wave: wave.map(str::to_owned),
            verdict: "not touched",
            ..Self::default()
        }
    }

    /// Takes note of what ended it.
    pub(super) fn fails(mut self, told: Told) -> Self {
        let Told { exit, text, hint } = told;
        self.verdict = match exit {
            Exit::Interrupted => "stopped",
            Exit::Refused => "refused",
            Exit::Auth => "no access",
            Exit::Locked => "locked",
            _ => "failed",
        };
        self.exit = Some(exit);
        self.error = Some(text);
        self.hint = hint;
        self
    }

    /// Tells whether all that was wanted is there.
    pub(super) fn is_healthy(&self) -> bool {
        self.exit == Some(Exit::Ok)
    }
}

/// Finds the exit code of several orgs.
///
/// What all of them say stands. Where some went well and others did not, or they failed in
/// different ways, some of it was done. That a person stopped it comes before all.
pub(super) fn worst(reports: &[Report]) -> Exit {
    let exits: Vec<Exit> = reports.iter().filter_map(|report| report.exit).collect();
    let untouched = exits.len() < reports.len();
    if exits.contains(&Exit::Interrupted) {
        return Exit::Interrupted;
    }
    match exits.split_first() {
        None if untouched => Exit::Refused,
        None => Exit::Ok,
        Some((first, others)) if others.iter().all(|exit| exit == first) => match first {
            Exit::Ok if untouched => Exit::Partial,
            all => *all,
        },
        Some(_) => Exit::Partial,
    }
}

/// Returns a line for each org.
pub(super) fn table(reports: &[Report]) -> String {
    let waves = reports.iter().any(|report| report.wave.is_some());
    let mut table = Table::new(&[
        Align::Left,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Left,
    ]);
    let head = [
        "org", "planned", "done", "failed", "left", "exit", "verdict",
    ];
    let wave = waves.then_some("wave");
    let head = head.into_iter().chain(wave);
    table.row(head.map(|word| styled(BOLD, word)));
    for report in reports {
        let number = |number: Option<usize>| number.map_or("-".to_owned(), |n| n.to_string());
        let style = match report.exit {
            Some(Exit::Ok) => GREEN,
            Some(Exit::Partial) => YELLOW,
            Some(_) => RED,
            None => DIM,
        };
        let exit = report.exit.map(|exit| usize::from(exit.code()));
        let cells = [
            report.org.clone(),
            number(report.planned),
            number(report.planned.map(|_| report.done)),
            number(report.planned.map(|_| report.failed)),
            number(report.left),
            number(exit),
            styled(style, report.verdict),
        ];
        let wave = waves.then(|| report.wave.clone().unwrap_or_default());
        table.row(cells.into_iter().chain(wave));
    }
    table.text("")
}

/// Returns what to do about each org that is not as it was wanted.
pub(super) fn advice(reports: &[Report]) -> Vec<String> {
    let mut lines = Vec::new();
    for report in reports {
        let org = &report.org;
        if let Some(error) = &report.error {
            lines.push(format!("{} {org}: {error}", styled(RED.bold(), "failed:")));
            if let Some(hint) = &report.hint {
                lines.push(format!("{} {org}: {hint}", styled(CYAN.bold(), "hint:")));
            }
        }
        if let (Some(run), true) = (&report.run, report.done < report.planned.unwrap_or(0)) {
            lines.push(format!(
                "To go on with {org}: {}",
                styled(CYAN, format!("orgsmith resume {run}"))
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(exits: &[Option<Exit>]) -> Exit {
        let report = |exit: &Option<Exit>| Report {
            exit: *exit,
            ..Report::default()
        };
        worst(&exits.iter().map(report).collect::<Vec<_>>())
    }

    #[test]
    fn what_all_say_stands_and_a_mixture_is_partial() {
        assert_eq!(of(&[Some(Exit::Ok), Some(Exit::Ok)]), Exit::Ok);
        assert_eq!(of(&[Some(Exit::Auth), Some(Exit::Auth)]), Exit::Auth);
        assert_eq!(of(&[Some(Exit::Ok), Some(Exit::Auth)]), Exit::Partial);
        assert_eq!(of(&[Some(Exit::Locked), Some(Exit::Auth)]), Exit::Partial);
        assert_eq!(of(&[Some(Exit::Auth), None]), Exit::Auth);
        assert_eq!(of(&[Some(Exit::Ok), None]), Exit::Partial);
        assert_eq!(
            of(&[Some(Exit::Ok), Some(Exit::Interrupted), None]),
            Exit::Interrupted
        );
        assert_eq!(of(&[None, None]), Exit::Refused);
    }
}
