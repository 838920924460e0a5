//! Skills, skill groups, queues and utilization.

use serde_json::{Value, json};

use crate::support::{World, column, id, text};

const QUEUES: &str = "/api/v2/routing/queues";
const SKILLS: &str = "/api/v2/routing/skills";
const CODES: &str = "/api/v2/routing/wrapupcodes";

impl World {
    /// Seeds an active user and gives the id.
    fn agent(&self, name: &str) -> String {
        let home = self.sim.objects("gold", "division")[0]["id"].clone();
        let email = format!("{name}@example.com");
        let body = json!({"name": name, "email": email, "divisionId": home, "state": "active"});
        text(
            &self
                .sim
                .seed("gold", "POST", "/api/v2/users", body)
                .unwrap(),
            "/id",
        )
    }

    async fn queue(&self, body: Value) -> String {
        self.api.make(QUEUES, body).await
    }
}

#[tokio::test]
async fn deleted_skills_stay_in_the_list_and_free_their_name() {
    let world = World::start().await;
    let first = world.api.make(SKILLS, json!({"name": "Billing"})).await;
    world
        .api
        .post(SKILLS, json!({"name": "billing"}))
        .await
        .refused(409, "general.conflict");
    world.api.delete(&format!("{SKILLS}/{first}")).await.ok();
    let second = world.api.make(SKILLS, json!({"name": "Billing"})).await;
    let page = world
        .api
        .get(&format!("{SKILLS}?name=Billing&pageSize=500"))
        .await
        .ok();
    assert_eq!(column(&page, "id"), [first, second]);
    assert_eq!(column(&page, "state"), ["deleted", "active"]);
}

#[tokio::test]
async fn a_skill_moves_by_patch_but_keeps_its_name() {
    let world = World::start().await;
    let emea = world
        .api
        .make(
            "/api/v2/authorization/divisions",
            json!({"name": "Emea", "description": ""}),
        )
        .await;
    let skill = world
        .api
        .make(SKILLS, json!({"name": "Billing", "divisionId": emea}))
        .await;
    let home = world.sim.objects("gold", "division")[0]["id"].clone();
    let moved = world
        .api
        .patch(&format!("{SKILLS}/{skill}"), json!({"divisionId": home}))
        .await
        .ok();
    assert_eq!(
        (&moved["division"]["id"], &moved["name"]),
        (&home, &json!("Billing"))
    );
    world
        .api
        .put(&format!("{SKILLS}/{skill}"), json!({"name": "x"}))
        .await
        .refused(405, "method.not.allowed");
}

#[tokio::test]
async fn a_queue_gets_defaults_and_put_replaces() {
    let world = World::start().await;
    let made = world
        .api
        .post(QUEUES, json!({"name": "Sales", "description": "old"}))
        .await
        .ok();
    assert_eq!(made["acwSettings"]["wrapupPrompt"], "MANDATORY_TIMEOUT");
    assert_eq!(
        made["mediaSettings"]["call"]["serviceLevel"]["percentage"],
        0.8
    );
    assert!(made.get("version").is_none());
    let uri = text(&made, "/selfUri");
    let put = world.api.put(&uri, json!({"name": "Sales 2"})).await.ok();
    assert_eq!(
        (&put["name"], put.get("description")),
        (&json!("Sales 2"), None)
    );
    assert_eq!(put["dateCreated"], made["dateCreated"]);
    world.queue(json!({"name": "Other"})).await;
    world
        .api
        .put(&uri, json!({"name": "OTHER"}))
        .await
        .refused(400, "duplicate.name");
    let page = world
        .api
        .get(&format!("{QUEUES}?name=sal*&pageSize=500"))
        .await
        .ok();
    assert_eq!(column(&page, "name"), ["Sales 2"]);
}

#[tokio::test]
async fn a_queue_with_values_out_of_range_is_refused() {
    let world = World::start().await;
    for (field, value) in [
        ("name", json!("a*b")),
        (
            "acwSettings",
            json!({"wrapupPrompt": "OPTIONAL", "timeoutMs": 5000}),
        ),
        (
            "acwSettings",
            json!({"wrapupPrompt": "MANDATORY_TIMEOUT", "timeoutMs": 5}),
        ),
        (
            "mediaSettings",
            json!({"call": {"alertingTimeoutSeconds": 5}}),
        ),
        (
            "mediaSettings",
            json!({"call": {"serviceLevel": {"percentage": 80}}}),
        ),
        ("mediaSettings", json!({"callback": {"mode": ""}})),
        ("directRouting", json!({"agentWaitSeconds": 5})),
        ("conditionalGroupRouting", json!({"rules": []})),
    ] {
        let mut body = json!({"name": "Sales"});
        body[field] = value;
        world
            .api
            .post(QUEUES, body)
            .await
            .refused(400, "invalid.value");
    }
}

