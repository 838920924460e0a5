//! The service under load: orgs that are watched, people who look while runs are under way, browsers that
//! follow, and how soon after a change an org is read again.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures::StreamExt;
use futures::future::{join_all, try_join_all};
use orgsmith_sim::{Config, FaultAction, FaultRule, Generate, Limits, Sim};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::lab::{Lab, PROGRAM, SOURCE};
use crate::table::{Table, surplus};

/// Orgs that one process watches.
const ORGS: usize = 500;
/// How long they are watched, after each was looked at once.
const WATCHED: Duration = Duration::from_secs(180);

/// Runs under way at once.
const RUNS: usize = 50;
/// People who look, each with a token of their own.
const PEOPLE: usize = 200;
/// What an API call of a run takes at least, as over a network.
const LATENCY_MS: u64 = 100;
const LOOKED: Duration = Duration::from_secs(30);
/// How long it may take until all runs write.
const PATIENCE: Duration = Duration::from_secs(900);
/// What is cloned: long enough that no run ends while people look.
const WORLD: &str = "seed=7,divisions=3,locations=5,skills=60,languages=5,wrapups=60,users=300,\
                     groups=5,queues=20,members=20,integrations=0,actions=0";

/// Changes whose way is timed.
const CHANGES: usize = 20;

/// A service that runs.
struct Serving {
    child: Child,
    url: String,
    token: String,
    http: Client,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    fn start(lab: &Lab, project: &str, workers: usize) -> anyhow::Result<Self> {
        let file = lab.path("orgsmith.yaml");
        fs::write(&file, fs::read_to_string(&file)? + project)?;
        let mut child = Command::new(PROGRAM)
            .args(["serve", "--listen", "127.0.0.1:0", "-o", "json"])
            .arg(format!("--workers={workers}"))
            .current_dir(lab.path("."))
            .env("ORGSMITH_SECRET_BUS", "key")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(lab.path("said.txt"))?)
            .spawn()
            .context("the program does not start")?;
        let output = child.stdout.take().context("its output")?;
        let mut text = String::new();
        for line in BufReader::new(output).lines() {
            text.push_str(&line?);
            if let Ok(told) = serde_json::from_str::<Value>(&text) {
                return Ok(Self {
                    child,
                    url: told["url"].as_str().context("a URL")?.to_owned(),
                    token: told["token"].as_str().context("a token")?.to_owned(),
                    http: Client::new(),
                });
            }
        }
        bail!("{}", fs::read_to_string(lab.path("said.txt"))?)
    }

    fn get(&self, path: &str, token: &str) -> RequestBuilder {
        self.http
            .get(format!("{}{path}", self.url))
            .bearer_auth(token)
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.http.post(format!("{}{path}", self.url));
        let request = request.bearer_auth(&self.token);
        let request = request
            .header("content-type", "application/json")
            .body(body.to_string());
        let answer = request.send().await?.error_for_status()?;
        Ok(serde_json::from_str(&answer.text().await?)?)
    }

    async fn schedules(&self) -> anyhow::Result<Vec<Value>> {
        let answer = self.get("/api/v2/schedules", &self.token).send().await?;
        Ok(serde_json::from_str(&answer.text().await?)?)
    }

    /// Waits until each org that is kept was looked at, and nothing is under way.
    async fn until_quiet(&self) -> anyhow::Result<()> {
        let quiet = |shown: &Value| shown["job"].is_null() && shown["scanned"].is_string();
        while !self.schedules().await?.iter().all(quiet) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    /// Returns the seconds of a core that it has used.
    fn cpu(&self) -> anyhow::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, rest) = stat.rsplit_once(')').context("a name")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(ticks as f64 / 100.0)
    }

    /// Returns the memory that it uses now, and the most that it has used.
    fn memory_mb(&self) -> anyhow::Result<(u64, u64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let of = |name: &str| -> anyhow::Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kb = line.and_then(|line| line.split_whitespace().next());
            Ok(kb.context("a figure")?.parse::<u64>()? / 1024)
        };
        Ok((of("VmRSS:")?, of("VmHWM:")?))
    }
}

fn numbered(what: &str, count: usize) -> Vec<String> {
    (1..=count)
        .map(|number| format!("{what}-{number:03}"))
        .collect()
}

