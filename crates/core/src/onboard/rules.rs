//! Where a job stands after an answer.

use serde_json::Value;

use super::job::{Job, Stage};
use super::setup::{Pace, Setup};
use super::template::spellings;
use crate::secret::Secret;

/// The most characters of an answer that are kept.
const EXCERPT: usize = 200;

/// The longest wait that another system may ask for, a day: more would be forgotten.
const LONGEST_MS: u64 = 86_400_000;

/// What became of a request.
#[derive(Clone, Debug)]
pub enum Answer<'a> {
    /// The other system answered.
    Got {
        /// The HTTP status.
        status: u16,
        /// What `Retry-After` asks for, in milliseconds.
        retry_after_ms: Option<u64>,
        /// The body.
        body: &'a [u8],
    },
    /// No usable answer came: it may have been acted on.
    Lost {
        /// What happened instead.
        why: String,
    },
    /// The request cannot be sent, now or ever.
    Unsendable {
        /// Why.
        why: String,
    },
}

/// What an answer means, whatever was asked.
enum Meaning<'a> {
    Yes(&'a [u8]),
    /// Nothing was done: later.
    Later {
        after_ms: Option<u64>,
        why: String,
    },
    /// Perhaps it was done, perhaps not: again.
    Again {
        after_ms: Option<u64>,
        why: String,
    },
    Never(String),
}

impl Setup {
    /// Returns where a job stands after its request.
    ///
    /// `random` is uniform in `0.0..1.0`; `secrets` show in no reason.
    #[must_use]
    pub fn after_request<'s>(
        &self,
        job: &Job,
        answer: &Answer<'_>,
        (now_ms, random): (u64, f64),
        secrets: impl IntoIterator<Item = &'s Secret>,
    ) -> Job {
        let secrets: Vec<&Secret> = secrets.into_iter().collect();
        let body = match meaning(answer, &secrets) {
            Meaning::Yes(body) => body,
            other => return self.not_yet(job, other, (now_ms, random), Tries::Counted),
        };
        let external = self.request.id.as_ref().map(|pointer| {
            let document = serde_json::from_slice::<Value>(body).ok();
            document.and_then(|document| pointer.text(&document))
        });
        // The other system took it; under the same key it may be asked once more what it said.
        if external == Some(None) {
            let why = format!("the answer has no id: {}", excerpt(body, &secrets));
            let again = Meaning::Again {
                after_ms: None,
                why,
            };
            return self.not_yet(job, again, (now_ms, random), Tries::Counted);
        }
        let stage = match self.poll {
            Some(_) => Stage::Requested,
            None => Stage::Provisioned,
        };
        Job {
            stage,
            attempts: 0,
            error: None,
            external: external.flatten(),
            next_ms: now_ms.saturating_add(self.wait(random)),
            since_ms: now_ms,
            ..job.clone()
        }
    }

    /// Returns where a job stands after its state was asked for.
    #[must_use]
    pub fn after_poll<'s>(
        &self,
        job: &Job,
        answer: &Answer<'_>,
        (now_ms, random): (u64, f64),
        secrets: impl IntoIterator<Item = &'s Secret>,
    ) -> Job {
        let Some(poll) = &self.poll else {
            return job.clone();
        };
        let secrets: Vec<&Secret> = secrets.into_iter().collect();
        let next = match meaning(answer, &secrets) {
            Meaning::Yes(body) => {
                let document = serde_json::from_slice::<Value>(body);
                let state = document.ok().and_then(|document| poll.path.text(&document));
                let is_in = |words: &[String]| {
                    let state = state.as_deref();
                    state.is_some_and(|state| words.iter().any(|word| word == state))
                };
                if is_in(&poll.done) {
                    return ended(job, Stage::Provisioned, None, now_ms);
                }
                if is_in(&poll.failed) {
                    let why = format!("the other system says {}", excerpt(body, &secrets));
                    return ended(job, Stage::Failed, Some(why), now_ms);
                }
                let error = state.is_none().then(|| {
                    let shown = excerpt(body, &secrets);
                    format!("the answer has no state where it should: {shown}")
                });
                Job {
                    attempts: 0,
                    error,
                    next_ms: now_ms.saturating_add(self.wait(random)),
                    ..job.clone()
                }
            }
            // Some systems do not know at once what they have just taken.
            Meaning::Never(why) if matches!(answer, Answer::Got { status: 404, .. }) => {
                let again = Meaning::Again {
                    after_ms: None,
                    why,
                };
                self.not_yet(job, again, (now_ms, random), Tries::Free)
            }
            other => self.not_yet(job, other, (now_ms, random), Tries::Free),
        };
        if next.stage == Stage::Requested
            && now_ms.saturating_sub(job.since_ms) >= self.pace.timeout_ms
        {
            let why = next.error.unwrap_or_else(|| "no error was told".to_owned());
            let seconds = self.pace.timeout_ms / 1000;
            let why = format!("not provisioned within {seconds} s: {why}");
            return ended(job, Stage::Failed, Some(why), now_ms);
        }
        next
    }

    fn not_yet(
        &self,
        job: &Job,
        meaning: Meaning<'_>,
        (now_ms, random): (u64, f64),
        tries: Tries,
    ) -> Job {
        let (after_ms, why, counts) = match meaning {
            Meaning::Yes(_) => return job.clone(),
            Meaning::Never(why) => return ended(job, Stage::Failed, Some(why), now_ms),
            Meaning::Later { after_ms, why } => (after_ms, why, false),
            Meaning::Again { after_ms, why } => (after_ms, why, true),
        };
        let attempts = job.attempts.saturating_add(1);
        if tries == Tries::Counted && counts && attempts >= self.pace.attempts {
            let why = format!("given up after {attempts} tries: {why}");
            return ended(job, Stage::Failed, Some(why), now_ms);
        }
        let wait = match (after_ms, counts) {
            (Some(asked), _) => asked.min(LONGEST_MS),
            (None, true) => self.backoff(attempts, random),
            // It is no try, so the time since it began tells how long to wait.
            (None, false) => {
                let since = now_ms.saturating_sub(job.since_ms);
                let Pace {
                    base_ms, cap_ms, ..
                } = self.pace;
                part(since.max(base_ms).min(cap_ms), random).max(1)
            }
        };
        let wait = match tries {
            Tries::Counted => wait,
            // An error is no reason to ask more often.
            Tries::Free => wait.max(self.wait(random)),
        };
        Job {
            // What was refused for the rate alone is no try.
            attempts: if counts { attempts } else { job.attempts },
            error: Some(why),
            next_ms: now_ms.saturating_add(wait),
            ..job.clone()
        }
    }

    /// Exponential back-off with full jitter.
    fn backoff(&self, attempts: u32, random: f64) -> u64 {
        let doublings = attempts.saturating_sub(1).min(30);
        let ceiling = self.pace.base_ms.saturating_mul(1 << doublings);
        part(ceiling.min(self.pace.cap_ms), random).max(1)
    }

    /// The time until the next poll: users of one run should not all be asked for at once.
    fn wait(&self, random: f64) -> u64 {
        let every = self.pace.every_ms;
        every - every / 4 + part(every / 2, random)
    }
}

