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

use super::backend::{Reply, State};
use super::error::Error;
use super::values::{
    Acquired, Fence, Lease, Mapping, MappingFilter, Owner, Run, RunStatus, SnapshotHead, SnapshotId,
};

/// Keeps the state in memory.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    leases: BTreeMap<OrgName, Row>,
    runs: BTreeMap<RunId, RunRow>,
    mappings: BTreeMap<(OrgName, OrgName, ObjectRef), Mapping>,
    pins: BTreeMap<OrgName, BTreeMap<ObjectRef, TargetId>>,
    snapshots: BTreeMap<OrgName, Vec<(SnapshotHead, Vec<u8>)>>,
    jobs: BTreeMap<(OrgName, ObjectRef), Job>,
    settings: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Row {
    owner: Option<Owner>,
    fence: u64,
    expires_ms: u64,
    seen_ms: u64,
}

#[derive(Debug)]
struct RunRow {
    run: Run,
    plan: Arc<str>,
    journal: Vec<Record>,
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

    /// Acts if the lease is still the caller's.
    fn fenced<T: Send + 'static>(
        &self,
        lease: &Lease,
        act: impl FnOnce(&mut Inner) -> Result<T, Error>,
    ) -> Reply<'_, T> {
        self.reply(|inner| {
            inner.held(lease)?;
            act(inner)
        })
    }
}

impl Inner {
    fn held(&mut self, lease: &Lease) -> Result<&mut Row, Error> {
        let Lease { org, owner, fence } = lease;
        match self.leases.get_mut(org) {
            Some(row) if row.owner.as_ref() == Some(owner) && row.fence == fence.number() => {
                Ok(row)
            }
            row => Err(Error::Fenced {
                org: org.clone(),
                holder: row.and_then(|row| row.owner.clone()),
            }),
        }
    }

