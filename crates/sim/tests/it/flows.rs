//! Flows: their jobs, versions, locks, and what keeps them.

use std::time::Duration;

use orgsmith_sim::{ClientSpec, Config, Limits};
use serde_json::{Value, json};

use crate::architect::{end, export, flow_of, import, import_with, messages, put};
use crate::support::{Api, World, column, text};

const FLOWS: &str = "/api/v2/flows";

fn call(name: &str, body: &str) -> String {
    format!("inboundCall:\n  name: {name}\n  division: Home\n{body}")
}

fn to_queue(name: &str, queue: &str) -> String {
    let queue = format!(
        "  tasks:\n    - transferToAcd:\n        targetQueue:\n          lit:\n            name: {queue}\n"
    );
    call(name, &queue)
}

fn to_flow(name: &str, flow: &str) -> String {
    call(
        name,
        &format!("  tasks:\n    - transferToFlow:\n        targetFlow:\n          name: {flow}\n"),
    )
}

async fn queue(api: &Api, name: &str) -> String {
    api.make("/api/v2/routing/queues", json!({"name": name}))
        .await
}

#[tokio::test]
async fn an_import_is_polled_to_success_and_exported_as_the_same_bytes() {
    let world = World::start().await;
    let api = &world.api;
    queue(api, "Sales").await;
    let source = to_queue("Main", "Sales") + "# kept: äöü\r\n";
    let job = api.post("/api/v2/flows/jobs", json!({})).await.ok();
    let path = format!("/api/v2/flows/jobs/{}", text(&job, "/id"));
    assert_eq!(api.get(&path).await.ok()["status"], "Registered");
    put(api, &job, "presignedUrl", "headers", &source)
        .await
        .ok();
    assert_eq!(api.get(&path).await.ok()["status"], "Started");
    let ended = api.get(&path).await.ok();
    assert_eq!(
        (&ended["status"], ended.get("messages")),
        (&json!("Success"), None)
    );
    let id = text(&ended, "/flow/id");

    let flow = api.get(&format!("{FLOWS}/{id}")).await.ok();
    assert_eq!(flow["type"], "INBOUNDCALL");
    assert_eq!(flow["publishedVersion"]["id"], "1.0");
    assert_eq!(
        flow["publishedVersion"]["createdByClient"]["id"],
        "gold-client"
    );
    assert_eq!(flow["division"]["name"], "Home");

    let changed = source.replace("# kept", "# changed");
    assert_eq!(flow_of(&import(api, &changed).await), id);
    let flow = api.get(&format!("{FLOWS}/{id}")).await.ok();
    assert_eq!(flow["publishedVersion"]["id"], "2.0");

    let (job, files) = export(
        api,
        json!([
            {"flow": {"id": id}, "fileName": "now", "exportType": "Yaml"},
            {"flow": {"id": id, "version": "1.0"}, "fileName": "then", "exportType": "Yaml"},
        ]),
    )
    .await;
    assert_eq!(messages(&job), "");
    assert_eq!(
        files,
        [
            ("now.yaml".to_owned(), changed),
            ("then.yaml".to_owned(), source)
        ]
    );
    let versions = api.get(&format!("{FLOWS}/{id}/versions")).await.ok();
    assert_eq!(column(&versions, "id"), ["2.0", "1.0"]);
}

