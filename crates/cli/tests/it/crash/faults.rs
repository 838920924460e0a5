//! What befalls a program from outside, by a library that is put before the C library.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Lets a program die at the k-th moment, from 1, at which a file within a path changes, or has changed.
pub fn die_at(command: &mut Command, within: &str, moment: usize) {
    preload(command, within).env("FAULTS_DIE_AT", moment.to_string());
}

/// Lets a program die before its k-th write, from 1, to a file within a path.
pub fn die_at_write(command: &mut Command, within: &str, write: usize) {
    die_at(command, within, write);
    command.env("FAULTS_EACH", "1");
}

/// Leaves a program so many bytes of room in files within a path.
pub fn fill_up(command: &mut Command, within: &str, room: usize) {
    preload(command, within).env("FAULTS_ROOM", room.to_string());
}

/// Lets a program only read files within a path.
pub fn freeze(command: &mut Command, within: &str) {
    preload(command, within).env("FAULTS_READ_ONLY", "1");
}

fn preload<'c>(command: &'c mut Command, within: &str) -> &'c mut Command {
    command
        .env("LD_PRELOAD", library())
        .env("FAULTS_WITHIN", within)
}

/// Builds the library, once; whoever could build the program has a C compiler.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/crash/faults.c");
        let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults.so");
        // Other test processes may be using it, so it comes to its place whole.
        let fresh = built.with_extension(std::process::id().to_string());
        let mut compiler = Command::new("cc");
        compiler.args([
            "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o",
        ]);
        let done = compiler.arg(&fresh).arg(source).status();
        assert!(done.expect("cc, a C compiler").success());
        std::fs::rename(fresh, &built).expect("our own folder");
        built
    })
}
