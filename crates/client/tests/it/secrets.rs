//! A planted secret is searched for in everything the client says.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};

use orgsmith_client::{Call, Credentials, Listing, PageStyle};
use tracing_subscriber::fmt::MakeWriter;

use crate::server::{Act, SECRET, Server, json, mint};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn neither_secret_nor_token_is_in_any_error_debug_or_log() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    // For the whole binary, so that what the other tests make the client say is searched as well;
    // a scoped subscriber would also miss spans that another thread was the first to enter.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let mut said = String::new();

    // A hostile server repeats what it was sent, wherever it can.
    let echo = |status: u16, request: &crate::server::Request| {
        let heard = format!("{:?}", request.headers).replace('"', "'");
        let body = format!(
            r#"{{"code":"x","message":"{heard} {SECRET}","details":[{{"fieldName":"{heard}"}}]}}"#
        );
        json(status, body)
    };
    let server = Server::with_tokens(
        move |n, request| match n {
            1 => echo(503, request),
            2 => mint(n),
            3 => json(
                200,
                format!(r#"{{"access_token":"{SECRET}","expires_in":"x"}}"#),
            ),
            _ => echo(400, request),
        },
        move |n, request| match n {
            1..=2 => echo(500, request),
            3 => echo(400, request),
            4 => Act::Close,
            5 => json(200, "not json").header("content-type", request.token()),
            _ => echo(401, request),
        },
    )
    .await;
    let client = server.builder().max_attempts(2).build().unwrap();
    for call in [
        Call::get("/api/v2/a"),
        Call::get("/api/v2/b"),
        Call::post("/api/v2/c"),
        Call::get("/api/v2/d"),
        Call::get("/api/v2/e"),
    ] {
        let error = client.send(call).await.unwrap_err();
        write!(said, "{error} {error:?}").unwrap();
    }
    let listing = Listing::new("/api/v2/f", PageStyle::Unpaged);
    let error = client.list(&listing).await.unwrap_err();
    write!(said, "{error} {error:?} {client:?}").unwrap();
    let credentials = Credentials {
        client_id: "client-1".into(),
        secret: SECRET.into(),
    };
    write!(said, "{credentials:?} {:?}", server.builder()).unwrap();

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("attempt failed, trying again"), "{log}");
    assert!(log.contains("request_id"), "{log}");
    for (place, text) in [("errors", &said), ("log", &log)] {
        for planted in [SECRET, "token-2", "aHVudGVyMi1jbGllbnQtc2VjcmV0"] {
            assert!(!text.contains(planted), "{planted} in {place}: {text}");
        }
    }
}

#[tokio::test]
async fn a_secret_in_a_body_is_hidden_when_the_service_quotes_it() {
    const VALUE: &str = "crm-api-key-9";
    let server = Server::new(|n, _| match n {
        1 => json(
            400,
            format!(r#"{{"code":"invalid.value","message":"Value [{VALUE}] is not valid"}}"#),
        ),
        _ => json(200, format!(r#"{{"secret":"{VALUE}"}}"#)),
    })
    .await;
    let call = Call::put("/api/v2/integrations/credentials/1")
        .json(serde_json::json!({"credentialFields": {"apiKey": VALUE}}))
        .hide(VALUE.into());
    let client = server.client();
    let error = client.send(call.clone()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("Value [[redacted]] is not valid")
    );
    let reply = client.send(call.clone()).await.unwrap();
    let said = format!("{error} {error:?} {call:?} {reply:?}");
    assert!(!said.contains(VALUE), "{said}");
}
