//! What every [`State`] has to do: one suite, run on each.
//!
//! A case takes a state that is empty, and panics if the state does not conform.

mod everything;
mod quota;

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::future::join_all;
use orgsmith_core::id::{Key, Kind, ObjectRef, OrgName, RunId, SourceId, StepId, TargetId};
use orgsmith_core::journal::{Entry, Record, StepState};
use orgsmith_core::onboard::{Job, Stage};

use super::{
    Acquired, Error, Lease, Mapping, MappingFilter, Owner, Run, RunStatus, State, Wanted, replay,
};
use everything::{
    a_load_fences_off_whoever_was_writing, a_load_is_all_or_nothing, a_state_says_what_it_is,
    nothing_is_loaded_over_something, what_is_taken_out_goes_in_again,
};
use quota::a_quota_is_shared_and_never_promised_twice;

/// A case: its name, which says the behaviour, and the test.
pub type Case = (&'static str, fn(Arc<dyn State>) -> BoxFuture<'static, ()>);

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        /// Every case.
        pub const CASES: &[Case] = &[$((stringify!($name), |state| Box::pin($name(state)))),*];
    };
}

cases![
    a_lease_has_one_holder,
    an_expired_lease_is_taken_over_and_its_fence_is_refused_everywhere,
    a_lease_that_merely_expired_still_writes,
    a_released_lease_writes_nothing,
    a_renewed_lease_is_not_taken_over,
    of_sixteen_takers_one_wins,
    leases_of_two_orgs_do_not_meet,
    runs_are_listed_newest_first,
    a_run_is_created_once_and_in_its_org,
    a_status_is_kept,
    the_journal_keeps_its_order,
    concurrent_appends_are_each_whole_and_in_order,
    an_append_is_all_or_nothing,
    an_impossible_journal_is_kept_and_refused_on_replay,
    ids_are_found_from_both_sides,
    pins_are_set_and_taken_back,
    snapshots_come_back_byte_by_byte,
    snapshots_that_are_saved_at_once_are_all_kept,
    jobs_are_asked_for_once_and_kept,
    settings_are_set_and_removed,
    a_quota_is_shared_and_never_promised_twice,
    odd_text_comes_back_as_it_was,
    what_is_taken_out_goes_in_again,
    nothing_is_loaded_over_something,
    a_load_is_all_or_nothing,
    a_load_fences_off_whoever_was_writing,
    a_state_says_what_it_is,
];

/// Runs every case on a state of its own.
///
/// # Panics
/// At the first case that fails, with its name.
pub async fn check<F: Future<Output = Arc<dyn State>>>(fresh: impl Fn() -> F) {
    for (name, case) in CASES {
        let state = fresh().await;
        if let Err(error) = tokio::spawn(case(state)).await {
            panic!("{name}: {error}");
        }
    }
}

fn org(name: &str) -> OrgName {
    OrgName::new(name)
}

fn owner(name: &str) -> Owner {
    Owner::new(name)
}

async fn take(state: &dyn State, name: &str, who: &str, ttl_ms: u64, now_ms: u64) -> Lease {
    let acquired = state.acquire(&org(name), &owner(who), ttl_ms, now_ms).await;
    match acquired.expect("acquire answers") {
        Acquired::Lease(lease) => lease,
        Acquired::Held { owner, expires_ms } => {
            panic!("{name} is held by {owner} until {expires_ms}")
        }
    }
}

fn run_of(name: &str, id: &str, created_ms: u64) -> Run {
    Run {
        id: RunId::new(id),
        org: org(name),
        source: "gold image".to_owned(),
        plan_digest: "d1".to_owned(),
        created_ms,
        updated_ms: created_ms,
        status: RunStatus::Running,
    }
}

async fn started(state: &dyn State, name: &str, id: &str) -> (Lease, RunId) {
    let lease = take(state, name, "a", 1_000, 0).await;
    let run = run_of(name, id, 1);
    let created = state.create_run(&lease, &run, "{}").await;
    created.expect("the run is created");
    (lease, run.id)
}

fn record(run: &RunId, step: &str, entry: Entry) -> Record {
    Record {
        run: run.clone(),
        step: StepId::new(step),
        entry,
    }
}

