//! Items that are listed for many objects at once, such as the grants in a division.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::{StreamExt, stream};
use orgsmith_client::{ListError, Listing, PageStyle};
use orgsmith_core::catalogue::{Descriptor, Gathered};
use orgsmith_core::document::Stored;
use orgsmith_core::id::Kind;
use serde_json::Value;

use super::CONCURRENCY;
use super::details::with_id;
use super::seen::Seen;
use crate::org::Org;

/// Items by the id of the object that they are of.
type Found = HashMap<String, Vec<Value>>;

/// The items of the objects of a kind, by the part that they are.
pub(super) type Items = BTreeMap<String, Arc<Found>>;

/// What was gathered, by its path and what tells whose it is: users and groups share one list.
#[derive(Default)]
pub(super) struct Gathering(BTreeMap<(String, String), Arc<Found>>);

impl Gathering {
    /// Reads the items of so many objects of a kind together, where that costs fewer calls.
    ///
    /// What cannot be read so is left to the objects' own calls, which say what is wrong.
    pub(super) async fn gather(
        &mut self,
        org: &Org,
        descriptor: &Descriptor,
        owners: &BTreeMap<Kind, Vec<Stored>>,
        objects: usize,
        seen: Seen<'_>,
    ) -> Items {
        let mut items = Items::new();
        for part in &descriptor.parts {
            let Some(gathered) = &part.gathered else {
                continue;
            };
            let of_kind = owners.get(&gathered.each).into_iter().flatten();
            let own = of_kind.map(|owner| owner.id.as_str().to_owned());
            let ids: Vec<String> = own.chain(gathered.also.iter().cloned()).collect();
            // Without the owners nothing is known of what is in them.
            if ids.len() == gathered.also.len() || objects <= ids.len() {
                continue;
            }
            let list = (gathered.path.clone(), gathered.by.clone());
            if let Some(found) = self.0.get(&list) {
                items.insert(part.field.clone(), Arc::clone(found));
            } else if let Some(found) = read_once(org, gathered, ids, seen).await {
                let found = Arc::new(found);
                self.0.insert(list, Arc::clone(&found));
                items.insert(part.field.clone(), found);
            }
        }
        items
    }
}

/// Reads lists, unless an earlier try did.
async fn read_once(
    org: &Org,
    gathered: &Gathered,
    ids: Vec<String>,
    seen: Seen<'_>,
) -> Option<Found> {
    if let Some(found) = seen.gathered(gathered) {
        return Some(found);
    }
    let found = read(org, gathered, ids).await.ok()?;
    seen.note_gathered(gathered, &found);
    Some(found)
}

async fn read(org: &Org, gathered: &Gathered, ids: Vec<String>) -> Result<Found, ListError> {
    let mut found = Found::new();
    let mut answers = stream::iter(ids)
        .map(|id| async move {
            let path = with_id(&gathered.path, &id);
            let listing = Listing::new(path, PageStyle::Offset).page_size(gathered.page_size);
            org.client.list(&listing).await
        })
        .buffered(CONCURRENCY);
    while let Some(rows) = answers.next().await {
        for row in rows? {
            if let Some(of) = row.get(&gathered.by).and_then(Value::as_str) {
                found.entry(of.to_owned()).or_default().push(row);
            }
        }
    }
    Ok(found)
}
