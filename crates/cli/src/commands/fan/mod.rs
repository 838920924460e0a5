//! A clone into many orgs: in parallel, wave after wave, and one result.
//!
//! Each target has its own client, and so its own tokens and quota, its own lock, run and journal;
//! what fails in one is a line of the summary and no reason to end the others. The plans of a wave
//! are approved together. The next wave starts only when every org of this one is as it was wanted.

mod summary;
mod waves;

use clap::Args;
use futures::stream::{self, StreamExt};
use orgsmith_core::journal::StepState;
use orgsmith_core::plan::{Action, Plan};
use orgsmith_core::verify::Verdict;
use orgsmith_engine::{Finished, Stop, chain};
use serde_json::json;

use self::summary::Report;
use self::waves::{Labels, Wave, labels};
use super::preflight::{self, Room};
use super::road::Approved;
use super::{ending, onboard, road, verify};
use crate::args::{Carry, Format, Shape};
use crate::error::{Exit, Failure, count, words};
use crate::output::{Align, BOLD, CYAN, DIM, Out, RED, Table, YELLOW, styled};
use crate::secrets::Ask;
use crate::session::{Connected, Session};
use crate::source::Wanted;

/// How several orgs are written to.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Several targets")]
pub(crate) struct Fan {
    /// Adds the orgs with this label: key=value, with commas where all must hold (again for more;
    /// `*` is any value).
    #[arg(long, value_name = "KEY=VALUE", value_parser = labels)]
    to_label: Vec<Labels>,
    /// Writes wave after wave, as the label `wave` of the orgs says; `rest` is every other org. A wave
    /// that is not as wanted ends it.
    #[arg(long, value_name = "WAVE,…", value_delimiter = ',')]
    waves: Vec<String>,
    /// Orgs that are worked on at once.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    targets_at_once: u16,
}

impl Fan {
    /// Returns the one org that is meant, where it is named and no others can be.
    pub(crate) fn only<'n>(&self, named: &'n [String]) -> Option<&'n String> {
        match named {
            [name] if self.to_label.is_empty() && self.waves.is_empty() => Some(name),
            _ => None,
        }
    }

    /// Says which orgs are meant, in which order.
    ///
    /// # Errors
    /// A name, a label or a wave that nothing answers to.
    pub(crate) fn course(
        &self,
        session: &Session<'_>,
        named: &[String],
        source: &str,
    ) -> anyhow::Result<Course> {
        let config = &session.config;
        let targets = waves::targets(config, named, &self.to_label, source)?;
        let names: Vec<String> = self.waves.iter().map(|name| name.trim().into()).collect();
        Ok(Course {
            waves: waves::waves(config, targets, &names)?,
            at_once: self.targets_at_once.into(),
        })
    }
}

/// Which orgs are written to, wave after wave.
pub(crate) struct Course {
    waves: Vec<Wave>,
    at_once: usize,
}

impl Course {
    /// Returns the names of the orgs, in the order in which they are written to.
    pub(crate) fn orgs(&self) -> Vec<&str> {
        let orgs = self.waves.iter().flat_map(|wave| &wave.orgs);
        orgs.map(String::as_str).collect()
    }
}

/// An org whose plan may be carried out.
struct Ready {
    target: Connected,
    approved: Approved,
}

/// One org of several, and how it is spoken of.
struct Lane {
    report: Report,
    out: Out,
}

/// What the lanes of a clone share.
pub(crate) struct Trip<'t> {
    pub(crate) session: &'t Session<'t>,
    pub(crate) wanted: &'t Wanted,
    pub(crate) carry: &'t Carry,
    pub(crate) shape: &'t Shape,
    pub(crate) room: (&'t Room, bool),
    pub(crate) verify: bool,
}

