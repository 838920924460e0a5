//! `orgsmith validate`

use std::path::PathBuf;

use clap::Args;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::plan::Severity;
use orgsmith_core::render::{problem_json, problems_junit};
use orgsmith_core::validate::Problem;
use serde_json::{Value, json};

use crate::args::{Format, Global};
use crate::error::{Exit, Failure};
use crate::keys::{KeyRing, Trust};
use crate::output::{GREEN, Out, styled};
use crate::source::{Judged, judged};

/// Judges a bundle without an org: kinds, fields, references, flows.
///
/// With -v notes are shown too. `-o junit` is for continuous integration, `-o json` for programs.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// A bundle directory or a zip.
    path: PathBuf,
}

impl Validate {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> anyhow::Result<Exit> {
        let keys = KeyRing::for_bundle(global, &self.path)?;
        let keys = keys.of(&self.path, Trust::Anybody, out)?;
        let Judged { disk, problems } = judged(Catalogue::builtin(), &self.path, keys, out)?;
        let place = self.path.display().to_string();
        let objects = disk.loaded.bundle.documents.len();
        match out.format() {
            Format::Junit => out.data(problems_junit("validate", &place, &problems))?,
            Format::Json => {
                let places = |problem: &Problem| disk.found_at(problem);
                let found = problems.iter().map(|one| problem_json(one, &places));
                let found: Vec<Value> = found.collect();
                out.json(&json!({ "bundle": place, "objects": objects, "findings": found }))?;
            }
            _ => {}
        }
        let errors = problems.iter();
        let errors = errors.filter(|problem| problem.severity == Severity::Error);
        let errors = errors.count();
        if errors > 0 {
            return Err(Failure::BadBundle { errors, place }.into());
        }
        if out.format() == Format::Text {
            out.data(format!(
                "{}: {objects} objects, nothing wrong",
                styled(GREEN, self.path.display()),
            ))?;
        }
        Ok(Exit::Ok)
    }
}
