//! Notification channels, their sockets, and events for a bus.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use orgsmith_sim::{Bridge, ClientSpec, ClockMode, Config, Limits};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Api, World, text};

const CHANNELS: &str = "/api/v2/notifications/channels";

async fn world() -> World {
    let mut config = Config::with_orgs(["gold"]);
    config.limits = Limits::none();
    config.clock = ClockMode::Manual("2026-03-01T12:00:00Z".parse().unwrap());
    let blind = ClientSpec::new("blind", "blind-secret").permissions(["routing:*:*"]);
    config.orgs[0].clients.push(blind);
    World::with(config).await
}

async fn open(api: &Api) -> Value {
    api.post(CHANNELS, Value::Null).await.ok()
}

async fn connect(channel: &Value) -> WebSocketStream<TcpStream> {
    let uri = text(channel, "/connectUri");
    let host = uri.strip_prefix("ws://").unwrap();
    let (address, _) = host.split_once('/').unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let (socket, _) = tokio_tungstenite::client_async(&*uri, stream)
        .await
        .unwrap();
    socket
}

/// Waits for the next message; `None` where the connection is closed instead.
async fn next(socket: &mut WebSocketStream<TcpStream>) -> Option<Value> {
    let next = tokio::time::timeout(Duration::from_secs(10), socket.next());
    match next.await.expect("a message in time") {
        Some(Ok(Message::Text(text))) => Some(serde_json::from_str(&text).unwrap()),
        _ => None,
    }
}

async fn ping(socket: &mut WebSocketStream<TcpStream>) {
    let ping = Message::text(json!({"message": "ping"}).to_string());
    socket.send(ping).await.unwrap();
    let pong = next(socket).await.unwrap();
    assert_eq!(pong["topicName"], "channel.metadata");
    assert_eq!(pong["eventBody"]["message"], "pong");
}

#[tokio::test]
async fn a_socket_hears_what_its_channel_is_subscribed_to_and_nothing_else() {
    let world = world().await;
    let api = &world.api;
    let queue = api
        .make("/api/v2/routing/queues", json!({"name": "Sales"}))
        .await;
    let other = api
        .make("/api/v2/routing/queues", json!({"name": "Other"}))
        .await;
    let channel = open(api).await;
    assert_eq!(channel["expires"], "2026-03-02T12:00:00.000Z");
    let mut socket = connect(&channel).await;
    ping(&mut socket).await;
    let topic = format!("v2.audits.entitytype.Queue.entityid.{queue}");
    let path = format!("{CHANNELS}/{}/subscriptions", text(&channel, "/id"));
    let granted = api.put(&path, json!([{"id": topic}])).await.ok();
    assert_eq!(granted["entities"][0]["state"], "Permitted");
    for (id, name) in [(&other, "Other"), (&queue, "Sales")] {
        let body = json!({"name": name, "description": "new"});
        api.put(&format!("/api/v2/routing/queues/{id}"), body)
            .await
            .ok();
    }
    let told = next(&mut socket).await.unwrap();
    assert_eq!(told["topicName"], topic.as_str());
    let body = &told["eventBody"];
    assert_eq!(body["entity"]["id"], queue.as_str());
    assert_eq!(body["clientId"]["id"], "gold-client");
    assert_eq!(body["eventTime"], "2026-03-01T12:00:00.000Z");
    assert_eq!(body["propertyChanges"][0]["property"], "description");
    // After an end to the subscription there is silence.
    assert_eq!(api.delete(&path).await.status, 204);
    let body = json!({"name": "Sales", "description": "newer"});
    api.put(&format!("/api/v2/routing/queues/{queue}"), body)
        .await
        .ok();
    ping(&mut socket).await;
}

#[tokio::test]
async fn a_channel_has_its_limits_and_its_time() {
    let world = world().await;
    let api = &world.api;
    let first = open(api).await;
    let path = format!("{CHANNELS}/{}/subscriptions", text(&first, "/id"));
    let topics = |count: usize| -> Value {
        let topic = |index| json!({"id": format!("v2.flows.{index}")});
        (0..count).map(topic).collect::<Vec<_>>().into()
    };
    api.put(&path, topics(1000)).await.ok();
    api.post(&path, json!([{"id": "v2.flows.one-more"}]))
        .await
        .refused(400, "bad.request");
    api.put(&path, json!([{"id": "v2.flows.*"}]))
        .await
        .refused(400, "bad.request");
    let lenient = format!("{path}?ignoreErrors=true");
    let mixed = json!([{"id": "v2.flows.1"}, {"id": "v2.nothing.1"}]);
    let told = api.put(&lenient, mixed).await.ok();
    assert_eq!(told["entities"][1]["state"], "Rejected");
    for _ in 1..20 {
        open(api).await;
    }
    api.post(CHANNELS, Value::Null)
        .await
        .refused(400, "bad.request");
    // Another client has channels of its own, and may not listen to what it may not see.
    let blind = Api::login(&world.sim, "blind", "blind-secret").await;
    let channel = open(&blind).await;
    blind.get(&path).await.refused(404, "not.found");
    let own = format!("{CHANNELS}/{}/subscriptions", text(&channel, "/id"));
    blind
        .put(
            &own,
            json!([{"id": "v2.audits.entitytype.Queue.entityid.q"}]),
        )
        .await
        .refused(403, "missing.any.permissions");

    let mut socket = connect(&first).await;
    ping(&mut socket).await;
    world.sim.advance(Duration::from_secs(23 * 3600));
    // Subscribing again lets it live on.
    api.put(&path, topics(1)).await.ok();
    world.sim.advance(Duration::from_secs(23 * 3600));
    ping(&mut socket).await;
    world.sim.advance(Duration::from_secs(2 * 3600));
    assert_eq!(next(&mut socket).await, None);
    // So has the token.
    let api = &Api::login(&world.sim, "gold-client", "gold-secret").await;
    api.get(&path).await.refused(404, "not.found");
    assert_eq!(open(api).await["expires"], "2026-03-04T12:00:00.000Z");
}

