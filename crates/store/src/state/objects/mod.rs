//! A state in an object store: an append-only log of changes.
//!
//! All it needs of a store is that an object can be made unless it is there. The objects are
//!
//! - `log/<20 digits>`: the entries, counted from 1. The state is what follows from all of them.
//!   None is ever taken away or written again: a writer who was asleep would make it a second time.
//! - `blob/<SHA-256>`: plans and snapshots, written before the entry that names them.
//! - `fold/<20 digits>`: everything up to an entry, so that opening does not read all of the log. What
//!   is lost of them is only time;
//! - `quota/<SHA-256>/<20 digits>`: who holds what of a quota, see [`quota`].
//!
//! Each is gzip-packed JSON (a blob is what it is), and says its format. There is one log for the
//! whole state: what several orgs write at the same time goes into one object, and there is one order
//! of everything. A lease is an entry like any other, so that a writer who was paused and has lost
//! his finds that in the log when he tries to write, and is refused.
//!
//! Every answer is as new as when it was asked for: reading looks for the next entry, which is one
//! request that finds nothing; looks and writes that wait at the same time share it.

mod bucket;
mod entry;
mod log;
mod quota;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orgsmith_core::id::{ObjectRef, OrgName, RunId, TargetId};
use orgsmith_core::journal::Record;
use orgsmith_core::onboard::Job;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::backend::{Reply, Sink, Source, State};
use super::error::Error;
use super::rows::{Bytes, Row};
use super::tables::{BlobId, Change, Effect, Kept, Tables};
use super::values::{
    About, Acquired, Claim, Claimed, Lease, Mapping, MappingFilter, Owner, Run, RunStatus,
    SnapshotHead, SnapshotId,
};
use bucket::Bucket;
use log::{Log, Request};
use quota::Quotas;

/// Keeps the state in an object store.
#[derive(Debug)]
pub struct Objects {
    bucket: Bucket,
    requests: mpsc::Sender<Request>,
    server: JoinHandle<()>,
    quotas: Quotas,
}

impl Objects {
    /// Opens a state at an address: `s3://bucket/folder`, `az://container/folder`,
    /// `gs://bucket/folder` or `file:///folder`.
    ///
    /// Credentials come from the environment, by the names that each cloud gives them. Nothing is
    /// written until there is something to write. Needs a tokio runtime, on which the log is served.
    ///
    /// # Errors
    /// There is no such bucket, it is not open to us or cannot be reached, or the state was made by
    /// a newer orgsmith.
    pub async fn open(address: &str) -> Result<Self, Error> {
        Self::within(Bucket::of(address)?).await
    }

    /// Tells whether an address is that of a directory that is not there, so that there is nothing to
    /// look at; of anything else that cannot be told without asking.
    pub fn is_absent(address: &str) -> bool {
        Bucket::is_absent(address)
    }

    async fn within(bucket: Bucket) -> Result<Self, Error> {
        let log = Log::open(bucket.clone()).await?;
        let (requests, served) = mpsc::channel(1024);
        Ok(Self {
            bucket,
            requests,
            server: tokio::spawn(log.serve(served)),
            quotas: Quotas::default(),
        })
    }

    /// Waits until everything that was begun is written.
    pub async fn close(self) {
        let Self {
            bucket: _,
            requests,
            server,
            quotas: _,
        } = self;
        drop(requests);
        // It can only have panicked, and then it has said so.
        let _ = server.await;
    }

