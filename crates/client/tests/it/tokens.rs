//! How tokens come, go and share the load.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use orgsmith_client::{AuthFault, Call, Error};

use crate::server::{Act, Server, json, mint};

fn throttled() -> Act {
    json(
        400,
        r#"{"error":"invalid_request","description":"rate limit exceeded; try again"}"#,
    )
}

fn unauthorized() -> Act {
    json(
        401,
        r#"{"code":"bad.credentials","message":"Invalid login credentials."}"#,
    )
}

fn fault(error: Error) -> AuthFault {
    match error {
        Error::Auth { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_token_is_asked_for_with_basic_credentials_and_a_form() {
    let server = Server::with_tokens(
        |n, request| {
            // client-1:hunter2-client-secret
            assert_eq!(
                request.headers["authorization"],
                "Basic Y2xpZW50LTE6aHVudGVyMi1jbGllbnQtc2VjcmV0"
            );
            assert_eq!(
                request.headers["content-type"],
                "application/x-www-form-urlencoded"
            );
            assert_eq!(request.body, "grant_type=client_credentials");
            mint(n)
        },
        |_, _| {
            json(
                200,
                r#"{"organization":{"id":"o-1","name":"Demo"},
                    "OAuthClient":{"id":"client-1","name":"orgsmith"}}"#,
            )
        },
    )
    .await;
    let identity = server.client().check().await.unwrap();
    assert_eq!(identity.organization_name, "Demo");
    assert_eq!(identity.client_id, "client-1");
    assert_eq!(server.lines(), ["GET /api/v2/tokens/me"]);
}

#[tokio::test]
async fn fifty_calls_mint_one_token_and_refresh_it_once() {
    let server = Server::with_tokens(
        |n, _| mint(n).after_ms(30),
        |_, request| match request.query.contains_key("revoked") {
            true if request.token() == "token-1" => unauthorized(),
            _ => json(200, "{}"),
        },
    )
    .await;
    let client = server.client();
    let fifty = |call: Call| {
        let calls = (0..50).map(|_| client.send(call.clone()));
        futures::future::join_all(calls.collect::<Vec<_>>())
    };
    for reply in fifty(Call::get("/api/v2/x")).await {
        assert_eq!(reply.unwrap().attempts, 1);
    }
    assert_eq!(server.mints(), 1);
    // Creates, too: what is refused for its token was not acted on.
    for reply in fifty(Call::post("/api/v2/x").query("revoked", 1)).await {
        assert_eq!(reply.unwrap().attempts, 2);
    }
    assert_eq!(server.mints(), 2);
}

#[tokio::test]
async fn fifty_calls_that_wait_for_a_mint_fail_with_it() {
    let server = Server::with_tokens(|_, _| Act::Close, |_, _| json(200, "{}")).await;
    let client = server.client();
    let calls = (0..50).map(|_| client.send(Call::get("/api/v2/x")));
    for error in futures::future::join_all(calls.collect::<Vec<_>>()).await {
        let fault = fault(error.unwrap_err());
        assert!(matches!(fault, AuthFault::Unavailable { .. }));
    }
    assert_eq!((server.mints(), server.calls().len()), (4, 0));
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_means_the_client_is_revoked() {
    let server = Server::new(|n, _| match n {
        1 => json(200, "{}"),
        _ => unauthorized(),
    })
    .await;
    let client = server.client();
    client.send(Call::get("/api/v2/x")).await.unwrap();
    let error = client.send(Call::get("/api/v2/x")).await.unwrap_err();
    assert!(matches!(fault(error), AuthFault::Revoked { .. }));
    assert_eq!((server.calls().len(), server.mints()), (3, 2));
}

#[tokio::test]
async fn an_expired_token_is_replaced_before_the_next_call() {
    let server = Server::with_tokens(
        |n, _| {
            json(
                200,
                format!(r#"{{"access_token":"token-{n}","expires_in":0}}"#),
            )
        },
        |_, _| json(200, "{}"),
    )
    .await;
    let client = server.client();
    for _ in 0..2 {
        client.send(Call::get("/api/v2/x")).await.unwrap();
    }
    let calls = server.calls();
    assert_eq!([calls[0].token(), calls[1].token()], ["token-1", "token-2"]);
}

#[tokio::test]
async fn wrong_credentials_end_the_call_before_it_is_sent() {
    let server = Server::with_tokens(
        |_, _| {
            json(
                400,
                r#"{"error":"invalid_client","description":"client not found"}"#,
            )
        },
        |_, _| json(200, "{}"),
    )
    .await;
    let error = server.client().send(Call::get("/api/v2/x")).await;
    let error = error.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("status 400 invalid_client: client not found"),
        "{error}"
    );
    assert!(matches!(fault(error), AuthFault::BadCredentials { .. }));
    assert_eq!((server.mints(), server.calls().len()), (1, 0));
}

#[tokio::test]
async fn a_throttled_mint_backs_off_until_it_is_let_through() {
    let server = Server::with_tokens(
        |n, _| if n < 6 { throttled() } else { mint(n) },
        |_, _| json(200, "{}"),
    )
    .await;
    server.client().send(Call::get("/api/v2/x")).await.unwrap();
    assert_eq!(server.mints(), 6);
}

#[tokio::test]
async fn a_mint_that_stays_throttled_gives_up_in_time() {
    let server = Server::with_tokens(|_, _| throttled(), |_, _| json(200, "{}")).await;
    let builder = server.builder().max_elapsed(Duration::from_millis(200));
    let start = Instant::now();
    let error = builder.build().unwrap().send(Call::get("/api/v2/x")).await;
    assert_eq!(fault(error.unwrap_err()), AuthFault::Throttled);
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(server.mints() > 1);
}

#[tokio::test]
async fn a_login_host_that_fails_is_tried_again_and_then_named() {
    let server = Server::with_tokens(|_, _| Act::Close, |_, _| json(200, "{}")).await;
    let error = server.client().send(Call::post("/api/v2/x")).await;
    let error = error.unwrap_err();
    assert!(!error.may_have_been_acted_on());
    assert!(matches!(fault(error), AuthFault::Unavailable { .. }));
    assert_eq!((server.mints(), server.calls().len()), (4, 0));
}

#[tokio::test]
async fn the_pool_spreads_load_over_tokens_and_mints_them_as_needed() {
    let server = Server::new(|_, _| json(200, "{}")).await;
    let client = server
        .builder()
        .tokens(3)
        .quota(4, Duration::from_secs(60))
        .build()
        .unwrap();
    client.send(Call::get("/api/v2/x")).await.unwrap();
    assert_eq!(server.mints(), 1);
    let rest = (0..11).map(|_| client.send(Call::get("/api/v2/x")));
    for reply in futures::future::join_all(rest).await {
        reply.unwrap();
    }
    let mut by_token = BTreeMap::new();
    for call in server.calls() {
        *by_token.entry(call.token().to_owned()).or_insert(0) += 1;
    }
    let expected = [("token-1", 4), ("token-2", 4), ("token-3", 4)];
    assert_eq!(
        by_token,
        expected.map(|(token, n)| (token.to_owned(), n)).into()
    );
    assert_eq!(client.tokens(), 3);
}

#[tokio::test]
async fn a_further_token_that_cannot_be_had_does_not_fail_the_call() {
    let server = Server::with_tokens(
        |n, _| if n == 1 { mint(n) } else { json(401, "{}") },
        |_, _| json(200, "{}"),
    )
    .await;
    let client = server
        .builder()
        .tokens(2)
        .quota(4, Duration::from_secs(60))
        .build()
        .unwrap();
    for _ in 0..4 {
        client.send(Call::get("/api/v2/x")).await.unwrap();
    }
    let calls = server.calls();
    assert!(calls.iter().all(|call| call.token() == "token-1"));
    assert_eq!((server.mints(), client.tokens()), (2, 1));
}

#[tokio::test]
async fn a_limit_named_by_the_server_is_kept_to_from_then_on() {
    let server = Server::new(|n, _| match n {
        3 => json(
            429,
            r#"{"code":"too.many.requests.retry.after",
                "limit":{"key":"token.rate.per.minute","namespace":"platform.api","value":2}}"#,
        )
        .header("retry-after", 0),
        _ => json(200, "{}"),
    })
    .await;
    let client = server
        .builder()
        .tokens(1)
        .quota(300, Duration::from_millis(500))
        .build()
        .unwrap();
    for _ in 0..4 {
        client.send(Call::get("/api/v2/x")).await.unwrap();
    }
    let calls = server.calls();
    assert_eq!(calls.len(), 5);
    // Two in a window: the retry waits until the second of the first three has left it.
    let apart = calls[3].at - calls[1].at;
    assert!(apart >= Duration::from_millis(490), "{apart:?}");
}
