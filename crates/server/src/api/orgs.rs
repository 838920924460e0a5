//! The orgs that the project file names.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use orgsmith_core::id::OrgName;
use serde::Serialize;
use utoipa::ToSchema;

use super::part::{Listed, Part};
use super::{Query, time};
use crate::auth::{Caller, Role};
use crate::problem::Problem;
use crate::service::Service;
use crate::work::{Calls, Org};

/// An org, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrgView {
    #[serde(flatten)]
    pub(crate) org: Org,
    /// Calls that this process has sent it.
    pub(crate) calls: Calls,
    /// Who may write to it at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) locked_by: Option<String>,
    /// The run that wrote to it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_run: Option<LastRun>,
}

/// The last run in an org.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LastRun {
    /// Its id.
    pub(crate) id: String,
    /// How it stands.
    pub(crate) status: String,
    /// When it began.
    pub(crate) created: String,
}

impl Service {
    /// Finds an org that a caller may see.
    pub(crate) fn seen_org(&self, caller: &Caller, name: &str) -> Result<Org, Problem> {
        caller.may(Role::Viewer, [name])?;
        self.org(name)
    }

    /// Says how an org stands.
    pub(crate) async fn view_org(&self, org: Org) -> Result<OrgView, Problem> {
        let name = OrgName::new(&org.name);
        let holder = self.state().holder(&name).await?;
        let last = self.state().some_runs(Some(&name), None, 1).await?.pop();
        Ok(OrgView {
            calls: self.worker().calls(&org.name),
            org,
            locked_by: holder
                .filter(|(_, expires)| *expires > orgsmith_engine::now_ms())
                .map(|(owner, _)| owner.as_str().to_owned()),
            last_run: last.map(|run| LastRun {
                id: run.id.as_str().to_owned(),
                status: run.status.as_str().to_owned(),
                created: time(run.created_ms),
            }),
        })
    }
}

/// Lists the orgs, by their names.
#[utoipa::path(get, path = "/api/v2/orgs", tag = "orgs", params(Part),
    responses((status = 200, body = Vec<OrgView>), (status = "4XX", body = Problem)))]
pub(crate) async fn list(
    State(service): State<Service>,
    caller: Caller,
    asked: Uri,
    Query(part): Query<Part>,
) -> Result<Listed<Vec<OrgView>>, Problem> {
    let mut orgs = service.worker().orgs();
    orgs.retain(|org| caller.sees(&org.name));
    let (orgs, last) = part.of(orgs, |org| org.name.clone())?;
    let mut views = Vec::new();
    for org in orgs {
        views.push(service.view_org(org).await?);
    }
    Ok(Listed::new(views, &asked, last))
}

/// Shows an org.
#[utoipa::path(get, path = "/api/v2/orgs/{org}", tag = "orgs", params(("org", description = "The org")),
    responses((status = 200, body = OrgView), (status = "4XX", body = Problem)))]
pub(crate) async fn show(
    State(service): State<Service>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<OrgView>, Problem> {
    let org = service.seen_org(&caller, &name)?;
    service.view_org(org).await.map(Json)
}
