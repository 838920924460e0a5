//! Counts of what was sent and how it was answered.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A snapshot of a client's counters since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests that left, retries included, token requests and transfers excluded.
    pub sent: u64,
    /// Answers with status 2xx.
    pub ok: u64,
    /// Answers with status 4xx other than 429.
    pub refused: u64,
    /// Answers with status 429.
    pub rate_limited: u64,
    /// Answers with status 5xx.
    pub server_faults: u64,
    /// Answers with any other status (redirects, mostly).
    pub other: u64,
    /// Requests that could not connect or whose answer was lost.
    pub unanswered: u64,
    /// Requests sent again after a failed attempt.
    pub retries: u64,
    /// Tokens minted.
    pub mints: u64,
    /// Presigned uploads and downloads sent.
    pub transfers: u64,
    /// Time spent waiting for quota or before a retry, summed over all calls, in milliseconds.
    pub waited_ms: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    sent: AtomicU64,
    ok: AtomicU64,
    refused: AtomicU64,
    rate_limited: AtomicU64,
    server_faults: AtomicU64,
    other: AtomicU64,
    unanswered: AtomicU64,
    retries: AtomicU64,
    mints: AtomicU64,
    transfers: AtomicU64,
    waited_ms: AtomicU64,
}

impl Counters {
    pub(crate) fn sent(&self) {
        self.sent.fetch_add(1, Relaxed);
    }

    pub(crate) fn answered(&self, status: u16) {
        let counter = match status {
            200..300 => &self.ok,
            429 => &self.rate_limited,
            400..500 => &self.refused,
            500..600 => &self.server_faults,
            _ => &self.other,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn unanswered(&self) {
        self.unanswered.fetch_add(1, Relaxed);
    }

    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(crate) fn minted(&self) {
        self.mints.fetch_add(1, Relaxed);
    }

    pub(crate) fn transferred(&self) {
        self.transfers.fetch_add(1, Relaxed);
    }

    pub(crate) fn waited(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.waited_ms.fetch_add(ms, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Stats {
        let Self {
            sent,
            ok,
            refused,
            rate_limited,
            server_faults,
            other,
            unanswered,
            retries,
            mints,
            transfers,
            waited_ms,
        } = self;
        Stats {
            sent: sent.load(Relaxed),
            ok: ok.load(Relaxed),
            refused: refused.load(Relaxed),
            rate_limited: rate_limited.load(Relaxed),
            server_faults: server_faults.load(Relaxed),
            other: other.load(Relaxed),
            unanswered: unanswered.load(Relaxed),
            retries: retries.load(Relaxed),
            mints: mints.load(Relaxed),
            transfers: transfers.load(Relaxed),
            waited_ms: waited_ms.load(Relaxed),
        }
    }
}
