//! A request as a value: what to send, decided without any network.

use std::fmt;

use bytes::Bytes;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::Value;

/// Says whether a request whose answer was lost may be sent again.
///
/// Genesys Cloud has no idempotency keys, so a create that is sent twice may exist twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Sending it again leads to the same world.
    Safe,
    /// It may have been acted on; only the caller can find out.
    Never,
}

/// Names the host of an org that a call goes to; the token is valid on both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Host {
    /// The Platform API.
    #[default]
    Api,
    /// The upload host (scripts, legacy prompt audio).
    Apps,
}

/// Holds what a request carries. Its `Debug` shows no content: bodies carry credentials.
#[derive(Clone, Default, PartialEq)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// A JSON document.
    Json(Value),
    /// Bytes of a named media type.
    Raw {
        /// The value of `Content-Type`.
        content_type: String,
        /// The bytes sent.
        bytes: Bytes,
    },
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Json(_) => f.write_str("Json(…)"),
            Self::Raw {
                content_type,
                bytes,
            } => write!(f, "Raw({content_type}, {} bytes)", bytes.len()),
        }
    }
}

/// Describes one request of the Platform API.
#[derive(Clone, Debug)]
pub struct Call {
    pub(crate) method: Method,
    pub(crate) host: Host,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Body,
    pub(crate) replay: Replay,
    pub(crate) label: Option<String>,
    pub(crate) hidden: Vec<SecretString>,
}

impl Call {
    /// Describes a request with the method's usual replay rule.
    ///
    /// `path` starts with `/` and may carry a query, as a `nextUri` does. GET, HEAD, PUT and
    /// DELETE are [`Replay::Safe`]; everything else is [`Replay::Never`] until said otherwise.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        let replay = match method {
            Method::GET | Method::HEAD | Method::PUT | Method::DELETE => Replay::Safe,
            _ => Replay::Never,
        };
        Self {
            method,
            host: Host::Api,
            path: path.into(),
            query: Vec::new(),
            body: Body::Empty,
            replay,
            label: None,
            hidden: Vec::new(),
        }
    }

    /// Describes a GET.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// Describes a POST.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// Describes a PUT.
    pub fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path)
    }

    /// Describes a PATCH.
    pub fn patch(path: impl Into<String>) -> Self {
        Self::new(Method::PATCH, path)
    }

    /// Describes a DELETE.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// Adds one query parameter; it is percent-encoded when sent.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.query.push((name.into(), value.to_string()));
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(mut self, body: Value) -> Self {
        self.body = Body::Json(body);
        self
    }

    /// Sets a body of any media type.
    #[must_use]
    pub fn raw(mut self, content_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        self.body = Body::Raw {
            content_type: content_type.into(),
            bytes: bytes.into(),
        };
        self
    }

    /// Sets a `multipart/form-data` body.
    #[must_use]
    pub fn multipart(self, parts: &[Part]) -> Self {
        let boundary = boundary(parts);
        let bytes = encode(parts, &boundary);
        self.raw(format!("multipart/form-data; boundary={boundary}"), bytes)
    }

    /// Overrides the method's usual replay rule.
    #[must_use]
    pub fn replay(mut self, replay: Replay) -> Self {
        self.replay = replay;
        self
    }

    /// Sends the call to another host of the org.
    #[must_use]
    pub fn on(mut self, host: Host) -> Self {
        self.host = host;
        self
    }

    /// Names the work this call is for (a step id, say) in logs and errors.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Names a secret that the body carries.
    ///
    /// Services quote what they refuse ("Value \[…\] is not valid"); the secret is taken out of
    /// whatever they say.
    #[must_use]
    pub fn hide(mut self, secret: SecretString) -> Self {
        self.hidden.push(secret);
        self
    }

    /// Returns the HTTP method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the path, with its query if it was given one.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the body.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Returns the method and the path with ids replaced, as the service counts its limits.
    pub(crate) fn route(&self) -> String {
        let path = self.path.split('?').next().unwrap_or(&self.path);
        let mut route = self.method.to_string();
        route.push(' ');
        for (i, segment) in path.split('/').enumerate() {
            if i > 0 {
                route.push('/');
            }
            let version = segment.len() == 2 && segment.starts_with('v');
            if segment.contains(|c: char| c.is_ascii_digit()) && !version {
                route.push('*');
            } else {
                route.push_str(segment);
            }
        }
        route
    }
}

