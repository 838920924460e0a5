//! One behaviour each.

use std::collections::{BTreeMap, BTreeSet};

use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::document::Portable;
use orgsmith_core::id::ObjectRef;
use orgsmith_core::plan::{
    Action, Expected, FLOW_SOURCE, Options, Plan, Planner, Severity, Step, Why, Write,
};
use orgsmith_core::snapshot::Snapshot;
use orgsmith_core::testing::{Org, example, flow_source};
use serde_json::{Value, json};

use super::{bundle, plan, plan_after, plan_with, step_ids};

/// A target that has nothing but what every org has.
pub(super) fn empty() -> Org {
    Org::new("two", "Beta Ltd")
}

pub(super) fn to(object: &str) -> Value {
    json!({"$ref": object})
}

pub(super) fn step<'p>(plan: &'p Plan, id: &str) -> &'p Step {
    let found = plan.steps.iter().find(|step| step.id.as_str() == id);
    found.unwrap_or_else(|| panic!("no {id} in {:?}", step_ids(plan)))
}

/// Returns the body of a step's request.
fn sent(plan: &Plan, id: &str) -> Value {
    match &step(plan, id).write {
        Write::Request(request) => request
            .body
            .as_ref()
            .map_or(Value::Null, |body| body.value()),
        other => panic!("{id} is {other:?}"),
    }
}

pub(super) fn conflicts(plan: &Plan) -> Vec<String> {
    plan.conflicts
        .iter()
        .map(|conflict| format!("{}: {}", conflict.object, conflict.reason))
        .collect()
}

fn rules(plan: &Plan) -> Vec<&str> {
    plan.findings
        .iter()
        .map(|finding| finding.rule.as_str())
        .collect()
}

/// Applies the plan in several orders, each of which must leave nothing to do.
pub(super) fn settles(source: &Org, target: &Snapshot, plan: &Plan) {
    for seed in 0..4 {
        let again = plan_after(source, target.clone(), plan, seed);
        assert_eq!(step_ids(&again), Vec::<&str>::new(), "{:#?}", again.steps);
    }
}

#[test]
fn an_org_and_itself_differ_in_nothing() {
    let org = example("one", "Acme");
    let plan = plan(&org, &org.snapshot());
    assert_eq!(step_ids(&plan), Vec::<&str>::new());
    assert_eq!(
        (plan.conflicts, plan.gaps, plan.findings),
        (vec![], vec![], vec![])
    );
}

#[test]
fn an_empty_org_becomes_equal_and_stays_so() {
    let source = example("one", "Acme");
    let mut target = empty();
    target.add(
        "telephony_providers_edges_did_pool/+4930100/+4930199",
        json!({"startPhoneNumber": "+4930100", "endPhoneNumber": "+4930199"}),
    );
    let target = target.snapshot();
    let first = plan(&source, &target);
    assert_eq!(first.conflicts, []);
    let coming: BTreeSet<&ObjectRef> = first
        .steps
        .iter()
        .filter(|step| step.action == Action::Create)
        .map(|step| &step.object)
        .collect();
    let documents = bundle(&source).documents;
    let had = [
        "auth_division/~home",
        "auth_role/~employee",
        "routing_utilization/~settings",
        "telephony_providers_edges_did_pool/+4930100/+4930199",
    ];
    let wanted: BTreeSet<&ObjectRef> = documents
        .keys()
        .filter(|object| !had.contains(&&*object.to_string()))
        .collect();
    assert_eq!(coming, wanted);
    for seed in 0..20 {
        let again = plan_after(&source, target.clone(), &first, seed);
        assert_eq!(step_ids(&again), Vec::<&str>::new(), "{:#?}", again.steps);
    }
}

#[test]
fn equal_inputs_give_equal_plans() {
    let (source, target) = (example("one", "Acme"), empty().snapshot());
    let plan = || plan(&source, &target);
    assert_eq!(plan().digest(), plan().digest());
    let saved = orgsmith_core::render::plan_json(&plan());
    let read: Plan = serde_json::from_str(&saved).expect("a plan");
    assert_eq!(read, plan());
}

