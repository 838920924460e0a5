//! What was read from an org, and how its objects are named.
//!
//! A [`Snapshot`] holds objects as the org answered them. [`Names`] gives every object its natural
//! key; with the names, [`portable`] turns an object into a document without ids.

mod conceal;
mod names;
mod portable;
mod undeclared;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use conceal::{conceal, has_password, is_header};
pub use names::{Ambiguous, Names};
pub(crate) use names::{builtin_rule, is_built_in};
pub use portable::{Unresolved, Why, portable, reduced};
pub(crate) use portable::{drop_nulls_in, item_identity, normalise, reduced_part};
pub use undeclared::{loose_ids, undeclared};

use crate::bundle::{Bundle, Gap, Origin, Written};
use crate::catalogue::Catalogue;
use crate::document::{Portable, Stored};
use crate::id::{Kind, ObjectRef, SourceId, own_id};

/// The reason of the gap that a flow is which was never published.
pub const UNPUBLISHED: &str = "it has no published version; publish it to have it exported";

/// What was read from an org.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Which org.
    pub org: Origin,
    /// Its objects, by kind.
    pub objects: BTreeMap<Kind, Vec<Stored>>,
    /// Deleted objects that can be restored, by kind.
    pub deleted: BTreeMap<Kind, Vec<Stored>>,
    /// Kinds of which there may be objects that were not read, because a list failed.
    pub incomplete: BTreeSet<Kind>,
    /// Objects that were searched for one by one, because a list of their kind could not be read
    /// whole: one that is not among the objects is not there.
    pub looked_for: BTreeSet<ObjectRef>,
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

    /// Returns the own ids of its objects, the restorable ones included.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let objects = self.objects.values().chain(self.deleted.values()).flatten();
        objects.map(|object| own_id(object.id.as_str()))
    }

    /// Returns the part that names the objects of some kinds: these, and those that are in their keys.
    pub(crate) fn part(&self, catalogue: &Catalogue, kinds: &[&str]) -> Self {
        let mut taken: BTreeSet<&Kind> = BTreeSet::new();
        let mut open = kinds.to_vec();
        while let Some(kind) = open.pop() {
            let Ok(descriptor) = catalogue.get(kind) else {
                continue;
            };
            if taken.insert(&descriptor.kind) {
                open.extend(descriptor.key_references().map(|(kind, _)| kind.as_str()));
            }
        }
        let objects = self.objects.iter();
        Self {
            org: self.org.clone(),
            objects: objects
                .filter(|(kind, _)| taken.contains(kind))
                .map(|(kind, objects)| (kind.clone(), objects.clone()))
                .collect(),
            incomplete: self.incomplete.clone(),
            ..Self::default()
        }
    }

    /// Returns the bodies of some objects as the org has them; of one that it lacks, nothing.
    pub fn bodies(
        &self,
        catalogue: &Catalogue,
        pins: &BTreeMap<ObjectRef, String>,
        objects: &BTreeSet<&ObjectRef>,
    ) -> BTreeMap<ObjectRef, serde_json::Value> {
        let kinds: BTreeSet<&str> = objects.iter().map(|object| object.kind.as_str()).collect();
        let part = self.part(catalogue, &kinds.into_iter().collect::<Vec<_>>());
        let names = Names::new(catalogue, &part, pins);
        let rows = part.objects.iter();
        let rows = rows.flat_map(|(kind, rows)| rows.iter().map(move |row| (kind, row)));
        rows.filter_map(|(kind, row)| {
            let object = names.object(kind, row.id.as_str())?;
            objects
                .contains(object)
                .then(|| (object.clone(), row.body()))
        })
        .collect()
    }

    /// Returns when objects were last changed, as the org says it, as far as it does.
    pub fn modified(&self, names: &Names) -> BTreeMap<ObjectRef, String> {
        let rows = self.objects.iter();
        let rows = rows.flat_map(|(kind, rows)| rows.iter().map(move |row| (kind, row)));
        rows.filter_map(|(kind, row)| {
            let object = names.object(kind, row.id.as_str())?;
            let at = row.field("dateModified")?;
            Some((object.clone(), at.as_str()?.to_owned()))
        })
        .collect()
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
        let mut bundle = Bundle {
            source: self.org.clone(),
            written: Written::read(),
            ..Bundle::default()
        };
        let names = self.for_each_document(catalogue, pins, &mut |part| match part {
            Part::Document(document) => bundle.insert(document),
            Part::BuiltIn(object) => {
                bundle.built_in.insert(object);
            }
            Part::Gaps(gaps) => bundle.gaps = gaps,
        });
        (bundle, names)
    }

    /// Makes one object after the other portable, in the order of their names, so that they need not
    /// be in memory together; at the end come the gaps.
    pub fn for_each_document(
        &self,
        catalogue: &Catalogue,
        pins: &BTreeMap<ObjectRef, String>,
        visit: &mut dyn FnMut(Part),
    ) -> Names {
        let mut names = Names::new(catalogue, self, pins);
        for (kind, id) in &self.unread {
            names.forget(kind, id.as_str());
        }
        let mut gaps = self.gaps.clone();
        for (kind, stored) in &self.objects {
            // What comes with another object is nothing by itself: references name it.
            let descriptor = catalogue.get(kind.as_str()).ok();
            let Some(descriptor) = descriptor.filter(|found| found.comes_with.is_none()) else {
                continue;
            };
            let named = stored.iter().filter_map(|stored| {
                let object = names.object(kind, stored.id.as_str())?;
                Some((object, stored))
            });
            let mut named: Vec<_> = named.collect();
            named.sort_by_key(|(object, _)| *object);
            for (object, stored) in named {
                let mut unresolved = Vec::new();
                let document = portable(
                    descriptor,
                    object.clone(),
                    &stored.open(),
                    &names,
                    &mut unresolved,
                );
                gaps.extend(unresolved.into_iter().map(Unresolved::into_gap));
                visit(Part::Document(document));
                if is_built_in(descriptor, stored) && !object.key.is_builtin() {
                    visit(Part::BuiltIn(object.clone()));
                }
            }
        }
        gaps.extend(names.shared());
        gaps.sort();
        gaps.dedup();
        visit(Part::Gaps(gaps));
        names
    }
}

/// A part of what a snapshot becomes.
#[derive(Debug)]
pub enum Part {
    /// A document.
    Document(Portable),
    /// The document that came last is of an object that Genesys made, though its key does not tell.
    BuiltIn(ObjectRef),
    /// What could not be made a document, sorted; comes once, at the end.
    Gaps(Vec<Gap>),
}
