//! The drift of orgs: what moved, and what is done about it.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use orgsmith_core::drift::{Drifted, Field, Side, What};
use serde_json::Value;

use super::{Frame, Sorry, Visitor, filters, shown, sorry};
use crate::api::{KeptView, time};
use crate::auth::{Caller, Role};
use crate::problem::Problem;
use crate::reconcile::term;
use crate::service::Service;

/// How much of a value is shown.
const VALUE: usize = 300;
/// How many fields of an org are shown.
const ROWS: usize = 500;

struct OrgDrift {
    org: String,
    protected: bool,
    /// What it is held against is a bundle, which can absorb what moved.
    is_of_bundle: bool,
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
    side: &'static str,
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
        let Some((job, drift)) = service.seen_drift(caller, &org.name).await? else {
            continue;
        };
        let against = service.worker().against(&org.name);
        orgs.push(OrgDrift {
            is_of_bundle: against.is_some_and(|source| service.org(&source).is_err()),
            org: org.name,
            protected: org.protected,
            at: job.ended_ms.map(time).unwrap_or_default(),
            job: job.id,
            rows: drift.objects.iter().flat_map(rows).take(ROWS).collect(),
        });
    }
    Ok(orgs)
}

fn rows(drifted: &Drifted) -> Vec<Row> {
    let who = drifted.who.first();
    let who = who.map_or_else(String::new, |doing| format!("{} {}", doing.who, doing.at));
    let open = drifted.fields.iter().filter(|field| field.counts());
    let row = |(number, field): (usize, &Field)| {
        let (side, class) = match field.side {
            Side::Target => ("in the org", "update"),
            Side::Source => ("in the source", "create"),
            Side::Conflict => ("in both", "failed"),
            Side::Same => ("alike", "quiet"),
        };
        Row {
            first: number == 0,
            object: drifted.object.to_string(),
            term: term(&drifted.object),
            path: match field.is_whole() {
                true => what(drifted.what).to_owned(),
                false => field.path.clone(),
            },
            side,
            class,
            source: value(field.source.as_ref()),
            target: value(field.target.as_ref()),
            who: who.clone(),
        }
    };
    open.enumerate().map(row).collect()
}

fn what(what: What) -> &'static str {
    match what {
        What::Changed => "changed",
        What::CreatedInTarget => "created in the org",
        What::CreatedInSource => "new in the source",
        What::DeletedInTarget => "deleted in the org",
        What::DeletedInSource => "gone from the source",
    }
}

fn value(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    match text.char_indices().nth(VALUE) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
