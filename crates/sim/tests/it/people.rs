//! Divisions, roles, grants, users, groups and locations.

use orgsmith_sim::{ClientSpec, Config, OrgSpec};
use serde_json::{Value, json};

use crate::support::{Api, World, column, id, text};

const DIVISIONS: &str = "/api/v2/authorization/divisions";
const ROLES: &str = "/api/v2/authorization/roles";
const USERS: &str = "/api/v2/users";
const GROUPS: &str = "/api/v2/groups";
const LOCATIONS: &str = "/api/v2/locations";

impl World {
    async fn division(&self, name: &str) -> String {
        self.api
            .make(DIVISIONS, json!({"name": name, "description": ""}))
            .await
    }

    pub async fn home(&self) -> String {
        text(
            &self.api.get(&format!("{DIVISIONS}/home")).await.ok(),
            "/id",
        )
    }

    pub async fn user(&self, name: &str) -> String {
        let email = format!("{}@example.com", name.to_lowercase());
        let body = json!({"name": name, "email": email, "divisionId": self.home().await, "state": "active"});
        self.api.make(USERS, body).await
    }
}

#[tokio::test]
async fn the_home_division_has_any_name_and_stays() {
    let mut config = Config::with_orgs(["gold"]);
    config.orgs[0].home_division_name = "Zentrale".to_owned();
    let world = World::with(config).await;
    let home = world.home().await;
    let uri = format!("{DIVISIONS}/{home}");
    assert_eq!(world.api.get(&uri).await.ok()["name"], "Zentrale");
    world.api.delete(&uri).await.refused(400, "bad.request");
    world
        .api
        .put(&uri, json!({"name": "HQ", "description": ""}))
        .await
        .ok();
    assert_eq!(world.api.get(&uri).await.ok()["homeDivision"], true);
    assert_eq!(
        world.api.get(&format!("{DIVISIONS}/limit")).await.ok(),
        json!(50)
    );
}

#[tokio::test]
async fn a_division_with_objects_is_kept_until_they_are_moved() {
    let world = World::start().await;
    let emea = world.division("Emea").await;
    let queue = world
        .api
        .make(
            "/api/v2/routing/queues",
            json!({"name": "Q", "division": id(&emea)}),
        )
        .await;
    world
        .api
        .delete(&format!("{DIVISIONS}/{emea}"))
        .await
        .refused(400, "bad.request");
    // An update does not move a queue.
    let home = world.home().await;
    let uri = format!("/api/v2/routing/queues/{queue}");
    let put = world
        .api
        .put(&uri, json!({"name": "Q", "division": id(&home)}))
        .await
        .ok();
    assert_eq!(put["division"]["id"], *emea);
    world
        .api
        .post(&format!("{DIVISIONS}/{home}/objects/QUEUE"), json!([queue]))
        .await
        .ok();
    assert_eq!(world.api.get(&uri).await.ok()["division"]["id"], *home);
    world.api.delete(&format!("{DIVISIONS}/{emea}")).await.ok();
    world
        .api
        .post(DIVISIONS, json!({"name": "home", "description": ""}))
        .await
        .refused(409, "general.conflict");
}

#[tokio::test]
async fn default_roles_are_there_and_cannot_be_deleted() {
    let world = World::start().await;
    let roles = world.api.get(&format!("{ROLES}?name=admin")).await.ok();
    let admin = &roles["entities"][0];
    assert_eq!(
        (&admin["defaultRoleId"], &admin["default"]),
        (&json!("admin"), &json!(true))
    );
    world
        .api
        .delete(&text(admin, "/selfUri"))
        .await
        .refused(400, "bad.request");
    world
        .api
        .post(ROLES, json!({"name": "ADMIN"}))
        .await
        .refused(409, "general.conflict");
}

