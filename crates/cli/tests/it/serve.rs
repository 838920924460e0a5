//! The service: jobs over HTTP.

mod keep;
mod parts;
mod postgres;
mod refusals;
mod resources;
mod roundabout;
mod sign_in;
mod watched;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, RequestBuilder, Response, multipart};
use serde_json::{Value, json};

use crate::lab::{Lab, Shown};
use crate::stopping::{interrupt, wait_a_little};

/// A service that runs, and its first token.
pub struct Serving {
    child: Child,
    pub url: String,
    pub token: String,
    client: Client,
}

impl Serving {
    pub fn start(lab: &Lab, more: &[&str]) -> Self {
        let mut arguments = vec!["serve", "--listen", "127.0.0.1:0", "-o", "json"];
        arguments.extend(more);
        Self::of(lab.command(&arguments))
    }

    /// Starts a service by a prepared command.
    pub fn of(command: Command) -> Self {
        Self::telling(command, Stdio::null())
    }

    /// Starts a service by a prepared command, and has it talk to somebody.
    pub fn telling(mut command: Command, talk: Stdio) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(talk)
            .spawn()
            .expect("the program");
        let stdout = BufReader::new(child.stdout.take().expect("its output"));
        let mut told = String::new();
        for line in stdout.lines() {
            told.push_str(&line.expect("UTF-8"));
            if serde_json::from_str::<Value>(&told).is_ok() {
                break;
            }
        }
        let told: Value = serde_json::from_str(&told).expect("JSON");
        Self {
            child,
            url: told["url"].as_str().expect("a URL").to_owned(),
            token: told["token"].as_str().unwrap_or_default().to_owned(),
            client: Client::new(),
        }
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        let request = self.client.get(format!("{}{path}", self.url));
        request.bearer_auth(&self.token)
    }

    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.url));
        request.bearer_auth(&self.token).json(body)
    }

    /// Makes a token for somebody.
    pub fn mint(&self, name: &str, role: &str, orgs: Value) -> String {
        let asked = json!({"name": name, "role": role, "orgs": orgs});
        let made = self.post("/api/v2/tokens", &asked).send();
        let made = made.expect("an answer");
        assert_eq!(made.status(), 201);
        json_of(made)["token"].as_str().expect("a token").to_owned()
    }

    /// Asks for a job, and returns its place.
    pub fn ask(&self, request: RequestBuilder) -> String {
        let answer = request.send().expect("an answer");
        assert_eq!(
            answer.status(),
            202,
            "{}",
            answer.text().unwrap_or_default()
        );
        answer.headers()["location"]
            .to_str()
            .expect("a place")
            .to_owned()
    }

    /// Waits until a job has ended.
    pub fn end(&self, place: &str) -> Value {
        let started = Instant::now();
        loop {
            let job = json_of(self.get(place).send().expect("an answer"));
            if ["Completed", "Failed", "Cancelled"]
                .contains(&job["state"].as_str().unwrap_or_default())
            {
                return job;
            }
            let waited = started.elapsed();
            assert!(waited < Duration::from_secs(240), "{job:#}");
            // A token may ask 1,200 times a minute, and has to have some left for what comes next.
            let turns = if waited < Duration::from_secs(2) {
                1
            } else {
                5
            };
            (0..turns).for_each(|_| wait_a_little());
        }
    }

    /// Ends it as Ctrl-C does.
    pub fn stop(mut self) {
        interrupt(&self.child);
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
    }

    /// Kills it at once.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn json_of(answer: Response) -> Value {
    let status = answer.status();
    let text = answer.text().expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status}: {error}: {text}"))
}

/// Holds the tenant against gold; ends with 0 where they are alike.
fn alike(lab: &Lab, kind: &str) -> Shown {
    let select = ["--select", kind, "--detailed-exitcode"];
    lab.run(&[["diff", "gold", "tenant"], select].concat())
}

fn seed(lab: &Lab) {
    lab.write("image/routing_skill/Billing.yaml", "name: Billing\n");
    lab.write(
        "image/routing_queue/Support.yaml",
        "name: Support\ndescription: Calls of customers\n",
    );
    lab.run(&["apply", "image", "--to", "gold", "--yes"])
        .ends(0);
}

#[cfg(unix)]
#[test]
fn what_a_service_keeps_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new();
    let service = Serving::start(&lab, &[]);
    service.ask(service.post("/api/v2/orgs/gold/export", &json!({})));
    let files = std::fs::read_dir(lab.path(".orgsmith")).expect("a folder");
    let mut names = Vec::new();
    for file in files {
        let file = file.expect("a file");
        let mode = file.metadata().expect("it is there").permissions().mode();
        let name = file.file_name().to_string_lossy().into_owned();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
        names.push(name);
    }
    assert!(
        names.iter().any(|name| name == "state.queue.db"),
        "{names:?}"
    );
    service.stop();
}

