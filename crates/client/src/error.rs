//! What can go wrong with a call, told apart by what the caller may conclude from it.

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

/// The longest text of a server's that is repeated in an error.
const MAX_TEXT: usize = 300;

/// Says which call an error is about. It never holds a query, a body or a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRef {
    /// The label of the org, as given to the client.
    pub org: String,
    /// The HTTP method.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// The work the call was for, when it was named.
    pub label: Option<String>,
    /// Our own id of the call, the same in all log lines about it.
    pub request_id: Uuid,
    /// The id Genesys Cloud gave the last answer; their support asks for it.
    pub correlation_id: Option<String>,
}

impl fmt::Display for CallRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            org,
            method,
            path,
            label,
            request_id: _,
            correlation_id,
        } = self;
        write!(f, "{method} {path} (org {org}")?;
        if let Some(label) = label {
            write!(f, ", {label}")?;
        }
        if let Some(id) = correlation_id {
            write!(f, ", correlation {id}")?;
        }
        f.write_str(")")
    }
}

/// Says why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The time for one attempt ran out.
    Timeout,
    /// The connection broke before the whole answer was read.
    Reset {
        /// What the connection reported.
        cause: String,
    },
    /// The server answered 408 or 5xx, which says nothing about what it did.
    Status(Box<Refusal>),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("timed out"),
            Self::Reset { cause } => write!(f, "connection lost: {cause}"),
            Self::Status(refusal) => write!(f, "{refusal}"),
        }
    }
}

/// Says why no valid token is at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthFault {
    /// The client id or secret is wrong, or the client was deleted or is inactive.
    BadCredentials {
        /// What the login host said.
        message: String,
    },
    /// A token that was minted a moment ago is refused: the client was disabled.
    Revoked {
        /// What the API said.
        message: String,
    },
    /// Tokens were asked for too fast, and still are after all back-off.
    Throttled,
    /// The login host gives no usable answer; the call itself was never sent.
    Unavailable {
        /// What happened.
        cause: String,
    },
}

impl fmt::Display for AuthFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCredentials { message } => {
                write!(f, "the login host refuses the credentials: {message}")
            }
            Self::Revoked { message } => write!(f, "a fresh token is refused: {message}"),
            Self::Throttled => f.write_str("the login host throttles token requests"),
            Self::Unavailable { cause } => write!(f, "no token could be obtained: {cause}"),
        }
    }
}

/// The reason a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No connection was made; the request never left.
    #[error("{call}: could not connect: {cause}")]
    Connect {
        /// The call.
        call: Box<CallRef>,
        /// What the connection reported.
        cause: String,
    },
    /// The request left, the answer did not arrive, and sending it again is not safe.
    #[error("{call}: may have been acted on: {why}")]
    Unanswered {
        /// The call.
        call: Box<CallRef>,
        /// Why there is no answer.
        why: Lost,
    },
    /// The server answered, and the answer is no.
    #[error("{call}: {refusal}")]
    Refused {
        /// The call.
        call: Box<CallRef>,
        /// The answer.
        refusal: Box<Refusal>,
    },
    /// There is no valid token to send the call with.
    #[error("{call}: {fault}")]
    Auth {
        /// The call.
        call: Box<CallRef>,
        /// What is wrong with the credentials.
        fault: AuthFault,
    },
    /// The tries or the time are used up.
    #[error(
        "{call}: gave up after {attempts} attempt{} in {:.1} s",
        if *.attempts == 1 { "" } else { "s" },
        .elapsed.as_secs_f64()
    )]
    Exhausted {
        /// The call.
        call: Box<CallRef>,
        /// How many times it was sent.
        attempts: u32,
        /// The time it took, waiting for quota excluded.
        elapsed: Duration,
        /// Whether any of the attempts may have been acted on.
        possibly_acted: bool,
        /// How the last attempt ended.
        #[source]
        last: Box<Error>,
    },
    /// The server says it succeeded, but its answer cannot be read.
    #[error("{call}: status {status} with an unreadable body: {problem}")]
    BadBody {
        /// The call.
        call: Box<CallRef>,
        /// The status of the answer.
        status: u16,
        /// What is wrong with the body.
        problem: String,
    },
    /// Somebody kept the request from leaving.
    #[error("{call}: not sent: {why}")]
    Barred {
        /// The call.
        call: Box<CallRef>,
        /// Whether an earlier attempt may have been acted on.
        possibly_acted: bool,
        /// Why it may not leave.
        why: String,
    },
    /// The answer is larger than the client accepts.
    #[error("{call}: the answer is larger than {limit} bytes")]
    TooLarge {
        /// The call.
        call: Box<CallRef>,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A transfer over plain HTTP was asked for while the org itself speaks HTTPS.
    #[error("{call}: refusing an insecure url")]
    InsecureUrl {
        /// The call.
        call: Box<CallRef>,
    },
    /// The call cannot be expressed as a request.
    #[error("{call}: not a valid request: {problem}")]
    Invalid {
        /// The call.
        call: Box<CallRef>,
        /// What is wrong with it.
        problem: String,
    },
}

