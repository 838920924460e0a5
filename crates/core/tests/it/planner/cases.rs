use orgsmith_core::testing::{Org, example};

use super::{bundle, plan, plan_after, step_ids};

#[test]
fn an_org_and_itself_differ_in_nothing() {
    let org = example("one", "Acme");
    let plan = plan(&org, &org.snapshot());
    assert_eq!(step_ids(&plan), Vec::<&str>::new());
    assert_eq!(
        (plan.conflicts, plan.gaps, plan.findings),
        (vec![], vec![], vec![])
    );
}

#[test]
fn an_empty_org_becomes_equal_and_stays_so() {
    let source = example("one", "Acme");
    let mut target = Org::new("two", "Beta Ltd");
    target.add(
        "telephony_providers_edges_did_pool/+4930100/+4930199",
        serde_json::json!({"startPhoneNumber": "+4930100", "endPhoneNumber": "+4930199"}),
    );
    let target = target.snapshot();
    let first = plan(&source, &target);
    assert_eq!(first.conflicts, []);
    let created = first
        .counts
        .values()
        .map(|counts| counts.create)
        .sum::<usize>();
    let present = 4; // the home division, the default role, the utilization, the DID pool
    assert_eq!(created, bundle(&source).documents.len() - present);
    for seed in 0..20 {
        let again = plan_after(&source, target.clone(), &first, seed);
        assert_eq!(step_ids(&again), Vec::<&str>::new(), "{:#?}", again.steps);
    }
}
