//! Audits: who changed what, written with every write.
//!
//! Services and entities are spelled as the SDK lists them for the audit topic. What that list does
//! not have, such as divisions, is not audited here: nobody can rely on it.

use serde_json::{Map, Value, json};

use crate::clock::spell;
use crate::cx::{Caller, Cx};
use crate::kind::Kind;
use crate::store::{Fields, text};

/// Records a write to an object of a kind.
pub(crate) fn record(
    cx: &mut Cx<'_>,
    kind: &Kind,
    action: &str,
    id: &str,
    old: Option<&Fields>,
    new: Option<&Fields>,
) {
    let empty = Fields::new();
    let (before, after) = (old.unwrap_or(&empty), new.unwrap_or(&empty));
    let name = text(new.or(old).unwrap_or(&empty), "name").to_owned();
    let changes = match action {
        "Update" => changes(before, after, kind),
        _ => Vec::new(),
    };
    note(cx, kind.audit, action, id, &name, changes);
}

/// Records an action on an entity.
pub(crate) fn note(
    cx: &mut Cx<'_>,
    (service, entity_type): (&str, &str),
    action: &str,
    id: &str,
    name: &str,
    changes: Vec<Value>,
) {
    // Of some things no audit speaks.
    if service.is_empty() {
        return;
    }
    let mut audit = Map::new();
    audit.insert("id".into(), cx.org.new_id().into());
    audit.insert("userHomeOrgId".into(), cx.org.id.clone().into());
    if let Caller::Client { id, .. } = &cx.caller {
        audit.insert("client".into(), json!({"id": id}));
        if let Some(user) = cx.org.user_of(id) {
            audit.insert("user".into(), json!({"id": user}));
        }
    }
    audit.insert("serviceName".into(), service.into());
    audit.insert("level".into(), "USER".into());
    audit.insert("eventDate".into(), spell(cx.now).into());
    audit.insert("action".into(), action.into());
    audit.insert("entity".into(), json!({"id": id, "name": name}));
    audit.insert("entityType".into(), entity_type.into());
    audit.insert("status".into(), "SUCCESS".into());
    audit.insert("propertyChanges".into(), changes.into());
    let audit = Value::Object(audit);
    // What an org is furnished with is no news to anybody.
    if !matches!(cx.caller, Caller::Seed) {
        cx.org.events.tell(&audit, cx.now);
    }
    cx.org.audits.push(audit);
}

fn changes(before: &Fields, after: &Fields, kind: &Kind) -> Vec<Value> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let hidden = |name: &str| {
        name.starts_with('$')
            || kind.write_only.contains(&name)
            || matches!(name, "version" | "dateModified" | "modifiedBy")
    };
    names
        .into_iter()
        .filter(|name| !hidden(name) && before.get(*name) != after.get(*name))
        .map(|name| {
            let spelled = |value: Option<&Value>| -> Vec<String> {
                value
                    .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
                    .into_iter()
                    .collect()
            };
            json!({
                "property": name,
                "oldValues": spelled(before.get(name)),
                "newValues": spelled(after.get(name)),
            })
        })
        .collect()
}
