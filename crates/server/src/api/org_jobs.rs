//! Export, import and clone of orgs, as the guides call them.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Multipart, Path, State};
use axum::http::Uri;
use axum::response::Response;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::id::OrgName;
use orgsmith_store::state::{Mapping, MappingFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::part::{Listed, Part, within};
use super::{Body, JobView, Query};
use crate::auth::{Caller, Role};
use crate::file::file;
use crate::problem::Problem;
use crate::service::Service;
use crate::task::{Carry, Selected, Task};
use crate::words::Words;
use crate::work::BUNDLE;

/// What an export asks for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Export {
    /// Kinds of objects, such as `routing_queue` or `routingQueues`; none means all.
    entity_types: Vec<String>,
    /// How the caller calls this export: asked for again, it is the same job.
    export_id: Option<String>,
    /// Takes along what the selected objects refer to.
    with_dependencies: bool,
}

/// Begins to export an org.
#[utoipa::path(post, path = "/api/v2/orgs/{org}/export", tag = "org jobs",
    params(("org", description = "The org, as the project file calls it")), request_body = Export,
    responses((status = 202, body = JobView), (status = "4XX", body = Problem)))]
pub(crate) async fn export(
    State(service): State<Service>,
    caller: Caller,
    Path(org): Path<String>,
    Body(asked): Body<Export>,
) -> Result<Response, Problem> {
    let mut select = Vec::new();
    for name in &asked.entity_types {
        select.push(term(name)?);
    }
    let task = Task::Export {
        org,
        selected: Selected {
            select,
            with_dependencies: asked.with_dependencies,
            ..Selected::default()
        },
    };
    service
        .ask(&caller, task, asked.export_id, &[], |job| {
            format!("/api/v2/orgs/{}/exports/{}", job.org, job.id)
        })
        .await
}

/// Shows how an export stands.
#[utoipa::path(get, path = "/api/v2/orgs/{org}/exports/{job}", tag = "org jobs",
    params(("org", description = "The org"), ("job", description = "The job")),
    responses((status = 200, body = JobView), (status = "4XX", body = Problem)))]
pub(crate) async fn exported(
    State(service): State<Service>,
    caller: Caller,
    Path((org, job)): Path<(String, String)>,
) -> Result<Json<JobView>, Problem> {
    of_org(&service, &caller, &org, &job, "export")
        .await
        .map(Json)
}

/// Returns the bundle that an export has made.
#[utoipa::path(get, path = "/api/v2/orgs/{org}/exports/{job}/download", tag = "org jobs",
    params(("org", description = "The org"), ("job", description = "The job")),
    responses((status = 200, content_type = "application/zip"), (status = "4XX", body = Problem)))]
pub(crate) async fn download(
    State(service): State<Service>,
    caller: Caller,
    Path((org, job)): Path<(String, String)>,
) -> Result<Response, Problem> {
    of_org(&service, &caller, &org, &job, "export").await?;
    let job = service.find_job(&caller, &job).await?;
    service.send_file(&job, BUNDLE).await
}

/// How an import is done.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct Import {
    /// Only plans, and says what is wrong.
    validate_only: bool,
    /// How the caller calls this import: asked for again, it is the same job.
    import_id: Option<String>,
    /// Lifts the change brake.
    force: bool,
    /// The name of the org again, where the org is protected.
    confirm: Option<String>,
}

/// A bundle that is sent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described")]
pub(crate) struct Sent {
    /// The bundle, a zip.
    #[schema(value_type = String, format = Binary)]
    bundle: Vec<u8>,
}

/// Begins to import a bundle into an org.
#[utoipa::path(post, path = "/api/v2/orgs/{org}/import", tag = "org jobs",
    params(("org", description = "The org that is written to"), Import),
    request_body(content = Sent, content_type = "multipart/form-data"),
    responses((status = 202, body = JobView), (status = "4XX", body = Problem)))]
