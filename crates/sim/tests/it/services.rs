//! Call routes, numbers, integrations, data actions, outbound and audits.

use std::time::Duration;

use orgsmith_sim::{ActionAnswer, ClockMode, Config, Lag};
use serde_json::{Value, json};

use crate::support::{World, column, id, text};

const SCHEDULES: &str = "/api/v2/architect/schedules";
const GROUPS: &str = "/api/v2/architect/schedulegroups";
const IVRS: &str = "/api/v2/architect/ivrs";
const POOLS: &str = "/api/v2/telephony/providers/edges/didpools";
const DIDS: &str = "/api/v2/telephony/providers/edges/dids";
const INTEGRATIONS: &str = "/api/v2/integrations";
const CREDENTIALS: &str = "/api/v2/integrations/credentials";
const ACTIONS: &str = "/api/v2/integrations/actions";
const LISTS: &str = "/api/v2/outbound/contactlists";
const CAMPAIGNS: &str = "/api/v2/outbound/campaigns";

fn schedule(name: &str) -> Value {
    json!({"name": name, "start": "2026-01-05T09:00:00.000", "end": "2026-01-05T17:00:00.000", "rrule": "FREQ=DAILY"})
}

fn pool(start: &str, end: &str) -> Value {
    json!({"startPhoneNumber": start, "endPhoneNumber": end})
}

#[tokio::test]
async fn schedules_check_versions_with_409_and_are_kept_by_their_groups() {
    let world = World::start().await;
    let made = world.api.post(SCHEDULES, schedule("Weekdays")).await.ok();
    assert_eq!(
        (&made["version"], &made["state"]),
        (&json!(1), &json!("active"))
    );
    let uri = text(&made, "/selfUri");
    let mut put = schedule("Weekdays");
    put["version"] = json!(1);
    assert_eq!(world.api.put(&uri, put.clone()).await.ok()["version"], 2);
    world
        .api
        .put(&uri, put)
        .await
        .refused(409, "general.conflict");
    let mut backwards = schedule("Backwards");
    backwards["end"] = json!("2026-01-05T08:00:00.000");
    world
        .api
        .post(SCHEDULES, backwards)
        .await
        .refused(400, "architect.object.validate.failed");

    let body = json!({"name": "Hours", "timeZone": "Europe/Berlin", "openSchedules": [{"id": made["id"]}]});
    let group = world.api.make(GROUPS, body).await;
    world
        .api
        .delete(&uri)
        .await
        .refused(409, "general.conflict");
    world.api.delete(&format!("{GROUPS}/{group}")).await.ok();
    world.api.delete(&uri).await.ok();
}

#[tokio::test]
async fn call_routes_take_free_numbers_of_pools_only() {
    let world = World::start().await;
    world
        .api
        .post(IVRS, json!({"name": "Main", "dnis": ["+13175550100"]}))
        .await
        .refused(400, "bad.request");
    let pool_id = world
        .api
        .make(POOLS, pool("+13175550100", "+13175550109"))
        .await;
    let main = world
        .api
        .post(IVRS, json!({"name": "Main", "dnis": ["+13175550100"]}))
        .await
        .ok();
    let second = json!({"name": "Second", "dnis": ["+13175550100"]});
    world
        .api
        .post(IVRS, second)
        .await
        .refused(400, "architect.object.validate.failed");
    let grouped = json!({"name": "Third", "scheduleGroup": {"id": "nothing"}});
    world
        .api
        .post(IVRS, grouped)
        .await
        .refused(400, "architect.object.validate.failed");

    let page = world
        .api
        .get(&format!("{DIDS}?phoneNumber=%2B1317"))
        .await
        .ok();
    let did = &page["entities"][0];
    assert_eq!(
        (&did["owner"]["name"], &did["ownerType"]),
        (&json!("Main"), &json!("IVR_CONFIG"))
    );
    assert_eq!(
        world.api.get(&text(did, "/selfUri")).await.ok()["phoneNumber"],
        "+13175550100"
    );
    let free = world
        .api
        .get(&format!("{POOLS}/dids?type=UNASSIGNED"))
        .await
        .ok();
    assert_eq!(
        (&free["total"], &free["entities"][0]["number"]),
        (&json!(9), &json!("+13175550101"))
    );
    let all = world
        .api
        .get(&format!(
            "{POOLS}/dids?type=ASSIGNED_AND_UNASSIGNED&numberMatch=0100"
        ))
        .await
        .ok();
    assert_eq!(
        (column(&all, "number"), &all["entities"][0]["assigned"]),
        (vec!["+13175550100".to_owned()], &json!(true))
    );
    world
        .api
        .get(&format!("{POOLS}/dids"))
        .await
        .refused(400, "invalid.query.param.value");

    let uri = format!("{POOLS}/{pool_id}");
    world
        .api
        .delete(&uri)
        .await
        .refused(409, "general.conflict");
    let mut smaller = pool("+13175550105", "+13175550109");
    smaller["version"] = json!(1);
    world
        .api
        .put(&uri, smaller)
        .await
        .refused(409, "general.conflict");
    world
        .api
        .post(POOLS, pool("+13175550109", "+13175550119"))
        .await
        .refused(400, "duplicate.value");
    world.api.delete(&text(&main, "/selfUri")).await.ok();
    world.api.delete(&uri).await.ok();
}

