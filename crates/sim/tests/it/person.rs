//! What a person has besides a profile.

use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn a_voicemail_policy_is_changed_in_part_and_hides_its_pin() {
    let world = World::start().await;
    let policy = format!("/api/v2/voicemail/userpolicies/{}", world.user("Ana").await);
    let shown = world.api.get(&policy).await.ok();
    assert_eq!(shown["alertTimeoutSeconds"], 20);
    let change = json!({"alertTimeoutSeconds": 35, "pin": "1234"});
    let shown = world.api.patch(&policy, change).await.ok();
    assert_eq!(
        shown,
        json!({"enabled": false, "alertTimeoutSeconds": 35, "sendEmailNotifications": true})
    );
    for wrong in [json!({"pin": "12a4"}), json!({"alertTimeoutSeconds": 0})] {
        world
            .api
            .patch(&policy, wrong)
            .await
            .refused(400, "invalid.value");
    }
    let nobody = "/api/v2/voicemail/userpolicies/00000000-0000-0000-0000-000000000000";
    world.api.get(nobody).await.refused(404, "not.found");
}

#[tokio::test]
async fn a_name_in_another_system_is_one_persons() {
    let world = World::start().await;
    let (ana, ben) = (world.user("Ana").await, world.user("Ben").await);
    let ids = |user: &str| format!("/api/v2/users/{user}/externalid");
    let name = json!({"authorityName": "crm", "externalKey": "A-1"});
    let list = world.api.post(&ids(&ana), name.clone()).await.ok();
    assert_eq!(list[0]["externalKey"], "A-1");
    world
        .api
        .post(&ids(&ben), name)
        .await
        .refused(409, "general.conflict");
    let empty = json!({"authorityName": "crm", "externalKey": ""});
    world
        .api
        .post(&ids(&ben), empty)
        .await
        .refused(400, "bad.request");
    let found = world.api.get("/api/v2/users/externalid/crm/A-1").await.ok();
    assert_eq!(found["id"], ana.as_str());
    // With one authority there is one name.
    let other = json!({"authorityName": "crm", "externalKey": "A-2"});
    let list = world.api.post(&ids(&ana), other).await.ok();
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    let one = format!("{}/crm", ids(&ana));
    assert_eq!(world.api.get(&one).await.ok()["externalKey"], "A-2");
    world
        .api
        .delete(&format!("{one}/A-1"))
        .await
        .refused(404, "not.found");
    world.api.delete(&format!("{one}/A-2")).await.ok();
    assert_eq!(world.api.get(&ids(&ana)).await.ok(), json!([]));
}

#[tokio::test]
async fn a_user_shows_the_team_when_it_is_asked_for() {
    let world = World::start().await;
    let ana = world.user("Ana").await;
    let team = world
        .api
        .make("/api/v2/teams", json!({"name": "North"}))
        .await;
    let members = format!("/api/v2/teams/{team}/members");
    world
        .api
        .post(&members, json!({ "memberIds": [ana] }))
        .await
        .ok();
    let user = format!("/api/v2/users/{ana}");
    assert!(world.api.get(&user).await.ok().get("team").is_none());
    let shown = world.api.get(&format!("{user}?expand=team")).await.ok();
    assert_eq!(shown["team"]["id"], team.as_str());
    let listed = world.api.get("/api/v2/users?expand=team").await.ok();
    assert_eq!(listed["entities"][0]["team"]["id"], team.as_str());
}
