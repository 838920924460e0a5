//! JSON Schema of the documents of a bundle, for editors.
//!
//! Draft 07, which every editor reads. A schema is made from the kind file and from what the API
//! contract says of its fields ([`crate::models`]), and refuses what `validate` refuses; it also
//! marks values and inner fields that the contract does not know, of which `validate` only warns.

mod component;
mod kind;
mod scaffold;

pub use component::{component, example, instance};
pub use kind::{kind, profile};
pub use scaffold::{BadName, scaffold};

/// The schema language.
pub const DRAFT: &str = "http://json-schema.org/draft-07/schema#";
