//! Contact lists, call analysis response sets and campaigns; what steers them is in `lists` and
//! `rules`.

mod lists;
mod rules;

use serde_json::{Value, json};

use crate::audit;
use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Deletion, Division, Filter, Kind, Version};
use crate::refs::{Ref, id_of};
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, text};

const OUTBOUND: Kind = Kind {
    version: Version::Number,
    filters: FILTERS,
    ..Kind::PLAIN
};

const FILTERS: &[(&str, Filter)] = &[
    ("name", Filter::ByType("name")),
    ("filterType", Filter::Ignored),
    ("allowEmptyResult", Filter::Ignored),
    ("includeImportStatus", Filter::Ignored),
    ("includeSize", Filter::Ignored),
    ("contactListId", Filter::Reference("contactList")),
    ("dncListIds", Filter::Reference("dncLists[]")),
    ("distributionQueueId", Filter::Reference("queue")),
    ("edgeGroupId", Filter::Reference("edgeGroup")),
    (
        "callAnalysisResponseSetId",
        Filter::Reference("callAnalysisResponseSet"),
    ),
];

const fn in_use(code: &'static str) -> Deletion {
    Deletion {
        status: 200,
        in_use: Some((400, code)),
        ..Deletion::PLAIN
    }
}

const KINDS: &[Kind] = &[
    Kind {
        name: "contact_list",
        path: "/api/v2/outbound/contactlists",
        audit: ("Outbound", "ContactList"),
        division: Division::Movable,
        refs: &[Ref::to("attemptLimits", "attempt_limit").missing(400, "attempt.limits.not.found")],
        deletion: in_use("contact.list.in.use"),
        defaults: r#"{"phoneColumns": [], "emailColumns": [], "whatsAppColumns": [], "previewModeColumnName": "",
            "previewModeAcceptedValues": [], "automaticTimeZoneMapping": false, "trimWhitespace": false,
            "columnDataTypeSpecifications": []}"#,
        check: Some(check_contact_list),
        ..OUTBOUND
    },
    Kind {
        name: "response_set",
        path: "/api/v2/outbound/callanalysisresponsesets",
        audit: ("Outbound", "CallAnalysisResponseSet"),
        deletion: in_use("call.analysis.response.set.in.use"),
        defaults: r#"{"beepDetectionEnabled": false, "amdSpeechDistinguishEnabled": false,
            "liveSpeakerDetectionMode": "Disabled"}"#,
        check: Some(check_response_set),
        ..OUTBOUND
    },
    Kind {
        name: "campaign",
        path: "/api/v2/outbound/campaigns",
        audit: ("Outbound", "Campaign"),
        division: Division::Object,
        refs: &[
            Ref::to("contactList", "contact_list").missing(400, "contact.list.not.found"),
            Ref::to("queue", "queue").missing(400, "queue.not.found"),
            Ref::to("script", "script").missing(400, "script.not.found"),
            Ref::to("edgeGroup", "edge_group").missing(400, "edge.group.not.found"),
            Ref::to("site", "site").missing(400, "site.not.found"),
            Ref::to("dncLists[]", "dnc_list").missing(400, "dnc.list.not.found"),
            Ref::to("callableTimeSet", "callable_time_set")
                .missing(400, "callable.time.set.not.found"),
            Ref::to("callAnalysisResponseSet", "response_set")
                .missing(400, "call.analysis.response.set.not.found"),
            Ref::to("ruleSets[]", "rule_set").missing(400, "rule.set.not.found"),
            Ref::to("contactListFilters[]", "contact_list_filter")
                .missing(400, "contact.list.filter.not.found"),
        ],
        deletion: in_use("campaign.in.use"),
        defaults: r#"{"campaignStatus": "off", "dncLists": [], "ruleSets": [], "contactListFilters": [],
            "alwaysRunning": false, "skipPreviewDisabled": false, "noAnswerTimeout": 30, "priority": 5}"#,
        check: Some(check_campaign),
        may_delete: Some(is_off),
        ..OUTBOUND
    },
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.kinds_of(lists::KINDS);
    registry.kinds_of(rules::KINDS);
    registry.singles_of(rules::SINGLES);
    let campaign = "/api/v2/outbound/campaigns/{campaignId}";
    registry.on("DELETE", campaign, delete_campaign);
    registry.on("POST", &format!("{campaign}/start"), start);
    registry.on("POST", &format!("{campaign}/stop"), stop);
    let messaging = "/api/v2/outbound/messagingcampaigns/{messagingCampaignId}";
    registry.on("DELETE", messaging, delete_messaging_campaign);
}

