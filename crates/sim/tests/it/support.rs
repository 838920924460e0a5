//! A client of a simulator, small enough to see every request.

use orgsmith_contract::{Direction, contract};
use orgsmith_sim::{Config, Limits, Sim};
use reqwest::{Method, Response};
use serde_json::{Value, json};

/// One simulator with one org, `gold`, and a client with every right.
pub struct World {
    pub sim: Sim,
    pub api: Api,
}

/// A token and where to use it.
#[derive(Clone)]
pub struct Api {
    pub http: reqwest::Client,
    pub base: String,
    pub token: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub body: Value,
}

impl World {
    pub async fn start() -> Self {
        let mut config = Config::with_orgs(["gold"]);
        config.limits = Limits::none();
        Self::with(config).await
    }

    pub async fn with(config: Config) -> Self {
        let sim = Sim::start(config).await.expect("a free port");
        let api = Api::login(&sim, "gold-client", "gold-secret").await;
        Self { sim, api }
    }
}

impl Api {
    pub async fn login(sim: &Sim, id: &str, secret: &str) -> Self {
        let http = reqwest::Client::new();
        let answer = mint(&http, sim.base_url(), id, secret).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        Self {
            http,
            base: sim.base_url().to_owned(),
            token: text(&answer.body, "/access_token"),
        }
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response, reqwest::Error> {
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Got {
        let answer = self.send(method.clone(), path, body).await;
        let got = read(answer.expect("an answer")).await;
        if (200..300).contains(&got.status) {
            conforms(method.as_str(), path, &got.body);
        }
        got
    }

    pub async fn get(&self, path: &str) -> Got {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Got {
        self.call(Method::POST, path, Some(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Got {
        self.call(Method::PUT, path, Some(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Got {
        self.call(Method::PATCH, path, Some(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Got {
        self.call(Method::DELETE, path, None).await
    }

    /// Creates an object and gives its id.
    pub async fn make(&self, path: &str, body: Value) -> String {
        let got = self.post(path, body).await;
        assert_eq!(got.status, 200, "{path}: {}", got.body);
        text(&got.body, "/id")
    }
}

impl Got {
    /// Asserts the status and gives the body.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "{}: {}",
            self.status,
            self.body
        );
        self.body
    }

    /// Asserts a refusal with this status and code.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        let got = (self.status, self.body["code"].as_str().unwrap_or(""));
        assert_eq!(got, (status, code), "{}", self.body);
        self.body
    }
}

/// Asserts that the contract knows every field of a successful answer.
#[track_caller]
fn conforms(method: &str, path: &str, body: &Value) {
    let path = path.split('?').next().unwrap_or(path);
    let operation = contract().route(method, path).map(|route| route.operation);
    if let (Some(ty), false) = (
        operation.and_then(|op| op.response.as_ref()),
        body.is_null(),
    ) {
        let problems = contract().check(ty, body, Direction::Response);
        assert!(problems.is_empty(), "{method} {path}: {problems:?}");
    }
}

pub async fn mint(http: &reqwest::Client, base: &str, id: &str, secret: &str) -> Got {
    let answer = http
        .post(format!("{base}/oauth/token"))
        .basic_auth(id, Some(secret))
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await
        .expect("an answer");
    read(answer).await
}

pub async fn read(answer: Response) -> Got {
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a whole body");
    let body = match text.is_empty() {
        true => Value::Null,
        false => serde_json::from_str(&text).unwrap_or(Value::String(text)),
    };
    Got { status, body }
}

#[track_caller]
pub fn text(body: &Value, pointer: &str) -> String {
    let found = body.pointer(pointer).and_then(Value::as_str);
    found
        .unwrap_or_else(|| panic!("no text at {pointer} in {body}"))
        .to_owned()
}

/// Lists one field of every entity of a page.
pub fn column(page: &Value, field: &str) -> Vec<String> {
    let entities = page["entities"].as_array().cloned().unwrap_or_default();
    entities
        .iter()
        .map(|e| e[field].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// A reference.
pub fn id(id: &str) -> Value {
    json!({ "id": id })
}
