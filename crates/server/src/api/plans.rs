//! Plans: made, approved by their digest, carried out.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use orgsmith_engine::now_ms;
use orgsmith_store::desk::{Job, JobState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, JobView, time};
use crate::auth::{Caller, Role};
use crate::problem::Problem;
use crate::service::Service;
use crate::task::{Carry, Selected, Task};

/// What a plan is to do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Plan {
    /// The org that is read; without it, what the project file holds the org against, which may be a
    /// bundle.
    source: Option<String>,
    /// The org that would be written to.
    org: String,
    /// Also deletes what only the target has, of the kinds in the source.
    #[serde(default)]
    prune: bool,
    /// Goes past the change brake.
    #[serde(default)]
    force: bool,
    /// Which objects.
    #[serde(default)]
    selected: Selected,
    /// How the caller calls it: asked for again, it is the same job.
    caller_id: Option<String>,
}

/// A plan, and who approves of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Planned {
    #[serde(flatten)]
    job: JobView,
    /// The digest that is approved; none before the plan is made.
    digest: Option<String>,
    /// How many people other than who asked for it have to approve.
    approvals_needed: usize,
    /// Who approves.
    approvals: Vec<Approved>,
}

/// Somebody who approves of a plan.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Approved {
    /// Who.
    actor: String,
    /// Since when.
    at: String,
}

/// What is approved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approve {
    /// The digest of the plan that was looked at.
    digest: String,
}

/// Returns the digest of the plan that a job has made.
pub(crate) fn digest(job: &Job) -> Result<String, Problem> {
    let result: Option<serde_json::Value> = job
        .result
        .as_deref()
        .and_then(|result| serde_json::from_str(result).ok());
    let digest = result.as_ref().and_then(|result| result["digest"].as_str());
    match digest {
        Some(digest) if job.state == JobState::Completed => Ok(digest.to_owned()),
        _ => Err(Problem::conflict(format!(
            "the job {} is {} and has made no plan",
            job.id, job.state
        ))),
    }
}

impl Service {
    async fn find_plan(&self, caller: &Caller, id: &str) -> Result<Job, Problem> {
        let job = self.find_job(caller, id).await?;
        if job.kind == "plan" || job.kind == "import" {
            Ok(job)
        } else {
            Err(Problem::not_found(format!("the job {id} makes no plan")))
        }
    }

    /// Finds a plan of an org that a caller may see.
    pub(crate) async fn find_plan_of(
        &self,
        caller: &Caller,
        org: &str,
        id: &str,
    ) -> Result<Job, Problem> {
        let job = self.find_plan(caller, id).await?;
        if job.org.as_str() == org {
            return Ok(job);
        }
        Err(Problem::not_found(format!("{org} has no plan {id}")))
    }

    /// Approves a plan for somebody, who looked at what has this digest.
    pub(crate) async fn approve_plan(
        &self,
        caller: &Caller,
        id: &str,
        looked_at: &str,
    ) -> Result<Job, Problem> {
        let job = self.find_plan(caller, id).await?;
        caller.may(Role::Approver, [job.org.as_str()])?;
        let digest = digest(&job)?;
        if digest != looked_at {
            return Err(Problem::conflict(format!(
                "the plan has the digest {digest}, and {looked_at} was approved; look at it again"
            )));
        }
        self.desk().approve(&digest, &caller.name, now_ms()).await?;
        let org = Some(job.org.as_str());
        self.act(&caller.name, "approve", org, Some(&job.id), "accepted")
            .await?;
        Ok(job)
    }

    /// Has a plan carried out for somebody.
    pub(crate) async fn apply_plan(
        &self,
        caller: &Caller,
        id: &str,
        carry: Carry,
    ) -> Result<Job, Problem> {
        let made = self.find_plan(caller, id).await?;
        digest(&made)?;
        // A plan is carried out once.
        let once = Some(format!("apply {}", made.id));
        let task = Task::Apply {
            org: made.org.as_str().to_owned(),
            plan: made.id,
            carry,
        };
        self.accept(caller, task, once, &[]).await
    }

    async fn view_plan(&self, job: Job) -> Result<Planned, Problem> {
        let digest = digest(&job).ok();
        let approvals = match &digest {
            Some(digest) => self.desk().approvals(digest).await?,
            None => Vec::new(),
        };
        let approvals = approvals.into_iter().map(|(actor, at_ms)| Approved {
            actor,
            at: time(at_ms),
        });
        Ok(Planned {
            digest,
            approvals_needed: self.settings().approvals,
            approvals: approvals.collect(),
            job: self.view_job(job).await?,
        })
    }
}

/// Begins to plan what it takes to make an org match another, or a bundle.
#[utoipa::path(post, path = "/api/v2/plans", tag = "plans", request_body = Plan,
    responses((status = 202, body = JobView), (status = "4XX", body = Problem)))]
pub(crate) async fn submit(
    State(service): State<Service>,
    caller: Caller,
    Body(asked): Body<Plan>,
) -> Result<Response, Problem> {
    let task = Task::Plan {
        source: asked.source,
        org: asked.org,
        prune: asked.prune,
        selected: asked.selected,
        force: asked.force,
    };
    service
        .ask(&caller, task, asked.caller_id, &[], |job| {
            format!("/api/v2/plans/{}", job.id)
        })
        .await
}

/// Shows a plan, and who approves of it.
#[utoipa::path(get, path = "/api/v2/plans/{job}", tag = "plans",
    params(("job", description = "The job that makes the plan")),
    responses((status = 200, body = Planned), (status = "4XX", body = Problem)))]
pub(crate) async fn show(
    State(service): State<Service>,
    caller: Caller,
    Path(job): Path<String>,
) -> Result<Json<Planned>, Problem> {
    let job = service.find_plan(&caller, &job).await?;
    service.view_plan(job).await.map(Json)
}

/// Approves a plan by the digest of what was looked at.
#[utoipa::path(post, path = "/api/v2/plans/{job}/approve", tag = "plans", request_body = Approve,
    params(("job", description = "The job that made the plan")),
    responses((status = 200, body = Planned), (status = 409, body = Problem), (status = "4XX", body = Problem)))]
pub(crate) async fn approve(
    State(service): State<Service>,
    caller: Caller,
    Path(job): Path<String>,
    Body(asked): Body<Approve>,
) -> Result<Json<Planned>, Problem> {
    let job = service.approve_plan(&caller, &job, &asked.digest).await?;
    service.view_plan(job).await.map(Json)
}

/// Begins to carry a plan out.
#[utoipa::path(post, path = "/api/v2/plans/{job}/apply", tag = "plans", request_body = Carry,
    params(("job", description = "The job that made the plan")),
    responses((status = 202, body = JobView), (status = 403, body = Problem), (status = "4XX", body = Problem)))]
pub(crate) async fn apply(
    State(service): State<Service>,
    caller: Caller,
    Path(job): Path<String>,
    Body(carry): Body<Carry>,
) -> Result<Response, Problem> {
    let job = service.apply_plan(&caller, &job, carry).await?;
    service
        .accepted(job, |job| format!("/api/v2/jobs/{}", job.id))
        .await
}
