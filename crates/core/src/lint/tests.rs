use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Disable, FlowState, Lint, RULES, lint};
use crate::bundle::{Bundle, Gap};
use crate::catalogue::Catalogue;
use crate::document::{Files, Portable};
use crate::file_refs::SCRIPT;
use crate::id::{Kind, ObjectRef};
use crate::plan::FLOW_SOURCE;
use crate::snapshot::UNPUBLISHED;

const GUID: &str = "a6f03f8d-bb75-4bcf-8304-2d73a0f21572";
const OTHER: &str = "b6f03f8d-bb75-4bcf-8304-2d73a0f21572";

/// An object, its body, and perhaps a file.
type Written = (&'static str, Value, Option<(&'static str, String)>);

fn bundle(written: &[Written]) -> Bundle {
    let documents = written.iter().map(|(object, body, file)| {
        let object: ObjectRef = object.parse().expect("a reference");
        let body = body.as_object().cloned().expect("a mapping");
        let file = file
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().into()));
        let document = Portable {
            object: object.clone(),
            body,
            files: Files::from_iter(file),
        };
        (object, document.into())
    });
    Bundle {
        documents: documents.collect(),
        ..Bundle::default()
    }
}

/// Returns what a rule finds, with places.
fn found(rule: &str, written: &[Written]) -> Vec<String> {
    let Lint { findings, .. } = lint(
        Catalogue::builtin(),
        &bundle(written),
        &BTreeMap::new(),
        "2026-06-01",
        &[],
    );
    told(rule, findings)
}

fn told(rule: &str, findings: Vec<crate::validate::Problem>) -> Vec<String> {
    let findings = findings.into_iter().filter(|found| found.rule == rule);
    let place = |found: &crate::validate::Problem| match (&found.file, found.line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        _ => found.pointer.clone(),
    };
    findings
        .map(|found| format!("{} {}: {found}", found.object, place(&found)))
        .collect()
}

fn body(body: Value) -> Value {
    let mut whole = json!({"name": "x"});
    for (name, value) in body.as_object().expect("a mapping") {
        whole[name] = value.clone();
    }
    whole
}

fn flow(name: &str, lines: &str) -> Option<(&'static str, String)> {
    let text = format!("inboundCall:\n  name: {name}\n  defaultLanguage: en-us\n{lines}");
    Some((FLOW_SOURCE, text))
}

/// A flow that transfers to another.
fn transfers(name: &str, to: &str) -> Option<(&'static str, String)> {
    let menu = "  startUpRef: /inboundCall/tasks/task[a]\n  tasks:\n    - task:\n        name: A\n        refId: a\n        actions:\n          - transferToFlow:\n              name: Go\n              targetFlow:\n                name: ";
    flow(name, &format!("{menu}{to}\n"))
}

fn script(text: &str) -> Option<(&'static str, String)> {
    Some((SCRIPT, text.to_owned()))
}

/// A rule, a bundle, what it finds there, and a bundle in which it finds nothing.
type Case = (
    &'static str,
    Vec<Written>,
    &'static [&'static str],
    Vec<Written>,
);

