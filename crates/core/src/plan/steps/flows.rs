//! Steps of flows, whose source goes up as a file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::{Draft, StepMaker, expected, write_new};
use crate::diff::Change;
use crate::document::{Captured, Files, Portable, Slot, Template};
use crate::flow;
use crate::flow::i3;
use crate::id::ObjectRef;
use crate::plan::planner::{FLOW_SOURCE, Open};
use crate::plan::{Action, Request, Write, digest_of, wire};

impl StepMaker<'_, '_> {
    pub(super) fn create_flow(&mut self, item: &Open<'_>, cuts: &BTreeSet<ObjectRef>) {
        let import = Write::FlowImport {
            source: self.flow_source(item),
        };
        let shell = match cuts.iter().next() {
            Some(other) => Some((
                format!("as {other} refers back to it"),
                format!("its source, now that {other} exists"),
            )),
            // An `.i3*` file does not say where it belongs; what is there already stays there.
            None if !item.files.contains_key(FLOW_SOURCE) && !is_at_home(item) => Some((
                "as its source does not name its division".to_owned(),
                "its source".to_owned(),
            )),
            None => None,
        };
        let Some(((why, then), call)) = shell.zip(item.descriptor.create.as_ref()) else {
            return self.push_create(item, import);
        };
        let body = wire::body(item.descriptor, call, item.body.clone());
        self.push(
            item,
            Draft {
                suffix: "create".into(),
                action: Action::Create,
                changes: Vec::new(),
                reason: format!("the target lacks it; empty at first, {why}"),
                expected: None,
                write: write_new(item, call, body),
            },
        );
        self.push(
            item,
            Draft {
                suffix: "link".into(),
                action: Action::Link,
                changes: Vec::new(),
                reason: then,
                expected: None,
                write: import,
            },
        );
    }

    pub(super) fn update_flow(&mut self, item: &Open<'_>, live: &Captured, portable: &Portable) {
        let source = |files: &Files| {
            files.get(FLOW_SOURCE).and_then(|bytes| {
                let text = std::str::from_utf8(bytes).ok()?;
                flow::canonical(text).ok()
            })
        };
        let equal = source_of(&item.files) == source_of(&portable.files);
        if equal
            || source(&item.files).is_some_and(|wanted| Some(wanted) == source(&portable.files))
        {
            return;
        }
        if !self.unlocked(item, live) {
            return;
        }
        let digest = |files: &Files| {
            let bytes = source_of(files)?;
            Some(Value::String(digest_of(bytes)))
        };
        let change = Change {
            path: "source".into(),
            old: digest(&portable.files),
            new: digest(&item.files),
        };
        let write = Write::FlowImport {
            source: self.flow_source(item),
        };
        self.push(
            item,
            Draft {
                suffix: "update".into(),
                action: Action::Update,
                changes: vec![change],
                reason: "its source differs".into(),
                expected: expected(item.descriptor, live),
                write,
            },
        );
    }

    /// Puts an end to somebody's lock before a flow is written, where the user allows it; tells
    /// whether the flow can be written.
    fn unlocked(&mut self, item: &Open<'_>, live: &Captured) -> bool {
        let Some(owner) = flow::locked_by(&live.body) else {
            return true;
        };
        if !self.options.unlock {
            self.notes.conflict(&item.object, is_locked(owner));
            return false;
        }
        self.push(
            item,
            Draft {
                suffix: "unlock".into(),
                action: Action::Update,
                changes: Vec::new(),
                reason: is_unlocked(owner),
                expected: expected(item.descriptor, live),
                write: flow_action("unlock", &item.object),
            },
        );
        true
    }

    fn flow_source(&mut self, item: &Open<'_>) -> String {
        let bytes = source_of(&item.files).map(|bytes| &**bytes);
        self.blob(bytes.unwrap_or_default())
    }
}

/// Says why a locked flow is left alone.
pub(super) fn is_locked(owner: &str) -> String {
    format!(
        "{owner} has locked it in the target; ask them to check it in, or take the lock away with --unlock"
    )
}

/// Says why a lock is taken away.
pub(super) fn is_unlocked(owner: &str) -> String {
    format!("{owner} has locked it, and --unlock was given")
}

/// Does something to a flow that is not an edit: takes its lock away, puts it out of force.
pub(super) fn flow_action(action: &str, flow: &ObjectRef) -> Write {
    Write::Request(Request {
        method: "POST".into(),
        path: format!("/api/v2/flows/actions/{action}"),
        params: Vec::new(),
        query: BTreeMap::from([(
            "flow".to_owned(),
            Template::new(Slot::Ref(flow.clone()).to_value()),
        )]),
        body: None,
        creates: false,
        versioned: false,
        job: None,
    })
}

/// Returns the source of a flow, in whichever form it came.
fn source_of(files: &Files) -> Option<&Arc<[u8]>> {
    files.get(FLOW_SOURCE).or_else(|| files.get(i3::FILE))
}

fn is_at_home(item: &Open<'_>) -> bool {
    match item.body.get("division").and_then(Slot::of) {
        Some(Slot::Ref(division)) => division.key.is_builtin(),
        _ => true,
    }
}
