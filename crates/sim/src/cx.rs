//! What a handler may use: the caller's org, the time, and who calls.

use std::collections::BTreeSet;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use crate::auth::Permits;
use crate::error::Refusal;
use crate::kind::Kind;
use crate::refs::id_of;
use crate::routes::registry;
use crate::storage::{PREFIX, Slot, Uploaded};
use crate::store::{Fields, Object};
use crate::world::Org;

/// Represents one call while it is handled.
pub(crate) struct Cx<'a> {
    pub(crate) org: &'a mut Org,
    pub(crate) now: Timestamp,
    /// Where the simulator is reached, without a slash at the end.
    pub(crate) base_url: &'a str,
    pub(crate) caller: Caller,
    /// The id of the object that the call was about, for the ledger.
    pub(crate) touched: Option<String>,
}

/// Says who calls.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// The world is being furnished: nothing is forbidden.
    Seed,
    /// An OAuth client.
    Client {
        id: String,
        permits: Permits,
        /// The ids of the divisions that it may act in; all when `None`.
        divisions: Option<BTreeSet<String>>,
    },
}

impl Caller {
    /// Names the caller in `createdBy` and audits.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Seed => "system",
            Self::Client { id, .. } => id,
        }
    }

    pub(crate) fn may(&self, permission: &str) -> bool {
        match self {
            Self::Seed => true,
            Self::Client { permits, .. } => permits.allow(permission),
        }
    }

    /// Tells whether the caller may act in a division.
    pub(crate) fn may_in(&self, division: &str) -> bool {
        match self {
            Self::Seed
            | Self::Client {
                divisions: None, ..
            } => true,
            Self::Client {
                divisions: Some(ids),
                ..
            } => ids.contains(division),
        }
    }
}

impl Cx<'_> {
    /// Finds an object that a path names; 404 while it cannot be read yet.
    pub(crate) fn find(&self, kind: &str, id: &str) -> Result<&Object, Refusal> {
        self.org
            .store
            .get(kind, id)
            .filter(|object| object.readable_at <= self.now)
            .ok_or_else(|| Refusal::not_found(kind, id))
    }

    /// As `find`, but a soft-deleted object is not there.
    pub(crate) fn find_live(&self, kind: &str, id: &str) -> Result<&Object, Refusal> {
        self.find(kind, id)
            .and_then(|object| match object.text("state") {
                "deleted" => Err(Refusal::not_found(kind, id)),
                _ => Ok(object),
            })
    }

    /// Refuses a caller that may not act in the division of these fields.
    pub(crate) fn check_division(&self, fields: &Fields) -> Result<(), Refusal> {
        match fields.get("division").and_then(id_of) {
            Some(division) if !self.caller.may_in(division) => Err(Refusal::new(
                403,
                "missing.division.permission",
                format!("You are missing the permission in division {division}."),
            )),
            _ => Ok(()),
        }
    }

    /// Creates an object that has passed its checks.
    pub(crate) fn insert(&mut self, kind: &'static Kind, id: &str, fields: Fields) {
        let sight = self.org.sight(kind, self.now);
        crate::audit::record(self, kind, "Create", id, None, Some(&fields));
        self.org.store.insert(kind, id, fields, sight);
        self.touched = Some(id.to_owned());
    }

    /// Replaces the fields of an object.
    pub(crate) fn replace(&mut self, kind: &'static Kind, id: &str, fields: Fields) {
        let sight = self.org.sight(kind, self.now);
        let old = self.org.store.get(kind.name, id).map(|o| o.fields.clone());
        crate::audit::record(self, kind, "Update", id, old.as_ref(), Some(&fields));
        self.org.store.replace(kind, id, fields, sight);
        self.touched = Some(id.to_owned());
    }

    /// Removes an object for good.
    pub(crate) fn remove(&mut self, kind: &'static Kind, id: &str) {
        let sight = self.org.sight(kind, self.now);
        let old = self.org.store.get(kind.name, id).map(|o| o.fields.clone());
        crate::audit::record(self, kind, "Delete", id, old.as_ref(), None);
        self.org.store.remove(kind, id, self.now, sight.listed_at);
        self.touched = Some(id.to_owned());
    }

    /// Shows an object as it is now.
    pub(crate) fn show(&self, kind: &str, id: &str) -> Value {
        let shown = registry().kind(kind).and_then(|kind| {
            let object = self.org.store.get(kind.name, id)?;
            Some(self.org.view(kind, id, &object.fields))
        });
        shown.map_or(Value::Null, Value::Object)
    }

    /// Hands out a URL that takes a file for a subject.
    pub(crate) fn upload(&mut self, subject: &str, then: Uploaded) -> String {
        self.upload_with(subject, Vec::new(), then)
    }

    /// Hands out a URL that takes a file from a request with these headers, names in small letters.
    pub(crate) fn upload_with(
        &mut self,
        subject: &str,
        headers: Vec<(&'static str, String)>,
        then: Uploaded,
    ) -> String {
        self.slot(Slot::Upload {
            subject: subject.to_owned(),
            headers,
            then,
        })
    }

    /// Hands out a URL that gives a file.
    pub(crate) fn download(&mut self, content: Bytes, content_type: &str) -> String {
        let content_type = content_type.to_owned();
        self.slot(Slot::Download {
            content,
            content_type,
        })
    }

    fn slot(&mut self, slot: Slot) -> String {
        let name = format!("{}-{}", self.org.new_id(), self.org.new_id());
        let url = format!("{}{PREFIX}{name}", self.base_url);
        self.org.storage.slots.insert(name, slot);
        url
    }
}
