//! References that lead nowhere.

use std::collections::BTreeSet;

use super::{Found, Image, leaves_of};
use crate::catalogue::ClonePhase;
use crate::document::{Slot, text_refs};
use crate::flow_names::{self, FlowNames};
use crate::id::ObjectRef;
use crate::plan::FLOW_SOURCE;

pub(super) fn dangling(image: &Image<'_>, found: &mut Found<'_>) {
    // A part of an org leaves out what it was not asked for.
    if !image.bundle.selection.is_empty() {
        return;
    }
    let kinds: BTreeSet<&str> = image
        .bundle
        .documents
        .keys()
        .map(|object| object.kind.as_str())
        .collect();
    let unread: BTreeSet<(&str, Option<&str>)> = image
        .bundle
        .gaps
        .iter()
        .map(|gap| (gap.kind.as_str(), gap.object.as_deref()))
        .collect();
    let dangles = |object: &ObjectRef| {
        let kind = object.kind.as_str();
        let carried = image
            .catalogue
            .get(kind)
            .is_ok_and(|kind| kind.clone != ClonePhase::Mapped);
        carried
            && kinds.contains(kind)
            && !object.key.is_builtin()
            && !image.bundle.documents.contains_key(object)
            && !unread.contains(&(kind, None))
            && !unread.contains(&(kind, Some(object.key.as_str())))
    };
    let told = |object: &ObjectRef| format!("refers to {object}, which is not there");
    for (from, document) in &image.bundle.documents {
        leaves_of(&document.open(), &mut |pointer, value| {
            let mut judge = |object: ObjectRef| {
                if dangles(&object) {
                    found.at(from, pointer, told(&object));
                }
            };
            match (Slot::of(value), value.as_str()) {
                (Some(Slot::Ref(object)), _) => judge(object),
                (_, Some(text)) => text_refs(text).for_each(|(_, object)| judge(object)),
                _ => {}
            }
        });
    }
    let names = FlowNames::new(image.catalogue, flow_names::of_bundle(image.bundle));
    for (from, scan) in &image.scans {
        for reference in scan
            .references
            .iter()
            .filter(|reference| !reference.unfilled)
        {
            if let Some(object) = names
                .find(&reference.target)
                .filter(|object| dangles(object))
            {
                let place = (reference.line, reference.column);
                found.in_file(from, FLOW_SOURCE, place, told(&object));
            }
        }
    }
}
