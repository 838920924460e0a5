//! Tokens, rates, errors, pages, lags: what holds for every kind.

use std::time::Duration;

use orgsmith_sim::{ClientSpec, ClockMode, Config, Lag, Limits, OrgSpec, Relax};
use reqwest::Method;
use serde_json::json;

use crate::support::{Api, World, column, id, mint, read, text};

const CODES: &str = "/api/v2/routing/wrapupcodes";
const START: &str = "2026-03-01T12:00:00Z";

fn manual(names: [&str; 1]) -> Config {
    Config {
        clock: ClockMode::Manual(START.parse().unwrap()),
        ..Config::with_orgs(names)
    }
}

#[tokio::test]
async fn a_plain_object_lives_from_create_to_delete() {
    let world = World::start().await;
    let made = world.api.post(CODES, json!({"name": "Sold"})).await.ok();
    assert_eq!(made["division"]["name"], "Home");
    let uri = text(&made, "/selfUri");
    assert_eq!(world.api.get(&uri).await.ok()["name"], "Sold");
    world
        .api
        .post(CODES, json!({"name": "sold"}))
        .await
        .refused(400, "duplicate.name");
    world.api.put(&uri, json!({"name": "Lost"})).await.ok();
    assert_eq!(
        world.api.get(CODES).await.ok()["entities"][0]["name"],
        "Lost"
    );
    assert_eq!(world.api.delete(&uri).await.status, 204);
    world.api.get(&uri).await.refused(404, "not.found");
}

#[tokio::test]
async fn a_wrong_secret_is_refused_in_the_style_of_oauth() {
    let world = World::start().await;
    let got = mint(&world.api.http, &world.api.base, "gold-client", "guess").await;
    assert_eq!(
        (got.status, text(&got.body, "/error").as_str()),
        (401, "invalid_client")
    );
}

#[tokio::test]
async fn minting_too_fast_is_refused_and_tokens_differ() {
    let world = World::with(manual(["gold"])).await;
    let mut tokens = vec![world.api.token.clone()];
    for _ in 0..9 {
        tokens.push(
            Api::login(&world.sim, "gold-client", "gold-secret")
                .await
                .token,
        );
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 10);
    let got = mint(
        &world.api.http,
        &world.api.base,
        "gold-client",
        "gold-secret",
    )
    .await;
    assert_eq!(
        (got.status, text(&got.body, "/error").as_str()),
        (400, "invalid_request")
    );
    assert!(text(&got.body, "/description").starts_with("rate limit exceeded;"));
    world.sim.advance(Duration::from_secs(1));
    Api::login(&world.sim, "gold-client", "gold-secret").await;
}

#[tokio::test]
async fn tokens_end_by_time_by_logout_and_by_decree() {
    let world = World::with(manual(["gold"])).await;
    let me = "/api/v2/tokens/me";
    assert_eq!(world.api.get(me).await.ok()["organization"]["name"], "gold");
    let head = world.api.send(Method::HEAD, me, None).await.unwrap();
    assert_eq!(head.status().as_u16(), 200);
    world.sim.advance(Duration::from_secs(86_400));
    world.api.get(me).await.refused(401, "bad.credentials");

    let second = Api::login(&world.sim, "gold-client", "gold-secret").await;
    second.delete(me).await.ok();
    second.get(me).await.refused(401, "bad.credentials");

    let third = Api::login(&world.sim, "gold-client", "gold-secret").await;
    assert!(world.sim.revoke_tokens("gold") >= 1);
    third.get(me).await.refused(401, "bad.credentials");

    let bare = third
        .http
        .get(format!("{}{me}", third.base))
        .send()
        .await
        .unwrap();
    read(bare).await.refused(401, "authentication.required");
}

#[tokio::test]
async fn the_token_decides_the_org() {
    let world = World::with(Config::with_orgs(["gold", "copy"])).await;
    let copy = Api::login(&world.sim, "copy-client", "copy-secret").await;
    world.api.make(CODES, json!({"name": "Sold"})).await;
    assert_eq!(copy.get(CODES).await.ok()["total"], 0);
    let names = [&world.api, &copy]
        .map(|api| async { text(&api.get("/api/v2/organizations/me").await.ok(), "/id") });
    let [gold, copy_id] = names;
    assert_ne!(gold.await, copy_id.await);
}

