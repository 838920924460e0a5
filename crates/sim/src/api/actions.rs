//! Data actions: published ones, drafts, and those that every org is born with.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::functions::{self, FUNCTION};
use crate::api::integrations::is_ready;
use crate::audit;
use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Filter, Kind, Oversize, Style, Version};
use crate::page::{self, cut, hundreds};
use crate::refs::Ref;
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, Object, text};
use crate::world::Org;

pub(super) const ACTIONS: &str = "/api/v2/integrations/actions";

const KINDS: &[Kind] = &[Kind {
    name: "action",
    path: "/api/v2/integrations/actions",
    audit: ("Integrations", "Action"),
    // Two actions may have the same category and name.
    key: &[],
    version: Version::Number,
    refs: &[Ref {
        missing: (400, "bad.request"),
        ..Ref::to("integrationId", "integration")
    }],
    defaults: r#"{"secure": false}"#,
    filters: &[
        ("category", Filter::Exact("category")),
        ("name", Filter::Contains("name")),
        ("secure", Filter::Exact("secure")),
        ("includeConfig", Filter::Ignored),
        ("includeAuthActions", Filter::Ignored),
        ("ids", Filter::Ignored),
    ],
    check: Some(check),
    may_delete: Some(is_own),
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    let one = format!("{ACTIONS}/{{actionId}}");
    registry.on("GET", ACTIONS, list);
    registry.on("POST", ACTIONS, create);
    registry.on("GET", &format!("{ACTIONS}/categories"), categories);
    registry.on("GET", &format!("{ACTIONS}/drafts"), list_drafts);
    registry.on("POST", &format!("{ACTIONS}/drafts"), create_draft);
    registry.on("GET", &one, read);
    registry.on("PATCH", &one, patch);
    registry.on("GET", &format!("{one}/templates/{{fileName}}"), template);
    registry.on("GET", &format!("{one}/schemas/{{fileName}}"), schema);
    registry.on("GET", &format!("{one}/draft"), read_draft);
    registry.on("POST", &format!("{one}/draft"), start_draft);
    registry.on("PATCH", &format!("{one}/draft"), patch_draft);
    registry.on("DELETE", &format!("{one}/draft"), drop_draft);
    registry.on("GET", &format!("{one}/draft/validation"), validate_draft);
    registry.on("POST", &format!("{one}/draft/publish"), publish);
}

pub(crate) fn furnish(org: &mut Org, now: Timestamp) {
    let text =
        |property: &str| json!({"type": "object", "properties": {property: {"type": "string"}}});
    for (id, name) in [
        ("static-7f6c2b1e-find-queue", "Find Queue"),
        ("static-7f6c2b1e-find-user", "Find User"),
    ] {
        let action = json!({
            "name": name,
            "category": "Genesys Cloud",
            "secure": false,
            "version": 1,
            "$published": true,
            "contract": {
                "input": {"inputSchema": text("name")},
                "output": {"successSchema": text("id")},
            },
            "config": {
                "request": {"requestType": "GET", "requestUrlTemplate": "/api/v2/find", "requestTemplate": "${input.rawRequest}"},
                "response": {"successTemplate": "${rawResult}"},
            },
        });
        org.place("action", id, action, now);
    }
}

fn kind() -> &'static Kind {
    the_kind("action")
}

fn is_static(id: &str) -> bool {
    id.starts_with("static")
}

fn is_own(_: &Cx<'_>, req: &Req, _: &Fields) -> Result<(), Refusal> {
    match is_static(req.id()) {
        true => Err(Refusal::bad_request("A built-in action cannot be changed.")),
        false => Ok(()),
    }
}

