//! Everything at once: out of a database, and into one.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use orgsmith_core::id::{ObjectRef, OrgName, RunId, StepId, TargetId};
use sqlx::any::Any;
use sqlx::query::Query;
use sqlx::{AnyConnection, AssertSqlSafe, Transaction};

use super::fail::Fail;
use super::migrate::VERSION;
use super::objects::{self, pack, unpack};
use super::{Sql, jobs, number, runs, unsigned};
use crate::state::Error;
use crate::state::backend::{Sink, Source};
use crate::state::rows::{Bytes, Row};
use crate::state::values::{About, Owner, SnapshotHead, SnapshotId};

/// PostgreSQL's way to see one moment in several statements; in SQLite every transaction does.
const ONE_MOMENT: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
/// PostgreSQL's way to keep others from writing; in SQLite one transaction writes at a time.
const ALONE: &str = "LOCK TABLE lease, run, journal, mapping, pin, snapshot, onboarding, setting \
     IN EXCLUSIVE MODE";
const FENCE_OFF: &str = "UPDATE lease SET owner = '', fence = fence + 1, expires_ms = 0";
const COUNT: &str = "SELECT (SELECT COUNT(*) FROM run) + (SELECT COUNT(*) FROM mapping) \
     + (SELECT COUNT(*) FROM pin) + (SELECT COUNT(*) FROM snapshot) \
     + (SELECT COUNT(*) FROM onboarding) + (SELECT COUNT(*) FROM setting)";
const CLEAR: [&str; 7] = [
    "DELETE FROM journal",
    "DELETE FROM run",
    "DELETE FROM mapping",
    "DELETE FROM pin",
    "DELETE FROM snapshot",
    "DELETE FROM onboarding",
    "DELETE FROM setting",
];

const LEASES: &str = "SELECT org, owner, fence, expires_ms FROM lease ORDER BY org";
const RECORDS: &str = "SELECT step, entry FROM journal WHERE run = $1 ORDER BY seq";
const PINS: &str =
    "SELECT org, kind, object_key, target_id FROM pin ORDER BY org, kind, object_key";
const SNAPSHOTS: &str = "SELECT org, number, label, taken_ms, size, content FROM snapshot \
     ORDER BY org, number";
const SETTINGS: &str = "SELECT name, value FROM setting ORDER BY name";

const HOLES: &str = "SELECT run FROM journal GROUP BY run HAVING COUNT(*) <> MAX(seq) ORDER BY run";
const ORPHANS: &str = "SELECT DISTINCT run FROM journal \
     WHERE NOT EXISTS (SELECT 1 FROM run WHERE run.id = journal.run) ORDER BY run";

fn is_postgres(connection: &AnyConnection) -> bool {
    connection.backend_name() == "PostgreSQL"
}

impl Sql {
    pub(super) async fn dump_rows(&self, sink: &mut Sink<'_>) -> Result<(), Error> {
        let fail = |error| self.fail.on(error);
        let mut tx = self.begin_reading().await?;
        if is_postgres(&tx) {
            sqlx::raw_sql(ONE_MOMENT)
                .execute(&mut *tx)
                .await
                .map_err(fail)?;
        }
        let leases: Vec<(String, String, i64, i64)> = sqlx::query_as(LEASES)
            .fetch_all(&mut *tx)
            .await
            .map_err(fail)?;
        for (org, owner, fence, expires_ms) in leases {
            sink(Row::Lease {
                org: OrgName::new(&org),
                owner: (!owner.is_empty()).then(|| Owner::new(&owner)),
                fence: unsigned(fence),
                expires_ms: unsigned(expires_ms),
            })?;
        }
        self.dump_runs(&mut tx, sink).await?;
        let rows = sqlx::query_as(objects::MAPPINGS)
            .fetch_all(&mut *tx)
            .await
            .map_err(fail)?;
        for row in rows {
            sink(Row::Mapping(objects::mapping(row)))?;
        }
        let pins: Vec<(String, String, String, String)> = sqlx::query_as(PINS)
            .fetch_all(&mut *tx)
            .await
            .map_err(fail)?;
        for (org, kind, key, id) in pins {
            sink(Row::Pin {
                org: OrgName::new(&org),
                object: objects::object(&kind, &key),
                id: TargetId::new(&id),
            })?;
        }
        self.dump_snapshots(&mut tx, sink).await?;
        let rows = sqlx::query(jobs::JOBS)
            .fetch_all(&mut *tx)
            .await
            .map_err(fail)?;
        for row in rows {
            sink(Row::Job(jobs::job(&row).map_err(fail)?))?;
        }
        let settings: Vec<(String, String)> = sqlx::query_as(SETTINGS)
            .fetch_all(&mut *tx)
            .await
            .map_err(fail)?;
        for (name, value) in settings {
            sink(Row::Setting { name, value })?;
        }
        self.commit(tx).await
    }

