//! `orgsmith verify`, and the same check at the end of every clone.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::endpoints::{Place, places, places_in_flows, targets};
use orgsmith_core::examples::Example;
use orgsmith_core::id::ObjectRef;
use orgsmith_core::render::{
    Verified, verify_json, verify_junit, verify_markdown, verify_screen, verify_summary,
};
use orgsmith_core::verify::{self, KINDS, Report, Row, Subjects, Verdict};
use orgsmith_engine::Asks;

use super::road::{self, Seen};
use crate::args::{Format, Selected};
use crate::config::PATIENCE;
use crate::error::Exit;
use crate::output::{BOLD, GREEN, Out, RED, YELLOW, styled, text};
use crate::secrets::Ask;
use crate::session::{Connected, Session};
use crate::source::{Extent, Source, Wanted, read, selection, usage};

/// How long telephony may take to see a number that a call route was given.
const SEEN: Duration = Duration::from_secs(10);

/// Says whether an org works: flows, numbers, URLs, data actions, licences; writes nothing to it.
///
/// What fails ends with 5. With --bundle the org is also held against what it is to be, and data
/// actions are called as the examples of the bundle say, which may do something in other systems.
/// docs/verify.md tells what each check can know.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The org.
    org: String,
    /// What the org is to be: an org, a bundle directory or a zip.
    #[arg(long, value_name = "SOURCE")]
    bundle: Option<String>,
    /// Calls no data actions.
    #[arg(long)]
    no_actions: bool,
    /// Asks no URLs of other systems.
    #[arg(long)]
    no_urls: bool,
    /// Seconds that an answer of a URL is waited for [default: 10].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=120))]
    timeout: Option<u16>,
    /// Writes the result to a file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    selected: Selected,
}

/// What there is to verify.
#[derive(Default)]
pub(super) struct Checkup {
    subjects: Subjects,
    places: Vec<Place>,
    examples: Vec<Example>,
}

impl Checkup {
    /// Finds it in what a plan was made of.
    pub(super) fn see(catalogue: &Catalogue, seen: &Seen<'_>) -> Self {
        let Seen {
            bundle,
            snapshot,
            pins,
            moved: _,
        } = seen;
        Self {
            subjects: Subjects::read(catalogue, bundle, snapshot, pins),
            places: places(catalogue, bundle),
            examples: Vec::new(),
        }
    }

    /// Adds the URLs in the sources of flows.
    fn with_flows(mut self, bundle: &Bundle) -> Self {
        self.places.extend(places_in_flows(bundle));
        self
    }

    /// Adds examples, whose actions may have other names in the target.
    fn with_examples(mut self, examples: &[Example], seen: &Seen<'_>) -> Self {
        let moved = |action: &ObjectRef| seen.moved.get(action).cloned();
        let examples = examples.iter().filter_map(|example| {
            let mut example = example.clone();
            example.action = moved(&example.action).unwrap_or(example.action);
            let is_meant = seen.bundle.documents.contains_key(&example.action);
            is_meant.then_some(example)
        });
        self.examples = examples.collect();
        self
    }
}

impl Verify {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let out = session.out;
        out.fits(self.out.as_deref())?;
        let target = session.connect(&self.org)?;
        let before = target.org.client.stats().sent;
        let (checkup, mut rows) = match &self.bundle {
            Some(bundle) => self.against(session, bundle, &target).await?,
            None => self.alone(session, &target).await?,
        };
        let asks = Asks {
            examples: if self.no_actions {
                &[]
            } else {
                &checkup.examples
            },
            licences: true,
            patience: Duration::ZERO,
        };
        rows.extend(
            asked(
                &target,
                &checkup,
                asks,
                self.bundle.is_some() && !self.no_actions,
            )
            .await,
        );
        if !self.no_urls {
            let timeout = self
                .timeout
                .map(|seconds| Duration::from_secs(seconds.into()));
            rows.extend(probed(session, &target, &checkup.places, timeout).await?);
        }
        let calls = target.org.client.stats().sent - before;
        let report = Report::new(&self.org, rows, calls);
        let shown = match out.format() {
            Format::Json => serde_json::to_string_pretty(&verify_json(&report))?,
            Format::Markdown => verify_markdown(&report),
            Format::Junit => verify_junit(&report),
            // The others are refused with the command line.
            _ => {
                let rows = if out.verbose() > 0 {
                    Verified::All
                } else {
                    Verified::NotOk
                };
                text::ansi(verify_screen(&report, rows).lines())
            }
        };
        out.data_into(self.out.as_deref(), &shown)?;
        record(session, &report);
        Ok(match report.verdict() {
            Verdict::Fail => Exit::Refused,
            Verdict::Ok | Verdict::Unknown | Verdict::Warn => Exit::Ok,
        })
    }

    /// Finds what there is to verify in a bundle, and holds the org against it.
    async fn against(
        &self,
        session: &Session<'_>,
        bundle: &str,
        target: &Connected,
    ) -> anyhow::Result<(Checkup, Vec<Row>)> {
        let source = Source::parse(bundle, session)?;
        let wanted = source.read(session, &self.selected).await?;
        let catalogue = session.catalogue();
        let mut checkup = Checkup::default();
        let see = &mut |seen: Seen<'_>| {
            checkup = Checkup::see(catalogue, &seen)
                .with_flows(seen.bundle)
                .with_examples(&wanted.examples, &seen);
        };
        let planned =
            road::plan_and_see(session, &wanted, target, false, Ask::default(), see).await?;
        for gap in &planned.plan.gaps {
            session.out.say(format!("{} {gap}", styled(YELLOW, "gap")));
        }
        Ok((checkup, verify::plan(&planned.plan)))
    }

    /// Finds what there is to verify in the org itself.
    async fn alone(
        &self,
        session: &Session<'_>,
        target: &Connected,
    ) -> anyhow::Result<(Checkup, Vec<Row>)> {
        let catalogue = session.catalogue();
        let kinds = catalogue.iter().filter(|kind| !kind.endpoints.is_empty());
        let kinds = kinds.map(|kind| kind.kind.as_str()).chain(KINDS);
        let kinds: BTreeSet<&str> = kinds.collect();
        let chosen = selection(catalogue, &self.selected)?;
        let of_kinds = Selected {
            select: kinds.iter().map(|kind| format!("kind={kind}")).collect(),
            ..Selected::default()
        };
        let needed = match self.selected.select.is_empty() {
            true => &selection(catalogue, &of_kinds)?,
            false => &chosen,
        };
        let read = read(session, target, needed, Extent::Selected).await?;
        let (mut bundle, names) = read.snapshot.to_bundle(catalogue, &read.pins);
        let documents = &mut bundle.documents;
        documents.retain(|object, _| kinds.contains(object.kind.as_str()));
        // That a reference leads to a kind which nobody asked for is no gap here.
        for gap in read.snapshot.gaps.iter().cloned().chain(names.shared()) {
            session.out.say(format!("{} {gap}", styled(YELLOW, "gap")));
        }
        let bundle = chosen.apply(bundle, catalogue).map_err(usage)?;
        let checkup = Checkup {
            subjects: Subjects::read(catalogue, &bundle, &read.snapshot, &read.pins),
            places: places(catalogue, &bundle),
            examples: Vec::new(),
        };
        let checkup = checkup.with_flows(&bundle);
        let runs = match session.state_if_any().await? {
            Some(state) => state.runs(Some(&target.org.name)).await?,
            None => Vec::new(),
        };
        let last = runs.iter().max_by_key(|run| run.created_ms);
        let last = last.map(|run| (run.id.as_str(), run.status.as_str()));
        Ok((checkup, vec![verify::past(last)]))
    }
}

