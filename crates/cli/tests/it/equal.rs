//! What counts as equal: an org says by silence that it has none, a person that it does not matter.

use serde_json::json;

use crate::lab::{Lab, example};

/// A queue that the source has bare, and the target with more.
fn lab() -> Lab {
    let lab = Lab::new();
    let queue = |org: &str, body| {
        let path = "/api/v2/routing/queues";
        lab.sim.seed(org, "POST", path, body).expect("a queue")
    };
    queue("gold", json!({"name": "Q"}));
    queue(
        "tenant",
        json!({"name": "Q", "description": "Sells", "callingPartyName": "Acme"}),
    );
    lab
}

const QUEUES: [&str; 2] = ["--select", "kind=routing_queue"];
const MORE: &str = "the target has callingPartyName, description, which the source has not";

#[test]
fn what_an_org_does_not_have_and_the_target_has_is_told_of_by_every_look() {
    let lab = lab();
    lab.run(&["export", "gold", "--out", "exported"]).ends(0);
    for source in ["gold", "exported"] {
        let plan = lab.run(&["plan", source, "--to", "tenant"]).ends(0);
        assert!(plan.stdout.contains("nothing to do"), "{plan}");
        assert!(plan.stdout.contains(MORE), "{plan}");
        assert!(plan.stdout.contains("[target-has-more]"), "{plan}");
        for order in [["diff", "tenant", source], ["diff", source, "tenant"]] {
            let flags = ["--detailed-exitcode", "-v"];
            let shown = lab.run(&[&order[..], &flags, &QUEUES].concat()).ends(2);
            assert!(shown.stdout.contains("description"), "{shown}");
        }
        let order = ["compare", source, "tenant", "--detailed-exitcode"];
        lab.run(&[&order[..], &QUEUES].concat()).ends(2);
    }
    let back = lab.run(&["plan", "tenant", "--to", "gold"]).ends(0);
    assert!(!back.stdout.contains("target-has-more"), "{back}");

    let clone = ["clone", "gold", "tenant", "--yes"];
    let nothing = lab.run(&clone).ends(0);
    assert!(nothing.stderr.contains(MORE), "{nothing}");
    let (path, skill) = ("/api/v2/routing/skills", json!({"name": "Quotes"}));
    lab.sim.seed("gold", "POST", path, skill).expect("a skill");
    let clone = lab.run(&clone).ends(0);
    assert!(clone.stdout.contains("0 differences"), "{clone}");
    let told = clone.stderr.lines().find(|line| line.starts_with("more "));
    assert!(
        told.is_some_and(|line| line.contains("routing_queue/Q") && line.contains(MORE)),
        "{clone}"
    );
}

#[test]
fn what_a_person_left_out_is_not_managed() {
    let lab = lab();
    let quiet = |arguments: &[&str]| {
        let plan = lab.run(arguments).ends(0);
        assert!(!plan.stdout.contains("target-has-more"), "{plan}");
    };
    lab.write("hand/routing_queue/Q.yaml", "name: Q\n");
    quiet(&["plan", "hand", "--to", "tenant"]);
    lab.run(&["diff", "tenant", "hand", "--detailed-exitcode"])
        .ends(2);
    lab.run(
        &[
            &["diff", "tenant", "hand", "--detailed-exitcode"][..],
            &QUEUES,
        ]
        .concat(),
    )
    .ends(0);

    // Beside what was exported lies what somebody wrote.
    lab.run(&["export", "gold", "--out", "mixed"]).ends(0);
    lab.write("mixed/routing_skill/Quotes.yaml", "name: Quotes\n");
    lab.sim
        .seed(
            "tenant",
            "POST",
            "/api/v2/routing/queues",
            json!({"name": "R", "description": "R"}),
        )
        .expect("a queue");
    lab.write("mixed/routing_queue/R.yaml", "name: R\n");
    let plan = lab.run(&["plan", "mixed", "--to", "tenant"]).ends(0);
    assert_eq!(plan.stdout.matches("target-has-more").count(), 1, "{plan}");

    // An overlay says which fields the target keeps.
    lab.configure_org(
        "tenant",
        "    ignore: [{in: routing_queue, fields: [description]}]\n    \
         change: [{in: routing_queue=Q, remove: [callingPartyName]}]\n",
    );
    quiet(&["plan", "gold", "--to", "tenant"]);
}

