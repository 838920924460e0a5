//! The limits of an org: how many objects it may have, and what else is bounded.
//!
//! What is told here is what is enforced. The names of the keys are the simulator's own: no source
//! lists those of the service.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::datatables::MAX_TABLES;
use super::queues::QUEUE_SIZE;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Oversize, Style};
use crate::page::cut;
use crate::routes::{Registry, Req};
use crate::world::Org;

const ROOT: &str = "/api/v2/organizations/limits/namespaces";

/// Who may see limits: the contract names nothing, the guides this.
const PERMISSION: &str = "limits:organization:view";

/// A limit on how many objects there are.
struct Limit {
    namespace: &'static str,
    key: &'static str,
    /// What it counts, as `max_objects` of the world calls it.
    of: &'static str,
    /// Its value in an org that says nothing else; no limit where it is not known.
    default: Option<usize>,
}

const fn limit(
    namespace: &'static str,
    key: &'static str,
    of: &'static str,
    default: Option<usize>,
) -> Limit {
    Limit {
        namespace,
        key,
        of,
        default,
    }
}

const LIMITS: &[Limit] = &[
    limit(
        "architect",
        "emergency.groups.max",
        "emergency_group",
        Some(1_000),
    ),
    limit("architect", "flows.max", "flow", None),
    limit("architect", "ivrs.max", "ivr", Some(2_000)),
    limit("architect", "prompts.max", "user_prompt", None),
    limit(
        "architect",
        "schedule.groups.max",
        "schedule_group",
        Some(10_000),
    ),
    limit("architect", "schedules.max", "schedule", Some(10_000)),
    limit("authorization", "divisions.max", "division", Some(50)),
    limit("authorization", "roles.max", "role", None),
    limit("dataactions", "actions.max", "action", None),
    limit(
        "datatables",
        "datatables.max",
        "datatable",
        Some(MAX_TABLES),
    ),
    limit("directory", "locations.max", "location", None),
    limit("directory", "users.max", "user", None),
    limit("email", "domains.max", "email_domain", None),
    limit("groups", "groups.max", "group", None),
    limit("integrations", "integrations.max", "integration", None),
    limit("outbound", "campaigns.max", "campaign", None),
    limit(
        "outbound",
        "contact.list.filters.max",
        "contact_list_filter",
        Some(1_000),
    ),
    limit("outbound", "contact.lists.max", "contact_list", None),
    limit("routing", "languages.max", "language", None),
    limit(
        "routing",
        "queue.members.max",
        QUEUE_MEMBER,
        Some(QUEUE_SIZE),
    ),
    limit("routing", "queues.max", "queue", Some(5_000)),
    limit("routing", "wrapup.codes.max", "wrapup_code", None),
    limit("skills", "skills.max", "skill", None),
    limit("skills", "user.skills.max", USER_SKILL, None),
    limit("telephony.configuration", "did.pools.max", "did_pool", None),
    limit("telephony.configuration", "sites.max", "site", Some(1_000)),
];

/// The members of one queue.
pub(crate) const QUEUE_MEMBER: &str = "queue_member";
/// The skills of one user.
pub(crate) const USER_SKILL: &str = "user_skill";

/// The rates of the platform, as far as they are known.
const RATES: &[&str] = &[
    "client.credentials.token.rate.per.minute",
    "token.rate.per.minute",
];

pub(crate) fn register(registry: &mut Registry) {
    registry.on("GET", ROOT, namespaces);
    let one = format!("{ROOT}/{{namespaceName}}");
    registry.on("GET", &one, effective);
    registry.on("GET", &format!("{one}/defaults"), defaults);
}

pub(crate) fn furnish(org: &mut Org, _: Timestamp) {
    for limit in LIMITS {
        if let Some(value) = limit.default {
            let most = &mut org.spec.max_objects;
            most.entry(limit.of.to_owned()).or_insert(value);
        }
    }
}

/// Refuses a count beyond what the org may have; `code` is the service's word for it.
pub(crate) fn check(
    cx: &Cx<'_>,
    of: &str,
    count: usize,
    code: &'static str,
) -> Result<(), Refusal> {
    let most = cx.org.spec.max_objects.get(of).copied();
    let Some(most) = most.filter(|most| count > *most) else {
        return Ok(());
    };
    let words = of.replace('_', " ");
    let message = format!("The maximum number of {words} objects has been reached: {most}.");
    let mut refusal = Refusal::new(400, code, message);
    let told = LIMITS.iter().find(|limit| limit.of == of);
    refusal.more.limit = told.map(|limit| (limit.namespace, limit.key, most));
    Err(refusal)
}

fn check_caller(cx: &Cx<'_>) -> Result<(), Refusal> {
    if cx.caller.may(PERMISSION) {
        return Ok(());
    }
    let message = format!(
        "Unable to perform the requested action. You are missing the following permission(s): {PERMISSION}"
    );
    let mut refusal = Refusal::new(403, "missing.permissions", message);
    let params = &mut refusal.more.params;
    params.push(("permissions".into(), PERMISSION.into()));
    Err(refusal)
}

fn namespaces(cx: &mut Cx<'_>, req: &Req) -> Answer {
    check_caller(cx)?;
    let mut names: Vec<&str> = LIMITS.iter().map(|limit| limit.namespace).collect();
    names.push("platform.api");
    names.sort_unstable();
    names.dedup();
    let shown = |name: &&str| Value::from(*name);
    cut(req, Style::Offset, 100, Oversize::Refuse, &names, shown).map(Reply::ok)
}

fn effective(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let own = cx.org.spec.max_objects.clone();
    let rate = cx.org.limits.requests;
    list(cx, req, rate, |limit| own.get(limit.of).copied())
}

fn defaults(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let rate = crate::config::Limits::default().requests;
    list(cx, req, rate, |limit| limit.default)
}

fn list(cx: &Cx<'_>, req: &Req, rate: u32, value: impl Fn(&Limit) -> Option<usize>) -> Answer {
    check_caller(cx)?;
    let wanted = req.param("namespaceName");
    let known = LIMITS.iter().any(|limit| limit.namespace == wanted);
    let show = |key: &str, value: Value| json!({"key": key, "namespace": wanted, "value": value});
    let entities: Vec<Value> = if wanted == "platform.api" {
        RATES.iter().map(|key| show(key, rate.into())).collect()
    } else if known {
        let of_namespace = LIMITS.iter().filter(|limit| limit.namespace == wanted);
        of_namespace
            .filter_map(|limit| Some(show(limit.key, value(limit)?.into())))
            .collect()
    } else {
        return Err(Refusal::not_found("namespace", wanted));
    };
    Ok(Reply::ok(json!({ "entities": entities })))
}
