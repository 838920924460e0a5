//! A process that is stopped for longer than its lock is good for, and wakes.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use orgsmith_sim::{FaultAction, FaultRule};

use crate::lab::Lab;
use crate::stopping::wait_a_little;

const SKILLS: usize = 12;
/// How long a lock is good for without a sign of life, and a little more.
const LONG: Duration = Duration::from_secs(62);

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args([name, &pid])
        .status()
        .expect("kill");
    assert!(sent.success());
}

fn wait_until(what: &str, most: Duration, is: impl Fn() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(started.elapsed() < most, "{what} did not come");
        wait_a_little();
    }
}

#[test]
fn who_wakes_after_another_took_the_org_over_sends_nothing_more() {
    let lab = Lab::new();
    for number in 0..SKILLS {
        lab.write(
            &format!("many/routing_skill/S{number:02}.yaml"),
            format!("name: S{number:02}\n"),
        );
    }
    // Whoever is told to wait has said in the journal what it will send, and sends it when it wakes.
    let later = FaultAction::Status {
        status: 429,
        retry_after_s: Some(5),
    };
    let later = FaultRule::new(later).on("POST", "/api/v2/routing/skills");
    let later = later.skip(3).times(1);
    lab.sim.add_fault(later);
    let first = lab
        .command(&["apply", "many", "--to", "gold", "--yes", "--parallelism=1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let told_to_wait = || lab.sim.ledger().iter().any(|entry| entry.status == 429);
    wait_until("the answer 429", Duration::from_secs(60), told_to_wait);
    signal(&first, "-STOP");
    let stopped = Instant::now();
    let run = lab.last_run();

    // Until its time is up, the lock is respected.
    let shown = lab.run(&["resume", &run]).ends(7);
    assert!(shown.stderr.contains("gold is locked by"), "{shown}");
    wait_until("the end of the lock", LONG * 2, || stopped.elapsed() > LONG);
    lab.run(&["resume", &run]).ends(0);
    let seen = lab.sim.ledger().len();
    assert_eq!(lab.sim.objects("gold", "skill").len(), SKILLS);

    signal(&first, "-CONT");
    let output = first.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(said.contains("lock of gold was lost"), "{said}");
    let after = &lab.sim.ledger()[seen..];
    let written: Vec<_> = after.iter().filter(|entry| entry.may_change()).collect();
    assert!(written.is_empty(), "{written:#?}");
    assert_eq!(lab.sim.objects("gold", "skill").len(), SKILLS);
    lab.run(&["plan", "many", "--to", "gold", "--detailed-exitcode"])
        .ends(0);
}