#[test]
fn an_org_is_exported_imported_and_cloned_over_http() {
    let lab = Lab::new();
    seed(&lab);
    let service = Serving::start(&lab, &[]);

    // Export: asked for twice with one id it is one job.
    let asked = json!({"entityTypes": ["routingQueues", "routing_skill"], "exportId": "first"});
    let place = service.ask(service.post("/api/v2/orgs/gold/export", &asked));
    assert_eq!(
        place,
        service.ask(service.post("/api/v2/orgs/gold/export", &asked))
    );
    let other = service.post("/api/v2/orgs/gold/export", &json!({"exportId": "first"}));
    assert_eq!(other.send().expect("an answer").status(), 409);
    let job = service.end(&place);
    assert_eq!(job["state"], "Completed", "{job:#}");
    assert_eq!(job["progress"]["phase"], "reading", "{job:#}");
    let bundle = service
        .get(&format!("{place}/download"))
        .send()
        .expect("an answer");
    assert_eq!(bundle.headers()["content-type"], "application/zip");
    let bundle = bundle.bytes().expect("a zip").to_vec();
    lab.write("got.zip", &bundle);
    lab.run(&["validate", "got.zip"]).ends(0);

    // Import: first validated, then done.
    let import = |query: &str| {
        let part = multipart::Part::bytes(bundle.clone()).file_name("bundle.zip");
        let form = multipart::Form::new().part("bundle", part);
        let request = service
            .client
            .post(format!("{}/api/v2/orgs/tenant/import{query}", service.url));
        service.ask(request.bearer_auth(&service.token).multipart(form))
    };
    let place = import("?validateOnly=true");
    let job = service.end(&place);
    assert_eq!(job["state"], "Completed", "{job:#}");
    assert_eq!(job["result"]["actions"]["create"], 2, "{job:#}");
    assert!(
        lab.sim
            .ledger()
            .iter()
            .all(|call| call.org.as_deref() != Some("tenant") || !call.may_change())
    );
    let job = service.end(&import(""));
    assert_eq!(job["state"], "Completed", "{job:#}");
    assert_eq!(job["progress"]["done"], 2, "{job:#}");
    alike(&lab, "routing_queue").ends(0);

    // Clone, with the mapping at the end.
    let asked = json!({"name": "tenant", "sourceOrgId": "gold", "clone": {"routingQueues": true}});
    let place = service.ask(service.post("/api/v2/orgs", &asked));
    assert!(place.starts_with("/api/v2/orgs/clone/jobs/"), "{place}");
    let job = service.end(&place);
    assert_eq!(job["state"], "Completed", "{job:#}");
    assert!(job["mapping"].is_array(), "{job:#}");

    // What happens is streamed, and the stream ends with the job.
    let events = service.get(&format!(
        "/api/v2/jobs/{}/events",
        job["id"].as_str().expect("an id")
    ));
    let events = events.send().expect("a stream").text().expect("it ends");
    assert!(events.contains("event: told"), "{events}");
    assert!(events.contains("\"state\":\"Completed\""), "{events}");
    service.stop();
}

#[test]
fn a_clone_as_the_first_job_uses_every_token_of_its_source() {
    let lab = Lab::new();
    seed(&lab);
    lab.configure_org("gold", "    tokens: 4\n    quota_per_minute: 40\n");
    let service = Serving::start(&lab, &[]);
    let before = lab.sim.ledger().len();
    let asked = json!({"name": "tenant", "sourceOrgId": "gold"});
    let job = service.end(&service.ask(service.post("/api/v2/orgs", &asked)));
    assert_eq!(job["state"], "Completed", "{job:#}");
    let ledger = lab.sim.ledger().into_iter().skip(before);
    let of_gold = ledger.filter(|call| call.org.as_deref() == Some("gold"));
    let tokens: BTreeSet<_> = of_gold.filter_map(|call| call.token).collect();
    assert!(tokens.len() > 2, "{tokens:?}");
    service.stop();
}

