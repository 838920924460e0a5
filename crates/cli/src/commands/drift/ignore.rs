//! `orgsmith drift ignore` and `orgsmith drift ignored`

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use orgsmith_core::drift::Ignore as Entry;
use orgsmith_core::id::OrgName;
use orgsmith_engine::{drift_ignored, keep_drift_ignored, now_ms};
use serde_json::{Value, json};

use super::{Chosen, only_text_or_json};
use crate::args::Format;
use crate::error::{Exit, Failure};
use crate::output::{BOLD, DIM, Table, styled};
use crate::session::Session;
use crate::source::usage;

/// Leaves drift out of account until a day is over.
///
/// The entry is kept in the state; `orgsmith drift ignored` lists it. When its time is over, the drift
/// counts again.
#[derive(Debug, Args)]
pub(crate) struct Ignore {
    /// The org.
    org: String,
    #[command(flatten)]
    chosen: Chosen,
    /// The last day of it, such as 2027-01-31 (UTC), or a time, such as 2027-01-31T12:00:00Z.
    #[arg(long, value_name = "DATE", value_parser = until)]
    until: Timestamp,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Lists what is left out of account, also what is so no more.
#[derive(Debug, Args)]
pub(crate) struct Ignored {
    /// The org.
    org: String,
    /// Takes an entry back.
    #[arg(long, value_name = "NUMBER")]
    remove: Option<u32>,
}

/// Reads a day, which counts to its end, or a time.
fn until(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let end = text
        .parse::<Date>()
        .and_then(|day| day.tomorrow()?.to_zoned_datetime(TimeZone::UTC));
    end.map(|end| end.timestamp())
        .map_err(|_| format!("{text:?} is no day such as 2027-01-31, nor a time"))
}

fn millis(now_ms: u64) -> i64 {
    i64::try_from(now_ms).unwrap_or(i64::MAX)
}

fn at(ms: i64) -> String {
    let at = Timestamp::from_millisecond(ms);
    at.map_or_else(|_| ms.to_string(), |at| format!("{at:.0}"))
}

impl Ignore {
    pub(super) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        only_text_or_json(session)?;
        let org = OrgName::new(&session.config.org(&self.org)?.name);
        if self.chosen.picked.select.is_empty() {
            return Err(usage("--select says which objects are meant"));
        }
        let reason = self.reason.trim();
        if reason.is_empty() {
            return Err(usage("--reason says why, for whoever reads it later"));
        }
        let since_ms = millis(now_ms());
        if self.until.as_millisecond() <= since_ms {
            return Err(usage(format!("--until: {} is over already", self.until)));
        }
        let selection = self.chosen.picked.selection(session)?;
        let state = session.state().await?;
        let mut entries = drift_ignored(&*state, &org).await?;
        let id = entries.iter().map(|entry| entry.id).max().unwrap_or(0) + 1;
        let entry = Entry {
            id,
            select: selection.to_texts(),
            fields: self.chosen.field.clone(),
            until_ms: self.until.as_millisecond(),
            reason: reason.to_owned(),
            since_ms,
        };
        entries.push(entry.clone());
        keep_drift_ignored(&*state, &org, &entries).await?;
        let out = session.out;
        out.record(&row(&entry, since_ms));
        if out.format() == Format::Json {
            out.json(&row(&entry, since_ms))?;
        } else {
            let until = at(entry.until_ms);
            out.say(format!("Entry {id} of {org} is ignored until {until}."));
        }
        Ok(Exit::Ok)
    }
}

impl Ignored {
    pub(super) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        only_text_or_json(session)?;
        let out = session.out;
        let org = OrgName::new(&session.config.org(&self.org)?.name);
        let state = session.state_if_any().await?;
        let mut entries = match &state {
            Some(state) => drift_ignored(&**state, &org).await?,
            None => Vec::new(),
        };
        if let Some(id) = self.remove {
            let before = entries.len();
            entries.retain(|entry| entry.id != id);
            let Some(state) = state.filter(|_| entries.len() < before) else {
                let message = format!("{org} has no entry {id}; `orgsmith drift ignored {org}`");
                return Err(Failure::Usage(message).into());
            };
            keep_drift_ignored(&*state, &org, &entries).await?;
        }
        let now = millis(now_ms());
        if out.format() == Format::Json {
            let rows: Vec<Value> = entries.iter().map(|entry| row(entry, now)).collect();
            out.json(&rows)?;
        } else if entries.is_empty() {
            out.say(format!("Nothing is ignored in {org}."));
        } else {
            let mut table = Table::new(&[]);
            let head = ["", "OBJECTS", "FIELDS", "UNTIL", "WHY"];
            table.row(head.map(|head| styled(BOLD, head)));
            for entry in &entries {
                let until = match entry.holds(now) {
                    true => at(entry.until_ms),
                    false => styled(DIM, format!("{} (over)", at(entry.until_ms))),
                };
                table.row([
                    entry.id.to_string(),
                    entry.select.join(" "),
                    entry.fields.join(" "),
                    until,
                    entry.reason.clone(),
                ]);
            }
            out.data(table.text(""))?;
        }
        Ok(Exit::Ok)
    }
}

fn row(entry: &Entry, now_ms: i64) -> Value {
    let Entry {
        id,
        select,
        fields,
        until_ms,
        reason,
        since_ms,
    } = entry;
    json!({
        "id": id, "select": select, "fields": fields, "until": at(*until_ms), "reason": reason,
        "since": at(*since_ms), "holds": entry.holds(now_ms),
    })
}
