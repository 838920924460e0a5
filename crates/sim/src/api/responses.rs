//! Libraries of canned responses, the responses in them, and the files that go with those.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Division, Filter, Kind, Version};
use crate::page;
use crate::refs::{Ref, id_of};
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, text};

const KINDS: &[Kind] = &[
    Kind {
        name: "response_library",
        path: "/api/v2/responsemanagement/libraries",
        audit: ("ResponseManagement", "ResponseLibrary"),
        duplicate: (409, "general.conflict"),
        version: Version::Number,
        division: Division::Object,
        filters: &[
            ("libraryPrefix", Filter::Prefix("name")),
            ("messagingTemplateFilter", Filter::Ignored),
        ],
        fixed: &["responseType"],
        ..Kind::PLAIN
    },
    Kind {
        name: "response",
        path: "/api/v2/responsemanagement/responses",
        audit: ("ResponseManagement", "Response"),
        key: &[],
        version: Version::Number,
        refs: &[
            Ref::to("libraries[]", "response_library"),
            Ref::to("assets[]", "response_asset"),
            Ref::to(
                "messagingTemplate.whatsApp.integrationId",
                "whatsapp_integration",
            ),
        ],
        filters: &[("libraryId", Filter::Reference("libraries[]"))],
        defaults: r#"{"substitutions": [], "assets": []}"#,
        fixed: &["libraries", "responseType"],
        check: Some(check_response),
        ..Kind::PLAIN
    },
    Kind {
        name: "response_asset",
        path: "/api/v2/responsemanagement/responseassets",
        audit: ("ResponseManagement", "ResponseAsset"),
        duplicate: (409, "general.conflict"),
        division: Division::Movable,
        server: &["contentLength", "contentLocation", "contentType"],
        prepare: Some(prepare_asset),
        ..Kind::PLAIN
    },
];

const ASSETS: &str = "/api/v2/responsemanagement/responseassets";

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("POST", &format!("{ASSETS}/search"), search);
    registry.on("POST", &format!("{ASSETS}/uploads"), offer);
    registry.on("GET", &format!("{ASSETS}/status/{{statusId}}"), status);
    registry.on("GET", "/api/v2/responsemanagement/responses", responses);
}

fn check_response(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let libraries = fields.get("libraries").and_then(|list| list.as_array());
    let [library] = libraries.map_or(&[][..], Vec::as_slice) else {
        return Err(Refusal::invalid(
            "libraries",
            "A response belongs to one library.",
        ));
    };
    let library = id_of(library).and_then(|id| cx.org.store.get("response_library", id));
    if library.is_some_and(|library| library.text("responseType") != text(fields, "responseType")) {
        return Err(Refusal::invalid(
            "responseType",
            "The library holds responses of another type.",
        ));
    }
    let kinds = fields.get("texts").and_then(|texts| texts.as_array());
    for item in kinds.into_iter().flatten() {
        if item["type"] == "subject" && item["contentType"] == "text/html" {
            return Err(Refusal::invalid("texts", "A subject is plain text."));
        }
    }
    Ok(())
}

/// Lists the responses of one library, which must be there.
fn responses(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let library = req.query("libraryId").unwrap_or_default();
    cx.find("response_library", &library)?;
    let kind = the_kind("response");
    crud::serve(cx, req, kind, crud::Verb::List)
}

fn prepare_asset(fields: &mut Fields) {
    crud::reference_from(fields, "divisionId", "division");
}

/// Makes an asset that has no content yet, and the place where that goes.
fn offer(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let kind = the_kind("response_asset");
    let mut fields = crud::body_fields(&req.body);
    prepare_asset(&mut fields);
    fields.insert("$status".into(), "InProgress".into());
    let id = crud::insert(cx, req, kind, fields)?;
    let url = cx.upload(&id, uploaded);
    Ok(Reply::ok(json!({"id": id, "url": url, "headers": {}})))
}

fn uploaded(cx: &mut Cx<'_>, id: &str, content: &Bytes) -> Result<(), Refusal> {
    cx.find("response_asset", id)?;
    let url = cx.download(content.clone(), "application/octet-stream");
    if let Some(fields) = cx.org.store.fields_mut("response_asset", id) {
        fields.insert("$status".into(), "Uploaded".into());
        fields.insert("contentLength".into(), content.len().into());
        fields.insert("contentLocation".into(), url.into());
        fields.insert("contentType".into(), "application/octet-stream".into());
    }
    Ok(())
}

fn status(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let asset = cx.find("response_asset", req.id())?;
    let status = asset.text("$status").to_owned();
    Ok(Reply::ok(json!({"id": req.id(), "status": status})))
}

/// Finds assets that have their content; the criteria of the query are not looked at.
fn search(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let kind = the_kind("response_asset");
    let asked = |field: &str, most: u64| match req.body[field].as_u64() {
        Some(0) => Err(Refusal::invalid(field, "must be 1 or more")),
        Some(number) if number > most => Err(Refusal::invalid(field, "is too large")),
        number => Ok(number),
    };
    let size = asked("pageSize", 100)?.unwrap_or(25) as usize;
    let number = asked("pageNumber", u64::MAX)?.unwrap_or(1) as usize;
    let found: Vec<Value> = page::select(cx, req, kind)?
        .into_iter()
        .filter(|(_, fields)| text(fields, "$status") == "Uploaded")
        .map(|(object, fields)| Value::Object(cx.org.view(kind, &object.id, fields)))
        .collect();
    let rows: Vec<&Value> = found.iter().skip((number - 1) * size).take(size).collect();
    Ok(Reply::ok(json!({
        "results": rows,
        "total": found.len(),
        "pageSize": size,
        "pageNumber": number,
        "pageCount": found.len().div_ceil(size),
    })))
}
