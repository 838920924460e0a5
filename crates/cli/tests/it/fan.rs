//! A clone into several orgs: in parallel, in waves, with one result.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use orgsmith_sim::{Config, FaultAction, FaultRule};
use serde_json::{Value, json};

use crate::lab::Lab;
use crate::stopping::{interrupt, wait_a_little};

/// A source `gold` with a small image, and targets with labels.
fn lab<const N: usize>(targets: [(&str, &str); N]) -> Lab {
    let names: Vec<&str> = targets.iter().map(|(name, _)| *name).collect();
    let mut config = Config::with_orgs(["gold"]);
    for name in names {
        config.orgs.extend(Config::with_orgs([name]).orgs);
    }
    let lab = Lab::of(config);
    let mut project = fs::read_to_string(lab.path("orgsmith.yaml")).expect("a project");
    for (name, labels) in targets {
        let line = format!("  {name}:\n");
        let with = format!("{line}    labels: {{{labels}}}\n");
        project = project.replace(&line, &with);
    }
    lab.write("orgsmith.yaml", project);
    lab.sketch("sketch");
    lab.run(&["apply", "sketch", "--to", "gold", "--yes"])
        .ends(0);
    lab
}

fn refuse_languages_in(lab: &Lab, org: &str) {
    let refuse = FaultAction::Status {
        status: 400,
        retry_after_s: None,
    };
    let rule = FaultRule::new(refuse).on("POST", "/api/v2/routing/languages");
    lab.sim.add_fault(rule.org(org));
}

/// Returns the id of the newest run in an org.
fn run_of(lab: &Lab, org: &str) -> String {
    let mut command = lab.command(&["runs", "-o", "json"]);
    let listed = command.output().expect("the program").stdout;
    let runs: Vec<Value> = serde_json::from_slice(&listed).expect("JSON");
    let run = runs.iter().find(|run| run["org"] == org);
    let run = &run.expect("a run in the org")["run"];
    run.as_str().expect("a text").to_owned()
}

fn targets(stdout: &str) -> Vec<Value> {
    let result: Value = serde_json::from_str(stdout).expect("JSON and nothing else");
    result["targets"].as_array().expect("a list").clone()
}

fn field<'v>(targets: &'v [Value], org: &str, name: &str) -> &'v Value {
    let target = targets.iter().find(|target| target["org"] == org);
    &target.expect("every org is listed")[name]
}

#[test]
fn what_fails_in_one_org_stops_no_other() {
    let lab = lab([("brazil", ""), ("chile", ""), ("peru", ""), ("spain", "")]);
    lab.private(
        "peru.yaml",
        "client_id: peru-client\nclient_secret: wrong\n",
    );
    fs::remove_file(lab.path("spain.yaml")).expect("a credential");
    refuse_languages_in(&lab, "chile");
    let orgs = ["brazil", "chile", "peru", "spain"];
    let arguments = [&["clone", "gold"], &orgs[..], &["--yes", "-o", "json"]].concat();
    let shown = lab.run(&arguments).ends(3);
    let told = targets(&shown.stdout);
    assert_eq!(told.len(), 4);
    let of = |org, name| field(&told, org, name).clone();
    assert_eq!(of("brazil", "exit"), 0);
    assert_eq!(
        (of("brazil", "done"), of("brazil", "left")),
        (json!(4), json!(0))
    );
    assert_eq!(of("chile", "exit"), 3);
    assert_eq!(
        (of("chile", "failed"), of("chile", "left")),
        (json!(1), json!(1))
    );
    for org in ["peru", "spain"] {
        assert_eq!(of(org, "exit"), 4, "{shown}");
        assert_eq!(of(org, "planned"), Value::Null);
    }
    // Each line of talk says which org it is of.
    let mut lines = shown.stderr.lines();
    assert!(
        lines.any(|line| line.starts_with("chile   refused: create")),
        "{shown}"
    );
    // The source was read once.
    let reads = lab.sim.ledger();
    let reads = reads.iter().filter(|entry| {
        entry.org.as_deref() == Some("gold")
            && entry.path == "/api/v2/routing/languages"
            && entry.method == "GET"
    });
    let before_apply = 1;
    assert_eq!(reads.count(), before_apply + 1);

    lab.sim.clear_faults();
    lab.run(&["resume", &run_of(&lab, "chile")]).ends(0);
    lab.run(&["plan", "gold", "--to", "chile", "--detailed-exitcode"])
        .ends(0);
}

#[test]
fn a_protected_org_among_others_is_written_to_only_where_its_name_is_repeated() {
    let lab = lab([("brazil", ""), ("chile", ""), ("peru", "")]);
    for org in ["chile", "peru"] {
        lab.configure_org(org, "    protected: true\n");
    }
    let arguments = ["clone", "gold", "brazil", "chile", "peru", "--no-verify"];
    let confirmed = ["--yes", "--confirm", "peru", "-o", "json"];
    let shown = lab.run(&[&arguments[..], &confirmed].concat());
    let told = targets(&shown.stdout);
    let exits = ["brazil", "chile", "peru"].map(|org| field(&told, org, "exit").clone());
    assert_eq!(exits, [json!(0), json!(5), json!(0)], "{shown}");
    assert!(shown.stderr.contains("--confirm chile"), "{shown}");
    assert_eq!(lab.writes("chile"), 0);
}

