//! What a run did is undone in the org, and nothing else is touched there.

use orgsmith_sim::{FaultAction, FaultRule};
use serde_json::json;

use crate::lab::{Lab, Shown, example};

fn rollback(lab: &Lab, run: &str, more: &[&str]) -> Shown {
    lab.run(&[&["rollback", run], more].concat())
}

/// What an org has that a client sees, but for what changes by being looked at.
fn world(lab: &Lab, org: &str, folder: &str) -> String {
    lab.run(&["export", org, "--out", folder]).ends(0);
    let shown = lab.run(&["diff", folder, org]);
    assert_eq!(shown.exit, 0, "{shown}");
    folder.to_owned()
}

fn same(lab: &Lab, before: &str, org: &str) {
    let after = format!("{before}-after");
    lab.run(&["export", org, "--out", &after]).ends(0);
    let shown = lab.run(&["diff", before, &after, "--detailed-exitcode", "-v"]);
    assert_eq!(shown.exit, 0, "{shown}");
}

#[test]
fn the_clone_of_a_whole_org_is_undone() {
    let lab = Lab::new();
    let gold = example("gold-org");
    lab.gold_secrets("secrets.yaml");
    let before = world(&lab, "tenant", "before");
    lab.run(&[
        "clone",
        &gold,
        "tenant",
        "--yes",
        "--secrets-file",
        "secrets.yaml",
    ])
    .ends(0);
    let run = lab.last_run();
    let shown = rollback(&lab, &run, &["--yes", "-v"]);
    assert_eq!(shown.exit, 0, "{shown}");
    same(&lab, &before, "tenant");
    let again = rollback(&lab, &run, &["--yes"]).ends(0);
    assert!(again.stdout.contains("Nothing to do."), "{again}");
}

/// Of an identity provider an org has one or none, so its path says no id.
#[test]
fn an_identity_provider_that_was_set_up_is_taken_away() {
    let lab = Lab::new();
    let settings = std::path::Path::new(&example("every-kind")).join("idp_okta/~settings.yaml");
    let settings = std::fs::read(settings).expect("an example");
    lab.write("okta/idp_okta/~settings.yaml", settings);
    let before = world(&lab, "tenant", "before");
    lab.run(&["apply", "okta", "--to", "tenant", "--yes"])
        .ends(0);
    rollback(&lab, &lab.last_run(), &["--yes"]).ends(0);
    same(&lab, &before, "tenant");
}

fn skills(lab: &Lab) -> usize {
    let skills = lab.sim.objects("tenant", "skill");
    skills
        .iter()
        .filter(|skill| skill["state"] == "active")
        .count()
}

fn queue(lab: &Lab, text: &str) {
    lab.write(
        "image/routing_queue/Sales.yaml",
        format!("name: Sales\ndescription: {text}\n"),
    );
}

