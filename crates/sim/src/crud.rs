//! Plain objects: list, create, read, replace, merge and delete, as a row of the table says.

use serde_json::Value;

use crate::api::check_limit;
use crate::cx::{Caller, Cx};
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{AT, Division, Kind, Version};
use crate::page;
use crate::refs::id_of;
use crate::routes::{Req, registry};
use crate::store::{Fields, text};
use crate::world::stamp;

/// Names what an operation does to a collection or to one of its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    List,
    Create,
    Read,
    Replace,
    Merge,
    Delete,
}

/// Serves a plain operation.
pub(crate) fn serve(cx: &mut Cx<'_>, req: &Req, kind: &'static Kind, verb: Verb) -> Answer {
    let is_item = !matches!(verb, Verb::List | Verb::Create);
    check_place(cx, req, kind, is_item)?;
    match verb {
        Verb::List => page::list(cx, req, kind),
        Verb::Create => create(cx, req, kind),
        Verb::Read => {
            cx.check_division(&cx.find(kind.name, req.id())?.fields)?;
            Ok(Reply::ok(cx.show(kind.name, req.id())))
        }
        Verb::Replace => replace(cx, req, kind),
        Verb::Merge => merge(cx, req, kind),
        Verb::Delete => delete(cx, req, kind),
    }
}

/// Gives the ids in a path above the object's own, joined by `/`.
pub(crate) fn at(req: &Req, kind: &Kind, is_item: bool) -> String {
    let above = kind.path.matches('{').count();
    let given = req.params.len() - usize::from(is_item && !req.params.is_empty());
    let ids: Vec<&str> = req.params[..given.min(above)]
        .iter()
        .map(|(_, id)| id.as_str())
        .collect();
    ids.join("/")
}

/// Refuses a path whose objects do not live in each other as it says.
pub(crate) fn check_place(
    cx: &Cx<'_>,
    req: &Req,
    kind: &Kind,
    is_item: bool,
) -> Result<(), Refusal> {
    let at = at(req, kind, is_item);
    if let (Some(parent), Some((above, id))) = (kind.parent, split_last(&at)) {
        let found = cx.find_live(parent, id)?;
        if found.text(AT) != above {
            return Err(Refusal::not_found(parent, id));
        }
    }
    if is_item && cx.find(kind.name, req.id())?.text(AT) != at {
        return Err(Refusal::not_found(kind.name, req.id()));
    }
    Ok(())
}

/// Splits ids into those above and the last.
fn split_last(at: &str) -> Option<(&str, &str)> {
    let nothing_above = || (!at.is_empty()).then_some(("", at));
    at.rsplit_once('/').or_else(nothing_above)
}

/// Creates an object from the body of a request.
pub(crate) fn create(cx: &mut Cx<'_>, req: &Req, kind: &'static Kind) -> Answer {
    let mut fields = body_fields(&req.body);
    if let Some(prepare) = kind.prepare {
        prepare(&mut fields);
    }
    let id = insert(cx, req, kind, fields)?;
    Ok(Reply::ok(cx.show(kind.name, &id)))
}

/// Creates an object from these fields, after every check of the row; gives its id.
pub(crate) fn insert(
    cx: &mut Cx<'_>,
    req: &Req,
    kind: &'static Kind,
    mut fields: Fields,
) -> Result<String, Refusal> {
    drop_server_fields(cx, kind, &mut fields);
    let at = at(req, kind, false);
    if !at.is_empty() {
        fields.insert(AT.into(), at.into());
    }
    if kind.division != Division::None {
        settle_division(cx, kind, &mut fields)?;
    }
    complete(kind, &mut fields);
    if let Some(check) = kind.check {
        check(cx, req, &mut fields, None)?;
    }
    cx.org.check_refs(kind, &fields)?;
    check_key(cx, kind, None, &fields)?;
    if cx.org.spec.max_objects.contains_key(kind.name) {
        let count = match kind.deletion.soft {
            false => cx.org.store.count(kind.name),
            true => {
                let all = cx.org.store.all(kind.name);
                all.filter(|object| object.text("state") != "deleted")
                    .count()
            }
        };
        check_limit(cx, kind.name, count + 1, "max.entity.count.reached")?;
    }
    let given = match cx.caller {
        Caller::Seed => fields
            .remove("id")
            .as_ref()
            .and_then(id_of)
            .map(str::to_owned),
        Caller::Client { .. } => None,
    };
    let named = kind.id_from.map(|field| text(&fields, field).to_owned());
    let id = given.or(named).unwrap_or_else(|| cx.org.new_id());
    if cx.org.store.get(kind.name, &id).is_some() {
        return Err(Refusal::bad_request(format!(
            "There is an object with id {id} already."
        )));
    }
    match kind.version {
        Version::Number | Version::Directory => fields.insert("version".into(), 1.into()),
        Version::Text => fields.insert("version".into(), "1".into()),
        Version::None => None,
    };
    if kind.state {
        fields.entry("state").or_insert_with(|| "active".into());
    }
    let author = cx.caller.id().to_owned();
    stamp(&mut fields, |name| shows(kind, name), cx.now, &author, true);
    cx.insert(kind, &id, fields);
    Ok(id)
}

