//! Which limit of an org is for what.
//!
//! The API tells limits as keys of a namespace and lists the namespaces, but no source lists the
//! keys. A key is taken for a kind's own when its words are the kind's noun and nothing else but
//! words such as `max` and `per.org`.

use std::collections::BTreeMap;

/// What a limit is for: the namespaces that it may be in, and the nouns for it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) namespaces: &'static [&'static str],
    nouns: &'static [&'static str],
}

const fn place(namespaces: &'static [&'static str], nouns: &'static [&'static str]) -> Place {
    Place { namespaces, nouns }
}

/// Members of one queue.
pub(super) const QUEUE_MEMBERS: Place = place(
    &["routing"],
    &["queue member", "member queue", "agent queue"],
);
/// Skills of one user.
pub(super) const USER_SKILLS: Place =
    place(&["skills"], &["user skill", "skill user", "skill agent"]);

/// Where the limits of kinds are told.
const PLACES: &[(&str, Place)] = &[
    (
        "architect_datatable",
        place(&["datatables"], &["datatable", "data table", "table"]),
    ),
    (
        "architect_emergencygroup",
        place(ROUTES, &["emergency group", "emergencygroup"]),
    ),
    ("architect_grammar", place(&["architect"], &["grammar"])),
    (
        "architect_ivr",
        place(ROUTES, &["ivr", "call route", "ivr config"]),
    ),
    (
        "architect_schedulegroups",
        place(ROUTES, &["schedule group", "schedulegroup"]),
    ),
    ("architect_schedules", place(ROUTES, &["schedule"])),
    (
        "architect_user_prompt",
        place(&["architect"], &["prompt", "user prompt"]),
    ),
    ("auth_division", place(&["authorization"], &["division"])),
    ("auth_role", place(&["authorization"], &["role"])),
    ("flow", place(&["architect"], &["flow"])),
    (
        "flow_milestone",
        place(&["architect"], &["milestone", "flow milestone"]),
    ),
    (
        "flow_outcome",
        place(&["architect"], &["outcome", "flow outcome"]),
    ),
    ("group", place(&["groups"], &["group"])),
    ("integration", place(&["integrations"], &["integration"])),
    (
        "integration_action",
        place(&["dataactions"], &["action", "data action"]),
    ),
    (
        "integration_credential",
        place(&["integrations"], &["credential"]),
    ),
    (
        "knowledge_knowledgebase",
        place(&["knowledge"], &["knowledge base", "knowledgebase"]),
    ),
    ("location", place(&["directory"], &["location"])),
    (
        "oauth_client",
        place(&["auth.api"], &["client", "oauth client"]),
    ),
    (
        "outbound_attempt_limit",
        place(&["outbound"], &["attempt limit"]),
    ),
    (
        "outbound_callabletimeset",
        place(&["outbound"], &["callable time set", "callabletimeset"]),
    ),
    ("outbound_campaign", place(&["outbound"], &["campaign"])),
    (
        "outbound_campaignrule",
        place(&["outbound"], &["campaign rule", "campaignrule"]),
    ),
    (
        "outbound_contact_list",
        place(&["outbound"], &["contact list", "contactlist"]),
    ),
    (
        "outbound_contactlistfilter",
        place(&["outbound"], &["contact list filter", "contactlistfilter"]),
    ),
    (
        "outbound_dnclist",
        place(&["outbound"], &["dnc list", "dnclist"]),
    ),
    (
        "outbound_messagingcampaign",
        place(&["outbound"], &["messaging campaign", "messagingcampaign"]),
    ),
    (
        "outbound_ruleset",
        place(&["outbound"], &["rule set", "ruleset"]),
    ),
    (
        "outbound_sequence",
        place(&["outbound"], &["sequence", "campaign sequence"]),
    ),
    (
        "processautomation_trigger",
        place(&["event.orchestration"], &["trigger"]),
    ),
    (
        "quality_forms_evaluation",
        place(&["quality"], &["evaluation form"]),
    ),
    (
        "quality_forms_survey",
        place(&["quality"], &["survey form"]),
    ),
    (
        "recording_media_retention_policy",
        place(&["recording"], &["policy", "retention policy"]),
    ),
    (
        "responsemanagement_library",
        place(&["response.management"], &["library"]),
    ),
    (
        "responsemanagement_response",
        place(&["response.management"], &["response"]),
    ),
    (
        "routing_email_domain",
        place(&["email"], &["domain", "email domain"]),
    ),
    ("routing_language", place(&["routing"], &["language"])),
    ("routing_queue", place(&["routing"], &["queue"])),
    ("routing_skill", place(&["skills"], &["skill"])),
    ("routing_skill_group", place(&["skills"], &["skill group"])),
    (
        "routing_wrapupcode",
        place(&["routing"], &["wrapup code", "wrap up code", "wrapupcode"]),
    ),
    (
        "task_management_workbin",
        place(&["task.management"], &["workbin"]),
    ),
    (
        "task_management_workitem",
        place(&["task.management"], &["workitem"]),
    ),
    (
        "task_management_worktype",
        place(&["task.management"], &["worktype"]),
    ),
    ("team", place(&["groups"], &["team"])),
    (
        "telephony_providers_edges_did_pool",
        place(TELEPHONY, &["did pool"]),
    ),
    (
        "telephony_providers_edges_edge_group",
        place(TELEPHONY, &["edge group"]),
    ),
    (
        "telephony_providers_edges_extension_pool",
        place(TELEPHONY, &["extension pool"]),
    ),
    (
        "telephony_providers_edges_phonebasesettings",
        place(TELEPHONY, &["phone base", "phone base setting"]),
    ),
    (
        "telephony_providers_edges_site",
        place(TELEPHONY, &["site"]),
    ),
    (
        "telephony_providers_edges_trunkbasesettings",
        place(TELEPHONY, &["trunk base", "trunk base setting"]),
    ),
    ("user", place(&["directory", "users"], &["user"])),
    (
        "webdeployments_configuration",
        place(&["web.deployments"], &["configuration"]),
    ),
    (
        "webdeployments_deployment",
        place(&["web.deployments"], &["deployment"]),
    ),
];

