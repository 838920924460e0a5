//! Segments, outcomes and their predictors, action templates and action maps.

use serde_json::{Value, json};

use crate::clock::spell;
use crate::cx::Cx;
use crate::error::Refusal;
use crate::kind::{Deletion, Filter, Kind, Style, Version};
use crate::refs::Ref;
use crate::routes::{Registry, Req};
use crate::store::{Fields, text};
use crate::world::Org;

const JOURNEY: Kind = Kind {
    key: &["displayName"],
    duplicate: (409, "general.conflict"),
    version: Version::Number,
    filters: &[
        ("queryFields", Filter::Ignored),
        ("queryValue", Filter::Contains("displayName")),
        ("isActive", Filter::Exact("isActive")),
    ],
    check: Some(check_dates),
    ..Kind::PLAIN
};

const KINDS: &[Kind] = &[
    Kind {
        name: "journey_segment",
        path: "/api/v2/journey/segments",
        audit: ("PredictiveEngagement", "Segment"),
        defaults: r##"{"isActive": true, "color": "#008000", "scope": "Session",
            "shouldDisplayToAgent": false, "context": {"patterns": []}, "journey": {"patterns": []}}"##,
        check: Some(check_patterns),
        ..JOURNEY
    },
    Kind {
        name: "journey_outcome",
        path: "/api/v2/journey/outcomes",
        audit: ("PredictiveEngagement", "Outcome"),
        defaults: r#"{"isActive": true, "isPositive": true, "context": {"patterns": []},
            "journey": {"patterns": []}}"#,
        check: Some(check_patterns),
        ..JOURNEY
    },
    Kind {
        name: "journey_outcome_predictor",
        path: "/api/v2/journey/outcomes/predictors",
        audit: ("", ""),
        key: &["outcome"],
        duplicate: (409, "general.conflict"),
        style: Style::Whole,
        refs: &[Ref::to("outcome", "journey_outcome")],
        view: Some(view_predictor),
        ..Kind::PLAIN
    },
    Kind {
        name: "journey_action_template",
        path: "/api/v2/journey/actiontemplates",
        audit: ("PredictiveEngagement", "ActionTemplate"),
        key: &["name"],
        filters: &[
            ("state", Filter::Exact("state")),
            ("mediaType", Filter::Exact("mediaType")),
            ("queryFields", Filter::Ignored),
            ("queryValue", Filter::Contains("name")),
        ],
        deletion: Deletion {
            force: None,
            ..Deletion::PLAIN
        },
        check: Some(check_template),
        ..JOURNEY
    },
    Kind {
        name: "journey_action_map",
        path: "/api/v2/journey/actionmaps",
        audit: ("PredictiveEngagement", "ActionMap"),
        refs: &[
            Ref::to("triggerWithSegments[]", "journey_segment"),
            Ref::to(
                "triggerWithOutcomeProbabilityConditions[].outcomeId",
                "journey_outcome",
            ),
            Ref::to(
                "triggerWithOutcomePercentileConditions[].outcomeId",
                "journey_outcome",
            ),
            Ref::to(
                "triggerWithOutcomeQuantileConditions[].outcomeId",
                "journey_outcome",
            ),
            Ref::to("action.actionTemplate", "journey_action_template"),
            Ref::to("action.architectFlowFields.architectFlow", "flow"),
            Ref::to("action.webMessagingOfferFields.architectFlow", "flow"),
            Ref::to("action.openActionFields.openAction", "action"),
            Ref::to(
                "actionMapScheduleGroups.actionMapScheduleGroup",
                "schedule_group",
            ),
            Ref::to(
                "actionMapScheduleGroups.emergencyActionMapScheduleGroup",
                "schedule_group",
            ),
        ],
        defaults: r#"{"isActive": true, "weight": 2, "ignoreFrequencyCap": false,
            "triggerWithSegments": [], "triggerWithEventConditions": [],
            "triggerWithOutcomeProbabilityConditions": [],
            "triggerWithOutcomePercentileConditions": [],
            "triggerWithOutcomeQuantileConditions": [], "pageUrlConditions": [],
            "activation": {"type": "immediate"}}"#,
        check: Some(check_map),
        view: Some(view_map),
        ..JOURNEY
    },
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
}