/// Asks the org, and judges what it says.
async fn asked(target: &Connected, checkup: &Checkup, asks: Asks<'_>, actions: bool) -> Vec<Row> {
    let Checkup {
        subjects, examples, ..
    } = checkup;
    let facts = orgsmith_engine::verify(&target.org, subjects, asks).await;
    let mut rows = verify::flows(subjects, &facts);
    rows.extend(verify::routes(subjects, &facts));
    if actions {
        rows.extend(verify::actions(subjects, &facts, examples));
    }
    rows.extend(verify::licences(&facts));
    rows
}

/// Asks the URLs of other systems, and judges what comes of it.
async fn probed(
    session: &Session<'_>,
    target: &Connected,
    places: &[Place],
    timeout: Option<Duration>,
) -> anyhow::Result<Vec<Row>> {
    let policy = target.settings.integrations.as_ref();
    let timeout = timeout.or(policy.map(|policy| policy.timeout));
    let places: Vec<Place> = places
        .iter()
        .filter(|place| policy.is_none_or(|policy| !policy.is_placeholder(&place.written)))
        .cloned()
        .collect();
    let targets = targets(&places);
    let answers = session.probes.ask(&targets, timeout.unwrap_or(PATIENCE));
    let answers = answers.await.map_err(anyhow::Error::msg)?;
    Ok(verify::urls(&places, &answers))
}

fn record(session: &Session<'_>, report: &Report) {
    let mut event = verify_json(report);
    event["event"] = "verified".into();
    session.out.record(&event);
}

/// Plans again after a clone, and returns how many steps are left and what there is to verify.
pub(super) async fn prove(
    session: &Session<'_>,
    wanted: &Wanted,
    target: &Connected,
    ask: Ask<'_>,
    verify: bool,
) -> anyhow::Result<(road::Planned, Option<Checkup>)> {
    let mut checkup = None;
    let see = &mut |seen: Seen<'_>| {
        checkup = verify.then(|| Checkup::see(session.catalogue(), &seen));
    };
    let planned = road::plan_and_see(session, wanted, target, false, ask, see).await?;
    Ok((planned, checkup))
}

/// Verifies what a clone has written, as far as that costs few calls and changes nothing anywhere:
/// flows, numbers, and the URLs that the project has asked.
pub(super) async fn after_clone(
    session: &Session<'_>,
    target: &Connected,
    checkup: &Checkup,
) -> anyhow::Result<Report> {
    let out = session.out;
    let before = target.org.client.stats().sent;
    let asks = Asks {
        patience: target
            .settings
            .visibility_wait_s
            .map_or(SEEN, Duration::from_secs),
        ..Asks::default()
    };
    let mut rows = asked(target, checkup, asks, false).await;
    if target.settings.integrations.is_some() {
        rows.extend(probed(session, target, &checkup.places, None).await?);
    }
    let calls = target.org.client.stats().sent - before;
    let report = Report::new(target.org.name.as_str(), rows, calls);
    record(session, &report);
    if report.verdict() == Verdict::Fail || out.verbose() > 0 {
        let screen = verify_screen(&report, Verified::NotOk);
        out.say(text::ansi(screen.lines()).trim_end());
    }
    Ok(report)
}

/// Says the verdict on what a clone has written.
pub(super) fn tell(out: &Out, report: &Report) -> anyhow::Result<()> {
    if out.format() != Format::Text || report.rows.is_empty() {
        return Ok(());
    }
    let style = match report.verdict() {
        Verdict::Ok => GREEN,
        Verdict::Unknown | Verdict::Warn => YELLOW,
        Verdict::Fail => RED,
    };
    let summary = styled(style, verify_summary(report));
    out.data(format!("{}: {summary}", styled(BOLD, "Verified")))
}
