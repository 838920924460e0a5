use serde_json::json;

use super::*;
use crate::select::Selection;

fn role(purpose: Purpose, terms: &[&str]) -> Role {
    let catalogue = Catalogue::builtin();
    let selection = Selection::parse(catalogue, terms, &[]).expect("terms");
    Role::new(catalogue, purpose, &selection.kinds(catalogue))
}

#[test]
fn kinds_that_are_read_by_name_need_their_lists_alone() {
    let role = role(Purpose::Export, &["kind=routing_queue"]);
    let flows: Vec<&str> = role
        .needs
        .iter()
        .filter(|(_, kinds)| kinds.contains_key(&Kind::new("flow")))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(flows, ["architect:flow:view"]);
}

#[test]
fn a_list_that_is_asked_for_by_a_post_needs_its_permission_too() {
    let catalogue = Catalogue::builtin();
    let kinds = BTreeMap::from([(Kind::new("task_management_worktype"), Read::Names)]);
    let role = Role::new(catalogue, Purpose::Export, &kinds);
    let needs: Vec<&str> = role.needs.keys().map(String::as_str).collect();
    assert_eq!(needs, ["workitems:worktype:view"]);
}

#[test]
fn an_export_needs_no_permission_to_write() {
    for role in [
        role(Purpose::Export, &[]),
        role(Purpose::Export, &["kind=routing_queue"]),
    ] {
        let uses = role.needs.values().flat_map(BTreeMap::values).flatten();
        assert!(uses.copied().all(Use::reads));
    }
}

#[test]
fn the_purposes_contain_each_other() {
    let [export, apply, sync] =
        [Purpose::Export, Purpose::Apply, Purpose::Sync].map(|purpose| role(purpose, &[]));
    assert!(!export.needs.contains_key("routing:queue:edit"));
    assert!(apply.needs.contains_key("routing:queue:edit"));
    assert!(!apply.needs.contains_key("routing:queue:delete"));
    assert!(sync.needs.contains_key("routing:queue:delete"));
}

#[test]
fn a_permission_to_read_that_opens_writes_is_told() {
    let role = role(
        Purpose::Export,
        &["kind=telephony_providers_edges_did_pool"],
    );
    let opened = &role.wider["telephony:plugin:all"];
    assert!(opened.contains("POST /api/v2/telephony/providers/edges/didpools"));
    assert!(opened.iter().all(|call| !call.starts_with("GET ")));
    assert!(role.remarks()[0].contains("telephony:plugin:all"));
}

#[test]
fn the_body_has_sorted_policies_without_wildcards() {
    let body = role(Purpose::Apply, &["kind=routing_wrapupcode"]).body();
    let policies = body["permissionPolicies"].as_array().expect("policies");
    assert!(policies.contains(&json!({
        "domain": "routing", "entityName": "wrapupCode", "actionSet": ["add", "edit", "view"],
    })));
    assert!(!body.to_string().contains("\"*\""));
}

#[test]
fn what_is_held_is_compared_with_wildcards_and_divisions() {
    let role = role(Purpose::Export, &["kind=routing_wrapupcode"]);
    let grant = |division: &str, entity: &str, action: &str| {
        json!({
            "division": {"id": division, "name": division},
            "role": {"policies": [{"domain": "routing", "entityName": entity, "actions": [action]}]},
        })
    };
    let compare =
        |grants: Vec<serde_json::Value>| Held::read(&json!({ "grants": grants })).compare(&role);
    assert!(compare(vec![]).missing.contains("routing:wrapupCode:view"));
    let exact = compare(vec![grant("*", "wrapupCode", "view")]);
    assert_eq!(exact, Comparison::default());
    let some = compare(vec![grant("Home", "wrapupCode", "view")]);
    assert!(some.missing.is_empty());
    assert!(some.partial["routing:wrapupCode:view"].contains("Home"));
    let wide = compare(vec![grant("*", "*", "*")]);
    assert!(wide.missing.is_empty() && wide.partial.is_empty());
    assert!(wide.excess.contains("routing:queue:edit"));
    assert!(!wide.excess.contains("routing:wrapupCode:view"));
}

#[test]
fn of_alternatives_one_is_enough_and_serves_all() {
    // A skill may be created by either of two.
    let role = role(Purpose::Apply, &["kind=routing_skill"]);
    let alternatives = ["routing:skill:manage", "routing:skill:create"];
    let held = alternatives
        .iter()
        .filter(|name| role.needs.contains_key(**name));
    assert_eq!(held.count(), 1);
    // What is needed for one call anyway serves another that would take it, too.
    let both = self::role(Purpose::Apply, &["kind=routing_utilization"]);
    let uses =
        |name: &str| -> BTreeSet<Use> { both.needs[name].values().flatten().copied().collect() };
    assert!(uses("routing:utilization:manage").contains(&Use::Write));
}
