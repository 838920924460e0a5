//! Runs and their journals.

use std::sync::Arc;

use orgsmith_core::id::{OrgName, RunId, StepId};
use orgsmith_core::journal::Record;

use super::{Sql, number, unsigned};
use crate::state::Error;
use crate::state::values::{Lease, Run, RunStatus};

const INSERT: &str = "INSERT INTO run \
     (id, org, source, plan_digest, plan, created_ms, updated_ms, status) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";
const STATUS: &str = "UPDATE run SET status = $1, updated_ms = $2 WHERE id = $3 AND org = $4";
const ONE: &str = "SELECT id, org, source, plan_digest, created_ms, updated_ms, status FROM run \
     WHERE id = $1";
pub(super) const ALL: &str = "SELECT id, org, source, plan_digest, created_ms, updated_ms, status FROM run \
     ORDER BY created_ms DESC, id DESC";
const OF_ORG: &str = "SELECT id, org, source, plan_digest, created_ms, updated_ms, status \
     FROM run WHERE org = $1 ORDER BY created_ms DESC, id DESC";
const SOME: &str = "SELECT id, org, source, plan_digest, created_ms, updated_ms, status FROM run \
     WHERE $1 = '' AND ($2 = '' OR (created_ms, id) < (SELECT created_ms, id FROM run WHERE id = $2)) \
     ORDER BY created_ms DESC, id DESC LIMIT $3";
const SOME_OF_ORG: &str = "SELECT id, org, source, plan_digest, created_ms, updated_ms, status \
     FROM run WHERE org = $1 \
     AND ($2 = '' OR (created_ms, id) < (SELECT created_ms, id FROM run WHERE id = $2)) \
     ORDER BY created_ms DESC, id DESC LIMIT $3";
pub(super) const PLAN: &str = "SELECT plan FROM run WHERE id = $1";
const JOURNAL: &str = "SELECT step, entry FROM journal WHERE run = $1 ORDER BY seq";

pub(super) type Row = (String, String, String, String, i64, i64, String);

pub(super) fn run(
    (id, org, source, plan_digest, created_ms, updated_ms, status): Row,
) -> Result<Run, Error> {
    Ok(Run {
        id: RunId::new(&id),
        org: OrgName::new(&org),
        source,
        plan_digest,
        created_ms: unsigned(created_ms),
        updated_ms: unsigned(updated_ms),
        status: status
            .parse()
            .map_err(|why| Error::Unreadable { what: "a run", why })?,
    })
}

impl Sql {
    pub(super) async fn insert_run(
        &self,
        lease: &Lease,
        run: &Run,
        plan: &str,
    ) -> Result<(), Error> {
        let Run {
            id,
            org,
            source,
            plan_digest,
            created_ms,
            updated_ms,
            status,
        } = run;
        if *org != lease.org {
            return Err(Error::OtherOrg {
                lease: lease.org.clone(),
                other: org.clone(),
            });
        }
        let mut tx = self.fenced(lease).await?;
        let inserted = sqlx::query(INSERT)
            .bind(id.as_str())
            .bind(org.as_str())
            .bind(source.as_str())
            .bind(plan_digest.as_str())
            .bind(plan)
            .bind(number(*created_ms))
            .bind(number(*updated_ms))
            .bind(status.as_str())
            .execute(&mut *tx)
            .await
            .map_err(|error| self.fail.on(error))?;
        if inserted.rows_affected() == 0 {
            return Err(Error::RunExists(id.clone()));
        }
        self.commit(tx).await
    }

    pub(super) async fn update_status(
        &self,
        lease: &Lease,
        run: &RunId,
        status: RunStatus,
        now_ms: u64,
    ) -> Result<(), Error> {
        let mut tx = self.fenced(lease).await?;
        let updated = sqlx::query(STATUS)
            .bind(status.as_str())
            .bind(number(now_ms))
            .bind(run.as_str())
            .bind(lease.org.as_str())
            .execute(&mut *tx)
            .await
            .map_err(|error| self.fail.on(error))?;
        if updated.rows_affected() == 0 {
            return Err(Error::NoRun {
                run: run.clone(),
                org: lease.org.clone(),
            });
        }
        self.commit(tx).await
    }

    pub(super) async fn select_run(&self, id: &RunId) -> Result<Option<Run>, Error> {
        let row: Option<Row> = sqlx::query_as(ONE)
            .bind(id.as_str())
            .fetch_optional(&self.pools.reads)
            .await
            .map_err(|error| self.fail.on(error))?;
        row.map(run).transpose()
    }

    pub(super) async fn select_runs(&self, org: Option<&OrgName>) -> Result<Vec<Run>, Error> {
        let query = match org {
            Some(org) => sqlx::query_as(OF_ORG).bind(org.as_str()),
            None => sqlx::query_as(ALL),
        };
        let rows: Vec<Row> = query
            .fetch_all(&self.pools.reads)
            .await
            .map_err(|error| self.fail.on(error))?;
        rows.into_iter().map(run).collect()
    }

    pub(super) async fn select_some_runs(
        &self,
        org: Option<&OrgName>,
        behind: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<Run>, Error> {
        let sql = if org.is_some() { SOME_OF_ORG } else { SOME };
        let rows: Vec<Row> = sqlx::query_as(sql)
            .bind(org.map_or("", OrgName::as_str).to_owned())
            .bind(behind.map_or("", RunId::as_str).to_owned())
            .bind(number(limit as u64))
            .fetch_all(&self.pools.reads)
            .await
            .map_err(|error| self.fail.on(error))?;
        rows.into_iter().map(run).collect()
    }

    pub(super) async fn select_plan(&self, id: &RunId) -> Result<Option<Arc<str>>, Error> {
        let row: Option<(String,)> = sqlx::query_as(PLAN)
            .bind(id.as_str())
            .fetch_optional(&self.pools.reads)
            .await
            .map_err(|error| self.fail.on(error))?;
        Ok(row.map(|(plan,)| plan.into()))
    }

    pub(super) async fn select_journal(&self, id: &RunId) -> Result<Vec<Record>, Error> {
        let rows: Vec<(String, String)> = sqlx::query_as(JOURNAL)
            .bind(id.as_str())
            .fetch_all(&self.pools.reads)
            .await
            .map_err(|error| self.fail.on(error))?;
        let record = |(step, entry): (String, String)| {
            Ok(Record {
                run: id.clone(),
                step: StepId::new(&step),
                entry: serde_json::from_str(&entry).map_err(|error| Error::Unreadable {
                    what: "a record",
                    why: error.to_string(),
                })?,
            })
        };
        rows.into_iter().map(record).collect()
    }
}
