//! Every way in which a service can fail: the run converges, or it stops with a stated reason; in both
//! cases nothing is done twice, and what is left is done when the fault is over.

use std::time::Duration;

use orgsmith_client::{Client, Credentials, Endpoint};
use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::document::Portable;
use orgsmith_core::id::{Kind, ObjectRef, OrgName};
use orgsmith_core::plan::{FLOW_SOURCE, Options, Plan, Planner};
use orgsmith_engine::{Events, Finished, Org, Scope, collect};
use orgsmith_sim::{Config, FaultAction, FaultRule, Lag, Limits};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, FileFailurePersistence, TestRunner};
use serde_json::json;

use crate::lab::{Lab, told};

/// What must come of a run.
pub enum Must {
    /// Every step is done.
    Converge,
    /// Some are not, and the reason says this.
    Say(&'static str),
}

/// A name, what happens, to which calls, how often, and what must come of it.
pub type Row = (
    &'static str,
    FaultAction,
    (&'static str, &'static str),
    u64,
    Must,
);

/// Returns a client that loses its patience quickly.
fn hasty(url: &str) -> Org {
    let credentials = Credentials {
        client_id: "gold-client".to_owned(),
        secret: "gold-secret".into(),
    };
    let client = Client::builder(Endpoint::base_url(url), credentials)
        .org("gold")
        .tokens(2)
        .seed(7)
        .max_attempts(4)
        .max_elapsed(Duration::from_secs(10))
        .backoff(Duration::from_millis(1), Duration::from_millis(8))
        .timeout(Duration::from_millis(1500))
        .max_body(1 << 20)
        .build()
        .expect("a client");
    Org {
        name: OrgName::new("gold"),
        region: None,
        client,
    }
}

async fn lab() -> Lab {
    let mut config = Config::with_orgs(["gold"]);
    config.limits = Limits::none();
    Lab::configured(config).await
}

/// A few objects that need one another: a circle, a member, a link.
fn few() -> Bundle {
    some(true)
}

/// The same, perhaps without the flow, whose import takes its time.
fn some(with_flow: bool) -> Bundle {
    let mut bundle = Bundle::default();
    "few".clone_into(&mut bundle.source.org_name);
    let home = json!({"$ref": "auth_division/~home"});
    let objects = [
        (
            "routing_skill/Billing",
            json!({"name": "Billing", "division": home}),
        ),
        (
            "routing_wrapupcode/Done",
            json!({"name": "Done", "division": home}),
        ),
        (
            "user/ana@example.com",
            json!({"name": "Ana", "email": "ana@example.com", "state": "active", "division": home,
                "skills": [{"id": {"$ref": "routing_skill/Billing"}, "proficiency": 3}]}),
        ),
        (
            "flow/inqueuecall/Wait",
            json!({"name": "Wait", "type": "INQUEUECALL", "division": home}),
        ),
        (
            "routing_queue/Billing",
            json!({"name": "Billing", "division": home, "queueFlow": {"$ref": "flow/inqueuecall/Wait"},
                "members": [{"user": {"$ref": "user/ana@example.com"}}],
                "wrapUpCodes": [{"$ref": "routing_wrapupcode/Done"}]}),
        ),
    ];
    for (object, mut body) in objects {
        if !with_flow {
            if object.starts_with("flow/") {
                continue;
            }
            if let Some(fields) = body.as_object_mut() {
                fields.remove("queueFlow");
            }
        }
        let object: ObjectRef = object.parse().expect("a reference");
        let source: &[u8] = b"inqueueCall:\n  name: Wait\n  defaultLanguage: en-us\n";
        let is_flow = object.kind.as_str() == "flow";
        let files = is_flow.then(|| (FLOW_SOURCE.to_owned(), source.into()));
        bundle.insert(Portable {
            object,
            body: body.as_object().cloned().expect("an object"),
            files: files.into_iter().collect(),
        });
    }
    bundle
}

/// Plans a bundle against the org, of which no more is read than its kinds.
async fn planned(lab: &Lab, bundle: &Bundle) -> Plan {
    let kinds = bundle.documents.keys().map(|object| object.kind.clone());
    let scope = Scope {
        kinds: kinds.chain([Kind::new("auth_division")]).collect(),
        in_full: Some(bundle.documents.keys().cloned().collect()),
        deleted: true,
        ..Scope::default()
    };
    let org = hasty(lab.sim.base_url());
    let live = collect(&org, Catalogue::builtin(), &scope, &Events::none()).await;
    let live = live.expect("an org that can be reached");
    Planner::new(Catalogue::builtin(), Options::default()).plan(bundle, &live)
}

/// Goes on with a run until it is complete; a fault that is over leaves nothing undone.
async fn mend(lab: &Lab, bundle: &Bundle, finished: &Finished, what: &str) {
    assert_eq!(mended(lab, bundle, finished).await, (0, 0), "{what}");
}

/// Goes on with a run, and tells how many steps are left and how many requests made something twice.
async fn mended(lab: &Lab, bundle: &Bundle, finished: &Finished) -> (usize, usize) {
    lab.sim.clear_faults();
    if !finished.outcome.is_complete() {
        let org = hasty(lab.sim.base_url());
        lab.resume_by(&finished.run, &org).await;
    }
    let left = planned(lab, bundle).await;
    (left.steps.len(), lab.doubles("gold").len())
}

fn status(status: u16) -> FaultAction {
    FaultAction::Status {
        status,
        retry_after_s: None,
    }
}

fn wait(retry_after_s: u64) -> FaultAction {
    FaultAction::Status {
        status: 429,
        retry_after_s: Some(retry_after_s),
    }
}

/// Everything that can happen to writes.
pub fn table() -> Vec<Row> {
    use FaultAction as F;
    use Must::{Converge, Say};
    let always = 1_000_000;
    let queues = "/api/v2/routing/queues";
    let any = "/api/v2/*";
    vec![
        ("reset before", F::ResetBefore, ("POST", any), 3, Converge),
        ("reset after", F::ResetAfter, ("POST", any), 3, Converge),
        (
            "reset for ever",
            F::ResetBefore,
            ("POST", queues),
            always,
            Say("connection"),
        ),
        (
            "slow answer",
            F::DelayMs(2500),
            ("POST", queues),
            1,
            Converge,
        ),
        // No pause in it is long; together they are. What was made is found by its name.
        ("slow body", F::DribbleMs(100), ("POST", any), 3, Converge),
        (
            "slow body for ever",
            F::DribbleMs(100),
            ("POST", queues),
            always,
            Converge,
        ),
        (
            "truncated body",
            F::TruncateBody,
            ("POST", any),
            3,
            Converge,
        ),
        (
            "malformed JSON",
            F::MalformedJson,
            ("POST", any),
            3,
            Converge,
        ),
        (
            "HTML page",
            F::Html { status: 502 },
            ("POST", any),
            3,
            Converge,
        ),
        (
            "HTML page that says 200",
            F::Html { status: 200 },
            ("POST", queues),
            1,
            Converge,
        ),
        (
            "oversize answer",
            F::Pad(2 << 20),
            ("POST", queues),
            1,
            Converge,
        ),
        (
            "400",
            status(400),
            ("POST", queues),
            always,
            Say("status 400"),
        ),
        ("401 once", status(401), ("POST", queues), 1, Converge),
        (
            "401 for ever",
            status(401),
            ("POST", any),
            always,
            Say("401"),
        ),
        (
            "403 on one kind",
            status(403),
            ("POST", queues),
            always,
            Say("status 403"),
        ),
        (
            "404 on a creation",
            status(404),
            ("POST", queues),
            always,
            Say("status 404"),
        ),
        ("408", status(408), ("POST", any), 3, Converge),
        (
            "409",
            status(409),
            ("POST", queues),
            always,
            Say("status 409"),
        ),
        (
            "429 without a time",
            status(429),
            ("POST", any),
            3,
            Converge,
        ),
        ("429 with a time", wait(1), ("POST", any), 2, Converge),
        (
            "429 until midnight",
            wait(40_000),
            ("POST", queues),
            always,
            Say("429"),
        ),
        ("500", status(500), ("POST", any), 2, Converge),
        (
            "500 after the work",
            F::StatusAfter { status: 500 },
            ("POST", any),
            2,
            Converge,
        ),
        (
            "502 after the work",
            F::StatusAfter { status: 502 },
            ("POST", any),
            2,
            Converge,
        ),
        ("503", status(503), ("POST", any), 3, Converge),
        (
            "503 for ever",
            status(503),
            ("POST", queues),
            always,
            Say("503"),
        ),
        (
            "504 after the work",
            F::StatusAfter { status: 504 },
            ("POST", any),
            3,
            Converge,
        ),
        ("504 on an update", status(504), ("P*", any), 3, Converge),
    ]
}

/// What came of a run that met faults.
#[derive(Debug)]
pub struct Fared {
    /// It did not converge, nor did it say what was expected.
    pub wrong: Option<String>,
    /// Steps that are not done when the faults are over and the run has been resumed.
    pub lost: usize,
    /// Requests that made something twice.
    pub doubled: usize,
}

/// Runs a plan through a row of the table.
pub async fn fare((what, action, (method, path), times, must): Row) -> Fared {
    let lab = lab().await;
    let bundle = few();
    let plan = planned(&lab, &bundle).await;
    let rule = FaultRule::new(action).on(method, path).times(times);
    lab.sim.add_fault(rule);
    let org = hasty(lab.sim.base_url());
    let finished = lab.run_by(&plan, &org, lab.state.clone()).await;
    let finished = finished.unwrap_or_else(|error| panic!("{what}: {error}"));
    let said = told(&plan, &finished);
    let complete = finished.outcome.is_complete();
    let as_expected = match must {
        // What was in doubt may need a second look, once the fault is over.
        Must::Converge => complete,
        Must::Say(reason) => !complete && said.contains(reason),
    };
    let (lost, doubled) = mended(&lab, &bundle, &finished).await;
    Fared {
        wrong: (!as_expected).then_some(said),
        lost,
        doubled,
    }
}

/// Runs a plan through faults, whatever they do to it.
pub async fn fare_through(schedule: &[FaultRule], with_flow: bool) -> Fared {
    let lab = lab().await;
    let bundle = some(with_flow);
    let plan = planned(&lab, &bundle).await;
    for rule in schedule {
        lab.sim.add_fault(rule.clone());
    }
    let org = hasty(lab.sim.base_url());
    let finished = lab.run_by(&plan, &org, lab.state.clone()).await;
    let finished = finished.expect("a run");
    let (lost, doubled) = mended(&lab, &bundle, &finished).await;
    Fared {
        wrong: None,
        lost,
        doubled,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_writes_the_run_converges_or_says_why_not() {
    for row in table() {
        let what = row.0;
        let fared = fare(row).await;
        assert_eq!(fared.wrong, None, "{what}");
        assert_eq!((fared.lost, fared.doubled), (0, 0), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_not_there_is_said_and_nothing_is_lost() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = closed.local_addr().expect("an address").port();
    drop(closed);
    let lab = lab().await;
    let bundle = few();
    let plan = planned(&lab, &bundle).await;
    let plain = lab.sim.base_url().replace("http://", "https://");
    for (what, url) in [
        ("refused", format!("http://127.0.0.1:{port}")),
        ("no TLS", plain),
        ("no such host", "https://nowhere.invalid".to_owned()),
    ] {
        let org = hasty(&url);
        let finished = lab.run_by(&plan, &org, lab.state.clone()).await;
        let finished = finished.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(finished.outcome.done(), 0, "{what}");
        let error = finished.outcome.error.as_ref();
        assert!(error.is_some(), "{what}: {}", told(&plan, &finished));
        assert_eq!(lab.writes("gold").len(), 0, "{what}");
        let scope = Scope {
            kinds: plan
                .steps
                .iter()
                .map(|step| step.object.kind.clone())
                .collect(),
            ..Scope::default()
        };
        collect(&org, Catalogue::builtin(), &scope, &Events::none())
            .await
            .expect_err("it cannot be read");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_are_revoked_all_the_time_are_got_again() {
    let lab = lab().await;
    let bundle = few();
    let plan = planned(&lab, &bundle).await;
    let org = hasty(lab.sim.base_url());
    let revoking = async {
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            lab.sim.revoke_tokens("gold");
        }
        std::future::pending::<()>().await;
    };
    let finished = tokio::select! {
        finished = lab.run_by(&plan, &org, lab.state.clone()) => finished.expect("a run"),
        () = revoking => unreachable!("it never ends"),
    };
    mend(&lab, &bundle, &finished, "revoked").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_visible_yet_is_waited_for() {
    let lab = lab().await;
    let bundle = few();
    let plan = planned(&lab, &bundle).await;
    lab.sim.set_lags(
        "gold",
        vec![Lag {
            path_prefix: "/api/v2/".to_owned(),
            read_ms: 150,
            list_ms: 150,
        }],
    );
    let finished = lab.run(&plan, "gold").await;
    lab.sim.set_lags("gold", Vec::new());
    mend(&lab, &bundle, &finished, "lag").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_reads_ends_and_says_what_is_missing() {
    use FaultAction as F;
    let queues = "/api/v2/routing/queues";
    let always = 1_000_000;
    for (what, action, times, whole) in [
        ("oversize page", F::Pad(2 << 20), always, false),
        ("page that repeats", F::SamePage, always, false),
        ("malformed page", F::MalformedJson, always, false),
        ("malformed page once", F::MalformedJson, 1, true),
        ("HTML page", F::Html { status: 200 }, always, false),
        ("HTML page once", F::Html { status: 502 }, 1, true),
        ("truncated page", F::TruncateBody, 1, true),
        ("slow page", F::DribbleMs(100), always, false),
        ("slow page once", F::DribbleMs(100), 1, true),
        ("403", status(403), always, false),
        ("500", status(500), always, false),
        ("reset", F::ResetBefore, 1, true),
    ] {
        let lab = lab().await;
        lab.apply(&few(), "gold").await;
        lab.sim
            .add_fault(FaultRule::new(action).on("GET", queues).times(times));
        let org = hasty(lab.sim.base_url());
        let scope = Scope {
            kinds: ["routing_queue", "routing_skill", "auth_division"]
                .map(Kind::new)
                .into(),
            ..Scope::default()
        };
        let read = collect(&org, Catalogue::builtin(), &scope, &Events::none()).await;
        let read = read.unwrap_or_else(|error| panic!("{what}: {error}"));
        let gaps = read
            .gaps
            .iter()
            .filter(|gap| gap.kind.as_str() == "routing_queue");
        assert_eq!(gaps.count() == 0, whole, "{what}: {:?}", read.gaps);
        let skills = read.objects.get(&Kind::new("routing_skill"));
        assert!(
            !skills.expect("skills").is_empty(),
            "{what}: the others are read"
        );
    }
}

/// One fault of a schedule.
fn fault() -> impl Strategy<Value = FaultRule> {
    use FaultAction as F;
    let action = prop_oneof![
        Just(F::ResetBefore),
        Just(F::ResetAfter),
        Just(F::TruncateBody),
        Just(F::MalformedJson),
        Just(F::Html { status: 502 }),
        Just(F::DelayMs(3)),
        prop_oneof![
            Just(408),
            Just(429),
            Just(500),
            Just(502),
            Just(503),
            Just(504),
            Just(401)
        ]
        .prop_map(status),
        prop_oneof![Just(500), Just(502), Just(504)].prop_map(|status| F::StatusAfter { status }),
        Just(status(409)),
    ];
    let place = prop_oneof![
        Just(("POST", "/api/v2/*")),
        Just(("P*", "/api/v2/*")),
        Just(("*", "/api/v2/*")),
        Just(("POST", "/api/v2/routing/*")),
        Just(("*", "/api/v2/flows/*")),
        Just(("GET", "/api/v2/*")),
    ];
    (action, place, 0..20_u64, 1..6_u64).prop_map(|(action, (method, path), skip, times)| {
        FaultRule::new(action)
            .on(method, path)
            .skip(skip)
            .times(times)
    })
}

/// A few faults at once, and whether there is a flow among the objects.
pub fn schedules() -> impl Strategy<Value = (Vec<FaultRule>, bool)> {
    (
        proptest::collection::vec(fault(), 1..5),
        proptest::bool::weighted(0.1),
    )
}

/// How many schedules run at a time: most of one is waiting for the next try.
const AT_ONCE: u32 = 8;

/// Runs schedules of faults at random: as many as `ORGSMITH_FAULT_SCHEDULES` says.
///
/// A failure is shrunk to the fewest faults, and its seed kept beside this file for ever.
#[test]
fn any_schedule_of_faults_ends_with_everything_done_once() {
    let asked = std::env::var("ORGSMITH_FAULT_SCHEDULES").ok();
    let cases: u32 = asked.and_then(|cases| cases.parse().ok()).unwrap_or(40);
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/matrix.seeds");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let some = || {
        let mut runner = TestRunner::new(Cases {
            cases: cases.div_ceil(AT_ONCE),
            failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
            max_shrink_iters: 200,
            ..Cases::default()
        });
        let result = runner.run(&schedules(), |(schedule, with_flow)| {
            let fared = runtime.block_on(fare_through(&schedule, with_flow));
            assert_eq!((fared.lost, fared.doubled), (0, 0), "{schedule:?}");
            Ok(())
        });
        result.map_err(|failure| failure.to_string())
    };
    let failed = std::thread::scope(|scope| {
        let all: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(some)).collect();
        let ended = all.into_iter().map(|some| some.join().expect("no panic"));
        ended.filter_map(Result::err).collect::<Vec<_>>()
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
