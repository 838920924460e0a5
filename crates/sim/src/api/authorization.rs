//! Divisions, roles, and who holds which role where.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jiff::Timestamp;
use orgsmith_contract::contract;
use serde_json::{Value, json};

use crate::audit;
use crate::clock::spell;
use crate::cx::{Caller, Cx};
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Deletion, Filter, Kind, Oversize, Style};
use crate::page::{self, cut, hundreds};
use crate::refs::Ref;
use crate::routes::{Registry, Req, registry, the_kind};
use crate::seats;
use crate::store::Fields;
use crate::world::{Grant, Org};

const KINDS: &[Kind] = &[
    Kind {
        name: "division",
        path: "/api/v2/authorization/divisions",
        audit: ("", ""),
        duplicate: (409, "general.conflict"),
        deletion: Deletion {
            in_use: Some((400, "bad.request")),
            ..Deletion::PLAIN
        },
        filters: &[("objectCount", Filter::Ignored)],
        server: &["homeDivision"],
        defaults: r#"{"description": ""}"#,
        may_delete: Some(is_not_home),
        view: Some(show_division),
        deleted: Some(forget_grants),
        ..Kind::PLAIN
    },
    Kind {
        name: "role",
        path: "/api/v2/authorization/roles",
        audit: ("PeoplePermissions", "Role"),
        duplicate: (409, "general.conflict"),
        refs: &[
            Ref::to(
                "permissionPolicies[].resourceConditionNode.operands[].queue",
                "queue",
            ),
            Ref::to(
                "permissionPolicies[].resourceConditionNode.operands[].user",
                "user",
            ),
            Ref::to(
                "permissionPolicies[].resourceConditionNode.terms[].operands[].queue",
                "queue",
            ),
            Ref::to(
                "permissionPolicies[].resourceConditionNode.terms[].operands[].user",
                "user",
            ),
        ],
        deletion: Deletion {
            in_use: None,
            ..Deletion::PLAIN
        },
        filters: &[
            ("userCount", Filter::Ignored),
            ("permission", Filter::Contains("permissionPolicies")),
            ("defaultRoleId", Filter::Exact("defaultRoleId")),
        ],
        server: &["userCount", "roleNeedsUpdate", "base", "default", "id"],
        fixed: &["default", "base", "defaultRoleId"],
        defaults: r#"{"permissions": [], "permissionPolicies": [], "default": false, "base": false}"#,
        check: Some(check_role),
        may_delete: Some(is_not_default),
        view: Some(show_role),
        deleted: Some(forget_grants),
        ..Kind::PLAIN
    },
];