#[test]
fn a_plan_is_looked_at_approved_by_another_and_carried_out_once() {
    let lab = Lab::new();
    seed(&lab);
    lab.configure("service: {approvals: 1}\n");
    let mut service = Serving::start(&lab, &[]);
    let operator = service.mint("op", "operator", Value::Null);
    let approver = service.mint("boss", "approver", Value::Null);
    let elsewhere = service.mint("else", "approver", json!(["dev-*"]));
    service.token = operator;

    let clone = json!({"name": "tenant", "sourceOrgId": "gold"});
    let refused = service
        .post("/api/v2/orgs", &clone)
        .send()
        .expect("an answer");
    assert_eq!(refused.status(), 403);
    let asked =
        json!({"source": "gold", "org": "tenant", "selected": {"select": ["routing_skill"]}});
    let place = service.ask(service.post("/api/v2/plans", &asked));
    let plan = service.end(&place);
    let digest = plan["digest"].as_str().expect("a digest").to_owned();
    let apply = format!("{place}/apply");
    let status = |request: RequestBuilder| request.send().expect("an answer").status().as_u16();
    assert_eq!(
        status(service.post(&apply, &json!({}))),
        403,
        "nobody approved"
    );
    let approve = format!("{place}/approve");
    let approval = json!({"digest": digest});
    assert_eq!(
        status(service.post(&approve, &approval)),
        403,
        "an operator"
    );
    service.token = elsewhere;
    assert_eq!(
        status(service.post(&approve, &approval)),
        404,
        "of other orgs"
    );
    service.token = approver;
    assert_eq!(
        status(service.post(&approve, &json!({"digest": "blake3:0"}))),
        409
    );
    assert_eq!(status(service.post(&approve, &approval)), 200);
    let first = service.ask(service.post(&apply, &json!({})));
    assert_eq!(first, service.ask(service.post(&apply, &json!({}))));
    let job = service.end(&first);
    assert_eq!(job["state"], "Completed", "{job:#}");
    alike(&lab, "routing_skill").ends(0);
    service.stop();
}

#[test]
fn nobody_gets_in_without_a_token_and_the_first_is_shown_once() {
    let lab = Lab::new();
    let service = Serving::start(&lab, &[]);
    let described: Value = json_of(service.get("/api/openapi.json").send().expect("an answer"));
    let paths = described["paths"].as_object().expect("paths");
    assert!(paths.len() > 15);
    let nobody = Client::new();
    for (path, methods) in paths {
        for method in methods.as_object().expect("methods").keys() {
            let url = format!("{}{}", service.url, path.replace(['{', '}'], ""));
            let method = method.to_uppercase().parse().expect("a method");
            let bare = nobody
                .request(method, url)
                .body("{}")
                .send()
                .expect("an answer");
            assert_eq!(bare.status(), 401, "{path}");
            assert_eq!(bare.headers()["content-type"], "application/problem+json");
        }
    }
    let wrong = nobody
        .get(format!("{}/api/v2/orgs", service.url))
        .bearer_auth("orgsmith_x");
    assert_eq!(wrong.send().expect("an answer").status(), 401);
    service.stop();
    let again = Serving::start(&lab, &[]);
    assert_eq!(again.token, "");
    again.stop();
}

