//! `orgsmith demo`

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use orgsmith_core::plan::Plan;
use orgsmith_core::render::{Line, Span, Style, Text};
use orgsmith_engine::Finished;
use orgsmith_sim::{ClientSpec, Config as SimConfig, Jobs, OrgSpec, Sim};
use orgsmith_store::bundle;
use serde_json::json;

use super::{ending, road};
use crate::args::{Carry, Selected};
use crate::config::Config;
use crate::error::Exit;
use crate::keys::KeyRing;
use crate::minimum::{self, total};
use crate::output::{Align, BOLD, CYAN, DIM, GREEN, RED, Table, styled, text};
use crate::secrets::Ask;
use crate::session::{Connected, Session};
use crate::source::{Source, Wanted};

include!(concat!(env!("OUT_DIR"), "/examples.rs"));

/// Shows the whole road on a simulated Genesys Cloud.
///
/// Needs no org, no credential and no network, and leaves nothing behind.
#[derive(Debug, Args)]
pub(crate) struct Demo {}

/// How long jobs take in the demo's world.
const JOBS: Jobs = Jobs {
    polls: 1,
    work_ms: 0,
    flows_per_export: 50,
};

/// What one part of the demo took.
struct Taken {
    what: &'static str,
    objects: usize,
    calls: u64,
    /// The least number of calls, where it can be told.
    least: Option<u64>,
    time: Duration,
}

impl Demo {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let out = session.out;
        let folder = tempfile::tempdir().context("could not make a temporary folder")?;
        let sim = Sim::start(world()).await?;
        for org in ["gold", "tenant"] {
            furnish(&sim, org)?;
        }
        let session = self.session(session, folder.path(), &sim)?;
        let (gold, tenant) = (session.connect("gold")?, session.connect("tenant")?);

        out.data(format!(
            "{}\nTwo orgs live in this process. gold holds the configuration of a contact centre;\n\
             tenant has a few objects of its own, and a home division of another name.\n\
             What follows is what you would type for your own orgs.\n",
            styled(BOLD, "A simulated Genesys Cloud")
        ))?;
        fill(&session, folder.path(), GOLD_ORG, &gold).await?;
        fill(&session, folder.path(), TENANT, &tenant).await?;

        let bundle = folder.path().join("gold");
        command(
            &session,
            "orgsmith export gold --out ./gold",
            "reads gold into files without ids",
        )?;
        let started = Instant::now();
        let wanted = Source::Org("gold".into())
            .read(&session, &Selected::default())
            .await?;
        bundle::write_dir(&wanted.bundle, &bundle)?;
        let export = Taken {
            what: "export gold",
            objects: wanted.bundle.documents.len(),
            calls: wanted.calls,
            least: Some(total(&minimum::export(&sim.dump("gold"), JOBS))),
            time: started.elapsed(),
        };
        out.data(format!(
            "{} objects, {} calls\n",
            export.objects, export.calls
        ))?;

        command(
            &session,
            "orgsmith plan gold --to tenant",
            "decides, and changes nothing",
        )?;
        let started = Instant::now();
        let planned = road::plan(&session, &wanted, &tenant, false, Ask::default()).await?;
        let plan = Taken {
            what: "read tenant and plan",
            objects: wanted.bundle.documents.len(),
            calls: planned.calls,
            least: None,
            time: started.elapsed(),
        };
        out.data(shortened(&road::screen(
            out,
            &planned.plan,
            road::rate(&tenant),
            None,
        )))?;

        command(
            &session,
            "orgsmith clone gold tenant",
            "carries the plan out, and plans again",
        )?;
        let started = Instant::now();
        let before = tenant.org.client.stats().sent;
        let found = sim.dump("tenant");
        let (carried_out, finished) =
            approve_and_run(&session, planned, &tenant, folder.path()).await?;
        let clone = Taken {
            what: "write tenant",
            objects: carried_out.steps.len(),
            calls: tenant.org.client.stats().sent - before,
            least: Some(total(&minimum::writes(&found, &sim.dump("tenant"), JOBS))),
            time: started.elapsed(),
        };
        let done = finished.outcome.is_complete();
        let again = road::plan(&session, &wanted, &tenant, false, Ask::default()).await?;
        let left = again.plan.steps.len();

        out.data(table(&[export, plan, clone]))?;
        let style = if left == 0 && done { GREEN } else { RED };
        out.data(format!(
            "\nNow for your own orgs: write an {}, then {}.\n",
            styled(CYAN, "orgsmith.yaml"),
            styled(CYAN, "orgsmith org check")
        ))?;
        out.data(styled(style.bold(), format!("{left} differences")))?;
        sim.shutdown().await;
        Ok(if left == 0 && done {
            Exit::Ok
        } else {
            Exit::Partial
        })
    }

    /// Puts a session together whose project lies in a temporary folder.
    fn session<'o>(
        &self,
        session: &Session<'o>,
        folder: &Path,
        sim: &Sim,
    ) -> anyhow::Result<Session<'o>> {
        let mut project = String::from("state: state.db\norgs:\n");
        for org in ["gold", "tenant"] {
            let file = format!("{org}.json");
            let pair = json!({ "client_id": format!("{org}-client"), "client_secret": format!("{org}-secret") });
            private(&folder.join(&file), &pair.to_string())?;
            project.push_str(&format!(
                "  {org}:\n    base_url: {}\n    credential: {{file: {file}}}\n    \
                 tokens: 10\n    visibility_wait_s: 0\n",
                sim.base_url()
            ));
        }
        let path = folder.join(crate::config::FILE);
        std::fs::write(&path, project)?;
        let config = Config::load(Some(&path), folder)?;
        Ok(Session::new(session.out, config, KeyRing::default(), None)?)
    }
}

