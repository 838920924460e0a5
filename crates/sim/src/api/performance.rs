//! Definitions of metrics that are measured outside.

use serde_json::json;

use crate::cx::Cx;
use crate::error::Refusal;
use crate::kind::Kind;
use crate::routes::{Registry, Req};
use crate::store::{Fields, text};
use crate::world::Org;

const KINDS: &[Kind] = &[Kind {
    name: "external_metric",
    path: "/api/v2/employeeperformance/externalmetrics/definitions",
    audit: ("EmployeePerformance", "ExternalMetricsDefinition"),
    duplicate: (409, "general.conflict"),
    fixed: &["unit", "unitDefinition"],
    defaults: r#"{"retentionMonths": 13}"#,
    check: Some(check_metric),
    view: Some(view_metric),
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
}

/// Only a currency has to say which one it is.
fn check_metric(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    if text(fields, "unit") == "Currency" && text(fields, "unitDefinition").is_empty() {
        return Err(Refusal::invalid(
            "unitDefinition",
            "A metric in a currency says which.",
        ));
    }
    Ok(())
}

fn view_metric(_: &Org, _: &str, shown: &mut Fields) {
    shown.insert("inUse".into(), json!(false));
}