fn check(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    for name in ["name", "category"] {
        let length = text(fields, name).chars().count();
        if !(1..=256).contains(&length) {
            return Err(Refusal::invalid(
                name,
                format!("The {name} must have 1 to 256 characters."),
            ));
        }
    }
    let integration = text(fields, "integrationId");
    if old.is_none()
        && cx.org.store.get("integration", integration).is_some()
        && !is_ready(cx, integration)
    {
        return Err(Refusal::bad_request(format!(
            "The integration {integration} is not ready yet."
        )));
    }
    if fields.get("$published") == Some(&Value::Bool(true))
        && let Some(problem) = problem_of(cx, fields)
    {
        return Err(Refusal::bad_request(problem));
    }
    Ok(())
}

/// Tells what keeps an action from being published.
fn problem_of(cx: &Cx<'_>, fields: &Fields) -> Option<String> {
    problem_of_config(fields).or_else(|| functions::problem_of(cx, fields))
}

fn problem_of_config(fields: &Fields) -> Option<String> {
    let contract = fields.get("contract").cloned().unwrap_or_default();
    for (place, schema) in [
        (
            "contract.input.inputSchema",
            &contract["input"]["inputSchema"],
        ),
        (
            "contract.output.successSchema",
            &contract["output"]["successSchema"],
        ),
    ] {
        match schema["type"].as_str() {
            Some("object" | "array" | "string" | "integer" | "number" | "boolean") => {}
            _ => return Some(format!("{place} is not a JSON schema.")),
        }
    }
    let config = fields.get("config").cloned().unwrap_or_default();
    for (place, template) in [
        (
            "config.request.requestUrlTemplate",
            &config["request"]["requestUrlTemplate"],
        ),
        (
            "config.request.requestTemplate",
            &config["request"]["requestTemplate"],
        ),
        (
            "config.response.successTemplate",
            &config["response"]["successTemplate"],
        ),
    ] {
        let template = template.as_str().unwrap_or("");
        if template.matches("${").count() > template.matches('}').count() {
            return Some(format!("{place} has a placeholder that is not closed."));
        }
    }
    let method = config["request"]["requestType"].as_str().unwrap_or("");
    match ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method) {
        true => None,
        false => Some("config.request.requestType is not an HTTP method.".to_owned()),
    }
}

fn is_published(fields: &Fields) -> bool {
    fields.get("$published") == Some(&Value::Bool(true))
}

/// Shows an action with or without what only some reads give.
fn show(cx: &Cx<'_>, req: &Req, id: &str, fields: &Fields) -> Value {
    let mut shown = cx.org.view(kind(), id, fields);
    let wants_contract = req.query("expand").as_deref() == Some("contract");
    if !wants_contract {
        shown.remove("contract");
    }
    if !req.flag("includeConfig") && req.operation.method == "GET" && !wants_contract {
        shown.remove("config");
    }
    if let Some(config) = shown.get_mut("config") {
        let uri = format!("{ACTIONS}/{id}/templates");
        config["request"]["requestTemplateUri"] = format!("{uri}/requesttemplate.vm").into();
        config["response"]["successTemplateUri"] = format!("{uri}/successtemplate.vm").into();
    }
    shown.into()
}

/// Finds an action that is published.
pub(super) fn published<'c>(cx: &'c Cx<'_>, id: &str) -> Result<&'c Object, Refusal> {
    cx.find("action", id)
        .and_then(|action| match is_published(&action.fields) {
            true => Ok(action),
            false => Err(Refusal::not_found("action", id)),
        })
}

fn page_of(cx: &Cx<'_>, req: &Req, of_drafts: bool) -> Answer {
    let ids = req.query("ids").unwrap_or_default();
    let ids: Vec<&str> = ids.split(',').filter(|id| !id.is_empty()).collect();
    let mut found = page::select(cx, req, kind())?;
    found.retain(|(object, fields)| {
        let right = match of_drafts {
            true => fields.contains_key("$draft"),
            false => is_published(fields),
        };
        right && (ids.is_empty() || ids.contains(&object.id.as_str()))
    });
    let shown = |(object, fields): &(&Object, &Fields)| match of_drafts {
        true => show(cx, req, &object.id, &draft_fields(fields)),
        false => show(cx, req, &object.id, fields),
    };
    hundreds(req, &found, shown)
}

