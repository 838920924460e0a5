"""What is built for calls and by programs: architect, automation, integrations, telephony."""

from urllib.request import Request, urlopen

from .base import NAME_TAKEN, SOFT, Family, Setting, named
from .people import DIVISIONS

SCHEDULES = "/api/v2/architect/schedules"
ROUTES = "/api/v2/architect/ivrs"
FLOWS = "/api/v2/flows"
INTEGRATIONS = "/api/v2/integrations"
CREDENTIALS = "/api/v2/integrations/credentials"
ACTIONS = "/api/v2/integrations/actions"
EDGES = "/api/v2/telephony/providers/edges"
BASES_OF_PHONES = f"{EDGES}/phonebasesettings"

WORKFLOW = """
workflow:
  name: Conformance
  startUpRef: "/workflow/states/state[Initial State_10]"
  defaultLanguage: en-us
  supportedLanguages: {en-us: {none: true}}
  settingsErrorHandling: {errorHandling: {endWorkflow: {none: true}}}
  states:
    - state:
        name: Initial State
        refId: Initial State_10
        actions: [{endWorkflow: {name: End Workflow}}]
"""


def published_workflow(world):
    """Makes a workflow that is in force, as a trigger needs one."""

    def make():
        job = world.org.does("POST", "/api/v2/flows/jobs")
        headers = {**job.headers, "Content-Type": ""}
        urlopen(Request(job.presigned_url, WORKFLOW.encode(), headers, method="PUT")).close()
        for _ in range(100):
            state = world.org.does("GET", "/api/v2/flows/jobs/{jobId}", [job.id])
            if state.status == "Success":
                return state.flow.id
        raise AssertionError(f"the flow is not imported: {world.org.sent()}")

    return world.once("workflow", make)


def schedule(world):
    return {
        "name": world.name("Schedule"),
        "start": "2026-01-05T08:00:00.000",
        "end": "2026-01-05T18:00:00.000",
        "rrule": "FREQ=WEEKLY;BYDAY=MO,TU",
    }


def schedule_group(world):
    schedules = [world.ref(SCHEDULES)]
    return {"name": world.name("Schedule group"), "timeZone": "Europe/Berlin", "openSchedules": schedules}


def emergency_group(world):
    entry = {"emergencyFlow": world.ref(FLOWS), "ivrs": [world.ref(ROUTES)]}
    return {"name": world.name("Emergency"), "enabled": False, "emergencyCallFlows": [entry]}


def table(world):
    schema = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "additionalProperties": False,
        "required": ["key"],
        "properties": {
            "key": {"title": "Key", "type": "string", "$id": "/properties/key", "displayOrder": 0}
        },
    }
    return {"name": world.name("Table"), "schema": schema}


def log_level(world):
    wanted = {"level": "Notes", "characteristics": {"communications": True, "variables": False}}
    return {"logLevelCharacteristics": wanted}


def credential(world):
    secret = {"userName": "service", "password": "planted"}
    return {"name": world.name("Credential"), "type": {"name": "basicAuth"}, "credentialFields": secret}


def action(world):
    schema = {"type": "object", "properties": {"number": {"type": "string"}}}
    return {
        "name": world.name("Action"),
        "category": "Conformance",
        "integrationId": world.id(INTEGRATIONS),
        "secure": False,
        "contract": {"input": {"inputSchema": schema}, "output": {"successSchema": schema}},
        "config": {
            "request": {
                "requestUrlTemplate": "https://crm.example.com/${input.number}",
                "requestType": "GET",
                "headers": {},
                "requestTemplate": "${input.rawRequest}",
            },
            "response": {"translationMap": {}, "translationMapDefaults": {}, "successTemplate": "${rawResult}"},
        },
    }


def trigger(world):
    return {
        "name": world.name("Trigger"),
        "description": "starts when a customer leaves",
        "topicName": "v2.detail.events.conversation.{id}.customer.end",
        "target": {"type": "Workflow", "id": published_workflow(world)},
        "matchCriteria": [{"jsonPath": "mediaType", "operator": "Equal", "value": "VOICE"}],
        "eventTTLSeconds": 60,
        "enabled": False,
    }


def pool(world):
    number = 13175560000 + 100 * next(world.numbers)
    first, last = f"+{number}", f"+{number + 9}"
    return {"name": "Numbers", "startPhoneNumber": first, "endPhoneNumber": last}


def extensions(world):
    number = 40000 + 100 * next(world.numbers)
    return {"startNumber": str(number), "endNumber": str(number + 9), "division": world.ref(DIVISIONS)}


def trunk_base(world):
    base = {"id": "external_sip_pcv_byoc_carrier.json"}
    return {"name": world.name("Trunk"), "trunkMetabase": base, "trunkType": "EXTERNAL", "properties": {}}


