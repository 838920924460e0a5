//! The tokens of one client, each with a quota of its own.
//!
//! Genesys Cloud counts requests per token, so a client that holds four tokens may send four
//! times as much. Another token is opened only when the ones at hand run low.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::auth::Cell;
use crate::limiter::{Limiter, Quota, Ready, Refused, Scope};
use crate::share::{Share, Step, Whole};
use crate::turnstile::{Lane, Turn, Turnstile, Waiting};

/// How long no further token is opened after one could not be minted.
const HESITATE: Duration = Duration::from_secs(60);

pub(crate) struct Pool {
    slots: Mutex<Slots>,
    /// Who is first in it sleeps for all of them.
    turnstile: Turnstile,
    freed: Notify,
    quota: Quota,
    max: usize,
    share: Option<(Arc<dyn Share>, Mutex<Whole>)>,
}

struct Slots {
    open: Vec<Slot>,
    opened: u64,
    hesitate_until: Option<Instant>,
}

struct Slot {
    id: u64,
    limiter: Limiter,
    cell: Arc<Cell>,
}

impl Pool {
    pub(crate) fn new(quota: Quota, max: usize, share: Option<Arc<dyn Share>>) -> Self {
        let whole = || Mutex::new(Whole::new(quota, max));
        Self {
            slots: Mutex::new(Slots {
                open: Vec::new(),
                opened: 0,
                hesitate_until: None,
            }),
            turnstile: Turnstile::new(),
            freed: Notify::new(),
            quota,
            max,
            share: share.map(|share| (share, whole())),
        }
    }

    /// Waits for a place in the quota of the token with most headroom.
    pub(crate) async fn acquire(self: &Arc<Self>, lane: Lane) -> Permit {
        let waiting = Waiting::new(lane);
        loop {
            let turn = self.turnstile.enter(&waiting).await;
            if let Some(permit) = self.take(turn).await {
                return permit;
            }
        }
    }

    /// Waits for a place as long as it is the caller's turn.
    async fn take(self: &Arc<Self>, mut turn: Turn<'_>) -> Option<Permit> {
        loop {
            let freed = self.freed.notified();
            let wake = match self.own_part().await {
                Some(at) => Some(at),
                None => match self.pick(Instant::now()) {
                    Pick::Slot(permit) => return Some(permit),
                    Pick::At(at) => Some(at),
                    Pick::OnAnswer => None,
                },
            };
            let waken = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    // Every place is under way, and every request ends by its timeout.
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = waken => {}
                () = freed => {}
                () = turn.over() => return None,
            }
        }
    }

    /// Sees to it that one more request is within what this process may send of a shared quota; says
    /// when to ask again where it is not.
    async fn own_part(&self) -> Option<Instant> {
        let (share, whole) = self.share.as_ref()?;
        let lock = || whole.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let step = lock().next(Instant::now());
            match step {
                Step::Go => return None,
                Step::Wait(at) => return Some(at),
                Step::Ask { used, wanted } => {
                    let held = share.claim(used, wanted).await;
                    lock().told(Instant::now(), used, held);
                }
            }
        }
    }

    /// Notes something about the places of all tokens together.
    fn whole(&self, change: impl FnOnce(&mut Limiter)) {
        if let Some((_, whole)) = &self.share {
            let mut whole = whole.lock().unwrap_or_else(PoisonError::into_inner);
            change(whole.limiter());
        }
    }

    fn pick(self: &Arc<Self>, now: Instant) -> Pick {
        let mut slots = self.lock();
        let mut best: Option<(u32, usize)> = None;
        let mut next: Option<Instant> = None;
        for (i, slot) in slots.open.iter_mut().enumerate() {
            match slot.limiter.ready(now) {
                Ready::Now { headroom } => {
                    if best.is_none_or(|(most, _)| headroom > most) {
                        best = Some((headroom, i));
                    }
                }
                Ready::At(at) => next = Some(next.map_or(at, |next| next.min(at))),
                Ready::OnAnswer => {}
            }
        }
        slots.hesitate_until = slots.hesitate_until.filter(|&until| until > now);
        let low = best.is_none_or(|(headroom, _)| headroom <= self.quota.requests / 4);
        let may_open = slots.open.len() < self.max && slots.hesitate_until.is_none();
        let index = if slots.open.is_empty() || (low && may_open) {
            slots.open(self.quota)
        } else if let Some((_, index)) = best {
            index
        } else {
            return next.map_or(Pick::OnAnswer, Pick::At);
        };
        let slot = &mut slots.open[index];
        slot.limiter.take();
        self.whole(Limiter::take);
        Pick::Slot(Permit {
            pool: self.clone(),
            slot: slot.id,
            cell: slot.cell.clone(),
            left: false,
        })
    }

    /// Closes a slot whose token could not be minted, unless it is the only one.
    ///
    /// Returns whether there is another slot to go on with.
    pub(crate) fn close(&self, permit: &Permit) -> bool {
        let mut slots = self.lock();
        let others = slots.open.iter().any(|slot| slot.id != permit.slot);
        if others {
            slots.open.retain(|slot| slot.id != permit.slot);
            slots.hesitate_until = Some(Instant::now() + HESITATE);
        }
        others
    }

    /// Returns how many tokens are in use.
    pub(crate) fn open(&self) -> usize {
        self.lock().open.len()
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, id: u64, change: impl FnOnce(&mut Limiter)) {
        let mut slots = self.lock();
        if let Some(slot) = slots.open.iter_mut().find(|slot| slot.id == id) {
            change(&mut slot.limiter);
        }
    }
}

