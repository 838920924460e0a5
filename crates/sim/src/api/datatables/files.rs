//! Rows as files: import and export jobs.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::rows::{rows_mut, rows_of};
use super::{MAX_ROWS, TABLES, columns_of, complete_row, csv, table};
use crate::audit;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::jobs::{self, Phase};
use crate::page::hundreds;
use crate::routes::{Registry, Req};
use crate::store::{Fields, text};

pub(super) const IMPORT: &str = "data table import";
pub(super) const EXPORT: &str = "data table export";

pub(super) fn register(registry: &mut Registry) {
    let one = format!("{TABLES}/{{datatableId}}");
    let imports = format!("{one}/import/jobs");
    let exports = format!("{one}/export/jobs");
    registry.on("POST", &format!("{one}/import/csv/jobs"), start_import);
    registry.on("GET", &imports, list_imports);
    registry.on("GET", &format!("{imports}/{{importJobId}}"), show_import);
    registry.on("POST", &exports, start_export);
    registry.on("GET", &format!("{exports}/{{exportJobId}}"), show_export);
}

fn start_import(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("datatableId");
    table(cx, id)?;
    let mode = req.body["importMode"].as_str().unwrap_or("ReplaceAll");
    let job = jobs::register(cx, IMPORT, json!({"table": id, "mode": mode}));
    let headers = vec![("x-amz-meta-jobid", job.clone())];
    let url = cx.upload_with(&job, headers, uploaded);
    let mut shown = described(cx, IMPORT, &job);
    shown["status"] = "WaitingForUpload".into();
    shown["uploadURI"] = url.into();
    shown["uploadHeaders"] = json!({ "x-amz-meta-jobid": job });
    Ok(Reply::ok(shown))
}

fn uploaded(cx: &mut Cx<'_>, job: &str, content: &Bytes) -> Result<(), Refusal> {
    let content = String::from_utf8_lossy(content).into_owned();
    jobs::start(cx, job, content);
    Ok(())
}

fn start_export(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("datatableId");
    table(cx, id)?;
    let job = jobs::register(cx, EXPORT, json!({ "table": id }));
    jobs::start(cx, &job, String::new());
    let mut shown = described(cx, EXPORT, &job);
    shown["status"] = "Processing".into();
    Ok(Reply::ok(shown))
}

fn show_import(cx: &mut Cx<'_>, req: &Req) -> Answer {
    show(cx, req, IMPORT)
}

fn show_export(cx: &mut Cx<'_>, req: &Req) -> Answer {
    show(cx, req, EXPORT)
}

fn show(cx: &mut Cx<'_>, req: &Req, family: &str) -> Answer {
    let id = req.id();
    let of_table = cx.org.jobs.get(id).map(|job| &job["details"]["table"]);
    if of_table.is_none_or(|table| table != req.param("datatableId")) {
        return Err(Refusal::not_found("job", id));
    }
    let phase = jobs::poll(cx, family, id)?;
    let mut shown = described(cx, family, id);
    match phase {
        Phase::Waiting => shown["status"] = "WaitingForUpload".into(),
        Phase::Running => shown["status"] = "Processing".into(),
        Phase::Ended(Value::Object(outcome)) => {
            shown["dateCompleted"] = cx.org.jobs[id]["ended"].clone();
            if let Value::Object(fields) = &mut shown {
                fields.extend(outcome);
            }
        }
        Phase::Ended(_) => shown["status"] = "Failed".into(),
    }
    Ok(Reply::ok(shown))
}

fn list_imports(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("datatableId");
    table(cx, id)?;
    let of_table =
        |(_, job): &(&String, &Value)| job["family"] == IMPORT && job["details"]["table"] == id;
    let mut found: Vec<(&String, &Value)> = cx.org.jobs.iter().filter(of_table).collect();
    found.sort_by_key(|(_, job)| job["created"].as_str());
    let shown = |(id, job): &(&String, &Value)| {
        let mut shown = described(cx, IMPORT, id);
        shown["status"] = match (job.get("outcome"), job.get("started")) {
            (Some(outcome), _) => outcome["status"].clone(),
            (None, Some(_)) => "Processing".into(),
            (None, None) => "WaitingForUpload".into(),
        };
        shown
    };
    hundreds(req, &found, shown)
}

/// Gives what every answer about a job tells.
fn described(cx: &Cx<'_>, family: &str, id: &str) -> Value {
    let job = cx.org.jobs.get(id).unwrap_or(&Value::Null);
    let table = job["details"]["table"].as_str().unwrap_or_default();
    let way = if family == IMPORT { "import" } else { "export" };
    let mut shown = json!({
        "id": id,
        "owner": {"id": job["client"]},
        "dateCreated": job["created"],
        "selfUri": format!("{TABLES}/{table}/{way}/jobs/{id}"),
    });
    if family == IMPORT {
        shown["importMode"] = job["details"]["mode"].clone();
    }
    shown
}