/// For every rule what it finds in one bundle, and a bundle in which it finds nothing.
fn cases() -> Vec<Case> {
    let queue = |value: Value| vec![("routing_queue/Sales", body(value), None)];
    let schedule = |value: Value| vec![("architect_schedules/Day", body(value), None)];
    let action = |template: String| {
        let request = json!({"requestUrlTemplate": template});
        vec![(
            "integration_action/a/b/c/d",
            body(json!({"config": {"request": request}})),
            None,
        )]
    };
    let role =
        json!([{"role": {"$ref": "auth_role/Agent"}, "division": {"$ref": "auth_division/~home"}}]);
    vec![
        (
            "dangling-reference",
            vec![
                ("routing_skill/Quotes", body(json!({"division": {"$ref": "auth_division/Gone"}})), None),
                ("auth_division/Here", body(json!({"description": "see ${ref.auth_division/Lost}"})), None),
            ],
            &[
                "auth_division/Here /description: refers to auth_division/Lost, which is not there",
                "routing_skill/Quotes /division: refers to auth_division/Gone, which is not there",
            ],
            vec![
                ("routing_skill/A", body(json!({"division": {"$ref": "auth_division/Here"}})), None),
                ("routing_skill/B", body(json!({"division": {"$ref": "auth_division/~home"}})), None),
                ("routing_queue/C", body(json!({"queueFlow": {"$ref": "flow/inqueuecall/OfTheTarget"}})), None),
                ("auth_division/Here", body(json!({})), None),
            ],
        ),
        (
            "flow-circle",
            vec![
                ("flow/inboundcall/A", json!({"name": "A", "type": "INBOUNDCALL"}), transfers("A", "B")),
                ("flow/inboundcall/B", json!({"name": "B", "type": "INBOUNDCALL"}), transfers("B", "A")),
                ("flow/inboundcall/C", json!({"name": "C", "type": "INBOUNDCALL"}), transfers("C", "C")),
            ],
            &[
                "flow/inboundcall/A : refer to each other in a circle: flow/inboundcall/A, flow/inboundcall/B",
                "flow/inboundcall/C : refers to itself",
            ],
            vec![
                ("flow/inboundcall/A", json!({"name": "A", "type": "INBOUNDCALL"}), transfers("A", "B")),
                ("flow/inboundcall/B", json!({"name": "B", "type": "INBOUNDCALL"}), flow("B", "")),
            ],
        ),
        (
            "hard-coded-id",
            [
                action(format!("/api/v2/users/{GUID}")),
                vec![
                    ("flow/inboundcall/A", json!({"name": "A"}), flow("A", &format!("  description: for {GUID}\n"))),
                    ("script/S", body(json!({})), script(&format!("{{\"pages\": [{{\"id\": \"{GUID}\"}}],\n  \"queue\": \"{OTHER}\", \"page\": \"{GUID}\"}}"))),
                ],
            ]
            .concat(),
            &[
                "flow/inboundcall/A flow.yaml:4: the id a6f03f8d-bb75-4bcf-8304-2d73a0f21572 is hard-coded",
                "integration_action/a/b/c/d /config/request/requestUrlTemplate: the id a6f03f8d-bb75-4bcf-8304-2d73a0f21572 is hard-coded",
                "script/S script.json:2: the id b6f03f8d-bb75-4bcf-8304-2d73a0f21572 is hard-coded",
            ],
            [
                action("/api/v2/users/${input.userId}".to_owned()),
                vec![("script/S", body(json!({})), script(&format!("{{\"id\": \"{GUID}\", \"page\": \"{GUID}\"}}")))],
            ]
            .concat(),
        ),
        (
            "hard-coded-url",
            [
                action("https://crm.example.com/a?b=${input.b}".to_owned()),
                vec![
                    ("flow/inboundcall/A", json!({"name": "A"}), flow("A", "  description: see https://a.example/b\n")),
                    ("script/S", body(json!({})), script("{\n\"href\": \"https://help.example/x\"}")),
                ],
            ]
            .concat(),
            &[
                "flow/inboundcall/A flow.yaml:4: the address https://a.example/b is hard-coded",
                "integration_action/a/b/c/d /config/request/requestUrlTemplate: the address https://crm.example.com/a?b=${input.b} is hard-coded",
                "script/S script.json:2: the address https://help.example/x is hard-coded",
            ],
            [
                action("https://${input.host}/a".to_owned()),
                queue(json!({"description": "see https://wiki.example/sales"})),
            ]
            .concat(),
        ),
        (
            "name-differs-by-case",
            vec![
                ("routing_skill/Billing", body(json!({})), None),
                ("routing_skill/billing", body(json!({})), None),
            ],
            &["routing_skill/billing : differs from routing_skill/Billing only in upper and lower case"],
            vec![
                ("routing_skill/Billing", body(json!({})), None),
                ("routing_queue/billing", body(json!({})), None),
            ],
        ),
        (
            "placeholder",
            [
                queue(json!({"description": "TODO: ask Ana", "callingPartyName": "Lorem Ipsum dolor", "callingPartyNumber": "{{number}}"})),
                vec![("flow/inboundcall/A", json!({"name": "A"}), flow("A", "  description: changeme\n"))],
            ]
            .concat(),
            &[
                "flow/inboundcall/A flow.yaml:4: \"changeme\" is not filled in",
                "routing_queue/Sales /callingPartyName: \"Lorem Ipsum\" is not filled in",
                "routing_queue/Sales /callingPartyNumber: \"{{number}}\" is not filled in",
                "routing_queue/Sales /description: \"TODO\" is not filled in",
            ],
            queue(json!({"description": "Todos and the exchange mechanism", "callingPartyName": {"$var": "TODO"}})),
        ),
        (
            "queue-without-in-queue-flow",
            queue(json!({})),
            &["routing_queue/Sales : has no in-queue flow for calls"],
            queue(json!({"queueFlow": {"$ref": "flow/inqueuecall/Wait"}})),
        ),
        (
            "queue-without-overflow",
            queue(json!({"bullseye": {}})),
            &["routing_queue/Sales : has no overflow: neither bullseye rings nor conditional groups"],
            queue(json!({"conditionalGroupRouting": {"rules": []}})),
        ),
        (
            "queue-without-wrapup",
            queue(json!({"wrapUpCodes": {"$has": []}})),
            &["routing_queue/Sales : has no wrap-up codes"],
            [
                queue(json!({"wrapUpCodes": [{"$ref": "routing_wrapupcode/Done"}]})),
                // It is not managed.
                vec![("routing_queue/More", body(json!({})), None)],
                // Only who belongs there is said of it.
                vec![("routing_queue/Other", json!({"members": {"$has": []}}), None)],
            ]
            .concat(),
        ),
        (
            "schedule-in-past",
            vec![
                ("architect_schedules/A", body(json!({"start": "2026-05-01T08:00:00.000", "end": "2026-05-31T17:00:00.000"})), None),
                ("architect_schedules/B", body(json!({"end": "2024-01-02T00:00:00.000", "rrule": "FREQ=DAILY;UNTIL=20260101T000000Z;INTERVAL=1"})), None),
            ],
            &[
                "architect_schedules/A /end: is over since 2026-05-31",
                "architect_schedules/B /rrule: is over since 2026-01-01",
            ],
            [
                schedule(json!({"end": "2026-06-01T17:00:00.000"})),
                vec![
                    ("architect_schedules/E", body(json!({"end": "2024-01-02T00:00:00.000", "rrule": "FREQ=DAILY"})), None),
                    ("architect_schedules/F", body(json!({"end": "2024-01-02T00:00:00.000", "rrule": "FREQ=DAILY;UNTIL=20270101"})), None),
                    ("architect_schedules/G", body(json!({"end": {"$var": "end"}})), None),
                ],
            ]
            .concat(),
        ),
        (
            "user-without-role",
            vec![("user/jo@a.example", body(json!({"grants": []})), None)],
            &["user/jo@a.example : has no role"],
            vec![
                ("user/ana@a.example", body(json!({"grants": role})), None),
                ("user/old@a.example", body(json!({"state": "inactive", "grants": []})), None),
                // Its roles are not managed.
                ("user/ida@a.example", body(json!({})), None),
                ("user/ben@a.example", body(json!({"grants": []})), None),
                ("group/Agents", body(json!({"grants": role, "members": [{"$ref": "user/ben@a.example"}]})), None),
            ],
        ),
    ]
}

