//! The WebSocket at a URL that the org has handed out.
//!
//! It goes through the same TLS, certificates and proxies as every call, and carries no token: the URL
//! is its own key.

use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use reqwest::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::{Method, StatusCode, Upgraded};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::answer::{failed_exchange, failed_status};
use crate::client::{Client, Progress, invalid};
use crate::error::Error;
use crate::transport::{Answer, Fault, fault};

/// The largest message that is read.
const MAX_MESSAGE: usize = 1 << 20;

/// A connection over which texts come.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<Upgraded>,
}

impl Client {
    /// Connects to a `wss` URL that the org has handed out; no token goes along.
    ///
    /// # Errors
    /// The server is not there, or does not speak WebSocket at this URL. [`Error::InsecureUrl`] when
    /// the URL is not `wss` although the org is `https`.
    pub async fn socket(&self, url: &str) -> Result<Socket, Error> {
        // The rest of the client knows the schemes of HTTP: ws is http, and wss https.
        let http = match url.strip_prefix("ws") {
            Some(rest) => format!("http{rest}"),
            None => url.to_owned(),
        };
        let (about, url) = self.presigned(Method::GET, &http)?;
        let key = generate_key();
        let mut headers = HeaderMap::new();
        let word = HeaderValue::from_static;
        headers.insert(CONNECTION, word("Upgrade"));
        headers.insert(UPGRADE, word("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, word("13"));
        let Ok(value) = HeaderValue::from_str(&key) else {
            return Err(invalid(&about, "the key of the handshake".to_owned()));
        };
        headers.insert(SEC_WEBSOCKET_KEY, value);
        let failed = |fault: Fault| failed_exchange(&about, fault).error;
        let answer = self.inner.transport.upgrade(url, headers).await;
        let answer = answer.map_err(failed)?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let refused = Answer {
                status: answer.status().as_u16(),
                headers: HeaderMap::new(),
                body: Bytes::new(),
            };
            let once = Progress {
                attempts: 1,
                spent: Duration::ZERO,
                acted: false,
            };
            return Err(failed_status(&refused, &about, &once, str::to_owned).error);
        }
        let accepted = answer.headers().get(SEC_WEBSOCKET_ACCEPT);
        if accepted.map(HeaderValue::as_bytes) != Some(derive_accept_key(key.as_bytes()).as_bytes())
        {
            let cause = "the server does not accept the handshake".to_owned();
            return Err(failed(Fault::Reset(cause)));
        }
        let upgraded = answer.upgrade().await;
        let upgraded = upgraded.map_err(|error| failed(fault(error)))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let stream = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
        Ok(Socket { stream })
    }
}

impl Socket {
    /// Waits for the next text; nothing where the connection has ended.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            // A ping of the protocol is answered on the way.
            match self.stream.next().await? {
                Ok(Message::Text(text)) => return Some(text.as_str().to_owned()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Sends a text; false where the connection has ended.
    pub async fn say(&mut self, text: &str) -> bool {
        self.stream.send(Message::text(text)).await.is_ok()
    }

    /// Ends the connection.
    pub async fn close(mut self) {
        // It may have ended by itself.
        let _ = self.stream.close(None).await;
    }
}
