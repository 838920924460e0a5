"""Customers and what they meet: contacts, intents, journeys, knowledge, messaging, web deployments."""

from .base import NAME_TAKEN, Family, Setting, named

SOURCES = "/api/v2/externalcontacts/externalsources"
CATEGORIES = "/api/v2/intents/categories"
SEGMENTS = "/api/v2/journey/segments"
OUTCOMES = "/api/v2/journey/outcomes"
BASES = "/api/v2/knowledge/knowledgebases"
BASE = f"{BASES}/{{knowledgeBaseId}}"
MESSAGING = "/api/v2/conversations/messaging"
WEB = "/api/v2/webdeployments"


def contact(world):
    number = next(world.numbers)
    return {
        "firstName": "Exa",
        "lastName": f"Mple {number}",
        "workEmail": f"exa{number}@example.com",
        "workPhone": {"userInput": "+13175550191"},
        "externalIds": [{"externalSource": world.ref(SOURCES), "value": str(number)}],
    }


def segment(world):
    criterion = {"key": "page.url", "values": ["/offers"], "operator": "containsAny", "shouldIgnoreCase": True}
    pattern = {"criteria": [criterion], "count": 2, "streamType": "Web", "sessionType": "web", "eventName": "page_viewed"}
    return {
        "displayName": world.name("Segment"),
        "isActive": True,
        "color": "#008080",
        "shouldDisplayToAgent": True,
        "journey": {"patterns": [pattern]},
    }


def outcome(world):
    criterion = {"key": "page.title", "values": ["Thank you"], "operator": "equal", "shouldIgnoreCase": False}
    pattern = {"criteria": [criterion], "count": 1, "streamType": "Web", "sessionType": "web"}
    return {
        "displayName": world.name("Outcome"),
        "isActive": True,
        "isPositive": True,
        "journey": {"patterns": [pattern]},
    }


def predictor(world):
    # One for each outcome.
    return {"outcome": {"id": world.org.create(world.families[OUTCOMES]).id}}


def action_template(world):
    offer = {
        "title": "Offer",
        "headline": "Ten percent off",
        "body": "Only this week.",
        "displayMode": "Modal",
        "layoutMode": "TopText",
    }
    return {
        "name": world.name("Template"),
        "description": "shown to visitors who hesitate",
        "mediaType": "contentOffer",
        "state": "Active",
        "contentOffer": offer,
    }


def action_map(world):
    fields = {"offerText": "May we help?"}
    return {
        "displayName": world.name("Map"),
        "isActive": True,
        "triggerWithSegments": [world.id(SEGMENTS)],
        "action": {"mediaType": "webMessagingOffer", "webMessagingOfferFields": fields},
        "pageUrlConditions": [],
        "weight": 2,
    }


def view(world):
    element = {
        "id": "ac6c61b5-1cd4-4c6e-a8a5-edb74d9117eb",
        "name": "Call",
        "attributes": {"type": "Event", "id": "a416328b-167c-0365-d0e1-f072cd5d4ded", "source": "Voice"},
    }
    return {
        "name": world.name("View"),
        "description": "from the first call",
        "duration": "P1D",
        "elements": [element],
        "charts": [],
    }


def variation(_):
    text = {"type": "Text", "text": {"text": "Bills are under My account."}}
    block = {"type": "Paragraph", "paragraph": {"blocks": [text]}}
    return {"name": "Variation", "body": {"blocks": [block]}, "priority": 2, "contexts": []}


def page(world):
    """Makes the body of an integration with a page of its owner's."""
    number = next(world.numbers)
    return {"name": f"Page {number}", "pageId": f"10{number}", "pageAccessToken": "planted"}


def apple(world):
    number = next(world.numbers)
    return {
        "name": f"Apple {number}",
        "messagesForBusinessId": f"business-{number}",
        "businessName": "Conformance",
        "logoUrl": "https://www.example.com/logo.png",
    }


def open_messaging(world):
    return {
        "name": world.name("Open"),
        "outboundNotificationWebhookUrl": "https://messages.example.com/outbound",
        "outboundNotificationWebhookSignatureSecretToken": "planted",
        "webhookHeaders": {},
    }


def messaging_setting(world):
    off = {"inbound": "Disabled"}
    return {
        "name": world.name("Setting"),
        "content": {"story": {"mention": {"inbound": "Enabled"}, "reply": off}},
        "event": {"typing": {"on": {"inbound": "Enabled", "outbound": "Disabled"}}},
    }


def supported_content(world):
    types = {"inbound": [{"type": "image/*"}], "outbound": [{"type": "application/pdf"}]}
    return {"name": world.name("Content"), "mediaTypes": {"allow": types}}


def configuration(world):
    return {
        "name": world.name("Configuration"),
        "description": "how the messenger looks",
        "languages": ["en-us", "de"],
        "defaultLanguage": "en-us",
        "messenger": {"enabled": True, "launcherButton": {"visibility": "On"}},
    }