/// A permission policy: domain, entity, action.
type Policy = (&'static str, &'static str, &'static str);

/// The roles that every org is born with: name, which is the default role id too, and policies.
const DEFAULT_ROLES: [(&str, &[Policy]); 4] = [
    (
        "employee",
        &[
            ("directory", "user", "view"),
            ("directory", "group", "view"),
        ],
    ),
    (
        "admin",
        &[
            ("directory", "*", "*"),
            ("authorization", "*", "*"),
            ("routing", "*", "*"),
        ],
    ),
    (
        "supervisor",
        &[
            ("routing", "queue", "view"),
            ("routing", "queueMember", "manage"),
        ],
    ),
    ("user", &[("directory", "user", "view")]),
];

/// What `POST /authorization/divisions/{id}/objects/{type}` calls the simulator's kinds.
const MOVABLE: &[(&str, &str)] = &[
    ("QUEUE", "queue"),
    ("FLOW", "flow"),
    ("USER", "user"),
    ("DATATABLES", "datatable"),
    ("CAMPAIGN", "campaign"),
    ("CONTACTLIST", "contact_list"),
    ("WRAPUPCODE", "wrapup_code"),
    ("SKILL", "skill"),
    ("SKILLGROUP", "skill_group"),
    ("SCHEDULE", "schedule"),
    ("SCHEDULEGROUP", "schedule_group"),
    ("CALLROUTE", "ivr"),
    ("EMERGENCYGROUPS", "emergency_group"),
    ("FLOWMILESTONE", "flow_milestone"),
    ("FLOWOUTCOME", "flow_outcome"),
    ("ROUTINGSCHEDULEGROUPS", "schedule_group"),
    ("ROUTINGSCHEDULES", "schedule"),
    ("PROMPT", "user_prompt"),
    ("SCRIPT", "script"),
    ("EXTENSIONPOOL", "extension_pool"),
    ("TEAM", "team"),
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    let root = "/api/v2/authorization";
    registry.on("GET", &format!("{root}/products"), products);
    registry.on("GET", &format!("{root}/divisions/home"), home);
    registry.on("GET", &format!("{root}/divisions/limit"), limit);
    registry.on("GET", &format!("{root}/divisions/query"), query_divisions);
    registry.on(
        "GET",
        &format!("{root}/divisions/{{divisionId}}/grants"),
        grants_in,
    );
    registry.on(
        "POST",
        &format!("{root}/divisions/{{divisionId}}/objects/{{objectType}}"),
        move_objects,
    );
    registry.on("POST", &format!("{root}/roles/{{roleId}}"), grant_role);
    registry.on(
        "GET",
        &format!("{root}/roles/{{roleId}}/subjectgrants"),
        subjects_of,
    );
    registry.on("GET", &format!("{root}/subjects/me"), own_subject);
    registry.on("GET", &format!("{root}/subjects/{{subjectId}}"), subject);
    registry.on(
        "POST",
        &format!("{root}/subjects/{{subjectId}}/bulkadd"),
        bulk_add,
    );
    registry.on(
        "POST",
        &format!("{root}/subjects/{{subjectId}}/bulkremove"),
        bulk_remove,
    );
    registry.on(
        "POST",
        &format!("{root}/subjects/{{subjectId}}/bulkreplace"),
        bulk_replace,
    );
    let one = format!("{root}/subjects/{{subjectId}}/divisions/{{divisionId}}/roles/{{roleId}}");
    registry.on("POST", &one, add_one);
    registry.on("DELETE", &one, remove_one);
}

pub(crate) fn furnish(org: &mut Org, now: Timestamp) {
    let id = org.new_id();
    let name = org.spec.home_division_name.clone();
    org.place(
        "division",
        &id,
        json!({"name": name, "description": "", "homeDivision": true}),
        now,
    );
    for (name, policies) in DEFAULT_ROLES {
        let id = org.new_id();
        let policies: Vec<Value> = policies
            .iter()
            .map(|(domain, entity, action)| {
                json!({"domain": domain, "entityName": entity, "actionSet": [action]})
            })
            .collect();
        let role = json!({
            "name": name,
            "description": format!("The {name} role."),
            "defaultRoleId": name,
            "default": true,
            "base": false,
            "permissions": [],
            "permissionPolicies": expand(&policies),
        });
        org.place("role", &id, role, now);
    }
}

// Divisions

fn is_not_home(_: &Cx<'_>, _: &Req, fields: &Fields) -> Result<(), Refusal> {
    match fields.get("homeDivision") {
        Some(Value::Bool(true)) => {
            Err(Refusal::bad_request("The home division cannot be deleted."))
        }
        _ => Ok(()),
    }
}

fn show_division(_: &Org, _: &str, shown: &mut Fields) {
    shown.entry("homeDivision").or_insert(false.into());
}

fn home(cx: &mut Cx<'_>, _: &Req) -> Answer {
    let id = cx.org.home_division().to_owned();
    Ok(Reply::ok(cx.show("division", &id)))
}

fn limit(cx: &mut Cx<'_>, _: &Req) -> Answer {
    let most = cx.org.spec.max_objects.get("division").copied();
    Ok(Reply::ok(most.unwrap_or_default().into()))
}

/// Lists the products of the org: one for each domain of permissions that it has.
fn products(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let missing = &cx.org.spec.missing_products;
    let domains = catalogue().keys();
    let found: Vec<Value> = domains
        .filter(|domain| !missing.contains(domain))
        .map(|domain| json!({ "id": domain }))
        .collect();
    let count = found.len();
    Ok(Reply::ok(page::offset_page(
        req,
        found,
        count,
        count.max(1),
        1,
    )))
}

fn query_divisions(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let kind = known("division");
    let found = page::select(cx, req, kind)?;
    let shown = |(object, fields): &(&crate::store::Object, &Fields)| {
        cx.org.view(kind, &object.id, fields).into()
    };
    cut(req, Style::Cursor, 200, Oversize::Refuse, &found, shown).map(Reply::ok)
}

fn move_objects(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let division = req.param("divisionId").to_owned();
    cx.find("division", &division)?;
    if !cx.caller.may_in(&division) {
        return Err(Refusal::new(
            403,
            "missing.division.permission",
            "You may not act in that division.",
        ));
    }
    let sort = req.param("objectType").to_uppercase();
    let kind = MOVABLE
        .iter()
        .find(|(word, _)| *word == sort)
        .and_then(|(_, kind)| registry().kind(kind))
        .ok_or_else(|| Refusal::bad_request(format!("Objects of type {sort} cannot be moved.")))?;
    let ids: Vec<&str> = texts(&req.body);
    for id in &ids {
        let object = cx.find(kind.name, id)?;
        cx.check_division(&object.fields)?;
    }
    for id in ids {
        let mut fields = cx.find(kind.name, id)?.fields.clone();
        fields.insert("division".into(), json!({"id": division}));
        cx.replace(kind, id, fields);
    }
    Ok(Reply::empty(204))
}

// Roles

fn check_role(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    let policies = fields
        .get("permissionPolicies")
        .and_then(Value::as_array)
        .cloned();
    let policies = policies.unwrap_or_default();
    for policy in &policies {
        let domain = policy["domain"].as_str().unwrap_or("");
        let entity = policy["entityName"].as_str().unwrap_or("");
        let known = catalogue()
            .get(domain)
            .is_some_and(|entities| entity == "*" || entities.contains_key(entity));
        if !known {
            return Err(Refusal::invalid(
                "permissionPolicies",
                format!("There is no permission {domain}:{entity}."),
            ));
        }
    }
    // What the org has no product for is dropped without a word.
    let missing = &cx.org.spec.missing_products;
    let kept: Vec<Value> = policies
        .into_iter()
        .filter(|policy| {
            !missing
                .iter()
                .any(|domain| policy["domain"] == domain.as_str())
        })
        .collect();
    fields.insert("permissionPolicies".into(), expand(&kept).into());
    Ok(())
}

/// Replaces the wildcard entity by every entity of its domain, as reads show it.
fn expand(policies: &[Value]) -> Vec<Value> {
    policies
        .iter()
        .flat_map(|policy| {
            let domain = policy["domain"].as_str().unwrap_or("");
            match (policy["entityName"].as_str(), catalogue().get(domain)) {
                (Some("*"), Some(entities)) => entities
                    .keys()
                    .map(|entity| {
                        let mut one = policy.clone();
                        one["entityName"] = entity.as_str().into();
                        one
                    })
                    .collect(),
                _ => vec![policy.clone()],
            }
        })
        .collect()
}

/// Every permission that an operation of the contract asks for: domain, entity, actions.
fn catalogue() -> &'static BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    static CATALOGUE: LazyLock<BTreeMap<String, BTreeMap<String, BTreeSet<String>>>> =
        LazyLock::new(|| {
            let mut domains: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
            let names = contract()
                .operations()
                .iter()
                .flat_map(|op| op.permissions.names());
            for name in names {
                let mut parts = name.split(':');
                if let (Some(domain), Some(entity), Some(action)) =
                    (parts.next(), parts.next(), parts.next())
                {
                    let entities = domains.entry(domain.to_owned()).or_default();
                    entities
                        .entry(entity.to_owned())
                        .or_default()
                        .insert(action.to_owned());
                }
            }
            domains
        });
    &CATALOGUE
}