#[test]
fn a_queue_and_a_flow_that_name_each_other_cost_one_link() {
    let mut source = Org::new("one", "Acme");
    source.add_flow(
        "inqueuecall/Wait",
        &flow_source(
            "inqueuecall/Wait",
            None,
            &[("targetQueue", "A"), ("targetQueue", "B")],
        ),
    );
    for name in ["A", "B"] {
        let body = json!({"division": to("auth_division/~home"), "queueFlow": to("flow/inqueuecall/Wait")});
        source.add(&format!("routing_queue/{name}"), body);
    }
    let target = empty().snapshot();
    let plan = plan(&source, &target);
    let links: Vec<&str> = plan
        .steps
        .iter()
        .filter(|step| step.action == Action::Link)
        .map(|step| step.id.as_str())
        .collect();
    // The flow is created empty once, instead of two queues being linked to it.
    assert_eq!(links, ["flow/inqueuecall/Wait:link"]);
    settles(&source, &target, &plan);
}

#[test]
fn two_flows_that_name_each_other_are_created_empty_and_then_filled() {
    let mut source = Org::new("one", "Acme");
    source.add_flow(
        "inboundcall/A",
        &flow_source("inboundcall/A", None, &[("targetFlow", "B")]),
    );
    source.add_flow(
        "inboundcall/B",
        &flow_source("inboundcall/B", None, &[("targetFlow", "A")]),
    );
    let target = empty().snapshot();
    let plan = plan(&source, &target);
    let shells = plan
        .steps
        .iter()
        .filter(|step| matches!(step.write, Write::Request(_)))
        .count();
    assert_eq!(shells, 1, "{:?}", step_ids(&plan));
    settles(&source, &target, &plan);
}

#[test]
fn queues_that_overflow_into_each_other_are_linked_once() {
    let mut source = Org::new("one", "Acme");
    for (name, other) in [("A", "B"), ("B", "A"), ("C", "C")] {
        let other = to(&format!("routing_queue/{other}"));
        source.add(
            &format!("routing_queue/{name}"),
            json!({"directRouting": {"backupQueueId": other}}),
        );
    }
    let target = empty().snapshot();
    let plan = plan(&source, &target);
    let links: Vec<&str> = plan
        .steps
        .iter()
        .filter(|step| step.action == Action::Link)
        .map(|step| step.id.as_str())
        .collect();
    assert_eq!(links, ["routing_queue/A:link", "routing_queue/C:link"]);
    settles(&source, &target, &plan);
}

#[test]
fn managers_are_set_when_everybody_is_there() {
    let mut source = Org::new("one", "Acme");
    source.add("user/boss@example.com", json!({"name": "Boss"}));
    source.add(
        "user/agent@example.com",
        json!({"name": "Agent", "manager": to("user/boss@example.com")}),
    );
    let target = empty().snapshot();
    let plan = plan(&source, &target);
    let link = step(&plan, "user/agent@example.com:link");
    assert!(
        link.after
            .iter()
            .any(|id| id.as_str() == "user/boss@example.com:create"),
        "{:?}",
        link.after
    );
    settles(&source, &target, &plan);
}

#[test]
fn a_flow_that_names_a_user_whom_nobody_has_is_told_of() {
    let mut source = Org::new("one", "Acme");
    source.add("user/jo@example.com", json!({"name": "Jo"}));
    let names = [
        ("targetUser", "jo@example.com"),
        ("targetUser", "Jo"),
        ("targetUser", "gone@example.com"),
        ("targetUser", "There"),
    ];
    let flow = flow_source("inboundcall/Main", None, &names);
    source.add_flow("inboundcall/Main", &flow);
    let mut target = empty();
    target.add("user/there@example.com", json!({"name": "There"}));
    let plan = plan(&source, &target.snapshot());
    let told: Vec<&str> = plan
        .findings
        .iter()
        .filter(|finding| finding.rule == "user-not-there")
        .map(|finding| finding.message.as_str())
        .collect();
    let [told] = told[..] else { panic!("{told:?}") };
    assert!(
        told.contains("names the user \"gone@example.com\""),
        "{told}"
    );
    // The flow waits for those who come.
    let import = step(&plan, "flow/inboundcall/Main:create");
    let after: Vec<&str> = import.after.iter().map(|id| id.as_str()).collect();
    assert!(after.contains(&"user/jo@example.com:create"), "{after:?}");
}

