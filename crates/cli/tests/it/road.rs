//! Export, plan, apply, clone, sync, diff, runs, map.

use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::lab::{Lab, PLANTED, example};

fn skill(lab: &Lab, org: &str, name: &str) {
    lab.sim
        .seed(
            org,
            "POST",
            "/api/v2/routing/skills",
            json!({ "name": name }),
        )
        .expect("a skill");
}

#[test]
fn a_bundle_is_planned_applied_and_found_equal() {
    let lab = Lab::new();
    lab.sketch("sketch");
    assert_snapshot!(
        "plan_screen",
        lab.run(&["plan", "sketch", "--to", "gold"]).ends(0)
    );
    assert_snapshot!(
        "plan_fields",
        lab.run(&["plan", "sketch", "--to", "gold", "-v"])
            .ends(0)
            .stdout
    );
    lab.run(&["plan", "sketch", "--to", "gold", "--detailed-exitcode"])
        .ends(2);
    assert_eq!(lab.writes("gold"), 0);

    assert_snapshot!(
        "apply",
        lab.run(&["apply", "sketch", "--to", "gold", "--yes"])
            .ends(0)
    );
    let again = lab
        .run(&["plan", "sketch", "--to", "gold", "--detailed-exitcode"])
        .ends(0);
    assert!(again.stdout.contains("nothing to do"), "{again}");
    let nothing = lab.run(&["apply", "sketch", "--to", "gold"]).ends(0);
    assert_eq!(nothing.stdout, "Nothing to do.\n");
}

#[test]
fn a_plan_in_every_form() {
    let lab = Lab::new();
    lab.sketch("sketch");
    let json = lab
        .run(&["plan", "sketch", "--to", "gold", "-o", "json"])
        .ends(0);
    let plan: Value = serde_json::from_str(&json.stdout).expect("JSON and nothing else");
    assert_eq!(plan["format"], 1);
    let markdown = lab
        .run(&["plan", "sketch", "--to", "gold", "-o", "markdown"])
        .ends(0);
    assert!(markdown.stdout.contains("Quotes"), "{markdown}");
    lab.run(&["diff", "sketch", "sketch", "-o", "markdown"])
        .ends(64);
    lab.run(&["runs", "-o", "html"]).ends(64);
    let html = lab
        .run(&["plan", "sketch", "--to", "gold", "-o", "html"])
        .ends(0);
    assert!(html.stdout.starts_with("<!doctype html>"), "{html}");
}

#[test]
fn a_saved_plan_is_applied_once_and_then_stale() {
    let lab = Lab::new();
    lab.sketch("sketch");
    let saved = lab
        .run(&["plan", "sketch", "--to", "gold", "--out", "plan.json"])
        .ends(0);
    assert!(
        saved.stdout.contains("orgsmith apply --plan plan.json"),
        "{saved}"
    );
    skill(&lab, "gold", "Quotes");
    assert_snapshot!("stale", lab.run(&["apply", "--plan", "plan.json"]).ends(6));
    assert_eq!(lab.writes("gold"), 0);

    lab.run(&["plan", "sketch", "--to", "tenant", "--out", "plan.json"])
        .ends(0);
    // A change elsewhere in the org does not matter.
    skill(&lab, "tenant", "Something Else");
    lab.run(&["apply", "--plan", "plan.json"]).ends(0);
    lab.run(&["apply", "--plan", "plan.json"]).ends(6);
    lab.run(&["apply", "--plan", "plan.json", "--to", "gold"])
        .ends(64);
}

