//! Joins decision to network: reads orgs into snapshots, and carries out plans.
//!
//! Nothing here decides what a target should look like; that is `orgsmith-core`. [`collect()`] reads
//! an org. A [`Runner`] carries out a checked plan under the org's lock: each intention is in the
//! journal before its request leaves, and a request whose answer never came is looked into, never
//! sent again blindly. Everything that happens is told as an [`Event`].

mod chain;
pub mod changes;
pub mod collect;
mod drift;
mod events;
mod execute;
mod files;
mod fingerprints;
mod jobs;
mod numbers;
mod onboard;
mod org;
mod preflight;
mod probe;
mod run;
mod verify;

pub use chain::chain;
pub use collect::{CollectError, Scope, collect, collect_selected};
pub use drift::{DriftError, drift_base, drift_ignored, keep_drift_base, keep_drift_ignored};
pub use events::{Event, Events};
pub use execute::{Budget, Cause, ExecuteError, JournalError, Limits, Outcome, Secrets, Stop};
pub use fingerprints::Fingerprints;
pub use numbers::numbers;
pub use onboard::{Onboarder, Pass};
pub use org::Org;
pub use preflight::{FromOrg, glance, licensing, preflight};
pub use probe::Probes;
pub use run::{Finished, RunError, Runner, load_plan, now_ms};
pub use verify::{Asks, verify};
