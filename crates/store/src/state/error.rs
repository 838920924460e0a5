//! What can go wrong with a state.

use std::path::PathBuf;

use orgsmith_core::id::{OrgName, RunId};

use super::values::Owner;

/// Says why a state could not do something.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The lease of the org is not ours any more.
    #[error("the lock of {org} was lost: {}", held_by(holder.as_ref()))]
    Fenced {
        /// The org.
        org: OrgName,
        /// Who holds the lease now.
        holder: Option<Owner>,
    },
    /// There is no such run in the org.
    #[error("there is no run {run} in {org}")]
    NoRun {
        /// The run.
        run: RunId,
        /// The org of the lease.
        org: OrgName,
    },
    /// There is a run of this id already.
    #[error("there is a run {0} already")]
    RunExists(RunId),
    /// What was given belongs to another org than the lease.
    #[error("the lock is that of {lease}, and this belongs to {other}")]
    OtherOrg {
        /// The org of the lease.
        lease: OrgName,
        /// The other.
        other: OrgName,
    },
    /// The caller did what no caller should: a defect of ours.
    #[error("{0}")]
    Misuse(&'static str),
    /// The state was made by a newer orgsmith.
    #[error("made by a newer orgsmith: state version {found}, this one knows {known}")]
    Newer {
        /// The version found.
        found: u64,
        /// The newest that is known.
        known: u64,
    },
    /// The file or its directory could not be made.
    #[error("could not open the state file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::sync::Arc<std::io::Error>,
    },
    /// The address makes no sense.
    #[error("the address of the state {place} cannot be used: {why}")]
    BadAddress {
        /// The address without the password.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody answers there.
    #[error("the state {place} cannot be reached: {why}")]
    Unreachable {
        /// The address without the password.
        place: String,
        /// What happened instead.
        why: String,
    },
    /// Whoever answers does not let us in, or not do this.
    #[error("the state {place} is not open to us: {why}")]
    Denied {
        /// The address without the password.
        place: String,
        /// The answer.
        why: String,
    },
    /// The place that is to hold the state is not there.
    #[error("the place of the state {place} is not there: {why}")]
    Missing {
        /// The address without the password.
        place: String,
        /// The answer.
        why: String,
    },
    /// The database may not be written.
    #[error("the state {place} is read-only; make the file and its directory writable")]
    ReadOnly {
        /// The file.
        place: String,
    },
    /// The file is no database, or a damaged one.
    #[error("the state {place} is damaged or no database; move it away, or restore a copy")]
    Corrupt {
        /// The file.
        place: String,
    },
    /// The disk is full.
    #[error("the disk of the state {place} is full; nothing was written; make room and try again")]
    Full {
        /// The file.
        place: String,
    },
    /// Somebody else kept the database locked for too long.
    #[error("the state {place} is locked by another process; try again")]
    Busy {
        /// The file.
        place: String,
    },
    /// The database refused for another reason.
    #[error("the state {place} failed")]
    Database {
        /// The file, or the address without the password.
        place: String,
        /// The database's answer.
        #[source]
        source: std::sync::Arc<sqlx::Error>,
    },
    /// Something in the state cannot be read back.
    #[error("the state holds {what} that cannot be read: {why}")]
    Unreadable {
        /// What it is.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// Something would be written over.
    #[error("the state holds something already; nothing was changed")]
    NotEmpty,
    /// A backup cannot be written or read.
    #[error("the backup {}: {why}", path.display())]
    Backup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The state was closed.
    #[error("the state was closed")]
    Closed,
}

impl Error {
    /// Says that something that was kept cannot be read back.
    pub(super) fn unreadable(what: &'static str, why: impl ToString) -> Self {
        Self::Unreadable {
            what,
            why: why.to_string(),
        }
    }
}

fn held_by(holder: Option<&Owner>) -> String {
    match holder {
        Some(owner) => format!("{owner} holds it now"),
        None => "nobody holds it now".to_owned(),
    }
}
