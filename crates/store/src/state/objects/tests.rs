//! The log over a store in memory that can be made to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::TryStreamExt;
use futures::future::join_all;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use orgsmith_core::id::{OrgName, RunId, StepId};
use orgsmith_core::journal::{Entry as Step, Record};

use super::bucket::Bucket;
use super::log::inspect;
use super::{Error, Objects, State};
use crate::state::conformance;
use crate::state::values::{Acquired, Claim, Lease, Owner, Run, RunStatus};

/// What happens to the answers to writes of the log.
#[derive(Debug, Default)]
struct Faults {
    /// So many writes are done, and then done again as a client does that got no answer.
    repeated: AtomicUsize,
    /// So many writes are done, and nobody is told.
    unanswered: AtomicUsize,
    /// So many writes are not done.
    lost: AtomicUsize,
    reads: AtomicUsize,
    writes: AtomicUsize,
}

#[derive(Debug, Clone, Default)]
struct Store {
    inner: Arc<InMemory>,
    faults: Arc<Faults>,
}

impl std::fmt::Display for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a store that fails")
    }
}

fn taken(count: &AtomicUsize) -> bool {
    count
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
        .is_ok()
}

fn silence() -> object_store::Error {
    object_store::Error::Generic {
        store: "test",
        source: "no answer came".into(),
    }
}

