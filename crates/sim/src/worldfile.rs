//! World files: orgs and the requests that furnish them, as YAML or JSON.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::config::{Config, OrgSpec};
use crate::sim::{SeedError, Sim};

/// Represents a world file.
///
/// A request names its org, its method with its path, its body, and possibly (`as`) the name
/// under which the id of what it made is kept. Later paths say `{name}` for such an id; later
/// bodies say `{$id: name}` for a whole value and `{$text: "... {name} ..."}` inside a text.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldFile {
    /// The organisations.
    #[serde(default)]
    pub orgs: Vec<OrgSpec>,
    /// The requests, in order.
    #[serde(default)]
    pub seed: Vec<SeedRequest>,
}

/// Represents one request of a world file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedRequest {
    /// The org; the only one of the file when not given.
    #[serde(default)]
    pub org: Option<String>,
    /// Method and path, such as `POST /api/v2/routing/skills`.
    pub request: String,
    /// The body.
    #[serde(default)]
    pub body: Value,
    /// The name for the id of what it made.
    #[serde(default)]
    pub r#as: Option<String>,
}

/// Says what is wrong with a world file, and where.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The text is not a world file.
    #[error("read the world file")]
    Format(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A request is not well formed.
    #[error("seed request {index}: {problem}")]
    Request {
        /// Its place in the list, from 1.
        index: usize,
        /// What is wrong.
        problem: String,
    },
    /// A request was refused.
    #[error("seed request {index}")]
    Refused {
        /// Its place in the list, from 1.
        index: usize,
        /// Why.
        #[source]
        source: SeedError,
    },
}

impl WorldFile {
    /// Reads a world file; YAML includes JSON.
    ///
    /// # Errors
    /// When the text is not one.
    pub fn parse(text: &str) -> Result<Self, WorldError> {
        serde_saphyr::from_str(text).map_err(|error| WorldError::Format(Box::new(error)))
    }

    /// Gives the configuration that holds the file's orgs.
    pub fn config(&self) -> Config {
        Config {
            orgs: self.orgs.clone(),
            ..Config::default()
        }
    }
}

impl Sim {
    /// Runs the requests of a world file; gives the ids kept under names.
    ///
    /// # Errors
    /// With the first request that is wrong or refused; those before it stay done.
    pub fn load(&self, world: &WorldFile) -> Result<BTreeMap<String, String>, WorldError> {
        let mut names = BTreeMap::new();
        for (index, seed) in world.seed.iter().enumerate() {
            let index = index + 1;
            let wrong = |problem: String| WorldError::Request { index, problem };
            let (method, path) = seed
                .request
                .split_once(' ')
                .ok_or_else(|| wrong(format!("{:?} is not a method and a path", seed.request)))?;
            let org = match (&seed.org, world.orgs.as_slice()) {
                (Some(org), _) => org,
                (None, [only]) => &only.name,
                (None, _) => return Err(wrong("it does not name its org".to_owned())),
            };
            let path = expand(path.trim(), &names).map_err(wrong)?;
            let body = resolve(&seed.body, &names).map_err(wrong)?;
            let made = self
                .seed(org, method, &path, body)
                .map_err(|source| WorldError::Refused { index, source })?;
            if let Some(name) = &seed.r#as {
                let id = made.get("id").and_then(Value::as_str);
                let id =
                    id.ok_or_else(|| wrong(format!("its answer has no id to keep as {name}")))?;
                names.insert(name.clone(), id.to_owned());
            }
        }
        Ok(names)
    }
}

fn resolve(value: &Value, names: &BTreeMap<String, String>) -> Result<Value, String> {
    match value {
        Value::Array(items) => items.iter().map(|item| resolve(item, names)).collect(),
        Value::Object(fields) => {
            if let (1, Some((key, Value::String(text)))) = (fields.len(), fields.iter().next()) {
                match key.as_str() {
                    "$id" => return expand(&format!("{{{text}}}"), names).map(Value::String),
                    "$text" => return expand(text, names).map(Value::String),
                    _ => {}
                }
            }
            fields
                .iter()
                .map(|(name, value)| Ok((name.clone(), resolve(value, names)?)))
                .collect()
        }
        other => Ok(other.clone()),
    }
}

fn expand(text: &str, names: &BTreeMap<String, String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after
            .split_once('}')
            .ok_or_else(|| format!("a brace is not closed in {text:?}"))?;
        let id = names
            .get(name)
            .ok_or_else(|| format!("no id is known under the name {name:?}"))?;
        out.push_str(before);
        out.push_str(id);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}
