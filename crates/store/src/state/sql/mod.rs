//! A state in a database, by one SQL text for every database.
//!
//! The text keeps to what SQLite and PostgreSQL share: `$1` placeholders, TEXT, BIGINT for times
//! and numbers, `ON CONFLICT … RETURNING`. A transaction that writes under a lease starts by
//! writing to the row of the lease: that checks the fence and locks the row on both, and keeps
//! SQLite from having to turn a reading transaction into a writing one, which may fail.

mod dump;
pub(crate) mod fail;
mod jobs;
mod leases;
pub(crate) mod migrate;
mod objects;
mod postgres;
mod quota;
mod runs;
mod sqlite;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use orgsmith_core::id::{ObjectRef, OrgName, RunId, TargetId};
use orgsmith_core::journal::Record;
use orgsmith_core::onboard::Job;
use sqlx::any::Any;
use sqlx::{AnyPool, Transaction};
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::desk::Desk;

use super::backend::{Reply, Sink, Source, State, Wanted};
use super::error::Error;
use super::values::{
    About, Acquired, Claim, Claimed, Lease, Mapping, MappingFilter, MappingPlace, Owner, Run,
    RunStatus, SnapshotHead, SnapshotId,
};
use fail::Fail;
use leases::hold;
pub use postgres::postgres_address;
pub use sqlite::private_database;

/// The connections to a database.
///
/// What reads has its own, where that lets it go on while others write: whoever waits to write holds a
/// connection all the while, and there may be as many of those as there are connections.
#[derive(Clone, Debug)]
pub(crate) struct Pools {
    /// For what only reads.
    pub(crate) reads: AnyPool,
    /// For what writes. What it has committed, those who read next see.
    pub(crate) writes: AnyPool,
}

impl Pools {
    /// Waits until nobody uses a connection, and closes them.
    async fn close(self) {
        let Self { reads, writes } = self;
        // Who closes a SQLite file last tidies it up.
        reads.close().await;
        writes.close().await;
    }
}

/// Keeps the state in a database.
#[derive(Debug)]
pub struct Sql {
    pools: Pools,
    fail: Fail,
    appends: mpsc::Sender<writer::Request>,
    writer: JoinHandle<()>,
    /// The version that was found when it was opened.
    found: u64,
    /// The table of shared quotas is there.
    quota: OnceCell<()>,
}

impl Sql {
    /// Opens or creates a state in a SQLite file, which only its owner can read.
    ///
    /// Needs a tokio runtime, on which appends are written.
    ///
    /// # Errors
    /// The file cannot be made, is no database, is read-only, or was made by a newer orgsmith.
    pub async fn sqlite(path: &Path) -> Result<Self, Error> {
        let (pools, fail) = sqlite::connect(path).await?;
        let found = migrate::migrate(&pools.writes, &fail, &migrate::STATE).await?;
        Ok(Self::start(pools, fail, found))
    }

    /// Opens a state in a PostgreSQL database, such as `postgres://user@host/database`.
    ///
    /// What the address leaves out comes from the variables and files of libpq: the password from
    /// `PGPASSWORD` or `~/.pgpass`. The tables are made where there are none. Needs a tokio runtime.
    ///
    /// # Errors
    /// The server cannot be reached or refuses, there is no such database, or the state was made
    /// by a newer orgsmith. No error holds a password.
    pub async fn postgres(address: &str) -> Result<Self, Error> {
        let (pools, fail) = postgres::connect(address).await?;
        let found = migrate::migrate(&pools.writes, &fail, &migrate::STATE).await?;
        Ok(Self::start(pools, fail, found))
    }

    fn start(pools: Pools, fail: Fail, found: u64) -> Self {
        let (appends, requests) = mpsc::channel(1024);
        let writing = writer::write(pools.writes.clone(), fail.clone(), requests);
        let writer = tokio::spawn(writing);
        Self {
            pools,
            fail,
            appends,
            writer,
            found,
            quota: OnceCell::new(),
        }
    }

    /// Opens what the service keeps beside the state.
    ///
    /// # Errors
    /// The database fails, or a newer orgsmith made the tables.
    pub async fn desk(&self) -> Result<Desk, Error> {
        Desk::open(self.pools.clone(), self.fail.clone()).await
    }

