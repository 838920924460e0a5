//! What the service keeps, on both databases.

use orgsmith_core::id::OrgName;
use orgsmith_store::desk::{Act, Acts, Desk, Ending, File, FileHead, Job, JobState, Session};
use orgsmith_store::state::Sql;

use crate::bundle::dir;
use crate::postgres::{schema, server};

fn job(id: &str, created_ms: u64, task: &str) -> Job {
    Job {
        id: id.to_owned(),
        caller: None,
        kind: "plan".to_owned(),
        org: OrgName::new("acme"),
        task: task.to_owned(),
        actor: "a".to_owned(),
        state: JobState::Queued,
        created_ms,
        started_ms: None,
        ended_ms: None,
        attempt: 0,
        taken_over: 0,
        worker: None,
        exit: None,
        message: None,
        result: None,
        progress: None,
        cancelled: false,
    }
}

fn file() -> File {
    File {
        head: FileHead {
            name: "plan.json".to_owned(),
            media: "application/json".to_owned(),
            sha256: "0".to_owned(),
            size: 2,
        },
        content: b"{}".to_vec(),
    }
}

async fn end(desk: &Desk, job: &Job, ended_ms: u64) {
    assert!(desk.begin_job(&job.id, "w", 10, 5).await.expect("begun"));
    let begun = desk.job(&job.id).await.expect("read").expect("there");
    let told = desk.tell(&begun, &["{}".to_owned()], "{}", 6).await;
    told.expect("told");
    let ending = Ending {
        state: JobState::Completed,
        exit: 0,
        message: None,
        result: None,
    };
    let ended = desk.end_job(&begun, &ending, ended_ms).await;
    assert!(ended.expect("ended"));
}

fn act(id: &str, at_ms: u64, org: Option<&str>, outcome: &str) -> Act {
    Act {
        id: id.to_owned(),
        at_ms,
        actor: "a".to_owned(),
        action: "x".to_owned(),
        org: org.map(str::to_owned),
        subject: None,
        outcome: outcome.to_owned(),
    }
}