def phone_trunk(world):
    def make():
        base = {"id": "phone_connections_webrtc.json"}
        body = {"name": "Telephones", "trunkMetabase": base, "trunkType": "PHONE", "properties": {}}
        return world.org.create(world.families[f"{EDGES}/trunkbasesettings"], body).id

    return {"id": world.once("phone trunk", make)}


def edge_group(world):
    return {"name": world.name("Edge group"), "phoneTrunkBases": [phone_trunk(world)]}


def phone_base(world):
    line = {
        "name": "Line",
        "lineMetaBase": {"id": "inin_webrtc_softphone_line_appearance.json"},
        "properties": {},
    }
    return {
        "name": world.name("Phone"),
        "phoneMetaBase": {"id": "inin_webrtc_softphone.json"},
        "lines": [line],
        "properties": {},
    }


def phone(world):
    base = world.id(BASES_OF_PHONES)
    settings = world.org.does("GET", f"{BASES_OF_PHONES}/{{phoneBaseId}}", [base]).lines[0].id
    return {
        "name": world.name("Telephone"),
        "site": world.ref(f"{EDGES}/sites"),
        "phoneBaseSettings": {"id": base},
        "lines": [{"name": "Line", "lineBaseSettings": {"id": settings}}],
    }


def site(world):
    return {"name": world.name("Site"), "location": world.ref("/api/v2/locations"), "mediaModel": "Cloud"}


def outbound_route(world):
    return {
        "name": world.name("Way out"),
        "classificationTypes": ["National"],
        "externalTrunkBases": [world.ref(f"{EDGES}/trunkbasesettings")],
        "enabled": True,
    }


FAMILIES = [
    Family(SCHEDULES, schedule, {"description": "mornings"}, clash=409, soft=SOFT, unlike=("start", "end")),
    Family("/api/v2/architect/schedulegroups", schedule_group, {"timeZone": "Europe/Lisbon"}, clash=409, soft=SOFT),
    Family(ROUTES, named("Route"), {"description": "rings"}, clash=409, soft=SOFT),
    Family("/api/v2/architect/emergencygroups", emergency_group, {"description": "fire"}, clash=409, soft=SOFT),
    Family("/api/v2/architect/grammars", lambda w: {"name": f"Grammar_{next(w.numbers)}"}, {"description": "names"}, update="PATCH"),
    Family("/api/v2/architect/prompts", lambda w: {"name": f"Prompt_{next(w.numbers)}"}, {"description": "greets"}),
    Family("/api/v2/flows/datatables", table, {"description": "holds"}, unlike=("schema",)),
    Family(FLOWS, named("Flow", type="INBOUNDCALL"), {"description": "talks"}, soft=SOFT),
    Family("/api/v2/flows/milestones", named("Milestone"), {"description": "recognised"}),
    Family("/api/v2/flows/outcomes", named("Outcome"), {"description": "paid"}),
    Family(INTEGRATIONS, named("Integration", integrationType={"id": "custom-rest-actions"}), {"intendedState": "DISABLED"}, update="PATCH", duplicate=None),
    Family(CREDENTIALS, credential, {"name": "Credential of another name"}, duplicate=None, unlike=("credentialFields",)),
    Family(ACTIONS, action, {"name": "Action of another name"}, update="PATCH", duplicate=None, clash=409, unlike=("contract", "config")),
    Family("/api/v2/processautomation/triggers", trigger, {"description": "starts later"}, clash=409, duplicate=NAME_TAKEN, pages="after"),
    Family(f"{EDGES}/didpools", pool, {"comments": "from a carrier"}, duplicate=(400, "duplicate.value"), clash=409),
    Family(
        f"{EDGES}/extensionpools",
        extensions,
        {"description": "desks"},
        duplicate=(400, "duplicate.value"),
        clash=409,
        soft=SOFT,
        name=None,
    ),
    Family(f"{EDGES}/trunkbasesettings", trunk_base, {"description": "carries"}, duplicate=(400, "duplicate.value"), clash=409),
    Family(f"{EDGES}/edgegroups", edge_group, {"description": "carries"}, duplicate=(400, "duplicate.value"), clash=409, unlike=("phoneTrunkBases",)),
    Family(BASES_OF_PHONES, phone_base, {"description": "rings"}, duplicate=(400, "duplicate.value"), clash=409),
    Family(f"{EDGES}/phones", phone, {"description": "on a desk"}, duplicate=(400, "duplicate.value"), clash=409, unlike=("lines",)),
    Family(f"{EDGES}/sites", site, {"description": "by the river"}, duplicate=(400, "duplicate.value"), clash=409),
    Family(f"{EDGES}/sites/{{siteId}}/outboundroutes", outbound_route, {"description": "out"}, duplicate=(400, "duplicate.value"), clash=409),
]

SETTINGS = [Setting("/api/v2/flows/{flowId}/instances/settings/loglevels", log_level, made_by="POST", deletes=True)]
