//! What is sent in place of a URL that does not answer.

use std::time::Duration;

use serde_json::Value;

use super::{Answers, Place, places};
use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::id::ObjectRef;
use crate::plan::{Finding, Plan, Severity};

/// The rule of what a plan tells of a placeholder.
pub const PLACEHOLDER: &str = "endpoint-placeholder";
const DOWN: &str = "endpoint-down";

/// What is done about a URL that does not answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnDown {
    /// It is sent, and told of.
    #[default]
    Send,
    /// Nothing is written.
    Stop,
    /// This URL is sent in its place, until a later run finds that it answers.
    Placeholder(String),
}

/// What is done about URLs before they are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// What is done where none comes.
    pub on_down: OnDown,
}

impl Policy {
    /// Tells whether a URL is the placeholder.
    pub fn is_placeholder(&self, url: &str) -> bool {
        matches!(&self.on_down, OnDown::Placeholder(placeholder) if placeholder == url)
    }
}

/// Puts into the documents what is to be sent in place of URLs that do not answer, and tells of each.
///
/// `live` gives the value that the target has at a place. Where that is the URL itself, it stays: what
/// has worked is not taken away because it does not answer now.
pub fn settle(
    bundle: &mut Bundle,
    places: &[Place],
    answers: &Answers,
    policy: &Policy,
    live: &dyn Fn(&ObjectRef, &str) -> Option<Value>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for place in places {
        let (Some(target), Some(pointer)) = (&place.target, &place.pointer) else {
            continue;
        };
        let Some(answer) = answers.get(target.url()).filter(|answer| answer.is_down()) else {
            continue;
        };
        let told = format!("{} holds {target}, which {answer}", spoken(pointer));
        let has_it = || {
            let live = live(&place.object, pointer);
            live.is_some_and(|live| live.as_str() == Some(&place.written))
        };
        let (severity, rule, what) = match &policy.on_down {
            OnDown::Stop => (
                Severity::Error,
                DOWN,
                "see to it that it answers, or let `integrations: {on_down: …}` say what else is to be done".to_owned(),
            ),
            _ if has_it() => (
                Severity::Warning,
                DOWN,
                "the target has it already, and keeps it".to_owned(),
            ),
            OnDown::Placeholder(url) if !place.kept && put(bundle, &place.object, pointer, url) => (
                Severity::Warning,
                PLACEHOLDER,
                format!("the placeholder {url} stands there until a later run finds that it answers"),
            ),
            OnDown::Send | OnDown::Placeholder(_) => {
                (Severity::Warning, DOWN, "it is sent as it is".to_owned())
            }
        };
        findings.push(Finding {
            severity,
            rule: rule.to_owned(),
            object: Some(place.object.clone()),
            message: format!("{told}; {what}"),
        });
    }
    findings
}

/// Puts the URLs of a bundle back where a target that was made of it holds the placeholder.
pub fn restore(catalogue: &Catalogue, base: &Bundle, found: &mut Bundle, policy: &Policy) {
    let placeholders = places(catalogue, found);
    let placeholders = placeholders
        .into_iter()
        .filter(|place| policy.is_placeholder(&place.written));
    for place in placeholders {
        let pointer = place.pointer.unwrap_or_default();
        let body = base
            .documents
            .get(&place.object)
            .map(|document| document.open().body);
        let body = body.map(Value::Object);
        let url = body
            .as_ref()
            .and_then(|body| body.pointer(&pointer)?.as_str());
        if let Some(url) = url {
            put(found, &place.object, &pointer, url);
        }
    }
}

/// Writes a JSON pointer as people write a path.
fn spoken(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

fn put(bundle: &mut Bundle, object: &ObjectRef, pointer: &str, url: &str) -> bool {
    let Some(packed) = bundle.documents.get_mut(object) else {
        return false;
    };
    let mut document = packed.open();
    let mut body = Value::Object(std::mem::take(&mut document.body));
    let Some(value) = body.pointer_mut(pointer) else {
        return false;
    };
    *value = url.into();
    if let Value::Object(fields) = body {
        document.body = fields;
    }
    *packed = document.into();
    true
}

/// Counts the endpoints that hold a placeholder once a plan is carried out.
pub fn holding(plan: &Plan) -> usize {
    let findings = plan.findings.iter();
    findings.filter(|found| found.rule == PLACEHOLDER).count()
}
