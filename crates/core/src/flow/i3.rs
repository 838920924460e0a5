//! What an `.i3*` export of a flow uses.
//!
//! Such a file is base64 of a percent-encoded JSON document. The document itself is bound to the
//! ids of its org; its `manifest` lists every object by id and name, which is what a clone needs.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{FlowTarget, FlowType, ObjectKind, dependency_kind};

/// The name under which an export is kept beside a flow's document, where there is no YAML.
pub const FILE: &str = "flow.i3";

/// The largest export that is read, in bytes.
pub const MAX_EXPORT: usize = 64 << 20;

/// Says why an export could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file exceeds [`MAX_EXPORT`].
    #[error("the export is larger than {} MiB", MAX_EXPORT >> 20)]
    TooLarge,
    /// The outer encoding is not base64.
    #[error("the export is not base64")]
    Base64(#[source] base64::DecodeError),
    /// The percent encoding breaks off or yields something else than UTF-8.
    #[error("the export is not percent-encoded text")]
    Percent,
    /// The document is not the JSON of a flow.
    #[error("the export does not hold the JSON of a flow")]
    Json(#[source] serde_json::Error),
    /// The flow's type is not known.
    #[error("the export holds a flow of the unknown type {0:?}")]
    FlowType(String),
}

/// The objects that an exported flow uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The type of the flow.
    pub flow_type: FlowType,
    /// The name of the flow.
    pub name: String,
    /// The used objects, by type, in the order of the export.
    pub entries: Vec<ManifestEntry>,
}

/// An object that an exported flow uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestEntry {
    /// The type as the export spells it: `acdSkill`, `inboundCallFlow`.
    pub export_type: String,
    /// The catalogue's kind; none for built-in things such as voices and system prompts.
    pub kind: Option<&'static str>,
    /// The id in the source org.
    pub id: String,
    /// The name, where the export has one.
    pub name: Option<String>,
}

impl ManifestEntry {
    /// What is used, as a name; nothing for built-in things and for what has no name.
    ///
    /// An export does not tell the category of a data action: it is empty here.
    pub fn target(&self) -> Option<FlowTarget> {
        let (kind, name) = (self.kind?, self.name.clone()?);
        match kind {
            "integration_action" => Some(FlowTarget::data_action("", name)),
            "flow" => Some(FlowTarget::flow(FlowType::parse(&self.export_type), name)),
            _ => {
                let known = ObjectKind::ALL.iter().find(|known| known.kind() == kind)?;
                Some(FlowTarget::object(*known, name))
            }
        }
    }
}

#[derive(Deserialize)]
struct Export {
    #[serde(rename = "type")]
    flow_type: String,
    name: String,
    #[serde(default)]
    manifest: BTreeMap<String, Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    id: String,
    name: Option<String>,
}

/// Reads the manifest of an export.
///
/// # Errors
/// The bytes are not an export, or one that is too large; see [`Error`].
pub fn manifest(bytes: &[u8]) -> Result<Manifest, Error> {
    if bytes.len() > MAX_EXPORT {
        return Err(Error::TooLarge);
    }
    let encoded = STANDARD.decode(bytes.trim_ascii()).map_err(Error::Base64)?;
    let json = percent_decode(&encoded).ok_or(Error::Percent)?;
    // Everything but the manifest is skipped without recursion, so depth does no harm.
    let export: Export = serde_json::from_slice(&json).map_err(Error::Json)?;
    let flow_type = FlowType::parse(&export.flow_type);
    let flow_type = flow_type.ok_or(Error::FlowType(export.flow_type))?;
    let entries = export
        .manifest
        .into_iter()
        .flat_map(|(export_type, entries)| {
            let kind = dependency_kind(&export_type);
            entries.into_iter().map(move |Entry { id, name }| {
                let export_type = export_type.clone();
                ManifestEntry {
                    export_type,
                    kind,
                    id,
                    name,
                }
            })
        });
    Ok(Manifest {
        flow_type,
        name: export.name,
        entries: entries.collect(),
    })
}

fn percent_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let mut digit = || char::from(*rest.next()?).to_digit(16);
        let code = digit()? * 16 + digit()?;
        decoded.push(u8::try_from(code).ok()?);
    }
    std::str::from_utf8(&decoded).is_ok().then_some(decoded)
}

/// Writes the export of a document, for tests.
#[cfg(test)]
pub(crate) fn encode(json: &str) -> String {
    let percent: String = json.bytes().map(|byte| format!("%{byte:02X}")).collect();
    STANDARD.encode(percent)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::{Error, FlowTarget, FlowType, ObjectKind, STANDARD, encode, manifest};

    #[test]
    fn a_manifest_lists_objects_with_their_kinds() {
        let json = r#"{"type":"inboundcall","name":"Hällo","deep":[[[]]],"manifest":{
            "acdSkill":[{"id":"1","name":"Voice","context":[]}],"language":[{"id":"en-US"}]}}"#;
        let found = manifest(encode(json).as_bytes()).unwrap();
        assert_eq!(
            (found.flow_type, found.name.as_str()),
            (FlowType::InboundCall, "Hällo")
        );
        let kinds: Vec<_> = found
            .entries
            .iter()
            .map(|e| (e.kind, e.id.as_str()))
            .collect();
        assert_eq!(kinds, [(Some("routing_skill"), "1"), (None, "en-US")]);
        let targets: Vec<_> = found.entries.iter().map(|entry| entry.target()).collect();
        let skill = FlowTarget::object(ObjectKind::Skill, "Voice");
        assert_eq!(targets, [Some(skill), None]);
    }

    #[test]
    fn flows_and_actions_are_targets_as_far_as_the_export_tells() {
        let json = r#"{"type":"bot","name":"x","manifest":{
            "inboundCallFlow":[{"id":"1","name":"Main"}],"dataAction":[{"id":"2","name":"Find"}]}}"#;
        let found = manifest(encode(json).as_bytes()).unwrap();
        let targets: Vec<_> = found.entries.iter().map(|entry| entry.target()).collect();
        let action = FlowTarget::data_action("", "Find");
        let flow = FlowTarget::flow(FlowType::InboundCall, "Main");
        assert_eq!(targets, [Some(action), Some(flow)]);
    }

    #[test]
    fn what_is_not_an_export_is_refused() {
        assert!(matches!(manifest(b"{}"), Err(Error::Base64(_))));
        assert!(matches!(
            manifest(STANDARD.encode("%7").as_bytes()),
            Err(Error::Percent)
        ));
        assert!(matches!(
            manifest(STANDARD.encode("%ff").as_bytes()),
            Err(Error::Percent)
        ));
        assert!(matches!(
            manifest(encode("[]").as_bytes()),
            Err(Error::Json(_))
        ));
        let other = r#"{"type":"toaster","name":"x"}"#;
        assert!(matches!(
            manifest(encode(other).as_bytes()),
            Err(Error::FlowType(_))
        ));
        let deep = format!(
            r#"{{"x":{}1{},"type":"bot","name":"x"}}"#,
            "[".repeat(5000),
            "]".repeat(5000)
        );
        assert!(manifest(encode(&deep).as_bytes()).is_ok());
    }
}
