//! `people:`: how users are written.

use schemars::JsonSchema;
use serde::Deserialize;

/// How users are written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct People {
    /// Which calls create users.
    pub(crate) create: Create,
}

/// Which calls create users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Create {
    /// The plain ones.
    #[default]
    Plain,
    /// SCIM, where it saves calls and the org takes it.
    Scim,
}
