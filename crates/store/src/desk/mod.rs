//! What the service keeps beside the state: jobs with what came of them, who may ask for them, who
//! approved what, and who did what.
//!
//! None of it is the truth about an org: that a job runs is no right to write. The lease of the org
//! and the journal of the run are, in [`crate::state`].

mod access;
mod jobs;

use sqlx::AnyPool;

use crate::state::Error;
use crate::state::sql::fail::Fail;
use crate::state::sql::migrate::{Schema, migrate};

pub use access::{Act, Token};
pub use jobs::{Ending, File, FileHead, Filter, Job, JobState, Told};

const SCHEMA: Schema = Schema {
    table: "orgsmith_desk",
    migrations: &[include_str!("migrations/0001.sql")],
};

/// Keeps what the service knows, in the database of the state.
#[derive(Clone, Debug)]
pub struct Desk {
    pool: AnyPool,
    fail: Fail,
}

impl Desk {
    pub(crate) async fn open(pool: AnyPool, fail: Fail) -> Result<Self, Error> {
        migrate(&pool, &fail, &SCHEMA).await?;
        Ok(Self { pool, fail })
    }

    fn fail(&self) -> impl Fn(sqlx::Error) -> Error {
        |error| self.fail.on(error)
    }
}

/// Takes a number into the database, which has no unsigned ones.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Takes a number out of the database.
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}
