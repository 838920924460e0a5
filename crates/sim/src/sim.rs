//! The simulator as a value: start it, furnish it, read what it saw, end it.

use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinHandle;

use crate::config::{Config, Lag, Limits};
use crate::events::bridge::{BridgeReport, Counts, post};
use crate::faults::FaultRule;
use crate::generate::{Generate, Oddity};
use crate::ledger::Entry;
use crate::routes::registry;
use crate::server::{Shared, serve};
use crate::state::{Seed, State};

/// Represents a running simulator; dropping it ends it.
#[derive(Debug)]
pub struct Sim {
    shared: Shared,
    base_url: String,
    server: JoinHandle<()>,
    bridge: Option<JoinHandle<()>>,
    counts: Counts,
}

/// Says why a simulator could not be started.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address}")]
pub struct StartError {
    address: String,
    #[source]
    source: std::io::Error,
}

/// Says why a seed request was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{request}: {status} {code}: {message}")]
#[non_exhaustive]
pub struct SeedError {
    /// Org, method and path.
    pub request: String,
    /// The status that a client would have got.
    pub status: u16,
    /// The error code.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
}

impl Sim {
    /// Starts a simulator; it serves as soon as this returns.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let failed = |source| StartError {
            address: config.listen.to_string(),
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let base_url = format!("http://{address}");
        let (seed, bridge) = (config.seed, config.bridge.clone());
        let shared = Shared::new(State::new(config, base_url.clone()));
        let server = tokio::spawn(serve(listener, shared.clone()));
        let counts = Counts::default();
        let bridge = bridge.map(|bridge| {
            let (sender, events) = unbounded_channel();
            shared.lock().attach(sender);
            tokio::spawn(post(bridge, seed, events, counts.clone()))
        });
        Ok(Self {
            shared,
            base_url,
            server,
            bridge,
            counts,
        })
    }

    /// Gives the URL of API and login, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Does what a client would have to do with this request, but may set ids and read-only
    /// fields, needs no token, counts in no limit and stands in no ledger.
    ///
    /// # Errors
    /// When the request would break the contract or the integrity of the org.
    pub fn seed(
        &self,
        org: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> Result<Value, SeedError> {
        let seed = Seed {
            org: org.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            body,
        };
        self.shared.lock().seed(seed).map_err(|refusal| SeedError {
            request: format!("org {org}: {method} {path}"),
            status: refusal.status,
            code: refusal.code,
            message: refusal.message,
        })
    }

    /// Fills an org with objects, as they would be after years of work; nothing of it stands in
    /// the ledger.
    ///
    /// # Errors
    /// When an object breaks a limit of the org, such as the number of its divisions.
    pub fn generate(&self, org: &str, wanted: &Generate) -> Result<(), SeedError> {
        let done = self.shared.lock().generate(org, wanted);
        done.map_err(|refusal| SeedError {
            request: format!("org {org}: generate"),
            status: refusal.status,
            code: refusal.code,
            message: refusal.message,
        })
    }

    /// Lists the objects of an org that a generation with `odd` has bent, and how.
    pub fn oddities(&self, org: &str) -> Vec<Oddity> {
        let state = self.shared.lock();
        let org = state.orgs.get(org);
        org.map_or_else(Vec::new, |org| org.oddities.clone())
    }

    /// Lists every request received, oldest first; admin requests and seeds are not among them.
    pub fn ledger(&self) -> Vec<Entry> {
        self.shared.lock().ledger.entries.clone()
    }

    /// Counts the connections that are open. Where there are none, nothing is on its way any more, even
    /// from a client that was killed.
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// Lists the operations that were called and that only the fallback answered, with how often.
    pub fn fallbacks(&self) -> std::collections::BTreeMap<&'static str, u64> {
        self.shared.lock().ledger.fallbacks()
    }

    /// Gives everything that an org holds, by the simulator's kinds.
    pub fn dump(&self, org: &str) -> Value {
        self.shared
            .lock()
            .orgs
            .get(org)
            .map_or(Value::Null, |org| org.dump())
    }

    /// Lists the objects of one of the simulator's kinds, as the API shows them.
    pub fn objects(&self, org: &str, kind: &str) -> Vec<Value> {
        let state = self.shared.lock();
        let Some((org, kind)) = state.orgs.get(org).zip(registry().kind(kind)) else {
            return Vec::new();
        };
        let shown =
            |object: &crate::store::Object| org.view(kind, &object.id, &object.fields).into();
        org.store.all(kind.name).map(shown).collect()
    }

    /// Lists the objects of one of the simulator's kinds as they are kept, with what the API takes
    /// and never shows.
    pub fn kept(&self, org: &str, kind: &str) -> Vec<Value> {
        let state = self.shared.lock();
        let kept = |object: &crate::store::Object| Value::Object(object.fields.clone());
        let org = state.orgs.get(org);
        org.map_or_else(Vec::new, |org| org.store.all(kind).map(kept).collect())
    }

    /// Gives the id of an org.
    pub fn org_id(&self, org: &str) -> Option<String> {
        self.shared.lock().orgs.get(org).map(|org| org.id.clone())
    }

    /// Lets requests fail; gives the number of the rule.
    pub fn add_fault(&self, rule: FaultRule) -> u64 {
        self.shared.lock().faults.add(rule)
    }

    /// Takes all fault rules away.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Sets the lags of an org anew.
    pub fn set_lags(&self, org: &str, lags: Vec<Lag>) {
        if let Some(org) = self.shared.lock().orgs.get_mut(org) {
            org.lags = lags;
        }
    }

    /// Sets the rates of an org anew.
    pub fn set_limits(&self, org: &str, limits: Limits) {
        if let Some(org) = self.shared.lock().orgs.get_mut(org) {
            org.limits = limits;
        }
    }

    /// Gives the time of the simulated world.
    pub fn now(&self) -> Timestamp {
        self.shared.lock().clock.now()
    }

    /// Lets time pass at once.
    pub fn advance(&self, by: Duration) {
        self.shared.lock().advance(by);
    }

    /// Says what came of the events that were to be posted.
    pub fn bridge_report(&self) -> BridgeReport {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the sockets of an org's notification channels, each with the warning that the service
    /// gives; the channels stay.
    pub fn close_sockets(&self, org: &str) {
        if let Some(org) = self.shared.lock().orgs.get_mut(org) {
            org.events.close();
        }
    }

    /// Ends all tokens of an org, as when they expire; gives how many.
    pub fn revoke_tokens(&self, org: &str) -> usize {
        self.shared.lock().tokens.revoke(Some(org))
    }

    /// Lists what is a credential by itself and was handed out: tokens, and the last parts of
    /// presigned URLs.
    pub fn credentials(&self) -> Vec<String> {
        let state = self.shared.lock();
        let tokens = state.tokens.by_value.keys();
        let slots = state.orgs.values().flat_map(|org| org.storage.slots.keys());
        tokens.chain(slots).cloned().collect()
    }

    /// Puts the world back to how it was after its seeds, and forgets tokens, faults and ledger.
    pub fn reset(&self) {
        self.shared.lock().reset();
    }

    /// Ends the simulator and waits until its connections are closed.
    pub async fn shutdown(mut self) {
        self.server.abort();
        if let Some(bridge) = &self.bridge {
            bridge.abort();
        }
        // A task that was aborted ends with an error, which is what was asked for.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.server.abort();
        if let Some(bridge) = &self.bridge {
            bridge.abort();
        }
    }
}