def published_configuration(world):
    """Makes a configuration that is in force, as a deployment needs one."""

    def make():
        made = world.org.create(world.families[f"{WEB}/configurations"])
        draft = f"{WEB}/configurations/{{configurationId}}/versions/draft/publish"
        version = world.org.does("POST", draft, [made.id]).version
        return {"id": made.id, "version": version}

    return world.once("configuration", make)


def deployment(world):
    return {
        "name": world.name("Deployment"),
        "description": "the web shop",
        "allowAllDomains": False,
        "allowedDomains": ["shop.example.com"],
        "configuration": published_configuration(world),
        "status": "Active",
    }


FAMILIES = [
    Family(SOURCES, named("Source", active=True), {"active": False}, pages="cursor"),
    Family("/api/v2/externalcontacts/contacts", contact, {"title": "Buyer"}, duplicate=None, name="lastName"),
    Family("/api/v2/externalcontacts/organizations", named("Company"), {"industry": "Retail"}, duplicate=None),
    Family(CATEGORIES, named("Category", description="bills"), {"description": "payments"}, update="PATCH"),
    Family(
        "/api/v2/intents/customerintents",
        lambda w: {"name": w.name("Intent"), "description": "disputes", "categoryId": w.id(CATEGORIES), "expiryTime": 24},
        {"description": "asks"},
        update="PATCH",
    ),
    Family(SEGMENTS, segment, {"description": "looked twice"}, update="PATCH", clash=409, name="displayName"),
    Family(OUTCOMES, outcome, {"description": "buys"}, update="PATCH", whole=True, clash=409, name="displayName"),
    Family("/api/v2/journey/outcomes/predictors", predictor, name=None, pages=None),
    Family("/api/v2/journey/actiontemplates", action_template, {"description": "shown"}, update="PATCH", whole=True, clash=409),
    Family("/api/v2/journey/actionmaps", action_map, {"weight": 1}, update="PATCH", whole=True, clash=409, name="displayName"),
    Family(
        "/api/v2/journey/views",
        view,
        {"description": "from the second call"},
        update="POST",
        whole=True,
        update_in="/versions",
    ),
    Family(BASES, named("Base", coreLanguage="en-US"), {"description": "answers"}, update="PATCH", pages="after"),
    Family(f"{BASE}/categories", named("Category"), {"description": "bills"}, update="PATCH", pages="after"),
    Family(f"{BASE}/labels", named("Label", color="#008080"), {"color": "#800080"}, update="PATCH", pages="after"),
    Family(
        f"{BASE}/documents",
        lambda w: {"title": w.name("Document"), "visible": True},
        {"visible": False},
        update="PATCH",
        whole=True,
        duplicate=None,
        name="title",
        pages="after",
        query={"includeDrafts": True},
        read_query={"state": "Draft"},
    ),
    Family(
        f"{BASE}/documents/{{documentId}}/variations",
        variation,
        {"priority": 3},
        update="PATCH",
        whole=True,
        duplicate=None,
        pages="after",
        query={"documentState": "Draft"},
        read_query={"documentState": "Draft"},
    ),
    Family(f"{MESSAGING}/settings", messaging_setting, {"name": "Setting of another name"}, update="PATCH"),
    Family(
        f"{MESSAGING}/supportedcontent",
        supported_content,
        {"mediaTypes": {"allow": {"inbound": [{"type": "video/mp4"}], "outbound": []}}},
        update="PATCH",
        whole=True,
    ),
    Family(f"{MESSAGING}/integrations/apple", apple, {"businessName": "Another"}, update="PATCH"),
    Family(f"{MESSAGING}/integrations/facebook", page, {"name": "Page of another name"}, update="PATCH"),
    Family(f"{MESSAGING}/integrations/instagram", page, {"name": "Page of another name"}, update="PATCH"),
    Family(
        f"{MESSAGING}/integrations/open",
        open_messaging,
        {"outboundNotificationWebhookUrl": "https://messages.example.com/new"},
        update="PATCH",
        whole=True,
    ),
    Family(
        f"{WEB}/configurations",
        configuration,
        {"description": "how it looks now"},
        duplicate=NAME_TAKEN,
        pages="after",
        read_in="/versions/draft",
        update_in="/versions/draft",
    ),
    Family(f"{WEB}/deployments", deployment, {"description": "another shop"}, duplicate=NAME_TAKEN, pages="after"),
]

SETTINGS = [
    Setting("/api/v2/conversations/settings", lambda w: {"allowCallbackQueueSelection": True}, verb="PATCH"),
    Setting(
        f"{MESSAGING}/settings/default",
        lambda w: {"settingId": w.id(f"{MESSAGING}/settings")},
        made_by="PUT",
        deletes=True,
        says=lambda w: w.ref(f"{MESSAGING}/settings"),
    ),
    Setting(f"{MESSAGING}/supportedcontent/default", lambda w: w.ref(f"{MESSAGING}/supportedcontent"), made_by="PUT"),
    Setting("/api/v2/journey/views/{viewId}/schedules", lambda w: {"frequency": "Weekly"}, made_by="POST", deletes=True),
]
