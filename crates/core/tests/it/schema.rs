//! Schemas of every kind: they are schemas, they take what is right, and refuse what is wrong.

use std::path::Path;

use jsonschema::Validator;
use orgsmith_core::catalogue::{Catalogue, Descriptor};
use orgsmith_core::id::Key;
use orgsmith_core::schema::{self, BadName, scaffold};
use serde_json::{Value, json};

fn validator(schema: &Value) -> Validator {
    jsonschema::draft7::meta::validate(schema).unwrap_or_else(|error| panic!("{error}"));
    jsonschema::draft7::new(schema).unwrap_or_else(|error| panic!("{error}"))
}

fn of(kind: &str) -> Validator {
    let catalogue = Catalogue::builtin();
    let descriptor = catalogue.get(kind).expect("a kind");
    validator(&schema::kind(catalogue, descriptor))
}

fn faults(validator: &Validator, body: &Value) -> Vec<String> {
    let errors = validator.iter_errors(body);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// Reads the documents of a kind in an example.
fn examples(folder: &Path, found: &mut Vec<(String, Value)>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("an entry").path();
        let name = path.display().to_string();
        if path.is_dir() {
            examples(&path, found);
        } else if name.ends_with(".yaml") && !name.ends_with(".flow.yaml") {
            let text = std::fs::read_to_string(&path).expect("an example");
            let body =
                serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            found.push((name, body));
        }
    }
}

