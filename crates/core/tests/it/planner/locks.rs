//! Flows that somebody has locked in the target.

use orgsmith_core::id::Kind;
use orgsmith_core::plan::{Action, Options, Plan, Write};
use orgsmith_core::testing::{Org, flow_source};
use serde_json::json;

use super::{plan_with, step_ids};

/// A target whose flow is locked, and two sources: one with a newer flow, one without it.
fn orgs() -> (Org, Org, Org) {
    let mut newer = Org::new("one", "Acme");
    newer.add("routing_queue/Sales", json!({}));
    newer.add_flow(
        "inboundcall/Main",
        &flow_source(
            "inboundcall/Main",
            Some("Acme"),
            &[("targetQueue", "Sales")],
        ),
    );
    newer.add_flow(
        "inboundcall/Other",
        &flow_source("inboundcall/Other", Some("Acme"), &[]),
    );
    let mut without = Org::new("one", "Acme");
    without.add_flow(
        "inboundcall/Other",
        &flow_source("inboundcall/Other", Some("Acme"), &[]),
    );
    let mut target = Org::new("two", "Beta Ltd");
    for name in ["Main", "Other"] {
        let key = format!("inboundcall/{name}");
        target.add_flow(&key, &flow_source(&key, Some("Beta Ltd"), &[]));
    }
    target.change("flow/inboundcall/Main", |flow| {
        flow["lockedUser"] = json!({"id": "7", "name": "Jane Doe"});
    });
    (newer, without, target)
}

fn planned(source: &Org, target: &Org, prune: bool, unlock: bool) -> Plan {
    let options = Options {
        prune,
        unlock,
        ..Options::default()
    };
    plan_with(options, source, &target.snapshot())
}

const REASON: &str = "Jane Doe has locked it in the target; ask them to check it in, or take the lock away with --unlock";

#[test]
fn a_locked_flow_that_differs_is_left_alone() {
    let (newer, _, target) = orgs();
    let plan = planned(&newer, &target, false, false);
    assert_eq!(step_ids(&plan), ["routing_queue/Sales:create"]);
    let [conflict] = &plan.conflicts[..] else {
        panic!("{:?}", plan.conflicts)
    };
    assert_eq!(conflict.object.to_string(), "flow/inboundcall/Main");
    assert_eq!(conflict.reason, REASON);
}

#[test]
fn a_locked_flow_is_unlocked_before_it_is_written() {
    let (newer, _, target) = orgs();
    let plan = planned(&newer, &target, false, true);
    let flow = Kind::new("flow");
    let steps: Vec<_> = plan
        .steps
        .iter()
        .filter(|s| s.object.kind == flow)
        .collect();
    let [unlock, update] = &steps[..] else {
        panic!("{:?}", step_ids(&plan))
    };
    assert_eq!(unlock.id.as_str(), "flow/inboundcall/Main:unlock");
    assert_eq!(update.id.as_str(), "flow/inboundcall/Main:update");
    assert!(update.after.contains(&unlock.id), "{:?}", update.after);
    let Write::Request(request) = &unlock.write else {
        panic!("{unlock:?}")
    };
    assert_eq!(request.path, "/api/v2/flows/actions/unlock");
    assert_eq!(plan.conflicts, []);
}

#[test]
fn a_lock_on_a_flow_that_is_equal_matters_to_nobody() {
    let (_, _, target) = orgs();
    let plan = planned(&target, &target, false, true);
    assert_eq!(step_ids(&plan), Vec::<&str>::new());
    assert_eq!(plan.conflicts, []);
}

#[test]
fn a_locked_flow_is_deleted_only_when_it_may_be_unlocked() {
    let (_, without, target) = orgs();
    let plan = planned(&without, &target, true, false);
    assert_eq!(step_ids(&plan), Vec::<&str>::new());
    assert_eq!(plan.conflicts[0].reason, REASON);
    let plan = planned(&without, &target, true, true);
    assert_eq!(
        step_ids(&plan),
        [
            "flow/inboundcall/Main:unlock",
            "flow/inboundcall/Main:delete"
        ]
    );
    assert_eq!(plan.steps[1].action, Action::Delete);
    assert_eq!(plan.steps[1].after, [plan.steps[0].id.clone()]);
}
