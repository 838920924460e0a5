//! Creating users by SCIM, where the plan says so and the org takes it.
//!
//! A creation and other steps of the same user go in one call. Each is announced, and each is done
//! only when the answer shows what it would have sent. What was refused, or is not shown, goes by the
//! plain call of its step; what may have been done is looked up as any creation is. Whether an org
//! takes SCIM at all shows at the first call, which is sent alone.

use orgsmith_client::{Call, Replay};
use orgsmith_core::id::TargetId;
use orgsmith_core::journal::{Entry, StepState};
use orgsmith_core::plan::{Does, Scim, Step};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};
use tracing::{Instrument, debug_span};

use super::ExecuteError;
use super::send::{Failure, failure};
use super::worker::{Ended, Worker};
use crate::chain::chain;

/// Bodies that are refused one after the other until no more are tried.
const PATIENCE: u32 = 3;

/// What is known of an org's SCIM.
#[derive(Debug, Default)]
struct Known {
    works: Option<bool>,
    /// Bodies that were refused since the last that was taken.
    refused: u32,
}

/// Whether users of an org are created by SCIM: until that is known, one is tried at a time.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<Known>);

/// The turn of a call; others wait for its end while nothing is known.
enum Turn<'g> {
    First(MutexGuard<'g, Known>),
    Another(&'g Gate),
}

impl Gate {
    async fn turn(&self) -> Option<Turn<'_>> {
        let known = self.0.lock().await;
        match known.works {
            Some(true) => Some(Turn::Another(self)),
            Some(false) => None,
            None => Some(Turn::First(known)),
        }
    }
}

impl Turn<'_> {
    async fn learn(self, learn: impl FnOnce(&mut Known)) {
        match self {
            Self::First(mut known) => learn(&mut known),
            Self::Another(gate) => learn(&mut *gate.0.lock().await),
        }
    }
}

impl Known {
    /// Learns from a user that was made, as a whole or otherwise than was asked for.
    fn taken(&mut self, whole: bool) {
        *self = Self {
            works: Some(whole && self.works != Some(false)),
            refused: 0,
        };
    }

    /// Learns from a refusal: of this body, or of any.
    fn refused(&mut self, status: Option<u16>) {
        self.refused += 1;
        match status {
            // There is such a user already, which says nothing of SCIM.
            Some(409) => self.refused -= 1,
            Some(400 | 413 | 422) if self.refused < PATIENCE => {}
            _ => self.works = Some(false),
        }
    }
}

/// Steps that go in one call, each with where it stands: a creation, and what goes with it.
struct Unit<'p> {
    creation: (&'p Step, StepState),
    riders: Vec<(&'p Step, StepState)>,
}

impl<'p> Unit<'p> {
    /// Writes the same of every step into the journal.
    async fn write(&mut self, worker: &Worker<'_>, entry: Entry) -> Result<(), ExecuteError> {
        for (step, state) in std::iter::once(&mut self.creation).chain(&mut self.riders) {
            *state = worker.write(&step.id, state.clone(), entry.clone()).await?;
        }
        Ok(())
    }
}

/// What is left to do for a creation after the call.
enum Left {
    /// It goes on by itself, from where it stands.
    Alone,
    /// Nothing; with what makes further steps pointless.
    Nothing(Option<ExecuteError>),
}

impl Worker<'_> {
    /// Performs the creation of a user and what goes with it; how each ended, the creation first. A
    /// step that is not over goes on by itself.
    pub(super) async fn perform_by_scim(
        &self,
        scim: &Scim,
        creation: &Step,
        riders: Vec<&Step>,
    ) -> Vec<Ended> {
        let at_start = |step| (step, StepState::Planned);
        let mut unit = Unit {
            creation: at_start(creation),
            riders: riders.into_iter().map(at_start).collect(),
        };
        let left = self.one_call(scim, &mut unit).await;
        let Unit {
            creation: (step, state),
            riders,
        } = unit;
        let first = match left {
            Ok(Left::Alone) => self.perform(step, state).await,
            Ok(Left::Nothing(error)) => Ended {
                error,
                ..Ended::at(state)
            },
            Err(error) => Ended {
                error: Some(error),
                ..Ended::at(state)
            },
        };
        let others = riders.into_iter().map(|(_, state)| Ended {
            open: !state.is_done(),
            ..Ended::at(state)
        });
        std::iter::once(first).chain(others).collect()
    }

    async fn one_call(&self, scim: &Scim, unit: &mut Unit<'_>) -> Result<Left, ExecuteError> {
        let turn = self.scim.turn().await;
        let body = scim.body.bind(self).ok();
        let Some((turn, body)) = turn.zip(body) else {
            return Ok(Left::Alone);
        };
        let body = body.into_value();
        self.tell_start(unit.creation.0);
        unit.write(self, Entry::Intent { attempt: 1 }).await?;
        let call = Call::post(&scim.path)
            .replay(Replay::Never)
            .json(body.clone());
        let span =
            debug_span!("steps", steps = 1 + unit.riders.len(), org = %self.execution.org.name);
        let sent = self.execution.org.client.send(call);
        let error = match sent.instrument(span).await {
            Ok(reply) => {
                let Some(id) = reply.body.get("id").and_then(Value::as_str) else {
                    let reason = "the answer to the creation by SCIM has no id".to_owned();
                    unit.write(self, Entry::Unknown { reason }).await?;
                    return Ok(Left::Alone);
                };
                let id = TargetId::new(id);
                let whole = self.note_done(scim, unit, &id, &body, &reply.body).await?;
                turn.learn(|known| known.taken(whole)).await;
                return Ok(Left::Nothing(None));
            }
            Err(error) => error,
        };
        let (status, told) = (error.status(), chain(&error));
        match failure(error, false) {
            Failure::NotSent { reason, fatal } => {
                unit.write(self, Entry::Refused { reason }).await?;
                let error = fatal.map(|error| ExecuteError::Unreachable(Box::new(error)));
                Ok(Left::Nothing(error))
            }
            // Who does not know how to do it has not done it.
            Failure::Unknown(reason) if status != Some(501) => {
                unit.write(self, Entry::Unknown { reason }).await?;
                Ok(Left::Alone)
            }
            Failure::Refused { .. } | Failure::Unknown(_) => {
                turn.learn(|known| known.refused(status)).await;
                tracing::info!(step = %unit.creation.0.id, "by SCIM: {told}; the plain calls are made");
                let reason = format!("by SCIM: {told}");
                unit.write(self, Entry::Refused { reason }).await?;
                unit.write(self, Entry::Reopened).await?;
                Ok(Left::Alone)
            }
        }
    }

    /// Writes down what an answer shows as done; tells whether it shows the creation as it was asked
    /// for.
    async fn note_done(
        &self,
        scim: &Scim,
        unit: &mut Unit<'_>,
        id: &TargetId,
        sent: &Value,
        answer: &Value,
    ) -> Result<bool, ExecuteError> {
        let version = version_in(answer);
        let done = Entry::Done {
            id: Some(id.clone()),
            version,
        };
        let (step, state) = &mut unit.creation;
        self.learn(step, Some(id.clone()), version);
        *state = self.write(&step.id, state.clone(), done.clone()).await?;
        let mut own = sent.clone();
        for (step, state) in &mut unit.riders {
            let of_step = |does: &&Does| does.step == step.id;
            let place = scim
                .does
                .iter()
                .find(of_step)
                .map(|does| does.shown.as_str());
            let wanted = place.and_then(|place| sent.pointer(place));
            let shown = place.and_then(|place| answer.pointer(place));
            let entry = match wanted.zip(shown) {
                Some((wanted, shown)) if holds(wanted, shown) => done.clone(),
                _ => Entry::Unknown {
                    reason: "the answer by SCIM does not show it".into(),
                },
            };
            if entry == done {
                self.tell_start(step);
            }
            *state = self.write(&step.id, state.clone(), entry).await?;
            if let Some(place) = place.and_then(|place| own.pointer_mut(place)) {
                place.take();
            }
        }
        let whole = holds(&own, answer);
        if !whole {
            tracing::warn!(
                step = %unit.creation.0.id,
                "the answer by SCIM shows another user than was asked for; no more are created by it"
            );
        }
        Ok(whole)
    }
}

