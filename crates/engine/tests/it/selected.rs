//! Reading a part of an org: it says what the whole says of that part, and costs what the part costs.

use std::collections::{BTreeMap, BTreeSet};

use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::id::ObjectRef;
use orgsmith_core::select::Selection;
use orgsmith_engine::{Events, collect_selected};
use orgsmith_sim::Generate;

use crate::lab::{Lab, example};

fn selection(terms: &[&str], dependencies: bool) -> Selection {
    Selection::parse(Catalogue::builtin(), terms, &[])
        .expect("a selection")
        .with_dependencies(dependencies)
}

/// Reads what is selected; returns the bundle and how many calls it took.
async fn read(lab: &Lab, org: &str, selection: &Selection) -> (Bundle, u64) {
    let org = lab.org(org);
    let pins = BTreeMap::new();
    let catalogue = Catalogue::builtin();
    let snapshot = collect_selected(&org, catalogue, selection, &pins, &Events::none(), None)
        .await
        .expect("an org that can be reached");
    let (bundle, _) = snapshot.to_bundle(catalogue, &pins);
    let bundle = selection.apply(bundle, catalogue).expect("something");
    (bundle, org.client.stats().sent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_is_read_as_the_whole_says_it() {
    let lab = Lab::with_orgs(["gold"]).await;
    lab.apply(&example("gold-org"), "gold").await;
    let whole = lab.export("gold").await;
    for (terms, dependencies) in [
        (&["queue=Claims First Notice"][..], true),
        (&["queue=Claims First Notice"], false),
        (&["user=priya.raman@northwind.example.com"], false),
        (&["flow=Main Menu"], true),
        (&["flow=Main Menu"], false),
        (&["kind=group,name=Billing Backup"], true),
        (&["kind=group"], false),
        (&["kind=integration_action"], true),
        (&["kind=architect_ivr"], false),
        (&["division=Claims"], false),
        (&["family=outbound"], true),
    ] {
        let selection = selection(terms, dependencies);
        let wanted = selection
            .apply(whole.clone(), Catalogue::builtin())
            .expect("something");
        let (found, _) = read(&lab, "gold", &selection).await;
        let told = format!("{terms:?} {dependencies}");
        let names =
            |bundle: &Bundle| -> BTreeSet<ObjectRef> { bundle.documents.keys().cloned().collect() };
        assert_eq!(names(&found), names(&wanted), "{told}");
        for (object, document) in &wanted.documents {
            assert_eq!(
                found.documents.get(object),
                Some(document),
                "{told}: {object}"
            );
        }
        assert_eq!(found.gaps, wanted.gaps, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_says_more_when_selected_and_brings_nobody_else() {
    let lab = Lab::with_orgs(["gold"]).await;
    lab.apply(&example("gold-org"), "gold").await;
    let whole = lab.export("gold").await;
    let priya: ObjectRef = "user/priya.raman@northwind.example.com"
        .parse()
        .expect("a user");
    let of_whole = |object: &ObjectRef| whole.documents[object].open().body;
    let (found, _) = read(
        &lab,
        "gold",
        &selection(&["user=priya.raman@northwind.example.com"], true),
    )
    .await;
    let mut body = found.documents[&priya].open().body;
    let places = body.remove("memberOf").expect("where she belongs");
    for asked in ["utilization", "voicemail", "externalIds"] {
        assert!(body.remove(asked).is_some(), "{asked}");
    }
    assert_eq!(body, of_whole(&priya));
    let is_in = |place: &serde_json::Value| {
        let text = place.get("$ref").or_else(|| place["id"].get("$ref"));
        let object: ObjectRef = text
            .and_then(|text| text.as_str())
            .expect("a reference")
            .parse()
            .expect("kind/key");
        let document = &found.documents[&object];
        assert!(
            document.field("members").is_none(),
            "{object} is only taken along"
        );
        assert!(
            of_whole(&object)["members"]
                .to_string()
                .contains("priya.raman"),
            "{object}"
        );
    };
    for list in places.as_object().expect("lists").values() {
        list.as_array().expect("a list").iter().for_each(is_in);
    }
    let count = |kind: &str| {
        whole
            .documents
            .iter()
            .filter(|(object, document)| {
                let members = document.field("members").map(|list| list.to_string());
                object.kind.as_str() == kind && members.unwrap_or_default().contains("priya.raman")
            })
            .count()
    };
    for (name, kind) in [
        ("queues", "routing_queue"),
        ("groups", "group"),
        ("teams", "team"),
    ] {
        assert_eq!(
            places[name].as_array().map(Vec::len),
            Some(count(kind)),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_costs_the_same_in_a_larger_org() {
    let mut costs = BTreeSet::new();
    for users in [50, 400] {
        let lab = Lab::with_orgs(["gold"]).await;
        let wanted: Generate = format!("seed=7,users={users},queues={}", users / 5)
            .parse()
            .expect("what to generate");
        lab.sim.generate("gold", &wanted).expect("an org");
        lab.apply(&example("every-kind"), "gold").await;
        let (bundle, calls) = read(&lab, "gold", &selection(&["queue=Example"], true)).await;
        assert!(bundle.documents.len() > 4);
        costs.insert((bundle.documents.len(), calls));
    }
    assert_eq!(costs.len(), 1, "{costs:?}");
}
