//! What a job of the service does: a command, as if somebody had typed it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use futures::future::BoxFuture;
use orgsmith_client::{Endpoint, Plain, PlainRequest, is_loopback, keeps_secrets, post_json};
use orgsmith_core::drift::Drift;
use orgsmith_core::id::RunId;
use orgsmith_core::secret::Secret;
use orgsmith_engine::chain;
use orgsmith_server::work::{
    Asked, BUNDLE, Calls, DRIFT, Done, EARLIER, Errand, Org, PLAN, RESULT, Work,
};
use orgsmith_server::{Carry, Selected, Task};
use orgsmith_store::state::{RunStatus, State};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tracing::{Instrument, Span};
use url::Url;

use crate::args::{Cli, Command, Format};
use crate::config::Config;
use crate::error::{Exit, Failure, words};
use crate::keys::KeyRing;
use crate::output::Out;
use crate::session::{Clients, Session};

/// The longest result that is shown with a job, in bytes.
const SHORT: usize = 64 * 1024;

/// Does the jobs of a service.
#[derive(Clone)]
pub(super) struct Office {
    pub(super) config: Arc<Config>,
    pub(super) keys: Arc<KeyRing>,
    pub(super) state: Arc<dyn State>,
    pub(super) clients: Clients,
    /// The URL of whoever is told of failures.
    pub(super) alerts: Option<Secret>,
}

/// The most of an answer of another system that is read.
const MAX_ANSWER: u64 = 1024 * 1024;
/// How long whoever is alerted, or asked, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

impl Work for Office {
    fn orgs(&self) -> Vec<Org> {
        let orgs = self.config.project.orgs.keys();
        orgs.filter_map(|name| self.org(name)).collect()
    }

    fn org(&self, name: &str) -> Option<Org> {
        // That of the environment is in no project file.
        if !self.config.project.orgs.contains_key(name) {
            return None;
        }
        // An org that the project file describes badly is told of when it is asked for.
        let settings = self.config.org(name).ok()?;
        let labels = settings.labels.into_iter();
        Some(Org {
            region: match settings.endpoint {
                Endpoint::Region(region) => region.name().to_owned(),
                Endpoint::BaseUrl(url) => url,
            },
            name: settings.name,
            labels: labels
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            protected: settings.protected,
        })
    }

    fn against(&self, org: &str) -> Option<String> {
        self.config.project.drift.against.get(org).cloned()
    }

    fn connect(&self, org: &str) -> Result<orgsmith_engine::Org, String> {
        let out = Out::of_job(Format::Json, Arc::new(|_| {}));
        let parts = (self.config.clone(), self.keys.clone(), self.state.clone());
        // Who asks this way wants to know what has changed, and nobody waits for it.
        let session = Session::of_service(&out, parts, self.clients.in_background());
        let connected = session.and_then(|session| session.connect(org));
        match connected {
            Ok(connected) => Ok(connected.org),
            Err(error) => Err(failed(&error).message.unwrap_or_default()),
        }
    }

    fn calls(&self, org: &str) -> Calls {
        let quota = self.config.org(org).map_or(0, |settings| {
            u64::from(settings.quota_per_minute) * settings.tokens as u64
        });
        let stats = self.clients.get(org).map(|client| client.stats());
        Calls {
            sent: stats.as_ref().map_or(0, |stats| stats.sent),
            throttled: stats.as_ref().map_or(0, |stats| stats.rate_limited),
            quota_per_minute: quota,
        }
    }

