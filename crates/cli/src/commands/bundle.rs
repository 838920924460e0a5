//! `orgsmith bundle`

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use orgsmith_store::bundle;
use serde_json::json;

use crate::args::Format;
use crate::error::{Exit, Failure};
use crate::output::{Out, RED, styled};

/// Packs, unpacks and verifies bundles.
#[derive(Debug, Args)]
pub(crate) struct Bundle {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Packs a directory into a zip: same content, same bytes.
    Pack {
        /// The directory.
        dir: PathBuf,
        /// The zip to write.
        zip: PathBuf,
    },
    /// Unpacks a zip into a directory.
    Unpack {
        /// The zip.
        zip: PathBuf,
        /// The directory to write.
        dir: PathBuf,
    },
    /// Checks that a bundle is whole and that its manifest agrees.
    Verify {
        /// A directory or a zip.
        path: PathBuf,
    },
}

impl Bundle {
    pub(crate) fn run(&self, out: &Out) -> anyhow::Result<Exit> {
        match &self.what {
            What::Pack { dir, zip } => {
                let doing = || format!("packing {}", dir.display());
                let digest = bundle::pack(dir, zip).with_context(doing)?;
                written(out, zip, digest.as_str())
            }
            What::Unpack { zip, dir } => {
                let doing = || format!("unpacking {}", zip.display());
                let written_dir = bundle::unpack(zip, dir).with_context(doing)?;
                written(out, dir, written_dir.digest.as_str())
            }
            What::Verify { path } => verify(out, path),
        }
    }
}

fn written(out: &Out, path: &std::path::Path, digest: &str) -> anyhow::Result<Exit> {
    if out.format() == Format::Json {
        out.json(&json!({ "out": path, "digest": digest }))?;
    } else {
        out.data(format!("{}\nsha256:{digest}", path.display()))?;
    }
    Ok(Exit::Ok)
}

fn verify(out: &Out, path: &std::path::Path) -> anyhow::Result<Exit> {
    let found = bundle::verify(path).with_context(|| format!("verifying {}", path.display()))?;
    if out.format() == Format::Json {
        let problems: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
        out.json(&json!({ "path": path, "digest": found.digest, "problems": problems }))?;
    } else {
        for problem in &found.problems {
            let place = path.join(problem.to_string());
            out.say(format!(
                "{}: {}",
                styled(RED.bold(), "error"),
                place.display()
            ));
        }
        if let Some(digest) = &found.digest {
            out.data(format!("sha256:{digest}"))?;
        }
    }
    if found.problems.is_empty() {
        return Ok(Exit::Ok);
    }
    Err(Failure::BadBundle {
        errors: found.problems.len(),
        place: path.display().to_string(),
    }
    .into())
}
