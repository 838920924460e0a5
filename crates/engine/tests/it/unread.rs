//! What may not be read, or fails to be read, is not known: nothing is done about it.

use orgsmith_core::bundle::Bundle;
use orgsmith_core::plan::Plan;
use orgsmith_sim::{FaultAction, FaultRule};

use serde_json::json;

use crate::lab::{Lab, sketch};

/// Makes two equal orgs.
async fn equal_orgs() -> Lab {
    let lab = Lab::with_orgs(["gold", "tenant"]).await;
    lab.apply(&sketch(), "gold").await;
    lab.apply(&sketch(), "tenant").await;
    lab
}

/// Makes reading an org fail at a path, and nowhere else.
fn forbid(lab: &Lab, org: &str, method: &str, path: &str) {
    let action = FaultAction::Status {
        status: 403,
        retry_after_s: None,
    };
    lab.sim.clear_faults();
    lab.sim
        .add_fault(FaultRule::new(action).on(method, path).org(org));
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.as_str()).collect()
}

/// Reads of which each may fail.
const READS: [(&str, &str); 10] = [
    ("GET", "/api/v2/users"),
    ("GET", "/api/v2/groups"),
    ("GET", "/api/v2/routing/queues"),
    ("GET", "/api/v2/routing/queues/*/members"),
    ("GET", "/api/v2/routing/queues/*/wrapupcodes"),
    ("GET", "/api/v2/routing/skills"),
    ("GET", "/api/v2/flows"),
    ("GET", "/api/v2/flows/datatables/*/rows"),
    ("GET", "/api/v2/integrations/*/config/current"),
    ("POST", "/api/v2/flows/export/jobs"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_in_the_target_is_neither_created_nor_emptied() {
    let lab = equal_orgs().await;
    for (method, path) in READS {
        forbid(&lab, "tenant", method, path);
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
    for (method, path) in READS {
        forbid(&lab, "gold", method, path);
        let gold: Bundle = lab.export("gold").await;
        assert!(!gold.gaps.is_empty(), "{path}");
        let plan = lab.plan(&gold, "tenant").await;
        assert_eq!(ids(&plan), Vec::<&str>::new(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_of_the_target_that_was_never_published_gets_its_source() {
    let lab = Lab::with_orgs(["gold"]).await;
    let flow = json!({"name": "Wait", "type": "INQUEUECALL"});
    lab.sim
        .seed("gold", "POST", "/api/v2/flows", flow)
        .expect("a flow");
    let plan = lab.apply(&sketch(), "gold").await;
    let flows: Vec<&str> = ids(&plan)
        .into_iter()
        .filter(|step| step.starts_with("flow/"))
        .collect();
    assert_eq!(flows, ["flow/inqueuecall/Wait:update"]);
    assert!(lab.plan(&sketch(), "gold").await.is_empty());
}
