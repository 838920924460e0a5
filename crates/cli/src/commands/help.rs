//! `orgsmith help`

use clap::Args;

use crate::error::{Exit, Failure};
use crate::output::{Align, Out, Table};

/// Explains a command, or `exit-codes`.
#[derive(Debug, Args)]
pub(crate) struct Help {
    /// A command, or exit-codes.
    topic: Vec<String>,
}

impl Help {
    pub(crate) fn run(&self, out: &Out) -> anyhow::Result<Exit> {
        if self.topic.iter().map(String::as_str).eq(["exit-codes"]) {
            let mut table = Table::new(&[Align::Right]);
            for exit in Exit::ALL {
                table.row([exit.code().to_string(), exit.meaning().to_owned()]);
            }
            out.data(table.text(""))?;
            return Ok(Exit::Ok);
        }
        let mut command = crate::command();
        command.build();
        let mut at = &mut command;
        for word in &self.topic {
            at = at.find_subcommand_mut(word).ok_or_else(|| {
                Failure::Usage(format!(
                    "there is no command {word:?}; `orgsmith --help` lists them"
                ))
            })?;
        }
        out.data(at.render_long_help().ansi().to_string())?;
        Ok(Exit::Ok)
    }
}
