//! Whether a target has room for a plan: seats, limits, permissions, products, numbers.
//!
//! Like everything here it only decides. [`Demand`] says what a plan asks of an org and which
//! [`Question`]s have to be put to it; somebody else asks; [`Facts`] are the answers, or why there
//! is none; [`Table::new`] holds the one against the other. A fact that is not told makes a row
//! `unknown`, never `ok`, and only what is known to be short stops anybody.

mod decide;
mod demand;
mod facts;
mod limits;
mod seats;

use std::collections::BTreeMap;

use serde::Serialize;

pub use demand::{Demand, Question, capacities};
pub use facts::{Charge, Facts, Told, Unread, holders, limits_of, open_periods, page_texts, texts};
pub use seats::Unlicensed;

use crate::id::Kind;

/// The permission without which an org may not tell its limits; the contract names none.
pub const LIMITS_PERMISSION: &str = "limits:organization:view";

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The licences of users, where they cannot be told apart.
    Licences,
    /// Seats of one licence.
    Licence(String),
    /// Objects of one kind.
    Objects(Kind),
    /// Members of one queue.
    QueueMembers,
    /// Skills of one user.
    UserSkills,
    /// Limits that are not told.
    Limits,
    /// Permissions of the OAuth client.
    Permissions,
    /// Products that the source has.
    Products,
    /// Phone numbers.
    Numbers,
    /// How much of a medium a person may have at once.
    Capacity,
    /// Objects that the plan leaves alone.
    Conflicts,
}

impl Check {
    /// Names the check for programs: `licence:cloudCX1`.
    pub fn id(&self) -> String {
        match self {
            Self::Licences => "licences".to_owned(),
            Self::Licence(id) => format!("licence:{id}"),
            Self::Objects(kind) => format!("objects:{kind}"),
            Self::QueueMembers => "queue-members".to_owned(),
            Self::UserSkills => "user-skills".to_owned(),
            Self::Limits => "limits".to_owned(),
            Self::Permissions => "permissions".to_owned(),
            Self::Products => "products".to_owned(),
            Self::Numbers => "numbers".to_owned(),
            Self::Capacity => "media-capacity".to_owned(),
            Self::Conflicts => "conflicts".to_owned(),
        }
    }

    /// Names the check for people: `seats of cloudCX1`.
    pub fn title(&self) -> String {
        match self {
            Self::Licences => "licences".to_owned(),
            Self::Licence(id) => format!("seats of {id}"),
            Self::Objects(kind) => kind.to_string(),
            Self::QueueMembers => "members of a queue".to_owned(),
            Self::UserSkills => "skills of a user".to_owned(),
            Self::Limits => "limits".to_owned(),
            Self::Permissions => "permissions".to_owned(),
            Self::Products => "products".to_owned(),
            Self::Numbers => "phone numbers".to_owned(),
            Self::Capacity => "media capacity".to_owned(),
            Self::Conflicts => "conflicts".to_owned(),
        }
    }
}

/// How a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is enough.
    Ok,
    /// It could not be told.
    Unknown,
    /// There is not enough.
    Short,
}

impl Verdict {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Short => "short",
        }
    }
}

/// One thing that was held against the org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What.
    pub check: Check,
    /// How much the plan asks for, where it can be counted.
    pub required: Option<u64>,
    /// How much there is, where it is told.
    pub available: Option<u64>,
    /// How it stands.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// What to do; empty where there is nothing to do.
    pub advice: String,
}

/// Free seats that a person says there are, by licence.
pub type Manual = BTreeMap<String, u64>;

/// What came of a pre-flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The org that would be written to.
    pub org: String,
    /// Where the plan comes from.
    pub source: String,
    /// The rows, in the order in which they are shown.
    pub rows: Vec<Row>,
    /// API calls that it took.
    pub calls: u64,
}

impl Table {
    /// Returns the rows of a verdict.
    pub fn of(&self, verdict: Verdict) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.verdict == verdict)
    }

    /// Returns the gravest verdict; `ok` where there is no row.
    pub fn verdict(&self) -> Verdict {
        let verdicts = self.rows.iter().map(|row| row.verdict);
        verdicts.max().unwrap_or(Verdict::Ok)
    }
}

#[cfg(test)]
mod tests;
