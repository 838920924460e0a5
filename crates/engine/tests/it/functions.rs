//! Data actions that run code, which no org gives back.

use std::io::Write as _;

use futures::{StreamExt, stream};
use orgsmith_core::bundle::Bundle;
use orgsmith_core::document::Portable;
use orgsmith_core::id::ObjectRef;
use orgsmith_core::plan::{Action, FUNCTION_CODE, Plan};
use orgsmith_sim::{FaultAction, FaultRule};
use serde_json::{Value, json};

use crate::lab::{Lab, edit, told};

const ACTION: &str = "integration_action/function-data-actions/Code/Pricing/Quote";

/// Packs a file of code.
pub fn zip(code: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("index.js", options).expect("a file");
    zip.write_all(code.as_bytes()).expect("code");
    zip.finish().expect("an archive").into_inner()
}

/// Returns an integration with one action that runs a function.
pub fn bundle(code: Option<&[u8]>) -> Bundle {
    let mut bundle = Bundle::default();
    bundle.source.org_name = "sketch".to_owned();
    let schema = json!({
        "$schema": "http://json-schema.org/draft-04/schema#", "title": "Quote", "type": "object",
        "properties": {"price": {"type": "number"}}, "additionalProperties": true,
    });
    let objects = [
        (
            "integration/function-data-actions/Code",
            json!({
                "name": "Code", "integrationType": {"id": "function-data-actions"},
                "intendedState": "ENABLED",
                "config": {"name": "Code", "notes": "", "properties": {}, "advanced": {}, "credentials": {}},
            }),
        ),
        (
            ACTION,
            json!({
                "name": "Quote", "category": "Pricing", "secure": false,
                "integrationId": {"$ref": "integration/function-data-actions/Code"},
                "contract": {"input": {"inputSchema": schema}, "output": {"successSchema": schema}},
                "config": {
                    "request": {"requestType": "POST", "requestTemplate": "${input.rawRequest}", "headers": {}},
                    "response": {"successTemplate": "${rawResult}", "translationMap": {}, "translationMapDefaults": {}},
                },
                "function": {
                    "description": "Says what it costs", "handler": "index.handler",
                    "runtime": "nodejs22.x", "timeoutSeconds": 10,
                },
            }),
        ),
    ];
    for (object, body) in objects {
        let object: ObjectRef = object.parse().expect("a reference");
        let body = body.as_object().cloned().expect("an object");
        bundle.insert(Portable {
            object,
            body,
            files: Default::default(),
        });
    }
    if let Some(code) = code {
        put_code(&mut bundle, code);
    }
    bundle
}

fn put_code(bundle: &mut Bundle, code: &[u8]) {
    let object: ObjectRef = ACTION.parse().expect("a reference");
    let mut document = bundle.documents[&object].open();
    document.files.insert(FUNCTION_CODE.to_owned(), code.into());
    bundle.insert(document);
}

fn changed(plan: &Plan) -> Vec<&str> {
    let changes = plan.steps.iter().flat_map(|step| &step.changes);
    changes.map(|change| &*change.path).collect()
}

/// Returns how often a path was asked for, by its end.
fn asked(lab: &Lab, method: &str, end: &str) -> usize {
    let ledger = lab.sim.ledger();
    let calls = ledger
        .iter()
        .filter(|entry| entry.method == method && entry.path.ends_with(end));
    calls.count()
}

