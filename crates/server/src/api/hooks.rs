//! What other systems tell: only when to look, never what is there.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{Extensions, HeaderMap, StatusCode};
use jiff::Timestamp;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::changes::{
    API_KEY, Admission, HookError, Proof, Replays, SIGNATURE, Shown, Subjects,
};
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::service::Service;
use crate::told::Told;

/// A system that may tell of changes.
#[derive(Clone)]
pub struct Hook {
    /// What it must show.
    pub proof: Proof,
    /// The org that its changes are in; without it, the one that each event names by its id.
    pub org: Option<String>,
}

/// The systems that may tell, and what they told lately.
#[derive(Default)]
pub(crate) struct Hooks {
    seen: Mutex<Replays>,
}

/// What became of what was told.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Taken {
    /// Changes that nobody told before.
    new: usize,
    /// Changes that were told before.
    again: usize,
    /// Changes that are too old, or of the future.
    stale: usize,
    /// Events about something else, by their topics.
    others: BTreeMap<String, u64>,
}

/// Takes what a system tells of changes: events of EventBridge, or a list of objects. Signed by
/// `X-Orgsmith-Signature: t=…,v1=…` (HMAC-SHA256 of `t.body`) or shown by `X-Api-Key`, as the project file
/// says of the system.
#[utoipa::path(post, path = "/hooks/{source}", tag = "hooks", security(()), request_body = serde_json::Value,
    params(("source", description = "The system, as the project file calls it, such as `eventbridge`")),
    responses((status = 202, body = Taken), (status = "4XX", body = Problem)))]
pub(crate) async fn take(
    State(service): State<Service>,
    Path(source): Path<String>,
    from: Extensions,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Taken>), Problem> {
    let unknown = || {
        let guessed = service.limits().guessed(&from);
        let known = guessed
            .map(|()| Problem::unauthorized("no such hook, or it does not show what it must"));
        known.unwrap_or_else(|limited| limited).refusing()
    };
    let hook = service.settings().hooks.get(&source).ok_or_else(unknown)?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let shown = Shown {
        signature: text(SIGNATURE),
        api_key: text(API_KEY),
    };
    let now = Timestamp::now();
    if let Err(why) = hook.proof.check(shown, &body, now) {
        tracing::warn!(source, %why, "a hook was refused");
        return Err(unknown());
    }
    let heard = Subjects::new(Catalogue::builtin())
        .hook(&body)
        .map_err(|error| match error {
            HookError::TooLarge(_) => {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
            }
            _ => Problem::bad(error.to_string()),
        })?;
    let mut taken = Taken {
        others: heard.others,
        ..Taken::default()
    };
    let mut seen = service.hooks().seen.lock().await;
    let mut news = Vec::new();
    for change in heard.changes {
        match seen.admit(&format!("{source}/{}", change.event), change.at, now) {
            Admission::New => {
                taken.new += 1;
                news.push(change);
            }
            Admission::Again => taken.again += 1,
            Admission::Stale => taken.stale += 1,
        }
    }
    drop(seen);
    match &hook.org {
        Some(org) => service.told_of(org, &Told::of(org, &news), now).await?,
        // Whose events these are is not known here: each org that is kept is looked at.
        None => {
            for org in service.settings().keep.keys() {
                service.told_of(org, &Told::of(org, &news), now).await?;
            }
        }
    }
    Ok((StatusCode::ACCEPTED, Json(taken)))
}
