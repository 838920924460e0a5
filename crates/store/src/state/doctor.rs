//! Looks at what a state holds, and tells what cannot be and what waits for somebody.

use std::collections::{BTreeMap, BTreeSet};

use orgsmith_core::id::{OrgName, RunId, StepId};
use orgsmith_core::journal::{Record, StepState};
use orgsmith_core::plan::Plan;

use super::rows::Row;
use super::values::{Owner, Run, RunStatus};

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// It cannot be so; otherwise it only waits for somebody.
    pub wrong: bool,
    /// What it is.
    pub what: String,
    /// What to do.
    pub advice: String,
}

/// How much a state holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Runs.
    pub runs: usize,
    /// Records of their journals.
    pub records: usize,
    /// Ids.
    pub mappings: usize,
    /// Pins.
    pub pins: usize,
    /// Snapshots.
    pub snapshots: usize,
    /// Users who are or were onboarded.
    pub jobs: usize,
    /// Settings.
    pub settings: usize,
}

/// A journal so far.
#[derive(Debug)]
struct Journal {
    run: RunId,
    /// The steps of the plan, where that can be read.
    steps: Option<BTreeSet<StepId>>,
    states: BTreeMap<StepId, StepState>,
}

const RESTORE: &str = "restore a backup, or report it with the run's journal";

/// Sees rows, one by one, and judges them at the end.
#[derive(Debug, Default)]
pub struct Examination {
    findings: Vec<Finding>,
    holdings: Holdings,
    leases: Vec<(OrgName, Owner, u64)>,
    runs: BTreeMap<RunId, Run>,
    /// The journal that comes; none once it was found wrong.
    journal: Option<Journal>,
    /// Runs that something speaks of, with what it is.
    named: BTreeMap<RunId, &'static str>,
}

impl Examination {
    /// Begins.
    pub fn new() -> Self {
        Self::default()
    }

    fn wrong(&mut self, what: String) {
        self.findings.push(Finding {
            wrong: true,
            what,
            advice: RESTORE.to_owned(),
        });
    }

    /// Looks at a row; rows come in the order in which a state tells them.
    pub fn see(&mut self, row: Row) {
        match row {
            Row::Lease {
                org,
                owner: Some(owner),
                expires_ms,
                ..
            } => self.leases.push((org, owner, expires_ms)),
            Row::Lease { owner: None, .. } => {}
            Row::Run { run, plan } => {
                self.holdings.runs += 1;
                let steps = match Plan::unpack(&plan) {
                    Ok(plan) => Some(plan.steps.into_iter().map(|step| step.id).collect()),
                    Err(error) => {
                        self.wrong(format!("run {}: its plan cannot be read: {error}", run.id));
                        None
                    }
                };
                self.journal = Some(Journal {
                    run: run.id.clone(),
                    steps,
                    states: BTreeMap::new(),
                });
                self.runs.insert(run.id.clone(), run);
            }
            Row::Record { run, step, entry } => {
                self.holdings.records += 1;
                self.follow(Record { run, step, entry });
            }
            Row::Mapping(mapping) => {
                self.holdings.mappings += 1;
                self.named.entry(mapping.run).or_insert("ids");
            }
            Row::Pin { .. } => self.holdings.pins += 1,
            Row::Snapshot { head, content } => {
                self.holdings.snapshots += 1;
                let size = content.0.len() as u64;
                if size != head.size {
                    let (number, org) = (head.id.number, head.id.org);
                    self.wrong(format!(
                        "snapshot {number} of {org} has {size} bytes of {}",
                        head.size
                    ));
                }
            }
            Row::Job(job) => {
                self.holdings.jobs += 1;
                self.named.entry(job.run).or_insert("onboarding");
            }
            Row::Setting { .. } => self.holdings.settings += 1,
        }
    }

    fn follow(&mut self, record: Record) {
        let Record { run, step, entry } = record;
        let (steps, states) = match &mut self.journal {
            Some(journal) if journal.run == run => (&journal.steps, &mut journal.states),
            // It was found wrong already.
            None if self.runs.contains_key(&run) => return,
            _ => {
                self.wrong(format!("there is a journal, but no run {run}"));
                return;
            }
        };
        let stranger = steps.as_ref().is_some_and(|steps| !steps.contains(&step));
        let before = states.remove(&step).unwrap_or_default();
        let why = match before.apply(entry) {
            _ if stranger => format!("{step} is no step of its plan"),
            Ok(after) => {
                states.insert(step, after);
                return;
            }
            Err(why) => format!("{step}: {why}"),
        };
        self.journal = None;
        self.wrong(format!("run {run}: its journal cannot be followed: {why}"));
    }

