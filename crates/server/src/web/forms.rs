//! What a person asks for by a form.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use orgsmith_core::reconcile::Pause;
use serde::Deserialize;

use super::pages::After;
use super::{STYLE_HREF, Sorry, Visitor, pages, shown, sorry};
use crate::api::Query;
use crate::auth::{COOKIE, Caller, Role};
use crate::problem::Problem;
use crate::service::Service;
use crate::sign_in::SignIn;
use crate::task::{Carry, Selected, Task};

type Done = Result<Response, Sorry>;

/// The fields of a form, of which some come more than once.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn read(body: &str) -> Self {
        Self(
            url::form_urlencoded::parse(body.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    fn all<'f>(&'f self, name: &str) -> impl Iterator<Item = &'f str> {
        let name = name.to_owned();
        let fields = self.0.iter().filter(move |(field, _)| *field == name);
        fields
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    fn one(&self, name: &str) -> Option<String> {
        self.all(name).next().map(str::to_owned)
    }

    fn needed(&self, name: &str) -> Result<String, Problem> {
        self.one(name)
            .ok_or_else(|| Problem::bad(format!("the form has no {name}")))
    }

    fn selected(&self) -> Selected {
        let terms = self.all("select").flat_map(|terms| terms.split(';'));
        let select: Vec<String> = terms
            .map(|term| term.trim().to_owned())
            .filter(|term| !term.is_empty())
            .collect();
        Selected {
            // Without a choice everything is there already.
            with_dependencies: self.one("with_dependencies").is_some() && !select.is_empty(),
            select,
            exclude: Vec::new(),
        }
    }

    fn carry(&self) -> Carry {
        Carry {
            confirm: self.one("confirm"),
            ..Carry::default()
        }
    }

    fn task(&self) -> Result<Task, Problem> {
        let (selected, carry) = (self.selected(), self.carry());
        Ok(match self.needed("kind")?.as_str() {
            "export" => Task::Export {
                org: self.needed("org")?,
                selected,
            },
            "verify" => Task::Verify {
                org: self.needed("org")?,
            },
            "drift" => Task::Drift {
                org: self.needed("org")?,
                against: self.one("against"),
                selected,
            },
            "revert" => Task::Revert {
                org: self.needed("org")?,
                against: self.one("against"),
                selected,
                fields: Vec::new(),
                carry,
            },
            "absorb" => Task::Absorb {
                org: self.needed("org")?,
                selected,
                fields: Vec::new(),
            },
            "ignore" => Task::Ignore {
                org: self.needed("org")?,
                selected,
                fields: Vec::new(),
                until: self.needed("until")?,
                reason: self.needed("reason")?,
            },
            "plan" => Task::Plan {
                source: Some(self.needed("source")?),
                org: self.needed("org")?,
                prune: false,
                selected,
                force: false,
            },
            "clone" => Task::Clone {
                source: self.needed("source")?,
                org: self.needed("org")?,
                selected,
                carry,
            },
            "compare" => {
                let orgs: Vec<String> = self.all("orgs").map(str::to_owned).collect();
                if orgs.len() < 2 {
                    return Err(Problem::bad("tick two orgs or more"));
                }
                Task::Compare { orgs, selected }
            }
            "resume" => Task::Resume {
                org: self.needed("org")?,
                run: self.needed("run")?,
                carry,
            },
            "rollback" => Task::Rollback {
                org: self.needed("org")?,
                run: self.needed("run")?,
                selected,
                carry,
            },
            kind => {
                return Err(Problem::bad(format!(
                    "{kind:?} is nothing that can be asked for here"
                )));
            }
        })
    }
}

/// Sends a browser to a page, after a form.
pub(super) fn see(path: &str) -> Response {
    Redirect::to(path).into_response()
}

pub(super) async fn submit(
    State(service): State<Service>,
    Visitor(caller): Visitor,
    body: String,
) -> Done {
    let asked = async {
        let task = Fields::read(&body).task()?;
        let job = service.accept(&caller, task, None, &[]).await?;
        Ok(see(&format!("/jobs/{}", job.id)))
    };
    asked.await.map_err(sorry(&caller))
}

pub(super) async fn cancel(
    State(service): State<Service>,
    Visitor(caller): Visitor,
    Path(id): Path<String>,
) -> Done {
    let cancelled = service.cancel(&caller, &id).await;
    cancelled.map_err(sorry(&caller))?;
    Ok(see(&format!("/jobs/{id}")))
}

pub(super) async fn approve(
    State(service): State<Service>,
    Visitor(caller): Visitor,
    Path(id): Path<String>,
    body: String,
) -> Done {
    let approved = async {
        let digest = Fields::read(&body).needed("digest")?;
        service.approve_plan(&caller, &id, &digest).await
    };
    approved.await.map_err(sorry(&caller))?;
    Ok(see(&format!("/jobs/{id}")))
}

pub(super) async fn apply(
    State(service): State<Service>,
    Visitor(caller): Visitor,
    Path(id): Path<String>,
    body: String,
) -> Done {
    let carry = Fields::read(&body).carry();
    let job = service.apply_plan(&caller, &id, carry).await;
    let job = job.map_err(sorry(&caller))?;
    Ok(see(&format!("/jobs/{}", job.id)))
}