#[test]
fn users_in_a_circle_of_managers_are_named_and_the_others_go_on() {
    let user = |name: &str, manager: &str| {
        let email = format!("user/{name}@example.com");
        let manager = to(&format!("user/{manager}@example.com"));
        (email, json!({ "name": name, "manager": manager }))
    };
    let mut source = Org::new("one", "Acme");
    for (object, body) in [
        user("a", "b"),
        user("b", "c"),
        user("c", "a"),
        user("d", "a"),
        user("e", "e"),
    ] {
        source.add(&object, body);
    }
    let target = empty().snapshot();
    let plan = plan(&source, &target);
    let of = |parts: &[&str]| {
        let parts: Vec<String> = parts
            .iter()
            .map(|name| format!("user/{name}@example.com"))
            .collect();
        format!(
            "{}: it is in a circle of managers, {}; name another manager of one of them",
            parts[0],
            parts.join(" → ")
        )
    };
    assert_eq!(
        conflicts(&plan),
        [
            of(&["a", "b", "c", "a"]),
            of(&["b", "c", "a", "b"]),
            of(&["c", "a", "b", "c"]),
            "user/e@example.com: it is its own manager; name another, or none".to_owned(),
        ]
    );
    assert_eq!(step_ids(&plan), ["user/d@example.com:create"]);
    // Where the target has it just so, there is nothing to write.
    let same = super::plan(&source, &source.snapshot());
    assert_eq!((same.conflicts, same.steps), (vec![], vec![]));
}

#[test]
fn a_deleted_user_is_brought_back_and_brought_up_to_date() {
    let mut source = Org::new("one", "Acme");
    source.add(
        "user/jo@example.com",
        json!({"name": "Jo", "title": "Lead", "division": to("auth_division/~home")}),
    );
    let mut target = empty();
    target.add_deleted(
        "user/jo@example.com",
        json!({"name": "Jo", "title": "Agent", "division": to("auth_division/~home")}),
    );
    let target = target.snapshot();
    let plan = plan(&source, &target);
    assert_eq!(
        step_ids(&plan),
        ["user/jo@example.com:adopt", "user/jo@example.com:update"]
    );
    assert_eq!(
        sent(&plan, "user/jo@example.com:update"),
        json!({"title": "Lead"})
    );
    assert!(plan.steps.iter().all(|step| step.action != Action::Create));
    let counts = plan
        .counts
        .values()
        .map(|counts| (counts.adopt, counts.create))
        .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    assert_eq!(counts, (1, 0));
    settles(&source, &target, &plan);
}

#[test]
fn a_key_that_two_objects_share_is_left_alone_until_it_is_pinned() {
    let credential = "integration_credential/basicAuth/CRM";
    let mut source = Org::new("one", "Acme");
    source.add(
        credential,
        json!({"name": "CRM", "type": {"name": "basicAuth"}}),
    );
    let mut target = empty();
    target.add(
        credential,
        json!({"name": "CRM", "type": {"name": "basicAuth"}}),
    );
    let mut target = target.snapshot();
    let kind = credential.parse::<ObjectRef>().expect("a reference").kind;
    let twins = target.objects.get_mut(&kind).expect("credentials");
    let mut twin = twins[0].clone();
    twin.id = orgsmith_core::id::SourceId::new("11111111-1111-4111-8111-111111111111");
    twins.push(twin);

    let plan = plan(&source, &target);
    assert_eq!(step_ids(&plan), Vec::<&str>::new());
    assert_eq!(plan.conflicts.len(), 1);
    assert!(
        plan.conflicts[0].reason.contains("map pin"),
        "{:?}",
        plan.conflicts
    );

    let pins = BTreeMap::from([(
        credential.parse().expect("a reference"),
        "11111111-1111-4111-8111-111111111111".to_owned(),
    )]);
    let pinned = plan_with(
        Options {
            pins,
            ..Options::default()
        },
        &source,
        &target,
    );
    assert_eq!(pinned.conflicts, []);
}