#[test]
fn the_gold_image_is_cloned_and_proved() {
    let lab = Lab::new();
    lab.gold_secrets("secrets.yaml");
    let gold = example("gold-org");

    let missing = lab.run(&["apply", &gold, "--to", "gold", "--yes"]).ends(5);
    assert_snapshot!(
        "missing_secrets",
        missing
            .stderr
            .lines()
            .skip_while(|line| !line.starts_with("error"))
            .collect::<Vec<_>>()
            .join("\n")
    );
    assert_eq!(lab.writes("gold"), 0);

    lab.run(&[
        "apply",
        &gold,
        "--to",
        "gold",
        "--yes",
        "--secrets-file",
        "secrets.yaml",
    ])
    .ends(0);
    let clone = lab
        .run(&[
            "clone",
            "gold",
            "tenant",
            "--yes",
            "--secrets-file",
            "secrets.yaml",
            "--json-into",
            "events.jsonl",
        ])
        .ends(0);
    assert!(
        clone
            .stdout
            .ends_with("0 differences between gold and tenant\nVerified: warn: 4 warn, 18 ok\n"),
        "{clone}"
    );
    let events = fs::read_to_string(lab.path("events.jsonl")).expect("events");
    assert!(!events.contains(PLANTED));
    let last: Value = serde_json::from_str(events.lines().last().expect("events")).expect("JSON");
    assert_eq!(last, json!({ "event": "ended", "exit": 0 }));

    // The same state gives the same bytes, from either org.
    for (org, zip) in [("gold", "a.zip"), ("gold", "b.zip"), ("tenant", "c.zip")] {
        lab.run(&["export", org, "--out", zip]).ends(0);
    }
    let bytes = |name: &str| fs::read(lab.path(name)).expect("a zip");
    assert!(bytes("a.zip") == bytes("b.zip"));
    lab.run(&["diff", "a.zip", "c.zip", "--detailed-exitcode"])
        .ends(0);
    lab.run(&["validate", "a.zip"]).ends(0);
    let planned = lab
        .run(&["plan", "a.zip", "--to", "tenant", "--detailed-exitcode"])
        .ends(0);
    assert!(planned.stdout.contains("nothing to do"), "{planned}");
    let state = fs::read(lab.path(".orgsmith/state.db")).expect("a state");
    assert!(
        !state
            .windows(PLANTED.len())
            .any(|bytes| bytes == PLANTED.as_bytes())
    );
}

#[test]
fn a_selection_limits_what_is_read_and_written() {
    let lab = Lab::new();
    lab.sketch("sketch");
    lab.run(&["apply", "sketch", "--to", "gold", "--yes"])
        .ends(0);
    let shown = lab
        .run(&[
            "export",
            "gold",
            "--out",
            "part",
            "--select",
            "kind=language",
        ])
        .ends(0);
    assert_snapshot!("selected", shown);
    let queues = lab.sim.ledger();
    let from = queues
        .iter()
        .rposition(|entry| entry.may_change() || entry.path == "/oauth/token")
        .unwrap_or(0);
    assert!(
        !queues[from..]
            .iter()
            .any(|entry| entry.path.starts_with("/api/v2/routing/queues"))
    );
    assert_snapshot!(
        "selects_nothing",
        lab.run(&["export", "gold", "--out", "none", "--select", "skill=Quote"])
            .ends(64)
    );
    assert!(!lab.path("none").exists());
}

#[test]
fn sync_deletes_what_is_not_wanted_and_only_with_prune() {
    let lab = Lab::new();
    lab.sketch("sketch");
    skill(&lab, "gold", "Unwanted");
    lab.run(&["sync", "sketch", "--to", "gold", "--yes"])
        .ends(0);
    let plan = [
        "plan",
        "sketch",
        "--to",
        "gold",
        "--prune",
        "--detailed-exitcode",
    ];
    lab.run(&plan).ends(2);
    assert_snapshot!(
        "prune",
        lab.run(&["sync", "sketch", "--to", "gold", "--prune", "--yes"])
            .ends(0)
    );
    lab.run(&plan).ends(0);
}

#[test]
fn the_brake_stops_and_force_lifts_it() {
    let lab = Lab::new();
    for number in 0..12 {
        skill(&lab, "gold", &format!("Old {number}"));
    }
    lab.write("one/routing_skill/Only.yaml", "name: Only\n");
    let stopped = lab
        .run(&["sync", "one", "--to", "gold", "--prune", "--yes"])
        .ends(8);
    assert_eq!(lab.writes("gold"), 0);
    assert!(stopped.stderr.contains("--force"), "{stopped}");
    lab.run(&["sync", "one", "--to", "gold", "--prune", "--yes", "--force"])
        .ends(0);
}

#[test]
fn nobody_is_asked_off_a_terminal() {
    let lab = Lab::new();
    lab.sketch("sketch");
    let shown = lab.run(&["apply", "sketch", "--to", "gold"]).ends(64);
    assert!(shown.stderr.contains("--yes"), "{shown}");
    assert_eq!(lab.writes("gold"), 0);
}

