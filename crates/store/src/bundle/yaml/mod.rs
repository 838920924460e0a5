//! The YAML of bundles: what is written, and what is read.
//!
//! The writer is ours, so that the bytes of format 1 cannot change with a dependency. It writes
//! what every parser reads alike: sorted keys, block style, double quotes around everything that
//! some version of YAML takes for another type, literal blocks for text of several lines, no
//! folding, no anchors.
//!
//! The reader accepts all of YAML 1.2 that says the same as JSON, keeps the place of every value,
//! and refuses what would be lost: keys that stand twice, nulls, tags, merge keys, numbers that
//! cannot be kept.

mod edit;
mod emit;
mod parse;

pub use edit::{Edited, edit};
pub use emit::to_yaml;
pub use parse::{Data, Fault, Node, Position, locate, parse};

/// Deepest nesting.
pub(super) const MAX_DEPTH: usize = 100;
