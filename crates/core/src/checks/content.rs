//! What steps send: every slot can be filled, and nothing is of the source org.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::error;
use super::ids::Ids;
use crate::catalogue::Catalogue;
use crate::document::{Slot, Template};
use crate::id::{ObjectRef, StepId};
use crate::overlay::{UNSET, open_variable};
use crate::plan::{Action, Blob, Finding, Plan, Request, Step, Write};

/// Checks every step and returns the names of the secrets they send.
pub(super) fn check(plan: &Plan, ids: &Ids, findings: &mut Vec<Finding>) -> BTreeSet<String> {
    let creators = Creators::new(plan);
    let mut secrets = BTreeSet::new();
    let mut searched: HashSet<&str> = HashSet::new();
    for (index, step) in plan.steps.iter().enumerate() {
        for (place, template) in templates(step) {
            // Only this waits for more than the step itself does.
            let scim = step.scim.as_ref().filter(|_| place == BY_SCIM);
            let also = scim.map_or(&[][..], |scim| &scim.after);
            template.for_each_slot(&mut |slot| match slot {
                Slot::Ref(object) => {
                    if let Err(message) = creators.reach(index, also, &object) {
                        findings.push(error(
                            "unbound-reference",
                            Some(step),
                            format!("{place}: {message}"),
                        ));
                    }
                }
                Slot::Secret(name) => {
                    secrets.insert(name);
                }
                Slot::Var(name) => {
                    let message = format!("{place}: the variable {name:?} is not set");
                    findings.push(error(UNSET, Some(step), message));
                }
            });
            if in_text(template.as_json(), ids).is_none() {
                continue;
            }
            let value = template.value();
            if let Some((pointer, found)) = foreign(&value, ids) {
                let message = format!("{place}{pointer}: {found}");
                findings.push(error(found.rule(), Some(step), message));
            }
        }
        check_parameters(step, findings);
        check_blob(plan, step, ids, &mut searched, findings);
    }
    secrets
}

/// Checks the content that a step sends; what several steps send is searched once.
fn check_blob<'p>(
    plan: &'p Plan,
    step: &'p Step,
    ids: &Ids,
    searched: &mut HashSet<&'p str>,
    findings: &mut Vec<Finding>,
) {
    let Some(digest) = blob_of(step) else {
        return;
    };
    match plan.blobs.get(digest) {
        None => {
            let message = format!("it sends the content {digest}, which the plan does not hold");
            findings.push(error("missing-content", Some(step), message));
        }
        Some(Blob::Text(text)) if searched.insert(digest) => {
            if let Some(found) = in_text(text, ids) {
                let line = text[..found.at(text)].matches('\n').count() + 1;
                let message = format!("the content {digest}, line {line}: {found}");
                findings.push(error(found.rule(), Some(step), message));
            }
        }
        Some(Blob::Text(_) | Blob::Base64(_)) => {}
    }
}

/// The place of what is sent instead by SCIM.
const BY_SCIM: &str = "body by SCIM";

/// Returns what a step fills and sends, each with the name of its place.
pub(super) fn templates(step: &Step) -> Vec<(String, &Template)> {
    let mut found = written(&step.write);
    let scim = step.scim.iter();
    found.extend(scim.map(|scim| (BY_SCIM.to_owned(), &scim.body)));
    found
}

fn written(write: &Write) -> Vec<(String, &Template)> {
    match write {
        Write::Request(Request {
            params,
            query,
            body,
            method: _,
            path: _,
            creates: _,
            versioned: _,
            job: _,
        }) => {
            let params = params
                .iter()
                .enumerate()
                .map(|(n, t)| (format!("path parameter {}", n + 1), t));
            let query = query
                .iter()
                .map(|(name, t)| (format!("query parameter {name}"), t));
            let body = body.iter().map(|t| ("body".to_owned(), t));
            params.chain(query).chain(body).collect()
        }
        Write::ActionDraft {
            body,
            function,
            creates: _,
        } => {
            let settings = function.iter().map(|function| &function.settings);
            let settings = settings.map(|settings| ("function".to_owned(), settings));
            std::iter::once(("body".to_owned(), body))
                .chain(settings)
                .collect()
        }
        Write::FileImport {
            file: _,
            body,
            slots,
        } => {
            let slots = slots.iter();
            let slots = slots.map(|(text, object)| (format!("{text} in the file"), object));
            std::iter::once(("body".to_owned(), body))
                .chain(slots)
                .collect()
        }
        Write::FlowImport { source: _ }
        | Write::RowsImport { rows: _ }
        | Write::Upload { name: _, file: _ } => Vec::new(),
    }
}

pub(super) fn blob_of(step: &Step) -> Option<&str> {
    match &step.write {
        Write::FlowImport { source } => Some(source),
        Write::RowsImport { rows } => Some(rows),
        Write::Upload { file, name: _ } => Some(file),
        Write::FileImport {
            file,
            body: _,
            slots: _,
        } => Some(file),
        Write::ActionDraft { function, .. } => {
            let code = function.as_ref()?.code.as_ref()?;
            Some(&code.file)
        }
        Write::Request(_) => None,
    }
}

