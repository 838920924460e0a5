//! What writes tell to those who listen: notification channels and, outside, an event bus.
//!
//! Everything comes out of the audits ([`crate::audit`]): there is one place where a write is told.

pub(crate) mod bridge;
pub(crate) mod socket;
pub(crate) mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use crate::clock::spell;
use crate::state::State;

/// How long a channel lives from its creation or its last subscription.
pub(crate) const LIFE: SignedDuration = SignedDuration::from_hours(24);
/// Channels of one client.
pub(crate) const MAX_CHANNELS: usize = 20;
/// Topics of one channel.
pub(crate) const MAX_TOPICS: usize = 1_000;

/// What goes to a socket.
#[derive(Debug, Clone)]
pub(crate) enum Push {
    /// A message.
    Say(String),
    /// The end of the connection.
    Close,
}

/// Those who listen to one org.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) channels: BTreeMap<String, Channel>,
    /// Where events for the bus go.
    pub(crate) bridge: Option<UnboundedSender<Value>>,
}

/// A notification channel.
#[derive(Debug)]
pub(crate) struct Channel {
    /// The client that made it.
    pub(crate) client: String,
    pub(crate) expires: Timestamp,
    pub(crate) topics: BTreeSet<String>,
    pub(crate) sockets: Vec<UnboundedSender<Push>>,
}

impl Channel {
    fn push(&mut self, push: &Push) {
        self.sockets
            .retain(|socket| socket.send(push.clone()).is_ok());
    }
}

impl Events {
    /// Tells of an audit.
    pub(crate) fn tell(&mut self, audit: &Value, now: Timestamp) {
        self.expire(now);
        if let Some(bridge) = &self.bridge {
            // Nobody posts any more where the simulator ends.
            let _ = bridge.send(audit.clone());
        }
        for topic in topics::of(audit) {
            let told = json!({
                "topicName": topic.name,
                "version": "2",
                "eventBody": topic.body,
                "metadata": { "CorrelationId": audit["id"] },
            });
            let push = Push::Say(told.to_string());
            let channels = self.channels.values_mut();
            for channel in channels.filter(|channel| channel.topics.contains(&topic.name)) {
                channel.push(&push);
            }
        }
    }

    /// Ends the channels whose time is over.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.channels.retain(|_, channel| {
            let lives = now < channel.expires;
            if !lives {
                channel.push(&Push::Close);
            }
            lives
        });
    }

    /// Warns every socket that it will be closed, and closes it.
    pub(crate) fn close(&mut self) {
        let warning = json!({
            "topicName": "v2.system.socket_closing",
            "version": "2",
            "eventBody": { "message": "This websocket will be closed; connect again." },
        });
        for channel in self.channels.values_mut() {
            channel.push(&Push::Say(warning.to_string()));
            channel.push(&Push::Close);
            channel.sockets.clear();
        }
    }

    /// Shows a channel.
    pub(crate) fn show(&self, id: &str, base_url: &str) -> Value {
        let expires = self.channels.get(id).map(|channel| spell(channel.expires));
        // The scheme of http becomes that of a socket: http, ws; https, wss.
        let socket = base_url.replacen("http", "ws", 1);
        json!({
            "connectUri": format!("{socket}{}{id}", socket::PATH),
            "id": id,
            "expires": expires,
        })
    }
}

impl State {
    /// Has every audit told to the bus from now on.
    pub(crate) fn attach(&mut self, bridge: UnboundedSender<Value>) {
        for org in self.orgs.values_mut() {
            org.events.bridge = Some(bridge.clone());
        }
        self.bridge = Some(bridge);
    }

    /// Adds a socket to a channel; tells whether there is such a channel.
    pub(crate) fn listen(&mut self, channel: &str, socket: UnboundedSender<Push>) -> bool {
        self.expire_channels();
        let mut orgs = self.orgs.values_mut();
        let found = orgs.find_map(|org| org.events.channels.get_mut(channel));
        found.map(|channel| channel.sockets.push(socket)).is_some()
    }

    /// Ends the channels whose time is over.
    pub(crate) fn expire_channels(&mut self) {
        let now = self.clock.now();
        for org in self.orgs.values_mut() {
            org.events.expire(now);
        }
    }

    /// Lets time pass at once.
    pub(crate) fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
        self.expire_channels();
    }
}
