//! Who moved, an org or its source; and what is done about it.

use std::collections::BTreeMap;
use std::fs;

use orgsmith_sim::{ClientSpec, Config};
use serde_json::{Value, json};

use crate::lab::{Lab, Shown};
use crate::stopping::wait_a_little;

const QUEUE: &str = "# How Sales works.\n\
    name: Sales\n\
    # Said to callers.\n\
    description: {$var: motto}   # ours\n\
    callingPartyName: Acme\n\
    acwSettings: {wrapupPrompt: OPTIONAL}\n";

/// An org `tenant` that was made of the bundle `centre`.
fn lab() -> Lab {
    lab_of(Config::with_orgs(["gold", "tenant"]))
}

fn lab_of(config: Config) -> Lab {
    let lab = Lab::of(config);
    lab.configure("variables: {motto: {type: string, default: We sell}}\n");
    lab.sketch("centre");
    lab.write("centre/routing_queue/Sales.yaml", QUEUE);
    lab.write("centre/routing_queue/Help.yaml", "name: Help\n");
    lab.run(&["apply", "centre", "--to", "tenant", "--yes"])
        .ends(0);
    lab
}

fn drift(lab: &Lab, more: &[&str]) -> Shown {
    let words = ["drift", "tenant", "--against", "centre", "-o", "json"];
    lab.run(&[&words, more].concat())
}

/// Returns what drifted: `object path` and the side.
fn sides(lab: &Lab, more: &[&str], exit: i32) -> BTreeMap<String, String> {
    let shown = drift(lab, more).ends(exit);
    let found: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(found["drifted"], exit == 2, "{shown}");
    let mut sides = BTreeMap::new();
    for object in found["objects"].as_array().expect("a list") {
        for field in object["fields"].as_array().expect("a list") {
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            let place = match text(&field["path"]) {
                path if path.is_empty() => text(&object["what"]),
                path => path,
            };
            let name = format!("{} {place}", text(&object["object"]));
            let side = text(&field["side"]);
            if side != "same" {
                sides.insert(name, side);
            }
        }
    }
    sides
}

fn are(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, side): &(&str, &str)| ((*name).to_owned(), (*side).to_owned());
    list.iter().map(owned).collect()
}

fn object(lab: &Lab, org: &str, kind: &str, name: &str) -> Value {
    let objects = lab.sim.objects(org, kind);
    let live = |object: &&Value| object["name"] == name && object["state"] != "deleted";
    let found = objects.iter().find(live);
    found.unwrap_or_else(|| panic!("no {name}")).clone()
}

/// Somebody edits a queue in an org.
fn edit(lab: &Lab, org: &str, name: &str, field: &str, value: &str) {
    let mut queue = object(lab, org, "queue", name);
    let path = format!(
        "/api/v2/routing/queues/{}",
        queue["id"].as_str().expect("an id")
    );
    queue[field] = value.into();
    let fields = ["name", "description", "callingPartyName", "acwSettings"];
    let body: serde_json::Map<String, Value> = fields
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), queue.get(*field)?.clone())))
        .collect();
    lab.sim
        .seed(org, "PUT", &path, Value::Object(body))
        .expect("an edit");
}

fn rewrite(lab: &Lab, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(lab.path(file)).expect("a file");
    assert!(text.contains(from), "{text}");
    lab.write(file, text.replace(from, to));
}

/// A change of every sort.
fn everything(lab: &Lab) {
    edit(lab, "tenant", "Sales", "description", "They sell");
    edit(lab, "tenant", "Sales", "callingPartyName", "Theirs");
    rewrite(lab, "centre/routing_queue/Sales.yaml", "Acme", "Ours");
    rewrite(
        lab,
        "centre/routing_queue/Sales.yaml",
        "OPTIONAL",
        "MANDATORY",
    );
    let help = object(lab, "tenant", "queue", "Help");
    let help = help["id"].as_str().expect("an id");
    lab.sim
        .seed(
            "tenant",
            "DELETE",
            &format!("/api/v2/routing/queues/{help}"),
            Value::Null,
        )
        .expect("a deletion");
    lab.sim
        .seed(
            "tenant",
            "POST",
            "/api/v2/routing/skills",
            json!({"name": "Theirs"}),
        )
        .expect("a skill");
    lab.write("centre/routing_skill/Ours.yaml", "name: Ours\n");
    fs::remove_file(lab.path("centre/routing_skill/Renewals.yaml")).expect("a file");
}