#[tokio::test]
async fn a_queue_refers_only_to_what_exists() {
    let world = World::start().await;
    let missing = id("11111111-1111-4111-8111-111111111111");
    for (field, value) in [
        ("queueFlow", missing.clone()),
        ("onHoldPrompt", missing.clone()),
        ("division", missing.clone()),
        (
            "memberGroups",
            json!([{"id": missing["id"], "type": "GROUP"}]),
        ),
        ("directRouting", json!({"backupQueueId": missing["id"]})),
        (
            "bullseye",
            json!({"rings": [{"actions": {"skillsToRemove": [missing]}}]}),
        ),
    ] {
        let mut body = json!({"name": "Sales"});
        body[field] = value;
        world
            .api
            .post(QUEUES, body)
            .await
            .refused(400, "bad.request");
    }
    let backup = world.queue(json!({"name": "Backup"})).await;
    let body = json!({"name": "Sales", "directRouting": {"backupQueueId": backup}});
    let sales = world.api.post(QUEUES, body).await.ok();
    assert_eq!(sales["directRouting"]["agentWaitSeconds"], 60);
    let uri = format!("{QUEUES}/{backup}");
    world.api.delete(&uri).await.refused(400, "active.queue");
    world
        .api
        .delete(&format!("{uri}?forceDelete=true"))
        .await
        .ok();
}

#[tokio::test]
async fn the_first_rule_of_group_routing_names_no_queue() {
    let world = World::start().await;
    let other = world.queue(json!({"name": "Other"})).await;
    let group =
        json!({"name": "G", "type": "official", "rulesVisible": true, "visibility": "public"});
    let group = world.api.make("/api/v2/groups", group).await;
    let rule = |queue: Option<&str>| {
        let mut rule = json!({
            "metric": "EstimatedWaitTime", "operator": "GreaterThan", "conditionValue": 30,
            "groups": [{"id": group, "type": "GROUP"}],
        });
        if let Some(queue) = queue {
            rule["queue"] = id(queue);
        }
        rule
    };
    let body = |first: Value| json!({"name": "Sales", "conditionalGroupRouting": {"rules": [first, rule(Some(&other))]}});
    world
        .api
        .post(QUEUES, body(rule(Some(&other))))
        .await
        .refused(400, "invalid.value");
    let made = world.api.post(QUEUES, body(rule(None))).await.ok();
    let rules = &made["conditionalGroupRouting"]["rules"];
    assert_eq!(
        (&rules[0]["waitSeconds"], &rules[1]["queue"]["name"]),
        (&json!(2), &json!("Other"))
    );
}

