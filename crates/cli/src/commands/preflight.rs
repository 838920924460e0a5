//! `orgsmith preflight`, and the same check inside every clone.

use std::time::Duration;

use clap::Args;
use orgsmith_client::post_json;
use orgsmith_core::preflight::{Manual, Table, Verdict};
use orgsmith_core::render::{Checked, preflight_json, preflight_markdown, preflight_screen};
use orgsmith_engine::chain;
use serde_json::json;

use super::road::{self, Planned};
use crate::args::{Format, People, Selected};
use crate::error::{Exit, Failure, count};
use crate::output::{DIM, styled, text};
use crate::secrets::Ask;
use crate::session::{Connected, Session};
use crate::source::{Source, Wanted};

/// How long whoever is alerted is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Says whether an org has room for a source: seats, limits, permissions, numbers; changes nothing.
///
/// What is short ends with 5; what the org does not tell is `unknown` and stops nobody. `clone` makes
/// the same check before it asks and before its first write.
#[derive(Debug, Args)]
pub(crate) struct Preflight {
    /// An org, a bundle directory or a zip.
    source: String,
    /// The org that would be written to.
    #[arg(long, value_name = "ORG")]
    to: String,
    #[command(flatten)]
    room: Room,
    #[command(flatten)]
    selected: Selected,
    #[command(flatten)]
    people: People,
}

/// How a pre-flight is made.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Pre-flight")]
pub(crate) struct Room {
    /// Says how many seats of a licence are free, where the org hides it (again for more).
    #[arg(long, value_name = "LICENCE=N", value_parser = seats)]
    seats: Vec<(String, u64)>,
    /// Posts a shortfall to this address, as JSON.
    #[arg(long, value_name = "URL")]
    alert_url: Option<String>,
}

impl Room {
    /// Returns the free seats that a person names; nothing where a shortfall is ignored, and so a licence that
    /// the org does not have.
    pub(super) fn seats(&self, ignored: bool) -> Option<&[(String, u64)]> {
        (!ignored).then_some(&self.seats)
    }
}

fn seats(text: &str) -> Result<(String, u64), String> {
    let wrong = || format!("{text:?} is not of the form LICENCE=N, such as cloudCX1=100");
    let (licence, free) = text.split_once('=').ok_or_else(wrong)?;
    let free = free.trim().parse().map_err(|_| wrong())?;
    match licence.trim() {
        "" => Err(wrong()),
        licence => Ok((licence.to_owned(), free)),
    }
}

impl Preflight {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let out = session.out;
        let target = session.connect(&self.to)?;
        let source = Source::parse(&self.source, session)?;
        let wanted = source
            .read_with(session, &self.selected, &self.people)
            .await?;
        let ask = Ask {
            seats: self.room.seats(false),
            ..Ask::default()
        };
        let planned = road::plan(session, &wanted, &target, false, ask).await?;
        let table = check(session, &wanted, &planned, &target, &self.room).await;
        match out.format() {
            Format::Json => out.json(&preflight_json(&table))?,
            Format::Markdown => out.data(preflight_markdown(&table))?,
            Format::Text
            | Format::Html
            | Format::Svg
            | Format::Dot
            | Format::Sarif
            | Format::Junit => {
                let screen = preflight_screen(&table, Checked::All);
                out.data(text::ansi(screen.lines()))?;
            }
        }
        if table.verdict() < Verdict::Short {
            return Ok(Exit::Ok);
        }
        alert(session, &table, &self.room, false).await;
        Err(short(&table))
    }
}

/// Checks before a clone into one target: what is not ok is shown, and a shortfall ends it unless
/// that is to be ignored.
///
/// # Errors
/// Something is short.
pub(super) async fn pass(
    session: &Session<'_>,
    wanted: &Wanted,
    planned: &Planned,
    target: &Connected,
    (room, ignored): (&Room, bool),
) -> anyhow::Result<()> {
    if planned.plan.is_empty() {
        return Ok(());
    }
    let table = check(session, wanted, planned, target, room).await;
    if table.verdict() < Verdict::Short && session.out.verbose() == 0 {
        session.out.say(in_short(&table));
        return Ok(());
    }
    let screen = preflight_screen(&table, Checked::NotOk);
    session.out.say(text::ansi(screen.lines()).trim_end());
    if table.verdict() < Verdict::Short {
        return Ok(());
    }
    alert(session, &table, room, ignored).await;
    if !ignored {
        return Err(short(&table));
    }
    session.out.warn(format!(
        "{} is short of {}, and that is ignored (--ignore-shortfall): writes may be refused, or cost more",
        table.org,
        missing(&table)
    ));
    Ok(())
}

