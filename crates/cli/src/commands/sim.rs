//! `orgsmith sim`

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use orgsmith_sim::{Bridge, Config, Generate, OrgSpec, Sim as Simulator, WorldFile};
use serde_json::json;

use crate::args::Format;
use crate::error::{Exit, Failure, count};
use crate::output::{BOLD, CYAN, styled};
use crate::secrets::in_capitals;
use crate::session::Session;

/// Starts a simulated Genesys Cloud and serves until Ctrl-C.
///
/// Without a world there are two empty orgs, `gold` and `tenant`, or those of --orgs. What the simulator saw is below
/// /sim/ of its URL.
#[derive(Debug, Args)]
pub(crate) struct Sim {
    /// Orgs and what is in them, as YAML or JSON.
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// Names of empty orgs, instead of gold and tenant.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with_all = ["world", "generate"])]
    orgs: Vec<String>,
    /// Fills the org `gold` from a seed: seed=7,users=100,queues=20 (an unknown word lists all).
    #[arg(long, value_name = "WHAT", conflicts_with = "world")]
    generate: Option<Generate>,
    /// Where to listen; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))]
    listen: SocketAddr,
    /// Requests that one token may make in a window.
    #[arg(long, value_name = "N")]
    quota: Option<u32>,
    /// The length of that window, in seconds.
    #[arg(long, value_name = "N")]
    window_s: Option<u32>,
    /// Lists at the end what was called and only simulated as plain objects, by what the API's
    /// contract says and without any rule of the service.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    events: PostEvents,
}

/// Where the audits are posted to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Events")]
struct PostEvents {
    /// Posts every audit to this URL, as Amazon EventBridge passes it on.
    #[arg(long, value_name = "URL")]
    post_events: Option<String>,
    /// The variable whose value signs each post.
    #[arg(long, value_name = "NAME", requires = "post_events")]
    post_events_secret_env: Option<String>,
    /// The variable whose value goes along as API key.
    #[arg(long, value_name = "NAME", requires = "post_events")]
    post_events_key_env: Option<String>,
    /// Loses so many of a hundred events, the same ones in every run.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "post_events", value_parser = clap::value_parser!(u8).range(0..=100))]
    lose_events: u8,
    /// Posts so many of a hundred twice.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "post_events", value_parser = clap::value_parser!(u8).range(0..=100))]
    repeat_events: u8,
    /// Lets later events overtake earlier ones.
    #[arg(long, requires = "post_events")]
    shuffle_events: bool,
}

impl PostEvents {
    fn bridge(&self) -> anyhow::Result<Option<Bridge>> {
        let value = |name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => match std::env::var(name) {
                Ok(value) if !value.is_empty() => Ok(Some(value)),
                _ => Err(Failure::Usage(format!("the variable {name} has no value"))),
            },
        };
        let Some(url) = &self.post_events else {
            return Ok(None);
        };
        Ok(Some(Bridge {
            url: url.clone(),
            secret: value(&self.post_events_secret_env)?,
            api_key: value(&self.post_events_key_env)?,
            drop_percent: self.lose_events,
            duplicate_percent: self.repeat_events,
            reorder: self.shuffle_events,
        }))
    }
}

impl Sim {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let world = self.world()?;
        let mut config = match &world {
            Some(world) => world.config(),
            None if !self.orgs.is_empty() => Config::with_orgs(&self.orgs),
            None => Config::with_orgs(["gold", "tenant"]),
        };
        config.listen = self.listen;
        if let Some(quota) = self.quota {
            config.limits.requests = quota;
        }
        if let Some(window) = self.window_s {
            config.limits.window_s = window;
        }
        config.strict = self.strict;
        config.bridge = self.events.bridge()?;
        let orgs = config.orgs.clone();
        let sim = Simulator::start(config).await?;
        if let Some(world) = &world {
            sim.load(world)?;
        }
        if let Some(generate) = &self.generate {
            sim.generate("gold", generate)?;
        }
        let out = session.out;
        if out.format() == Format::Json {
            let orgs: Vec<_> = orgs
                .iter()
                .map(|org| json!({ "name": org.name, "clients": org.clients }))
                .collect();
            out.json(&json!({ "base_url": sim.base_url(), "orgs": orgs }))?;
        } else {
            out.data(told(sim.base_url(), &orgs))?;
        }
        out.say("Serving until Ctrl-C.");
        session.until_stopped().await;
        if self.strict {
            let fallbacks = sim.fallbacks();
            out.say(match fallbacks.len() {
                0 => "Every operation that was called is simulated with its rules.".to_owned(),
                n => format!("{} answered by the contract alone:", count(n, "operation")),
            });
            for (operation, calls) in fallbacks {
                out.say(format!(
                    "  {operation} ({})",
                    count(usize::try_from(calls)?, "call")
                ));
            }
        }
        sim.shutdown().await;
        Ok(Exit::Ok)
    }

    fn world(&self) -> anyhow::Result<Option<WorldFile>> {
        let Some(path) = &self.world else {
            return Ok(None);
        };
        let shown = path.display();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("could not read {shown}"))?;
        WorldFile::parse(&text)
            .with_context(|| shown.to_string())
            .map(Some)
    }
}

fn told(base_url: &str, orgs: &[OrgSpec]) -> String {
    let mut text = format!("{} {base_url}\n\n", styled(BOLD, "Simulating"));
    text.push_str(&format!("An {} for it:\n\n", styled(CYAN, "orgsmith.yaml")));
    text.push_str(&project(base_url, orgs));
    text.push_str("\nand its credentials, for your shell:\n\n");
    for (org, client) in orgs
        .iter()
        .filter_map(|org| Some((org, org.clients.first()?)))
    {
        let name = variable(&org.name);
        text.push_str(&format!(
            "export {name}_ID='{}' {name}_SECRET='{}'\n",
            client.id, client.secret
        ));
    }
    text
}

/// Writes a project file for simulated orgs.
fn project(base_url: &str, orgs: &[OrgSpec]) -> String {
    let mut text = String::from("orgs:\n");
    for org in orgs {
        let name = variable(&org.name);
        text.push_str(&format!(
            "  {}:\n    base_url: {base_url}\n    credential:\n      env: {{id: {name}_ID, secret: {name}_SECRET}}\n",
            serde_json::Value::from(org.name.as_str())
        ));
    }
    text
}

/// Makes a name for a variable out of an org's name.
fn variable(org: &str) -> String {
    let name = in_capitals(org);
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("ORG_{name}")
    } else {
        name
    }
}
