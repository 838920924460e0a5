//! A clone that is killed, again and again, and resumed.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use orgsmith_sim::Entry;

use crate::lab::{Lab, PLANTED};

/// After how many writes to the target each process is killed: five moments, spread at random.
const MOMENTS: [usize; 5] = [3, 41, 96, 150, 214];

#[test]
fn a_clone_killed_at_five_moments_and_resumed_makes_nothing_twice() {
    let lab = Lab::new();
    let spec = "seed=5,users=30,queues=6,members=4,flows=10,tables=2,prompts=3";
    lab.sim
        .generate("gold", &spec.parse().expect("a spec"))
        .expect("an org");
    let secrets = secrets(&lab);

    let mut arguments = vec![
        "clone".to_owned(),
        "gold".into(),
        "tenant".into(),
        "--yes".into(),
    ];
    for moment in MOMENTS {
        let mut command = lab.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        command
            .envs(secrets.clone())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the program");
        while writes(&lab).len() < moment && child.try_wait().expect("a child").is_none() {
            std::thread::park_timeout(Duration::from_millis(2));
        }
        child.kill().expect("SIGKILL");
        child.wait().expect("it ends");
        let runs = lab.run(&["runs", "-o", "json"]).ends(0).stdout;
        assert_eq!(
            runs.matches("\"run\"").count(),
            1,
            "one run, taken up again: {runs}"
        );
        arguments = vec!["resume".into(), lab.last_run(), "--yes".into()];
    }
    let mut command = lab.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    command.envs(secrets.clone());
    lab.finish(command).ends(0);

    let mut created: BTreeMap<(String, Option<String>), u64> = BTreeMap::new();
    for entry in writes(&lab).into_iter().filter(creates) {
        if let Some(first) = created.insert((entry.path.clone(), entry.body_sha256), entry.seq) {
            panic!(
                "{}: requests {first} and {} created the same",
                entry.path, entry.seq
            );
        }
    }
    assert!(created.len() > 100);
    let plan = lab
        .run(&["plan", "gold", "--to", "tenant", "--detailed-exitcode"])
        .ends(0);
    assert!(
        plan.stdout.contains("0 differences") || plan.stdout.contains("othing"),
        "{plan}"
    );
}

fn writes(lab: &Lab) -> Vec<Entry> {
    let of = |entry: &Entry| entry.org.as_deref() == Some("tenant");
    lab.sim
        .ledger()
        .into_iter()
        .filter(|entry| of(entry) && entry.may_change())
        .collect()
}

/// Tells a creation from what may be done again: files, members, jobs.
fn creates(entry: &Entry) -> bool {
    let again = ["/jobs", "/uploads", "/bulk", "/members", "/divisions"];
    entry.method == "POST"
        && entry.status == 200
        && !again
            .iter()
            .any(|end| entry.path.ends_with(end) && entry.path.matches('/').count() > 4)
        && !entry.path.ends_with("/jobs")
        && !(entry.path.contains("/queues/") && entry.path.ends_with("/wrapupcodes"))
}

/// Returns a variable for every secret that a plan asks for.
fn secrets(lab: &Lab) -> Vec<(String, &'static str)> {
    let refused = lab
        .run(&["clone", "gold", "tenant", "--yes"])
        .ends(5)
        .stderr;
    let names = refused
        .split_whitespace()
        .filter(|word| word.starts_with("ORGSMITH_SECRET_"));
    names.map(|name| (name.to_owned(), PLANTED)).collect()
}
