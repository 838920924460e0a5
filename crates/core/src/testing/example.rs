//! A small contact centre with one of everything that is hard to carry over.

use serde_json::{Value, json};

use super::{Org, flow_source};
use crate::document::Files;

fn to(object: &str) -> Value {
    json!({"$ref": object})
}

/// Makes an org with objects of every kind: a queue and an in-queue flow that name each other, two
/// flows that do, a queue that overflows into another, managers, a data action with a credential, a
/// call route with numbers and a campaign.
pub fn example(seed: &str, home: &str) -> Org {
    let mut org = Org::new(seed, home);
    let home_ref = || to("auth_division/~home");
    org.add("auth_division/EMEA", json!({"description": "Europe"}));
    people(&mut org);
    routing(&mut org);
    architect(&mut org, home);
    integrations(&mut org);
    org.add(
        "outbound_contact_list/Leads",
        json!({"division": home_ref(), "columnNames": ["id", "phone"],
            "phoneColumns": [{"columnName": "phone", "type": "cell"}]}),
    );
    org.add(
        "outbound_callanalysisresponseset/Default",
        json!({"responses": {
            "callable_person": {"name": "Person", "reactionType": "transfer"},
            "callable_machine": {"name": "Machine", "reactionType": "hangup"},
        }}),
    );
    org.add(
        "outbound_campaign/Winback",
        json!({"division": home_ref(), "contactList": to("outbound_contact_list/Leads"),
            "queue": to("routing_queue/Sales"), "dialingMode": "preview", "campaignStatus": "on",
            "callAnalysisResponseSet": to("outbound_callanalysisresponseset/Default")}),
    );
    org
}

fn people(org: &mut Org) {
    org.add(
        "location/Berlin",
        json!({"address": {"city": "Berlin", "country": "DE"}, "path": []}),
    );
    org.add(
        "routing_skill/Billing",
        json!({"division": to("auth_division/~home")}),
    );
    org.add(
        "routing_skill/Cancellation",
        json!({"division": to("auth_division/~home")}),
    );
    org.add("routing_language/German", json!({}));
    let user = |org: &mut Org, email: &str, name: &str, manager: Option<&str>| {
        let mut body = json!({
            "name": name, "division": to("auth_division/~home"), "department": "Service", "title": "Agent",
            "skills": [{"id": to("routing_skill/Billing"), "name": "Billing", "proficiency": 3.0}],
            "languages": [{"id": to("routing_language/German"), "name": "German", "proficiency": 5.0}],
            "locations": [{"id": to("location/Berlin")}], "profileSkills": ["Excel"], "acdAutoAnswer": false,
        });
        if let Some(manager) = manager {
            body["manager"] = to(&format!("user/{manager}"));
        }
        org.add(&format!("user/{email}"), body);
    };
    user(org, "ada@example.com", "Ada", None);
    user(org, "bo@example.com", "Bo", Some("ada@example.com"));
    user(org, "cy@example.com", "Cy", Some("bo@example.com"));
    org.add(
        "group/Supervisors",
        json!({"type": "official", "visibility": "public", "rulesVisible": true,
        "description": "Those who supervise", "owners": [to("user/ada@example.com")],
        "members": [to("user/ada@example.com"), to("user/bo@example.com")]}),
    );
    org.add("auth_role/Wallboard", json!({"description": "Sees queues", "permissions": ["routing"],
        "permissionPolicies": [{"domain": "routing", "entityName": "queue", "actionSet": ["view"]}]}));
}

fn routing(org: &mut Org) {
    org.add(
        "routing_wrapupcode/Solved",
        json!({"division": {"id": "*"}}),
    );
    org.add(
        "routing_wrapupcode/Callback",
        json!({"division": to("auth_division/EMEA")}),
    );
    org.add(
        "routing_skill_group/Billers",
        json!({"division": to("auth_division/~home"),
        "skillConditions": [{"operation": "And", "routingSkillConditions": [
            {"routingSkill": "Billing", "comparator": "GreaterThan", "proficiency": 2}]}],
        "memberDivisions": [to("auth_division/EMEA"), to("auth_division/~home")]}),
    );
    let media = |seconds: u32| {
        json!({"call": {"alertingTimeoutSeconds": seconds,
        "serviceLevel": {"percentage": 0.8, "durationMs": 20000}}})
    };
    org.add(
        "routing_queue/Sales",
        json!({"division": to("auth_division/~home"), "description": "Sells",
        "mediaSettings": media(20), "queueFlow": to("flow/inqueuecall/Wait"),
        "onHoldPrompt": to("architect_user_prompt/Hold"),
        "memberGroups": [to("group/Supervisors"), to("routing_skill_group/Billers")],
        "directRouting": {"backupQueueId": to("routing_queue/Overflow")}, "peerId": "pbx-7",
        "members": [{"user": to("user/ada@example.com"), "ringNumber": 1, "joined": true},
            {"user": to("user/bo@example.com"), "ringNumber": 3, "joined": false}],
        "wrapUpCodes": [to("routing_wrapupcode/Solved"), to("routing_wrapupcode/Callback")]}),
    );
    org.add(
        "routing_queue/Overflow",
        json!({"division": to("auth_division/EMEA"), "mediaSettings": media(8),
        "bullseye": {"rings": [{"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": 30}],
            "actions": {"skillsToRemove": [to("routing_skill/Billing")]}}]},
        "members": [], "wrapUpCodes": []}),
    );
}

