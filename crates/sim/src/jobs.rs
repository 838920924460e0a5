//! Asynchronous jobs: registered, perhaps waiting for an upload, running, ended.
//!
//! A job is JSON among the org's jobs. Its work is done once, `work_ms` after its start, whether
//! or not anybody asks; polls only decide when its end is told.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api;
use crate::auth::Permits;
use crate::clock::{later, spell};
use crate::cx::{Caller, Cx};
use crate::error::Refusal;

/// Does the work of a job; gives what the answers about it will tell.
pub(crate) type Work = fn(&mut Cx<'_>, details: &Value, content: &str) -> Value;

/// Says how far a job is.
#[derive(Debug, PartialEq)]
pub(crate) enum Phase {
    /// It waits for its upload.
    Waiting,
    Running,
    /// It has ended, and this came of it.
    Ended(Value),
}

/// Adds a job of a family with what its work has to know; gives its id.
pub(crate) fn register(cx: &mut Cx<'_>, family: &str, details: Value) -> String {
    let id = cx.org.new_id();
    let (client, divisions) = match &cx.caller {
        Caller::Seed => (None, None),
        Caller::Client { id, divisions, .. } => (Some(id.clone()), divisions.clone()),
    };
    let job = json!({
        "family": family,
        "details": details,
        "client": client,
        "divisions": divisions,
        "created": spell(cx.now),
        "polls": 0,
    });
    cx.org.jobs.insert(id.clone(), job);
    id
}

/// Starts a job, with the text that was uploaded for it; a second start changes nothing.
pub(crate) fn start(cx: &mut Cx<'_>, id: &str, content: String) {
    let now = spell(cx.now);
    let Some(job) = cx.org.jobs.get_mut(id) else {
        return;
    };
    if job.get("started").is_none() {
        job["started"] = now.into();
        job["content"] = content.into();
        cx.org.running.push(id.to_owned());
        settle(cx);
    }
}

/// Does the work of every started job whose time has come, in the order of their starts.
pub(crate) fn settle(cx: &mut Cx<'_>) {
    while let Some(id) = cx.org.running.first().cloned() {
        let Some(job) = cx.org.jobs.get_mut(&id) else {
            cx.org.running.remove(0);
            continue;
        };
        let started: Option<Timestamp> = job["started"].as_str().and_then(|at| at.parse().ok());
        let due = started.is_none_or(|at| later(at, cx.org.spec.jobs.work_ms) <= cx.now);
        if !due {
            return;
        }
        cx.org.running.remove(0);
        let content = job["content"].take();
        let job = job.clone();
        let caller = std::mem::replace(&mut cx.caller, caller_of(&job));
        let outcome = match job["family"].as_str().and_then(api::work_of) {
            Some(work) => work(cx, &job["details"], content.as_str().unwrap_or_default()),
            None => Value::Null,
        };
        cx.caller = caller;
        let ended = spell(cx.now);
        if let Some(job) = cx.org.jobs.get_mut(&id) {
            job["outcome"] = outcome;
            job["ended"] = ended.into();
        }
    }
}

/// Tells how far a job is, and counts that it was asked.
pub(crate) fn poll(cx: &mut Cx<'_>, family: &str, id: &str) -> Result<Phase, Refusal> {
    let polls = cx.org.spec.jobs.polls;
    let job = cx
        .org
        .jobs
        .get_mut(id)
        .filter(|job| job["family"] == family)
        .ok_or_else(|| Refusal::not_found("job", id))?;
    if job.get("started").is_none() {
        return Ok(Phase::Waiting);
    }
    let asked = job["polls"].as_u64().unwrap_or_default();
    match job.get("outcome") {
        Some(outcome) if asked >= polls.into() => Ok(Phase::Ended(outcome.clone())),
        _ => {
            job["polls"] = (asked + 1).into();
            Ok(Phase::Running)
        }
    }
}

/// Acts as the client that registered the job.
fn caller_of(job: &Value) -> Caller {
    match job["client"].as_str() {
        None => Caller::Seed,
        Some(id) => Caller::Client {
            id: id.to_owned(),
            permits: Permits::new(&["*".to_owned()]),
            divisions: job["divisions"].as_array().map(|ids| {
                let ids = ids.iter().filter_map(Value::as_str);
                ids.map(str::to_owned).collect()
            }),
        },
    }
}
