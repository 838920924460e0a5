//! Jobs: what was asked for, how it goes, and what came of it.

use std::fmt;
use std::str::FromStr;

use orgsmith_core::id::OrgName;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::{Desk, number, unsigned};
use crate::state::Error;

/// Something that somebody asked the service to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// How the caller calls it, once for each org and kind of job.
    pub caller: Option<String>,
    /// What kind of job it is.
    pub kind: String,
    /// The org that is written to, or read where none is written to.
    pub org: OrgName,
    /// What is to be done, as JSON.
    pub task: String,
    /// Who asked for it.
    pub actor: String,
    /// How it stands.
    pub state: JobState,
    /// When it was asked for, in milliseconds since 1970.
    pub created_ms: u64,
    /// When a worker first began with it.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// How often a worker has begun with it.
    pub attempt: u32,
    /// How often it was taken over from a worker that gave no sign of life.
    pub taken_over: u32,
    /// The worker that began with it last.
    pub worker: Option<String>,
    /// The exit code that the command line has for how it ended.
    pub exit: Option<u8>,
    /// Why it failed, or why it waits.
    pub message: Option<String>,
    /// What came of it, as JSON.
    pub result: Option<String>,
    /// How far it is, as JSON.
    pub progress: Option<String>,
    /// Somebody wants it to end.
    pub cancelled: bool,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum JobState {
    /// Nobody has begun with it, or its org was locked.
    Queued,
    /// A worker is at it, or was when it died.
    Running,
    /// It was done.
    Completed,
    /// It was not, or not all of it.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Returns the word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Running => "Running",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }

    /// Tells whether nothing more comes of it.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::as_str).join(", ");
                format!("{text:?} is no state of a job; known are {known}")
            })
    }
}

/// How a job ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// [`JobState::Completed`], [`JobState::Failed`] or [`JobState::Cancelled`].
    pub state: JobState,
    /// The exit code that the command line has for it.
    pub exit: u8,
    /// Why, where it failed.
    pub message: Option<String>,
    /// What came of it, as JSON.
    pub result: Option<String>,
}

/// Which jobs are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of one org.
    pub org: Option<OrgName>,
    /// Of one kind.
    pub kind: Option<String>,
    /// In one state.
    pub state: Option<JobState>,
    /// Asked for before this job.
    pub before: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// Something that was told while a job went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Counts what was told of one job, from 1.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What, as JSON.
    pub event: String,
}

/// What is known of a file without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHead {
    /// Its name, which is one of a kind within its job.
    pub name: String,
    /// Its media type.
    pub media: String,
    /// SHA-256 of its content, in hexadecimal digits.
    pub sha256: String,
    /// Bytes of its content.
    pub size: u64,
}

/// A file that a job needs or makes.
#[derive(Clone, Debug)]
pub struct File {
    /// What is known of it.
    pub head: FileHead,
    /// Its content.
    pub content: Vec<u8>,
}

pub(super) const COLUMNS: &str = "id, caller, kind, org, task, actor, state, created_ms, started_ms, ended_ms, \
     attempt, worker, exit_code, message, result, progress, cancelled, taken_over";
const WHICH: &str = "($1 = '' OR org = $1) AND ($2 = '' OR kind = $2) AND ($3 = '' OR state = $3) \
     AND ($4 = '' OR (created_ms, id) < (SELECT created_ms, id FROM desk_job WHERE id = $4))";
const LAST_FIRST: &str = "ORDER BY created_ms DESC, id DESC LIMIT $5";
const ADD: &str = "INSERT INTO desk_job (id, caller, kind, org, task, actor, state, created_ms, attempt, \
     taken_over, cancelled) VALUES ($1, $2, $3, $4, $5, $6, 'Queued', $7, 0, 0, 0) \
     ON CONFLICT DO NOTHING";
const BEGIN: &str = "UPDATE desk_job SET state = 'Running', attempt = attempt + 1, worker = $2, \
     taken_over = taken_over + CASE WHEN state = 'Running' THEN 1 ELSE 0 END, \
     started_ms = COALESCE(started_ms, $3), beat_ms = $3, message = NULL \
     WHERE id = $1 AND (state = 'Queued' OR (state = 'Running' AND beat_ms < $4))";
