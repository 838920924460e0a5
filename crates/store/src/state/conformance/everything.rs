//! Everything at once: out of a state and into one.

use std::sync::Arc;

use orgsmith_core::id::{RunId, StepId, TargetId};
use orgsmith_core::onboard::{Job, Stage};

use super::{
    assert_fenced, done, intent, mapping, object, org, owner, record, run_of, started, take,
};
use crate::state::{Error, Lease, Memory, Row, State};

/// Writes something of everything.
async fn filled(state: &dyn State) -> (Lease, RunId) {
    let (lease, run) = started(state, "acme", "r1").await;
    let records = [
        record(&run, "s1", intent(1)),
        record(&run, "s2", intent(1)),
        record(&run, "s1", done("t'1\n")),
    ];
    state.append(&lease, &records).await.expect("written");
    let second = run_of("acme", "r2", 2);
    let created = state.create_run(&lease, &second, "{\"plan\": \"\u{e4}\"}");
    created.await.expect("created");
    let mappings = [
        mapping(&lease, "A", Some("s-a"), "t-a"),
        mapping(&lease, "B", None, "t-b"),
    ];
    state
        .put_mappings(&lease, &mappings)
        .await
        .expect("written");
    let (name, id) = (org("acme"), TargetId::new("7"));
    state.pin(&name, &object("A"), &id).await.expect("pinned");
    for content in [&[0, 255, 10][..], b""] {
        let saved = state.save_snapshot(&name, "nightly", 9, content).await;
        saved.expect("saved");
    }
    let job = Job {
        error: Some("no".to_owned()),
        stage: Stage::Failed,
        ..Job::new(&name, object("U"), TargetId::new("9"), &run, 3)
    };
    state.ask_jobs(&lease, &[job]).await.expect("asked");
    let set = state.put_setting("a", Some("1")).await;
    set.expect("set");
    (lease, run)
}

async fn dumped(state: &dyn State) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut sink = |row| {
        rows.push(row);
        Ok(())
    };
    state.dump(&mut sink).await.expect("told");
    rows
}

async fn load(state: &dyn State, rows: Vec<Row>, replace: bool) -> Result<(), Error> {
    state.load(&mut rows.into_iter().map(Ok), replace).await
}

/// Returns rows without what a load changes and without their order, which differs.
fn settled(rows: Vec<Row>) -> Vec<String> {
    let rows = rows
        .into_iter()
        .filter(|row| !matches!(row, Row::Lease { .. } | Row::Record { .. }));
    let mut rows: Vec<String> = rows.map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows
}

pub(super) async fn what_is_taken_out_goes_in_again(state: Arc<dyn State>) {
    let (_, run) = filled(&*state).await;
    let journal = state.journal(&run).await.expect("read");
    let rows = dumped(&*state).await;
    // A memory is the same for every backend, and so is what comes out of it again.
    let memory = Memory::new();
    load(&memory, rows.clone(), false).await.expect("loaded");
    assert_eq!(settled(dumped(&memory).await), settled(rows.clone()));
    assert_eq!(memory.journal(&run).await.expect("read"), journal);

    load(&*state, rows.clone(), true).await.expect("loaded");
    assert_eq!(settled(dumped(&*state).await), settled(rows));
    assert_eq!(state.journal(&run).await.expect("read"), journal);
    let latest = state.latest_snapshot(&org("acme")).await.expect("read");
    assert_eq!(
        latest.map(|(head, content)| (head.id.number, content)),
        Some((2, vec![]))
    );
    let next = state.save_snapshot(&org("acme"), "", 10, b"x").await;
    assert_eq!(next.expect("saved").number, 3);
    let lease = take(&*state, "acme", "b", 1_000, 0).await;
    let more = [record(&run, "s2", done("t2"))];
    state.append(&lease, &more).await.expect("written");
    let longer = [&journal[..], &more].concat();
    assert_eq!(state.journal(&run).await.expect("read"), longer);
}

pub(super) async fn nothing_is_loaded_over_something(state: Arc<dyn State>) {
    let rows = || {
        let setting = |name: &str| Row::Setting {
            name: name.to_owned(),
            value: "1".to_owned(),
        };
        vec![setting("a"), setting("b")]
    };
    load(&*state, rows(), false).await.expect("it is empty");
    let again = load(&*state, rows(), false).await;
    assert!(matches!(again, Err(Error::NotEmpty)), "{again:?}");
    load(&*state, Vec::new(), true).await.expect("replaced");
    assert_eq!(state.setting("a").await.expect("read"), None);
}

pub(super) async fn a_load_is_all_or_nothing(state: Arc<dyn State>) {
    let (lease, run) = filled(&*state).await;
    let before = dumped(&*state).await;
    let orphan = Row::Record {
        run: RunId::new("nobody's"),
        step: StepId::new("s1"),
        entry: intent(1),
    };
    let setting = Row::Setting {
        name: "b".to_owned(),
        value: "2".to_owned(),
    };
    let failed = load(&*state, vec![setting.clone(), orphan], true).await;
    assert!(
        matches!(failed, Err(Error::Unreadable { .. })),
        "{failed:?}"
    );
    let torn = Error::Unreadable {
        what: "a backup",
        why: "it ends too early".to_owned(),
    };
    let mut rows = [Ok(setting), Err(torn)].into_iter();
    let failed = state.load(&mut rows, true).await;
    assert!(
        matches!(failed, Err(Error::Unreadable { .. })),
        "{failed:?}"
    );
    assert_eq!(dumped(&*state).await, before);
    let more = [record(&run, "s2", done("t2"))];
    let written = state.append(&lease, &more).await;
    written.expect("the lease is still ours");
}

pub(super) async fn a_load_fences_off_whoever_was_writing(state: Arc<dyn State>) {
    let (lease, run) = filled(&*state).await;
    let rows = dumped(&*state).await;
    load(&*state, rows, true).await.expect("loaded");
    let more = [record(&run, "s2", done("t2"))];
    assert_fenced(state.append(&lease, &more).await, None);
    let next = take(&*state, "acme", "b", 1_000, 0).await;
    assert!(next.fence() > lease.fence());
    // Also one whom the backup has never heard of.
    load(&*state, Vec::new(), true).await.expect("loaded");
    assert_fenced(state.renew(&next, 1_000, 1).await, None);
    let last = take(&*state, "acme", "c", 1_000, 0).await;
    assert!(last.fence() > next.fence());
    // And the fences of a backup are not given out again.
    let old = Row::Lease {
        org: org("acme"),
        owner: Some(owner("z")),
        fence: 70,
        expires_ms: u64::from(u32::MAX),
    };
    load(&*state, vec![old], true).await.expect("loaded");
    let after = take(&*state, "acme", "d", 1_000, 0).await;
    assert!(after.fence().number() > 70);
}

pub(super) async fn a_state_says_what_it_is(state: Arc<dyn State>) {
    filled(&*state).await;
    let about = state.about().await.expect("answers");
    assert_eq!(about.wrong, Vec::<String>::new());
    assert!(about.version > 0 && !state.place().is_empty(), "{about:?}");
}