fn list(cx: &mut Cx<'_>, req: &Req) -> Answer {
    page_of(cx, req, false)
}

fn categories(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let names: BTreeSet<&str> = cx
        .org
        .store
        .all("action")
        .filter(|action| is_published(&action.fields))
        .map(|action| action.text("category"))
        .collect();
    let names: Vec<&str> = names.into_iter().collect();
    cut(
        req,
        Style::Offset,
        100,
        Oversize::Refuse,
        &names,
        |name| json!({ "name": name }),
    )
    .map(Reply::ok)
}

fn create(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let mut fields = crud::body_fields(&req.body);
    fields.insert("$published".into(), true.into());
    let id = crud::insert(cx, req, kind(), fields)?;
    let fields = cx
        .org
        .store
        .get("action", &id)
        .map(|action| action.fields.clone());
    Ok(Reply::ok(show(cx, req, &id, &fields.unwrap_or_default())))
}

fn read(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let action = published(cx, req.id())?;
    Ok(Reply::ok(show(cx, req, &action.id, &action.fields)))
}

fn patch(cx: &mut Cx<'_>, req: &Req) -> Answer {
    published(cx, req.id())?;
    is_own(cx, req, &Fields::new())?;
    crud::serve(cx, req, kind(), crud::Verb::Merge)?;
    let action = published(cx, req.id())?;
    Ok(Reply::ok(show(cx, req, &action.id, &action.fields)))
}

fn template(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let action = published(cx, req.param("actionId"))?;
    let config = action.fields.get("config").cloned().unwrap_or_default();
    let template = match req.param("fileName") {
        "requesttemplate.vm" => &config["request"]["requestTemplate"],
        "successtemplate.vm" => &config["response"]["successTemplate"],
        other => return Err(Refusal::not_found("template", other)),
    };
    Ok(Reply::text(template.as_str().unwrap_or("")))
}

fn schema(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let action = published(cx, req.param("actionId"))?;
    let contract = action.fields.get("contract").cloned().unwrap_or_default();
    match req.param("fileName") {
        "input.json" => Ok(Reply::ok(contract["input"]["inputSchema"].clone())),
        "success.json" => Ok(Reply::ok(contract["output"]["successSchema"].clone())),
        other => Err(Refusal::not_found("schema", other)),
    }
}

// Drafts

/// Gives an action as its draft would make it.
fn draft_fields(fields: &Fields) -> Fields {
    let mut whole = fields.clone();
    if let Some(Value::Object(draft)) = whole.remove("$draft") {
        whole.extend(draft);
    }
    whole
}

pub(super) fn draft(cx: &Cx<'_>, id: &str) -> Result<Fields, Refusal> {
    let action = cx.find("action", id)?;
    match action.fields.get("$draft") {
        Some(Value::Object(draft)) => Ok(draft.clone()),
        _ => Err(Refusal::not_found("draft of the action", id)),
    }
}

pub(super) fn keep_draft(cx: &mut Cx<'_>, id: &str, draft: Option<Fields>) {
    let action = if draft.is_some() { "Update" } else { "Delete" };
    if let Some(fields) = cx.org.store.fields_mut("action", id) {
        match draft {
            Some(draft) => fields.insert("$draft".into(), draft.into()),
            None => fields.remove("$draft"),
        };
    }
    cx.touched = Some(id.to_owned());
    audit::note(
        cx,
        ("Integrations", "ActionDraft"),
        action,
        id,
        "",
        Vec::new(),
    );
}

fn show_draft(cx: &Cx<'_>, req: &Req, id: &str) -> Answer {
    let fields = &cx.find_stored(id)?.fields;
    Ok(Reply::ok(show(cx, req, id, &draft_fields(fields))))
}