    async fn dump_runs(
        &self,
        tx: &mut Transaction<'static, Any>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Error> {
        let fail = |error| self.fail.on(error);
        let all: Vec<runs::Row> = sqlx::query_as(runs::ALL)
            .fetch_all(&mut **tx)
            .await
            .map_err(fail)?;
        for row in all {
            let run = runs::run(row)?;
            let (plan,): (String,) = sqlx::query_as(runs::PLAN)
                .bind(run.id.as_str())
                .fetch_one(&mut **tx)
                .await
                .map_err(fail)?;
            let id = run.id.clone();
            sink(Row::Run { run, plan })?;
            let mut records = sqlx::query_as(RECORDS).bind(id.as_str()).fetch(&mut **tx);
            while let Some((step, entry)) = records.try_next().await.map_err(fail)? {
                let (step, entry): (String, String) = (step, entry);
                sink(Row::Record {
                    run: id.clone(),
                    step: StepId::new(&step),
                    entry: serde_json::from_str(&entry)
                        .map_err(|error| Error::unreadable("a record", error))?,
                })?;
            }
        }
        Ok(())
    }

    async fn dump_snapshots(
        &self,
        tx: &mut Transaction<'static, Any>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Error> {
        let mut rows = sqlx::query_as(SNAPSHOTS).fetch(&mut **tx);
        while let Some(row) = rows.try_next().await.map_err(|error| self.fail.on(error))? {
            let (org, given, label, taken_ms, size, packed): (
                String,
                i64,
                String,
                i64,
                i64,
                Vec<u8>,
            ) = row;
            sink(Row::Snapshot {
                head: SnapshotHead {
                    id: SnapshotId {
                        org: OrgName::new(&org),
                        number: unsigned(given),
                    },
                    label,
                    taken_ms: unsigned(taken_ms),
                    size: unsigned(size),
                },
                content: Bytes(unpack(packed).await?),
            })?;
        }
        Ok(())
    }

    pub(super) async fn load_rows(
        &self,
        rows: &mut Source<'_>,
        replace: bool,
    ) -> Result<(), Error> {
        let fail = |error| self.fail.on(error);
        let mut tx = self.begin().await?;
        if is_postgres(&tx) {
            sqlx::raw_sql(ALONE).execute(&mut *tx).await.map_err(fail)?;
        }
        sqlx::query(FENCE_OFF)
            .execute(&mut *tx)
            .await
            .map_err(fail)?;
        let (count,): (i64,) = sqlx::query_as(COUNT)
            .fetch_one(&mut *tx)
            .await
            .map_err(fail)?;
        if count > 0 && !replace {
            return Err(Error::NotEmpty);
        }
        for statement in CLEAR {
            sqlx::query(statement)
                .execute(&mut *tx)
                .await
                .map_err(fail)?;
        }
        let mut loader = Loader {
            tx: &mut tx,
            fail: &self.fail,
            table: None,
            values: Vec::new(),
            sequences: BTreeMap::new(),
        };
        for row in rows {
            loader.put(row?).await?;
        }
        loader.flush().await?;
        self.commit(tx).await
    }

    pub(super) async fn look(&self) -> Result<About, Error> {
        let fail = |error| self.fail.on(error);
        let mut tx = self.begin_reading().await?;
        let mut wrong = Vec::new();
        if !is_postgres(&tx) {
            let found: Vec<(String,)> = sqlx::query_as("PRAGMA integrity_check")
                .fetch_all(&mut *tx)
                .await
                .map_err(fail)?;
            let found = found.into_iter().map(|(line,)| line);
            wrong.extend(found.filter(|line| line != "ok"));
        }
        for (sql, what) in [
            (HOLES, "the journal has holes"),
            (ORPHANS, "there is a journal, but no run"),
        ] {
            let runs: Vec<(String,)> = sqlx::query_as(sql)
                .fetch_all(&mut *tx)
                .await
                .map_err(fail)?;
            wrong.extend(runs.iter().map(|(run,)| format!("run {run}: {what}")));
        }
        self.commit(tx).await?;
        Ok(About {
            version: VERSION,
            found: self.found,
            wrong,
        })
    }
}

