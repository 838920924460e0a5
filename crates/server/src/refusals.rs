//! Who was refused: kept in the audit beside who was not, but no more of it than a person can read.
//!
//! Somebody who is refused again and again, or from many places, must not fill the database: in a minute so
//! many entries are kept of each, and of all together. How many were left out is kept as well.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::Extensions;
use axum::middleware::Next;
use axum::response::Response;
use orgsmith_engine::now_ms;
use tracing::warn;

use crate::problem::Problem;
use crate::service::Service;

/// Entries that are kept of one token, or of one address without one, in a minute.
const OF_EACH: u64 = 10;
/// Entries that are kept of all together in a minute.
const OF_ALL: u64 = 120;
/// Names that are told apart in a minute; the rest is counted together.
const NAMES: usize = 1_000;
/// How many of those that were left out most are named.
const NAMED: usize = 10;
/// The longest reason that is kept, in characters.
const LONGEST: usize = 300;
const MINUTE_MS: u64 = 60_000;
/// The name of those that are counted together.
const OTHERS: &str = "others";

/// Counts refusals by who was refused, a minute at a time.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    begun_ms: u64,
    kept: u64,
    /// How many were kept of each, and how many left out.
    by: BTreeMap<String, (u64, u64)>,
}

impl Minute {
    /// Counts a refusal, and tells whether it is to be kept.
    fn count(&mut self, who: &str) -> bool {
        let is_known = self.by.contains_key(who) || self.by.len() < NAMES;
        let who = if is_known { who } else { OTHERS };
        let (kept, left_out) = self.by.entry(who.to_owned()).or_default();
        if *kept < OF_EACH && self.kept < OF_ALL {
            *kept += 1;
            self.kept += 1;
            true
        } else {
            *left_out += 1;
            false
        }
    }

    /// Tells who was left out how often: by name where it was often, the rest together.
    fn left_out(self) -> Vec<(String, u64)> {
        let by = self.by.into_iter();
        let by = by.filter_map(|(who, (_, count))| (count > 0).then_some((who, count)));
        let mut left: Vec<_> = by.collect();
        // Of equally many, by name.
        left.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        if left.len() > NAMED {
            let rest = left.split_off(NAMED);
            let rest = rest.iter().map(|(_, count)| count).sum();
            left.push((OTHERS.to_owned(), rest));
        }
        left
    }
}

impl Refusals {
    fn minute(&self) -> MutexGuard<'_, Minute> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the minute if it is over, and tells who was left out in it.
    fn ended(&self, now_ms: u64) -> Vec<(String, u64)> {
        let mut minute = self.minute();
        if now_ms < minute.begun_ms.saturating_add(MINUTE_MS) {
            return Vec::new();
        }
        let next = Minute {
            begun_ms: now_ms,
            ..Minute::default()
        };
        std::mem::replace(&mut *minute, next).left_out()
    }
}

/// Who asks, for those that stand around a request: told once it is known.
#[derive(Clone, Default)]
pub(crate) struct Asker(Arc<OnceLock<String>>);

impl Asker {
    /// Takes note of who it is.
    pub(crate) fn is(extensions: &Extensions, name: &str) {
        if let Some(Self(asker)) = extensions.get() {
            // It is the same however often it is found out.
            let _ = asker.set(name.to_owned());
        }
    }
}

/// Left with an answer that refuses.
#[derive(Clone)]
struct Refused(Problem);

/// Leaves with an answer that it refuses, so that it is kept in the audit.
pub(crate) fn mark(response: &mut Response, problem: &Problem) {
    if problem.refused {
        response.extensions_mut().insert(Refused(problem.clone()));
    }
}

/// Returns where a request comes from, as far as that tells people apart: whoever has one address of
/// IPv6 has the 2^64 beside it.
fn place(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = address.to_bits() >> 64 << 64;
            format!("{}/64", Ipv6Addr::from_bits(prefix))
        }
        address => address.to_string(),
    }
}

