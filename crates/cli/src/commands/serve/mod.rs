//! `orgsmith serve` and `orgsmith worker`

mod errand;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use orgsmith_core::changes::Proof;
use orgsmith_core::secret::Secret;
use orgsmith_engine::Stop;
use orgsmith_server::{Hook, Parts, Service, Settings, SignIn, dispatch};
use orgsmith_store::state::postgres_address;
use serde_json::json;
use tokio::net::TcpListener;

use self::errand::Office;
use crate::args::Format;
use crate::config::StatePlace;
use crate::error::{Exit, Failure};
use crate::output::{BOLD, CYAN, styled};
use crate::owner;
use crate::secrets;
use crate::session::{Clients, Session, open_database};

/// Offers everything over HTTP: jobs, plans, runs, and a dashboard.
///
/// Without configuration it keeps its state in SQLite and listens on this machine alone. The first start
/// prints a token of an admin, once. With a state in PostgreSQL any number of `serve` and `worker`
/// processes share the work. docs/service.md tells the rest.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where it listens; port 0 is any free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7878")]
    listen: SocketAddr,
    /// Jobs that it does at once; 0 leaves them to `orgsmith worker`.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(0..=500))]
    workers: u16,
    /// Makes another token of an admin, and prints it: where the first is lost.
    #[arg(long)]
    new_token: bool,
}

/// Does jobs that a service has taken, and listens nowhere.
#[derive(Debug, Args)]
pub(crate) struct Worker {
    /// Jobs that it does at once.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=500))]
    workers: u16,
}

impl Serve {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let service = service(session).await?;
        let listener = TcpListener::bind(self.listen).await;
        let listener = listener.with_context(|| {
            format!(
                "could not listen on {}; --listen names another place",
                self.listen
            )
        })?;
        let address = listener
            .local_addr()
            .context("the address that is listened on")?;
        let url = format!("http://{address}");
        let mut first = service.first_token().await?;
        let is_first = first.is_some();
        if self.new_token && !is_first {
            first = Some(
                service
                    .another_token()
                    .await
                    .map_err(|why| anyhow!(why.detail))?,
            );
        }
        let out = session.out;
        if out.format() == Format::Json {
            let token = first.as_ref().map(|minted| &minted.token);
            out.json(&json!({ "url": url, "token": token }))?;
        } else {
            out.data(format!("{} {url}", styled(BOLD, "Serving")))?;
            if let Some(minted) = &first {
                let which = if is_first { "the first" } else { "another" };
                out.data(format!(
                    "The token of {which} admin, shown this once:\n\n    {}\n",
                    styled(CYAN, &minted.token)
                ))?;
            }
        }
        if !address.ip().is_loopback() && !session.config.project.service.tls {
            out.warn(
                "requests come in unencrypted; put a proxy with TLS in front, and set `service: {tls: true}`",
            );
        }
        out.say("Until Ctrl-C.");
        let stop = Stop::default();
        let serving = async {
            let served = service.serve(listener, stop.clone()).await;
            served.context("answering requests")
        };
        let working = async {
            match self.workers {
                0 => Ok(()),
                workers => work(&service, workers, &stop).await,
            }
        };
        let keeping = async {
            tokio::join!(
                service.reconcile(stop.clone()),
                service.watch(stop.clone()),
                service.listen(stop.clone()),
            );
            Ok(())
        };
        until_stopped(session, &stop, async {
            tokio::try_join!(serving, working, keeping, tend(&service, &stop)).map(|_| ())
        })
        .await
    }
}

impl Worker {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let service = service(session).await?;
        session.out.say("Working until Ctrl-C.");
        let stop = Stop::default();
        let working = work(&service, self.workers, &stop);
        until_stopped(session, &stop, async {
            tokio::try_join!(working, tend(&service, &stop)).map(|_| ())
        })
        .await
    }
}

async fn work(service: &Service, at_once: u16, stop: &Stop) -> anyhow::Result<()> {
    Ok(service.work(at_once.into(), stop.clone()).await?)
}

