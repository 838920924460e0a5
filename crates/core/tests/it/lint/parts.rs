//! Whether the calls of parts fit their items.

use std::collections::BTreeMap;

use orgsmith_contract::{Location, Model, Operation, Type};
use orgsmith_core::catalogue::{Gathered, ItemBody, ItemWrite, MemberOf, Part, Together};

use super::place::{part_type, spell};
use super::{Lint, calls, facts};

pub fn check(lint: &mut Lint<'_>) {
    for part in &lint.kind.parts {
        check_part(lint, part);
    }
    for (name, belongs) in &lint.kind.member_of {
        check_member_of(lint, &format!("member_of.{name}"), belongs);
    }
}

/// Checks where it is said what an object belongs to.
fn check_member_of(lint: &mut Lint<'_>, place: &str, belongs: &MemberOf) {
    let holder = lint.catalogue.get(belongs.kind.as_str()).ok();
    let part = holder.and_then(|kind| kind.parts.iter().find(|part| part.field == belongs.part));
    if part.is_none() {
        let message = format!("{} has no part {}", belongs.kind, belongs.part);
        lint.find(place, message);
    }
    for list in &belongs.list {
        calls::check_list(lint, &format!("{place}.list"), list, calls::own_ids(lint));
    }
    let model = lint.contract.model(&lint.kind.model);
    let has = |field: &String| model.is_some_and(|model| model.field(field).is_some());
    match &belongs.field {
        Some(field) if !has(field) => {
            let message = format!("{} has no field {field}", lint.kind.model);
            lint.find(place, message);
        }
        None if belongs.list.is_empty() => lint.find(place, "nothing says it"),
        _ => {}
    }
}

fn check_part(lint: &mut Lint<'_>, part: &Part) {
    let place = format!("part[{}]", part.field);
    if let Some(list) = &part.list {
        let params = calls::own_ids(lint) + usize::from(list.version.is_some());
        calls::check_list(lint, &format!("{place}.list"), list, params);
    }
    if let Some(gathered) = &part.gathered {
        check_gathered(lint, &place, part, gathered);
    }
    source(lint, &place, part);
    item(lint, &place, part);
    having(lint, &place, part);
    let writes = [
        ("replace", &part.replace),
        ("add", &part.add),
        ("change", &part.change),
        ("remove", &part.remove),
    ];
    let mut asks_version = false;
    for (name, write) in writes {
        if let Some(write) = write {
            let place = format!("{place}.{name}");
            asks_version |= check_write(lint, &place, part, name, write);
        }
    }
    let replaced = part.replace.is_some();
    if part.single && (!replaced || part.add.is_some()) {
        lint.find(&place, "a single object is replaced, not added");
    }
    if !replaced && (part.add.is_none() || part.remove.is_none()) {
        lint.find(&place, "a list is replaced, or added to and removed from");
    }
    let (field, says) = if part.single {
        ("first_version", part.first_version.is_some())
    } else {
        ("versioned", part.versioned)
    };
    if says != asks_version {
        let message = match asks_version {
            true => "a body asks for it",
            false => "no body asks for it",
        };
        lint.find(format!("{place}.{field}"), message);
    }
    if part.single && part.versioned || !part.single && part.first_version.is_some() {
        let message = "a list has the object's version, a single object its own";
        lint.find(format!("{place}.versioned"), message);
    }
    if part.versioned && !lint.kind.version {
        lint.find(format!("{place}.versioned"), "the object has no version");
    }
}

