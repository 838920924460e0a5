//! An org that holds what Genesys' own blueprints hold and name.
//!
//! They are read from beside the project and are not part of it.

use std::collections::BTreeMap;
use std::path::Path;

use orgsmith_client::{Call, Client};
use orgsmith_core::flow::{self, FlowTarget, Rename, i3};
use serde_json::{Value, json};

use crate::lab::{Lab, PLANTED};

/// What the placeholders of the templates are filled with; one that is not here, with its name.
const FILLED: [(&str, &str, &str); 8] = [
    ("", "{{division}}", "Home"),
    ("", "{{default_language}}", "en-us"),
    ("", "<integrationName>", "Proactive Callback Flows"),
    ("", "<targetQueueName>", "Target Queue"),
    ("blacklist.yaml", "{{flow_name}}", "ANI blacklist"),
    (
        "blacklist.yaml",
        "{{data_action_name}}",
        "Disconnect Interaction",
    ),
    ("web-messaging-triage-bot.yaml", "{{flow_name}}", "Triage"),
    (
        "quick-response-bot.yaml",
        "{{flow_name}}",
        "web-messaging-quick-response-bot",
    ),
];

/// The fixtures by file name; nothing where they are not there.
pub fn fixtures() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/blueprints");
    let mut found = BTreeMap::new();
    for folder in std::fs::read_dir(root).into_iter().flatten().flatten() {
        for file in std::fs::read_dir(folder.path())
            .expect("a folder")
            .flatten()
        {
            let text = std::fs::read_to_string(file.path()).expect("text");
            found.insert(file.file_name().to_string_lossy().into_owned(), text);
        }
    }
    if found.is_empty() {
        let mut out = std::io::stderr();
        let _ = std::io::Write::write_all(&mut out, b"skipped: fixtures absent\n");
    }
    found
}

pub fn is_yaml(file: &str) -> bool {
    file.ends_with(".yaml") || file.ends_with(".yml")
}

/// Fills a template.
pub fn fill(file: &str, source: &str) -> String {
    let open = flow::scan(source).expect("a flow").placeholders;
    let mut text = source.to_owned();
    for (of, placeholder, value) in FILLED {
        if of.is_empty() || of == file {
            text = text.replace(placeholder, value);
        }
    }
    for placeholder in open {
        let name = placeholder.text.trim_matches(['{', '}', '<', '>']);
        text = text.replace(&placeholder.text, name);
    }
    // The blueprint keeps an older edition of one flow, which would be its second version.
    if file.starts_with("del-") {
        let scan = flow::scan(&text).expect("a flow");
        let older = Rename::new(FlowTarget::flow(scan.flow_type, scan.name), "Older edition");
        text = flow::rename(&text, &[older]).expect("a flow").text;
    }
    text
}

/// An object that a flow names: kind, category of an action, name.
pub type Named = (&'static str, String, String);

pub fn named_by_yaml(source: &str) -> Vec<Named> {
    let references = flow::scan(source).expect("a flow").references;
    references
        .into_iter()
        .map(|reference| {
            let category = match &reference.target {
                FlowTarget::DataAction { category, .. } => category.clone(),
                _ => String::new(),
            };
            let name = reference.target.name().to_owned();
            (reference.target.kind(), category, name)
        })
        .collect()
}

pub fn named_by_export(source: &str) -> Vec<Named> {
    let entries = i3::manifest(source.as_bytes()).expect("an export").entries;
    let named = |entry: i3::ManifestEntry| Some((entry.kind?, "Callbacks".to_owned(), entry.name?));
    entries.into_iter().filter_map(named).collect()
}

/// An org that is filled with what the fixtures hold and name.
pub struct Source<'l> {
    lab: &'l Lab,
    org: &'l str,
    files: &'l BTreeMap<String, String>,
    made: BTreeMap<Named, String>,
}

impl<'l> Source<'l> {
    pub fn new(lab: &'l Lab, org: &'l str, files: &'l BTreeMap<String, String>) -> Self {
        let made = BTreeMap::new();
        Self {
            lab,
            org,
            files,
            made,
        }
    }

