//! Sites with their number plans and outbound routes, trunks, Edge groups, and settings of phones.

use serde_json::{Value, json};

use crate::audit;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Deletion, Kind, Version};
use crate::page::hundreds;
use crate::refs::{Ref, id_of};
use crate::routes::{Registry, Req};
use crate::store::{Fields, text};
use crate::world::Org;

const EDGES: &str = "/api/v2/telephony/providers/edges";

const TELEPHONY: Kind = Kind {
    duplicate: (400, "duplicate.value"),
    version: Version::Number,
    state: true,
    any_filter: true,
    deletion: Deletion {
        in_use: Some((409, "general.conflict")),
        ..Deletion::PLAIN
    },
    ..Kind::PLAIN
};

const MISSING: (u16, &str) = (400, "referenced.key.does.not.exist");

const fn to(path: &'static str, kind: &'static str) -> Ref {
    Ref::to(path, kind).missing(MISSING.0, MISSING.1)
}

const KINDS: &[Kind] = &[
    Kind {
        name: "site",
        path: "/api/v2/telephony/providers/edges/sites",
        audit: ("Telephony", "Site"),
        refs: &[
            to("location", "location"),
            to("primarySites[]", "site").weak(),
            to("secondarySites[]", "site").weak(),
        ],
        defaults: r#"{"managed": false, "mediaRegionsUseLatencyBased": false,
            "cloudProxyForceTurn": false, "coreSite": false, "mediaModel": "Cloud"}"#,
        fixed: &["mediaModel", "managed"],
        check: Some(check_site),
        may_delete: Some(is_own),
        ..TELEPHONY
    },
    Kind {
        name: "outbound_route",
        path: "/api/v2/telephony/providers/edges/sites/{siteId}/outboundroutes",
        parent: Some("site"),
        audit: ("Telephony", "OutboundRoute"),
        refs: &[to("externalTrunkBases[]", "trunk_base")],
        defaults: r#"{"enabled": false, "distribution": "SEQUENTIAL"}"#,
        check: Some(check_route),
        ..TELEPHONY
    },
    Kind {
        name: "trunk_base",
        path: "/api/v2/telephony/providers/edges/trunkbasesettings",
        audit: ("Telephony", "TrunkBase"),
        refs: &[to("site", "site"), to("inboundSite", "site")],
        defaults: r#"{"managed": false, "properties": {}}"#,
        fixed: &["trunkMetabase", "trunkType", "managed"],
        deletion: Deletion {
            in_use: Some((400, "delete.referenced.entity")),
            ..Deletion::PLAIN
        },
        may_delete: Some(is_own),
        view: Some(view_trunk_base),
        ..TELEPHONY
    },
    Kind {
        name: "trunk",
        path: "/api/v2/telephony/providers/edges/trunks",
        audit: ("Telephony", "Trunk"),
        key: &[],
        ..TELEPHONY
    },
    Kind {
        name: "edge_group",
        path: "/api/v2/telephony/providers/edges/edgegroups",
        audit: ("Telephony", "EdgeGroup"),
        refs: &[
            to("phoneTrunkBases[]", "trunk_base"),
            to("edgeTrunkBaseAssignment.trunkBase", "trunk_base"),
        ],
        defaults: r#"{"managed": false, "hybrid": false}"#,
        fixed: &["managed"],
        optional: &["edgeTrunkBaseAssignment"],
        list_omits: &["phoneTrunkBases", "edgeTrunkBaseAssignment"],
        check: Some(check_edge_group),
        may_delete: Some(is_own),
        ..TELEPHONY
    },
    Kind {
        name: "phone_base",
        path: "/api/v2/telephony/providers/edges/phonebasesettings",
        audit: ("Telephony", "PhoneBase"),
        defaults: r#"{"properties": {}}"#,
        fixed: &["phoneMetaBase"],
        check: Some(check_phone_base),
        view: Some(view_phone_base),
        ..TELEPHONY
    },
];

