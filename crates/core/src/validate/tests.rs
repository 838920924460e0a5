use serde_json::{Value, json};

use super::{Problem, normalise, validate};
use crate::bundle::{Bundle, Gap};
use crate::catalogue::Catalogue;
use crate::document::Portable;
use crate::flow::i3;
use crate::id::{Kind, ObjectRef};
use crate::plan::{FLOW_SOURCE, Severity};

fn document(object: &str, body: Value) -> Portable {
    let Value::Object(body) = body else {
        panic!("{body} is no object")
    };
    let object: ObjectRef = object.parse().expect("a reference");
    let files = crate::document::Files::new();
    Portable {
        object,
        body,
        files,
    }
}

fn bundle(documents: impl IntoIterator<Item = Portable>) -> Bundle {
    Bundle {
        documents: documents
            .into_iter()
            .map(|d| (d.object.clone(), d.into()))
            .collect(),
        ..Bundle::default()
    }
}

fn skill(name: &str) -> Portable {
    document(&format!("routing_skill/{name}"), json!({"name": name}))
}

fn queue(body: Value) -> Portable {
    let mut queue = document("routing_queue/Sales", json!({"name": "Sales"}));
    queue.body.append(&mut document("a/b", body).body);
    queue
}

fn flow(source: &str) -> Portable {
    let body = json!({"name": "Main", "type": "INBOUNDCALL"});
    let mut flow = document("flow/inboundcall/Main", body);
    flow.files
        .insert(FLOW_SOURCE.to_owned(), source.as_bytes().into());
    flow
}

fn problems(documents: impl IntoIterator<Item = Portable>) -> Vec<Problem> {
    validate(Catalogue::builtin(), &bundle(documents))
}

/// Says each problem in a line: where, rule, message.
fn told(found: &[Problem]) -> Vec<String> {
    let at = |problem: &Problem| match (&problem.file, problem.line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        (Some(file), None) => file.clone(),
        (None, _) => problem.pointer.clone(),
    };
    found
        .iter()
        .map(|p| format!("{} {} {}: {p}", p.object, at(p), p.rule))
        .collect()
}

#[test]
fn a_good_bundle_has_no_problems() {
    let found = problems([
        skill("Billing"),
        document(
            "routing_wrapupcode/Any",
            json!({"name": "Any", "division": {"id": "*"}}),
        ),
        queue(json!({
            "division": {"$ref": "auth_division/~home"},
            "bullseye": {"rings": [{"actions": {"skillsToRemove": [{"$ref": "routing_skill/Billing"}]}}]},
            "directRouting": {"backupQueueId": {"$ref": "routing_queue/Sales"}},
        })),
    ]);
    assert_eq!(told(&found), Vec::<String>::new());
}