#[test]
fn each_difference_is_told_with_the_side_that_moved() {
    let lab = lab();
    assert_eq!(sides(&lab, &[], 0), BTreeMap::new());
    everything(&lab);
    let writes = lab.writes("tenant");
    assert_eq!(
        sides(&lab, &[], 2),
        are(&[
            ("routing_queue/Help deleted_in_target", "target"),
            ("routing_queue/Sales acwSettings.wrapupPrompt", "source"),
            ("routing_queue/Sales callingPartyName", "conflict"),
            ("routing_queue/Sales description", "target"),
            ("routing_skill/Ours created_in_source", "source"),
            ("routing_skill/Renewals deleted_in_source", "source"),
            ("routing_skill/Theirs created_in_target", "target"),
        ])
    );
    assert_eq!(lab.writes("tenant"), writes);
    let shown = drift(&lab, &["--select", "routing_queue=Sale"]).ends(64);
    assert!(shown.stderr.contains("did you mean"), "{shown}");
    assert_eq!(
        sides(&lab, &["--select", "routing_skill"], 2).len(),
        3,
        "only skills"
    );
    let shown = lab.run(&["drift", "tenant", "--against", "centre"]).ends(2);
    insta::assert_snapshot!(shown.stdout);
    for (form, word) in [
        ("markdown", r"| routing\_queue/Sales | description |"),
        ("html", "<!doctype html>"),
    ] {
        let shown = lab
            .run(&["drift", "tenant", "--against", "centre", "-o", form])
            .ends(2);
        assert!(shown.stdout.contains(word), "{shown}");
    }
}

#[test]
fn a_look_at_some_objects_takes_an_earlier_look_along() {
    let lab = lab();
    everything(&lab);
    let first = drift(&lab, &[]).ends(2).stdout;
    lab.write("first.json", &first);
    let all = sides(&lab, &[], 2);
    // One is right again, another drifts now, and of a third nobody has ever heard.
    rewrite(&lab, "centre/routing_queue/Sales.yaml", "Ours", "Theirs");
    edit(&lab, "tenant", "Sales", "description", "We sell");
    lab.write("centre/routing_skill/New.yaml", "name: New\n");
    let some = [
        "--select",
        "kind=routing_queue,name=Sales",
        "--select",
        "kind=routing_skill,name=New",
        "--select",
        "kind=routing_skill,name=Nobody",
    ];
    let shown = drift(&lab, &some);
    assert_eq!(
        sides(&lab, &[&some[..], &["--earlier", "first.json"]].concat(), 2),
        sides(&lab, &[], 2),
        "{shown}"
    );
    assert_ne!(sides(&lab, &[], 2), all);
    let result = |more: &[&str]| -> Value {
        let shown = drift(&lab, more).ends(2);
        serde_json::from_str(&shown.stdout).expect("JSON")
    };
    let followed = result(&[&some[..], &["--earlier", "first.json"]].concat());
    assert_eq!(followed["same"], result(&[])["same"]);

    // That of another org says nothing.
    lab.write("other.json", first.replace("\"tenant\"", "\"gold\""));
    let other = [&some[..], &["--earlier", "other.json"]].concat();
    let shown = drift(&lab, &other).ends(2);
    assert!(shown.stderr.contains("--earlier tells of gold"), "{shown}");
    lab.write("none.json", "{}");
    let shown = drift(&lab, &["--earlier", "none.json"]).ends(64);
    assert!(shown.stderr.contains("is no result of"), "{shown}");
}

#[test]
fn what_was_chosen_is_reverted_and_the_rest_stays() {
    let lab = lab();
    everything(&lab);
    let words = ["drift", "revert", "tenant", "--against", "centre"];
    let revert = |more: &[&str]| lab.run(&[&words, more].concat());
    let writes = lab.writes("tenant");
    // Nobody is asked, so nothing goes by itself but what only the source changed.
    let shown = revert(&["--dry-run"]).ends(0);
    assert!(
        shown.stdout.contains("Create 1") && shown.stdout.contains("Delete 1"),
        "{shown}"
    );
    assert_eq!(lab.writes("tenant"), writes);
    let asked = revert(&["--select", "routing_queue=Sales"]).ends(64);
    assert!(!asked.stderr.contains("Create"), "{asked}");
    let field = [
        "--select",
        "routing_queue=Sales",
        "--field",
        "description",
        "--yes",
    ];
    revert(&field).ends(0);
    let sales = object(&lab, "tenant", "queue", "Sales");
    assert_eq!(sales["description"], "We sell");
    assert_eq!(sales["callingPartyName"], "Theirs");
    assert_eq!(sales["acwSettings"]["wrapupPrompt"], "OPTIONAL");
    assert_eq!(sides(&lab, &[], 2).len(), 6);
    revert(&["--policy", "source-wins", "--yes", "--force"]).ends(0);
    assert_eq!(sides(&lab, &[], 0), BTreeMap::new());
    let again = revert(&["--policy", "source-wins", "--yes"]).ends(0);
    assert!(again.stderr.contains("There is no drift."), "{again}");
    // A run as every other.
    let shown = lab.run(&["runs"]).ends(0);
    assert_eq!(shown.stdout.matches("tenant").count(), 3, "{shown}");
}