#[test]
fn several_orgs_are_told_of_in_one_table() {
    let lab = lab([("brazil", ""), ("chile", "")]);
    refuse_languages_in(&lab, "chile");
    let arguments = [
        "clone",
        "gold",
        "brazil",
        "chile",
        "--yes",
        "--targets-at-once",
        "1",
    ];
    assert_snapshot!("clone_into_two", lab.run(&arguments).ends(3));
    lab.sim.clear_faults();
    lab.run(&arguments).ends(0);
    let again = lab.run(&arguments).ends(0);
    assert!(again.stdout.contains("equal"), "{again}");
}

#[test]
fn a_wave_that_fails_keeps_the_next_from_starting() {
    let waves = [
        ("first", "wave: canary"),
        ("second", ""),
        ("third", "wave: late"),
    ];
    let lab = lab(waves);
    refuse_languages_in(&lab, "first");
    let orgs = ["second", "third", "first"];
    let flags = [
        "--waves",
        "canary,rest",
        "--yes",
        "--json-into",
        "events.jsonl",
    ];
    let arguments = [&["clone", "gold"], &orgs[..], &flags].concat();
    assert_snapshot!("canary_fails", lab.run(&arguments).ends(3));
    assert_eq!(lab.writes("second") + lab.writes("third"), 0);
    let ledger = lab.sim.ledger();
    let of = |org| {
        ledger
            .iter()
            .filter(move |entry| entry.org.as_deref() == Some(org))
    };
    assert_eq!(
        of("second").count() + of("third").count(),
        0,
        "not even read"
    );
    let events = fs::read_to_string(lab.path("events.jsonl")).expect("events");
    assert!(
        events.contains(r#""event":"wave_ended","failed":1,"wave":"canary""#),
        "{events}"
    );
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        if event["event"] == "step_ended" || event["event"] == "result" {
            assert_eq!(event["org"], "first");
        }
    }

    lab.sim.clear_faults();
    let shown = lab.run(&arguments).ends(0);
    let order: Vec<&str> = shown
        .stdout
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(order, ["org", "first", "second", "third"]);
    for org in orgs {
        lab.run(&["plan", "gold", "--to", org, "--detailed-exitcode"])
            .ends(0);
    }
}

#[test]
fn targets_by_label_and_slips_in_waves() {
    let lab = lab([
        ("first", "area: emea"),
        ("second", "area: emea"),
        ("third", "area: apac"),
    ]);
    let shown = lab
        .run(&[
            "clone",
            "gold",
            "--to-label",
            "area=emea",
            "--yes",
            "-o",
            "json",
        ])
        .ends(0);
    let orgs: Vec<Value> = targets(&shown.stdout)
        .iter()
        .map(|target| target["org"].clone())
        .collect();
    assert_eq!(orgs, ["first", "second"]);
    assert_eq!(lab.writes("third"), 0);
    let nobody = lab
        .run(&["clone", "gold", "--to-label", "area=latam", "--yes"])
        .ends(64);
    assert!(
        nobody.stderr.contains("no org has the label area=latam"),
        "{nobody}"
    );
    let slip = lab
        .run(&["clone", "gold", "third", "--waves", "canary,rest", "--yes"])
        .ends(64);
    assert!(
        slip.stderr.contains("no target is in the wave canary"),
        "{slip}"
    );
    let typo = lab
        .run(&["clone", "gold", "first", "thrid", "--yes"])
        .ends(64);
    assert!(typo.stderr.contains("did you mean \"third\"?"), "{typo}");
    let nobody_to_ask = lab.run(&["clone", "gold", "first", "third"]).ends(64);
    assert!(nobody_to_ask.stderr.contains("--yes"), "{nobody_to_ask}");
    lab.run(&["clone", "gold"]).ends(64);
    assert_eq!(lab.writes("third"), 0);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_every_org_and_each_can_be_resumed() {
    let lab = lab([("first", ""), ("second", ""), ("third", "wave: late")]);
    for number in 0..40 {
        let name = format!("Skill {number:02}");
        lab.write(
            &format!("many/routing_skill/{name}.yaml"),
            format!("name: {name}\n"),
        );
    }
    let delay = FaultRule::new(FaultAction::DelayMs(150)).on("POST", "/api/v2/routing/skills");
    lab.sim.add_fault(delay);
    let orgs = ["clone", "many", "first", "second", "third"];
    let flags = ["--waves", "rest,late", "--yes", "--parallelism", "1"];
    let child = lab
        .command(&[&orgs[..], &flags].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let started = Instant::now();
    while lab.writes("first") < 2 || lab.writes("second") < 2 {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "it never began to write"
        );
        wait_a_little();
    }
    interrupt(&child);
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}{talk}");
    assert!(talk.contains("not touched: third"), "{talk}");
    assert_eq!(said.matches("interrupted").count(), 2, "{said}");
    assert_eq!(lab.writes("third"), 0);

    lab.sim.clear_faults();
    for org in ["first", "second"] {
        assert!(lab.writes(org) < 40, "it went on to the end");
        lab.run(&["resume", &run_of(&lab, org)]).ends(0);
        assert_eq!(lab.writes(org), 40, "nothing is sent twice");
    }
}
