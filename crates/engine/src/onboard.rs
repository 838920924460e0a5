//! The onboarding of new users in another system, apart from the runs that made them.
//!
//! What is to be done is in the state; a pass takes what is due, sends it, and writes down what came
//! of it before the next request for that user. A pass may end at any time: the next goes on. A
//! request whose answer was not written down is sent again under the same `Idempotency-Key`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use orgsmith_client::{Call, Plain, PlainError, PlainRequest, path_segment};
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::id::{ObjectRef, OrgName, RunId, StepId};
use orgsmith_core::journal::StepState;
use orgsmith_core::onboard::{Answer, Counts, Job, Outgoing, Setup, Stage, Values, newcomers};
use orgsmith_core::plan::Plan;
use orgsmith_store::state::{Owner, RunStatus, State, replay};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::chain::chain;
use crate::events::{Event, Events};
use crate::execute::{Secrets, Stop};
use crate::org::Org;
use crate::run::{Guard, RunError, load_plan, lock, now_ms};

/// The most of an answer that is read.
const MAX_ANSWER: u64 = 256 * 1024;

/// The longest sleep; whoever wakes up looks again.
const A_DAY: Duration = Duration::from_secs(86_400);

/// Onboards the new users of one org.
pub struct Onboarder<'o> {
    /// The org.
    pub org: &'o Org,
    /// Knows how a user is read.
    pub catalogue: &'o Catalogue,
    /// Keeps what is to be done.
    pub state: Arc<dyn State>,
    /// Who we are, for others who want the lock.
    pub owner: Owner,
    /// Tells whether the holder of a lock is known to have died.
    pub abandoned: fn(&Owner) -> bool,
    /// What is sent, and how patiently.
    pub setup: &'o Setup,
    /// The values of secrets.
    pub secrets: &'o Secrets,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long a pass may take; what is under way then is waited for.
    pub patience: Duration,
    /// Ends a pass early.
    pub stop: Stop,
    /// Told what happens.
    pub events: &'o Events,
}

/// What a pass came to.
#[derive(Debug)]
pub struct Pass {
    /// All jobs of the org, by user.
    pub jobs: Vec<Job>,
    /// How the jobs of this pass stand.
    pub counts: Counts,
    /// Whether somebody was told of failures, or why that did not arrive.
    pub alert: Option<Result<(), String>>,
}

/// What came of one request.
struct Done {
    job: Job,
    /// It is not ours any more: it was begun anew meanwhile.
    is_stale: bool,
    /// The other system asks everybody to wait.
    hold_ms: Option<u64>,
}

