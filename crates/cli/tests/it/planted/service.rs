//! The same for what runs on: a service with a worker, and whoever talks to it.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use orgsmith_core::changes::sign;
use orgsmith_core::secret::Secret;
use orgsmith_sim::{FaultAction, FaultRule};
use reqwest::blocking::{Client, RequestBuilder, multipart};
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use super::{Garden, WORD, files, garden, needles, parrot, plain, secret};
use crate::http;
use crate::serve::{Serving, json_of};
use crate::stopping::wait_a_little;

/// Where people sign in; it repeats in a refusal what it was sent.
fn issuer() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let issuer = url.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let request = http::read(&stream);
            let (status, text) = if request.line.starts_with("GET /.well-known/") {
                let found = json!({
                    "issuer": issuer,
                    "authorization_endpoint": format!("{issuer}/authorize"),
                    "token_endpoint": format!("{issuer}/token"),
                    "jwks_uri": format!("{issuer}/keys"),
                });
                (200, found.to_string())
            } else if request.line.starts_with("GET /keys ") {
                (200, json!({"keys": []}).to_string())
            } else {
                let body = String::from_utf8_lossy(&request.body);
                let said = format!("{} {:?} {body}", request.line, request.headers);
                let error = json!({"error": "invalid_client", "error_description": said});
                (401, error.to_string())
            };
            let length = text.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{text}"
            );
        }
    });
    url
}

/// A worker that is ended with the test.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Prepares a command of the service, which says all that it can to a file.
fn command(garden: &Garden, arguments: &[&str]) -> Command {
    let mut command = garden
        .lab
        .command(&[arguments, &["--log", "trace"]].concat());
    command
        .env("FROM_ENV", secret("variable"))
        .env("ORGSMITH_SECRET_BUS_KEY", secret("bus-key"))
        .env("ORGSMITH_SECRET_PIPE_KEY", plain("pipe-key"))
        .env("ORGSMITH_SECRET_OIDC_SECRET", secret("oidc-secret"))
        .env(
            "ORGSMITH_SECRET_WEBHOOK",
            format!("http://{}/services/{}", parrot(), plain("webhook")),
        )
        .env("TMPDIR", garden.lab.path("work"))
        .env("PATH", "/usr/bin:/bin");
    command
}

fn talk(garden: &Garden, name: &str) -> Stdio {
    fs::File::create(garden.lab.path(name))
        .expect("a file")
        .into()
}

/// Who asks, and keeps what is answered.
struct Asker<'g> {
    garden: &'g mut Garden,
    service: &'g Serving,
}

impl Asker<'_> {
    fn keep(&mut self, what: &str, request: RequestBuilder) -> u16 {
        let answer = request.send().expect("an answer");
        let status = answer.status().as_u16();
        let mut told = format!("{:?}\n", answer.headers()).into_bytes();
        told.extend(answer.bytes().expect("a body"));
        self.garden.written.add(&format!("answer of {what}"), told);
        status
    }

    fn get(&mut self, path: &str) -> u16 {
        let request = self.service.get(path);
        self.keep(path, request)
    }

    /// Has a job done, and keeps all that is told of it.
    #[track_caller]
    fn job(&mut self, path: &str, asked: &Value, states: &[&str]) -> Value {
        let place = self.service.ask(self.service.post(path, asked));
        self.ended(&place, states)
    }

    #[track_caller]
    fn ended(&mut self, place: &str, states: &[&str]) -> Value {
        let job = self.service.end(place);
        let state = job["state"].as_str().expect("a state");
        assert!(states.contains(&state), "{job:#}");
        let id = job["id"].as_str().expect("an id");
        let of_job = format!("/api/v2/jobs/{id}");
        for path in [
            place,
            &of_job,
            &format!("{of_job}/events"),
            &format!("/jobs/{id}"),
        ] {
            self.get(path);
        }
        for file in job["files"].as_array().expect("files") {
            let href = file["href"].as_str().expect("a place").to_owned();
            let bytes = self.service.get(&href).send().expect("an answer").bytes();
            let bytes = bytes.expect("a file").to_vec();
            self.garden.written.add(&href, bytes);
        }
        job
    }
}

/// Tells of changes, as those may who have a key, and as others try to.
fn post_hooks(asker: &mut Asker<'_>) {
    let service = asker.service;
    let now = jiff::Timestamp::now();
    let event = json!({"event": "1", "at": now.to_string(),
                       "objects": [{"kind": "routing_queue", "id": "x"}]});
    let event = event.to_string();
    let client = Client::new();
    let hook = |name: &str, header: &str, value: String, body: &str| {
        let request = client.post(format!("{}/hooks/{name}", service.url));
        request.header(header, value).body(body.to_owned())
    };
    let key = Secret::new(secret("bus-key"));
    let signed = |body: &str| sign(&key, body.as_bytes(), now);
    let bent = format!("[{{\"event\": {}", plain("bent-event"));
    for (name, header, value, body, status) in [
        ("bus", "x-orgsmith-signature", signed(&event), &event, 202),
        ("pipe", "x-api-key", plain("pipe-key"), &event, 202),
        ("pipe", "x-api-key", plain("wrong-key"), &event, 401),
        (
            "bus",
            "x-orgsmith-signature",
            plain("wrong-signature"),
            &event,
            401,
        ),
        (
            &plain("wrong-hook"),
            "x-api-key",
            plain("pipe-key"),
            &event,
            401,
        ),
        ("bus", "x-orgsmith-signature", signed(&bent), &bent, 400),
    ] {
        let request = hook(name, header, value, body);
        assert_eq!(asker.keep("a hook", request), status, "{name} {header}");
    }
}

