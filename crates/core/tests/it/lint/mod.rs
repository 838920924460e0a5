//! Holds every kind file against the API contract.
//!
//! A finding names the kind file, the place in it, and what the contract says otherwise. The rules
//! know the contract and the shape of a kind file, never a kind.

pub mod body;
mod calls;
pub mod facts;
mod line;
mod parts;
pub mod permissions;
pub mod place;
mod shape;
mod told;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use orgsmith_contract::{Contract, contract};
use orgsmith_core::catalogue::{Catalogue, Descriptor};

/// One disagreement of a kind file.
#[derive(Debug)]
pub struct Finding {
    pub kind: String,
    pub field: String,
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = folder().join(format!("{}.toml", self.kind));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let line = line::line_of(&text, &self.field);
        let Self { field, message, .. } = self;
        write!(f, "{}:{line}: {field}: {message}", path.display())
    }
}

/// What the rules of one kind share.
pub struct Lint<'a> {
    pub contract: &'static Contract,
    pub kind: &'a Descriptor,
    /// Every kind that has a file, and those of which `covered.toml` says why they have none.
    pub known: BTreeSet<&'a str>,
    pub catalogue: &'a Catalogue,
    findings: Vec<Finding>,
}

impl<'a> Lint<'a> {
    pub fn of(kind: &'a Descriptor, catalogue: &'a Catalogue) -> Self {
        Self {
            contract: contract(),
            kind,
            known: catalogue
                .iter()
                .map(|kind| kind.kind.as_str())
                .chain(not_carried().iter().copied())
                .collect(),
            catalogue,
            findings: Vec::new(),
        }
    }

    pub fn find(&mut self, field: impl fmt::Display, message: impl fmt::Display) {
        self.findings.push(Finding {
            kind: self.kind.kind.to_string(),
            field: field.to_string(),
            message: message.to_string(),
        });
    }
}

/// Names the kinds that the API keeps from being carried: a reference to one is left out and told.
fn not_carried<'a>() -> Vec<&'a str> {
    let text = include_str!("../../../catalogue/covered.toml");
    let (_, kinds) = text.split_once("[impossible]").unwrap_or_default();
    let names = kinds.lines().filter_map(|line| line.split_once(" = "));
    names.map(|(name, _)| name).collect()
}

/// Returns what is wrong with one kind.
pub fn lint(kind: &Descriptor, catalogue: &Catalogue) -> Vec<Finding> {
    let mut lint = Lint::of(kind, catalogue);
    shape::check(&mut lint);
    told::check(&mut lint);
    calls::check(&mut lint);
    place::check(&mut lint);
    body::check(&mut lint);
    parts::check(&mut lint);
    permissions::check(&mut lint);
    lint.findings
}

/// Returns the folder of the kind files.
fn folder() -> PathBuf {
    let room = std::env::var("CARGO_MANIFEST_DIR");
    let room = room.unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&room).join("catalogue/kinds")
}

/// Reads the kind files as they are now, so that a built lint serves while they are written.
fn catalogue() -> Catalogue {
    let files: Vec<(String, String)> = std::fs::read_dir(folder())
        .expect("the catalogue's folder is part of the crate")
        .map(|entry| entry.expect("a readable folder entry").path())
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a readable kind file");
            (path.display().to_string(), text)
        })
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (&**name, &**text))
        .collect();
    Catalogue::parse(&files).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_kind_file_agrees_with_the_contract() {
    let catalogue = &catalogue();
    let findings: Vec<String> = catalogue
        .iter()
        .flat_map(|kind| lint(kind, catalogue))
        .map(|finding| finding.to_string())
        .collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn every_kind_is_in_the_file_of_its_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue/kinds");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the catalogue's folder is part of the crate")
        .map(|entry| entry.expect("a readable folder entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let kinds: BTreeSet<String> = Catalogue::builtin()
        .iter()
        .map(|kind| format!("{}.toml", kind.kind))
        .collect();
    assert_eq!(files, kinds);
}
