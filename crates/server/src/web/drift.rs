//! The drift of orgs: what moved, and what is done about it.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde_json::Value;

use super::{Frame, Sorry, Visitor, filters, shown, sorry};
use crate::api::{KeptView, time};
use crate::auth::{Caller, Role};
use crate::problem::Problem;
use crate::reconcile::{object, term};
use crate::service::Service;
use crate::work::DRIFT;

/// How much of a value is shown.
const VALUE: usize = 300;
/// How many fields of an org are shown.
const ROWS: usize = 500;

struct OrgDrift {
    org: String,
    protected: bool,
    job: String,
    at: String,
    rows: Vec<Row>,
}

/// A field that moved.
struct Row {
    /// It is the first of its object.
    first: bool,
    object: String,
    term: String,
    path: String,
    side: String,
    class: &'static str,
    source: String,
    target: String,
    who: String,
}

#[derive(Template)]
#[template(path = "drift.html")]
struct DriftPage {
    frame: Frame,
    kept: Vec<KeptView>,
    orgs: Vec<OrgDrift>,
    operates: bool,
    direct: bool,
}

pub(super) async fn page(
    State(service): State<Service>,
    Visitor(caller): Visitor,
) -> Result<Response, Sorry> {
    let orgs = found(&service, &caller).await.map_err(sorry(&caller))?;
    let kept = service.view_kept(&caller).await.map_err(sorry(&caller))?;
    Ok(shown(&DriftPage {
        frame: Frame::new("/drift", &caller),
        kept,
        orgs,
        operates: caller.role >= Role::Operator,
        direct: service.settings().approvals == 0,
    }))
}

async fn found(service: &Service, caller: &Caller) -> Result<Vec<OrgDrift>, Problem> {
    let mut orgs = Vec::new();
    for org in service.worker().orgs() {
        if !caller.sees(&org.name) {
            continue;
        }
        let Some((id, _)) = service.last_drift(&org.name).await? else {
            continue;
        };
        let Some(job) = service.desk().job(&id).await? else {
            continue;
        };
        let file = service.desk().file(&id, DRIFT).await?;
        let drift: Value = match file {
            Some(file) => serde_json::from_slice(&file.content).map_err(Problem::internal)?,
            None => Value::Null,
        };
        let objects = drift["objects"].as_array().into_iter().flatten();
        orgs.push(OrgDrift {
            org: org.name,
            protected: org.protected,
            job: id,
            at: job.ended_ms.map(time).unwrap_or_default(),
            rows: objects.flat_map(rows).take(ROWS).collect(),
        });
    }
    Ok(orgs)
}

fn rows(drifted: &Value) -> Vec<Row> {
    let Some(object) = object(drifted) else {
        return Vec::new();
    };
    let who = drifted["who"].as_array().into_iter().flatten().next();
    let who = who.map_or_else(String::new, |who| {
        let word = |name: &str| who[name].as_str().unwrap_or_default().to_owned();
        format!("{} {}", word("by"), word("at")).trim().to_owned()
    });
    let fields = drifted["fields"].as_array().into_iter().flatten();
    let open = fields.filter(|field| field["ignored"].is_null());
    let row = |(number, field): (usize, &Value)| {
        let side = field["side"].as_str().unwrap_or_default();
        let (words, class) = match side {
            "target" => ("in the org", "update"),
            "source" => ("in the source", "create"),
            "conflict" => ("in both", "failed"),
            other => (other, "quiet"),
        };
        Row {
            first: number == 0,
            object: object.to_string(),
            term: term(&object),
            path: match field["path"].as_str().unwrap_or_default() {
                "" => drifted["what"]
                    .as_str()
                    .unwrap_or_default()
                    .replace('_', " "),
                path => path.to_owned(),
            },
            side: words.to_owned(),
            class,
            source: value(&field["source"]),
            target: value(&field["target"]),
            who: who.clone(),
        }
    };
    open.enumerate().map(row).collect()
}

fn value(value: &Value) -> String {
    let text = match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    match text.char_indices().nth(VALUE) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
