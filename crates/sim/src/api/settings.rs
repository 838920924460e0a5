//! Settings of which an org has one each: routing, sign-in, and the providers of identities.

use serde_json::Value;

use crate::cx::Cx;
use crate::error::Refusal;
use crate::routes::Registry;
use crate::single::Single;
use crate::store::{Fields, text};

const PROVIDER: Single = Single {
    audit: ("PeoplePermissions", "IdentityProvider"),
    at_first: None,
    check: Some(check_provider),
    ..Single::PLAIN
};

const SINGLES: &[Single] = &[
    Single {
        path: "/api/v2/routing/settings",
        audit: ("", ""),
        at_first: Some(r#"{"resetAgentScoreOnPresenceChange": false}"#),
        ..Single::PLAIN
    },
    Single {
        path: "/api/v2/routing/settings/contactcenter",
        audit: ("", ""),
        at_first: Some(r#"{"removeSkillsFromBlindTransfer": false}"#),
        ..Single::PLAIN
    },
    Single {
        path: "/api/v2/routing/settings/transcription",
        audit: ("SpeechAndTextAnalytics", "TranscriptionSettings"),
        at_first: Some(
            r#"{"transcription": "Disabled", "transcriptionConfidenceThreshold": 0,
                "lowLatencyTranscriptionEnabled": false, "contentSearchEnabled": false,
                "pciDssRedactionEnabled": true, "piiRedactionEnabled": true}"#,
        ),
        ..Single::PLAIN
    },
    Single {
        path: "/api/v2/organizations/authentication/settings",
        audit: ("PeoplePermissions", "AuthOrganization"),
        at_first: Some(
            r#"{"multifactorAuthenticationRequired": false, "domainAllowlistEnabled": false,
                "domainAllowlist": [], "ipAddressAllowlist": [], "universalLogout": false,
                "tokenStorageLocation": "persistent", "inactivityTimeoutExclusions": [],
                "passwordRequirements": {"minimumLength": 8, "minimumDigits": 1, "minimumLetters": 1,
                    "minimumUpper": 0, "minimumLower": 0, "minimumSpecials": 1,
                    "minimumAgeSeconds": 0, "expirationDays": 0}}"#,
        ),
        check: Some(check_sign_in),
        ..Single::PLAIN
    },
    Single {
        path: "/api/v2/tokens/timeout",
        audit: ("PeoplePermissions", "AuthOrganization"),
        at_first: Some(r#"{"enableIdleTokenTimeout": false, "idleTokenTimeoutSeconds": 28800}"#),
        check: Some(check_timeout),
        ..Single::PLAIN
    },
    Single {
        path: "/api/v2/identityproviders/adfs",
        ..PROVIDER
    },
    Single {
        path: "/api/v2/identityproviders/generic",
        ..PROVIDER
    },
    Single {
        path: "/api/v2/identityproviders/gsuite",
        ..PROVIDER
    },
    Single {
        path: "/api/v2/identityproviders/okta",
        ..PROVIDER
    },
    Single {
        path: "/api/v2/identityproviders/onelogin",
        ..PROVIDER
    },
    Single {
        path: "/api/v2/identityproviders/ping",
        ..PROVIDER
    },
    Single {
        path: "/api/v2/identityproviders/salesforce",
        ..PROVIDER
    },
];

pub(crate) fn register(registry: &mut Registry) {
    registry.singles_of(SINGLES);
}

fn check_sign_in(_: &mut Cx<'_>, fields: &mut Fields) -> Result<(), Refusal> {
    let domains = fields.get("domainAllowlist").and_then(Value::as_array);
    let enabled = fields.get("domainAllowlistEnabled") == Some(&Value::Bool(true));
    if enabled && domains.is_none_or(Vec::is_empty) {
        return Err(Refusal::invalid(
            "domainAllowlist",
            "A list that is enabled must name a domain.",
        ));
    }
    Ok(())
}

fn check_timeout(_: &mut Cx<'_>, fields: &mut Fields) -> Result<(), Refusal> {
    let seconds = fields
        .get("idleTokenTimeoutSeconds")
        .and_then(Value::as_u64);
    match seconds {
        Some(300..=28_800) => Ok(()),
        _ => Err(Refusal::invalid(
            "idleTokenTimeoutSeconds",
            "The timeout is from 300 to 28800 seconds.",
        )),
    }
}

/// A provider needs a certificate; what is not said is off, and the first certificate is shown twice.
fn check_provider(_: &mut Cx<'_>, fields: &mut Fields) -> Result<(), Refusal> {
    let given = fields.get("certificates").and_then(Value::as_array);
    let first = given.and_then(|all| all.first()).and_then(Value::as_str);
    let alone = text(fields, "certificate");
    let Some(first) = first
        .or((!alone.is_empty()).then_some(alone))
        .map(str::to_owned)
    else {
        return Err(Refusal::invalid(
            "certificates",
            "A provider needs a certificate.",
        ));
    };
    for (name, value) in [
        ("disabled", false),
        ("signAuthnRequests", false),
        ("displayOnLogin", true),
        ("forceAuthn", false),
    ] {
        fields.entry(name).or_insert(value.into());
    }
    fields
        .entry("certificates")
        .or_insert_with(|| serde_json::json!([first]));
    fields.insert("certificate".into(), first.into());
    Ok(())
}
