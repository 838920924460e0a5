//! Licences: what they are, what roles need, and who holds which.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::authorization::permissions_of;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::page::hundreds;
use crate::routes::{Registry, Req};
use crate::seats::{self, License};

const ROOT: &str = "/api/v2/license";

pub(crate) fn register(registry: &mut Registry) {
    registry.on("GET", &format!("{ROOT}/definitions"), definitions);
    registry.on(
        "GET",
        &format!("{ROOT}/definitions/{{licenseId}}"),
        definition,
    );
    registry.on("POST", &format!("{ROOT}/infer"), infer);
    registry.on(
        "POST",
        &format!("{ROOT}/infer/permissions"),
        infer_permissions,
    );
    registry.on("GET", &format!("{ROOT}/users"), users);
    registry.on("GET", &format!("{ROOT}/users/{{userId}}"), user);
}

fn uri(license: &str) -> String {
    format!("{ROOT}/definitions/{license}")
}

fn show(license: &License) -> Value {
    let permissions = license.domains.iter();
    let permissions: Vec<String> = permissions
        .flat_map(|domain| permissions_of(domain))
        .collect();
    let needs = license.needs.iter();
    let needs: Vec<Value> = needs
        .map(|id| json!({"id": id, "selfUri": uri(id)}))
        .collect();
    json!({
        "id": license.id,
        "description": license.product,
        "permissions": {"ids": permissions},
        "prerequisites": needs,
        "comprises": [],
        "selfUri": uri(license.id),
    })
}

fn definitions(cx: &mut Cx<'_>, _: &Req) -> Answer {
    Ok(Reply::ok(seats::of_org(cx.org).map(show).collect()))
}

fn definition(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("licenseId");
    let found = seats::of_org(cx.org).find(|license| license.id == id);
    let found = found.ok_or_else(|| Refusal::not_found("license", id))?;
    Ok(Reply::ok(show(found)))
}

fn texts(body: &Value) -> impl Iterator<Item = &str> {
    let items = body.as_array().into_iter().flatten();
    items.filter_map(Value::as_str)
}

fn infer(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let mut domains = BTreeSet::new();
    for id in texts(&req.body) {
        let role = cx.org.store.get("role", id).ok_or_else(|| {
            Refusal::bad_request(format!("There is no role with id {id}."))
                .detail("bad.request", "roleIds")
        })?;
        domains.extend(seats::domains_of(&role.fields));
    }
    Ok(Reply::ok(json!(seats::inferred(&domains))))
}

fn infer_permissions(_: &mut Cx<'_>, req: &Req) -> Answer {
    let mut domains = BTreeSet::new();
    for name in texts(&req.body) {
        match name.split(':').collect::<Vec<_>>().as_slice() {
            [domain, _, _] => domains.insert(*domain),
            _ => {
                let message = format!("[{name}] is not a permission");
                return Err(Refusal::invalid("permissions", message));
            }
        };
    }
    Ok(Reply::ok(json!(seats::inferred(&domains))))
}

fn users(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let held = seats::held(cx.org);
    let rows: Vec<_> = held.into_iter().collect();
    hundreds(
        req,
        &rows,
        |(user, licenses)| json!({"id": user, "licenses": licenses, "selfUri": format!("{ROOT}/users/{user}")}),
    )
}

fn user(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("userId");
    cx.find_live("user", id)?;
    let held = seats::held(cx.org).remove(id).unwrap_or_default();
    let held = seats::LICENSES.iter().filter(|one| held.contains(one.id));
    Ok(Reply::ok(json!({
        "id": id,
        "licenses": held.map(show).collect::<Vec<_>>(),
        "selfUri": req.path,
    })))
}
