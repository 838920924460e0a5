//! Values from HashiCorp Vault (or OpenBao): the KV secrets engine, version 2.
//!
//! Five calls of its HTTP API are enough, so no client library is used:
//! <https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2>.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use orgsmith_client::{
    Plain, PlainError, PlainReply, PlainRequest, is_loopback, keeps_secrets, path_segment,
};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use url::Url;

use super::{Found, field};
use crate::config::{Config, VaultPlace, VaultSettings};

const TIMEOUT: Duration = Duration::from_secs(15);
const MAX_ANSWER: u64 = 4 << 20;
/// Waits before a request is sent again that Vault could not answer; all of them only read.
const WAITS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// Looks secrets up; those of one path are read together.
pub(super) async fn look_up(config: &Config, places: &[(&str, VaultPlace)], found: &mut Found) {
    let vault = match Vault::enter(config).await {
        Ok(vault) => vault,
        Err(why) => {
            for (name, _) in places {
                found.take(name, Err(why.clone()));
            }
            return;
        }
    };
    let mut read: BTreeMap<_, Result<Map<String, Value>, String>> = BTreeMap::new();
    for (name, place) in places {
        let mount = place.mount.as_deref().unwrap_or(&vault.mount);
        let at = (mount, place.path.as_str(), place.version);
        let fields = match read.entry(at) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(vault.read(mount, &place.path, place.version).await),
        };
        let value = match fields {
            Ok(fields) => field(fields, &place.field).map_err(|why| {
                let (mount, path) = (mount.trim_matches('/'), place.path.trim_matches('/'));
                format!("{mount}/{path} in {vault}: {why}", vault = vault.shown)
            }),
            Err(why) => Err(why.clone()),
        };
        found.take(name, value);
    }
}

/// A Vault that was entered.
struct Vault {
    plain: Plain,
    address: String,
    /// For people: `Vault at https://…`.
    shown: String,
    namespace: Option<String>,
    mount: String,
    token: SecretString,
}

/// An answer that is no success.
struct Refusal {
    status: u16,
    /// What Vault says: `permission denied`.
    errors: Vec<String>,
    body: Value,
}

impl Vault {
    /// Finds out where Vault is and gets a token.
    async fn enter(config: &Config) -> Result<Self, String> {
        let VaultSettings {
            address,
            namespace,
            mount,
            approle_mount,
            ca_file,
            allow_http,
        } = &config.project.vault;
        let or_variable = |given: &Option<String>, name: &str| given.clone().or(variable(name));
        let address = or_variable(address, "VAULT_ADDR").ok_or(
            "where Vault is was not said: set VAULT_ADDR, or `vault: {address: https://…}` in orgsmith.yaml",
        )?;
        let address = address.trim_end_matches('/').to_owned();
        let url = Url::parse(&address).ok();
        let url = url.filter(|url| matches!(url.scheme(), "https" | "http"));
        let Some(url) = url.filter(|url| url.username().is_empty() && url.password().is_none())
        else {
            return Err(
                "VAULT_ADDR, or `vault: {address: …}`, is no address of a Vault: https://HOST:8200"
                    .to_owned(),
            );
        };
        if !keeps_secrets(&url) && !*allow_http {
            return Err(format!(
                "{address} would send secrets unencrypted; use https, or set `allow_http: true` under `vault:`"
            ));
        }
        let local = is_loopback(&url);
        let ca_file = ca_file
            .as_ref()
            .map(|path| config.folder().join(path))
            .or_else(|| variable("VAULT_CACERT").map(Into::into));
        let pem = match &ca_file {
            Some(path) => std::fs::read(path)
                .map_err(|error| format!("could not read {}: {error}", path.display()))?,
            None => Vec::new(),
        };
        let plain = Plain::trusting(TIMEOUT, MAX_ANSWER, local, &pem).map_err(|error| {
            let file = ca_file.unwrap_or_default();
            format!("{}: {error}", file.display())
        })?;
        let mut vault = Self {
            plain,
            shown: format!("Vault at {address}"),
            address,
            namespace: or_variable(namespace, "VAULT_NAMESPACE"),
            mount: mount.clone().unwrap_or_else(|| "secret".to_owned()),
            token: String::new().into(),
        };
        let approle = approle_mount.as_deref().unwrap_or("approle");
        vault.token = vault.log_in(approle).await?;
        Ok(vault)
    }

