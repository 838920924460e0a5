//! Reads an audit, as the API answers it and as its topic sends it.

use jiff::Timestamp;
use serde_json::Value;

use super::{Actor, Author, Change, Origin, Subjects};
use crate::id::SourceId;

/// Says why something is no audit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit {event:?} has no {field} that makes sense")]
pub struct Unreadable {
    /// Its id, as far as it has one.
    pub event: String,
    /// What is missing, or is not what it should be.
    pub field: &'static str,
}

impl Subjects {
    /// Reads one audit; nothing where it says that nothing was done.
    ///
    /// The query API and the audit topic spell some fields differently (`eventDate` and `eventTime`,
    /// `user` and `userId`): both are read.
    ///
    /// # Errors
    /// It has no id, no service, no entity or no time.
    pub fn audit(&self, audit: &Value, origin: Origin) -> Result<Option<Change>, Unreadable> {
        let event = text(audit, "id").unwrap_or_default();
        let unreadable = |field| Unreadable {
            event: event.to_owned(),
            field,
        };
        let required = |field: &'static str| text(audit, field).ok_or_else(|| unreadable(field));
        if event.is_empty() {
            return Err(unreadable("id"));
        }
        let service = required("serviceName")?;
        let entity = required("entityType")?;
        let at = text(audit, "eventDate").or_else(|| text(audit, "eventTime"));
        let at: Option<Timestamp> = at.and_then(|at| at.parse().ok());
        let at = at.ok_or_else(|| unreadable("eventDate"))?;
        // What failed changed nothing.
        if text(audit, "status").is_some_and(|status| status.eq_ignore_ascii_case("FAILURE")) {
            return Ok(None);
        }
        let changes = audit["propertyChanges"].as_array().into_iter().flatten();
        let mut properties: Vec<String> = changes
            .filter_map(|change| Some(text(change, "property")?.to_owned()))
            .collect();
        properties.sort();
        properties.dedup();
        Ok(Some(Change {
            event: event.to_owned(),
            kinds: self.kinds(service, entity),
            id: SourceId::new(text(&audit["entity"], "id").unwrap_or_default()),
            key: None,
            name: text(&audit["entity"], "name").map(str::to_owned),
            at,
            by: author(audit),
            action: text(audit, "action").unwrap_or_default().to_owned(),
            service: service.to_owned(),
            entity: entity.to_owned(),
            properties,
            origin,
        }))
    }
}

fn author(audit: &Value) -> Author {
    let actor = |id: Option<&str>, name: Option<&str>| {
        id.map(|id| Actor {
            id: id.to_owned(),
            name: name.map(str::to_owned),
        })
    };
    let user = &audit["user"];
    let display = text(audit, "userDisplay").or_else(|| text(&audit["username"], "name"));
    let client = &audit["client"];
    let client_id = text(client, "id")
        .or_else(|| text(audit, "clientId"))
        .or_else(|| text(&audit["clientId"], "id"));
    Author {
        user: actor(
            text(user, "id").or_else(|| text(audit, "userId")),
            text(user, "name").or(display),
        ),
        client: actor(client_id, text(client, "name")),
    }
}

/// Returns a text that says something.
fn text<'v>(value: &'v Value, field: &str) -> Option<&'v str> {
    let text = value.get(field)?.as_str()?;
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::Catalogue;

    fn subjects() -> Subjects {
        Subjects::new(Catalogue::builtin())
    }

    fn audit() -> Value {
        json!({
            "id": "a1",
            "user": { "id": "u1", "name": "Priya Raman", "selfUri": "/api/v2/users/u1" },
            "client": { "id": "c1" },
            "serviceName": "ContactCenter",
            "eventDate": "2026-11-27T10:00:00.000Z",
            "action": "Update",
            "entity": { "id": "q1", "name": "Billing" },
            "entityType": "Queue",
            "status": "SUCCESS",
            "propertyChanges": [
                { "property": "skillEvaluationMethod", "oldValues": ["ALL"], "newValues": ["BEST"] },
                { "property": "description" },
                { "property": "description" },
            ],
        })
    }

    #[test]
    fn an_audit_says_what_who_and_when() {
        let change = subjects().audit(&audit(), Origin::Audit);
        let change = change.expect("an audit").expect("a change");
        assert_eq!(change.kinds, [crate::id::Kind::new("routing_queue")]);
        assert_eq!(change.id.as_str(), "q1");
        assert_eq!(change.at.to_string(), "2026-11-27T10:00:00Z");
        assert_eq!(change.by.to_string(), "Priya Raman (by c1)");
        assert_eq!(change.properties, ["description", "skillEvaluationMethod"]);
    }

    #[test]
    fn the_audit_topic_says_the_same_in_its_own_words() {
        let of_topic = json!({
            "id": "a1",
            "userId": "u1",
            "userDisplay": "Priya Raman",
            "clientId": { "id": "c1" },
            "serviceName": "ContactCenter",
            "eventTime": "2026-11-27T10:00:00Z",
            "action": "Update",
            "entity": { "id": "q1", "name": "Billing" },
            "entityType": "QUEUE",
            "propertyChanges": [{ "property": "skillEvaluationMethod" }, { "property": "description" }],
        });
        let read = |audit: &Value| {
            let change = subjects().audit(audit, Origin::Hook);
            change.expect("an audit").expect("a change")
        };
        let told = read(&of_topic);
        assert_eq!(told.entity, "QUEUE");
        let entity = "Queue".to_owned();
        assert_eq!(Change { entity, ..told }, read(&audit()));
    }

    #[test]
    fn what_failed_changed_nothing() {
        let mut audit = audit();
        audit["status"] = "FAILURE".into();
        assert_eq!(subjects().audit(&audit, Origin::Audit), Ok(None));
    }

    #[test]
    fn what_nobody_knows_is_told_without_a_kind() {
        let mut audit = audit();
        audit["entityType"] = "Teapot".into();
        audit["client"]["id"] = "".into();
        audit["user"] = Value::Null;
        let change = subjects().audit(&audit, Origin::Audit);
        let change = change.expect("an audit").expect("a change");
        assert!(change.kinds.is_empty());
        assert_eq!(change.entity, "Teapot");
        assert_eq!(change.by, Author::default());
    }

    #[test]
    fn what_is_no_audit_says_what_it_lacks() {
        for (field, value) in [
            ("id", Value::Null),
            ("serviceName", 7.into()),
            ("entityType", "".into()),
            ("eventDate", "yesterday".into()),
        ] {
            let mut audit = audit();
            audit[field] = value;
            let error = subjects().audit(&audit, Origin::Audit);
            assert_eq!(error.expect_err("no audit").field, field);
        }
        let error = subjects().audit(&Value::from("text"), Origin::Audit);
        assert_eq!(error.expect_err("no audit").field, "id");
    }
}
