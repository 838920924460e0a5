//! Who may do what, and who did what.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use orgsmith_engine::now_ms;
use orgsmith_store::desk::{Act, Acts, Token};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::part::{Listed, Part, gone, within};
use super::{Body, Query, time};
use crate::auth::{Caller, Minted, Role};
use crate::problem::Problem;
use crate::reconcile::ACTOR;
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
    /// What comes after this: taken from the `Link` of the part before.
    after: Option<String>,
    /// At most so many: 1 to 500 [default: 100].
    limit: Option<u32>,
}

/// Lists who did what, and who was refused what, the last first. What is about no org is for admins
/// of all orgs.
#[utoipa::path(get, path = "/api/v2/audit", tag = "access", params(Which),
    responses((status = 200, body = Vec<ActView>), (status = "4XX", body = Problem)))]
pub(crate) async fn acts(
    State(service): State<Service>,
    caller: Caller,
    asked: Uri,
    Query(which): Query<Which>,
) -> Result<Listed<Vec<ActView>>, Problem> {
    let limit = within(which.limit)?;
    let (org, after) = (which.org.as_deref(), which.after.as_deref());
    let acts = service.seen_acts(&caller, org, which.refused, after, limit);
    let (acts, last) = acts.await?;
    Ok(Listed::new(acts, &asked, last))
}

/// Reads behind which act a part begins: its time and its id.
fn place_of(after: &str) -> Option<(u64, String)> {
    let (at_ms, id) = after.split_once('.')?;
    Some((at_ms.parse().ok()?, id.to_owned()))
}

impl Service {
    /// Lists so many of the acts that somebody may see, the last first or those behind one, and behind what
    /// there are more.
    pub(crate) async fn seen_acts(
        &self,
        caller: &Caller,
        org: Option<&str>,
        refused: bool,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<ActView>, Option<String>), Problem> {
        let all = caller.may_everywhere(Role::Admin).is_ok();
        let mut seen = Vec::new();
        let last = after.map(|after| place_of(after).ok_or_else(|| gone(after)));
        let mut last = last.transpose()?;
        let text = |last: Option<(u64, String)>| last.map(|(at_ms, id)| format!("{at_ms}.{id}"));
        // What somebody may not see takes no place from what they may.
        for _ in 0..LOOKS {
            let which = Acts {
                org,
                of_orgs: !all,
                refused,
                before: last.as_ref().map(|(at_ms, id)| (*at_ms, id.as_str())),
                limit: PAGE,
            };
            let acts = self.desk().acts(&which).await?;
            let are_last = acts.len() < PAGE as usize;
            for act in acts {
                if seen.len() == limit as usize {
                    return Ok((seen, text(last)));
                }
                last = Some((act.at_ms, act.id.clone()));
                if act.org.as_deref().map_or(all, |org| caller.sees(org)) {
                    seen.push(ActView::from(act));
                }
            }
            if are_last {
                return Ok((seen, None));
            }
        }
        Ok((seen, text(last)))
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
        if orgs.as_ref().is_some_and(Vec::is_empty) {
            return Err(Problem::bad(
                "a token for no org is good for nothing; leave `orgs` out for all of them",
            ));
        }
        if days == Some(0) {
            return Err(Problem::bad("a token lasts for a day or more"));
        }
        let taken = self.desk().tokens().await?;
        let mut taken = taken.iter().filter(|token| token.revoked_ms.is_none());
        if name == ACTOR || taken.any(|token| token.name == name) {
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

impl Service {
    /// Lists so many tokens for somebody who may, the oldest first or those behind one, and behind which there
    /// are more.
    pub(crate) async fn seen_tokens(
        &self,
        caller: &Caller,
        part: Part,
    ) -> Result<(Vec<TokenView>, Option<String>), Problem> {
        caller.may_everywhere(Role::Admin)?;
        let limit = within(part.limit)?;
        let after = part.after.as_deref();
        let mut tokens = self.desk().some_tokens(after, limit + 1).await?;
        if let (Some(after), true) = (after, tokens.is_empty()) {
            let all = self.desk().tokens().await?;
            if all.iter().all(|token| token.id != after) {
                return Err(gone(after));
            }
        }
        let more = tokens.len() > limit as usize;
        tokens.truncate(limit as usize);
        let tokens: Vec<TokenView> = tokens.into_iter().map(TokenView::from).collect();
        let last = tokens.last().filter(|_| more).map(|last| last.id.clone());
        Ok((tokens, last))
    }
}

/// Lists the tokens, the oldest first.
#[utoipa::path(get, path = "/api/v2/tokens", tag = "access", params(Part),
    responses((status = 200, body = Vec<TokenView>), (status = "4XX", body = Problem)))]
pub(crate) async fn tokens(
    State(service): State<Service>,
    caller: Caller,
    asked: Uri,
    Query(part): Query<Part>,
) -> Result<Listed<Vec<TokenView>>, Problem> {
    let (tokens, last) = service.seen_tokens(&caller, part).await?;
    Ok(Listed::new(tokens, &asked, last))
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
