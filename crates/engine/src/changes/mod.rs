//! Asks an org what changed in it, and who did it.
//!
//! The words of the sources are read by `core::changes`; here is what costs calls. [`who()`] finds the
//! last author of given objects.

mod audits;
mod who;

pub use audits::Unasked;
pub use who::{Who, who};