/// Takes the rows of a file. A wrong header or too many rows change nothing; a wrong row is left
/// out and counted.
pub(super) fn import(cx: &mut Cx<'_>, details: &Value, content: &str) -> Value {
    let id = details["table"].as_str().unwrap_or_default();
    let replaces = details["mode"] == "ReplaceAll";
    let failed = |message: String| {
        json!({
            "status": "Failed",
            "errorInformation": problem(message),
            "countRecordsUpdated": 0,
            "countRecordsDeleted": 0,
            "countRecordsFailed": 0,
        })
    };
    let Some(table) = cx.org.store.get("datatable", id) else {
        return failed("The data table is gone.".to_owned());
    };
    let parsed = match parse(&table.fields, content) {
        Ok(parsed) => parsed,
        Err(message) => return failed(message),
    };
    let name = table.text("name").to_owned();
    let Some(rows) = rows_mut(cx, id) else {
        return failed("The data table is gone.".to_owned());
    };
    let mut after = match replaces {
        true => Map::new(),
        false => rows.clone(),
    };
    let updated = parsed.rows.len();
    after.extend(parsed.rows);
    if after.len() > MAX_ROWS {
        return failed(format!("A data table has at most {MAX_ROWS} rows."));
    }
    let deleted = rows.keys().filter(|key| !after.contains_key(*key)).count();
    *rows = after;
    audit::note(cx, ("Datatables", "Bulk"), "Update", id, &name, Vec::new());
    cx.touched = Some(id.to_owned());
    let mut outcome = json!({
        "status": "Succeeded",
        "countRecordsUpdated": updated,
        "countRecordsDeleted": deleted,
        "countRecordsFailed": parsed.problems.len(),
    });
    if let Some(first) = parsed.problems.into_iter().next() {
        outcome["errorInformation"] = problem(first);
    }
    outcome
}

fn problem(message: String) -> Value {
    Refusal::bad_request(message).body("")
}

struct Parsed {
    rows: BTreeMap<String, Value>,
    problems: Vec<String>,
}

fn parse(table: &Fields, content: &str) -> Result<Parsed, String> {
    let records = csv::read(content).ok_or("The file is no CSV: a quote is not closed.")?;
    let mut records = records.into_iter();
    let header = records.next().ok_or("The file has no header.")?;
    if !header.iter().any(|name| name == "key") {
        return Err("The header has no key.".to_owned());
    }
    let mut columns = Vec::new();
    for name in &header {
        let column = columns_of(table).find(|(known, _)| *known == name);
        let (name, column) =
            column.ok_or_else(|| format!("The data table has no field {name}."))?;
        if columns.iter().any(|(known, _)| *known == name) {
            return Err(format!("The header has {name} twice."));
        }
        columns.push((name, column));
    }
    let mut parsed = Parsed {
        rows: BTreeMap::new(),
        problems: Vec::new(),
    };
    for (index, record) in records.enumerate() {
        match row(table, &columns, record) {
            Ok(row) => {
                let key = text(&row, "key").to_owned();
                if parsed.rows.insert(key.clone(), row.into()).is_some() {
                    let line = index + 2;
                    parsed
                        .problems
                        .push(format!("Record {line}: the key {key} is there twice."));
                }
            }
            Err(message) => parsed
                .problems
                .push(format!("Record {}: {message}", index + 2)),
        }
    }
    Ok(parsed)
}

fn row(
    table: &Fields,
    columns: &[(&String, &Value)],
    record: Vec<String>,
) -> Result<Fields, String> {
    if record.len() > columns.len() {
        return Err("there are more fields than in the header.".to_owned());
    }
    let mut row = Fields::new();
    for ((name, column), cell) in columns.iter().zip(record) {
        if cell.is_empty() {
            continue;
        }
        let value = match column["type"].as_str() {
            Some("boolean") => match cell.to_lowercase().as_str() {
                "true" => json!(true),
                "false" => json!(false),
                _ => return Err(format!("[{cell}] of {name} is not a boolean.")),
            },
            Some("string") => cell.into(),
            _ => match serde_json::from_str::<Value>(&cell) {
                Ok(number @ Value::Number(_)) => number,
                _ => return Err(format!("[{cell}] of {name} is not a number.")),
            },
        };
        row.insert((*name).clone(), value);
    }
    complete_row(table, row)
}

/// Writes the rows, columns as they are displayed, the key first.
pub(super) fn export(cx: &mut Cx<'_>, details: &Value, _: &str) -> Value {
    let id = details["table"].as_str().unwrap_or_default();
    let Some(table) = cx.org.store.get("datatable", id) else {
        let problem = problem("The data table is gone.".to_owned());
        return json!({"status": "Failed", "errorInformation": problem});
    };
    let mut columns: Vec<(&String, &Value)> = columns_of(&table.fields).collect();
    columns.sort_by_key(|(name, column)| (*name != "key", column["displayOrder"].as_i64()));
    let mut content = String::new();
    csv::write(&mut content, columns.iter().map(|(name, _)| name.as_str()));
    let mut count = 0;
    for (_, row) in rows_of(&table.fields) {
        let cells: Vec<String> = columns
            .iter()
            .map(|(name, _)| match &row[name.as_str()] {
                Value::String(text) => text.clone(),
                // A column that is younger than the row.
                Value::Null => String::new(),
                other => other.to_string(),
            })
            .collect();
        csv::write(&mut content, cells.iter().map(String::as_str));
        count += 1;
    }
    let url = cx.download(content.into(), "text/csv");
    json!({"status": "Succeeded", "downloadURI": url, "countRecordsProcessed": count})
}
