//! Rows, one by one.

use serde_json::{Map, Value, json};

use super::{MAX_ROWS, TABLES, complete_row, table};
use crate::audit;
use crate::crud::body_fields;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::page::hundreds;
use crate::routes::{Registry, Req};
use crate::store::{Fields, text};

pub(super) fn register(registry: &mut Registry) {
    let rows = format!("{TABLES}/{{datatableId}}/rows");
    registry.on("GET", &rows, list);
    registry.on("POST", &rows, create);
    registry.on("GET", &format!("{rows}/{{rowId}}"), read);
    registry.on("PUT", &format!("{rows}/{{rowId}}"), replace);
    registry.on("DELETE", &format!("{rows}/{{rowId}}"), delete);
}

/// Gives the rows of a table by their keys.
pub(super) fn rows_of(table: &Fields) -> impl DoubleEndedIterator<Item = (&String, &Value)> {
    table
        .get("$rows")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// Gives the rows of a table to change them.
pub(super) fn rows_mut<'c>(cx: &'c mut Cx<'_>, id: &str) -> Option<&'c mut Map<String, Value>> {
    let table = cx.org.store.fields_mut("datatable", id)?;
    let rows = table.entry("$rows").or_insert_with(|| json!({}));
    rows.as_object_mut()
}

fn wrong(message: String) -> Refusal {
    Refusal::new(400, "bad.request", message)
}

fn list(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let table = table(cx, req.param("datatableId"))?;
    let mut rows: Vec<&Value> = rows_of(table).map(|(_, row)| row).collect();
    if req.query("sortOrder").as_deref() == Some("descending") {
        rows.reverse();
    }
    hundreds(req, &rows, |row| brief(req, row))
}

/// Shows a row: only its key, unless everything is asked for.
fn brief(req: &Req, row: &Value) -> Value {
    match req.flag("showbrief") {
        true => json!({"key": row["key"]}),
        false => row.clone(),
    }
}

fn find<'c>(cx: &'c Cx<'_>, req: &Req) -> Result<&'c Value, Refusal> {
    let table = table(cx, req.param("datatableId"))?;
    let key = req.param("rowId");
    let row = table.get("$rows").and_then(|rows| rows.get(key));
    row.ok_or_else(|| Refusal::not_found("row", key))
}

fn read(cx: &mut Cx<'_>, req: &Req) -> Answer {
    Ok(Reply::ok(brief(req, find(cx, req)?)))
}

fn create(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("datatableId").to_owned();
    let table = table(cx, &id)?;
    let row = complete_row(table, body_fields(&req.body)).map_err(wrong)?;
    let key = text(&row, "key").to_owned();
    let rows = table.get("$rows").and_then(Value::as_object);
    if rows.is_some_and(|rows| rows.contains_key(&key)) {
        return Err(Refusal::new(
            409,
            "general.conflict",
            format!("There is a row with the key {key} already."),
        ));
    }
    if rows.is_some_and(|rows| rows.len() >= MAX_ROWS) {
        return Err(Refusal::new(
            400,
            "max.entity.count.reached",
            format!("A data table has at most {MAX_ROWS} rows."),
        ));
    }
    put(cx, &id, "Create", row)
}

fn replace(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("datatableId").to_owned();
    find(cx, req)?;
    let mut row = body_fields(&req.body);
    let key = req.param("rowId");
    if *row.entry("key").or_insert_with(|| key.into()) != *key {
        return Err(Refusal::invalid(
            "key",
            "The key of a row cannot be changed.",
        ));
    }
    let row = complete_row(table(cx, &id)?, row).map_err(wrong)?;
    put(cx, &id, "Update", row)
}

fn put(cx: &mut Cx<'_>, id: &str, action: &str, row: Fields) -> Answer {
    let key = text(&row, "key").to_owned();
    let row = Value::Object(row);
    if let Some(rows) = rows_mut(cx, id) {
        rows.insert(key.clone(), row.clone());
    }
    note(cx, id, action, &key);
    Ok(Reply::ok(row))
}

fn delete(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("datatableId").to_owned();
    find(cx, req)?;
    if let Some(rows) = rows_mut(cx, &id) {
        rows.remove(req.param("rowId"));
    }
    note(cx, &id, "Delete", req.param("rowId"));
    Ok(Reply::empty(204))
}

fn note(cx: &mut Cx<'_>, id: &str, action: &str, key: &str) {
    audit::note(cx, ("Datatables", "Row"), action, id, key, Vec::new());
    cx.touched = Some(id.to_owned());
}
