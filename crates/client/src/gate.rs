//! Whether a request that may change something may still leave.

use std::fmt;

use futures::future::BoxFuture;

/// Asked before every attempt of a call that may change something, last of all: a call may have waited
/// for minutes, for its turn or to be tried again.
pub trait Gate: Send + Sync {
    /// Lets the request leave, or says why it may not.
    fn pass(&self) -> BoxFuture<'_, Result<(), String>>;
}

impl fmt::Debug for dyn Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}
