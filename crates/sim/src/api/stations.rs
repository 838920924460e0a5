//! Telephones, the stations that come with them, and which station is whose.

use serde_json::{Value, json};

use crate::audit;
use crate::crud::{self, Verb};
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Deletion, Filter, Kind, Version};
use crate::refs::{Ref, id_of};
use crate::routes::{Registry, Req, the_kind};
use crate::store::{Fields, text};
use crate::world::Org;

const PHONES: &str = "/api/v2/telephony/providers/edges/phones";
const MISSING: (u16, &str) = (400, "referenced.key.does.not.exist");

/// The station that a user has whenever they sign in, and the one they are at.
const DEFAULT: &str = "$defaultStation";
const ASSOCIATED: &str = "$associatedStation";

const fn to(path: &'static str, kind: &'static str) -> Ref {
    Ref::to(path, kind).missing(MISSING.0, MISSING.1)
}

const KINDS: &[Kind] = &[
    Kind {
        name: "phone",
        path: PHONES,
        audit: ("Telephony", "Phone"),
        duplicate: (400, "duplicate.value"),
        version: Version::Number,
        state: true,
        any_filter: true,
        refs: &[
            to("site", "site"),
            to("phoneBaseSettings", "phone_base"),
            to("webRtcUser", "user").weak(),
        ],
        defaults: r#"{"properties": {}}"#,
        filters: &[
            ("webRtcUser.id", Filter::Reference("webRtcUser")),
            ("site.id", Filter::Reference("site")),
            (
                "phoneBaseSettings.id",
                Filter::Reference("phoneBaseSettings"),
            ),
        ],
        list_omits: &["webRtcUser", "properties", "lines", "capabilities"],
        deletion: Deletion {
            in_use: None,
            ..Deletion::PLAIN
        },
        check: Some(check_phone),
        ..Kind::PLAIN
    },
    Kind {
        name: "station",
        path: "/api/v2/stations",
        key: &[],
        filters: &[
            ("name", Filter::Exact("name")),
            ("id", Filter::Exact("id")),
            ("webRtcUserId", Filter::Exact("webRtcUserId")),
            ("lineAppearanceId", Filter::Exact("lineAppearanceId")),
            ("userSelectable", Filter::Ignored),
        ],
        view: Some(view_station),
        ..Kind::PLAIN
    },
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("POST", PHONES, add_phone);
    registry.on("DELETE", &format!("{PHONES}/{{phoneId}}"), remove_phone);
    let station = "/api/v2/users/{userId}/station";
    registry.on("GET", station, stations);
    let default = format!("{station}/defaultstation");
    registry.on("PUT", &format!("{default}/{{stationId}}"), set_default);
    registry.on("DELETE", &default, clear_default);
    let associated = format!("{station}/associatedstation");
    registry.on("PUT", &format!("{associated}/{{stationId}}"), associate);
    registry.on("DELETE", &associated, disassociate);
    let user = "/api/v2/stations/{stationId}/associateduser";
    registry.on("DELETE", user, clear_associated);
}

// Telephones

/// A telephone has lines, each of which is an object of its own and keeps its id. Each has line
/// settings of the phone base settings that the telephone has.
fn check_phone(
    cx: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let base = fields.get("phoneBaseSettings").and_then(id_of);
    let base = cx.find("phone_base", base.unwrap_or_default())?;
    let offered = base.fields.get("lines").cloned().unwrap_or_default();
    let is_offered = |id: &str| {
        let mut lines = offered.as_array().into_iter().flatten();
        lines.any(|line| line["id"] == id)
    };
    let of_all = fields.get("lineBaseSettings").and_then(id_of);
    let of_all = of_all.map(str::to_owned);
    let held = old.and_then(|old| old.get("lines")).cloned();
    let lines = fields.get_mut("lines").and_then(Value::as_array_mut);
    let Some(lines) = lines.filter(|lines| !lines.is_empty()) else {
        return Err(Refusal::invalid("lines", "A telephone needs a line."));
    };
    for line in lines {
        let own = id_of(&line["lineBaseSettings"]).or_else(|| id_of(&line["template"]));
        let settings = own.map(str::to_owned).or_else(|| of_all.clone());
        let Some(settings) = settings.filter(|settings| is_offered(settings)) else {
            return Err(Refusal::invalid(
                "lines",
                "A line needs line settings of the phone base settings.",
            ));
        };
        line["lineBaseSettings"] = json!({ "id": settings });
        if let Value::Object(line) = line {
            line.remove("template");
        }
        let known = held.as_ref().and_then(Value::as_array);
        let known = known.is_some_and(|held| held.iter().any(|one| one["id"] == line["id"]));
        if !known {
            line["id"] = cx.org.new_id().into();
        }
        line["state"] = "active".into();
    }
    Ok(())
}

