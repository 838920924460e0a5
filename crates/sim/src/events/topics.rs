//! Which topics there are, and what an audit says to each.

use serde_json::{Value, json};

/// The audits themselves, one topic for each entity.
pub(crate) const AUDITS: &str = "v2.audits.entitytype.{id}.entityid.{id}";

/// A topic of the configuration.
pub(crate) struct Topic {
    /// Its name, with `{id}` for the object's.
    pub(crate) name: &'static str,
    /// The service and the entity of the audits behind it.
    audit: (&'static str, &'static str),
    /// The actions that it tells of; all where there are none.
    actions: &'static [&'static str],
    /// Who may listen.
    pub(crate) permission: &'static str,
}

const fn topic(
    name: &'static str,
    audit: (&'static str, &'static str),
    permission: &'static str,
) -> Topic {
    Topic {
        name,
        audit,
        actions: &[],
        permission,
    }
}

pub(crate) const TOPICS: &[Topic] = &[
    topic(
        "v2.flows.{id}",
        ("Architect", "Flow"),
        "architect:flow:view",
    ),
    topic(
        "v2.flows.outcomes.{id}",
        ("Architect", "FlowOutcome"),
        "architect:flowOutcome:view",
    ),
    topic(
        "v2.architect.prompts.{id}",
        ("Architect", "Prompt"),
        "architect:userPrompt:view",
    ),
    topic(
        "v2.outbound.attemptlimits.{id}",
        ("Outbound", "AttemptLimits"),
        "outbound:attemptLimits:view",
    ),
    topic(
        "v2.outbound.callabletimesets.{id}",
        ("Outbound", "CallableTimeSet"),
        "outbound:callableTimeSet:view",
    ),
    topic(
        "v2.outbound.campaignrules.{id}",
        ("Outbound", "CampaignRule"),
        "outbound:campaignRule:view",
    ),
    topic(
        "v2.outbound.campaigns.{id}",
        ("Outbound", "Campaign"),
        "outbound:campaign:view",
    ),
    topic(
        "v2.outbound.contactlistfilters.{id}",
        ("Outbound", "ContactListFilter"),
        "outbound:contactListFilter:view",
    ),
    topic(
        "v2.outbound.contactlists.{id}",
        ("Outbound", "ContactList"),
        "outbound:contactList:view",
    ),
    topic(
        "v2.outbound.dnclists.{id}",
        ("Outbound", "DNCList"),
        "outbound:dncList:view",
    ),
    topic(
        "v2.outbound.responsesets.{id}",
        ("Outbound", "CallAnalysisResponseSet"),
        "outbound:responseSet:view",
    ),
    topic(
        "v2.outbound.rulesets.{id}",
        ("Outbound", "RuleSet"),
        "outbound:ruleSet:view",
    ),
    topic(
        "v2.outbound.sequences.{id}",
        ("Outbound", "Sequence"),
        "outbound:campaignSequence:view",
    ),
    topic(
        "v2.outbound.settings",
        ("Outbound", "OrganizationSettings"),
        "outbound:settings:view",
    ),
    topic(
        "v2.outbound.messagingcampaigns.{id}",
        ("Outbound", "MessagingCampaign"),
        "outbound:messagingCampaign:view",
    ),
    topic(
        "v2.telephony.providers.edges.trunks.{id}",
        ("Telephony", "Trunk"),
        "telephony:plugin:all",
    ),
    topic(
        "v2.webdeployments.configurations.{id}",
        ("WebDeployments", "Configuration"),
        "webDeployments:configuration:view",
    ),
    topic(
        "v2.webdeployments.deployments.{id}",
        ("WebDeployments", "Deployment"),
        "webDeployments:deployment:view",
    ),
    topic(
        "v2.externalcontacts.contacts.{id}",
        ("ExternalContacts", "Contact"),
        "externalContacts:contact:view",
    ),
    Topic {
        actions: &["MemberAdd", "MemberRemove", "MemberUpdate"],
        ..topic(
            "v2.routing.queues.{id}.users",
            ("ContactCenter", "Queue"),
            "routing:queue:view",
        )
    },
];

/// What one topic is told.
pub(crate) struct Told {
    /// The topic, with the object's id.
    pub(crate) name: String,
    pub(crate) body: Value,
}

/// Lists what an audit says to whom.
pub(crate) fn of(audit: &Value) -> Vec<Told> {
    let text = |field: &str| audit[field].as_str().unwrap_or_default();
    let id = audit["entity"]["id"].as_str().unwrap_or_default();
    let concerned = |topic: &&Topic| {
        topic.audit == (text("serviceName"), text("entityType"))
            && (topic.actions.is_empty() || topic.actions.contains(&text("action")))
    };
    let mut told: Vec<Told> = TOPICS
        .iter()
        .filter(concerned)
        .map(|topic| Told {
            name: topic.name.replace("{id}", id),
            body: json!({ "id": id, "name": audit["entity"]["name"] }),
        })
        .collect();
    told.push(Told {
        name: audit_topic(text("entityType"), id),
        body: body(audit),
    });
    told
}

/// Names the topic of the audits about one entity.
pub(crate) fn audit_topic(entity_type: &str, id: &str) -> String {
    format!("v2.audits.entitytype.{entity_type}.entityid.{id}")
}

/// Says what the audit topic says, in its own words (`AuditTopicAuditLogMessage` of the SDK).
pub(crate) fn body(audit: &Value) -> Value {
    let mut body = json!({
        "id": audit["id"],
        "userHomeOrgId": audit["userHomeOrgId"],
        "serviceName": audit["serviceName"],
        "level": audit["level"],
        "eventTime": audit["eventDate"],
        "action": audit["action"],
        "entityType": audit["entityType"],
        "entity": audit["entity"],
        "propertyChanges": audit["propertyChanges"],
        "context": {},
    });
    if let Some(client) = audit.get("client") {
        body["clientId"] = client.clone();
    }
    if let Some(user) = audit.get("user") {
        body["userId"] = user["id"].clone();
    }
    body
}

/// Finds the permission that listening to a topic asks for; `None` where there is no such topic.
pub(crate) fn permission(name: &str) -> Option<&'static str> {
    if let Some(rest) = name.strip_prefix("v2.audits.entitytype.") {
        let (entity, id) = rest.split_once(".entityid.")?;
        return (!entity.is_empty() && is_id(id)).then_some("audits:audit:view");
    }
    let found = TOPICS
        .iter()
        .find(|topic| match topic.name.split_once("{id}") {
            Some((before, after)) => name
                .strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after))
                .is_some_and(is_id),
            None => name == topic.name,
        });
    found.map(|topic| topic.permission)
}

/// Tells an id from a wildcard: a channel has none.
fn is_id(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '@');
    !text.is_empty() && text.chars().all(fits)
}
