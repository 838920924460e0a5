//! Format 1: a bundle as a tree of files, and back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use orgsmith_core::bundle::{Bundle, Gap, Origin};
use orgsmith_core::document::Portable;
use orgsmith_core::id::{Key, Kind, ObjectRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::check;
use super::error::{Error, Problem, What};
use super::path::{FLOW_FILE, Paths, Piece, fold, piece, with_suffix};
use super::tree::{MANIFEST, OVERLAYS, Tree, has_yaml_ending};
use super::yaml::{self, Node, Position};

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
    documents: BTreeMap<ObjectRef, Source>,
}

#[derive(Clone, Debug)]
struct Source {
    path: String,
    text: Arc<[u8]>,
    /// Paths of the files by their keys.
    files: BTreeMap<String, String>,
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
struct Manifest {
    format: u64,
    source: Origin,
    selection: Vec<String>,
    entities: Vec<Entity>,
    gaps: Vec<Gap>,
    digest: BundleDigest,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entity {
    kind: Kind,
    key: Key,
    path: String,
    sha256: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<Sidecar>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sidecar {
    name: String,
    path: String,
    sha256: String,
}

/// Makes the files of a bundle, with its manifest.
pub(super) fn encode(bundle: &Bundle) -> Result<(Tree, BundleDigest), Error> {
    let mut paths = Paths::default();
    let mut problems = Vec::new();
    let mut tree = Tree::new();
    let mut sources = BTreeMap::new();
    for (object, document) in &bundle.documents {
        let stem = paths.stem(object);
        let path = format!("{stem}.yaml");
        problems.extend(check::writable(object, document, &path));
        let text: Arc<[u8]> = yaml::to_yaml(&document.body).into_bytes().into();
        tree.insert(path.clone(), text.clone());
        let files = BTreeMap::new();
        sources.insert(object.clone(), (stem, Source { path, text, files }));
    }
    for (object, (stem, source)) in &mut sources {
        for (name, content) in &bundle.documents[object].files {
            let path = paths.file(stem, name);
            tree.insert(path.clone(), content.clone());
            source.files.insert(name.clone(), path);
        }
    }
    problems.extend(check::sizes(&tree));
    refuse(problems)?;
    let documents = sources
        .into_iter()
        .map(|(object, (_, source))| (object, source));
    let source = BundleSource {
        documents: documents.collect(),
    };
    let digest = put_manifest(&mut tree, bundle, &source)?;
    Ok((tree, digest))
}

/// Makes the manifest of a tree anew.
pub(super) fn put_manifest(
    tree: &mut Tree,
    bundle: &Bundle,
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
    let Bundle {
        source: origin,
        selection,
        documents: _,
        gaps,
    } = bundle;
    let mut gaps = gaps.clone();
    gaps.sort();
    let manifest = Manifest {
        format: FORMAT,
        source: origin.clone(),
        selection: selection.clone(),
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

fn lines(entities: &[Entity]) -> BTreeMap<&str, &str> {
    let mut lines = BTreeMap::new();
    for entity in entities {
        lines.insert(entity.path.as_str(), entity.sha256.as_str());
        for file in &entity.files {
            lines.insert(&file.path, &file.sha256);
        }
    }
    lines
}

fn digest<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> BundleDigest {
    let mut hash = Sha256::new();
    for (path, sum) in lines {
        hash.update(format!("{path} {sum}\n"));
    }
    BundleDigest(hex(&hash.finalize()))
}

fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// Writes bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn refuse(mut problems: Vec<Problem>) -> Result<(), Error> {
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

fn read_manifest(text: &[u8]) -> Result<Manifest, Error> {
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

/// Reads a bundle from its files.
pub(super) fn decode(tree: &Tree) -> Result<Loaded, Error> {
    let manifest = match tree.get(MANIFEST) {
        Some(text) => Some(read_manifest(text)?),
        None => None,
    };
    let mut decoder = Decoder::new(manifest.as_ref());
    decoder.problems.extend(check::sizes(tree));
    for (path, content) in tree {
        decoder.file(path, content);
    }
    decoder.attach();
    decoder.case_clashes();
    refuse(std::mem::take(&mut decoder.problems))?;
    let sums: BTreeMap<_, _> = decoder
        .used
        .iter()
        .map(|path| (path.as_str(), sha256(&tree[path])))
        .collect();
    let digest = digest(sums.iter().map(|(path, sum)| (*path, sum.as_str())));
    let mut notes = std::mem::take(&mut decoder.notes);
    match &manifest {
        Some(manifest) => notes.extend(stale(manifest, &sums)),
        None => notes.push(Problem::new(MANIFEST, What::NoManifest)),
    }
    notes.sort_by(|a, b| a.file.cmp(&b.file));
    let Decoder {
        documents, source, ..
    } = decoder;
    let mut bundle = Bundle {
        documents,
        ..Bundle::default()
    };
    if let Some(manifest) = manifest {
        bundle.source = manifest.source;
        bundle.selection = manifest.selection;
        bundle.gaps = manifest.gaps;
    }
    Ok(Loaded {
        bundle,
        digest,
        notes,
        source,
    })
}

fn stale(manifest: &Manifest, sums: &BTreeMap<&str, String>) -> Vec<Problem> {
    let listed = lines(&manifest.entities);
    let mut problems = Vec::new();
    for (path, sum) in sums {
        match listed.get(path) {
            None => problems.push(Problem::new(path, What::Added)),
            Some(listed) if listed != sum => problems.push(Problem::new(path, What::Edited)),
            Some(_) => {}
        }
    }
    for path in listed.keys() {
        if !sums.contains_key(path) {
            problems.push(Problem::new(path, What::Missing));
        }
    }
    if digest(listed) != manifest.digest {
        problems.push(Problem::new(MANIFEST, What::WrongDigest));
    }
    problems
}

/// What a path says.
enum Role {
    Object(ObjectRef),
    File(ObjectRef, String),
}

struct Decoder<'m> {
    /// What the manifest says of paths: for names that were cut.
    listed: BTreeMap<&'m str, (&'m Entity, Option<&'m str>)>,
    documents: BTreeMap<ObjectRef, Portable>,
    source: BundleSource,
    sidecars: Vec<(ObjectRef, String, String, Arc<[u8]>)>,
    used: BTreeSet<String>,
    problems: Vec<Problem>,
    notes: Vec<Problem>,
}

impl<'m> Decoder<'m> {
    fn new(manifest: Option<&'m Manifest>) -> Self {
        let mut listed = BTreeMap::new();
        for entity in manifest.iter().flat_map(|manifest| &manifest.entities) {
            listed.insert(entity.path.as_str(), (entity, None));
            for file in &entity.files {
                listed.insert(file.path.as_str(), (entity, Some(file.name.as_str())));
            }
        }
        Self {
            listed,
            documents: BTreeMap::new(),
            source: BundleSource::default(),
            sidecars: Vec::new(),
            used: BTreeSet::new(),
            problems: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn file(&mut self, path: &str, content: &Arc<[u8]>) {
        match self.role(path) {
            Ok(Some(Role::Object(object))) => self.object(object, path, content),
            Ok(Some(Role::File(object, name))) => {
                self.sidecars
                    .push((object, name, path.to_owned(), content.clone()));
            }
            Ok(None) => {}
            Err(what @ What::NotRead) => self.notes.push(Problem::new(path, what)),
            Err(what) => self.problems.push(Problem::new(path, what)),
        }
    }

    fn role(&self, path: &str) -> Result<Option<Role>, What> {
        let segments: Vec<_> = path.split('/').collect();
        let [kind, directories @ .., last] = segments.as_slice() else {
            return match path {
                MANIFEST => Ok(None),
                _ => Err(What::NotRead),
            };
        };
        if *kind == OVERLAYS {
            return Ok(None);
        }
        if !is_kind(kind) {
            return match has_yaml_ending(last) {
                true => Err(What::NotAPath("a kind is written like routing_queue")),
                false => Ok(None),
            };
        }
        let kind = Kind::new(kind);
        if let Some(stem) = last.strip_suffix(".yaml") {
            let (stem, name) = match stem.strip_suffix(".flow") {
                Some(stem) => (stem, Some(FLOW_FILE)),
                None => (stem, None),
            };
            let ending = &last[stem.len()..];
            let object = self.key(path, directories, stem, ending)?;
            let object = ObjectRef::new(kind, object);
            return Ok(Some(match name {
                Some(name) => Role::File(object, name.to_owned()),
                None => Role::Object(object),
            }));
        }
        if has_yaml_ending(last) {
            return Err(What::NotAPath("the ending must be .yaml, in small letters"));
        }
        let Some((stem, above)) = directories.split_last() else {
            return Err(What::NotRead);
        };
        if let Some((entity, Some(name))) = self.listed.get(path)
            && path.contains("%~")
        {
            let object = ObjectRef::new(entity.kind.clone(), entity.key.clone());
            return Ok(Some(Role::File(object, (*name).to_owned())));
        }
        // Something else, such as a README, lies where no object has files.
        let key = match self.key(path, above, stem, &format!("/{last}")) {
            Ok(key) => key,
            Err(What::Rename { .. }) => return Err(What::NotRead),
            Err(what) => return Err(what),
        };
        match piece(last, false) {
            Piece::Known(name) => {
                let name = Key::from_encoded(&name).parts().concat();
                Ok(Some(Role::File(ObjectRef::new(kind, key), name)))
            }
            Piece::Cut => Err(What::Shortened),
            Piece::Rename(to) => Err(What::Rename {
                to: beside(path, &to),
            }),
        }
    }

    /// Reads the key of a path; a cut name is looked up in the manifest.
    fn key(&self, path: &str, directories: &[&str], last: &str, ending: &str) -> Result<Key, What> {
        let mut pieces = Vec::new();
        let mut right = vec![path.split('/').next().unwrap_or_default().to_owned()];
        let mut wrong = false;
        for (index, segment) in directories.iter().chain([&last]).enumerate() {
            match piece(segment, index == 0) {
                Piece::Known(piece) => {
                    pieces.push(piece);
                    right.push((*segment).to_owned());
                }
                Piece::Rename(to) => {
                    right.push(to);
                    wrong = true;
                }
                Piece::Cut => {
                    let (entity, _) = self.listed.get(path).ok_or(What::Shortened)?;
                    return Ok(entity.key.clone());
                }
            }
        }
        if wrong {
            let to = format!("{}{ending}", right.join("/"));
            return Err(What::Rename { to });
        }
        Ok(Key::from_encoded(&pieces.join("/")))
    }

    fn object(&mut self, object: ObjectRef, path: &str, content: &Arc<[u8]>) {
        if let Some(other) = self.source.file_of(&object) {
            let other = other.to_owned();
            let problem = Problem::new(path, What::SameObject { other });
            self.problems.push(problem.of(&object));
            return;
        }
        self.used.insert(path.to_owned());
        let source = Source {
            path: path.to_owned(),
            text: content.clone(),
            files: BTreeMap::new(),
        };
        self.source.documents.insert(object.clone(), source);
        match body(content) {
            Ok(node) => {
                let problems = check::slots(&node);
                if !problems.is_empty() {
                    let problem = |(at, what)| Problem::new(path, what).at(at).of(&object);
                    self.problems.extend(problems.into_iter().map(problem));
                }
                let Value::Object(body) = node.to_value() else {
                    let problem = Problem::new(path, What::NotAMapping).at(node.position);
                    self.problems.push(problem.of(&object));
                    return;
                };
                let document = Portable {
                    object: object.clone(),
                    body,
                    files: BTreeMap::new(),
                };
                self.documents.insert(object, document);
            }
            Err(yaml::Fault { position, what }) => {
                let problem = Problem::new(path, what).at(position);
                self.problems.push(problem.of(&object));
            }
        }
    }

    /// Gives the files to their objects.
    fn attach(&mut self) {
        for (object, name, path, content) in std::mem::take(&mut self.sidecars) {
            let Some(source) = self.source.documents.get_mut(&object) else {
                if name == FLOW_FILE {
                    let stem = path.strip_suffix(".flow.yaml").unwrap_or(&path);
                    let missing = format!("{stem}.yaml");
                    let problem = Problem::new(&path, What::Orphan { missing });
                    self.problems.push(problem.of(&object));
                } else {
                    self.notes.push(Problem::new(&path, What::NotRead));
                }
                continue;
            };
            if let Some(other) = source.files.insert(name.clone(), path.clone()) {
                let problem = Problem::new(&path, What::SameObject { other });
                self.problems.push(problem.of(&object));
            }
            if let Some(document) = self.documents.get_mut(&object) {
                document.files.insert(name, content);
            }
            self.used.insert(path);
        }
    }

    fn case_clashes(&mut self) {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        let used = std::mem::take(&mut self.used);
        for path in &used {
            let Some(other) = seen.insert(fold(path), path) else {
                continue;
            };
            let name = path.rsplit('/').next().unwrap_or(path);
            let (stem, ending) = match name.strip_suffix(".flow.yaml") {
                Some(stem) => (stem, ".flow.yaml"),
                None => match name.strip_suffix(".yaml") {
                    Some(stem) => (stem, ".yaml"),
                    None => (name, ""),
                },
            };
            let suggestion = format!("{}{ending}", with_suffix(stem, stem));
            let what = What::CaseClash {
                other: other.to_owned(),
                suggestion: beside(path, &suggestion),
            };
            self.problems.push(Problem::new(path, what));
        }
        self.used = used;
    }
}

/// Returns the path of another name in the same directory.
fn beside(path: &str, name: &str) -> String {
    match path.rsplit_once('/') {
        Some((directory, _)) => format!("{directory}/{name}"),
        None => name.to_owned(),
    }
}

fn body(content: &[u8]) -> Result<Node, yaml::Fault> {
    match std::str::from_utf8(content) {
        Ok(text) => yaml::parse(text),
        Err(error) => {
            let before = String::from_utf8_lossy(&content[..error.valid_up_to()]);
            let column = before.rsplit('\n').next().unwrap_or_default();
            let position = Position {
                line: before.matches('\n').count() + 1,
                column: column.chars().count() + 1,
            };
            let what = What::NotUtf8;
            Err(yaml::Fault { position, what })
        }
    }
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
