//! Projects and objects written by hand: `init`, `new`, `schema`, `validate`.

use std::fs;

use insta::assert_snapshot;
use orgsmith_sim::Config;
use serde_json::{Value, json};

use crate::lab::{Lab, Shown};

/// Two empty orgs as `orgsmith sim --orgs dev,prod` has them, and a project that was made for them.
fn started() -> Lab {
    let lab = Lab::of(Config::with_orgs(["dev", "prod"]));
    fs::remove_file(lab.path("orgsmith.yaml")).expect("the project of the lab");
    lab.run(&["init", "--base-url", lab.sim.base_url()]).ends(0);
    lab
}

/// Runs a command with the credentials that the simulator tells.
fn run(lab: &Lab, arguments: &[&str]) -> Shown {
    let mut command = lab.command(arguments);
    for org in ["dev", "prod"] {
        let name = org.to_uppercase();
        command.env(format!("{name}_ID"), format!("{org}-client"));
        command.env(format!("{name}_SECRET"), format!("{org}-secret"));
    }
    lab.finish(command)
}

#[test]
fn a_project_that_was_just_started_works_at_once() {
    let lab = started();
    assert_snapshot!("validate", run(&lab, &["validate", "bundle"]).ends(0));
    run(&lab, &["org", "check", "dev"]).ends(0);
    assert_snapshot!(
        "plan",
        run(&lab, &["plan", "bundle", "--to", "dev"]).ends(0)
    );
    run(&lab, &["clone", "bundle", "dev", "--yes"]).ends(0);
    let again = run(
        &lab,
        &["plan", "bundle", "--to", "dev", "--detailed-exitcode"],
    );
    again.ends(0);
    // Nobody writes to the other by mistake.
    run(&lab, &["clone", "bundle", "prod"]);
    assert_eq!(lab.writes("prod"), 0);
}

#[test]
fn starting_a_project_overwrites_nothing() {
    let lab = Lab::new();
    lab.write(".gitignore", "mine\n");
    lab.write("bundle/routing_queue/Billing.yaml", "name: Billing\n");
    let project = fs::read(lab.path("orgsmith.yaml")).expect("the project of the lab");
    assert_snapshot!("init", lab.run(&["init"]).ends(0));
    let read = |name: &str| fs::read_to_string(lab.path(name)).expect("a file");
    assert_eq!(read(".gitignore"), "mine\n");
    assert_eq!(read("bundle/routing_queue/Billing.yaml"), "name: Billing\n");
    assert_eq!(read("orgsmith.yaml").as_bytes(), project);
    let again = lab.run(&["init"]).ends(0);
    assert!(!again.stdout.contains("written  ./bundle"), "{again}");
}

#[test]
fn editors_are_pointed_at_schemas_that_are_there() {
    let lab = started();
    let read = |name: &str| -> Value {
        let text = fs::read_to_string(lab.path(name)).expect("a file");
        serde_json::from_str(&text).expect("JSON")
    };
    let settings = read(".vscode/settings.json");
    let schemas = settings["yaml.schemas"].as_object().expect("a map");
    assert!(schemas.len() > 100, "{}", schemas.len());
    for file in schemas.keys() {
        let schema = read(file);
        assert_eq!(
            schema["$schema"], "http://json-schema.org/draft-07/schema#",
            "{file}"
        );
    }
    let flow = &schemas["./.orgsmith/schema/flow.schema.json"];
    assert_eq!(*flow, json!(["**/flow/**/*.yaml", "!**/*.flow.yaml"]));
}

