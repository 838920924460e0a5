//! What somebody may not do is not to be had in a roundabout way.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, RequestBuilder, multipart};
use serde_json::{Value, json};

use super::{Serving, alike, json_of, seed};
use crate::lab::Lab;

/// Returns what is answered. The answer to what is too long comes before that is sent, and may be lost with
/// the connection.
fn status(request: RequestBuilder) -> u16 {
    let again = || request.try_clone().expect("it is no stream").send();
    let mut tries = (0..10).map(|_| again());
    let answer = tries.find_map(Result::ok).expect("an answer");
    answer.status().as_u16()
}

#[test]
fn a_token_for_one_org_reaches_no_run_and_no_plan_of_another() {
    let lab = Lab::new();
    seed(&lab);
    let run = lab.last_run();
    lab.write("more/routing_skill/Sales.yaml", "name: Sales\n");
    lab.run(&["apply", "more", "--to", "tenant", "--yes"])
        .ends(0);
    lab.configure_org("gold", "    protected: true\n");
    let mut service = Serving::start(&lab, &[]);
    let asked = json!({"source": "tenant", "org": "gold"});
    let place = service.ask(service.post("/api/v2/plans", &asked));
    let plan = service.end(&place);
    assert_eq!(plan["state"], "Completed", "{plan:#}");
    let before = lab.writes("gold");
    let all = service.token.clone();
    for token in [service.mint("theirs", "operator", json!(["tenant"])), all] {
        service.token = token;
        for run in [&run, &run[..6]] {
            for kind in ["rollback", "resume"] {
                let task = json!({"kind": kind, "org": "tenant", "run": run});
                let request = service.post("/api/v2/jobs", &json!({"task": task}));
                assert_eq!(status(request), 404, "{kind} {run}");
            }
        }
        let task = json!({"kind": "apply", "org": "tenant", "plan": plan["id"]});
        let request = service.post("/api/v2/jobs", &json!({"task": task}));
        assert_eq!(status(request), 404);
    }
    assert_eq!(lab.writes("gold"), before);

    // A plan is carried out once, wherever that is asked for.
    let task =
        json!({"kind": "apply", "org": "gold", "plan": plan["id"], "carry": {"confirm": "gold"}});
    let first = service.ask(service.post("/api/v2/jobs", &json!({"task": task})));
    let carry = json!({"confirm": "gold"});
    assert_eq!(
        first,
        service.ask(service.post(&format!("{place}/apply"), &carry))
    );
    assert_eq!(service.end(&first)["state"], "Completed");
    service.stop();
}

#[test]
fn a_task_with_a_field_that_nobody_knows_is_refused() {
    let lab = Lab::new();
    let service = Serving::start(&lab, &["--workers", "0"]);
    let task = json!({"kind": "clone", "source": "gold", "org": "tenant"});
    let asked = |task: &Value, more: Value| {
        let mut asked = json!({"task": task});
        let fields = asked.as_object_mut().expect("fields");
        fields.extend(more.as_object().expect("fields").clone());
        status(service.post("/api/v2/jobs", &asked))
    };
    let mut mistyped = task.clone();
    mistyped["selcted"] = json!({"select": ["routing_skill"]});
    assert_eq!(asked(&mistyped, json!({})), 422, "all would be cloned");
    assert_eq!(asked(&task, json!({"calerId": "once"})), 422);
    assert_eq!(asked(&task, json!({"callerId": "once"})), 202);
    service.stop();
}

#[test]
fn what_cannot_be_meant_is_refused_at_once() {
    let lab = Lab::new();
    lab.configure("drift: {against: {tenant: gold}}\nservice: {watch: off, keep: {tenant: {full_scan: []}}}\n");
    let service = Serving::start(&lab, &["--workers", "0"]);
    let export =
        json!({"task": {"kind": "export", "org": "gold", "selected": {"select": ["quue=Sales"]}}});
    let over = json!({"reason": "x", "until": "2020-01-01T00:00:00Z"});
    let token = |more: Value| {
        let mut token = json!({"name": "x", "role": "viewer"});
        let fields = token.as_object_mut().expect("fields");
        fields.extend(more.as_object().expect("fields").clone());
        token
    };
    for (path, body, says) in [
        ("/api/v2/jobs", export, "did you mean \"queue\"?"),
        ("/api/v2/schedules/tenant/pause", over, "is over"),
        ("/api/v2/tokens", token(json!({"orgs": []})), "no org"),
        ("/api/v2/tokens", token(json!({"days": 0})), "a day or more"),
    ] {
        let answer = service.post(path, &body).send().expect("an answer");
        assert_eq!(answer.status(), 400, "{path} {body}");
        let problem = json_of(answer);
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains(says), "{detail}");
    }
    let ours = token(json!({"name": "reconciliation"}));
    assert_eq!(status(service.post("/api/v2/tokens", &ours)), 409);
    let answer = service
        .client
        .put(format!("{}/api/v2/orgs", service.url))
        .send();
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    service.stop();
}