#[tokio::test]
async fn a_number_belongs_to_one_user_or_route() {
    let world = World::start().await;
    world
        .api
        .make(POOLS, pool("+13175550100", "+13175550109"))
        .await;
    world
        .api
        .make(IVRS, json!({"name": "Main", "dnis": ["+13175550100"]}))
        .await;
    let home = world.sim.objects("gold", "division")[0]["id"].clone();
    let user = |number: &str| {
        json!({"name": "Ann", "email": format!("a{number}@example.com"), "divisionId": home,
            "addresses": [{"mediaType": "PHONE", "type": "WORK", "address": number}]})
    };
    world
        .api
        .post("/api/v2/users", user("+13175550100"))
        .await
        .refused(400, "invalid.value");
    let ann = world.api.make("/api/v2/users", user("+13175550101")).await;
    let owned = world.api.get(&format!("{DIDS}?owner.id={ann}")).await.ok();
    assert_eq!(column(&owned, "phoneNumber"), ["+13175550101"]);
    let taken = json!({"name": "Second", "dnis": ["+13175550101"]});
    world
        .api
        .post(IVRS, taken)
        .await
        .refused(400, "architect.object.validate.failed");
}

#[tokio::test]
async fn a_new_pool_is_known_to_call_routes_late() {
    let mut config = Config::with_orgs(["gold"]);
    config.clock = ClockMode::Manual("2026-03-01T12:00:00Z".parse().unwrap());
    config.lags = vec![Lag {
        path_prefix: POOLS.to_owned(),
        read_ms: 0,
        list_ms: 3_000,
    }];
    let world = World::with(config).await;
    world
        .api
        .make(POOLS, pool("+13175550100", "+13175550109"))
        .await;
    let body = json!({"name": "Main", "dnis": ["+13175550100"]});
    let refusal = world
        .api
        .post(IVRS, body.clone())
        .await
        .refused(400, "bad.request");
    assert!(text(&refusal, "/message").starts_with("Field 'didPoolId' is required"));
    world.sim.advance(Duration::from_secs(3));
    world.api.make(IVRS, body).await;
}

#[tokio::test]
async fn writes_to_call_routes_have_a_rate_of_their_own() {
    let mut config = Config::with_orgs(["gold"]);
    config.limits.services[0].writes_per_minute = 1;
    let world = World::with(config).await;
    world.api.make(IVRS, json!({"name": "Main"})).await;
    world
        .api
        .post(IVRS, json!({"name": "Second"}))
        .await
        .refused(429, "too.many.requests.retry.after");
    world.api.get(IVRS).await.ok();
}

impl World {
    async fn integration(&self) -> String {
        let body = json!({"name": "CRM", "integrationType": {"id": "custom-rest-actions"}});
        self.api.make(INTEGRATIONS, body).await
    }

    async fn credential(&self, password: &str) -> String {
        let fields = json!({"userName": "u", "password": password});
        let body =
            json!({"name": "crm", "type": {"name": "basicAuth"}, "credentialFields": fields});
        self.api.make(CREDENTIALS, body).await
    }
}

