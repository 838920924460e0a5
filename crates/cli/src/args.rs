//! What can be written on the command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use orgsmith_core::people::{Person, read_list};

use crate::commands;
use crate::error::Failure;
use crate::secrets::Ask;

/// Clones whole Genesys Cloud orgs: export, compare, plan, apply.
#[derive(Debug, Parser)]
#[command(
    name = "orgsmith",
    version,
    about,
    disable_help_subcommand = true,
    propagate_version = false,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "New here? `orgsmith demo` shows the whole road on a simulated org.\n\
                  Exit codes: `orgsmith help exit-codes`."
)]
pub(crate) struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The project file [default: orgsmith.yaml here or in a folder above].
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ORGSMITH_CONFIG",
        hide_env = true
    )]
    pub(crate) config: Option<PathBuf>,
    /// Where runs are remembered: a file, or an address of postgres://, s3://, az://, gs:// or
    /// file:// [default: .orgsmith/state.db beside the project file].
    #[arg(
        long,
        global = true,
        value_name = "PLACE",
        env = "ORGSMITH_STATE",
        hide_env = true,
        hide_env_values = true
    )]
    pub(crate) state: Option<String>,
    /// The age identity that opens encrypted bundles; they are decrypted in memory only [default:
    /// `bundles: {identity: FILE}` of the project file].
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ORGSMITH_IDENTITY",
        hide_env = true
    )]
    pub(crate) identity: Option<PathBuf>,
    /// The form of the result on standard output.
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORM",
        default_value = "text",
        hide_default_value = true
    )]
    pub(crate) output: Format,
    /// Writes every event and the result to a file, one JSON object a line.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json_into: Option<PathBuf>,
    /// Says more: -v shows fields, -vv whole values.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Uses no colour (also NO_COLOR).
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Logs to standard error, such as `debug` or `orgsmith_client=trace`.
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        env = "ORGSMITH_LOG",
        hide_env = true
    )]
    pub(crate) log: Option<String>,
    /// The form of the log, and of all else on standard error: `json` is one object a line.
    #[arg(
        long,
        global = true,
        value_name = "FORM",
        env = "ORGSMITH_LOG_FORMAT",
        hide_env = true,
        default_value = "text",
        hide_default_value = true
    )]
    pub(crate) log_format: LogFormat,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// The form of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For pull requests.
    Markdown,
    /// For browsers.
    Html,
    /// A drawing.
    Svg,
    /// For Graphviz.
    Dot,
    /// For code hosts.
    Sarif,
    /// For continuous integration.
    Junit,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Export(commands::export::Export),
    Diff(commands::diff::Diff),
    Compare(commands::compare::Compare),
    Graph(commands::graph::Graph),
    Plan(commands::plan::Plan),
    Preflight(commands::preflight::Preflight),
    Apply(commands::apply::Apply),
    Clone(commands::clone::Clone),
    Verify(commands::verify::Verify),
    Sync(commands::sync::Sync),
    Changes(commands::changes::Changes),
    Drift(commands::drift::Drift),
    Runs(commands::runs::Runs),
    Audit(commands::audit::Audit),
    Resume(commands::resume::Resume),
    Rollback(commands::rollback::Rollback),
    Map(commands::map::Map),
    State(commands::state::State),
    Onboard(commands::onboard::Onboard),
    Bundle(commands::bundle::Bundle),
    Init(commands::init::Init),
    New(commands::new::New),
    Validate(commands::validate::Validate),
    Lint(commands::lint::Lint),
    Schema(commands::schema::Schema),
    Kinds(commands::kinds::Kinds),
    Org(commands::org::Org),
    Permissions(commands::permissions::Permissions),
    Serve(commands::serve::Serve),
    Worker(commands::serve::Worker),
    Sim(commands::sim::Sim),
    Demo(commands::demo::Demo),
    Completions(commands::completions::Completions),
    Help(commands::help::Help),
}

/// Which objects are meant.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which objects")]
pub(crate) struct Selected {
    /// Only these: a kind, or kind=…,name=…,division=…,family=… (again for more; `*` matches anything).
    #[arg(long, value_name = "TERM")]
    pub(crate) select: Vec<String>,
    /// Not these; same terms.
    #[arg(long, value_name = "TERM")]
    pub(crate) exclude: Vec<String>,
    /// Takes along what the selected objects refer to.
    #[arg(long)]
    pub(crate) with_dependencies: bool,
}

/// Who is wanted besides what is selected.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which objects")]
pub(crate) struct People {
    /// These people, each bound to a routing profile or like a user of the source: CSV or YAML
    /// (see docs/people.md). Without --select these alone.
    #[arg(long, value_name = "FILE")]
    pub(crate) people: Option<PathBuf>,
}

