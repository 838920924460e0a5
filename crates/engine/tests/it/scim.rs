//! Users by SCIM: the same world for fewer calls, and by the plain calls where an org refuses.

use futures::{StreamExt, stream};
use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::document::Portable;
use orgsmith_core::id::ObjectRef;
use orgsmith_core::journal::StepState;
use orgsmith_core::plan::Plan;
use orgsmith_core::validate::normalise;
use orgsmith_sim::{Config, FaultAction, FaultRule, Scim};
use serde_json::{Value, json};

use crate::crash::survives_in;
use crate::lab::{Lab, told};

const SCIM: &str = "/api/v2/scim/v2/users";
const PLAIN: &str = "/api/v2/users";

/// Skills of the one who has the most: as many as a call takes, and more.
const FEW: usize = 3;
const MANY: usize = 52;

/// A crew with all that SCIM has a word for, and some that has more; one has so many skills.
fn crew(most: usize) -> Bundle {
    let mut bundle = Bundle::default();
    bundle.source.org_name = "crew".to_owned();
    let mut add = |object: &str, body: Value| {
        let Value::Object(body) = body else {
            panic!("{object} is no object")
        };
        let object: ObjectRef = object.parse().expect("kind/key");
        bundle.insert(Portable {
            object,
            body,
            files: Default::default(),
        });
    };
    let to = |object: &str| json!({ "$ref": object });
    let claims = to("auth_division/Claims");
    add(
        "auth_division/Claims",
        json!({"name": "Claims", "description": "claims"}),
    );
    add("routing_language/English", json!({"name": "English"}));
    for number in 0..most {
        let name = format!("Skill {number}");
        add(&format!("routing_skill/{name}"), json!({ "name": name }));
    }
    let skills = |count: usize| -> Vec<Value> {
        let skill =
            |n| json!({"id": {"$ref": format!("routing_skill/Skill {n}")}, "proficiency": n % 6});
        (0..count).map(skill).collect()
    };
    let user = |name: &str, more: Value| {
        let mut body = json!({"name": name, "email": format!("{name}@crew.example"), "state": "active",
            "division": {"$ref": "auth_division/~home"}});
        for (field, value) in more.as_object().expect("fields") {
            body[field] = value.clone();
        }
        (format!("user/{name}@crew.example"), body)
    };
    let english = json!([{"id": to("routing_language/English"), "proficiency": 5}]);
    let phone =
        |sort: &str, number: &str| json!({"mediaType": "PHONE", "type": sort, "address": number});
    for (object, body) in [
        // Nothing that a second call would be for.
        user("boss", json!({"title": "Lead"})),
        user(
            "ana",
            json!({"manager": to("user/boss@crew.example"), "skills": skills(3), "languages": english,
                "division": claims, "department": "Claims", "title": "Agent",
                "externalIds": [{"authorityName": "crm", "externalKey": "A-1"}, {"authorityName": "hr", "externalKey": "17"}],
                "addresses": [phone("WORK", "+13175550150"), phone("MOBILE", "+13175550151"),
                    {"mediaType": "EMAIL", "type": "WORK", "address": "ana@work.example"}]}),
        ),
        user(
            "ben",
            json!({"manager": to("user/ana@crew.example"), "state": "inactive", "skills": skills(1)}),
        ),
        // Perhaps more skills than a call takes, and a field that SCIM does not know.
        user(
            "cleo",
            json!({"skills": skills(most), "acdAutoAnswer": true, "manager": to("user/ben@crew.example")}),
        ),
        // A number that SCIM has no word for.
        user(
            "dan",
            json!({"skills": skills(2), "addresses": [{"mediaType": "PHONE", "type": "WORK", "extension": "1234"}]}),
        ),
    ] {
        add(&object, body);
    }
    normalise(Catalogue::builtin(), &mut bundle);
    bundle
}

/// Returns the names of those who were created by a path.
fn created(lab: &Lab, path: &str) -> Vec<String> {
    let writes = lab.writes("gold").into_iter();
    let creations = writes.filter(|entry| {
        entry.method == "POST" && entry.path == path && (200..300).contains(&entry.status)
    });
    let name = |body: &Value| {
        let email = body.get("userName").or(body.get("email"));
        let email = email.and_then(Value::as_str).unwrap_or_default();
        email.split('@').next().unwrap_or_default().to_owned()
    };
    let mut names: Vec<String> = creations
        .filter_map(|entry| entry.body.as_ref().map(name))
        .collect();
    names.sort();
    names
}