#[tokio::test]
async fn an_integration_is_made_off_then_configured_then_turned_on() {
    let world = World::start().await;
    let wrong = json!({"name": "x", "integrationType": {"id": "nothing"}});
    world
        .api
        .post(INTEGRATIONS, wrong)
        .await
        .refused(400, "bad.request");
    let uri = format!("{INTEGRATIONS}/{}", world.integration().await);
    let made = world.api.get(&uri).await.ok();
    assert_eq!(
        (&made["intendedState"], &made["reportedState"]["code"]),
        (&json!("DISABLED"), &json!("INACTIVE"))
    );
    let credential = world.credential("x").await;
    let config = |version: i64, key: &str| {
        json!({"name": "CRM live", "version": version, "properties": {"url": "https://crm.example.com"},
            "advanced": {}, "notes": "", "credentials": {key: {"id": credential}}})
    };
    let current = format!("{uri}/config/current");
    assert_eq!(world.api.get(&current).await.ok()["version"], 1);
    world
        .api
        .put(&current, config(7, "basicAuth"))
        .await
        .refused(409, "general.conflict");
    world
        .api
        .put(&current, config(1, "other"))
        .await
        .refused(400, "bad.request");
    let put = world.api.put(&current, config(1, "basicAuth")).await.ok();
    assert_eq!(
        (&put["version"], &put["credentials"]["basicAuth"]["name"]),
        (&json!(2), &json!("crm"))
    );
    let on = world
        .api
        .patch(&uri, json!({"intendedState": "ENABLED"}))
        .await
        .ok();
    assert_eq!(
        (&on["name"], &on["reportedState"]["code"]),
        (&json!("CRM live"), &json!("ACTIVE"))
    );
    let page = world.api.get(INTEGRATIONS).await.ok();
    assert!(page["entities"][0].get("config").is_none());
    world
        .api
        .delete(&format!("{CREDENTIALS}/{credential}"))
        .await
        .refused(409, "general.conflict");
    assert_eq!(
        world.api.delete(&uri).await.ok()["intendedState"],
        "DELETED"
    );
    world.api.get(&uri).await.refused(404, "not.found");
}

#[tokio::test]
async fn what_is_in_a_credential_is_never_shown() {
    let world = World::start().await;
    let uri = format!("{CREDENTIALS}/{}", world.credential("hunter2").await);
    let short =
        json!({"name": "x", "type": {"name": "basicAuth"}, "credentialFields": {"userName": "u"}});
    world
        .api
        .post(CREDENTIALS, short)
        .await
        .refused(400, "required.field.missing");
    let body = json!({"name": "renamed", "type": {"name": "basicAuth"}, "credentialFields": {"userName": "u", "password": "hunter3"}});
    world.api.put(&uri, body).await.ok();
    let paths = [
        uri,
        format!("{CREDENTIALS}/listing?pageSize=200"),
        CREDENTIALS.to_owned(),
        format!("{CREDENTIALS}/types"),
    ];
    for path in paths {
        let shown = world.api.get(&path).await.ok().to_string();
        assert!(
            !shown.contains("hunter") && !shown.contains("credentialFields"),
            "{shown}"
        );
    }
    let types = world.api.get(&format!("{INTEGRATIONS}/types")).await.ok();
    assert!(column(&types, "id").contains(&"purecloud-data-actions".to_owned()));
}

fn action(integration: &str, name: &str) -> Value {
    let schema = json!({"type": "object", "properties": {"id": {"type": "string"}}});
    json!({
        "category": "CRM", "name": name, "integrationId": integration,
        "config": {
            "request": {"requestType": "GET", "requestUrlTemplate": "https://crm.example.com/${input.id}", "requestTemplate": "${input.rawRequest}"},
            "response": {"successTemplate": "${rawResult}", "translationMap": {}, "translationMapDefaults": {}},
        },
        "contract": {"input": {"inputSchema": schema}, "output": {"successSchema": schema}},
    })
}

