//! States that were rolled back: nothing applies them again by itself.

use orgsmith_core::id::{OrgName, RunId};
use orgsmith_core::plan::Plan;
use orgsmith_store::state::{Run, State};
use serde::{Deserialize, Serialize};

use crate::error::Failure;

/// Why a state is in quarantine.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Quarantined {
    /// The run that brought it, and was rolled back.
    pub(crate) run: RunId,
    /// Where it came from.
    pub(crate) source: String,
    /// When it was rolled back, in milliseconds since 1970.
    pub(crate) at_ms: u64,
}

/// Puts what a run brought in quarantine, and closes the run.
pub(super) async fn put(
    state: &dyn State,
    run: &Run,
    digest: &str,
    at_ms: u64,
) -> anyhow::Result<()> {
    let why = Quarantined {
        run: run.id.clone(),
        source: run.source.clone(),
        at_ms,
    };
    let text = serde_json::to_string(&why)?;
    state
        .put_setting(&of_state(&run.org, digest), Some(&text))
        .await?;
    state.put_setting(&of_run(&run.id), Some(&text)).await?;
    Ok(())
}

/// Takes a run and what it brought out of quarantine, as its rollback did not begin.
pub(super) async fn take_back(state: &dyn State, run: &Run, digest: &str) -> anyhow::Result<()> {
    lift(state, &run.org, digest).await?;
    Ok(state.put_setting(&of_run(&run.id), None).await?)
}

/// Tells why a state is not to be applied to an org, if it is not.
pub(crate) async fn find(
    state: &dyn State,
    org: &OrgName,
    digest: &str,
) -> anyhow::Result<Option<Quarantined>> {
    let text = state.setting(&of_state(org, digest)).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Lets a plan pass unless what it brings was rolled back; where it is `wanted` all the same, that is over.
pub(super) async fn pass(
    state: &dyn State,
    org: &OrgName,
    plan: &Plan,
    wanted: bool,
) -> anyhow::Result<()> {
    if plan.undoes.is_some() {
        return Ok(());
    }
    let digest = &plan.source.digest;
    match find(state, org, digest).await? {
        None => Ok(()),
        Some(_) if wanted => lift(state, org, digest).await,
        Some(why) => {
            let (state, run) = (why.source, why.run.to_string());
            Err(Failure::Quarantined { state, run }.into())
        }
    }
}

async fn lift(state: &dyn State, org: &OrgName, digest: &str) -> anyhow::Result<()> {
    Ok(state.put_setting(&of_state(org, digest), None).await?)
}

/// Refuses to go on with a run that was rolled back.
pub(super) async fn check_run(state: &dyn State, run: &RunId) -> anyhow::Result<()> {
    match state.setting(&of_run(run)).await? {
        None => Ok(()),
        Some(_) => {
            let message = format!("the run {run} was rolled back; make a new plan to go on");
            Err(Failure::Usage(message).into())
        }
    }
}

fn of_state(org: &OrgName, digest: &str) -> String {
    format!("quarantine/{org}/{digest}")
}

fn of_run(run: &RunId) -> String {
    format!("run/{run}/rolled-back")
}
