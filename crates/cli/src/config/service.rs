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
    /// The secret that holds the URL of a webhook, as Slack's incoming webhooks are: it is sent
    /// `{"text": …}` when a job has failed.
    pub(crate) alerts: Option<String>,
    /// The service is reached over TLS, by a proxy in front: browsers send its cookie no other way.
    pub(crate) tls: bool,
}