    fn alert(&self, text: String) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let Some(url) = &self.alerts else { return true };
            let body = json!({ "text": text });
            let told = post_json(url.expose(), &body, PATIENCE).await;
            if let Err(error) = &told {
                tracing::warn!(error = chain(error), "nobody could be alerted");
            }
            told.is_ok()
        })
    }

    fn ask(&self, asked: Asked) -> BoxFuture<'_, Result<(u16, Vec<u8>), String>> {
        Box::pin(async move {
            let hidden = |secret: &Secret| SecretString::from(secret.expose().to_owned());
            let mut headers = vec![("accept".to_owned(), "application/json".to_owned().into())];
            if let Some(value) = &asked.authorization {
                headers.push(("authorization".to_owned(), hidden(value)));
            }
            if asked.form.is_some() {
                let form = "application/x-www-form-urlencoded".to_owned();
                headers.push(("content-type".to_owned(), form.into()));
            }
            let url = Url::parse(&asked.url);
            let url = url.map_err(|_| format!("{:?} is no URL", asked.url))?;
            if !keeps_secrets(&url) {
                return Err(format!("{url} is not https, and not on this machine"));
            }
            let request = PlainRequest {
                method: if asked.form.is_some() { "POST" } else { "GET" }.to_owned(),
                url: asked.url,
                headers,
                body: asked.form.as_ref().map(hidden),
            };
            let plain = Plain::new(PATIENCE, MAX_ANSWER, is_loopback(&url))
                .map_err(|error| error.to_string())?;
            let reply = plain.send(&request).await;
            let reply = reply.map_err(|error| error.to_string())?;
            Ok((reply.status, reply.body.to_vec()))
        })
    }

    fn perform(&self, errand: Errand) -> BoxFuture<'static, Done> {
        let office = self.clone();
        Box::pin(async move {
            // Planning a large org takes a thread for a while.
            let (handle, span) = (Handle::current(), Span::current());
            let work = move || handle.block_on(office.run(&errand).instrument(span));
            let done = tokio::task::spawn_blocking(work).await;
            done.unwrap_or_else(|error| Done {
                exit: Exit::Error.code(),
                message: Some(format!("orgsmith itself failed: {error}")),
                ..Done::default()
            })
        })
    }
}

impl Office {
    async fn run(&self, errand: &Errand) -> Done {
        match self.attempt(errand).await {
            Ok(done) => done,
            Err(error) => failed(&error),
        }
    }

    async fn attempt(&self, errand: &Errand) -> anyhow::Result<Done> {
        let (_, earlier) = errand.runs.split_last().context("a job has an attempt")?;
        // The last one first: what an earlier worker left is taken up where it ended.
        for run in earlier.iter().rev() {
            let Some(found) = self.state.run(run).await? else {
                continue;
            };
            let carry = errand.task.carry().cloned().unwrap_or_default();
            let done = if found.status == RunStatus::Done {
                let result = json!({ "event": "result", "run": run, "status": "done" });
                Done {
                    result: Some(result),
                    ..Done::default()
                }
            } else {
                self.command(errand, &resume(run, &carry)).await?
            };
            // What was planned before is done with that; a source is held against its target again.
            let once = matches!(
                errand.task,
                Task::Apply { .. } | Task::Rollback { .. } | Task::Revert { .. }
            );
            if once || done.exit != Exit::Ok.code() {
                return Ok(done);
            }
            break;
        }
        let source = self.config.source_of(errand.task.org().as_str());
        let arguments = arguments(&errand.task, &errand.folder, source.as_deref());
        let mut done = self.command(errand, &arguments).await?;
        if let (true, Ok(text)) = (
            matches!(
                errand.task,
                Task::Plan { .. }
                    | Task::Import {
                        validate_only: true,
                        ..
                    }
            ),
            std::fs::read_to_string(errand.folder.join(PLAN)),
        ) {
            done.result = Some(summary(&text)?);
            done.files.retain(|(name, _)| name != RESULT);
        }
        Ok(done)
    }