/// Returns the version of the user, which is the ETag: `W/"3"`.
fn version_in(answer: &Value) -> Option<u64> {
    let tag = answer.pointer("/meta/version")?.as_str()?;
    tag.trim_start_matches("W/").trim_matches('"').parse().ok()
}

/// Tells whether an answer shows what was sent: lists may have more, and numbers are numbers.
fn holds(sent: &Value, shown: &Value) -> bool {
    match (sent, shown) {
        // Its step tells.
        (Value::Null, _) => true,
        (Value::Object(sent), Value::Object(shown)) => sent.iter().all(|(name, sent)| {
            // Telephone numbers are spelled anew.
            let spelled = name == "phoneNumbers" || sent.is_null();
            spelled || shown.get(name).is_some_and(|shown| holds(sent, shown))
        }),
        (Value::Array(sent), Value::Array(shown)) => sent
            .iter()
            .all(|sent| shown.iter().any(|shown| holds(sent, shown))),
        (Value::Number(sent), Value::Number(shown)) => sent.as_f64() == shown.as_f64(),
        (sent, shown) => sent == shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_may_say_more_but_not_less() {
        let sent = json!({"a": [{"name": "Billing", "proficiency": 3}], "b": null});
        let more = json!({"a": [{"name": "X"}, {"name": "Billing", "proficiency": 3.0, "c": 1}]});
        assert!(holds(&sent, &more));
        for less in [
            json!({}),
            json!({"a": []}),
            json!({"a": [{"name": "billing", "proficiency": 3}]}),
            json!({"a": [{"name": "Billing", "proficiency": 4}]}),
        ] {
            assert!(!holds(&sent, &less), "{less}");
        }
    }

    #[test]
    fn a_version_is_read_where_it_is_one() {
        for (tag, version) in [
            ("W/\"3\"", Some(3)),
            ("\"17\"", Some(17)),
            ("W/\"a7f\"", None),
        ] {
            assert_eq!(version_in(&json!({"meta": {"version": tag}})), version);
        }
        assert_eq!(version_in(&json!({})), None);
    }

    #[test]
    fn one_bad_body_says_nothing_of_the_org_and_several_do() {
        let mut known = Known::default();
        for status in [400, 409, 409, 409, 422] {
            known.refused(Some(status));
            assert_eq!(known.works, None, "{status}");
        }
        known.refused(Some(400));
        assert_eq!(known.works, Some(false));
        for status in [403, 404, 405, 501] {
            let mut known = Known::default();
            known.taken(true);
            known.refused(Some(status));
            assert_eq!(known.works, Some(false), "{status}");
        }
        let mut known = Known::default();
        known.refused(Some(400));
        known.taken(true);
        assert_eq!((known.works, known.refused), (Some(true), 0));
        known.taken(false);
        assert_eq!(known.works, Some(false));
    }
}
