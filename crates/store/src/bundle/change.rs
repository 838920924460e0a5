//! Changes single documents of a bundle in a directory.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use orgsmith_core::document::Portable;
use orgsmith_core::id::ObjectRef;

use super::error::Error;
use super::path::Paths;
use super::tree::{MANIFEST, Tree};
use super::{Loaded, check, decode, dir, format, yaml};

/// What becomes of a document of a bundle.
#[derive(Clone, Debug)]
pub enum Change {
    /// It says this now, or is new.
    Put(Portable),
    /// It goes, with its files.
    Remove(ObjectRef),
}

/// A file that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Its path in the bundle.
    pub path: String,
    /// It was removed.
    pub removed: bool,
    /// Comments or the order of fields were lost.
    pub lost: bool,
}

/// The right to change a bundle in a directory, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    /// Nothing where the system locks no directories.
    _file: Option<File>,
}

/// Takes the right to change a bundle in a directory; nothing where somebody has it.
///
/// It is the system's lock of the directory itself, so it leaves no file behind, and it keeps apart what
/// has asked for it, also in other processes, and nobody else.
///
/// # Errors
/// There is no such directory, or it cannot be locked.
pub fn lock_dir(root: &Path) -> io::Result<Option<Lock>> {
    if !cfg!(unix) {
        return Ok(Some(Lock { _file: None }));
    }
    let file = File::open(root)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock { _file: Some(file) })),
        Err(TryLockError::WouldBlock) => Ok(None),
        // Some network file systems know no locks.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            Ok(Some(Lock { _file: None }))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Works out what a directory becomes with some documents changed; with `write` makes it so.
///
/// The text of a document that is there already stays as a person wrote it, as far as that goes. A
/// manifest is brought up to date where there is one, last of all.
///
/// # Errors
/// The directory holds no bundle, or cannot be written; or a document holds what none can hold.
pub fn change_dir(root: &Path, changes: &[Change], write: bool) -> Result<Vec<Touched>, Error> {
    let tree = dir::read(root)?;
    let Loaded { source, .. } = decode::decode(&tree)?;
    let mut next = tree.clone();
    let mut paths = Paths::default();
    // Names that differ only in case must not meet.
    for object in source.documents.keys() {
        paths.stem(object);
    }
    let mut lost = BTreeSet::new();
    let mut problems = Vec::new();
    for change in changes {
        let object = match change {
            Change::Put(document) => &document.object,
            Change::Remove(object) => object,
        };
        let known = source.documents.get(object);
        let path = match known {
            Some(known) => known.path.clone(),
            None => format!("{}.yaml", paths.stem(object)),
        };
        for sidecar in known.into_iter().flat_map(|known| known.files.values()) {
            next.remove(sidecar);
        }
        let Change::Put(document) = change else {
            next.remove(&path);
            continue;
        };
        problems.extend(check::writable(object, document, &path));
        let old = tree
            .get(&path)
            .and_then(|text| std::str::from_utf8(text).ok());
        let edited = match old {
            Some(old) => yaml::edit(old, &document.body),
            None => yaml::Edited {
                text: yaml::to_yaml(&document.body),
                lost: false,
            },
        };
        if edited.lost {
            lost.insert(path.clone());
        }
        next.insert(path.clone(), edited.text.into_bytes().into());
        let stem = path
            .rsplit_once('.')
            .map_or(path.as_str(), |(stem, _)| stem);
        for (name, content) in &document.files {
            let own = known.and_then(|known| known.files.get(name)).cloned();
            let place = own.unwrap_or_else(|| paths.file(stem, name));
            next.insert(place, content.clone());
        }
    }
    problems.extend(check::sizes(&next));
    format::refuse(problems)?;
    // It must be readable, and say what is wanted.
    let loaded = decode::decode(&next)?;
    let touched = differences(&tree, &next, &lost);
    if !write || touched.is_empty() {
        return Ok(touched);
    }
    if tree.contains_key(MANIFEST) {
        format::put_manifest(&mut next, &loaded.bundle, &loaded.source)?;
    }
    dir::bring(&tree, &next, root)?;
    Ok(touched)
}

fn differences(old: &Tree, new: &Tree, lost: &BTreeSet<String>) -> Vec<Touched> {
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = paths
        .into_iter()
        .filter(|path| old.get(*path) != new.get(*path));
    changed
        .map(|path| Touched {
            path: path.clone(),
            removed: !new.contains_key(path),
            lost: lost.contains(path),
        })
        .collect()
}
