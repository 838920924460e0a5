//! Jobs of every kind.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use orgsmith_core::id::OrgName;
use orgsmith_engine::now_ms;
use orgsmith_store::desk::{File, FileHead, Filter, Job, JobState};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::part::{Listed, gone, within};
use super::{Body, Query, time};
use crate::auth::{Caller, Role};
use crate::problem::Problem;
use crate::progress::Progress;
use crate::service::Service;
use crate::task::Task;
use crate::work::RESULT;

/// How often jobs are read for one list.
const LOOKS: u32 = 20;

/// A job.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobView {
    /// Its id.
    pub(crate) id: String,
    /// How the caller calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) caller_id: Option<String>,
    /// What kind of job it is.
    pub(crate) kind: String,
    /// The org that is written to, or read where none is.
    pub(crate) org: String,
    /// Who asked for it.
    pub(crate) actor: String,
    /// `Queued`, `Running`, `Completed`, `Failed` or `Cancelled`.
    pub(crate) state: String,
    /// What it is to do.
    pub(crate) task: Value,
    /// When it was asked for.
    pub(crate) created: String,
    /// When a worker first began with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<String>,
    /// How often a worker has begun with it.
    pub(crate) attempt: u32,
    /// The worker that began with it last: its machine, its process, and numbers that tell it apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) worker: Option<String>,
    /// The exit code that the command line has for how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exit: Option<u8>,
    /// Why it failed, or why it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<Value>,
    /// How far it is.
    pub(crate) progress: Progress,
    /// Files that it needed or made.
    pub(crate) files: Vec<FileView>,
}

/// A file of a job.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileView {
    /// Its name.
    pub(crate) name: String,
    /// Its media type.
    pub(crate) media_type: String,
    /// SHA-256 of its content, in hexadecimal digits.
    pub(crate) sha256: String,
    /// Bytes of its content.
    pub(crate) size: u64,
    /// Where it can be had.
    pub(crate) href: String,
}

impl JobView {
    pub(crate) fn new(job: Job, files: Vec<FileHead>) -> Self {
        let value = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        let files = files.into_iter().map(|head| FileView {
            href: format!("/api/v2/jobs/{}/files/{}", job.id, head.name),
            name: head.name,
            media_type: head.media,
            sha256: head.sha256,
            size: head.size,
        });
        Self {
            files: files.collect(),
            id: job.id,
            caller_id: job.caller,
            kind: job.kind,
            org: job.org.as_str().to_owned(),
            actor: job.actor,
            state: job.state.as_str().to_owned(),
            task: value(Some(job.task)).unwrap_or_default(),
            created: time(job.created_ms),
            started: job.started_ms.map(time),
            ended: job.ended_ms.map(time),
            attempt: job.attempt,
            worker: job.worker,
            exit: job.exit,
            message: job.message,
            result: value(job.result),
            progress: job
                .progress
                .and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or_default(),
        }
    }
}

/// Tells whether somebody may see a job. Of one that was asked for by a newer orgsmith it is not known which
/// orgs it is about.
fn sees(caller: &Caller, job: &Job) -> bool {
    match serde_json::from_str::<Task>(&job.task) {
        Ok(task) => caller.sees_all(&task),
        Err(_) => caller.may_everywhere(Role::Viewer).is_ok(),
    }
}

impl Service {
    /// Finds a job that a caller may see.
    pub(crate) async fn find_job(&self, caller: &Caller, id: &str) -> Result<Job, Problem> {
        let job = self.desk().job(id).await?;
        let none = || Problem::not_found(format!("there is no job {id}"));
        let job = job.ok_or_else(none)?;
        // That it exists is not for those to know who may not see its orgs.
        if sees(caller, &job) {
            Ok(job)
        } else {
            Err(none())
        }
    }

    /// Lists so many of the jobs that a caller may see, without their files, and behind which there are more.
    pub(crate) async fn seen_jobs(
        &self,
        caller: &Caller,
        filter: &Filter,
    ) -> Result<(Vec<JobView>, Option<String>), Problem> {
        let wanted = filter.limit as usize;
        let mut filter = Filter {
            limit: filter.limit + 1,
            ..filter.clone()
        };
        let mut views = Vec::new();
        // What somebody may not see takes no place from what they may.
        for _ in 0..LOOKS {
            let jobs = self.desk().jobs(&filter).await?;
            let are_last = jobs.len() <= wanted;
            for job in jobs {
                if views.len() == wanted {
                    return Ok((views, filter.before));
                }
                filter.before = Some(job.id.clone());
                if sees(caller, &job) {
                    views.push(JobView::new(job, Vec::new()));
                }
            }
            if are_last {
                return Ok((views, None));
            }
        }
        Ok((views, filter.before))
    }

