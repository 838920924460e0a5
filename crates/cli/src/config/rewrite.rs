//! `rewrite:` of an org: what is different about people there.

use orgsmith_core::people::{EmailRule, NameRule, Rewrites};
use serde::Deserialize;

/// The rules, as they are written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rewrite {
    #[serde(default)]
    emails: Vec<Email>,
    #[serde(default)]
    names: Vec<Name>,
}

/// `{domain: gold.example, to: brazil.example}`, or `{from: jane@gold.example, to: …}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Email {
    domain: Option<String>,
    from: Option<String>,
    to: String,
}

/// `{pattern: '^Gold (.*)$', to: 'Brazil $1'}`, or `{from: Gold Agent, to: …}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    pattern: Option<String>,
    from: Option<String>,
    to: String,
}

impl Rewrite {
    /// Makes rules of what is written.
    pub(super) fn rules(&self) -> Result<Rewrites, String> {
        let emails = self.emails.iter().map(Email::rule);
        let names = self.names.iter().map(Name::rule);
        Ok(Rewrites {
            emails: emails.collect::<Result<_, _>>()?,
            names: names.collect::<Result<_, _>>()?,
        })
    }
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
