//! What steers campaigns: limits, callable times, rules, sequences, messaging campaigns, settings.

use serde_json::{Value, json};

use super::{OUTBOUND, check_messaging_campaign, in_use, is_off};
use crate::cx::Cx;
use crate::error::Refusal;
use crate::kind::{Division, Kind};
use crate::refs::Ref;
use crate::routes::Req;
use crate::single::Single;
use crate::store::{Fields, text};

const NO_CODE: &str = "wrapup.code.not.found";
const NO_RESPONSE: &str = "content.template.not.found";
const NO_CAMPAIGN: &str = "campaign.not.found";

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "attempt_limit",
        path: "/api/v2/outbound/attemptlimits",
        audit: ("Outbound", "AttemptLimits"),
        deletion: in_use("attempt.limits.in.use"),
        defaults: r#"{"resetPeriod": "NEVER", "recallEntries": {}}"#,
        check: Some(check_attempts),
        ..OUTBOUND
    },
    Kind {
        name: "callable_time_set",
        path: "/api/v2/outbound/callabletimesets",
        audit: ("Outbound", "CallableTimeSet"),
        deletion: in_use("callable.time.set.in.use"),
        check: Some(check_times),
        ..OUTBOUND
    },
    Kind {
        name: "rule_set",
        path: "/api/v2/outbound/rulesets",
        audit: ("Outbound", "RuleSet"),
        refs: &[
            Ref::to("contactList", "contact_list").missing(400, "contact.list.not.found"),
            Ref::to("queue", "queue").missing(400, "queue.not.found"),
            Ref::to("rules[].conditions[].codes[]", "wrapup_code")
                .missing(400, NO_CODE)
                .weak(),
            Ref::to("rules[].conditions[].dataAction", "action")
                .missing(400, "data.action.not.found"),
            Ref::to("rules[].actions[].dataAction", "action").missing(400, "data.action.not.found"),
        ],
        deletion: in_use("rule.set.in.use"),
        check: Some(check_rules),
        ..OUTBOUND
    },
    Kind {
        name: "digital_rule_set",
        path: "/api/v2/outbound/digitalrulesets",
        audit: ("Outbound", "DigitalRuleSet"),
        refs: &[
            Ref::to("contactList", "contact_list").missing(400, "contact.list.not.found"),
            code("rules[].conditions[].lastResultByColumnConditionSettings.emailWrapupCodes[]"),
            code("rules[].conditions[].lastResultByColumnConditionSettings.smsWrapupCodes[]"),
            code("rules[].conditions[].lastResultByColumnConditionSettings.whatsAppWrapupCodes[]"),
            code("rules[].conditions[].lastResultOverallConditionSettings.emailWrapupCodes[]"),
            code("rules[].conditions[].lastResultOverallConditionSettings.smsWrapupCodes[]"),
            code("rules[].conditions[].lastResultOverallConditionSettings.whatsAppWrapupCodes[]"),
            Ref::to(
                "rules[].conditions[].dataActionConditionSettings.dataActionId",
                "action",
            )
            .missing(400, "data.action.not.found"),
            response("rules[].actions[].setContentTemplateActionSettings.smsContentTemplateId"),
            response("rules[].actions[].setContentTemplateActionSettings.emailContentTemplateId"),
            response(
                "rules[].actions[].setContentTemplateActionSettings.whatsAppContentTemplateId",
            ),
        ],
        deletion: in_use("rule.set.in.use"),
        check: Some(number_rules),
        ..OUTBOUND
    },
    Kind {
        name: "sequence",
        path: "/api/v2/outbound/sequences",
        audit: ("Outbound", "Sequence"),
        refs: &[Ref::to("campaigns[]", "campaign").missing(400, NO_CAMPAIGN)],
        deletion: in_use("referential.integrity.error"),
        defaults: r#"{"currentCampaign": 0, "repeat": false}"#,
        check: Some(check_sequence),
        may_delete: Some(sequence_is_off),
        ..OUTBOUND
    },
    Kind {
        name: "campaign_rule",
        path: "/api/v2/outbound/campaignrules",
        audit: ("Outbound", "CampaignRule"),
        refs: &[
            campaign("campaignRuleEntities.campaigns[]"),
            sequence("campaignRuleEntities.sequences[]"),
            messaging("campaignRuleEntities.emailCampaigns[]"),
            messaging("campaignRuleEntities.smsCampaigns[]"),
            campaign("campaignRuleActions[].campaignRuleActionEntities.campaigns[]"),
            sequence("campaignRuleActions[].campaignRuleActionEntities.sequences[]"),
            messaging("campaignRuleActions[].campaignRuleActionEntities.emailCampaigns[]"),
            messaging("campaignRuleActions[].campaignRuleActionEntities.smsCampaigns[]"),
            Ref::to("campaignRuleActions[].parameters.queue", "queue")
                .missing(400, "queue.not.found"),
            response("campaignRuleActions[].parameters.smsContentTemplate"),
            response("campaignRuleActions[].parameters.emailContentTemplate"),
        ],
        deletion: in_use("referential.integrity.error"),
        defaults: r#"{"matchAnyConditions": false, "enabled": false, "conditionGroups": [],
            "campaignRuleEntities": {"campaigns": [], "sequences": [], "emailCampaigns": [],
            "smsCampaigns": []}}"#,
        check: Some(check_campaign_rule),
        may_delete: Some(is_disabled),
        ..OUTBOUND
    },
    Kind {
        name: "messaging_campaign",
        path: "/api/v2/outbound/messagingcampaigns",
        audit: ("Outbound", "MessagingCampaign"),
        division: Division::Object,
        refs: &[
            Ref::to("contactList", "contact_list").missing(400, "contact.list.not.found"),
            Ref::to("callableTimeSet", "callable_time_set")
                .missing(400, "callable.time.set.not.found"),
            Ref::to("dncLists[]", "dnc_list").missing(400, "dnc.list.not.found"),
            Ref::to("ruleSets[]", "digital_rule_set").missing(400, "rule.set.not.found"),
            Ref::to("contactListFilters[]", "contact_list_filter")
                .missing(400, "contact.list.filter.not.found"),
            response("emailConfig.contentTemplate"),
            Ref::to("emailConfig.fromAddress.domain", "email_domain")
                .missing(400, "email.domain.not.found"),
            Ref::to("emailConfig.replyToAddress.domain", "email_domain")
                .missing(400, "email.domain.not.found"),
            Ref::to("emailConfig.replyToAddress.route", "email_route")
                .missing(400, "email.route.not.found"),
            response("smsConfig.contentTemplate"),
            response("whatsAppConfig.contentTemplate"),
        ],
        deletion: in_use("campaign.in.use"),
        defaults: r#"{"campaignStatus": "off", "dncLists": [], "ruleSets": [], "contactListFilters": [],
            "alwaysRunning": false, "contactSorts": [], "errors": []}"#,
        check: Some(check_messaging_campaign),
        may_delete: Some(is_off),
        ..OUTBOUND
    },
];

