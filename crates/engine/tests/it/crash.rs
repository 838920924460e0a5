//! A process that ends at any moment loses nothing and doubles nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures::{StreamExt, stream};
use orgsmith_core::bundle::Bundle;
use orgsmith_core::id::{ObjectRef, OrgName, RunId, TargetId};
use orgsmith_core::journal::Record;
use orgsmith_core::onboard::Job;
use orgsmith_core::plan::{FLOW_SOURCE, Plan};
use orgsmith_core::secret::Secret;
use orgsmith_engine::Fingerprints;
use orgsmith_store::state::{
    About, Acquired, Error, Lease, Mapping, MappingFilter, Owner, Reply, Run, RunStatus, Sink,
    SnapshotHead, SnapshotId, Source, State,
};
use serde_json::json;

use crate::lab::{Lab, PLANTED, edit, sketch, told};

/// A state whose process dies after so many journal entries: nothing is written after that.
struct Dying {
    inner: Arc<dyn State>,
    left: AtomicI64,
}

impl Dying {
    fn gone(&self) -> bool {
        self.left.load(Ordering::SeqCst) <= 0
    }
}

macro_rules! pass {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {$(
        fn $name<'a>(&'a self, $($arg: $ty),*) -> Reply<'a, $out> {
            if self.gone() {
                return Box::pin(async { Err(Error::Closed) });
            }
            self.inner.$name($($arg),*)
        }
    )*};
}

