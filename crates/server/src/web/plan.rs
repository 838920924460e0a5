//! A plan and a comparison, as parts of the page of their job.

use std::collections::BTreeMap;

use askama::Template;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::graph::Graph;
use orgsmith_core::id::{Key, Kind, ObjectRef};
use orgsmith_core::plan::{Action, Conflict, Plan};
use orgsmith_core::render::{Drawing, graph_svg};
use orgsmith_store::desk::Job;
use serde_json::Value;

use crate::auth::{Caller, Role};
use crate::problem::Problem;
use crate::reconcile::term;
use crate::service::Service;
use crate::work::PLAN;

/// How many steps are shown.
const STEPS: usize = 300;
/// A picture of more objects than this is a thicket.
const PICTURE: usize = 60;
/// How much of a value is shown.
const VALUE: usize = 2_000;

struct StepRow {
    action: &'static str,
    class: &'static str,
    object: String,
    reason: String,
    changes: Vec<ChangeRow>,
}

struct ChangeRow {
    path: String,
    old: String,
    new: String,
}

#[derive(Template)]
#[template(path = "plan.html")]
struct PlanPart {
    job: String,
    org: String,
    protected: bool,
    digest: String,
    actions: BTreeMap<&'static str, usize>,
    calls: usize,
    conflicts: Vec<String>,
    findings: Vec<String>,
    needed: usize,
    approvals: Vec<String>,
    approves: bool,
    operates: bool,
    picture: Option<String>,
    steps: Vec<StepRow>,
    more: usize,
}

fn word(action: Action) -> (&'static str, &'static str) {
    match action {
        Action::Create => ("created", "create"),
        Action::Adopt => ("restored", "adopt"),
        Action::Update => ("updated", "update"),
        Action::Link => ("linked", "link"),
        Action::Delete => ("deleted", "delete"),
    }
}

fn value(value: Option<&Value>) -> String {
    let mut text = match value {
        None => return "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => serde_json::to_string_pretty(value).unwrap_or_default(),
    };
    if let Some((at, _)) = text.char_indices().nth(VALUE) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// Shows the plan that a job has made; nothing where it has made none.
pub(super) async fn plan_part(
    service: &Service,
    caller: &Caller,
    job: &Job,
) -> Result<Option<String>, Problem> {
    let Some(file) = service.desk().file(&job.id, PLAN).await? else {
        return Ok(None);
    };
    let plan: Plan = serde_json::from_slice(&file.content).map_err(Problem::internal)?;
    let digest = plan.digest();
    let mut actions = BTreeMap::new();
    for step in &plan.steps {
        *actions.entry(word(step.action).0).or_default() += 1;
    }
    let rows = plan.steps.iter().take(STEPS).map(|step| {
        let (action, class) = word(step.action);
        let changes = step.changes.iter().map(|change| ChangeRow {
            path: change.path.clone(),
            old: value(change.old.as_ref()),
            new: value(change.new.as_ref()),
        });
        StepRow {
            action,
            class,
            object: step.object.to_string(),
            reason: step.reason.clone(),
            changes: changes.collect(),
        }
    });
    let approvals = service.desk().approvals(&digest).await?;
    let part = PlanPart {
        job: job.id.clone(),
        org: job.org.as_str().to_owned(),
        protected: service.org(job.org.as_str()).is_ok_and(|org| org.protected),
        calls: plan.estimate.calls,
        conflicts: plan.conflicts.iter().map(conflict).collect(),
        findings: plan
            .findings
            .iter()
            .map(|finding| finding.message.clone())
            .collect(),
        needed: service.settings().approvals,
        approvals: approvals.into_iter().map(|(actor, _)| actor).collect(),
        approves: caller.role >= Role::Approver,
        operates: caller.role >= Role::Operator,
        picture: picture(&plan),
        more: plan.steps.len().saturating_sub(STEPS),
        steps: rows.collect(),
        actions,
        digest,
    };
    part.render().map(Some).map_err(Problem::internal)
}

/// Draws which of the objects of a plan need which.
fn picture(plan: &Plan) -> Option<String> {
    let catalogue = Catalogue::builtin();
    let graph = Graph::of_plan(catalogue, plan);
    if graph.edges.is_empty() || graph.nodes.len() > PICTURE {
        return None;
    }
    let mut families: Vec<String> = catalogue.iter().map(|kind| kind.family.clone()).collect();
    families.sort();
    families.dedup();
    Some(graph_svg(
        &graph,
        &Drawing {
            title: "What needs what",
            families: &families,
            about: None,
        },
    ))
}

struct MatrixRow {
    object: String,
    term: String,
    paths: Vec<String>,
    cells: Vec<Cell>,
}

struct Cell {
    class: String,
    title: String,
    text: String,
}

#[derive(Template)]
#[template(path = "matrix.html")]
struct MatrixPart {
    columns: Vec<String>,
    rows: Vec<MatrixRow>,
    all: u64,
    operates: bool,
}

/// Shows what a comparison has found; nothing where it has found nothing to show.
pub(super) async fn matrix_part(
    service: &Service,
    caller: &Caller,
    job: &Job,
) -> Result<Option<String>, Problem> {
    let matrix = service.result_of(job).await?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let columns: Vec<String> = list(&matrix["sources"])
        .iter()
        .map(|source| source["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    if columns.len() < 2 {
        return Ok(None);
    }
    let rows = list(&matrix["rows"]);
    let rows: Vec<MatrixRow> = rows.iter().take(5 * STEPS).map(row).collect();
    let counts = matrix["counts"]
        .as_object()
        .into_iter()
        .flat_map(|kinds| kinds.values());
    let all = counts.flat_map(|kind| {
        kind.as_object()
            .into_iter()
            .flat_map(|states| states.values())
    });
    let part = MatrixPart {
        columns,
        all: all.filter_map(Value::as_u64).sum(),
        rows,
        operates: caller.role >= Role::Operator,
    };
    part.render().map(Some).map_err(Problem::internal)
}

fn row(row: &Value) -> MatrixRow {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, key) = (text(&row["kind"]), text(&row["key"]));
    let object = ObjectRef::new(Kind::new(&kind), Key::from_encoded(&key));
    let cells = row["cells"].as_array().into_iter().flatten().map(|cell| {
        let state = text(&cell["state"]);
        Cell {
            title: cell["reason"].as_str().unwrap_or(&state).to_owned(),
            text: match state.as_str() {
                "missing" => "–".to_owned(),
                "unread" => "?".to_owned(),
                _ => text(&cell["group"]),
            },
            class: state,
        }
    });
    let groups = row["groups"].as_array().into_iter().flatten();
    let changes = groups.flat_map(|group| group["changes"].as_array().into_iter().flatten());
    let mut paths: Vec<String> = changes.map(|change| text(&change["path"])).collect();
    paths.sort();
    paths.dedup();
    paths.truncate(6);
    MatrixRow {
        term: term(&object),
        object: object.to_string(),
        paths,
        cells: cells.collect(),
    }
}

fn conflict(conflict: &Conflict) -> String {
    format!("{}: {}", conflict.object, conflict.reason)
}
