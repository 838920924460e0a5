//! Users: profile, state, skills, languages, and what other services know of them.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use crate::api::authorization::forget_grants;
use crate::api::limits;
use crate::api::stations;
use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Deletion, Division, Filter, Kind, Oversize, Style, Version};
use crate::page::{self, cut, hundreds};
use crate::refs::Ref;
use crate::routes::{Registry, Req, the_kind};
use crate::search;
use crate::seats;
use crate::store::{Fields, Object, text};
use crate::world::Org;

const KINDS: &[Kind] = &[Kind {
    name: "user",
    path: "/api/v2/users",
    audit: ("Directory", "User"),
    key: &["email"],
    duplicate: (409, "general.conflict"),
    version: Version::Directory,
    division: Division::Object,
    refs: &[
        Ref::to("manager", "user").weak(),
        Ref::to("locations[].locationDefinition", "location"),
    ],
    deletion: Deletion {
        soft: true,
        frees_key: false,
        status: 200,
        in_use: None,
        force: None,
    },
    defaults: r#"{"state": "inactive", "acdAutoAnswer": false}"#,
    max_page: 500,
    lists_deleted: true,
    filters: &[
        ("state", Filter::Ignored),
        ("jabberId", Filter::Exact("jabberId")),
    ],
    prepare: Some(prepare),
    check: Some(check),
    view: Some(view),
    deleted: Some(leave_everything),
    ..Kind::PLAIN
}];

/// What is shown of a user only when it is asked for.
const EXPANDS: [&str; 11] = [
    "skills",
    "languages",
    "groups",
    "locations",
    "profileSkills",
    "certifications",
    "employerInfo",
    "biography",
    "authorization",
    "station",
    "team",
];

/// Users that lists of the inactive can reach.
const REACH_OF_INACTIVE: usize = 10_000;

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    let user = "/api/v2/users/{userId}";
    registry.on("GET", "/api/v2/users", list);
    registry.on("POST", "/api/v2/users/search", find);
    registry.on("GET", user, read);
    registry.on("PATCH", user, patch);
    for (skills, id) in [
        ("routingskills", "skillId"),
        ("routinglanguages", "languageId"),
    ] {
        registry.on("GET", &format!("{user}/{skills}"), list_skills);
        registry.on("POST", &format!("{user}/{skills}"), add_skill);
        registry.on("PATCH", &format!("{user}/{skills}/bulk"), add_skills);
        registry.on("DELETE", &format!("{user}/{skills}/{{{id}}}"), remove_skill);
    }
    registry.on("PUT", &format!("{user}/routingskills/bulk"), replace_skills);
    registry.on(
        "PUT",
        &format!("{user}/routingskills/{{skillId}}"),
        set_skill,
    );
    registry.on(
        "PATCH",
        &format!("{user}/routinglanguages/{{languageId}}"),
        set_skill,
    );
    registry.on("GET", &format!("{user}/profileskills"), profile_skills);
    registry.on("PUT", &format!("{user}/profileskills"), set_profile_skills);
    registry.on("GET", &format!("{user}/queues"), queues);
}

fn kind() -> &'static Kind {
    the_kind("user")
}

// Profile

fn prepare(fields: &mut Fields) {
    crud::reference_from(fields, "divisionId", "division");
    crud::reference_from(fields, "manager", "manager");
    if fields.remove("password").is_some() {
        fields.insert("$password".into(), true.into());
    }
    if let Some(Value::Array(locations)) = fields.get_mut("locations") {
        for location in locations {
            if let Some(id) = location
                .get("id")
                .and_then(Value::as_str)
                .map(str::to_owned)
                && location.get("locationDefinition").is_none()
            {
                location["locationDefinition"] = json!({ "id": id });
            }
        }
    }
}

