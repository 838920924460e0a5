//! Flows as `.i3*` exports: base64 of a percent-encoded JSON document with a manifest.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::kinds::{by_api, by_dependency};
use super::slots::PROMPT;
use super::{Source, Use, What, once};

/// The objects of a manifest, by the path of their kind.
const ENTRIES: [(&str, &str); 12] = [
    ("queue", "/api/v2/routing/queues"),
    ("acdSkill", "/api/v2/routing/skills"),
    ("acdLanguage", "/api/v2/routing/languages"),
    ("acdWrapupCode", "/api/v2/routing/wrapupcodes"),
    ("schedule", "/api/v2/architect/schedules"),
    ("scheduleGroup", "/api/v2/architect/schedulegroups"),
    ("emergencyGroup", "/api/v2/architect/emergencygroups"),
    ("userPrompt", PROMPT),
    ("dataTable", "/api/v2/flows/datatables"),
    ("contactList", "/api/v2/outbound/contactlists"),
    ("group", "/api/v2/groups"),
    ("user", "/api/v2/users"),
];

/// Tells whether a text is an export and not YAML.
pub(crate) fn is_export(text: &str) -> bool {
    // All of them begin with an encoded brace.
    text.trim_start().starts_with("JTdC")
}

pub(super) fn read(text: &str) -> Result<Source, String> {
    let document = decode(text).ok_or("The file is not an Architect export.")?;
    let field = |name: &str| document.get(name).and_then(Value::as_str);
    let flow_type = field("type").unwrap_or_default();
    let flow_type =
        by_api(flow_type).ok_or_else(|| format!("'{flow_type}' is not a known flow type."))?;
    let name = field("name").ok_or("The flow has no name.")?;
    let mut uses = Vec::new();
    let manifest = document.get("manifest").and_then(Value::as_object);
    for (word, entries) in manifest.into_iter().flatten() {
        let Some(what) = what(word) else { continue };
        for entry in entries.as_array().into_iter().flatten() {
            let text = |field: &str| entry.get(field).and_then(Value::as_str);
            uses.push(Use {
                what: what.clone(),
                name: text("name").unwrap_or_default().to_owned(),
                id: text("id").map(str::to_owned),
            });
        }
    }
    Ok(Source {
        flow_type,
        name: name.to_owned(),
        description: field("description").map(str::to_owned),
        division: None,
        uses: once(uses),
    })
}

/// Writes an export of a flow that was made from YAML: what matters of it is its manifest.
pub(crate) fn write(source: &Source) -> String {
    let mut manifest = Map::new();
    for used in &source.uses {
        let Some(word) = word(&used.what) else {
            continue;
        };
        let entry = json!({"id": used.id, "name": used.name});
        if let Value::Array(entries) = manifest.entry(word).or_insert_with(|| json!([])) {
            entries.push(entry);
        }
    }
    let document = json!({
        "name": source.name,
        "description": source.description,
        "type": source.flow_type.api.to_lowercase(),
        "manifest": manifest,
    });
    let text: String =
        url::form_urlencoded::byte_serialize(document.to_string().as_bytes()).collect();
    // A form's plus is not a percent encoding.
    STANDARD.encode(text.replace('+', "%20"))
}

fn what(word: &str) -> Option<What> {
    if word == "dataAction" || word == "secureAction" {
        return Some(What::Action { category: None });
    }
    if let Some(flow_type) = by_dependency(word) {
        return Some(What::Flow(flow_type.api));
    }
    let found = ENTRIES.iter().find(|(known, _)| *known == word);
    found.map(|(_, path)| What::Object(path))
}

fn word(what: &What) -> Option<String> {
    match what {
        What::Action { .. } => Some("dataAction".to_owned()),
        What::Flow(flow) => {
            // INBOUNDCALLFLOW is inboundCallFlow there: readers do not care for the middle.
            by_api(flow)?.dependency.map(|word| {
                let stem = word.strip_suffix("FLOW").unwrap_or(word);
                format!("{}Flow", stem.to_lowercase())
            })
        }
        What::Object(path) => {
            let found = ENTRIES.iter().find(|(_, known)| known == path);
            found.map(|(word, _)| (*word).to_owned())
        }
    }
}

fn decode(text: &str) -> Option<Value> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes.as_slice();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        plain.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    serde_json::from_slice(&plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_that_was_written_is_read_again() {
        let used = |what: What, name: &str, id: &str| Use {
            what,
            name: name.to_owned(),
            id: Some(id.to_owned()),
        };
        let source = Source {
            flow_type: by_api("INBOUNDCALL").unwrap(),
            name: "Main + 100 %".to_owned(),
            description: None,
            division: None,
            uses: once(vec![
                used(What::Object("/api/v2/routing/queues"), "Äpfel", "q-1"),
                used(What::Flow("INQUEUECALL"), "Wait", "f-1"),
                used(What::Action { category: None }, "Find", "a-1"),
            ]),
        };
        let text = write(&source);
        assert!(is_export(&text));
        assert_eq!(read(&text).unwrap(), source);
        assert!(read("JTdC").is_err());
    }
}
