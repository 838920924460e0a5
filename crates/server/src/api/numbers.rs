//! Numbers that plans have decided about.

use axum::Json;
use axum::extract::{Path, State};
use orgsmith_core::id::{OrgName, RunId};
use orgsmith_core::numbers::Decision;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Part, Query, time};
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
            let Some(text) = self.state().plan(&run.id).await? else {
                continue;
            };
            let decided: Decided = serde_json::from_str(&text).unwrap_or_default();
            let decisions = decided.decisions.into_iter();
            numbers.rows.extend(decisions.map(|decision| NumberView {
                at: time(run.created_ms),
                run: run.id.as_str().to_owned(),
                org: run.org.as_str().to_owned(),
                alias: decision.alias,
                number: decision.number,
                object: decision.object.to_string(),
                place: decision.place.to_string(),
                reason: decision.reason,
            }));
        }
        Ok(numbers)
    }
}

/// Lists the numbers that the last 50 runs in an org have given out, the newest first.
#[utoipa::path(get, path = "/api/v2/orgs/{org}/numbers", tag = "orgs",
    params(("org", description = "The org that was written to"), Part),
    responses((status = 200, body = Vec<NumberView>), (status = "4XX", body = Problem)))]
pub(crate) async fn list(
    State(service): State<Service>,
    caller: Caller,
    Path(org): Path<String>,
    Query(part): Query<Part>,
) -> Result<Json<Vec<NumberView>>, Problem> {
    let org = service.seen_org(&caller, &org)?;
    let name = OrgName::new(&org.name);
    let numbers = service.seen_numbers(&caller, Some(&name), None, RUNS);
    part.of(numbers.await?.rows).map(Json)
}
