//! Skills and wrap-up codes.

use crate::kind::{Division, Kind};
use crate::routes::Registry;

const KINDS: &[Kind] = &[Kind {
    name: "wrapup_code",
    path: "/api/v2/routing/wrapupcodes",
    audit: ("ContactCenter", "WrapupCode"),
    division: Division::Movable,
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
}