impl Onboarder<'_> {
    /// Takes up all that is open, and with `retry_failed` what went wrong too.
    ///
    /// # Errors
    /// Another process does the same, or the state failed. What goes wrong with a user is in its job.
    pub async fn pass(&self, retry_failed: bool) -> Result<Pass, RunError> {
        let name = Job::lock(&self.org.name);
        let guard = lock(&self.state, &name, &self.owner, self.abandoned).await?;
        let result = self.under(&guard, retry_failed).await;
        guard.release().await;
        result
    }

    async fn under(&self, guard: &Guard, again: bool) -> Result<Pass, RunError> {
        self.find_left_behind(guard).await?;
        let mut open = BTreeMap::new();
        for job in self.state.jobs(Some(&self.org.name)).await? {
            let job = if again && job.stage == Stage::Failed {
                let job = job.retried(now_ms());
                self.state.put_job(guard.lease(), &job).await?;
                job
            } else {
                job
            };
            if job.stage.is_open() {
                open.insert(job.user.clone(), job);
            }
        }
        if open.is_empty() {
            return Ok(Pass {
                jobs: self.state.jobs(Some(&self.org.name)).await?,
                counts: Counts::default(),
                alert: None,
            });
        }
        self.events.tell(Event::OnboardStarted {
            org: self.org.name.clone(),
            users: open.len(),
        });
        let users: BTreeSet<ObjectRef> = open.keys().cloned().collect();
        let plain = Plain::new(self.timeout, MAX_ANSWER, self.setup.is_local())
            .map_err(|error| RunError::Other(error.to_string()))?;
        self.work_off(guard, &plain, open).await?;
        let jobs = self.state.jobs(Some(&self.org.name)).await?;
        let counts = Counts::of(jobs.iter().filter(|job| users.contains(&job.user)));
        let Counts {
            pending,
            requested,
            provisioned,
            failed,
        } = counts;
        let alert = self.alert(&plain, &counts).await;
        self.events.tell(Event::OnboardEnded {
            org: self.org.name.clone(),
            pending,
            requested,
            provisioned,
            failed,
            failure_rate: counts.failure_rate(),
            alerted: alert.as_ref().is_some_and(Result::is_ok),
        });
        Ok(Pass {
            jobs,
            counts,
            alert,
        })
    }

    /// Queues the users of runs that died before they could: a later run finds them there, and so
    /// not new.
    async fn find_left_behind(&self, guard: &Guard) -> Result<(), RunError> {
        let org = &self.org.name;
        // Whoever writes to the org now queues its own.
        if let Some((owner, expires_ms)) = self.state.holder(org).await?
            && expires_ms > now_ms()
            && !(self.abandoned)(&owner)
        {
            return Ok(());
        }
        let runs = self.state.runs(Some(org)).await?;
        let died = runs.iter().filter(|run| run.status == RunStatus::Running);
        for run in died {
            let (plan, states) = match journal_of(&*self.state, &run.id, org).await {
                Ok(read) => read,
                Err(error) => {
                    tracing::warn!(%org, run = %run.id, %error, "its new users are not known");
                    continue;
                }
            };
            let ids = plan
                .steps
                .iter()
                .filter_map(|step| match states.get(&step.id) {
                    Some(StepState::Done { id: Some(id), .. }) => {
                        Some((step.object.clone(), id.clone()))
                    }
                    _ => None,
                });
            let kept = self.state.jobs(Some(org)).await?;
            let kept: BTreeSet<&ObjectRef> = kept.iter().map(|job| &job.user).collect();
            let jobs: Vec<Job> = newcomers(&plan, &states, &ids.collect())
                .into_iter()
                .filter(|(user, _)| !kept.contains(user))
                .map(|(user, id)| Job::new(org, user, id, &run.id, now_ms()))
                .collect();
            if !jobs.is_empty() {
                self.state.ask_jobs(guard.lease(), &jobs).await?;
            }
        }
        Ok(())
    }

    /// Sends what is due until nothing is open, or the time is over.
    async fn work_off(
        &self,
        guard: &Guard,
        plain: &Plain,
        mut open: BTreeMap<ObjectRef, Job>,
    ) -> Result<(), RunError> {
        let mut waiting: BTreeSet<(u64, ObjectRef)> = open
            .values()
            .map(|job| (job.next_ms, job.user.clone()))
            .collect();
        let mut running = FuturesUnordered::new();
        let (begin_ms, begin) = (now_ms(), Instant::now());
        let end_ms = begin_ms.saturating_add(millis(self.patience));
        let at = |time_ms: u64| {
            let wait = Duration::from_millis(time_ms.saturating_sub(begin_ms));
            begin + wait.min(A_DAY)
        };
        let mut hold_ms = 0;
        let mut closing = false;
        loop {
            let now = now_ms();
            closing |= now >= end_ms || self.stop.is_asked();
            while !closing && running.len() < self.setup.parallel.max(1) && hold_ms <= now {
                let Some((due_ms, user)) = waiting.first().cloned() else {
                    break;
                };
                if due_ms > now {
                    break;
                }
                waiting.pop_first();
                if let Some(job) = open.remove(&user) {
                    running.push(self.send(guard, plain, job));
                }
            }
            let next_ms = waiting.first().map(|(due_ms, _)| (*due_ms).max(hold_ms));
            // What is due only after the end is for the next pass.
            let next_ms = next_ms.filter(|next_ms| !closing && *next_ms < end_ms);
            if running.is_empty() && next_ms.is_none() {
                return Ok(());
            }
            let may_start = running.len() < self.setup.parallel.max(1);
            tokio::select! {
                Some(done) = running.next(), if !running.is_empty() => {
                    let Done { job, is_stale, hold_ms: asked } = done?;
                    hold_ms = hold_ms.max(asked.unwrap_or(0));
                    if job.stage.is_open() && !is_stale {
                        waiting.insert((job.next_ms, job.user.clone()));
                        open.insert(job.user.clone(), job);
                    }
                }
                () = tokio::time::sleep_until(at(next_ms.unwrap_or(end_ms))),
                    if may_start && next_ms.is_some() => {}
                () = self.stop.asked(), if !closing => {}
            }
        }
    }

    /// Sends the next request for a user and writes down what came of it.
    async fn send(&self, guard: &Guard, plain: &Plain, job: Job) -> Result<Done, RunError> {
        let (next, hold_ms) = self.next(plain, &job).await;
        let same_but_time = Job {
            next_ms: job.next_ms,
            ..next.clone()
        };
        // That it was asked for once more and nothing changed need not be remembered.
        let is_stale = if same_but_time == job {
            false
        } else {
            !self.state.put_job(guard.lease(), &next).await?
        };
        if next.stage != job.stage || next.error.is_some() && next.error != job.error {
            self.events.tell(Event::Onboarding {
                org: self.org.name.clone(),
                user: next.user.clone(),
                stage: next.stage.as_str(),
                reason: next.error.clone(),
            });
        }
        Ok(Done {
            job: next,
            is_stale,
            hold_ms,
        })
    }

    async fn next(&self, plain: &Plain, job: &Job) -> (Job, Option<u64>) {
        let secrets = self.secrets.values();
        let user = match self.user(job).await {
            Ok(user) => user,
            Err(answer) => {
                let chance = (now_ms(), random());
                let next = match job.stage {
                    Stage::Requested => self.setup.after_poll(job, &answer, chance, secrets),
                    _ => self.setup.after_request(job, &answer, chance, secrets),
                };
                return (next, None);
            }
        };
        let values = Values {
            user: &user,
            org: self.org.name.as_str(),
            external: job.external.as_deref(),
            secrets: self.secrets,
        };
        let key = Uuid::new_v5(&Uuid::NAMESPACE_URL, job.request_name().as_bytes());
        let poll = match job.stage {
            Stage::Requested => self.setup.poll(&values),
            _ => None,
        };
        let is_poll = poll.is_some();
        let outgoing = poll.unwrap_or_else(|| self.setup.request(&values, &key.to_string()));
        let reply = plain.send(&of(outgoing)).await;
        let now = now_ms();
        let mut hold_ms = None;
        let answer = match &reply {
            Ok(reply) => {
                let asked = reply.retry_after.map(millis);
                if reply.status == 429 {
                    hold_ms = asked.map(|wait_ms| now.saturating_add(wait_ms));
                }
                Answer::Got {
                    status: reply.status,
                    retry_after_ms: asked,
                    body: &reply.body,
                }
            }
            Err(error @ PlainError::Invalid(_)) => Answer::Unsendable {
                why: error.to_string(),
            },
            Err(error) => Answer::Lost {
                why: error.to_string(),
            },
        };
        let next = if is_poll {
            self.setup
                .after_poll(job, &answer, (now, random()), secrets)
        } else {
            self.setup
                .after_request(job, &answer, (now, random()), secrets)
        };
        (next, hold_ms)
    }

    /// Returns the user as far as it is needed: as the org has it now, where more than its address is.
    async fn user(&self, job: &Job) -> Result<Value, Answer<'static>> {
        let email = job.user.key.parts().into_iter().next();
        if !self.setup.needs_user(job.stage) {
            return Ok(json!({ "id": job.id.as_str(), "email": email }));
        }
        let descriptor = self.catalogue.get(job.user.kind.as_str()).ok();
        let Some(read) = descriptor.and_then(|descriptor| descriptor.read.as_ref()) else {
            return Err(Answer::Unsendable {
                why: format!("{} cannot be read", job.user.kind),
            });
        };
        let (before, _) = read.path.split_once('{').unwrap_or((&read.path, ""));
        let mut call = Call::get(format!("{before}{}", path_segment(job.id.as_str())));
        for (name, value) in &read.query {
            call = call.query(name, value);
        }
        match self.org.client.send(call).await {
            Ok(reply) => Ok(reply.body),
            Err(error) => {
                let why = format!("the user could not be read: {}", chain(&error));
                Err(match error.status() {
                    Some(404) => Answer::Unsendable { why },
                    _ => Answer::Lost { why },
                })
            }
        }
    }

    /// Tells somebody, where more of this pass went wrong than may.
    async fn alert(&self, plain: &Plain, counts: &Counts) -> Option<Result<(), String>> {
        let alert = self.setup.alert.as_ref()?;
        let rate = counts.failure_rate();
        if counts.failed == 0 || rate <= alert.when_failed_over {
            return None;
        }
        let org = self.org.name.as_str();
        let message = json!({
            "event": "onboarding_failures", "org": org, "failure_rate": rate,
            "threshold": alert.when_failed_over, "counts": counts,
            "message": format!(
                "onboarding of users of {org}: {} of {} failed",
                counts.failed, counts.failed + counts.provisioned
            ),
        });
        let values = Values {
            user: &Value::Null,
            org,
            external: None,
            secrets: self.secrets,
        };
        let outgoing = self.setup.alert(&values, &message)?;
        Some(match plain.send(&of(outgoing)).await {
            Ok(reply) if (200..300).contains(&reply.status) => Ok(()),
            Ok(reply) => Err(format!("status {}", reply.status)),
            Err(error) => Err(error.to_string()),
        })
    }
}

async fn journal_of(
    state: &dyn State,
    run: &RunId,
    org: &OrgName,
) -> Result<(Plan, BTreeMap<StepId, StepState>), RunError> {
    let plan = load_plan(state, run, org).await?;
    let states = replay(&state.journal(run).await?)?;
    Ok((plan, states))
}

fn of(outgoing: Outgoing) -> PlainRequest {
    let Outgoing {
        method,
        url,
        headers,
        body,
    } = outgoing;
    let secret = |secret: orgsmith_core::secret::Secret| secret.expose().to_owned().into();
    let headers = headers.into_iter();
    PlainRequest {
        method,
        url,
        headers: headers.map(|(name, value)| (name, secret(value))).collect(),
        body: body.map(secret),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns a number uniform in `0.0..1.0`.
#[expect(clippy::cast_precision_loss, reason = "48 bits fit")]
fn random() -> f64 {
    (Uuid::new_v4().as_u128() >> 80) as f64 / (1_u64 << 48) as f64
}
