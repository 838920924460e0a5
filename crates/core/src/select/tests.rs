use serde_json::{Value, json};

use super::{Read, Selection};
use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::document::{Files, Portable};
use crate::id::{Kind, ObjectRef};
use crate::plan::FLOW_SOURCE;

fn document(object: &str, body: Value) -> (ObjectRef, Portable) {
    let Value::Object(body) = body else {
        panic!("{body} is no object")
    };
    let object: ObjectRef = object.parse().expect("a reference");
    (
        object.clone(),
        Portable {
            object,
            body,
            files: Files::new(),
        },
    )
}

/// A queue with a skill behind a ring and a flow, whose source names a prompt.
fn bundle() -> Bundle {
    let home = json!({"$ref": "auth_division/~home"});
    let mut flow = document(
        "flow/inqueuecall/Wait",
        json!({"name": "Wait", "type": "INQUEUECALL"}),
    );
    let source = "inqueueCall:\n  name: Wait\n  holdMusic:\n    lit:\n      name: Prompt.Hold\n";
    flow.1
        .files
        .insert(FLOW_SOURCE.to_owned(), source.as_bytes().into());
    Bundle {
        documents: [
            document("auth_division/~home", json!({"name": "Acme"})),
            document("auth_division/EMEA", json!({"name": "EMEA"})),
            document("routing_skill/Billing", json!({"name": "Billing"})),
            document("routing_queue/Sales DE", json!({"name": "Sales DE", "division": home,
                "queueFlow": {"$ref": "flow/inqueuecall/Wait"}})),
            document("routing_queue/Sales FR", json!({"name": "Sales FR",
                "division": {"$ref": "auth_division/EMEA"}})),
            document("routing_queue/Support", json!({"name": "Support", "division": home,
                "bullseye": {"rings": [{"actions": {"skillsToRemove": [{"$ref": "routing_skill/Billing"}]}}]}})),
            document("user/jane@example.com", json!({"email": "jane@example.com"})),
            document("architect_user_prompt/Hold", json!({"name": "Hold"})),
            flow,
        ]
        .into_iter()
        .map(|(object, document)| (object, document.into()))
        .collect(),
        ..Bundle::default()
    }
}