/// Lists the permissions of a domain.
pub(crate) fn permissions_of(domain: &str) -> Vec<String> {
    let entities = catalogue().get(domain).into_iter().flatten();
    entities
        .flat_map(|(entity, actions)| {
            actions
                .iter()
                .map(move |action| format!("{domain}:{entity}:{action}"))
        })
        .collect()
}

fn is_not_default(_: &Cx<'_>, _: &Req, fields: &Fields) -> Result<(), Refusal> {
    match fields.get("default") {
        Some(Value::Bool(true)) => Err(Refusal::bad_request("Default roles cannot be deleted.")),
        _ => Ok(()),
    }
}

fn show_role(org: &Org, id: &str, shown: &mut Fields) {
    let holders: BTreeSet<&str> = org
        .grants
        .keys()
        .filter(|grant| grant.role == id && org.store.get("user", &grant.subject).is_some())
        .map(|grant| grant.subject.as_str())
        .collect();
    shown.insert("userCount".into(), holders.len().into());
}

// Grants

/// Takes away what a user, group, role or division that is gone had to do with grants.
pub(crate) fn forget_grants(org: &mut Org, id: &str) {
    org.grants
        .retain(|grant, _| grant.subject != id && grant.role != id && grant.division != id);
}

fn known(kind: &str) -> &'static Kind {
    the_kind(kind)
}

