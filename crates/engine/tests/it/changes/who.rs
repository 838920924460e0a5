//! Who changed objects last.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::id::{ObjectRef, SourceId};
use orgsmith_engine::changes::{Who, who};
use serde_json::json;

use super::{START, asked, describe, lab, made, objects, queue};
use crate::lab::Lab;

async fn ask(lab: &Lab, objects: &BTreeMap<ObjectRef, SourceId>, hours: i64) -> Who {
    let now = lab.sim.now();
    let since = now - SignedDuration::from_hours(hours);
    who(&lab.org("gold"), Catalogue::builtin(), objects, since, now).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_author_of_each_object_is_told_by_one_call_a_service() {
    let lab = lab().await;
    let sales = queue(&lab, "Sales");
    let claims = queue(&lab, "Claims");
    let quiet = queue(&lab, "Quiet");
    let division = made(
        &lab,
        "/api/v2/authorization/divisions",
        json!({ "name": "North", "description": "" }),
    );
    let skill = made(&lab, "/api/v2/routing/skills", json!({ "name": "German" }));
    lab.sim.advance(Duration::from_secs(3600));
    describe(&lab, "gold", &sales, "Sales", "first").await;
    describe(&lab, "gold", &claims, "Claims", "by the pipeline").await;
    lab.sim.advance(Duration::from_secs(60));
    describe(&lab, "priya", &sales, "Sales", "second").await;
    let wanted = objects([
        ("routing_queue/Sales", &sales),
        ("routing_queue/Claims", &claims),
        ("routing_queue/Quiet", &quiet),
        ("routing_skill/German", &skill),
        ("auth_division/North", &division),
    ]);
    let found = ask(&lab, &wanted, 1).await;
    assert_eq!(found.unasked, []);
    let told: BTreeMap<String, String> = found
        .last
        .iter()
        .map(|(object, change)| {
            let what = change.properties.join(", ");
            let who = change.by.to_string();
            (
                object.to_string(),
                format!("{} {what} {who}", change.action),
            )
        })
        .collect();
    assert_eq!(
        told,
        BTreeMap::from([
            (
                "routing_queue/Claims".to_owned(),
                "Update description client gold-client".to_owned()
            ),
            (
                "routing_queue/Sales".to_owned(),
                "Update description Priya Raman (by priya-client)".to_owned()
            ),
        ])
    );
    let sales = &found.last[&"routing_queue/Sales"
        .parse::<ObjectRef>()
        .expect("kind/key")];
    assert_eq!(sales.at.to_string(), "2026-03-01T13:01:01Z");
    // The services once, then the queues and the skill.
    let mut calls = asked(&lab);
    calls.sort();
    assert_eq!(
        calls,
        ["/realtime", "/realtime", "/realtime/servicemapping"],
        "of divisions no audit speaks"
    );
    assert_eq!(found.calls, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_objects_among_thousands_of_changes_cost_two_calls_more() {
    let lab = lab().await;
    let sales = queue(&lab, "Sales");
    let claims = queue(&lab, "Claims");
    for index in 0..1600 {
        queue(&lab, &format!("Noise {index}"));
    }
    let wanted = objects([
        ("routing_queue/Sales", &sales),
        ("routing_queue/Claims", &claims),
    ]);
    let found = ask(&lab, &wanted, 2).await;
    let actions: Vec<&str> = found.last.values().map(|change| &*change.action).collect();
    assert_eq!(actions, ["Create", "Create"]);
    // Four pages lie before the two; the first says so, and then each is asked for by its id.
    assert_eq!(found.calls, 1 + 1 + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_older_than_two_weeks_is_asked_as_a_job() {
    let lab = lab().await;
    let sales = queue(&lab, "Sales");
    lab.sim.advance(Duration::from_secs(20 * 24 * 3600));
    let claims = queue(&lab, "Claims");
    let wanted = objects([
        ("routing_queue/Sales", &sales),
        ("routing_queue/Claims", &claims),
    ]);
    let found = ask(&lab, &wanted, 24 * 30).await;
    let at = |object: &str| found.last[&object.parse::<ObjectRef>().expect("kind/key")].at;
    let start: Timestamp = START.parse().expect("a time");
    assert!(at("routing_queue/Sales") < start + SignedDuration::from_mins(1));
    assert!(at("routing_queue/Claims") > start + SignedDuration::from_hours(24 * 19));
    let jobs = asked(&lab);
    assert_eq!(
        jobs.iter()
            .filter(|path| path.ends_with("/results"))
            .count(),
        1
    );
    // Within two weeks no job is needed.
    let before = asked(&lab).len();
    ask(&lab, &objects([("routing_queue/Claims", &claims)]), 24 * 13).await;
    assert_eq!(
        asked(&lab)[before..],
        ["/realtime/servicemapping", "/realtime"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_asked_is_told_with_the_permission() {
    let lab = lab().await;
    let sales = queue(&lab, "Sales");
    let org = lab.org_by("gold", "blind");
    let now = lab.sim.now();
    let since = now - SignedDuration::from_hours(1);
    let wanted = objects([("routing_queue/Sales", &sales)]);
    let found = who(&org, Catalogue::builtin(), &wanted, since, now).await;
    assert!(found.last.is_empty());
    let [unasked] = &found.unasked[..] else {
        panic!("one refusal: {:?}", found.unasked);
    };
    let text = unasked.to_string();
    assert!(
        text.contains("audits:audit:view") && text.contains("gold"),
        "{text}"
    );
    // Nothing to ask costs nothing.
    let none = who(&org, Catalogue::builtin(), &BTreeMap::new(), since, now).await;
    assert_eq!(none, Who::default());
}
