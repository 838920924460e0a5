use serde_json::{Value, json};

use super::{Approval, Brake, check, foreign_ids};
use crate::document::{Captured, Files};
use crate::id::{Kind, SourceId};
use crate::plan::{Counts, FORMAT, Finding, Plan, Severity};
use crate::snapshot::Snapshot;

const ID: &str = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

/// Writes a step that posts a body.
fn step(id: &str, after: &[&str], body: Value) -> Value {
    let (object, suffix) = id.rsplit_once(':').expect("an id");
    let create = suffix == "create";
    json!({
        "id": id, "object": object, "action": if create { "create" } else { "link" }, "phase": 0,
        "reason": "a test", "after": after,
        "write": {"by": "request", "method": "POST", "path": "/api/v2/things", "body": body, "creates": create},
    })
}

fn plan(steps: &[Value]) -> Plan {
    let side = json!({"org": {"org_name": "acme"}, "digest": "blake3:0"});
    let plan = json!({
        "format": FORMAT, "source": side, "target": side, "steps": steps, "bindings": {"routing_skill/Old": "t-1"},
        "blobs": {}, "counts": {}, "conflicts": [], "gaps": [], "findings": [],
        "estimate": {"calls": 0, "minutes": 0.0},
    });
    serde_json::from_value(plan).expect("a plan")
}

/// Returns the rule and message of what speaks against a plan.
fn against(plan: Plan) -> Vec<String> {
    match check(plan, [ID], Brake::On) {
        Ok(_) => Vec::new(),
        Err(rejected) => rejected
            .findings
            .into_iter()
            .map(|f| format!("{}: {}", f.rule, f.message))
            .collect(),
    }
}

#[test]
fn a_good_plan_passes_and_tells_its_secrets() {
    let skill = json!({"$ref": "routing_skill/Old"});
    let good = plan(&[
        step(
            "routing_queue/A:create",
            &[],
            json!({"skill": skill, "key": {"$secret": "crm"}}),
        ),
        step(
            "routing_queue/A:link",
            &["routing_queue/A:create"],
            json!({"self": {"$ref": "routing_queue/A"}}),
        ),
        step(
            "routing_queue/B:link",
            &["routing_queue/A:link"],
            json!([{"$ref": "routing_queue/A"}]),
        ),
    ]);
    let digest = good.digest();
    let checked = check(good, [ID], Brake::On).expect("a good plan");
    assert_eq!(checked.secrets().iter().collect::<Vec<_>>(), ["crm"]);
    assert_eq!(checked.approve(&Approval { digest }), Ok(()));
    let other = Approval {
        digest: "blake3:1".into(),
    };
    assert!(
        checked
            .approve(&other)
            .is_err_and(|error| error.approved == "blake3:1")
    );
}

