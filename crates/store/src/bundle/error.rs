//! What can be wrong with a bundle, and where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use orgsmith_core::id::ObjectRef;

use super::sealed::SealError;
use super::signature::SignatureError;
use super::yaml::Position;

/// Says why a bundle could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be read or written.
    #[error("could not {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The file is no zip that can be read.
    #[error("{} is neither a bundle directory nor a bundle zip", path.display())]
    NotAZip {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ::zip::result::ZipError,
    },
    /// The zip does something that no bundle does; it may be an attack.
    #[error("{} is refused: {reason}", path.display())]
    Hostile {
        /// The zip.
        path: PathBuf,
        /// What it does.
        reason: String,
    },
    /// The bundle is encrypted, and no identity was given.
    #[error("{} is encrypted, and no identity was given", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// The bundle cannot be encrypted or opened.
    #[error("could not {doing} {}", path.display())]
    Sealed {
        /// What was being done.
        doing: &'static str,
        /// The bundle.
        path: PathBuf,
        /// Why.
        #[source]
        source: SealError,
    },
    /// The bundle has to be signed, and has no signature.
    #[error("{} has to be signed, and {} is not there", path.display(), place.display())]
    Unsigned {
        /// The bundle.
        path: PathBuf,
        /// Where the signature would be.
        place: PathBuf,
    },
    /// The bundle cannot be signed, or its signature is not good.
    #[error("could not {doing} {}", path.display())]
    Signature {
        /// What was being done.
        doing: &'static str,
        /// The bundle.
        path: PathBuf,
        /// Why.
        #[source]
        source: SignatureError,
    },
    /// The bundle was made by a newer orgsmith.
    #[error(
        "made by a newer orgsmith: bundle format {found}, this one reads {}",
        super::FORMAT
    )]
    Newer {
        /// The format of the bundle.
        found: u64,
    },
    /// The directory to write to holds something else than a bundle.
    #[error(
        "{} is not empty and holds no bundle (manifest.json); choose another directory",
        path.display()
    )]
    NotABundle {
        /// The directory.
        path: PathBuf,
    },
    /// Something in the bundle is wrong; at least one problem, sorted by file.
    #[error("{}", list(_0))]
    Problems(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

impl Error {
    /// Makes the wrapper for an error of the system.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    pub(super) fn sealed(
        doing: &'static str,
        path: &Path,
    ) -> impl FnOnce(SealError) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Sealed {
            doing,
            path,
            source,
        }
    }

    pub(super) fn signature(
        doing: &'static str,
        path: &Path,
    ) -> impl FnOnce(SignatureError) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Signature {
            doing,
            path,
            source,
        }
    }

    pub(super) fn hostile(path: &Path, reason: impl Into<String>) -> Self {
        Self::Hostile {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}

/// Something that is wrong with one file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, within the bundle.
    pub file: String,
    /// Where in the file, if it is one place.
    pub position: Option<Position>,
    /// The object, where it is known.
    pub object: Option<ObjectRef>,
    /// What is wrong.
    pub what: What,
}

impl Problem {
    pub(super) fn new(file: &str, what: What) -> Self {
        Self {
            file: file.to_owned(),
            position: None,
            object: None,
            what,
        }
    }

    pub(super) fn at(self, position: Position) -> Self {
        Self {
            position: Some(position),
            ..self
        }
    }

    pub(super) fn of(self, object: &ObjectRef) -> Self {
        Self {
            object: Some(object.clone()),
            ..self
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            position,
            object,
            what,
        } = self;
        f.write_str(file)?;
        if let Some(Position { line, column }) = position {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(object) = object {
            write!(f, " ({object})")?;
        }
        write!(f, ": {what}")
    }
}

/// Says what is wrong with a file, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// Not UTF-8.
    #[error("not UTF-8; save the file as UTF-8")]
    NotUtf8,
    /// Not YAML, or YAML that bundles do not use.
    #[error("{0}")]
    Yaml(String),
    /// `manifest.json` is not what it should be.
    #[error("not a manifest: {0}; delete the file to read the tree without it")]
    Manifest(String),
    /// A key of a mapping stands twice.
    #[error("the key {name:?} stands twice, first in line {}; delete one of the two", first.line)]
    DuplicateKey {
        /// The key.
        name: String,
        /// Where it stood first.
        first: Position,
    },
    /// A null.
    #[error(
        "null is not a value here; leave the field out to leave it alone, or write [] for none"
    )]
    Null,
    /// A number that would be read as another number.
    #[error("{0} cannot be kept exactly; put it in quotes")]
    Inexact(String),
    /// `$ref`, `$secret` or `$var` with something else than its text.
    #[error("{slot} needs {needs}, not {found}")]
    BadSlot {
        /// Which one.
        slot: &'static str,
        /// What it needs.
        needs: &'static str,
        /// What stands there.
        found: String,
    },
    /// The document is something else than a mapping.
    #[error("the file must hold a mapping (name: value)")]
    NotAMapping,
    /// A limit was passed.
    #[error("{what} is over the limit of {limit}")]
    Limit {
        /// What was counted.
        what: &'static str,
        /// The most that is accepted.
        limit: u64,
    },
    /// Two files hold the same object.
    #[error("holds the same object as {other}; keep one of the two")]
    SameObject {
        /// The other file.
        other: String,
    },
    /// Two paths differ only in upper and lower case.
    #[error(
        "differs from {other} only in upper and lower case, which many file systems cannot hold; \
         rename it to {suggestion}"
    )]
    CaseClash {
        /// The other file.
        other: String,
        /// A name that can stand beside the other.
        suggestion: String,
    },
    /// The path says no kind and key.
    #[error("the path is not kind/key.yaml: {0}")]
    NotAPath(&'static str),
    /// The name is not the one that its key has in a bundle.
    #[error("the name cannot stand on every file system as it is; rename it to {to}")]
    Rename {
        /// The right path.
        to: String,
    },
    /// The name was shortened, and the manifest does not say what it stood for.
    #[error("the name is shortened and manifest.json does not list it; bring manifest.json back")]
    Shortened,
    /// The key is not in the form that `Key` gives it.
    #[error("the key is not encoded as keys are, so it cannot become a path")]
    NotEncoded,
    /// A file of an object that is not there.
    #[error("belongs to {missing}, which is not there; add it, or delete this file")]
    Orphan {
        /// The file that is missing.
        missing: String,
    },
    /// A symbolic link, socket or device.
    #[error("not a regular file; links are not followed in a bundle")]
    NotAFile,
    /// Cannot be unpacked.
    #[error("cannot be unpacked ({0}); fetch the zip again")]
    Damaged(String),
    /// Not read, because it stands where no object can be.
    #[error("not read: objects stand in kind/key.yaml")]
    NotRead,
    /// The bundle has no manifest.
    #[error("missing; the tree was read without it")]
    NoManifest,
    /// The manifest does not list the file.
    #[error("not listed in manifest.json: added after the bundle was made")]
    Added,
    /// The file is not the one that the manifest lists.
    #[error("edited after the bundle was made: its sha256 is not the one in manifest.json")]
    Edited,
    /// The manifest lists the file, and it is not there.
    #[error("listed in manifest.json and not there")]
    Missing,
    /// The digest in the manifest is not that of its own list.
    #[error("the digest in manifest.json is not that of the files it lists")]
    WrongDigest,
}