#[test]
fn runs_and_ids_are_remembered() {
    let lab = Lab::new();
    lab.sketch("sketch");
    assert_eq!(lab.run(&["runs"]).ends(0).stdout, "");
    assert!(!lab.path(".orgsmith").exists(), "looking creates nothing");
    lab.run(&["apply", "sketch", "--to", "gold", "--yes"])
        .ends(0);
    let listed = lab
        .command(&["runs", "-o", "json"])
        .output()
        .expect("the program")
        .stdout;
    let runs: Value = serde_json::from_slice(&listed).expect("JSON");
    let run = runs[0]["run"].as_str().expect("a run").to_owned();
    assert_snapshot!("runs", lab.run(&["runs"]).ends(0));
    assert_snapshot!("one_run", lab.run(&["runs", &run[..8], "-v"]).ends(0));
    assert_snapshot!(
        "resume_of_a_run_that_is_done",
        lab.run(&["resume", &run]).ends(0)
    );
    assert_snapshot!(
        "map",
        lab.run(&["map", "list", "--to", "gold", "routing_skill/Quotes"])
            .ends(0)
    );
    assert_snapshot!("no_such_run", lab.run(&["runs", "nothing"]).ends(64));
}

#[test]
fn two_objects_of_one_key_wait_for_a_pin() {
    let lab = Lab::new();
    for _ in 0..2 {
        let twin = json!({ "name": "Twins", "integrationType": { "id": "custom-rest-actions" } });
        lab.sim
            .seed("gold", "POST", "/api/v2/integrations", twin)
            .expect("an integration");
    }
    lab.write(
        "one/integration/custom-rest-actions/Twins.yaml",
        "name: Twins\nintegrationType: {id: custom-rest-actions}\nintendedState: ENABLED\n",
    );
    let shown = lab.run(&["plan", "one", "--to", "gold"]).ends(0);
    assert!(shown.stdout.contains("map pin"), "{shown}");
    let id = lab.sim.objects("gold", "integration")[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    lab.run(&[
        "map",
        "pin",
        "gold",
        "integration/custom-rest-actions/Twins",
        &id,
    ])
    .ends(0);
    assert_snapshot!("pins", lab.run(&["map", "pins", "gold"]).ends(0));
    let shown = lab.run(&["plan", "one", "--to", "gold"]).ends(0);
    assert!(shown.stdout.contains("Update 1"), "{shown}");
    lab.run(&[
        "map",
        "unpin",
        "gold",
        "integration/custom-rest-actions/Twins",
    ])
    .ends(0);
    assert_snapshot!(
        "pin_of_an_unknown_kind",
        lab.run(&["map", "pin", "gold", "integratoin/Twins", &id])
            .ends(64)
    );
}

#[test]
fn one_source_is_cloned_into_several_targets() {
    let lab = Lab::new();
    lab.sketch("sketch");
    let shown = lab
        .run(&["clone", "sketch", "gold", "tenant", "--yes"])
        .ends(0);
    assert_eq!(shown.stdout.matches("equal").count(), 2, "{shown}");
    assert!(shown.stderr.contains("2 of 2 orgs as in sketch"), "{shown}");
    lab.run(&["clone", "sketch", "gold", "nowhere", "--yes"])
        .ends(64);
}

#[test]
fn what_only_one_side_has_or_has_otherwise_is_a_difference() {
    let lab = Lab::new();
    lab.sketch("a");
    lab.sketch("b");
    lab.write(
        "b/auth_division/Sales.yaml",
        "name: Sales\ndescription: Buys\n",
    );
    std::fs::remove_file(lab.path("b/routing_language/English.yaml")).expect("our own file");
    lab.write("b/routing_language/French.yaml", "name: French\n");
    let shown = lab
        .run(&["diff", "a", "b", "-v", "--detailed-exitcode"])
        .ends(2);
    assert_snapshot!("diff", shown);
    let json = lab.run(&["diff", "a", "b", "-o", "json"]).ends(0);
    let found: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(found["added"], json!(["routing_language/French"]));
    assert_eq!(found["same"], 2);
}
