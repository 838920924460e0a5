//! What an org answers decides how a command ends.

use orgsmith_sim::{Entry, FaultAction, FaultRule};

use crate::lab::Lab;

const SKILLS: &str = "/api/v2/routing/skills";
const LANGUAGES: &str = "/api/v2/routing/languages";
const APPLY: [&str; 6] = ["apply", "two", "--to", "gold", "--yes", "--parallelism=1"];

/// Five skills and a language, none of which needs another.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("two/routing_language/English.yaml", "name: English\n");
    for number in 1..=5 {
        let name = format!("Skill {number}");
        let text = format!("name: {name}\n");
        lab.write(&format!("two/routing_skill/{name}.yaml"), text);
    }
    lab
}

fn status(status: u16, retry_after_s: Option<u64>) -> FaultAction {
    FaultAction::Status {
        status,
        retry_after_s,
    }
}

fn answered(lab: &Lab, status: u16) -> usize {
    let ledger = lab.sim.ledger();
    let of = |entry: &&Entry| entry.status == status;
    ledger.iter().filter(of).count()
}

#[test]
fn what_is_refused_decides_how_an_apply_ends() {
    let skills = SKILLS;
    let all = "/api/v2/*";
    for (path, fault, exit, said) in [
        (skills, status(400, None), 3, "status 400"),
        (skills, status(403, None), 3, "status 403"),
        (skills, status(404, None), 3, "status 404"),
        (skills, status(409, None), 3, "status 409"),
        (
            skills,
            status(429, Some(40_000)),
            9,
            "takes no more of routing_skill",
        ),
        (all, status(401, None), 4, "a fresh token is refused"),
        (all, status(403, None), 4, "status 403"),
    ] {
        let lab = lab();
        lab.sim.add_fault(FaultRule::new(fault).on("POST", path));
        let shown = lab.run(&APPLY).ends(exit);
        assert!(shown.stderr.contains(said), "{path} {exit}: {shown}");
        let languages = usize::from(path == skills);
        assert_eq!(
            lab.sim.objects("gold", "language").len(),
            languages,
            "{shown}"
        );
        lab.sim.clear_faults();
        lab.run(&["resume", &lab.last_run()]).ends(0);
        assert_eq!(lab.sim.objects("gold", "skill").len(), 5);
    }
}

#[test]
fn a_service_that_takes_no_more_until_midnight_is_asked_once_and_the_run_goes_on_later() {
    let lab = lab();
    let until = |seconds| FaultRule::new(status(429, Some(seconds))).on("POST", SKILLS);
    lab.sim.add_fault(until(40_000).skip(2));
    let shown = lab.run(&APPLY).ends(9);
    // The others of the kind are not tried, and what does not need them is done.
    assert_eq!(answered(&lab, 429), 1, "{shown}");
    assert_eq!(lab.sim.objects("gold", "skill").len(), 2);
    assert_eq!(lab.sim.objects("gold", "language").len(), 1);
    assert!(shown.stderr.contains("orgsmith resume"), "{shown}");
    let runs = lab.run(&["runs"]).ends(0);
    assert!(runs.stdout.contains("interrupted"), "{runs}");
    lab.sim.clear_faults();
    lab.run(&["resume", &lab.last_run()]).ends(0);
    assert_eq!(lab.sim.objects("gold", "skill").len(), 5);
}

#[test]
fn a_budget_that_is_used_up_is_what_is_said_whatever_was_refused() {
    let lab = lab();
    lab.sim
        .add_fault(FaultRule::new(status(400, None)).on("POST", LANGUAGES));
    let spent = ["--budget", "calls=6"];
    let shown = lab.run(&[&APPLY[..], &spent].concat());
    let left = 5 - lab.sim.objects("gold", "skill").len();
    assert!((1..5).contains(&left), "{shown}");
    let shown = shown.ends(9);
    assert!(shown.stderr.contains("status 400"), "{shown}");
}

#[test]
fn what_cannot_be_read_decides_how_an_export_ends() {
    for (fault, said) in [
        (FaultAction::SamePage, "repeats itself"),
        (status(403, None), "routing:skill:view"),
        (status(429, Some(40_000)), "429"),
    ] {
        let lab = lab();
        lab.run(&APPLY).ends(0);
        lab.sim.add_fault(FaultRule::new(fault).on("GET", SKILLS));
        let shown = lab.run(&["export", "gold", "--out", "gold"]).ends(3);
        let told = format!("{}{}", shown.stdout, shown.stderr).to_lowercase();
        assert!(
            told.contains("routing_skill") && told.contains(said),
            "{said}: {shown}"
        );
        lab.sim.clear_faults();
        lab.run(&["export", "gold", "--out", "gold"]).ends(0);
    }
}
