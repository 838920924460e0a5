//! Where callers wait for a place in a quota: one at a time, in the order they came, and whoever a
//! person waits for before all others.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::{Instant, timeout_at};

/// After so long, a caller in the background waits no longer behind those who came later.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which callers go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lane {
    /// A person waits for it.
    #[default]
    Foreground,
    /// Nobody does.
    Background,
}

#[derive(Debug)]
pub(crate) struct Turnstile {
    /// Held across waits on purpose: it is a queue, not a guard of data.
    turn: Mutex<()>,
    /// How many wait in the foreground, with the one whose turn it is.
    foreground: watch::Sender<usize>,
}

/// A caller that waits.
pub(crate) struct Waiting {
    lane: Lane,
    since: Instant,
}

impl Waiting {
    pub(crate) fn new(lane: Lane) -> Self {
        Self {
            lane,
            since: Instant::now(),
        }
    }
}

/// A caller whose turn it is, until this is dropped.
pub(crate) struct Turn<'t> {
    _turn: MutexGuard<'t, ()>,
    /// Where the caller gives way to those in the foreground.
    gives_way: Option<watch::Receiver<usize>>,
    _counted: Option<Counted<'t>>,
}

struct Counted<'t>(&'t watch::Sender<usize>);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

impl Turnstile {
    pub(crate) fn new() -> Self {
        Self {
            turn: Mutex::new(()),
            foreground: watch::Sender::new(0),
        }
    }

    /// Waits for the caller's turn.
    pub(crate) async fn enter(&self, waiting: &Waiting) -> Turn<'_> {
        if waiting.lane == Lane::Background {
            let patience = waiting.since + PATIENCE;
            if let Ok(turn) = timeout_at(patience, self.enter_behind()).await {
                return turn;
            }
        }
        self.foreground.send_modify(|waiting| *waiting += 1);
        let counted = Counted(&self.foreground);
        Turn {
            _turn: self.turn.lock().await,
            gives_way: None,
            _counted: Some(counted),
        }
    }

    async fn enter_behind(&self) -> Turn<'_> {
        let mut foreground = self.foreground.subscribe();
        loop {
            nobody(&mut foreground).await;
            tokio::select! {
                biased;
                () = somebody(&mut foreground) => {}
                turn = self.turn.lock() => {
                    return Turn { _turn: turn, gives_way: Some(foreground), _counted: None };
                }
            }
        }
    }
}

impl Turn<'_> {
    /// Ends when the caller has to give way to somebody.
    pub(crate) async fn over(&mut self) {
        match &mut self.gives_way {
            Some(foreground) => somebody(foreground).await,
            None => std::future::pending().await,
        }
    }
}

async fn nobody(foreground: &mut watch::Receiver<usize>) {
    // The sender lives as long as the turnstile.
    let _ = foreground.wait_for(|waiting| *waiting == 0).await;
}

async fn somebody(foreground: &mut watch::Receiver<usize>) {
    let _ = foreground.wait_for(|waiting| *waiting > 0).await;
}
