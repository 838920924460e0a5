use serde_json::{Value, json};

use super::*;
use crate::document::Files;
use crate::people::EmailRule;
use crate::plan::FLOW_SOURCE;
use crate::testing::flow_source;

fn object(text: &str) -> ObjectRef {
    text.parse().expect("kind/key")
}

fn bundle(documents: &[(&str, Value)]) -> Bundle {
    let mut bundle = Bundle::default();
    for (name, body) in documents {
        add(&mut bundle, name, body.clone(), Files::new());
    }
    bundle
}

fn add(bundle: &mut Bundle, name: &str, body: Value, files: Files) {
    let Value::Object(body) = body else {
        panic!("{body} is no object")
    };
    let object = object(name);
    bundle.insert(Portable {
        object,
        body,
        files,
    });
}

fn body(bundle: &Bundle, name: &str) -> Value {
    match bundle.documents.get(&object(name)) {
        Some(document) => Value::Object(document.open().body),
        None => Value::Null,
    }
}

fn on(terms: &[&str]) -> Selection {
    Selection::parse(Catalogue::builtin(), terms, &[]).expect("terms")
}

fn path(text: &str) -> FieldPath {
    FieldPath::parse(text).expect("a path")
}

fn change(place: &str, edits: Vec<Edit>) -> Change {
    Change {
        place: place.to_owned(),
        on: on(&[place]),
        edits,
    }
}

fn rules(applied: &Applied) -> Vec<String> {
    let told = applied.findings.iter();
    told.map(|finding| format!("{}: {}", finding.rule, finding.message))
        .collect()
}

#[test]
fn values_are_set_removed_and_replaced_where_a_rule_says() {
    let mut bundle = bundle(&[
        (
            "routing_queue/Support DE",
            json!({"name": "Support DE", "description": "Dev: support", "acwSettings": {"wrapupPrompt": "OPTIONAL"}}),
        ),
        (
            "routing_queue/Sales",
            json!({"name": "Sales", "description": "Dev: sales"}),
        ),
    ]);
    let overlay = Overlay {
        changes: vec![change(
            "routing_queue=Support*",
            vec![
                Edit::Set(path("acwSettings.timeoutMs"), json!({"$var": "acw"})),
                Edit::replace(path("description"), "^Dev: (.*)$", "Prod: $1").expect("a pattern"),
                Edit::Remove(path("acwSettings.wrapupPrompt")),
                Edit::Remove(path("outboundMessagingAddresses")),
            ],
        )],
        variables: BTreeMap::from([("acw".to_owned(), json!(30000))]),
        ..Overlay::default()
    };
    let applied = overlay.apply(Catalogue::builtin(), &mut bundle);
    assert_eq!(
        body(&bundle, "routing_queue/Support DE"),
        json!({"name": "Support DE", "description": "Prod: support", "acwSettings": {"timeoutMs": 30000}})
    );
    assert_eq!(
        body(&bundle, "routing_queue/Sales")["description"],
        "Dev: sales"
    );
    assert_eq!(
        rules(&applied),
        [
            "change-unused: `change` of routing_queue=Support*: remove outboundMessagingAddresses meets nothing"
        ]
    );
    assert_eq!(applied.conflicts, []);
}

