//! Workers: they take jobs from the queue, have them done, and write down what came of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use orgsmith_core::id::RunId;
use orgsmith_engine::{Stop, now_ms};
use orgsmith_store::desk::{Ending, File, Job, JobState};
use serde_json::Value;
use tokio::sync::mpsc;
use tracing::field::Empty;
use tracing::{Instrument, error, info, info_span, warn};
use uuid::Uuid;

use crate::file::file;
use crate::progress::Progress;
use crate::service::Service;
use crate::task::Task;
use crate::work::{DRIFT, Done, EARLIER, Errand, PLAN};

/// How often a worker says that it is still at a job.
const BEAT: Duration = Duration::from_secs(3);
/// How long after the last of these a job is free for others.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a job whose org is locked waits before it is tried again.
const LOCKED: Duration = Duration::from_secs(10);
/// How long what is told may wait to be written down together.
const TOGETHER: Duration = Duration::from_millis(250);
/// How often a job may be taken over: one that kills its workers must end some time.
const TAKEN_OVER: u32 = 5;

/// Exit codes that mean something to a worker.
mod exit {
    pub(super) const OK: u8 = 0;
    pub(super) const DIFFERENCES: u8 = 2;
    pub(super) const PARTIAL: u8 = 3;
    pub(super) const LOCKED: u8 = 7;
    pub(super) const INTERRUPTED: u8 = 130;
}

impl Service {
    /// Takes jobs, so many at once, until asked to stop.
    ///
    /// Jobs under way are then asked to end: what they have begun is finished, the rest is in their
    /// journal, and another worker goes on.
    ///
    /// # Errors
    /// The queue fails.
    pub async fn work(&self, at_once: usize, stop: Stop) -> Result<(), crate::dispatch::Error> {
        let name = format!("{}#{}", self.owner(), Uuid::new_v4().simple());
        let service = self.clone();
        let worker: Arc<str> = name.as_str().into();
        let stopping = stop.clone();
        let handler: crate::dispatch::Handler = Arc::new(move |job| {
            let (service, worker, stop) = (service.clone(), worker.clone(), stopping.clone());
            Box::pin(async move {
                let attended = tokio::spawn(async move {
                    if let Err(error) = service.attend(&job, &worker, &stop).await {
                        // It stays as it is in the desk, and is found there later.
                        error!(job, %error, "a job could not be attended to");
                    }
                });
                // One that panicked has said so.
                let _ = attended.await;
            })
        });
        let ends = stop.clone();
        let sweeping = self.sweep(stop);
        let working = self.dispatcher().work(
            &name,
            at_once,
            handler,
            Box::pin(async move { ends.asked().await }),
        );
        let ((), worked) = tokio::join!(sweeping, working);
        worked
    }

    /// Hands out again what the queue has lost: it may forget, the desk does not.
    async fn sweep(&self, stop: Stop) {
        let mut first = true;
        loop {
            if !std::mem::take(&mut first) {
                tokio::select! {
                    () = tokio::time::sleep(2 * PATIENCE) => {}
                    () = stop.asked() => return,
                }
            }
            let before = now_ms().saturating_sub(millis(PATIENCE));
            match self.desk().left_jobs(before).await {
                Ok(jobs) => {
                    for job in jobs {
                        if let Err(error) = self.dispatcher().push(&job, Duration::ZERO).await {
                            warn!(job, %error, "a job could not be handed out");
                        }
                    }
                }
                Err(error) => warn!(%error, "jobs could not be looked for"),
            }
        }
    }

    /// Does what there is to do about a job.
    async fn attend(&self, id: &str, worker: &str, stopping: &Stop) -> Result<(), Failed> {
        let desk = self.desk();
        let patience = millis(PATIENCE);
        let begun = desk.begin_job(id, worker, patience, now_ms()).await?;
        let Some(job) = desk.job(id).await? else {
            return Ok(());
        };
        if !begun {
            if job.state == JobState::Running {
                // Somebody is at it; should they die, it must not be forgotten.
                self.dispatcher().push(id, PATIENCE).await?;
            }
            return Ok(());
        }
        info!(job = id, kind = job.kind, org = %job.org, attempt = job.attempt, "job begun");
        let (done, cancelled) = if job.taken_over > TAKEN_OVER {
            let message = format!("{TAKEN_OVER} workers died of it; the log of each says how");
            (failed(1, message), false)
        } else {
            let span = info_span!("job", job = id, kind = job.kind, org = %job.org, attempt = job.attempt,
                exit = Empty, otel.status_code = Empty);
            let performed = self.perform(&job, stopping).instrument(span.clone()).await;
            let exit = performed.as_ref().ok().map(|(done, _)| done.exit);
            span.record("exit", exit);
            if !matches!(exit, Some(exit::OK | exit::DIFFERENCES)) {
                span.record("otel.status_code", "ERROR");
            }
            performed?
        };
        let again = match done.exit {
            exit::LOCKED => Some(LOCKED),
            exit::INTERRUPTED if !cancelled && stopping.is_asked() => Some(Duration::ZERO),
            _ => None,
        };
        if let Some(after) = again {
            let why = done.message.as_deref().unwrap_or("the service was stopped");
            if desk.put_back(&job, why).await? {
                self.dispatcher().push(id, after).await?;
            }
            info!(job = id, why, "job put back");
            return Ok(());
        }
        let task = serde_json::from_str::<Task>(&job.task);
        let must_be_whole = task.is_ok_and(|task| task.is_all_or_failed());
        let state = match done.exit {
            _ if cancelled && done.exit != exit::OK => JobState::Cancelled,
            exit::OK | exit::DIFFERENCES => JobState::Completed,
            // What could not be read is listed; what could not be written is a failure.
            exit::PARTIAL if !must_be_whole => JobState::Completed,
            _ => JobState::Failed,
        };
        let ending = Ending {
            state,
            exit: done.exit,
            message: done.message,
            result: done.result.map(|result| result.to_string()),
        };
        if !desk.end_job(&job, &ending, now_ms()).await? {
            // How it ended is told by who has it.
            warn!(job = id, "somebody else has taken the job over");
            return Ok(());
        }
        info!(job = id, %state, exit = done.exit, "job ended");
        self.job_ended(&job, &ending).await;
        Ok(())
    }

