//! People who sign in elsewhere: OpenID Connect, the authorization code flow with PKCE.
//!
//! Nothing that comes back is believed before it is checked: the state was given to this browser and is good
//! once, the token is signed by a key of the issuer, for us, for this login and not expired. What a person may
//! do is said by a claim and by the project file; who is not mentioned there may nothing.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use orgsmith_core::secret::Secret;
use orgsmith_engine::now_ms;
use orgsmith_store::desk::Session;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;
use uuid::Uuid;

use crate::auth::{Role, hash};
use crate::problem::Problem;
use crate::service::Service;
use crate::work::Asked;

/// How a session begins, so that it is told from a token.
pub(crate) const SESSION: &str = "orgsmith-session_";
/// How long somebody may take to sign in.
const LOGIN_MS: u64 = 600_000;
/// How long what the issuer says of itself is believed.
const FRESH: Duration = Duration::from_secs(3600);
/// A key that is not known is looked for no more often than this.
const AGAIN: Duration = Duration::from_secs(10);
/// How far clocks may differ, in seconds.
const LEEWAY: u64 = 30;
/// Signatures that are taken. None is of a secret that two share.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Where people sign in, and what they may then.
#[derive(Clone)]
pub struct SignIn {
    /// Whose tokens are believed, as it calls itself.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// What shows it.
    pub client_secret: Secret,
    /// Where browsers reach this service.
    pub url: String,
    /// What is asked for.
    pub scopes: String,
    /// The claim that says what somebody may, such as `groups` or `realm_access.roles`.
    pub claim: String,
    /// The claim that says who it is; without it the verified e-mail, or the preferred name.
    pub name: Option<String>,
    /// What each value of the claim gives.
    pub grants: Vec<Grant>,
    /// How long a session is good.
    pub session: Duration,
}

/// What somebody may who has a value in a claim.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The value.
    pub value: String,
    /// What they may.
    pub role: Role,
    /// Patterns of the orgs; nothing means all.
    pub orgs: Option<Vec<String>>,
}

/// What the issuer said of itself, for a while.
#[derive(Default)]
pub(crate) struct Issuer(Mutex<Option<Known>>);

#[derive(Clone)]
struct Known {
    about: About,
    keys: JwkSet,
    since: Instant,
}