async fn tend(service: &Service, stop: &Stop) -> anyhow::Result<()> {
    service.tend(stop.clone()).await;
    Ok(())
}

/// How long what is under way may take to end.
const GRACE: std::time::Duration = std::time::Duration::from_secs(30);

/// Does something until Ctrl-C, and then lets it come to its end.
async fn until_stopped(
    session: &Session<'_>,
    stop: &Stop,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Exit> {
    let stopping = async {
        session.until_stopped().await;
        session.out.say("Ending what is under way.");
        stop.ask();
        tokio::time::sleep(GRACE).await;
        session.out.warn(
            "not all of it has ended; what was written is in the journals, and is gone on with",
        );
    };
    tokio::select! {
        biased;
        worked = work => worked.map(|()| Exit::Ok),
        () = stopping => Ok(Exit::Ok),
    }
}

/// Finds the value of a secret that a part of the project file names.
async fn value(session: &Session<'_>, part: &str, name: &str) -> anyhow::Result<Secret> {
    let found = secrets::find(name, session).await?;
    found.ok_or_else(|| {
        let variable = secrets::variable(name);
        let why = format!("the secret {name} of `{part}:` has no value; {variable} may hold it");
        Failure::Usage(why).into()
    })
}

/// Finds what the systems have to show that may tell of changes.
async fn hooks(session: &Session<'_>) -> anyhow::Result<BTreeMap<String, Hook>> {
    let mut hooks = BTreeMap::new();
    for (name, said) in &session.config.project.service.hooks {
        let proof = match (&said.signed_by, &said.api_key) {
            (Some(secret), None) => Proof::Signature(value(session, "hooks", secret).await?),
            (None, Some(secret)) => Proof::ApiKey(value(session, "hooks", secret).await?),
            _ => {
                let why = format!(
                    "the hook {name} needs `signed_by:` or `api_key:`, the name of a secret"
                );
                return Err(Failure::Usage(why).into());
            }
        };
        if let Some(org) = &said.org {
            session.config.org(org)?;
        }
        let org = said.org.clone();
        hooks.insert(name.clone(), Hook { proof, org });
    }
    Ok(hooks)
}

/// Finds where people sign in.
async fn sign_in(session: &Session<'_>) -> anyhow::Result<Option<SignIn>> {
    let Some(said) = &session.config.project.service.oidc else {
        return Ok(None);
    };
    let secret = value(session, "oidc", &said.client_secret).await?;
    Ok(Some(said.sign_in(secret)?))
}

async fn service(session: &Session<'_>) -> anyhow::Result<Service> {
    let database = open_database(session.state_place()).await?;
    let desk = database.desk().await?;
    // Several services may keep their queues in one database.
    let random = uuid::Uuid::new_v4().to_string();
    let queue = format!("orgsmith-{}", desk.setting("queue", &random).await?);
    let dispatcher = match session.state_place() {
        StatePlace::File(path) => {
            dispatch::sqlite(&path.with_extension("queue.db"), &queue).await?
        }
        StatePlace::Postgres(address) => {
            dispatch::postgres(&postgres_address(address)?, &queue).await?
        }
        // Refused above.
        StatePlace::Objects(_) => return Err(Failure::Usage("no database".to_owned()).into()),
    };
    let settings = &session.config.project.service;
    let alerts = match &settings.alerts {
        Some(name) => Some(value(session, "alerts", name).await?),
        None => None,
    };
    let office = Office {
        alerts,
        config: session.config.clone(),
        keys: session.keys.clone(),
        state: database.clone(),
        clients: Clients::of_service(),
    };
    Ok(Service::new(Parts {
        desk,
        state: database,
        dispatcher,
        work: Arc::new(office),
        owner: owner::this_process().as_str().to_owned(),
        settings: Settings {
            approvals: settings.approvals,
            secure_cookies: settings.tls,
            keep: settings.keep()?,
            watch: settings.watch()?,
            notifications: settings.notifications,
            hooks: hooks(session).await?,
            retention: settings.retention(),
            alert_on: settings.thresholds()?,
            sign_in: sign_in(session).await?,
        },
    }))
}
