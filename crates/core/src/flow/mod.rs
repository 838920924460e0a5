//! What the engine knows of Architect flow sources.
//!
//! A flow source is YAML that names other objects by name: queues, prompts, data actions, other
//! flows. [`scan`] finds those names with their places, [`rename`] replaces them and keeps every
//! other byte, [`canonical`] compares two exports of one flow, and [`i3`] lists what an `.i3*`
//! export uses. Everything here is pure; nothing here knows an org, a snapshot or a file.
//!
//! Start reading at `rules` (which keys name which objects) and `find` (how they are read);
//! `yaml` is the only file that knows the YAML parser.

mod canonical;
mod document;
mod error;
mod expression;
mod find;
mod flow_type;
pub mod i3;
mod lines;
mod literals;
mod lock;
mod placeholder;
mod raw;
mod rename;
mod rules;
mod scan;
mod shapes;
mod target;
mod yaml;

pub use canonical::{Canonical, canonical};
pub use error::FlowError;
pub use flow_type::FlowType;
pub(crate) use literals::{guids as literal_guids, urls as literal_urls};
pub use lock::locked_by;
pub use placeholder::Placeholder;
pub(crate) use placeholder::alone as placeholder_alone;
pub use rename::{Rename, Renamed, rename};
pub use scan::{DynamicReference, FlowReference, FlowScan, Literal, scan};
pub use target::{FlowTarget, ObjectKind, dependency_kind};

/// The largest flow source that is read, in bytes.
///
/// Real flows stay below a few megabytes; the limit keeps a hostile bundle from taking all memory.
pub const MAX_TEXT: usize = 16 << 20;

/// The deepest nesting of mappings and sequences that is read.
///
/// A decision inside a decision costs five levels, so this allows about two hundred of them.
pub const MAX_DEPTH: usize = 1000;
