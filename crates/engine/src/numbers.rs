//! Asks an org which of its numbers are free, and who has the others.

use std::ops::RangeInclusive;

use orgsmith_client::{ListError, Listing, PageStyle};
use orgsmith_core::numbers::{Facts, Holder, Rules, Supply, digits};
use serde_json::Value;

use crate::org::Org;

const POOLS: &str = "/api/v2/telephony/providers/edges/didpools";
const NUMBERS: &str = "/api/v2/telephony/providers/edges/didpools/dids";
const EXTENSIONS: &str = "/api/v2/telephony/providers/edges/extensions";
const PAGE: u32 = 100;

/// Reads what rules speak of: the DIDs of the pools that they take from, and the extensions in use.
///
/// # Errors
/// A list cannot be read.
pub async fn numbers(org: &Org, rules: &Rules) -> Result<Facts, Box<ListError>> {
    let mut facts = Facts::default();
    let mut ranges: Vec<RangeInclusive<u64>> = Vec::new();
    let mut extensions = false;
    for mapping in rules.mappings.values() {
        match &mapping.supply {
            Supply::Dids(range) => ranges.push(range.clone()),
            Supply::Extensions { .. } => extensions = true,
        }
        let fallback = mapping.fallback.as_deref().and_then(digits);
        ranges.extend(fallback.map(|number| number..=number));
    }
    if !ranges.is_empty() {
        let listing = Listing::new(POOLS, PageStyle::Offset).page_size(PAGE);
        for pool in org.client.list(&listing).await.map_err(Box::new)? {
            let at = |field: &str| pool.get(field).and_then(Value::as_str).and_then(digits);
            let (Some(start), Some(end)) = (at("startPhoneNumber"), at("endPhoneNumber")) else {
                continue;
            };
            let meets =
                |range: &RangeInclusive<u64>| *range.start() <= end && start <= *range.end();
            let id = pool.get("id").and_then(Value::as_str);
            let Some(id) = id.filter(|_| ranges.iter().any(meets)) else {
                continue;
            };
            let listing = Listing::new(NUMBERS, PageStyle::Offset)
                .page_size(PAGE)
                .query("type", "ASSIGNED_AND_UNASSIGNED")
                .query("id", id);
            for row in org.client.list(&listing).await.map_err(Box::new)? {
                let number = row.get("number").and_then(Value::as_str).and_then(digits);
                if let Some(number) = number {
                    facts.dids.insert(number, holder(&row));
                }
            }
        }
    }
    if extensions {
        let listing = Listing::new(EXTENSIONS, PageStyle::Offset).page_size(PAGE);
        for row in org.client.list(&listing).await.map_err(Box::new)? {
            let number = row.get("number").and_then(Value::as_str).and_then(digits);
            if let Some((number, holder)) = number.zip(holder(&row)) {
                facts.extensions.insert(number, holder);
            }
        }
    }
    Ok(facts)
}

/// Returns who has a number; nothing where it is free.
fn holder(row: &Value) -> Option<Holder> {
    let owner = row.get("owner").filter(|owner| owner.is_object());
    if owner.is_none() && row.get("assigned") != Some(&Value::Bool(true)) {
        return None;
    }
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Holder {
        sort: text(row.get("ownerType")),
        name: text(owner.and_then(|owner| owner.get("name"))),
    })
}
