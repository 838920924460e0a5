//! A queue in a SQLite file.

use std::path::Path;
use std::time::Duration;

use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{TaskBuilder, TaskSink, WorkerBuilder, WorkerError};
use apalis_sqlite::{Config, SqliteStorage};
use futures::FutureExt;
use futures::future::{BoxFuture, LocalBoxFuture};
use orgsmith_store::state::private_database;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};

use super::{Dispatcher, Error, HEARTBEAT, Handler, MISSED};

pub(super) struct Queue {
    pool: SqlitePool,
    place: String,
    name: String,
}

impl Queue {
    pub(super) async fn open(path: &Path, name: &str) -> Result<Self, Error> {
        let place = path.display().to_string();
        let fail = |error: &dyn std::fmt::Display| Error {
            place: place.clone(),
            why: error.to_string(),
        };
        private_database(path).map_err(|error| fail(&error))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(Duration::from_secs(10));
        let pool = SqlitePool::connect_with(options);
        let pool = pool.await.map_err(|error| fail(&error))?;
        let ready = SqliteStorage::setup(&pool).await;
        ready.map_err(|error| fail(&error))?;
        Ok(Self {
            pool,
            place,
            name: name.to_owned(),
        })
    }

    fn storage(&self) -> SqliteStorage<String> {
        let config = Config::default()
            .queue(&self.name)
            .batch_size(1)
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(MISSED);
        SqliteStorage::new(&self.pool).with_config(config)
    }

    fn fail(&self) -> impl Fn(&dyn std::fmt::Display) -> Error {
        |error| Error {
            place: self.place.clone(),
            why: error.to_string(),
        }
    }
}

impl Dispatcher for Queue {
    fn push<'a>(&'a self, job: &'a str, after: Duration) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let task = TaskBuilder::new(job.to_owned()).run_after(after).build();
            let pushed = self.storage().push_task(task).await;
            pushed.map_err(|error| self.fail()(&error))
        })
    }

    fn work<'a>(
        &'a self,
        name: &'a str,
        at_once: usize,
        handler: Handler,
        stop: BoxFuture<'static, ()>,
    ) -> LocalBoxFuture<'a, Result<(), Error>> {
        let running = run(self.storage(), name.to_owned(), at_once, handler, stop);
        Box::pin(async move { running.await.map_err(|why| self.fail()(&why)) })
    }
}

async fn run(
    storage: SqliteStorage<String>,
    name: String,
    at_once: usize,
    handler: Handler,
    stop: BoxFuture<'static, ()>,
) -> Result<(), WorkerError> {
    WorkerBuilder::new(name)
        .backend(storage)
        .concurrency(at_once)
        .build(move |job: String| handler(job))
        .run_until(stop.map(Ok::<(), std::io::Error>))
        .await
}
