//! Orgs that are kept in step, and systems that tell of changes.

use std::time::{Duration, Instant};

use orgsmith_core::changes::sign;
use orgsmith_core::secret::Secret;
use orgsmith_sim::{Bridge, Config};
use serde_json::{Value, json};

use super::{Serving, alike, json_of};
use crate::lab::Lab;
use crate::stopping::wait_a_little;

const KEY: &str = "hook-key";

/// The bundle that both orgs are made of: some queues.
fn image(lab: &Lab, folder: &str, queues: &[&str], text: &str) {
    for queue in queues {
        lab.write(
            &format!("{folder}/routing_queue/{queue}.yaml"),
            format!("name: {queue}\ndescription: {text}\n"),
        );
    }
}

/// Two orgs that are alike, of which the tenant is kept in step with gold, as `keep` says.
fn prepared(lab: &Lab, queues: &[&str], keep: &str, service: &str) {
    image(lab, "image", queues, "As it should be");
    for org in ["gold", "tenant"] {
        lab.run(&["apply", "image", "--to", org, "--yes"]).ends(0);
    }
    lab.configure(&format!(
        "drift: {{against: {{tenant: gold}}, policy: source-wins, created: ignore}}\n\
         service:\n  keep: {{tenant: {{{keep}}}}}\n  hooks: {{bus: {{signed_by: bus, org: tenant}}}}\n{service}",
    ));
}

fn serve(lab: &Lab, listen: &str) -> Serving {
    let mut command = lab.command(&["serve", "--listen", listen, "-o", "json"]);
    command.env("ORGSMITH_SECRET_BUS", KEY);
    Serving::of(command)
}

/// Starts a service that nobody tells of changes but by a hook.
fn kept(queues: &[&str], keep: &str) -> (Lab, Serving) {
    let lab = Lab::new();
    prepared(&lab, queues, keep, "  watch: off\n");
    let service = serve(&lab, "127.0.0.1:0");
    until(&service, is_quiet);
    (lab, service)
}

/// Tells whether everything was looked at, and nothing is under way.
fn is_quiet(shown: &Value) -> bool {
    shown["job"].is_null() && shown["scanned"].is_string()
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

/// Changes a queue of the tenant behind our back.
fn meddle(lab: &Lab, text: &str) {
    meddle_with(lab, &["Support"], text);
}

fn meddle_with(lab: &Lab, queues: &[&str], text: &str) {
    image(lab, "other", queues, text);
    behind_our_back(lab, &["apply", "other", "--to", "tenant"]);
}

fn behind_our_back(lab: &Lab, what: &[&str]) {
    let rest = ["--yes", "--force", "--state", "elsewhere.db"];
    lab.run(&[what, &rest].concat()).ends(0);
}

/// Waits until the tenant is as gold is.
fn until_healed(lab: &Lab, service: &Serving) {
    let started = Instant::now();
    while !is_as_it_should_be(lab) {
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "{:#}",
            schedule(service)
        );
        std::iter::repeat_n((), 10).for_each(|()| wait_a_little());
    }
}

/// Lists the looks for drift that the service took, the last first, by what they looked at.
fn looks(service: &Serving) -> Vec<Value> {
    let jobs = json_of(
        service
            .get("/api/v2/jobs?kind=drift")
            .send()
            .expect("an answer"),
    );
    let jobs = jobs.as_array().expect("jobs").iter();
    jobs.map(|job| job["task"]["selected"]["select"].clone())
        .collect()
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
    let (lab, service) = kept(&["Support"], "mode: enforce");
    assert_eq!(schedule(&service)["open"], 0);
    meddle(&lab, "Somebody else's");

    let (status, _) = tell(&service, "e1", "another-key");
    assert_eq!(status, 401);
    assert!(!is_as_it_should_be(&lab));
    let (status, taken) = tell(&service, "e1", KEY);
    assert_eq!((status, &taken["new"]), (202, &json!(1)));
    let (_, taken) = tell(&service, "e1", KEY);
    assert_eq!(taken["again"], 1, "the same again is no news");

    until_healed(&lab, &service);
    until(&service, |shown| {
        is_quiet(shown) && shown["reason"] == "there is no drift"
    });

    // Healed a moment ago, it is left alone for a while.
    meddle(&lab, "Once more");
    tell(&service, "e2", KEY);
    until(&service, |shown| {
        let left = "what drifted was healed before, and is left alone for now";
        is_quiet(shown) && shown["reason"] == left
    });
    assert!(!is_as_it_should_be(&lab));

    // Paused, it looks at nothing.
    let pause = "/api/v2/schedules/tenant/pause";
    let paused = service
        .post(pause, &json!({"reason": "a release"}))
        .send()
        .expect("an answer");
    assert_eq!(paused.status(), 200);
    tell(&service, "e3", KEY);
    until(&service, |shown| shown["reason"] == "paused: a release");
    service.stop();
}