#[test]
fn who_has_another_name_is_referred_to_by_it() {
    let source = flow_source(
        "inboundcall/Main",
        Some("Sales"),
        &[("targetQueue", "Support"), ("targetFlow", "Next")],
    );
    let flow = |text: &str| Files::from([(FLOW_SOURCE.to_owned(), text.as_bytes().into())]);
    let mut bundle = bundle(&[
        ("auth_division/Sales", json!({"name": "Sales"})),
        (
            "routing_queue/Support",
            json!({"name": "Support", "division": {"$ref": "auth_division/Sales"}}),
        ),
        (
            "routing_email_domain/old.example",
            json!({"id": "old.example"}),
        ),
    ]);
    add(
        &mut bundle,
        "flow/inboundcall/Main",
        json!({"name": "Main", "type": "inboundcall", "division": {"$ref": "auth_division/Sales"}}),
        flow(&source),
    );
    let next = flow_source("inboundcall/Next", None, &[]);
    add(
        &mut bundle,
        "flow/inboundcall/Next",
        json!({"name": "Next", "type": "inboundcall"}),
        flow(&next),
    );
    let rename =
        |place: &str, name: &str| change(place, vec![Edit::Set(path("name"), json!(name))]);
    let overlay = Overlay {
        changes: vec![
            rename("auth_division=Sales", "Vertrieb"),
            rename("routing_queue=Support", "Hilfe: \"A\""),
            rename("flow=Next", "Weiter"),
        ],
        ..Overlay::default()
    };
    let applied = overlay.apply(Catalogue::builtin(), &mut bundle);
    assert_eq!(applied.conflicts, []);
    assert_eq!(rules(&applied), Vec::<String>::new());
    assert_eq!(applied.moved.len(), 3, "{:?}", applied.moved);
    let queue = bundle
        .documents
        .values()
        .find(|d| d.object.kind.as_str() == "routing_queue");
    let queue = queue.expect("the queue");
    assert_eq!(queue.object.key.parts(), ["Hilfe: \"A\""]);
    assert_eq!(
        queue.field("division").expect("a division"),
        json!({"$ref": "auth_division/Vertrieb"})
    );
    let main = &bundle.documents[&object("flow/inboundcall/Main")];
    let text = std::str::from_utf8(&main.files[FLOW_SOURCE]).expect("text");
    let scan = crate::flow::scan(text).expect("a flow");
    assert_eq!(scan.division.as_deref(), Some("Vertrieb"));
    let names: Vec<&str> = scan
        .references
        .iter()
        .map(|found| found.target.name())
        .collect();
    assert!(
        names.contains(&"Hilfe: \"A\"") && names.contains(&"Weiter"),
        "{names:?}"
    );
    let weiter = &bundle.documents[&object("flow/inboundcall/Weiter")];
    let text = std::str::from_utf8(&weiter.files[FLOW_SOURCE]).expect("text");
    assert_eq!(crate::flow::scan(text).expect("a flow").name, "Weiter");
}

#[test]
fn what_lives_in_a_renamed_object_follows() {
    let mut bundle = bundle(&[
        ("routing_email_domain/a.example", json!({"id": "a.example"})),
        (
            "routing_email_route/a.example/support",
            json!({"domain": {"$ref": "routing_email_domain/a.example"}, "pattern": "support"}),
        ),
    ]);
    let descriptor = Catalogue::builtin()
        .get("routing_email_route")
        .expect("a kind");
    let route = &bundle.documents[&object("routing_email_route/a.example/support")];
    assert!(
        crate::validate::key::said(descriptor, &route.open()).is_some(),
        "{:?}",
        descriptor.key
    );
    let overlay = Overlay {
        texts: Texts::new(vec![TextRule::Host {
            from: "a.example".into(),
            to: "b.example".into(),
        }])
        .expect("rules"),
        ..Overlay::default()
    };
    let applied = overlay.apply(Catalogue::builtin(), &mut bundle);
    assert_eq!(applied.conflicts, []);
    let keys: Vec<String> = bundle.documents.keys().map(ToString::to_string).collect();
    assert_eq!(
        keys,
        [
            "routing_email_domain/b.example",
            "routing_email_route/b.example/support"
        ]
    );
}

