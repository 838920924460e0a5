//! People: what many have in common costs little, and one of them costs the others nothing.

use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::document::Portable;
use orgsmith_core::people::{Stage, progress};
use orgsmith_core::validate::normalise;
use orgsmith_sim::{FaultAction, FaultRule};
use serde_json::{Value, json};

use crate::crash::survives_every_kill;
use crate::lab::{Lab, told};

fn add(bundle: &mut Bundle, object: &str, body: Value) {
    let Value::Object(body) = body else {
        panic!("{object} is no object")
    };
    let object: orgsmith_core::id::ObjectRef = object.parse().expect("kind/key");
    bundle.insert(Portable {
        object,
        body,
        files: Default::default(),
    });
}

/// Users who all have two roles, one of them in two divisions.
fn crew(people: usize) -> Bundle {
    let mut bundle = Bundle::default();
    bundle.source.org_name = "crew".to_owned();
    let mut add = |object: &str, body: Value| add(&mut bundle, object, body);
    let home = json!({"$ref": "auth_division/~home"});
    let claims = json!({"$ref": "auth_division/Claims"});
    add(
        "auth_division/Claims",
        json!({"name": "Claims", "description": "claims"}),
    );
    for role in ["Agent", "Coach"] {
        let policy = json!({"domain": "routing", "entityName": "queue", "actionSet": ["view"]});
        let body = json!({"name": role, "description": role, "permissionPolicies": [policy]});
        add(&format!("auth_role/{role}"), body);
    }
    let grant = |role: &str, division: &Value| json!({"role": {"$ref": format!("auth_role/{role}")}, "division": division});
    for number in 0..people {
        let email = format!("p{number}@crew.example");
        let body = json!({"name": format!("P {number}"), "email": email, "state": "active", "division": home,
            "grants": [grant("Agent", &home), grant("Agent", &claims), grant("Coach", &home)]});
        add(&format!("user/{email}"), body);
    }
    normalise(Catalogue::builtin(), &mut bundle);
    bundle
}

/// Counts successful requests whose path ends, or begins, so.
fn sent(lab: &Lab, is: impl Fn(&str) -> bool) -> usize {
    let writes = lab.writes("gold").into_iter();
    writes
        .filter(|entry| entry.method == "POST" && is(&entry.path))
        .count()
}

