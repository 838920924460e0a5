//! The audit of a gold image: findings with places, exit codes, what is accepted, and its forms.

use std::fmt::Write as _;
use std::path::Path;

use insta::assert_snapshot;
use orgsmith_core::lint::RULES;
use orgsmith_core::render::severity;
use serde_json::{Value, json};

use crate::lab::{Lab, example};

const DAY: [&str; 2] = ["--today", "2026-06-01"];

/// A bundle with something to find.
fn image(lab: &Lab) {
    for (file, text) in [
        ("auth_division/Sales.yaml", "name: Sales\n"),
        (
            "routing_queue/Sales.yaml",
            "name: Sales\ndescription: 'TODO: what for?'\ndivision: {$ref: auth_division/Sale}\nwrapUpCodes: []\n",
        ),
        (
            "architect_schedules/Sale 2025.yaml",
            "name: Sale 2025\nstart: '2025-01-02T08:00:00.000'\nend: '2025-01-02T18:00:00.000'\n",
        ),
        (
            "flow/inboundcall/Main.yaml",
            "name: Main\ntype: INBOUNDCALL\n",
        ),
        (
            "flow/inboundcall/Main.flow.yaml",
            "inboundCall:\n  name: Main\n  defaultLanguage: en-us\n  description: see https://wiki.example/main\n",
        ),
    ] {
        lab.write(&format!("image/{file}"), text);
    }
}

fn lint(lab: &Lab, more: &[&str]) -> crate::lab::Shown {
    lab.run(&[&["lint", "image"], &DAY[..], more].concat())
}

#[test]
fn findings_have_their_places_and_errors_end_with_5() {
    let lab = Lab::new();
    image(&lab);
    assert_snapshot!("text", lint(&lab, &[]).ends(5));
    assert_snapshot!("markdown", lint(&lab, &["-o", "markdown"]).ends(5));
    assert_eq!(lab.sim.ledger().len(), 0, "no org is asked");
}

#[test]
fn what_is_accepted_is_not_told_and_says_why() {
    let lab = Lab::new();
    image(&lab);
    lab.configure(
        "lint:\n  disable:\n    - {rule: dangling-reference, objects: ['routing_queue/S*'], reason: comes later}\n    \
         - {rule: user-without-role, reason: nobody is there}\n",
    );
    assert_snapshot!("disabled", lint(&lab, &["-v"]).ends(0));
    lint(&lab, &["--deny", "warning"]).ends(5);
    lint(&lab, &["--select", "auth_division", "--deny", "note"]).ends(0);
}

#[test]
fn a_rule_is_not_disabled_by_mistake() {
    let lab = Lab::new();
    lab.configure("lint: {disable: [{rule: placeholders, reason: x}]}\n");
    assert_snapshot!("no_such_rule", lab.run(&["lint", "gold"]).ends(1));
    assert_eq!(lint(&lab, &["--today", "tomorrow"]).exit, 64);
}

#[test]
fn sarif_has_the_rules_the_places_and_what_is_suppressed() {
    let lab = Lab::new();
    image(&lab);
    lab.configure("lint: {disable: [{rule: placeholder, reason: on purpose}]}\n");
    lint(&lab, &["-o", "sarif", "--out", "found.sarif"]).ends(5);
    let text = std::fs::read_to_string(lab.path("found.sarif")).expect("the result");
    let sarif: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let results = run["results"].as_array().expect("results");
    for result in results {
        let index = result["ruleIndex"].as_u64().expect("an index");
        let index = usize::try_from(index).expect("a small index");
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
    let of = |rule: &str| {
        results
            .iter()
            .find(|result| result["ruleId"] == rule)
            .expect("a result")
    };
    assert_eq!(
        of("schedule-in-past")["locations"][0]["physicalLocation"],
        json!({
            "artifactLocation": {"uri": "image/architect_schedules/Sale%202025.yaml"},
            "region": {"startLine": 3, "startColumn": 6},
        })
    );
    assert_eq!(
        of("placeholder")["suppressions"][0]["justification"],
        "on purpose"
    );
    assert!(of("dangling-reference").get("suppressions").is_none());
    // Text is never written into a file of that name.
    lint(&lab, &["--out", "found.sarif"]).ends(64);
}

#[test]
fn an_org_tells_of_flows_that_are_locked_or_not_published() {
    let lab = Lab::new();
    let make = |name: &str| {
        let body = json!({"name": name, "type": "INBOUNDCALL"});
        let made = lab
            .sim
            .seed("gold", "POST", "/api/v2/flows", body)
            .expect("a flow");
        made["id"].as_str().expect("an id").to_owned()
    };
    make("Never published");
    image(&lab);
    lab.write("image/routing_queue/Sales.yaml", "name: Sales\n");
    lab.run(&["clone", "image", "gold", "--yes", "--select", "flow"])
        .ends(0);
    let flows = lab.sim.objects("gold", "flow");
    let main = flows
        .iter()
        .find(|flow| flow["name"] == "Main")
        .expect("it was cloned");
    let checkout = format!(
        "/api/v2/flows/actions/checkout?flow={}",
        main["id"].as_str().expect("an id")
    );
    lab.sim
        .seed("gold", "POST", &checkout, Value::Null)
        .expect("a lock");
    let shown = lab.run(&[&["lint", "gold"], &DAY[..]].concat()).ends(0);
    assert!(
        shown.stdout.contains("flow/inboundcall/Main: is locked by"),
        "{shown}"
    );
    assert!(
        shown
            .stdout
            .contains("was never published [flow-unpublished]"),
        "{shown}"
    );
    assert_eq!(lab.writes("tenant"), 0);
}

#[test]
fn the_examples_are_what_they_should_be() {
    let lab = Lab::new();
    for name in ["every-kind", "gold-org", "tenant"] {
        let example = example(name);
        let shown = lab.run(&[&["lint", &example], &DAY[..]].concat());
        shown.ends(0);
    }
}

/// Holds docs/lint.md against the rules; with `UPDATE_DOCS=1` writes them into it.
#[test]
fn the_page_of_rules_is_up_to_date() {
    let mut table = String::from(
        "| rule | severity | finds | why, and what to do |\n| --- | --- | --- | --- |\n",
    );
    for rule in RULES {
        let severity = severity(rule.severity);
        let _ = writeln!(
            table,
            "| `{}` | {severity} | {} | {} |",
            rule.id, rule.about, rule.advice
        );
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lint.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let (before, rest) = page
        .split_once("<!-- rules -->\n")
        .expect("where the rules begin");
    let (_, after) = rest
        .split_once("<!-- end of rules -->\n")
        .expect("where the rules end");
    let wanted = format!("{before}<!-- rules -->\n{table}<!-- end of rules -->\n{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).expect("the docs");
    }
    let page = std::fs::read_to_string(&path).expect("the page");
    assert!(
        page == wanted,
        "docs/lint.md is not what the rules say; run: UPDATE_DOCS=1 cargo test -p orgsmith-cli --test it lint"
    );
}
