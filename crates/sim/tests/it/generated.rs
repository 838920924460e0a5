//! Generated orgs: whole, the same in every run, and as large as asked for.

use std::collections::BTreeSet;

use orgsmith_sim::{ClockMode, Config, Generate, Limits, Sim};
use serde_json::{Value, json};

use crate::architect::{end, messages};
use crate::support::{Api, World, column, text};

fn config() -> Config {
    let mut config = Config::with_orgs(["gold"]);
    config.limits = Limits::none();
    config.clock = ClockMode::Manual("2026-01-01T00:00:00Z".parse().unwrap());
    config
}

async fn world(wanted: &str) -> World {
    let world = World::with(config()).await;
    let wanted: Generate = wanted.parse().unwrap();
    world.sim.generate("gold", &wanted).unwrap();
    world
}

/// Gives everything in an org, without the address of its simulator.
fn dump(sim: &Sim) -> String {
    sim.dump("gold").to_string().replace(sim.base_url(), "")
}

#[tokio::test]
async fn the_same_seed_gives_the_same_org_also_after_a_reset() {
    let one = world("seed=7").await;
    let two = world("seed=7").await;
    let before = dump(&one.sim);
    assert_eq!(before, dump(&two.sim));
    assert_ne!(before, dump(&world("seed=8").await.sim));
    one.sim.reset();
    assert_eq!(before, dump(&one.sim));
}

#[tokio::test]
async fn odd_objects_are_bent_in_every_way_and_the_same_in_every_run() {
    let one = world("seed=7,odd=5").await;
    let bent = one.sim.oddities("gold");
    let dump = dump(&one.sim);
    let all: usize = one
        .sim
        .dump("gold")
        .as_object()
        .unwrap()
        .values()
        .map(|objects| objects.as_array().unwrap().len())
        .sum();
    assert!(
        (all / 40..all / 10).contains(&bent.len()),
        "{} of {all}",
        bent.len()
    );
    one.sim.reset();
    assert_eq!(bent, one.sim.oddities("gold"));
    assert_eq!(dump, self::dump(&one.sim));

    let all = world("seed=7,odd=40").await.sim.oddities("gold");
    for how in [
        "null at",
        "unknown value at",
        "dangling id at",
        "deleted ",
        "slashes in",
        "emoji in",
        "500 characters in",
        "case of another in",
        "control characters in",
        "1000 items at",
    ] {
        assert!(all.iter().any(|odd| odd.how.starts_with(how)), "{how}");
    }
    assert_eq!(world("seed=7").await.sim.oddities("gold"), []);
}

fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(fields) => {
            if let (Some(id), Some(_)) = (fields.get("id"), fields.get("selfUri")) {
                found.extend(id.as_str());
            }
            fields.values().for_each(|value| references(value, found));
        }
        _ => {}
    }
}

#[tokio::test]
async fn everything_that_is_referred_to_is_there() {
    let world = world("seed=3").await;
    let dump = world.sim.dump("gold");
    let kinds = dump.as_object().unwrap();
    let ids: BTreeSet<&str> = kinds
        .values()
        .flat_map(|objects| objects.as_array().unwrap())
        .filter_map(|object| object["id"].as_str())
        .collect();
    let mut found = Vec::new();
    for (kind, objects) in kinds {
        for object in objects.as_array().unwrap() {
            let inner = object.as_object().unwrap();
            // Versions, languages and types of integrations are no objects of their own.
            let skipped = [
                "publishedVersion",
                "checkedInVersion",
                "savedVersion",
                "$versions",
            ];
            let skipped = skipped.into_iter().chain(["resources", "integrationType"]);
            let skipped: Vec<&str> = skipped.collect();
            let values = inner
                .iter()
                .filter(|(name, _)| !skipped.contains(&name.as_str()));
            for (_, value) in values {
                references(value, &mut found);
            }
            assert!(object["id"].is_string(), "{kind}");
        }
    }
    assert!(found.len() > 100, "{}", found.len());
    for id in found {
        assert!(ids.contains(id), "{id} is not there");
    }
}

async fn all(api: &Api, path: &str) -> Vec<Value> {
    let sign = if path.contains('?') { '&' } else { '?' };
    let page = api.get(&format!("{path}{sign}pageSize=100")).await.ok();
    page["entities"].as_array().unwrap().clone()
}

#[tokio::test]
async fn nobody_is_a_member_of_a_queue_twice() {
    let world = world("seed=4,users=60,groups=20,queues=40,members=20").await;
    let groups = world.sim.dump("gold")["group"].clone();
    let mut by_group = 0;
    for queue in world.sim.dump("gold")["queue"].as_array().unwrap() {
        let members = queue["$members"].as_object().unwrap();
        for held in queue["memberGroups"].as_array().into_iter().flatten() {
            let group = groups.as_array().unwrap().iter();
            let group = group
                .clone()
                .find(|group| group["id"] == held["id"])
                .unwrap();
            for user in group["$members"].as_object().unwrap().keys() {
                by_group += 1;
                assert!(!members.contains_key(user), "{} has {user}", queue["name"]);
            }
        }
    }
    assert!(by_group > 0);
}

