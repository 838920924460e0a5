//! The part that this process has in the quotas of OAuth clients, which it shares by the state with all
//! others that use the same clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use orgsmith_client::Share;
use orgsmith_engine::now_ms;
use orgsmith_store::state::{Claim, Error, Owner, State};
use tokio::sync::OnceCell;

use crate::config::StatePlace;
use crate::owner;
use crate::session::open;

/// How long the end of the program may wait until its parts are given back; they end by themselves, too.
const PATIENCE: Duration = Duration::from_secs(2);

/// The parts of one process.
pub(crate) struct Quotas {
    place: StatePlace,
    state: Arc<OnceCell<Arc<dyn State>>>,
    owner: Owner,
    /// Something was asked for.
    asked: AtomicBool,
    /// The state cannot be used for this; whoever needs it for more will say why.
    broken: AtomicBool,
}

impl Quotas {
    pub(crate) fn new(place: StatePlace, state: Arc<OnceCell<Arc<dyn State>>>) -> Self {
        Self {
            place,
            state,
            owner: owner::this_process(),
            asked: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        }
    }

    /// Returns what a client asks before it sends: so many requests in a window are shared.
    pub(crate) fn share(
        self: &Arc<Self>,
        pool: String,
        total: u32,
        window: Duration,
    ) -> Arc<dyn Share> {
        Arc::new(Part {
            quotas: self.clone(),
            claim: Claim {
                pool,
                owner: self.owner.clone(),
                total,
                window_ms: u64::try_from(window.as_millis()).unwrap_or(u64::MAX),
                used: 0,
                wanted: 0,
            },
        })
    }

    /// Gives everything back. Genesys Cloud counts by token, and those of this process end with it.
    pub(crate) async fn give_back(&self) {
        let Some(state) = self
            .state
            .get()
            .filter(|_| self.asked.load(Ordering::Relaxed))
        else {
            return;
        };
        let given = tokio::time::timeout(PATIENCE, state.unclaim(&self.owner)).await;
        if let Ok(Err(error)) = given {
            tracing::debug!(%error, "the part in a quota was not given back");
        }
    }

    /// Asks for a part; nothing where there is no state yet, or none that can be shared.
    async fn ask(&self, claim: &Claim) -> Result<Option<u32>, Error> {
        if self.broken.load(Ordering::Relaxed) || !self.place.may_exist() {
            return Ok(None);
        }
        let Ok(state) = self.state.get_or_try_init(|| open(&self.place)).await else {
            self.broken.store(true, Ordering::Relaxed);
            return Ok(None);
        };
        self.asked.store(true, Ordering::Relaxed);
        let Some(mut claimed) = state.claim(claim, now_ms()).await? else {
            return Ok(None);
        };
        // What a process held that has died is nobody's.
        let others = claimed.others.iter();
        let dead: Vec<&Owner> = others.filter(|other| owner::is_abandoned(other)).collect();
        if !dead.is_empty() {
            for owner in dead {
                state.unclaim(owner).await?;
            }
            if let Some(again) = state.claim(claim, now_ms()).await? {
                claimed = again;
            }
        }
        Ok(Some(claimed.held))
    }
}

/// The part in one quota.
struct Part {
    quotas: Arc<Quotas>,
    claim: Claim,
}

impl Share for Part {
    fn claim(&self, used: u32, wanted: u32) -> BoxFuture<'_, Option<u32>> {
        async move {
            let claim = Claim {
                used,
                wanted,
                ..self.claim.clone()
            };
            match self.quotas.ask(&claim).await {
                Ok(held) => held,
                Err(error) => {
                    tracing::warn!(%error, "the quota is not shared with other processes");
                    self.quotas.broken.store(true, Ordering::Relaxed);
                    None
                }
            }
        }
        .boxed()
    }
}
