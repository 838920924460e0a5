//! The pipelines under `ci/`: their script against a simulated org, and their files as YAML.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::lab::Lab;

fn ci(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../ci")
        .join(file)
}

fn yaml(file: &str) -> Value {
    let text = fs::read_to_string(ci(file)).expect("a file");
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Runs a step of a pipeline in the folder of a lab; returns how it ended.
fn step(lab: &Lab, step: &str, target: Option<&str>) -> i32 {
    let mut command = Command::new("sh");
    command
        .arg(ci("orgsmith-pipeline"))
        .arg(step)
        .current_dir(lab.path("."))
        .env("ORGSMITH_BIN", env!("CARGO_BIN_EXE_orgsmith"))
        .env("ORGSMITH_SOURCE", "centre")
        .env("ORGSMITH_LINK", "https://ci.example/run/1")
        .env("GITHUB_OUTPUT", lab.path("output"));
    if let Some(target) = target {
        command.env("ORGSMITH_TARGET", target);
    }
    let ended = command.output().expect("sh runs");
    ended.status.code().expect("it ended by itself")
}

#[test]
fn a_change_is_planned_commented_applied_and_looked_after() {
    let lab = Lab::new();
    lab.write("centre/routing_skill/Billing.yaml", "name: Billing\n");
    let read = |file: &str| fs::read_to_string(lab.path(file)).expect(file);
    assert_eq!(step(&lab, "validate", None), 0);
    assert!(read("orgsmith-out/lint.sarif").contains("2.1.0"));
    assert_eq!(step(&lab, "plan", Some("tenant")), 0);
    let comment = read("orgsmith-out/plan.md");
    assert!(
        comment.starts_with("<!-- orgsmith tenant -->\n"),
        "{comment}"
    );
    assert!(comment.contains("Billing"), "{comment}");
    assert!(comment.contains("(https://ci.example/run/1)"), "{comment}");
    assert!(comment.len() < 65_536);
    assert!(read("output").contains("changes=true\ndigest="));
    assert_eq!(step(&lab, "apply", Some("tenant")), 0);
    let skills = lab.sim.objects("tenant", "skill");
    assert!(skills.iter().any(|skill| skill["name"] == "Billing"));
    assert_eq!(step(&lab, "drift", Some("tenant")), 0);
    assert_eq!(step(&lab, "plan", Some("tenant")), 0);
    assert!(read("orgsmith-out/plan.env").starts_with("changes=false"));

    // Somebody changes the bundle behind the plan, and a plan is carried out once.
    lab.write("centre/routing_skill/Claims.yaml", "name: Claims\n");
    assert_eq!(step(&lab, "drift", Some("tenant")), 2);
}

#[test]
fn what_goes_wrong_ends_a_pipeline() {
    let lab = Lab::new();
    lab.write("centre/routing_skill/Billing.yaml", "nam: Billing\n");
    assert_ne!(step(&lab, "validate", None), 0);
    assert_eq!(step(&lab, "plan", None), 64);
    assert_eq!(step(&lab, "destroy", None), 64);
    assert_ne!(step(&lab, "plan", Some("tenant")), 0);
    assert!(!lab.path("orgsmith-out/plan.json").exists());
}

#[test]
fn the_files_of_every_service_are_yaml_and_call_the_script() {
    let action = yaml("github/action.yml");
    let inputs: BTreeSet<&String> = action["inputs"]
        .as_object()
        .expect("inputs")
        .keys()
        .collect();
    let workflow = yaml("github/workflow.yml");
    let mut steps = Vec::new();
    for job in workflow["jobs"].as_object().expect("jobs").values() {
        let of_job = job["steps"].as_array().expect("steps").iter();
        let ours = of_job.filter(|step| step["uses"] == "./ci/github");
        for step in ours {
            let with = step["with"].as_object().expect("inputs");
            assert!(with.keys().all(|name| inputs.contains(name)), "{with:?}");
            steps.push(with["step"].as_str().expect("a step").to_owned());
        }
    }
    steps.sort();
    assert_eq!(steps, ["apply", "drift", "plan", "validate"]);
    let known = |text: &str| {
        let calls = text.split("orgsmith-pipeline ").skip(1);
        let called: BTreeSet<String> = calls
            .map(|rest| rest.chars().take_while(char::is_ascii_alphabetic).collect())
            .collect();
        let wanted = ["apply", "drift", "plan", "validate"].map(str::to_owned);
        assert_eq!(called, BTreeSet::from(wanted), "{text}");
    };
    for file in ["gitlab/orgsmith.gitlab-ci.yml", "azure/orgsmith.yml"] {
        yaml(file);
        known(&fs::read_to_string(ci(file)).expect("a file"));
    }
    known(&fs::read_to_string(ci("jenkins/Jenkinsfile")).expect("a file"));
}
