//! Onboarding of new users in another system, which is slow, limits, fails and recovers.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use orgsmith_sim::{FaultAction, FaultRule};
use serde_json::{Value, json};

use crate::http::{Request, read};
use crate::lab::{Lab, PLANTED, Shown};
use crate::stopping::wait_a_little;

/// What the other system saw of a request.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: BTreeMap<String, String>,
    body: Value,
}

#[derive(Default)]
struct World {
    seen: Vec<Seen>,
    /// How often each user's state was asked for.
    polls: BTreeMap<String, usize>,
    /// Nobody is provisioned.
    works: bool,
    /// Requests get no answer.
    hangs: bool,
    alerts: Vec<Value>,
}

/// Another system, on a port of its own.
struct Crm {
    address: String,
    world: Arc<Mutex<World>>,
}

impl Crm {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a port").to_string();
        let world = Arc::<Mutex<World>>::default();
        let of_thread = world.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let world = of_thread.clone();
                std::thread::spawn(move || serve(stream, &world));
            }
        });
        Self { address, world }
    }

    fn set(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world.lock().expect("not poisoned"));
    }

    fn requests(&self, of: &str) -> Vec<Seen> {
        let world = self.world.lock().expect("not poisoned");
        let posts = world
            .seen
            .iter()
            .filter(|seen| seen.line.starts_with("POST /agents"));
        posts
            .filter(|seen| seen.body["email"] == of)
            .cloned()
            .collect()
    }

    fn polls(&self, of: &str) -> usize {
        let world = self.world.lock().expect("not poisoned");
        world.polls.get(of).copied().unwrap_or(0)
    }
}

fn serve(stream: TcpStream, world: &Mutex<World>) {
    let Request {
        line,
        headers,
        body,
    } = read(&stream);
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let seen = Seen {
        line,
        headers,
        body,
    };
    let answer = answer(&seen, world);
    let mut stream = stream;
    match answer {
        Some((status, more, text)) => {
            let _ = write!(
                stream,
                "HTTP/1.1 {status} x\r\nconnection: close\r\n{more}content-length: {}\r\n\r\n{text}",
                text.len()
            );
        }
        // The connection stays open until the other side has gone.
        None => {
            let _ = stream.read(&mut [0]);
        }
    }
}

/// Answers as the name of the user asks for.
fn answer(seen: &Seen, world: &Mutex<World>) -> Option<(u16, &'static str, String)> {
    let mut world = world.lock().expect("not poisoned");
    world.seen.push(seen.clone());
    let email = seen.body["email"].as_str().unwrap_or_default().to_owned();
    let name = email.split('@').next().unwrap_or_default();
    let tries = world
        .seen
        .iter()
        .filter(|one| one.body["email"] == email.as_str());
    let tries = tries.count();
    if seen.line.starts_with("POST /alert") {
        world.alerts.push(seen.body.clone());
        return Some((204, "", String::new()));
    }
    if seen.line.starts_with("POST /agents") {
        if world.hangs {
            return None;
        }
        return Some(match (name, tries) {
            ("limited", 1) => (429, "retry-after: 1\r\n", "slow down".into()),
            ("flaky", 1 | 2) => (503, "", "restarting".into()),
            ("refused", _) => {
                let given = seen
                    .headers
                    .get("authorization")
                    .cloned()
                    .unwrap_or_default();
                (422, "", format!("no seat for you; you said {given}"))
            }
            ("huge", _) => (200, "", "x".repeat(300_000)),
            _ => (201, "", json!({"data": {"id": name}}).to_string()),
        });
    }
    // GET /agents/NAME
    let path = seen.line.split_whitespace().nth(1).unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let polls = world.polls.entry(name.clone()).or_default();
    *polls += 1;
    let polls = *polls;
    let state = |state: &str| (200, "", json!({"data": {"status": state}}).to_string());
    Some(match (name.as_str(), polls) {
        _ if world.works => state("WORKING"),
        ("nonsense", 1) => (200, "", "<html>hello</html>".into()),
        ("late", 1) => (404, "", "who?".into()),
        ("error", _) => (
            200,
            "",
            json!({"data": {"status": "ERROR", "why": "no licence"}}).to_string(),
        ),
        (_, 1) => state("WORKING"),
        _ => state("PROVISIONED"),
    })
}

