//! Judges configuration as somebody who has seen many orgs would: the audit of a gold image.
//!
//! [`crate::validate`] says what cannot be sent; a rule here says what can be, and probably should
//! not. Each rule is a small function over a bundle; [`RULES`] is the table of them. Whoever accepts
//! a finding says so with a reason ([`Disable`]). Nothing here knows what day it is: the caller says.

mod content;
mod disable;
mod flows;
mod objects;
mod references;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

pub use disable::{BadDisable, Disable};

use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::document::{Portable, Slot};
use crate::flow::{self, FlowScan};
use crate::id::{Kind, ObjectRef};
use crate::plan::{FLOW_SOURCE, Severity};
use crate::snapshot::{Names, Snapshot};
use crate::validate::{Problem, step};

/// A rule.
pub struct Rule {
    /// Its name, which never changes.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What it finds, in a sentence.
    pub about: &'static str,
    /// Why it matters, or what to do.
    pub advice: &'static str,
    check: fn(&Image<'_>, &mut Found<'_>),
}

/// Every rule, by its name.
pub const RULES: &[Rule] = &[
    Rule {
        id: "dangling-reference",
        severity: Severity::Error,
        about: "An object refers to another that is not there.",
        advice: "Add the object or take the reference out. Kinds of which there is no object at all are \
                 expected to be in the target.",
        check: references::dangling,
    },
    Rule {
        id: "flow-circle",
        severity: Severity::Warning,
        about: "Flows refer to each other in a circle.",
        advice: "A call may never leave it. Let one of them end, or transfer somewhere else.",
        check: flows::circle,
    },
    Rule {
        id: "flow-locked",
        severity: Severity::Warning,
        about: "Somebody has locked a flow and may be working on it.",
        advice: "Ask them to check it in, or unlock it in Architect. Only known where an org is read.",
        check: flows::locked,
    },
    Rule {
        id: "flow-unpublished",
        severity: Severity::Warning,
        about: "A flow is not published, or has changes that are not.",
        advice: "Only the published version travels. Publish it, or delete the draft. Changes are only \
                 known where an org is read.",
        check: flows::unpublished,
    },
    Rule {
        id: "hard-coded-id",
        severity: Severity::Warning,
        about: "The id of an object stands in a flow, a script or a data action.",
        advice: "It means nothing in another org. Look the object up by its name, or keep the id in a data \
                 table.",
        check: content::ids,
    },
    Rule {
        id: "hard-coded-url",
        severity: Severity::Note,
        about: "A web address stands in a flow, a script or a data action.",
        advice: "Other environments have other hosts. Use a variable, or the settings of an integration.",
        check: content::urls,
    },
    Rule {
        id: "name-differs-by-case",
        severity: Severity::Warning,
        about: "The names of two objects of a kind differ only in upper and lower case.",
        advice: "People take them for one. Rename or merge them.",
        check: objects::case,
    },
    Rule {
        id: "placeholder",
        severity: Severity::Warning,
        about: "A text was to be filled in: TODO, FIXME, TBD, CHANGEME, lorem ipsum, {{name}}.",
        advice: "Fill it in.",
        check: content::placeholders,
    },
    Rule {
        id: "queue-without-in-queue-flow",
        severity: Severity::Note,
        about: "A queue has no in-queue flow for calls.",
        advice: "Callers hear the default of the org.",
        check: objects::in_queue_flow,
    },
    Rule {
        id: "queue-without-overflow",
        severity: Severity::Note,
        about: "A queue has nobody else to turn to: neither bullseye rings nor conditional groups.",
        advice: "Interactions wait for its members however long that takes.",
        check: objects::overflow,
    },
    Rule {
        id: "queue-without-wrapup",
        severity: Severity::Warning,
        about: "A queue has no wrap-up codes.",
        advice: "Agents cannot say what an interaction was about, and reports cannot either.",
        check: objects::wrapup,
    },
    Rule {
        id: "schedule-in-past",
        severity: Severity::Warning,
        about: "A schedule is over and does not come again.",
        advice: "Nothing opens or closes by it any more. Delete it, or give it new dates.",
        check: objects::schedules,
    },
    Rule {
        id: "user-without-role",
        severity: Severity::Warning,
        about: "An active user has no role, neither of their own nor by a group.",
        advice: "They can log in and do nothing, and may hold a licence.",
        check: objects::roles,
    },
];

/// Returns the rule of a name.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// What is judged.
pub struct Image<'b> {
    catalogue: &'b Catalogue,
    bundle: &'b Bundle,
    states: &'b BTreeMap<ObjectRef, FlowState>,
    /// The day on which it is judged, as `2026-01-31`.
    today: &'b str,
    scans: BTreeMap<&'b ObjectRef, FlowScan>,
}