/// Jobs go when they are old, unless somebody speaks of them; so do acts.
async fn forgets(state: &Sql) {
    let desk = state.desk().await.expect("a desk");
    let applies = r#"{"kind":"apply","org":"acme","plan":"made"}"#;
    let made = job("made", 1, "{}");
    for (job, ended_ms) in [
        (&made, Some(10)),
        (&job("apply", 2, applies), Some(200)),
        (&job("old", 3, "{}"), Some(99)),
        (&job("young", 4, "{}"), Some(100)),
        (&job("waits", 5, "{}"), None),
        (&job("other", 6, r#"{"about":"made too"}"#), Some(20)),
    ] {
        desk.add_job(job, &[file()]).await.expect("added");
        if let Some(ended_ms) = ended_ms {
            end(&desk, job, ended_ms).await;
        }
    }
    let ids = async |before, last: Option<&Job>, limit| {
        let jobs = desk.old_jobs(before, last, limit).await.expect("listed");
        jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(100, None, 10).await, ["other", "old"]);
    assert_eq!(ids(100, None, 1).await, ["other"]);
    assert_eq!(ids(100, Some(&job("other", 6, "")), 10).await, ["old"]);

    let forget = async |id, before| desk.forget_job(id, before).await.expect("answers");
    for kept in ["made", "young", "waits", "nothing"] {
        assert!(!forget(kept, 100).await, "{kept}");
    }
    let (one, two) = tokio::join!(desk.forget_job("old", 100), desk.forget_job("old", 100));
    assert!(
        one.expect("answers") != two.expect("answers"),
        "one of them does it"
    );
    assert_eq!(desk.job("old").await.expect("read"), None);
    assert_eq!(desk.files("old").await.expect("read"), []);
    assert_eq!(desk.told("old", 0, 10).await.expect("read"), []);
    assert_eq!(desk.files("made").await.expect("read").len(), 1);
    // Once who spoke of it is gone, it may go.
    assert!(forget("apply", 201).await);
    assert!(forget("made", 100).await);

    for act in [
        act("a", 1, Some("acme"), "done"),
        act("b", 2, None, "refused: x"),
        act("c", 2, Some("acme"), "refused: y"),
        act("d", 3, None, "done"),
    ] {
        desk.add_act(&act).await.expect("written");
    }
    let acts = async |which: Acts<'_>| {
        let acts = desk.acts(&Acts { limit: 10, ..which }).await;
        let acts = acts.expect("listed").into_iter();
        acts.map(|act| act.id).collect::<String>()
    };
    assert_eq!(acts(Acts::default()).await, "dcba");
    let refused = Acts {
        refused: true,
        ..Acts::default()
    };
    assert_eq!(acts(refused).await, "cb");
    let of_orgs = Acts {
        of_orgs: true,
        ..Acts::default()
    };
    assert_eq!(acts(of_orgs).await, "ca");
    let before = Acts {
        before: Some((2, "c")),
        ..Acts::default()
    };
    assert_eq!(acts(before).await, "ba");
    desk.approve("digest", "a", 1).await.expect("approved");
    desk.approve("digest", "b", 2).await.expect("approved");
    assert_eq!(desk.forget_acts(2).await.expect("forgotten"), 2);
    assert_eq!(acts(Acts::default()).await, "dcb");
    let approved = desk.approvals("digest").await.expect("read");
    assert_eq!(approved, [("b".to_owned(), 2)]);

    let session = Session {
        hash: "h".to_owned(),
        name: "a".to_owned(),
        role: "viewer".to_owned(),
        orgs: None,
        expires_ms: 10,
    };
    desk.add_session(&session).await.expect("added");
    let found = async |now| desk.session("h", now).await.expect("read");
    assert_eq!(found(9).await, Some(session));
    assert_eq!(found(10).await, None);
    desk.end_session("h").await.expect("ended");
    assert_eq!(found(9).await, None);
    for state in ["s", "late"] {
        desk.add_login(state, "{}", 10).await.expect("added");
    }
    let taken = async |state, now| desk.take_login(state, now).await.expect("answers");
    assert_eq!(taken("s", 9).await.as_deref(), Some("{}"));
    assert_eq!(taken("s", 9).await, None, "it is good once");
    assert_eq!(taken("late", 10).await, None);
    desk.forget_sessions(10).await.expect("forgotten");

    assert_eq!(desk.waiting().await.expect("counted"), (1, Some(5)));
    assert!(desk.raise("alert", "1").await.expect("answers"));
    assert!(!desk.raise("alert", "2").await.expect("answers"));
    assert!(desk.lower("alert").await.expect("answers"));
    assert!(!desk.lower("alert").await.expect("answers"));
}

/// Who was paused and wakes keeps no file of a job that somebody else has.
async fn keeps_files_of_who_has_the_job(state: &Sql) {
    let desk = state.desk().await.expect("a desk");
    desk.add_job(&job("taken", 1, "{}"), &[])
        .await
        .expect("added");
    let begins = async |now| {
        assert!(desk.begin_job("taken", "w", 10, now).await.expect("begun"));
        desk.job("taken").await.expect("read").expect("there")
    };
    let paused = begins(5).await;
    let saved = async |job: &Job, content: &[u8]| {
        let file = File {
            content: content.to_vec(),
            ..file()
        };
        desk.save_file(job, &file).await.expect("answers")
    };
    assert!(saved(&paused, b"first").await);
    let has = begins(50).await;
    assert!(saved(&has, b"second").await);
    assert!(!saved(&paused, b"third").await);
    let kept = desk.file("taken", "plan.json").await.expect("read");
    assert_eq!(kept.expect("there").content, b"second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_who_has_the_job_are_kept_in_sqlite() {
    let temp = dir();
    let state = Sql::sqlite(&temp.path().join("state.db")).await;
    keeps_files_of_who_has_the_job(&state.expect("open")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_who_has_the_job_are_kept_in_postgres() {
    let Some(server) = server() else { return };
    let state = Sql::postgres(&schema(&server).await).await;
    keeps_files_of_who_has_the_job(&state.expect("open")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_goes_from_sqlite() {
    let temp = dir();
    let state = Sql::sqlite(&temp.path().join("state.db")).await;
    forgets(&state.expect("open")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_goes_from_postgres() {
    let Some(server) = server() else { return };
    let state = Sql::postgres(&schema(&server).await).await;
    forgets(&state.expect("open")).await;
}