impl Trip<'_> {
    fn ask(&self) -> Ask<'_> {
        let (room, ignored) = self.room;
        Ask {
            seats: room.seats(ignored),
            ..self.shape.ask(self.carry.secrets_file.as_deref())
        }
    }

    /// Clones into every org of every wave, as far as the waves go.
    pub(crate) async fn go(&self, course: Course) -> anyhow::Result<Exit> {
        // Ctrl-C ends what is under way and then tells what came of it, whatever it interrupts.
        let all = async |stop: Stop| {
            let reports = self.all(&course, &stop).await?;
            anyhow::Ok((reports, stop.is_asked()))
        };
        let (reports, stopped) = self.session.writing(all).await?;
        self.tell(&reports, stopped)
    }

    async fn all(&self, course: &Course, stop: &Stop) -> anyhow::Result<Vec<Report>> {
        let out = self.session.out;
        let orgs = course.waves.iter().flat_map(|wave| &wave.orgs);
        let width = orgs.map(|org| org.chars().count()).max().unwrap_or(0);
        let mut reports = Vec::new();
        let mut gate_is_open = true;
        for (number, wave) in course.waves.iter().enumerate() {
            let lanes = wave.orgs.iter().map(|org| Lane {
                report: Report::new(org, wave.name.as_deref()),
                out: out.of(org, width),
            });
            if !gate_is_open {
                reports.extend(lanes.map(|lane| lane.report));
                continue;
            }
            let name = wave.name.as_deref().unwrap_or("all");
            out.record(&json!({ "event": "wave_started", "wave": name, "orgs": wave.orgs }));
            let title = match &wave.name {
                Some(name) => format!("Wave {name} ({} of {})", number + 1, course.waves.len()),
                None => "Plans".to_owned(),
            };
            let lanes = lanes.collect();
            let (done, approved) = self.wave(lanes, &title, course.at_once, stop).await?;
            let failed = done.iter().filter(|report| !report.is_healthy()).count();
            out.record(&json!({ "event": "wave_ended", "wave": name, "failed": failed }));
            reports.extend(done);
            let why = if stop.is_asked() {
                "Ctrl-C".to_owned()
            } else if approved {
                format!(
                    "the wave {name} is not as wanted in {}",
                    count(failed, "org")
                )
            } else {
                format!("the wave {name} was not approved")
            };
            gate_is_open = approved && failed == 0 && !stop.is_asked();
            let next: Vec<&str> = course.waves[number + 1..]
                .iter()
                .flat_map(|wave| wave.orgs.iter().map(String::as_str))
                .collect();
            if !gate_is_open && !next.is_empty() {
                out.say(format!(
                    "{} {why}; no wave after it starts; not touched: {}",
                    styled(RED.bold(), "stopped:"),
                    next.join(", ")
                ));
            }
        }
        Ok(reports)
    }

    /// Plans, asks once, writes and proves; tells besides whether it was approved.
    async fn wave(
        &self,
        lanes: Vec<Lane>,
        title: &str,
        at_once: usize,
        stop: &Stop,
    ) -> anyhow::Result<(Vec<Report>, bool)> {
        let mut planned: Vec<(usize, Lane, Option<Ready>)> =
            stream::iter(lanes.into_iter().enumerate())
                .map(async |(index, lane)| {
                    let (lane, ready) = self.prepare(lane, stop).await;
                    (index, lane, ready)
                })
                .buffer_unordered(at_once)
                .collect()
                .await;
        planned.sort_by_key(|(index, ..)| *index);
        let mut lanes: Vec<(Lane, Option<Ready>)> = planned
            .into_iter()
            .map(|(_, lane, ready)| (lane, ready))
            .collect();
        self.show(title, &lanes);
        let approved = self.approve(&mut lanes, stop).await?;
        if !approved {
            let reports = lanes.into_iter().map(|(lane, _)| lane.report);
            return Ok((reports.collect(), false));
        }
        let mut done: Vec<(usize, Report)> = stream::iter(lanes.into_iter().enumerate())
            .map(async |(index, (lane, ready))| {
                let report = match ready {
                    Some(ready) => self.carry_out(lane, ready, stop).await,
                    None => lane.report,
                };
                (index, report)
            })
            .buffer_unordered(at_once)
            .collect()
            .await;
        done.sort_by_key(|(index, _)| *index);
        Ok((done.into_iter().map(|(_, report)| report).collect(), true))
    }

    /// Plans for an org; what fails is in its report.
    async fn prepare(&self, mut lane: Lane, stop: &Stop) -> (Lane, Option<Ready>) {
        let session = self.session.speaking(&lane.out);
        let name = lane.report.org.clone();
        let ready = until_stopped(stop, async {
            let target = session.connect(&name)?;
            let planned = road::plan(&session, self.wanted, &target, false, self.ask()).await?;
            road::note(session.out, &planned.plan);
            preflight::pass(&session, self.wanted, &planned, &target, self.room).await?;
            let (checked, source_ids) = planned.into_checked(session.out, self.carry.force)?;
            // Nobody is asked in vain.
            road::resolve(&session, &checked, self.carry).await?;
            Ok(Ready {
                target,
                approved: Approved {
                    checked,
                    source_ids,
                    by_person: !self.carry.yes,
                },
            })
        })
        .await;
        match ready {
            Ok(ready) => {
                lane.report.planned = Some(ready.approved.checked.plan().steps.len());
                (lane, Some(ready))
            }
            Err(error) => {
                lane.report = self.failed(lane.report, &lane.out, &error);
                (lane, None)
            }
        }
    }

    /// Shows what would be done, a line for each org.
    fn show(&self, title: &str, lanes: &[(Lane, Option<Ready>)]) {
        let out = self.session.out;
        let right = [Align::Right; 7];
        let mut table = Table::new(&[&[Align::Left], &right[..]].concat());
        let head = [
            "org",
            "create",
            "restore",
            "update",
            "link",
            "conflicts",
            "calls",
            "minutes",
        ];
        table.row(head.map(|word| styled(DIM, word)));
        for (lane, ready) in lanes {
            let org = lane.report.org.clone();
            let Some(ready) = ready else {
                table.row([org, styled(RED, lane.report.verdict)]);
                continue;
            };
            let plan = ready.approved.checked.plan();
            let of = |action| steps(plan, action).to_string();
            table.row([
                org,
                of(Action::Create),
                of(Action::Adopt),
                of(Action::Update),
                of(Action::Link),
                plan.conflicts.len().to_string(),
                plan.estimate.calls.to_string(),
                format!("{:.1}", plan.estimate.minutes),
            ]);
            if out.verbose() > 0 {
                road::show_before_asking(&lane.out, plan, &ready.target);
            }
        }
        let orgs = count(lanes.len(), "org");
        out.say(format!("{}: {orgs}", styled(BOLD, title)));
        out.say(table.text("  ").trim_end());
    }

    /// Asks once for all orgs of a wave, and by its name for each that is protected.
    ///
    /// # Errors
    /// Nobody can be asked.
    async fn approve(
        &self,
        lanes: &mut [(Lane, Option<Ready>)],
        stop: &Stop,
    ) -> anyhow::Result<bool> {
        let out = self.session.out;
        if stop.is_asked() {
            return Ok(false);
        }
        let writes = |ready: &Ready| !ready.approved.checked.plan().is_empty();
        let carry = self.carry;
        let asked = |protected: bool| {
            move |(lane, ready): &&mut (Lane, Option<Ready>)| {
                ready.as_ref().is_some_and(|ready| {
                    writes(ready)
                        && ready.target.settings.protected == protected
                        && !carry.approves(&lane.report.org, protected)
                })
            }
        };
        let ask = async |question: String| {
            let question = styled(BOLD, question);
            match until_stopped(stop, out.ask(&question)).await {
                // Who stops it has not said yes.
                Err(_) if stop.is_asked() => Ok(String::new()),
                Err(error) => Err(error),
                Ok(Some(answer)) => Ok(answer),
                // The others were approved in advance; this one is left out.
                Ok(None) if carry.yes => Ok(String::new()),
                Ok(None) => Err(anyhow::Error::new(Failure::NobodyToAsk)),
            }
        };
        let refuse = |lane: &mut Lane, ready: &mut Option<Ready>| {
            *ready = None;
            lane.report.verdict = "not approved";
            lane.report.exit = Some(Exit::Refused);
        };
        let open: Vec<String> = lanes
            .iter_mut()
            .filter(asked(false))
            .map(|(lane, _)| lane.report.org.clone())
            .collect();
        if !open.is_empty() {
            let orgs = open.join(", ");
            let question = format!("Write this to {orgs}? Only \"yes\" is taken as consent:");
            if ask(question).await? != "yes" {
                if stop.is_asked() {
                    return Ok(false);
                }
                for (lane, ready) in lanes {
                    if ready.is_some() {
                        refuse(lane, ready);
                    }
                }
                return Ok(false);
            }
        }
        // Each of the others is asked for alone, and refused alone.
        for (lane, ready) in lanes.iter_mut().filter(asked(true)) {
            let org = lane.report.org.clone();
            let question = format!("{org} is protected. Type its name to go on:");
            let answer = ask(question).await?;
            if stop.is_asked() {
                return Ok(false);
            }
            if answer != org {
                if carry.yes {
                    out.warn(format!(
                        "{org} is protected, and was not confirmed: --yes --confirm {org}"
                    ));
                }
                refuse(lane, ready);
            }
        }
        Ok(true)
    }

    /// Writes to an org, and proves it with a second plan; what fails is in its report.
    async fn carry_out(&self, lane: Lane, ready: Ready, stop: &Stop) -> Report {
        let Lane { report, out } = lane;
        let session = self.session.speaking(&out);
        let Ready { target, approved } = ready;
        let plan = approved.checked.plan();
        let finished = if plan.is_empty() {
            None
        } else if stop.is_asked() {
            return report;
        } else {
            let carry = self.carry;
            match road::start(&session, &approved, &target, carry).await {
                Ok(finished) => Some(finished),
                Err(error) => return self.failed(report, &out, &error),
            }
        };
        let report = finished_report(&out, report, plan, finished.as_ref());
        drop(approved);
        // An org that ended the run early says why better than a second failure would.
        let mut report = match finished {
            // It was cut short: `resume` goes on.
            Some(Finished { outcome, .. }) if outcome.is_cut_short() => return report,
            Some(_) if report.error.is_none() => self.prove(&session, report, &target, stop).await,
            _ => report,
        };
        if !stop.is_asked() {
            report.onboarding = onboard::after_run(&session, &target, self.carry).await;
        }
        report
    }

    async fn prove(
        &self,
        session: &Session<'_>,
        mut report: Report,
        target: &Connected,
        stop: &Stop,
    ) -> Report {
        let out = session.out;
        // What was asked to be sent again has been sent.
        let ask = Ask {
            write: &[],
            ..self.ask()
        };
        let again = verify::prove(session, self.wanted, target, ask, self.verify);
        let (left, checkup) = match until_stopped(stop, again).await {
            Ok((again, checkup)) => (again.plan.steps.len(), checkup),
            Err(error) => {
                let told = words(&error);
                let all_done = report.exit == Some(Exit::Ok);
                // The run's own end says more than that its proof was stopped.
                return if told.exit == Exit::Interrupted && !all_done {
                    report
                } else {
                    let text = format!("it could not be planned again: {}", told.text);
                    Report {
                        verdict: "not proved",
                        exit: Some(told.exit),
                        error: Some(text),
                        hint: told.hint,
                        ..report
                    }
                };
            }
        };
        out.record(&json!({ "event": "proof", "org": target.org.name, "differences": left }));
        report.left = Some(left);
        if left > 0 && report.exit == Some(Exit::Ok) {
            report.exit = Some(Exit::Partial);
            report.verdict = "differs";
        }
        let Some(checkup) = checkup else {
            return report;
        };
        // That it cannot be told takes nothing from what was done.
        let verified = verify::after_clone(session, target, &checkup);
        report.verified = match until_stopped(stop, verified).await {
            Ok(checked) => Some(checked.verdict()),
            Err(error) => {
                out.warn(format!("it could not be verified: {}", words(&error).text));
                None
            }
        };
        if report.verified == Some(Verdict::Fail) && report.exit == Some(Exit::Ok) {
            report.exit = Some(Exit::Partial);
            report.verdict = "does not work";
        }
        report
    }

    fn failed(&self, report: Report, out: &Out, error: &anyhow::Error) -> Report {
        let told = words(error);
        out.record(&json!({ "event": "failed", "message": told.text, "exit": told.exit.code() }));
        report.fails(told)
    }

    /// Says what came of all, and returns the exit code.
    fn tell(&self, reports: &[Report], stopped: bool) -> anyhow::Result<Exit> {
        let out = self.session.out;
        let mut exit = summary::worst(reports);
        if stopped && exit != Exit::Ok {
            exit = Exit::Interrupted;
        }
        if self.wanted.failed_reads > 0 && exit == Exit::Ok {
            exit = Exit::Partial;
        }
        let source = &self.wanted.bundle.source.org_name;
        let result = json!({
            "event": "summary", "source": source, "exit": exit.code(), "targets": reports,
        });
        out.record(&result);
        if out.format() == Format::Json {
            out.json(&result)?;
        } else {
            out.data(summary::table(reports))?;
        }
        for line in summary::advice(reports) {
            out.say(line);
        }
        let healthy = reports.iter().filter(|report| report.is_healthy()).count();
        let style = if healthy == reports.len() {
            CYAN
        } else {
            YELLOW
        };
        out.say(format!(
            "{} of {} as in {source}",
            styled(style, healthy),
            count(reports.len(), "org")
        ));
        Ok(exit)
    }
}

