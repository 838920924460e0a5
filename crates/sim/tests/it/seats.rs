//! Licences, contracts and limits: what an org may have, and what happens beyond.

use orgsmith_sim::{Beyond, Billing, ClientSpec, Config, Limits, Seats};
use serde_json::{Value, json};

use crate::support::{Api, World, column, text};

const ROLES: &str = "/api/v2/authorization/roles";
const USERS: &str = "/api/v2/users";
const CONTRACTS: &str = "/api/v2/billing/contracts";
const NAMESPACES: &str = "/api/v2/organizations/limits/namespaces";

async fn world(seats: Seats) -> World {
    let mut config = Config::with_orgs(["gold"]);
    config.orgs[0].seats = seats;
    config.limits = Limits::none();
    World::with(config).await
}

fn paid<const N: usize>(seats: [(&str, u64); N]) -> Seats {
    Seats {
        paid: seats.map(|(id, count)| (id.to_owned(), count)).into(),
        ..Seats::default()
    }
}

impl World {
    async fn role(&self, name: &str, domain: &str, entity: &str) -> String {
        let policy = json!({"domain": domain, "entityName": entity, "actionSet": ["view"]});
        let body = json!({"name": name, "permissionPolicies": [policy]});
        self.api.make(ROLES, body).await
    }

    async fn person(&self, name: &str, state: &str) -> Value {
        let home = self.api.get("/api/v2/authorization/divisions/home").await;
        let home = text(&home.ok(), "/id");
        let email = format!("{name}@example.com");
        json!({"name": name, "email": email, "divisionId": home, "state": state})
    }

    async fn active(&self, name: &str) -> String {
        let body = self.person(name, "active").await;
        self.api.make(USERS, body).await
    }

    async fn grant(&self, user: &str, role: &str) -> crate::support::Got {
        let path = format!("/api/v2/authorization/subjects/{user}/bulkadd?subjectType=PC_USER");
        let grants = json!({"grants": [{"roleId": role, "divisionId": "*"}]});
        self.api.post(&path, grants).await
    }
}

#[tokio::test]
async fn roles_need_the_licences_of_their_permissions() {
    let world = world(Seats::default()).await;
    let infer = "/api/v2/license/infer";
    let agent = world.role("Agent", "routing", "queue").await;
    let coach = world.role("Coach", "quality", "evaluation").await;
    let of = async |roles: Value| world.api.post(infer, roles).await.ok();
    assert_eq!(of(json!([])).await, json!(["collaborate"]));
    assert_eq!(of(json!([agent])).await, json!(["cloudCX1", "collaborate"]));
    assert_eq!(
        of(json!([agent, coach])).await,
        json!(["cloudCX3", "collaborate"])
    );
    world
        .api
        .post(infer, json!(["nobody"]))
        .await
        .refused(400, "bad.request");
    let by_name = format!("{infer}/permissions");
    assert_eq!(
        world
            .api
            .post(&by_name, json!(["telephony:plugin:all"]))
            .await
            .ok(),
        json!(["collaborate", "communicate"])
    );
    world
        .api
        .post(&by_name, json!(["telephony"]))
        .await
        .refused(400, "invalid.value");
}

#[tokio::test]
async fn definitions_are_those_that_the_org_has() {
    let missing = vec!["cloudCX3".to_owned()];
    let world = world(Seats {
        missing,
        ..Seats::default()
    })
    .await;
    let all = world.api.get("/api/v2/license/definitions").await.ok();
    let ids: Vec<&str> = all
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["id"].as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "collaborate",
            "communicate",
            "cloudCX1",
            "cloudCX2",
            "workitems"
        ]
    );
    let one = world.api.get("/api/v2/license/definitions/cloudCX1").await;
    let one = one.ok();
    let permissions = one["permissions"]["ids"].as_array().expect("names");
    assert!(permissions.contains(&json!("routing:queue:view")));
    let gone = world.api.get("/api/v2/license/definitions/cloudCX3").await;
    gone.refused(404, "not.found");
}

