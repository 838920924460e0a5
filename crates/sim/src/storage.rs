//! Presigned uploads and downloads, on a host of their own outside the API.
//!
//! A family hands out `cx.upload(...)` or `cx.download(...)`; the URL is its own permission, so a
//! request that also carries an `Authorization` header is refused, as the real storage does.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::cx::Cx;
use crate::error::Refusal;

/// The path below which stored files live.
pub(crate) const PREFIX: &str = "/sim-storage/";

/// Takes what was uploaded for a subject, such as a job.
pub(crate) type Uploaded = fn(&mut Cx<'_>, subject: &str, content: &Bytes) -> Result<(), Refusal>;

/// Keeps the files of one org by the last part of their URL.
#[derive(Debug, Default)]
pub(crate) struct Storage {
    pub(crate) slots: BTreeMap<String, Slot>,
}

/// Represents one presigned URL.
#[derive(Debug, Clone)]
pub(crate) enum Slot {
    /// Gives a file.
    Download {
        content: Bytes,
        content_type: String,
    },
    /// Takes a file, once or more, from a request that has these headers.
    Upload {
        subject: String,
        headers: Vec<(&'static str, String)>,
        then: Uploaded,
    },
}
