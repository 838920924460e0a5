//! `orgsmith onboard`, and the same step after every run.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use orgsmith_core::onboard::{Counts, Job, Stage};
use orgsmith_engine::{Onboarder, Pass, Secrets};
use orgsmith_store::state::RunStatus;
use serde_json::{Value, json};

use crate::args::{Carry, Format};
use crate::config::Onboarding;
use crate::error::{Exit, Failure, words};
use crate::output::{Align, BOLD, CYAN, GREEN, Out, RED, Table, YELLOW, styled};
use crate::owner;
use crate::secrets;
use crate::session::{Connected, Session};

/// Tells another system of the new users of an org, and waits until they are there.
///
/// What is asked stands under `onboard:` in the project file (docs/crm.md). Runs do this at their end for the users that they create or activate; this takes up what they left, and shows how each user stands.
#[derive(Debug, Args)]
pub(crate) struct Onboard {
    /// The org of the users.
    org: String,
    /// Begins anew with those that failed.
    #[arg(long)]
    retry_failed: bool,
    /// Only shows how each user stands.
    #[arg(long, visible_alias = "dry-run", conflicts_with_all = ["retry_failed", "wait_s"])]
    list: bool,
    /// The longest time to work and wait, in seconds; what is open then stays open.
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    wait_s: u64,
    /// Values of secrets: a YAML file of names and values, readable by you alone.
    #[arg(long, value_name = "FILE")]
    secrets_file: Option<PathBuf>,
}

impl Onboard {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let out = session.out;
        let org = session.config.org(&self.org)?.name;
        if self.list {
            let jobs = match session.state_if_any().await? {
                Some(state) => {
                    let org = orgsmith_core::id::OrgName::new(&org);
                    state.jobs(Some(&org)).await?
                }
                None => Vec::new(),
            };
            show(out, &org, &jobs)?;
            return Ok(Exit::Ok);
        }
        let Some(mut how) = onboarding(session)? else {
            return Err(Failure::Usage(
                "the project file has no `onboard:`, which says what is asked of the other system \
                 (docs/crm.md)"
                    .to_owned(),
            )
            .into());
        };
        how.patience = Duration::from_secs(self.wait_s);
        let target = session.connect(&self.org)?;
        let secrets =
            secrets::resolve(&how.setup.secrets(), self.secrets_file.as_deref(), session).await?;
        let pass = pass(session, &target, &how, &secrets, self.retry_failed).await?;
        tell_alert(out, &pass);
        show(out, &org, &pass.jobs)?;
        let counts = Counts::of(&pass.jobs);
        Ok(if counts.open() + counts.failed > 0 {
            Exit::Partial
        } else {
            Exit::Ok
        })
    }
}

/// Returns how new users are onboarded, checked as a whole.
fn onboarding(session: &Session<'_>) -> anyhow::Result<Option<Onboarding>> {
    let Some(how) = session.config.onboarding()? else {
        return Ok(None);
    };
    how.setup
        .check(session.catalogue(), how.allow_http)
        .map_err(|wrong| Failure::Usage(format!("onboard: {wrong}")))?;
    Ok(Some(how))
}

/// Refuses a project whose `onboard:` cannot work, before anything is written.
pub(super) fn check(session: &Session<'_>) -> anyhow::Result<()> {
    onboarding(session).map(|_| ())
}

async fn pass(
    session: &Session<'_>,
    target: &Connected,
    how: &Onboarding,
    secrets: &Secrets,
    again: bool,
) -> anyhow::Result<Pass> {
    let state = session.state().await?;
    let events = session.out.events();
    let pass = session
        .writing(async |stop| {
            let onboarder = Onboarder {
                org: &target.org,
                catalogue: session.catalogue(),
                state,
                owner: owner::this_process(),
                abandoned: owner::is_abandoned,
                setup: &how.setup,
                secrets,
                timeout: how.timeout,
                patience: how.patience,
                stop,
                events: &events,
            };
            onboarder.pass(again).await
        })
        .await?;
    Ok(pass)
}

