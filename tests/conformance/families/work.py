"""Work and how well it is done: AI studio, business rules, cases, learning, performance, quality,
responses, speech and text analytics, task management, workforce."""

from .base import NAME_TAKEN, Family, named
from .people import DIVISIONS, QUEUES, USERS

WORK = "/api/v2/taskmanagement"
TYPES = f"{WORK}/worktypes"
STATUSES = f"{TYPES}/{{worktypeId}}/statuses"
LIBRARIES = "/api/v2/responsemanagement/libraries"
GUIDES = "/api/v2/guides"


def summary(world):
    return {
        "name": world.name("Summary"),
        "language": "en-US",
        "summaryType": "Concise",
        "format": "BulletPoints",
        "settingType": "Basic",
        "maskPII": {"all": True},
    }


def schema(world):
    text = {"allOf": [{"$ref": "#/definitions/text"}], "title": "claim_number", "minLength": 1, "maxLength": 20}
    title = world.name("Schema")
    rules = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "title": title,
        "type": "object",
        "additionalProperties": False,
        "properties": {"claim_number_text": text},
    }
    return {"jsonSchema": rules, "enabled": True}


def work_schema(world):
    body = schema(world)
    return {**body, "name": body["jsonSchema"]["title"], "version": 1}


def case_plan(world):
    return {
        "name": world.name("Case plan"),
        "description": "a disputed bill",
        "divisionId": world.id(DIVISIONS),
        "customerIntentId": world.id("/api/v2/intents/customerintents"),
        "defaultCaseOwnerId": world.id(USERS),
        "referencePrefix": f"C{next(world.numbers)}",
    }


def question():
    answers = [{"text": "Yes", "value": 1}, {"text": "No", "value": 0}]
    return {"text": "Was the company named?", "type": "multipleChoiceQuestion", "answerOptions": answers}


def form(world):
    group = {"name": "Greeting", "type": "questionGroup", "weight": 1, "questions": [question()]}
    return {"name": world.name("Form"), "questionGroups": [group]}


def survey(world):
    return {**form(world), "language": "en-US", "header": "How was it?"}


def policy(world):
    retention = {"deleteRetention": {"days": 90}}
    return {
        "name": world.name("Policy"),
        "enabled": False,
        "conditions": {"directions": ["INBOUND"], "mediaTypes": ["CALL"], "forQueues": [world.ref(QUEUES)]},
        "actions": {"retainRecording": True, "retentionDuration": retention},
    }


def response(world):
    return {
        "name": world.name("Response"),
        "libraries": [world.ref(LIBRARIES)],
        "texts": [{"content": "Hello, how can we help?", "contentType": "text/plain"}],
        "interactionType": "chat",
    }


def module(world):
    step = {"type": "RichText", "name": "Read", "displayName": "Read", "order": 1, "value": "A greeting names the company."}
    return {
        "name": world.name("Module"),
        "description": "how calls are greeted",
        "type": "Informational",
        "completionTimeInDays": 14,
        "informSteps": [step],
    }


def metric(world):
    return {
        "name": world.name("Metric"),
        "unit": "Number",
        "precision": 2,
        "defaultObjectiveType": "HigherIsBetter",
        "enabled": True,
    }


def term(world):
    return {
        "term": f"example{next(world.numbers)}",
        "dialect": "en-US",
        "transcriptionEngine": "Genesys",
        "boostValue": 3,
        "examplePhrases": [{"phrase": f"I have contract number {n}"} for n in range(3)],
    }


def topic(world):
    phrase = {"text": "cancel my contract", "strictness": "72", "sentiment": "Negative"}
    return {
        "name": world.name("Topic"),
        "dialect": "en-US",
        "description": "thinks of leaving",
        "strictness": "72",
        "participants": "External",
        "phrases": [phrase],
    }


def work_type(world):
    return {
        "name": world.name("Worktype"),
        "description": "claims",
        "schemaId": world.id(f"{WORK}/workitems/schemas"),
        "defaultWorkbinId": world.id(f"{WORK}/workbins"),
        "defaultPriority": 5,
    }


def work_item(world):
    return {
        "name": world.name("Item"),
        "typeId": world.id(TYPES),
        "workbinId": world.id(f"{WORK}/workbins"),
        "statusId": world.id(STATUSES),
        "priority": 7,
    }