    /// Closes the database once everything that was begun is written.
    pub async fn close(self) {
        let Self {
            pools,
            fail: _,
            appends,
            writer,
            found: _,
            quota: _,
        } = self;
        drop(appends);
        // It can only have panicked, and then it has said so.
        let _ = writer.await;
        pools.close().await;
    }

    async fn begin(&self) -> Result<Transaction<'static, Any>, Error> {
        let begun = self.pools.writes.begin().await;
        begun.map_err(|error| self.fail.on(error))
    }

    /// Begins a transaction that only reads.
    async fn begin_reading(&self) -> Result<Transaction<'static, Any>, Error> {
        let begun = self.pools.reads.begin().await;
        begun.map_err(|error| self.fail.on(error))
    }

    /// Begins a transaction in which a lease is ours until it ends.
    async fn fenced(&self, lease: &Lease) -> Result<Transaction<'static, Any>, Error> {
        let mut tx = self.begin().await?;
        hold(&mut tx, lease, &self.fail).await?;
        Ok(tx)
    }

    async fn commit(&self, tx: Transaction<'static, Any>) -> Result<(), Error> {
        tx.commit().await.map_err(|error| self.fail.on(error))
    }

    async fn append_records(&self, lease: &Lease, records: &[Record]) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        let request = writer::Request {
            lease: lease.clone(),
            records: records.to_vec(),
            reply,
        };
        let sent = self.appends.send(request).await;
        sent.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

/// Takes a number into the database, which has no unsigned ones.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Takes a number out of the database.
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

