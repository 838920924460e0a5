//! `orgsmith drift`

mod absorb;
mod ignore;
mod revert;
mod who;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use orgsmith_core::bundle::Bundle;
use orgsmith_core::drift::{
    Drift as Found, Drifted, Field, Ignores, Look, Policies, Policy, Resolution, Side, Times,
};
use orgsmith_core::id::{ObjectRef, OrgName, SourceId};
use orgsmith_core::render::{Detail, drift_json, drift_markdown, drift_screen, visible};
use orgsmith_core::select::Selection;
use orgsmith_engine::{drift_base, drift_ignored, keep_drift_base, now_ms};

use super::road::{self, MARKDOWN_LIMIT, Observed, Reach};
use crate::args::{Format, Selected};
use crate::config::{Created, Right};
use crate::error::{Exit, Failure};
use crate::output::text;
use crate::session::{Connected, Session};
use crate::source::{Source, Wanted, selection, usage};

/// Tells what became of an org since it was last written to, and of its source.
///
/// Both are held against the last state on which they agreed, so that each difference is told as changed
/// in the org, in the source, or in both (docs/drift.md). Exits with 2 when there is drift.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Drift {
    #[command(subcommand)]
    action: Option<Action>,
    /// The org.
    #[arg(required = true)]
    org: Option<String>,
    #[command(flatten)]
    against: Against,
    #[command(flatten)]
    picked: Picked,
    /// Tells who changed the org, and when, by its audits.
    #[arg(long)]
    who: bool,
    /// An earlier result (-o json): what is not looked at this time is told as it was then.
    #[arg(long, value_name = "FILE")]
    earlier: Option<PathBuf>,
    /// Writes the result to a file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    Revert(revert::Revert),
    Absorb(absorb::Absorb),
    Ignore(ignore::Ignore),
    Ignored(ignore::Ignored),
}

/// What an org is held against, and which side is right.
#[derive(Clone, Debug, Default, Args)]
struct Against {
    /// The bundle or org that it is held against [default: `drift: {against: …}` of the project file,
    /// else the source of its last run].
    #[arg(long, value_name = "SOURCE")]
    against: Option<String>,
    /// Which side is right where they are at odds [default: `drift:` of the project file, else ask].
    #[arg(long, value_name = "POLICY")]
    policy: Option<Right>,
}

/// Which objects are meant.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which objects")]
struct Picked {
    /// Only these: a kind, or kind=…,name=…,division=…,family=… (again for more; `*` matches anything).
    #[arg(long, value_name = "TERM")]
    select: Vec<String>,
    /// Not these; same terms.
    #[arg(long, value_name = "TERM")]
    exclude: Vec<String>,
}

impl Picked {
    fn selection(&self, session: &Session<'_>) -> anyhow::Result<Selection> {
        let selected = Selected {
            select: self.select.clone(),
            exclude: self.exclude.clone(),
            with_dependencies: false,
        };
        selection(session.catalogue(), &selected)
    }
}

/// What of the drift something is done about.
#[derive(Clone, Debug, Default, Args)]
struct Chosen {
    #[command(flatten)]
    picked: Picked,
    /// Only this field of them, such as description or members (again for more).
    #[arg(long, value_name = "FIELD", help_heading = "Which objects")]
    field: Vec<String>,
}

impl Chosen {
    /// Tells whether something is meant: what a person names, or else what the policy says.
    fn means(&self, resolution: Resolution) -> impl Fn(&Drifted, &Field) -> bool {
        let by_name = !self.picked.select.is_empty() || !self.field.is_empty();
        move |_, field| {
            let named =
                self.field.is_empty() || self.field.iter().any(|place| field.is_within(place));
            field.counts() && named && (by_name || field.resolution == resolution)
        }
    }