pub(super) const SINGLES: &[Single] = &[
    Single {
        path: "/api/v2/outbound/settings",
        audit: ("Outbound", "OrganizationSettings"),
        at_first: Some(
            r#"{"name": "outbound settings", "version": 1, "maxCallsPerAgent": 10,
            "maxConfigurableCallsPerAgent": 15, "maxLineUtilization": 1, "abandonSeconds": 2,
            "complianceAbandonRateDenominator": "ALL_CALLS", "rescheduleTimeZoneSkippedContacts": false,
            "automaticTimeZoneMapping": {"callableWindows": [], "supportedCountries": ["US"]}}"#,
        ),
        version: true,
        check: Some(check_settings),
        ..Single::PLAIN
    },
    Single {
        path: "/api/v2/outbound/wrapupcodemappings",
        audit: ("Outbound", "WrapUpCodeMapping"),
        at_first: Some(
            r#"{"name": "wrap-up code mappings", "version": 1, "mapping": {},
            "defaultSet": ["RIGHT_PARTY_CONTACT", "CONTACT_UNCALLABLE"]}"#,
        ),
        version: true,
        check: Some(check_mappings),
        ..Single::PLAIN
    },
];

const fn code(path: &'static str) -> Ref {
    Ref::to(path, "wrapup_code").missing(400, NO_CODE).weak()
}

const fn response(path: &'static str) -> Ref {
    Ref::to(path, "response").missing(400, NO_RESPONSE)
}

const fn campaign(path: &'static str) -> Ref {
    Ref::to(path, "campaign").missing(400, NO_CAMPAIGN)
}

const fn sequence(path: &'static str) -> Ref {
    Ref::to(path, "sequence").missing(400, "sequence.not.found")
}

const fn messaging(path: &'static str) -> Ref {
    Ref::to(path, "messaging_campaign").missing(400, NO_CAMPAIGN)
}

fn check_attempts(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let limits = ["maxAttemptsPerContact", "maxAttemptsPerNumber"];
    if limits.iter().all(|limit| !fields.contains_key(*limit)) {
        return Err(Refusal::invalid(limits[0], "There is no limit."));
    }
    if text(fields, "resetPeriod") == "TODAY" && text(fields, "timeZoneId").is_empty() {
        let message = "A day needs a time zone.";
        return Err(Refusal::invalid("timeZoneId", message));
    }
    Ok(())
}

fn check_times(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let times = fields.get("callableTimes").and_then(Value::as_array);
    let slots = |time: &Value| time["timeSlots"].as_array().cloned().unwrap_or_default();
    for slot in times.into_iter().flatten().flat_map(slots) {
        let (from, to) = (slot["startTime"].as_str(), slot["stopTime"].as_str());
        if !(1..=7).contains(&slot["day"].as_i64().unwrap_or_default()) || from >= to {
            let message = "A slot is on a day from 1 to 7, and ends after it begins.";
            return Err(Refusal::invalid("callableTimes", message));
        }
    }
    Ok(())
}