impl State for Sql {
    fn acquire<'a>(
        &'a self,
        org: &'a OrgName,
        owner: &'a Owner,
        ttl_ms: u64,
        now_ms: u64,
    ) -> Reply<'a, Acquired> {
        Box::pin(self.take_lease(org, owner, ttl_ms, now_ms))
    }

    fn renew<'a>(&'a self, lease: &'a Lease, ttl_ms: u64, now_ms: u64) -> Reply<'a, ()> {
        Box::pin(self.extend_lease(lease, ttl_ms, now_ms))
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> Reply<'a, ()> {
        Box::pin(self.give_lease_back(lease))
    }

    fn check<'a>(&'a self, lease: &'a Lease) -> Reply<'a, ()> {
        Box::pin(self.check_lease(lease))
    }

    fn holder<'a>(&'a self, org: &'a OrgName) -> Reply<'a, Option<(Owner, u64)>> {
        Box::pin(self.lease_holder(org))
    }

    fn create_run<'a>(&'a self, lease: &'a Lease, run: &'a Run, plan: &'a str) -> Reply<'a, ()> {
        Box::pin(self.insert_run(lease, run, plan))
    }

    fn set_status<'a>(
        &'a self,
        lease: &'a Lease,
        run: &'a RunId,
        status: RunStatus,
        now_ms: u64,
    ) -> Reply<'a, ()> {
        Box::pin(self.update_status(lease, run, status, now_ms))
    }

    fn run<'a>(&'a self, run: &'a RunId) -> Reply<'a, Option<Run>> {
        Box::pin(self.select_run(run))
    }

    fn plan<'a>(&'a self, run: &'a RunId) -> Reply<'a, Option<Arc<str>>> {
        Box::pin(self.select_plan(run))
    }

    fn runs<'a>(&'a self, org: Option<&'a OrgName>) -> Reply<'a, Vec<Run>> {
        Box::pin(self.select_runs(org))
    }

    fn some_runs<'a>(
        &'a self,
        org: Option<&'a OrgName>,
        behind: Option<&'a RunId>,
        limit: usize,
    ) -> Reply<'a, Vec<Run>> {
        Box::pin(self.select_some_runs(org, behind, limit))
    }

    fn append<'a>(&'a self, lease: &'a Lease, records: &'a [Record]) -> Reply<'a, ()> {
        Box::pin(self.append_records(lease, records))
    }

    fn journal<'a>(&'a self, run: &'a RunId) -> Reply<'a, Vec<Record>> {
        Box::pin(self.select_journal(run))
    }

    fn put_mappings<'a>(&'a self, lease: &'a Lease, mappings: &'a [Mapping]) -> Reply<'a, ()> {
        Box::pin(self.upsert_mappings(lease, mappings))
    }

    fn forget_mapping<'a>(&'a self, lease: &'a Lease, object: &'a ObjectRef) -> Reply<'a, ()> {
        Box::pin(self.delete_mapping(lease, object))
    }

    fn mappings<'a>(&'a self, filter: &'a MappingFilter) -> Reply<'a, Vec<Mapping>> {
        Box::pin(self.select_mappings(filter))
    }

    fn some_mappings<'a>(
        &'a self,
        filter: &'a MappingFilter,
        wanted: Option<&'a Wanted<'a>>,
        behind: Option<&'a MappingPlace>,
        limit: usize,
    ) -> Reply<'a, Vec<Mapping>> {
        Box::pin(self.select_some_mappings(filter, wanted, behind, limit))
    }

    fn pin<'a>(
        &'a self,
        org: &'a OrgName,
        object: &'a ObjectRef,
        id: &'a TargetId,
    ) -> Reply<'a, ()> {
        Box::pin(self.upsert_pin(org, object, id))
    }

    fn unpin<'a>(&'a self, org: &'a OrgName, object: &'a ObjectRef) -> Reply<'a, ()> {
        Box::pin(self.delete_pin(org, object))
    }

    fn pins<'a>(&'a self, org: &'a OrgName) -> Reply<'a, BTreeMap<ObjectRef, TargetId>> {
        Box::pin(self.select_pins(org))
    }

    fn save_snapshot<'a>(
        &'a self,
        org: &'a OrgName,
        label: &'a str,
        taken_ms: u64,
        content: &'a [u8],
    ) -> Reply<'a, SnapshotId> {
        Box::pin(self.insert_snapshot(org, label, taken_ms, content))
    }

    fn snapshot<'a>(&'a self, id: &'a SnapshotId) -> Reply<'a, Option<Vec<u8>>> {
        Box::pin(self.select_snapshot(id))
    }

    fn snapshots<'a>(&'a self, org: &'a OrgName) -> Reply<'a, Vec<SnapshotHead>> {
        Box::pin(self.select_snapshots(org))
    }

    fn ask_jobs<'a>(&'a self, lease: &'a Lease, jobs: &'a [Job]) -> Reply<'a, ()> {
        Box::pin(self.upsert_jobs(lease, jobs))
    }

    fn put_job<'a>(&'a self, lease: &'a Lease, job: &'a Job) -> Reply<'a, bool> {
        Box::pin(self.update_job(lease, job))
    }

    fn jobs<'a>(&'a self, org: Option<&'a OrgName>) -> Reply<'a, Vec<Job>> {
        Box::pin(self.select_jobs(org))
    }

    fn setting<'a>(&'a self, name: &'a str) -> Reply<'a, Option<String>> {
        Box::pin(self.select_setting(name))
    }

    fn put_setting<'a>(&'a self, name: &'a str, value: Option<&'a str>) -> Reply<'a, ()> {
        Box::pin(self.upsert_setting(name, value))
    }

    fn claim<'a>(&'a self, claim: &'a Claim, now_ms: u64) -> Reply<'a, Option<Claimed>> {
        Box::pin(self.take_share(claim, now_ms))
    }

    fn unclaim<'a>(&'a self, owner: &'a Owner) -> Reply<'a, ()> {
        Box::pin(self.give_shares_back(owner))
    }

    fn dump<'a>(&'a self, sink: &'a mut Sink<'_>) -> Reply<'a, ()> {
        Box::pin(self.dump_rows(sink))
    }

    fn load<'a>(&'a self, rows: &'a mut Source<'_>, replace: bool) -> Reply<'a, ()> {
        Box::pin(self.load_rows(rows, replace))
    }

    fn place(&self) -> &str {
        &self.fail.place
    }

    fn about(&self) -> Reply<'_, About> {
        Box::pin(self.look())
    }
}
