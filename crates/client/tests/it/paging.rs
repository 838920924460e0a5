//! Every style of paging, and the ways in which services get it wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use orgsmith_client::{Client, Error, ListFault, Listing, PageStyle};
use serde_json::{Value, json as value};

use crate::server::{Act, Request, Server, json};

const USERS: &str = "/api/v2/users";

fn users(numbers: impl IntoIterator<Item = usize>) -> Vec<Value> {
    let user = |n| value!({"id": format!("u-{n}")});
    numbers.into_iter().map(user).collect()
}

async fn ids(client: &Client, listing: &Listing) -> Vec<String> {
    let all = client.list(listing).await.unwrap();
    let id = |user: &Value| user["id"].as_str().unwrap().to_owned();
    all.iter().map(id).collect()
}

fn expected(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("u-{n}")).collect()
}

/// One page of `count` users; `total` says how many the service claims to have.
fn page(request: &Request, count: usize, size: usize, total: Option<usize>) -> Act {
    let number = request.number("pageNumber").unwrap_or(1);
    let first = (number - 1) * size + 1;
    let mut body = value!({
        "entities": users(first..(first + size).min(count + 1)),
        "pageSize": size,
        "pageNumber": number,
    });
    if let Some(total) = total {
        body["total"] = value!(total);
        body["pageCount"] = value!(total.div_ceil(size));
    }
    json(200, body)
}

#[tokio::test]
async fn pages_are_fetched_in_parallel_and_handed_on_in_order() {
    // The earlier the page, the later its answer.
    let delay = |number| Duration::from_millis(300 - 30 * number as u64);
    let server = Server::new(move |_, request| {
        let number = request.number("pageNumber").unwrap();
        let after = u64::try_from(delay(number).as_millis()).unwrap();
        page(request, 25, 3, Some(25)).after_ms(after)
    })
    .await;
    let client = server.builder().page_concurrency(3).build().unwrap();
    let listing = Listing::new(USERS, PageStyle::Offset)
        .page_size(3)
        .query("state", "any");
    // In a task of its own, as callers will: the future has to be `Send`.
    let listed = tokio::spawn(async move { ids(&client, &listing).await });
    assert_eq!(listed.await.unwrap(), expected(25));
    let calls = server.calls();
    let asked: BTreeMap<_, _> = calls
        .iter()
        .map(|call| (call.number("pageNumber").unwrap(), call.at))
        .collect();
    assert_eq!(calls.len(), 9);
    assert_eq!(
        asked.keys().copied().collect::<Vec<_>>(),
        Vec::from_iter(1..=9)
    );
    // Three at once: the fourth is asked for while the second is awaited, the fifth is not.
    assert!(asked[&4] < asked[&2] + delay(2));
    assert!(asked[&5] >= asked[&2] + delay(2));
    assert!(calls.iter().all(|call| call.query["state"] == "any"));
}

#[tokio::test]
async fn a_clamped_page_size_loses_nothing() {
    let server = Server::new(|_, request| page(request, 7, 2, Some(7))).await;
    let listing = Listing::new(USERS, PageStyle::Offset).page_size(500);
    assert_eq!(ids(&server.client(), &listing).await, expected(7));
}

#[tokio::test]
async fn a_missing_or_wrong_total_loses_nothing() {
    for total in [None, Some(0), Some(2), Some(4), Some(400)] {
        let server = Server::new(move |_, request| page(request, 7, 2, total)).await;
        let listing = Listing::new(USERS, PageStyle::Offset).page_size(2);
        assert_eq!(ids(&server.client(), &listing).await, expected(7));
        assert!(server.calls().len() <= 10, "total {total:?}");
    }
}

#[tokio::test]
async fn an_empty_listing_is_one_call() {
    let server = Server::new(|_, request| page(request, 0, 25, Some(0))).await;
    let listing = Listing::new(USERS, PageStyle::Offset);
    assert_eq!(ids(&server.client(), &listing).await, expected(0));
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn next_uri_is_followed_by_path_only() {
    let server = Server::new(|n, _| {
        let mut body = value!({"entities": users([2 * n - 1, 2 * n])});
        if n < 3 {
            body["nextUri"] = value!(match n {
                1 => format!("{USERS}?after={n}&pageSize=2"),
                // Another host must not get the token.
                _ => format!("https://example.com{USERS}?after={n}&pageSize=2"),
            });
        }
        json(200, body)
    })
    .await;
    let listing = Listing::new(USERS, PageStyle::cursor()).page_size(2);
    assert_eq!(ids(&server.client(), &listing).await, expected(6));
    let calls = server.calls();
    let afters: Vec<_> = calls.iter().map(|call| call.number("after")).collect();
    assert_eq!(afters, [None, Some(1), Some(2)]);
    assert!(calls.iter().all(|call| call.query["pageSize"] == "2"));
}

#[tokio::test]
async fn a_scan_uses_its_own_parameters_and_survives_empty_pages() {
    let server = Server::new(|n, _| {
        let body = match n {
            1 => value!({"entities": users([1]), "cursors": {"after": "c1"}}),
            2 => value!({"entities": [], "cursors": {"after": "c2"}}),
            _ => value!({"entities": users([2])}),
        };
        json(200, body)
    })
    .await;
    let param = "cursor".to_owned();
    let mut listing = Listing::new(USERS, PageStyle::Cursor { param }).page_size(200);
    listing.size_param = "limit".to_owned();
    assert_eq!(ids(&server.client(), &listing).await, expected(2));
    let calls = server.calls();
    let cursor = |n: usize| calls[n].query.get("cursor").map(String::as_str);
    assert_eq!(
        [cursor(0), cursor(1), cursor(2)],
        [None, Some("c1"), Some("c2")]
    );
    assert!(calls.iter().all(|call| call.query["limit"] == "200"));
}

#[tokio::test]
async fn a_search_pages_in_its_body_and_may_be_replayed() {
    let server = Server::new(|n, request| {
        if n == 2 {
            return Act::Close;
        }
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body["query"], value!([]));
        let number = body["pageNumber"].as_u64().unwrap() as usize;
        let size = body["pageSize"].as_u64().unwrap() as usize;
        let first = (number - 1) * size + 1;
        let results = users(first..(first + size).min(6));
        json(
            200,
            value!({"results": results, "total": 5, "pageSize": size}),
        )
    })
    .await;
    let body = value!({"query": []});
    let listing = Listing::new("/api/v2/users/search", PageStyle::Search { body }).page_size(2);
    assert_eq!(ids(&server.client(), &listing).await, expected(5));
    assert!(
        server
            .lines()
            .iter()
            .all(|l| l == "POST /api/v2/users/search")
    );
}