fn tried(lab: &Lab) -> usize {
    let writes = lab.writes("gold").into_iter();
    writes.filter(|entry| entry.path == SCIM).count()
}

async fn by_scim(most: usize) -> (Lab, Bundle, Plan) {
    let mut lab = Lab::with_orgs(["gold"]).await;
    lab.scim = true;
    let bundle = crew(most);
    let plan = lab.plan(&bundle, "gold").await;
    (lab, bundle, plan)
}

/// What the crew is in an org to which it came by the plain calls.
async fn by_plain_calls(most: usize) -> (Lab, Bundle) {
    let lab = Lab::with_orgs(["gold"]).await;
    lab.apply(&crew(most), "gold").await;
    let wanted = lab.export("gold").await;
    (lab, wanted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_world_is_the_same_for_fewer_calls() {
    let (plain, wanted) = by_plain_calls(MANY).await;
    let (lab, bundle, plan) = by_scim(MANY).await;
    let together = |step: &orgsmith_core::plan::Step| {
        let scim = step.scim.as_ref()?;
        let suffix = |id: &str| id.rsplit(':').next().map(str::to_owned);
        let does = scim
            .does
            .iter()
            .filter_map(|does| suffix(does.step.as_str()));
        Some((
            step.object.key.to_string(),
            does.collect::<Vec<_>>().join(" "),
        ))
    };
    let told: Vec<_> = plan.steps.iter().filter_map(together).collect();
    assert_eq!(
        told,
        [
            (
                "ana@crew.example".into(),
                "link skills languages+1 externalIds+1 externalIds+2".to_owned()
            ),
            ("ben@crew.example".into(), "link skills".to_owned()),
            ("cleo@crew.example".into(), "skills".to_owned()),
        ]
    );
    lab.apply(&bundle, "gold").await;
    assert_eq!(created(&lab, SCIM), ["ana", "ben", "cleo"]);
    assert_eq!(created(&lab, PLAIN), ["boss", "dan"]);
    // Five calls, two and one are saved.
    assert_eq!(plain.writes("gold").len(), lab.writes("gold").len() + 8);
    assert_eq!(plan.estimate.calls, lab.writes("gold").len());
    assert_eq!(lab.export("gold").await.documents, wanted.documents);
    let left = lab.plan(&bundle, "gold").await;
    assert!(left.is_empty(), "{:#?}", left.steps);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_org_refuses_one_call_shows_it_and_the_plain_ones_are_made() {
    let (_, wanted) = by_plain_calls(FEW).await;
    for scim in [Scim::Forbidden, Scim::Absent] {
        let mut config = Config::with_orgs(["gold"]);
        config.orgs[0].scim = scim;
        let mut lab = Lab::configured(config).await;
        lab.scim = true;
        lab.apply(&crew(FEW), "gold").await;
        assert_eq!(tried(&lab), 1, "{scim:?}");
        assert_eq!(created(&lab, PLAIN).len(), 5, "{scim:?}");
        assert_eq!(lab.export("gold").await.documents, wanted.documents);
    }
    for (status, tries) in [(405, 1), (501, 1), (400, 3)] {
        let (lab, bundle, _) = by_scim(FEW).await;
        let refuse = FaultAction::Status {
            status,
            retry_after_s: None,
        };
        lab.sim.add_fault(FaultRule::new(refuse).on("POST", SCIM));
        lab.apply(&bundle, "gold").await;
        assert_eq!(tried(&lab), tries, "{status}");
        assert_eq!(created(&lab, PLAIN).len(), 5, "{status}");
        assert_eq!(lab.export("gold").await.documents, wanted.documents);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_is_refused_goes_by_the_plain_calls_and_the_others_by_scim() {
    let (_, wanted) = by_plain_calls(FEW).await;
    let (lab, bundle, _) = by_scim(FEW).await;
    let refuse = FaultAction::Status {
        status: 400,
        retry_after_s: None,
    };
    lab.sim
        .add_fault(FaultRule::new(refuse).on("POST", SCIM).skip(1).times(1));
    lab.apply(&bundle, "gold").await;
    assert_eq!((tried(&lab), created(&lab, SCIM).len()), (3, 2));
    assert_eq!(created(&lab, PLAIN).len(), 3);
    assert_eq!(lab.export("gold").await.documents, wanted.documents);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_makes_nobody_twice() {
    use FaultAction as F;
    let (_, wanted) = by_plain_calls(FEW).await;
    for action in [
        F::ResetBefore,
        F::ResetAfter,
        F::TruncateBody,
        F::MalformedJson,
        F::Html { status: 502 },
        F::StatusAfter { status: 500 },
        F::StatusAfter { status: 504 },
    ] {
        // Lost once, or whenever it is tried.
        for times in if action == F::ResetAfter {
            1..=2
        } else {
            1..=1
        } {
            let (lab, bundle, plan) = by_scim(FEW).await;
            let rule = FaultRule::new(action.clone()).on("POST", SCIM).times(times);
            lab.sim.add_fault(rule);
            let finished = lab.run(&plan, "gold").await;
            let what = format!("{action:?} {times}: {}", told(&plan, &finished));
            assert!(finished.outcome.is_complete(), "{what}");
            assert_eq!(lab.sim.objects("gold", "user").len(), 5, "{what}");
            lab.expect_no_double("gold");
            lab.sim.clear_faults();
            assert_eq!(
                lab.export("gold").await.documents,
                wanted.documents,
                "{what}"
            );
            assert!(lab.plan(&bundle, "gold").await.is_empty(), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_any_journal_entry_nobody_is_made_twice() {
    let (lab, bundle, plan) = by_scim(FEW).await;
    lab.apply(&bundle, "gold").await;
    let wanted = lab.export("gold").await;
    let entries = i64::try_from(plan.steps.len() * 2).expect("few steps");
    stream::iter(0..entries)
        .for_each_concurrent(8, |k| {
            let (bundle, wanted) = (&bundle, &wanted);
            async move {
                let mut lab = Lab::with_orgs(["gold"]).await;
                lab.scim = true;
                survives_in(&lab, bundle, wanted, k, entries).await;
                assert_eq!(lab.sim.objects("gold", "user").len(), 5, "k = {k}");
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_a_manager_who_cannot_be_made_is_made_all_the_same() {
    let (lab, mut bundle, _) = by_scim(FEW).await;
    let dan: ObjectRef = "user/dan@crew.example".parse().expect("kind/key");
    bundle.documents.remove(&dan);
    let plan = lab.plan(&bundle, "gold").await;
    let refuse = FaultAction::Status {
        status: 400,
        retry_after_s: None,
    };
    // The boss alone goes by the plain call.
    lab.sim
        .add_fault(FaultRule::new(refuse).on("POST", PLAIN).times(1));
    let finished = lab.run(&plan, "gold").await;
    let states = &finished.outcome.states;
    let open = plan.steps.iter().map(|step| &step.id);
    let open: Vec<&str> = open
        .filter(|id| !states.get(*id).is_some_and(StepState::is_done))
        .map(|id| id.as_str())
        .collect();
    // Whatever else she is to have comes behind her manager by the plain calls.
    assert!(open.contains(&"user/boss@crew.example:create"), "{open:?}");
    let of_ana = |id: &&&str| id.starts_with("user/ana@crew.example:");
    assert_eq!(open.iter().filter(of_ana).count() + 1, open.len());
    assert_eq!(created(&lab, PLAIN), ["ana"], "she does not wait for him");
    assert_eq!(created(&lab, SCIM), ["ben", "cleo"]);
    let again = lab.resume(&finished.run, "gold").await;
    assert!(again.outcome.is_complete(), "{}", told(&plan, &again));
    assert!(lab.plan(&bundle, "gold").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_was_told_wrong_is_read_once() {
    let (lab, bundle, plan) = by_scim(FEW).await;
    let stale = FaultAction::Status {
        status: 409,
        retry_after_s: None,
    };
    // The only update is that of Cleo's automatic answer.
    let rule = FaultRule::new(stale).on("PATCH", "/api/v2/users/*");
    lab.sim.add_fault(rule.times(1));
    let finished = lab.run(&plan, "gold").await;
    assert!(finished.outcome.is_complete(), "{}", told(&plan, &finished));
    let writes = lab.writes("gold");
    let patched = writes.iter().filter(|entry| entry.method == "PATCH");
    assert_eq!(patched.count(), 2);
    assert!(lab.plan(&bundle, "gold").await.is_empty());
}
