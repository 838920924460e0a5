//! One reference user into many orgs at once, against the same into each org alone.

use std::time::Duration;

use anyhow::ensure;
use orgsmith_sim::{Config, FaultAction, FaultRule, Generate, Limits, Sim};

use crate::calls::calls;
use crate::lab::{Lab, SOURCE};
use crate::table::Table;

/// How many orgs get the user.
pub struct Fan {
    /// One after the other.
    alone: usize,
    /// Together.
    together: usize,
    /// And of those so many at once, each a row.
    at_once: &'static [&'static str],
}

pub const FEW: Fan = Fan {
    alone: 20,
    together: 20,
    at_once: &["8", "20"],
};

pub const MANY: Fan = Fan {
    alone: 5,
    together: 200,
    at_once: &["40"],
};

/// What a call takes at least, as over a network.
const LATENCY_MS: u64 = 40;
const WORLD: &str =
    "seed=7,divisions=3,locations=2,skills=20,languages=3,users=20,groups=3,queues=5";

pub async fn measure(fan: &Fan) -> anyhow::Result<()> {
    let named = |what: &str, orgs: usize| -> Vec<String> {
        let numbers = 1..=orgs;
        numbers
            .map(|number| format!("{what}-{number:03}"))
            .collect()
    };
    let (alone, together) = (named("alone", fan.alone), named("together", fan.together));
    let mut config = Config::with_orgs([SOURCE]);
    for name in alone.iter().chain(&together) {
        config.orgs.extend(Config::with_orgs([name.as_str()]).orgs);
    }
    config.limits = Limits::none();
    let sim = Sim::start(config).await?;
    let wanted: Generate = WORLD.parse()?;
    sim.generate(SOURCE, &wanted)?;
    sim.add_fault(FaultRule::new(FaultAction::DelayMs(LATENCY_MS)));
    let users = sim.objects(SOURCE, "user");
    let user = users.iter().find_map(|user| user["email"].as_str());
    let select = format!("user={}", user.unwrap_or_default());
    let orgs = [SOURCE].into_iter().map(str::to_owned);
    let orgs: Vec<String> = orgs.chain(alone.clone()).chain(together.clone()).collect();
    let lab = Lab::around(sim, &orgs)?;
    let secrets = ["--secrets-file", "secrets.json", "--no-verify"];
    let flags = ["--select", &select, "--with-dependencies", "--yes"];
    let flags = [&flags[..], &secrets].concat();

    let mut slowest = Duration::ZERO;
    let mut sum = Duration::ZERO;
    for org in &alone {
        let taken = lab.run(&[&["clone", SOURCE, org], &flags[..]].concat())?;
        slowest = slowest.max(taken.time);
        sum += taken.time;
    }
    let of_alone = calls(&lab.sim.ledger());
    let seen = lab.sim.ledger().len();
    let names: Vec<&str> = together.iter().map(String::as_str).collect();
    let mut table = Table::new([
        "",
        "calls",
        "calls of an org",
        "seconds",
        "of the slowest",
        "peak MB",
    ]);
    let of = |ledger: &[orgsmith_sim::Entry], org: &str| {
        let of = ledger
            .iter()
            .filter(|entry| entry.org.as_deref() == Some(org));
        of.count().to_string()
    };
    let mut row = |name: &str, calls: usize, org: String, time: Duration, peak: u64| {
        table.row([
            name.to_owned(),
            calls.to_string(),
            org,
            format!("{:.1}", time.as_secs_f64()),
            format!("{:.1}", time.as_secs_f64() / slowest.as_secs_f64()),
            if peak > 0 {
                peak.to_string()
            } else {
                String::new()
            },
        ]);
    };
    let first = of(&of_alone, &alone[0]);
    row("one by one", of_alone.len(), first.clone(), sum, 0);
    row("the slowest", of_alone.len() / fan.alone, first, slowest, 0);
    let arguments = [&["clone", SOURCE], &names[..], &flags].concat();
    for at_once in fan.at_once {
        let before = lab.sim.ledger().len();
        let more = ["--targets-at-once", at_once];
        let taken = lab.run(&[&arguments[..], &more].concat())?;
        let made = calls(&lab.sim.ledger()[before..]);
        let title = if before == seen {
            format!("{at_once} at once")
        } else {
            format!("{at_once} at once, again")
        };
        row(
            &title,
            made.len(),
            of(&made, &together[0]),
            taken.time,
            taken.peak_mb,
        );
    }
    table.print(&format!(
        "Fan-out: a reference user into {} orgs, {LATENCY_MS} ms a call; alone into {}",
        fan.together, fan.alone
    ));
    let of_kind = |org: &str| lab.sim.objects(org, "user").len();
    ensure!(
        together
            .iter()
            .all(|org| of_kind(org) == of_kind(&alone[0])),
        "an org lacks the user"
    );
    Ok(())
}