#[test]
fn what_the_org_has_is_written_into_the_bundle() {
    let lab = lab();
    everything(&lab);
    let words = ["drift", "absorb", "tenant", "--into", "centre"];
    let absorb = |more: &[&str]| lab.run(&[&words, more].concat());
    let file = || fs::read_to_string(lab.path("centre/routing_queue/Sales.yaml")).expect("a file");
    let before = file();
    let nothing = absorb(&[]).ends(0);
    assert!(nothing.stderr.contains("choose with --select"), "{nothing}");
    let shown = absorb(&["--policy", "target-wins", "--dry-run"]).ends(0);
    assert!(
        shown.stdout.contains("changed routing_queue/Sales.yaml"),
        "{shown}"
    );
    assert!(
        shown.stdout.contains("removed routing_queue/Help.yaml"),
        "{shown}"
    );
    assert_eq!(file(), before);

    let one = [
        "--select",
        "routing_queue=Sales",
        "--field",
        "callingPartyName",
    ];
    let shown = absorb(&one).ends(0);
    assert!(!shown.stdout.contains("lost"), "{shown}");
    assert_eq!(file(), before.replace("Ours", "Theirs"), "only that word");

    absorb(&["--policy", "target-wins"]).ends(0);
    assert!(file().contains("description: They sell"), "{}", file());
    assert!(!lab.path("centre/routing_queue/Help.yaml").exists());
    assert!(lab.path("centre/routing_skill/Theirs.yaml").exists());
    // What only the bundle changed is still to come.
    assert_eq!(
        sides(&lab, &[], 2),
        are(&[
            ("routing_queue/Sales acwSettings.wrapupPrompt", "source"),
            ("routing_skill/Ours created_in_source", "source"),
            ("routing_skill/Renewals deleted_in_source", "source"),
        ])
    );
    lab.run(&[
        "sync", "centre", "--to", "tenant", "--prune", "--yes", "--force",
    ])
    .ends(0);
    assert_eq!(sides(&lab, &[], 0), BTreeMap::new());
    lab.run(&["validate", "centre"]).ends(0);
}

#[test]
fn what_is_made_other_in_the_org_stays_the_bundles() {
    let lab = lab();
    lab.configure_org("tenant", "    variables: {motto: Live}\n");
    lab.run(&["apply", "centre", "--to", "tenant", "--yes"])
        .ends(0);
    assert_eq!(sides(&lab, &[], 0), BTreeMap::new());
    edit(&lab, "tenant", "Sales", "callingPartyName", "Theirs");
    lab.run(&[
        "drift",
        "absorb",
        "tenant",
        "--into",
        "centre",
        "--select",
        "routing_queue",
    ])
    .ends(0);
    let file = fs::read_to_string(lab.path("centre/routing_queue/Sales.yaml")).expect("a file");
    assert_eq!(file, QUEUE.replace("Acme", "Theirs"));
    assert_eq!(sides(&lab, &[], 0), BTreeMap::new());
}

#[test]
fn what_is_ignored_counts_again_later() {
    let lab = lab();
    edit(&lab, "tenant", "Sales", "description", "They sell");
    let ignore = |until: &str, more: &[&str]| {
        let words = [
            "drift", "ignore", "tenant", "--until", until, "--reason", "a trial",
        ];
        lab.run(&[&words, more].concat())
    };
    let queue = ["--select", "routing_queue=Sales", "--field", "description"];
    ignore("2020-01-01", &queue).ends(64);
    ignore("soon", &queue).ends(64);
    ignore("2099-01-31", &[]).ends(64);
    ignore("2099-01-31", &queue).ends(0);
    let shown = drift(&lab, &[]).ends(0);
    assert!(shown.stdout.contains("\"ignored\": 1"), "{shown}");
    // Another field of it is another matter.
    edit(&lab, "tenant", "Sales", "callingPartyName", "Theirs");
    drift(&lab, &[]).ends(2);
    edit(&lab, "tenant", "Sales", "callingPartyName", "Acme");
    let shown = lab.run(&["drift", "ignored", "tenant"]).ends(0);
    assert!(
        shown.stdout.contains("a trial") && shown.stdout.contains("<time>"),
        "{shown}"
    );
    lab.run(&["drift", "ignored", "tenant", "--remove", "7"])
        .ends(64);
    lab.run(&["drift", "ignored", "tenant", "--remove", "1"])
        .ends(0);
    drift(&lab, &[]).ends(2);

    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(20);
    ignore(&soon.to_string(), &queue).ends(0);
    while jiff::Timestamp::now() <= soon {
        wait_a_little();
    }
    drift(&lab, &[]).ends(2);
    let shown = lab.run(&["drift", "ignored", "tenant"]).ends(0);
    assert!(shown.stdout.contains("(over)"), "{shown}");
}

