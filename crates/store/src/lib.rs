//! What orgsmith keeps: [`bundle`]s on disk, the [`state`] of runs, [`checkpoint`]s of long reads, and in
//! a database the [`desk`] of the service.
//!
//! This room knows files, archives and databases. It knows no Genesys: which kinds exist, what
//! their fields mean and what a reference points to are the business of `orgsmith-core`. No clock
//! is read here; times come in as milliseconds since 1970. ARCHITECTURE.md has the map.

pub mod bundle;
pub mod checkpoint;
pub mod desk;
pub mod state;