#[test]
fn one_division_may_take_in_another_and_nothing_else_may() {
    let mut bundle = bundle(&[
        ("auth_division/A", json!({"name": "A"})),
        ("auth_division/B", json!({"name": "B"})),
        ("routing_skill/A", json!({"name": "A"})),
        ("routing_skill/B", json!({"name": "B"})),
        (
            "routing_queue/Q",
            json!({"name": "Q", "division": {"$ref": "auth_division/A"}}),
        ),
    ]);
    let overlay = Overlay {
        changes: vec![change(
            "kind=auth_division,routing_skill,name=A",
            vec![Edit::Set(path("name"), json!("B"))],
        )],
        ..Overlay::default()
    };
    let applied = overlay.apply(Catalogue::builtin(), &mut bundle);
    assert_eq!(
        body(&bundle, "routing_queue/Q")["division"],
        json!({"$ref": "auth_division/B"})
    );
    assert_eq!(bundle.documents.len(), 3);
    let told: Vec<String> = applied
        .conflicts
        .iter()
        .map(|c| format!("{}: {}", c.object, c.reason))
        .collect();
    assert_eq!(
        told,
        [
            "routing_skill/A: routing_skill/B would be made of routing_skill/A beside the one there is; give each a name of its own"
        ]
    );
}

#[test]
fn a_variable_without_a_value_or_in_a_wrong_place_is_told_of() {
    let mut bundle = bundle(&[
        (
            "routing_queue/Q",
            json!({"name": "Q", "description": "see ${var.crm_ul}", "acwSettings": {"timeoutMs": {"$var": "text"}}}),
        ),
        ("routing_skill/S", json!({"name": "S"})),
    ]);
    let overlay = Overlay {
        variables: BTreeMap::from([
            ("crm_url".to_owned(), json!("https://x.example")),
            ("text".to_owned(), json!("soon")),
        ]),
        off: BTreeSet::from([Kind::new("routing_skill")]),
        ..Overlay::default()
    };
    let applied = overlay.apply(Catalogue::builtin(), &mut bundle);
    assert_eq!(
        rules(&applied),
        [
            "unset-variable: the variable crm_ul is not set (did you mean \"crm_url\"?); routing_queue/Q needs it",
            "variable-unused: the variable crm_url is set and stands nowhere",
        ]
    );
    assert!(!bundle.documents.contains_key(&object("routing_skill/S")));
}

#[test]
fn hosts_and_addresses_are_rewritten_in_bodies_and_files_and_people_follow() {
    let text = "inboundCall:\n  name: Main\n  x: https://crm.dev.example/a?m=jane@dev.example\n";
    let mut bundle = bundle(&[
        (
            "user/jane@dev.example",
            json!({"email": "jane@dev.example", "name": "Jane"}),
        ),
        (
            "group/G",
            json!({"name": "G", "description": "ask jane@dev.example", "owners": [{"$ref": "user/jane@dev.example"}]}),
        ),
    ]);
    let files = Files::from([
        (FLOW_SOURCE.to_owned(), text.as_bytes().into()),
        ("en-us.wav".to_owned(), b"crm.dev.example".as_slice().into()),
    ]);
    add(
        &mut bundle,
        "flow/inboundcall/Main",
        json!({"name": "Main", "type": "inboundcall"}),
        files,
    );
    let email = EmailRule::Domain {
        from: "dev.example".into(),
        to: "x.example".into(),
    };
    let host = TextRule::Host {
        from: "crm.dev.example".into(),
        to: "crm.example".into(),
    };
    let overlay = Overlay {
        people: Rewrites {
            emails: vec![email.clone()],
            names: Vec::new(),
        },
        texts: Texts::new(vec![TextRule::Email(email), host]).expect("rules"),
        ..Overlay::default()
    };
    let applied = overlay.apply(Catalogue::builtin(), &mut bundle);
    assert_eq!(rules(&applied), Vec::<String>::new());
    assert_eq!(
        body(&bundle, "group/G"),
        json!({"name": "G", "description": "ask jane@x.example", "owners": [{"$ref": "user/jane@x.example"}]})
    );
    assert_eq!(
        body(&bundle, "user/jane@x.example")["email"],
        "jane@x.example"
    );
    let flow = &bundle.documents[&object("flow/inboundcall/Main")];
    let new = std::str::from_utf8(&flow.files[FLOW_SOURCE]).expect("text");
    assert!(
        new.contains("https://crm.example/a?m=jane@x.example"),
        "{new}"
    );
    assert_eq!(&*flow.files["en-us.wav"], b"crm.dev.example");
    assert_eq!(applied.moved.len(), 1);
}

