//! Every request that was received, in order.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

/// Represents one request that was received.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// When it came, on the simulator's clock.
    pub at: String,
    /// The org that its token belongs to.
    pub org: Option<String>,
    /// The OAuth client.
    pub client: Option<String>,
    /// The how-manieth token of that client it carried, from 0.
    pub token: Option<u32>,
    /// The HTTP method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query, as it was sent.
    pub query: String,
    /// The contract's operation id.
    pub operation: Option<&'static str>,
    /// Whether only what the contract says of it was behind the answer.
    pub fallback: bool,
    /// The status that was decided, whether or not the answer went out.
    pub status: u16,
    /// Whether the answer went out whole.
    pub answered: bool,
    /// The id of the object created or changed.
    pub object: Option<String>,
    /// The SHA-256 of the body, in hexadecimal.
    pub body_sha256: Option<String>,
    /// The JSON body, without secrets.
    pub body: Option<Value>,
    /// The fault that struck it.
    pub fault: Option<String>,
    /// `ININ-Correlation-Id` of the answer.
    pub correlation_id: String,
}

impl Entry {
    /// Tells whether the request could change something of an org: some lists, exports and questions are
    /// asked for by a `POST`.
    pub fn may_change(&self) -> bool {
        let asks = self.method == "POST"
            && [
                "/export",
                "/flows/export/jobs",
                "/query",
                "/search",
                "/license/infer",
                "/license/infer/permissions",
                "/flows/validate/jobs",
            ]
            .iter()
            .any(|end| self.path.ends_with(end));
        self.method != "GET" && !asks && self.path.starts_with("/api/v2/")
    }
}

/// Keeps the entries.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) entries: Vec<Entry>,
}

impl Ledger {
    pub(crate) fn next_seq(&self) -> u64 {
        self.entries.len() as u64 + 1
    }

    /// Lists the operations that only the fallback answered, with how often.
    pub(crate) fn fallbacks(&self) -> BTreeMap<&'static str, u64> {
        let mut found = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.fallback) {
            *found
                .entry(entry.operation.unwrap_or_default())
                .or_default() += 1;
        }
        found
    }

    /// Counts calls per org and operation, and refusals for their rate.
    pub(crate) fn stats(&self) -> Map<String, Value> {
        let mut orgs: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        let mut throttled: BTreeMap<&str, u64> = BTreeMap::new();
        for entry in &self.entries {
            let org = entry.org.as_deref().unwrap_or("");
            let operation = entry.operation.unwrap_or(&entry.path);
            *orgs.entry(org).or_default().entry(operation).or_default() += 1;
            if entry.status == 429 {
                *throttled.entry(org).or_default() += 1;
            }
        }
        let mut stats = Map::new();
        for (org, operations) in orgs {
            let stat = json!({
                "calls": operations.values().sum::<u64>(),
                "throttled": throttled.get(org).copied().unwrap_or(0),
                "operations": operations,
            });
            stats.insert(org.to_owned(), stat);
        }
        stats
    }
}

/// Takes secret values out of a body.
pub(crate) fn without_secrets(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_secrets).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let value = match (name.as_str(), value) {
                    ("credentialFields", Value::Object(secrets)) => secrets
                        .keys()
                        .map(|key| (key.clone(), Value::from("***")))
                        .collect(),
                    ("password" | "secret" | "client_secret" | "clientSecret", _) => "***".into(),
                    (_, value) => without_secrets(value),
                };
                (name.clone(), value)
            })
            .collect(),
        other => other.clone(),
    }
}
