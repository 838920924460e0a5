//! What a target keeps, whatever the source says: ignored fields and protected objects.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use super::planner::{Target, count};
use super::steps::Made;
use super::{Action, Step};
use crate::bundle::Bundle;
use crate::document::{Json, Packed};
use crate::id::ObjectRef;
use crate::overlay::Ignored;
use crate::path::FieldPath;
use crate::select::Selection;

/// Returns the fields of an object that stay as they are in the target.
pub(super) fn ignored_fields<'o>(
    ignored: &'o [Ignored],
    document: &Packed,
    bundle: &Bundle,
) -> Vec<&'o FieldPath> {
    let rules = ignored.iter().filter(|rule| {
        let division = rule.on.divisions(bundle).of(document);
        rule.on.matches(&document.object, division.as_deref())
    });
    rules.flat_map(|rule| &rule.fields).collect()
}

/// Returns what is said of an object that the target has, without the fields that stay as they are
/// there.
pub(super) fn without_ignored<'p>(fields: &[&FieldPath], document: &'p Packed) -> Cow<'p, Json> {
    if fields.is_empty() {
        return Cow::Borrowed(&document.body);
    }
    let mut body = document.body.value();
    for path in fields {
        path.retain(&mut body, &mut |_| false);
    }
    Cow::Owned(Json::from(&body))
}

/// Takes out of a plan what would be done to protected objects that the target has, and tells of it.
pub(super) fn spare(protected: &Selection, desired: &Bundle, target: &Target<'_>, made: &mut Made) {
    let divisions = protected.divisions(desired);
    let is_spared = |object: &ObjectRef| {
        let document = desired.documents.get(object);
        let division = document.and_then(|document| divisions.of(document));
        target.live.contains_key(object) && protected.matches(object, division.as_deref())
    };
    let steps = std::mem::take(&mut made.steps);
    let (spared, steps): (Vec<Step>, _) =
        steps.into_iter().partition(|step| is_spared(&step.object));
    made.steps = steps;
    let gone: HashSet<_> = spared.iter().map(|step| &step.id).collect();
    for step in &mut made.steps {
        step.after.retain(|id| !gone.contains(id));
        if let Some(scim) = &mut step.scim {
            scim.after.retain(|id| !gone.contains(id));
        }
    }
    let mut objects: BTreeMap<&ObjectRef, Vec<&Step>> = BTreeMap::new();
    for step in &spared {
        objects.entry(&step.object).or_default().push(step);
    }
    for (object, steps) in objects {
        let counts = count(&mut made.counts, &object.kind);
        let what = if steps.iter().any(|step| step.action == Action::Delete) {
            counts.delete = counts.delete.saturating_sub(1);
            "the source does not have it".to_owned()
        } else {
            counts.update = counts.update.saturating_sub(1);
            counts.same += 1;
            let changes = steps.iter().flat_map(|step| &step.changes);
            let mut paths: Vec<&str> = changes.map(|change| change.path.as_str()).collect();
            paths.dedup();
            match paths.is_empty() {
                true => "the source has it otherwise".to_owned(),
                false => format!("the source has another {}", paths.join(", ")),
            }
        };
        let message = format!("{what}; it is protected, and stays as it is");
        made.notes.warn("protected", object, message);
    }
}
