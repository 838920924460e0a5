//! Faults that were tried, and what came of the runs that met them.
//!
//! `cargo bench -p orgsmith-engine --bench faults -- 500` runs the table of the tests once, and so many
//! schedules of faults at random. Lost is a step that is not done when the faults are over and the run has
//! been resumed; doubled is an object that was made twice, by the simulator's own record of requests.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

#[expect(dead_code, reason = "tests use more of it")]
#[path = "../tests/it/lab.rs"]
mod lab;
#[expect(dead_code, unused_imports, reason = "tests use more of it")]
#[path = "../tests/it/matrix.rs"]
mod matrix;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use matrix::Fared;

#[derive(Default)]
struct Sum {
    tried: usize,
    survived: usize,
    lost: usize,
    doubled: usize,
}

impl Sum {
    fn add(&mut self, faults: usize, fared: &Fared) {
        self.tried += faults;
        self.lost += fared.lost;
        self.doubled += fared.doubled;
        if fared.wrong.is_none() && fared.lost == 0 && fared.doubled == 0 {
            self.survived += faults;
        }
    }

    fn print(&self, what: &str) {
        let Self {
            tried,
            survived,
            lost,
            doubled,
        } = self;
        println!("{what:<24}{tried:>8}{survived:>10}{lost:>6}{doubled:>9}");
    }
}

fn main() {
    let given = std::env::args().find_map(|word| word.parse::<usize>().ok());
    let schedules = given.unwrap_or(500);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!(
        "{:<24}{:>8}{:>10}{:>6}{:>9}",
        "faults", "tried", "survived", "lost", "doubled"
    );
    let mut sum = Sum::default();
    for row in matrix::table() {
        let what = row.0;
        let fared = runtime.block_on(matrix::fare(row));
        if let Some(said) = &fared.wrong {
            println!("{what}: {said}");
        }
        sum.add(1, &fared);
    }
    sum.print("one at a time");
    let mut sum = Sum::default();
    let mut runner = TestRunner::deterministic();
    for _ in 0..schedules {
        let drawn = matrix::schedules().new_tree(&mut runner);
        let (schedule, with_flow) = drawn.expect("it draws").current();
        let fared = runtime.block_on(matrix::fare_through(&schedule, with_flow));
        sum.add(schedule.len(), &fared);
    }
    sum.print(&format!("{schedules} schedules"));
}
