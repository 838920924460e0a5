//! Schedules, schedule groups, call routes and emergency groups.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::telephony::{owner_of, pool_of};
use crate::cx::Cx;
use crate::error::Refusal;
use crate::kind::{Division, Filter, Kind, Version};
use crate::refs::{Ref, id_of};
use crate::routes::{Registry, Req};
use crate::store::{Fields, text};

const ARCHITECT: Kind = Kind {
    duplicate: (409, "general.conflict"),
    version: Version::Number,
    division: Division::Movable,
    state: true,
    ..Kind::PLAIN
};

const KINDS: &[Kind] = &[
    Kind {
        name: "schedule",
        path: "/api/v2/architect/schedules",
        audit: ("Architect", "Schedule"),
        check: Some(check_schedule),
        ..ARCHITECT
    },
    Kind {
        name: "schedule_group",
        path: "/api/v2/architect/schedulegroups",
        audit: ("Architect", "ScheduleGroup"),
        refs: &[
            Ref::to("openSchedules[]", "schedule"),
            Ref::to("closedSchedules[]", "schedule"),
            Ref::to("holidaySchedules[]", "schedule"),
        ],
        filters: &[("scheduleIds", Filter::Reference("openSchedules[]"))],
        ..ARCHITECT
    },
    Kind {
        name: "ivr",
        path: "/api/v2/architect/ivrs",
        audit: ("Architect", "IVR"),
        refs: &[
            Ref::to("openHoursFlow", "flow"),
            Ref::to("closedHoursFlow", "flow"),
            Ref::to("holidayHoursFlow", "flow"),
            Ref::to("scheduleGroup", "schedule_group"),
        ],
        defaults: r#"{"dnis": []}"#,
        filters: &[
            ("scheduleGroup", Filter::Reference("scheduleGroup")),
            ("dnis", Filter::Contains("dnis")),
        ],
        check: Some(check_ivr),
        ..ARCHITECT
    },
    Kind {
        name: "emergency_group",
        path: "/api/v2/architect/emergencygroups",
        audit: ("Architect", "EmergencyGroup"),
        refs: &[
            Ref::to("emergencyCallFlows[].emergencyFlow", "flow"),
            Ref::to("emergencyCallFlows[].ivrs[]", "ivr"),
        ],
        defaults: r#"{"enabled": false, "emergencyCallFlows": []}"#,
        check: Some(check_emergency_group),
        ..ARCHITECT
    },
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
}

fn check_schedule(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let code = "architect.object.validate.failed";
    if text(fields, "end") <= text(fields, "start") {
        return Err(
            Refusal::new(400, code, "The end must be later than the start.").detail(code, "end"),
        );
    }
    let rule = text(fields, "rrule");
    if !rule.is_empty() && !rule.split(';').any(|part| part.starts_with("FREQ=")) {
        return Err(Refusal::new(400, code, "The rrule has no FREQ.").detail(code, "rrule"));
    }
    Ok(())
}

/// Takes a call route in one of its flows only, and each with a flow.
fn check_emergency_group(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let code = "architect.object.validate.failed";
    let mut routes = BTreeSet::new();
    let flows = fields.get("emergencyCallFlows").and_then(Value::as_array);
    for flow in flows.into_iter().flatten() {
        if flow.get("emergencyFlow").and_then(id_of).is_none() {
            return Err(
                Refusal::new(400, code, "An emergency call flow names no flow.")
                    .detail(code, "emergencyCallFlows"),
            );
        }
        let ivrs = flow.get("ivrs").and_then(Value::as_array);
        for id in ivrs.into_iter().flatten().filter_map(id_of) {
            if !routes.insert(id.to_owned()) {
                return Err(Refusal::new(
                    400,
                    code,
                    format!("The call route {id} is named twice."),
                )
                .detail(code, "emergencyCallFlows"));
            }
        }
    }
    Ok(())
}

fn check_ivr(
    cx: &mut Cx<'_>,
    req: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let code = "architect.object.validate.failed";
    if fields.contains_key("scheduleGroup")
        && !(fields.contains_key("openHoursFlow") && fields.contains_key("closedHoursFlow"))
    {
        let message = "A schedule group needs a flow for open and one for closed hours.";
        return Err(Refusal::new(400, code, message).detail(code, "scheduleGroup"));
    }
    let own = old.map(|_| req.id());
    let numbers = fields.get("dnis").and_then(Value::as_array);
    for number in numbers.into_iter().flatten().filter_map(Value::as_str) {
        let pool = pool_of(cx.org, number);
        if pool.is_none_or(|pool| pool.listed(cx.now).is_none()) {
            // What the API says when it does not know the number, or not yet.
            return Err(
                Refusal::bad_request(format!("Field 'didPoolId' is required: {number}"))
                    .detail("bad.request", "dnis"),
            );
        }
        if let Some((_, owner)) = owner_of(cx.org, number)
            && Some(owner.as_str()) != own
        {
            return Err(Refusal::new(
                400,
                code,
                format!("The number {number} is assigned already."),
            )
            .detail(code, "dnis"));
        }
    }
    Ok(())
}