    /// Says what to do where nothing was meant.
    fn nothing(&self, found: &Found, what: &str) -> String {
        match found.open().next() {
            None => "There is no drift.".to_owned(),
            Some(_) if self.picked.select.is_empty() && self.field.is_empty() => format!(
                "The policy says of nothing that it is to be {what}; choose with --select, or by --policy."
            ),
            Some(_) => format!("Nothing that was chosen can be {what}."),
        }
    }
}

impl Drift {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        match &self.action {
            Some(Action::Revert(action)) => action.run(session).await,
            Some(Action::Absorb(action)) => action.run(session).await,
            Some(Action::Ignore(action)) => action.run(session).await,
            Some(Action::Ignored(action)) => action.run(session).await,
            None => self.look(session).await,
        }
    }

    async fn look(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        session.out.fits(self.out.as_deref())?;
        let org = self.org.as_deref().unwrap_or_default();
        let target = session.connect(org)?;
        let selection = self.picked.selection(session)?;
        let source = read(
            session,
            &target,
            self.against.against.as_deref(),
            &selection,
        )
        .await?;
        let earlier = self.earlier.as_deref().map(read_earlier).transpose()?;
        let terms = match earlier {
            // What was told of may be gone since.
            Some(_) => Terms::MayMeanNothing,
            None => Terms::MeanSomething,
        };
        let looked = look(session, &target, &source, &self.against, &selection, terms).await?;
        let mut drift = looked.drift;
        if self.who {
            who::tell(session, &target, &looked.observed, &mut drift).await?;
        }
        match earlier {
            Some(earlier)
                if (&earlier.source, &earlier.target) != (&drift.source, &drift.target) =>
            {
                session.out.warn(format!(
                    "--earlier tells of {} held against {}, and is left out",
                    visible(&earlier.target.org_name),
                    visible(&earlier.source.org_name)
                ));
            }
            Some(earlier) if !selection.is_everything() => {
                let source = &looked.observed.bundle;
                drift.follow(earlier, &selection, source, session.catalogue());
            }
            _ => {}
        }
        show(session, &drift, self.out.as_deref())?;
        Ok(match (drift.is_empty(), is_partial(&drift)) {
            (false, _) => Exit::Differences,
            (true, true) => Exit::Partial,
            (true, false) => Exit::Ok,
        })
    }
}

/// Reads the result of an earlier look.
fn read_earlier(path: &Path) -> anyhow::Result<Found> {
    let text = std::fs::read(path);
    let text = text.map_err(|error| usage(format!("--earlier {}: {error}", path.display())))?;
    serde_json::from_slice(&text).map_err(|error| {
        let path = path.display();
        usage(format!(
            "--earlier {path} is no result of `orgsmith drift -o json`: {error}"
        ))
    })
}

/// What is expected of the terms of a selection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Terms {
    /// One that means nothing at all is a slip.
    MeanSomething,
    MayMeanNothing,
}

/// Tells whether something could not be looked at.
fn is_partial(drift: &Found) -> bool {
    !drift.unclear.is_empty() || !drift.gaps.is_empty()
}

/// What an org is held against, as it was read.
struct Read {
    wanted: Wanted,
    /// When its objects were last changed, as far as it tells.
    modified: BTreeMap<ObjectRef, String>,
    /// As the user named it.
    name: String,
}

/// Reads what an org is held against.
async fn read(
    session: &Session<'_>,
    target: &Connected,
    named: Option<&str>,
    selection: &Selection,
) -> anyhow::Result<Read> {
    let (name, source) = source_of(session, &target.org.name, named).await?;
    let (mut wanted, modified) = source.read_dated(session, selection).await?;
    if selection.is_positive() {
        // Of kinds that are not asked for, the org is not read.
        let kinds = selection.kinds(session.catalogue());
        let documents = &mut wanted.bundle.documents;
        documents.retain(|object, _| kinds.contains_key(&object.kind));
    }
    Ok(Read {
        wanted,
        modified,
        name,
    })
}