/// Plans a bundle that is written by hand.
pub(super) fn plan_documents(documents: &[(&str, Value)], target: &Snapshot) -> Plan {
    let mut bundle = Bundle::default();
    for (object, body) in documents {
        bundle.insert(Portable {
            object: object.parse().expect("a reference"),
            body: body.as_object().cloned().expect("an object"),
            files: Default::default(),
        });
    }
    Planner::new(Catalogue::builtin(), Options::default()).plan(&bundle, target)
}

#[test]
fn an_object_that_does_not_say_what_it_lives_in_is_left_alone() {
    let level = json!({"logLevelCharacteristics": {"level": "Notes"}});
    let object = "flow_loglevel/inboundcall/Example";
    let plan = plan_documents(&[(object, level)], &empty().snapshot());
    assert_eq!(step_ids(&plan), Vec::<&str>::new());
    let reason = "it does not say in its flow which flow it lives in";
    assert_eq!(conflicts(&plan), [format!("{object}: {reason}")]);
}

#[test]
fn a_reference_to_nothing_is_left_out_where_the_object_can_do_without() {
    let queue = json!({"name": "Sales", "queueFlow": to("flow/inqueuecall/Gone"),
        "members": [{"user": to("user/gone@example.com")}]});
    let plan = plan_documents(&[("routing_queue/Sales", queue)], &empty().snapshot());
    assert_eq!(rules(&plan), ["reference-left-out", "reference-left-out"]);
    assert!(
        plan.findings
            .iter()
            .all(|finding| finding.severity == Severity::Warning)
    );
    assert_eq!(step_ids(&plan), ["routing_queue/Sales:create"]);
    assert_eq!(
        sent(&plan, "routing_queue/Sales:create"),
        json!({"name": "Sales"})
    );
}

#[test]
fn a_reference_that_is_needed_sets_its_object_and_what_needs_that_aside() {
    let crm = "integration/purecloud-data-actions/CRM";
    let documents = [
        (
            "outbound_campaign/Spring",
            json!({"name": "Spring", "contactList": to("outbound_contact_list/Gone")}),
        ),
        (
            "integration_action/purecloud-data-actions/CRM/CRM/Find",
            json!({"name": "Find", "category": "CRM", "integrationId": to(crm)}),
        ),
        ("routing_skill/Billing", json!({"name": "Billing"})),
    ];
    let plan = plan_documents(&documents, &empty().snapshot());
    assert_eq!(
        conflicts(&plan),
        [
            "integration_action/purecloud-data-actions/CRM/CRM/Find: it refers to integration/purecloud-data-actions/CRM, \
             which neither the source nor the target has",
            "outbound_campaign/Spring: it refers to outbound_contact_list/Gone, which neither the source nor the target has",
        ]
    );
    assert_eq!(step_ids(&plan), ["routing_skill/Billing:create"]);
}

#[test]
fn a_put_sends_back_what_is_not_managed_as_the_target_has_it() {
    let mut source = Org::new("one", "Acme");
    source.add(
        "routing_queue/Sales",
        json!({"description": "new", "peerId": "pbx-1",
        "mediaSettings": {"call": {"alertingTimeoutSeconds": 20}}}),
    );
    let mut target = empty();
    target.add("routing_queue/Sales", json!({"description": "old", "peerId": "pbx-2", "callingPartyName": "Beta",
        "mediaSettings": {"call": {"alertingTimeoutSeconds": 8, "autoAnswer": true}, "chat": {"alertingTimeoutSeconds": 30}}}));
    let target = target.snapshot();
    let plan = plan(&source, &target);
    assert_eq!(
        sent(&plan, "routing_queue/Sales:update"),
        json!({"name": "Sales", "description": "new", "peerId": "pbx-2", "callingPartyName": "Beta",
            "mediaSettings": {"call": {"alertingTimeoutSeconds": 20, "autoAnswer": true},
                "chat": {"alertingTimeoutSeconds": 30}}})
    );
    let changed: Vec<&str> = plan.steps[0]
        .changes
        .iter()
        .map(|change| change.path.as_str())
        .collect();
    assert_eq!(
        changed,
        ["description", "mediaSettings.call.alertingTimeoutSeconds"]
    );
    settles(&source, &target, &plan);
}