fn for_role(path: &str) -> bool {
    path.starts_with("/api/v2/authorization/roles/")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_with_the_same_roles_cost_a_call_for_each_role() {
    let lab = Lab::with_orgs(["gold"]).await;
    let bundle = crew(60);
    lab.apply(&bundle, "gold").await;
    // A call takes fifty people.
    assert_eq!(sent(&lab, for_role), 4);
    assert_eq!(sent(&lab, |path| path.ends_with("/bulkadd")), 0);
    let left = lab.plan(&bundle, "gold").await;
    assert!(left.is_empty(), "{:#?}", left.steps);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_it_is_refused_for_all_each_is_sent_alone() {
    let lab = Lab::with_orgs(["gold"]).await;
    let bundle = crew(8);
    let plan = lab.plan(&bundle, "gold").await;
    let refuse = FaultAction::Status {
        status: 400,
        retry_after_s: None,
    };
    lab.sim
        .add_fault(FaultRule::new(refuse).on("POST", "/api/v2/authorization/roles/*"));
    let finished = lab.run(&plan, "gold").await;
    lab.sim.clear_faults();
    assert!(finished.outcome.is_complete(), "{}", told(&plan, &finished));
    assert_eq!(sent(&lab, |path| path.ends_with("/bulkadd")), 8);
    let left = lab.plan(&bundle, "gold").await;
    assert!(left.is_empty(), "{:#?}", left.steps);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_created_costs_the_others_nothing() {
    let lab = Lab::with_orgs(["gold"]).await;
    let bundle = crew(8);
    let plan = lab.plan(&bundle, "gold").await;
    let refuse = FaultAction::Status {
        status: 400,
        retry_after_s: None,
    };
    lab.sim
        .add_fault(FaultRule::new(refuse).on("POST", "/api/v2/users").times(1));
    let finished = lab.run(&plan, "gold").await;
    lab.sim.clear_faults();
    let open = plan.steps.len() - finished.outcome.done();
    assert_eq!(open, 2, "{}", told(&plan, &finished));
    let people = progress(Catalogue::builtin(), &plan, &finished.outcome.states);
    let not_there: Vec<_> = people.values().filter(|p| p.open.is_some()).collect();
    assert_eq!(people.len(), 8);
    assert_eq!(not_there.len(), 1);
    assert_eq!(
        (not_there[0].reached, not_there[0].open),
        (None, Some(Stage::Created))
    );
    assert_eq!(not_there[0].waiting.len(), 2, "the user, and its roles");
    let again = lab.resume(&finished.run, "gold").await;
    assert!(again.outcome.is_complete(), "{}", told(&plan, &again));
    let people = progress(Catalogue::builtin(), &plan, &again.outcome.states);
    assert!(
        people.values().all(|p| p.reached == Some(Stage::Numbered)),
        "{people:?}"
    );
    let left = lab.plan(&bundle, "gold").await;
    assert!(left.is_empty(), "{:#?}", left.steps);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_for_many_that_is_lost_is_looked_into() {
    for action in [FaultAction::ResetAfter, FaultAction::ResetBefore] {
        let lab = Lab::with_orgs(["gold"]).await;
        let bundle = crew(5);
        let plan = lab.plan(&bundle, "gold").await;
        let rule = FaultRule::new(action).on("POST", "/api/v2/authorization/roles/*");
        lab.sim.add_fault(rule.times(3));
        let finished = lab.run(&plan, "gold").await;
        assert!(finished.outcome.is_complete(), "{}", told(&plan, &finished));
        let left = lab.plan(&bundle, "gold").await;
        assert!(left.is_empty(), "{:#?}", left.steps);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_any_journal_entry_everybody_has_every_role() {
    survives_every_kill(&crew(4)).await;
}

/// Two people with phones in their browsers, whose stations are theirs.
fn callers() -> Bundle {
    let mut bundle = Bundle::default();
    bundle.source.org_name = "callers".to_owned();
    let edges = "telephony_providers_edges";
    let to = |object: String| json!({ "$ref": object });
    let mut add = |object: &str, body: Value| add(&mut bundle, object, body);
    let address = json!({"city": "Lisbon", "country": "PT"});
    add("location/HQ", json!({"name": "HQ", "address": address}));
    let site =
        json!({"name": "HQ", "location": to("location/HQ".to_owned()), "mediaModel": "Cloud"});
    add(&format!("{edges}_site/HQ"), site);
    let base = json!({"name": "Browser", "phoneMetaBase": {"id": "inin_webrtc_softphone.json"},
        "lines": [{"name": "Line"}]});
    add(&format!("{edges}_phonebasesettings/Browser"), base);
    for name in ["Ana", "Rui"] {
        let email = format!("{name}@callers.example").to_lowercase();
        let body = json!({"name": name, "email": email, "state": "active",
            "division": to("auth_division/~home".to_owned()),
            "station": {"defaultStation": to(format!("station/{name}"))}});
        add(&format!("user/{email}"), body);
        let line = json!({"name": "Line",
            "lineBaseSettings": to(format!("{edges}_linebasesettings/Browser/Line"))});
        let phone = json!({"name": name, "site": to(format!("{edges}_site/HQ")), "lines": [line],
            "phoneBaseSettings": to(format!("{edges}_phonebasesettings/Browser")),
            "webRtcUser": to(format!("user/{email}"))});
        add(&format!("{edges}_phone/{name}"), phone);
    }
    normalise(Catalogue::builtin(), &mut bundle);
    bundle
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_any_journal_entry_everybody_has_their_station() {
    survives_every_kill(&callers()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_with_a_phone_is_waited_for_and_its_lack_is_told() {
    let bundle = callers();
    let lab = Lab::with_orgs(["gold"]).await;
    let plan = lab.plan(&bundle, "gold").await;
    let refuse = FaultAction::Status {
        status: 403,
        retry_after_s: None,
    };
    lab.sim
        .add_fault(FaultRule::new(refuse).on("GET", "/api/v2/stations"));
    let finished = lab.run(&plan, "gold").await;
    lab.sim.clear_faults();
    let open = plan.steps.len() - finished.outcome.done();
    assert_eq!(open, 2, "{}", told(&plan, &finished));
    let again = lab.resume(&finished.run, "gold").await;
    assert!(again.outcome.is_complete(), "{}", told(&plan, &again));
    let left = lab.plan(&bundle, "gold").await;
    assert!(left.is_empty(), "{:#?}", left.steps);
}

/// Makes a team of the org with members; returns its id.
fn team(lab: &Lab, name: &str, members: &[&String]) -> String {
    let made = lab
        .sim
        .seed("gold", "POST", "/api/v2/teams", json!({ "name": name }));
    let id = made.expect("a team")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("/api/v2/teams/{id}/members");
    let body = json!({ "memberIds": members });
    lab.sim.seed("gold", "POST", &path, body).expect("members");
    id
}

/// A team `Two` with some of the crew.
fn second_team(numbers: &[usize]) -> Bundle {
    let mut bundle = Bundle::default();
    let object: orgsmith_core::id::ObjectRef = "team/Two".parse().expect("kind/key");
    let who = |n: &usize| json!({"$ref": format!("user/p{n}@crew.example")});
    let members: Vec<Value> = numbers.iter().map(who).collect();
    let Value::Object(body) = json!({"name": "Two", "members": members}) else {
        panic!("no object")
    };
    bundle.insert(Portable {
        object,
        body,
        files: Default::default(),
    });
    bundle
}

fn ids(lab: &Lab, people: usize) -> Vec<String> {
    (0..people)
        .map(|number| lab.id_of("gold", "user", "email", &format!("p{number}@crew.example")))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_in_another_team_moves() {
    let lab = Lab::with_orgs(["gold"]).await;
    lab.apply(&crew(3), "gold").await;
    let ids = ids(&lab, 3);
    team(&lab, "One", &[&ids[0], &ids[2]]);
    let bundle = second_team(&[0, 1]);
    let plan = lab.plan(&bundle, "gold").await;
    let finished = lab.run(&plan, "gold").await;
    assert!(finished.outcome.is_complete(), "{}", told(&plan, &finished));
    let teams = lab.sim.kept("gold", "team");
    let members = |name: &str| {
        let team = teams.iter().find(|team| team["name"] == name);
        team.expect("a team")["$members"].clone()
    };
    assert_eq!(members("One"), json!([ids[2]]));
    assert_eq!(members("Two"), json!([ids[0], ids[1]]));
    let left = lab.plan(&bundle, "gold").await;
    assert!(left.is_empty(), "{:#?}", left.steps);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_another_team_behind_the_plan_is_named() {
    let lab = Lab::with_orgs(["gold"]).await;
    lab.apply(&crew(2), "gold").await;
    let ids = ids(&lab, 2);
    let plan = lab.plan(&second_team(&[0, 1]), "gold").await;
    team(&lab, "One", &[&ids[0]]);
    let finished = lab.run(&plan, "gold").await;
    let told = told(&plan, &finished);
    assert!(
        told.contains(&format!("{}: UserGroupLimitExceeded", ids[0])),
        "{told}"
    );
    assert!(!told.contains(&ids[1]), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_beyond_the_reach_of_the_list_are_found() {
    let lab = Lab::with_orgs(["gold"]).await;
    let home = lab.id_of("gold", "division", "name", "Home");
    for number in 0..10_001 {
        let body = json!({"name": format!("P {number}"), "email": format!("p{number}@crew.example"),
            "state": "inactive", "divisionId": home});
        lab.sim
            .seed("gold", "POST", "/api/v2/users", body)
            .expect("a user");
    }
    let mut bundle = crew(0);
    for number in [3, 9_999, 10_000, 10_001] {
        let object: orgsmith_core::id::ObjectRef = format!("user/p{number}@crew.example")
            .parse()
            .expect("kind/key");
        let Value::Object(body) = json!({"name": "New", "email": format!("p{number}@crew.example"),
            "state": "inactive", "division": {"$ref": "auth_division/~home"}})
        else {
            panic!("no object")
        };
        bundle.insert(Portable {
            object,
            body,
            files: Default::default(),
        });
    }
    bundle
        .documents
        .retain(|object, _| object.kind.as_str() == "user");
    let plan = lab.plan(&bundle, "gold").await;
    assert_eq!(plan.conflicts, []);
    let actions: Vec<_> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(
        actions,
        [
            "user/p10000@crew.example:update",
            "user/p10001@crew.example:create",
            "user/p3@crew.example:update",
            "user/p9999@crew.example:update",
        ]
    );
    assert!(
        plan.gaps
            .iter()
            .any(|gap| gap.to_string().contains("10000 inactive")),
        "{:?}",
        plan.gaps
    );
}
