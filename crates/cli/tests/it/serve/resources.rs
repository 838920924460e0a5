//! What the API shows of orgs: drift, snapshots, comparisons, numbers.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Serving, json_of, seed};
use crate::lab::Lab;
use crate::stopping::wait_a_little;

const SALES: &str = "# How Sales works.\nname: Sales\ndescription: We sell   # to all\n";

fn status(service: &Serving, path: &str) -> (u16, String) {
    let answer = service.get(path).send().expect("an answer");
    (answer.status().as_u16(), answer.text().expect("a text"))
}

fn show(service: &Serving, path: &str) -> Value {
    json_of(service.get(path).send().expect("an answer"))
}

/// The tenant is made of the bundle `centre`, and then somebody edits a queue of it.
fn drifted(lab: &Lab, service: &str) {
    lab.write("centre/routing_queue/Sales.yaml", SALES);
    lab.write("centre/routing_queue/Help.yaml", "name: Help\n");
    lab.run(&["apply", "centre", "--to", "tenant", "--yes"])
        .ends(0);
    lab.configure(&format!(
        "drift: {{against: {{tenant: centre}}}}\n{service}"
    ));
    let theirs = "name: Sales\ndescription: They sell\n";
    lab.write("other/routing_queue/Sales.yaml", theirs);
    let state = ["--yes", "--force", "--state", "elsewhere.db"];
    lab.run(&[["apply", "other", "--to", "tenant"].as_slice(), &state].concat())
        .ends(0);
}

#[test]
fn drift_is_shown_by_the_last_look_and_absorbed_into_the_bundle() {
    let lab = Lab::new();
    drifted(&lab, "");
    let service = Serving::start(&lab, &[]);
    let drift = "/api/v2/orgs/tenant/drift";
    let (code, text) = status(&service, drift);
    assert_eq!(code, 404, "{text}");
    assert!(text.contains("POST /api/v2/orgs/tenant/drift"), "{text}");

    let look = |id: &str| {
        let asked = json!({"callerId": id});
        let place = service.ask(service.post(drift, &asked));
        assert_eq!(place, service.ask(service.post(drift, &asked)));
        let job = service.end(&place);
        assert_eq!(job["state"], "Completed", "{job:#}");
        job
    };
    let job = look("first");
    let found = show(&service, drift);
    assert_eq!(found["job"], job["id"], "{found:#}");
    assert_eq!((&found["drifted"], &found["total"]), (&json!(1), &json!(1)));
    let object = &found["objects"][0];
    assert_eq!(object["object"], "routing_queue/Sales", "{found:#}");
    let field = &object["fields"][0];
    for (name, value) in [
        ("path", "description"),
        ("side", "target"),
        ("base", "We sell"),
        ("source", "We sell"),
        ("target", "They sell"),
        ("resolution", "ask"),
    ] {
        assert_eq!(field[name], value, "{name} of {field:#}");
    }
    assert_eq!(
        show(&service, &format!("{drift}?after=routing_queue/Sales"))["objects"],
        json!([])
    );
    assert_eq!(status(&service, &format!("{drift}?limit=0")).0, 400);

    // Gold is held against nothing, so nothing can take in what it has.
    let absorb = |org: &str| {
        let task =
            json!({"kind": "absorb", "org": org, "selected": {"select": [object["select"]]}});
        service.post("/api/v2/jobs", &json!({"task": task}))
    };
    let refused = absorb("gold").send().expect("an answer");
    assert_eq!(refused.status(), 400);
    let job = service.end(&service.ask(absorb("tenant")));
    assert_eq!(job["state"], "Completed", "{job:#}");
    assert_eq!(
        job["result"]["objects"],
        json!(["routing_queue/Sales"]),
        "{job:#}"
    );
    let text = fs::read_to_string(lab.path("centre/routing_queue/Sales.yaml")).expect("a file");
    assert_eq!(text, SALES.replace("We sell", "They sell"));
    look("second");
    assert_eq!(show(&service, drift)["drifted"], 0);
    service.stop();
}