const BEAT: &str = "UPDATE desk_job SET beat_ms = $3 \
     WHERE id = $1 AND attempt = $2 AND state = 'Running' RETURNING cancelled";
const HOLD: &str = "UPDATE desk_job SET cancelled = cancelled \
     WHERE id = $1 AND attempt = $2 AND state = 'Running'";
const LEFT: &str = "SELECT id FROM desk_job WHERE state IN ('Queued', 'Running') \
     AND COALESCE(beat_ms, created_ms) < $1 ORDER BY created_ms, id";
const WAIT: &str = "UPDATE desk_job SET state = 'Queued', message = $3 \
     WHERE id = $1 AND attempt = $2 AND state = 'Running'";
const END: &str = "UPDATE desk_job SET state = $3, exit_code = $4, message = $5, result = $6, \
     ended_ms = $7 WHERE id = $1 AND attempt = $2 AND state = 'Running'";
const CANCEL: &str = "UPDATE desk_job SET cancelled = 1, \
     state = CASE WHEN state = 'Queued' THEN 'Cancelled' ELSE state END, \
     ended_ms = CASE WHEN state = 'Queued' THEN $2 ELSE ended_ms END \
     WHERE id = $1 AND state IN ('Queued', 'Running')";
const PROGRESS: &str = "UPDATE desk_job SET progress = $3 WHERE id = $1 AND attempt = $2";
const TELL: &str = "INSERT INTO desk_event (job, seq, at_ms, event) \
     SELECT $1, COALESCE(MAX(seq), 0) + 1, $2, $3 FROM desk_event WHERE job = $1";
const TOLD: &str = "SELECT seq, at_ms, event FROM desk_event WHERE job = $1 AND seq > $2 \
     ORDER BY seq LIMIT $3";
const TOLD_LAST: &str = "SELECT seq, at_ms, event FROM desk_event WHERE job = $1 \
     ORDER BY seq DESC LIMIT $2";
const SAVE: &str = "INSERT INTO desk_file (job, name, media, sha256, size, content) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (job, name) DO UPDATE SET media = excluded.media, \
     sha256 = excluded.sha256, size = excluded.size, content = excluded.content";
const FILES: &str = "SELECT name, media, sha256, size FROM desk_file WHERE job = $1 ORDER BY name";
const FILE: &str =
    "SELECT name, media, sha256, size, content FROM desk_file WHERE job = $1 AND name = $2";

impl Desk {
    /// Writes a job down with its files; where the caller has asked before, returns what was asked.
    ///
    /// # Errors
    /// The database fails.
    pub async fn add_job(&self, job: &Job, files: &[File]) -> Result<Job, Error> {
        let mut tx = self.pools.writes.begin().await.map_err(self.fail())?;
        let added = sqlx::query(ADD)
            .bind(&job.id)
            .bind(job.caller.as_deref())
            .bind(&job.kind)
            .bind(job.org.as_str())
            .bind(&job.task)
            .bind(&job.actor)
            .bind(number(job.created_ms))
            .execute(&mut *tx)
            .await
            .map_err(self.fail())?;
        if added.rows_affected() == 0 {
            tx.rollback().await.map_err(self.fail())?;
            let select = format!(
                "SELECT {COLUMNS} FROM desk_job WHERE org = $1 AND kind = $2 AND caller = $3"
            );
            let row = sqlx::query(AssertSqlSafe(select))
                .bind(job.org.as_str())
                .bind(&job.kind)
                .bind(job.caller.as_deref())
                .fetch_one(&self.pools.reads)
                .await
                .map_err(self.fail())?;
            return read(&row).map_err(self.fail());
        }
        for file in files {
            save(&mut tx, &job.id, file).await.map_err(self.fail())?;
        }
        tx.commit().await.map_err(self.fail())?;
        Ok(job.clone())
    }

    /// Returns a job.
    ///
    /// # Errors
    /// The database fails.
    pub async fn job(&self, id: &str) -> Result<Option<Job>, Error> {
        let select = format!("SELECT {COLUMNS} FROM desk_job WHERE id = $1");
        let row = sqlx::query(AssertSqlSafe(select)).bind(id);
        let row = row
            .fetch_optional(&self.pools.reads)
            .await
            .map_err(self.fail())?;
        row.as_ref().map(read).transpose().map_err(self.fail())
    }

