//! Format 1: a bundle as a tree of files; [`super::decode`] has the way back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use orgsmith_core::bundle::{Bundle, Gap, Origin};
use orgsmith_core::document::{Files, Portable};
use orgsmith_core::id::{Key, Kind, ObjectRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::check;
use super::error::{Error, Problem, What};
use super::path::Paths;
use super::tree::{MANIFEST, OVERLAYS, Tree};
use super::yaml::{self, Position};

/// The format that this orgsmith writes, and the newest it reads.
pub const FORMAT: u64 = 1;

/// Names the content of a bundle: sha256 over the sorted lines `path sha256`, in hexadecimal.
///
/// It depends on the objects and their files only, not on gaps, selection or source.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BundleDigest(String);

impl BundleDigest {
    /// Returns the 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BundleDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for BundleDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A bundle that was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The bundle.
    pub bundle: Bundle,
    /// The digest of the files that were read.
    pub digest: BundleDigest,
    /// What a person should know: the manifest is stale, or a file was not read.
    pub notes: Vec<Problem>,
    /// Where the documents stand.
    pub source: BundleSource,
}

/// Knows the files of a bundle that was read, to say where a value stands.
#[derive(Clone, Debug, Default)]
pub struct BundleSource {
    pub(super) documents: BTreeMap<ObjectRef, Source>,
}

#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: Arc<[u8]>,
    /// Paths of the files by their keys.
    pub(super) files: BTreeMap<String, String>,
}

impl BundleSource {
    /// Returns the file of a document, within the bundle.
    pub fn file_of(&self, object: &ObjectRef) -> Option<&str> {
        self.documents
            .get(object)
            .map(|source| source.path.as_str())
    }

    /// Returns the file that holds one of the files of a document, within the bundle.
    pub fn sidecar_of(&self, object: &ObjectRef, name: &str) -> Option<&str> {
        let source = self.documents.get(object)?;
        source.files.get(name).map(String::as_str)
    }

    /// Finds where the value at a JSON pointer stands in the file of a document.
    pub fn locate(&self, object: &ObjectRef, pointer: &str) -> Option<Position> {
        let source = self.documents.get(object)?;
        yaml::locate(std::str::from_utf8(&source.text).ok()?, pointer)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: u64,
    pub(super) source: Origin,
    pub(super) selection: Vec<String>,
    pub(super) entities: Vec<Entity>,
    pub(super) gaps: Vec<Gap>,
    pub(super) digest: BundleDigest,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entity {
    pub(super) kind: Kind,
    pub(super) key: Key,
    pub(super) path: String,
    sha256: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) built_in: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) files: Vec<Sidecar>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sidecar {
    pub(super) name: String,
    pub(super) path: String,
    sha256: String,
}

/// Makes the files of a bundle, with its manifest.
pub(super) fn encode(bundle: &Bundle) -> Result<(Tree, BundleDigest), Error> {
    let mut encoder = Encoder::default();
    for document in bundle.documents.values() {
        encoder.add(&document.open());
    }
    encoder.finish(bundle)
}

/// Makes the files of a bundle whose documents come one after the other, in the order of their
/// names.
#[derive(Default)]
pub(super) struct Encoder {
    paths: Paths,
    problems: Vec<Problem>,
    tree: Tree,
    sources: BTreeMap<ObjectRef, Encoded>,
}

/// A document that is encoded, and its files that are not yet.
struct Encoded {
    stem: String,
    source: Source,
    files: Files,
}

impl Encoder {
    pub(super) fn add(&mut self, document: &Portable) {
        let object = &document.object;
        let stem = self.paths.stem(object);
        let path = format!("{stem}.yaml");
        self.problems
            .extend(check::writable(object, document, &path));
        let text: Arc<[u8]> = yaml::to_yaml(&document.body).into_bytes().into();
        self.tree.insert(path.clone(), text.clone());
        let source = Source {
            path,
            text,
            files: BTreeMap::new(),
        };
        let encoded = Encoded {
            stem,
            source,
            files: document.files.clone(),
        };
        self.sources.insert(object.clone(), encoded);
    }

