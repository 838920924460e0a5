//! Bundles on disk, format 1.
//!
//! ```text
//! manifest.json                    what the tree holds, with a sha256 of every file
//! <kind>/<part>/…/<last>.yaml      one object: sorted keys, no ids, no times
//! <kind>/<part>/…/<last>.flow.yaml its file `flow.yaml`, untouched
//! <kind>/<part>/…/<last>/<file>    its other files
//! overlays/<target>.yaml           carried along, not part of the content
//! ```
//!
//! The same bundle gives the same bytes, as a directory and as a zip. The tree is the truth: a
//! person may write it by hand or edit it, and a manifest that no longer agrees is a note, not an
//! error. The module `path` says how a key becomes a path, [`yaml`] what YAML is written and read,
//! `format` and `decode` how both make a bundle, `guard` how one is encrypted and signed.

mod change;
mod check;
mod decode;
mod dir;
mod error;
mod format;
mod guard;
mod path;
mod sealed;
mod signature;
mod tree;
pub mod yaml;
mod zip;

pub use change::{Change, Lock, Touched, change_dir, lock_dir};
pub use dir::Written;
pub use error::{Error, Problem, What};
pub use format::{BundleDigest, BundleSource, FORMAT, Loaded};
pub use guard::{Keys, check_signature, decrypt, encrypt, is_encrypted, sign, signature_of};
pub use sealed::{Identity, Recipients, SealError};
pub use signature::{SignatureError, Signer, SigningKey};

use std::path::Path;

use orgsmith_core::bundle::Bundle;
use orgsmith_core::document::Portable;
use orgsmith_core::id::ObjectRef;

use tree::Tree;

/// Reads a bundle from a directory or a zip, told apart by what the path is.
///
/// # Errors
/// The path cannot be read, or [`Error::Problems`] with every file that is wrong.
pub fn read(path: &Path) -> Result<Loaded, Error> {
    read_with(path, Keys::default())
}

/// Reads a bundle as [`read`] does; an encrypted one is opened in memory, and who must have signed it
/// is asked first.
///
/// # Errors
/// As [`read`]; nothing opens an encrypted bundle; or a signature is missing or not good.
pub fn read_with(path: &Path, keys: Keys<'_>) -> Result<Loaded, Error> {
    guard::read(path, keys)
}

/// Returns the path of the document of an object, within a bundle that has no other of that name.
pub fn path_of(object: &ObjectRef) -> String {
    format!("{}.yaml", path::Paths::default().stem(object))
}

/// Returns the digest that a bundle has once it is written.
///
/// # Errors
/// The bundle holds something that a bundle cannot hold, such as a null.
pub fn digest(bundle: &Bundle) -> Result<BundleDigest, Error> {
    format::encode(bundle).map(|(_, digest)| digest)
}

/// Writes a bundle to a directory.
///
/// A new or empty directory appears at once or not at all. In a directory that holds a bundle,
/// changed files are replaced one by one, and files that the old manifest lists and the new one
/// does not are removed; everything else stays (`.git`, `README.md`, `overlays/`).
///
/// # Errors
/// The directory holds something else than a bundle, or a bundle of a newer format; it cannot be
/// written; or the bundle holds something that a bundle cannot hold.
pub fn write_dir(bundle: &Bundle, path: &Path) -> Result<Written, Error> {
    let (tree, digest) = format::encode(bundle)?;
    dir::write(&tree, digest, path)
}

/// Writes a bundle to a zip, which appears at once or not at all.
///
/// # Errors
/// The file cannot be written, or the bundle holds something that a bundle cannot hold.
pub fn write_zip(bundle: &Bundle, path: &Path) -> Result<BundleDigest, Error> {
    let (tree, digest) = format::encode(bundle)?;
    zip::write(&tree, path)?;
    Ok(digest)
}

/// Writes a bundle whose documents come one after the other and are not kept.
#[derive(Default)]
pub struct Writer {
    encoder: format::Encoder,
}

