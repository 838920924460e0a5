use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

async fn answer(mut stream: impl AsyncReadExt + AsyncWrite + Unpin, text: &str) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Serves one request of TLS, by a certificate for `localhost`, with a redirect.
async fn redirecting(to: &str) -> (u16, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        answer(acceptor.accept(stream).await.unwrap(), &redirect).await;
    });
    (port, certificate)
}

#[tokio::test]
async fn a_presigned_url_that_leaves_https_is_followed_only_for_a_simulator() {
    for (secure, status, body) in [(true, 302, ""), (false, 200, "file")] {
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = format!("http://{}/file", plain.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (stream, _) = plain.accept().await.unwrap();
            let text = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfile";
            answer(stream, text).await;
        });
        let (port, certificate) = redirecting(&to).await;
        let bounds = Bounds {
            timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(20),
            max_body: 1000,
            max_transfer: 1000,
        };
        let transport = Transport::trusting(bounds, true, secure, vec![certificate]).unwrap();
        let url = format!("https://localhost:{port}/file?signature=s");
        let answer = transport.download(url.parse().unwrap()).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (status, body.as_bytes()));
        assert_eq!(served.is_finished(), !secure, "who is asked by http");
        served.abort();
    }
}
