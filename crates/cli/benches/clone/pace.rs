//! How much of the quota is used while there is work, and whether any request is refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use orgsmith_client::Call;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::checks::{Approval, Brake, check};
use orgsmith_core::id::SourceId;
use orgsmith_core::plan::{Options, Planner, Rate};
use orgsmith_core::secret::Secret;
use orgsmith_engine::{Events, Limits as Parallel, Org, Runner, Scope, Stop, collect};
use orgsmith_sim::{Entry, Limits};
use orgsmith_store::state::{Owner, Sql};

use crate::calls::calls;
use crate::lab::{Lab, SOURCE, Size, TARGET};
use crate::table::Table;

/// The real quota in a shorter window, so that many windows pass in a short time.
const WINDOW_S: u32 = 3;
const TOKENS: usize = 2;
/// How long the quota is used up on purpose.
const WINDOWS: u32 = 6;
const PARALLEL: usize = 40;

pub async fn measure(size: &Size) -> anyhow::Result<()> {
    let limits = Limits {
        window_s: WINDOW_S,
        // A service's own limit is not the token's, and a minute long.
        services: Vec::new(),
        ..Limits::default()
    };
    let lab = Lab::new(size, limits.clone()).await?;
    let mut table = Table::new([
        "",
        "tokens",
        "calls",
        "seconds",
        "floor s",
        "windows",
        "most in one",
        "use",
        "429",
    ]);

    // As many reads as the quota takes, for some windows.
    let source = lab.org(SOURCE, TOKENS, &limits)?;
    let begin = Instant::now();
    let end = begin + Duration::from_secs((WINDOW_S * WINDOWS).into());
    let readers = (0..PARALLEL).map(|_| {
        let client = source.client.clone();
        tokio::spawn(async move {
            while Instant::now() < end {
                client.send(Call::get("/api/v2/routing/skills")).await?;
            }
            Ok::<_, orgsmith_client::Error>(())
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        reader.await.context("a reader ended early")??;
    }
    let time = begin.elapsed();
    row(
        &mut table,
        "reads without end",
        &limits,
        &lab.sim.ledger(),
        time,
    );

    let source = lab.org(SOURCE, TOKENS, &limits)?;
    let catalogue = Catalogue::builtin();
    let wanted = collect(&source, catalogue, &Scope::default(), &Events::none()).await?;
    let (bundle, names) = wanted.to_bundle(catalogue, &BTreeMap::new());
    let target = lab.org(TARGET, TOKENS, &limits)?;
    let scope = Scope {
        in_full: Some(bundle.documents.keys().cloned().collect()),
        deleted: true,
        ..Scope::default()
    };
    let found = collect(&target, catalogue, &scope, &Events::none()).await?;
    let options = Options {
        rate: Rate {
            tokens: u32::try_from(TOKENS).context("few tokens")?,
            per_minute: limits.requests,
        },
        ..Options::default()
    };
    let plan = Planner::new(catalogue, options).plan(&bundle, &found);
    let ids = names
        .iter()
        .map(|(id, object)| (object.clone(), SourceId::new(id)));
    let checked = check(plan, [], Brake::Forced)?;
    let seen = lab.sim.ledger().len();
    let begin = Instant::now();
    write(&lab, &target, &checked, &ids.collect()).await?;
    let time = begin.elapsed();
    row(
        &mut table,
        "clone: writes",
        &limits,
        &lab.sim.ledger()[seen..],
        time,
    );
    table.print(&format!(
        "Pace: {}, {} requests in {WINDOW_S} s per token",
        size.name, limits.requests
    ));
    lab.sim.shutdown().await;
    Ok(())
}

async fn write(
    lab: &Lab,
    org: &Org,
    checked: &orgsmith_core::checks::CheckedPlan,
    ids: &BTreeMap<orgsmith_core::id::ObjectRef, SourceId>,
) -> anyhow::Result<()> {
    let value = |name: &String| (name.clone(), Secret::new("value".to_owned()));
    let secrets = checked.secrets().iter().map(value).collect();
    let events = Events::none();
    let runner = Runner {
        org,
        catalogue: Catalogue::builtin(),
        state: Arc::new(Sql::sqlite(&lab.path("pace.db")).await?),
        owner: Owner::new("bench"),
        abandoned: |_| false,
        limits: Parallel {
            parallelism: PARALLEL,
            visibility: Some(Duration::ZERO),
            ..Parallel::default()
        },
        stop: Stop::default(),
        onboards: false,
        run: None,
        events: &events,
    };
    let approval = Approval {
        digest: checked.digest().to_owned(),
    };
    let finished = runner.start(checked, &approval, &secrets, ids).await?;
    ensure!(finished.outcome.is_complete(), "the clone is not complete");
    Ok(())
}

fn row(table: &mut Table, name: &str, limits: &Limits, ledger: &[Entry], time: Duration) {
    let sent = calls(ledger);
    let refused = sent.iter().filter(|entry| entry.status == 429).count();
    let used = Used::of(&sent, limits);
    let quota = f64::from(limits.requests) * TOKENS as f64;
    let floor = sent.len() as f64 / quota * f64::from(limits.window_s);
    table.row([
        name.to_owned(),
        TOKENS.to_string(),
        sent.len().to_string(),
        format!("{:.1}", time.as_secs_f64()),
        format!("{floor:.1}"),
        used.windows.to_string(),
        used.most.to_string(),
        format!("{:.1} %", used.share * 100.0),
        refused.to_string(),
    ]);
}

/// What of the quota was used in the windows between the first and the last of each token.
struct Used {
    windows: usize,
    /// The most requests in any window, the first and the last included.
    most: usize,
    /// Of what was allowed in the time from the second window to the last.
    share: f64,
}

impl Used {
    /// Counts as the simulator does: a window begins with the first request after the one before.
    fn of(sent: &[Entry], limits: &Limits) -> Self {
        let length_ms = f64::from(limits.window_s) * 1000.0;
        let mut tokens: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for entry in sent {
            let at: Option<jiff::Timestamp> = entry.at.parse().ok();
            if let (Some(token), Some(at)) = (entry.token, at) {
                let ms = at.as_microsecond() as f64 / 1000.0;
                tokens.entry(token).or_default().push(ms);
            }
        }
        let (mut windows, mut most, mut used, mut allowed) = (0, 0, 0.0, 0.0);
        for times in tokens.values() {
            let mut counted: Vec<(f64, usize)> = Vec::new();
            for &at in times {
                match counted.last_mut() {
                    Some((begin, count)) if at - *begin < length_ms => *count += 1,
                    _ => counted.push((at, 1)),
                }
            }
            most = counted
                .iter()
                .map(|&(_, count)| count)
                .fold(most, usize::max);
            if let [_, steady @ .., last] = &counted[..]
                && let Some(first) = steady.first()
            {
                windows += steady.len();
                used += steady.iter().map(|&(_, count)| count as f64).sum::<f64>();
                allowed += (last.0 - first.0) / length_ms * f64::from(limits.requests);
            }
        }
        let share = if allowed > 0.0 { used / allowed } else { 0.0 };
        Self {
            windows,
            most,
            share,
        }
    }
}
