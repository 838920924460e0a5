//! `bundles:`: for whom they are encrypted, and who must have signed them.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// For whom bundles are encrypted, what opens them, and who must have signed them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bundles {
    /// The file of the age identity that opens encrypted bundles, seen from the project file.
    pub(crate) identity: Option<PathBuf>,
    /// The age public keys (age1…) of those for whom bundles are encrypted.
    #[serde(default)]
    pub(crate) recipients: Vec<String>,
    /// The minisign public key of who must have signed a bundle before a plan is made of it: a file,
    /// seen from the project file, or the key itself (RW…).
    pub(crate) signed_by: Option<String>,
}
