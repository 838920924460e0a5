//! `orgsmith changes`

use std::collections::BTreeSet;

use clap::Args;
use jiff::{Span, SpanRelativeTo, Timestamp};
use orgsmith_core::changes::{Change, Cursor};
use orgsmith_core::id::Kind;
use orgsmith_core::render::visible;
use orgsmith_engine::changes::{Polled, poll};
use serde_json::json;

use crate::args::Format;
use crate::error::{Exit, Failure, count};
use crate::output::{BOLD, DIM, Table, styled};
use crate::session::Session;

/// Lists what changed in an org, who changed it and when, by its audits.
///
/// It costs one call for each service that tells of the kinds, and one for the list of services.
#[derive(Debug, Args)]
pub(crate) struct Changes {
    /// The org.
    org: String,
    /// Since when: 30m, 2h, 3d, or a time such as 2026-11-27T08:00:00Z.
    #[arg(long, value_name = "WHEN", default_value = "24h")]
    since: String,
    /// Only this kind (again for more).
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
}

impl Changes {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let (out, catalogue) = (session.out, session.catalogue());
        let now = Timestamp::now();
        let since = since(&self.since, now).map_err(Failure::Usage)?;
        let mut kinds: BTreeSet<Kind> = BTreeSet::new();
        for name in &self.kind {
            let kind = catalogue.get(name);
            kinds.insert(
                kind.map_err(|no| Failure::Usage(no.to_string()))?
                    .kind
                    .clone(),
            );
        }
        if kinds.is_empty() {
            kinds.extend(catalogue.iter().map(|kind| kind.kind.clone()));
        }
        let connected = session.connect(&self.org)?;
        let mut cursor = Cursor::starting(since);
        let polled = poll(&connected.org, catalogue, &kinds, &mut cursor, now).await;
        let Polled {
            changes,
            unknown,
            unreadable,
            untold,
            unasked,
            calls,
        } = &polled;
        match out.format() {
            Format::Json => out.json(&json!({
                "org": self.org,
                "since": since,
                "until": now,
                "changes": changes,
                "unknown": unknown,
                "unreadable": unreadable.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "untold": untold,
                "unasked": unasked,
                "calls": calls,
            }))?,
            _ if changes.is_empty() => {}
            _ => out.data(table(changes))?,
        }
        let found = count(changes.len(), "change");
        let calls = count(usize::try_from(*calls)?, "call");
        out.say(format!(
            "{found} in {} since {since:.0}; {calls}.",
            self.org
        ));
        if !unknown.is_empty() {
            let named = unknown.iter();
            let named: Vec<String> = named
                .map(|(entity, times)| format!("{} ({times})", visible(entity)))
                .collect();
            out.say(format!("Of no kind that is known: {}.", named.join(", ")));
        }
        if !unreadable.is_empty() {
            let bad = count(unreadable.len(), "audit");
            out.warn(format!("{bad} make no sense, such as: {}", unreadable[0]));
        }
        if !untold.is_empty() {
            let names: Vec<&str> = untold.iter().map(Kind::as_str).collect();
            let told = match out.verbose() {
                0 => format!("{} (-v names them)", count(names.len(), "kind")),
                _ => names.join(", "),
            };
            out.say(format!("No audit tells of changes of: {told}."));
        }
        for unasked in unasked {
            out.warn(unasked.to_string());
        }
        Ok(match unasked.is_empty() {
            true => Exit::Ok,
            false => Exit::Partial,
        })
    }
}

fn table(changes: &[Change]) -> String {
    let mut table = Table::new(&[]);
    let head = ["WHEN", "KIND", "NAME", "ACTION", "WHO", "WHAT"];
    table.row(head.map(|head| styled(BOLD, head)));
    for change in changes {
        let kinds: Vec<&str> = change.kinds.iter().map(Kind::as_str).collect();
        let name = match &change.name {
            Some(name) => visible(name),
            None => styled(DIM, visible(change.id.as_str())),
        };
        table.row([
            format!("{:.0}", change.at),
            kinds.join(", "),
            name,
            visible(&change.action),
            visible(&change.by.to_string()),
            visible(&change.properties.join(", ")),
        ]);
    }
    table.text("")
}

/// Reads how long ago, or when.
fn since(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let bad =
        || format!("--since {text:?} is neither how long ago (30m, 2h, 3d) nor a time of the past");
    if let Ok(at) = text.parse::<Timestamp>() {
        return if at <= now { Ok(at) } else { Err(bad()) };
    }
    let span: Span = text.parse().map_err(|_| bad())?;
    let long = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let long = long.ok().filter(|long| !long.is_negative());
    let at = long.and_then(|long| now.checked_sub(long).ok());
    at.ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_of_the_past_or_so_long_ago() {
        let now: Timestamp = "2026-11-27T12:00:00Z".parse().expect("a time");
        let at = |text| since(text, now).map(|at| at.to_string());
        assert_eq!(at("2h").as_deref(), Ok("2026-11-27T10:00:00Z"));
        assert_eq!(at("90m").as_deref(), Ok("2026-11-27T10:30:00Z"));
        assert_eq!(at("1d12h").as_deref(), Ok("2026-11-26T00:00:00Z"));
        let time = "2026-11-01T00:00:00Z";
        assert_eq!(at(time).as_deref(), Ok(time));
        for wrong in [
            "",
            "2",
            "soon",
            "-2h",
            "2027-01-01T00:00:00Z",
            "1y",
            "9999999999h",
        ] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }
}
