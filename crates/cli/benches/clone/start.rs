//! How long the program takes to start.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::lab::PROGRAM;
use crate::table::Table;

const STARTS: usize = 50;
const GOAL: Duration = Duration::from_millis(20);

pub fn measure() -> anyhow::Result<()> {
    let mut table = Table::new(["command", "median ms", "slowest ms", "goal ms"]);
    for arguments in [&["--version"][..], &["kinds"]] {
        let mut times = Vec::with_capacity(STARTS);
        for _ in 0..STARTS {
            let begin = Instant::now();
            let output = Command::new(PROGRAM).args(arguments).output();
            let output = output.context("the program does not start")?;
            times.push(begin.elapsed());
            ensure!(output.status.success(), "{arguments:?} failed");
        }
        times.sort();
        let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1000.0);
        let goal = if arguments == ["--version"] {
            ms(GOAL)
        } else {
            String::new()
        };
        table.row([
            format!("orgsmith {}", arguments.join(" ")),
            ms(times[STARTS / 2]),
            ms(times[STARTS - 1]),
            goal,
        ]);
    }
    table.print(&format!("Start: {STARTS} of each"));
    Ok(())
}