    /// Ends it, with what a bundle says besides its documents.
    pub(super) fn finish(self, about: &Bundle) -> Result<(Tree, BundleDigest), Error> {
        let Self {
            mut paths,
            mut problems,
            mut tree,
            sources,
        } = self;
        let mut documents = BTreeMap::new();
        // A file must not take the place of a document, so the documents come first.
        for (object, encoded) in sources {
            let Encoded {
                stem,
                mut source,
                files,
            } = encoded;
            for (name, content) in files {
                let path = paths.file(&stem, &name);
                tree.insert(path.clone(), content);
                source.files.insert(name, path);
            }
            documents.insert(object, source);
        }
        problems.extend(check::sizes(&tree));
        refuse(problems)?;
        let source = BundleSource { documents };
        let digest = put_manifest(&mut tree, about, &source)?;
        Ok((tree, digest))
    }
}

/// Makes the manifest of a tree anew.
pub(super) fn put_manifest(
    tree: &mut Tree,
    about: &Bundle,
    source: &BundleSource,
) -> Result<BundleDigest, Error> {
    let sum = |path: &str| {
        tree.get(path)
            .map(|content| sha256(content))
            .unwrap_or_default()
    };
    let entities: Vec<_> = source
        .documents
        .iter()
        .map(|(object, source)| Entity {
            kind: object.kind.clone(),
            key: object.key.clone(),
            path: source.path.clone(),
            sha256: sum(&source.path),
            built_in: about.built_in.contains(object),
            files: source
                .files
                .iter()
                .map(|(name, path)| Sidecar {
                    name: name.clone(),
                    path: path.clone(),
                    sha256: sum(path),
                })
                .collect(),
        })
        .collect();
    let digest = digest(lines(&entities));
    let mut gaps = about.gaps.clone();
    gaps.sort();
    let manifest = Manifest {
        format: FORMAT,
        source: about.source.clone(),
        selection: about.selection.clone(),
        entities,
        gaps,
        digest: digest.clone(),
    };
    let mut text = serde_json::to_vec_pretty(&manifest)
        .map_err(|error| Error::Problems(vec![manifest_problem(&error)]))?;
    text.push(b'\n');
    tree.insert(MANIFEST.to_owned(), text.into());
    Ok(digest)
}

/// Returns the sums of the files that entities list, by path.
pub(super) fn lines(entities: &[Entity]) -> BTreeMap<&str, &str> {
    let mut lines = BTreeMap::new();
    for entity in entities {
        lines.insert(entity.path.as_str(), entity.sha256.as_str());
        for file in &entity.files {
            lines.insert(&file.path, &file.sha256);
        }
    }
    lines
}

/// Makes the digest of sums by path, which come sorted.
pub(super) fn digest<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> BundleDigest {
    let mut hash = Sha256::new();
    for (path, sum) in lines {
        hash.update(format!("{path} {sum}\n"));
    }
    BundleDigest(hex(&hash.finalize()))
}

/// Returns the sum of a file.
pub(super) fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// Writes bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Fails if there are problems.
pub(super) fn refuse(mut problems: Vec<Problem>) -> Result<(), Error> {
    if problems.is_empty() {
        return Ok(());
    }
    problems.sort_by(|a, b| (&a.file, a.position).cmp(&(&b.file, b.position)));
    Err(Error::Problems(problems))
}

fn manifest_problem(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    // The place is said in front of the message already.
    let text = text.split(" at line ").next().unwrap_or_default();
    let problem = Problem::new(MANIFEST, What::Manifest(text.to_owned()));
    problem.at(Position {
        line: error.line().max(1),
        column: error.column().max(1),
    })
}

/// Returns the paths that a manifest lists; nothing of a manifest that cannot be read.
///
/// # Errors
/// The manifest is of a newer format.
pub(super) fn listed(manifest: &[u8]) -> Result<BTreeSet<String>, Error> {
    match read_manifest(manifest) {
        Ok(manifest) => Ok(lines(&manifest.entities)
            .into_keys()
            .map(str::to_owned)
            .collect()),
        Err(error @ Error::Newer { .. }) => Err(error),
        Err(_) => Ok(BTreeSet::new()),
    }
}

/// Reads a manifest.
pub(super) fn read_manifest(text: &[u8]) -> Result<Manifest, Error> {
    // Before anything else: a newer format may differ in everything but this field.
    let bad = |error| Error::Problems(vec![manifest_problem(&error)]);
    let value: Value = serde_json::from_slice(text).map_err(bad)?;
    match value.get("format").and_then(Value::as_u64) {
        Some(found) if found > FORMAT => return Err(Error::Newer { found }),
        Some(1) => {}
        _ => {
            let what = What::Manifest("the field format is not 1".to_owned());
            return Err(Error::Problems(vec![Problem::new(MANIFEST, what)]));
        }
    }
    serde_json::from_slice(text).map_err(bad)
}

/// Tells whether a name can be that of a kind.
pub(super) fn is_kind(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Tells whether a file is an object's, or a file of one, by its path alone.
pub(super) fn is_content(path: &str) -> bool {
    let kind = path.split('/').next().unwrap_or_default();
    path.contains('/') && kind != OVERLAYS && is_kind(kind)
}
