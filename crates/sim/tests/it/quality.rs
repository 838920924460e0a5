//! Forms: a draft, and the versions that were published of it.

use serde_json::json;

use crate::support::{World, column, text};

const FORMS: &str = "/api/v2/quality/forms/evaluations";
const PUBLISHED: &str = "/api/v2/quality/publishedforms/evaluations";

#[tokio::test]
async fn a_published_version_has_its_own_id_and_policies_follow_the_last() {
    let world = World::start().await;
    let api = &world.api;
    let form = |name: &str| {
        json!({"name": name, "questionGroups": [{"name": "Greeting", "questions": [
            {"text": "Hello?", "type": "freeTextQuestion"},
        ]}]})
    };
    let draft = api.make(FORMS, form("Calls")).await;
    let publish = json!({"id": draft, "published": true});
    let first = text(&api.post(PUBLISHED, publish.clone()).await.ok(), "/id");
    assert_ne!(first, draft);
    let policy = json!({"name": "Calls", "actions": {"assignEvaluations": [
        {"evaluationForm": {"id": first}},
    ]}});
    let policy = api
        .make("/api/v2/recording/mediaretentionpolicies", policy)
        .await;

    // A change of the published version is one of the draft.
    api.put(&format!("{FORMS}/{first}"), form("All calls"))
        .await
        .ok();
    let kept = api.get(&format!("{FORMS}/{first}")).await.ok();
    assert_eq!(kept["name"], "Calls");
    let second = text(&api.post(PUBLISHED, publish).await.ok(), "/id");
    let latest = api
        .get(&format!("{PUBLISHED}?onlyLatestPerContext=true"))
        .await
        .ok();
    assert_eq!(column(&latest, "id"), [second.as_str()]);
    let policy = format!("/api/v2/recording/mediaretentionpolicies/{policy}");
    let shown = api.get(&policy).await.ok();
    assert_eq!(
        text(&shown, "/actions/assignEvaluations/0/evaluationForm/id"),
        second
    );

    api.delete(&format!("{FORMS}/{first}"))
        .await
        .refused(409, "general.conflict");
    api.delete(&policy).await;
    api.delete(&format!("{FORMS}/{first}")).await;
    let left = api.get(FORMS).await.ok();
    assert!(column(&left, "id").is_empty());
}
