//! The whole simulator without its network: a request comes in, an answer goes out.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use orgsmith_contract::{Operation, Route, Type, contract};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::UnboundedSender;

use crate::auth::{Permits, Tokens, check_permissions};
use crate::clock::Clock;
use crate::config::Config;
use crate::cx::{Caller, Cx};
use crate::error::{Refusal, Reply};
use crate::faults::{FaultAction, Faults};
use crate::generate::{Generate, generate};
use crate::ledger::{Entry, Ledger, without_secrets};
use crate::routes::{Req, registry};
use crate::storage::{self, Slot};
use crate::validate::{Bodies, check_body, check_query, trim_answer};
use crate::world::Org;

/// Represents a request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
    pub(crate) content_type: Option<String>,
    /// The other headers that storage may ask for, names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Bytes,
}

/// Represents an answer before it goes out.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Outgoing {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            content_type: Some("application/json".to_owned()),
            headers: Vec::new(),
            body: body.to_string().into(),
        }
    }
}

/// Names who made a request, as far as it is known.
#[derive(Debug, Default, Clone)]
struct Who {
    org: Option<String>,
    client: Option<String>,
    token: Option<u32>,
}

/// What a request was resolved to on its way.
#[derive(Debug, Default)]
struct Trace {
    who: Who,
    operation: Option<&'static str>,
    object: Option<String>,
    body: Option<Value>,
}

/// One seed request, kept for a reset.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    pub(crate) org: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// What furnished a world, in order, to be done again after a reset.
#[derive(Debug)]
enum Furniture {
    Request(Seed),
    Generated(String, Generate),
}

/// Holds everything.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) base_url: String,
    pub(crate) clock: Clock,
    pub(crate) orgs: BTreeMap<String, Org>,
    pub(crate) tokens: Tokens,
    pub(crate) faults: Faults,
    pub(crate) ledger: Ledger,
    seeds: Vec<Furniture>,
    calls: u64,
    /// Where events for the bus go.
    pub(crate) bridge: Option<UnboundedSender<Value>>,
}

impl State {
    pub(crate) fn new(config: Config, base_url: String) -> Self {
        let clock = Clock::new(config.clock);
        let mut state = Self {
            config,
            base_url,
            clock,
            orgs: BTreeMap::new(),
            tokens: Tokens::default(),
            faults: Faults::default(),
            ledger: Ledger::default(),
            seeds: Vec::new(),
            calls: 0,
            bridge: None,
        };
        state.furnish();
        state
    }

    fn furnish(&mut self) {
        let now = self.clock.now();
        let Config {
            orgs,
            limits,
            lags,
            seed,
            ..
        } = &self.config;
        self.orgs = orgs
            .iter()
            .map(|spec| (spec.name.clone(), Org::new(spec, limits, lags, *seed, now)))
            .collect();
    }

    /// Puts the world back to how it was after its seeds, and forgets tokens, faults and ledger.
    pub(crate) fn reset(&mut self) {
        self.furnish();
        self.tokens = Tokens::default();
        self.faults = Faults::default();
        self.ledger = Ledger::default();
        for seed in std::mem::take(&mut self.seeds) {
            // It has passed once against the same world.
            let _ = match seed {
                Furniture::Request(seed) => self.seed(seed).map(drop),
                Furniture::Generated(org, wanted) => self.generate(&org, &wanted),
            };
        }
        // What has passed once is no event.
        if let Some(bridge) = self.bridge.clone() {
            self.attach(bridge);
        }
    }

    /// Runs a seed request and keeps it.
    pub(crate) fn seed(&mut self, seed: Seed) -> Result<Value, Refusal> {
        let now = self.clock.now();
        let org = self
            .orgs
            .get_mut(&seed.org)
            .ok_or_else(|| Refusal::not_found("org", &seed.org))?;
        let (path, query) = seed.path.split_once('?').unwrap_or((&seed.path, ""));
        let lags = std::mem::take(&mut org.lags);
        let mut cx = Cx {
            org,
            now,
            base_url: &self.base_url,
            caller: Caller::Seed,
            touched: None,
        };
        let body = seed.body.clone();
        let answer = route(&seed.method, path).and_then(|route| {
            let req = request(route, path, query, body, &cx.caller, false)?;
            registry().serve(&mut cx, &req)
        });
        cx.org.lags = lags;
        let reply = answer?;
        self.seeds.push(Furniture::Request(seed));
        Ok(reply.body.unwrap_or_default())
    }

