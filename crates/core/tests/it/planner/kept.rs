//! What a target keeps: ignored fields and protected objects.

use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::overlay::Ignored;
use orgsmith_core::path::FieldPath;
use orgsmith_core::plan::{Action, Options};
use orgsmith_core::select::Selection;
use orgsmith_core::testing::Org;
use serde_json::json;

use super::cases::{empty, step, to};
use super::{judge, plan_with, step_ids};

fn on(terms: &[&str]) -> Selection {
    Selection::parse(Catalogue::builtin(), terms, &[]).expect("terms")
}

#[test]
fn an_ignored_field_is_given_once_and_then_left_alone() {
    let mut source = Org::new("one", "Acme");
    source.add(
        "routing_queue/New",
        json!({"description": "ours", "acwSettings": {"timeoutMs": 1, "wrapupPrompt": "OPTIONAL"}}),
    );
    source.add(
        "routing_queue/Old",
        json!({"description": "ours", "acwSettings": {"timeoutMs": 1, "wrapupPrompt": "OPTIONAL"}}),
    );
    let mut target = empty();
    target.add(
        "routing_queue/Old",
        json!({"description": "theirs", "acwSettings": {"timeoutMs": 2, "wrapupPrompt": "MANDATORY"}}),
    );
    let target = target.snapshot();
    let fields = ["description", "acwSettings.timeoutMs"];
    let fields = fields.map(|text| FieldPath::parse(text).expect("a path"));
    let options = Options {
        ignored: vec![Ignored {
            on: on(&["routing_queue"]),
            fields: fields.to_vec(),
        }],
        ..Options::default()
    };
    let plan = judge(plan_with(options, &source, &target), &source, &target);
    let changes: Vec<&str> = step(&plan, "routing_queue/Old:update")
        .changes
        .iter()
        .map(|change| change.path.as_str())
        .collect();
    assert_eq!(changes, ["acwSettings.wrapupPrompt"]);
    assert_eq!(
        step(&plan, "routing_queue/New:create").action,
        Action::Create
    );
}

#[test]
fn a_protected_object_is_neither_changed_nor_deleted() {
    let mut source = Org::new("one", "Acme");
    source.add("routing_queue/VIP", json!({"description": "ours"}));
    source.add("routing_queue/VIP New", json!({"description": "ours"}));
    source.add(
        "architect_ivr/Main",
        json!({"division": to("auth_division/~home")}),
    );
    let mut target = empty();
    target.add("routing_queue/VIP", json!({"description": "theirs"}));
    target.add("routing_queue/VIP Old", json!({}));
    target.add("routing_queue/Old", json!({}));
    let target = target.snapshot();
    let options = Options {
        prune: true,
        protected: Some(on(&["routing_queue=VIP*"])),
        ..Options::default()
    };
    let plan = judge(plan_with(options, &source, &target), &source, &target);
    assert_eq!(
        step_ids(&plan),
        [
            "architect_ivr/Main:create",
            "routing_queue/VIP New:create",
            "routing_queue/Old:delete"
        ]
    );
    let told: Vec<&str> = plan
        .findings
        .iter()
        .filter(|finding| finding.rule == "protected")
        .map(|finding| finding.message.as_str())
        .collect();
    assert_eq!(
        told,
        [
            "the source has another description; it is protected, and stays as it is",
            "the source does not have it; it is protected, and stays as it is",
        ]
    );
    let counts = &plan.counts[&orgsmith_core::id::Kind::new("routing_queue")];
    assert_eq!((counts.create, counts.update, counts.delete), (1, 0, 1));
}