#[test]
fn every_route_is_closed_to_lesser_roles_and_to_other_orgs() {
    let lab = Lab::new();
    let mut service = Serving::start(&lab, &[]);
    let export = service.ask(service.post("/api/v2/orgs/gold/export", &json!({})));
    service.end(&export);
    let job = export.rsplit('/').next().expect("an id").to_owned();
    let viewer = service.mint("viewer", "viewer", Value::Null);
    let elsewhere = service.mint("elsewhere", "admin", json!(["emea-*"]));
    let clone = json!({"name": "tenant", "sourceOrgId": "gold"});
    // Each route that does something, with a body that is in order, and what it answers to a viewer and to
    // an admin of other orgs; a route that is not here fails the test.
    let acts: [(&str, &str, Value, u16, u16); 12] = [
        ("post", "/api/v2/orgs", clone, 403, 403),
        ("post", "/api/v2/orgs/{org}/export", json!({}), 403, 403),
        ("post", "/api/v2/orgs/{org}/drift", json!({}), 403, 403),
        (
            "post",
            "/api/v2/compare",
            json!({"orgs": ["gold", "tenant"]}),
            403,
            403,
        ),
        ("post", "/api/v2/orgs/{org}/import", Value::Null, 403, 403),
        (
            "post",
            "/api/v2/jobs",
            json!({"task": {"kind": "verify", "org": "gold"}}),
            403,
            403,
        ),
        ("post", "/api/v2/jobs/{job}/cancel", json!({}), 403, 404),
        (
            "post",
            "/api/v2/plans",
            json!({"source": "gold", "org": "tenant"}),
            403,
            403,
        ),
        (
            "post",
            "/api/v2/plans/{job}/approve",
            json!({"digest": "x"}),
            404,
            404,
        ),
        ("post", "/api/v2/plans/{job}/apply", json!({}), 404, 404),
        (
            "post",
            "/api/v2/schedules/{org}/pause",
            json!({"reason": "x"}),
            403,
            403,
        ),
        (
            "post",
            "/api/v2/tokens",
            json!({"name": "x", "role": "admin"}),
            403,
            403,
        ),
    ];
    let described: Value = json_of(service.get("/api/openapi.json").send().expect("an answer"));
    for (path, methods) in described["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            let place = path.replace("{org}", "gold").replace("{job}", &job);
            let place = place
                .replace("{snapshot}", &job)
                .replace("{name}", "bundle.zip")
                .replace("{run}", "x")
                .replace("{token}", "x");
            let known = acts
                .iter()
                .find(|(verb, route, ..)| verb == method && route == path);
            let url = format!("{}{place}", service.url);
            let ask = |token: &str| {
                let verb: reqwest::Method = method.to_uppercase().parse().expect("a method");
                let mut request = service.client.request(verb, &url).bearer_auth(token);
                match known {
                    Some((_, _, Value::Null, ..)) => {
                        let part = multipart::Part::bytes(b"PK".to_vec()).file_name("bundle.zip");
                        request = request.multipart(multipart::Form::new().part("bundle", part));
                    }
                    Some((_, _, body, ..)) => request = request.json(body),
                    None => {}
                }
                request.send().expect("an answer")
            };
            match (method.as_str(), known) {
                ("get", _) => {
                    let answer = ask(&elsewhere);
                    let (status, text) =
                        (answer.status().as_u16(), answer.text().unwrap_or_default());
                    let listed =
                        status == 200 && !text.contains("gold") && !text.contains("tenant");
                    assert!(
                        listed || matches!(status, 403 | 404),
                        "{path}: {status} {text}"
                    );
                }
                // It shows something else than a token.
                ("post", None) if path == "/hooks/{source}" => {
                    assert_eq!(ask(&viewer).status(), 401);
                }
                ("delete", _) => {
                    assert_eq!(ask(&viewer).status(), 403, "{path}");
                    assert_eq!(ask(&elsewhere).status(), 403, "{path}");
                }
                (_, Some((.., of_viewer, of_elsewhere))) => {
                    assert_eq!(ask(&viewer).status().as_u16(), *of_viewer, "{path}");
                    assert_eq!(ask(&elsewhere).status().as_u16(), *of_elsewhere, "{path}");
                }
                _ => panic!("{method} {path} is not tested"),
            }
        }
    }
    // Who guesses tokens is kept from guessing on, and who has one is not.
    service.token = "orgsmith_guess".to_owned();
    let mut statuses = (0..40).map(|_| {
        service
            .get("/api/v2/orgs")
            .send()
            .expect("an answer")
            .status()
    });
    assert!(statuses.any(|status| status == 429));
    service.token = viewer;
    assert_eq!(
        service
            .get("/api/v2/orgs")
            .send()
            .expect("an answer")
            .status(),
        200
    );
    service.stop();
}

#[test]
fn a_service_that_is_killed_goes_on_where_it_was() {
    let lab = Lab::new();
    for number in 0..30 {
        lab.write(
            &format!("image/routing_skill/S{number:02}.yaml"),
            format!("name: S{number:02}\n"),
        );
    }
    lab.run(&["apply", "image", "--to", "gold", "--yes"])
        .ends(0);
    let delay = orgsmith_sim::FaultRule::new(orgsmith_sim::FaultAction::DelayMs(200))
        .on("POST", "/api/v2/routing/skills");
    lab.sim.add_fault(delay);
    let service = Serving::start(&lab, &[]);
    let token = service.token.clone();
    let asked = json!({"name": "tenant", "sourceOrgId": "gold", "clone": {"routingSkills": true},
                       "carry": {"parallelism": 1}});
    let place = service.ask(service.post("/api/v2/orgs", &asked));
    let started = Instant::now();
    let written = || {
        let ledger = lab.sim.ledger();
        ledger
            .iter()
            .filter(|call| call.org.as_deref() == Some("tenant") && call.method == "POST")
            .count()
    };
    while written() < 8 {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it never wrote"
        );
        wait_a_little();
    }
    service.kill();
    let mut again = Serving::start(&lab, &[]);
    again.token = token;
    let job = again.end(&place);
    assert_eq!(job["state"], "Completed", "{job:#}");
    assert_eq!(job["attempt"], 2, "{job:#}");
    alike(&lab, "routing_skill").ends(0);
    let ledger = lab.sim.ledger();
    let created = ledger.iter().filter(|call| {
        call.org.as_deref() == Some("tenant")
            && call.method == "POST"
            && call.path == "/api/v2/routing/skills"
            && call.status < 300
    });
    assert_eq!(created.count(), 30, "nothing is created twice");
    again.stop();
}