    /// Fills an org and keeps with what.
    pub(crate) fn generate(&mut self, org: &str, wanted: &Generate) -> Result<(), Refusal> {
        let now = self.clock.now();
        let found = self
            .orgs
            .get_mut(org)
            .ok_or_else(|| Refusal::not_found("org", org))?;
        let lags = std::mem::take(&mut found.lags);
        let mut cx = Cx {
            org: found,
            now,
            base_url: &self.base_url,
            caller: Caller::Seed,
            touched: None,
        };
        let done = generate(&mut cx, wanted);
        cx.org.lags = lags;
        done?;
        let kept = Furniture::Generated(org.to_owned(), wanted.clone());
        self.seeds.push(kept);
        Ok(())
    }

    /// Gives the fault that strikes a request.
    pub(crate) fn strike(&mut self, incoming: &Incoming) -> Option<FaultAction> {
        let org = self.org_of(incoming);
        self.faults
            .strike(org.as_deref(), &incoming.method, &incoming.path)
    }

    fn org_of(&self, incoming: &Incoming) -> Option<String> {
        let header = incoming.authorization.as_deref()?;
        if let Some(token) = bearer(header) {
            return self
                .tokens
                .by_value
                .get(token)
                .map(|token| token.org.clone());
        }
        let client = crate::auth::client_of(header)?;
        let owns = |org: &&Org| org.spec.clients.iter().any(|c| c.id == client);
        self.orgs
            .values()
            .find(owns)
            .map(|org| org.spec.name.clone())
    }

