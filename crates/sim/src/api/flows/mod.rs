//! Flows: shells, versions and locks; `import` and `export` are their jobs, `resolve` finds what
//! their sources name.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clock::spell;
use crate::crud::{self, Verb};
use crate::cx::{Caller, Cx};
use crate::error::{Answer, Refusal, Reply};
use crate::jobs::Work;
use crate::kind::{Deletion, Division, Filter, Kind, Oversize, Style};
use crate::page::{cut, hundreds, select};
use crate::refs::Ref;
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, Object, text};
use crate::world::Org;

mod export;
mod import;
mod resolve;

pub(crate) use import::publish;

/// The kinds that a flow keeps from being deleted.
const KEPT: &[(&str, &str)] = &[
    ("flow", "flow"),
    ("datatable", "datatable"),
    ("user_prompt", "user_prompt"),
];

const KINDS: &[Kind] = &[Kind {
    name: "flow",
    path: "/api/v2/flows",
    audit: ("Architect", "Flow"),
    key: &["type", "name"],
    duplicate: (409, "general.conflict"),
    division: Division::Object,
    // A data table goes in spite of a flow when it is forced to.
    refs: &[Ref::by_field("$holds[]", "kind", KEPT)],
    deletion: Deletion {
        soft: true,
        ..Deletion::PLAIN
    },
    defaults: r#"{"active": false, "system": false}"#,
    max_page: 500,
    lists_deleted: true,
    filters: &[
        ("includeSchemas", Filter::Ignored),
        ("description", Filter::Contains("description")),
        ("lockedByClientId", Filter::Reference("lockedClient")),
        ("lockedBy", Filter::Reference("lockedUser")),
    ],
    server: &[
        "lockedUser",
        "lockedClient",
        "active",
        "system",
        "deleted",
        "publishedVersion",
        "savedVersion",
        "checkedInVersion",
        "debugVersion",
        "publishedBy",
        "currentOperation",
    ],
    fixed: &["type"],
    check: Some(check),
    view: Some(view),
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    let flows = "/api/v2/flows";
    registry.on("GET", flows, list);
    registry.on("GET", &format!("{flows}/{{flowId}}"), read);
    registry.on("DELETE", &format!("{flows}/{{flowId}}"), delete);
    registry.on("GET", &format!("{flows}/{{flowId}}/versions"), versions);
    for (action, handler) in [
        ("checkout", checkout as crate::routes::Handler),
        ("checkin", checkin),
        ("revert", revert),
        ("unlock", unlock),
        ("publish", republish),
        ("deactivate", deactivate),
    ] {
        registry.on("POST", &format!("{flows}/actions/{action}"), handler);
    }
    import::register(registry);
    export::register(registry);
}

pub(crate) fn work_of(family: &str) -> Option<Work> {
    match family {
        import::IMPORT => Some(import::work),
        import::VALIDATE => Some(import::validate),
        export::EXPORT => Some(export::work),
        _ => None,
    }
}

fn kind() -> &'static Kind {
    the_kind("flow")
}

/// Refuses names that Architect refuses.
pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    let problem = if name.contains(['/', '\\']) {
        "must not contain a slash"
    } else if !name.chars().any(char::is_alphabetic) {
        "must contain a letter"
    } else {
        return Ok(());
    };
    Err(Refusal::invalid(
        "name",
        format!("The flow name [{name}] {problem}."),
    ))
}

fn check(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    check_name(text(fields, "name"))?;
    match old {
        Some(old) => check_unlocked(cx, old),
        None if text(fields, "type").is_empty() => {
            Err(
                Refusal::new(400, "required.field.missing", "The field type is required.")
                    .detail("required.field.missing", "type"),
            )
        }
        None => Ok(()),
    }
}

/// Names who has locked a flow.
fn lock_of(fields: &Fields) -> Option<&str> {
    ["lockedClient", "lockedUser"]
        .iter()
        .filter_map(|field| fields.get(*field)?.get("id")?.as_str())
        .next()
}

