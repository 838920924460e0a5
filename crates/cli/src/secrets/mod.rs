//! Values of the secrets that a plan names, all found before the first write.
//!
//! Values come from `--secrets-file`, from variables, and from where the project file says: [`local`]
//! for this machine, [`vault`] and [`aws`] for services. Whatever fails is told together.

mod aws;
mod local;
mod rotate;
mod vault;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use orgsmith_core::secret::Secret;
use orgsmith_engine::Secrets;

use crate::config::{Place, readable_by_others};
use crate::error::Failure;
use crate::output::Out;
use crate::session::Session;

pub(crate) use rotate::{Ask, resend, unsent};

/// The longest time that one program or service may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was found of some secrets.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) values: Secrets,
    /// Names that nothing says anything of.
    missing: Vec<String>,
    /// Names whose place has no value, and why.
    failed: BTreeMap<String, String>,
}

impl Found {
    fn take(&mut self, name: &str, value: Result<String, String>) {
        match value {
            Ok(value) => {
                self.values.insert(name.to_owned(), Secret::new(value));
            }
            Err(why) => {
                self.failed.insert(name.to_owned(), why);
            }
        }
    }
}

/// Returns the variable that may hold a secret: `ORGSMITH_SECRET_CRM_API_KEY` for `crm/api-key`.
pub(crate) fn variable(name: &str) -> String {
    format!("ORGSMITH_SECRET_{}", in_capitals(name))
}

/// Returns a name in the characters of a variable of the environment.
pub(crate) fn in_capitals(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect()
}

/// Finds every value.
///
/// # Errors
/// All names that have no value, each with why or with the variable that may hold it.
pub(crate) async fn resolve(
    names: &BTreeSet<String>,
    file: Option<&Path>,
    session: &Session<'_>,
) -> anyhow::Result<Secrets> {
    let Found {
        values,
        missing,
        failed,
    } = look_up(names, file, session).await?;
    if missing.is_empty() && failed.is_empty() {
        return Ok(values);
    }
    let missing = missing.into_iter().map(|name| {
        let variable = variable(&name);
        (name, variable)
    });
    Err(Failure::MissingSecrets(missing.chain(failed).collect()).into())
}

/// Finds the value of a secret that may have none.
///
/// # Errors
/// Its place is named, and has no value.
pub(crate) async fn find(name: &str, session: &Session<'_>) -> anyhow::Result<Option<Secret>> {
    let names = BTreeSet::from([name.to_owned()]);
    let Found { values, failed, .. } = look_up(&names, None, session).await?;
    match failed.is_empty() {
        true => Ok(values.get(name).cloned()),
        false => Err(Failure::MissingSecrets(failed).into()),
    }
}

/// Finds values: in `--secrets-file`, then in a variable, then where the project file says.
///
/// # Errors
/// The secrets file cannot be read.
pub(crate) async fn look_up(
    names: &BTreeSet<String>,
    file: Option<&Path>,
    session: &Session<'_>,
) -> anyhow::Result<Found> {
    let mut given = match file.filter(|_| !names.is_empty()) {
        Some(path) => read(path, session.out)?,
        None => BTreeMap::new(),
    };
    let config = &session.config;
    let mut found = Found::default();
    let mut places = Vec::new();
    // Held to the end: what is asked for twice at once is asked of a service once.
    let mut known = session.secrets.lock().await;
    for name in names {
        if let Some(value) = given
            .remove(name)
            .or_else(|| std::env::var(variable(name)).ok())
        {
            found.take(name, Ok(value));
        } else if let Some(value) = known.get(name) {
            found.values.insert(name.clone(), value.clone());
        } else if let Some(place) = config.project.secrets.of(name) {
            places.push((name.as_str(), place));
        } else {
            found.missing.push(name.clone());
        }
    }
    let asked: Vec<&str> = places.iter().map(|(name, _)| *name).collect();
    let (mut programs, mut vault, mut aws) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (name, place) in places {
        match place {
            Place::Exchange(command) => {
                let names: &mut Vec<&str> = programs.entry(command).or_default();
                names.push(name);
            }
            Place::Vault(place) => vault.push((name, place)),
            Place::Aws(place) => aws.push((name, place)),
            Place::Env(variable) => {
                let value = std::env::var(&variable);
                found.take(name, value.map_err(|_| format!("{variable} is not set")));
            }
            Place::File(path) => found.take(name, local::file(&config.folder().join(path))),
            Place::Command(command) => found.take(name, local::command(&command).await),
        }
    }
    for (command, names) in programs {
        local::exchange(&command, &names, &mut found).await;
    }
    if !vault.is_empty() {
        vault::look_up(config, &vault, &mut found).await;
    }
    if !aws.is_empty() {
        aws::look_up(&config.project.aws, &aws, &mut found).await;
    }
    for name in asked {
        if let Some(value) = found.values.get(name) {
            known.insert(name.to_owned(), value.clone());
        }
    }
    Ok(found)
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

/// Returns a field of what a service keeps together; no value shows in what is said.
fn field(
    fields: &serde_json::Map<String, serde_json::Value>,
    name: &str,
) -> Result<String, String> {
    use serde_json::Value;
    match fields.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
        Some(_) => Err(format!("its field {name:?} is no text")),
        None if fields.is_empty() => Err(format!("it has no field {name:?}, nor any other")),
        None => {
            let mut known: Vec<&str> = fields.keys().map(String::as_str).collect();
            known.sort_unstable();
            Err(format!(
                "it has no field {name:?}; it has {}",
                known.join(", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_plain_characters_only() {
        assert_eq!(variable("crm/api-key"), "ORGSMITH_SECRET_CRM_API_KEY");
    }

    #[test]
    fn a_field_that_is_not_there_is_told_without_values() {
        let fields = serde_json::json!({"user": "planted", "ports": [1], "port": 5});
        let fields = fields.as_object().expect("fields");
        assert_eq!(field(fields, "port").as_deref(), Ok("5"));
        let told = field(fields, "password").expect_err("none");
        assert_eq!(
            told,
            "it has no field \"password\"; it has port, ports, user"
        );
        assert_eq!(
            field(fields, "ports").expect_err("a list"),
            "its field \"ports\" is no text"
        );
    }
}
