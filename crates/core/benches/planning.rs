//! Time and memory of planning large orgs: `cargo bench -p orgsmith-core`.
//!
//! Each row is a process of its own, because memory that one row gave back would count for the next.
//! The orgs are heavy: users with skills and a manager, queues with ten members, flows with sources.
//! `input MB` is what both snapshots and the bundle hold before planning starts, `plan MB` what
//! planning adds at its peak. A row beyond the goal, which is for 100,000 objects, is marked.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::time::{Duration, Instant};
use std::{env, fs, process};

use orgsmith_core::bundle::Origin;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::checks::{Brake, check, foreign_ids};
use orgsmith_core::document::{Captured, Files};
use orgsmith_core::id::{Kind, SourceId};
use orgsmith_core::plan::{FLOW_SOURCE, Options, Planner};
use orgsmith_core::snapshot::Snapshot;
use orgsmith_core::testing::flow_source;
use serde_json::{Value, json};

/// What the target has of the source.
const SCENARIOS: [(&str, usize, Target); 4] = [
    ("empty target", 10_000, Target::Empty),
    ("empty target", 100_000, Target::Empty),
    (
        "equal target",
        100_000,
        Target::Share { changed_percent: 0 },
    ),
    (
        "a tenth differs",
        100_000,
        Target::Share {
            changed_percent: 10,
        },
    ),
];

#[derive(Clone, Copy)]
enum Target {
    Empty,
    Share { changed_percent: usize },
}

const GOAL: Duration = Duration::from_secs(3);
const GOAL_MB: u64 = 600;

fn main() {
    let row = env::args()
        .skip_while(|argument| argument != "--row")
        .nth(1);
    if let Some(row) = row.and_then(|row| row.parse::<usize>().ok()) {
        return measure(row);
    }
    println!(
        "{:<16} {:>8} {:>8} {:>9} {:>8} {:>9} {:>9} {:>8}",
        "scenario", "objects", "steps", "bundle ms", "plan ms", "check ms", "input MB", "plan MB"
    );
    let program = env::current_exe().expect("this program has a path");
    for row in 0..SCENARIOS.len() {
        let status = process::Command::new(&program)
            .args(["--row", &row.to_string()])
            .status();
        if !status.is_ok_and(|status| status.success()) {
            process::exit(1);
        }
    }
}

fn measure(row: usize) {
    let (name, objects, target) = SCENARIOS[row];
    let catalogue = Catalogue::builtin();
    let source = org("source", objects, 0);
    let target = match target {
        Target::Empty => org("target", 0, 0),
        Target::Share { changed_percent } => org("target", objects, changed_percent),
    };
    let start = Instant::now();
    let (bundle, names) = source.to_bundle(catalogue, &Default::default());
    drop(names);
    let bundled = start.elapsed();
    let foreign: Vec<String> = foreign_ids(source.ids(), &target)
        .into_iter()
        .map(str::to_owned)
        .collect();
    let input = memory_mb("VmRSS:");
    // From here on the peak is that of planning.
    let reset = fs::write("/proc/self/clear_refs", "5").is_ok();
    let start = Instant::now();
    let plan = Planner::new(catalogue, Options::default()).plan(&bundle, &target);
    let planned = start.elapsed();
    let added = if reset {
        memory_mb("VmHWM:").saturating_sub(input)
    } else {
        0
    };
    assert_eq!(plan.conflicts, []);
    let steps = plan.steps.len();
    let start = Instant::now();
    if let Err(rejected) = check(plan, foreign.iter().map(String::as_str), Brake::Forced) {
        panic!("{rejected}");
    }
    let checked = start.elapsed();
    drop(source);
    let beyond = planned > GOAL || added > GOAL_MB;
    println!(
        "{name:<16} {:>8} {steps:>8} {:>9} {:>8} {:>9} {input:>9} {added:>8}{}",
        bundle.documents.len(),
        bundled.as_millis(),
        planned.as_millis(),
        checked.as_millis(),
        if beyond { " beyond the goal" } else { "" },
    );
}

/// Returns a figure of the process's memory: `VmRSS:` for now, `VmHWM:` for the peak.
fn memory_mb(figure: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(figure));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1024
}

