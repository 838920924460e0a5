//! Asks an org what changed in it, and who did it.
//!
//! The words of the sources are read by `core::changes`; here is what costs calls. [`poll()`] asks the
//! audits what is new, [`listen()`] hears of changes as they are made, [`reread()`] reads just the objects that changes are about, and [`who()`] finds
//! the last author of given objects.

mod audits;
mod listen;
mod poll;
mod reread;
mod who;

pub use audits::Unasked;
pub use listen::{Listener, Told, listen};
pub use poll::{Polled, poll};
pub use reread::{Reread, reread};
pub use who::{Who, who};