    pub fn json(&self, file: &str) -> Value {
        serde_json::from_str(&self.files[file]).expect("JSON")
    }

    pub fn send(&self, method: &str, path: &str, body: Value) -> String {
        let path = format!("/api/v2/{path}");
        let made = self.lab.sim.seed(self.org, method, &path, body);
        let made = made.unwrap_or_else(|error| panic!("{error}: {}", error.message));
        made["id"].as_str().unwrap_or_default().to_owned()
    }

    /// Makes the object that a flow names, once; flows come by themselves.
    pub fn make(&mut self, what: Named) -> Option<String> {
        if let Some(id) = self.made.get(&what) {
            return Some(id.clone());
        }
        let (kind, category, name) = &what;
        let (path, body) = match *kind {
            "auth_division" if name == "Home" => return None,
            "auth_division" => (
                "authorization/divisions",
                json!({"name": name, "description": ""}),
            ),
            "routing_queue" => ("routing/queues", json!({"name": name})),
            "routing_skill" => ("routing/skills", json!({"name": name})),
            "routing_wrapupcode" => ("routing/wrapupcodes", json!({"name": name})),
            "architect_schedules" => (
                "architect/schedules",
                json!({"name": name, "start": "2026-01-05T09:00:00.000", "end": "2026-01-05T17:00:00.000"}),
            ),
            "architect_datatable" => (
                "flows/datatables",
                json!({"name": name, "schema": {
                    "$schema": "http://json-schema.org/draft-04/schema#",
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["key"],
                    "properties": {"key": {"title": "number", "type": "string", "$id": "/properties/key", "displayOrder": 0}},
                }}),
            ),
            "outbound_contact_list" => {
                let mut list = self.json("contactList.json");
                list["name"] = name.as_str().into();
                ("outbound/contactlists", list)
            }
            "integration_action" => {
                let integration = self.integration(category);
                (
                    "integrations/actions",
                    self.action(&integration, category, name),
                )
            }
            "architect_emergencygroup" => ("architect/emergencygroups", json!({"name": name})),
            // A script is uploaded.
            "script" => return None,
            "flow" => return None,
            other => panic!("a fixture names the {other} {name}"),
        };
        let id = self.send("POST", path, body);
        self.made.insert(what, id.clone());
        Some(id)
    }

    /// Makes the integration whose name is the category of its actions, with its credential.
    fn integration(&mut self, name: &str) -> String {
        let what = ("integration", String::new(), name.to_owned());
        if let Some(id) = self.made.get(&what) {
            return id.clone();
        }
        let sort = "pureCloudOAuthClient";
        let secret = json!({"clientId": PLANTED, "clientSecret": PLANTED});
        let credential = json!({"name": name, "type": {"name": sort}, "credentialFields": secret});
        let credential = self.send("POST", "integrations/credentials", credential);
        let body = json!({"name": name, "integrationType": {"id": "purecloud-data-actions"}});
        let id = self.send("POST", "integrations", body);
        let config = json!({
            "name": name, "version": 1, "notes": "", "properties": {}, "advanced": {},
            "credentials": {sort: {"id": credential}},
        });
        self.send("PUT", &format!("integrations/{id}/config/current"), config);
        self.made.insert(what, id.clone());
        id
    }

