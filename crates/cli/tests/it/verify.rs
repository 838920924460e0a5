//! Whether an org works: after a clone, and whenever somebody asks.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use insta::assert_snapshot;
use orgsmith_sim::{ActionAnswer, Config, FaultAction, FaultRule};
use serde_json::{Value, json};

use crate::http;
use crate::lab::Lab;

/// Another system, which answers every request with a status that can be changed.
struct Service {
    address: String,
    status: Arc<AtomicU16>,
    asked: Arc<AtomicUsize>,
}

impl Service {
    fn answering(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let status = Arc::new(AtomicU16::new(status));
        let asked = Arc::new(AtomicUsize::new(0));
        let (told, count) = (status.clone(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { break };
                let request = http::read(&stream);
                assert!(
                    !request.headers.contains_key("authorization"),
                    "a token left"
                );
                count.fetch_add(1, Ordering::Relaxed);
                let status = told.load(Ordering::Relaxed);
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
            }
        });
        Self {
            address,
            status,
            asked,
        }
    }

    fn now_answers(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// Tells how often it was asked since the last time.
    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::Relaxed)
    }
}

fn flow(queue: &str) -> String {
    format!(
        "inboundCall:\n  name: Main\n  defaultLanguage: en-us\n  tasks:\n    - transferToAcd:\n        \
         targetQueue:\n          lit:\n            name: {queue}\n"
    )
}

const ACTION: &str = "integration_action/custom-rest-actions/CRM/CRM/Get";

