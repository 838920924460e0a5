//! Steps that one call can do together: many users get the same roles.
//!
//! In the plan and in the journal each object has a step of its own. Steps whose bodies are equal
//! but for the object are announced together and sent as one call for each item. Should that be
//! refused, or no answer come, each step goes on alone: the target is asked what was done, and what
//! was not is sent for this object only, so that one bad object costs the others nothing.

use std::collections::BTreeMap;

use futures::future::join_all;
use orgsmith_client::{Call, Method, Replay};
use orgsmith_core::catalogue::{Catalogue, Together};
use orgsmith_core::document::Bindings;
use orgsmith_core::id::own_id;
use orgsmith_core::journal::{Entry, StepState};
use orgsmith_core::plan::{Request, Step, Write};
use serde_json::{Value, json};
use tracing::{Instrument, debug_span};

use super::worker::{Ended, Worker};
use crate::chain::chain;

/// What steps must have in common to be sent together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alike {
    path: String,
    body: String,
    phase: u8,
}

/// Tells what a step has in common with those that it may be sent with.
pub(super) fn alike(catalogue: &Catalogue, step: &Step) -> Option<Alike> {
    let (request, _) = spec(catalogue, step)?;
    (step.expected.is_none() && !request.versioned).then_some(())?;
    Some(Alike {
        path: request.path.clone(),
        body: request.body.as_ref()?.as_json().to_owned(),
        phase: step.phase,
    })
}

/// Returns how many steps may go together at most.
pub(super) fn cap(catalogue: &Catalogue, step: &Step) -> usize {
    spec(catalogue, step).map_or(1, |(_, together)| together.cap)
}

fn spec<'s>(catalogue: &'s Catalogue, step: &'s Step) -> Option<(&'s Request, &'s Together)> {
    let Write::Request(request) = &step.write else {
        return None;
    };
    let descriptor = catalogue.get(step.object.kind.as_str()).ok()?;
    let adds = descriptor.parts.iter().filter_map(|part| part.add.as_ref());
    let mut adds = adds.filter(|add| add.path == request.path && add.method == request.method);
    Some((request, adds.next()?.together.as_ref()?))
}

impl Worker<'_> {
    /// Performs steps that are alike; how each ended, in their order.
    pub(super) async fn perform_together(&self, steps: Vec<(&Step, StepState)>) -> Vec<Ended> {
        let fresh = |state: &StepState| matches!(state, StepState::Planned);
        let calls = match &steps[..] {
            [] | [_] => None,
            steps if steps.iter().any(|(_, state)| !fresh(state)) => None,
            steps => self.calls(steps),
        };
        let Some(calls) = calls else {
            let alone = steps
                .into_iter()
                .map(|(step, state)| self.perform(step, state));
            return join_all(alone).await;
        };
        let mut announced = Vec::with_capacity(steps.len());
        for (step, state) in steps {
            let intent = Entry::Intent { attempt: 1 };
            match self.announce(step, state, intent).await {
                Ok(state) => announced.push((step, Ok(state))),
                Err(ended) => announced.push((step, Err(ended))),
            }
        }
        // What is not announced must not be sent.
        let lost = announced.iter().any(|(_, state)| state.is_err());
        let mut failed = lost.then(|| "not every step could be announced".to_owned());
        let span = debug_span!("steps", steps = announced.len(), org = %self.execution.org.name);
        for call in calls {
            let sent = self.execution.org.client.send(call);
            if failed.is_none()
                && let Err(error) = sent.instrument(span.clone()).await
            {
                failed = Some(format!("sent for many at once: {}", chain(&error)));
            }
        }
        let ends = announced.into_iter().map(|(step, state)| {
            let failed = failed.clone();
            async move {
                match (state, failed) {
                    (Err(ended), _) => ended,
                    (Ok(state), None) => self.end(step, state).await,
                    (Ok(state), Some(reason)) => self.go_on_alone(step, state, reason).await,
                }
            }
        });
        join_all(ends).await
    }

    /// Makes the calls for steps that are alike; nothing where they would not be fewer, or where an
    /// id is not known.
    fn calls(&self, steps: &[(&Step, StepState)]) -> Option<Vec<Call>> {
        let (request, together) = spec(self.execution.catalogue, steps.first()?.0)?;
        let body = request.body.as_ref()?.bind(self).ok()?.into_value();
        let mut items: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for item in body.as_object()?.values().next()?.as_array()? {
            let each = item.get(&together.each)?.as_str()?;
            items
                .entry(each)
                .or_default()
                .push(item.get(&together.items.0)?);
        }
        let objects: Vec<String> = steps
            .iter()
            .map(|(step, _)| Some(own_id(self.id(&step.object)?.as_str()).to_owned()))
            .collect::<Option<_>>()?;
        if items.len() >= steps.len() {
            return None;
        }
        let method = Method::from_bytes(together.method.as_bytes()).ok()?;
        let calls = items.into_iter().map(|(each, values)| {
            let path = crate::collect::details::with_id(&together.path, each);
            let call = Call::new(method.clone(), path).replay(Replay::Never);
            let query = together.query.iter();
            let call = query.fold(call, |call, (name, value)| call.query(name, value));
            call.json(json!({ &together.objects: objects, &together.items.1: values }))
        });
        Some(calls.collect())
    }
}
