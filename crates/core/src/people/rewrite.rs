//! What is different about people in another org: their addresses and names.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;
use serde_json::Value;

use super::list::user;
use crate::bundle::Bundle;
use crate::document::rename_refs;
use crate::file_refs;
use crate::id::ObjectRef;
use crate::plan::{Conflict, Finding, Severity};

/// How an e-mail address becomes another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmailRule {
    /// Every address of a domain.
    Domain {
        /// The domain in the source.
        from: String,
        /// The domain in the target.
        to: String,
    },
    /// One address.
    Address {
        /// The address in the source.
        from: String,
        /// The address in the target.
        to: String,
    },
}

/// How the name of a user becomes another.
#[derive(Clone, Debug)]
pub enum NameRule {
    /// Every name that a pattern matches.
    Pattern {
        /// The pattern.
        from: Regex,
        /// What is put in place of what it matches; `$1` is its first group.
        to: String,
    },
    /// One name.
    Name {
        /// The name in the source.
        from: String,
        /// The name in the target.
        to: String,
    },
}

/// Says why a rule cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is no pattern: {error}")]
pub struct BadRule {
    text: String,
    error: regex_lite::Error,
}

impl NameRule {
    /// Makes a rule of a pattern.
    ///
    /// # Errors
    /// The text is no regular expression.
    pub fn pattern(from: &str, to: &str) -> Result<Self, BadRule> {
        let from = BadRule::read(from)?;
        let to = to.to_owned();
        Ok(Self::Pattern { from, to })
    }
}

impl BadRule {
    /// Reads a pattern.
    pub(crate) fn read(pattern: &str) -> Result<Regex, Self> {
        Regex::new(pattern).map_err(|error| Self {
            text: pattern.to_owned(),
            error,
        })
    }
}

/// What is rewritten for a target. Of several rules for one thing the most exact counts: an address
/// before its domain, a name before a pattern; then the first.
#[derive(Clone, Debug, Default)]
pub struct Rewrites {
    /// For e-mail addresses.
    pub emails: Vec<EmailRule>,
    /// For the names of users.
    pub names: Vec<NameRule>,
}

/// What came of rewriting.
#[derive(Debug, Default)]
pub struct Rewritten {
    /// Users who were left out.
    pub conflicts: Vec<Conflict>,
    /// The rules that did something.
    used: Used,
    /// The users who have another address in the target, by the one in the source.
    pub renamed: BTreeMap<ObjectRef, ObjectRef>,
}

/// Which rules did something.
#[derive(Debug, Default)]
struct Used {
    emails: BTreeSet<usize>,
    names: BTreeSet<usize>,
}

impl Rewrites {
    /// Tells whether nothing is rewritten.
    pub fn is_empty(&self) -> bool {
        self.emails.is_empty() && self.names.is_empty()
    }

    /// Rewrites the users of a bundle, and whatever refers to them.
    ///
    /// Users who would share an address are left out and told of.
    pub fn apply(&self, bundle: &mut Bundle) -> Rewritten {
        if self.is_empty() {
            return Rewritten::default();
        }
        let used = RefCell::new(Used::default());
        let renamed = |object: &ObjectRef| {
            if object.kind.as_str() != "user" {
                return None;
            }
            let email = object.key.parts().pop()?;
            Some(user(&self.email(&email, &used)?))
        };
        let mut claims: BTreeMap<ObjectRef, Vec<ObjectRef>> = BTreeMap::new();
        for object in bundle.documents.keys() {
            let new = renamed(object).unwrap_or_else(|| object.clone());
            claims.entry(new).or_default().push(object.clone());
        }
        let mut conflicts = Vec::new();
        for (new, olds) in claims.into_iter().filter(|(_, olds)| olds.len() > 1) {
            let several: Vec<String> = olds.iter().map(ToString::to_string).collect();
            for object in olds {
                bundle.documents.remove(&object);
                let reason = format!(
                    "the rewriting of addresses makes {new} of {}; give one of them an address of its own",
                    several.join(" and of ")
                );
                conflicts.push(Conflict { object, reason });
            }
        }
        let mut moved = BTreeMap::new();
        for (object, document) in std::mem::take(&mut bundle.documents) {
            let mut document = document.open();
            let new = renamed(&object).unwrap_or_else(|| object.clone());
            if new != object {
                moved.insert(object.clone(), new.clone());
            }
            let mut body = Value::Object(std::mem::take(&mut document.body));
            rename_refs(&mut body, &renamed);
            if object.kind.as_str() == "user" {
                self.rewrite_user(&mut body, &used);
            }
            if let Value::Object(body) = body {
                document.body = body;
            }
            file_refs::rename_in(&mut document.files, &renamed);
            document.object = new;
            bundle.insert(document);
        }
        Rewritten {
            conflicts,
            used: used.into_inner(),
            renamed: moved,
        }
    }

