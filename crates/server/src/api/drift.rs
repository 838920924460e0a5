//! What has moved in an org since it and its source agreed.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use orgsmith_core::bundle::{Gap, Origin};
use orgsmith_core::drift::{Doing, Drift, Drifted, Field, Resolution, Side, What};
use orgsmith_core::plan::Conflict;
use orgsmith_store::desk::Job;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::part::{Listed, Part};
use super::{Body, JobView, Query, time};
use crate::auth::Caller;
use crate::problem::Problem;
use crate::reconcile::term;
use crate::service::Service;
use crate::task::{Selected, Task};
use crate::work::DRIFT;

/// What the last look has found.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DriftView {
    /// The org.
    org: String,
    /// The job that looked.
    job: String,
    /// When it ended.
    at: Option<String>,
    /// What the org was held against.
    #[schema(value_type = Object)]
    source: Origin,
    /// Objects of which something moved that is not ignored.
    drifted: usize,
    /// Objects that are the same on both sides.
    same: usize,
    /// All objects of which something moved; `objects` is the part of them that was asked for.
    total: usize,
    /// The objects.
    objects: Vec<DriftedView>,
    /// Objects of which it could not be told.
    #[schema(value_type = Vec<Object>)]
    unclear: Vec<Conflict>,
    /// What could not be read of the org.
    #[schema(value_type = Vec<Object>)]
    gaps: Vec<Gap>,
}

/// An object of which something moved.
#[derive(Debug, Serialize, ToSchema)]
struct DriftedView {
    /// The object, by kind and key.
    object: String,
    /// The term by which it is selected, to be reverted, absorbed or ignored.
    select: String,
    /// `changed`, `created_in_target`, `created_in_source`, `deleted_in_target` or `deleted_in_source`.
    #[schema(value_type = String)]
    what: What,
    /// What moved of it.
    fields: Vec<FieldView>,
    /// Who did it, as far as the org says.
    #[schema(value_type = Vec<Object>)]
    who: Vec<Doing>,
}

/// A place that moved.
#[derive(Debug, Serialize, ToSchema)]
struct FieldView {
    /// The place; empty for the whole object.
    path: String,
    /// Which side moved: `source`, `target`, `conflict` for both, or `same` for both alike.
    #[schema(value_type = String)]
    side: Side,
    /// What it was when both agreed, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<Value>,
    /// What it is in the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Value>,
    /// What it is in the org.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Value>,
    /// What the policy makes of it.
    #[schema(value_type = String)]
    resolution: Resolution,
    /// The entry of `orgsmith drift ignored` by which it is left out of account.
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<u32>,
}

impl From<Drifted> for DriftedView {
    fn from(drifted: Drifted) -> Self {
        let Drifted {
            object,
            what,
            fields,
            who,
        } = drifted;
        let field = |field: Field| {
            let Field {
                path,
                side,
                has_base: _,
                base,
                source,
                target,
                resolution,
                ignored,
            } = field;
            FieldView {
                path,
                side,
                base,
                source,
                target,
                resolution,
                ignored,
            }
        };
        Self {
            select: term(&object),
            object: object.to_string(),
            what,
            fields: fields.into_iter().map(field).collect(),
            who,
        }
    }
}

impl Service {
    /// Returns the last look at an org that a caller may see, with what it has found.
    pub(crate) async fn seen_drift(
        &self,
        caller: &Caller,
        org: &str,
    ) -> Result<Option<(Job, Drift)>, Problem> {
        let Some((job, _)) = self.seen_look(caller, org).await? else {
            return Ok(None);
        };
        let found = self.drift_of(&job).await?;
        Ok(found.map(|drift| (job, drift)))
    }

    /// Returns the last look at an org that a caller may see, and how many objects it has found.
    pub(crate) async fn seen_look(
        &self,
        caller: &Caller,
        org: &str,
    ) -> Result<Option<(Job, u64)>, Problem> {
        let Some((id, objects)) = self.last_drift(org).await? else {
            return Ok(None);
        };
        // It may have been held against an org that is none of the caller's business.
        match self.find_job(caller, &id).await {
            Err(problem) if problem.status() == StatusCode::NOT_FOUND => Ok(None),
            job => Ok(Some((job?, objects))),
        }
    }

    /// Reads what a look has found.
    pub(crate) async fn drift_of(&self, job: &Job) -> Result<Option<Drift>, Problem> {
        let file = self.desk().file(&job.id, DRIFT).await?;
        let drift = file.map(|file| serde_json::from_slice(&file.content));
        drift.transpose().map_err(Problem::internal)
    }
}

/// Shows what the last look for drift in an org has found.
#[utoipa::path(get, path = "/api/v2/orgs/{org}/drift", tag = "drift",
    params(("org", description = "The org"), Part),
    responses((status = 200, body = DriftView), (status = "4XX", body = Problem)))]
pub(crate) async fn show(
    State(service): State<Service>,
    caller: Caller,
    Path(org): Path<String>,
    asked: Uri,
    Query(part): Query<Part>,
) -> Result<Listed<DriftView>, Problem> {
    let org = service.seen_org(&caller, &org)?.name;
    let found = service.seen_drift(&caller, &org).await?;
    let (job, drift) = found.ok_or_else(|| {
        Problem::not_found(format!(
            "nobody has looked for drift in {org} yet; POST /api/v2/orgs/{org}/drift asks for it"
        ))
    })?;
    let total = drift.objects.len();
    let drifted = drift.objects.iter().filter(|one| one.counts()).count();
    let (objects, last) = part.of(drift.objects, |drifted| drifted.object.to_string())?;
    let view = DriftView {
        org,
        job: job.id,
        at: job.ended_ms.map(time),
        drifted,
        source: drift.source,
        same: drift.same,
        total,
        objects: objects.into_iter().map(DriftedView::from).collect(),
        unclear: drift.unclear,
        gaps: drift.gaps,
    };
    Ok(Listed::new(view, &asked, last))
}

/// What is looked at.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Look {
    /// The org it is to be like; without it, as the project file says, or as it was written last.
    against: Option<String>,
    /// Which objects; none means all.
    selected: Selected,
    /// How the caller calls this look: asked for again, it is the same job.
    caller_id: Option<String>,
}

/// Begins to look for drift in an org.
#[utoipa::path(post, path = "/api/v2/orgs/{org}/drift", tag = "drift", request_body = Look,
    params(("org", description = "The org")),
    responses((status = 202, body = JobView), (status = "4XX", body = Problem)))]
pub(crate) async fn look(
    State(service): State<Service>,
    caller: Caller,
    Path(org): Path<String>,
    Body(asked): Body<Look>,
) -> Result<Response, Problem> {
    let Look {
        against,
        selected,
        caller_id,
    } = asked;
    let task = Task::Drift {
        org,
        against,
        selected,
    };
    service
        .ask(&caller, task, caller_id, &[], |job| {
            format!("/api/v2/jobs/{}", job.id)
        })
        .await
}
