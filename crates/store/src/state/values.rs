//! What a state keeps.

use std::fmt;
use std::str::FromStr;

use orgsmith_core::id::{ObjectRef, OrgName, RunId, SourceId, TargetId};
use serde::{Deserialize, Serialize};

/// A run, without its plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The org it writes to.
    pub org: OrgName,
    /// Where the wanted state came from, as the user wrote it.
    pub source: String,
    /// The digest of the plan.
    pub plan_digest: String,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// When its status was last set, in milliseconds since 1970.
    pub updated_ms: u64,
    /// How it stands.
    pub status: RunStatus,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Somebody works on it, or did when the process died.
    Running,
    /// Every step is done.
    Done,
    /// Some steps are done, others failed.
    Partial,
    /// It stopped before it did anything that lasts.
    Failed,
    /// It was stopped, and can be resumed.
    Interrupted,
}

impl RunStatus {
    /// Returns the word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RunStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [
            Self::Running,
            Self::Done,
            Self::Partial,
            Self::Failed,
            Self::Interrupted,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or_else(|| format!("{text:?} is no status of a run"))
    }
}

/// Names who holds a lease; different for every process, such as `host/pid/uuid`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner(Box<str>);

impl Owner {
    /// Wraps a name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Counts how often the lease of an org has changed hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(u64);

impl Fence {
    pub(super) fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// The right to write to an org, until somebody else takes it over.
///
/// Only [`super::State::acquire`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub(super) org: OrgName,
    pub(super) owner: Owner,
    pub(super) fence: Fence,
}

impl Lease {
    /// Returns the org.
    pub fn org(&self) -> &OrgName {
        &self.org
    }

    /// Returns who holds it.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Returns its fence.
    pub fn fence(&self) -> Fence {
        self.fence
    }
}

/// What came of trying to get a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// It is ours.
    Lease(Lease),
    /// Somebody holds it.
    Held {
        /// Who.
        owner: Owner,
        /// Until when, unless they renew it, in milliseconds since 1970.
        expires_ms: u64,
    },
}

/// Which id an object of a source has in a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The org, or the bundle, that the object came from.
    pub source_org: OrgName,
    /// The org it was written to.
    pub target_org: OrgName,
    /// The object.
    pub object: ObjectRef,
    /// Its id in the source, where it is known.
    pub source_id: Option<SourceId>,
    /// Its id in the target.
    pub target_id: TargetId,
    /// The run that wrote it.
    pub run: RunId,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// Where a mapping stands: there is one for a source, a target and an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MappingPlace {
    /// The org, or the bundle, that the object came from.
    pub source_org: OrgName,
    /// The org it was written to.
    pub target_org: OrgName,
    /// The object.
    pub object: ObjectRef,
}

impl Mapping {
    /// Returns where it stands.
    pub fn place(&self) -> MappingPlace {
        MappingPlace {
            source_org: self.source_org.clone(),
            target_org: self.target_org.clone(),
            object: self.object.clone(),
        }
    }
}

/// Chooses mappings; an empty filter chooses all.
#[derive(Clone, Debug, Default)]
pub struct MappingFilter {
    /// Only from this source.
    pub source_org: Option<OrgName>,
    /// Only to this target.
    pub target_org: Option<OrgName>,
    /// Only this object.
    pub object: Option<ObjectRef>,
    /// Only with this id in the source.
    pub source_id: Option<SourceId>,
    /// Only with this id in the target.
    pub target_id: Option<TargetId>,
}

/// Names a snapshot: counts up from 1 in every org.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotId {
    /// The org.
    pub org: OrgName,
    /// The number.
    pub number: u64,
}

/// A snapshot without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotHead {
    /// Its name.
    pub id: SnapshotId,
    /// What the user called it; may be empty.
    pub label: String,
    /// When it was taken, in milliseconds since 1970.
    pub taken_ms: u64,
    /// The size of its content, in bytes.
    pub size: u64,
}

/// What a process asks of a quota that it shares with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The quota: an OAuth client of an org.
    pub pool: String,
    /// Who asks; different for every process.
    pub owner: Owner,
    /// How many requests all of them may send in a window.
    pub total: u32,
    /// The length of a window, in milliseconds.
    pub window_ms: u64,
    /// How many places the asker occupies already.
    pub used: u32,
    /// How many it would like to occupy.
    pub wanted: u32,
}

/// Somebody else who holds a part of a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Who.
    pub owner: Owner,
    /// How much.
    pub held: u64,
    /// When it last asked, in milliseconds since 1970.
    pub seen_ms: u64,
}

/// What somebody may occupy of a quota, until it asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// How many places.
    pub held: u32,
    /// Who else holds a part.
    pub others: Vec<Owner>,
}

impl Claim {
    /// Decides what the asker gets: nobody is promised what another holds, and nobody gets more than
    /// an equal part while others ask as well. What is occupied already stays so until it is free.
    pub(super) fn among(&self, others: Vec<Other>, now_ms: u64) -> Claimed {
        let asking = |other: &&Other| other.seen_ms + self.window_ms / 10 > now_ms;
        let askers = 1 + others.iter().filter(asking).count() as u64;
        let held: u64 = others.iter().map(|other| other.held).sum();
        let part = (u64::from(self.total) / askers).max(1);
        let free = u64::from(self.total).saturating_sub(held);
        let most = u32::try_from(part.min(free)).unwrap_or(u32::MAX);
        Claimed {
            held: self.used.max(self.wanted.min(most)),
            others: others.into_iter().map(|other| other.owner).collect(),
        }
    }

    /// Returns when nothing that is sent now, nor its answer, is in any window that is open.
    pub(super) fn expires_ms(&self, now_ms: u64) -> u64 {
        now_ms + self.window_ms + self.window_ms / 4
    }
}

/// What a state says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The version of its form.
    pub version: u64,
    /// The version that was found when it was opened; 0 where there was none.
    pub found: u64,
    /// What is wrong with it, in words.
    pub wrong: Vec<String>,
}
