//! Reads just what has changed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use orgsmith_core::catalogue::{Catalogue, Descriptor};
use orgsmith_core::changes::Change;
use orgsmith_core::document::Stored;
use orgsmith_core::id::{Kind, ObjectRef, SourceId, own_id};
use orgsmith_core::snapshot::Snapshot;

use crate::collect::{CollectError, collect_known};
use crate::events::Events;
use crate::org::Org;

/// What came of the objects that changes are about.
#[derive(Clone, Debug, Default)]
pub struct Reread {
    /// The objects as they are now, whole, with what their keys are made of. What could not be read is
    /// a gap of it.
    pub snapshot: Snapshot,
    /// Objects that are not there any more.
    pub gone: BTreeSet<(Kind, SourceId)>,
    /// Objects that are so new that they may not be visible yet: to be asked for again.
    pub not_yet: BTreeSet<(Kind, SourceId)>,
    /// The calls that it took.
    pub calls: u64,
}

/// Reads the objects that changes are about, each once, and no other.
///
/// The cost follows the objects, not the org: up to fifty of a kind are asked for one by one, more are
/// found in the kind's list. `pins` settles which of several objects with the same key is meant, as
/// in a whole collection.
///
/// # Errors
/// The org cannot be reached or refuses the credential.
pub async fn reread(
    org: &Org,
    catalogue: &Catalogue,
    changes: &[Change],
    pins: &BTreeMap<ObjectRef, String>,
    now: Timestamp,
    events: &Events,
) -> Result<Reread, CollectError> {
    let before = org.client.stats().sent;
    // The newest change of each object.
    let mut wanted: BTreeMap<(Kind, String), &Change> = BTreeMap::new();
    for change in changes {
        for kind in &change.kinds {
            let Ok(descriptor) = catalogue.get(kind.as_str()) else {
                continue;
            };
            // Without an id nothing can be read but the only one of its kind.
            if change.id.as_str().is_empty() && !descriptor.singleton {
                continue;
            }
            let id = match descriptor.singleton {
                true => String::new(),
                false => change.id.as_str().to_owned(),
            };
            let newest = wanted.entry((kind.clone(), id)).or_insert(change);
            if newest.at <= change.at {
                *newest = change;
            }
        }
    }
    let mut found = Reread {
        snapshot: Snapshot {
            org: org.origin(),
            ..Snapshot::default()
        },
        ..Reread::default()
    };
    if !wanted.is_empty() {
        let ids = wanted.keys().cloned().collect();
        found.snapshot = collect_known(org, catalogue, ids, pins, events).await?;
    }
    for ((kind, id), change) in wanted {
        let Ok(descriptor) = catalogue.get(kind.as_str()) else {
            continue;
        };
        let own = |row: &Stored| id.is_empty() || own_id(row.id.as_str()) == own_id(&id);
        let (mut there, mut left_out) = (false, false);
        if let Some(rows) = found.snapshot.objects.get_mut(&kind) {
            rows.retain(|row| {
                let (own, listed) = (own(row), is_listed(descriptor, row));
                there |= own && listed;
                left_out |= own && !listed;
                !own || listed
            });
        }
        if left_out {
            found.gone.insert((kind, SourceId::new(&id)));
            continue;
        }
        // What could not be asked for is a gap, and may well be there.
        if there || found.snapshot.incomplete.contains(&kind) {
            continue;
        }
        let visible = SignedDuration::from_secs(descriptor.visible_after_s.into());
        let young = now.duration_since(change.at) < visible;
        let place = match young && !change.deletes() {
            true => &mut found.not_yet,
            false => &mut found.gone,
        };
        place.insert((kind, SourceId::new(&id)));
    }
    found.calls = org.client.stats().sent - before;
    Ok(found)
}

/// Tells whether a whole collection would have an object: some are still answered once they are
/// deleted, as such.
fn is_listed(descriptor: &Descriptor, row: &Stored) -> bool {
    let body = row.body();
    let mut lists = descriptor.list.iter();
    descriptor.list.is_empty()
        || lists.any(|list| {
            let mut only = list.only.iter();
            only.all(|(field, value)| body.get(field).is_none_or(|held| held == value))
        })
}
