//! Owns what stands where: which steps may start, and what follows from one that failed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::stream::{FuturesUnordered, StreamExt};
use orgsmith_core::id::{Kind, StepId};
use orgsmith_core::journal::{Entry, StepState};
use orgsmith_core::plan::{Scim, Step};

use super::together::{self, Alike};
use super::worker::{Ended, Worker};
use super::{Cause, Execution, Outcome};

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
        let closing = outcome.error.is_some()
            || execution.stop.is_asked()
            || outcome.spent
            || outcome.gave_up;
        while !closing && running.len() < execution.limits.parallelism.max(1) {
            let next = board.next(running.is_empty());
            if next.is_empty() {
                break;
            }
            let steps: Vec<_> = next
                .iter()
                .map(|index| &execution.plan.steps[*index])
                .map(|step| {
                    let state = outcome.states.get(&step.id).cloned().unwrap_or_default();
                    (step, state)
                })
                .collect();
            let by_scim = board.by_scim(&execution, &outcome.states, &next);
            let worker = &worker;
            running.push(async move {
                let (ended, riders) = match (by_scim, &steps[..]) {
                    (Some((scim, riders)), [(creation, _)]) => {
                        let of = |index: &usize| &worker.execution.plan.steps[*index];
                        let with = riders.iter().map(of).collect();
                        let ended = worker.perform_by_scim(scim, creation, with).await;
                        (ended, riders)
                    }
                    _ => (worker.perform_together(steps).await, Vec::new()),
                };
                let of = next.into_iter().chain(riders);
                of.zip(ended).collect::<Vec<_>>()
            });
        }
        let Some(ended) = running.next().await else {
            break;
        };
        let (open, ended): (Vec<_>, Vec<_>) = ended.into_iter().partition(|(_, ended)| ended.open);
        for (index, ended) in open {
            let step = &execution.plan.steps[index];
            outcome.states.insert(step.id.clone(), ended.state);
        }
        for (index, ended) in ended {
            let step = &execution.plan.steps[index];
            let Ended {
                state,
                cause,
                error,
                open: _,
            } = ended;
            if cause == Some(Cause::Throttled) {
                board.hold_back(step);
            }
            if let Some(cause) = cause {
                outcome.causes.insert(step.id.clone(), cause);
            }
            if let Some(error) = error {
                outcome.error.get_or_insert(error);
            }
            let done = state.is_done();
            outcome.gave_up |= !done && execution.limits.stop_on_error;
            worker.tell_end(step, &state);
            outcome.states.insert(step.id.clone(), state);
            for skipped in board.ended(index, done) {
                let step = &execution.plan.steps[skipped];
                let reason = format!("{} was not done", execution.plan.steps[index].id);
                let state = outcome.states.get(&step.id).cloned().unwrap_or_default();
                match worker.skip(step, state, reason).await {
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
    /// Of which nothing more is sent: the service takes no more for now.
    held: BTreeSet<Kind>,
    over: Vec<bool>,
    /// Steps that may be sent with others: what these have in common, and how many go together.
    alike: BTreeMap<usize, (Alike, usize)>,
    /// Those of them that may start.
    gathering: BTreeMap<Alike, BTreeSet<usize>>,
    /// Creations that go together with other steps by SCIM: what goes with each.
    scim: BTreeMap<usize, Vec<usize>>,
    /// For how many steps such a creation waits, whether they are then done or not.
    patience: BTreeMap<usize, usize>,
    /// The creations that wait so for a step.
    watchers: BTreeMap<usize, Vec<usize>>,
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
            held: BTreeSet::new(),
            over: (0..steps.len()).map(is_done).collect(),
            alike: BTreeMap::new(),
            gathering: BTreeMap::new(),
            scim: BTreeMap::new(),
            patience: BTreeMap::new(),
            watchers: BTreeMap::new(),
        };
        for (index, step) in steps.iter().enumerate() {
            if let Some(alike) = together::alike(execution.catalogue, step) {
                let cap = together::cap(execution.catalogue, step);
                board.alike.insert(index, (alike, cap));
            }
        }
        for (index, step) in steps.iter().enumerate() {
            let Some(scim) = step.scim.as_ref().filter(|_| !board.over[index]) else {
                continue;
            };
            let riders = scim.does.iter().map(|does| place.get(&does.step).copied());
            // A plan that names other steps than it has is carried out without them.
            let Some(riders) = riders.collect::<Option<Vec<_>>>() else {
                continue;
            };
            board.scim.insert(index, riders);
            for before in scim.after.iter().filter_map(|before| place.get(before)) {
                if !board.over[*before] {
                    *board.patience.entry(index).or_default() += 1;
                    board.watchers.entry(*before).or_default().push(index);
                }
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
        if self.held.contains(&self.kind[index])
            || self.patience.get(&index).is_some_and(|waits| *waits > 0)
        {
            return;
        }
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

    /// Returns how the step that is next is sent by SCIM, and the steps that go with it: where all that
    /// it waits for is done, and none of them has been tried.
    fn by_scim<'e>(
        &self,
        execution: &Execution<'e>,
        states: &BTreeMap<StepId, StepState>,
        next: &[usize],
    ) -> Option<(&'e Scim, Vec<usize>)> {
        let [index] = next else { return None };
        let riders = self.scim.get(index)?;
        let plan = execution.plan;
        let scim = plan.steps[*index].scim.as_ref()?;
        let untried = |index: &usize| {
            let state = states.get(&plan.steps[*index].id);
            state.is_none_or(|state| *state == StepState::Planned)
        };
        let done = |id: &StepId| states.get(id).is_some_and(StepState::is_done);
        let may = riders.iter().chain(next).all(untried) && scim.after.iter().all(done);
        may.then(|| (&**scim, riders.clone()))
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

    /// Sends nothing more of the kind of a step that a service does not take now: each would cost a
    /// call, and a minute's wait, to hear the same. They stay as they are, for `resume`.
    fn hold_back(&mut self, step: &Step) {
        let held = &step.object.kind;
        let kind = &self.kind;
        self.ready.retain(|(_, index)| kind[*index] != *held);
        let goes = |steps: &BTreeSet<usize>| steps.first().is_some_and(|at| kind[*at] != *held);
        self.gathering.retain(|_, steps| goes(steps));
        self.held.insert(held.clone());
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
        // What was done together with another may have been about to start.
        self.ready.remove(&(self.phase[index], index));
        for watcher in self.watchers.remove(&index).unwrap_or_default() {
            let waits = self.patience.entry(watcher).or_default();
            *waits = waits.saturating_sub(1);
            if *waits == 0 && self.waiting[watcher] == 0 && !self.over[watcher] {
                self.may_start(watcher);
            }
        }
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
