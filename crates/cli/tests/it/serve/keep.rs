//! Orgs that are kept in step, and systems that tell of changes.

use std::time::{Duration, Instant};

use orgsmith_core::changes::sign;
use orgsmith_core::secret::Secret;
use serde_json::{Value, json};

use super::{Serving, alike, json_of};
use crate::lab::Lab;
use crate::stopping::wait_a_little;

const KEY: &str = "hook-key";

/// Two orgs that are alike, of which the tenant is kept in step with gold.
fn kept(mode: &str) -> (Lab, Serving) {
    let lab = Lab::new();
    for org in ["gold", "tenant"] {
        lab.write(
            "image/routing_queue/Support.yaml",
            "name: Support\ndescription: As it should be\n",
        );
        lab.run(&["apply", "image", "--to", org, "--yes"]).ends(0);
    }
    lab.configure(&format!(
        "drift: {{against: {{tenant: gold}}, policy: source-wins, created: ignore}}\n\
         service:\n  keep: {{tenant: {{mode: {mode}}}}}\n  hooks: {{bus: {{signed_by: bus, org: tenant}}}}\n",
    ));
    let mut command = lab.command(&["serve", "--listen", "127.0.0.1:0", "-o", "json"]);
    command.env("ORGSMITH_SECRET_BUS", KEY);
    (lab, Serving::of(command))
}

fn schedule(service: &Serving) -> Value {
    json_of(service.get("/api/v2/schedules").send().expect("an answer"))[0].take()
}

/// Waits until something holds of how the org is kept.
fn until(service: &Serving, what: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let shown = schedule(service);
        if what(&shown) {
            return shown;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{shown:#}");
        wait_a_little();
    }
}

/// Changes the queue of the tenant behind our back.
fn meddle(lab: &Lab, text: &str) {
    lab.write(
        "other/routing_queue/Support.yaml",
        format!("name: Support\ndescription: {text}\n"),
    );
    let elsewhere = [
        "apply",
        "other",
        "--to",
        "tenant",
        "--yes",
        "--force",
        "--state",
        "elsewhere.db",
    ];
    lab.run(&elsewhere).ends(0);
}

fn is_as_it_should_be(lab: &Lab) -> bool {
    alike(lab, "routing_queue").exit == 0
}

fn tell(service: &Serving, event: &str, key: &str) -> (u16, Value) {
    let now = jiff::Timestamp::now();
    let body = json!({"event": event, "at": now.to_string(),
                      "objects": [{"kind": "routing_queue", "id": "x"}]})
    .to_string();
    let signature = sign(&Secret::new(key.to_owned()), body.as_bytes(), now);
    let request = service.client.post(format!("{}/hooks/bus", service.url));
    let answer = request
        .header("x-orgsmith-signature", signature)
        .body(body)
        .send();
    let answer = answer.expect("an answer");
    (answer.status().as_u16(), json_of(answer))
}

#[test]
fn what_drifts_is_healed_when_somebody_tells_of_it_and_not_before() {
    let (lab, service) = kept("enforce");
    let quiet = |shown: &Value| shown["job"].is_null() && shown["scanned"].is_string();
    let first = until(&service, quiet);
    assert_eq!(first["open"], 0, "{first:#}");
    meddle(&lab, "Somebody else's");

    let (status, _) = tell(&service, "e1", "another-key");
    assert_eq!(status, 401);
    assert!(!is_as_it_should_be(&lab));
    let (status, taken) = tell(&service, "e1", KEY);
    assert_eq!((status, &taken["new"]), (202, &json!(1)));
    let (_, taken) = tell(&service, "e1", KEY);
    assert_eq!(taken["again"], 1, "the same again is no news");

    let started = Instant::now();
    while !is_as_it_should_be(&lab) {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{:#}",
            schedule(&service)
        );
        std::iter::repeat_n((), 10).for_each(|()| wait_a_little());
    }
    until(&service, |shown| {
        quiet(shown) && shown["reason"] == "there is no drift"
    });

    // Paused, it looks at nothing.
    let pause = "/api/v2/schedules/tenant/pause";
    let paused = service
        .post(pause, &json!({"reason": "a release"}))
        .send()
        .expect("an answer");
    assert_eq!(paused.status(), 200);
    tell(&service, "e2", KEY);
    until(&service, |shown| shown["reason"] == "paused: a release");
    service.stop();
}

#[test]
fn what_is_only_observed_stays_and_is_reverted_when_a_person_says_so() {
    let (lab, service) = kept("observe");
    until(&service, |shown| {
        shown["job"].is_null() && shown["scanned"].is_string()
    });
    meddle(&lab, "Somebody else's");
    tell(&service, "e1", KEY);
    let shown = until(&service, |shown| {
        shown["open"] == 1 && shown["job"].is_null()
    });
    assert!(
        shown["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("observed")),
        "{shown:#}"
    );
    assert!(!is_as_it_should_be(&lab));
    let jobs = json_of(
        service
            .get("/api/v2/jobs?kind=drift&limit=1")
            .send()
            .expect("an answer"),
    );
    assert_eq!(jobs[0]["result"]["drifted"], 1, "{jobs:#}");
    let select = ["kind=routing_queue,name=Support"];
    let asked =
        json!({"task": {"kind": "revert", "org": "tenant", "selected": {"select": select}}});
    let place = service.ask(service.post("/api/v2/jobs", &asked));
    let job = service.end(&place);
    assert_eq!(job["state"], "Completed", "{job:#}");
    assert!(is_as_it_should_be(&lab));
    service.stop();
}
