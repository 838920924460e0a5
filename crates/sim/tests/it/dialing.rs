//! What outbound lists, rules and campaigns need of each other.

use serde_json::{Value, json};

use crate::support::{World, id, text};

const OUTBOUND: &str = "/api/v2/outbound";

async fn contact_list(world: &World) -> String {
    let body = json!({"name": "Customers", "columnNames": ["Name", "Phone"],
        "phoneColumns": [{"columnName": "Phone", "type": "home"}]});
    world
        .api
        .make(&format!("{OUTBOUND}/contactlists"), body)
        .await
}

#[tokio::test]
async fn a_filter_looks_at_columns_that_are_there_and_keeps_its_list() {
    let world = World::start().await;
    let list = contact_list(&world).await;
    let filter = |column: &str| {
        json!({"name": "Gold", "contactList": id(&list), "clauses": [{"filterType": "AND",
            "predicates": [{"column": column, "operator": "EQUALS", "value": "x"}]}]})
    };
    let filters = format!("{OUTBOUND}/contactlistfilters");
    let refused = world.api.post(&filters, filter("Segment")).await;
    refused.refused(400, "invalid.value");
    let made = world.api.post(&filters, filter("Name")).await.ok();
    assert_eq!(made["sourceType"], "ContactList");
    let deleted = world
        .api
        .delete(&format!("{OUTBOUND}/contactlists/{list}"))
        .await;
    deleted.refused(400, "contact.list.in.use");
}

#[tokio::test]
async fn a_rule_that_sets_skills_names_them_in_a_text() {
    let world = World::start().await;
    let rule = |skills: &str| {
        json!({"name": "Rules", "rules": [{"name": "One", "category": "DIALER_PRECALL", "conditions": [],
            "actions": [{"type": "Action", "actionTypeName": "SET_SKILLS",
                "properties": {"skills": skills}}]}]})
    };
    let rules = format!("{OUTBOUND}/rulesets");
    let refused = world.api.post(&rules, rule("Billing")).await;
    refused.refused(400, "invalid.value");
    let nowhere = rule(r#"["0f6bd6c6-61b2-4b5f-9d3a-3f0f0f0f0f0f"]"#);
    let refused = world.api.post(&rules, nowhere).await;
    refused.refused(400, "skill.not.found");
    let skill = world
        .api
        .make("/api/v2/routing/skills", json!({"name": "Billing"}))
        .await;
    let made = world.api.post(&rules, rule(&format!("[{skill:?}]"))).await;
    assert!(!text(&made.ok(), "/rules/0/id").is_empty());
}

#[tokio::test]
async fn an_enabled_campaign_rule_stays() {
    let world = World::start().await;
    let rules = format!("{OUTBOUND}/campaignrules");
    let body = json!({"name": "Rule", "campaignRuleEntities": {}, "enabled": true,
        "campaignRuleConditions": [{"conditionType": "campaignProgress",
            "parameters": {"operator": "greaterThan", "value": "0.5"}}],
        "campaignRuleActions": [{"actionType": "turnOffCampaign", "parameters": {},
            "campaignRuleActionEntities": {"useTriggeringEntity": true}}]});
    let mut rule: Value = world.api.post(&rules, body).await.ok();
    let uri = text(&rule, "/selfUri");
    let deleted = world.api.delete(&uri).await;
    deleted.refused(400, "campaign.rule.is.enabled");
    let sent = rule.as_object_mut().expect("an object");
    sent.retain(|name, _| {
        !["id", "selfUri", "dateCreated", "dateModified"].contains(&name.as_str())
    });
    rule["enabled"] = json!(false);
    world.api.put(&uri, rule).await.ok();
    world.api.delete(&uri).await.ok();
}

#[tokio::test]
async fn settings_and_mappings_have_a_version_each() {
    let world = World::start().await;
    let settings = format!("{OUTBOUND}/settings");
    let change = json!({"version": 1, "maxCallsPerAgent": 12});
    world.api.patch(&settings, change.clone()).await.ok();
    let stale = world.api.patch(&settings, change).await;
    stale.refused(409, "general.conflict");
    assert_eq!(world.api.get(&settings).await.ok()["maxCallsPerAgent"], 12);
    let mapping = json!({"version": 1, "defaultSet": [],
        "mapping": {"0f6bd6c6-61b2-4b5f-9d3a-3f0f0f0f0f0f": ["BUSINESS_SUCCESS"]}});
    let refused = world
        .api
        .put(&format!("{OUTBOUND}/wrapupcodemappings"), mapping)
        .await;
    refused.refused(400, "wrapup.code.not.found");
}
