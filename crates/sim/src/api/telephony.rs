//! Pools of telephone numbers and of extensions, and the numbers in them.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Division, Kind, Version};
use crate::page::hundreds;
use crate::routes::{Registry, Req};
use crate::store::{Fields, Object, text};
use crate::world::Org;

const EDGES: &str = "/api/v2/telephony/providers/edges";

const KINDS: &[Kind] = &[
    Kind {
        name: "did_pool",
        path: "/api/v2/telephony/providers/edges/didpools",
        audit: ("Telephony", "DIDPool"),
        key: &["startPhoneNumber", "endPhoneNumber"],
        duplicate: (400, "duplicate.value"),
        version: Version::Number,
        state: true,
        defaults: r#"{"provider": "PURE_CLOUD"}"#,
        optional: &["name"],
        check: Some(check),
        may_delete: Some(is_unassigned),
        ..Kind::PLAIN
    },
    Kind {
        name: "extension_pool",
        path: "/api/v2/telephony/providers/edges/extensionpools",
        audit: ("Telephony", "ExtensionPool"),
        key: &["startNumber", "endNumber"],
        duplicate: (400, "duplicate.value"),
        version: Version::Number,
        division: Division::Object,
        state: true,
        optional: &["name"],
        fixed: &["startNumber", "endNumber"],
        check: Some(check_extensions),
        may_delete: Some(is_free),
        ..Kind::PLAIN
    },
];

/// Numbers that one pool may have.
const POOL_SIZE: u64 = 100_000;

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("GET", &format!("{EDGES}/didpools/dids"), numbers);
    registry.on("GET", &format!("{EDGES}/dids"), dids);
    registry.on("GET", &format!("{EDGES}/dids/{{didId}}"), did);
    registry.on("GET", &format!("{EDGES}/extensions"), extensions_in_use);
}

/// Gives the value of an E.164 number.
fn value(number: &str) -> Option<u64> {
    let digits = number.strip_prefix('+')?;
    let good = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    good.then(|| digits.parse().ok()).flatten()
}

fn range(fields: &Fields) -> Option<(u64, u64)> {
    Some((
        value(text(fields, "startPhoneNumber"))?,
        value(text(fields, "endPhoneNumber"))?,
    ))
}

fn contains(fields: &Fields, number: u64) -> bool {
    range(fields).is_some_and(|(start, end)| (start..=end).contains(&number))
}

/// Finds the pool that a number is in.
pub(crate) fn pool_of<'o>(org: &'o Org, number: &str) -> Option<&'o Object> {
    let number = value(number)?;
    org.store
        .all("did_pool")
        .find(|pool| contains(&pool.fields, number))
}

/// Finds what a number is assigned to: its type, and the id of the owner.
pub(crate) fn owner_of(org: &Org, number: &str) -> Option<(&'static str, String)> {
    let has = |object: &Object, list: &str, of: fn(&Value) -> Option<&str>| {
        let items = object.fields.get(list).and_then(Value::as_array);
        items.is_some_and(|items| items.iter().any(|item| of(item) == Some(number)))
    };
    let ivr = org
        .store
        .all("ivr")
        .find(|ivr| has(ivr, "dnis", Value::as_str));
    if let Some(ivr) = ivr {
        return Some(("IVR_CONFIG", ivr.id.clone()));
    }
    pool_of(org, number)?;
    let address = |contact: &Value| -> bool {
        contact["mediaType"] == "PHONE" && contact["address"].as_str() == Some(number)
    };
    org.store
        .all("user")
        .filter(|user| user.text("state") != "deleted")
        .find(|user| {
            let contacts = user.fields.get("addresses").and_then(Value::as_array);
            contacts.is_some_and(|contacts| contacts.iter().any(address))
        })
        .map(|user| ("USER", user.id.clone()))
}

fn assigned(org: &Org) -> Vec<(String, &'static str, String)> {
    let mut found = Vec::new();
    for ivr in org.store.all("ivr") {
        let numbers = ivr.fields.get("dnis").and_then(Value::as_array);
        for number in numbers.into_iter().flatten().filter_map(Value::as_str) {
            found.push((number.to_owned(), "IVR_CONFIG", ivr.id.clone()));
        }
    }
    for user in org
        .store
        .all("user")
        .filter(|user| user.text("state") != "deleted")
    {
        let contacts = user.fields.get("addresses").and_then(Value::as_array);
        for contact in contacts.into_iter().flatten() {
            let number = contact["address"].as_str().unwrap_or("");
            if contact["mediaType"] == "PHONE" && pool_of(org, number).is_some() {
                found.push((number.to_owned(), "USER", user.id.clone()));
            }
        }
    }
    found.sort();
    found
}

