//! The state of runs: journals, ids, snapshots, and who may write to an org.
//!
//! [`State`] is the one trait; [`Memory`], [`Sql`] and `Objects` (feature `object-store`) implement it,
//! and [`conformance`] holds every implementation to the same behaviour. A [`Row`] is what leaves one
//! state and enters another.
//!
//! Everything that belongs to a run in an org is written under a [`Lease`] of that org. Its fence
//! rises whenever the lease changes hands, and it is checked in the transaction that writes: a
//! writer that was paused and has lost its lease cannot write any more, whatever it believes.
//! Reading needs no lease, nor do pins, snapshots and settings, which people set at any time.

mod backend;
mod backup;
pub mod conformance;
mod doctor;
mod error;
mod journal;
mod memory;
#[cfg(feature = "object-store")]
mod objects;
mod rows;
pub(crate) mod sql;
mod tables;
mod values;

pub use backend::{Reply, Sink, Source, State, Wanted};
pub use backup::{BACKUP_FORMAT, Backup, Head, write_backup};
pub use doctor::{Examination, Finding, Holdings};
pub use error::Error;
pub use journal::{Illegal, replay};
pub use memory::Memory;
#[cfg(feature = "object-store")]
pub use objects::Objects;
pub use rows::{Bytes, Row};
pub use sql::{Sql, postgres_address, private_database};
pub use values::{
    About, Acquired, Claim, Claimed, Fence, Lease, Mapping, MappingFilter, MappingPlace, Owner,
    Run, RunStatus, SnapshotHead, SnapshotId,
};
