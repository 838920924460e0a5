//! What changed in an org, who did it, and what asking costs.

mod listen;
mod poll;
mod reread;
mod who;

use std::collections::BTreeMap;
use std::time::Duration;

use orgsmith_client::{Call, Replay};
use orgsmith_core::id::{ObjectRef, SourceId};
use orgsmith_sim::{ClientSpec, ClockMode, Config};
use serde_json::{Value, json};

use crate::lab::Lab;

const START: &str = "2026-03-01T12:00:00Z";

/// An org with a client of its own and one that Priya is signed in with.
async fn lab() -> Lab {
    let mut config = Config::with_orgs(["gold"]);
    config.clock = ClockMode::Manual(START.parse().expect("a time"));
    let by_priya = ClientSpec::new("priya-client", "priya-secret").user("priya@example.com");
    let blind = ClientSpec::new("blind-client", "blind-secret").permissions(["routing:*:*"]);
    config.orgs[0].clients.extend([by_priya, blind]);
    let lab = Lab::configured(config).await;
    let home = lab.id_of("gold", "division", "name", "Home");
    let priya = json!({
        "name": "Priya Raman",
        "email": "priya@example.com",
        "divisionId": home,
    });
    lab.sim
        .seed("gold", "POST", "/api/v2/users", priya)
        .expect("a user");
    lab.sim.advance(Duration::from_secs(1));
    lab
}

/// Makes an object without any client; returns its id.
fn made(lab: &Lab, path: &str, body: Value) -> String {
    let made = lab.sim.seed("gold", "POST", path, body).expect("an object");
    made["id"].as_str().expect("an id").to_owned()
}

fn queue(lab: &Lab, name: &str) -> String {
    made(lab, "/api/v2/routing/queues", json!({ "name": name }))
}

/// Changes the description of a queue by a client.
async fn describe(lab: &Lab, client: &str, id: &str, name: &str, text: &str) {
    let body = json!({ "name": name, "description": text });
    let call = Call::put(format!("/api/v2/routing/queues/{id}")).json(body);
    lab.org_by("gold", client)
        .client
        .send(call.replay(Replay::Safe))
        .await
        .expect("a change");
}

fn objects<const N: usize>(list: [(&str, &str); N]) -> BTreeMap<ObjectRef, SourceId> {
    let object =
        |(object, id): (&str, &str)| (object.parse().expect("kind/key"), SourceId::new(id));
    list.map(object).into()
}

/// Counts the requests about audits, by path.
fn asked(lab: &Lab) -> Vec<String> {
    let entries = lab.sim.ledger().into_iter();
    entries
        .filter(|entry| entry.path.contains("/audits/"))
        .map(|entry| entry.path.replace("/api/v2/audits/query", ""))
        .collect()
}