#[test]
fn steps_are_unique_and_follow_what_they_need() {
    let found = against(plan(&[
        step("a/A:create", &["a/C:create"], json!({})),
        step("a/A:create", &["a/X:create"], json!({})),
        step("a/B:create", &["a/B:create"], json!({})),
        step("a/C:create", &[], json!({})),
    ]));
    insta::assert_snapshot!(found.join("\n"), @r#"
duplicate-step: step a/A:create: the plan has this step twice
prerequisite: step a/A:create: it needs a/C:create, which does not come before it
prerequisite: step a/A:create: it needs a/X:create, which is not in the plan
prerequisite: step a/B:create: it needs a/B:create, which does not come before it
"#);
}

#[test]
fn a_step_waits_for_the_creation_of_what_it_names() {
    let found = against(plan(&[
        step("a/A:create", &[], json!({})),
        step(
            "a/B:create",
            &[],
            json!({"x": {"$ref": "a/A"}, "y": {"$ref": "a/Nowhere"}}),
        ),
    ]));
    insta::assert_snapshot!(found.join("\n"), @r#"
unbound-reference: step a/B:create: body: a/A is created by a/A:create, which the step does not wait for
unbound-reference: step a/B:create: body: a/Nowhere is neither in the target nor created
"#);
}

#[test]
fn nothing_of_the_source_is_sent() {
    let mut bad = plan(&[
        step("a/A:create", &[], json!({"list": [{"id": ID}]})),
        step(
            "a/B:create",
            &[],
            json!({"text": format!("see /users/{}", ID.to_uppercase())}),
        ),
        step(
            "a/C:create",
            &[],
            json!({ID: 1, "open": "${var.url}", "theirs": "${input.x}"}),
        ),
        step(
            "a/D:create",
            &[],
            json!({"open": "${var.url}", "theirs": "${input.x}", "v": {"$var": "v"}}),
        ),
        // The name of an object may be anything.
        step("a/E:link", &["a/E:create"], json!({"theirs": "${input.x}"})),
    ]);
    let source = json!({"by": "flow_import", "source": "blake3:1"});
    bad.steps[4].write = serde_json::from_value(source).expect("a write");
    bad.steps[4].after.clear();
    assert!(
        against(bad.clone())
            .iter()
            .any(|line| line.contains("missing-content"))
    );
    let text = format!("flow:\n  queue: x\n  id: {ID}\n");
    bad.blobs
        .insert("blake3:1".into(), crate::plan::Blob::new(text.as_bytes()));
    insta::assert_snapshot!(against(bad).join("\n"), @r#"
source-id: step a/A:create: body/list/0/id: 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0 is an id of the source org
source-id: step a/B:create: body/text: 0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0 is an id of the source org
source-id: step a/C:create: body/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0: 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0 is an id of the source org
source-id: step a/E:link: the content blake3:1, line 3: 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0 is an id of the source org
unset-variable: step a/D:create: body/open: the variable "url" is not set
unset-variable: step a/D:create: body: the variable "v" is not set
"#);
}

#[test]
fn an_object_that_has_an_id_for_a_name_is_no_leak() {
    let mut good = plan(&[step(
        "a/A:create",
        &[],
        json!({"x": {"$ref": format!("a/{ID}")}}),
    )]);
    let object = format!("a/{ID}").parse().expect("a reference");
    good.bindings
        .insert(object, crate::id::TargetId::new("t-2"));
    assert_eq!(against(good), Vec::<String>::new());
}

#[test]
fn a_path_gets_its_parameters() {
    let mut bad = plan(&[step("a/A:link", &[], json!({}))]);
    let crate::plan::Write::Request(request) = &mut bad.steps[0].write else {
        panic!("a request")
    };
    request.path = "/api/v2/things/{thingId}".into();
    assert_eq!(against(bad).len(), 1);
}

#[test]
fn the_change_brake_holds_until_it_is_forced() {
    let counts = |existing, update, delete| Counts {
        existing,
        update,
        delete,
        ..Counts::default()
    };
    let with = |counts| {
        let mut plan = plan(&[]);
        plan.counts.insert(Kind::new("routing_queue"), counts);
        plan
    };
    for fine in [
        counts(9, 9, 0),
        counts(10, 2, 1),
        counts(0, 0, 0),
        counts(100, 30, 0),
    ] {
        assert!(check(with(fine), [], Brake::On).is_ok(), "{fine:?}");
    }
    for many in [counts(10, 4, 0), counts(10, 2, 2), counts(100, 0, 31)] {
        let rejected = check(with(many), [], Brake::On).expect_err("too many");
        assert!(rejected.is_change_brake(), "{rejected}");
        assert!(check(with(many), [], Brake::Forced).is_ok());
    }
}

#[test]
fn an_error_found_by_the_planner_rejects_and_a_warning_does_not() {
    let mut plan = plan(&[]);
    let finding = |severity| Finding {
        severity,
        rule: "x".into(),
        object: None,
        message: "m".into(),
    };
    plan.findings.push(finding(Severity::Warning));
    assert!(check(plan.clone(), [], Brake::Forced).is_ok());
    plan.findings.push(finding(Severity::Error));
    let rejected = check(plan.clone(), [], Brake::Forced).expect_err("an error");
    assert_eq!(
        (rejected.findings.len(), rejected.is_change_brake()),
        (1, false)
    );
    plan.findings.clear();
    plan.format = FORMAT + 1;
    assert!(against(plan)[0].starts_with("newer-format"));
}

#[test]
fn ids_that_both_orgs_have_are_not_foreign() {
    let snapshot = |ids: &[&str]| {
        let captured = |id: &&str| Captured {
            id: SourceId::new(id),
            body: json!({}),
            files: Files::new(),
        };
        let mut snapshot = Snapshot::default();
        snapshot.objects.insert(
            Kind::new("a"),
            ids.iter().map(captured).map(Into::into).collect(),
        );
        snapshot
    };
    let (source, target) = (snapshot(&["1", "2"]), snapshot(&["2", "3"]));
    assert_eq!(foreign_ids(source.ids(), &target), ["1"]);
}