def business_unit(world):
    settings = {"startDayOfWeek": "Monday", "timeZone": "Europe/Berlin"}
    return {"name": world.name("Unit"), "divisionId": world.id(DIVISIONS), "settings": settings}


def everything(_):
    return {"filters": []}


def of_type(world):
    wanted = {"name": "typeId", "type": "String", "operator": "EQ", "values": [world.id(TYPES)]}
    return {"filters": [wanted]}


def rules(sort):
    return f"{TYPES}/{{worktypeId}}/flows/{sort}/rules"



FAMILIES = [
    Family("/api/v2/conversations/summaries/settings", summary, {"format": "TextBlock"}),
    Family(GUIDES, named("Guide", source="Manual"), {"name": "Guide of another name"}, update="PATCH", delete_in="/jobs"),
    Family(
        "/api/v2/businessrules/schemas",
        schema,
        {"enabled": False},
        clash=409,
        pages=None,
        name=None,
        unlike=("jsonSchema",),
    ),
    Family("/api/v2/casemanagement/caseplans", case_plan, {"description": "a lost bill"}, update="PATCH", pages="after"),
    Family("/api/v2/employeeperformance/externalmetrics/definitions", metric, {"precision": 3}, update="PATCH", whole=True),
    Family("/api/v2/learning/modules", module, {"description": "how calls end"}),
    Family("/api/v2/quality/forms/evaluations", form, {"name": "Form of another name"}, duplicate=None, unlike=("questionGroups",)),
    Family("/api/v2/quality/forms/surveys", survey, {"header": "And now?"}, duplicate=None, unlike=("questionGroups",)),
    Family("/api/v2/recording/mediaretentionpolicies", policy, {"description": "ninety days"}, duplicate=None),
    Family(LIBRARIES, named("Library"), {"name": "Library of another name"}, clash=409),
    Family(
        "/api/v2/responsemanagement/responses",
        response,
        {"name": "Response of another name"},
        duplicate=None,
        clash=409,
        query={"libraryId": lambda w: w.id(LIBRARIES)},
    ),
    Family("/api/v2/speechandtextanalytics/dictionaryfeedback", term, {"boostValue": 5}, name="term", pages="nextPage"),
    Family("/api/v2/speechandtextanalytics/topics", topic, {"description": "leaves"}, pages="nextPage"),
    Family(f"{WORK}/workbins", named("Workbin"), {"description": "back office"}, update="PATCH", duplicate=NAME_TAKEN, listing=("/query", everything), pages="after"),
    Family(f"{WORK}/workitems/schemas", work_schema, {"enabled": False}, duplicate=NAME_TAKEN, clash=409, pages=None, unlike=("jsonSchema",)),
    Family(TYPES, work_type, {"description": "complaints"}, duplicate=NAME_TAKEN, update="PATCH", listing=("/query", everything), pages="after"),
    Family(STATUSES, named("Status", category="Open"), {"description": "waits"}, duplicate=NAME_TAKEN, update="PATCH", pages=None),
    Family(
        f"{WORK}/workitems",
        work_item,
        {"priority": 9},
        update="PATCH",
        duplicate=None,
        listing=("/query", of_type),
        pages="after",
    ),
    Family(
        rules("datebased"),
        named("Rule", condition={"attribute": "dateDue", "relativeMinutesToInvocation": -10}),
        {"condition": {"attribute": "dateDue", "relativeMinutesToInvocation": 20}},
        duplicate=NAME_TAKEN,
        update="PATCH",
        pages="after",
    ),
    Family(
        rules("onattributechange"),
        named("Rule", condition={"attribute": "priority", "newValue": "9"}),
        {"condition": {"attribute": "priority", "newValue": "8"}},
        duplicate=NAME_TAKEN,
        update="PATCH",
        pages="after",
    ),
    Family(rules("oncreate"), named("Rule"), {"name": "Rule of another name"}, duplicate=NAME_TAKEN, update="PATCH", pages="after"),
    Family(
        "/api/v2/workforcemanagement/businessunits",
        business_unit,
        {"name": "Unit of another name"},
        duplicate=NAME_TAKEN,
        update="PATCH",
        pages=None,
        unlike=("settings",),
    ),
]

SETTINGS = []