    /// Answers a request and writes it down; `fault` is what has struck it.
    pub(crate) fn answer(&mut self, incoming: &Incoming, fault: Option<&FaultAction>) -> Outgoing {
        let now = self.clock.now();
        self.calls += 1;
        let correlation_id = {
            let hash = Sha256::digest(format!("call/{}/{}", self.config.seed, self.calls));
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&hash[..16]);
            uuid::Builder::from_random_bytes(bytes)
                .into_uuid()
                .to_string()
        };
        let mut trace = Trace::default();
        let mut outgoing = match fault {
            Some(FaultAction::Status {
                status,
                retry_after_s,
            }) => {
                self.identify(incoming, &mut trace);
                let mut refusal = struck(*status);
                refusal.more.retry_after_s = *retry_after_s;
                refused(&refusal, &correlation_id)
            }
            Some(FaultAction::ResetBefore) => {
                self.identify(incoming, &mut trace);
                Outgoing::default()
            }
            Some(FaultAction::Html { status }) => {
                self.identify(incoming, &mut trace);
                Outgoing {
                    status: *status,
                    content_type: Some("text/html".to_owned()),
                    headers: Vec::new(),
                    body: Bytes::from_static(b"<html><body><h1>Bad Gateway</h1></body></html>"),
                }
            }
            Some(FaultAction::Echo { status }) => {
                self.identify(incoming, &mut trace);
                let heard = String::from_utf8_lossy(&incoming.body);
                let who = incoming.authorization.as_deref().unwrap_or_default();
                let message = format!("you sent {heard} as {who}");
                refused(&Refusal::new(*status, "echo", message), &correlation_id)
            }
            Some(FaultAction::SamePage) => {
                let first = first_page(incoming);
                self.work(&first, now, &mut trace, &correlation_id)
            }
            _ => self.work(incoming, now, &mut trace, &correlation_id),
        };
        match fault {
            Some(FaultAction::StatusAfter { status }) => {
                outgoing = refused(&struck(*status), &correlation_id);
            }
            Some(FaultAction::MalformedJson) => {
                outgoing.body = Bytes::from_static(b"{\"entities\": [}");
                outgoing.content_type = Some("application/json".to_owned());
            }
            Some(FaultAction::Pad(bytes)) => {
                let mut body = outgoing.body.to_vec();
                body.resize(
                    body.len()
                        .saturating_add(usize::try_from(*bytes).unwrap_or(0)),
                    b' ',
                );
                outgoing.body = body.into();
            }
            Some(FaultAction::SamePage) => same_page(incoming, &mut outgoing),
            _ => {}
        }
        outgoing
            .headers
            .push(("ININ-Correlation-Id", correlation_id.clone()));
        let lost = matches!(
            fault,
            Some(FaultAction::ResetBefore | FaultAction::ResetAfter | FaultAction::TruncateBody)
        );
        let fallback = trace.operation.is_some_and(|id| registry().is_fallback(id));
        if fallback && self.config.strict {
            tracing::warn!(
                operation = trace.operation,
                "only the fallback answers {} {}",
                incoming.method,
                incoming.path
            );
        }
        self.ledger.entries.push(Entry {
            seq: self.ledger.next_seq(),
            at: crate::clock::spell(now),
            org: trace.who.org,
            client: trace.who.client,
            token: trace.who.token,
            method: incoming.method.clone(),
            path: incoming.path.clone(),
            query: incoming.query.clone(),
            operation: trace.operation,
            fallback,
            status: outgoing.status,
            answered: !lost,
            object: trace.object,
            body_sha256: (!incoming.body.is_empty()).then(|| hex(&Sha256::digest(&incoming.body))),
            body: trace.body,
            fault: fault.map(|fault| {
                serde_json::to_string(fault)
                    .unwrap_or_default()
                    .replace('"', "")
            }),
            correlation_id,
        });
        outgoing
    }

    fn identify(&self, incoming: &Incoming, trace: &mut Trace) {
        let Some(header) = incoming.authorization.as_deref() else {
            return;
        };
        if let Some(token) = bearer(header).and_then(|token| self.tokens.by_value.get(token)) {
            trace.who = Who {
                org: Some(token.org.clone()),
                client: Some(token.client.id.clone()),
                token: Some(token.index),
            };
        } else {
            trace.who.org = self.org_of(incoming);
        }
        if let Ok(route) = route(&incoming.method, &incoming.path) {
            trace.operation = Some(&route.operation.id);
        }
        trace.body = ledger_body(&incoming.body);
    }

    fn work(
        &mut self,
        incoming: &Incoming,
        now: Timestamp,
        trace: &mut Trace,
        context: &str,
    ) -> Outgoing {
        if incoming.path == "/oauth/token" {
            return self.mint(incoming, now, trace);
        }
        if let Some(name) = incoming.path.strip_prefix(storage::PREFIX) {
            return self.store(incoming, now, name, trace, context);
        }
        let value = incoming.authorization.as_deref().and_then(bearer);
        let outcome = self.call(incoming, now, trace);
        let revokes = trace.operation == Some("deleteTokensMe") && outcome.is_ok();
        if let (true, Some(value)) = (revokes, value) {
            self.tokens.by_value.remove(value);
        }
        match outcome {
            Ok(Reply {
                status,
                body,
                text,
                headers,
            }) => {
                let mut outgoing = match (body, text) {
                    (Some(body), _) => Outgoing::json(status, &body),
                    (None, Some(text)) => Outgoing {
                        status,
                        content_type: Some("text/plain".to_owned()),
                        headers: Vec::new(),
                        body: text.into(),
                    },
                    (None, None) => Outgoing {
                        status,
                        ..Outgoing::default()
                    },
                };
                outgoing.headers.extend(headers);
                outgoing
            }
            Err(refusal) => refused(&refusal, context),
        }
    }

    fn mint(&mut self, incoming: &Incoming, now: Timestamp, trace: &mut Trace) -> Outgoing {
        trace.operation = Some("oauthToken");
        if incoming.method != "POST" {
            return Outgoing {
                status: 405,
                ..Outgoing::default()
            };
        }
        let (status, body, who) = self.tokens.mint(
            &self.orgs,
            self.config.seed,
            now,
            incoming.authorization.as_deref(),
            &incoming.body,
        );
        if let Some((org, client)) = who {
            trace.who.org = Some(org);
            trace.who.client = Some(client);
        }
        Outgoing::json(status, &body)
    }

    fn store(
        &mut self,
        incoming: &Incoming,
        now: Timestamp,
        name: &str,
        trace: &mut Trace,
        context: &str,
    ) -> Outgoing {
        trace.operation = Some("simStorage");
        let plain = |status: u16, message: &str| {
            refused(&Refusal::new(status, "storage", message), context)
        };
        let Some(org) = self
            .orgs
            .values_mut()
            .find(|org| org.storage.slots.contains_key(name))
        else {
            return plain(404, "There is no such file.");
        };
        trace.who.org = Some(org.spec.name.clone());
        if incoming.authorization.is_some() {
            return plain(
                400,
                "Only one authorization mechanism is allowed: the URL is signed.",
            );
        }
        match (
            incoming.method.as_str(),
            org.storage.slots.get(name).cloned(),
        ) {
            (
                "GET",
                Some(Slot::Download {
                    content,
                    content_type,
                }),
            ) => Outgoing {
                status: 200,
                content_type: Some(content_type),
                headers: Vec::new(),
                body: content,
            },
            (
                "PUT" | "POST",
                Some(Slot::Upload {
                    subject,
                    headers,
                    then,
                }),
            ) => {
                let missing = headers
                    .iter()
                    .find(|(name, value)| incoming.headers.get(*name) != Some(value));
                if let Some((name, _)) = missing {
                    return plain(403, &format!("The URL is signed with the header {name}."));
                }
                let mut cx = Cx {
                    org,
                    now,
                    base_url: &self.base_url,
                    caller: Caller::Seed,
                    touched: None,
                };
                let taken = then(&mut cx, &subject, &incoming.body);
                trace.object = cx.touched;
                match taken {
                    Ok(()) => Outgoing {
                        status: 200,
                        ..Outgoing::default()
                    },
                    Err(refusal) => refused(&refusal, context),
                }
            }
            _ => plain(403, "The URL is signed for another method."),
        }
    }

    fn call(
        &mut self,
        incoming: &Incoming,
        now: Timestamp,
        trace: &mut Trace,
    ) -> Result<Reply, Refusal> {
        trace.body = ledger_body(&incoming.body);
        let Some(value) = incoming.authorization.as_deref().and_then(bearer) else {
            return Err(Refusal::new(
                401,
                "authentication.required",
                "No authentication bearer token specified in authorization header.",
            ));
        };
        let bad = || Refusal::new(401, "bad.credentials", "Invalid login credentials.");
        let token = self.tokens.by_value.get_mut(value).ok_or_else(bad)?;
        trace.who = Who {
            org: Some(token.org.clone()),
            client: Some(token.client.id.clone()),
            token: Some(token.index),
        };
        if token.expires_at <= now {
            return Err(bad());
        }
        let org = self.orgs.get_mut(&token.org).ok_or_else(bad)?;
        let found = route(&incoming.method, &incoming.path);
        trace.operation = found.as_ref().ok().map(|route| route.operation.id.as_str());
        let limits = &org.limits;
        token
            .window
            .take(now, limits.requests, limits.window_s)
            .map_err(Refusal::too_many)?;
        if incoming.method != "GET" {
            for limit in &limits.services {
                if incoming.path.starts_with(&limit.path_prefix) {
                    let window = org.services.entry(limit.path_prefix.clone()).or_default();
                    window
                        .take(now, limit.writes_per_minute, 60)
                        .map_err(Refusal::too_many)?;
                }
            }
        }
        let client = &token.client;
        let caller = Caller::Client {
            id: client.id.clone(),
            permits: Permits::new(&client.permissions),
            divisions: client
                .divisions
                .as_deref()
                .map(|names| org.division_ids(names)),
        };
        if incoming.path == crate::api::SCRIPT_UPLOAD && incoming.method == "POST" {
            let mut cx = Cx {
                org,
                now,
                base_url: &self.base_url,
                caller,
                touched: None,
            };
            let media = incoming.content_type.as_deref().unwrap_or_default();
            return crate::api::upload_script(&mut cx, media, &incoming.body);
        }
        let route = found?;
        check_permissions(&caller, route.operation)?;
        let is_json = incoming
            .content_type
            .as_deref()
            .is_some_and(|kind| kind.starts_with("application/json"));
        if !incoming.body.is_empty() && route.operation.consumes.is_empty() && !is_json {
            return Err(Refusal::new(
                415,
                "unsupported.media.type",
                "The body must be application/json.",
            ));
        }
        let body = match incoming.body.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&incoming.body)
                .map_err(|error| Refusal::bad_request(format!("The body is not JSON: {error}")))?,
        };
        let relax = self.config.relax.read_only;
        let req = request(route, &incoming.path, &incoming.query, body, &caller, relax)?;
        let mut cx = Cx {
            org,
            now,
            base_url: &self.base_url,
            caller,
            touched: None,
        };
        crate::jobs::settle(&mut cx);
        let mut answer = registry().serve(&mut cx, &req);
        trace.object = cx.touched;
        if let Ok(Reply {
            body: Some(body), ..
        }) = &mut answer
        {
            trim_answer(req.operation, body);
        }
        if let Err(refusal) = &mut answer {
            refusal.more.scim = req.operation.api == "SCIM";
        }
        answer
    }
}

