//! What may not be read, or fails to be read, is not known: nothing is done about it.

use orgsmith_core::bundle::Bundle;
use orgsmith_core::plan::Plan;
use orgsmith_sim::{FaultAction, FaultRule};

use crate::lab::{Lab, sketch};

/// Makes two equal orgs.
async fn equal_orgs() -> Lab {
    let lab = Lab::with_orgs(["gold", "tenant"]).await;
    lab.apply(&sketch(), "gold").await;
    lab.apply(&sketch(), "tenant").await;
    lab
}

/// Makes reading an org fail at a path, and nowhere else.
fn forbid(lab: &Lab, org: &str, path: &str) {
    let action = FaultAction::Status {
        status: 403,
        retry_after_s: None,
    };
    lab.sim.clear_faults();
    lab.sim
        .add_fault(FaultRule::new(action).on("GET", path).org(org));
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.as_str()).collect()
}

/// Reads of which each may fail.
const READS: [&str; 9] = [
    "/api/v2/users",
    "/api/v2/groups",
    "/api/v2/routing/queues",
    "/api/v2/routing/queues/*/members",
    "/api/v2/routing/queues/*/wrapupcodes",
    "/api/v2/routing/skills",
    "/api/v2/flows",
    "/api/v2/flows/datatables/*/rows",
    "/api/v2/integrations/*/config/current",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_in_the_target_is_neither_created_nor_emptied() {
    let lab = equal_orgs().await;
    for path in READS {
        forbid(&lab, "tenant", path);
        let plan = lab.plan(&sketch(), "tenant").await;
        assert_eq!(ids(&plan), Vec::<&str>::new(), "{path}");
        assert!(
            !plan.conflicts.is_empty() && !plan.gaps.is_empty(),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_in_the_source_is_not_taken_from_the_target() {
    let lab = equal_orgs().await;
    for path in READS {
        forbid(&lab, "gold", path);
        let gold: Bundle = lab.export("gold").await;
        assert!(!gold.gaps.is_empty(), "{path}");
        let plan = lab.plan(&gold, "tenant").await;
        assert_eq!(ids(&plan), Vec::<&str>::new(), "{path}");
    }
}
