//! People who sign in elsewhere: sent there, and back.

use axum::extract::State;
use axum::http::{Extensions, HeaderMap};
use axum::response::{IntoResponse, Redirect, Response};

use super::forms::{Whither, ask, new_cookie, see, with_cookie, within};
use crate::api::Query;
use crate::auth::{COOKIE, cookie};
use crate::problem::Problem;
use crate::refusals::{self, Asker};
use crate::service::Service;
use crate::sign_in::Back;

/// The cookie by which a browser that comes back is the one that was sent.
const LOGIN: &str = "orgsmith-login";
const PATH: &str = "/login/oidc";

/// Sends a browser to where people sign in.
pub(super) async fn go(
    State(service): State<Service>,
    extensions: Extensions,
    Query(Whither { to }): Query<Whither>,
) -> Response {
    let to = within(&to);
    let sent = async {
        // Each is kept for a while; nobody fills the database with them.
        service.limits().guessed(&extensions)?;
        service.send_to_sign_in(to).await
    };
    match sent.await {
        Ok((place, state)) => with_cookie(
            Redirect::to(&place).into_response(),
            &new_cookie(&service, LOGIN, &state, PATH, 600),
        ),
        Err(problem) => sorry(&service, to, &problem),
    }
}

/// Takes a browser that comes back.
pub(super) async fn done(
    State(service): State<Service>,
    extensions: Extensions,
    headers: HeaderMap,
    Query(back): Query<Back>,
) -> Response {
    let come = service.come_back(&back, cookie(&headers, LOGIN)).await;
    let gone = new_cookie(&service, LOGIN, "", PATH, 0);
    let response = match come {
        Ok((name, session, seconds, to)) => {
            tracing::info!(name, "signed in");
            Asker::is(&extensions, &name);
            let kept = new_cookie(&service, COOKIE, &session, "/", seconds);
            with_cookie(see(within(&to)), &kept)
        }
        Err(problem) => sorry(&service, "/", &problem),
    };
    with_cookie(response, &gone)
}

/// Shows the page where people sign in, with what went wrong.
fn sorry(service: &Service, to: &str, problem: &Problem) -> Response {
    let mut response = ask(service, to, Some(problem.detail.clone()));
    *response.status_mut() = problem.status();
    refusals::mark(&mut response, problem);
    response
}
