//! A simulated world, a project that speaks of it, and the program.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use orgsmith_client::{Client, Credentials, Endpoint};
use orgsmith_core::id::OrgName;
use orgsmith_engine::Org;
use orgsmith_sim::{Config, Generate, Limits, Sim};
use serde_json::{Map, Value};
use tempfile::TempDir;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_orgsmith");
pub const SOURCE: &str = "source";
pub const TARGET: &str = "target";

/// An org to generate.
pub struct Size {
    pub name: &'static str,
    pub what: &'static str,
}

/// A contact centre of a thousand users.
pub const MIDDLE: Size = Size {
    name: "1,000 users",
    what: "seed=7,divisions=10,locations=20,skills=120,languages=12,wrapups=150,users=1000,\
           groups=60,skill_groups=10,queues=150,members=50,schedules=40,schedule_groups=20,\
           prompts=250,tables=30,rows=150,integrations=12,actions=80,flows=150,ivrs=40,\
           contact_lists=20,campaigns=20",
};

/// Ten times as large.
pub const LARGE: Size = Size {
    name: "10,000 users",
    what: "seed=7,divisions=40,locations=150,skills=600,languages=30,wrapups=900,users=10000,\
           groups=400,skill_groups=60,queues=1000,members=120,schedules=250,schedule_groups=120,\
           prompts=1200,tables=150,rows=150,integrations=60,actions=300,flows=600,ivrs=250,\
           contact_lists=120,campaigns=120",
};

/// A hundred thousand objects.
pub const HUGE: Size = Size {
    name: "100,000 objects",
    what: "seed=7,divisions=49,locations=1500,skills=4000,languages=30,wrapups=6000,users=70000,\
           groups=3000,skill_groups=150,queues=4000,members=40,schedules=1500,schedule_groups=700,\
           prompts=4000,tables=200,rows=100,integrations=90,actions=800,flows=1500,ivrs=1000,\
           contact_lists=800,campaigns=800",
};

/// A generated source, an empty target, and a folder with a project.
pub struct Lab {
    pub sim: Sim,
    dir: TempDir,
}

/// What a run of the program took.
pub struct Taken {
    pub time: Duration,
    pub peak_mb: u64,
}

impl Lab {
    pub async fn new(size: &Size, limits: Limits) -> anyhow::Result<Self> {
        let mut config = Config::with_orgs([SOURCE, TARGET]);
        config.limits = limits;
        let sim = Sim::start(config).await?;
        let wanted: Generate = size.what.parse()?;
        sim.generate(SOURCE, &wanted)?;
        // Numbers come from a carrier; no tool makes them.
        for pool in sim.objects(SOURCE, "did_pool") {
            let kept = ["name", "startPhoneNumber", "endPhoneNumber"];
            let pool = kept.map(|field| (field.to_owned(), pool[field].clone()));
            let pool: Map<_, _> = pool.into_iter().collect();
            let path = "/api/v2/telephony/providers/edges/didpools";
            sim.seed(TARGET, "POST", path, pool.into())?;
        }
        Self::around(sim, &[SOURCE, TARGET].map(str::to_owned))
    }

    /// Makes a folder with a project that speaks of orgs of a world.
    pub fn around(sim: Sim, orgs: &[String]) -> anyhow::Result<Self> {
        let lab = Self {
            sim,
            dir: TempDir::new()?,
        };
        lab.project(orgs)?;
        Ok(lab)
    }

    fn project(&self, orgs: &[String]) -> anyhow::Result<()> {
        let mut project = String::from(
            "defaults: {tokens: 10, quota_per_minute: 1000000, visibility_wait_s: 0}\norgs:\n",
        );
        for org in orgs {
            let pair = format!("client_id: {org}-client\nclient_secret: {org}-secret\n");
            private(&self.path(&format!("{org}.yaml")), &pair)?;
            project.push_str(&format!(
                "  {org}: {{base_url: \"{}\", credential: {{file: {org}.yaml}}}}\n",
                self.sim.base_url()
            ));
        }
        fs::write(self.path("orgsmith.yaml"), project)?;
        let values: Map<String, Value> = self
            .sim
            .objects(SOURCE, "credential")
            .iter()
            .filter_map(|credential| credential["name"].as_str())
            .flat_map(|name| ["userName", "password"].map(|field| format!("{name}/{field}")))
            .map(|name| (name, Value::from("value")))
            .collect();
        private(&self.path("secrets.json"), &Value::from(values).to_string())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs the program to its end.
    #[expect(
        clippy::disallowed_methods,
        reason = "this thread only waits for another process"
    )]
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<Taken> {
        let said = fs::File::create(self.path("said.txt"))?;
        let begin = Instant::now();
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()
            .context("the program does not start")?;
        let mut peak_mb = 0;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            peak_mb = peak_mb.max(resident_mb(child.id()));
            std::thread::sleep(Duration::from_millis(20));
        };
        let time = begin.elapsed();
        if !status.success() {
            let said = fs::read_to_string(self.path("said.txt"))?;
            let end: Vec<&str> = said.lines().rev().take(12).collect();
            let end: Vec<&str> = end.into_iter().rev().collect();
            bail!("{arguments:?}: {status}\n{}", end.join("\n"));
        }
        Ok(Taken { time, peak_mb })
    }

    /// Returns an org for the engine, with a quota of its own.
    pub fn org(&self, name: &str, tokens: usize, limits: &Limits) -> anyhow::Result<Org> {
        let credentials = Credentials {
            client_id: format!("{name}-client"),
            secret: format!("{name}-secret").into(),
        };
        let window = Duration::from_secs(limits.window_s.into());
        let client = Client::builder(Endpoint::base_url(self.sim.base_url()), credentials)
            .org(name)
            .tokens(tokens)
            .quota(limits.requests, window)
            .build()?;
        Ok(Org {
            name: OrgName::new(name),
            region: None,
            client,
        })
    }
}

/// Returns the most memory that a process has used so far, where the system tells.
fn resident_mb(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kb.unwrap_or(0) / 1024
}

fn private(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
