//! Parts: what belongs to an object and has calls of its own.

use orgsmith_core::plan::{Step, Write};
use orgsmith_core::testing::Org;
use serde_json::{Value, json};

use super::cases::{empty, plan_documents, settles, to};
use super::{plan, step_ids};

#[test]
fn many_items_go_in_chunks_that_the_api_takes() {
    let mut source = Org::new("one", "Acme");
    let mut target = empty();
    let mut members = Vec::new();
    for n in 0..230 {
        let user = format!("user/u{n:03}@example.com");
        source.add(&user, json!({"name": format!("U{n}")}));
        target.add(&user, json!({"name": format!("U{n}")}));
        members.push(json!({"user": to(&user), "ringNumber": if n < 3 { 2 } else { 1 }}));
    }
    let old: Vec<Value> = members.drain(..20).collect();
    source.add("routing_queue/Sales", json!({"members": members}));
    // The target has twenty that go, and ten that stay on another ring.
    let mut have = old;
    have.extend(members[..10].iter().cloned().map(|mut member| {
        member["ringNumber"] = json!(5);
        member
    }));
    target.add("routing_queue/Sales", json!({"members": have}));
    let target = target.snapshot();
    let plan = plan(&source, &target);
    let size = |step: &Step| match &step.write {
        Write::Request(request) => request
            .body
            .as_ref()
            .and_then(|body| body.value().as_array().map(Vec::len)),
        _ => None,
    };
    let sizes: Vec<(&str, Option<usize>)> = plan
        .steps
        .iter()
        .map(|step| {
            (
                step.id.as_str().rsplit(':').next().expect("a suffix"),
                size(step),
            )
        })
        .filter(|(suffix, _)| !suffix.contains('~'))
        .collect();
    assert_eq!(
        sizes,
        [
            ("members-1", Some(20)),
            ("members+1", Some(100)),
            ("members+2", Some(100))
        ]
    );
    assert_eq!(
        plan.steps
            .iter()
            .filter(|step| step.id.as_str().contains('~'))
            .count(),
        10
    );
    settles(&source, &target, &plan);
}

#[test]
fn a_list_that_is_replaced_is_sent_whole_and_in_chunks() {
    let mut source = Org::new("one", "Acme");
    let mut target = empty();
    let mut skills = Vec::new();
    for n in 0..120 {
        let skill = format!("routing_skill/S{n:03}");
        source.add(&skill, json!({}));
        target.add(&skill, json!({}));
        skills.push(json!({"id": to(&skill), "proficiency": 3.0}));
    }
    target.add(
        "user/jo@example.com",
        json!({"name": "Jo", "skills": skills[..1]}),
    );
    source.add(
        "user/jo@example.com",
        json!({"name": "Jo", "skills": skills[1..]}),
    );
    let target = target.snapshot();
    let plan = plan(&source, &target);
    assert_eq!(
        step_ids(&plan),
        [
            "user/jo@example.com:skills",
            "user/jo@example.com:skills+2",
            "user/jo@example.com:skills+3"
        ]
    );
    settles(&source, &target, &plan);
}

#[test]
fn rows_are_added_changed_and_taken_away() {
    let table = |rows: Value| {
        json!({"schema": {"type": "object", "properties": {"key": {"type": "string"}, "vip": {"type": "boolean"}}},
            "rows": rows})
    };
    let mut source = Org::new("one", "Acme");
    source.add(
        "architect_datatable/T",
        table(json!([{"key": "a/1", "vip": true}, {"key": "b", "vip": true}])),
    );
    let mut target = empty();
    target.add(
        "architect_datatable/T",
        table(json!([{"key": "b", "vip": false}, {"key": "c d", "vip": true}])),
    );
    let target = target.snapshot();
    let plan = plan(&source, &target);
    let actions: Vec<String> = plan
        .steps
        .iter()
        .map(|step| {
            step.changes
                .iter()
                .map(|change| change.path.clone())
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert_eq!(actions.concat().matches("rows[").count(), 3, "{actions:?}");
    settles(&source, &target, &plan);
}

#[test]
fn many_new_rows_go_as_one_file() {
    let rows: Vec<Value> = (0..500)
        .map(|n| json!({"key": format!("k{n}"), "vip": n % 2 == 0}))
        .collect();
    let schema = json!({"type": "object", "properties": {"key": {"type": "string"}, "vip": {"type": "boolean"}}});
    let mut source = Org::new("one", "Acme");
    source.add(
        "architect_datatable/T",
        json!({"schema": schema, "rows": rows}),
    );
    let target = empty().snapshot();
    let plan = plan(&source, &target);
    let files = plan
        .steps
        .iter()
        .filter(|step| matches!(step.write, Write::RowsImport { .. }))
        .count();
    assert_eq!((files, plan.steps.len()), (1, 2), "{:?}", step_ids(&plan));
    settles(&source, &target, &plan);
}

#[test]
fn members_are_added_before_a_group_that_has_them_too() {
    let group = |member: &str| json!({"name": "Team", "type": "official", "members": [to(member)]});
    let user = |name: &str| json!({"name": name, "email": format!("{name}@example.com"), "division": to("auth_division/~home")});
    let queue = json!({
        "name": "Sales", "memberGroups": [to("group/Team")],
        "members": [{"user": to("user/ana@example.com")}],
    });
    let steps = |member: &str| {
        let documents = [
            ("user/ana@example.com", user("ana")),
            ("user/ben@example.com", user("ben")),
            ("group/Team", group(member)),
            ("routing_queue/Sales", queue.clone()),
        ];
        let plan = plan_documents(&documents, &empty().snapshot());
        let steps = step_ids(&plan)
            .into_iter()
            .filter(|id| id.starts_with("routing_queue"));
        steps.map(str::to_owned).collect::<Vec<_>>()
    };
    let id = |step: &str| format!("routing_queue/Sales:{step}");
    assert_eq!(
        steps("user/ben@example.com"),
        [id("create"), id("members+1")]
    );
    assert_eq!(
        steps("user/ana@example.com"),
        [id("create"), id("members+1"), id("link")]
    );
}
