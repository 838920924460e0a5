//! The trait that every backend implements.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use orgsmith_core::id::{ObjectRef, OrgName, RunId, TargetId};
use orgsmith_core::journal::Record;
use orgsmith_core::onboard::Job;

use super::error::Error;
use super::rows::Row;
use super::values::{
    About, Acquired, Claim, Claimed, Lease, Mapping, MappingFilter, MappingPlace, Owner, Run,
    RunStatus, SnapshotHead, SnapshotId,
};

/// What a state answers, some time.
pub type Reply<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// Takes rows, one by one.
pub type Sink<'a> = dyn FnMut(Row) -> Result<(), Error> + Send + 'a;

/// Gives rows, one by one.
pub type Source<'a> = dyn Iterator<Item = Result<Row, Error>> + Send + 'a;

/// Tells whether a mapping is wanted.
pub type Wanted<'a> = dyn Fn(&Mapping) -> bool + Sync + 'a;

/// Keeps the state of runs.
///
/// What a method has written is durable when it returns. A future that is dropped may or may not
/// have written. Methods with a [`Lease`] answer [`Error::Fenced`] once the lease is released or
/// somebody else has it; that it has merely expired is no reason, because nobody else writes.
pub trait State: Send + Sync {
    /// Takes the lease of an org, if nobody holds it or it expired at `now_ms` or before.
    ///
    /// A holder that asks again is told that it is held: it has a lease to renew.
    fn acquire<'a>(
        &'a self,
        org: &'a OrgName,
        owner: &'a Owner,
        ttl_ms: u64,
        now_ms: u64,
    ) -> Reply<'a, Acquired>;

    /// Makes a lease expire `ttl_ms` after `now_ms`.
    fn renew<'a>(&'a self, lease: &'a Lease, ttl_ms: u64, now_ms: u64) -> Reply<'a, ()>;

    /// Gives a lease back.
    fn release<'a>(&'a self, lease: &'a Lease) -> Reply<'a, ()>;

    /// Checks that a lease is still ours, before a request leaves.
    fn check<'a>(&'a self, lease: &'a Lease) -> Reply<'a, ()>;

    /// Tells who holds the lease of an org, expired or not, and when it expires.
    fn holder<'a>(&'a self, org: &'a OrgName) -> Reply<'a, Option<(Owner, u64)>>;

    /// Creates a run with its plan, in the org of the lease.
    fn create_run<'a>(&'a self, lease: &'a Lease, run: &'a Run, plan: &'a str) -> Reply<'a, ()>;

    /// Sets the status of a run.
    fn set_status<'a>(
        &'a self,
        lease: &'a Lease,
        run: &'a RunId,
        status: RunStatus,
        now_ms: u64,
    ) -> Reply<'a, ()>;

    /// Returns a run.
    fn run<'a>(&'a self, run: &'a RunId) -> Reply<'a, Option<Run>>;

    /// Returns the plan of a run, as it was given.
    fn plan<'a>(&'a self, run: &'a RunId) -> Reply<'a, Option<Arc<str>>>;

    /// Lists runs, of one org or of all, newest first.
    fn runs<'a>(&'a self, org: Option<&'a OrgName>) -> Reply<'a, Vec<Run>>;

    /// Lists so many runs as [`State::runs`] does: the newest, or those that come behind a run.
    fn some_runs<'a>(
        &'a self,
        org: Option<&'a OrgName>,
        behind: Option<&'a RunId>,
        limit: usize,
    ) -> Reply<'a, Vec<Run>> {
        Box::pin(async move {
            let runs = self.runs(org).await?;
            let from = match behind {
                Some(behind) => match self.run(behind).await? {
                    Some(run) => (run.created_ms, run.id),
                    None => return Ok(Vec::new()),
                },
                None => return Ok(runs.into_iter().take(limit).collect()),
            };
            let runs = runs
                .into_iter()
                .filter(|run| (run.created_ms, &run.id) < (from.0, &from.1));
            Ok(runs.take(limit).collect())
        })
    }

    /// Appends records to the journals of runs of the lease's org: all of them or none.
    fn append<'a>(&'a self, lease: &'a Lease, records: &'a [Record]) -> Reply<'a, ()>;

    /// Returns the journal of a run, in the order it was written.
    fn journal<'a>(&'a self, run: &'a RunId) -> Reply<'a, Vec<Record>>;

    /// Writes down ids in the lease's org, in place of older ones of the same objects.
    fn put_mappings<'a>(&'a self, lease: &'a Lease, mappings: &'a [Mapping]) -> Reply<'a, ()>;

    /// Forgets an object of the lease's org, which was deleted there.
    fn forget_mapping<'a>(&'a self, lease: &'a Lease, object: &'a ObjectRef) -> Reply<'a, ()>;

    /// Returns mappings, sorted by source, target and object.
    fn mappings<'a>(&'a self, filter: &'a MappingFilter) -> Reply<'a, Vec<Mapping>>;

    /// Returns so many of the mappings that a filter chooses and that are wanted: the first, or those that
    /// come behind a place. Their order is the state's, and always the same; it holds no more of them at once
    /// than it has to.
    fn some_mappings<'a>(
        &'a self,
        filter: &'a MappingFilter,
        wanted: Option<&'a Wanted<'a>>,
        behind: Option<&'a MappingPlace>,
        limit: usize,
    ) -> Reply<'a, Vec<Mapping>> {
        Box::pin(async move {
            let mut mappings = self.mappings(filter).await?;
            mappings.retain(|mapping| {
                behind.is_none_or(|behind| mapping.place() > *behind)
                    && wanted.is_none_or(|wanted| wanted(mapping))
            });
            mappings.truncate(limit);
            Ok(mappings)
        })
    }

    /// Says which object of an org is meant, whatever its name.
    fn pin<'a>(
        &'a self,
        org: &'a OrgName,
        object: &'a ObjectRef,
        id: &'a TargetId,
    ) -> Reply<'a, ()>;

    /// Takes a pin back; no pin is no error.
    fn unpin<'a>(&'a self, org: &'a OrgName, object: &'a ObjectRef) -> Reply<'a, ()>;

    /// Returns the pins of an org.
    fn pins<'a>(&'a self, org: &'a OrgName) -> Reply<'a, BTreeMap<ObjectRef, TargetId>>;

    /// Keeps a snapshot.
    fn save_snapshot<'a>(
        &'a self,
        org: &'a OrgName,
        label: &'a str,
        taken_ms: u64,
        content: &'a [u8],
    ) -> Reply<'a, SnapshotId>;

    /// Returns the content of a snapshot.
    fn snapshot<'a>(&'a self, id: &'a SnapshotId) -> Reply<'a, Option<Vec<u8>>>;

    /// Lists the snapshots of an org, the last saved first.
    fn snapshots<'a>(&'a self, org: &'a OrgName) -> Reply<'a, Vec<SnapshotHead>>;

    /// Returns the snapshot of an org that was saved last.
    fn latest_snapshot<'a>(
        &'a self,
        org: &'a OrgName,
    ) -> Reply<'a, Option<(SnapshotHead, Vec<u8>)>> {
        Box::pin(async move {
            let Some(head) = self.snapshots(org).await?.into_iter().next() else {
                return Ok(None);
            };
            let content = self.snapshot(&head.id).await?;
            Ok(content.map(|content| (head, content)))
        })
    }

    /// Asks for the onboarding of users of one org, as [`Job::asked_again`] says where there is one
    /// already; under the lease of the org or that of [`Job::lock`].
    fn ask_jobs<'a>(&'a self, lease: &'a Lease, jobs: &'a [Job]) -> Reply<'a, ()>;

    /// Writes down where a job stands, under the lease of [`Job::lock`].
    ///
    /// Tells whether it did: a job of another user, or of a later round, is left as it is.
    fn put_job<'a>(&'a self, lease: &'a Lease, job: &'a Job) -> Reply<'a, bool>;

    /// Lists jobs, of one org or of all, sorted by org and user.
    fn jobs<'a>(&'a self, org: Option<&'a OrgName>) -> Reply<'a, Vec<Job>>;

    /// Returns a setting.
    fn setting<'a>(&'a self, name: &'a str) -> Reply<'a, Option<String>>;

    /// Sets a setting, or removes it.
    fn put_setting<'a>(&'a self, name: &'a str, value: Option<&'a str>) -> Reply<'a, ()>;

    /// Asks for a part of a quota; nothing where this state is no place to share one.
    ///
    /// Who holds a part asks again at least ten times a window as long as it sends, and never
    /// occupies more than it was told last.
    fn claim<'a>(&'a self, claim: &'a Claim, now_ms: u64) -> Reply<'a, Option<Claimed>> {
        let _ = (claim, now_ms);
        Box::pin(async { Ok(None) })
    }

    /// Gives all parts of quotas back that somebody holds.
    fn unclaim<'a>(&'a self, owner: &'a Owner) -> Reply<'a, ()> {
        let _ = owner;
        Box::pin(async { Ok(()) })
    }

    /// Tells everything the state holds as it is at one moment, in an order that [`State::load`]
    /// takes.
    fn dump<'a>(&'a self, sink: &'a mut Sink<'_>) -> Reply<'a, ()>;

    /// Takes everything in: all of it or nothing.
    ///
    /// Only into a state that holds nothing, unless it is to be replaced. Leases are taken in as
    /// given back, and those of both sides are fenced off: no fence counts down.
    fn load<'a>(&'a self, rows: &'a mut Source<'_>, replace: bool) -> Reply<'a, ()>;

    /// Returns where the state is, without a password.
    fn place(&self) -> &str;

    /// Looks at the state itself, and tells what is wrong with it.
    fn about(&self) -> Reply<'_, About>;
}