/// Makes an org of about so many objects; of each hundred, some differ from those of another seed.
fn org(seed: &str, objects: usize, changed_percent: usize) -> Snapshot {
    let mut org = Builder {
        seed,
        changed_percent,
        snapshot: Snapshot::default(),
    };
    org.snapshot.org = Origin {
        org_name: seed.to_owned(),
        region: None,
    };
    for descriptor in Catalogue::builtin().iter() {
        org.snapshot
            .objects
            .insert(descriptor.kind.clone(), Vec::new());
    }
    org.add(
        "auth_division",
        0,
        json!({"name": seed, "homeDivision": true}),
        Files::new(),
    );
    let part = |percent: usize| objects * percent / 100;
    let (users, queues, flows) = (part(40), part(10), part(5));
    for n in 0..part(10) {
        org.add(
            "routing_skill",
            n,
            json!({"name": format!("Skill {n}"), "state": "active"}),
            Files::new(),
        );
        org.add(
            "routing_wrapupcode",
            n,
            json!({"name": format!("Code {n}"), "division": org.home()}),
            Files::new(),
        );
        let prompt = json!({"name": format!("Prompt{n}"), "resources": [{"language": "en-us", "ttsString": "Hello"}]});
        org.add("architect_user_prompt", n, prompt, Files::new());
        let schedule = json!({"name": format!("Schedule {n}"), "version": 1, "state": "active",
            "start": "2026-01-05T08:00:00.000", "end": "2026-01-05T18:00:00.000", "rrule": "FREQ=DAILY"});
        org.add("architect_schedules", n, schedule, Files::new());
    }
    for n in 0..users {
        let skills: Vec<Value> = (0..3)
            .map(|k| json!({"id": org.id("routing_skill", (n + k) % part(10)), "name": "x", "proficiency": 3.0}))
            .collect();
        let mut user = json!({"name": format!("User {n}"), "email": format!("user{n}@example.com"), "version": 4,
            "state": "active", "title": org.text(n, "Agent"), "department": "Service", "division": org.home(),
            "skills": skills, "languages": [], "acdAutoAnswer": false});
        if n > 0 {
            user["manager"] = json!({ "id": org.id("user", n / 20) });
        }
        org.add("user", n, user, Files::new());
    }
    for n in 0..part(5) {
        let members: Vec<Value> = (0..8)
            .map(|k| json!({"id": org.id("user", (n * 8 + k) % users)}))
            .collect();
        let group = json!({"name": format!("Group {n}"), "type": "official", "visibility": "public", "version": 1,
            "state": "active", "members": members});
        org.add("group", n, group, Files::new());
    }
    for n in 0..queues {
        let members: Vec<Value> = (0..10)
            .map(|k| json!({"user": {"id": org.id("user", (n * 4 + k) % users)}, "ringNumber": 1 + k % 3, "joined": true}))
            .collect();
        let queue = json!({"name": format!("Queue {n}"), "division": org.home(), "description": org.text(n, "A queue"),
            "mediaSettings": {"call": {"alertingTimeoutSeconds": 20, "serviceLevel": {"percentage": 0.8, "durationMs": 20000}},
                "chat": {"alertingTimeoutSeconds": 30}, "email": {"alertingTimeoutSeconds": 300}},
            "queueFlow": {"id": org.id("flow", n % flows), "name": "x"},
            "directRouting": {"backupQueueId": org.id("routing_queue", (n + 1) % queues)},
            "members": members, "wrapUpCodes": [{"id": org.id("routing_wrapupcode", n)}, {"id": org.id("routing_wrapupcode", 0)}]});
        org.add("routing_queue", n, queue, Files::new());
    }
    for n in 0..flows {
        let key = format!("inqueuecall/Flow {n}");
        let queue = format!("Queue {}", n * 2 % queues);
        let prompt = format!("Prompt.Prompt{n}");
        let names: Vec<(&str, &str)> = (0..20)
            .map(|k| {
                if k == 0 {
                    ("targetQueue", &*queue)
                } else {
                    ("holdMusic", &*prompt)
                }
            })
            .collect();
        let source = flow_source(&key, Some(seed), &names);
        let files = Files::from([(FLOW_SOURCE.to_owned(), source.into_bytes().into())]);
        let flow = json!({"name": format!("Flow {n}"), "type": "INQUEUECALL", "division": org.home(),
            "publishedVersion": {"id": "1.0"}});
        org.add("flow", n, flow, files);
    }
    org.snapshot
}

struct Builder<'s> {
    seed: &'s str,
    changed_percent: usize,
    snapshot: Snapshot,
}

impl Builder<'_> {
    fn id(&self, kind: &str, n: usize) -> String {
        // Two orgs share no id.
        let org: u32 = if self.seed == "source" { 0xa } else { 0xb };
        let kind = kind.bytes().fold(7_u32, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u32::from(byte))
        });
        format!("{kind:08x}-0000-4000-8000-{org:x}{n:011x}")
    }

    fn home(&self) -> Value {
        json!({"id": self.id("auth_division", 0), "name": self.seed})
    }

    fn text(&self, n: usize, text: &str) -> String {
        if n % 100 < self.changed_percent {
            format!("{text} of {}", self.seed)
        } else {
            text.to_owned()
        }
    }

    fn add(&mut self, kind: &str, n: usize, mut body: Value, files: Files) {
        let id = self.id(kind, n);
        body["id"] = json!(id);
        body["selfUri"] = json!(format!("/api/v2/things/{id}"));
        let captured = Captured {
            id: SourceId::new(&id),
            body,
            files,
        };
        self.snapshot
            .objects
            .entry(Kind::new(kind))
            .or_default()
            .push(captured.into());
    }
}
