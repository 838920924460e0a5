//! The dashboard: pages made here, which work without a script but for what moves.

mod chart;
mod drift;
mod filters;
mod forms;
mod pages;
mod plan;
mod sign_in;

use std::sync::LazyLock;

use askama::Template;
use axum::Router;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use sha2::{Digest, Sha256};

use crate::auth::{Caller, Role};
use crate::file::hex;
use crate::problem::Problem;
use crate::refusals;
use crate::service::Service;

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/app.js");

/// The addresses of the assets name their content: a browser may keep them for ever.
static STYLE_HREF: LazyLock<String> = LazyLock::new(|| versioned("style", STYLE, "css"));
static SCRIPT_HREF: LazyLock<String> = LazyLock::new(|| versioned("app", SCRIPT, "js"));

fn versioned(name: &str, content: &str, ending: &str) -> String {
    let hash = hex(&Sha256::digest(content.as_bytes()));
    format!(
        "/assets/{name}-{}.{ending}",
        hash.get(..12).unwrap_or_default()
    )
}

pub(crate) fn router() -> Router<Service> {
    let forever = "public, max-age=31536000, immutable";
    Router::new()
        .route("/", get(pages::fleet))
        .route("/compare", get(pages::compare))
        .route("/jobs", get(pages::jobs).post(forms::submit))
        .route("/jobs/{job}", get(pages::job))
        .route("/jobs/{job}/cancel", post(forms::cancel))
        .route("/plans/{job}/approve", post(forms::approve))
        .route("/plans/{job}/apply", post(forms::apply))
        .route("/drift", get(drift::page))
        .route("/drift/{org}/pause", post(forms::pause))
        .route("/runs", get(pages::runs))
        .route("/runs/{run}", get(pages::run))
        .route("/map", get(pages::map))
        .route("/numbers", get(pages::numbers))
        .route("/audit", get(pages::audit))
        .route("/tokens", get(pages::tokens).post(forms::mint))
        .route("/tokens/{token}/revoke", post(forms::revoke))
        .route("/login", get(forms::login_page).post(forms::login))
        .route("/login/oidc", get(sign_in::go))
        .route("/login/oidc/done", get(sign_in::done))
        .route("/logout", post(forms::logout))
        .route("/live/fleet", get(pages::fleet_live))
        .route("/live/jobs", get(pages::jobs_live))
        .route("/live/jobs/{job}", get(pages::job_live))
        .route(&STYLE_HREF, get(move || asset("text/css", STYLE, forever)))
        .route(
            &SCRIPT_HREF,
            get(move || asset("text/javascript", SCRIPT, forever)),
        )
        .route(
            "/assets/reference.css",
            get(|| asset("text/css", include_str!("assets/reference.css"), "no-cache")),
        )
        .route(
            "/assets/reference.js",
            get(|| {
                asset(
                    "text/javascript",
                    include_str!("assets/reference.js"),
                    "no-cache",
                )
            }),
        )
}

async fn asset(
    media: &'static str,
    content: &'static str,
    keep: &'static str,
) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, keep)],
        content,
    )
}

/// Says of every answer what a browser may do with it.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
             frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    if !response.headers().contains_key(header::CACHE_CONTROL) {
        let fresh = HeaderValue::from_static("no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, fresh);
    }
    response
}

/// Puts around a router what every answer has.
pub(crate) fn guarded(router: Router) -> Router {
    let router = router.layer(middleware::from_fn(guard));
    router.layer(middleware::from_fn(crate::metrics::request))
}

/// Who looks at a page; who has not signed in is asked to.
pub(crate) struct Visitor(pub(crate) Caller);

impl FromRequestParts<Service> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Response> {
        match Caller::from_request_parts(parts, service).await {
            Ok(caller) => Ok(Self(caller)),
            Err(problem) if problem.status == StatusCode::UNAUTHORIZED.as_u16() => {
                let to = parts.uri.path_and_query().map_or("/", |path| path.as_str());
                let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
                let mut response = Redirect::to(&format!("/login?to={to}")).into_response();
                refusals::mark(&mut response, &problem);
                Err(response)
            }
            Err(problem) => Err(problem.into_response()),
        }
    }
}

/// What stands around every page.
#[derive(Clone)]
pub(crate) struct Frame {
    page: &'static str,
    who: String,
    role: Role,
    style: &'static str,
    script: &'static str,
}

impl Frame {
    fn new(page: &'static str, caller: &Caller) -> Self {
        Self {
            page,
            who: caller.name.clone(),
            role: caller.role,
            style: &STYLE_HREF,
            script: &SCRIPT_HREF,
        }
    }

    fn pages(&self) -> &'static [(&'static str, &'static str)] {
        const PAGES: [(&str, &str); 9] = [
            ("/", "Orgs"),
            ("/compare", "Compare"),
            ("/drift", "Drift"),
            ("/jobs", "Jobs"),
            ("/runs", "Runs"),
            ("/map", "Ids"),
            ("/numbers", "Numbers"),
            ("/audit", "Audit"),
            ("/tokens", "Tokens"),
        ];
        match self.role {
            Role::Admin => &PAGES,
            _ => &PAGES[..8],
        }
    }
}

/// A page that could not be shown, as a page.
pub(crate) struct Sorry {
    frame: Frame,
    problem: Problem,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    problem: Problem,
}

impl IntoResponse for Sorry {
    fn into_response(self) -> Response {
        let (status, problem) = (self.problem.status(), self.problem.clone());
        let page = ProblemPage {
            frame: self.frame,
            problem: self.problem,
        };
        let mut response = (status, shown(&page)).into_response();
        refusals::mark(&mut response, &problem);
        response
    }
}

/// Writes a page out.
fn shown(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => Problem::internal(error).into_response(),
    }
}

/// Turns a problem into a page for somebody.
fn sorry(caller: &Caller) -> impl Fn(Problem) -> Sorry {
    let frame = Frame::new("", caller);
    move |problem| Sorry {
        frame: frame.clone(),
        problem,
    }
}
