//! Listens to notifications, and says what may have been missed.

use std::time::Duration;

use jiff::Timestamp;
use orgsmith_client::{Call, Socket, path_segment};
use orgsmith_core::changes::{Change, Message, Subjects, Topics};
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::audits::Unasked;
use crate::chain::chain;
use crate::org::Org;

const CHANNELS: &str = "/api/v2/notifications/channels";

/// A heartbeat comes every thirty seconds; after as long without one, a ping asks for a sign of life.
const QUIET: Duration = Duration::from_secs(45);
/// Without an answer to it for as long, the connection is taken for dead.
const DEAD: Duration = Duration::from_secs(15);
/// A channel lives for a day from its last subscription: it is renewed in time.
const RENEW: Duration = Duration::from_secs(20 * 3600);
/// Between two attempts to connect, each twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LAST_WAIT: Duration = Duration::from_secs(60);
/// What is told and not yet taken; who does not listen holds the socket up, and loses nothing.
const BACKLOG: usize = 1_000;

/// What a listener tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Something changed.
    Change(Box<Change>),
    /// A channel is connected. What changed between the two times was not heard: poll for it.
    Gap {
        /// Since when nothing was heard for sure.
        since: Timestamp,
        /// When the channel was connected.
        until: Timestamp,
    },
    /// Topics that the org does not grant, with the reason of one: poll for what they are about.
    Rejected {
        /// How many.
        topics: usize,
        /// Why.
        reason: String,
    },
    /// A channel is not connected; it is tried again. Poll until the gap is told.
    Lost(Unasked),
}

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Listener {
    told: Receiver<Told>,
    // Dropping it ends the tasks.
    _tasks: JoinSet<()>,
}

impl Listener {
    /// Waits for what is told next.
    pub async fn next(&mut self) -> Option<Told> {
        self.told.recv().await
    }
}

/// Begins to listen to topics, one channel and one socket for each list of them.
///
/// `since` is when the caller has last read the org: the first gap begins there. `clock` says what time
/// it is. Connections that break are made again, ever more slowly; each time a gap says what was
/// missed.
pub fn listen(
    org: &Org,
    subjects: &Subjects,
    topics: Topics,
    since: Timestamp,
    clock: impl Fn() -> Timestamp + Clone + Send + Sync + 'static,
) -> Listener {
    let (sender, told) = channel(BACKLOG);
    let mut tasks = JoinSet::new();
    for topics in topics.channels {
        let ear = Ear {
            org: org.clone(),
            subjects: subjects.clone(),
            topics,
            clock: clock.clone(),
            told: sender.clone(),
        };
        tasks.spawn(ear.listen(since));
    }
    Listener {
        told,
        _tasks: tasks,
    }
}

/// One channel.
struct Ear<C> {
    org: Org,
    subjects: Subjects,
    topics: Vec<String>,
    clock: C,
    told: Sender<Told>,
}

/// A channel of the org.
struct Channel {
    id: String,
    uri: String,
}

/// Nobody listens to what is told any more.
struct Unheard;

impl<C: Fn() -> Timestamp> Ear<C> {
    async fn listen(self, since: Timestamp) {
        // It ends where nobody listens any more.
        let _ = self.run(since).await;
    }

    async fn run(&self, mut since: Timestamp) -> Result<(), Unheard> {
        let mut wait = FIRST_WAIT;
        let mut known: Option<Channel> = None;
        loop {
            match self.connect(known.take()).await? {
                Ok((mut socket, channel)) => {
                    let until = (self.clock)();
                    self.tell(Told::Gap { since, until }).await?;
                    let connected = Instant::now();
                    since = self.hear(&mut socket, &channel).await?;
                    // One that breaks at once is no better than none.
                    if connected.elapsed() >= LAST_WAIT {
                        wait = FIRST_WAIT;
                    }
                    socket.close().await;
                    known = Some(channel);
                }
                Err(lost) => self.tell(Told::Lost(lost)).await?,
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LAST_WAIT);
        }
    }

    async fn tell(&self, told: Told) -> Result<(), Unheard> {
        self.told.send(told).await.map_err(|_| Unheard)
    }

    /// Subscribes a channel, the known one while it lives, and connects to it.
    async fn connect(
        &self,
        known: Option<Channel>,
    ) -> Result<Result<(Socket, Channel), Unasked>, Unheard> {
        let mut rejected = None;
        let connected = async {
            let client = &self.org.client;
            let renewed = match known {
                Some(channel) => match self.subscribe(&channel).await {
                    Ok(no) => {
                        rejected = no;
                        Some(channel)
                    }
                    Err(error) if error.status() == Some(404) => None,
                    Err(error) => return Err(error),
                },
                None => None,
            };
            let channel = match renewed {
                Some(channel) => channel,
                None => {
                    let made = client.send(Call::post(CHANNELS)).await?.body;
                    let text = |field: &str| made[field].as_str().unwrap_or_default().to_owned();
                    let channel = Channel {
                        id: text("id"),
                        uri: text("connectUri"),
                    };
                    rejected = self.subscribe(&channel).await?;
                    channel
                }
            };
            // Subscribed first, so that nothing is missed once the socket stands.
            let socket = client.socket(&channel.uri).await?;
            Ok((socket, channel))
        };
        let connected = connected.await;
        if let Some(rejected) = rejected {
            self.tell(rejected).await?;
        }
        Ok(connected.map_err(|error| {
            let what = "a notification channel".to_owned();
            Unasked::because(&self.org, what, chain(&error))
        }))
    }

    /// Subscribes to the topics; tells those that are not granted.
    async fn subscribe(&self, channel: &Channel) -> Result<Option<Told>, orgsmith_client::Error> {
        let topics = self.topics.iter().map(|topic| json!({ "id": topic }));
        let path = format!("{CHANNELS}/{}/subscriptions", path_segment(&channel.id));
        let call = Call::put(path)
            .query("ignoreErrors", true)
            .json(topics.collect());
        let answer = self.org.client.send(call).await?.body;
        let states = answer["entities"].as_array().into_iter().flatten();
        let rejected: Vec<&Value> = states
            .filter(|topic| topic["state"] == "Rejected")
            .collect();
        Ok(rejected.first().map(|one| Told::Rejected {
            topics: rejected.len(),
            reason: one["rejectionReason"]
                .as_str()
                .unwrap_or("no reason given")
                .to_owned(),
        }))
    }

    /// Tells what comes until the connection ends; returns since when nothing was heard for sure.
    async fn hear(&self, socket: &mut Socket, channel: &Channel) -> Result<Timestamp, Unheard> {
        let mut heard = (self.clock)();
        let mut renew = Instant::now() + RENEW;
        loop {
            let text = match timeout(QUIET, socket.next()).await {
                Ok(text) => text,
                Err(_) => {
                    let ping = json!({ "message": "ping" }).to_string();
                    match socket.say(&ping).await {
                        true => timeout(DEAD, socket.next()).await.unwrap_or(None),
                        false => None,
                    }
                }
            };
            let Some(text) = text else {
                return Ok(heard);
            };
            heard = (self.clock)();
            match self.subjects.message(&text, heard) {
                Message::Change(change) => self.tell(Told::Change(change)).await?,
                Message::Closing => return Ok(heard),
                Message::Alive => {}
                Message::Other(topic) => {
                    tracing::debug!(org = %self.org.name, topic, "a message about nothing known");
                }
            }
            if Instant::now() >= renew {
                match self.subscribe(channel).await {
                    Ok(_) => renew = Instant::now() + RENEW,
                    // A new connection tells what is wrong.
                    Err(_) => return Ok(heard),
                }
            }
        }
    }
}
