//! Data tables: schemas here, `rows` one by one, `files` many at once.

use serde_json::{Value, json};

use crate::crud::{self, Verb};
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::jobs::Work;
use crate::kind::{Deletion, Division, Kind};
use crate::page::{list_of, select};
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, Object, text};
use crate::world::Org;

mod csv;
mod files;
mod rows;

const TABLES: &str = "/api/v2/flows/datatables";
pub(crate) const MAX_TABLES: usize = 200;
const MAX_FIELDS: usize = 50;
const MAX_ROWS: usize = 5000;
/// The longest name and the longest key.
const MAX_NAME: usize = 256;

const KINDS: &[Kind] = &[Kind {
    name: "datatable",
    path: TABLES,
    audit: ("Datatables", "Schema"),
    duplicate: (409, "general.conflict"),
    division: Division::Object,
    deletion: Deletion {
        force: Some("force"),
        ..Deletion::PLAIN
    },
    // Jobs are posted below this path, and their status is not the client's to say.
    optional: &["status"],
    check: Some(check),
    deleted: Some(let_go),
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("GET", TABLES, list);
    registry.on("GET", &format!("{TABLES}/{{datatableId}}"), read);
    registry.on("PUT", &format!("{TABLES}/{{datatableId}}"), replace);
    rows::register(registry);
    files::register(registry);
}

pub(crate) fn work_of(family: &str) -> Option<Work> {
    match family {
        files::IMPORT => Some(files::import),
        files::EXPORT => Some(files::export),
        _ => None,
    }
}

fn kind() -> &'static Kind {
    the_kind("datatable")
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::invalid("schema", message)
}

fn check(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let length = text(fields, "name").chars().count();
    if !(1..=MAX_NAME).contains(&length) {
        return Err(Refusal::invalid(
            "name",
            format!("The name must have 1 to {MAX_NAME} characters."),
        ));
    }
    let Some(Value::Object(schema)) = fields.get_mut("schema") else {
        return Err(invalid("A data table needs a schema."));
    };
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Err(invalid("The schema must have additionalProperties false."));
    }
    if schema.get("type").is_some_and(|word| word != "object") {
        return Err(invalid("The schema must be of the type object."));
    }
    let Some(Value::Object(columns)) = schema.get("properties") else {
        return Err(invalid("The schema must have properties."));
    };
    check_columns(columns)?;
    let needs_key = schema
        .get("required")
        .and_then(Value::as_array)
        .is_some_and(|names| names.iter().any(|name| name == "key"));
    if !needs_key {
        return Err(invalid("The schema must require key."));
    }
    if let Some(old) = old {
        for (name, column) in columns_of(old) {
            match columns.get(name) {
                None => return Err(invalid(format!("The field {name} cannot be removed."))),
                Some(new) if new["type"] != column["type"] => {
                    return Err(invalid(format!("The type of {name} cannot be changed.")));
                }
                Some(_) => {}
            }
        }
    }
    let id = old
        .and_then(|old| old["schema"].get("id").cloned())
        .unwrap_or_else(|| cx.org.new_id().into());
    schema.insert("id".into(), id);
    schema
        .entry("$schema")
        .or_insert_with(|| "http://json-schema.org/draft-04/schema#".into());
    schema
        .entry("type")
        .or_insert_with(|| Value::from("object"));
    Ok(())
}

fn check_columns(columns: &Fields) -> Result<(), Refusal> {
    match columns.get("key") {
        None => return Err(invalid("The schema must have the property key.")),
        Some(key) if key["type"] != "string" => {
            return Err(invalid("The property key must be a string."));
        }
        Some(_) => {}
    }
    if columns.len() > MAX_FIELDS + 1 {
        return Err(invalid(format!(
            "A data table has at most {MAX_FIELDS} fields besides its key."
        )));
    }
    let mut orders = Vec::new();
    for (name, column) in columns {
        let known = ["string", "boolean", "integer", "number"];
        if !column["type"].as_str().is_some_and(|t| known.contains(&t)) {
            return Err(invalid(format!("The field {name} has no known type.")));
        }
        let Some(order) = column["displayOrder"].as_i64() else {
            return Err(invalid(format!("The field {name} has no displayOrder.")));
        };
        if orders.contains(&order) {
            return Err(invalid(format!(
                "Two fields have the displayOrder {order}."
            )));
        }
        orders.push(order);
    }
    Ok(())
}

