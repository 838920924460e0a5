//! The `orgsmith` program; everything else is in the library, so that tests can drive it.

use std::process::ExitCode;

fn main() -> ExitCode {
    leave_no_core();
    orgsmith_cli::main(std::env::args_os())
}

/// A core file would hold the secrets that are in memory.
fn leave_no_core() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        // Where it is refused, the system's own limit holds.
        let _ = setrlimit(Resource::Core, none);
    }
}
