//! What the target has and the source has not.

use std::borrow::Cow;

use serde_json::Value;

use super::StepMaker;
use crate::diff::more;
use crate::document::{Captured, Portable};
use crate::plan::planner::Open;
use crate::snapshot::builtin_rule;

/// The rule of what only the target has, in an object that both have.
pub const MORE: &str = "target-has-more";

impl StepMaker<'_, '_> {
    /// Tells of what the target has and the source has not: no step takes it away, since what a document
    /// leaves out is left alone.
    pub(super) fn tell_of_more(&mut self, item: &Open<'_>, live: &Captured, portable: &Portable) {
        let rule = builtin_rule(item.descriptor, &live.body);
        if !item.was_read || rule.is_some_and(|rule| rule.fixed) {
            return;
        }
        let unmanaged = rule.map(|rule| &rule.unmanaged[..]).unwrap_or_default();
        let mut has = Cow::Borrowed(&portable.body);
        if !unmanaged.is_empty() || !item.ignored.is_empty() {
            let mut body = Value::Object(has.into_owned());
            for path in &item.ignored {
                path.retain(&mut body, &mut |_| false);
            }
            let Value::Object(mut fields) = body else {
                return;
            };
            fields.retain(|field, _| !unmanaged.contains(field));
            has = Cow::Owned(fields);
        }
        let source = (&item.body, &item.files);
        let found = more(item.descriptor, source, (&has, &portable.files));
        if found.is_empty() {
            return;
        }
        let paths: Vec<&str> = found.iter().map(|change| change.path.as_str()).collect();
        let message = format!(
            "the target has {}, which the source has not; nothing takes it away",
            paths.join(", ")
        );
        self.notes.warn(MORE, &item.object, message);
    }
}
