//! Groups and their members.

use serde_json::{Map, Value, json};

use crate::api::authorization::forget_grants;
use crate::audit;
use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Deletion, Filter, Kind, Oversize, Style, Version};
use crate::page::{cut, hundreds};
use crate::refs::Ref;
use crate::routes::{Registry, Req, the_kind};
use crate::search;
use crate::seats;
use crate::store::{Fields, Object, text};
use crate::world::Org;

const KINDS: &[Kind] = &[Kind {
    name: "group",
    path: "/api/v2/groups",
    audit: ("Groups", "DirectoryGroup"),
    duplicate: (409, "general.conflict"),
    version: Version::Directory,
    state: true,
    refs: &[Ref::to("owners[]", "user").weak()],
    deletion: Deletion {
        soft: true,
        ..Deletion::PLAIN
    },
    defaults: r#"{"type": "official", "visibility": "public", "rulesVisible": true, "rolesEnabled": true,
        "callsEnabled": true, "includeOwners": true, "owners": []}"#,
    max_page: 500,
    filters: &[("jabberId", Filter::Exact("jabberId"))],
    server: &["memberCount"],
    fixed: &["type"],
    check: Some(check),
    view: Some(view),
    deleted: Some(forget_grants),
    ..Kind::PLAIN
}];

/// Members that one call may add or remove.
const MEMBERS_PER_CALL: usize = 50;

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    let group = "/api/v2/groups/{groupId}";
    registry.on("POST", "/api/v2/groups/search", find);
    registry.on("PUT", group, put);
    registry.on("GET", &format!("{group}/individuals"), individuals);
    registry.on("GET", &format!("{group}/members"), members);
    registry.on("POST", &format!("{group}/members"), add);
    registry.on("DELETE", &format!("{group}/members"), remove);
}

fn kind() -> &'static Kind {
    the_kind("group")
}

fn check(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    if old.is_none() {
        // A quirk of the API: a description sticks only on an update.
        fields.remove("description");
    }
    if let Some(owners) = fields.remove("ownerIds") {
        let ids: Vec<&str> = owners
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        // Another: an empty list changes nothing, one blank id takes all owners away.
        if ids == [" "] {
            fields.insert("owners".into(), json!([]));
        } else if !ids.is_empty() {
            let owners: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
            fields.insert("owners".into(), owners.into());
        }
    }
    Ok(())
}

fn view(org: &Org, id: &str, shown: &mut Fields) {
    let count = org
        .store
        .get("group", id)
        .map_or(0, |group| member_ids(group).count());
    shown.insert("memberCount".into(), count.into());
}

/// Lists the ids of a group's members.
pub(crate) fn member_ids(group: &Object) -> impl Iterator<Item = &str> {
    let members = group.fields.get("$members").and_then(Value::as_object);
    members.into_iter().flat_map(Map::keys).map(String::as_str)
}

fn find(cx: &mut Cx<'_>, req: &Req) -> Answer {
    search::search(cx, req, kind(), |object, fields| {
        cx.org.view(kind(), &object.id, fields).into()
    })
}

/// What a `PUT` leaves out stays as it is; a deleted group can only be made active again.
fn put(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.id().to_owned();
    let old = cx.find("group", &id)?.fields.clone();
    if text(&old, "state") == "deleted" && req.body["state"] == "active" {
        crud::check_version(kind(), &old, &crud::body_fields(&req.body))?;
        let mut fields = old.clone();
        fields.insert("state".into(), "active".into());
        crud::check_key(cx, kind(), Some(&id), &fields)?;
        crud::bump(kind(), &old, &mut fields);
        cx.replace(kind(), &id, fields);
        return Ok(Reply::ok(cx.show("group", &id)));
    }
    crud::serve(cx, req, kind(), crud::Verb::Merge)
}

fn individuals(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let users = users(cx, req)?;
    cut(req, Style::Whole, 0, Oversize::Refuse, &users, Value::clone).map(Reply::ok)
}

fn members(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let users = users(cx, req)?;
    hundreds(req, &users, Value::clone)
}

fn users(cx: &Cx<'_>, req: &Req) -> Result<Vec<Value>, Refusal> {
    let group = cx.find_live("group", req.param("groupId"))?;
    Ok(member_ids(group).map(|id| cx.show("user", id)).collect())
}

fn add(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("groupId").to_owned();
    let group = cx.find_live("group", &id)?.fields.clone();
    crud::check_version(kind(), &group, &crud::body_fields(&req.body))?;
    let users: Vec<&str> = req.body["memberIds"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for user in &users {
        if cx.find_live("user", user).is_err() {
            return Err(Refusal::bad_request(format!(
                "There is no user with id {user}."
            )));
        }
    }
    let joining = users.iter().filter(|user| {
        let mut members = cx
            .org
            .store
            .get("group", &id)
            .into_iter()
            .flat_map(member_ids);
        members.all(|member| member != **user)
    });
    let joining: Vec<&str> = joining.copied().collect();
    // Roles of a group give licences to its members.
    seats::taking(
        cx.org,
        &cx.caller,
        |org| {
            each_member(org, &id, &joining, |members, user| {
                members.insert(user.to_owned(), json!({}));
            })
        },
        |org| {
            each_member(org, &id, &joining, |members, user| {
                members.remove(user);
            })
        },
    )?;
    change(cx, &id, &users, "MemberAdd", |members, user| {
        members.insert(user.to_owned(), json!({}));
    })
}

fn remove(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("groupId").to_owned();
    cx.find_live("group", &id)?;
    let ids = req.query("ids").unwrap_or_default();
    let users: Vec<&str> = ids.split(',').filter(|id| !id.is_empty()).collect();
    change(cx, &id, &users, "MemberRemove", |members, user| {
        members.remove(user);
    })
}

fn each_member(
    org: &mut Org,
    id: &str,
    users: &[&str],
    each: impl Fn(&mut Map<String, Value>, &str),
) {
    let fields = org.store.fields_mut("group", id);
    let members = fields.map(|fields| fields.entry("$members").or_insert_with(|| json!({})));
    if let Some(Value::Object(members)) = members {
        users.iter().for_each(|user| each(members, user));
    }
}

fn change(
    cx: &mut Cx<'_>,
    id: &str,
    users: &[&str],
    action: &str,
    each: impl Fn(&mut Map<String, Value>, &str),
) -> Answer {
    if users.len() > MEMBERS_PER_CALL {
        return Err(Refusal::bad_request(format!(
            "At most {MEMBERS_PER_CALL} members at a time."
        )));
    }
    each_member(cx.org, id, users, each);
    let Some(fields) = cx.org.store.fields_mut("group", id) else {
        return Err(Refusal::not_found("group", id));
    };
    let old = fields.clone();
    crud::bump(kind(), &old, fields);
    cx.touched = Some(id.to_owned());
    audit::note(cx, kind().audit, action, id, "", Vec::new());
    Ok(Reply::with(202, json!({})))
}