fn intent(attempt: u32) -> Entry {
    Entry::Intent { attempt }
}

fn done(id: &str) -> Entry {
    Entry::Done {
        id: Some(TargetId::new(id)),
        version: Some(3),
    }
}

fn mapping(lease: &Lease, key: &str, source: Option<&str>, target: &str) -> Mapping {
    Mapping {
        source_org: org("gold"),
        target_org: lease.org().clone(),
        object: object(key),
        source_id: source.map(SourceId::new),
        target_id: TargetId::new(target),
        run: RunId::new("r1"),
        at_ms: 5,
    }
}

fn object(key: &str) -> ObjectRef {
    ObjectRef::new(Kind::new("routing_queue"), Key::from_parts(&[key]))
}

#[track_caller]
fn assert_fenced<T: std::fmt::Debug>(result: Result<T, Error>, holder: Option<&str>) {
    match result {
        Err(Error::Fenced { holder: found, .. }) => {
            assert_eq!(found.as_ref().map(Owner::as_str), holder);
        }
        other => panic!("not fenced: {other:?}"),
    }
}

async fn a_lease_has_one_holder(state: Arc<dyn State>) {
    let name = org("acme");
    assert_eq!(state.holder(&name).await.expect("answers"), None);
    let first = take(&*state, "acme", "a", 100, 1_000).await;
    for other in ["b", "a"] {
        let second = state.acquire(&name, &owner(other), 100, 1_099).await;
        let held = Acquired::Held {
            owner: owner("a"),
            expires_ms: 1_100,
        };
        assert_eq!(second.expect("answers"), held);
    }
    let holder = state.holder(&name).await.expect("answers");
    assert_eq!(holder, Some((owner("a"), 1_100)));
    state.check(&first).await.expect("it is held");
    state.release(&first).await.expect("released");
    assert_eq!(state.holder(&name).await.expect("answers"), None);
    let second = take(&*state, "acme", "b", 100, 1_099).await;
    assert!(second.fence() > first.fence());
}

async fn an_expired_lease_is_taken_over_and_its_fence_is_refused_everywhere(state: Arc<dyn State>) {
    let (old, run) = started(&*state, "acme", "r1").await;
    let new = take(&*state, "acme", "b", 1_000, 1_000).await;
    assert!(new.fence() > old.fence());
    let by = Some("b");
    let records = [record(&run, "s1", intent(1))];
    assert_fenced(state.check(&old).await, by);
    assert_fenced(state.append(&old, &records).await, by);
    assert_fenced(state.renew(&old, 1_000, 1_001).await, by);
    assert_fenced(state.release(&old).await, by);
    let other = run_of("acme", "r2", 2);
    assert_fenced(state.create_run(&old, &other, "{}").await, by);
    let failed = state.set_status(&old, &run, RunStatus::Failed, 3).await;
    assert_fenced(failed, by);
    let mappings = [mapping(&old, "A", None, "t1")];
    assert_fenced(state.put_mappings(&old, &mappings).await, by);
    assert_fenced(state.forget_mapping(&old, &object("A")).await, by);

    assert_eq!(state.journal(&run).await.expect("read"), []);
    let found = state.run(&run).await.expect("read").expect("it is there");
    assert_eq!(found.status, RunStatus::Running);
    state
        .append(&new, &records)
        .await
        .expect("the new one writes");
    assert_eq!(state.journal(&run).await.expect("read"), records);
}

async fn a_lease_that_merely_expired_still_writes(state: Arc<dyn State>) {
    let (lease, run) = started(&*state, "acme", "r1").await;
    let records = [record(&run, "s1", intent(1))];
    state.append(&lease, &records).await.expect("written");
    state.renew(&lease, 500, 5_000).await.expect("renewed");
    let holder = state.holder(&org("acme")).await.expect("answers");
    assert_eq!(holder, Some((owner("a"), 5_500)));
}

async fn a_released_lease_writes_nothing(state: Arc<dyn State>) {
    let (lease, run) = started(&*state, "acme", "r1").await;
    state.release(&lease).await.expect("released");
    let records = [record(&run, "s1", intent(1))];
    assert_fenced(state.append(&lease, &records).await, None);
    assert_fenced(state.check(&lease).await, None);
    assert_fenced(state.release(&lease).await, None);
}