fn check_parameters(step: &Step, findings: &mut Vec<Finding>) {
    if let Write::Request(request) = &step.write {
        let wanted = request.path.matches('{').count();
        let given = request.params.len();
        // An object that lives in another fills more than one.
        let refers =
            |template: &Template| matches!(Slot::of(&template.value()), Some(Slot::Ref(_)));
        let enough = given == wanted || given < wanted && request.params.iter().any(refers);
        if !enough {
            let message = format!(
                "{} takes {wanted} parameters, and the step has {given}",
                request.path
            );
            findings.push(error("path-parameters", Some(step), message));
        }
    }
}

/// Knows when the target has an object.
struct Creators<'p> {
    plan: &'p Plan,
    place: HashMap<&'p StepId, usize>,
    creates: HashMap<&'p ObjectRef, usize>,
}

impl<'p> Creators<'p> {
    fn new(plan: &'p Plan) -> Self {
        let steps = || plan.steps.iter().enumerate();
        let mut creates = HashMap::new();
        for (index, step) in steps().filter(|(_, step)| step.action == Action::Create) {
            creates.entry(&step.object).or_insert(index);
        }
        Self {
            plan,
            place: steps().map(|(index, step)| (&step.id, index)).collect(),
            creates,
        }
    }

    /// Tells whether an object has an id by the time a step starts, and those before `also` are done.
    fn reach(&self, from: usize, also: &[StepId], object: &ObjectRef) -> Result<(), String> {
        // Something that comes with a new object is there when that is.
        let bringer = || Catalogue::builtin().bringer(object);
        let creator = self.creates.get(object).copied();
        let is_bound = self.plan.bindings.contains_key(object);
        let creator = creator.or_else(|| match is_bound {
            true => None,
            false => self.creates.get(&bringer()?).copied(),
        });
        let Some(creator) = creator else {
            return match is_bound {
                true => Ok(()),
                false => Err(format!("{object} is neither in the target nor created")),
            };
        };
        let steps = &self.plan.steps;
        if steps[creator].phase < steps[from].phase || self.is_before(creator, from, also) {
            return Ok(());
        }
        Err(format!(
            "{object} is created by {}, which the step does not wait for",
            steps[creator].id
        ))
    }

    /// Tells whether a step waits for an earlier one, directly or through others; it waits for these
    /// as well.
    fn is_before(&self, earlier: usize, later: usize, also: &[StepId]) -> bool {
        let mut seen = HashSet::new();
        let mut open = vec![later];
        while let Some(index) = open.pop() {
            let also = also.iter().filter(|_| index == later);
            for before in self.plan.steps[index].after.iter().chain(also) {
                match self.place.get(before) {
                    Some(at) if *at == earlier => return true,
                    Some(at) if *at > earlier && *at < index && seen.insert(*at) => open.push(*at),
                    _ => {}
                }
            }
        }
        false
    }
}

/// Something that must not be sent.
enum Foreign<'t> {
    Id(&'t str),
    Variable(&'t str),
}

impl Foreign<'_> {
    fn rule(&self) -> &'static str {
        match self {
            Self::Id(_) => "source-id",
            Self::Variable(_) => UNSET,
        }
    }

    /// Returns where in its text it stands.
    fn at(&self, text: &str) -> usize {
        let (Self::Id(found) | Self::Variable(found)) = self;
        text.find(found).unwrap_or(0)
    }
}

impl std::fmt::Display for Foreign<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id} is an id of the source org"),
            Self::Variable(name) => write!(f, "the variable {name:?} is not set"),
        }
    }
}

fn in_text<'t>(text: &'t str, ids: &Ids) -> Option<Foreign<'t>> {
    ids.find(text)
        .map(Foreign::Id)
        .or_else(|| open_variable(text).map(Foreign::Variable))
}

/// Returns the first thing in a value that must not be sent, and its JSON pointer.
fn foreign<'v>(value: &'v Value, ids: &Ids) -> Option<(String, Foreign<'v>)> {
    let within = |name: &str, inner: Option<(String, Foreign<'v>)>| {
        inner.map(|(pointer, found)| (format!("/{name}{pointer}"), found))
    };
    match value {
        Value::String(text) => in_text(text, ids).map(|found| (String::new(), found)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| within(&index.to_string(), foreign(item, ids))),
        // A slot holds the name of what is filled in, which is not sent.
        Value::Object(_) if Slot::of(value).is_some() => None,
        Value::Object(map) => map.iter().find_map(|(name, inner)| {
            let in_name = ids.find(name).map(|id| (String::new(), Foreign::Id(id)));
            within(name, in_name.or_else(|| foreign(inner, ids)))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}
