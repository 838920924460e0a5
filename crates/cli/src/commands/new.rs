//! `orgsmith new`

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use orgsmith_core::catalogue::Catalogue;
use orgsmith_core::id::{Key, ObjectRef};
use orgsmith_core::schema::scaffold;
use orgsmith_store::bundle;

use crate::args::Global;
use crate::commands::init::BUNDLE;
use crate::error::{Exit, Failure};
use crate::output::Out;

/// Writes the file of a new object, with a comment for every field it may have.
///
/// Nothing is overwritten. What is needed stands there; everything else is commented out.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// A kind, such as routing_queue.
    kind: String,
    /// What the object is called; parts are joined by a slash: inboundcall/Main.
    name: Option<String>,
    /// The bundle [default: `bundle` beside the project file, or else this folder].
    #[arg(long = "in", value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl New {
    pub(crate) fn run(&self, global: &Global, out: &Out) -> anyhow::Result<Exit> {
        let catalogue = Catalogue::builtin();
        let usage = |message: String| anyhow::Error::from(Failure::Usage(message));
        let descriptor = catalogue
            .get(&self.kind)
            .map_err(|error| usage(error.to_string()))?;
        let key = match &self.name {
            _ if descriptor.singleton => Key::builtin("settings"),
            Some(name) => key(name),
            None => {
                let message = format!("what is the {} called? add its name", descriptor.title);
                return Err(usage(message));
            }
        };
        let text = scaffold(catalogue, descriptor, &key).map_err(|bad| usage(bad.to_string()))?;
        let object = ObjectRef::new(descriptor.kind.clone(), key);
        let path = self.folder(global)?.join(bundle::path_of(&object));
        create(&path, &text)?;
        out.data(format!("{} written", path.display()))?;
        Ok(Exit::Ok)
    }

    fn folder(&self, global: &Global) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.folder {
            return Ok(folder.clone());
        }
        let here = std::env::current_dir().context("could not tell the current folder")?;
        let config = crate::keys::load(global)?;
        let beside = config.folder().join(BUNDLE);
        Ok(match config.path.is_some() && beside.is_dir() {
            true => beside.strip_prefix(&here).unwrap_or(&beside).to_owned(),
            false => PathBuf::from("."),
        })
    }
}

/// Reads a name as a person types it.
fn key(name: &str) -> Key {
    match name.strip_prefix('~') {
        Some(name) => Key::builtin(name),
        None => Key::from_parts(&Key::from_encoded(name).parts()),
    }
}

/// Writes a file that is not there yet.
pub(crate) fn create(path: &Path, text: &str) -> anyhow::Result<()> {
    let doing = || format!("could not write {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(doing)?;
    }
    let mut file = File::create_new(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            let message = format!("{} is there already; nothing was changed", path.display());
            Failure::Usage(message).into()
        }
        _ => anyhow::Error::from(error).context(doing()),
    })?;
    file.write_all(text.as_bytes()).with_context(doing)
}
