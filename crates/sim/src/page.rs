//! Lists: filters, order, and the ways to cut them into pages.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::crud::at;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{AT, Division, Filter, Kind, Oversize, Style};
use crate::refs::{Ref, id_of};
use crate::routes::{Req, the_kind};
use crate::store::{Fields, Object, text};

/// Query parameters that every list takes.
const COMMON: [&str; 14] = [
    "cursor",
    "limit",
    "pageSize",
    "pageNumber",
    "before",
    "after",
    "nextPage",
    "previousPage",
    "expand",
    "sortBy",
    "sortOrder",
    "id",
    "name",
    "divisionId",
];

/// Lists a kind.
pub(crate) fn list(cx: &mut Cx<'_>, req: &Req, kind: &'static Kind) -> Answer {
    let objects = select(cx, req, kind)?;
    list_found(cx, req, kind, &objects)
}

/// Lists some objects of a kind as its list does.
pub(crate) fn list_found(
    cx: &Cx<'_>,
    req: &Req,
    kind: &'static Kind,
    objects: &[(&Object, &Fields)],
) -> Answer {
    let shown = |object: &(&Object, &Fields)| {
        let mut view = cx.org.view(kind, &object.0.id, object.1);
        for name in kind.list_omits {
            view.remove(*name);
        }
        Value::Object(view)
    };
    list_of(req, kind, objects, shown)
}

/// Lists a kind as a `POST` asks for it: filters, `pageSize` and `after` are in the body.
///
/// `fields` are the names that filters may have, with the fields or references that they look at.
pub(crate) fn query(cx: &Cx<'_>, req: &Req, kind: &str, fields: &[(&str, &'static str)]) -> Answer {
    let kind = the_kind(kind);
    let mut found = select(cx, req, kind)?;
    for filter in req.body["filters"].as_array().into_iter().flatten() {
        let name = filter["name"].as_str().unwrap_or_default();
        let operator = filter["operator"].as_str().unwrap_or_default();
        let Some((_, field)) = fields.iter().find(|(known, _)| *known == name) else {
            let message = format!("The simulator does not know the filter {name:?}.");
            return Err(Refusal::not_simulated(message));
        };
        if !["EQ", "IN"].contains(&operator) {
            let message = format!("The simulator does not know the operator {operator:?}.");
            return Err(Refusal::not_simulated(message));
        }
        let wanted = filter["values"].as_array().cloned().unwrap_or_default();
        found.retain(|(_, fields)| {
            let value = fields.get(*field).and_then(id_of).unwrap_or_default();
            wanted.iter().any(|wanted| wanted.as_str() == Some(value))
        });
    }
    let size = req.body["pageSize"].as_u64().unwrap_or(25);
    if size == 0 || size > u64::from(kind.max_page) {
        let message = format!("must be from 1 to {}", kind.max_page);
        return Err(bad_query("pageSize", &message));
    }
    let after = req.body["after"].as_str().unwrap_or_default();
    let from = match decode(after) {
        Some(from) => from.min(found.len()),
        None if after.is_empty() => 0,
        None => return Err(bad_query("after", "is not a cursor of this list")),
    };
    let to = from
        .saturating_add(usize::try_from(size).unwrap_or(usize::MAX))
        .min(found.len());
    let entities = found[from..to]
        .iter()
        .map(|(object, fields)| Value::Object(cx.org.view(kind, &object.id, fields)));
    let mut page = Map::new();
    page.insert("entities".into(), entities.collect());
    page.insert("selfUri".into(), req.path.as_str().into());
    if to < found.len() {
        page.insert("after".into(), encode(to).into());
    }
    Ok(Reply::ok(page.into()))
}

