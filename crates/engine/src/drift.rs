//! What the state keeps for drift: the base of an org, and what is ignored there.

use orgsmith_core::drift::{BadBase, Base, Ignore};
use orgsmith_core::id::OrgName;
use orgsmith_core::plan::BadImages;
use orgsmith_store::state::{Error as StateError, Illegal, Run, RunStatus, State, replay};

use crate::run::{RunError, load_plan};

/// The label of a snapshot that is a whole base.
const WHOLE: &str = "drift-base";
/// The label of one that says what changed since the one before.
const PART: &str = "drift-base+";
/// A base is written as a whole once it would be read from so many parts.
const PARTS: usize = 20;

/// Says why what the state keeps for drift cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DriftError {
    /// The state failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// The plan of a run cannot be had.
    #[error("reading what the runs of the org did")]
    Run(#[from] RunError),
    /// The plan of a run is damaged.
    #[error("reading what the runs of the org did")]
    Images(#[from] BadImages),
    /// The journal of a run contradicts itself.
    #[error("reading what the runs of the org did")]
    Journal(#[from] Illegal),
    /// The base is damaged.
    #[error(transparent)]
    Base(#[from] BadBase),
    /// The entries are damaged.
    #[error("what is ignored in {org} cannot be read: {message}")]
    Ignored {
        /// The org.
        org: OrgName,
        /// Why not.
        message: String,
    },
}

/// Returns the last state on which an org and its source agreed: as it is kept, and what runs did since.
///
/// # Errors
/// The state failed, or something in it is damaged.
pub async fn drift_base(state: &dyn State, org: &OrgName) -> Result<Base, DriftError> {
    let mut kept = Vec::new();
    for head in state.snapshots(org).await? {
        if ![WHOLE, PART].contains(&head.label.as_str()) {
            continue;
        }
        kept.extend(state.snapshot(&head.id).await?);
        if head.label == WHOLE {
            break;
        }
    }
    let mut base = Base::read(kept.iter().map(Vec::as_slice))?;
    let mut runs: Vec<Run> = state.runs(Some(org)).await?;
    runs.sort_by(|a, b| (a.updated_ms, &a.id).cmp(&(b.updated_ms, &b.id)));
    for run in runs {
        if base.has_run(&run.id, run.updated_ms) {
            continue;
        }
        let plan = load_plan(state, &run.id, org).await?;
        let states = replay(&state.journal(&run.id).await?)?;
        // One that is under way, or died, may do more.
        let updated_ms = match run.status {
            RunStatus::Running => 0,
            _ => run.updated_ms,
        };
        base.add_run(&run.id, updated_ms, &plan, &states)?;
    }
    Ok(base)
}

/// Keeps a base, where it is another than the one that was read.
///
/// # Errors
/// The state failed.
pub async fn keep_drift_base(
    state: &dyn State,
    org: &OrgName,
    base: &Base,
    now_ms: u64,
) -> Result<(), DriftError> {
    if base.is_saved() {
        return Ok(());
    }
    let heads = state.snapshots(org).await?;
    let labels = heads.iter().map(|head| head.label.as_str());
    let mut labels = labels.filter(|label| [WHOLE, PART].contains(label));
    let parts = labels.by_ref().take_while(|label| *label == PART).count();
    let has_whole = heads.iter().any(|head| head.label == WHOLE);
    let whole = !has_whole || parts >= PARTS;
    let label = if whole { WHOLE } else { PART };
    state
        .save_snapshot(org, label, now_ms, &base.to_bytes(whole))
        .await?;
    Ok(())
}

/// Returns what is ignored in an org, also what is so no more.
///
/// # Errors
/// The state failed, or the entries are damaged.
pub async fn drift_ignored(state: &dyn State, org: &OrgName) -> Result<Vec<Ignore>, DriftError> {
    let Some(text) = state.setting(&ignored(org)).await? else {
        return Ok(Vec::new());
    };
    serde_json::from_str(&text).map_err(|error| DriftError::Ignored {
        org: org.clone(),
        message: error.to_string(),
    })
}

/// Keeps what is ignored in an org.
///
/// # Errors
/// The state failed.
pub async fn keep_drift_ignored(
    state: &dyn State,
    org: &OrgName,
    entries: &[Ignore],
) -> Result<(), DriftError> {
    let text = serde_json::to_string(entries).unwrap_or_default();
    let text = (!entries.is_empty()).then_some(text.as_str());
    Ok(state.put_setting(&ignored(org), text).await?)
}

fn ignored(org: &OrgName) -> String {
    format!("drift/{org}/ignored")
}
