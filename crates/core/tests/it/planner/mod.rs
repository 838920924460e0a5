//! The planner against example orgs, with the catalogue of the product.

mod cases;
mod drift;
mod graphs;
mod kept;
mod locks;
mod model;
mod one_place;
mod parts;
mod prune;
mod rollback;
mod screens;
mod unread;

use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::checks::{Brake, check, foreign_ids};
use orgsmith_core::plan::{Options, Plan, Planner};
use orgsmith_core::snapshot::Snapshot;
use orgsmith_core::testing::Org;

use model::Model;

pub fn bundle(org: &Org) -> Bundle {
    org.snapshot()
        .to_bundle(Catalogue::builtin(), &Default::default())
        .0
}

pub fn plan_with(options: Options, source: &Org, target: &Snapshot) -> Plan {
    Planner::new(Catalogue::builtin(), options).plan(&bundle(source), target)
}

/// Plans, and judges the plan: nothing of the source in it, every step behind those it needs.
pub fn plan(source: &Org, target: &Snapshot) -> Plan {
    let plan = plan_with(Options::default(), source, target);
    judge(plan, source, target)
}

pub fn judge(plan: Plan, source: &Org, target: &Snapshot) -> Plan {
    let source = source.snapshot();
    let ids: Vec<&str> = foreign_ids(source.ids(), target);
    match check(plan, ids, Brake::Forced) {
        Ok(checked) => checked.plan().clone(),
        Err(rejected) => panic!("{rejected}\n{:#?}", rejected.plan.steps),
    }
}

/// Applies a plan to a target and plans again.
pub fn plan_after(source: &Org, target: Snapshot, plan: &Plan, seed: u64) -> Plan {
    let mut model = Model::new(target);
    model.apply(plan, seed);
    self::plan(source, &model.snapshot())
}

pub fn step_ids(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.as_str()).collect()
}
