//! Owns what stands where: which steps may start, and what follows from one that failed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::stream::{FuturesUnordered, StreamExt};
use orgsmith_core::id::{Kind, StepId};
use orgsmith_core::journal::{Entry, StepState};

use super::together::{self, Alike};
use super::worker::{Ended, Worker};
use super::{Execution, Outcome};

pub(super) async fn run(execution: Execution<'_>) -> Outcome {
    let worker = Worker::new(&execution);
    let mut outcome = Outcome {
        states: execution.states.clone(),
        ..Outcome::default()
    };
    let mut board = Board::new(&execution, &outcome.states);
    if let Err(error) = worker.take_up(&mut outcome.states).await {
        outcome.error = Some(error);
        return outcome;
    }
    let mut running = FuturesUnordered::new();
    loop {
        let calls = execution.org.client.stats().sent;
        outcome.spent = execution.limits.budget.is_spent(calls);
        let closing = outcome.error.is_some() || execution.stop.is_asked() || outcome.spent;
        while !closing && running.len() < execution.limits.parallelism.max(1) {
            let next = board.next(running.is_empty());
            if next.is_empty() {
                break;
            }
            let states = next.iter().map(|index| {
                let step = &execution.plan.steps[*index];
                (
                    step,
                    outcome.states.get(&step.id).cloned().unwrap_or_default(),
                )
            });
            let steps: Vec<_> = states.collect();
            let worker = &worker;
            running.push(async move {
                let ended = worker.perform_together(steps).await;
                next.into_iter().zip(ended).collect::<Vec<_>>()
            });
        }
        let Some(ended) = running.next().await else {
            break;
        };
        for (index, ended) in ended {
            let step = &execution.plan.steps[index];
            let Ended {
                state,
                stale,
                denied,
                error,
            } = ended;
            if stale {
                outcome.stale.insert(step.id.clone());
            }
            if denied {
                outcome.denied.insert(step.id.clone());
            }
            if let Some(error) = error {
                outcome.error.get_or_insert(error);
            }
            let done = state.is_done();
            worker.tell_end(step, &state);
            outcome.states.insert(step.id.clone(), state);
            for skipped in board.ended(index, done) {
                let step = &execution.plan.steps[skipped];
                let reason = format!("{} was not done", execution.plan.steps[index].id);
                match worker.skip(step, reason).await {
                    Ok(state) => {
                        worker.tell_end(step, &state);
                        outcome.states.insert(step.id.clone(), state);
                    }
                    Err(error) => {
                        outcome.error.get_or_insert(error);
                    }
                }
            }
        }
    }
    outcome.stopped = execution.stop.is_asked();
    drop(running);
    outcome.ids = worker.into_ids();
    outcome
}

/// Knows which steps wait for which.
struct Board {
    phase: Vec<u8>,
    kind: Vec<Kind>,
    serial: BTreeSet<Kind>,
    waiting: Vec<usize>,
    followers: Vec<Vec<usize>>,
    ready: BTreeSet<(u8, usize)>,
    /// Steps of each phase that have not ended.
    open: BTreeMap<u8, usize>,
    busy: BTreeSet<Kind>,
    over: Vec<bool>,
    /// Steps that may be sent with others: what these have in common, and how many go together.
    alike: BTreeMap<usize, (Alike, usize)>,
    /// Those of them that may start.
    gathering: BTreeMap<Alike, BTreeSet<usize>>,
}

impl Board {
    fn new(execution: &Execution<'_>, states: &BTreeMap<StepId, StepState>) -> Self {
        let steps = &execution.plan.steps;
        let place: HashMap<&StepId, usize> = steps
            .iter()
            .enumerate()
            .map(|(index, step)| (&step.id, index))
            .collect();
        let is_done = |index: usize| states.get(&steps[index].id).is_some_and(StepState::is_done);
        let mut board = Self {
            phase: steps.iter().map(|step| step.phase).collect(),
            kind: steps.iter().map(|step| step.object.kind.clone()).collect(),
            serial: execution
                .catalogue
                .iter()
                .filter(|descriptor| descriptor.serial)
                .map(|descriptor| descriptor.kind.clone())
                .collect(),
            waiting: vec![0; steps.len()],
            followers: vec![Vec::new(); steps.len()],
            ready: BTreeSet::new(),
            open: BTreeMap::new(),
            busy: BTreeSet::new(),
            over: (0..steps.len()).map(is_done).collect(),
            alike: BTreeMap::new(),
            gathering: BTreeMap::new(),
        };
        for (index, step) in steps.iter().enumerate() {
            if let Some(alike) = together::alike(execution.catalogue, step) {
                let cap = together::cap(execution.catalogue, step);
                board.alike.insert(index, (alike, cap));
            }
        }
        for (index, step) in steps.iter().enumerate() {
            if board.over[index] {
                continue;
            }
            *board.open.entry(step.phase).or_default() += 1;
            for before in step.after.iter().filter_map(|before| place.get(before)) {
                if !board.over[*before] {
                    board.waiting[index] += 1;
                    board.followers[*before].push(index);
                }
            }
            if board.waiting[index] == 0 {
                board.may_start(index);
            }
        }
        board
    }

