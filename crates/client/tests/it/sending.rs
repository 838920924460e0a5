//! What is sent again, what is not, and how a failure is told.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use orgsmith_client::{Call, Error, Lost, Replay};
use serde_json::{Value, json as value};

use crate::server::{Act, Request, Server, json, rate_limited};

const QUEUES: &str = "/api/v2/routing/queues";

fn create() -> Call {
    Call::post(QUEUES).json(value!({"name": "Sales"}))
}

#[tokio::test]
async fn a_call_carries_its_query_body_and_token_and_returns_the_reply() {
    let server =
        Server::new(|_, _| json(200, r#"{"id":"q-1"}"#).header("ININ-Correlation-Id", "c-1")).await;
    let client = server.client();
    let call = create().query("name", "a b&c").label("step 1");
    let reply = client.send(call).await.unwrap();
    assert_eq!((reply.status, reply.attempts), (200, 1));
    assert_eq!(reply.body["id"], "q-1");
    assert_eq!(reply.correlation_id.as_deref(), Some("c-1"));
    let seen = &server.calls()[0];
    assert_eq!(seen.line(), "POST /api/v2/routing/queues");
    assert_eq!(seen.query["name"], "a b&c");
    assert_eq!(seen.headers["authorization"], "Bearer token-1");
    assert_eq!(seen.headers["content-type"], "application/json");
    assert_eq!(seen.body, r#"{"name":"Sales"}"#);
    let stats = client.stats();
    assert_eq!((stats.sent, stats.ok, stats.mints), (1, 1, 1));
}

#[tokio::test]
async fn an_empty_answer_is_null() {
    let server = Server::new(|_, _| json(204, "")).await;
    let reply = server.client().send(Call::delete("/api/v2/x")).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status, reply.body), (204, Value::Null));
}

#[tokio::test]
async fn a_429_is_waited_out_even_for_a_create() {
    let server = Server::new(|n, _| match n {
        1 => rate_limited(1),
        _ => json(200, "{}"),
    })
    .await;
    let client = server.client();
    let reply = client.send(create()).await.unwrap();
    assert_eq!(reply.attempts, 2);
    let calls = server.calls();
    assert!(calls[1].at - calls[0].at >= Duration::from_secs(1));
    let stats = client.stats();
    assert_eq!((stats.rate_limited, stats.retries), (1, 1));
    assert!(stats.waited_ms >= 1000);
}

#[tokio::test]
async fn a_429_of_one_service_does_not_hold_other_routes() {
    let server = Server::new(|_, request| match &*request.method {
        "PUT" => rate_limited(1),
        _ => json(200, "{}"),
    })
    .await;
    let client = server.builder().max_attempts(2).build().unwrap();
    let start = Instant::now();
    let put = client.send(Call::put("/api/v2/architect/ivrs/1").json(value!({})));
    let put = async { (put.await, start.elapsed()) };
    let get = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let reply = client.send(Call::get("/api/v2/users")).await;
        (reply, start.elapsed())
    };
    let ((put, put_time), (get, get_time)) = tokio::join!(put, get);
    assert_eq!(put.unwrap_err().status(), Some(429));
    get.unwrap();
    assert!(get_time < put_time, "{get_time:?} {put_time:?}");
    assert!(put_time >= Duration::from_secs(1), "{put_time:?}");
}

#[tokio::test]
async fn a_wait_beyond_the_budget_is_not_begun() {
    let server = Server::new(|_, _| rate_limited(36_000)).await;
    let start = Instant::now();
    let error = server.client().send(create()).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(!error.may_have_been_acted_on());
    let refusal = error.refusal().unwrap();
    assert_eq!(refusal.code, "too.many.requests.retry.after");
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(36_000)));
    assert!(matches!(error, Error::Exhausted { attempts: 1, .. }));
}

#[tokio::test]
async fn create_with_lost_reply_is_not_sent_twice() {
    let server = Server::new(|_, _| Act::Close).await;
    let error = server.client().send(create()).await.unwrap_err();
    let why = match &error {
        Error::Unanswered { why, .. } => why,
        other => panic!("{other}"),
    };
    assert!(matches!(why, Lost::Reset { .. }), "{why}");
    assert!(error.may_have_been_acted_on());
    assert_eq!(server.lines(), ["POST /api/v2/routing/queues"]);
}

