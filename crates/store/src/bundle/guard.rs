//! Bundles that only some can read, and bundles that somebody vouches for.
//!
//! A file is encrypted and signed as it is, so that the tools `age` and `minisign` do the same. Of a
//! directory its zip is encrypted, and its manifest is signed, which lists every other file. What is
//! decrypted stays in memory, but for [`decrypt`].

use std::fs::{self, File};
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use super::decode;
use super::dir::{self, write_file, write_private};
use super::error::Error;
use super::format::{BundleDigest, Loaded};
use super::sealed::{self, Identity, Recipients, SealError};
use super::signature::{self, SignatureError, Signer, SigningKey};
use super::tree::{MANIFEST, MAX_TOTAL, Tree};
use super::zip;

/// What a bundle is opened with.
#[derive(Clone, Copy, Default)]
pub struct Keys<'k> {
    /// Opens it where it is encrypted.
    pub identity: Option<&'k Identity>,
    /// Must have signed it; nobody need have where nothing is said.
    pub signer: Option<&'k Signer>,
}

/// Tells whether a path is an encrypted file.
///
/// # Errors
/// It cannot be read.
pub fn is_encrypted(path: &Path) -> Result<bool, Error> {
    if path.is_dir() {
        return Ok(false);
    }
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut beginning = Vec::new();
    file.take(64)
        .read_to_end(&mut beginning)
        .map_err(Error::io("read", path))?;
    Ok(sealed::is_sealed(&beginning))
}

/// Returns where the signature of a bundle is, as the tool `minisign` would have it.
pub fn signature_of(path: &Path) -> PathBuf {
    let signed = match path.is_dir() {
        true => path.join(MANIFEST),
        false => path.to_owned(),
    };
    let mut name = signed.into_os_string();
    name.push(".minisig");
    name.into()
}

/// Reads a bundle that may be encrypted, or must be signed.
pub(super) fn read(path: &Path, keys: Keys<'_>) -> Result<Loaded, Error> {
    let Some(signer) = keys.signer else {
        return decode::decode(&load(path, keys.identity)?);
    };
    let place = signature_of(path);
    let signature = match fs::read_to_string(&place) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::Unsigned {
                path: path.to_owned(),
                place,
            });
        }
        Err(error) => return Err(Error::io("read", &place)(error)),
    };
    checked(path, keys.identity, &signature, signer).map(|(loaded, _)| loaded)
}

/// Encrypts a bundle for some.
///
/// # Errors
/// As [`super::read`], and where the file cannot be written or is encrypted already.
pub fn encrypt(path: &Path, to: &Path, recipients: &Recipients) -> Result<BundleDigest, Error> {
    let (content, digest) = if path.is_dir() {
        let (tree, digest) = super::refreshed(dir::read(path)?)?;
        let packed = zip::packed(&tree).map_err(Error::io("pack", path))?;
        (packed, digest)
    } else {
        let content = whole_file(path)?;
        if sealed::is_sealed(&content) {
            return Err(Error::sealed("encrypt", path)(SealError::Twice));
        }
        let tree = zip::unpacked(Cursor::new(&content), path)?;
        let digest = decode::decode(&tree)?.digest;
        (content, digest)
    };
    let sealed = sealed::seal(&content, recipients).map_err(Error::sealed("encrypt", path))?;
    write_file(to, |file| file.write_all(&sealed))?;
    Ok(digest)
}

/// Writes the zip that is within an encrypted bundle, readable by its owner alone.
///
/// # Errors
/// As [`super::read_with`], and where the file cannot be written or the bundle is not encrypted.
pub fn decrypt(path: &Path, to: &Path, identity: &Identity) -> Result<BundleDigest, Error> {
    let failed = || Error::sealed("decrypt", path);
    if !is_encrypted(path)? {
        return Err(failed()(SealError::Plain));
    }
    let content = sealed::open(&whole_file(path)?, identity).map_err(failed())?;
    let loaded = decode::decode(&zip::unpacked(Cursor::new(&content), path)?)?;
    write_private(to, |file| file.write_all(&content))?;
    Ok(loaded.digest)
}

