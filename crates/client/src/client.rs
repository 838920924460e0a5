//! The client: sends calls, as often as it takes and as seldom as it must.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::Value;
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;
use url::Url;
use uuid::Uuid;

use crate::answer::{Failed, Reply, failed_exchange, failed_status, read};
use crate::auth::{Credentials, Minter};
use crate::builder::{Bases, Builder, Endpoint};
use crate::call::{Body, Call, Host, Replay};
use crate::error::{AuthFault, CallRef, Error};
use crate::gate::Gate;
use crate::limiter::{Quota, Refused, Scope};
use crate::pool::{Permit, Pool};
use crate::random::Random;
use crate::retry::{Decision, Outcome, Policy, Stop, decide};
use crate::stats::{Counters, Stats};
use crate::transport::{Answer, Fault, Transport};
use crate::turnstile::Lane;

/// Deprecated by Genesys but still sent; only ever used to go slower.
const ALLOWED: &str = "inin-ratelimit-allowed";

/// Whom a token speaks for, as the org itself sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The id of the org.
    pub organization_id: String,
    /// The name of the org.
    pub organization_name: String,
    /// The id of the OAuth client.
    pub client_id: String,
    /// The name of the OAuth client.
    pub client_name: String,
    /// All that the org said.
    pub body: Value,
}

/// Sends calls to one org with the tokens of one OAuth client.
///
/// Cloning is cheap, and all clones share tokens, quota and counters. Dropping the future of a call
/// gives its place in the quota back; whether the request had left by then is not known.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
    gate: Option<Arc<dyn Gate>>,
    lane: Lane,
}

pub(crate) struct Inner {
    pub(crate) org: String,
    pub(crate) bases: Bases,
    pub(crate) transport: Arc<Transport>,
    pub(crate) grant: Arc<Grant>,
    pub(crate) policy: Policy,
    pub(crate) quota: Quota,
    pub(crate) random: Arc<Random>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) page_concurrency: usize,
}

/// What all clients have in common that speak for one OAuth client: its tokens, their quota, and what
/// services said to them.
pub(crate) struct Grant {
    pub(crate) minter: Minter,
    pub(crate) pool: Arc<Pool>,
    /// Routes whose service said to wait, and until when.
    pub(crate) pauses: Mutex<BTreeMap<String, Instant>>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grant")
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("org", &self.inner.org)
            .field("api", &self.inner.bases.api)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// What a call has cost so far.
pub(crate) struct Progress {
    pub(crate) attempts: u32,
    pub(crate) spent: Duration,
    pub(crate) acted: bool,
}

impl Client {
    /// Starts to build a client.
    pub fn builder(endpoint: Endpoint, credentials: Credentials) -> Builder {
        Builder::new(endpoint, credentials)
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            gate: None,
            lane: Lane::default(),
        }
    }

    /// Returns the same client, whose calls that may change something have to pass a gate.
    #[must_use]
    pub fn behind(&self, gate: Arc<dyn Gate>) -> Self {
        Self {
            gate: Some(gate),
            ..self.clone()
        }
    }

    /// Returns the same client for work that nobody waits for: its calls let those of others go first, for
    /// half a minute each.
    #[must_use]
    pub fn in_background(&self) -> Self {
        Self {
            lane: Lane::Background,
            ..self.clone()
        }
    }

    /// Asks the gate, where there is one and the method may change something.
    pub(crate) async fn pass(
        &self,
        method: &Method,
        about: &CallRef,
        progress: &Progress,
    ) -> Result<(), Error> {
        let Some(gate) = self.gate.as_ref().filter(|_| *method != Method::GET) else {
            return Ok(());
        };
        gate.pass().await.map_err(|why| Error::Barred {
            call: Box::new(about.clone()),
            possibly_acted: progress.acted,
            why,
        })
    }

    /// Returns the label of the org.
    pub fn org(&self) -> &str {
        &self.inner.org
    }

    /// Returns the quota of one token as configured.
    pub fn quota(&self) -> Quota {
        self.inner.quota
    }

    /// Returns how many tokens are in use.
    pub fn tokens(&self) -> usize {
        self.inner.grant.pool.open()
    }

    /// Returns a snapshot of the counters.
    pub fn stats(&self) -> Stats {
        self.inner.counters.snapshot()
    }

    /// Mints a token and asks the org whom it speaks for.
    ///
    /// # Errors
    /// [`Error::Auth`] when the credentials are wrong; otherwise as [`Self::send`].
    pub async fn check(&self) -> Result<Identity, Error> {
        let body = self.send(Call::get("/api/v2/tokens/me")).await?.body;
        let text = |object: &str, key: &str| {
            let value = body[object][key].as_str();
            value.unwrap_or_default().to_owned()
        };
        Ok(Identity {
            organization_id: text("organization", "id"),
            organization_name: text("organization", "name"),
            client_id: text("OAuthClient", "id"),
            client_name: text("OAuthClient", "name"),
            body,
        })
    }

