//! Ctrl-C, a lock, and taking a run up again.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use orgsmith_sim::{FaultAction, FaultRule};
use serde_json::Value;

use crate::lab::Lab;

#[expect(
    clippy::disallowed_methods,
    reason = "a plain thread watches a program that runs beside it"
)]
pub fn wait_a_little() {
    std::thread::sleep(Duration::from_millis(20));
}

/// Starts an apply that the simulator delays, and waits until it has begun to write.
fn slow_apply(lab: &Lab) -> Child {
    slow_apply_by(lab, |command| command)
}

/// The same, started by something else.
fn slow_apply_by(lab: &Lab, starter: impl Fn(Command) -> Command) -> Child {
    for number in 0..40 {
        let name = format!("Skill {number:02}");
        lab.write(
            &format!("many/routing_skill/{name}.yaml"),
            format!("name: {name}\n"),
        );
    }
    let delay = FaultRule::new(FaultAction::DelayMs(150)).on("POST", "/api/v2/routing/skills");
    lab.sim.add_fault(delay);
    let arguments = ["apply", "many", "--to", "gold", "--yes", "--parallelism=1"];
    let child = starter(lab.command(&arguments))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let started = Instant::now();
    while lab.writes("gold") < 2 {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "it never began to write"
        );
        wait_a_little();
    }
    child
}

pub fn interrupt(child: &Child) {
    signal(child, "-INT");
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill")
        .args([name, &pid])
        .status()
        .expect("kill");
    assert!(sent.success());
}