impl People {
    /// Reads the list; nobody where there is none.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<Person>> {
        let Some(path) = &self.people else {
            return Ok(Vec::new());
        };
        let doing = || format!("reading the people of {}", path.display());
        let text = std::fs::read_to_string(path).with_context(doing)?;
        let ending = path.extension().and_then(|ending| ending.to_str());
        let yaml = matches!(ending, Some("yaml" | "yml"));
        let people = read_list(&text, yaml);
        let people = people.map_err(|bad| Failure::Usage(format!("{}: {bad}", path.display())))?;
        if people.is_empty() {
            return Err(Failure::Usage(format!("{} names nobody", path.display())).into());
        }
        Ok(people)
    }
}

/// What a plan does beyond what differs.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Shape {
    /// Takes away the locks of flows that it writes or deletes; who holds one may lose unsaved work.
    #[arg(long)]
    pub(crate) unlock: bool,
    /// Creates users by SCIM where that saves calls; where the org refuses it, by the plain calls (see
    /// docs/people.md).
    #[arg(long)]
    pub(crate) scim: bool,
    /// Sends the value of this secret again wherever it stands, though nothing else differs (again
    /// for more; see docs/secrets.md).
    #[arg(long, value_name = "NAME", help_heading = "Secrets")]
    pub(crate) write_secret: Vec<String>,
}

impl Shape {
    /// Puts together what is said before a plan is made.
    pub(crate) fn ask<'a>(&'a self, file: Option<&'a Path>) -> Ask<'a> {
        Ask {
            unlock: self.unlock,
            scim: self.scim,
            file,
            write: &self.write_secret,
            seats: None,
        }
    }
}

/// How a plan is carried out.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Carrying it out")]
pub(crate) struct Carry {
    /// Approves the plan in advance; for an org that is protected, --confirm has to name it, too.
    #[arg(short, long, visible_alias = "auto-approve")]
    pub(crate) yes: bool,
    /// Repeats the names of the protected orgs that --yes is about.
    #[arg(long, value_name = "ORG", value_delimiter = ',', requires = "yes")]
    pub(crate) confirm: Vec<String>,
    /// Only shows the plan, as `orgsmith plan` does: nothing is written and nobody is asked.
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Lifts the change brake (more than 30 % of a kind updated or deleted).
    #[arg(long)]
    pub(crate) force: bool,
    /// Steps under way at once.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) parallelism: u16,
    /// Begins no more steps once so many calls were sent to the org, reading it included, or so many
    /// minutes are over since the start, and ends with exit code 9; `orgsmith resume` goes on.
    #[arg(long, value_name = "calls=N,minutes=M", value_parser = spend)]
    pub(crate) budget: Option<Spend>,
    /// Stops at the first step that fails; without it, steps that do not need it go on.
    #[arg(long, overrides_with = "continue_on_error")]
    pub(crate) stop_on_error: bool,
    /// Goes on with steps that do not need the one that failed (the default).
    #[arg(long, hide = true)]
    pub(crate) continue_on_error: bool,
    /// Values of secrets: a YAML file of names and values, readable by you alone.
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets_file: Option<PathBuf>,
    /// Leaves new users to `orgsmith onboard`, where the project file has `onboard:`.
    #[arg(long)]
    pub(crate) no_onboard: bool,
}

impl Carry {
    /// Tells whether the plan for an org was approved before it was made.
    pub(crate) fn approves(&self, org: &str, protected: bool) -> bool {
        self.yes && (!protected || self.confirm.iter().any(|name| name == org))
    }
}

/// How much a run may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spend {
    pub(crate) calls: Option<u64>,
    pub(crate) time: Option<Duration>,
}

/// Reads `calls=1000,minutes=30`, or one of them.
pub(crate) fn spend(text: &str) -> Result<Spend, String> {
    let mut spend = Spend::default();
    for part in text.split(',') {
        let (name, number) = part
            .split_once('=')
            .ok_or_else(|| format!("{part:?} is not of the form calls=N or minutes=M"))?;
        let number: u32 = number
            .parse()
            .map_err(|_| format!("{number:?} is no whole number up to {}", u32::MAX))?;
        match name {
            "calls" => spend.calls = Some(number.into()),
            "minutes" => spend.time = Some(Duration::from_secs(u64::from(number) * 60)),
            _ => return Err(format!("{name:?} is neither calls nor minutes")),
        }
    }
    Ok(spend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_of_calls_or_of_time_or_of_both() {
        let both = spend("calls=1000,minutes=30").expect("a budget");
        assert_eq!(both.calls, Some(1000));
        assert_eq!(both.time, Some(Duration::from_secs(1800)));
        assert_eq!(spend("calls=5").map(|spend| spend.time), Ok(None));
        for wrong in [
            "",
            "5",
            "calls",
            "calls=",
            "calls=-1",
            "minutes=1.5",
            "hours=1",
            "calls=1;minutes=2",
        ] {
            assert!(spend(wrong).is_err(), "{wrong}");
        }
    }
}
