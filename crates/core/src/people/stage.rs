//! How far each person of a run has come.
//!
//! Nothing is kept of this but the journal: which stage a person has reached follows from the steps
//! that are done, so a run that is taken up goes on at the stage where it was.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::catalogue::Catalogue;
use crate::document::{Slot, Template};
use crate::id::{ObjectRef, StepId};
use crate::journal::StepState;
use crate::plan::{Action, Plan, Step, Write};

/// What is done for a person, in this order. The last, `integrated`, is another system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The user exists, or was brought back.
    Created,
    /// The roles are granted, from which licences follow.
    Licensed,
    /// The user is active, or inactive as is wanted.
    Active,
    /// Skills, languages, manager, locations, queues, groups and team.
    Bound,
    /// Telephone numbers, phone and station.
    Numbered,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 5] = [
        Self::Created,
        Self::Licensed,
        Self::Active,
        Self::Bound,
        Self::Numbered,
    ];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Licensed => "licensed",
            Self::Active => "active",
            Self::Bound => "bound",
            Self::Numbered => "numbered",
        }
    }
}

/// How far a person has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The last stage of which, and before which, everything is done; nothing where the user does
    /// not exist yet.
    pub reached: Option<Stage>,
    /// The stage that something is open of, where not all is done.
    pub open: Option<Stage>,
    /// Steps that are not done, with the reason where there is one.
    pub waiting: Vec<(StepId, Option<String>)>,
}

/// Returns how far the people of a plan have come.
pub fn progress(
    catalogue: &Catalogue,
    plan: &Plan,
    states: &BTreeMap<StepId, StepState>,
) -> BTreeMap<ObjectRef, Progress> {
    let mut open: BTreeMap<ObjectRef, BTreeMap<Stage, Vec<&Step>>> = BTreeMap::new();
    for step in &plan.steps {
        let done = states.get(&step.id).is_some_and(StepState::is_done);
        let is_person = step.object.kind.as_str() == "user";
        if is_person {
            let stages = open.entry(step.object.clone()).or_default();
            if !done {
                stages.entry(stage_of(step)).or_default().push(step);
            }
        } else if !done && let Some(stage) = stage_of_another(catalogue, step) {
            for_each_person(step, &mut |person| {
                let stages = open.entry(person).or_default();
                stages.entry(stage).or_default().push(step);
            });
        }
    }
    let told = |step: &&Step| {
        let reason = match states.get(&step.id) {
            Some(
                StepState::Refused { reason }
                | StepState::Unknown { reason }
                | StepState::Skipped { reason },
            ) => Some(reason.clone()),
            _ => None,
        };
        (step.id.clone(), reason)
    };
    let people = open.into_iter().map(|(person, stages)| {
        let first = stages.keys().next().copied();
        let reached = Stage::ALL
            .into_iter()
            .take_while(|stage| first.is_none_or(|open| *stage < open))
            .last();
        let waiting = stages.values().flatten().map(told).collect();
        let progress = Progress {
            reached,
            open: first,
            waiting,
        };
        (person, progress)
    });
    people.collect()
}

/// Tells for which stage a step of a user is.
fn stage_of(step: &Step) -> Stage {
    if matches!(step.action, Action::Create | Action::Adopt) {
        return Stage::Created;
    }
    let (_, suffix) = step.id.as_str().rsplit_once(':').unwrap_or_default();
    if suffix.starts_with("grants") {
        return Stage::Licensed;
    }
    let body = match &step.write {
        Write::Request(request) => request.body.as_ref().map(Template::value),
        _ => None,
    };
    let fields = body.as_ref().and_then(|body| body.as_object());
    let has = |name: &str| fields.is_some_and(|fields| fields.contains_key(name));
    if has("state") {
        Stage::Active
    } else if has("addresses") || suffix.starts_with("station") {
        Stage::Numbered
    } else {
        Stage::Bound
    }
}

/// Tells for which stage of the people it names a step of another object is.
fn stage_of_another(catalogue: &Catalogue, step: &Step) -> Option<Stage> {
    let user = catalogue.get("user").ok()?;
    let is_brought = user
        .brings
        .iter()
        .any(|brings| brings.kind == step.object.kind);
    match is_brought {
        true => Some(Stage::Numbered),
        false => adds_members(catalogue, step).then_some(Stage::Bound),
    }
}

/// Tells whether a step writes who belongs to its object.
fn adds_members(catalogue: &Catalogue, step: &Step) -> bool {
    let (_, suffix) = step.id.as_str().rsplit_once(':').unwrap_or_default();
    let descriptor = catalogue.get(step.object.kind.as_str()).ok();
    let parts = descriptor
        .into_iter()
        .flat_map(|descriptor| &descriptor.parts);
    let mut parts = parts.filter(|part| part.members);
    parts.any(|part| {
        suffix
            .strip_prefix(part.field.as_str())
            .is_some_and(|rest| !rest.starts_with('-'))
    })
}

/// Calls `visit` with every user that a step's request names.
fn for_each_person(step: &Step, visit: &mut dyn FnMut(ObjectRef)) {
    let Write::Request(request) = &step.write else {
        return;
    };
    for template in request
        .params
        .iter()
        .chain(request.query.values())
        .chain(&request.body)
    {
        template.for_each_slot(&mut |slot| {
            if let Slot::Ref(object) = slot
                && object.kind.as_str() == "user"
            {
                visit(object);
            }
        });
    }
}
