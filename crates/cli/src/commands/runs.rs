//! `orgsmith runs`

use clap::Args;
use jiff::Timestamp;
use orgsmith_core::id::{ObjectRef, OrgName, RunId};
use orgsmith_core::people::{Progress, Stage, progress};
use orgsmith_core::plan::Plan;
use orgsmith_engine::RunError;
use orgsmith_engine::load_plan;
use orgsmith_store::state::{Run, RunStatus, replay};
use serde_json::{Value, json};

use super::ending::standing;
use crate::args::Format;
use crate::error::Exit;
use crate::output::{BOLD, DIM, GREEN, RED, Table, YELLOW, styled};
use crate::session::Session;

/// Lists runs, or shows one with its steps.
#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// A run; its beginning is enough.
    run: Option<String>,
    /// Shows how far each person of the run has come: created, licensed, active, bound, numbered.
    #[arg(long, requires = "run")]
    people: bool,
    /// Only runs that wrote to this org.
    #[arg(long, value_name = "ORG")]
    org: Option<String>,
}

impl Runs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        match &self.run {
            Some(name) if self.people => people(session, &find(session, name).await?).await,
            Some(name) => one(session, &find(session, name).await?).await,
            None => self.list(session).await,
        }
    }

    async fn list(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let out = session.out;
        let org = self.org.as_deref().map(OrgName::new);
        let runs = match session.state_if_any().await? {
            Some(state) => state.runs(org.as_ref()).await?,
            None => Vec::new(),
        };
        if out.format() == Format::Json {
            out.json(&runs.iter().map(as_json).collect::<Vec<_>>())?;
        } else if runs.is_empty() {
            out.say("No runs yet.");
        } else {
            let mut table = Table::new(&[]);
            table.row(["RUN", "STATUS", "FROM", "TO", "STARTED"].map(|head| styled(BOLD, head)));
            for run in &runs {
                table.row([
                    run.id.to_string(),
                    coloured(run.status),
                    run.source.clone(),
                    run.org.to_string(),
                    time(run.created_ms),
                ]);
            }
            out.data(table.text(""))?;
        }
        Ok(Exit::Ok)
    }
}

/// Finds a run by the beginning of its id.
pub(crate) async fn find(session: &Session<'_>, name: &str) -> anyhow::Result<Run> {
    if name.is_empty() {
        let message = "which run? `orgsmith runs` lists them".to_owned();
        return Err(crate::error::Failure::Usage(message).into());
    }
    let missing = || RunError::NoSuchRun(RunId::new(name));
    let Some(state) = session.state_if_any().await? else {
        return Err(missing().into());
    };
    let runs = state.runs(None).await?;
    let mut found = runs
        .into_iter()
        .filter(|run| run.id.as_str().starts_with(name));
    match (found.next(), found.next()) {
        (Some(run), None) => Ok(run),
        (Some(_), Some(_)) => Err(crate::error::Failure::Usage(format!(
            "several runs begin with {name}; write more of it"
        ))
        .into()),
        (None, _) => Err(missing().into()),
    }
}

