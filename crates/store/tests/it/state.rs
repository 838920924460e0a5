//! The conformance suite on every backend, and what only a file can show.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use orgsmith_core::id::{OrgName, RunId, StepId};
use orgsmith_core::journal::{Entry, Record};
use orgsmith_store::state::{
    Acquired, Error, Lease, Memory, Owner, Run, RunStatus, Sql, State, conformance,
};
use sqlx::Connection;
use tempfile::TempDir;

use crate::bundle::dir;

#[tokio::test]
async fn memory_conforms() {
    conformance::check(|| async { Arc::new(Memory::new()) as Arc<dyn State> }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_conforms() {
    // Kept until the end: a directory that goes away under a database is another test.
    let directories = Mutex::new(Vec::<TempDir>::new());
    conformance::check(|| async {
        let temp = dir();
        let state = open(&temp.path().join("state.db")).await;
        directories.lock().expect("not poisoned").push(temp);
        Arc::new(state) as Arc<dyn State>
    })
    .await;
}

async fn open(path: &Path) -> Sql {
    match Sql::sqlite(path).await {
        Ok(state) => state,
        Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
    }
}

async fn take(state: &Sql, who: &str, now_ms: u64) -> Lease {
    let (org, owner) = (OrgName::new("acme"), Owner::new(who));
    let acquired = state.acquire(&org, &owner, 1_000, now_ms).await;
    match acquired.expect("answers") {
        Acquired::Lease(lease) => lease,
        held => panic!("{held:?}"),
    }
}

fn run() -> Run {
    Run {
        id: RunId::new("r1"),
        org: OrgName::new("acme"),
        source: "gold".to_owned(),
        plan_digest: "d1".to_owned(),
        created_ms: 1,
        updated_ms: 1,
        status: RunStatus::Running,
    }
}

fn record(attempt: u32) -> Record {
    Record {
        run: RunId::new("r1"),
        step: StepId::new("routing_queue/Sales:create"),
        entry: Entry::Intent { attempt },
    }
}

#[tokio::test]
async fn a_state_survives_being_closed() {
    let temp = dir();
    let path = temp.path().join("new/äöü %41#?/state.db");
    let state = open(&path).await;
    let lease = take(&state, "a", 0).await;
    state
        .create_run(&lease, &run(), "{}")
        .await
        .expect("created");
    state.append(&lease, &[record(1)]).await.expect("written");
    state.close().await;
    assert!(path.is_file());
    let state = open(&path).await;
    assert_eq!(state.journal(&run().id).await.expect("read"), [record(1)]);
    state
        .append(&lease, &[record(2)])
        .await
        .expect("the lease is still ours");
    let newer = take(&state, "b", 1_000).await;
    assert!(newer.fence() > lease.fence());
    state.close().await;
}

#[tokio::test]
async fn two_processes_share_a_state() {
    let temp = dir();
    let path = temp.path().join("state.db");
    let (one, two) = tokio::join!(open(&path), open(&path));
    let first = take(&one, "a", 0).await;
    one.create_run(&first, &run(), "{}").await.expect("created");
    one.append(&first, &[record(1)]).await.expect("written");
    let second = take(&two, "b", 1_000).await;
    two.append(&second, &[record(2)]).await.expect("written");
    let late = one.append(&first, &[record(3)]).await;
    assert!(matches!(late, Err(Error::Fenced { .. })), "{late:?}");
    let journal = one.journal(&run().id).await.expect("read");
    assert_eq!(journal, [record(1), record(2)]);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let temp = dir();
    let path = temp.path().join("state.db");
    std::fs::write(&path, b"").expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
    let state = open(&path).await;
    state.put_setting("a", Some("1")).await.expect("written");
    let mut modes = Vec::new();
    for entry in std::fs::read_dir(temp.path()).expect("listed") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("its mode").permissions().mode() & 0o777;
        modes.push((entry.file_name(), mode));
    }
    assert!(modes.len() > 1, "{modes:?}");
    assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
}

#[tokio::test]
async fn what_is_no_state_is_said_clearly() {
    let temp = dir();
    let path = temp.path().join("state.db");
    std::fs::write(
        &path,
        b"this is a text file, and long enough to be looked at".repeat(30),
    )
    .expect("written");
    let error = Sql::sqlite(&path).await.expect_err("it is no database");
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("state.db is damaged or no database")
    );
    let error = Sql::sqlite(&path.join("below"))
        .await
        .expect_err("the parent is a file");
    assert!(matches!(error, Error::File { .. }), "{error:?}");
}

