//! One source, many targets: in waves, several at once, and none of them stops another.

use std::collections::BTreeMap;

use clap::Args;
use futures::{StreamExt, stream};
use orgsmith_core::plan::Action;
use serde_json::{Value, json};

use super::preflight::{self, Room};
use super::road::{self, Planned};
use crate::args::{Carry, Format};
use crate::error::{Exit, Failure, count, explain};
use crate::output::{Align, BOLD, DIM, GREEN, RED, Table, YELLOW, styled};
use crate::session::{Connected, Session};
use crate::source::Wanted;

/// The label of an org that says in which wave it is.
const WAVE: &str = "wave";

/// The wave of everybody who is in no other.
const REST: &str = "rest";

/// The name of a wave, and its targets.
type Wave = (String, Vec<String>);

/// How several targets are written to.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Several targets")]
pub(crate) struct FanOut {
    /// Writes also to the orgs that have this label (again for more; an org must have them all).
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    /// One wave after the other: values of the label `wave`, and `rest` for all other targets. A
    /// wave begins when every target of the one before is equal to the source.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    waves: Vec<String>,
    /// Targets that are written to at once.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    targets_at_once: u16,
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("write KEY=VALUE, such as region=emea".to_owned()),
    }
}

/// What is done with every target.
#[derive(Clone, Copy)]
pub(super) struct Job<'j> {
    pub(super) wanted: &'j Wanted,
    pub(super) carry: &'j Carry,
    pub(super) room: (&'j Room, bool),
}

impl FanOut {
    /// Returns the names of the targets: those that were written, then those that a label names.
    pub(super) fn targets(
        &self,
        session: &Session<'_>,
        named: &[String],
    ) -> anyhow::Result<Vec<String>> {
        let mut targets: Vec<String> = Vec::new();
        let mut add = |name: &String| {
            if !targets.contains(name) {
                targets.push(name.clone());
            }
        };
        named.iter().for_each(&mut add);
        if !self.label.is_empty() {
            let orgs = &session.config.project.orgs;
            let has_all = |labels: &BTreeMap<String, String>| {
                let mut wanted = self.label.iter();
                wanted.all(|(key, value)| labels.get(key) == Some(value))
            };
            let labelled = orgs.iter().filter(|(_, org)| has_all(&org.labels));
            labelled.map(|(name, _)| name).for_each(&mut add);
        }
        if targets.is_empty() {
            let told = match self.label.is_empty() {
                true => "name the orgs that are written to, or a --label that they have",
                false => "no org of the project file has these labels",
            };
            return Err(Failure::Usage(told.to_owned()).into());
        }
        Ok(targets)
    }

    /// Sorts targets into waves.
    pub(super) fn waves(
        &self,
        session: &Session<'_>,
        targets: &[String],
    ) -> anyhow::Result<Vec<Wave>> {
        if self.waves.is_empty() {
            return Ok(vec![(String::new(), targets.to_vec())]);
        }
        let mut waves: Vec<Wave> = Vec::new();
        for wave in &self.waves {
            if waves.iter().any(|(known, _)| known == wave) {
                return Err(Failure::Usage(format!("--waves names {wave} twice")).into());
            }
            waves.push((wave.clone(), Vec::new()));
        }
        for target in targets {
            let org = session.config.project.orgs.get(target);
            let label = org.and_then(|org| org.labels.get(WAVE));
            let of = |name: &str| waves.iter().position(|(wave, _)| wave == name);
            let own = label.and_then(|label| of(label)).or_else(|| of(REST));
            let Some(own) = own else {
                return Err(Failure::Usage(format!(
                    "{target} is in none of the waves: give it the label `{WAVE}`, or add {REST} to --waves"
                ))
                .into());
            };
            waves[own].1.push(target.clone());
        }
        let empty = waves.iter().find(|(_, targets)| targets.is_empty());
        if let Some((wave, _)) = empty {
            let told =
                format!("no target is in the wave {wave}: none has the label {WAVE}: {wave}");
            return Err(Failure::Usage(told).into());
        }
        Ok(waves)
    }

    /// Clones into several targets.
    pub(super) async fn run(
        &self,
        session: &Session<'_>,
        waves: Vec<Wave>,
        job: Job<'_>,
    ) -> anyhow::Result<Exit> {
        let out = session.out;
        out.among_several();
        let mut reports = Vec::new();
        let mut ill = false;
        for (wave, targets) in waves {
            if ill {
                reports.extend(
                    targets
                        .iter()
                        .map(|target| Report::untouched(target, &wave)),
                );
                continue;
            }
            if !wave.is_empty() {
                out.say(styled(BOLD, format!("Wave {wave}: {}", targets.join(", "))));
            }
            let done = self.wave(session, &targets, job).await?;
            ill = done.iter().any(|report| !report.is_equal());
            reports.extend(done.into_iter().map(|mut report| {
                report.wave.clone_from(&wave);
                report
            }));
        }
        conclude(session, &reports)
    }