#[test]
fn who_has_lost_the_first_token_makes_another_where_the_service_runs() {
    let lab = Lab::new();
    let service = Serving::start(&lab, &[]);
    service.stop();
    let service = Serving::start(&lab, &["--new-token"]);
    let tokens = json_of(service.get("/api/v2/tokens").send().expect("an answer"));
    let roles: Vec<&Value> = tokens
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["role"])
        .collect();
    assert_eq!(roles, ["admin", "admin"], "{tokens:#}");
    let acts = json_of(service.get("/api/v2/audit").send().expect("an answer"));
    assert_eq!(acts[0]["actor"], "whoever started the service", "{acts:#}");
    service.stop();
}

#[test]
fn a_clone_as_the_guides_ask_for_it_needs_not_one_of_each() {
    let lab = Lab::new();
    seed(&lab);
    let service = Serving::start(&lab, &[]);
    let flags = [
        "users",
        "groups",
        "routingQueues",
        "routingFlows",
        "routingEmailDomains",
        "routingSkills",
        "routingWrapupCodes",
        "routingOutbound",
    ];
    let flags: serde_json::Map<_, _> = flags
        .map(|flag| (flag.to_owned(), json!(true)))
        .into_iter()
        .collect();
    let asked = json!({"name": "tenant", "sourceOrgId": "gold", "clone": flags});
    let job = service.end(&service.ask(service.post("/api/v2/orgs", &asked)));
    assert_eq!(job["state"], "Completed", "{job:#}");
    alike(&lab, "routing_queue").ends(0);
    let drift = service
        .end(&service.ask(service.post("/api/v2/orgs/tenant/drift", &json!({"against": "gold"}))));
    assert_eq!(drift["state"], "Completed", "{drift:#}");
    assert_eq!(drift["message"], Value::Null, "a difference is no failure");
    service.stop();
}

#[test]
fn an_import_by_the_id_of_another_bundle_is_refused() {
    let lab = Lab::new();
    for name in ["one", "two"] {
        lab.write(
            &format!("{name}/routing_skill/{name}.yaml"),
            format!("name: {name}\n"),
        );
        lab.run(&["bundle", "pack", name, &format!("{name}.zip")])
            .ends(0);
    }
    let service = Serving::start(&lab, &["--workers", "0"]);
    let import = |name: &str| {
        let zip = std::fs::read(lab.path(&format!("{name}.zip"))).expect("a zip");
        let part = multipart::Part::bytes(zip).file_name("bundle.zip");
        let place = format!("{}/api/v2/orgs/tenant/import?importId=x", service.url);
        let request = service.client.post(place).bearer_auth(&service.token);
        let answer = request.multipart(multipart::Form::new().part("bundle", part));
        let answer = answer.send().expect("an answer");
        (answer.status().as_u16(), json_of(answer)["id"].clone())
    };
    let first = import("one");
    assert_eq!(first.0, 202);
    assert_eq!(import("one"), first);
    assert_eq!(import("two").0, 409);
    service.stop();
}

#[test]
fn what_nobody_asked_to_be_so_long_is_not_read_and_a_hook_is_not_guessed_for_long() {
    let lab = Lab::new();
    lab.configure("service: {hooks: {bus: {api_key: bus}}}\n");
    let mut command = lab.command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "-o",
        "json",
        "--workers",
        "0",
    ]);
    command.env("ORGSMITH_SECRET_BUS", "the key");
    let service = Serving::of(command);
    let post = |key: &str, body: Vec<u8>| {
        // A connection of its own: who was not read to the end is hung up on.
        let request = Client::new().post(format!("{}/hooks/bus", service.url));
        request.header("x-api-key", key).body(body)
    };
    let hook = |key: &str, body: Vec<u8>| status(post(key, body));
    let event = json!({"event": "1", "at": jiff::Timestamp::now().to_string(), "objects": []});
    let event = event.to_string().into_bytes();
    assert_eq!(hook("the key", event.clone()), 202);
    let long = json!({"orgs": [" ".repeat(3 << 20)]});
    for request in [
        post("", vec![b' '; 2 << 20]),
        service.post("/api/v2/compare", &long),
    ] {
        // Whoever is still sending when it is answered may only see that nobody listens.
        match request.send() {
            Ok(answer) => assert_eq!(answer.status(), 413),
            Err(error) => assert!(error.is_request(), "{error:?}"),
        }
    }
    let guesses: Vec<u16> = (0..40).map(|_| hook("a guess", event.clone())).collect();
    assert_eq!(guesses[0], 401);
    assert!(guesses.contains(&429), "{guesses:?}");
    // Who knows it is not kept out by who does not.
    assert_eq!(hook("the key", event), 202);
    service.stop();
}

#[test]
fn who_listens_to_a_job_does_not_keep_the_service_from_ending() {
    let lab = Lab::new();
    let service = Serving::start(&lab, &["--workers", "0"]);
    let place = service.ask(service.post("/api/v2/orgs/gold/export", &json!({})));
    let job = place.rsplit('/').next().expect("an id");
    let listening = service.get(&format!("/api/v2/jobs/{job}/events")).send();
    let listening = BufReader::new(listening.expect("a stream"));
    let started = Instant::now();
    service.stop();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    assert!(listening.lines().all(|line| line.is_ok()), "it was cut off");
}
