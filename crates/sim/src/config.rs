//! What a simulator is started with.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::clock::ClockMode;
use crate::events::bridge::Bridge;

/// Describes a simulated world before the first request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The organisations.
    pub orgs: Vec<OrgSpec>,
    /// How time passes.
    pub clock: ClockMode,
    /// Seeds every generated id and token.
    pub seed: u64,
    /// What is forgiven that the simulator refuses by default.
    pub relax: Relax,
    /// Tells of every operation that only the fallback answers, as no family knows better.
    pub strict: bool,
    /// Rates for every org without its own.
    pub limits: Limits,
    /// How long writes stay unseen.
    pub lags: Vec<Lag>,
    /// Where the audits are posted to, as events of Amazon EventBridge.
    pub bridge: Option<Bridge>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            orgs: Vec::new(),
            clock: ClockMode::Real,
            seed: 0,
            relax: Relax::default(),
            strict: false,
            limits: Limits::default(),
            lags: Vec::new(),
            bridge: None,
        }
    }
}

impl Config {
    /// Describes a world of orgs that each have one client, `<name>-client` with `<name>-secret`,
    /// which may do everything.
    pub fn with_orgs<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let org = |name: &str| {
            OrgSpec::named(name).client(ClientSpec::new(
                &format!("{name}-client"),
                &format!("{name}-secret"),
            ))
        };
        Self {
            orgs: names.into_iter().map(|name| org(name.as_ref())).collect(),
            ..Self::default()
        }
    }
}

/// Describes one organisation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrgSpec {
    /// Its name, unique in the simulator.
    pub name: String,
    /// Its id; generated when not given.
    #[serde(default)]
    pub id: Option<String>,
    /// Its region, such as `eu-west-1`.
    #[serde(default = "OrgSpec::region")]
    pub region: String,
    /// What its home division is called.
    #[serde(default = "OrgSpec::home")]
    pub home_division_name: String,
    /// Its OAuth clients.
    #[serde(default)]
    pub clients: Vec<ClientSpec>,
    /// Its own rates.
    #[serde(default)]
    pub limits: Option<Limits>,
    /// The most objects per kind of the simulator, such as `division: 50`; `queue_member` is per
    /// queue and `user_skill` per user.
    #[serde(default)]
    pub max_objects: BTreeMap<String, usize>,
    /// Permission domains that the org has no product for: roles lose them silently.
    #[serde(default)]
    pub missing_products: Vec<String>,
    /// What it pays for.
    #[serde(default)]
    pub seats: Seats,
    /// How long its asynchronous jobs take.
    #[serde(default)]
    pub jobs: Jobs,
    /// What the systems behind its data actions answer, by the names of the actions.
    #[serde(default)]
    pub answers: BTreeMap<String, ActionAnswer>,
    /// Whether users can be written by SCIM.
    #[serde(default)]
    pub scim: Scim,
}

impl OrgSpec {
    /// Describes an org with that name and nothing else.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            id: None,
            region: Self::region(),
            home_division_name: Self::home(),
            clients: Vec::new(),
            limits: None,
            max_objects: BTreeMap::new(),
            missing_products: Vec::new(),
            seats: Seats::default(),
            jobs: Jobs::default(),
            answers: BTreeMap::new(),
            scim: Scim::default(),
        }
    }

    /// Adds a client.
    pub fn client(mut self, client: ClientSpec) -> Self {
        self.clients.push(client);
        self
    }

    fn region() -> String {
        "us-east-1".to_owned()
    }

    fn home() -> String {
        "Home".to_owned()
    }
}

/// Describes one OAuth client with the client-credentials grant.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSpec {
    /// Its id, unique in the simulator.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// What it may do: `domain:entity:action`, each part possibly `*`; `*` alone is everything.
    #[serde(default = "ClientSpec::everything")]
    pub permissions: Vec<String>,
    /// The names of the divisions it may act in; all when not given.
    #[serde(default)]
    pub divisions: Option<Vec<String>>,
    /// The e-mail address of the user who is signed in with it, as audits then say.
    #[serde(default)]
    pub user: Option<String>,
}

