//! A bundle as a directory.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::error::{Error, Problem, What};
use super::format::{BundleDigest, is_content, listed};
use super::path::fold;
use super::tree::{MANIFEST, MAX_FILE, MAX_FILES, MAX_TOTAL, Tree, is_ours, is_safe};

/// What [`super::write_dir`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The digest of the bundle.
    pub digest: BundleDigest,
    /// Files that are not of this bundle, were not removed because no manifest listed them, and
    /// will be read as part of it.
    pub kept: Vec<String>,
}

/// Reads the files of a directory that are a bundle's.
pub(super) fn read(root: &Path) -> Result<Tree, Error> {
    let mut tree = Tree::new();
    let mut problems = Vec::new();
    let mut total = 0;
    for (path, entry) in walk(root, &mut problems)? {
        let place = root.join(&path);
        if !entry.is_file() {
            problems.push(Problem::new(&path, What::NotAFile));
            continue;
        }
        let file = File::open(&place).map_err(Error::io("read", &place))?;
        let mut content = Vec::new();
        file.take(MAX_FILE + 1)
            .read_to_end(&mut content)
            .map_err(Error::io("read", &place))?;
        total += content.len() as u64;
        let limit = |what, limit| Problem::new(&path, What::Limit { what, limit });
        if content.len() as u64 > MAX_FILE {
            problems.push(limit("the size in bytes", MAX_FILE));
            continue;
        }
        if total > MAX_TOTAL {
            problems.push(limit("the size of all files in bytes", MAX_TOTAL));
            break;
        }
        tree.insert(path, content.into());
    }
    if problems.is_empty() {
        Ok(tree)
    } else {
        Err(Error::Problems(problems))
    }
}