/// Finds the operation of a path, or says 404 or 405.
fn route(method: &str, path: &str) -> Result<Route<'static>, Refusal> {
    contract().route(method, path).ok_or_else(|| {
        let allowed = contract().allowed_methods(path);
        if allowed.is_empty() {
            return Refusal::new(404, "not.found", format!("HTTP 404 Not Found: {path}"));
        }
        let mut refusal = Refusal::new(
            405,
            "method.not.allowed",
            format!("HTTP 405 Method Not Allowed: {method}"),
        );
        refusal.more.allow = allowed.into_iter().map(str::to_owned).collect();
        refusal
    })
}

/// Checks a request against the contract.
fn request(
    route: Route<'static>,
    path: &str,
    query: &str,
    mut body: Value,
    caller: &Caller,
    relax_read_only: bool,
) -> Result<Req, Refusal> {
    let query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .flat_map(|(name, value)| values_of(route.operation, name, &value))
        .collect();
    check_query(route.operation, &query)?;
    let how = Bodies {
        kind: registry().kind_of(route.operation),
        path,
        id: route.params.last().map(|(_, id)| id.as_str()),
        seed: matches!(caller, Caller::Seed),
        relax_read_only,
    };
    check_body(route.operation, &mut body, &how)?;
    Ok(Req {
        operation: route.operation,
        path: path.to_owned(),
        params: route.params,
        query,
        body,
    })
}

