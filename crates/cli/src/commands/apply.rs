//! `orgsmith apply`

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use orgsmith_core::plan::{FORMAT, Plan};
use orgsmith_engine::collect;
use serde::Deserialize;

use super::plan::{Look, apply_saved};
use super::{ending, onboard, road, stale};
use crate::args::{Carry, People, Selected, Shape};
use crate::error::{Exit, Failure};
use crate::session::{Connected, Session};
use crate::source::Source;

/// The largest file that may be a plan, in bytes.
const MOST: u64 = 1 << 30;

/// Makes an org match a source: plans, asks, and writes. Never deletes (see `sync`).
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// An org, a bundle directory or a zip.
    #[arg(required_unless_present = "plan", conflicts_with = "plan")]
    source: Option<String>,
    /// The org that is written to.
    #[arg(long, value_name = "ORG", required_unless_present = "plan")]
    to: Option<String>,
    /// Carries out a plan that `plan --out` saved; refused when the target moved since.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    carry: Carry,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    selected: Selected,
    #[command(flatten)]
    people: People,
}

impl Apply {
    /// Tells whether only the plan is shown.
    pub(super) fn is_dry(&self) -> bool {
        self.carry.dry_run
    }

    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        if let Some(path) = &self.plan {
            return self.saved(session, path).await;
        }
        let (Some(source), Some(to)) = (&self.source, &self.to) else {
            return Err(Failure::Usage("name a source and --to ORG, or --plan FILE".into()).into());
        };
        apply(
            session,
            source,
            to,
            (&self.selected, &self.people),
            (&self.carry, &self.shape),
            false,
        )
        .await
    }

    async fn saved(&self, session: &Session<'_>, path: &Path) -> anyhow::Result<Exit> {
        let of_plans = [
            ("--write-secret", !self.shape.write_secret.is_empty()),
            ("--unlock", self.shape.unlock),
            ("--scim", self.shape.scim),
        ];
        if let Some((flag, _)) = of_plans.iter().find(|(_, given)| *given) {
            let message =
                format!("a saved plan is carried out as it is; give {flag} to `orgsmith plan`");
            return Err(Failure::Usage(message).into());
        }
        let plan = load(path)?;
        let name = &plan.target.org.org_name;
        if let Some(to) = self.to.as_ref().filter(|to| *to != name) {
            return Err(Failure::Usage(format!("the plan is for {name}, not for {to}")).into());
        }
        let target = session.connect(name)?;
        let region = target.org.region.clone();
        if region != plan.target.org.region {
            return Err(Failure::Stale(vec![format!("{name} is in another region now")]).into());
        }
        let calls = fresh(session, &plan, &target).await?;
        let planned = road::Planned::from_file(plan, calls);
        if self.carry.dry_run {
            let next = (!planned.plan.is_empty()).then(|| apply_saved(path));
            road::show(session.out, &planned.plan, &target, next.as_deref())?;
            planned.into_checked(session.out, self.carry.force)?;
            return Ok(Exit::Ok);
        }
        onboard::check(session)?;
        let (plan, finished) =
            road::carry_out(session, planned, &target, &self.carry, true).await?;
        let exit = ending::conclude(session.out, &plan, finished.as_ref())?;
        onboard::after_run(session, &target, &self.carry).await;
        Ok(exit)
    }
}

/// Plans, asks, and writes.
pub(crate) async fn apply(
    session: &Session<'_>,
    source: &str,
    to: &str,
    (selected, people): (&Selected, &People),
    (carry, shape): (&Carry, &Shape),
    prune: bool,
) -> anyhow::Result<Exit> {
    if carry.dry_run {
        let look = Look::of(source, (carry, shape), (selected, people));
        return Look { prune, ..look }.at(session, to).await;
    }
    let target = session.connect(to)?;
    onboard::check(session)?;
    let source = Source::told(source, session)?;
    let wanted = source.read_with(session, selected, people).await?;
    let ask = shape.ask(carry.secrets_file.as_deref());
    let planned = road::plan(session, &wanted, &target, prune, ask).await?;
    road::advise(session.out, &planned.plan, selected);
    let (plan, finished) = road::carry_out(session, planned, &target, carry, false).await?;
    let exit = ending::conclude(session.out, &plan, finished.as_ref())?;
    onboard::after_run(session, &target, carry).await;
    Ok(exit)
}

/// Refuses a plan whose target has moved; returns the calls it took to find out.
async fn fresh(session: &Session<'_>, plan: &Plan, target: &Connected) -> anyhow::Result<u64> {
    let catalogue = session.catalogue();
    let pins = session.pins(&target.org.name).await?;
    let scope = stale::scope(plan, &pins);
    let snapshot = collect(&target.org, catalogue, &scope, &session.out.events()).await?;
    let changes = stale::changes(catalogue, plan, &snapshot, &pins);
    if changes.is_empty() {
        Ok(target.org.client.stats().sent)
    } else {
        Err(Failure::Stale(changes).into())
    }
}

fn load(path: &Path) -> anyhow::Result<Plan> {
    let shown = path.display();
    let bad = |message: String| anyhow::Error::new(Failure::BadPlan(message));
    let text =
        read(path).map_err(|error| bad(format!("could not read the plan {shown}: {error}")))?;
    let head = serde_json::from_str::<Head>(&text);
    if let Err(error) = &head
        && !error.is_data()
    {
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        let (line, column) = (error.line(), error.column());
        return Err(bad(format!(
            "{shown}:{line}:{column}: not JSON: {what}; save the plan again with `orgsmith plan … --out`"
        )));
    }
    match head.ok().and_then(|head| head.format) {
        None => {
            return Err(bad(format!(
                "{shown} is no plan; `orgsmith plan … --out` saves one"
            )));
        }
        Some(format) if format > u64::from(FORMAT) => {
            return Err(bad(format!(
                "{shown} was made by a newer orgsmith: plan format {format}, this one reads {FORMAT}; update orgsmith"
            )));
        }
        Some(_) => {}
    }
    serde_json::from_str(&text).map_err(|error| bad(format!("{shown} is no plan: {error}")))
}

/// What is read of a plan first.
#[derive(Deserialize)]
struct Head {
    format: Option<u64>,
}

/// Reads a file that may be a plan.
fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MOST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST {
        return Err(std::io::Error::other("it is larger than 1 GiB"));
    }
    Ok(text)
}
