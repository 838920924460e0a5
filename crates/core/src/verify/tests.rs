use serde_json::json;

use super::*;
use crate::endpoints::{Answer, Answers, Place, Target};
use crate::examples::Example;
use crate::preflight::Unread;

fn object(name: &str) -> ObjectRef {
    name.parse().expect("a name")
}

fn published(id: &str) -> FlowAt {
    FlowAt::Published { id: id.to_owned() }
}

fn route(numbers: &[&str], open: Option<FlowAt>) -> Subjects {
    let flows = open.map(|at| ("open hours", ("Main".to_owned(), at)));
    let route = RouteAt {
        id: "route-1".to_owned(),
        numbers: numbers.iter().map(ToString::to_string).collect(),
        flows: flows.into_iter().collect(),
    };
    Subjects {
        routes: [(object("architect_ivr/Main line"), route)].into(),
        ..Subjects::default()
    }
}

fn owners(owners: &[(u64, &str)]) -> Facts {
    let owners = owners.iter().map(|(number, id)| {
        let owner = Owner {
            sort: "IVR_CONFIG".to_owned(),
            id: (*id).to_owned(),
            name: "Other line".to_owned(),
        };
        (*number, owner)
    });
    Facts {
        numbers: Some(Ok(owners.collect())),
        ..Facts::default()
    }
}

#[track_caller]
fn one(rows: Vec<Row>) -> (Verdict, String) {
    let [row] = &rows[..] else { panic!("{rows:?}") };
    (row.verdict, row.reason.clone())
}

#[test]
fn a_number_leads_to_a_published_flow_or_the_route_fails() {
    let number = "+4930111";
    let own = owners(&[(4930111, "route-1")]);
    let other = owners(&[(4930111, "route-2")]);
    let hidden = Facts {
        numbers: Some(Err(Unread::new("GET", "/x", Some(500), "down".to_owned()))),
        ..Facts::default()
    };
    for (subjects, facts, verdict, told) in [
        (
            route(&[number], Some(published("f"))),
            &own,
            Verdict::Ok,
            "leads to Main",
        ),
        (
            route(&[number], Some(published("f"))),
            &other,
            Verdict::Fail,
            "belongs to Other line",
        ),
        (
            route(&[number], Some(published("f"))),
            &owners(&[]),
            Verdict::Fail,
            "given to nobody",
        ),
        (
            route(&[number], Some(published("f"))),
            &hidden,
            Verdict::Unknown,
            "down",
        ),
        (
            route(&[number], Some(FlowAt::Unpublished)),
            &own,
            Verdict::Fail,
            "nobody has published",
        ),
        (
            route(&[number], Some(FlowAt::Missing)),
            &own,
            Verdict::Fail,
            "does not have",
        ),
        (
            route(&[number], Some(FlowAt::Unread)),
            &own,
            Verdict::Unknown,
            "could not be read",
        ),
        (
            route(&[number], None),
            &own,
            Verdict::Fail,
            "leads to no flow",
        ),
        (
            route(&[], Some(published("f"))),
            &own,
            Verdict::Warn,
            "no number",
        ),
        (route(&[], None), &own, Verdict::Warn, "neither"),
    ] {
        let (got, reason) = one(routes(&subjects, facts));
        assert_eq!(got, verdict, "{reason}");
        assert!(reason.contains(told), "{reason}");
    }
}

#[test]
fn a_flow_is_what_architect_says_of_it() {
    let judged = |at: FlowAt, said: Option<Told<Validated>>| {
        let flow = object("flow/inboundcall/Main");
        let subjects = Subjects {
            flows: [(flow.clone(), at)].into(),
            ..Subjects::default()
        };
        let facts = Facts {
            flows: said.into_iter().map(|said| (flow.clone(), said)).collect(),
            ..Facts::default()
        };
        one(flows(&subjects, &facts)).0
    };
    let refused = Unread::new(
        "POST",
        "/api/v2/flows/validate/jobs",
        Some(403),
        "no".to_owned(),
    );
    assert_eq!(judged(published("f"), Some(Ok(Ok(())))), Verdict::Ok);
    assert_eq!(
        judged(published("f"), Some(Ok(Err("queue gone".to_owned())))),
        Verdict::Fail
    );
    assert_eq!(judged(published("f"), Some(Err(refused))), Verdict::Unknown);
    assert_eq!(judged(published("f"), None), Verdict::Unknown);
    assert_eq!(judged(FlowAt::Unpublished, None), Verdict::Warn);
    assert_eq!(judged(FlowAt::Missing, None), Verdict::Fail);
}

