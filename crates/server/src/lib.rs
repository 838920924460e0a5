//! The service: jobs over HTTP, and the workers that do them.
//!
//! This room knows who asks for what, and what came of it. It does no work on an org itself: a job is a
//! command of the command line, which does it through [`work::Work`]. A queue ([`dispatch`]) says when to
//! look at a job; the desk (`orgsmith_store::desk`) says what it is and how it stands; the right to write
//! is the lease of the org, and what was written is the journal of the run, as everywhere.

mod alerts;
mod api;
mod auth;
pub mod dispatch;
mod ear;
mod file;
mod hour;
mod limits;
mod metrics;
mod problem;
mod progress;
mod reconcile;
mod refusals;
mod retention;
mod service;
mod sign_in;
mod task;
mod tend;
mod told;
mod watch;
mod web;
mod words;
pub mod work;
mod worker;

pub use alerts::Thresholds;
pub use api::Hook;
pub use api::openapi;
pub use auth::{Minted, Role};
pub use problem::Problem;
pub use progress::{Progress, Reading, Writing};
pub use reconcile::Keep;
pub use retention::Retention;
pub use service::{Parts, Service, Settings};
pub use sign_in::{Grant, SignIn};
pub use task::{Carry, Selected, Task};

use std::io;
use std::net::SocketAddr;

use axum::middleware;
use orgsmith_engine::Stop;
use tokio::net::TcpListener;

impl Service {
    /// Answers requests until asked to stop, and those under way to their end.
    ///
    /// # Errors
    /// The socket fails.
    pub async fn serve(&self, listener: TcpListener, stop: Stop) -> io::Result<()> {
        let closing = self.closing().clone();
        let router = api::router().merge(web::router());
        let noting = middleware::from_fn_with_state(self.clone(), refusals::note);
        let router = web::guarded(router.with_state(self.clone()).layer(noting));
        metrics::begin();
        let router = router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, router)
            .with_graceful_shutdown(async move {
                stop.asked().await;
                closing.ask();
            })
            .await
    }
}
