//! People of whom there is one place: nobody is in two teams.

use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::document::Portable;
use orgsmith_core::plan::{Options, Plan, Planner};
use orgsmith_core::testing::Org;
use serde_json::{Value, json};

use super::cases::{conflicts, empty, step, to};
use super::model::Model;
use super::step_ids;

fn user(name: &str) -> String {
    format!("user/{name}@example.com")
}

/// An org with teams and who is in them.
fn org(teams: &[(&str, &[&str])]) -> Org {
    let mut org = empty();
    for (team, people) in teams {
        let members: Vec<Value> = people.iter().map(|name| to(&user(name))).collect();
        org.add(&format!("team/{team}"), json!({"members": members}));
        for name in *people {
            let id = org.id(&format!("team/{team}"));
            org.add(&user(name), json!({"name": name, "team": {"id": id}}));
        }
    }
    org
}

/// Documents of teams, as a person writes them.
fn wanted(teams: &[(&str, Value)]) -> Bundle {
    let mut bundle = Bundle::default();
    for (team, members) in teams {
        let Value::Object(body) = json!({"name": team, "members": members}) else {
            unreachable!("it is an object")
        };
        bundle.insert(Portable {
            object: format!("team/{team}").parse().expect("kind/key"),
            body,
            files: Default::default(),
        });
    }
    bundle
}

fn planned(bundle: &Bundle, target: &Org) -> Plan {
    Planner::new(Catalogue::builtin(), Options::default()).plan(bundle, &target.snapshot())
}

fn members(names: &[&str]) -> Value {
    names.iter().map(|name| to(&user(name))).collect()
}

fn after<'p>(plan: &'p Plan, id: &str) -> Vec<&'p str> {
    step(plan, id).after.iter().map(|id| id.as_str()).collect()
}

/// Returns who is in a team once a plan was carried out.
fn there(plan: &Plan, target: &Org, team: &str) -> Vec<String> {
    let mut model = Model::new(target.snapshot());
    model.apply(plan, 1);
    let (bundle, _) = model
        .snapshot()
        .to_bundle(Catalogue::builtin(), &Default::default());
    let document = &bundle.documents[&format!("team/{team}").parse().expect("kind/key")];
    let said = document.field("members").unwrap_or_default();
    let names = said.as_array().into_iter().flatten();
    let names = names.filter_map(|item| item["$ref"].as_str());
    names.map(str::to_owned).collect()
}

#[test]
fn who_is_listed_by_two_teams_stays_where_they_are_and_the_others_go_on() {
    let mut target = org(&[("A", &["stays"]), ("B", &[]), ("C", &["elsewhere"])]);
    target.add(&user("new"), json!({"name": "new"}));
    target.add(&user("plain"), json!({"name": "plain"}));
    let bundle = wanted(&[
        ("A", members(&["stays", "elsewhere", "new"])),
        ("B", members(&["stays", "elsewhere", "new", "plain"])),
        ("C", members(&[])),
    ]);
    let plan = planned(&bundle, &target);
    let told = |name: &str| {
        format!(
            "{}: it is in team/A and team/B, and nobody is in more than one team; take it out of all but one",
            user(name)
        )
    };
    assert_eq!(
        conflicts(&plan),
        [told("elsewhere"), told("new"), told("stays")]
    );
    assert_eq!(step_ids(&plan), ["team/B:members+1"]);
    assert_eq!(there(&plan, &target, "A"), [user("stays")]);
    assert_eq!(there(&plan, &target, "B"), [user("plain")]);
    assert_eq!(there(&plan, &target, "C"), [user("elsewhere")]);
}

#[test]
fn who_is_to_be_in_another_team_leaves_the_one_that_they_are_in() {
    // Of the other team nothing is said; who else is in it stays.
    let target = org(&[("A", &["a"]), ("B", &["b", "c"])]);
    let bundle = wanted(&[("A", members(&["a", "b"]))]);
    let plan = planned(&bundle, &target);
    assert_eq!(
        step_ids(&plan),
        ["team/B:members-moved-1", "team/A:members+1"]
    );
    assert_eq!(after(&plan, "team/A:members+1"), ["team/B:members-moved-1"]);
    assert_eq!(there(&plan, &target, "A"), [user("a"), user("b")]);
    assert_eq!(there(&plan, &target, "B"), [user("c")]);
    let counts = plan.counts["team"];
    assert_eq!((counts.update, counts.same), (2, 0));
}

#[test]
fn two_who_change_places_both_leave_first() {
    let target = org(&[("A", &["a"]), ("B", &["b"])]);
    let bundle = wanted(&[("A", members(&["b"])), ("B", members(&["a"]))]);
    let plan = planned(&bundle, &target);
    let gone = |ids: &[&str]| ids.iter().position(|id| id.contains("members+"));
    assert_eq!(gone(&step_ids(&plan)), Some(2), "{:?}", step_ids(&plan));
    assert!(after(&plan, "team/A:members+1").contains(&"team/B:members-1"));
    assert!(after(&plan, "team/B:members+1").contains(&"team/A:members-1"));
    assert_eq!(there(&plan, &target, "A"), [user("b")]);
    assert_eq!(there(&plan, &target, "B"), [user("a")]);
}

#[test]
fn nobody_leaves_for_a_team_that_cannot_be_planned() {
    let target = org(&[("B", &["b"])]);
    let mut bundle = wanted(&[("A", members(&["b"]))]);
    let document = bundle.documents.values().next().expect("the team");
    let mut document = document.open();
    document
        .body
        .insert("division".into(), to("auth_division/Nowhere"));
    bundle.insert(document);
    let plan = planned(&bundle, &target);
    assert_eq!(conflicts(&plan).len(), 1, "{:?}", conflicts(&plan));
    assert_eq!(step_ids(&plan), [""; 0]);
}
