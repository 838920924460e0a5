//! What a state holds, as plain values, and the one way to change it.
//!
//! A [`Change`] is a value: it can be written down, and applied again elsewhere with the same
//! outcome. [`Tables::apply`] checks it against everything that was before, and changes all of it
//! or nothing.

mod read;

use std::collections::BTreeMap;

use orgsmith_core::id::{ObjectRef, OrgName, RunId, StepId, TargetId};
use orgsmith_core::journal::{Entry, Record};
use orgsmith_core::onboard::Job;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::state::error::Error;
use crate::state::rows::Row;
use crate::state::values::{
    Acquired, Fence, Lease, Mapping, Owner, Run, RunStatus, SnapshotHead, SnapshotId,
};

/// Names a content that is kept apart: its SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::state) struct BlobId(Box<str>);

impl BlobId {
    /// Names a content.
    pub(in crate::state) fn of(content: &[u8]) -> Self {
        let digest = Sha256::digest(content);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(hex.into())
    }

    /// Returns the digits.
    #[cfg(feature = "object-store")]
    pub(in crate::state) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A row whose contents are kept apart.
pub(in crate::state) type Kept = Row<BlobId, BlobId>;

/// A lease as a change names it. Only a change that was read makes one without a [`Lease`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::state) struct Holding {
    org: OrgName,
    owner: Owner,
    fence: u64,
}

impl From<&Lease> for Holding {
    fn from(lease: &Lease) -> Self {
        let Lease { org, owner, fence } = lease;
        Self {
            org: org.clone(),
            owner: owner.clone(),
            fence: fence.number(),
        }
    }
}

/// Something that is to become different.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub(in crate::state) enum Change {
    Acquire {
        org: OrgName,
        owner: Owner,
        now_ms: u64,
        expires_ms: u64,
    },
    Renew {
        by: Holding,
        expires_ms: u64,
    },
    Release {
        by: Holding,
    },
    CreateRun {
        by: Holding,
        run: Run,
        plan: BlobId,
    },
    SetStatus {
        by: Holding,
        run: RunId,
        status: RunStatus,
        now_ms: u64,
    },
    Append {
        by: Holding,
        records: Vec<Record>,
    },
    PutMappings {
        by: Holding,
        mappings: Vec<Mapping>,
    },
    ForgetMapping {
        by: Holding,
        object: ObjectRef,
    },
    Pin {
        org: OrgName,
        object: ObjectRef,
        id: TargetId,
    },
    Unpin {
        org: OrgName,
        object: ObjectRef,
    },
    SaveSnapshot {
        org: OrgName,
        label: String,
        taken_ms: u64,
        size: u64,
        content: BlobId,
    },
    AskJobs {
        by: Holding,
        jobs: Vec<Job>,
    },
    PutJob {
        by: Holding,
        job: Job,
    },
    PutSetting {
        name: String,
        value: Option<String>,
    },
    /// Puts everything in the place of what is there; leases are given back and fenced off.
    Load {
        replace: bool,
        rows: Vec<Kept>,
    },
}

impl Change {
    /// Makes the change that takes a lease.
    pub(in crate::state) fn acquire(
        org: &OrgName,
        owner: &Owner,
        ttl_ms: u64,
        now_ms: u64,
    ) -> Result<Self, Error> {
        if owner.as_str().is_empty() || ttl_ms == 0 {
            return Err(Error::Misuse("a lease needs an owner and some time"));
        }
        Ok(Self::Acquire {
            org: org.clone(),
            owner: owner.clone(),
            now_ms,
            expires_ms: now_ms.saturating_add(ttl_ms),
        })
    }
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::state) enum Effect {
    Done,
    Acquired(Acquired),
    Saved(SnapshotId),
    /// Whether a job was kept.
    Kept(bool),
}

#[cfg(feature = "object-store")]
impl Effect {
    /// Tells whether anything is different now.
    pub(in crate::state) fn changed(&self) -> bool {
        !matches!(
            self,
            Self::Acquired(Acquired::Held { .. }) | Self::Kept(false)
        )
    }
}

