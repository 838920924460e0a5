//! `POST /.../search`: criteria over the fields of listed objects.

use serde_json::{Value, json};

use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::Kind;
use crate::routes::Req;
use crate::store::{Fields, Object, text};

/// Searches a kind by the criteria of the body; `shown` gives what is shown of a hit.
pub(crate) fn search(
    cx: &Cx<'_>,
    req: &Req,
    kind: &'static Kind,
    shown: impl Fn(&Object, &Fields) -> Value,
) -> Answer {
    let body = &req.body;
    let size = body["pageSize"].as_u64().unwrap_or(25);
    let number = body["pageNumber"].as_u64().unwrap_or(1);
    if !(1..=500).contains(&size) || number == 0 {
        return Err(Refusal::invalid(
            "pageSize",
            "pageSize must be from 1 to 500, pageNumber 1 or more",
        ));
    }
    let criteria = body["query"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    // The index shows the deleted only to those who ask for a state.
    let asks_for_state = criteria.iter().any(names_state);
    let mut hits: Vec<(&Object, &Fields)> = Vec::new();
    let ghosts = cx.org.store.ghosts(kind.name, cx.now);
    for object in cx.org.store.all(kind.name).chain(ghosts) {
        let Some(fields) = object.listed(cx.now) else {
            continue;
        };
        if !asks_for_state && text(fields, "state") == "deleted" {
            continue;
        }
        if matches_all(&object.id, fields, criteria)? {
            hits.push((object, fields));
        }
    }
    if let Some(by) = body["sortBy"].as_str() {
        hits.sort_by_cached_key(|(_, fields)| text(fields, by).to_lowercase());
    }
    if body["sortOrder"] == "DESC" {
        hits.reverse();
    }
    let total = hits.len() as u64;
    let page = hits
        .into_iter()
        .skip(usize::try_from((number - 1) * size).unwrap_or(usize::MAX))
        .take(usize::try_from(size).unwrap_or(usize::MAX));
    let results: Vec<Value> = page.map(|(object, fields)| shown(object, fields)).collect();
    Ok(Reply::ok(json!({
        "total": total,
        "pageCount": total.div_ceil(size),
        "pageSize": size,
        "pageNumber": number,
        "types": [format!("{}s", kind.name)],
        "results": results,
    })))
}

fn names_state(criterion: &Value) -> bool {
    let of = |key: &str| {
        criterion[key]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    of("fields").iter().any(|field| field == "state") || of("group").iter().any(names_state)
}

fn matches_all(id: &str, fields: &Fields, criteria: &[Value]) -> Result<bool, Refusal> {
    let mut verdict = true;
    for criterion in criteria {
        let hit = matches(id, fields, criterion)?;
        verdict = match criterion["operator"].as_str() {
            Some("OR") => verdict || hit,
            Some("NOT") => verdict && !hit,
            _ => verdict && hit,
        };
    }
    Ok(verdict)
}

fn matches(id: &str, fields: &Fields, criterion: &Value) -> Result<bool, Refusal> {
    if let Some(group) = criterion["group"].as_array() {
        return matches_all(id, fields, group);
    }
    let mut wanted: Vec<String> = Vec::new();
    let values = criterion["values"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for value in values.iter().chain([&criterion["value"]]) {
        wanted.extend(value.as_str().map(str::to_lowercase));
    }
    let names = criterion["fields"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let has = |test: &dyn Fn(&str, &str) -> bool| {
        names.iter().filter_map(Value::as_str).any(|name| {
            let held = match name {
                "id" => id.to_lowercase(),
                name => text(fields, name).to_lowercase(),
            };
            wanted.iter().any(|wanted| test(&held, wanted))
        })
    };
    match criterion["type"].as_str().unwrap_or("") {
        "MATCH_ALL" => Ok(true),
        "EXACT" => Ok(has(&|held, wanted| held == wanted)),
        "STARTS_WITH" => Ok(has(&|held, wanted| held.starts_with(wanted))),
        "CONTAINS" | "QUERY_STRING" => Ok(has(&|held, wanted| held.contains(wanted))),
        "TERM" | "TERMS" => Ok(has(&|held, wanted| {
            held.split_whitespace().any(|word| word == wanted)
        })),
        other => Err(Refusal::not_simulated(format!(
            "The simulator does not know the search type {other}."
        ))),
    }
}
