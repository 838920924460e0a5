//! The state of runs: journals, ids, snapshots, and who may write to an org.
//!
//! [`State`] is the one trait; [`Memory`] and [`Sql`] implement it, and [`conformance`] holds every
//! implementation to the same behaviour.
//!
//! Everything that belongs to a run in an org is written under a [`Lease`] of that org. Its fence
//! rises whenever the lease changes hands, and it is checked in the transaction that writes: a
//! writer that was paused and has lost its lease cannot write any more, whatever it believes.
//! Reading needs no lease, nor do pins, snapshots and settings, which people set at any time.

mod backend;
pub mod conformance;
mod error;
mod journal;
mod memory;
mod sql;
mod values;

pub use backend::{Reply, State};
pub use error::Error;
pub use journal::{Illegal, replay};
pub use memory::Memory;
pub use sql::Sql;
pub use values::{
    Acquired, Fence, Lease, Mapping, MappingFilter, Owner, Run, RunStatus, SnapshotHead, SnapshotId,
};