/// Number plans of a new site: what they are called, and what they classify.
const PLANS: &[(&str, &str)] = &[
    ("Emergency", "Emergency"),
    ("Extension", "Extension"),
    ("International", "International"),
    ("National", "National"),
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    let plans = format!("{EDGES}/sites/{{siteId}}/numberplans");
    registry.on("GET", &plans, number_plans);
    registry.on("PUT", &plans, set_number_plans);
    let lines = format!("{EDGES}/linebasesettings");
    registry.on("GET", &lines, line_bases);
    registry.on("GET", &format!("{lines}/{{lineBaseId}}"), line_base);
}

/// What Genesys keeps by itself cannot be deleted.
fn is_own(_: &Cx<'_>, _: &Req, fields: &Fields) -> Result<(), Refusal> {
    check_own(Some(fields))
}

fn check_own(old: Option<&Fields>) -> Result<(), Refusal> {
    let managed = old.and_then(|old| old.get("managed"));
    match managed == Some(&Value::Bool(true)) {
        true => Err(Refusal::bad_request("Genesys manages this object.")),
        false => Ok(()),
    }
}

// Sites

fn check_site(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    check_own(old)?;
    if fields.get("location").and_then(id_of).is_none() {
        return Err(Refusal::invalid("location", "A site is at a location."));
    }
    // What a reference says besides the id is not kept.
    if let Some(Value::Object(location)) = fields.get_mut("location") {
        location.retain(|name, _| name == "id");
    }
    if old.is_none() {
        let plan = |(name, sort): &(&str, &str)| {
            json!({"id": cx.org.new_id(), "name": name, "classification": sort, "version": 1,
                "matchType": "regex", "match": ".*", "priority": 1, "state": "active"})
        };
        let plans: Vec<Value> = PLANS.iter().map(plan).collect();
        fields.insert("$plans".into(), plans.into());
    }
    Ok(())
}

fn number_plans(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let site = cx.find_live("site", req.param("siteId"))?;
    let plans = site.fields.get("$plans").cloned();
    Ok(Reply::ok(plans.unwrap_or_else(|| json!([]))))
}

/// Replaces the plans: one with an id must name its version, and one without that is called like
/// an old one takes its place.
fn set_number_plans(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("siteId").to_owned();
    let site = cx.find_live("site", &id)?;
    check_own(Some(&site.fields))?;
    let old = site.fields.get("$plans").cloned().unwrap_or_default();
    let old = old.as_array().cloned().unwrap_or_default();
    let mut plans: Vec<Value> = Vec::new();
    for given in req.body.as_array().into_iter().flatten() {
        let name = given["name"].as_str().unwrap_or_default();
        if plans.iter().any(|plan| plan["name"] == name) {
            return Err(Refusal::new(
                400,
                "duplicate.number.plan.name",
                format!("There are two plans named {name}."),
            ));
        }
        let twin = match given["id"].as_str() {
            Some(id) => old.iter().find(|plan| plan["id"] == id),
            None => old.iter().find(|plan| plan["name"] == name),
        };
        if given["id"].is_string() && twin.is_none_or(|twin| twin["version"] != given["version"]) {
            return Err(Refusal::new(
                409,
                "general.conflict",
                format!("The plan {name} is not the current one."),
            ));
        }
        let mut plan = given.clone();
        let version = twin.and_then(|twin| twin["version"].as_i64()).unwrap_or(0);
        plan["version"] = (version + 1).into();
        plan["state"] = "active".into();
        plan["id"] = match twin {
            Some(twin) => twin["id"].clone(),
            None => cx.org.new_id().into(),
        };
        plans.push(plan);
    }
    if let Some(fields) = cx.org.store.fields_mut("site", &id) {
        fields.insert("$plans".into(), plans.clone().into());
    }
    cx.touched = Some(id.clone());
    for plan in &plans {
        let text = |field: &str| plan[field].as_str().unwrap_or_default();
        let entity = ("Telephony", "NumberPlan");
        audit::note(cx, entity, "Update", text("id"), text("name"), Vec::new());
    }
    Ok(Reply::ok(plans.into()))
}

