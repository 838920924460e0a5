//! Hosts, URLs and e-mail addresses that are others in the target, wherever they stand in a text.
//!
//! Every text is looked through once: what a rule put there is not rewritten by the next. A host is
//! met as a whole and not inside a longer one, a URL up to the end of a step of its path, an address
//! as a whole. References are no text of theirs, and stay.

use std::collections::BTreeSet;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use serde_json::Value;

use crate::document::{Slot, text_refs};
use crate::people::EmailRule;

/// One kind of text that becomes another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextRule {
    /// A host: `crm.dev.example`.
    Host {
        /// The host in the source.
        from: String,
        /// The host in the target, with a port where it has one.
        to: String,
    },
    /// Every host below a domain: `*.dev.example`.
    HostsBelow {
        /// The domain in the source.
        from: String,
        /// The domain in the target.
        to: String,
    },
    /// How a URL begins: `https://crm.dev.example/v1`.
    Url {
        /// The beginning in the source.
        from: String,
        /// The beginning in the target.
        to: String,
    },
    /// An e-mail address, or all of a domain.
    Email(EmailRule),
}

impl TextRule {
    /// Returns the rule that undoes it.
    fn inverse(&self) -> Self {
        match self.clone() {
            Self::Host { from, to } => Self::Host { from: to, to: from },
            Self::HostsBelow { from, to } => Self::HostsBelow { from: to, to: from },
            Self::Url { from, to } => Self::Url { from: to, to: from },
            Self::Email(EmailRule::Address { from, to }) => {
                Self::Email(EmailRule::Address { from: to, to: from })
            }
            Self::Email(EmailRule::Domain { from, to }) => {
                Self::Email(EmailRule::Domain { from: to, to: from })
            }
        }
    }

    /// Returns what is searched for.
    fn pattern(&self) -> String {
        match self {
            Self::Host { from, .. } | Self::Url { from, .. } => from.clone(),
            Self::HostsBelow { from, .. } => format!(".{from}"),
            Self::Email(EmailRule::Address { from, .. }) => from.clone(),
            Self::Email(EmailRule::Domain { from, .. }) => format!("@{from}"),
        }
    }

    /// Returns what is put there.
    fn replacement(&self) -> String {
        match self {
            Self::Host { to, .. } | Self::Url { to, .. } => to.clone(),
            Self::HostsBelow { to, .. } => format!(".{to}"),
            Self::Email(EmailRule::Address { to, .. }) => to.clone(),
            Self::Email(EmailRule::Domain { to, .. }) => format!("@{to}"),
        }
    }

    /// Tells whether what was found is what is meant, by what stands around it.
    fn is_met(&self, text: &str, found: &Range<usize>) -> bool {
        let before = text[..found.start].chars().next_back();
        let after = &text[found.end..];
        let in_host = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let in_address = |c: char| in_host(c) || matches!(c, '.' | '+' | '%');
        let goes_on = {
            let mut after = after.chars();
            match after.next() {
                Some('.') => after.next().is_some_and(in_host),
                next => next.is_some_and(in_host),
            }
        };
        match self {
            Self::Host { .. } => {
                !goes_on && !before.is_some_and(|c| in_host(c) || matches!(c, '.' | '@'))
            }
            Self::HostsBelow { .. } => {
                let host = text[..found.start].trim_end_matches(|c| in_host(c) || c == '.');
                !goes_on && before.is_some_and(in_host) && !host.ends_with('@')
            }
            Self::Url { from, .. } => {
                let ends = from.ends_with('/') || !goes_on;
                ends && text[found.clone()] == *from && !before.is_some_and(char::is_alphanumeric)
            }
            Self::Email(EmailRule::Address { .. }) => !goes_on && !before.is_some_and(in_address),
            Self::Email(EmailRule::Domain { .. }) => !goes_on && before.is_some_and(in_address),
        }
    }
}

impl std::fmt::Display for TextRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host { from, to } => write!(f, "hosts: {from} → {to}"),
            Self::HostsBelow { from, to } => write!(f, "hosts: *.{from} → *.{to}"),
            Self::Url { from, to } => write!(f, "urls: {from} → {to}"),
            Self::Email(EmailRule::Address { from, to }) => write!(f, "emails: {from} → {to}"),
            Self::Email(EmailRule::Domain { from, to }) => write!(f, "emails: @{from} → @{to}"),
        }
    }
}

/// Rewrites texts.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    rules: Vec<TextRule>,
    finder: Option<AhoCorasick>,
}

/// Says that rules cannot be used together.
#[derive(Debug, thiserror::Error)]
#[error("the rules for texts cannot be used: {0}")]
pub struct BadTexts(String);

impl Texts {
    /// Takes rules; of several that fit one place, the longest counts.
    ///
    /// # Errors
    /// A rule that searches for nothing, or more rules than can be searched for.
    pub fn new(rules: Vec<TextRule>) -> Result<Self, BadTexts> {
        if let Some(rule) = rules.iter().find(|rule| rule.pattern().len() < 2) {
            return Err(BadTexts(format!("{rule} searches for nothing")));
        }
        if rules.is_empty() {
            return Ok(Self::default());
        }
        let finder = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(rules.iter().map(TextRule::pattern))
            .map_err(|error| BadTexts(error.to_string()))?;
        Ok(Self {
            rules,
            finder: Some(finder),
        })
    }

