//! People who sign in elsewhere.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::blocking::{Client, Response};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Serving, json_of};
use crate::lab::Lab;

type Form = BTreeMap<String, String>;

/// What becomes of the claims of a token before it is signed.
type Twist = fn(&mut Value);

/// An issuer that takes nothing that is not as the standard says.
struct Issuer {
    url: String,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    keys: Vec<rcgen::KeyPair>,
    /// What each code was asked for with, and for whom.
    codes: BTreeMap<String, (Form, Value)>,
    twist: Twist,
    /// The token is signed by a key that the issuer does not show.
    forged: bool,
    /// The token says that it is signed by this one.
    kid: Option<&'static str>,
    /// How often the keys were asked for.
    asked: usize,
}

fn query(text: &str) -> Form {
    url::form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

fn key() -> rcgen::KeyPair {
    rcgen::KeyPair::generate().expect("a key")
}

impl Inner {
    fn jwks(&self) -> Value {
        let keys = self.keys.iter().enumerate().map(|(number, key)| {
            let (x, y) = key.public_key_raw()[1..].split_at(32);
            let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
            json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
                   "kid": number.to_string(), "x": text(x), "y": text(y)})
        });
        json!({"keys": keys.collect::<Vec<_>>()})
    }

    /// Gives the token for a code, once, to whom it is for.
    fn token(&mut self, issuer: &str, form: &Form, authorization: &str) -> Option<Value> {
        let us = BASE64_STANDARD.encode("us:client%2Bsecret");
        let (asked, who) = self.codes.remove(form.get("code")?)?;
        let verifier = form.get("code_verifier")?;
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let is_right = authorization == format!("Basic {us}")
            && form.get("grant_type")? == "authorization_code"
            && form.get("redirect_uri") == asked.get("redirect_uri")
            && verifier.len() >= 43
            && Some(&challenge) == asked.get("code_challenge");
        if !is_right {
            return None;
        }
        let now = jiff::Timestamp::now().as_second();
        let mut claims = json!({"iss": issuer, "aud": "us", "sub": "1", "iat": now,
                                "exp": now + 300, "nonce": asked.get("nonce")?});
        let (claims_map, more) = (claims.as_object_mut()?, who.as_object()?.clone());
        claims_map.extend(more);
        (self.twist)(&mut claims);
        let (kid, signs) = (self.keys.len() - 1, self.keys.last()?.serialize_der());
        let signs = if self.forged {
            key().serialize_der()
        } else {
            signs
        };
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.kid.map_or_else(|| kid.to_string(), str::to_owned));
        let token = encode(&header, &claims, &EncodingKey::from_ec_der(&signs));
        Some(
            json!({"id_token": token.expect("a token"), "access_token": "x",
                    "token_type": "Bearer"}),
        )
    }
}

impl Issuer {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let inner = Arc::new(Mutex::new(Inner {
            keys: vec![key()],
            codes: BTreeMap::new(),
            twist: |_| {},
            forged: false,
            kid: None,
            asked: 0,
        }));
        let (issuer, answers) = (url.clone(), inner.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a caller");
                let request = crate::http::read(&stream);
                let mut inner = answers.lock().expect("not poisoned");
                let line: Vec<&str> = request.line.split(' ').collect();
                let answer = match line[..2] {
                    ["GET", "/.well-known/openid-configuration"] => Some(json!({
                        "issuer": issuer,
                        "authorization_endpoint": format!("{issuer}/authorize?tenant=a"),
                        "token_endpoint": format!("{issuer}/token"),
                        "jwks_uri": format!("{issuer}/keys"),
                    })),
                    ["GET", "/keys"] => {
                        inner.asked += 1;
                        Some(inner.jwks())
                    }
                    ["POST", "/token"] => {
                        let form = query(&String::from_utf8_lossy(&request.body));
                        let shown = request.headers.get("authorization");
                        inner.token(&issuer, &form, shown.map_or("", String::as_str))
                    }
                    _ => None,
                };
                let (status, body) = match answer {
                    Some(answer) => ("200 OK", answer.to_string()),
                    None => ("400 Bad Request", "{}".to_owned()),
                };
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                );
            }
        });
        Self { url, inner }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.lock().expect("not poisoned"))
    }
}

/// A browser: it follows nothing by itself, and keeps its cookies.
struct Browser {
    client: Client,
    base: String,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn new(service: &Serving) -> Self {
        Self {
            client: Client::builder()
                .redirect(Policy::none())
                .build()
                .expect("a client"),
            base: service.url.clone(),
            cookies: BTreeMap::new(),
        }
    }

    fn go(&mut self, path: &str) -> Response {
        self.send(self.client.get(format!("{}{path}", self.base)))
    }

