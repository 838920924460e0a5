//! Settings of summaries.

use serde_json::json;

use crate::cx::Cx;
use crate::error::Refusal;
use crate::kind::{Filter, Kind};
use crate::refs::Ref;
use crate::routes::{Registry, Req};
use crate::store::{Fields, text};
use crate::world::Org;

const KINDS: &[Kind] = &[Kind {
    name: "summary_setting",
    path: "/api/v2/conversations/summaries/settings",
    audit: ("", ""),
    duplicate: (409, "general.conflict"),
    refs: &[Ref::to("integrationId", "integration")],
    filters: &[
        ("name", Filter::Wildcard("name")),
        ("language", Filter::Exact("language")),
    ],
    defaults: r#"{"summaryType": "Concise", "format": "TextBlock", "settingType": "Basic",
        "serviceType": "Native", "maskPII": {"all": false}, "predefinedInsights": [],
        "customEntities": [], "participantLabels": {"internal": "Agent", "external": "Customer"}}"#,
    check: Some(check_setting),
    view: Some(view_setting),
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
}

fn check_setting(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let needs = [
        ("settingType", "Prompt", "prompt"),
        ("serviceType", "External", "integrationId"),
    ];
    for (field, value, needed) in needs {
        if text(fields, field) == value && text(fields, needed).is_empty() {
            return Err(Refusal::invalid(
                needed,
                format!("A setting whose {field} is {value} needs it."),
            ));
        }
    }
    Ok(())
}

fn view_setting(_: &Org, _: &str, shown: &mut Fields) {
    shown.insert("interactionType".into(), json!("Live"));
}