    /// Sends a call, again if it may be, and returns the first answer that is a success.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::may_have_been_acted_on`] tells whether a write may have happened.
    pub async fn send(&self, call: Call) -> Result<Reply, Error> {
        let request_id = Uuid::new_v4();
        // What begins with `otel.` is how OpenTelemetry calls the span.
        let span = tracing::debug_span!(
            "call",
            otel.name = %call.route(),
            otel.kind = "client",
            org = %self.inner.org,
            method = %call.method,
            path = %plain_path(&call.path),
            label = call.label.as_deref(),
            %request_id,
            status = Empty,
            attempts = Empty,
            otel.status_code = Empty,
        );
        let mut progress = Progress::new();
        let run = self.run(call, request_id, &mut progress);
        let result = run.instrument(span.clone()).await;
        span.record("attempts", progress.attempts);
        let status = match &result {
            Ok(reply) => Some(reply.status),
            Err(error) => {
                span.record("otel.status_code", "ERROR");
                error.status()
            }
        };
        span.record("status", status);
        result
    }

    async fn run(
        &self,
        call: Call,
        request_id: Uuid,
        progress: &mut Progress,
    ) -> Result<Reply, Error> {
        let about = CallRef {
            org: self.inner.org.clone(),
            method: call.method.to_string(),
            path: plain_path(&call.path).to_owned(),
            label: call.label.clone(),
            request_id,
            correlation_id: None,
        };
        let url = self.url(&call, &about)?;
        let body = content(&call, &about)?;
        let route = call.route();
        let started = Instant::now();
        let mut owed = Duration::ZERO;
        loop {
            let queued = Instant::now();
            self.pause(&route).await;
            let mut permit = self.inner.grant.pool.acquire(self.lane).await;
            let waited = queued.elapsed();
            self.inner.counters.waited(waited);
            // Waiting for one's turn is free, but not the part that a 429 has asked for.
            progress.spent += waited.min(std::mem::take(&mut owed));
            let token = match self.inner.grant.minter.token(&permit.cell, None).await {
                Ok(token) => token,
                Err(fault) if self.inner.grant.pool.close(&permit) => {
                    tracing::warn!(%fault, "no further token, going on with those at hand");
                    continue;
                }
                Err(fault) => return Err(auth(&about, fault)),
            };
            self.pass(&call.method, &about, progress).await?;
            progress.attempts += 1;
            self.inner.counters.sent();
            permit.leaves();
            let sent = Instant::now();
            let transport = &self.inner.transport;
            let answer = transport
                .call(
                    call.method.clone(),
                    url.clone(),
                    &token.header,
                    body.clone(),
                )
                .await;
            progress.spent += sent.elapsed();
            if let Err(Fault::Connect(_)) = answer {
                permit.never_left();
            }
            let redact = |text: &str| {
                let text = self.inner.grant.minter.redact(&token.redact(text));
                let hidden = call.hidden.iter();
                hidden.fold(text, |text, secret| crate::auth::redact(&text, secret))
            };
            let failed = match self.judge(answer, &about, &route, &permit, progress, redact) {
                Ok(reply) => return Ok(reply),
                Err(failed) => failed,
            };
            if failed.error.status() == Some(401) {
                // A token that was minted before this call may have been revoked since; a fresh
                // one that is refused will not get better. Nothing was acted on either way.
                let message = match failed.error.refusal() {
                    _ if token.minted < started => {
                        let rejected = Some(token.serial);
                        match self.inner.grant.minter.token(&permit.cell, rejected).await {
                            Err(fault) if !self.inner.grant.pool.close(&permit) => {
                                return Err(auth(&about, fault));
                            }
                            _ => {}
                        }
                        self.inner.counters.retried();
                        continue;
                    }
                    Some(refusal) => refusal.to_string(),
                    None => failed.error.to_string(),
                };
                let about = failed.error.call();
                return Err(auth(about, AuthFault::Revoked { message }));
            }
            drop(permit);
            let paced = failed.paced;
            let after = self.next(progress, call.replay, failed)?;
            if paced {
                owed = after;
            } else {
                self.sleep(progress, after).await;
            }
        }
    }

    /// Decides whether to try again, and after what time.
    pub(crate) fn next(
        &self,
        progress: &mut Progress,
        replay: Replay,
        failed: Failed,
    ) -> Result<Duration, Error> {
        let Failed { error, outcome, .. } = failed;
        let decision = decide(
            &self.inner.policy,
            progress.attempts,
            replay,
            outcome,
            progress.spent,
            self.inner.random.unit(),
        );
        progress.acted |= matches!(outcome, Outcome::Lost { .. });
        match decision {
            Decision::Retry { after } => {
                tracing::debug!(
                    attempt = progress.attempts,
                    wait_ms = after.as_millis(),
                    %error,
                    "attempt failed, trying again"
                );
                self.inner.counters.retried();
                Ok(after)
            }
            Decision::Stop(Stop::Final) => Err(error),
            Decision::Stop(Stop::Exhausted) => Err(Error::Exhausted {
                call: Box::new(error.call().clone()),
                attempts: progress.attempts,
                elapsed: progress.spent,
                possibly_acted: progress.acted,
                last: Box::new(error),
            }),
        }
    }