fn texts(list: &Value) -> Vec<&str> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).collect()
}

fn is_subject(org: &Org, id: &str) -> bool {
    let lives = |kind| {
        org.store
            .get(kind, id)
            .is_some_and(|o| o.text("state") != "deleted")
    };
    lives("user")
        || lives("group")
        || lives("oauth_client")
        || org.spec.clients.iter().any(|client| client.id == id)
}

fn check_subject(cx: &Cx<'_>, id: &str) -> Result<(), Refusal> {
    match is_subject(cx.org, id) {
        true => Ok(()),
        false => Err(Refusal::not_found("subject", id)),
    }
}

/// Checks that role and division exist and that the caller holds what it gives away.
fn check_grant(cx: &Cx<'_>, grant: &Grant) -> Result<(), Refusal> {
    let role =
        cx.org.store.get("role", &grant.role).ok_or_else(|| {
            Refusal::bad_request(format!("There is no role with id {}.", grant.role))
        })?;
    if grant.division != "*" && cx.org.store.get("division", &grant.division).is_none() {
        let message = format!("There is no division with id {}.", grant.division);
        return Err(Refusal::bad_request(message));
    }
    let policies = role
        .fields
        .get("permissionPolicies")
        .and_then(Value::as_array);
    for policy in policies.into_iter().flatten() {
        for action in texts(&policy["actionSet"]) {
            let name = format!(
                "{}:{}:{action}",
                policy["domain"].as_str().unwrap_or(""),
                policy["entityName"].as_str().unwrap_or("")
            );
            if !cx.caller.may(&name) {
                return Err(Refusal::new(
                    403,
                    "missing.permissions",
                    format!(
                        "You cannot grant a role with a permission that you do not hold: {name}"
                    ),
                ));
            }
        }
    }
    Ok(())
}

fn add(cx: &mut Cx<'_>, grants: Vec<Grant>) -> Result<(), Refusal> {
    for grant in &grants {
        check_subject(cx, &grant.subject)?;
        check_grant(cx, grant)?;
    }
    let now = cx.now;
    let is_new = |grant: &&Grant| !cx.org.grants.contains_key(*grant);
    let new: Vec<Grant> = grants.iter().filter(is_new).cloned().collect();
    seats::taking(
        cx.org,
        &cx.caller,
        |org| {
            org.grants
                .extend(new.iter().map(|grant| (grant.clone(), now)))
        },
        |org| org.grants.retain(|grant, _| !new.contains(grant)),
    )?;
    for grant in grants {
        changed(cx, &grant.subject);
    }
    Ok(())
}