    /// Returns what undoes it; of several rules with one result the first is undone.
    pub(super) fn inverse(&self) -> Self {
        let rules = self.rules.iter().map(TextRule::inverse);
        // What cannot be searched for cannot be undone.
        let rules = rules.filter(|rule| rule.pattern().len() > 1).collect();
        Self::new(rules).unwrap_or_default()
    }

    /// Returns the rules.
    pub fn rules(&self) -> &[TextRule] {
        &self.rules
    }

    /// Tells whether nothing is rewritten.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns the text as the target has it, where it is another there; notes the rules that did it.
    pub fn rewrite(&self, text: &str, used: &mut BTreeSet<usize>) -> Option<String> {
        let mut found: Vec<(Range<usize>, usize)> = self
            .finder
            .as_ref()?
            .find_overlapping_iter(text)
            .map(|found| (found.range(), found.pattern().as_usize()))
            .filter(|(range, rule)| self.rules[*rule].is_met(text, range))
            .collect();
        if found.is_empty() {
            return None;
        }
        let references: Vec<Range<usize>> = text_refs(text).map(|(range, _)| range).collect();
        found.retain(|(range, _)| {
            let apart = |other: &Range<usize>| range.end <= other.start || other.end <= range.start;
            references.iter().all(apart)
        });
        found.sort_by_key(|(range, rule)| (range.start, std::cmp::Reverse(range.end), *rule));
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for (range, rule) in found {
            if range.start < done {
                continue;
            }
            out.push_str(&text[done..range.start]);
            out.push_str(&self.rules[rule].replacement());
            done = range.end;
            used.insert(rule);
        }
        (done > 0).then(|| out + &text[done..])
    }

    /// Rewrites every text in a value; returns whether there was one.
    pub(super) fn rewrite_in(&self, value: &mut Value, used: &mut BTreeSet<usize>) -> bool {
        if Slot::of(value).is_some() {
            return false;
        }
        match value {
            Value::String(text) => match self.rewrite(text, used) {
                Some(new) => {
                    *text = new;
                    true
                }
                None => false,
            },
            Value::Array(items) => items
                .iter_mut()
                .fold(false, |any, item| self.rewrite_in(item, used) | any),
            Value::Object(map) => map
                .values_mut()
                .fold(false, |any, value| self.rewrite_in(value, used) | any),
            _ => false,
        }
    }

    /// Returns the rules whose result is itself rewritten: read back and applied again, a text would
    /// become a third.
    pub(super) fn chains(&self) -> Vec<(&TextRule, String)> {
        let rules = self.rules.iter();
        let again = rules.filter_map(|rule| {
            let result = match rule {
                TextRule::HostsBelow { .. } => format!("x{}", rule.replacement()),
                TextRule::Email(EmailRule::Domain { .. }) => format!("x{}", rule.replacement()),
                _ => rule.replacement(),
            };
            let again = self.rewrite(&result, &mut BTreeSet::new())?;
            (again != result).then(|| (rule, again.trim_start_matches('x').to_owned()))
        });
        again.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Texts {
        let host = |from: &str, to: &str| TextRule::Host {
            from: from.to_owned(),
            to: to.to_owned(),
        };
        let rules = vec![
            host("crm.dev.example", "crm.example"),
            TextRule::HostsBelow {
                from: "test.example".to_owned(),
                to: "prod.example".to_owned(),
            },
            TextRule::Url {
                from: "https://crm.dev.example/v1".to_owned(),
                to: "https://api.example/v2".to_owned(),
            },
            TextRule::Email(EmailRule::Domain {
                from: "dev.example".to_owned(),
                to: "example.com".to_owned(),
            }),
        ];
        Texts::new(rules).expect("they are rules")
    }

    #[test]
    fn what_is_meant_is_rewritten_and_nothing_that_only_looks_like_it() {
        for (text, wanted) in [
            ("https://crm.dev.example/x", "https://crm.example/x"),
            ("CRM.DEV.EXAMPLE:443", "crm.example:443"),
            (
                "https://crm.dev.example/v1/orders?x=1",
                "https://api.example/v2/orders?x=1",
            ),
            ("https://crm.dev.example/v10", "https://crm.example/v10"),
            ("see crm.dev.example.", "see crm.example."),
            (
                "mail jane@dev.example, or bob@DEV.example",
                "mail jane@example.com, or bob@example.com",
            ),
            ("wss://a.b.test.example/s", "wss://a.b.prod.example/s"),
        ] {
            let mut used = BTreeSet::new();
            let found = texts().rewrite(text, &mut used);
            assert_eq!(found.as_deref(), Some(wanted));
            assert!(!used.is_empty());
        }
        for text in [
            "xcrm.dev.example",
            "crm.dev.example.evil",
            "crm.dev.examples",
            "a.crm.dev.example",
            "jane@crm.dev.example",
            "@dev.example",
            "test.example",
            "jane@a.test.example",
            "${ref.user/jane@dev.example}",
            "${input.x}",
        ] {
            assert_eq!(texts().rewrite(text, &mut BTreeSet::new()), None, "{text}");
        }
    }

    #[test]
    fn a_rule_whose_result_is_rewritten_is_known() {
        let rule = |from: &str, to: &str| TextRule::HostsBelow {
            from: from.to_owned(),
            to: to.to_owned(),
        };
        let texts = Texts::new(vec![
            rule("example", "eu.example"),
            rule("a.test", "b.test"),
        ]);
        let texts = texts.expect("they are rules");
        let chains = texts.chains();
        assert_eq!(chains.len(), 1);
        assert_eq!(chains[0].1, ".eu.eu.example");
        assert!(Texts::new(vec![rule("", "x")]).is_err());
    }
}
