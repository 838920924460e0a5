//! Help, exit codes, completions, and the reference page that is made from them.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;

use crate::lab::Shown;

fn orgsmith(arguments: &[&str]) -> Shown {
    let output = Command::new(env!("CARGO_BIN_EXE_orgsmith"))
        .args(arguments)
        .env_clear()
        .output()
        .expect("the program");
    Shown {
        exit: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

#[test]
fn exit_codes() {
    assert_snapshot!(orgsmith(&["help", "exit-codes"]).ends(0));
}

#[test]
fn usage_ends_with_64() {
    orgsmith(&[]).ends(64);
    orgsmith(&["exprot"]).ends(64);
    orgsmith(&["export", "gold"]).ends(64);
    orgsmith(&["help", "exprot"]).ends(64);
    assert_snapshot!(orgsmith(&["plan", "gold", "--too", "tenant"]).ends(64));
}

#[test]
fn help_of_a_command_is_the_same_either_way() {
    let (one, other) = (
        orgsmith(&["help", "export"]).ends(0),
        orgsmith(&["export", "--help"]).ends(0),
    );
    assert_eq!(one.stdout.trim(), other.stdout.trim());
}

#[test]
fn version() {
    let shown = orgsmith(&["--version"]).ends(0);
    assert_eq!(
        shown.stdout,
        format!("orgsmith {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn completions() {
    for (shell, mark) in [
        ("bash", "_orgsmith()"),
        ("zsh", "#compdef orgsmith"),
        ("fish", "complete -c orgsmith"),
    ] {
        let shown = orgsmith(&["completions", shell]).ends(0);
        assert!(shown.stdout.contains(mark), "{shell}: {}", shown.stdout);
    }
}

#[test]
fn kinds() {
    let shown = orgsmith(&["kinds"]).ends(0);
    assert!(shown.stdout.contains("routing_queue"));
    assert_snapshot!(orgsmith(&["kinds", "routing_language"]).ends(0));
    assert_snapshot!(orgsmith(&["kinds", "routing_queu"]).ends(64));
}

/// Writes the reference page; with `UPDATE_DOCS=1` into the repository.
#[test]
fn the_reference_page_is_up_to_date() {
    let mut command = orgsmith_cli::command().term_width(100);
    command.build();
    let mut page = String::from(
        "# Command line\n\nMade from the program's own help by `UPDATE_DOCS=1 cargo test -p orgsmith-cli reference`; \
         do not edit.\n\n",
    );
    let _ = write!(
        page,
        "## Exit codes\n\n| code | meaning |\n| ---: | --- |\n"
    );
    for exit in orgsmith_cli::Exit::ALL {
        let _ = writeln!(page, "| {} | {} |", exit.code(), exit.meaning());
    }
    describe(&mut command, "orgsmith", &mut page);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("the docs");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/cli.md is not what the program says; run: UPDATE_DOCS=1 cargo test -p orgsmith-cli reference"
    );
}

fn describe(command: &mut clap::Command, name: &str, page: &mut String) {
    let help = command.render_long_help().to_string();
    // What holds for every command is said once, at the top.
    let global = help.find("Global options:").filter(|_| name != "orgsmith");
    let help = &help[..global.unwrap_or(help.len())];
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(
        page,
        "\n## {name}\n\n```text\n{}\n```\n",
        lines.join("\n").trim()
    );
    let names: Vec<String> = command
        .get_subcommands()
        .map(|inner| inner.get_name().to_owned())
        .collect();
    for inner in names
        .iter()
        .filter(|inner| *inner != "help" || name == "orgsmith")
    {
        let inner_command = command.find_subcommand_mut(inner).expect("it was listed");
        describe(inner_command, &format!("{name} {inner}"), page);
    }
}
