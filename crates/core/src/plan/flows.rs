//! Flow sources on their way into a plan: what they name, and in which division they are.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::parallel::in_chunks;
use super::planner::{FLOW_SOURCE, Item, Notes, Target};
use crate::bundle::Bundle;
use crate::catalogue::{Catalogue, Driver};
use crate::document::Files;
use crate::flow::{self, FlowTarget, i3};
use crate::flow_names::{self, FlowNames};
use crate::id::{Key, Kind, ObjectRef};

/// Reads the sources of flows, and sets aside those that cannot be imported.
pub(super) fn take_flow_sources<'p>(
    catalogue: &Catalogue,
    desired: &Bundle,
    target: &Target<'p>,
    items: &mut Vec<Item<'p>>,
    notes: &mut Notes,
) {
    if !items
        .iter()
        .any(|item| item.descriptor.driver == Driver::Flow)
    {
        return;
    }
    // What the bundle says comes last and wins.
    let live = named_live(target);
    let resolver = FlowNames::new(catalogue, live.chain(flow_names::of_bundle(desired)));
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

/// Returns the objects of a target that flows may name, with what stands in their field `name`.
fn named_live<'t>(target: &'t Target<'_>) -> impl Iterator<Item = (&'t ObjectRef, Option<Value>)> {
    let named: HashSet<&str> = flow_names::kinds().collect();
    let live = target.live.iter();
    live.filter(move |(object, _)| named.contains(object.kind.as_str()))
        .map(|(object, live)| (object, live.field("name")))
}

/// Finds what the flows of a target name.
pub(super) struct NamedByFlows<'t>(FlowNames<'t>);

impl<'t> NamedByFlows<'t> {
    pub(super) fn new(catalogue: &'t Catalogue, target: &'t Target<'_>) -> Self {
        Self(FlowNames::new(catalogue, named_live(target)))
    }

    /// Returns the objects that the source of a flow names, as far as it can be read.
    pub(super) fn by(&self, files: &Files) -> Vec<ObjectRef> {
        let yaml = files.get(FLOW_SOURCE);
        let scan = yaml.and_then(|bytes| flow::scan(std::str::from_utf8(bytes).ok()?).ok());
        let export = files
            .get(i3::FILE)
            .and_then(|bytes| i3::manifest(bytes).ok());
        let named = scan.iter().flat_map(|scan| &scan.references);
        let named = named.filter_map(|reference| self.0.find(&reference.target));
        let used = export.iter().flat_map(|manifest| &manifest.entries);
        let used = used.filter_map(|entry| self.0.find(&entry.target()?));
        named.chain(used).collect()
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
        let Some(export) = item.files.get(i3::FILE).cloned() else {
            return Err(format!(
                "its source is missing: add the file <name>.{FLOW_SOURCE} beside it"
            ));
        };
        return take_flow_export(item, &export, resolver, notes);
    };
    let text =
        std::str::from_utf8(&bytes).map_err(|_| "its source is not UTF-8 text".to_owned())?;
    let read = || flow::scan(text).map_err(|error| format!("its source cannot be read: {error}"));
    // Renaming reads the source too, and once is enough.
    let (scan, renamed) = match homes.rename().map(|rename| flow::rename(text, &[rename])) {
        None => (read()?, Ok(None)),
        Some(Err(error)) => (read()?, Err(error)),
        Some(Ok(renamed)) => {
            let new = (renamed.replaced > 0).then_some(renamed.text);
            (renamed.before, Ok(new))
        }
    };
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
        let place = format!("{FLOW_SOURCE}:{}", reference.line);
        take_name(item, &reference.target, &place, resolver, notes);
    }
    let renamed = renamed.map_err(|error| format!("its division cannot be changed: {error}"))?;
    if let Some(text) = renamed {
        item.files
            .insert(FLOW_SOURCE.to_owned(), text.into_bytes().into());
    }
    Ok(())
}

/// Reads what an `.i3*` file says its flow uses; the file itself stays as it is.
fn take_flow_export(
    item: &mut Item<'_>,
    export: &[u8],
    resolver: &FlowNames<'_>,
    notes: &mut Notes,
) -> Result<(), String> {
    let manifest = i3::manifest(export)
        .map_err(|error| format!("its source {} cannot be read: {error}", i3::FILE))?;
    notes.warn(
        "ids-in-source",
        &item.object,
        format!(
            "Architect exports it only as {}, which holds ids of its org: the target finds by name \
             what it uses, and an export from there will differ",
            i3::FILE
        ),
    );
    for target in manifest.entries.iter().filter_map(|entry| entry.target()) {
        take_name(item, &target, i3::FILE, resolver, notes);
    }
    Ok(())
}

/// Notes what a source names: an object that must be there before it.
fn take_name(
    item: &mut Item<'_>,
    target: &FlowTarget,
    place: &str,
    resolver: &FlowNames<'_>,
    notes: &mut Notes,
) {
    if let Some(object) = resolver.find(target) {
        item.source_refs.insert(object);
    } else if !resolver.carries(target) {
        let message = format!(
            "{place}: names the {} {:?}, which is of no kind that is carried; the target must have it",
            target.kind(),
            target.name()
        );
        notes.warn("kind-not-carried", &item.object, message);
    } else if matches!(target, FlowTarget::Object { kind, .. } if *kind == flow::ObjectKind::User) {
        // Where anything else is missing, the reference to it tells.
        let message = format!(
            "{place}: names the {} {:?}, whom neither the source nor the target has, as far as they were \
             read; the flow is refused unless the target has them: take the user along, or name \
             another in the source",
            target.kind(),
            target.name()
        );
        notes.warn("user-not-there", &item.object, message);
    }
}

/// What the home division is called on both sides.
struct Homes {
    names: Option<(String, String)>,
}

impl Homes {
    /// Returns how flows of the home division are told the name of the target's.
    fn rename(&self) -> Option<flow::Rename> {
        let (from, to) = self.names.as_ref().filter(|(from, to)| from != to)?;
        let home = FlowTarget::object(flow::ObjectKind::Division, from.clone());
        Some(flow::Rename::new(home, to.clone()))
    }

    fn new(desired: &Bundle, target: &Target<'_>) -> Self {
        let home = ObjectRef::new(Kind::new("auth_division"), Key::builtin("home"));
        let from = desired.documents.get(&home);
        let from = from.and_then(|home| home.text("name"));
        let to = target.live.get(&home).and_then(|home| home.field("name"));
        let to = to.and_then(|name| name.as_str().map(str::to_owned));
        Self {
            names: from.zip(to),
        }
    }
}
