//! What a person reads of a plan and of a difference.

use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::compare::Comparison;
use orgsmith_core::plan::{Options, Plan, Rate};
use orgsmith_core::render::{Detail, Screen, Style, diff_screen, plan_markdown, plan_screen};
use orgsmith_core::testing::{Org, flow_source};
use serde_json::{Value, json};

use super::{bundle, plan_with};

fn to(object: &str) -> Value {
    json!({"$ref": object})
}

/// Two orgs that differ in a little of everything.
fn orgs() -> (Org, Org) {
    let mut source = Org::new("acme-dev", "Acme");
    source.add("group/All", json!({"type": "official"}));
    source.add(
        "routing_skill/French",
        json!({"division": to("auth_division/~home")}),
    );
    source.add(
        "user/jo@example.com",
        json!({"name": "Jo", "title": "Lead"}),
    );
    source.add("user/back@example.com", json!({"name": "Back"}));
    source.add(
        "routing_queue/Support",
        json!({
            "description": format!("{}end", "a long description, ".repeat(9)),
            "mediaSettings": {"call": {"alertingTimeoutSeconds": 30}},
            "queueFlow": to("flow/inqueuecall/Wait"),
            "members": [{"user": to("user/jo@example.com"), "ringNumber": 2}],
        }),
    );
    source.add(
        "routing_queue/Sales\u{1b}[31m/FR",
        json!({"name": "Sales\u{1b}[31m/FR", "queueFlow": to("flow/inqueuecall/Wait")}),
    );
    let names = [("targetQueue", "Support")];
    source.add_flow(
        "inqueuecall/Wait",
        &flow_source("inqueuecall/Wait", None, &names),
    );
    let mut target = Org::new("acme-prod", "Acme");
    target.add("group/All", json!({"type": "social"}));
    target.add(
        "routing_skill/Old",
        json!({"division": to("auth_division/~home")}),
    );
    target.add(
        "user/jo@example.com",
        json!({"name": "Jo", "title": "Agent"}),
    );
    target.add_deleted("user/back@example.com", json!({"name": "Back"}));
    target.add("routing_queue/Support", json!({
        "description": "short", "mediaSettings": {"call": {"alertingTimeoutSeconds": 8}}, "members": [],
    }));
    (source, target)
}

fn plan() -> Plan {
    let (source, target) = orgs();
    let mut source = source.snapshot();
    source.org.region = Some("use1".into());
    let options = Options {
        prune: true,
        ..Options::default()
    };
    let (bundle, _) = source.to_bundle(Catalogue::builtin(), &Default::default());
    orgsmith_core::plan::Planner::new(Catalogue::builtin(), options)
        .plan(&bundle, &target.snapshot())
}

fn screen(detail: Detail) -> String {
    let next = Some("orgsmith apply --plan plan.json");
    plan_screen(
        &plan(),
        &Screen {
            detail,
            rate: Rate::default(),
            next,
        },
    )
    .to_plain()
}

#[test]
fn a_plan_is_one_line_per_object() {
    insta::assert_snapshot!(screen(Detail::Objects));
}

#[test]
fn a_plan_with_its_fields() {
    insta::assert_snapshot!(screen(Detail::Fields));
}

#[test]
fn a_plan_with_everything() {
    insta::assert_snapshot!(screen(Detail::Full));
}

#[test]
fn nothing_from_an_org_drives_the_terminal() {
    for detail in [Detail::Objects, Detail::Fields, Detail::Full] {
        assert!(!screen(detail).contains(|c: char| c.is_control() && c != '\n'));
    }
}

#[test]
fn a_plan_with_nothing_to_do_says_so() {
    let (source, _) = orgs();
    let plan = plan_with(Options::default(), &source, &source.snapshot());
    let text = plan_screen(
        &plan,
        &Screen {
            detail: Detail::Objects,
            rate: Rate::default(),
            next: None,
        },
    );
    assert!(
        text.to_plain().contains("Total nothing to do, "),
        "{}",
        text.to_plain()
    );
    assert!(
        text.lines()
            .iter()
            .flatten()
            .all(|span| !matches!(span.style, Style::Error | Style::Command))
    );
}

#[test]
fn markdown_tells_as_much_as_fits() {
    let plan = plan();
    let whole = plan_markdown(&plan, 65_536);
    insta::assert_snapshot!(whole);
    let mut last = whole.len();
    for limit in [whole.len() - 1, 500, 120, 10, 0] {
        let text = plan_markdown(&plan, limit);
        assert!(
            text.len() <= limit && text.len() < last + 1,
            "{limit}: {text}"
        );
        assert_eq!(
            text.matches("<details>").count(),
            text.matches("</details>").count(),
            "{limit}"
        );
        last = text.len();
    }
}

#[test]
fn a_difference_is_shown_with_its_lines() {
    let (mut one, mut two) = orgs();
    let prompts = |names: &[(&str, &str)]| flow_source("inqueuecall/Wait", None, names);
    one.add_flow("inqueuecall/Wait", &prompts(&[("targetQueue", "Support")]));
    two.add_flow(
        "inqueuecall/Wait",
        &prompts(&[("targetQueue", "Sales"), ("holdMusic", "Prompt.Hold")]),
    );
    let found = Comparison::new(Catalogue::builtin(), &bundle(&one), &bundle(&two));
    insta::assert_snapshot!(diff_screen(&found, Detail::Fields).to_plain());
    let none = Comparison::new(Catalogue::builtin(), &bundle(&one), &bundle(&one));
    assert!(none.is_empty());
}
