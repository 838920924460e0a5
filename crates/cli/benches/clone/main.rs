//! Calls, pace and start-up of the program, measured against what is possible.
//!
//! `cargo bench -p orgsmith-cli --bench clone` prints every table; words after `--` choose some of
//! `start`, `calls`, `pace`, `journal`, `resume`, `fan`, `people` and `service`, or of this
//! `watched`, `told` and `looked`; `-v` shows every operation; `--large` adds an org ten times
//! as large, and `--huge` measures one of a hundred thousand objects alone; `--many` is a fan of two hundred orgs, and
//! `--paced` people by the quota of the real API. The figures and what they mean are in `docs/benchmarks.md`.
//!
//! Counts are exact and the same on every machine. Times are not: nothing fails because of them.

#![expect(
    clippy::print_stdout,
    reason = "the tables are what this program is for"
)]

mod calls;
mod fan;
mod journal;
mod lab;
mod pace;
mod people;
mod resume;
mod service;
mod start;
mod table;

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| words.iter().any(|given| given == word);
    let parts = [
        "start", "calls", "pace", "journal", "resume", "fan", "people", "service", "watched",
        "told", "looked",
    ];
    let alone = ["--many", "--paced"];
    let all = !parts.iter().chain(&alone).any(|part| has(part));
    let sizes: &[lab::Size] = if has("--huge") {
        &[lab::HUGE]
    } else if has("--large") {
        &[lab::MIDDLE, lab::LARGE]
    } else {
        &[lab::MIDDLE]
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    if all || has("start") {
        start::measure()?;
    }
    if all || has("calls") {
        for size in sizes {
            calls::measure(&runtime, size, has("-v"))?;
        }
    }
    if all || has("pace") {
        runtime.block_on(pace::measure(&lab::MIDDLE))?;
    }
    if all || has("journal") {
        runtime.block_on(journal::measure())?;
    }
    if all || has("resume") {
        runtime.block_on(resume::measure())?;
    }
    if all || has("fan") {
        runtime.block_on(fan::measure(&fan::FEW))?;
    }
    if has("--many") {
        runtime.block_on(fan::measure(&fan::MANY))?;
    }
    if all || has("people") {
        runtime.block_on(people::measure())?;
    }
    if has("--paced") {
        runtime.block_on(people::paced())?;
    }
    let service = all || has("service");
    if service || has("watched") {
        runtime.block_on(service::watched())?;
    }
    if service || has("told") {
        runtime.block_on(service::told())?;
    }
    if service || has("looked") {
        runtime.block_on(service::looked_at())?;
    }
    Ok(())
}