impl Slots {
    fn open(&mut self, quota: Quota) -> usize {
        self.opened += 1;
        self.open.push(Slot {
            id: self.opened,
            limiter: Limiter::new(quota),
            cell: Arc::default(),
        });
        self.open.len() - 1
    }
}

enum Pick {
    Slot(Permit),
    At(Instant),
    OnAnswer,
}

/// A place in a token's quota. Dropping it says that the request has ended, however it ended.
pub(crate) struct Permit {
    pool: Arc<Pool>,
    slot: u64,
    pub(crate) cell: Arc<Cell>,
    left: bool,
}

impl Permit {
    /// Notes that the request is leaving: from now on the server may count it.
    pub(crate) fn leaves(&mut self) {
        self.left = true;
    }

    /// Notes that the request did not leave after all.
    pub(crate) fn never_left(&mut self) {
        self.left = false;
    }

    /// Notes a 429 and says what it was about.
    pub(crate) fn refused(&self, route: &str, refused: Refused) -> Scope {
        let mut scope = Scope::Token;
        self.pool.with(self.slot, |limiter| {
            scope = limiter.refused(Instant::now(), route, refused);
        });
        scope
    }

    /// Notes a quota that the server has named.
    pub(crate) fn learn(&self, requests: u32) {
        self.pool.with(self.slot, |limiter| {
            limiter.learn(Instant::now(), requests);
        });
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let left = self.left;
        let end = |limiter: &mut Limiter| {
            if left {
                limiter.answered(Instant::now());
            } else {
                limiter.untake();
            }
        };
        self.pool.with(self.slot, end);
        self.pool.whole(end);
        // Only the caller at the turnstile ever waits, so one permit to wake is enough.
        self.pool.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(requests: u32, max: usize) -> Arc<Pool> {
        let window = Duration::from_secs(60);
        Arc::new(Pool::new(Quota { requests, window }, max, None))
    }

    async fn answered(pool: &Arc<Pool>) -> u64 {
        let mut permit = pool.acquire(Lane::Foreground).await;
        permit.leaves();
        permit.slot
    }

    #[tokio::test(start_paused = true)]
    async fn another_token_is_opened_when_the_first_runs_low_and_then_the_fuller_is_used() {
        let pool = pool(8, 2);
        let mut slots = Vec::new();
        for _ in 0..16 {
            slots.push(answered(&pool).await);
        }
        // Six of the first token's eight, then the second until both have two left.
        assert_eq!(slots[..6], [1; 6]);
        assert_eq!(slots[6..12], [2; 6]);
        assert_eq!(slots.iter().filter(|&&slot| slot == 1).count(), 8);
        assert_eq!(pool.open(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_wait_for_the_window_when_all_tokens_are_used_up() {
        let pool = pool(2, 2);
        let start = Instant::now();
        for _ in 0..4 {
            answered(&pool).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        answered(&pool).await;
        let waited = start.elapsed().as_millis();
        assert!((60_100..60_110).contains(&waited), "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn four_tokens_keep_95_percent_of_four_quotas_busy_and_none_exceeds_its_own() {
        let pool = pool(300, 4);
        let length = Duration::from_secs(600);
        let start = Instant::now();
        let workers = (0..32_u64).map(|worker| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let mut sent = Vec::new();
                loop {
                    let mut permit = pool.acquire(Lane::Foreground).await;
                    if start.elapsed() >= length {
                        return sent;
                    }
                    permit.leaves();
                    sent.push((permit.slot, Instant::now()));
                    tokio::time::sleep(Duration::from_millis(100 + 20 * worker)).await;
                }
            })
        });
        let mut sent = Vec::new();
        for worker in workers.collect::<Vec<_>>() {
            sent.append(&mut worker.await.unwrap());
        }
        assert!(sent.len() * 100 >= 10 * 4 * 300 * 95, "{}", sent.len());
        sent.sort_unstable();
        for run in sent.windows(301).filter(|run| run[0].0 == run[300].0) {
            assert!(run[300].1 - run[0].1 > Duration::from_secs(60));
        }
    }

    /// Lets a process have a part, whatever it asks for.
    struct Fixed(Option<u32>);

    impl Share for Fixed {
        fn claim(&self, used: u32, _: u32) -> futures::future::BoxFuture<'_, Option<u32>> {
            let held = self.0.map(|held| held.max(used));
            Box::pin(std::future::ready(held))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_shared_quota_no_more_is_used_than_this_process_was_told() {
        let window = Duration::from_secs(60);
        for (told, waits) in [(Some(3), 1), (Some(0), 0), (None, 0)] {
            let quota = Quota {
                requests: 4,
                window,
            };
            let share: Arc<dyn Share> = Arc::new(Fixed(told));
            let pool = Arc::new(Pool::new(quota, 2, Some(share)));
            let start = Instant::now();
            let most = told.unwrap_or(8);
            for _ in 0..most {
                answered(&pool).await;
            }
            assert_eq!(start.elapsed(), Duration::ZERO);
            let next = tokio::time::timeout(window * 2, answered(&pool)).await;
            let (waited, got) = (start.elapsed(), next.is_ok());
            assert_eq!(got, told != Some(0), "{told:?}");
            assert!(waited > window, "{told:?} waited {waited:?}");
            assert!(waits == 0 || waited < window + window / 20, "{waited:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_a_person_waits_for_goes_before_who_came_earlier_and_those_get_their_turn_at_last()
    {
        let pool = pool(4, 1);
        let start = Instant::now();
        let ask = |lane, name: &'static str, after_s| {
            let pool = pool.clone();
            tokio::spawn(async move {
                tokio::time::sleep_until(start + Duration::from_secs(after_s)).await;
                let mut permit = pool.acquire(lane).await;
                permit.leaves();
                (start.elapsed().as_secs(), name)
            })
        };
        let (front, back) = (Lane::Foreground, Lane::Background);
        let mut asked: Vec<_> = (0..4).map(|_| ask(front, "first", 0)).collect();
        // The window of the first four ends after a minute: by then all others wait.
        asked.extend((0..4).map(|_| ask(back, "scan", 40)));
        asked.extend((0..5).map(|_| ask(front, "person", 50)));
        asked.extend((0..3).map(|_| ask(front, "late", 119)));
        let mut order = Vec::new();
        for one in asked {
            order.push(one.await.unwrap());
        }
        order.sort_by_key(|(at, _)| *at);
        let names: Vec<&str> = order.iter().map(|(_, name)| *name).collect();
        assert_eq!(names[4..8], ["person"; 4], "{order:?}");
        // The scan has waited for half a minute, and has its place before who came later.
        let of = |name| names[8..12].iter().filter(|of| **of == name).count();
        assert_eq!((of("person"), of("scan")), (1, 3), "{order:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_given_back_wakes_the_caller_that_waits_for_it() {
        let pool = pool(1, 1);
        let held = pool.acquire(Lane::Foreground).await;
        let waiter = tokio::spawn({
            let pool = pool.clone();
            async move { pool.acquire(Lane::Foreground).await.slot }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert_eq!(waiter.await.unwrap(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_leaves_its_place_to_the_next() {
        let pool = pool(1, 1);
        let held = pool.acquire(Lane::Foreground).await;
        let gone = tokio::spawn({
            let pool = pool.clone();
            async move { pool.acquire(Lane::Foreground).await.slot }
        });
        tokio::task::yield_now().await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        drop(held);
        assert_eq!(answered(&pool).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_cannot_be_minted_is_closed_unless_it_is_the_only_one() {
        let pool = pool(4, 2);
        let first = pool.acquire(Lane::Foreground).await;
        assert!(!pool.close(&first));
        let held = [
            pool.acquire(Lane::Foreground).await,
            pool.acquire(Lane::Foreground).await,
        ];
        let second = pool.acquire(Lane::Foreground).await;
        assert_eq!((held[1].slot, second.slot), (1, 2));
        assert!(pool.close(&second));
        drop(second);
        assert_eq!(pool.acquire(Lane::Foreground).await.slot, 1);
        assert_eq!(pool.open(), 1);
    }
}
