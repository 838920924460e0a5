//! What is sent, and what answers mean.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::catalogue::Catalogue;
use crate::id::{ObjectRef, OrgName, RunId, TargetId};
use crate::secret::Secret;

fn template(text: &str) -> Template {
    Template::parse(text).expect("a template")
}

fn setup() -> Setup {
    let headers = [("Authorization", "Bearer ${secret.crm}")];
    let headers: BTreeMap<_, _> = headers
        .map(|(name, value)| (name.to_owned(), template(value)))
        .into();
    Setup {
        request: Request {
            method: "POST".to_owned(),
            url: template("https://crm.example/agents"),
            headers: headers.clone(),
            body: Some(
                Body::new(&json!({
                    "email": "${user.email}", "text": "Hi ${user.name}", "acd": "${user.acdAutoAnswer}",
                    "division": "${user.division.name}", "tags": ["${org.name}", 1]
                }))
                .expect("a body"),
            ),
            id: Pointer::parse("$.id"),
        },
        poll: Some(Poll {
            url: template("https://crm.example/agents/${external.id}"),
            headers,
            path: Pointer::parse("$.status").expect("a path"),
            done: vec!["PROVISIONED".to_owned()],
            failed: vec!["ERROR".to_owned()],
        }),
        parallel: 4,
        pace: Pace {
            every_ms: 1_000,
            timeout_ms: 60_000,
            attempts: 3,
            base_ms: 1_000,
            cap_ms: 8_000,
        },
        alert: None,
    }
}

fn job() -> Job {
    let user: ObjectRef = "user/a@x.example".parse().expect("a reference");
    Job::new(
        &OrgName::new("gold"),
        user,
        TargetId::new("u1"),
        &RunId::new("r1"),
        0,
    )
}

fn secrets() -> BTreeMap<String, Secret> {
    [("crm".to_owned(), Secret::new("planted-secret".to_owned()))].into()
}

fn got(status: u16, body: &str) -> Answer<'_> {
    Answer::Got {
        status,
        retry_after_ms: None,
        body: body.as_bytes(),
    }
}

fn requested(answer: &Answer<'_>) -> Job {
    setup().after_request(&job(), answer, (5_000, 0.5), secrets().values())
}