/// Stands around every request, and keeps in the audit who was refused what.
pub(crate) async fn note(
    State(service): State<Service>,
    mut request: Request,
    next: Next,
) -> Response {
    let asker = Asker::default();
    let extensions = request.extensions_mut();
    extensions.insert(asker.clone());
    let route = extensions.get().map_or("/…", MatchedPath::as_str);
    let route = route.to_owned();
    let from = extensions.get::<ConnectInfo<SocketAddr>>();
    let from = from.map_or("somewhere".to_owned(), |ConnectInfo(at)| place(at.ip()));
    let action = format!("{} {route}", request.method());
    let mut response = next.run(request).await;
    if let Some(Refused(problem)) = response.extensions_mut().remove() {
        let who = asker.0.get().cloned();
        let who = who.unwrap_or_else(|| format!("unknown at {from}"));
        service.keep_refusal(&who, &action, &problem).await;
    }
    response
}

impl Service {
    /// Keeps in the audit that somebody was refused.
    async fn keep_refusal(&self, who: &str, action: &str, problem: &Problem) {
        warn!(who, action, why = problem.detail, "refused");
        self.keep_left_out(now_ms()).await;
        if !self.refusals().minute().count(who) {
            return;
        }
        let why: String = problem.detail.chars().take(LONGEST).collect();
        // What is no org of ours may be any text.
        let org = problem.org.as_deref();
        let org = org.filter(|org| self.org(org).is_ok());
        let outcome = format!("refused: {why}");
        let kept = self.act(who, action, org, None, &outcome).await;
        if kept.is_err() {
            warn!(who, action, "a refusal could not be kept in the audit");
        }
    }

    /// Keeps in the audit how many refusals of the last minute are not in it, once it is over.
    pub(crate) async fn keep_left_out(&self, now_ms: u64) {
        for (who, count) in self.refusals().ended(now_ms) {
            let outcome = format!("refused: {count} more times within a minute, not listed");
            if self.act(&who, "ask", None, None, &outcome).await.is_err() {
                warn!(who, count, "refusals could not be kept in the audit");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_kept_of_each_and_of_all_and_the_rest_is_counted() {
        let mut minute = Minute::default();
        let kept = (0..25).filter(|_| minute.count("a")).count() as u64;
        assert_eq!(kept, OF_EACH);
        assert!(minute.count("b"), "somebody else is not left out for it");
        for number in 0..5_000 {
            minute.count(&format!("c{number}"));
        }
        assert_eq!(minute.kept, OF_ALL);
        assert!(minute.by.len() <= NAMES + 1);
        let all: u64 = minute.by.values().map(|(kept, left)| kept + left).sum();
        assert_eq!(all, 25 + 1 + 5_000);
        let left = minute.left_out();
        assert!(left.len() <= NAMED + 1);
        assert!(left.contains(&("a".to_owned(), 15)), "{left:?}");
        let told: u64 = left.iter().map(|(_, count)| count).sum();
        assert_eq!(told, 25 + 1 + 5_000 - OF_ALL, "each is kept or counted");
    }

    #[test]
    fn a_minute_ends_once_and_then_counts_anew() {
        let refusals = Refusals::default();
        assert_eq!(refusals.ended(MINUTE_MS), []);
        for _ in 0..12 {
            refusals.minute().count("a");
        }
        assert_eq!(refusals.ended(2 * MINUTE_MS - 1), []);
        assert_eq!(refusals.ended(2 * MINUTE_MS), [("a".to_owned(), 2)]);
        assert_eq!(refusals.ended(3 * MINUTE_MS), []);
        assert!(refusals.minute().count("a"));
    }

    #[test]
    fn neighbours_of_one_network_are_one_place() {
        let place = |text: &str| place(text.parse().expect("an address"));
        assert_eq!(place("10.0.0.1"), "10.0.0.1");
        assert_eq!(place("::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(place("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(place("2001:db8:1:2::9"), "2001:db8:1:2::/64");
    }
}
