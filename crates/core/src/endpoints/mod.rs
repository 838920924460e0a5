//! URLs of other systems: where documents hold them, what came of asking them, and what is sent in
//! place of one that does not answer.
//!
//! Which places of which kinds hold such URLs is data of the catalogue; besides, a flow may have some
//! in its source. What is asked is a URL without user, query and fragment: those may be secrets, and
//! say nothing of whether anybody is there. Nothing here asks; the caller brings the answers.

mod answer;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

pub use answer::Answer;
pub use settle::{OnDown, PLACEHOLDER, Policy, holding, restore, settle};

use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::flow;
use crate::id::ObjectRef;
use crate::plan::FLOW_SOURCE;
use crate::validate::step;

/// A URL that can be asked: scheme, host, port and path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    url: String,
    /// Nothing of the path is left to be filled in: what answers there is the endpoint itself.
    whole: bool,
}

impl Target {
    /// Reads a URL as it is written in a document, where an expression may stand in its path. Returns
    /// nothing where it is none, or its host is only known when it is called.
    pub fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return None;
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let host = authority.rsplit('@').next().unwrap_or_default();
        let name = host.trim_start_matches('[');
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        if !name.starts_with(|c: char| c.is_alphanumeric() || c == ':') || !host.chars().all(fits) {
            return None;
        }
        let path = path.split(['?', '#']).next().unwrap_or_default();
        // An expression, or what holds it together, is filled in by whoever calls.
        let whole = !path.contains(['$', '{', '}', ' ']);
        let path = if whole { path } else { "/" };
        Some(Self {
            url: format!("{scheme}://{}{path}", host.to_lowercase()),
            whole,
        })
    }

    /// Tells whether what answers there is the endpoint itself, and not just its host.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Returns the URL.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// A place that holds the URL of another system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The object.
    pub object: ObjectRef,
    /// The place in its document as a JSON pointer; nothing for a flow, which has it in its source.
    pub pointer: Option<String>,
    /// The URL as it is written.
    pub written: String,
    /// What can be asked of it; nothing where its host is only known when it is called.
    pub target: Option<Target>,
    /// No placeholder may take its place.
    pub kept: bool,
}

/// Finds the URLs in the documents of a bundle that the catalogue knows of.
pub fn places(catalogue: &Catalogue, bundle: &Bundle) -> Vec<Place> {
    let mut found = Vec::new();
    for (object, document) in &bundle.documents {
        let Ok(descriptor) = catalogue.get(object.kind.as_str()) else {
            continue;
        };
        for endpoint in &descriptor.endpoints {
            let root = endpoint.path.root();
            let Some(field) = document.field(root) else {
                continue;
            };
            let names = endpoint.path.segments().skip(1);
            let inside = names.fold(String::new(), |pointer, name| step(&pointer, name));
            let Some(value) = field.pointer(&inside) else {
                continue;
            };
            let pointer = format!("{}{inside}", step("", root));
            texts(value, &pointer, &mut |pointer, text| {
                if is_url(text) {
                    found.push(Place {
                        object: object.clone(),
                        pointer: Some(pointer.to_owned()),
                        written: text.to_owned(),
                        target: Target::read(text),
                        kept: endpoint.kept,
                    });
                }
            });
        }
    }
    found
}

/// Finds the URLs that flows of a bundle have in their sources, each once a flow.
pub fn places_in_flows(bundle: &Bundle) -> Vec<Place> {
    let mut found = Vec::new();
    for (object, document) in &bundle.documents {
        let source = document.files.get(FLOW_SOURCE);
        let source = source.and_then(|bytes| std::str::from_utf8(bytes).ok());
        let Some(scan) = source.and_then(|text| flow::scan(text).ok()) else {
            continue;
        };
        let urls: BTreeSet<&str> = scan.urls.iter().map(|url| url.text.as_str()).collect();
        found.extend(urls.into_iter().map(|url| Place {
            object: object.clone(),
            pointer: None,
            written: url.to_owned(),
            target: Target::read(url),
            kept: true,
        }));
    }
    found
}

/// Returns what there is to ask about places: every URL once.
pub fn targets<'p>(places: impl IntoIterator<Item = &'p Place>) -> BTreeSet<Target> {
    let targets = places.into_iter().filter_map(|place| place.target.clone());
    targets.collect()
}

/// What came of asking, by URL.
pub type Answers = BTreeMap<String, Answer>;

/// Tells whether a text is the URL of a web service, as far as its beginning says.
fn is_url(text: &str) -> bool {
    let scheme = text
        .trim_start()
        .split_once("://")
        .map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
    })
}

/// Calls `visit` with every text in a value and its JSON pointer.
pub(crate) fn texts(value: &Value, pointer: &str, visit: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::String(text) => visit(pointer, text),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                texts(item, &step(pointer, &at.to_string()), visit);
            }
        }
        Value::Object(fields) => {
            for (name, inner) in fields {
                texts(inner, &step(pointer, name), visit);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
