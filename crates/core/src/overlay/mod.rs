//! What is different in one target: values, hosts, names, and what there is left alone.
//!
//! An [`Overlay`] is applied to a copy of the portable documents, in this order: kinds that are
//! switched off go; people and texts are rewritten; values are changed, by one rule after the other; variables
//! are filled in; and where the fields then say another key, the object and all that refers to it
//! follow. What the overlay puts in is the target's own and is not rewritten. Fields that are
//! ignored and objects that are protected are for the planner: only it knows what the target has.
//! What of the source is left in a plan is for the checks.

mod rename;
mod restore;
#[cfg(test)]
mod tests;
mod text;
mod variable;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regex_lite::Regex;
use serde_json::Value;

pub use rename::Moved;
pub(crate) use rename::{misplaced, rename};
pub use text::{BadTexts, TextRule, Texts};
pub use variable::{VariableType, is_name};
pub(crate) use variable::{inside_text, open_variable, places};

use self::variable::{Filler, Inside};
use crate::bundle::{Bundle, Written};
use crate::catalogue::{Catalogue, nearest};
use crate::checks::Policy;
use crate::document::{Packed, Portable};
use crate::flow::i3;
use crate::id::{Kind, ObjectRef};
use crate::path::FieldPath;
use crate::people::{BadRule, Rewrites};
use crate::plan::{Conflict, Finding, Severity};
use crate::select::Selection;
use crate::validate::validate;

/// What is different in one target.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    /// Kinds of which nothing is wanted there.
    pub off: BTreeSet<Kind>,
    /// Addresses and names of people that are others.
    pub people: Rewrites,
    /// Texts that are others; the rules for addresses come first, as [`Self::people`] has them.
    pub texts: Texts,
    /// Values that are others.
    pub changes: Vec<Change>,
    /// The values of variables.
    pub variables: BTreeMap<String, Value>,
    /// Fields that are left as the target has them.
    pub ignored: Vec<Ignored>,
    /// Objects that are never changed or deleted there.
    pub protected: Option<Selection>,
    /// What is done about things of the source that would be sent.
    pub leaks: Policy,
}

/// Values that are others in some objects.
#[derive(Clone, Debug)]
pub struct Change {
    /// The objects, as they were written.
    pub place: String,
    /// The objects.
    pub on: Selection,
    /// What is done to each, in order.
    pub edits: Vec<Edit>,
}

/// One value that is another.
#[derive(Clone, Debug)]
pub enum Edit {
    /// A value, which may be new.
    Set(FieldPath, Value),
    /// A field that is not managed, or an item that is not wanted.
    Remove(FieldPath),
    /// What a pattern matches in a text; `$1` is its first group.
    Replace(FieldPath, Regex, String),
}

impl std::fmt::Display for Edit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Set(path, _) => write!(f, "set {path}"),
            Self::Remove(path) => write!(f, "remove {path}"),
            Self::Replace(path, from, _) => write!(f, "replace {from} in {path}"),
        }
    }
}

/// Fields of some objects that are left as the target has them.
#[derive(Clone, Debug)]
pub struct Ignored {
    /// The objects.
    pub on: Selection,
    /// The fields.
    pub fields: Vec<FieldPath>,
}

/// What came of an overlay.
#[derive(Debug, Default)]
pub struct Applied {
    /// Objects that are left out.
    pub conflicts: Vec<Conflict>,
    /// Variables without a value, and rules that did nothing or too much.
    pub findings: Vec<Finding>,
    /// Objects that have another key in the target.
    pub moved: Moved,
}

/// What did something, and what could not.
struct Notes<'o> {
    texts: BTreeSet<usize>,
    edits: BTreeSet<(usize, usize)>,
    filler: Filler<'o>,
    /// Where a variable stands that has no value.
    unset: BTreeMap<String, Vec<ObjectRef>>,
    conflicts: Vec<Conflict>,
}

impl Overlay {
    /// Returns the fields that are not managed in the target: those that are ignored, and those that a
    /// change takes out of documents.
    pub fn unmanaged(&self) -> Vec<Ignored> {
        let removed = self.changes.iter().map(|change| {
            let fields = change.edits.iter().filter_map(|edit| match edit {
                Edit::Remove(path) if !path.in_list() => Some(path.clone()),
                Edit::Remove(_) | Edit::Set(..) | Edit::Replace(..) => None,
            });
            Ignored {
                on: change.on.clone(),
                fields: fields.collect(),
            }
        });
        let removed = removed.filter(|removed| !removed.fields.is_empty());
        self.ignored.iter().cloned().chain(removed).collect()
    }

    /// Tells whether applying it to a bundle changes nothing and finds nothing.
    pub fn is_idle(&self, bundle: &Bundle) -> bool {
        let rules = self.off.is_empty()
            && self.people.is_empty()
            && self.texts.is_empty()
            && self.changes.is_empty()
            && self.variables.is_empty();
        rules && !bundle.documents.values().any(has_variables)
    }