#[tokio::test]
async fn an_upload_needs_its_headers_and_no_token() {
    let world = World::start().await;
    let api = &world.api;
    let job = api.post("/api/v2/flows/jobs", json!({})).await.ok();
    let url = text(&job, "/presignedUrl");
    let bare = api.http.put(&url).body("x").send().await.unwrap();
    assert_eq!(bare.status(), 403);
    let path = format!("/api/v2/flows/jobs/{}", text(&job, "/id"));
    assert_eq!(api.get(&path).await.ok()["status"], "Registered");
    let mut signed = api.http.put(&url).bearer_auth(&api.token).body("x");
    for (name, value) in job["headers"].as_object().unwrap() {
        signed = signed.header(name, value.as_str().unwrap());
    }
    assert_eq!(signed.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn every_object_that_is_missing_is_told_and_nothing_is_made() {
    let world = World::start().await;
    let api = &world.api;
    let source = call(
        "Main",
        r"  tasks:
    - transferToAcd:
        targetQueue: {lit: {name: Nowhere}}
        acdSkills:
          - acdSkill: {lit: {name: Magic}}
        languageSkill: {lit: {name: Klingon}}
    - playAudio:
        audio: {exp: ToAudio(Prompt.Silence)}
    - setWrapupCode:
        wrapupCode: {lit: {name: Lost}}
    - evaluateSchedule:
        schedule: {lit: {name: Never}}
    - dataTableLookup:
        dataTable:
          Empty: {failureOutputs: {}}
    - callData:
        category:
          CRM:
            dataAction:
              Find: {inputs: {}}
    - callCommonModule:
        commonModule:
          Shared: {ver_latestPublished: {inputs: {}}}
",
    )
    .replace("division: Home", "division: Moon");
    let job = import(api, &source).await;
    assert_eq!(job["status"], "Failure");
    assert_eq!(job["messages"][0]["type"], "Error");
    let said = messages(&job);
    for what in [
        "division 'Moon'",
        "queue 'Nowhere'",
        "ACD skill 'Magic'",
        "language skill 'Klingon'",
        "prompt 'Silence'",
        "wrap-up code 'Lost'",
        "schedule 'Never'",
        "data table 'Empty'",
        "data action in the category 'CRM' 'Find'",
        "commonModule flow 'Shared'",
    ] {
        assert!(said.contains(what), "{what} is not in {said}");
    }
    assert_eq!(api.get(FLOWS).await.ok()["total"], 0);
}

#[tokio::test]
async fn names_are_matched_exactly() {
    let world = World::start().await;
    queue(&world.api, "sales").await;
    let job = import(&world.api, &to_queue("Main", "Sales")).await;
    assert!(messages(&job).contains("queue 'Sales'"), "{job}");
}

#[tokio::test]
async fn malformed_sources_fail_with_a_message() {
    let world = World::start().await;
    for (source, said) in [
        ("inboundCall: [", "not valid YAML"),
        ("inboundFax:\n  name: A\n", "'inboundFax'"),
        ("inboundCall:\n  name: \"{{flow_name}}\"\n", "{{flow_name}}"),
        ("inboundCall:\n  name: <flowName>\n", "<flowName>"),
        ("inboundCall:\n  name: a/b\n", "slash"),
        ("inboundCall:\n  name: 4711\n", "letter"),
        ("JTdCJTIy", "not an Architect export"),
    ] {
        let job = import(&world.api, source).await;
        assert_eq!(job["status"], "Failure", "{source}");
        assert!(messages(&job).contains(said), "{source}: {job}");
    }
}

#[tokio::test]
async fn stubs_stand_in_for_missing_flows_and_for_nothing_else() {
    let world = World::start().await;
    let api = &world.api;
    let job = import_with(api, json!({"createStubs": true}), &to_queue("A", "Nowhere")).await;
    assert_eq!(job["status"], "Failure");
    let source = to_flow("A", "B");
    assert!(messages(&import(api, &source).await).contains("inboundCall flow 'B'"));
    let a = flow_of(&import_with(api, json!({"createStubs": true}), &source).await);
    let flows = api.get(&format!("{FLOWS}?sortBy=name")).await.ok();
    assert_eq!(column(&flows, "name"), ["A", "B"]);
    // The real B replaces its stub and closes the cycle.
    let b = flow_of(&import(api, &to_flow("B", "A")).await);
    assert_eq!(text(&flows, "/entities/1/id"), b);
    for id in [&a, &b] {
        let got = api.delete(&format!("{FLOWS}/{id}")).await;
        got.refused(409, "general.conflict");
    }
}

#[tokio::test]
async fn shells_may_be_made_first_and_names_follow_rules() {
    let world = World::start().await;
    let api = &world.api;
    let shell = json!({"name": "B", "type": "INBOUNDCALL"});
    let id = api.make(FLOWS, shell.clone()).await;
    let got = api.get(&format!("{FLOWS}/{id}")).await.ok();
    assert_eq!(got.get("publishedVersion"), None);
    api.post(FLOWS, shell)
        .await
        .refused(409, "general.conflict");
    let other = json!({"name": "B", "type": "WORKFLOW"});
    api.make(FLOWS, other).await;
    for name in ["a/b", "47-11"] {
        let body = json!({"name": name, "type": "WORKFLOW"});
        api.post(FLOWS, body).await.refused(400, "invalid.value");
    }
    let untyped = json!({"name": "C"});
    let got = api.post(FLOWS, untyped).await;
    got.refused(400, "required.field.missing");
    let (job, files) = export(api, json!([{"flow": {"id": id}}])).await;
    assert_eq!((&job["status"], files.len()), (&json!("Failure"), 0));
    assert!(messages(&job).contains("not published"));
    flow_of(&import(api, &to_flow("A", "B")).await);
    assert_eq!(flow_of(&import(api, &call("B", "")).await), id);
}

#[tokio::test]
async fn a_flow_in_use_or_locked_is_not_deleted() {
    let world = World::start().await;
    let api = &world.api;
    let wait = flow_of(&import(api, "inqueueCall:\n  name: Wait\n").await);
    let body = json!({"name": "Sales", "queueFlow": {"id": wait}});
    let sales = api.make("/api/v2/routing/queues", body).await;
    let path = format!("{FLOWS}/{wait}");
    api.delete(&path).await.refused(409, "general.conflict");
    api.put(
        &format!("/api/v2/routing/queues/{sales}"),
        json!({"name": "Sales"}),
    )
    .await
    .ok();
    let lock = format!("{FLOWS}/actions/checkout?flow={wait}");
    let locked = api.post(&lock, Value::Null).await.ok();
    assert_eq!(locked["lockedClient"]["id"], "gold-client");
    api.delete(&path).await.refused(409, "general.conflict");
    let job = import(api, "inqueueCall:\n  name: Wait\n").await;
    assert!(messages(&job).contains("locked by gold-client"), "{job}");
    let unlock = format!("{FLOWS}/actions/unlock?flow={wait}");
    api.post(&unlock, Value::Null).await.ok();
    assert_eq!(api.delete(&path).await.status, 204);
    api.get(&path).await.refused(404, "not.found");
    let gone = api.get(&format!("{path}?deleted=true")).await.ok();
    assert_eq!(gone["deleted"], true);
    assert_eq!(api.get(FLOWS).await.ok()["total"], 0);
    let all = api.get(&format!("{FLOWS}?deleted=true")).await.ok();
    assert_eq!(column(&all, "id"), [wait]);
    flow_of(&import(api, "inqueueCall:\n  name: Wait\n").await);
}

#[tokio::test]
async fn locks_belong_to_a_client() {
    let mut config = Config::with_orgs(["gold"]);
    config.limits = Limits::none();
    config.orgs[0].clients.push(ClientSpec::new("other", "s"));
    let world = World::with(config).await;
    let api = &world.api;
    let other = Api::login(&world.sim, "other", "s").await;
    let id = flow_of(&import(api, &call("A", "")).await);
    let act = |action: &str| format!("{FLOWS}/actions/{action}?flow={id}");
    let conflict = "general.conflict";
    api.post(&act("checkin"), Value::Null)
        .await
        .refused(409, conflict);
    other.post(&act("checkout"), Value::Null).await.ok();
    for action in ["checkout", "checkin", "revert", "publish", "deactivate"] {
        let got = api.post(&act(action), Value::Null).await;
        got.refused(409, conflict);
    }
    let path = format!("{FLOWS}/{id}");
    let renamed = json!({"name": "B"});
    api.put(&path, renamed.clone()).await.refused(409, conflict);
    let found = api.get(&format!("{FLOWS}?lockedByClientId=other")).await;
    assert_eq!(found.ok()["total"], 1);
    other.post(&act("revert"), Value::Null).await.ok();
    assert_eq!(api.put(&path, renamed).await.ok()["name"], "B");
    let published = api.post(&act("publish"), Value::Null).await;
    assert_eq!(published.status, 202);
    assert_eq!(api.get(&path).await.ok()["publishedVersion"]["id"], "2.0");
}

#[tokio::test]
async fn lists_select_by_type_and_time_of_publishing() {
    let mut config = Config::with_orgs(["gold"]);
    config.limits = Limits::none();
    config.clock = orgsmith_sim::ClockMode::Manual("2026-01-01T00:00:00Z".parse().unwrap());
    let world = World::with(config).await;
    let api = &world.api;
    import(api, &call("A", "")).await;
    world.sim.advance(Duration::from_secs(3600));
    import(api, "workflow:\n  name: B\n").await;
    import(api, "botFlow:\n  name: C\n").await;
    for (query, names) in [
        ("type=inboundcall", &["A"][..]),
        ("type=inboundcall&type=bot", &["A", "C"]),
        ("publishedAfter=2026-01-01T00:30:00Z", &["B", "C"]),
        ("publishedBefore=2026-01-01T00:30:00Z", &["A"]),
        ("name=b", &["B"]),
    ] {
        let got = api.get(&format!("{FLOWS}?{query}")).await.ok();
        assert_eq!(column(&got, "name"), names, "{query}");
    }
    api.get(&format!("{FLOWS}?pageSize=500")).await.ok();
    let got = api.get(&format!("{FLOWS}?pageSize=501")).await;
    got.refused(400, "invalid.query.param.value");
}

#[tokio::test]
async fn work_takes_its_time_and_is_done_without_polls() {
    let mut config = Config::with_orgs(["gold"]);
    config.limits = Limits::none();
    config.clock = orgsmith_sim::ClockMode::Manual("2026-01-01T00:00:00Z".parse().unwrap());
    config.orgs[0].jobs.work_ms = 5000;
    config.orgs[0].jobs.polls = 0;
    let world = World::with(config).await;
    let api = &world.api;
    let job = api.post("/api/v2/flows/jobs", json!({})).await.ok();
    put(api, &job, "presignedUrl", "headers", &call("A", ""))
        .await
        .ok();
    let path = format!("/api/v2/flows/jobs/{}", text(&job, "/id"));
    assert_eq!(api.get(&path).await.ok()["status"], "Started");
    assert_eq!(api.get(FLOWS).await.ok()["total"], 0);
    world.sim.advance(Duration::from_secs(5));
    assert_eq!(column(&api.get(FLOWS).await.ok(), "name"), ["A"]);
    assert_eq!(end(api, &path).await["status"], "Success");
}

#[tokio::test]
async fn exports_are_bounded_and_tell_what_they_leave_out() {
    let mut config = Config::with_orgs(["gold"]);
    config.limits = Limits::none();
    config.orgs[0].jobs.flows_per_export = 2;
    let world = World::with(config).await;
    let api = &world.api;
    let id = flow_of(&import(api, &call("A", "")).await);
    let one = |name: &str| json!({"flow": {"id": id}, "fileName": name});
    let export_jobs = "/api/v2/flows/export/jobs";
    for flows in [
        json!([]),
        json!([one("a"), one("b"), one("c")]),
        json!([one("a"), one("A")]),
        json!([one("../a")]),
    ] {
        let got = api.post(export_jobs, json!({ "flows": flows })).await;
        got.refused(400, "invalid.value");
    }
    let absent = json!({"flow": {"id": "8a1bd0f0-0000-4000-8000-000000000000"}});
    let (job, files) = export(api, json!([one("a"), absent])).await;
    assert_eq!(job["status"], "Success");
    assert!(messages(&job).contains("8a1bd0f0"));
    assert_eq!(files.len(), 1);
}

#[tokio::test]
async fn an_architect_export_binds_by_id_or_name_and_is_never_yaml() {
    let world = World::start().await;
    let api = &world.api;
    queue(api, "Sales").await;
    let id = flow_of(&import(api, &to_queue("Main", "Sales")).await);
    let as_architect = json!([{"flow": {"id": id}, "fileName": "m", "exportType": "Architect"}]);
    let (_, files) = export(api, as_architect.clone()).await;
    assert_eq!(files[0].0, "m.i3InboundFlow");
    let i3 = files[0].1.clone();
    assert_eq!(flow_of(&import(api, &i3).await), id);
    let (job, _) = export(api, json!([{"flow": {"id": id}, "exportType": "Yaml"}])).await;
    assert_eq!(job["status"], "Failure");
    assert!(messages(&job).contains("cannot be exported as Yaml"));
    let (_, files) = export(api, as_architect).await;
    assert_eq!(files[0].1, i3);

    let other = World::start().await;
    let job = import(&other.api, &i3).await;
    assert!(messages(&job).contains("queue 'Sales'"), "{job}");
    queue(&other.api, "Sales").await;
    flow_of(&import(&other.api, &i3).await);
}

#[tokio::test]
async fn what_was_published_can_be_validated_again() {
    let world = World::start().await;
    let api = &world.api;
    let sales = queue(api, "Sales").await;
    let id = flow_of(&import(api, &to_queue("Main", "Sales")).await);
    let jobs = "/api/v2/flows/validate/jobs";
    let body = json!({"flows": [{"flow": {"id": id}}]});
    let validate = async || {
        let job = api.post(jobs, body.clone()).await.ok();
        end(
            api,
            &format!("{jobs}/{}?expand=messages", text(&job, "/id")),
        )
        .await
    };
    assert_eq!(validate().await["status"], "Success");
    api.delete(&format!("/api/v2/routing/queues/{sales}?forceDelete=true"))
        .await
        .ok();
    let job = validate().await;
    assert_eq!(job["status"], "Failure");
    assert!(messages(&job).contains("queue 'Sales'"));
}

#[tokio::test]
async fn dependencies_are_answered_per_version_in_both_directions() {
    let world = World::start().await;
    let api = &world.api;
    let sales = queue(api, "Sales").await;
    let main = flow_of(&import(api, &call("Main", "")).await);
    import(api, &to_queue("Main", "Sales")).await;
    let root = "/api/v2/architect/dependencytracking";
    let build = api.get(&format!("{root}/build")).await.ok();
    assert_eq!(build["status"], "OPERATIONAL");
    let consumed = async |version: &str| {
        let query = format!("id={main}&objectType=INBOUNDCALLFLOW&version={version}");
        let got = api.get(&format!("{root}/consumedresources?{query}")).await;
        column(&got.ok(), "name")
    };
    assert_eq!(consumed("1.0").await, Vec::<String>::new());
    assert_eq!(consumed("2.0").await, ["Sales"]);
    let query = format!("id={main}&objectType=INBOUNDCALLFLOW");
    api.get(&format!("{root}/consumedresources?{query}"))
        .await
        .refused(400, "invalid.query.param.value");
    let query = format!("id={sales}&objectType=QUEUE&version=1");
    let got = api
        .get(&format!("{root}/consumingresources?{query}"))
        .await
        .ok();
    assert_eq!(got["entities"][0]["type"], "INBOUNDCALLFLOW");
    assert_eq!(got["entities"][0]["id"], *main);
    let wait = flow_of(&import(api, "inqueueCall:\n  name: Wait\n").await);
    let body = json!({"name": "Sales", "queueFlow": {"id": wait}});
    api.put(&format!("/api/v2/routing/queues/{sales}"), body)
        .await
        .ok();
    let query = format!("id={wait}&objectType=INQUEUECALLFLOW&consumingResources=true");
    let got = api.get(&format!("{root}/object?{query}")).await.ok();
    assert_eq!(got["consumingResources"][0]["id"], *sales);
    let types = api.get(&format!("{root}/types?pageSize=100")).await.ok();
    assert!(column(&types, "id").contains(&"SCHEDULEGROUP".to_owned()));
}
