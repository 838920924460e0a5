//! What is asked of the other system, checked before the first request.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde_json::{Map, Value};

use super::job::Stage;
use super::template::{BadTemplate, Encoding, Place, Pointer, Template, secrets};
use crate::catalogue::{Catalogue, nearest};
use crate::secret::Secret;

/// How users are onboarded in another system.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What is sent for each user.
    pub request: Request,
    /// How its state is asked for; where it is not, a success is the end.
    pub poll: Option<Poll>,
    /// Requests under way at once.
    pub parallel: usize,
    /// How patiently.
    pub pace: Pace,
    /// Who is told when too much goes wrong.
    pub alert: Option<Alert>,
}

/// What is sent for each user.
#[derive(Clone, Debug)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The URL; its scheme and host hold no places.
    pub url: Template,
    /// Headers by name.
    pub headers: BTreeMap<String, Template>,
    /// The body.
    pub body: Option<Body>,
    /// Where the answer has what the other system calls the user.
    pub id: Option<Pointer>,
}

/// A body.
#[derive(Clone, Debug)]
pub enum Body {
    /// JSON whose texts are templates.
    Json(Node),
    /// A text; values are written as its content type asks.
    Text(Template),
}

/// A place in JSON whose texts are templates.
#[derive(Clone, Debug)]
pub enum Node {
    /// A number, a truth or nothing.
    Plain(Value),
    /// A text.
    Text(Template),
    /// A list.
    List(Vec<Node>),
    /// Fields.
    Fields(BTreeMap<String, Node>),
}

/// How the state of a request is asked for.
#[derive(Clone, Debug)]
pub struct Poll {
    /// The URL.
    pub url: Template,
    /// Headers by name.
    pub headers: BTreeMap<String, Template>,
    /// Where the state is in the answer.
    pub path: Pointer,
    /// States that mean that the user is there.
    pub done: Vec<String>,
    /// States that mean that it went wrong.
    pub failed: Vec<String>,
}

/// Times in milliseconds, and tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two polls of a user.
    pub every_ms: u64,
    /// From the request until a user has to be there.
    pub timeout_ms: u64,
    /// The most tries of a request without a usable answer.
    pub attempts: u32,
    /// The upper bound of the first wait after a failure; it doubles with each.
    pub base_ms: u64,
    /// The upper bound of any wait that was not asked for.
    pub cap_ms: u64,
}

/// Who is told when too much goes wrong.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Gets a JSON message.
    pub url: String,
    /// Headers by name.
    pub headers: BTreeMap<String, Template>,
    /// The part of the users of a pass that may fail, from 0 to 1.
    pub when_failed_over: f64,
}

/// What is filled in.
#[derive(Clone, Copy, Debug)]
pub struct Values<'v> {
    /// The user as the org has it.
    pub user: &'v Value,
    /// The org's name in the project file.
    pub org: &'v str,
    /// What the other system calls the user.
    pub external: Option<&'v str>,
    /// Secrets by name.
    pub secrets: &'v BTreeMap<String, Secret>,
}

impl Values<'_> {
    pub(super) fn of(&self, place: &Place) -> Value {
        match place {
            Place::User(field) => field.find(self.user).cloned().unwrap_or_default(),
            Place::OrgName => self.org.into(),
            Place::ExternalId => self.external.into(),
            Place::Secret(name) => self
                .secrets
                .get(name)
                .map(|secret| secret.expose().to_owned())
                .into(),
        }
    }
}

/// A request that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The HTTP method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Headers, which may hold secrets.
    pub headers: Vec<(String, Secret)>,
    /// The body, which may hold secrets.
    pub body: Option<Secret>,
}

/// Says what is wrong with a setup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// A template cannot be read.
    #[error("{place}: {source}")]
    Template {
        /// Where it stands.
        place: String,
        /// What is wrong.
        #[source]
        source: BadTemplate,
    },
    /// Something else.
    #[error("{place}: {message}")]
    Other {
        /// Where it stands.
        place: String,
        /// What is wrong, and what to do.
        message: String,
    },
}

fn wrong(place: &str, message: impl Into<String>) -> Wrong {
    Wrong::Other {
        place: place.to_owned(),
        message: message.into(),
    }
}

impl Body {
    /// Makes a body of what a person wrote: a text is a text, anything else JSON.
    ///
    /// # Errors
    /// A template in it that cannot be read.
    pub fn new(value: &Value) -> Result<Self, BadTemplate> {
        match value {
            Value::String(text) => Template::parse(text).map(Self::Text),
            other => node(other).map(Self::Json),
        }
    }
}

fn node(value: &Value) -> Result<Node, BadTemplate> {
    Ok(match value {
        Value::String(text) => Node::Text(Template::parse(text)?),
        Value::Array(items) => Node::List(items.iter().map(node).collect::<Result<_, _>>()?),
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(name, value)| Ok((name.clone(), node(value)?)));
            Node::Fields(fields.collect::<Result<_, _>>()?)
        }
        plain => Node::Plain(plain.clone()),
    })
}

