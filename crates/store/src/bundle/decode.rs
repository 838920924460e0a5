//! From a tree of files to a bundle.
//!
//! The tree is the truth. The manifest adds what no file says (source, selection, gaps, keys whose
//! names were cut), and is otherwise only compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orgsmith_core::bundle::{Bundle, Written};
use orgsmith_core::document::{Packed, Portable};
use orgsmith_core::id::{Key, Kind, ObjectRef};
use serde_json::Value;

use super::check;
use super::error::{Error, Problem, What};
use super::format::{
    BundleSource, Entity, Loaded, Manifest, Source, digest, is_kind, lines, read_manifest, refuse,
    sha256,
};
use super::path::{FLOW_FILE, Piece, fold, piece, with_suffix};
use super::tree::{MANIFEST, OVERLAYS, Tree, has_yaml_ending};
use super::yaml::{self, Node, Position};

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
        let built_in = manifest.entities.iter().filter(|entity| entity.built_in);
        bundle.built_in = built_in
            .map(|entity| ObjectRef::new(entity.kind.clone(), entity.key.clone()))
            .collect();
        // A bundle that nobody exported and somebody packed has a manifest without an org.
        if !manifest.source.org_name.is_empty() {
            let exported: BTreeSet<ObjectRef> = manifest
                .entities
                .iter()
                .map(|entity| ObjectRef::new(entity.kind.clone(), entity.key.clone()))
                .collect();
            let added = bundle
                .documents
                .keys()
                .filter(|object| !exported.contains(object));
            bundle.written = Written::Read {
                but: added.cloned().collect(),
            };
        }
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
    documents: BTreeMap<ObjectRef, Packed>,
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
                self.documents.insert(object, document.into());
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
            // Two documents can be told apart here, though not on every disk; of files beside them one would
            // take the place of the other.
            let found = match ending {
                ".yaml" => &mut self.notes,
                _ => &mut self.problems,
            };
            found.push(Problem::new(path, what));
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
