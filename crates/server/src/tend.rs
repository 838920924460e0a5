//! What a process of the service does beside its jobs, again and again.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use orgsmith_engine::{Stop, now_ms};
use tracing::warn;

use crate::service::Service;

/// How often it is looked whether there is something to do.
const LOOK: Duration = Duration::from_secs(5);
/// How often what is old is deleted.
const FORGET: Duration = Duration::from_secs(3600);

impl Service {
    /// Looks after what the service keeps, until asked to stop. That several processes do so harms nothing.
    pub async fn tend(&self, stop: Stop) {
        let mut forgot: Option<Instant> = None;
        loop {
            self.keep_left_out(now_ms()).await;
            if let Err(problem) = self.look_out().await {
                warn!(why = problem.detail, "nobody could be alerted");
            }
            if forgot.is_none_or(|forgot| forgot.elapsed() >= FORGET) {
                forgot = Some(Instant::now());
                // Nobody gets in by one that ended, whether or not it is still there.
                if let Err(error) = self.desk().forget_sessions(now_ms()).await {
                    warn!(%error, "sessions that ended could not be deleted");
                }
                if let Err(error) = self.forget(Timestamp::now()).await {
                    warn!(%error, "what is old could not be deleted");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.asked() => break,
            }
        }
        // The minute is over, whatever the clock says.
        self.keep_left_out(u64::MAX).await;
    }
}