fn architect(org: &mut Org, home: &str) {
    org.add("architect_schedules/Weekdays", json!({"division": to("auth_division/~home"),
        "start": "2026-01-05T08:00:00.000", "end": "2026-01-05T18:00:00.000", "rrule": "FREQ=WEEKLY;BYDAY=MO,TU"}));
    org.add(
        "architect_schedulegroups/Hours",
        json!({"division": to("auth_division/~home"),
        "timeZone": "Europe/Berlin", "openSchedules": [to("architect_schedules/Weekdays")]}),
    );
    org.add(
        "architect_datatable/Routes",
        json!({"division": to("auth_division/~home"),
        "schema": {"$schema": "http://json-schema.org/draft-04/schema#", "type": "object",
            "required": ["key"], "properties": {"key": {"type": "string", "title": "Number"},
                "vip": {"type": "boolean", "default": false}}},
        "rows": [{"key": "+4930100", "vip": true}, {"key": "+4930101", "vip": false}]}),
    );
    let audio = Files::from([(
        "en-us.wav".to_owned(),
        [0x52, 0x49, 0xff, 0x00].as_slice().into(),
    )]);
    org.add_with_files(
        "architect_user_prompt/Hold",
        json!({"division": to("auth_division/~home"),
        "resources": [{"language": "en-us", "ttsString": "", "id": "en-us"},
            {"language": "de-de", "ttsString": "Bitte warten"}]}),
        audio,
    );
    org.add_flow(
        "inboundcall/Main",
        &flow_source(
            "inboundcall/Main",
            Some(home),
            &[
                ("targetQueue", "Sales"),
                ("targetFlow", "Night"),
                ("scheduleGroup", "Hours"),
            ],
        ),
    );
    org.add_flow(
        "inboundcall/Night",
        &flow_source("inboundcall/Night", None, &[("targetFlow", "Main")]),
    );
    org.add_flow(
        "inqueuecall/Wait",
        &flow_source(
            "inqueuecall/Wait",
            Some(home),
            &[("targetQueue", "Sales"), ("holdMusic", "Prompt.Hold")],
        ),
    );
    org.add(
        "telephony_providers_edges_did_pool/+4930100/+4930199",
        json!({"name": "Berlin",
        "startPhoneNumber": "+4930100", "endPhoneNumber": "+4930199", "provider": "PURE_CLOUD"}),
    );
    org.add("architect_ivr/Hotline", json!({"division": to("auth_division/~home"), "dnis": ["+4930100", "+4930101"],
        "openHoursFlow": to("flow/inboundcall/Main"), "scheduleGroup": to("architect_schedulegroups/Hours")}));
}

fn integrations(org: &mut Org) {
    org.add(
        "integration_credential/basicAuth/CRM",
        json!({"name": "CRM", "type": {"name": "basicAuth"},
            "credentialFields": {"password": {"$secret": "CRM/password"}}}),
    );
    org.add(
        "integration/purecloud-data-actions/CRM",
        json!({"name": "CRM", "intendedState": "ENABLED",
        "integrationType": {"id": "purecloud-data-actions", "name": "Data Actions"},
        "config": {"version": 3, "name": "CRM", "notes": "", "properties": {}, "advanced": {},
            "credentials": {"basicAuth": to("integration_credential/basicAuth/CRM")}}}),
    );
    org.add("integration_action/purecloud-data-actions/CRM/CRM/Look up", json!({"name": "Look up",
        "integrationId": to("integration/purecloud-data-actions/CRM"), "category": "CRM", "secure": false,
        "config": {"request": {"requestUrlTemplate": "https://crm.example.com/${input.id}", "requestType": "GET",
            "headers": {}, "requestTemplate": ""}, "response": {"translationMap": {}, "successTemplate": "${rawResult}"}},
        "contract": {"input": {"inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}}},
            "output": {"successSchema": {"type": "object"}}}}));
}
