//! Ids in places that nobody declared.

use super::planner::{Item, Notes};
use super::{Finding, Severity};
use crate::checks::{Level, Policy};
use crate::snapshot::{loose_ids, undeclared};

/// The rule of ids that belong to nothing that was read.
pub(super) const UNKNOWN_ID: &str = "unknown-id";

/// Tells of what an object has in places that nobody declared, and of ids of nothing that was read.
pub(super) fn tell_of_ids(item: &Item<'_>, policy: &Policy, notes: &mut Notes) {
    let body = item.body.map();
    for (path, other) in undeclared(item.descriptor, &body) {
        let message = format!(
            "{path} refers to {other}, though no {} is known to refer to anything there; it is sent as an id",
            item.descriptor.title
        );
        notes.warn("undeclared-reference", &item.object, message);
    }
    let severity = match policy.ids {
        Level::Stop => Severity::Error,
        Level::Warn => Severity::Warning,
        Level::Allow => return,
    };
    let mut loose = loose_ids(item.descriptor, &body);
    loose.retain(|(_, id)| {
        !policy
            .allow
            .iter()
            .any(|text| text.eq_ignore_ascii_case(id))
    });
    let Some((path, id)) = loose.first() else {
        return;
    };
    let more = match loose.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more like it"),
    };
    notes.findings.push(Finding {
        severity,
        rule: UNKNOWN_ID.to_owned(),
        object: Some(item.object.clone()),
        message: format!(
            "{path} holds {id}{more}: it looks like an id, is of no object that was read, and would be \
             sent as it is; allow it under `leaks`, or rewrite it"
        ),
    });
}
