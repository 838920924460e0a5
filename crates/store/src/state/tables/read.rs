//! What can be asked of the tables.

use std::collections::BTreeMap;

use orgsmith_core::id::{ObjectRef, OrgName, RunId, StepId, TargetId};
use orgsmith_core::journal::{Entry, Record};
use orgsmith_core::onboard::Job;

use super::{BlobId, Holding, Tables};
use crate::state::error::Error;
use crate::state::values::{Mapping, MappingFilter, Owner, Run, SnapshotHead, SnapshotId};

impl Tables {
    pub(in crate::state) fn check(&self, by: &Holding) -> Result<(), Error> {
        match self.leases.get(&by.org) {
            Some(tenure) if tenure.is(by) => Ok(()),
            tenure => Err(Error::Fenced {
                org: by.org.clone(),
                holder: tenure.and_then(|tenure| tenure.owner.clone()),
            }),
        }
    }

    pub(in crate::state) fn holder(&self, org: &OrgName) -> Option<(Owner, u64)> {
        let tenure = self.leases.get(org)?;
        Some((tenure.owner.clone()?, tenure.expires_ms))
    }

    pub(in crate::state) fn run(&self, run: &RunId) -> Option<Run> {
        self.runs.get(run).map(|row| row.run.clone())
    }

    pub(in crate::state) fn plan(&self, run: &RunId) -> Option<BlobId> {
        self.runs.get(run).map(|row| row.plan.clone())
    }

    pub(in crate::state) fn runs(&self, org: Option<&OrgName>) -> Vec<Run> {
        let runs = self.runs.values().map(|row| &row.run);
        let chosen = runs.filter(|run| org.is_none_or(|org| run.org == *org));
        let mut runs: Vec<_> = chosen.cloned().collect();
        runs.sort_by(|a, b| (b.created_ms, &b.id).cmp(&(a.created_ms, &a.id)));
        runs
    }

    pub(in crate::state) fn journal(&self, run: &RunId) -> Vec<Record> {
        let records = self.runs.get(run).into_iter().flat_map(|row| &row.journal);
        let record = |(step, entry): &(StepId, Entry)| Record {
            run: run.clone(),
            step: step.clone(),
            entry: entry.clone(),
        };
        records.map(record).collect()
    }

    pub(in crate::state) fn mappings(&self, filter: &MappingFilter) -> Vec<Mapping> {
        let MappingFilter {
            source_org,
            target_org,
            object,
            source_id,
            target_id,
        } = filter;
        let chosen = self.mappings.values().filter(|mapping| {
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
        chosen.cloned().collect()
    }

    pub(in crate::state) fn pins(&self, org: &OrgName) -> BTreeMap<ObjectRef, TargetId> {
        self.pins.get(org).cloned().unwrap_or_default()
    }

    pub(in crate::state) fn snapshot(&self, id: &SnapshotId) -> Option<BlobId> {
        let kept = self.snapshots.get(&id.org)?;
        let found = kept.iter().find(|(head, _)| head.id == *id);
        found.map(|(_, content)| content.clone())
    }

    pub(in crate::state) fn snapshots(&self, org: &OrgName) -> Vec<SnapshotHead> {
        let kept = self.snapshots.get(org).into_iter().flatten();
        kept.rev().map(|(head, _)| head.clone()).collect()
    }

    pub(in crate::state) fn jobs(&self, org: Option<&OrgName>) -> Vec<Job> {
        let jobs = self.jobs.values();
        let chosen = jobs.filter(|job| org.is_none_or(|org| job.org == *org));
        chosen.cloned().collect()
    }

    pub(in crate::state) fn setting(&self, name: &str) -> Option<String> {
        self.settings.get(name).cloned()
    }
}