    fn send(&mut self, request: reqwest::blocking::RequestBuilder) -> Response {
        let cookies = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookies: Vec<_> = cookies.collect();
        let answer = request.header("cookie", cookies.join("; ")).send();
        let answer = answer.expect("an answer");
        for cookie in answer.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().expect("a cookie");
            assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
            let (name, rest) = cookie.split_once('=').expect("a value");
            let value = rest.split(';').next().expect("a value");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    /// Is sent to the issuer, where somebody signs in, and returns the way back.
    fn leave(&mut self, issuer: &Issuer, to: &str, who: &Value) -> String {
        let answer = self.go(&format!("/login/oidc?to={to}"));
        assert_eq!(
            answer.status(),
            303,
            "{}",
            answer.text().unwrap_or_default()
        );
        let place = answer.headers()["location"].to_str().expect("a place");
        let (before, asked) = place.split_once('?').expect("a query");
        assert_eq!(before, format!("{}/authorize", issuer.url));
        let asked = query(asked);
        for (name, value) in [
            ("tenant", "a"),
            ("response_type", "code"),
            ("client_id", "us"),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(asked[name], value);
        }
        assert!(asked["scope"].split(' ').any(|scope| scope == "openid"));
        let state = asked["state"].clone();
        let back = asked["redirect_uri"].clone();
        assert_eq!(back, "http://localhost:7878/login/oidc/done");
        let code = format!("code-{state}");
        issuer.with(|inner| inner.codes.insert(code.clone(), (asked, who.clone())));
        format!("/login/oidc/done?code={code}&state={state}")
    }

    fn sign_in(&mut self, issuer: &Issuer, to: &str, who: &Value) -> Response {
        let back = self.leave(issuer, to, who);
        self.go(&back)
    }
}

fn serve(lab: &Lab, issuer: &Issuer) -> Serving {
    lab.configure(&format!(
        "service:\n  approvals: 1\n  oidc:\n    issuer: {}\n    client_id: us\n    client_secret: idp\n    \
         url: http://localhost:7878\n    claim: realm.roles\n    grants:\n      \
         lookers: {{role: viewer}}\n      tenant-ops: {{role: operator, orgs: [tenant]}}\n      \
         bosses: {{role: approver}}\n",
        issuer.url
    ));
    let mut command = lab.command(&["serve", "--listen", "127.0.0.1:0", "-o", "json"]);
    command.env("ORGSMITH_SECRET_IDP", "client+secret");
    Serving::of(command)
}

fn person(email: &str, role: &str) -> Value {
    json!({"email": email, "email_verified": true, "realm": {"roles": [role, "other"]}})
}

#[test]
fn a_person_signs_in_elsewhere_and_may_what_the_claim_says() {
    let lab = Lab::new();
    let issuer = Issuer::start();
    let service = serve(&lab, &issuer);
    let mut ana = Browser::new(&service);
    let page = ana.go("/login?to=/audit").text().expect("a page");
    assert!(page.contains("Sign in with 127.0.0.1"), "{page}");
    assert!(page.contains("/login/oidc?to=%2Faudit"), "{page}");

    let back = ana.leave(
        &issuer,
        "/jobs?kind=plan",
        &person("ana@x.example", "tenant-ops"),
    );
    // Another browser cannot take the way back, and this one only once.
    let stolen = Browser::new(&service).go(&back);
    assert_eq!(stolen.status(), 401);
    let done = ana.go(&back);
    assert_eq!(done.status(), 303);
    assert_eq!(done.headers()["location"], "/jobs?kind=plan");
    let mut late = Browser::new(&service);
    late.leave(&issuer, "/", &person("eve@x.example", "bosses"));
    let state = back.split("state=").nth(1).expect("a state").to_owned();
    late.cookies.insert("orgsmith-login".to_owned(), state);
    let replayed = late.go(&back);
    assert_eq!(replayed.status(), 401);
    assert!(replayed.text().expect("a page").contains("sign in again"));

    // The role and the orgs are those of the claim.
    let orgs = json_of(ana.go("/api/v2/orgs"));
    let names: Vec<_> = orgs
        .as_array()
        .expect("orgs")
        .iter()
        .map(|org| &org["name"])
        .collect();
    assert_eq!(names, ["tenant"]);
    assert_eq!(ana.go("/tokens").status(), 403);
    let kept = json_of(service.get("/api/v2/audit").send().expect("an answer"));
    let kept = kept.as_array().expect("acts").iter();
    let acts: Vec<_> = kept.filter(|act| act["actor"] == "ana@x.example").collect();
    assert_eq!(acts[1]["action"], "sign in", "{acts:#?}");
    assert_eq!(acts[1]["outcome"], "done, as operator");
    assert_eq!(acts[0]["action"], "GET /tokens");

    // Signed out, what the browser had is good for nothing.
    let session = ana.cookies["orgsmith"].clone();
    let out = ana.send(ana.client.post(format!("{}/logout", ana.base)));
    assert_eq!(out.status(), 303);
    ana.cookies.insert("orgsmith".to_owned(), session.clone());
    assert_eq!(ana.go("/api/v2/orgs").status(), 401);
    let state = std::fs::read(lab.path(".orgsmith/state.db")).expect("the state");
    let secret = session.as_bytes();
    assert!(
        !state.windows(secret.len()).any(|part| part == secret),
        "only a hash is kept"
    );

    // Nobody is sent to another site.
    for to in ["//evil.example", "https://evil.example", "/%5Cevil.example"] {
        let done = ana.sign_in(&issuer, to, &person("ana@x.example", "lookers"));
        assert_eq!(done.headers()["location"], "/", "{to}");
    }
    service.stop();
}

#[test]
fn a_token_that_is_not_as_it_must_be_lets_nobody_in() {
    let lab = Lab::new();
    let issuer = Issuer::start();
    let service = serve(&lab, &issuer);
    let boss = person("boss@x.example", "bosses");
    let twists: [(Twist, u16, &str); 9] = [
        (
            |claims| claims["nonce"] = json!("another"),
            401,
            "another login",
        ),
        (|claims| claims["nonce"] = Value::Null, 401, "another login"),
        (
            |claims| claims["aud"] = json!("them"),
            401,
            "InvalidAudience",
        ),
        (
            |claims| claims["aud"] = json!(["us", "them"]),
            401,
            "somebody else",
        ),
        (
            |claims| claims["iss"] = json!("https://evil.example"),
            401,
            "InvalidIssuer",
        ),
        (
            |claims| claims["exp"] = json!(1_000),
            401,
            "ExpiredSignature",
        ),
        (
            |claims| claims["realm"] = json!({"roles": ["x"]}),
            403,
            "gives them a role",
        ),
        (
            |claims| claims["realm"] = Value::Null,
            403,
            "gives them a role",
        ),
        (
            |claims| {
                claims["email"] = json!("");
                claims["sub"] = json!("");
            },
            401,
            "who you are",
        ),
    ];
    for (twist, status, why) in twists {
        issuer.with(|inner| inner.twist = twist);
        let mut browser = Browser::new(&service);
        let answer = browser.sign_in(&issuer, "/", &boss);
        assert_eq!(answer.status().as_u16(), status, "{why}");
        let page = answer.text().expect("a page");
        assert!(page.contains(why), "no {why} in {page}");
        assert!(!browser.cookies.contains_key("orgsmith"), "{why}");
    }
    issuer.with(|inner| {
        inner.twist = |_| {};
        inner.forged = true;
    });
    let forged = Browser::new(&service).sign_in(&issuer, "/", &boss);
    assert_eq!(forged.status(), 401);
    assert!(forged.text().expect("a page").contains("InvalidSignature"));
    issuer.with(|inner| inner.forged = false);
    let good = Browser::new(&service).sign_in(&issuer, "/", &boss);
    assert_eq!(good.status(), 303);
    let kept = service.get("/api/v2/audit?refused=true&limit=100").send();
    let kept = json_of(kept.expect("an answer")).to_string();
    assert!(kept.contains("gives them a role here"), "{kept}");
    service.stop();
}

#[test]
fn a_key_that_is_new_is_fetched_and_one_that_nobody_has_is_not_asked_for_again_and_again() {
    let lab = Lab::new();
    let issuer = Issuer::start();
    let service = serve(&lab, &issuer);
    let boss = person("boss@x.example", "bosses");
    let sign_in = || Browser::new(&service).sign_in(&issuer, "/", &boss);
    let started = std::time::Instant::now();
    assert_eq!(sign_in().status(), 303);
    assert_eq!(sign_in().status(), 303);
    assert_eq!(issuer.with(|inner| inner.asked), 1, "they are kept");

    // Nobody can have them fetched more often than every ten seconds.
    issuer.with(|inner| inner.kid = Some("9"));
    for _ in 0..3 {
        let refused = sign_in();
        assert_eq!(refused.status(), 401);
        let page = refused.text().expect("a page");
        assert!(page.contains("its key is not known"), "{page}");
    }
    let most = 1 + started.elapsed().as_secs() / 10;
    let asked = issuer.with(|inner| inner.asked);
    assert!(asked as u64 <= most, "{asked} times, not {most}");

    // The issuer signs by a new key now, and says so in its keys.
    issuer.with(|inner| {
        inner.kid = None;
        inner.keys.push(key());
    });
    let started = std::time::Instant::now();
    let wait = crate::stopping::wait_a_little;
    while sign_in().status() != 303 {
        assert!(
            started.elapsed() < std::time::Duration::from_secs(30),
            "the new key is not fetched"
        );
        std::iter::repeat_n((), 25).for_each(|()| wait());
    }
    assert!(issuer.with(|inner| inner.asked) > asked);
    service.stop();
}
