//! The onboarding of users.

use std::collections::BTreeMap;

use orgsmith_core::id::{Key, Kind, ObjectRef, OrgName, RunId, TargetId};
use orgsmith_core::onboard::Job;
use sqlx::any::{Any, AnyRow};
use sqlx::{Row, Transaction};

use super::fail::Fail;
use super::{Sql, number, unsigned};
use crate::state::Error;
use crate::state::values::Lease;

pub(super) const JOBS: &str = "SELECT org, kind, object_key, target_id, run, round, stage, attempts, \
     last_error, external_id, next_ms, since_ms FROM onboarding";
pub(super) const ASK: &str = "INSERT INTO onboarding (org, kind, object_key, target_id, run, round, stage, \
     attempts, last_error, external_id, next_ms, since_ms) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
     ON CONFLICT (org, kind, object_key) DO UPDATE SET target_id = excluded.target_id, \
     run = excluded.run, round = excluded.round, stage = excluded.stage, \
     attempts = excluded.attempts, last_error = excluded.last_error, \
     external_id = excluded.external_id, next_ms = excluded.next_ms, since_ms = excluded.since_ms";
const LOCK: &str = "UPDATE onboarding SET round = round WHERE org = $1";
const PUT: &str = "UPDATE onboarding SET run = $5, round = $6, stage = $7, attempts = $8, \
     last_error = $9, external_id = $10, next_ms = $11, since_ms = $12 \
     WHERE org = $1 AND kind = $2 AND object_key = $3 AND target_id = $4 AND round <= $6";

pub(super) fn job(row: &AnyRow) -> Result<Job, sqlx::Error> {
    let text = |column: usize| row.try_get::<String, _>(column);
    let count = |column: usize| row.try_get::<i64, _>(column).map(unsigned);
    let small = |column: usize| count(column).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let stage = text(6)?.parse().map_err(|error: String| {
        let source = error.into();
        sqlx::Error::ColumnDecode {
            index: "stage".to_owned(),
            source,
        }
    })?;
    Ok(Job {
        org: OrgName::new(&text(0)?),
        user: ObjectRef::new(Kind::new(&text(1)?), Key::from_encoded(&text(2)?)),
        id: TargetId::new(&text(3)?),
        run: RunId::new(&text(4)?),
        round: small(5)?,
        stage,
        attempts: small(7)?,
        error: row.try_get(8)?,
        external: row.try_get(9)?,
        next_ms: count(10)?,
        since_ms: count(11)?,
    })
}

/// Takes out of an answer what PostgreSQL cannot keep in a text.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl Sql {
    pub(super) async fn upsert_jobs(&self, lease: &Lease, jobs: &[Job]) -> Result<(), Error> {
        let mut tx = self.fenced(lease).await?;
        let Some(org) = jobs.first().map(|job| &job.org) else {
            return Ok(());
        };
        let fits =
            |job: &&Job| job.org == *org && (*org == lease.org || Job::lock(org) == lease.org);
        if let Some(job) = jobs.iter().find(|job| !fits(job)) {
            return Err(Error::OtherOrg {
                lease: lease.org.clone(),
                other: job.org.clone(),
            });
        }
        // They may be written under either of two leases.
        sqlx::query(LOCK)
            .bind(org.as_str())
            .execute(&mut *tx)
            .await
            .map_err(|error| self.fail.on(error))?;
        let sql = format!("{JOBS} WHERE org = $1");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(org.as_str())
            .fetch_all(&mut *tx)
            .await
            .map_err(|error| self.fail.on(error))?;
        let kept = rows.iter().map(job).collect::<Result<Vec<_>, _>>();
        let kept = kept.map_err(|error| self.fail.on(error))?;
        let mut kept: BTreeMap<ObjectRef, Job> = kept
            .into_iter()
            .map(|job| (job.user.clone(), job))
            .collect();
        for new in jobs {
            let asked = match kept.get(&new.user) {
                Some(kept) => kept.asked_again(new),
                None => Some(new.clone()),
            };
            if let Some(asked) = asked {
                write(&mut tx, &self.fail, ASK, &asked).await?;
                kept.insert(asked.user.clone(), asked);
            }
        }
        self.commit(tx).await
    }

    pub(super) async fn update_job(&self, lease: &Lease, job: &Job) -> Result<bool, Error> {
        if Job::lock(&job.org) != lease.org {
            return Err(Error::OtherOrg {
                lease: lease.org.clone(),
                other: job.org.clone(),
            });
        }
        let mut tx = self.fenced(lease).await?;
        let rows = write(&mut tx, &self.fail, PUT, job).await?;
        self.commit(tx).await?;
        Ok(rows > 0)
    }

    pub(super) async fn select_jobs(&self, org: Option<&OrgName>) -> Result<Vec<Job>, Error> {
        let rows = match org {
            Some(org) => {
                let sql = format!("{JOBS} WHERE org = $1");
                let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(org.as_str());
                query.fetch_all(&self.pools.reads).await
            }
            None => sqlx::query(JOBS).fetch_all(&self.pools.reads).await,
        };
        let rows = rows.map_err(|error| self.fail.on(error))?;
        let jobs = rows.iter().map(job).collect::<Result<Vec<_>, _>>();
        let mut jobs = jobs.map_err(|error| self.fail.on(error))?;
        // Not by the database, whose order depends on its collation.
        jobs.sort_by(|a, b| (&a.org, &a.user).cmp(&(&b.org, &b.user)));
        Ok(jobs)
    }
}

pub(super) async fn write(
    tx: &mut Transaction<'static, Any>,
    fail: &Fail,
    sql: &'static str,
    job: &Job,
) -> Result<u64, Error> {
    let Job {
        org,
        user: ObjectRef { kind, key },
        id,
        run,
        round,
        stage,
        attempts,
        error,
        external,
        next_ms,
        since_ms,
    } = job;
    let written = sqlx::query(sql)
        .bind(org.as_str())
        .bind(kind.as_str())
        .bind(key.as_str())
        .bind(id.as_str())
        .bind(run.as_str())
        .bind(i64::from(*round))
        .bind(stage.as_str())
        .bind(i64::from(*attempts))
        .bind(error.as_deref().map(storable))
        .bind(external.as_deref().map(storable))
        .bind(number(*next_ms))
        .bind(number(*since_ms))
        .execute(&mut **tx)
        .await
        .map_err(|error| fail.on(error))?;
    Ok(written.rows_affected())
}
