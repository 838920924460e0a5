//! Flow outcomes and milestones.

use serde_json::json;

use crate::crud::{self, Verb};
use crate::cx::Cx;
use crate::error::{Answer, Reply};
use crate::kind::{Division, Filter, Kind};
use crate::routes::{Registry, Req, the_kind};

const PLAIN: Kind = Kind {
    duplicate: (409, "general.conflict"),
    division: Division::Object,
    filters: &[
        ("description", Filter::Contains("description")),
        ("nameOrDescription", Filter::Contains("name")),
        ("divisionId", Filter::Reference("division")),
    ],
    // What is not described has a blank.
    defaults: r#"{"description": " "}"#,
    ..Kind::PLAIN
};

const KINDS: &[Kind] = &[
    Kind {
        name: "flow_outcome",
        path: "/api/v2/flows/outcomes",
        audit: ("Architect", "FlowOutcome"),
        server: &["currentOperation"],
        ..PLAIN
    },
    Kind {
        name: "flow_milestone",
        path: "/api/v2/flows/milestones",
        audit: ("Architect", "FlowMilestone"),
        ..PLAIN
    },
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("PUT", "/api/v2/flows/outcomes/{flowOutcomeId}", replace);
}

/// Changes an outcome, and tells of the operation instead of the outcome.
fn replace(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let kind = the_kind("flow_outcome");
    crud::serve(cx, req, kind, Verb::Replace)?;
    Ok(Reply::ok(json!({
        "id": cx.org.new_id(),
        "complete": true,
        "actionName": "UPDATE",
        "actionStatus": "SUCCESS",
    })))
}