#[tokio::test]
async fn role_policies_are_expanded_and_cut_to_the_products() {
    let mut config = Config::with_orgs(["gold"]);
    config.orgs[0].missing_products = vec!["outbound".to_owned()];
    let world = World::with(config).await;
    let policy = |domain: &str, entity: &str| json!({"domain": domain, "entityName": entity, "actionSet": ["*"]});
    let body = json!({"name": "Ops", "permissionPolicies": [policy("telephony", "*"), policy("outbound", "campaign")]});
    let made = world.api.post(ROLES, body).await.ok();
    let policies = made["permissionPolicies"].as_array().unwrap();
    assert!(policies.len() > 1);
    assert!(
        policies
            .iter()
            .all(|p| p["domain"] == "telephony" && p["entityName"] != "*")
    );
    let unknown = json!({"name": "X", "permissionPolicies": [policy("nonsense", "x")]});
    world
        .api
        .post(ROLES, unknown)
        .await
        .refused(400, "invalid.value");
    let uri = text(&made, "/selfUri");
    let put = json!({"name": "Ops", "permissionPolicies": [policy("routing", "queue")]});
    let put = world.api.put(&uri, put).await.ok();
    assert_eq!(put["permissionPolicies"].as_array().unwrap().len(), 1);
    world
        .api
        .patch(&uri, json!({"description": "all of it"}))
        .await
        .ok();
    let read = world.api.get(&uri).await.ok();
    assert_eq!(
        (&read["description"], &read["name"]),
        (&json!("all of it"), &json!("Ops"))
    );
}