    /// Has a job done, and tells whether somebody wanted it to end.
    async fn perform(&self, job: &Job, stopping: &Stop) -> Result<(Done, bool), Failed> {
        let task: Task = match serde_json::from_str(&job.task) {
            Ok(task) => task,
            Err(error) => {
                return Ok((
                    failed(1, format!("its task cannot be read: {error}")),
                    false,
                ));
            }
        };
        let folder = tempfile::tempdir().map_err(Failed::Folder)?;
        self.unpack(job, &task, folder.path()).await?;
        let stop = stopping.child();
        let (told, tells) = mpsc::unbounded_channel();
        let errand = Errand {
            task,
            folder: folder.path().to_owned(),
            runs: (1..=job.attempt)
                .map(|attempt| run_of(&job.id, attempt))
                .collect(),
            tell: Arc::new(move |event| {
                // Nobody listens any more once the job has ended.
                let _ = told.send(event);
            }),
            stop: stop.clone(),
        };
        let cancelled = AtomicBool::new(false);
        let work = self.worker().perform(errand);
        let beating = async {
            loop {
                tokio::time::sleep(BEAT).await;
                match self.desk().beat(job, now_ms()).await {
                    Ok(Some(false)) => {}
                    Ok(Some(true)) => {
                        cancelled.store(true, Ordering::Relaxed);
                        stop.ask();
                    }
                    // Somebody else has it: the lease keeps both from writing, and we leave.
                    Ok(None) => stop.ask(),
                    Err(error) => warn!(job = job.id, %error, "no sign of life could be given"),
                }
            }
        };
        let working = async {
            tokio::select! {
                done = work => done,
                () = beating => unreachable!("it beats until the work is done"),
            }
        };
        // The work owns the sender, so writing down ends with it.
        let (done, ()) = tokio::join!(working, self.write_down(job, tells));
        for (name, media) in &done.files {
            let content = tokio::fs::read(folder.path().join(name)).await;
            let content = content.map_err(Failed::Folder)?;
            let file = file(name, media, content);
            if !self.desk().save_file(job, &file).await? {
                break;
            }
        }
        Ok((done, cancelled.into_inner()))
    }

    /// Puts the files of a job into its folder, and the plan that it carries out.
    async fn unpack(&self, job: &Job, task: &Task, folder: &std::path::Path) -> Result<(), Failed> {
        let mut files: Vec<File> = Vec::new();
        for head in self.desk().files(&job.id).await? {
            files.extend(self.desk().file(&job.id, &head.name).await?);
        }
        match task {
            Task::Apply { plan, .. } => files.extend(self.desk().file(plan, PLAN).await?),
            Task::Drift { org, selected, .. } if !selected.is_everything() => {
                files.extend(self.earlier(org).await?);
            }
            _ => {}
        }
        for file in files {
            let path = folder.join(&file.head.name);
            tokio::fs::write(path, file.content)
                .await
                .map_err(Failed::Folder)?;
        }
        Ok(())
    }

    /// Returns what the last look for drift in an org has found, under the name that it has for the next.
    async fn earlier(&self, org: &str) -> Result<Option<File>, Failed> {
        let Some((job, _)) = self.last_drift(org).await? else {
            return Ok(None);
        };
        let found = self.desk().file(&job, DRIFT).await?;
        Ok(found.map(|mut found| {
            EARLIER.clone_into(&mut found.head.name);
            found
        }))
    }

    /// Writes down what is told, together what comes together.
    async fn write_down(&self, job: &Job, mut told: mpsc::UnboundedReceiver<Value>) {
        let mut progress = Progress::default();
        while let Some(first) = told.recv().await {
            let mut batch = vec![first];
            let together = tokio::time::sleep(TOGETHER);
            tokio::pin!(together);
            loop {
                tokio::select! {
                    event = told.recv() => match event {
                        Some(event) => batch.push(event),
                        None => break,
                    },
                    () = &mut together => break,
                }
            }
            batch.iter().for_each(|event| progress.take(event));
            // That a step begins is soon followed by how it ended.
            batch.retain(|event| event["event"] != "step_started");
            let events: Vec<String> = batch.iter().map(Value::to_string).collect();
            let far = serde_json::to_string(&progress).unwrap_or_default();
            if let Err(error) = self.desk().tell(job, &events, &far, now_ms()).await {
                warn!(job = job.id, %error, "what happens cannot be written down");
            }
        }
    }
}

/// Returns the id of the run that an attempt at a job makes: known before there is one, so that
/// whoever takes the job over finds it.
pub(crate) fn run_of(job: &str, attempt: u32) -> RunId {
    let name = format!("{job}/{attempt}");
    RunId::new(&Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string())
}

fn failed(exit: u8, message: String) -> Done {
    Done {
        exit,
        message: Some(message),
        ..Done::default()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Says why a job could not be attended to.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Desk(#[from] orgsmith_store::state::Error),
    #[error(transparent)]
    Queue(#[from] crate::dispatch::Error),
    #[error("the folder of the job: {0}")]
    Folder(std::io::Error),
}
