//! What the service allows.

use schemars::JsonSchema;
use serde::Deserialize;

/// What `orgsmith serve` allows.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Service {
    /// How many people other than who asked for it have to approve a plan before it is carried out. With
    /// any, nothing is written to an org but by a plan that was approved.
    pub(crate) approvals: usize,
}