#[tokio::test]
async fn every_token_has_its_own_window_and_a_429_says_when() {
    let mut config = manual(["gold"]);
    config.limits.requests = 3;
    let world = World::with(config).await;
    for _ in 0..3 {
        world.api.get(CODES).await.ok();
    }
    world.sim.advance(Duration::from_secs(18));
    let answer = world.api.send(Method::GET, CODES, None).await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "42");
    let correlation = answer.headers()["inin-correlation-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let body = read(answer)
        .await
        .refused(429, "too.many.requests.retry.after");
    assert_eq!(text(&body, "/contextId"), correlation);
    assert_eq!(
        text(&body, "/message"),
        "Rate limit exceeded the maximum. Retry the request in [42] seconds"
    );

    let other = Api::login(&world.sim, "gold-client", "gold-secret").await;
    other.get(CODES).await.ok();
    world.sim.advance(Duration::from_secs(42));
    world.api.get(CODES).await.ok();
}

#[tokio::test]
async fn what_the_contract_does_not_have_is_refused() {
    let world = World::start().await;
    let api = &world.api;
    api.post("/api/v2/orgs/1/export", json!({}))
        .await
        .refused(404, "not.found");
    let answer = api
        .send(Method::PATCH, CODES, Some(&json!({})))
        .await
        .unwrap();
    assert_eq!(answer.headers()["allow"], "GET, POST");
    read(answer).await.refused(405, "method.not.allowed");
    api.get(&format!("{CODES}?size=3"))
        .await
        .refused(400, "invalid.query.param.value");
    api.get(&format!("{CODES}?sortBy=colour"))
        .await
        .refused(400, "invalid.query.param.value");
    api.get(&format!("{CODES}?pageSize=many"))
        .await
        .refused(400, "invalid.query.param.value");
    api.post(CODES, json!({"name": 7}))
        .await
        .refused(400, "invalid.value");
    api.post(CODES, json!({"name": "Sold", "colour": "red"}))
        .await
        .refused(400, "invalid.property");
    api.post(CODES, json!({}))
        .await
        .refused(400, "required.field.missing");
    let plain = api
        .http
        .post(format!("{}{CODES}", api.base))
        .bearer_auth(&api.token)
        .body("{}")
        .send()
        .await
        .unwrap();
    read(plain).await.refused(415, "unsupported.media.type");
}

#[tokio::test]
async fn an_enum_is_refused_with_the_values_allowed() {
    let world = World::start().await;
    let body = json!({"name": "Q", "skillEvaluationMethod": "SOME"});
    let refusal = world
        .api
        .post("/api/v2/routing/queues", body)
        .await
        .refused(400, "invalid.value");
    assert_eq!(
        text(&refusal, "/message"),
        "Value [SOME] is not valid for field type [skillEvaluationMethod]. Allowable values are: NONE, BEST, ALL"
    );
    assert_eq!(refusal["details"][0]["fieldName"], "skillEvaluationMethod");
}

#[tokio::test]
async fn read_only_fields_are_refused_unless_they_match_or_are_forgiven() {
    let world = World::start().await;
    let made = world.api.post(CODES, json!({"name": "Sold"})).await.ok();
    let uri = text(&made, "/selfUri");
    let own = json!({"name": "Sold!", "id": made["id"], "selfUri": uri});
    world.api.put(&uri, own).await.ok();
    world
        .api
        .put(&uri, json!({"name": "x", "id": "another"}))
        .await
        .refused(400, "invalid.property");
    world
        .api
        .post(CODES, json!({"name": "x", "id": "mine"}))
        .await
        .refused(400, "invalid.property");

    let mut config = Config::with_orgs(["gold"]);
    config.relax = Relax { read_only: true };
    let relaxed = World::with(config).await;
    let made = relaxed
        .api
        .post(CODES, json!({"name": "x", "id": "mine"}))
        .await
        .ok();
    assert_ne!(made["id"], "mine");
}

