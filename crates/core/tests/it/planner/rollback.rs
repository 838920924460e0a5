//! What a run did is undone: nothing of it is left, and nothing else is touched.

use std::collections::BTreeMap;

use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::id::{RunId, StepId};
use orgsmith_core::journal::StepState;
use orgsmith_core::plan::{Action, Options, Plan};
use orgsmith_core::rollback::Undo;
use orgsmith_core::select::Selection;
use orgsmith_core::snapshot::Snapshot;
use orgsmith_core::testing::{Org, example, flow_source};
use serde_json::{Value, json};

use super::cases::{empty, to};
use super::model::Model;
use super::{bundle, plan, plan_with, step_ids};

fn all_done(plan: &Plan) -> BTreeMap<StepId, StepState> {
    first_done(plan, plan.steps.len())
}

fn first_done(plan: &Plan, done: usize) -> BTreeMap<StepId, StepState> {
    let done = plan.steps.iter().take(done).map(|step| {
        let state = StepState::Done {
            id: None,
            version: None,
        };
        (step.id.clone(), state)
    });
    done.collect()
}

fn undo(run: &Plan, states: &BTreeMap<StepId, StepState>, now: &Snapshot, force: bool) -> Plan {
    let catalogue = Catalogue::builtin();
    let everything = Selection::parse(catalogue, &Vec::<String>::new(), &[]).expect("everything");
    // Through a file, as every plan of a run comes.
    let text = serde_json::to_string(run).expect("a plan");
    let run: Plan = serde_json::from_str(&text).expect("a plan");
    let undo = Undo::new(RunId::new("r1"), &run, states, &everything).expect("images");
    undo.plan(catalogue, now, &Options::default(), force)
}

fn portable(snapshot: &Snapshot) -> Bundle {
    let (mut bundle, _) = snapshot.to_bundle(Catalogue::builtin(), &BTreeMap::new());
    bundle.gaps.clear();
    bundle
}

/// Carries a plan out on a copy of an org, undoes it, and returns what is there then.
fn there_and_back(run: &Plan, target: &Snapshot) -> (Plan, Bundle) {
    let mut model = Model::new(target.clone());
    model.apply(run, 1);
    let back = undo(run, &all_done(run), &model.snapshot(), false);
    assert_eq!(back.conflicts, [], "{:#?}", back.conflicts);
    model.apply(&back, 2);
    (back, portable(&model.snapshot()))
}

#[test]
fn a_clone_is_undone_whatever_refers_to_whatever() {
    let source = example("one", "Acme");
    let target = empty().snapshot();
    let run = plan(&source, &target);
    let (back, left) = there_and_back(&run, &target);
    assert!(back.undoes.is_some());
    assert_eq!(left, portable(&target), "{:#?}", step_ids(&back));
    let deletes = back.steps.iter().filter(|s| s.action == Action::Delete);
    let creates = run.steps.iter().filter(|s| s.action == Action::Create);
    assert_eq!(deletes.count(), creates.count());
}

#[test]
fn what_was_changed_gets_back_what_it_had() {
    let source = example("one", "Acme");
    let mut target = example("two", "Beta Ltd");
    target.change("routing_queue/Sales", |queue| {
        queue["description"] = "as it was".into();
        queue["members"] = json!([]);
    });
    target.change("user/ada@example.com", |user| user["title"] = "Boss".into());
    let target = target.snapshot();
    let run = plan(&source, &target);
    assert!(!run.is_empty());
    let (_, left) = there_and_back(&run, &target);
    assert_eq!(left, portable(&target));
}

#[test]
fn what_had_no_value_has_none_again() {
    let mut source = Org::new("one", "Acme");
    source.add("routing_queue/Sales", json!({"description": "new", "acwSettings": {"timeoutMs": 1000, "wrapupPrompt": "OPTIONAL"}}));
    source.add("location/Berlin", json!({"notes": "new"}));
    let mut target = empty();
    target.add(
        "routing_queue/Sales",
        json!({"acwSettings": {"wrapupPrompt": "OPTIONAL"}}),
    );
    target.add("location/Berlin", json!({}));
    let target = target.snapshot();
    let run = plan(&source, &target);
    assert_eq!(run.steps.len(), 2, "{:?}", step_ids(&run));
    let (back, left) = there_and_back(&run, &target);
    assert_eq!(left, portable(&target));
    assert_eq!(back.findings, []);
}