fn polled(now_ms: u64, answer: &Answer<'_>) -> Job {
    let job = requested(&got(201, r#"{"id": "c-7"}"#));
    setup().after_poll(&job, answer, (now_ms, 0.5), secrets().values())
}

#[test]
fn a_request_holds_the_user_and_names_itself() {
    let secrets = secrets();
    let user =
        json!({"id": "u1", "email": "a@x.example", "name": "A \"B\"", "acdAutoAnswer": true});
    let values = Values {
        user: &user,
        org: "gold",
        external: None,
        secrets: &secrets,
    };
    let sent = setup().request(&values, "key-1");
    let body: Value = serde_json::from_str(sent.body.as_ref().expect("a body").expose()).unwrap();
    assert_eq!(
        body,
        json!({"email": "a@x.example", "text": "Hi A \"B\"", "acd": true, "division": null, "tags": ["gold", 1]})
    );
    let header = |name: &str| {
        let mut headers = sent.headers.iter();
        headers
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.expose().to_owned())
    };
    assert_eq!(header("idempotency-key").as_deref(), Some("key-1"));
    assert_eq!(header("content-type").as_deref(), Some("application/json"));
    assert_eq!(
        header("Authorization").as_deref(),
        Some("Bearer planted-secret")
    );
    assert!(!format!("{sent:?}").contains("planted-secret"));
    assert_eq!(setup().secrets(), ["crm".to_owned()].into());
    assert!(setup().needs_user(Stage::Pending) && !setup().needs_user(Stage::Requested));
}

#[test]
fn a_success_is_asked_about_until_it_says_done() {
    let job = requested(&got(201, r#"{"id": 7}"#));
    assert_eq!(
        (job.stage, job.external.as_deref()),
        (Stage::Requested, Some("7"))
    );
    assert_eq!((job.next_ms, job.since_ms), (6_000, 5_000));
    assert_eq!(
        polled(9_000, &got(200, r#"{"status": "WORKING"}"#)).stage,
        Stage::Requested
    );
    let done = polled(9_000, &got(200, r#"{"status": "PROVISIONED"}"#));
    assert_eq!((done.stage, done.error), (Stage::Provisioned, None));
    let failed = polled(
        9_000,
        &got(
            200,
            r#"{"status": "ERROR", "why": "planted-secret is wrong"}"#,
        ),
    );
    assert_eq!(failed.stage, Stage::Failed);
    let why = failed.error.expect("a reason");
    assert!(why.contains("*** is wrong"), "{why}");
}

#[test]
fn a_rate_limit_is_waited_for_and_no_try() {
    let limited = Answer::Got {
        status: 429,
        retry_after_ms: Some(30_000),
        body: b"slow down",
    };
    let job = requested(&limited);
    assert_eq!(
        (job.stage, job.attempts, job.next_ms),
        (Stage::Pending, 0, 35_000)
    );
}

#[test]
fn without_a_time_to_wait_a_rate_limit_is_waited_for_longer_each_time() {
    let mut job = job();
    let mut waits = Vec::new();
    for now_ms in [0, 2_000, 4_000, 60_000] {
        job = setup().after_request(&job, &got(429, ""), (now_ms, 0.5), []);
        waits.push(job.next_ms - now_ms);
    }
    assert_eq!(waits, [500, 1_000, 2_000, 4_000]);
    let forever = Answer::Got {
        status: 429,
        retry_after_ms: Some(u64::MAX),
        body: b"",
    };
    assert_eq!(requested(&forever).next_ms, 5_000 + 86_400_000);
    // A poll that fails is no reason to ask sooner.
    assert_eq!(polled(9_000, &got(503, "")).next_ms, 10_000);
}

#[test]
fn what_is_lost_is_tried_again_and_given_up() {
    let setup = setup();
    let lost = Answer::Lost {
        why: "connection refused".to_owned(),
    };
    let mut job = job();
    let mut waits = Vec::new();
    for answer in [&got(503, "busy"), &lost, &lost] {
        let next = setup.after_request(&job, answer, (0, 0.5), []);
        waits.push(next.next_ms);
        job = next;
    }
    assert_eq!(waits, [500, 1_000, 0]);
    assert_eq!(job.stage, Stage::Failed);
    let why = job.error.expect("a reason");
    assert_eq!(why, "given up after 3 tries: connection refused");
}

#[test]
fn a_refusal_is_the_end_and_shows_the_beginning_of_the_body() {
    let body = format!("  no\nsuch   plan {}", "x".repeat(500));
    let job = requested(&got(422, &body));
    assert_eq!(job.stage, Stage::Failed);
    let why = job.error.expect("a reason");
    assert!(why.starts_with("status 422: no such plan xxx"), "{why}");
    assert!(why.chars().count() < 230, "{why}");
    assert_eq!(requested(&got(302, "")).stage, Stage::Failed);
    // Of a poll, what is not known yet is waited for.
    assert_eq!(polled(9_000, &got(404, "?")).stage, Stage::Requested);
    assert_eq!(polled(9_000, &got(403, "no")).stage, Stage::Failed);
}

#[test]
fn nonsense_is_no_answer() {
    let job = requested(&got(200, "<html>"));
    assert_eq!((job.stage, job.attempts), (Stage::Pending, 1));
    let job = polled(9_000, &got(200, "<html>"));
    assert_eq!(job.stage, Stage::Requested);
    assert!(job.error.expect("a reason").contains("<html>"));
}

#[test]
fn who_is_not_there_in_time_has_failed() {
    assert_eq!(polled(64_999, &got(500, "")).stage, Stage::Requested);
    let late = polled(65_000, &got(200, r#"{"status": "WORKING"}"#));
    assert_eq!(late.stage, Stage::Failed);
    assert!(late.error.expect("a reason").contains("within 60 s"));
}

#[test]
fn a_job_is_begun_anew_for_a_new_user_or_by_a_person() {
    let job = job();
    assert_eq!(job.asked_again(&job), None);
    let other_run = Job {
        run: RunId::new("r2"),
        ..job.clone()
    };
    assert_eq!(job.asked_again(&other_run), None, "it is under way");
    let ended = Job {
        stage: Stage::Provisioned,
        ..job.clone()
    };
    assert_eq!(ended.asked_again(&job), None, "the same run goes on");
    assert_eq!(ended.asked_again(&other_run).map(|job| job.round), Some(2));
    let created_again = Job {
        id: TargetId::new("u2"),
        ..job.clone()
    };
    let anew = job.asked_again(&created_again).expect("another user");
    assert_eq!((anew.round, anew.id.as_str()), (2, "u2"));
    assert_ne!(job.retried(9).request_name(), job.request_name());
}

#[test]
fn a_slip_is_found_before_anything_is_sent() {
    let check = |change: &dyn Fn(&mut Setup)| {
        let mut setup = setup();
        change(&mut setup);
        let wrong = setup.check(Catalogue::builtin(), false);
        wrong.map_err(|wrong| wrong.to_string())
    };
    assert_eq!(check(&|_| {}), Ok(()));
    let url =
        |text: &'static str| check(&move |setup| setup.request.url = template(text)).unwrap_err();
    for text in [
        "http://crm.example/x",
        "http://127.crm.example/x",
        "http://localhost.example/x",
    ] {
        assert!(url(text).contains("unencrypted"), "{text}");
    }
    for text in [
        "crm.example/x",
        "https://${user.email}/x",
        "https://crm.example",
        "https://a@b.example/",
        "ftp://a/",
    ] {
        url(text);
    }
    assert!(url("https://crm.example/${secret.crm}").contains("header"));
    assert!(url("https://crm.example/${user.emial}").contains("did you mean `email`?"));
    let ok = check(&|setup| setup.request.url = template("http://127.0.0.1:80/x"));
    assert_eq!(ok, Ok(()));
    let none = check(&|setup| setup.request.id = None).unwrap_err();
    assert!(none.contains("request.id"), "{none}");
}

#[test]
fn counts_and_their_failure_rate() {
    let stages = [
        Stage::Failed,
        Stage::Provisioned,
        Stage::Provisioned,
        Stage::Provisioned,
        Stage::Pending,
    ];
    let jobs = stages.map(|stage| Job { stage, ..job() });
    let counts = Counts::of(&jobs);
    assert_eq!(
        (counts.pending, counts.provisioned, counts.failed),
        (1, 3, 1)
    );
    assert!((counts.failure_rate() - 0.25).abs() < f64::EPSILON);
    assert_eq!(Counts::default().failure_rate(), 0.0);
}