#[tokio::test]
async fn permissions_are_asked_for_by_name() {
    let mut config = Config::default();
    config.orgs.push(
        OrgSpec::named("gold")
            .client(
                ClientSpec::new("reader", "r")
                    .permissions(["routing:*:view", "authorization:division:add"]),
            )
            .client(ClientSpec::new("gold-client", "gold-secret")),
    );
    let world = World::with(config).await;
    let reader = Api::login(&world.sim, "reader", "r").await;
    reader.get(CODES).await.ok();
    let refusal = reader
        .post(CODES, json!({"name": "x"}))
        .await
        .refused(403, "missing.permissions");
    assert!(text(&refusal, "/message").contains("routing:wrapupCode:add"));
    let body = json!({"name": "Emea", "description": ""});
    let refusal = reader
        .post("/api/v2/authorization/divisions", body)
        .await
        .refused(403, "missing.permissions");
    assert_eq!(
        refusal["messageParams"]["permissions"],
        "authorization:grant:add"
    );
    let queue = json!({"name": "Q"});
    reader
        .post("/api/v2/routing/queues", queue)
        .await
        .refused(403, "missing.any.permissions");
    let own = reader.get("/api/v2/authorization/subjects/me").await.ok();
    assert_eq!(
        own["grants"][0]["role"]["policies"][0],
        json!({"domain": "routing", "entityName": "*", "actions": ["view"]})
    );
}

#[tokio::test]
async fn a_client_of_one_division_sees_and_writes_no_other() {
    let mut config = Config::default();
    config.orgs.push(
        OrgSpec::named("gold")
            .client(ClientSpec::new("gold-client", "gold-secret"))
            .client(ClientSpec::new("emea", "e").divisions(["Emea"])),
    );
    let world = World::with(config).await;
    let emea = world
        .api
        .make(
            "/api/v2/authorization/divisions",
            json!({"name": "Emea", "description": ""}),
        )
        .await;
    let home = world.api.make(CODES, json!({"name": "Home code"})).await;
    let limited = Api::login(&world.sim, "emea", "e").await;
    limited
        .post(CODES, json!({"name": "x"}))
        .await
        .refused(403, "missing.division.permission");
    limited
        .make(CODES, json!({"name": "Emea code", "division": id(&emea)}))
        .await;
    assert_eq!(
        column(&limited.get(CODES).await.ok(), "name"),
        ["Emea code"]
    );
    limited
        .get(&format!("{CODES}/{home}"))
        .await
        .refused(403, "missing.division.permission");
}

#[tokio::test]
async fn offset_pages_link_to_each_other_and_end_empty() {
    let world = World::start().await;
    for number in 0..5 {
        world
            .api
            .make(CODES, json!({"name": format!("Code {number}")}))
            .await;
    }
    let first = world
        .api
        .get(&format!("{CODES}?pageSize=2&name=code*"))
        .await
        .ok();
    assert_eq!(
        (&first["total"], &first["pageCount"]),
        (&json!(5), &json!(3))
    );
    assert!(first.get("previousUri").is_none());
    let second = world.api.get(&text(&first, "/nextUri")).await.ok();
    assert_eq!(column(&second, "name"), ["Code 2", "Code 3"]);
    let last = world.api.get(&text(&second, "/nextUri")).await.ok();
    assert_eq!(column(&last, "name"), ["Code 4"]);
    assert!(last.get("nextUri").is_none());
    let beyond = world
        .api
        .get(&format!("{CODES}?pageSize=2&pageNumber=9"))
        .await
        .ok();
    assert_eq!(beyond["entities"], json!([]));
    let back = world.api.get(&text(&last, "/firstUri")).await.ok();
    assert_eq!(column(&back, "name"), ["Code 0", "Code 1"]);
    world
        .api
        .get(&format!("{CODES}?pageSize=101"))
        .await
        .refused(400, "invalid.query.param.value");
    world
        .api
        .get(&format!("{CODES}?pageSize=0"))
        .await
        .refused(400, "invalid.query.param.value");
}

#[tokio::test]
async fn cursor_pages_have_no_totals() {
    let world = World::start().await;
    for name in ["A", "B", "C"] {
        world
            .api
            .make(
                "/api/v2/authorization/divisions",
                json!({"name": name, "description": ""}),
            )
            .await;
    }
    let path = "/api/v2/authorization/divisions/query";
    let first = world.api.get(&format!("{path}?pageSize=3")).await.ok();
    assert!(first.get("total").is_none());
    assert_eq!(column(&first, "name"), ["Home", "A", "B"]);
    let second = world.api.get(&text(&first, "/nextUri")).await.ok();
    assert_eq!(column(&second, "name"), ["C"]);
    assert!(second.get("nextUri").is_none());
    world
        .api
        .get(&format!("{path}?after=nonsense"))
        .await
        .refused(400, "invalid.query.param.value");
}

