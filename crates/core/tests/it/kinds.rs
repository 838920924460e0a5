//! What kind files make of what an org answers.

use std::collections::BTreeMap;

use orgsmith_core::catalogue::{Builtin, Catalogue, Descriptor};
use orgsmith_core::document::Captured;
use orgsmith_core::id::{Kind, SourceId};
use orgsmith_core::plan::{Action, Options, Plan, Planner};
use orgsmith_core::snapshot::{Names, Snapshot, loose_ids, undeclared};
use serde_json::{Map, Value, json};

/// Makes an org of these objects portable; returns the documents by reference, and the gaps.
fn documents(objects: &[(&str, Value)]) -> (BTreeMap<String, Map<String, Value>>, Vec<String>) {
    let mut snapshot = Snapshot::default();
    for (kind, body) in objects {
        let captured = Captured {
            id: SourceId::new(body["id"].as_str().expect("an id")),
            body: body.clone(),
            files: BTreeMap::new(),
        };
        let of_kind = snapshot.objects.entry(Kind::new(kind)).or_default();
        of_kind.push(captured.into());
    }
    let (bundle, _) = snapshot.to_bundle(Catalogue::builtin(), &BTreeMap::new());
    let documents = bundle.documents.into_iter();
    let gaps = bundle.gaps.into_iter().map(|gap| gap.reason).collect();
    (
        documents
            .map(|(object, document)| (object.to_string(), document.open().body))
            .collect(),
        gaps,
    )
}

