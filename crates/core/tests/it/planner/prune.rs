//! What is deleted, and what is not.

use orgsmith_core::bundle::{Bundle, Gap};
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::document::Portable;
use orgsmith_core::id::{Kind, ObjectRef};
use orgsmith_core::plan::{Action, Options, Planner};
use orgsmith_core::testing::Org;
use serde_json::json;

use super::cases::{empty, settles, step, to};
use super::{judge, plan, plan_with};

#[test]
fn what_only_the_target_has_goes_last_and_behind_what_names_it() {
    let mut source = Org::new("one", "Acme");
    source.add("routing_queue/New", json!({}));
    source.add("architect_schedules/New", json!({}));
    source.add(
        "architect_schedulegroups/New",
        json!({"openSchedules": [to("architect_schedules/New")]}),
    );
    let mut target = empty();
    target.add("architect_schedules/Old", json!({}));
    target.add(
        "architect_schedulegroups/Old",
        json!({"openSchedules": [to("architect_schedules/Old")]}),
    );
    target.add("routing_queue/Old", json!({}));
    target.add("routing_skill/Kept", json!({}));
    let target = target.snapshot();
    let without = plan(&source, &target);
    assert!(
        without
            .steps
            .iter()
            .all(|step| step.action == Action::Create)
    );

    let plan = plan_with(
        Options {
            prune: true,
            ..Options::default()
        },
        &source,
        &target,
    );
    let plan = judge(plan, &source, &target);
    let deletes: Vec<&str> = plan
        .steps
        .iter()
        .skip_while(|step| step.action != Action::Delete)
        .map(|step| step.id.as_str())
        .collect();
    // No skill is in the source, so skills are none of its business; what every org has stays.
    assert_eq!(
        deletes,
        [
            "architect_schedulegroups/Old:delete",
            "architect_schedules/Old:delete",
            "routing_queue/Old:delete"
        ]
    );
    let first = step(&plan, "architect_schedules/Old:delete");
    assert!(
        first
            .after
            .iter()
            .any(|id| id.as_str() == "architect_schedulegroups/Old:delete")
    );
    settles(&source, &target, &plan);
}

#[test]
fn what_was_not_selected_or_could_not_be_exported_is_not_deleted() {
    let mut org = empty();
    for queue in ["Sales North", "Sales South", "Support"] {
        org.add(&format!("routing_queue/{queue}"), json!({}));
    }
    let target = org.snapshot();
    let deletes = |selection: &[&str], gaps: Vec<Gap>| -> Vec<String> {
        let document = |object: &str| {
            let object: ObjectRef = object.parse().expect("a reference");
            let body = json!({"name": "Sales North"})
                .as_object()
                .cloned()
                .expect("an object");
            (
                object.clone(),
                Portable {
                    object,
                    body,
                    files: Default::default(),
                }
                .into(),
            )
        };
        let bundle = Bundle {
            selection: selection.iter().map(|text| (*text).to_owned()).collect(),
            documents: [document("routing_queue/Sales North")]
                .into_iter()
                .collect(),
            gaps,
            ..Bundle::default()
        };
        let options = Options {
            prune: true,
            ..Options::default()
        };
        let plan = Planner::new(Catalogue::builtin(), options).plan(&bundle, &target);
        let deletes = plan
            .steps
            .iter()
            .filter(|step| step.action == Action::Delete);
        deletes
            .map(|step| step.object.key.as_str().to_owned())
            .collect()
    };
    let gap = |object: &str| Gap {
        kind: Kind::new("routing_queue"),
        object: Some(object.to_owned()),
        reason: "it could not be read".to_owned(),
    };
    assert_eq!(deletes(&[], vec![]), ["Sales South", "Support"]);
    assert_eq!(deletes(&["routing_queue=Sales*"], vec![]), ["Sales South"]);
    assert_eq!(
        deletes(&["!routing_queue=Support"], vec![]),
        ["Sales South"]
    );
    assert_eq!(deletes(&[], vec![gap("Support")]), Vec::<String>::new());
    assert_eq!(
        deletes(&[], vec![gap("Sales North")]),
        ["Sales South", "Support"]
    );
}
