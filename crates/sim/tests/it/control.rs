//! Faults, ledger, seeds, world files and the controls below `/sim/`.

use orgsmith_sim::{Config, FaultAction, FaultRule, Sim, WorldError, WorldFile};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, World, column, read, text};

const CODES: &str = "/api/v2/routing/wrapupcodes";

#[tokio::test]
async fn a_reset_before_the_work_leaves_nothing_behind() {
    let world = World::start().await;
    world.sim.add_fault(
        FaultRule::new(FaultAction::ResetBefore)
            .on("POST", CODES)
            .times(1),
    );
    assert!(
        world
            .api
            .send(Method::POST, CODES, Some(&json!({"name": "Sold"})))
            .await
            .is_err()
    );
    assert_eq!(world.api.get(CODES).await.ok()["total"], 0);
    let entry = &world.sim.ledger()[1];
    assert_eq!((entry.answered, entry.object.as_deref()), (false, None));
    assert_eq!(entry.fault.as_deref(), Some("reset_before"));
}

#[tokio::test]
async fn a_reset_after_the_work_loses_only_the_answer() {
    let world = World::start().await;
    world.sim.add_fault(
        FaultRule::new(FaultAction::ResetAfter)
            .on("POST", CODES)
            .times(1),
    );
    assert!(
        world
            .api
            .send(Method::POST, CODES, Some(&json!({"name": "Sold"})))
            .await
            .is_err()
    );
    let page = world.api.get(CODES).await.ok();
    assert_eq!(column(&page, "name"), ["Sold"]);
    let entry = &world.sim.ledger()[1];
    assert_eq!((entry.status, entry.answered), (200, false));
    assert_eq!(entry.object.as_deref(), page["entities"][0]["id"].as_str());
}

#[tokio::test]
async fn each_fault_breaks_the_answer_in_its_own_way() {
    let world = World::start().await;
    let strike = async |action: FaultAction| {
        world.sim.clear_faults();
        world.sim.add_fault(FaultRule::new(action).org("gold"));
        world
            .api
            .send(Method::GET, CODES, None)
            .await
            .expect("headers")
    };
    let throttled = strike(FaultAction::Status {
        status: 429,
        retry_after_s: Some(7),
    })
    .await;
    assert_eq!(throttled.headers()["retry-after"], "7");
    read(throttled)
        .await
        .refused(429, "too.many.requests.retry.after");
    let down = strike(FaultAction::Status {
        status: 503,
        retry_after_s: None,
    })
    .await;
    read(down).await.refused(503, "service.unavailable");
    let html = read(strike(FaultAction::Html { status: 502 }).await).await;
    assert!(html.status == 502 && html.body.as_str().unwrap().starts_with("<html>"));
    let malformed = read(strike(FaultAction::MalformedJson).await).await;
    assert!(malformed.status == 200 && malformed.body.is_string());
    assert!(
        strike(FaultAction::TruncateBody)
            .await
            .text()
            .await
            .is_err()
    );
    let slow = read(strike(FaultAction::DelayMs(1)).await).await;
    slow.ok();
    world.sim.clear_faults();
    world
        .sim
        .add_fault(FaultRule::new(FaultAction::StatusAfter { status: 504 }).on("POST", CODES));
    world
        .api
        .post(CODES, json!({"name": "Sold"}))
        .await
        .refused(504, "request.timeout");
    assert_eq!(world.api.get(CODES).await.ok()["total"], 1);
}

#[tokio::test]
async fn the_token_endpoint_can_fail_too() {
    let world = World::start().await;
    world.sim.add_fault(
        FaultRule::new(FaultAction::Status {
            status: 500,
            retry_after_s: None,
        })
        .on("POST", "/oauth/token")
        .org("gold"),
    );
    let got = crate::support::mint(
        &world.api.http,
        &world.api.base,
        "gold-client",
        "gold-secret",
    )
    .await;
    assert_eq!(got.status, 500);
}

#[tokio::test]
async fn the_ledger_knows_who_did_what_without_secrets() {
    let world = World::start().await;
    let body = json!({
        "name": "crm",
        "type": {"name": "basicAuth"},
        "credentialFields": {"userName": "u", "password": "hunter2"},
    });
    let made = world
        .api
        .post("/api/v2/integrations/credentials", body)
        .await
        .ok();
    let ledger = world.sim.ledger();
    let entry = ledger.last().unwrap();
    assert_eq!(entry.operation, Some("postIntegrationsCredentials"));
    assert_eq!(
        (entry.org.as_deref(), entry.client.as_deref()),
        (Some("gold"), Some("gold-client"))
    );
    assert_eq!(entry.object.as_deref(), made["id"].as_str());
    assert_eq!(
        entry.body.as_ref().unwrap()["credentialFields"]["password"],
        "***"
    );
    assert!(!serde_json::to_string(&ledger).unwrap().contains("hunter2"));
    assert_eq!(
        ledger.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        [1, 2]
    );
}