fn selection(select: &[&str], exclude: &[&str]) -> Selection {
    Selection::parse(Catalogue::builtin(), select, exclude)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn kept(selection: &Selection) -> Vec<String> {
    let found = selection
        .apply(bundle(), Catalogue::builtin())
        .unwrap_or_else(|error| panic!("{error}"));
    found.documents.keys().map(ToString::to_string).collect()
}

#[test]
fn parts_of_a_term_must_all_hold_and_of_terms_one() {
    assert_eq!(
        kept(&selection(&["kind=routing_queue,name=sales*"], &[])),
        ["routing_queue/Sales DE", "routing_queue/Sales FR"]
    );
    assert_eq!(
        kept(&selection(&["queue=Support", "user=JANE@example.com"], &[])),
        ["routing_queue/Support", "user/jane@example.com"]
    );
    assert_eq!(
        kept(&selection(&["queues=Sales*,division=EM*"], &[])),
        ["routing_queue/Sales FR"]
    );
    assert_eq!(
        kept(&selection(&["division=acme"], &[])),
        ["routing_queue/Sales DE", "routing_queue/Support"]
    );
    assert_eq!(
        kept(&selection(&["kind=skill,flow"], &[])),
        ["flow/inqueuecall/Wait", "routing_skill/Billing"]
    );
    assert_eq!(
        kept(&selection(&["flow=Wait"], &[])),
        ["flow/inqueuecall/Wait"]
    );
    assert_eq!(
        kept(&selection(&["flow=inqueuecall/*"], &[])),
        ["flow/inqueuecall/Wait"]
    );
}

#[test]
fn nothing_selected_means_everything_but_the_excluded() {
    assert_eq!(kept(&selection(&[], &[])).len(), bundle().documents.len());
    let left = kept(&selection(&[], &["kind=queue", "kind=auth_*"]));
    assert!(
        left.iter()
            .all(|object| !object.starts_with("routing_queue/") && !object.starts_with("auth_"))
    );
}

#[test]
fn dependencies_follow_references_and_flow_sources() {
    assert_eq!(
        kept(&selection(&["queue=Sales DE"], &[]).with_dependencies(true)),
        [
            "architect_user_prompt/Hold",
            "auth_division/~home",
            "flow/inqueuecall/Wait",
            "routing_queue/Sales DE"
        ]
    );
    // What is excluded stays out, and what only it needs.
    assert_eq!(
        kept(&selection(&["queue=Sales DE"], &["flow"]).with_dependencies(true)),
        ["auth_division/~home", "routing_queue/Sales DE"]
    );
}

#[test]
fn a_selected_user_takes_along_what_says_that_they_belong_there() {
    let user = |name: &str| json!({"$ref": format!("user/{name}")});
    let member = |name: &str| json!({"user": user(name)});
    let documents = [
        document("user/jane", json!({"email": "jane"})),
        document("user/tom", json!({"email": "tom"})),
        document("routing_skill/Billing", json!({"name": "Billing"})),
        document(
            "routing_queue/Sales",
            json!({"name": "Sales", "members": [member("jane"), member("tom")],
            "skill": {"$ref": "routing_skill/Billing"}}),
        ),
        document(
            "routing_queue/Other",
            json!({"name": "Other", "members": [member("tom")]}),
        ),
        document(
            "team/North",
            json!({"name": "North", "members": {"$has": [user("jane")]}}),
        ),
        document(
            "group/Backup",
            json!({"name": "Backup", "members": [user("jane")]}),
        ),
    ];
    let bundle = || Bundle {
        documents: documents
            .iter()
            .map(|(object, document)| (object.clone(), document.clone().into()))
            .collect(),
        ..Bundle::default()
    };
    let apply = |exclude: &[&str], with: bool| {
        let selection = selection(&["user=jane"], exclude).with_dependencies(with);
        let bundle = selection.apply(bundle(), Catalogue::builtin());
        bundle.expect("she is there").documents
    };
    let with = apply(&["group"], true);
    let objects: Vec<String> = with.keys().map(ToString::to_string).collect();
    assert_eq!(
        objects,
        [
            "routing_queue/Sales",
            "routing_skill/Billing",
            "team/North",
            "user/jane"
        ]
    );
    for (object, who) in [
        ("routing_queue/Sales", member("jane")),
        ("team/North", user("jane")),
    ] {
        let document = with[&object.parse::<ObjectRef>().expect("a reference")].open();
        assert_eq!(document.body["members"], json!({"$has": [who]}), "{object}");
    }
    assert_eq!(apply(&[], false).len(), 1);
}

#[test]
fn a_kind_alone_is_all_of_it() {
    assert_eq!(
        kept(&selection(&["queue,flow"], &[])),
        kept(&selection(&["kind=queue,flow"], &[]))
    );
}

#[test]
fn a_selection_is_kept_in_the_bundle() {
    let chosen = selection(&["queue=Support"], &["kind=flow"]).with_dependencies(true);
    let found = chosen
        .apply(bundle(), Catalogue::builtin())
        .expect("a queue");
    assert_eq!(
        found.selection,
        ["queue=Support", "!kind=flow", "+dependencies"]
    );
    let everything = selection(&[], &[]).apply(bundle(), Catalogue::builtin());
    assert_eq!(everything, Ok(bundle()));
}

#[test]
fn mistakes_are_told_with_what_is_allowed() {
    let catalogue = Catalogue::builtin();
    let mut lines: Vec<String> = [
        "kind=routing_queu",
        "Sales*",
        "quue",
        "kin=queue",
        "name=",
        "family=routin",
        "kind=x*",
        "quue=Sales",
    ]
    .into_iter()
    .map(|term| match Selection::parse(catalogue, &[term], &[]) {
        Ok(_) => panic!("{term} is wrong"),
        Err(error) => error.to_string(),
    })
    .collect();
    for term in ["queue=Suport", "kind=group", "user=jan@example.com"] {
        let error = selection(&[term], &[])
            .apply(bundle(), catalogue)
            .expect_err(term);
        lines.push(error.to_string());
    }
    // There are more with every kind.
    let families: std::collections::BTreeSet<&str> =
        catalogue.iter().map(|kind| &*kind.family).collect();
    let families = families.into_iter().collect::<Vec<_>>().join(", ");
    insta::assert_snapshot!(lines.join("\n").replace(&families, "[families]"), @r#"
in the term "kind=routing_queu": unknown kind "routing_queu"; `orgsmith kinds` lists them (did you mean "routing_queue"?)
in the term "Sales*": write a kind, or field=value, with kind, name, division, family or a kind's name as field
in the term "quue": write a kind, or field=value, with kind, name, division, family or a kind's name as field (did you mean "queue"?)
in the term "kin=queue": unknown field "kin"; write kind, name, division, family or a kind's name (did you mean "kind"?)
in the term "name=": name has no value
in the term "family=routin": no kind is of the family "routin"; there are [families] (did you mean "routing"?)
in the term "kind=x*": unknown kind "x*"; `orgsmith kinds` lists them
in the term "quue=Sales": unknown field "quue"; write kind, name, division, family or a kind's name (did you mean "queue"?)
--select queue=Suport selects nothing (did you mean "Support"?)
--select kind=group selects nothing
--select user=jan@example.com selects nothing (did you mean "jane@example.com"?)
"#);
}

#[test]
fn there_may_be_none_of_a_kind_beside_others() {
    let apply = |terms: &[&str]| selection(terms, &[]).apply(bundle(), Catalogue::builtin());
    let of = |bundle: Bundle| bundle.documents.into_keys().collect::<Vec<_>>();
    let queues = apply(&["routing_queue"]).expect("there are some");
    let beside = apply(&["kind=group", "routing_queue", "family=outbound"]);
    assert_eq!(of(beside.expect("there are queues")), of(queues));
    // A name is wrong, whatever else is there.
    for terms in [
        &["group", "queue=Suport"][..],
        &["group", "family=outbound"],
    ] {
        assert!(apply(terms).is_err(), "{terms:?}");
    }
}

#[test]
fn what_is_referred_to_is_read_by_name_or_whole() {
    let catalogue = Catalogue::builtin();
    let read = |selection: Selection, kind: &str| {
        selection.kinds(catalogue).get(&Kind::new(kind)).copied()
    };
    let queues = || selection(&["queue=Sales*"], &[]);
    assert_eq!(read(queues(), "routing_queue"), Some(Read::Whole));
    assert_eq!(read(queues(), "user"), Some(Read::Names));
    assert_eq!(read(queues(), "location"), None);
    assert_eq!(read(queues(), "script"), Some(Read::Names));
    assert_eq!(
        read(queues().with_dependencies(true), "location"),
        Some(Read::Whole)
    );
    assert_eq!(
        read(queues().with_dependencies(true), "integration_credential"),
        Some(Read::Whole)
    );
    assert_eq!(
        read(selection(&["kind=integration_action"], &[]), "integration"),
        Some(Read::Names)
    );
    assert_eq!(
        read(selection(&[], &["kind=flow"]), "outbound_campaign"),
        Some(Read::Whole)
    );
    // A kind that others refer to is read by name even when it is excluded.
    assert_eq!(
        read(selection(&[], &["kind=user"]), "user"),
        Some(Read::Names)
    );
}