/// Looks before anything is read: a whole org with more users of a licence than a target pays for is
/// not read first.
///
/// # Errors
/// A target pays for too few seats.
pub(super) async fn glance(
    session: &Session<'_>,
    (source, selected, people): (&Source, &Selected, &People),
    targets: &[Connected],
    (room, ignored): (&Room, bool),
) -> anyhow::Result<()> {
    let Source::Org(name) = source else {
        return Ok(());
    };
    let is_whole = selected.select.is_empty() && selected.exclude.is_empty();
    // A figure by hand is about users that come, which nobody knows yet.
    if ignored || !is_whole || people.people.is_some() || !room.seats.is_empty() {
        return Ok(());
    }
    let source = session.connect_briefly(name)?;
    for target in targets {
        let found = orgsmith_engine::glance(&source.org, &target.org).await;
        let Some(table) = found else { continue };
        record(session, &table);
        let screen = preflight_screen(&table, Checked::NotOk);
        session.out.say(text::ansi(screen.lines()).trim_end());
        alert(session, &table, room, ignored).await;
        return Err(short(&table));
    }
    Ok(())
}

fn record(session: &Session<'_>, table: &Table) {
    let mut event = preflight_json(table);
    event["event"] = "preflight".into();
    session.out.record(&event);
}

async fn check(
    session: &Session<'_>,
    wanted: &Wanted,
    planned: &Planned,
    target: &Connected,
    room: &Room,
) -> Table {
    let catalogue = session.catalogue();
    let Planned {
        plan, licensing, ..
    } = planned;
    let demand = road::demand(session, wanted, plan, target);
    let source = wanted.org.as_ref().map(|org| (org, &wanted.source_ids));
    let facts =
        orgsmith_engine::preflight(&target.org, source, catalogue, plan, &demand, licensing);
    let facts = facts.await;
    let manual: Manual = room.seats.iter().cloned().collect();
    let table = Table::new(&demand, &facts, &manual);
    record(session, &table);
    table
}

/// Says in a line that nothing is short, and what nobody knows.
fn in_short(table: &Table) -> String {
    let unknown: Vec<String> = table
        .of(Verdict::Unknown)
        .map(|row| row.check.title())
        .collect();
    let told = match &unknown[..] {
        [] => "nothing is short".to_owned(),
        unknown => format!(
            "nothing is known to be short; unknown: {} (-v says why)",
            unknown.join(", ")
        ),
    };
    styled(DIM, format!("pre-flight of {}: {told}", table.org))
}

/// Names what is short.
fn missing(table: &Table) -> String {
    let short = table.of(Verdict::Short).map(|row| row.check.title());
    short.collect::<Vec<_>>().join(", ")
}

fn short(table: &Table) -> anyhow::Error {
    Failure::Shortfall {
        org: table.org.clone(),
        what: missing(table),
    }
    .into()
}

/// Tells somebody of a shortfall. That it does not arrive is said, and changes nothing.
async fn alert(session: &Session<'_>, table: &Table, room: &Room, ignored: bool) {
    let Some(url) = &room.alert_url else { return };
    let mut body = preflight_json(table);
    if let Some(rows) = body["rows"].as_array_mut() {
        rows.retain(|row| row["verdict"] == json!(Verdict::Short));
    }
    let rows = table.of(Verdict::Short).count();
    body["event"] = "shortfall".into();
    body["ignored"] = ignored.into();
    body["message"] = format!(
        "{} is short of {} for {}: {}",
        table.org,
        count(rows, "thing"),
        table.source,
        missing(table)
    )
    .into();
    match post_json(url, &body, PATIENCE).await {
        Ok(()) => session.out.say("The shortfall was posted to --alert-url."),
        Err(error) => session.out.warn(format!(
            "the shortfall could not be posted to --alert-url: {}",
            chain(&error)
        )),
    }
}
