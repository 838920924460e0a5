//! HTTP and OAuth for Genesys Cloud: sends one call, or lists all pages of one path.
//!
//! This room knows how the Platform API is spoken (hosts, tokens, quotas, errors, paging) and
//! nothing of what is said: no kinds, no plans. It never repeats a request that may have been
//! acted on unless the call says that it may; see [`Replay`]. Read on in [`Client`], then
//! `retry` for what is tried again, and `limiter` for how fast calls are sent.

mod answer;
mod auth;
mod builder;
mod call;
mod client;
mod error;
mod gate;
mod hook;
mod limiter;
mod page;
mod place;
mod plain;
mod pool;
mod probe;
mod random;
mod region;
mod retry;
mod share;
mod socket;
mod stats;
mod transfer;
mod transport;
mod turnstile;

pub use answer::Reply;
pub use auth::Credentials;
pub use builder::{BuildError, Builder, Endpoint};
pub use call::{Body, Call, Host, Part, Replay, path_segment};
pub use client::{Client, Identity};
pub use error::{AuthFault, CallRef, Detail, Error, Limit, Lost, Refusal};
pub use gate::Gate;
pub use hook::{HookError, post_json};
pub use limiter::Quota;
pub use page::{ListError, ListFault, Listing, PageStyle};
pub use place::{is_loopback, keeps_secrets};
pub use plain::{Plain, PlainError, PlainReply, PlainRequest};
pub use probe::{Probe, Prober};
pub use region::{Region, UnknownRegion};
pub use reqwest::Method;
pub use retry::{Decision, Outcome, Policy, Stop, decide};
pub use share::Share;
pub use socket::Socket;
pub use stats::Stats;