fn check_gathered(lint: &mut Lint<'_>, place: &str, part: &Part, gathered: &Gathered) {
    let place = format!("{place}.gathered");
    if part.list.is_none() || lint.catalogue.get(gathered.each.as_str()).is_err() {
        lint.find(
            &place,
            "needs a list for single objects, and a kind that is there",
        );
    }
    let most = facts::max_page_size(&gathered.path);
    if !(1..=most).contains(&gathered.page_size) {
        lint.find(&place, format!("a page has at most {most} rows"));
    }
    let query = BTreeMap::new();
    let Some(operation) = calls::check_call(lint, &place, "GET", &gathered.path, &query, 1) else {
        return;
    };
    let row = operation
        .response
        .as_ref()
        .and_then(|ty| calls::rows(lint.contract, ty));
    let row = row.and_then(|row| lint.contract.model(row.model_name()?));
    if row.is_none_or(|row| row.field(&gathered.by).is_none()) {
        lint.find(
            format!("{place}.by"),
            format!("a row has no {}", gathered.by),
        );
    }
}

/// Checks that a document tells by its key alone whether what it refers to is of the sort.
fn having(lint: &mut Lint<'_>, place: &str, part: &Part) {
    let Some(having) = &part.having else {
        return;
    };
    let mut references = lint.kind.references.iter();
    let other = references
        .find(|reference| reference.path == having.reference)
        .and_then(|reference| lint.catalogue.get(reference.kind.as_ref()?.as_str()).ok());
    if other.and_then(|other| other.key.fields.first()) != Some(&having.field) {
        let message = "is not the first part of the key of what the object refers to there";
        lint.find(format!("{place}.having.field"), message);
    }
}

fn source(lint: &mut Lint<'_>, place: &str, part: &Part) {
    let kind = lint.kind;
    let model = lint.contract.model(&kind.model);
    let has = |name: &str| model.is_some_and(|model| model.field(name).is_some());
    let answer = part.list.as_ref().and_then(|list| {
        lint.contract
            .operation("GET", &list.path)?
            .response
            .as_ref()
    });
    let rows = part.list.as_ref().and_then(|list| list.rows.as_deref());
    let listed = |answer| calls::rows_in(lint.contract, answer, rows).is_some();
    if answer.is_some_and(|answer| listed(answer) == part.single) {
        lint.find(format!("{place}.single"), "the call answers otherwise");
    }
    match (&part.list, &part.inverse) {
        (None, None) if !has(&part.field) => lint.find(
            place,
            format!("{} does not carry it, and it has no list", kind.model),
        ),
        (_, Some(inverse)) => {
            if lint.catalogue.get(inverse.kind.as_str()).is_err() {
                lint.find(
                    format!("{place}.inverse"),
                    format!("the kind {} has no file", inverse.kind),
                );
            } else if part_type(lint, part).is_none() {
                lint.find(
                    format!("{place}.inverse"),
                    format!("{} has no {}", inverse.kind, inverse.path),
                );
            }
        }
        _ => {}
    }
    if let Some(when) = part.when.as_deref().filter(|when| !has(when)) {
        lint.find(
            format!("{place}.when"),
            format!("{} has no {when}", kind.model),
        );
    }
    if kind.fields.contains(&part.field) {
        lint.find(place, "is a managed field too");
    }
}

