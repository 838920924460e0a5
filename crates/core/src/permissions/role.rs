//! A role as an org takes it, and as people read it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Role, Use, policy};
use crate::id::Kind;

/// Writes the body that creates the role: policies by domain and entity, no wildcard.
pub(super) fn body(role: &Role) -> Value {
    let mut policies: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for (domain, entity, action) in role.needs.keys().filter_map(|name| policy(name)) {
        policies.entry((domain, entity)).or_default().insert(action);
    }
    let policies: Vec<Value> = policies
        .into_iter()
        .map(|((domain, entity), actions)| {
            json!({ "domain": domain, "entityName": entity, "actionSet": actions })
        })
        .collect();
    json!({
        "name": format!("orgsmith {}", role.purpose),
        "description": format!(
            "The least that `orgsmith {}` needs, made by `orgsmith permissions`.", role.purpose
        ),
        "permissionPolicies": policies,
    })
}

pub(super) fn remarks(role: &Role) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, opened) in &role.wider {
        let calls: Vec<&str> = opened.iter().map(String::as_str).collect();
        let count = calls.len();
        let shown = calls[..count.min(3)].join(", ");
        let more = match count.saturating_sub(3) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        lines.push(format!(
            "{name} is needed for reading alone, and also opens {shown}{more}"
        ));
    }
    for name in &role.not_policies {
        lines.push(format!(
            "{name} is no permission of a policy, so no role made here can give it"
        ));
    }
    for call in &role.undocumented {
        lines.push(format!(
            "{call} has no documented permission; an org may ask for one"
        ));
    }
    lines
}

/// Says of which kinds a permission is needed for what, kinds of the same uses together.
fn reasons(kinds: &BTreeMap<Kind, BTreeSet<Use>>) -> String {
    let mut by_use: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (kind, uses) in kinds {
        let uses: Vec<String> = uses.iter().map(ToString::to_string).collect();
        by_use
            .entry(uses.join("+"))
            .or_default()
            .push(kind.as_str());
    }
    let parts = by_use
        .into_iter()
        .map(|(uses, kinds)| format!("{uses} {}", kinds.join(", ")));
    parts.collect::<Vec<_>>().join("; ")
}

/// Writes a role as Markdown.
pub fn markdown(role: &Role) -> String {
    let mut text = format!(
        "## The least role for `orgsmith {}`\n\n| permission | what for |\n| --- | --- |\n",
        role.purpose
    );
    for (name, kinds) in &role.needs {
        writeln!(text, "| `{name}` | {} |", reasons(kinds)).expect("a String takes any text");
    }
    let remarks = role.remarks();
    if !remarks.is_empty() {
        text.push('\n');
        for remark in remarks {
            writeln!(text, "- {remark}").expect("a String takes any text");
        }
    }
    text
}

impl Role {
    /// Says what a permission of the role is needed for.
    pub fn reasons(&self, permission: &str) -> String {
        self.needs.get(permission).map(reasons).unwrap_or_default()
    }
}
