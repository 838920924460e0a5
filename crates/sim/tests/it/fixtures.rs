//! Flows that people who never saw this project have written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::architect::{export, flow_of, import, messages};
use crate::support::{Api, World};

/// What each source names, apart from flows: the words of the simulated Architect.
///
/// Placeholders are filled with their own names.
const NAMED: [(&str, &[&str]); 21] = [
    (
        "Blacklist.i3WorkFlow",
        &[
            "data action 'Disconnect interaction'",
            "data table 'Blacklist'",
        ],
    ),
    (
        "DR-Emergency-IVR.yaml",
        &[
            "emergency group 'Organization Evacuation Emergency Group'",
            "queue 'Annuity'",
            "queue 'Brokerage'",
            "queue 'General Help'",
            "queue 'Health Insurance'",
            "queue 'Life Insurance'",
            "queue 'Mutual Funds'",
        ],
    ),
    ("DR-Fallback-Ivr.yaml", &["queue 'General Help'"]),
    (
        "EmailComprehendFlow.yaml",
        &[
            "data action in the category 'ComprehendDataAction' 'LookupQueueName'",
            "queue 'GeneralSupport'",
        ],
    ),
    (
        "Proactive_callback_connect.yaml",
        &[
            "contact list 'Proactive callbacks'",
            "data action in the category 'integrationName' 'Disconnect callback'",
            "queue 'targetQueueName'",
            "wrap-up code 'No Answer'",
        ],
    ),
    (
        "Proactive_callback_offer.yaml",
        &[
            "data action in the category 'integrationName' 'Get callbacks waiting'",
            "inboundCall flow 'Trigger proactive callback workflow'",
            "queue 'targetQueueName'",
        ],
    ),
    (
        "Proactive_callback_v1-0.i3OutboundFlow",
        &[
            "ACD skill 'Voice'",
            "contact list 'Brian - virtual hold'",
            "data action 'Disconnect callback'",
            "queue 'Brian - Care'",
            "wrap-up code 'No Answer'",
        ],
    ),
    (
        "Proactive_callback_v1-0.i3WorkFlow",
        &[
            "data action 'Brian - Add contact to contact list'",
            "data action 'Brian - Create placeholder callback'",
            "data action 'Get interaction state'",
        ],
    ),
    (
        "Proactive_callback_workbin.yaml",
        &[
            "data action in the category 'integrationName' 'Add contact to contact list'",
            "data action in the category 'integrationName' 'Create placeholder callback'",
            "data action in the category 'integrationName' 'Get interaction state'",
        ],
    ),
    (
        "Proactive_callbacks_v1-0.i3InQueueFlow",
        &[
            "data action 'Brian - Get callbacks waiting'",
            "inboundCall flow 'Trigger proactive callback workflow'",
            "queue 'Brian - Care'",
        ],
    ),
    (
        "SimpleFinancialIvr_v2-0.yaml",
        &[
            "queue 'Simple Financial 401K queue'",
            "queue 'Simple Financial IRA queue'",
        ],
    ),
    (
        "Trigger_proactive_callback_workflow.yaml",
        &["data action in the category 'integrationName' 'Execute workflow'"],
    ),
    (
        "Trigger_proactive_callback_workflow_v1-0.i3InboundFlow",
        &["data action 'Brian - execute workflow'"],
    ),
    (
        "blacklist.yaml",
        &[
            "data action in the category 'data_action_category' 'data_action_name'",
            "data table 'data_table'",
        ],
    ),
    (
        "del-webmessage_flow.yaml",
        &[
            "botFlow flow 'hours_differentiator_webmessage_bot'",
            "division 'New Home'",
            "queue 'chat11'",
            "queue 'hours_differentiator_queue'",
            "schedule 'hours_differentiator_schedule'",
        ],
    ),
    (
        "main_flow.yaml",
        &[
            "data action in the category 'prefix-Lambda' 'prefix-data-action'",
            "division 'New Home'",
        ],
    ),
    ("quick-response-bot.yaml", &[]),
    ("spare_flow.yml", &["division 'New Home'"]),
    (
        "web-messaging-triage-bot.yaml",
        &[
            "botFlow flow 'web-messaging-quick-response-bot'",
            "data action in the category 'data_action_category' 'data_action_name'",
            "queue 'queue_name'",
        ],
    ),
    ("webmessage_bot_flow.yaml", &["division 'New Home'"]),
    (
        "webmessage_flow.yaml",
        &[
            "botFlow flow 'hours_differentiator_webmessage_bot'",
            "division 'New Home'",
            "queue 'acd_queue_name'",
            "queue 'chat11'",
            "schedule 'schedule_name'",
        ],
    ),
];

/// Lists the sources; nothing when they are not there.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/blueprints");
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let end = name.rsplit('.').next().unwrap_or_default();
            if end.starts_with("i3") || end == "yaml" || end == "yml" {
                found.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    if found.is_empty() {
        let mut out = std::io::stderr();
        let _ = std::io::Write::write_all(&mut out, b"skipped: fixtures absent\n");
    }
    found
}

/// Lists the `{{name}}` and `<name>` of a source.
fn placeholders(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (open, close) in [("{{", "}}"), ("<", ">")] {
        for after in source.split(open).skip(1) {
            let Some((name, _)) = after.split_once(close) else {
                continue;
            };
            if name.len() > 1 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                found.insert(format!("{open}{name}{close}"));
            }
        }
    }
    found
}

