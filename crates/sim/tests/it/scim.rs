//! Users by SCIM: one call, everything by name.

use orgsmith_sim::{ClientSpec, Config, Scim};
use serde_json::{Value, json};

use crate::support::{Api, World, text};

const USERS: &str = "/api/v2/scim/v2/users";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const GENESYS: &str = "urn:ietf:params:scim:schemas:extension:genesys:purecloud:2.0:User";

fn ana() -> Value {
    json!({"userName": "ana@example.com", "displayName": "Ana", "active": true})
}

/// Ana with something besides.
fn with(place: &str, value: Value) -> Value {
    let mut body = ana();
    match place.split_once('/') {
        Some((outer, inner)) => body[outer][inner] = value,
        None => body[place] = value,
    }
    body
}

async fn centre() -> World {
    let world = World::start().await;
    let api = &world.api;
    for (path, body) in [
        (
            "/api/v2/authorization/divisions",
            json!({"name": "Claims", "description": "claims"}),
        ),
        ("/api/v2/routing/skills", json!({"name": "Billing"})),
        ("/api/v2/routing/languages", json!({"name": "English"})),
    ] {
        api.post(path, body).await.ok();
    }
    world
}

#[tokio::test]
async fn one_call_writes_what_takes_several_by_the_plain_calls() {
    let world = centre().await;
    let boss = world.user("Boss").await;
    let mut body = ana();
    body["title"] = "Agent".into();
    body["phoneNumbers"] = json!([{"type": "work2", "value": "+1 317 555 0100"}]);
    body["emails"] = json!([{"type": "work", "value": "ana@work.example"}]);
    body[ENTERPRISE] =
        json!({"division": "Claims", "department": "Sales", "manager": {"value": boss}});
    body[GENESYS] = json!({
        "routingSkills": [{"name": "Billing", "proficiency": 3}],
        "routingLanguages": [{"name": "English", "proficiency": 5}],
        "externalIds": [{"authority": "crm", "value": "A-1"}],
    });
    let response = world
        .api
        .send(reqwest::Method::POST, USERS, Some(&body))
        .await
        .expect("an answer");
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["etag"], "W/\"1\"");
    let made: Value = response.json().await.expect("a user");
    let id = text(&made, "/id");
    let read = world.api.get(&format!("{USERS}/{id}")).await.ok();
    assert_eq!(read, made);
    assert_eq!(made["phoneNumbers"][0]["value"], "+13175550100");
    assert_eq!(made[ENTERPRISE]["manager"]["value"], boss);

    let expand = "expand=skills,languages";
    let user = world.api.get(&format!("/api/v2/users/{id}?{expand}")).await;
    let user = user.ok();
    for (place, value) in [
        ("/email", json!("ana@example.com")),
        ("/state", json!("active")),
        ("/title", json!("Agent")),
        ("/department", json!("Sales")),
        ("/division/name", json!("Claims")),
        ("/manager/id", json!(boss)),
        ("/skills/0/name", json!("Billing")),
        ("/skills/0/proficiency", json!(3.0)),
        ("/languages/0/name", json!("English")),
        ("/addresses/1/type", json!("WORK2")),
        ("/addresses/2/address", json!("ana@work.example")),
    ] {
        assert_eq!(user.pointer(place), Some(&value), "{place}: {user}");
    }
    let ids = format!("/api/v2/users/{id}/externalid");
    let names = world.api.get(&ids).await.ok();
    let authorities: Vec<&str> = names
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|name| name["authorityName"].as_str())
        .collect();
    assert_eq!(authorities, ["crm", "x-pc:scimv2:v1:gold-client"]);
    // The name that SCIM gives is nobody else's to write.
    let own = format!("{ids}/x-pc%3Ascimv2%3Av1%3Agold-client/{id}");
    world.api.delete(&own).await.refused(400, "bad.request");
}

#[tokio::test]
async fn names_are_told_apart_by_case_and_slips_make_nobody() {
    let world = centre().await;
    let many: Vec<Value> = (0..51).map(|_| json!({"name": "Billing"})).collect();
    let skill = |name: &str| json!([{"name": name, "proficiency": 3}]);
    for (place, value, status, says) in [
        ("userName", json!("nobody"), 400, "no"),
        (
            "phoneNumbers",
            json!([{"type": "zoomphone", "value": "+1"}]),
            400,
            "zoomphone",
        ),
        (
            "emails",
            json!([{"type": "other", "value": "else@example.com"}]),
            400,
            "work",
        ),
        ("roles", json!([{"value": "Agent"}]), 501, "roles"),
    ] {
        refuses(&world, with(place, value), status, says).await;
    }
    for (place, inner, value) in [
        (ENTERPRISE, "division", json!("claims")),
        (
            ENTERPRISE,
            "manager",
            json!({"value": "00000000-0000-0000-0000-000000000000"}),
        ),
        (GENESYS, "routingSkills", skill("billing")),
        (GENESYS, "routingSkills", many.into()),
        (GENESYS, "routingLanguages", skill("ENGLISH")),
        (
            GENESYS,
            "externalIds",
            json!([{"authority": "crm", "value": ""}]),
        ),
        (
            GENESYS,
            "externalIds",
            json!([{"authority": "x-pc:scimv2:v1:me", "value": "1"}]),
        ),
    ] {
        let mut body = ana();
        body[place] = json!({ inner: value });
        refuses(&world, body, 400, "").await;
    }
    assert_eq!(world.sim.objects("gold", "user").len(), 0);
    world.api.post(USERS, ana()).await.ok();
    let again = refuses(&world, ana(), 409, "ana@example.com").await;
    assert_eq!(again["scimType"], "uniqueness");
    assert_eq!(
        again["schemas"],
        json!(["urn:ietf:params:scim:api:messages:2.0:Error"])
    );
    assert_eq!(again["status"], "409");
}

async fn refuses(world: &World, body: Value, status: u16, says: &str) -> Value {
    let got = world.api.post(USERS, body).await;
    assert_eq!(got.status, status, "{}", got.body);
    let detail = got.body["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(says), "{says:?} is not in {detail:?}");
    got.body
}

#[tokio::test]
async fn who_may_not_do_all_of_it_may_do_nothing_and_orgs_may_lack_it() {
    let mut config = Config::with_orgs(["gold"]);
    let few = ["directory:user:add", "routing:skill:assign"];
    let weak = ClientSpec::new("weak", "w").permissions(few);
    config.orgs[0].clients.push(weak);
    let world = World::with(config).await;
    let weak = Api::login(&world.sim, "weak", "w").await;
    let got = weak.post(USERS, ana()).await;
    let detail = got.body["detail"].as_str().unwrap_or_default();
    assert_eq!(got.status, 403);
    assert!(detail.contains("authorization:grant:add"), "{detail}");

    for (scim, status) in [(Scim::Forbidden, 403), (Scim::Absent, 404)] {
        let mut config = Config::with_orgs(["gold"]);
        config.orgs[0].scim = scim;
        let world = World::with(config).await;
        assert_eq!(world.api.post(USERS, ana()).await.status, status);
        assert_eq!(world.sim.objects("gold", "user").len(), 0);
    }
}