#[test]
fn what_is_only_observed_stays_and_is_reverted_when_a_person_says_so() {
    let (lab, service) = kept(&["Support"], "mode: observe");
    meddle(&lab, "Somebody else's");
    tell(&service, "e1", KEY);
    let shown = until(&service, |shown| shown["open"] == 1 && is_quiet(shown));
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

#[test]
fn outside_its_windows_an_org_is_only_looked_at() {
    // Never: the day does not exist.
    let (lab, service) = kept(
        &["Support"],
        "mode: enforce, windows: ['0 0 30 2 * for 1h']",
    );
    meddle(&lab, "Somebody else's");
    tell(&service, "e1", KEY);
    until(&service, |shown| {
        is_quiet(shown) && shown["reason"] == "1 objects drifted; no window is open"
    });
    assert!(!is_as_it_should_be(&lab));
    service.stop();
}

#[test]
fn a_source_that_lost_much_changes_nothing() {
    let names: Vec<String> = (0..12).map(|index| format!("Queue {index:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (lab, service) = kept(&names, "mode: enforce");
    image(&lab, "less", &names[..3], "As it should be");
    behind_our_back(&lab, &["sync", "less", "--to", "gold", "--prune"]);
    tell(&service, "e1", KEY);
    let lost = |reason: &str| reason.starts_with("the source lost 9 of ");
    until(&service, |shown| {
        is_quiet(shown) && shown["reason"].as_str().is_some_and(lost)
    });
    assert_eq!(lab.sim.objects("tenant", "queue").len(), 12);
    service.stop();
}

#[test]
fn what_the_audits_tell_of_is_read_again_and_nothing_else() {
    let lab = Lab::new();
    prepared(
        &lab,
        &["Sales", "Support"],
        "mode: enforce",
        "  watch: 1s\n",
    );
    let service = serve(&lab, "127.0.0.1:0");
    until(&service, is_quiet);
    assert_eq!(looks(&service), [json!([])], "everything, once");
    let before = lab.sim.ledger().len();

    meddle(&lab, "Somebody else's");
    until_healed(&lab, &service);
    until(&service, |shown| {
        is_quiet(shown) && shown["reason"] == "there is no drift"
    });
    // What is new in the source comes over as well.
    image(&lab, "more", &["Service"], "New");
    behind_our_back(&lab, &["apply", "more", "--to", "gold"]);
    until_healed(&lab, &service);
    assert_eq!(lab.sim.objects("tenant", "queue").len(), 3);

    let mut looked = looks(&service);
    assert_eq!(looked.pop(), Some(json!([])));
    for look in &looked {
        let terms = look.as_array().expect("terms");
        let about = |term: &Value| term.as_str().expect("a term").to_owned();
        assert!(!terms.is_empty());
        for term in terms.iter().map(about) {
            assert!(
                term == "kind=routing_queue,name=Support"
                    || term == "kind=routing_queue,name=Service",
                "{term}"
            );
        }
    }
    // Nobody read a kind of which nothing was told.
    let read = |path: &str| {
        let entries = lab.sim.ledger().into_iter().skip(before);
        let mut entries = entries.filter(|entry| entry.method == "GET");
        entries.any(|entry| entry.path.starts_with(path))
    };
    assert!(read("/api/v2/routing/queues"));
    for path in [
        "/api/v2/outbound",
        "/api/v2/authorization/roles",
        "/api/v2/recording",
    ] {
        assert!(!read(path), "{path}");
    }
    service.stop();
}

#[test]
fn what_is_notified_is_read_again() {
    let lab = Lab::new();
    prepared(
        &lab,
        &["Sales", "Support"],
        "mode: enforce",
        "  watch: off\n  notifications: true\n",
    );
    let service = serve(&lab, "127.0.0.1:0");
    until(&service, is_quiet);
    let subscribed = |lab: &Lab| {
        let entries = lab.sim.ledger().into_iter();
        let mut entries = entries.filter(|entry| entry.org.as_deref() == Some("tenant"));
        entries.any(|entry| entry.path.ends_with("/subscriptions") && entry.status == 200)
    };
    let started = Instant::now();
    while !subscribed(&lab) {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "no subscription"
        );
        wait_a_little();
    }
    meddle(&lab, "Somebody else's");
    until_healed(&lab, &service);
    let mut looked = looks(&service);
    assert_eq!(looked.pop(), Some(json!([])));
    assert!(
        looked.contains(&json!(["kind=routing_queue,name=Support"])),
        "{looked:?}"
    );
    service.stop();
}

#[test]
fn events_that_are_lost_are_made_up_for_by_the_scan() {
    // Before the service is there, it must be known where it will be.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listen = free.local_addr().expect("its address").to_string();
    drop(free);
    let mut config = Config::with_orgs(["gold", "tenant"]);
    config.bridge = Some(Bridge {
        url: format!("http://{listen}/hooks/bus"),
        secret: Some(KEY.to_owned()),
        drop_percent: 30,
        duplicate_percent: 20,
        reorder: true,
        ..Bridge::default()
    });
    let lab = Lab::of(config);
    let names: Vec<String> = (0..70).map(|index| format!("Queue {index:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    prepared(
        &lab,
        &names,
        "mode: enforce, full_scan: ['* * * * *']",
        "  watch: off\n",
    );
    let service = serve(&lab, &listen);
    until(&service, is_quiet);
    let before = lab.sim.bridge_report();

    // No more than the change brake lets pass.
    meddle_with(&lab, &names[..20], "Somebody else's");
    until_healed(&lab, &service);
    let report = lab.sim.bridge_report();
    assert!(report.dropped > before.dropped, "{report:?}");
    assert!(report.posted > before.posted, "{report:?}");
    let looked = looks(&service);
    let (all, told): (Vec<&Value>, Vec<&Value>) =
        looked.iter().partition(|look| **look == json!([]));
    assert!(!told.is_empty(), "{looked:?}");
    assert!(all.len() > 1, "{looked:?}");
    service.stop();
}