/// What an issuer says of itself.
#[derive(Clone, Debug, Deserialize)]
struct About {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

/// What somebody was sent with.
#[derive(Debug, Serialize, Deserialize)]
struct Sent {
    nonce: String,
    verifier: String,
    to: String,
}

/// What comes back with somebody.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Back {
    code: Option<String>,
    pub(crate) state: String,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

/// Two random numbers of 122 bits each.
pub(crate) fn random() -> String {
    let part = || Uuid::new_v4().simple().to_string();
    part() + &part()
}

fn challenge(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

fn form(pairs: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs).finish()
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

impl SignIn {
    /// Returns the host of the issuer, for people.
    pub(crate) fn host(&self) -> String {
        let url = Url::parse(&self.issuer).ok();
        let host = url.as_ref().and_then(Url::host_str);
        host.unwrap_or(&self.issuer).to_owned()
    }

    fn back(&self) -> String {
        format!("{}/login/oidc/done", self.url.trim_end_matches('/'))
    }

    /// Returns what the values of the claim give: the greatest role, for the orgs of those that give it.
    fn grant(&self, claims: &Value) -> Option<(Role, Option<Vec<String>>)> {
        let found = self
            .claim
            .split('.')
            .try_fold(claims, |at, part| at.get(part));
        // A claim may have a name with dots, such as a URL.
        let found = claims.get(&self.claim).or(found)?;
        let values: Vec<&str> = match found {
            Value::String(value) => vec![value],
            Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let given = || {
            let grants = self.grants.iter();
            grants.filter(|grant| values.contains(&grant.value.as_str()))
        };
        let role = given().map(|grant| grant.role).max()?;
        let of_role = given().filter(|grant| grant.role == role);
        let orgs: Option<Vec<Vec<String>>> = of_role.map(|grant| grant.orgs.clone()).collect();
        Some((role, orgs.map(|orgs| orgs.concat())))
    }

    /// Returns who it is.
    fn name(&self, claims: &Value) -> Option<String> {
        let text = |name: &str| claims[name].as_str().map(str::to_owned);
        let found = match &self.name {
            Some(name) => text(name),
            None => text("email")
                // Whoever may write any address there is not known by it.
                .filter(|_| claims["email_verified"] == true)
                .or_else(|| text("preferred_username"))
                .or_else(|| text("sub")),
        };
        found.filter(|name| !name.trim().is_empty() && name.len() <= 200)
    }

    /// Checks a token against a key, and for whom and for what login it is.
    fn check(&self, token: &str, key: &Jwk, nonce: &str) -> Result<Value, String> {
        let key = DecodingKey::from_jwk(key).map_err(|_| "its key cannot be used".to_owned())?;
        let header = decode_header(token).map_err(|_| "it is none".to_owned())?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(format!("it is signed by {:?}", header.alg));
        }
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.client_id]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        let claims = decode::<Value>(token, &key, &validation);
        let claims = claims.map_err(|error| error.to_string())?.claims;
        if claims["nonce"] != nonce {
            return Err("it is of another login".to_owned());
        }
        let several = claims["aud"].as_array().is_some_and(|aud| aud.len() > 1);
        let party = claims["azp"].as_str();
        if party.is_some_and(|party| party != self.client_id) || (several && party.is_none()) {
            return Err("it was made for somebody else".to_owned());
        }
        Ok(claims)
    }
}

fn refused(detail: String) -> Problem {
    Problem::unauthorized(detail).refusing()
}

impl Service {
    fn sign_in(&self) -> Result<&SignIn, Problem> {
        let sign_in = self.settings().sign_in.as_ref();
        sign_in.ok_or_else(|| Problem::not_found("nobody signs in elsewhere here"))
    }

    /// Asks the issuer for something, and reads the answer.
    async fn ask_issuer<T: serde::de::DeserializeOwned>(&self, asked: Asked) -> Result<T, Problem> {
        let unavailable = |why: String| {
            let host = self.settings().sign_in.as_ref().map(SignIn::host);
            let host = host.unwrap_or_default();
            tracing::warn!(host, why, "the issuer cannot be asked");
            let status = axum::http::StatusCode::BAD_GATEWAY;
            Problem::new(status, format!("{host} cannot be asked: {why}"))
        };
        let (status, body) = self.worker().ask(asked).await.map_err(unavailable)?;
        if status != 200 {
            return Err(unavailable(format!("it answers {status}")));
        }
        serde_json::from_slice(&body)
            .map_err(|_| unavailable("its answer is not what it should be".to_owned()))
    }

