//! How processes share a quota: of each there is a row of objects, and the last says who holds what.
//!
//! As in the log, object `n` is made by who has read the one before it, and only if nobody else has made
//! it. Unlike the log it is no part of what the state keeps, and old objects are taken away. So a process
//! that slept between look and write can take a place twice; Genesys Cloud then says 429, and the next
//! look puts it right.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use serde::{Deserialize, Serialize};

use super::bucket::{Bucket, Created};
use super::entry::{self, FORMAT};
use crate::state::Error;
use crate::state::tables::BlobId;
use crate::state::values::{Claim, Claimed, Other, Owner};

/// How long what was read last may be built upon; others may have written more than is kept.
const TRUSTED_MS: u64 = 5_000;
/// So many objects of a quota are kept, and so many are taken away at once.
const KEPT: u64 = 64;
const SWEPT: u64 = 16;

/// What is known of the quotas that this process has a part in.
#[derive(Debug, Default)]
pub(super) struct Quotas(Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<Option<Known>>>>>);

/// An object of a quota, and when it was the last.
#[derive(Clone, Debug, Default)]
struct Known {
    number: u64,
    parts: Vec<Part>,
    at_ms: u64,
}

/// What an object of a quota holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    format: u64,
    parts: Vec<Part>,
}

/// What somebody holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    owner: Owner,
    held: u64,
    seen_ms: u64,
    expires_ms: u64,
}

impl Quotas {
    /// Takes a part.
    pub(super) async fn claim(
        &self,
        bucket: &Bucket,
        claim: &Claim,
        now_ms: u64,
    ) -> Result<Claimed, Error> {
        let take = |parts: &mut Vec<Part>| {
            parts.retain(|part| part.owner != claim.owner && part.expires_ms > now_ms);
            let others = parts.iter().map(|part| Other {
                owner: part.owner.clone(),
                held: part.held,
                seen_ms: part.seen_ms,
            });
            let claimed = claim.among(others.collect(), now_ms);
            parts.push(Part {
                owner: claim.owner.clone(),
                held: claimed.held.into(),
                seen_ms: now_ms,
                expires_ms: claim.expires_ms(now_ms),
            });
            parts.sort_by(|a, b| a.owner.cmp(&b.owner));
            claimed
        };
        let known = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(claim.pool.clone()).or_default().clone()
        };
        let mut known = known.lock().await;
        change(bucket, &claim.pool, &mut known, now_ms, take).await
    }

    /// Gives everything back that somebody holds in the quotas that were asked for here.
    pub(super) async fn give_back(&self, bucket: &Bucket, owner: &Owner) -> Result<(), Error> {
        let all = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for (pool, known) in all {
            let mut known = known.lock().await;
            // It may be long since this process looked.
            *known = None;
            let leave = |parts: &mut Vec<Part>| parts.retain(|part| part.owner != *owner);
            change(bucket, &pool, &mut known, 0, leave).await?;
            *known = None;
        }
        Ok(())
    }
}

/// Changes who holds what of a quota; as often as others do so first, it is decided anew.
async fn change<T>(
    bucket: &Bucket,
    pool: &str,
    known: &mut Option<Known>,
    now_ms: u64,
    decide: impl Fn(&mut Vec<Part>) -> T,
) -> Result<T, Error> {
    let folder = format!("quota/{}", BlobId::of(pool.as_bytes()).as_str());
    loop {
        let trusted = known
            .take()
            .filter(|known| (known.at_ms..known.at_ms + TRUSTED_MS).contains(&now_ms));
        let last = match trusted {
            Some(known) => known,
            None => last(bucket, &folder).await?,
        };
        let mut parts = last.parts.clone();
        let decided = decide(&mut parts);
        if parts == last.parts {
            *known = Some(last);
            return Ok(decided);
        }
        let number = last.number + 1;
        let content = entry::write(&Parts {
            format: FORMAT,
            parts: parts.clone(),
        })?;
        if bucket.create(&name(&folder, number), content).await? == Created::Now {
            let at_ms = now_ms;
            *known = Some(Known {
                number,
                parts,
                at_ms,
            });
            sweep(bucket, &folder, number).await;
            return Ok(decided);
        }
    }
}

/// Finds the last object of a quota.
async fn last(bucket: &Bucket, folder: &str) -> Result<Known, Error> {
    loop {
        let Some(last) = bucket.list(folder).await?.pop() else {
            return Ok(Known::default());
        };
        let number = last.parse().map_err(|_| {
            Error::unreadable("a quota", format!("{folder}/{last} is none of its objects"))
        })?;
        // It can only be gone if there are many after it.
        if let Some(content) = bucket.read(&format!("{folder}/{last}")).await? {
            let Parts { format: _, parts } = entry::read(&content, "a quota")?;
            return Ok(Known {
                number,
                parts,
                at_ms: 0,
            });
        }
    }
}

/// Takes away what nobody can build upon any more.
async fn sweep(bucket: &Bucket, folder: &str, number: u64) {
    if number.is_multiple_of(SWEPT) && number > KEPT {
        let end = number - KEPT;
        let old: Vec<String> = (end.saturating_sub(SWEPT) + 1..=end)
            .map(|number| name(folder, number))
            .collect();
        join_all(old.iter().map(|name| bucket.remove(name))).await;
    }
}

fn name(folder: &str, number: u64) -> String {
    format!("{folder}/{number:020}")
}
