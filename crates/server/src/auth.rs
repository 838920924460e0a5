//! Who asks, and what they may.

use std::fmt;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method, header};
use orgsmith_engine::now_ms;
use orgsmith_store::desk::{Act, Token};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::file::hex;
use crate::problem::Problem;
use crate::refusals::Asker;
use crate::service::Service;
use crate::sign_in::{SESSION, random};
use crate::task::Task;

/// The cookie that a browser has after signing in.
pub(crate) const COOKIE: &str = "orgsmith";
/// How tokens begin, so that people and scanners know one when they see it.
const PREFIX: &str = "orgsmith_";
/// How fine it is told when a token was last used.
const MINUTE_MS: u64 = 60_000;

/// What a token may do. Each role may what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Asks for jobs, and carries out what was approved.
    Operator,
    /// Approves plans.
    Approver,
    /// Makes tokens.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Approver, Self::Admin];

    /// Returns the word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::as_str).join(", ");
                format!("{text:?} is no role; known are {known}")
            })
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The name of the token, or of the person.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Patterns of the orgs it is for; nothing means all.
    orgs: Option<Vec<String>>,
}

impl Caller {
    /// Refuses who has a lesser role.
    pub(crate) fn must_be(&self, role: Role) -> Result<(), Problem> {
        if self.role >= role {
            return Ok(());
        }
        Err(Problem::forbidden(format!(
            "the token {:?} has the role {}, and this takes {role}",
            self.name, self.role
        )))
    }

    /// Refuses who has a lesser role, or is not for these orgs.
    pub(crate) fn may<'o>(
        &self,
        role: Role,
        orgs: impl IntoIterator<Item = &'o str>,
    ) -> Result<(), Problem> {
        let mut orgs = orgs.into_iter().peekable();
        let first = orgs.peek().copied().unwrap_or_default();
        self.must_be(role).map_err(|refused| refused.about(first))?;
        match orgs.find(|org| !self.sees(org)) {
            None => Ok(()),
            Some(org) => Err(Problem::forbidden(format!(
                "the token {:?} is not for the org {org:?}",
                self.name
            ))
            .about(org)),
        }
    }

    /// Refuses who has a lesser role, or is not for every org.
    pub(crate) fn may_everywhere(&self, role: Role) -> Result<(), Problem> {
        self.must_be(role)?;
        match &self.orgs {
            None => Ok(()),
            Some(_) => Err(Problem::forbidden(format!(
                "the token {:?} is for some orgs only, and this is about all of them",
                self.name
            ))),
        }
    }

    /// Tells whether the token is for every org of a task.
    pub(crate) fn sees_all(&self, task: &Task) -> bool {
        task.orgs().into_iter().all(|org| self.sees(org))
    }

    /// Tells whether an org is one of those that the token is for.
    pub(crate) fn sees(&self, org: &str) -> bool {
        match &self.orgs {
            None => true,
            Some(patterns) => patterns.iter().any(|pattern| matches(pattern, org)),
        }
    }
}

/// Tells whether a name is as a pattern says, in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            (0..=name.len())
                .filter(|at| name.is_char_boundary(*at))
                .any(|at| matches(rest, &name[at..]))
        }),
    }
}

/// A token that was just made: the only time that it can be seen.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Minted {
    /// Its id, by which it can be taken back.
    pub id: String,
    /// The token.
    pub token: String,
}

impl Service {
    /// Makes a token.
    ///
    /// # Errors
    /// The database fails.
    pub async fn mint(
        &self,
        name: &str,
        role: Role,
        orgs: Option<&[String]>,
        expires_ms: Option<u64>,
    ) -> Result<Minted, orgsmith_store::state::Error> {
        let secret = format!("{PREFIX}{}", random());
        let token = Token {
            id: Uuid::new_v4().to_string(),
            name: name.to_owned(),
            hash: hash(&secret),
            role: role.as_str().to_owned(),
            orgs: orgs.map(|orgs| serde_json::json!(orgs).to_string()),
            created_ms: now_ms(),
            expires_ms,
            used_ms: None,
            revoked_ms: None,
        };
        self.desk().add_token(&token).await?;
        Ok(Minted {
            id: token.id,
            token: secret,
        })
    }

    /// Makes the first token, where nobody has one yet.
    ///
    /// # Errors
    /// The database fails.
    pub async fn first_token(&self) -> Result<Option<Minted>, orgsmith_store::state::Error> {
        if !self.desk().tokens().await?.is_empty() {
            return Ok(None);
        }
        self.mint("first", Role::Admin, None, None).await.map(Some)
    }

    /// Makes a token of an admin for whoever has the machine and lost the others.
    ///
    /// # Errors
    /// The database fails.
    pub async fn another_token(&self) -> Result<Minted, Problem> {
        // Approvals and the audit go by the name.
        let name = format!("admin of {}", crate::api::time(now_ms()));
        let minted = self.mint(&name, Role::Admin, None, None).await?;
        let action = format!("make a token for {name}, admin");
        let subject = Some(minted.id.as_str());
        self.act(
            "whoever started the service",
            &action,
            None,
            subject,
            "done",
        )
        .await?;
        Ok(minted)
    }

