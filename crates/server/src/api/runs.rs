//! Runs, and which object became which.

use axum::Json;
use axum::extract::{Path, State};
use orgsmith_core::id::{OrgName, RunId, SourceId, TargetId};
use orgsmith_core::journal::StepState;
use orgsmith_store::state::{MappingFilter, Run, replay};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::org_jobs::Mapped;
use super::{Query, time};
use crate::auth::Caller;
use crate::problem::Problem;
use crate::service::Service;

/// A run: a plan that was carried out, by this service or by the command line on the same state.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunView {
    /// Its id.
    pub(crate) id: String,
    /// The org that it writes to.
    pub(crate) org: String,
    /// Where the wanted state came from.
    pub(crate) source: String,
    /// The digest of the plan.
    pub(crate) plan_digest: String,
    /// When it began.
    pub(crate) created: String,
    /// When its status was last set.
    pub(crate) updated: String,
    /// `running`, `done`, `partial`, `failed` or `interrupted`.
    pub(crate) status: String,
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self {
            id: run.id.as_str().to_owned(),
            org: run.org.as_str().to_owned(),
            source: run.source,
            plan_digest: run.plan_digest,
            created: time(run.created_ms),
            updated: time(run.updated_ms),
            status: run.status.as_str().to_owned(),
        }
    }
}

/// A run with its steps.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunSteps {
    #[serde(flatten)]
    run: RunView,
    /// The steps that its journal speaks of.
    steps: Vec<StepView>,
}

/// A step of a run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepView {
    /// Its id in the plan.
    pub(crate) step: String,
    /// How it stands, as the journal says.
    #[schema(value_type = Object)]
    pub(crate) state: serde_json::Value,
}

impl StepView {
    fn new(step: &str, state: &StepState) -> Result<Self, Problem> {
        Ok(Self {
            step: step.to_owned(),
            state: serde_json::to_value(state).map_err(Problem::internal)?,
        })
    }
}

impl Service {
    /// Lists the runs that a caller may see, the newest first.
    pub(crate) async fn seen_runs(
        &self,
        caller: &Caller,
        org: Option<&OrgName>,
    ) -> Result<Vec<Run>, Problem> {
        let mut runs = self.state().runs(org).await?;
        runs.retain(|run| caller.sees(run.org.as_str()));
        Ok(runs)
    }

    /// Lists so many of the runs that a caller may see, the newest or those behind one, and tells whether
    /// there are more.
    pub(crate) async fn some_seen_runs(
        &self,
        caller: &Caller,
        org: Option<&OrgName>,
        behind: Option<&RunId>,
        limit: usize,
    ) -> Result<(Vec<Run>, bool), Problem> {
        let mut seen = Vec::new();
        let mut behind = behind.cloned();
        loop {
            let some = self.state().some_runs(org, behind.as_ref(), limit + 1);
            let some = some.await?;
            let are_last = some.len() <= limit;
            behind = some.last().map(|run| run.id.clone());
            seen.extend(some.into_iter().filter(|run| caller.sees(run.org.as_str())));
            if are_last || seen.len() > limit {
                let more = seen.len() > limit;
                seen.truncate(limit);
                return Ok((seen, more));
            }
        }
    }

    /// Finds a run that a caller may see, with its steps.
    pub(crate) async fn find_run(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<(Run, Vec<StepView>), Problem> {
        let id = RunId::new(id);
        let run = self.state().run(&id).await?;
        let run = run.filter(|run| caller.sees(run.org.as_str()));
        let run =
            run.ok_or_else(|| Problem::not_found(format!("there is no run {}", id.as_str())))?;
        let journal = self.state().journal(&id).await?;
        let states = replay(&journal).map_err(Problem::internal)?;
        let steps = states
            .iter()
            .map(|(step, state)| StepView::new(step.as_str(), state));
        Ok((run, steps.collect::<Result<_, _>>()?))
    }
}

/// Which runs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Of one org.
    org: Option<String>,
}

/// Lists runs, the newest first.
#[utoipa::path(get, path = "/api/v2/runs", tag = "runs", params(Which),
    responses((status = 200, body = Vec<RunView>), (status = "4XX", body = Problem)))]
pub(crate) async fn list(
    State(service): State<Service>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<Vec<RunView>>, Problem> {
    let org = which.org.as_deref().map(OrgName::new);
    let runs = service.seen_runs(&caller, org.as_ref()).await?;
    Ok(Json(runs.into_iter().map(RunView::from).collect()))
}

/// Shows a run with its steps.
#[utoipa::path(get, path = "/api/v2/runs/{run}", tag = "runs", params(("run", description = "The run")),
    responses((status = 200, body = RunSteps), (status = "4XX", body = Problem)))]
pub(crate) async fn show(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<RunSteps>, Problem> {
    let (run, steps) = service.find_run(&caller, &id).await?;
    Ok(Json(RunSteps {
        run: run.into(),
        steps,
    }))
}

/// Which objects.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct Whose {
    /// The org that was read.
    source: Option<String>,
    /// The org that was written to.
    target: Option<String>,
    /// The id in the org that was read.
    source_id: Option<String>,
    /// The id in the org that was written to.
    target_id: Option<String>,
}

/// Says which object became which.
#[utoipa::path(get, path = "/api/v2/map", tag = "runs", params(Whose),
    responses((status = 200, body = Vec<Mapped>), (status = "4XX", body = Problem)))]
pub(crate) async fn map(
    State(service): State<Service>,
    caller: Caller,
    Query(whose): Query<Whose>,
) -> Result<Json<Vec<Mapped>>, Problem> {
    let filter = MappingFilter {
        source_org: whose.source.as_deref().map(OrgName::new),
        target_org: whose.target.as_deref().map(OrgName::new),
        object: None,
        source_id: whose.source_id.as_deref().map(SourceId::new),
        target_id: whose.target_id.as_deref().map(TargetId::new),
    };
    let mut mapped = service.mapped(&filter).await?;
    mapped.retain(|mapped| caller.sees(&mapped.source_org) && caller.sees(&mapped.target_org));
    Ok(Json(mapped))
}