    /// The body of an action, from the export of the user interface where there is one.
    ///
    /// Its `integrationType` and `actionType` say where it fits and are no fields of an action; its
    /// `integrationId` is of another org, and its name ends in the day of the export.
    fn action(&self, integration: &str, category: &str, name: &str) -> Value {
        let words = name.to_lowercase();
        let exported = self.files.keys().find(|file| {
            let stem = file.split('.').next().unwrap_or_default();
            let is_action =
                file.ends_with(".custom.json") || *file == "Disconnect-Interaction.json";
            is_action && words.ends_with(&stem.replace('-', " ").to_lowercase())
        });
        let (contract, config) = match exported {
            Some(file) => {
                let exported = self.json(file);
                (exported["contract"].clone(), exported["config"].clone())
            }
            // The others come as two schemas, or not at all.
            None => (
                json!({
                    "input": {"inputSchema": self.json("data-action-input.json")},
                    "output": {"successSchema": self.json("data-action-output.json")},
                }),
                json!({
                    "request": {"requestType": "POST", "requestUrlTemplate": "/", "requestTemplate": "${input.rawRequest}", "headers": {}},
                    "response": {"successTemplate": "${rawResult}", "translationMap": {}, "translationMapDefaults": {}},
                }),
            ),
        };
        json!({
            "name": name, "category": category, "integrationId": integration, "secure": false,
            "contract": contract, "config": config,
        })
    }

    /// Makes what flows name and publishes them; those that name others come after these.
    pub async fn publish(&mut self, flows: Vec<(String, Vec<Named>)>) {
        let mut open = Vec::new();
        let client = self.lab.org(self.org).client;
        let mut scripts = std::collections::BTreeSet::new();
        for (source, named) in flows {
            for what in named {
                if what.0 == "script" && scripts.insert(what.2.clone()) {
                    upload_script(&client, &what.2).await;
                }
                self.make(what);
            }
            open.push(source);
        }
        while !open.is_empty() {
            let before = open.len();
            let mut said = Vec::new();
            let mut left = Vec::new();
            for source in open {
                if let Err(messages) = import(&client, &source).await {
                    left.push(source);
                    said.push(messages);
                }
            }
            assert!(left.len() < before, "{said:#?}");
            open = left;
        }
    }
}

/// Publishes a source as Architect's job does; gives what it says when it fails.
pub async fn import(client: &Client, source: &str) -> Result<(), String> {
    let call = Call::post("/api/v2/flows/jobs").json(json!({}));
    let job = client.send(call).await.expect("a job").body;
    let headers: Vec<(String, String)> = job["headers"]
        .as_object()
        .expect("headers")
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()))
        .collect();
    let url = job["presignedUrl"].as_str().expect("a URL");
    let sort = "application/octet-stream";
    client
        .upload(url, &headers, sort, source.to_owned())
        .await
        .expect("taken");
    let path = format!("/api/v2/flows/jobs/{}", job["id"].as_str().expect("an id"));
    for _ in 0..20 {
        let call = Call::get(&path).query("expand", "messages");
        let state = client.send(call).await.expect("a state").body;
        match state["status"].as_str() {
            Some("Success") => return Ok(()),
            Some("Failure") => return Err(state["messages"].to_string()),
            _ => {}
        }
    }
    panic!("the job does not end")
}

/// Lists the placeholders of a text with line and column; the fixtures hold no other brackets.
pub fn placeholders(source: &str) -> Vec<(usize, usize, String)> {
    let mut found = Vec::new();
    for (at, line) in source.lines().enumerate() {
        for (open, close) in [("{{", "}}"), ("<", ">")] {
            for (start, _) in line.match_indices(open) {
                let end = start + line[start..].find(close).expect("an end") + close.len();
                let column = line[..start].chars().count() + 1;
                found.push((at + 1, column, line[start..end].to_owned()));
            }
        }
    }
    found.sort();
    found
}

/// Uploads and publishes a script.
async fn upload_script(client: &orgsmith_client::Client, name: &str) {
    use orgsmith_client::{Call, Part};
    let parts = [
        Part::file("file", "script.json", "application/json", "{}"),
        Part::text("scriptName", name),
    ];
    let call = Call::post("/uploads/v2/scripter").multipart(&parts);
    client.send(call).await.expect("an upload");
    let call = Call::get("/api/v2/scripts").query("name", name);
    let found = client.send(call).await.expect("scripts").body;
    let id = &found["entities"][0]["id"];
    let call = Call::post("/api/v2/scripts/published").json(json!({"scriptId": id}));
    client.send(call).await.expect("a publication");
}
