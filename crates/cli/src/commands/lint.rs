//! `orgsmith lint`

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use orgsmith_core::bundle::Bundle;
use orgsmith_core::id::ObjectRef;
use orgsmith_core::lint::{Disable, FlowState, Lint as Found, flow_states, lint};
use orgsmith_core::people;
use orgsmith_core::plan::Severity;
use orgsmith_core::render::{
    Place, lint_json, lint_markdown, lint_sarif, lint_summary, problems_junit,
};
use orgsmith_core::validate::Problem;

use crate::args::{Format, Selected};
use crate::error::Exit;
use crate::keys::Trust;
use crate::output::{DIM, styled};
use crate::session::Session;
use crate::source::{Extent, OnDisk, Source, load, read, selection, told, usage};

/// Judges the configuration of an org or bundle by the rules of docs/lint.md.
///
/// What is accepted is disabled with a reason in the project file, under `lint:`. With -v what is
/// disabled is shown too. `-o sarif` is for code hosts, `-o markdown` for pull requests, `-o junit` for continuous integration.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// An org, a bundle directory or a zip.
    source: String,
    /// Ends with 5 when something of this severity, or a higher one, is found.
    #[arg(long, value_name = "SEVERITY", default_value = "error")]
    deny: Deny,
    /// The day on which schedules are judged [default: today].
    #[arg(long, value_name = "YYYY-MM-DD")]
    today: Option<String>,
    /// Writes the result to a file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    selected: Selected,
}

/// From which severity on findings are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Deny {
    Error,
    Warning,
    Note,
}

/// What is judged, and where it stands.
struct Judged {
    bundle: Bundle,
    states: BTreeMap<ObjectRef, FlowState>,
    disk: Option<OnDisk>,
}

impl Lint {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let out = session.out;
        out.fits(self.out.as_deref())?;
        let today = self.today()?;
        let judged = self.read(session).await?;
        let disable = session.config.project.lint.disabled().map_err(usage)?;
        let catalogue = session.catalogue();
        let found = lint(catalogue, &judged.bundle, &judged.states, &today, &disable);
        let places = |problem: &Problem| judged.place(problem);
        let text = match out.format() {
            Format::Json => {
                serde_json::to_string_pretty(&lint_json(&found, &self.source, &places))?
            }
            Format::Sarif => {
                let version = env!("CARGO_PKG_VERSION");
                serde_json::to_string_pretty(&lint_sarif(&found, version, &places))?
            }
            Format::Junit => problems_junit("lint", &self.source, &found.findings),
            Format::Markdown => lint_markdown(&found, &self.source, &places),
            // The others are refused with the command line.
            _ => judged.text(&found, out.verbose() > 0),
        };
        if !text.is_empty() || self.out.is_some() {
            out.data_into(self.out.as_deref(), &text)?;
        }
        for one in found.unused.iter().map(Disable::what) {
            out.warn(format!(
                "nothing is found any more of what is disabled: {one}"
            ));
        }
        out.say(format!("{}: {}", self.source, lint_summary(&found)));
        let denied = |found: &Problem| match self.deny {
            Deny::Error => found.severity == Severity::Error,
            Deny::Warning => found.severity >= Severity::Warning,
            Deny::Note => true,
        };
        Ok(match found.findings.iter().any(denied) {
            true => Exit::Refused,
            false => Exit::Ok,
        })
    }

    fn today(&self) -> anyhow::Result<String> {
        match &self.today {
            Some(day) => match day.parse::<jiff::civil::Date>() {
                Ok(day) => Ok(day.to_string()),
                Err(_) => Err(usage(format!("--today {day}: write it as 2026-01-31"))),
            },
            None => Ok(jiff::Timestamp::now()
                .to_string()
                .chars()
                .take(10)
                .collect()),
        }
    }

    async fn read(&self, session: &Session<'_>) -> anyhow::Result<Judged> {
        let catalogue = session.catalogue();
        let selection = selection(catalogue, &self.selected)?;
        let mut judged = match Source::told(&self.source, session)? {
            Source::Org(name) => {
                let connected = session.connect(&name)?;
                let read = read(session, &connected, &selection, Extent::Selected).await?;
                let (bundle, names) = read.snapshot.to_bundle(catalogue, &read.pins);
                Judged {
                    bundle,
                    states: flow_states(&read.snapshot, &names),
                    disk: None,
                }
            }
            Source::Path(path) => {
                let keys = session.keys.of(&path, Trust::Anybody, session.out)?;
                let disk = load(&path, keys, session.out)?;
                let mut bundle = disk.loaded.bundle.clone();
                people::expand(catalogue, &mut bundle, &BTreeSet::new());
                Judged {
                    bundle,
                    states: BTreeMap::new(),
                    disk: Some(disk),
                }
            }
        };
        judged.bundle = selection.apply(judged.bundle, catalogue).map_err(usage)?;
        let bundle = &judged.bundle;
        judged
            .states
            .retain(|object, _| bundle.documents.contains_key(object));
        Ok(judged)
    }
}

impl Judged {
    fn place(&self, problem: &Problem) -> Option<Place> {
        self.disk.as_ref()?.found_at(problem)
    }

    fn text(&self, found: &Found, verbose: bool) -> String {
        let mut lines: Vec<String> = found.findings.iter().map(|one| self.line(one)).collect();
        if verbose {
            let disabled = found.disabled.iter();
            lines.extend(disabled.map(|(problem, reason)| {
                let line = format!("disabled: {} {}: {reason}", problem.rule, problem.object);
                styled(DIM, line)
            }));
        }
        lines.join("\n")
    }

    fn line(&self, problem: &Problem) -> String {
        let mut problem = problem.clone();
        problem.message = format!("{} [{}]", problem.message, problem.rule);
        told(self.disk.as_ref(), &problem)
    }
}
