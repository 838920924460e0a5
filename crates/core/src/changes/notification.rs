//! What a notification channel is subscribed to, and what comes over its socket.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::hook::changed;
use super::{Change, Origin, Subjects};
use crate::id::{Kind, SourceId, own_id};

/// Topics of one channel.
pub const MAX_TOPICS: usize = 1_000;
/// Channels of one client.
pub const MAX_CHANNELS: usize = 20;

/// Which topics are listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Those of the audits, which say who; they ask for `audits:audit:view`.
    Audits,
    /// Those of the objects themselves, which few kinds have and which do not say who.
    Objects,
}

/// What is listened to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topics {
    /// The topics of each channel.
    pub channels: Vec<Vec<String>>,
    /// Objects that no topic tells of, by kind: they are polled.
    pub without: BTreeMap<Kind, usize>,
    /// Objects for whose topics no channel is left, by kind: they are polled.
    pub beyond: BTreeMap<Kind, usize>,
}

/// What one message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Something changed.
    Change(Box<Change>),
    /// The connection is alive.
    Alive,
    /// The connection will be closed soon.
    Closing,
    /// Something else, by its topic.
    Other(String),
}

impl Subjects {
    /// Chooses the topics for objects whose ids are known; `channels` is how many may be used.
    ///
    /// A channel has no wildcards: what is created later is told by no topic.
    pub fn listen<'o>(
        &self,
        objects: impl IntoIterator<Item = (&'o Kind, &'o SourceId)>,
        listen: Listen,
        channels: usize,
    ) -> Topics {
        let room = channels.min(MAX_CHANNELS) * MAX_TOPICS;
        let mut chosen: Vec<String> = Vec::new();
        let mut known: BTreeSet<String> = BTreeSet::new();
        let mut told = Topics::default();
        for (kind, id) in objects {
            let id = own_id(id.as_str());
            let mut topics = match listen {
                Listen::Audits => self
                    .entities_of(kind)
                    .into_iter()
                    .map(|entity| format!("v2.audits.entitytype.{entity}.entityid.{id}"))
                    .collect(),
                Listen::Objects => self.topics(kind, id),
            };
            topics.retain(|topic| !known.contains(topic));
            let count = match topics.len() {
                0 => &mut told.without,
                some if chosen.len() + some > room => &mut told.beyond,
                _ => {
                    known.extend(topics.iter().cloned());
                    chosen.append(&mut topics);
                    continue;
                }
            };
            *count.entry(kind.clone()).or_default() += 1;
        }
        told.channels = chosen.chunks(MAX_TOPICS).map(<[_]>::to_vec).collect();
        told
    }

    /// Reads a message of a socket; `now` is when it came, as most messages do not say when.
    pub fn message(&self, text: &str, now: Timestamp) -> Message {
        let said: Value = serde_json::from_str(text).unwrap_or_default();
        let topic = said["topicName"].as_str().unwrap_or_default();
        match topic {
            "channel.metadata" => return Message::Alive,
            "v2.system.socket_closing" => return Message::Closing,
            _ => {}
        }
        if topic.starts_with("v2.audits.") {
            let read = self.audit(&said["eventBody"], Origin::Notification);
            return match read {
                Ok(Some(change)) => Message::Change(Box::new(change)),
                // It failed, so nothing was changed.
                Ok(None) => Message::Alive,
                Err(_) => Message::Other(topic.to_owned()),
            };
        }
        let Some(about) = self.of_topic(topic) else {
            return Message::Other(topic.to_owned());
        };
        let event = said["metadata"]["CorrelationId"].as_str();
        let event = event.map_or_else(|| format!("{topic} {now}"), str::to_owned);
        let change = Change {
            origin: Origin::Notification,
            ..changed(about, &event, now)
        };
        Message::Change(Box::new(change))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::Catalogue;

    fn subjects() -> Subjects {
        Subjects::new(Catalogue::builtin())
    }

    fn now() -> Timestamp {
        "2026-11-27T10:00:00Z".parse().expect("a time")
    }

    fn objects(kind: &str, count: usize) -> Vec<(Kind, SourceId)> {
        let object = |index: usize| (Kind::new(kind), SourceId::new(&format!("id{index}")));
        (0..count).map(object).collect()
    }

    fn choose(objects: &[(Kind, SourceId)], listen: Listen, channels: usize) -> Topics {
        let objects = objects.iter().map(|(kind, id)| (kind, id));
        subjects().listen(objects, listen, channels)
    }

    #[test]
    fn topics_are_cut_into_channels_and_what_is_left_over_is_told() {
        let queues = objects("routing_queue", 2_500);
        let topics = choose(&queues, Listen::Audits, 2);
        let lengths: Vec<usize> = topics.channels.iter().map(Vec::len).collect();
        assert_eq!(lengths, [1_000, 1_000]);
        assert_eq!(
            topics.channels[0][0],
            "v2.audits.entitytype.Queue.entityid.id0"
        );
        assert_eq!(
            topics.beyond,
            BTreeMap::from([(Kind::new("routing_queue"), 500)])
        );
        // A user is a user, a subject of grants, an agent and has a voicemail policy.
        let users = objects("user", 1);
        assert_eq!(choose(&users, Listen::Audits, 1).channels[0].len(), 4);
        let divisions = objects("auth_division", 3);
        let topics = choose(&divisions, Listen::Audits, 1);
        assert!(topics.channels.is_empty());
        assert_eq!(
            topics.without,
            BTreeMap::from([(Kind::new("auth_division"), 3)])
        );
        let flows = objects("flow", 1);
        let topics = choose(&flows, Listen::Objects, 1);
        assert_eq!(topics.channels, [["v2.flows.id0"]]);
        // No more channels than a client may have.
        let topics = choose(&objects("flow", 21_000), Listen::Objects, 99);
        assert_eq!(topics.channels.len(), MAX_CHANNELS);
    }

    #[test]
    fn a_message_is_a_change_or_a_sign_of_life() {
        let read = |message: Value| subjects().message(&message.to_string(), now());
        let flow = json!({ "topicName": "v2.flows.f1", "metadata": { "CorrelationId": "c1" } });
        let Message::Change(change) = read(flow) else {
            panic!("a change");
        };
        assert_eq!((change.id.as_str(), &*change.event), ("f1", "c1"));
        assert_eq!((change.at, change.origin), (now(), Origin::Notification));
        assert_eq!(
            read(json!({ "topicName": "channel.metadata" })),
            Message::Alive
        );
        let closing = json!({ "topicName": "v2.system.socket_closing" });
        assert_eq!(read(closing), Message::Closing);
        let other = json!({ "topicName": "v2.users.u1.presence" });
        assert_eq!(
            read(other),
            Message::Other("v2.users.u1.presence".to_owned())
        );
        let odd = json!({ "topicName": "v2.audits.entitytype.x.entityid.y", "eventBody": 7 });
        assert!(matches!(read(odd), Message::Other(_)));
        assert_eq!(
            subjects().message("no JSON", now()),
            Message::Other(String::new())
        );
    }
}