    /// Plans for every target of a wave, asks once, and carries out.
    async fn wave(
        &self,
        session: &Session<'_>,
        targets: &[String],
        job: Job<'_>,
    ) -> anyhow::Result<Vec<Report>> {
        let at_once = usize::from(self.targets_at_once);
        let planned: Vec<Result<Ready, Report>> = stream::iter(targets)
            .map(|target| async move {
                let ready = Ready::new(session, target, job).await;
                ready.map_err(|error| Report::failed(target, &error))
            })
            .buffered(at_once)
            .collect()
            .await;
        announce(session, &planned);
        approve(session, &planned, job.carry)?;
        let reports = stream::iter(planned)
            .map(|ready| async move {
                match ready {
                    Ok(ready) => {
                        let name = ready.target.org.name.as_str().to_owned();
                        let report = ready.carry_out(session, job).await;
                        report.unwrap_or_else(|error| Report::failed(&name, &error))
                    }
                    Err(report) => report,
                }
            })
            .buffered(at_once);
        Ok(reports.collect().await)
    }
}

/// A target with its plan, checked.
struct Ready {
    target: Connected,
    planned: Planned,
}

impl Ready {
    async fn new(session: &Session<'_>, target: &str, job: Job<'_>) -> anyhow::Result<Self> {
        let target = session.connect(target)?;
        let planned = road::plan(session, job.wanted, &target, false).await?;
        if !planned.plan.is_empty() {
            let checked = road::checked(session.out, &planned, job.carry.force)?;
            road::resolve(session, &checked, job.carry)?;
            preflight::pass(session, job.wanted, &planned.plan, &target, job.room).await?;
        }
        Ok(Self { target, planned })
    }

    async fn carry_out(self, session: &Session<'_>, job: Job<'_>) -> anyhow::Result<Report> {
        let Self { target, planned } = self;
        let mut report = Report::of(&target, &planned);
        if planned.plan.is_empty() {
            report.differences = Some(0);
            return Ok(report);
        }
        let checked = road::checked(session.out, &planned, job.carry.force)?;
        let finished =
            road::carry_out_checked(session, &planned, &checked, &target, job.carry).await?;
        report.run = Some(finished.run.as_str().to_owned());
        report.done = finished.outcome.done();
        report.exit = road::exit_of_run(&planned.plan, &finished);
        drop(planned);
        if report.exit == Exit::Interrupted {
            report.message = Some("stopped".to_owned());
            return Ok(report);
        }
        let again = road::plan(session, job.wanted, &target, false).await?;
        report.differences = Some(again.plan.steps.len());
        if !again.plan.is_empty() && report.exit == Exit::Ok {
            report.exit = Exit::Partial;
        }
        Ok(report)
    }
}

/// How it went with one target.
struct Report {
    org: String,
    wave: String,
    steps: usize,
    done: usize,
    conflicts: usize,
    /// What a second plan finds, where one was made.
    differences: Option<usize>,
    run: Option<String>,
    exit: Exit,
    message: Option<String>,
    touched: bool,
}

impl Report {
    fn of(target: &Connected, planned: &Planned) -> Self {
        let conflicts = planned.plan.conflicts.len();
        Self {
            org: target.org.name.as_str().to_owned(),
            wave: String::new(),
            steps: planned.plan.steps.len(),
            done: 0,
            conflicts,
            differences: None,
            run: None,
            exit: if conflicts > 0 {
                Exit::Partial
            } else {
                Exit::Ok
            },
            message: None,
            touched: true,
        }
    }

    fn failed(org: &str, error: &anyhow::Error) -> Self {
        let (exit, message) = explain(error);
        Self {
            org: org.to_owned(),
            wave: String::new(),
            steps: 0,
            done: 0,
            conflicts: 0,
            differences: None,
            run: None,
            exit,
            message: Some(message),
            touched: true,
        }
    }

    fn untouched(org: &str, wave: &str) -> Self {
        Self {
            org: org.to_owned(),
            wave: wave.to_owned(),
            steps: 0,
            done: 0,
            conflicts: 0,
            differences: None,
            run: None,
            exit: Exit::Ok,
            message: None,
            touched: false,
        }
    }

    /// Tells whether the target is as it should be.
    fn is_equal(&self) -> bool {
        self.exit == Exit::Ok && self.differences == Some(0)
    }

    fn verdict(&self) -> String {
        if !self.touched {
            return styled(DIM, "not begun: a target of the wave before is not equal");
        }
        if let Some(message) = &self.message {
            return styled(RED, message);
        }
        let left = match self.differences {
            Some(0) if self.conflicts == 0 => return styled(GREEN, "equal"),
            Some(0) => count(self.conflicts, "conflict"),
            Some(left) if self.conflicts == 0 => format!("{} left", count(left, "difference")),
            Some(left) => format!(
                "{} left, {}",
                count(left, "difference"),
                count(self.conflicts, "conflict")
            ),
            None => "not proved".to_owned(),
        };
        styled(YELLOW, left)
    }

