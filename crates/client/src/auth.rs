//! Tokens: minted with the client's credentials, kept until shortly before they expire.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use crate::error::{AuthFault, Refusal};
use crate::random::Random;
use crate::retry::{Policy, backoff};
use crate::stats::Counters;
use crate::transport::{Answer, Fault, Transport};

/// How long before its expiry a token is replaced.
const EARLY: Duration = Duration::from_secs(300);
/// How long a throttled mint is tried for; Genesys' own tools give up after the same time.
const THROTTLED_FOR: Duration = Duration::from_secs(60);
/// How many times a mint is tried when the login host does not answer.
const TRIES: u32 = 4;
/// How long a token that could not be replaced early is used before the next try.
const AGAIN: Duration = Duration::from_secs(30);

/// Holds the id and the secret of one OAuth client (client-credentials grant).
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The client id.
    pub client_id: String,
    /// The client secret.
    pub secret: SecretString,
}

/// One access token.
pub(crate) struct Token {
    /// `Bearer …`, marked sensitive so that no `Debug` shows it.
    pub(crate) header: HeaderValue,
    value: SecretString,
    /// Tells this token from the ones before it.
    pub(crate) serial: u64,
    pub(crate) minted: Instant,
    expires: Instant,
}

impl Token {
    /// Takes the token out of a text that came from outside.
    pub(crate) fn redact(&self, text: &str) -> String {
        redact(text, &self.value)
    }
}

/// The place of one token; it is empty until the first call needs it.
#[derive(Default)]
pub(crate) struct Cell(Mutex<Held>);

#[derive(Default)]
struct Held {
    token: Option<Arc<Token>>,
    replace_at: Option<Instant>,
}

impl Cell {
    fn get(&self) -> (Option<Arc<Token>>, Option<Instant>) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (held.token.clone(), held.replace_at)
    }

    fn set(&self, token: Arc<Token>, replace_at: Instant) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.token = Some(token);
        held.replace_at = Some(replace_at);
    }
}

/// Mints tokens, one at a time.
pub(crate) struct Minter {
    transport: Arc<Transport>,
    url: Url,
    credentials: Credentials,
    policy: Policy,
    random: Arc<Random>,
    counters: Arc<Counters>,
    /// The lock is held while a token is minted: that is what makes fifty calls that find a token
    /// expired mint one. A caller that goes away releases it.
    gate: tokio::sync::Mutex<Gate>,
}

#[derive(Default)]
struct Gate {
    /// The serial number of the last token.
    serial: u64,
    /// How the last mint failed, and when: who waited for it fails with it.
    failed: Option<(Instant, AuthFault)>,
}

#[derive(Deserialize)]
struct Minted {
    access_token: SecretString,
    expires_in: u64,
}

impl Minter {
    pub(crate) fn new(
        transport: Arc<Transport>,
        url: Url,
        credentials: Credentials,
        policy: Policy,
        random: Arc<Random>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            transport,
            url,
            credentials,
            policy,
            random,
            counters,
            gate: tokio::sync::Mutex::default(),
        }
    }

    /// Tells whether tokens for this OAuth client are what is minted here.
    pub(crate) fn is_for(&self, url: &Url, credentials: &Credentials) -> bool {
        let own = &self.credentials;
        self.url == *url
            && own.client_id == credentials.client_id
            && own.secret.expose_secret() == credentials.secret.expose_secret()
    }

    /// Returns the cell's token, minting one when there is none, when it is about to expire, or
    /// when it is the one that was just `rejected`.
    pub(crate) async fn token(
        &self,
        cell: &Cell,
        rejected: Option<u64>,
    ) -> Result<Arc<Token>, AuthFault> {
        if let Some(token) = usable(cell, rejected, Instant::now()) {
            return Ok(token);
        }
        let asked = Instant::now();
        let mut gate = self.gate.lock().await;
        // Somebody else may have minted while this call waited at the gate.
        if let Some(token) = usable(cell, rejected, Instant::now()) {
            return Ok(token);
        }
        match &gate.failed {
            Some((at, fault)) if asked < *at => return Err(fault.clone()),
            _ => {}
        }
        match self.mint().await {
            Ok(minted) => {
                gate.serial += 1;
                gate.failed = None;
                let now = Instant::now();
                let life = Duration::from_secs(minted.expires_in);
                let token = Arc::new(Token {
                    header: bearer(&minted.access_token)?,
                    value: minted.access_token,
                    serial: gate.serial,
                    minted: now,
                    expires: now + life,
                });
                cell.set(token.clone(), now + useful(life));
                Ok(token)
            }
            Err(fault) => match cell.get().0 {
                Some(token) if rejected != Some(token.serial) && Instant::now() < token.expires => {
                    tracing::warn!(%fault, "token not replaced early, using it on");
                    cell.set(token.clone(), Instant::now() + AGAIN);
                    Ok(token)
                }
                _ => {
                    gate.failed = Some((Instant::now(), fault.clone()));
                    Err(fault)
                }
            },
        }
    }

    async fn mint(&self) -> Result<Minted, AuthFault> {
        let start = Instant::now();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let problem = match self.ask().await {
                Ok(answer) if answer.status == 200 => {
                    self.counters.minted();
                    return read(&answer);
                }
                Ok(answer) => {
                    let refusal =
                        Refusal::parse(answer.status, &answer.body, |text| self.redact(text));
                    let throttled = answer.status == 429
                        || refusal
                            .message
                            .to_ascii_lowercase()
                            .starts_with("rate limit exceeded");
                    if throttled {
                        AuthFault::Throttled
                    } else if answer.status >= 500 || answer.status == 408 {
                        AuthFault::Unavailable {
                            cause: refusal.to_string(),
                        }
                    } else {
                        return Err(AuthFault::BadCredentials {
                            message: refusal.to_string(),
                        });
                    }
                }
                Err(Fault::Connect(cause) | Fault::Reset(cause) | Fault::Invalid(cause)) => {
                    AuthFault::Unavailable { cause }
                }
                Err(Fault::Timeout) => AuthFault::Unavailable {
                    cause: "timed out".to_owned(),
                },
                Err(Fault::TooLarge(limit)) => AuthFault::Unavailable {
                    cause: format!("answer larger than {limit} bytes"),
                },
            };
            let wait = backoff(&self.policy, attempt, 0.5 + self.random.unit() / 2.0);
            let patience = THROTTLED_FOR.min(self.policy.max_elapsed);
            let give_up = match problem {
                AuthFault::Throttled => start.elapsed() + wait > patience,
                _ => attempt >= TRIES.min(self.policy.max_attempts),
            };
            if give_up {
                return Err(problem);
            }
            tracing::debug!(
                attempt,
                wait_ms = wait.as_millis(),
                %problem,
                "token not minted, trying again"
            );
            self.counters.waited(wait);
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes the credentials out of a text that came from outside, in both forms they are sent in.
    pub(crate) fn redact(&self, text: &str) -> String {
        redact(&redact(text, &self.credentials.secret), &self.pair())
    }

    /// Joins id and secret as Basic authentication wants them.
    fn pair(&self) -> SecretString {
        let Credentials { client_id, secret } = &self.credentials;
        let plain = SecretString::from(format!("{client_id}:{}", secret.expose_secret()));
        SecretString::from(STANDARD.encode(plain.expose_secret()))
    }

    async fn ask(&self) -> Result<Answer, Fault> {
        let pair = self.pair();
        let basic = SecretString::from(format!("Basic {}", pair.expose_secret()));
        let mut header = crate::transport::value(basic.expose_secret())?;
        header.set_sensitive(true);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let body = Bytes::from_static(b"grant_type=client_credentials");
        self.transport
            .call(Method::POST, self.url.clone(), &header, Some((form, body)))
            .await
    }
}