#[tokio::test]
async fn who_holds_a_licence_follows_from_roles_and_groups_of_the_active() {
    let world = world(Seats::default()).await;
    let (own, by_group) = (world.active("own").await, world.active("grouped").await);
    let away = world.active("away").await;
    let agent = world.role("Agent", "routing", "queue").await;
    for user in [&own, &away] {
        world.grant(user, &agent).await.ok();
    }
    let away_uri = format!("{USERS}/{away}");
    let state = json!({"state": "inactive", "version": 1});
    world.api.patch(&away_uri, state).await.ok();
    let group = world
        .api
        .make("/api/v2/groups", json!({"name": "Agents", "type": "official", "visibility": "public", "rulesVisible": true}))
        .await;
    let members = json!({"memberIds": [by_group], "version": 1});
    let path = format!("/api/v2/groups/{group}/members");
    world.api.post(&path, members).await.ok();
    world.grant(&group, &agent).await.ok();
    let page = world.api.get("/api/v2/license/users?pageSize=100").await;
    let page = page.ok();
    let mut ids = column(&page, "id");
    ids.sort();
    let mut wanted = [own.clone(), by_group.clone()];
    wanted.sort();
    assert_eq!(ids, wanted);
    for row in page["entities"].as_array().expect("rows") {
        assert_eq!(row["licenses"], json!(["cloudCX1", "collaborate"]));
    }
    let one = world.api.get(&format!("/api/v2/license/users/{own}")).await;
    assert_eq!(one.ok()["licenses"].as_array().map(Vec::len), Some(2));
    let none = world.api.get("/api/v2/license/users/nobody").await;
    none.refused(404, "not.found");
}

#[tokio::test]
async fn the_open_period_says_what_is_paid_for_and_what_is_used() {
    let world = world(paid([("cloudCX1", 1)])).await;
    let agent = world.role("Agent", "routing", "queue").await;
    for name in ["one", "two"] {
        let user = world.active(name).await;
        world.grant(&user, &agent).await.ok();
    }
    let active = world.api.get(&format!("{CONTRACTS}?status=Active")).await;
    let contract = active.ok()["entities"][0].clone();
    let none = world.api.get(&format!("{CONTRACTS}?status=Inactive")).await;
    assert_eq!(none.ok()["entities"], json!([]));
    let id = text(&contract, "/id");
    let same = world.api.get(&format!("{CONTRACTS}/{id}")).await.ok();
    assert_eq!(same, contract);
    let periods = contract["billingPeriods"].as_array().expect("periods");
    let open = periods.iter().find(|period| period["status"] == "Open");
    let open = text(open.expect("an open one"), "/id");
    let uri = format!("{CONTRACTS}/{id}/billingperiods/{open}");
    let charges = world.api.get(&uri).await.ok()["charges"].clone();
    let of = |name: &str| {
        let charges = charges.as_array().into_iter().flatten();
        let mut named = charges.filter(|charge| charge["product"]["name"] == name);
        let charge = named.next().expect(name);
        ["prepaidQuantity", "actualQuantity", "overageQuantity"].map(|field| charge[field].as_u64())
    };
    assert_eq!(of("Genesys Cloud CX 1"), [Some(1), Some(2), Some(1)]);
    assert_eq!(
        of("Genesys Cloud CX 3"),
        [Some(1_000_000), Some(0), Some(0)]
    );
    for gone in [
        format!("{CONTRACTS}/other"),
        format!("{CONTRACTS}/{id}/billingperiods/other"),
    ] {
        world.api.get(&gone).await.refused(404, "not.found");
    }
}

#[tokio::test]
async fn contracts_can_be_hidden() {
    for (billing, status, code) in [
        (Billing::Forbidden, 403, "not.authorized"),
        (Billing::Absent, 404, "not.found"),
    ] {
        let world = world(Seats {
            billing,
            ..Seats::default()
        })
        .await;
        world.api.get(CONTRACTS).await.refused(status, code);
        let one = format!("{CONTRACTS}/C-1/billingperiods/P-2");
        world.api.get(&one).await.refused(status, code);
    }
}

