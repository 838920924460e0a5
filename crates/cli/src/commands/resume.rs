//! `orgsmith resume`

use clap::Args;
use orgsmith_core::checks::{Brake, check};
use orgsmith_engine::load_plan;

use super::{onboard, quarantine, road, runs};
use crate::args::Carry;
use crate::error::{Exit, Failure};
use crate::session::Session;

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
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let run = runs::find(session, &self.run).await?;
        let target = session.connect(run.org.as_str())?;
        let state = session.state().await?;
        quarantine::check_run(&*state, &run.id).await?;
        let plan = load_plan(&*state, &run.id, &run.org).await?;
        // The brake and the ids of the source were checked when the run began.
        let checked = check(plan, [], Brake::Forced)
            .map_err(|rejected| Failure::Checks(rejected.to_string()))?;
        let secrets = road::resolve(session, &checked, &self.carry).await?;
        let finished = road::resume(session, &target, &run.id, &secrets, &self.carry).await?;
        let exit = road::conclude(session.out, checked.plan(), Some(&finished))?;
        onboard::after_run(session, &target, &self.carry).await;
        Ok(exit)
    }
}