#[test]
fn every_example_is_what_the_schema_of_its_kind_takes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let catalogue = Catalogue::builtin();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for descriptor in catalogue.iter() {
        let validator = validator(&schema::kind(catalogue, descriptor));
        let mut found = Vec::new();
        for world in ["every-kind", "gold-org", "tenant"] {
            examples(&root.join(world).join(descriptor.kind.as_str()), &mut found);
        }
        seen += found.len();
        for (name, body) in found {
            let faults = faults(&validator, &body).into_iter();
            wrong.extend(faults.map(|fault| format!("{name}: {fault}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 200, "{seen} examples");
}

#[test]
fn what_is_wrong_is_refused() {
    let skill = json!({"$ref": "routing_skill/Billing"});
    for (kind, body) in [
        ("routing_queue", json!({"description": "has no name"})),
        (
            "routing_queue",
            json!({"name": "A", "descripton": "a slip"}),
        ),
        (
            "routing_queue",
            json!({"name": "A", "dateCreated": "2026-01-01T00:00:00Z"}),
        ),
        (
            "routing_queue",
            json!({"name": "A", "skillEvaluationMethod": "SOME"}),
        ),
        (
            "routing_queue",
            json!({"name": "A", "autoAnswerOnly": "yes"}),
        ),
        ("routing_queue", json!({"name": "A", "description": null})),
        ("routing_queue", json!({"name": "A", "queueFlow": skill})),
        (
            "routing_queue",
            json!({"name": "A", "queueFlow": "flow/inqueuecall/Wait"}),
        ),
        (
            "routing_queue",
            json!({"name": "A", "members": [{"ringNumber": 1}]}),
        ),
        (
            "routing_queue",
            json!({"name": "A", "members": [{"user": {"$ref": "user/a@b.example"}, "ring": 1}]}),
        ),
        (
            "routing_queue",
            json!({"name": "A", "mediaSettings": {"calls": {}}}),
        ),
        (
            "routing_queue",
            json!({"name": "A", "wrapUpCodes": {"$has": [], "more": 1}}),
        ),
        (
            "integration_credential",
            json!({"name": "A", "type": {"name": "basicAuth"}, "credentialFields": {"password": "in clear"}}),
        ),
        (
            "user",
            json!({"name": "Jo", "email": "jo@b.example", "memberOf": {"queue": []}}),
        ),
    ] {
        assert!(!of(kind).is_valid(&body), "{kind}: {body}");
    }
}

#[test]
fn slots_are_taken_where_they_may_stand() {
    for (kind, body) in [
        ("routing_queue", json!({"name": {"$var": "queue_name"}})),
        (
            "routing_queue",
            json!({"name": "A", "skillEvaluationMethod": "${var.method}"}),
        ),
        (
            "routing_queue",
            json!({"name": "A", "autoAnswerOnly": {"$var": "auto"}}),
        ),
        (
            "routing_queue",
            json!({"name": "A", "members": {"$has": [{"user": {"$ref": "user/a@b.example"}}]}}),
        ),
        ("routing_queue", json!({"members": {"$has": []}})),
        (
            "integration_credential",
            json!({"name": "A", "type": {"name": "basicAuth"}, "credentialFields": {"password": {"$secret": "a"}}}),
        ),
        (
            "user",
            json!({"name": "Jo", "email": "jo@b.example", "like": {"$ref": "user/a@b.example"},
            "memberOf": {"queues": [{"id": {"$ref": "routing_queue/A"}, "ringNumber": 2}]}}),
        ),
    ] {
        assert_eq!(
            faults(&of(kind), &body),
            Vec::<String>::new(),
            "{kind}: {body}"
        );
    }
}

#[test]
fn a_routing_profile_has_a_schema() {
    let profile = schema::profile(Catalogue::builtin()).expect("there are users");
    let profile = validator(&profile);
    let skills = json!([{"id": {"$ref": "routing_skill/Billing"}, "proficiency": 3}]);
    assert!(profile.is_valid(&json!({"skills": skills})));
    assert!(!profile.is_valid(&json!({"skills": skills, "email": "jo@b.example"})));
}

#[test]
fn components_and_instances_have_schemas() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/components");
    for (folder, schema) in [
        ("component", schema::component()),
        ("instance", schema::instance()),
    ] {
        let validator = validator(&schema);
        let mut found = Vec::new();
        examples(&root.join(folder), &mut found);
        assert!(!found.is_empty(), "{folder}");
        for (name, mut body) in found {
            assert_eq!(faults(&validator, &body), Vec::<String>::new(), "{name}");
            body["parameter"] = json!({});
            assert!(!validator.is_valid(&body), "{name}");
        }
    }
}

/// Writes an object of a kind whose name has as many parts as it needs.
fn any(descriptor: &Descriptor) -> String {
    let catalogue = Catalogue::builtin();
    let mut parts = vec![String::from("Part")];
    for _ in 0..10 {
        let key = match descriptor.singleton {
            true => Key::builtin("settings"),
            false => Key::from_parts(&parts),
        };
        match scaffold(catalogue, descriptor, &key) {
            Ok(text) => return text,
            Err(BadName::Form { .. }) => parts.push(String::from("Part")),
            Err(BadName::Value { known, given, .. }) => {
                let place = parts.iter().position(|part| *part == given);
                parts[place.expect("it was given")] = known[0].clone();
            }
        }
    }
    panic!("{} takes no name", descriptor.kind);
}

/// Takes the comments away.
fn uncommented(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("##") && !line.starts_with("{}"));
    let lines = lines.map(|line| line.strip_prefix("# ").unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_scaffold_of_every_kind_is_right_as_it_is_and_with_every_field() {
    let catalogue = Catalogue::builtin();
    let mut wrong = Vec::new();
    for descriptor in catalogue.iter() {
        let validator = validator(&schema::kind(catalogue, descriptor));
        let text = any(descriptor);
        for text in [text.clone(), uncommented(&text)] {
            let body: Value = serde_saphyr::from_str::<Option<Value>>(&text)
                .unwrap_or_else(|error| panic!("{}: {error}\n{text}", descriptor.kind))
                .unwrap_or_else(|| json!({}));
            let faults = faults(&validator, &body).into_iter();
            wrong.extend(faults.map(|fault| format!("{}: {fault}", descriptor.kind)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_scaffold_says_every_field() {
    let catalogue = Catalogue::builtin();
    let queue = catalogue.get("routing_queue").expect("a kind");
    let key = Key::from_parts(&["Billing"]);
    insta::assert_snapshot!(scaffold(catalogue, queue, &key).expect("a name"));
}

#[test]
fn a_name_that_no_object_of_the_kind_can_have_is_refused() {
    let catalogue = Catalogue::builtin();
    let refused = |kind: &str, key: &str| {
        let descriptor = catalogue.get(kind).expect("a kind");
        let error = scaffold(catalogue, descriptor, &Key::from_encoded(key));
        error.unwrap_err().to_string()
    };
    insta::assert_snapshot!(refused("integration_action", "Billing"), @r#"a data action is named by <integrationType.id of the integration>/<name of the integration>/<category>/<name>, and "Billing" is not of that form; write a / inside a part as %2F"#);
    insta::assert_snapshot!(refused("flow", "inboundcal/Main"), @r#"the type of a flow is one of bot, businessprocess, commonmodule, digitalbot, emailsend, inboundcall, inboundchat, inboundemail, inboundshortmessage, inqueuecall, inqueueemail, inqueueshortmessage, outboundcall, securecall, speech, surveyinvite, voice, voicemail, voicesurvey, workflow, workitem, not "inboundcal" (did you mean "inboundcall"?)"#);
}
