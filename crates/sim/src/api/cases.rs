//! Case plans: drafts until they are published, and drafts again by a new version.

use serde_json::{Value, json};

use crate::audit;
use crate::clock::spell;
use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Deletion, Division, Filter, Kind, Style};
use crate::refs::Ref;
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, text};

const PLANS: &str = "/api/v2/casemanagement/caseplans";

const KINDS: &[Kind] = &[Kind {
    name: "caseplan",
    path: PLANS,
    audit: ("", ""),
    duplicate: (409, "general.conflict"),
    style: Style::Cursor,
    max_page: 200,
    division: Division::Starrable,
    refs: &[
        Ref::to("defaultCaseOwner", "user"),
        Ref::to("customerIntent", "customer_intent"),
    ],
    filters: &[
        ("customerIntentId", Filter::Reference("customerIntent")),
        ("divisionIds", Filter::Reference("division")),
    ],
    server: &["latest", "published", "versionState", "datePublished"],
    write_only: &["intakeSettings", "dataSchemas"],
    deletion: Deletion {
        status: 200,
        ..Deletion::PLAIN
    },
    defaults: r#"{"defaultDueDurationInSeconds": 604800, "defaultTtlSeconds": 2592000, "latest": 1,
        "versionState": "Draft", "intakeSettings": [], "dataSchemas": []}"#,
    prepare: Some(prepare_plan),
    check: Some(check_plan),
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    let plan = format!("{PLANS}/{{caseplanId}}");
    registry.on("POST", &format!("{plan}/publish"), publish);
    registry.on("POST", &format!("{plan}/versions"), new_version);
    registry.on("PUT", &format!("{plan}/intakesettings"), set_intake);
    let version = format!("{plan}/versions/{{versionId}}");
    registry.on("GET", &format!("{version}/intakesettings"), intake);
    registry.on("GET", &format!("{version}/dataschemas"), schemas);
}

fn prepare_plan(fields: &mut Fields) {
    crud::reference_from(fields, "divisionId", "division");
    crud::reference_from(fields, "defaultCaseOwnerId", "defaultCaseOwner");
    crud::reference_from(fields, "customerIntentId", "customerIntent");
}

/// Only a draft can be changed.
fn check_plan(
    _: &mut Cx<'_>,
    _: &Req,
    _: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    old.map_or(Ok(()), is_draft)
}

fn is_draft(fields: &Fields) -> Result<(), Refusal> {
    match text(fields, "versionState") {
        "Draft" => Ok(()),
        _ => Err(Refusal::new(
            409,
            "general.conflict",
            "The latest version of the case plan is published.",
        )),
    }
}

fn write(cx: &mut Cx<'_>, id: &str, action: &str, fields: Fields) -> Reply {
    let kind = the_kind("caseplan");
    cx.replace(kind, id, fields);
    audit::note(cx, kind.audit, action, id, "", Vec::new());
    Reply::ok(cx.show("caseplan", id))
}

fn publish(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("caseplanId").to_owned();
    let mut fields = cx.find_live("caseplan", &id)?.fields.clone();
    is_draft(&fields)?;
    fields.insert("published".into(), fields["latest"].clone());
    fields.insert("versionState".into(), json!("Published"));
    fields.insert("datePublished".into(), json!(spell(cx.now)));
    Ok(write(cx, &id, "Publish", fields))
}

fn new_version(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("caseplanId").to_owned();
    let mut fields = cx.find_live("caseplan", &id)?.fields.clone();
    if is_draft(&fields).is_ok() {
        let text = "The latest version of the case plan is a draft already.";
        return Err(Refusal::new(409, "general.conflict", text));
    }
    let latest = fields["latest"].as_u64().unwrap_or(1) + 1;
    fields.insert("latest".into(), json!(latest));
    fields.insert("versionState".into(), json!("Draft"));
    Ok(write(cx, &id, "Update", fields))
}

fn set_intake(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("caseplanId").to_owned();
    let mut fields = cx.find_live("caseplan", &id)?.fields.clone();
    is_draft(&fields)?;
    let settings = req.body["intakeSettings"].clone();
    fields.insert("intakeSettings".into(), settings.clone());
    write(cx, &id, "Update", fields);
    Ok(Reply::ok(json!({"entities": settings})))
}

/// The simulator keeps the latest version only.
fn of_version(cx: &Cx<'_>, req: &Req, field: &str) -> Answer {
    let id = req.param("caseplanId");
    let plan = cx.find_live("caseplan", id)?;
    let latest = plan.fields["latest"].to_string();
    if req.param("versionId") != latest {
        return Err(Refusal::not_found(
            "caseplan version",
            req.param("versionId"),
        ));
    }
    let entities: Value = plan.fields[field].clone();
    Ok(Reply::ok(json!({"entities": entities})))
}

fn intake(cx: &mut Cx<'_>, req: &Req) -> Answer {
    of_version(cx, req, "intakeSettings")
}

fn schemas(cx: &mut Cx<'_>, req: &Req) -> Answer {
    of_version(cx, req, "dataSchemas")
}