fn check(
    cx: &mut Cx<'_>,
    req: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let Some((start, end)) = range(fields) else {
        return Err(Refusal::invalid(
            "startPhoneNumber",
            "The numbers of a pool must be E.164.",
        ));
    };
    if end < start || end - start >= POOL_SIZE {
        return Err(Refusal::invalid(
            "endPhoneNumber",
            "The range of the pool is empty or too large.",
        ));
    }
    let own = old.map(|_| req.id());
    let overlaps = cx.org.store.all("did_pool").any(|pool| {
        Some(pool.id.as_str()) != own
            && range(&pool.fields).is_some_and(|(from, to)| start <= to && from <= end)
    });
    if overlaps {
        return Err(Refusal::new(
            400,
            "duplicate.value",
            "The range overlaps another pool.",
        ));
    }
    if let Some(old) = old {
        let lost = assigned(cx.org).into_iter().find(|(number, ..)| {
            value(number).is_some_and(|number| contains(old, number) && !contains(fields, number))
        });
        if let Some((number, ..)) = lost {
            return Err(in_use(&number));
        }
    }
    fields
        .entry("name")
        .or_insert_with(|| format!("+{start}").into());
    Ok(())
}

fn is_unassigned(cx: &Cx<'_>, _: &Req, fields: &Fields) -> Result<(), Refusal> {
    let used = assigned(cx.org)
        .into_iter()
        .find(|(number, ..)| value(number).is_some_and(|number| contains(fields, number)));
    match used {
        Some((number, ..)) => Err(in_use(&number)),
        None => Ok(()),
    }
}

/// Gives the range of an extension pool; both ends have as many digits.
fn extensions(fields: &Fields) -> Option<(u64, u64)> {
    let (start, end) = (text(fields, "startNumber"), text(fields, "endNumber"));
    let digits = |number: &str| number.bytes().all(|byte| byte.is_ascii_digit());
    let good = start.len() == end.len() && digits(start) && digits(end);
    good.then(|| Some((start.parse().ok()?, end.parse().ok()?)))?
}

fn check_extensions(
    cx: &mut Cx<'_>,
    req: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let Some((start, end)) = extensions(fields).filter(|(start, end)| start <= end) else {
        return Err(Refusal::invalid(
            "endNumber",
            "A pool goes from a number to a greater one with as many digits.",
        ));
    };
    let own = old.map(|_| req.id());
    let overlaps = cx.org.store.all("extension_pool").any(|pool| {
        Some(pool.id.as_str()) != own
            && extensions(&pool.fields).is_some_and(|(from, to)| start <= to && from <= end)
    });
    if overlaps {
        return Err(Refusal::new(
            400,
            "duplicate.value",
            "The range overlaps another pool.",
        ));
    }
    let name = format!("{start}-{end}");
    fields.insert("name".into(), name.into());
    Ok(())
}

fn is_free(cx: &Cx<'_>, _: &Req, fields: &Fields) -> Result<(), Refusal> {
    let Some((start, end)) = extensions(fields) else {
        return Ok(());
    };
    let held = |contact: &Value| {
        let number = contact["extension"].as_str()?.parse::<u64>().ok()?;
        (start..=end)
            .contains(&number)
            .then(|| contact["extension"].to_string())
    };
    let used = cx.org.store.all("user").find_map(|user| {
        let contacts = user.fields.get("addresses")?.as_array()?;
        contacts.iter().find_map(held)
    });
    used.map_or(Ok(()), |number| Err(in_use(&number)))
}

fn in_use(number: &str) -> Refusal {
    Refusal::new(
        409,
        "general.conflict",
        format!("The number {number} of the pool is assigned."),
    )
}

/// The id of a number, the same at every look.
fn did_id(org: &Org, number: &str) -> String {
    let hash = Sha256::digest(format!("{}/{number}", org.id));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}

