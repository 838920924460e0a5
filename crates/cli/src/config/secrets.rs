//! `secrets:`, `vault:` and `aws:`: where the values of secrets are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// Where the values of secrets come from, by name or by a pattern that ends in `*`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Places(BTreeMap<String, ValueFrom>);

/// Where a value comes from: exactly one of these.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValueFrom {
    env: Option<String>,
    file: Option<PathBuf>,
    command: Option<Vec<String>>,
    exchange: Option<Vec<String>>,
    vault: Option<VaultPlace>,
    aws: Option<AwsPlace>,
}

/// A field of a secret of Vault's KV version 2.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VaultPlace {
    /// Where the engine is mounted; what `vault:` says where absent.
    pub(crate) mount: Option<String>,
    /// The path in it, without `data/`.
    pub(crate) path: String,
    pub(crate) field: String,
    /// The newest where absent.
    pub(crate) version: Option<u64>,
}

/// A secret of AWS Secrets Manager, or a field of one that is JSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AwsPlace {
    /// Its name or ARN.
    pub(crate) id: String,
    /// The whole text where absent.
    pub(crate) field: Option<String>,
    /// `AWSCURRENT` where absent.
    pub(crate) stage: Option<String>,
}

/// How Vault is reached, where the usual variables do not say it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VaultSettings {
    pub(crate) address: Option<String>,
    pub(crate) namespace: Option<String>,
    /// Where KV version 2 is mounted.
    pub(crate) mount: Option<String>,
    /// Where AppRole is mounted.
    pub(crate) approle_mount: Option<String>,
    /// Certificates to trust besides those of the system.
    pub(crate) ca_file: Option<PathBuf>,
    /// Secrets may be asked for without TLS.
    #[serde(default)]
    pub(crate) allow_http: bool,
}

/// How AWS is reached, where the usual variables and files do not say it.
#[cfg_attr(
    not(feature = "aws"),
    expect(
        dead_code,
        reason = "read by the SDK only, and a slip in them is told all the same"
    )
)]
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AwsSettings {
    pub(crate) region: Option<String>,
    pub(crate) profile: Option<String>,
}

/// Where one secret is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Env(String),
    /// Seen from the project file.
    File(PathBuf),
    /// Prints the value.
    Command(Vec<String>),
    /// Is told names on stdin and prints their values.
    Exchange(Vec<String>),
    Vault(VaultPlace),
    Aws(AwsPlace),
}

impl Places {
    /// Returns where a secret is; a name goes before a pattern, and a longer pattern before a shorter.
    pub(crate) fn of(&self, name: &str) -> Option<Place> {
        if let Some(from) = self.0.get(name).filter(|_| !name.ends_with('*')) {
            return from.place(name);
        }
        let fits = |pattern: &str| {
            pattern
                .strip_suffix('*')
                .is_some_and(|beginning| name.starts_with(beginning))
        };
        let fitting = self.0.iter().filter(|(pattern, _)| fits(pattern));
        let (_, from) = fitting.max_by_key(|(pattern, _)| pattern.len())?;
        from.place(name)
    }

    /// Says what is wrong with the section.
    pub(super) fn check(&self) -> Result<(), String> {
        for (name, from) in &self.0 {
            let wrong = |what: &str| Err(format!("secrets: {name}: {what}"));
            if name.find('*').is_some_and(|at| at + 1 < name.len()) {
                return wrong("a `*` stands at the end only");
            }
            let several = |list: &Option<Vec<String>>| list.as_ref().is_some_and(Vec::is_empty);
            if several(&from.command) || several(&from.exchange) {
                return wrong("the program is missing");
            }
            if from.given() != 1 {
                return wrong("give exactly one of env, file, command, exchange, vault, aws");
            }
            if let Some(place) = &from.vault {
                if place.path.starts_with("data/") {
                    return wrong("leave `data/` off the path, as `vault kv get` does");
                }
                if place.path.trim_matches('/').is_empty() {
                    return wrong("the path in Vault is empty");
                }
            }
        }
        Ok(())
    }
}

impl ValueFrom {
    fn given(&self) -> usize {
        let Self {
            env,
            file,
            command,
            exchange,
            vault,
            aws,
        } = self;
        let given = [
            env.is_some(),
            file.is_some(),
            command.is_some(),
            exchange.is_some(),
            vault.is_some(),
            aws.is_some(),
        ];
        given.into_iter().filter(|given| *given).count()
    }

    /// Returns the place of one secret: `{name}`, `{object}` and `{field}` are filled in.
    fn place(&self, name: &str) -> Option<Place> {
        let (object, field) = name.rsplit_once('/').unwrap_or((name, name));
        let fill = |text: &str| {
            filled(
                text,
                &[("name", name), ("object", object), ("field", field)],
            )
        };
        let fill_all = |list: &[String]| list.iter().map(|text| fill(text)).collect();
        Some(if let Some(variable) = &self.env {
            Place::Env(fill(variable))
        } else if let Some(file) = &self.file {
            Place::File(fill(&file.to_string_lossy()).into())
        } else if let Some(command) = &self.command {
            Place::Command(fill_all(command))
        } else if let Some(command) = &self.exchange {
            Place::Exchange(command.clone())
        } else if let Some(vault) = &self.vault {
            Place::Vault(VaultPlace {
                mount: vault.mount.clone(),
                path: fill(&vault.path),
                field: fill(&vault.field),
                version: vault.version,
            })
        } else {
            let aws = self.aws.as_ref()?;
            Place::Aws(AwsPlace {
                id: fill(&aws.id),
                field: aws.field.as_deref().map(fill),
                stage: aws.stage.clone(),
            })
        })
    }
}

/// Fills places in; what was filled in is not looked at again.
fn filled(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        let found = values.iter().find_map(|(name, value)| {
            let after = tail
                .strip_prefix('{')?
                .strip_prefix(name)?
                .strip_prefix('}')?;
            Some((value, after))
        });
        (rest, _) = match found {
            Some((value, after)) => (after, out.push_str(value)),
            None => (&tail[1..], out.push('{')),
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Places {
        serde_saphyr::from_str(text).expect("places")
    }

    #[test]
    fn a_name_goes_before_a_pattern_and_a_longer_pattern_before_a_shorter() {
        let places = places(
            "'*': {env: ANY}\ncrm/*: {vault: {path: 'orgs/{object}', field: '{field}'}}\ncrm/key: {env: KEY}\n",
        );
        assert_eq!(places.of("crm/key"), Some(Place::Env("KEY".into())));
        assert_eq!(places.of("other"), Some(Place::Env("ANY".into())));
        let Some(Place::Vault(found)) = places.of("crm/a b/{name}") else {
            panic!("no place");
        };
        // What a name holds is no place to be filled in.
        assert_eq!((&*found.path, &*found.field), ("orgs/crm/a b", "{name}"));
    }

    #[test]
    fn slips_are_told() {
        for (text, what) in [
            ("a: {env: A, file: b}", "exactly one"),
            ("a: {}", "exactly one"),
            ("a*b: {env: A}", "at the end only"),
            ("a: {command: []}", "program is missing"),
            ("a: {vault: {path: data/a, field: b}}", "leave `data/` off"),
            ("a: {vault: {path: /, field: b}}", "is empty"),
        ] {
            let told = places(text).check().expect_err("a slip");
            assert!(told.contains(what), "{text}: {told}");
        }
    }
}
