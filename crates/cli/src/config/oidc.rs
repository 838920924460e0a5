//! Where people sign in: `service: {oidc: …}`.

use std::collections::BTreeMap;
use std::time::Duration;

use orgsmith_client::keeps_secrets;
use orgsmith_core::secret::Secret;
use orgsmith_server::{Grant, Role, SignIn};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::Error;
use super::term::Term;

/// Where people sign in by OpenID Connect, and what they may then.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Oidc {
    /// The issuer, as it calls itself: what stands before /.well-known/openid-configuration.
    issuer: String,
    /// Who this service is there.
    client_id: String,
    /// The secret that shows it.
    pub(crate) client_secret: String,
    /// Where browsers reach this service; the issuer sends them back to /login/oidc/done there.
    url: String,
    /// What is asked for.
    #[serde(default = "scopes")]
    scopes: String,
    /// The claim that says what somebody may, such as groups or realm_access.roles.
    #[serde(default = "groups")]
    claim: String,
    /// The claim that says who it is; without it the verified e-mail, or preferred_username.
    name: Option<String>,
    /// What each value of the claim gives. Who has none of them may nothing.
    grants: BTreeMap<String, GrantOf>,
    /// How long somebody stays signed in [default: 12h].
    session: Option<Term>,
}

/// What somebody may who has a value in the claim.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GrantOf {
    /// What they may.
    #[schemars(with = "String", extend("enum" = ["viewer", "operator", "approver", "admin"]))]
    role: Role,
    /// The orgs, with `*` for anything; without it, all.
    orgs: Option<Vec<String>>,
}

fn scopes() -> String {
    "openid email profile".to_owned()
}

fn groups() -> String {
    "groups".to_owned()
}

/// Tells whether a text is the URL of a site to which secrets may be sent.
fn is_safe(text: &str) -> bool {
    let is_whole = text.starts_with("https://") || text.starts_with("http://");
    is_whole && Url::parse(text).is_ok_and(|url| keeps_secrets(&url))
}

impl Oidc {
    /// Reads where people sign in.
    pub(crate) fn sign_in(&self, client_secret: Secret) -> Result<SignIn, Error> {
        let bad = |message: String| Error::Service {
            message: format!("oidc: {message}"),
        };
        for (name, url) in [("issuer", &self.issuer), ("url", &self.url)] {
            if !is_safe(url) {
                return Err(bad(format!("{name}: {url:?} does not begin with https://")));
            }
        }
        if !self.scopes.split(' ').any(|scope| scope == "openid") {
            return Err(bad("scopes: openid is not among them".to_owned()));
        }
        let session = match self.session.map(Term::duration) {
            Some(None) => {
                return Err(bad("session is hours or days, such as 12h".to_owned()));
            }
            session => session.flatten().unwrap_or(Duration::from_secs(12 * 3600)),
        };
        let grants = self.grants.iter().map(|(value, grant)| Grant {
            value: value.clone(),
            role: grant.role,
            orgs: grant.orgs.clone(),
        });
        Ok(SignIn {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_secret,
            url: self.url.clone(),
            scopes: self.scopes.clone(),
            claim: self.claim.clone(),
            name: self.name.clone(),
            grants: grants.collect(),
            session,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_signs_in_where_somebody_could_listen() {
        for url in [
            "https://id.example/realm",
            "http://localhost:8080/realm",
            "http://127.0.0.1",
            "http://[::1]:8080",
        ] {
            assert!(is_safe(url), "{url}");
        }
        for url in [
            "http://id.example",
            "http://localhost:x@elsewhere",
            "http://127.0.0.1@elsewhere/",
            "http://localhost.elsewhere",
            "https:id.example",
            "https://",
            "id.example",
        ] {
            assert!(!is_safe(url), "{url}");
        }
    }
}
