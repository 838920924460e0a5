//! `orgsmith validate`

use std::path::PathBuf;

use clap::Args;
use orgsmith_core::catalogue::Catalogue;

use crate::args::Global;
use crate::error::{Exit, Failure};
use crate::keys::{KeyRing, Trust};
use crate::output::{GREEN, Out, styled};
use crate::source::judged;

/// Judges a bundle without an org: kinds, fields, references, flows.
///
/// With -v notes are shown too.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// A bundle directory or a zip.
    path: PathBuf,
}

impl Validate {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> anyhow::Result<Exit> {
        let keys = KeyRing::for_bundle(global, &self.path)?;
        let keys = keys.of(&self.path, Trust::Anybody, out)?;
        let (bundle, errors) = judged(Catalogue::builtin(), &self.path, keys, out)?;
        if errors > 0 {
            return Err(Failure::BadBundle {
                errors,
                place: self.path.display().to_string(),
            }
            .into());
        }
        out.data(format!(
            "{}: {} objects, nothing wrong",
            styled(GREEN, self.path.display()),
            bundle.documents.len()
        ))?;
        Ok(Exit::Ok)
    }
}
