//! An export that is killed, again and again, and goes on where it was.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, SystemTime};

use super::faults::{die_at_write, fill_up};
use crate::lab::{Lab, Shown};

/// Before which write of its checkpoint each process is killed.
const WRITES: [usize; 3] = [30, 75, 20];
/// Answers that may be on their way at once, and lists that are read anew as they hold URLs that end.
const READ_AGAIN: usize = 40;

fn lab() -> Lab {
    let lab = Lab::new();
    let spec = "seed=5,users=30,queues=6,members=4,flows=10,tables=2,prompts=3";
    let spec = spec.parse().expect("a spec");
    lab.sim.generate("gold", &spec).expect("an org");
    lab
}

fn calls(lab: &Lab) -> usize {
    lab.sim.ledger().len()
}

/// Kills an export of an org before the k-th write of its checkpoint; false where it ends before.
fn killed(lab: &Lab, arguments: &[&str], write: usize) -> bool {
    let mut command = lab.command(arguments);
    die_at_write(&mut command, ".checkpoint", write);
    let output = command.output().expect("the program");
    if output.status.success() {
        return false;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(9), "{said}");
    true
}

fn export(lab: &Lab, org: &str, out: &str) -> Shown {
    lab.run(&["export", org, "--out", out]).ends(0)
}

#[test]
fn a_killed_export_reads_no_more_than_was_missing_and_writes_the_same_bytes() {
    let lab = lab();
    export(&lab, "gold", "whole.zip");
    let whole = calls(&lab);

    let mut kills = 0;
    for write in WRITES.into_iter().cycle() {
        if !killed(&lab, &["export", "gold", "--out", "x.zip"], write) {
            break;
        }
        kills += 1;
        assert!(!lab.path("x.zip").exists());
        let mode = fs::metadata(lab.path("x.zip.checkpoint")).expect("a checkpoint");
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        assert!(kills < 50, "it does not get on");
    }
    assert!(kills > 2, "only {kills} kills");
    let read = calls(&lab) - whole;
    assert!(
        read <= whole + kills * READ_AGAIN,
        "{read} calls with {kills} kills, {whole} without"
    );
    let bytes = |name: &str| fs::read(lab.path(name)).expect("a bundle");
    assert!(bytes("x.zip") == bytes("whole.zip"), "other bytes");
    assert!(!lab.path("x.zip.checkpoint").exists());
}

#[test]
fn an_export_ends_with_its_budget_and_goes_on_later() {
    let lab = lab();
    export(&lab, "gold", "whole.zip");
    let whole = calls(&lab);
    let some = ["export", "gold", "--out", "x.zip", "--budget", "calls=60"];
    let shown = lab.run(&some).ends(9);
    for said in ["the budget is used up", "x.zip.checkpoint"] {
        assert!(shown.stderr.contains(said), "{said}: {shown}");
    }
    assert!(!lab.path("x.zip").exists());
    let first = calls(&lab) - whole;
    // What is under way when it ends may not have arrived.
    assert!((30..whole).contains(&first), "{first} of {whole} calls");
    lab.run(&["export", "gold", "--out", "x.zip", "--budget", "minutes=0"])
        .ends(9);
    export(&lab, "gold", "x.zip");
    let read = calls(&lab) - whole;
    assert!(
        read <= whole + 2 * READ_AGAIN,
        "{read} calls in three parts, {whole} in one"
    );
    let bytes = |name: &str| fs::read(lab.path(name)).expect("a bundle");
    assert!(bytes("x.zip") == bytes("whole.zip"), "other bytes");

    let hidden = ["--pii", "drop", "--budget", "calls=10"];
    let shown = lab
        .run(&[&["export", "gold", "--out", "y.zip"], &hidden[..]].concat())
        .ends(9);
    assert!(shown.stderr.contains("keeps nothing on the way"), "{shown}");
}

#[test]
fn what_is_resumed_is_said_and_never_another_org_selection_or_day() {
    let lab = lab();
    lab.sketch("sketch");
    lab.run(&["apply", "sketch", "--to", "tenant", "--yes"])
        .ends(0);
    export(&lab, "tenant", "tenant.zip");
    let begin = || {
        let _ = fs::remove_file(lab.path("x.zip"));
        assert!(killed(&lab, &["export", "gold", "--out", "x.zip"], 60));
    };

    begin();
    let before = calls(&lab);
    let shown = export(&lab, "gold", "x.zip");
    assert!(
        shown
            .stderr
            .contains("going on with 58 answers of x.zip.checkpoint"),
        "{shown}"
    );
    let resumed = calls(&lab) - before;

    begin();
    let shown = export(&lab, "tenant", "x.zip");
    assert!(
        shown
            .stderr
            .contains("beginning anew: x.zip.checkpoint is of another org"),
        "{shown}"
    );
    let bytes = |name: &str| fs::read(lab.path(name)).expect("a bundle");
    assert!(bytes("x.zip") == bytes("tenant.zip"), "two orgs are mixed");

    begin();
    let arguments = ["export", "gold", "--out", "x.zip", "--exclude", "user"];
    let shown = lab.run(&arguments).ends(0);
    assert!(shown.stderr.contains("beginning anew"), "{shown}");

    begin();
    let old = SystemTime::now() - Duration::from_secs(3700);
    let checkpoint = File::options()
        .write(true)
        .open(lab.path("x.zip.checkpoint"));
    checkpoint
        .expect("a checkpoint")
        .set_modified(old)
        .expect("our own file");
    let before = calls(&lab);
    let shown = export(&lab, "gold", "x.zip");
    assert!(shown.stderr.contains("is more than an hour old"), "{shown}");
    assert!(calls(&lab) - before > resumed + 40);
}

#[test]
fn what_must_not_be_on_the_disk_in_clear_is_in_no_checkpoint() {
    let lab = lab();
    lab.run(&["bundle", "keygen", "age", "key.txt"]).ends(0);
    let key = fs::read_to_string(lab.path("key.txt")).expect("a key");
    let public = key.split_whitespace().find(|word| word.starts_with("age1"));
    let public = public.expect("a public key");
    for arguments in [
        &["export", "gold", "--out", "x.age", "--recipient", public][..],
        &["export", "gold", "--out", "x.zip", "--pii", "drop"],
    ] {
        assert!(
            !killed(&lab, arguments, 1),
            "it has a checkpoint: {arguments:?}"
        );
    }
}

#[test]
fn an_export_without_room_for_its_checkpoint_is_an_export_all_the_same() {
    let lab = lab();
    export(&lab, "gold", "whole.zip");
    let mut command = lab.command(&["export", "gold", "--out", "x.zip"]);
    fill_up(&mut command, ".checkpoint", 20_000);
    lab.finish(command).ends(0);
    let bytes = |name: &str| fs::read(lab.path(name)).expect("a bundle");
    assert!(bytes("x.zip") == bytes("whole.zip"), "other bytes");
    assert!(!lab.path("x.zip.checkpoint").exists());
}
