//! What is counted, for Prometheus.

use std::sync::LazyLock;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use orgsmith_engine::now_ms;
use orgsmith_store::desk::{Ending, Job, JobState};
use orgsmith_store::state::Run;

use crate::auth::{Caller, Role};
use crate::problem::Problem;
use crate::service::Service;

/// Bounds of the times that requests and jobs take, in seconds.
const BOUNDS: [f64; 12] = [
    0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 28800.0,
];

static COUNTED: LazyLock<Option<PrometheusHandle>> = LazyLock::new(|| {
    let builder = PrometheusBuilder::new().set_buckets(&BOUNDS).ok()?;
    let handle = builder.install_recorder().ok()?;
    describe_gauge!("orgsmith_jobs", "Jobs by state.");
    describe_gauge!(
        "orgsmith_queue_depth",
        "Jobs that wait for a worker or for their org."
    );
    describe_gauge!(
        "orgsmith_queue_oldest_seconds",
        "How long the first of them has waited."
    );
    describe_counter!(
        "orgsmith_runs_ended_total",
        "Runs of jobs that this process ended, by org and by how they ended."
    );
    describe_counter!(
        "orgsmith_jobs_ended_total",
        "Jobs that this process ended, by kind and state."
    );
    describe_histogram!(
        "orgsmith_job_seconds",
        "How long jobs took from their first attempt to their end."
    );
    describe_counter!(
        "orgsmith_http_requests_total",
        "Requests to the service, by route and status."
    );
    describe_histogram!(
        "orgsmith_http_request_seconds",
        "How long requests to the service took."
    );
    describe_gauge!(
        "orgsmith_org_calls",
        "API calls that this process has sent to an org."
    );
    describe_gauge!(
        "orgsmith_org_throttled",
        "Of these, those that were answered with 429."
    );
    describe_gauge!(
        "orgsmith_org_quota_per_minute",
        "API calls a minute that the project allows an org."
    );
    describe_gauge!(
        "orgsmith_org_quota_used_percent",
        "Of these calls, the part of a hundred that this process sent in the last five minutes."
    );
    describe_gauge!(
        "orgsmith_org_drift",
        "Objects that had drifted when it was last looked."
    );
    describe_gauge!(
        "orgsmith_onboarding_users",
        "Users that another system was asked for, by stage; `failed` is where somebody has to look."
    );
    Some(handle)
});

/// Begins to count.
pub(crate) fn begin() {
    LazyLock::force(&COUNTED);
}

/// Counts a job that has ended.
pub(crate) fn job_ended(job: &Job, ending: &Ending) {
    let (kind, state) = (job.kind.clone(), ending.state.as_str());
    counter!("orgsmith_jobs_ended_total", "kind" => kind.clone(), "state" => state).increment(1);
    if let Some(started) = job.started_ms {
        let took = now_ms().saturating_sub(started);
        histogram!("orgsmith_job_seconds", "kind" => kind).record(took as f64 / 1000.0);
    }
}

/// Counts a run that has ended, or that somebody has to resume.
pub(crate) fn run_ended(run: &Run) {
    let (org, status) = (run.org.to_string(), run.status.as_str());
    counter!("orgsmith_runs_ended_total", "org" => org, "status" => status).increment(1);
}

/// Takes note of how much of its quota an org was sent.
pub(crate) fn quota_used(org: &str, percent: f64) {
    gauge!("orgsmith_org_quota_used_percent", "org" => org.to_owned()).set(percent);
}

/// Counts a request by the route that it took, not by what stands in its place.
pub(crate) async fn request(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    let method = request.method().to_string();
    let begun = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    let labels = [
        ("method", method.clone()),
        ("route", route.clone()),
        ("status", status),
    ];
    counter!("orgsmith_http_requests_total", &labels).increment(1);
    histogram!("orgsmith_http_request_seconds", "method" => method, "route" => route)
        .record(begun.elapsed().as_secs_f64());
    response
}

/// Tells everything that is counted, in the text format of Prometheus.
pub(crate) async fn show(
    State(service): State<Service>,
    caller: Caller,
) -> Result<Response, Problem> {
    caller.may_everywhere(Role::Viewer)?;
    for state in JobState::ALL {
        gauge!("orgsmith_jobs", "state" => state.as_str()).set(0.0);
    }
    for (state, count) in service.desk().counts().await? {
        gauge!("orgsmith_jobs", "state" => state).set(count as f64);
    }
    let (depth, first) = service.desk().waiting().await?;
    let waited = first.map_or(0, |first| now_ms().saturating_sub(first));
    gauge!("orgsmith_queue_depth").set(depth as f64);
    gauge!("orgsmith_queue_oldest_seconds").set(waited as f64 / 1000.0);
    for org in service.worker().orgs() {
        let calls = service.worker().calls(&org.name);
        for (name, value) in [
            ("orgsmith_org_calls", calls.sent),
            ("orgsmith_org_throttled", calls.throttled),
            ("orgsmith_org_quota_per_minute", calls.quota_per_minute),
        ] {
            gauge!(name, "org" => org.name.clone()).set(value as f64);
        }
        if let Some((_, drift)) = service.last_drift(&org.name).await? {
            gauge!("orgsmith_org_drift", "org" => org.name.clone()).set(drift as f64);
        }
    }
    let mut stages = std::collections::BTreeMap::new();
    for job in service.state().jobs(None).await? {
        *stages
            .entry((job.org.to_string(), job.stage.as_str()))
            .or_insert(0_u32) += 1;
    }
    for ((org, stage), users) in stages {
        gauge!("orgsmith_onboarding_users", "org" => org, "stage" => stage).set(f64::from(users));
    }
    let Some(handle) = COUNTED.as_ref() else {
        return Err(Problem::internal("something else counts in this process"));
    };
    let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    Ok((text, handle.render()).into_response())
}
