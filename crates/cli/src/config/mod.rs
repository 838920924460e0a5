//! The project file `orgsmith.yaml`: which orgs there are, and where their credentials come from.

mod bundles;
mod credential;
mod drift;
mod integrations;
mod leaks;
mod lint;
mod numbers;
mod oidc;
mod onboard;
mod overlay;
mod people;
mod privacy;
mod rewrite;
mod secrets;
mod service;
mod state;
mod term;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orgsmith_client::{Endpoint, Region};
use orgsmith_core::catalogue::nearest;
use orgsmith_core::endpoints;
use orgsmith_core::numbers::Rules as NumberRules;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use credential::{find, readable_by_others};
pub(crate) use drift::{Created, Right};
pub(crate) use integrations::PATIENCE;
pub(crate) use onboard::Onboarding;
pub(crate) use people::Create;
pub(crate) use privacy::Pii;
pub(crate) use secrets::{AwsPlace, AwsSettings, Place, VaultPlace, VaultSettings};
pub(crate) use state::Place as StatePlace;

/// The name of the project file.
pub(crate) const FILE: &str = "orgsmith.yaml";
/// The name of the org that needs no project file.
pub(crate) const ENV_ORG: &str = "env";

/// Says what is wrong with the project file, or with what it leads to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file cannot be read.
    #[error("could not read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{}{}: {message}", path.display(), place.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default())]
    Bad {
        path: PathBuf,
        place: Option<(u64, u64)>,
        message: String,
    },
    /// No such org.
    #[error(
        "unknown org {name:?}{}",
        .suggestion.as_deref().map(|s| format!(" (did you mean {s:?}?)")).unwrap_or_default()
    )]
    UnknownOrg {
        name: String,
        suggestion: Option<String>,
        known: Vec<String>,
    },
    /// An org that has no place.
    #[error("org {org}: {message}")]
    Org { org: String, message: String },
    /// Something about the service that makes no sense.
    #[error("service.{message}")]
    Service { message: String },
    /// A place of the state that makes no sense.
    #[error("--state: {message}")]
    State { message: String },
    /// There is no credential.
    #[error("org {org} has no credential")]
    NoCredential { org: String },
    /// A credential cannot be had.
    #[error("org {org}: the credential {from}: {message}")]
    Credential {
        org: String,
        from: String,
        message: String,
    },
}

/// The project file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Project {
    /// The orgs by name.
    #[serde(default)]
    pub(crate) orgs: BTreeMap<String, OrgEntry>,
    /// Where runs are remembered: a file, seen from this one, or an address of postgres://,
    /// s3://, az://, gs:// or file://.
    #[serde(default)]
    state: Option<String>,
    /// What holds for every org that does not say otherwise.
    #[serde(default)]
    pub(crate) defaults: Defaults,
    /// What aliases of telephone numbers stand for in a source.
    #[serde(default)]
    numbers: numbers::Aliases,
    /// Where the values of secrets come from, by name.
    #[serde(default)]
    pub(crate) secrets: secrets::Places,
    /// How Vault is reached.
    #[serde(default)]
    pub(crate) vault: secrets::VaultSettings,
    /// How AWS is reached.
    #[serde(default)]
    pub(crate) aws: secrets::AwsSettings,
    /// What an audit finds and somebody accepts.
    #[serde(default)]
    pub(crate) lint: lint::Lint,
    /// What orgs are held against, and which side is right where they are at odds.
    #[serde(default)]
    pub(crate) drift: drift::Drift,
    /// For whom bundles are encrypted, and who must have signed them.
    #[serde(default)]
    pub(crate) bundles: bundles::Bundles,
    /// What an export says of people.
    #[serde(default)]
    pub(crate) privacy: privacy::Privacy,
    /// How users are written.
    #[serde(default)]
    pub(crate) people: people::People,
    /// What `orgsmith serve` allows.
    #[serde(default)]
    pub(crate) service: service::Service,
    /// What another system is asked for each new user.
    #[serde(default)]
    onboard: Option<onboard::Onboard>,
    /// The variables that orgs may set.
    #[serde(default)]
    pub(crate) variables: overlay::Variables,
    /// What is different in every org.
    #[serde(default)]
    overlay: overlay::Written,
}

