//! Asks URLs of other systems whether anybody is there: each once, a few at a time, and without any
//! credential.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use orgsmith_client::{Probe, Prober};
use orgsmith_core::endpoints::{Answer, Answers, Target};
use tokio::sync::Mutex;

/// URLs that are asked at once.
const AT_ONCE: usize = 16;

/// What came of asking URLs. Whoever asks for one again is told what came of it the first time, so that
/// all that a command decides rests on one answer.
#[derive(Debug, Default)]
pub struct Probes {
    told: Mutex<BTreeMap<String, Answer>>,
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
        // Who comes while others ask waits for them, and then finds most of it told.
        let mut told = self.told.lock().await;
        let is_new = |target: &&Target| !told.contains_key(target.url());
        let open: BTreeSet<String> = targets
            .iter()
            .filter(is_new)
            .map(|target| target.url().to_owned())
            .collect();
        if !open.is_empty() {
            let prober = Prober::new(timeout)?;
            let answers: Vec<(String, Answer)> = stream::iter(open)
                .map(async |url| {
                    let answer = answer(prober.probe(&url).await, timeout);
                    (url, answer)
                })
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            told.extend(answers);
        }
        let of = |target: &Target| {
            let answer = told.get(target.url())?;
            Some((target.url().to_owned(), answer.clone()))
        };
        Ok(targets.iter().filter_map(of).collect())
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
