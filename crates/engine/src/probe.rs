//! Asks URLs of other systems whether anybody is there: each once, a few at a time, and without any
//! credential.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use orgsmith_client::{Probe, Prober};
use orgsmith_core::endpoints::{Answer, Answers, Target};
use tokio::sync::OnceCell;

/// URLs that are asked at once.
const AT_ONCE: usize = 16;

/// What came of asking URLs. Whoever asks for one again is told what came of it the first time, so that
/// all that a command decides rests on one answer.
#[derive(Debug, Default)]
pub struct Probes {
    told: Mutex<BTreeMap<String, Arc<OnceCell<Answer>>>>,
}

impl Probes {
    /// Asks those URLs that were not asked yet, and returns what came of all.
    ///
    /// # Errors
    /// This machine's TLS or proxy settings cannot be used.
    pub async fn ask(
        &self,
        targets: &BTreeSet<Target>,
        timeout: Duration,
    ) -> Result<Answers, String> {
        let cells: Vec<(String, Arc<OnceCell<Answer>>)> = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let of = |target: &Target| {
                let url = target.url().to_owned();
                let cell = told.entry(url.clone()).or_default().clone();
                (url, cell)
            };
            targets.iter().map(of).collect()
        };
        if cells.is_empty() {
            return Ok(Answers::new());
        }
        let prober = &Prober::new(timeout)?;
        let answers = stream::iter(cells)
            .map(async |(url, cell)| {
                // Who comes while another asks waits for what comes of it.
                let ask = async || answer(prober.probe(&url).await, timeout);
                let answer = cell.get_or_init(ask).await.clone();
                (url, answer)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        Ok(answers)
    }
}

fn answer(probe: Probe, timeout: Duration) -> Answer {
    match probe {
        Probe::Answers(status) => Answer::Status(status),
        Probe::NoSuchHost => Answer::NoSuchHost,
        Probe::Unreachable(why) => Answer::Unreachable(why),
        Probe::Tls(why) => Answer::Tls(why),
        Probe::Timeout => Answer::Timeout(timeout),
        Probe::Invalid => Answer::Invalid,
    }
}