#[test]
fn an_overlay_that_spoils_an_object_stops_it() {
    let mut bundle = bundle(&[("routing_queue/Q", json!({"name": "Q"}))]);
    let overlay = Overlay {
        changes: vec![change(
            "routing_queue",
            vec![Edit::Set(path("acwSetings.timeoutMs"), json!(1))],
        )],
        ..Overlay::default()
    };
    let applied = overlay.apply(Catalogue::builtin(), &mut bundle);
    assert_eq!(applied.conflicts.len(), 1);
    assert!(
        applied.conflicts[0].reason.contains("acwSettings"),
        "{:?}",
        applied.conflicts
    );
    assert!(bundle.documents.is_empty());
}

/// A bundle with everything that an overlay can differ in, and the overlay.
fn pair() -> (Bundle, Overlay) {
    let source = flow_source(
        "inboundcall/Main",
        Some("Sales"),
        &[("targetQueue", "Support")],
    );
    let source = source + "  # see https://crm.dev.example/${var.brand}\n";
    let mut base = bundle(&[
        ("auth_division/Sales", json!({"name": "Sales"})),
        ("routing_skill/Off", json!({"name": "Off"})),
        (
            "routing_queue/Support",
            json!({"name": "Support", "division": {"$ref": "auth_division/Sales"}, "description": "${var.brand} at crm.dev.example",
                "acwSettings": {"timeoutMs": {"$var": "acw"}, "wrapupPrompt": "OPTIONAL"}, "callingPartyName": "Acme",
                "wrapUpCodes": [{"$ref": "routing_wrapupcode/B"}, {"$ref": "routing_wrapupcode/A"}]}),
        ),
        (
            "integration_credential/basicAuth/CRM",
            json!({"name": "CRM", "type": {"name": "basicAuth"}, "credentialFields": {"password": {"$secret": "crm/password"}}}),
        ),
    ]);
    let files = Files::from([(FLOW_SOURCE.to_owned(), source.as_bytes().into())]);
    add(
        &mut base,
        "flow/inboundcall/Main",
        json!({"name": "Main", "type": "inboundcall", "division": {"$ref": "auth_division/Sales"}}),
        files,
    );
    let rename =
        |place: &str, name: &str| change(place, vec![Edit::Set(path("name"), json!(name))]);
    let overlay = Overlay {
        changes: vec![
            rename("auth_division=Sales", "Vertrieb"),
            rename("routing_queue=Support", "Hilfe"),
            change(
                "routing_queue",
                vec![
                    Edit::Set(path("acwSettings.timeoutMs"), json!({"$var": "acw"})),
                    Edit::Set(path("enableTranscription"), json!(true)),
                    Edit::Remove(path("callingPartyName")),
                ],
            ),
        ],
        variables: BTreeMap::from([
            ("brand".to_owned(), json!("Beta")),
            ("acw".to_owned(), json!(30000)),
        ]),
        texts: Texts::new(vec![TextRule::Host {
            from: "crm.dev.example".into(),
            to: "crm.example".into(),
        }])
        .expect("rules"),
        ignored: vec![Ignored {
            on: on(&["routing_queue"]),
            fields: vec![path("acwSettings.wrapupPrompt")],
        }],
        off: BTreeSet::from([Kind::new("routing_skill")]),
        ..Overlay::default()
    };
    (base, overlay)
}