fn run_of(lab: &Lab) -> (String, String) {
    let listed = lab
        .command(&["runs", "-o", "json"])
        .output()
        .expect("the program")
        .stdout;
    let runs: Value = serde_json::from_slice(&listed).expect("JSON");
    let text = |name: &str| runs[0][name].as_str().expect("a text").to_owned();
    (text("run"), text("status"))
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_gently_and_resume_goes_on() {
    let lab = Lab::new();
    let child = slow_apply(&lab);
    #[cfg(target_os = "linux")]
    {
        // A core file would hold the secrets that are in memory.
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id()));
        let limits = limits.expect("its limits");
        let core = limits.lines().find(|line| line.starts_with("Max core"));
        let core: Vec<&str> = core.expect("one").split_whitespace().collect();
        assert_eq!(core[4..6], ["0", "0"], "{core:?}");
    }
    interrupt(&child);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(
        output.status.code(),
        Some(130),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (run, status) = run_of(&lab);
    assert_eq!(status, "interrupted");
    let done = lab.writes("gold");
    assert!(done < 40, "it went on to the end");

    lab.sim.clear_faults();
    lab.run(&["resume", &run[..8]]).ends(0);
    assert_eq!(lab.writes("gold"), 40, "nothing is sent twice");
    lab.run(&["plan", "many", "--to", "gold", "--detailed-exitcode"])
        .ends(0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_is_closed_ends_gently_unless_that_is_not_wanted() {
    let lab = Lab::new();
    let child = slow_apply(&lab);
    signal(&child, "-HUP");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("ending after the steps under way"), "{said}");
    let (run, status) = run_of(&lab);
    assert_eq!(status, "interrupted");
    lab.run(&["resume", &run, "--yes"]).ends(0);
    assert_eq!(lab.writes("gold"), 40);

    let lab = Lab::new();
    let child = slow_apply_by(&lab, |command| {
        let mut started = Command::new("sh");
        started.args(["-c", r#"trap "" HUP; exec "$0" "$@""#]);
        started.arg(command.get_program()).args(command.get_args());
        started.envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        started.current_dir(command.get_current_dir().expect("a folder"));
        started
    });
    signal(&child, "-HUP");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(lab.writes("gold"), 40);
}

#[cfg(unix)]
#[test]
fn who_holds_the_lock_is_told_to_others() {
    let lab = Lab::new();
    let mut child = slow_apply(&lab);
    lab.write("one/routing_language/English.yaml", "name: English\n");
    let shown = lab.run(&["apply", "one", "--to", "gold", "--yes"]);
    // Nor may its journal go from under it.
    lab.run(&["state", "backup", "all.backup"]).ends(0);
    let replaced = lab.run(&["state", "restore", "all.backup", "--replace"]);
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    let shown = shown.ends(7);
    assert!(shown.stderr.contains("gold is locked by"), "{shown}");
    let replaced = replaced.ends(7);
    assert!(replaced.stderr.contains("gold is locked by"), "{replaced}");
    // Its process is gone, and so is its lock.
    lab.run(&["state", "restore", "all.backup", "--replace"])
        .ends(0);
}

#[test]
fn what_somebody_made_since_the_plan_ends_with_6_and_asks_for_another() {
    let lab = Lab::new();
    lab.write("one/routing_queue/Sales.yaml", "name: Sales\n");
    lab.write("one/routing_queue/Support.yaml", "name: Support\n");
    let apply = ["apply", "one", "--to", "gold", "--yes"];
    lab.run(&[&apply[..], &["--budget", "minutes=0"]].concat())
        .ends(9);
    let run = lab.last_run();
    let sales = serde_json::json!({"name": "Sales"});
    lab.sim
        .seed("gold", "POST", "/api/v2/routing/queues", sales)
        .expect("a queue");
    let shown = lab.run(&["resume", &run]).ends(6);
    assert!(
        shown.stderr.contains("somebody made it since the plan"),
        "{shown}"
    );
    assert!(shown.stderr.contains("make a new plan"), "{shown}");
    assert_eq!(lab.sim.objects("gold", "queue").len(), 2);
    lab.run(&apply).ends(0);
}

#[test]
fn a_refused_step_leaves_the_rest_and_can_be_resumed() {
    let lab = Lab::new();
    lab.sketch("sketch");
    let refuse = FaultAction::Status {
        status: 400,
        retry_after_s: None,
    };
    lab.sim.add_fault(
        FaultRule::new(refuse)
            .on("POST", "/api/v2/routing/languages")
            .times(1),
    );
    let shown = lab
        .run(&["apply", "sketch", "--to", "gold", "--yes"])
        .ends(3);
    assert_snapshot!("partial", shown);
    let (run, status) = run_of(&lab);
    assert_eq!(status, "partial");
    assert_snapshot!("partial_run", lab.run(&["runs", &run]).ends(0));
    lab.run(&["resume", &run]).ends(0);
    assert_eq!(run_of(&lab).1, "done");
}

#[test]
fn the_first_failure_may_end_the_run() {
    let lab = Lab::new();
    lab.sketch("sketch");
    let refuse = FaultAction::Status {
        status: 400,
        retry_after_s: None,
    };
    lab.sim
        .add_fault(FaultRule::new(refuse).on("POST", "/api/v2/authorization/divisions"));
    let shown = lab
        .run(&[
            "apply",
            "sketch",
            "--to",
            "gold",
            "--yes",
            "--stop-on-error",
            "--parallelism",
            "1",
        ])
        .ends(3);
    assert!(
        shown.stdout.contains("orgsmith resume") || shown.stderr.contains("orgsmith resume"),
        "{shown}"
    );
}

#[cfg(unix)]
#[test]
fn a_simulator_serves_what_it_generates_until_ctrl_c() {
    use std::io::{BufRead, BufReader};
    let lab = Lab::new();
    let mut child = lab
        .command(&[
            "sim",
            "--generate",
            "seed=1,users=12,queues=3",
            "-o",
            "json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program");
    let mut told = String::new();
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        told.push_str(&line.expect("UTF-8"));
        if told.ends_with("  ]}") || serde_json::from_str::<Value>(&told).is_ok() {
            break;
        }
    }
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let url = told["base_url"].as_str().expect("a URL");
    lab.configure(&format!(
        "  made: {{base_url: '{url}', credential: {{file: gold.yaml}}}}\n"
    ));
    let shown = lab.run(&["export", "made", "--out", "made.zip"]);
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let shown = shown.ends(0);
    assert!(
        shown
            .stdout
            .lines()
            .any(|line| line.split_whitespace().take(2).eq(["user", "12"])),
        "{shown}"
    );
    lab.run(&["validate", "made.zip"]).ends(0);
}

#[cfg(unix)]
#[test]
fn ctrl_c_while_reading_leaves_nothing() {
    let lab = Lab::new();
    let delay = FaultRule::new(FaultAction::DelayMs(5_000)).on("GET", "/api/v2/routing/queues");
    lab.sim.add_fault(delay);
    let child = lab
        .command(&["export", "gold", "--out", "x"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let started = Instant::now();
    while lab.sim.ledger().len() < 5 {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "it never began to read"
        );
        wait_a_little();
    }
    interrupt(&child);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "it waited for the answer"
    );
    assert!(!lab.path("x").exists());
}

#[test]
fn a_run_ends_with_its_budget_and_goes_on_later() {
    let lab = Lab::new();
    for number in 0..12 {
        lab.write(
            &format!("image/routing_skill/S{number}.yaml"),
            format!("name: S{number}\n"),
        );
    }
    let apply = [
        "apply",
        "image",
        "--to",
        "gold",
        "--yes",
        "--parallelism",
        "1",
    ];
    let before = lab.sim.ledger().len();
    lab.run(&["plan", "image", "--to", "gold"]).ends(0);
    let reading = lab.sim.ledger().len() - before;
    // The token is no call of the quota.
    let budget = format!("calls={},minutes=60", reading + 4);
    let shown = lab
        .run(&[&apply[..], &["--budget", &budget]].concat())
        .ends(9);
    assert!(shown.stderr.contains("the budget is used up"), "{shown}");
    let written = lab.writes("gold");
    assert!((1..12).contains(&written), "{written} of 12 were written");
    let run = {
        let output = lab.command(&["runs", "-o", "json"]).output();
        let runs: Value =
            serde_json::from_slice(&output.expect("the program runs").stdout).expect("JSON");
        assert_eq!(runs[0]["status"], "interrupted");
        runs[0]["run"].as_str().expect("an id").to_owned()
    };
    lab.run(&["resume", &run, "--budget", "minutes=0"]).ends(9);
    assert_eq!(lab.writes("gold"), written);
    lab.run(&["resume", &run, "--budget", "minutes=60"]).ends(0);
    assert_eq!(lab.writes("gold"), 12);
    // Nobody reads an org again to prove what was cut short.
    let cut = lab
        .run(&["clone", "image", "tenant", "--yes", "--budget", "minutes=0"])
        .ends(9);
    assert!(!cut.stdout.contains("Planned again"), "{cut}");
    lab.run(&[&apply[..], &["--budget", "hours=1"]].concat())
        .ends(64);
}
