//! The audit queries: at once for the last fourteen days, as a job for what is older.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use orgsmith_client::{Call, Client, Error, Replay, path_segment};
use orgsmith_core::changes::{Services, Subjects};
use orgsmith_core::id::Kind;
use serde_json::{Value, json};

use crate::chain::chain;
use crate::jobs::{self, JobError};
use crate::org::Org;

const REALTIME: &str = "/api/v2/audits/query/realtime";
const QUERY: &str = "/api/v2/audits/query";

/// How far back the realtime query sees, with an hour for clocks that differ.
const HORIZON: SignedDuration = SignedDuration::from_hours(14 * 24 - 1);
/// The largest page of both queries.
pub(crate) const PAGE: u64 = 500;
/// No interval is halved below this.
const SHORTEST: SignedDuration = SignedDuration::from_mins(1);
/// More pages than any interval has.
const MAX_PAGES: u64 = 10_000;

/// Says what could not be asked, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error, serde::Serialize)]
#[error("{what} of org {org}: {reason}")]
pub struct Unasked {
    /// The org.
    pub org: String,
    /// What was asked for: `the audits of ContactCenter`.
    pub what: String,
    /// Why there is no answer, and what to do where that is known.
    pub reason: String,
}

impl Unasked {
    pub(crate) fn new(org: &Org, what: String, error: &Error) -> Self {
        let mut reason = chain(error);
        if error.status() == Some(403) {
            reason.push_str(" (give the client's role audits:audit:view)");
        }
        Self::because(org, what, reason)
    }

    pub(crate) fn because(org: &Org, what: String, reason: String) -> Self {
        Self {
            org: org.name.to_string(),
            what,
            reason,
        }
    }
}

/// Which query is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Road {
    /// One call, one page.
    Realtime,
    /// A job that is waited for.
    Job,
}

impl Road {
    fn mapping(self) -> &'static str {
        match self {
            Self::Realtime => "/api/v2/audits/query/realtime/servicemapping",
            Self::Job => "/api/v2/audits/query/servicemapping",
        }
    }
}

/// Returns how far back the realtime query sees now.
pub(crate) fn horizon(now: Timestamp) -> Timestamp {
    now.checked_sub(HORIZON).unwrap_or(Timestamp::MIN)
}

/// Asks which services there are.
pub(crate) async fn services(org: &Org, road: Road) -> Result<Services, Unasked> {
    let what = || "the list of audited services".to_owned();
    let reply = org.client.send(Call::get(road.mapping())).await;
    let body = reply
        .map_err(|error| Unasked::new(org, what(), &error))?
        .body;
    let Some(listed) = body["services"].as_array() else {
        let reason = "the answer has no services".to_owned();
        return Err(Unasked::because(org, what(), reason));
    };
    let services = listed.iter().filter_map(|service| {
        let entities = service["entities"].as_array().into_iter().flatten();
        let entities = entities.filter_map(|entity| entity["name"].as_str());
        let name = service["name"].as_str()?.to_owned();
        Some((name, entities.map(str::to_owned).collect()))
    });
    Ok(services.collect())
}

/// Leaves the services that tell of these kinds, and of each only the entities that do.
pub(crate) fn concerning(
    services: &Services,
    subjects: &Subjects,
    kinds: &BTreeSet<Kind>,
) -> Services {
    let concerns = |(service, entities): (&String, &BTreeSet<String>)| {
        let entities = entities.iter();
        let entities: BTreeSet<String> = entities
            .filter(|entity| subjects.concerns(service, entity, kinds))
            .cloned()
            .collect();
        (!entities.is_empty()).then(|| (service.clone(), entities))
    };
    services.iter().filter_map(concerns).collect()
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Query<'q> {
    pub(crate) service: &'q str,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    /// Filters of the API, all of which must hold.
    pub(crate) filters: Vec<(&'static str, &'q str)>,
    pub(crate) newest_first: bool,
    pub(crate) page_size: u64,
}

/// One page of an answer.
pub(crate) struct Page {
    pub(crate) audits: Vec<Value>,
    pub(crate) pages: u64,
}

