//! `orgsmith completions`

use clap::Args;
use clap_complete::Shell;

use crate::error::Exit;
use crate::output::Out;

/// Prints the completions of a shell.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, out: &Out) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::command(), "orgsmith", &mut script);
        out.data(String::from_utf8(script)?)?;
        Ok(Exit::Ok)
    }
}