impl Node {
    fn templates<'n>(&'n self, found: &mut Vec<&'n Template>) {
        match self {
            Self::Plain(_) => {}
            Self::Text(template) => found.push(template),
            Self::List(items) => items.iter().for_each(|item| item.templates(found)),
            Self::Fields(fields) => fields.values().for_each(|item| item.templates(found)),
        }
    }

    fn fill(&self, values: &Values<'_>) -> Value {
        match self {
            Self::Plain(value) => value.clone(),
            // A place alone keeps its type: a number stays one, and what is not there is null.
            Self::Text(template) => match template.only() {
                Some(place) => values.of(place),
                None => template.fill(values, Encoding::Plain).into(),
            },
            Self::List(items) => items.iter().map(|item| item.fill(values)).collect(),
            Self::Fields(fields) => {
                let fields = fields.iter();
                let fields: Map<_, _> = fields
                    .map(|(name, item)| (name.clone(), item.fill(values)))
                    .collect();
                fields.into()
            }
        }
    }
}

impl Setup {
    /// Checks what no type can.
    ///
    /// # Errors
    /// A URL that is none or is not safe, a field that no user has, or an id that nobody tells.
    pub fn check(&self, catalogue: &Catalogue, allow_http: bool) -> Result<(), Wrong> {
        self.check_urls(allow_http)?;
        for (place, template) in self.templates() {
            for place_of in template.places() {
                match place_of {
                    Place::User(field) => known(catalogue, field, place)?,
                    Place::ExternalId if place.starts_with("request") => {
                        return Err(wrong(
                            place,
                            "${external.id} is not known before the answer",
                        ));
                    }
                    Place::ExternalId if self.request.id.is_none() => {
                        return Err(wrong(
                            place,
                            "${external.id} needs `request.id`, the place of the id in the answer, such as $.id",
                        ));
                    }
                    Place::OrgName | Place::ExternalId | Place::Secret(_) => {}
                }
            }
        }
        Ok(())
    }

    fn check_urls(&self, allow_http: bool) -> Result<(), Wrong> {
        let poll = self.poll.as_ref();
        let urls = [("request.url", &self.request.url)];
        let urls = urls
            .into_iter()
            .chain(poll.map(|poll| ("poll.url", &poll.url)));
        for (place, url) in urls {
            host(url.head(), allow_http).map_err(|message| wrong(place, message))?;
            if url.places().any(|place| matches!(place, Place::Secret(_))) {
                return Err(wrong(
                    place,
                    "a URL shows in logs: put the secret in a header",
                ));
            }
        }
        if let Some(alert) = &self.alert {
            let url = format!("{}/", alert.url);
            host(&url, allow_http).map_err(|message| wrong("alert.url", message))?;
        }
        Ok(())
    }

    /// Returns every template with where it stands.
    fn templates(&self) -> Vec<(&'static str, &Template)> {
        let Self {
            request,
            poll,
            parallel: _,
            pace: _,
            alert,
        } = self;
        let mut found = vec![("request.url", &request.url)];
        found.extend(request.headers.values().map(|t| ("request.headers", t)));
        match &request.body {
            Some(Body::Text(template)) => found.push(("request.body", template)),
            Some(Body::Json(node)) => {
                let mut inside = Vec::new();
                node.templates(&mut inside);
                found.extend(inside.into_iter().map(|t| ("request.body", t)));
            }
            None => {}
        }
        if let Some(poll) = poll {
            found.push(("poll.url", &poll.url));
            found.extend(poll.headers.values().map(|t| ("poll.headers", t)));
        }
        if let Some(alert) = alert {
            found.extend(alert.headers.values().map(|t| ("alert.headers", t)));
        }
        found
    }

    /// Lists the secrets that are filled in.
    pub fn secrets(&self) -> BTreeSet<String> {
        secrets(self.templates().into_iter().map(|(_, template)| template))
    }

    /// Tells whether the next request of a stage needs a field of the user beside its id and its
    /// e-mail address.
    pub fn needs_user(&self, stage: Stage) -> bool {
        let part = match stage {
            Stage::Requested => "poll.",
            _ => "request.",
        };
        let templates = self.templates();
        let of_part = templates
            .iter()
            .filter(|(place, _)| place.starts_with(part));
        let mut places = of_part.flat_map(|(_, template)| template.places());
        places.any(|place| match place {
            Place::User(field) => !matches!(field.first(), Some("id" | "email")),
            _ => false,
        })
    }

    /// Makes the request for a user.
    pub fn request(&self, values: &Values<'_>, key: &str) -> Outgoing {
        let Request {
            method,
            url,
            headers,
            body,
            id: _,
        } = &self.request;
        let mut headers = filled(headers, values);
        let body = body.as_ref().map(|body| {
            let kind = content_type(&headers);
            let (text, usual) = match body {
                Body::Json(node) => (node.fill(values).to_string(), "application/json"),
                Body::Text(template) => {
                    let usual = match template.head().trim_start().as_bytes().first() {
                        Some(b'{' | b'[') => "application/json",
                        _ => "text/plain; charset=utf-8",
                    };
                    let encoding = encoding(kind.as_deref().unwrap_or(usual));
                    (template.fill(values, encoding), usual)
                }
            };
            if kind.is_none() {
                headers.push(("content-type".to_owned(), Secret::new(usual.to_owned())));
            }
            Secret::new(text)
        });
        headers.push(("idempotency-key".to_owned(), Secret::new(key.to_owned())));
        Outgoing {
            method: method.clone(),
            url: url.fill(values, Encoding::Percent),
            headers,
            body,
        }
    }