#[test]
fn every_rule_finds_what_it_is_for_and_nothing_else() {
    for (rule, bad, expected, good) in cases() {
        assert_eq!(found(rule, &bad), expected, "{rule}");
        assert_eq!(found(rule, &good), Vec::<String>::new(), "{rule}");
    }
}

#[test]
fn every_rule_is_tried_and_they_are_sorted() {
    let of_orgs = ["flow-locked", "flow-unpublished"];
    let mut tried: Vec<&str> = cases()
        .iter()
        .map(|(rule, ..)| *rule)
        .chain(of_orgs)
        .collect();
    tried.sort_unstable();
    let rules: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(rules, tried);
}

#[test]
fn what_an_org_knows_of_its_flows_is_told() {
    let mut bundle = bundle(&[("flow/inboundcall/A", json!({"name": "A"}), flow("A", ""))]);
    bundle.gaps.push(Gap {
        kind: Kind::new("flow"),
        object: Some("inboundcall/New".to_owned()),
        reason: UNPUBLISHED.to_owned(),
    });
    let state = FlowState {
        locked_by: Some("Jane Doe".to_owned()),
        has_draft: true,
    };
    let states = BTreeMap::from([("flow/inboundcall/A".parse().expect("a reference"), state)]);
    let lint = |states| lint(Catalogue::builtin(), &bundle, states, "2026-06-01", &[]).findings;
    assert_eq!(
        told("flow-locked", lint(&states)),
        ["flow/inboundcall/A : is locked by Jane Doe"]
    );
    assert_eq!(
        told("flow-unpublished", lint(&states)),
        [
            "flow/inboundcall/A : has changes that are not published",
            "flow/inboundcall/New : was never published"
        ]
    );
    assert_eq!(
        told("flow-locked", lint(&BTreeMap::new())),
        Vec::<String>::new()
    );
}

