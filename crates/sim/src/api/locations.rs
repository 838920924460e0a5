//! Locations.

use serde_json::{Value, json};

use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal};
use crate::kind::{Deletion, Kind, Version};
use crate::refs::Ref;
use crate::routes::{Registry, Req, the_kind};
use crate::search;
use crate::store::Fields;

const KINDS: &[Kind] = &[Kind {
    name: "location",
    path: "/api/v2/locations",
    audit: ("Directory", "Location"),
    duplicate: (409, "general.conflict"),
    version: Version::Directory,
    state: true,
    refs: &[
        Ref::to("path[]", "location"),
        Ref::to("contactUser", "user").weak(),
    ],
    deletion: Deletion {
        soft: true,
        ..Deletion::PLAIN
    },
    defaults: r#"{"path": [], "addressVerified": false, "addressStored": false}"#,
    prepare: Some(prepare),
    check: Some(check),
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("POST", "/api/v2/locations/search", find);
}

fn prepare(fields: &mut Fields) {
    crud::reference_from(fields, "contactUser", "contactUser");
}

fn check(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let number = |fields: &Fields| fields.get("emergencyNumber").cloned();
    let address = |fields: &Fields| fields.get("address").cloned();
    if let Some(old) = old
        && number(old).is_some()
        && number(fields).is_some()
        && address(old) != address(fields)
    {
        return Err(Refusal::invalid(
            "address",
            "The address cannot be changed while the location has an emergency number.",
        ));
    }
    if let Some(Value::Object(number)) = fields.get_mut("emergencyNumber") {
        let e164 = number.get("e164").cloned();
        if let Some(e164) = e164 {
            number.entry("number").or_insert(e164);
        }
        number.entry("type").or_insert_with(|| json!("default"));
    }
    Ok(())
}

fn find(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let kind = the_kind("location");
    search::search(cx, req, kind, |object, fields| {
        cx.org.view(kind, &object.id, fields).into()
    })
}