fn check(
    cx: &mut Cx<'_>,
    req: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let email = text(fields, "email").to_owned();
    if !email.contains('@') {
        return Err(Refusal::invalid(
            "email",
            format!("[{email}] is not an e-mail address"),
        ));
    }
    if let Some(old) = old
        && !text(old, "email").eq_ignore_ascii_case(&email)
    {
        return Err(Refusal::invalid(
            "email",
            "The primary e-mail address cannot be changed.",
        ));
    }
    if text(fields, "state") == "deleted" && old.is_none() {
        return Err(Refusal::invalid(
            "state",
            "A user cannot be created deleted.",
        ));
    }
    if old.is_none() && text(fields, "state") == "active" {
        seats::check_one_more(cx.org, &cx.caller)?;
    }
    let own = fields.get("manager").and_then(crate::refs::id_of);
    if old.is_some() && own == Some(req.param("userId")) {
        return Err(Refusal::invalid(
            "manager",
            "A user cannot be their own manager.",
        ));
    }
    fields
        .entry("username")
        .or_insert_with(|| email.clone().into());
    if let Some(Value::Array(contacts)) = fields.remove("addresses") {
        let own = old.map(|_| req.param("userId"));
        fields.insert(
            "addresses".into(),
            settle_contacts(cx.org, own, &email, contacts)?.into(),
        );
    }
    Ok(())
}

/// Brings contacts into the form in which the directory keeps them.
fn settle_contacts(
    org: &Org,
    own: Option<&str>,
    email: &str,
    contacts: Vec<Value>,
) -> Result<Vec<Value>, Refusal> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for mut contact in contacts {
        let media = contact["mediaType"].as_str().unwrap_or("").to_owned();
        let sort = contact["type"].as_str().unwrap_or("").to_owned();
        let address = contact["address"].as_str().unwrap_or("").to_owned();
        if media == "EMAIL" && sort == "PRIMARY" {
            // It is the user's own address, which is kept elsewhere.
            if address.eq_ignore_ascii_case(email) {
                continue;
            }
            return Err(Refusal::invalid(
                "addresses",
                "The primary e-mail address cannot be changed.",
            ));
        }
        if !seen.insert((media.clone(), sort.clone())) {
            return Err(Refusal::invalid(
                "addresses",
                format!("There are two addresses {media} {sort}."),
            ));
        }
        if media == "PHONE" && !address.is_empty() {
            let number = e164(&address).ok_or_else(|| {
                Refusal::invalid("addresses", format!("[{address}] is not a phone number"))
            })?;
            if let Some((_, owner)) = super::telephony::owner_of(org, &number)
                && Some(owner.as_str()) != own
            {
                return Err(Refusal::invalid(
                    "addresses",
                    format!("The number {number} is assigned already."),
                ));
            }
            contact["address"] = number.into();
        }
        kept.push(contact);
    }
    Ok(kept)
}

/// Spells a number as E.164; numbers without a country are taken as North American.
fn e164(number: &str) -> Option<String> {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let clean = number
        .chars()
        .all(|c| c.is_ascii_digit() || "+-(). ".contains(c));
    match (clean, number.starts_with('+'), digits.len()) {
        (true, true, 7..=15) => Some(format!("+{digits}")),
        (true, false, 10) => Some(format!("+1{digits}")),
        _ => None,
    }
}

fn view(_: &Org, _: &str, shown: &mut Fields) {
    let primary = json!({"address": shown.get("email"), "mediaType": "EMAIL", "type": "PRIMARY"});
    let mut addresses = vec![primary.clone()];
    if let Some(Value::Array(contacts)) = shown.remove("addresses") {
        addresses.extend(contacts.into_iter().map(|mut contact| {
            let display = contact.get("address").or(contact.get("extension")).cloned();
            if let (Some(display), Value::Object(contact)) = (display, &mut contact) {
                contact.insert("display".into(), display);
            }
            contact
        }));
    }
    shown.insert("primaryContactInfo".into(), json!([primary]));
    shown.insert("addresses".into(), addresses.into());
}

/// The groups that users are in: gathered once for a page, as a look into every group for each
/// user would cost more than all the rest.
fn memberships<'c>(cx: &'c Cx<'_>, expands: &dyn Fn(&str) -> bool) -> Memberships<'c> {
    let mut of_users = Memberships::default();
    let groups = cx.org.store.all("group");
    for group in groups.filter(|group| expands("groups") && group.text("state") != "deleted") {
        let members = group.fields.get("$members").and_then(Value::as_object);
        for user in members.into_iter().flat_map(Map::keys) {
            of_users.groups.entry(user).or_default().push(&group.id);
        }
    }
    for team in cx.org.store.all("team").filter(|_| expands("team")) {
        let members = team.fields.get("$members").and_then(Value::as_array);
        for user in members.into_iter().flatten().filter_map(Value::as_str) {
            of_users.team.insert(user, &team.id);
        }
    }
    of_users
}