async fn a_renewed_lease_is_not_taken_over(state: Arc<dyn State>) {
    let lease = take(&*state, "acme", "a", 100, 1_000).await;
    state.renew(&lease, 100, 1_050).await.expect("renewed");
    let second = state.acquire(&org("acme"), &owner("b"), 100, 1_120).await;
    let held = Acquired::Held {
        owner: owner("a"),
        expires_ms: 1_150,
    };
    assert_eq!(second.expect("answers"), held);
    take(&*state, "acme", "b", 100, 1_150).await;
}

async fn of_sixteen_takers_one_wins(state: Arc<dyn State>) {
    let mut fences = Vec::new();
    for round in 0..6_u64 {
        // Every round finds the lease of the one before expired.
        let now_ms = round * 1_000;
        let takers = (0..16).map(|number| {
            let state = state.clone();
            tokio::spawn(async move {
                let who = owner(&format!("taker-{number}"));
                state.acquire(&org("acme"), &who, 1_000, now_ms).await
            })
        });
        let mut winners = Vec::new();
        let mut seen = Vec::new();
        for outcome in join_all(takers).await {
            match outcome.expect("no panic").expect("answers") {
                Acquired::Lease(lease) => winners.push(lease),
                Acquired::Held { owner, .. } => seen.push(owner),
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert!(seen.iter().all(|owner| owner == winners[0].owner()));
        fences.push(winners[0].fence());
    }
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
}

async fn leases_of_two_orgs_do_not_meet(state: Arc<dyn State>) {
    let (acme, run) = started(&*state, "acme", "r1").await;
    let other = take(&*state, "other", "a", 1_000, 0).await;
    let records = [record(&run, "s1", intent(1))];
    let outcome = state.append(&other, &records).await;
    assert!(matches!(outcome, Err(Error::NoRun { .. })), "{outcome:?}");
    let outcome = state.set_status(&other, &run, RunStatus::Done, 1).await;
    assert!(matches!(outcome, Err(Error::NoRun { .. })), "{outcome:?}");
    let foreign = mapping(&acme, "A", None, "t1");
    let outcome = state.put_mappings(&other, &[foreign]).await;
    assert!(
        matches!(outcome, Err(Error::OtherOrg { .. })),
        "{outcome:?}"
    );
    let all = state.mappings(&MappingFilter::default()).await;
    assert_eq!(all.expect("read"), []);
}

async fn runs_are_listed_newest_first(state: Arc<dyn State>) {
    let acme = take(&*state, "acme", "a", 1_000, 0).await;
    let other = take(&*state, "other", "a", 1_000, 0).await;
    for (lease, id, created_ms) in [
        (&acme, "r1", 10),
        (&acme, "r3", 30),
        (&other, "r2", 20),
        (&acme, "r4", 30),
    ] {
        let run = run_of(lease.org().as_str(), id, created_ms);
        state.create_run(lease, &run, "{}").await.expect("created");
    }
    let listed = |runs: Vec<Run>| {
        let ids = runs.into_iter().map(|run| run.id.as_str().to_owned());
        ids.collect::<Vec<_>>()
    };
    let all = state.runs(None).await.expect("listed");
    assert_eq!(listed(all), ["r4", "r3", "r2", "r1"]);
    let of_acme = state.runs(Some(&org("acme"))).await.expect("listed");
    assert_eq!(listed(of_acme), ["r4", "r3", "r1"]);
    for (of, behind, limit, expected) in [
        (None, None, 3, &["r4", "r3", "r2"][..]),
        (None, Some("r3"), 9, &["r2", "r1"]),
        (None, Some("r4"), 1, &["r3"]),
        (Some("acme"), None, 1, &["r4"]),
        (Some("acme"), Some("r3"), 9, &["r1"]),
        (Some("other"), Some("r2"), 9, &[]),
        (None, Some("nobody"), 9, &[]),
        (None, None, 0, &[]),
    ] {
        let (of, behind) = (of.map(org), behind.map(RunId::new));
        let some = state.some_runs(of.as_ref(), behind.as_ref(), limit).await;
        assert_eq!(listed(some.expect("listed")), expected);
    }
}

async fn a_run_is_created_once_and_in_its_org(state: Arc<dyn State>) {
    let (lease, id) = started(&*state, "acme", "r1").await;
    let again = run_of("acme", "r1", 9);
    let outcome = state.create_run(&lease, &again, "{\"x\":1}").await;
    assert!(matches!(outcome, Err(Error::RunExists(_))), "{outcome:?}");
    let foreign = run_of("other", "r2", 9);
    let outcome = state.create_run(&lease, &foreign, "{}").await;
    assert!(
        matches!(outcome, Err(Error::OtherOrg { .. })),
        "{outcome:?}"
    );
    let found = state.run(&id).await.expect("read");
    assert_eq!(found, Some(run_of("acme", "r1", 1)));
    let plan = state.plan(&id).await.expect("read");
    assert_eq!(plan.as_deref(), Some("{}"));
    let none = RunId::new("r2");
    assert_eq!(state.run(&none).await.expect("read"), None);
    assert_eq!(state.plan(&none).await.expect("read"), None);
}

async fn a_status_is_kept(state: Arc<dyn State>) {
    let (lease, id) = started(&*state, "acme", "r1").await;
    for (at, status) in [
        (2, RunStatus::Interrupted),
        (3, RunStatus::Running),
        (4, RunStatus::Partial),
        (5, RunStatus::Failed),
        (6, RunStatus::Done),
    ] {
        let set = state.set_status(&lease, &id, status, at).await;
        set.expect("set");
        let run = state.run(&id).await.expect("read").expect("it is there");
        assert_eq!((run.status, run.updated_ms), (status, at));
    }
    let none = RunId::new("r2");
    let outcome = state.set_status(&lease, &none, RunStatus::Done, 7).await;
    assert!(matches!(outcome, Err(Error::NoRun { .. })), "{outcome:?}");
}

async fn the_journal_keeps_its_order(state: Arc<dyn State>) {
    let (lease, run) = started(&*state, "acme", "r1").await;
    let second = run_of("acme", "r2", 2);
    let created = state.create_run(&lease, &second, "{}").await;
    created.expect("created");
    let reason = || "a \"reason\"\nof two lines".to_owned();
    let entries = [
        intent(1),
        Entry::Unknown { reason: reason() },
        Entry::NotDone,
        intent(2),
        Entry::Refused { reason: reason() },
        Entry::Reopened,
        Entry::Skipped { reason: reason() },
        Entry::Reopened,
        intent(3),
        done("t1"),
    ];
    let records: Vec<_> = entries
        .into_iter()
        .map(|entry| record(&run, "s1", entry))
        .collect();
    state.append(&lease, &records[..1]).await.expect("written");
    let other = record(&second.id, "s1", intent(7));
    let mixed = [records[1].clone(), other.clone(), records[2].clone()];
    state.append(&lease, &mixed).await.expect("written");
    state.append(&lease, &records[3..]).await.expect("written");
    assert_eq!(state.journal(&run).await.expect("read"), records);
    assert_eq!(state.journal(&second.id).await.expect("read"), [other]);
    let states = replay(&records).expect("it can have happened");
    let step = StepState::Done {
        id: Some(TargetId::new("t1")),
        version: Some(3),
    };
    assert_eq!(states[&StepId::new("s1")], step);
    assert_eq!(state.journal(&RunId::new("r9")).await.expect("read"), []);
}

async fn concurrent_appends_are_each_whole_and_in_order(state: Arc<dyn State>) {
    let (lease, run) = started(&*state, "acme", "r1").await;
    let tasks = (0..16).map(|task| {
        let (state, lease, run) = (state.clone(), lease.clone(), run.clone());
        tokio::spawn(async move {
            for attempt in 0..10 {
                let step = format!("step-{task}");
                let pair = [
                    record(&run, &step, intent(2 * attempt)),
                    record(&run, &step, intent(2 * attempt + 1)),
                ];
                state.append(&lease, &pair).await.expect("written");
            }
        })
    });
    for task in join_all(tasks).await {
        task.expect("no panic");
    }
    let journal = state.journal(&run).await.expect("read");
    assert_eq!(journal.len(), 16 * 20);
    for pair in journal.chunks(2) {
        assert_eq!(pair[0].step, pair[1].step, "an append was torn");
    }
    for task in 0..16 {
        let step = StepId::new(&format!("step-{task}"));
        let own = journal.iter().filter(|record| record.step == step);
        let own: Vec<_> = own.map(|record| record.entry.clone()).collect();
        assert_eq!(own, (0..20).map(intent).collect::<Vec<_>>());
    }
}

async fn an_append_is_all_or_nothing(state: Arc<dyn State>) {
    let (lease, run) = started(&*state, "acme", "r1").await;
    let records = [
        record(&run, "s1", intent(1)),
        record(&RunId::new("nobody's"), "s1", intent(1)),
    ];
    let outcome = state.append(&lease, &records).await;
    assert!(matches!(outcome, Err(Error::NoRun { .. })), "{outcome:?}");
    assert_eq!(state.journal(&run).await.expect("read"), []);
}

async fn an_impossible_journal_is_kept_and_refused_on_replay(state: Arc<dyn State>) {
    let (lease, run) = started(&*state, "acme", "r1").await;
    let records = [
        record(&run, "s1", intent(1)),
        record(&run, "s1", done("t1")),
        record(&run, "s1", intent(2)),
    ];
    state.append(&lease, &records).await.expect("written");
    let journal = state.journal(&run).await.expect("read");
    assert_eq!(journal, records);
    let illegal = replay(&journal).expect_err("it cannot have happened");
    assert_eq!((illegal.entry, illegal.step), (3, StepId::new("s1")));
}

async fn ids_are_found_from_both_sides(state: Arc<dyn State>) {
    let acme = take(&*state, "acme", "a", 1_000, 0).await;
    let other = take(&*state, "other", "a", 1_000, 0).await;
    let [a, b, c] = [
        mapping(&acme, "A", Some("s-a"), "t-a"),
        mapping(&acme, "B", None, "t-b"),
        mapping(&other, "A", Some("s-a"), "o-a"),
    ];
    let both = [b.clone(), a.clone()];
    state.put_mappings(&acme, &both).await.expect("written");
    let one = std::slice::from_ref(&c);
    state.put_mappings(&other, one).await.expect("written");
    let any = MappingFilter::default;
    for (filter, expected) in [
        (any(), vec![a.clone(), b.clone(), c.clone()]),
        (
            MappingFilter {
                target_org: Some(org("acme")),
                ..any()
            },
            vec![a.clone(), b.clone()],
        ),
        (
            MappingFilter {
                source_org: Some(org("gold")),
                object: Some(object("A")),
                ..any()
            },
            vec![a.clone(), c.clone()],
        ),
        (
            MappingFilter {
                source_id: Some(SourceId::new("s-a")),
                target_org: Some(org("other")),
                ..any()
            },
            vec![c.clone()],
        ),
        (
            MappingFilter {
                target_id: Some(TargetId::new("t-b")),
                ..any()
            },
            vec![b.clone()],
        ),
        (
            MappingFilter {
                source_org: Some(org("nobody")),
                ..any()
            },
            vec![],
        ),
    ] {
        assert_eq!(state.mappings(&filter).await.expect("read"), expected);
    }
    let is_a = |mapping: &Mapping| mapping.object == object("A");
    let to_acme = MappingFilter {
        target_org: Some(org("acme")),
        ..any()
    };
    for (filter, wanted, behind, limit, expected) in [
        (any(), None, None, 2, vec![&a, &b]),
        (any(), None, None, 9, vec![&a, &b, &c]),
        (any(), None, Some(&a), 1, vec![&b]),
        (any(), None, Some(&b), 9, vec![&c]),
        (any(), None, Some(&c), 9, vec![]),
        (to_acme.clone(), None, Some(&a), 9, vec![&b]),
        (to_acme, None, None, 1, vec![&a]),
        (any(), Some(&is_a as &Wanted<'_>), None, 9, vec![&a, &c]),
        (any(), Some(&is_a), None, 1, vec![&a]),
        (any(), Some(&is_a), Some(&a), 9, vec![&c]),
        (any(), Some(&is_a), None, 0, vec![]),
    ] {
        let behind = behind.map(Mapping::place);
        let some = state.some_mappings(&filter, wanted, behind.as_ref(), limit);
        let some = some.await.expect("read");
        assert_eq!(some.iter().collect::<Vec<_>>(), expected);
    }
    let newer = Mapping {
        target_id: TargetId::new("t-a2"),
        source_id: None,
        at_ms: 9,
        ..a
    };
    let one = std::slice::from_ref(&newer);
    state.put_mappings(&acme, one).await.expect("written");
    let forgotten = state.forget_mapping(&acme, &object("B")).await;
    forgotten.expect("forgotten");
    assert_eq!(state.mappings(&any()).await.expect("read"), [newer, c]);
}

async fn pins_are_set_and_taken_back(state: Arc<dyn State>) {
    let (acme, other) = (org("acme"), org("other"));
    for (name, key, id) in [
        (&acme, "A", "1"),
        (&acme, "B", "2"),
        (&acme, "A", "3"),
        (&other, "A", "4"),
    ] {
        let id = TargetId::new(id);
        state.pin(name, &object(key), &id).await.expect("pinned");
    }
    state.unpin(&acme, &object("B")).await.expect("unpinned");
    state.unpin(&acme, &object("C")).await.expect("no error");
    let pins = state.pins(&acme).await.expect("read");
    let expected = (object("A"), TargetId::new("3"));
    assert_eq!(pins.into_iter().collect::<Vec<_>>(), [expected]);
    assert_eq!(state.pins(&other).await.expect("read").len(), 1);
    assert!(state.pins(&org("third")).await.expect("read").is_empty());
}

async fn snapshots_come_back_byte_by_byte(state: Arc<dyn State>) {
    let (acme, other) = (org("acme"), org("other"));
    let noise: Vec<u8> = (0..200_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    assert_eq!(state.latest_snapshot(&acme).await.expect("read"), None);
    let first = state.save_snapshot(&acme, "nightly", 20, &noise).await;
    let first = first.expect("saved");
    let second = state.save_snapshot(&acme, "", 10, b"").await;
    let second = second.expect("saved");
    let foreign = state.save_snapshot(&other, "x", 30, b"{}").await;
    let foreign = foreign.expect("saved");
    assert!(second > first);
    for (id, content) in [(&first, &noise[..]), (&second, b""), (&foreign, b"{}")] {
        let found = state.snapshot(id).await.expect("read");
        assert_eq!(found.as_deref(), Some(content));
    }
    let heads = state.snapshots(&acme).await.expect("listed");
    let heads: Vec<_> = heads
        .iter()
        .map(|head| (&head.id, head.label.as_str(), head.taken_ms, head.size))
        .collect();
    let size = noise.len() as u64;
    assert_eq!(heads, [(&second, "", 10, 0), (&first, "nightly", 20, size)]);
    let latest = state.latest_snapshot(&acme).await.expect("read");
    let (head, content) = latest.expect("there is one");
    assert_eq!((head.id, content), (second, vec![]));
    let mut none = first;
    none.number = 99;
    assert_eq!(state.snapshot(&none).await.expect("read"), None);
}

async fn snapshots_that_are_saved_at_once_are_all_kept(state: Arc<dyn State>) {
    let name = org("acme");
    let saves = (0..8_u8).map(|number| {
        let (state, name) = (state.clone(), name.clone());
        tokio::spawn(async move { state.save_snapshot(&name, "", 1, &[number]).await })
    });
    let mut contents = Vec::new();
    for saved in join_all(saves).await {
        let id = saved.expect("no panic").expect("saved");
        let content = state.snapshot(&id).await.expect("read");
        contents.push((id.number, content.expect("it is there")));
    }
    contents.sort();
    let numbers: Vec<_> = contents.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
    let mut kept: Vec<_> = contents.into_iter().map(|(_, content)| content).collect();
    kept.sort();
    assert_eq!(kept, (0..8).map(|number| vec![number]).collect::<Vec<_>>());
}

async fn jobs_are_asked_for_once_and_kept(state: Arc<dyn State>) {
    let acme = take(&*state, "acme", "a", 1_000, 0).await;
    let other = take(&*state, "other", "a", 1_000, 0).await;
    let lock = Job::lock(&org("acme"));
    let worker = take(&*state, lock.as_str(), "a", 1_000, 0).await;
    let asked = |run: &str, key: &str, id: &str| {
        let run = RunId::new(run);
        Job::new(&org("acme"), object(key), TargetId::new(id), &run, 5)
    };
    let (a, b) = (asked("r1", "A", "1"), asked("r1", "B'\"2", "2"));
    let both = [b.clone(), a.clone()];
    state.ask_jobs(&acme, &both).await.expect("written");
    assert!(matches!(
        state.ask_jobs(&other, &both).await,
        Err(Error::OtherOrg { .. })
    ));
    assert!(matches!(
        state.put_job(&acme, &a).await,
        Err(Error::OtherOrg { .. })
    ));
    let listed = state.jobs(Some(&org("acme"))).await.expect("read");
    assert_eq!(listed, [a.clone(), b.clone()]);
    assert_eq!(state.jobs(Some(&org("other"))).await.expect("read"), []);

    let ended = Job {
        stage: Stage::Failed,
        attempts: 3,
        error: Some("status 422: 'no'\n🙂".to_owned()),
        external: Some("x-1".to_owned()),
        next_ms: u64::from(u32::MAX) + 9,
        since_ms: 7,
        ..a.clone()
    };
    assert!(state.put_job(&worker, &ended).await.expect("written"));
    // The run is taken up again, and asks again; so does who looks for what was left behind.
    state.ask_jobs(&acme, &both).await.expect("written");
    state.ask_jobs(&worker, &both).await.expect("written");
    state.ask_jobs(&acme, &[]).await.expect("nothing to do");
    let listed = state.jobs(None).await.expect("read");
    assert_eq!(listed, [ended.clone(), b.clone()]);

    // Another run activates both; one of them is still under way.
    let again = [asked("r2", "A", "1"), asked("r2", "B'\"2", "2")];
    state.ask_jobs(&acme, &again).await.expect("written");
    let listed = state.jobs(None).await.expect("read");
    assert_eq!((listed[0].round, listed[0].stage), (2, Stage::Pending));
    assert_eq!(listed[1], b);
    // What was under way for the earlier round comes too late, and for another user as well.
    assert!(!state.put_job(&worker, &ended).await.expect("answered"));
    let stranger = asked("r3", "A", "9");
    assert!(!state.put_job(&worker, &stranger).await.expect("answered"));
    let nobody = asked("r3", "C", "9");
    assert!(!state.put_job(&worker, &nobody).await.expect("answered"));
    let retried = listed[0].retried(8);
    assert!(state.put_job(&worker, &retried).await.expect("written"));
    assert_eq!(state.jobs(None).await.expect("read")[0].round, 3);

    state.release(&worker).await.expect("released");
    assert!(matches!(
        state.put_job(&worker, &retried).await,
        Err(Error::Fenced { .. })
    ));
}

async fn settings_are_set_and_removed(state: Arc<dyn State>) {
    assert_eq!(state.setting("a").await.expect("read"), None);
    for value in [Some("1"), Some("2"), None, None] {
        state.put_setting("a", value).await.expect("written");
        let found = state.setting("a").await.expect("read");
        assert_eq!(found.as_deref(), value);
    }
}

async fn odd_text_comes_back_as_it_was(state: Arc<dyn State>) {
    let name = "Österreich'); DROP TABLE run; -- 🙂";
    let (lease, run) = started(&*state, name, "r'1").await;
    let reason = "line\r\nline\t\u{feff}%_\\".to_owned();
    let records = [
        record(&run, "routing_queue/A%2FB:create", intent(1)),
        record(
            &run,
            "routing_queue/A%2FB:create",
            Entry::Unknown { reason },
        ),
    ];
    state.append(&lease, &records).await.expect("written");
    assert_eq!(state.journal(&run).await.expect("read"), records);
    let runs = state.runs(Some(&org(name))).await.expect("read");
    assert_eq!(runs, [run_of(name, "r'1", 1)]);
}
