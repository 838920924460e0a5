//! The drift of orgs: what moved, and what is done about it.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use orgsmith_core::drift::{Drifted, Field, Side, What};
use serde::Deserialize;
use serde_json::Value;

use super::{Frame, Sorry, Visitor, filters, shown, sorry};
use crate::api::{KeptView, Query, time};
use crate::auth::{Caller, Role};
use crate::problem::Problem;
use crate::reconcile::term;
use crate::service::Service;
use crate::words::Words;

/// How much of a value is shown.
const VALUE: usize = 300;
/// How many fields are shown, of all orgs together.
const ROWS: usize = 500;

/// What is looked for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    /// Of one org.
    org: String,
    /// With these words.
    find: String,
}

struct OrgDrift {
    org: String,
    protected: bool,
    /// What it is held against is a bundle, which can absorb what moved.
    is_of_bundle: bool,
    job: String,
    at: String,
    /// How many objects have drifted.
    objects: u64,
    rows: Vec<Row>,
    /// How many fields there are to show; nothing where it was not looked, as the page is full.
    fields: Option<usize>,
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
    which: Which,
    /// The orgs that there are.
    names: Vec<String>,
    kept: Vec<KeptView>,
    orgs: Vec<OrgDrift>,
    operates: bool,
    direct: bool,
}

pub(super) async fn page(
    State(service): State<Service>,
    Visitor(caller): Visitor,
    Query(which): Query<Which>,
) -> Result<Response, Sorry> {
    let orgs = found(&service, &caller, &which).await;
    let orgs = orgs.map_err(sorry(&caller))?;
    let names = service.worker().orgs().into_iter().map(|org| org.name);
    let names = names.filter(|org| caller.sees(org)).collect();
    let kept = service.view_kept(&caller).await.map_err(sorry(&caller))?;
    Ok(shown(&DriftPage {
        frame: Frame::new("/drift", &caller),
        which,
        names,
        kept,
        orgs,
        operates: caller.role >= Role::Operator,
        direct: service.settings().approvals == 0,
    }))
}

async fn found(
    service: &Service,
    caller: &Caller,
    which: &Which,
) -> Result<Vec<OrgDrift>, Problem> {
    let words = Words::of(&which.find);
    let mut orgs = Vec::new();
    let mut left = ROWS;
    for org in service.worker().orgs() {
        if !caller.sees(&org.name) || !(which.org.is_empty() || which.org == org.name) {
            continue;
        }
        let Some((job, objects)) = service.seen_look(caller, &org.name).await? else {
            continue;
        };
        let mut shown = Vec::new();
        // What was found is long: it is read only where there is room for it.
        let fields = match (objects, left) {
            (0, _) => Some(0),
            (_, 0) => None,
            _ => {
                let drift = service.drift_of(&job).await?;
                let objects = drift.into_iter().flat_map(|drift| drift.objects);
                let mut fields = 0;
                for rows in objects.map(|drifted| rows(&drifted)) {
                    if words.are_none() || rows.iter().any(|row| words.are_in(&row.text())) {
                        fields += rows.len();
                        let room = left - shown.len();
                        shown.extend(rows.into_iter().take(room));
                    }
                }
                Some(fields)
            }
        };
        left -= shown.len();
        let against = service.worker().against(&org.name);
        orgs.push(OrgDrift {
            is_of_bundle: against.is_some_and(|source| service.org(&source).is_err()),
            org: org.name,
            protected: org.protected,
            at: job.ended_ms.map(time).unwrap_or_default(),
            job: job.id,
            objects,
            rows: shown,
            fields,
        });
    }
    Ok(orgs)
}

impl Row {
    /// Returns what may be looked for in it.
    fn text(&self) -> String {
        let Self {
            object,
            path,
            side,
            source,
            target,
            who,
            ..
        } = self;
        format!("{object} {path} {side} {source} {target} {who}")
    }
}

/// Returns a row for each field of an object that moved and is not ignored.
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