#[tokio::test]
async fn writes_are_seen_late_where_a_lag_says_so() {
    let mut config = manual(["gold"]);
    config.lags = vec![Lag {
        path_prefix: CODES.to_owned(),
        read_ms: 2_000,
        list_ms: 5_000,
    }];
    let world = World::with(config).await;
    let uri = format!(
        "{CODES}/{}",
        world.api.make(CODES, json!({"name": "Sold"})).await
    );
    world.api.get(&uri).await.refused(404, "not.found");
    world.sim.advance(Duration::from_secs(2));
    world.api.get(&uri).await.ok();
    assert_eq!(world.api.get(CODES).await.ok()["total"], 0);
    world.sim.advance(Duration::from_secs(3));
    assert_eq!(column(&world.api.get(CODES).await.ok(), "name"), ["Sold"]);
    world.api.put(&uri, json!({"name": "Lost"})).await.ok();
    assert_eq!(column(&world.api.get(CODES).await.ok(), "name"), ["Sold"]);
    world.sim.advance(Duration::from_secs(5));
    assert_eq!(column(&world.api.get(CODES).await.ok(), "name"), ["Lost"]);
    world.api.delete(&uri).await.ok();
    world.api.get(&uri).await.refused(404, "not.found");
    assert_eq!(column(&world.api.get(CODES).await.ok(), "name"), ["Lost"]);
    world.sim.advance(Duration::from_secs(5));
    assert_eq!(world.api.get(CODES).await.ok()["total"], 0);
}

#[tokio::test]
async fn a_full_org_takes_no_more() {
    let mut config = Config::with_orgs(["gold"]);
    config.orgs[0]
        .max_objects
        .insert("wrapup_code".to_owned(), 1);
    config.limits = Limits::none();
    let world = World::with(config).await;
    world.api.make(CODES, json!({"name": "one"})).await;
    world
        .api
        .post(CODES, json!({"name": "two"}))
        .await
        .refused(400, "max.entity.count.reached");
}

#[tokio::test]
async fn a_cursor_is_in_the_parameter_that_the_contract_has_for_it() {
    let world = World::start().await;
    let base = |name: &str| json!({"name": name, "coreLanguage": "en-US"});
    let topic = |name: &str| {
        json!({"name": name, "dialect": "en-US", "strictness": "72", "participants": "All",
            "phrases": [{"text": "stop"}]})
    };
    let source = |name: &str| json!({"name": name, "active": true});
    type Body<'a> = &'a dyn Fn(&str) -> serde_json::Value;
    let lists: [(&str, &str, &str, Body<'_>); 3] = [
        (
            "/api/v2/knowledge/knowledgebases",
            "pageSize",
            "after",
            &base,
        ),
        (
            "/api/v2/speechandtextanalytics/topics",
            "pageSize",
            "nextPage",
            &topic,
        ),
        (
            "/api/v2/externalcontacts/externalsources",
            "limit",
            "cursor",
            &source,
        ),
    ];
    for (path, size, cursor, body) in lists {
        for name in ["A", "B", "C"] {
            world.api.make(path, body(name)).await;
        }
        let first = world.api.get(&format!("{path}?{size}=2")).await.ok();
        let next = text(&first, "/nextUri");
        assert!(next.contains(&format!("{cursor}=")), "{next}");
        let second = world.api.get(&next).await.ok();
        let names = [column(&first, "name"), column(&second, "name")].concat();
        assert_eq!(names, ["A", "B", "C"], "{path}");
    }
}

#[tokio::test]
async fn contacts_are_listed_by_page_number_and_scanned_by_cursor() {
    let world = World::start().await;
    for name in ["A", "B", "C"] {
        let path = "/api/v2/externalcontacts/organizations";
        world.api.make(path, json!({"name": name})).await;
    }
    let listed = "/api/v2/externalcontacts/organizations?pageSize=2&pageNumber=2";
    let page = world.api.get(listed).await.ok();
    assert_eq!(
        (column(&page, "name"), &page["total"]),
        (vec!["C".into()], &json!(3))
    );
    let scan = "/api/v2/externalcontacts/scan/organizations?limit=2";
    let page = world.api.get(scan).await.ok();
    let rest = format!("{scan}&cursor={}", text(&page, "/cursors/after"));
    let rest = world.api.get(&rest).await.ok();
    assert_eq!(column(&page, "name").len(), 2);
    assert_eq!(column(&rest, "name"), ["C"]);
}