    /// Does what a command line says.
    async fn command(&self, errand: &Errand, arguments: &[String]) -> anyhow::Result<Done> {
        let line = std::iter::once("orgsmith".to_owned()).chain(arguments.iter().cloned());
        let cli = Cli::try_parse_from(line).map_err(|error| Failure::Usage(error.to_string()))?;
        let out = Out::of_job(Format::Json, errand.tell.clone());
        let parts = (self.config.clone(), self.keys.clone(), self.state.clone());
        let run = errand.runs.last().cloned();
        let work = async |session: &Session<'_>| match &cli.command {
            Command::Export(command) => command.run(session).await,
            Command::Plan(command) => command.run(session).await,
            Command::Apply(command) => command.run(session).await,
            Command::Clone(command) => command.run(session).await,
            Command::Compare(command) => command.run(session).await,
            Command::Resume(command) => command.run(session).await,
            Command::Rollback(command) => command.run(session).await,
            Command::Verify(command) => command.run(session).await,
            Command::Drift(command) => command.run(session).await,
            _ => Err(Failure::Usage(format!("{arguments:?} is no job")).into()),
        };
        let clients = match errand.task {
            Task::Drift { .. } => self.clients.in_background(),
            _ => self.clients.clone(),
        };
        let ended = Session::serving(&out, parts, clients, run, &errand.stop, work).await;
        let mut done = match ended {
            Ok(exit) => Done {
                exit: exit.code(),
                message: (!matches!(exit, Exit::Ok | Exit::Differences))
                    .then(|| exit.meaning().to_owned()),
                ..Done::default()
            },
            Err(error) => failed(&error),
        };
        let printed = out.results();
        if let Task::Drift { .. } = errand.task {
            drifted(errand, &printed, &mut done)?;
        } else if printed.len() > SHORT {
            std::fs::write(errand.folder.join(RESULT), &printed).context("keeping the result")?;
        } else {
            done.result = values(&printed);
        }
        done.files = [
            (BUNDLE, "application/zip"),
            (PLAN, "application/json"),
            (DRIFT, "application/json"),
            (RESULT, "application/json"),
        ]
        .into_iter()
        .filter(|(name, _)| errand.folder.join(name).exists())
        .map(|(name, media)| (name.to_owned(), media.to_owned()))
        .collect();
        Ok(done)
    }
}

/// Keeps what a look for drift has found as a file, and says of it what a person wants to know first.
fn drifted(errand: &Errand, printed: &str, done: &mut Done) -> anyhow::Result<()> {
    // Where it could not look, it has said why.
    if printed.is_empty() {
        return Ok(());
    }
    let drift: Drift = serde_json::from_str(printed).context("what was found")?;
    let open = drift.objects.iter().filter(|drifted| drifted.counts());
    done.result = Some(json!({
        "drifted": open.count(), "same": drift.same, "unclear": drift.unclear, "gaps": drift.gaps,
    }));
    let compact = serde_json::to_vec(&drift)?;
    std::fs::write(errand.folder.join(DRIFT), compact).context("keeping what was found")
}

fn failed(error: &anyhow::Error) -> Done {
    let told = words(error);
    Done {
        exit: told.exit.code(),
        message: Some(match told.hint {
            Some(hint) => format!("{}; {hint}", told.text),
            None => told.text,
        }),
        ..Done::default()
    }
}

/// Returns the JSON values of a text: the one that there is, or all of them.
fn values(text: &str) -> Option<Value> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut values: Vec<Value> = values.map_while(Result::ok).collect();
    match values.len() {
        0 => None,
        1 => values.pop(),
        _ => Some(Value::Array(values)),
    }
}

/// Says of a plan what a person wants to know first.
fn summary(text: &str) -> anyhow::Result<Value> {
    let plan: orgsmith_core::plan::Plan =
        serde_json::from_str(text).context("the plan that was made")?;
    let mut actions = serde_json::Map::new();
    for step in &plan.steps {
        let name = serde_json::to_value(step.action)?;
        let name = name.as_str().unwrap_or_default();
        let so_far = actions
            .get(name)
            .and_then(Value::as_u64)
            .unwrap_or_default();
        actions.insert(name.to_owned(), json!(so_far + 1));
    }
    Ok(json!({
        "event": "result", "digest": plan.digest(), "steps": plan.steps.len(), "actions": actions,
        "conflicts": plan.conflicts, "findings": plan.findings, "gaps": plan.gaps,
        "estimate": plan.estimate,
    }))
}

fn resume(run: &RunId, carry: &Carry) -> Vec<String> {
    let mut arguments = vec!["resume".to_owned()];
    arguments.extend(carried(carry));
    arguments.extend(["--".to_owned(), run.as_str().to_owned()]);
    arguments
}