    pub(crate) async fn sleep(&self, progress: &mut Progress, time: Duration) {
        tokio::time::sleep(time).await;
        progress.spent += time;
        self.inner.counters.waited(time);
    }

    /// Turns one exchange into a reply or a failure, and tells the limiter what it has learned.
    fn judge(
        &self,
        answer: Result<Answer, Fault>,
        about: &CallRef,
        route: &str,
        permit: &Permit,
        progress: &Progress,
        redact: impl Fn(&str) -> String,
    ) -> Result<Reply, Failed> {
        let answer = answer.map_err(|fault| {
            self.inner.counters.unanswered();
            failed_exchange(about, fault)
        })?;
        self.inner.counters.answered(answer.status);
        if let Some(allowed) = answer.header(ALLOWED).and_then(|text| text.parse().ok()) {
            permit.learn(allowed);
        }
        let mut failed = match read(&answer, about, progress.attempts, &redact) {
            Ok(reply) => return Ok(reply),
            Err(None) => failed_status(&answer, about, progress, &redact),
            Err(Some(failed)) => failed,
        };
        if answer.status == 429
            && let Some(refusal) = failed.error.refusal()
        {
            let named = refusal.limit.as_ref().map(|limit| {
                if !limit.key.ends_with("token.rate.per.minute") {
                    return Scope::Route;
                }
                if let Some(value) = limit.value {
                    permit.learn(u32::try_from(value).unwrap_or(u32::MAX));
                }
                Scope::Token
            });
            let refused = Refused {
                retry_after: refusal.retry_after,
                named,
            };
            match permit.refused(route, refused) {
                // Another token can take the call at once, and the pool knows which.
                Scope::Token => failed.paced = true,
                Scope::Route => self.pause_route(route, refusal.retry_after),
            }
        }
        Err(failed)
    }

    /// Holds back the calls of a route whose service has a limit of its own.
    fn pause_route(&self, route: &str, time: Option<Duration>) {
        // Some services ask for hours. One call a window finds out whether they still mean it.
        let Some(time) = time.map(|time| time.min(self.inner.quota.window)) else {
            return;
        };
        let now = Instant::now();
        let mut pauses = self
            .inner
            .grant
            .pauses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        pauses.retain(|_, until| *until > now);
        let until = pauses.entry(route.to_owned()).or_insert(now);
        *until = (*until).max(now + time);
    }

    async fn pause(&self, route: &str) {
        loop {
            let until = {
                let pauses = self
                    .inner
                    .grant
                    .pauses
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                pauses.get(route).copied()
            };
            match until {
                Some(until) if until > Instant::now() => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }

    fn url(&self, call: &Call, about: &CallRef) -> Result<Url, Error> {
        // Without the slash a path could extend the host name and take the token elsewhere.
        if !call.path.starts_with('/') {
            return Err(invalid(about, "the path must begin with `/`".to_owned()));
        }
        let base = match call.host {
            Host::Api => &self.inner.bases.api,
            Host::Apps => &self.inner.bases.apps,
        };
        let mut url = Url::parse(&format!("{base}{}", call.path))
            .map_err(|error| invalid(about, error.to_string()))?;
        if !call.query.is_empty() {
            let mut pairs = url.query_pairs_mut();
            for (name, value) in &call.query {
                pairs.append_pair(name, value);
            }
        }
        Ok(url)
    }
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            attempts: 0,
            spent: Duration::ZERO,
            acted: false,
        }
    }
}

fn plain_path(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or(path)
}

fn content(call: &Call, about: &CallRef) -> Result<Option<(HeaderValue, Bytes)>, Error> {
    match &call.body {
        Body::Empty => Ok(None),
        Body::Json(value) => {
            let json = HeaderValue::from_static("application/json");
            Ok(Some((json, Bytes::from(value.to_string()))))
        }
        Body::Raw {
            content_type,
            bytes,
        } => match HeaderValue::from_str(content_type) {
            Ok(media) => Ok(Some((media, bytes.clone()))),
            Err(_) => Err(invalid(about, "the content type".to_owned())),
        },
    }
}

pub(crate) fn invalid(about: &CallRef, problem: String) -> Error {
    Error::Invalid {
        call: Box::new(about.clone()),
        problem,
    }
}

fn auth(about: &CallRef, fault: AuthFault) -> Error {
    Error::Auth {
        call: Box::new(about.clone()),
        fault,
    }
}