    /// Makes of a bundle what this target is to have.
    pub fn apply(&self, catalogue: &Catalogue, bundle: &mut Bundle) -> Applied {
        bundle
            .documents
            .retain(|object, _| !self.off.contains(&object.kind));
        let rewritten = self.people.apply(bundle);
        let mut notes = Notes {
            texts: BTreeSet::new(),
            edits: BTreeSet::new(),
            filler: Filler::new(&self.variables),
            unset: BTreeMap::new(),
            conflicts: Vec::new(),
        };
        let chosen = self.chosen(bundle);
        let mut touched = BTreeSet::new();
        let empty = Vec::new();
        for (object, packed) in &mut bundle.documents {
            let changes = chosen.get(object).unwrap_or(&empty);
            let mut document = packed.open();
            if self.apply_to(&mut document, changes, &mut notes) {
                *packed = document.into();
                touched.insert(object.clone());
            }
        }
        let mut conflicts = std::mem::take(&mut notes.conflicts);
        for conflict in &conflicts {
            bundle.documents.remove(&conflict.object);
        }
        let documents = touched
            .iter()
            .filter_map(|object| bundle.documents.get(object));
        let moved = misplaced(catalogue, documents);
        let mut moved = rename(catalogue, bundle, moved, &mut conflicts);
        let spoiled = self.spoiled(catalogue, bundle, &touched, &moved);
        for conflict in &spoiled {
            bundle.documents.remove(&conflict.object);
        }
        conflicts.extend(spoiled);
        let mut findings = self.people.unused(&rewritten, &notes.texts);
        findings.extend(self.findings(notes, bundle.selection.is_empty()));
        conflicts.extend(rewritten.conflicts);
        moved.extend(rewritten.renamed);
        if let Written::Read { but } = &mut bundle.written {
            let written = std::mem::take(but).into_iter();
            *but = written
                .map(|object| moved.get(&object).cloned().unwrap_or(object))
                .collect();
        }
        Applied {
            conflicts,
            findings,
            moved,
        }
    }

    /// Returns the changes that each object gets.
    fn chosen(&self, bundle: &Bundle) -> BTreeMap<ObjectRef, Vec<usize>> {
        let mut chosen: BTreeMap<ObjectRef, Vec<usize>> = BTreeMap::new();
        for (at, change) in self.changes.iter().enumerate() {
            let divisions = change.on.divisions(bundle);
            for (object, document) in &bundle.documents {
                let division = divisions.of(document);
                if change.on.matches(object, division.as_deref()) {
                    chosen.entry(object.clone()).or_default().push(at);
                }
            }
        }
        chosen
    }

