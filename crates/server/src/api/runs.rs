//! Runs, and which object became which.

use axum::extract::{Path, State};
use axum::http::Uri;
use orgsmith_core::id::{Key, Kind, ObjectRef, OrgName, RunId, SourceId, TargetId};
use orgsmith_core::journal::StepState;
use orgsmith_store::state::{Mapping, MappingFilter, MappingPlace, Run, Wanted, replay};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::org_jobs::Mapped;
use super::part::{Listed, Part, gone, within};
use super::{Query, time};
use crate::auth::{Caller, Role};
use crate::problem::Problem;
use crate::service::Service;
use crate::words::Words;

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
    /// The steps that its journal speaks of, or the part of them that was asked for.
    steps: Vec<StepView>,
    /// How many there are.
    total: usize,
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
    /// What comes after this one: taken from the `Link` of the part before.
    after: Option<String>,
    /// At most so many: 1 to 500 [default: 100].
    limit: Option<u32>,
}

/// Lists runs, the newest first.
#[utoipa::path(get, path = "/api/v2/runs", tag = "runs", params(Which),
    responses((status = 200, body = Vec<RunView>), (status = "4XX", body = Problem)))]
pub(crate) async fn list(
    State(service): State<Service>,
    caller: Caller,
    asked: Uri,
    Query(Which { org, after, limit }): Query<Which>,
) -> Result<Listed<Vec<RunView>>, Problem> {
    let limit = within(limit)? as usize;
    let org = org.as_deref().map(OrgName::new);
    let after = after.as_deref().map(RunId::new);
    if let Some(after) = &after
        && service.state().run(after).await?.is_none()
    {
        return Err(gone(after.as_str()));
    }
    let runs = service.some_seen_runs(&caller, org.as_ref(), after.as_ref(), limit);
    let (runs, more) = runs.await?;
    let runs: Vec<RunView> = runs.into_iter().map(RunView::from).collect();
    let last = runs.last().filter(|_| more).map(|run| run.id.clone());
    Ok(Listed::new(runs, &asked, last))
}

/// Shows a run with its steps.
#[utoipa::path(get, path = "/api/v2/runs/{run}", tag = "runs", params(("run", description = "The run"), Part),
    responses((status = 200, body = RunSteps), (status = "4XX", body = Problem)))]
pub(crate) async fn show(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
    asked: Uri,
    Query(part): Query<Part>,
) -> Result<Listed<RunSteps>, Problem> {
    let (run, steps) = service.find_run(&caller, &id).await?;
    let total = steps.len();
    let (steps, last) = part.of(steps, |step| step.step.clone())?;
    let run = RunSteps {
        run: run.into(),
        steps,
        total,
    };
    Ok(Listed::new(run, &asked, last))
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
    /// What comes after this one: taken from the `Link` of the part before.
    after: Option<String>,
    /// At most so many: 1 to 500 [default: 100].
    limit: Option<u32>,
}

/// Says which object became which.
#[utoipa::path(get, path = "/api/v2/map", tag = "runs", params(Whose),
    responses((status = 200, body = Vec<Mapped>), (status = "4XX", body = Problem)))]
pub(crate) async fn map(
    State(service): State<Service>,
    caller: Caller,
    asked: Uri,
    Query(whose): Query<Whose>,
) -> Result<Listed<Vec<Mapped>>, Problem> {
    let filter = MappingFilter {
        source_org: whose.source.as_deref().map(OrgName::new),
        target_org: whose.target.as_deref().map(OrgName::new),
        object: None,
        source_id: whose.source_id.as_deref().map(SourceId::new),
        target_id: whose.target_id.as_deref().map(TargetId::new),
    };
    let limit = within(whose.limit)? as usize;
    let (words, after) = (Words::default(), whose.after.as_deref());
    let mapped = service.mapped(&caller, &filter, &words, after, limit);
    let (mapped, last) = mapped.await?;
    Ok(Listed::new(mapped, &asked, last))
}

impl Service {
    /// Lists so many of the objects that a caller may see, and that words are of, with their ids in two orgs:
    /// the first, or those behind one; and where the last of them stands, if there are more.
    pub(crate) async fn mapped(
        &self,
        caller: &Caller,
        filter: &MappingFilter,
        words: &Words,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Mapped>, Option<String>), Problem> {
        let behind = after.map(place_of).transpose()?;
        let wanted = |row: &Mapping| {
            let source_id = row.source_id.as_ref().map_or("", SourceId::as_str);
            caller.sees(row.source_org.as_str())
                && caller.sees(row.target_org.as_str())
                && words.are_in(&format!(
                    "{} {} {} {source_id}",
                    row.object, row.target_org, row.target_id
                ))
        };
        let everything = words.are_none() && caller.may_everywhere(Role::Viewer).is_ok();
        let wanted: Option<&Wanted<'_>> = if everything { None } else { Some(&wanted) };
        let some = self
            .state()
            .some_mappings(filter, wanted, behind.as_ref(), limit + 1);
        let mut some = some.await?;
        let more = some.len() > limit;
        some.truncate(limit);
        let last = some
            .last()
            .filter(|_| more)
            .map(|last| text_of(&last.place()));
        Ok((some.into_iter().map(Mapped::from).collect(), last))
    }
}

/// Writes the place of a mapping as a text that may be sent back.
fn text_of(place: &MappingPlace) -> String {
    let MappingPlace {
        source_org,
        target_org,
        object,
    } = place;
    json!([source_org, target_org, object.kind, object.key]).to_string()
}

fn place_of(text: &str) -> Result<MappingPlace, Problem> {
    let read: Result<(OrgName, OrgName, Kind, Key), _> = serde_json::from_str(text);
    let (source_org, target_org, kind, key) = read.map_err(|_| gone(text))?;
    Ok(MappingPlace {
        source_org,
        target_org,
        object: ObjectRef::new(kind, key),
    })
}
