//! The API: what can be asked for over HTTP, described in OpenAPI from the same code.

mod compare;
mod drift;
mod hooks;
mod jobs;
mod keep;
mod kept;
mod numbers;
mod org_jobs;
mod orgs;
mod part;
mod plans;
mod runs;
mod snapshots;
mod stream;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use orgsmith_core::changes::MAX_BODY as MAX_HOOK;

use crate::problem::Problem;
use crate::service::Service;

pub use hooks::Hook;
pub(crate) use hooks::Hooks;
pub(crate) use jobs::JobView;
pub(crate) use keep::{ActView, TokenView};
pub(crate) use kept::KeptView;
pub(crate) use numbers::NumberView;
pub(crate) use org_jobs::Mapped;
pub(crate) use orgs::OrgView;
pub(crate) use part::Part;
pub(crate) use plans::digest;
pub(crate) use runs::{RunView, StepView};
pub(crate) use stream::Tails;

/// The largest bundle that is taken, with its prompts. Other bodies have 2 MB, as axum has it.
const MAX_BUNDLE: usize = 512 * 1024 * 1024;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "orgsmith",
        description = "Clones, promotes, seeds and keeps in step whole Genesys Cloud CX orgs. Everything \
                       that takes long is a job: it is asked for, answered with 202 and a `Location`, and \
                       looked at until its state is Completed, Failed or Cancelled. Every request has a \
                       token: `Authorization: Bearer orgsmith_…`. Errors are of the form of RFC 9457. Lists come in \
                       parts of `limit`; while there is more, the answer has a `Link` with `rel=\"next\"`, which \
                       is the same question with `after`. A part may be shorter than `limit`."
    ),
    modifiers(&Bearer)
)]
struct Description;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        let needed = utoipa::openapi::SecurityRequirement::new("token", [""; 0]);
        openapi.security = Some(vec![needed]);
    }
}

fn described() -> OpenApiRouter<Service> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(orgs::list, org_jobs::clone))
        .routes(routes!(orgs::show))
        .routes(routes!(org_jobs::export))
        .routes(routes!(org_jobs::exported))
        .routes(routes!(org_jobs::download))
        .routes(routes!(org_jobs::import).layer(DefaultBodyLimit::max(MAX_BUNDLE)))
        .routes(routes!(org_jobs::imported))
        .routes(routes!(org_jobs::cloned))
        .routes(routes!(drift::show, drift::look))
        .routes(routes!(snapshots::list))
        .routes(routes!(snapshots::show, snapshots::remove))
        .routes(routes!(snapshots::download))
        .routes(routes!(numbers::list))
        .routes(routes!(compare::ask))
        .routes(routes!(compare::show))
        .routes(routes!(jobs::list, jobs::submit))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::file))
        .routes(routes!(stream::events))
        .routes(routes!(plans::submit))
        .routes(routes!(plans::show))
        .routes(routes!(plans::approve))
        .routes(routes!(plans::apply))
        .routes(routes!(runs::list))
        .routes(routes!(runs::show))
        .routes(routes!(runs::map))
        .routes(routes!(keep::acts))
        .routes(routes!(keep::tokens, keep::mint))
        .routes(routes!(keep::revoke))
        .routes(routes!(kept::list))
        .routes(routes!(kept::pause, kept::resume))
        // Nobody knows yet who posts it.
        .routes(routes!(hooks::take).layer(DefaultBodyLimit::max(MAX_HOOK)))
}

/// Returns the description of the API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    described().into_openapi()
}

/// Returns everything under `/api`, and what tells how the service is.
pub(crate) fn router() -> Router<Service> {
    let (router, openapi) = described().split_for_parts();
    let text = openapi.to_pretty_json().unwrap_or_default();
    router
        .route(
            "/api/openapi.json",
            get(async move || ([("content-type", "application/json")], text)),
        )
        .route("/api", get(async || Html(include_str!("reference.html"))))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(crate::metrics::show))
        .method_not_allowed_fallback(async || {
            let detail = "nothing is done here by this method; /api describes what there is";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
        })
        .fallback(async || {
            Problem::not_found("there is nothing here; /api describes what there is")
        })
}

/// Tells whether the service can do something: its database answers.
async fn ready(State(service): State<Service>) -> Result<&'static str, Problem> {
    match service.desk().counts().await {
        Ok(_) => Ok("ready\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the database of the service does not answer",
            ))
        }
    }
}

/// A body that is JSON, or a problem that says what is wrong with it.
pub(crate) struct Body<T>(pub(crate) T);

impl<T, S> axum::extract::FromRequest<S> for Body<T>
where
    T: serde::de::DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Problem> {
        let Json(body) = Json::<T>::from_request(request, state).await?;
        Ok(Self(body))
    }
}

/// A query, or a problem that says what is wrong with it.
pub(crate) struct Query<T>(pub(crate) T);

impl<T, S> axum::extract::FromRequestParts<S> for Query<T>
where
    T: serde::de::DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        state: &S,
    ) -> Result<Self, Problem> {
        let axum::extract::Query(query) =
            axum::extract::Query::<T>::from_request_parts(parts, state).await?;
        Ok(Self(query))
    }
}

/// Writes a time as RFC 3339.
pub(crate) fn time(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |time| time.to_string())
}
