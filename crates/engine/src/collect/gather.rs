//! Items that are listed for many objects at once, such as the grants in a division.

use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, stream};
use orgsmith_client::{ListError, Listing, PageStyle};
use orgsmith_core::catalogue::{Descriptor, Gathered};
use orgsmith_core::document::Stored;
use orgsmith_core::id::Kind;
use serde_json::Value;

use super::CONCURRENCY;
use super::details::with_id;
use crate::org::Org;

/// The items of the objects of a kind, by the part that they are and the id of the object.
pub(super) type Items = BTreeMap<String, HashMap<String, Vec<Value>>>;

/// Reads the items of so many objects of a kind together, where that costs fewer calls.
///
/// What cannot be read so is left to the objects' own calls, which say what is wrong.
pub(super) async fn gather(
    org: &Org,
    descriptor: &Descriptor,
    owners: &BTreeMap<Kind, Vec<Stored>>,
    objects: usize,
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
        if let Ok(found) = read(org, gathered, ids).await {
            items.insert(part.field.clone(), found);
        }
    }
    items
}

async fn read(
    org: &Org,
    gathered: &Gathered,
    ids: Vec<String>,
) -> Result<HashMap<String, Vec<Value>>, ListError> {
    let mut found: HashMap<String, Vec<Value>> = HashMap::new();
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
