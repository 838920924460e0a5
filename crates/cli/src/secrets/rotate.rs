//! Which secrets are sent again: those that somebody names, and those whose value is another now.

use std::collections::BTreeSet;
use std::path::Path;

use orgsmith_core::bundle::Bundle;
use orgsmith_core::catalogue::nearest;
use orgsmith_core::document::{Slot, for_each_slot_in};
use orgsmith_core::id::OrgName;
use orgsmith_core::plan::{Plan, Resend, Why};
use orgsmith_engine::Fingerprints;

use super::{Found, look_up};
use crate::error::Failure;
use crate::session::Session;

/// What a user says before a plan is made.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ask<'a> {
    /// Locks of flows may be taken away.
    pub(crate) unlock: bool,
    /// Users are created by SCIM, whatever the project says.
    pub(crate) scim: bool,
    /// Where values of secrets may be.
    pub(crate) file: Option<&'a Path>,
    /// Names of secrets that are sent again whatever is known of them.
    pub(crate) write: &'a [String],
    /// Who needs a licence that the target does not have is left out, but for licences of which a person
    /// names free seats; nothing where licences are not looked at.
    pub(crate) seats: Option<&'a [(String, u64)]>,
}

/// Returns the secrets of a wanted state that an org is given again.
///
/// # Errors
/// A name is asked for that nothing has, or the state or the secrets file cannot be read.
pub(crate) async fn resend(
    session: &Session<'_>,
    bundle: &Bundle,
    org: &OrgName,
    ask: Ask<'_>,
) -> anyhow::Result<Resend> {
    let mut resend = Resend::new();
    let mut names = BTreeSet::new();
    let mut sent = Vec::new();
    let state = session.state_if_any().await?;
    let fingerprints = match &state {
        Some(state) => Fingerprints::of(&**state, org).await?,
        None => None,
    };
    let mut held = BTreeSet::new();
    for (object, document) in &bundle.documents {
        // Few documents hold one, and only those are opened.
        if !document.as_json().contains("\"$secret\"") {
            continue;
        }
        let mut own = BTreeSet::new();
        for_each_slot_in(&document.open().body, &mut |slot| {
            if let Slot::Secret(name) = slot {
                own.insert(name);
            }
        });
        if own.is_empty() {
            continue;
        }
        if let Some(fingerprints) = &fingerprints {
            let known = fingerprints.sent(object).await?;
            for name in &own {
                if known.knows(name) {
                    names.insert(name.clone());
                } else if !known.is_empty() {
                    // Of this object others were sent: this one is new.
                    let of_object = resend.entry(object.clone()).or_default();
                    of_object.insert(name.clone(), Why::Changed);
                }
            }
            sent.push((object, known));
        }
        for name in own.iter().filter(|name| ask.write.contains(name)) {
            let of_object = resend.entry(object.clone()).or_default();
            of_object.insert(name.clone(), Why::Asked);
        }
        held.extend(own);
    }
    for name in ask.write {
        if !held.contains(name) {
            return Err(no_such(name, &held));
        }
    }
    let Found {
        values,
        missing,
        failed,
    } = look_up(&names, ask.file, session).await?;
    for (name, why) in failed {
        session.out.warn(format!(
            "whether the secret {name:?} changed is not known: {why}"
        ));
    }
    if session.out.verbose() > 0 {
        for name in missing {
            session.out.say(format!(
                "whether the secret {name:?} changed is not known, as it has no value here"
            ));
        }
    }
    for (object, known) in sent {
        let differing = values
            .iter()
            .filter(|(name, value)| known.differs(name, value));
        for (name, _) in differing {
            let of_object = resend.entry(object.clone()).or_default();
            of_object.entry(name.clone()).or_insert(Why::Changed);
        }
    }
    Ok(resend)
}

fn no_such(name: &str, held: &BTreeSet<String>) -> anyhow::Error {
    let meant = nearest(name, held.iter().map(String::as_str));
    let hint = match (meant, held.is_empty()) {
        (Some(meant), _) => format!("; did you mean {meant:?}?"),
        (None, true) => "; no selected object has a secret".to_owned(),
        (None, false) => {
            let known: Vec<String> = held.iter().map(|name| format!("{name:?}")).collect();
            format!("; there are {}", known.join(", "))
        }
    };
    Failure::Usage(format!(
        "no selected object of the source has the secret {name:?}{hint}"
    ))
    .into()
}

/// Refuses a plan that does not send what somebody asked to be sent.
///
/// # Errors
/// Names those that no step sends.
pub(crate) fn unsent(plan: &Plan, ask: Ask<'_>) -> anyhow::Result<()> {
    if ask.write.is_empty() {
        return Ok(());
    }
    let sent: BTreeSet<String> = plan.steps.iter().flat_map(|step| step.secrets()).collect();
    let unsent: Vec<String> = ask
        .write
        .iter()
        .filter(|name| !sent.contains(*name))
        .map(|name| format!("{name:?}"))
        .collect();
    if unsent.is_empty() {
        return Ok(());
    }
    Err(Failure::Checks(format!(
        "no step sends {}: what has it is left alone; see the conflicts of the plan",
        unsent.join(", ")
    ))
    .into())
}