/// Writes a task as a command line. What came from outside is behind `=` or `--`: none of it can be taken
/// for an option. `source` is what the project file holds the org against.
fn arguments(task: &Task, folder: &Path, source: Option<&str>) -> Vec<String> {
    let of_project = source.map(str::to_owned);
    let path = |name: &str| folder.join(name).display().to_string();
    let (command, mut options, names): (&str, Vec<String>, Vec<String>) = match task {
        Task::Export { org, selected } => {
            let mut options = chosen(selected);
            options.push(format!("--out={}", path(BUNDLE)));
            ("export", options, vec![org.clone()])
        }
        Task::Import {
            org,
            validate_only,
            selected,
            carry,
        } => {
            let mut options = chosen(selected);
            options.push(format!("--to={org}"));
            if *validate_only {
                options.push(format!("--out={}", path(PLAN)));
                options.extend(carry.force.then(|| "--force".to_owned()));
                ("plan", options, vec![path(BUNDLE)])
            } else {
                options.extend(carried(carry));
                ("apply", options, vec![path(BUNDLE)])
            }
        }
        Task::Clone {
            source,
            org,
            selected,
            carry,
        } => {
            let mut options = chosen(selected);
            options.extend(carried(carry));
            if carry.ignore_shortfall {
                options.push("--ignore-shortfall".to_owned());
            }
            ("clone", options, vec![source.clone(), org.clone()])
        }
        Task::Plan {
            source,
            org,
            prune,
            selected,
            force,
        } => {
            let mut options = chosen(selected);
            options.push(format!("--to={org}"));
            options.push(format!("--out={}", path(PLAN)));
            options.extend(prune.then(|| "--prune".to_owned()));
            options.extend(force.then(|| "--force".to_owned()));
            let source = source.clone().or(of_project);
            ("plan", options, source.into_iter().collect())
        }
        Task::Apply { carry, .. } => {
            let mut options = carried(carry);
            options.push(format!("--plan={}", path(PLAN)));
            ("apply", options, Vec::new())
        }
        Task::Compare { orgs, selected } => ("compare", chosen(selected), orgs.clone()),
        Task::Resume { run, carry, .. } => ("resume", carried(carry), vec![run.clone()]),
        Task::Rollback {
            run,
            selected,
            carry,
            ..
        } => {
            let mut options = chosen(selected);
            options.extend(carried(carry));
            ("rollback", options, vec![run.clone()])
        }
        Task::Verify { org } => ("verify", Vec::new(), vec![org.clone()]),
        Task::Drift {
            org,
            against,
            selected,
        } => {
            let mut options = chosen(selected);
            options.extend(
                against
                    .as_ref()
                    .map(|against| format!("--against={against}")),
            );
            options.push("--who".to_owned());
            let earlier = folder.join(EARLIER);
            if earlier.exists() {
                options.push(format!("--earlier={}", earlier.display()));
            }
            ("drift", options, vec![org.clone()])
        }
        Task::Revert {
            org,
            against,
            selected,
            fields,
            carry,
        } => {
            let mut options = vec!["revert".to_owned()];
            options.extend(chosen(selected));
            options.extend(
                against
                    .as_ref()
                    .map(|against| format!("--against={against}")),
            );
            options.extend(fields.iter().map(|field| format!("--field={field}")));
            options.extend(carried(carry));
            ("drift", options, vec![org.clone()])
        }
        Task::Absorb {
            org,
            selected,
            fields,
        } => {
            let mut options = vec!["absorb".to_owned()];
            options.extend(chosen(selected));
            options.extend(of_project.map(|bundle| format!("--into={bundle}")));
            options.extend(fields.iter().map(|field| format!("--field={field}")));
            ("drift", options, vec![org.clone()])
        }
        Task::Ignore {
            org,
            selected,
            fields,
            until,
            reason,
        } => {
            let mut options = vec!["ignore".to_owned()];
            options.extend(chosen(selected));
            options.extend(fields.iter().map(|field| format!("--field={field}")));
            options.push(format!("--until={until}"));
            options.push(format!("--reason={reason}"));
            ("drift", options, vec![org.clone()])
        }
    };
    let mut arguments = vec![command.to_owned()];
    arguments.append(&mut options);
    if !names.is_empty() {
        arguments.push("--".to_owned());
        arguments.extend(names);
    }
    arguments
}