/// An org without users, and a project that onboards them.
fn lab(crm: &Crm) -> Lab {
    let lab = Lab::new();
    lab.configure(&format!(
        "secrets: {{crm-token: {{file: token.txt}}}}\n\
         onboard:\n  request:\n    url: http://{0}/agents\n    id: $.data.id\n    timeout_s: 5\n\
         \x20   headers: {{Authorization: 'Bearer ${{secret.crm-token}}'}}\n\
         \x20   body: {{email: '${{user.email}}', id: '${{user.id}}', name: '${{user.name}}', org: '${{org.name}}', title: '${{user.title}}'}}\n\
         \x20 poll: {{url: 'http://{0}/agents/${{external.id}}', path: $.data.status, done: [PROVISIONED], failed: [ERROR], every_s: 0.05}}\n\
         \x20 attempts: 4\n  backoff_s: 0.02\n  parallel: 3\n  wait_s: 20\n\
         \x20 alert: {{url: 'http://{0}/alert', when_failed_over: 0.2}}\n",
        crm.address
    ));
    lab.private("token.txt", PLANTED);
    lab
}

fn users(lab: &Lab, names: &[&str]) {
    for name in names {
        let state = if *name == "idle" {
            "inactive"
        } else {
            "active"
        };
        lab.write(
            &format!("people/user/{name}@x.example.yaml"),
            format!(
                "name: {name} \"the\" user\nemail: {name}@x.example\nstate: {state}\n\
                 division: {{$ref: auth_division/~home}}\n"
            ),
        );
    }
}

fn onboard(lab: &Lab, more: &[&str], exit: i32) -> Value {
    let arguments = [&["onboard", "gold", "-o", "json"], more].concat();
    let shown: Shown = lab.run(&arguments).ends(exit);
    serde_json::from_str(&shown.stdout).expect("JSON and nothing else")
}

fn user<'v>(told: &'v Value, name: &str) -> &'v Value {
    let users = told["users"].as_array().expect("a list");
    let key = format!("user/{name}@x.example");
    users
        .iter()
        .find(|user| user["user"] == key.as_str())
        .expect("the user is listed")
}

fn shows_no_secret(lab: &Lab) {
    for file in [
        ".orgsmith/state.db",
        ".orgsmith/state.db-wal",
        "events.jsonl",
    ] {
        let bytes = fs::read(lab.path(file)).unwrap_or_default();
        let mut places = bytes.windows(PLANTED.len());
        assert!(!places.any(|bytes| bytes == PLANTED.as_bytes()), "{file}");
    }
}

const EVERYBODY: [&str; 9] = [
    "plain", "limited", "flaky", "nonsense", "late", "error", "refused", "huge", "idle",
];

#[test]
fn new_users_are_onboarded_after_the_run_and_failures_are_told() {
    let crm = Crm::start();
    let lab = lab(&crm);
    users(&lab, &EVERYBODY);
    let apply = [
        "apply",
        "people",
        "--to",
        "gold",
        "--yes",
        "--json-into",
        "events.jsonl",
    ];
    // That some are not onboarded is no failure of the run.
    let shown = lab.run(&apply).ends(0);
    assert!(
        shown
            .stderr
            .contains("5 provisioned, 0 requested, 0 pending, 3 failed"),
        "{shown}"
    );
    assert!(
        shown
            .stderr
            .contains("orgsmith onboard gold --retry-failed"),
        "{shown}"
    );

    let list = onboard(&lab, &["--list"], 0);
    assert_eq!(
        list["counts"],
        json!({"pending": 0, "requested": 0, "provisioned": 5, "failed": 3})
    );
    for name in ["plain", "limited", "flaky", "nonsense", "late"] {
        assert_eq!(user(&list, name)["stage"], "provisioned", "{list}");
    }
    let why = |name: &str| {
        user(&list, name)["error"]
            .as_str()
            .expect("a reason")
            .to_owned()
    };
    assert!(why("error").contains("no licence"), "{}", why("error"));
    assert!(
        why("refused").contains("422: no seat for you; you said Bearer ***"),
        "{}",
        why("refused")
    );
    assert!(why("huge").contains("longer than"), "{}", why("huge"));
    assert_eq!(
        list["users"].as_array().map(Vec::len),
        Some(8),
        "who is inactive is not onboarded"
    );
    assert!(crm.requests("idle@x.example").is_empty());

    let [sent] = &crm.requests("plain@x.example")[..] else {
        panic!("one request");
    };
    assert_eq!(sent.headers["authorization"], format!("Bearer {PLANTED}"));
    assert_eq!(
        (&sent.body["name"], &sent.body["org"]),
        (&json!("plain \"the\" user"), &json!("gold"))
    );
    assert_eq!(sent.body["title"], Value::Null);
    assert_eq!(sent.body["id"].as_str().map(str::len), Some(36));
    let flaky = crm.requests("flaky@x.example");
    let keys: Vec<&String> = flaky
        .iter()
        .map(|seen| &seen.headers["idempotency-key"])
        .collect();
    assert!(
        keys.len() == 3 && keys.iter().all(|key| *key == keys[0]),
        "{keys:?}"
    );
    let alerts = crm.world.lock().expect("not poisoned").alerts.clone();
    assert_eq!(alerts.len(), 1);
    assert_eq!(
        (&alerts[0]["org"], &alerts[0]["counts"]["failed"]),
        (&json!("gold"), &json!(3))
    );

    let events = fs::read_to_string(lab.path("events.jsonl")).expect("events");
    let ended = events
        .lines()
        .find(|line| line.contains("\"onboard_ended\""));
    let ended: Value = serde_json::from_str(ended.expect("an event")).expect("JSON");
    assert_eq!(
        (
            &ended["provisioned"],
            &ended["failed"],
            &ended["failure_rate"]
        ),
        (&json!(5), &json!(3), &json!(0.375))
    );
    shows_no_secret(&lab);

    // A second run creates nobody, and asks for nobody.
    let before = crm.world.lock().expect("not poisoned").seen.len();
    lab.run(&apply).ends(0);
    assert_eq!(crm.world.lock().expect("not poisoned").seen.len(), before);
    // Who failed is begun anew when a person says so, under another key.
    onboard(&lab, &[], 3);
    assert_eq!(crm.requests("refused@x.example").len(), 1);
    onboard(&lab, &["--retry-failed"], 3);
    let refused = crm.requests("refused@x.example");
    assert_ne!(
        refused[0].headers["idempotency-key"],
        refused[1].headers["idempotency-key"]
    );
    let table = lab.run(&["onboard", "gold", "--list"]).ends(0);
    assert!(table.stdout.contains("5 provisioned"), "{table}");
}

