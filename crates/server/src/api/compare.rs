//! How orgs agree, object by object.

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use orgsmith_store::desk::JobState;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::part::{Listed, Part};
use super::{Body, JobView, Query};
use crate::auth::Caller;
use crate::problem::Problem;
use crate::service::Service;
use crate::task::{Selected, Task};

/// What is compared.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Compare {
    /// The orgs, two or more; the first is the one that the others are held against.
    orgs: Vec<String>,
    /// Only these: a kind, or `kind=…,name=…,division=…`.
    #[serde(default)]
    select: Vec<String>,
    /// Not these.
    #[serde(default)]
    exclude: Vec<String>,
    /// How the caller calls this comparison: asked for again, it is the same job.
    caller_id: Option<String>,
}

/// Begins to compare orgs.
#[utoipa::path(post, path = "/api/v2/compare", tag = "compare", request_body = Compare,
    responses((status = 202, body = JobView), (status = "4XX", body = Problem)))]
pub(crate) async fn ask(
    State(service): State<Service>,
    caller: Caller,
    Body(asked): Body<Compare>,
) -> Result<Response, Problem> {
    let Compare {
        orgs,
        select,
        exclude,
        caller_id,
    } = asked;
    if orgs.len() < 2 {
        return Err(Problem::bad(
            "`orgs` names two or more: the first is the one that the others are held against",
        ));
    }
    let selected = Selected {
        select,
        exclude,
        ..Selected::default()
    };
    let task = Task::Compare { orgs, selected };
    service
        .ask(&caller, task, caller_id, &[], |job| {
            format!("/api/v2/compare/{}", job.id)
        })
        .await
}

/// A comparison.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Compared {
    #[serde(flatten)]
    job: JobView,
    /// Once it is completed, which objects differ, in the form of `orgsmith compare -o json`; of its
    /// `rows` the part that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    matrix: Option<Value>,
    /// How many rows there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
}

/// Shows how a comparison stands, and once it is completed, what it has found.
#[utoipa::path(get, path = "/api/v2/compare/{job}", tag = "compare",
    params(("job", description = "The job"), Part),
    responses((status = 200, body = Compared), (status = "4XX", body = Problem)))]
pub(crate) async fn show(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
    asked: Uri,
    Query(part): Query<Part>,
) -> Result<Listed<Compared>, Problem> {
    let mut job = service.find_job(&caller, &id).await?;
    if job.kind != "compare" {
        return Err(Problem::not_found(format!("the job {id} is no comparison")));
    }
    let (mut matrix, mut total, mut last) = (None, None, None);
    if job.state == JobState::Completed {
        let mut found = service.result_of(&job).await?;
        if let Some(rows) = found.get_mut("rows").and_then(Value::as_array_mut) {
            total = Some(rows.len());
            let name = |row: &Value| row["object"].as_str().unwrap_or_default().to_owned();
            (*rows, last) = part.of(std::mem::take(rows), name)?;
        }
        matrix = Some(found);
        job.result = None;
    }
    let job = service.view_job(job).await?;
    Ok(Listed::new(Compared { job, matrix, total }, &asked, last))
}
