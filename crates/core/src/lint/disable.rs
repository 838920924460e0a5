//! Findings that somebody has looked at and accepts.

use serde::Serialize;

use super::{Lint, RULES, rule};
use crate::catalogue::nearest;
use crate::id::ObjectRef;
use crate::select::{Pattern, readable};
use crate::validate::Problem;

/// Says that findings of a rule are accepted, of which objects, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disable {
    rule: &'static str,
    objects: Vec<String>,
    reason: String,
    #[serde(skip)]
    patterns: Vec<Pattern>,
}

/// Says why a rule cannot be disabled like that.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDisable {
    /// There is no such rule.
    #[error(
        "there is no rule {given:?}{}",
        .suggestion.as_deref().map(|s| format!(" (did you mean {s:?}?)")).unwrap_or_default()
    )]
    Rule {
        /// What was given.
        given: String,
        /// The nearest rule.
        suggestion: Option<String>,
    },
    /// Nobody says why.
    #[error("{rule} is disabled without a reason; say why it is accepted")]
    Reason {
        /// The rule.
        rule: String,
    },
}

impl Disable {
    /// Accepts what a rule finds: of objects that fit a pattern such as `routing_queue/Test*`, or of
    /// all where there is none.
    ///
    /// # Errors
    /// There is no such rule, or no reason.
    pub fn new(id: &str, objects: &[String], reason: &str) -> Result<Self, BadDisable> {
        let known = rule(id).ok_or_else(|| BadDisable::Rule {
            given: id.to_owned(),
            suggestion: nearest(id, RULES.iter().map(|rule| rule.id)),
        })?;
        if reason.trim().is_empty() {
            let rule = id.to_owned();
            return Err(BadDisable::Reason { rule });
        }
        Ok(Self {
            rule: known.id,
            objects: objects.to_vec(),
            reason: reason.trim().to_owned(),
            patterns: objects.iter().map(|text| Pattern::new(text)).collect(),
        })
    }

    /// Says which rule, and of which objects.
    pub fn what(&self) -> String {
        match self.objects.is_empty() {
            true => self.rule.to_owned(),
            false => format!("{} of {}", self.rule, self.objects.join(", ")),
        }
    }

    fn fits(&self, problem: &Problem) -> bool {
        let named = |object: &ObjectRef| format!("{}/{}", object.kind, readable(&object.key));
        self.rule == problem.rule
            && (self.patterns.is_empty()
                || self
                    .patterns
                    .iter()
                    .any(|one| one.matches(&named(&problem.object))))
    }
}

/// Parts what is accepted from what stands.
pub(super) fn apply(problems: Vec<Problem>, disable: &[Disable]) -> Lint {
    let mut lint = Lint::default();
    let mut used = vec![false; disable.len()];
    for problem in problems {
        let place = disable.iter().position(|one| one.fits(&problem));
        match place {
            Some(place) => {
                used[place] = true;
                lint.disabled.push((problem, disable[place].reason.clone()));
            }
            None => lint.findings.push(problem),
        }
    }
    let unused = disable.iter().zip(used).filter(|(_, used)| !used);
    lint.unused = unused.map(|(one, _)| one.clone()).collect();
    lint
}