/// Gives the objects that the query selects, in its order, as lists see them.
pub(crate) fn select<'o>(
    cx: &'o Cx<'_>,
    req: &Req,
    kind: &'static Kind,
) -> Result<Vec<(&'o Object, &'o Fields)>, Refusal> {
    let mut filters = Vec::new();
    for (name, value) in &req.query {
        let filter = match kind.filters.iter().find(|(param, _)| param == name) {
            Some((_, filter)) => *filter,
            None if name == "name" => Filter::Wildcard("name"),
            None if COMMON.contains(&name.as_str()) || kind.any_filter => continue,
            None => {
                return Err(Refusal::not_simulated(format!(
                    "The simulator does not know the filter {name} of {}.",
                    kind.path
                )));
            }
        };
        if !value.is_empty() {
            filters.push((filter, value.to_lowercase()));
        }
    }
    let ids: Vec<&str> = req.queries("id").flat_map(|ids| ids.split(',')).collect();
    let divisions: Vec<&str> = req.queries("divisionId").collect();
    let at = at(req, kind, false);
    let keeps = |object: &Object, fields: &Fields| {
        text(fields, AT) == at
            && (ids.is_empty() || ids.contains(&object.id.as_str()))
            && (divisions.is_empty()
                || fields
                    .get("division")
                    .and_then(id_of)
                    .is_some_and(|id| divisions.contains(&id)))
            && (kind.division == Division::None || cx.check_division(fields).is_ok())
            && (kind.lists_deleted || text(fields, "state") != "deleted")
            && filters
                .iter()
                .all(|(filter, value)| matches(req, *filter, fields, value))
    };
    let ghosts = cx.org.store.ghosts(kind.name, cx.now);
    let mut found: Vec<(&Object, &Fields)> = cx
        .org
        .store
        .all(kind.name)
        .chain(ghosts)
        .filter_map(|object| Some((object, object.listed(cx.now)?)))
        .filter(|(object, fields)| keeps(object, fields))
        .collect();
    if let Some(by) = req.query("sortBy").filter(|by| by == "name") {
        found.sort_by_cached_key(|(_, fields)| text(fields, &by).to_lowercase());
    }
    if req
        .query("sortOrder")
        .is_some_and(|order| order.to_lowercase().starts_with("desc"))
    {
        found.reverse();
    }
    Ok(found)
}

fn matches(req: &Req, filter: Filter, fields: &Fields, wanted: &str) -> bool {
    let lower = |field: &str| match fields.get(field) {
        Some(Value::String(text)) => text.to_lowercase(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    match filter {
        Filter::Exact(field) => lower(field) == wanted,
        Filter::Contains(field) => lower(field).contains(wanted),
        Filter::Prefix(field) => lower(field).starts_with(wanted),
        Filter::ByType(field) => match req.query("filterType").as_deref() {
            Some("Equals") => lower(field) == wanted,
            Some("Contains") => lower(field).contains(wanted),
            _ => lower(field).starts_with(wanted),
        },
        Filter::Wildcard(field) => glob(wanted, &lower(field)),
        Filter::Reference(path) => Ref::to(path, "")
            .find(fields)
            .iter()
            .any(|(_, id)| *id == wanted),
        Filter::Ignored => true,
    }
}

/// Tells whether a text matches a pattern in which `*` stands for anything.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut left) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// Lists what is found as a kind's list does.
pub(crate) fn list_of<T>(
    req: &Req,
    kind: &Kind,
    items: &[T],
    shown: impl Fn(&T) -> Value,
) -> Answer {
    cut(req, kind.style, kind.max_page, kind.oversize, items, shown).map(Reply::ok)
}

/// Lists as most of the API does: by offset, and up to a hundred at once.
pub(crate) fn hundreds<T>(req: &Req, items: &[T], shown: impl Fn(&T) -> Value) -> Answer {
    cut(req, Style::Offset, 100, Oversize::Refuse, items, shown).map(Reply::ok)
}

/// Cuts a list into the page that the query asks for.
pub(crate) fn cut<T>(
    req: &Req,
    style: Style,
    max_page: u32,
    oversize: Oversize,
    items: &[T],
    shown: impl Fn(&T) -> Value,
) -> Result<Value, Refusal> {
    match style {
        Style::Whole => Ok(json!({
            "entities": items.iter().map(shown).collect::<Vec<_>>(),
            "selfUri": req.path,
        })),
        Style::Offset => {
            let size = page_size(req, max_page, oversize)?;
            let number = match number(req, "pageNumber")? {
                Some(0) => return Err(bad_query("pageNumber", "must be 1 or more")),
                number => number.unwrap_or(1),
            };
            let from = (number - 1).saturating_mul(size).min(items.len());
            let to = from.saturating_add(size).min(items.len());
            let page: Vec<Value> = items[from..to].iter().map(shown).collect();
            Ok(offset_page(req, page, items.len(), size, number))
        }
        Style::Cursor => {
            let size = page_size(req, max_page, oversize)?;
            let after = cursor_param(req);
            let from = match req.query(after).filter(|after| !after.is_empty()) {
                None => 0,
                Some(cursor) => decode(&cursor)
                    .ok_or_else(|| bad_query(after, "is not a cursor of this list"))?
                    .min(items.len()),
            };
            let to = from.saturating_add(size).min(items.len());
            let mut page = Map::new();
            page.insert(
                "entities".into(),
                items[from..to].iter().map(shown).collect(),
            );
            page.insert("selfUri".into(), link(req, &[]).into());
            if to < items.len() {
                let next = link(
                    req,
                    &[(after, encode(to)), (size_param(req), size.to_string())],
                );
                page.insert("nextUri".into(), next.into());
                if after == "cursor" {
                    page.insert("cursors".into(), json!({"after": encode(to)}));
                }
            }
            Ok(page.into())
        }
    }
}

/// Names the parameter that carries a cursor: the operation says which of the usual ones it takes.
fn cursor_param(req: &Req) -> &'static str {
    param_of(req, &["cursor", "after", "nextPage"], "after")
}

/// Names the parameter that carries the size of a page.
fn size_param(req: &Req) -> &'static str {
    param_of(req, &["pageSize", "limit"], "pageSize")
}

