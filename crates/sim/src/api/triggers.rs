//! Process automation: triggers, which start a workflow when an event matches.

use serde_json::Value;

use crate::cx::Cx;
use crate::error::Refusal;
use crate::kind::{Filter, Kind, Style, Version};
use crate::refs::Ref;
use crate::routes::{Registry, Req};
use crate::store::{Fields, text};

const KINDS: &[Kind] = &[Kind {
    name: "trigger",
    path: "/api/v2/processautomation/triggers",
    audit: ("Triggers", "Trigger"),
    version: Version::Number,
    refs: &[Ref::to("target.id", "flow")],
    style: Style::Cursor,
    max_page: 200,
    defaults: r#"{"matchCriteria": [], "description": ""}"#,
    filters: &[
        ("topicName", Filter::Exact("topicName")),
        ("enabled", Filter::Exact("enabled")),
        ("hasDelayBy", Filter::Ignored),
    ],
    check: Some(check),
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
}

fn check(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    if !(1..=256).contains(&text(fields, "name").chars().count()) {
        return Err(Refusal::invalid(
            "name",
            "The name must have 1 to 256 characters.",
        ));
    }
    if text(fields, "description").chars().count() > 512 {
        return Err(Refusal::invalid(
            "description",
            "The description is too long.",
        ));
    }
    if old.is_some_and(|old| text(old, "topicName") != text(fields, "topicName")) {
        return Err(Refusal::invalid(
            "topicName",
            "The topic cannot be changed.",
        ));
    }
    let number = |name: &str| fields.get(name).and_then(Value::as_i64);
    match (number("eventTTLSeconds"), number("delayBySeconds")) {
        (Some(ttl), None) if ttl >= 10 => {}
        (None, Some(delay)) if (60..=900).contains(&delay) => {}
        _ => {
            return Err(Refusal::invalid(
                "eventTTLSeconds",
                "Exactly one of eventTTLSeconds (10 or more) and delayBySeconds (60 to 900) is needed.",
            ));
        }
    }
    let criteria = fields.get("matchCriteria").and_then(Value::as_array);
    for criterion in criteria.into_iter().flatten() {
        let several = matches!(criterion["operator"].as_str(), Some("In" | "NotIn" | "All"));
        if several != criterion["values"].is_array() {
            return Err(Refusal::invalid(
                "matchCriteria",
                "In, NotIn and All take values; the other operators take a value.",
            ));
        }
    }
    let id = fields
        .get("target")
        .and_then(|target| target["id"].as_str())
        .unwrap_or_default();
    let published = cx.org.store.get("flow", id).is_some_and(|flow| {
        flow.text("type").eq_ignore_ascii_case("workflow")
            && flow.fields.contains_key("publishedVersion")
    });
    match published {
        true => Ok(()),
        false => Err(Refusal::invalid(
            "target",
            format!("The flow {id} is no published workflow."),
        )),
    }
}
