//! Requests to systems that are no Genesys Cloud: one out, one answer in. Nothing is tried again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::retry::retry_after;
use crate::transport::{Bounds, Fault, Transport, value};

/// Sends requests to other systems; follows no redirect.
#[derive(Debug)]
pub struct Plain {
    transport: Transport,
    timeout: Duration,
}

/// A request to another system.
#[derive(Debug)]
pub struct PlainRequest {
    /// The HTTP method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Headers, which may hold secrets.
    pub headers: Vec<(String, SecretString)>,
    /// The body, which may hold secrets.
    pub body: Option<SecretString>,
}

/// An answer of another system.
#[derive(Debug)]
pub struct PlainReply {
    /// The HTTP status.
    pub status: u16,
    /// What `Retry-After` asks for, in seconds or as a date.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Bytes,
}

/// Says why there is no answer. No text of it holds a URL or a header's value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlainError {
    /// The request cannot be sent, now or ever.
    #[error("the request cannot be sent: {0}")]
    Invalid(String),
    /// Nothing came in time.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The answer is longer than is read.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(u64),
    /// There is no connection, or it broke off.
    #[error("no answer: {0}")]
    Broken(String),
}

impl Plain {
    /// Prepares; `local` leaves proxies out, for hosts that are this machine.
    ///
    /// # Errors
    /// The system's TLS or proxy settings cannot be used.
    pub fn new(timeout: Duration, max_body: u64, local: bool) -> Result<Self, PlainError> {
        Self::trusting(timeout, max_body, local, &[])
    }

    /// Prepares as [`Plain::new`], and trusts the certificates of a PEM file besides those of the
    /// system.
    ///
    /// # Errors
    /// The file holds no certificates, or the system's TLS or proxy settings cannot be used.
    pub fn trusting(
        timeout: Duration,
        max_body: u64,
        local: bool,
        pem: &[u8],
    ) -> Result<Self, PlainError> {
        let roots: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|_| PlainError::Invalid("the certificates are not PEM".to_owned()))?;
        if roots.is_empty() && !pem.is_empty() {
            return Err(PlainError::Invalid("there is no certificate".to_owned()));
        }
        let bounds = Bounds {
            timeout,
            connect_timeout: timeout.min(Duration::from_secs(10)),
            max_body,
            max_transfer: max_body,
        };
        let transport =
            Transport::trusting(bounds, local, true, roots).map_err(PlainError::Invalid)?;
        Ok(Self { transport, timeout })
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// There is no answer, or it is too long. A refusal is an answer.
    pub async fn send(&self, request: &PlainRequest) -> Result<PlainReply, PlainError> {
        let PlainRequest {
            method,
            url,
            headers,
            body,
        } = request;
        let invalid = |what: &str| PlainError::Invalid(what.to_owned());
        let method =
            Method::from_bytes(method.as_bytes()).map_err(|_| invalid("its method is none"))?;
        let url = Url::parse(url).map_err(|_| invalid("its URL is none"))?;
        let mut map = HeaderMap::new();
        for (name, text) in headers {
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| invalid(&format!("{name:?} is no name of a header")))?;
            let mut value = value(text.expose_secret()).map_err(|_| {
                invalid(&format!("the header {name} has a value that none can have"))
            })?;
            value.set_sensitive(true);
            map.insert(header, value);
        }
        let body = body.as_ref();
        let body = body.map(|body| Bytes::copy_from_slice(body.expose_secret().as_bytes()));
        let sent = self.transport.other(method, url, map, body);
        // The transport's own limit does not cover the time that the body takes to arrive slowly.
        let answer = match tokio::time::timeout(self.timeout, sent).await {
            Ok(answer) => answer,
            Err(_) => Err(Fault::Timeout),
        };
        let answer = answer.map_err(|fault| match fault {
            Fault::Timeout => PlainError::Timeout(self.timeout),
            Fault::TooLarge(limit) => PlainError::TooLarge(limit),
            Fault::Invalid(what) => PlainError::Invalid(what),
            Fault::Connect(why) | Fault::Reset(why) => PlainError::Broken(why),
        })?;
        let asked = answer.header("retry-after");
        Ok(PlainReply {
            status: answer.status,
            retry_after: asked.and_then(|text| retry_after(text).or_else(|| until(text))),
            body: answer.body,
        })
    }
}

