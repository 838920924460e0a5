//! External contacts, their organizations, and the systems that they come from.

use serde_json::Value;

use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Division, Filter, Kind, Style};
use crate::page;
use crate::refs::Ref;
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, Object, text};

const CONTACTS: Kind = Kind {
    key: &[],
    division: Division::Starrable,
    server: &["createDate", "modifyDate"],
    optional: &[
        "externalIds/[]/externalSource/name",
        "externalOrganization/name",
    ],
    ..Kind::PLAIN
};

const KINDS: &[Kind] = &[
    Kind {
        name: "external_source",
        path: "/api/v2/externalcontacts/externalsources",
        audit: ("", ""),
        duplicate: (409, "general.conflict"),
        style: Style::Cursor,
        filters: &[("active", Filter::Exact("active"))],
        defaults: r#"{"active": true}"#,
        ..Kind::PLAIN
    },
    Kind {
        name: "external_organization",
        path: "/api/v2/externalcontacts/organizations",
        audit: ("ExternalContacts", "ExternalOrg"),
        refs: &[Ref::to("externalIds[].externalSource", "external_source")],
        check: Some(check_numbers),
        ..CONTACTS
    },
    Kind {
        name: "external_contact",
        path: "/api/v2/externalcontacts/contacts",
        audit: ("ExternalContacts", "Contact"),
        refs: &[
            Ref::to("externalIds[].externalSource", "external_source"),
            Ref::to("externalOrganization", "external_organization").weak(),
        ],
        defaults: r#"{"surveyOptOut": false}"#,
        check: Some(check_numbers),
        ..CONTACTS
    },
];

/// Fields that hold a telephone number.
const NUMBERS: [&str; 6] = [
    "workPhone",
    "cellPhone",
    "homePhone",
    "otherPhone",
    "phoneNumber",
    "faxNumber",
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("GET", "/api/v2/externalcontacts/scan/contacts", scan);
    registry.on("GET", "/api/v2/externalcontacts/scan/organizations", scan);
}

/// Reads what was dialled: the service adds the number in E.164 and for the eye.
fn check_numbers(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    for name in NUMBERS {
        let Some(Value::Object(number)) = fields.get_mut(name) else {
            continue;
        };
        let input = match (text(number, "userInput"), text(number, "e164")) {
            ("", e164) => e164.to_owned(),
            (input, _) => input.to_owned(),
        };
        if !input.starts_with('+') {
            return Err(Refusal::invalid(name, "The number is not E.164."));
        }
        number.insert("e164".into(), input.clone().into());
        number.insert("display".into(), input.clone().into());
        number.insert("userInput".into(), input.into());
    }
    Ok(())
}

/// Lists everything there is; an ordinary list is cut by page numbers.
fn scan(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let name = match req.path.ends_with("/contacts") {
        true => "external_contact",
        false => "external_organization",
    };
    let kind = the_kind(name);
    let found = page::select(cx, req, kind)?;
    let shown = |(object, _): &(&Object, &Fields)| cx.show(kind.name, &object.id);
    page::cut(
        req,
        Style::Cursor,
        kind.max_page,
        kind.oversize,
        &found,
        shown,
    )
    .map(Reply::ok)
}