    fn may_start(&mut self, index: usize) {
        match self.alike.get(&index) {
            Some((alike, _)) => {
                let alike = self.gathering.entry(alike.clone()).or_default();
                alike.insert(index);
            }
            None => {
                self.ready.insert((self.phase[index], index));
            }
        }
    }

    /// Returns the next step that may start, or several that go together; none where all wait.
    ///
    /// Those that go together gather until they are as many as a call takes, or nothing else is to
    /// be done: `idle` says that nothing is under way.
    fn next(&mut self, idle: bool) -> Vec<usize> {
        if let Some(index) = self.next_alone() {
            return vec![index];
        }
        let full = |steps: &BTreeSet<usize>| {
            let first = steps.first().and_then(|first| self.alike.get(first));
            first.is_some_and(|(_, cap)| steps.len() >= *cap)
        };
        let now = self.phase_now();
        let mut gathered = self.gathering.iter();
        let found = gathered.find(|(_, steps)| {
            let phase = steps.first().map(|first| self.phase[*first]);
            phase == now && (idle || full(steps))
        });
        let Some(alike) = found.map(|(alike, _)| alike.clone()) else {
            return Vec::new();
        };
        let mut steps = self.gathering.remove(&alike).unwrap_or_default();
        let first = steps.first().and_then(|first| self.alike.get(first));
        let cap = first.map_or(1, |(_, cap)| *cap);
        if let Some(rest) = steps.iter().nth(cap).copied() {
            self.gathering.insert(alike, steps.split_off(&rest));
        }
        steps.into_iter().collect()
    }

    /// Returns the phase whose steps may start.
    fn phase_now(&self) -> Option<u8> {
        let mut open = self.open.iter().filter(|(_, open)| **open > 0);
        open.next().map(|(phase, _)| *phase)
    }

    fn next_alone(&mut self) -> Option<usize> {
        let phase = self.phase_now()?;
        let found = self
            .ready
            .iter()
            .copied()
            .find(|(of, index)| *of == phase && !self.busy.contains(&self.kind[*index]))?;
        self.ready.remove(&found);
        let index = found.1;
        if self.serial.contains(&self.kind[index]) {
            self.busy.insert(self.kind[index].clone());
        }
        Some(index)
    }

    /// Notes the end of a step; returns the steps that can no longer be done.
    fn ended(&mut self, index: usize, done: bool) -> Vec<usize> {
        self.busy.remove(&self.kind[index]);
        self.close(index);
        if done {
            for follower in std::mem::take(&mut self.followers[index]) {
                self.waiting[follower] = self.waiting[follower].saturating_sub(1);
                if self.waiting[follower] == 0 && !self.over[follower] {
                    self.may_start(follower);
                }
            }
            return Vec::new();
        }
        let mut lost = Vec::new();
        let mut next = std::mem::take(&mut self.followers[index]);
        while let Some(follower) = next.pop() {
            if !self.over[follower] {
                self.close(follower);
                lost.push(follower);
                next.append(&mut self.followers[follower]);
            }
        }
        lost.sort_unstable();
        lost
    }

    fn close(&mut self, index: usize) {
        self.over[index] = true;
        if let Some(open) = self.open.get_mut(&self.phase[index]) {
            *open = open.saturating_sub(1);
        }
    }
}

/// Returns the entry that brings a state of an earlier try back to where work can go on.
pub(super) fn reopening(state: &StepState) -> Option<Entry> {
    match state {
        StepState::Intent { .. } => Some(Entry::Unknown {
            reason: "the process ended before an answer came".into(),
        }),
        StepState::Refused { .. } | StepState::Skipped { .. } => Some(Entry::Reopened),
        StepState::Planned | StepState::Done { .. } | StepState::Unknown { .. } => None,
    }
}
