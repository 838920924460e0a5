//! Who changed given objects last.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::changes::{Change, Origin, Subjects};
use orgsmith_core::id::{Kind, ObjectRef, SourceId, own_id};
use serde_json::Value;

use super::audits::{PAGE, Query, Road, Unasked, concerning, horizon, services};
use crate::org::Org;

/// Services asked at once.
const AT_ONCE: usize = 4;

/// Who changed objects last, as far as the org tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Who {
    /// The last change of each object that has one in the audits; its `key` is the object's.
    pub last: BTreeMap<ObjectRef, Change>,
    /// What could not be asked; the objects of these services may have changed unseen.
    pub unasked: Vec<Unasked>,
    /// The calls that it took.
    pub calls: u64,
}

/// Finds the last change of each of some objects since a time.
///
/// `now` is the end of what is looked at. It costs one call to learn which services there are, and for
/// each service that tells of the objects' kinds one call, or more where the objects are old and many
/// others have changed since; never more than one for each object besides. Older than fourteen
/// days is asked as a job. What cannot be asked does not fail the others.
pub async fn who(
    org: &Org,
    catalogue: &Catalogue,
    objects: &BTreeMap<ObjectRef, SourceId>,
    since: Timestamp,
    now: Timestamp,
) -> Who {
    let before = org.client.stats().sent;
    let mut found = Who::default();
    if !objects.is_empty() && since < now {
        let subjects = Subjects::new(catalogue);
        look(org, &subjects, objects, since, now, &mut found).await;
        found.unasked.sort();
    }
    found.calls = org.client.stats().sent - before;
    found
}

async fn look(
    org: &Org,
    subjects: &Subjects,
    objects: &BTreeMap<ObjectRef, SourceId>,
    since: Timestamp,
    now: Timestamp,
    found: &mut Who,
) {
    let recent = horizon(now);
    let mut open: BTreeMap<&ObjectRef, &str> = objects
        .iter()
        .map(|(object, id)| (object, own_id(id.as_str())))
        .collect();
    for (road, start, end) in [
        (Road::Realtime, since.max(recent), now),
        (Road::Job, since, recent),
    ] {
        if start >= end || open.is_empty() {
            continue;
        }
        let kinds: BTreeSet<Kind> = open.keys().map(|object| object.kind.clone()).collect();
        let services = match services(org, road).await {
            Ok(all) => concerning(&all, subjects, &kinds),
            Err(unasked) => {
                found.unasked.push(unasked);
                return;
            }
        };
        let asked = Asked {
            org,
            subjects,
            road,
            start,
            end,
        };
        let answers: Vec<(Vec<Change>, Option<Unasked>)> = stream::iter(&services)
            .map(|(service, entities)| asked.service(service, entities, &open))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for (changes, unasked) in answers {
            found.unasked.extend(unasked);
            for change in changes {
                let of = open
                    .iter()
                    .filter(|(object, id)| is_of(&change, object, id));
                for (object, _) in of {
                    let newer = found.last.get(*object);
                    // Of two of the same time, always the same one.
                    let rank = |change: &Change| (change.at, change.event.clone());
                    if newer.is_none_or(|newer| rank(newer) < rank(&change)) {
                        let key = Some(object.key.clone());
                        let change = Change {
                            key,
                            ..change.clone()
                        };
                        found.last.insert((*object).clone(), change);
                    }
                }
            }
        }
        open.retain(|object, _| !found.last.contains_key(*object));
    }
}

/// Tells whether a change is one of an object.
fn is_of(change: &Change, object: &ObjectRef, id: &str) -> bool {
    change.kinds.contains(&object.kind) && (change.id.as_str() == id || id.is_empty())
}

struct Asked<'a> {
    org: &'a Org,
    subjects: &'a Subjects,
    road: Road,
    start: Timestamp,
    end: Timestamp,
}

