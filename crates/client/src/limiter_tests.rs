//! The limiter against a model of the server's window, with no time passing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use proptest::prelude::*;

use super::*;

const WINDOW: Duration = Duration::from_secs(60);

fn limiter(requests: u32) -> Limiter {
    Limiter::new(Quota {
        requests,
        window: WINDOW,
    })
}

/// A greedy client with `workers` loops; returns when the server counts its requests, in order.
///
/// Latencies are drawn from `latencies` (milliseconds to the server, and back).
fn run(quota: u32, workers: usize, latencies: &[(u64, u64)], length: Duration) -> Vec<Instant> {
    let start = Instant::now();
    let mut limiter = limiter(quota);
    let mut answers: BinaryHeap<Reverse<Instant>> = BinaryHeap::new();
    let mut latencies = latencies.iter().cycle();
    let mut counted = Vec::new();
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
                    let arrives = now + Duration::from_millis(there);
                    counted.push(arrives);
                    answers.push(Reverse(arrives + Duration::from_millis(back)));
                    continue;
                }
                Ready::At(at) => Some(at),
                Ready::OnAnswer => None,
            }
        };
        let answer = answers.peek().map(|Reverse(at)| *at);
        now = [wake, answer].into_iter().flatten().min().unwrap();
    }
    counted.sort_unstable();
    counted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_window_of_any_phase_sees_more_than_the_quota(
        quota in 1..320_u32,
        workers in 1..400_usize,
        latencies in (1..20_000_u64, 1..20_000_u64).prop_flat_map(|(there, back)| {
            proptest::collection::vec((0..there, 0..back), 1..50)
        }),
    ) {
        let counted = run(quota, workers, &latencies, WINDOW * 5);
        // A fixed window, wherever it begins, is one of the sliding ones.
        for run in counted.windows(quota as usize + 1) {
            let apart = run[quota as usize] - run[0];
            prop_assert!(apart > WINDOW, "{} requests in {apart:?}", quota + 1);
        }
    }

    #[test]
    fn at_least_95_percent_of_the_quota_is_used_when_there_is_work(
        latencies in proptest::collection::vec((1..700_u64, 1..700_u64), 1..50),
    ) {
        let windows = 10;
        let counted = run(300, 32, &latencies, WINDOW * windows);
        let most = 300 * windows as usize;
        prop_assert!(counted.len() * 100 >= most * 95, "{} of {most}", counted.len());
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