    /// Returns the job behind which a part of a list begins, where it is still there.
    pub(crate) async fn job_of_list(
        &self,
        after: Option<String>,
    ) -> Result<Option<String>, Problem> {
        if let Some(after) = &after
            && self.desk().job(after).await?.is_none()
        {
            return Err(gone(after));
        }
        Ok(after)
    }

    /// Returns what came of a job, also where that is long; null where nothing did.
    pub(crate) async fn result_of(&self, job: &Job) -> Result<Value, Problem> {
        let text = match &job.result {
            Some(result) => result.clone().into_bytes(),
            None => match self.desk().file(&job.id, RESULT).await? {
                Some(file) => file.content,
                None => return Ok(Value::Null),
            },
        };
        serde_json::from_slice(&text).map_err(Problem::internal)
    }

    /// Returns a job as it is shown.
    pub(crate) async fn view_job(&self, job: Job) -> Result<JobView, Problem> {
        let files = self.desk().files(&job.id).await?;
        Ok(JobView::new(job, files))
    }

    /// Has a task done for somebody who may ask for it, and answers 202 with its place.
    pub(crate) async fn ask(
        &self,
        caller: &Caller,
        task: Task,
        id: Option<String>,
        files: &[File],
        place: impl FnOnce(&Job) -> String,
    ) -> Result<Response, Problem> {
        let job = self.accept(caller, task, id, files).await?;
        self.accepted(job, place).await
    }

    /// Answers 202 with the place of a job.
    pub(crate) async fn accepted(
        &self,
        job: Job,
        place: impl FnOnce(&Job) -> String,
    ) -> Result<Response, Problem> {
        let place = [(header::LOCATION, place(&job))];
        let view = self.view_job(job).await?;
        Ok((StatusCode::ACCEPTED, place, Json(view)).into_response())
    }

    /// Writes a task down for somebody who may ask for it, and hands it out.
    pub(crate) async fn accept(
        &self,
        caller: &Caller,
        task: Task,
        id: Option<String>,
        files: &[File],
    ) -> Result<Job, Problem> {
        caller.may(Role::Operator, task.orgs())?;
        let allowed = self.allows(caller, &task).await;
        allowed.map_err(|problem| problem.about(task.org().as_str()))?;
        let job = self.submit(&task, &caller.name, id, files).await?;
        let (action, org) = (format!("ask for {}", job.kind), job.org.as_str());
        self.act(&caller.name, &action, Some(org), Some(&job.id), "accepted")
            .await?;
        Ok(job)
    }

    /// Ends a job for somebody.
    pub(crate) async fn cancel(&self, caller: &Caller, id: &str) -> Result<Job, Problem> {
        let job = self.find_job(caller, id).await?;
        caller.may(Role::Operator, [job.org.as_str()])?;
        if !self.desk().cancel_job(&job.id, now_ms()).await? {
            return Err(Problem::conflict(format!("the job {} has ended", job.id)));
        }
        let org = Some(job.org.as_str());
        self.act(&caller.name, "cancel", org, Some(&job.id), "accepted")
            .await?;
        self.find_job(caller, id).await
    }

    /// Holds a task against what the settings allow.
    async fn allows(&self, caller: &Caller, task: &Task) -> Result<(), Problem> {
        let needed = self.settings().approvals;
        if needed == 0 || !task.writes() {
            return Ok(());
        }
        let Task::Apply { plan, .. } = task else {
            return Err(Problem::forbidden(format!(
                "here plans are approved before they are carried out, so nobody may ask for {} at once: \
                 POST /api/v2/plans, have it approved, and POST /api/v2/plans/{{job}}/apply",
                task.kind()
            )));
        };
        let made = self.find_job(caller, plan).await?;
        let digest = crate::api::plans::digest(&made)?;
        let approvals = self.desk().approvals(&digest).await?;
        let others = approvals
            .iter()
            .filter(|(actor, _)| *actor != made.actor)
            .count();
        if others < needed {
            return Err(Problem::forbidden(format!(
                "the plan {plan} is approved by {others} of {needed} people other than {}, who asked for it",
                made.actor
            )));
        }
        Ok(())
    }
}

/// Which jobs.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Of one org.
    org: Option<String>,
    /// Of one kind.
    kind: Option<String>,
    /// In one state.
    state: Option<String>,
    /// What comes after this one: taken from the `Link` of the part before.
    after: Option<String>,
    /// At most so many: 1 to 500 [default: 100].
    limit: Option<u32>,
}

