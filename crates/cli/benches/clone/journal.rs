//! How fast intentions are written down: nothing is sent before that is done.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use orgsmith_core::id::{OrgName, RunId, StepId};
use orgsmith_core::journal::{Entry, Record};
use orgsmith_store::state::{Acquired, Lease, Objects, Owner, Run, RunStatus, Sql, State};
use tempfile::TempDir;

use crate::table::Table;

/// The hour during which the lock is good.
const HOUR_MS: u64 = 3_600_000;

/// Names a PostgreSQL to measure as well: `postgres://user@host/database`, with `PGPASSWORD`.
const POSTGRES: &str = "ORGSMITH_BENCH_POSTGRES";

pub async fn measure() -> anyhow::Result<()> {
    let mut table = Table::new([
        "state",
        "writers",
        "entries",
        "seconds",
        "µs an entry",
        "a second",
    ]);
    let mut row = |place: &str, writers: usize, entries: usize, time: Duration| {
        let seconds = time.as_secs_f64();
        table.row([
            place.to_owned(),
            writers.to_string(),
            entries.to_string(),
            format!("{seconds:.2}"),
            format!("{:.0}", seconds * 1e6 / entries as f64),
            format!("{:.0}", entries as f64 / seconds),
        ]);
    };
    row("least: a line, synced", 1, 1000, synced(1000)?);
    let database = std::env::var(POSTGRES).ok();
    for (place, writers, each) in [
        ("SQLite", 1, 2000),
        ("SQLite", 64, 250),
        ("PostgreSQL", 1, 2000),
        ("PostgreSQL", 64, 250),
        ("file log", 1, 500),
        ("file log", 64, 50),
    ] {
        let dir = TempDir::new()?;
        let state: Arc<dyn State> = match (place, &database) {
            ("SQLite", _) => Arc::new(Sql::sqlite(&dir.path().join("state.db")).await?),
            ("PostgreSQL", None) => continue,
            ("PostgreSQL", Some(address)) => Arc::new(Sql::postgres(address).await?),
            _ => Arc::new(Objects::open(&format!("file://{}/log", dir.path().display())).await?),
        };
        let time = append(&state, writers, each).await?;
        row(place, writers, writers * each, time);
    }
    table.print("Journal: entries synced to disk before their requests leave");
    Ok(())
}

/// Writes lines to a file, each of which is on the disk before the next.
fn synced(lines: usize) -> anyhow::Result<Duration> {
    let mut file = tempfile::tempfile()?;
    let begin = Instant::now();
    for _ in 0..lines {
        file.write_all(&[b'.'; 100])?;
        file.sync_data()?;
    }
    Ok(begin.elapsed())
}

async fn append(state: &Arc<dyn State>, writers: usize, each: usize) -> anyhow::Result<Duration> {
    // A database may have been measured before.
    let name = format!("{}-{writers}", std::process::id());
    let org = OrgName::new(&name);
    let lease = match state
        .acquire(&org, &Owner::new("bench"), HOUR_MS, 0)
        .await?
    {
        Acquired::Lease(lease) => lease,
        Acquired::Held { .. } => bail!("a new state has a lock"),
    };
    let run = RunId::new(&name);
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
