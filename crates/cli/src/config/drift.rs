//! `drift:`: what orgs are held against, and which side is right.

use std::collections::BTreeMap;

use clap::ValueEnum;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::drift::{Policies, Policy, Rule};
use orgsmith_core::select::Selection;
use schemars::JsonSchema;
use serde::Deserialize;

/// What orgs are held against, and which side is right where they are at odds.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Drift {
    /// The bundle or org that each org is held against, by the name of the org; a path is seen from the
    /// project file.
    pub(crate) against: BTreeMap<String, String>,
    /// Which side is right where no rule says.
    policy: Right,
    /// Which side is right for some objects, or some of their fields; the first that holds counts.
    rules: Vec<RuleOf>,
    /// What is said of objects that only the org has.
    pub(crate) created: Created,
}

/// `{in: routing_queue, fields: [description], policy: target-wins}`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RuleOf {
    /// Of which objects: routing_queue=Support*
    #[serde(rename = "in")]
    place: String,
    /// The fields; all where it is left out.
    #[serde(default)]
    fields: Vec<String>,
    /// Which side is right.
    policy: Right,
}

/// Which side is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Right {
    /// What the source says.
    SourceWins,
    /// What the org has.
    TargetWins,
    /// What was changed last, as far as the orgs tell.
    NewestWins,
    /// A person says.
    #[default]
    Ask,
}

/// What is said of objects that only the org has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Created {
    /// They are drift.
    #[default]
    Report,
    /// They are nobody's business.
    Ignore,
}

impl From<Right> for Policy {
    fn from(wins: Right) -> Self {
        match wins {
            Right::SourceWins => Self::SourceWins,
            Right::TargetWins => Self::TargetWins,
            Right::NewestWins => Self::NewestWins,
            Right::Ask => Self::Ask,
        }
    }
}

impl Drift {
    /// Makes policies of what is written; one from the command line is for everything.
    pub(crate) fn policies(
        &self,
        catalogue: &Catalogue,
        asked: Option<Right>,
    ) -> Result<Policies, String> {
        if let Some(wins) = asked {
            return Ok(Policies {
                otherwise: wins.into(),
                rules: Vec::new(),
            });
        }
        let rules = self.rules.iter().map(|rule| {
            let on = Selection::parse(catalogue, &[&rule.place], &[]);
            Ok(Rule {
                on: on.map_err(|error| format!("drift: rules: {error}"))?,
                fields: rule.fields.clone(),
                policy: rule.policy.into(),
            })
        });
        Ok(Policies {
            otherwise: self.policy.into(),
            rules: rules.collect::<Result<_, String>>()?,
        })
    }
}