/// A bundle with a queue, a flow that leads to it, a number that leads to the flow, and a data action of
/// another system.
fn bundle(lab: &Lab, url: &str) {
    let action = json!({
        "name": "Get", "category": "CRM", "secure": false,
        "integrationId": {"$ref": "integration/custom-rest-actions/CRM"},
        "config": {
            "request": {"headers": {}, "requestTemplate": "${input.rawRequest}", "requestType": "GET", "requestUrlTemplate": url},
            "response": {"successTemplate": "${rawResult}", "translationMap": {}, "translationMapDefaults": {}},
        },
        "contract": {
            "input": {"inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}},
            "output": {"successSchema": {"type": "object", "properties": {"status": {"type": "string"}}}},
        },
    });
    let integration = json!({
        "name": "CRM", "integrationType": {"id": "custom-rest-actions"}, "intendedState": "ENABLED",
        "config": {"name": "CRM", "notes": "", "properties": {}, "advanced": {}, "credentials": {}},
    });
    for (file, text) in [
        ("routing_queue/Sales.yaml", "name: Sales\ndivision: {$ref: auth_division/~home}\n".to_owned()),
        (
            "flow/inboundcall/Main.yaml",
            "name: Main\ntype: INBOUNDCALL\ndivision: {$ref: auth_division/~home}\n".to_owned(),
        ),
        ("flow/inboundcall/Main.flow.yaml", flow("Sales")),
        (
            "architect_ivr/Main line.yaml",
            "name: Main line\ndnis: ['+15515550100']\nopenHoursFlow: {$ref: flow/inboundcall/Main}\n".to_owned(),
        ),
        ("integration/custom-rest-actions/CRM.yaml", integration.to_string()),
        ("integration_action/custom-rest-actions/CRM/CRM/Get.yaml", action.to_string()),
        (
            "example/A customer is found.yaml",
            format!("action: {{$ref: {ACTION}}}\ninput: {{id: C-1}}\nexpect: {{status: open}}\n"),
        ),
    ] {
        lab.write(&format!("wanted/{file}"), text);
    }
}

fn pool(lab: &Lab, org: &str) {
    let path = "/api/v2/telephony/providers/edges/didpools";
    let body =
        json!({"name": "P", "startPhoneNumber": "+15515550100", "endPhoneNumber": "+15515550109"});
    lab.sim.seed(org, "POST", path, body).expect("a pool");
}

/// An org `tenant` that has a pool of numbers, and a CRM behind its data actions.
fn lab(url: &str) -> Lab {
    let mut config = Config::with_orgs(["tenant"]);
    config.limits = orgsmith_sim::Limits::none();
    let found = ActionAnswer::Result(json!({"status": "open", "since": 2020}));
    config.orgs[0].answers = [("Get".to_owned(), found)].into();
    let lab = Lab::of(config);
    pool(&lab, "tenant");
    bundle(&lab, url);
    lab
}

const CLONE: [&str; 4] = ["clone", "wanted", "tenant", "--yes"];
const VERIFY: [&str; 6] = ["verify", "tenant", "--bundle", "wanted", "-o", "json"];

fn report(lab: &Lab, exit: i32) -> Value {
    let shown = lab.run(&VERIFY).ends(exit);
    serde_json::from_str(&shown.stdout).expect("JSON")
}

/// Returns the verdict and the reason of a check of an object.
#[track_caller]
fn row(report: &Value, check: &str, object: &str) -> (String, String) {
    let rows = report["rows"].as_array().expect("rows");
    let row = rows
        .iter()
        .find(|row| row["check"] == check && row["object"] == object);
    let row = row.unwrap_or_else(|| panic!("no {check} of {object} in {report:#}"));
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    (text("verdict"), text("reason"))
}

fn id(lab: &Lab, kind: &str, name: &str) -> String {
    let objects = lab.sim.objects("tenant", kind);
    let object = objects.iter().find(|object| object["name"] == name);
    object
        .and_then(|object| object["id"].as_str())
        .expect("an object")
        .to_owned()
}

#[test]
fn a_clone_that_works_is_told_so_by_every_check() {
    let service = Service::answering(200);
    let lab = lab(&format!("http://{}/v1", service.address));
    let shown = lab.run(&CLONE).ends(0);
    assert!(shown.stdout.contains("Verified: ok: 2 ok"), "{shown}");
    assert_eq!(
        service.asked(),
        0,
        "no other system is asked unless the project says so"
    );
    let before = lab.writes("tenant");
    let shown = lab
        .run(&["verify", "tenant", "--bundle", "wanted", "-v"])
        .ends(0);
    assert_snapshot!("works", shown.stdout);
    assert_eq!(service.asked(), 1, "one URL is asked once");
    // To call a data action is a POST, and changes nothing of the org.
    assert_eq!(lab.writes("tenant") - before, 1);
    let shown = lab.run(&[
        "verify",
        "tenant",
        "--bundle",
        "wanted",
        "--no-actions",
        "--no-urls",
    ]);
    shown.ends(0);
    assert_eq!((service.asked(), lab.writes("tenant") - before), (0, 1));
    // Without a bundle the org itself is looked through.
    let shown = lab.run(&["verify", "tenant", "-o", "json"]).ends(0);
    let report: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(row(&report, "flow", "flow/inboundcall/Main").0, "ok");
    assert_eq!(row(&report, "route", "architect_ivr/Main line").0, "ok");
    assert_eq!(row(&report, "url", ACTION).0, "ok");
    assert!(
        report["rows"][0]["reason"]
            .as_str()
            .is_some_and(|told| told.contains("all of its steps"))
    );
    let xml = lab
        .run(&["verify", "tenant", "--bundle", "wanted", "-o", "junit"])
        .ends(0);
    assert!(
        xml.stdout
            .contains("<testcase classname=\"flow\" name=\"flow/inboundcall/Main\"/>"),
        "{xml}"
    );
}

#[test]
fn a_flow_that_names_what_is_gone_fails_and_so_does_the_clone_that_finds_it() {
    let lab = lab("https://crm.invalid/v1");
    lab.run(&CLONE).ends(0);
    let queue = id(&lab, "queue", "Sales");
    let path = format!("/api/v2/routing/queues/{queue}");
    lab.sim
        .seed("tenant", "PUT", &path, json!({"name": "Renamed"}))
        .expect("a queue");
    let report = report(&lab, 5);
    let (verdict, reason) = row(&report, "flow", "flow/inboundcall/Main");
    assert_eq!(verdict, "fail");
    assert!(reason.contains("Sales"), "{reason}");
    assert_eq!(report["verdict"], "fail");
    assert_eq!(row(&report, "plan", "wanted").0, "fail");
    assert_eq!(
        row(&report, "url", ACTION),
        (
            "fail".to_owned(),
            "https://crm.invalid/v1 does not answer: no such host".to_owned()
        )
    );
    // The call route leads to a flow that is published; what is wrong inside is the flow's.
    assert_eq!(row(&report, "route", "architect_ivr/Main line").0, "ok");
}

#[test]
fn a_number_that_leads_to_no_published_flow_fails() {
    let lab = lab("https://crm.invalid/v1");
    lab.run(&CLONE).ends(0);
    let flow = id(&lab, "flow", "Main");
    let path = format!("/api/v2/flows/actions/deactivate?flow={flow}");
    lab.sim
        .seed("tenant", "POST", &path, Value::Null)
        .expect("a flow");
    let report = report(&lab, 5);
    let (verdict, reason) = row(&report, "route", "architect_ivr/Main line");
    assert_eq!(verdict, "fail");
    assert!(
        reason.contains("open hours lead to flow/inboundcall/Main, which nobody has published"),
        "{reason}"
    );
    assert_eq!(row(&report, "flow", "flow/inboundcall/Main").0, "warn");
}

#[test]
fn a_data_action_that_does_not_do_what_its_example_says_fails() {
    let service = Service::answering(401);
    for (answer, told) in [
        (
            ActionAnswer::Result(json!({"status": "closed"})),
            "/status is \"closed\", expected \"open\"",
        ),
        (
            ActionAnswer::Error("The CRM answers 500.".to_owned()),
            "it failed: The CRM answers 500.",
        ),
    ] {
        let mut config = Config::with_orgs(["tenant"]);
        config.orgs[0].answers = [("Get".to_owned(), answer)].into();
        let lab = Lab::of(config);
        pool(&lab, "tenant");
        bundle(&lab, &format!("http://{}/v1", service.address));
        lab.run(&CLONE).ends(0);
        let report = report(&lab, 5);
        let (verdict, reason) = row(&report, "action", ACTION);
        assert_eq!(verdict, "fail");
        assert!(reason.contains(told), "{reason}");
        // A system that asks for a key is there.
        assert_eq!(row(&report, "url", ACTION).0, "ok");
    }
}

#[test]
fn what_an_org_does_not_tell_is_unknown_and_fails_nothing() {
    let lab = lab("https://${input.host}/v1");
    let rule = FaultRule {
        path: Some("/api/v2/flows/validate/jobs".to_owned()),
        ..FaultRule::new(FaultAction::Status {
            status: 403,
            retry_after_s: None,
        })
    };
    lab.sim.add_fault(rule);
    let shown = lab.run(&CLONE).ends(0);
    assert!(
        shown.stdout.contains("Verified: unknown: 1 unknown, 1 ok"),
        "{shown}"
    );
    let report = report(&lab, 0);
    let (verdict, reason) = row(&report, "flow", "flow/inboundcall/Main");
    assert_eq!(verdict, "unknown");
    assert!(reason.contains("architect:jobValidate:create"), "{reason}");
    assert_eq!(row(&report, "url", ACTION).0, "unknown");
}

#[test]
fn an_example_that_does_not_fit_is_found_before_any_call() {
    let lab = lab("https://crm.invalid/v1");
    lab.run(&["validate", "wanted"]).ends(0);
    lab.write(
        "wanted/example/A customer is found.yaml",
        format!("action: {{$ref: {ACTION}}}\ninput:\n  id: 7\n"),
    );
    let shown = lab.run(&["validate", "wanted"]);
    assert_ne!(shown.exit, 0);
    assert!(
        shown
            .stderr
            .contains("wanted/example/A customer is found.yaml:3:"),
        "{shown}"
    );
    assert!(shown.stderr.contains("takes no such input"), "{shown}");
    let before = lab.sim.ledger().len();
    let shown = lab.run(&CLONE);
    assert_ne!(shown.exit, 0);
    assert_eq!(lab.sim.ledger().len(), before, "{shown}");
}

#[test]
fn a_clone_into_several_orgs_tells_of_each_whether_it_works() {
    let mut config = Config::with_orgs(["works", "fails"]);
    config.limits = orgsmith_sim::Limits::none();
    let lab = Lab::of(config);
    for org in ["works", "fails"] {
        pool(&lab, org);
    }
    bundle(&lab, "https://crm.invalid/v1");
    lab.configure_org("fails", "    integrations: {probe: true}\n");
    let shown = lab
        .run(&["clone", "wanted", "works", "fails", "--yes", "-o", "json"])
        .ends(3);
    let summary: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let told: Vec<_> = summary["targets"]
        .as_array()
        .expect("targets")
        .iter()
        .map(|report| {
            (
                report["verified"].as_str(),
                report["exit"].as_u64(),
                report["left"].as_u64(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some("ok"), Some(0), Some(0)),
            (Some("fail"), Some(3), Some(0))
        ]
    );
    assert!(shown.stderr.contains("no such host"), "{shown}");
}

#[test]
fn what_is_wrong_is_told_to_continuous_integration() {
    let lab = lab("https://crm.invalid/v1");
    let xml = lab.run(&["validate", "wanted", "-o", "junit"]).ends(0);
    assert!(xml.stdout.starts_with("<?xml"), "{xml}");
    assert!(xml.stdout.contains("failures=\"0\""), "{xml}");
    lab.write(
        "wanted/routing_queue/Odd.yaml",
        "name: Odd\nacwSetings: 1\n",
    );
    let xml = lab.run(&["validate", "wanted", "-o", "junit"]);
    assert_ne!(xml.exit, 0);
    assert!(
        xml.stdout
            .contains("name=\"routing_queue/Odd\"><failure message=\""),
        "{xml}"
    );
    let xml = lab.run(&["lint", "wanted", "-o", "junit", "--today", "2026-01-31"]);
    assert!(
        xml.stdout.contains("<testsuite name=\"lint wanted\""),
        "{xml}"
    );
    assert!(xml.stdout.contains("classname=\"hard-coded-url\""), "{xml}");
}

fn policy(lab: &Lab, more: &str) {
    lab.configure_org(
        "tenant",
        &format!("    integrations: {{probe: true, timeout_s: 5{more}}}\n"),
    );
}

const PLACEHOLDER: &str = ", placeholder: 'https://wait.invalid/'";

fn url(lab: &Lab) -> String {
    let actions = lab.sim.objects("tenant", "action");
    let action = actions
        .iter()
        .find(|action| action["name"] == "Get")
        .expect("the action");
    action["config"]["request"]["requestUrlTemplate"]
        .as_str()
        .expect("a URL")
        .to_owned()
}

#[test]
fn a_placeholder_stands_for_what_does_not_answer_until_it_does() {
    let service = Service::answering(503);
    let lab = lab(&format!("http://{}/v1", service.address));
    policy(&lab, PLACEHOLDER);
    let shown = lab.run(&CLONE).ends(0);
    assert!(
        shown.stdout.contains("; 1 endpoint holds a placeholder."),
        "{shown}"
    );
    assert!(shown.stdout.contains("0 differences"), "{shown}");
    assert_eq!(url(&lab), "https://wait.invalid/");
    assert_eq!(
        service.asked(),
        2,
        "HEAD and GET, once for the plan and its proof"
    );
    // It is told of in every plan, and is neither a difference nor a conflict.
    let shown = lab
        .run(&["plan", "wanted", "--to", "tenant", "-o", "json"])
        .ends(0);
    let plan: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(plan["steps"].as_array().map(Vec::len), Some(0), "{plan:#}");
    assert_eq!(plan["findings"][0]["rule"], "endpoint-placeholder");
    let report = report(&lab, 0);
    let (verdict, reason) = row(&report, "plan", ACTION);
    assert_eq!(verdict, "warn");
    assert!(reason.starts_with("pending:"), "{reason}");
    // What is exported over the bundle keeps its URL.
    lab.run(&["export", "tenant", "--base", "wanted", "--out", "back"])
        .ends(0);
    let action =
        std::fs::read_to_string(lab.path(&format!("back/{ACTION}.yaml"))).expect("the action");
    assert!(
        action.contains(&service.address) && !action.contains("wait.invalid"),
        "{action}"
    );
    service.now_answers(405);
    let before = lab.writes("tenant");
    let shown = lab.run(&CLONE).ends(0);
    assert!(shown.stdout.contains("1 of 1 steps."), "{shown}");
    assert_eq!(url(&lab), format!("http://{}/v1", service.address));
    assert_eq!(
        lab.writes("tenant") - before,
        1,
        "one update and nothing else"
    );
    // What has worked is not taken away because it does not answer now.
    service.now_answers(503);
    let shown = lab.run(&CLONE).ends(0);
    assert!(shown.stdout.contains("Nothing to do."), "{shown}");
    assert!(
        shown
            .stderr
            .contains("the target has it already, and keeps it"),
        "{shown}"
    );
    assert_eq!(url(&lab), format!("http://{}/v1", service.address));
    assert_eq!(lab.writes("tenant") - before, 1);
}

#[test]
fn a_policy_may_stop_or_send() {
    let service = Service::answering(503);
    let lab = lab(&format!("http://{}/v1", service.address));
    policy(&lab, ", on_down: stop");
    let shown = lab.run(&CLONE).ends(5);
    assert!(shown.stderr.contains("endpoint-down"), "{shown}");
    assert_eq!(lab.writes("tenant"), 0);
    let lab = self::lab(&format!("http://{}/v1", service.address));
    policy(
        &lab,
        ", on_down: send, placeholder: 'https://wait.invalid/'",
    );
    // It is written as it is, and then found not to work.
    let shown = lab.run(&CLONE).ends(3);
    assert!(
        shown
            .stderr
            .contains("nobody is behind its gateway; it is sent as it is"),
        "{shown}"
    );
    assert!(
        shown.stdout.contains("Verified: fail: 1 fail, 2 ok"),
        "{shown}"
    );
    assert_eq!(url(&lab), format!("http://{}/v1", service.address));
    let shown = lab
        .run(&["clone", "wanted", "tenant", "--yes", "--no-verify"])
        .ends(0);
    assert!(shown.stdout.contains("Nothing to do."), "{shown}");
    for (more, told) in [
        (", on_down: placeholder", "needs `placeholder"),
        (", placeholder: '${var.x}'", "is no URL"),
    ] {
        let lab = self::lab("https://crm.invalid/v1");
        policy(&lab, more);
        let shown = lab.run(&CLONE);
        assert_ne!(shown.exit, 0);
        assert!(shown.stderr.contains(told), "{shown}");
    }
}

#[test]
fn integrations_come_after_all_that_needs_none_of_them() {
    let lab = lab("https://crm.invalid/v1");
    let shown = lab
        .run(&["plan", "wanted", "--to", "tenant", "-o", "json"])
        .ends(0);
    let plan: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let steps = plan["steps"].as_array().expect("steps");
    let phases: Vec<(&str, u64)> = steps
        .iter()
        .map(|step| {
            (
                step["object"].as_str().unwrap_or_default(),
                step["phase"].as_u64().unwrap_or(9),
            )
        })
        .collect();
    for (object, phase) in phases {
        let is_integration = object.starts_with("integration");
        assert_eq!(phase == 1, is_integration, "{object} {phase}");
    }
}