fn check_route(
    cx: &mut Cx<'_>,
    req: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    check_own(Some(&cx.find_live("site", req.param("siteId"))?.fields))?;
    let types = fields.get("classificationTypes").and_then(Value::as_array);
    match types.is_none_or(Vec::is_empty) {
        true => Err(Refusal::invalid(
            "classificationTypes",
            "A route needs a classification.",
        )),
        false => Ok(()),
    }
}

// Trunks and Edge groups

/// The password of a trunk is taken and never shown.
fn view_trunk_base(_: &Org, _: &str, shown: &mut Fields) {
    let password = shown
        .get_mut("properties")
        .and_then(|properties| properties.get_mut("trunk_sip_authentication_credentials_password"))
        .and_then(|password| password.pointer_mut("/value"));
    if let Some(Value::Object(value)) = password {
        value.remove("instance");
    }
}

fn check_edge_group(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    check_own(old)?;
    let bases = fields
        .get_mut("phoneTrunkBases")
        .and_then(Value::as_array_mut);
    for base in bases.into_iter().flatten() {
        let id = id_of(base).unwrap_or_default().to_owned();
        let sort = cx
            .find("trunk_base", &id)
            .map(|base| base.text("trunkType"));
        if sort.is_ok_and(|sort| sort != "PHONE") {
            return Err(Refusal::invalid(
                "phoneTrunkBases",
                "Only trunks of the type PHONE go here.",
            ));
        }
        *base = json!({ "id": id });
    }
    Ok(())
}

// Phones

/// The lines of phone base settings are objects of their own, and keep their ids.
fn check_phone_base(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    if fields.get("phoneMetaBase").and_then(id_of).is_none() {
        return Err(Refusal::invalid(
            "phoneMetaBase",
            "Settings are for a model of phone.",
        ));
    }
    let known = old.and_then(|old| old.get("lines")).cloned();
    let known = known.unwrap_or_default().as_array().cloned();
    let lines = fields.get_mut("lines").and_then(Value::as_array_mut);
    let Some(lines) = lines.filter(|lines| !lines.is_empty()) else {
        return Err(Refusal::invalid("lines", "Settings need a line."));
    };
    for line in lines {
        match &known {
            None => {
                line["id"] = cx.org.new_id().into();
                line["version"] = 1.into();
                line["state"] = "active".into();
            }
            Some(known) => {
                let held = known.iter().find(|held| held["id"] == line["id"]);
                if held.is_none_or(|held| held["version"] != line["version"]) {
                    return Err(Refusal::invalid(
                        "lines",
                        "A line must name its id and its version.",
                    ));
                }
                line["state"] = "active".into();
            }
        }
    }
    Ok(())
}

fn view_phone_base(_: &Org, _: &str, shown: &mut Fields) {
    for place in ["/phoneMetaBase", "/lines/0/lineMetaBase"] {
        let (root, rest) = place[1..].split_once('/').unwrap_or((&place[1..], ""));
        let held = shown.get_mut(root).and_then(|value| match rest.is_empty() {
            true => Some(value),
            false => value.pointer_mut(&format!("/{rest}")),
        });
        if let Some(Value::Object(held)) = held {
            let name = text(held, "id").trim_end_matches(".json").to_owned();
            held.insert("name".into(), name.into());
        }
    }
}

fn all_lines(org: &Org) -> Vec<Value> {
    let bases = org.store.all("phone_base");
    let lines = bases.filter_map(|base| base.fields.get("lines")?.as_array());
    let mut lines: Vec<Value> = lines.flatten().cloned().collect();
    for line in &mut lines {
        let id = line["id"].as_str().unwrap_or_default();
        line["selfUri"] = format!("{EDGES}/linebasesettings/{id}").into();
    }
    lines
}

fn line_bases(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let lines = all_lines(cx.org);
    hundreds(req, &lines, Value::clone)
}

fn line_base(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let found = all_lines(cx.org)
        .into_iter()
        .find(|line| line["id"] == req.id());
    found
        .map(Reply::ok)
        .ok_or_else(|| Refusal::not_found("line_base", req.id()))
}
