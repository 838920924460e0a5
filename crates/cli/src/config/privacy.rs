//! `privacy:`: what an export says of people.

use std::collections::BTreeMap;

use clap::ValueEnum;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::id::Kind;
use orgsmith_core::privacy;
use schemars::JsonSchema;
use serde::Deserialize;

/// What an export says of people.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Privacy {
    /// What becomes of what is said of people, in every kind that does not say otherwise.
    #[serde(default)]
    pub(crate) pii: Pii,
    /// What becomes of it in single kinds.
    #[serde(default)]
    kinds: BTreeMap<String, Pii>,
    /// The domain of addresses that are made up; one that nobody can have.
    #[serde(default = "domain")]
    pub(crate) domain: String,
    /// The name of the secret that pseudonyms are made with, which `secrets:` may say the place of.
    #[serde(default = "secret")]
    pub(crate) secret: String,
}

impl Default for Privacy {
    fn default() -> Self {
        Self {
            pii: Pii::default(),
            kinds: BTreeMap::new(),
            domain: domain(),
            secret: secret(),
        }
    }
}

fn domain() -> String {
    "people.invalid".to_owned()
}

fn secret() -> String {
    "pseudonyms".to_owned()
}

/// What becomes of what is said of people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pii {
    /// It stays.
    #[default]
    Keep,
    /// It goes; what an object cannot be without gets a pseudonym.
    Drop,
    /// It becomes a keyed hash: equal texts stay equal.
    Hash,
    /// It becomes a name, an address and a number that are nobody's, and the same everywhere.
    #[serde(alias = "pseudonymize")]
    #[value(alias = "pseudonymize")]
    Pseudonymise,
}

impl From<Pii> for privacy::Policy {
    fn from(said: Pii) -> Self {
        match said {
            Pii::Keep => Self::Keep,
            Pii::Drop => Self::Drop,
            Pii::Hash => Self::Hash,
            Pii::Pseudonymise => Self::Pseudonymise,
        }
    }
}

impl Privacy {
    /// Says what is wrong with the section.
    pub(super) fn check(&self) -> Result<(), String> {
        for kind in self.kinds.keys() {
            let known = Catalogue::builtin().get(kind);
            let known = known.map_err(|error| format!("privacy: kinds: {error}"))?;
            if known.pii.is_empty() {
                return Err(format!(
                    "privacy: kinds: a {} says nothing of a person",
                    known.title
                ));
            }
        }
        let labels = || self.domain.split('.');
        let is_label = |label: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
            !label.is_empty() && label.len() < 64 && label.chars().all(fits)
        };
        match labels().count() > 1 && labels().all(is_label) {
            true => Ok(()),
            false => Err(format!(
                "privacy: domain: {:?} is no domain; people.invalid is one that nobody has",
                self.domain
            )),
        }
    }

    /// Returns what becomes of it in single kinds.
    pub(crate) fn kinds(&self) -> BTreeMap<Kind, privacy::Policy> {
        let kinds = self.kinds.iter();
        kinds
            .map(|(kind, said)| (Kind::new(kind), (*said).into()))
            .collect()
    }
}
