//! Judges a bundle before anything is planned with it, and brings it into its one form.
//!
//! A bundle may be written by hand, so every [`Problem`] says where: the object, the place in its
//! document as a JSON pointer or the line of its file, and what may have been meant. Variables are
//! for a target to fill in and are only noted. Nothing here knows a target: what a target may
//! have and the bundle lacks is a note.

mod aside;
mod body;
mod flow;
pub(crate) mod key;
mod normalise;
mod place;
#[cfg(test)]
mod tests;
mod types;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

pub use aside::{set_aside, stops};
pub use normalise::{normal, normalise};

use crate::bundle::Bundle;
use crate::catalogue::{Catalogue, Driver};
use crate::id::ObjectRef;
use crate::models::Places;
use crate::plan::Severity;

/// Something that is wrong with an object of a bundle, or worth knowing of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Which object.
    pub object: ObjectRef,
    /// The file beside the document, by the end of its name (`flow.yaml`); nothing for the document.
    pub file: Option<String>,
    /// The place in the document, as a JSON pointer; empty for the whole.
    pub pointer: String,
    /// The line in the file, counted from 1, where it is known.
    pub line: Option<usize>,
    /// The column in characters, counted from 1, where it is known.
    pub column: Option<usize>,
    /// A stable name of what was found: `reference-to-nothing`.
    pub rule: &'static str,
    /// How much it matters; most errors keep the bundle from being planned (see [`stops`]).
    pub severity: Severity,
    /// What is wrong, and what to do.
    pub message: String,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

impl Problem {
    /// Says that something is at a place of a document.
    pub(crate) fn at(
        object: &ObjectRef,
        pointer: &str,
        (severity, rule): (Severity, &'static str),
        message: String,
    ) -> Self {
        Self {
            object: object.clone(),
            file: None,
            pointer: pointer.to_owned(),
            line: None,
            column: None,
            rule,
            severity,
            message,
            suggestion: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, " (did you mean {suggestion:?}?)"),
            None => Ok(()),
        }
    }
}

/// Finds everything that is wrong with a bundle, by object and place.
pub fn validate(catalogue: &Catalogue, bundle: &Bundle) -> Vec<Problem> {
    let mut report = Report::default();
    let known = place::Known::new(catalogue, bundle);
    let flows = flow::Sources::new(catalogue, bundle);
    let mut places = BTreeMap::new();
    for (object, document) in &bundle.documents {
        report.object = Some(object);
        let descriptor = match catalogue.get(object.kind.as_str()) {
            Ok(descriptor) => descriptor,
            Err(unknown) => {
                let message = format!("unknown kind {:?}", unknown.name);
                let found = report.error("unknown-kind", "", message);
                found.suggestion = unknown.suggestion;
                continue;
            }
        };
        let document = document.open();
        body::check(descriptor, &document, &mut report);
        let places = places.entry(&object.kind);
        let places = places.or_insert_with(|| Places::new(descriptor));
        types::check(places, &document, &mut report);
        place::check(descriptor, &document, &known, &mut report);
        key::check(descriptor, &document, &mut report);
        if descriptor.driver == Driver::Flow {
            flows.check(&document, &mut report);
        }
    }
    key::check_case(catalogue, bundle, &mut report);
    let mut problems = report.problems;
    problems.sort();
    problems.dedup();
    problems
}

/// Gathers problems of one object after the other.
#[derive(Default)]
struct Report<'b> {
    object: Option<&'b ObjectRef>,
    problems: Vec<Problem>,
}

impl<'b> Report<'b> {
    fn error(&mut self, rule: &'static str, pointer: &str, message: String) -> &mut Problem {
        self.add(Severity::Error, rule, pointer, message)
    }

    fn add(
        &mut self,
        severity: Severity,
        rule: &'static str,
        pointer: &str,
        message: String,
    ) -> &mut Problem {
        let object = self.object.expect("an object is set before it is checked");
        let problem = Problem::at(object, pointer, (severity, rule), message);
        self.problems.push(problem);
        self.problems.last_mut().expect("one was added just now")
    }
}

/// Adds a step to a JSON pointer.
pub(crate) fn step(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}
