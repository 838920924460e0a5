//! Reading just what has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orgsmith_client::{Call, Replay};
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::changes::Cursor;
use orgsmith_core::id::{Kind, SourceId};
use orgsmith_engine::Events;
use orgsmith_engine::changes::{Reread, poll, reread};
use orgsmith_sim::Lag;
use serde_json::json;

use super::{describe, lab, made, queue};
use crate::lab::{Lab, every_kind};

/// Polls, and reads what that tells.
async fn again(lab: &Lab, cursor: &mut Cursor) -> Reread {
    let (org, catalogue) = (lab.org("gold"), Catalogue::builtin());
    let now = lab.sim.now();
    let polled = poll(&org, catalogue, &every_kind(), cursor, now).await;
    let events = Events::none();
    reread(
        &org,
        catalogue,
        &polled.changes,
        &BTreeMap::new(),
        now,
        &events,
    )
    .await
    .expect("an org that can be reached")
}

fn ids(objects: &BTreeSet<(Kind, SourceId)>) -> Vec<String> {
    let objects = objects.iter();
    objects.map(|(kind, id)| format!("{kind} {id}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_is_read_whole_and_what_is_gone_is_told() {
    let lab = lab().await;
    for index in 0..300 {
        queue(&lab, &format!("Other {index}"));
    }
    let sales = queue(&lab, "Sales");
    let code = made(
        &lab,
        "/api/v2/routing/wrapupcodes",
        json!({ "name": "Done", "division": { "id": lab.id_of("gold", "division", "name", "Home") } }),
    );
    let skill = made(&lab, "/api/v2/routing/skills", json!({ "name": "German" }));
    lab.sim.advance(Duration::from_secs(3600));
    let mut cursor = Cursor::starting(lab.sim.now());
    let client = lab.org("gold").client;
    let codes = Call::post(format!("/api/v2/routing/queues/{sales}/wrapupcodes"));
    let codes = codes.json(json!([{ "id": code }])).replay(Replay::Safe);
    client.send(codes).await.expect("a wrap-up code");
    describe(&lab, "priya", &sales, "Sales", "new").await;
    let gone = Call::delete(format!("/api/v2/routing/skills/{skill}"));
    client.send(gone).await.expect("a deletion");
    lab.sim.advance(Duration::from_secs(60));

    let before = lab.sim.ledger().len();
    let read = again(&lab, &mut cursor).await;
    let queues = &read.snapshot.objects[&Kind::new("routing_queue")];
    let [row] = &queues[..] else {
        panic!("one queue of 301: {}", queues.len());
    };
    let body = row.body();
    assert_eq!(body["description"], "new");
    assert_eq!(body["wrapUpCodes"][0]["id"], code.as_str());
    assert_eq!(ids(&read.gone), [format!("routing_skill {skill}")]);
    assert_eq!(ids(&read.not_yet), Vec::<String>::new());
    let lists: Vec<String> = lab.sim.ledger()[before..]
        .iter()
        .filter(|entry| entry.method == "GET" && entry.path.ends_with("/queues"))
        .map(|entry| entry.path.clone())
        .collect();
    assert_eq!(lists, Vec::<String>::new(), "no list of the kind is read");
    // The queue, its wrap-up codes, and the skill that is not there; its division tells no key.
    assert!(read.calls <= 6, "{} calls", read.calls);
    // Nothing has changed since, so nothing is read.
    let quiet = again(&lab, &mut cursor).await;
    assert_eq!((quiet.calls, quiet.snapshot.objects.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_new_to_be_seen_is_not_gone() {
    let lab = lab().await;
    let lag = Lag {
        path_prefix: "/api/v2/routing/queues".to_owned(),
        read_ms: 30_000,
        list_ms: 30_000,
    };
    lab.sim.set_lags("gold", vec![lag]);
    let mut cursor = Cursor::starting(lab.sim.now());
    let call = Call::post("/api/v2/routing/queues").json(json!({ "name": "New" }));
    let made = lab.org("gold").client.send(call).await.expect("a queue");
    let id = made.body["id"].as_str().expect("an id").to_owned();
    let read = again(&lab, &mut cursor).await;
    assert_eq!(ids(&read.not_yet), [format!("routing_queue {id}")]);
    assert_eq!(ids(&read.gone), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_lives_in_another_is_found_by_its_own_id() {
    let lab = lab().await;
    let domain = json!({ "id": "mail.example.com", "subDomain": false });
    let call = Call::post("/api/v2/routing/email/domains").json(domain);
    lab.org("gold").client.send(call).await.expect("a domain");
    let routes = "/api/v2/routing/email/domains/mail.example.com/routes";
    let queue = queue(&lab, "Info");
    lab.sim.advance(Duration::from_secs(3600));
    let mut cursor = Cursor::starting(lab.sim.now());
    let body = json!({
        "pattern": "info",
        "fromName": "Info",
        "fromEmail": "info@mail.example.com",
        "queue": { "id": queue },
    });
    let id = made(&lab, routes, body);
    lab.sim.advance(Duration::from_secs(120));
    let read = again(&lab, &mut cursor).await;
    let rows = &read.snapshot.objects[&Kind::new("routing_email_route")];
    let found: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(found, [format!("mail.example.com/{id}")]);
    assert!(read.gone.is_empty());
}