#[test]
fn two_that_are_absorbed_into_one_bundle_at_once_both_arrive() {
    let lab = Lab::new();
    let queue = |wrapup: &str, timeout: u32| {
        format!("name: Sales\nacwSettings:\n  wrapupPrompt: {wrapup}\n  timeoutMs: {timeout}\n")
    };
    let ours = queue("MANDATORY_TIMEOUT", 15_000);
    let theirs = queue("MANDATORY_FORCED_TIMEOUT", 30_000);
    for (folder, text) in [("centre", &ours), ("other", &theirs)] {
        lab.write(&format!("{folder}/routing_queue/Sales.yaml"), text);
    }
    lab.run(&["apply", "centre", "--to", "tenant", "--yes"])
        .ends(0);
    lab.configure("drift: {against: {tenant: centre}}\n");
    let state = ["--yes", "--force", "--state", "elsewhere.db"];
    lab.run(&[["apply", "other", "--to", "tenant"].as_slice(), &state].concat())
        .ends(0);

    // Both read the file before either writes it, unless one waits.
    let service = Serving::start(&lab, &[]);
    let absorb = |field: &str| {
        let selected = json!({"select": ["kind=routing_queue,name=Sales"]});
        let task = json!({"kind": "absorb", "org": "tenant", "selected": selected,
                          "fields": [field]});
        service.ask(service.post("/api/v2/jobs", &json!({"task": task})))
    };
    let jobs = ["acwSettings.wrapupPrompt", "acwSettings.timeoutMs"].map(absorb);
    for job in jobs.map(|place| service.end(&place)) {
        assert_eq!(job["state"], "Completed", "{job:#}");
    }
    service.stop();
    let text = fs::read_to_string(lab.path("centre/routing_queue/Sales.yaml")).expect("a file");
    assert_eq!(text, theirs);
}

#[test]
fn who_absorbs_waits_for_whoever_changes_the_bundle() {
    let lab = Lab::new();
    drifted(&lab, "");
    let bundle = fs::File::open(lab.path("centre")).expect("a folder");
    bundle.lock().expect("nobody has it");
    let select = ["--select", "kind=routing_queue,name=Sales"];
    let absorb = ["drift", "absorb", "tenant", "--into", "centre"];
    let mut command = lab.command(&[&absorb[..], &select].concat());
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut said = BufReader::new(child.stderr.take().expect("its talk")).lines();
    let line = said.next().expect("a line").expect("UTF-8");
    assert_eq!(line, "Waiting: something else is absorbed into centre.");
    let file = || fs::read_to_string(lab.path("centre/routing_queue/Sales.yaml")).expect("a file");
    assert_eq!(file(), SALES);
    bundle.unlock().expect("it is ours");
    assert!(said.all(|line| line.is_ok()));
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert_eq!(file(), SALES.replace("We sell", "They sell"));
}

#[test]
fn what_is_to_follow_a_bundle_is_planned_for_a_person() {
    let lab = Lab::new();
    drifted(
        &lab,
        "service: {watch: off, keep: {tenant: {mode: propose}}}\n",
    );
    // What only the source has changed is on its way, whatever the policy.
    lab.write(
        "centre/routing_queue/Help.yaml",
        "name: Help\ndescription: Helps\n",
    );
    let service = Serving::start(&lab, &[]);
    let started = Instant::now();
    let id = loop {
        let jobs = show(&service, "/api/v2/jobs?kind=plan");
        if let Some(id) = jobs[0]["id"].as_str() {
            break id.to_owned();
        }
        assert!(started.elapsed() < Duration::from_secs(60), "no plan");
        wait_a_little();
    };
    let plan = service.end(&format!("/api/v2/plans/{id}"));
    assert_eq!(plan["state"], "Completed", "{plan:#}");
    assert_eq!(plan["result"]["actions"], json!({"update": 1}), "{plan:#}");
    assert!(plan["digest"].is_string(), "{plan:#}");
    service.stop();
}