/// The dates of these kinds have names of their own.
fn check_dates(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let now = json!(spell(cx.now));
    let created = old.and_then(|old| old.get("createdDate")).cloned();
    fields.insert("createdDate".into(), created.unwrap_or_else(|| now.clone()));
    fields.insert("modifiedDate".into(), now);
    Ok(())
}

/// A segment or an outcome looks at something; a criterion without an operator means equal.
fn check_patterns(
    cx: &mut Cx<'_>,
    req: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let mut any = fields.contains_key("externalSegment");
    for side in ["context", "journey"] {
        let patterns = fields
            .get_mut(side)
            .and_then(|side| side.get_mut("patterns"));
        for pattern in patterns.and_then(Value::as_array_mut).into_iter().flatten() {
            any = true;
            let criteria = pattern.get_mut("criteria").and_then(Value::as_array_mut);
            for criterion in criteria.into_iter().flatten() {
                if let Value::Object(criterion) = criterion {
                    criterion
                        .entry("operator")
                        .or_insert_with(|| json!("equal"));
                    criterion
                        .entry("shouldIgnoreCase")
                        .or_insert_with(|| json!(true));
                }
            }
        }
    }
    if !any {
        return Err(Refusal::invalid(
            "journey",
            "It needs a pattern of a context or of a journey.",
        ));
    }
    check_dates(cx, req, fields, old)
}

fn check_template(
    cx: &mut Cx<'_>,
    req: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    if text(fields, "mediaType") == "contentOffer" && !fields.contains_key("contentOffer") {
        return Err(Refusal::invalid(
            "contentOffer",
            "A template of content says which.",
        ));
    }
    check_dates(cx, req, fields, old)
}

fn check_map(
    cx: &mut Cx<'_>,
    req: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let action = fields.get("action").cloned().unwrap_or_default();
    let needs = match action["mediaType"].as_str() {
        None => None,
        Some("contentOffer") => Some("actionTemplate"),
        Some("architectFlow") => Some("architectFlowFields"),
        Some("webMessagingOffer") => Some("webMessagingOfferFields"),
        Some("openAction") => Some("openActionFields"),
        Some(_) => None,
    };
    if let Some(field) = needs.filter(|field| action[field].is_null()) {
        return Err(Refusal::invalid(
            "action",
            format!("An action of this sort needs {field}."),
        ));
    }
    if !fields.contains_key("startDate") {
        fields.insert("startDate".into(), json!(spell(cx.now)));
    }
    check_dates(cx, req, fields, old)
}

fn view_predictor(_: &Org, _: &str, shown: &mut Fields) {
    if let Some(Value::Object(outcome)) = shown.get_mut("outcome") {
        outcome.remove("name");
    }
}

/// Templates and schedule groups are shown without their names.
fn view_map(_: &Org, _: &str, shown: &mut Fields) {
    let nameless = [
        "/action/actionTemplate",
        "/action/architectFlowFields/architectFlow",
        "/action/webMessagingOfferFields/architectFlow",
        "/actionMapScheduleGroups/actionMapScheduleGroup",
        "/actionMapScheduleGroups/emergencyActionMapScheduleGroup",
    ];
    let mut whole = Value::Object(std::mem::take(shown));
    for place in nameless {
        if let Some(Value::Object(reference)) = whole.pointer_mut(place) {
            reference.remove("name");
            if place.starts_with("/actionMap") {
                reference.remove("selfUri");
            }
        }
    }
    if let Value::Object(fields) = whole {
        *shown = fields;
    }
}