/// Refuses what another caller has locked.
fn check_unlocked(cx: &Cx<'_>, fields: &Fields) -> Result<(), Refusal> {
    match lock_of(fields) {
        Some(owner) if owner != cx.caller.id() && !matches!(cx.caller, Caller::Seed) => {
            Err(locked(owner))
        }
        _ => Ok(()),
    }
}

fn locked(owner: &str) -> Refusal {
    Refusal::new(
        409,
        "general.conflict",
        format!("The flow is locked by {owner}."),
    )
}

fn view(_: &Org, id: &str, shown: &mut Fields) {
    let deleted = shown.remove("state").is_some_and(|s| s == "deleted");
    shown.insert("deleted".into(), deleted.into());
    for version in ["publishedVersion", "checkedInVersion", "savedVersion"] {
        if let Some(Value::Object(version)) = shown.get_mut(version)
            && let Some(number) = version.get("id").and_then(Value::as_str)
        {
            let uri = format!("/api/v2/flows/{id}/versions/{number}");
            version.insert("selfUri".into(), uri.into());
        }
    }
}

fn list(cx: &mut Cx<'_>, req: &Req) -> Answer {
    const OWN: [&str; 4] = ["type", "deleted", "publishedAfter", "publishedBefore"];
    let types: Vec<&str> = req.queries("type").flat_map(|t| t.split(',')).collect();
    let bound = |name: &str| -> Result<Option<Timestamp>, Refusal> {
        req.query(name)
            .map(|at| {
                at.parse()
                    .map_err(|_| Refusal::invalid(name, format!("[{at}] is not a date and time.")))
            })
            .transpose()
    };
    let (after, before) = (bound("publishedAfter")?, bound("publishedBefore")?);
    let shows_deleted = req.flag("deleted");
    let rest = Req {
        operation: req.operation,
        path: req.path.clone(),
        params: Vec::new(),
        query: req
            .query
            .iter()
            .filter(|(name, _)| !OWN.contains(&name.as_str()))
            .cloned()
            .collect(),
        body: Value::Null,
    };
    let mut found = select(cx, &rest, kind())?;
    found.retain(|(_, fields)| {
        let published: Option<Timestamp> = fields
            .get("publishedVersion")
            .and_then(|version| version.get("datePublished")?.as_str()?.parse().ok());
        let is_wanted = |wanted: &&str| wanted.eq_ignore_ascii_case(text(fields, "type"));
        (types.is_empty() || types.iter().any(is_wanted))
            && (shows_deleted || text(fields, "state") != "deleted")
            && after.is_none_or(|after| published.is_some_and(|at| at > after))
            && before.is_none_or(|before| published.is_some_and(|at| at < before))
    });
    let shown = |(object, fields): &(&Object, &Fields)| {
        Value::Object(cx.org.view(kind(), &object.id, fields))
    };
    cut(req, Style::Offset, 500, Oversize::Refuse, &found, shown).map(Reply::ok)
}

fn read(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let fields = match req.flag("deleted") {
        true => &cx.find("flow", req.id())?.fields,
        false => &cx.find_live("flow", req.id())?.fields,
    };
    cx.check_division(fields)?;
    Ok(Reply::ok(cx.show("flow", req.id())))
}

fn delete(cx: &mut Cx<'_>, req: &Req) -> Answer {
    if let Some(owner) = lock_of(&cx.find_live("flow", req.id())?.fields) {
        return Err(locked(owner));
    }
    crud::serve(cx, req, kind(), Verb::Delete)
}

fn versions(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let flow = cx.find_live("flow", req.id())?;
    cx.check_division(&flow.fields)?;
    let versions: Vec<Value> = versions_of(&flow.fields)
        .rev()
        .map(|version| version["shown"].clone())
        .collect();
    hundreds(req, &versions, Value::clone)
}