#[tokio::test]
async fn actions_show_contract_and_config_only_when_asked() {
    let world = World::start().await;
    let integration = world.integration().await;
    world
        .api
        .post(ACTIONS, action("nothing", "Get"))
        .await
        .refused(400, "bad.request");
    let made = world
        .api
        .post(ACTIONS, action(&integration, "Get"))
        .await
        .ok();
    assert_eq!(
        (&made["version"], &made["secure"]),
        (&json!(1), &json!(false))
    );
    let uri = text(&made, "/selfUri");
    let plain = world.api.get(&uri).await.ok();
    assert!(plain.get("contract").is_none() && plain.get("config").is_none());
    let full = world
        .api
        .get(&format!("{uri}?expand=contract&includeConfig=true"))
        .await
        .ok();
    assert_eq!(full["contract"]["input"]["inputSchema"]["type"], "object");
    assert_eq!(full["config"]["request"]["requestType"], "GET");
    let template = text(&full, "/config/response/successTemplateUri");
    assert_eq!(world.api.get(&template).await.ok(), json!("${rawResult}"));
    let page = world.api.get(&format!("{ACTIONS}?category=CRM")).await.ok();
    assert_eq!(column(&page, "name"), ["Get"]);
    // Two actions may share a name.
    world.api.make(ACTIONS, action(&integration, "Get")).await;
    let categories = world.api.get(&format!("{ACTIONS}/categories")).await.ok();
    assert_eq!(column(&categories, "name"), ["CRM", "Genesys Cloud"]);

    let patch = json!({"name": "Get one", "version": 1});
    assert_eq!(
        world.api.patch(&uri, patch.clone()).await.ok()["version"],
        2
    );
    world
        .api
        .patch(&uri, patch)
        .await
        .refused(409, "general.conflict");
    let contract = json!({"contract": {}, "version": 2});
    world
        .api
        .patch(&uri, contract)
        .await
        .refused(400, "invalid.property");
    world
        .api
        .delete(&format!("{INTEGRATIONS}/{integration}"))
        .await
        .refused(409, "general.conflict");
    world.api.delete(&uri).await.ok();
}