async fn source_of(
    session: &Session<'_>,
    org: &OrgName,
    named: Option<&str>,
) -> anyhow::Result<(String, Source)> {
    let config = &session.config;
    if let Some(named) = named {
        return Ok((named.to_owned(), Source::parse(named, session)?));
    }
    let named = config.project.drift.against.get(org.as_str());
    if let Some((named, source)) = named.zip(config.source_of(org.as_str())) {
        return Ok((named.clone(), Source::parse(&source, session)?));
    }
    let runs = match session.state_if_any().await? {
        Some(state) => state.runs(Some(org)).await?,
        None => Vec::new(),
    };
    let last = runs.first().map(|run| run.source.clone());
    let source = last.and_then(|last| Some((Source::parse(&last, session).ok()?, last)));
    source.map(|(source, last)| (last, source)).ok_or_else(|| {
        let org = org.as_str();
        usage(format!(
            "what is {org} held against? Say so with --against BUNDLE|ORG, or in the project file \
             with `drift: {{against: {{{org}: …}}}}`"
        ))
    })
}

/// Drift, and what it was made of.
struct Looked<'w> {
    drift: Found,
    observed: Observed<'w>,
}

/// Looks for drift, and remembers on what both sides agree.
async fn look<'w>(
    session: &Session<'_>,
    target: &Connected,
    source: &'w Read,
    against: &Against,
    selection: &Selection,
    terms: Terms,
) -> anyhow::Result<Looked<'w>> {
    let (org, catalogue) = (&target.org.name, session.catalogue());
    let settings = &session.config.project.drift;
    let policies = settings.policies(catalogue, against.policy);
    let policies = policies.map_err(usage)?;
    let state = session.state().await?;
    let mut base = drift_base(&*state, org).await?;
    let ignores = Ignores::new(catalogue, drift_ignored(&*state, org).await?).map_err(usage)?;
    let reach = Reach {
        whole: false,
        also: base.objects().cloned().collect(),
    };
    let observed = road::observe(session, &source.wanted, target, reach).await?;
    let Look {
        mut drift,
        agreed,
        gone,
    } = Look::new(
        catalogue,
        &base,
        &observed.bundle,
        &observed.snapshot,
        &observed.options(target),
    );
    drift.source.org_name.clone_from(&source.name);
    base.agree(&observed.bundle, &agreed, &gone);
    if let Err(error) = keep_drift_base(&*state, org, &base, now_ms()).await {
        let why = orgsmith_engine::chain(&error);
        session
            .out
            .warn(format!("on what both sides agree is not remembered: {why}"));
    }
    if settings.created == Created::Ignore {
        drift.without_created_in_target();
    }
    drift.select(selection, &observed.bundle);
    if terms == Terms::MeanSomething && drift.objects.is_empty() && !selection.is_everything() {
        // A slip is no good news.
        let (live, _) = observed.snapshot.to_bundle(catalogue, &observed.pins);
        let known = base.to_bundle(&observed.bundle);
        let source: &Bundle = &observed.bundle;
        selection.check(&[source, &live, &known]).map_err(usage)?;
    }
    let mut times = times(session, &observed, source);
    let now_ms = i64::try_from(now_ms()).unwrap_or(i64::MAX);
    drift.settle(&policies, &times, &ignores, &observed.bundle, now_ms);
    let undated = undated(&drift, &policies, &observed.bundle, &times);
    if !undated.is_empty() {
        complete(session, target, &observed, source, &undated, &mut times).await?;
        drift.settle(&policies, &times, &ignores, &observed.bundle, now_ms);
    }
    Ok(Looked { drift, observed })
}

/// Returns the objects of which the newer side is right, and is not known.
fn undated(drift: &Found, policies: &Policies, bundle: &Bundle, times: &Times) -> Vec<ObjectRef> {
    let open = drift.open().filter(|(found, field)| {
        let (object, document) = (&found.object, bundle.documents.get(&found.object));
        let dated = times.source.contains_key(object) && times.target.contains_key(object);
        let newest = policies.of(object, field, (document, bundle)) == Policy::NewestWins;
        field.side == Side::Conflict && newest && !dated
    });
    let mut objects: Vec<ObjectRef> = open.map(|(found, _)| found.object.clone()).collect();
    objects.dedup();
    objects
}