#[test]
fn a_run_does_not_wait_forever_and_the_step_is_taken_up_later() {
    let crm = Crm::start();
    let lab = lab(&crm);
    users(&lab, &["one", "two"]);
    let left = lab
        .run(&["apply", "people", "--to", "gold", "--yes", "--no-onboard"])
        .ends(0);
    assert!(left.stderr.contains("2 pending"), "{left}");
    assert!(crm.requests("one@x.example").is_empty());
    crm.set(|world| world.works = true);
    let told = onboard(&lab, &["--wait-s", "1"], 3);
    assert_eq!(told["counts"]["requested"], 2, "{told}");
    crm.set(|world| world.works = false);
    let told = onboard(&lab, &[], 0);
    assert_eq!(told["counts"]["provisioned"], 2);
    assert_eq!(crm.requests("one@x.example").len(), 1, "not sent again");

    // Without the secret the run is as good, and says what is left.
    users(&lab, &["three"]);
    fs::remove_file(lab.path("token.txt")).expect("our own file");
    let shown = lab
        .run(&["apply", "people", "--to", "gold", "--yes"])
        .ends(0);
    assert!(
        shown.stderr.contains("`orgsmith onboard gold` goes on"),
        "{shown}"
    );
    lab.private("token.txt", PLANTED);
    assert_eq!(onboard(&lab, &[], 0)["counts"]["provisioned"], 3);
}

#[test]
fn a_clone_into_several_orgs_onboards_the_users_of_each() {
    let crm = Crm::start();
    let lab = lab(&crm);
    users(&lab, &["plain", "error"]);
    let clone = ["clone", "people", "gold", "tenant", "--yes", "-o", "json"];
    let shown = lab.run(&clone).ends(0);
    let told: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    for target in told["targets"].as_array().expect("a list") {
        // What another system does not do is no failure of the clone.
        assert_eq!(
            (&target["exit"], &target["verdict"]),
            (&json!(0), &json!("equal"))
        );
        let counts = &target["onboarding"];
        assert_eq!(
            (&counts["provisioned"], &counts["failed"]),
            (&json!(1), &json!(1)),
            "{shown}"
        );
    }
    let sent = crm.requests("plain@x.example");
    let orgs: Vec<&str> = sent
        .iter()
        .filter_map(|seen| seen.body["org"].as_str())
        .collect();
    assert_eq!(orgs.len(), 2);
    assert!(
        orgs.contains(&"gold") && orgs.contains(&"tenant"),
        "{orgs:?}"
    );
    assert_ne!(
        sent[0].headers["idempotency-key"],
        sent[1].headers["idempotency-key"]
    );
    let alerts = crm.world.lock().expect("not poisoned").alerts.len();
    assert_eq!(alerts, 2, "one for each org");
}

#[test]
fn an_org_may_be_left_out() {
    let crm = Crm::start();
    let lab = lab(&crm);
    let project = fs::read_to_string(lab.path("orgsmith.yaml")).expect("a project");
    let quiet = project.replace("  gold:\n", "  gold:\n    onboard: false\n");
    lab.write("orgsmith.yaml", quiet);
    users(&lab, &["plain"]);
    lab.run(&["apply", "people", "--to", "gold", "--yes"])
        .ends(0);
    let shown = lab.run(&["onboard", "gold", "--list"]).ends(0);
    assert_eq!(shown.stdout, "No user of gold is to be onboarded.\n");
    assert!(crm.requests("plain@x.example").is_empty());
}

