//! The commands, one file each, and the road they share.

pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod bundle;
pub(crate) mod changes;
pub(crate) mod clone;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod drift;
mod ending;
pub(crate) mod export;
mod fan;
pub(crate) mod graph;
pub(crate) mod help;
pub(crate) mod init;
pub(crate) mod kinds;
pub(crate) mod lint;
pub(crate) mod map;
pub(crate) mod new;
pub(crate) mod onboard;
pub(crate) mod org;
pub(crate) mod permissions;
pub(crate) mod plan;
pub(crate) mod preflight;
pub(crate) mod quarantine;
pub(crate) mod resume;
mod road;
pub(crate) mod rollback;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod sim;
mod stale;
pub(crate) mod state;
pub(crate) mod sync;
pub(crate) mod validate;
pub(crate) mod verify;

use clap::ValueEnum;

use crate::args::{Cli, Command, Format};
use crate::error::{Exit, Failure};
use crate::output::Out;
use crate::session::block_on;

/// The forms in which a plan is shown.
const PLAN_FORMS: [Format; 4] = [Format::Text, Format::Json, Format::Markdown, Format::Html];

/// Runs a command. What needs no org starts no runtime and reads no project file.
pub(crate) fn run(cli: Cli, out: &Out) -> anyhow::Result<Exit> {
    let global = &cli.global;
    let forms: &[Format] = match &cli.command {
        // A dry run is a plan.
        Command::Apply(command) if command.is_dry() => &PLAN_FORMS,
        Command::Sync(command) if command.is_dry() => &PLAN_FORMS,
        Command::Clone(command) if command.is_dry() => &PLAN_FORMS,
        Command::Resume(command) if command.is_dry() => &PLAN_FORMS,
        Command::Plan(_) | Command::Rollback(_) | Command::Compare(_) | Command::Drift(_) => {
            &PLAN_FORMS
        }
        Command::Graph(_) => &[Format::Text, Format::Json, Format::Svg, Format::Dot],
        Command::Permissions(_) | Command::Preflight(_) => {
            &[Format::Text, Format::Json, Format::Markdown]
        }
        Command::Diff(_) => &[Format::Text, Format::Json, Format::Html],
        Command::Lint(_) => &[
            Format::Text,
            Format::Json,
            Format::Markdown,
            Format::Sarif,
            Format::Junit,
        ],
        Command::Verify(_) => &[Format::Text, Format::Json, Format::Markdown, Format::Junit],
        Command::Validate(_) => &[Format::Text, Format::Json, Format::Junit],
        _ => &[Format::Text, Format::Json],
    };
    if !forms.contains(&global.output) {
        let known: Vec<String> = forms
            .iter()
            .filter_map(|form| form.to_possible_value())
            .map(|form| form.get_name().to_owned())
            .collect();
        let known = known.join(", ");
        return Err(Failure::Usage(format!("this command's -o knows {known}")).into());
    }
    match cli.command {
        Command::Export(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Diff(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Compare(command) => {
            block_on(global, out, |s| async move { command.run(&s).await })
        }
        Command::Graph(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Plan(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Preflight(command) => {
            block_on(global, out, |s| async move { command.run(&s).await })
        }
        Command::Apply(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Clone(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Verify(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Sync(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Changes(command) => {
            block_on(global, out, |s| async move { command.run(&s).await })
        }
        Command::Drift(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Audit(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Runs(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Resume(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Rollback(command) => {
            block_on(global, out, |s| async move { command.run(&s).await })
        }
        Command::State(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Map(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Onboard(command) => {
            block_on(global, out, |s| async move { command.run(&s).await })
        }
        Command::Org(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Lint(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Permissions(command) => {
            block_on(global, out, |s| async move { command.run(&s).await })
        }
        Command::Serve(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Worker(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Sim(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Demo(command) => block_on(global, out, |s| async move { command.run(&s).await }),
        Command::Bundle(command) => command.run(global, out),
        Command::Validate(command) => command.run(global, out),
        Command::Init(command) => command.run(out),
        Command::New(command) => command.run(global, out),
        Command::Schema(command) => command.run(out),
        Command::Kinds(command) => command.run(out),
        Command::Completions(command) => command.run(out),
        Command::Help(command) => command.run(out),
    }
}