/// What users belong to, by the user's id.
#[derive(Default)]
struct Memberships<'c> {
    groups: HashMap<&'c str, Vec<&'c str>>,
    team: HashMap<&'c str, &'c str>,
}

/// Shows a user with what the request expands.
fn show(
    cx: &Cx<'_>,
    id: &str,
    fields: &Fields,
    expands: &dyn Fn(&str) -> bool,
    of_users: &Memberships<'_>,
) -> Value {
    let mut shown = cx.org.view(kind(), id, fields);
    for name in EXPANDS.iter().filter(|name| !expands(name)) {
        shown.remove(*name);
    }
    if expands("skills") {
        shown.insert(
            "skills".into(),
            skills_of(cx, fields, "routingskills").into(),
        );
    }
    if expands("languages") {
        shown.insert(
            "languages".into(),
            skills_of(cx, fields, "routinglanguages").into(),
        );
    }
    for name in ["profileSkills", "certifications", "locations"] {
        if expands(name) {
            shown.entry(name).or_insert_with(|| json!([]));
        }
    }
    if expands("groups") {
        let groups = of_users.groups.get(id).into_iter().flatten();
        let groups = groups.map(|group| cx.org.reference("group", group));
        shown.insert("groups".into(), groups.collect());
    }
    if let Some(team) = of_users.team.get(id) {
        shown.insert("team".into(), cx.org.reference("team", team));
    }
    if expands("station") {
        shown.insert("station".into(), stations::stations_of(cx.org, fields));
    }
    if expands("authorization") {
        let roles: BTreeSet<&str> = cx
            .org
            .grants
            .keys()
            .filter(|grant| grant.subject == id)
            .map(|grant| grant.role.as_str())
            .collect();
        let roles: Vec<Value> = roles
            .iter()
            .map(|role| cx.org.reference("role", role))
            .collect();
        shown.insert("authorization".into(), json!({ "roles": roles }));
    }
    shown.into()
}

fn list(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let state = req.query("state").unwrap_or_default();
    let kind = kind();
    let mut found = page::select(cx, req, kind)?;
    found.retain(|(_, fields)| state == "any" || state == text(fields, "state"));
    let last = page::page_size(req, kind.max_page, kind.oversize)?
        * req
            .query("pageNumber")
            .and_then(|n| n.parse::<usize>().ok())
            .unwrap_or(1);
    if state == "inactive" && last > REACH_OF_INACTIVE {
        return Err(Refusal::bad_request(
            "Only the first 10000 inactive users can be listed.",
        ));
    }
    let expands = |name: &str| req.expands(name);
    let of_users = memberships(cx, &expands);
    let shown =
        |(object, fields): &(&Object, &Fields)| show(cx, &object.id, fields, &expands, &of_users);
    cut(
        req,
        Style::Offset,
        kind.max_page,
        Oversize::Refuse,
        &found,
        shown,
    )
    .map(Reply::ok)
}

fn find(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let wanted = req.body["expand"].as_array().cloned().unwrap_or_default();
    let expands = |name: &str| wanted.iter().any(|word| word == name);
    let of_users = memberships(cx, &expands);
    search::search(cx, req, kind(), |object, fields| {
        show(cx, &object.id, fields, &expands, &of_users)
    })
}

fn read(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let user = cx.find("user", req.id())?;
    cx.check_division(&user.fields)?;
    let is_deleted = user.text("state") == "deleted";
    if is_deleted && req.query("state").as_deref() != Some("deleted") {
        return Err(Refusal::not_found("user", req.id()));
    }
    let expands = |name: &str| req.expands(name);
    let of_users = memberships(cx, &expands);
    let shown = show(cx, &user.id, &user.fields, &expands, &of_users);
    Ok(Reply::ok(shown))
}

fn patch(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.id().to_owned();
    let user = cx.find("user", &id)?.fields.clone();
    let Some(state) = req.body["state"].as_str() else {
        return crud::serve(cx, req, kind(), crud::Verb::Merge);
    };
    // With a state in the body everything else in it is ignored.
    cx.check_division(&user)?;
    crud::check_version(kind(), &user, &crud::body_fields(&req.body))?;
    let mut fields = user.clone();
    fields.insert("state".into(), state.into());
    crud::bump(kind(), &user, &mut fields);
    let taken = state.to_owned();
    let (own, held) = (id.as_str(), text(&user, "state").to_owned());
    seats::taking(
        cx.org,
        &cx.caller,
        |org| set_state(org, own, &taken),
        |org| set_state(org, own, &held),
    )?;
    cx.replace(kind(), &id, fields);
    if state == "deleted" {
        leave_everything(cx.org, &id);
    }
    Ok(Reply::ok(cx.show("user", &id)))
}