/// Starts an apply, and kills it when something can be seen.
fn killed_when(lab: &Lab, is_so: impl Fn() -> bool) {
    let mut child = lab
        .command(&["apply", "people", "--to", "gold", "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program");
    let started = Instant::now();
    while !is_so() {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "it never got there"
        );
        wait_a_little();
    }
    child.kill().expect("our own child");
    child.wait().expect("our own child");
}

#[cfg(target_os = "linux")]
#[test]
fn killed_between_request_and_state_nothing_is_sent_twice() {
    let crm = Crm::start();
    let lab = lab(&crm);
    users(&lab, &["one"]);
    crm.set(|world| world.works = true);
    // Once the state is asked for, the answer to the request is on disk.
    killed_when(&lab, || crm.polls("one") > 0);
    assert_eq!(
        user(&onboard(&lab, &["--list"], 0), "one")["stage"],
        "requested"
    );
    crm.set(|world| world.works = false);
    assert_eq!(onboard(&lab, &[], 0)["counts"]["provisioned"], 1);
    assert_eq!(crm.requests("one@x.example").len(), 1);

    // Killed before the answer: the request is the same one when it is sent again.
    users(&lab, &["two"]);
    crm.set(|world| world.hangs = true);
    killed_when(&lab, || !crm.requests("two@x.example").is_empty());
    crm.set(|world| world.hangs = false);
    assert_eq!(onboard(&lab, &[], 0)["counts"]["provisioned"], 2);
    let sent = crm.requests("two@x.example");
    assert_eq!(sent.len(), 2);
    assert_eq!(
        sent[0].headers["idempotency-key"],
        sent[1].headers["idempotency-key"]
    );
    shows_no_secret(&lab);
}

#[cfg(target_os = "linux")]
#[test]
fn whom_a_killed_run_made_is_found_by_the_next() {
    let crm = Crm::start();
    let lab = lab(&crm);
    users(&lab, &["one"]);
    lab.write("people/routing_skill/Late.yaml", "name: Late\n");
    let delay = FaultRule::new(FaultAction::DelayMs(3_000)).on("POST", "/api/v2/routing/skills");
    lab.sim.add_fault(delay);
    // The user is there and written down; the run has not ended.
    let files = [".orgsmith/state.db", ".orgsmith/state.db-wal"].map(|file| lab.path(file));
    let is_written = || {
        let bytes = files
            .iter()
            .flat_map(|file| fs::read(file).unwrap_or_default());
        let bytes: Vec<u8> = bytes.collect();
        let done = br#"user/one@x.example:create{"entry":"done""#;
        bytes.windows(done.len()).any(|bytes| bytes == done)
    };
    killed_when(&lab, is_written);
    lab.sim.clear_faults();
    assert_eq!(onboard(&lab, &["--list"], 0)["users"], json!([]));
    lab.run(&["apply", "people", "--to", "gold", "--yes"])
        .ends(0);
    assert_eq!(onboard(&lab, &["--list"], 0)["counts"]["provisioned"], 1);
    assert_eq!(crm.requests("one@x.example").len(), 1);
}

#[test]
fn a_slip_in_the_section_is_told_before_anything_is_read() {
    let crm = Crm::start();
    let lab = lab(&crm);
    users(&lab, &["one"]);
    let project = fs::read_to_string(lab.path("orgsmith.yaml")).expect("a project");
    let with = |old: &str, new: &str, exit: i32| {
        lab.write("orgsmith.yaml", project.replace(old, new));
        let shown = lab
            .run(&["apply", "people", "--to", "gold", "--yes"])
            .ends(exit);
        assert_eq!(lab.sim.ledger().len(), 0);
        shown.stderr
    };
    let typo = with("${user.title}", "${user.titel}", 64);
    assert!(
        typo.contains("onboard: request.body: a user has no field `titel` (did you mean `title`?)"),
        "{typo}"
    );
    let open = with("${org.name}", "${org.name", 1);
    assert!(open.contains("without `}`"), "{open}");
    let state = with("done: [PROVISIONED]", "done: []", 1);
    assert!(state.contains("poll.done"), "{state}");
    let http = with("url: http://127.0.0.1", "url: http://crm.example", 64);
    assert!(http.contains("unencrypted"), "{http}");
    let field = with("parallel: 3", "paralel: 3", 1);
    assert!(field.contains("did you mean `parallel`?"), "{field}");
    lab.write("orgsmith.yaml", "orgs: {}\n");
    let none = lab.run(&["onboard", "gold"]).ends(64);
    assert!(none.stderr.contains("unknown org"), "{none}");
}
