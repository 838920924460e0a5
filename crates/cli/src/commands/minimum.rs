//! The least number of API calls that a job can take, counted apart from the code that makes them.
//!
//! The arithmetic is that of the API: page sizes, and what can only be read or written one by one.
//! It knows nothing of the catalogue, so that a call too many there does not hide itself here.

use orgsmith_core::bundle::Bundle;
use orgsmith_core::document::Portable;
use orgsmith_core::plan::{Plan, Write};

/// Status requests that the simulator's jobs take, the one that says "done" included.
const POLLS: u64 = 2;
/// Flows that one export job takes.
const FLOWS_PER_JOB: u64 = 50;

/// Returns the calls that reading an org takes at least, given what it holds.
pub(crate) fn export(bundle: &Bundle) -> u64 {
    let of = |kind: &'static str| {
        bundle
            .documents
            .values()
            .filter(move |document| document.object.kind.as_str() == kind)
    };
    let count = |kind| of(kind).count() as u64;
    let pages = |kind, size: u64| count(kind).div_ceil(size).max(1);
    let items = |document: &Portable, field: &str| {
        let list = document
            .body
            .get(field)
            .and_then(serde_json::Value::as_array);
        list.map_or(0, Vec::len) as u64
    };

    // Lists; active and inactive users are two.
    let lists = 2 * pages("user", 500)
        + pages("routing_queue", 500)
        + pages("routing_skill", 500)
        + pages("routing_language", 100)
        + pages("routing_wrapupcode", 100)
        + pages("auth_role", 100)
        + pages("auth_division", 100)
        + pages("group", 500)
        + pages("location", 100)
        + pages("routing_skill_group", 100)
        + pages("architect_schedules", 100)
        + pages("architect_schedulegroups", 100)
        + pages("architect_datatable", 100)
        + pages("architect_user_prompt", 100)
        + pages("flow", 500)
        + pages("architect_ivr", 100)
        + pages("integration", 100)
        + pages("integration_credential", 200)
        + pages("integration_action", 100)
        + pages("outbound_contact_list", 100)
        + pages("outbound_callanalysisresponseset", 100)
        + pages("outbound_campaign", 100)
        + pages("telephony_providers_edges_did_pool", 100)
        + count("routing_utilization");
    // What a list row does not say.
    let queues: u64 = of("routing_queue")
        .map(|queue| {
            items(queue, "members").div_ceil(100) + items(queue, "wrapupCodes").div_ceil(100).max(1)
        })
        .sum();
    let tables: u64 = of("architect_datatable")
        .map(|table| items(table, "rows").div_ceil(100).clamp(1, 3))
        .sum();
    let flows = count("flow").div_ceil(FLOWS_PER_JOB) * (1 + POLLS);
    let singly = count("routing_skill_group") + count("integration") + count("integration_action");
    lists + queues + tables + flows + singly
}

/// Returns the calls that the writes of a plan take at least: one a step, and the polls of jobs.
pub(crate) fn writes(plan: &Plan) -> u64 {
    plan.steps
        .iter()
        .map(|step| match &step.write {
            Write::Request(_) => 1,
            Write::FlowImport { .. } => 1 + POLLS,
            // The address to upload to is asked for; the upload itself is no API call.
            Write::PromptAudio { .. } => 1,
            // The same, and the job is asked until it says that it is done.
            Write::RowsImport { .. } => 1 + POLLS,
            // A draft is made, changed and published.
            Write::ActionDraft { .. } => 3,
        })
        .sum()
}
