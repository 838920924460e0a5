//! Values of the secrets that a plan names, all found before the first write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use orgsmith_core::secret::Secret;
use orgsmith_engine::Secrets;

use crate::config::{Config, command_output, readable_by_others};
use crate::error::Failure;
use crate::output::Out;

/// Returns the variable that may hold a secret: `ORGSMITH_SECRET_CRM_API_KEY` for `crm/api-key`.
pub(crate) fn variable(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    format!("ORGSMITH_SECRET_{name}")
}

/// Finds every value: in `--secrets-file`, then in a variable, then where the project file says.
///
/// # Errors
/// The names of all that have no value, or a source that cannot be read.
pub(crate) fn resolve(
    names: &BTreeSet<String>,
    file: Option<&Path>,
    config: &Config,
    out: &Out,
) -> anyhow::Result<Secrets> {
    let mut given = match file {
        Some(path) => read(path, out)?,
        None => BTreeMap::new(),
    };
    let mut values = Secrets::new();
    let mut missing = Vec::new();
    for name in names {
        let value = match given.remove(name) {
            Some(value) => Some(value),
            None => match std::env::var(variable(name)) {
                Ok(value) => Some(value),
                Err(_) => configured(name, config)?,
            },
        };
        match value {
            Some(value) => {
                values.insert(name.clone(), Secret::new(value));
            }
            None => missing.push(name.clone()),
        }
    }
    if missing.is_empty() {
        Ok(values)
    } else {
        Err(Failure::MissingSecrets(missing).into())
    }
}

fn read(path: &Path, out: &Out) -> anyhow::Result<BTreeMap<String, String>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("could not read {shown}"))?;
    if let Some(warning) = readable_by_others(path) {
        out.warn(warning);
    }
    // The parser's words may quote a value, so they are not repeated.
    serde_saphyr::from_str(&text)
        .map_err(|_| anyhow::anyhow!("{shown} does not hold names with texts (name: value)"))
}

fn configured(name: &str, config: &Config) -> anyhow::Result<Option<String>> {
    let Some(from) = config.project.secrets.get(name) else {
        return Ok(None);
    };
    let doing = || format!("the secret {name:?}");
    if let Some(variable) = &from.env {
        return Ok(std::env::var(variable).ok());
    }
    if let Some(file) = &from.file {
        let path = config.folder().join(file);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("could not read {}", path.display()))
            .with_context(doing)?;
        return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()));
    }
    if let Some(command) = &from.command {
        let text = command_output(command)
            .map_err(anyhow::Error::msg)
            .with_context(doing)?;
        return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_plain_characters_only() {
        assert_eq!(variable("crm/api-key"), "ORGSMITH_SECRET_CRM_API_KEY");
    }
}
