//! What came of asking a URL.

use std::fmt;
use std::time::Duration;

/// What came of asking a URL, or why nothing did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It answers with this HTTP status.
    Status(u16),
    /// The name of its host leads nowhere.
    NoSuchHost,
    /// Nobody takes the connection, or it breaks off.
    Unreachable(String),
    /// How it speaks TLS, or its certificate, is not to be trusted.
    Tls(String),
    /// It did not answer in this time.
    Timeout(Duration),
    /// It cannot be asked.
    Invalid,
}

impl Answer {
    /// Tells whether nobody is there.
    ///
    /// Whoever answers is there, whatever it says: many services answer 404 or 405 to all but the
    /// very call that they are made for. Only a gateway that says that nobody is behind it is as none.
    pub fn is_down(&self) -> bool {
        match self {
            Self::Status(status) => matches!(status, 502..=504),
            Self::NoSuchHost
            | Self::Unreachable(_)
            | Self::Tls(_)
            | Self::Timeout(_)
            | Self::Invalid => true,
        }
    }

    /// Tells whether it is there and says that something else is not, or is broken.
    pub fn is_doubtful(&self) -> bool {
        matches!(self, Self::Status(status) if matches!(status, 404 | 410 | 500..))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status @ (401 | 403)) => write!(f, "answers {status}: it asks for a key"),
            Self::Status(status @ (404 | 410)) => write!(f, "answers {status}: not found"),
            Self::Status(status @ 502..=504) => {
                write!(f, "answers {status}: nobody is behind its gateway")
            }
            Self::Status(status @ 500..) => write!(f, "answers {status}: it is broken"),
            Self::Status(status @ 300..=399) => write!(f, "answers {status}: it leads elsewhere"),
            Self::Status(status) => write!(f, "answers {status}"),
            Self::NoSuchHost => write!(f, "does not answer: no such host"),
            Self::Unreachable(why) => write!(f, "does not answer: {why}"),
            Self::Tls(why) => write!(f, "cannot be trusted: {why}"),
            Self::Timeout(time) => write!(f, "does not answer within {} s", time.as_secs_f64()),
            Self::Invalid => write!(f, "is no URL that can be asked"),
        }
    }
}
