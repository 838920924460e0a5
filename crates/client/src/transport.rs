//! The only file that touches sockets: one request out, one answer in.

use std::error::Error as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder};
use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;
use url::Url;

/// Bounds what one exchange may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) max_body: u64,
    pub(crate) max_transfer: u64,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The ways in which an exchange yields no answer. Texts hold no URL: presigned ones are secrets.
#[derive(Debug)]
pub(crate) enum Fault {
    Connect(String),
    Timeout,
    Reset(String),
    TooLarge(u64),
    /// The request could not be built.
    Invalid(String),
}

/// Two HTTP clients: one carries tokens and follows nothing, the other carries none.
#[derive(Debug)]
pub(crate) struct Transport {
    api: reqwest::Client,
    open: reqwest::Client,
    bounds: Bounds,
    local: bool,
    tls: ClientConfig,
}

impl Transport {
    /// Builds the clients; `local` leaves proxies out, for a base URL on this host.
    pub(crate) fn new(bounds: Bounds, local: bool, secure: bool) -> Result<Self, String> {
        Self::trusting(bounds, local, secure, Vec::new())
    }

    /// Builds the clients, which trust certificates besides those of the system.
    pub(crate) fn trusting(
        bounds: Bounds,
        local: bool,
        secure: bool,
        roots: Vec<CertificateDer<'static>>,
    ) -> Result<Self, String> {
        let tls = tls(roots)?;
        let builder = || builder(bounds, local, tls.clone());
        // The API does not redirect. Were it to, following would carry the token away.
        let api = builder()
            .redirect(Policy::none())
            .timeout(bounds.timeout)
            .build()
            .map_err(|e| chain(&e))?;
        let open = builder()
            .redirect(Policy::custom(move |attempt| {
                if attempt.previous().len() > 5 || (secure && attempt.url().scheme() != "https") {
                    attempt.stop()
                } else {
                    attempt.follow()
                }
            }))
            .timeout(bounds.timeout.saturating_mul(5))
            .build()
            .map_err(|e| chain(&e))?;
        Ok(Self {
            api,
            open,
            bounds,
            local,
            tls,
        })
    }

    /// Asks a URL for another protocol than HTTP; a connection of its own, by HTTP/1.1 and without
    /// any credential.
    pub(crate) async fn upgrade(
        &self,
        url: Url,
        headers: HeaderMap,
    ) -> Result<reqwest::Response, Fault> {
        // Connections that last for days are few: each may have a client of its own.
        let mut tls = self.tls.clone();
        tls.alpn_protocols = vec![HTTP1.into()];
        let client = builder(self.bounds, self.local, tls)
            .redirect(Policy::none())
            .http1_only()
            .build()
            .map_err(fault)?;
        let asked = client.get(url).headers(headers).send();
        match tokio::time::timeout(self.bounds.timeout, asked).await {
            Ok(answer) => answer.map_err(fault),
            Err(_) => Err(Fault::Timeout),
        }
    }

    /// Sends a request that carries credentials.
    pub(crate) async fn call(
        &self,
        method: Method,
        url: Url,
        authorization: &HeaderValue,
        body: Option<(HeaderValue, Bytes)>,
    ) -> Result<Answer, Fault> {
        let mut request = self
            .api
            .request(method, url)
            .header(reqwest::header::AUTHORIZATION, authorization.clone())
            .header(reqwest::header::ACCEPT, "application/json");
        if let Some((content_type, bytes)) = body {
            request = request
                .header(reqwest::header::CONTENT_TYPE, content_type)
                .body(bytes);
        }
        exchange(request, self.bounds.max_body).await
    }

    /// Sends bytes to a presigned URL, which is its own credential.
    pub(crate) async fn upload(
        &self,
        url: Url,
        headers: &[(String, String)],
        content_type: &str,
        bytes: Bytes,
    ) -> Result<Answer, Fault> {
        let mut map = HeaderMap::new();
        map.insert(reqwest::header::CONTENT_TYPE, value(content_type)?);
        for (name, text) in headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| Fault::Invalid(format!("header name `{name}`")))?;
            if name != reqwest::header::AUTHORIZATION {
                map.insert(name, value(text)?);
            }
        }
        let request = self.open.put(url).headers(map).body(bytes);
        exchange(request, self.bounds.max_body).await
    }

    /// Sends JSON to a URL that is no part of any org.
    pub(crate) async fn post(&self, url: Url, body: Bytes) -> Result<Answer, Fault> {
        let request = self
            .open
            .post(url)
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(body);
        exchange(request, self.bounds.max_body).await
    }

    /// Sends a request to a host that is no part of any org; follows nothing.
    pub(crate) async fn other(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Answer, Fault> {
        let mut request = self.api.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        exchange(request, self.bounds.max_body).await
    }

    /// Fetches a presigned URL.
    pub(crate) async fn download(&self, url: Url) -> Result<Answer, Fault> {
        exchange(self.open.get(url), self.bounds.max_transfer).await
    }
}

fn builder(bounds: Bounds, local: bool, tls: ClientConfig) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("orgsmith/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(bounds.connect_timeout)
        .tls_backend_preconfigured(tls);
    if local { builder.no_proxy() } else { builder }
}

const HTTP1: &str = "http/1.1";

/// Says how TLS is spoken, with certificates that are trusted besides those of the system.
///
/// It is what reqwest would do by itself, but for the certificates of the system, which it would read anew
/// for every client: two per org, a tenth of a second each in a build without optimisation.
fn tls(roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, String> {
    static SYSTEM: OnceLock<Arc<Verifier>> = OnceLock::new();
    let provider = match CryptoProvider::get_default() {
        Some(provider) => provider.clone(),
        None => Arc::new(aws_lc_rs::default_provider()),
    };
    let text = |error: rustls::Error| error.to_string();
    let verifier = match SYSTEM.get() {
        Some(known) if roots.is_empty() => known.clone(),
        _ if roots.is_empty() => {
            let read = Arc::new(Verifier::new(provider.clone()).map_err(text)?);
            SYSTEM.get_or_init(|| read).clone()
        }
        _ => {
            let verifier = Verifier::new_with_extra_roots(roots, provider.clone());
            Arc::new(verifier.map_err(text)?)
        }
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(text)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec!["h2".into(), HTTP1.into()];
    Ok(config)
}

/// Makes a header value, without repeating a value that is not one.
pub(crate) fn value(text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(text).map_err(|_| Fault::Invalid("header value".to_owned()))
}

async fn exchange(request: RequestBuilder, limit: u64) -> Result<Answer, Fault> {
    let mut response = request.send().await.map_err(fault)?;
    // Counted as it arrives, after decompression: neither a missing length nor a small archive
    // with a large content can fill the memory.
    if response
        .content_length()
        .is_some_and(|length| length > limit)
    {
        return Err(Fault::TooLarge(limit));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(fault)? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(Fault::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status: response.status().as_u16(),
        headers: std::mem::take(response.headers_mut()),
        body: body.freeze(),
    })
}

pub(crate) fn fault(error: reqwest::Error) -> Fault {
    let error = error.without_url();
    if error.is_connect() {
        Fault::Connect(chain(&error))
    } else if error.is_timeout() {
        Fault::Timeout
    } else if error.is_builder() {
        Fault::Invalid(chain(&error))
    } else {
        Fault::Reset(chain(&error))
    }
}

/// Joins an error and its causes, leaving out those that the text already says.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
#[path = "transport_tests.rs"]
mod tests;
