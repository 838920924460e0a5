//! Reads what others post: events that Amazon EventBridge passes on, and plain lists of objects.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{Author, Change, Origin, Subjects};
use crate::id::{Kind, SourceId};

/// The largest body that is read; EventBridge's own events are smaller.
pub const MAX_BODY: usize = 1 << 20;
/// The most events, or objects, of one body.
pub const MAX_EVENTS: usize = 1_000;
/// The most bytes of an id or a name that is taken over.
const MAX_TEXT: usize = 512;

/// How the sources of Genesys Cloud begin on a partner's event bus.
const SOURCE: &str = "aws.partner/genesys.com/";

/// What a body says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The changes, in their order.
    pub changes: Vec<Change>,
    /// The ids of the orgs that the events come from, each with its changes' events.
    pub orgs: BTreeMap<String, Vec<String>>,
    /// Events about something else, by their topics, with how many of each.
    pub others: BTreeMap<String, u64>,
}

/// Says why a body is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// It is longer than anybody needs.
    #[error("the body has {0} bytes; at most {MAX_BODY} are read")]
    TooLarge(usize),
    /// It holds more events than are taken at once.
    #[error("the body holds {0} events; post at most {MAX_EVENTS} at a time")]
    TooMany(usize),
    /// It is no JSON.
    #[error("the body is no JSON: {0}")]
    NotJson(String),
    /// It is JSON, but nothing that is understood.
    #[error("event {index}: {problem}")]
    NotUnderstood {
        /// Which event of the body, from 0.
        index: usize,
        /// What it lacks.
        problem: String,
    },
}

/// A plain list of objects to be read again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    /// The sender's id of what it tells.
    event: String,
    /// When it was changed.
    at: Timestamp,
    objects: Vec<PlainObject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainObject {
    kind: String,
    id: String,
    #[serde(default)]
    action: Option<String>,
}

impl Subjects {
    /// Reads a posted body: an event of EventBridge, several in a list, or
    /// `{"event": …, "at": …, "objects": [{"kind": …, "id": …}]}`.
    ///
    /// What it says is only what to read again: nothing of it is written anywhere.
    ///
    /// # Errors
    /// The body is too large, is no JSON, or says nothing that is understood.
    pub fn hook(&self, body: &[u8]) -> Result<Heard, HookError> {
        if body.len() > MAX_BODY {
            return Err(HookError::TooLarge(body.len()));
        }
        let body: Value =
            serde_json::from_slice(body).map_err(|error| HookError::NotJson(error.to_string()))?;
        let events = match body {
            Value::Array(events) => events,
            one => vec![one],
        };
        if events.len() > MAX_EVENTS {
            return Err(HookError::TooMany(events.len()));
        }
        let mut heard = Heard::default();
        for (index, event) in events.into_iter().enumerate() {
            let taken = match event.get("detail-type").is_some() {
                true => self.event(&event, &mut heard),
                false => self.plain(event, &mut heard),
            };
            taken.map_err(|problem| HookError::NotUnderstood { index, problem })?;
            if heard.changes.len() > MAX_EVENTS {
                return Err(HookError::TooMany(heard.changes.len()));
            }
        }
        Ok(heard)
    }

    /// Reads one event of EventBridge.
    fn event(&self, event: &Value, heard: &mut Heard) -> Result<(), String> {
        let text = |field: &str| {
            let text = event.get(field).and_then(Value::as_str);
            text.ok_or_else(|| format!("{field} is missing"))
        };
        let source = text("source")?;
        let Some(of) = source.strip_prefix(SOURCE) else {
            return Err(format!("its source is not {SOURCE}…"));
        };
        // `cloud/<org>/<suffix>`
        let org = of.split('/').nth(1).filter(|org| !org.is_empty());
        let org = org.ok_or("its source names no org")?;
        let topic = event["detail"]["topicName"].as_str();
        let topic = topic.ok_or("detail.topicName is missing")?;
        let body = &event["detail"]["eventBody"];
        let at: Timestamp = text("time")?
            .parse()
            .map_err(|_| "time is no time".to_owned())?;
        let change = if topic.starts_with("v2.audits.") {
            let read = self.audit(body, Origin::Hook);
            match read.map_err(|error| error.to_string())? {
                Some(change) => Some(change),
                // It says that nothing was done.
                None => return Ok(()),
            }
        } else {
            let id = short(text("id")?)?;
            self.of_topic(topic).map(|about| changed(about, id, at))
        };
        match change {
            Some(change) => {
                for text in [&change.event, &change.id.to_string()] {
                    short(text)?;
                }
                let events = heard.orgs.entry(short(org)?.to_owned()).or_default();
                events.push(change.event.clone());
                heard.changes.push(change);
            }
            None => {
                // The name without the ids: `v2.users.{id}.presence`.
                let name = short(text("detail-type")?)?.to_owned();
                *heard.others.entry(name).or_default() += 1;
            }
        }
        Ok(())
    }

    fn plain(&self, event: Value, heard: &mut Heard) -> Result<(), String> {
        let plain: Plain = serde_json::from_value(event).map_err(|error| error.to_string())?;
        for object in plain.objects {
            let kind = Kind::new(&object.kind);
            if !self.knows(&kind) {
                return Err(format!("there is no kind {:?}", short(&object.kind)?));
            }
            let event = short(&plain.event)?;
            let mut change = changed((kind, short(&object.id)?.to_owned()), event, plain.at);
            if let Some(action) = object.action {
                change.action = short(&action)?.to_owned();
            }
            heard.changes.push(change);
        }
        Ok(())
    }
}