/// Whether tries run out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tries {
    Counted,
    /// Only time does.
    Free,
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a wait, never negative"
)]
fn part(whole: u64, random: f64) -> u64 {
    (whole as f64 * random.clamp(0.0, 1.0)) as u64
}

fn ended(job: &Job, stage: Stage, error: Option<String>, now_ms: u64) -> Job {
    Job {
        stage,
        error,
        next_ms: now_ms,
        since_ms: now_ms,
        ..job.clone()
    }
}

fn meaning<'a>(answer: &Answer<'a>, secrets: &[&Secret]) -> Meaning<'a> {
    let (status, retry_after_ms, body) = match answer {
        Answer::Got {
            status,
            retry_after_ms,
            body,
        } => (*status, *retry_after_ms, *body),
        Answer::Lost { why } => {
            return Meaning::Again {
                after_ms: None,
                why: scrubbed(why, secrets),
            };
        }
        Answer::Unsendable { why } => return Meaning::Never(scrubbed(why, secrets)),
    };
    let shown = excerpt(body, secrets);
    let why = match shown.as_str() {
        "" => format!("status {status}"),
        shown => format!("status {status}: {shown}"),
    };
    match status {
        200..=299 => Meaning::Yes(body),
        300..=399 => Meaning::Never(format!(
            "{why}; redirects are not followed, as secrets would go along: give the URL it leads to"
        )),
        429 => Meaning::Later {
            after_ms: retry_after_ms,
            why,
        },
        408 | 425 | 500.. => Meaning::Again {
            after_ms: retry_after_ms,
            why,
        },
        _ => Meaning::Never(why),
    }
}

/// Returns the beginning of an answer on one line, without secrets that it may repeat.
fn excerpt(body: &[u8], secrets: &[&Secret]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(EXCERPT * 16)]);
    let text = scrubbed(&text, secrets);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let shown = line.chars().filter(|c| !c.is_control());
    let mut shown: String = shown.take(EXCERPT).collect();
    if line.chars().count() > EXCERPT {
        shown.push('…');
    }
    shown
}

fn scrubbed(text: &str, secrets: &[&Secret]) -> String {
    let mut text = text.to_owned();
    for spelled in secrets.iter().flat_map(|secret| spellings(secret.expose())) {
        if !spelled.is_empty() {
            text = text.replace(&spelled, "***");
        }
    }
    text
}