#[test]
fn a_patch_sends_what_changed_and_nothing_else() {
    let mut source = Org::new("one", "Acme");
    source.add(
        "user/jo@example.com",
        json!({"name": "Jo", "title": "Lead", "department": "Sales"}),
    );
    let mut target = empty();
    target.add(
        "user/jo@example.com",
        json!({"name": "Jo", "title": "Agent", "department": "Sales"}),
    );
    let plan = plan(&source, &target.snapshot());
    assert_eq!(
        sent(&plan, "user/jo@example.com:update"),
        json!({"title": "Lead"})
    );
    settles(&source, &target.snapshot(), &plan);
}

#[test]
fn a_change_expects_the_version_or_the_object_as_it_was_read() {
    let mut source = Org::new("one", "Acme");
    source.add(
        "user/jo@example.com",
        json!({"name": "Jo", "title": "Lead"}),
    );
    source.add("routing_queue/Sales", json!({"description": "new"}));
    let mut target = empty();
    target.add(
        "user/jo@example.com",
        json!({"name": "Jo", "title": "Agent", "version": 7}),
    );
    target.add("routing_queue/Sales", json!({"description": "old"}));
    let plan = plan(&source, &target.snapshot());
    assert_eq!(
        step(&plan, "user/jo@example.com:update").expected,
        Some(Expected::Version(7))
    );
    let expected = step(&plan, "routing_queue/Sales:update").expected.clone();
    assert!(matches!(&expected, Some(Expected::PreImage(digest)) if digest.starts_with("blake3:")));
    // What the server counts for itself is no change by somebody; a field is.
    let with = |field: &str| {
        let mut target = target.clone();
        target.change("routing_queue/Sales", |queue| queue[field] = json!("x"));
        step(
            &super::plan(&source, &target.snapshot()),
            "routing_queue/Sales:update",
        )
        .expected
        .clone()
    };
    assert_eq!(with("memberCount"), expected);
    assert_ne!(with("peerId"), expected);
}

#[test]
fn what_every_org_has_is_mapped_and_its_name_stays() {
    let mut source = Org::new("one", "Acme");
    source.change("auth_role/~employee", |role| {
        role["name"] = json!("Angestellte")
    });
    source.add(
        "routing_skill/Billing",
        json!({"division": to("auth_division/~home")}),
    );
    let target = empty();
    let home = target.id("auth_division/~home");
    let plan = plan(&source, &target.snapshot());
    assert!(
        plan.steps
            .iter()
            .all(|step| step.object.kind.as_str() != "auth_division"),
        "{:?}",
        step_ids(&plan)
    );
    assert_eq!(
        plan.bindings
            .values()
            .map(|id| id.as_str())
            .filter(|id| *id == home)
            .count(),
        1
    );
    assert_eq!(
        sent(&plan, "routing_skill/Billing:create"),
        json!({"name": "Billing", "divisionId": to("auth_division/~home")})
    );
}

#[test]
fn a_number_that_the_target_does_not_own_is_left_out() {
    let source = example("one", "Acme");
    let mut target = empty();
    target.add(
        "telephony_providers_edges_did_pool/+4930101/+4930109",
        json!({"startPhoneNumber": "+4930101", "endPhoneNumber": "+4930109"}),
    );
    let target = target.snapshot();
    let plan = plan(&source, &target);
    assert!(
        rules(&plan).contains(&"number-not-in-target"),
        "{:?}",
        rules(&plan)
    );
    assert_eq!(
        sent(&plan, "architect_ivr/Hotline:link")["dnis"],
        json!(["+4930101"])
    );
    settles(&source, &target, &plan);
}

#[test]
fn a_flow_in_the_home_division_goes_to_the_home_division_of_the_target() {
    let mut source = Org::new("one", "Acme");
    source.add_flow(
        "inboundcall/Main",
        &flow_source("inboundcall/Main", Some("Acme"), &[]),
    );
    let target = empty().snapshot();
    let plan = plan(&source, &target);
    let Write::FlowImport { source: blob } = &plan.steps[0].write else {
        panic!("{:?}", plan.steps)
    };
    let text = String::from_utf8(plan.blobs[blob].bytes().expect("content")).expect("text");
    assert_eq!(text, flow_source("inboundcall/Main", Some("Beta Ltd"), &[]));
    settles(&source, &target, &plan);
}

