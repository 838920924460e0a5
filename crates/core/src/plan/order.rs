//! The sequence of steps.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Step;
use crate::id::{Kind, StepId};

/// Puts every step behind those it needs; otherwise by phase, kind and key.
pub(super) fn order(steps: &mut [Step]) {
    let before = prerequisites(steps);
    pull_forward(steps, &before);
    let mut waiting: Vec<usize> = before.iter().map(Vec::len).collect();
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    for (index, before) in before.iter().enumerate() {
        before
            .iter()
            .for_each(|before| followers[*before].push(index));
    }
    let kinds: BTreeSet<&Kind> = steps.iter().map(|step| &step.object.kind).collect();
    let kinds: BTreeMap<&Kind, usize> = kinds.into_iter().zip(0..).collect();
    let ranks: Vec<(u8, usize)> = steps
        .iter()
        .map(|step| (step.phase, kinds[&step.object.kind]))
        .collect();
    let rank = |index: usize| (ranks[index], index);
    let mut ready: BTreeSet<((u8, usize), usize)> = (0..steps.len())
        .filter(|index| waiting[*index] == 0)
        .map(rank)
        .collect();
    let mut sequence = Vec::with_capacity(steps.len());
    while let Some((_, index)) = ready.pop_first() {
        sequence.push(index);
        for follower in &followers[index] {
            waiting[*follower] -= 1;
            if waiting[*follower] == 0 {
                ready.insert(rank(*follower));
            }
        }
    }
    // Steps of a circle, which `cut` excludes, come last; the check of the plan says so.
    let left = (0..steps.len()).filter(|index| waiting[*index] > 0);
    sequence.extend(left);
    arrange(steps, &sequence);
}

/// Puts at each place what is at the place that the sequence says, without a second list: there may be
/// hundreds of thousands.
fn arrange(steps: &mut [Step], sequence: &[usize]) {
    let mut goes_to = vec![0; steps.len()];
    for (to, from) in sequence.iter().enumerate() {
        goes_to[*from] = to;
    }
    for place in 0..steps.len() {
        while goes_to[place] != place {
            let to = goes_to[place];
            steps.swap(place, to);
            goes_to.swap(place, to);
        }
    }
}

/// Returns the places of the steps that each step waits for.
fn prerequisites(steps: &[Step]) -> Vec<Vec<usize>> {
    let place: HashMap<&StepId, usize> = steps
        .iter()
        .enumerate()
        .map(|(index, step)| (&step.id, index))
        .collect();
    let of = |step: &Step| {
        let by_scim = step.scim.iter().flat_map(|scim| &scim.after);
        step.after
            .iter()
            .chain(by_scim)
            .filter_map(|id| place.get(id))
            .copied()
            .collect()
    };
    steps.iter().map(of).collect()
}

/// Moves a step into an earlier phase where a step of that phase needs it: a contact list that a
/// flow names cannot wait for the campaigns.
fn pull_forward(steps: &mut [Step], before: &[Vec<usize>]) {
    let mut changed: Vec<usize> = (0..steps.len()).collect();
    while let Some(index) = changed.pop() {
        let phase = steps[index].phase;
        for before in &before[index] {
            if steps[*before].phase > phase {
                steps[*before].phase = phase;
                changed.push(*before);
            }
        }
    }
}
