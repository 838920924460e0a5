//! Cloning one org into another.

use std::collections::BTreeSet;

use orgsmith_sim::Config;

use crate::lab::{Lab, PLANTED, example, sketch};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gold_image_arrives_whole_and_nothing_is_left_to_do() {
    let lab = Lab::with_orgs(["gold", "tenant"]).await;
    lab.apply(&example("gold-org"), "gold").await;
    let gold = lab.export("gold").await;
    let gaps: Vec<String> = gold.gaps.iter().map(ToString::to_string).collect();
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
    assert_eq!(
        lab.export("gold").await,
        gold,
        "the same state gives the same bundle"
    );

    let plan = lab.apply(&gold, "tenant").await;
    let again = lab.plan(&gold, "tenant").await;
    assert!(again.is_empty(), "{:#?}", again.steps);

    // What arrived is what was sent, but for the name of the org.
    let mut copy = lab.export("tenant").await;
    copy.source = gold.source.clone();
    for (object, document) in &gold.documents {
        assert_eq!(copy.documents.get(object), Some(document), "{object}");
    }

    // One write in the ledger for each step that is one request.
    let requests = plan
        .steps
        .iter()
        .filter(|step| matches!(step.write, orgsmith_core::plan::Write::Request(_)))
        .count();
    let jobs = ["/api/v2/flows/jobs", "/api/v2/flows/export/jobs"];
    let writes = lab.writes("tenant").into_iter().filter(|entry| {
        !jobs.contains(&entry.path.as_str())
            && !entry.path.ends_with("/import/csv/jobs")
            && !entry.path.ends_with("/uploads")
    });
    assert_eq!(writes.count(), requests);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_the_source_gets_into_the_target() {
    let lab = Lab::with_orgs(["gold", "tenant"]).await;
    lab.apply(&sketch(), "gold").await;
    let source = lab.read("gold").await;
    let (gold, names) = source.to_bundle(
        orgsmith_core::catalogue::Catalogue::builtin(),
        &Default::default(),
    );
    lab.apply(&gold, "tenant").await;
    let ids: BTreeSet<&str> = names
        .iter()
        .map(|(id, _)| id)
        .filter(|id| id.len() == 36)
        .collect();
    assert!(ids.len() > 10);
    for entry in lab.writes("tenant") {
        let sent = format!(
            "{} {} {}",
            entry.path,
            entry.query,
            entry.body.unwrap_or_default()
        );
        for id in &ids {
            assert!(!sent.contains(id), "{id} in {sent}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_sent_and_shown_nowhere() {
    let lab = Lab::with_orgs(["gold"]).await;
    let plan = lab.apply(&sketch(), "gold").await;
    let finished = lab.finished.lock().expect("no panic").pop().expect("a run");
    let journal = lab.state.journal(&finished.run).await.expect("a journal");
    let kept = lab
        .state
        .plan(&finished.run)
        .await
        .expect("a plan")
        .expect("a plan");
    let export = lab.export("gold").await;
    for text in [
        format!("{plan:?}"),
        kept.to_string(),
        format!("{journal:?}"),
        format!("{finished:?}"),
        format!("{export:?}"),
        format!("{:?}", lab.sim.ledger()),
    ] {
        assert!(!text.contains(PLANTED));
    }
    let sent = lab
        .writes("gold")
        .into_iter()
        .find(|entry| entry.path == "/api/v2/integrations/credentials" && entry.status == 200);
    assert!(sent.is_some(), "the credential was created");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_clone_writes_nothing() {
    let lab = Lab::with_orgs(["gold", "tenant"]).await;
    lab.apply(&sketch(), "gold").await;
    let gold = lab.export("gold").await;
    lab.apply(&gold, "tenant").await;
    let before = lab.writes("tenant").len();
    lab.apply(&gold, "tenant").await;
    let after: Vec<String> = lab.writes("tenant")[before..]
        .iter()
        .filter(|entry| entry.path != "/api/v2/flows/export/jobs")
        .map(|entry| format!("{} {}", entry.method, entry.path))
        .collect();
    assert_eq!(after, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_that_may_not_be_read_is_a_gap_that_names_the_permission() {
    let mut config = Config::with_orgs(["gold"]);
    config.orgs[0].clients[0].permissions = vec![
        "routing:skill:view".to_owned(),
        "routing:wrapupCode:view".to_owned(),
    ];
    let lab = Lab::configured(config).await;
    lab.sim
        .seed(
            "gold",
            "POST",
            "/api/v2/routing/wrapupcodes",
            serde_json::json!({"name": "Done"}),
        )
        .expect("a code");
    let bundle = lab.export("gold").await;
    let queues = bundle
        .gaps
        .iter()
        .find(|gap| gap.kind.as_str() == "routing_queue")
        .expect("a gap");
    assert!(
        queues.reason.contains("routing:queue:view"),
        "{}",
        queues.reason
    );
    let codes: Vec<_> = bundle
        .documents
        .values()
        .filter_map(|document| document.text("name"))
        .collect();
    assert!(
        codes.contains(&"Done".to_owned()),
        "the rest is exported: {codes:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_in_a_place_that_nobody_declared_becomes_the_id_of_its_twin() {
    let lab = Lab::with_orgs(["gold", "tenant"]).await;
    let mut desired = sketch();
    let queue = desired
        .documents
        .keys()
        .find(|object| object.kind.as_str() == "routing_queue")
        .expect("the sketch has a queue")
        .clone();
    let integration = desired
        .documents
        .values()
        .find(|document| document.object.kind.as_str() == "integration")
        .expect("the sketch has an integration");
    let slot = serde_json::json!({"$ref": queue.to_string()});
    let text = format!(
        "{{\"queueId\":\"{}\"}}",
        orgsmith_core::document::text_ref(&queue)
    );
    let mut integration = integration.open();
    integration.body["config"]["properties"] = serde_json::json!({"queue": slot, "settings": text});
    desired.insert(integration);
    lab.apply(&desired, "gold").await;
    let gold = lab.export("gold").await;
    let plan = lab.apply(&gold, "tenant").await;
    let told = plan
        .findings
        .iter()
        .filter(|finding| finding.rule == "undeclared-reference");
    assert_eq!(told.count(), 2);
    assert!(lab.plan(&gold, "tenant").await.is_empty());

    let name = queue.key.as_str();
    for org in ["gold", "tenant"] {
        let id = lab.id_of(org, "queue", "name", name);
        let configured = lab.sim.dump(org).to_string();
        assert!(
            configured.contains(&format!("{{\\\"queueId\\\":\\\"{id}\\\"}}")),
            "{org}"
        );
    }
}
