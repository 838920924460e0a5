//! Who begins with a job when: a queue of job ids.
//!
//! The queue only says when to look at a job. What is to be done, by whom, and whether it is done is
//! in the desk; the right to write to an org is its lease. So a queue that loses an id, or hands it
//! out twice, delays a job and harms nothing.

mod postgres;
mod sqlite;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, LocalBoxFuture};

/// Does what there is to do about a job.
pub type Handler = Arc<dyn Fn(String) -> BoxFuture<'static, ()> + Send + Sync>;

/// How often a worker gives the queue a sign of life; after a few without, its ids go to others.
const HEARTBEAT: Duration = Duration::from_secs(5);
const MISSED: usize = 3;

/// Says that the queue failed.
#[derive(Debug, thiserror::Error)]
#[error("the queue of jobs in {place}: {why}")]
pub struct Error {
    place: String,
    why: String,
}

/// A queue of job ids that all processes of a service share.
pub trait Dispatcher: Send + Sync {
    /// Hands a job out to some worker, after a time.
    fn push<'a>(&'a self, job: &'a str, after: Duration) -> BoxFuture<'a, Result<(), Error>>;

    /// Takes jobs, so many at once, until `stop` is done and what was begun has ended. The handler should
    /// leave the work to other threads.
    fn work<'a>(
        &'a self,
        name: &'a str,
        at_once: usize,
        handler: Handler,
        stop: BoxFuture<'static, ()>,
    ) -> LocalBoxFuture<'a, Result<(), Error>>;
}

/// Opens the queue of a name in a SQLite file of its own, which is made where there is none.
///
/// # Errors
/// The file cannot be made or used.
pub async fn sqlite(path: &Path, name: &str) -> Result<Arc<dyn Dispatcher>, Error> {
    Ok(Arc::new(sqlite::Queue::open(path, name).await?))
}

/// Opens the queue of a name in a PostgreSQL database, which may hold those of other services, too.
///
/// # Errors
/// The database cannot be reached, or its user may not make what the queue needs there.
pub async fn postgres(address: &str, name: &str) -> Result<Arc<dyn Dispatcher>, Error> {
    Ok(Arc::new(postgres::Queue::open(address, name).await?))
}