fn world() -> SimConfig {
    let org = |name: &str, home: &str| {
        let mut spec = OrgSpec::named(name).client(ClientSpec::new(
            &format!("{name}-client"),
            &format!("{name}-secret"),
        ));
        spec.home_division_name = home.to_owned();
        spec.jobs = JOBS;
        spec
    };
    SimConfig {
        orgs: vec![org("gold", "Home"), org("tenant", "Mandant West")],
        ..SimConfig::default()
    }
}

/// Gives an org what no tool can: numbers come from a carrier.
fn furnish(sim: &Sim, org: &str) -> anyhow::Result<()> {
    for (name, first, last) in [
        ("Indianapolis", "+13175550140", "+13175550159"),
        ("München", "+498999998000", "+498999998019"),
    ] {
        let pool = json!({ "name": name, "startPhoneNumber": first, "endPhoneNumber": last });
        sim.seed(
            org,
            "POST",
            "/api/v2/telephony/providers/edges/didpools",
            pool,
        )?;
    }
    Ok(())
}

/// Fills an org from an example bundle, silently.
async fn fill(
    session: &Session<'_>,
    folder: &Path,
    files: &[(&str, &[u8])],
    org: &Connected,
) -> anyhow::Result<()> {
    let path = folder.join(format!("{}-example", org.org.name));
    for (name, content) in files {
        let file = path.join(name);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, content)?;
    }
    let wanted: Wanted = Source::Path(path)
        .read(session, &Selected::default())
        .await?;
    let planned = road::plan(session, &wanted, org, false, Ask::default()).await?;
    let (plan, finished) = approve_and_run(session, planned, org, folder).await?;
    ensure!(
        finished.outcome.is_complete(),
        "the example could not be loaded into {}:\n{}",
        org.org.name,
        open_steps(&plan, &finished)
    );
    Ok(())
}

fn open_steps(plan: &Plan, finished: &Finished) -> String {
    let steps = plan.steps.iter().filter_map(|step| {
        let (how, reason) = ending::standing(finished.outcome.states.get(&step.id));
        (how != "done").then(|| format!("  {}: {how}: {}", step.id, reason.unwrap_or_default()))
    });
    steps.collect::<Vec<_>>().join("\n")
}

/// Approves a plan as `--yes` does; every secret gets a value that is none.
async fn approve_and_run(
    session: &Session<'_>,
    planned: road::Planned,
    org: &Connected,
    folder: &Path,
) -> anyhow::Result<(Plan, Finished)> {
    let (checked, source_ids) = planned.into_checked(session.out, true)?;
    let values: BTreeMap<&String, &str> = checked
        .secrets()
        .iter()
        .map(|name| (name, "demo-value"))
        .collect();
    let secrets = folder.join("secrets.json");
    private(&secrets, &serde_json::to_string(&values)?)?;
    let carry = Carry {
        dry_run: false,
        budget: None,
        no_onboard: true,
        yes: true,
        confirm: Vec::new(),
        force: true,
        parallelism: 40,
        stop_on_error: false,
        continue_on_error: true,
        secrets_file: Some(secrets),
    };
    let approved = road::Approved {
        checked,
        source_ids,
        by_person: false,
    };
    let finished = road::start(session, &approved, org, &carry).await?;
    Ok((approved.checked.into_plan(), finished))
}

/// Writes a file that only its owner may read.
fn private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    std::io::Write::write_all(&mut options.open(path)?, text.as_bytes())?;
    Ok(())
}

fn command(session: &Session<'_>, line: &str, what: &str) -> anyhow::Result<()> {
    session.out.data(format!(
        "\n{} {}  {}",
        styled(DIM, "$"),
        styled(CYAN, line),
        styled(DIM, format!("# {what}"))
    ))
}

/// Returns a plan screen with counts in place of the many objects that are created and linked.
fn shortened(screen: &Text) -> String {
    let many = |line: &&Line| {
        let indented = line
            .first()
            .is_some_and(|span| span.text.starts_with("    "));
        let new = |span: &Span| matches!(span.style, Style::Create | Style::Link);
        !(indented && line.iter().any(new))
    };
    text::ansi(screen.lines().iter().filter(many))
}

fn table(rows: &[Taken]) -> String {
    use Align::{Left, Right};
    let mut table = Table::new(&[Left, Right, Right, Right, Right]);
    table.row(["", "objects", "calls", "least", "seconds"].map(|head| styled(BOLD, head)));
    for Taken {
        what,
        objects,
        calls,
        least,
        time,
    } in rows
    {
        table.row([
            (*what).to_owned(),
            objects.to_string(),
            calls.to_string(),
            least.map_or_else(String::new, |least| least.to_string()),
            format!("{:.1}", time.as_secs_f64()),
        ]);
    }
    format!("\n{}", table.text(""))
}