fn replace(cx: &mut Cx<'_>, req: &Req, kind: &'static Kind) -> Answer {
    update(cx, req, kind, |old, mut new| {
        // What the server owns survives; everything else that is absent is gone.
        for (name, value) in old {
            let kept = name.starts_with('$')
                || kind.fixed.contains(&name.as_str())
                || kind.server.contains(&name.as_str())
                || matches!(
                    name.as_str(),
                    "state" | "dateCreated" | "createdBy" | "division"
                );
            if kept && !new.contains_key(name) {
                new.insert(name.clone(), value.clone());
            }
        }
        new
    })
}

fn merge(cx: &mut Cx<'_>, req: &Req, kind: &'static Kind) -> Answer {
    update(cx, req, kind, |old, new| {
        let mut fields = old.clone();
        fields.extend(new);
        if let Value::Object(body) = &req.body {
            for (name, _) in body.iter().filter(|(_, value)| value.is_null()) {
                fields.remove(name);
            }
        }
        fields
    })
}

/// Updates an object: version first, then the checks of the row on the new whole.
pub(crate) fn update(
    cx: &mut Cx<'_>,
    req: &Req,
    kind: &'static Kind,
    combine: impl FnOnce(&Fields, Fields) -> Fields,
) -> Answer {
    let id = req.id().to_owned();
    let old = cx.find_live(kind.name, &id)?.fields.clone();
    cx.check_division(&old)?;
    let mut given = body_fields(&req.body);
    check_version(kind, &old, &given)?;
    if let Some(prepare) = kind.prepare {
        prepare(&mut given);
    }
    drop_server_fields(cx, kind, &mut given);
    let mut fields = combine(&old, given);
    for name in kind.fixed {
        match old.get(*name) {
            Some(value) => fields.insert((*name).to_owned(), value.clone()),
            None => fields.remove(*name),
        };
    }
    match kind.division {
        Division::Movable | Division::Starrable => settle_division(cx, kind, &mut fields)?,
        Division::Object => {
            if let Some(division) = old.get("division") {
                fields.insert("division".into(), division.clone());
            }
        }
        Division::None => {}
    }
    complete(kind, &mut fields);
    if let Some(check) = kind.check {
        check(cx, req, &mut fields, Some(&old))?;
    }
    cx.org.check_refs(kind, &fields)?;
    check_key(cx, kind, Some(&id), &fields)?;
    fields.remove("id");
    bump(kind, &old, &mut fields);
    let author = cx.caller.id().to_owned();
    stamp(
        &mut fields,
        |name| shows(kind, name),
        cx.now,
        &author,
        false,
    );
    cx.replace(kind, &id, fields);
    Ok(Reply::ok(cx.show(kind.name, &id)))
}

fn delete(cx: &mut Cx<'_>, req: &Req, kind: &'static Kind) -> Answer {
    let id = req.id().to_owned();
    let fields = cx.find_live(kind.name, &id)?.fields.clone();
    cx.check_division(&fields)?;
    if let Some(may_delete) = kind.may_delete {
        may_delete(cx, req, &fields)?;
    }
    check_unused(cx, req, kind, &id)?;
    if kind.deletion.soft {
        let mut gone = fields.clone();
        gone.insert("state".into(), "deleted".into());
        bump(kind, &fields, &mut gone);
        cx.replace(kind, &id, gone);
    } else {
        cx.remove(kind, &id);
        remove_inner(cx, kind.name, &id);
    }
    if let Some(deleted) = kind.deleted {
        deleted(cx.org, &id);
    }
    Ok(Reply::empty(kind.deletion.status))
}

/// Removes what lives in an object that is gone.
fn remove_inner(cx: &mut Cx<'_>, parent: &str, id: &str) {
    for kind in registry()
        .kinds()
        .filter(|kind| kind.parent == Some(parent))
    {
        let inner: Vec<String> = cx
            .org
            .store
            .all(kind.name)
            .filter(|object| split_last(object.text(AT)).is_some_and(|(_, last)| last == id))
            .map(|object| object.id.clone())
            .collect();
        for inner in inner {
            cx.remove(kind, &inner);
            remove_inner(cx, kind.name, &inner);
        }
    }
}

/// Refuses to delete what others need.
pub(crate) fn check_unused(cx: &Cx<'_>, req: &Req, kind: &Kind, id: &str) -> Result<(), Refusal> {
    let Some((status, code)) = kind.deletion.in_use else {
        return Ok(());
    };
    if kind.deletion.force.is_some_and(|force| req.flag(force)) {
        return Ok(());
    }
    match cx.org.holder_of(kind.name, id) {
        None => Ok(()),
        Some((holder, holder_id)) => Err(Refusal::new(
            status,
            code,
            format!("The {} is in use by {holder} {holder_id}.", kind.name),
        )),
    }
}