/// Tries tokens that are none, wherever one may be shown.
fn guess(asker: &mut Asker<'_>) {
    let url = asker.service.url.clone();
    let client = Client::builder().redirect(Policy::none()).build();
    let client = client.expect("a client");
    let guess = format!("orgsmith_{}", plain("guess"));
    let orgs = || client.get(format!("{url}/api/v2/orgs"));
    let login = client.post(format!("{url}/login"));
    for (what, request, status) in [
        ("a wrong token", orgs().bearer_auth(&guess), 401),
        (
            "a wrong scheme",
            orgs().basic_auth("me", Some(plain("basic"))),
            401,
        ),
        (
            "a wrong cookie",
            orgs().header("cookie", format!("orgsmith={guess}")),
            401,
        ),
        (
            "a wrong login",
            login.form(&[("token", guess.as_str()), ("to", "/")]),
            401,
        ),
    ] {
        assert_eq!(asker.keep(what, request), status, "{what}");
    }
    // Who signs in elsewhere comes back with a code that the issuer does not take.
    let gone = client.get(format!("{url}/login/oidc?to=/")).send();
    let gone = gone.expect("an answer");
    assert_eq!(gone.status(), 303);
    let cookie = gone.headers()["set-cookie"].to_str().expect("a cookie");
    let cookie = cookie.split(';').next().expect("a value").to_owned();
    let place = gone.headers()["location"].to_str().expect("a place");
    let asked = url::Url::parse(place).expect("a URL");
    let (_, state) = asked
        .query_pairs()
        .find(|(name, _)| name == "state")
        .expect("a state");
    let back = format!("{url}/login/oidc/done?state={state}&code={}", plain("code"));
    let back = client.get(back).header("cookie", cookie);
    let status = asker.keep("a refused login", back);
    assert!(status >= 400, "{status}");
}

