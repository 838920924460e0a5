//! Kinds whose objects are drafts until they are published.

use serde_json::{Value, json};

use crate::support::{World, text};

const BASES: &str = "/api/v2/knowledge/knowledgebases";
const VIEWS: &str = "/api/v2/journey/views";

#[tokio::test]
async fn a_document_is_a_draft_until_it_is_published_and_again_once_it_changes() {
    let world = World::start().await;
    let base = json!({"name": "Help", "coreLanguage": "en-US"});
    let base = world.api.make(BASES, base).await;
    let documents = format!("{BASES}/{base}/documents");
    let document = world.api.post(&documents, json!({"title": "Bills"})).await;
    let document = document.ok();
    assert_eq!(document["state"], "Draft");
    let uri = text(&document, "/selfUri");
    let versions = format!("{uri}/versions");
    let early = world.api.post(&versions, json!({})).await;
    early.refused(400, "bad.request");
    let body = json!({"name": "All", "contexts": []});
    world
        .api
        .post(&format!("{uri}/variations"), body)
        .await
        .ok();
    world.api.post(&versions, json!({})).await.ok();
    assert_eq!(world.api.get(&uri).await.ok()["state"], "Published");

    let change = json!({"title": "Bills", "visible": false});
    assert_eq!(world.api.patch(&uri, change).await.ok()["state"], "Draft");
    let drafts = json!({"title": "Never published"});
    world.api.post(&documents, drafts).await.ok();
    let listed = |answer: Value| answer["entities"].as_array().map_or(0, Vec::len);
    assert_eq!(listed(world.api.get(&documents).await.ok()), 1);
    let all = format!("{documents}?includeDrafts=true");
    assert_eq!(listed(world.api.get(&all).await.ok()), 2);
}

#[tokio::test]
async fn a_category_belongs_to_one_base_and_is_not_below_itself() {
    let world = World::start().await;
    let mut bases = Vec::new();
    for name in ["Help", "Shop"] {
        let base = json!({"name": name, "coreLanguage": "en-US"});
        bases.push(world.api.make(BASES, base).await);
    }
    let categories = |base: &str| format!("{BASES}/{base}/categories");
    let first = world
        .api
        .post(&categories(&bases[0]), json!({"name": "All"}))
        .await;
    let first = first.ok();
    let id = text(&first, "/id");
    let inside = json!({"name": "Bills", "parentCategoryId": id});
    let elsewhere = world.api.post(&categories(&bases[1]), inside.clone()).await;
    elsewhere.refused(400, "bad.request");
    let second = world.api.post(&categories(&bases[0]), inside).await.ok();
    let circle = json!({"parentCategoryId": second["id"]});
    let uri = text(&first, "/selfUri");
    world
        .api
        .patch(&uri, circle)
        .await
        .refused(400, "invalid.value");
    world
        .api
        .delete(&uri)
        .await
        .refused(409, "general.conflict");
}

#[tokio::test]
async fn a_view_has_one_schedule_and_names_only_its_own_elements() {
    let world = World::start().await;
    let element = json!({"id": "a", "name": "Call", "attributes": {"type": "Event", "id": "e"}});
    let mut view = json!({"name": "Calls", "elements": [element]});
    let made = world.api.make(VIEWS, view.clone()).await;
    view["elements"][0]["followedBy"] = json!([{"id": "b"}]);
    let versions = format!("{VIEWS}/{made}/versions");
    let wrong = world.api.post(&versions, view.clone()).await;
    wrong.refused(400, "invalid.value");
    view["elements"][0]["followedBy"] = json!([]);
    assert_eq!(world.api.post(&versions, view).await.ok()["version"], 2);

    let schedule = format!("{VIEWS}/{made}/schedules");
    let daily = json!({"frequency": "Daily"});
    assert_eq!(world.api.put(&schedule, daily.clone()).await.status, 404);
    assert_eq!(world.api.post(&schedule, daily.clone()).await.status, 201);
    let twice = world.api.post(&schedule, daily).await;
    twice.refused(409, "general.conflict");
    let all = world.api.get(&format!("{VIEWS}/schedules")).await.ok();
    assert_eq!(all["entities"][0]["id"], json!(made));
}

#[tokio::test]
async fn a_base_is_written_into_one_file_with_what_is_published_and_what_is_a_draft() {
    let world = World::start().await;
    let base = json!({"name": "Help", "coreLanguage": "en-US"});
    let base = world.api.make(BASES, base).await;
    let documents = format!("{BASES}/{base}/documents");
    let document = world.api.make(&documents, json!({"title": "Bills"})).await;
    let document = format!("{documents}/{document}");
    let body = json!({"name": "All", "contexts": []});
    let variation = world
        .api
        .make(&format!("{document}/variations"), body)
        .await;
    world
        .api
        .post(&format!("{document}/versions"), json!({}))
        .await
        .ok();
    let change = json!({"name": "Some", "contexts": []});
    let path = format!("{document}/variations/{variation}");
    world.api.patch(&path, change).await.ok();

    let jobs = format!("{BASES}/{base}/export/jobs");
    let wanted = json!({
        "fileType": "Json", "jsonFileVersion": 3,
        "exportFilter": {"versionFilter": "Latest", "exclude": ["Labels"]},
    });
    for (field, value) in [("fileType", json!("Csv")), ("jsonFileVersion", json!(2))] {
        let mut wrong = wanted.clone();
        wrong[field] = value;
        world
            .api
            .post(&jobs, wrong)
            .await
            .refused(400, "bad.request");
    }
    let job = world.api.post(&jobs, wanted).await.ok();
    let job = format!("{jobs}/{}", text(&job, "/id"));
    let mut shown = world.api.get(&job).await.ok();
    while shown["status"] != "Completed" {
        world.sim.advance(std::time::Duration::from_secs(10));
        shown = world.api.get(&job).await.ok();
    }
    let file = world.api.http.get(text(&shown, "/downloadURL"));
    let file: Value = file
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let document = &file["importAction"]["documents"][0];
    let names = ["published", "draft"].map(|version| &document[version]["variations"][0]["name"]);
    assert_eq!(names, ["All", "Some"]);
    assert_eq!(file["importAction"]["categories"], json!([]));
    assert_eq!(file["importAction"].get("labels"), None);
}
