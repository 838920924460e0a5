//! A state that lasts as long as its process: for tests and dry runs.
//!
//! It is stricter than a database has to be, so that a caller who relies on an accident fails
//! here: time may not run backwards between leases of an org, a run starts as running, a run that
//! is not running takes no records, and an append holds something.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orgsmith_core::id::{ObjectRef, OrgName, RunId, TargetId};
use orgsmith_core::journal::Record;
use orgsmith_core::onboard::Job;

use super::backend::{Reply, Sink, Source, State};
use super::error::Error;
use super::rows::Bytes;
use super::tables::{BlobId, Change, Effect, Kept, Tables};
use super::values::{
    About, Acquired, Lease, Mapping, MappingFilter, Owner, Run, RunStatus, SnapshotHead, SnapshotId,
};

/// Keeps the state in memory.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    tables: Tables,
    blobs: BTreeMap<BlobId, Arc<[u8]>>,
    /// The last time that somebody told, by org.
    seen_ms: BTreeMap<OrgName, u64>,
}

impl Memory {
    /// Starts empty.
    pub fn new() -> Self {
        Self::default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // No method panics half-way, so a poisoned lock still guards whole values.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reply<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Inner) -> Result<T, Error>,
    ) -> Reply<'_, T> {
        let result = act(&mut self.inner());
        Box::pin(std::future::ready(result))
    }

    fn read<T: Send + 'static>(&self, read: impl FnOnce(&Tables) -> T) -> Reply<'_, T> {
        self.reply(|inner| Ok(read(&inner.tables)))
    }

    fn change(&self, change: Change) -> Reply<'_, ()> {
        self.reply(|inner| inner.tables.apply(&change).map(drop))
    }
}

impl Inner {
    fn keep(&mut self, content: &[u8]) -> BlobId {
        let id = BlobId::of(content);
        self.blobs
            .entry(id.clone())
            .or_insert_with(|| content.into());
        id
    }

    fn content(&self, id: &BlobId) -> Result<Arc<[u8]>, Error> {
        let found = self.blobs.get(id).cloned();
        found.ok_or_else(|| Error::unreadable("a content", "it is gone"))
    }

    fn text(&self, id: &BlobId) -> Result<String, Error> {
        String::from_utf8(self.content(id)?.to_vec())
            .map_err(|error| Error::unreadable("a plan", error))
    }

    /// Time may not run backwards.
    fn see(&mut self, org: &OrgName, now_ms: u64) -> Result<(), Error> {
        let seen_ms = self.seen_ms.entry(org.clone()).or_default();
        if now_ms < *seen_ms {
            return Err(Error::Misuse("time ran backwards"));
        }
        *seen_ms = now_ms;
        Ok(())
    }
}

