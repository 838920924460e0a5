//! A run that is killed at any moment and taken up again loses nothing and doubles nothing.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use orgsmith_sim::Entry;
use serde_json::Value;

use super::faults::die_at;
use super::small;
use crate::lab::{Lab, PLANTED};

/// How many cases are under way at once; most of a case is waiting.
const AT_ONCE: usize = 4;
const SIGKILL: i32 = 9;

/// Where a state is, and what the paths of its files have in common.
#[derive(Clone, Copy)]
enum Kept {
    File,
    #[cfg_attr(
        not(feature = "object-store"),
        expect(dead_code, reason = "a directory is an object store")
    )]
    Directory,
}

impl Kept {
    fn within(self) -> &'static str {
        match self {
            Self::File => "/.orgsmith/state.db",
            Self::Directory => "/entries/",
        }
    }

    /// Returns a command that uses this state.
    fn command(self, lab: &Lab, arguments: &[&str]) -> std::process::Command {
        let mut command = lab.command(arguments);
        if let Self::Directory = self {
            let place = lab.path("entries");
            std::fs::create_dir_all(&place).expect("a folder");
            command.env("ORGSMITH_STATE", format!("file://{}", place.display()));
        }
        command
    }
}

const APPLY: [&str; 8] = [
    "apply",
    "small",
    "--to",
    "gold",
    "--yes",
    "--parallelism=1",
    "--secrets-file",
    "secrets.yaml",
];

#[test]
fn created_by_a_process_that_is_killed_at_any_moment() {
    let fresh = || {
        let lab = Lab::new();
        small::write(&lab);
        lab
    };
    let moments = at_every_moment(Kept::File, fresh, small::OBJECTS);
    // Each step changes the journal twice, and each change has two moments.
    assert!(moments > 4 * small::OBJECTS, "only {moments}");
}

#[test]
fn changed_by_a_process_that_is_killed_at_any_moment() {
    let moments = at_every_moment(Kept::File, changed, 0);
    assert!(moments > 4 * 4, "only {moments}");
}

#[cfg(feature = "object-store")]
#[test]
fn changed_by_a_process_that_is_killed_at_any_moment_of_a_state_in_a_directory() {
    let moments = at_every_moment(Kept::Directory, changed, 0);
    assert!(moments > 4 * 4, "only {moments}");
}

/// An org that has the small bundle, and a bundle that wants some of it otherwise.
fn changed() -> Lab {
    let lab = Lab::new();
    small::write(&lab);
    lab.run(&APPLY).ends(0);
    std::fs::remove_dir_all(lab.path(".orgsmith")).expect("a state");
    small::change(&lab);
    lab
}

/// Kills an apply at the k-th moment, for every k that there is, goes on, and compares what becomes
/// of the org with what becomes of it when nobody is killed. Returns how many moments there are.
fn at_every_moment(kept: Kept, prepared: impl Fn() -> Lab + Sync, created: usize) -> usize {
    let whole = prepared();
    let before = writes(&whole).len();
    whole.finish(kept.command(&whole, &APPLY)).ends(0);
    let wanted = digest(&whole);
    let writes_of_one = writes(&whole).len() - before;
    assert!(writes_of_one >= created.max(4));

    let (next, last) = (AtomicUsize::new(1), AtomicUsize::new(usize::MAX));
    let work = || {
        loop {
            let moment = next.fetch_add(1, Ordering::Relaxed);
            if moment >= last.load(Ordering::Relaxed) {
                return;
            }
            let lab = prepared();
            let mut command = kept.command(&lab, &APPLY);
            die_at(&mut command, kept.within(), moment);
            let output = command.output().expect("the program");
            if output.status.success() {
                last.fetch_min(moment, Ordering::Relaxed);
                return;
            }
            assert_eq!(
                output.status.signal(),
                Some(SIGKILL),
                "moment {moment}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            go_on(&lab, kept, moment, &told);
            assert_eq!(digest(&lab), wanted, "moment {moment}: another world");
            expect_no_double(&lab, "gold");
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    last.into_inner() - 1
}

/// Does what a person does who finds that the process is gone: takes up the run that it told of, if it
/// came so far.
fn go_on(lab: &Lab, kept: Kept, moment: usize, told: &str) {
    let run = told
        .split_once("run ")
        .and_then(|(_, rest)| rest.split_once(':'))
        .map(|(run, _)| run);
    let done = match run {
        None => lab.finish(kept.command(lab, &APPLY)),
        Some(run) => {
            let arguments = ["resume", run, "--secrets-file", "secrets.yaml"];
            lab.finish(kept.command(lab, &arguments))
        }
    };
    assert_eq!(done.exit, 0, "moment {moment}: {told}{done}");
}

/// Returns the digest of everything that is in the org.
fn digest(lab: &Lab) -> String {
    let output = lab
        .command(&["export", "gold", "--out", "world.zip", "-o", "json"])
        .output()
        .expect("the program");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::remove_file(lab.path("world.zip")).expect("our own file");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    told["digest"].as_str().expect("a digest").to_owned()
}

/// After how many moments each process of a large clone is killed, spread at random.
const SAMPLED: [usize; 8] = [9, 40, 77, 18, 28, 61, 33, 52];

#[test]
fn a_large_clone_killed_again_and_again_makes_nothing_twice() {
    let lab = Lab::new();
    let spec = "seed=5,users=30,queues=6,members=4,flows=10,tables=2,prompts=3";
    lab.sim
        .generate("gold", &spec.parse().expect("a spec"))
        .expect("an org");
    let secrets = secrets(&lab);
    let command = |arguments: &[&str]| {
        let mut command = lab.command(arguments);
        command.envs(secrets.clone());
        command
    };
    let (mut run, mut kills) = (None::<String>, 0);
    for moment in SAMPLED.into_iter().cycle() {
        let mut killed = match &run {
            None => command(&["clone", "gold", "tenant", "--yes"]),
            Some(run) => command(&["resume", run, "--yes"]),
        };
        die_at(&mut killed, Kept::File.within(), moment);
        let output = killed.output().expect("the program");
        if output.status.success() {
            break;
        }
        assert_eq!(
            output.status.signal(),
            Some(SIGKILL),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        kills += 1;
        let runs = lab.run(&["runs", "-o", "json"]).ends(0).stdout;
        match runs.matches("\"run\"").count() {
            0 => assert_eq!(run, None, "the run is lost"),
            1 => run = Some(lab.last_run()),
            _ => panic!("one run, taken up again: {runs}"),
        }
    }
    assert!(kills > 4, "only {kills} kills");

    assert!(expect_no_double(&lab, "tenant") > 100);
    let plan = lab
        .run(&["plan", "gold", "--to", "tenant", "--detailed-exitcode"])
        .ends(0);
    assert!(
        plan.stdout.contains("0 differences") || plan.stdout.contains("othing"),
        "{plan}"
    );
}

/// Checks that no creation was answered twice; returns how many there were.
fn expect_no_double(lab: &Lab, org: &str) -> usize {
    let mut created: BTreeMap<(String, Option<String>), u64> = BTreeMap::new();
    for entry in writes_to(lab, org).into_iter().filter(creates) {
        if let Some(first) = created.insert((entry.path.clone(), entry.body_sha256), entry.seq) {
            panic!(
                "{}: requests {first} and {} created the same",
                entry.path, entry.seq
            );
        }
    }
    created.len()
}

fn writes(lab: &Lab) -> Vec<Entry> {
    writes_to(lab, "gold")
}

fn writes_to(lab: &Lab, org: &str) -> Vec<Entry> {
    let of = |entry: &Entry| entry.org.as_deref() == Some(org);
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
