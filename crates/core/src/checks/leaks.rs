//! What belongs to the source org and is not an id: its own id, its hosts, e-mail domains and numbers.
//!
//! Ids are always refused by the checks of a plan. These are told of by a policy, because some orgs
//! share a host or a domain on purpose.

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::AhoCorasick;
use serde_json::Value;

use super::content::{blob_of, templates};
use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::document::Slot;
use crate::id::ObjectRef;
use crate::numbers::digits;
use crate::overlay::TextRule;
use crate::path::FieldPath;
use crate::people::EmailRule;
use crate::plan::{Blob, Finding, Plan, Severity, Step};
use crate::select::NUMBERS;

/// What is done about something of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing is written.
    Stop,
    /// It is told of.
    Warn,
    /// It may be sent.
    Allow,
}

/// What is done about things of the source, by their sort.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The id of the source org.
    pub org: Level,
    /// Hosts that are rewritten, and those of the source's region.
    pub hosts: Level,
    /// Domains that are rewritten, and e-mail domains that the source receives mail for.
    pub emails: Level,
    /// Telephone numbers of the source in flows, scripts and other texts.
    pub numbers: Level,
    /// What looks like an id and is of no object that was read. It may be of another system, so nobody
    /// can say that it is the source's.
    pub ids: Level,
    /// Texts that may be sent all the same.
    pub allow: BTreeSet<String>,
    /// Texts that must never be sent.
    pub forbid: BTreeSet<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            org: Level::Stop,
            hosts: Level::Stop,
            emails: Level::Stop,
            // Tables by the number that was called are cloned with most orgs.
            numbers: Level::Warn,
            // So look tenants of other vendors, and keys in tables.
            ids: Level::Warn,
            allow: BTreeSet::new(),
            forbid: BTreeSet::new(),
        }
    }
}

/// A sort of things that belong to the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Org,
    Host,
    Email,
    Number,
    Forbidden,
}

impl Sort {
    fn rule(self) -> &'static str {
        match self {
            Self::Org => "source-org",
            Self::Host => "source-host",
            Self::Email => "source-email-domain",
            Self::Number => "source-number",
            Self::Forbidden => "forbidden-text",
        }
    }

    fn told(self) -> &'static str {
        match self {
            Self::Org => "the id of the source org",
            Self::Host => "a host of the source",
            Self::Email => "an e-mail domain of the source",
            Self::Number => "a telephone number of the source",
            Self::Forbidden => "forbidden by `leaks`",
        }
    }

    /// Tells whether a thing of the sort is at home in a kind, and so no leak there.
    fn is_at_home(self, catalogue: &Catalogue, object: &ObjectRef) -> bool {
        let kind = object.kind.as_str();
        match self {
            Self::Email => kind == "user" || kind == EMAIL_DOMAIN || kind == "routing_email_route",
            Self::Number => {
                let descriptor = catalogue.get(kind);
                kind == NUMBERS
                    || kind == "user"
                    || descriptor.is_ok_and(|descriptor| !descriptor.numbers.is_empty())
            }
            Self::Org | Self::Host | Self::Forbidden => false,
        }
    }
}

const EMAIL_DOMAIN: &str = "routing_email_domain";

/// What belongs to a source.
#[derive(Debug, Default)]
pub struct Marks {
    texts: BTreeMap<String, Sort>,
    numbers: Vec<(u64, u64)>,
}

impl Marks {
    /// Notes the id of the source org.
    pub fn org(&mut self, id: &str) {
        self.add(id, Sort::Org);
    }

    /// Notes a host.
    pub fn host(&mut self, host: &str) {
        self.add(host, Sort::Host);
    }

    /// Notes a domain of e-mail addresses.
    pub fn email_domain(&mut self, domain: &str) {
        self.add(&format!("@{domain}"), Sort::Email);
    }

    fn add(&mut self, text: &str, sort: Sort) {
        if !text.is_empty() {
            self.texts.entry(text.to_lowercase()).or_insert(sort);
        }
    }

    /// Notes what an overlay rewrites: nothing of it should be left.
    pub fn rewritten(&mut self, rules: &[TextRule]) {
        for rule in rules {
            match rule {
                TextRule::Host { from, .. } => self.host(from),
                TextRule::HostsBelow { from, .. } => self.host(&format!(".{from}")),
                TextRule::Url { from, .. } => self.host(from),
                TextRule::Email(EmailRule::Domain { from, .. }) => self.email_domain(from),
                TextRule::Email(EmailRule::Address { from, .. }) => self.add(from, Sort::Email),
            }
        }
    }

