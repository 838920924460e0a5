//! A server that says what a test tells it to, and remembers what it was asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use orgsmith_client::{Builder, Client, Credentials, Endpoint};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The planted secret.
pub const SECRET: &str = "hunter2-client-secret";

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub at: Instant,
}

impl Request {
    /// `GET /path`, without the query.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub fn token(&self) -> &str {
        self.headers
            .get("authorization")
            .map_or("", |text| text.trim_start_matches("Bearer "))
    }

    pub fn number(&self, name: &str) -> Option<usize> {
        self.query.get(name)?.parse().ok()
    }
}

/// What the server does with a request it has read.
pub enum Act {
    /// Answers, after a time.
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
        after: Duration,
    },
    /// Writes these bytes and closes the connection.
    Bytes(String),
    /// Closes the connection without an answer.
    Close,
    /// Never answers.
    Hang,
}

pub fn json(status: u16, body: impl ToString) -> Act {
    Act::Answer {
        status,
        headers: vec![("content-type", "application/json".into())],
        body: body.to_string(),
        after: Duration::ZERO,
    }
}

impl Act {
    pub fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.to_string()));
        }
        self
    }

    pub fn after_ms(mut self, ms: u64) -> Self {
        if let Self::Answer { after, .. } = &mut self {
            *after = Duration::from_millis(ms);
        }
        self
    }
}

pub fn rate_limited(seconds: u64) -> Act {
    let body = r#"{"message":"Rate limit exceeded the maximum.","status":429,
        "code":"too.many.requests.retry.after","contextId":"c-429"}"#;
    json(429, body).header("retry-after", seconds)
}

/// The token endpoint as it is when nothing is wrong: `token-1`, `token-2`, …
pub fn mint(n: usize) -> Act {
    let body =
        format!(r#"{{"access_token":"token-{n}","token_type":"bearer","expires_in":86400}}"#);
    json(200, body)
}

pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Request>>>,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    /// Answers API requests with `script(n, request)`, `n` from 1, and mints tokens.
    pub async fn new(script: impl Fn(usize, &Request) -> Act + Send + Sync + 'static) -> Self {
        Self::with_tokens(|n, _| mint(n), script).await
    }

    pub async fn with_tokens(
        token: impl Fn(usize, &Request) -> Act + Send + Sync + 'static,
        script: impl Fn(usize, &Request) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let counts = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let act = move |request: &Request| {
            if request.path == "/oauth/token" {
                token(counts[0].fetch_add(1, SeqCst) + 1, request)
            } else {
                script(counts[1].fetch_add(1, SeqCst) + 1, request)
            }
        };
        let act = Arc::new(act);
        let accepting = tokio::spawn({
            let seen = seen.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, seen.clone(), act.clone()));
                }
            }
        });
        Self {
            url,
            seen,
            accepting,
        }
    }

    /// Stops listening: from now on connections are refused.
    pub async fn stop(mut self) -> Vec<Request> {
        self.accepting.abort();
        let _cancelled = (&mut self.accepting).await;
        self.seen.lock().unwrap().clone()
    }

    /// Requests of the API, in the order in which they came.
    pub fn calls(&self) -> Vec<Request> {
        let mut seen = self.seen.lock().unwrap().clone();
        seen.retain(|request| request.path != "/oauth/token");
        seen
    }

    pub fn lines(&self) -> Vec<String> {
        self.calls().iter().map(Request::line).collect()
    }

    pub fn mints(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|r| r.path == "/oauth/token").count()
    }

    /// A client of this server that waits for almost nothing.
    pub fn builder(&self) -> Builder {
        builder(&self.url)
    }

    pub fn client(&self) -> Client {
        self.builder().build().unwrap()
    }
}

pub fn builder(url: &str) -> Builder {
    let credentials = Credentials {
        client_id: "client-1".into(),
        secret: SECRET.into(),
    };
    Client::builder(Endpoint::base_url(url), credentials)
        .org("test")
        .seed(1)
        .max_attempts(4)
        .backoff(Duration::from_millis(2), Duration::from_millis(20))
}

async fn serve(
    mut stream: TcpStream,
    seen: Arc<Mutex<Vec<Request>>>,
    act: Arc<impl Fn(&Request) -> Act>,
) {
    let Some(request) = read(&mut stream).await else {
        return;
    };
    seen.lock().unwrap().push(request.clone());
    match act(&request) {
        Act::Answer {
            status,
            headers,
            body,
            after,
        } => {
            tokio::time::sleep(after).await;
            let mut text = format!(
                "HTTP/1.1 {status} Status\r\nconnection: close\r\ncontent-length: {}\r\n",
                body.len()
            );
            for (name, value) in headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            text.push_str("\r\n");
            text.push_str(&body);
            let _gone = stream.write_all(text.as_bytes()).await;
        }
        Act::Bytes(bytes) => {
            let _gone = stream.write_all(bytes.as_bytes()).await;
        }
        Act::Close => {}
        Act::Hang => std::future::pending().await,
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let method = first.next()?.to_owned();
    let target = first.next()?.to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    while bytes.len() < head_end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let url = url::Url::parse("http://host").ok()?.join(&target).ok()?;
    Some(Request {
        method,
        path: url.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        headers,
        body: String::from_utf8_lossy(&bytes[head_end + 4..]).into_owned(),
        at: Instant::now(),
    })
}