impl Error {
    /// Returns the call the error is about.
    pub fn call(&self) -> &CallRef {
        match self {
            Self::Connect { call, .. }
            | Self::Unanswered { call, .. }
            | Self::Refused { call, .. }
            | Self::Auth { call, .. }
            | Self::Exhausted { call, .. }
            | Self::BadBody { call, .. }
            | Self::Barred { call, .. }
            | Self::TooLarge { call, .. }
            | Self::InsecureUrl { call }
            | Self::Invalid { call, .. } => call,
        }
    }

    /// Says whether the server may have done what the call asked for.
    ///
    /// When it is `false`, sending the call again cannot make anything twice.
    pub fn may_have_been_acted_on(&self) -> bool {
        match self {
            Self::Unanswered { .. } | Self::BadBody { .. } | Self::TooLarge { .. } => true,
            Self::Exhausted { possibly_acted, .. } | Self::Barred { possibly_acted, .. } => {
                *possibly_acted
            }
            Self::Refused { refusal, .. } => refusal.after_lost,
            Self::Connect { .. }
            | Self::Auth { .. }
            | Self::InsecureUrl { .. }
            | Self::Invalid { .. } => false,
        }
    }

    /// Returns the server's refusal, also when it was the last of several attempts.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. }
            | Self::Unanswered {
                why: Lost::Status(refusal),
                ..
            } => Some(refusal),
            Self::Exhausted { last, .. } => last.refusal(),
            _ => None,
        }
    }

    /// Returns the status of the last answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::BadBody { status, .. } => Some(*status),
            other => other.refusal().map(|refusal| refusal.status),
        }
    }

    /// Says whether the server answered with this error code.
    pub fn has_code(&self, code: &str) -> bool {
        self.refusal().is_some_and(|refusal| refusal.code == code)
    }
}

/// One field-level complaint of a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// The error code.
    pub error_code: String,
    /// The field complained about.
    pub field_name: String,
    /// The entity complained about.
    pub entity_id: String,
    /// The name of that entity.
    pub entity_name: String,
}

/// The limit that a call ran into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// The name of the limit, such as `token.rate.per.minute`.
    pub key: String,
    /// The namespace the limit belongs to.
    pub namespace: String,
    /// Its value, when given.
    pub value: Option<u64>,
}

/// An error answer, read as far as it can be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The machine-readable code, empty when the body has none.
    pub code: String,
    /// The message for people; made from the body's text when it is no error body.
    pub message: String,
    /// The id Genesys Cloud gave the answer.
    pub correlation_id: Option<String>,
    /// Field-level complaints, those of nested errors included.
    pub details: Vec<Detail>,
    /// The messages of nested errors.
    pub nested: Vec<String>,
    /// The limit that was hit, when the body names one.
    pub limit: Option<Limit>,
    /// What the server asked to wait.
    pub retry_after: Option<Duration>,
    /// How many times the call had been sent when this answer came.
    pub attempts: u32,
    /// Whether an earlier attempt of the same call lost its answer, so that this refusal may be
    /// about what that attempt did (a version conflict with ourselves, say).
    pub after_lost: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        for message in &self.nested {
            write!(f, "; {message}")?;
        }
        for detail in &self.details {
            write!(f, "; {} {}", detail.error_code, detail.field_name)?;
        }
        // A shorter wait is waited for.
        match self.retry_after.map(|wait| wait.as_secs().div_ceil(60)) {
            None | Some(0 | 1) => Ok(()),
            Some(minutes @ 2..60) => write!(f, "; it asks to wait {minutes} min"),
            Some(minutes) => write!(
                f,
                "; it asks to wait {} h {} min",
                minutes / 60,
                minutes % 60
            ),
        }
    }
}

impl Refusal {
    /// Reads an error body; anything that is not one becomes a short message.
    ///
    /// The login host answers in OAuth style (`error`, `description`), gateways in HTML.
    pub(crate) fn parse(status: u16, body: &[u8], redact: impl Fn(&str) -> String) -> Self {
        let clean = |text: &str| tidy(&redact(text));
        let mut refusal = Self {
            status,
            ..Self::default()
        };
        match serde_json::from_slice::<Value>(body) {
            Ok(value @ Value::Object(_)) => refusal.read(&value, &clean, 0),
            _ => refusal.message = clean(&plain_text(&String::from_utf8_lossy(body))),
        }
        refusal
    }

