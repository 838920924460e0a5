//! Prompts, their resources and their sound.

use serde_json::{Value, json};

use crate::architect::{flow_of, import};
use crate::support::{Api, World, text};

const PROMPTS: &str = "/api/v2/architect/prompts";

/// Half a second of silence.
fn wav() -> Vec<u8> {
    let mut file = b"RIFF\xc4\x0f\0\0WAVEfmt \x10\0\0\0\x07\0\x01\0".to_vec();
    for number in [8000u32, 8000] {
        file.extend(number.to_le_bytes());
    }
    file.extend(b"\x01\0\x08\0data\xa0\x0f\0\0");
    file.resize(file.len() + 4000, 0xff);
    file
}

async fn prompt(api: &Api, name: &str) -> String {
    api.make(PROMPTS, json!({"name": name})).await
}

async fn upload(api: &Api, resource: &str, content: Vec<u8>) {
    let answer = api
        .post(&format!("{resource}/uploads"), Value::Null)
        .await
        .ok();
    let mut request = api.http.put(text(&answer, "/url")).body(content);
    for (name, value) in answer["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn names_follow_rules_and_stay() {
    let world = World::start().await;
    let api = &world.api;
    for name in ["1st", "a b", "a-b", "", "_x"] {
        let got = api.post(PROMPTS, json!({"name": name})).await;
        got.refused(400, "invalid.value");
    }
    let path = format!("{PROMPTS}/{}", prompt(api, "Welcome_1").await);
    let got = api.post(PROMPTS, json!({"name": "welcome_1"})).await;
    got.refused(409, "general.conflict");
    let got = api.put(&path, json!({"name": "Other"})).await;
    got.refused(400, "invalid.value");
    let body = json!({"name": "Welcome_1", "description": "said first"});
    assert_eq!(api.put(&path, body).await.ok()["description"], "said first");
    let body = json!({"name": "Everywhere", "division": {"id": "*"}});
    let made = api.post(PROMPTS, body).await.ok();
    assert_eq!(made["division"]["id"], "*");
}

#[tokio::test]
async fn resources_are_one_per_language() {
    let world = World::start().await;
    let api = &world.api;
    let path = format!("{PROMPTS}/{}", prompt(api, "Welcome").await);
    let resources = format!("{path}/resources");
    let english = json!({"language": "en-us", "ttsString": "Hello", "tags": {"a": ["b"]}});
    let made = api.post(&resources, english.clone()).await.ok();
    assert_eq!(
        (&made["id"], &made["uploadStatus"]),
        (&json!("en-us"), &json!("created"))
    );
    api.post(&resources, english)
        .await
        .refused(409, "general.conflict");
    let got = api.post(&resources, json!({"language": "English"})).await;
    got.refused(400, "invalid.value");
    api.post(&resources, json!({"language": "de-de", "text": "Hallo"}))
        .await
        .ok();
    let one = format!("{resources}/en-us");
    let put = api.put(&one, json!({"ttsString": "Hi"})).await.ok();
    assert_eq!((&put["ttsString"], put.get("tags")), (&json!("Hi"), None));
    let got = api.put(&format!("{resources}/fr-fr"), json!({})).await;
    got.refused(404, "not.found");
    let shown = api.get(&path).await.ok();
    assert_eq!(shown["resources"].as_array().unwrap().len(), 2);
    let brief = api
        .get(&format!("{path}?includeResources=false"))
        .await
        .ok();
    assert_eq!(brief.get("resources"), None);
    let german = api.get(&format!("{PROMPTS}?language=de-de")).await.ok();
    assert_eq!(german["entities"][0]["resources"][0]["text"], "Hallo");

    api.delete(&path)
        .await
        .refused(400, "architect.prompt.has.resources");
    assert_eq!(api.delete(&one).await.status, 204);
    assert_eq!(api.get(&resources).await.ok()["total"], 1);
    assert_eq!(
        api.delete(&format!("{path}?allResources=true"))
            .await
            .status,
        204
    );
    api.get(&path).await.refused(404, "not.found");
}

#[tokio::test]
async fn sound_is_transcoded_after_a_while_and_comes_back_as_it_was() {
    let world = World::start().await;
    let api = &world.api;
    let path = format!("{PROMPTS}/{}", prompt(api, "Welcome").await);
    let resource = format!("{path}/resources/en-us");
    api.post(&format!("{path}/resources"), json!({"language": "en-us"}))
        .await
        .ok();
    upload(api, &resource, wav()).await;
    let shown = api.get(&resource).await.ok();
    assert_eq!(
        (&shown["uploadStatus"], shown.get("mediaUri")),
        (&json!("uploaded"), None)
    );
    let shown = api.get(&resource).await.ok();
    assert_eq!(shown["uploadStatus"], "transcoded");
    assert_eq!(shown["durationSeconds"], 0.5);
    assert_eq!(
        shown["audioFormat"],
        json!({"channels": 1, "bitsPerSample": 8, "sampleRate": 8000, "encoding": "ULAW"})
    );
    let media = text(&shown, "/mediaUri");
    let file = api.http.get(&media).send().await.unwrap();
    assert_eq!(file.bytes().await.unwrap(), wav());
    let list = api
        .get(&format!("{PROMPTS}?includeMediaUris=false"))
        .await
        .ok();
    assert_eq!(list["entities"][0]["resources"][0].get("mediaUri"), None);
    api.put(&resource, json!({"text": "kept sound"})).await.ok();
    assert_eq!(api.get(&resource).await.ok()["mediaUri"], media);

    upload(api, &resource, b"ID3 an mp3".to_vec()).await;
    api.get(&resource).await.ok();
    let shown = api.get(&resource).await.ok();
    assert_eq!(
        (&shown["uploadStatus"], shown.get("mediaUri")),
        (&json!("transcodeFailed"), None)
    );
    upload(api, &resource, wav()).await;
    api.get(&path).await.ok();
    assert_eq!(
        api.get(&path).await.ok()["resources"][0]["uploadStatus"],
        "transcoded"
    );
    assert_eq!(api.delete(&format!("{resource}/audio")).await.status, 204);
    assert_eq!(api.get(&resource).await.ok()["uploadStatus"], "created");
}

#[tokio::test]
async fn a_prompt_that_a_flow_plays_stays() {
    let world = World::start().await;
    let api = &world.api;
    let path = format!("{PROMPTS}/{}", prompt(api, "Welcome").await);
    let source = "inboundCall:\n  name: A\n  initialGreeting:\n    prompt: Prompt.Welcome\n";
    let flow = flow_of(&import(api, source).await);
    api.delete(&path).await.refused(409, "general.conflict");
    api.delete(&format!("/api/v2/flows/{flow}")).await.ok();
    assert_eq!(api.delete(&path).await.status, 204);
}
