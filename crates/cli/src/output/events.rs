//! Consumers of the engine's events: progress bars, lines of talk, lines for programs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use orgsmith_core::plan::Action;
use orgsmith_engine::Event;
use orgsmith_server::work::Tell;
use serde_json::{Value, json};

use crate::error::count;

use super::log::is_for_people;
use super::{DIM, RED, YELLOW, lock, prefixed, styled, talk};

/// Shows what happens while it happens.
pub(crate) struct Progress {
    records: Records,
    verbose: u8,
    /// Bars, on a terminal.
    bars: Option<MultiProgress>,
    running: Mutex<BTreeMap<String, ProgressBar>>,
}

/// Where lines for programs go.
pub(super) enum Records {
    /// Nobody asked for them.
    Nowhere,
    /// To a file.
    File(Mutex<File>),
    /// To a job, and with them everything that would be said to a person.
    Job(Tell),
}

impl Progress {
    pub(super) fn new(json: Option<Mutex<File>>, verbose: u8) -> Self {
        Self {
            records: json.map_or(Records::Nowhere, Records::File),
            verbose,
            bars: is_for_people().then(MultiProgress::new),
            running: Mutex::default(),
        }
    }

    pub(super) fn of_job(tell: Tell) -> Self {
        Self {
            records: Records::Job(tell),
            verbose: 0,
            bars: None,
            running: Mutex::default(),
        }
    }

    /// Says something to the person.
    pub(super) fn talk(&self, text: &str) {
        match &self.records {
            Records::Job(tell) => {
                let text = anstream::adapter::strip_str(text).to_string();
                tell(json!({ "event": "said", "text": text }));
            }
            _ => self.suspend(|| talk(text)),
        }
    }

    /// Takes the bars away while something else is written.
    pub(super) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    pub(super) fn clear(&self) {
        for bar in std::mem::take(&mut *lock(&self.running)).into_values() {
            bar.finish_and_clear();
        }
    }

    pub(super) fn record(&self, value: &Value) {
        match &self.records {
            Records::Nowhere => {}
            Records::Job(tell) => tell(value.clone()),
            Records::File(file) => {
                let mut file = lock(file);
                // A full disk must not end a run that is writing to an org.
                if let Err(error) = writeln!(file, "{value}") {
                    tracing::warn!(%error, "--json-into cannot be written");
                }
            }
        }
    }

    fn say(&self, prefix: &str, text: &str) {
        self.talk(&prefixed(prefix, text));
    }

    fn bar(&self, name: &str, length: usize, what: &str) {
        let Some(bars) = &self.bars else { return };
        let style = ProgressStyle::with_template("{msg:<28} {bar:30} {pos}/{len}  {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━╸─");
        // Before it is among the others it would draw on a line of its own, and leave it there.
        let bar = bars.add(ProgressBar::new(length as u64).with_style(style));
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        lock(&self.running).insert(name.to_owned(), bar);
    }

    fn step(&self, name: &str) {
        if let Some(bar) = lock(&self.running).get(name) {
            bar.inc(1);
        }
    }

    fn end(&self, name: &str) {
        if let Some(bar) = lock(&self.running).remove(name) {
            bar.finish_and_clear();
        }
    }

    /// Takes note of an event; what is said of it begins with a prefix.
    pub(crate) fn on(&self, event: &Event, prefix: &str) {
        if !matches!(self.records, Records::Nowhere)
            && let Ok(value) = serde_json::to_value(event)
        {
            self.record(&value);
        }
        match event {
            Event::CollectStarted { org, kinds } => {
                self.bar(&format!("read {org}"), *kinds, &format!("reading {org}"));
            }
            Event::KindRead { org, kind, objects } => {
                self.step(&format!("read {org}"));
                if self.verbose > 0 {
                    self.say(prefix, &styled(DIM, format!("{org}: {kind}: {objects}")));
                }
            }
            Event::Gap { org, gap } => {
                // What is missing in the end is told with the result.
                if self.verbose > 0 {
                    self.say(prefix, &format!("{} {org}: {gap}", styled(YELLOW, "gap")));
                }
            }
            Event::CollectEnded {
                org,
                objects,
                calls,
            } => {
                self.end(&format!("read {org}"));
                self.say(
                    prefix,
                    &styled(
                        DIM,
                        format!(
                            "read {org}: {}, {} so far",
                            count(*objects, "object"),
                            calls_so_far(*calls)
                        ),
                    ),
                );
            }
            Event::RunStarted { run, org, steps } => {
                self.say(
                    prefix,
                    &styled(
                        DIM,
                        format!("run {run}: {} in {org}", count(*steps, "step")),
                    ),
                );
                self.bar(&format!("write {org}"), *steps, &format!("writing {org}"));
            }
            Event::StepStarted { .. } => {}
            Event::StepEnded {
                org,
                object,
                action,
                outcome,
                reason,
                ..
            } => {
                self.step(&format!("write {org}"));
                let reason = reason.as_deref().unwrap_or_default();
                let verb = verb(*action);
                match *outcome {
                    "done" if self.verbose > 0 => {
                        self.say(prefix, &styled(DIM, format!("{verb} {object}")));
                    }
                    "done" => {}
                    outcome => self.say(
                        prefix,
                        &format!(
                            "{} {verb} {object}: {reason}",
                            styled(RED, format!("{outcome}:"))
                        ),
                    ),
                }
            }
            Event::Probing { step, reason, .. } => {
                self.say(
                    prefix,
                    &format!(
                        "{} {step}: {reason}; asking the org what became of it",
                        styled(YELLOW, "no answer:")
                    ),
                );
            }
            Event::RunEnded {
                org,
                done,
                open,
                calls,
                ..
            } => {
                self.end(&format!("write {org}"));
                let left = if *open > 0 {
                    format!(", {open} not done")
                } else {
                    String::new()
                };
                self.say(
                    prefix,
                    &styled(
                        DIM,
                        format!(
                            "{} done{left}, {} so far",
                            count(*done, "step"),
                            calls_so_far(*calls)
                        ),
                    ),
                );
            }
            Event::OnboardStarted { org, users } => {
                let title = format!("onboarding {org}");
                self.bar(&title, *users, &title);
            }
            Event::Onboarding {
                org,
                user,
                stage,
                reason,
            } => {
                if matches!(*stage, "provisioned" | "failed") {
                    self.step(&format!("onboarding {org}"));
                }
                let reason = reason.as_deref().unwrap_or_default();
                if *stage == "failed" {
                    let failed = styled(RED, "failed:");
                    self.say(prefix, &format!("{failed} onboard {user}: {reason}"));
                } else if self.verbose > 0 {
                    self.say(
                        prefix,
                        &styled(DIM, format!("onboard {user}: {stage} {reason}")),
                    );
                }
            }
            Event::OnboardEnded { org, .. } => self.end(&format!("onboarding {org}")),
        }
    }
}

fn calls_so_far(calls: u64) -> String {
    count(usize::try_from(calls).unwrap_or(usize::MAX), "call")
}

/// Returns the word for what happens to an object.
pub(super) fn verb(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Adopt => "restore",
        Action::Update => "update",
        Action::Link => "link",
        Action::Delete => "delete",
    }
}
