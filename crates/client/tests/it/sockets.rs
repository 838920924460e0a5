//! WebSockets at URLs that the org has handed out: no token, no plain HTTP, nobody unknown.

use futures::{SinkExt, StreamExt};
use orgsmith_client::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::server::{Server, json};
use crate::tls::acceptor;

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/channels/c1", listener.local_addr().unwrap());
    (listener, url)
}

/// Answers one handshake by what `accept` makes of the key; returns what was asked.
async fn shake(
    listener: TcpListener,
    accept: impl Fn(&str) -> String,
) -> (String, WebSocketStream<TcpStream>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        asked.push(stream.read_u8().await.unwrap());
    }
    let asked = String::from_utf8(asked).unwrap();
    let key = asked.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sec-websocket-key")
            .then_some(value)
    });
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {}\r\n\r\n",
        accept(key.unwrap())
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    (asked, socket)
}

#[tokio::test]
async fn texts_go_both_ways_and_no_token_goes_along() {
    let api = Server::new(|_, _| json(200, "{}")).await;
    let (listener, url) = listener().await;
    let served = tokio::spawn(async move {
        let accept = |key: &str| derive_accept_key(key.as_bytes());
        let (asked, mut socket) = shake(listener, accept).await;
        let said = socket.next().await.unwrap().unwrap();
        socket.send(Message::Ping("p".into())).await.unwrap();
        socket.send(Message::text("told")).await.unwrap();
        socket.close(None).await.unwrap();
        (asked, said)
    });
    let mut socket = api.client().socket(&url).await.unwrap();
    assert!(socket.say("asked").await);
    assert_eq!(socket.next().await.as_deref(), Some("told"));
    assert_eq!(socket.next().await, None);
    let (asked, said) = served.await.unwrap();
    assert_eq!(said.to_text().unwrap(), "asked");
    let asked = asked.to_lowercase();
    assert!(
        asked.starts_with("get /channels/c1 http/1.1\r\n"),
        "{asked}"
    );
    assert!(!asked.contains("authorization"), "{asked}");
    assert_eq!(api.mints(), 0);
}

#[tokio::test]
async fn who_does_not_know_the_handshake_is_no_server() {
    let api = Server::new(|_, _| json(404, "{}")).await;
    let (listener, url) = listener().await;
    let served = tokio::spawn(async move { shake(listener, |_| "guess".to_owned()).await });
    let error = api.client().socket(&url).await.unwrap_err();
    assert!(error.to_string().contains("handshake"), "{error}");
    assert!(
        !error.to_string().contains("c1"),
        "the URL is a key: {error}"
    );
    served.await.unwrap();
    // A channel that is gone.
    let url = api.url.replacen("http", "ws", 1);
    let error = api.client().socket(&format!("{url}/channels/c1")).await;
    assert_eq!(error.unwrap_err().status(), Some(404));
}

#[tokio::test]
async fn an_org_by_https_has_no_plain_socket() {
    let api = Server::new(|_, _| json(200, "{}")).await;
    let secure = crate::server::builder("https://127.0.0.1:1")
        .build()
        .unwrap();
    let url = api.url.replacen("http", "ws", 1);
    let error = secure.socket(&url).await.unwrap_err();
    assert!(matches!(error, Error::InsecureUrl { .. }), "{error}");
    assert_eq!(api.calls().len(), 0);
}

#[tokio::test]
async fn a_certificate_that_nobody_knows_is_refused() {
    let acceptor = acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await.is_err()
    });
    let client = crate::server::builder("https://localhost:1")
        .build()
        .unwrap();
    let error = client.socket(&format!("wss://localhost:{port}/c")).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    assert!(served.await.unwrap(), "no handshake is completed");
}