fn columns(fields: &Fields) -> Vec<&str> {
    let names = fields.get("columnNames").and_then(Value::as_array);
    names
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn check_contact_list(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    if columns(fields).is_empty() {
        return Err(Refusal::invalid(
            "columnNames",
            "A contact list needs columns.",
        ));
    }
    for sort in ["phoneColumns", "emailColumns", "whatsAppColumns"] {
        let given = fields.get(sort).and_then(Value::as_array);
        for column in given.into_iter().flatten() {
            let name = column["columnName"].as_str().unwrap_or("");
            if !columns(fields).contains(&name) {
                return Err(Refusal::invalid(
                    sort,
                    format!("There is no column {name}."),
                ));
            }
        }
        if let Some(old) = old
            && old.get(sort) != fields.get(sort)
        {
            return Err(Refusal::invalid(
                sort,
                "The columns of a contact list cannot be changed.",
            ));
        }
    }
    if old.is_some_and(|old| columns(old) != columns(fields)) {
        return Err(Refusal::invalid(
            "columnNames",
            "The columns of a contact list cannot be changed.",
        ));
    }
    Ok(())
}

fn check_response_set(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let responses = fields.get("responses").and_then(Value::as_object);
    for (name, reaction) in responses.into_iter().flatten() {
        let flow = reaction["data"].as_str().unwrap_or("");
        let missing =
            reaction["reactionType"] == "transfer_flow" && cx.org.store.get("flow", flow).is_none();
        if missing {
            return Err(Refusal::new(
                400,
                "flow.not.found",
                format!("{name}: there is no flow with id {flow}."),
            ));
        }
    }
    Ok(())
}

fn is_running(fields: &Fields) -> bool {
    ["on", "stopping"].contains(&text(fields, "campaignStatus"))
}

/// A campaign of any medium is created off, and stays as it is while it is on.
fn check_status(fields: &Fields, old: Option<&Fields>) -> Result<(), Refusal> {
    match old {
        None if text(fields, "campaignStatus") != "off" => Err(Refusal::invalid(
            "campaignStatus",
            "A campaign is created off.",
        )),
        Some(old) if is_running(old) && !only_status_changes(old, fields) => Err(Refusal::new(
            400,
            "campaign.is.on",
            "A campaign cannot be changed while it is on.",
        )),
        _ => Ok(()),
    }
}

fn check_campaign(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    check_status(fields, old)?;
    if text(fields, "dialingMode") != "agentless" && fields.get("queue").and_then(id_of).is_none() {
        return Err(
            Refusal::new(400, "queue.not.found", "The dialing mode needs a queue.")
                .detail("required.field.missing", "queue"),
        );
    }
    let list = fields.get("contactList").and_then(id_of);
    let list = list.and_then(|id| cx.org.store.get("contact_list", id));
    let used = fields.get("phoneColumns").and_then(Value::as_array);
    for column in used.into_iter().flatten() {
        let name = column["columnName"].as_str().unwrap_or("");
        if list.is_some_and(|list| !columns(&list.fields).contains(&name)) {
            return Err(Refusal::invalid(
                "phoneColumns",
                format!("The contact list has no column {name}."),
            ));
        }
    }
    Ok(())
}

/// A messaging campaign is created off, and sends by one medium, to columns that are there.
fn check_messaging_campaign(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    check_status(fields, old)?;
    let media = ["emailConfig", "smsConfig", "whatsAppConfig"];
    if media
        .iter()
        .filter(|medium| fields.contains_key(**medium))
        .count()
        != 1
    {
        return Err(Refusal::invalid(media[1], "A campaign has one medium."));
    }
    let list = fields.get("contactList").and_then(id_of);
    let list = list.and_then(|id| cx.org.store.get("contact_list", id));
    let column = fields
        .get("smsConfig")
        .and_then(|sms| sms["phoneColumn"].as_str());
    if let (Some(list), Some(name)) = (list, column)
        && !columns(&list.fields).contains(&name)
    {
        return Err(Refusal::invalid(
            "smsConfig",
            format!("The contact list has no column {name}."),
        ));
    }
    Ok(())
}

fn only_status_changes(old: &Fields, new: &Fields) -> bool {
    let own = ["campaignStatus", "version", "dateCreated", "dateModified"];
    // References may be sent with or without their names.
    let same = |a: Option<&Value>, b: Option<&Value>| {
        a == b
            || a.zip(b)
                .is_some_and(|(a, b)| id_of(a).is_some() && id_of(a) == id_of(b))
    };
    old.keys()
        .chain(new.keys())
        .filter(|name| !own.contains(&name.as_str()))
        .all(|name| same(old.get(name), new.get(name)))
}

fn is_off(_: &Cx<'_>, _: &Req, fields: &Fields) -> Result<(), Refusal> {
    match is_running(fields) {
        true => Err(Refusal::new(
            400,
            "campaign.is.on",
            "A campaign cannot be deleted while it is on.",
        )),
        false => Ok(()),
    }
}

/// The answer to a delete shows the campaign for the last time.
fn delete_campaign(cx: &mut Cx<'_>, req: &Req) -> Answer {
    delete_shown(cx, req, "campaign")
}

fn delete_messaging_campaign(cx: &mut Cx<'_>, req: &Req) -> Answer {
    delete_shown(cx, req, "messaging_campaign")
}

fn delete_shown(cx: &mut Cx<'_>, req: &Req, kind: &str) -> Answer {
    let last = cx.show(kind, req.id());
    let kind = the_kind(kind);
    crud::serve(cx, req, kind, crud::Verb::Delete)?;
    Ok(Reply::ok(last))
}

fn turn(cx: &mut Cx<'_>, req: &Req, status: &str) -> Answer {
    let id = req.param("campaignId").to_owned();
    cx.find("campaign", &id)?;
    if let Some(fields) = cx.org.store.fields_mut("campaign", &id) {
        fields.insert("campaignStatus".into(), json!(status));
    }
    cx.touched = Some(id.clone());
    audit::note(cx, ("Outbound", "Campaign"), "Update", &id, "", Vec::new());
    Ok(Reply::empty(204))
}

fn start(cx: &mut Cx<'_>, req: &Req) -> Answer {
    turn(cx, req, "on")
}

fn stop(cx: &mut Cx<'_>, req: &Req) -> Answer {
    turn(cx, req, "off")
}
