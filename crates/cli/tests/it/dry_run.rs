//! `--dry-run` of whatever writes to an org is the plan: the same words, the same exit codes, no write.

use orgsmith_sim::{FaultAction, FaultRule};

use crate::lab::{Lab, Shown};

/// An org `gold` that has objects of its own, and a bundle that differs from it.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.sketch("bundle");
    lab.run(&["apply", "bundle", "--to", "gold", "--yes"])
        .ends(0);
    lab.write(
        "bundle/auth_division/Sales.yaml",
        "name: Sales\ndescription: Sells more\n",
    );
    lab.write("bundle/routing_skill/New.yaml", "name: New\n");
    std::fs::remove_file(lab.path("bundle/routing_language/English.yaml")).expect("our own file");
    lab.write("bundle/routing_language/French.yaml", "name: French\n");
    lab
}

/// Runs a command that must leave the orgs and the state as they are.
#[track_caller]
fn looks(lab: &Lab, arguments: &[&str]) -> Shown {
    let runs = || lab.run(&["runs", "-o", "json"]).ends(0).stdout;
    let before = (lab.writes("gold"), lab.writes("tenant"), runs());
    let shown = lab.run(arguments);
    let after = (lab.writes("gold"), lab.writes("tenant"), runs());
    assert_eq!(before, after, "{arguments:?} wrote: {shown}");
    shown
}

/// A dry run, and the plan that it must equal.
#[track_caller]
fn same(lab: &Lab, dry: &[&str], plan: &[&str]) {
    for form in [&[][..], &["-o", "json"], &["-o", "markdown"], &["-vv"]] {
        let dry = looks(lab, &[dry, form].concat());
        let plan = looks(lab, &[plan, form].concat());
        assert_eq!(
            (dry.exit, &dry.stdout),
            (plan.exit, &plan.stdout),
            "{dry}\n{plan}"
        );
        // Kinds are read at the same time.
        assert_eq!(sorted(&dry.stderr), sorted(&plan.stderr));
        assert!(!dry.stdout.is_empty(), "{dry}");
    }
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn of_apply_sync_and_clone_it_is_what_plan_says() {
    let lab = lab();
    let plan = ["plan", "bundle", "--to", "gold"];
    same(
        &lab,
        &["apply", "bundle", "--to", "gold", "--dry-run"],
        &plan,
    );
    same(&lab, &["clone", "bundle", "gold", "--dry-run"], &plan);
    same(
        &lab,
        &["sync", "bundle", "--to", "gold", "--dry-run"],
        &plan,
    );
    same(
        &lab,
        &[
            "sync",
            "bundle",
            "--to",
            "gold",
            "--prune",
            "--force",
            "--dry-run",
        ],
        &[&plan[..], &["--prune", "--force"]].concat(),
    );
    let selected = [
        "--select",
        "routing_skill",
        "--exclude",
        "routing_skill=New",
    ];
    same(
        &lab,
        &[
            &["apply", "bundle", "--to", "gold", "--dry-run"],
            &selected[..],
        ]
        .concat(),
        &[&plan[..], &selected].concat(),
    );
    // Nothing to do is told in the same words as well.
    lab.run(&["apply", "bundle", "--to", "gold", "--yes"])
        .ends(0);
    same(
        &lab,
        &["apply", "bundle", "--to", "gold", "--dry-run"],
        &plan,
    );
}

#[test]
fn what_plan_refuses_it_refuses() {
    let lab = lab();
    for number in 0..12 {
        lab.write(
            &format!("many/routing_skill/Old {number}.yaml"),
            format!("name: Old {number}\n"),
        );
    }
    lab.run(&["apply", "many", "--to", "gold", "--yes"]).ends(0);
    // Most skills of the target would be deleted.
    let sync = ["sync", "bundle", "--to", "gold", "--prune", "--dry-run"];
    let plan = ["plan", "bundle", "--to", "gold", "--prune"];
    let (dry, plan) = (looks(&lab, &sync).ends(8), looks(&lab, &plan).ends(8));
    assert_eq!((dry.stdout, dry.stderr), (plan.stdout, plan.stderr));
    let both = looks(
        &lab,
        &["apply", "bundle", "--to", "gold", "--dry-run", "--yes"],
    )
    .ends(64);
    assert!(both.stderr.contains("cannot be used with"), "{both}");
}

#[test]
fn of_a_clone_into_several_orgs_it_is_the_plan_of_each() {
    let lab = lab();
    let dry = looks(&lab, &["clone", "bundle", "gold", "tenant", "--dry-run"]).ends(0);
    let plan = |org: &str| looks(&lab, &["plan", "bundle", "--to", org]).ends(0).stdout;
    assert_eq!(dry.stdout, plan("gold") + &plan("tenant"));
}

#[test]
fn of_a_saved_plan_it_is_that_plan_unless_the_org_moved() {
    let lab = lab();
    let saved = looks(
        &lab,
        &["plan", "bundle", "--to", "gold", "--out", "plan.json"],
    )
    .ends(0);
    let dry = ["apply", "--plan", "plan.json", "--dry-run"];
    assert_eq!(looks(&lab, &dry).ends(0).stdout, saved.stdout);
    lab.run(&["apply", "bundle", "--to", "gold", "--yes"])
        .ends(0);
    looks(&lab, &dry).ends(6);
}

#[test]
fn of_resume_it_is_what_is_left_and_of_rollback_what_it_takes() {
    let lab = lab();
    let refuse = FaultAction::Status {
        status: 400,
        retry_after_s: None,
    };
    lab.sim
        .add_fault(FaultRule::new(refuse).on("POST", "/api/v2/routing/skills"));
    lab.run(&["apply", "bundle", "--to", "gold", "--yes"])
        .ends(3);
    lab.sim.clear_faults();
    let run = lab.last_run();
    let left = looks(&lab, &["resume", &run, "--dry-run"]).ends(0);
    assert!(left.stdout.contains("+ New"), "{left}");
    assert!(left.stdout.contains("Total 1 to create, 4 equal"), "{left}");
    assert!(
        !left.stdout.contains("Sales"),
        "what is done is not left: {left}"
    );
    let undo = looks(&lab, &["rollback", &run, "--dry-run"]).ends(0);
    assert!(undo.stdout.contains("French"), "{undo}");
    lab.run(&["resume", &run]).ends(0);
    let left = looks(&lab, &["resume", &run, "--dry-run"]).ends(0);
    assert!(!left.stdout.contains("+ New"), "{left}");
}

#[test]
fn nobody_is_asked_where_there_is_no_terminal() {
    let lab = lab();
    for command in [
        &["apply", "bundle", "--to", "gold"][..],
        &["sync", "bundle", "--to", "gold", "--prune", "--force"],
        &["clone", "bundle", "gold"],
        &["clone", "bundle", "gold", "tenant"],
    ] {
        let shown = looks(&lab, command).ends(64);
        assert!(shown.stderr.contains("nobody can be asked"), "{shown}");
        assert!(shown.stderr.contains("--yes"), "{shown}");
    }
    lab.run(&["apply", "bundle", "--to", "gold", "--yes"])
        .ends(0);
    let shown = looks(&lab, &["rollback", &lab.last_run()]).ends(64);
    assert!(shown.stderr.contains("nobody can be asked"), "{shown}");
}
