//! Where a credential comes from. No value of one is ever shown; where it came from is.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use orgsmith_client::Credentials;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use super::{Error, OrgSettings};

const ID: &str = "GENESYSCLOUD_OAUTHCLIENT_ID";
const SECRET: &str = "GENESYSCLOUD_OAUTHCLIENT_SECRET";

/// Where the project file says that a credential is: exactly one of these.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct From {
    /// The variables of the environment that have it.
    env: Option<Variables>,
    /// A YAML or JSON file with client_id and client_secret.
    file: Option<PathBuf>,
    /// A program that prints {"client_id": …, "client_secret": …}, and its arguments.
    command: Option<Vec<String>>,
    /// A profile of Genesys' own command line: ~/.gc/config.toml.
    gc_profile: Option<String>,
}

/// The names of two variables.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Variables {
    /// The variable that has the id of the OAuth client.
    id: String,
    /// The variable that has its secret.
    secret: String,
}

impl From {
    pub(super) fn check(&self) -> Result<(), String> {
        let Self {
            env,
            file,
            command,
            gc_profile,
        } = self;
        let given = [
            env.is_some(),
            file.is_some(),
            command.is_some(),
            gc_profile.is_some(),
        ];
        match given.iter().filter(|given| **given).count() {
            1 => Ok(()),
            _ => Err("`credential` needs exactly one of env, file, command, gc_profile".to_owned()),
        }
    }
}

/// A credential, and where it was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) credentials: Credentials,
    /// Words for people: `the variables A and B`.
    pub(crate) from: String,
    /// What should be put right.
    pub(crate) warning: Option<String>,
}

/// The two values as a file or a program gives them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    client_id: String,
    client_secret: SecretString,
}

/// One profile of Genesys' `gc`.
#[derive(Deserialize)]
struct Profile {
    #[serde(alias = "client_id")]
    client_credentials: Option<String>,
    client_secret: Option<SecretString>,
}

/// Finds the credential of an org.
pub(crate) fn find(org: &OrgSettings, folder: &Path) -> Result<Found, Error> {
    let Some(from) = &org.credential else {
        return variables(org, ID, SECRET);
    };
    if let Some(names) = &from.env {
        return variables(org, &names.id, &names.secret);
    }
    if let Some(file) = &from.file {
        return from_file(org, &folder.join(expand_home(file)));
    }
    if let Some(command) = &from.command {
        let shown = format!("from the command {:?}", command.join(" "));
        let bad = |message: String| fault(org, &shown, message);
        let text = command_output(command).map_err(bad)?;
        // The text of a parser's error may quote what it read, so it is not repeated.
        let pair: Pair = serde_json::from_str(&text).map_err(|_| {
            bad("its output is not {\"client_id\": …, \"client_secret\": …}".to_owned())
        })?;
        return Ok(found(pair.client_id, pair.client_secret, shown.clone()));
    }
    if let Some(profile) = &from.gc_profile {
        return from_gc(org, profile);
    }
    Err(Error::NoCredential {
        org: org.name.clone(),
    })
}

fn found(id: String, secret: SecretString, from: String) -> Found {
    Found {
        credentials: Credentials {
            client_id: id,
            secret,
        },
        from,
        warning: None,
    }
}

fn fault(org: &OrgSettings, from: &str, message: String) -> Error {
    Error::Credential {
        org: org.name.clone(),
        from: from.to_owned(),
        message,
    }
}

fn variables(org: &OrgSettings, id: &str, secret: &str) -> Result<Found, Error> {
    let from = format!("from the variables {id} and {secret}");
    let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (value(id), value(secret)) {
        (Some(id), Some(secret)) => Ok(found(id, secret.into(), from)),
        (None, None) if org.credential.is_none() => Err(Error::NoCredential {
            org: org.name.clone(),
        }),
        (None, _) => Err(fault(org, &from, format!("{id} is not set"))),
        (_, None) => Err(fault(org, &from, format!("{secret} is not set"))),
    }
}

fn from_file(org: &OrgSettings, path: &Path) -> Result<Found, Error> {
    let from = format!("from the file {}", path.display());
    let bad = |message: String| fault(org, &from, message);
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let pair: Pair = serde_saphyr::from_str(&text)
        .map_err(|_| bad("it does not hold client_id and client_secret".to_owned()))?;
    let mut found = found(pair.client_id, pair.client_secret, from);
    found.warning = readable_by_others(path);
    Ok(found)
}

/// Says that others may read a file which holds secrets.
pub(crate) fn readable_by_others(path: &Path) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).ok()?.permissions().mode();
        (mode & 0o077 != 0).then(|| {
            format!(
                "others may read {} (mode {:03o}); run `chmod 600 {}`",
                path.display(),
                mode & 0o777,
                path.display()
            )
        })
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// Runs a program and returns what it printed.
fn command_output(command: &[String]) -> Result<String, String> {
    let [program, arguments @ ..] = command else {
        return Err("it names no program".to_owned());
    };
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("could not run {program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program} ended with {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{program} printed no UTF-8"))
}

fn from_gc(org: &OrgSettings, profile: &str) -> Result<Found, Error> {
    let path = expand_home(Path::new("~/.gc/config.toml"));
    let from = format!("from the profile {profile:?} of {}", path.display());
    let bad = |message: String| fault(org, &from, message);
    let text = std::fs::read_to_string(&path).map_err(|error| bad(error.to_string()))?;
    let file: toml::Table = text
        .parse()
        .map_err(|_| bad("the file is not TOML".to_owned()))?;
    let Some(entry) = file.get(profile) else {
        let known: Vec<&str> = file.keys().map(String::as_str).collect();
        return Err(bad(format!(
            "no such profile; there are {}",
            known.join(", ")
        )));
    };
    let entry: Profile = entry
        .clone()
        .try_into()
        .map_err(|_| bad("the profile is not a table of texts".to_owned()))?;
    match (entry.client_credentials, entry.client_secret) {
        (Some(id), Some(secret)) => Ok(found(id, secret, from)),
        _ => Err(bad(
            "the profile has no client_credentials and client_secret".to_owned(),
        )),
    }
}

fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}