/// Lists the published versions of a flow, oldest first: what is shown, the source, and what it
/// uses.
pub(crate) fn versions_of(fields: &Fields) -> impl DoubleEndedIterator<Item = &Value> {
    fields
        .get("$versions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Finds a published version: the one that is in force when none is named.
pub(crate) fn version_of<'f>(fields: &'f Fields, number: Option<&str>) -> Option<&'f Value> {
    let current = fields
        .get("publishedVersion")
        .and_then(|version| version.get("id")?.as_str());
    let number = number.filter(|n| !n.is_empty()).or(current)?;
    versions_of(fields)
        .rev()
        .find(|version| version["shown"]["id"] == number)
}

/// Gives the flow of an action with its fields.
fn acted_on(cx: &Cx<'_>, req: &Req) -> Result<(String, Fields), Refusal> {
    let id = req.query("flow").unwrap_or_default();
    let fields = cx.find_live("flow", &id)?.fields.clone();
    cx.check_division(&fields)?;
    Ok((id, fields))
}

fn done(cx: &mut Cx<'_>, id: &str, fields: Fields) -> Answer {
    cx.replace(kind(), id, fields);
    Ok(Reply::ok(cx.show("flow", id)))
}

/// Gives the operation that an asynchronous action answers with; it has succeeded at once.
fn operation(cx: &mut Cx<'_>, action: &str) -> Answer {
    let id = cx.org.new_id();
    Ok(Reply::with(
        202,
        json!({
            "id": id,
            "complete": true,
            "client": {"id": cx.caller.id()},
            "actionName": action,
            "actionStatus": "SUCCESS",
        }),
    ))
}

fn release(fields: &mut Fields) {
    fields.remove("lockedClient");
    fields.remove("lockedUser");
}

fn checkout(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let (id, mut fields) = acted_on(cx, req)?;
    check_unlocked(cx, &fields)?;
    fields.insert("lockedClient".into(), json!({"id": cx.caller.id()}));
    done(cx, &id, fields)
}

fn checkin(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let (id, mut fields) = acted_on(cx, req)?;
    check_holds(cx, &fields)?;
    release(&mut fields);
    cx.replace(kind(), &id, fields);
    operation(cx, "CHECKIN")
}

fn revert(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let (id, mut fields) = acted_on(cx, req)?;
    check_holds(cx, &fields)?;
    release(&mut fields);
    done(cx, &id, fields)
}

/// Refuses a caller that has not locked the flow.
fn check_holds(cx: &Cx<'_>, fields: &Fields) -> Result<(), Refusal> {
    match lock_of(fields) {
        Some(owner) if owner == cx.caller.id() => Ok(()),
        Some(owner) => Err(locked(owner)),
        None => Err(Refusal::new(
            409,
            "general.conflict",
            "The flow is not checked out.",
        )),
    }
}

fn unlock(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let (id, mut fields) = acted_on(cx, req)?;
    release(&mut fields);
    done(cx, &id, fields)
}

/// Publishes an earlier version once more, or the last one.
fn republish(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let (id, mut fields) = acted_on(cx, req)?;
    check_unlocked(cx, &fields)?;
    let asked = req.query("version");
    let version = match asked.as_deref().filter(|v| !v.is_empty()) {
        Some(number) => version_of(&fields, Some(number)),
        None => versions_of(&fields).next_back(),
    };
    let version = version
        .cloned()
        .ok_or_else(|| Refusal::bad_request("The flow has no such version to publish."))?;
    release(&mut fields);
    import::add_version(cx, &mut fields, &version);
    cx.replace(kind(), &id, fields);
    operation(cx, "PUBLISH")
}

fn deactivate(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let (id, mut fields) = acted_on(cx, req)?;
    check_unlocked(cx, &fields)?;
    // What is not in force uses nothing.
    fields.remove("publishedVersion");
    fields.remove("$holds");
    fields.insert("active".into(), false.into());
    done(cx, &id, fields)
}

/// Makes the message of a job as Architect does.
fn message(cx: &Cx<'_>, sort: &str, text: impl Into<String>) -> Value {
    json!({"dateTime": spell(cx.now), "type": sort, "text": text.into()})
}
