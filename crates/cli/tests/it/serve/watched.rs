//! What the service forgets in time, and whom it tells of what.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use orgsmith_sim::{FaultAction, FaultRule};
use serde_json::{Value, json};

use super::{Serving, json_of};
use crate::lab::Lab;
use crate::stopping::wait_a_little;

/// How long a job is kept, where that is to be seen.
const TERM: Duration = Duration::from_secs(15);

/// Somebody who is told, as Slack would be.
pub(super) struct Slack {
    pub(super) address: String,
    told: Arc<Mutex<Vec<String>>>,
}

impl Slack {
    pub(super) fn new() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let told = Arc::new(Mutex::new(Vec::new()));
        let keeps = told.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a caller");
                let request = crate::http::read(&stream);
                let body: Value = serde_json::from_slice(&request.body).expect("JSON");
                let text = body["text"].as_str().expect("a text").to_owned();
                keeps.lock().expect("not poisoned").push(text);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            }
        });
        Self { address, told }
    }

    pub(super) fn told(&self) -> Vec<String> {
        self.told.lock().expect("not poisoned").clone()
    }

    /// Waits until so much was told, and returns it.
    fn until(&self, count: usize) -> Vec<String> {
        let started = Instant::now();
        loop {
            let told = self.told();
            if told.len() >= count {
                return told;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{told:?}");
            wait_a_little();
        }
    }

    fn serve(&self, lab: &Lab, more: &[&str]) -> Serving {
        let mut arguments = vec!["serve", "--listen", "127.0.0.1:0", "-o", "json"];
        arguments.extend(more);
        let mut command = lab.command(&arguments);
        command.env(
            "ORGSMITH_SECRET_WEBHOOK",
            format!("http://{}/hook", self.address),
        );
        Serving::of(command)
    }
}

fn queue(lab: &Lab, name: &str, org: &str, state: &str) {
    for queue in ["Support", "Sales"] {
        let text = format!("name: {queue}\ndescription: {name}\n");
        lab.write(&format!("{name}/routing_queue/{queue}.yaml"), text);
    }
    let apply = [
        "apply", name, "--to", org, "--yes", "--force", "--state", state,
    ];
    lab.run(&apply).ends(0);
}

#[test]
fn each_alert_is_told_once_when_it_begins_and_once_when_it_is_over() {
    let lab = Lab::new();
    lab.configure("service: {alerts: webhook, alert_on: {drift: 2}}\n");
    let mine = ".orgsmith/state.db";
    queue(&lab, "image", "tenant", mine);
    let slack = Slack::new();
    let mut service = slack.serve(&lab, &[]);
    let ask = |service: &Serving, task: Value| {
        let place = service.ask(service.post("/api/v2/jobs", &json!({"task": task})));
        service.end(&place)
    };
    let drift = || json!({"kind": "drift", "org": "tenant"});
    let fails = || {
        json!({"kind": "ignore", "org": "tenant", "selected": {"select": ["routing_queue"]},
                          "until": "never", "reason": "x"})
    };
    ask(&service, drift());
    queue(&lab, "other", "tenant", "elsewhere.db");
    for _ in 0..2 {
        let found = ask(&service, drift());
        assert_eq!(found["result"]["drifted"], 2, "{found:#}");
    }
    for _ in 0..2 {
        assert_eq!(ask(&service, fails())["state"], "Failed");
    }
    // Another process, or the same after a start, knows what was told.
    let token = service.token.clone();
    service.stop();
    service = slack.serve(&lab, &[]);
    service.token.clone_from(&token);
    ask(&service, drift());
    assert_eq!(ask(&service, fails())["state"], "Failed");
    queue(&lab, "image", "tenant", "elsewhere.db");
    ask(&service, drift());
    ask(&service, drift());
    let told = slack.until(3);
    assert_eq!(told.len(), 3, "{told:#?}");
    for (text, begins) in told.iter().zip([
        "orgsmith: 2 objects of tenant have drifted (job ",
        "orgsmith: ignore of tenant failed: ",
        "orgsmith: 0 objects of tenant have drifted, which is no longer many (job ",
    ]) {
        assert!(text.starts_with(begins), "{told:#?}");
    }
    service.stop();

    // Nobody works: what waits is told of, and that it was ended.
    let text = std::fs::read_to_string(lab.path("orgsmith.yaml")).expect("a project");
    lab.write("orgsmith.yaml", text.replace("drift: 2", "queue_wait: 1s"));
    let mut service = slack.serve(&lab, &["--workers", "0"]);
    service.token = token;
    let place = service.ask(service.post("/api/v2/jobs", &json!({"task": drift()})));
    let told = slack.until(4);
    assert!(
        told[3].starts_with("orgsmith: a job has waited for "),
        "{told:#?}"
    );
    let metrics = service.get("/metrics").send().expect("an answer");
    let metrics = metrics.text().expect("a text");
    for begins in [
        "orgsmith_queue_depth 1\n",
        "orgsmith_queue_oldest_seconds ",
        "orgsmith_org_quota_used_percent{org=\"tenant\"} ",
    ] {
        assert!(metrics.contains(begins), "no {begins} in {metrics}");
    }
    let cancel = service.post(&format!("{place}/cancel"), &json!({}));
    assert_eq!(cancel.send().expect("an answer").status(), 202);
    let told = slack.until(5);
    assert_eq!(told[4], "orgsmith: no job waits for long any more");
    service.stop();
    assert_eq!(slack.told().len(), 5);
}