/// What an org knows of a flow besides its published source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowState {
    /// Who has locked it.
    pub locked_by: Option<String>,
    /// It was saved after it was published.
    pub has_draft: bool,
}

/// What was found, and what of it was accepted before.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Lint {
    /// What stands.
    pub findings: Vec<Problem>,
    /// What is disabled, with the reason.
    pub disabled: Vec<(Problem, String)>,
    /// Entries that disabled nothing: they can go.
    pub unused: Vec<Disable>,
}

impl Lint {
    /// Counts what stands of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        let findings = self.findings.iter();
        findings.filter(|found| found.severity == severity).count()
    }
}

/// Judges a bundle.
///
/// `states` is what the org that was read knows of its flows ([`flow_states`]), and empty for a bundle
/// from a disk; `today` is the day, as `2026-01-31`.
pub fn lint(
    catalogue: &Catalogue,
    bundle: &Bundle,
    states: &BTreeMap<ObjectRef, FlowState>,
    today: &str,
    disable: &[Disable],
) -> Lint {
    let scans = bundle.documents.iter().filter_map(|(object, document)| {
        let source = std::str::from_utf8(document.files.get(FLOW_SOURCE)?).ok()?;
        Some((object, flow::scan(source).ok()?))
    });
    let image = Image {
        catalogue,
        bundle,
        states,
        today,
        scans: scans.collect(),
    };
    let mut problems = Vec::new();
    for rule in RULES {
        let mut found = Found {
            rule,
            problems: &mut problems,
        };
        (rule.check)(&image, &mut found);
    }
    problems.sort();
    problems.dedup();
    disable::apply(problems, disable)
}

/// Returns what an org knows of its flows.
pub fn flow_states(snapshot: &Snapshot, names: &Names) -> BTreeMap<ObjectRef, FlowState> {
    let kind = Kind::new("flow");
    let flows = snapshot.objects.get(&kind).into_iter().flatten();
    let states = flows.filter_map(|flow| {
        let object = names.object(&kind, flow.id.as_str())?;
        let body = flow.body();
        let version = |name: &str| {
            body.get(name)
                .and_then(|version| version.get("id"))
                .cloned()
        };
        let (saved, published) = (version("savedVersion"), version("publishedVersion"));
        let state = FlowState {
            locked_by: flow::locked_by(&body).map(str::to_owned),
            has_draft: saved.is_some() && published.is_some() && saved != published,
        };
        Some((object.clone(), state))
    });
    states.collect()
}

impl<'b> Image<'b> {
    /// Returns the documents of a kind, one opened after the other.
    fn of<'s>(
        &'s self,
        kind: &'s str,
    ) -> impl Iterator<Item = (&'b ObjectRef, Portable)> + use<'s, 'b> {
        let documents = self.bundle.documents.iter();
        let of_kind = documents.filter(move |(object, _)| object.kind.as_str() == kind);
        of_kind.map(|(object, document)| (object, document.open()))
    }
}

/// Gathers what a rule finds.
struct Found<'p> {
    rule: &'static Rule,
    problems: &'p mut Vec<Problem>,
}

impl Found<'_> {
    /// Finds something at a place of a document.
    fn at(&mut self, object: &ObjectRef, pointer: &str, message: String) -> &mut Problem {
        let rule = (self.rule.severity, self.rule.id);
        self.problems
            .push(Problem::at(object, pointer, rule, message));
        self.problems.last_mut().expect("one was added just now")
    }

    /// Finds something in a file of a document.
    fn in_file(&mut self, object: &ObjectRef, file: &str, place: (usize, usize), message: String) {
        let found = self.at(object, "", message);
        found.file = Some(file.to_owned());
        (found.line, found.column) = (Some(place.0), Some(place.1));
    }
}

/// Calls `visit` with every value in a document that is no list or mapping, slots included, and its
/// place as a JSON pointer.
fn leaves(value: &Value, pointer: &str, visit: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(map) if Slot::of(value).is_none() => {
            for (name, value) in map {
                leaves(value, &step(pointer, name), visit);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                leaves(value, &step(pointer, &index.to_string()), visit);
            }
        }
        value => visit(pointer, value),
    }
}

/// Calls `visit` with every leaf of a document.
fn leaves_of(document: &Portable, visit: &mut dyn FnMut(&str, &Value)) {
    for (name, value) in &document.body {
        leaves(value, &step("", name), visit);
    }
}

#[cfg(test)]
mod tests;