#[tokio::test]
async fn what_may_be_replayed_is_sent_again_after_every_kind_of_loss() {
    let server = Server::new(|n, _| match n {
        1 => Act::Close,
        2 => json(408, ""),
        3 => Act::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"id\":".into()),
        4 => json(503, "<html><title>Busy</title></html>"),
        5 => Act::Hang,
        _ => json(200, r#"{"id":"q-1"}"#),
    })
    .await;
    let client = server
        .builder()
        .max_attempts(6)
        .timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let call = create().replay(Replay::Safe);
    let reply = client.send(call).await.unwrap();
    assert_eq!(reply.attempts, 6);
    assert_eq!(reply.body["id"], "q-1");
    let stats = client.stats();
    let told = (
        stats.sent,
        stats.unanswered,
        stats.server_faults,
        stats.refused,
    );
    assert_eq!(told, (6, 3, 1, 1));
}

#[tokio::test]
async fn a_create_is_unanswered_after_every_kind_of_loss() {
    for (n, expected) in [
        "status 408",
        "status 502: html page: Bad Gateway",
        "connection lost: ",
        "timed out",
        "status 500 internal.server.error: oops",
    ]
    .into_iter()
    .enumerate()
    {
        let server = Server::new(move |_, _| match n {
            0 => json(408, ""),
            1 => json(502, "<html><title>Bad Gateway</title></html>"),
            2 => Act::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"id\":".into()),
            3 => Act::Hang,
            _ => json(
                500,
                r#"{"code":"internal.server.error","message":"oops","contextId":"c-5"}"#,
            ),
        })
        .await;
        let builder = server.builder().timeout(Duration::from_millis(300));
        let error = builder.build().unwrap().send(create()).await.unwrap_err();
        assert!(matches!(error, Error::Unanswered { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(server.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_request_that_cannot_connect_was_certainly_not_acted_on() {
    let server = Server::new(|_, _| json(200, "{}")).await;
    let client = server.client();
    client.send(Call::get("/api/v2/x")).await.unwrap();
    server.stop().await;
    let error = client.send(create()).await.unwrap_err();
    let Error::Exhausted {
        attempts,
        possibly_acted,
        last,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!((*attempts, *possibly_acted), (4, false));
    assert!(matches!(**last, Error::Connect { .. }), "{last}");
}

#[tokio::test]
async fn a_refusal_is_final_and_says_all_the_server_said() {
    let server = Server::new(|_, _| {
        json(
            400,
            r#"{"code":"duplicate.name","message":"Name is in use","contextId":"c-9",
                "details":[{"errorCode":"duplicate","fieldName":"name"}]}"#,
        )
    })
    .await;
    let error = server.client().send(create()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "POST /api/v2/routing/queues (org test, correlation c-9): \
         status 400 duplicate.name: Name is in use; duplicate name"
    );
    assert!(error.has_code("duplicate.name") && !error.may_have_been_acted_on());
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_refusal_after_a_lost_reply_may_be_about_the_lost_attempt() {
    let server = Server::new(|n, _| match n {
        1 => Act::Close,
        _ => json(409, r#"{"code":"general.conflict"}"#),
    })
    .await;
    let call = Call::put("/api/v2/users/1").json(value!({"version": 3}));
    let error = server.client().send(call).await.unwrap_err();
    assert_eq!(error.status(), Some(409));
    assert!(error.may_have_been_acted_on());
}

#[tokio::test]
async fn a_page_where_json_should_be_is_a_bad_body() {
    let server = Server::new(|_, _| json(200, "<html><title>Sign in</title></html>")).await;
    let error = server.client().send(create()).await.unwrap_err();
    assert!(
        matches!(error, Error::BadBody { status: 200, .. }),
        "{error}"
    );
    assert!(error.may_have_been_acted_on());
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn an_oversize_answer_is_cut_off_with_and_without_a_length() {
    let server = Server::new(|n, _| match n {
        1 => json(200, format!("\"{}\"", "x".repeat(2000))),
        _ => Act::Bytes(format!("HTTP/1.1 200 OK\r\n\r\n\"{}\"", "x".repeat(2000))),
    })
    .await;
    let client = server.builder().max_body(1000).build().unwrap();
    for _ in 0..2 {
        let error = client.send(Call::get("/api/v2/x")).await.unwrap_err();
        assert!(
            matches!(error, Error::TooLarge { limit: 1000, .. }),
            "{error}"
        );
    }
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn a_redirect_does_not_carry_the_token_to_another_host() {
    let other = Server::new(|_, _| json(200, "{}")).await;
    let target = format!("{}/steal", other.url);
    let server = Server::new(move |_, _| json(302, "").header("location", &target)).await;
    let error = server
        .client()
        .send(Call::get("/api/v2/x"))
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(message.ends_with("redirect to 127.0.0.1 not followed"));
    assert_eq!(other.calls().len(), 0);
}

#[tokio::test]
async fn a_path_cannot_change_the_host() {
    let server = Server::new(|_, _| json(200, "{}")).await;
    let client = server.client();
    for path in ["@example.com/", ".example.com/", "https://example.com/"] {
        let error = client.send(Call::get(path)).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
    }
    assert_eq!(server.mints() + server.calls().len(), 0);
}

#[tokio::test]
async fn tries_and_time_are_bounded() {
    let server = Server::new(|_, _| json(503, "").after_ms(20)).await;
    let client = server
        .builder()
        .max_attempts(1_000_000)
        .max_elapsed(Duration::from_millis(300))
        .build()
        .unwrap();
    let start = Instant::now();
    let error = client.send(Call::get("/api/v2/x")).await.unwrap_err();
    let Error::Exhausted {
        attempts, elapsed, ..
    } = error
    else {
        panic!("{error}");
    };
    assert!(attempts > 2);
    assert!(elapsed >= Duration::from_millis(200), "{elapsed:?}");
    assert!(start.elapsed() <= Duration::from_secs(20));
    let server = Server::new(|_, _| json(503, "")).await;
    let error = server.client().send(Call::get("/api/v2/x")).await;
    assert!(matches!(
        error.unwrap_err(),
        Error::Exhausted {
            attempts: 4,
            possibly_acted: true,
            ..
        }
    ));
}

/// Expects that no window holds more requests than these, whatever its phase.
fn expect_no_more(calls: &[Request], most: usize, window: Duration) {
    for run in calls.windows(most + 1) {
        let apart = run[most].at - run[0].at;
        assert!(apart >= window, "{apart:?}");
    }
}

#[tokio::test]
async fn no_window_of_the_server_sees_more_than_the_quota() {
    let window = Duration::from_millis(250);
    let server = Server::new(|n, _| json(200, "{}").after_ms(n as u64 % 7)).await;
    let client = server
        .builder()
        .tokens(1)
        .quota(10, window)
        .build()
        .unwrap();
    let calls = (0..45).map(|_| client.send(Call::get("/api/v2/x")));
    for reply in futures::future::join_all(calls).await {
        reply.unwrap();
    }
    let calls = server.calls();
    expect_no_more(&calls, 10, window);
    let tokens: BTreeMap<&str, usize> = calls.iter().map(|call| (call.token(), 1)).collect();
    assert_eq!(tokens.len(), 1);
}

#[tokio::test]
async fn a_smaller_quota_that_the_server_names_is_kept_from_then_on() {
    let window = Duration::from_millis(250);
    let allowed = |_, _: &_| json(200, "{}").header("inin-ratelimit-allowed", 4);
    let server = Server::new(allowed).await;
    let client = server
        .builder()
        .tokens(1)
        .quota(20, window)
        .build()
        .unwrap();
    client.send(Call::get("/api/v2/x")).await.unwrap();
    let calls = (0..15).map(|_| client.send(Call::get("/api/v2/x")));
    for reply in futures::future::join_all(calls).await {
        reply.unwrap();
    }
    expect_no_more(&server.calls(), 4, window);
}
