//! The WebSocket of a channel.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use hyper::header::{self, HeaderMap};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::Push;
use crate::server::Shared;

/// The path of a channel's socket, before its id.
pub(crate) const PATH: &str = "/channels/";
/// Between two heartbeats, as documented.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Between two looks at whether the channel's time is over.
const LOOK: Duration = Duration::from_secs(1);
/// The largest message that a client may send: nobody sends more than a ping.
const MAX_MESSAGE: usize = 16 * 1024;

/// Answers the handshake: the value of `Sec-WebSocket-Accept`.
pub(crate) fn accepted(headers: &HeaderMap) -> Option<String> {
    let is = |name: header::HeaderName, word: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.to_ascii_lowercase().contains(word))
    };
    let asks = is(header::UPGRADE, "websocket") && is(header::CONNECTION, "upgrade");
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    asks.then(|| derive_accept_key(key.as_bytes()))
}

/// Serves a socket until it ends. It hears what happens from now on: whoever has the answer to the handshake
/// must not miss anything.
pub(crate) fn serve(
    shared: Shared,
    channel: &str,
    upgrade: OnUpgrade,
) -> impl Future<Output = ()> + use<> {
    let (sender, pushes) = unbounded_channel();
    let known = shared.lock().listen(channel, sender);
    pass_on(shared, upgrade, known.then_some(pushes))
}

async fn pass_on(shared: Shared, upgrade: OnUpgrade, pushes: Option<UnboundedReceiver<Push>>) {
    let Ok(upgraded) = upgrade.await else {
        return;
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let stream = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let Some(mut pushes) = pushes else {
        let _ = socket.close(None).await;
        return;
    };
    let mut heartbeat =
        tokio::time::interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
    let mut look = tokio::time::interval(LOOK);
    loop {
        let reply = tokio::select! {
            push = pushes.recv() => match push {
                Some(Push::Say(text)) => text,
                Some(Push::Close) | None => break,
            },
            _ = heartbeat.tick() => metadata("WebSocket Heartbeat"),
            _ = look.tick() => {
                shared.lock().expire_channels();
                continue;
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) if is_ping(&text) => metadata("pong"),
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => continue,
            },
        };
        if socket.send(Message::text(reply)).await.is_err() {
            break;
        }
    }
    let _ = socket.close(None).await;
}

fn is_ping(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|said| said["message"] == "ping")
}

fn metadata(message: &str) -> String {
    json!({ "topicName": "channel.metadata", "eventBody": { "message": message } }).to_string()
}
