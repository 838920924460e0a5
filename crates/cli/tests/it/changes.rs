//! `changes`: what changed in an org, who did it and when.

use orgsmith_sim::{ClientSpec, Config};
use serde_json::{Value, json};

use crate::lab::Lab;

/// An org with a client that Priya is signed in with, and one that may not see audits.
fn lab() -> Lab {
    let mut config = Config::with_orgs(["gold"]);
    let priya = ClientSpec::new("priya-client", "priya-secret").user("priya@example.com");
    let weak = ClientSpec::new("weak-client", "weak-secret").permissions(["routing:skill:view"]);
    config.orgs[0].clients.extend([priya, weak]);
    let lab = Lab::of(config);
    let home = lab.sim.objects("gold", "division")[0]["id"].clone();
    for (path, body) in [
        (
            "/api/v2/users",
            json!({"name": "Priya\u{1b}[31m Raman", "email": "priya@example.com", "divisionId": home}),
        ),
        ("/api/v2/routing/skills", json!({"name": "German"})),
    ] {
        lab.sim.seed("gold", "POST", path, body).expect("an object");
    }
    lab.write(
        "one/routing_queue/Sales.yaml",
        "name: Sales\ndescription: new\n",
    );
    lab
}

#[test]
fn it_says_what_changed_who_did_it_and_what_it_cost() {
    let lab = lab();
    lab.run(&["apply", "one", "--to", "priya", "--yes"]).ends(0);
    let shown = lab.run(&["changes", "gold", "--since", "2h"]).ends(0);
    let lines: Vec<Vec<&str>> = shown
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["WHEN", "KIND", "NAME", "ACTION", "WHO", "WHAT"]);
    let created = ["<time>", "routing_queue", "Sales", "Create"];
    assert!(
        lines.iter().any(|line| line.starts_with(&created)),
        "{shown}"
    );
    // A name that would colour the terminal is written out.
    assert!(!shown.stdout.contains('\u{1b}'), "{shown}");
    assert!(
        shown
            .stdout
            .contains("Priya\\u{1b}[31m Raman (by priya-client)"),
        "{shown}"
    );
    assert!(
        shown.stderr.contains(" changes in gold since <time>; "),
        "{shown}"
    );
    assert!(
        shown.stderr.contains("No audit tells of changes of:"),
        "{shown}"
    );
    let shown = lab.run(&[
        "changes",
        "gold",
        "--since",
        "2h",
        "--kind",
        "routing_queue",
        "-o",
        "json",
    ]);
    let told: Value = serde_json::from_str(&shown.ends(0).stdout).expect("JSON");
    assert_eq!(told["changes"][0]["kinds"], json!(["routing_queue"]));
    assert_eq!(told["changes"][0]["by"]["client"]["id"], "priya-client");
    // The list of services, and the one that has queues.
    assert_eq!(told["calls"], 2);
    let changes = told["changes"].as_array().expect("a list");
    assert!(
        changes.iter().all(|change| change["name"] == "Sales"),
        "{told}"
    );
}

#[test]
fn what_cannot_be_asked_is_told_with_the_permission() {
    let lab = lab();
    let shown = lab.run(&["changes", "weak"]).ends(3);
    assert!(shown.stderr.contains("audits:audit:view"), "{shown}");
    let shown = lab.run(&["changes", "gold", "--since", "soon"]).ends(64);
    assert!(shown.stderr.contains("30m, 2h, 3d"), "{shown}");
    let shown = lab.run(&["changes", "gold", "--kind", "queue"]).ends(64);
    assert!(shown.stderr.contains("routing_queue"), "{shown}");
}
