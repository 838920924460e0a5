//! Whether an org works after it was written to: the checks, what they found, and a verdict.
//!
//! [`Subjects`] says what there is to check, the caller asks the org and the URLs, and [`Report`] holds
//! rows. Everything is decided on values. What an org does not tell is `unknown`, never `ok`.

mod judge;
mod subjects;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use judge::{actions, flows, licences, past, plan, routes, urls};
pub use subjects::{FlowAt, KINDS, RouteAt, Subjects};

use crate::id::ObjectRef;
use crate::preflight::{Charge, Told};

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The org is as it was wanted.
    Plan,
    /// Architect finds nothing wrong with a published flow.
    Flow,
    /// The numbers of a call route lead to published flows.
    Route,
    /// A URL of another system answers.
    Url,
    /// A data action does what an example says.
    Action,
    /// Nobody holds a licence that the org does not have, or does not pay for.
    Licence,
}

impl Check {
    /// Lists every check, in the order in which they are told.
    pub const ALL: [Self; 6] = [
        Self::Plan,
        Self::Flow,
        Self::Route,
        Self::Url,
        Self::Action,
        Self::Licence,
    ];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Flow => "flow",
            Self::Route => "route",
            Self::Url => "url",
            Self::Action => "action",
            Self::Licence => "licence",
        }
    }
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It works.
    Ok,
    /// It could not be told.
    Unknown,
    /// It works, or may, and somebody should look at it.
    Warn,
    /// It does not work.
    Fail,
}

impl Verdict {
    /// Lists every verdict, the gravest first.
    pub const ALL: [Self; 4] = [Self::Fail, Self::Warn, Self::Unknown, Self::Ok];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What was checked.
    pub check: Check,
    /// Of which object, or of what else.
    pub object: String,
    /// How it stands.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

impl Row {
    fn new(
        check: Check,
        object: impl ToString,
        verdict: Verdict,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            check,
            object: object.to_string(),
            verdict,
            reason: reason.into(),
        }
    }
}

/// What came of all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The org.
    pub org: String,
    /// The rows: check by check, the gravest first, then by object.
    pub rows: Vec<Row>,
    /// API calls that it took.
    pub calls: u64,
}

impl Report {
    /// Puts rows in order.
    pub fn new(org: &str, mut rows: Vec<Row>, calls: u64) -> Self {
        rows.sort_by(|a, b| {
            let key = |row: &Row| (row.check, std::cmp::Reverse(row.verdict));
            (key(a), &a.object, &a.reason).cmp(&(key(b), &b.object, &b.reason))
        });
        Self {
            org: org.to_owned(),
            rows,
            calls,
        }
    }

    /// Returns the gravest verdict; `ok` where there is no row.
    pub fn verdict(&self) -> Verdict {
        let verdicts = self.rows.iter().map(|row| row.verdict);
        verdicts.max().unwrap_or(Verdict::Ok)
    }

    /// Counts the rows of a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        let rows = self.rows.iter();
        rows.filter(|row| row.verdict == verdict).count()
    }
}

/// What Architect says of a flow: nothing, or what is wrong.
pub type Validated = Result<(), String>;

/// Who has a telephone number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// What sort of thing, in the API's word: `IVR_CONFIG`.
    pub sort: String,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// What came of calling a data action.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    /// Its result, where it has one.
    pub result: Option<serde_json::Value>,
    /// What went wrong.
    pub error: Option<String>,
}

/// What an org says of its licences.
#[derive(Clone, Debug)]
pub struct Licences {
    /// Those that it has.
    pub defined: Told<BTreeSet<String>>,
    /// Those that users hold, by the ids of these.
    pub holders: Told<BTreeMap<String, BTreeSet<String>>>,
    /// What is paid for, and used.
    pub charges: Told<Vec<Charge>>,
}

/// What was asked of an org. What was not, is absent.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What Architect says of published flows.
    pub flows: BTreeMap<ObjectRef, Told<Validated>>,
    /// Who has which number, by its digits.
    pub numbers: Option<Told<BTreeMap<u64, Owner>>>,
    /// What came of examples, by their names.
    pub tested: BTreeMap<ObjectRef, Told<Tested>>,
    /// What it says of licences.
    pub licences: Option<Licences>,
    /// API calls that it took.
    pub calls: u64,
}