#[test]
fn a_flow_differs_only_where_its_source_says_something_else() {
    let mut source = Org::new("one", "Acme");
    source.add("routing_queue/Sales", json!({}));
    let text = flow_source(
        "inboundcall/Main",
        Some("Acme"),
        &[("targetQueue", "Sales")],
    );
    source.add_flow("inboundcall/Main", &text);
    let mut target = empty();
    target.add("routing_queue/Sales", json!({}));
    target.add_flow(
        "inboundcall/Main",
        &format!("# exported today\n{}", text.replace("Acme", "Beta Ltd")),
    );
    assert_eq!(
        step_ids(&plan(&source, &target.snapshot())),
        Vec::<&str>::new()
    );
    target.add_flow(
        "inboundcall/Main",
        &flow_source("inboundcall/Main", Some("Beta Ltd"), &[]),
    );
    let target = target.snapshot();
    let plan = plan(&source, &target);
    assert_eq!(step_ids(&plan), ["flow/inboundcall/Main:update"]);
    settles(&source, &target, &plan);
}

#[test]
fn a_flow_that_cannot_be_imported_is_set_aside_with_its_line() {
    let mut source = Org::new("one", "Acme");
    let text = flow_source("inboundcall/Main", None, &[("targetQueue", "{{queue}}")]);
    source.add_flow("inboundcall/Main", &text);
    source.add_flow(
        "inboundcall/Lost",
        &flow_source("inboundcall/Lost", None, &[("targetQueue", "Nowhere")]),
    );
    let plan = plan(&source, &empty().snapshot());
    let line = text
        .lines()
        .position(|line| line.contains("{{queue}}"))
        .expect("the line")
        + 1;
    let told = conflicts(&plan);
    assert!(
        told[0].contains("flow/inboundcall/Lost") && told[0].contains("routing_queue/Nowhere"),
        "{told:?}"
    );
    assert!(
        told[1].contains(&format!("{FLOW_SOURCE}:{line}:")),
        "{told:?}"
    );
    assert_eq!(step_ids(&plan), Vec::<&str>::new());
}

#[test]
fn a_changed_division_is_a_move() {
    let mut source = Org::new("one", "Acme");
    source.add("auth_division/EMEA", json!({}));
    source.add(
        "routing_queue/Sales",
        json!({"division": to("auth_division/EMEA")}),
    );
    let mut target = empty();
    target.add(
        "routing_queue/Sales",
        json!({"division": to("auth_division/~home")}),
    );
    let target = target.snapshot();
    let plan = plan(&source, &target);
    assert_eq!(
        step_ids(&plan),
        ["auth_division/EMEA:create", "routing_queue/Sales:move"]
    );
    settles(&source, &target, &plan);
}

#[test]
fn only_the_first_write_to_an_object_expects_it_as_it_was_read() {
    let mut source = Org::new("one", "Acme");
    source.add("auth_division/EMEA", json!({}));
    let body = json!({"division": to("auth_division/EMEA"), "description": "new"});
    source.add("routing_queue/Sales", body);
    let mut target = empty();
    let body = json!({"division": to("auth_division/~home"), "description": "old"});
    target.add("routing_queue/Sales", body);
    let target = target.snapshot();
    let plan = plan(&source, &target);
    assert!(step(&plan, "routing_queue/Sales:move").expected.is_some());
    assert_eq!(step(&plan, "routing_queue/Sales:update").expected, None);
    settles(&source, &target, &plan);
}

#[test]
fn an_object_in_conflict_is_not_moved_either() {
    let mut source = Org::new("one", "Acme");
    source.add("auth_division/EMEA", json!({}));
    let list =
        |division: &str, column: &str| json!({"division": to(division), "columnNames": [column]});
    source.add(
        "outbound_contact_list/Leads",
        list("auth_division/EMEA", "phone"),
    );
    let mut target = empty();
    target.add(
        "outbound_contact_list/Leads",
        list("auth_division/~home", "mobile"),
    );
    let plan = plan(&source, &target.snapshot());
    assert_eq!(step_ids(&plan), ["auth_division/EMEA:create"]);
    assert_eq!(
        conflicts(&plan),
        ["outbound_contact_list/Leads: columnNames differs, and the API cannot change it"]
    );
}