/// Returns the function that the only action of an org with one runs.
fn function(lab: &Lab, org: &str) -> Value {
    let actions = lab.sim.kept(org, "action");
    let mut with: Vec<&Value> = actions
        .iter()
        .filter(|action| action["name"] == "Quote")
        .collect();
    let only = with.pop().expect("the action");
    assert!(with.is_empty(), "there are several");
    assert_eq!(only.get("$draft"), None, "a draft was left behind");
    assert_eq!(only["$published"], true);
    only["$function"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_arrives_with_the_code_that_stands_beside_it() {
    let lab = Lab::with_orgs(["a", "b"]).await;
    let code = zip("exports.handler = async () => ({price: 1});");
    let whole = bundle(Some(&code));
    lab.apply(&whole, "a").await;
    let there = function(&lab, "a");
    assert_eq!(there["settings"]["handler"], "index.handler");
    assert_eq!(there["zip"]["status"], "Available");
    assert!(
        lab.plan(&whole, "a").await.is_empty(),
        "what the code is called says enough"
    );

    // The settings travel, the code does not.
    let mut exported = lab.export("a").await;
    let object: ObjectRef = ACTION.parse().expect("a reference");
    let document = exported.documents[&object].open();
    assert_eq!(
        document.body["function"],
        bundle(None).documents[&object].open().body["function"]
    );
    assert!(document.files.is_empty());
    assert!(lab.plan(&exported, "a").await.is_empty());
    let plan = lab.plan(&exported, "b").await;
    let [conflict] = &plan.conflicts[..] else {
        panic!("{:?}", plan.conflicts)
    };
    assert_eq!(conflict.object, object);
    assert!(
        conflict.reason.contains(FUNCTION_CODE),
        "{}",
        conflict.reason
    );
    put_code(&mut exported, &code);
    lab.apply(&exported, "b").await;
    assert!(lab.plan(&exported, "b").await.is_empty());
    assert_eq!(function(&lab, "b")["zip"]["name"], there["zip"]["name"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_differs_is_written_and_what_is_equal_is_kept() {
    let lab = Lab::with_orgs(["a"]).await;
    let code = zip("one");
    let mut desired = bundle(Some(&code));
    lab.apply(&desired, "a").await;
    let uploads = asked(&lab, "POST", "/draft/function/upload");
    assert_eq!(uploads, 1);

    // Other settings.
    let mut settings = json!({"handler": "index.other"});
    edit(&mut desired, ACTION, "function", settings.clone());
    let plan = lab.apply(&desired, "a").await;
    assert_eq!(changed(&plan), ["function.handler"]);
    assert_eq!(function(&lab, "a")["settings"]["timeoutSeconds"], 10);
    assert_eq!(asked(&lab, "POST", "/draft/function/upload"), uploads);

    // Another contract: the function goes along.
    let mut contract = bundle(None).documents[&ACTION.parse().expect("a reference")]
        .field("contract")
        .expect("it has one");
    contract["output"]["successSchema"]["title"] = "Price".into();
    edit(&mut desired, ACTION, "contract", contract);
    let plan = lab.apply(&desired, "a").await;
    assert_eq!(changed(&plan), ["contract.output.successSchema.title"]);
    assert_eq!(function(&lab, "a")["settings"]["handler"], "index.other");

    // Other code, and other settings with it: one step, and one action.
    put_code(&mut desired, &zip("two"));
    settings["runtime"] = "nodejs20.x".into();
    edit(&mut desired, ACTION, "function", settings);
    let before = function(&lab, "a")["zip"]["name"].clone();
    let plan = lab.apply(&desired, "a").await;
    assert_eq!(changed(&plan), ["function.runtime", "function.code"]);
    assert_eq!(plan.steps[0].changes[1].old, Some(before));
    assert!(plan.steps.iter().all(|step| step.action == Action::Update));
    assert_eq!(asked(&lab, "POST", "/draft/function/upload"), uploads + 1);
    assert!(lab.plan(&desired, "a").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_that_cannot_run_is_told_of_and_never_published() {
    let lab = Lab::with_orgs(["a"]).await;
    let plan = lab.plan(&bundle(Some(b"no archive")), "a").await;
    assert!(
        plan.conflicts[0].reason.contains("not a zip archive"),
        "{:?}",
        plan.conflicts
    );

    let broken = bundle(Some(b"PK\x03\x04 and nothing more"));
    let plan = lab.plan(&broken, "a").await;
    let finished = lab.run(&plan, "a").await;
    let said = told(&plan, &finished);
    assert!(
        said.contains("InvalidFile: The file is no zip archive"),
        "{said}"
    );
    assert!(
        lab.export("a")
            .await
            .documents
            .keys()
            .all(|object| object.to_string() != ACTION)
    );

    // The draft that was begun is taken up by the next try.
    lab.apply(&bundle(Some(&zip("whole"))), "a").await;
    assert_eq!(function(&lab, "a")["zip"]["status"], "Available");
    assert_eq!(asked(&lab, "POST", "/actions/drafts"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_actions_of_the_function_integration_are_asked_for_a_function() {
    let lab = Lab::with_orgs(["a"]).await;
    let mut desired = bundle(Some(&zip("one")));
    desired.documents.extend(
        crate::lab::example("every-kind")
            .documents
            .into_iter()
            .filter(|(object, _)| {
                matches!(
                    object.kind.as_str(),
                    "integration" | "integration_action" | "integration_credential"
                )
            }),
    );
    lab.apply(&desired, "a").await;
    let before = asked(&lab, "GET", "/function");
    lab.export("a").await;
    assert_eq!(asked(&lab, "GET", "/function"), before + 1);

    let object = "integration_action/custom-rest-actions/Example/Example/Example";
    edit(&mut desired, object, "function", json!({"handler": "x"}));
    let plan = lab.plan(&desired, "a").await;
    assert!(
        plan.conflicts[0].reason.contains("not of the type"),
        "{:?}",
        plan.conflicts
    );
}

/// A call whose answer is lost, or that is never done, is made good without a second action.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_interrupted_anywhere_is_there_once() {
    let calls = [
        ("POST", "/api/v2/integrations/actions/drafts"),
        ("POST", "*/draft/function/upload"),
        ("PUT", "/sim-storage/*"),
        ("GET", "*/draft/function"),
        ("PUT", "*/draft/function"),
        ("GET", "*/draft"),
        ("POST", "*/draft/publish"),
        ("POST", "*/draft"),
        ("PATCH", "*/draft"),
    ];
    let lost = calls.map(|(method, path)| FaultRule::new(FaultAction::ResetAfter).on(method, path));
    let unsent = [calls[0], calls[2], calls[6]];
    let unsent =
        unsent.map(|(method, path)| FaultRule::new(FaultAction::ResetBefore).on(method, path));
    let cases = lost.into_iter().chain(unsent);
    // Most of a case is waiting.
    stream::iter(cases)
        .for_each_concurrent(9, |rule| async move {
            let lab = Lab::with_orgs(["a"]).await;
            for code in ["one", "two"] {
                let desired = bundle(Some(&zip(code)));
                let plan = lab.plan(&desired, "a").await;
                lab.sim.add_fault(rule.clone().times(1));
                let finished = lab.run(&plan, "a").await;
                lab.sim.clear_faults();
                let said = || format!("{rule:?} {code}: {}", told(&plan, &finished));
                assert!(finished.outcome.is_complete(), "{}", said());
                assert!(lab.plan(&desired, "a").await.is_empty(), "{}", said());
                assert_eq!(
                    function(&lab, "a")["zip"]["status"],
                    "Available",
                    "{}",
                    said()
                );
            }
            let ledger = lab.sim.ledger();
            assert!(
                ledger.iter().any(|entry| entry.fault.is_some()),
                "{rule:?} never struck"
            );
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_of_an_ordinary_action_changes_through_a_draft() {
    let lab = Lab::with_orgs(["a"]).await;
    let mut desired = crate::lab::example("every-kind");
    let object = "integration_action/custom-rest-actions/Example/Example/Example";
    desired.documents.retain(|object, _| {
        matches!(
            object.kind.as_str(),
            "integration" | "integration_action" | "integration_credential"
        )
    });
    lab.apply(&desired, "a").await;
    let mut contract = desired.documents[&object.parse().expect("a reference")]
        .field("contract")
        .expect("it has one");
    contract["input"]["inputSchema"]["properties"]["country"] = json!({"type": "string"});
    edit(&mut desired, object, "contract", contract);
    let plan = lab.apply(&desired, "a").await;
    assert_eq!(
        changed(&plan),
        ["contract.input.inputSchema.properties.country"]
    );
    assert!(lab.plan(&desired, "a").await.is_empty());
}
