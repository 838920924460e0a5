//! E-mail domains and their routes, and the addresses that SMS numbers are registered at.

use serde_json::{Value, json};

use crate::cx::Cx;
use crate::error::Refusal;
use crate::kind::{Deletion, Kind};
use crate::refs::{Ref, id_of};
use crate::routes::{Registry, Req};
use crate::store::{Fields, text};
use crate::world::Org;

const KINDS: &[Kind] = &[
    Kind {
        name: "email_domain",
        path: "/api/v2/routing/email/domains",
        audit: ("Emails", "InboundDomain"),
        key: &["id"],
        id_from: Some("id"),
        duplicate: (400, "postino.domain.exists"),
        fixed: &["subDomain"],
        refs: &[
            Ref::to("customSMTPServer", "integration"),
            Ref::to("imapSettings.integration", "integration"),
            Ref::to("graphApiSettings.integration", "integration"),
        ],
        server: &["mxRecordStatus", "dmarcVerificationResult"],
        defaults: r#"{"subDomain": false}"#,
        deletion: Deletion {
            in_use: Some((400, "postino.domain.in.use")),
            ..Deletion::PLAIN
        },
        check: Some(check_domain),
        view: Some(view_domain),
        ..Kind::PLAIN
    },
    Kind {
        name: "email_route",
        path: "/api/v2/routing/email/domains/{domainName}/routes",
        parent: Some("email_domain"),
        audit: ("Emails", "InboundRoute"),
        key: &["pattern"],
        duplicate: (400, "postino.route.pattern.exists"),
        refs: &[
            Ref::to("queue", "queue").missing(400, "postino.error.queue.required"),
            Ref::to("flow", "flow").missing(400, "bad.flow.id"),
            Ref::to("spamFlow", "flow").missing(400, "bad.flow.id"),
            Ref::to("skills[]", "skill"),
            Ref::to("language", "language"),
            Ref::to("signature.cannedResponseId", "response"),
            Ref::to("replyEmailAddress.domain", "email_domain"),
            Ref::to("replyEmailAddress.route", "email_route").weak(),
        ],
        defaults: r#"{"historyInclusion": "Optional", "allowMultipleActions": false}"#,
        deletion: Deletion {
            in_use: Some((400, "postino.route.in.use")),
            ..Deletion::PLAIN
        },
        check: Some(check_route),
        view: Some(view_route),
        ..Kind::PLAIN
    },
    Kind {
        name: "sms_address",
        path: "/api/v2/routing/sms/addresses",
        audit: ("", ""),
        key: &[],
        write_only: &["autoCorrectAddress"],
        view: Some(view_address),
        ..Kind::PLAIN
    },
];

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
}

fn check_domain(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    if old.is_none() {
        let name = text(fields, "id").to_lowercase();
        let of_genesys = fields.get("subDomain") == Some(&Value::Bool(true));
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if name.is_empty() || !name.chars().all(good) || name.contains('.') == of_genesys {
            return Err(Refusal::invalid(
                "id",
                "The id of a domain is its name, and of a subdomain the first part of it.",
            ));
        }
        let id = match of_genesys {
            true => format!("{name}.mypurecloud.com"),
            false => name,
        };
        fields.insert("id".into(), id.into());
        // A quirk of the API: what sends and fetches the mails sticks only on an update.
        for later in ["mailFromSettings", "customSMTPServer", "imapSettings"] {
            fields.remove(later);
        }
        fields.remove("graphApiSettings");
    }
    Ok(())
}

fn view_domain(_: &Org, _: &str, shown: &mut Fields) {
    let of_genesys = shown.get("subDomain") == Some(&Value::Bool(true));
    let status = if of_genesys { "VALID" } else { "INVALID" };
    shown.insert("mxRecordStatus".into(), status.into());
    if let Some(Value::Object(mail_from)) = shown.get_mut("mailFromSettings") {
        let domain = text(mail_from, "mailFromDomain").to_owned();
        mail_from.insert("status".into(), "PENDING".into());
        let record = json!({"name": domain, "type": "MX", "value": "10 feedback.example.com"});
        mail_from.insert("records".into(), json!([record]));
    }
    for settings in ["imapSettings", "graphApiSettings"] {
        if let Some(Value::Object(settings)) = shown.get_mut(settings) {
            settings.insert("status".into(), "Inactive".into());
        }
    }
}

fn check_route(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    if text(fields, "pattern").is_empty() || text(fields, "pattern").contains(' ') {
        return Err(Refusal::invalid("pattern", "A route needs a pattern."));
    }
    if !fields.contains_key("flow") && !fields.contains_key("queue") {
        return Err(Refusal::new(
            400,
            "postino.error.queue.required",
            "A route leads to a flow or to a queue.",
        ));
    }
    if fields.contains_key("flow") && fields.contains_key("queue") {
        return Err(Refusal::invalid(
            "queue",
            "A route leads to a flow or to a queue, not to both.",
        ));
    }
    let queued = fields.contains_key("queue");
    let more = ["skills", "language", "priority"];
    let lost = more.into_iter().find(|name| {
        let given = fields.get(*name);
        given.is_some_and(|value| !queued && value.as_array().is_none_or(|list| !list.is_empty()))
    });
    if let Some(name) = lost {
        return Err(Refusal::invalid(
            name,
            "Skills, language and priority go with a queue.",
        ));
    }
    Ok(())
}

fn view_route(org: &Org, _: &str, shown: &mut Fields) {
    shown.insert("status".into(), "Active".into());
    // The route in a reply address comes with its pattern.
    let route = shown
        .get_mut("replyEmailAddress")
        .and_then(|reply| reply.get_mut("route"));
    if let Some(route) = route
        && let Some(held) = id_of(route).and_then(|id| org.store.get("email_route", id))
    {
        route["pattern"] = held.text("pattern").into();
    }
}

fn view_address(_: &Org, _: &str, shown: &mut Fields) {
    shown.insert("validated".into(), true.into());
}