/// How long a token is used. It can live as short as five minutes: half of that is early enough.
fn useful(life: Duration) -> Duration {
    life - EARLY.min(life / 2)
}

fn usable(cell: &Cell, rejected: Option<u64>, now: Instant) -> Option<Arc<Token>> {
    let (token, replace_at) = cell.get();
    let token = token?;
    let fresh = replace_at.is_some_and(|at| now < at) && now < token.expires;
    (fresh && rejected != Some(token.serial)).then_some(token)
}

fn read(answer: &Answer) -> Result<Minted, AuthFault> {
    // The parser's own words could quote the body, and the body holds the token.
    serde_json::from_slice(&answer.body).map_err(|_| AuthFault::Unavailable {
        cause: "the login host's answer is not a token".to_owned(),
    })
}

fn bearer(token: &SecretString) -> Result<HeaderValue, AuthFault> {
    let text = SecretString::from(format!("Bearer {}", token.expose_secret()));
    let mut header =
        HeaderValue::from_str(text.expose_secret()).map_err(|_| AuthFault::Unavailable {
            cause: "the login host's token cannot be sent in a header".to_owned(),
        })?;
    header.set_sensitive(true);
    Ok(header)
}

/// Replaces a secret wherever it occurs, also as it stands in JSON, and in JSON within JSON: services
/// quote whole bodies.
pub(crate) fn redact(text: &str, secret: &SecretString) -> String {
    let mut spelled = secret.expose_secret().to_owned();
    if spelled.is_empty() {
        return text.to_owned();
    }
    let mut text = text.to_owned();
    for _ in 0..3 {
        text = text.replace(&spelled, "[redacted]");
        let quoted = serde_json::Value::from(spelled.as_str()).to_string();
        if quoted.len() == spelled.len() + 2 {
            break;
        }
        quoted[1..quoted.len() - 1].clone_into(&mut spelled);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_replaced_five_minutes_early_or_after_half_of_a_short_life() {
        let useful = |seconds| useful(Duration::from_secs(seconds)).as_secs();
        assert_eq!(useful(86_400), 86_100);
        assert_eq!(useful(600), 300);
        assert_eq!(useful(300), 150);
        assert_eq!(useful(0), 0);
    }

    #[test]
    fn a_token_is_usable_until_it_is_due_and_unless_it_was_rejected() {
        let now = Instant::now();
        let life = Duration::from_secs(600);
        let cell = Cell::default();
        assert!(usable(&cell, None, now).is_none());
        let token = Token {
            header: bearer(&"t".into()).unwrap(),
            value: "t".into(),
            serial: 3,
            minted: now,
            expires: now + life,
        };
        cell.set(Arc::new(token), now + useful(life));
        let serial = |rejected, at| usable(&cell, rejected, at).map(|token| token.serial);
        assert_eq!(serial(None, now), Some(3));
        assert_eq!(serial(Some(2), now), Some(3));
        assert_eq!(serial(Some(3), now), None);
        assert_eq!(serial(None, now + Duration::from_secs(299)), Some(3));
        assert_eq!(serial(None, now + Duration::from_secs(300)), None);
    }
}
