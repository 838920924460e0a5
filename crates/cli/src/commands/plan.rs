//! `orgsmith plan`

use std::path::{Path, PathBuf};

use clap::Args;
use orgsmith_core::render::{plan_json, quoted};

use super::road;
use crate::args::{Carry, People, Selected, Shape};
use crate::error::Exit;
use crate::output::save;
use crate::secrets::Ask;
use crate::session::{Connected, Session};
use crate::source::{Source, Wanted};

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
        let look = Look {
            source: &self.source,
            prune: self.prune,
            force: self.force,
            detailed_exitcode: self.detailed_exitcode,
            save: self.out.as_deref(),
            secrets_file: self.secrets_file.as_deref(),
            shape: &self.shape,
            seats: None,
            selected: &self.selected,
            people: &self.people,
        };
        look.at(session, &self.to).await
    }
}

/// What a plan is made of and how it is shown, for `plan` and for every `--dry-run`.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) source: &'a str,
    pub(super) prune: bool,
    pub(super) force: bool,
    pub(super) detailed_exitcode: bool,
    /// Where the plan is saved.
    pub(super) save: Option<&'a Path>,
    pub(super) secrets_file: Option<&'a Path>,
    pub(super) shape: &'a Shape,
    /// Who has no licence is left out, as [`Ask::seats`] says.
    pub(super) seats: Option<&'a [(String, u64)]>,
    pub(super) selected: &'a Selected,
    pub(super) people: &'a People,
}

impl<'a> Look<'a> {
    /// Takes what a command that writes was told.
    pub(super) fn of(
        source: &'a str,
        (carry, shape): (&'a Carry, &'a Shape),
        (selected, people): (&'a Selected, &'a People),
    ) -> Self {
        Self {
            source,
            prune: false,
            force: carry.force,
            detailed_exitcode: false,
            save: None,
            secrets_file: carry.secrets_file.as_deref(),
            shape,
            seats: None,
            selected,
            people,
        }
    }

    /// Plans for one org and shows the plan.
    pub(super) async fn at(&self, session: &Session<'_>, to: &str) -> anyhow::Result<Exit> {
        let target = session.connect(to)?;
        let source = Source::told(self.source, session)?;
        let wanted = source
            .read_with(session, self.selected, self.people)
            .await?;
        self.show(session, &wanted, &target).await
    }

    /// Plans for several orgs and shows each plan; what is wrong with one hides no other.
    pub(super) async fn at_all(
        &self,
        session: &Session<'_>,
        names: &[&str],
    ) -> anyhow::Result<Exit> {
        if let [name] = names {
            return self.at(session, name).await;
        }
        let targets = names.iter().map(|name| session.connect(name));
        let targets: Vec<Connected> = targets.collect::<Result<_, _>>()?;
        let source = Source::told(self.source, session)?;
        let wanted = source
            .read_with(session, self.selected, self.people)
            .await?;
        let mut failed = None;
        for target in &targets {
            if let Err(error) = self.show(session, &wanted, target).await {
                session.out.warn(format!("{}: {error:#}", target.org.name));
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(Exit::Ok), Err)
    }

    async fn show(
        &self,
        session: &Session<'_>,
        wanted: &Wanted,
        target: &Connected,
    ) -> anyhow::Result<Exit> {
        let ask = Ask {
            seats: self.seats,
            ..self.shape.ask(self.secrets_file)
        };
        let planned = road::plan(session, wanted, target, self.prune, ask).await?;
        if let Some(path) = self.save {
            save(path, &plan_json(&planned.plan))?;
        }
        let next = (!planned.plan.is_empty()).then(|| self.next(target.org.name.as_str()));
        road::show(session.out, &planned.plan, target, next.as_deref())?;
        road::advise(session.out, &planned.plan, self.selected);
        let differs = self.detailed_exitcode && !planned.plan.is_empty();
        // What `apply` would refuse is better known now.
        planned.into_checked(session.out, self.force)?;
        Ok(if differs { Exit::Differences } else { Exit::Ok })
    }

    /// Returns the command that carries the plan out.
    fn next(&self, to: &str) -> String {
        if let Some(path) = self.save {
            return apply_saved(path);
        }
        let verb = if self.prune { "sync" } else { "apply" };
        let mut command = format!(
            "orgsmith {verb} {} --to {}",
            quoted(self.source),
            quoted(to)
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
        if let Some(file) = self.secrets_file {
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
            ("--scim", self.shape.scim),
        ] {
            if set {
                command.push_str(&format!(" {flag}"));
            }
        }
        command
    }
}

/// Returns the command that carries out a plan that was saved.
pub(super) fn apply_saved(path: &Path) -> String {
    format!(
        "orgsmith apply --plan {}",
        quoted(&path.display().to_string())
    )
}