#[async_trait::async_trait]
impl ObjectStore for Store {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let put = || self.inner.put_opts(path, payload.clone(), options.clone());
        if path.as_ref().starts_with("log/") {
            self.faults.writes.fetch_add(1, Ordering::SeqCst);
            if taken(&self.faults.lost) {
                return Err(silence());
            }
            if taken(&self.faults.unanswered) {
                put().await?;
                return Err(silence());
            }
            if taken(&self.faults.repeated) {
                put().await?;
            }
        }
        put().await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.faults.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl Store {
    fn bucket(&self) -> Bucket {
        Bucket::over(Arc::new(self.clone()))
    }

    async fn open(&self) -> Objects {
        Objects::within(self.bucket()).await.expect("open")
    }

    async fn whole(&self) -> super::Tables {
        let (tables, wrong) = inspect(&self.bucket()).await.expect("read");
        assert_eq!(wrong, Vec::<String>::new());
        tables
    }

    fn reads(&self) -> usize {
        self.faults.reads.swap(0, Ordering::SeqCst)
    }
}

async fn take(state: &Objects, org: &str, who: &str, now_ms: u64) -> Lease {
    let (org, owner) = (OrgName::new(org), Owner::new(who));
    let acquired = state.acquire(&org, &owner, 1_000, now_ms).await;
    match acquired.expect("answers") {
        Acquired::Lease(lease) => lease,
        held => panic!("{held:?}"),
    }
}

async fn started(state: &Objects, org: &str) -> (Lease, RunId) {
    let lease = take(state, org, "a", 0).await;
    let run = Run {
        id: RunId::new(&format!("run-of-{org}")),
        org: OrgName::new(org),
        source: "gold".to_owned(),
        plan_digest: "d".to_owned(),
        created_ms: 1,
        updated_ms: 1,
        status: RunStatus::Running,
    };
    let created = state.create_run(&lease, &run, "{}").await;
    created.expect("created");
    (lease, run.id)
}

fn record(run: &RunId, attempt: u32) -> Record {
    Record {
        run: run.clone(),
        step: StepId::new("s"),
        entry: Step::Intent { attempt },
    }
}

fn attempts(journal: &[Record]) -> Vec<u32> {
    let attempt = |record: &Record| match record.entry {
        Step::Intent { attempt } => attempt,
        _ => panic!("{record:?}"),
    };
    journal.iter().map(attempt).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_log_conforms() {
    conformance::check(|| async { Arc::new(Store::default().open().await) as Arc<dyn State> })
        .await;
}

#[tokio::test]
async fn a_lost_answer_is_known_for_what_it_is_and_doubles_nothing() {
    let store = Store::default();
    let state = store.open().await;
    let (lease, run) = started(&state, "acme").await;
    // The client tries again by itself, and is told that the object is there.
    store.faults.repeated.store(1, Ordering::SeqCst);
    let written = state.append(&lease, &[record(&run, 1)]).await;
    written.expect("it is ours");
    assert_eq!(store.faults.repeated.load(Ordering::SeqCst), 0);
    state
        .append(&lease, &[record(&run, 2)])
        .await
        .expect("written");
    let journal = state.journal(&run).await.expect("read");
    assert_eq!(attempts(&journal), [1, 2]);

    // Nobody was told: the caller knows that it may have been done, and finds it.
    store.faults.unanswered.store(1, Ordering::SeqCst);
    let unknown = state.append(&lease, &[record(&run, 3)]).await;
    assert!(
        matches!(unknown, Err(Error::Unreachable { .. })),
        "{unknown:?}"
    );
    let journal = state.journal(&run).await.expect("read");
    assert_eq!(attempts(&journal), [1, 2, 3]);

    // Or it was not done: then it is not there, and what comes next is.
    store.faults.lost.store(1, Ordering::SeqCst);
    let lost = state.append(&lease, &[record(&run, 4)]).await;
    assert!(matches!(lost, Err(Error::Unreachable { .. })), "{lost:?}");
    state
        .append(&lease, &[record(&run, 5)])
        .await
        .expect("written");
    let journal = store.whole().await.journal(&run);
    assert_eq!(attempts(&journal), [1, 2, 3, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_that_race_lose_nothing_and_double_nothing() {
    let store = Store::default();
    let tasks = (0..6).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let state = store.open().await;
            let org = format!("org-{number}");
            let (lease, run) = started(&state, &org).await;
            for attempt in 0..40 {
                if attempt % 7 == 3 {
                    store.faults.repeated.fetch_add(1, Ordering::SeqCst);
                }
                let written = state.append(&lease, &[record(&run, attempt)]).await;
                written.expect("written");
            }
            state.close().await;
            run
        })
    });
    let runs = join_all(tasks).await;
    let tables = store.whole().await;
    let opened = store.open().await;
    for run in runs {
        let run = run.expect("no panic");
        let expected: Vec<u32> = (0..40).collect();
        assert_eq!(attempts(&tables.journal(&run)), expected);
        let journal = opened.journal(&run).await.expect("read");
        assert_eq!(attempts(&journal), expected);
    }
}

#[tokio::test]
async fn a_writer_who_was_paused_is_refused_by_what_others_wrote() {
    let store = Store::default();
    let (one, two) = (store.open().await, store.open().await);
    let (old, run) = started(&one, "acme").await;
    let new = take(&two, "acme", "b", 1_000).await;
    // The first has seen nothing of it: its next write finds it.
    let late = one.append(&old, &[record(&run, 1)]).await;
    assert!(
        matches!(&late, Err(Error::Fenced { holder: Some(owner), .. }) if owner.as_str() == "b"),
        "{late:?}"
    );
    two.append(&new, &[record(&run, 2)]).await.expect("written");
    assert_eq!(attempts(&store.whole().await.journal(&run)), [2]);
}

#[tokio::test]
async fn a_check_sees_who_took_over_and_costs_one_request() {
    let store = Store::default();
    let (one, two) = (store.open().await, store.open().await);
    let (old, _) = started(&one, "acme").await;
    store.reads();
    one.check(&old).await.expect("it is ours");
    assert_eq!(store.reads(), 1);
    assert_eq!(
        one.holder(&OrgName::new("acme"))
            .await
            .expect("read")
            .map(|it| it.1),
        Some(1_000)
    );
    assert_eq!(store.reads(), 1);
    take(&two, "acme", "b", 1_000).await;
    let lost = one.check(&old).await;
    assert!(matches!(lost, Err(Error::Fenced { .. })), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_waits_together_goes_into_one_entry() {
    let store = Store::default();
    let state = Arc::new(store.open().await);
    let (lease, run) = started(&state, "acme").await;
    store.faults.writes.store(0, Ordering::SeqCst);
    let appends = (0..200).map(|attempt| {
        let (state, lease, run) = (state.clone(), lease.clone(), run.clone());
        tokio::spawn(async move { state.append(&lease, &[record(&run, attempt)]).await })
    });
    for append in join_all(appends).await {
        append.expect("no panic").expect("written");
    }
    let writes = store.faults.writes.load(Ordering::SeqCst);
    assert!(writes < 100, "{writes} writes for 200 appends");
    assert_eq!(store.whole().await.journal(&run).len(), 200);
}

#[tokio::test]
async fn a_fold_saves_reading_and_is_never_needed() {
    let store = Store::default();
    let state = store.open().await;
    let (lease, run) = started(&state, "acme").await;
    for attempt in 0..600 {
        let written = state.append(&lease, &[record(&run, attempt)]).await;
        written.expect("written");
    }
    state.close().await;
    let folds = store.bucket().list("fold").await.expect("listed");
    assert_eq!(folds.len(), 2, "{folds:?}");

    let journal = async || {
        let opened = store.open().await;
        let read = store.reads();
        let journal = opened.journal(&run).await.expect("read");
        (read, attempts(&journal))
    };
    let expected: Vec<u32> = (0..600).collect();
    store.reads();
    let (with, found) = journal().await;
    assert_eq!(found, expected);
    store.reads();
    // Damaged, then gone.
    let newest = Path::from(format!("fold/{}", folds[1]));
    let put = store.inner.put(&newest, "no gzip".into()).await;
    put.expect("written");
    assert_eq!(journal().await.1, expected);
    for fold in &folds {
        store.bucket().remove(&format!("fold/{fold}")).await;
    }
    store.reads();
    let (without, found) = journal().await;
    assert_eq!(found, expected);
    assert!(with < 200 && without > 600, "{with} {without}");
}

#[tokio::test]
async fn an_entry_of_a_newer_orgsmith_is_refused_and_left_alone() {
    let store = Store::default();
    let state = store.open().await;
    let (lease, run) = started(&state, "acme").await;
    let next = format!("log/{:020}", 3);
    let newer = br#"{"format": 2, "id": "x", "after": "y", "what": "nobody knows"}"#;
    let made = store.bucket().create(&next, newer.to_vec()).await;
    made.expect("made");
    let refused = [
        state.append(&lease, &[record(&run, 1)]).await,
        state.check(&lease).await,
        Objects::within(store.bucket()).await.map(drop),
    ];
    for outcome in refused {
        let known = matches!(outcome, Err(Error::Newer { found: 2, known: 1 }));
        assert!(known, "{outcome:?}");
    }
    assert_eq!(store.bucket().list("log").await.expect("listed").len(), 3);
}

#[tokio::test]
async fn a_log_that_lost_an_entry_is_told_and_not_written_on() {
    let store = Store::default();
    let state = store.open().await;
    let (lease, run) = started(&state, "acme").await;
    for attempt in 0..3 {
        let written = state.append(&lease, &[record(&run, attempt)]).await;
        written.expect("written");
    }
    let gone = format!("log/{:020}", 4);
    store.bucket().remove(&gone).await;
    let wrong = state.about().await.expect("answers").wrong;
    assert!(
        wrong.len() == 1 && wrong[0].contains("entry 4 is gone"),
        "{wrong:?}"
    );
    let opened = Objects::within(store.bucket()).await;
    let told = matches!(&opened, Err(Error::Unreadable { why, .. }) if why.contains("entry 4"));
    assert!(told, "{opened:?}");
    // Somebody who was asleep makes it again: what follows it shows that.
    let twin = Store::default();
    let other = twin.open().await;
    started(&other, "acme").await;
    for name in ["a", "b"] {
        other.put_setting(name, Some("1")).await.expect("set");
    }
    let content = twin.bucket().read(&gone).await.expect("read");
    let content = content.expect("it is there");
    let made = store.bucket().create(&gone, content).await;
    made.expect("made");
    let wrong = state.about().await.expect("answers").wrong;
    let told = wrong.len() == 1 && wrong[0].contains("entry 4 does not follow");
    assert!(told, "{wrong:?}");
    let opened = Objects::within(store.bucket()).await;
    assert!(
        matches!(opened, Err(Error::Unreadable { .. })),
        "{opened:?}"
    );
}

#[tokio::test]
async fn a_plan_that_is_gone_or_damaged_is_told() {
    let store = Store::default();
    let state = store.open().await;
    let (_, run) = started(&state, "acme").await;
    let blobs = store.bucket().list("blob").await.expect("listed");
    let name = format!("blob/{}", blobs[0]);
    store.bucket().remove(&name).await;
    let wrong = state.about().await.expect("answers").wrong;
    assert!(
        wrong.len() == 1 && wrong[0].contains("the plan of run run-of-acme is gone"),
        "{wrong:?}"
    );
    assert!(matches!(
        state.plan(&run).await,
        Err(Error::Unreadable { .. })
    ));
    store
        .bucket()
        .create(&name, b"other".to_vec())
        .await
        .expect("made");
    let damaged = state.plan(&run).await.expect_err("it is another");
    assert!(damaged.to_string().contains("damaged"), "{damaged}");
}

#[tokio::test]
async fn processes_share_a_quota_and_leave_few_objects_of_it_behind() {
    let store = Store::default();
    let (one, two) = (store.open().await, store.open().await);
    let claim = async |state: &Objects, who: &str, wanted, now_ms| {
        let claim = Claim {
            pool: "acme/client".to_owned(),
            owner: Owner::new(who),
            total: 100,
            window_ms: 60_000,
            used: 0,
            wanted,
        };
        let claimed = state.claim(&claim, now_ms).await.expect("answers");
        claimed.expect("a share").held
    };
    assert_eq!(claim(&one, "a", 70, 0).await, 70);
    assert_eq!(claim(&two, "b", 70, 1).await, 30);
    // Nobody else wrote since: a write, and nothing to read.
    store.reads();
    assert_eq!(claim(&two, "b", 20, 2).await, 20);
    assert_eq!(store.reads(), 0);
    assert_eq!(claim(&one, "a", 100, 3).await, 50);
    // The first sleeps while the second writes more than is kept of it.
    for at_ms in 0..200 {
        assert_eq!(
            claim(&two, "b", 60 + at_ms % 2, 30_000 + u64::from(at_ms)).await,
            50
        );
    }
    let objects: Vec<_> = store.inner.list(None).try_collect().await.expect("listed");
    assert!(objects.len() < 90, "{} objects", objects.len());
    assert_eq!(claim(&one, "a", 100, 31_000).await, 50);
    two.unclaim(&Owner::new("b")).await.expect("given back");
    assert_eq!(claim(&one, "a", 100, 31_001).await, 100);
}