#[test]
fn a_skill_condition_may_hold_an_id_or_a_name() {
    let condition = |skill: &str| {
        json!([{
            "operation": "And",
            "languageSkillConditions": [],
            "routingSkillConditions": [{
                "routingSkill": skill,
                "comparator": "GreaterThan",
                "proficiency": 2,
                "childConditions": [{
                    "operation": "Or",
                    "routingSkillConditions": [],
                    "languageSkillConditions": [
                        {"languageSkill": "l-1", "comparator": "EqualTo", "proficiency": 5},
                    ],
                }],
            }],
        }])
    };
    let org = |skill: &str| {
        documents(&[
            ("routing_skill", json!({"id": "s-1", "name": "Billing"})),
            ("routing_language", json!({"id": "l-1", "name": "Spanish"})),
            (
                "routing_skill_group",
                json!({"id": "g-1", "name": "Experts", "skillConditions": condition(skill)}),
            ),
        ])
    };
    let (by_id, gaps) = org("s-1");
    assert_eq!(gaps, Vec::<String>::new());
    assert_eq!(by_id, org("Billing").0);
    let text = Value::Object(by_id["routing_skill_group/Experts"].clone()).to_string();
    assert!(
        text.contains(r#""routingSkill":{"$ref":"routing_skill/Billing"}"#),
        "{text}"
    );
    assert!(
        text.contains(r#""languageSkill":{"$ref":"routing_language/Spanish"}"#),
        "{text}"
    );
    let (_, gaps) = org("Refunds");
    assert_eq!(gaps.len(), 1, "{gaps:?}");
}

#[test]
fn a_user_carries_skills_and_places_but_no_id() {
    let (documents, gaps) = documents(&[
        (
            "auth_division",
            json!({"id": "d-1", "name": "Main", "homeDivision": true}),
        ),
        (
            "routing_skill",
            json!({"id": "s-1", "name": "Billing", "division": {"id": "d-1"}}),
        ),
        (
            "location",
            json!({"id": "p-1", "name": "Lisbon", "path": []}),
        ),
        (
            "user",
            json!({
                "id": "u-1",
                "name": "Ana",
                "email": "Ana@Example.com",
                "division": {"id": "d-1", "name": "Main", "selfUri": "/d-1"},
                "state": "active",
                "version": 7,
                "skills": [
                    {"id": "s-1", "name": "Billing", "proficiency": 3.0, "state": "active", "skillUri": "/s-1"},
                ],
                "locations": [{
                    "id": "p-1",
                    "notes": "second floor",
                    "locationDefinition": {"id": "p-1", "name": "Lisbon"},
                }],
                "addresses": [
                    {"mediaType": "EMAIL", "type": "PRIMARY", "address": "Ana@Example.com"},
                    {"mediaType": "PHONE", "address": "+351210000000", "display": "+351 21 000 0000"},
                ],
            }),
        ),
    ]);
    assert_eq!(gaps, Vec::<String>::new());
    assert_eq!(
        Value::Object(documents["user/ana@example.com"].clone()),
        json!({
            "name": "Ana",
            "email": "Ana@Example.com",
            "division": {"$ref": "auth_division/~home"},
            "state": "active",
            "addresses": [{"mediaType": "PHONE", "address": "+351210000000"}],
            "skills": [{"id": {"$ref": "routing_skill/Billing"}, "proficiency": 3}],
            "locations": [{"id": {"$ref": "location/Lisbon"}, "notes": "second floor"}],
        })
    );
}

#[test]
fn a_queue_refers_by_name_whatever_the_place_looks_like() {
    let (documents, gaps) = documents(&[
        (
            "flow",
            json!({"id": "f-1", "type": "INQUEUECALL", "name": "Hold"}),
        ),
        (
            "group",
            json!({"id": "g-1", "name": "Night", "type": "official"}),
        ),
        (
            "user",
            json!({"id": "u-1", "name": "Ana", "email": "ana@example.com"}),
        ),
        (
            "routing_wrapupcode",
            json!({"id": "w-1", "name": "Sold", "division": {"id": "*"}}),
        ),
        (
            "routing_queue",
            json!({
                "id": "q-1",
                "name": "Sales",
                "memberCount": 2,
                "queueFlow": {"id": "f-1", "name": "Hold", "selfUri": "/f-1"},
                "directRouting": {"backupQueueId": "q-1"},
                "defaultScripts": {"CALL": {"id": "x-1", "name": "Default"}},
                "memberGroups": [{"id": "g-1", "type": "GROUP", "memberCount": 1}],
                "members": [
                    {"id": "u-1", "user": {"id": "u-1", "name": "Ana"}, "ringNumber": 1, "joined": true},
                ],
                "wrapUpCodes": [{"id": "w-1", "name": "Sold"}],
            }),
        ),
    ]);
    assert_eq!(
        Value::Object(documents["routing_queue/Sales"].clone()),
        json!({
            "name": "Sales",
            "queueFlow": {"$ref": "flow/inqueuecall/Hold"},
            "directRouting": {"backupQueueId": {"$ref": "routing_queue/Sales"}},
            "defaultScripts": {},
            "memberGroups": [{"$ref": "group/Night"}],
            "members": [{"user": {"$ref": "user/ana@example.com"}}],
            "wrapUpCodes": [{"$ref": "routing_wrapupcode/Sold"}],
        })
    );
    assert_eq!(gaps.len(), 1, "only the script is left out: {gaps:?}");
    assert_eq!(
        documents["routing_wrapupcode/Sold"]["division"],
        json!("*"),
        "all divisions are the same in every org"
    );
}

#[test]
fn an_action_is_known_by_its_integration() {
    let integration = json!({
        "id": "i-1",
        "name": "CRM",
        "integrationType": {"id": "custom-rest-actions", "name": "Web Services", "selfUri": "/t"},
        "intendedState": "ENABLED",
        "config": {
            "id": "current",
            "name": "CRM",
            "version": 4,
            "notes": "",
            "properties": {},
            "advanced": {},
            "credentials": {"basicAuth": {"id": "c-1", "name": "CRM login"}},
        },
    });
    let credential =
        json!({"id": "c-1", "name": "CRM login", "type": {"id": "t-1", "name": "basicAuth"}});
    let action = json!({
        "id": "custom_1",
        "integrationId": "i-1",
        "category": "CRM",
        "name": "Find customer",
        "contract": {
            "input": {"inputSchema": {"type": "object"}, "inputSchemaUri": "/in"},
            "output": {"successSchema": {"type": "object"}, "errorSchemaUri": "/error"},
        },
    });
    let (documents, gaps) = documents(&[
        ("integration", integration),
        ("integration_credential", credential),
        ("integration_action", action),
    ]);
    assert_eq!(gaps, Vec::<String>::new());
    let integration = &documents["integration/custom-rest-actions/CRM"];
    assert_eq!(
        integration["integrationType"],
        json!({"id": "custom-rest-actions"})
    );
    assert_eq!(
        integration["config"]["credentials"],
        json!({"basicAuth": {"$ref": "integration_credential/basicAuth/CRM login"}})
    );
    assert_eq!(integration["config"].get("version"), None);
    let action = &documents["integration_action/custom-rest-actions/CRM/CRM/Find customer"];
    assert_eq!(
        action["contract"],
        json!({
            "input": {"inputSchema": {"type": "object"}},
            "output": {"successSchema": {"type": "object"}},
        })
    );
}

#[test]
fn a_secret_that_an_org_answers_goes_no_further() {
    let (documents, _) = documents(&[(
        "integration_credential",
        json!({
            "id": "c-1", "name": "CRM", "type": {"name": "basicAuth"},
            "credentialFields": {"userName": {"$secret": "CRM/userName"}, "password": "hunter2"},
        }),
    )]);
    let fields = &documents["integration_credential/basicAuth/CRM"]["credentialFields"];
    assert_eq!(*fields, json!({"userName": {"$secret": "CRM/userName"}}));
}

const QUEUE: &str = "0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0";
const SELF: &str = "1f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0";
const NOBODY: &str = "2f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0";

#[test]
fn an_id_of_nothing_is_found_in_texts_and_keys_and_not_where_it_is_at_home() {
    let found = |kind: &str, body: Value| {
        let descriptor = Catalogue::builtin().get(kind).expect("a kind");
        let places = loose_ids(descriptor, body.as_object().expect("an object"));
        places
            .into_iter()
            .map(|(path, id)| format!("{path} {id}"))
            .collect::<Vec<_>>()
    };
    let url = format!("https://login.example/{NOBODY}/saml?again={NOBODY}");
    let config = json!({
        "name": NOBODY,
        "config": {
            "url": url,
            "byQueue": {NOBODY: 1},
            "said": format!("${{ref.routing_queue/{QUEUE}}} and {NOBODY}"),
            "one": {"$ref": format!("routing_queue/{QUEUE}")},
            format!("$ref:routing_queue/{QUEUE}"): 2,
        },
    });
    assert_eq!(
        found("integration", config),
        [
            format!("config.byQueue {NOBODY}"),
            format!("config.said {NOBODY}"),
            format!("config.url {NOBODY}"),
            format!("config.url {NOBODY}"),
        ]
    );
    let view = json!({
        "name": "Calls",
        "elements": [{"id": NOBODY, "name": NOBODY, "followedBy": [{"id": QUEUE}]}],
    });
    assert_eq!(
        found("journey_views", view),
        [format!("elements[].name {NOBODY}")]
    );
}

#[test]
fn an_id_travels_as_a_reference_wherever_it_stands() {
    let (documents, gaps) = documents(&[
        ("routing_queue", json!({"id": QUEUE, "name": "Sales"})),
        (
            "integration",
            json!({
                "id": SELF, "name": "CRM", "integrationType": {"id": "custom"},
                "config": {
                    "name": "CRM",
                    "notes": format!("see /api/v2/routing/queues/{}/members", QUEUE.to_uppercase()),
                    "properties": {
                        "queue": QUEUE,
                        "byQueue": {QUEUE: 1},
                        "settings": format!("{{\"queueId\":\"{QUEUE}\"}}"),
                        "own": SELF,
                        "tenantId": NOBODY,
                    },
                },
            }),
        ),
        (
            "architect_datatable",
            json!({"id": "t-1", "name": "Lines", "rows": [{"key": "a", "queue": QUEUE}]}),
        ),
    ]);
    let own = format!(
        "config.properties.own refers to integration {SELF}, which is the object itself: its own id means nothing elsewhere and is left out"
    );
    assert_eq!(gaps, [own]);
    let config = &documents["integration/custom/CRM"]["config"];
    assert_eq!(
        config["notes"],
        "see /api/v2/routing/queues/${ref.routing_queue/Sales}/members"
    );
    assert_eq!(
        config["properties"],
        json!({
            "queue": {"$ref": "routing_queue/Sales"},
            "byQueue": {"$ref:routing_queue/Sales": 1},
            "settings": "{\"queueId\":\"${ref.routing_queue/Sales}\"}",
            "tenantId": NOBODY,
        })
    );
    let integration = Catalogue::builtin().get("integration").expect("a kind");
    assert_eq!(
        loose_ids(integration, &documents["integration/custom/CRM"]),
        [("config.properties.tenantId".to_owned(), NOBODY.to_owned())]
    );
    assert_eq!(
        documents["architect_datatable/Lines"]["rows"],
        json!([{"key": "a", "queue": {"$ref": "routing_queue/Sales"}}])
    );
    let places: Vec<String> = undeclared(integration, &documents["integration/custom/CRM"])
        .into_iter()
        .map(|(path, object)| format!("{path} {object}"))
        .collect();
    assert_eq!(
        places,
        [
            "config.notes routing_queue/Sales",
            "config.properties.byQueue routing_queue/Sales",
            "config.properties.queue routing_queue/Sales",
            "config.properties.settings routing_queue/Sales",
        ]
    );
}

#[test]
fn the_id_of_a_flow_means_the_flow_though_its_log_level_has_it_too() {
    let level = json!({"id": QUEUE, "flow": {"id": QUEUE}, "logLevelCharacteristics": {}});
    let (documents, gaps) = documents(&[
        (
            "flow",
            json!({"id": QUEUE, "name": "Main", "type": "INBOUNDCALL"}),
        ),
        ("flow_loglevel", level),
        (
            "architect_datatable",
            json!({"id": "t-1", "name": "Lines", "rows": [{"key": "a", "to": QUEUE}]}),
        ),
    ]);
    assert!(gaps.is_empty(), "{gaps:?}");
    assert_eq!(
        documents["architect_datatable/Lines"]["rows"][0]["to"],
        json!({"$ref": "flow/inboundcall/Main"})
    );
}

/// Makes an org with one object that a rule of built-in objects is about.
fn org_with_builtin(descriptor: &Descriptor, rule: &Builtin, org: &str) -> Snapshot {
    let mut body = json!({"id": format!("{org}-id")});
    for path in &descriptor.key.fields {
        path.set(&mut body, &json!("Built In"));
    }
    // What may differ from org to org does.
    for field in &rule.unmanaged {
        body[field] = json!(format!("as {org} has it"));
    }
    if let Some(path) = &rule.key_field {
        path.set(&mut body, &json!("builtInKey"));
    }
    for (path, wanted) in &rule.when {
        let wanted = match wanted.as_str().and_then(|text| text.strip_suffix('*')) {
            Some(beginning) => json!(format!("{beginning}-{org}")),
            None => wanted.clone(),
        };
        path.set(&mut body, &wanted);
    }
    let captured = Captured {
        id: SourceId::new(body["id"].as_str().expect("an id")),
        body,
        files: BTreeMap::new(),
    };
    let mut snapshot = Snapshot::default();
    let of_kind = snapshot.objects.entry(descriptor.kind.clone()).or_default();
    of_kind.push(captured.into());
    snapshot
}

/// An object that every org has is the one of the target, by whatever id, and is never created.
#[test]
fn a_builtin_object_is_its_twin_and_never_created() {
    let catalogue = Catalogue::builtin();
    let mut rules = 0;
    for descriptor in catalogue.iter() {
        for rule in &descriptor.builtins {
            rules += 1;
            let told = format!("{} {:?}", descriptor.kind, rule.when);
            let pins = BTreeMap::new();
            let (bundle, _) =
                org_with_builtin(descriptor, rule, "source").to_bundle(catalogue, &pins);
            assert_eq!(bundle.documents.len(), 1, "{told}");
            let object = bundle.documents.keys().next().expect("one");

            let target = org_with_builtin(descriptor, rule, "target");
            let names = Names::new(catalogue, &target, &pins);
            let twin = names.iter().next().expect("the twin");
            assert_eq!(twin.1, object, "{told}: the twin has another key");

            let planner = Planner::new(catalogue, Options::default());
            let plan = planner.plan(&bundle, &target);
            let creates = |plan: &Plan| plan.steps.iter().any(|step| step.action == Action::Create);
            assert!(!creates(&plan), "{told}: {:?}", plan.steps);
            if rule.fixed {
                assert!(plan.is_empty(), "{told}: {:?}", plan.steps);
            }
            // Where it has a name of its own, an org that was read without it is not given one.
            let mut without = Snapshot::default();
            without.objects.insert(descriptor.kind.clone(), Vec::new());
            if object.key.is_builtin() {
                let plan = planner.plan(&bundle, &without);
                assert!(!creates(&plan), "{told}: {:?}", plan.steps);
                let conflicts = plan.conflicts.iter().map(|conflict| &conflict.object);
                assert!(conflicts.eq([object]), "{told}: nobody is told");
            }
        }
    }
    assert!(rules > 0);
}
