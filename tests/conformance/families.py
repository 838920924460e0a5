"""The families of plain objects: one entry each.

The methods of the SDK follow from the path of the collection. `body` and `change` are functions of
a `World`, which makes what a body refers to. A family is added by its entry, and no more.
"""

from dataclasses import dataclass, field
from itertools import count
from typing import Callable, Optional


@dataclass(frozen=True)
class Family:
    """What a client can do with one family, and what is special about it."""

    path: str
    body: Callable
    # Fields of an update; nothing where objects cannot be updated.
    change: Optional[dict] = None
    # The verb of an update, and whether it sends the whole object, as a PUT must.
    update: str = "PUT"
    whole: bool = False
    # How a second object of the same name is refused; nothing where names may repeat.
    duplicate: Optional[tuple] = (409, "general.conflict")
    # What an update of a stale version is refused with.
    clash: Optional[int] = None
    # Whether a deleted object can still be read, as deleted.
    soft: bool = False
    # How the list is cut: by page number, by cursor, or not at all.
    pages: str = "pageNumber"
    # Query parameters of the list and of the delete.
    query: dict = field(default_factory=dict)
    delete_query: dict = field(default_factory=dict)
    # Fields that the answer spells in another way than the request.
    unlike: tuple = ()


class World:
    """Makes the objects that bodies refer to, each once."""

    def __init__(self, org):
        self.org = org
        self.made = {}
        self.numbers = count(1)

    def name(self, word="Conformance"):
        return f"{word} {next(self.numbers)}"

    def id(self, path):
        """Gives the id of an object of the family with this path."""
        if path not in self.made:
            self.made[path] = self.org.create(BY_PATH[path]).id
        return self.made[path]

    def ref(self, path):
        return {"id": self.id(path)}


def named(word, **more):
    """Makes the body of an object that needs a name."""
    return lambda world: {"name": world.name(word), **more}


def user(world):
    number = next(world.numbers)
    return {
        "name": f"User {number}",
        "email": f"user{number}@conformance.example.com",
        "divisionId": world.id("/api/v2/authorization/divisions"),
    }


def skill_group(world):
    condition = {
        "routingSkill": world.ref("/api/v2/routing/skills")["id"],
        "comparator": "GreaterThan",
        "proficiency": 1,
        "childConditions": [],
    }
    conditions = [{"routingSkillConditions": [condition], "languageSkillConditions": [], "operation": "And"}]
    return {"name": world.name("Skill group"), "skillConditions": conditions}


def schedule(world):
    return {
        "name": world.name("Schedule"),
        "start": "2026-01-05T08:00:00.000",
        "end": "2026-01-05T18:00:00.000",
        "rrule": "FREQ=WEEKLY;BYDAY=MO,TU",
    }


def schedule_group(world):
    schedules = [world.ref("/api/v2/architect/schedules")]
    return {"name": world.name("Schedule group"), "timeZone": "Europe/Berlin", "openSchedules": schedules}


def role(world):
    policy = {"domain": "routing", "entityName": "queue", "actionSet": ["view"], "allowConditions": False}
    return {"name": world.name("Role"), "description": "reads queues", "permissionPolicies": [policy]}


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


def credential(world):
    secret = {"userName": "service", "password": "planted"}
    return {"name": world.name("Credential"), "type": {"name": "basicAuth"}, "credentialFields": secret}


def action(world):
    schema = {"type": "object", "properties": {"number": {"type": "string"}}}
    return {
        "name": world.name("Action"),
        "category": "Conformance",
        "integrationId": world.id("/api/v2/integrations"),
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
        "contactList": world.ref("/api/v2/outbound/contactlists"),
        "queue": world.ref("/api/v2/routing/queues"),
        "phoneColumns": [{"columnName": "phone", "type": "cell"}],
        "callerName": "Conformance",
        "callerAddress": "+13175550100",
        "callAnalysisResponseSet": world.ref("/api/v2/outbound/callanalysisresponsesets"),
    }


def pool(world):
    number = 13175560000 + 100 * next(world.numbers)
    first, last = f"+{number}", f"+{number + 9}"
    return {"name": "Numbers", "startPhoneNumber": first, "endPhoneNumber": last}


FAMILIES = [
    Family("/api/v2/authorization/divisions", named("Division", description="ours"), {"description": "theirs"}),
    Family("/api/v2/authorization/roles", role, {"description": "reads all queues"}, unlike=("permissionPolicies",)),
    Family("/api/v2/routing/skills", named("Skill"), soft=True),
    Family("/api/v2/routing/languages", named("Language"), soft=True),
    Family("/api/v2/routing/wrapupcodes", named("Code"), {"name": "Code of another name"}, duplicate=(400, "duplicate.name")),
    Family("/api/v2/routing/skillgroups", skill_group, {"description": "learned"}, update="PATCH", whole=True, pages="after"),
    Family("/api/v2/routing/utilization/labels", named("Label"), {"name": "Label of another name"}),
    Family(
        "/api/v2/routing/queues",
        named("Queue", description="waits"),
        {"description": "waits long", "acwSettings": {"wrapupPrompt": "MANDATORY"}},
        duplicate=(400, "duplicate.name"),
    ),
    Family("/api/v2/users", user, {"title": "Agent"}, update="PATCH", clash=400, soft=True, query={"state": "any"}),
    Family(
        "/api/v2/groups",
        named("Group", type="official", visibility="public", rulesVisible=True),
        {"description": "stands in"},
        clash=400,
        soft=True,
    ),
    Family("/api/v2/locations", named("Location"), {"notes": "by the river"}, update="PATCH", whole=True, clash=400, soft=True),
    Family("/api/v2/architect/schedules", schedule, {"description": "mornings"}, clash=409, soft=True, unlike=("start", "end")),
    Family("/api/v2/architect/schedulegroups", schedule_group, {"timeZone": "Europe/Lisbon"}, clash=409, soft=True),
    Family("/api/v2/architect/ivrs", named("Route"), {"description": "rings"}, clash=409, soft=True),
    Family("/api/v2/architect/prompts", lambda w: {"name": f"Prompt_{next(w.numbers)}"}, {"description": "greets"}),
    Family("/api/v2/flows/datatables", table, {"description": "holds"}, unlike=("schema",)),
    Family("/api/v2/flows", named("Flow", type="INBOUNDCALL"), {"description": "talks"}, soft=True),
    Family("/api/v2/integrations", named("Integration", integrationType={"id": "custom-rest-actions"}), {"intendedState": "DISABLED"}, update="PATCH", duplicate=None),
    Family("/api/v2/integrations/credentials", credential, {"name": "Credential of another name"}, duplicate=None, unlike=("credentialFields",)),
    Family("/api/v2/integrations/actions", action, {"name": "Action of another name"}, update="PATCH", duplicate=None, clash=409, unlike=("contract", "config")),
    Family("/api/v2/outbound/contactlists", contact_list, {"name": "Contacts of another name"}, duplicate=(400, "duplicate.name"), clash=409),
    Family("/api/v2/outbound/callanalysisresponsesets", response_set, {"name": "Responses of another name"}, duplicate=(400, "duplicate.name"), clash=409),
    Family("/api/v2/outbound/campaigns", campaign, {"name": "Campaign of another name"}, duplicate=(400, "duplicate.name"), clash=409),
    Family("/api/v2/telephony/providers/edges/didpools", pool, {"comments": "from a carrier"}, duplicate=(400, "duplicate.value"), clash=409),
]

BY_PATH = {family.path: family for family in FAMILIES}
