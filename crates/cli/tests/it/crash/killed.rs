//! A run that is killed at any moment and taken up again loses nothing and doubles nothing.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use orgsmith_sim::Entry;
use serde_json::Value;

use super::faults::die_at;
use super::small;
use crate::lab::{Lab, PLANTED};
use crate::stopping::wait_a_little;

/// How many cases are under way at once; most of a case is waiting.
const AT_ONCE: usize = 3;
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
    let whole = fresh();
    whole.run(&APPLY).ends(0);
    let (wanted, created) = (digest(&whole), expect_no_double(&whole, "gold"));
    assert!(created > small::OBJECTS / 2, "{created} were created");
    let moments = at_moments(1, || {
        |moment| {
            let lab = fresh();
            let died = survives(&lab, Kept::File, moment, &wanted);
            expect_no_double(&lab, "gold");
            died
        }
    });
    // Each step changes the journal twice, and each change has two moments.
    assert!(moments > 4 * small::OBJECTS, "only {moments}");
}

#[test]
fn changed_by_a_process_that_is_killed_at_any_moment() {
    changed_and_killed(Kept::File, 1);
}

#[cfg(feature = "object-store")]
#[test]
fn changed_by_a_process_that_is_killed_with_its_state_in_a_directory() {
    changed_and_killed(Kept::Directory, 3);
}

/// Makes of an org now one thing and now another, and kills who does it at every so many moments.
fn changed_and_killed(kept: Kept, every: usize) {
    let lab = || {
        let lab = Lab::new();
        small::write(&lab);
        lab.finish(kept.command(&lab, &APPLY)).ends(0);
        lab
    };
    let whole = lab();
    let before = digest(&whole);
    small::change(&whole);
    whole.finish(kept.command(&whole, &APPLY)).ends(0);
    let after = digest(&whole);
    assert_ne!(before, after);

    let moments = at_moments(every, || {
        let (lab, mut changed) = (lab(), false);
        let (before, after) = (&before, &after);
        let created = expect_no_double(&lab, "gold");
        move |moment| {
            changed = !changed;
            small::write(&lab);
            if changed {
                small::change(&lab);
            }
            let wanted = if changed { after } else { before };
            let died = survives(&lab, kept, moment, wanted);
            assert_eq!(expect_no_double(&lab, "gold"), created, "moment {moment}");
            died
        }
    });
    assert!(moments > 4 * 4, "only {moments}");
}

/// Lets several at once kill at every so many moments, until nobody dies any more; returns how many
/// moments there are.
fn at_moments<W: FnMut(usize) -> bool>(every: usize, worker: impl Fn() -> W + Sync) -> usize {
    let (next, last) = (AtomicUsize::new(1), AtomicUsize::new(usize::MAX));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let mut kills = worker();
                loop {
                    let moment = next.fetch_add(every, Ordering::Relaxed);
                    if moment >= last.load(Ordering::Relaxed) {
                        return;
                    }
                    if !kills(moment) {
                        last.fetch_min(moment, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    last.into_inner() - 1
}

/// Kills an apply at a moment, goes on, and expects the world that there is when nobody is killed; false
/// where it ended before.
fn survives(lab: &Lab, kept: Kept, moment: usize, wanted: &str) -> bool {
    let mut command = kept.command(lab, &APPLY);
    die_at(&mut command, kept.within(), moment);
    let output = command.output().expect("the program");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let died = !output.status.success();
    if died {
        let signal = output.status.signal();
        assert_eq!(signal, Some(SIGKILL), "moment {moment}: {told}");
        let_its_requests_end(lab);
        go_on(lab, kept, moment, &told);
    }
    assert_eq!(digest(lab), wanted, "moment {moment}: another world");
    died
}

/// Waits until the org has answered, to nobody, what a killed process had asked for. Whoever looks earlier
/// may not find what is being made: that is the time in which a new object may be invisible, which these
/// tests do without.
fn let_its_requests_end(lab: &Lab) {
    let address = lab.sim.base_url().trim_start_matches("http://");
    // Connections are accepted in their order: once this one was, so were those before it.
    let mut last = TcpStream::connect(address).expect("the simulator");
    last.shutdown(Shutdown::Write).expect("an open connection");
    last.read_to_end(&mut Vec::new()).expect("its end");
    let started = Instant::now();
    while lab.sim.connections() > 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "still open");
        wait_a_little();
    }
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
const SAMPLED: [usize; 8] = [9, 240, 77, 318, 28, 161, 133, 52];

#[test]
fn a_large_clone_killed_again_and_again_makes_nothing_twice() {
    let lab = Lab::new();
    let spec = "seed=5,users=300,queues=20,members=10,flows=20,tables=3,prompts=4";
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
        let_its_requests_end(&lab);
        let runs = lab.run(&["runs", "-o", "json"]).ends(0).stdout;
        match runs.matches("\"run\"").count() {
            0 => assert_eq!(run, None, "the run is lost"),
            1 => run = Some(lab.last_run()),
            _ => panic!("one run, taken up again: {runs}"),
        }
    }
    assert!(kills > 7, "only {kills} kills");

    let created = expect_no_double(&lab, "tenant");
    assert!(created > 350, "only {created} were created");
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
