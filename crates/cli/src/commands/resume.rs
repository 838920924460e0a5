//! `orgsmith resume`

use clap::Args;
use orgsmith_core::checks::{Brake, check};
use orgsmith_core::id::RunId;
use orgsmith_core::journal::StepState;
use orgsmith_core::plan::{Plan, Step};
use orgsmith_engine::load_plan;
use orgsmith_store::state::replay;

use super::{ending, onboard, quarantine, road, runs};
use crate::args::Carry;
use crate::error::{Exit, Failure, count};
use crate::session::{Connected, Session};

/// Takes a run up again where it ended.
///
/// What was under way is looked up in the org first. The plan of the run was approved when it began, so nothing is asked.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The run; its beginning is enough.
    run: String,
    #[command(flatten)]
    carry: Carry,
}

impl Resume {
    /// Tells whether only the plan is shown.
    pub(super) fn is_dry(&self) -> bool {
        self.carry.dry_run
    }

    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let run = runs::find(session, &self.run).await?;
        let target = session.connect(run.org.as_str())?;
        let state = session.state().await?;
        quarantine::check_run(&*state, &run.id).await?;
        let plan = load_plan(&*state, &run.id, &run.org).await?;
        if self.carry.dry_run {
            return left(session, &target, &run.id, plan).await;
        }
        // Another run may have brought the same, and been rolled back.
        quarantine::pass(&*state, &run.org, &plan, self.carry.force).await?;
        // The brake and the ids of the source were checked when the run began.
        let checked = check(plan, [], Brake::Forced)
            .map_err(|rejected| Failure::Checks(rejected.to_string()))?;
        let secrets = road::resolve(session, &checked, &self.carry).await?;
        let finished = road::resume(session, &target, &run.id, &secrets, &self.carry).await?;
        let exit = ending::conclude(session.out, checked.plan(), Some(&finished))?;
        onboard::after_run(session, &target, &self.carry).await;
        Ok(exit)
    }
}

/// Shows the steps of a run that are not done.
async fn left(
    session: &Session<'_>,
    target: &Connected,
    run: &RunId,
    plan: Plan,
) -> anyhow::Result<Exit> {
    let state = session.state().await?;
    let states = replay(&state.journal(run).await?)?;
    let plan = plan.left(|step| matches!(states.get(step), Some(StepState::Done { .. })));
    road::show(session.out, &plan, target, None)?;
    let in_doubt = |step: &&Step| {
        let state = states.get(&step.id);
        matches!(
            state,
            Some(StepState::Intent { .. } | StepState::Unknown { .. })
        )
    };
    let in_doubt = plan.steps.iter().filter(in_doubt).count();
    if in_doubt > 0 {
        let steps = count(in_doubt, "step");
        session.out.say(format!(
            "{steps} may be done already: the org is asked before anything is sent."
        ));
    }
    Ok(Exit::Ok)
}