/// Takes a list apart that stands in one parameter: SDKs join with commas what others repeat.
fn values_of(operation: &Operation, name: String, value: &str) -> Vec<(String, String)> {
    let is_list = operation
        .query(&name)
        .is_some_and(|param| matches!(param.ty, Type::Array(_)));
    if !is_list {
        return vec![(name, value.to_owned())];
    }
    let values = value.split(',');
    values.map(|one| (name.clone(), one.to_owned())).collect()
}

fn refused(refusal: &Refusal, context: &str) -> Outgoing {
    let mut outgoing = Outgoing::json(refusal.status, &refusal.body(context));
    if let Some(seconds) = refusal.more.retry_after_s {
        outgoing.headers.push(("Retry-After", seconds.to_string()));
    }
    if !refusal.more.allow.is_empty() {
        outgoing
            .headers
            .push(("Allow", refusal.more.allow.join(", ")));
    }
    outgoing
}

/// Spells the error of a status that a fault asks for.
fn struck(status: u16) -> Refusal {
    let code = match status {
        400 => "bad.request",
        401 => "bad.credentials",
        403 => "missing.permissions",
        404 => "not.found",
        408 | 504 => "request.timeout",
        409 => "general.conflict",
        429 => "too.many.requests.retry.after",
        502 => "bad.gateway",
        503 => "service.unavailable",
        _ => "internal.server.error",
    };
    Refusal::new(status, code, "The simulator was told to fail this request.")
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn ledger_body(body: &Bytes) -> Option<Value> {
    serde_json::from_slice(body)
        .ok()
        .map(|body| without_secrets(&body))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a request for the first page, whichever it asks for.
fn first_page(incoming: &Incoming) -> Incoming {
    let mut first = incoming.clone();
    let place = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        !matches!(name, "pageNumber" | "after" | "cursor" | "nextPage")
    };
    let kept: Vec<&str> = incoming.query.split('&').filter(place).collect();
    first.query = kept.join("&");
    first
}

/// Makes a page of a list one that the list never gets past.
fn same_page(incoming: &Incoming, outgoing: &mut Outgoing) {
    let Ok(Value::Object(mut page)) = serde_json::from_slice(&outgoing.body) else {
        return;
    };
    let itself = format!("{}?{}", incoming.path, incoming.query);
    page.insert("nextUri".into(), itself.into());
    page.insert("pageCount".into(), 1_000_000.into());
    page.insert("total".into(), 100_000_000.into());
    outgoing.body = Value::Object(page).to_string().into();
}
