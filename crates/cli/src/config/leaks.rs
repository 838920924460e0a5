//! `leaks:` of an overlay: what is done about things of the source that would be sent.

use std::collections::BTreeSet;

use orgsmith_core::checks::{Level, Policy};
use schemars::JsonSchema;
use serde::Deserialize;

/// What is done about something of the source.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Written {
    /// Nothing is written.
    Stop,
    /// It is told of.
    Warn,
    /// It may be sent.
    Allow,
}

impl From<Written> for Level {
    fn from(written: Written) -> Self {
        match written {
            Written::Stop => Self::Stop,
            Written::Warn => Self::Warn,
            Written::Allow => Self::Allow,
        }
    }
}

/// What is done about things of the source that would be sent.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Leaks {
    /// The id of the source org.
    org: Option<Written>,
    /// Hosts that are rewritten, and those of the source's region.
    hosts: Option<Written>,
    /// Domains that are rewritten, and those that the source receives mail for.
    emails: Option<Written>,
    /// Telephone numbers of the source in flows, scripts and other texts.
    numbers: Option<Written>,
    /// What looks like an id and is of no object that was read.
    ids: Option<Written>,
    /// Texts that may be sent all the same.
    allow: BTreeSet<String>,
    /// Texts that must never be sent.
    forbid: BTreeSet<String>,
}

impl Leaks {
    /// Adds what is written elsewhere; what that says counts.
    pub(super) fn and(mut self, later: Self) -> Self {
        let Self {
            org,
            hosts,
            emails,
            numbers,
            ids,
            allow,
            forbid,
        } = later;
        self.org = org.or(self.org);
        self.hosts = hosts.or(self.hosts);
        self.emails = emails.or(self.emails);
        self.numbers = numbers.or(self.numbers);
        self.ids = ids.or(self.ids);
        self.allow.extend(allow);
        self.forbid.extend(forbid);
        self
    }

    /// Tells whether nothing is written.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Makes a policy of what is written.
    pub(super) fn policy(&self) -> Policy {
        let usual = Policy::default();
        let level = |written: Option<Written>, usual| written.map_or(usual, Level::from);
        Policy {
            org: level(self.org, usual.org),
            hosts: level(self.hosts, usual.hosts),
            emails: level(self.emails, usual.emails),
            numbers: level(self.numbers, usual.numbers),
            ids: level(self.ids, usual.ids),
            allow: self.allow.clone(),
            forbid: self.forbid.clone(),
        }
    }
}
