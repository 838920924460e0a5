//! A Vault of the documented exchange, as far as reading KV version 2 and AppRole go; strict where
//! the documentation is.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::http::{Request, read};

pub const TOKEN: &str = "hvs.planted-token";

/// A secret with its versions; a version that was deleted is `null`.
type Versions = Vec<Value>;

#[derive(Default)]
struct Inside {
    /// By path below the mount `secret`.
    secrets: BTreeMap<String, Versions>,
    /// Paths that the token may not read.
    denied: Vec<String>,
    /// How many requests are answered with 503 before the others.
    sealed: usize,
    lines: Vec<String>,
}

pub struct Vault {
    pub address: String,
    inside: Arc<Mutex<Inside>>,
}

impl Vault {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a port").port();
        let inside = Arc::<Mutex<Inside>>::default();
        let of_thread = inside.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &of_thread);
            }
        });
        Self {
            address: format!("http://localhost:{port}"),
            inside,
        }
    }

    /// Writes a new version of a secret; `null` is a version that was deleted.
    pub fn put(&self, path: &str, fields: Value) {
        let mut inside = self.inside.lock().expect("not poisoned");
        inside
            .secrets
            .entry(path.to_owned())
            .or_default()
            .push(fields);
    }

    pub fn deny(&self, path: &str) {
        self.inside
            .lock()
            .expect("not poisoned")
            .denied
            .push(path.to_owned());
    }

    pub fn seal(&self, requests: usize) {
        self.inside.lock().expect("not poisoned").sealed = requests;
    }

    /// Returns the requests so far: `GET /v1/secret/data/crm`.
    pub fn requests(&self) -> Vec<String> {
        self.inside.lock().expect("not poisoned").lines.clone()
    }
}

fn serve(stream: TcpStream, inside: &Mutex<Inside>) {
    let Request {
        line,
        headers,
        body,
    } = read(&stream);
    let line = line.trim_end_matches(" HTTP/1.1").to_owned();
    let (status, answer) = answer(&line, &headers, &body, inside);
    let text = answer.to_string();
    let mut stream = stream;
    let _ = write!(
        stream,
        "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    );
}

fn answer(
    line: &str,
    headers: &BTreeMap<String, String>,
    body: &[u8],
    inside: &Mutex<Inside>,
) -> (u16, Value) {
    let errors = |status: u16, texts: &[&str]| (status, json!({ "errors": texts }));
    let mut inside = inside.lock().expect("not poisoned");
    inside.lines.push(line.to_owned());
    if inside.sealed > 0 {
        inside.sealed -= 1;
        return errors(503, &["Vault is sealed"]);
    }
    if headers.get("x-vault-request").map(String::as_str) != Some("true") {
        return errors(412, &["required 'X-Vault-Request' header missing"]);
    }
    if line == "POST /v1/auth/approle/login" {
        let given: Value = serde_json::from_slice(body).unwrap_or_default();
        return match given == json!({"role_id": "role", "secret_id": "planted-secret-value"}) {
            true => (
                200,
                json!({"auth": {"client_token": TOKEN, "lease_duration": 1200}, "data": null}),
            ),
            false => errors(400, &["invalid role or secret ID"]),
        };
    }
    if headers.get("x-vault-token").map(String::as_str) != Some(TOKEN) {
        return errors(403, &["permission denied"]);
    }
    let (path, query) = line.split_once('?').unwrap_or((line, ""));
    let Some(path) = path.strip_prefix("GET /v1/secret/data/") else {
        return errors(404, &["no handler for route \"x\". route entry not found."]);
    };
    let path = path.replace("%20", " ");
    if inside.denied.contains(&path) {
        return errors(403, &["1 error occurred:\n\t* permission denied\n\n"]);
    }
    let Some(versions) = inside.secrets.get(&path) else {
        return errors(404, &[]);
    };
    let version = match query.strip_prefix("version=") {
        Some(version) => version.parse().expect("a number"),
        None => versions.len(),
    };
    match versions.get(version - 1) {
        None => errors(404, &[]),
        Some(Value::Null) => (
            404,
            json!({"data": {"data": null, "metadata": {"deletion_time": "2026-11-27T00:00:00Z", "destroyed": false, "version": version}}}),
        ),
        Some(fields) => (
            200,
            json!({"data": {"data": fields, "metadata": {"deletion_time": "", "destroyed": false, "version": version}}}),
        ),
    }
}
