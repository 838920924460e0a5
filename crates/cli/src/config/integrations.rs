//! `integrations:` of an overlay: what is done about URLs of other systems before they are sent.

use std::time::Duration;

use orgsmith_core::endpoints::{OnDown, Policy, Target};
use schemars::JsonSchema;
use serde::Deserialize;

/// How long an answer is waited for where nobody says.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What is done where a URL does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Written {
    /// Nothing is written.
    Stop,
    /// The placeholder is sent, until a later run finds that it answers.
    Placeholder,
    /// It is sent as it is, and told of.
    Send,
}

/// What is done about URLs of other systems before they are sent.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Integrations {
    /// They are asked whether anybody answers, before a plan is made.
    probe: Option<bool>,
    /// Seconds that an answer is waited for.
    timeout_s: Option<f64>,
    /// The URL that stands for one that does not answer.
    placeholder: Option<String>,
    /// What is done about one that does not: the placeholder is sent, where there is one.
    on_down: Option<Written>,
}

impl Integrations {
    /// Adds what is written elsewhere; what that says counts.
    pub(super) fn and(self, later: Self) -> Self {
        let Self {
            probe,
            timeout_s,
            placeholder,
            on_down,
        } = later;
        Self {
            probe: probe.or(self.probe),
            timeout_s: timeout_s.or(self.timeout_s),
            placeholder: placeholder.or(self.placeholder),
            on_down: on_down.or(self.on_down),
        }
    }

    /// Makes a policy of what is written; nothing where URLs are not asked.
    pub(super) fn policy(&self) -> Result<Option<Policy>, String> {
        let timeout = match self.timeout_s {
            None => PATIENCE,
            Some(seconds) if (0.1..=120.0).contains(&seconds) => Duration::from_secs_f64(seconds),
            Some(seconds) => {
                return Err(format!(
                    "integrations: timeout_s: {seconds} is not between 0.1 and 120"
                ));
            }
        };
        if let Some(url) = &self.placeholder
            && !Target::read(url).is_some_and(|target| target.is_whole())
        {
            return Err(format!(
                "integrations: placeholder: {url:?} is no URL such as https://placeholder.example.com/"
            ));
        }
        let on_down = match (self.on_down, &self.placeholder) {
            (Some(Written::Stop), _) => OnDown::Stop,
            (Some(Written::Send), _) | (None, None) => OnDown::Send,
            (Some(Written::Placeholder) | None, Some(url)) => OnDown::Placeholder(url.clone()),
            (Some(Written::Placeholder), None) => {
                let told = "integrations: on_down: placeholder needs `placeholder: https://…`";
                return Err(told.to_owned());
            }
        };
        Ok(self
            .probe
            .unwrap_or(false)
            .then_some(Policy { timeout, on_down }))
    }
}