    /// Returns a token: VAULT_TOKEN, one that AppRole gives, or that of `vault login`.
    async fn log_in(&self, mount: &str) -> Result<SecretString, String> {
        if let Some(token) = variable("VAULT_TOKEN") {
            return Ok(token.into());
        }
        if let (Some(role), Some(secret)) = (variable("VAULT_ROLE_ID"), variable("VAULT_SECRET_ID"))
        {
            let path = format!("auth/{}/login", segments(mount));
            let body = json!({ "role_id": role, "secret_id": secret });
            let answer = self.send("POST", &path, Some(body)).await?;
            let answer = answer.map_err(|refusal| {
                let why = refusal.text();
                let hint =
                    "check VAULT_ROLE_ID and VAULT_SECRET_ID, and `approle_mount` under `vault:`";
                format!("{} refuses {path}: {why}; {hint}", self.shown)
            })?;
            let token = answer.pointer("/auth/client_token").and_then(Value::as_str);
            let token = token.ok_or_else(|| format!("{} gives no token at {path}", self.shown))?;
            return Ok(token.to_owned().into());
        }
        let file = std::env::home_dir().map(|home| home.join(".vault-token"));
        let token = file.and_then(|path| std::fs::read_to_string(path).ok());
        let token = token
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty());
        token.map(Into::into).ok_or_else(|| {
            format!(
                "{} asks for a token: set VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID, or run `vault login`",
                self.shown
            )
        })
    }

    /// Reads the fields of a secret.
    async fn read(
        &self,
        mount: &str,
        path: &str,
        version: Option<u64>,
    ) -> Result<Map<String, Value>, String> {
        let mount = mount.trim_matches('/');
        let shown = format!("{mount}/{}", path.trim_matches('/'));
        let asked = format!("{}/data/{}", segments(mount), segments(path));
        let url = match version {
            Some(version) => format!("{asked}?version={version}"),
            None => asked,
        };
        let vault = &self.shown;
        let answer = self.send("GET", &url, None).await?;
        let answer = answer.map_err(|refusal| match &refusal {
            refusal if refusal.status == 403 => format!(
                "{vault} denies {shown}: {}; the policy of the token needs `read` on {mount}/data/{}",
                refusal.text(),
                path.trim_matches('/')
            ),
            refusal if refusal.body.pointer("/data/metadata").is_some() => {
                format!("{shown} in {vault}: that version was deleted; `vault kv undelete` may bring it back")
            }
            refusal if refusal.errors.iter().any(|error| error.contains("no handler for route")) => {
                format!("{vault} has no secrets engine at {mount}; name it in `mount`")
            }
            refusal if refusal.status == 404 => {
                format!("{vault} has no secret {shown}{}", match version {
                    Some(version) => format!(" of version {version}"),
                    None => format!("; `vault kv list {mount}` shows what there is"),
                })
            }
            refusal => format!("{vault} answers {shown} with status {}: {}", refusal.status, refusal.text()),
        })?;
        let fields = answer.pointer("/data/data").and_then(Value::as_object);
        fields.cloned().ok_or_else(|| {
            format!("{shown} in {vault} is not of KV version 2; `vault kv enable-versioning {mount}` makes it so")
        })
    }

    /// Sends a request, and once more where Vault could not answer.
    async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Result<Value, Refusal>, String> {
        let mut headers = vec![("x-vault-request".to_owned(), "true".to_owned().into())];
        headers.push(("x-vault-token".to_owned(), self.token.clone()));
        if let Some(namespace) = &self.namespace {
            headers.push(("x-vault-namespace".to_owned(), namespace.clone().into()));
        }
        if body.is_some() {
            headers.push((
                "content-type".to_owned(),
                "application/json".to_owned().into(),
            ));
            headers.retain(|(name, _)| name != "x-vault-token");
        }
        let request = PlainRequest {
            method: method.to_owned(),
            url: format!("{}/v1/{path}", self.address),
            headers,
            body: body.map(|body| body.to_string().into()),
        };
        let mut waits = WAITS.iter();
        loop {
            let answer = self.plain.send(&request).await;
            match (&answer, waits.next()) {
                (Ok(reply), Some(wait)) if may_pass(reply) => {
                    let asked = reply.retry_after.unwrap_or(*wait);
                    tokio::time::sleep(asked.min(Duration::from_secs(10))).await;
                }
                (Err(PlainError::Broken(_) | PlainError::Timeout(_)), Some(wait)) => {
                    tokio::time::sleep(*wait).await;
                }
                _ => {
                    let reply = answer.map_err(|error| {
                        format!("{}: {error}; check `address` under `vault:` or VAULT_ADDR, and VAULT_CACERT where its certificate is your own", self.shown)
                    })?;
                    return Ok(read(&reply));
                }
            }
        }
    }
}

/// Tells whether a refusal may be over soon: too many requests, a standby, a restart.
fn may_pass(reply: &PlainReply) -> bool {
    matches!(reply.status, 412 | 429 | 472 | 473 | 500 | 502 | 503 | 504)
}

fn read(reply: &PlainReply) -> Result<Value, Refusal> {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    if (200..300).contains(&reply.status) {
        return Ok(body);
    }
    let errors = body.get("errors").and_then(Value::as_array);
    let errors = errors.into_iter().flatten().filter_map(Value::as_str);
    Err(Refusal {
        status: reply.status,
        errors: errors.map(one_line).collect(),
        body,
    })
}

/// Takes the frame off that Vault puts around several errors: `1 error occurred:\n\t* …`.
fn one_line(error: &str) -> String {
    let lines = error
        .lines()
        .map(|line| line.trim().trim_start_matches("* "));
    let said = lines.filter(|line| !line.is_empty() && !line.ends_with(" occurred:"));
    said.collect::<Vec<_>>().join("; ")
}

impl Refusal {
    fn text(&self) -> String {
        match self.errors.is_empty() {
            true => format!("status {}", self.status),
            false => self.errors.join("; "),
        }
    }
}

/// Writes a path for a URL.
fn segments(path: &str) -> String {
    let segments = path.trim_matches('/').split('/').map(path_segment);
    segments.collect::<Vec<_>>().join("/")
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