/// What holds for every org that does not say otherwise.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Defaults {
    /// Tokens that are used at once; each has a quota of its own.
    tokens: Option<usize>,
    /// Requests that one token may make in a minute.
    quota_per_minute: Option<u32>,
    /// Seconds to wait for an object that was created and does not show yet.
    visibility_wait_s: Option<u64>,
}

/// One org.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrgEntry {
    /// Its region, such as us-east-1 or mypurecloud.de.
    region: Option<String>,
    /// Instead of a region the URL of its API: a simulator, or a proxy.
    base_url: Option<String>,
    /// Where the credential of its OAuth client comes from.
    pub(crate) credential: Option<credential::From>,
    /// Tokens that are used at once; each has a quota of its own.
    tokens: Option<usize>,
    /// Requests that one token may make in a minute.
    quota_per_minute: Option<u32>,
    /// Seconds to wait for an object that was created and does not show yet.
    visibility_wait_s: Option<u64>,
    /// For people and for later selections of orgs.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    /// Writing asks for the org's name.
    #[serde(default)]
    pub(crate) protected: bool,
    /// New users there are onboarded, where the project says how.
    onboard: Option<bool>,
    /// The sections of an overlay; see there.
    #[serde(default)]
    variables: BTreeMap<String, Value>,
    #[serde(default)]
    rewrite: rewrite::Rewrite,
    #[serde(default)]
    rename: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    change: Vec<overlay::ChangeOf>,
    #[serde(default)]
    ignore: Vec<overlay::IgnoreOf>,
    #[serde(default)]
    protect: Vec<String>,
    #[serde(default)]
    off: Vec<String>,
    #[serde(default)]
    numbers: numbers::Numbers,
    #[serde(default)]
    leaks: leaks::Leaks,
    #[serde(default)]
    integrations: integrations::Integrations,
}

/// The project file, and where it is.
#[derive(Debug, Default)]
pub(crate) struct Config {
    pub(crate) project: Project,
    /// The file; nothing where there is none.
    pub(crate) path: Option<PathBuf>,
}

/// What is known of an org before its credential is asked for.
#[derive(Clone, Debug)]
pub(crate) struct OrgSettings {
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) region: Option<Region>,
    pub(crate) credential: Option<credential::From>,
    pub(crate) tokens: usize,
    pub(crate) quota_per_minute: u32,
    pub(crate) visibility_wait_s: Option<u64>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) protected: bool,
    /// New users there are onboarded, where the project says how.
    pub(crate) onboards: bool,
    pub(crate) numbers: NumberRules,
    pub(crate) overlay: overlay::Written,
    /// What is done about URLs of other systems before they are sent; nothing where they are not asked.
    pub(crate) integrations: Option<endpoints::Policy>,
}

impl OrgEntry {
    /// Returns the sections that an overlay has, too.
    fn overlay(&self) -> overlay::Written {
        overlay::Written {
            variables: self.variables.clone(),
            rewrite: self.rewrite.clone(),
            rename: self.rename.clone(),
            change: self.change.clone(),
            ignore: self.ignore.clone(),
            protect: self.protect.clone(),
            off: self.off.clone(),
            numbers: self.numbers.clone(),
            leaks: self.leaks.clone(),
            integrations: self.integrations.clone(),
        }
    }
}

impl Config {
    /// Reads the file that was named, or the one found from a folder upwards; none is no error.
    pub(crate) fn load(named: Option<&Path>, from: &Path) -> Result<Self, Error> {
        let path = match named {
            Some(path) => Some(path.to_owned()),
            None => from
                .ancestors()
                .map(|folder| folder.join(FILE))
                .find(|path| path.is_file()),
        };
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let text = std::fs::read_to_string(&path).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        Ok(Self {
            project: parse(&path, &text)?,
            path: Some(path),
        })
    }