/// Refuses an update that does not name the current version.
pub(crate) fn check_version(kind: &Kind, old: &Fields, given: &Fields) -> Result<(), Refusal> {
    if !kind.version.is_checked() {
        return Ok(());
    }
    let current = old.get("version").and_then(Value::as_i64).unwrap_or(1);
    match given.get("version").and_then(Value::as_i64) {
        Some(version) if version == current => Ok(()),
        None => Err(Refusal::new(
            400,
            "required.field.missing",
            "The field version is required.",
        )
        .detail("required.field.missing", "version")),
        Some(version) => Err(match kind.version {
            Version::Directory => Refusal::new(
                400,
                "general.bad.request",
                format!("The version {version} does not match the current version {current}"),
            ),
            _ => Refusal::new(
                409,
                "general.conflict",
                format!("The version {version} is not the current one, {current}."),
            ),
        }),
    }
}

/// Counts the version up.
pub(crate) fn bump(kind: &Kind, old: &Fields, fields: &mut Fields) {
    let current = old.get("version");
    match kind.version {
        Version::None => {}
        Version::Number | Version::Directory => {
            let next = current.and_then(Value::as_i64).unwrap_or(1) + 1;
            fields.insert("version".into(), next.into());
        }
        Version::Text => {
            let next: u64 = current
                .and_then(Value::as_str)
                .and_then(|version| version.parse().ok())
                .unwrap_or(1);
            fields.insert("version".into(), (next + 1).to_string().into());
        }
    }
}

/// Refuses a key that another object has.
pub(crate) fn check_key(
    cx: &Cx<'_>,
    kind: &Kind,
    own: Option<&str>,
    fields: &Fields,
) -> Result<(), Refusal> {
    let Some(key) = kind.key_of(fields) else {
        return Ok(());
    };
    let other = cx
        .org
        .store
        .with_key(kind.name, &key)
        .find(|id| Some(*id) != own);
    match other {
        None => Ok(()),
        Some(id) => {
            let (status, code) = kind.duplicate;
            let words = key.replace('\u{1f}', "/");
            let message = format!(
                "A {} with {} \"{words}\" exists already.",
                kind.name,
                kind.key.join("/")
            );
            let mut refusal = Refusal::new(status, code, message);
            refusal.more.entity_id = Some(id.to_owned());
            Err(refusal)
        }
    }
}

/// Puts the object into the division that it names, or into the home division.
pub(crate) fn settle_division(
    cx: &Cx<'_>,
    kind: &Kind,
    fields: &mut Fields,
) -> Result<(), Refusal> {
    let division = match fields.get("division").and_then(id_of) {
        Some("*") if kind.division == Division::Starrable => "*".to_owned(),
        Some(id) if cx.org.store.get("division", id).is_some() => id.to_owned(),
        Some(id) => {
            return Err(
                Refusal::bad_request(format!("There is no division with id {id}."))
                    .detail("bad.request", "division"),
            );
        }
        None => cx.org.home_division().to_owned(),
    };
    fields.insert("division".into(), serde_json::json!({"id": division}));
    cx.check_division(fields)
}

/// Fills in what the server fills in.
pub(crate) fn complete(kind: &Kind, fields: &mut Fields) {
    if let Ok(Value::Object(defaults)) = serde_json::from_str(kind.defaults) {
        fill(fields, &defaults);
    }
}

fn fill(fields: &mut Fields, defaults: &Fields) {
    for (name, default) in defaults {
        match (fields.get_mut(name), default) {
            (Some(Value::Object(inner)), Value::Object(defaults)) => fill(inner, defaults),
            (Some(_), _) => {}
            (None, _) => {
                fields.insert(name.clone(), default.clone());
            }
        }
    }
}

/// Gives the fields of a body, without those that are `null`.
pub(crate) fn body_fields(body: &Value) -> Fields {
    match body {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        _ => Fields::new(),
    }
}

fn drop_server_fields(cx: &Cx<'_>, kind: &Kind, fields: &mut Fields) {
    if matches!(cx.caller, Caller::Seed) {
        return;
    }
    for name in kind.server {
        fields.remove(*name);
    }
    for name in ["dateCreated", "dateModified", "createdBy", "modifiedBy"] {
        fields.remove(name);
    }
}

/// Tells whether what is shown of a kind has a field.
fn shows(kind: &Kind, field: &str) -> bool {
    registry()
        .shown(kind.name)
        .is_some_and(|model| model.field(field).is_some())
}

/// Turns a field that is an id into a reference under another name, as creates by id ask for.
pub(crate) fn reference_from(fields: &mut Fields, id_field: &str, name: &str) {
    if let Some(Value::String(id)) = fields.get(id_field) {
        let reference = serde_json::json!({ "id": id });
        fields.remove(id_field);
        fields.insert(name.to_owned(), reference);
    }
}

/// Turns a field that lists ids into references under another name.
pub(crate) fn references_from(fields: &mut Fields, ids_field: &str, name: &str) {
    if let Some(Value::Array(ids)) = fields.remove(ids_field) {
        let references = ids.iter().map(|id| serde_json::json!({ "id": id }));
        fields.insert(name.to_owned(), references.collect());
    }
}
