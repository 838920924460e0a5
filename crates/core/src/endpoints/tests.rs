use std::time::Duration;

use serde_json::json;

use super::*;
use crate::document::{Files, Portable};
use crate::plan::{Finding, Severity};

#[test]
fn what_is_asked_is_a_url_without_what_may_be_secret() {
    let read = |text: &str| Target::read(text).map(|target| (target.url, target.whole));
    for (text, url, whole) in [
        (
            "https://api.example/v1/claims",
            "https://api.example/v1/claims",
            true,
        ),
        ("HTTPS://API.example", "https://api.example", true),
        (
            "https://u:p@api.example:8443/a?key=s#x",
            "https://api.example:8443/a",
            true,
        ),
        ("http://[::1]:80/x", "http://[::1]:80/x", true),
        (
            "https://api.example/claims/${input.id}",
            "https://api.example/",
            false,
        ),
        (
            "https://api.example/claims?id=${input.id}",
            "https://api.example/claims",
            true,
        ),
        (
            "https://api.example/$!{input.id}",
            "https://api.example/",
            false,
        ),
    ] {
        assert_eq!(read(text), Some((url.to_owned(), whole)), "{text}");
    }
    for text in [
        "/api/v2/users",
        "https://${input.host}/x",
        "https://api-${input.region}.example/",
        "https://$input.host/",
        "ftp://example.com/",
        "https://",
        "a https://api.example",
        "https:///x",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

fn bundle(kind: &str, body: Value) -> Bundle {
    let Value::Object(body) = body else {
        panic!("no object")
    };
    let mut bundle = Bundle::default();
    bundle.insert(Portable {
        object: format!("{kind}/X").parse().expect("a name"),
        body,
        files: Files::new(),
    });
    bundle
}

fn hook(url: &str) -> Bundle {
    let kind = "conversations_messaging_integrations_open";
    bundle(
        kind,
        json!({"name": "X", "outboundNotificationWebhookUrl": url}),
    )
}

#[test]
fn places_are_those_of_the_catalogue_and_what_stands_in_settings() {
    let properties =
        json!({"groups": [], "url": "https://a.example/", "more": ["http://b.example", "text"]});
    let bundle = bundle(
        "integration",
        json!({"name": "see https://no.example", "config": {"properties": properties, "notes": "https://no.example"}}),
    );
    let found = places(Catalogue::builtin(), &bundle);
    let found: Vec<_> = found
        .iter()
        .map(|place| (place.pointer.as_deref(), &*place.written))
        .collect();
    assert_eq!(
        found,
        [
            (Some("/config/properties/more/0"), "http://b.example"),
            (Some("/config/properties/url"), "https://a.example/"),
        ]
    );
}

/// Settles one webhook, and gives what is sent then and the findings.
fn settled(on_down: OnDown, answer: Answer, live: Option<&str>) -> (String, Vec<Finding>) {
    let mut bundle = hook("https://hook.example/in?key=s");
    let places = places(Catalogue::builtin(), &bundle);
    let answers = Answers::from([("https://hook.example/in".to_owned(), answer)]);
    let policy = Policy {
        timeout: Duration::from_secs(1),
        on_down,
    };
    let live = |_: &ObjectRef, _: &str| live.map(Value::from);
    let findings = settle(&mut bundle, &places, &answers, &policy, &live);
    let document = bundle.documents.values().next().expect("the webhook");
    let url = document.text("outboundNotificationWebhookUrl");
    (url.expect("a URL"), findings)
}

#[test]
fn a_placeholder_stands_for_what_does_not_answer_and_nothing_else() {
    let placeholder = || OnDown::Placeholder("https://wait.example/".to_owned());
    let (url, findings) = settled(placeholder(), Answer::NoSuchHost, None);
    assert_eq!(url, "https://wait.example/");
    assert_eq!(findings[0].rule, PLACEHOLDER);
    assert!(!findings[0].message.contains("key"), "{findings:?}");
    // Whoever answers is there, whatever it says.
    for status in [200, 302, 401, 403, 404, 405, 500] {
        let (url, findings) = settled(placeholder(), Answer::Status(status), None);
        assert_eq!(
            (url.as_str(), findings.len()),
            ("https://hook.example/in?key=s", 0),
            "{status}"
        );
    }
    let (url, _) = settled(placeholder(), Answer::Status(503), None);
    assert_eq!(url, "https://wait.example/");
}

#[test]
fn what_the_target_has_already_stays_though_it_does_not_answer_now() {
    let placeholder = OnDown::Placeholder("https://wait.example/".to_owned());
    let live = Some("https://hook.example/in?key=s");
    let (url, findings) = settled(placeholder.clone(), Answer::NoSuchHost, live);
    assert_eq!(url, "https://hook.example/in?key=s");
    assert_eq!(
        (findings[0].severity, &*findings[0].rule),
        (Severity::Warning, DOWN_RULE)
    );
    // The placeholder of an earlier run stays a placeholder.
    let (url, findings) = settled(
        placeholder,
        Answer::NoSuchHost,
        Some("https://wait.example/"),
    );
    assert_eq!(
        (url.as_str(), &*findings[0].rule),
        ("https://wait.example/", PLACEHOLDER)
    );
}

const DOWN_RULE: &str = "endpoint-down";

#[test]
fn who_says_stop_sends_nothing_and_who_says_nothing_sends_it() {
    let (_, findings) = settled(OnDown::Stop, Answer::Timeout(Duration::from_secs(1)), None);
    assert_eq!(findings[0].severity, Severity::Error);
    let (url, findings) = settled(OnDown::Send, Answer::Timeout(Duration::from_secs(1)), None);
    assert_eq!(
        (url.as_str(), findings[0].severity),
        ("https://hook.example/in?key=s", Severity::Warning)
    );
}

#[test]
fn where_people_sign_in_no_placeholder_is_put() {
    let mut bundle = bundle(
        "idp_okta",
        json!({"ssoTargetURI": "https://login.example/sso"}),
    );
    let places = places(Catalogue::builtin(), &bundle);
    let answers = Answers::from([("https://login.example/sso".to_owned(), Answer::NoSuchHost)]);
    let policy = Policy {
        timeout: Duration::from_secs(1),
        on_down: OnDown::Placeholder("https://wait.example/".to_owned()),
    };
    let findings = settle(&mut bundle, &places, &answers, &policy, &|_, _| None);
    assert_eq!((findings.len(), &*findings[0].rule), (1, DOWN_RULE));
    let document = bundle.documents.values().next().expect("the provider");
    assert_eq!(
        document.text("ssoTargetURI").as_deref(),
        Some("https://login.example/sso")
    );
}
