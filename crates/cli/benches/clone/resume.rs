//! How long it takes to take up a run of fifty thousand steps.

use std::fs;

use anyhow::{Context, ensure};
use orgsmith_core::bundle::Bundle;
use orgsmith_core::document::{Files, Portable};
use orgsmith_core::id::{OrgName, RunId, StepId, TargetId};
use orgsmith_core::journal::{Entry, Record};
use orgsmith_core::plan::Plan;
use orgsmith_sim::{Config, Limits, Sim};
use orgsmith_store::bundle::write_zip;
use orgsmith_store::state::{Acquired, Owner, Run, RunStatus, Sql, State};
use serde_json::json;

use crate::lab::{Lab, TARGET};
use crate::table::Table;

const STEPS: usize = 50_000;
/// Steps that were announced, and about which nothing else is known.
const IN_DOUBT: usize = 10;

pub async fn measure() -> anyhow::Result<()> {
    let mut table = Table::new(["left", "in doubt", "seconds", "calls", "peak MB"]);
    for left in [0, IN_DOUBT, 1_000] {
        let mut config = Config::with_orgs([TARGET]);
        config.limits = Limits::none();
        let lab = Lab::around(Sim::start(config).await?, &[TARGET.to_owned()])?;
        let run = interrupted(&lab, left).await?;
        let before = lab.sim.ledger().len();
        let taken = lab.run(&["resume", &run, "--parallelism", "40"])?;
        let made = lab.sim.objects(TARGET, "skill").len();
        ensure!(made == left, "{made} of {left} were made");
        table.row([
            left.to_string(),
            left.min(IN_DOUBT).to_string(),
            format!("{:.1}", taken.time.as_secs_f64()),
            (lab.sim.ledger().len() - before).to_string(),
            taken.peak_mb.to_string(),
        ]);
    }
    table.print("Resume: a run of 50,000 steps");
    Ok(())
}

/// Leaves a run behind of which so many steps are not done, as if the program had been killed.
async fn interrupted(lab: &Lab, left: usize) -> anyhow::Result<String> {
    let mut bundle = Bundle::default();
    for at in 0..STEPS {
        let name = format!("Skill {at:05}");
        let body = json!({ "name": name });
        bundle.insert(Portable {
            object: format!("routing_skill/{name}").parse()?,
            body: body.as_object().cloned().context("an object")?,
            files: Files::new(),
        });
    }
    write_zip(&bundle, &lab.path("skills.zip"))?;
    lab.run(&["plan", "skills.zip", "--to", TARGET, "--out", "plan.json"])?;
    let text = fs::read_to_string(lab.path("plan.json"))?;
    let plan: Plan = serde_json::from_str(&text)?;
    ensure!(plan.steps.len() == STEPS, "{} steps", plan.steps.len());

    let folder = lab.path(".orgsmith");
    fs::create_dir_all(&folder)?;
    let state = Sql::sqlite(&folder.join("state.db")).await?;
    let org = OrgName::new(TARGET);
    let Acquired::Lease(lease) = state.acquire(&org, &Owner::new("bench"), 60_000, 0).await? else {
        anyhow::bail!("a new state has a lock");
    };
    let id = "00000000-0000-4000-8000-000000000001";
    let run = RunId::new(id);
    let head = Run {
        id: run.clone(),
        org,
        source: "skills.zip".to_owned(),
        plan_digest: plan.digest(),
        created_ms: 1,
        updated_ms: 1,
        status: RunStatus::Interrupted,
    };
    state.create_run(&lease, &head, &text).await?;
    let record = |step: &StepId, entry| Record {
        run: run.clone(),
        step: step.clone(),
        entry,
    };
    let mut records = Vec::with_capacity(2 * STEPS);
    for (at, step) in plan.steps.iter().enumerate() {
        if at < STEPS - left + left.min(IN_DOUBT) {
            records.push(record(&step.id, Entry::Intent { attempt: 1 }));
        }
        if at < STEPS - left {
            let id = Some(TargetId::new(&format!("s-{at}")));
            records.push(record(
                &step.id,
                Entry::Done {
                    id,
                    version: Some(1),
                },
            ));
        }
    }
    for some in records.chunks(1_000) {
        state.append(&lease, some).await?;
    }
    state.release(&lease).await?;
    Ok(id.to_owned())
}
