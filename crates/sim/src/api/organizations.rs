//! The org itself and the token that reads it.

use serde_json::json;

use crate::clock::{later, spell};
use crate::cx::Cx;
use crate::error::{Answer, Reply};
use crate::routes::{Registry, Req};

pub(crate) fn register(registry: &mut Registry) {
    registry.on("GET", "/api/v2/organizations/me", about);
    registry.on("GET", "/api/v2/tokens/me", token);
    registry.on("HEAD", "/api/v2/tokens/me", check);
    registry.on("DELETE", "/api/v2/tokens/me", logout);
}

fn about(cx: &mut Cx<'_>, _: &Req) -> Answer {
    Ok(Reply::ok(cx.org.about()))
}

fn token(cx: &mut Cx<'_>, _: &Req) -> Answer {
    let org = json!({"id": cx.org.id, "name": cx.org.spec.name});
    let idles = later(cx.now, u64::from(cx.org.limits.token_ttl_s) * 1000);
    Ok(Reply::ok(json!({
        "organization": org,
        "homeOrganization": org,
        "authorizedScope": [],
        "dateTokenIdles": spell(idles),
        "OAuthClient": {"id": cx.caller.id(), "name": cx.caller.id(), "organization": org},
    })))
}

fn check(_: &mut Cx<'_>, _: &Req) -> Answer {
    Ok(Reply::empty(200))
}

/// The token itself is taken back by `state`, which owns the tokens.
fn logout(_: &mut Cx<'_>, _: &Req) -> Answer {
    Ok(Reply::empty(200))
}
