//! Orgs that are kept in step with their sources.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use jiff::Timestamp;
use orgsmith_core::reconcile::Pause;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::part::{Listed, Part};
use super::{Body, Query};
use crate::auth::{Caller, Role};
use crate::problem::Problem;
use crate::reconcile::mode;
use crate::service::Service;

/// An org that is kept in step with its source.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeptView {
    /// The org.
    pub(crate) org: String,
    /// What it is held against, as the project file says.
    pub(crate) against: Option<String>,
    /// `observe`, `propose` or `enforce`.
    pub(crate) mode: &'static str,
    /// What was decided last, and why.
    pub(crate) reason: String,
    /// When it is decided again at the latest.
    pub(crate) next: Option<String>,
    /// When it was last looked at.
    pub(crate) scanned: Option<String>,
    /// Objects of the org that are to follow the source.
    pub(crate) open: usize,
    /// The job that is waited for.
    pub(crate) job: Option<String>,
    /// Why nothing is done for now, if so.
    pub(crate) paused: Option<String>,
    /// Why the audits of the org or of its source cannot be asked, so that schedules look at all of it.
    pub(crate) unwatched: Option<String>,
}

/// Tells whether a pause is not over yet.
fn holds(pause: &Pause) -> bool {
    pause.until.is_none_or(|until| Timestamp::now() < until)
}

impl Service {
    /// Lists the orgs that are kept, as far as somebody may see them.
    pub(crate) async fn view_kept(&self, caller: &Caller) -> Result<Vec<KeptView>, Problem> {
        let mut views = Vec::new();
        for org in self.kept_orgs(caller) {
            views.push(self.view_keeping(&org).await?);
        }
        Ok(views)
    }

    /// Returns the names of the orgs that are kept, as far as somebody may see them.
    fn kept_orgs(&self, caller: &Caller) -> Vec<String> {
        let orgs = self.settings().keep.keys();
        orgs.filter(|org| caller.sees(org)).cloned().collect()
    }

    /// Says how the keeping of an org stands.
    async fn view_keeping(&self, org: &str) -> Result<KeptView, Problem> {
        let settings = self.settings().keep.get(org).ok_or_else(|| {
            Problem::not_found(format!("{org} is not kept in step by this service"))
        })?;
        let kept = self.kept(org).await?;
        let against = self.worker().against(org);
        let mut unwatched = self.watched(org).await?.problem;
        if let (None, Some(source)) = (&unwatched, &against) {
            unwatched = self.watched(source).await?.problem;
        }
        Ok(KeptView {
            against,
            unwatched,
            mode: mode(settings.mode),
            reason: kept.reason,
            next: kept.next.map(|next| next.to_string()),
            scanned: kept.history.scanned.map(|scanned| scanned.to_string()),
            open: kept.history.found.open.len(),
            job: kept.job,
            paused: kept.pause.filter(holds).map(|pause| pause.reason),
            org: org.to_owned(),
        })
    }

    /// Pauses the keeping of an org, or ends its pause.
    pub(crate) async fn pause(
        &self,
        caller: &Caller,
        org: &str,
        pause: Option<Pause>,
    ) -> Result<(), Problem> {
        caller.may(Role::Operator, [org])?;
        if !self.settings().keep.contains_key(org) {
            return Err(Problem::not_found(format!(
                "{org} is not kept in step by this service"
            )));
        }
        if let Some(until) = pause
            .as_ref()
            .filter(|pause| !holds(pause))
            .and_then(|pause| pause.until)
        {
            return Err(Problem::bad(format!("{until} is over; a pause ends later")));
        }
        let action = if pause.is_some() { "pause" } else { "go on" };
        self.change_kept(org, |kept| kept.pause.clone_from(&pause))
            .await?;
        self.act(&caller.name, action, Some(org), None, "done")
            .await
    }
}

/// Lists the orgs that are kept in step with their sources, by their names.
#[utoipa::path(get, path = "/api/v2/schedules", tag = "drift", params(Part),
    responses((status = 200, body = Vec<KeptView>), (status = "4XX", body = Problem)))]
pub(crate) async fn list(
    State(service): State<Service>,
    caller: Caller,
    asked: Uri,
    Query(part): Query<Part>,
) -> Result<Listed<Vec<KeptView>>, Problem> {
    let (orgs, last) = part.of(service.kept_orgs(&caller), String::clone)?;
    let mut views = Vec::new();
    for org in orgs {
        views.push(service.view_keeping(&org).await?);
    }
    Ok(Listed::new(views, &asked, last))
}

/// Why nothing is to be done for now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pausing {
    /// Until when (RFC 3339); without it, until it is ended.
    #[schema(value_type = Option<String>)]
    until: Option<Timestamp>,
    /// Why.
    reason: String,
}

/// Does nothing about an org for a while.
#[utoipa::path(post, path = "/api/v2/schedules/{org}/pause", tag = "drift", request_body = Pausing,
    params(("org", description = "The org")),
    responses((status = 200, body = KeptView), (status = "4XX", body = Problem)))]
pub(crate) async fn pause(
    State(service): State<Service>,
    caller: Caller,
    Path(org): Path<String>,
    Body(Pausing { until, reason }): Body<Pausing>,
) -> Result<Json<KeptView>, Problem> {
    service
        .pause(&caller, &org, Some(Pause { until, reason }))
        .await?;
    service.view_keeping(&org).await.map(Json)
}

/// Goes on with an org.
#[utoipa::path(delete, path = "/api/v2/schedules/{org}/pause", tag = "drift",
    params(("org", description = "The org")),
    responses((status = 200, body = KeptView), (status = "4XX", body = Problem)))]
pub(crate) async fn resume(
    State(service): State<Service>,
    caller: Caller,
    Path(org): Path<String>,
) -> Result<Json<KeptView>, Problem> {
    service.pause(&caller, &org, None).await?;
    service.view_keeping(&org).await.map(Json)
}
