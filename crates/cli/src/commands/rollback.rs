//! `orgsmith rollback`

use clap::Args;
use orgsmith_core::plan::Options;
use orgsmith_core::rollback::Undo;
use orgsmith_core::select::Selection;
use orgsmith_engine::{collect, load_plan, now_ms};
use orgsmith_store::state::replay;

use super::{ending, quarantine, road, runs};
use crate::args::Carry;
use crate::error::{Exit, Failure};
use crate::session::{Connected, Session};

/// Undoes a run: shows what that takes, asks, and writes.
///
/// What the run created is deleted, what it changed gets back the fields that the run changed, and what
/// it deleted is created again or restored. What somebody changed since is left alone and told of; --force
/// undoes it all the same. A state that was rolled back is not applied again without a person or --force.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The run; its beginning is enough.
    run: String,
    /// Undoes only these objects, such as kind=routing_queue (again for more).
    #[arg(long, value_name = "TERM")]
    select: Vec<String>,
    /// Leaves these objects as they are (again for more).
    #[arg(long, value_name = "TERM")]
    exclude: Vec<String>,
    #[command(flatten)]
    carry: Carry,
}

impl Rollback {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let run = runs::find(session, &self.run).await?;
        let target = session.connect(run.org.as_str())?;
        let state = session.state().await?;
        let done = load_plan(&*state, &run.id, &run.org).await?;
        let states = replay(&state.journal(&run.id).await?)?;
        let selection = Selection::parse(session.catalogue(), &self.select, &self.exclude)
            .map_err(|error| Failure::Usage(error.to_string()))?;
        let undo = Undo::new(run.id.clone(), &done, &states, &selection)?;
        if undo.is_empty() {
            session
                .out
                .say(format!("The run {} did nothing of that.", run.id));
        }
        let planned = self.plan(session, &undo, &target).await?;
        if self.carry.dry_run {
            road::show(session.out, &planned.plan, &target, None)?;
            return Ok(match planned.plan.conflicts.is_empty() {
                true => Exit::Ok,
                false => Exit::Partial,
            });
        }
        // The brake is for a source that is not what it seems to be; this one is what was.
        let carry = Carry {
            force: true,
            ..self.carry.clone()
        };
        // Of a part of a run that is undone, the rest may well go on.
        let whole = self.select.is_empty() && self.exclude.is_empty() && !undo.is_empty();
        if planned.plan.is_empty() {
            if whole && planned.plan.conflicts.is_empty() {
                quarantine::put(&*state, &run, &done.source.digest, now_ms()).await?;
            }
            let (plan, _) = road::carry_out(session, planned, &target, &carry, false).await?;
            return ending::conclude(session.out, &plan, None);
        }
        let approved = road::approved(session, planned, &target, &carry, false).await?;
        let digest = &done.source.digest;
        let runs = state.runs(Some(&run.org)).await?.len();
        let before = quarantine::find(&*state, &run.org, digest).await?;
        if whole {
            // Before the first write: what is killed, or undone but for a few, is not to come back either.
            quarantine::put(&*state, &run, digest, now_ms()).await?;
        }
        let finished = match road::start(session, &approved, &target, &carry).await {
            Ok(finished) => finished,
            Err(error) => {
                let began = state.runs(Some(&run.org)).await?.len() > runs;
                if whole && !began && before.is_none() {
                    // Somebody else holds the org, or a secret has no value.
                    quarantine::take_back(&*state, &run, digest).await?;
                }
                return Err(error);
            }
        };
        ending::conclude(session.out, approved.checked.plan(), Some(&finished))
    }

    async fn plan(
        &self,
        session: &Session<'_>,
        undo: &Undo<'_>,
        target: &Connected,
    ) -> anyhow::Result<road::Planned> {
        let catalogue = session.catalogue();
        let pins = session.pins(&target.org.name).await?;
        let scope = road::scope_of(catalogue, &undo.both_sides(), &pins);
        let before = target.org.client.stats().sent;
        let snapshot = collect(&target.org, catalogue, &scope, &session.out.events()).await?;
        let options = Options {
            rate: road::rate(target),
            pins,
            protected: target.overlay.protected.clone(),
            past: true,
            ..Options::default()
        };
        let plan = undo.plan(catalogue, &snapshot, &options, self.carry.force);
        let calls = target.org.client.stats().sent - before;
        Ok(road::Planned::from_file(plan, calls))
    }
}