    fn read(&mut self, body: &Value, clean: &impl Fn(&str) -> String, depth: u32) {
        let text = |key: &str| body[key].as_str().map(clean).unwrap_or_default();
        let first = |keys: &[&str]| {
            keys.iter()
                .map(|key| text(key))
                .find(|text| !text.is_empty())
                .unwrap_or_default()
        };
        let code = first(&["code", "error"]);
        let message = first(&["message", "description", "error_description", "detail"]);
        if depth == 0 {
            self.code = code;
            self.message = message;
            self.correlation_id = Some(text("contextId")).filter(|id| !id.is_empty());
        } else if !message.is_empty() && message != self.message {
            self.nested.push(message);
        }
        for detail in body["details"].as_array().into_iter().flatten() {
            let text = |key: &str| detail[key].as_str().map(clean).unwrap_or_default();
            self.details.push(Detail {
                error_code: text("errorCode"),
                field_name: text("fieldName"),
                entity_id: text("entityId"),
                entity_name: text("entityName"),
            });
        }
        if let (None, Some(limit)) = (&self.limit, body["limit"].as_object()) {
            let text = |key: &str| limit.get(key).and_then(Value::as_str).map(clean);
            self.limit = Some(Limit {
                key: text("key").unwrap_or_default(),
                namespace: text("namespace").unwrap_or_default(),
                value: limit.get("value").and_then(|value| {
                    value
                        .as_u64()
                        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
                }),
            });
        }
        if depth < 3 {
            for nested in body["errors"].as_array().into_iter().flatten() {
                self.read(nested, clean, depth + 1);
            }
        }
    }
}

/// Takes the text out of an HTML page; leaves anything else as it is.
fn plain_text(body: &str) -> String {
    let lower = body.to_ascii_lowercase();
    if let (Some(start), Some(end)) = (lower.find("<title>"), lower.find("</title>"))
        && let Some(title) = body.get(start + "<title>".len()..end)
    {
        return format!("html page: {title}");
    }
    if lower.trim_start().starts_with("<!doctype") || lower.trim_start().starts_with("<html") {
        return "html page".to_owned();
    }
    body.to_owned()
}

/// Makes a server's text fit for one line of ours.
pub(crate) fn tidy(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(status: u16, body: &str) -> Refusal {
        Refusal::parse(status, body.as_bytes(), str::to_owned)
    }

    #[test]
    fn an_error_body_is_read_with_details_limit_and_nested_errors() {
        let refusal = parse(
            400,
            r#"{"message":"bad","code":"invalid.value","status":400,"contextId":"c-1",
                "details":[{"errorCode":"e1","fieldName":"name"}],
                "errors":[{"message":"inner","details":[{"errorCode":"e2","fieldName":"division"}]}],
                "limit":{"key":"token.rate.per.minute","namespace":"platform.api","value":"300"}}"#,
        );
        assert_eq!(refusal.code, "invalid.value");
        assert_eq!(refusal.correlation_id.as_deref(), Some("c-1"));
        let fields: Vec<&str> = refusal.details.iter().map(|d| &*d.field_name).collect();
        assert_eq!(fields, ["name", "division"]);
        assert_eq!(refusal.nested, ["inner"]);
        assert_eq!(refusal.limit.as_ref().and_then(|l| l.value), Some(300));
        assert_eq!(
            refusal.to_string(),
            "status 400 invalid.value: bad; inner; e1 name; e2 division"
        );
    }

    #[test]
    fn an_oauth_error_and_a_page_are_read_too() {
        let oauth = parse(
            400,
            r#"{"error":"invalid_client","description":"client not found"}"#,
        );
        assert_eq!(oauth.code, "invalid_client");
        assert_eq!(oauth.message, "client not found");
        let page = parse(
            502,
            "<html><head><TITLE>Bad\nGateway</TITLE></head><body>…</body>",
        );
        assert_eq!(page.to_string(), "status 502: html page: Bad Gateway");
        assert_eq!(parse(503, "").to_string(), "status 503");
    }

    #[test]
    fn an_error_names_method_path_org_and_correlation_id_in_one_line() {
        let call = Box::new(CallRef {
            org: "prod".into(),
            method: "POST".into(),
            path: "/api/v2/routing/queues".into(),
            label: Some("step 7".into()),
            request_id: Uuid::nil(),
            correlation_id: Some("abc".into()),
        });
        let error = Error::Unanswered {
            call,
            why: Lost::Timeout,
        };
        assert_eq!(
            error.to_string(),
            "POST /api/v2/routing/queues (org prod, step 7, correlation abc): \
             may have been acted on: timed out"
        );
    }

    proptest! {
        #[test]
        fn any_body_gives_one_bounded_line(body in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let text = Refusal::parse(500, &body, str::to_owned).to_string();
            prop_assert!(text.chars().count() <= MAX_TEXT + 20);
            prop_assert!(!text.contains('\n'));
        }
    }
}
