//! `rewrite:` of an org: what is different there about people, and about hosts and URLs in any text.

use std::collections::BTreeMap;

use orgsmith_core::overlay::TextRule;
use orgsmith_core::people::{EmailRule, NameRule, Rewrites};
use schemars::JsonSchema;
use serde::Deserialize;

/// The rules, as they are written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rewrite {
    #[serde(default)]
    emails: Vec<Email>,
    #[serde(default)]
    names: Vec<Name>,
    /// `crm.dev.example: crm.example`, `*.dev.example: *.example`.
    #[serde(default)]
    hosts: BTreeMap<String, String>,
    /// `https://crm.dev.example/v1: https://crm.example/v2`.
    #[serde(default)]
    urls: BTreeMap<String, String>,
}

/// `{domain: gold.example, to: brazil.example}`, or `{from: jane@gold.example, to: …}`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Email {
    domain: Option<String>,
    from: Option<String>,
    to: String,
}

/// `{pattern: '^Gold (.*)$', to: 'Brazil $1'}`, or `{from: Gold Agent, to: …}`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Name {
    pattern: Option<String>,
    from: Option<String>,
    to: String,
}

impl Rewrite {
    /// Adds what is written elsewhere.
    pub(super) fn and(mut self, later: Self) -> Self {
        let Self {
            emails,
            names,
            hosts,
            urls,
        } = later;
        // Of several rules for one thing the first counts.
        self.emails.splice(0..0, emails);
        self.names.splice(0..0, names);
        self.hosts.extend(hosts);
        self.urls.extend(urls);
        self
    }

    /// Tells whether nothing is written.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Makes rules of the hosts and URLs.
    pub(super) fn texts(&self) -> Result<Vec<TextRule>, String> {
        let hosts = self.hosts.iter().map(|(from, to)| host(from, to));
        let urls = self.urls.iter().map(|(from, to)| {
            if !from.contains("://") || !to.contains("://") {
                return Err(format!(
                    "urls: {from} → {to}: a URL begins with its scheme, such as https://"
                ));
            }
            let (from, to) = (from.clone(), to.clone());
            Ok(TextRule::Url { from, to })
        });
        hosts.chain(urls).collect()
    }

    /// Makes rules of what is written about people.
    pub(super) fn rules(&self) -> Result<Rewrites, String> {
        let emails = self.emails.iter().map(Email::rule);
        let names = self.names.iter().map(Name::rule);
        Ok(Rewrites {
            emails: emails.collect::<Result<_, _>>()?,
            names: names.collect::<Result<_, _>>()?,
        })
    }
}

/// Makes a rule of a host, or of all below a domain.
fn host(from: &str, to: &str) -> Result<TextRule, String> {
    let bad = |text: &str| {
        text.is_empty() || text.contains(|c: char| c == '/' || c == '*' || c.is_whitespace())
    };
    let (below_from, below_to) = (from.strip_prefix("*."), to.strip_prefix("*."));
    let (from, to, below) = match (below_from, below_to) {
        (Some(from), Some(to)) => (from, to, true),
        (None, None) => (from, to, false),
        _ => {
            return Err(format!(
                "hosts: {from} → {to}: both begin with `*.`, or neither"
            ));
        }
    };
    if let Some(bad) = [from, to].into_iter().find(|text| bad(text)) {
        return Err(format!(
            "hosts: {bad:?} is no host; `urls` takes whole addresses"
        ));
    }
    let (from, to) = (from.to_owned(), to.to_owned());
    Ok(match below {
        true => TextRule::HostsBelow { from, to },
        false => TextRule::Host { from, to },
    })
}

impl Email {
    fn rule(&self) -> Result<EmailRule, String> {
        let to = self.to.trim_start_matches('@').to_owned();
        match (&self.domain, &self.from) {
            (Some(domain), None) if to.contains('@') => {
                Err(format!("emails: {to:?} is no domain, and {domain} is one"))
            }
            (Some(domain), None) => Ok(EmailRule::Domain {
                from: domain.trim_start_matches('@').to_owned(),
                to,
            }),
            (None, Some(from)) if !to.contains('@') => {
                Err(format!("emails: {to:?} is no address, and {from} is one"))
            }
            (None, Some(from)) => Ok(EmailRule::Address {
                from: from.clone(),
                to,
            }),
            _ => Err(format!(
                "emails: the rule with `to: {}` needs either `domain` or `from`",
                self.to
            )),
        }
    }
}

impl Name {
    fn rule(&self) -> Result<NameRule, String> {
        let to = self.to.clone();
        match (&self.pattern, &self.from) {
            (Some(pattern), None) => {
                NameRule::pattern(pattern, &to).map_err(|bad| format!("names: {bad}"))
            }
            (None, Some(from)) => Ok(NameRule::Name {
                from: from.clone(),
                to,
            }),
            _ => Err(format!(
                "names: the rule with `to: {to}` needs either `pattern` or `from`"
            )),
        }
    }
}
