//! What could not be read is not known: it is neither missing nor empty.

use orgsmith_core::bundle::Gap;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::id::Kind;
use orgsmith_core::plan::{Options, Plan, Planner};
use orgsmith_core::snapshot::Snapshot;
use orgsmith_core::testing::{Org, example};
use serde_json::{Value, json};

use super::{bundle, plan, step_ids};

fn to(object: &str) -> Value {
    json!({"$ref": object})
}

/// Returns what reading an org gives when the list of a kind fails.
fn without(org: &Org, kind: &str) -> Snapshot {
    let mut snapshot = org.snapshot();
    let kind = Kind::new(kind);
    snapshot.objects.insert(kind.clone(), Vec::new());
    snapshot.incomplete.insert(kind);
    snapshot
}

fn conflicts(plan: &Plan) -> Vec<String> {
    plan.conflicts
        .iter()
        .map(|conflict| conflict.object.to_string())
        .collect()
}

fn steps_of<'p>(plan: &'p Plan, kind: &str) -> Vec<&'p str> {
    let of = |step: &&orgsmith_core::plan::Step| step.object.kind.as_str() == kind;
    plan.steps
        .iter()
        .filter(of)
        .map(|step| step.id.as_str())
        .collect()
}

/// A queue with a member, a skill group's skill and a flow; a user with a skill; a group.
fn small(seed: &str) -> Org {
    let mut org = Org::new(seed, "Acme");
    let home = to("auth_division/~home");
    org.add("routing_skill/Billing", json!({}));
    let skills = json!([{"id": to("routing_skill/Billing"), "proficiency": 3}]);
    org.add(
        "user/ana@example.com",
        json!({"division": home, "skills": skills}),
    );
    org.add(
        "group/Backup",
        json!({"type": "official", "members": [to("user/ana@example.com")]}),
    );
    let members = json!([{"user": to("user/ana@example.com"), "ringNumber": 1}]);
    org.add(
        "routing_queue/Sales",
        json!({"division": home, "members": members}),
    );
    org
}

#[test]
fn an_object_of_a_kind_that_could_not_be_listed_in_the_target_is_not_created() {
    let source = example("one", "Acme");
    let kinds: Vec<String> = source
        .snapshot()
        .objects
        .keys()
        .map(|kind| kind.as_str().to_owned())
        .collect();
    for kind in kinds {
        let plan = plan(&source, &without(&example("two", "Acme"), &kind));
        assert_eq!(steps_of(&plan, &kind), Vec::<&str>::new());
        let documents = bundle(&source).documents;
        for object in documents
            .keys()
            .filter(|object| object.kind.as_str() == kind)
        {
            assert!(conflicts(&plan).contains(&object.to_string()), "{object}");
        }
        // What refers to it is left alone too, and the rest of the org is equal.
        assert_eq!(step_ids(&plan), Vec::<&str>::new(), "without {kind}");
    }
}

#[test]
fn a_list_of_a_kind_that_could_not_be_read_in_the_source_is_left_out_not_emptied() {
    let target = small("two").snapshot();
    for kind in ["user", "routing_skill"] {
        let (desired, _) =
            without(&small("one"), kind).to_bundle(Catalogue::builtin(), &Default::default());
        let plan = Planner::new(Catalogue::builtin(), Options::default()).plan(&desired, &target);
        assert_eq!(step_ids(&plan), Vec::<&str>::new(), "without {kind}");
        assert!(!desired.gaps.is_empty(), "without {kind}");
    }
}

#[test]
fn a_part_that_could_not_be_read_in_the_target_is_not_empty() {
    let mut target = small("two").snapshot();
    for queue in target
        .objects
        .get_mut(&Kind::new("routing_queue"))
        .into_iter()
        .flatten()
    {
        let mut opened = queue.open();
        let body = opened.body.as_object_mut().expect("a body");
        body.remove("members");
        *queue = opened.into();
    }
    let plan = plan(&small("one"), &target);
    assert_eq!(step_ids(&plan), Vec::<&str>::new());
    assert_eq!(conflicts(&plan), ["routing_queue/Sales"]);
}

#[test]
fn a_part_that_could_not_be_read_in_the_source_is_not_emptied_in_the_target() {
    let mut source = small("one").snapshot();
    for queue in source
        .objects
        .get_mut(&Kind::new("routing_queue"))
        .into_iter()
        .flatten()
    {
        let mut opened = queue.open();
        let body = opened.body.as_object_mut().expect("a body");
        body.remove("members");
        *queue = opened.into();
    }
    let (desired, _) = source.to_bundle(Catalogue::builtin(), &Default::default());
    let target = small("two").snapshot();
    let plan = Planner::new(Catalogue::builtin(), Options::default()).plan(&desired, &target);
    assert_eq!((step_ids(&plan), plan.conflicts.len()), (Vec::new(), 0));
}

#[test]
fn numbers_are_kept_where_the_pools_of_the_target_could_not_be_read() {
    let org = |seed| {
        let mut org = Org::new(seed, "Acme");
        org.add(
            "telephony_providers_edges_did_pool/+4930100/+4930199",
            json!({"startPhoneNumber": "+4930100", "endPhoneNumber": "+4930199"}),
        );
        org.add(
            "architect_ivr/Main",
            json!({"division": to("auth_division/~home"), "dnis": ["+4930100"]}),
        );
        org
    };
    let plan = plan(
        &org("one"),
        &without(&org("two"), "telephony_providers_edges_did_pool"),
    );
    assert_eq!(step_ids(&plan), Vec::<&str>::new());
    assert!(conflicts(&plan).contains(&"architect_ivr/Main".to_owned()));
}

#[test]
fn an_object_that_could_not_be_read_whole_is_neither_written_nor_exported() {
    let half = |org: Org| {
        let mut snapshot = org.snapshot();
        let kind = Kind::new("routing_queue");
        let queue = &mut snapshot.objects.get_mut(&kind).expect("queues")[0];
        let mut opened = queue.open();
        opened.body = json!({"id": queue.id, "name": "Sales"});
        *queue = opened.into();
        let id = queue.id.clone();
        snapshot.unread.insert((kind, id));
        snapshot
    };
    let plan = plan(&small("one"), &half(small("two")));
    assert_eq!(step_ids(&plan), Vec::<&str>::new());
    assert_eq!(conflicts(&plan), ["routing_queue/Sales"]);
    let (exported, _) = half(small("one")).to_bundle(Catalogue::builtin(), &Default::default());
    let queue = "routing_queue/Sales".parse().expect("a reference");
    assert!(!exported.documents.contains_key(&queue));
}

#[test]
fn nothing_is_deleted_for_being_lost_in_a_gap_of_the_source() {
    let mut source = small("one").snapshot();
    let kind = Kind::new("routing_skill");
    source.gaps.push(Gap {
        kind: kind.clone(),
        object: Some("Claims (1)".into()),
        reason: "refused".into(),
    });
    let (desired, _) = source.to_bundle(Catalogue::builtin(), &Default::default());
    let mut target = small("two");
    target.add("routing_skill/Claims", json!({}));
    target.add("group/Old", json!({"type": "official"}));
    let options = Options {
        prune: true,
        ..Options::default()
    };
    let plan = Planner::new(Catalogue::builtin(), options).plan(&desired, &target.snapshot());
    assert_eq!(step_ids(&plan), ["group/Old:delete"]);
    assert!(
        plan.findings
            .iter()
            .any(|finding| finding.rule == "not-pruned")
    );
}