    /// Makes one document the target's; returns whether it was another.
    fn apply_to<'o>(
        &'o self,
        document: &mut Portable,
        changes: &[usize],
        notes: &mut Notes<'o>,
    ) -> bool {
        let mut body = Value::Object(std::mem::take(&mut document.body));
        let mut touched = self.texts.rewrite_in(&mut body, &mut notes.texts);
        for at in changes {
            for (number, edit) in self.changes[*at].edits.iter().enumerate() {
                if edit.apply(&mut body) {
                    notes.edits.insert((*at, number));
                    touched = true;
                }
            }
        }
        notes.filler.unset.clear();
        touched |= notes.filler.fill(&mut body);
        if let Value::Object(body) = body {
            document.body = body;
        }
        for (name, bytes) in &mut document.files {
            let Some(text) = text_of(name, bytes) else {
                continue;
            };
            let rewritten = self.texts.rewrite(text, &mut notes.texts);
            let inside = match name.ends_with(".json") {
                true => Inside::Json,
                false => Inside::Source,
            };
            let filled = notes
                .filler
                .fill_text(rewritten.as_deref().unwrap_or(text), inside);
            if let Some(new) = filled.or(rewritten) {
                *bytes = Arc::from(new.into_bytes());
                touched = true;
            }
        }
        let object = &document.object;
        for name in std::mem::take(&mut notes.filler.unset) {
            notes.unset.entry(name).or_default().push(object.clone());
        }
        let unfit = std::mem::take(&mut notes.filler.unfit).into_iter();
        notes.conflicts.extend(unfit.map(|reason| Conflict {
            object: object.clone(),
            reason,
        }));
        touched
    }

    /// Returns the objects that the overlay made what no org takes.
    fn spoiled(
        &self,
        catalogue: &Catalogue,
        bundle: &Bundle,
        touched: &BTreeSet<ObjectRef>,
        moved: &Moved,
    ) -> Vec<Conflict> {
        if self.changes.is_empty() && self.variables.is_empty() {
            return Vec::new();
        }
        let touched: BTreeSet<&ObjectRef> = touched
            .iter()
            .map(|object| moved.get(object).unwrap_or(object))
            .collect();
        let problems = validate(catalogue, bundle).into_iter();
        let problems = problems.filter(|problem| {
            problem.severity == Severity::Error && touched.contains(&problem.object)
        });
        let conflicts = problems.map(|problem| Conflict {
            reason: format!("with the overlay, {}: {problem}", problem.pointer),
            object: problem.object,
        });
        conflicts.collect()
    }

    /// Tells what came of the rules; of a bundle that is a part of something not all can meet something.
    fn findings(&self, notes: Notes<'_>, whole: bool) -> Vec<Finding> {
        let finding = |severity, rule: &str, message| Finding {
            severity,
            rule: rule.to_owned(),
            object: None,
            message,
        };
        let unset = notes.unset.iter().map(|(name, objects)| {
            let near = nearest(name, self.variables.keys().map(String::as_str));
            let near = near.map(|near| format!(" (did you mean {near:?}?)"));
            let more = match objects.len() - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let message = format!(
                "the variable {name} is not set{}; {}{more} needs it",
                near.unwrap_or_default(),
                objects[0]
            );
            finding(Severity::Error, UNSET, message)
        });
        let used = &notes.filler.used;
        let unused = self.variables.keys().filter(|name| !used.contains(*name));
        let unused = unused.map(|name| {
            let message = format!("the variable {name} is set and stands nowhere");
            finding(Severity::Note, "variable-unused", message)
        });
        let rules = self.texts.rules().iter().enumerate();
        let addresses = self.people.emails.len();
        let idle = rules.filter(|(at, _)| *at >= addresses && !notes.texts.contains(at));
        let idle = idle.map(|(_, rule)| {
            let message = format!("a rule of `rewrite` does nothing: {rule}");
            finding(Severity::Note, "rewrite-unused", message)
        });
        let chains = self.texts.chains().into_iter().map(|(rule, again)| {
            let message = format!(
                "a rule of `rewrite` makes what is rewritten once more: {rule}; a bundle exported from the target would then get {again}"
            );
            finding(Severity::Warning, "rewrite-twice", message)
        });
        let edits = self.changes.iter().enumerate().flat_map(|(at, change)| {
            let edits = change.edits.iter().enumerate();
            edits.map(move |(number, edit)| ((at, number), change, edit))
        });
        let missed = edits.filter(|(place, ..)| !notes.edits.contains(place));
        let missed = missed.map(|(_, change, edit)| {
            let message = format!("`change` of {}: {edit} meets nothing", change.place);
            let severity = if whole {
                Severity::Warning
            } else {
                Severity::Note
            };
            finding(severity, "change-unused", message)
        });
        unset
            .chain(unused)
            .chain(idle)
            .chain(chains)
            .chain(missed)
            .collect()
    }
}

/// The rule of a variable that has no value.
pub(crate) const UNSET: &str = "unset-variable";

impl Edit {
    /// Makes a replacement of a pattern.
    ///
    /// # Errors
    /// The text is no regular expression.
    pub fn replace(path: FieldPath, pattern: &str, to: &str) -> Result<Self, BadRule> {
        Ok(Self::Replace(path, BadRule::read(pattern)?, to.to_owned()))
    }

    /// Changes a body; returns whether the place was met.
    fn apply(&self, body: &mut Value) -> bool {
        match self {
            Self::Set(path, value) => path.set(body, value),
            Self::Remove(path) => {
                let mut met = false;
                path.retain(body, &mut |_| {
                    met = true;
                    false
                });
                met
            }
            Self::Replace(path, from, to) => {
                let mut met = false;
                path.retain(body, &mut |value| {
                    if let Value::String(text) = value
                        && from.is_match(text)
                    {
                        *text = from.replace_all(text, to.as_str()).into_owned();
                        met = true;
                    }
                    true
                });
                met
            }
        }
    }
}

/// Returns the text of a file; of sound and other content nothing.
pub(crate) fn text_of<'f>(name: &str, bytes: &'f [u8]) -> Option<&'f str> {
    let ending = name.rsplit('.').next().unwrap_or_default();
    let text = ["yaml", "json", "grxml", "xml", "gram", "txt", "csv"].contains(&ending);
    // An `.i3*` file is text that nobody can read.
    if !text || name == i3::FILE {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

/// Tells whether a document may hold variables: what looks like one may be a text about them.
fn has_variables(document: &Packed) -> bool {
    let files = document.files.iter();
    let mut texts = files.filter_map(|(name, bytes)| text_of(name, bytes));
    let body = document.as_json();
    body.contains("\"$var\"")
        || open_variable(body).is_some()
        || texts.any(|text| open_variable(text).is_some())
}