#[tokio::test]
async fn where_seats_block_nobody_takes_one_too_many() {
    let world = world(Seats {
        beyond: Beyond::Block,
        ..paid([("cloudCX1", 1), ("collaborate", 3)])
    })
    .await;
    let full = "max.entity.count.reached";
    let agent = world.role("Agent", "routing", "queue").await;
    let (one, two) = (world.active("one").await, world.active("two").await);
    world.grant(&one, &agent).await.ok();
    world.grant(&two, &agent).await.refused(400, full);
    let subject = format!("/api/v2/authorization/subjects/{two}");
    assert_eq!(world.api.get(&subject).await.ok()["grants"], json!([]));
    // By a group neither.
    let group =
        json!({"name": "Agents", "type": "official", "visibility": "public", "rulesVisible": true});
    let group = world.api.make("/api/v2/groups", group).await;
    world.grant(&group, &agent).await.ok();
    let members = format!("/api/v2/groups/{group}/members");
    let joining = json!({"memberIds": [two], "version": 1});
    world.api.post(&members, joining).await.refused(400, full);
    assert_eq!(world.api.get(&members).await.ok()["total"], 0);
    // A fourth user is one too many, active from the start or later.
    world.active("three").await;
    let eager = world.person("four", "active").await;
    world.api.post(USERS, eager).await.refused(400, full);
    let quiet = world.person("four", "inactive").await;
    let four = world.api.make(USERS, quiet).await;
    let uri = format!("{USERS}/{four}");
    let wake = json!({"state": "active", "version": 1});
    world.api.patch(&uri, wake).await.refused(400, full);
    assert_eq!(world.api.get(&uri).await.ok()["state"], "inactive");
}

#[tokio::test]
async fn limits_are_told_by_namespace_and_hold() {
    let mut config = Config::with_orgs(["gold"]);
    config.limits = Limits::none();
    let most = &mut config.orgs[0].max_objects;
    most.insert("queue".to_owned(), 1);
    most.insert("queue_member".to_owned(), 1);
    most.insert("user_skill".to_owned(), 1);
    let blind = ClientSpec::new("blind-client", "blind-secret").permissions(["routing:*"]);
    config.orgs[0].clients.push(blind);
    let world = World::with(config).await;
    let names = world.api.get(NAMESPACES).await.ok();
    let names = names["entities"].as_array().expect("names");
    assert!(names.contains(&json!("routing")) && names.contains(&json!("platform.api")));
    let value = async |path: &str, key: &str| {
        let listed = world.api.get(&format!("{NAMESPACES}/{path}")).await.ok();
        let limits = listed["entities"].as_array().expect("limits").clone();
        let one = limits.into_iter().find(|limit| limit["key"] == key);
        one.and_then(|limit| limit["value"].as_u64())
    };
    assert_eq!(value("routing", "queues.max").await, Some(1));
    assert_eq!(value("routing/defaults", "queues.max").await, Some(5_000));
    assert_eq!(value("skills/defaults", "user.skills.max").await, None);
    let other = world.api.get(&format!("{NAMESPACES}/other")).await;
    other.refused(404, "not.found");
    let api = Api::login(&world.sim, "blind-client", "blind-secret").await;
    let blind = api.get(&format!("{NAMESPACES}/routing")).await;
    let refused = blind.refused(403, "missing.permissions");
    assert_eq!(
        refused["messageParams"]["permissions"],
        "limits:organization:view"
    );

    let queues = "/api/v2/routing/queues";
    let queue = world.api.make(queues, json!({"name": "One"})).await;
    let two = world.api.post(queues, json!({"name": "Two"})).await;
    let refused = two.refused(400, "max.entity.count.reached");
    assert_eq!(
        refused["limit"],
        json!({"namespace": "routing", "key": "queues.max", "value": 1})
    );
    let (one, two) = (world.active("one").await, world.active("two").await);
    let both = json!([{"id": one}, {"id": two}]);
    let path = format!("{queues}/{queue}/members");
    let refused = world.api.post(&path, both).await;
    refused.refused(400, "queue.size.limit");
    let mut skills = Vec::new();
    for name in ["A", "B"] {
        let id = world
            .api
            .make("/api/v2/routing/skills", json!({"name": name}))
            .await;
        skills.push(json!({"id": id, "proficiency": 1}));
    }
    let path = format!("{USERS}/{one}/routingskills/bulk");
    let refused = world.api.put(&path, skills.into()).await;
    refused.refused(400, "max.entity.count.reached");
}

#[tokio::test]
async fn products_are_the_domains_that_the_org_has() {
    let mut config = Config::with_orgs(["gold"]);
    config.orgs[0].missing_products = vec!["outbound".to_owned()];
    let world = World::with(config).await;
    let products = world.api.get("/api/v2/authorization/products").await.ok();
    let ids = column(&products, "id");
    assert!(ids.contains(&"routing".to_owned()) && !ids.contains(&"outbound".to_owned()));
}
