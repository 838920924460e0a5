//! A queue in a PostgreSQL database.

use std::time::Duration;

use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{TaskBuilder, TaskSink, WorkerBuilder, WorkerError};
use apalis_postgres::{Config, PostgresStorage};
use futures::FutureExt;
use futures::future::{BoxFuture, LocalBoxFuture};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{Dispatcher, Error, HEARTBEAT, Handler, MISSED};

pub(super) struct Queue {
    pool: PgPool,
    place: String,
    name: String,
}

impl Queue {
    pub(super) async fn open(address: &str, name: &str) -> Result<Self, Error> {
        // Nothing of an address that cannot be read may be shown: it may hold a password anywhere.
        let fail = |why: &dyn std::fmt::Display| Error {
            place: "postgres://…".to_owned(),
            why: why.to_string(),
        };
        let options: PgConnectOptions =
            address.parse().map_err(|error: sqlx::Error| fail(&error))?;
        let place = format!(
            "postgres://{}:{}/{}",
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or_default()
        );
        let fail = |why: &dyn std::fmt::Display| Error {
            place: place.clone(),
            why: why.to_string(),
        };
        // Where its tables are is the queue's own business, wherever ours are.
        let options = options.options([("search_path", "public")]);
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect_with(options);
        let pool = pool.await.map_err(|error| fail(&error))?;
        let ready = PostgresStorage::setup(&pool).await;
        ready.map_err(|error| fail(&error))?;
        Ok(Self {
            pool,
            place,
            name: name.to_owned(),
        })
    }

    fn storage(&self) -> PostgresStorage<String> {
        let config = Config::default()
            .queue(&self.name)
            .batch_size(1)
            .heartbeat_interval(HEARTBEAT)
            .missed_heartbeats(MISSED);
        PostgresStorage::new(&self.pool).with_config(config)
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
    storage: PostgresStorage<String>,
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