fn set_state(org: &mut Org, id: &str, state: &str) {
    if let Some(fields) = org.store.fields_mut("user", id) {
        fields.insert("state".into(), state.into());
    }
}

/// Takes a deleted user out of queues, groups and roles.
fn leave_everything(org: &mut Org, id: &str) {
    forget_grants(org, id);
    if let Some(fields) = org.store.fields_mut("user", id) {
        stations::leave(fields);
    }
    for kind in ["queue", "group"] {
        let holders: Vec<String> = org
            .store
            .all(kind)
            .map(|holder| holder.id.clone())
            .collect();
        for holder in holders {
            if let Some(Value::Object(members)) = org
                .store
                .fields_mut(kind, &holder)
                .and_then(|fields| fields.get_mut("$members"))
            {
                members.remove(id);
            }
        }
    }
}

// Skills and languages: the same thing under two names

fn slot(sort: &str) -> (&'static str, &'static str, &'static str) {
    match sort {
        "routinglanguages" => ("$languages", "language", "languageUri"),
        _ => ("$skills", "skill", "skillUri"),
    }
}

fn sort_of(req: &Req) -> &str {
    req.path.split('/').nth(5).unwrap_or("routingskills")
}

fn skills_of(cx: &Cx<'_>, fields: &Fields, sort: &str) -> Vec<Value> {
    let (field, kind, uri) = slot(sort);
    let held = fields.get(field).and_then(Value::as_object);
    held.into_iter()
        .flatten()
        .map(|(id, proficiency)| show_skill(cx, kind, uri, id, proficiency))
        .collect()
}

fn show_skill(cx: &Cx<'_>, kind: &str, uri: &str, id: &str, proficiency: &Value) -> Value {
    let mut shown = cx.org.reference(kind, id);
    let own = shown["selfUri"].take();
    shown[uri] = own;
    if let Value::Object(shown) = &mut shown {
        shown.remove("selfUri");
    }
    shown["proficiency"] = proficiency.clone();
    shown["state"] = "active".into();
    shown
}

fn held(cx: &Cx<'_>, req: &Req) -> Result<Map<String, Value>, Refusal> {
    let user = cx.find_live("user", req.param("userId"))?;
    let (field, ..) = slot(sort_of(req));
    let held = user.fields.get(field).and_then(Value::as_object);
    Ok(held.cloned().unwrap_or_default())
}

fn keep(cx: &mut Cx<'_>, req: &Req, skills: Map<String, Value>) -> Result<(), Refusal> {
    let (field, kind, _) = slot(sort_of(req));
    if kind == "skill" {
        limits::check(
            cx,
            limits::USER_SKILL,
            skills.len(),
            "max.entity.count.reached",
        )?;
    }
    let id = req.param("userId").to_owned();
    if let Some(fields) = cx.org.store.fields_mut("user", &id) {
        fields.insert(field.into(), skills.into());
    }
    cx.touched = Some(id.clone());
    crate::audit::note(
        cx,
        ("ContactCenter", "AgentRoutingInfo"),
        "Update",
        &id,
        "",
        Vec::new(),
    );
    Ok(())
}

fn insert_skill(
    cx: &Cx<'_>,
    sort: &str,
    skills: &mut Map<String, Value>,
    given: &Value,
) -> Result<(), Refusal> {
    let (_, kind, _) = slot(sort);
    let id = given["id"].as_str().unwrap_or("");
    let lives = cx
        .org
        .store
        .get(kind, id)
        .is_some_and(|skill| skill.text("state") != "deleted");
    if !lives {
        return Err(Refusal::bad_request(format!(
            "There is no {kind} with id {id}."
        )));
    }
    let proficiency = given["proficiency"].as_f64().unwrap_or(-1.0);
    if !(0.0..=5.0).contains(&proficiency) {
        return Err(Refusal::invalid(
            "proficiency",
            "The proficiency must be from 0 to 5.",
        ));
    }
    skills.insert(id.to_owned(), json!(proficiency));
    Ok(())
}

