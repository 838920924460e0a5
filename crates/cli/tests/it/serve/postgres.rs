//! Several workers on one PostgreSQL.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use orgsmith_sim::{FaultAction, FaultRule};
use serde_json::{Value, json};

use super::watched::Slack;
use super::{Serving, json_of};
use crate::lab::Lab;
use crate::state::{PASSWORD, schema, server};
use crate::stopping::wait_a_little;

/// A service that only listens, three workers, and an org with skills to clone.
struct Team {
    lab: Lab,
    service: Serving,
    workers: Vec<Child>,
    /// Who is told what failed.
    slack: Slack,
}

const SKILLS: usize = 40;
/// How long the org takes for each.
const EACH_MS: u64 = 300;

impl Team {
    fn start(name: &str) -> Option<Self> {
        let server = server()?;
        let lab = Lab::new();
        for number in 0..SKILLS {
            lab.write(
                &format!("image/routing_skill/S{number:02}.yaml"),
                format!("name: S{number:02}\n"),
            );
        }
        lab.run(&["apply", "image", "--to", "gold", "--yes"])
            .ends(0);
        let schema = schema(&server, name);
        lab.configure(&format!(
            "state: {server}?options[search_path]={schema}\nservice: {{alerts: webhook}}\n"
        ));
        let slack = Slack::new();
        let prepare = |arguments: &[&str]| {
            let mut command: Command = lab.command(arguments);
            command.env("PGPASSWORD", PASSWORD);
            let webhook = format!("http://{}/hook", slack.address);
            command.env("ORGSMITH_SECRET_WEBHOOK", webhook);
            command
        };
        let listen = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--workers",
            "0",
            "-o",
            "json",
        ];
        let service = Serving::of(prepare(&listen));
        let workers = (0..3).map(|_| {
            prepare(&["worker", "--workers", "2"])
                .stderr(Stdio::null())
                .spawn()
                .expect("the program")
        });
        let workers = workers.collect();
        let delay =
            FaultRule::new(FaultAction::DelayMs(EACH_MS)).on("POST", "/api/v2/routing/skills");
        lab.sim.add_fault(delay);
        Some(Self {
            lab,
            service,
            workers,
            slack,
        })
    }

    /// Begins to clone, and returns the job and who is at it once some of it is written.
    fn clone(&self) -> (String, u32) {
        let asked = json!({"name": "tenant", "sourceOrgId": "gold", "clone": {"routingSkills": true},
                           "carry": {"parallelism": 1}});
        let place = self.service.ask(self.service.post("/api/v2/orgs", &asked));
        let started = Instant::now();
        while self.created() < 5 {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "it never wrote"
            );
            wait_a_little();
        }
        let job = json_of(self.service.get(&place).send().expect("an answer"));
        let worker = job["worker"].as_str().expect("a worker");
        let process = worker.split('/').nth(1).expect("a process");
        (place, process.parse().expect("a number"))
    }

    /// Counts the skills that were created in the tenant.
    fn created(&self) -> usize {
        let ledger = self.lab.sim.ledger();
        let created = ledger.iter().filter(|call| {
            call.org.as_deref() == Some("tenant")
                && call.method == "POST"
                && call.path == "/api/v2/routing/skills"
                && call.status < 300
        });
        created.count()
    }

    /// Waits until the next request is at the org, which takes its time for it.
    ///
    /// Between the look at the lease and the wire is an instant that nothing can close, and who is stopped in it
    /// sends when he wakes. Requests follow each other as soon as the last one is written down, so that a moment
    /// at random hits it now and then.
    fn until_one_is_under_way(&self) {
        let before = self.created();
        while self.created() == before {
            wait_a_little();
        }
        // Half of its time.
        std::iter::repeat_n((), 7).for_each(|()| wait_a_little());
    }

    fn is_done(&self, job: &Value) {
        assert_eq!(job["state"], "Completed", "{job:#}");
        assert!(job["attempt"].as_u64() >= Some(2), "{job:#}");
        assert_eq!(self.created(), SKILLS, "nothing is created twice");
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

fn signal(signal: &str, process: u32) {
    let sent = Command::new("kill")
        .args([signal, &process.to_string()])
        .status();
    assert!(sent.expect("kill").success());
}

#[test]
fn another_worker_finishes_what_one_that_is_killed_has_begun() {
    let Some(team) = Team::start("killed") else {
        return;
    };
    let (job, worker) = team.clone();
    signal("-KILL", worker);
    team.is_done(&team.service.end(&job));
}

#[test]
fn a_worker_that_was_paused_and_wakes_writes_nothing_more() {
    let Some(team) = Team::start("paused") else {
        return;
    };
    let (job, worker) = team.clone();
    team.until_one_is_under_way();
    signal("-STOP", worker);
    let ended = team.service.end(&job);
    team.is_done(&ended);
    let before = team.lab.writes("tenant");
    signal("-CONT", worker);
    std::iter::repeat_n((), 150).for_each(|()| wait_a_little());
    assert_eq!(
        team.lab.writes("tenant"),
        before,
        "it wrote after its lease was taken"
    );
    let still = json_of(team.service.get(&job).send().expect("an answer"));
    assert_eq!(still["state"], ended["state"]);
    let told = team.slack.told();
    assert!(told.is_empty(), "it told how it ended: {told:?}");
}
