//! Divisions.

use jiff::Timestamp;
use serde_json::json;

use crate::kind::Kind;
use crate::routes::Registry;
use crate::world::Org;

const KINDS: &[Kind] = &[Kind {
    name: "division",
    path: "/api/v2/authorization/divisions",
    audit: ("PeoplePermissions", "Division"),
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
}

pub(crate) fn furnish(org: &mut Org, now: Timestamp) {
    let id = org.new_id();
    let name = org.spec.home_division_name.clone();
    org.place(
        "division",
        &id,
        json!({"name": name, "description": "", "homeDivision": true}),
        now,
    );
}
