//! The limiter against a model of the server's window, with no time passing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use proptest::prelude::*;

use super::*;

const WINDOW: Duration = Duration::from_secs(60);

fn limiter(requests: u32) -> Limiter {
    Limiter::new(Quota {
        requests,
        window: WINDOW,
    })
}

/// What a run of the model saw.
struct Run {
    /// Requests the server counted, by window.
    windows: BTreeMap<u64, u32>,
    /// Requests the server counted per token in the whole run.
    counted: u32,
}

/// A greedy client with `workers` loops against a server whose windows begin at `phase`.
///
/// Latencies are drawn from `latencies` (milliseconds to the server, and back).
fn run(quota: u32, workers: usize, phase: u64, latencies: &[(u64, u64)], length: Duration) -> Run {
    let start = Instant::now();
    let ms = |t: Instant| u64::try_from((t - start).as_millis()).unwrap();
    let mut limiter = limiter(quota);
    let mut answers: BinaryHeap<Reverse<Instant>> = BinaryHeap::new();
    let mut latencies = latencies.iter().cycle();
    let mut seen = Run {
        windows: BTreeMap::new(),
        counted: 0,
    };
    let mut now = start;
    while now < start + length {
        while answers.peek().is_some_and(|Reverse(at)| *at <= now) {
            answers.pop();
            limiter.answered(now);
        }
        let wake = if answers.len() >= workers {
            None
        } else {
            match limiter.ready(now) {
                Ready::Now { .. } => {
                    limiter.take();
                    let (there, back) = *latencies.next().unwrap();
                    let counted = now + Duration::from_millis(there);
                    let window = (ms(counted) + phase) / ms(start + WINDOW);
                    *seen.windows.entry(window).or_default() += 1;
                    seen.counted += 1;
                    answers.push(Reverse(counted + Duration::from_millis(back)));
                    continue;
                }
                Ready::At(at) => Some(at),
                Ready::OnAnswer => None,
            }
        };
        let answer = answers.peek().map(|Reverse(at)| *at);
        now = [wake, answer].into_iter().flatten().min().unwrap();
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_window_of_any_phase_sees_more_than_the_quota(
        quota in 1..320_u32,
        workers in 1..400_usize,
        phase in 0..60_000_u64,
        latencies in proptest::collection::vec((0..20_000_u64, 0..20_000_u64), 1..50),
    ) {
        let seen = run(quota, workers, phase, &latencies, WINDOW * 5);
        for (window, count) in seen.windows {
            prop_assert!(count <= quota, "window {window}: {count} > {quota}");
        }
    }

    #[test]
    fn at_least_95_percent_of_the_quota_is_used_when_there_is_work(
        phase in 0..60_000_u64,
        latencies in proptest::collection::vec((1..700_u64, 1..700_u64), 1..50),
    ) {
        let windows = 10;
        let seen = run(300, 32, phase, &latencies, WINDOW * windows);
        prop_assert!(
            seen.counted * 100 >= 300 * windows * 95,
            "{} of {}", seen.counted, 300 * windows
        );
    }
}

#[test]
fn a_burst_up_to_the_quota_needs_no_wait_and_the_next_waits_a_window_from_the_answer() {
    let mut limiter = limiter(3);
    let start = Instant::now();
    for headroom in [3, 2, 1] {
        assert_eq!(limiter.ready(start), Ready::Now { headroom });
        limiter.take();
    }
    assert_eq!(limiter.ready(start), Ready::OnAnswer);
    let answered = start + Duration::from_secs(5);
    limiter.answered(answered);
    let free = answered + WINDOW + Duration::from_millis(100);
    assert_eq!(limiter.ready(answered), Ready::At(free));
    assert_eq!(limiter.ready(free), Ready::Now { headroom: 1 });
}

#[test]
fn a_request_that_never_left_costs_nothing() {
    let mut limiter = limiter(1);
    let now = Instant::now();
    limiter.take();
    limiter.untake();
    assert_eq!(limiter.ready(now), Ready::Now { headroom: 1 });
}

#[test]
fn a_429_near_the_quota_blocks_the_token_and_teaches_the_smaller_quota() {
    let mut limiter = limiter(10);
    let now = Instant::now();
    (0..8).for_each(|_| limiter.take());
    let refused = Refused {
        retry_after: Some(Duration::from_secs(30)),
        named: None,
    };
    assert_eq!(limiter.refused(now, "GET /a", refused), Scope::Token);
    (0..8).for_each(|_| limiter.answered(now));
    let until = now + Duration::from_millis(30_100);
    assert_eq!(limiter.ready(now), Ready::At(until));
    // Seven were let through, eight places are cooling: two must be free before the next.
    assert_eq!(limiter.allowed(), 7);
    let cooled = now + Duration::from_millis(60_100);
    assert_eq!(limiter.ready(until), Ready::At(cooled));
    assert_eq!(limiter.ready(cooled), Ready::Now { headroom: 7 });
    // The lesson is forgotten after three quiet windows.
    let later = now + WINDOW * 3;
    assert_eq!(limiter.ready(later), Ready::Now { headroom: 10 });
}

#[test]
fn a_429_far_from_the_quota_is_about_the_route_until_a_second_route_is_refused() {
    let mut limiter = limiter(300);
    let now = Instant::now();
    limiter.take();
    let refused = Refused {
        retry_after: Some(Duration::from_secs(10)),
        named: None,
    };
    assert_eq!(limiter.refused(now, "PUT /ivrs/*", refused), Scope::Route);
    assert_eq!(limiter.refused(now, "PUT /ivrs/*", refused), Scope::Route);
    assert!(matches!(limiter.ready(now), Ready::Now { .. }));
    assert_eq!(limiter.refused(now, "GET /users", refused), Scope::Token);
    assert_eq!(
        limiter.ready(now),
        Ready::At(now + Duration::from_millis(10_100))
    );
}

#[test]
fn a_wait_longer_than_a_window_is_never_about_the_token() {
    let mut limiter = limiter(2);
    let now = Instant::now();
    limiter.take();
    let refused = Refused {
        retry_after: Some(Duration::from_secs(36_000)),
        named: None,
    };
    assert_eq!(limiter.refused(now, "POST /jobs", refused), Scope::Route);
    assert_eq!(limiter.ready(now), Ready::Now { headroom: 1 });
}

#[test]
fn a_limit_the_server_names_is_believed() {
    let mut limiter = limiter(300);
    let now = Instant::now();
    let named = |scope| Refused {
        retry_after: Some(Duration::from_secs(1)),
        named: Some(scope),
    };
    assert_eq!(
        limiter.refused(now, "GET /a", named(Scope::Route)),
        Scope::Route
    );
    assert_eq!(
        limiter.refused(now, "GET /a", named(Scope::Token)),
        Scope::Token
    );
}
