//! Steps that take somebody out of where they are, because they are to be elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::parts::items_request;
use super::{Made, plural, step_id};
use crate::catalogue::{Catalogue, ItemWrite};
use crate::diff::ItemChanges;
use crate::id::{ObjectRef, StepId};
use crate::path::Items;
use crate::plan::images;
use crate::plan::one_place::{OnePlace, one_places};
use crate::plan::planner::{Item, Target, count};
use crate::plan::{Action, Step};
use crate::snapshot::portable;

/// Lets whoever is to be in one place, and can be in one only, leave the other first: the API adds nobody
/// who is elsewhere.
///
/// It looks at the steps that were made, so nobody leaves for a place that cannot be planned.
pub(in crate::plan) fn move_people(
    catalogue: &Catalogue,
    items: &[Item<'_>],
    target: &Target<'_>,
    made: &mut Made,
) {
    for place in one_places(catalogue) {
        let Some(remove) = &place.part.remove else {
            continue;
        };
        // Who leaves a place, and the steps that wait for it.
        let mut leaving: BTreeMap<&ObjectRef, BTreeMap<ObjectRef, Vec<usize>>> = BTreeMap::new();
        for (index, step) in of_part(&place, &made.steps, '+') {
            for who in people_of(&place, step) {
                if let Some(now) = place.now(&who, target).filter(|now| **now != step.object) {
                    let waiting = leaving.entry(now).or_default().entry(who).or_default();
                    waiting.push(index);
                }
            }
        }
        for (from, mut people) in leaving {
            let mut waits: Vec<(usize, StepId)> = Vec::new();
            // The source may say itself that they are there no more.
            for (_, step) in of_part(&place, &made.steps, '-').filter(|(_, s)| s.object == *from) {
                for who in people_of(&place, step) {
                    let waiting = people.remove(&who).unwrap_or_default();
                    waits.extend(waiting.into_iter().map(|index| (index, step.id.clone())));
                }
            }
            let all: Vec<(ObjectRef, Vec<usize>)> = people.into_iter().collect();
            note(&place, from, &all, items, target, made);
            for (number, some) in all.chunks(remove.cap.max(1)).enumerate() {
                let people: Vec<&ObjectRef> = some.iter().map(|(who, _)| who).collect();
                let step = leave(&place, remove, from, &people, number);
                let waiting = some.iter().flat_map(|(_, waiting)| waiting);
                waits.extend(waiting.map(|index| (*index, step.id.clone())));
                made.steps.push(step);
            }
            for (index, id) in waits {
                let after = &mut made.steps[index].after;
                after.push(id);
                after.sort();
                after.dedup();
            }
        }
    }
}

/// Returns the steps that add to a part, or remove from it.
fn of_part<'s>(
    place: &OnePlace<'_>,
    steps: &'s [Step],
    sign: char,
) -> impl Iterator<Item = (usize, &'s Step)> {
    let (kind, begins) = (
        place.place.kind.clone(),
        format!("{}{sign}", place.part.field),
    );
    let is_of_part = move |step: &Step| {
        let suffix = step.id.as_str().rsplit_once(':').map(|(_, suffix)| suffix);
        suffix.is_some_and(|suffix| suffix.starts_with(&begins))
    };
    let steps = steps.iter().enumerate();
    steps.filter(move |(_, step)| step.object.kind == kind && is_of_part(step))
}

fn people_of(place: &OnePlace<'_>, step: &Step) -> BTreeSet<ObjectRef> {
    let mut found = step.references();
    found.retain(|object| object.kind == place.who.kind);
    found
}

/// Makes the step by which people leave a place.
fn leave(
    place: &OnePlace<'_>,
    remove: &ItemWrite,
    from: &ObjectRef,
    people: &[&ObjectRef],
    number: usize,
) -> Step {
    let items: Vec<Value> = people.iter().map(|who| place.item(who)).collect();
    let found = ItemChanges {
        remove: items.clone(),
        ..ItemChanges::default()
    };
    let title = &place.place.title;
    Step {
        id: step_id(from, &format!("{}-moved-{}", place.part.field, number + 1)),
        object: from.clone(),
        action: Action::Update,
        phase: place.place.clone.phase(),
        changes: found.to_changes(place.part),
        reason: format!(
            "{}: {} to be in another {title}",
            place.part.field,
            plural(items.len(), "is", "are")
        ),
        after: Vec::new(),
        expected: None,
        write: items_request(place.place, place.part, remove, from, &items),
        scim: None,
    }
}

/// Counts a place that people leave, and notes what it is before and after.
fn note(
    place: &OnePlace<'_>,
    from: &ObjectRef,
    people: &[(ObjectRef, Vec<usize>)],
    items: &[Item<'_>],
    target: &Target<'_>,
    made: &mut Made,
) {
    let Some(live) = target.live.get(from).filter(|_| !people.is_empty()) else {
        return;
    };
    if made.images.contains_key(from) {
        return;
    }
    let counts = count(&mut made.counts, &from.kind);
    if items.iter().any(|item| item.object == *from) {
        counts.same = counts.same.saturating_sub(1);
    }
    counts.update += 1;
    let (live, names) = (live.open(), &target.names);
    let was = portable(place.place, from.clone(), &live, names, &mut Vec::new());
    let (mut before, mut after) = (was.body.clone(), was.body);
    let field = &place.part.field;
    let leave: Vec<Value> = people.iter().map(|(who, _)| place.item(who)).collect();
    match after.get_mut(field).and_then(Items::list_mut) {
        Some(list) => list.retain(|item| !leave.contains(item)),
        // Who else is there was not read.
        None => {
            after.insert(field.clone(), Items::at_least(Vec::new()));
            before.insert(field.clone(), Items::at_least(leave));
        }
    }
    let (before, after) = ((&before, &was.files), (&after, &was.files));
    let line = images::line(from, Some(before), Some(after));
    made.images.insert(from.clone(), line);
}