#[tokio::test]
async fn queue_members_come_in_hundreds_and_by_group() {
    let world = World::start().await;
    let agents: Vec<String> = (0..101)
        .map(|n| world.agent(&format!("agent{n}")))
        .collect();
    let grouped = world.agent("grouped");
    let group =
        json!({"name": "G", "type": "official", "rulesVisible": true, "visibility": "public"});
    let group = world.api.make("/api/v2/groups", group).await;
    let add = json!({"memberIds": [grouped], "version": 1});
    world
        .api
        .post(&format!("/api/v2/groups/{group}/members"), add)
        .await
        .ok();
    let queue = world
        .queue(json!({"name": "Sales", "memberGroups": [{"id": group, "type": "GROUP"}]}))
        .await;
    let uri = format!("{QUEUES}/{queue}");
    let members = format!("{uri}/members");
    let refs = |ids: &[String]| Value::Array(ids.iter().map(|one| id(one)).collect());

    world
        .api
        .post(&members, refs(&agents))
        .await
        .refused(400, "bad.request");
    world.api.post(&members, refs(&agents[..100])).await.ok();
    world.api.post(&members, refs(&agents[100..])).await.ok();
    world
        .api
        .post(&members, json!([{"id": grouped}]))
        .await
        .refused(400, "bad.request");
    world
        .api
        .post(&members, json!([{"id": "nobody"}]))
        .await
        .refused(400, "bad.request");
    let shown = world.api.get(&uri).await.ok();
    assert_eq!(
        (&shown["memberCount"], &shown["userMemberCount"]),
        (&json!(102), &json!(101))
    );

    let page = world.api.get(&format!("{members}?pageSize=500")).await.ok();
    assert_eq!(
        (
            page["entities"].as_array().unwrap().len(),
            page.get("total")
        ),
        (100, None)
    );
    let page = world.api.get(&text(&page, "/nextUri")).await.ok();
    assert_eq!(page["entities"].as_array().unwrap().len(), 2);
    let by_group = world
        .api
        .get(&format!("{members}?memberBy=group"))
        .await
        .ok();
    assert_eq!(column(&by_group, "id"), [grouped]);

    world
        .api
        .post(&format!("{members}?delete=true"), refs(&agents[1..100]))
        .await
        .ok();
    let left = world
        .api
        .get(&format!("{members}?memberBy=user"))
        .await
        .ok();
    let mut left = column(&left, "id");
    let mut expected = vec![agents[0].clone(), agents[100].clone()];
    left.sort();
    expected.sort();
    assert_eq!(left, expected);
    world
        .api
        .delete(&format!("{members}/{}", agents[0]))
        .await
        .ok();
    let own = world
        .api
        .get(&format!("/api/v2/users/{}/queues", agents[100]))
        .await
        .ok();
    assert_eq!(column(&own, "name"), ["Sales"]);
    world
        .api
        .delete(&format!("/api/v2/users/{}", agents[100]))
        .await
        .ok();
    assert_eq!(world.api.get(&uri).await.ok()["userMemberCount"], 0);
}

#[tokio::test]
async fn rings_are_set_by_patch_where_the_queue_has_them() {
    let world = World::start().await;
    let (ann, bob) = (world.agent("ann"), world.agent("bob"));
    let ring = json!({"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": 10}]});
    let queue = world
        .queue(json!({"name": "Sales", "bullseye": {"rings": [ring, ring]}}))
        .await;
    let members = format!("{QUEUES}/{queue}/members");
    world
        .api
        .post(&members, json!([{"id": ann}, {"id": bob}]))
        .await
        .ok();
    world
        .api
        .patch(
            &format!("{members}/{ann}"),
            json!({"id": ann, "ringNumber": 2}),
        )
        .await
        .ok();
    let bulk = json!([{"id": bob, "ringNumber": 2, "joined": false}]);
    let got = world.api.patch(&members, bulk).await.ok();
    assert_eq!(
        (
            &got["entities"][0]["ringNumber"],
            &got["entities"][0]["joined"]
        ),
        (&json!(2), &json!(false))
    );
    world
        .api
        .patch(&members, json!([{"id": bob, "ringNumber": 3}]))
        .await
        .refused(400, "invalid.value");
    world
        .api
        .patch(&members, json!([{"id": "nobody", "ringNumber": 1}]))
        .await
        .refused(404, "not.found");
    let page = world.api.get(&format!("{members}?joined=true")).await.ok();
    assert_eq!(
        (column(&page, "id"), &page["entities"][0]["ringNumber"]),
        (vec![ann], &json!(2))
    );
}

#[tokio::test]
async fn wrap_up_codes_are_added_to_queues_and_fall_off() {
    let world = World::start().await;
    let queue = world.queue(json!({"name": "Sales"})).await;
    let own = format!("{QUEUES}/{queue}/wrapupcodes");
    let sold = world.api.make(CODES, json!({"name": "Sold"})).await;
    let lost = world.api.make(CODES, json!({"name": "Lost"})).await;
    let added = world
        .api
        .post(&own, json!([{"id": sold}, {"id": lost}]))
        .await
        .ok();
    assert_eq!(added[0]["name"], "Sold");
    world
        .api
        .post(&own, json!([{"id": "nothing"}]))
        .await
        .refused(400, "bad.request");
    world.api.delete(&format!("{own}/{sold}")).await.ok();
    world
        .api
        .delete(&format!("{own}/{sold}"))
        .await
        .refused(404, "not.found");
    assert_eq!(column(&world.api.get(&own).await.ok(), "name"), ["Lost"]);
    world
        .api
        .put(&format!("{QUEUES}/{queue}"), json!({"name": "Sales"}))
        .await
        .ok();
    assert_eq!(world.api.get(&own).await.ok()["total"], 1);
    world.api.delete(&format!("{CODES}/{lost}")).await.ok();
    assert_eq!(world.api.get(&own).await.ok()["total"], 0);
}