    /// Lists jobs, the last asked for first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn jobs(&self, filter: &Filter) -> Result<Vec<Job>, Error> {
        let select = format!("SELECT {COLUMNS} FROM desk_job WHERE {WHICH} {LAST_FIRST}");
        let rows = which(&select, filter).fetch_all(&self.pools.reads);
        let rows = rows.await.map_err(self.fail())?;
        let rows: Result<_, _> = rows.iter().map(read).collect();
        rows.map_err(self.fail())
    }

    /// Lists jobs that have a file of some name, with what is known of it, the last asked for first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn jobs_with(
        &self,
        file: &str,
        filter: &Filter,
    ) -> Result<Vec<(Job, FileHead)>, Error> {
        let select = format!(
            "SELECT {COLUMNS}, name, media, sha256, size FROM desk_job \
             JOIN desk_file ON job = id AND name = $6 WHERE {WHICH} {LAST_FIRST}"
        );
        let rows = which(&select, filter).bind(file.to_owned());
        let rows = rows
            .fetch_all(&self.pools.reads)
            .await
            .map_err(self.fail())?;
        let read = |row: &AnyRow| {
            let head: HeadRow = (
                row.try_get(18)?,
                row.try_get(19)?,
                row.try_get(20)?,
                row.try_get(21)?,
            );
            Ok((read(row)?, head.into()))
        };
        let rows: Result<_, _> = rows.iter().map(read).collect();
        rows.map_err(self.fail())
    }

    /// Returns how many jobs nobody has begun with, and when the first of them was asked for.
    ///
    /// # Errors
    /// The database fails.
    pub async fn waiting(&self) -> Result<(u64, Option<u64>), Error> {
        let (count, first): (i64, Option<i64>) =
            sqlx::query_as("SELECT COUNT(*), MIN(created_ms) FROM desk_job WHERE state = 'Queued'")
                .fetch_one(&self.pools.reads)
                .await
                .map_err(self.fail())?;
        Ok((unsigned(count), first.map(unsigned)))
    }

    /// Counts jobs by state.
    ///
    /// # Errors
    /// The database fails.
    pub async fn counts(&self) -> Result<Vec<(String, u64)>, Error> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT state, COUNT(*) FROM desk_job GROUP BY state ORDER BY state")
                .fetch_all(&self.pools.reads)
                .await
                .map_err(self.fail())?;
        let counts = rows.into_iter();
        Ok(counts
            .map(|(state, count)| (state, unsigned(count)))
            .collect())
    }

    /// Begins with a job that nobody is at: none has begun, or who did gave no sign of life for
    /// `patience_ms`. False where it has ended, or somebody is at it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn begin_job(
        &self,
        id: &str,
        worker: &str,
        patience_ms: u64,
        now_ms: u64,
    ) -> Result<bool, Error> {
        let begun = sqlx::query(BEGIN)
            .bind(id)
            .bind(worker)
            .bind(number(now_ms))
            .bind(number(now_ms.saturating_sub(patience_ms)));
        let begun = begun
            .execute(&self.pools.writes)
            .await
            .map_err(self.fail())?;
        Ok(begun.rows_affected() == 1)
    }

    /// Gives a sign of life, and tells whether somebody wants the job to end; nothing where somebody
    /// else has it by now.
    ///
    /// # Errors
    /// The database fails.
    pub async fn beat(&self, job: &Job, now_ms: u64) -> Result<Option<bool>, Error> {
        let row: Option<(i64,)> = sqlx::query_as(BEAT)
            .bind(&job.id)
            .bind(i64::from(job.attempt))
            .bind(number(now_ms))
            .fetch_optional(&self.pools.writes)
            .await
            .map_err(self.fail())?;
        Ok(row.map(|(cancelled,)| cancelled != 0))
    }

    /// Lists jobs that have not ended and that no worker has looked at since before a time.
    ///
    /// # Errors
    /// The database fails.
    pub async fn left_jobs(&self, before_ms: u64) -> Result<Vec<String>, Error> {
        let rows: Vec<(String,)> = sqlx::query_as(LEFT)
            .bind(number(before_ms))
            .fetch_all(&self.pools.reads)
            .await
            .map_err(self.fail())?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Puts a job back, to be begun with later. False where somebody else has it by now.
    ///
    /// # Errors
    /// The database fails.
    pub async fn put_back(&self, job: &Job, why: &str) -> Result<bool, Error> {
        let put = sqlx::query(WAIT)
            .bind(&job.id)
            .bind(i64::from(job.attempt))
            .bind(why);
        let put = put.execute(&self.pools.writes).await.map_err(self.fail())?;
        Ok(put.rows_affected() == 1)
    }

    /// Ends a job. False where somebody else has it by now.
    ///
    /// # Errors
    /// The database fails.
    pub async fn end_job(&self, job: &Job, ending: &Ending, now_ms: u64) -> Result<bool, Error> {
        let ended = sqlx::query(END)
            .bind(&job.id)
            .bind(i64::from(job.attempt))
            .bind(ending.state.as_str())
            .bind(i64::from(ending.exit))
            .bind(ending.message.as_deref())
            .bind(ending.result.as_deref())
            .bind(number(now_ms))
            .execute(&self.pools.writes)
            .await
            .map_err(self.fail())?;
        Ok(ended.rows_affected() == 1)
    }

    /// Asks for the end of a job; one that nobody has begun with ends at once. False where it has ended.
    ///
    /// # Errors
    /// The database fails.
    pub async fn cancel_job(&self, id: &str, now_ms: u64) -> Result<bool, Error> {
        let asked = sqlx::query(CANCEL).bind(id).bind(number(now_ms));
        let asked = asked
            .execute(&self.pools.writes)
            .await
            .map_err(self.fail())?;
        Ok(asked.rows_affected() == 1)
    }

    /// Writes down what was told of a job, and how far it is.
    ///
    /// # Errors
    /// The database fails.
    pub async fn tell(
        &self,
        job: &Job,
        events: &[String],
        progress: &str,
        now_ms: u64,
    ) -> Result<(), Error> {
        let mut tx = self.pools.writes.begin().await.map_err(self.fail())?;
        // The row of the job is locked first: one writer counts at a time.
        sqlx::query(PROGRESS)
            .bind(&job.id)
            .bind(i64::from(job.attempt))
            .bind(progress)
            .execute(&mut *tx)
            .await
            .map_err(self.fail())?;
        for event in events {
            sqlx::query(TELL)
                .bind(&job.id)
                .bind(number(now_ms))
                .bind(event)
                .execute(&mut *tx)
                .await
                .map_err(self.fail())?;
        }
        tx.commit().await.map_err(self.fail())
    }

    /// Returns what was told of a job after an event.
    ///
    /// # Errors
    /// The database fails.
    pub async fn told(&self, job: &str, after: u64, limit: u32) -> Result<Vec<Told>, Error> {
        let rows: Vec<ToldRow> = sqlx::query_as(TOLD)
            .bind(job)
            .bind(number(after))
            .bind(i64::from(limit))
            .fetch_all(&self.pools.reads)
            .await
            .map_err(self.fail())?;
        Ok(rows.into_iter().map(Told::from).collect())
    }

    /// Returns what was told of a job last, the last first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn told_last(&self, job: &str, limit: u32) -> Result<Vec<Told>, Error> {
        let rows: Vec<ToldRow> = sqlx::query_as(TOLD_LAST)
            .bind(job)
            .bind(i64::from(limit))
            .fetch_all(&self.pools.reads)
            .await
            .map_err(self.fail())?;
        Ok(rows.into_iter().map(Told::from).collect())
    }

    /// Keeps a file of a job, in place of one of the same name. False where somebody else has the job by now.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_file(&self, job: &Job, file: &File) -> Result<bool, Error> {
        let mut tx = self.pools.writes.begin().await.map_err(self.fail())?;
        // Who takes the job over meanwhile comes after, and has the last word.
        let held = sqlx::query(HOLD).bind(&job.id).bind(i64::from(job.attempt));
        let held = held.execute(&mut *tx).await.map_err(self.fail())?;
        if held.rows_affected() == 0 {
            tx.rollback().await.map_err(self.fail())?;
            return Ok(false);
        }
        save(&mut tx, &job.id, file).await.map_err(self.fail())?;
        tx.commit().await.map_err(self.fail())?;
        Ok(true)
    }

    /// Lists the files of a job.
    ///
    /// # Errors
    /// The database fails.
    pub async fn files(&self, job: &str) -> Result<Vec<FileHead>, Error> {
        let rows: Vec<HeadRow> = sqlx::query_as(FILES)
            .bind(job)
            .fetch_all(&self.pools.reads)
            .await
            .map_err(self.fail())?;
        Ok(rows.into_iter().map(FileHead::from).collect())
    }

    /// Keeps a file of a job no longer. False where there is none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn remove_file(&self, job: &str, name: &str) -> Result<bool, Error> {
        let removed = sqlx::query("DELETE FROM desk_file WHERE job = $1 AND name = $2")
            .bind(job)
            .bind(name);
        let removed = removed
            .execute(&self.pools.writes)
            .await
            .map_err(self.fail())?;
        Ok(removed.rows_affected() == 1)
    }

    /// Returns a file of a job.
    ///
    /// # Errors
    /// The database fails.
    pub async fn file(&self, job: &str, name: &str) -> Result<Option<File>, Error> {
        let row: Option<(String, String, String, i64, Vec<u8>)> = sqlx::query_as(FILE)
            .bind(job)
            .bind(name)
            .fetch_optional(&self.pools.reads)
            .await
            .map_err(self.fail())?;
        Ok(row.map(|(name, media, sha256, size, content)| File {
            head: (name, media, sha256, size).into(),
            content,
        }))
    }
}