fn owner(org: &Org, sort: &str, id: &str) -> Value {
    org.reference(if sort == "USER" { "user" } else { "ivr" }, id)
}

fn show_did(org: &Org, (number, sort, id): &(String, &'static str, String)) -> Value {
    let did = did_id(org, number);
    json!({
        "id": did,
        "name": number,
        "phoneNumber": number,
        "didPool": pool_of(org, number).map(|pool| org.reference("did_pool", &pool.id)),
        "owner": owner(org, sort, id),
        "ownerType": sort,
        "state": "active",
        "version": 1,
        "selfUri": format!("{EDGES}/dids/{did}"),
    })
}

fn dids(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let mut found = assigned(cx.org);
    let number = req.query("phoneNumber");
    let owner = req.query("owner.id");
    let pool = req.query("didPool.id");
    let ids: Vec<&str> = req.queries("id").collect();
    found.retain(|(held, _, holder)| {
        number
            .as_ref()
            .is_none_or(|number| held.contains(number.as_str()))
            && owner.as_ref().is_none_or(|owner| owner == holder)
            && pool
                .as_ref()
                .is_none_or(|pool| pool_of(cx.org, held).is_some_and(|p| p.id == *pool))
            && (ids.is_empty() || ids.contains(&did_id(cx.org, held).as_str()))
    });
    let shown = |one: &(String, &'static str, String)| show_did(cx.org, one);
    hundreds(req, &found, shown)
}

fn did(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let found = assigned(cx.org);
    let one = found
        .iter()
        .find(|(number, ..)| did_id(cx.org, number) == req.id());
    match one {
        Some(one) => Ok(Reply::ok(show_did(cx.org, one))),
        None => Err(Refusal::not_found("did", req.id())),
    }
}

/// Lists the extensions that users have.
fn extensions_in_use(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let wanted = req.query("number");
    let mut found = Vec::new();
    for user in cx
        .org
        .store
        .all("user")
        .filter(|user| user.text("state") != "deleted")
    {
        let contacts = user.fields.get("addresses").and_then(Value::as_array);
        for contact in contacts.into_iter().flatten() {
            if let Some(number) = contact["extension"].as_str()
                && wanted.as_deref().is_none_or(|wanted| wanted == number)
            {
                found.push((number.to_owned(), user.id.clone()));
            }
        }
    }
    found.sort();
    hundreds(req, &found, |(number, user)| {
        let id = did_id(cx.org, number);
        json!({
            "id": id,
            "name": number,
            "number": number,
            "owner": owner(cx.org, "USER", user),
            "ownerType": "USER",
            "state": "active",
            "version": 1,
            "selfUri": format!("{EDGES}/extensions/{id}"),
        })
    })
}

/// Lists the numbers of the pools, or only the free ones.
fn numbers(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let only_free = req.query("type").as_deref() == Some("UNASSIGNED");
    let pools: Vec<&str> = req.queries("id").collect();
    let part = req.query("numberMatch").unwrap_or_default();
    let owners = assigned(cx.org);
    let mut found = Vec::new();
    for pool in cx.org.store.all("did_pool") {
        if !pools.is_empty() && !pools.contains(&pool.id.as_str()) {
            continue;
        }
        let Some((start, end)) = range(&pool.fields) else {
            continue;
        };
        for number in start..=end {
            let number = format!("+{number}");
            let owner = owners
                .binary_search_by(|(held, ..)| held.cmp(&number))
                .ok()
                .map(|at| &owners[at]);
            if number.contains(&part) && !(only_free && owner.is_some()) {
                found.push((number, pool, owner));
            }
        }
    }
    found.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    if req.query("sortOrder").as_deref() == Some("descending") {
        found.reverse();
    }
    let shown =
        |(number, pool, held): &(String, &Object, Option<&(String, &'static str, String)>)| {
            let did = did_id(cx.org, number);
            let mut shown = json!({
                "id": did,
                "number": number,
                "assigned": held.is_some(),
                "didPool": {"id": pool.id},
                "selfUri": format!("{EDGES}/dids/{did}"),
            });
            if let Some((_, sort, id)) = held {
                shown["owner"] = owner(cx.org, sort, id);
                shown["ownerType"] = (*sort).into();
            }
            shown
        };
    hundreds(req, &found, shown)
}