/// Returns the model of an item, where the contract has one.
fn item_model(lint: &Lint<'_>, part: &Part) -> Option<&'static Model> {
    match part_type(lint, part)? {
        Type::Model(name) if part.single => lint.contract.model(&name),
        Type::Array(item) => match *item {
            Type::Model(name) => lint.contract.model(&name),
            _ => None,
        },
        _ => None,
    }
}

fn item(lint: &mut Lint<'_>, place: &str, part: &Part) {
    let model = item_model(lint, part);
    for name in part.fields.iter().chain(&part.identity) {
        if model.is_some_and(|model| model.field(name).is_none()) {
            lint.find(format!("{place} {name}"), "an item has no such field");
        }
    }
    for name in &part.returned {
        let known = model.is_some_and(|model| model.field(name).is_some());
        if !known || part.fields.contains(name) || part.replace.is_none() {
            lint.find(
                format!("{place}.returned {name}"),
                "is no unmanaged field of an item of a list that is replaced",
            );
        }
    }
    if part.fields.is_empty() {
        return;
    }
    for name in part.identity.iter().chain(part.defaults.keys()) {
        if !part.fields.contains(name) {
            lint.find(
                format!("{place} {name}"),
                "is not among the fields of an item",
            );
        }
    }
}

/// Checks one call; returns whether its body asks for a version.
fn check_write(
    lint: &mut Lint<'_>,
    place: &str,
    part: &Part,
    name: &str,
    write: &ItemWrite,
) -> bool {
    let Some(operation) = lint.contract.operation(&write.method, &write.path) else {
        lint.find(
            format!("{place}.path"),
            format!("the contract has no {} {}", write.method, write.path),
        );
        return false;
    };
    let own = calls::own_ids(lint);
    let names_item = in_path(operation) > own;
    let params =
        if names_item && (matches!(name, "change" | "remove") || write.body == ItemBody::Empty) {
            // One id names an item, or all that tells it from others.
            let all = own + part.identity.len();
            if in_path(operation) == all {
                all
            } else {
                own + 1
            }
        } else {
            own
        };
    calls::check_call(
        lint,
        place,
        &write.method,
        &write.path,
        &write.query,
        params,
    );
    many(lint, place, write, names_item);
    if let Some(together) = &write.together {
        check_together(lint, &format!("{place}.together"), write, together);
    }
    let wants_name = matches!(
        write.body,
        ItemBody::IdList | ItemBody::ItemList | ItemBody::Query
    );
    if write.name.is_some() != wants_name {
        lint.find(
            format!("{place}.name"),
            "id_list, item_list and query have one, and no other",
        );
    }
    body(lint, place, part, write, operation)
}

/// Checks the call that adds an item to many objects.
fn check_together(lint: &mut Lint<'_>, place: &str, write: &ItemWrite, together: &Together) {
    let Together {
        method,
        path,
        query,
        each,
        items,
        objects,
        cap,
    } = together;
    if write.body != ItemBody::ItemList || *cap < 2 {
        lint.find(place, "is of a list of items, and for many objects");
    }
    calls::check_call(lint, place, method, path, query, 1);
    for field in [each, &items.0] {
        if !write
            .rename
            .values()
            .any(|wire| wire.name.as_ref() == Some(field))
        {
            lint.find(place, format!("an item is not sent with {field}"));
        }
    }
    let model = super::body::body_model(lint, method, path);
    for field in [objects, &items.1] {
        if model.is_none_or(|model| model.field(field).is_none()) {
            lint.find(place, format!("the body has no {field}"));
        }
    }
}

fn in_path(operation: &Operation) -> usize {
    let params = operation.params.iter();
    params.filter(|p| p.location == Location::Path).count()
}

fn many(lint: &mut Lint<'_>, place: &str, write: &ItemWrite, names_item: bool) {
    let takes_many = !matches!(write.body, ItemBody::Item | ItemBody::Empty);
    let place = format!("{place}.cap");
    if write.cap == 0 || (write.cap > 1 && (!takes_many || names_item)) {
        lint.find(&place, "the call takes one item");
    }
    if facts::max_items(&write.path).is_some_and(|most| takes_many && write.cap > most) {
        lint.find(&place, "is more than the call grants");
    }
}

fn body(
    lint: &mut Lint<'_>,
    place: &str,
    part: &Part,
    write: &ItemWrite,
    operation: &Operation,
) -> bool {
    let name = write.name.as_deref().unwrap_or_default();
    let mismatch = |wanted: &str| {
        let body = operation.body.as_ref().map(spell);
        format!(
            "is not {wanted}: the call takes {}",
            body.as_deref().unwrap_or("no body")
        )
    };
    let model = match (&operation.body, write.body) {
        (Some(Type::Model(name)), ItemBody::Item | ItemBody::IdList | ItemBody::ItemList) => {
            lint.contract.model(name)
        }
        (Some(Type::Array(item)), ItemBody::Items | ItemBody::Ids) => match &**item {
            Type::Model(name) => lint.contract.model(name),
            _ => None,
        },
        _ => None,
    };
    let fits = match (write.body, &operation.body) {
        (ItemBody::Item, Some(Type::Object | Type::Map(_) | Type::Model(_))) => {
            items(lint, place, part, write, model);
            true
        }
        (ItemBody::Items, Some(Type::Array(_))) => {
            items(lint, place, part, write, model);
            true
        }
        (ItemBody::Ids, Some(Type::Array(_))) => model.is_some_and(|m| m.field("id").is_some()),
        (ItemBody::IdList, Some(Type::Model(_))) => model
            .and_then(|model| model.field(name))
            .is_some_and(|field| field.ty == Type::Array(Box::new(Type::String))),
        (ItemBody::ItemList, Some(Type::Model(list))) => {
            let list = lint.contract.model(list).and_then(|list| list.field(name));
            let item = match list.map(|field| &field.ty) {
                Some(Type::Array(item)) => item.model_name(),
                _ => None,
            };
            let item = item.and_then(|item| lint.contract.model(item));
            items(lint, place, part, write, item);
            item.is_some()
        }
        (ItemBody::Query, None) => operation.query(name).is_some(),
        (ItemBody::Empty, None) => {
            let of_single = part.single && place.ends_with(".remove");
            of_single || in_path(operation) > calls::own_ids(lint)
        }
        _ => false,
    };
    if !fits {
        let wanted = match write.body {
            ItemBody::Item => "an item",
            ItemBody::Items => "a list of items",
            ItemBody::Ids => "a list of ids",
            ItemBody::IdList => "a named list of ids",
            ItemBody::ItemList => "a named list of items",
            ItemBody::Query => "ids in the query",
            ItemBody::Empty => "an item in the path",
        };
        lint.find(format!("{place}.body"), mismatch(wanted));
    }
    missing_query(lint, place, write, operation);
    // In a list each item may have a version of its own, which is sent back.
    let versioned = |model: &Model| model.field("version").is_some_and(|v| !v.read_only);
    write.body != ItemBody::Items && model.is_some_and(versioned)
}

fn missing_query(lint: &mut Lint<'_>, place: &str, write: &ItemWrite, operation: &Operation) {
    let given: BTreeMap<&str, ()> = write
        .query
        .keys()
        .chain(&write.name)
        .map(|name| (name.as_str(), ()))
        .collect();
    for param in &operation.params {
        let asked = param.required && param.location == Location::Query;
        if asked && !given.contains_key(param.name.as_str()) {
            lint.find(
                format!("{place}.query"),
                format!("the call needs {}", param.name),
            );
        }
    }
}

fn items(lint: &mut Lint<'_>, place: &str, part: &Part, write: &ItemWrite, model: Option<&Model>) {
    let sent = if write.fields.is_empty() {
        &part.fields
    } else {
        &write.fields
    };
    for name in sent {
        if !part.fields.is_empty() && !part.fields.contains(name) {
            lint.find(
                format!("{place}.fields {name}"),
                "is not among the fields of an item",
            );
        }
        let wire = wire(write, name);
        if model.is_some_and(|model| model.field(wire).is_none_or(|field| field.read_only)) {
            lint.find(
                format!("{place}.fields {name}"),
                "the body takes no such field",
            );
        }
    }
    let Some(model) = model else { return };
    for (name, field) in &model.fields {
        let given = sent.iter().any(|field| wire(write, field) == name)
            || (name == "version" && (part.versioned || part.first_version.is_some()));
        if field.required && !field.read_only && !given {
            lint.find(format!("{place}.fields"), format!("the body needs {name}"));
        }
    }
}

/// Returns the name under which a call takes a field of an item.
fn wire<'a>(write: &'a ItemWrite, field: &'a str) -> &'a str {
    let renamed = write.rename.get(field);
    renamed
        .and_then(|wire| wire.name.as_deref())
        .unwrap_or(field)
}
