//! Finds what came with an object that this run made: the station of a phone.
//!
//! No answer to a creation tells what comes with it, and nothing is written down of it: whoever takes
//! the run up looks again.

use std::time::{Duration, Instant};

use orgsmith_core::catalogue::Descriptor;
use orgsmith_core::document::{Bindings, Stored};
use orgsmith_core::id::{ObjectRef, TargetId};
use orgsmith_core::plan::Step;
use orgsmith_core::snapshot::Snapshot;

use super::recover::{find, of_key};
use super::send::Failure;
use super::worker::{Worker, is_fatal};
use crate::chain::chain;
use crate::collect::lists::{self, list_named};

/// Learns the ids of what a step refers to and what came with an object of this run.
pub(super) async fn learn_brought(worker: &Worker<'_>, step: &Step) -> Result<(), Failure> {
    for object in step.references() {
        let catalogue = worker.execution.catalogue;
        let descriptor = catalogue.get(object.kind.as_str()).ok();
        if let Some(descriptor) = descriptor.filter(|descriptor| descriptor.comes_with.is_some())
            && worker.id(&object).is_none()
        {
            let id = wait_for(worker, &object, descriptor).await?;
            worker.know(&object, id);
        }
    }
    Ok(())
}

/// Looks until the object shows, or must have shown by now.
async fn wait_for(
    worker: &Worker<'_>,
    object: &ObjectRef,
    descriptor: &Descriptor,
) -> Result<TargetId, Failure> {
    let began = Instant::now();
    let mut wait = Duration::from_millis(200);
    loop {
        let last = began.elapsed() >= worker.lag(descriptor);
        let found = match named(worker, object, descriptor).await {
            // A name may mean something else to the search than to people.
            Some(found) if !found.is_empty() || !last => found,
            _ => find(worker, object, descriptor)
                .await
                .map_err(|failure| unreadable(object, failure))?,
        };
        let reason = match &found[..] {
            [one] => return Ok(TargetId::new(one.id.as_str())),
            [] if !last => {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(5));
                continue;
            }
            [] => {
                let bringer = worker.execution.catalogue.bringer(object);
                let bringer =
                    bringer.map_or_else(String::new, |bringer| format!(" with {bringer}"));
                format!("{object}, which comes{bringer}, is not there yet; resume the run later")
            }
            several => format!(
                "the target has {} objects that {object} may mean; rename all but one and plan again",
                several.len()
            ),
        };
        return Err(Failure::NotSent {
            reason,
            fatal: None,
        });
    }
}

/// Returns the objects of a key by a search for its name; nothing where that is no way to find them.
async fn named(
    worker: &Worker<'_>,
    object: &ObjectRef,
    descriptor: &Descriptor,
) -> Option<Vec<Stored>> {
    let name = match &object.key.parts()[..] {
        [name] => name.clone(),
        _ => return None,
    };
    let listed = list_named(worker.execution.org, descriptor, &name).await?;
    let mut snapshot = Snapshot::default();
    snapshot
        .objects
        .insert(descriptor.kind.clone(), listed.objects);
    listed
        .failures
        .is_empty()
        .then(|| of_key(worker, object, snapshot))
}

/// Says that nothing could be looked up; the step itself was not sent.
fn unreadable(object: &ObjectRef, failure: lists::Failure) -> Failure {
    let (told, fatal) = match failure {
        lists::Failure::Call(error) => (chain(&error), is_fatal(&error).then_some(error)),
        lists::Failure::Answer(reason) => (reason, None),
    };
    Failure::NotSent {
        reason: format!("{object} cannot be looked up: {told}"),
        fatal,
    }
}
