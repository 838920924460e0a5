//! Sites, trunks and settings of phones.

use serde_json::{Value, json};

use crate::support::{World, id};

const EDGES: &str = "/api/v2/telephony/providers/edges";

async fn site(world: &World) -> String {
    let location = json!({"name": "HQ", "address": {"city": "Indianapolis", "country": "US"}});
    let location = world.api.make("/api/v2/locations", location).await;
    let site = json!({"name": "HQ", "location": id(&location)});
    world.api.make(&format!("{EDGES}/sites"), site).await
}

#[tokio::test]
async fn a_number_plan_is_replaced_under_its_version_only() {
    let world = World::start().await;
    let plans = format!("{EDGES}/sites/{}/numberplans", site(&world).await);
    let born = world.api.get(&plans).await.ok();
    let first = json!({"id": born[0]["id"], "version": born[0]["version"],
        "name": born[0]["name"], "priority": 7});
    world.api.put(&plans, json!([first])).await.ok();
    world
        .api
        .put(&plans, json!([first]))
        .await
        .refused(409, "general.conflict");
    let now = world.api.get(&plans).await.ok();
    assert_eq!(now.as_array().map(Vec::len), Some(1));
    assert_eq!(now[0]["id"], born[0]["id"]);
    assert_eq!(now[0]["priority"], 7);
}

#[tokio::test]
async fn a_trunk_base_stays_while_a_route_uses_it() {
    let world = World::start().await;
    let site = site(&world).await;
    let base = json!({"name": "Carrier", "trunkType": "EXTERNAL",
        "trunkMetabase": id("external_sip.json"), "properties": {}});
    let base = world
        .api
        .make(&format!("{EDGES}/trunkbasesettings"), base)
        .await;
    let routes = format!("{EDGES}/sites/{site}/outboundroutes");
    let route = json!({"name": "Out", "classificationTypes": ["National"],
        "externalTrunkBases": [id(&base)]});
    let route = world.api.make(&routes, route).await;
    let uri = format!("{EDGES}/trunkbasesettings/{base}");
    world
        .api
        .delete(&uri)
        .await
        .refused(400, "delete.referenced.entity");
    world.api.delete(&format!("{routes}/{route}")).await.ok();
    world.api.delete(&uri).await.ok();
}

#[tokio::test]
async fn a_line_of_phone_base_settings_keeps_its_id() {
    let world = World::start().await;
    let bases = format!("{EDGES}/phonebasesettings");
    let base = json!({"name": "Browser", "phoneMetaBase": id("inin_webrtc_softphone.json"),
        "lines": [{"name": "Line"}]});
    let base = world.api.make(&bases, base).await;
    let uri = format!("{bases}/{base}");
    let mut shown = world.api.get(&uri).await.ok();
    let lines = world
        .api
        .get(&format!("{EDGES}/linebasesettings"))
        .await
        .ok();
    assert_eq!(lines["entities"][0]["id"], shown["lines"][0]["id"]);
    let mut body = json!({"name": "Browser", "version": shown["version"],
        "phoneMetaBase": shown["phoneMetaBase"], "lines": [{"name": "Line"}]});
    world
        .api
        .put(&uri, body.clone())
        .await
        .refused(400, "invalid.value");
    let line: Value = shown["lines"][0].take();
    body["lines"] = json!([{"id": line["id"], "version": line["version"], "name": "Line"}]);
    world.api.put(&uri, body).await.ok();
}