    fn json(&self) -> Value {
        json!({
            "org": self.org, "wave": self.wave, "begun": self.touched, "run": self.run,
            "steps": self.steps, "done": self.done, "conflicts": self.conflicts,
            "differences": self.differences, "equal": self.is_equal(), "exit": self.exit.code(),
            "message": self.message,
        })
    }
}

/// Shows in a table what would be done in each target.
fn announce(session: &Session<'_>, planned: &[Result<Ready, Report>]) {
    let mut table = Table::new(&[
        Align::Left,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Right,
        Align::Left,
    ]);
    table.row(["org", "create", "update", "conflicts", "calls", ""]);
    for ready in planned {
        match ready {
            Ok(Ready { target, planned }) => {
                let plan = &planned.plan;
                let of = |creates: bool| {
                    let steps = plan.steps.iter();
                    let steps = steps.filter(|step| {
                        let new = matches!(step.action, Action::Create | Action::Adopt);
                        new == creates
                    });
                    steps.count().to_string()
                };
                let note = match plan.is_empty() {
                    true => "nothing to do",
                    false => "",
                };
                table.row([
                    target.org.name.as_str().to_owned(),
                    of(true),
                    of(false),
                    plan.conflicts.len().to_string(),
                    plan.estimate.calls.to_string(),
                    note.to_owned(),
                ]);
                let told = session.out.verbose() > 0;
                for conflict in plan.conflicts.iter().filter(|_| !told) {
                    let org = &target.org.name;
                    session.out.say(format!(
                        "{org}: {} {}: {}",
                        styled(YELLOW, "conflict:"),
                        conflict.object,
                        conflict.reason
                    ));
                }
                if told {
                    road::show_before_asking(session.out, plan, target);
                }
            }
            Err(report) => {
                let none = || "–".to_owned();
                table.row([
                    report.org.clone(),
                    none(),
                    none(),
                    none(),
                    none(),
                    report.verdict(),
                ]);
            }
        }
    }
    session.out.say(table.text("").trim_end());
}

/// Asks for consent: once for all targets, and for each that is protected by its name.
fn approve(
    session: &Session<'_>,
    planned: &[Result<Ready, Report>],
    carry: &Carry,
) -> anyhow::Result<()> {
    let ready = planned.iter().flatten();
    let writes = ready.filter(|ready| !ready.planned.plan.is_empty());
    let (guarded, open): (Vec<&Ready>, Vec<&Ready>) =
        writes.partition(|ready| ready.target.settings.protected);
    if carry.yes {
        return Ok(());
    }
    for ready in guarded {
        road::ask(session.out, &ready.planned.plan, &ready.target)?;
    }
    if open.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = open
        .iter()
        .map(|ready| ready.target.org.name.as_str())
        .collect();
    let why = format!(
        "Write this to {} ({})? Only \"yes\" is taken as consent:",
        count(names.len(), "org"),
        names.join(", ")
    );
    road::consent(session.out, &why, "yes")
}

/// Shows how it went with each target; the worst of them is how the command ends.
fn conclude(session: &Session<'_>, reports: &[Report]) -> anyhow::Result<Exit> {
    let out = session.out;
    let result = json!({
        "event": "result",
        "targets": reports.iter().map(Report::json).collect::<Vec<_>>(),
    });
    out.record(&result);
    if out.format() == Format::Json {
        out.json(&result)?;
    } else {
        let mut table = Table::new(&[Align::Left, Align::Right, Align::Right, Align::Left]);
        table.row(["org", "done", "of", "verdict"]);
        for report in reports {
            table.row([
                report.org.clone(),
                report.done.to_string(),
                report.steps.to_string(),
                report.verdict(),
            ]);
        }
        let equal = reports.iter().filter(|report| report.is_equal()).count();
        let of = count(reports.len(), "target");
        let sum = format!("{equal} of {of} equal to the source");
        out.data(format!("{}{}\n", table.text(""), styled(BOLD, sum)))?;
        for report in reports.iter().filter(|report| report.done < report.steps) {
            if let Some(run) = &report.run {
                out.say(format!("{}: to go on: orgsmith resume {run}", report.org));
            }
        }
    }
    Ok(worst(reports))
}

/// Stopped by a person, else partly done where it went differently, else what all had in common.
fn worst(reports: &[Report]) -> Exit {
    let exits: Vec<Exit> = reports
        .iter()
        .filter(|report| report.touched)
        .map(|report| report.exit)
        .collect();
    if exits.contains(&Exit::Interrupted) {
        return Exit::Interrupted;
    }
    match exits.split_first() {
        Some((first, rest)) if rest.iter().all(|exit| exit == first) => *first,
        Some(_) => Exit::Partial,
        None => Exit::Ok,
    }
}