    /// Returns what the issuer says of itself and its keys, anew where it is old.
    async fn known(&self, sign_in: &SignIn, at_most: Duration) -> Result<Known, Problem> {
        let lock = || {
            self.issuer()
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let known = lock().clone();
        if let Some(known) = known.filter(|known| known.since.elapsed() < at_most) {
            return Ok(known);
        }
        let issuer = sign_in.issuer.trim_end_matches('/');
        let place = format!("{issuer}/.well-known/openid-configuration");
        let about: About = self.ask_issuer(Asked::get(&place)).await?;
        if about.issuer != sign_in.issuer {
            let why = format!(
                "the issuer calls itself {:?}, and the project file {:?}",
                about.issuer, sign_in.issuer
            );
            tracing::warn!("{why}");
            return Err(Problem::new(axum::http::StatusCode::BAD_GATEWAY, why));
        }
        // Where it is asked openly, somebody else may answer.
        let is_open = sign_in.issuer.starts_with("http://");
        for place in [
            &about.token_endpoint,
            &about.jwks_uri,
            &about.authorization_endpoint,
        ] {
            if !place.starts_with("https://") && !is_open {
                let why = format!("the issuer names {place}, which is not https");
                return Err(Problem::new(axum::http::StatusCode::BAD_GATEWAY, why));
            }
        }
        let keys: JwkSet = self.ask_issuer(Asked::get(&about.jwks_uri)).await?;
        let known = Known {
            about,
            keys,
            since: Instant::now(),
        };
        *lock() = Some(known.clone());
        Ok(known)
    }

    /// Begins to sign somebody in: returns where to send them, and the state that their browser keeps.
    pub(crate) async fn send_to_sign_in(&self, to: &str) -> Result<(String, String), Problem> {
        let sign_in = self.sign_in()?;
        let known = self.known(sign_in, FRESH).await?;
        let (state, nonce, verifier) = (random(), random(), random());
        let mut url = Url::parse(&known.about.authorization_endpoint).map_err(Problem::internal)?;
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &sign_in.client_id),
            ("redirect_uri", &sign_in.back()),
            ("scope", &sign_in.scopes),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge(&verifier)),
            ("code_challenge_method", "S256"),
        ]);
        let sent = Sent {
            nonce,
            verifier,
            to: to.to_owned(),
        };
        let sent = serde_json::to_string(&sent).map_err(Problem::internal)?;
        let until = now_ms() + LOGIN_MS;
        self.desk().add_login(&hash(&state), &sent, until).await?;
        Ok((url.to_string(), state))
    }

    /// Signs somebody in who comes back: returns who it is, their session and its seconds, and where they
    /// wanted to go. `kept` is the state that their browser has.
    pub(crate) async fn come_back(
        &self,
        back: &Back,
        kept: Option<&str>,
    ) -> Result<(String, String, u64, String), Problem> {
        let sign_in = self.sign_in()?;
        let again =
            || refused("this login has ended or is of another browser; sign in again".into());
        if kept != Some(back.state.as_str()) {
            return Err(again());
        }
        let sent = self.desk().take_login(&hash(&back.state), now_ms()).await?;
        let sent: Sent =
            serde_json::from_str(&sent.ok_or_else(again)?).map_err(Problem::internal)?;
        let host = sign_in.host();
        if back.iss.as_ref().is_some_and(|iss| *iss != sign_in.issuer) {
            return Err(refused(format!("the answer is not of {host}")));
        }
        let Some(code) = &back.code else {
            let why = back.error_description.as_ref().or(back.error.as_ref());
            let why = why.map_or("it does not say why", String::as_str);
            return Err(refused(format!("{host} did not sign you in: {why}")));
        };
        let known = self.known(sign_in, FRESH).await?;
        let tokens: Tokens = self
            .ask_issuer(redeem(sign_in, &known.about, code, &sent))
            .await?;
        let claims = self
            .claims(sign_in, known, &tokens.id_token, &sent.nonce)
            .await?;
        let Some(name) = sign_in.name(&claims) else {
            return Err(refused(format!("{host} does not say who you are")));
        };
        let Some((role, orgs)) = sign_in.grant(&claims) else {
            let why = format!(
                "{name} is signed in at {host}, and nothing of the claim {:?} gives them a role here",
                sign_in.claim
            );
            return Err(Problem::forbidden(why));
        };
        let session = format!("{SESSION}{}", random());
        let kept = Session {
            hash: hash(&session),
            name: name.clone(),
            role: role.as_str().to_owned(),
            orgs: orgs.map(|orgs| serde_json::json!(orgs).to_string()),
            expires_ms: now_ms()
                + u64::try_from(sign_in.session.as_millis()).unwrap_or(u64::MAX / 2),
        };
        self.desk().add_session(&kept).await?;
        self.act(&name, "sign in", None, None, &format!("done, as {role}"))
            .await?;
        Ok((name, session, sign_in.session.as_secs(), sent.to))
    }

    /// Checks the token of somebody who comes back. A key that is not known may be new.
    async fn claims(
        &self,
        sign_in: &SignIn,
        known: Known,
        token: &str,
        nonce: &str,
    ) -> Result<Value, Problem> {
        let bad = |why: String| {
            tracing::warn!(why, "a token of the issuer was refused");
            refused(format!("the token of {} is refused: {why}", sign_in.host()))
        };
        let header = decode_header(token).map_err(|_| bad("it is none".to_owned()))?;
        let find = |keys: &JwkSet| match &header.kid {
            Some(kid) => keys.find(kid).cloned(),
            None => match keys.keys.as_slice() {
                [key] => Some(key.clone()),
                _ => None,
            },
        };
        let key = match find(&known.keys) {
            Some(key) => Some(key),
            None => find(&self.known(sign_in, AGAIN).await?.keys),
        };
        let key = key.ok_or_else(|| bad("its key is not known".to_owned()))?;
        sign_in.check(token, &key, nonce).map_err(bad)
    }
}