pub(super) async fn pause(
    State(service): State<Service>,
    Visitor(caller): Visitor,
    Path(org): Path<String>,
    body: String,
) -> Done {
    let what = Fields::read(&body).one("what");
    let pause = (what.as_deref() == Some("pause")).then(|| Pause {
        until: None,
        reason: format!("{} said so", caller.name),
    });
    let done = service.pause(&caller, &org, pause).await;
    done.map_err(sorry(&caller))?;
    Ok(see("/drift"))
}

pub(super) async fn mint(
    State(service): State<Service>,
    Visitor(caller): Visitor,
    body: String,
) -> Done {
    let fields = Fields::read(&body);
    let minted = async {
        let role: Role = fields.needed("role")?.parse().map_err(Problem::bad)?;
        let orgs = fields.one("orgs").map(|orgs| {
            let orgs = orgs.split(',').map(|org| org.trim().to_owned());
            orgs.filter(|org| !org.is_empty()).collect::<Vec<_>>()
        });
        let days = fields.one("days").map(|days| days.parse()).transpose();
        let days = days.map_err(|_| Problem::bad("the days are a whole number"))?;
        service
            .mint_for(&caller, &fields.needed("name")?, role, orgs, days)
            .await
    };
    let minted = minted.await.map_err(sorry(&caller))?;
    pages::tokens_page(&service, &caller, After::default(), Some(minted.token)).await
}

pub(super) async fn revoke(
    State(service): State<Service>,
    Visitor(caller): Visitor,
    Path(id): Path<String>,
) -> Done {
    service.revoke(&caller, &id).await.map_err(sorry(&caller))?;
    Ok(see("/tokens"))
}

/// Where somebody wanted to go.
#[derive(Default, Deserialize)]
pub(super) struct Whither {
    #[serde(default)]
    pub(super) to: String,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    style: &'static str,
    to: String,
    why: Option<String>,
    /// The host where people sign in without a token.
    host: Option<String>,
}

/// Lets nobody be sent to another site.
pub(super) fn within(to: &str) -> &str {
    // Browsers leave tabs and ends of lines out.
    let is_plain = !to.contains(|letter: char| letter == '\\' || letter.is_control());
    let is_here = to.starts_with('/') && !to.starts_with("//") && is_plain;
    if is_here { to } else { "/" }
}

pub(super) fn ask(service: &Service, to: &str, why: Option<String>) -> Response {
    shown(&LoginPage {
        host: service.settings().sign_in.as_ref().map(SignIn::host),
        style: &STYLE_HREF,
        to: within(to).to_owned(),
        why,
    })
}

pub(super) async fn login_page(
    State(service): State<Service>,
    Query(Whither { to }): Query<Whither>,
) -> Response {
    ask(&service, &to, None)
}

pub(super) async fn login(
    State(service): State<Service>,
    headers: HeaderMap,
    extensions: Extensions,
    body: String,
) -> Response {
    let fields = Fields::read(&body);
    let to = fields.one("to").unwrap_or_default();
    if crate::auth::is_foreign(&headers) {
        return Problem::forbidden("the request comes from another site").into_response();
    }
    let token = fields.one("token").unwrap_or_default();
    match service.let_in(&token, &extensions).await {
        Ok(Caller { name, .. }) => {
            tracing::info!(name, "signed in");
            let cookie = new_cookie(&service, COOKIE, &token, "/", 2_592_000);
            with_cookie(see(within(&to)), &cookie)
        }
        Err(problem) if problem.status == 401 => {
            let mut response = ask(&service, &to, Some(problem.detail.clone()));
            crate::refusals::mark(&mut response, &problem);
            *response.status_mut() = axum::http::StatusCode::UNAUTHORIZED;
            response
        }
        Err(problem) => problem.into_response(),
    }
}

pub(super) async fn logout(
    State(service): State<Service>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if crate::auth::is_foreign(&headers) {
        return Err(Problem::forbidden("the request comes from another site"));
    }
    if let Some(secret) = crate::auth::cookie(&headers, COOKIE) {
        service
            .desk()
            .end_session(&crate::auth::hash(secret))
            .await?;
    }
    let cookie = new_cookie(&service, COOKIE, "", "/", 0);
    Ok(with_cookie(see("/login"), &cookie))
}

/// Makes a cookie that no script reads.
pub(super) fn new_cookie(
    service: &Service,
    name: &str,
    value: &str,
    path: &str,
    seconds: u64,
) -> String {
    let is_secure = service.settings().secure_cookies;
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{name}={value}; HttpOnly; SameSite=Lax; Path={path}; Max-Age={seconds}{secure}")
}

pub(super) fn with_cookie(mut response: Response, cookie: &str) -> Response {
    // A token that somebody typed may hold anything; what was accepted is letters and digits.
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for (to, here) in [
            ("/runs?org=a", "/runs?org=a"),
            ("", "/"),
            ("//elsewhere", "/"),
            ("/\\elsewhere", "/"),
            ("/\t/elsewhere", "/"),
            ("/\n/elsewhere", "/"),
            ("https://elsewhere", "/"),
        ] {
            assert_eq!(within(to), here, "{to:?}");
        }
    }
}
