//! The command line: reads what a person wants, calls the rooms that do it, and says what happened.
//!
//! This room knows people: their project file, their terminal, their environment. It decides
//! nothing about orgs. A command is one file in `commands/`; all output goes through `output`; every
//! error becomes words, a hint and an exit code in `error`, the one choke point.

mod args;
mod commands;
mod config;
mod error;
mod keys;
pub mod minimum;
mod output;
mod owner;
mod quota;
mod secrets;
mod session;
mod source;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

pub use error::Exit;

/// Runs a command line and returns its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match args::Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return output::clap_says(&error).into(),
    };
    let out = match output::Out::new(&cli.global) {
        Ok(out) => out,
        Err(error) => return error::tell(None, &error).into(),
    };
    let result = commands::run(cli, &out);
    let exit = match &result {
        Ok(exit) => *exit,
        Err(error) => error::tell(Some(&out), error),
    };
    out.finish(exit);
    exit.into()
}

/// Returns the description of the whole command line, for completions and the reference page.
pub fn command() -> clap::Command {
    args::Cli::command()
}