#[test]
fn snapshots_are_listed_had_and_deleted() {
    let lab = Lab::new();
    seed(&lab);
    let service = Serving::start(&lab, &[]);
    let list = "/api/v2/orgs/gold/snapshots";
    assert_eq!(show(&service, list), json!([]));
    let export = |asked: Value| {
        let job = service.end(&service.ask(service.post("/api/v2/orgs/gold/export", &asked)));
        job["id"].as_str().expect("an id").to_owned()
    };
    let first = export(json!({"entityTypes": ["routing_queue"], "exportId": "a"}));
    let second = export(json!({"entityTypes": ["routing_skill"]}));
    let shown = show(&service, list);
    let ids: Vec<&str> = shown
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|snapshot| snapshot["id"].as_str())
        .collect();
    assert_eq!(ids, [second.as_str(), &first]);
    assert_eq!(
        show(&service, &format!("{list}?limit=1&after={second}"))[0]["id"],
        first
    );
    let place = format!("{list}/{first}");
    let snapshot = show(&service, &place);
    assert_eq!(snapshot["objects"]["routing_queue"], 1, "{snapshot:#}");
    assert_eq!(snapshot["callerId"], "a");
    assert_eq!(snapshot["gaps"], json!([]));
    assert!(snapshot["digest"].is_string(), "{snapshot:#}");
    let bundle = service.get(snapshot["href"].as_str().expect("a place"));
    let bundle = bundle.send().expect("an answer").bytes().expect("a zip");
    assert_eq!(snapshot["size"], bundle.len(), "{snapshot:#}");
    lab.write("got.zip", &bundle);
    lab.run(&["validate", "got.zip"]).ends(0);

    // Of another org it is not.
    assert_eq!(
        status(&service, &format!("/api/v2/orgs/tenant/snapshots/{first}")).0,
        404
    );
    let delete = || {
        let request = service.client.delete(format!("{}{place}", service.url));
        let answer = request.bearer_auth(&service.token).send();
        answer.expect("an answer").status().as_u16()
    };
    assert_eq!((delete(), delete()), (204, 404));
    assert_eq!(status(&service, &format!("{place}/download")).0, 404);
    assert_eq!(show(&service, list).as_array().expect("a list").len(), 1);
    service.stop();
}

#[test]
fn orgs_are_compared_and_the_matrix_is_read_in_parts() {
    let lab = Lab::new();
    seed(&lab);
    let service = Serving::start(&lab, &[]);
    let one = json!({"orgs": ["gold"]});
    let refused = service.post("/api/v2/compare", &one).send();
    assert_eq!(refused.expect("an answer").status(), 400);
    let select = ["routing_queue", "routing_skill"];
    let asked = json!({"orgs": ["gold", "tenant"], "select": select, "callerId": "c"});
    let ask = || service.ask(service.post("/api/v2/compare", &asked));
    let place = ask();
    assert_eq!(place, ask());
    let compared = service.end(&place);
    assert_eq!(compared["state"], "Completed", "{compared:#}");
    assert_eq!(compared["total"], 2, "{compared:#}");
    let states = |compared: &Value| -> Vec<String> {
        let rows = compared["matrix"]["rows"].as_array().expect("rows");
        let state = |row: &Value| format!("{} {}", row["key"], row["cells"][1]["state"]);
        rows.iter().map(state).collect()
    };
    let all = ["\"Support\" \"missing\"", "\"Billing\" \"missing\""];
    assert_eq!(states(&compared), all);
    let after = "routing_queue/Support";
    let part = show(&service, &format!("{place}?after={after}&limit=1"));
    assert_eq!(states(&part), all[1..]);
    service.stop();
}

#[test]
fn numbers_that_were_given_are_listed_with_their_reasons() {
    let lab = crate::numbers::lab();
    crate::numbers::ready(&lab);
    lab.run(&crate::numbers::CLONE).ends(0);
    let service = Serving::start(&lab, &[]);
    let numbers = show(&service, "/api/v2/orgs/tenant/numbers");
    let numbers = numbers.as_array().expect("a list");
    assert_eq!(numbers.len(), 4, "{numbers:#?}");
    assert_eq!(numbers[0]["object"], "architect_ivr/Claims");
    assert_eq!(numbers[0]["number"], "+15515550100");
    let part = service.get("/api/v2/orgs/tenant/numbers?limit=3").send();
    let part = part.expect("an answer");
    let link = part.headers()["link"].to_str().expect("a text").to_owned();
    assert_eq!(json_of(part), json!(numbers[..3]));
    let next = link.trim_start_matches('<').split('>').next().expect("one");
    assert_eq!(show(&service, next), json!(numbers[3..]));
    assert_eq!(show(&service, "/api/v2/orgs/gold/numbers"), json!([]));
    service.stop();
}