impl State for Dying {
    pass! {
        renew(lease: &'a Lease, ttl_ms: u64, now_ms: u64) -> ();
        release(lease: &'a Lease) -> ();
        check(lease: &'a Lease) -> ();
        holder(org: &'a OrgName) -> Option<(Owner, u64)>;
        create_run(lease: &'a Lease, run: &'a Run, plan: &'a str) -> ();
        set_status(lease: &'a Lease, run: &'a RunId, status: RunStatus, now_ms: u64) -> ();
        run(run: &'a RunId) -> Option<Run>;
        plan(run: &'a RunId) -> Option<Arc<str>>;
        runs(org: Option<&'a OrgName>) -> Vec<Run>;
        journal(run: &'a RunId) -> Vec<Record>;
        put_mappings(lease: &'a Lease, mappings: &'a [Mapping]) -> ();
        forget_mapping(lease: &'a Lease, object: &'a ObjectRef) -> ();
        mappings(filter: &'a MappingFilter) -> Vec<Mapping>;
        pin(org: &'a OrgName, object: &'a ObjectRef, id: &'a TargetId) -> ();
        unpin(org: &'a OrgName, object: &'a ObjectRef) -> ();
        pins(org: &'a OrgName) -> BTreeMap<ObjectRef, TargetId>;
        save_snapshot(org: &'a OrgName, label: &'a str, taken_ms: u64, content: &'a [u8]) -> SnapshotId;
        snapshot(id: &'a SnapshotId) -> Option<Vec<u8>>;
        snapshots(org: &'a OrgName) -> Vec<SnapshotHead>;
        latest_snapshot(org: &'a OrgName) -> Option<(SnapshotHead, Vec<u8>)>;
        ask_jobs(lease: &'a Lease, jobs: &'a [Job]) -> ();
        put_job(lease: &'a Lease, job: &'a Job) -> bool;
        jobs(org: Option<&'a OrgName>) -> Vec<Job>;
        setting(name: &'a str) -> Option<String>;
        put_setting(name: &'a str, value: Option<&'a str>) -> ();
        dump(sink: &'a mut Sink<'_>) -> ();
        load(rows: &'a mut Source<'_>, replace: bool) -> ();
    }

    fn place(&self) -> &str {
        self.inner.place()
    }

    fn about(&self) -> Reply<'_, About> {
        self.inner.about()
    }

    /// Takes the lock for a moment only: nobody gives signs of life once the process has died.
    fn acquire<'a>(
        &'a self,
        org: &'a OrgName,
        owner: &'a Owner,
        _ttl_ms: u64,
        now_ms: u64,
    ) -> Reply<'a, Acquired> {
        self.inner.acquire(org, owner, 1, now_ms)
    }

    fn append<'a>(&'a self, lease: &'a Lease, records: &'a [Record]) -> Reply<'a, ()> {
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Box::pin(async { Err(Error::Closed) });
        }
        self.inner.append(lease, records)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_any_journal_entry_and_resumed_the_world_is_the_same() {
    survives_every_kill(&sketch()).await;
}

/// Kills the run of a bundle after each of its journal entries.
pub async fn survives_every_kill(bundle: &Bundle) {
    let whole = Lab::with_orgs(["gold"]).await;
    let plan = whole.apply(bundle, "gold").await;
    let wanted = whole.export("gold").await;
    let entries = i64::try_from(plan.steps.len() * 2).expect("few steps");

    // Most of a case is waiting, so several share the machine.
    stream::iter(0..entries)
        .for_each_concurrent(8, |k| survives(bundle, &wanted, k, entries))
        .await;
}

/// Kills a run after its k-th journal entry, resumes it, and compares the worlds.
async fn survives(bundle: &Bundle, wanted: &Bundle, k: i64, entries: i64) {
    let lab = Lab::with_orgs(["gold"]).await;
    survives_in(&lab, bundle, wanted, k, entries).await;
}

/// As [`survives`], with orgs of one's own.
pub async fn survives_in(lab: &Lab, bundle: &Bundle, wanted: &Bundle, k: i64, entries: i64) {
    let plan = lab.plan(bundle, "gold").await;
    let run = killed(lab, &plan, k, entries).await;
    let finished = lab.resume(&run, "gold").await;
    assert!(
        finished.outcome.is_complete(),
        "k = {k}: {}",
        told(&plan, &finished)
    );
    lab.expect_no_double("gold");
    assert_eq!(
        lab.export("gold").await.documents,
        wanted.documents,
        "k = {k}"
    );
}

/// Kills a run after its k-th journal entry.
async fn killed(lab: &Lab, plan: &Plan, k: i64, entries: i64) -> RunId {
    let dying: Arc<dyn State> = Arc::new(Dying {
        inner: lab.state.clone(),
        left: AtomicI64::new(k + 1),
    });
    // One entry more than k, as the run counts none before its first step.
    let killed = lab.run_in(plan, "gold", dying).await;
    assert!(killed.is_err() || k + 1 >= entries, "k = {k}");
    let runs = lab.state.runs(None).await.expect("runs");
    let open = runs.into_iter().max_by_key(|run| run.created_ms);
    tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    open.expect("the run").id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_ones_own_is_not_taken_for_somebody_elses() {
    let mut bundle = sketch();
    edit(
        &mut bundle,
        "routing_queue/Billing",
        "description",
        json!("other"),
    );
    edit(
        &mut bundle,
        "routing_queue/Billing",
        "division",
        json!({"$ref": "auth_division/~home"}),
    );
    edit(
        &mut bundle,
        "auth_division/Claims",
        "description",
        json!("other"),
    );
    let flow = "flow/inqueuecall/Wait".parse().expect("a reference");
    let files = &mut bundle.documents.get_mut(&flow).expect("the flow").files;
    let source = String::from_utf8(files[FLOW_SOURCE].to_vec()).expect("text");
    let source = source.replace("name: Again", "name: Once more");
    files.insert(FLOW_SOURCE.to_owned(), source.into_bytes().into());
    let bundle = &bundle;
    stream::iter(0..8)
        .for_each_concurrent(4, |k| async move {
            let lab = Lab::with_orgs(["gold"]).await;
            lab.apply(&sketch(), "gold").await;
            let plan = lab.plan(bundle, "gold").await;
            assert_eq!(plan.steps.len(), 4, "{:#?}", plan.steps);
            let run = killed(&lab, &plan, k, 8).await;
            let finished = lab.resume(&run, "gold").await;
            assert!(
                finished.outcome.is_complete(),
                "k = {k}: {}",
                told(&plan, &finished)
            );
            assert!(lab.plan(bundle, "gold").await.is_empty(), "k = {k}");
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_known_once_the_target_has_answered_and_not_before() {
    let object: ObjectRef = "integration_credential/basicAuth/CRM"
        .parse()
        .expect("a reference");
    let mut bundle = sketch();
    bundle.documents.retain(|known, _| *known == object);
    let org = OrgName::new("gold");
    let value = Secret::new(PLANTED.to_owned());
    // Killed before the request, and behind the answer to it, which is not noted then.
    for (k, doubted) in [(0, false), (1, true)] {
        let lab = Lab::with_orgs(["gold"]).await;
        let plan = lab.plan(&bundle, "gold").await;
        assert_eq!(plan.steps.len(), 1, "{:#?}", plan.steps);
        let sent = async || {
            let known = Fingerprints::of(&*lab.state, &org).await;
            let known = known.expect("the state").expect("a key");
            known.sent(&object).await.expect("the state")
        };
        let run = killed(&lab, &plan, k, 2).await;
        assert_eq!(sent().await.knows("CRM/password"), doubted);
        assert_eq!(sent().await.differs("CRM/password", &value), doubted);
        let finished = lab.resume(&run, "gold").await;
        assert!(finished.outcome.is_complete(), "k = {k}");
        let sent = sent().await;
        assert!(sent.knows("CRM/password"), "k = {k}");
        assert!(sent.differs("CRM/password", &Secret::new("other".to_owned())));
        assert!(!sent.differs("CRM/elsewhere", &value));
        // What a try sent that nothing is known of is sent again by the next plan.
        assert_eq!(sent.differs("CRM/password", &value), doubted, "k = {k}");
    }
}
