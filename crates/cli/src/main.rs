//! The `orgsmith` program; everything is in the library, so that tests can drive it.

use std::process::ExitCode;

fn main() -> ExitCode {
    orgsmith_cli::main(std::env::args_os())
}