impl Writer {
    /// Adds a document; they come in the order of their names.
    pub fn add(&mut self, document: &Portable) {
        self.encoder.add(document);
    }

    /// Writes the bundle to a directory, as [`write_dir`] does.
    ///
    /// # Errors
    /// As [`write_dir`].
    pub fn write_dir(self, about: &Bundle, path: &Path) -> Result<BundleDigest, Error> {
        let (tree, digest) = self.finish(about)?;
        Ok(dir::write(&tree, digest, path)?.digest)
    }

    /// Writes the bundle to a zip, as [`write_zip`] does.
    ///
    /// # Errors
    /// As [`write_zip`].
    pub fn write_zip(self, about: &Bundle, path: &Path) -> Result<BundleDigest, Error> {
        let (tree, digest) = self.finish(about)?;
        zip::write(&tree, path)?;
        Ok(digest)
    }

    /// Writes the bundle encrypted; it is on no disk in clear.
    ///
    /// # Errors
    /// As [`write_zip`].
    pub fn write_encrypted(
        self,
        about: &Bundle,
        path: &Path,
        recipients: &Recipients,
    ) -> Result<BundleDigest, Error> {
        let (tree, digest) = self.finish(about)?;
        let packed = zip::packed(&tree).map_err(Error::io("pack", path))?;
        let sealed = sealed::seal(&packed, recipients).map_err(Error::sealed("encrypt", path))?;
        dir::write_file(path, |file| std::io::Write::write_all(file, &sealed))?;
        Ok(digest)
    }

    /// Takes of a bundle what it says besides its documents.
    fn finish(self, about: &Bundle) -> Result<(Tree, BundleDigest), Error> {
        self.encoder.finish(about)
    }
}

/// Packs a directory into a zip, byte by byte, with overlays and a fresh manifest.
///
/// # Errors
/// As [`read`] and [`write_zip`].
pub fn pack(dir: &Path, zip: &Path) -> Result<BundleDigest, Error> {
    let (tree, digest) = refreshed(dir::read(dir)?)?;
    zip::write(&tree, zip)?;
    Ok(digest)
}

/// Unpacks a zip into a directory, byte by byte, with overlays and a fresh manifest.
///
/// # Errors
/// As [`read`] and [`write_dir`].
pub fn unpack(zip: &Path, dir: &Path) -> Result<Written, Error> {
    if is_encrypted(zip)? {
        return Err(Error::sealed("unpack", zip)(SealError::Closed));
    }
    let (tree, digest) = refreshed(zip::read(zip)?)?;
    dir::write(&tree, digest, dir)
}

/// What [`verify`] found.
#[derive(Debug)]
pub struct Verification {
    /// The digest of the tree, unless it cannot be read.
    pub digest: Option<BundleDigest>,
    /// Everything that is wrong, also that the manifest disagrees with the tree.
    pub problems: Vec<Problem>,
}

/// Checks a bundle and its manifest.
///
/// # Errors
/// The path cannot be read at all, or is of a newer format.
pub fn verify(path: &Path, identity: Option<&Identity>) -> Result<Verification, Error> {
    let keys = Keys {
        identity,
        signer: None,
    };
    match read_with(path, keys) {
        Ok(Loaded { digest, notes, .. }) => Ok(Verification {
            digest: Some(digest),
            problems: notes,
        }),
        Err(Error::Problems(problems)) => Ok(Verification {
            digest: None,
            problems,
        }),
        Err(error) => Err(error),
    }
}

fn refreshed(mut tree: Tree) -> Result<(Tree, BundleDigest), Error> {
    let loaded = decode::decode(&tree)?;
    // What is made here has to lie on every disk.
    let clashes = loaded.notes.iter();
    let clashes = clashes.filter(|note| matches!(note.what, What::CaseClash { .. }));
    format::refuse(clashes.cloned().collect())?;
    let digest = format::put_manifest(&mut tree, &loaded.bundle, &loaded.source)?;
    Ok((tree, digest))
}
