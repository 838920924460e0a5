//! The families: one file each, with its rows of kinds and its handlers.
//!
//! A family has `KINDS`, `register` (handlers beyond plain CRUD) and, if an org is born with
//! some of its objects, `furnish`.

use jiff::Timestamp;

use crate::routes::Registry;
use crate::world::Org;

mod authorization;
mod organizations;
mod routing;

/// Makes every family known.
pub(crate) fn register(registry: &mut Registry) {
    authorization::register(registry);
    organizations::register(registry);
    routing::register(registry);
}

/// Gives a new org what every org is born with.
pub(crate) fn furnish(org: &mut Org, now: Timestamp) {
    authorization::furnish(org, now);
}
