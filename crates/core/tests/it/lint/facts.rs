//! Facts that are in no contract: documented limits, what drivers call, and the kinds to come.

use orgsmith_core::catalogue::Driver;

/// Rows per page that a list grants, where it is not 100.
const PAGE_SIZES: &[(&str, u32)] = &[
    ("/api/v2/authorization/divisions/{divisionId}/grants", 500),
    ("/api/v2/flows", 500),
    ("/api/v2/groups", 500),
    ("/api/v2/integrations/credentials/listing", 200),
    ("/api/v2/processautomation/triggers", 200),
    ("/api/v2/routing/queues", 500),
    ("/api/v2/routing/skills", 500),
    ("/api/v2/scripts/published", 500),
    ("/api/v2/speechandtextanalytics/dictionaryfeedback", 500),
    ("/api/v2/speechandtextanalytics/topics", 500),
    ("/api/v2/taskmanagement/workbins/query", 200),
    ("/api/v2/taskmanagement/workitems/query", 200),
    ("/api/v2/taskmanagement/worktypes/query", 200),
    (
        "/api/v2/taskmanagement/worktypes/{worktypeId}/flows/datebased/rules",
        200,
    ),
    (
        "/api/v2/taskmanagement/worktypes/{worktypeId}/flows/onattributechange/rules",
        200,
    ),
    (
        "/api/v2/taskmanagement/worktypes/{worktypeId}/flows/oncreate/rules",
        200,
    ),
    ("/api/v2/users", 500),
];

/// Returns the most rows per page that a list grants.
pub fn max_page_size(path: &str) -> u32 {
    PAGE_SIZES
        .iter()
        .find(|(list, _)| *list == path)
        .map_or(100, |(_, size)| *size)
}

/// Items in one call that a bulk call grants.
const CAPS: &[(&str, usize)] = &[
    ("/api/v2/groups/{groupId}/members", 50),
    ("/api/v2/routing/queues/{queueId}/members", 100),
    ("/api/v2/routing/queues/{queueId}/wrapupcodes", 100),
    ("/api/v2/users/{userId}/routinglanguages/bulk", 50),
    ("/api/v2/users/{userId}/routingskills/bulk", 50),
];

/// Returns the most items in one call, where that is documented.
pub fn max_items(path: &str) -> Option<usize> {
    CAPS.iter()
        .find(|(call, _)| *call == path)
        .map(|(_, cap)| *cap)
}

/// Returns the calls a driver makes besides those of the kind file.
///
/// The last three of the flow driver are what a job does in the name of its caller.
pub fn driver_calls(driver: Driver) -> (&'static [Call], &'static [Call]) {
    match driver {
        // A client that may not start the export job of a knowledge base reads lists instead.
        Driver::Crud | Driver::Credential | Driver::Variation => (&[], &[]),
        Driver::Flow => (
            &[
                ("POST", "/api/v2/flows/export/jobs"),
                ("GET", "/api/v2/flows/export/jobs/{jobId}"),
            ],
            &[
                ("POST", "/api/v2/flows/jobs"),
                ("GET", "/api/v2/flows/jobs/{jobId}"),
                ("PUT", "/api/v2/flows/{flowId}"),
                // The job publishes in the client's name; nobody unlocks what another has locked.
                ("POST", "/api/v2/flows/actions/publish"),
            ],
        ),
        Driver::Asset => (
            &[(
                "GET",
                "/api/v2/responsemanagement/responseassets/status/{statusId}",
            )],
            &[],
        ),
        // The upload itself is taken by another host.
        Driver::Script => (
            &[
                ("GET", "/api/v2/scripts"),
                ("POST", "/api/v2/scripts/{scriptId}/export"),
            ],
            &[("POST", "/api/v2/scripts/published")],
        ),
        Driver::Datatable => (
            &[
                ("POST", "/api/v2/flows/datatables/{datatableId}/export/jobs"),
                (
                    "GET",
                    "/api/v2/flows/datatables/{datatableId}/export/jobs/{exportJobId}",
                ),
            ],
            &[
                (
                    "POST",
                    "/api/v2/flows/datatables/{datatableId}/import/csv/jobs",
                ),
                (
                    "GET",
                    "/api/v2/flows/datatables/{datatableId}/import/jobs/{importJobId}",
                ),
            ],
        ),
        Driver::Prompt => (
            &[],
            &[(
                "POST",
                "/api/v2/architect/prompts/{promptId}/resources/{languageCode}/uploads",
            )],
        ),
        Driver::Grammar => (
            &[],
            &[
                (
                    "POST",
                    "/api/v2/architect/grammars/{grammarId}/languages/{languageCode}/files/voice",
                ),
                (
                    "POST",
                    "/api/v2/architect/grammars/{grammarId}/languages/{languageCode}/files/dtmf",
                ),
            ],
        ),
        Driver::Action => (
            &[],
            &[
                ("POST", "/api/v2/integrations/actions/drafts"),
                (
                    "POST",
                    "/api/v2/integrations/actions/{actionId}/draft/function/upload",
                ),
                ("POST", "/api/v2/integrations/actions/{actionId}/draft"),
                ("PATCH", "/api/v2/integrations/actions/{actionId}/draft"),
                (
                    "POST",
                    "/api/v2/integrations/actions/{actionId}/draft/publish",
                ),
            ],
        ),
    }
}

/// Method and path.
pub type Call = (&'static str, &'static str);

/// Says where a division is named that an object is moved to.
pub const MOVE: Call = (
    "POST",
    "/api/v2/authorization/divisions/{divisionId}/objects/{objectType}",
);

/// Fields that the contract requires in the body of a call and the service derives by itself.
const OPTIONAL: &[(&str, &str)] = &[
    ("/api/v2/greetings", "owner"),
    ("/api/v2/telephony/providers/edges/didpools", "name"),
    (
        "/api/v2/telephony/providers/edges/edgegroups",
        "edgeTrunkBaseAssignment",
    ),
    ("/api/v2/telephony/providers/edges/extensionpools", "name"),
];

/// Tells whether the service does without a field that the contract requires in the body of a call.
pub fn is_optional(path: &str, field: &str) -> bool {
    OPTIONAL
        .iter()
        .any(|(collection, name)| path.starts_with(collection) && *name == field)
}

/// Places whose name ends like an id's and whose value is the same in every org; of one kind alone
/// where the kind stands before it.
const NOT_IDS: &[&str] = &[
    "applicationId",
    "bundleId",
    "callerId",
    "employeeId",
    "externalId",
    "lineMetaBase.id",
    "merchantId",
    "messagesForBusinessId",
    "oauthClientId",
    "outbound_dnclist.campaignId",
    "outbound_dnclist.licenseId",
    "outbound_dnclist.loginId",
    "pageId",
    "phoneMetaBase.id",
    "responsemanagement_response.form.formPages[].pageComponents[].datePicker.id",
    "responsemanagement_response.form.formPages[].pageComponents[].input.id",
    "responsemanagement_response.form.formPages[].pageComponents[].listPicker.id",
    "responsemanagement_response.form.formPages[].pageComponents[].listPicker.sections[].items[].id",
    "responsemanagement_response.form.formPages[].pageComponents[].wheelPicker.id",
    "responsemanagement_response.form.formPages[].pageComponents[].wheelPicker.items[].id",
    "responsemanagement_response.substitutions[].id",
    "timeZoneId",
    "trunkMetabase.id",
];

/// Tells whether a place is called like an id and holds none.
pub fn is_no_id(path: &str) -> bool {
    NOT_IDS.iter().any(|known| {
        path.strip_suffix(known)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}
