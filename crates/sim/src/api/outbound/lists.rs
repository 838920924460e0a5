//! What campaigns work on: templates and filters of contact lists, do-not-call lists, files.

use serde_json::Value;

use super::{OUTBOUND, check_contact_list, columns, in_use};
use crate::cx::Cx;
use crate::error::Refusal;
use crate::kind::{Division, Kind};
use crate::refs::{Ref, id_of};
use crate::routes::Req;
use crate::store::{Fields, text};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "contact_list_template",
        path: "/api/v2/outbound/contactlisttemplates",
        audit: ("Outbound", "ContactListTemplate"),
        refs: &[Ref::to("attemptLimits", "attempt_limit").missing(400, "attempt.limits.not.found")],
        deletion: in_use("referential.integrity.error"),
        defaults: r#"{"phoneColumns": [], "emailColumns": [], "whatsAppColumns": [], "previewModeColumnName": "",
            "previewModeAcceptedValues": [], "automaticTimeZoneMapping": false, "trimWhitespace": false,
            "columnDataTypeSpecifications": []}"#,
        check: Some(check_contact_list),
        ..OUTBOUND
    },
    Kind {
        name: "contact_list_filter",
        path: "/api/v2/outbound/contactlistfilters",
        audit: ("Outbound", "ContactListFilter"),
        refs: &[
            Ref::to("contactList", "contact_list").missing(400, "contact.list.not.found"),
            Ref::to("contactListTemplate", "contact_list_template")
                .missing(400, "contact.list.template.not.found"),
        ],
        deletion: in_use("contact.list.filter.in.use"),
        defaults: r#"{"sourceType": "ContactList", "clauses": [], "filterType": "AND"}"#,
        check: Some(check_filter),
        ..OUTBOUND
    },
    Kind {
        name: "dnc_list",
        path: "/api/v2/outbound/dnclists",
        audit: ("Outbound", "DNCList"),
        division: Division::Movable,
        deletion: in_use("referential.integrity.error"),
        fixed: &["dncSourceType", "customExclusionColumn"],
        check: Some(check_dnc_list),
        ..OUTBOUND
    },
    Kind {
        name: "file_specification_template",
        path: "/api/v2/outbound/filespecificationtemplates",
        audit: ("Outbound", "FileSpecificationTemplate"),
        deletion: in_use("referential.integrity.error"),
        defaults: r#"{"numberOfHeadingLinesSkipped": 0, "numberOfTrailingLinesSkipped": 0, "header": true,
            "columnInformation": [], "preprocessingRules": []}"#,
        check: Some(check_file),
        ..OUTBOUND
    },
];

/// A filter is of a list or of a template, and looks at columns that are there.
fn check_filter(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let (field, kind, other) = match text(fields, "sourceType") {
        "ContactListTemplate" => (
            "contactListTemplate",
            "contact_list_template",
            "contactList",
        ),
        _ => ("contactList", "contact_list", "contactListTemplate"),
    };
    if fields.get(other).and_then(id_of).is_some() {
        return Err(Refusal::invalid(other, "The source is of another type."));
    }
    let Some(id) = fields.get(field).and_then(id_of) else {
        return Err(Refusal::invalid(field, "A filter needs its source."));
    };
    let Some(list) = cx.org.store.get(kind, id) else {
        return Ok(()); // refused with the references
    };
    let clauses = fields.get("clauses").and_then(Value::as_array);
    for clause in clauses.into_iter().flatten() {
        for predicate in clause["predicates"].as_array().into_iter().flatten() {
            let column = predicate["column"].as_str().unwrap_or_default();
            if !columns(&list.fields).contains(&column) {
                return Err(Refusal::invalid(
                    "clauses",
                    format!("There is no column {column}."),
                ));
            }
        }
    }
    Ok(())
}

/// Each source of a do-not-call list needs what it is reached with.
fn check_dnc_list(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let source = text(fields, "dncSourceType").to_owned();
    let needed = match source.as_str() {
        "dnc.com" => "loginId",
        "gryphon" => "licenseId",
        "rds_custom" => "customExclusionColumn",
        _ => "contactMethod",
    };
    if text(fields, needed).is_empty() {
        return Err(Refusal::invalid(
            needed,
            format!("A list of {source} needs it."),
        ));
    }
    Ok(())
}

fn check_file(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let needed = match (text(fields, "format"), text(fields, "delimiter")) {
        ("Delimited", "") => "delimiter",
        ("Delimited", "Custom") if text(fields, "delimiterValue").is_empty() => "delimiterValue",
        _ => return Ok(()),
    };
    Err(Refusal::invalid(needed, "The format needs it."))
}