    /// Notes what a bundle says of its org: domains that it receives mail for, and numbers.
    pub fn read(&mut self, catalogue: &Catalogue, bundle: &Bundle) {
        let range = |from: &str, to: &str| digits(from).zip(digits(to));
        for (object, document) in &bundle.documents {
            match object.kind.as_str() {
                EMAIL_DOMAIN => {
                    let parts = object.key.parts();
                    parts.iter().for_each(|domain| self.email_domain(domain));
                }
                NUMBERS => {
                    if let [from, to] = &object.key.parts()[..] {
                        self.numbers.extend(range(from, to));
                    }
                }
                kind => {
                    let Ok(descriptor) = catalogue.get(kind) else {
                        continue;
                    };
                    let paths: &[FieldPath] = &descriptor.numbers;
                    if paths.is_empty() {
                        continue;
                    }
                    let body = Value::Object(document.open().body);
                    let mut note = |value: &Value| {
                        let number = value.as_str().filter(|text| text.starts_with('+'));
                        self.numbers
                            .extend(number.and_then(|text| range(text, text)));
                    };
                    paths
                        .iter()
                        .for_each(|path| path.for_each(&body, &mut note));
                }
            }
        }
    }
}

/// One thing of the source, and where it would be sent.
struct Leak {
    sort: Sort,
    places: Vec<(ObjectRef, String)>,
}

/// Searches everything that a plan sends for what belongs to its source.
pub fn leaks(catalogue: &Catalogue, plan: &Plan, marks: &Marks, policy: &Policy) -> Vec<Finding> {
    let mut found: BTreeMap<String, Leak> = BTreeMap::new();
    let Some(search) = Search::new(marks, policy) else {
        return Vec::new();
    };
    for step in &plan.steps {
        let mut note = |sort: Sort, text: String, place: String| {
            if sort.is_at_home(catalogue, &step.object) {
                return;
            }
            let leak = found.entry(text).or_insert(Leak {
                sort,
                places: Vec::new(),
            });
            if leak.places.iter().all(|(object, _)| *object != step.object) {
                leak.places.push((step.object.clone(), place));
            }
        };
        search.step(plan, step, &mut note);
    }
    let level = |sort| match sort {
        Sort::Org => policy.org,
        Sort::Host => policy.hosts,
        Sort::Email => policy.emails,
        Sort::Number => policy.numbers,
        Sort::Forbidden => Level::Stop,
    };
    let findings = found.into_iter().filter_map(|(text, leak)| {
        let severity = match level(leak.sort) {
            Level::Stop => Severity::Error,
            Level::Warn => Severity::Warning,
            Level::Allow => return None,
        };
        let (object, place) = leak.places.first()?;
        let more = match leak.places.len() - 1 {
            0 => String::new(),
            1 => " and in one more object".to_owned(),
            more => format!(" and in {more} more objects"),
        };
        Some(Finding {
            severity,
            rule: leak.sort.rule().to_owned(),
            object: Some(object.clone()),
            message: format!(
                "{place}{more}: {text} is {}; rewrite it, or allow it under `leaks`",
                leak.sort.told()
            ),
        })
    });
    findings.collect()
}

/// Finds what belongs to the source in texts.
struct Search {
    texts: Vec<(String, Sort)>,
    finder: AhoCorasick,
    numbers: Vec<(u64, u64)>,
    allowed: BTreeSet<u64>,
}

type Note<'n> = dyn FnMut(Sort, String, String) + 'n;

impl Search {
    fn new(marks: &Marks, policy: &Policy) -> Option<Self> {
        let allowed: BTreeSet<String> = policy
            .allow
            .iter()
            .map(|text| text.to_lowercase())
            .collect();
        let is_allowed =
            |text: &str| allowed.contains(text) || allowed.contains(text.trim_start_matches('@'));
        let forbidden = policy
            .forbid
            .iter()
            .filter(|text| !text.is_empty())
            .map(|text| (text.to_lowercase(), Sort::Forbidden));
        let texts: Vec<(String, Sort)> = marks
            .texts
            .iter()
            .map(|(text, sort)| (text.clone(), *sort))
            .chain(forbidden)
            .filter(|(text, _)| !is_allowed(text))
            .collect();
        if texts.is_empty() && marks.numbers.is_empty() {
            return None;
        }
        let finder = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(texts.iter().map(|(text, _)| text));
        Some(Self {
            texts,
            finder: finder.ok()?,
            numbers: marks.numbers.clone(),
            allowed: allowed.iter().filter_map(|text| digits(text)).collect(),
        })
    }

    fn step(&self, plan: &Plan, step: &Step, note: &mut Note<'_>) {
        for (place, template) in templates(step) {
            if self.any(template.as_json()) {
                self.value(&template.value(), &place, note);
            }
        }
        if let Some(Blob::Text(text)) = blob_of(step).and_then(|digest| plan.blobs.get(digest))
            && self.any(text)
        {
            for (number, line) in text.lines().enumerate() {
                let place = format!("line {} of its content", number + 1);
                self.text(line, &place, note);
            }
        }
    }