/// Makes the change of which no more is known than its object.
pub(super) fn changed((kind, id): (Kind, String), event: &str, at: Timestamp) -> Change {
    Change {
        event: event.to_owned(),
        kinds: vec![kind],
        id: SourceId::new(&id),
        key: None,
        name: None,
        at,
        by: Author::default(),
        action: String::new(),
        service: String::new(),
        entity: String::new(),
        properties: Vec::new(),
        origin: Origin::Hook,
    }
}

fn short(text: &str) -> Result<&str, String> {
    match text.len() <= MAX_TEXT {
        true => Ok(text),
        false => Err(format!("a text is longer than {MAX_TEXT} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::catalogue::Catalogue;

    fn hear(body: &Value) -> Result<Heard, HookError> {
        Subjects::new(Catalogue::builtin()).hook(body.to_string().as_bytes())
    }

    fn event() -> Value {
        json!({
            "version": "0",
            "id": "e1",
            "detail-type": "v2.audits.entitytype.{id}.entityid.{id}",
            "source": "aws.partner/genesys.com/cloud/org-1/suffix",
            "account": "000000000000",
            "time": "2026-11-27T10:00:00Z",
            "region": "us-east-1",
            "resources": [],
            "detail": {
                "topicName": "v2.audits.entitytype.queue.entityid.q1",
                "version": "1",
                "eventBody": {
                    "id": "a1",
                    "userId": "u1",
                    "userDisplay": "Priya Raman",
                    "serviceName": "ContactCenter",
                    "eventTime": "2026-11-27T09:59:59Z",
                    "action": "MemberAdd",
                    "entityType": "QUEUE",
                    "entity": { "id": "q1", "name": "Billing" },
                },
            },
        })
    }

    #[test]
    fn an_event_of_the_bus_is_an_audit() {
        let heard = hear(&event()).expect("an event");
        let [change] = &heard.changes[..] else {
            panic!("one change: {heard:?}");
        };
        assert_eq!(change.kinds, [Kind::new("routing_queue")]);
        assert_eq!((change.id.as_str(), &*change.event), ("q1", "a1"));
        assert_eq!(change.by.to_string(), "Priya Raman");
        assert_eq!(change.origin, Origin::Hook);
        assert_eq!(heard.orgs["org-1"], ["a1"]);
    }

    #[test]
    fn other_topics_are_told_and_those_that_say_nothing_of_objects_are_counted() {
        let mut flow = event();
        flow["detail"]["topicName"] = "v2.flows.f1".into();
        let mut presence = event();
        presence["detail-type"] = "v2.users.{id}.presence".into();
        presence["detail"]["topicName"] = "v2.users.u1.presence".into();
        let heard = hear(&json!([flow, presence, presence])).expect("events");
        assert_eq!(heard.changes.len(), 1);
        assert_eq!(heard.changes[0].kinds, [Kind::new("flow")]);
        assert_eq!(heard.changes[0].id.as_str(), "f1");
        let others = BTreeMap::from([("v2.users.{id}.presence".to_owned(), 2)]);
        assert_eq!(heard.others, others);
    }

    #[test]
    fn other_systems_name_objects() {
        let mut body = json!({
            "event": "deploy-7",
            "at": "2026-11-27T10:00:00Z",
            "objects": [{ "kind": "flow", "id": "f1", "action": "Publish" }],
        });
        let heard = hear(&body).expect("objects");
        assert_eq!(heard.changes[0].action, "Publish");
        body["objects"][0]["kind"] = "flows".into();
        let error = hear(&body).expect_err("no such kind");
        assert_eq!(error.to_string(), "event 0: there is no kind \"flows\"");
        body["surprise"] = 1.into();
        assert!(hear(&body).is_err());
    }

    #[test]
    fn what_is_not_understood_says_what_it_lacks() {
        for (pointer, value, problem) in [
            ("/source", json!("aws.ec2"), "its source is not"),
            ("/source", json!("aws.partner/genesys.com/"), "names no org"),
            ("/time", json!("noon"), "time is no time"),
            ("/detail/topicName", json!(7), "topicName is missing"),
            ("/detail/eventBody/entityType", json!(""), "no entityType"),
            (
                "/detail/eventBody/id",
                json!("x".repeat(600)),
                "longer than",
            ),
        ] {
            let mut event = event();
            *event.pointer_mut(pointer).expect("a place") = value;
            let error = hear(&event).expect_err(problem).to_string();
            assert!(error.contains(problem), "{error}");
        }
        let subjects = Subjects::new(Catalogue::builtin());
        let large = vec![b' '; MAX_BODY + 1];
        assert_eq!(
            subjects.hook(&large),
            Err(HookError::TooLarge(MAX_BODY + 1))
        );
        let many = Value::Array(vec![event(); MAX_EVENTS + 1]).to_string();
        let refused = subjects.hook(many.as_bytes());
        assert!(matches!(
            refused,
            Err(HookError::TooMany(_) | HookError::TooLarge(_))
        ));
        assert!(matches!(subjects.hook(b"{"), Err(HookError::NotJson(_))));
        let deep = "[".repeat(100_000);
        assert!(matches!(
            subjects.hook(deep.as_bytes()),
            Err(HookError::NotJson(_))
        ));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Subjects::new(Catalogue::builtin()).hook(&bytes);
        }
    }
}