/// Percent-encodes text for use as one segment of a path.
pub fn path_segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    // A lone dot segment would be resolved away and the call would hit the parent resource.
    match out.as_str() {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => out,
    }
}

/// Holds one part of a multipart form.
#[derive(Clone, PartialEq)]
pub struct Part {
    /// The form field.
    pub name: String,
    /// The file name, for parts that are files.
    pub file_name: Option<String>,
    /// The media type, when it is not plain text.
    pub content_type: Option<String>,
    /// The bytes.
    pub bytes: Bytes,
}

impl Part {
    /// Makes a plain text field.
    pub fn text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            file_name: None,
            content_type: None,
            bytes: Bytes::from(text.into()),
        }
    }

    /// Makes a file field.
    pub fn file(
        name: impl Into<String>,
        file_name: impl Into<String>,
        content_type: impl Into<String>,
        bytes: impl Into<Bytes>,
    ) -> Self {
        Self {
            name: name.into(),
            file_name: Some(file_name.into()),
            content_type: Some(content_type.into()),
            bytes: bytes.into(),
        }
    }
}

/// Finds a boundary that occurs in no part, the same one for the same parts.
fn boundary(parts: &[Part]) -> String {
    let taken = |candidate: &str| {
        let needle = candidate.as_bytes();
        parts
            .iter()
            .any(|part| part.bytes.windows(needle.len()).any(|w| w == needle))
    };
    let mut n = 0_u32;
    loop {
        let candidate = format!("orgsmith-form-{n:08x}");
        if !taken(&candidate) {
            return candidate;
        }
        n += 1;
    }
}

fn encode(parts: &[Part], boundary: &str) -> Bytes {
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        let mut head = format!(
            "Content-Disposition: form-data; name=\"{}\"",
            quoted(&part.name)
        );
        if let Some(file) = &part.file_name {
            head.push_str(&format!("; filename=\"{}\"", quoted(file)));
        }
        if let Some(media) = &part.content_type {
            head.push_str(&format!("\r\nContent-Type: {}", quoted(media)));
        }
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(&part.bytes);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Bytes::from(out)
}

/// Escapes as browsers do, so that a name cannot end its header.
fn quoted(text: &str) -> String {
    text.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_methods_that_create_or_patch_are_never_replayed() {
        assert_eq!(Call::get("/x").replay, Replay::Safe);
        assert_eq!(Call::put("/x").replay, Replay::Safe);
        assert_eq!(Call::delete("/x").replay, Replay::Safe);
        assert_eq!(Call::post("/x").replay, Replay::Never);
        assert_eq!(Call::patch("/x").replay, Replay::Never);
    }

    #[test]
    fn a_route_is_a_path_without_ids() {
        let call = Call::put("/api/v2/architect/ivrs/6f1c2b8e-0000-4000-8000-000000000000?x=1");
        assert_eq!(call.route(), "PUT /api/v2/architect/ivrs/*");
        assert_eq!(Call::get("/api/v2/flows").route(), "GET /api/v2/flows");
    }

    #[test]
    fn a_segment_cannot_leave_its_place_in_the_path() {
        assert_eq!(path_segment("a/b?c d#é"), "a%2Fb%3Fc%20d%23%C3%A9");
        assert_eq!(path_segment(".."), "%2E%2E");
        assert_eq!(path_segment("a.b"), "a.b");
    }

    #[test]
    fn a_form_is_encoded_and_names_cannot_inject_headers() {
        let call = Call::post("/uploads").multipart(&[
            Part::text("scriptName", "Sales"),
            Part::file("file", "a\"\r\nb.script", "application/json", "{}"),
        ]);
        let Body::Raw {
            content_type,
            bytes,
        } = call.body
        else {
            panic!("raw body");
        };
        assert_eq!(
            content_type,
            "multipart/form-data; boundary=orgsmith-form-00000000"
        );
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            "--orgsmith-form-00000000\r\nContent-Disposition: form-data; name=\"scriptName\"\r\n\r\n\
             Sales\r\n--orgsmith-form-00000000\r\nContent-Disposition: form-data; name=\"file\"; \
             filename=\"a%22%0D%0Ab.script\"\r\nContent-Type: application/json\r\n\r\n{}\r\n\
             --orgsmith-form-00000000--\r\n"
        );
    }

    #[test]
    fn a_boundary_inside_a_part_is_not_used() {
        let parts = [Part::text("a", "--orgsmith-form-00000000--")];
        assert_eq!(boundary(&parts), "orgsmith-form-00000001");
    }
}