impl Cx<'_> {
    fn find_stored(&self, id: &str) -> Result<&Object, Refusal> {
        let action = self.org.store.get("action", id);
        action.ok_or_else(|| Refusal::not_found("action", id))
    }
}

fn list_drafts(cx: &mut Cx<'_>, req: &Req) -> Answer {
    page_of(cx, req, true)
}

fn create_draft(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let mut fields = crud::body_fields(&req.body);
    fields.insert("$published".into(), false.into());
    let mut draft: Fields = fields.clone();
    draft.retain(|name, _| {
        ["name", "category", "config", "contract", "secure"].contains(&name.as_str())
    });
    draft.insert("version".into(), 1.into());
    fields.insert("$draft".into(), draft.into());
    let id = crud::insert(cx, req, kind(), fields)?;
    show_draft(cx, req, &id)
}

fn read_draft(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("actionId");
    draft(cx, id)?;
    show_draft(cx, req, id)
}

fn start_draft(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("actionId").to_owned();
    is_own(cx, req, &Fields::new())?;
    let mut copy = published(cx, &id)?.fields.clone();
    if copy.contains_key("$draft") {
        return Err(Refusal::new(
            409,
            "general.conflict",
            "The action has a draft already.",
        ));
    }
    copy.retain(|name, _| {
        [
            "name", "category", "config", "contract", "secure", "version", FUNCTION,
        ]
        .contains(&name.as_str())
    });
    keep_draft(cx, &id, Some(copy));
    show_draft(cx, req, &id)
}

fn check_draft_version(draft: &Fields, body: &Value) -> Result<i64, Refusal> {
    let current = draft.get("version").and_then(Value::as_i64).unwrap_or(1);
    match body["version"].as_i64() {
        Some(version) if version == current => Ok(current),
        _ => Err(Refusal::new(
            409,
            "general.conflict",
            format!("The version of the draft is {current}."),
        )),
    }
}

fn patch_draft(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("actionId").to_owned();
    let mut draft = draft(cx, &id)?;
    let current = check_draft_version(&draft, &req.body)?;
    draft.extend(crud::body_fields(&req.body));
    draft.insert("version".into(), (current + 1).into());
    keep_draft(cx, &id, Some(draft));
    show_draft(cx, req, &id)
}

fn drop_draft(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("actionId").to_owned();
    draft(cx, &id)?;
    match is_published(&cx.find_stored(&id)?.fields) {
        true => keep_draft(cx, &id, None),
        false => cx.remove(kind(), &id),
    }
    Ok(Reply::empty(204))
}

fn validate_draft(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("actionId");
    let draft = draft(cx, id)?;
    functions::caught_up(cx, id, &draft);
    let problem = problem_of(cx, &draft_fields(&cx.find_stored(id)?.fields));
    let errors: Vec<Value> = problem
        .iter()
        .map(|problem| json!({"message": problem, "code": "bad.request", "status": 400}))
        .collect();
    Ok(Reply::ok(
        json!({"valid": errors.is_empty(), "errors": errors}),
    ))
}

fn publish(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("actionId").to_owned();
    let draft = draft(cx, &id)?;
    let current = check_draft_version(&draft, &req.body)?;
    functions::caught_up(cx, &id, &draft);
    let old = cx.find_stored(&id)?.fields.clone();
    let mut fields = draft_fields(&old);
    if let Some(problem) = problem_of(cx, &fields) {
        return Err(Refusal::bad_request(problem));
    }
    let was = old.get("version").and_then(Value::as_i64).unwrap_or(0);
    fields.insert("version".into(), (current.max(was) + 1).into());
    fields.insert("$published".into(), true.into());
    cx.replace(kind(), &id, fields);
    let fields = cx.find_stored(&id)?.fields.clone();
    Ok(Reply::with(202, show(cx, req, &id, &fields)))
}
