//! What a process of the service does beside its jobs, again and again.

use std::time::Duration;

use orgsmith_engine::{Stop, now_ms};

use crate::service::Service;

/// How often it is looked whether there is something to do.
const LOOK: Duration = Duration::from_secs(5);

impl Service {
    /// Looks after what the service keeps, until asked to stop. That several processes do so harms nothing.
    pub async fn tend(&self, stop: Stop) {
        loop {
            self.keep_left_out(now_ms()).await;
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.asked() => break,
            }
        }
        // The minute is over, whatever the clock says.
        self.keep_left_out(u64::MAX).await;
    }
}
