//! The lint sees each sort of mistake: a kind file is broken in one place, and that is what is found.

use std::path::Path;

use orgsmith_core::catalogue::{Catalogue, Descriptor};

use crate::lint::{Finding, lint};

/// One mistake: the kind, what its file says, what it says instead, the place, and the finding.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

fn broken(kind: &str, from: &str, to: &str) -> Descriptor {
    let file = format!("{kind}.toml");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue/kinds");
    let text = std::fs::read_to_string(path.join(&file)).expect("a kind file");
    assert!(text.contains(from), "{file} does not say {from:?}");
    let text = text.replacen(from, to, 1);
    let catalogue = Catalogue::parse(&[(&file, &text)]).unwrap_or_else(|e| panic!("{e}"));
    catalogue.get(kind).expect("the kind of the file").clone()
}

fn catches(cases: &[Case]) {
    let mut missed = Vec::new();
    for &(kind, from, to, place, message) in cases {
        let findings = lint(&broken(kind, from, to), Catalogue::builtin());
        let says = |finding: &Finding| {
            finding.kind == kind
                && finding.field.starts_with(place)
                && finding.message.contains(message)
        };
        if !findings.iter().any(says) {
            let found: Vec<String> = findings.iter().map(Finding::to_string).collect();
            missed.push(format!(
                "{kind}: {from:?} -> {to:?}: wanted {place}: {message}; found {found:?}"
            ));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn a_call_that_does_not_exist() {
    catches(&[
        (
            "routing_skill",
            "/routing/skills\"",
            "/routing/skillz\"",
            "list[0].path",
            "the contract has no GET /api/v2/routing/skillz",
        ),
        (
            "routing_skill",
            "\"PATCH\"",
            "\"PUT\"",
            "update.path",
            "the contract has no PUT",
        ),
        (
            "routing_skill",
            "[delete]\npath = \"/api/v2/routing/skills/{skillId}\"",
            "[delete]\npath = \"/api/v2/routing/wrapupcodes\"",
            "delete.path",
            "the contract has no DELETE",
        ),
        (
            "routing_skill",
            "[read]\npath = \"/api/v2/routing/skills/{skillId}\"",
            "[read]\npath = \"/api/v2/routing/skills\"",
            "read.path",
            "needs 1 parameters",
        ),
        (
            "routing_queue",
            "path = \"/api/v2/routing/queues/{queueId}/members/{memberId}\"",
            "path = \"/api/v2/routing/queues/{queueId}/memberz/{memberId}\"",
            "part[members].change.path",
            "the contract has no PATCH",
        ),
        (
            "routing_queue",
            "move_as = \"QUEUE\"",
            "move_as = \"QUEUES\"",
            "move_as",
            "is not one of",
        ),
    ]);
}

#[test]
fn a_query_that_the_call_does_not_take() {
    catches(&[
        (
            "auth_role",
            "userCount = \"false\"",
            "usercount = \"false\"",
            "list[0].query.usercount",
            "has no such parameter",
        ),
        (
            "auth_role",
            "userCount = \"false\"",
            "userCount = \"no\"",
            "list[0].query.userCount",
            "does not take \"no\"",
        ),
        (
            "user",
            "\"skills,languages",
            "\"skillz,languages",
            "list[0].query.expand",
            "does not take \"skillz\"",
        ),
        (
            "routing_queue",
            "memberBy = \"user\"",
            "memberBy = \"users\"",
            "part[members].list.query.memberBy",
            "does not take \"users\"",
        ),
    ]);
}

#[test]
fn a_list_that_is_not_paged_that_way() {
    catches(&[
        (
            "routing_queue",
            "page_size = 500",
            "page_size = 501",
            "list[0].page_size",
            "at most 500",
        ),
        (
            "auth_role",
            "page_size = 100",
            "page_size = 200",
            "list[0].page_size",
            "at most 100",
        ),
        (
            "auth_role",
            "page_size = 100\n",
            "",
            "list[0].page_size",
            "at most 100",
        ),
        (
            "routing_skill_group",
            "\"cursor\"",
            "\"offset\"",
            "list[0].paging",
            "the contract says Cursor",
        ),
        (
            "routing_skill",
            "\"offset\"",
            "\"cursor\"",
            "list[0].paging",
            "the contract says Offset",
        ),
        (
            "routing_skill_group",
            "\"unpaged\"",
            "\"offset\"",
            "part[memberDivisions].list.paging",
            "the contract says Unpaged",
        ),
        (
            "routing_skill",
            "only = { state = \"active\" }",
            "only = { status = \"active\" }",
            "list[0].only.status",
            "a row has no such field",
        ),
        (
            "routing_skill",
            "only = { state = \"active\" }",
            "only = { state = \"alive\" }",
            "list[0].only.state",
            "is not one of active",
        ),
        (
            "routing_skill_group",
            "each = true",
            "",
            "list[0]",
            "a row has no skillConditions",
        ),
    ]);
}

#[test]
fn a_path_that_leads_nowhere() {
    catches(&[
        (
            "routing_wrapupcode",
            "\"description\"]",
            "\"descriptions\"]",
            "fields descriptions",
            "has no such field",
        ),
        (
            "routing_queue",
            "\"bullseye.rings[].memberGroups\"",
            "\"bullseye.rings.memberGroups\"",
            "unordered bullseye.rings.memberGroups",
            "a list of Ring has no field",
        ),
        (
            "routing_queue",
            "\"bullseye.rings[].memberGroups\"",
            "\"bullseye\"",
            "unordered bullseye",
            "is not a list",
        ),
        (
            "user",
            "\"locations[].coordinates\"",
            "\"locations[].coordinate\"",
            "volatile locations[].coordinate",
            "Location has no field coordinate",
        ),
        (
            "user",
            "\"locations[].notes\"]",
            "\"places[].notes\"]",
            "pii.texts places[].notes",
            "is in no managed field",
        ),
        (
            "user",
            "\"addresses[].extension\", \"employerInfo\"",
            "\"email\"",
            "pii.others email",
            "cannot be dropped",
        ),
        (
            "user",
            "\"addresses[].address\"]",
            "\"employerInfo\"]",
            "pii.contacts employerInfo",
            "is not a text",
        ),
        (
            "integration_credential",
            "\"credentialFields{}\"",
            "\"credentialFields[]\"",
            "secrets credentialFields[]",
            "is not a list",
        ),
        (
            "integration",
            "fields = [\"integrationType.id\", \"name\"]",
            "fields = [\"integrationType.key\", \"name\"]",
            "key.fields integrationType.key",
            "has no field key",
        ),
        (
            "flow",
            "\"publishedVersion.id\"",
            "\"publishedVersion.number\"",
            "stamp publishedVersion.number",
            "has no field number",
        ),
        (
            "architect_ivr",
            "numbers = [\"dnis[]\"]",
            "numbers = [\"dnis\"]",
            "numbers dnis",
            "is not a text",
        ),
        (
            "auth_role",
            "when = { default = true }",
            "when = { isDefault = true }",
            "builtin[0] isDefault",
            "has no field isDefault",
        ),
    ]);
}

#[test]
fn a_reference_that_is_none() {
    catches(&[
        (
            "architect_ivr",
            "path = \"openHoursFlow\"",
            "path = \"openHourFlow\"",
            "reference openHourFlow",
            "is in no managed field",
        ),
        (
            "routing_queue",
            "path = \"directRouting.backupQueueId\"",
            "path = \"directRouting.backupQueue\"",
            "reference directRouting.backupQueue",
            "has no field backupQueue",
        ),
        (
            "routing_queue",
            "path = \"queueFlow\"\nkind = \"flow\"",
            "path = \"queueFlow\"\nkind = \"flows\"",
            "reference queueFlow",
            "nobody knows the kind flows",
        ),
        (
            "routing_queue",
            "path = \"queueFlow\"",
            "bare = true\npath = \"queueFlow\"",
            "reference queueFlow",
            "is bare, and holds DomainEntityRef",
        ),
        (
            "routing_queue",
            "path = \"directRouting.backupQueueId\"\nkind = \"routing_queue\"\nbare = true",
            "path = \"directRouting.backupQueueId\"\nkind = \"routing_queue\"",
            "reference directRouting.backupQueueId",
            "a string has no id",
        ),
        (
            "routing_queue",
            "by = \"type\"",
            "by = \"sort\"",
            "reference memberGroups[]",
            "there is no sort beside it",
        ),
        (
            "routing_queue",
            "GROUP = \"group\"",
            "GROUPS = \"group\"",
            "reference memberGroups[]",
            "type is never GROUPS",
        ),
        (
            "routing_queue",
            "by = \"type\"\n",
            "by = \"type\"\nbare = true\n",
            "reference memberGroups[]",
            "nothing stands beside an id that is alone",
        ),
        (
            "routing_queue",
            "kind = \"flow\"\n",
            "kind = \"flow\"\nowns_element = true\n",
            "reference queueFlow",
            "is in no list",
        ),
        (
            "routing_queue",
            "by = \"type\"\n",
            "",
            "reference memberGroups[]",
            "either kind, or kinds and by",
        ),
        (
            "routing_queue",
            "[[reference]]\npath = \"mediaSettings.callback.site\"\nkind = \"telephony_providers_edges_site\"\ndeferrable = true",
            "",
            "mediaSettings.callback.site.id",
            "is no reference",
        ),
        (
            "routing_queue",
            "[[reference]]\npath = \"members[].user\"\nkind = \"user\"\nowns_element = true",
            "",
            "members[].user.id",
            "is no reference",
        ),
    ]);
}

#[test]
fn a_field_that_no_call_writes() {
    catches(&[
        (
            "auth_division",
            "fields = [\"name\", \"description\"]",
            "fields = [\"name\", \"description\", \"objectCounts\"]",
            "fields objectCounts",
            "no call sets it",
        ),
        (
            "auth_division",
            "fields = [\"name\", \"description\"]",
            "fields = [\"name\", \"description\", \"objectCounts\"]",
            "create objectCounts",
            "is read-only in the body",
        ),
        (
            "routing_skill",
            "rename = { division = { name = \"divisionId\", bare_ids = true } }",
            "rename = { division = { name = \"division\", bare_ids = true } }",
            "create division",
            "the body has no division",
        ),
        (
            "routing_skill",
            "rename = { division = { name = \"divisionId\", bare_ids = true } }",
            "rename = { division = { name = \"divisionId\" } }",
            "create division at division",
            "the call takes a string",
        ),
        (
            "user",
            "omit = [\"preferredName\", ",
            "omit = [",
            "create preferredName",
            "the body has no preferredName",
        ),
        (
            "user",
            "    \"locations[].floorplanId\",\n",
            "",
            "update locations at locations[].floorplanId",
            "is read-only in Location",
        ),
        (
            "integration_action",
            "    \"contract.output.errorSchemaUri\",\n",
            "",
            "create contract at contract.output.errorSchemaUri",
            "has no errorSchemaUri",
        ),
        (
            "group",
            "immutable = [\"type\"]",
            "",
            "fields type",
            "no call changes it",
        ),
        (
            "routing_skill_group",
            "always = [\"name\", \"skillConditions\"]",
            "",
            "update",
            "the body needs skillConditions",
        ),
        (
            "routing_skill_group",
            "always = [\"name\", \"skillConditions\"]",
            "always = [\"names\"]",
            "update.always names",
            "is not a field that the call takes",
        ),
        (
            "group",
            "volatile = [\"addresses[].display\"]",
            "",
            "update addresses at addresses[].display",
            "is read-only in GroupContact",
        ),
        (
            "auth_role",
            "\"userCount\"]",
            "]",
            "update userCount",
            "the body has no userCount",
        ),
        (
            "outbound_campaign",
            "campaignStatus = \"off\"",
            "campaignStatus = \"idle\"",
            "create_with.campaignStatus",
            "is not one of on",
        ),
        (
            "user",
            "with = { state = \"active\" }",
            "with = { status = \"active\" }",
            "restore.with.status",
            "the body takes no such field",
        ),
    ]);
}

#[test]
fn a_field_that_is_left_alone_without_a_word() {
    catches(&[
        (
            "group",
            "images = \"pictures do not travel\"\n",
            "",
            "unmanaged images",
            "does not say why",
        ),
        (
            "group",
            "images = \"pictures do not travel\"",
            "images = \" \"",
            "unmanaged images",
            "has no reason",
        ),
        (
            "group",
            "images = \"pictures do not travel\"",
            "pictures = \"do not travel\"",
            "unmanaged pictures",
            "no call takes it",
        ),
        (
            "group",
            "images = \"pictures do not travel\"",
            "images = \"pictures do not travel\"\nname = \"is in the key\"",
            "unmanaged name",
            "is among the fields",
        ),
    ]);
}

#[test]
fn a_version_that_is_not_asked_for_or_is() {
    catches(&[
        (
            "architect_ivr",
            "version = true\n",
            "",
            "version",
            "the body of update asks for it",
        ),
        (
            "routing_wrapupcode",
            "visible_after_s",
            "version = true\nvisible_after_s",
            "version",
            "the body of update does not ask for it",
        ),
        (
            "routing_wrapupcode",
            "visible_after_s",
            "version = true\nvisible_after_s",
            "version",
            "WrapupCode has no version",
        ),
        (
            "group",
            "versioned = true\n",
            "",
            "part[members].versioned",
            "asks for it",
        ),
        (
            "integration",
            "first_version = 1\n",
            "",
            "part[config].first_version",
            "a body asks for it",
        ),
        (
            "integration",
            "first_version = 1\n",
            "first_version = 1\nversioned = true\n",
            "part[config].versioned",
            "a single object its own",
        ),
        (
            "routing_queue",
            "field = \"wrapUpCodes\"\n",
            "field = \"wrapUpCodes\"\nversioned = true\n",
            "part[wrapUpCodes].versioned",
            "no body asks for it",
        ),
    ]);
}

#[test]
fn a_permission_too_few_or_too_many() {
    catches(&[
        (
            "routing_queue",
            "read_permissions = [\"routing:queue:view\"]",
            "",
            "read_permissions",
            "needs routing:queue:view",
        ),
        (
            "routing_queue",
            "\"routing:queue:add\", ",
            "",
            "write_permissions",
            "POST /api/v2/routing/queues needs routing:queue:add",
        ),
        (
            "routing_queue",
            "\"routing:queue:add\", ",
            "\"routing:queue:add\", \"routing:queue:create\", ",
            "write_permissions",
            "no call needs routing:queue:create",
        ),
        (
            "routing_queue",
            "delete_permissions = [\"routing:queue:delete\"]",
            "",
            "delete_permissions",
            "needs routing:queue:delete",
        ),
        (
            "flow",
            ", \"architect:jobExport:create\"",
            "",
            "read_permissions",
            "needs architect:jobExport:create",
        ),
    ]);
}

#[test]
fn a_part_whose_calls_do_not_fit() {
    catches(&[
        (
            "group",
            "name = \"memberIds\"",
            "name = \"members\"",
            "part[members].add.body",
            "is not a named list of ids",
        ),
        (
            "group",
            "name = \"memberIds\"\n",
            "",
            "part[members].add.name",
            "id_list, item_list and query have one",
        ),
        (
            "group",
            "name = \"ids\"",
            "name = \"members\"",
            "part[members].remove.query",
            "the call needs ids",
        ),
        (
            "group",
            "cap = 50",
            "cap = 51",
            "part[members].add.cap",
            "more than the call grants",
        ),
        (
            "routing_queue",
            "fields = [\"ringNumber\", \"joined\"]",
            "cap = 2\nfields = [\"ringNumber\", \"joined\"]",
            "part[members].change.cap",
            "the call takes one item",
        ),
        (
            "routing_queue",
            "fields = [\"ringNumber\", \"joined\"]",
            "body = \"items\"\nfields = [\"ringNumber\", \"joined\"]",
            "part[members].change.body",
            "is not a list of items",
        ),
        (
            "routing_queue",
            "fields = [\"ringNumber\", \"joined\"]",
            "fields = [\"ring\"]",
            "part[members].change.fields ring",
            "the body takes no such field",
        ),
        (
            "routing_queue",
            "identity = [\"user\"]",
            "identity = [\"agent\"]",
            "part[members] agent",
            "an item has no such field",
        ),
        (
            "routing_queue",
            "when = \"userMemberCount\"",
            "when = \"userCount\"",
            "part[members].when",
            "has no userCount",
        ),
        (
            "user",
            "fields = [\"id\", \"proficiency\"]",
            "fields = [\"id\"]",
            "part[skills].replace.fields",
            "the body needs proficiency",
        ),
        (
            "user",
            "field = \"profileSkills\"",
            "field = \"hobbies\"",
            "part[hobbies]",
            "does not carry it",
        ),
        (
            "group",
            "inverse = { kind = \"user\", path = \"groups\" }",
            "inverse = { kind = \"person\", path = \"groups\" }",
            "part[members].inverse",
            "the kind person has no file",
        ),
        (
            "integration",
            "single = true\n",
            "",
            "part[config].single",
            "the call answers otherwise",
        ),
    ]);
}

#[test]
fn a_kind_that_says_too_little() {
    catches(&[
        (
            "routing_language",
            "fields = [\"name\"]\n\n[[list]]",
            "fields = []\n\n[[list]]",
            "key.fields",
            "only a singleton has none",
        ),
        (
            "routing_utilization",
            "singleton = true",
            "",
            "list",
            "a kind has a list",
        ),
        (
            "routing_language",
            "[create]\nmethod = \"POST\"\npath = \"/api/v2/routing/languages\"",
            "",
            "create",
            "nothing creates an object",
        ),
        (
            "routing_language",
            "title = ",
            "clone = \"mapped\"\ntitle = ",
            "clone",
            "a mapped kind has no writes",
        ),
        (
            "user",
            "deleted = true",
            "",
            "restore",
            "needs a list of deleted objects",
        ),
        (
            "flow",
            "lower_case = [\"type\"]",
            "lower_case = [\"types\"]",
            "key.lower_case types",
            "is no part of the key",
        ),
        (
            "group",
            "immutable = [\"type\"]",
            "immutable = [\"kind\"]",
            "immutable kind",
            "is not among the fields",
        ),
        (
            "auth_division",
            "key = \"home\"",
            "key = \"home\"\nnatural_key = true",
            "builtin[0]",
            "has one of key",
        ),
        (
            "routing_wrapupcode",
            "model = \"WrapupCode\"",
            "model = \"WrapUpCode\"",
            "model",
            "the contract has no model WrapUpCode",
        ),
    ]);
}

#[test]
fn a_place_that_is_sent_back_and_an_owner_that_is_none() {
    catches(&[
        (
            "telephony_providers_edges_phonebasesettings",
            "returned = [\"lines[].id\"",
            "returned = [\"lines[].name\"",
            "returned lines[].name",
            "is not among the volatile places",
        ),
        (
            "telephony_providers_edges_site",
            "returned = [\"id\"",
            "returned = [\"name\"",
            "part[numberPlans].returned name",
            "no unmanaged field",
        ),
        (
            "greeting_user",
            "within = \"owner\"",
            "within = \"name\"",
            "create.within",
            "names a reference that a creation needs",
        ),
    ]);
}

#[test]
fn a_publishing_that_is_not_one() {
    catches(&[
        (
            "knowledge_document",
            "documentId}/versions\"\nfield",
            "documentId}/version\"\nfield",
            "publish.path",
            "the contract has no POST",
        ),
        (
            "knowledge_document",
            "omit = [\"state\"]\nrename",
            "rename",
            "publish.field state",
            "creation and update omit",
        ),
        (
            "speechandtextanalytics_topic",
            "publishjobs/{jobId}",
            "publishjobs",
            "publish.job.path",
            "the contract has no GET",
        ),
        (
            "speechandtextanalytics_topic",
            "\"speechAndTextAnalytics:topic:publish\",",
            "",
            "write_permissions",
            "needs speechAndTextAnalytics:topic:publish",
        ),
    ]);
}

#[test]
fn rows_that_stand_nowhere() {
    catches(&[
        (
            "guide_version",
            "inside = \"latestSavedVersion\"",
            "inside = \"latestVersion\"",
            "list[0].inside",
            "Guide has no latestVersion",
        ),
        (
            "guide_version",
            "path = \"/api/v2/guides\"",
            "path = \"/api/v2/groups\"",
            "list[0].inside",
            "is not the list of guide",
        ),
    ]);
}

#[test]
fn an_audit_or_a_topic_that_nobody_sends() {
    catches(&[
        (
            "flow",
            "\"Architect/Flow\"",
            "\"Architects/Flow\"",
            "audit Architects/Flow",
            "no service of the audits has this name",
        ),
        (
            "flow",
            "\"Architect/Flow\"",
            "\"Architect/Flows\"",
            "audit Architect/Flows",
            "no entity of the audits has this name",
        ),
        (
            "flow",
            "\"v2.flows.{id}\"",
            "\"v2.flows\"",
            "topics v2.flows",
            "a topic names one object by {id}",
        ),
    ]);
}