/// Everything a state holds, but for contents that are kept apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::state) struct Tables {
    leases: BTreeMap<OrgName, Tenure>,
    runs: BTreeMap<RunId, RunRow>,
    mappings: BTreeMap<(OrgName, OrgName, ObjectRef), Mapping>,
    pins: BTreeMap<OrgName, BTreeMap<ObjectRef, TargetId>>,
    snapshots: BTreeMap<OrgName, Vec<(SnapshotHead, BlobId)>>,
    jobs: BTreeMap<(OrgName, ObjectRef), Job>,
    settings: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Tenure {
    owner: Option<Owner>,
    fence: u64,
    expires_ms: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct RunRow {
    run: Run,
    plan: BlobId,
    journal: Vec<(StepId, Entry)>,
}

impl Tables {
    /// Makes a change, if it can follow what was before; else nothing is different.
    pub(in crate::state) fn apply(&mut self, change: &Change) -> Result<Effect, Error> {
        match change {
            Change::Acquire {
                org,
                owner,
                now_ms,
                expires_ms,
            } => {
                return Ok(Effect::Acquired(self.acquire(
                    org,
                    owner,
                    *now_ms,
                    *expires_ms,
                )));
            }
            Change::Renew { by, expires_ms } => self.held(by)?.expires_ms = *expires_ms,
            Change::Release { by } => self.held(by)?.owner = None,
            Change::CreateRun { by, run, plan } => self.create_run(by, run, plan)?,
            Change::SetStatus {
                by,
                run,
                status,
                now_ms,
            } => {
                self.held(by)?;
                let row = self.run_mut(&by.org, run)?;
                row.run.status = *status;
                row.run.updated_ms = *now_ms;
            }
            Change::Append { by, records } => self.append(by, records)?,
            Change::PutMappings { by, mappings } => self.put_mappings(by, mappings)?,
            Change::ForgetMapping { by, object } => {
                self.held(by)?;
                self.mappings
                    .retain(|(_, target, other), _| *target != by.org || other != object);
            }
            Change::Pin { org, object, id } => {
                let pins = self.pins.entry(org.clone()).or_default();
                pins.insert(object.clone(), id.clone());
            }
            Change::Unpin { org, object } => {
                if let Some(pins) = self.pins.get_mut(org) {
                    pins.remove(object);
                }
            }
            Change::SaveSnapshot {
                org,
                label,
                taken_ms,
                size,
                content,
            } => {
                let id = SnapshotId {
                    org: org.clone(),
                    number: self.snapshots.get(org).map_or(0, Vec::len) as u64 + 1,
                };
                let head = SnapshotHead {
                    id: id.clone(),
                    label: label.clone(),
                    taken_ms: *taken_ms,
                    size: *size,
                };
                let kept = self.snapshots.entry(org.clone()).or_default();
                kept.push((head, content.clone()));
                return Ok(Effect::Saved(id));
            }
            Change::AskJobs { by, jobs } => self.ask_jobs(by, jobs)?,
            Change::PutJob { by, job } => return self.put_job(by, job).map(Effect::Kept),
            Change::PutSetting { name, value } => {
                match value {
                    Some(value) => self.settings.insert(name.clone(), value.clone()),
                    None => self.settings.remove(name),
                };
            }
            Change::Load { replace, rows } => self.load(*replace, rows)?,
        }
        Ok(Effect::Done)
    }

    fn acquire(&mut self, org: &OrgName, owner: &Owner, now_ms: u64, expires_ms: u64) -> Acquired {
        let tenure = self.leases.entry(org.clone()).or_default();
        if let Some(owner) = &tenure.owner
            && tenure.expires_ms > now_ms
        {
            return Acquired::Held {
                owner: owner.clone(),
                expires_ms: tenure.expires_ms,
            };
        }
        tenure.owner = Some(owner.clone());
        tenure.fence += 1;
        tenure.expires_ms = expires_ms;
        Acquired::Lease(Lease {
            org: org.clone(),
            owner: owner.clone(),
            fence: Fence::new(tenure.fence),
        })
    }

    fn held(&mut self, by: &Holding) -> Result<&mut Tenure, Error> {
        match self.leases.get_mut(&by.org) {
            Some(tenure) if tenure.is(by) => Ok(tenure),
            tenure => Err(Error::Fenced {
                org: by.org.clone(),
                holder: tenure.and_then(|tenure| tenure.owner.clone()),
            }),
        }
    }

    fn run_mut(&mut self, org: &OrgName, run: &RunId) -> Result<&mut RunRow, Error> {
        match self.runs.get_mut(run) {
            Some(row) if row.run.org == *org => Ok(row),
            _ => Err(Error::NoRun {
                run: run.clone(),
                org: org.clone(),
            }),
        }
    }

    fn create_run(&mut self, by: &Holding, run: &Run, plan: &BlobId) -> Result<(), Error> {
        self.held(by)?;
        belongs(by, &run.org)?;
        if self.runs.contains_key(&run.id) {
            return Err(Error::RunExists(run.id.clone()));
        }
        let row = RunRow {
            run: run.clone(),
            plan: plan.clone(),
            journal: Vec::new(),
        };
        self.runs.insert(run.id.clone(), row);
        Ok(())
    }

    fn append(&mut self, by: &Holding, records: &[Record]) -> Result<(), Error> {
        self.held(by)?;
        // First all checks, then all records: all or none.
        for record in records {
            self.run_mut(&by.org, &record.run)?;
        }
        for Record { run, step, entry } in records {
            let row = self.run_mut(&by.org, run)?;
            row.journal.push((step.clone(), entry.clone()));
        }
        Ok(())
    }

    fn put_mappings(&mut self, by: &Holding, mappings: &[Mapping]) -> Result<(), Error> {
        self.held(by)?;
        for mapping in mappings {
            belongs(by, &mapping.target_org)?;
        }
        for mapping in mappings {
            self.mappings.insert(key_of(mapping), mapping.clone());
        }
        Ok(())
    }

    fn ask_jobs(&mut self, by: &Holding, jobs: &[Job]) -> Result<(), Error> {
        self.held(by)?;
        for job in jobs {
            if Job::lock(&job.org) != by.org {
                belongs(by, &job.org)?;
            }
        }
        for job in jobs {
            let key = (job.org.clone(), job.user.clone());
            let kept = match self.jobs.get(&key) {
                Some(kept) => kept.asked_again(job),
                None => Some(job.clone()),
            };
            if let Some(kept) = kept {
                self.jobs.insert(key, kept);
            }
        }
        Ok(())
    }

    fn put_job(&mut self, by: &Holding, job: &Job) -> Result<bool, Error> {
        if Job::lock(&job.org) != by.org {
            return Err(Error::OtherOrg {
                lease: by.org.clone(),
                other: job.org.clone(),
            });
        }
        self.held(by)?;
        match self.jobs.get_mut(&(job.org.clone(), job.user.clone())) {
            Some(kept) if kept.id == job.id && kept.round <= job.round => {
                *kept = job.clone();
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn load(&mut self, replace: bool, rows: &[Kept]) -> Result<(), Error> {
        if !replace && !self.is_empty() {
            return Err(Error::NotEmpty);
        }
        let mut loaded = Self::default();
        for row in rows {
            loaded.put(row.clone())?;
        }
        // Whoever held a lease, here or there, is fenced off; and no fence counts down.
        for (org, old) in std::mem::take(&mut self.leases) {
            let tenure = loaded.leases.entry(org).or_default();
            tenure.fence = tenure.fence.max(old.fence);
        }
        for tenure in loaded.leases.values_mut() {
            *tenure = Tenure {
                owner: None,
                fence: tenure.fence + 1,
                expires_ms: 0,
            };
        }
        *self = loaded;
        Ok(())
    }

    /// Takes a row in, as it is.
    pub(in crate::state) fn put(&mut self, row: Kept) -> Result<(), Error> {
        match row {
            Row::Lease {
                org,
                owner,
                fence,
                expires_ms,
            } => {
                let tenure = Tenure {
                    owner,
                    fence,
                    expires_ms,
                };
                self.leases.insert(org, tenure);
            }
            Row::Run { run, plan } => {
                let row = RunRow {
                    plan,
                    journal: Vec::new(),
                    run,
                };
                self.runs.insert(row.run.id.clone(), row);
            }
            Row::Record { run, step, entry } => match self.runs.get_mut(&run) {
                Some(row) => row.journal.push((step, entry)),
                None => return Err(Error::unreadable("a record", format!("no run {run}"))),
            },
            Row::Mapping(mapping) => {
                self.mappings.insert(key_of(&mapping), mapping);
            }
            Row::Pin { org, object, id } => {
                self.pins.entry(org).or_default().insert(object, id);
            }
            Row::Snapshot { head, content } => {
                let kept = self.snapshots.entry(head.id.org.clone()).or_default();
                kept.push((head, content));
            }
            Row::Job(job) => {
                self.jobs.insert((job.org.clone(), job.user.clone()), job);
            }
            Row::Setting { name, value } => {
                self.settings.insert(name, value);
            }
        }
        Ok(())
    }

    /// Returns everything, in an order in which it can be taken in.
    pub(in crate::state) fn rows(&self) -> impl Iterator<Item = Kept> {
        let Self {
            leases,
            runs,
            mappings,
            pins,
            snapshots,
            jobs,
            settings,
        } = self;
        let leases = leases.iter().map(|(org, tenure)| Row::Lease {
            org: org.clone(),
            owner: tenure.owner.clone(),
            fence: tenure.fence,
            expires_ms: tenure.expires_ms,
        });
        let runs = runs.values().flat_map(|RunRow { run, plan, journal }| {
            let head = Row::Run {
                run: run.clone(),
                plan: plan.clone(),
            };
            let records = journal.iter().map(|(step, entry)| Row::Record {
                run: run.id.clone(),
                step: step.clone(),
                entry: entry.clone(),
            });
            std::iter::once(head).chain(records)
        });
        let mappings = mappings.values().cloned().map(Row::Mapping);
        let pins = pins.iter().flat_map(|(org, pins)| {
            pins.iter().map(|(object, id)| Row::Pin {
                org: org.clone(),
                object: object.clone(),
                id: id.clone(),
            })
        });
        let snapshots = snapshots.values().flatten();
        let snapshots = snapshots.map(|(head, content)| Row::Snapshot {
            head: head.clone(),
            content: content.clone(),
        });
        let jobs = jobs.values().cloned().map(Row::Job);
        let settings = settings.iter().map(|(name, value)| Row::Setting {
            name: name.clone(),
            value: value.clone(),
        });
        leases
            .chain(runs)
            .chain(mappings)
            .chain(pins)
            .chain(snapshots)
            .chain(jobs)
            .chain(settings)
    }

    /// Tells whether there is nothing that anybody would miss.
    fn is_empty(&self) -> bool {
        let Self {
            leases: _,
            runs,
            mappings,
            pins,
            snapshots,
            jobs,
            settings,
        } = self;
        runs.is_empty()
            && mappings.is_empty()
            && pins.values().all(BTreeMap::is_empty)
            && snapshots.is_empty()
            && jobs.is_empty()
            && settings.is_empty()
    }
}

impl Tenure {
    fn is(&self, by: &Holding) -> bool {
        self.owner.as_ref() == Some(&by.owner) && self.fence == by.fence
    }
}

fn key_of(mapping: &Mapping) -> (OrgName, OrgName, ObjectRef) {
    (
        mapping.source_org.clone(),
        mapping.target_org.clone(),
        mapping.object.clone(),
    )
}

fn belongs(by: &Holding, org: &OrgName) -> Result<(), Error> {
    if by.org == *org {
        return Ok(());
    }
    Err(Error::OtherOrg {
        lease: by.org.clone(),
        other: org.clone(),
    })
}