#[tokio::test]
async fn seeds_may_choose_ids_but_not_break_the_org() {
    let world = World::start().await;
    let code = world
        .sim
        .seed("gold", "POST", CODES, json!({"id": "c-1", "name": "Sold"}))
        .unwrap();
    assert_eq!(code["id"], "c-1");
    assert!(
        world
            .sim
            .ledger()
            .iter()
            .all(|entry| entry.path == "/oauth/token")
    );
    let again = world
        .sim
        .seed("gold", "POST", CODES, json!({"name": "Sold"}))
        .unwrap_err();
    assert_eq!((again.status, again.code), (400, "duplicate.name"));
    assert_eq!(
        again.to_string(),
        "org gold: POST /api/v2/routing/wrapupcodes: 400 duplicate.name: A wrapup_code with name \"sold\" exists already."
    );
    let unknown = world
        .sim
        .seed("gold", "POST", CODES, json!({"nom": "x"}))
        .unwrap_err();
    assert_eq!(unknown.code, "invalid.property");
    world.api.delete(&format!("{CODES}/c-1")).await.ok();
    world.api.make(CODES, json!({"name": "Other"})).await;
    world.sim.reset();
    let names: Vec<Value> = world.sim.objects("gold", "wrapup_code");
    assert_eq!((names.len(), &names[0]["id"]), (1, &json!("c-1")));
    world.api.get(CODES).await.refused(401, "bad.credentials");
}

#[tokio::test]
async fn a_world_file_furnishes_orgs_and_names_ids() {
    let text = r#"
orgs:
  - name: gold
    home_division_name: Headquarters
    clients: [{id: c, secret: s}]
seed:
  - request: POST /api/v2/users
    body: {name: Ann, email: ann@example.com, divisionId: "", state: active}
    as: ann
  - request: POST /api/v2/routing/skills
    body: {name: Billing}
    as: billing
  - request: PATCH /api/v2/users/{ann}/routingskills/bulk
    body: [{id: {$id: billing}, proficiency: 3}]
  - request: POST /api/v2/routing/wrapupcodes
    body: {name: {$text: "for {ann}"}}
"#;
    let file = WorldFile::parse(text).unwrap();
    let sim = Sim::start(file.config()).await.unwrap();
    let ids = sim.load(&file).unwrap();
    let api = Api::login(&sim, "c", "s").await;
    let user = api
        .get(&format!("/api/v2/users/{}?expand=skills", ids["ann"]))
        .await
        .ok();
    assert_eq!(user["division"]["name"], "Headquarters");
    assert_eq!(user["skills"][0]["name"], "Billing");
    assert_eq!(
        api.get(CODES).await.ok()["entities"][0]["name"],
        format!("for {}", ids["ann"])
    );
    sim.shutdown().await;
}

#[tokio::test]
async fn a_bad_world_file_says_where() {
    assert!(matches!(
        WorldFile::parse("orgs: 7"),
        Err(WorldError::Format(_))
    ));
    let load = async |seed: &str| {
        let file = WorldFile::parse(&format!("orgs: [{{name: gold}}]\nseed: [{seed}]")).unwrap();
        let sim = Sim::start(file.config()).await.unwrap();
        sim.load(&file).unwrap_err().to_string()
    };
    assert_eq!(
        load("{request: nonsense}").await,
        "seed request 1: \"nonsense\" is not a method and a path"
    );
    let unknown = load("{request: \"GET /api/v2/users/{ann}\"}").await;
    assert_eq!(
        unknown,
        "seed request 1: no id is known under the name \"ann\""
    );
    assert_eq!(
        load("{request: POST /api/v2/routing/skills, body: {}}").await,
        "seed request 1"
    );
}

#[tokio::test]
async fn the_controls_work_over_http() {
    let world = World::with(Config::with_orgs(["gold", "copy"])).await;
    let api = &world.api;
    let sim = async |method: Method, path: &str, body: Option<Value>| {
        let mut request = api.http.request(method, format!("{}/sim/{path}", api.base));
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await
    };
    api.make(CODES, json!({"name": "Sold"})).await;
    let orgs = sim(Method::GET, "orgs", None).await.ok();
    assert_eq!(orgs["orgs"].as_array().unwrap().len(), 2);
    let dump = sim(Method::GET, "orgs/gold/objects", None).await.ok();
    assert_eq!(dump["wrapup_code"][0]["name"], "Sold");
    let ledger = sim(Method::GET, "ledger?org=gold&since=1", None).await.ok();
    assert_eq!(ledger["entries"].as_array().unwrap().len(), 1);
    let stats = sim(Method::GET, "stats", None).await.ok();
    assert_eq!(
        stats["orgs"]["gold"]["operations"]["postRoutingWrapupcodes"],
        1
    );
    let rule = json!({"method": "GET", "path": "/api/v2/*", "times": 1, "action": {"status": {"status": 500}}});
    sim(Method::POST, "faults", Some(rule)).await.ok();
    api.get(CODES).await.refused(500, "internal.server.error");
    assert_eq!(
        sim(Method::GET, "faults", None).await.ok()["faults"][0]["fired"],
        1
    );
    sim(Method::DELETE, "faults", None).await.ok();
    let before = text(&sim(Method::GET, "clock", None).await.ok(), "/now");
    let after = sim(Method::POST, "clock", Some(json!({"advance_ms": 60_000})))
        .await
        .ok();
    assert!(text(&after, "/now") > before);
    sim(
        Method::PATCH,
        "orgs/gold",
        Some(json!({"limits": {"requests": 0}})),
    )
    .await
    .ok();
    api.get(CODES)
        .await
        .refused(429, "too.many.requests.retry.after");
    sim(Method::POST, "reset", None).await.ok();
    api.get(CODES).await.refused(401, "bad.credentials");
    assert_eq!(sim(Method::GET, "nothing", None).await.status, 404);
}