pub(crate) async fn import(
    State(service): State<Service>,
    caller: Caller,
    Path(org): Path<String>,
    Query(asked): Query<Import>,
    mut sent: Multipart,
) -> Result<Response, Problem> {
    // Who may not ask for it need not send it.
    caller.may(Role::Operator, [org.as_str()])?;
    let mut bundle = None;
    while let Some(part) = sent.next_field().await? {
        // The guides call the part `file`; any part that is a file is taken, and only one.
        if part.file_name().is_none() && part.name() != Some("bundle") {
            continue;
        }
        if bundle.replace(part.bytes().await?).is_some() {
            return Err(Problem::bad(
                "more than one file was sent; an import takes one zip",
            ));
        }
    }
    let bundle = bundle.ok_or_else(|| {
        Problem::bad("no file was sent; an import takes a zip as the part `bundle`")
    })?;
    if !bundle.starts_with(b"PK") {
        return Err(Problem::bad(
            "what was sent is no zip; `orgsmith bundle pack` makes one of a directory",
        ));
    }
    let task = Task::Import {
        org,
        validate_only: asked.validate_only,
        selected: Selected::default(),
        carry: Carry {
            force: asked.force,
            confirm: asked.confirm,
            ..Carry::default()
        },
    };
    let files = [file(BUNDLE, "application/zip", bundle.to_vec())];
    service
        .ask(&caller, task, asked.import_id, &files, |job| {
            format!("/api/v2/orgs/{}/imports/{}", job.org, job.id)
        })
        .await
}

/// Shows how an import stands.
#[utoipa::path(get, path = "/api/v2/orgs/{org}/imports/{job}", tag = "org jobs",
    params(("org", description = "The org"), ("job", description = "The job")),
    responses((status = 200, body = JobView), (status = "4XX", body = Problem)))]
pub(crate) async fn imported(
    State(service): State<Service>,
    caller: Caller,
    Path((org, job)): Path<(String, String)>,
) -> Result<Json<JobView>, Problem> {
    of_org(&service, &caller, &org, &job, "import")
        .await
        .map(Json)
}

/// What a clone asks for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Clone {
    /// The org that is written to, as the project file calls it. Genesys Cloud has no call that makes an
    /// org, so it has to be there.
    name: String,
    /// The org that is read, as the project file calls it.
    source_org_id: String,
    /// What is cloned, such as `{"users": true, "routingQueues": true}`; nothing means everything.
    #[serde(default)]
    clone: BTreeMap<String, bool>,
    /// How the caller calls this clone: asked for again, it is the same job.
    clone_id: Option<String>,
    /// How it is carried out.
    #[serde(default)]
    carry: Carry,
}

/// Begins to clone an org into another.
#[utoipa::path(post, path = "/api/v2/orgs", tag = "org jobs", request_body = Clone,
    responses((status = 202, body = JobView), (status = "4XX", body = Problem)))]
pub(crate) async fn clone(
    State(service): State<Service>,
    caller: Caller,
    Body(asked): Body<Clone>,
) -> Result<Response, Problem> {
    let mut selected = Selected::default();
    for (name, wanted) in &asked.clone {
        let term = term(name)?;
        if *wanted {
            selected.select.push(term);
            selected.with_dependencies = true;
        } else {
            selected.exclude.push(term);
        }
    }
    // A flag that is off only says something about what nothing else asks for.
    if !selected.select.is_empty() {
        selected.exclude.clear();
    }
    let task = Task::Clone {
        source: asked.source_org_id,
        org: asked.name,
        selected,
        carry: asked.carry,
    };
    service
        .ask(&caller, task, asked.clone_id, &[], |job| {
            format!("/api/v2/orgs/clone/jobs/{}", job.id)
        })
        .await
}

/// A clone, and which object became which.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cloned {
    #[serde(flatten)]
    job: JobView,
    /// Once it is completed: the objects with their ids in both orgs, or the part of them that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping: Option<Vec<Mapped>>,
}

/// An object that is in two orgs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mapped {
    /// The object, by kind and key.
    pub(crate) object: String,
    /// The org that was read.
    pub(crate) source_org: String,
    /// Its id there.
    pub(crate) source_id: Option<String>,
    /// The org that was written to.
    pub(crate) target_org: String,
    /// Its id there.
    pub(crate) target_id: String,
    /// The run that wrote it.
    pub(crate) run: String,
}