/// Lists what may be a bundle's, without following links, sorted.
fn walk(root: &Path, problems: &mut Vec<Problem>) -> Result<Vec<(String, fs::FileType)>, Error> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(directory) = open.pop() {
        let place = root.join(&directory);
        for entry in fs::read_dir(&place).map_err(Error::io("read", &place))? {
            let entry = entry.map_err(Error::io("read", &place))?;
            let kind = entry
                .file_type()
                .map_err(Error::io("read", &entry.path()))?;
            let name = entry.file_name();
            let prefix = match directory.as_str() {
                "" => String::new(),
                directory => format!("{directory}/"),
            };
            let path = format!("{prefix}{}", name.to_string_lossy());
            if kind.is_dir() && !name.to_string_lossy().starts_with('.') {
                match is_safe(&format!("{path}/x")) {
                    true => open.push(path),
                    false => problems.push(Problem::new(&path, TOO_ODD)),
                }
                continue;
            }
            if !is_ours(&path) {
                continue;
            }
            if name.to_str().is_none() || !is_safe(&path) {
                problems.push(Problem::new(&path, TOO_ODD));
                continue;
            }
            found.push((path, kind));
            if found.len() > MAX_FILES {
                let (what, limit) = ("the number of files", MAX_FILES as u64);
                let problem = Problem::new(".", What::Limit { what, limit });
                return Err(Error::Problems(vec![problem]));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

const TOO_ODD: What =
    What::NotAPath("the name holds a character no bundle can hold, or is nested too deep");

/// Writes the files of a bundle to a directory.
pub(super) fn write(tree: &Tree, digest: BundleDigest, root: &Path) -> Result<Written, Error> {
    let kept = match fs::read_dir(root) {
        Ok(mut entries) => match entries.next() {
            None => {
                create(tree, root)?;
                Vec::new()
            }
            Some(_) => update(tree, root)?,
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {
            create(tree, root)?;
            Vec::new()
        }
        Err(error) => return Err(Error::io("read", root)(error)),
    };
    Ok(Written { digest, kept })
}

/// Makes a directory beside the new one and gives it its name at the end.
fn create(tree: &Tree, root: &Path) -> Result<(), Error> {
    let parent = parent(root);
    fs::create_dir_all(&parent).map_err(Error::io("create", &parent))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".orgsmith-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o777));
    }
    let temporary = builder
        .tempdir_in(&parent)
        .map_err(Error::io("write to", &parent))?;
    for (path, content) in tree {
        let place = temporary.path().join(path);
        if let Some(directory) = place.parent() {
            fs::create_dir_all(directory).map_err(Error::io("create", directory))?;
        }
        let mut file = File::create_new(&place).map_err(Error::io("write", &place))?;
        file.write_all(content)
            .and_then(|()| file.sync_all())
            .map_err(Error::io("write", &place))?;
    }
    if root.exists() {
        // Empty, as was checked; Windows renames onto nothing that exists.
        fs::remove_dir(root).map_err(Error::io("replace", root))?;
    }
    fs::rename(temporary.path(), root).map_err(Error::io("create", root))?;
    // It has its name now: nothing is left for the guard to remove.
    let _ = temporary.keep();
    sync(&parent)
}

/// Brings the directory of an older bundle up to date, file by file, the manifest last.
fn update(tree: &Tree, root: &Path) -> Result<Vec<String>, Error> {
    let manifest = root.join(MANIFEST);
    let old = match fs::read(&manifest) {
        Ok(text) => listed(&text)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if !is_bare(root)? {
                return Err(Error::NotABundle {
                    path: root.to_owned(),
                });
            }
            BTreeSet::new()
        }
        Err(error) => return Err(Error::io("read", &manifest)(error)),
    };
    let mut problems = Vec::new();
    let mut kept = Vec::new();
    let mut gone = Vec::new();
    for (path, kind) in walk(root, &mut problems)? {
        if !is_content(&path) || (tree.contains_key(&path) && kind.is_file()) {
            continue;
        }
        // What a manifest lists is ours to remove; it is looked up among the files that are
        // there, so that a list from elsewhere cannot name one outside.
        if old.contains(&path) {
            gone.push(path);
        } else if !tree.contains_key(&path) {
            kept.push(path);
        }
    }
    if !problems.is_empty() {
        return Err(Error::Problems(problems));
    }
    // Where case does not count, the old file of a renamed object is the new one's place.
    let new: BTreeSet<_> = tree.keys().map(|path| fold(path)).collect();
    let (first, last): (Vec<_>, Vec<_>) =
        gone.into_iter().partition(|path| new.contains(&fold(path)));
    remove(root, &first)?;
    for (path, content) in tree.iter().filter(|(path, _)| *path != MANIFEST) {
        replace(root, path, content)?;
    }
    remove(root, &last)?;
    if let Some(content) = tree.get(MANIFEST) {
        replace(root, MANIFEST, content)?;
    }
    sync(root)?;
    Ok(kept)
}

/// Makes of the files of a bundle that were read what they are to be, the manifest last.
pub(super) fn bring(old: &Tree, new: &Tree, root: &Path) -> Result<(), Error> {
    let gone: Vec<String> = old
        .keys()
        .filter(|path| !new.contains_key(*path))
        .cloned()
        .collect();
    let changed = |path: &&String| path.as_str() != MANIFEST && old.get(*path) != new.get(*path);
    for path in new.keys().filter(changed) {
        replace(root, path, &new[path])?;
    }
    remove(root, &gone)?;
    if let Some(content) = new.get(MANIFEST) {
        replace(root, MANIFEST, content)?;
    }
    sync(root)
}

/// Tells whether a directory holds nothing that a bundle could be mixed up with.
fn is_bare(root: &Path) -> Result<bool, Error> {
    for entry in fs::read_dir(root).map_err(Error::io("read", root))? {
        let entry = entry.map_err(Error::io("read", root))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let plain = ["README", "LICENSE"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        if !(name.starts_with('.') || plain || name == "overlays" || name == "orgsmith.yaml") {
            return Ok(false);
        }
    }
    Ok(true)
}

fn replace(root: &Path, path: &str, content: &[u8]) -> Result<(), Error> {
    let place = root.join(path);
    if fs::symlink_metadata(&place)
        .is_ok_and(|meta| meta.is_file() && meta.len() == content.len() as u64)
        && fs::read(&place).is_ok_and(|old| old == content)
    {
        return Ok(());
    }
    let directory = parent(&place);
    fs::create_dir_all(&directory).map_err(Error::io("create", &directory))?;
    write_file(&place, |file| file.write_all(content))
}

/// Writes a file under another name and gives it its own at the end.
pub(super) fn write_file(
    place: &Path,
    write: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<(), Error> {
    write_as(0o666, place, write)
}

/// Writes a file as [`write_file`] does, readable by its owner alone.
pub(super) fn write_private(
    place: &Path,
    write: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<(), Error> {
    write_as(0o600, place, write)
}

#[cfg_attr(not(unix), expect(unused_variables, reason = "only unix has modes"))]
fn write_as(
    mode: u32,
    place: &Path,
    write: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<(), Error> {
    let directory = parent(place);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".orgsmith-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(mode));
    }
    let mut temporary = builder
        .tempfile_in(&directory)
        .map_err(Error::io("write to", &directory))?;
    write(temporary.as_file_mut())
        .and_then(|()| temporary.as_file().sync_all())
        .map_err(Error::io("write", place))?;
    temporary
        .persist(place)
        .map_err(|error| Error::io("write", place)(error.error))?;
    sync(&directory)
}

fn remove(root: &Path, paths: &[String]) -> Result<(), Error> {
    for path in paths {
        let place = root.join(path);
        fs::remove_file(&place).map_err(Error::io("remove", &place))?;
        // Directories that have become empty go as well; the first that is not stops this.
        let mut directory = place.parent();
        while let Some(empty) = directory.filter(|directory| *directory != root) {
            if fs::remove_dir(empty).is_err() {
                break;
            }
            directory = empty.parent();
        }
    }
    Ok(())
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    }
}

/// Makes names in a directory durable.
fn sync(directory: &Path) -> Result<(), Error> {
    // Only unix can open a directory to sync it; elsewhere a rename is durable by itself.
    if cfg!(unix) {
        let file = File::open(directory).map_err(Error::io("sync", directory))?;
        file.sync_all().map_err(Error::io("sync", directory))?;
    }
    Ok(())
}