#[tokio::test]
async fn a_test_of_an_action_says_what_the_system_behind_it_says() {
    let mut config = Config::with_orgs(["gold"]);
    config.orgs[0].answers = [
        (
            "Get".to_owned(),
            ActionAnswer::Result(json!({"name": "Ann"})),
        ),
        ("Put".to_owned(), ActionAnswer::Error("down".to_owned())),
    ]
    .into();
    let world = World::with(config).await;
    let integration = world.integration().await;
    let test = async |name: &str, input: Value| {
        let mut body = action(&integration, name);
        let schema =
            json!({"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]});
        body["contract"]["input"]["inputSchema"] = schema;
        let made = world.api.make(ACTIONS, body).await;
        world
            .api
            .post(&format!("{ACTIONS}/{made}/test"), input)
            .await
    };
    let input = || json!({"id": "1"});
    let told = test("Get", input()).await.ok();
    assert_eq!(
        (&told["success"], &told["finalResult"]),
        (&json!(true), &json!({"name": "Ann"}))
    );
    for (name, input, told) in [
        ("Put", input(), "down"),
        ("Get", json!({"id": 1}), "The property id is no string."),
        ("Get", json!({}), "The property id is required."),
        (
            "Other",
            input(),
            "Nobody has set what the system behind 'Other' answers.",
        ),
    ] {
        let failed = test(name, input).await.ok();
        assert_eq!(
            (&failed["success"], &failed["error"]["message"]),
            (&json!(false), &json!(told))
        );
        assert!(failed.get("finalResult").is_none());
    }
    let nowhere = format!("{ACTIONS}/nothing/test");
    world
        .api
        .post(&nowhere, input())
        .await
        .refused(404, "not.found");
}

#[tokio::test]
async fn a_contract_changes_through_a_draft() {
    let world = World::start().await;
    let integration = world.integration().await;
    let uri = text(
        &world
            .api
            .post(ACTIONS, action(&integration, "Get"))
            .await
            .ok(),
        "/selfUri",
    );
    world
        .api
        .get(&format!("{uri}/draft"))
        .await
        .refused(404, "not.found");
    world
        .api
        .post(&format!("{uri}/draft"), Value::Null)
        .await
        .ok();
    world
        .api
        .post(&format!("{uri}/draft"), Value::Null)
        .await
        .refused(409, "general.conflict");
    let broken = json!({"version": 1, "contract": {"input": {"inputSchema": {"title": "none"}}, "output": {"successSchema": {"type": "object"}}}});
    world.api.patch(&format!("{uri}/draft"), broken).await.ok();
    assert_eq!(
        world.api.get(&format!("{uri}/draft/validation")).await.ok()["valid"],
        false
    );
    world
        .api
        .post(&format!("{uri}/draft/publish"), json!({"version": 2}))
        .await
        .refused(400, "bad.request");
    let good = json!({"version": 2, "contract": {"input": {"inputSchema": {"type": "object", "title": "new"}}, "output": {"successSchema": {"type": "object"}}}});
    world.api.patch(&format!("{uri}/draft"), good).await.ok();
    assert_eq!(
        column(
            &world.api.get(&format!("{ACTIONS}/drafts")).await.ok(),
            "name"
        ),
        ["Get"]
    );
    let published = world
        .api
        .post(&format!("{uri}/draft/publish"), json!({"version": 3}))
        .await;
    assert_eq!(published.status, 202);
    let full = world.api.get(&format!("{uri}?expand=contract")).await.ok();
    assert_eq!(full["contract"]["input"]["inputSchema"]["title"], "new");
    world
        .api
        .get(&format!("{uri}/draft"))
        .await
        .refused(404, "not.found");

    let new = text(
        &world
            .api
            .post(&format!("{ACTIONS}/drafts"), action(&integration, "New"))
            .await
            .ok(),
        "/selfUri",
    );
    world.api.get(&new).await.refused(404, "not.found");
    world
        .api
        .post(&format!("{new}/draft/publish"), json!({"version": 1}))
        .await
        .ok();
    world.api.get(&new).await.ok();
}

#[tokio::test]
async fn built_in_actions_are_there_and_stay() {
    let world = World::start().await;
    let page = world.api.get(ACTIONS).await.ok();
    let uri = text(&page, "/entities/0/selfUri");
    assert!(text(&page, "/entities/0/id").starts_with("static"));
    world
        .api
        .patch(&uri, json!({"name": "x", "version": 1}))
        .await
        .refused(400, "bad.request");
    world.api.delete(&uri).await.refused(400, "bad.request");
}

fn list(name: &str) -> Value {
    json!({"name": name, "columnNames": ["phone", "first"], "phoneColumns": [{"columnName": "phone", "type": "cell"}]})
}

#[tokio::test]
async fn the_columns_of_a_contact_list_never_change() {
    let world = World::start().await;
    let made = world.api.post(LISTS, list("Leads")).await.ok();
    world
        .api
        .post(LISTS, list("LEADS"))
        .await
        .refused(400, "duplicate.name");
    let mut odd = list("Odd");
    odd["phoneColumns"][0]["columnName"] = json!("fax");
    world
        .api
        .post(LISTS, odd)
        .await
        .refused(400, "invalid.value");
    let uri = text(&made, "/selfUri");
    let mut put = list("Leads 2");
    put["version"] = json!(1);
    world.api.put(&uri, put.clone()).await.ok();
    put["version"] = json!(2);
    put["columnNames"] = json!(["phone", "first", "last"]);
    world.api.put(&uri, put).await.refused(400, "invalid.value");
    let found = world
        .api
        .get(&format!(
            "{LISTS}?name=lea&filterType=Prefix&allowEmptyResult=true"
        ))
        .await
        .ok();
    assert_eq!(column(&found, "name"), ["Leads 2"]);
    let exact = world
        .api
        .get(&format!("{LISTS}?name=lea&filterType=Equals"))
        .await
        .ok();
    assert_eq!(exact["total"], 0);
}

#[tokio::test]
async fn a_campaign_is_made_off_and_not_changed_while_on() {
    let world = World::start().await;
    let contacts = world.api.make(LISTS, list("Leads")).await;
    let queue = world
        .api
        .make("/api/v2/routing/queues", json!({"name": "Sales"}))
        .await;
    let responses =
        json!({"name": "Default", "responses": {"callable_person": {"reactionType": "transfer"}}});
    let responses = world
        .api
        .make("/api/v2/outbound/callanalysisresponsesets", responses)
        .await;
    let body = json!({
        "name": "Spring", "contactList": id(&contacts), "queue": id(&queue), "dialingMode": "preview",
        "phoneColumns": [{"columnName": "phone", "type": "cell"}], "callerName": "Sales", "callerAddress": "+13175550100",
        "callAnalysisResponseSet": id(&responses),
    });
    let with = |field: &str, value: Value| {
        let mut body = body.clone();
        body[field] = value;
        body
    };
    world
        .api
        .post(CAMPAIGNS, with("campaignStatus", json!("on")))
        .await
        .refused(400, "invalid.value");
    world
        .api
        .post(CAMPAIGNS, with("contactList", id("nothing")))
        .await
        .refused(400, "contact.list.not.found");
    world
        .api
        .post(CAMPAIGNS, with("queue", Value::Null))
        .await
        .refused(400, "queue.not.found");
    let made = world.api.post(CAMPAIGNS, body.clone()).await.ok();
    assert_eq!(
        (&made["campaignStatus"], &made["contactList"]["name"]),
        (&json!("off"), &json!("Leads"))
    );
    world
        .api
        .delete(&format!("{LISTS}/{contacts}"))
        .await
        .refused(400, "contact.list.in.use");
    let uri = text(&made, "/selfUri");
    let mut on = with("campaignStatus", json!("on"));
    on["version"] = json!(1);
    world.api.put(&uri, on).await.ok();
    let mut renamed = with("name", json!("Summer"));
    renamed["version"] = json!(2);
    world
        .api
        .put(&uri, renamed.clone())
        .await
        .refused(400, "campaign.is.on");
    world.api.delete(&uri).await.refused(400, "campaign.is.on");
    world
        .api
        .post(&format!("{uri}/stop"), Value::Null)
        .await
        .ok();
    world.api.put(&uri, renamed).await.ok();
    assert_eq!(world.api.delete(&uri).await.ok()["name"], "Summer");
}

#[tokio::test]
async fn every_write_is_audited_with_who_and_what() {
    let mut config = Config::with_orgs(["gold"]);
    config.clock = ClockMode::Manual("2026-03-01T12:00:00Z".parse().unwrap());
    let world = World::with(config).await;
    let queue = world
        .api
        .make("/api/v2/routing/queues", json!({"name": "Sales"}))
        .await;
    world.sim.advance(Duration::from_secs(60));
    let body = json!({"name": "Sales", "description": "now with words"});
    world
        .api
        .put(&format!("/api/v2/routing/queues/{queue}"), body)
        .await
        .ok();
    let realtime = "/api/v2/audits/query/realtime";
    let query = |extra: Value| {
        let mut query = json!({"interval": "2026-03-01T00:00:00Z/2026-03-02T00:00:00Z", "serviceName": "ContactCenter"});
        query
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        query
    };
    let found = world
        .api
        .post(realtime, query(json!({"pageSize": 500})))
        .await
        .ok();
    assert_eq!(column(&found, "action"), ["Update", "Create"]);
    let update = &found["entities"][0];
    assert_eq!(
        (&update["entity"]["id"], &update["client"]["id"]),
        (&json!(queue), &json!("gold-client"))
    );
    assert_eq!(update["eventDate"], "2026-03-01T12:01:00.000Z");
    assert_eq!(
        update["propertyChanges"],
        json!([{"property": "description", "oldValues": [], "newValues": ["now with words"]}])
    );
    let creates = json!({"filters": [{"property": "Action", "value": "Create"}]});
    assert_eq!(
        world.api.post(realtime, query(creates)).await.ok()["total"],
        1
    );
    world
        .api
        .post(realtime, query(json!({"serviceName": null})))
        .await
        .refused(400, "invalid.value");
    world
        .api
        .post(realtime, query(json!({"serviceName": "Nothing"})))
        .await
        .refused(400, "invalid.value");
    let old = json!({"interval": "2026-01-01T00:00:00Z/2026-03-02T00:00:00Z"});
    world
        .api
        .post(realtime, query(old.clone()))
        .await
        .refused(400, "invalid.value");

    let job = world
        .api
        .post("/api/v2/audits/query", query(old))
        .await
        .ok();
    let uri = format!("/api/v2/audits/query/{}", text(&job, "/id"));
    assert_eq!(job["state"], "Queued");
    world
        .api
        .get(&format!("{uri}/results"))
        .await
        .refused(400, "bad.request");
    assert_eq!(world.api.get(&uri).await.ok()["state"], "Running");
    assert_eq!(world.api.get(&uri).await.ok()["state"], "Succeeded");
    let first = world
        .api
        .get(&format!("{uri}/results?pageSize=1"))
        .await
        .ok();
    let cursor = text(&first, "/cursor");
    let second = world
        .api
        .get(&format!("{uri}/results?pageSize=1&cursor={cursor}"))
        .await
        .ok();
    assert_eq!(
        (column(&second, "action"), second.get("cursor")),
        (vec!["Create".to_owned()], None)
    );
    let mapping = world
        .api
        .get("/api/v2/audits/query/realtime/servicemapping")
        .await
        .ok();
    let names: Vec<&str> = mapping["services"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|s| s["name"].as_str())
        .collect();
    assert!(names.contains(&"ContactCenter") && names.contains(&"Outbound"));
}