    /// Returns the folder that paths in the file are seen from.
    pub(crate) fn folder(&self) -> &Path {
        self.path
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new(""))
    }

    /// Returns where runs are remembered, unless the command line says where.
    pub(crate) fn state(&self, named: Option<&str>) -> Result<StatePlace, Error> {
        let bad = |message| Error::Bad {
            path: self.path.clone().unwrap_or_default(),
            place: None,
            message: format!("state: {message}"),
        };
        match named {
            Some(named) => StatePlace::read(Some(named), Path::new(""))
                .map_err(|message| Error::State { message }),
            None => {
                StatePlace::read_shared(self.project.state.as_deref(), self.folder()).map_err(bad)
            }
        }
    }

    /// Lists the orgs.
    pub(crate) fn known(&self) -> Vec<String> {
        self.project.orgs.keys().cloned().collect()
    }

    /// Tells whether a name is that of an org.
    pub(crate) fn has(&self, name: &str) -> bool {
        name == ENV_ORG || self.project.orgs.contains_key(name)
    }

    /// Tells what the project file holds an org against: an org, or the path of a bundle as it is seen
    /// from here.
    pub(crate) fn source_of(&self, org: &str) -> Option<String> {
        let named = self.project.drift.against.get(org)?;
        Some(match self.has(named) {
            true => named.clone(),
            false => self.folder().join(named).display().to_string(),
        })
    }

    /// Returns the org that may have been meant.
    pub(crate) fn nearest(&self, name: &str) -> Option<String> {
        nearest(name, self.project.orgs.keys().map(String::as_str))
    }

    /// Returns how new users are onboarded, where the project says so.
    pub(crate) fn onboarding(&self) -> Result<Option<Onboarding>, Error> {
        let Some(section) = &self.project.onboard else {
            return Ok(None);
        };
        let path = self.path.clone().unwrap_or_default();
        let made = section.onboarding().map_err(|message| Error::Bad {
            path,
            place: None,
            message: format!("onboard: {message}"),
        });
        made.map(Some)
    }

    /// Returns what is known of an org.
    pub(crate) fn org(&self, name: &str) -> Result<OrgSettings, Error> {
        let entry = match self.project.orgs.get(name) {
            Some(entry) => entry.clone(),
            None if name == ENV_ORG => OrgEntry::default(),
            None => {
                return Err(Error::UnknownOrg {
                    name: name.to_owned(),
                    suggestion: self.nearest(name),
                    known: self.known(),
                });
            }
        };
        let wrong = |message: String| Error::Org {
            org: name.to_owned(),
            message,
        };
        let region_text = entry.region.clone().or_else(|| match entry.base_url {
            Some(_) => None,
            None => std::env::var("GENESYSCLOUD_REGION").ok(),
        });
        let region = match region_text {
            Some(text) => Some(
                text.parse::<Region>()
                    .map_err(|error| wrong(error.to_string()))?,
            ),
            None => None,
        };
        let endpoint = match (&entry.base_url, region) {
            (Some(url), _) => Endpoint::base_url(url),
            (None, Some(region)) => Endpoint::region(region),
            (None, None) => {
                return Err(wrong(
                    "no region; give the org `region:` or `base_url:`, or set GENESYSCLOUD_REGION"
                        .to_owned(),
                ));
            }
        };
        let defaults = &self.project.defaults;
        let overlay = self.project.overlay.clone();
        let overlay = overlay.and(self.overlay_file(name)?).and(entry.overlay());
        Ok(OrgSettings {
            name: name.to_owned(),
            endpoint,
            region,
            credential: entry.credential,
            tokens: entry.tokens.or(defaults.tokens).unwrap_or(4),
            quota_per_minute: entry
                .quota_per_minute
                .or(defaults.quota_per_minute)
                .unwrap_or(300),
            visibility_wait_s: entry.visibility_wait_s.or(defaults.visibility_wait_s),
            labels: entry.labels,
            protected: entry.protected,
            onboards: entry.onboard.unwrap_or(true) && self.project.onboard.is_some(),
            numbers: numbers::rules(&self.project.numbers, &overlay.numbers).map_err(wrong)?,
            integrations: overlay.integrations.policy().map_err(wrong)?,
            overlay,
        })
    }

    /// Reads `overlays/ORG.yaml`, where there is one.
    fn overlay_file(&self, org: &str) -> Result<overlay::Written, Error> {
        let path = overlay::file(self.folder(), org);
        match std::fs::read_to_string(&path) {
            Ok(text) => from_yaml(&path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Default::default()),
            Err(source) => Err(Error::Read { path, source }),
        }
    }
}

/// Returns the JSON Schema of the project file.
pub(crate) fn schema() -> Value {
    schema_of::<Project>(FILE)
}

/// Returns the JSON Schema of `overlays/ORG.yaml`.
pub(crate) fn overlay_schema() -> Value {
    schema_of::<overlay::Written>("overlay")
}

fn schema_of<T: JsonSchema>(title: &str) -> Value {
    let generator = schemars::generate::SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    schema["title"] = title.into();
    schema
}

