//! Whether the calls exist, and how lists are paged.

use std::collections::BTreeMap;

use orgsmith_contract::{Contract, Location, Operation, Type};
use orgsmith_core::catalogue::{Descriptor, ListSpec, Paging, WriteSpec};

use super::{Lint, facts};

pub fn check(lint: &mut Lint<'_>) {
    let kind = lint.kind;
    let above = ids_above(lint, kind);
    let own = own_ids(lint);
    if let Some(search) = &kind.search {
        check_list(lint, "search", search, 0);
    }
    for (index, list) in kind.list.iter().enumerate() {
        let place = format!("list[{index}]");
        let owner = list
            .each
            .as_ref()
            .map(|kind| lint.catalogue.get(kind.as_str()));
        if let Some(field) = &list.inside {
            check_inside(lint, &place, list, field);
            continue;
        }
        let in_body = list.body.iter().flat_map(|body| body.values());
        let in_query = list.query.values().any(|value| value == "{id}")
            || in_body
                .map(ToString::to_string)
                .any(|text| text.contains("\"{id}\""));
        let params = match owner {
            None => 0,
            Some(Ok(owner)) if !in_query => ids_above(lint, owner) + 1,
            Some(Ok(_)) => 0,
            Some(Err(unknown)) => {
                lint.find(format!("{place}.each"), unknown);
                continue;
            }
        };
        if in_query && list.each.is_none() {
            lint.find(&place, "{id} in the query or in the body, and no each");
        }
        check_list(
            lint,
            &place,
            list,
            params + usize::from(list.version.is_some()),
        );
    }
    if let Some(read) = &kind.read {
        check_call(lint, "read", "GET", &read.path, &read.query, own);
    }
    let anew = kind.update.as_ref().is_some_and(|update| update.anew);
    let update = if anew { above } else { own };
    let writes = [
        ("create", &kind.create, above),
        ("update", &kind.update, update),
        ("restore", &kind.restore, own),
    ];
    for (place, write, params) in writes {
        if let Some(write) = write {
            let params = params + usize::from(write.within.is_some());
            within(lint, place, write);
            let query = BTreeMap::new();
            check_call(lint, place, &write.method, &write.path, &query, params);
        }
    }
    if let Some(path) = &kind.scim {
        check_call(lint, "scim", "POST", path, &BTreeMap::new(), above);
    }
    if let Some(draft) = &kind.draft {
        let query = BTreeMap::new();
        check_call(lint, "draft.path", "POST", &draft.path, &query, above);
        check_call(lint, "draft.versions", "GET", &draft.versions, &query, own);
    }
    if let Some(delete) = &kind.delete {
        check_call(lint, "delete", "DELETE", &delete.path, &delete.query, own);
    }
    if let Some(path) = &kind.go_live {
        check_call(lint, "go_live", "POST", path, &BTreeMap::new(), own);
    }
    let newest = kind.references.iter().filter_map(|r| r.newest.as_ref());
    for path in newest {
        check_call(lint, "reference.newest", "GET", path, &BTreeMap::new(), 1);
    }
    check_move(lint);
    check_publish(lint, own);
}

/// Checks a list whose rows stand in the objects of another kind.
fn check_inside(lint: &mut Lint<'_>, place: &str, list: &ListSpec, field: &str) {
    let place = format!("{place}.inside");
    let owner = list
        .each
        .as_ref()
        .map(|kind| lint.catalogue.get(kind.as_str()));
    let Some(Ok(owner)) = owner else {
        return lint.find(place, "needs each, a kind that is there");
    };
    if !owner.list.iter().any(|known| known.path == list.path) {
        lint.find(
            &place,
            format!("{} is not the list of {}", list.path, owner.kind),
        );
    }
    let model = lint.contract.model(&owner.model);
    if model.is_none_or(|model| model.field(field).is_none()) {
        lint.find(&place, format!("{} has no {field}", owner.model));
    }
}