impl State for Memory {
    fn acquire<'a>(
        &'a self,
        org: &'a OrgName,
        owner: &'a Owner,
        ttl_ms: u64,
        now_ms: u64,
    ) -> Reply<'a, Acquired> {
        self.reply(|inner| {
            let change = Change::acquire(org, owner, ttl_ms, now_ms)?;
            inner.see(org, now_ms)?;
            match inner.tables.apply(&change)? {
                Effect::Acquired(acquired) => Ok(acquired),
                _ => Err(Error::Misuse("a lease is acquired or held")),
            }
        })
    }

    fn renew<'a>(&'a self, lease: &'a Lease, ttl_ms: u64, now_ms: u64) -> Reply<'a, ()> {
        self.reply(|inner| {
            let by = lease.into();
            inner.tables.check(&by)?;
            inner.see(&lease.org, now_ms)?;
            let expires_ms = now_ms.saturating_add(ttl_ms);
            inner
                .tables
                .apply(&Change::Renew { by, expires_ms })
                .map(drop)
        })
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> Reply<'a, ()> {
        self.change(Change::Release { by: lease.into() })
    }

    fn check<'a>(&'a self, lease: &'a Lease) -> Reply<'a, ()> {
        self.reply(|inner| inner.tables.check(&lease.into()))
    }

    fn holder<'a>(&'a self, org: &'a OrgName) -> Reply<'a, Option<(Owner, u64)>> {
        self.read(|tables| tables.holder(org))
    }

    fn create_run<'a>(&'a self, lease: &'a Lease, run: &'a Run, plan: &'a str) -> Reply<'a, ()> {
        self.reply(|inner| {
            if run.status != RunStatus::Running {
                return Err(Error::Misuse("a run starts as running"));
            }
            let change = Change::CreateRun {
                by: lease.into(),
                run: run.clone(),
                plan: inner.keep(plan.as_bytes()),
            };
            inner.tables.apply(&change).map(drop)
        })
    }

    fn set_status<'a>(
        &'a self,
        lease: &'a Lease,
        run: &'a RunId,
        status: RunStatus,
        now_ms: u64,
    ) -> Reply<'a, ()> {
        self.change(Change::SetStatus {
            by: lease.into(),
            run: run.clone(),
            status,
            now_ms,
        })
    }

    fn run<'a>(&'a self, run: &'a RunId) -> Reply<'a, Option<Run>> {
        self.read(|tables| tables.run(run))
    }

    fn plan<'a>(&'a self, run: &'a RunId) -> Reply<'a, Option<Arc<str>>> {
        self.reply(|inner| {
            let plan = inner.tables.plan(run);
            let text = plan.map(|plan| inner.text(&plan)).transpose()?;
            Ok(text.map(Into::into))
        })
    }

    fn runs<'a>(&'a self, org: Option<&'a OrgName>) -> Reply<'a, Vec<Run>> {
        self.read(|tables| tables.runs(org))
    }

    fn append<'a>(&'a self, lease: &'a Lease, records: &'a [Record]) -> Reply<'a, ()> {
        self.reply(|inner| {
            if records.is_empty() {
                return Err(Error::Misuse("an append holds at least one record"));
            }
            let change = Change::Append {
                by: lease.into(),
                records: records.to_vec(),
            };
            let mut runs = records.iter().map(|record| inner.tables.run(&record.run));
            let ended = |run: Option<Run>| {
                run.is_some_and(|run| run.org == lease.org && run.status != RunStatus::Running)
            };
            if inner.tables.check(&lease.into()).is_ok() && runs.any(ended) {
                return Err(Error::Misuse("a run that is not running takes no records"));
            }
            inner.tables.apply(&change).map(drop)
        })
    }

    fn journal<'a>(&'a self, run: &'a RunId) -> Reply<'a, Vec<Record>> {
        self.read(|tables| tables.journal(run))
    }

    fn put_mappings<'a>(&'a self, lease: &'a Lease, mappings: &'a [Mapping]) -> Reply<'a, ()> {
        self.change(Change::PutMappings {
            by: lease.into(),
            mappings: mappings.to_vec(),
        })
    }

    fn forget_mapping<'a>(&'a self, lease: &'a Lease, object: &'a ObjectRef) -> Reply<'a, ()> {
        self.change(Change::ForgetMapping {
            by: lease.into(),
            object: object.clone(),
        })
    }

    fn mappings<'a>(&'a self, filter: &'a MappingFilter) -> Reply<'a, Vec<Mapping>> {
        self.read(|tables| tables.mappings(filter))
    }

    fn pin<'a>(
        &'a self,
        org: &'a OrgName,
        object: &'a ObjectRef,
        id: &'a TargetId,
    ) -> Reply<'a, ()> {
        self.change(Change::Pin {
            org: org.clone(),
            object: object.clone(),
            id: id.clone(),
        })
    }

    fn unpin<'a>(&'a self, org: &'a OrgName, object: &'a ObjectRef) -> Reply<'a, ()> {
        self.change(Change::Unpin {
            org: org.clone(),
            object: object.clone(),
        })
    }

    fn pins<'a>(&'a self, org: &'a OrgName) -> Reply<'a, BTreeMap<ObjectRef, TargetId>> {
        self.read(|tables| tables.pins(org))
    }

    fn save_snapshot<'a>(
        &'a self,
        org: &'a OrgName,
        label: &'a str,
        taken_ms: u64,
        content: &'a [u8],
    ) -> Reply<'a, SnapshotId> {
        self.reply(|inner| {
            let change = Change::SaveSnapshot {
                org: org.clone(),
                label: label.to_owned(),
                taken_ms,
                size: content.len() as u64,
                content: inner.keep(content),
            };
            match inner.tables.apply(&change)? {
                Effect::Saved(id) => Ok(id),
                _ => Err(Error::Misuse("a snapshot is saved")),
            }
        })
    }

    fn snapshot<'a>(&'a self, id: &'a SnapshotId) -> Reply<'a, Option<Vec<u8>>> {
        self.reply(|inner| {
            let content = inner.tables.snapshot(id);
            let content = content.map(|content| inner.content(&content)).transpose()?;
            Ok(content.map(|content| content.to_vec()))
        })
    }

    fn snapshots<'a>(&'a self, org: &'a OrgName) -> Reply<'a, Vec<SnapshotHead>> {
        self.read(|tables| tables.snapshots(org))
    }

    fn ask_jobs<'a>(&'a self, lease: &'a Lease, jobs: &'a [Job]) -> Reply<'a, ()> {
        self.change(Change::AskJobs {
            by: lease.into(),
            jobs: jobs.to_vec(),
        })
    }

    fn put_job<'a>(&'a self, lease: &'a Lease, job: &'a Job) -> Reply<'a, bool> {
        self.reply(|inner| {
            let change = Change::PutJob {
                by: lease.into(),
                job: job.clone(),
            };
            Ok(inner.tables.apply(&change)? == Effect::Kept(true))
        })
    }

    fn jobs<'a>(&'a self, org: Option<&'a OrgName>) -> Reply<'a, Vec<Job>> {
        self.read(|tables| tables.jobs(org))
    }

    fn setting<'a>(&'a self, name: &'a str) -> Reply<'a, Option<String>> {
        self.read(|tables| tables.setting(name))
    }

    fn put_setting<'a>(&'a self, name: &'a str, value: Option<&'a str>) -> Reply<'a, ()> {
        self.change(Change::PutSetting {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        })
    }

    fn dump<'a>(&'a self, sink: &'a mut Sink<'_>) -> Reply<'a, ()> {
        self.reply(|inner| {
            let rows: Vec<Kept> = inner.tables.rows().collect();
            for row in rows {
                sink(row.with(
                    |plan| inner.text(&plan),
                    |content| Ok(Bytes(inner.content(&content)?.to_vec())),
                )?)?;
            }
            Ok(())
        })
    }

    fn load<'a>(&'a self, rows: &'a mut Source<'_>, replace: bool) -> Reply<'a, ()> {
        self.reply(|inner| {
            let mut kept = Vec::new();
            for row in rows {
                let inner = std::cell::RefCell::new(&mut *inner);
                let row = row?.with(
                    |plan| Ok(inner.borrow_mut().keep(plan.as_bytes())),
                    |content| Ok::<_, Error>(inner.borrow_mut().keep(&content.0)),
                )?;
                kept.push(row);
            }
            let change = Change::Load {
                replace,
                rows: kept,
            };
            inner.tables.apply(&change).map(drop)
        })
    }

    fn place(&self) -> &str {
        "memory"
    }

    fn about(&self) -> Reply<'_, About> {
        self.reply(|_| {
            Ok(About {
                version: 1,
                found: 0,
                wrong: Vec::new(),
            })
        })
    }
}
