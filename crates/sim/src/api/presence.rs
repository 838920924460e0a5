//! Presence definitions: those that every org has, and its own.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::audit;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Kind, Oversize, Style};
use crate::page::cut;
use crate::refs::Ref;
use crate::routes::{Registry, Req};
use crate::store::{Fields, Object, text};
use crate::world::Org;

const KINDS: &[Kind] = &[Kind {
    name: "presence_definition",
    path: "/api/v2/presence/definitions",
    audit: ("", ""),
    key: &[],
    style: Style::Whole,
    any_filter: true,
    fixed: &["type", "systemPresence"],
    server: &["type", "name"],
    refs: &[Ref::to("divisionId", "division")],
    defaults: r#"{"deactivated": false}"#,
    check: Some(check),
    view: Some(view),
    ..Kind::PLAIN
}];

/// What an org is born with: the system presence and what it is called.
const SYSTEM: &[(&str, &str)] = &[
    ("Available", "Available"),
    ("Away", "Away"),
    ("Break", "Break"),
    ("Busy", "Busy"),
    ("Idle", "Idle"),
    ("Meal", "Meal"),
    ("Meeting", "Meeting"),
    ("Offline", "Offline"),
    ("OnQueue", "On Queue"),
    ("Training", "Training"),
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("GET", "/api/v2/presence/definitions", list);
    let one = "/api/v2/presence/definitions/{definitionId}";
    registry.on("DELETE", one, deactivate);
}

pub(crate) fn furnish(org: &mut Org, now: Timestamp) {
    for (presence, label) in SYSTEM {
        let id = org.new_id();
        let definition = json!({
            "type": "System",
            "systemPresence": presence,
            "languageLabels": {"en": label, "en_US": label},
            "deactivated": false,
        });
        org.place("presence_definition", &id, definition, now);
    }
}

fn check(
    cx: &mut Cx<'_>,
    req: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    if old.is_some_and(|old| text(old, "type") == "System") {
        return Err(Refusal::bad_request(
            "A definition of the system cannot be changed.",
        ));
    }
    if text(fields, "systemPresence").is_empty() {
        return Err(Refusal::invalid(
            "systemPresence",
            "A definition belongs to a system presence.",
        ));
    }
    let labels = fields.get("languageLabels").and_then(Value::as_object);
    if labels.is_none_or(serde_json::Map::is_empty) {
        return Err(Refusal::invalid(
            "languageLabels",
            "A definition needs a label.",
        ));
    }
    let own = old.map(|_| req.id());
    let twin = cx.org.store.all("presence_definition").any(|other| {
        Some(other.id.as_str()) != own
            && other.text("systemPresence") == text(fields, "systemPresence")
            && other.fields.get("languageLabels") == fields.get("languageLabels")
    });
    if twin {
        return Err(Refusal::new(
            409,
            "general.conflict",
            "There is a definition with these labels.",
        ));
    }
    fields.entry("type").or_insert("User".into());
    if !fields.contains_key("divisionId") {
        let home = cx.org.home_division().to_owned();
        fields.insert("divisionId".into(), home.into());
    }
    Ok(())
}

fn view(_: &Org, _: &str, shown: &mut Fields) {
    let label = shown
        .get("languageLabels")
        .and_then(|labels| labels.get("en_US").or_else(|| labels.get("en")))
        .cloned();
    if let Some(label) = label {
        shown.insert("name".into(), label);
    }
}

/// Lists the active ones, or those that were deactivated; the labels in all languages only when
/// that is asked for.
fn list(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let deactivated = req.flag("deactivated");
    let all = req.query("localeCode").as_deref() == Some("ALL");
    let found: Vec<&Object> = cx
        .org
        .store
        .all("presence_definition")
        .filter(|one| one.fields.get("deactivated") == Some(&Value::Bool(deactivated)))
        .collect();
    let shown = |one: &&Object| {
        let mut shown = cx.show("presence_definition", &one.id);
        if !all && let Some(Value::Object(labels)) = shown.get_mut("languageLabels") {
            labels.retain(|locale, _| locale == "en_US");
        }
        shown
    };
    cut(req, Style::Whole, 0, Oversize::Refuse, &found, shown).map(Reply::ok)
}

/// A definition that is deleted stays, and is deactivated.
fn deactivate(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.id().to_owned();
    if cx.find("presence_definition", &id)?.text("type") == "System" {
        return Err(Refusal::bad_request(
            "A definition of the system cannot be deactivated.",
        ));
    }
    if let Some(fields) = cx.org.store.fields_mut("presence_definition", &id) {
        fields.insert("deactivated".into(), true.into());
    }
    cx.touched = Some(id.clone());
    audit::note(cx, KINDS[0].audit, "Delete", &id, "", Vec::new());
    Ok(Reply::empty(204))
}
