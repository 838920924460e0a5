//! `lint:`: what an audit finds and somebody accepts.

use orgsmith_core::lint::{BadDisable, Disable};
use schemars::JsonSchema;
use serde::Deserialize;

/// What an audit finds and somebody accepts.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lint {
    /// Findings that are accepted.
    #[serde(default)]
    disable: Vec<Entry>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The rule, such as queue-without-wrapup.
    rule: String,
    /// Of which objects, such as routing_queue/Test*; all where it is left out.
    #[serde(default)]
    objects: Vec<String>,
    /// Why it is accepted.
    reason: String,
}

impl Lint {
    /// Makes of each entry what it means.
    pub(crate) fn disabled(&self) -> Result<Vec<Disable>, BadDisable> {
        let entries = self.disable.iter();
        entries
            .map(|entry| Disable::new(&entry.rule, &entry.objects, &entry.reason))
            .collect()
    }
}