#[tokio::test]
async fn roles_are_granted_by_role_and_by_subject() {
    let world = World::start().await;
    let (ann, bob) = (world.user("Ann").await, world.user("Bob").await);
    let home = world.home().await;
    let emea = world.division("Emea").await;
    let role = world.api.make(ROLES, json!({"name": "Ops"})).await;
    let grant = json!({"subjectIds": [ann, bob], "divisionIds": [home, emea]});
    world.api.post(&format!("{ROLES}/{role}"), grant).await.ok();
    let subject = |id: &str| format!("/api/v2/authorization/subjects/{id}");
    let own = world.api.get(&subject(&ann)).await.ok();
    assert_eq!(own["grants"].as_array().unwrap().len(), 2);
    assert_eq!(own["grants"][0]["role"]["name"], "Ops");
    let inside = world
        .api
        .get(&format!("{DIVISIONS}/{emea}/grants?pageSize=500"))
        .await
        .ok();
    let mut subjects = column(&inside, "subjectId");
    subjects.sort();
    let mut expected = vec![ann.clone(), bob.clone()];
    expected.sort();
    assert_eq!(subjects, expected);
    let pair = json!({"grants": [{"roleId": role, "divisionId": home}]});
    world
        .api
        .post(&format!("{}/bulkreplace", subject(&ann)), pair.clone())
        .await
        .ok();
    assert_eq!(
        world.api.get(&subject(&ann)).await.ok()["grants"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    world
        .api
        .post(&format!("{}/bulkremove", subject(&ann)), pair.clone())
        .await
        .ok();
    assert_eq!(
        world.api.get(&subject(&ann)).await.ok()["grants"],
        json!([])
    );
    world
        .api
        .post(&format!("{}/bulkadd", subject(&ann)), pair)
        .await
        .ok();
    world
        .api
        .delete(&format!("{}/divisions/{home}/roles/{role}", subject(&ann)))
        .await
        .ok();
    assert_eq!(
        world.api.get(&format!("{ROLES}/{role}")).await.ok()["userCount"],
        1
    );
    let wrong = json!({"subjectIds": [ann], "divisionIds": ["nowhere"]});
    world
        .api
        .post(&format!("{ROLES}/{role}"), wrong)
        .await
        .refused(400, "bad.request");
    world
        .api
        .get(&subject("nobody"))
        .await
        .refused(404, "not.found");
}

#[tokio::test]
async fn nobody_grants_what_they_do_not_hold() {
    let mut config = Config::default();
    config.orgs.push(
        OrgSpec::named("gold")
            .client(ClientSpec::new("gold-client", "gold-secret"))
            .client(ClientSpec::new("small", "s").permissions(["authorization:*", "directory:*"])),
    );
    let world = World::with(config).await;
    let ann = world.user("Ann").await;
    let policy = json!({"domain": "routing", "entityName": "queue", "actionSet": ["edit"]});
    let role = world
        .api
        .make(
            ROLES,
            json!({"name": "Ops", "permissionPolicies": [policy]}),
        )
        .await;
    let small = Api::login(&world.sim, "small", "s").await;
    let grant = json!({"subjectIds": [ann], "divisionIds": [world.home().await]});
    small
        .post(&format!("{ROLES}/{role}"), grant)
        .await
        .refused(403, "missing.permissions");
}

#[tokio::test]
async fn a_deleted_user_is_restored_and_never_made_twice() {
    let world = World::start().await;
    let ann = world.user("Ann").await;
    let uri = format!("{USERS}/{ann}");
    world.api.delete(&uri).await.ok();
    world.api.get(&uri).await.refused(404, "not.found");
    assert_eq!(world.api.get(USERS).await.ok()["total"], 0);
    let deleted = world.api.get(&format!("{uri}?state=deleted")).await.ok();
    assert_eq!(
        column(
            &world.api.get(&format!("{USERS}?state=deleted")).await.ok(),
            "id"
        ),
        std::slice::from_ref(&ann)
    );
    let again =
        json!({"name": "Ann", "email": "Ann@example.com", "divisionId": world.home().await});
    world
        .api
        .post(USERS, again)
        .await
        .refused(409, "general.conflict");
    // With a state, nothing else is applied.
    let restore = json!({"state": "active", "title": "Boss", "version": deleted["version"]});
    let restored = world.api.patch(&uri, restore).await.ok();
    assert_eq!(
        (&restored["state"], restored.get("title")),
        (&json!("active"), None)
    );
    let titled = json!({"title": "Boss", "version": restored["version"]});
    assert_eq!(world.api.patch(&uri, titled).await.ok()["title"], "Boss");
}

#[tokio::test]
async fn a_user_is_created_inactive_and_shows_their_address() {
    let world = World::start().await;
    let body = json!({
        "name": "Ann", "email": "ann@example.com", "divisionId": world.home().await, "password": "long enough",
        "addresses": [{"mediaType": "PHONE", "type": "WORK", "address": "+1 (317) 555-0100"}],
    });
    let made = world.api.post(USERS, body).await.ok();
    assert_eq!(
        (&made["state"], &made["acdAutoAnswer"]),
        (&json!("inactive"), &json!(false))
    );
    assert_eq!(made["addresses"][0]["type"], "PRIMARY");
    assert_eq!(made["addresses"][1]["address"], "+13175550100");
    assert!(made.get("password").is_none());
    assert_eq!(world.api.get(USERS).await.ok()["total"], 0);
    assert_eq!(
        world.api.get(&format!("{USERS}?state=inactive")).await.ok()["total"],
        1
    );
}

#[tokio::test]
async fn user_updates_need_the_version_and_keep_the_address() {
    let world = World::start().await;
    let (ann, bob) = (world.user("Ann").await, world.user("Bob").await);
    let uri = format!("{USERS}/{ann}");
    let clash = world
        .api
        .patch(&uri, json!({"title": "x", "version": 9}))
        .await
        .refused(400, "general.bad.request");
    assert!(text(&clash, "/message").contains("does not match the current version"));
    world
        .api
        .patch(&uri, json!({"title": "x"}))
        .await
        .refused(400, "required.field.missing");
    let managed = world
        .api
        .patch(&uri, json!({"manager": bob, "version": 1}))
        .await
        .ok();
    assert_eq!(managed["manager"]["name"], "Bob");
    world
        .api
        .patch(&uri, json!({"manager": ann, "version": 2}))
        .await
        .refused(400, "invalid.value");
    world
        .api
        .patch(&uri, json!({"manager": "nobody", "version": 2}))
        .await
        .refused(400, "bad.request");
    world
        .api
        .patch(&uri, json!({"email": "new@example.com", "version": 2}))
        .await
        .refused(400, "invalid.value");
    let address = |kind: &str| json!({"mediaType": "PHONE", "type": kind, "extension": "1234"});
    let twice = json!({"addresses": [address("WORK"), address("WORK")], "version": 2});
    world
        .api
        .patch(&uri, twice)
        .await
        .refused(400, "invalid.value");
    let once = json!({"addresses": managed["addresses"].as_array().unwrap().iter().cloned()
        .chain([address("WORK")]).collect::<Vec<_>>(), "version": 2});
    let once = world.api.patch(&uri, once).await.ok();
    assert_eq!(
        once["addresses"][1],
        json!({"mediaType": "PHONE", "type": "WORK", "extension": "1234", "display": "1234"})
    );
}

#[tokio::test]
async fn users_are_found_by_search_also_when_deleted() {
    let world = World::start().await;
    let (ann, bob) = (world.user("Ann").await, world.user("Bob").await);
    world.api.delete(&format!("{USERS}/{bob}")).await.ok();
    let search = async |query: Value| {
        let found = world
            .api
            .post(&format!("{USERS}/search"), json!({"query": query}))
            .await
            .ok();
        let results = found["results"].as_array().unwrap().clone();
        assert_eq!(found["total"], results.len());
        results
            .iter()
            .map(|user| text(user, "/id"))
            .collect::<Vec<_>>()
    };
    let email = |value: &str| json!({"type": "EXACT", "fields": ["email"], "value": value});
    assert_eq!(search(json!([email("ANN@example.com")])).await, [ann]);
    assert_eq!(search(json!([email("bob@example.com")])).await, [""; 0]);
    let deleted = json!({"type": "EXACT", "fields": ["state"], "values": ["deleted"]});
    assert_eq!(
        search(json!([email("bob@example.com"), deleted])).await,
        [bob]
    );
}

#[tokio::test]
async fn skills_and_languages_of_users_are_set_in_bulk_and_singly() {
    let world = World::start().await;
    let ann = world.user("Ann").await;
    for (kind, path, uri) in [
        ("routingskills", "skills", "skillUri"),
        ("routinglanguages", "languages", "languageUri"),
    ] {
        let first = world
            .api
            .make(&format!("/api/v2/routing/{path}"), json!({"name": "First"}))
            .await;
        let second = world
            .api
            .make(
                &format!("/api/v2/routing/{path}"),
                json!({"name": "Second"}),
            )
            .await;
        let own = format!("{USERS}/{ann}/{kind}");
        let bulk = json!([{"id": first, "proficiency": 3}, {"id": second, "proficiency": 5}]);
        assert_eq!(
            world.api.patch(&format!("{own}/bulk"), bulk).await.ok()["total"],
            2
        );
        world.api.delete(&format!("{own}/{second}")).await.ok();
        let page = world.api.get(&own).await.ok();
        assert_eq!(column(&page, "name"), ["First"]);
        assert_eq!(page["entities"][0]["proficiency"], 3.0);
        assert!(page["entities"][0][uri].as_str().unwrap().ends_with(&first));
        let wild = json!([{"id": first, "proficiency": 9}]);
        world
            .api
            .patch(&format!("{own}/bulk"), wild)
            .await
            .refused(400, "invalid.value");
        let many = vec![json!({"id": first, "proficiency": 1}); 51];
        world
            .api
            .patch(&format!("{own}/bulk"), many.into())
            .await
            .refused(400, "bad.request");
        world
            .api
            .delete(&format!("/api/v2/routing/{path}/{first}"))
            .await
            .ok();
        assert_eq!(world.api.get(&own).await.ok()["total"], 0);
    }
    let third = world
        .api
        .make("/api/v2/routing/skills", json!({"name": "Third"}))
        .await;
    let put = world
        .api
        .put(
            &format!("{USERS}/{ann}/routingskills/bulk"),
            json!([{"id": third, "proficiency": 1}]),
        )
        .await;
    assert_eq!(column(&put.ok(), "id"), [third]);
    let expanded = world
        .api
        .get(&format!("{USERS}/{ann}?expand=skills&expand=languages"))
        .await
        .ok();
    assert_eq!(
        (
            expanded["skills"].as_array().unwrap().len(),
            &expanded["languages"]
        ),
        (1, &json!([]))
    );
    // SDKs join with commas what others repeat.
    let joined = format!("{USERS}/{ann}?expand=skills,languages");
    assert_eq!(world.api.get(&joined).await.ok(), expanded);
    assert!(
        world
            .api
            .get(&format!("{USERS}/{ann}"))
            .await
            .ok()
            .get("skills")
            .is_none()
    );
    world
        .api
        .put(&format!("{USERS}/{ann}/profileskills"), json!(["chess"]))
        .await
        .ok();
    assert_eq!(
        world
            .api
            .get(&format!("{USERS}/{ann}/profileskills"))
            .await
            .ok(),
        json!(["chess"])
    );
}

#[tokio::test]
async fn groups_have_their_quirks() {
    let world = World::start().await;
    let ann = world.user("Ann").await;
    let body = json!({
        "name": "Tier 2", "type": "official", "rulesVisible": true, "visibility": "public",
        "description": "lost on create", "ownerIds": [ann],
    });
    let made = world.api.post(GROUPS, body.clone()).await.ok();
    assert!(made.get("description").is_none());
    assert_eq!(
        (&made["owners"][0]["name"], &made["version"]),
        (&json!("Ann"), &json!(1))
    );
    world
        .api
        .post(GROUPS, body)
        .await
        .refused(409, "general.conflict");
    let uri = text(&made, "/selfUri");
    let put = world
        .api
        .put(
            &uri,
            json!({"description": "kept", "ownerIds": [], "version": 1}),
        )
        .await
        .ok();
    assert_eq!(
        (&put["description"], put["owners"].as_array().unwrap().len()),
        (&json!("kept"), 1)
    );
    let put = world
        .api
        .put(&uri, json!({"ownerIds": [" "], "version": 2}))
        .await
        .ok();
    assert_eq!(
        (&put["owners"], &put["name"]),
        (&json!([]), &json!("Tier 2"))
    );
    world
        .api
        .put(&uri, json!({"version": 2}))
        .await
        .refused(400, "general.bad.request");

    let add = world
        .api
        .post(
            &format!("{uri}/members"),
            json!({"memberIds": [ann], "version": 3}),
        )
        .await;
    assert_eq!(add.status, 202);
    world
        .api
        .post(
            &format!("{uri}/members"),
            json!({"memberIds": [ann], "version": 3}),
        )
        .await
        .refused(400, "general.bad.request");
    let many = vec![ann.as_str(); 51];
    world
        .api
        .post(
            &format!("{uri}/members"),
            json!({"memberIds": many, "version": 4}),
        )
        .await
        .refused(400, "bad.request");
    assert_eq!(
        column(
            &world.api.get(&format!("{uri}/individuals")).await.ok(),
            "name"
        ),
        ["Ann"]
    );
    assert_eq!(world.api.get(&uri).await.ok()["memberCount"], 1);
    assert_eq!(
        world
            .api
            .delete(&format!("{uri}/members?ids={ann}"))
            .await
            .status,
        202
    );
    assert_eq!(
        world.api.get(&format!("{uri}/members")).await.ok()["total"],
        0
    );
    world.api.delete(&uri).await.ok();
    let gone = world.api.get(&uri).await.ok();
    assert_eq!(gone["state"], "deleted");
    assert_eq!(world.api.get(GROUPS).await.ok()["total"], 0);
    let restore = json!({"state": "active", "version": gone["version"]});
    let restored = world.api.put(&uri, restore).await.ok();
    assert_eq!(restored["state"], "active");
}

#[tokio::test]
async fn locations_form_a_tree_and_freeze_their_address() {
    let world = World::start().await;
    let root = world.api.make(LOCATIONS, json!({"name": "Europe"})).await;
    let body = json!({
        "name": "Berlin", "path": [root], "address": {"city": "Berlin", "country": "DE"},
        "emergencyNumber": {"e164": "+4930110", "type": "default"},
    });
    let made = world.api.post(LOCATIONS, body).await.ok();
    assert_eq!(made["emergencyNumber"]["number"], "+4930110");
    world
        .api
        .post(LOCATIONS, json!({"name": "x", "path": ["nowhere"]}))
        .await
        .refused(400, "bad.request");
    world
        .api
        .delete(&format!("{LOCATIONS}/{root}"))
        .await
        .refused(409, "general.conflict");
    let uri = text(&made, "/selfUri");
    let moved = json!({"name": "Berlin", "address": {"city": "Bonn"}, "version": 1});
    world
        .api
        .patch(&uri, moved)
        .await
        .refused(400, "invalid.value");
    world
        .api
        .patch(&uri, json!({"name": "Berlin Mitte", "version": 1}))
        .await
        .ok();
    let query = json!({"query": [{"type": "EXACT", "fields": ["name"], "value": "Berlin Mitte"}]});
    let found = world
        .api
        .post(&format!("{LOCATIONS}/search"), query)
        .await
        .ok();
    assert_eq!(found["results"][0]["id"], made["id"]);
}