#[test]
fn an_org_that_throttles_and_a_quota_that_is_used_are_told_of_and_drawn() {
    let lab = Lab::new();
    lab.configure(
        "service: {alerts: webhook, alert_on: {throttled_percent: 5, quota_percent: 1}}\n",
    );
    let too_many = FaultAction::Status {
        status: 429,
        retry_after_s: Some(1),
    };
    let rule = FaultRule::new(too_many).on("GET", "/api/v2/*");
    lab.sim.add_fault(rule.org("tenant").times(40));
    let slack = Slack::new();
    let service = slack.serve(&lab, &[]);
    let place = service.ask(service.post("/api/v2/orgs/tenant/export", &json!({})));
    let job = service.end(&place);
    assert_eq!(job["state"], "Completed", "{job:#}");
    let mut told = slack.until(2);
    told.sort();
    let [quota, throttled] = &told[..] else {
        panic!("{told:#?}");
    };
    assert!(
        quota.ends_with(" % of the quota of tenant is used"),
        "{told:#?}"
    );
    let share = throttled.strip_prefix("orgsmith: tenant answered ");
    let share = share.and_then(|text| text.strip_suffix(" % of the calls with 429"));
    let share: u64 = share.expect("a share").parse().expect("a number");
    assert!((5..=100).contains(&share), "{told:#?}");

    let orgs = json_of(service.get("/api/v2/orgs").send().expect("an answer"));
    let orgs = orgs.as_array().expect("orgs").iter();
    let calls: Vec<_> = orgs.map(|org| (&org["name"], &org["calls"])).collect();
    let (_, of_tenant) = calls[1];
    assert_eq!(of_tenant["throttled"], 40, "{calls:?}");
    let page = service.get("/live/fleet").send().expect("an answer");
    let page = page.text().expect("a page");
    assert!(page.contains("<rect class=\"throttled\""), "{page}");
    assert!(page.contains("; 40 answered with 429\""), "{page}");
    assert_eq!(page.matches("<svg").count(), 1, "gold was not called");
    service.stop();
    assert_eq!(slack.told().len(), 2, "each is told once");
}

#[test]
fn what_is_over_for_long_enough_is_deleted() {
    let lab = Lab::new();
    queue(&lab, "image", "gold", "elsewhere.db");
    let service = Serving::start(&lab, &[]);
    let token = service.token.clone();
    let export = service.ask(service.post("/api/v2/orgs/gold/export", &json!({})));
    service.end(&export);
    let plan = |select: &str| {
        let asked = json!({"source": "gold", "org": "tenant", "selected": {"select": [select]}});
        let place = service.ask(service.post("/api/v2/plans", &asked));
        let digest = service.end(&place)["digest"].as_str().map(str::to_owned);
        (place, digest.expect("a digest"))
    };
    let (unapproved, _) = plan("kind=routing_queue,name=Support");
    let (approved, digest) = plan("kind=routing_queue,name=Sales");
    let ended = Instant::now();
    let metrics = service.get("/metrics").send().expect("an answer");
    assert!(
        metrics
            .text()
            .expect("a text")
            .contains("orgsmith_queue_depth 0\n")
    );
    service.stop();

    let restart = |keep: &str| {
        lab.write("orgsmith.yaml", {
            let text = std::fs::read_to_string(lab.path("orgsmith.yaml")).expect("a project");
            let before = text.split("service:").next().expect("a text").to_owned();
            before + keep
        });
        let mut service = Serving::start(&lab, &[]);
        service.token.clone_from(&token);
        service
    };
    let status = |service: &Serving, place: &str| {
        let answer = service.get(place).send().expect("an answer");
        answer.status().as_u16()
    };
    // Kept for three months, nothing goes.
    let service = restart("");
    assert_eq!(status(&service, &export), 200);
    while ended.elapsed() < TERM {
        wait_a_little();
    }
    let approve = service.post(&format!("{approved}/approve"), &json!({"digest": digest}));
    assert_eq!(approve.send().expect("an answer").status(), 200);
    service.stop();
    // What was approved within the term and not carried out stays.
    let keep = format!(
        "service: {{keep_jobs: {}s, keep_audit: 1ms}}\n",
        TERM.as_secs()
    );
    let service = restart(&keep);
    let started = Instant::now();
    while status(&service, &export) != 404 {
        assert!(started.elapsed() < Duration::from_secs(30), "it is kept");
        wait_a_little();
    }
    let gone = [status(&service, &unapproved), status(&service, &approved)];
    assert_eq!(gone, [404, 200]);
    let audit = json_of(service.get("/api/v2/audit").send().expect("an answer"));
    assert_eq!(audit, json!([]));
    service.stop();
}

#[test]
fn a_term_or_a_threshold_that_makes_no_sense_is_said() {
    let lab = Lab::new();
    let project = std::fs::read_to_string(lab.path("orgsmith.yaml")).expect("a project");
    for (service, why) in [
        ("keep_jobs: soon", "\"soon\" is no length of time"),
        ("keep_audit: -1d", "\"-1d\" is no length of time"),
        ("alert_on: {drift: 3}", "needs `alerts:`"),
        ("alerts: x, alert_on: {drift: 0}", "more than 0"),
        ("alerts: x, alert_on: {queue_wait: 1mo}", "such as 10m"),
    ] {
        lab.write(
            "orgsmith.yaml",
            format!("{project}service: {{{service}}}\n"),
        );
        let mut command = lab.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.env("ORGSMITH_SECRET_X", "http://127.0.0.1:9/");
        let shown = lab.finish(command);
        assert_ne!(shown.exit, 0);
        assert!(shown.stderr.contains(why), "{service}: {shown}");
    }
}
