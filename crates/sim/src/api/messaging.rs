//! Messaging: settings, supported content, and the integrations that use them.

use serde_json::{Value, json};

use crate::audit;
use crate::cx::Cx;
use crate::error::{Answer, Refusal, Reply};
use crate::kind::{Filter, Kind, Version};
use crate::refs::{Ref, id_of};
use crate::routes::{Registry, Req};
use crate::single::Single;
use crate::store::{Fields, text};

const MESSAGING: Kind = Kind {
    name: "",
    audit: ("", ""),
    duplicate: (409, "general.conflict"),
    refs: &[
        Ref::to("supportedContent", "supported_content"),
        Ref::to("messagingSetting", "messaging_setting"),
    ],
    filters: &[
        ("supportedContent.id", Filter::Reference("supportedContent")),
        ("messagingSetting.id", Filter::Reference("messagingSetting")),
    ],
    defaults: r#"{"status": "Active", "createStatus": "Completed"}"#,
    server: &["status", "createStatus", "recipient"],
    ..Kind::PLAIN
};

const KINDS: &[Kind] = &[
    Kind {
        name: "messaging_setting",
        path: "/api/v2/conversations/messaging/settings",
        audit: ("", ""),
        duplicate: (409, "general.conflict"),
        version: Version::Text,
        defaults: r#"{"content": {"story": {"mention": {"inbound": "Disabled"}, "reply": {"inbound": "Disabled"}}},
            "event": {"typing": {"on": {"inbound": "Disabled", "outbound": "Disabled"}}}}"#,
        may_delete: Some(is_no_default),
        ..Kind::PLAIN
    },
    Kind {
        name: "supported_content",
        path: "/api/v2/conversations/messaging/supportedcontent",
        audit: ("Messaging", "SupportedContent"),
        duplicate: (409, "general.conflict"),
        defaults: r#"{"version": 1, "mediaTypes": {"allow": {"inbound": [], "outbound": []}}}"#,
        may_delete: Some(is_no_default),
        ..Kind::PLAIN
    },
    Kind {
        name: "open_integration",
        path: "/api/v2/conversations/messaging/integrations/open",
        write_only: &["outboundNotificationWebhookSignatureSecretToken"],
        check: Some(check_webhook),
        ..MESSAGING
    },
    Kind {
        name: "facebook_integration",
        path: "/api/v2/conversations/messaging/integrations/facebook",
        defaults: PAGE,
        write_only: TOKENS,
        fixed: &["pageId", "appId"],
        check: Some(check_page),
        ..MESSAGING
    },
    Kind {
        name: "instagram_integration",
        path: "/api/v2/conversations/messaging/integrations/instagram",
        defaults: PAGE,
        write_only: TOKENS,
        fixed: &["pageId", "appId"],
        check: Some(check_page),
        ..MESSAGING
    },
    Kind {
        name: "whatsapp_integration",
        path: "/api/v2/conversations/messaging/integrations/whatsapp",
        defaults: r#"{"status": "Active", "createStatus": "Completed", "version": 1}"#,
        ..MESSAGING
    },
    Kind {
        name: "apple_integration",
        path: "/api/v2/conversations/messaging/integrations/apple",
        refs: &[
            Ref::to("supportedContent", "supported_content"),
            Ref::to("messagingSetting", "messaging_setting"),
            Ref::to("applePay.paymentCertificateCredentialId", "credential"),
        ],
        fixed: &["messagesForBusinessId"],
        view: Some(hide_sign_in),
        ..MESSAGING
    },
];

/// The application is Genesys' own unless the request names one.
const PAGE: &str = r#"{"status": "Active", "createStatus": "Completed", "version": 1, "appId": "190211351553245"}"#;
const TOKENS: &[&str] = &["pageAccessToken", "userAccessToken", "appSecret"];

