//! Flow sources on their way into a plan: what they name, and in which division they are.

use std::collections::HashMap;

use serde_json::Value;

use super::parallel::in_chunks;
use super::planner::{FLOW_SOURCE, Item, Notes, Target};
use crate::bundle::Bundle;
use crate::catalogue::{Catalogue, Driver};
use crate::flow::{self, FlowTarget};
use crate::flow_names::FlowNames;
use crate::id::{Key, Kind, ObjectRef};

/// Reads the sources of flows, and sets aside those that cannot be imported.
pub(super) fn take_flow_sources<'p>(
    catalogue: &Catalogue,
    desired: &Bundle,
    target: &Target<'p>,
    items: &mut Vec<Item<'p>>,
    notes: &mut Notes,
) {
    // What the bundle says comes last and wins.
    let live = target
        .live
        .iter()
        .map(|(object, live)| (object, live.body.get("name")));
    let wanted = desired
        .documents
        .iter()
        .map(|(object, d)| (object, d.body.get("name")));
    let resolver = FlowNames::new(catalogue, live.chain(wanted));
    let homes = Homes::new(desired, target);
    let mut flows: Vec<&mut Item<'p>> = items
        .iter_mut()
        .filter(|item| item.descriptor.driver == Driver::Flow)
        .collect();
    let taken = in_chunks(&mut flows, |flows| {
        let mut notes = Notes::default();
        let mut refused = HashMap::new();
        for item in flows {
            if let Err(reason) = take_flow_source(item, &resolver, &homes, &mut notes) {
                refused.insert(item.object.clone(), reason);
            }
        }
        (notes, refused)
    });
    for (more, refused) in taken {
        notes.add(more);
        if !refused.is_empty() {
            items.retain(|item| !refused.contains_key(&item.object));
        }
        for (object, reason) in refused {
            notes.conflict(&object, reason);
        }
    }
}

/// Reads what a flow's source names, and fits its division to the target.
fn take_flow_source(
    item: &mut Item<'_>,
    resolver: &FlowNames<'_>,
    homes: &Homes,
    notes: &mut Notes,
) -> Result<(), String> {
    let Some(bytes) = item.files.get(FLOW_SOURCE).cloned() else {
        return Err(format!(
            "its source is missing: add the file <name>.{FLOW_SOURCE} beside it"
        ));
    };
    let text =
        std::str::from_utf8(&bytes).map_err(|_| "its source is not UTF-8 text".to_owned())?;
    let scan = flow::scan(text).map_err(|error| format!("its source cannot be read: {error}"))?;
    if let Some(placeholder) = scan.placeholders.first() {
        return Err(format!(
            "{FLOW_SOURCE}:{}:{}: the placeholder {} is not filled in",
            placeholder.line, placeholder.column, placeholder.text
        ));
    }
    for dynamic in &scan.dynamic {
        notes.warn(
            "dynamic-reference",
            &item.object,
            format!(
                "{FLOW_SOURCE}:{}: {} takes a computed name and cannot be followed",
                dynamic.line, dynamic.function
            ),
        );
    }
    for reference in &scan.references {
        if let Some(object) = resolver.find(&reference.target) {
            item.source_refs.insert(object);
        }
    }
    if let (Some((from, to)), Some(division)) = (&homes.names, &scan.division)
        && from == division
        && from != to
    {
        let rename = flow::Rename {
            from: FlowTarget::object(flow::ObjectKind::Division, from.clone()),
            to: FlowTarget::object(flow::ObjectKind::Division, to.clone()),
        };
        let renamed = flow::rename(text, &[rename])
            .map_err(|error| format!("its division cannot be changed: {error}"))?;
        item.files
            .insert(FLOW_SOURCE.to_owned(), renamed.text.into_bytes().into());
    }
    Ok(())
}

/// What the home division is called on both sides.
struct Homes {
    names: Option<(String, String)>,
}

impl Homes {
    fn new(desired: &Bundle, target: &Target<'_>) -> Self {
        let home = ObjectRef::new(Kind::new("auth_division"), Key::builtin("home"));
        let from = desired
            .documents
            .get(&home)
            .and_then(|home| home.body.get("name"));
        let to = target
            .live
            .get(&home)
            .and_then(|home| home.body.get("name"));
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        Self {
            names: text(from).zip(text(to)),
        }
    }
}