impl ClientSpec {
    /// Describes a client that may do everything everywhere.
    pub fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            permissions: Self::everything(),
            divisions: None,
            user: None,
        }
    }

    /// Limits the client to these permissions.
    pub fn permissions<const N: usize>(mut self, permissions: [&str; N]) -> Self {
        self.permissions = permissions.into_iter().map(str::to_owned).collect();
        self
    }

    /// Limits the client to the divisions of these names.
    pub fn divisions<const N: usize>(mut self, names: [&str; N]) -> Self {
        self.divisions = Some(names.into_iter().map(str::to_owned).collect());
        self
    }

    /// Lets a user be signed in with the client.
    pub fn user(mut self, email: &str) -> Self {
        self.user = Some(email.to_owned());
        self
    }

    fn everything() -> Vec<String> {
        vec!["*".to_owned()]
    }
}

impl fmt::Debug for ClientSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSpec")
            .field("id", &self.id)
            .field("permissions", &self.permissions)
            .field("divisions", &self.divisions)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Sets the rates of an org.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests that one token may make in a window.
    pub requests: u32,
    /// The length of that window.
    pub window_s: u32,
    /// Tokens that one client may mint at once.
    pub mint_burst: u32,
    /// Milliseconds until one more token may be minted.
    pub mint_every_ms: u32,
    /// How long a token lives.
    pub token_ttl_s: u32,
    /// Limits of single services, over all tokens of the org.
    pub services: Vec<ServiceLimit>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: 300,
            window_s: 60,
            mint_burst: 10,
            mint_every_ms: 1000,
            token_ttl_s: 86_400,
            services: vec![ServiceLimit {
                path_prefix: "/api/v2/architect/ivrs".to_owned(),
                writes_per_minute: 100,
            }],
        }
    }
}

impl Limits {
    /// Sets rates that no test will reach.
    pub fn none() -> Self {
        Self {
            requests: u32::MAX,
            mint_burst: u32::MAX,
            services: Vec::new(),
            ..Self::default()
        }
    }
}

/// Limits the writes below one path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceLimit {
    /// The beginning of the path.
    pub path_prefix: String,
    /// Writes of the whole org in a minute.
    pub writes_per_minute: u32,
}

/// Says what is forgiven that the simulator refuses by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Relax {
    /// Read-only fields in a request are ignored, as the real API mostly does.
    pub read_only: bool,
}

/// Says what an org pays for, and what happens beyond.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seats {
    /// Seats that are paid for, by licence; a million of each that is not named.
    pub paid: BTreeMap<String, u64>,
    /// Licences that the org does not have.
    pub missing: Vec<String>,
    /// What happens beyond the seats.
    pub beyond: Beyond,
    /// Who is told of contracts.
    pub billing: Billing,
}

/// Says what happens when more users hold a licence than there are seats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Beyond {
    /// It is counted, and costs more.
    #[default]
    Bill,
    /// Whatever would take one more seat is refused.
    Block,
}

/// Says who is told of an org's contracts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Billing {
    /// Whoever has the permission.
    #[default]
    Shown,
    /// Nobody: 403.
    Forbidden,
    /// Nobody, as if there were none: 404.
    Absent,
}

/// Says whether an org lets users be written by SCIM.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scim {
    /// It does.
    #[default]
    Served,
    /// It does not: 403.
    Forbidden,
    /// It knows nothing of it: 404.
    Absent,
}

/// Says how long asynchronous jobs take: flows, data tables, prompt audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jobs {
    /// How many polls say that a job still runs before one says that it has ended.
    pub polls: u32,
    /// How long the work itself takes, in milliseconds; nobody sees its result before.
    pub work_ms: u64,
    /// The most flows that one export job takes.
    pub flows_per_export: usize,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            polls: 1,
            work_ms: 0,
            flows_per_export: 50,
        }
    }
}

/// Says what the system behind a data action answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionAnswer {
    /// What the action then has for its result.
    Result(serde_json::Value),
    /// Nothing that is of use: what the action says of it.
    Error(String),
}

/// Delays the sight of writes below one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lag {
    /// The beginning of the collection's path.
    pub path_prefix: String,
    /// How long a new object answers 404.
    #[serde(default)]
    pub read_ms: u64,
    /// How long lists and searches show the state before a write.
    #[serde(default)]
    pub list_ms: u64,
}