    async fn change(&self, change: Change) -> Result<Effect, Error> {
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.send(Request::Change(change, reply)).await;
        sent.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    async fn change_only(&self, change: Change) -> Result<(), Error> {
        self.change(change).await.map(drop)
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Tables) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let look = Box::new(move |tables: Result<&Tables, Error>| {
            // Who does not wait any more does not want to know.
            let _ = reply.send(tables.map(read));
        });
        let sent = self.requests.send(Request::Read(look)).await;
        sent.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Keeps a content; the same content is one object, however often it is kept.
    async fn keep(&self, content: Vec<u8>) -> Result<BlobId, Error> {
        let id = BlobId::of(&content);
        self.bucket.create(&blob_name(&id), content).await?;
        Ok(id)
    }

    async fn content(&self, id: &BlobId) -> Result<Vec<u8>, Error> {
        let name = blob_name(id);
        let unreadable = |why| Error::unreadable("a content", format!("{name} {why}"));
        let found = self.bucket.read(&name).await?;
        let content = found.ok_or_else(|| unreadable("is gone"))?;
        if BlobId::of(&content) != *id {
            return Err(unreadable("is damaged"));
        }
        Ok(content)
    }

    async fn text(&self, id: &BlobId) -> Result<String, Error> {
        String::from_utf8(self.content(id).await?)
            .map_err(|error| Error::unreadable("a plan", error))
    }

    async fn dump_rows(&self, sink: &mut Sink<'_>) -> Result<(), Error> {
        let rows: Vec<Kept> = self.read(|tables| tables.rows().collect()).await?;
        for row in rows {
            let mut plan = String::new();
            let mut content = Vec::new();
            match &row {
                Row::Run { plan: id, .. } => plan = self.text(id).await?,
                Row::Snapshot { content: id, .. } => content = self.content(id).await?,
                _ => {}
            }
            sink(row.with(|_| Ok(plan), |_| Ok::<_, Error>(Bytes(content)))?)?;
        }
        Ok(())
    }

    async fn load_rows(&self, rows: &mut Source<'_>, replace: bool) -> Result<(), Error> {
        let mut kept = Vec::new();
        for row in rows {
            let row = row?;
            let id = match &row {
                Row::Run { plan, .. } => Some(self.keep(plan.clone().into_bytes()).await?),
                Row::Snapshot { content, .. } => Some(self.keep(content.0.clone()).await?),
                _ => None,
            };
            let named = || id.clone().ok_or(Error::Misuse("a content has a name"));
            kept.push(row.with(|_| named(), |_| named())?);
        }
        self.change_only(Change::Load {
            replace,
            rows: kept,
        })
        .await
    }

    async fn look(&self) -> Result<About, Error> {
        let (tables, mut wrong) = log::inspect(&self.bucket).await?;
        let blobs: BTreeSet<String> = self.bucket.list("blob").await?.into_iter().collect();
        for row in tables.rows() {
            let (what, id) = match &row {
                Row::Run { run, plan } => (format!("the plan of run {}", run.id), plan),
                Row::Snapshot { head, content } => {
                    let SnapshotId { org, number } = &head.id;
                    (format!("snapshot {number} of {org}"), content)
                }
                _ => continue,
            };
            if !blobs.contains(id.as_str()) {
                wrong.push(format!("{what} is gone: there is no {}", blob_name(id)));
            }
        }
        Ok(About {
            version: entry::FORMAT,
            found: entry::FORMAT,
            wrong,
        })
    }
}

fn blob_name(id: &BlobId) -> String {
    format!("blob/{}", id.as_str())
}

impl State for Objects {
    fn acquire<'a>(
        &'a self,
        org: &'a OrgName,
        owner: &'a Owner,
        ttl_ms: u64,
        now_ms: u64,
    ) -> Reply<'a, Acquired> {
        Box::pin(async move {
            let change = Change::acquire(org, owner, ttl_ms, now_ms)?;
            match self.change(change).await? {
                Effect::Acquired(acquired) => Ok(acquired),
                _ => Err(Error::Misuse("a lease is acquired or held")),
            }
        })
    }

    fn renew<'a>(&'a self, lease: &'a Lease, ttl_ms: u64, now_ms: u64) -> Reply<'a, ()> {
        Box::pin(self.change_only(Change::Renew {
            by: lease.into(),
            expires_ms: now_ms.saturating_add(ttl_ms),
        }))
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> Reply<'a, ()> {
        Box::pin(self.change_only(Change::Release { by: lease.into() }))
    }

    fn check<'a>(&'a self, lease: &'a Lease) -> Reply<'a, ()> {
        let by = lease.into();
        Box::pin(async move { self.read(move |tables| tables.check(&by)).await? })
    }

    fn holder<'a>(&'a self, org: &'a OrgName) -> Reply<'a, Option<(Owner, u64)>> {
        let org = org.clone();
        Box::pin(self.read(move |tables| tables.holder(&org)))
    }

    fn create_run<'a>(&'a self, lease: &'a Lease, run: &'a Run, plan: &'a str) -> Reply<'a, ()> {
        Box::pin(async move {
            let plan = self.keep(plan.as_bytes().to_vec()).await?;
            self.change_only(Change::CreateRun {
                by: lease.into(),
                run: run.clone(),
                plan,
            })
            .await
        })
    }

    fn set_status<'a>(
        &'a self,
        lease: &'a Lease,
        run: &'a RunId,
        status: RunStatus,
        now_ms: u64,
    ) -> Reply<'a, ()> {
        Box::pin(self.change_only(Change::SetStatus {
            by: lease.into(),
            run: run.clone(),
            status,
            now_ms,
        }))
    }

    fn run<'a>(&'a self, run: &'a RunId) -> Reply<'a, Option<Run>> {
        let run = run.clone();
        Box::pin(self.read(move |tables| tables.run(&run)))
    }

    fn plan<'a>(&'a self, run: &'a RunId) -> Reply<'a, Option<Arc<str>>> {
        let run = run.clone();
        Box::pin(async move {
            match self.read(move |tables| tables.plan(&run)).await? {
                Some(plan) => Ok(Some(self.text(&plan).await?.into())),
                None => Ok(None),
            }
        })
    }

    fn runs<'a>(&'a self, org: Option<&'a OrgName>) -> Reply<'a, Vec<Run>> {
        let org = org.cloned();
        Box::pin(self.read(move |tables| tables.runs(org.as_ref())))
    }

    fn append<'a>(&'a self, lease: &'a Lease, records: &'a [Record]) -> Reply<'a, ()> {
        Box::pin(self.change_only(Change::Append {
            by: lease.into(),
            records: records.to_vec(),
        }))
    }

    fn journal<'a>(&'a self, run: &'a RunId) -> Reply<'a, Vec<Record>> {
        let run = run.clone();
        Box::pin(self.read(move |tables| tables.journal(&run)))
    }

    fn put_mappings<'a>(&'a self, lease: &'a Lease, mappings: &'a [Mapping]) -> Reply<'a, ()> {
        Box::pin(self.change_only(Change::PutMappings {
            by: lease.into(),
            mappings: mappings.to_vec(),
        }))
    }

    fn forget_mapping<'a>(&'a self, lease: &'a Lease, object: &'a ObjectRef) -> Reply<'a, ()> {
        Box::pin(self.change_only(Change::ForgetMapping {
            by: lease.into(),
            object: object.clone(),
        }))
    }

    fn mappings<'a>(&'a self, filter: &'a MappingFilter) -> Reply<'a, Vec<Mapping>> {
        let filter = filter.clone();
        Box::pin(self.read(move |tables| tables.mappings(&filter)))
    }

    fn pin<'a>(
        &'a self,
        org: &'a OrgName,
        object: &'a ObjectRef,
        id: &'a TargetId,
    ) -> Reply<'a, ()> {
        Box::pin(self.change_only(Change::Pin {
            org: org.clone(),
            object: object.clone(),
            id: id.clone(),
        }))
    }

    fn unpin<'a>(&'a self, org: &'a OrgName, object: &'a ObjectRef) -> Reply<'a, ()> {
        Box::pin(self.change_only(Change::Unpin {
            org: org.clone(),
            object: object.clone(),
        }))
    }

    fn pins<'a>(&'a self, org: &'a OrgName) -> Reply<'a, BTreeMap<ObjectRef, TargetId>> {
        let org = org.clone();
        Box::pin(self.read(move |tables| tables.pins(&org)))
    }

    fn save_snapshot<'a>(
        &'a self,
        org: &'a OrgName,
        label: &'a str,
        taken_ms: u64,
        content: &'a [u8],
    ) -> Reply<'a, SnapshotId> {
        Box::pin(async move {
            let change = Change::SaveSnapshot {
                org: org.clone(),
                label: label.to_owned(),
                taken_ms,
                size: content.len() as u64,
                content: self.keep(content.to_vec()).await?,
            };
            match self.change(change).await? {
                Effect::Saved(id) => Ok(id),
                _ => Err(Error::Misuse("a snapshot is saved")),
            }
        })
    }

    fn snapshot<'a>(&'a self, id: &'a SnapshotId) -> Reply<'a, Option<Vec<u8>>> {
        let id = id.clone();
        Box::pin(async move {
            match self.read(move |tables| tables.snapshot(&id)).await? {
                Some(content) => self.content(&content).await.map(Some),
                None => Ok(None),
            }
        })
    }

    fn snapshots<'a>(&'a self, org: &'a OrgName) -> Reply<'a, Vec<SnapshotHead>> {
        let org = org.clone();
        Box::pin(self.read(move |tables| tables.snapshots(&org)))
    }

    fn ask_jobs<'a>(&'a self, lease: &'a Lease, jobs: &'a [Job]) -> Reply<'a, ()> {
        Box::pin(self.change_only(Change::AskJobs {
            by: lease.into(),
            jobs: jobs.to_vec(),
        }))
    }

    fn put_job<'a>(&'a self, lease: &'a Lease, job: &'a Job) -> Reply<'a, bool> {
        Box::pin(async move {
            let change = Change::PutJob {
                by: lease.into(),
                job: job.clone(),
            };
            Ok(self.change(change).await? == Effect::Kept(true))
        })
    }

    fn jobs<'a>(&'a self, org: Option<&'a OrgName>) -> Reply<'a, Vec<Job>> {
        let org = org.cloned();
        Box::pin(self.read(move |tables| tables.jobs(org.as_ref())))
    }

    fn setting<'a>(&'a self, name: &'a str) -> Reply<'a, Option<String>> {
        let name = name.to_owned();
        Box::pin(self.read(move |tables| tables.setting(&name)))
    }

    fn put_setting<'a>(&'a self, name: &'a str, value: Option<&'a str>) -> Reply<'a, ()> {
        Box::pin(self.change_only(Change::PutSetting {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        }))
    }

    fn claim<'a>(&'a self, claim: &'a Claim, now_ms: u64) -> Reply<'a, Option<Claimed>> {
        Box::pin(async move {
            let claimed = self.quotas.claim(&self.bucket, claim, now_ms).await;
            claimed.map(Some)
        })
    }

    fn unclaim<'a>(&'a self, owner: &'a Owner) -> Reply<'a, ()> {
        Box::pin(self.quotas.give_back(&self.bucket, owner))
    }

    fn dump<'a>(&'a self, sink: &'a mut Sink<'_>) -> Reply<'a, ()> {
        Box::pin(self.dump_rows(sink))
    }

    fn load<'a>(&'a self, rows: &'a mut Source<'_>, replace: bool) -> Reply<'a, ()> {
        Box::pin(self.load_rows(rows, replace))
    }

    fn place(&self) -> &str {
        &self.bucket.place
    }

    fn about(&self) -> Reply<'_, About> {
        Box::pin(self.look())
    }
}
