//! The pages that are looked at.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use orgsmith_core::id::{OrgName, RunId};
use orgsmith_engine::now_ms;
use orgsmith_store::desk::{Filter, JobState, Told};
use orgsmith_store::state::MappingFilter;
use serde::Deserialize;
use serde_json::Value;

use super::chart::Chart;
use super::plan::{matrix_part, plan_part};
use super::{Frame, Sorry, Visitor, filters, shown, sorry};
use crate::api::{
    ActView, JobView, Mapped, NumberView, OrgView, Part, Query, RunView, StepView, TokenView, time,
};
use crate::auth::{Caller, Role};
use crate::problem::Problem;
use crate::service::Service;
use crate::words::Words;

/// What a page answers.
type Page = Result<Response, Sorry>;

/// How many rows a page shows.
const ROWS: usize = 500;
/// How many acts a page shows.
const ACTS: u32 = 500;
/// How many jobs a page shows.
const JOBS: u32 = 100;
/// How many runs a page shows.
const RUNS: usize = 100;
/// Of how many plans, which are large, a page tells.
const PLANS: usize = 10;
/// How much of what was told is shown.
const TOLD: u32 = 200;

/// An org in the fleet.
struct OrgRow {
    view: OrgView,
    /// The last look for drift, and how much it found.
    drift: Option<(String, u64)>,
    /// What is done about it at the moment.
    job: Option<(String, String)>,
    /// The calls of the last hour.
    chart: Option<Chart>,
}

impl std::ops::Deref for OrgRow {
    type Target = OrgView;

    fn deref(&self) -> &OrgView {
        &self.view
    }
}

#[derive(Template)]
#[template(path = "fleet.html")]
struct FleetPage {
    frame: Frame,
    live: FleetLive,
    /// Whether something may be written without a plan that was approved.
    direct: bool,
}

#[derive(Template)]
#[template(path = "fleet_live.html")]
struct FleetLive {
    orgs: Vec<OrgRow>,
    operates: bool,
}

fn operates(caller: &Caller) -> bool {
    caller.role >= Role::Operator
}

async fn fleet_of(service: &Service, caller: &Caller) -> Result<FleetLive, Problem> {
    let mut rows = Vec::new();
    for org in service.worker().orgs() {
        if !caller.sees(&org.name) {
            continue;
        }
        let running = Filter {
            org: Some(OrgName::new(&org.name)),
            state: Some(JobState::Running),
            limit: 1,
            ..Filter::default()
        };
        let job = service.desk().jobs(&running).await?.into_iter().next();
        let minutes = service.lookout().minutes(&org.name, now_ms());
        let drift = service.last_drift(&org.name).await?;
        let view = service.view_org(org).await?;
        rows.push(OrgRow {
            drift,
            job: job.map(|job| (job.id, job.kind)),
            chart: Chart::of(&minutes, view.calls.quota_per_minute),
            view,
        });
    }
    Ok(FleetLive {
        orgs: rows,
        operates: operates(caller),
    })
}

pub(super) async fn fleet(State(service): State<Service>, Visitor(caller): Visitor) -> Page {
    let live = fleet_of(&service, &caller).await.map_err(sorry(&caller))?;
    Ok(shown(&FleetPage {
        frame: Frame::new("/", &caller),
        live,
        direct: service.settings().approvals == 0,
    }))
}

pub(super) async fn fleet_live(
    State(service): State<Service>,
    caller: Caller,
) -> Result<Response, Problem> {
    Ok(shown(&fleet_of(&service, &caller).await?))
}

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage {
    frame: Frame,
    orgs: Vec<String>,
    live: JobsLive,
    operates: bool,
}

async fn jobs_of(
    service: &Service,
    caller: &Caller,
    kind: Option<&str>,
    after: After,
) -> Result<JobsLive, Problem> {
    let filter = Filter {
        kind: kind.map(str::to_owned),
        before: after.after,
        limit: JOBS,
        ..Filter::default()
    };
    let (jobs, last) = service.seen_jobs(caller, &filter).await?;
    Ok(JobsLive { jobs, last })
}

pub(super) async fn compare(State(service): State<Service>, Visitor(caller): Visitor) -> Page {
    let live = jobs_of(&service, &caller, Some("compare"), After::default()).await;
    let live = live.map_err(sorry(&caller))?;
    let orgs = service.worker().orgs().into_iter().map(|org| org.name);
    Ok(shown(&ComparePage {
        frame: Frame::new("/compare", &caller),
        orgs: orgs.filter(|org| caller.sees(org)).collect(),
        live,
        operates: operates(&caller),
    }))
}

#[derive(Template)]
#[template(path = "jobs.html")]
struct JobsPage {
    frame: Frame,
    after: Option<String>,
    live: JobsLive,
}

#[derive(Template)]
#[template(path = "jobs_live.html")]
struct JobsLive {
    jobs: Vec<JobView>,
    /// The last that is shown, where there are more behind it.
    last: Option<String>,
}

