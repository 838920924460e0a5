//! The keys that bundles are opened with, read when the first of them is needed.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Context;
use orgsmith_store::bundle::{self, Identity, Recipients, Signer};

use crate::args::Global;
use crate::config::{Config, readable_by_others};
use crate::output::Out;

/// The keys that bundles are opened with, and who must have signed them.
#[derive(Default)]
pub(crate) struct KeyRing {
    identity: Option<PathBuf>,
    recipients: Vec<String>,
    /// A file, or the key itself.
    signed_by: Option<String>,
    /// Where paths of the project file are seen from.
    folder: PathBuf,
    opened: OnceLock<Identity>,
    signer: OnceLock<Signer>,
}

/// Whether a bundle must be signed, where the project says by whom.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// It must be: a plan is made of it.
    Signed,
    /// It is only looked at.
    Anybody,
}

impl KeyRing {
    /// Takes what the command line says, else what the project file says.
    pub(crate) fn new(identity: Option<PathBuf>, config: &Config) -> Self {
        let said = &config.project.bundles;
        let folder = config.folder();
        let beside = || Some(folder.join(said.identity.as_deref()?));
        Self {
            identity: identity.or_else(beside),
            recipients: said.recipients.clone(),
            signed_by: said.signed_by.clone(),
            folder: folder.to_owned(),
            ..Self::default()
        }
    }

    /// Finds the keys of a command that reads the project file for nothing else: it is not read
    /// where the bundle is not encrypted, or the command line names the key.
    pub(crate) fn for_bundle(global: &Global, path: &Path) -> anyhow::Result<Self> {
        let encrypted = bundle::is_encrypted(path).unwrap_or(false);
        let config = match encrypted && global.identity.is_none() {
            true => load(global)?,
            false => Config::default(),
        };
        Ok(Self::new(global.identity.clone(), &config))
    }

    /// Returns the keys of a bundle; those of one that is not encrypted are not looked for.
    pub(crate) fn of(
        &self,
        path: &Path,
        trust: Trust,
        out: &Out,
    ) -> anyhow::Result<bundle::Keys<'_>> {
        Ok(bundle::Keys {
            identity: self.identity(path, out)?,
            signer: match trust {
                Trust::Signed => self.signer()?,
                Trust::Anybody => None,
            },
        })
    }

    /// Returns what opens a bundle, where it is encrypted and somebody named a key.
    pub(crate) fn identity(&self, path: &Path, out: &Out) -> anyhow::Result<Option<&Identity>> {
        let (Some(file), true) = (&self.identity, bundle::is_encrypted(path).unwrap_or(false))
        else {
            return Ok(None);
        };
        if self.opened.get().is_none() {
            if let Some(warning) = readable_by_others(file) {
                out.warn(warning);
            }
            let doing = || format!("reading the identity {}", file.display());
            let text = std::fs::read_to_string(file).with_context(doing)?;
            let _ = self.opened.set(Identity::parse(&text).with_context(doing)?);
        }
        Ok(self.opened.get())
    }

    fn signer(&self) -> anyhow::Result<Option<&Signer>> {
        let Some(key) = &self.signed_by else {
            return Ok(None);
        };
        if self.signer.get().is_none() {
            let _ = self.signer.set(signer(key, &self.folder)?);
        }
        Ok(self.signer.get())
    }

    /// Returns for whom bundles are encrypted: who is named here, else who the project names.
    pub(crate) fn recipients(&self, named: &For) -> anyhow::Result<Recipients> {
        let mut keys = named.recipient.clone();
        for path in &named.recipients_file {
            let doing = || format!("reading the recipients {}", path.display());
            let text = std::fs::read_to_string(path).with_context(doing)?;
            let lines = text.lines().map(str::trim);
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            keys.extend(lines.map(str::to_owned));
        }
        if keys.is_empty() {
            keys.clone_from(&self.recipients);
        }
        Ok(Recipients::parse(keys.iter().map(String::as_str))?)
    }
}

/// For whom a bundle is encrypted.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct For {
    /// Who may read it: an age public key, age1… (again for more) [default: `bundles: {recipients:
    /// […]}` of the project file].
    #[arg(long, value_name = "KEY")]
    recipient: Vec<String>,
    /// Who may read it: a file of age public keys, one a line (again for more).
    #[arg(long, value_name = "FILE")]
    recipients_file: Vec<PathBuf>,
}

impl For {
    /// Tells whether anybody is named.
    pub(crate) fn anybody(&self) -> bool {
        !self.recipient.is_empty() || !self.recipients_file.is_empty()
    }
}

/// Reads the public key of who must have signed: a file, or the key itself.
pub(crate) fn signer(key: &str, folder: &Path) -> anyhow::Result<Signer> {
    let file = folder.join(key);
    let text = match key.starts_with("RW") && !file.exists() {
        true => key.to_owned(),
        false => std::fs::read_to_string(&file)
            .with_context(|| format!("reading the public key {}", file.display()))?,
    };
    Signer::parse(&text).with_context(|| format!("reading the public key {key}"))
}

/// Reads the project file.
pub(crate) fn load(global: &Global) -> anyhow::Result<Config> {
    let here = std::env::current_dir().context("could not tell the current folder")?;
    Ok(Config::load(global.config.as_deref(), &here)?)
}