    fn any(&self, text: &str) -> bool {
        let mut any = false;
        self.text(text, "", &mut |_, _, _| any = true);
        any
    }

    fn value(&self, value: &Value, place: &str, note: &mut Note<'_>) {
        match value {
            Value::String(text) => self.text(text, place, note),
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.value(item, &format!("{place}/{at}"), note);
                }
            }
            // A slot holds the name of what is filled in, which is not sent.
            Value::Object(_) if Slot::of(value).is_some() => {}
            Value::Object(map) => {
                for (name, inner) in map {
                    self.value(inner, &format!("{place}/{name}"), note);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&self, text: &str, place: &str, note: &mut Note<'_>) {
        for found in self.finder.find_iter(text) {
            let (what, sort) = &self.texts[found.pattern().as_usize()];
            note(
                *sort,
                what.trim_start_matches('@').to_owned(),
                place.to_owned(),
            );
        }
        if self.numbers.is_empty() {
            return;
        }
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '+') {
            let bare = word.strip_prefix('+').unwrap_or(word);
            let is_number =
                (8..=15).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_digit());
            let number = digits(bare).filter(|_| is_number);
            let Some(number) = number else { continue };
            let inside = |(from, to): &(u64, u64)| (*from..=*to).contains(&number);
            if self.numbers.iter().any(inside) && !self.allowed.contains(&number) {
                note(Sort::Number, format!("+{number}"), place.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::{Options, Planner};
    use crate::testing::{Org, flow_source};

    fn told(policy: &Policy) -> Vec<String> {
        let mut source = Org::new("one", "Acme");
        source.add(
            "routing_email_domain/gold.example",
            json!({"id": "gold.example"}),
        );
        source.add("telephony_providers_edges_did_pool/+13175550100/+13175550199", json!({
            "startPhoneNumber": "+13175550100", "endPhoneNumber": "+13175550199", "description": "",
        }));
        source.add("routing_skill/Ours", json!({}));
        source.add(
            "routing_queue/A",
            json!({"description": "call +13175550123 or 13175550200 of api.gold.example"}),
        );
        source.add(
            "routing_queue/B",
            json!({"description": "mail ask@GOLD.example, 13175550123"}),
        );
        let flow = flow_source("inboundcall/Main", None, &[("targetQueue", "A")]);
        source.add_flow(
            "inboundcall/Main",
            &(flow + "  # org 0c0ffee0-0000-4000-8000-000000000001 secret-project\n"),
        );
        let snapshot = source.snapshot();
        let catalogue = Catalogue::builtin();
        let (bundle, _) = snapshot.to_bundle(catalogue, &Default::default());
        let target = Org::new("two", "Beta").snapshot();
        let plan = Planner::new(catalogue, Options::default()).plan(&bundle, &target);
        let mut marks = Marks::default();
        marks.org("0c0ffee0-0000-4000-8000-000000000001");
        marks.host("api.gold.example");
        marks.read(catalogue, &bundle);
        let found = leaks(catalogue, &plan, &marks, policy);
        let told = found.iter().map(|finding| {
            let object = finding.object.as_ref().expect("an object");
            format!(
                "{:?} {} {object}: {}",
                finding.severity, finding.rule, finding.message
            )
        });
        told.collect()
    }

    #[test]
    fn what_belongs_to_the_source_is_told_of_with_its_place() {
        let policy = Policy {
            forbid: BTreeSet::from(["Secret-Project".to_owned()]),
            ..Policy::default()
        };
        assert_eq!(
            told(&policy),
            [
                "Warning source-number routing_queue/A: body/description and in one more object: +13175550123 is a telephone number of the source; rewrite it, or allow it under `leaks`",
                "Error source-org flow/inboundcall/Main: line 11 of its content: 0c0ffee0-0000-4000-8000-000000000001 is the id of the source org; rewrite it, or allow it under `leaks`",
                "Error source-host routing_queue/A: body/description: api.gold.example is a host of the source; rewrite it, or allow it under `leaks`",
                "Error source-email-domain routing_queue/B: body/description: gold.example is an e-mail domain of the source; rewrite it, or allow it under `leaks`",
                "Error forbidden-text flow/inboundcall/Main: line 11 of its content: secret-project is forbidden by `leaks`; rewrite it, or allow it under `leaks`",
            ]
        );
    }

    #[test]
    fn a_policy_allows_by_sort_and_by_text() {
        let policy = Policy {
            org: Level::Allow,
            hosts: Level::Warn,
            emails: Level::Stop,
            numbers: Level::Allow,
            ids: Level::Allow,
            allow: BTreeSet::from(["Gold.example".to_owned()]),
            forbid: BTreeSet::new(),
        };
        let told = told(&policy);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("Warning source-host"), "{told:?}");
    }
}
