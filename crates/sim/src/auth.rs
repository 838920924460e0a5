//! Tokens and what they permit.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use orgsmith_contract::{Operation, Permissions};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::clock::later;
use crate::config::ClientSpec;
use crate::cx::Caller;
use crate::error::Refusal;
use crate::limits::{Mint, Window};
use crate::page::glob;
use crate::world::Org;

/// Holds what a client may do, as patterns of `domain:entity:action`.
#[derive(Debug, Clone)]
pub(crate) struct Permits(Vec<String>);

impl Permits {
    pub(crate) fn new(patterns: &[String]) -> Self {
        Self(patterns.to_vec())
    }

    pub(crate) fn allow(&self, permission: &str) -> bool {
        let permission = permission.to_lowercase();
        self.0
            .iter()
            .any(|pattern| glob(&pattern.to_lowercase(), &permission))
    }

    pub(crate) fn patterns(&self) -> &[String] {
        &self.0
    }
}

/// Represents a token that was minted.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) org: String,
    pub(crate) client: ClientSpec,
    /// The how-manieth token of its client it is, from 0.
    pub(crate) index: u32,
    pub(crate) expires_at: Timestamp,
    pub(crate) window: Window,
}

/// Keeps the tokens of all orgs.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) by_value: BTreeMap<String, Token>,
    mints: BTreeMap<String, Mint>,
    minted: BTreeMap<String, u32>,
}

impl Tokens {
    /// Answers `POST /oauth/token`: status and body.
    pub(crate) fn mint(
        &mut self,
        orgs: &BTreeMap<String, Org>,
        seed: u64,
        now: Timestamp,
        authorization: Option<&str>,
        form: &[u8],
    ) -> (u16, Value, Option<(String, String)>) {
        let Some((id, secret)) = authorization.and_then(basic) else {
            return (
                401,
                oauth_error("invalid_client", "client authentication is required"),
                None,
            );
        };
        let found = orgs.iter().find_map(|(name, org)| {
            let client = org.spec.clients.iter().find(|client| client.id == id)?;
            Some((name, org, client))
        });
        let Some((name, org, client)) = found.filter(|(_, _, client)| client.secret == secret)
        else {
            return (
                401,
                oauth_error("invalid_client", "client not found or wrong secret"),
                None,
            );
        };
        let who = Some((name.clone(), client.id.clone()));
        let grant = url::form_urlencoded::parse(form)
            .find(|(key, _)| key == "grant_type")
            .map(|(_, value)| value.into_owned());
        if grant.as_deref() != Some("client_credentials") {
            let body = oauth_error(
                "unsupported_grant_type",
                "the client has the grant client_credentials",
            );
            return (400, body, who);
        }
        let limits = &org.limits;
        let mint = self.mints.entry(client.id.clone()).or_default();
        if !mint.take(now, limits.mint_burst, limits.mint_every_ms) {
            let body = oauth_error(
                "invalid_request",
                "rate limit exceeded; too many token requests",
            );
            return (400, body, who);
        }
        let counter = self.minted.entry(client.id.clone()).or_default();
        let index = *counter;
        *counter += 1;
        let hash = Sha256::digest(format!("{seed}/{}/{}/{index}", client.id, client.secret));
        let value = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash);
        let token = Token {
            org: name.clone(),
            client: client.clone(),
            index,
            expires_at: later(now, u64::from(limits.token_ttl_s) * 1000),
            window: Window::default(),
        };
        self.by_value.insert(value.clone(), token);
        let body = json!({
            "access_token": value,
            "token_type": "bearer",
            "expires_in": limits.token_ttl_s,
        });
        (200, body, who)
    }

    /// Ends the tokens of an org, or of all; gives how many.
    pub(crate) fn revoke(&mut self, org: Option<&str>) -> usize {
        let before = self.by_value.len();
        self.by_value
            .retain(|_, token| org.is_some_and(|org| token.org != org));
        before - self.by_value.len()
    }
}

fn basic(header: &str) -> Option<(String, String)> {
    let decoded = STANDARD
        .decode(header.strip_prefix("Basic ")?.trim())
        .ok()?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// Names the client of a Basic header.
pub(crate) fn client_of(header: &str) -> Option<String> {
    basic(header).map(|(id, _)| id)
}

fn oauth_error(error: &str, description: &str) -> Value {
    json!({"error": error, "description": description, "error_description": description})
}

/// Refuses a caller that lacks what an operation asks for.
pub(crate) fn check_permissions(caller: &Caller, operation: &Operation) -> Result<(), Refusal> {
    let missing = |names: &[String]| -> Vec<String> {
        names
            .iter()
            .filter(|name| !caller.may(name))
            .cloned()
            .collect()
    };
    let (code, names, words) = match &operation.permissions {
        Permissions::All(names) => {
            let missing = missing(names);
            if missing.is_empty() {
                return Ok(());
            }
            (
                "missing.permissions",
                missing,
                "the following permission(s)",
            )
        }
        Permissions::Any(names) => {
            if names.iter().any(|name| caller.may(name)) {
                return Ok(());
            }
            (
                "missing.any.permissions",
                names.clone(),
                "one of the following permission(s)",
            )
        }
        Permissions::None | Permissions::Unknown(_) => return Ok(()),
    };
    let names = names.join(", ");
    let message =
        format!("Unable to perform the requested action. You are missing {words}: {names}");
    let mut refusal = Refusal::new(403, code, message);
    refusal.more.params.push(("permissions".into(), names));
    Err(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_permits_any_part() {
        let permits = Permits::new(&["routing:*:view".into(), "architect:*".into()]);
        assert!(permits.allow("routing:queue:view"));
        assert!(permits.allow("routing:wrapupCode:view"));
        assert!(permits.allow("architect:flow:publish"));
        assert!(!permits.allow("routing:queue:edit"));
        assert!(Permits::new(&["*".into()]).allow("admin"));
    }
}