fn param_of(req: &Req, usual: &[&'static str], otherwise: &'static str) -> &'static str {
    let takes = |name: &&str| req.operation.query(name).is_some();
    usual.iter().copied().find(takes).unwrap_or(otherwise)
}

/// Builds an offset page around entities that are already cut.
pub(crate) fn offset_page(
    req: &Req,
    entities: Vec<Value>,
    total: usize,
    size: usize,
    number: usize,
) -> Value {
    let pages = total.div_ceil(size);
    let uri = |number: usize| {
        link(
            req,
            &[
                ("pageSize", size.to_string()),
                ("pageNumber", number.to_string()),
            ],
        )
    };
    let mut page = Map::new();
    page.insert("entities".into(), entities.into());
    page.insert("pageSize".into(), size.into());
    page.insert("pageNumber".into(), number.into());
    page.insert("total".into(), total.into());
    page.insert("pageCount".into(), pages.into());
    page.insert("selfUri".into(), uri(number).into());
    page.insert("firstUri".into(), uri(1).into());
    page.insert("lastUri".into(), uri(pages.max(1)).into());
    if number < pages {
        page.insert("nextUri".into(), uri(number + 1).into());
    }
    if number > 1 {
        page.insert("previousUri".into(), uri(number - 1).into());
    }
    page.into()
}

/// Reads `pageSize`, within what the list gives at once.
pub(crate) fn page_size(req: &Req, max: u32, oversize: Oversize) -> Result<usize, Refusal> {
    let name = size_param(req);
    let size = number(req, name)?.unwrap_or(25);
    let max = max as usize;
    match size {
        0 => Err(bad_query(name, "must be 1 or more")),
        size if size <= max => Ok(size),
        _ if oversize == Oversize::Clamp => Ok(max),
        _ => Err(bad_query(name, &format!("must not be above {max}"))),
    }
}

fn number(req: &Req, name: &str) -> Result<Option<usize>, Refusal> {
    match req.query(name) {
        None => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| bad_query(name, "is not a number")),
    }
}

fn bad_query(name: &str, message: &str) -> Refusal {
    Refusal::new(
        400,
        "invalid.query.param.value",
        format!("{name} {message}"),
    )
    .detail("invalid.query.param.value", name)
}

/// Gives the request's own path with some query parameters set.
fn link(req: &Req, set: &[(&str, String)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in &req.query {
        if !set.iter().any(|(set, _)| set == name) {
            query.append_pair(name, value);
        }
    }
    for (name, value) in set {
        query.append_pair(name, value);
    }
    match query.finish() {
        query if query.is_empty() => req.path.clone(),
        query => format!("{}?{query}", req.path),
    }
}

fn encode(position: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("from:{position}"))
}

fn decode(cursor: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    std::str::from_utf8(&bytes)
        .ok()?
        .strip_prefix("from:")?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, expected) in [
            ("sales", "sales", true),
            ("sales", "sales emea", false),
            ("sales*", "sales emea", true),
            ("*emea", "sales emea", true),
            ("s*s*a", "sales emea", true),
            ("s*x*a", "sales emea", false),
            ("*", "", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
