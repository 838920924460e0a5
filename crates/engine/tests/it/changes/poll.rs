//! What is new in the audits, with the fewest calls.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::changes::Cursor;
use orgsmith_core::id::Kind;
use orgsmith_engine::changes::{Polled, poll};
use orgsmith_sim::{FaultAction, FaultRule};
use serde_json::json;

use super::{asked, describe, lab, made, queue};
use crate::lab::{Lab, every_kind, example};

fn kinds<const N: usize>(names: [&str; N]) -> BTreeSet<Kind> {
    names.map(Kind::new).into()
}

async fn ask(lab: &Lab, kinds: &BTreeSet<Kind>, cursor: &mut Cursor) -> Polled {
    let org = lab.org("gold");
    poll(&org, Catalogue::builtin(), kinds, cursor, lab.sim.now()).await
}

fn told(polled: &Polled) -> Vec<String> {
    let changes = polled.changes.iter();
    changes
        .map(|change| {
            let kinds: Vec<&str> = change.kinds.iter().map(Kind::as_str).collect();
            let name = change.name.as_deref().unwrap_or("?");
            format!("{} {} {name}", kinds.join("|"), change.action)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_costs_one_call_a_service_and_tells_each_change_once() {
    let lab = lab().await;
    let mut cursor = Cursor::starting(lab.sim.now());
    let wanted = kinds([
        "routing_queue",
        "routing_wrapupcode",
        "routing_skill",
        "auth_division",
    ]);
    let sales = queue(&lab, "Sales");
    made(&lab, "/api/v2/routing/skills", json!({ "name": "German" }));
    let first = ask(&lab, &wanted, &mut cursor).await;
    assert_eq!(
        told(&first),
        ["routing_queue Create Sales", "routing_skill Create German"]
    );
    assert_eq!(first.untold, kinds(["auth_division"]));
    // The list of services, then queues with wrap-up codes, and skills.
    assert_eq!((first.calls, asked(&lab).len()), (3, 3));

    lab.sim.advance(Duration::from_secs(60));
    let quiet = ask(&lab, &wanted, &mut cursor).await;
    assert_eq!((told(&quiet), quiet.calls), (Vec::new(), 2));

    lab.sim.advance(Duration::from_secs(60));
    describe(&lab, "priya", &sales, "Sales", "new").await;
    // The caller keeps the cursor as text between two polls.
    let kept = serde_json::to_string(&cursor).expect("JSON");
    let mut cursor: Cursor = serde_json::from_str(&kept).expect("a cursor");
    let third = ask(&lab, &wanted, &mut cursor).await;
    assert_eq!(told(&third), ["routing_queue Update Sales"]);
    let change = &third.changes[0];
    assert_eq!(change.by.to_string(), "Priya Raman (by priya-client)");
    assert_eq!(change.properties, ["description"]);
    assert_eq!(third.calls, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_changes_come_page_by_page_and_each_once() {
    let lab = lab().await;
    let mut cursor = Cursor::starting(lab.sim.now());
    for index in 0..1_100 {
        queue(&lab, &format!("Queue {index:04}"));
    }
    let wanted = kinds(["routing_queue"]);
    let polled = ask(&lab, &wanted, &mut cursor).await;
    let ids: BTreeSet<&str> = polled.changes.iter().map(|c| c.id.as_str()).collect();
    assert_eq!((ids.len(), polled.changes.len()), (1_100, 1_100));
    // Queues may be told by two services in other orgs; in this one by one.
    assert_eq!(polled.calls, 1 + 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_long_rest_a_job_tells_what_is_too_old_for_a_query() {
    let lab = lab().await;
    let mut cursor = Cursor::starting(lab.sim.now());
    queue(&lab, "Old");
    lab.sim.advance(Duration::from_secs(30 * 24 * 3600));
    queue(&lab, "New");
    let wanted = kinds(["routing_queue"]);
    let polled = ask(&lab, &wanted, &mut cursor).await;
    assert_eq!(polled.unasked, []);
    let all = ["routing_queue Create Old", "routing_queue Create New"];
    assert_eq!(told(&polled), all);
    assert!(asked(&lab).iter().any(|path| path.ends_with("/results")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_refuses_holds_up_no_other_and_is_asked_again() {
    let lab = lab().await;
    let mut cursor = Cursor::starting(lab.sim.now());
    queue(&lab, "Sales");
    made(&lab, "/api/v2/routing/skills", json!({ "name": "German" }));
    let wanted = kinds(["routing_queue", "routing_skill"]);
    // One query is refused: of which service does not matter.
    let path = "/api/v2/audits/query/realtime";
    ask(&lab, &kinds([]), &mut cursor).await;
    let refuse = FaultAction::Status {
        status: 400,
        retry_after_s: None,
    };
    lab.sim
        .add_fault(FaultRule::new(refuse).on("POST", path).times(1));
    let first = ask(&lab, &wanted, &mut cursor).await;
    assert_eq!(first.unasked.len(), 1, "{:?}", first.unasked);
    assert_eq!(first.changes.len(), 1);
    let second = ask(&lab, &wanted, &mut cursor).await;
    assert_eq!(
        second.changes.len(),
        1,
        "what was missed, and not the other again"
    );
    assert_ne!(told(&first), told(&second));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_knows_is_counted_and_named() {
    let lab = lab().await;
    let mut cursor = Cursor::starting(lab.sim.now());
    lab.apply(&example("every-kind"), "gold").await;
    let wanted = kinds(["telephony_providers_edges_site"]);
    let polled = ask(&lab, &wanted, &mut cursor).await;
    let unknown: Vec<&str> = polled.unknown.keys().map(String::as_str).collect();
    assert_eq!(unknown, ["Telephony/NumberPlan"]);
    assert!(polled.unknown["Telephony/NumberPlan"] > 0);
    // Others of that service are known, and not asked for.
    assert!(!polled.changes.is_empty());
    assert!(polled.changes.iter().all(|c| wanted.contains(&c.kinds[0])));
}

/// The simulator and the catalogue are written apart: here it shows that they mean the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_written_is_told_as_what_it_is() {
    let lab = Lab::with_orgs(["gold"]).await;
    let start = lab.sim.now();
    let mut cursor = Cursor::starting(start - SignedDuration::from_mins(1));
    let wanted = example("every-kind");
    lab.apply(&wanted, "gold").await;
    let polled = ask(&lab, &every_kind(), &mut cursor).await;
    assert_eq!(polled.unasked, []);
    let unknown: Vec<&str> = polled.unknown.keys().map(String::as_str).collect();
    assert_eq!(
        unknown,
        ["Telephony/NumberPlan"],
        "nothing says whose it is"
    );
    let told: BTreeSet<&Kind> = polled.changes.iter().flat_map(|c| &c.kinds).collect();
    let catalogue = Catalogue::builtin();
    let silent: Vec<&Kind> = wanted
        .documents
        .keys()
        .map(|object| &object.kind)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter(|kind| {
            let descriptor = catalogue.get(kind.as_str()).expect("a kind");
            !descriptor.audit.is_empty() && !told.contains(kind)
        })
        .collect();
    assert_eq!(
        silent,
        Vec::<&Kind>::new(),
        "their kind files name other audits"
    );
    // One call for each service of the org that tells of anything, and one for their list.
    let services = asked(&lab).len() as u64;
    assert_eq!(polled.calls, services);
}