pub(super) async fn jobs(
    State(service): State<Service>,
    Visitor(caller): Visitor,
    Query(after): Query<After>,
) -> Page {
    let live = jobs_of(&service, &caller, None, after.clone()).await;
    Ok(shown(&JobsPage {
        frame: Frame::new("/jobs", &caller),
        after: after.after,
        live: live.map_err(sorry(&caller))?,
    }))
}

pub(super) async fn jobs_live(
    State(service): State<Service>,
    caller: Caller,
    Query(after): Query<After>,
) -> Result<Response, Problem> {
    Ok(shown(&jobs_of(&service, &caller, None, after).await?))
}

/// A line of what was told.
struct Line {
    at: String,
    class: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    frame: Frame,
    live: JobLive,
}

#[derive(Template)]
#[template(path = "job_live.html")]
struct JobLive {
    job: JobView,
    ended: bool,
    operates: bool,
    plan: Option<String>,
    matrix: Option<String>,
    told: Vec<Line>,
    result: Option<String>,
}

/// Puts into words what a person wants to read of what was told.
fn line(told: &Told) -> Option<Line> {
    let event: Value = serde_json::from_str(&told.event).ok()?;
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let (class, text) = match event["event"].as_str()? {
        "said" => ("", text("text")),
        "gap" => ("bad", format!("gap: {}", event["gap"])),
        "step_ended" if event["outcome"] != "done" => (
            "bad",
            format!(
                "{}: {} {}: {}",
                text("outcome"),
                text("action"),
                text("object"),
                text("reason")
            ),
        ),
        "error" => ("bad", text("message")),
        _ => return None,
    };
    Some(Line {
        at: time(told.at_ms),
        class,
        text,
    })
}

async fn job_of(service: &Service, caller: &Caller, id: &str) -> Result<JobLive, Problem> {
    let job = service.find_job(caller, id).await?;
    let ended = job.state.is_ended();
    let told = service.desk().told_last(id, TOLD).await?;
    let mut plan = None;
    if matches!(job.kind.as_str(), "plan" | "import") && ended {
        plan = plan_part(service, caller, &job).await?;
    }
    let mut matrix = None;
    if job.kind == "compare" && ended {
        matrix = matrix_part(service, caller, &job).await?;
    }
    let view = service.view_job(job).await?;
    // A plan and a matrix say what there is to say.
    let plain = plan.is_none() && matrix.is_none();
    let result = view.result.as_ref().filter(|_| plain);
    let result = result.and_then(|result| serde_json::to_string_pretty(result).ok());
    Ok(JobLive {
        job: view,
        ended,
        operates: operates(caller),
        plan,
        matrix,
        told: told.iter().filter_map(line).collect(),
        result,
    })
}

pub(super) async fn job(
    State(service): State<Service>,
    Visitor(caller): Visitor,
    Path(id): Path<String>,
) -> Page {
    let live = job_of(&service, &caller, &id).await;
    Ok(shown(&JobPage {
        frame: Frame::new("/jobs", &caller),
        live: live.map_err(sorry(&caller))?,
    }))
}

pub(super) async fn job_live(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    Ok(shown(&job_of(&service, &caller, &id).await?))
}

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsPage {
    frame: Frame,
    runs: Vec<RunView>,
    /// Whether these are the newest.
    newest: bool,
    /// The last run that is shown, where there are more behind it.
    last: Option<String>,
}

/// Behind what a page begins.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct After {
    after: Option<String>,
}

impl After {
    fn run(&self) -> Option<RunId> {
        self.after.as_deref().map(RunId::new)
    }
}

pub(super) async fn runs(
    State(service): State<Service>,
    Visitor(caller): Visitor,
    Query(after): Query<After>,
) -> Page {
    let behind = after.run();
    let runs = service.some_seen_runs(&caller, None, behind.as_ref(), RUNS);
    let (runs, more) = runs.await.map_err(sorry(&caller))?;
    let runs: Vec<RunView> = runs.into_iter().map(RunView::from).collect();
    Ok(shown(&RunsPage {
        frame: Frame::new("/runs", &caller),
        newest: behind.is_none(),
        last: runs.last().filter(|_| more).map(|run| run.id.clone()),
        runs,
    }))
}

/// A step as it is shown.
struct StepRow {
    step: String,
    state: String,
    reason: String,
}

impl StepRow {
    fn new(step: StepView) -> Self {
        // A state is a word, or a word with what there is to say of it.
        let (state, reason) = match &step.state {
            Value::String(word) => (word.clone(), String::new()),
            Value::Object(fields) => {
                fields
                    .iter()
                    .next()
                    .map_or_else(Default::default, |(word, about)| {
                        (
                            word.clone(),
                            about["reason"].as_str().unwrap_or_default().to_owned(),
                        )
                    })
            }
            _ => (String::new(), String::new()),
        };
        Self {
            step: step.step,
            state: state.to_lowercase(),
            reason,
        }
    }
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    frame: Frame,
    run: RunView,
    counts: BTreeMap<String, usize>,
    steps: Vec<StepRow>,
    /// How many there are.
    all: usize,
    operates: bool,
    protected: bool,
}