fn finished_report(out: &Out, report: Report, plan: &Plan, finished: Option<&Finished>) -> Report {
    let ending::Conclusion { exit, result } = ending::conclusion(plan, finished);
    let Some(Finished {
        run,
        status,
        outcome,
    }) = finished
    else {
        return Report {
            left: Some(0),
            verdict: if exit == Exit::Ok {
                "equal"
            } else {
                "conflicts"
            },
            exit: Some(exit),
            result,
            ..report
        };
    };
    out.record(&result);
    ending::tell_end(out, outcome);
    let done = outcome.done();
    let refused =
        |state: &&StepState| matches!(state, StepState::Refused { .. } | StepState::Unknown { .. });
    let verdict = match exit {
        Exit::Ok => "equal",
        _ if done < plan.steps.len() => status.as_str(),
        _ => "conflicts",
    };
    Report {
        done,
        failed: outcome.states.values().filter(refused).count(),
        verdict,
        exit: Some(exit),
        run: Some(run.to_string()),
        error: outcome.error.as_ref().map(|error| chain(error)),
        result,
        ..report
    }
}

fn steps(plan: &Plan, action: Action) -> usize {
    let steps = plan.steps.iter();
    steps.filter(|step| step.action == action).count()
}

/// Ends reading, or waiting for a person, when somebody asks to stop: nothing is being written.
async fn until_stopped<T>(
    stop: &Stop,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::select! {
        biased;
        result = work => result,
        () = stop.asked() => Err(Failure::Interrupted.into()),
    }
}