#[test]
fn a_field_that_cannot_change_is_a_conflict() {
    let mut source = Org::new("one", "Acme");
    source.add("group/All", json!({"type": "official"}));
    let mut target = empty();
    target.add("group/All", json!({"type": "social"}));
    let plan = plan(&source, &target.snapshot());
    assert_eq!(
        conflicts(&plan),
        ["group/All: type differs, and the API cannot change it"]
    );
    assert_eq!(step_ids(&plan), Vec::<&str>::new());
}

#[test]
fn a_campaign_is_created_switched_off_and_never_switched() {
    let source = example("one", "Acme");
    let target = empty().snapshot();
    let plan = plan(&source, &target);
    assert_eq!(
        sent(&plan, "outbound_campaign/Winback:create")["campaignStatus"],
        "off"
    );
    let phase = step(&plan, "outbound_campaign/Winback:create").phase;
    assert!(
        plan.steps
            .iter()
            .filter(|step| !step.object.kind.as_str().starts_with("outbound_"))
            .all(|step| step.phase < phase)
    );
}

#[test]
fn the_user_who_leaves_takes_the_update_of_his_state_alone() {
    let mut source = Org::new("one", "Acme");
    source.add(
        "user/jo@example.com",
        json!({"name": "Jo", "title": "Lead", "state": "inactive"}),
    );
    let mut target = empty();
    target.add(
        "user/jo@example.com",
        json!({"name": "Jo", "title": "Agent"}),
    );
    let target = target.snapshot();
    let plan = plan(&source, &target);
    let bodies: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| sent(&plan, step.id.as_str()))
        .collect();
    assert_eq!(
        bodies,
        [json!({"state": "inactive"}), json!({"title": "Lead"})]
    );
    settles(&source, &target, &plan);
}

#[test]
fn an_object_that_only_the_target_has_stays() {
    let source = Org::new("one", "Acme");
    let target = example("two", "Beta Ltd").snapshot();
    assert_eq!(step_ids(&plan(&source, &target)), Vec::<&str>::new());
}

#[test]
fn every_slot_of_a_partly_filled_target_is_an_id_of_the_target() {
    let source = example("one", "Acme");
    let mut target = example("two", "Beta Ltd");
    target.remove("routing_queue/Overflow");
    target.remove("user/bo@example.com");
    target.change("routing_queue/Sales", |queue| {
        queue["members"] = json!([{"user": to("user/ada@example.com"), "ringNumber": 1}]);
        queue
            .as_object_mut()
            .expect("a body")
            .remove("directRouting");
    });
    target.change("user/cy@example.com", |user| {
        user.as_object_mut().expect("a body").remove("manager");
    });
    target.change("group/Supervisors", |group| group["members"] = json!([]));
    let target = target.snapshot();
    let plan = plan(&source, &target);
    assert_eq!(plan.conflicts, []);
    let mut named = BTreeSet::new();
    for step in &plan.steps {
        if let Write::Request(request) = &step.write {
            for template in request.params.iter().chain(&request.body) {
                template.for_each_slot(&mut |slot| {
                    named.insert(format!("{slot:?}"));
                });
            }
        }
    }
    assert!(
        named
            .iter()
            .any(|slot| slot.contains("user/bo@example.com")),
        "{named:?}"
    );
    settles(&source, &target, &plan);
}

#[test]
fn a_new_object_is_not_told_what_it_is_anyway() {
    let plan = |answers: bool| {
        let user = json!({
            "name": "Ana", "email": "ana@example.com", "division": to("auth_division/~home"),
            "acdAutoAnswer": answers, "certifications": [],
        });
        plan_documents(&[("user/ana@example.com", user)], &empty().snapshot())
    };
    let create = "user/ana@example.com:create";
    assert_eq!(step_ids(&plan(false)), [create]);
    assert_eq!(step_ids(&plan(true)), [create, "user/ana@example.com:link"]);
}

