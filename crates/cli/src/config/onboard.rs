//! `onboard:` of the project file: what another system is asked for each new user.

use std::collections::BTreeMap;
use std::time::Duration;

use orgsmith_core::onboard::{Alert, Body, Pace, Pointer, Poll, Request, Setup, Template};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The section, as it is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Onboard {
    request: RequestEntry,
    poll: Option<PollEntry>,
    parallel: Option<u16>,
    attempts: Option<u32>,
    backoff_s: Option<f64>,
    backoff_cap_s: Option<f64>,
    /// How long a run waits for it at its end.
    wait_s: Option<f64>,
    #[serde(default)]
    allow_http: bool,
    alert: Option<AlertEntry>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RequestEntry {
    method: Option<String>,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    /// Where the answer has what the other system calls the user.
    id: Option<String>,
    timeout_s: Option<f64>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PollEntry {
    url: String,
    /// Those of the request, unless others are given.
    headers: Option<BTreeMap<String, String>>,
    path: String,
    done: Vec<String>,
    #[serde(default)]
    failed: Vec<String>,
    every_s: Option<f64>,
    timeout_s: Option<f64>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AlertEntry {
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    when_failed_over: f64,
}

/// What the section says, checked as far as the file alone can tell.
#[derive(Clone, Debug)]
pub(crate) struct Onboarding {
    pub(crate) setup: Setup,
    /// How long one request may take.
    pub(crate) timeout: Duration,
    /// How long a run waits for it at its end.
    pub(crate) patience: Duration,
    pub(crate) allow_http: bool,
}

impl Onboard {
    /// Makes a setup of what is written.
    pub(crate) fn onboarding(&self) -> Result<Onboarding, String> {
        let RequestEntry {
            method,
            url,
            headers,
            body,
            id,
            timeout_s,
        } = &self.request;
        let body = body.as_ref().map(Body::new).transpose();
        let method = method.as_deref().unwrap_or("POST").to_ascii_uppercase();
        if !["POST", "PUT", "PATCH"].contains(&method.as_str()) {
            return Err(format!(
                "request.method: {method} is none of POST, PUT and PATCH"
            ));
        }
        let request = Request {
            method,
            url: template("request.url", url)?,
            headers: templates("request.headers", headers)?,
            body: body.map_err(|wrong| format!("request.body: {wrong}"))?,
            id: id
                .as_deref()
                .map(|id| pointer("request.id", id))
                .transpose()?,
        };
        let poll = self
            .poll
            .as_ref()
            .map(|poll| poll.poll(&request))
            .transpose()?;
        let poll_entry = self.poll.as_ref();
        let seconds = |name: &str, given: Option<f64>, usual: f64| match given.unwrap_or(usual) {
            // The longest is a month.
            s if s > 0.0 && s <= 2_678_400.0 => Ok(Duration::from_secs_f64(s)),
            s => Err(format!(
                "{name}: {s} is no number of seconds from 0 to 2678400"
            )),
        };
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let every = poll_entry.and_then(|poll| poll.every_s);
        let until = poll_entry.and_then(|poll| poll.timeout_s);
        let pace = Pace {
            every_ms: ms(seconds("poll.every_s", every, 5.0)?).max(1),
            timeout_ms: ms(seconds("poll.timeout_s", until, 3_600.0)?),
            attempts: self.attempts.unwrap_or(8).max(1),
            base_ms: ms(seconds("backoff_s", self.backoff_s, 1.0)?).max(1),
            cap_ms: ms(seconds("backoff_cap_s", self.backoff_cap_s, 60.0)?).max(1),
        };
        let alert = self.alert.as_ref().map(AlertEntry::alert).transpose()?;
        let parallel = self.parallel.unwrap_or(8);
        if !(1..=100).contains(&parallel) {
            return Err(format!("parallel: {parallel} is not from 1 to 100"));
        }
        Ok(Onboarding {
            setup: Setup {
                request,
                poll,
                parallel: parallel.into(),
                pace,
                alert,
            },
            timeout: seconds("request.timeout_s", *timeout_s, 30.0)?,
            patience: seconds("wait_s", self.wait_s, 60.0)?,
            allow_http: self.allow_http,
        })
    }
}

impl PollEntry {
    fn poll(&self, request: &Request) -> Result<Poll, String> {
        if self.done.is_empty() {
            return Err("poll.done: name at least one state, such as PROVISIONED".to_owned());
        }
        if let Some(both) = self.done.iter().find(|state| self.failed.contains(state)) {
            return Err(format!("poll: {both} is in `done` and in `failed`"));
        }
        let headers = match &self.headers {
            Some(headers) => templates("poll.headers", headers)?,
            None => {
                let mut headers = request.headers.clone();
                headers.retain(|name, _| !name.eq_ignore_ascii_case("content-type"));
                headers
            }
        };
        Ok(Poll {
            url: template("poll.url", &self.url)?,
            headers,
            path: pointer("poll.path", &self.path)?,
            done: self.done.clone(),
            failed: self.failed.clone(),
        })
    }
}

impl AlertEntry {
    fn alert(&self) -> Result<Alert, String> {
        let part = self.when_failed_over;
        if !(0.0..1.0).contains(&part) {
            return Err(format!(
                "alert.when_failed_over: {part} is no part from 0 to 1, such as 0.1 for one in ten"
            ));
        }
        Ok(Alert {
            url: self.url.clone(),
            headers: templates("alert.headers", &self.headers)?,
            when_failed_over: part,
        })
    }
}

fn template(place: &str, text: &str) -> Result<Template, String> {
    Template::parse(text).map_err(|wrong| format!("{place}: {wrong}"))
}

fn templates(
    place: &str,
    texts: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Template>, String> {
    let texts = texts.iter();
    texts
        .map(|(name, text)| Ok((name.clone(), template(&format!("{place}.{name}"), text)?)))
        .collect()
}

fn pointer(place: &str, text: &str) -> Result<Pointer, String> {
    Pointer::parse(text)
        .ok_or_else(|| format!("{place}: {text:?} is no path of the form $.status or /status"))
}