    /// Says what was found, the worst first, and how much there is.
    pub fn end(mut self, now_ms: u64) -> (Vec<Finding>, Holdings) {
        for (run, what) in std::mem::take(&mut self.named) {
            if !self.runs.contains_key(&run) {
                self.wrong(format!("there is no run {run}, but {what} of it"));
            }
        }
        let note = |what: String, advice: String| Finding {
            wrong: false,
            what,
            advice,
        };
        for (org, owner, expires_ms) in &self.leases {
            let seconds = expires_ms.saturating_sub(now_ms).div_ceil(1000);
            self.findings.push(if seconds > 0 {
                let what =
                    format!("{org} is locked by {owner}, for {seconds} s without a sign of life");
                note(
                    what,
                    "somebody writes to it; nothing is to be done".to_owned(),
                )
            } else {
                let what = format!("{org} is still locked by {owner}, who gives no sign of life");
                note(what, "the next run takes the lock over".to_owned())
            });
        }
        for run in self.runs.values() {
            let alive = |(org, _, expires_ms): &(OrgName, Owner, u64)| {
                *org == run.org && *expires_ms > now_ms
            };
            if run.status == RunStatus::Running && !self.leases.iter().any(alive) {
                let what = format!(
                    "run {} of {} was never ended, and nobody works on it",
                    run.id, run.org
                );
                self.findings
                    .push(note(what, format!("orgsmith resume {}", run.id)));
            }
        }
        self.findings.sort_by_key(|finding| !finding.wrong);
        (self.findings, self.holdings)
    }
}

#[cfg(test)]
mod tests {
    use orgsmith_core::id::{Kind, ObjectRef, SourceId, TargetId};
    use orgsmith_core::journal::Entry;

    use super::*;
    use crate::state::values::Mapping;

    fn run(id: &str, status: RunStatus) -> Row {
        Row::Run {
            run: Run {
                id: RunId::new(id),
                org: OrgName::new("acme"),
                source: "gold".to_owned(),
                plan_digest: "d".to_owned(),
                created_ms: 1,
                updated_ms: 1,
                status,
            },
            plan: "not a plan".to_owned(),
        }
    }

    fn examined(rows: Vec<Row>, now_ms: u64) -> Vec<(bool, String)> {
        let mut examination = Examination::new();
        for row in rows {
            examination.see(row);
        }
        let (findings, _) = examination.end(now_ms);
        let findings = findings.into_iter();
        findings
            .map(|finding| (finding.wrong, finding.what))
            .collect()
    }

    #[test]
    fn what_cannot_be_is_told_once_and_first() {
        let record = |run: &str, entry| Row::Record {
            run: RunId::new(run),
            step: StepId::new("s"),
            entry,
        };
        let mapping = Row::Mapping(Mapping {
            source_org: OrgName::new("gold"),
            target_org: OrgName::new("acme"),
            object: ObjectRef::new(Kind::new("k"), orgsmith_core::id::Key::from_encoded("A")),
            source_id: None::<SourceId>,
            target_id: TargetId::new("t"),
            run: RunId::new("gone"),
            at_ms: 1,
        });
        let found = examined(
            vec![
                run("r1", RunStatus::Running),
                record("r1", Entry::NotDone),
                record("r1", Entry::NotDone),
                mapping,
            ],
            1,
        );
        let told: Vec<_> = found
            .iter()
            .map(|(wrong, what)| (*wrong, what.as_str()))
            .collect();
        let begins = [
            (true, "run r1: its plan cannot be read"),
            (true, "run r1: its journal cannot be followed: s: NotDone"),
            (true, "there is no run gone, but ids of it"),
            (false, "run r1 of acme was never ended"),
        ];
        assert_eq!(told.len(), begins.len(), "{told:?}");
        for ((wrong, what), (expected, begin)) in told.iter().zip(begins) {
            assert!(*wrong == expected && what.starts_with(begin), "{told:?}");
        }
    }

    #[test]
    fn a_lock_with_a_sign_of_life_explains_a_run() {
        let lease = Row::Lease {
            org: OrgName::new("acme"),
            owner: Some(Owner::new("me")),
            fence: 1,
            expires_ms: 5_000,
        };
        let found = |now_ms| {
            let rows = vec![lease.clone(), run("r1", RunStatus::Running)];
            examined(rows, now_ms).split_off(1)
        };
        assert_eq!(
            found(1_000),
            [(
                false,
                "acme is locked by me, for 4 s without a sign of life".to_owned()
            )]
        );
        let late = found(5_000);
        assert!(late[0].1.contains("still locked by me"), "{late:?}");
        assert!(late[1].1.contains("nobody works on it"), "{late:?}");
    }
}
