//! Data actions that run code of the org's own: the function integration.
//!
//! An org never gives the code back, so it stands beside the document because a person put it there.
//! It is uploaded under a name that tells its content: what an org calls its code says whether it is
//! this one, without any record of ours.

use serde_json::{Map, Value};

use super::{StepMaker, without_parts};
use crate::catalogue::{Part, WriteSpec};
use crate::diff::{Change, changes};
use crate::document::{Captured, Portable, Slot, Template};
use crate::plan::planner::Open;
use crate::plan::{CODE_CHANGE, Code, FUNCTION_CODE, Function, Write, digest_of, wire};

/// The part of a document that holds the settings.
pub(super) const FIELD: &str = "function";
/// What code an org has of a function: an object with its name and state, beside the settings.
const ZIP: &str = "zip";
/// How an archive begins.
const MAGIC: &[u8] = b"PK\x03\x04";

/// Returns the part that is a function, where an object's own kind and what it refers to say that it
/// has one.
fn function_of<'d>(item: &Open<'d>) -> Option<&'d Part> {
    item.descriptor.parts.iter().find(|part| {
        part.having.as_ref().is_some_and(|having| {
            let other = item.body.get(having.reference.root());
            match other.and_then(Slot::of) {
                Some(Slot::Ref(other)) => other.key.parts().first() == Some(&having.value),
                _ => false,
            }
        })
    })
}

/// Tells whether an object is a data action that runs a function.
pub(super) fn is_function(item: &Open<'_>) -> bool {
    function_of(item).is_some()
}

/// Says what is wrong with an object that speaks of a function and cannot have one.
pub(super) fn stray(item: &Open<'_>) -> Option<String> {
    let mut parts = item.descriptor.parts.iter();
    let part = parts.find(|part| part.having.is_some() && item.body.contains_key(&part.field))?;
    let having = part.having.as_ref()?;
    (!is_function(item)).then(|| {
        let (field, place, value) = (&part.field, &having.reference, &having.value);
        format!("it has a {field}, but its {place} is not of the type {value}")
    })
}

/// Returns the name under which code is uploaded.
///
/// The contract spells the pattern of such a name in a way that may or may not allow a `-`.
fn name_of(code: &[u8]) -> String {
    let digest = digest_of(code);
    let hex = digest.rsplit(':').next().unwrap_or_default();
    format!("orgsmith_{}.zip", hex.get(..16).unwrap_or(hex))
}

/// Returns the code beside a document.
fn code_of<'i>(item: &'i Open<'_>) -> Result<Option<&'i [u8]>, String> {
    match item.files.get(FUNCTION_CODE) {
        Some(code) if !code.starts_with(MAGIC) => Err(format!(
            "{FUNCTION_CODE} is not a zip archive: pack the code anew"
        )),
        code => Ok(code.map(|code| &code[..])),
    }
}

/// Says that the code must come from a person.
fn no_code(why: &str) -> String {
    format!(
        "{why}, and no org gives code back: put it as {FUNCTION_CODE} into the folder beside the \
         document that has its name, and plan again"
    )
}

impl StepMaker<'_, '_> {
    /// Creates an action that runs a function: as a draft, which is published with its code.
    pub(super) fn create_function(&mut self, item: &Open<'_>, call: &WriteSpec) {
        let code = match code_of(item) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(no_code("the target lacks it with its code")),
            Err(reason) => Err(reason),
        };
        let settings = match item.body.get(FIELD) {
            Some(Value::Object(_)) => Ok(()),
            _ => Err(format!(
                "it runs a function, and does not say which: {FIELD} needs description, handler and \
                 runtime"
            )),
        };
        if let Err(reason) = code.and(settings) {
            return self.notes.conflict(&item.object, reason);
        }
        let body = wire::body(
            item.descriptor,
            call,
            without_parts(item.descriptor, &item.body),
        );
        let write = Write::ActionDraft {
            body: Template::new(Value::Object(body)),
            function: Some(self.function(item, None, true)),
            creates: true,
        };
        self.push_create(item, write);
    }

    /// Finds what differs in the function of an action that the target has.
    pub(super) fn function_changes(
        &mut self,
        item: &Open<'_>,
        live: &Captured,
        portable: &Portable,
    ) -> Result<Vec<Change>, String> {
        let none = Map::new();
        let fields = |body: &'_ Map<String, Value>| match body.get(FIELD) {
            Some(Value::Object(fields)) => fields.clone(),
            _ => Map::new(),
        };
        let wanted = fields(&item.body);
        let mut found: Vec<Change> = changes(&wanted, &fields(&portable.body), &|_| false)
            .into_iter()
            .map(|change| Change {
                path: format!("{FIELD}.{}", change.path),
                ..change
            })
            .collect();
        let zip = live.body.get(FIELD).and_then(|function| function.get(ZIP));
        let zip = zip.and_then(Value::as_object).unwrap_or(&none);
        let usable = zip.get("status").and_then(Value::as_str) == Some("Available");
        let name = zip.get("name").filter(|_| usable);
        match code_of(item)? {
            Some(code) => {
                let wanted = Value::String(name_of(code));
                if name != Some(&wanted) {
                    found.push(Change {
                        path: CODE_CHANGE.into(),
                        old: name.cloned(),
                        new: Some(wanted),
                    });
                }
            }
            None if usable => {}
            None if found.is_empty() => {
                let message = no_code("the target has it without code that can be run");
                self.notes
                    .warn("function-without-code", &item.object, message);
            }
            // It could not be published.
            None => return Err(no_code("the target has it without code that can be run")),
        }
        Ok(found)
    }

    /// Makes what is sent of a function: the settings, and the code where that is among the changes.
    pub(super) fn function(
        &mut self,
        item: &Open<'_>,
        live: Option<&Captured>,
        with_code: bool,
    ) -> Function {
        let raw = live.and_then(|live| live.body.get(FIELD));
        let part = function_of(item);
        let mut settings = match (part, raw) {
            (Some(part), Some(raw)) => crate::snapshot::reduced_part(item.descriptor, part, raw),
            _ => Map::new(),
        };
        if let Some(Value::Object(wanted)) = item.body.get(FIELD) {
            wire::overlay(&mut settings, wanted);
        }
        let code = code_of(item).ok().flatten().filter(|_| with_code);
        Function {
            settings: Template::new(Value::Object(settings)),
            code: code.map(|code| Code {
                name: name_of(code),
                file: self.blob(code),
            }),
        }
    }
}

/// Tells whether one of the changes is that of the code.
pub(super) fn changes_code(found: &[Change]) -> bool {
    found.iter().any(|change| change.path == CODE_CHANGE)
}