/// Checks the calls that publish an object; `own` is the number of ids in a path of its own.
fn check_publish(lint: &mut Lint<'_>, own: usize) {
    let kind = lint.kind;
    let Some(publish) = &kind.publish else { return };
    let query = BTreeMap::new();
    let ids = if publish.ids.is_some() { 0 } else { own };
    let (method, path) = (&publish.method, &publish.path);
    check_call(lint, "publish", method, path, &query, ids);
    if let Some(job) = &publish.job {
        check_call(lint, "publish.job", "GET", &job.path, &query, ids + 1);
    }
    if let Some(reopen) = &publish.reopen {
        let (method, path) = (&reopen.method, &reopen.path);
        check_call(lint, "publish.reopen", method, path, &query, own);
    }
    let field = &publish.field;
    let sent = |write: &WriteSpec| !write.omit.contains(field);
    if !kind.fields.contains(field) || kind.create.iter().chain(&kind.update).any(sent) {
        let message = "is a managed field that creation and update omit";
        lint.find(format!("publish.field {field}"), message);
    }
}

/// Checks the field that says whose id stands first in a path.
fn within(lint: &mut Lint<'_>, place: &str, write: &WriteSpec) {
    let Some(field) = &write.within else { return };
    let refers = lint.kind.references.iter().any(|reference| {
        reference.path.to_string() == *field && reference.kind.is_some() && !reference.deferrable
    });
    if !refers || place != "create" || lint.kind.parent.is_some() {
        lint.find(
            format!("{place}.within"),
            "names a reference that a creation needs, of a kind that lives in no other",
        );
    }
}

/// Counts the ids that lead to an object of the kind: none to the only one of an org.
pub fn own_ids(lint: &Lint<'_>) -> usize {
    let alone = lint.kind.parent.as_ref().is_some_and(|parent| parent.alone);
    ids_above(lint, lint.kind) + usize::from(!lint.kind.singleton && !alone)
}

/// Counts the ids of what an object of the kind lives in.
fn ids_above(lint: &Lint<'_>, kind: &Descriptor) -> usize {
    let parent = kind.parent.as_ref().map(|parent| parent.kind.as_str());
    match parent.map(|parent| lint.catalogue.get(parent)) {
        Some(Ok(parent)) if parent.kind != kind.kind => ids_above(lint, parent) + 1,
        Some(_) => 1,
        None => 0,
    }
}

fn check_move(lint: &mut Lint<'_>) {
    let Some(name) = &lint.kind.move_as else {
        return;
    };
    let (method, path) = facts::MOVE;
    let operation = lint.contract.operation(method, path).expect("a known call");
    let names = operation
        .params
        .iter()
        .find(|param| param.name == "objectType")
        .map(|param| &param.enum_values)
        .expect("the call names the type");
    if !names.contains(name) {
        lint.find("move_as", format!("is not one of {}", names.join(", ")));
    }
    if !lint.kind.immutable.iter().any(|field| field == "division") {
        lint.find("move_as", "division is not among the immutable fields");
    }
}

/// Checks one call that returns rows; `params` is the number of parameters in its path.
pub fn check_list(lint: &mut Lint<'_>, place: &str, list: &ListSpec, params: usize) {
    let Some(operation) = check_call(lint, place, list.method(), &list.path, &list.query, params)
    else {
        return;
    };
    let asked = list.body.as_ref().and_then(|_| {
        let model = operation.body.as_ref()?.model_name()?;
        lint.contract.model(model)
    });
    if let (Some(model), Some(body)) = (asked, &list.body) {
        for name in body.keys().filter(|name| model.field(name).is_none()) {
            lint.find(
                format!("{place}.body.{name}"),
                "the body takes no such field",
            );
        }
        for (name, field) in &model.fields {
            let paging = name == "pageNumber" || name == "pageSize";
            if field.required && !paging && !body.contains_key(name) {
                lint.find(format!("{place}.body"), format!("the body needs {name}"));
            }
        }
    }
    let has = |name: &str| match asked {
        Some(model) => model.field(name).is_some(),
        None => operation.query(name).is_some(),
    };
    let answers = |name: &str| {
        let model = operation.response.as_ref().and_then(Type::model_name);
        model
            .and_then(|model| lint.contract.model(model))
            .is_some_and(|model| model.field(name).is_some())
    };
    let paging = if has("pageNumber") && answers("pageNumber") {
        Paging::Offset
    } else if has("cursor") && has("limit") {
        Paging::Scan
    } else if has("after") || has("cursor") || has("nextPage") {
        Paging::Cursor
    } else {
        Paging::Unpaged
    };
    if list.paging != paging {
        lint.find(
            format!("{place}.paging"),
            format!("the contract says {paging:?}"),
        );
    }
    let most = facts::max_page_size(&list.path);
    let fits = match paging {
        Paging::Unpaged => list.page_size == 0,
        Paging::Offset | Paging::Cursor | Paging::Scan => (1..=most).contains(&list.page_size),
    };
    if !fits {
        lint.find(
            format!("{place}.page_size"),
            format!("a page has at most {most} rows, and an unpaged list has none"),
        );
    }
    if list.by_name.as_deref().is_some_and(|name| !has(name)) {
        lint.find(format!("{place}.by_name"), "the call has no such parameter");
    }
    check_only(lint, place, list, operation);
}

