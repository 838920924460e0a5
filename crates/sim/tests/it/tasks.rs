//! Workbins, worktypes and their statuses, workitems.

use serde_json::json;

use crate::support::{World, column, text};

const TASKS: &str = "/api/v2/taskmanagement";

/// Makes a worktype; returns the ids of it and of its workbin.
async fn worktype(world: &World, bare: bool) -> (String, String) {
    let bin = world
        .api
        .make(&format!("{TASKS}/workbins"), json!({"name": "Claims"}))
        .await;
    let body =
        json!({"name": "Claim", "defaultWorkbinId": bin, "disableDefaultStatusCreation": bare});
    let made = world.api.post(&format!("{TASKS}/worktypes"), body).await;
    (text(&made.ok(), "/id"), bin)
}

#[tokio::test]
async fn a_worktype_gets_statuses_unless_it_is_told_not_to() {
    for (bare, expected) in [(false, 2), (true, 0)] {
        let world = World::start().await;
        let (id, _) = worktype(&world, bare).await;
        let uri = format!("{TASKS}/worktypes/{id}");
        let page = world.api.get(&format!("{uri}/statuses")).await.ok();
        assert_eq!(column(&page, "name").len(), expected);
        let shown = world.api.get(&uri).await.ok();
        assert_eq!(shown["defaultStatus"].is_null(), bare);
    }
}

#[tokio::test]
async fn a_status_that_is_default_or_led_to_stays() {
    let world = World::start().await;
    let (id, _) = worktype(&world, true).await;
    let uri = format!("{TASKS}/worktypes/{id}");
    let statuses = format!("{uri}/statuses");
    let done = json!({"name": "Done", "category": "Closed"});
    let done = world.api.make(&statuses, done).await;
    let open = json!({"name": "Open", "category": "Open", "destinationStatusIds": [done]});
    let open = world.api.make(&statuses, open).await;
    let default = json!({"defaultStatusId": open});
    world.api.patch(&uri, default).await.ok();
    for status in [&done, &open] {
        let deleted = world.api.delete(&format!("{statuses}/{status}")).await;
        deleted.refused(409, "general.conflict");
    }
    let free = json!({"destinationStatusIds": []});
    world
        .api
        .patch(&format!("{statuses}/{open}"), free)
        .await
        .ok();
    world.api.delete(&format!("{statuses}/{done}")).await.ok();
}

#[tokio::test]
async fn a_query_gives_page_after_page_and_wants_to_know_which_items() {
    let world = World::start().await;
    let (id, bin) = worktype(&world, false).await;
    for name in ["A", "B", "C"] {
        let body = json!({"name": name, "typeId": id});
        let made = world.api.post(&format!("{TASKS}/workitems"), body).await;
        assert_eq!(made.ok()["workbin"]["id"], bin.as_str());
    }
    let query = format!("{TASKS}/workitems/query");
    let all = world.api.post(&query, json!({"filters": []})).await;
    all.refused(400, "invalid.value");
    let mut body = json!({"pageSize": 2, "filters":
        [{"name": "workbinId", "type": "String", "operator": "EQ", "values": [bin]}]});
    let first = world.api.post(&query, body.clone()).await.ok();
    assert_eq!(column(&first, "name").len(), 2);
    body["after"] = first["after"].clone();
    let last = world.api.post(&query, body).await.ok();
    assert_eq!(column(&last, "name").len(), 1);
    assert!(last["after"].is_null());
}