#[test]
fn a_planted_secret_is_in_nothing_that_a_service_and_its_worker_write() {
    let mut garden = garden();
    garden.lab.configure(&format!(
        "drift: {{against: {{tenant: gold}}}}\n\
         service:\n  alerts: webhook\n  watch: 5s\n  notifications: true\n  \
         alert_on: {{drift: 1}}\n  \
         keep: {{tenant: {{mode: propose}}}}\n  \
         hooks: {{bus: {{signed_by: bus-key, org: tenant}}, pipe: {{api_key: pipe-key}}}}\n  \
         oidc: {{issuer: '{}', client_id: us, client_secret: oidc-secret, url: 'http://localhost:7878', grants: {{a: {{role: viewer}}}}}}\n",
        issuer()
    ));
    fs::create_dir(garden.lab.path("work")).expect("a folder");
    let listen = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "-o",
        "json",
        "--workers",
        "0",
    ];
    let service = Serving::telling(command(&garden, &listen), talk(&garden, "serve.log"));
    let worker = command(&garden, &["worker"])
        .stdout(Stdio::null())
        .stderr(talk(&garden, "worker.log"))
        .spawn();
    let mut worker = Worker(worker.expect("the program"));
    let mut tokens = vec![
        service.token.clone(),
        service.mint("looker", "viewer", Value::Null),
    ];
    let mut asker = Asker {
        garden: &mut garden,
        service: &service,
    };
    let all = ["Completed", "Failed"];

    asker.job("/api/v2/orgs/gold/export", &json!({}), &["Completed"]);
    let planned = json!({"source": "gold", "org": "tenant"});
    asker.job("/api/v2/plans", &planned, &["Completed"]);
    // The org repeats in its refusals what it was sent, and who sent it.
    let echo = FaultRule::new(FaultAction::Echo { status: 400 }).org("tenant");
    let sim = &asker.garden.lab.sim;
    sim.add_fault(echo.clone().on("POST", "/api/v2/integrations/*"));
    let clone = json!({"name": "tenant", "sourceOrgId": "gold"});
    let refused = asker.job("/api/v2/orgs", &clone, &["Failed"]);
    asker.garden.lab.sim.clear_faults();
    let run = refused["result"]["run"].as_str();
    if let Some(run) = run {
        let resume = json!({"task": {"kind": "resume", "org": "tenant", "run": run}});
        asker.job("/api/v2/jobs", &resume, &all);
    }
    asker.job("/api/v2/orgs", &clone, &all);
    // What is not written must have been sent.
    let sent = asker.garden.lab.sim.kept("tenant", "credential");
    let crm = sent.iter().find(|one| one["name"] == "CRM");
    let fields = &crm.expect("it was created")["credentialFields"];
    assert_eq!(fields["userName"], secret("variable"), "{fields:#}");
    for (path, asked) in [
        ("/api/v2/orgs/tenant/drift", json!({})),
        ("/api/v2/compare", json!({"orgs": ["gold", "tenant"]})),
        (
            "/api/v2/jobs",
            json!({"task": {"kind": "verify", "org": "tenant"}}),
        ),
    ] {
        asker.job(path, &asked, &all);
    }
    post_hooks(&mut asker);
    guess(&mut asker);
    // The token itself is refused, and what the org says of it.
    asker
        .garden
        .lab
        .sim
        .add_fault(echo.on("POST", "/oauth/token"));
    asker.job("/api/v2/orgs/tenant/export", &json!({}), &all);
    asker.garden.lab.sim.clear_faults();
    pages(&mut asker);

    // A worker that is killed leaves the folder of its job behind.
    let lab = &asker.garden.lab;
    let slow = FaultRule::new(FaultAction::DelayMs(500)).org("tenant");
    lab.sim.add_fault(slow);
    let work = lab.path("work");
    let bundle = asker.service.get("/api/v2/orgs/gold/snapshots").send();
    let bundle = json_of(bundle.expect("an answer"))[0]["href"].clone();
    let bundle = asker.service.get(bundle.as_str().expect("a place")).send();
    let bundle = bundle.expect("an answer").bytes().expect("a zip").to_vec();
    let part = multipart::Part::bytes(bundle).file_name("bundle.zip");
    let import = Client::new().post(format!("{}/api/v2/orgs/tenant/import", service.url));
    let import = import.bearer_auth(&service.token);
    service.ask(import.multipart(multipart::Form::new().part("bundle", part)));
    let started = Instant::now();
    while files(&work).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(60), "nobody works");
        wait_a_little();
    }
    worker.0.kill().expect("it runs");
    worker.0.wait().expect("it ends");
    assert!(!files(&work).is_empty(), "its folder");
    service.stop();

    garden.run(&["state", "backup", "backup.gz"], &[0]);
    garden.gather();
    tokens.extend(garden.lab.sim.credentials());
    let found = garden.written.search(&needles(&tokens));
    assert!(
        found.is_empty(),
        "{} places\n{}",
        found.len(),
        found.join("\n")
    );
    // The search finds what is there.
    for (word, places) in [
        (
            "basicAuth",
            vec![
                "bundle.zip!",
                "state.db",
                "plan.json",
                "answer of /jobs/",
                "work/",
            ],
        ),
        ("unknown at 127.0.0.1", vec!["state.db", "answer of /audit"]),
        ("TRACE", vec!["serve.log", "worker.log"]),
        ("nobody could be alerted", vec!["worker.log"]),
        ("the issuer cannot be asked", vec!["serve.log"]),
        ("a hook was refused", vec!["serve.log"]),
        ("event: job", vec!["/events"]),
    ] {
        let seen = garden.written.search(&[word.as_bytes().to_vec()]);
        for place in places {
            let is_seen = seen.iter().any(|name| name.contains(place));
            assert!(
                is_seen,
                "{word} is not in {place}: {WORD} would not be found"
            );
        }
    }
}

/// Looks at all that can be looked at.
fn pages(asker: &mut Asker<'_>) {
    let described = asker.service.get("/api/openapi.json").send();
    let described = json_of(described.expect("an answer"));
    let paths = described["paths"].as_object().expect("paths");
    let gets = paths
        .iter()
        .filter(|(_, methods)| methods["get"].is_object());
    let gets: Vec<String> = gets
        .map(|(path, _)| path.replace("{org}", "tenant"))
        .filter(|path| !path.contains('{'))
        .collect();
    let runs = json_of(asker.service.get("/api/v2/runs").send().expect("an answer"));
    let runs = runs.as_array().expect("a list").iter();
    let runs = runs.filter_map(|run| run["id"].as_str());
    let runs = runs.flat_map(|id| [format!("/runs/{id}"), format!("/api/v2/runs/{id}")]);
    let pages = [
        "/",
        "/compare",
        "/drift",
        "/jobs",
        "/runs",
        "/map",
        "/numbers",
        "/audit",
        "/tokens",
        "/login",
        "/metrics",
        "/live/fleet",
        "/live/jobs",
        "/readyz",
    ];
    let pages = pages.into_iter().map(str::to_owned);
    for path in gets.into_iter().chain(runs).chain(pages) {
        let status = asker.get(&path);
        assert!(status == 200 || path.contains("drift"), "{path}: {status}");
    }
}