    fn run(&mut self, lease: &Lease, run: &RunId) -> Result<&mut RunRow, Error> {
        match self.runs.get_mut(run) {
            Some(row) if row.run.org == lease.org => Ok(row),
            _ => Err(Error::NoRun {
                run: run.clone(),
                org: lease.org.clone(),
            }),
        }
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
            if owner.as_str().is_empty() || ttl_ms == 0 {
                return Err(Error::Misuse("a lease needs an owner and some time"));
            }
            let row = inner.leases.entry(org.clone()).or_insert(Row {
                owner: None,
                fence: 0,
                expires_ms: 0,
                seen_ms: now_ms,
            });
            if now_ms < row.seen_ms {
                return Err(Error::Misuse("time ran backwards"));
            }
            row.seen_ms = now_ms;
            if let Some(owner) = &row.owner
                && row.expires_ms > now_ms
            {
                return Ok(Acquired::Held {
                    owner: owner.clone(),
                    expires_ms: row.expires_ms,
                });
            }
            row.owner = Some(owner.clone());
            row.fence += 1;
            row.expires_ms = now_ms.saturating_add(ttl_ms);
            Ok(Acquired::Lease(Lease {
                org: org.clone(),
                owner: owner.clone(),
                fence: Fence::new(row.fence),
            }))
        })
    }

    fn renew<'a>(&'a self, lease: &'a Lease, ttl_ms: u64, now_ms: u64) -> Reply<'a, ()> {
        self.reply(|inner| {
            let row = inner.held(lease)?;
            if now_ms < row.seen_ms {
                return Err(Error::Misuse("time ran backwards"));
            }
            row.seen_ms = now_ms;
            row.expires_ms = now_ms.saturating_add(ttl_ms);
            Ok(())
        })
    }

    fn release<'a>(&'a self, lease: &'a Lease) -> Reply<'a, ()> {
        self.reply(|inner| {
            inner.held(lease)?.owner = None;
            Ok(())
        })
    }

    fn check<'a>(&'a self, lease: &'a Lease) -> Reply<'a, ()> {
        self.fenced(lease, |_| Ok(()))
    }

    fn holder<'a>(&'a self, org: &'a OrgName) -> Reply<'a, Option<(Owner, u64)>> {
        self.reply(|inner| {
            let row = inner.leases.get(org);
            Ok(row.and_then(|row| Some((row.owner.clone()?, row.expires_ms))))
        })
    }

    fn create_run<'a>(&'a self, lease: &'a Lease, run: &'a Run, plan: &'a str) -> Reply<'a, ()> {
        self.fenced(lease, |inner| {
            if run.status != RunStatus::Running {
                return Err(Error::Misuse("a run starts as running"));
            }
            if run.org != lease.org {
                return Err(Error::OtherOrg {
                    lease: lease.org.clone(),
                    other: run.org.clone(),
                });
            }
            if inner.runs.contains_key(&run.id) {
                return Err(Error::RunExists(run.id.clone()));
            }
            let row = RunRow {
                run: run.clone(),
                plan: plan.into(),
                journal: Vec::new(),
            };
            inner.runs.insert(run.id.clone(), row);
            Ok(())
        })
    }

    fn set_status<'a>(
        &'a self,
        lease: &'a Lease,
        run: &'a RunId,
        status: RunStatus,
        now_ms: u64,
    ) -> Reply<'a, ()> {
        self.fenced(lease, |inner| {
            let Run {
                status: old,
                updated_ms,
                ..
            } = &mut inner.run(lease, run)?.run;
            *old = status;
            *updated_ms = now_ms;
            Ok(())
        })
    }

    fn run<'a>(&'a self, run: &'a RunId) -> Reply<'a, Option<Run>> {
        self.reply(|inner| Ok(inner.runs.get(run).map(|row| row.run.clone())))
    }

    fn plan<'a>(&'a self, run: &'a RunId) -> Reply<'a, Option<Arc<str>>> {
        self.reply(|inner| Ok(inner.runs.get(run).map(|row| row.plan.clone())))
    }

    fn runs<'a>(&'a self, org: Option<&'a OrgName>) -> Reply<'a, Vec<Run>> {
        self.reply(|inner| {
            let runs = inner.runs.values().map(|row| row.run.clone());
            let mut runs: Vec<_> = runs
                .filter(|run| org.is_none_or(|org| run.org == *org))
                .collect();
            runs.sort_by(|a, b| (b.created_ms, &b.id).cmp(&(a.created_ms, &a.id)));
            Ok(runs)
        })
    }

    fn append<'a>(&'a self, lease: &'a Lease, records: &'a [Record]) -> Reply<'a, ()> {
        self.fenced(lease, |inner| {
            if records.is_empty() {
                return Err(Error::Misuse("an append holds at least one record"));
            }
            // First all checks, then all records: all or none.
            for record in records {
                if inner.run(lease, &record.run)?.run.status != RunStatus::Running {
                    return Err(Error::Misuse("a run that is not running takes no records"));
                }
            }
            for record in records {
                let row = inner.run(lease, &record.run)?;
                row.journal.push(record.clone());
            }
            Ok(())
        })
    }

    fn journal<'a>(&'a self, run: &'a RunId) -> Reply<'a, Vec<Record>> {
        self.reply(|inner| {
            let row = inner.runs.get(run);
            Ok(row.map(|row| row.journal.clone()).unwrap_or_default())
        })
    }

    fn put_mappings<'a>(&'a self, lease: &'a Lease, mappings: &'a [Mapping]) -> Reply<'a, ()> {
        self.fenced(lease, |inner| {
            for mapping in mappings {
                if mapping.target_org != lease.org {
                    return Err(Error::OtherOrg {
                        lease: lease.org.clone(),
                        other: mapping.target_org.clone(),
                    });
                }
            }
            for mapping in mappings {
                let key = (
                    mapping.source_org.clone(),
                    mapping.target_org.clone(),
                    mapping.object.clone(),
                );
                inner.mappings.insert(key, mapping.clone());
            }
            Ok(())
        })
    }

    fn forget_mapping<'a>(&'a self, lease: &'a Lease, object: &'a ObjectRef) -> Reply<'a, ()> {
        self.fenced(lease, |inner| {
            inner
                .mappings
                .retain(|(_, target, other), _| *target != lease.org || other != object);
            Ok(())
        })
    }

    fn mappings<'a>(&'a self, filter: &'a MappingFilter) -> Reply<'a, Vec<Mapping>> {
        let MappingFilter {
            source_org,
            target_org,
            object,
            source_id,
            target_id,
        } = filter;
        self.reply(|inner| {
            let all = inner.mappings.values();
            let chosen = all.filter(|mapping| {
                source_org
                    .as_ref()
                    .is_none_or(|org| *org == mapping.source_org)
                    && target_org
                        .as_ref()
                        .is_none_or(|org| *org == mapping.target_org)
                    && object.as_ref().is_none_or(|it| *it == mapping.object)
                    && (source_id.is_none() || *source_id == mapping.source_id)
                    && target_id.as_ref().is_none_or(|id| *id == mapping.target_id)
            });
            Ok(chosen.cloned().collect())
        })
    }

    fn pin<'a>(
        &'a self,
        org: &'a OrgName,
        object: &'a ObjectRef,
        id: &'a TargetId,
    ) -> Reply<'a, ()> {
        self.reply(|inner| {
            let pins = inner.pins.entry(org.clone()).or_default();
            pins.insert(object.clone(), id.clone());
            Ok(())
        })
    }

    fn unpin<'a>(&'a self, org: &'a OrgName, object: &'a ObjectRef) -> Reply<'a, ()> {
        self.reply(|inner| {
            if let Some(pins) = inner.pins.get_mut(org) {
                pins.remove(object);
            }
            Ok(())
        })
    }

    fn pins<'a>(&'a self, org: &'a OrgName) -> Reply<'a, BTreeMap<ObjectRef, TargetId>> {
        self.reply(|inner| Ok(inner.pins.get(org).cloned().unwrap_or_default()))
    }

    fn save_snapshot<'a>(
        &'a self,
        org: &'a OrgName,
        label: &'a str,
        taken_ms: u64,
        content: &'a [u8],
    ) -> Reply<'a, SnapshotId> {
        self.reply(|inner| {
            let kept = inner.snapshots.entry(org.clone()).or_default();
            let id = SnapshotId {
                org: org.clone(),
                number: kept.len() as u64 + 1,
            };
            let head = SnapshotHead {
                id: id.clone(),
                label: label.to_owned(),
                taken_ms,
                size: content.len() as u64,
            };
            kept.push((head, content.to_vec()));
            Ok(id)
        })
    }

    fn snapshot<'a>(&'a self, id: &'a SnapshotId) -> Reply<'a, Option<Vec<u8>>> {
        self.reply(|inner| {
            let kept = inner.snapshots.get(&id.org);
            let found = kept.and_then(|kept| kept.iter().find(|(head, _)| head.id == *id));
            Ok(found.map(|(_, content)| content.clone()))
        })
    }

    fn snapshots<'a>(&'a self, org: &'a OrgName) -> Reply<'a, Vec<SnapshotHead>> {
        self.reply(|inner| {
            let kept = inner.snapshots.get(org).into_iter().flatten();
            Ok(kept.rev().map(|(head, _)| head.clone()).collect())
        })
    }

    fn ask_jobs<'a>(&'a self, lease: &'a Lease, jobs: &'a [Job]) -> Reply<'a, ()> {
        self.fenced(lease, |inner| {
            for job in jobs {
                if job.org != lease.org && Job::lock(&job.org) != lease.org {
                    return Err(Error::OtherOrg {
                        lease: lease.org.clone(),
                        other: job.org.clone(),
                    });
                }
            }
            for job in jobs {
                let key = (job.org.clone(), job.user.clone());
                let kept = match inner.jobs.get(&key) {
                    Some(kept) => kept.asked_again(job),
                    None => Some(job.clone()),
                };
                if let Some(kept) = kept {
                    inner.jobs.insert(key, kept);
                }
            }
            Ok(())
        })
    }

    fn put_job<'a>(&'a self, lease: &'a Lease, job: &'a Job) -> Reply<'a, bool> {
        self.fenced(lease, |inner| {
            if Job::lock(&job.org) != lease.org {
                return Err(Error::OtherOrg {
                    lease: lease.org.clone(),
                    other: job.org.clone(),
                });
            }
            match inner.jobs.get_mut(&(job.org.clone(), job.user.clone())) {
                Some(kept) if kept.id == job.id && kept.round <= job.round => {
                    *kept = job.clone();
                    Ok(true)
                }
                _ => Ok(false),
            }
        })
    }

    fn jobs<'a>(&'a self, org: Option<&'a OrgName>) -> Reply<'a, Vec<Job>> {
        self.reply(|inner| {
            let jobs = inner.jobs.values();
            let chosen = jobs.filter(|job| org.is_none_or(|org| job.org == *org));
            Ok(chosen.cloned().collect())
        })
    }

    fn setting<'a>(&'a self, name: &'a str) -> Reply<'a, Option<String>> {
        self.reply(|inner| Ok(inner.settings.get(name).cloned()))
    }

    fn put_setting<'a>(&'a self, name: &'a str, value: Option<&'a str>) -> Reply<'a, ()> {
        self.reply(|inner| {
            match value {
                Some(value) => inner.settings.insert(name.to_owned(), value.to_owned()),
                None => inner.settings.remove(name),
            };
            Ok(())
        })
    }
}