#[tokio::test]
async fn a_small_org_has_something_of_everything_and_answers_as_the_contract_says() {
    let world = world("seed=1").await;
    let api = &world.api;
    for (path, count) in [
        ("/api/v2/authorization/divisions", 4),
        ("/api/v2/locations", 3),
        ("/api/v2/routing/skills", 12),
        ("/api/v2/routing/languages", 4),
        ("/api/v2/routing/wrapupcodes", 12),
        ("/api/v2/users?state=any", 50),
        ("/api/v2/groups", 5),
        ("/api/v2/routing/skillgroups", 2),
        ("/api/v2/routing/queues", 10),
        ("/api/v2/architect/schedules", 4),
        ("/api/v2/architect/schedulegroups", 2),
        ("/api/v2/architect/prompts", 6),
        ("/api/v2/flows/datatables", 3),
        ("/api/v2/integrations", 2),
        ("/api/v2/integrations/credentials", 2),
        ("/api/v2/flows", 18),
        ("/api/v2/architect/ivrs", 4),
        ("/api/v2/telephony/providers/edges/didpools", 1),
        ("/api/v2/outbound/contactlists", 2),
        ("/api/v2/outbound/campaigns", 2),
    ] {
        let found = all(api, path).await;
        assert_eq!(found.len(), count, "{path}");
        for object in found {
            api.get(&text(&object, "/selfUri")).await.ok();
        }
    }
    let queues = all(api, "/api/v2/routing/queues").await;
    let queue = text(&queues[3], "/selfUri");
    assert_eq!(queues[3]["userMemberCount"], 8);
    assert!(queues[3]["queueFlow"]["id"].is_string());
    assert!(queues[3]["directRouting"]["backupQueueId"].is_string());
    assert_eq!(all(api, &format!("{queue}/members")).await.len(), 8);
    assert_eq!(all(api, &format!("{queue}/wrapupcodes")).await.len(), 4);
    let users = api
        .get("/api/v2/users?expand=skills&pageSize=100")
        .await
        .ok();
    let skilled = users["entities"].as_array().unwrap();
    assert!(
        skilled
            .iter()
            .any(|user| user["skills"][0]["id"].is_string())
    );
    let table = all(api, "/api/v2/flows/datatables").await;
    let rows = format!("{}/rows", text(&table[0], "/selfUri"));
    assert_eq!(all(api, &rows).await.len(), 20);
}

#[tokio::test]
async fn every_generated_flow_is_valid_and_some_are_in_a_cycle() {
    let world = world("seed=2,flows=36").await;
    let api = &world.api;
    let flows = all(api, "/api/v2/flows").await;
    let asked: Vec<Value> = flows
        .iter()
        .map(|flow| json!({"flow": {"id": flow["id"]}}))
        .collect();
    let jobs = "/api/v2/flows/validate/jobs";
    let job = api.post(jobs, json!({ "flows": asked })).await.ok();
    let job = end(
        api,
        &format!("{jobs}/{}?expand=messages", text(&job, "/id")),
    )
    .await;
    assert_eq!(
        (&job["status"], messages(&job)),
        (&json!("Success"), String::new())
    );
    let tracking = "/api/v2/architect/dependencytracking/consumedresources";
    let wait = flows
        .iter()
        .find(|flow| flow["type"] == "INQUEUECALL")
        .unwrap();
    let query = format!(
        "id={}&objectType=INQUEUECALLFLOW&version=1.0",
        text(wait, "/id")
    );
    let used = api.get(&format!("{tracking}?{query}")).await.ok();
    let call = used["entities"].as_array().unwrap();
    let call = call
        .iter()
        .find(|used| used["type"] == "INBOUNDCALLFLOW")
        .unwrap();
    let query = format!(
        "id={}&objectType=INBOUNDCALLFLOW&version={}",
        text(call, "/id"),
        text(call, "/version")
    );
    let used = api
        .get(&format!("{tracking}?{query}&pageSize=100"))
        .await
        .ok();
    let types = column(&used, "type");
    for wanted in [
        "QUEUE",
        "INQUEUECALLFLOW",
        "COMMONMODULEFLOW",
        "DATATABLE",
        "DATAACTION",
        "SCHEDULEGROUP",
    ] {
        assert!(
            types.contains(&wanted.to_owned()),
            "{wanted} is not in {types:?}"
        );
    }
}

#[tokio::test]
async fn limits_hold_for_generated_orgs_too() {
    let world = World::with(config()).await;
    let wanted: Generate = "divisions=60".parse().unwrap();
    let error = world.sim.generate("gold", &wanted).unwrap_err();
    assert_eq!(error.code, "max.entity.count.reached");
    let error = world.sim.generate("silver", &wanted).unwrap_err();
    assert_eq!(error.status, 404);
}

#[tokio::test]
async fn an_org_of_a_hundred_thousand_objects_is_made() {
    let world = world("seed=1,users=60000,groups=2000,queues=2000,wrapups=500,skills=400,tables=30,rows=1200,prompts=100,flows=120,ivrs=200").await;
    let total = world.api.get("/api/v2/users?pageSize=1").await.ok();
    assert!(total["total"].as_u64().unwrap() > 50_000, "{total}");
}