fn filled(source: &str) -> String {
    let mut text = source.replace("{{division}}", "Home");
    for placeholder in placeholders(source) {
        let name = placeholder.trim_matches(['{', '}', '<', '>']);
        text = text.replace(&placeholder, name);
    }
    text
}

async fn make(api: &Api, missing: &str) {
    let (what, name) = missing.split_once(" '").expect("a noun and a name");
    let name = name.trim_end_matches('\'');
    let words: Vec<&str> = name.split("' '").collect();
    let (path, body) = match what {
        "queue" => ("/api/v2/routing/queues", json!({"name": name})),
        "ACD skill" => ("/api/v2/routing/skills", json!({"name": name})),
        "wrap-up code" => ("/api/v2/routing/wrapupcodes", json!({"name": name})),
        "division" => (
            "/api/v2/authorization/divisions",
            json!({"name": name, "description": ""}),
        ),
        "emergency group" => ("/api/v2/architect/emergencygroups", json!({"name": name})),
        "schedule" => (
            "/api/v2/architect/schedules",
            json!({"name": name, "start": "2026-01-05T09:00:00.000", "end": "2026-01-05T17:00:00.000"}),
        ),
        "contact list" => (
            "/api/v2/outbound/contactlists",
            json!({"name": name, "columnNames": ["phone"], "phoneColumns": [{"columnName": "phone", "type": "cell"}]}),
        ),
        "data table" => (
            "/api/v2/flows/datatables",
            json!({"name": name, "schema": {
                "required": ["key"],
                "additionalProperties": false,
                "properties": {"key": {"type": "string", "displayOrder": 0}},
            }}),
        ),
        "inboundCall flow" => (
            "/api/v2/flows",
            json!({"name": name, "type": "INBOUNDCALL"}),
        ),
        "botFlow flow" => ("/api/v2/flows", json!({"name": name, "type": "BOT"})),
        _ => {
            let (category, name) = match words.as_slice() {
                [category, name] => (*category, *name),
                _ => ("Anything", name),
            };
            let body = json!({"name": category, "integrationType": {"id": "custom-rest-actions"}});
            let integration = api.make("/api/v2/integrations", body).await;
            let schema = json!({"type": "object", "properties": {}});
            let action = json!({
                "name": name,
                "category": category,
                "integrationId": integration,
                "contract": {"input": {"inputSchema": schema}, "output": {"successSchema": schema}},
                "config": {
                    "request": {"requestType": "GET", "requestUrlTemplate": "https://example.com", "requestTemplate": "${input.rawRequest}"},
                    "response": {"successTemplate": "${rawResult}"},
                },
            });
            ("/api/v2/integrations/actions", action)
        }
    };
    api.make(path, body).await;
}

#[tokio::test]
async fn unfilled_placeholders_are_all_named() {
    let world = World::start().await;
    for (file, source) in sources() {
        let open = placeholders(&source);
        if file.contains(".i3") || open.is_empty() {
            continue;
        }
        let job = import(&world.api, &source).await;
        assert_eq!(job["status"], "Failure", "{file}");
        let said = messages(&job);
        // Those in angle brackets count only as whole values, which all of these are; but they
        // cannot be seen before the braces are filled and the file is YAML.
        for placeholder in open {
            assert!(
                said.contains(&placeholder),
                "{file}: {placeholder} is not in {said}"
            );
        }
    }
}

#[tokio::test]
async fn every_source_is_taken_once_what_it_names_is_there_and_comes_back_as_it_was() {
    for (file, source) in sources() {
        let world = World::start().await;
        let api = &world.api;
        let is_i3 = file.contains(".i3");
        let source = if is_i3 { source } else { filled(&source) };
        let (_, named) = NAMED.iter().find(|(known, _)| *known == file).expect(&file);
        let job = import(api, &source).await;
        let missing: Vec<String> = job["messages"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|message| message["type"] == "Error")
            .filter_map(|message| {
                message["text"]
                    .as_str()?
                    .strip_prefix("Could not find the ")
            })
            .map(|text| text.trim_end_matches('.').to_owned())
            // Scripts come by another host than the others.
            .filter(|what| !what.starts_with("script "))
            .collect();
        let found: BTreeSet<&str> = missing.iter().map(String::as_str).collect();
        let expected: BTreeSet<&str> = named.iter().copied().collect();
        assert_eq!(found, expected, "{file}");
        for what in named.iter() {
            make(api, what).await;
        }
        if job.to_string().contains("find the script '") {
            continue;
        }
        let job = match named.is_empty() {
            true => job,
            false => import(api, &source).await,
        };
        let id = flow_of(&job);
        let sort = if is_i3 { "Architect" } else { "Yaml" };
        let asked = json!([{"flow": {"id": id}, "fileName": "flow", "exportType": sort}]);
        let (_, files) = export(api, asked).await;
        assert_eq!(files.len(), 1, "{file}");
        assert_eq!(files[0].1, source, "{file}");
        let end = match is_i3 {
            true => file.rsplit('.').next().unwrap(),
            false => "yaml",
        };
        assert_eq!(files[0].0, format!("flow.{end}"));
        // What the simulator cannot look for is at least told of.
        let warned = job["messages"].as_array().map_or(0, Vec::len);
        let scripts = source.contains("screenPopScript");
        assert_eq!(warned > 0, scripts, "{file}: {job}");
    }
}