impl Query<'_> {
    fn what(&self) -> String {
        format!("the audits of {}", self.service)
    }

    fn body(&self) -> Value {
        let filters = self.filters.iter();
        let filters: Vec<Value> = filters
            .map(|(property, value)| json!({ "property": property, "value": value }))
            .collect();
        let order = match self.newest_first {
            true => "descending",
            false => "ascending",
        };
        json!({
            "interval": format!("{:.3}/{:.3}", self.start, self.end),
            "serviceName": self.service,
            "filters": filters,
            "sort": [{ "name": "Timestamp", "sortOrder": order }],
        })
    }

    /// Asks for one page of the realtime query; the first is 1.
    pub(crate) async fn page(&self, client: &Client, number: u64) -> Result<Page, Error> {
        let mut body = self.body();
        body["pageNumber"] = number.into();
        body["pageSize"] = self.page_size.into();
        // A query changes nothing, so it may be sent twice.
        let call = Call::post(REALTIME)
            .query("expand", "user")
            .json(body)
            .replay(Replay::Safe);
        let mut answer = client.send(call).await?.body;
        let audits = match answer["entities"].take() {
            Value::Array(audits) => audits,
            _ => Vec::new(),
        };
        let total = answer["total"].as_u64();
        let pages = match answer["pageCount"].as_u64() {
            Some(pages) => pages,
            None => total.unwrap_or_default().div_ceil(self.page_size.max(1)),
        };
        Ok(Page { audits, pages })
    }

    /// Asks for everything.
    pub(crate) async fn all(&self, org: &Org, road: Road) -> Result<Vec<Value>, Unasked> {
        match road {
            Road::Job => self.job(org).await,
            Road::Realtime => {
                let mut found = Vec::new();
                self.slices(org, &mut found).await?;
                Ok(found)
            }
        }
    }

    /// Asks for all pages, and for the halves of an interval that is too long for the service.
    async fn slices(&self, org: &Org, found: &mut Vec<Value>) -> Result<(), Unasked> {
        let mut number = 1;
        loop {
            match self.page(&org.client, number).await {
                Ok(page) => {
                    found.extend(page.audits);
                    if number >= page.pages.min(MAX_PAGES) {
                        return Ok(());
                    }
                    number += 1;
                }
                Err(error) if number == 1 && self.too_long(&error) => {
                    let middle = self.start + self.end.duration_since(self.start) / 2;
                    let first = Query {
                        end: middle,
                        ..self.clone()
                    };
                    let second = Query {
                        start: middle,
                        ..self.clone()
                    };
                    Box::pin(first.slices(org, found)).await?;
                    return Box::pin(second.slices(org, found)).await;
                }
                Err(error) => return Err(Unasked::new(org, self.what(), &error)),
            }
        }
    }

    /// Tells whether the service took too long to answer, and might for half of it.
    fn too_long(&self, error: &Error) -> bool {
        matches!(error.status(), Some(408 | 504))
            && self.end.duration_since(self.start) > SHORTEST * 2
    }

    /// Has a job collect everything.
    async fn job(&self, org: &Org) -> Result<Vec<Value>, Unasked> {
        let found = async {
            let call = Call::post(QUERY).json(self.body()).replay(Replay::Safe);
            let started = org.client.send(call).await?.body;
            let id = jobs::text(&started, "id")?;
            let path = format!("{QUERY}/{}", path_segment(&id));
            let ended = |state: &Value| match state["state"].as_str()? {
                "Succeeded" => Some(Ok(())),
                state @ ("Failed" | "Cancelled") => Some(Err(format!("the query {state}"))),
                _ => None,
            };
            jobs::end_of(org, &Call::get(path.as_str()), &id, ended).await?;
            let mut found = Vec::new();
            let mut cursor: Option<String> = None;
            for _ in 0..MAX_PAGES {
                let call = Call::get(format!("{path}/results"))
                    .query("pageSize", PAGE)
                    .query("expand", "user");
                let call = match &cursor {
                    Some(cursor) => call.query("cursor", cursor),
                    None => call,
                };
                let mut answer = org.client.send(call).await?.body;
                if let Value::Array(audits) = answer["entities"].take() {
                    found.extend(audits);
                }
                let next = answer["cursor"].as_str().filter(|next| !next.is_empty());
                match next {
                    // The same again would never end.
                    Some(next) if cursor.as_deref() != Some(next) => cursor = Some(next.to_owned()),
                    _ => break,
                }
            }
            Ok(found)
        };
        found.await.map_err(|error| match error {
            JobError::Call(error) => Unasked::new(org, self.what(), &error),
            other => Unasked::because(org, self.what(), other.to_string()),
        })
    }
}