/// Gives the columns of a table by their names.
fn columns_of(table: &Fields) -> impl Iterator<Item = (&String, &Value)> {
    table
        .get("schema")
        .and_then(|schema| schema.get("properties")?.as_object())
        .into_iter()
        .flatten()
}

/// Flows that used a table that was deleted by force no longer hold it.
fn let_go(org: &mut Org, id: &str) {
    let flows: Vec<String> = org.store.all("flow").map(|flow| flow.id.clone()).collect();
    for flow in flows {
        if let Some(Value::Array(holds)) = org
            .store
            .fields_mut("flow", &flow)
            .and_then(|fields| fields.get_mut("$holds"))
        {
            holds.retain(|held| held["id"] != id);
        }
    }
}

fn without_schema(req: &Req, mut shown: Value) -> Value {
    if !req.expands("schema")
        && let Value::Object(fields) = &mut shown
    {
        fields.remove("schema");
    }
    shown
}

fn list(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let found = select(cx, req, kind())?;
    let shown = |(object, fields): &(&Object, &Fields)| {
        without_schema(req, cx.org.view(kind(), &object.id, fields).into())
    };
    let kind = kind();
    list_of(req, kind, &found, shown)
}

fn read(cx: &mut Cx<'_>, req: &Req) -> Answer {
    table(cx, req.id())?;
    Ok(Reply::ok(without_schema(
        req,
        cx.show("datatable", req.id()),
    )))
}

fn replace(cx: &mut Cx<'_>, req: &Req) -> Answer {
    crud::serve(cx, req, kind(), Verb::Replace)?;
    read(cx, req)
}

/// Finds a table that the caller may use.
fn table<'c>(cx: &'c Cx<'_>, id: &str) -> Result<&'c Fields, Refusal> {
    let fields = &cx.find("datatable", id)?.fields;
    cx.check_division(fields)?;
    Ok(fields)
}

/// Brings a row into the form in which it is kept: every column, of its type, and no other.
fn complete_row(table: &Fields, mut row: Fields) -> Result<Fields, String> {
    let mut whole = Fields::new();
    for (name, column) in columns_of(table) {
        let value = match row.remove(name).filter(|value| !value.is_null()) {
            None if name == "key" => return Err("The row has no key.".to_owned()),
            None => match column["type"].as_str() {
                Some("boolean") => json!(false),
                Some("string") => json!(""),
                _ => json!(0),
            },
            Some(value) => {
                check_value(name, column, &value)?;
                value
            }
        };
        whole.insert(name.clone(), value);
    }
    match row.keys().next() {
        Some(name) => Err(format!("The data table has no field {name}.")),
        None => Ok(whole),
    }
}

fn check_value(name: &str, column: &Value, value: &Value) -> Result<(), String> {
    let is_right = match column["type"].as_str() {
        Some("boolean") => value.is_boolean(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        _ => value.is_number(),
    };
    if !is_right {
        let sort = column["type"].as_str().unwrap_or_default();
        return Err(format!(
            "Value [{value}] of {name} is not of the type {sort}."
        ));
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count();
        let most = match name {
            "key" => Some(MAX_NAME as u64),
            _ => None,
        };
        let bound = |bound: &str| column[bound].as_u64();
        let least = bound("minLength").unwrap_or(u64::from(name == "key"));
        let most = match (bound("maxLength"), most) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if (length as u64) < least || most.is_some_and(|most| length as u64 > most) {
            return Err(format!("The length of {name} is out of bounds."));
        }
    }
    if let Some(number) = value.as_f64() {
        let below = column["minimum"].as_f64().is_some_and(|min| number < min);
        let above = column["maximum"].as_f64().is_some_and(|max| number > max);
        if below || above {
            return Err(format!("Value [{value}] of {name} is out of bounds."));
        }
    }
    Ok(())
}