#[tokio::test]
async fn a_query_pages_by_a_cursor_in_its_body() {
    let server = Server::new(|_, call| {
        let asked: Value = serde_json::from_str(&call.body).unwrap();
        assert_eq!(
            (&asked["filters"], &asked["pageSize"]),
            (&value!([]), &value!(2))
        );
        json(
            200,
            match asked["after"].as_str() {
                None => value!({"entities": users([1, 2]), "after": "a"}),
                // A link names the cursor as well; it cannot be followed, as the body is not in it.
                Some("a") => value!({"entities": users([3, 4]), "nextUri": "/x/query?after=b%3D"}),
                Some(after) => {
                    assert_eq!(after, "b=");
                    value!({"entities": users([5])})
                }
            },
        )
    })
    .await;
    let body = value!({"filters": []});
    let listing = Listing::new("/api/v2/x/query", PageStyle::Query { body }).page_size(2);
    assert_eq!(ids(&server.client(), &listing).await, expected(5));
    assert_eq!(server.lines(), ["POST /api/v2/x/query"; 3]);
}

#[tokio::test]
async fn an_unpaged_answer_may_be_an_object_or_an_array() {
    let server = Server::new(|n, _| match n {
        1 => json(200, value!({"entities": users(1..=3)})),
        2 => json(200, value!(users(1..=3))),
        _ => json(200, value!({"members": users(1..=3)})),
    })
    .await;
    let client = server.client();
    let mut listing = Listing::new(USERS, PageStyle::Unpaged);
    assert_eq!(ids(&client, &listing).await, expected(3));
    assert_eq!(ids(&client, &listing).await, expected(3));
    listing.items = Some("members".to_owned());
    assert_eq!(ids(&client, &listing).await, expected(3));
    assert!(server.calls().iter().all(|call| call.query.is_empty()));
}

#[tokio::test]
async fn a_service_that_does_not_page_after_all_is_asked_once() {
    let server = Server::new(|_, _| json(200, value!({"entities": users(1..=30)}))).await;
    let listing = Listing::new(USERS, PageStyle::Offset).page_size(20);
    assert_eq!(ids(&server.client(), &listing).await, expected(30));
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_listing_that_repeats_for_ever_is_stopped() {
    let same = value!({"entities": users([1, 2]), "pageSize": 2});
    let offset = Listing::new(USERS, PageStyle::Offset).page_size(2);
    let cursor = Listing::new(USERS, PageStyle::cursor());
    type Body = fn(usize, Value) -> Value;
    let cases: [(Listing, Body); 3] = [
        (offset, |_, same| same),
        // The same cursor again, over ever new entities.
        (
            cursor.clone(),
            |n, _| value!({"entities": users([n]), "cursor": "c"}),
        ),
        // Ever new cursors, over the same entities.
        (cursor, |n, mut same| {
            same["cursor"] = value!(format!("c{n}"));
            same
        }),
    ];
    for (listing, body) in cases {
        let same = same.clone();
        let server = Server::new(move |n, _| json(200, body(n, same.clone()))).await;
        let error = server.client().list(&listing).await.unwrap_err();
        assert!(matches!(error.fault, ListFault::Repeating), "{error}");
        assert_eq!((server.calls().len(), error.page), (2, 2));
    }
}

#[tokio::test]
async fn a_listing_that_fails_midway_says_where_and_keeps_what_was_handed_on() {
    let server = Server::new(|_, request| match request.number("pageNumber") {
        Some(2) => json(403, r#"{"code":"missing.permissions","contextId":"c-3"}"#),
        _ => page(request, 6, 2, Some(6)),
    })
    .await;
    let client = server.builder().page_concurrency(1).build().unwrap();
    let listing = Listing::new(USERS, PageStyle::Offset).page_size(2);
    let mut handed_on = Vec::new();
    let error = client
        .for_each_page(&listing, |mut page| handed_on.append(&mut page))
        .await
        .unwrap_err();
    assert_eq!(handed_on, users([1, 2]));
    assert_eq!(
        error.to_string(),
        "listing /api/v2/users (org test), page 2, after 2 entities"
    );
    let ListFault::Call(Error::Refused { refusal, .. }) = error.fault else {
        panic!("{error}");
    };
    assert_eq!(refusal.code, "missing.permissions");
}

#[tokio::test]
async fn an_answer_without_entities_is_not_an_empty_list() {
    let server = Server::new(|_, _| json(200, r#"{"id":"u-1"}"#)).await;
    let listing = Listing::new(USERS, PageStyle::Unpaged);
    let error = server.client().list(&listing).await.unwrap_err();
    assert!(matches!(error.fault, ListFault::NotAList), "{error}");
}