#[test]
fn a_flow_gets_back_its_source() {
    let key = "inboundcall/Main";
    let mut source = Org::new("one", "Acme");
    source.add("routing_queue/Sales", json!({}));
    source.add_flow(
        key,
        &flow_source(key, Some("Acme"), &[("targetQueue", "Sales")]),
    );
    let mut target = empty();
    target.add_flow(key, &flow_source(key, Some("Beta Ltd"), &[]));
    let target = target.snapshot();
    let run = plan(&source, &target);
    let (back, left) = there_and_back(&run, &target);
    assert_eq!(left, portable(&target));
    assert_eq!(
        step_ids(&back),
        ["flow/inboundcall/Main:update", "routing_queue/Sales:delete"]
    );
}

#[test]
fn what_was_deleted_is_there_again_and_what_refers_to_it_follows() {
    let mut source = Org::new("one", "Acme");
    source.add("architect_schedules/Kept", json!({}));
    source.add(
        "architect_schedulegroups/Kept",
        json!({"openSchedules": [to("architect_schedules/Kept")]}),
    );
    let mut target = empty();
    target.add("architect_schedules/Kept", json!({}));
    target.add("architect_schedules/Old", json!({}));
    target.add(
        "architect_schedulegroups/Kept",
        json!({"openSchedules": [to("architect_schedules/Kept"), to("architect_schedules/Old")]}),
    );
    let target = target.snapshot();
    let options = Options {
        prune: true,
        ..Options::default()
    };
    let run = plan_with(options, &source, &target);
    let (back, left) = there_and_back(&run, &target);
    assert_eq!(left, portable(&target));
    assert_eq!(
        step_ids(&back),
        [
            "architect_schedules/Old:create",
            "architect_schedulegroups/Kept:update"
        ]
    );
}

#[test]
fn what_somebody_changed_since_is_left_alone_unless_forced() {
    let mut source = Org::new("one", "Acme");
    source.add("routing_queue/New", json!({"description": "ours"}));
    source.add("routing_queue/Old", json!({"description": "ours"}));
    source.add("routing_queue/Quiet", json!({"description": "ours"}));
    let mut target = empty();
    target.add("routing_queue/Old", json!({"description": "theirs"}));
    target.add("routing_queue/Quiet", json!({"description": "theirs"}));
    let target = target.snapshot();
    let run = plan(&source, &target);
    let mut model = Model::new(target);
    model.apply(&run, 1);
    let mut now = model.snapshot();
    let queues = now
        .objects
        .get_mut(&orgsmith_core::id::Kind::new("routing_queue"));
    for queue in queues.expect("queues") {
        let mut open = queue.open();
        if open.body["name"] != "Quiet" {
            open.body["description"] = Value::from("somebody's");
            *queue = open.into();
        }
    }
    let back = undo(&run, &all_done(&run), &now, false);
    assert_eq!(step_ids(&back), ["routing_queue/Quiet:update"]);
    let told: Vec<String> = back
        .conflicts
        .iter()
        .map(|conflict| format!("{}: {}", conflict.object, conflict.reason))
        .collect();
    let reason = "somebody changed it since: description; --force undoes it all the same";
    assert_eq!(
        told,
        [
            format!("routing_queue/New: {reason}"),
            format!("routing_queue/Old: {reason}")
        ]
    );
    let forced = undo(&run, &all_done(&run), &now, true);
    assert_eq!(
        step_ids(&forced),
        [
            "routing_queue/Old:update",
            "routing_queue/Quiet:update",
            "routing_queue/New:delete"
        ]
    );
}

#[test]
fn a_run_that_stopped_anywhere_is_undone_as_far_as_it_went() {
    let source = example("one", "Acme");
    let mut target = Org::new("two", "Beta Ltd");
    let home = to("auth_division/~home");
    target.add("routing_skill/Billing", json!({"division": home}));
    let target = target.snapshot();
    let run = plan(&source, &target);
    for done in 0..=run.steps.len() {
        let mut part = run.clone();
        part.steps.truncate(done);
        let mut model = Model::new(target.clone());
        model.apply(&part, 1);
        let back = undo(&run, &first_done(&run, done), &model.snapshot(), false);
        assert_eq!(back.conflicts, [], "after {done}: {:#?}", back.conflicts);
        model.apply(&back, 2);
        assert_eq!(
            portable(&model.snapshot()),
            portable(&target),
            "after {done}"
        );
    }
}

#[test]
fn undoing_what_is_undone_does_nothing() {
    let source = example("one", "Acme");
    let target = empty().snapshot();
    let run = plan(&source, &target);
    let back = undo(&run, &all_done(&run), &target, false);
    assert_eq!(step_ids(&back), Vec::<&str>::new());
    assert_eq!(back.conflicts, []);
    assert!(bundle(&source).documents.len() > 1);
}