#[test]
fn slips_of_the_hand_get_a_suggestion() {
    let found = problems([
        document("routing_queu/Sales", json!({"name": "Sales"})),
        skill("Billing"),
        queue(json!({
            "descripton": "x",
            "members": [{"user": {"$ref": "user/jo@example.com"}, "ringNumbr": 2}],
            "bullseye": {"rings": [{"actions": {"skillsToRemove": [{"$ref": "routing_skill/Biling"}]}}]},
            "division": {"$ref": "auth_division/~hom"},
        })),
    ]);
    insta::assert_snapshot!(told(&found).join("\n"), @r#"
routing_queu/Sales  unknown-kind: unknown kind "routing_queu" (did you mean "routing_queue"?)
routing_queue/Sales /bullseye/rings/0/actions/skillsToRemove/0 reference-to-nothing: refers to routing_skill/Biling, which is not in the bundle (did you mean "routing_skill/Billing"?)
routing_queue/Sales /descripton unknown-field: a queue has no field "descripton" (did you mean "description"?)
routing_queue/Sales /division reference-to-nothing: refers to auth_division/~hom, and no org has such a built-in division (did you mean "auth_division/~home"?)
routing_queue/Sales /members/0/ringNumbr unknown-field: an item of members has no field "ringNumbr" (did you mean "ringNumber"?)
routing_queue/Sales /members/0/user reference-not-in-bundle: refers to user/jo@example.com, which is not in the bundle; the target must have it
"#);
}

#[test]
fn what_may_stand_nowhere_is_named_with_its_place() {
    let found = problems([
        skill("Billing"),
        queue(json!({
            "campaignStatus": "on",
            "dateCreated": "2026-01-01",
            "description": null,
            "callingPartyName": {"$var": "caller"},
            "callingPartyNumber": "${var.number}",
            "queueFlow": {"$ref": "routing_skill/Billing"},
            "whisperPrompt": {"$ref": "Hello"},
            "onHoldPrompt": {"$ref": "architect_user_prompt/Hold", "name": "Hold"},
            "emailInQueueFlow": {"id": "5a0f0d8e-0000-0000-0000-000000000000"},
            "acwSettings": {"timeoutMs": {"$ref": "routing_skill/Billing"}},
            "wrapUpCodes": [{"$ref": "routing_wrapupcode/A"}, {"$ref": "routing_wrapupcode/A"}],
            "members": {"user": 1},
        })),
    ]);
    insta::assert_snapshot!(told(&found).join("\n"), @r#"
routing_queue/Sales /acwSettings/timeoutMs undeclared-reference: no other object is known to be referred to here; it will be sent as an id
routing_queue/Sales /acwSettings/timeoutMs wrong-type: expected a whole number, found {$ref: …}
routing_queue/Sales /callingPartyName variable: the variable "caller" is for each target to set
routing_queue/Sales /callingPartyNumber variable: the variable "number" is for each target to set
routing_queue/Sales /campaignStatus unknown-field: a queue has no field "campaignStatus"
routing_queue/Sales /dateCreated unmanaged-field: dateCreated is not carried: set by the server; take it out
routing_queue/Sales /description null: null says nothing: leave the field out where it is not managed, write [] where none is wanted
routing_queue/Sales /emailInQueueFlow not-a-reference: expected a reference, {"$ref": "flow/key"}, found a mapping
routing_queue/Sales /members wrong-type: expected a list, found a mapping
routing_queue/Sales /onHoldPrompt malformed-slot: $ref stands alone in its object; take the other fields out
routing_queue/Sales /queueFlow wrong-kind: refers to routing_skill/Billing, but a flow belongs here
routing_queue/Sales /whisperPrompt malformed-slot: $ref is written {"$ref": "kind/key"}, but it is "Hello"
routing_queue/Sales /wrapUpCodes/0 reference-not-in-bundle: refers to routing_wrapupcode/A, which is not in the bundle; the target must have it
routing_queue/Sales /wrapUpCodes/1 duplicate-item: wrapUpCodes names this one twice
routing_queue/Sales /wrapUpCodes/1 reference-not-in-bundle: refers to routing_wrapupcode/A, which is not in the bundle; the target must have it
"#);
}

#[test]
fn a_wrong_type_is_an_error_and_what_the_contract_does_not_know_a_warning() {
    let found = problems([
        queue(json!({
            "description": 7,
            "autoAnswerOnly": "yes",
            "skillEvaluationMethod": "all",
            "mediaSettings": {"call": {"alertingTimeoutSeconds": 8.5, "alertingTimeout": 8}},
            "members": {"$has": [{"user": {"$ref": "user/jo@example.com"}, "ringNumber": "2"}]},
            "wrapUpCodes": "none",
            "bullseye": {"rings": {}},
        })),
        document(
            "architect_schedules/Day",
            json!({"name": "Day", "start": "${var.start}", "end": true}),
        ),
        document(
            "routing_utilization/~settings",
            json!({"utilization": {"call": {"maximumCapacity": "1"}}}),
        ),
    ]);
    let all: Vec<String> = found
        .iter()
        .map(|p| format!("{:?} {}", p.severity, told(std::slice::from_ref(p))[0]))
        .collect();
    insta::assert_snapshot!(all.join("\n"), @r#"
Error architect_schedules/Day /end wrong-type: expected a text, found true; put it in quotes
Note architect_schedules/Day /start variable: the variable "start" is for each target to set
Error routing_queue/Sales /autoAnswerOnly wrong-type: expected true or false, found "yes"
Error routing_queue/Sales /bullseye/rings wrong-type: expected a list, found a mapping
Error routing_queue/Sales /description wrong-type: expected a text, found 7; put it in quotes
Warning routing_queue/Sales /mediaSettings/call/alertingTimeout unknown-field: no field "alertingTimeout" is known here; it will be sent as it is
Error routing_queue/Sales /mediaSettings/call/alertingTimeoutSeconds wrong-type: expected a whole number, found 8.5
Error routing_queue/Sales /members/$has/0/ringNumber wrong-type: expected a whole number, found "2"
Note routing_queue/Sales /members/$has/0/user reference-not-in-bundle: refers to user/jo@example.com, which is not in the bundle; the target must have it
Warning routing_queue/Sales /skillEvaluationMethod unknown-value: expected one of NONE, BEST, ALL, found "all" (did you mean "ALL"?)
Error routing_queue/Sales /wrapUpCodes wrong-type: expected a list, found "none"
Error routing_utilization/~settings /utilization/call/maximumCapacity wrong-type: expected a whole number, found "1"
"#);
}

#[test]
fn a_secret_in_clear_is_refused_and_never_repeated() {
    let body = json!({"name": "CRM", "type": {"name": "basicAuth"}, "credentialFields": {
        "userName": {"$secret": "crm/user"}, "password": "hunter2"}});
    let found = problems([document("integration_credential/basicAuth/CRM", body)]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].rule, &*found[0].pointer),
        ("secret-in-clear", "/credentialFields/password")
    );
    assert!(!format!("{found:?}").contains("hunter2"));
}

#[test]
fn a_placeholder_that_is_all_of_a_value_is_a_warning() {
    let found = problems([queue(json!({
        "description": "<description>",
        "callingPartyName": "{{caller}}",
        "emailInQueueFlow": "Dear {{name}}",
    }))]);
    let found: Vec<_> = found
        .iter()
        .filter(|problem| problem.rule == "placeholder")
        .map(|problem| (problem.pointer.as_str(), problem.severity))
        .collect();
    let warning = Severity::Warning;
    assert_eq!(
        found,
        [("/callingPartyName", warning), ("/description", warning)]
    );
    let credential = document(
        "integration_credential/basicAuth/CRM",
        json!({"name": "CRM", "type": {"name": "basicAuth"}, "credentialFields": {"password": "<hunter2>"}}),
    );
    let found = told(&problems([credential]));
    assert!(!found.is_empty());
    assert!(!found.join("\n").contains("hunter2"), "{found:?}");
}

#[test]
fn a_json_schema_may_point_into_itself() {
    let body =
        json!({"name": "T", "schema": {"properties": {"key": {"$ref": "#/definitions/key"}}}});
    assert_eq!(
        told(&problems([document("architect_datatable/T", body)])),
        Vec::<String>::new()
    );
}

#[test]
fn what_the_target_may_have_is_a_note() {
    let absent = |bundle: &Bundle| {
        let found = validate(Catalogue::builtin(), bundle);
        assert_eq!(found.len(), 1, "{found:?}");
        (found[0].rule, found[0].severity)
    };
    let note = ("reference-not-in-bundle", Severity::Note);
    let overflow = json!({"directRouting": {"backupQueueId": {"$ref": "routing_queue/Overflow"}}});

    let whole = bundle([queue(overflow.clone())]);
    assert_eq!(absent(&whole), ("reference-to-nothing", Severity::Error));
    let mut partial = whole.clone();
    partial.selection.push("queue=Sales".into());
    assert_eq!(absent(&partial), note);
    let mut with_gap = whole;
    with_gap.gaps.push(Gap {
        kind: Kind::new("routing_queue"),
        object: Some("Overflow".into()),
        reason: "404".into(),
    });
    assert_eq!(absent(&with_gap), note);

    let other_kind = bundle([queue(
        json!({"queueFlow": {"$ref": "flow/inqueuecall/Wait"}}),
    )]);
    assert_eq!(absent(&other_kind), note);
    let not_carried = bundle([document(
        "learning_modules/Welcome",
        json!({"name": "Welcome", "autoAssign": {"rule": {"$ref": "users_rules/Newcomers"}}}),
    )]);
    assert_eq!(
        absent(&not_carried),
        ("kind-not-carried", Severity::Warning)
    );
}

#[test]
fn a_data_action_of_genesys_own_has_no_integration() {
    let found = problems([document(
        "integration_action//Genesys Cloud/Find User",
        json!({"name": "Find User", "category": "Genesys Cloud"}),
    )]);
    let about_keys = found.iter().filter(|problem| problem.rule.contains("key"));
    assert_eq!(about_keys.count(), 0);
}

#[test]
fn the_place_of_a_file_and_its_fields_agree() {
    let found = problems([
        document("routing_skill/Billing", json!({"name": "Invoices"})),
        document("routing_language/English", json!({})),
        document(
            "flow/inboundcall/Main",
            json!({"name": "Main", "type": "WORKFLOW"}),
        ),
        document("user/Jo@Example.com", json!({"email": "jo@example.com"})),
        document("user/jo@example.com", json!({"email": "jo@example.com"})),
        document("routing_utilization/mine", json!({})),
    ]);
    insta::assert_snapshot!(told(&found).join("\n"), @r#"
flow/inboundcall/Main  flow-source-missing: its source is missing: add the file <name>.flow.yaml beside it
flow/inboundcall/Main  key-mismatch: the file's place says "inboundcall/Main" and its fields say "workflow/Main"; move the file or change the fields
routing_language/English  missing-key-field: a language is known by its name, which is missing
routing_skill/Billing /name key-mismatch: the file's place says "Billing" and its fields say "Invoices"; move the file or change the fields
routing_utilization/mine  key-mismatch: an org has one utilization, and its key is ~settings
user/jo@example.com  duplicate-key: user/Jo@Example.com is the same user: case does not count
"#);
}

#[test]
fn a_key_may_lean_on_another_object() {
    let body = |integration: &str| json!({"integrationId": {"$ref": integration}, "category": "CRM", "name": "Look up"});
    let crm = "integration/purecloud-data-actions/CRM";
    let integration = json!({"integrationType": {"id": "purecloud-data-actions"}, "name": "CRM"});
    let action = "integration_action/purecloud-data-actions/CRM/CRM/Look up";
    let found = problems([document(crm, integration), document(action, body(crm))]);
    assert_eq!(told(&found), Vec::<String>::new());
}

#[test]
fn a_flow_source_is_there_complete_and_of_this_flow() {
    let mut without = flow("");
    without.files.clear();
    let source = |text: &str| {
        flow(&format!(
            "inboundCall:\n  name: Main\n  defaultLanguage: en-us\n{text}"
        ))
    };
    let transfer = |queue: &str| {
        source(&format!(
            "  startUpRef: /inboundCall/tasks/task[Main]\n  tasks:\n    - task:\n        name: Main\n        refId: Main\n        actions:\n          - transferToAcd:\n              name: To ACD\n              targetQueue:\n                lit:\n                  name: {queue}\n"
        ))
    };
    assert_eq!(
        told(&problems([transfer("Sales"), queue(json!({}))])),
        Vec::<String>::new()
    );
    let cases = [
        vec![without],
        vec![flow("inboundCall: [")],
        vec![flow("inboundCall:\n  name: Other\n")],
        vec![flow("workflow:\n  name: Main\n")],
        vec![transfer("\"{{queue_name}}\"")],
        vec![transfer("Support"), queue(json!({}))],
        vec![transfer("Support")],
    ];
    let lines: Vec<String> = cases
        .into_iter()
        .flat_map(|case| told(&problems(case)))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
flow/inboundcall/Main  flow-source-missing: its source is missing: add the file <name>.flow.yaml beside it
flow/inboundcall/Main flow.yaml:1 flow-source-unreadable: unclosed bracket '['
flow/inboundcall/Main flow.yaml flow-name-differs: the source is of the flow "Other", the document says "Main"
flow/inboundcall/Main flow.yaml flow-type-differs: the source is a flow of type WORKFLOW, the document says INBOUNDCALL
flow/inboundcall/Main flow.yaml:14 flow-placeholder: the placeholder {{queue_name}} is not filled in
flow/inboundcall/Main flow.yaml:14 flow-names-nothing: names routing_queue/Support, which is not in the bundle; the target must have it
"#);
}

#[test]
fn an_architect_file_is_a_source_too() {
    let export = |bytes: &str| {
        let mut flow = flow("");
        flow.files = [(i3::FILE.to_owned(), bytes.as_bytes().into())].into();
        flow
    };
    let of = |name: &str| {
        let json = format!(
            r#"{{"type": "inboundcall", "name": "{name}", "manifest": {{
                "queue": [{{"id": "1", "name": "Support"}}], "emergencyGroup": [{{"id": "2", "name": "Fire"}}],
                "dataAction": [{{"id": "3", "name": "Find"}}]}}}}"#
        );
        export(&i3::encode(&json))
    };
    let (crm, action) = (
        "integration/custom-rest-actions/CRM",
        "integration_action/custom-rest-actions/CRM/CRM/Find",
    );
    let found = document(action, json!({"name": "Find", "category": "CRM"}));
    let lost = document(crm, json!({"name": "CRM"}));
    let mut twice = of("Main");
    twice.files.extend(flow("").files);
    let cases = [
        vec![export("no export")],
        vec![twice],
        vec![of("Other")],
        vec![of("Main"), queue(json!({})), found, lost],
    ];
    let lines: Vec<String> = cases
        .into_iter()
        .flat_map(|case| told(&problems(case)))
        .filter(|line| line.starts_with("flow/"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
flow/inboundcall/Main flow.i3 flow-source-unreadable: the export is not base64
flow/inboundcall/Main  flow-source-twice: it has two sources, flow.yaml and flow.i3; take one out
flow/inboundcall/Main flow.i3 flow-name-differs: the source is of the flow "Other", the document says "Main"
flow/inboundcall/Main flow.i3 flow-names-nothing: names routing_queue/Support, which is not in the bundle; the target must have it
"#);
}

#[test]
fn normalising_gives_the_one_form() {
    let mut bundle = bundle([
        document("user/Jo@Example.com", json!({"email": "Jo@Example.com"})),
        queue(json!({
            "members": [
                {"user": {"$ref": "user/zoe@example.com"}, "ringNumber": 2.0},
                {"user": {"$ref": "user/Jo@Example.com"}},
            ],
        })),
    ]);
    normalise(Catalogue::builtin(), &mut bundle);
    let keys: Vec<String> = bundle.documents.keys().map(ToString::to_string).collect();
    assert_eq!(keys, ["routing_queue/Sales", "user/jo@example.com"]);
    let queue = bundle.documents.values().next().expect("the queue");
    assert_eq!(
        queue.field("members").expect("members"),
        json!([
            {"user": {"$ref": "user/jo@example.com"}},
            {"user": {"$ref": "user/zoe@example.com"}, "ringNumber": 2},
        ])
    );
    let once = bundle.clone();
    normalise(Catalogue::builtin(), &mut bundle);
    assert_eq!(bundle, once);
}

#[test]
fn normalising_loses_no_document() {
    let mut bundle = bundle([
        document("user/Jo@example.com", json!({"email": "Jo@example.com"})),
        document("user/jo@example.com", json!({"email": "jo@example.com"})),
    ]);
    normalise(Catalogue::builtin(), &mut bundle);
    assert_eq!(bundle.documents.len(), 2);
}
