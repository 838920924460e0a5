//! What is to be done for one user, and where it stands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{ObjectRef, OrgName, RunId, TargetId};

/// The onboarding of one user of one org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The org.
    pub org: OrgName,
    /// The user.
    pub user: ObjectRef,
    /// The user's id there.
    pub id: TargetId,
    /// The run that created or activated the user.
    pub run: RunId,
    /// Counts how often it was begun anew; a request of another round is another request.
    pub round: u32,
    /// How far it is.
    pub stage: Stage,
    /// Tries in a row that came to nothing, in this stage.
    pub attempts: u32,
    /// What went wrong last.
    pub error: Option<String>,
    /// What the other system calls the user.
    pub external: Option<String>,
    /// Before this time nothing is sent, in milliseconds since 1970.
    pub next_ms: u64,
    /// Since when it is in its stage, in milliseconds since 1970.
    pub since_ms: u64,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The request is to be sent.
    Pending,
    /// The other system took the request.
    Requested,
    /// The user is there.
    Provisioned,
    /// It is not tried again, unless a person asks for it.
    Failed,
}

impl Stage {
    /// Returns the word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Requested => "requested",
            Self::Provisioned => "provisioned",
            Self::Failed => "failed",
        }
    }

    /// Tells whether something is left to do.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Requested)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [
            Self::Pending,
            Self::Requested,
            Self::Provisioned,
            Self::Failed,
        ]
        .into_iter()
        .find(|stage| stage.as_str() == text)
        .ok_or_else(|| format!("{text:?} is no stage of a job"))
    }
}

impl Job {
    /// Makes a job whose request is to be sent.
    pub fn new(org: &OrgName, user: ObjectRef, id: TargetId, run: &RunId, now_ms: u64) -> Self {
        Self {
            org: org.clone(),
            user,
            id,
            run: run.clone(),
            round: 1,
            stage: Stage::Pending,
            attempts: 0,
            error: None,
            external: None,
            next_ms: now_ms,
            since_ms: now_ms,
        }
    }

    /// Returns the job that is kept when this one is asked for again.
    ///
    /// A run that is taken up again changes nothing, nor does another while it is under way. A user
    /// who was created or activated once more is onboarded once more.
    #[must_use]
    pub fn asked_again(&self, new: &Self) -> Option<Self> {
        let same_user = self.id == new.id;
        if same_user && (self.run == new.run || self.stage.is_open()) {
            return None;
        }
        Some(Self {
            round: self.round.saturating_add(1),
            ..new.clone()
        })
    }

    /// Begins anew, because a person asks for it.
    #[must_use]
    pub fn retried(&self, now_ms: u64) -> Self {
        Self {
            round: self.round.saturating_add(1),
            ..Self::new(
                &self.org,
                self.user.clone(),
                self.id.clone(),
                &self.run,
                now_ms,
            )
        }
    }

    /// Returns what names the request to the other system: the same for each try, another for each
    /// user, org and round.
    pub fn request_name(&self) -> String {
        format!("orgsmith/onboard/{}/{}/{}", self.org, self.id, self.round)
    }

    /// Names the lock under which the jobs of an org are worked on: it is not the lock of the org,
    /// in which others may write meanwhile.
    pub fn lock(org: &OrgName) -> OrgName {
        OrgName::new(&format!("{org} (onboarding)"))
    }
}

/// How many jobs are how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The request is to be sent.
    pub pending: usize,
    /// The other system took the request.
    pub requested: usize,
    /// The user is there.
    pub provisioned: usize,
    /// It went wrong.
    pub failed: usize,
}

impl Counts {
    /// Counts jobs.
    pub fn of<'j>(jobs: impl IntoIterator<Item = &'j Job>) -> Self {
        let mut counts = Self::default();
        for job in jobs {
            *match job.stage {
                Stage::Pending => &mut counts.pending,
                Stage::Requested => &mut counts.requested,
                Stage::Provisioned => &mut counts.provisioned,
                Stage::Failed => &mut counts.failed,
            } += 1;
        }
        counts
    }

    /// Returns how many are not at their end.
    pub fn open(&self) -> usize {
        self.pending + self.requested
    }

    /// Returns the part of the jobs that ended which went wrong, from 0 to 1; 0 where none ended.
    #[expect(clippy::cast_precision_loss, reason = "a share of jobs")]
    pub fn failure_rate(&self) -> f64 {
        match self.failed + self.provisioned {
            0 => 0.0,
            ended => self.failed as f64 / ended as f64,
        }
    }
}
