//! `orgsmith plan`

use std::path::PathBuf;

use clap::Args;
use orgsmith_core::render::{plan_json, quoted};

use super::road;
use crate::args::{People, Selected, Shape};
use crate::error::Exit;
use crate::output::save;
use crate::session::Session;
use crate::source::Source;

/// Shows what it takes to make an org match a source; changes nothing.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// An org, a bundle directory or a zip.
    source: String,
    /// The org that would be written to.
    #[arg(long, value_name = "ORG")]
    to: String,
    /// Saves the plan, for `apply --plan`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also deletes what only the target has, of the kinds in the source.
    #[arg(long)]
    prune: bool,
    /// Exits with 2 when there is something to do.
    #[arg(long)]
    detailed_exitcode: bool,
    /// Does not check the change brake.
    #[arg(long)]
    force: bool,
    /// Values of secrets, by which those that changed are found: a YAML file of names and values.
    #[arg(long, value_name = "FILE", help_heading = "Secrets")]
    secrets_file: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    selected: Selected,
    #[command(flatten)]
    people: People,
}

impl Plan {
    pub(crate) async fn run(&self, session: &Session<'_>) -> anyhow::Result<Exit> {
        let target = session.connect(&self.to)?;
        let source = Source::parse(&self.source, session)?;
        let wanted = source
            .read_with(session, &self.selected, &self.people)
            .await?;
        let ask = self.shape.ask(self.secrets_file.as_deref());
        let planned = road::plan(session, &wanted, &target, self.prune, ask).await?;
        if let Some(path) = &self.out {
            save(path, &plan_json(&planned.plan))?;
        }
        let next = (!planned.plan.is_empty()).then(|| self.next());
        road::show(session.out, &planned.plan, &target, next.as_deref())?;
        road::advise(session.out, &planned.plan, &self.selected);
        let differs = self.detailed_exitcode && !planned.plan.is_empty();
        // What `apply` would refuse is better known now.
        planned.into_checked(session.out, self.force)?;
        Ok(if differs { Exit::Differences } else { Exit::Ok })
    }

    /// Returns the command that carries the plan out.
    fn next(&self) -> String {
        if let Some(path) = &self.out {
            return format!(
                "orgsmith apply --plan {}",
                quoted(&path.display().to_string())
            );
        }
        let verb = if self.prune { "sync" } else { "apply" };
        let mut command = format!(
            "orgsmith {verb} {} --to {}",
            quoted(&self.source),
            quoted(&self.to)
        );
        for (flag, terms) in [
            ("--select", &self.selected.select),
            ("--exclude", &self.selected.exclude),
        ] {
            for term in terms {
                command.push_str(&format!(" {flag} {}", quoted(term)));
            }
        }
        for name in &self.shape.write_secret {
            command.push_str(&format!(" --write-secret {}", quoted(name)));
        }
        if let Some(file) = &self.secrets_file {
            let file = quoted(&file.display().to_string());
            command.push_str(&format!(" --secrets-file {file}"));
        }
        if let Some(people) = &self.people.people {
            command.push_str(&format!(
                " --people {}",
                quoted(&people.display().to_string())
            ));
        }
        for (flag, set) in [
            ("--with-dependencies", self.selected.with_dependencies),
            ("--prune", self.prune),
            ("--unlock", self.shape.unlock),
        ] {
            if set {
                command.push_str(&format!(" {flag}"));
            }
        }
        command
    }
}
