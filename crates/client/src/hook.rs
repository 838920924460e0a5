//! Posts to a URL of the user's own: a chat, a ticket system. No token goes along.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use crate::place::is_loopback;
use crate::transport::{Bounds, Fault, Transport};

/// The largest answer that is read; nobody looks at it.
const MAX_ANSWER: u64 = 1 << 20;

/// Says why a post did not arrive. It never holds the URL, which may hold a secret; only its host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// It is no URL that can be posted to.
    #[error("not a URL of the form https://host/path")]
    NotAUrl,
    /// There was no answer.
    #[error("no answer from {host}: {cause}")]
    Unanswered {
        /// The host.
        host: String,
        /// What happened.
        cause: String,
    },
    /// The answer was no.
    #[error("{host} answers status {status}")]
    Refused {
        /// The host.
        host: String,
        /// The answer's status.
        status: u16,
    },
}

/// Posts JSON once; it is not tried again.
///
/// # Errors
/// When the URL is none, nobody answers within the time, or the answer is no success.
pub async fn post_json(url: &str, body: &Value, timeout: Duration) -> Result<(), HookError> {
    let url = Url::parse(url).map_err(|_| HookError::NotAUrl)?;
    let host = match (url.scheme(), url.host_str()) {
        ("https" | "http", Some(host)) => host.to_owned(),
        _ => return Err(HookError::NotAUrl),
    };
    let unanswered = |cause: String| HookError::Unanswered {
        host: host.clone(),
        cause,
    };
    let bounds = Bounds {
        timeout,
        connect_timeout: timeout,
        max_body: MAX_ANSWER,
        max_transfer: MAX_ANSWER,
    };
    let secure = url.scheme() == "https";
    let transport = Transport::new(bounds, is_loopback(&url), secure).map_err(unanswered)?;
    let sent = transport.post(url, body.to_string().into());
    let answer = match tokio::time::timeout(timeout, sent).await {
        Ok(answer) => answer,
        Err(_) => Err(Fault::Timeout),
    };
    match answer {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
        Ok(answer) => Err(HookError::Refused {
            host,
            status: answer.status,
        }),
        // Whoever answers at such length has taken it.
        Err(Fault::TooLarge(_)) => Ok(()),
        Err(Fault::Timeout) => Err(unanswered(format!(
            "nothing within {} s",
            timeout.as_secs_f64()
        ))),
        Err(Fault::Connect(cause) | Fault::Reset(cause) | Fault::Invalid(cause)) => {
            Err(unanswered(cause))
        }
    }
}
