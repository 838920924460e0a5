//! Exports that are kept.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use orgsmith_core::id::OrgName;
use orgsmith_store::desk::{FileHead, Filter, Job, JobState};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::part::{Listed, Part, within};
use super::{Query, time};
use crate::auth::{Caller, Role};
use crate::problem::Problem;
use crate::service::Service;
use crate::task::{Selected, Task};
use crate::work::BUNDLE;

/// An org as it was, kept as a bundle.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SnapshotView {
    /// Its id, which is that of the job that made it.
    id: String,
    /// The org.
    org: String,
    /// When it was asked for.
    created: String,
    /// When it was done.
    ended: Option<String>,
    /// Who asked for it.
    actor: String,
    /// How the caller called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    caller_id: Option<String>,
    /// Which objects; nothing means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    selected: Option<Selected>,
    /// The digest of what is in it: two with the same digest are alike.
    digest: Option<String>,
    /// How many objects it has, by kind.
    objects: BTreeMap<String, u64>,
    /// What could not be read.
    #[schema(value_type = Vec<Object>)]
    gaps: Vec<Value>,
    /// Bytes of the zip.
    size: u64,
    /// SHA-256 of the zip, in hexadecimal digits.
    sha256: String,
    /// Where it can be had.
    href: String,
}

impl SnapshotView {
    fn new(job: Job, head: FileHead, result: &Value) -> Self {
        let task: Option<Task> = serde_json::from_str(&job.task).ok();
        let selected = match task {
            Some(Task::Export { selected, .. }) if !selected.is_everything() => Some(selected),
            _ => None,
        };
        Self {
            href: format!("/api/v2/orgs/{}/snapshots/{}/download", job.org, job.id),
            id: job.id,
            org: job.org.as_str().to_owned(),
            created: time(job.created_ms),
            ended: job.ended_ms.map(time),
            actor: job.actor,
            caller_id: job.caller,
            selected,
            digest: result["digest"].as_str().map(str::to_owned),
            objects: BTreeMap::deserialize(&result["objects"]).unwrap_or_default(),
            gaps: result["gaps"].as_array().cloned().unwrap_or_default(),
            size: head.size,
            sha256: head.sha256,
        }
    }
}

/// Lists the exports of an org that are kept, the last first.
#[utoipa::path(get, path = "/api/v2/orgs/{org}/snapshots", tag = "snapshots",
    params(("org", description = "The org"), Part),
    responses((status = 200, body = Vec<SnapshotView>), (status = "4XX", body = Problem)))]
pub(crate) async fn list(
    State(service): State<Service>,
    caller: Caller,
    Path(org): Path<String>,
    asked: Uri,
    Query(Part { after, limit }): Query<Part>,
) -> Result<Listed<Vec<SnapshotView>>, Problem> {
    let org = service.seen_org(&caller, &org)?;
    let limit = within(limit)?;
    let filter = Filter {
        org: Some(OrgName::new(&org.name)),
        kind: Some("export".to_owned()),
        state: Some(JobState::Completed),
        before: service.job_of_list(after).await?,
        limit: limit + 1,
    };
    let mut views = Vec::new();
    for (job, head) in service.desk().jobs_with(BUNDLE, &filter).await? {
        let result = service.result_of(&job).await?;
        views.push(SnapshotView::new(job, head, &result));
    }
    let more = views.len() > limit as usize;
    views.truncate(limit as usize);
    let last = views.last().filter(|_| more).map(|last| last.id.clone());
    Ok(Listed::new(views, &asked, last))
}

/// Finds a snapshot that a caller may see.
async fn find(
    service: &Service,
    caller: &Caller,
    org: &str,
    id: &str,
) -> Result<(Job, FileHead), Problem> {
    let org = service.seen_org(caller, org)?;
    let none = || {
        let org = &org.name;
        Problem::not_found(format!(
            "{org} has no snapshot {id}; GET /api/v2/orgs/{org}/snapshots lists those that are kept"
        ))
    };
    let job = service.desk().job(id).await?;
    let job = job.filter(|job| job.org.as_str() == org.name && job.kind == "export");
    let job = job.ok_or_else(none)?;
    let heads = service.desk().files(id).await?;
    let head = heads.into_iter().find(|head| head.name == BUNDLE);
    let is_whole = job.state == JobState::Completed;
    Ok((job, head.filter(|_| is_whole).ok_or_else(none)?))
}

/// Shows an export that is kept.
#[utoipa::path(get, path = "/api/v2/orgs/{org}/snapshots/{snapshot}", tag = "snapshots",
    params(("org", description = "The org"), ("snapshot", description = "The snapshot")),
    responses((status = 200, body = SnapshotView), (status = "4XX", body = Problem)))]
pub(crate) async fn show(
    State(service): State<Service>,
    caller: Caller,
    Path((org, id)): Path<(String, String)>,
) -> Result<Json<SnapshotView>, Problem> {
    let (job, head) = find(&service, &caller, &org, &id).await?;
    let result = service.result_of(&job).await?;
    Ok(Json(SnapshotView::new(job, head, &result)))
}

/// Returns the bundle.
#[utoipa::path(get, path = "/api/v2/orgs/{org}/snapshots/{snapshot}/download", tag = "snapshots",
    params(("org", description = "The org"), ("snapshot", description = "The snapshot")),
    responses((status = 200, content_type = "application/zip"), (status = "4XX", body = Problem)))]
pub(crate) async fn download(
    State(service): State<Service>,
    caller: Caller,
    Path((org, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (job, _) = find(&service, &caller, &org, &id).await?;
    service.send_file(&job, BUNDLE).await
}

/// Keeps a snapshot no longer. That it was made, and when, is still to be seen in its job.
#[utoipa::path(delete, path = "/api/v2/orgs/{org}/snapshots/{snapshot}", tag = "snapshots",
    params(("org", description = "The org"), ("snapshot", description = "The snapshot")),
    responses((status = 204), (status = "4XX", body = Problem)))]
pub(crate) async fn remove(
    State(service): State<Service>,
    caller: Caller,
    Path((org, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    caller.may(Role::Operator, [org.as_str()])?;
    find(&service, &caller, &org, &id).await?;
    service.desk().remove_file(&id, BUNDLE).await?;
    service
        .act(
            &caller.name,
            "delete a snapshot",
            Some(&org),
            Some(&id),
            "done",
        )
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