#[tokio::test]
async fn a_state_of_a_newer_orgsmith_is_refused_and_left_alone() {
    let temp = dir();
    let path = temp.path().join("state.db");
    open(&path).await.close().await;
    sqlx::any::install_default_drivers();
    let url = format!("sqlite:{}", path.display());
    let raw = sqlx::AnyPool::connect(&url).await.expect("connected");
    let raise = "UPDATE orgsmith SET version = 99";
    sqlx::raw_sql(raise).execute(&raw).await.expect("raised");
    raw.close().await;
    for _ in 0..2 {
        let error = Sql::sqlite(&path).await.expect_err("it is newer");
        assert!(
            matches!(error, Error::Newer { found: 99, known } if known > 0),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn who_reads_a_file_waits_for_nobody_who_writes() {
    let temp = dir();
    let path = temp.path().join("state.db");
    let state = open(&path).await;
    let desk = state.desk().await.expect("a desk");
    state.put_setting("a", Some("1")).await.expect("written");
    assert_eq!(desk.setting("b", "1").await.expect("read"), "1");
    let url = format!("sqlite:{}", path.display());
    let mut other = sqlx::AnyConnection::connect(&url).await.expect("connected");
    let alone = sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await;
    alone.expect("nobody else writes");

    let names: Vec<String> = (0..20).map(|number| format!("new-{number}")).collect();
    let writes = names.iter().map(|name| state.put_setting(name, Some("2")));
    let mut writes: FuturesUnordered<_> = writes.collect();
    let reads = async {
        for _ in 0..50 {
            let value = state.setting("a").await.expect("read");
            assert_eq!(value.as_deref(), Some("1"));
            assert_eq!(desk.setting("b", "2").await.expect("read"), "1");
        }
    };
    tokio::select! {
        written = writes.next() => panic!("the reads waited for a write: {written:?}"),
        () = reads => {}
    }

    let done = sqlx::raw_sql("ROLLBACK").execute(&mut other).await;
    done.expect("others may write");
    while let Some(written) = writes.next().await {
        written.expect("written");
    }
    drop(writes);
    // What a write has ended with, the next read sees.
    for name in &names {
        let value = state.setting(name).await.expect("read");
        assert_eq!(value.as_deref(), Some("2"), "{name}");
    }
    state.close().await;
}

#[tokio::test]
async fn memory_is_strict() {
    let state = Memory::new();
    let (org, owner) = (OrgName::new("acme"), Owner::new("a"));
    let Acquired::Lease(lease) = state.acquire(&org, &owner, 10, 50).await.expect("answers") else {
        panic!("held by nobody");
    };
    state
        .create_run(&lease, &run(), "{}")
        .await
        .expect("created");
    let outcomes = [
        state.renew(&lease, 10, 49).await,
        state.append(&lease, &[]).await,
        state
            .create_run(
                &lease,
                &Run {
                    id: RunId::new("r2"),
                    status: RunStatus::Done,
                    ..run()
                },
                "",
            )
            .await,
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Err(Error::Misuse(_))), "{outcome:?}");
    }
    state
        .set_status(&lease, &run().id, RunStatus::Done, 60)
        .await
        .expect("set");
    let late = state.append(&lease, &[record(1)]).await;
    assert!(matches!(late, Err(Error::Misuse(_))), "{late:?}");
}

const CRASH_FILE: &str = "ORGSMITH_TEST_CRASH_FILE";

/// The process that is killed: appends, and says so after each append has returned.
#[tokio::test]
#[ignore = "run by the test below"]
async fn appends_until_killed() {
    let Some(path) = std::env::var_os(CRASH_FILE).map(PathBuf::from) else {
        return;
    };
    let state = Arc::new(open(&path).await);
    let lease = take(&state, "a", 0).await;
    state
        .create_run(&lease, &run(), "{}")
        .await
        .expect("created");
    let tasks = (0..8_u32).map(|task| {
        let (state, lease) = (state.clone(), lease.clone());
        tokio::spawn(async move {
            for number in 0..100_000 {
                let attempt = task * 1_000_000 + number;
                state
                    .append(&lease, &[record(attempt)])
                    .await
                    .expect("written");
                // Straight to the descriptor: the harness would capture a print.
                let line = format!("\nappended {attempt}\n");
                std::io::stdout().write_all(line.as_bytes()).expect("said");
            }
        })
    });
    futures::future::join_all(tasks).await;
}

#[tokio::test]
async fn every_append_that_returned_survives_a_kill() {
    let temp = dir();
    for round in 0..3 {
        let path = temp.path().join(format!("{round}.db"));
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args([
                "--exact",
                "state::appends_until_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(CRASH_FILE, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut appended = Vec::new();
        for line in stdout.lines() {
            let line = line.expect("text");
            if let Some(attempt) = line.strip_prefix("appended ") {
                appended.push(attempt.parse::<u32>().expect("a number"));
                if appended.len() == 50 + 37 * round {
                    child.kill().expect("killed");
                }
            }
        }
        child.wait().expect("gone");
        assert!(appended.len() >= 50, "{appended:?}");
        let state = open(&path).await;
        let journal = state.journal(&run().id).await.expect("read");
        let kept: Vec<_> = journal
            .iter()
            .map(|record| match record.entry {
                Entry::Intent { attempt } => attempt,
                _ => panic!("{record:?}"),
            })
            .collect();
        for attempt in &appended {
            assert!(kept.contains(attempt), "{attempt} returned and is gone");
        }
        let stale = take(&state, "b", 2_000).await;
        state
            .append(&stale, &[record(1)])
            .await
            .expect("the next process goes on");
    }
}

/// Prints how fast appends are; a number to look at, not a promise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_share_commits() {
    let temp = dir();
    let state = Arc::new(open(&temp.path().join("state.db")).await);
    let lease = take(&state, "a", 0).await;
    state
        .create_run(&lease, &run(), "{}")
        .await
        .expect("created");
    let mut said = String::new();
    for tasks in [1_u32, 64] {
        let begun = Instant::now();
        let each = 640 / tasks;
        let work = (0..tasks).map(|task| {
            let (state, lease) = (state.clone(), lease.clone());
            tokio::spawn(async move {
                for number in 0..each {
                    let attempt = task * each + number;
                    state
                        .append(&lease, &[record(attempt)])
                        .await
                        .expect("written");
                }
            })
        });
        for task in futures::future::join_all(work).await {
            task.expect("no panic");
        }
        let rate = 640.0 / begun.elapsed().as_secs_f64();
        said.push_str(&format!("{tasks} at a time: {rate:.0} durable appends/s\n"));
    }
    std::io::stdout().write_all(said.as_bytes()).expect("said");
    let journal = state.journal(&run().id).await.expect("read");
    assert_eq!(journal.len(), 1_280);
}
