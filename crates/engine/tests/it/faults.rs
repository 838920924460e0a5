//! A service that fails: the run converges, or stops with a reason, and doubles nothing.

use orgsmith_sim::{FaultAction, FaultRule};

use crate::lab::{Lab, sketch, told};

/// Applies the sketch while a fault strikes, and again until nothing is left to do.
async fn converges(rule: FaultRule) {
    let lab = Lab::with_orgs(["gold"]).await;
    let bundle = sketch();
    let plan = lab.plan(&bundle, "gold").await;
    lab.sim.add_fault(rule.clone());
    let finished = lab.run(&plan, "gold").await;
    lab.sim.clear_faults();
    if !finished.outcome.is_complete() {
        let told = told(&plan, &finished);
        let again = lab.resume(&finished.run, "gold").await;
        assert!(
            again.outcome.is_complete(),
            "{rule:?}\n{told}\nthen {:?}",
            again.outcome
        );
    }
    lab.expect_no_double("gold");
    let left = lab.plan(&bundle, "gold").await;
    assert!(left.is_empty(), "{rule:?}: {:#?}", left.steps);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_after_the_work_was_done_doubles_nothing() {
    for path in [
        "/api/v2/routing/*",
        "/api/v2/users*",
        "/api/v2/groups*",
        "/api/v2/*",
    ] {
        converges(
            FaultRule::new(FaultAction::ResetAfter)
                .on("POST", path)
                .times(5),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_before_the_work_is_made_good() {
    converges(
        FaultRule::new(FaultAction::ResetBefore)
            .on("POST", "/api/v2/*")
            .times(7),
    )
    .await;
    converges(
        FaultRule::new(FaultAction::ResetBefore)
            .on("PUT", "/api/v2/*")
            .times(3),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_at_random_lose_nothing() {
    for seed in 0..6 {
        let rule = FaultRule::new(FaultAction::ResetAfter).on("POST", "/api/v2/*");
        converges(rule.probability(0.2, seed)).await;
        let rule = FaultRule::new(FaultAction::Status {
            status: 503,
            retry_after_s: None,
        })
        .on("POST", "/api/v2/*");
        converges(rule.probability(0.2, seed)).await;
    }
}