/// A table with its columns, and what is done where a row is there already.
type Table = (&'static str, &'static [&'static str], &'static str);

const LEASE: Table = (
    "lease",
    &["org", "owner", "fence", "expires_ms"],
    " ON CONFLICT (org) DO UPDATE SET fence = CASE WHEN excluded.fence > lease.fence \
     THEN excluded.fence ELSE lease.fence END",
);
const RUN: Table = (
    "run",
    &[
        "id",
        "org",
        "source",
        "plan_digest",
        "plan",
        "created_ms",
        "updated_ms",
        "status",
    ],
    "",
);
const JOURNAL: Table = ("journal", &["run", "seq", "step", "entry"], "");
const MAPPING: Table = (
    "mapping",
    &[
        "source_org",
        "target_org",
        "kind",
        "object_key",
        "source_id",
        "target_id",
        "run",
        "at_ms",
    ],
    "",
);
const PIN: Table = ("pin", &["org", "kind", "object_key", "target_id"], "");
const SNAPSHOT: Table = (
    "snapshot",
    &["org", "number", "label", "taken_ms", "size", "content"],
    "",
);
const SETTING: Table = ("setting", &["name", "value"], "");

/// Most rows of one statement.
const MAX_ROWS: usize = 500;

enum Value {
    Text(String),
    Maybe(Option<String>),
    Number(i64),
    Bytes(Vec<u8>),
}

impl Value {
    fn count(value: u64) -> Self {
        Self::Number(number(value))
    }

    fn of(object: &ObjectRef) -> [Self; 2] {
        let ObjectRef { kind, key } = object;
        [kind.as_str().into(), key.as_str().into()]
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Writes rows, those of one table together.
struct Loader<'l> {
    tx: &'l mut Transaction<'static, Any>,
    fail: &'l Fail,
    table: Option<Table>,
    values: Vec<Value>,
    /// The last number in the journal of each run.
    sequences: BTreeMap<RunId, u64>,
}

impl Loader<'_> {
    async fn put(&mut self, row: Row) -> Result<(), Error> {
        match row {
            Row::Lease { org, fence, .. } => {
                let fence = Value::count(fence.saturating_add(1));
                let values = [org.as_str().into(), "".into(), fence, Value::Number(0)];
                self.add(LEASE, values).await
            }
            Row::Run { run, plan } => {
                self.sequences.insert(run.id.clone(), 0);
                let values = [
                    run.id.as_str().into(),
                    run.org.as_str().into(),
                    Value::Text(run.source),
                    Value::Text(run.plan_digest),
                    Value::Text(plan),
                    Value::count(run.created_ms),
                    Value::count(run.updated_ms),
                    run.status.as_str().into(),
                ];
                self.add(RUN, values).await
            }
            Row::Record { run, step, entry } => {
                let Some(sequence) = self.sequences.get_mut(&run) else {
                    return Err(Error::unreadable("a record", format!("no run {run}")));
                };
                *sequence += 1;
                let sequence = Value::count(*sequence);
                let entry = serde_json::to_string(&entry)
                    .map_err(|error| Error::unreadable("a record", error))?;
                let values = [
                    run.as_str().into(),
                    sequence,
                    step.as_str().into(),
                    Value::Text(entry),
                ];
                self.add(JOURNAL, values).await
            }
            Row::Mapping(mapping) => {
                let [kind, key] = Value::of(&mapping.object);
                let values = [
                    mapping.source_org.as_str().into(),
                    mapping.target_org.as_str().into(),
                    kind,
                    key,
                    Value::Maybe(mapping.source_id.map(|id| id.as_str().to_owned())),
                    mapping.target_id.as_str().into(),
                    mapping.run.as_str().into(),
                    Value::count(mapping.at_ms),
                ];
                self.add(MAPPING, values).await
            }
            Row::Pin { org, object, id } => {
                let [kind, key] = Value::of(&object);
                let values = [org.as_str().into(), kind, key, id.as_str().into()];
                self.add(PIN, values).await
            }
            Row::Snapshot { head, content } => {
                let values = [
                    head.id.org.as_str().into(),
                    Value::count(head.id.number),
                    Value::Text(head.label),
                    Value::count(head.taken_ms),
                    Value::count(head.size),
                    Value::Bytes(pack(content.0).await?),
                ];
                self.add(SNAPSHOT, values).await?;
                // Not many in memory at once.
                self.flush().await
            }
            Row::Job(job) => {
                self.flush().await?;
                jobs::write(self.tx, self.fail, jobs::ASK, &job)
                    .await
                    .map(drop)
            }
            Row::Setting { name, value } => {
                self.add(SETTING, [Value::Text(name), Value::Text(value)])
                    .await
            }
        }
    }

    async fn add<const N: usize>(&mut self, table: Table, values: [Value; N]) -> Result<(), Error> {
        if self.table != Some(table) || self.values.len() >= MAX_ROWS * N {
            self.flush().await?;
        }
        self.table = Some(table);
        self.values.extend(values);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let Some((table, columns, otherwise)) = self.table.take() else {
            return Ok(());
        };
        let rows = self.values.len() / columns.len();
        let row = |row: usize| {
            let first = row * columns.len() + 1;
            let places = (first..first + columns.len()).map(|place| format!("${place}"));
            format!("({})", places.collect::<Vec<_>>().join(", "))
        };
        let places = (0..rows).map(row).collect::<Vec<_>>().join(", ");
        let columns = columns.join(", ");
        // Only names of ours and numbers were put in.
        let sql = format!("INSERT INTO {table} ({columns}) VALUES {places}{otherwise}");
        let mut query: Query<'_, Any, _> = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        for value in self.values.drain(..) {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Maybe(text) => query.bind(text),
                Value::Number(number) => query.bind(number),
                Value::Bytes(bytes) => query.bind(bytes),
            };
        }
        query
            .execute(&mut **self.tx)
            .await
            .map_err(|error| self.fail.on(error))?;
        Ok(())
    }
}
