//! Who may do what, and who did what.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use orgsmith_engine::now_ms;
use orgsmith_store::desk::{Act, Acts, Token};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Body, Query, time, within};
use crate::auth::{Caller, Minted, Role};
use crate::problem::Problem;
use crate::service::Service;

/// Acts that are read at once, and how often for one list.
const PAGE: u32 = 1_000;
const LOOKS: u32 = 20;

/// Something that somebody did, or was not allowed to do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActView {
    /// When.
    pub(crate) at: String,
    /// Who.
    pub(crate) actor: String,
    /// What.
    pub(crate) action: String,
    /// The org it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) org: Option<String>,
    /// What else it was about: a job, a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    /// What came of it.
    pub(crate) outcome: String,
}

impl ActView {
    /// Tells whether somebody was refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.outcome.starts_with("refused")
    }
}

impl From<Act> for ActView {
    fn from(act: Act) -> Self {
        Self {
            at: time(act.at_ms),
            actor: act.actor,
            action: act.action,
            org: act.org,
            subject: act.subject,
            outcome: act.outcome,
        }
    }
}

/// Which acts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// About one org.
    org: Option<String>,
    /// Only what was refused.
    refused: bool,
    /// At most so many: 1 to 1000 [default: 100].
    limit: Option<u32>,
}

/// Lists who did what, and who was refused what, the last first. What is about no org is for admins
/// of all orgs.
#[utoipa::path(get, path = "/api/v2/audit", tag = "access", params(Which),
    responses((status = 200, body = Vec<ActView>), (status = "4XX", body = Problem)))]
pub(crate) async fn acts(
    State(service): State<Service>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<Vec<ActView>>, Problem> {
    let limit = within(which.limit, 100, 1000)?;
    let acts = service
        .seen_acts(&caller, which.org.as_deref(), which.refused, limit)
        .await?;
    Ok(Json(acts))
}

impl Service {
    /// Lists the acts that somebody may see, the last first.
    pub(crate) async fn seen_acts(
        &self,
        caller: &Caller,
        org: Option<&str>,
        refused: bool,
        limit: u32,
    ) -> Result<Vec<ActView>, Problem> {
        let wanted = limit as usize;
        let all = caller.may_everywhere(Role::Admin).is_ok();
        let mut seen = Vec::new();
        let mut last: Option<Act> = None;
        // What somebody may not see takes no place from what they may.
        for _ in 0..LOOKS {
            let which = Acts {
                org,
                of_orgs: !all,
                refused,
                before: last.as_ref(),
                limit: PAGE,
            };
            let acts = self.desk().acts(&which).await?;
            let more = acts.len() == PAGE as usize;
            last = acts.last().cloned();
            let mine = acts.into_iter().filter(|act| match &act.org {
                Some(org) => caller.sees(org),
                None => all,
            });
            seen.extend(mine.map(ActView::from));
            if !more || seen.len() >= wanted {
                break;
            }
        }
        seen.truncate(wanted);
        Ok(seen)
    }

    /// Makes a token for somebody who may.
    pub(crate) async fn mint_for(
        &self,
        caller: &Caller,
        name: &str,
        role: Role,
        orgs: Option<Vec<String>>,
        days: Option<u32>,
    ) -> Result<Minted, Problem> {
        caller.may_everywhere(Role::Admin)?;
        let name = name.trim();
        if name.is_empty() || name.len() > 200 {
            return Err(Problem::bad("a token has a name of 1 to 200 bytes"));
        }
        let taken = self.desk().tokens().await?;
        let mut taken = taken.iter().filter(|token| token.revoked_ms.is_none());
        if taken.any(|token| token.name == name) {
            // Approvals and the audit go by the name.
            return Err(Problem::conflict(format!(
                "a token is called {name:?} already"
            )));
        }
        let expires = days.map(|days| now_ms() + u64::from(days) * 86_400_000);
        let minted = self.mint(name, role, orgs.as_deref(), expires).await?;
        let action = format!("make a token for {name}, {role}");
        self.act(&caller.name, &action, None, Some(&minted.id), "done")
            .await?;
        Ok(minted)
    }

    /// Takes a token back for somebody who may.
    pub(crate) async fn revoke(&self, caller: &Caller, id: &str) -> Result<(), Problem> {
        caller.may_everywhere(Role::Admin)?;
        if !self.desk().revoke_token(id, now_ms()).await? {
            return Err(Problem::not_found(format!(
                "there is no token {id} to take back"
            )));
        }
        self.act(&caller.name, "take a token back", None, Some(id), "done")
            .await
    }
}

/// A token, without what is secret of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenView {
    /// Its id.
    pub(crate) id: String,
    /// Whose it is, or what it is for.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) role: String,
    /// Patterns of the orgs it is for; nothing means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) orgs: Option<Vec<String>>,
    /// When it was made.
    pub(crate) created: String,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<String>,
    /// When it was last used, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) used: Option<String>,
    /// When it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revoked: Option<String>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            role: token.role,
            orgs: token.orgs.and_then(|orgs| serde_json::from_str(&orgs).ok()),
            created: time(token.created_ms),
            expires: token.expires_ms.map(time),
            used: token.used_ms.map(time),
            revoked: token.revoked_ms.map(time),
        }
    }
}

/// Lists the tokens.
#[utoipa::path(get, path = "/api/v2/tokens", tag = "access",
    responses((status = 200, body = Vec<TokenView>), (status = "4XX", body = Problem)))]
pub(crate) async fn tokens(
    State(service): State<Service>,
    caller: Caller,
) -> Result<Json<Vec<TokenView>>, Problem> {
    caller.may_everywhere(Role::Admin)?;
    let tokens = service.desk().tokens().await?;
    Ok(Json(tokens.into_iter().map(TokenView::from).collect()))
}

/// What token is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Mint {
    /// Whose it is, or what it is for; the audit names it so.
    name: String,
    /// What it may do.
    role: Role,
    /// Patterns of the orgs it is for, such as `tenant-*`; nothing means all.
    orgs: Option<Vec<String>>,
    /// After how many days it ends; nothing means never.
    days: Option<u32>,
}

/// Makes a token. It is shown this once.
#[utoipa::path(post, path = "/api/v2/tokens", tag = "access", request_body = Mint,
    responses((status = 201, body = Minted), (status = "4XX", body = Problem)))]
pub(crate) async fn mint(
    State(service): State<Service>,
    caller: Caller,
    Body(asked): Body<Mint>,
) -> Result<(StatusCode, Json<Minted>), Problem> {
    let Mint {
        name,
        role,
        orgs,
        days,
    } = asked;
    let minted = service.mint_for(&caller, &name, role, orgs, days).await?;
    Ok((StatusCode::CREATED, Json(minted)))
}

/// Takes a token back.
#[utoipa::path(delete, path = "/api/v2/tokens/{token}", tag = "access",
    params(("token", description = "The id of the token")),
    responses((status = 204), (status = "4XX", body = Problem)))]
pub(crate) async fn revoke(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    service.revoke(&caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
