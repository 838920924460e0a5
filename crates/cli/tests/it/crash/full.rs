//! A disk that is full, or that can only be read.

use std::fs;
use std::process::Command;

use super::faults::{fill_up, freeze};
use super::small;
use crate::lab::{Lab, Shown};

const STATE: &str = "/.orgsmith/state.db";
const APPLY: [&str; 7] = [
    "apply",
    "small",
    "--to",
    "gold",
    "--yes",
    "--secrets-file",
    "secrets.yaml",
];

fn lab() -> Lab {
    let lab = Lab::new();
    small::write(&lab);
    lab
}

fn finish(lab: &Lab, arguments: &[&str], fault: impl Fn(&mut Command)) -> Shown {
    let mut command = lab.command(arguments);
    fault(&mut command);
    lab.finish(command)
}

/// Lists what is in the folder, without the state.
fn files(lab: &Lab) -> Vec<String> {
    let entries = fs::read_dir(lab.path("")).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name != ".orgsmith")
        .collect();
    names.sort();
    names
}

#[test]
fn a_run_stops_where_its_state_has_no_room_left_and_goes_on_when_there_is() {
    // From no room at all to so much that the run is done.
    for step in 0.. {
        let room = 70_000 * step;
        let lab = lab();
        let shown = finish(&lab, &APPLY, |command| fill_up(command, STATE, room));
        if shown.exit == 0 {
            assert!(
                step > 3,
                "too little is written for this test to say something"
            );
            break;
        }
        assert_eq!(shown.exit, 1, "{room}: {shown}");
        assert!(
            shown.stderr.contains("the disk of the state")
                && shown.stderr.contains("state.db is full"),
            "{room}: {shown}"
        );
        assert!(shown.stderr.contains("make room"), "{room}: {shown}");
        let runs = lab.run(&["runs"]).ends(0);
        if runs.stdout.contains("gold") {
            lab.run(&["resume", &lab.last_run(), "--secrets-file", "secrets.yaml"])
                .ends(0);
        } else {
            assert_eq!(lab.writes("gold"), 0, "{room}: nobody would know of it");
            lab.run(&APPLY).ends(0);
        }
        lab.run(&["plan", "small", "--to", "gold", "--detailed-exitcode"])
            .ends(0);
        assert_eq!(lab.sim.objects("gold", "skill").len(), 1, "{room}");
    }
}

#[test]
fn a_run_needs_a_state_that_can_be_written() {
    let lab = lab();
    let shown = finish(&lab, &APPLY, |command| freeze(command, ".orgsmith")).ends(1);
    assert!(shown.stderr.contains("state.db"), "{shown}");
    lab.run(&[
        "apply",
        "small",
        "--to",
        "tenant",
        "--yes",
        "--secrets-file",
        "secrets.yaml",
    ])
    .ends(0);
    let shown = finish(&lab, &APPLY, |command| freeze(command, ".orgsmith")).ends(1);
    assert!(
        shown
            .stderr
            .contains("state.db is read-only; make the file and its directory writable"),
        "{shown}"
    );
    assert_eq!(lab.writes("gold"), 0);
}

#[test]
fn what_does_not_fit_on_the_disk_is_not_there_at_all() {
    let lab = lab();
    lab.run(&APPLY).ends(0);
    for (arguments, out) in [
        (&["export", "gold", "--out", "new.zip"][..], "new.zip"),
        (&["export", "gold", "--out", "new"], "new"),
        (
            &["plan", "gold", "--to", "tenant", "--out", "new.json"],
            "new.json",
        ),
    ] {
        let before = files(&lab);
        let folder = lab.path("").display().to_string();
        let (bundle, file) = (format!("{folder}.orgsmith-"), format!("{folder}.tmp"));
        for fault in [
            &|command: &mut Command| fill_up(command, &bundle, 200),
            &|command: &mut Command| fill_up(command, &file, 200),
            &|command: &mut Command| freeze(command, &bundle),
            &|command: &mut Command| freeze(command, &file),
        ] as [&dyn Fn(&mut Command); 4]
        {
            let shown = finish(&lab, arguments, fault);
            if shown.exit == 0 {
                // It writes to files of other names.
                fs::remove_file(lab.path(out))
                    .or_else(|_| fs::remove_dir_all(lab.path(out)))
                    .expect("our own file");
                continue;
            }
            assert_eq!(shown.exit, 1, "{shown}");
            assert!(shown.stderr.contains(out), "{shown}");
            assert!(
                shown.stderr.contains("make room") || shown.stderr.contains("choose a place"),
                "{shown}"
            );
            let mut after = files(&lab);
            after.retain(|name| !name.ends_with(".checkpoint"));
            assert_eq!(after, before, "{shown}");
        }
    }
}