/// Reads a file; what is wrong is told with its line.
fn from_yaml<T: Default + DeserializeOwned>(path: &Path, text: &str) -> Result<T, Error> {
    if text.trim().is_empty() {
        return Ok(T::default());
    }
    serde_saphyr::from_str(text).map_err(|error| Error::Bad {
        path: path.to_owned(),
        place: error.location().map(|place| (place.line(), place.column())),
        message: explain(&error.without_snippet().to_string()),
    })
}

fn parse(path: &Path, text: &str) -> Result<Project, Error> {
    let bad = |message| Error::Bad {
        path: path.to_owned(),
        place: None,
        message,
    };
    let project: Project = from_yaml(path, text)?;
    for (name, variable) in &project.variables {
        variable
            .check()
            .map_err(|told| bad(format!("variables: {name}: default: {told}")))?;
    }
    project.secrets.check().map_err(&bad)?;
    project.privacy.check().map_err(&bad)?;
    StatePlace::read_shared(project.state.as_deref(), Path::new(""))
        .map_err(|message| bad(format!("state: {message}")))?;
    if let Some(section) = &project.onboard {
        section
            .onboarding()
            .map_err(|message| bad(format!("onboard: {message}")))?;
    }
    project
        .lint
        .disabled()
        .map_err(|wrong| bad(format!("lint: {wrong}")))?;
    for (name, org) in &project.orgs {
        if let (Some(_), Some(_)) = (&org.region, &org.base_url) {
            return Err(bad(format!(
                "org {name}: give `region` or `base_url`, not both"
            )));
        }
        org.rewrite
            .rules()
            .map_err(|message| bad(format!("org {name}: rewrite: {message}")))?;
        numbers::rules(&project.numbers, &org.numbers)
            .map_err(|message| bad(format!("org {name}: {message}")))?;
        if let Some(credential) = &org.credential {
            credential
                .check()
                .map_err(|message| bad(format!("org {name}: {message}")))?;
        }
    }
    Ok(project)
}

/// Puts into words what the YAML reader says of an unknown field: what may have been meant.
fn explain(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    // The place is said by us, in front of the file's name.
    let message = match message.rfind(" at line ") {
        Some(end) => &message[..end],
        None => message,
    };
    let unknown = message.strip_prefix("unknown field `");
    let Some((given, known)) = unknown.and_then(|rest| rest.split_once("`, expected ")) else {
        return message.to_owned();
    };
    let known = known
        .strip_prefix("one of ")
        .unwrap_or(known)
        .replace('`', "");
    let meant = nearest(given, known.split(", "))
        .map(|meant| format!(" (did you mean `{meant}`?)"))
        .unwrap_or_default();
    format!("unknown field `{given}`{meant}; there are {known}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(Path::new("orgsmith.yaml"), text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_slip_in_a_field_is_told_with_its_place() {
        let text = "orgs:\n  gold:\n    regoin: us-east-1\n";
        let message = error(text);
        assert!(
            message
                .starts_with("orgsmith.yaml:3:5: unknown field `regoin` (did you mean `region`?)"),
            "{message}"
        );
    }

    #[test]
    fn an_org_is_in_one_place_and_has_one_credential() {
        let both = error("orgs: {gold: {region: us-east-1, base_url: 'http://localhost'}}");
        assert!(both.contains("not both"), "{both}");
        let two = error("orgs: {gold: {region: us-east-1, credential: {file: a, gc_profile: b}}}");
        assert!(two.contains("exactly one"), "{two}");
    }

    #[test]
    fn what_an_org_does_not_say_comes_from_the_defaults() {
        let text = "defaults: {tokens: 2}\norgs:\n  a: {region: eu-west-1}\n  b: {region: mypurecloud.de, tokens: 7}\n";
        let config = Config {
            project: parse(Path::new("orgsmith.yaml"), text).unwrap(),
            path: None,
        };
        assert_eq!(config.org("a").unwrap().tokens, 2);
        let b = config.org("b").unwrap();
        assert_eq!((b.tokens, b.quota_per_minute), (7, 300));
        assert_eq!(b.region.unwrap().name(), "eu-central-1");
        let Err(Error::UnknownOrg { known, .. }) = config.org("c") else {
            panic!("there is no org c");
        };
        assert_eq!(known, ["a", "b"]);
    }
}