const ROUTES: &[&str] = &["architect", "telephony.configuration"];
const TELEPHONY: &[&str] = &["telephony.configuration"];

/// Words of a key that say no more than that it is a limit, and of a whole org.
const FILLERS: [&str; 12] = [
    "max",
    "maximum",
    "min",
    "count",
    "limit",
    "total",
    "number",
    "of",
    "per",
    "in",
    "org",
    "organization",
];

/// Returns the namespaces that the limit of a kind may be in; none where that is not known.
pub(super) fn namespaces(kind: &str) -> &'static [&'static str] {
    of_kind(kind).map_or(&[], |place| place.namespaces)
}

/// Returns where the limit of a kind is told.
pub(super) fn of_kind(kind: &str) -> Option<&'static Place> {
    let found = PLACES.iter().find(|(known, _)| *known == kind);
    found.map(|(_, place)| place)
}

impl Place {
    /// Finds the limit among those of a namespace: its key and value. Of several the least counts.
    pub(super) fn find<'l>(&self, limits: &'l BTreeMap<String, u64>) -> Option<(&'l str, u64)> {
        let own = limits.iter().filter(|(key, _)| self.is(key));
        own.map(|(key, value)| (key.as_str(), *value))
            .min_by_key(|(_, value)| *value)
    }

    fn is(&self, key: &str) -> bool {
        let words: Vec<String> = key
            .split(|c: char| !c.is_ascii_alphanumeric())
            .map(singular)
            .filter(|word| !word.is_empty() && !FILLERS.contains(&word.as_str()))
            .collect();
        let words = words.join(" ");
        self.nouns.iter().any(|noun| *noun == words)
    }
}

/// Takes the plural off a word.
fn singular(word: &str) -> String {
    let word = word.to_ascii_lowercase();
    match word.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => word.strip_suffix('s').unwrap_or(&word).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(kind: &str, keys: &[(&str, u64)]) -> Option<u64> {
        let limits = keys.iter().map(|(key, value)| ((*key).to_owned(), *value));
        let limits = limits.collect();
        let place = of_kind(kind).expect("a kind with a place");
        place.find(&limits).map(|(_, value)| value)
    }

    #[test]
    fn a_key_of_the_nouns_and_fillers_alone_is_the_limit() {
        let keys = [
            ("queues.per.org.max", 10),
            ("queue.members.max", 3),
            ("queue.flows.per.minute", 1),
            ("wrapup.codes.max", 7),
        ];
        assert_eq!(found("routing_queue", &keys), Some(10));
        assert_eq!(found("routing_wrapupcode", &keys), Some(7));
        assert_eq!(found("routing_language", &keys), None);
        let members = keys.map(|(key, value)| (key.to_owned(), value)).into();
        assert_eq!(QUEUE_MEMBERS.find(&members), Some(("queue.members.max", 3)));
        let policies = [("retention.policies.maximum", 5), ("policy.count", 4)];
        assert_eq!(
            found("recording_media_retention_policy", &policies),
            Some(4)
        );
    }

    #[test]
    fn every_place_is_of_a_kind_and_in_order() {
        let catalogue = crate::catalogue::Catalogue::builtin();
        for (kind, _) in PLACES {
            assert!(catalogue.get(kind).is_ok(), "{kind}");
        }
        assert!(PLACES.is_sorted_by_key(|(kind, _)| *kind));
    }
}