#[test]
fn what_cannot_be_told_apart_makes_every_look_partial() {
    let lab = Lab::new();
    for org in ["gold", "gold", "tenant"] {
        let twin = json!({"name": "Twins", "integrationType": {"id": "custom-rest-actions"}});
        let path = "/api/v2/integrations";
        lab.sim
            .seed(org, "POST", path, twin)
            .expect("an integration");
    }
    let path = "/api/v2/routing/skills";
    lab.sim
        .seed("gold", "POST", path, json!({"name": "Quotes"}))
        .expect("a skill");
    let export = lab.run(&["export", "gold", "--out", "exported"]).ends(3);
    assert!(export.stdout.contains("share this key"), "{export}");
    let skills = [
        "export",
        "gold",
        "--out",
        "skills",
        "--select",
        "kind=routing_skill",
    ];
    lab.run(&skills).ends(0);

    for source in ["gold", "exported"] {
        let diff = lab
            .run(&["diff", source, "tenant", "--detailed-exitcode"])
            .ends(3);
        let gap = format!("gap {source}: integration custom-rest-actions/Twins: 2 objects share");
        assert!(diff.stderr.contains(&gap), "{diff}");
        let compare = ["compare", source, "tenant", "--detailed-exitcode"];
        let compare = lab.run(&compare).ends(3);
        let row = compare.stdout.lines().find(|line| line.contains("Twins"));
        assert!(row.is_some_and(|row| row.contains('?')), "{compare}");
    }
    // Neither knows which of its two is meant, and there is a row all the same.
    let twin = json!({"name": "Twins", "integrationType": {"id": "custom-rest-actions"}});
    lab.sim
        .seed("tenant", "POST", "/api/v2/integrations", twin)
        .expect("an integration");
    let compare = lab.run(&["compare", "gold", "tenant"]).ends(3);
    let row = compare.stdout.lines().find(|line| line.contains("Twins"));
    assert!(
        row.is_some_and(|row| row.matches('?').count() >= 2),
        "{compare}"
    );
    lab.run(&["clone", "gold", "tenant", "--yes"]).ends(3);
}

#[test]
fn an_id_of_nothing_is_told_of_and_stops_a_plan_where_the_project_says_so() {
    const NOBODY: &str = "0f6bd6c6-37b6-4a5c-8f0e-8e2d0c3b7a11";
    let lab = Lab::new();
    let text = format!("name: Q\ndescription: see https://sso.example/{NOBODY}/saml\n");
    lab.write("centre/routing_queue/Q.yaml", text);
    let plan = ["plan", "centre", "--to", "gold"];
    let told = lab.run(&plan).ends(0);
    assert!(told.stdout.contains("Warnings 1"), "{told}");
    assert!(told.stdout.contains("description holds <id>"), "{told}");
    assert!(told.stdout.contains("Next: orgsmith apply"), "{told}");
    lab.write("overlays/gold.yaml", "leaks: {ids: stop}\n");
    let stopped = lab.run(&plan).ends(5);
    assert!(stopped.stdout.contains("Errors 1"), "{stopped}");
    assert!(stopped.stdout.contains("[unknown-id]"), "{stopped}");
    assert!(
        !stopped.stdout.contains("Next:"),
        "what is refused is not advised: {stopped}"
    );
    lab.run(&["apply", "centre", "--to", "gold", "--yes"])
        .ends(5);
    assert_eq!(lab.writes("gold"), 0);
    lab.write(
        "overlays/gold.yaml",
        format!("leaks: {{ids: stop, allow: [{NOBODY}]}}\n"),
    );
    let allowed = lab.run(&plan).ends(0);
    assert!(!allowed.stdout.contains("unknown-id"), "{allowed}");

    lab.run(&["apply", "centre", "--to", "gold", "--yes"])
        .ends(0);
    let export = lab.run(&["export", "gold", "--out", "exported"]).ends(0);
    let told = "unresolved routing_queue/Q: description holds <id>";
    assert!(export.stderr.contains(told), "{export}");
    lab.write("overlays/gold.yaml", "leaks: {ids: stop}\n");
    let equal = lab.run(&plan).ends(0);
    assert!(
        !equal.stdout.contains("unknown-id"),
        "what is equal is not sent: {equal}"
    );
}

#[test]
fn a_kind_that_verify_does_not_read_is_no_gap() {
    let lab = Lab::new();
    // A call route, its schedule group, and the schedules that this refers to.
    let (every, route) = (example("every-kind"), "architect_ivr=Example");
    let apply = ["apply", &every, "--to", "gold", "--yes", "--select", route];
    lab.run(&[&apply[..], &["--with-dependencies"]].concat())
        .ends(0);
    let shown = lab.run(&["verify", "gold"]);
    assert!(shown.stdout.contains("architect_ivr/Example"), "{shown}");
    assert!(!shown.stderr.contains("gap"), "{shown}");
}

#[test]
fn clone_takes_its_target_as_apply_does() {
    let lab = Lab::new();
    lab.sketch("sketch");
    let clone = lab
        .run(&["clone", "sketch", "--to", "gold", "--yes"])
        .ends(0);
    assert!(clone.stdout.contains("0 differences"), "{clone}");
    let both = ["clone", "sketch", "gold", "--to", "tenant", "--yes"];
    lab.run(&both).ends(0);
    assert!(lab.writes("tenant") > 0);
    lab.run(&["clone", "sketch", "--yes"]).ends(64);
}