/// Many orgs that one process watches and nothing happens in.
pub async fn watched() -> anyhow::Result<()> {
    let orgs = numbered("org", ORGS);
    let mut config = Config::with_orgs(&orgs);
    config.limits = Limits::none();
    let lab = Lab::around(Sim::start(config).await?, &orgs)?;
    fs::create_dir_all(lab.path("image/routing_skill"))?;
    fs::write(
        lab.path("image/routing_skill/Billing.yaml"),
        "name: Billing\n",
    )?;
    let mut project = String::from("drift:\n  against:\n");
    orgs.iter()
        .for_each(|org| project.push_str(&format!("    {org}: image\n")));
    project.push_str("service:\n  watch: 1m\n  keep:\n");
    orgs.iter()
        .for_each(|org| project.push_str(&format!("    {org}: {{}}\n")));
    let service = Serving::start(&lab, &project, 8)?;
    let begin = Instant::now();
    service.until_quiet().await?;
    let first = begin.elapsed();

    let (seen, cpu) = (lab.sim.ledger().len(), service.cpu()?);
    tokio::time::sleep(WATCHED).await;
    let ledger = lab.sim.ledger().split_off(seen);
    let cpu = service.cpu()? - cpu;
    let minutes = WATCHED.as_secs_f64() / 60.0;
    // One call for each service of the audits that tells of a kind.
    let mut services: BTreeMap<&str, std::collections::BTreeSet<String>> = BTreeMap::new();
    for entry in &ledger {
        if let (Some(org), Some(body)) = (&entry.org, &entry.body)
            && entry.path.ends_with("/audits/query/realtime")
        {
            let of = services.entry(org.as_str()).or_default();
            of.insert(body["serviceName"].to_string());
        }
    }
    let least = services
        .values()
        .map(std::collections::BTreeSet::len)
        .sum::<usize>() as u64;
    ensure!(services.len() == ORGS, "only {} were asked", services.len());
    let calls = (ledger.len() as f64 / minutes).round() as u64;
    let (now, peak) = service.memory_mb()?;
    let mut table = Table::new([
        "",
        "calls a minute",
        "least",
        "surplus",
        "% of a core",
        "MB",
        "peak MB",
    ]);
    table.row([
        format!("{ORGS} orgs, asked each minute"),
        calls.to_string(),
        least.to_string(),
        surplus(calls, least),
        format!("{:.1}", cpu / WATCHED.as_secs_f64() * 100.0),
        now.to_string(),
        peak.to_string(),
    ]);
    table.print(&format!(
        "Watched: {ORGS} orgs by one process for {} s, after a first look at each that took {:.0} s",
        WATCHED.as_secs(),
        first.as_secs_f64()
    ));
    Ok(())
}

