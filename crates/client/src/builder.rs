//! Where an org is and how a client treats it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use url::Url;
use uuid::Uuid;

use crate::auth::{Credentials, Minter};
use crate::client::{Client, Grant, Inner};
use crate::limiter::Quota;
use crate::place::is_loopback;
use crate::pool::Pool;
use crate::random::Random;
use crate::region::Region;
use crate::retry::Policy;
use crate::share::Share;
use crate::stats::Counters;
use crate::transport::{Bounds, Transport};

/// The most tokens of one client that are held at once.
const MAX_TOKENS: usize = 20;

/// Says where an org is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// In a region of Genesys Cloud.
    Region(Region),
    /// At a base URL that serves the API, `/oauth/token` and uploads: a simulator, or a proxy.
    BaseUrl(String),
}

impl Endpoint {
    /// Names a region.
    pub fn region(region: Region) -> Self {
        Self::Region(region)
    }

    /// Names a base URL, such as `http://127.0.0.1:8080`.
    pub fn base_url(url: impl Into<String>) -> Self {
        Self::BaseUrl(url.into())
    }
}

/// Says why a client cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The base URL is not one.
    #[error("not a usable base url: `{url}`: {problem}")]
    BaseUrl {
        /// The URL as given.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The HTTP stack cannot be set up.
    #[error("setting up http: {0}")]
    Http(String),
}

/// The three base URLs of an org, each without a trailing slash.
#[derive(Clone, Debug)]
pub(crate) struct Bases {
    pub(crate) api: String,
    pub(crate) apps: String,
    token: Url,
    /// URLs that the org hands out are of https: all but those of a simulator on this machine.
    pub(crate) secure: bool,
    local: bool,
}

impl Bases {
    fn new(endpoint: &Endpoint) -> Result<Self, BuildError> {
        match endpoint {
            Endpoint::Region(region) => {
                let token = format!("https://{}/oauth/token", region.login_host());
                Ok(Self {
                    api: format!("https://{}", region.api_host()),
                    apps: format!("https://{}", region.apps_host()),
                    token: parse(&token)?,
                    secure: true,
                    local: false,
                })
            }
            Endpoint::BaseUrl(given) => {
                let base = given.trim().trim_end_matches('/');
                let url = parse(base)?;
                let bad = |problem: &str| BuildError::BaseUrl {
                    url: given.clone(),
                    problem: problem.to_owned(),
                };
                if !matches!(url.scheme(), "http" | "https") {
                    return Err(bad("it must begin with http:// or https://"));
                }
                if url.query().is_some() || url.fragment().is_some() {
                    return Err(bad("it must end with its path"));
                }
                if !url.username().is_empty() || url.password().is_some() {
                    return Err(BuildError::BaseUrl {
                        url: "…".to_owned(),
                        problem: "credentials do not belong in a url".to_owned(),
                    });
                }
                if url.host().is_none() {
                    return Err(bad("it has no host"));
                }
                let local = is_loopback(&url);
                Ok(Self {
                    api: base.to_owned(),
                    apps: base.to_owned(),
                    token: parse(&format!("{base}/oauth/token"))?,
                    secure: !local || url.scheme() == "https",
                    local,
                })
            }
        }
    }
}

fn parse(url: &str) -> Result<Url, BuildError> {
    Url::parse(url).map_err(|error| BuildError::BaseUrl {
        // What stands before an `@` may be a password.
        url: url.rsplit_once('@').map_or(url, |_| "…").to_owned(),
        problem: error.to_string(),
    })
}

/// Collects the settings of a [`Client`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    endpoint: Endpoint,
    credentials: Credentials,
    org: String,
    tokens: usize,
    quota: Quota,
    policy: Policy,
    page_concurrency: usize,
    bounds: Bounds,
    seed: Option<u64>,
    share: Option<Arc<dyn Share>>,
    grant: Option<Arc<Grant>>,
}

impl Builder {
    pub(crate) fn new(endpoint: Endpoint, credentials: Credentials) -> Self {
        Self {
            endpoint,
            credentials,
            org: "unnamed".to_owned(),
            tokens: 4,
            quota: Quota::default(),
            policy: Policy::default(),
            page_concurrency: 4,
            bounds: Bounds {
                timeout: Duration::from_secs(60),
                connect_timeout: Duration::from_secs(10),
                max_body: 64 << 20,
                max_transfer: 512 << 20,
            },
            seed: None,
            share: None,
            grant: None,
        }
    }

    /// Names the org in logs and errors.
    pub fn org(mut self, label: impl Into<String>) -> Self {
        self.org = label.into();
        self
    }

    /// Sets how many tokens of the client may be held at once (1 to 20, 4 unless set).
    pub fn tokens(mut self, tokens: usize) -> Self {
        self.tokens = tokens.clamp(1, MAX_TOKENS);
        self
    }

