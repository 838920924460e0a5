//! What changed in an org, as every source tells it: re-read these objects.
//!
//! Audits ([`Subjects::audit`]), what is posted to a hook ([`Subjects::hook`], behind a [`Proof`] and
//! [`Replays`]) and notifications ([`Subjects::message`]) become the same value, a [`Change`]. A
//! [`Cursor`] remembers where a poll of the audits goes on. What a service and an entity of it are in the catalogue is data of
//! the kind files (`audit`, `topics`); what no kind file names is told as it is, with no kind, never
//! dropped. Nothing here knows a clock or a network: those who ask are in `engine::changes`.

mod audit;
mod cursor;
mod hook;
mod notification;
mod proof;
mod subjects;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{Key, Kind, SourceId};

pub use audit::Unreadable;
pub use cursor::{Cursor, OVERLAP, Services, Window};
pub use hook::{Heard, HookError, MAX_BODY, MAX_EVENTS};
pub use notification::{Listen, MAX_CHANNELS, MAX_TOPICS, Message, Topics};
pub use proof::{
    API_KEY, Admission, EVENT_WITHIN, Proof, Replays, SIGNATURE, SIGNED_WITHIN, Shown, Unproven,
    sign,
};
pub use subjects::Subjects;

/// One change that a source tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The source's own id of what it tells: the same twice is one change.
    pub event: String,
    /// The kinds that the object may be of: mostly one, none where no kind file names the entity.
    pub kinds: Vec<Kind>,
    /// The object's id; empty where the source does not say it.
    pub id: SourceId,
    /// The object's key, where whoever asked knew it.
    pub key: Option<Key>,
    /// What the source calls the object.
    pub name: Option<String>,
    /// When it was changed.
    pub at: Timestamp,
    /// Who changed it, as far as the source says.
    pub by: Author,
    /// What was done, in the source's word: `Update`, `MemberAdd`, …
    pub action: String,
    /// The service that the object belongs to.
    pub service: String,
    /// The type of entity, in the service's word.
    pub entity: String,
    /// The properties that changed, where the source says.
    pub properties: Vec<String>,
    /// Who told.
    pub origin: Origin,
}

impl Change {
    /// Tells whether the object is said to be gone; only reading it again shows it.
    pub fn deletes(&self) -> bool {
        let deleting = [
            "Delete",
            "HardDelete",
            "SoftDelete",
            "BulkDelete",
            "DeleteAll",
        ];
        deleting.contains(&self.action.as_str())
    }
}

/// Who tells of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The audits were asked.
    Audit,
    /// A notification came over a channel.
    Notification,
    /// Somebody posted it: EventBridge, or another system.
    Hook,
}

/// Who did something: a person, by some client, or a client alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Author {
    /// The person.
    pub user: Option<Actor>,
    /// The OAuth client.
    pub client: Option<Actor>,
}

/// A person or a client, by id and, where it is told, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Actor {
    /// The id.
    pub id: String,
    /// The name.
    pub name: Option<String>,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_deref().unwrap_or(&self.id))
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.user, &self.client) {
            (Some(user), Some(client)) => write!(f, "{user} (by {client})"),
            (Some(who), None) => write!(f, "{who}"),
            (None, Some(client)) => write!(f, "client {client}"),
            (None, None) => f.write_str("unknown"),
        }
    }
}