#[test]
fn a_write_of_the_whole_object_keeps_what_the_document_cannot_know() {
    let (mut source, mut target) = (Org::new("one", "Acme"), empty());
    let division = || to("auth_division/~home");
    source.add(
        "routing_queue/Sales",
        json!({"division": division(), "description": "new", "memberGroups": []}),
    );
    let team = json!([{"id": "a-team", "type": "TEAM"}]);
    target.add(
        "routing_queue/Sales",
        json!({"division": division(), "description": "old", "memberGroups": team}),
    );
    // Which of two credentials is meant is not known; that one is bound is.
    let integration = |notes: &str| {
        json!({"integrationType": {"id": "custom"}, "intendedState": "ENABLED",
            "config": {"name": "CRM", "notes": notes, "version": 3}})
    };
    source.add("integration/custom/CRM", integration("new"));
    let mut live = integration("old");
    live["config"]["credentials"] = json!({"basicAuth": {"id": "a-credential", "name": "CRM"}});
    target.add("integration/custom/CRM", live);
    let schema = json!({"type": "object", "properties": {"key": {}, "a": {}, "b": {}}});
    let table = |row: Value| json!({"division": division(), "schema": schema, "rows": [row]});
    source.add(
        "architect_datatable/Shops",
        table(json!({"key": "1", "a": "new"})),
    );
    target.add(
        "architect_datatable/Shops",
        table(json!({"key": "1", "a": "old", "b": "theirs"})),
    );

    let plan = plan(&source, &target.snapshot());
    assert_eq!(
        sent(&plan, "routing_queue/Sales:update")["memberGroups"],
        json!([{"id": "a-team", "type": "TEAM"}])
    );
    let config = sent(&plan, "integration/custom/CRM:config");
    assert_eq!(
        config["credentials"],
        json!({"basicAuth": {"id": "a-credential"}})
    );
    assert_eq!(
        (&config["notes"], &config["version"]),
        (&json!("new"), &json!(3))
    );
    assert_eq!(
        sent(&plan, "architect_datatable/Shops:rows~1"),
        json!({"key": "1", "a": "new", "b": "theirs"})
    );
}

#[test]
fn a_secret_that_is_there_is_not_sent_for_being_called_otherwise() {
    let credential = |place: &str| json!({"type": {"name": "basicAuth"}, "credentialFields": {"password": {"$secret": place}}});
    let (mut source, mut target) = (Org::new("one", "Acme"), empty());
    source.add(
        "integration_credential/basicAuth/CRM",
        credential("vault/crm"),
    );
    target.add(
        "integration_credential/basicAuth/CRM",
        credential("CRM/password"),
    );
    let plan = plan(&source, &target.snapshot());
    assert_eq!(step_ids(&plan), Vec::<&str>::new());
}

#[test]
fn a_secret_is_sent_again_where_its_value_changed_or_somebody_asks() {
    let object = "integration_credential/basicAuth/CRM";
    let credential = |places: [&str; 2]| {
        let [user, password] = places;
        json!({"type": {"name": "basicAuth"},
               "credentialFields": {"userName": {"$secret": user}, "password": {"$secret": password}}})
    };
    let (mut source, mut target) = (Org::new("one", "Acme"), empty());
    source.add(object, credential(["CRM/userName", "vault/crm"]));
    target.add(object, credential(["CRM/userName", "CRM/password"]));
    let target = target.snapshot();
    let planned = |name: &str, why: Why| {
        let names = BTreeMap::from([(name.to_owned(), why)]);
        let options = Options {
            resend: BTreeMap::from([(object.parse().expect("a reference"), names)]),
            ..Options::default()
        };
        plan_with(options, &source, &target)
    };
    let changed = planned("vault/crm", Why::Changed);
    assert_eq!(step_ids(&changed), [format!("{object}:update")]);
    let step = &changed.steps[0];
    assert_eq!(step.reason, "secret changed: \"vault/crm\"");
    let paths: Vec<_> = step.changes.iter().map(|change| &*change.path).collect();
    assert_eq!(paths, ["credentialFields.password"]);
    // A credential is written whole.
    let names: Vec<String> = step.secrets().into_iter().collect();
    assert_eq!(names, ["CRM/userName", "vault/crm"]);

    let asked = planned("CRM/userName", Why::Asked);
    let reason = "secret to be sent again: \"CRM/userName\"";
    assert_eq!(asked.steps[0].reason, reason);
    let other = planned("CRM/apiKey", Why::Changed);
    assert_eq!(step_ids(&other), Vec::<&str>::new());
}
