//! The pipelines under `ci/`: their script against a simulated org, and their files as YAML.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use orgsmith_sim::Config;

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
    assert!(read("orgsmith-out/validate.xml").contains("failures=\"0\""));
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
    assert_eq!(step(&lab, "verify", Some("tenant")), 0);
    assert!(read("orgsmith-out/verify.xml").contains("failures=\"0\""));
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
    let report = fs::read_to_string(lab.path("orgsmith-out/validate.xml")).expect("a report");
    assert!(report.contains("<failure"), "{report}");
    assert_eq!(step(&lab, "plan", None), 64);
    assert_eq!(step(&lab, "destroy", None), 64);
    assert_ne!(step(&lab, "plan", Some("tenant")), 0);
    assert!(!lab.path("orgsmith-out/plan.json").exists());
}

/// Returns the commands of the walk-through in `docs/pipelines.md`, line by line.
fn walk() -> Vec<String> {
    let text = fs::read_to_string(ci("../docs/pipelines.md")).expect("a page");
    let (_, part) = text.split_once("## Promotion").expect("a walk-through");
    let (_, block) = part.split_once("```sh\n").expect("commands");
    let (block, _) = block.split_once("```").expect("an end");
    block.lines().map(str::to_owned).collect()
}

#[test]
fn the_walk_through_promotes_from_dev_to_test_to_prod() {
    let lab = Lab::of(Config::with_orgs(["dev", "test", "prod"]));
    lab.configure_org("prod", "    protected: true\n");
    lab.write(
        "seed/routing_queue/Support.yaml",
        "name: Support\ndescription: of dev\n",
    );
    for org in ["test", "prod"] {
        let overlay = format!(
            "variables: {{word: of {org}}}\nchange:\n  - in: routing_queue=Support\n    set: {{description: {{$var: word}}}}\n"
        );
        lab.write(&format!("overlays/{org}.yaml"), overlay);
    }
    lab.run(&["apply", "seed", "--to", "dev", "--yes"]).ends(0);

    let program = Path::new(env!("CARGO_BIN_EXE_orgsmith"));
    let mut path = program.parent().expect("a folder").as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").expect("a PATH"));
    let shell = |line: &str| {
        let mut command = Command::new("sh");
        command.args(["-ec", line]).current_dir(lab.path("."));
        command.env_clear().env("PATH", &path);
        command.env("HOME", lab.path("."));
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Ann");
            command.env(format!("GIT_{who}_EMAIL"), "ann@example.com");
        }
        let ended = command.output().expect("sh runs");
        let said = format!("{line}\n{ended:?}");
        assert!(ended.status.success(), "{said}");
        String::from_utf8(ended.stdout).expect("UTF-8")
    };
    shell("git init -q");
    let lines = walk();
    assert!(lines.len() > 5, "{lines:?}");
    for line in &lines {
        shell(line);
    }
    for org in ["dev", "test", "prod"] {
        let queues = lab.sim.objects(org, "queue");
        let found = queues.iter().find(|queue| queue["name"] == "Support");
        let found = found.unwrap_or_else(|| panic!("{org} has no queue"));
        assert_eq!(found["description"], format!("of {org}"));
    }

    // Nothing is left to do, and a later export finds the bundle as it is.
    shell("orgsmith plan bundle --to test --detailed-exitcode");
    shell("orgsmith plan bundle --to prod --detailed-exitcode");
    shell(&lines[0]);
    assert_eq!(shell("git status --porcelain bundle"), "");
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
    assert_eq!(steps, ["apply", "drift", "plan", "validate", "verify"]);
    let known = |text: &str| {
        let calls = text.split("orgsmith-pipeline ").skip(1);
        let called: BTreeSet<String> = calls
            .map(|rest| rest.chars().take_while(char::is_ascii_alphabetic).collect())
            .collect();
        let wanted = ["apply", "drift", "plan", "validate", "verify"].map(str::to_owned);
        assert_eq!(called, BTreeSet::from(wanted), "{text}");
    };
    for file in ["gitlab/orgsmith.gitlab-ci.yml", "azure/orgsmith.yml"] {
        yaml(file);
        known(&fs::read_to_string(ci(file)).expect("a file"));
    }
    known(&fs::read_to_string(ci("jenkins/Jenkinsfile")).expect("a file"));
}