pub(super) async fn run(
    State(service): State<Service>,
    Visitor(caller): Visitor,
    Path(id): Path<String>,
) -> Page {
    let found = service.find_run(&caller, &id).await;
    let (run, steps) = found.map_err(sorry(&caller))?;
    let mut steps: Vec<StepRow> = steps.into_iter().map(StepRow::new).collect();
    let mut counts = BTreeMap::new();
    for step in &steps {
        *counts.entry(step.state.clone()).or_default() += 1;
    }
    let all = steps.len();
    // What went wrong is what is looked for.
    steps.sort_by_key(|step| step.state == "done");
    steps.truncate(2 * ROWS);
    let protected = service.org(run.org.as_str()).is_ok_and(|org| org.protected);
    Ok(shown(&RunPage {
        frame: Frame::new("/runs", &caller),
        run: run.into(),
        counts,
        steps,
        all,
        operates: operates(&caller),
        protected,
    }))
}

/// What is looked for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Find {
    find: String,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "map.html")]
struct MapPage {
    frame: Frame,
    find: String,
    rows: Vec<Mapped>,
    /// Whether these are the first.
    first: bool,
    /// The last that is shown, where there are more behind it.
    last: Option<String>,
}

pub(super) async fn map(
    State(service): State<Service>,
    Visitor(caller): Visitor,
    Query(Find { find, after }): Query<Find>,
) -> Page {
    let (filter, words) = (MappingFilter::default(), Words::of(&find));
    let rows = service.mapped(&caller, &filter, &words, after.as_deref(), ROWS);
    let (rows, last) = rows.await.map_err(sorry(&caller))?;
    Ok(shown(&MapPage {
        frame: Frame::new("/map", &caller),
        find,
        rows,
        first: after.is_none(),
        last,
    }))
}

#[derive(Template)]
#[template(path = "numbers.html")]
struct NumbersPage {
    frame: Frame,
    rows: Vec<NumberView>,
    /// How many rows there are.
    all: usize,
    /// How many runs they are from, and whether these are the newest.
    runs: usize,
    newest: bool,
    /// The last of these runs, where there are more behind it.
    last: Option<String>,
}

pub(super) async fn numbers(
    State(service): State<Service>,
    Visitor(caller): Visitor,
    Query(after): Query<After>,
) -> Page {
    let behind = after.run();
    let numbers = service.seen_numbers(&caller, None, behind.as_ref(), PLANS);
    let numbers = numbers.await.map_err(sorry(&caller))?;
    Ok(shown(&NumbersPage {
        frame: Frame::new("/numbers", &caller),
        all: numbers.rows.len(),
        rows: numbers.rows.into_iter().take(ROWS).collect(),
        runs: numbers.runs,
        newest: behind.is_none(),
        last: numbers.last.map(|run| run.as_str().to_owned()),
    }))
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    acts: Vec<ActView>,
    refused: bool,
    /// Whether these are the newest.
    newest: bool,
    /// The last that is shown, where there are more behind it.
    last: Option<String>,
}

/// Whether only what was refused is shown.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Refused {
    refused: bool,
    after: Option<String>,
}

pub(super) async fn audit(
    State(service): State<Service>,
    Visitor(caller): Visitor,
    Query(Refused { refused, after }): Query<Refused>,
) -> Page {
    let acts = service.seen_acts(&caller, None, refused, after.as_deref(), ACTS);
    let (acts, last) = acts.await.map_err(sorry(&caller))?;
    Ok(shown(&AuditPage {
        frame: Frame::new("/audit", &caller),
        acts,
        refused,
        newest: after.is_none(),
        last,
    }))
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    minted: Option<String>,
    roles: [&'static str; 4],
    tokens: Vec<TokenView>,
    /// The last that is shown, where there are more behind it.
    last: Option<String>,
}

pub(super) async fn tokens(
    State(service): State<Service>,
    Visitor(caller): Visitor,
    Query(after): Query<After>,
) -> Page {
    tokens_page(&service, &caller, after, None).await
}

/// Shows the tokens, and one that was just made.
pub(super) async fn tokens_page(
    service: &Service,
    caller: &Caller,
    after: After,
    minted: Option<String>,
) -> Page {
    let part = Part {
        after: after.after,
        limit: None,
    };
    let tokens = service.seen_tokens(caller, part).await;
    let (tokens, last) = tokens.map_err(sorry(caller))?;
    Ok(shown(&TokensPage {
        frame: Frame::new("/tokens", caller),
        minted,
        roles: Role::ALL.map(Role::as_str),
        tokens,
        last,
    })
    .into_response())
}
