//! Two processes at once share the quota of one OAuth client.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use orgsmith_sim::{Config, Entry, FaultAction, FaultRule};

use crate::lab::Lab;

const WINDOW_MS: i64 = 60_000;

fn lab() -> Lab {
    let mut config = Config::with_orgs(["gold", "tenant"]);
    config.limits = orgsmith_sim::Limits::none();
    let lab = Lab::of(config);
    let spec = "seed=5,users=20,queues=4,members=4,flows=4,tables=2,prompts=2";
    lab.sim
        .generate("gold", &spec.parse().expect("a spec"))
        .expect("an org");
    lab
}

/// Returns when each request of the org came, in milliseconds; tokens are not counted.
fn requests(lab: &Lab) -> Vec<i64> {
    let ledger = lab.sim.ledger();
    let counted = ledger
        .iter()
        .filter(|entry| entry.org.as_deref() == Some("gold") && entry.path.starts_with("/api/v2/"));
    let at = |text: &str| text.parse::<jiff::Timestamp>().expect("a time");
    let mut at: Vec<i64> = counted
        .map(|entry| at(&entry.at).as_millisecond())
        .collect();
    at.sort_unstable();
    at
}

fn export(lab: &Lab, out: &str) -> Child {
    lab.command(&["export", "gold", "--out", out])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program")
}

#[test]
fn two_processes_at_once_send_no_more_than_one_may() {
    let lab = lab();
    lab.run(&["export", "gold", "--out", "alone.zip"]).ends(0);
    let alone = requests(&lab).len();
    let quota = alone * 3 / 2;
    lab.configure_org(
        "gold",
        &format!("    tokens: 1\n    quota_per_minute: {quota}\n"),
    );
    // They meet in the state, which is there once something was written.
    lab.sketch("sketch");
    lab.run(&["apply", "sketch", "--to", "tenant", "--yes"])
        .ends(0);

    let before = requests(&lab).len();
    let started = Instant::now();
    let both = [export(&lab, "one.zip"), export(&lab, "two.zip")];
    for child in both {
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
    let took = started.elapsed();
    let sent = requests(&lab).split_off(before);
    assert_eq!(sent.len(), 2 * alone);
    for (index, first) in sent.iter().enumerate() {
        let in_window = sent[index..]
            .iter()
            .take_while(|at| *at - first < WINDOW_MS);
        let in_window = in_window.count();
        assert!(in_window <= quota, "{in_window} of {quota} in a minute");
    }
    // What is left when the first window is full goes in the second.
    assert!(took > Duration::from_secs(55), "nobody waited: {took:?}");
    assert!(
        took < Duration::from_secs(100),
        "they wait for each other: {took:?}"
    );
    assert!(lab.sim.ledger().iter().all(|entry| entry.status != 429));

    // Genesys Cloud counts by token: what ended with those does not count for who comes later.
    let started = Instant::now();
    lab.run(&["export", "gold", "--out", "three.zip"]).ends(0);
    assert!(
        started.elapsed() < Duration::from_secs(40),
        "it waited for the dead"
    );
}

#[test]
fn call_routes_are_written_one_after_the_other() {
    const DELAY_MS: u64 = 100;
    let lab = lab();
    for number in 0..8 {
        let name = format!("Line {number}");
        lab.write(
            &format!("lines/architect_ivr/{name}.yaml"),
            format!("name: {name}\n"),
        );
        lab.write(
            &format!("lines/routing_skill/{name}.yaml"),
            format!("name: {name}\n"),
        );
    }
    let path = ["/api/v2/architect/ivrs", "/api/v2/routing/skills"];
    for path in path {
        let delay = FaultAction::DelayMs(DELAY_MS);
        lab.sim.add_fault(FaultRule::new(delay).on("POST", path));
    }
    lab.run(&[
        "apply",
        "lines",
        "--to",
        "tenant",
        "--yes",
        "--parallelism",
        "10",
    ])
    .ends(0);
    let ledger = lab.sim.ledger();
    // The shortest time between two creates of a kind.
    let apart = |path: &str| {
        let made = |entry: &&Entry| entry.method == "POST" && entry.path == path;
        let at = ledger.iter().filter(made);
        let at: Vec<i64> = at
            .map(|entry| entry.at.parse::<jiff::Timestamp>().expect("a time"))
            .map(jiff::Timestamp::as_millisecond)
            .collect();
        assert_eq!(at.len(), 8, "{path}");
        let apart = at.windows(2).map(|two| two[1] - two[0]).min();
        apart.expect("several")
    };
    let [routes, skills] = path.map(apart);
    assert!(routes >= DELAY_MS.cast_signed(), "{routes} ms");
    assert!(skills < routes, "{skills} ms: others are not held up");
}

#[test]
fn two_names_of_one_org_have_its_tokens_together() {
    let lab = lab();
    let also = format!(
        "  twin: {{base_url: '{}', credential: {{file: gold.yaml}}, tokens: 1, quota_per_minute: 3000}}\n",
        lab.sim.base_url()
    );
    lab.configure(&also);
    lab.configure_org("gold", "    tokens: 1\n    quota_per_minute: 3000\n");
    lab.run(&["compare", "gold", "twin"]).ends(0);
    let ledger = lab.sim.ledger();
    let mints = ledger.iter().filter(|entry| entry.path == "/oauth/token");
    assert_eq!(mints.count(), 1);
    // They are still two, each with a name of its own in what is said.
    let gone = FaultAction::Status {
        status: 403,
        retry_after_s: None,
    };
    lab.sim
        .add_fault(FaultRule::new(gone).on("GET", "/api/v2/routing/queues"));
    let shown = lab.run(&["compare", "gold", "twin"]);
    let told = format!("{}{}", shown.stdout, shown.stderr);
    assert!(
        told.contains("(org gold") && told.contains("(org twin"),
        "{shown}"
    );
}