#[test]
fn a_failure_is_counted_and_told_to_whom_the_project_says() {
    let lab = Lab::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let told = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a caller");
        let request = crate::http::read(&stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .expect("an answer");
        String::from_utf8(request.body).expect("UTF-8")
    });
    lab.configure("service: {alerts: webhook}\n");
    let mut command = lab.command(&["serve", "--listen", "127.0.0.1:0", "-o", "json"]);
    command.env("ORGSMITH_SECRET_WEBHOOK", format!("http://{address}/hook"));
    let service = Serving::of(command);
    let asked = json!({"task": {"kind": "ignore", "org": "gold", "until": "never", "reason": "x",
                                "selected": {"select": ["routing_queue"]}}});
    let place = service.ask(service.post("/api/v2/jobs", &asked));
    let job = service.end(&place);
    assert_eq!(job["state"], "Failed", "{job:#}");
    let told = told.join().expect("it was told");
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let text = told["text"].as_str().expect("a text");
    assert!(
        text.starts_with("orgsmith: ignore of gold failed: "),
        "{text}"
    );
    let metrics = service
        .get("/metrics")
        .send()
        .expect("an answer")
        .text()
        .expect("a text");
    for line in [
        "orgsmith_jobs{state=\"Failed\"} 1",
        "orgsmith_jobs_ended_total{kind=\"ignore\",state=\"Failed\"} 1",
        "orgsmith_http_requests_total{method=\"POST\",route=\"/api/v2/jobs\",status=\"202\"} 1",
        "orgsmith_org_quota_per_minute{org=\"gold\"}",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
    service.stop();
}

#[test]
fn a_protected_org_is_written_to_when_its_name_is_repeated() {
    let lab = Lab::new();
    lab.configure_org("tenant", "    protected: true\n");
    let service = Serving::start(&lab, &[]);
    let asked = |carry: Value| json!({"name": "tenant", "sourceOrgId": "gold", "carry": carry});
    let refused = service
        .post("/api/v2/orgs", &asked(json!({})))
        .send()
        .expect("an answer");
    assert_eq!(refused.status(), 403);
    assert!(
        json_of(refused)["detail"]
            .as_str()
            .expect("why")
            .contains("protected")
    );
    let place = service.ask(service.post("/api/v2/orgs", &asked(json!({"confirm": "tenant"}))));
    assert_eq!(service.end(&place)["state"], "Completed");
    service.stop();
}

#[test]
fn a_job_is_cancelled_and_what_makes_no_sense_is_said() {
    let lab = Lab::new();
    let delay = orgsmith_sim::FaultRule::new(orgsmith_sim::FaultAction::DelayMs(20_000))
        .on("GET", "/api/v2/routing/queues");
    lab.sim.add_fault(delay);
    let service = Serving::start(&lab, &[]);
    let place = service.ask(service.post("/api/v2/orgs/gold/export", &json!({})));
    let id = json_of(service.get(&place).send().expect("an answer"))["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let cancel = format!("/api/v2/jobs/{id}/cancel");
    assert_eq!(
        service
            .post(&cancel, &json!({}))
            .send()
            .expect("an answer")
            .status(),
        202
    );
    assert_eq!(service.end(&place)["state"], "Cancelled");
    assert_eq!(
        service
            .post(&cancel, &json!({}))
            .send()
            .expect("an answer")
            .status(),
        409
    );
    for (path, body, status, why) in [
        ("/api/v2/orgs/nowhere/export", json!({}), 404, "nowhere"),
        (
            "/api/v2/orgs/gold/export",
            json!({"entityTypes": ["queuez"]}),
            400,
            "queuez",
        ),
        (
            "/api/v2/orgs/gold/export",
            json!({"entities": []}),
            422,
            "entities",
        ),
        (
            "/api/v2/jobs",
            json!({"task": {"kind": "explode", "org": "gold"}}),
            422,
            "explode",
        ),
        ("/api/v2/nothing", json!({}), 404, "/api"),
    ] {
        let answer = service.post(path, &body).send().expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{path}");
        let detail = json_of(answer)["detail"]
            .as_str()
            .expect("a detail")
            .to_owned();
        assert!(detail.contains(why), "{path}: {detail}");
    }
    service.stop();
}