    /// Finds out who has a token, who may not ask too often, nor guess.
    pub(crate) async fn let_in(&self, secret: &str, from: &Extensions) -> Result<Caller, Problem> {
        match self.who(secret).await {
            Ok(caller) => {
                Asker::is(from, &caller.name);
                self.limits().asked(&caller.name).map(|()| caller)
            }
            Err(problem) if problem.status == 401 => {
                let guessed = self.limits().guessed(from);
                guessed.map_err(Problem::refusing)?;
                Err(problem.refusing())
            }
            Err(problem) => Err(problem),
        }
    }

    /// Finds out who has a token.
    pub(crate) async fn who(&self, secret: &str) -> Result<Caller, Problem> {
        let now = now_ms();
        let unknown =
            || Problem::unauthorized("the token is not known, has expired or was taken back");
        if secret.starts_with(SESSION) {
            let session = self.desk().session(&hash(secret), now).await?;
            let session = session.ok_or_else(|| Problem::unauthorized("sign in again"))?;
            return caller(session.name, &session.role, session.orgs.as_deref());
        }
        let token = self.desk().token(&hash(secret)).await?;
        let token = token.ok_or_else(unknown)?;
        let expired = token.expires_ms.is_some_and(|expires| expires <= now);
        if expired || token.revoked_ms.is_some() {
            return Err(unknown());
        }
        if token.used_ms.is_none_or(|used| used + MINUTE_MS < now) {
            self.note_use(token.id, now);
        }
        caller(token.name, &token.role, token.orgs.as_deref())
    }

    /// Writes down when a token was last used, but lets nobody wait for that who only looks.
    fn note_use(&self, token: String, now: u64) {
        let desk = self.desk().clone();
        tokio::spawn(async move {
            if let Err(error) = desk.token_used(&token, now).await {
                tracing::warn!(%error, token, "the use of a token is not written down");
            }
        });
    }

    /// Writes down what somebody did, or was refused.
    pub(crate) async fn act(
        &self,
        actor: &str,
        action: &str,
        org: Option<&str>,
        subject: Option<&str>,
        outcome: &str,
    ) -> Result<(), Problem> {
        let act = Act {
            id: Uuid::new_v4().to_string(),
            at_ms: now_ms(),
            actor: actor.to_owned(),
            action: action.to_owned(),
            org: org.map(str::to_owned),
            subject: subject.map(str::to_owned),
            outcome: outcome.to_owned(),
        };
        Ok(self.desk().add_act(&act).await?)
    }
}

/// Reads who it is as the desk has it.
fn caller(name: String, role: &str, orgs: Option<&str>) -> Result<Caller, Problem> {
    let orgs = orgs.map(serde_json::from_str).transpose();
    Ok(Caller {
        name,
        role: role.parse().map_err(Problem::internal)?,
        orgs: orgs.map_err(Problem::internal)?,
    })
}

pub(crate) fn hash(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

/// Returns the value of a cookie.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).into_iter();
    all.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == wanted).then_some(value))
}

/// Tells whether a browser was sent here by a page of somebody else.
///
/// Browsers say so themselves in `Sec-Fetch-Site`; those that do not are held to `Origin`.
pub(crate) fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map_or("", |(_, host)| host);
            text("host") != Some(host)
        }
        (None, None) => false,
    }
}

impl FromRequestParts<Service> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        let bearer = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        let Some(token) = bearer else {
            let Some(token) = cookie(&parts.headers, COOKIE) else {
                return Err(Problem::unauthorized(
                    "send a token: `Authorization: Bearer orgsmith_…`",
                ));
            };
            let looks = matches!(parts.method, Method::GET | Method::HEAD);
            if !looks && is_foreign(&parts.headers) {
                return Err(Problem::forbidden("the request comes from another site"));
            }
            return service.let_in(token, &parts.extensions).await;
        };
        service.let_in(token, &parts.extensions).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_with_stars() {
        for (pattern, name, fits) in [
            ("dev", "dev", true),
            ("dev", "dev2", false),
            ("tenant-*", "tenant-7", true),
            ("tenant-*", "prod", false),
            ("*", "", true),
            ("*-eu-*", "a-eu-b", true),
            ("a*b", "ab", true),
            ("a*b", "aé", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn each_role_may_what_those_before_it_may() {
        let caller = |role| Caller {
            name: "x".to_owned(),
            role,
            orgs: Some(vec!["dev".to_owned()]),
        };
        for (at, role) in Role::ALL.into_iter().enumerate() {
            for (other, wanted) in Role::ALL.into_iter().enumerate() {
                assert_eq!(caller(role).must_be(wanted).is_ok(), at >= other);
            }
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!(
            caller(Role::Admin)
                .may(Role::Viewer, ["dev", "prod"])
                .is_err()
        );
    }

    #[test]
    fn a_page_of_somebody_else_is_known() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().expect("a header"));
            }
            headers
        };
        assert!(!is_foreign(&headers(&[])));
        assert!(!is_foreign(&headers(&[("sec-fetch-site", "same-origin")])));
        assert!(is_foreign(&headers(&[("sec-fetch-site", "cross-site")])));
        assert!(is_foreign(&headers(&[("sec-fetch-site", "same-site")])));
        let here = [("host", "a:1"), ("origin", "http://a:1")];
        assert!(!is_foreign(&headers(&here)));
        let there = [("host", "a:1"), ("origin", "http://b:1")];
        assert!(is_foreign(&headers(&there)));
        assert!(is_foreign(&headers(&[("host", "a:1"), ("origin", "null")])));
    }
}