/// Lists jobs, the last asked for first.
#[utoipa::path(get, path = "/api/v2/jobs", tag = "jobs", params(Which),
    responses((status = 200, body = Vec<JobView>), (status = "4XX", body = Problem)))]
pub(crate) async fn list(
    State(service): State<Service>,
    caller: Caller,
    asked: Uri,
    Query(which): Query<Which>,
) -> Result<Listed<Vec<JobView>>, Problem> {
    let state: Option<JobState> = which
        .state
        .map(|state| state.parse())
        .transpose()
        .map_err(Problem::bad)?;
    let filter = Filter {
        org: which.org.as_deref().map(OrgName::new),
        kind: which.kind,
        state,
        before: service.job_of_list(which.after).await?,
        limit: within(which.limit)?,
    };
    let (jobs, last) = service.seen_jobs(&caller, &filter).await?;
    Ok(Listed::new(jobs, &asked, last))
}

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Ask {
    /// How the caller calls it; asked again, it is the same job.
    caller_id: Option<String>,
    /// What is to be done.
    task: Task,
}

/// Asks for a job of any kind that needs no file.
#[utoipa::path(post, path = "/api/v2/jobs", tag = "jobs", request_body = Ask,
    responses((status = 202, body = JobView), (status = "4XX", body = Problem)))]
pub(crate) async fn submit(
    State(service): State<Service>,
    caller: Caller,
    Body(ask): Body<Ask>,
) -> Result<Response, Problem> {
    if let Task::Import { .. } = ask.task {
        return Err(Problem::bad(
            "a bundle is sent to POST /api/v2/orgs/{org}/import",
        ));
    }
    let place = |job: &Job| format!("/api/v2/jobs/{}", job.id);
    // A plan is carried out once, however that is asked for.
    if let Task::Apply { org, plan, carry } = ask.task {
        service.find_plan_of(&caller, &org, &plan).await?;
        let job = service.apply_plan(&caller, &plan, carry).await?;
        return service.accepted(job, place).await;
    }
    service
        .ask(&caller, ask.task, ask.caller_id, &[], place)
        .await
}

/// Shows a job.
#[utoipa::path(get, path = "/api/v2/jobs/{job}", tag = "jobs", params(("job", description = "The job")),
    responses((status = 200, body = JobView), (status = "4XX", body = Problem)))]
pub(crate) async fn show(
    State(service): State<Service>,
    caller: Caller,
    Path(job): Path<String>,
) -> Result<Json<JobView>, Problem> {
    let job = service.find_job(&caller, &job).await?;
    Ok(Json(service.view_job(job).await?))
}

/// Ends a job: one that writes finishes what it has begun, and its run can be resumed.
#[utoipa::path(post, path = "/api/v2/jobs/{job}/cancel", tag = "jobs", params(("job", description = "The job")),
    responses((status = 202, body = JobView), (status = 409, body = Problem), (status = "4XX", body = Problem)))]
pub(crate) async fn cancel(
    State(service): State<Service>,
    caller: Caller,
    Path(job): Path<String>,
) -> Result<Response, Problem> {
    let job = service.cancel(&caller, &job).await?;
    Ok((StatusCode::ACCEPTED, Json(service.view_job(job).await?)).into_response())
}

/// Returns a file of a job.
#[utoipa::path(get, path = "/api/v2/jobs/{job}/files/{name}", tag = "jobs",
    params(("job", description = "The job"), ("name", description = "The file")),
    responses((status = 200, content_type = "application/octet-stream"), (status = "4XX", body = Problem)))]
pub(crate) async fn file(
    State(service): State<Service>,
    caller: Caller,
    Path((job, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let job = service.find_job(&caller, &job).await?;
    service.send_file(&job, &name).await
}

impl Service {
    /// Sends a file of a job, to be saved.
    pub(crate) async fn send_file(&self, job: &Job, name: &str) -> Result<Response, Problem> {
        let file = self.desk().file(&job.id, name).await?;
        let file = file.ok_or_else(|| {
            Problem::not_found(format!(
                "the job {} is {} and has no file {name:?}",
                job.id, job.state
            ))
        })?;
        let saved_as = format!("attachment; filename=\"{}-{}\"", job.id, file.head.name);
        let headers = [
            (header::CONTENT_TYPE, file.head.media),
            (header::CONTENT_DISPOSITION, saved_as),
            (header::ETAG, format!("\"{}\"", file.head.sha256)),
        ];
        Ok((headers, file.content).into_response())
    }
}
