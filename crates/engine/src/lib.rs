//! Joins decision to network: reads orgs into snapshots, and carries out plans.
//!
//! Nothing here decides what a target should look like; that is `orgsmith-core`. [`collect()`] reads
//! an org, [`execute()`] performs a checked plan step by step, writing each intention to the journal
//! before the request leaves, and `execute::recover` finds out what became of a request whose answer
//! never came. Everything that happens is told as an [`Event`].

pub mod collect;
pub mod events;

pub mod execute;
mod jobs;
pub mod org;
pub mod run;

pub use collect::{CollectError, Scope, collect};
pub use events::{Event, Events};
pub use execute::{
    ExecuteError, Execution, Journal, JournalError, Limits, Outcome, Secrets, Stop, execute,
};
pub use org::Org;
pub use run::{Finished, RunError, Runner};
