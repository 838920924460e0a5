//! Teams, OAuth clients, presences and providers of identities.

use serde_json::json;

use crate::support::{World, column, id};

#[tokio::test]
async fn a_user_is_in_one_team_and_the_answer_says_so() {
    let world = World::start().await;
    let home = "/api/v2/authorization/divisions/home";
    let home = world.api.get(home).await.ok()["id"].clone();
    let user = json!({"name": "Ann", "email": "ann@example.com", "divisionId": home});
    let user = world.api.make("/api/v2/users", user).await;
    let mut members = Vec::new();
    for name in ["One", "Two"] {
        let team = json!({"name": name, "division": {"id": home}});
        let team = world.api.make("/api/v2/teams", team).await;
        members.push(format!("/api/v2/teams/{team}/members"));
    }
    let body = json!({ "memberIds": [user] });
    let first = world.api.post(&members[0], body.clone()).await.ok();
    assert_eq!(column(&first, "id"), [user.as_str()]);
    let second = world.api.post(&members[1], body).await.ok();
    assert_eq!(second["failures"][0]["reason"], "UserGroupLimitExceeded");
    let there = world.api.get(&members[1]).await.ok();
    assert!(column(&there, "id").is_empty());
}

#[tokio::test]
async fn an_active_client_is_not_deleted_and_its_secret_is_shown_once() {
    let world = World::start().await;
    let mut client = json!({"name": "App", "authorizedGrantType": "CODE",
        "registeredRedirectUri": ["https://example.com"], "state": "active"});
    let made = world.api.post("/api/v2/oauth/clients", client.clone());
    let made = made.await.ok();
    assert!(made["secret"].is_string());
    let uri = format!(
        "/api/v2/oauth/clients/{}",
        made["id"].as_str().expect("an id")
    );
    assert!(world.api.get(&uri).await.ok()["secret"].is_null());
    world
        .api
        .delete(&uri)
        .await
        .refused(400, "cannot.delete.client");
    client["state"] = "inactive".into();
    world.api.put(&uri, client).await.ok();
    world.api.delete(&uri).await.ok();
}

#[tokio::test]
async fn a_deleted_presence_is_deactivated() {
    let world = World::start().await;
    let all = "/api/v2/presence/definitions";
    let presence = json!({"systemPresence": "Away", "languageLabels": {"en_US": "Lunch"}});
    let presence = world.api.make(all, presence).await;
    world.api.delete(&format!("{all}/{presence}")).await.ok();
    let active = world.api.get(all).await.ok();
    assert!(!column(&active, "id").contains(&presence));
    let gone = world.api.get(&format!("{all}?deactivated=true")).await.ok();
    assert_eq!(column(&gone, "id"), [presence]);
}

#[tokio::test]
async fn a_provider_is_not_there_until_it_is_put() {
    let world = World::start().await;
    let okta = "/api/v2/identityproviders/okta";
    world.api.get(okta).await.refused(404, "not.found");
    let body = json!({"name": "Okta", "certificates": ["one", "two"]});
    world.api.put(okta, body).await.ok();
    assert_eq!(world.api.get(okta).await.ok()["certificate"], "one");
    let role = json!({"memberIds": [id("x")]});
    world
        .api
        .put(okta, role)
        .await
        .refused(400, "invalid.property");
}