fn check_only(lint: &mut Lint<'_>, place: &str, list: &ListSpec, operation: &Operation) {
    let row = operation
        .response
        .as_ref()
        .map(|ty| rows_in(lint.contract, ty, list.rows.as_deref()).unwrap_or(ty.clone()))
        .and_then(|row| lint.contract.model(row.model_name()?));
    for (name, value) in &list.only {
        let place = format!("{place}.only.{name}");
        match row.and_then(|row| row.field(name)) {
            None => lint.find(place, "a row has no such field"),
            Some(field) => {
                let known = value
                    .as_str()
                    .is_none_or(|value| field.enum_values.iter().any(|known| known == value));
                if !known && !field.enum_values.is_empty() {
                    lint.find(
                        place,
                        format!("is not one of {}", field.enum_values.join(", ")),
                    );
                }
            }
        }
    }
}

/// Returns the type of a row of an answer, which holds the rows in a field of some name.
pub fn rows_in(contract: &Contract, answer: &Type, field: Option<&str>) -> Option<Type> {
    let field = field.unwrap_or("entities");
    let list = match answer {
        Type::Model(name) => {
            let page = contract.model(name)?;
            &page.field(field).or_else(|| page.field("results"))?.ty
        }
        list => list,
    };
    match list {
        Type::Array(row) => Some((**row).clone()),
        _ => None,
    }
}

/// Returns the type of a row of an answer.
pub fn rows(contract: &Contract, answer: &Type) -> Option<Type> {
    rows_in(contract, answer, None)
}

/// Checks that a call exists, has so many parameters in its path, and takes the query.
pub fn check_call(
    lint: &mut Lint<'_>,
    place: &str,
    method: &str,
    path: &str,
    query: &BTreeMap<String, String>,
    params: usize,
) -> Option<&'static Operation> {
    let Some(operation) = lint.contract.operation(method, path) else {
        lint.find(
            format!("{place}.path"),
            format!("the contract has no {method} {path}"),
        );
        return None;
    };
    let in_path = |operation: &Operation| {
        let params = operation.params.iter();
        params.filter(|p| p.location == Location::Path).count()
    };
    if in_path(operation) != params {
        lint.find(
            format!("{place}.path"),
            format!("needs {params} parameters in the path"),
        );
    }
    for (name, value) in query {
        let place = format!("{place}.query.{name}");
        let Some(param) = operation.query(name) else {
            lint.find(place, format!("{method} {path} has no such parameter"));
            continue;
        };
        let values: Vec<&str> = match param.ty {
            Type::Array(_) => value.split(',').collect(),
            _ => vec![value],
        };
        for value in values {
            let known = value == "{id}"
                || match param.ty {
                    Type::Boolean => value == "true" || value == "false",
                    _ => {
                        param.enum_values.is_empty() || param.enum_values.iter().any(|v| v == value)
                    }
                };
            if !known {
                lint.find(&place, format!("{method} {path} does not take {value:?}"));
            }
        }
    }
    Some(operation)
}
