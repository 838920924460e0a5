//! Secrets that are sent though nobody can see that they differ.

use std::collections::BTreeSet;

use super::super::planner::{Open, Why};
use super::{is_within, plural};
use crate::diff::{Change, secrets_of};

/// Adds the secrets whose values are sent again, as far as they are not sent anyway.
pub(super) fn resend(item: &Open<'_>, found: &mut Vec<Change>) {
    let Some(resend) = item.resend else {
        return;
    };
    for (name, change) in secrets_of(&item.body) {
        let sent = |known: &Change| is_within(std::slice::from_ref(&known.path), &change.path);
        if resend.contains_key(&name) && !found.iter().any(sent) {
            found.push(change);
        }
    }
}

/// Says why an object is updated.
pub(super) fn why(item: &Open<'_>, found: &[Change]) -> String {
    let secrets: BTreeSet<String> = found.iter().filter_map(Change::same_secret).collect();
    let fields = found.len() - found.iter().filter_map(Change::same_secret).count();
    let because = |why: Why| {
        let named = |name: &&String| item.resend.and_then(|known| known.get(*name)) == Some(&why);
        let names: Vec<String> = secrets
            .iter()
            .filter(named)
            .map(|s| format!("{s:?}"))
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let mut reasons = Vec::new();
    if fields > 0 {
        reasons.push(plural(fields, "field differs", "fields differ"));
    }
    if let Some(names) = because(Why::Changed) {
        reasons.push(format!("secret changed: {names}"));
    }
    if let Some(names) = because(Why::Asked) {
        reasons.push(format!("secret to be sent again: {names}"));
    }
    reasons.join("; ")
}
