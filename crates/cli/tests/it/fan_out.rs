//! One source into many orgs: none stops another, and a wave waits for the one before.

use insta::assert_snapshot;
use orgsmith_sim::{Config, FaultAction, FaultRule};
use serde_json::Value;

use crate::lab::Lab;

/// A source of four objects, and three orgs.
fn lab() -> Lab {
    let lab = Lab::of(Config::with_orgs(["gold", "one", "two", "three"]));
    lab.sketch("sketch");
    lab
}

/// Refuses every creation of a skill in an org.
fn refuse(lab: &Lab, org: &str) {
    let refuse = FaultAction::Status {
        status: 400,
        retry_after_s: None,
    };
    let rule = FaultRule::new(refuse).on("POST", "/api/v2/routing/skills");
    lab.sim.add_fault(rule.org(org));
}

#[test]
fn what_fails_in_one_org_stops_no_other() {
    let lab = lab();
    refuse(&lab, "two");
    lab.private(
        "three.yaml",
        "client_id: three-client\nclient_secret: wrong\n",
    );
    let shown = lab
        .run(&["clone", "sketch", "one", "two", "three", "--yes"])
        .ends(3);
    assert_snapshot!("fan_out_summary", shown.stdout);
    assert!(
        shown
            .stderr
            .contains("two: refused: create routing_skill/Quotes"),
        "{shown}"
    );
    assert_eq!(lab.writes("three"), 0);
    lab.run(&["plan", "sketch", "--to", "one", "--detailed-exitcode"])
        .ends(0);
    // What is left is done by a run of its own.
    lab.sim.clear_faults();
    lab.run(&["clone", "sketch", "two", "--yes"]).ends(0);
}

#[test]
fn a_wave_waits_until_the_one_before_is_equal() {
    let lab = lab();
    lab.configure_org("one", "    labels: {wave: canary}\n");
    let waves = [
        "clone",
        "sketch",
        "one",
        "two",
        "three",
        "--yes",
        "--waves",
        "canary,rest",
    ];
    refuse(&lab, "one");
    let shown = lab.run(&waves).ends(3);
    assert!(
        shown
            .stdout
            .contains("not begun: a target of the wave before is not equal"),
        "{shown}"
    );
    assert_eq!((lab.writes("two"), lab.writes("three")), (0, 0));
    lab.sim.clear_faults();
    let shown = lab.run(&waves).ends(0);
    assert!(
        shown.stdout.contains("3 of 3 targets equal to the source"),
        "{shown}"
    );
    for org in ["one", "two", "three"] {
        lab.run(&["plan", "sketch", "--to", org, "--detailed-exitcode"])
            .ends(0);
    }
}

#[test]
fn targets_are_named_by_their_labels() {
    let lab = lab();
    for org in ["one", "three"] {
        lab.configure_org(org, "    labels: {region: emea}\n");
    }
    let clone = [
        "clone",
        "sketch",
        "--label",
        "region=emea",
        "--yes",
        "-o",
        "json",
    ];
    let shown = lab.run(&clone).ends(0);
    let result: Value = serde_json::from_str(&shown.stdout).expect("JSON and nothing else");
    let targets = result["targets"].as_array().expect("targets");
    let orgs: Vec<&str> = targets
        .iter()
        .filter_map(|target| target["org"].as_str())
        .collect();
    assert_eq!(orgs, ["one", "three"]);
    assert!(
        targets.iter().all(|target| target["equal"] == true),
        "{result}"
    );
    assert_eq!(lab.writes("two"), 0);
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_read() {
    let lab = lab();
    lab.configure_org("one", "    labels: {wave: canary}\n");
    for (arguments, told) in [
        (
            &["--label", "region=apac"][..],
            "no org of the project file has these labels",
        ),
        (&["--label", "region"], "write KEY=VALUE"),
        (&[], "name the orgs that are written to"),
        (
            &["one", "two", "--waves", "canary"],
            "two is in none of the waves",
        ),
        (
            &["one", "two", "--waves", "beta,rest"],
            "no target is in the wave beta",
        ),
        (
            &["one", "two", "--waves", "rest,rest"],
            "--waves names rest twice",
        ),
    ] {
        let shown = lab
            .run(&[&["clone", "sketch"], arguments].concat())
            .ends(64);
        assert!(shown.stderr.contains(told), "{told}: {shown}");
    }
    assert_eq!(lab.writes("one"), 0);
}

#[test]
fn several_orgs_are_written_to_with_consent_only() {
    let lab = lab();
    let shown = lab.run(&["clone", "sketch", "one", "two"]).ends(64);
    assert!(shown.stderr.contains("--yes"), "{shown}");
    assert_eq!((lab.writes("one"), lab.writes("two")), (0, 0));
}
