//! Processes that share a quota, where a state lets them.

use std::sync::Arc;

use futures::future::join_all;

use super::{State, owner};
use crate::state::values::{Claim, Claimed};

const TOTAL: u32 = 100;
const WINDOW_MS: u64 = 60_000;

async fn claim(
    state: &dyn State,
    who: &str,
    (used, wanted): (u32, u32),
    now_ms: u64,
) -> Option<Claimed> {
    let claim = Claim {
        pool: "client".to_owned(),
        owner: owner(who),
        total: TOTAL,
        window_ms: WINDOW_MS,
        used,
        wanted,
    };
    state.claim(&claim, now_ms).await.expect("answers")
}

pub(super) async fn a_quota_is_shared_and_never_promised_twice(state: Arc<dyn State>) {
    let state = &*state;
    let Some(first) = claim(state, "a", (0, 90), 0).await else {
        // No place to share one.
        return;
    };
    assert_eq!((first.held, first.others.len()), (90, 0));
    let held = async |who, asked, now_ms| {
        let claimed = claim(state, who, asked, now_ms).await;
        claimed.expect("as before").held
    };
    // What is left, and once the first has fewer places in use an equal part.
    assert_eq!(held("b", (0, 90), 1_000).await, 10);
    assert_eq!(held("a", (90, 95), 2_000).await, 90);
    assert_eq!(held("a", (60, 95), 3_000).await, 60);
    assert_eq!(held("b", (10, 90), 4_000).await, 40);
    assert_eq!(held("a", (20, 95), 5_000).await, 50);
    assert_eq!(held("b", (40, 90), 6_000).await, 50);
    // Who does not ask any more keeps what is in use until no window knows of it, but no part.
    assert_eq!(held("a", (50, 95), 30_000).await, 50);
    assert_eq!(held("a", (50, 95), 6_000 + WINDOW_MS * 5 / 4).await, 95);
    let others = claim(state, "b", (0, 1), 90_000)
        .await
        .expect("as before")
        .others;
    assert_eq!(others, [owner("a")]);
    state.unclaim(&owner("a")).await.expect("given back");
    state.unclaim(&owner("a")).await.expect("nothing to give");
    let all = claim(state, "b", (0, 100), 90_000)
        .await
        .expect("as before");
    assert_eq!((all.held, all.others.len()), (100, 0));
    state.unclaim(&owner("b")).await.expect("given back");

    let names: Vec<String> = (0..8).map(|number| format!("p{number}")).collect();
    let claims = names
        .iter()
        .map(|name| claim(state, name, (0, 40), 200_000));
    let held = join_all(claims).await;
    let held: u32 = held.into_iter().flatten().map(|claimed| claimed.held).sum();
    assert!(held <= TOTAL, "{held} places were promised");
}
