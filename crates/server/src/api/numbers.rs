//! Numbers that plans have decided about.

use axum::extract::{Path, State};
use axum::http::Uri;
use orgsmith_core::id::{OrgName, RunId};
use orgsmith_core::numbers::Decision;
use orgsmith_core::plan::unpack;
use orgsmith_store::state::Run;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::part::{Listed, Part, gone, within};
use super::{Query, time};
use crate::auth::Caller;
use crate::problem::Problem;
use crate::service::Service;

/// Plans are large; so many of the last are looked through.
const RUNS: usize = 50;

/// What is read of a plan. One of an older format may tell nothing of numbers.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Decided {
    decisions: Vec<Decision>,
}

/// Numbers, and where they are from.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) rows: Vec<NumberView>,
    /// How many runs were looked through.
    pub(crate) runs: usize,
    /// The last of them, where there are more behind it.
    pub(crate) last: Option<RunId>,
}

/// A number, and what a run did with it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NumberView {
    /// When the run began.
    pub(crate) at: String,
    /// The run.
    pub(crate) run: String,
    /// The org that it wrote to.
    pub(crate) org: String,
    /// How the number is called in the source.
    pub(crate) alias: String,
    /// The number; nothing where there was none to give.
    pub(crate) number: Option<String>,
    /// The object that has it, by kind and key.
    pub(crate) object: String,
    /// Where in the object.
    pub(crate) place: String,
    /// Why it is this one.
    pub(crate) reason: String,
}

impl Service {
    /// Lists the numbers that so many of the last runs that a caller may see, or of those behind one, have
    /// decided about, the newest first.
    pub(crate) async fn seen_numbers(
        &self,
        caller: &Caller,
        org: Option<&OrgName>,
        behind: Option<&RunId>,
        runs: usize,
    ) -> Result<Numbers, Problem> {
        let (runs, more) = self.some_seen_runs(caller, org, behind, runs).await?;
        let mut numbers = Numbers {
            runs: runs.len(),
            last: runs.last().filter(|_| more).map(|run| run.id.clone()),
            ..Numbers::default()
        };
        for run in runs {
            numbers.rows.extend(self.numbers_of(&run).await?);
        }
        Ok(numbers)
    }

    /// Lists the numbers that a run has decided about.
    async fn numbers_of(&self, run: &Run) -> Result<Vec<NumberView>, Problem> {
        let Some(text) = self.state().plan(&run.id).await? else {
            return Ok(Vec::new());
        };
        let decided: Decided = unpack(&text).unwrap_or_default();
        let decisions = decided.decisions.into_iter();
        let view = |decision: Decision| NumberView {
            at: time(run.created_ms),
            run: run.id.as_str().to_owned(),
            org: run.org.as_str().to_owned(),
            alias: decision.alias,
            number: decision.number,
            object: decision.object.to_string(),
            place: decision.place.to_string(),
            reason: decision.reason,
        };
        Ok(decisions.map(view).collect())
    }
}

/// Lists the numbers that runs in an org have given out, the newest run first.
#[utoipa::path(get, path = "/api/v2/orgs/{org}/numbers", tag = "orgs",
    params(("org", description = "The org that was written to"), Part),
    responses((status = 200, body = Vec<NumberView>), (status = "4XX", body = Problem)))]
pub(crate) async fn list(
    State(service): State<Service>,
    caller: Caller,
    Path(org): Path<String>,
    asked: Uri,
    Query(part): Query<Part>,
) -> Result<Listed<Vec<NumberView>>, Problem> {
    let org = service.seen_org(&caller, &org)?;
    let name = OrgName::new(&org.name);
    let limit = within(part.limit)? as usize;
    let (rows, last) = service
        .some_numbers(&caller, &name, part.after.as_deref(), limit)
        .await?;
    Ok(Listed::new(rows, &asked, last))
}

impl Service {
    /// Lists so many of the numbers of an org: the newest, or those behind `RUN`, or behind so many of a run,
    /// `RUN.N`.
    async fn some_numbers(
        &self,
        caller: &Caller,
        org: &OrgName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<NumberView>, Option<String>), Problem> {
        let mut rows = Vec::new();
        let mut behind = None;
        if let Some(after) = after {
            let (run, skipped) = match after.split_once('.') {
                Some((run, skipped)) => (run, skipped.parse().ok()),
                None => (after, Some(usize::MAX)),
            };
            let found = self.state().run(&RunId::new(run)).await?;
            let found = found.filter(|run| run.org == *org);
            let (run, skipped) = found.zip(skipped).ok_or_else(|| gone(after))?;
            behind = Some(run.id.clone());
            if skipped < usize::MAX {
                let of_run = self.numbers_of(&run).await?;
                let left = of_run.len().saturating_sub(skipped);
                rows.extend(of_run.into_iter().skip(skipped).take(limit));
                if left > limit {
                    return Ok((rows, Some(format!("{}.{}", run.id, skipped + limit))));
                }
            }
        }
        // Plans are large: one at a time, and not without end.
        for _ in 0..RUNS {
            let one = self.some_seen_runs(caller, Some(org), behind.as_ref(), 1);
            let (one, more) = one.await?;
            let Some(run) = one.into_iter().next() else {
                return Ok((rows, None));
            };
            let of_run = self.numbers_of(&run).await?;
            let room = limit - rows.len();
            let all = of_run.len();
            rows.extend(of_run.into_iter().take(room));
            if all > room {
                return Ok((rows, Some(format!("{}.{room}", run.id))));
            }
            if !more {
                return Ok((rows, None));
            }
            behind = Some(run.id);
        }
        Ok((rows, behind.map(|run| run.as_str().to_owned())))
    }
}
