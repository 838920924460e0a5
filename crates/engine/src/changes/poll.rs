//! What is new in the audits.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::changes::{Change, Cursor, Origin, Subjects, Unreadable, Window};
use orgsmith_core::id::Kind;
use serde_json::Value;

use super::audits::{PAGE, Query, Road, Unasked, concerning, horizon, services};
use crate::org::Org;

/// Services asked at once.
const AT_ONCE: usize = 4;

/// What a poll found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Polled {
    /// Changes of the wanted kinds that no poll with this cursor has told, oldest first.
    pub changes: Vec<Change>,
    /// Audits of entities that no kind file names, as `service/entity`, with how many of each.
    pub unknown: BTreeMap<String, u64>,
    /// Audits that make no sense.
    pub unreadable: Vec<Unreadable>,
    /// The wanted kinds of which no audit of this org tells: only reading them again does.
    pub untold: BTreeSet<Kind>,
    /// Services that could not be asked; the next poll asks for what they missed.
    pub unasked: Vec<Unasked>,
    /// The calls that it took.
    pub calls: u64,
}

/// Asks the audits what has changed of some kinds since the last poll.
///
/// It costs one call for each service that tells of the kinds, more only where a service has more
/// than 500 audits, and once a day one for the list of services. What is older than fourteen days is
/// asked as a job. The cursor goes on for each service that answered.
pub async fn poll(
    org: &Org,
    catalogue: &Catalogue,
    kinds: &BTreeSet<Kind>,
    cursor: &mut Cursor,
    now: Timestamp,
) -> Polled {
    let before = org.client.stats().sent;
    let mut found = Polled::default();
    let subjects = Subjects::new(catalogue);
    if cursor.services(now).is_none() {
        match services(org, Road::Realtime).await {
            Ok(all) => cursor.keep_services(all, now),
            Err(unasked) => found.unasked.push(unasked),
        }
    }
    if let Some(all) = cursor.services(now) {
        let wanted = concerning(all, &subjects, kinds);
        let told = |kind: &&Kind| {
            let kind = BTreeSet::from([(*kind).clone()]);
            let mut entities = wanted.iter().flat_map(|(service, entities)| {
                entities.iter().map(move |entity| (service, entity))
            });
            entities.any(|(service, entity)| subjects.concerns(service, entity, &kind))
        };
        found.untold = kinds.iter().filter(|kind| !told(kind)).cloned().collect();
        let windows: Vec<(String, Window)> = wanted
            .into_keys()
            .map(|service| {
                let window = cursor.window(&service, now);
                (service, window)
            })
            .collect();
        let answers: Vec<_> = stream::iter(windows)
            .map(async |(service, window)| {
                let answer = ask(org, &service, window, now).await;
                (service, window, answer)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        for (service, window, answer) in answers {
            match answer {
                Ok(audits) => {
                    let read = read(&subjects, &audits, &mut found.unreadable);
                    let new = cursor.take(&service, window, read);
                    sort_out(new, kinds, &mut found);
                }
                Err(unasked) => found.unasked.push(unasked),
            }
        }
    }
    let order = |change: &Change| (change.at, change.event.clone());
    found.changes.sort_by_key(order);
    found.calls = org.client.stats().sent - before;
    found
}

async fn ask(
    org: &Org,
    service: &str,
    window: Window,
    now: Timestamp,
) -> Result<Vec<Value>, Unasked> {
    let recent = horizon(now);
    let mut found = Vec::new();
    for (road, start, end) in [
        (Road::Job, window.start, recent.min(window.end)),
        (Road::Realtime, window.start.max(recent), window.end),
    ] {
        // An interval of the past that is empty is no question.
        if start > end || (road == Road::Job && start == end) {
            continue;
        }
        let query = Query {
            service,
            start,
            end,
            filters: Vec::new(),
            // What comes meanwhile comes at the end: a page that moves shows something twice.
            newest_first: false,
            page_size: PAGE,
        };
        found.extend(query.all(org, road).await?);
    }
    Ok(found)
}

fn read(subjects: &Subjects, audits: &[Value], unreadable: &mut Vec<Unreadable>) -> Vec<Change> {
    let mut changes = Vec::new();
    for audit in audits {
        match subjects.audit(audit, Origin::Audit) {
            Ok(change) => changes.extend(change),
            Err(error) => unreadable.push(error),
        }
    }
    changes
}

/// Keeps the changes of the wanted kinds, and counts those that nobody knows.
fn sort_out(new: Vec<Change>, kinds: &BTreeSet<Kind>, found: &mut Polled) {
    for mut change in new {
        if change.kinds.is_empty() {
            let name = format!("{}/{}", change.service, change.entity);
            *found.unknown.entry(name).or_default() += 1;
            continue;
        }
        change.kinds.retain(|kind| kinds.contains(kind));
        if !change.kinds.is_empty() {
            found.changes.push(change);
        }
    }
}
