//! Credentials that somebody wrote in clear where the API asks for none: in a header of the requests of
//! a data action, in the user of a URL.
//!
//! They become secrets, named after the object and the place, so that neither a bundle nor a plan holds
//! their values. What is filled in when the request is made, such as `${credentials.password}`, stays.

use serde_json::Value;

use crate::catalogue::Descriptor;
use crate::document::Slot;
use crate::id::ObjectRef;

/// Words in the names of headers that carry a credential.
const WORDS: [&str; 9] = [
    "auth",
    "token",
    "secret",
    "password",
    "passwd",
    "credential",
    "cookie",
    "signature",
    "session",
];

/// Puts the place of a secret where a credential stands in clear.
pub(crate) fn conceal(descriptor: &Descriptor, object: &ObjectRef, body: &mut Value) {
    let key = object.key.as_str();
    for path in &descriptor.headers {
        path.retain(body, &mut |headers| {
            if let Value::Object(headers) = headers {
                for (name, value) in headers {
                    if is_header(name, value) {
                        *value = Slot::Secret(format!("{key}/{name}")).to_value();
                    }
                }
            }
            true
        });
    }
    for endpoint in &descriptor.endpoints {
        let name = endpoint.path.segments().last().unwrap_or_default();
        endpoint.path.retain(body, &mut |value| {
            conceal_urls(format!("{key}/{name}"), value);
            true
        });
    }
}

fn conceal_urls(name: String, value: &mut Value) {
    match value {
        Value::String(text) if has_password(text) => *value = Slot::Secret(name).to_value(),
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                conceal_urls(format!("{name}/{at}"), item);
            }
        }
        Value::Object(fields) => {
            for (field, inner) in fields {
                conceal_urls(format!("{name}/{field}"), inner);
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Tells whether a header carries a credential in clear.
pub(crate) fn is_header(name: &str, value: &Value) -> bool {
    let name = name.to_lowercase();
    let secret = WORDS.iter().any(|word| name.contains(word))
        || name.ends_with("key") && name != "idempotency-key";
    secret
        && value
            .as_str()
            .is_some_and(|text| !text.trim().is_empty() && !is_filled(text))
}

/// Tells whether a URL names a user with a password in clear.
pub(crate) fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    let password = user.and_then(|user| user.split_once(':'));
    password.is_some_and(|(_, password)| !password.is_empty() && !is_filled(password))
}

/// Tells whether something in a text is filled in when it is used.
fn is_filled(text: &str) -> bool {
    ["${", "$!", "$encoding", "$esc"]
        .iter()
        .any(|mark| text.contains(mark))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::Catalogue;

    #[test]
    fn what_is_written_in_clear_is_a_secret_and_what_is_filled_in_is_not() {
        for (name, value, secret) in [
            ("Authorization", "Bearer abc", true),
            (
                "authorization",
                "Basic $encoding.base64(\"${credentials.user}:x\")",
                false,
            ),
            ("X-Api-Key", "abc", true),
            ("X-Api-Key", "${credentials.apiKey}", false),
            ("X-Api-Key", "$!{credentials.apiKey}", false),
            ("Ocp-Apim-Subscription-Key", "pa$$word", true),
            ("Idempotency-Key", "abc", false),
            ("Content-Type", "application/json", false),
            ("Cookie", "a=b", true),
            ("Cookie", " ", false),
        ] {
            assert_eq!(is_header(name, &json!(value)), secret, "{name}: {value}");
        }
        for (url, secret) in [
            ("https://me:abc@crm.example/x", true),
            ("https://me:${credentials.password}@crm.example/x", false),
            ("https://me@crm.example/x", false),
            ("https://crm.example/a:b@c", false),
            ("https://crm.example/?u=a:b@c", false),
            ("me:abc@crm.example", false),
        ] {
            assert_eq!(has_password(url), secret, "{url}");
        }
    }

    #[test]
    fn a_place_is_named_after_its_object() {
        let descriptor = Catalogue::builtin()
            .get("integration_action")
            .expect("a kind");
        let object = "integration_action/custom-rest-actions/CRM/CRM/Find";
        let object = object.parse().expect("a name");
        let mut body = json!({"config": {"request": {
            "headers": {"Authorization": "Bearer abc", "Accept": "*/*"},
            "requestUrlTemplate": "https://me:abc@crm.example/${input.id}",
        }}});
        conceal(descriptor, &object, &mut body);
        let secret =
            |place: &str| json!({"$secret": format!("custom-rest-actions/CRM/CRM/Find/{place}")});
        let wanted = json!({"config": {"request": {
            "headers": {"Authorization": secret("Authorization"), "Accept": "*/*"},
            "requestUrlTemplate": secret("requestUrlTemplate"),
        }}});
        assert_eq!(body, wanted);
        conceal(descriptor, &object, &mut body);
        assert_eq!(body, wanted, "what is concealed stays as it is");
    }
}
