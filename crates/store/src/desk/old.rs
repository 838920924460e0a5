//! What is old and goes.

use sqlx::AssertSqlSafe;

use super::jobs::{COLUMNS, read};
use super::{Desk, Job, number};
use crate::state::Error;

/// A job that ended before a time, and that none that is still there speaks of in its task, as one that
/// carries out a plan speaks of the job that made it. Of jobs, only later ones know earlier ones.
const OLD: &str = "state IN ('Completed', 'Failed', 'Cancelled') AND ended_ms < $1 AND NOT EXISTS \
     (SELECT 1 FROM desk_job AS later WHERE later.id <> desk_job.id \
     AND later.created_ms >= desk_job.created_ms AND later.task LIKE '%\"' || desk_job.id || '\"%')";

impl Desk {
    /// Lists jobs that ended before a time and that no other speaks of, the last asked for first; those
    /// asked for before one, where one is given.
    ///
    /// # Errors
    /// The database fails.
    pub async fn old_jobs(
        &self,
        before_ms: u64,
        last: Option<&Job>,
        limit: u32,
    ) -> Result<Vec<Job>, Error> {
        let select = format!(
            "SELECT {COLUMNS} FROM desk_job WHERE {OLD} AND (created_ms < $2 OR (created_ms = $2 \
             AND id < $3)) ORDER BY created_ms DESC, id DESC LIMIT $4"
        );
        let rows = sqlx::query(AssertSqlSafe(select))
            .bind(number(before_ms))
            .bind(last.map_or(i64::MAX, |job| number(job.created_ms)))
            .bind(last.map_or("", |job| &job.id).to_owned())
            .bind(i64::from(limit))
            .fetch_all(&self.pools.reads)
            .await
            .map_err(self.fail())?;
        let rows: Result<_, _> = rows.iter().map(read).collect();
        rows.map_err(self.fail())
    }

    /// Deletes a job that ended before a time with its files and with what was told of it. False where
    /// another speaks of it, or it is gone.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_job(&self, id: &str, before_ms: u64) -> Result<bool, Error> {
        let mut tx = self.pools.writes.begin().await.map_err(self.fail())?;
        // Of several that do so at the same time, one goes on.
        let hold = format!("UPDATE desk_job SET cancelled = cancelled WHERE {OLD} AND id = $2");
        let held = sqlx::query(AssertSqlSafe(hold))
            .bind(number(before_ms))
            .bind(id)
            .execute(&mut *tx)
            .await
            .map_err(self.fail())?;
        if held.rows_affected() == 0 {
            tx.rollback().await.map_err(self.fail())?;
            return Ok(false);
        }
        for delete in [
            "DELETE FROM desk_event WHERE job = $1",
            "DELETE FROM desk_file WHERE job = $1",
            "DELETE FROM desk_job WHERE id = $1",
        ] {
            let deleted = sqlx::query(delete).bind(id).execute(&mut *tx).await;
            deleted.map_err(self.fail())?;
        }
        tx.commit().await.map_err(self.fail())?;
        Ok(true)
    }

    /// Deletes what somebody did or approved before a time, and returns how much that was.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_acts(&self, before_ms: u64) -> Result<u64, Error> {
        let mut forgotten = 0;
        for delete in [
            "DELETE FROM desk_act WHERE at_ms < $1",
            "DELETE FROM desk_approval WHERE at_ms < $1",
        ] {
            let deleted = sqlx::query(delete).bind(number(before_ms));
            let deleted = deleted
                .execute(&self.pools.writes)
                .await
                .map_err(self.fail())?;
            forgotten += deleted.rows_affected();
        }
        Ok(forgotten)
    }
}
