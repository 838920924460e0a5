//! How fast intentions are written down: nothing is sent before that is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use orgsmith_core::id::{OrgName, RunId, StepId};
use orgsmith_core::journal::{Entry, Record};
use orgsmith_store::state::{Acquired, Lease, Owner, Run, RunStatus, Sql, State};
use tempfile::TempDir;

use crate::table::Table;

/// The hour during which the lock is good.
const HOUR_MS: u64 = 3_600_000;

pub async fn measure() -> anyhow::Result<()> {
    let mut table = Table::new(["writers", "entries", "seconds", "a second"]);
    for (writers, each) in [(1, 2000), (64, 250)] {
        let dir = TempDir::new()?;
        let state: Arc<dyn State> = Arc::new(Sql::sqlite(&dir.path().join("state.db")).await?);
        let time = append(&state, writers, each).await?;
        let entries = writers * each;
        table.row([
            writers.to_string(),
            entries.to_string(),
            format!("{:.2}", time.as_secs_f64()),
            format!("{:.0}", entries as f64 / time.as_secs_f64()),
        ]);
    }
    table.print("Journal: entries synced to disk, SQLite");
    Ok(())
}

async fn append(state: &Arc<dyn State>, writers: usize, each: usize) -> anyhow::Result<Duration> {
    let org = OrgName::new("target");
    let lease = match state
        .acquire(&org, &Owner::new("bench"), HOUR_MS, 0)
        .await?
    {
        Acquired::Lease(lease) => lease,
        Acquired::Held { .. } => bail!("a new state has a lock"),
    };
    let run = RunId::new("bench");
    let head = Run {
        id: run.clone(),
        org,
        source: "source".to_owned(),
        plan_digest: String::new(),
        created_ms: 0,
        updated_ms: 0,
        status: RunStatus::Running,
    };
    state.create_run(&lease, &head, "{}").await?;
    let begin = Instant::now();
    let tasks = (0..writers).map(|writer| {
        let (state, lease, run) = (state.clone(), lease.clone(), run.clone());
        tokio::spawn(write(state, lease, run, writer, each))
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.context("a writer ended early")??;
    }
    Ok(begin.elapsed())
}

async fn write(
    state: Arc<dyn State>,
    lease: Lease,
    run: RunId,
    writer: usize,
    each: usize,
) -> Result<(), orgsmith_store::state::Error> {
    for step in 0..each {
        let record = Record {
            run: run.clone(),
            step: StepId::new(&format!("{writer}-{step}")),
            entry: Entry::Intent { attempt: 1 },
        };
        state.append(&lease, std::slice::from_ref(&record)).await?;
    }
    Ok(())
}
