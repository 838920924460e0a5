//! Which side is right where they are at odds.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::three_way::{Field, Side};
use crate::bundle::Bundle;
use crate::document::Packed;
use crate::id::ObjectRef;
use crate::select::Selection;

/// Says which side is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// What the source says.
    SourceWins,
    /// What the target has.
    TargetWins,
    /// What was changed last.
    NewestWins,
    /// A person says.
    #[default]
    Ask,
}

/// Says that a text is no policy.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no policy (source-wins, target-wins, newest-wins or ask)")]
pub struct NotAPolicy(String);

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 4] = [
        Self::SourceWins,
        Self::TargetWins,
        Self::NewestWins,
        Self::Ask,
    ];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SourceWins => "source-wins",
            Self::TargetWins => "target-wins",
            Self::NewestWins => "newest-wins",
            Self::Ask => "ask",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Policy {
    type Err = NotAPolicy;

    fn from_str(text: &str) -> Result<Self, NotAPolicy> {
        let found = Self::ALL.into_iter().find(|policy| policy.as_str() == text);
        found.ok_or_else(|| NotAPolicy(text.to_owned()))
    }
}

/// What a difference comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Nothing is to be done.
    Nothing,
    /// The target is to become what the source says.
    Apply,
    /// The source is to become what the target has.
    Absorb,
    /// A person decides.
    Ask,
}

/// A policy for some objects, or some of their fields.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Which objects.
    pub on: Selection,
    /// Which places in them; all where there are none.
    pub fields: Vec<String>,
    /// Which side is right.
    pub policy: Policy,
}

/// The policies of a project; of several rules that hold the first counts.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// Where no rule holds.
    pub otherwise: Policy,
    /// The exceptions.
    pub rules: Vec<Rule>,
}

/// When objects were last changed on each side, in milliseconds since 1970, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// In the source.
    pub source: BTreeMap<ObjectRef, i64>,
    /// In the target.
    pub target: BTreeMap<ObjectRef, i64>,
}

impl Policies {
    /// Returns the policy for a place of an object.
    pub fn of(
        &self,
        object: &ObjectRef,
        field: &Field,
        (document, bundle): (Option<&Packed>, &Bundle),
    ) -> Policy {
        let rule = self.rules.iter().find(|rule| {
            let divisions = rule.on.divisions(bundle);
            let division = document.and_then(|document| divisions.of(document));
            let inside = || rule.fields.iter().any(|place| field.is_within(place));
            rule.on.matches(object, division.as_deref()) && (rule.fields.is_empty() || inside())
        });
        rule.map_or(self.otherwise, |rule| rule.policy)
    }

    /// Says what a difference comes to.
    ///
    /// What only the source changed is on its way to the target, and nobody is at odds about it.
    pub(super) fn resolve(
        &self,
        object: &ObjectRef,
        field: &Field,
        place: (Option<&Packed>, &Bundle),
        times: &Times,
    ) -> Resolution {
        match (field.side, self.of(object, field, place)) {
            (Side::Same, _) => Resolution::Nothing,
            (Side::Source, _) | (_, Policy::SourceWins) => Resolution::Apply,
            (_, Policy::TargetWins) | (Side::Target, Policy::NewestWins) => Resolution::Absorb,
            (Side::Target | Side::Conflict, Policy::Ask) => Resolution::Ask,
            (Side::Conflict, Policy::NewestWins) => {
                match times.source.get(object).zip(times.target.get(object)) {
                    Some((source, target)) if source > target => Resolution::Apply,
                    Some((source, target)) if source < target => Resolution::Absorb,
                    _ => Resolution::Ask,
                }
            }
        }
    }
}
