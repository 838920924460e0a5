//! Group commit: appends that wait at the same time share one transaction.
//!
//! A commit that is synced to the disk costs milliseconds, whatever is in it. One task takes every
//! append that is waiting, checks the fence of each, writes them all and commits once.

use std::collections::BTreeMap;

use orgsmith_core::id::{OrgName, RunId};
use orgsmith_core::journal::Record;
use sqlx::any::Any;
use sqlx::{AnyPool, Transaction};
use tokio::sync::{mpsc, oneshot};

use super::{Fail, hold};
use crate::state::Error;
use crate::state::values::Lease;

/// Most appends of one transaction.
const MAX_BATCH: usize = 512;

const LAST: &str = "SELECT org, (SELECT COALESCE(MAX(seq), 0) FROM journal WHERE run = $1) AS last \
     FROM run WHERE id = $1";
const INSERT: &str = "INSERT INTO journal (run, seq, step, entry) VALUES ($1, $2, $3, $4)";

/// An append that waits.
pub(super) struct Request {
    pub(super) lease: Lease,
    pub(super) records: Vec<Record>,
    pub(super) reply: oneshot::Sender<Result<(), Error>>,
}

/// Writes what comes until every sender is gone.
pub(super) async fn write(pool: AnyPool, fail: Fail, mut requests: mpsc::Receiver<Request>) {
    let mut batch = Vec::new();
    while requests.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let outcome = commit(&pool, &fail, &batch).await;
        for (index, request) in batch.drain(..).enumerate() {
            let result = match &outcome {
                Ok(results) => results.get(index).cloned().unwrap_or(Err(Error::Closed)),
                Err(error) => Err(error.clone()),
            };
            // Who does not wait any more does not want to know.
            let _ = request.reply.send(result);
        }
    }
}

/// Writes a batch; one append that is refused does not keep the others back.
async fn commit(
    pool: &AnyPool,
    fail: &Fail,
    batch: &[Request],
) -> Result<Vec<Result<(), Error>>, Error> {
    let tx = pool.begin().await.map_err(|error| fail.on(error))?;
    let mut batch_tx = Batch {
        tx,
        fail,
        leases: Vec::new(),
        runs: BTreeMap::new(),
    };
    let mut results = Vec::with_capacity(batch.len());
    for Request { lease, records, .. } in batch {
        results.push(batch_tx.append(lease, records).await?);
    }
    let Batch { tx, .. } = batch_tx;
    tx.commit().await.map_err(|error| fail.on(error))?;
    Ok(results)
}

struct Batch<'f> {
    tx: Transaction<'static, Any>,
    fail: &'f Fail,
    leases: Vec<(Lease, Result<(), Error>)>,
    /// The org of each run, and the number of its last record.
    runs: BTreeMap<RunId, Option<(OrgName, i64)>>,
}

impl Batch<'_> {
    /// The outer error is the database's, and fails the batch; the inner one refuses this append.
    async fn append(
        &mut self,
        lease: &Lease,
        records: &[Record],
    ) -> Result<Result<(), Error>, Error> {
        if let Err(error) = self.check(lease).await? {
            return Ok(Err(error));
        }
        // First all checks, then all records: all or none.
        for record in records {
            if let Err(error) = self.check_run(lease, &record.run).await? {
                return Ok(Err(error));
            }
        }
        for Record { run, step, entry } in records {
            let Some(Some((_, last))) = self.runs.get_mut(run) else {
                continue;
            };
            *last += 1;
            let entry = serde_json::to_string(entry).map_err(|error| Error::Unreadable {
                what: "a record",
                why: error.to_string(),
            })?;
            sqlx::query(INSERT)
                .bind(run.as_str())
                .bind(*last)
                .bind(step.as_str())
                .bind(entry)
                .execute(&mut *self.tx)
                .await
                .map_err(|error| self.fail.on(error))?;
        }
        Ok(Ok(()))
    }

    async fn check(&mut self, lease: &Lease) -> Result<Result<(), Error>, Error> {
        if let Some((_, known)) = self.leases.iter().find(|(known, _)| known == lease) {
            return Ok(known.clone());
        }
        let result = match hold(&mut self.tx, lease, self.fail).await {
            Err(error @ Error::Fenced { .. }) => Err(error),
            result => Ok(result?),
        };
        self.leases.push((lease.clone(), result.clone()));
        Ok(result)
    }

    async fn check_run(&mut self, lease: &Lease, run: &RunId) -> Result<Result<(), Error>, Error> {
        if !self.runs.contains_key(run) {
            let row: Option<(String, i64)> = sqlx::query_as(LAST)
                .bind(run.as_str())
                .fetch_optional(&mut *self.tx)
                .await
                .map_err(|error| self.fail.on(error))?;
            let row = row.map(|(org, last)| (OrgName::new(&org), last));
            self.runs.insert(run.clone(), row);
        }
        Ok(match self.runs.get(run) {
            Some(Some((org, _))) if *org == lease.org => Ok(()),
            _ => Err(Error::NoRun {
                run: run.clone(),
                org: lease.org.clone(),
            }),
        })
    }
}