#[test]
fn a_selection_says_nothing_of_what_was_left_out() {
    let mut bundle = bundle(&[
        (
            "routing_skill/Quotes",
            body(json!({"division": {"$ref": "auth_division/Gone"}})),
            None,
        ),
        ("auth_division/Here", body(json!({})), None),
    ]);
    bundle.selection.push("kind=routing_skill".to_owned());
    let found = lint(
        Catalogue::builtin(),
        &bundle,
        &BTreeMap::new(),
        "2026-06-01",
        &[],
    );
    assert_eq!(
        told("dangling-reference", found.findings),
        Vec::<String>::new()
    );
}

#[test]
fn what_is_accepted_is_kept_apart_with_its_reason() {
    let queues = [
        (
            "routing_queue/Test A",
            body(json!({"wrapUpCodes": []})),
            None,
        ),
        (
            "routing_queue/Sales",
            body(json!({"wrapUpCodes": []})),
            None,
        ),
    ];
    let patterns = ["routing_queue/test*".to_owned()];
    let accept = [
        Disable::new("queue-without-wrapup", &patterns, "made by the load test").expect("a rule"),
        Disable::new("user-without-role", &[], "there are none yet").expect("a rule"),
    ];
    let lint = lint(
        Catalogue::builtin(),
        &bundle(&queues),
        &BTreeMap::new(),
        "2026-06-01",
        &accept,
    );
    assert_eq!(
        told("queue-without-wrapup", lint.findings),
        ["routing_queue/Sales : has no wrap-up codes"]
    );
    let [(problem, reason)] = &lint.disabled[..] else {
        panic!("{:?}", lint.disabled)
    };
    assert_eq!(
        (problem.object.to_string().as_str(), reason.as_str()),
        ("routing_queue/Test A", "made by the load test")
    );
    let unused: Vec<String> = lint.unused.iter().map(Disable::what).collect();
    assert_eq!(unused, ["user-without-role"]);
}

#[test]
fn nothing_is_accepted_by_mistake_or_without_a_reason() {
    let wrong = Disable::new("queue-without-wrapups", &[], "x")
        .unwrap_err()
        .to_string();
    assert!(
        wrong.contains("did you mean \"queue-without-wrapup\"?"),
        "{wrong}"
    );
    assert!(Disable::new("placeholder", &[], " ").is_err());
}
