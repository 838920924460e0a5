//! Whether another system answers at a URL, and if not, why.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use orgsmith_client::{Probe, Prober};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::tls;

fn prober() -> Prober {
    Prober::new(Duration::from_millis(500)).expect("a prober")
}

/// Serves answers by the method of a request; nothing hangs, an empty text hangs up.
async fn server(
    answers: &'static [(&'static str, Option<&'static str>)],
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            assert!(!head.to_lowercase().contains("authorization"), "{head}");
            let answer = answers.iter().find(|(method, _)| head.starts_with(method));
            match answer.and_then(|(_, answer)| *answer) {
                Some("") => drop(stream),
                Some(answer) => {
                    let _ = stream
                        .write_all(
                            format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").as_bytes(),
                        )
                        .await;
                }
                None => {
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_secs(30)).await;
                        drop(stream);
                    });
                }
            }
        }
    });
    (url, asked)
}

#[tokio::test]
async fn who_answers_head_or_else_get_is_there() {
    let (url, asked) = server(&[("HEAD", Some("204 x"))]).await;
    assert_eq!(prober().probe(&url).await, Probe::Answers(204));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    for (answers, status, requests) in [
        (
            &[("HEAD", Some("405 x")), ("GET", Some("200 x"))][..],
            200,
            2,
        ),
        (&[("HEAD", Some("501 x")), ("GET", Some("200 x"))], 200, 2),
        (&[("HEAD", Some("404 x")), ("GET", Some("404 x"))], 404, 2),
        // It hangs up on what it does not know.
        (&[("HEAD", Some("")), ("GET", Some("200 x"))], 200, 2),
        (&[("HEAD", Some("405 x")), ("GET", Some(""))], 405, 2),
        // Who asks for a key is there.
        (&[("HEAD", Some("401 x"))], 401, 1),
        (&[("HEAD", Some("403 x"))], 403, 1),
        (
            &[("HEAD", Some("302 x\r\nlocation: http://127.0.0.1:1/"))],
            302,
            1,
        ),
        (&[("HEAD", Some("503 x")), ("GET", Some("503 x"))], 503, 2),
    ] {
        let (url, asked) = server(answers).await;
        assert_eq!(
            prober().probe(&url).await,
            Probe::Answers(status),
            "{answers:?}"
        );
        assert_eq!(asked.load(Ordering::Relaxed), requests, "{answers:?}");
    }
}

#[tokio::test]
async fn why_nobody_answers_is_told() {
    let (slow, _) = server(&[("HEAD", None)]).await;
    assert_eq!(prober().probe(&slow).await, Probe::Timeout);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let refusing = format!("http://{}/", listener.local_addr().expect("an address"));
    drop(listener);
    let told = prober().probe(&refusing).await;
    assert!(
        matches!(&told, Probe::Unreachable(why) if why.contains("refused")),
        "{told:?}"
    );
    // RFC 6761: no name of this domain leads anywhere.
    let told = prober().probe("http://nobody.invalid/").await;
    assert_eq!(told, Probe::NoSuchHost);
    assert_eq!(prober().probe("ftp://127.0.0.1/").await, Probe::Invalid);
    assert_eq!(prober().probe("nothing").await, Probe::Invalid);
}

#[tokio::test]
async fn what_is_wrong_with_tls_is_told() {
    let prober = Prober::new(Duration::from_secs(20)).expect("a prober");
    // It speaks HTTP where TLS is asked for.
    let (plain, _) = server(&[("", Some("400 x"))]).await;
    let told = prober.probe(&plain.replace("http://", "https://")).await;
    assert_eq!(
        told,
        Probe::Tls("what answers there speaks no TLS".to_owned())
    );
    // It has signed its certificate itself.
    let port = tls::serve().await;
    let told = prober.probe(&format!("https://localhost:{port}/")).await;
    assert_eq!(
        told,
        Probe::Tls("nobody who is trusted signed the certificate".to_owned())
    );
}