fn chosen(selected: &Selected) -> Vec<String> {
    let select = selected
        .select
        .iter()
        .map(|term| format!("--select={term}"));
    let exclude = selected
        .exclude
        .iter()
        .map(|term| format!("--exclude={term}"));
    let mut options: Vec<String> = select.chain(exclude).collect();
    options.extend(
        selected
            .with_dependencies
            .then(|| "--with-dependencies".to_owned()),
    );
    options
}

fn carried(carry: &Carry) -> Vec<String> {
    let mut options = vec!["--yes".to_owned()];
    options.extend(carry.force.then(|| "--force".to_owned()));
    let confirmed = carry.confirm.as_ref();
    options.extend(confirmed.map(|org| format!("--confirm={org}")));
    options.extend(carry.stop_on_error.then(|| "--stop-on-error".to_owned()));
    let parallelism = carry.parallelism;
    options.extend(parallelism.map(|steps| format!("--parallelism={steps}")));
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of task, with words from outside that would like to be options.
    fn tasks() -> Vec<Task> {
        let evil = || "--config=/etc/passwd".to_owned();
        let selected = || Selected {
            select: vec![evil()],
            exclude: vec![evil()],
            with_dependencies: true,
        };
        let selected_run = || Selected {
            with_dependencies: false,
            ..selected()
        };
        let carry = || Carry {
            force: true,
            parallelism: Some(3),
            stop_on_error: true,
            ignore_shortfall: true,
            confirm: Some(evil()),
        };
        let org = evil;
        vec![
            Task::Export {
                org: org(),
                selected: selected(),
            },
            Task::Import {
                org: org(),
                validate_only: true,
                selected: selected(),
                carry: carry(),
            },
            Task::Import {
                org: org(),
                validate_only: false,
                selected: selected(),
                carry: carry(),
            },
            Task::Clone {
                source: org(),
                org: org(),
                selected: selected(),
                carry: carry(),
            },
            Task::Plan {
                source: Some(org()),
                org: org(),
                prune: true,
                selected: selected(),
                force: true,
            },
            Task::Plan {
                source: None,
                org: org(),
                prune: false,
                selected: selected(),
                force: false,
            },
            Task::Apply {
                org: org(),
                plan: evil(),
                carry: carry(),
            },
            Task::Compare {
                orgs: vec![org(), org()],
                selected: selected(),
            },
            Task::Resume {
                org: org(),
                run: evil(),
                carry: carry(),
            },
            Task::Rollback {
                org: org(),
                run: evil(),
                selected: selected_run(),
                carry: carry(),
            },
            Task::Verify { org: org() },
            Task::Drift {
                org: org(),
                against: Some(evil()),
                selected: selected_run(),
            },
            Task::Revert {
                org: org(),
                against: Some(evil()),
                selected: selected_run(),
                fields: vec![evil()],
                carry: carry(),
            },
            Task::Absorb {
                org: org(),
                selected: selected_run(),
                fields: vec![evil()],
            },
            Task::Ignore {
                org: org(),
                selected: selected_run(),
                fields: vec![evil()],
                until: "2027-01-31".to_owned(),
                reason: evil(),
            },
        ]
    }

    #[test]
    fn every_task_is_a_command_and_nothing_from_outside_is_an_option() {
        for task in tasks() {
            let mut line = vec!["orgsmith".to_owned()];
            line.extend(arguments(&task, Path::new("/folder"), Some("bundle")));
            let cli =
                Cli::try_parse_from(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
            assert!(cli.global.config.is_none(), "{line:?}");
        }
    }

    #[test]
    fn what_was_printed_is_one_value_or_all_of_them() {
        assert_eq!(values(""), None);
        assert_eq!(values("Nothing to do."), None);
        assert_eq!(values("{\"a\": 1}\n"), Some(json!({"a": 1})));
        assert_eq!(values("{\"a\": 1}\n[2]\n"), Some(json!([{"a": 1}, [2]])));
    }
}
