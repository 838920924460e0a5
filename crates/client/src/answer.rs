//! What one exchange means: a reply, or a failure and whether it may be tried again.

use std::fmt;

use serde_json::Value;
use url::Url;

use crate::client::Progress;
use crate::error::{CallRef, Error, Lost, Refusal, tidy};
use crate::retry::{Outcome, retry_after};
use crate::transport::{Answer, Fault};

const CORRELATION: &str = "inin-correlation-id";

/// A successful answer. Its `Debug` leaves the body out: some bodies carry new secrets.
#[derive(Clone, PartialEq)]
pub struct Reply {
    /// The HTTP status, always 2xx.
    pub status: u16,
    /// The body; `Null` when there is none.
    pub body: Value,
    /// How many times the call was sent.
    pub attempts: u32,
    /// The id Genesys Cloud gave the answer.
    pub correlation_id: Option<String>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("attempts", &self.attempts)
            .field("correlation_id", &self.correlation_id)
            .finish_non_exhaustive()
    }
}

/// How one attempt failed.
pub(crate) struct Failed {
    pub(crate) error: Error,
    pub(crate) outcome: Outcome,
    /// Whether the pool does the waiting, by holding the token back.
    pub(crate) paced: bool,
}

/// Reads a success; `Err(None)` means that the answer is none.
pub(crate) fn read(
    answer: &Answer,
    about: &CallRef,
    attempts: u32,
    redact: impl Fn(&str) -> String,
) -> Result<Reply, Option<Failed>> {
    if !(200..300).contains(&answer.status) {
        return Err(None);
    }
    let correlation_id = answer.header(CORRELATION).map(&redact);
    let blank = answer.body.iter().all(u8::is_ascii_whitespace);
    let body = if blank {
        Value::Null
    } else {
        serde_json::from_slice(&answer.body).map_err(|error| {
            let media = answer.header("content-type").unwrap_or("no content type");
            let about = CallRef {
                correlation_id: correlation_id.clone(),
                ..about.clone()
            };
            let error = Error::BadBody {
                call: Box::new(about),
                status: answer.status,
                // The position and the media type tell a page from a bug; the body stays out.
                problem: tidy(&redact(&format!("{error} ({media})"))),
            };
            Some(Failed {
                error,
                // As if it had been cut off: a gateway on the way may have written it.
                outcome: Outcome::Lost { retry_after: None },
                paced: false,
            })
        })?
    };
    Ok(Reply {
        status: answer.status,
        body,
        attempts,
        correlation_id,
    })
}

/// Judges an answer that is no success.
pub(crate) fn failed_status(
    answer: &Answer,
    about: &CallRef,
    progress: &Progress,
    redact: impl Fn(&str) -> String,
) -> Failed {
    let mut refusal = Refusal::parse(answer.status, &answer.body, &redact);
    let header = answer.header(CORRELATION).map(&redact);
    refusal.correlation_id = refusal.correlation_id.or(header);
    refusal.retry_after = answer.header("retry-after").and_then(retry_after);
    refusal.attempts = progress.attempts;
    refusal.after_lost = progress.acted;
    if (300..400).contains(&answer.status) {
        let target = answer.header("location").and_then(|to| Url::parse(to).ok());
        let host = target.as_ref().and_then(Url::host_str);
        refusal.message = match host {
            Some(host) => redact(&format!("redirect to {host} not followed")),
            None => "redirect not followed".to_owned(),
        };
    }
    let call = Box::new(CallRef {
        correlation_id: refusal.correlation_id.clone(),
        ..about.clone()
    });
    let retry_after = refusal.retry_after;
    let refusal = Box::new(refusal);
    let (error, outcome) = match answer.status {
        429 => (
            Error::Refused { call, refusal },
            Outcome::RateLimited { retry_after },
        ),
        408 | 500..600 => (
            Error::Unanswered {
                call,
                why: Lost::Status(refusal),
            },
            Outcome::Lost { retry_after },
        ),
        _ => (Error::Refused { call, refusal }, Outcome::Final),
    };
    Failed {
        error,
        outcome,
        paced: false,
    }
}

/// Judges an exchange without an answer.
pub(crate) fn failed_exchange(about: &CallRef, fault: Fault) -> Failed {
    let call = Box::new(about.clone());
    let lost = Outcome::Lost { retry_after: None };
    let (error, outcome) = match fault {
        Fault::Connect(cause) => (Error::Connect { call, cause }, Outcome::NotSent),
        Fault::Timeout => {
            let why = Lost::Timeout;
            (Error::Unanswered { call, why }, lost)
        }
        Fault::Reset(cause) => {
            let why = Lost::Reset { cause };
            (Error::Unanswered { call, why }, lost)
        }
        Fault::TooLarge(limit) => (Error::TooLarge { call, limit }, Outcome::Final),
        Fault::Invalid(problem) => (Error::Invalid { call, problem }, Outcome::Final),
    };
    Failed {
        error,
        outcome,
        paced: false,
    }
}
