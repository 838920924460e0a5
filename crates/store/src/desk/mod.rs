//! What the service keeps beside the state: jobs with what came of them, who may ask for them, who
//! approved what, and who did what.
//!
//! None of it is the truth about an org: that a job runs is no right to write. The lease of the org
//! and the journal of the run are, in [`crate::state`].

mod access;
mod jobs;
mod old;
mod sessions;

use crate::state::Error;
use crate::state::sql::Pools;
use crate::state::sql::fail::Fail;
use crate::state::sql::migrate::{Schema, migrate};

pub use access::{Act, Acts, Token};
pub use jobs::{Ending, File, FileHead, Filter, Job, JobState, Told};
pub use sessions::Session;

const SCHEMA: Schema = Schema {
    table: "orgsmith_desk",
    migrations: &[
        include_str!("migrations/0001.sql"),
        include_str!("migrations/0002.sql"),
    ],
};

/// Keeps what the service knows, in the database of the state.
#[derive(Clone, Debug)]
pub struct Desk {
    pools: Pools,
    fail: Fail,
}

impl Desk {
    pub(crate) async fn open(pools: Pools, fail: Fail) -> Result<Self, Error> {
        migrate(&pools.writes, &fail, &SCHEMA).await?;
        Ok(Self { pools, fail })
    }

    /// Returns a setting; where there is none yet, it is what is given, for all who ask.
    ///
    /// # Errors
    /// The database fails.
    pub async fn setting(&self, name: &str, otherwise: &str) -> Result<String, Error> {
        loop {
            let read = sqlx::query_as("SELECT value FROM desk_setting WHERE name = $1");
            let read = read.bind(name).fetch_optional(&self.pools.reads).await;
            let row: Option<(String,)> = read.map_err(self.fail())?;
            if let Some((value,)) = row {
                return Ok(value);
            }
            // Only where there is none: who asks shall not wait for those who write.
            self.raise(name, otherwise).await?;
        }
    }

    /// Sets a setting.
    ///
    /// # Errors
    /// The database fails.
    pub async fn set(&self, name: &str, value: &str) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO desk_setting (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value)
        .execute(&self.pools.writes)
        .await
        .map_err(self.fail())?;
        Ok(())
    }

    /// Sets a setting, where it is still what somebody has read.
    ///
    /// # Errors
    /// The database fails.
    pub async fn swap(&self, name: &str, read: &str, value: &str) -> Result<bool, Error> {
        let done = sqlx::query("UPDATE desk_setting SET value = $3 WHERE name = $1 AND value = $2")
            .bind(name)
            .bind(read)
            .bind(value)
            .execute(&self.pools.writes)
            .await
            .map_err(self.fail())?;
        Ok(done.rows_affected() > 0)
    }

    /// Sets a setting that is not there. False where it is.
    ///
    /// # Errors
    /// The database fails.
    pub async fn raise(&self, name: &str, value: &str) -> Result<bool, Error> {
        let raised = sqlx::query(
            "INSERT INTO desk_setting (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(name)
        .bind(value)
        .execute(&self.pools.writes)
        .await
        .map_err(self.fail())?;
        Ok(raised.rows_affected() == 1)
    }

    /// Takes a setting away. False where there is none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn lower(&self, name: &str) -> Result<bool, Error> {
        let lowered = sqlx::query("DELETE FROM desk_setting WHERE name = $1").bind(name);
        let lowered = lowered
            .execute(&self.pools.writes)
            .await
            .map_err(self.fail())?;
        Ok(lowered.rows_affected() == 1)
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