#[test]
fn of_a_path_that_is_filled_in_later_only_the_host_is_judged() {
    let judged = |written: &str, pointer: Option<&str>, answer: Answer| {
        let place = Place {
            object: object("integration_action/x/X/X/Get"),
            pointer: pointer.map(str::to_owned),
            written: written.to_owned(),
            target: Target::read(written),
            kept: false,
        };
        let target = place.target.as_ref().map(|target| target.url().to_owned());
        let answers: Answers = target.map(|target| (target, answer)).into_iter().collect();
        one(urls(&[place], &answers)).0
    };
    let missing = || Answer::Status(404);
    assert_eq!(
        judged("https://a.example/v1", Some("/url"), missing()),
        Verdict::Warn
    );
    assert_eq!(
        judged("https://a.example/${input.x}", Some("/url"), missing()),
        Verdict::Ok
    );
    assert_eq!(
        judged("https://a.example/v1", Some("/url"), Answer::NoSuchHost),
        Verdict::Fail
    );
    assert_eq!(
        judged("https://a.example/v1", None, Answer::NoSuchHost),
        Verdict::Warn
    );
    assert_eq!(
        judged("https://a.example/v1", Some("/url"), Answer::Status(401)),
        Verdict::Ok
    );
    assert_eq!(
        judged("https://${input.host}/", Some("/url"), missing()),
        Verdict::Unknown
    );
}

#[test]
fn an_action_is_judged_by_its_examples_and_one_without_is_unknown() {
    let action = object("integration_action/x/X/X/Get");
    let subjects = Subjects {
        actions: [
            (action.clone(), "a1".to_owned()),
            (object("integration_action/x/X/X/Put"), "a2".to_owned()),
        ]
        .into(),
        ..Subjects::default()
    };
    let example = Example {
        name: object("example/Found"),
        action,
        input: serde_json::Map::new(),
        expect: Some(json!({"status": "open"})),
    };
    let judged = |tested: Tested| {
        let facts = Facts {
            tested: [(example.name.clone(), Ok(tested))].into(),
            ..Facts::default()
        };
        let rows = actions(&subjects, &facts, std::slice::from_ref(&example));
        assert_eq!((rows.len(), rows[1].verdict), (2, Verdict::Unknown));
        (rows[0].verdict, rows[0].reason.clone())
    };
    let result = |status: &str| Tested {
        result: Some(json!({"status": status, "more": 1})),
        error: None,
    };
    assert_eq!(judged(result("open")).0, Verdict::Ok);
    let (verdict, reason) = judged(result("closed"));
    assert_eq!(verdict, Verdict::Fail);
    assert!(reason.contains("/status is \"closed\""), "{reason}");
    let failed = Tested {
        result: None,
        error: Some("502 from the service".to_owned()),
    };
    assert_eq!(judged(failed).0, Verdict::Fail);
}

#[test]
fn licences_are_what_the_org_has_and_pays_for() {
    let judged = |defined: &[&str], used: f64| {
        let charge = Charge {
            names: vec!["Genesys Cloud CX 1".to_owned()],
            prepaid: 2.0,
            used,
        };
        let facts = Facts {
            licences: Some(Licences {
                defined: Ok(defined.iter().map(ToString::to_string).collect()),
                holders: Ok([("u1".to_owned(), ["cloudCX1".to_owned()].into())].into()),
                charges: Ok(vec![charge]),
            }),
            ..Facts::default()
        };
        one(licences(&facts)).0
    };
    assert_eq!(judged(&["cloudCX1"], 2.0), Verdict::Ok);
    assert_eq!(judged(&["cloudCX1"], 3.0), Verdict::Fail);
    assert_eq!(judged(&[], 1.0), Verdict::Fail);
}

#[test]
fn the_gravest_row_is_the_verdict_and_comes_first_in_its_check() {
    let rows = vec![
        Row::new(Check::Flow, "b", Verdict::Ok, ""),
        Row::new(Check::Plan, "p", Verdict::Ok, ""),
        Row::new(Check::Flow, "a", Verdict::Unknown, ""),
        Row::new(Check::Flow, "c", Verdict::Warn, ""),
    ];
    let report = Report::new("tenant", rows, 3);
    assert_eq!(report.verdict(), Verdict::Warn);
    let order: Vec<&str> = report.rows.iter().map(|row| row.object.as_str()).collect();
    assert_eq!(order, ["p", "c", "a", "b"]);
    assert_eq!(Report::new("tenant", Vec::new(), 0).verdict(), Verdict::Ok);
}