/// Reads `Retry-After` as a date: `Fri, 27 Nov 2026 14:00:00 GMT`.
fn until(text: &str) -> Option<Duration> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words[..] else {
        return None;
    };
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = months.iter().position(|name| *name == month)?;
    let (day, year): (i64, i64) = (day.parse().ok()?, year.parse().ok()?);
    let clock: Vec<i64> = time
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let [hours, minutes, seconds] = clock[..] else {
        return None;
    };
    if !(1970..=9999).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970, by years that begin in March.
    let month = i64::try_from(month).ok()? + 1;
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    let then = days * 86_400 + hours * 3_600 + minutes * 60 + seconds;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(Duration::from_secs(
        u64::try_from(then).ok()?.saturating_sub(now),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_time_from_now() {
        assert_eq!(until("Thu, 01 Jan 1970 00:00:10 GMT"), Some(Duration::ZERO));
        let far = until("Fri, 31 Dec 2999 23:59:59 GMT").expect("a date");
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock");
        assert_eq!(now.as_secs() + far.as_secs(), 32_503_679_999);
        for text in [
            "soon",
            "Fri, 31 Foo 2999 23:59:59 GMT",
            "Fri, 31 Dec 99999999999999999999 1:1:1 GMT",
        ] {
            assert_eq!(until(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn a_header_that_cannot_be_sent_is_told_without_its_value() {
        let plain = Plain::new(Duration::from_secs(1), 100, true).expect("a client");
        let request = PlainRequest {
            method: "POST".to_owned(),
            url: "http://127.0.0.1:1/".to_owned(),
            headers: vec![("x-key".to_owned(), "planted\nvalue".to_owned().into())],
            body: None,
        };
        let error = plain.send(&request).await.expect_err("no header");
        let told = error.to_string();
        assert!(
            told.contains("x-key") && !told.contains("planted"),
            "{told}"
        );
    }

    /// Answers one request with a text, or not at all.
    async fn server(answer: Option<String>) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("a port");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a request");
            let _ = stream.read(&mut [0; 4096]).await;
            match answer {
                Some(answer) => {
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
                None => std::future::pending().await,
            }
        });
        format!("http://{address}/x")
    }

    async fn sent(answer: Option<&str>) -> Result<PlainReply, PlainError> {
        let request = PlainRequest {
            method: "GET".to_owned(),
            url: server(answer.map(str::to_owned)).await,
            headers: Vec::new(),
            body: None,
        };
        let plain = Plain::new(Duration::from_millis(300), 100, true).expect("a client");
        plain.send(&request).await
    }

    #[tokio::test]
    async fn silence_and_length_are_bounded_and_redirects_are_answers() {
        let silent = sent(None).await.expect_err("no answer");
        assert_eq!(silent, PlainError::Timeout(Duration::from_millis(300)));
        // It begins to answer, and never ends.
        let long = format!("HTTP/1.1 200 x\r\n\r\n{}", "y".repeat(200));
        let long = sent(Some(&long)).await.expect_err("too long");
        assert_eq!(long, PlainError::TooLarge(100));
        let elsewhere = "HTTP/1.1 302 x\r\nlocation: http://127.0.0.1:1/\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n";
        let elsewhere = sent(Some(elsewhere)).await.expect("an answer");
        assert_eq!(elsewhere.status, 302);
        assert_eq!(elsewhere.retry_after, Some(Duration::from_secs(7)));
        let nonsense = sent(Some("this is no HTTP\r\n\r\n")).await;
        assert!(
            matches!(nonsense, Err(PlainError::Broken(_))),
            "{nonsense:?}"
        );
    }
}