/// Asks for the tokens that a code stands for.
fn redeem(sign_in: &SignIn, about: &About, code: &str, sent: &Sent) -> Asked {
    let back = sign_in.back();
    let (id, secret) = (sign_in.client_id.as_str(), sign_in.client_secret.expose());
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &back),
        ("code_verifier", &sent.verifier),
    ];
    let ways = &about.token_endpoint_auth_methods_supported;
    // What it does not say is as the standard has it.
    let basic = ways.is_empty() || ways.iter().any(|way| way == "client_secret_basic");
    if !basic {
        pairs.extend([("client_id", id), ("client_secret", secret)]);
    }
    let pair = format!("{}:{}", encoded(id), encoded(secret));
    Asked {
        url: about.token_endpoint.clone(),
        form: Some(Secret::new(form(&pairs))),
        authorization: basic
            .then(|| Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair)))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sign_in() -> SignIn {
        let grant = |value: &str, role, orgs: Option<&str>| Grant {
            value: value.to_owned(),
            role,
            orgs: orgs.map(|org| vec![org.to_owned()]),
        };
        SignIn {
            issuer: "https://id.example/realm".to_owned(),
            client_id: "us".to_owned(),
            client_secret: Secret::new("s".to_owned()),
            url: "https://here.example/".to_owned(),
            scopes: "openid".to_owned(),
            claim: "realm.roles".to_owned(),
            name: None,
            grants: vec![
                grant("lookers", Role::Viewer, None),
                grant("ops-a", Role::Operator, Some("a-*")),
                grant("ops-b", Role::Operator, Some("b-*")),
            ],
            session: Duration::from_secs(60),
        }
    }

    #[test]
    fn the_greatest_role_counts_for_its_own_orgs_only() {
        let given = |claims: Value| sign_in().grant(&claims);
        let orgs = |orgs: &[&str]| Some(orgs.iter().map(|org| (*org).to_owned()).collect());
        let roles = |roles: Value| given(json!({"realm": {"roles": roles}}));
        assert_eq!(roles(json!(["lookers"])), Some((Role::Viewer, None)));
        assert_eq!(roles(json!("lookers")), Some((Role::Viewer, None)));
        let two = roles(json!(["ops-b", "lookers", "ops-a", "x"]));
        assert_eq!(two, Some((Role::Operator, orgs(&["a-*", "b-*"]))));
        for nothing in [json!([]), json!(["LOOKERS"]), json!(null), json!(7)] {
            assert_eq!(roles(nothing), None);
        }
        assert_eq!(given(json!({})), None);
        let flat = given(json!({"realm.roles": ["lookers"]}));
        assert_eq!(flat, Some((Role::Viewer, None)));
    }

    #[test]
    fn nobody_is_known_by_an_address_that_was_not_verified() {
        let name = |claims: Value| sign_in().name(&claims);
        let all = json!({"email": "a@x", "email_verified": true, "preferred_username": "a"});
        assert_eq!(name(all).as_deref(), Some("a@x"));
        let unverified = json!({"email": "boss@x", "preferred_username": "a", "sub": "7"});
        assert_eq!(name(unverified).as_deref(), Some("a"));
        assert_eq!(name(json!({"sub": "7"})).as_deref(), Some("7"));
        assert_eq!(name(json!({"sub": " "})), None);
    }
}
