"""Campaigns and what they call: outbound."""

from .base import NAME_TAKEN, Family, Setting, named
from .people import QUEUES

LISTS = "/api/v2/outbound/contactlists"
RESPONSES = "/api/v2/outbound/callanalysisresponsesets"
CAMPAIGNS = "/api/v2/outbound/campaigns"
CODES = "/api/v2/routing/wrapupcodes"


def contact_list(world):
    phones = [{"columnName": "phone", "type": "cell"}]
    return {"name": world.name("Contacts"), "columnNames": ["name", "phone"], "phoneColumns": phones}


def response_set(world):
    reaction = {"reactionType": "hangup"}
    return {"name": world.name("Responses"), "responses": {"callable.machine": reaction}}


def campaign(world):
    return {
        "name": world.name("Campaign"),
        "dialingMode": "preview",
        "contactList": world.ref(LISTS),
        "queue": world.ref(QUEUES),
        "phoneColumns": [{"columnName": "phone", "type": "cell"}],
        "callerName": "Conformance",
        "callerAddress": "+13175550100",
        "callAnalysisResponseSet": world.ref(RESPONSES),
    }


def messaging_campaign(world):
    sms = {
        "messageColumn": "name",
        "phoneColumn": "phone",
        "senderSmsPhoneNumber": {"phoneNumber": "+13175550199"},
    }
    return {
        "name": world.name("Messages"),
        "contactList": world.ref(LISTS),
        "messagesPerMinute": 10,
        "campaignStatus": "off",
        "smsConfig": sms,
    }


def times(world):
    slot = {"day": 1, "startTime": "09:00:00", "stopTime": "17:30:00"}
    hours = [{"timeZoneId": "America/New_York", "timeSlots": [slot]}]
    return {"name": world.name("Times"), "callableTimes": hours}


def contact_filter(world):
    predicate = {"column": "name", "columnType": "alphabetic", "operator": "EQUALS", "value": "Ann"}
    return {
        "name": world.name("Filter"),
        "sourceType": "ContactList",
        "contactList": world.ref(LISTS),
        "filterType": "AND",
        "clauses": [{"filterType": "AND", "predicates": [predicate]}],
    }


def rule_set(world):
    condition = {
        "type": "contactAttributeCondition",
        "attributeName": "name",
        "operator": "EQUALS",
        "value": "Ann",
        "valueType": "STRING",
    }
    hang_up = {"type": "Action", "actionTypeName": "DO_NOT_DIAL"}
    rule = {
        "name": "Leave alone",
        "order": 0,
        "category": "DIALER_PRECALL",
        "conditions": [condition],
        "actions": [hang_up],
    }
    return {"name": world.name("Rules"), "contactList": world.ref(LISTS), "rules": [rule]}


def digital_rule_set(world):
    settings = {"columnName": "name", "operator": "Equals", "value": "Ann", "valueType": "String"}
    rule = {
        "name": "Leave alone",
        "order": 0,
        "category": "PreContact",
        "conditions": [{"contactColumnConditionSettings": settings}],
        "actions": [{"doNotSendActionSettings": {}}],
    }
    return {"name": world.name("Digital rules"), "contactList": world.ref(LISTS), "rules": [rule]}


def campaign_rule(world):
    campaigns = {"campaigns": [world.ref(CAMPAIGNS)]}
    condition = {
        "conditionType": "campaignProgress",
        "parameters": {"operator": "greaterThan", "value": "0.5"},
    }
    action = {
        "actionType": "turnOffCampaign",
        "campaignRuleActionEntities": {**campaigns, "useTriggeringEntity": False},
    }
    return {
        "name": world.name("Campaign rule"),
        "campaignRuleEntities": campaigns,
        "campaignRuleConditions": [condition],
        "campaignRuleActions": [action],
        "matchAnyConditions": False,
        "enabled": False,
    }


def sequence(world):
    return {"name": world.name("Sequence"), "campaigns": [world.ref(CAMPAIGNS)], "repeat": True, "status": "off"}


def file_template(world):
    columns = [{"columnName": "name", "columnNumber": 1}]
    return {
        "name": world.name("Files"),
        "format": "Delimited",
        "delimiter": "Comma",
        "columnInformation": columns,
    }


def kept(word, path, body, change=None, **more):
    """All of these are versioned, and refuse a name that is taken."""
    change = change or {"name": f"{word} of another name"}
    return Family(path, body, change, duplicate=NAME_TAKEN, clash=409, **more)


FAMILIES = [
    kept("Contacts", LISTS, contact_list),
    kept("Responses", RESPONSES, response_set),
    kept("Campaign", CAMPAIGNS, campaign),
    kept("Messages", "/api/v2/outbound/messagingcampaigns", messaging_campaign, {"messagesPerMinute": 5}),
    kept("Limits", "/api/v2/outbound/attemptlimits", named("Limits", maxAttemptsPerContact=6), {"maxAttemptsPerContact": 4}),
    kept("Times", "/api/v2/outbound/callabletimesets", times),
    kept("Filter", "/api/v2/outbound/contactlistfilters", contact_filter, {"filterType": "OR"}),
    kept("Template", "/api/v2/outbound/contactlisttemplates", contact_list, {"trimWhitespace": False}),
    kept("Rules", "/api/v2/outbound/rulesets", rule_set),
    kept("Digital rules", "/api/v2/outbound/digitalrulesets", digital_rule_set),
    kept("Campaign rule", "/api/v2/outbound/campaignrules", campaign_rule, {"matchAnyConditions": True}),
    kept("Sequence", "/api/v2/outbound/sequences", sequence, {"repeat": False}),
    kept("Numbers", "/api/v2/outbound/dnclists", named("Numbers", dncSourceType="rds", contactMethod="Phone"), once=("dncSourceType",)),
    kept("Files", "/api/v2/outbound/filespecificationtemplates", file_template, {"description": "as dealers send"}),
]

SETTINGS = [
    Setting("/api/v2/outbound/settings", lambda w: {"maxCallsPerAgent": 12, "abandonSeconds": 3}, verb="PATCH", version=True),
    Setting(
        "/api/v2/outbound/wrapupcodemappings",
        lambda w: {"defaultSet": ["CONTACT_UNCALLABLE"], "mapping": {w.id(CODES): ["BUSINESS_SUCCESS"]}},
        version=True,
    ),
]