/// Onboards whom a run created or activated, as far as the time goes; what went wrong is said, and
/// is no failure of the run.
///
/// Returns how the users of the org stand, where there are any.
pub(super) async fn after_run(
    session: &Session<'_>,
    target: &Connected,
    carry: &Carry,
) -> Option<Counts> {
    let out = session.out;
    let org = target.org.name.as_str();
    if !target.settings.onboards {
        return None;
    }
    let left = async {
        let state = session.state().await?;
        let jobs = state.jobs(Some(&target.org.name)).await?;
        let counts = Counts::of(&jobs);
        let runs = state.runs(Some(&target.org.name)).await?;
        // One that died may have left new users behind.
        let died = runs.iter().any(|run| run.status == RunStatus::Running);
        if carry.no_onboard || counts.open() == 0 && !died {
            return anyhow::Ok(counts);
        }
        let Some(how) = onboarding(session)? else {
            return Ok(counts);
        };
        let file = carry.secrets_file.as_deref();
        let names = how.setup.secrets();
        let secrets = secrets::resolve(&names, file, session).await?;
        let pass = pass(session, target, &how, &secrets, false).await?;
        tell_alert(out, &pass);
        Ok(Counts::of(&pass.jobs))
    };
    match left.await {
        Ok(counts) if counts == Counts::default() => None,
        Ok(counts) => {
            out.say(format!(
                "{} {}",
                styled(BOLD, "Onboarding:"),
                summary(&counts)
            ));
            if counts.open() + counts.failed > 0 {
                let retry = if counts.failed > 0 {
                    " --retry-failed"
                } else {
                    ""
                };
                let command = format!("orgsmith onboard {org}{retry}");
                out.say(format!("To go on: {}", styled(CYAN, command)));
            }
            Some(counts)
        }
        Err(error) => {
            let told = words(&error);
            out.warn(format!(
                "the new users of {org} are not onboarded yet: {}; `orgsmith onboard {org}` goes on",
                told.text
            ));
            None
        }
    }
}

fn tell_alert(out: &Out, pass: &Pass) {
    match &pass.alert {
        Some(Ok(())) => out.say("Too many failed; the alert was sent."),
        Some(Err(why)) => out.warn(format!(
            "too many failed, and the alert did not arrive: {why}"
        )),
        None => {}
    }
}

fn summary(counts: &Counts) -> String {
    let Counts {
        pending,
        requested,
        provisioned,
        failed,
    } = counts;
    let rate = counts.failure_rate() * 100.0;
    format!(
        "{provisioned} provisioned, {requested} requested, {pending} pending, {failed} failed ({rate:.1} % of those that ended)"
    )
}

/// Shows how each user stands.
fn show(out: &Out, org: &str, jobs: &[Job]) -> anyhow::Result<()> {
    let counts = Counts::of(jobs);
    let result = json!({
        "event": "onboarding", "org": org, "counts": counts,
        "failure_rate": counts.failure_rate(), "users": jobs.iter().map(row).collect::<Vec<_>>(),
    });
    out.record(&result);
    if out.format() == Format::Json {
        return out.json(&result);
    }
    if jobs.is_empty() {
        return out.data(format!("No user of {org} is to be onboarded."));
    }
    let mut table = Table::new(&[Align::Left, Align::Left, Align::Right]);
    let head = ["user", "stage", "tries", "external id", "what went wrong"];
    table.row(head.map(|word| styled(BOLD, word)));
    for job in jobs {
        let style = match job.stage {
            Stage::Provisioned => GREEN,
            Stage::Failed => RED,
            Stage::Pending | Stage::Requested => YELLOW,
        };
        table.row([
            job.user.key.parts().join("/"),
            styled(style, job.stage),
            job.attempts.to_string(),
            job.external.clone().unwrap_or_default(),
            job.error.clone().unwrap_or_default(),
        ]);
    }
    out.data(format!("{}{}", table.text(""), summary(&counts)))
}

fn row(job: &Job) -> Value {
    let Job {
        org: _,
        user,
        id,
        run,
        round,
        stage,
        attempts,
        error,
        external,
        next_ms,
        since_ms,
    } = job;
    json!({
        "user": user, "id": id, "run": run, "round": round, "stage": stage.as_str(),
        "attempts": attempts, "error": error, "external_id": external, "next_ms": next_ms,
        "since_ms": since_ms,
    })
}
