//! Data actions that run code.

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{World, text};

const ACTIONS: &str = "/api/v2/integrations/actions";

/// Begins an action of an integration; gives the path of its draft.
async fn begin(world: &World, integration_type: &str) -> String {
    let body = json!({"name": "Code", "integrationType": {"id": integration_type}});
    let integration = world.api.make("/api/v2/integrations", body).await;
    world.sim.advance(Duration::from_secs(60));
    let schema = json!({"type": "object", "properties": {}});
    let action = json!({
        "name": "Quote", "category": "Pricing", "integrationId": integration,
        "contract": {"input": {"inputSchema": schema}, "output": {"successSchema": schema}},
        "config": {
            "request": {"requestType": "POST", "requestTemplate": "${input.rawRequest}"},
            "response": {"successTemplate": "${rawResult}"},
        },
    });
    let whole = world.api.post(ACTIONS, action.clone()).await;
    if integration_type == "function-data-actions" {
        whole.refused(400, "bad.request");
    }
    let draft = world
        .api
        .post(&format!("{ACTIONS}/drafts"), action)
        .await
        .ok();
    format!("{ACTIONS}/{}/draft", text(&draft, "/id"))
}

async fn upload(world: &World, draft: &str, content: Vec<u8>, content_type: &str) -> u16 {
    let offer = json!({"fileName": "code_1.zip"});
    let offer = world
        .api
        .post(&format!("{draft}/function/upload"), offer)
        .await
        .ok();
    let mut call = world
        .api
        .http
        .clone()
        .put(text(&offer, "/url"))
        .header("Content-Type", content_type)
        .body(content);
    for (name, value) in offer["headers"].as_object().expect("headers") {
        call = call.header(name, value.as_str().expect("a text"));
    }
    call.send().await.expect("an answer").status().as_u16()
}

/// Waits until the code was looked at.
async fn looked_at(world: &World, draft: &str) -> Value {
    for _ in 0..20 {
        let shown = world.api.get(&format!("{draft}/function")).await.ok();
        if shown["zip"]["status"] != "Pending" {
            return shown;
        }
        world.sim.advance(Duration::from_secs(10));
    }
    panic!("the code is looked at for ever");
}

#[tokio::test]
async fn a_function_is_published_only_with_settings_and_code_that_can_run() {
    let world = World::start().await;
    let draft = begin(&world, "function-data-actions").await;
    let function = format!("{draft}/function");
    let publish = format!("{draft}/publish");
    let version = async || world.api.get(&draft).await.ok()["version"].clone();
    world.api.get(&function).await.refused(404, "not.found");
    let settings = json!({"description": "x", "handler": "index.handler", "runtime": "nodejs22.x"});
    for (field, value) in [
        ("runtime", "nodejs16.x"),
        ("runtime", "python"),
        ("handler", ""),
    ] {
        let mut wrong = settings.clone();
        wrong[field] = value.into();
        world
            .api
            .put(&function, wrong)
            .await
            .refused(400, "invalid.value");
    }
    let before = version().await;
    world.api.put(&function, settings).await.ok();
    let now = version().await;
    assert_ne!(now, before, "settings are a change of the draft");
    let refused = world.api.post(&publish, json!({"version": now})).await;
    refused.refused(400, "bad.request");
    let named = world
        .api
        .post(
            &format!("{function}/upload"),
            json!({"fileName": "a/b.zip"}),
        )
        .await;
    named.refused(400, "constraint.validation");

    assert_eq!(
        upload(&world, &draft, b"x".to_vec(), "text/plain").await,
        403
    );
    assert_eq!(
        upload(&world, &draft, b"no archive".to_vec(), "application/zip").await,
        200
    );
    let shown = looked_at(&world, &draft).await;
    assert_eq!(shown["zip"]["status"], "InvalidFile");
    assert_eq!(shown["uploadExceptionHistory"][0]["status"], "InvalidFile");
    let refused = world.api.post(&publish, json!({"version": now})).await;
    refused.refused(400, "bad.request");

    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("index.js", zip::write::SimpleFileOptions::default())
        .expect("a file");
    zip.write_all(b"exports.handler = 1").expect("code");
    let code = zip.finish().expect("an archive").into_inner();
    assert_eq!(upload(&world, &draft, code, "application/zip").await, 200);
    let shown = looked_at(&world, &draft).await;
    assert_eq!(shown["zip"]["status"], "Available");
    assert_eq!(shown["function"]["zipId"], shown["zip"]["id"]);
    let published = draft.replace("/draft", "/function");
    world.api.get(&published).await.refused(404, "not.found");
    let now = version().await;
    let answer = world.api.post(&publish, json!({"version": now})).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let shown = world.api.get(&published).await.ok();
    assert_eq!(shown["function"]["timeoutSeconds"], 15);
    assert_eq!(shown["zip"]["name"], "code_1.zip");

    // A change of what is published begins with its code.
    world.api.post(&draft, Value::Null).await.ok();
    assert_eq!(
        world.api.get(&function).await.ok()["zip"]["status"],
        "Available"
    );
}

#[tokio::test]
async fn an_ordinary_action_has_no_function() {
    let world = World::start().await;
    let draft = begin(&world, "custom-rest-actions").await;
    let settings = json!({"description": "x", "handler": "x", "runtime": "nodejs22.x"});
    let refused = world.api.put(&format!("{draft}/function"), settings).await;
    refused.refused(400, "bad.request");
    let runtimes = world
        .api
        .get(&format!("{ACTIONS}/functions/runtimes"))
        .await
        .ok();
    assert_eq!(runtimes[0]["status"], "Available");
}