#[tokio::test]
async fn a_socket_is_warned_before_it_is_closed_and_its_channel_stays() {
    let world = world().await;
    let channel = open(&world.api).await;
    let mut socket = connect(&channel).await;
    ping(&mut socket).await;
    world.sim.close_sockets("gold");
    let warning = next(&mut socket).await.unwrap();
    assert_eq!(warning["topicName"], "v2.system.socket_closing");
    assert_eq!(next(&mut socket).await, None);
    ping(&mut connect(&channel).await).await;
    let topics = world
        .api
        .get("/api/v2/notifications/availabletopics?expand=transports")
        .await
        .ok();
    let entities = topics["entities"].as_array().unwrap();
    let audits = "v2.audits.entitytype.{id}.entityid.{id}";
    assert!(entities.iter().any(|topic| topic["id"] == audits));
}

type Received = Arc<Mutex<Vec<(String, Value)>>>;

/// Takes what is posted: the signature and the body.
async fn receiver() -> (String, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let received = Received::default();
    let kept = received.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let kept = kept.clone();
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let kept = kept.clone();
                async move {
                    let header = |name: &str| {
                        let value = request.headers().get(name);
                        value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
                    };
                    let proof =
                        format!("{} {}", header("x-api-key"), header("x-orgsmith-signature"));
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    let body = serde_json::from_slice(&body).unwrap();
                    kept.lock().unwrap().push((proof, body));
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (url, received)
}

/// Creates skills with a bus behind; gives the names in the order in which they were posted.
async fn posted(bridge: Bridge, count: usize) -> (Vec<String>, World, Received) {
    let (url, received) = receiver().await;
    let mut config = Config::with_orgs(["gold"]);
    config.limits = Limits::none();
    config.bridge = Some(Bridge { url, ..bridge });
    let world = World::with(config).await;
    for index in 0..count {
        let skill = json!({"name": format!("Skill {index:03}")});
        world.api.make("/api/v2/routing/skills", skill).await;
    }
    let ended = async {
        loop {
            let report = world.sim.bridge_report();
            let ended = report.dropped + report.posted - report.duplicates + report.failed;
            if report.events == count as u64 && ended >= report.events {
                // A second post of the last may be under way.
                tokio::time::sleep(Duration::from_millis(50)).await;
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended)
        .await
        .expect("every event ends");
    let names = received
        .lock()
        .unwrap()
        .iter()
        .map(|(_, event)| {
            let entity = &event["detail"]["eventBody"]["entity"];
            entity["name"].as_str().unwrap().to_owned()
        })
        .collect();
    (names, world, received)
}

#[tokio::test]
async fn every_write_is_posted_as_the_bus_passes_it_on() {
    let bridge = Bridge {
        secret: Some("planted".to_owned()),
        api_key: Some("key".to_owned()),
        ..Bridge::default()
    };
    let (names, world, received) = posted(bridge, 3).await;
    assert_eq!(names, ["Skill 000", "Skill 001", "Skill 002"]);
    let received = received.lock().unwrap();
    let (proof, event) = &received[0];
    assert!(
        proof.starts_with("key t=") && proof.contains(",v1="),
        "{proof}"
    );
    assert!(!proof.contains("planted"));
    assert_eq!(
        event["detail-type"],
        "v2.audits.entitytype.{id}.entityid.{id}"
    );
    let org = world.sim.org_id("gold").unwrap();
    let source = format!("aws.partner/genesys.com/cloud/{org}/orgsmith");
    assert_eq!(event["source"], source.as_str());
    let topic = text(&event["detail"], "/topicName");
    assert!(
        topic.starts_with("v2.audits.entitytype.RoutingSkill.entityid."),
        "{topic}"
    );
    assert_eq!(event["detail"]["eventBody"]["action"], "Create");
}

#[tokio::test]
async fn some_events_are_lost_doubled_and_overtaken_and_the_same_in_every_run() {
    let bridge = Bridge {
        drop_percent: 30,
        duplicate_percent: 20,
        reorder: true,
        ..Bridge::default()
    };
    let (names, world, _) = posted(bridge.clone(), 100).await;
    let report = world.sim.bridge_report();
    assert!((20..=40).contains(&report.dropped), "{report:?}");
    assert!((8..=30).contains(&report.duplicates), "{report:?}");
    assert_eq!(report.failed, 0);
    assert_eq!(names.len() as u64, report.posted);
    let mut sorted = names.clone();
    sorted.sort();
    assert_ne!(names, sorted, "some were overtaken");
    let (_, again, _) = posted(bridge, 100).await;
    assert_eq!(again.sim.bridge_report().dropped, report.dropped);
}
