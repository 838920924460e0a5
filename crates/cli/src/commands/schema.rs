//! `orgsmith schema`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use orgsmith_core::catalogue::{Catalogue, nearest};
use orgsmith_core::components::{COMPONENT, INSTANCE};
use orgsmith_core::examples::EXAMPLE;
use orgsmith_core::people::PROFILE;
use orgsmith_core::schema;
use serde_json::Value;

use crate::config;
use crate::error::{Exit, Failure, count};
use crate::output::{Out, save};

/// The name of the schema of what is different in one org.
pub(crate) const OVERLAY: &str = "overlay";
/// The name of the schema of the project file.
pub(crate) const PROJECT: &str = "project";

/// Writes JSON Schema of a kind, of the project file or of an overlay, for editors (draft 07).
///
/// `orgsmith init` points Visual Studio Code's YAML extension at them.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// A kind, such as routing_queue, `project` for orgsmith.yaml, or `overlay` for overlays/ORG.yaml.
    #[arg(required_unless_present = "out")]
    what: Option<String>,
    /// Writes them all to a folder instead, or the one that is named: <kind>.schema.json.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Schema {
    pub(crate) fn run(&self, out: &Out) -> anyhow::Result<Exit> {
        let mut schemas = all();
        if let Some(what) = &self.what {
            let Some(schema) = schemas.remove(what) else {
                let known = schemas.keys().map(String::as_str);
                let meant = nearest(what, known)
                    .map(|meant| format!(" (did you mean {meant:?}?)"))
                    .unwrap_or_default();
                let message = format!("there is no schema of {what:?}{meant}");
                return Err(Failure::Usage(message).into());
            };
            schemas = BTreeMap::from([(what.clone(), schema)]);
        }
        match &self.out {
            Some(folder) => {
                write(&schemas, folder)?;
                let number = count(schemas.len(), "schema");
                out.data(format!("{number} written to {}", folder.display()))?;
            }
            None => {
                for schema in schemas.values() {
                    out.json(schema)?;
                }
            }
        }
        Ok(Exit::Ok)
    }
}

/// Returns every schema by its name.
pub(crate) fn all() -> BTreeMap<String, Value> {
    let catalogue = Catalogue::builtin();
    let kinds = catalogue.iter();
    let mut schemas: BTreeMap<String, Value> = kinds
        .map(|kind| (kind.kind.to_string(), schema::kind(catalogue, kind)))
        .collect();
    schemas.extend(schema::profile(catalogue).map(|schema| (PROFILE.to_owned(), schema)));
    schemas.insert(COMPONENT.to_owned(), schema::component());
    schemas.insert(INSTANCE.to_owned(), schema::instance());
    schemas.insert(EXAMPLE.to_owned(), schema::example());
    schemas.insert(PROJECT.to_owned(), config::schema());
    schemas.insert(OVERLAY.to_owned(), config::overlay_schema());
    schemas
}

/// Writes schemas to a folder.
pub(crate) fn write(schemas: &BTreeMap<String, Value>, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("could not make the folder {}", folder.display()))?;
    for (name, schema) in schemas {
        let text = serde_json::to_string(schema)?;
        save(&folder.join(file(name)), &text)?;
    }
    Ok(())
}

/// Names the file of a schema.
pub(crate) fn file(name: &str) -> String {
    format!("{name}.schema.json")
}
