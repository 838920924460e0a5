//! The network: an accept loop of our own, so that a fault can close a connection unanswered.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming as Received};
use hyper::service::service_fn;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::admin;
use crate::events::socket;
use crate::faults::FaultAction;
use crate::state::{Incoming, Outgoing, State};

/// The largest body that is taken.
const MAX_BODY: usize = 64 * 1024 * 1024;

type Body = BoxBody<Bytes, Reset>;

/// Closes the connection instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed on purpose")]
pub(crate) struct Reset;

/// Shares the state between connections and the owner of the simulator.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    state: Arc<Mutex<State>>,
    connections: Arc<AtomicUsize>,
}

impl Shared {
    pub(crate) fn new(state: State) -> Self {
        Self {
            state: Arc::new(Mutex::new(state)),
            connections: Arc::default(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many connections were accepted and are not at their end.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// A connection that is counted until it ends, however it does.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(shared: &Shared) -> Self {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        Self(shared.connections.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves connections until it is dropped.
pub(crate) async fn serve(listener: TcpListener, shared: Shared) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                // Small answers must not wait for each other.
                let _ = stream.set_nodelay(true);
                let (shared, counted) = (shared.clone(), Counted::new(&shared));
                connections.spawn(async move {
                    let _counted = counted;
                    let service = service_fn(move |request| answer(shared.clone(), request));
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades();
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "connection ended early");
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(shared: Shared, mut request: Request<Received>) -> Result<Response<Body>, Reset> {
    let path = request.uri().path();
    if let Some(channel) = path.strip_prefix(socket::PATH)
        && let Some(accepted) = socket::accepted(request.headers())
    {
        let channel = channel.to_owned();
        let upgrade = hyper::upgrade::on(&mut request);
        // It ends with its connection.
        tokio::spawn(socket::serve(shared, &channel, upgrade));
        let mut outgoing = Outgoing {
            status: 101,
            ..Outgoing::default()
        };
        outgoing.headers.extend([
            ("connection", "upgrade".to_owned()),
            ("upgrade", "websocket".to_owned()),
            ("sec-websocket-accept", accepted),
        ]);
        return Ok(respond(outgoing, None));
    }
    let (parts, body) = request.into_parts();
    let header = |name: header::HeaderName| {
        let value = parts.headers.get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            let outgoing = Outgoing {
                status: 413,
                ..Outgoing::default()
            };
            return Ok(respond(outgoing, None));
        }
    };
    let incoming = Incoming {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or("").to_owned(),
        authorization: header(header::AUTHORIZATION),
        content_type: header(header::CONTENT_TYPE),
        headers: parts
            .headers
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("x-") || *name == header::CONTENT_TYPE)
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect(),
        body,
    };
    if incoming.path.starts_with("/sim/") {
        return Ok(respond(admin::answer(&mut shared.lock(), &incoming), None));
    }
    let fault = shared.lock().strike(&incoming);
    if let Some(FaultAction::DelayMs(ms)) = fault {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    let outgoing = shared.lock().answer(&incoming, fault.as_ref());
    match fault {
        Some(FaultAction::ResetBefore | FaultAction::ResetAfter) => Err(Reset),
        fault => Ok(respond(outgoing, fault.as_ref())),
    }
}

fn respond(outgoing: Outgoing, fault: Option<&FaultAction>) -> Response<Body> {
    let Outgoing {
        status,
        content_type,
        headers,
        body,
    } = outgoing;
    let mut response = Response::builder().status(status);
    if let Some(kind) = content_type {
        response = response.header(header::CONTENT_TYPE, kind);
    }
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let body = match fault {
        Some(FaultAction::TruncateBody) => {
            let half = body.slice(..body.len() / 2);
            // The pause lets the first half go out.
            let broken = stream::once(async {
                tokio::task::yield_now().await;
                Err(Reset)
            });
            let frames = stream::iter([Ok(Frame::data(half))]).chain(broken);
            BodyExt::boxed(StreamBody::new(frames))
        }
        Some(&FaultAction::DribbleMs(ms)) => {
            let bytes = stream::iter(0..body.len()).then(move |at| {
                let byte = body.slice(at..=at);
                async move {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    Ok(Frame::data(byte))
                }
            });
            BodyExt::boxed(StreamBody::new(bytes))
        }
        _ => Full::new(body)
            .map_err(|never: Infallible| match never {})
            .boxed(),
    };
    response
        .body(body)
        .expect("statuses and headers are made here and are valid")
}