/// Makes a query of a text and what [`WHICH`] and [`LAST_FIRST`] ask for.
fn which(
    select: &str,
    filter: &Filter,
) -> sqlx::query::Query<'static, sqlx::Any, sqlx::any::AnyArguments> {
    sqlx::query(AssertSqlSafe(select.to_owned()))
        .bind(filter.org.as_ref().map_or("", OrgName::as_str).to_owned())
        .bind(filter.kind.clone().unwrap_or_default())
        .bind(filter.state.map_or("", JobState::as_str))
        .bind(filter.before.clone().unwrap_or_default())
        .bind(i64::from(filter.limit))
}

type ToldRow = (i64, i64, String);

impl From<ToldRow> for Told {
    fn from((seq, at_ms, event): ToldRow) -> Self {
        Self {
            seq: unsigned(seq),
            at_ms: unsigned(at_ms),
            event,
        }
    }
}

type HeadRow = (String, String, String, i64);

impl From<HeadRow> for FileHead {
    fn from((name, media, sha256, size): HeadRow) -> Self {
        Self {
            name,
            media,
            sha256,
            size: unsigned(size),
        }
    }
}

async fn save(
    tx: &mut sqlx::Transaction<'static, sqlx::Any>,
    job: &str,
    file: &File,
) -> Result<(), sqlx::Error> {
    sqlx::query(SAVE)
        .bind(job)
        .bind(&file.head.name)
        .bind(&file.head.media)
        .bind(&file.head.sha256)
        .bind(number(file.head.size))
        .bind(&file.content)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) fn read(row: &AnyRow) -> Result<Job, sqlx::Error> {
    let time =
        |index: usize| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(index)?.map(unsigned));
    let state: String = row.try_get(6)?;
    Ok(Job {
        id: row.try_get(0)?,
        caller: row.try_get(1)?,
        kind: row.try_get(2)?,
        org: OrgName::new(&row.try_get::<String, _>(3)?),
        task: row.try_get(4)?,
        actor: row.try_get(5)?,
        state: state
            .parse()
            .map_err(|why: String| sqlx::Error::Decode(why.into()))?,
        created_ms: unsigned(row.try_get(7)?),
        started_ms: time(8)?,
        ended_ms: time(9)?,
        attempt: u32::try_from(row.try_get::<i64, _>(10)?).unwrap_or(u32::MAX),
        worker: row.try_get(11)?,
        exit: row
            .try_get::<Option<i64>, _>(12)?
            .and_then(|exit| u8::try_from(exit).ok()),
        message: row.try_get(13)?,
        result: row.try_get(14)?,
        progress: row.try_get(15)?,
        cancelled: row.try_get::<i64, _>(16)? != 0,
        taken_over: u32::try_from(row.try_get::<i64, _>(17)?).unwrap_or(u32::MAX),
    })
}
