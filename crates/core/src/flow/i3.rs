//! What an `.i3*` export of a flow uses.
//!
//! Such a file is base64 of a percent-encoded JSON document. The document itself is bound to the
//! ids of its org; its `manifest` lists every object by id and name, which is what a clone needs.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{FlowType, dependency_kind};

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

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::{Error, FlowType, STANDARD, manifest};

    fn encode(json: &str) -> String {
        let percent: String = json.bytes().map(|byte| format!("%{byte:02X}")).collect();
        STANDARD.encode(percent)
    }

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
