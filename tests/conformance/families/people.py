"""People, what they may do, and how work reaches them: authorization, directory, organization, routing."""

from .base import NAME_TAKEN, SOFT, Family, Setting, named

DIVISIONS = "/api/v2/authorization/divisions"
ROLES = "/api/v2/authorization/roles"
SKILLS = "/api/v2/routing/skills"
QUEUES = "/api/v2/routing/queues"
USERS = "/api/v2/users"
GROUPS = "/api/v2/groups"
LABELS = "/api/v2/routing/utilization/labels"


def user(world):
    number = next(world.numbers)
    return {
        "name": f"User {number}",
        "email": f"user{number}@conformance.example.com",
        "divisionId": world.id(DIVISIONS),
    }


def skill_group(world):
    condition = {
        "routingSkill": world.id(SKILLS),
        "comparator": "GreaterThan",
        "proficiency": 1,
        "childConditions": [],
    }
    conditions = [{"routingSkillConditions": [condition], "languageSkillConditions": [], "operation": "And"}]
    return {"name": world.name("Skill group"), "skillConditions": conditions}


def role(world):
    policy = {"domain": "routing", "entityName": "queue", "actionSet": ["view"], "allowConditions": False}
    return {"name": world.name("Role"), "description": "reads queues", "permissionPolicies": [policy]}


def presence(world):
    return {"systemPresence": "Away", "languageLabels": {"en_US": world.name("Presence")}}


def greeting(sort, owners=None):
    def body(world):
        said = {"name": "Greeting", "type": "VOICEMAIL", "ownerType": sort, "audioTTS": "Nobody is here."}
        return {**said, "owner": world.ref(owners)} if owners else said

    return body


def client(world):
    pair = {"roleId": world.id(ROLES), "divisionId": world.id(DIVISIONS)}
    # An active client cannot be deleted.
    return {
        "name": world.name("Client"),
        "authorizedGrantType": "CLIENT-CREDENTIALS",
        "accessTokenValiditySeconds": 3600,
        "roleDivisions": [pair],
        "state": "inactive",
    }


def domain(world):
    return {"id": f"mail{next(world.numbers)}.example.com", "subDomain": False}


def route(world):
    return {
        "pattern": f"service{next(world.numbers)}",
        "fromName": "Conformance",
        "fromEmail": "service@example.com",
        "queue": world.ref(QUEUES),
        "skills": [world.ref(SKILLS)],
    }


def address(world):
    return {
        "name": world.name("Address"),
        "street": "900 Example Street",
        "city": "Indianapolis",
        "region": "IN",
        "postalCode": "46204",
        "countryCode": "US",
    }


def provider(sort):
    def body(_):
        return {
            "name": "Conformance",
            "certificates": ["MIIBszCCARwCCQDexample"],
            "issuerURI": f"https://{sort}.example.com/issuer",
            "ssoTargetURI": f"https://{sort}.example.com/sso",
            "disabled": True,
        }

    return body


def utilization(world):
    label = world.id(LABELS)
    return {
        "utilization": {"call": {"maximumCapacity": 1, "interruptableMediaTypes": [], "includeNonAcd": True}},
        "labelUtilizations": {label: {"maximumCapacity": 2, "interruptingLabelIds": [label]}},
    }


FAMILIES = [
    Family(DIVISIONS, named("Division", description="ours"), {"description": "theirs"}),
    Family(ROLES, role, {"description": "reads all queues"}, unlike=("permissionPolicies",)),
    Family(SKILLS, named("Skill"), soft=SOFT),
    Family("/api/v2/routing/languages", named("Language"), soft=SOFT),
    Family("/api/v2/routing/wrapupcodes", named("Code"), {"name": "Code of another name"}, duplicate=NAME_TAKEN),
    Family("/api/v2/routing/skillgroups", skill_group, {"description": "learned"}, update="PATCH", whole=True, pages="after"),
    Family(LABELS, named("Label"), {"name": "Label of another name"}),
    Family(
        QUEUES,
        named("Queue", description="waits"),
        {"description": "waits long", "acwSettings": {"wrapupPrompt": "MANDATORY"}},
        duplicate=NAME_TAKEN,
    ),
    Family(
        "/api/v2/routing/email/domains",
        domain,
        {"mailFromSettings": {"mailFromDomain": "bounce.example.com"}},
        update="PATCH",
        duplicate=(400, "postino.domain.exists"),
        name=None,
    ),
    Family(
        "/api/v2/routing/email/domains/{domainName}/routes",
        route,
        {"fromName": "Another"},
        duplicate=(400, "postino.route.pattern.exists"),
        name="pattern",
    ),
    Family("/api/v2/routing/sms/addresses", address, duplicate=None),
    Family(USERS, user, {"title": "Agent"}, update="PATCH", clash=400, soft=SOFT, query={"state": "any"}),
    Family(
        GROUPS,
        named("Group", type="official", visibility="public", rulesVisible=True),
        {"description": "stands in"},
        clash=400,
        soft=SOFT,
    ),
    Family("/api/v2/locations", named("Location"), {"notes": "by the river"}, update="PATCH", whole=True, clash=400, soft=SOFT),
    Family("/api/v2/teams", named("Team", description="ours"), {"description": "theirs"}, update="PATCH", whole=True, pages="after"),
    Family(
        "/api/v2/presence/definitions",
        presence,
        {"languageLabels": {"en_US": "Presence of another name"}},
        soft={"deactivated": True},
        pages=None,
        name=None,
    ),
    Family("/api/v2/greetings", greeting("ORGANIZATION"), {"audioTTS": "Call again."}, duplicate=None),
    Family(
        "/api/v2/users/{userId}/greetings",
        greeting("USER", USERS),
        {"audioTTS": "Call again."},
        duplicate=None,
        items="/api/v2/greetings",
    ),
    Family(
        "/api/v2/groups/{groupId}/greetings",
        greeting("GROUP", GROUPS),
        {"audioTTS": "Call again."},
        duplicate=None,
        items="/api/v2/greetings",
    ),
    Family("/api/v2/oauth/clients", client, {"description": "acts for a machine"}, duplicate=None, pages=None),
]

SETTINGS = [
    *(
        Setting(f"/api/v2/identityproviders/{sort}", provider(sort), made_by="PUT", deletes=True)
        for sort in ("adfs", "generic", "gsuite", "okta", "onelogin", "ping", "salesforce")
    ),
    Setting(
        "/api/v2/organizations/authentication/settings",
        lambda w: {"domainAllowlistEnabled": True, "domainAllowlist": ["example.com"]},
        verb="PATCH",
    ),
    Setting("/api/v2/routing/settings", lambda w: {"resetAgentScoreOnPresenceChange": True}, deletes=True),
    Setting("/api/v2/routing/utilization", utilization, deletes=True),
]