    /// Sets the quota of one token (300 requests a minute unless set).
    pub fn quota(mut self, requests: u32, window: Duration) -> Self {
        let requests = requests.max(1);
        self.quota = Quota { requests, window };
        self
    }

    /// Shares the quota of all tokens together with other processes.
    pub fn share(mut self, share: Arc<dyn Share>) -> Self {
        self.share = Some(share);
        self
    }

    /// Shares tokens and quota with another client of this process, if it speaks for the same OAuth
    /// client: two labels of one org then send no more than one would. Those of the other count.
    pub fn beside(mut self, other: &Client) -> Self {
        let Ok(bases) = Bases::new(&self.endpoint) else {
            return self;
        };
        let grant = &other.inner.grant;
        if grant.minter.is_for(&bases.token, &self.credentials) {
            self.grant = Some(grant.clone());
        }
        self
    }

    /// Sets how many times one call is sent at most, the first included.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.policy.max_attempts = attempts.max(1);
        self
    }

    /// Sets how long one call may be in flight and wait to be retried, waiting for quota excluded.
    pub fn max_elapsed(mut self, time: Duration) -> Self {
        self.policy.max_elapsed = time;
        self
    }

    /// Sets the bounds of the first and of any later wait before a retry.
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        self.policy.base = base;
        self.policy.cap = cap;
        self
    }

    /// Sets how many pages of one listing are fetched at once (4 unless set).
    pub fn page_concurrency(mut self, pages: usize) -> Self {
        self.page_concurrency = pages.max(1);
        self
    }

    /// Sets how long one attempt may take (60 s unless set; transfers may take five times that).
    pub fn timeout(mut self, time: Duration) -> Self {
        self.bounds.timeout = time;
        self
    }

    /// Sets the largest answer of the API that is accepted, in bytes (64 MiB unless set).
    pub fn max_body(mut self, bytes: u64) -> Self {
        self.bounds.max_body = bytes;
        self
    }

    /// Sets the largest download that is accepted, in bytes (512 MiB unless set).
    pub fn max_transfer(mut self, bytes: u64) -> Self {
        self.bounds.max_transfer = bytes;
        self
    }

    /// Fixes the jitter, so that a run repeats.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Builds the client. Nothing is sent yet.
    ///
    /// # Errors
    /// When the base URL is not one, or TLS cannot be set up.
    pub fn build(self) -> Result<Client, BuildError> {
        let bases = Bases::new(&self.endpoint)?;
        let transport = Transport::new(self.bounds, bases.local, bases.secure)
            .map(Arc::new)
            .map_err(BuildError::Http)?;
        // Jitter only has to differ between clients; the id generator is at hand.
        let seed = self.seed.unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0);
        let random = Arc::new(Random::new(seed));
        let counters = Arc::new(Counters::default());
        let grant = self.grant.unwrap_or_else(|| {
            Arc::new(Grant {
                minter: Minter::new(
                    transport.clone(),
                    bases.token.clone(),
                    self.credentials,
                    self.policy,
                    random.clone(),
                    counters.clone(),
                ),
                pool: Arc::new(Pool::new(self.quota, self.tokens, self.share)),
                pauses: Mutex::default(),
            })
        });
        Ok(Client::new(Inner {
            org: self.org,
            bases,
            transport,
            grant,
            policy: self.policy,
            quota: self.quota,
            random,
            counters,
            page_concurrency: self.page_concurrency,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_three_hosts_and_a_base_url_one() {
        let region = Endpoint::region("eu-central-1".parse().unwrap());
        let bases = Bases::new(&region).unwrap();
        assert_eq!(bases.api, "https://api.mypurecloud.de");
        assert_eq!(bases.apps, "https://apps.mypurecloud.de");
        assert_eq!(
            bases.token.as_str(),
            "https://login.mypurecloud.de/oauth/token"
        );
        let bases = Bases::new(&Endpoint::base_url("http://127.0.0.1:9/sim/")).unwrap();
        assert_eq!(bases.api, "http://127.0.0.1:9/sim");
        assert_eq!(bases.token.as_str(), "http://127.0.0.1:9/sim/oauth/token");
        assert!(bases.local && !bases.secure);
    }

    #[test]
    fn what_is_no_base_url_is_refused_without_repeating_credentials() {
        let refuse = |url: &str| Bases::new(&Endpoint::base_url(url)).unwrap_err();
        for url in ["", "ftp://host", "https://host/?a=b", "host:80"] {
            let message = refuse(url).to_string();
            assert!(message.starts_with("not a usable base url"), "{message}");
        }
        for url in ["https://me:hunter2@host", "https://me:hunter2@host:99999"] {
            let message = refuse(url).to_string();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