const SETTINGS: &[Single] = &[Single {
    path: "/api/v2/conversations/settings",
    audit: ("Conversations", "Settings"),
    at_first: Some(
        r#"{"communicationBasedACW": false, "includeNonAgentConversationSummary": false,
        "allowCallbackQueueSelection": false, "callbacksInheritRoutingFromInboundCall": false,
        "completeAcwWhenAgentTransitionsOffline": false, "totalActiveCallback": false}"#,
    ),
    ..Single::PLAIN
}];

const DEFAULT_SETTING: &str = "/api/v2/conversations/messaging/settings/default";
const DEFAULT_CONTENT: &str = "/api/v2/conversations/messaging/supportedcontent/default";

pub(crate) fn register(registry: &mut Registry) {
    registry.kinds_of(KINDS);
    registry.singles_of(SETTINGS);
    for path in [DEFAULT_SETTING, DEFAULT_CONTENT] {
        registry.on("GET", path, default);
        registry.on("PUT", path, set_default);
    }
    registry.on("DELETE", DEFAULT_SETTING, no_default);
}

fn check_webhook(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    _: Option<&Fields>,
) -> Result<(), Refusal> {
    match text(fields, "outboundNotificationWebhookUrl").starts_with("https://") {
        true => Ok(()),
        false => Err(Refusal::invalid(
            "outboundNotificationWebhookUrl",
            "The webhook must be an https address.",
        )),
    }
}

/// A page is connected once, with somebody's consent.
fn check_page(
    _: &mut Cx<'_>,
    _: &Req,
    fields: &mut Fields,
    old: Option<&Fields>,
) -> Result<(), Refusal> {
    let consent = ["pageAccessToken", "userAccessToken"]
        .iter()
        .any(|token| !text(fields, token).is_empty());
    if old.is_none() && !consent {
        return Err(Refusal::invalid(
            "pageAccessToken",
            "A token of the page or of its owner is needed.",
        ));
    }
    Ok(())
}

fn hide_sign_in(_: &crate::world::Org, _: &str, fields: &mut Fields) {
    if let Some(Value::Object(sign_in)) = fields.get_mut("appleAuthentication") {
        sign_in.remove("oauthClientSecret");
    }
}

/// Gives the path of a default and the kind that it is one of.
fn place(path: &str) -> (&'static str, &'static str) {
    match path.contains("/supportedcontent/") {
        true => (DEFAULT_CONTENT, "supported_content"),
        false => (DEFAULT_SETTING, "messaging_setting"),
    }
}

fn default(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let (path, kind) = place(&req.path);
    let id = cx.org.singles.get(path).and_then(id_of).map(str::to_owned);
    match id {
        Some(id) => Ok(Reply::ok(cx.show(kind, &id))),
        None => Err(Refusal::not_found(kind, "default")),
    }
}

fn set_default(cx: &mut Cx<'_>, req: &Req) -> Answer {
    let (path, kind) = place(&req.path);
    let id = req.body["settingId"].as_str().or(req.body["id"].as_str());
    let id = id.unwrap_or_default().to_owned();
    if cx.org.store.get(kind, &id).is_none() {
        return Err(Refusal::bad_request(format!(
            "There is no {kind} with id {id}."
        )));
    }
    cx.org.singles.insert(path, json!({"id": id}));
    if path != DEFAULT_SETTING {
        let entity = ("Messaging", "ConversationDefaultSupportedContent");
        audit::note(cx, entity, "Update", &id, "", Vec::new());
    }
    Ok(Reply::ok(cx.show(kind, &id)))
}

fn no_default(cx: &mut Cx<'_>, _: &Req) -> Answer {
    cx.org.singles.remove(DEFAULT_SETTING);
    Ok(Reply::empty(204))
}

fn is_no_default(cx: &Cx<'_>, req: &Req, _: &Fields) -> Result<(), Refusal> {
    let is = |path| cx.org.singles.get(path).and_then(id_of) == Some(req.id());
    match is(DEFAULT_SETTING) || is(DEFAULT_CONTENT) {
        true => Err(Refusal::new(
            409,
            "general.conflict",
            "It is the default of the org.",
        )),
        false => Ok(()),
    }
}
