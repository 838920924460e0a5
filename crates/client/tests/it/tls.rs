//! A server whose certificate nobody who is trusted has signed, and what a client does about it.

use std::sync::Arc;

use orgsmith_client::{AuthFault, Call, Error};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::server::builder;

/// Answers TLS with a certificate that nobody knows.
pub fn acceptor() -> TlsAcceptor {
    let made =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    TlsAcceptor::from(Arc::new(config))
}

/// Serves TLS on a port, and nothing behind it.
pub async fn serve() -> u16 {
    let acceptor = acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    port
}

#[tokio::test]
async fn neither_the_secret_nor_a_file_goes_to_who_cannot_prove_its_name() {
    let base = format!("https://localhost:{}", serve().await);
    let client = builder(&base).max_attempts(1).build().unwrap();
    let error = client.send(Call::get("/api/v2/x")).await.unwrap_err();
    let Error::Auth {
        fault: AuthFault::Unavailable { cause },
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert!(cause.contains("certificate"), "{cause}");
    let file = format!("{base}/file");
    let error = client.download(&file).await.unwrap_err();
    assert!(format!("{error:?}").contains("certificate"), "{error:?}");
    let upload = client.upload(&file, &[], "text/csv", "a");
    let error = upload.await.unwrap_err();
    assert!(format!("{error:?}").contains("certificate"), "{error:?}");
}
