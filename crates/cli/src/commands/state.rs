//! `orgsmith state`

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use orgsmith_engine::{RunError, now_ms};
use orgsmith_store::state::{
    About, Backup, Examination, Finding, Holdings, Row, State as Store, write_backup,
};
use serde_json::json;

use crate::args::Format;
use crate::error::{Exit, count};
use crate::output::{BOLD, DIM, RED, Table, styled};
use crate::owner;
use crate::session::Session;

/// Looks after the state: where runs, journals, ids and locks are remembered.
#[derive(Debug, Args)]
pub(crate) struct State {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Writes everything into one file, which any state takes in again.
    Backup {
        /// The file; an older one is replaced once the new one is whole.
        file: PathBuf,
    },
    /// Takes a backup in: all of it or nothing. Also the way from one place to another.
    Restore {
        /// The file.
        file: PathBuf,
        /// Also into a state that holds something: everything that is there is lost.
        #[arg(long)]
        replace: bool,
    },
    /// Brings the state up to date with this orgsmith, which opening it does as well.
    Migrate,
    /// Looks for what cannot be, and for what waits for somebody.
    Doctor,
}

impl State {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        match &self.what {
            What::Backup { file } => backup(session, file).await,
            What::Restore { file, replace } => restore(session, file, *replace).await,
            What::Migrate => migrate(session).await,
            What::Doctor => doctor(session).await,
        }
    }
}

async fn existing(session: &Session<'_>) -> anyhow::Result<std::sync::Arc<dyn Store>> {
    let state = session.state_if_any().await?;
    state.with_context(|| format!("there is no state at {} yet", session.state_place()))
}

async fn backup(session: &Session<'_>, file: &Path) -> anyhow::Result<Exit> {
    let out = session.out;
    let state = existing(session).await?;
    let rows = write_backup(&*state, file, env!("CARGO_PKG_VERSION"), now_ms()).await?;
    if out.format() == Format::Json {
        out.json(&json!({ "file": file, "place": state.place(), "rows": rows }))?;
    } else {
        out.say(format!(
            "{} of {} are in {}.",
            rows_of(rows),
            state.place(),
            file.display()
        ));
    }
    Ok(Exit::Ok)
}

async fn restore(session: &Session<'_>, file: &Path, replace: bool) -> anyhow::Result<Exit> {
    let out = session.out;
    // What is no backup makes no state.
    let mut backup = Backup::open(file)?;
    let head = backup.head().clone();
    let state = session.state().await?;
    if replace {
        nobody_writes(&*state).await?;
    }
    state.load(&mut backup, replace).await?;
    let rows = backup.rows();
    if out.format() == Format::Json {
        out.json(&json!({
            "file": file, "place": state.place(), "rows": rows,
            "made_by": head.made_by, "made_ms": head.made_ms, "from": head.place,
        }))?;
    } else {
        out.say(format!(
            "{} of {}, as of {}, are in {}. Whoever held a lock has lost it.",
            rows_of(rows),
            head.place,
            time(head.made_ms),
            state.place()
        ));
    }
    Ok(Exit::Ok)
}

/// Refuses while somebody holds a lock: what has just been written to an org would be forgotten.
async fn nobody_writes(state: &dyn Store) -> anyhow::Result<()> {
    let now = now_ms();
    let mut held = None;
    let mut sink = |row| {
        if let Row::Lease {
            org,
            owner: Some(owner),
            expires_ms,
            ..
        } = row
            && expires_ms > now
            && !owner::is_abandoned(&owner)
        {
            let seconds = (expires_ms - now).div_ceil(1000);
            held = Some(RunError::Locked {
                org,
                owner,
                seconds,
            });
        }
        Ok(())
    };
    // One that is too damaged to tell may be replaced.
    let told = state.dump(&mut sink).await;
    match held {
        Some(held) => Err(held.into()),
        None => {
            if let Err(error) = told {
                tracing::warn!(%error, "whether somebody holds a lock is not known");
            }
            Ok(())
        }
    }
}

async fn migrate(session: &Session<'_>) -> anyhow::Result<Exit> {
    let out = session.out;
    let state = existing(session).await?;
    let About { version, found, .. } = state.about().await?;
    let place = state.place();
    if out.format() == Format::Json {
        out.json(&json!({ "place": place, "found": found, "version": version }))?;
    } else if found == version {
        out.say(format!(
            "{place} has version {version}, the newest; nothing was to be done."
        ));
    } else if found == 0 {
        out.say(format!("{place} was empty; it has version {version} now."));
    } else {
        out.say(format!(
            "{place} had version {found}; it has version {version} now."
        ));
    }
    Ok(Exit::Ok)
}

async fn doctor(session: &Session<'_>) -> anyhow::Result<Exit> {
    let state = existing(session).await?;
    let About { version, wrong, .. } = state.about().await?;
    let broken = |what: String| Finding {
        wrong: true,
        what,
        advice: "restore a backup: `orgsmith state restore FILE` into a new place".to_owned(),
    };
    let mut findings: Vec<Finding> = wrong.into_iter().map(broken).collect();
    let mut examination = Examination::new();
    let mut sink = |row| {
        examination.see(row);
        Ok(())
    };
    if let Err(error) = state.dump(&mut sink).await {
        findings.push(broken(error.to_string()));
    }
    let (found, holdings) = examination.end(now_ms());
    findings.extend(found);
    let ill = findings.iter().any(|finding| finding.wrong);
    show(session, &*state, version, &findings, &holdings)?;
    Ok(if ill { Exit::Error } else { Exit::Ok })
}

fn show(
    session: &Session<'_>,
    state: &dyn Store,
    version: u64,
    findings: &[Finding],
    holdings: &Holdings,
) -> anyhow::Result<()> {
    let out = session.out;
    let Holdings {
        runs,
        records,
        mappings,
        pins,
        snapshots,
        jobs,
        settings,
    } = holdings;
    if out.format() == Format::Json {
        let findings: Vec<_> = findings
            .iter()
            .map(
                |Finding {
                     wrong,
                     what,
                     advice,
                 }| { json!({ "wrong": wrong, "what": what, "advice": advice }) },
            )
            .collect();
        return out.json(&json!({
            "place": state.place(), "version": version, "findings": findings,
            "holds": {
                "runs": runs, "records": records, "mappings": mappings, "pins": pins,
                "snapshots": snapshots, "jobs": jobs, "settings": settings,
            },
        }));
    }
    let mut text = format!(
        "{} {}\n  version {version}, the newest\n  {}, {}, {}, {}, {}\n",
        styled(BOLD, "State"),
        state.place(),
        count(*runs, "run"),
        count(*records, "record"),
        count(*mappings, "id"),
        count(*snapshots, "snapshot"),
        count(*jobs, "onboarding"),
    );
    let mut table = Table::new(&[]);
    for Finding {
        wrong,
        what,
        advice,
    } in findings
    {
        let sign = if *wrong {
            styled(RED, "wrong")
        } else {
            styled(DIM, "note")
        };
        table.row([sign, what.clone()]);
        table.row([String::new(), styled(DIM, format!("→ {advice}"))]);
    }
    if !table.is_empty() {
        text.push('\n');
        text.push_str(&table.text("  "));
    }
    if !findings.iter().any(|finding| finding.wrong) {
        text.push_str("\n  Nothing is wrong.\n");
    }
    out.data(text)
}

fn rows_of(rows: u64) -> String {
    count(usize::try_from(rows).unwrap_or(usize::MAX), "row")
}

fn time(at_ms: u64) -> String {
    let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(at_ms).map_or_else(|_| "?".to_owned(), |at| at.to_string())
}