fn page_of_skills(cx: &Cx<'_>, req: &Req) -> Answer {
    let user = cx.find_live("user", req.param("userId"))?;
    let skills = skills_of(cx, &user.fields, sort_of(req));
    hundreds(req, &skills, Value::clone)
}

fn list_skills(cx: &mut Cx<'_>, req: &Req) -> Answer {
    page_of_skills(cx, req)
}

fn one_skill(cx: &Cx<'_>, req: &Req, skills: &Map<String, Value>, id: &str) -> Value {
    let (_, kind, uri) = slot(sort_of(req));
    show_skill(cx, kind, uri, id, &skills[id])
}

fn add_skill(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let mut skills = held(cx, req)?;
    insert_skill(cx, sort_of(req), &mut skills, &req.body)?;
    keep(cx, req, skills.clone())?;
    Ok(Reply::ok(one_skill(
        cx,
        req,
        &skills,
        req.body["id"].as_str().unwrap_or(""),
    )))
}

fn set_skill(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let mut skills = held(cx, req)?;
    if !skills.contains_key(req.id()) {
        return Err(Refusal::not_found("skill of the user", req.id()));
    }
    let given = json!({"id": req.id(), "proficiency": req.body["proficiency"]});
    insert_skill(cx, sort_of(req), &mut skills, &given)?;
    keep(cx, req, skills.clone())?;
    Ok(Reply::ok(one_skill(cx, req, &skills, req.id())))
}

fn remove_skill(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let mut skills = held(cx, req)?;
    if skills.remove(req.id()).is_none() {
        return Err(Refusal::not_found("skill of the user", req.id()));
    }
    keep(cx, req, skills)?;
    Ok(Reply::empty(204))
}

fn bulk(cx: &mut Cx<'_>, req: &Req, mut skills: Map<String, Value>) -> Answer {
    let given = req.body.as_array().map(Vec::as_slice).unwrap_or_default();
    if given.len() > 50 {
        return Err(Refusal::bad_request("At most 50 at a time."));
    }
    for one in given {
        insert_skill(cx, sort_of(req), &mut skills, one)?;
    }
    keep(cx, req, skills)?;
    page_of_skills(cx, req)
}

fn add_skills(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let skills = held(cx, req)?;
    bulk(cx, req, skills)
}

fn replace_skills(cx: &mut Cx<'_>, req: &Req) -> Answer {
    held(cx, req)?;
    bulk(cx, req, Map::new())
}

fn profile_skills(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let user = cx.find_live("user", req.param("userId"))?;
    let skills = user.fields.get("profileSkills").cloned();
    Ok(Reply::ok(skills.unwrap_or_else(|| json!([]))))
}

fn set_profile_skills(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("userId").to_owned();
    let mut fields = cx.find_live("user", &id)?.fields.clone();
    fields.insert("profileSkills".into(), req.body.clone());
    let old = fields.clone();
    crud::bump(kind(), &old, &mut fields);
    cx.replace(kind(), &id, fields);
    Ok(Reply::ok(req.body.clone()))
}

fn queues(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("userId");
    cx.find_live("user", id)?;
    let joined = req.flag("joined");
    let divisions: Vec<&str> = req.queries("divisionId").collect();
    let mut found = Vec::new();
    for queue in cx.org.store.all("queue") {
        let in_division = divisions.is_empty()
            || queue
                .fields
                .get("division")
                .and_then(crate::refs::id_of)
                .is_some_and(|division| divisions.contains(&division));
        let member = super::queues::members(cx.org, queue)
            .into_iter()
            .find(|member| member.user == id && member.joined == joined);
        if let (true, Some(member)) = (in_division, member) {
            let mut shown = cx.show("queue", &queue.id);
            shown["joined"] = member.joined.into();
            found.push(shown);
        }
    }
    hundreds(req, &found, Value::clone)
}

#[cfg(test)]
mod tests {
    use super::e164;

    #[test]
    fn phone_numbers_are_kept_as_e164() {
        assert_eq!(e164("+49 (30) 901-820").as_deref(), Some("+4930901820"));
        assert_eq!(e164("317 555 0100").as_deref(), Some("+13175550100"));
        assert_eq!(e164("call me"), None);
        assert_eq!(e164("12"), None);
    }
}
