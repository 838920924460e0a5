//! Where a poll of the audits goes on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Change;

/// How far a poll looks back behind where the last one ended: an audit may become visible late.
pub const OVERLAP: SignedDuration = SignedDuration::from_mins(5);

/// How long the list of audited services is believed.
const MAPPING: SignedDuration = SignedDuration::from_hours(24);

/// The form of a kept cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Version {
    #[default]
    #[serde(rename = "1")]
    One,
}

/// Services, each with the entities that are audited.
pub type Services = BTreeMap<String, BTreeSet<String>>;

/// Remembers what polls have seen; whoever polls keeps it between two of them.
///
/// Each service goes on from where it was answered last: one that refuses holds up no other. A
/// cursor that is lost costs nothing but a look at more than was needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    version: Version,
    /// Where a service begins that was never asked.
    since: Timestamp,
    services: BTreeMap<String, Seen>,
    mapping: Option<Mapping>,
}

/// What was seen of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    through: Timestamp,
    /// The audits that the next poll will see again.
    events: BTreeMap<String, Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mapping {
    at: Timestamp,
    services: Services,
}

/// From when until when a service is asked; both ends are part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The beginning.
    pub start: Timestamp,
    /// The end.
    pub end: Timestamp,
}

impl Cursor {
    /// Begins at a time.
    pub fn starting(since: Timestamp) -> Self {
        Self {
            version: Version::One,
            since,
            services: BTreeMap::new(),
            mapping: None,
        }
    }

    /// Says what to ask a service for now. A clock that went back asks for nothing twice.
    pub fn window(&self, service: &str, now: Timestamp) -> Window {
        let start = match self.services.get(service) {
            Some(seen) => behind(seen.through).max(self.since),
            None => self.since,
        };
        Window {
            start: start.min(now),
            end: now,
        }
    }

    /// Takes what a service answered about a window; returns what was not seen before, in order.
    pub fn take(&mut self, service: &str, window: Window, mut changes: Vec<Change>) -> Vec<Change> {
        let seen = self.services.entry(service.to_owned());
        let seen = seen.or_insert_with(|| Seen {
            through: window.end,
            events: BTreeMap::new(),
        });
        seen.through = seen.through.max(window.end);
        changes.sort_by(|a, b| (a.at, &a.event).cmp(&(b.at, &b.event)));
        changes.retain(|change| {
            seen.events
                .insert(change.event.clone(), change.at)
                .is_none()
        });
        let again = behind(seen.through);
        seen.events.retain(|_, at| *at >= again);
        changes
    }

    /// Returns the audited services, while they are believed.
    pub fn services(&self, now: Timestamp) -> Option<&Services> {
        let mapping = self.mapping.as_ref()?;
        let fresh = now.duration_since(mapping.at).abs() < MAPPING;
        fresh.then_some(&mapping.services)
    }

    /// Keeps which services are audited.
    pub fn keep_services(&mut self, services: Services, now: Timestamp) {
        self.mapping = Some(Mapping { at: now, services });
    }
}

fn behind(at: Timestamp) -> Timestamp {
    at.checked_sub(OVERLAP).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::changes::{Author, Origin};
    use crate::id::SourceId;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).expect("a time")
    }

    fn change(event: &str, second: i64) -> Change {
        Change {
            event: event.to_owned(),
            kinds: Vec::new(),
            id: SourceId::new("q1"),
            key: None,
            name: None,
            at: at(second),
            by: Author::default(),
            action: "Update".to_owned(),
            service: "ContactCenter".to_owned(),
            entity: "Queue".to_owned(),
            properties: Vec::new(),
            origin: Origin::Audit,
        }
    }

    fn events(changes: &[Change]) -> Vec<&str> {
        changes.iter().map(|change| &*change.event).collect()
    }

    #[test]
    fn a_late_audit_is_seen_and_none_is_seen_twice() {
        let mut cursor = Cursor::starting(at(0));
        let first = cursor.window("ContactCenter", at(600));
        let told = cursor.take(
            "ContactCenter",
            first,
            vec![change("b", 590), change("a", 10)],
        );
        assert_eq!(events(&told), ["a", "b"]);
        let next = cursor.window("ContactCenter", at(660));
        assert_eq!((next.start, next.end), (at(300), at(660)));
        let answer = vec![change("b", 590), change("late", 400), change("c", 650)];
        let told = cursor.take("ContactCenter", next, answer);
        assert_eq!(events(&told), ["late", "c"]);
        // Another service begins where the cursor does.
        assert_eq!(cursor.window("Architect", at(660)).start, at(0));
    }

    #[test]
    fn a_clock_that_goes_back_loses_nothing() {
        let mut cursor = Cursor::starting(at(0));
        let window = cursor.window("S", at(1000));
        cursor.take("S", window, Vec::new());
        let back = cursor.window("S", at(500));
        assert!(back.start <= back.end);
        cursor.take("S", back, Vec::new());
        assert_eq!(cursor.window("S", at(1100)).start, at(700));
    }

    #[test]
    fn it_is_kept_as_text_and_knows_its_version() {
        let mut cursor = Cursor::starting(at(0));
        let window = cursor.window("S", at(60));
        cursor.take("S", window, vec![change("a", 50)]);
        cursor.keep_services(
            Services::from([("S".to_owned(), ["E".to_owned()].into())]),
            at(60),
        );
        let text = serde_json::to_string(&cursor).expect("JSON");
        assert_eq!(serde_json::from_str::<Cursor>(&text).ok(), Some(cursor));
        let newer = text.replace("\"version\":\"1\"", "\"version\":\"2\"");
        assert!(serde_json::from_str::<Cursor>(&newer).is_err());
    }

    #[test]
    fn the_list_of_services_is_believed_for_a_day() {
        let mut cursor = Cursor::starting(at(0));
        assert_eq!(cursor.services(at(0)), None);
        cursor.keep_services(Services::new(), at(0));
        assert!(cursor.services(at(86_399)).is_some());
        assert_eq!(cursor.services(at(86_400)), None);
    }

    proptest! {
        /// Audits become visible up to the overlap late; however polls fall, each is told once.
        #[test]
        fn every_audit_is_told_exactly_once(
            audits in prop::collection::vec((0_i64..3_000, 0_i64..300), 0..60),
            polls in prop::collection::btree_set(1_i64..3_600, 0..20),
        ) {
            let mut cursor = Cursor::starting(at(0));
            let mut told = Vec::new();
            for now in polls.into_iter().chain([4_000]) {
                let window = cursor.window("S", at(now));
                let visible = audits.iter().enumerate().filter(|(_, (when, lag))| {
                    when + lag <= now && at(*when) >= window.start && at(*when) <= window.end
                });
                let answer = visible.map(|(index, (when, _))| change(&index.to_string(), *when));
                let answer = answer.collect();
                let new = cursor.take("S", window, answer);
                told.extend(new.into_iter().map(|change| change.event));
            }
            told.sort();
            let mut all: Vec<String> = (0..audits.len()).map(|index| index.to_string()).collect();
            all.sort();
            prop_assert_eq!(told, all);
        }
    }
}
