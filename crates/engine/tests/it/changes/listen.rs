//! Hearing of changes as they are made, and knowing what was not heard.

use std::time::Duration;

use jiff::Timestamp;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::changes::{Listen, Subjects, Topics};
use orgsmith_core::id::{Kind, SourceId};
use orgsmith_engine::changes::{Listener, Told, listen};

use super::{describe, lab, queue};
use crate::lab::Lab;

async fn next(listener: &mut Listener) -> Told {
    let told = tokio::time::timeout(Duration::from_secs(30), listener.next());
    told.await.expect("something in time").expect("a listener")
}

async fn gap(listener: &mut Listener) -> (Timestamp, Timestamp) {
    match next(listener).await {
        Told::Gap { since, until } => (since, until),
        other => panic!("a gap, not {other:?}"),
    }
}

fn listening(lab: &Lab, client: &str, ids: &[&str]) -> (Listener, Timestamp) {
    let subjects = Subjects::new(Catalogue::builtin());
    let ids: Vec<(Kind, SourceId)> = ids
        .iter()
        .map(|id| (Kind::new("routing_queue"), SourceId::new(id)))
        .collect();
    let objects = ids.iter().map(|(kind, id)| (kind, id));
    let topics: Topics = subjects.listen(objects, Listen::Audits, 1);
    let now = lab.sim.now();
    let org = lab.org_by("gold", client);
    let listener = listen(&org, &subjects, topics, now, move || now);
    (listener, now)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_heard_at_once_and_a_broken_connection_is_a_gap() {
    let lab = lab().await;
    let sales = queue(&lab, "Sales");
    let (mut listener, now) = listening(&lab, "gold", &[&sales]);
    assert_eq!(gap(&mut listener).await, (now, now));
    describe(&lab, "priya", &sales, "Sales", "heard").await;
    let Told::Change(change) = next(&mut listener).await else {
        panic!("a change");
    };
    assert_eq!((change.id.as_str(), &*change.action), (&*sales, "Update"));
    assert_eq!(
        change.by.client.map(|client| client.id).as_deref(),
        Some("priya-client")
    );
    lab.sim.close_sockets("gold");
    // Connected again, it says that something may have been missed, and hears the next.
    gap(&mut listener).await;
    describe(&lab, "priya", &sales, "Sales", "heard again").await;
    assert!(matches!(next(&mut listener).await, Told::Change(_)));
    // Both times it was the same channel.
    let channels = lab.sim.ledger().into_iter();
    let channels = channels
        .filter(|entry| entry.method == "POST" && entry.path == "/api/v2/notifications/channels");
    assert_eq!(channels.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_are_not_granted_are_told() {
    let lab = lab().await;
    let sales = queue(&lab, "Sales");
    let (mut listener, _) = listening(&lab, "blind", &[&sales]);
    let Told::Rejected { topics, reason } = next(&mut listener).await else {
        panic!("a refusal");
    };
    assert_eq!(topics, 1);
    assert!(!reason.is_empty());
}
