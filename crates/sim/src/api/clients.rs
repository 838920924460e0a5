//! OAuth clients as objects: those that an org makes itself. Tokens are `auth`'s.

use serde_json::Value;

use crate::crud;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Kind, Style};
use crate::refs::Ref;
use crate::routes::{Registry, Req};
use crate::store::{Fields, text};

const CLIENTS: &str = "/api/v2/oauth/clients";

const KINDS: &[Kind] = &[Kind {
    name: "oauth_client",
    path: CLIENTS,
    audit: ("PeoplePermissions", "OAuthClient"),
    key: &[],
    style: Style::Whole,
    fixed: &["authorizedGrantType"],
    write_only: &["secret"],
    refs: &[Ref::to("roleDivisions[].roleId", "role").weak()],
    defaults: r#"{"accessTokenValiditySeconds": 86400, "state": "active", "registeredRedirectUri": [],
        "scope": [], "roleDivisions": []}"#,
    check: Some(check),
    may_delete: Some(is_inactive),
    ..Kind::PLAIN
}];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.on("POST", CLIENTS, create);
    let secret = "/api/v2/oauth/clients/{clientId}/secret";
    registry.on("POST", secret, new_secret);
}

fn check(cx: &mut Cx<'_>, _: &Req, fields: &mut Fields, _: Option<&Fields>) -> Result<(), Refusal> {
    let validity = fields.get("accessTokenValiditySeconds");
    if !validity.is_some_and(|seconds| (300..=172_800).contains(&seconds.as_i64().unwrap_or(0))) {
        return Err(Refusal::invalid(
            "accessTokenValiditySeconds",
            "A token lives from 300 to 172800 seconds.",
        ));
    }
    let pairs = fields.get("roleDivisions").and_then(Value::as_array);
    let machine = text(fields, "authorizedGrantType") == "CLIENT-CREDENTIALS";
    if machine == pairs.is_none_or(Vec::is_empty) {
        return Err(Refusal::invalid(
            "roleDivisions",
            "A client with the grant CLIENT-CREDENTIALS has roles, and no other has.",
        ));
    }
    for pair in pairs.into_iter().flatten() {
        let division = pair["divisionId"].as_str().unwrap_or_default();
        if division != "*" && cx.org.store.get("division", division).is_none() {
            return Err(Refusal::bad_request(format!(
                "There is no division with id {division}."
            )));
        }
    }
    let redirects = fields
        .get("registeredRedirectUri")
        .and_then(Value::as_array);
    let scopes = fields.get("scope").and_then(Value::as_array);
    if machine
        && [redirects, scopes]
            .into_iter()
            .flatten()
            .any(|list| !list.is_empty())
    {
        return Err(Refusal::invalid(
            "scope",
            "Scopes and redirects are for clients that act for a user.",
        ));
    }
    Ok(())
}

fn is_inactive(_: &Cx<'_>, _: &Req, fields: &Fields) -> Result<(), Refusal> {
    match text(fields, "state") {
        "active" => Err(Refusal::new(
            400,
            "cannot.delete.client",
            "An active client cannot be deleted.",
        )),
        _ => Ok(()),
    }
}

/// The secret is in the answer of this call, and in no other.
fn create(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let fields = crud::body_fields(&req.body);
    let id = crud::insert(cx, req, &KINDS[0], fields)?;
    with_secret(cx, &id)
}

fn new_secret(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let id = req.param("clientId").to_owned();
    cx.find("oauth_client", &id)?;
    with_secret(cx, &id)
}

fn with_secret(cx: &mut Cx<'_>, id: &str) -> Answer {
    let mut shown = cx.show("oauth_client", id);
    shown["secret"] = cx.org.new_id().replace('-', "").into();
    Ok(Reply::ok(shown))
}
