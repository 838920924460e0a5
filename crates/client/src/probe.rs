//! Finds out whether another system answers at a URL. No credential of anybody goes there.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Method};
use rustls::{CertificateError, Error as TlsError};
use url::{Host, Url};

use crate::place::is_loopback;

/// What came of a probe. No text of it holds a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It answers, with this status.
    Answers(u16),
    /// Its name leads nowhere.
    NoSuchHost,
    /// Nobody takes the connection, or it breaks off.
    Unreachable(String),
    /// Its certificate, or how it speaks TLS, is not to be trusted.
    Tls(String),
    /// Nothing came in time.
    Timeout,
    /// It is no URL that can be asked.
    Invalid,
}

/// Asks URLs whether anybody answers: with `HEAD`, and where that is refused with `GET`.
///
/// It follows no redirect, as one is an answer, and reads no body.
#[derive(Debug)]
pub struct Prober {
    open: Client,
    /// For this machine, where no proxy leads.
    local: Client,
    timeout: Duration,
}

impl Prober {
    /// Prepares; a probe takes twice the time at most.
    ///
    /// # Errors
    /// The system's TLS or proxy settings cannot be used.
    pub fn new(timeout: Duration) -> Result<Self, String> {
        let builder = || {
            Client::builder()
                .user_agent(concat!("orgsmith/", env!("CARGO_PKG_VERSION")))
                .redirect(Policy::none())
                .connect_timeout(timeout)
                .timeout(timeout)
                // Each is asked once or twice; no connection is worth keeping.
                .pool_max_idle_per_host(0)
        };
        Ok(Self {
            open: builder().build().map_err(|error| told(&error))?,
            local: builder().no_proxy().build().map_err(|error| told(&error))?,
            timeout,
        })
    }

    /// Asks a URL.
    pub async fn probe(&self, url: &str) -> Probe {
        let Ok(url) = Url::parse(url) else {
            return Probe::Invalid;
        };
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Probe::Invalid;
        }
        match self.ask(Method::HEAD, &url).await {
            // Who is asked for a key is there.
            Probe::Answers(status) if status < 400 || matches!(status, 401 | 403) => {
                Probe::Answers(status)
            }
            // Some know no HEAD, and some hang up on it.
            refused @ (Probe::Answers(_) | Probe::Unreachable(_)) => {
                match (self.ask(Method::GET, &url).await, refused) {
                    (told @ Probe::Answers(_), _) => told,
                    (_, told @ Probe::Answers(_)) => told,
                    (told, _) => told,
                }
            }
            told => told,
        }
    }

    async fn ask(&self, method: Method, url: &Url) -> Probe {
        let client = if is_loopback(url) {
            &self.local
        } else {
            &self.open
        };
        let error = match client.request(method, url.clone()).send().await {
            Ok(answer) => return Probe::Answers(answer.status().as_u16()),
            Err(error) => error.without_url(),
        };
        if let Some(fault) = tls_fault(&error) {
            return Probe::Tls(why(fault));
        }
        if error.is_timeout() {
            return Probe::Timeout;
        }
        if error.is_connect() && !self.resolves(url).await {
            return Probe::NoSuchHost;
        }
        Probe::Unreachable(told(&error))
    }

    /// Tells whether the name of a host leads somewhere.
    async fn resolves(&self, url: &Url) -> bool {
        let (Some(Host::Domain(name)), Some(port)) = (url.host(), url.port_or_known_default())
        else {
            return true;
        };
        let found = tokio::net::lookup_host((name, port));
        match tokio::time::timeout(self.timeout, found).await {
            Ok(Ok(mut addresses)) => addresses.next().is_some(),
            Ok(Err(_)) => false,
            // What is not known yet is not said.
            Err(_) => true,
        }
    }
}

/// Finds what TLS objects to among the causes of an error.
fn tls_fault(error: &reqwest::Error) -> Option<&TlsError> {
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = cause {
        if let Some(fault) = error.downcast_ref::<TlsError>() {
            return Some(fault);
        }
        // What an IO error wraps is not among its causes.
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

fn why(fault: &TlsError) -> String {
    let words = match fault {
        TlsError::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the certificate is not valid yet"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another host"
            }
            CertificateError::UnknownIssuer => "nobody who is trusted signed the certificate",
            CertificateError::Revoked => "the certificate was revoked",
            other => return format!("the certificate is not valid: {other}"),
        },
        TlsError::InvalidMessage(_) => "what answers there speaks no TLS",
        other => return other.to_string(),
    };
    words.to_owned()
}

/// Says the innermost cause, which says most.
fn told(error: &reqwest::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
