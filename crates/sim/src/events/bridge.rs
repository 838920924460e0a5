//! Posts events as Amazon EventBridge passes them on, and loses some on request.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::mpsc::UnboundedReceiver;

use super::topics::{AUDITS, audit_topic, body};
use crate::generate::Random;

/// How often one event is tried.
const TRIES: u32 = 3;
/// Events that are held back for a while may be overtaken by the next.
const HELD: usize = 4;
/// How long an event is held back where none follows.
const IDLE: Duration = Duration::from_millis(20);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Says where the audits of every org are posted to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    /// The URL.
    pub url: String,
    /// Signs each body: `x-orgsmith-signature: t=<seconds>,v1=<HMAC-SHA256 of "t.body" in hex>`.
    #[serde(default, skip_serializing)]
    pub secret: Option<String>,
    /// Goes along as `x-api-key`.
    #[serde(default, skip_serializing)]
    pub api_key: Option<String>,
    /// How many of a hundred events are lost.
    #[serde(default)]
    pub drop_percent: u8,
    /// How many of a hundred are posted twice.
    #[serde(default)]
    pub duplicate_percent: u8,
    /// Lets later events overtake earlier ones.
    #[serde(default)]
    pub reorder: bool,
}

/// What came of the events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BridgeReport {
    /// Events that there were.
    pub events: u64,
    /// Those that were lost on purpose.
    pub dropped: u64,
    /// Posts that were taken.
    pub posted: u64,
    /// Those among them that were second posts of the same.
    pub duplicates: u64,
    /// Events that nobody took.
    pub failed: u64,
}

/// Counts for whoever asks.
pub(crate) type Counts = Arc<Mutex<BridgeReport>>;

/// Posts what comes until nothing comes any more.
pub(crate) async fn post(
    bridge: Bridge,
    seed: u64,
    mut events: UnboundedReceiver<Value>,
    counts: Counts,
) {
    let http = match reqwest::Client::builder().timeout(PATIENCE).build() {
        Ok(http) => http,
        Err(error) => {
            tracing::error!(%error, "events cannot be posted");
            return;
        }
    };
    let poster = Poster {
        http,
        bridge,
        counts,
    };
    // What is lost depends on the order of the writes alone, not on when they come.
    let (mut losing, mut doubling) = (Random::new(seed), Random::new(seed.wrapping_add(1)));
    let mut order = Random::new(seed.wrapping_add(2));
    let mut held: Vec<(Value, bool)> = Vec::new();
    loop {
        let next = match held.is_empty() {
            true => events.recv().await.map(Some),
            false => match tokio::time::timeout(IDLE, events.recv()).await {
                Ok(next) => next.map(Some),
                Err(_) => Some(None),
            },
        };
        let idle = match next {
            None => break,
            Some(None) => true,
            Some(Some(audit)) => {
                poster.count(|counts| counts.events += 1);
                let lost = losing.below(100) < usize::from(poster.bridge.drop_percent);
                let twice = doubling.below(100) < usize::from(poster.bridge.duplicate_percent);
                match lost {
                    true => poster.count(|counts| counts.dropped += 1),
                    false => held.push((audit, twice)),
                }
                false
            }
        };
        let keep = match poster.bridge.reorder && !idle {
            true => HELD,
            false => 0,
        };
        while held.len() > keep {
            let place = match poster.bridge.reorder {
                true => order.below(held.len()),
                false => 0,
            };
            let (audit, twice) = held.remove(place);
            poster.one(&audit).await;
            if twice && poster.one(&audit).await {
                poster.count(|counts| counts.duplicates += 1);
            }
        }
    }
}

struct Poster {
    http: reqwest::Client,
    bridge: Bridge,
    counts: Counts,
}

impl Poster {
    fn count(&self, how: impl FnOnce(&mut BridgeReport)) {
        how(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Posts one event; tells whether somebody took it.
    async fn one(&self, audit: &Value) -> bool {
        let text = event(audit).to_string();
        for attempt in 1..=TRIES {
            let mut request = self
                .http
                .post(&self.bridge.url)
                .header("content-type", "application/json");
            if let Some(key) = &self.bridge.api_key {
                request = request.header("x-api-key", key);
            }
            if let Some(secret) = &self.bridge.secret {
                let now = Timestamp::now().as_second();
                request = request.header("x-orgsmith-signature", signature(secret, now, &text));
            }
            match request.body(text.clone()).send().await {
                Ok(answer) if answer.status().is_success() => {
                    self.count(|counts| counts.posted += 1);
                    return true;
                }
                Ok(answer) => {
                    tracing::debug!(status = answer.status().as_u16(), attempt, "event refused");
                }
                Err(error) => tracing::debug!(%error, attempt, "event not posted"),
            }
            tokio::time::sleep(IDLE * attempt).await;
        }
        self.count(|counts| counts.failed += 1);
        false
    }
}

fn signature(secret: &str, at: i64, text: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{at}.{text}").as_bytes());
    let bytes = mac.finalize().into_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={hex}")
}

/// Wraps an audit as the bus does.
fn event(audit: &Value) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let org = text(&audit["userHomeOrgId"]);
    json!({
        "version": "0",
        "id": audit["id"],
        "detail-type": AUDITS,
        "source": format!("aws.partner/genesys.com/cloud/{org}/orgsmith"),
        "account": "000000000000",
        "time": audit["eventDate"],
        "region": "us-east-1",
        "resources": [],
        "detail": {
            "topicName": audit_topic(&text(&audit["entityType"]), &text(&audit["entity"]["id"])),
            "version": "1",
            "eventBody": body(audit),
            "metadata": { "CorrelationId": audit["id"] },
            "timestamp": audit["eventDate"],
        },
    })
}