/// Gives an id to each object of a list that has none.
fn give_ids(cx: &mut Cx<'_>, list: Option<&mut Value>) {
    for item in list.and_then(Value::as_array_mut).into_iter().flatten() {
        if item["id"].is_null() {
            item["id"] = json!(cx.org.new_id());
        }
    }
}

fn number_rules(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    give_ids(cx, fields.get_mut("rules"));
    Ok(())
}

/// Looks at the ids that stand where the contract knows only texts.
fn check_rules(
    cx: &mut Cx<'_>,
    req: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    number_rules(cx, req, fields, old)?;
    let rules = fields.get("rules").and_then(Value::as_array);
    let each = |rule: &Value, list: &str| rule[list].as_array().cloned().unwrap_or_default();
    for rule in rules.into_iter().flatten() {
        for condition in each(rule, "conditions") {
            let last = condition["propertyType"].as_str().unwrap_or_default();
            let id = condition["value"].as_str().unwrap_or_default();
            if last.starts_with("LAST_WRAPUP") && cx.org.store.get("wrapup_code", id).is_none() {
                let message = format!("There is no wrap-up code with id {id:?}.");
                return Err(Refusal::new(400, NO_CODE, message));
            }
        }
        for action in each(rule, "actions") {
            if action["actionTypeName"] != "SET_SKILLS" {
                continue;
            }
            let listed = action["properties"]["skills"].as_str().unwrap_or_default();
            let Ok(skills) = serde_json::from_str::<Vec<String>>(listed) else {
                let message = "The skills are a list of ids, as text.";
                return Err(Refusal::invalid("rules.actions.properties", message));
            };
            for id in skills {
                cx.find_live("skill", &id).map_err(|_| {
                    let message = format!("There is no skill with id {id:?}.");
                    Refusal::new(400, "skill.not.found", message)
                })?;
            }
        }
    }
    Ok(())
}

fn check_sequence(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    if fields
        .get("campaigns")
        .and_then(Value::as_array)
        .is_none_or(Vec::is_empty)
    {
        return Err(Refusal::invalid("campaigns", "A sequence needs campaigns."));
    }
    if old.is_none() && text(fields, "status") != "off" {
        return Err(Refusal::invalid("status", "A sequence is created off."));
    }
    Ok(())
}

fn sequence_is_off(_: &Cx<'_>, _: &Req, fields: &Fields) -> Result<(), Refusal> {
    match text(fields, "status") {
        "on" => Err(Refusal::new(
            400,
            "sequence.is.on",
            "A sequence cannot be deleted while it is on.",
        )),
        _ => Ok(()),
    }
}

fn check_campaign_rule(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let is_empty = |field: &str| {
        let list = fields.get(field).and_then(Value::as_array);
        list.is_none_or(Vec::is_empty)
    };
    if text(fields, "campaignRuleProcessing") == "v2" {
        if !is_empty("campaignRuleConditions") || is_empty("conditionGroups") {
            let message = "A rule of the second version has its conditions in groups.";
            return Err(Refusal::invalid("conditionGroups", message));
        }
    } else if !is_empty("conditionGroups") {
        let message = "A rule of the first version has no groups.";
        return Err(Refusal::invalid("conditionGroups", message));
    }
    give_ids(cx, fields.get_mut("campaignRuleConditions"));
    give_ids(cx, fields.get_mut("campaignRuleActions"));
    let groups = fields
        .get_mut("conditionGroups")
        .and_then(Value::as_array_mut);
    for group in groups.into_iter().flatten() {
        give_ids(cx, group.get_mut("conditions"));
    }
    Ok(())
}

fn is_disabled(_: &Cx<'_>, _: &Req, fields: &Fields) -> Result<(), Refusal> {
    match fields.get("enabled") == Some(&Value::Bool(true)) {
        true => Err(Refusal::new(
            400,
            "campaign.rule.is.enabled",
            "A campaign rule cannot be deleted while it is enabled.",
        )),
        false => Ok(()),
    }
}

fn check_settings(_: &mut Cx<'_>, fields: &mut Fields) -> Result<(), Refusal> {
    let calls = fields.get("maxCallsPerAgent").and_then(Value::as_i64);
    if calls.is_some_and(|calls| !(1..=15).contains(&calls)) {
        return Err(Refusal::invalid("maxCallsPerAgent", "It is from 1 to 15."));
    }
    let used = fields.get("maxLineUtilization").and_then(Value::as_f64);
    if used.is_some_and(|used| !(0.0..=1.0).contains(&used)) {
        return Err(Refusal::invalid("maxLineUtilization", "It is from 0 to 1."));
    }
    Ok(())
}

fn check_mappings(cx: &mut Cx<'_>, fields: &mut Fields) -> Result<(), Refusal> {
    let codes = fields.get("mapping").and_then(Value::as_object);
    for id in codes.into_iter().flat_map(|codes| codes.keys()) {
        if cx.org.store.get("wrapup_code", id).is_none() {
            let message = format!("There is no wrap-up code with id {id:?}.");
            return Err(Refusal::new(400, NO_CODE, message));
        }
    }
    Ok(())
}
