//! Files of jobs.

use orgsmith_store::desk::{File, FileHead};
use sha2::{Digest, Sha256};

/// Makes a file of its content.
pub(crate) fn file(name: &str, media: &str, content: Vec<u8>) -> File {
    File {
        head: FileHead {
            name: name.to_owned(),
            media: media.to_owned(),
            sha256: hex(&Sha256::digest(&content)),
            size: content.len() as u64,
        },
        content,
    }
}

/// Writes bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