async fn one(session: &Session<'_>, run: &Run) -> anyhow::Result<Exit> {
    let out = session.out;
    let state = session.state().await?;
    let plan: Plan = load_plan(&*state, &run.id, &run.org).await?;
    let states = replay(&state.journal(&run.id).await?)?;
    let rows: Vec<_> = plan
        .steps
        .iter()
        .map(|step| (step, standing(states.get(&step.id))))
        .collect();
    if out.format() == Format::Json {
        let steps: Vec<Value> = rows
            .iter()
            .map(|(step, (how, reason))| {
                json!({ "step": step.id, "action": step.action, "outcome": how, "reason": reason })
            })
            .collect();
        let mut shown = as_json(run);
        shown["steps"] = steps.into();
        shown["conflicts"] = serde_json::to_value(&plan.conflicts)?;
        out.json(&shown)?;
        return Ok(Exit::Ok);
    }
    let done = rows.iter().filter(|(_, (how, _))| *how == "done").count();
    let mut text = format!(
        "{} {}\n  from {} to {}, {}, {done} of {} steps\n",
        styled(BOLD, "Run"),
        run.id,
        run.source,
        run.org,
        coloured(run.status),
        rows.len(),
    );
    text.push_str(&format!(
        "  started {}, last written {}\n  plan {}\n",
        time(run.created_ms),
        time(run.updated_ms),
        run.plan_digest
    ));
    let mut table = Table::new(&[]);
    // What is not done is what one looks for; -v shows the rest.
    for (step, (how, reason)) in &rows {
        if *how != "done" || out.verbose() > 0 {
            let style = match *how {
                "done" => GREEN,
                "planned" => DIM,
                "refused" => RED,
                _ => YELLOW,
            };
            table.row([
                styled(style, how),
                step.id.to_string(),
                reason.unwrap_or("").to_owned(),
            ]);
        }
    }
    if !table.is_empty() {
        text.push('\n');
        text.push_str(&table.text("  "));
    }
    out.data(text)?;
    Ok(Exit::Ok)
}

/// Shows how far the people of a run have come.
async fn people(session: &Session<'_>, run: &Run) -> anyhow::Result<Exit> {
    let out = session.out;
    let state = session.state().await?;
    let plan: Plan = load_plan(&*state, &run.id, &run.org).await?;
    let states = replay(&state.journal(&run.id).await?)?;
    let people = progress(session.catalogue(), &plan, &states);
    if out.format() == Format::Json {
        let mut shown = as_json(run);
        let of = |(person, progress): (&ObjectRef, &Progress)| {
            let mut shown = serde_json::to_value(progress).unwrap_or_default();
            shown["person"] = person.to_string().into();
            shown
        };
        shown["people"] = people.iter().map(of).collect();
        out.json(&shown)?;
        return Ok(Exit::Ok);
    }
    let counts = Stage::ALL.map(|stage| {
        let reached = people.values().filter(|p| p.reached >= Some(stage));
        format!("{} {}", reached.count(), stage.as_str())
    });
    let mut table = Table::new(&[]);
    // Who is not there yet is what one looks for; -v shows the rest.
    for (person, progress) in &people {
        let Some(open) = progress.open else {
            if out.verbose() > 0 {
                table.row([styled(GREEN, "done"), person.key.to_string(), String::new()]);
            }
            continue;
        };
        let reached = progress.reached.map_or("nothing", Stage::as_str);
        let why = progress
            .waiting
            .iter()
            .find_map(|(_, reason)| reason.clone());
        table.row([
            styled(YELLOW, reached),
            person.key.to_string(),
            format!(
                "not {}: {}",
                open.as_str(),
                why.unwrap_or_else(|| "not tried yet".to_owned())
            ),
        ]);
    }
    let mut text = match people.len() {
        1 => "1 person".to_owned(),
        several => format!("{several} people"),
    };
    text = format!("{}: {}\n", styled(BOLD, text), counts.join(", "));
    if people.is_empty() {
        "The run is about nobody.\n".clone_into(&mut text);
    }
    if !table.is_empty() {
        text.push_str(&table.text("  "));
    }
    out.data(text)?;
    Ok(Exit::Ok)
}

fn as_json(run: &Run) -> Value {
    json!({
        "run": run.id, "org": run.org, "source": run.source, "status": run.status.as_str(),
        "plan_digest": run.plan_digest, "created_ms": run.created_ms, "updated_ms": run.updated_ms,
    })
}

fn coloured(status: RunStatus) -> String {
    let style = match status {
        RunStatus::Done => GREEN,
        RunStatus::Failed => RED,
        RunStatus::Running | RunStatus::Partial | RunStatus::Interrupted => YELLOW,
    };
    styled(style, status)
}

/// Spells a time in UTC, to the second.
fn time(ms: u64) -> String {
    let at = i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| ms.to_string(), |at| format!("{at:.0}"))
}