#[test]
fn the_newer_of_two_orgs_wins_where_the_project_says_so() {
    let lab = lab();
    lab.run(&["apply", "centre", "--to", "gold", "--yes"])
        .ends(0);
    lab.configure(
        "drift:\n  against: {tenant: gold}\n  policy: newest-wins\n  rules:\n  - {in: routing_queue=Help, policy: source-wins}\n",
    );
    lab.run(&["drift", "tenant"]).ends(0);
    edit(&lab, "gold", "Sales", "callingPartyName", "Golden");
    edit(&lab, "tenant", "Help", "callingPartyName", "Theirs");
    wait_a_little();
    edit(&lab, "tenant", "Sales", "callingPartyName", "Theirs");
    edit(&lab, "gold", "Help", "callingPartyName", "Golden");
    let resolved = || {
        let shown = lab.run(&["drift", "tenant", "-o", "json"]).ends(2);
        let found: Value = serde_json::from_str(&shown.stdout).expect("JSON");
        let objects = found["objects"].as_array().expect("a list").clone();
        let all = objects.iter().map(|object| {
            let field = &object["fields"][0];
            assert_eq!(field["side"], "conflict", "{object}");
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            (text(&object["object"]), text(&field["resolution"]))
        });
        all.collect::<BTreeMap<_, _>>()
    };
    assert_eq!(
        resolved(),
        are(&[
            ("routing_queue/Help", "apply"),
            ("routing_queue/Sales", "absorb")
        ])
    );
    wait_a_little();
    edit(&lab, "gold", "Sales", "callingPartyName", "Newest");
    assert_eq!(resolved()["routing_queue/Sales"], "apply");
    lab.run(&["drift", "revert", "tenant", "--yes"]).ends(0);
    let sales = object(&lab, "tenant", "queue", "Sales");
    assert_eq!(sales["callingPartyName"], "Newest");
    lab.run(&["drift", "tenant"]).ends(0);
}

#[test]
fn it_is_told_who_it_was() {
    let mut config = Config::with_orgs(["gold", "tenant"]);
    let priya = ClientSpec::new("priya-client", "priya-secret").user("priya@example.com");
    config.orgs[1].clients.push(priya);
    let lab = lab_of(config);
    let home = object(&lab, "tenant", "division", "Home");
    let body =
        json!({"name": "Priya Raman", "email": "priya@example.com", "divisionId": home["id"]});
    lab.sim
        .seed("tenant", "POST", "/api/v2/users", body)
        .expect("a user");
    lab.write(
        "hers/routing_queue/Sales.yaml",
        "name: Sales\ncallingPartyName: Hers\n",
    );
    lab.run(&["apply", "hers", "--to", "priya", "--yes"])
        .ends(0);
    let shown = drift(&lab, &["--who"]).ends(2);
    let found: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let who = &found["objects"][0]["who"][0];
    assert!(
        who["who"].as_str().is_some_and(|who| who.contains("priya")),
        "{shown}"
    );
    assert_eq!(who["what"], "Update");
    let shown = lab
        .run(&["drift", "tenant", "--against", "centre", "--who"])
        .ends(2);
    assert!(shown.stdout.contains("Update by "), "{shown}");
}

#[test]
fn an_org_that_was_never_written_to_is_held_against_a_bundle_all_the_same() {
    let lab = lab();
    lab.run(&["--state", "other.db", "drift", "tenant"])
        .ends(64);
    let look = [
        "--state",
        "other.db",
        "drift",
        "tenant",
        "--against",
        "centre",
        "-o",
        "json",
    ];
    lab.run(&look).ends(0);
    edit(&lab, "tenant", "Sales", "description", "They sell");
    // The first look found both to be equal, and that is known.
    let shown = lab.run(&look).ends(2);
    assert!(shown.stdout.contains("\"side\": \"target\""), "{shown}");
    let look = [
        "--state",
        "third.db",
        "drift",
        "tenant",
        "--against",
        "centre",
    ];
    let shown = lab.run(&look).ends(2);
    assert!(shown.stdout.contains("nobody knows since when"), "{shown}");
}
