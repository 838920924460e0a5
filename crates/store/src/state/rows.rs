//! A state as rows, the same for every backend: what a backup holds.

use orgsmith_core::id::{ObjectRef, OrgName, RunId, StepId, TargetId};
use orgsmith_core::journal::Entry;
use orgsmith_core::onboard::Job;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::values::{Mapping, Owner, Run, SnapshotHead};

/// One thing that a state holds; `P` is the plan of a run and `C` the content of a snapshot, or what
/// stands for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "row", rename_all = "snake_case", deny_unknown_fields)]
pub enum Row<P = String, C = Bytes> {
    /// The lease of an org.
    Lease {
        /// The org.
        org: OrgName,
        /// Who holds it.
        owner: Option<Owner>,
        /// How often it has changed hands.
        fence: u64,
        /// When it ends without a sign of life, in milliseconds since 1970.
        expires_ms: u64,
    },
    /// A run.
    Run {
        /// The run.
        run: Run,
        /// Its plan.
        plan: P,
    },
    /// The next record of the journal of a run that was before it.
    Record {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// The entry.
        entry: Entry,
    },
    /// Which id an object of a source has in a target.
    Mapping(Mapping),
    /// Which object of an org is meant by a name.
    Pin {
        /// The org.
        org: OrgName,
        /// The object.
        object: ObjectRef,
        /// Its id.
        id: TargetId,
    },
    /// A snapshot; those of an org are in the order in which they were saved.
    Snapshot {
        /// What it is called.
        head: SnapshotHead,
        /// What it holds.
        content: C,
    },
    /// The onboarding of a user.
    Job(Job),
    /// A setting.
    Setting {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
}

impl<P, C> Row<P, C> {
    /// Puts others in the place of its contents.
    pub(super) fn with<Q, D, E>(
        self,
        plan: impl FnOnce(P) -> Result<Q, E>,
        content: impl FnOnce(C) -> Result<D, E>,
    ) -> Result<Row<Q, D>, E> {
        Ok(match self {
            Self::Run { run, plan: old } => Row::Run {
                run,
                plan: plan(old)?,
            },
            Self::Snapshot { head, content: old } => Row::Snapshot {
                head,
                content: content(old)?,
            },
            Self::Lease {
                org,
                owner,
                fence,
                expires_ms,
            } => Row::Lease {
                org,
                owner,
                fence,
                expires_ms,
            },
            Self::Record { run, step, entry } => Row::Record { run, step, entry },
            Self::Mapping(mapping) => Row::Mapping(mapping),
            Self::Pin { org, object, id } => Row::Pin { org, object, id },
            Self::Job(job) => Row::Job(job),
            Self::Setting { name, value } => Row::Setting { name, value },
        })
    }
}

/// Bytes, written as base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(&self.0);
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine;
        let text = String::deserialize(deserializer)?;
        let decoded = base64::engine::general_purpose::STANDARD.decode(text);
        decoded.map(Self).map_err(serde::de::Error::custom)
    }
}