#[tokio::test]
async fn skill_groups_count_who_meets_their_conditions() {
    let world = World::start().await;
    let (ann, _bob) = (world.agent("ann"), world.agent("bob"));
    let skill = world.api.make(SKILLS, json!({"name": "Billing"})).await;
    let bulk = json!([{"id": skill, "proficiency": 4}]);
    world
        .api
        .patch(&format!("/api/v2/users/{ann}/routingskills/bulk"), bulk)
        .await
        .ok();
    let groups = "/api/v2/routing/skillgroups";
    let condition = |skill: &str| {
        json!([{"operation": "And", "languageSkillConditions": [], "routingSkillConditions":
            [{"routingSkill": skill, "comparator": "GreaterThan", "proficiency": 3}]}])
    };
    let wrong = json!({"name": "G", "skillConditions": condition("nothing")});
    world
        .api
        .post(groups, wrong)
        .await
        .refused(400, "bad.request");
    let made = world
        .api
        .post(
            groups,
            json!({"name": "G", "skillConditions": condition(&skill)}),
        )
        .await
        .ok();
    assert_eq!(
        (&made["memberCount"], &made["status"]),
        (&json!(1), &json!("Complete"))
    );
    let uri = text(&made, "/selfUri");
    let home = &world.sim.objects("gold", "division")[0]["id"];
    let divisions = format!("{uri}/members/divisions");
    assert_eq!(
        world.api.get(&divisions).await.ok()["entities"][0]["id"],
        *home
    );
    world
        .api
        .post(&divisions, json!({"removeDivisionIds": [home]}))
        .await
        .ok();
    assert_eq!(world.api.get(&uri).await.ok()["memberCount"], 0);
    world
        .api
        .delete(&format!("{SKILLS}/{skill}"))
        .await
        .refused(409, "general.conflict");
    let page = world.api.get(groups).await.ok();
    assert_eq!(
        (column(&page, "name"), page.get("total")),
        (vec!["G".to_owned()], None)
    );
    // Conditions are told only by the read of one group.
    assert!(page["entities"][0].get("skillConditions").is_none());
}

#[tokio::test]
async fn utilization_is_one_document_with_labels() {
    let world = World::start().await;
    let path = "/api/v2/routing/utilization";
    assert_eq!(
        world.api.get(path).await.ok()["utilization"]["call"]["maximumCapacity"],
        1
    );
    let label = world
        .api
        .make(&format!("{path}/labels"), json!({"name": "vip"}))
        .await;
    let wanted = |label: &str| {
        json!({
            "utilization": {"chat": {"maximumCapacity": 6, "interruptableMediaTypes": [], "includeNonAcd": false}},
            "labelUtilizations": {label: {"maximumCapacity": 2, "interruptingLabelIds": []}},
        })
    };
    world
        .api
        .put(path, wanted("nothing"))
        .await
        .refused(400, "bad.request");
    let put = world.api.put(path, wanted(&label)).await.ok();
    assert_eq!(put["labelUtilizations"][&label]["labelName"], "vip");
    assert_eq!(
        (
            &put["utilization"]["chat"]["maximumCapacity"],
            put["utilization"].get("call")
        ),
        (&json!(6), None)
    );
    let own = format!("{path}/labels/{label}");
    world
        .api
        .delete(&own)
        .await
        .refused(409, "general.conflict");
    world
        .api
        .delete(&format!("{own}?forceDelete=true"))
        .await
        .ok();
    assert_eq!(
        world.api.get(path).await.ok()["labelUtilizations"],
        json!({})
    );
    world.api.delete(path).await.ok();
    assert_eq!(
        world.api.get(path).await.ok()["utilization"]["chat"]["maximumCapacity"],
        4
    );

    let ann = world.agent("ann");
    let personal = format!("/api/v2/routing/users/{ann}/utilization");
    assert_eq!(world.api.get(&personal).await.ok()["level"], "Organization");
    let put = world
        .api
        .put(
            &personal,
            json!({"utilization": {"call": {"maximumCapacity": 2}}}),
        )
        .await
        .ok();
    assert_eq!(
        (
            &put["level"],
            &put["utilization"]["call"]["maximumCapacity"]
        ),
        (&json!("Agent"), &json!(2))
    );
}
