//! Sites, trunks and settings of phones.

use serde_json::{Value, json};

use crate::support::{World, id, text};

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

/// Returns the id of the line settings that phone base settings have.
async fn line_of(world: &World, base: &str) -> String {
    let uri = format!("{EDGES}/phonebasesettings/{base}");
    text(&world.api.get(&uri).await.ok(), "/lines/0/id")
}

/// Makes a telephone and its settings; returns its id.
async fn phone(world: &World, site: &str, name: &str, user: Option<&str>) -> String {
    let api = &world.api;
    let base = json!({"name": format!("Model {name}"), "phoneMetaBase": id("inin_webrtc_softphone.json"),
        "lines": [{"name": "Line"}]});
    let base = api.make(&format!("{EDGES}/phonebasesettings"), base).await;
    let line = line_of(world, &base).await;
    let mut phone = json!({"name": name, "site": id(site), "phoneBaseSettings": id(&base),
        "lines": [{"name": "Line", "lineBaseSettings": id(&line)}]});
    if let Some(user) = user {
        phone["webRtcUser"] = id(user);
    }
    api.make(&format!("{EDGES}/phones"), phone).await
}

#[tokio::test]
async fn a_station_comes_and_goes_with_its_telephone() {
    let world = World::start().await;
    let api = &world.api;
    let home = api.get("/api/v2/authorization/divisions/home").await.ok();
    let home = text(&home, "/id");
    let user = |name: &str| json!({"name": name, "email": format!("{name}@x.example"), "divisionId": home});
    let jane = api.make("/api/v2/users", user("jane")).await;
    let tom = api.make("/api/v2/users", user("tom")).await;
    let site = site(&world).await;
    let desk = phone(&world, &site, "Desk 1", None).await;
    phone(&world, &site, "Jane", Some(&jane)).await;
    let named = async |name: &str| {
        let found = api.get(&format!("/api/v2/stations?name={name}")).await.ok();
        text(&found, "/entities/0/id")
    };
    let (at_desk, of_jane) = (named("Desk%201").await, named("jane").await);
    let default = |user: &str| format!("/api/v2/users/{user}/station/defaultstation");
    let put = async |user: &str, station: &str| {
        let uri = format!("{}/{station}", default(user));
        api.put(&uri, Value::Null).await
    };
    put(&jane, &at_desk).await.ok();
    put(&tom, &at_desk).await.refused(409, "general.conflict");
    put(&tom, &of_jane).await.refused(400, "bad.request");
    put(&tom, &jane).await.refused(404, "not.found");
    let shown = api.get(&format!("/api/v2/users/{jane}/station")).await.ok();
    assert_eq!(shown["defaultStation"]["name"], "Desk 1");
    let listed = api.get("/api/v2/users?expand=station&state=any").await.ok();
    let of = |name: &str| {
        let users = listed["entities"].as_array().expect("users").iter();
        let mut found = users.filter(|user| user["name"] == name);
        found.next().expect("a user")["station"].clone()
    };
    assert_eq!(of("jane")["defaultStation"]["id"], at_desk);
    assert_eq!(of("tom"), json!({}));
    let associated = format!("/api/v2/users/{tom}/station/associatedstation");
    api.put(&format!("{associated}/{at_desk}"), Value::Null)
        .await
        .ok();
    let station = api.get(&format!("/api/v2/stations/{at_desk}")).await.ok();
    assert_eq!(
        (&station["userId"], &station["status"]),
        (&json!(tom), &json!("ASSOCIATED"))
    );
    api.delete(&associated).await.ok();
    api.delete(&format!("{EDGES}/phones/{desk}")).await.ok();
    let shown = api.get(&format!("/api/v2/users/{jane}/station")).await.ok();
    assert_eq!(shown, json!({}));
    put(&jane, &of_jane).await.ok();
    api.delete(&default(&jane)).await.ok();
    let shown = api.get(&format!("/api/v2/users/{jane}/station")).await.ok();
    assert_eq!(shown, json!({}));
}

#[tokio::test]
async fn a_line_of_a_telephone_has_settings_of_its_base_and_keeps_its_id() {
    let world = World::start().await;
    let api = &world.api;
    let site = site(&world).await;
    let desk = phone(&world, &site, "Desk 1", None).await;
    let other = phone(&world, &site, "Desk 2", None).await;
    let uri = |phone: &str| format!("{EDGES}/phones/{phone}");
    let (shown, other) = (
        api.get(&uri(&desk)).await.ok(),
        api.get(&uri(&other)).await.ok(),
    );
    let body = |lines: Value| {
        json!({"name": "Desk 1", "version": shown["version"], "site": shown["site"],
            "phoneBaseSettings": shown["phoneBaseSettings"], "lines": lines})
    };
    for lines in [
        json!([{"name": "Line"}]),
        json!([{"name": "Line", "lineBaseSettings": other["lines"][0]["lineBaseSettings"]}]),
        json!([]),
    ] {
        let put = api.put(&uri(&desk), body(lines)).await;
        put.refused(400, "invalid.value");
    }
    let line = &shown["lines"][0];
    let lines =
        json!([{"id": line["id"], "name": "Hotline", "template": line["lineBaseSettings"]}]);
    api.put(&uri(&desk), body(lines)).await.ok();
    let now = api.get(&uri(&desk)).await.ok();
    assert_eq!(now["lines"][0]["id"], line["id"]);
    assert_eq!(
        now["lines"][0]["lineBaseSettings"],
        line["lineBaseSettings"]
    );
}

#[tokio::test]
async fn telephones_are_found_by_their_user_and_shown_in_part() {
    let world = World::start().await;
    let api = &world.api;
    let home = api.get("/api/v2/authorization/divisions/home").await.ok();
    let jane = json!({"name": "Jane", "email": "jane@x.example", "divisionId": home["id"]});
    let jane = api.make("/api/v2/users", jane).await;
    let site = site(&world).await;
    phone(&world, &site, "Desk 1", None).await;
    let hers = phone(&world, &site, "Jane", Some(&jane)).await;
    let found = api
        .get(&format!("{EDGES}/phones?webRtcUser.id={jane}"))
        .await
        .ok();
    assert_eq!(found["total"], 1);
    let row = &found["entities"][0];
    assert_eq!(
        (&row["id"], &row["webRtcUser"]),
        (&json!(hers), &Value::Null)
    );
    let shown = api.get(&format!("{EDGES}/phones/{hers}")).await.ok();
    assert_eq!(shown["webRtcUser"]["id"], json!(jane));
}