impl Asked<'_> {
    /// Asks one service for the last changes of the objects that it tells of.
    async fn service(
        &self,
        service: &str,
        entities: &BTreeSet<String>,
        open: &BTreeMap<&ObjectRef, &str>,
    ) -> (Vec<Change>, Option<Unasked>) {
        let told = |object: &ObjectRef| {
            let kind = BTreeSet::from([object.kind.clone()]);
            let mut entities = entities.iter();
            entities.any(|entity| self.subjects.concerns(service, entity, &kind))
        };
        let mut wanted: BTreeMap<&ObjectRef, &str> = open
            .iter()
            .filter(|(object, _)| told(object))
            .map(|(object, id)| (*object, *id))
            .collect();
        let mut query = Query {
            service,
            start: self.start,
            end: self.end,
            filters: Vec::new(),
            newest_first: true,
            page_size: PAGE,
        };
        // What the API can leave out need not come page by page.
        if let [entity] = &entities.iter().collect::<Vec<_>>()[..] {
            query.filters.push(("EntityType", entity));
        }
        let mut changes = Vec::new();
        if self.road == Road::Job {
            return match query.all(self.org, Road::Job).await {
                Ok(audits) => {
                    self.take(&audits, &mut wanted, &mut changes);
                    (changes, None)
                }
                Err(unasked) => (changes, Some(unasked)),
            };
        }
        let by_id = |wanted: &BTreeMap<&ObjectRef, &str>, pages: u64| {
            // One call for each object is less than so many pages.
            wanted.len() as u64 <= pages && wanted.values().all(|id| !id.is_empty())
        };
        if by_id(&wanted, 1) {
            return self.one_by_one(query, wanted, changes).await;
        }
        let mut number = 1;
        while !wanted.is_empty() {
            let page = match query.page(&self.org.client, number).await {
                Ok(page) => page,
                Err(error) if matches!(error.status(), Some(408 | 504)) => {
                    // Too much for one answer: halves of the interval are smaller.
                    return match query.all(self.org, Road::Realtime).await {
                        Ok(audits) => {
                            self.take(&audits, &mut wanted, &mut changes);
                            (changes, None)
                        }
                        Err(unasked) => (changes, Some(unasked)),
                    };
                }
                Err(error) => {
                    let what = format!("the audits of {service}");
                    return (changes, Some(Unasked::new(self.org, what, &error)));
                }
            };
            self.take(&page.audits, &mut wanted, &mut changes);
            if number >= page.pages {
                break;
            }
            if by_id(&wanted, page.pages - number) {
                return self.one_by_one(query, wanted, changes).await;
            }
            number += 1;
        }
        (changes, None)
    }

    /// Asks for the newest audit of each object.
    async fn one_by_one<'q>(
        &self,
        query: Query<'q>,
        wanted: BTreeMap<&ObjectRef, &'q str>,
        mut changes: Vec<Change>,
    ) -> (Vec<Change>, Option<Unasked>) {
        let mut unasked = None;
        let mut wanted = wanted;
        let ids: BTreeSet<&'q str> = wanted.values().copied().collect();
        for id in ids {
            let mut one = query.clone();
            one.filters.push(("EntityId", id));
            // The newest may be one that failed; a few more cost nothing.
            one.page_size = 25;
            match one.page(&self.org.client, 1).await {
                Ok(page) => self.take(&page.audits, &mut wanted, &mut changes),
                Err(error) => {
                    let what = format!("the audits of {} about {id}", query.service);
                    unasked = Some(Unasked::new(self.org, what, &error));
                }
            }
        }
        (changes, unasked)
    }

    /// Takes of audits, newest first, the first of each wanted object.
    fn take(
        &self,
        audits: &[Value],
        wanted: &mut BTreeMap<&ObjectRef, &str>,
        changes: &mut Vec<Change>,
    ) {
        for audit in audits {
            // What makes no sense is no answer for anybody.
            let Ok(Some(change)) = self.subjects.audit(audit, Origin::Audit) else {
                continue;
            };
            let before = wanted.len();
            wanted.retain(|object, id| !is_of(&change, object, id));
            if wanted.len() < before {
                changes.push(change);
            }
        }
    }
}
