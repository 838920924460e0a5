//! What is a draft until somebody publishes it.

use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::plan::Plan;
use orgsmith_core::select::Selection;
use serde_json::{Value, json};

use crate::lab::{Lab, example, told};

/// Returns the examples of some kinds and of what they refer to.
fn examples(kinds: &[&str]) -> Bundle {
    let terms: Vec<String> = kinds.iter().map(|kind| format!("kind={kind}")).collect();
    let selection = Selection::parse(Catalogue::builtin(), &terms, &[])
        .expect("kinds")
        .with_dependencies(true);
    let mut bundle = selection
        .apply(example("every-kind"), Catalogue::builtin())
        .expect("a selection");
    bundle.selection.clear();
    bundle
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.as_str()).collect()
}

/// Says something else in an object, carries it out, and finds nothing left to do.
async fn change(lab: &Lab, bundle: &mut Bundle, object: &str, field: &str, value: Value) -> Plan {
    let object = object.parse().expect("an object");
    let mut document = bundle.documents[&object].open();
    document.body.insert(field.to_owned(), value);
    bundle.insert(document);
    let plan = lab.plan(bundle, "a").await;
    let finished = lab.run(&plan, "a").await;
    assert!(finished.outcome.is_complete(), "{}", told(&plan, &finished));
    let again = lab.plan(bundle, "a").await;
    assert!(again.is_empty(), "{:?}", ids(&again));
    plan
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_is_published_once_behind_itself_and_its_variations() {
    let lab = Lab::with_orgs(["a"]).await;
    let mut bundle = examples(&["knowledge_document_variation"]);
    let document = "knowledge_document/Example/en-US/Example";
    let variation = "knowledge_document_variation/Example/en-US/Example/Example";
    let plan = lab.plan(&bundle, "a").await;
    let last = plan.steps.last().expect("steps");
    assert_eq!(last.id.as_str(), format!("{document}:publish"));
    let after: Vec<&str> = last.after.iter().map(|id| id.as_str()).collect();
    let both = [format!("{document}:create"), format!("{variation}:create")];
    assert_eq!(after, both);
    lab.apply(&bundle, "a").await;

    let plan = change(&lab, &mut bundle, variation, "priority", json!(5)).await;
    let both = [format!("{variation}:update"), format!("{document}:publish")];
    assert_eq!(ids(&plan), both);

    // The variation alone says enough: its document is published in the target.
    bundle
        .documents
        .retain(|object, _| object.kind.as_str() == "knowledge_document_variation");
    let plan = change(&lab, &mut bundle, variation, "priority", json!(6)).await;
    assert_eq!(ids(&plan), both);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_is_to_be_a_draft_is_not_published() {
    let lab = Lab::with_orgs(["a"]).await;
    let mut bundle = examples(&["knowledge_document_variation"]);
    let document = "knowledge_document/Example/en-US/Example";
    let plan = change(&lab, &mut bundle, document, "state", json!("Draft")).await;
    assert!(!ids(&plan).iter().any(|id| id.ends_with(":publish")));

    let plan = change(&lab, &mut bundle, document, "state", json!("Published")).await;
    assert_eq!(ids(&plan), [format!("{document}:publish")]);

    // What is published cannot be taken back, and a person is told so.
    let plan = change(&lab, &mut bundle, document, "state", json!("Draft")).await;
    assert!(plan.is_empty());
    assert!(plan.findings.iter().any(|f| f.rule == "stays-published"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_case_plan_becomes_a_draft_before_its_first_change() {
    let lab = Lab::with_orgs(["a"]).await;
    let mut bundle = examples(&["case_management_caseplan"]);
    lab.apply(&bundle, "a").await;
    let object = "case_management_caseplan/Example";
    let settings = json!([{"property": "reason_text", "required": false, "displayOrder": 1}]);
    let mut document = bundle.documents[&object.parse().expect("an object")].open();
    document
        .body
        .insert("description".into(), json!("Otherwise"));
    bundle.insert(document);
    let plan = change(&lab, &mut bundle, object, "intakeSettings", settings).await;
    let steps = ids(&plan);
    assert_eq!(steps.first(), Some(&&*format!("{object}:open")));
    assert_eq!(steps.last(), Some(&&*format!("{object}:publish")));
    assert_eq!(steps.len(), 4, "{steps:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_guide_is_a_new_version_that_is_made_ready() {
    let lab = Lab::with_orgs(["a"]).await;
    let mut bundle = examples(&["guide_version"]);
    lab.apply(&bundle, "a").await;
    let object = "guide_version/Example";
    let plan = change(&lab, &mut bundle, object, "instruction", json!("Ask.")).await;
    let both = [format!("{object}:update"), format!("{object}:publish")];
    assert_eq!(ids(&plan), both);
    let ready = lab
        .writes("a")
        .into_iter()
        .any(|entry| entry.path.ends_with("/versions/2/jobs"));
    assert!(ready, "the new version is the one that is made ready");
}