fn description(lab: &Lab, name: &str) -> Option<String> {
    let queues = lab.sim.objects("tenant", "queue");
    let found = queues.iter().find(|queue| queue["name"] == name)?;
    Some(found["description"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn an_update_and_a_deletion_are_undone() {
    let lab = Lab::new();
    queue(&lab, "one");
    lab.write(
        "image/routing_queue/Old.yaml",
        "name: Old\ndescription: kept\n",
    );
    lab.run(&["clone", "image", "tenant", "--yes"]).ends(0);
    std::fs::remove_file(lab.path("image/routing_queue/Old.yaml")).expect("a file");
    queue(&lab, "two");
    lab.run(&["sync", "image", "--to", "tenant", "--prune", "--yes"])
        .ends(0);
    assert_eq!(description(&lab, "Sales").as_deref(), Some("two"));
    assert_eq!(description(&lab, "Old"), None);
    let run = lab.last_run();
    let writes = lab.writes("tenant");
    let shown = rollback(&lab, &run, &["--dry-run"]).ends(0);
    assert!(shown.stdout.contains("Create 1"), "{shown}");
    assert!(shown.stdout.contains("undoing the run"), "{shown}");
    assert_eq!(lab.writes("tenant"), writes);

    rollback(&lab, &run, &["--yes"]).ends(0);
    assert_eq!(description(&lab, "Sales").as_deref(), Some("one"));
    assert_eq!(description(&lab, "Old").as_deref(), Some("kept"));
    // The rollback is a run as every other, and can be undone, too.
    let shown = lab.run(&["runs"]).ends(0);
    assert!(shown.stdout.contains("rollback of"), "{shown}");
    rollback(&lab, &lab.last_run(), &["--yes"]).ends(0);
    assert_eq!(description(&lab, "Sales").as_deref(), Some("two"));
    assert_eq!(description(&lab, "Old"), None);
}

#[test]
fn a_person_who_was_deleted_is_restored_with_roles_and_queues() {
    let lab = Lab::new();
    let ana = "name: Ana\nemail: ana@example.com\nstate: active\ndivision: {$ref: auth_division/~home}\ngrants:\n  \
               - role: {$ref: auth_role/~employee}\n    division: {$ref: auth_division/~home}\n";
    lab.write("image/user/ana@example.com.yaml", ana);
    lab.write("image/user/bo@example.com.yaml", ana.replace("ana@", "bo@"));
    let member = |who: &str| format!("  - user: {{$ref: \"user/{who}@example.com\"}}\n");
    let sales = |who: &str| {
        let text = format!("name: Sales\nmembers:\n{who}");
        lab.write("image/routing_queue/Sales.yaml", &text);
    };
    sales(&(member("ana") + &member("bo")));
    lab.run(&["clone", "image", "tenant", "--yes"]).ends(0);
    let before = world(&lab, "tenant", "before");

    std::fs::remove_file(lab.path("image/user/ana@example.com.yaml")).expect("a file");
    sales(&member("bo"));
    lab.run(&["sync", "image", "--to", "tenant", "--prune", "--yes"])
        .ends(0);
    let shown = rollback(&lab, &lab.last_run(), &["--yes"]);
    assert_eq!(shown.exit, 0, "{shown}");
    same(&lab, &before, "tenant");
    // A restoration is undone as well.
    let shown = rollback(&lab, &lab.last_run(), &["--yes"]);
    assert_eq!(shown.exit, 0, "{shown}");
    let users = lab.sim.objects("tenant", "user");
    let ana = users.iter().find(|user| user["email"] == "ana@example.com");
    assert_eq!(ana.expect("she is restorable")["state"], "deleted");
}

#[test]
fn what_somebody_changed_since_is_told_and_kept() {
    let lab = Lab::new();
    queue(&lab, "one");
    lab.run(&["clone", "image", "tenant", "--yes"]).ends(0);
    queue(&lab, "two");
    lab.run(&["apply", "image", "--to", "tenant", "--yes"])
        .ends(0);
    let run = lab.last_run();
    let queues = lab.sim.objects("tenant", "queue");
    let id = queues[0]["id"].as_str().expect("an id");
    let path = format!("/api/v2/routing/queues/{id}");
    let body = json!({"name": "Sales", "description": "theirs"});
    lab.sim
        .seed("tenant", "PUT", &path, body)
        .expect("a change");
    let shown = rollback(&lab, &run, &["--yes"]).ends(3);
    assert!(
        shown
            .stderr
            .contains("somebody changed it since: description"),
        "{shown}"
    );
    assert_eq!(description(&lab, "Sales").as_deref(), Some("theirs"));
    rollback(&lab, &run, &["--yes", "--force"]).ends(0);
    assert_eq!(description(&lab, "Sales").as_deref(), Some("one"));
}

#[test]
fn a_state_that_was_rolled_back_is_not_applied_again_by_itself() {
    let lab = Lab::new();
    queue(&lab, "bad");
    lab.run(&["apply", "image", "--to", "tenant", "--yes"])
        .ends(0);
    let run = lab.last_run();
    rollback(&lab, &run, &["--yes"]).ends(0);
    let shown = lab
        .run(&["apply", "image", "--to", "tenant", "--yes"])
        .ends(5);
    assert!(
        shown.stderr.contains("was rolled back with the run"),
        "{shown}"
    );
    assert_eq!(description(&lab, "Sales"), None);
    // Nobody is asked of a plan that was saved.
    lab.run(&["plan", "image", "--to", "tenant", "--out", "plan.json"])
        .ends(0);
    lab.run(&["apply", "--plan", "plan.json"]).ends(5);
    assert_eq!(description(&lab, "Sales"), None);
    let shown = lab.run(&["resume", &run]).ends(64);
    assert!(shown.stderr.contains("was rolled back"), "{shown}");
    // Another state is another matter, and a person has the last word.
    queue(&lab, "good");
    lab.run(&["apply", "image", "--to", "tenant", "--yes"])
        .ends(0);
    rollback(&lab, &lab.last_run(), &["--yes"]).ends(0);
    queue(&lab, "bad");
    lab.run(&["apply", "image", "--to", "tenant", "--yes", "--force"])
        .ends(0);
    assert_eq!(description(&lab, "Sales").as_deref(), Some("bad"));
}

#[test]
fn another_run_that_would_bring_what_was_rolled_back_is_not_resumed() {
    let lab = Lab::new();
    queue(&lab, "bad");
    let apply = ["apply", "image", "--to", "tenant", "--yes"];
    lab.run(&[&apply[..], &["--budget", "minutes=0"]].concat())
        .ends(9);
    let stopped = lab.last_run();
    lab.run(&apply).ends(0);
    rollback(&lab, &lab.last_run(), &["--yes"]).ends(0);
    let shown = lab.run(&["resume", &stopped]).ends(5);
    assert!(shown.stderr.contains("was rolled back"), "{shown}");
    assert_eq!(description(&lab, "Sales"), None);
    lab.run(&["resume", &stopped, "--force"]).ends(0);
    assert_eq!(description(&lab, "Sales").as_deref(), Some("bad"));
}

#[test]
fn a_rollback_that_was_stopped_or_left_something_alone_is_one_all_the_same() {
    let lab = Lab::new();
    lab.write("image/routing_skill/Billing.yaml", "name: Billing\n");
    queue(&lab, "bad");
    let apply = ["apply", "image", "--to", "tenant", "--yes"];
    lab.run(&apply).ends(0);
    let run = lab.last_run();
    // It has no time to do anything, and is resumed.
    rollback(&lab, &run, &["--yes", "--budget", "minutes=0"]).ends(9);
    lab.run(&["resume", &run]).ends(64);
    lab.run(&["resume", &lab.last_run()]).ends(0);
    assert_eq!((skills(&lab), description(&lab, "Sales")), (0, None));
    lab.run(&apply).ends(5);

    lab.run(&[&apply[..], &["--force"]].concat()).ends(0);
    let run = lab.last_run();
    let queues = lab.sim.objects("tenant", "queue");
    let path = format!(
        "/api/v2/routing/queues/{}",
        queues[0]["id"].as_str().expect("an id")
    );
    let body = json!({"name": "Sales", "description": "theirs"});
    lab.sim
        .seed("tenant", "PUT", &path, body)
        .expect("a change");
    rollback(&lab, &run, &["--yes"]).ends(3);
    assert_eq!(skills(&lab), 0);
    let shown = lab.run(&apply).ends(5);
    assert!(
        shown.stderr.contains("was rolled back with the run"),
        "{shown}"
    );
}

#[test]
fn a_run_that_failed_half_way_is_undone_as_far_as_it_went() {
    let lab = Lab::new();
    lab.write("image/routing_skill/Billing.yaml", "name: Billing\n");
    queue(&lab, "one");
    let refusal = FaultAction::Status {
        status: 400,
        retry_after_s: None,
    };
    lab.sim
        .add_fault(FaultRule::new(refusal).on("POST", "/api/v2/routing/queues"));
    lab.run(&["clone", "image", "tenant", "--yes"]).ends(3);
    lab.sim.clear_faults();
    assert_eq!(skills(&lab), 1);
    rollback(&lab, &lab.last_run(), &["--yes"]).ends(0);
    assert_eq!(skills(&lab), 0);
}

#[test]
fn a_part_of_a_run_is_undone() {
    let lab = Lab::new();
    lab.write("image/routing_skill/Billing.yaml", "name: Billing\n");
    queue(&lab, "one");
    lab.run(&["clone", "image", "tenant", "--yes"]).ends(0);
    let run = lab.last_run();
    rollback(&lab, &run, &["--select", "routing_skill", "--yes"]).ends(0);
    assert_eq!(skills(&lab), 0);
    assert_eq!(description(&lab, "Sales").as_deref(), Some("one"));
}
