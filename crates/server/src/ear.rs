//! Orgs that are listened to: notifications come over a socket within seconds, and cost no calls.
//!
//! One process at a time listens to an org, as the desk says. What is not heard while no socket stands, and
//! what is new in an org, is found by asking the audits or by the scan.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::changes::{Listen, MAX_CHANNELS, Subjects, Topics};
use orgsmith_core::id::{Kind, OrgName, SourceId};
use orgsmith_engine::Stop;
use orgsmith_engine::changes::{Listener, Told as Heard, listen};
use orgsmith_store::state::MappingFilter;
use serde::{Deserialize, Serialize};
use tracing::{debug, info, warn};

use crate::problem::Problem;
use crate::service::Service;
use crate::told::Told;
use crate::watch::later;

/// How often a process says that it still listens.
const BEAT: Duration = Duration::from_secs(15);
/// How long after the last of these another may.
const PATIENCE: SignedDuration = SignedDuration::from_secs(45);
/// After so many of them it is looked whether there are objects that are not listened to.
const LOOK: u32 = 20;
/// Channels of an org: half of those that a client may have, as others may use it too.
const CHANNELS: usize = MAX_CHANNELS / 2;

/// Who listens to an org.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Ear {
    by: String,
    until: Timestamp,
}

/// The objects that are listened to, by their ids in the org.
type Objects = BTreeSet<(Kind, SourceId)>;

impl Service {
    /// Listens to the orgs that are kept, and their sources, until asked to stop.
    pub async fn listen(&self, stop: Stop) {
        if !self.settings().notifications {
            return;
        }
        let orgs = self.to_be_watched();
        let all = orgs.iter().map(async |org| {
            loop {
                let heard = tokio::select! {
                    heard = self.hear(org) => heard,
                    () = stop.asked() => break,
                };
                if let Err(problem) = heard {
                    warn!(
                        org,
                        problem = problem.detail,
                        "the org cannot be listened to"
                    );
                }
                tokio::select! {
                    () = tokio::time::sleep(BEAT) => {}
                    () = stop.asked() => break,
                }
            }
            // Others need not wait for it to run out.
            if let Err(problem) = self.claim_ear(org, SignedDuration::ZERO).await {
                warn!(
                    org,
                    problem = problem.detail,
                    "nobody else is let listen yet"
                );
            }
        });
        join_all(all).await;
    }

    /// Listens to an org, unless another process does, until one does.
    async fn hear(&self, org: &str) -> Result<(), Problem> {
        let mut listened: Objects = BTreeSet::new();
        let mut listener: Option<Listener> = None;
        let mut beats = 0_u32;
        let mut beat = tokio::time::interval(BEAT);
        loop {
            let next = async {
                match &mut listener {
                    Some(listener) => listener.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = beat.tick() => {
                    if !self.claim_ear(org, PATIENCE).await? {
                        return Ok(());
                    }
                    if beats.is_multiple_of(LOOK) {
                        let objects = self.known_objects(org).await?;
                        if objects != listened {
                            listener = self.listener(org, &objects)?;
                            listened = objects;
                        }
                    }
                    beats = beats.wrapping_add(1);
                }
                heard = next => match heard {
                    Some(Heard::Change(change)) => {
                        let told = Told::of(org, std::slice::from_ref(&change));
                        self.told_of(org, &told, Timestamp::now()).await?;
                    }
                    Some(Heard::Rejected { topics, reason }) => {
                        info!(org, topics, reason, "not all topics are granted");
                    }
                    Some(Heard::Lost(why)) => info!(org, %why, "not listening; it is tried again"),
                    Some(Heard::Gap { since, until }) => debug!(org, %since, %until, "connected"),
                    None => listener = None,
                },
            }
        }
    }

    /// Begins to listen to objects; nothing where no topic tells of any.
    fn listener(&self, org: &str, objects: &Objects) -> Result<Option<Listener>, Problem> {
        let subjects = Subjects::new(Catalogue::builtin());
        let known = objects.iter().map(|(kind, id)| (kind, id));
        let topics = subjects.listen(known, Listen::Audits, CHANNELS);
        let Topics {
            channels, beyond, ..
        } = &topics;
        if !beyond.is_empty() {
            let beyond: usize = beyond.values().sum();
            info!(org, beyond, "objects for which no channel is left");
        }
        if channels.is_empty() {
            return Ok(None);
        }
        let connected = self.worker().connect(org).map_err(Problem::internal)?;
        let now = Timestamp::now();
        Ok(Some(listen(
            &connected,
            &subjects,
            topics,
            now,
            Timestamp::now,
        )))
    }

    /// Takes the right to listen to an org for a while, or keeps it.
    async fn claim_ear(&self, org: &str, long: SignedDuration) -> Result<bool, Problem> {
        let name = format!("ear/{org}");
        let (ear, was): (Ear, String) = self.read_note(&name).await?;
        let now = Timestamp::now();
        if ear.by != self.owner() && now < ear.until {
            return Ok(false);
        }
        let ear = Ear {
            by: self.owner().to_owned(),
            until: later(now, long),
        };
        Ok(self.swap_note(&name, &was, &ear).await?.is_some())
    }

    /// Lists the objects of an org whose ids are known: it was written to, or its objects elsewhere.
    async fn known_objects(&self, org: &str) -> Result<Objects, Problem> {
        let name = || Some(OrgName::new(org));
        let written = MappingFilter {
            target_org: name(),
            ..MappingFilter::default()
        };
        let read = MappingFilter {
            source_org: name(),
            ..MappingFilter::default()
        };
        let written = self.state().mappings(&written).await?.into_iter();
        let written =
            written.map(|known| (known.object.kind, SourceId::new(known.target_id.as_str())));
        let read = self.state().mappings(&read).await?.into_iter();
        let read = read.filter_map(|known| Some((known.object.kind, known.source_id?)));
        Ok(written.chain(read).collect())
    }
}
