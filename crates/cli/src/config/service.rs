//! What the service allows, keeps in step, and hears of.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use orgsmith_core::reconcile::{Mode, Schedule, Settings, Windows};
use orgsmith_server::{Retention, Thresholds};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Error;
use super::oidc::Oidc;
use super::term::Term;

/// What `orgsmith serve` allows.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Service {
    /// How many people other than who asked for it have to approve a plan before it is carried out. With
    /// any, nothing is written to an org but by a plan that was approved.
    pub(crate) approvals: usize,
    /// The secret that holds the URL of a webhook, as Slack's incoming webhooks are: it is sent
    /// `{"text": …}` when something of `alert_on` begins, and when it is over.
    pub(crate) alerts: Option<String>,
    /// What it is told of.
    alert_on: Thresholds,
    /// Where people sign in, besides by a token.
    pub(crate) oidc: Option<Oidc>,
    /// How long jobs are kept after their end, with their files and events [default: 90d].
    keep_jobs: Option<Term>,
    /// How long it is kept who did what, and who was refused [default: 2y].
    keep_audit: Option<Term>,
    /// The service is reached over TLS, by a proxy in front: browsers send its cookie no other way.
    pub(crate) tls: bool,
    /// Orgs that are kept in step with what `drift: {against: …}` names.
    keep: BTreeMap<String, Keep>,
    /// How often the audits of these orgs, and of their sources, are asked what changed: `1m` unless it is
    /// said otherwise, `off` for never.
    watch: Option<String>,
    /// Whether they are listened to as well: changes of objects whose ids are known come within seconds, over
    /// at most ten of the twenty channels that a client of an org may have.
    pub(crate) notifications: bool,
    /// Systems that may tell of changes at /hooks/NAME.
    pub(crate) hooks: BTreeMap<String, HookOf>,
}

/// How an org is kept in step.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Keep {
    /// How much is done without a person.
    #[serde(default)]
    mode: ModeOf,
    /// When it is looked at, as cron patterns: `*/15 * * * *`. Changes that are told of come besides.
    #[serde(default)]
    scan: Vec<String>,
    /// The backstop, whatever was told: `@daily` unless it is said otherwise.
    #[serde(default = "daily")]
    full_scan: Vec<String>,
    /// When it may be written: `Mon-Fri 22:00-05:00`, or `0 2 * * * for 90m`; always where it is left out.
    #[serde(default)]
    windows: Vec<String>,
    /// The time zone of all of these, such as Europe/Berlin.
    #[serde(default = "utc")]
    zone: String,
}

/// How much is done without a person.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ModeOf {
    /// Nothing: drift is shown.
    #[default]
    Observe,
    /// Plans are made, for a person to approve.
    Propose,
    /// What drifted is made as the source says, where the policy gives it to the source.
    Enforce,
}

/// A system that may tell of changes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HookOf {
    /// The secret by which it signs what it tells.
    pub(crate) signed_by: Option<String>,
    /// The secret that it shows, where it cannot sign.
    pub(crate) api_key: Option<String>,
    /// The org that its changes are in; without it, every org that is kept is looked at.
    pub(crate) org: Option<String>,
}

fn daily() -> Vec<String> {
    vec!["@daily".to_owned()]
}

fn utc() -> String {
    "UTC".to_owned()
}

impl Service {
    /// Reads how orgs are kept in step.
    pub(crate) fn keep(&self) -> Result<BTreeMap<String, Settings>, Error> {
        let read = |(org, keep): (&String, &Keep)| {
            let settings = keep.settings().map_err(|message| Error::Org {
                org: org.clone(),
                message: format!("service.keep: {message}"),
            })?;
            Ok((org.clone(), settings))
        };
        self.keep.iter().map(read).collect()
    }
}

impl Service {
    /// Reads how often audits are asked.
    pub(crate) fn watch(&self) -> Result<Option<SignedDuration>, Error> {
        let text = self.watch.as_deref().unwrap_or("1m");
        if text == "off" {
            return Ok(None);
        }
        let interval = text.parse::<SignedDuration>().ok();
        match interval.filter(|interval| *interval >= SignedDuration::from_secs(1)) {
            Some(interval) => Ok(Some(interval)),
            None => Err(Error::Service {
                message: format!(
                    "watch: {text:?} is neither a time of at least 1s, such as 2m, nor off"
                ),
            }),
        }
    }

    /// Reads how long what is over is kept.
    pub(crate) fn retention(&self) -> Retention {
        let usual = Retention::default();
        Retention {
            jobs: self.keep_jobs.map_or(usual.jobs, |term| term.0),
            audit: self.keep_audit.map_or(usual.audit, |term| term.0),
        }
    }

    /// Reads when somebody is told.
    pub(crate) fn thresholds(&self) -> Result<Thresholds, Error> {
        let bad = |message: &str| Error::Service {
            message: message.to_owned(),
        };
        let thresholds = self.alert_on;
        let percents = [thresholds.throttled_percent, thresholds.quota_percent];
        if thresholds.drift == Some(0) || percents.contains(&Some(0)) {
            return Err(bad("alert_on: a threshold is more than 0"));
        }
        if thresholds != Thresholds::default() && self.alerts.is_none() {
            return Err(bad(
                "alert_on needs `alerts:`, the name of the secret that holds the URL of a webhook",
            ));
        }
        Ok(thresholds)
    }
}

impl Keep {
    fn settings(&self) -> Result<Settings, String> {
        let zone = TimeZone::get(&self.zone)
            .map_err(|_| format!("{:?} is no time zone, such as Europe/Berlin", self.zone))?;
        let schedules = |texts: &[String]| {
            let read = texts.iter().map(|text| Schedule::parse(text, zone.clone()));
            read.collect::<Result<Vec<_>, _>>()
                .map_err(|bad| bad.to_string())
        };
        Ok(Settings {
            mode: match self.mode {
                ModeOf::Observe => Mode::Observe,
                ModeOf::Propose => Mode::Propose,
                ModeOf::Enforce => Mode::Enforce,
            },
            scans: schedules(&self.scan)?,
            full_scans: schedules(&self.full_scan)?,
            windows: Windows::parse(&self.windows, &zone).map_err(|bad| bad.to_string())?,
            ..Settings::default()
        })
    }
}
