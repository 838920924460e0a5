//! The deciding half of orgsmith: pure and synchronous.
//!
//! Nothing here knows a clock, an environment, a file or a network. Observed states come in as
//! values, decisions go out as values: a [`snapshot`] of an org becomes portable documents, two of
//! them become a [`plan`], a plan is judged by [`checks`], and a run's [`journal`] says what was
//! intended and what came of it. ARCHITECTURE.md has the map.

pub mod bundle;
pub mod catalogue;
pub mod changes;
pub mod checks;
pub mod compare;
pub mod components;
pub mod diff;
pub mod document;
pub mod drift;
pub mod endpoints;
pub mod examples;
pub mod file_refs;
pub mod flow;
mod flow_names;
pub mod graph;
mod guid;
pub mod id;
pub mod journal;
pub mod lint;
pub mod matrix;
pub mod models;
pub mod numbers;
pub mod onboard;
pub mod overlay;
pub mod path;
pub mod people;
pub mod permissions;
pub mod plan;
pub mod preflight;
pub mod privacy;
pub mod reconcile;
pub mod render;
pub mod rollback;
pub mod rows;
pub mod schema;
pub mod secret;
pub mod select;
pub mod snapshot;
pub mod testing;
pub mod validate;
pub mod verify;
