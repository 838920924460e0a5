//! `orgsmith rollback`

use clap::Args;
use orgsmith_core::plan::{Options, Plan};
use orgsmith_core::rollback::Undo;
use orgsmith_core::select::Selection;
use orgsmith_engine::{collect, load_plan, now_ms};
use orgsmith_store::state::{Run, RunStatus, replay};

use super::{quarantine, road, runs};
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
        let (plan, finished) = road::carry_out(session, planned, &target, &carry, false).await?;
        let exit = road::conclude(session.out, &plan, finished.as_ref())?;
        let all = finished
            .as_ref()
            .is_none_or(|finished| finished.status == RunStatus::Done);
        if all && exit == Exit::Ok && !undo.is_empty() {
            self.note(session, &run, &done).await?;
        }
        Ok(exit)
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
            ..Options::default()
        };
        let plan = undo.plan(catalogue, &snapshot, &options, self.carry.force);
        let calls = target.org.client.stats().sent - before;
        Ok(road::Planned::from_file(plan, calls))
    }

    /// Writes down what was undone, so that nothing does it again by itself.
    async fn note(&self, session: &Session<'_>, run: &Run, done: &Plan) -> anyhow::Result<()> {
        // Of a part of a run that was undone, the rest may well go on.
        if !self.select.is_empty() || !self.exclude.is_empty() {
            return Ok(());
        }
        let state = session.state().await?;
        quarantine::put(&*state, run, &done.source.digest, now_ms()).await
    }
}