impl From<Mapping> for Mapped {
    fn from(mapping: Mapping) -> Self {
        Self {
            object: mapping.object.to_string(),
            source_org: mapping.source_org.as_str().to_owned(),
            source_id: mapping.source_id.map(|id| id.as_str().to_owned()),
            target_org: mapping.target_org.as_str().to_owned(),
            target_id: mapping.target_id.as_str().to_owned(),
            run: mapping.run.as_str().to_owned(),
        }
    }
}

/// Shows how a clone stands, and once it is completed, which object became which.
#[utoipa::path(get, path = "/api/v2/orgs/clone/jobs/{job}", tag = "org jobs",
    params(("job", description = "The job"), Part),
    responses((status = 200, body = Cloned), (status = "4XX", body = Problem)))]
pub(crate) async fn cloned(
    State(service): State<Service>,
    caller: Caller,
    Path(job): Path<String>,
    asked: Uri,
    Query(part): Query<Part>,
) -> Result<Listed<Cloned>, Problem> {
    let limit = within(part.limit)? as usize;
    let found = service.find_job(&caller, &job).await?;
    let task: Task = serde_json::from_str(&found.task).map_err(Problem::internal)?;
    let Task::Clone { source, org, .. } = task else {
        return Err(Problem::not_found(format!("the job {job} is no clone")));
    };
    let job = service.view_job(found).await?;
    let (mut mapping, mut last) = (None, None);
    if job.state == "Completed" {
        let filter = MappingFilter {
            source_org: Some(OrgName::new(&source)),
            target_org: Some(OrgName::new(&org)),
            ..MappingFilter::default()
        };
        let (words, after) = (Words::default(), part.after.as_deref());
        let mapped = service.mapped(&caller, &filter, &words, after, limit);
        let (mapped, behind) = mapped.await?;
        (mapping, last) = (Some(mapped), behind);
    }
    Ok(Listed::new(Cloned { job, mapping }, &asked, last))
}

async fn of_org(
    service: &Service,
    caller: &Caller,
    org: &str,
    id: &str,
    kind: &str,
) -> Result<JobView, Problem> {
    let job = service.find_job(caller, id).await?;
    if job.org.as_str() != org || job.kind != kind {
        return Err(Problem::not_found(format!("{org} has no {kind} {id}")));
    }
    service.view_job(job).await
}

/// Names of the guides that are no plural of ours.
const CALLED: [(&str, &str); 6] = [
    ("routingFlows", "flow"),
    ("flows", "flow"),
    ("routingOutbound", "family=outbound"),
    ("outbound", "family=outbound"),
    ("divisions", "auth_division"),
    ("roles", "auth_role"),
];

/// Turns a type of entity into a term of a selection: `routing_queue`, `routingQueue` and `routingQueues`
/// are the same.
fn term(name: &str) -> Result<String, Problem> {
    if let Some((_, term)) = CALLED.iter().find(|(called, _)| *called == name) {
        return Ok((*term).to_owned());
    }
    let plain = |text: &str| text.replace('_', "").to_lowercase();
    let wanted = plain(name);
    let catalogue = Catalogue::builtin();
    let mut kinds = catalogue.iter().map(|kind| kind.kind.as_str());
    kinds
        .find(|kind| {
            let kind = plain(kind);
            wanted == kind || wanted.strip_suffix('s') == Some(&kind)
        })
        .map(str::to_owned)
        .ok_or_else(|| {
            Problem::bad(format!(
                "{name:?} is no type of entity; `orgsmith kinds` lists them, such as routing_queue or \
                 routingQueues"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_guides_are_known() {
        for (name, meant) in [
            ("users", "user"),
            ("groups", "group"),
            ("routingQueues", "routing_queue"),
            ("routingFlows", "flow"),
            ("routingEmailDomains", "routing_email_domain"),
            ("routingSkills", "routing_skill"),
            ("routingWrapupCodes", "routing_wrapupcode"),
            ("routingOutbound", "family=outbound"),
            ("routing_queue", "routing_queue"),
        ] {
            assert_eq!(term(name).ok().as_deref(), Some(meant), "{name}");
        }
        let none = term("queuez").expect_err("no such kind");
        assert!(none.detail.contains("queuez"), "{}", none.detail);
    }
}