/// A new telephone brings a station for each of its lines. No call makes one.
fn add_phone(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let reply = crud::create(cx, req, the_kind("phone"))?;
    let phone = cx.touched.clone().unwrap_or_default();
    let fields = cx.find("phone", &phone)?.fields.clone();
    let lines = fields.get("lines").and_then(Value::as_array);
    for (number, line) in lines.into_iter().flatten().enumerate() {
        let name = match number {
            0 => text(&fields, "name"),
            _ => line["name"].as_str().unwrap_or_default(),
        };
        let mut station = json!({
            "name": name,
            "status": "AVAILABLE",
            "type": "inin_remote",
            "lineAppearanceId": line["id"],
            "$phone": phone,
        });
        if let Some(user) = fields.get("webRtcUser").and_then(id_of) {
            station["type"] = "inin_webrtc_softphone".into();
            station["webRtcUserId"] = user.into();
        }
        let id = cx.org.new_id();
        cx.insert(the_kind("station"), &id, crud::body_fields(&station));
    }
    cx.touched = Some(phone);
    Ok(reply)
}

/// Stations go with their telephone, and nobody has them any more.
fn remove_phone(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let phone = req.id().to_owned();
    let reply = crud::serve(cx, req, the_kind("phone"), Verb::Delete)?;
    let stations = cx.org.store.all("station");
    let gone: Vec<String> = stations
        .filter(|station| station.text("$phone") == phone)
        .map(|station| station.id.clone())
        .collect();
    for station in &gone {
        for place in [DEFAULT, ASSOCIATED] {
            if let Some(user) = holder(cx.org, place, station)
                && let Some(fields) = cx.org.store.fields_mut("user", &user)
            {
                fields.remove(place);
            }
        }
        cx.remove(the_kind("station"), station);
    }
    cx.touched = Some(phone);
    Ok(reply)
}

// Stations

/// Finds the user to whom a station belongs.
fn holder(org: &Org, place: &str, station: &str) -> Option<String> {
    let mut users = org.store.all("user");
    let user = users.find(|user| user.text(place) == station)?;
    Some(user.id.clone())
}

fn view_station(org: &Org, id: &str, shown: &mut Fields) {
    if let Some(user) = holder(org, ASSOCIATED, id) {
        shown.insert("userId".into(), user.into());
        shown.insert("status".into(), "ASSOCIATED".into());
    }
}

/// A user who is gone has no station.
pub(crate) fn leave(user: &mut Fields) {
    user.remove(DEFAULT);
    user.remove(ASSOCIATED);
}

/// Shows which stations a user has.
pub(crate) fn stations_of(org: &Org, user: &Fields) -> Value {
    let shown = |place: &str| {
        let station = org.store.get("station", text(user, place))?;
        Some(json!({
            "id": station.id,
            "name": station.text("name"),
            "type": station.text("type"),
        }))
    };
    let (default, associated) = (shown(DEFAULT), shown(ASSOCIATED));
    let mut stations = serde_json::Map::new();
    let effective = associated.clone().or_else(|| default.clone());
    for (name, station) in [
        ("associatedStation", associated),
        ("defaultStation", default),
        ("effectiveStation", effective),
    ] {
        if let Some(station) = station {
            stations.insert(name.into(), station);
        }
    }
    stations.into()
}

fn stations(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let user = cx.find_live("user", req.param("userId"))?;
    Ok(Reply::ok(stations_of(cx.org, &user.fields)))
}

fn set(cx: &mut Cx<'_>, user: &str, place: &str, station: Option<&str>) -> Answer {
    if let Some(fields) = cx.org.store.fields_mut("user", user) {
        match station {
            Some(station) => fields.insert(place.into(), station.into()),
            None => fields.remove(place),
        };
    }
    cx.touched = Some(user.to_owned());
    audit::note(cx, ("Directory", "User"), "Update", user, "", Vec::new());
    Ok(Reply::empty(202))
}

fn put(cx: &mut Cx<'_>, req: &Req, place: &str) -> Answer {
    let (user, station) = (req.param("userId"), req.param("stationId"));
    cx.find_live("user", user)?;
    let owner = cx.find("station", station)?.text("webRtcUserId");
    // A telephone in somebody's browser rings nowhere else.
    if !owner.is_empty() && owner != user {
        return Err(Refusal::bad_request(
            "The station is of another user's WebRTC phone.",
        ));
    }
    if holder(cx.org, place, station).is_some_and(|other| other != user) {
        return Err(Refusal::new(
            409,
            "general.conflict",
            format!("The station {station} is another user's."),
        ));
    }
    let (user, station) = (user.to_owned(), station.to_owned());
    set(cx, &user, place, Some(&station))
}

fn clear(cx: &mut Cx<'_>, req: &Req, place: &str) -> Answer {
    let user = cx.find_live("user", req.param("userId"))?.id.clone();
    set(cx, &user, place, None)
}

fn set_default(cx: &mut Cx<'_>, req: &Req) -> Answer {
    put(cx, req, DEFAULT)
}

fn clear_default(cx: &mut Cx<'_>, req: &Req) -> Answer {
    clear(cx, req, DEFAULT)
}

fn associate(cx: &mut Cx<'_>, req: &Req) -> Answer {
    put(cx, req, ASSOCIATED)
}

fn disassociate(cx: &mut Cx<'_>, req: &Req) -> Answer {
    clear(cx, req, ASSOCIATED)
}

fn clear_associated(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let station = cx.find("station", req.param("stationId"))?.id.clone();
    match holder(cx.org, ASSOCIATED, &station) {
        Some(user) => set(cx, &user, ASSOCIATED, None),
        None => Ok(Reply::empty(202)),
    }
}
