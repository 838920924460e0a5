//! Orgs that are watched: their audits are asked what changed, with as few calls as can be.
//!
//! How far each org was asked is in the desk, so that of any number of processes one asks at a time, and
//! another goes on where it was. What is found is told as what a hook tells: objects to be read again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::changes::Cursor;
use orgsmith_core::id::Kind;
use orgsmith_engine::Stop;
use orgsmith_engine::changes::{Polled, poll};
use serde::{Deserialize, Serialize};
use tracing::{debug, info, warn};

use crate::problem::Problem;
use crate::service::Service;
use crate::told::Told;

/// How often it is looked whether an org is to be asked.
const LOOK: Duration = Duration::from_millis(500);
/// Orgs that are asked at once.
const AT_ONCE: usize = 16;
/// An org that cannot be asked is tried again after so long at the earliest.
const REFUSED: SignedDuration = SignedDuration::from_mins(10);
/// After so many intervals without an answer nobody tells of an org.
const MISSED: i32 = 3;

/// What is known of an org that is watched.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Watched {
    /// How far its audits were asked.
    cursor: Option<Cursor>,
    /// When they are asked next.
    next: Option<Timestamp>,
    /// When all of them were last asked.
    asked: Option<Timestamp>,
    /// The kinds of which no audit tells.
    untold: BTreeSet<Kind>,
    /// Why not all of them could be asked.
    pub(crate) problem: Option<String>,
}

fn name_of(org: &str) -> String {
    format!("watched/{org}")
}

impl Service {
    /// Watches the orgs that are kept, and their sources, until asked to stop.
    pub async fn watch(&self, stop: Stop) {
        let Some(interval) = self.settings().watch else {
            return;
        };
        let orgs = self.to_be_watched();
        // What the desk said last, so that it is not asked for each org each time.
        let mut next: BTreeMap<&str, Timestamp> = BTreeMap::new();
        while !orgs.is_empty() {
            let now = Timestamp::now();
            let due: Vec<&str> = orgs
                .iter()
                .map(String::as_str)
                .filter(|org| next.get(org).is_none_or(|next| *next <= now))
                .collect();
            let asked = stream::iter(due).map(async |org| {
                let asked = self.ask_audits(org, interval).await;
                let asked = asked.inspect_err(|problem| {
                    warn!(org, problem = problem.detail, "the org cannot be watched");
                });
                (org, asked.unwrap_or_else(|_| later(now, interval)))
            });
            next.extend(asked.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await);
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.asked() => return,
            }
        }
    }

    pub(crate) fn to_be_watched(&self) -> BTreeSet<String> {
        let kept = self.settings().keep.keys();
        let mut orgs: BTreeSet<String> = kept
            .clone()
            .filter_map(|org| self.worker().against(org))
            .filter(|source| self.org(source).is_ok())
            .collect();
        orgs.extend(kept.cloned());
        orgs
    }

    /// Asks an org what changed, if it is time and nobody else does; returns when to look again.
    async fn ask_audits(&self, org: &str, interval: SignedDuration) -> Result<Timestamp, Problem> {
        let name = name_of(org);
        let (mut watched, was): (Watched, String) = self.read_note(&name).await?;
        let now = Timestamp::now();
        if let Some(next) = watched.next.filter(|next| now < *next) {
            return Ok(next);
        }
        let next = later(now, interval);
        watched.next = Some(next);
        let Some(claimed) = self.swap_note(&name, &was, &watched).await? else {
            return Ok(now);
        };
        let connected = match self.worker().connect(org) {
            Ok(connected) => connected,
            Err(problem) => return self.refused(org, &claimed, watched, problem).await,
        };
        let catalogue = Catalogue::builtin();
        let kinds = self.kinds_of(org).await?;
        let mut cursor = match watched.cursor.take() {
            Some(cursor) => cursor,
            // What was before the first look is seen by it.
            None => Cursor::starting(now),
        };
        let Polled {
            changes,
            untold,
            unasked,
            calls,
            ..
        } = poll(&connected, catalogue, &kinds, &mut cursor, now).await;
        debug!(org, changes = changes.len(), calls, "audits asked");
        // First what they say, then how far they were asked: who dies between the two is told again.
        self.told_of(org, &Told::of(org, &changes), Timestamp::now())
            .await?;
        watched.cursor = Some(cursor);
        watched.untold = untold;
        if let Some(first) = unasked.first() {
            let problem = match unasked.len() {
                1 => first.to_string(),
                more => format!("{first} (and {} more)", more - 1),
            };
            return self.refused(org, &claimed, watched, problem).await;
        }
        if watched.problem.take().is_some() {
            info!(org, "the audits answer again");
        }
        watched.asked = Some(now);
        self.swap_note(&name, &claimed, &watched).await?;
        Ok(next)
    }

    /// Returns the kinds of whose changes somebody wants to know: those of the bundles that an org is held
    /// against, and all where the other side is an org, which may have some of a kind tomorrow.
    async fn kinds_of(&self, org: &str) -> Result<BTreeSet<Kind>, Problem> {
        let mut kinds = BTreeSet::new();
        for target in self.settings().keep.keys() {
            let source = self.worker().against(target);
            if target != org && source.as_deref() != Some(org) {
                continue;
            }
            let of_orgs = source.is_some_and(|source| self.org(&source).is_ok());
            let of_bundle = self.kept(target).await?.history.found.kinds;
            if of_orgs || of_bundle.is_empty() {
                let all = Catalogue::builtin().iter();
                return Ok(all.map(|kind| kind.kind.clone()).collect());
            }
            kinds.extend(of_bundle);
        }
        Ok(kinds)
    }

    /// Notes that an org could not be asked, and does not ask it again for a while.
    async fn refused(
        &self,
        org: &str,
        claimed: &str,
        watched: Watched,
        problem: String,
    ) -> Result<Timestamp, Problem> {
        if watched.problem.as_ref() != Some(&problem) {
            warn!(
                org,
                problem, "the org cannot be watched; schedules look at all of it"
            );
        }
        let next = later(Timestamp::now(), REFUSED).max(watched.next.unwrap_or_default());
        let watched = Watched {
            next: Some(next),
            problem: Some(problem),
            ..watched
        };
        self.swap_note(&name_of(org), claimed, &watched).await?;
        Ok(next)
    }

    /// Returns what is known of an org that is watched.
    pub(crate) async fn watched(&self, org: &str) -> Result<Watched, Problem> {
        Ok(self.read_note(&name_of(org)).await?.0)
    }

    /// Returns the kinds of whose changes nobody tells, in an org and its source; nothing where nobody
    /// tells of any.
    pub(crate) async fn untold(&self, org: &str) -> Result<Option<BTreeSet<Kind>>, Problem> {
        let (Some(interval), Some(source)) = (self.settings().watch, self.worker().against(org))
        else {
            return Ok(None);
        };
        let mut kinds = BTreeSet::new();
        for org in [org, &source] {
            // Nobody tells of changes of a bundle.
            if self.org(org).is_err() {
                return Ok(None);
            }
            let watched = self.watched(org).await?;
            let oldest = Timestamp::now()
                .checked_sub(interval.saturating_mul(MISSED))
                .unwrap_or(Timestamp::MIN);
            if watched.problem.is_some() || watched.asked.is_none_or(|asked| asked < oldest) {
                return Ok(None);
            }
            kinds.extend(watched.untold);
        }
        Ok(Some(kinds))
    }
}

/// Returns a time so much later; what is beyond all times is the last of them.
pub(crate) fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
