//! `/flows/export/jobs`: published sources, as they were uploaded, in a zip.

use std::collections::BTreeSet;
use std::io::{Cursor, Write};

use serde_json::{Value, json};
use zip::write::{SimpleFileOptions, ZipWriter};

use super::import::show_job;
use super::{message, version_of};
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::flowyaml::{self, What};
use crate::jobs;
use crate::refs::id_of;
use crate::routes::{Registry, Req};
use crate::store::text;

pub(super) const EXPORT: &str = "flow export";

pub(super) fn register(registry: &mut Registry) {
    let jobs = "/api/v2/flows/export/jobs";
    registry.on("POST", jobs, register_job);
    registry.on("GET", &format!("{jobs}/{{jobId}}"), job);
}

fn register_job(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let flows = req.body["flows"].as_array().cloned().unwrap_or_default();
    let most = cx.org.spec.jobs.flows_per_export;
    if flows.is_empty() || flows.len() > most {
        return Err(Refusal::invalid(
            "flows",
            format!("There must be 1 to {most} flows in an export."),
        ));
    }
    let mut names = BTreeSet::new();
    for asked in &flows {
        if asked.get("flow").and_then(id_of).is_none() {
            return Err(Refusal::new(
                400,
                "required.field.missing",
                "A flow to export must have an id.",
            )
            .detail("required.field.missing", "flows.flow.id"));
        }
        if let Some(name) = asked["fileName"].as_str() {
            if name.is_empty() || name.contains(['/', '\\']) {
                let problem = format!("[{name}] is not the name of a file.");
                return Err(Refusal::invalid("flows.fileName", problem));
            }
            if !names.insert(name.to_lowercase()) {
                let problem = format!("There are two files with the name [{name}].");
                return Err(Refusal::invalid("flows.fileName", problem));
            }
        }
    }
    let total = flows.len();
    let id = jobs::register(cx, EXPORT, json!({ "flows": flows }));
    jobs::start(cx, &id, String::new());
    Ok(Reply::ok(json!({
        "id": id,
        "status": "Registered",
        "totalFlows": total,
        "selfUri": format!("/api/v2/flows/export/jobs/{id}"),
    })))
}

fn job(cx: &mut Cx<'_>, req: &Req) -> Answer {
    show_job(cx, req, EXPORT)
}

/// Puts the flows into a zip. A flow that cannot be exported is told of and left out; the job
/// fails only when nothing is left.
pub(super) fn work(cx: &mut Cx<'_>, details: &Value, _: &str) -> Value {
    let mut files = Vec::new();
    let mut messages = Vec::new();
    for asked in details["flows"].as_array().into_iter().flatten() {
        match file(cx, asked) {
            Ok(file) => files.push(file),
            Err(problem) => messages.push(message(cx, "Error", problem)),
        }
    }
    if files.is_empty() {
        return json!({"status": "Failure", "command": "Export", "messages": messages});
    }
    match pack(&files) {
        Ok(zip) => {
            let url = cx.download(zip.into(), "application/zip");
            json!({
                "status": "Success",
                "command": "Export",
                "downloadUrl": url,
                "messages": messages,
            })
        }
        Err(error) => {
            messages.push(message(cx, "Error", error.to_string()));
            json!({"status": "Failure", "command": "Export", "messages": messages})
        }
    }
}

/// Gives the name and the content of one file.
fn file(cx: &Cx<'_>, asked: &Value) -> Result<(String, String), String> {
    let id = asked.get("flow").and_then(id_of).unwrap_or_default();
    let flow = cx
        .find_live("flow", id)
        .map_err(|_| format!("Could not find the flow {id}."))?;
    cx.check_division(&flow.fields)
        .map_err(|refusal| refusal.message)?;
    let name = text(&flow.fields, "name");
    let number = asked["flow"]["version"].as_str();
    let version = version_of(&flow.fields, number).ok_or_else(|| match number {
        Some(number) => format!("The flow '{name}' has no published version {number}."),
        None => format!("The flow '{name}' is not published."),
    })?;
    let content = version["content"].as_str().unwrap_or_default();
    let stem = asked["fileName"].as_str().unwrap_or(id);
    let as_yaml = asked["exportType"].as_str().unwrap_or("Yaml") == "Yaml";
    if flowyaml::is_export(content) {
        if as_yaml {
            return Err(format!(
                "The flow '{name}' ({id}) cannot be exported as Yaml: it was imported as an Architect file."
            ));
        }
        return Ok((
            format!("{stem}.{}", extension(&flow.fields)),
            content.to_owned(),
        ));
    }
    if as_yaml {
        return Ok((format!("{stem}.yaml"), content.to_owned()));
    }
    let mut source = flowyaml::read(content).map_err(|problems| problems.join(" "))?;
    for used in &mut source.uses {
        let known = version["uses"].as_array().into_iter().flatten();
        let mut same = known.filter(|known| {
            known["name"] == *used.name
                && match &used.what {
                    What::Flow(_) => known["kind"] == "flow",
                    What::Object(path) => known["id"].as_str().is_some_and(|id| {
                        let kind = known["kind"].as_str().unwrap_or_default();
                        let uri = crate::routes::registry().kind(kind).map(|k| k.uri(id));
                        uri == Some(format!("{path}/{id}"))
                    }),
                    What::Action { .. } => known["type"] == "DATAACTION",
                }
        });
        used.id = same
            .next()
            .and_then(|known| known["id"].as_str().map(str::to_owned));
    }
    let extension = extension(&flow.fields);
    Ok((
        format!("{stem}.{extension}"),
        flowyaml::write_export(&source),
    ))
}

fn extension(fields: &crate::store::Fields) -> &'static str {
    flowyaml::by_api(text(fields, "type")).map_or("i3Flow", |found| found.extension)
}

fn pack(files: &[(String, String)]) -> Result<Vec<u8>, zip::result::ZipError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(name.as_str(), SimpleFileOptions::default())?;
        zip.write_all(content.as_bytes())?;
    }
    Ok(zip.finish()?.into_inner())
}
