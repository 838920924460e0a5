//! What was read from an org, and how its objects are named.
//!
//! A [`Snapshot`] holds objects as the org answered them. [`Names`] gives every object its natural
//! key; with the names, [`portable`] turns an object into a document without ids.

mod names;
mod portable;
mod undeclared;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use names::builtin_rule;
pub use names::{Ambiguous, Names};
pub use portable::{Unresolved, Why, portable, reduced};
pub(crate) use portable::{item_identity, normalise, reduced_part};
pub use undeclared::{loose_ids, undeclared};

use crate::bundle::{Bundle, Gap, Origin};
use crate::catalogue::Catalogue;
use crate::document::Captured;
use crate::id::{Kind, ObjectRef, SourceId};

/// What was read from an org.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Which org.
    pub org: Origin,
    /// Its objects, by kind.
    pub objects: BTreeMap<Kind, Vec<Captured>>,
    /// Deleted objects that can be restored, by kind.
    pub deleted: BTreeMap<Kind, Vec<Captured>>,
    /// Kinds of which there may be objects that were not read, because a list failed.
    pub incomplete: BTreeSet<Kind>,
    /// Objects of which no more than the list row is known, because reading the rest failed; and
    /// flows that have no source, as they were never published.
    pub unread: BTreeSet<(Kind, SourceId)>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}

impl Snapshot {
    /// Tells whether there may be objects of a kind that were not read.
    pub fn may_lack(&self, kind: &Kind) -> bool {
        !self.objects.contains_key(kind) || self.incomplete.contains(kind)
    }

    /// Makes every object portable.
    ///
    /// Objects that share a key, and references that lead nowhere, become gaps; a person may have
    /// pinned one of several ids to a key.
    pub fn to_bundle(
        &self,
        catalogue: &Catalogue,
        pins: &BTreeMap<ObjectRef, String>,
    ) -> (Bundle, Names) {
        let mut names = Names::new(catalogue, self, pins);
        for (kind, id) in &self.unread {
            names.forget(kind, id.as_str());
        }
        let mut bundle = Bundle {
            source: self.org.clone(),
            gaps: self.gaps.clone(),
            ..Bundle::default()
        };
        for (kind, captured) in &self.objects {
            let Ok(descriptor) = catalogue.get(kind.as_str()) else {
                continue;
            };
            for captured in captured {
                let Some(object) = names.object(kind, captured.id.as_str()) else {
                    continue;
                };
                let mut unresolved = Vec::new();
                let document = portable(
                    descriptor,
                    object.clone(),
                    captured,
                    &names,
                    &mut unresolved,
                );
                bundle
                    .gaps
                    .extend(unresolved.into_iter().map(Unresolved::into_gap));
                bundle.documents.insert(object.clone(), document);
            }
        }
        bundle
            .gaps
            .extend(names.ambiguous().iter().map(Ambiguous::to_gap));
        bundle.gaps.sort();
        bundle.gaps.dedup();
        (bundle, names)
    }
}
