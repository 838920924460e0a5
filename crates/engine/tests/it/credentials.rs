//! Credentials that a user interface named after the id of their integration.

use orgsmith_core::bundle::Bundle;
use serde_json::{Value, json};

use crate::lab::Lab;

/// Makes an integration, and its credential as the user interface does.
fn by_hand(lab: &Lab, org: &str) -> String {
    let send = |method: &str, path: String, body: Value| {
        let path = format!("/api/v2/{path}");
        let made = lab.sim.seed(org, method, &path, body);
        made.unwrap_or_else(|error| panic!("{}", error.message))
    };
    let integration = json!({"name": "CRM", "integrationType": {"id": "custom-rest-actions"}});
    let integration = send("POST", "integrations".into(), integration);
    let id = integration["id"].as_str().expect("an id");
    let credential = json!({
        "name": format!("Integration-{id}"),
        "type": {"name": "basicAuth"},
        "credentialFields": {"userName": "u", "password": "p"},
    });
    let credential = send("POST", "integrations/credentials".into(), credential);
    let config = json!({
        "name": "CRM", "version": 1, "notes": "", "properties": {}, "advanced": {},
        "credentials": {"basicAuth": {"id": credential["id"]}},
    });
    send("PUT", format!("integrations/{id}/config/current"), config);
    id.to_owned()
}

fn credentials(bundle: &Bundle) -> Vec<String> {
    let objects = bundle.documents.keys();
    objects
        .filter(|object| object.kind.as_str() == "integration_credential")
        .map(ToString::to_string)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_named_after_an_id_is_the_same_in_every_org() {
    let lab = Lab::with_orgs(["gold", "tenant"]).await;
    let id = by_hand(&lab, "gold");
    by_hand(&lab, "tenant");
    let gold = lab.export("gold").await;
    let name = "integration_credential/basicAuth/Integration-custom-rest-actions CRM";
    assert_eq!(credentials(&gold), [name]);
    let documents = gold.documents.values();
    let told: Vec<String> = documents
        .map(|document| document.as_json().to_owned())
        .collect();
    assert!(!told.iter().any(|text| text.contains(&id)), "{told:#?}");
    let plan = lab.plan(&gold, "tenant").await;
    let steps: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    assert!(steps.is_empty(), "{steps:?}");
}
