//! What a selected object belongs to: the queues, groups and teams of a user.

use futures::{StreamExt, stream};
use orgsmith_core::catalogue::{Catalogue, Descriptor, MEMBER_OF, MemberOf, Part};
use orgsmith_core::document::{Captured, Stored};
use serde_json::{Map, Value, json};

use super::details::{label, with_ids};
use super::lists::{Failure, listing};
use super::{CONCURRENCY, Collector};
use crate::org::Org;

/// Puts into objects what they belong to.
pub(super) async fn memberships(
    org: &Org,
    catalogue: &Catalogue,
    descriptor: &Descriptor,
    objects: Vec<Stored>,
    collector: &mut Collector<'_>,
) -> Vec<Stored> {
    if descriptor.member_of.is_empty() {
        return objects;
    }
    let mut read = stream::iter(objects)
        .map(|object| one(org, catalogue, descriptor, object.open()))
        .buffered(CONCURRENCY);
    let mut filled = Vec::new();
    while let Some((captured, failures)) = read.next().await {
        for failure in failures {
            collector.failed(&descriptor.kind, Some(label(&captured)), failure);
        }
        filled.push(captured.into());
    }
    filled
}

async fn one(
    org: &Org,
    catalogue: &Catalogue,
    descriptor: &Descriptor,
    mut captured: Captured,
) -> (Captured, Vec<Failure>) {
    let mut failures = Vec::new();
    let mut places = Map::new();
    for (name, belongs) in &descriptor.member_of {
        let part = catalogue
            .get(belongs.kind.as_str())
            .ok()
            .and_then(|holder| {
                let mut parts = holder.parts.iter();
                parts.find(|part| part.field == belongs.part)
            });
        let Some(part) = part else { continue };
        match read(org, belongs, part, &captured).await {
            Ok(items) => {
                places.insert(name.clone(), Value::Array(items));
            }
            Err(failure) => failures.push(failure),
        }
    }
    if let Value::Object(body) = &mut captured.body {
        body.insert(MEMBER_OF.to_owned(), Value::Object(places));
    }
    (captured, failures)
}

async fn read(
    org: &Org,
    belongs: &MemberOf,
    part: &Part,
    captured: &Captured,
) -> Result<Vec<Value>, Failure> {
    let mut ids: Vec<String> = Vec::new();
    let id = |row: &Value| row.get("id").and_then(Value::as_str).map(str::to_owned);
    if let Some(said) = belongs
        .field
        .as_ref()
        .and_then(|field| captured.body.get(field))
    {
        match said {
            Value::Array(rows) => ids.extend(rows.iter().filter_map(id)),
            row => ids.extend(id(row)),
        }
    }
    for list in &belongs.list {
        let path = with_ids(&list.path, captured.id.as_str());
        let rows = org.client.list(&listing(list, &path, "")).await?;
        ids.extend(rows.iter().filter_map(id));
    }
    let Some((list, by_name)) = part
        .list
        .as_ref()
        .and_then(|list| Some((list, list.by_name.as_ref()?)))
    else {
        return Ok(ids.into_iter().map(|id| json!({ "id": id })).collect());
    };
    // What is said of a member stands in the list of the members; by the name it is short.
    let name = captured.body.get("name").and_then(Value::as_str);
    let mut items = Vec::new();
    for place in ids {
        let path = with_ids(&list.path, &place);
        let rows = listing(list, &path, "").query(by_name, name.unwrap_or_default());
        let rows = org.client.list(&rows).await?;
        let own = rows
            .into_iter()
            .find(|row| id(row).as_deref() == Some(captured.id.as_str()));
        // Who is in it by a group is no member of its own.
        let Some(Value::Object(mut item)) = own else {
            continue;
        };
        item.retain(|field, value| {
            let told = part.defaults.get(field) != Some(value);
            told && part.fields.contains(field) && !part.identity.contains(field)
        });
        item.insert("id".to_owned(), place.into());
        items.push(Value::Object(item));
    }
    Ok(items)
}