    /// Makes the question for the state of a user; nothing where none is asked.
    pub fn poll(&self, values: &Values<'_>) -> Option<Outgoing> {
        let poll = self.poll.as_ref()?;
        Some(Outgoing {
            method: "GET".to_owned(),
            url: poll.url.fill(values, Encoding::Percent),
            headers: filled(&poll.headers, values),
            body: None,
        })
    }

    /// Makes the message that tells of failures.
    pub fn alert(&self, values: &Values<'_>, message: &Value) -> Option<Outgoing> {
        let alert = self.alert.as_ref()?;
        let mut headers = filled(&alert.headers, values);
        if content_type(&headers).is_none() {
            let json = Secret::new("application/json".to_owned());
            headers.push(("content-type".to_owned(), json));
        }
        Some(Outgoing {
            method: "POST".to_owned(),
            url: alert.url.clone(),
            headers,
            body: Some(Secret::new(message.to_string())),
        })
    }

    /// Tells whether all hosts are this machine, which no proxy leads to.
    pub fn is_local(&self) -> bool {
        let poll = self.poll.as_ref().map(|poll| poll.url.head());
        let alert = self.alert.as_ref().map(|alert| Cow::from(&alert.url));
        let urls = [Some(self.request.url.head()), poll];
        let urls = urls.into_iter().flatten().map(Cow::from).chain(alert);
        let mut hosts = urls.filter_map(|url| Some(host_of(&url)?.to_owned()));
        hosts.all(|host| is_local(&host))
    }
}

fn filled(headers: &BTreeMap<String, Template>, values: &Values<'_>) -> Vec<(String, Secret)> {
    let headers = headers.iter();
    headers
        .map(|(name, template)| {
            let value = template.fill(values, Encoding::Plain);
            (name.clone(), Secret::new(value))
        })
        .collect()
}

fn content_type(headers: &[(String, Secret)]) -> Option<String> {
    let mut headers = headers.iter();
    let found = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    found.map(|(_, value)| value.expose().to_ascii_lowercase())
}

fn encoding(content_type: &str) -> Encoding {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    match kind {
        kind if kind.ends_with("json") => Encoding::Json,
        kind if kind.ends_with("xml") => Encoding::Xml,
        "application/x-www-form-urlencoded" => Encoding::Percent,
        _ => Encoding::Plain,
    }
}

/// Returns the host of a URL, where all of it is there.
fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#'])?;
    let host = &rest[..end];
    // `user@host` would hide the host, and put a password in the URL.
    if host.is_empty() || host.contains('@') {
        return None;
    }
    Some(match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    })
}

fn is_local(host: &str) -> bool {
    let is_loopback = |ip: Ipv4Addr| ip.is_loopback();
    host == "localhost" || host == "[::1]" || host.parse().is_ok_and(is_loopback)
}

/// Refuses a URL whose host is not fixed, or that would carry secrets and people openly.
fn host(head: &str, allow_http: bool) -> Result<(), String> {
    let shown = head.split('?').next().unwrap_or_default();
    let host = host_of(head).ok_or_else(|| {
        format!(
            "{shown:?} does not begin with https://HOST/; scheme and host must be there as they are"
        )
    })?;
    let scheme = head.split("://").next().unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "https" => Ok(()),
        "http" if is_local(host) || allow_http => Ok(()),
        "http" => Err(format!(
            "{shown:?} would send people and secrets unencrypted; use https, or set `allow_http: true`"
        )),
        _ => Err(format!("{shown:?} is neither https nor http")),
    }
}

/// Refuses a field that no user has.
fn known(catalogue: &Catalogue, field: &Pointer, place: &str) -> Result<(), Wrong> {
    let first = field.first().unwrap_or_default();
    let Ok(user) = catalogue.get("user") else {
        return Ok(());
    };
    let parts = user.parts.iter().map(|part| part.field.as_str());
    let unmanaged = user.unmanaged.keys().map(String::as_str);
    let fields: Vec<&str> = user
        .fields
        .iter()
        .map(String::as_str)
        .chain(parts)
        .chain(unmanaged)
        .chain(["id", "version", "selfUri", "jabberId", "primaryContactInfo"])
        .collect();
    if fields.contains(&first) {
        return Ok(());
    }
    let meant = nearest(first, fields.into_iter())
        .map(|meant| format!(" (did you mean `{meant}`?)"))
        .unwrap_or_default();
    Err(wrong(
        place,
        format!("a user has no field `{first}`{meant}"),
    ))
}