#[test]
fn the_schema_of_the_project_file_takes_what_the_program_takes() {
    let lab = started();
    let shown = lab.run(&["schema", "project"]).ends(0);
    let schema: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    jsonschema::draft7::meta::validate(&schema).expect("a schema");
    let schema = jsonschema::draft7::new(&schema).expect("a schema");
    let text = fs::read_to_string(lab.path("orgsmith.yaml")).expect("the project");
    for (text, good) in [
        (text.as_str(), true),
        ("{}", true),
        (
            "orgs: {a: {region: us-east-1, credential: {gc_profile: x}, protected: true}}",
            true,
        ),
        ("orgs: {a: {regoin: us-east-1}}", false),
        ("orgs: {a: {region: [us-east-1]}}", false),
        ("orgs: {a: {credential: {env: {id: A}}}}", false),
        ("defaults: {tokens: many}", false),
        ("org: {}", false),
        (
            "variables: {a: {type: string}, b: {type: number}, c: {type: integer}, d: {type: boolean}}",
            true,
        ),
        (
            "variables: {a: {type: url}, b: {type: host}, c: {type: email}, d: {type: phone}}",
            true,
        ),
        (
            "variables: {a: {type: list}, b: {type: object, default: {}}}",
            true,
        ),
        ("variables: {a: {type: uri}}", false),
        (
            "overlay: {off: [routing_queue], change: [{in: routing_queue, set: {description: x}}]}",
            true,
        ),
        ("overlay: {of: [routing_queue]}", false),
    ] {
        let value: Value = serde_saphyr::from_str(text).expect("YAML");
        assert_eq!(schema.is_valid(&value), good, "{text}");
        lab.write("orgsmith.yaml", text);
        let taken = lab.run(&["runs"]).exit == 0;
        assert_eq!(taken, good, "the program and the schema differ: {text}");
    }
}

#[test]
fn schemas_are_told_by_name() {
    let lab = Lab::new();
    assert_snapshot!("schema", lab.run(&["schema", "routing_language"]).ends(0));
    let unknown = lab.run(&["schema", "routing_queu"]).ends(64);
    assert!(
        unknown.stderr.contains("did you mean \"routing_queue\"?"),
        "{unknown}"
    );
    lab.run(&["schema", "routing_queue", "--out", "one"])
        .ends(0);
    let files: Vec<_> = fs::read_dir(lab.path("one")).expect("a folder").collect();
    assert_eq!(files.len(), 1);
}

#[test]
fn a_new_object_is_right_and_never_overwrites() {
    let lab = Lab::new();
    lab.write("bundle/auth_division/Sales.yaml", "name: Sales\n");
    assert_snapshot!("new", lab.run(&["new", "routing_skill", "Quotes"]).ends(0));
    let text = fs::read_to_string(lab.path("bundle/routing_skill/Quotes.yaml")).expect("a file");
    assert_snapshot!("new_skill", text);
    let again = lab.run(&["new", "routing_skill", "Quotes"]).ends(64);
    assert!(again.stderr.contains("is there already"), "{again}");
    lab.run(&["new", "routing_email_domain", "a.example"])
        .ends(0);
    lab.run(&["new", "routing_email_route", "a.example/in%2Fout"])
        .ends(0);
    lab.run(&["new", "routing_utilization"]).ends(0);
    lab.run(&["new", "routing_skill", "Other", "--in", "elsewhere"])
        .ends(0);
    assert!(lab.path("elsewhere/routing_skill/Other.yaml").is_file());
    lab.run(&["validate", "bundle"]).ends(0);
    for wrong in [
        &["new", "routing_queu", "A"][..],
        &["new", "routing_skill"],
        &["new", "flow", "Main"],
    ] {
        lab.run(wrong).ends(64);
    }
}

#[test]
fn a_wrong_type_is_told_with_its_place_and_what_was_expected() {
    let lab = Lab::new();
    let text = "name: Billing\nautoAnswerOnly: often\nskillEvaluationMethod: BST\nacwSettings:\n  timeoutMs: '10'\n";
    lab.write("bad/routing_queue/Billing.yaml", text);
    assert_snapshot!("wrong_types", lab.run(&["validate", "bad"]).ends(1));
    let told = lab.run(&["validate", "bad", "-o", "json"]).ends(1);
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON and nothing else");
    let found = told["findings"].as_array().expect("a list");
    let found = found
        .iter()
        .find(|found| found["pointer"] == "/acwSettings/timeoutMs");
    let found = found.expect("the wrong type");
    assert_eq!(found["severity"], "error", "{found}");
    assert_eq!(found["file"], "bad/routing_queue/Billing.yaml");
    assert_eq!((&found["line"], &found["column"]), (&5.into(), &14.into()));
    assert!(
        found["message"]
            .as_str()
            .is_some_and(|text| text.contains("whole number"))
    );
}