/// What the target has once the overlay was applied, and exported again.
fn exported(base: &Bundle, overlay: &Overlay) -> Bundle {
    let mut found = base.clone();
    let applied = overlay.apply(Catalogue::builtin(), &mut found);
    assert_eq!(applied.conflicts, []);
    let secret = json!({"password": {"$secret": "integration_credential/basicAuth/CRM/password"}});
    edit(&mut found, "integration_credential/basicAuth/CRM", |body| {
        body["credentialFields"] = secret;
    });
    found
}

fn edit(bundle: &mut Bundle, name: &str, change: impl FnOnce(&mut Value)) {
    let mut document = bundle.documents[&object(name)].open();
    let mut body = Value::Object(std::mem::take(&mut document.body));
    change(&mut body);
    let Value::Object(body) = body else {
        panic!("{body} is no object")
    };
    document.body = body;
    bundle.insert(document);
}

#[test]
fn what_an_overlay_made_is_exported_as_the_bundle_says_it() {
    let (base, overlay) = pair();
    let mut found = exported(&base, &overlay);
    edit(&mut found, "routing_queue/Hilfe", |body| {
        body["acwSettings"]["wrapupPrompt"] = json!("MANDATORY");
        body["wrapUpCodes"]
            .as_array_mut()
            .expect("a list")
            .reverse();
    });
    let conflicts = overlay.restore(Catalogue::builtin(), &base, &mut found);
    assert_eq!(conflicts, []);
    for (object, document) in &base.documents {
        assert_eq!(found.documents.get(object), Some(document), "{object}");
    }
    assert_eq!(found.documents.len(), base.documents.len());
}

#[test]
fn what_was_changed_in_the_target_is_exported_as_it_is_there() {
    let (base, overlay) = pair();
    let mut found = exported(&base, &overlay);
    edit(&mut found, "routing_queue/Hilfe", |body| {
        body["acwSettings"]["timeoutMs"] = json!(5);
        body["description"] = json!("New at crm.example");
        body["wrapUpCodes"] = json!([{"$ref": "routing_wrapupcode/A"}]);
        body["enableTranscription"] = json!(false);
    });
    let flow = object("flow/inboundcall/Main");
    let mut document = found.documents[&flow].open();
    let text = std::str::from_utf8(&document.files[FLOW_SOURCE]).expect("text");
    let text = text.replace("name: Bye", "name: Farewell") + "  # and https://crm.example/new\n";
    document
        .files
        .insert(FLOW_SOURCE.to_owned(), text.into_bytes().into());
    found.insert(document);
    add(
        &mut found,
        "routing_queue/Neu",
        json!({"name": "Neu", "division": {"$ref": "auth_division/Vertrieb"}, "description": "crm.example"}),
        Files::new(),
    );
    let conflicts = overlay.restore(Catalogue::builtin(), &base, &mut found);
    assert_eq!(conflicts, []);
    assert_eq!(
        body(&found, "routing_queue/Support"),
        json!({"name": "Support", "division": {"$ref": "auth_division/Sales"}, "description": "New at crm.dev.example",
            "acwSettings": {"timeoutMs": 5, "wrapupPrompt": "OPTIONAL"}, "callingPartyName": "Acme", "enableTranscription": false,
            "wrapUpCodes": [{"$ref": "routing_wrapupcode/A"}]})
    );
    assert_eq!(
        body(&found, "routing_queue/Neu"),
        json!({"name": "Neu", "division": {"$ref": "auth_division/Sales"}, "description": "crm.dev.example"})
    );
    let text = std::str::from_utf8(&found.documents[&flow].files[FLOW_SOURCE]).expect("text");
    assert!(text.contains("name: Farewell"), "{text}");
    assert!(
        text.contains("https://crm.dev.example/${var.brand}"),
        "{text}"
    );
    assert!(text.contains("https://crm.dev.example/new"), "{text}");
    assert!(
        text.contains("\"Support\"") && text.contains("Sales"),
        "{text}"
    );
}
