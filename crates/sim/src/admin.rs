//! `/sim/...`: the simulator's own controls, without a token and outside every limit.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::{Lag, Limits};
use crate::faults::FaultRule;
use crate::state::{Incoming, Outgoing, State};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    lags: Option<Vec<Lag>>,
    #[serde(default)]
    limits: Option<Limits>,
}

/// Answers a request below `/sim/`.
pub(crate) fn answer(state: &mut State, incoming: &Incoming) -> Outgoing {
    match decide(state, incoming) {
        Ok(body) => Outgoing::json(200, &body),
        Err((status, message)) => Outgoing::json(status, &json!({ "message": message })),
    }
}

fn decide(state: &mut State, incoming: &Incoming) -> Result<Value, (u16, String)> {
    let segments: Vec<&str> = incoming.path.split('/').skip(2).collect();
    let query = |name: &str| {
        url::form_urlencoded::parse(incoming.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    match (incoming.method.as_str(), segments.as_slice()) {
        ("GET", ["ledger"]) => {
            let since = query("since")
                .and_then(|since| since.parse().ok())
                .unwrap_or(0);
            let org = query("org");
            let entries: Vec<_> = state
                .ledger
                .entries
                .iter()
                .filter(|entry| entry.seq > since && (org.is_none() || entry.org == org))
                .collect();
            Ok(json!({ "entries": entries }))
        }
        ("GET", ["fallbacks"]) => Ok(json!({ "operations": state.ledger.fallbacks() })),
        ("GET", ["stats"]) => Ok(stats(state)),
        ("GET", ["faults"]) => Ok(json!({ "faults": state.faults.report() })),
        ("POST", ["faults"]) => Ok(json!({ "id": state.faults.add(body::<FaultRule>(incoming)?) })),
        ("DELETE", ["faults"]) => {
            state.faults.clear();
            Ok(json!({}))
        }
        ("GET", ["clock"]) => Ok(json!({ "now": crate::clock::spell(state.clock.now()) })),
        ("POST", ["clock"]) => {
            let by = body::<Advance>(incoming)?.advance_ms;
            state.advance(Duration::from_millis(by));
            Ok(json!({ "now": crate::clock::spell(state.clock.now()) }))
        }
        ("POST", ["reset"]) => {
            state.reset();
            Ok(json!({}))
        }
        ("DELETE", ["sockets"]) => {
            let org = query("org");
            for (name, found) in &mut state.orgs {
                if org.as_ref().is_none_or(|org| org == name) {
                    found.events.close();
                }
            }
            Ok(json!({}))
        }
        ("DELETE", ["tokens"]) => {
            let org = query("org");
            Ok(json!({ "revoked": state.tokens.revoke(org.as_deref()) }))
        }
        ("GET", ["orgs"]) => {
            let orgs: Vec<Value> = state
                .orgs
                .values()
                .map(|org| {
                    let clients: Vec<&str> =
                        org.spec.clients.iter().map(|c| c.id.as_str()).collect();
                    json!({
                        "name": org.spec.name,
                        "id": org.id,
                        "region": org.spec.region,
                        "home_division": org.home_division(),
                        "clients": clients,
                    })
                })
                .collect();
            Ok(json!({ "orgs": orgs }))
        }
        ("GET", ["orgs", name, "objects"]) => match state.orgs.get(*name) {
            Some(org) => Ok(org.dump()),
            None => Err((404, format!("there is no org {name}"))),
        },
        ("GET", ["orgs", name, "oddities"]) => match state.orgs.get(*name) {
            Some(org) => Ok(json!({ "oddities": org.oddities })),
            None => Err((404, format!("there is no org {name}"))),
        },
        ("PATCH", ["orgs", name]) => {
            let settings: Settings = body(incoming)?;
            let org = state
                .orgs
                .get_mut(*name)
                .ok_or_else(|| (404, format!("there is no org {name}")))?;
            if let Some(lags) = settings.lags {
                org.lags = lags;
            }
            if let Some(limits) = settings.limits {
                org.limits = limits;
            }
            Ok(json!({}))
        }
        _ => Err((
            404,
            format!("there is no {} {}", incoming.method, incoming.path),
        )),
    }
}

fn stats(state: &State) -> Value {
    let tokens: Vec<Value> = state
        .tokens
        .by_value
        .values()
        .map(|token| {
            json!({
                "org": token.org,
                "client": token.client.id,
                "token": token.index,
                "used_in_window": token.window.used,
            })
        })
        .collect();
    json!({ "orgs": state.ledger.stats(), "tokens": tokens })
}

fn body<'b, T: Deserialize<'b>>(incoming: &'b Incoming) -> Result<T, (u16, String)> {
    serde_json::from_slice(&incoming.body).map_err(|error| (400, error.to_string()))
}
