//! Steps that publish what other steps wrote.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use super::{Made, step_id};
use crate::catalogue::{Catalogue, Descriptor, PublishSpec};
use crate::diff::Change;
use crate::document::{Slot, Template};
use crate::id::{ObjectRef, StepId};
use crate::plan::planner::{Item, Target, count};
use crate::plan::{Action, Request, Step, Write};

/// Publishes every object that is to be published and is not, or that steps change: itself, or what
/// lives in it.
pub(in crate::plan) fn publish(
    catalogue: &Catalogue,
    items: &[Item<'_>],
    target: &Target<'_>,
    made: &mut Made,
) {
    let items: HashMap<&ObjectRef, &Item<'_>> =
        items.iter().map(|item| (&item.object, item)).collect();
    let mut touched: BTreeMap<ObjectRef, Vec<usize>> = BTreeMap::new();
    for item in items.values().filter(|i| i.descriptor.publish.is_some()) {
        touched.entry(item.object.clone()).or_default();
    }
    for (index, step) in made.steps.iter().enumerate() {
        let mut at = Some(step.object.clone());
        while let Some(object) = at {
            let Ok(descriptor) = catalogue.get(object.kind.as_str()) else {
                break;
            };
            at = parent_of(descriptor, &object, &items, target);
            if descriptor.publish.is_some() {
                touched.entry(object).or_default().push(index);
            }
        }
    }
    for (object, steps) in touched {
        let descriptor = catalogue.get(object.kind.as_str());
        let Some((descriptor, spec)) = descriptor
            .ok()
            .and_then(|descriptor| Some((descriptor, descriptor.publish.as_ref()?)))
        else {
            continue;
        };
        publish_one(
            descriptor,
            spec,
            &object,
            items.get(&object),
            &steps,
            target,
            made,
        );
    }
}

/// Returns what an object lives in.
fn parent_of(
    descriptor: &Descriptor,
    object: &ObjectRef,
    items: &HashMap<&ObjectRef, &Item<'_>>,
    target: &Target<'_>,
) -> Option<ObjectRef> {
    let parent = descriptor.parent.as_ref()?;
    let said = items
        .get(object)
        .and_then(|item| item.body.field(&parent.field));
    if let Some(Slot::Ref(parent)) = said.as_ref().and_then(Slot::of) {
        return Some(parent);
    }
    let live = target.live.get(object)?.field(&parent.field)?;
    let id = live.get("id")?.as_str()?;
    target.names.object(&parent.kind, id).cloned()
}

fn publish_one(
    descriptor: &Descriptor,
    spec: &PublishSpec,
    object: &ObjectRef,
    item: Option<&&Item<'_>>,
    steps: &[usize],
    target: &Target<'_>,
    made: &mut Made,
) {
    let goes = |index: &usize| {
        let step = &made.steps[*index];
        step.object == *object && step.action == Action::Delete
    };
    if steps.iter().any(goes) {
        return;
    }
    let was = target
        .live
        .get(object)
        .and_then(|live| live.field(&spec.field));
    let published = was.as_ref() == Some(&spec.value);
    let said = item.and_then(|item| item.body.field(&spec.field));
    let wanted = said.as_ref().or(was.as_ref());
    if wanted != Some(&spec.value) {
        if published {
            let message = "it is published in the target, and the API cannot take that back";
            made.notes
                .warn("stays-published", object, message.to_owned());
        }
        return;
    }
    let own = steps.iter().any(|step| made.steps[*step].object == *object);
    let is_new = item.is_some_and(|item| !item.state.is_live());
    // An object that could not be planned has no steps, and is not published either.
    if (steps.is_empty() && published) || (is_new && !own) {
        return;
    }
    if let Some(reopen) = spec.reopen.as_ref().filter(|_| published) {
        let id = step_id(object, "open");
        for step in steps {
            let after = &mut made.steps[*step].after;
            after.push(id.clone());
            after.sort();
        }
        let request = request(&reopen.method, &reopen.path, object);
        let reason = "it is published, and a change needs a draft";
        made.steps.push(step(id, object, reason, request));
    }
    let mut call = request(&spec.method, &spec.path, object);
    call.body = body(spec, object).map(Template::new);
    call.job = spec.job.clone().map(Box::new);
    let reason = match published {
        true => "it was changed",
        false => "it is not published",
    };
    let mut last = step(step_id(object, "publish"), object, reason, call);
    let before: BTreeSet<StepId> = steps.iter().map(|s| made.steps[*s].id.clone()).collect();
    last.after = before.into_iter().collect();
    last.phase = steps
        .iter()
        .map(|s| made.steps[*s].phase)
        .max()
        .unwrap_or(0);
    if !published {
        last.changes.push(Change {
            path: spec.field.clone(),
            old: was,
            new: Some(spec.value.clone()),
        });
    }
    made.steps.push(last);
    if !own && item.is_some() {
        let counts = count(&mut made.counts, &descriptor.kind);
        counts.same = counts.same.saturating_sub(1);
        counts.update += 1;
    }
}

fn step(id: StepId, object: &ObjectRef, reason: &str, request: Request) -> Step {
    Step {
        id,
        object: object.clone(),
        action: Action::Update,
        phase: 0,
        changes: Vec::new(),
        reason: reason.to_owned(),
        after: Vec::new(),
        expected: None,
        write: Write::Request(request),
        scim: None,
    }
}

fn request(method: &str, path: &str, object: &ObjectRef) -> Request {
    let own_id = Template::new(Slot::Ref(object.clone()).to_value());
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        params: path.contains('{').then_some(own_id).into_iter().collect(),
        query: BTreeMap::new(),
        body: None,
        creates: false,
        versioned: false,
        job: None,
    }
}

fn body(spec: &PublishSpec, object: &ObjectRef) -> Option<Value> {
    let mut body: Map<String, Value> = match (&spec.with, &spec.ids) {
        (None, None) => return None,
        (with, _) => with
            .iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
    };
    if let Some(ids) = &spec.ids {
        let own_id = Slot::Ref(object.clone()).to_value();
        body.insert(ids.clone(), json!([own_id]));
    }
    Some(Value::Object(body))
}
