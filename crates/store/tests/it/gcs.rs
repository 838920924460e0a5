//! A small strict imitation of the XML API of Google Cloud Storage: enough for a state, made from
//! its documentation, and no proof of how the service really behaves.
//!
//! <https://cloud.google.com/storage/docs/xml-api/overview>. What it does not know it refuses with
//! 400, so that a request that relies on more does not pass here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

pub const BUCKET: &str = "orgsmith";
/// The token that is let in.
pub const TOKEN: &str = "planted-s3cr3t";
const DATE: &str = "Fri, 27 Nov 2026 20:00:00 GMT";

#[derive(Default)]
struct Store {
    objects: BTreeMap<String, (u64, Bytes)>,
    generation: u64,
}

type Shared = State<Arc<Mutex<Store>>>;
type Parameters = Query<BTreeMap<String, String>>;

/// Serves until the process ends, and returns the address.
pub async fn serve() -> String {
    let router = Router::new()
        .route("/{bucket}", get(list))
        .route("/{bucket}/{*object}", get(read).put(write).delete(remove))
        .with_state(Arc::<Mutex<Store>>::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn refuse(status: StatusCode, code: &str) -> Response {
    let body = format!("<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code></Error>");
    (status, [("content-type", "application/xml")], body).into_response()
}

/// Refuses what the service would refuse, and what this imitation does not know.
fn refusal(bucket: &str, headers: &HeaderMap, known: &[&str]) -> Option<Response> {
    let token = headers.get("authorization").map(|value| value.as_bytes());
    if token != Some(format!("Bearer {TOKEN}").as_bytes()) {
        return Some(refuse(StatusCode::UNAUTHORIZED, "AuthenticationRequired"));
    }
    if bucket != BUCKET {
        return Some(refuse(StatusCode::NOT_FOUND, "NoSuchBucket"));
    }
    let strange = headers.keys().map(|name| name.as_str()).find(|name| {
        (name.starts_with("x-goog-") || name.starts_with("if-")) && !known.contains(name)
    });
    strange.map(|_| refuse(StatusCode::BAD_REQUEST, "InvalidArgument"))
}

fn named(generation: u64) -> [(&'static str, String); 3] {
    [
        ("etag", format!("\"{generation}\"")),
        ("x-goog-generation", generation.to_string()),
        ("last-modified", DATE.to_owned()),
    ]
}

async fn write(
    State(store): Shared,
    Path((bucket, object)): Path<(String, String)>,
    Query(parameters): Parameters,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    const CONDITION: &str = "x-goog-if-generation-match";
    if let Some(refusal) = refusal(&bucket, &headers, &[CONDITION]) {
        return refusal;
    }
    if !parameters.is_empty() {
        return refuse(StatusCode::BAD_REQUEST, "InvalidArgument");
    }
    let wanted = match headers.get(CONDITION).map(|value| value.to_str()) {
        None => None,
        Some(Ok(text)) => match text.parse::<u64>() {
            Ok(generation) => Some(generation),
            Err(_) => return refuse(StatusCode::BAD_REQUEST, "InvalidArgument"),
        },
        Some(Err(_)) => return refuse(StatusCode::BAD_REQUEST, "InvalidArgument"),
    };
    // Compared and set under one lock: one of many wins. 0 means that there is none.
    let mut store = store.lock().expect("nobody panics with it");
    let found = store
        .objects
        .get(&object)
        .map_or(0, |(generation, _)| *generation);
    if wanted.is_some_and(|wanted| wanted != found) {
        return refuse(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
    }
    store.generation += 1;
    let generation = store.generation;
    store.objects.insert(object, (generation, body));
    (StatusCode::OK, named(generation)).into_response()
}

async fn read(
    State(store): Shared,
    Path((bucket, object)): Path<(String, String)>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&bucket, &headers, &[]) {
        return refusal;
    }
    if !parameters.is_empty() {
        return refuse(StatusCode::BAD_REQUEST, "InvalidArgument");
    }
    let store = store.lock().expect("nobody panics with it");
    match store.objects.get(&object) {
        Some((generation, body)) => (named(*generation), body.clone()).into_response(),
        None => refuse(StatusCode::NOT_FOUND, "NoSuchKey"),
    }
}

async fn remove(
    State(store): Shared,
    Path((bucket, object)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&bucket, &headers, &[]) {
        return refusal;
    }
    let mut store = store.lock().expect("nobody panics with it");
    match store.objects.remove(&object) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => refuse(StatusCode::NOT_FOUND, "NoSuchKey"),
    }
}

/// Lists three at a time, so that a caller who reads one page only is found out.
async fn list(
    State(store): Shared,
    Path(bucket): Path<String>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&bucket, &headers, &[]) {
        return refusal;
    }
    let known = ["list-type", "prefix", "continuation-token", "start-after"];
    if parameters
        .keys()
        .any(|name| !known.contains(&name.as_str()))
        || parameters.get("list-type").map(String::as_str) != Some("2")
    {
        return refuse(StatusCode::BAD_REQUEST, "InvalidArgument");
    }
    let empty = String::new();
    let prefix = parameters.get("prefix").unwrap_or(&empty);
    let token = parameters.get("continuation-token");
    let after = token
        .or_else(|| parameters.get("start-after"))
        .unwrap_or(&empty);
    let store = store.lock().expect("nobody panics with it");
    let mut found = store
        .objects
        .iter()
        .filter(|(name, _)| name.starts_with(prefix.as_str()) && *name > after);
    let mut body = String::from("<?xml version='1.0' encoding='UTF-8'?><ListBucketResult>");
    let page: Vec<_> = found.by_ref().take(3).collect();
    for (name, (generation, content)) in &page {
        body.push_str(&format!(
            "<Contents><Key>{name}</Key><Generation>{generation}</Generation>\
             <LastModified>2026-11-27T20:00:00.000Z</LastModified>\
             <ETag>\"{generation}\"</ETag><Size>{}</Size></Contents>",
            content.len()
        ));
    }
    let more = found.next().is_some();
    body.push_str(&format!("<IsTruncated>{more}</IsTruncated>"));
    if let (true, Some((last, _))) = (more, page.last()) {
        body.push_str(&format!(
            "<NextContinuationToken>{last}</NextContinuationToken>"
        ));
    }
    body.push_str("</ListBucketResult>");
    ([("content-type", "application/xml")], body).into_response()
}
