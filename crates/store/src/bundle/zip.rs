//! A bundle as a zip.
//!
//! Zips come from anywhere, so the reader trusts no header: every byte is counted while it is
//! unpacked.

use std::fs::File;
use std::io::{self, BufWriter, Cursor, Read, Seek, Write};
use std::path::Path;

use ::zip::read::ZipArchive;
use ::zip::write::{SimpleFileOptions, ZipWriter};
use ::zip::{CompressionMethod, DateTime};

use super::dir::write_file;
use super::error::{Error, Problem, What};
use super::tree::{MANIFEST, MAX_FILE, MAX_FILES, MAX_TOTAL, Tree, is_ours, is_safe};

/// Largest growth from packed to unpacked that is accepted of a file of some size.
const MAX_RATIO: u64 = 200;
/// Files up to this size may grow as they like.
const RATIO_FROM: u64 = 1 << 20;

/// Writes the files of a bundle: the manifest first, then by path; fixed times and modes.
pub(super) fn write(tree: &Tree, path: &Path) -> Result<(), Error> {
    write_file(path, |file| pack(tree, BufWriter::new(file)))
}

/// Returns the bytes of the zip that [`write`] writes.
pub(super) fn packed(tree: &Tree) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pack(tree, Cursor::new(&mut bytes))?;
    Ok(bytes)
}

fn pack(tree: &Tree, to: impl Write + Seek) -> io::Result<()> {
    let mut zip = ZipWriter::new(to);
    let manifest = tree.get_key_value(MANIFEST);
    let others = tree.iter().filter(|(path, _)| *path != MANIFEST);
    for (path, content) in manifest.into_iter().chain(others) {
        let options = SimpleFileOptions::default()
            .compression_method(method(content))
            .compression_level(None)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644);
        zip.start_file(path.as_str(), options)?;
        zip.write_all(content)?;
    }
    zip.finish()?.flush()
}

/// Stores what would be taken for a bomb if it were packed, such as a recording of silence.
fn method(content: &[u8]) -> CompressionMethod {
    if content.len() as u64 <= RATIO_FROM {
        return CompressionMethod::Deflated;
    }
    let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    let packed = packer.write_all(content).and_then(|()| packer.finish());
    match packed {
        Ok(packed) if packed.len() as u64 * MAX_RATIO / 2 > content.len() as u64 => {
            CompressionMethod::Deflated
        }
        _ => CompressionMethod::Stored,
    }
}

/// How much a zip may hold.
struct Limits {
    files: usize,
    bytes: u64,
}

const LIMITS: Limits = Limits {
    files: MAX_FILES,
    bytes: MAX_TOTAL,
};

/// Reads the files of a zip that are a bundle's.
pub(super) fn read(path: &Path) -> Result<Tree, Error> {
    unpacked(File::open(path).map_err(Error::io("read", path))?, path)
}

/// Reads the files of a zip that is a bundle's, from wherever it is; `path` is for what is said.
pub(super) fn unpacked(file: impl Read + Seek, path: &Path) -> Result<Tree, Error> {
    unpacked_within(file, path, &LIMITS)
}

fn unpacked_within(file: impl Read + Seek, path: &Path, limits: &Limits) -> Result<Tree, Error> {
    let Limits { files, bytes } = *limits;
    let not_a_zip = |source| Error::NotAZip {
        path: path.to_owned(),
        source,
    };
    let mut zip = ZipArchive::new(file).map_err(not_a_zip)?;
    let hostile = |reason: String| Error::hostile(path, reason);
    if zip.len() > files {
        return Err(hostile(format!("it has more than {files} files")));
    }
    if zip.has_duplicate_names() {
        return Err(hostile("it has two files of the same name".into()));
    }
    if zip.has_overlapping_files().map_err(not_a_zip)? {
        return Err(hostile("its files overlap".into()));
    }
    let mut tree = Tree::new();
    let mut problems = Vec::new();
    let mut total = 0;
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(not_a_zip)?;
        let raw = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let is_dir = raw.ends_with('/');
        let name = raw.trim_end_matches('/');
        // Checked for every entry, also those that are not ours: such a zip is not to be trusted.
        if std::str::from_utf8(entry.name_raw()).is_err() || !is_safe(name) {
            return Err(hostile(format!(
                "the name {raw:?} is not a path in a bundle"
            )));
        }
        if entry.encrypted() {
            return Err(hostile(format!(
                "{raw} is encrypted; unpack it with its tool first"
            )));
        }
        if entry.is_symlink() {
            return Err(hostile(format!("{raw} is a symbolic link")));
        }
        let packed = entry.compressed_size();
        drop(entry);
        if is_dir || !is_ours(name) {
            continue;
        }
        let mut content = Vec::new();
        let limit = MAX_FILE.min(RATIO_FROM.max(packed.saturating_mul(MAX_RATIO)));
        let entry = zip.by_index(index).map_err(not_a_zip)?;
        let outcome = entry.take(limit + 1).read_to_end(&mut content);
        if content.len() as u64 > limit {
            return Err(hostile(format!(
                "{raw} unpacks to more than {limit} bytes from {packed}"
            )));
        }
        if let Err(error) = outcome {
            problems.push(Problem::new(name, What::Damaged(error.to_string())));
            continue;
        }
        total += content.len() as u64;
        if total > bytes {
            return Err(hostile(format!("it unpacks to more than {bytes} bytes")));
        }
        if tree.insert(name.to_owned(), content.into()).is_some() {
            return Err(hostile(format!("it has two files of the name {raw}")));
        }
    }
    if problems.is_empty() {
        Ok(tree)
    } else {
        Err(Error::Problems(problems))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zip(files: usize, size: usize) -> Cursor<Vec<u8>> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for at in 0..files {
            let options = SimpleFileOptions::default();
            zip.start_file(format!("a/{at}.yaml"), options)
                .expect("started");
            zip.write_all(&vec![b' '; size]).expect("written");
        }
        zip.finish().expect("finished")
    }

    fn refused(zip: Cursor<Vec<u8>>, limits: &Limits) -> String {
        match unpacked_within(zip, Path::new("b.zip"), limits) {
            Err(Error::Hostile { reason, .. }) => reason,
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn neither_too_many_files_nor_too_many_bytes_are_read() {
        let limits = Limits {
            files: 10,
            bytes: 1000,
        };
        assert_eq!(refused(zip(11, 1), &limits), "it has more than 10 files");
        assert_eq!(
            refused(zip(10, 101), &limits),
            "it unpacks to more than 1000 bytes"
        );
        let read = unpacked_within(zip(10, 100), Path::new("b.zip"), &limits);
        assert_eq!(read.expect("it is within its limits").len(), 10);
    }

    #[test]
    fn files_that_share_their_bytes_are_refused() {
        let mut bytes = zip(2, 50).into_inner();
        // The second header of the list at the end leads to the first file.
        let second = bytes
            .windows(4)
            .enumerate()
            .filter(|(_, four)| four == b"PK\x01\x02")
            .map(|(at, _)| at)
            .nth(1)
            .expect("two headers");
        bytes[second + 42..second + 46].fill(0);
        assert_eq!(refused(Cursor::new(bytes), &LIMITS), "its files overlap");
    }
}