/// Signs a bundle; `told` goes along. Returns the text of the signature.
///
/// # Errors
/// The bundle cannot be read, or is a directory whose manifest does not agree with it.
pub fn sign(path: &Path, key: &SigningKey, told: &str) -> Result<String, Error> {
    let failed = || Error::signature("sign", path);
    let content = if path.is_dir() {
        let tree = dir::read(path)?;
        let manifest = manifest(&tree).map_err(failed())?.to_vec();
        agreeing(decode::decode(&tree)?)?;
        manifest
    } else {
        let content = whole_file(path)?;
        // One that is encrypted is not for everybody who signs to read.
        if !sealed::is_sealed(&content) {
            decode::decode(&zip::unpacked(Cursor::new(&content), path)?)?;
        }
        content
    };
    signature::sign(&content, key, told).map_err(failed())
}

/// Checks that a bundle is the one that was signed; returns what went along with the signature.
///
/// An encrypted bundle is checked as it is, and need not be opened.
///
/// # Errors
/// As [`sign`], and where the signature is not good.
pub fn check_signature(path: &Path, signature: &str, signer: &Signer) -> Result<String, Error> {
    if path.is_dir() {
        return checked(path, None, signature, signer).map(|(_, told)| told);
    }
    let content = whole_file(path)?;
    let failed = Error::signature("check the signature of", path);
    signature::check(&content, signature, signer).map_err(failed)
}

/// Reads exactly what was signed: nothing is read a second time.
fn checked(
    path: &Path,
    identity: Option<&Identity>,
    signature: &str,
    signer: &Signer,
) -> Result<(Loaded, String), Error> {
    let failed = || Error::signature("check the signature of", path);
    if path.is_dir() {
        let tree = dir::read(path)?;
        let content = manifest(&tree).map_err(failed())?;
        let told = signature::check(content, signature, signer).map_err(failed())?;
        return Ok((agreeing(decode::decode(&tree)?)?, told));
    }
    let content = whole_file(path)?;
    let told = signature::check(&content, signature, signer).map_err(failed())?;
    let tree = match sealed::is_sealed(&content) {
        true => opened(&content, path, identity)?,
        false => zip::unpacked(Cursor::new(content), path)?,
    };
    Ok((decode::decode(&tree)?, told))
}

/// Reads the files of a bundle, wherever and however it is kept.
pub(super) fn load(path: &Path, identity: Option<&Identity>) -> Result<Tree, Error> {
    let meta = fs::metadata(path).map_err(Error::io("read the bundle", path))?;
    if meta.is_dir() {
        dir::read(path)
    } else if is_encrypted(path)? {
        opened(&whole_file(path)?, path, identity)
    } else {
        zip::read(path)
    }
}

fn opened(content: &[u8], path: &Path, identity: Option<&Identity>) -> Result<Tree, Error> {
    let identity = identity.ok_or_else(|| Error::Encrypted {
        path: path.to_owned(),
    })?;
    let content = sealed::open(content, identity).map_err(Error::sealed("open", path))?;
    zip::unpacked(Cursor::new(content), path)
}

fn manifest(tree: &Tree) -> Result<&[u8], SignatureError> {
    let manifest = tree.get(MANIFEST).ok_or(SignatureError::NoManifest)?;
    Ok(manifest)
}

/// Refuses a tree that its manifest does not describe.
fn agreeing(loaded: Loaded) -> Result<Loaded, Error> {
    match loaded.notes.is_empty() {
        true => Ok(loaded),
        false => Err(Error::Problems(loaded.notes)),
    }
}

fn whole_file(path: &Path) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut content = Vec::new();
    file.take(MAX_TOTAL + 1)
        .read_to_end(&mut content)
        .map_err(Error::io("read", path))?;
    if content.len() as u64 > MAX_TOTAL {
        return Err(Error::hostile(
            path,
            format!("it is larger than {MAX_TOTAL} bytes"),
        ));
    }
    Ok(content)
}