fn changed(cx: &mut Cx<'_>, subject: &str) {
    cx.touched = Some(subject.to_owned());
    audit::note(
        cx,
        ("PeoplePermissions", "AuthUser"),
        "AuthorizationChanged",
        subject,
        "",
        Vec::new(),
    );
}

fn grant_role(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let role = req.param("roleId");
    cx.find("role", role)?;
    let mut grants = Vec::new();
    for subject in texts(&req.body["subjectIds"]) {
        for division in texts(&req.body["divisionIds"]) {
            grants.push(Grant {
                subject: subject.to_owned(),
                role: role.to_owned(),
                division: division.to_owned(),
            });
        }
    }
    add(cx, grants)?;
    Ok(Reply::empty(204))
}

fn pairs(req: &Req) -> Vec<Grant> {
    let pairs = req.body["grants"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    pairs
        .iter()
        .map(|pair| Grant {
            subject: req.param("subjectId").to_owned(),
            role: pair["roleId"].as_str().unwrap_or("").to_owned(),
            division: pair["divisionId"].as_str().unwrap_or("").to_owned(),
        })
        .collect()
}

fn bulk_add(cx: &mut Cx<'_>, req: &Req) -> Answer {
    add(cx, pairs(req))?;
    Ok(Reply::empty(204))
}

fn bulk_remove(cx: &mut Cx<'_>, req: &Req) -> Answer {
    check_subject(cx, req.param("subjectId"))?;
    for grant in pairs(req) {
        cx.org.grants.remove(&grant);
    }
    changed(cx, req.param("subjectId"));
    Ok(Reply::empty(204))
}

fn bulk_replace(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let subject = req.param("subjectId");
    check_subject(cx, subject)?;
    let wanted = pairs(req);
    for grant in &wanted {
        check_grant(cx, grant)?;
    }
    let before = cx.org.grants.clone();
    cx.org
        .grants
        .retain(|grant, _| grant.subject != subject || wanted.contains(grant));
    if let Err(refusal) = add(cx, wanted) {
        cx.org.grants = before;
        return Err(refusal);
    }
    changed(cx, subject);
    Ok(Reply::empty(204))
}

fn one(req: &Req) -> Grant {
    Grant {
        subject: req.param("subjectId").to_owned(),
        role: req.param("roleId").to_owned(),
        division: req.param("divisionId").to_owned(),
    }
}

fn add_one(cx: &mut Cx<'_>, req: &Req) -> Answer {
    add(cx, vec![one(req)])?;
    Ok(Reply::empty(204))
}

fn remove_one(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let grant = one(req);
    match cx.org.grants.remove(&grant) {
        Some(_) => {
            changed(cx, &grant.subject);
            Ok(Reply::empty(204))
        }
        None => Err(Refusal::not_found("grant", &grant.role)),
    }
}

fn show_grant(org: &Org, grant: &Grant, made_at: Timestamp) -> Value {
    let role = org.store.get("role", &grant.role);
    let policies: Vec<Value> = role
        .and_then(|role| role.fields.get("permissionPolicies"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|policy| {
            json!({
                "domain": policy["domain"],
                "entityName": policy["entityName"],
                "actions": policy["actionSet"],
            })
        })
        .collect();
    let mut shown = org.reference("role", &grant.role);
    shown["policies"] = policies.into();
    shown["default"] = role
        .and_then(|role| role.fields.get("default").cloned())
        .unwrap_or(false.into());
    let division = match grant.division.as_str() {
        "*" => json!({"id": "*", "name": "*"}),
        id => org.reference("division", id),
    };
    json!({
        "subjectId": grant.subject,
        "division": division,
        "role": shown,
        "grantMadeAt": spell(made_at),
    })
}

fn grants_in(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let division = req.param("divisionId");
    // A grant in all divisions is in this one.
    if division != "*" {
        cx.find("division", division)?;
    }
    let found: Vec<(&Grant, &Timestamp)> = cx
        .org
        .grants
        .iter()
        .filter(|(grant, _)| grant.division == division)
        .collect();
    let shown = |(grant, at): &(&Grant, &Timestamp)| show_grant(cx.org, grant, **at);
    cut(req, Style::Offset, 500, Oversize::Refuse, &found, shown).map(Reply::ok)
}

fn subjects_of(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let role = req.param("roleId");
    cx.find("role", role)?;
    let mut subjects: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for grant in cx.org.grants.keys().filter(|grant| grant.role == role) {
        let division = cx.org.reference("division", &grant.division);
        subjects.entry(&grant.subject).or_default().push(division);
    }
    let found: Vec<(&str, Vec<Value>)> = subjects.into_iter().collect();
    let shown = |(subject, divisions): &(&str, Vec<Value>)| {
        let sort = if cx.org.store.get("user", subject).is_some() {
            ("user", "PC_USER")
        } else if cx.org.store.get("group", subject).is_some() {
            ("group", "PC_GROUP")
        } else {
            ("oauth_client", "PC_OAUTH_CLIENT")
        };
        let mut shown = cx.org.reference(sort.0, subject);
        shown["type"] = sort.1.into();
        shown["divisions"] = divisions.clone().into();
        shown
    };
    hundreds(req, &found, shown)
}

fn subject(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("subjectId");
    check_subject(cx, id)?;
    let grants: Vec<Value> = cx
        .org
        .grants
        .iter()
        .filter(|(grant, _)| grant.subject == id)
        .map(|(grant, at)| show_grant(cx.org, grant, *at))
        .collect();
    let name = cx.org.store.get("user", id).map(|user| user.text("name"));
    Ok(Reply::ok(json!({
        "id": id,
        "name": name.unwrap_or(""),
        "grants": grants,
        "version": 1,
        "selfUri": req.path,
    })))
}

/// Shows the caller's own rights: those of its configuration, as one role per permission.
fn own_subject(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let Caller::Client {
        id,
        permits,
        divisions,
    } = &cx.caller
    else {
        return Err(Refusal::bad_request("Only a client has rights."));
    };
    let policies: Vec<Value> = permits
        .patterns()
        .iter()
        .map(|pattern| {
            let mut parts = pattern.split(':');
            let mut part = || parts.next().unwrap_or("*").to_owned();
            json!({"domain": part(), "entityName": part(), "actions": [part()]})
        })
        .collect();
    let held: Vec<String> = match divisions {
        None => vec!["*".to_owned()],
        Some(ids) => ids.iter().cloned().collect(),
    };
    let grants: Vec<Value> = held
        .iter()
        .map(|division| {
            json!({
                "subjectId": id,
                "division": match division.as_str() {
                    "*" => json!({"id": "*", "name": "*"}),
                    id => cx.org.reference("division", id),
                },
                "role": {"id": format!("role-of-{id}"), "name": id, "policies": policies, "default": false},
            })
        })
        .collect();
    Ok(Reply::ok(json!({
        "id": id,
        "name": id,
        "grants": grants,
        "version": 1,
        "selfUri": req.path,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wildcard_entity_is_expanded_over_its_domain() {
        let policy = json!({"domain": "routing", "entityName": "*", "actionSet": ["view"]});
        let expanded = expand(&[policy]);
        let entities: Vec<&str> = expanded
            .iter()
            .filter_map(|p| p["entityName"].as_str())
            .collect();
        assert!(entities.contains(&"queue") && entities.contains(&"wrapupCode"));
        assert!(!entities.contains(&"*"));
    }
}