/// People who look, at first alone and then while runs are under way; and browsers that follow one.
pub async fn looked_at() -> anyhow::Result<()> {
    let targets = numbered("target", RUNS);
    let orgs: Vec<String> = [SOURCE.to_owned()]
        .into_iter()
        .chain(targets.clone())
        .collect();
    let mut config = Config::with_orgs(&orgs);
    config.limits = Limits::none();
    let sim = Sim::start(config).await?;
    sim.generate(SOURCE, &WORLD.parse::<Generate>()?)?;
    sim.add_fault(FaultRule::new(FaultAction::DelayMs(LATENCY_MS)));
    let lab = Lab::around(sim, &orgs)?;
    let service = Arc::new(Serving::start(&lab, "", RUNS)?);
    let mut tokens = Vec::new();
    for name in numbered("viewer", PEOPLE) {
        let made = service
            .post("/api/v2/tokens", &json!({"name": name, "role": "viewer"}))
            .await?;
        tokens.push(made["token"].as_str().context("a token")?.to_owned());
    }
    let mut table = Table::new(["", "requests", "a second", "p50 ms", "p99 ms", "failed"]);
    let alone = look(&service, &tokens, LOOKED).await;
    row(&mut table, "nothing else", &alone);

    let mut jobs = Vec::new();
    for org in &targets {
        let asked = json!({"name": org, "sourceOrgId": SOURCE});
        let job = service.post("/api/v2/orgs", &asked).await?;
        jobs.push(job["id"].as_str().context("a job")?.to_owned());
    }
    let running = async || -> anyhow::Result<usize> {
        let path = "/api/v2/jobs?kind=clone&state=Running&limit=100";
        let answer = service.get(path, &service.token).send().await?;
        let jobs: Vec<Value> = serde_json::from_str(&answer.text().await?)?;
        let writes = |job: &&Value| job["progress"]["phase"] == "writing";
        Ok(jobs.iter().filter(writes).count())
    };
    let begin = Instant::now();
    let failed = async || -> anyhow::Result<Option<String>> {
        let path = "/api/v2/jobs?kind=clone&state=Failed&limit=1";
        let answer = service.get(path, &service.token).send().await?;
        let jobs: Vec<Value> = serde_json::from_str(&answer.text().await?)?;
        Ok(jobs.first().map(|job| job["message"].to_string()))
    };
    while running().await? < RUNS {
        if let Some(message) = failed().await? {
            bail!("a run failed: {message}");
        }
        ensure!(
            begin.elapsed() < PATIENCE,
            "only {} runs write",
            running().await?
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let ended = Arc::new(AtomicBool::new(false));
    let browsers = try_join_all(tokens.iter().map(async |token| {
        let path = format!("/api/v2/jobs/{}/events", jobs[0]);
        service.get(&path, token).send().await?.error_for_status()
    }))
    .await?;
    let follow = browsers.into_iter().map(|answer| {
        let ended = ended.clone();
        tokio::spawn(async move {
            let mut seen: BTreeMap<u64, Instant> = BTreeMap::new();
            let (mut stream, mut text) = (answer.bytes_stream(), String::new());
            while let Some(Ok(bytes)) = stream.next().await {
                text.push_str(&String::from_utf8_lossy(&bytes));
                while let Some((line, rest)) = text.split_once('\n') {
                    if let Some(id) = line.strip_prefix("id: ").and_then(|id| id.parse().ok()) {
                        seen.insert(id, Instant::now());
                    }
                    text = rest.to_owned();
                }
                if ended.load(Ordering::Relaxed) {
                    break;
                }
            }
            seen
        })
    });
    let follow: Vec<_> = follow.collect();
    let under_way = look(&service, &tokens, LOOKED).await;
    row(
        &mut table,
        &format!("{RUNS} runs and {PEOPLE} browsers"),
        &under_way,
    );
    let still = running().await?;
    ended.store(true, Ordering::Relaxed);
    table.print(&format!(
        "People: {PEOPLE} at once, each asks once a second; {still} of {RUNS} runs still write at the end"
    ));
    let seen: Vec<BTreeMap<u64, Instant>> = try_join_all(follow).await?;
    let first = |id: &u64| seen.iter().filter_map(|seen| seen.get(id)).min().copied();
    // What all had time to see.
    let last = seen.iter().filter_map(|seen| seen.keys().max()).min();
    let last = last.copied().unwrap_or_default();
    let ids: Vec<u64> = seen[0].keys().copied().filter(|id| *id <= last).collect();
    let mut lags: Vec<Duration> = Vec::new();
    let mut missed = 0;
    for id in &ids {
        for seen in &seen {
            match (seen.get(id), first(id)) {
                (Some(at), Some(first)) => lags.push(at.duration_since(first)),
                _ => missed += 1,
            }
        }
    }
    lags.sort();
    let mut table = Table::new([
        "",
        "events each",
        "missed",
        "p50 ms after the first",
        "p99 ms",
    ]);
    table.row([
        format!("{PEOPLE} browsers"),
        ids.len().to_string(),
        missed.to_string(),
        ms(&lags, 50),
        ms(&lags, 99),
    ]);
    table.print(&format!(
        "Streams: {PEOPLE} browsers follow one of {RUNS} runs"
    ));
    let (now, peak) = service.memory_mb()?;
    println!("  {now} MB, at most {peak} MB");
    Ok(())
}

/// What came of looking.
struct Looked {
    times: Vec<Duration>,
    failed: usize,
    took: Duration,
}

fn row(table: &mut Table, what: &str, looked: &Looked) {
    table.row([
        what.to_owned(),
        looked.times.len().to_string(),
        format!(
            "{:.0}",
            looked.times.len() as f64 / looked.took.as_secs_f64()
        ),
        ms(&looked.times, 50),
        ms(&looked.times, 99),
        looked.failed.to_string(),
    ]);
}

fn ms(sorted: &[Duration], percent: usize) -> String {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    let time = sorted.get(at).copied().unwrap_or_default();
    format!("{:.0}", time.as_secs_f64() * 1000.0)
}

/// Lets everybody look around for a while.
async fn look(service: &Arc<Serving>, tokens: &[String], how_long: Duration) -> Looked {
    let begin = Instant::now();
    let people = tokens.iter().enumerate().map(async |(index, token)| {
        let (mut times, mut failed) = (Vec::new(), 0);
        // Not all in the same moment.
        tokio::time::sleep(Duration::from_millis((index * 1000 / PEOPLE) as u64)).await;
        for turn in 0.. {
            if begin.elapsed() > how_long {
                break;
            }
            let pages = [
                "/api/v2/orgs",
                "/api/v2/jobs?limit=50",
                "/api/v2/runs?limit=50",
                "/api/v2/schedules",
            ];
            let asked = Instant::now();
            let answer = service
                .get(pages[(index + turn) % pages.len()], token)
                .send();
            let whole = async { answer.await?.error_for_status()?.bytes().await };
            match whole.await {
                Ok(_) => times.push(asked.elapsed()),
                Err(_) => failed += 1,
            }
            tokio::time::sleep(Duration::from_secs(1).saturating_sub(asked.elapsed())).await;
        }
        (times, failed)
    });
    let looked = join_all(people).await;
    let failed = looked.iter().map(|(_, failed)| failed).sum();
    let mut times: Vec<Duration> = looked.into_iter().flat_map(|(times, _)| times).collect();
    times.sort();
    Looked {
        times,
        failed,
        took: begin.elapsed(),
    }
}

/// How soon after a change an org is read again.
pub async fn told() -> anyhow::Result<()> {
    let mut table = Table::new(["told by", "changes", "p50 ms", "p99 ms"]);
    for (what, how) in [
        (
            "a hook",
            "  watch: off\n  hooks: {bus: {api_key: bus, org: tenant}}\n",
        ),
        ("a notification", "  watch: off\n  notifications: true\n"),
        ("the audits, asked each second", "  watch: 1s\n"),
    ] {
        let orgs = ["tenant".to_owned()];
        let mut config = Config::with_orgs(&orgs);
        config.limits = Limits::none();
        let lab = Lab::around(Sim::start(config).await?, &orgs)?;
        fs::create_dir_all(lab.path("image/routing_queue"))?;
        fs::write(
            lab.path("image/routing_queue/Support.yaml"),
            "name: Support\n",
        )?;
        lab.run(&["apply", "image", "--to", "tenant", "--yes"])?;
        let queue = lab.sim.objects("tenant", "queue");
        let id = queue[0]["id"].as_str().context("an id")?.to_owned();
        let project = format!(
            "drift: {{against: {{tenant: image}}}}\nservice:\n  keep: {{tenant: {{}}}}\n{how}"
        );
        let service = Serving::start(&lab, &project, 2)?;
        service.until_quiet().await?;
        // Time to subscribe.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let org = lab.org("tenant", 1, &Limits::none())?;
        let mut times = Vec::new();
        for change in 0..CHANGES {
            let path = format!("/api/v2/routing/queues/{id}");
            let body = json!({"name": "Support", "description": format!("Change {change}")});
            let seen = lab.sim.ledger().len();
            let begin = Instant::now();
            org.client
                .send(orgsmith_client::Call::put(&path).json(body))
                .await?;
            if what == "a hook" {
                let at = jiff::Timestamp::now().to_string();
                let event = json!({"event": format!("e{change}"), "at": at,
                                   "objects": [{"kind": "routing_queue", "id": id}]});
                let request = service.http.post(format!("{}/hooks/bus", service.url));
                let request = request.header("x-api-key", "key").body(event.to_string());
                request.send().await?.error_for_status()?;
            }
            let read = |entry: &orgsmith_sim::Entry| {
                entry.method == "GET" && entry.path == "/api/v2/routing/queues"
            };
            while !lab.sim.ledger()[seen..].iter().any(read) {
                ensure!(
                    begin.elapsed() < Duration::from_secs(60),
                    "{what}: not read"
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            times.push(begin.elapsed());
            service.until_quiet().await?;
        }
        times.sort();
        table.row([
            what.to_owned(),
            times.len().to_string(),
            ms(&times, 50),
            ms(&times, 99),
        ]);
    }
    table.print("Told: from a change to the request that reads it again");
    Ok(())
}
