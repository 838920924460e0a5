//! What is wrong with one person, or of two documents, and costs nobody else anything.
//!
//! A bundle with errors is not planned: half of what somebody meant is seldom what they want. People are
//! many, and come from lists and other systems: who cannot be had is named, and the others go on.

use std::collections::BTreeMap;

use super::{Problem, key, normal};
use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::plan::{Conflict, Severity};

/// Tells whether a problem keeps its bundle from being planned.
pub fn stops(catalogue: &Catalogue, problem: &Problem) -> bool {
    let of_one = match problem.rule {
        "duplicate-key" => true,
        // A person who is to have what is not there, or an object in what is not there: an address of a domain.
        "reference-to-nothing" => {
            let kind = catalogue.get(problem.object.kind.as_str());
            kind.is_ok_and(|kind| {
                let lives_in = kind.parent.as_ref().map(|parent| &*parent.field);
                !kind.member_of.is_empty() || lives_in == problem.pointer.strip_prefix('/')
            })
        }
        _ => false,
    };
    problem.severity == Severity::Error && !of_one
}

/// Returns the objects that a bundle is planned without, because of errors that do not stop it, and why; by the
/// keys that they have once it is in its [normal form](super::normalise()).
pub fn set_aside(catalogue: &Catalogue, bundle: &Bundle, problems: &[Problem]) -> Vec<Conflict> {
    let mut found = BTreeMap::new();
    for Conflict { object, reason } in key::twins(catalogue, bundle) {
        found.insert(object, reason);
    }
    for problem in problems {
        let of_one = problem.severity == Severity::Error && !stops(catalogue, problem);
        if of_one && !found.contains_key(&problem.object) {
            let object = normal(catalogue, &problem.object);
            let reason = || format!("it {problem}");
            found.entry(object).or_insert_with(reason);
        }
    }
    let found = found.into_iter();
    found
        .map(|(object, reason)| Conflict { object, reason })
        .collect()
}