/// Asks the audits of orgs when objects were last changed, of which their answers do not say it.
async fn complete(
    session: &Session<'_>,
    target: &Connected,
    observed: &Observed<'_>,
    source: &Read,
    objects: &[ObjectRef],
    times: &mut Times,
) -> anyhow::Result<()> {
    let open = |known: &BTreeMap<ObjectRef, i64>| -> Vec<ObjectRef> {
        let open = objects.iter().filter(|object| !known.contains_key(*object));
        open.cloned().collect()
    };
    let ids = who::ids(session, target, observed, &open(&times.target)).await?;
    if !ids.is_empty() {
        times
            .target
            .extend(who::when(session, &target.org, &ids).await);
    }
    // A bundle has no audits, and when its files were written says nothing after a check-out.
    if let Some(org) = &source.wanted.org {
        let known = &source.wanted.source_ids;
        let open = open(&times.source).into_iter();
        let ids = open.filter_map(|object| Some((object.clone(), known.get(&object)?.clone())));
        let ids: BTreeMap<ObjectRef, SourceId> = ids.collect();
        if !ids.is_empty() {
            times.source.extend(who::when(session, org, &ids).await);
        }
    }
    Ok(())
}

/// Returns when objects were last changed on each side, as far as the orgs tell.
fn times(session: &Session<'_>, observed: &Observed<'_>, source: &Read) -> Times {
    let names = orgsmith_core::snapshot::Names::new(
        session.catalogue(),
        &observed.snapshot,
        &observed.pins,
    );
    let read = |modified: &BTreeMap<ObjectRef, String>| -> BTreeMap<ObjectRef, i64> {
        let read = modified.iter().filter_map(|(object, at)| {
            let at: Timestamp = at.parse().ok()?;
            let object = observed.moved.get(object).unwrap_or(object);
            Some((object.clone(), at.as_millisecond()))
        });
        read.collect()
    };
    Times {
        source: read(&source.modified),
        target: read(&observed.snapshot.modified(&names)),
    }
}

fn show(session: &Session<'_>, drift: &Found, path: Option<&Path>) -> anyhow::Result<()> {
    let out = session.out;
    out.record(&serde_json::json!({
        "event": "drift", "org": drift.target.org_name, "source": drift.source.org_name,
        "drifted": drift.objects.iter().filter(|found| found.counts()).count(),
        "unclear": drift.unclear.len(),
    }));
    for gap in &drift.gaps {
        out.warn(format!("could not be read: {gap}"));
    }
    let detail = match out.verbose() {
        0 | 1 => Detail::Fields,
        _ => Detail::Full,
    };
    let shown = match out.format() {
        Format::Text => text::ansi(drift_screen(drift, detail).lines()),
        Format::Json => serde_json::to_string_pretty(&drift_json(drift))?,
        Format::Markdown => drift_markdown(drift, MARKDOWN_LIMIT),
        Format::Html => {
            let title = format!("Drift of {}", drift.target.org_name);
            text::html(&drift_screen(drift, Detail::Full), &title)
        }
        // Refused with the command line.
        Format::Svg | Format::Dot | Format::Sarif | Format::Junit => String::new(),
    };
    out.data_into(path, &shown)
}

/// Refuses forms that only the report has.
fn only_text_or_json(session: &Session<'_>) -> anyhow::Result<()> {
    match session.out.format() {
        Format::Text | Format::Json => Ok(()),
        _ => Err(Failure::Usage("this command's -o knows text, json".to_owned()).into()),
    }
}

/// Returns the objects of drift, for programs.
fn names(objects: &BTreeSet<ObjectRef>) -> Vec<String> {
    objects.iter().map(ToString::to_string).collect()
}