    fn rewrite_user(&self, body: &mut Value, used: &RefCell<Used>) {
        if let Some(Value::String(name)) = body.get_mut("name")
            && let Some(new) = self.name(name, used)
        {
            *name = new;
        }
        if let Some(email) = body.get_mut("email") {
            self.rewrite_email(email, used);
        }
        let addresses = body.get_mut("addresses").and_then(Value::as_array_mut);
        for address in addresses.into_iter().flatten() {
            if address.get("mediaType").and_then(Value::as_str) == Some("EMAIL")
                && let Some(email) = address.get_mut("address")
            {
                self.rewrite_email(email, used);
            }
        }
    }

    fn rewrite_email(&self, value: &mut Value, used: &RefCell<Used>) {
        if let Value::String(email) = value
            && let Some(new) = self.email(email, used)
        {
            *email = new;
        }
    }

    /// Returns what an address becomes, where a rule speaks of it.
    fn email(&self, email: &str, used: &RefCell<Used>) -> Option<String> {
        let (name, domain) = email.rsplit_once('@')?;
        let exact = self
            .emails
            .iter()
            .enumerate()
            .find_map(|(at, rule)| match rule {
                EmailRule::Address { from, to } => {
                    from.eq_ignore_ascii_case(email).then(|| (at, to.clone()))
                }
                EmailRule::Domain { .. } => None,
            });
        let of_domain = || {
            self.emails
                .iter()
                .enumerate()
                .find_map(|(at, rule)| match rule {
                    EmailRule::Domain { from, to } => from
                        .eq_ignore_ascii_case(domain)
                        .then(|| (at, format!("{name}@{to}"))),
                    EmailRule::Address { .. } => None,
                })
        };
        let (at, new) = exact.or_else(of_domain)?;
        used.borrow_mut().emails.insert(at);
        Some(new)
    }

    /// Returns what a name becomes, where a rule speaks of it.
    fn name(&self, name: &str, used: &RefCell<Used>) -> Option<String> {
        let exact = self
            .names
            .iter()
            .enumerate()
            .find_map(|(at, rule)| match rule {
                NameRule::Name { from, to } => (from == name).then(|| (at, to.clone())),
                NameRule::Pattern { .. } => None,
            });
        let by_pattern = || {
            self.names
                .iter()
                .enumerate()
                .find_map(|(at, rule)| match rule {
                    NameRule::Pattern { from, to } => from
                        .is_match(name)
                        .then(|| (at, from.replace(name, to.as_str()).into_owned())),
                    NameRule::Name { .. } => None,
                })
        };
        let (at, new) = exact.or_else(by_pattern)?;
        used.borrow_mut().names.insert(at);
        Some(new)
    }

    /// Tells of rules that met nothing; `in_texts` are those for addresses that stood in other texts.
    pub(crate) fn unused(&self, done: &Rewritten, in_texts: &BTreeSet<usize>) -> Vec<Finding> {
        let used = &done.used;
        let emails = self.emails.iter().enumerate();
        let emails = emails.filter(|(at, _)| !used.emails.contains(at) && !in_texts.contains(at));
        let emails = emails.map(|(_, rule)| match rule {
            EmailRule::Domain { from, .. } => format!("nothing has an address of {from}"),
            EmailRule::Address { from, .. } => format!("nothing has the address {from}"),
        });
        let names = self.names.iter().enumerate();
        let names = names.filter(|(at, _)| !used.names.contains(at));
        let names = names.map(|(_, rule)| match rule {
            NameRule::Pattern { from, .. } => format!("no user has a name like {from}"),
            NameRule::Name { from, .. } => format!("no user has the name {from:?}"),
        });
        emails
            .chain(names)
            .map(|told| Finding {
                severity: Severity::Warning,
                rule: "rewrite-unused".to_owned(),
                object: None,
                message: format!("a rule of `rewrite` does nothing: {told}"),
            })
            .collect()
    }
}
